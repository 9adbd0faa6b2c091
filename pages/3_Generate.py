"""Generate: new wafers of a class, by a generator, by transforms or by the simulator."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.generate import ablation, factors, learning_curve
from pages.generate import run as made_run
from pages.shared import forms, gallery, guards, jobs_panel, layout, loaders
from wafer_core import jobs, plots
from wafer_core.data import synthetic
from wafer_core.data.project import Project
from wafer_core.jobs import JobState
from wafer_core.tasks.generation import presets as generate
from wafer_core.tasks.generation.dcgan import training
from wafer_core.workflows import submit

METHODS = {  # what the table says → the mode of the job
    "–": None,
    "Auto (GAN)": "gan",
    "Manual (transforms)": "transforms",
    "Physics (simulator)": "physics",
}

STUDIES = {  # the tabs beside “Make”: title → what draws it
    "Does it help?": ablation.show,
    "How many do I need?": learning_curve.show,
}

project = guards.require_project(layout.start("Generate"))
st.title("Generate")
summary = loaders.summary(project)
usable = [c for c in summary.classes if c.parts["train"]]
if not usable:
    st.info("No wafers to learn from yet. Add some to a class first.")
    st.page_link("pages/1_Classes.py", label="Go to Classes", icon=":material/category:")
    st.stop()
make_tab, *study_tabs = st.tabs(["Make", *STUDIES], key="generate_part", on_change="rerun")
for study_tab, show in zip(study_tabs, STUDIES.values(), strict=True):
    if study_tab.open:
        with study_tab:
            show(project, summary)
        st.stop()  # what follows is the first tab
st.caption(
    "Auto: a network draws new wafers of a class. Manual: turns and mirrors its wafers. Physics: a "
    "simulator fitted to the class, with levels for each process factor. What is made trains only "
    "and can be removed."
)


def choose_classes() -> list[dict[str, object]]:
    """The table of classes: a method and a count for each."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.selectbox(
            "Method for all",
            list(METHODS),
            key="generate_all",
            width=220,
            help="A start for the table below; each class can differ.",
        )
        count = st.number_input(
            "How many for each", 1, generate.MAX_COUNT, 200, 10, key="generate_count", width=180
        )  # fmt: skip
    table = pd.DataFrame(
        {
            "class": [c.name for c in usable],
            "training originals": [c.parts["train"] for c in usable],
            "made so far": [c.augmented + c.generated for c in usable],
            "method": [method] * len(usable),
            "how many": [count] * len(usable),
        }
    )
    edited = st.data_editor(
        table,
        key=f"generate_table_{hash((tuple(c.slug for c in usable), method, count))}",
        hide_index=True,
        disabled=["class", "training originals", "made so far"],
        column_config={
            "method": st.column_config.SelectboxColumn(
                options=list(METHODS),
                required=True,
                help="Auto: a generator. Manual: transforms of the originals (seconds). Physics: "
                "the simulator, fitted to the class (seconds); also for one wafer alone.",
            ),
            "how many": st.column_config.NumberColumn(
                min_value=1, max_value=generate.MAX_COUNT, step=10, required=True
            ),
        },
    )
    return [
        {"name": row["class"], "mode": METHODS[row["method"]], "count": int(row["how many"])}
        for row in edited.to_dict("records")
        if METHODS[row["method"]]
    ]


def settings() -> dict[str, object]:
    """The form of Auto: a preset and the settings that it reads."""
    presets = sorted(
        training.PRESETS, key=lambda key: key != training.GanConfig().preset
    )  # that first
    preset = st.selectbox(
        "Preset of Auto",
        presets,
        format_func=lambda key: training.PRESETS[key].title,
        key="generate_preset",
        help="\n\n".join(f"**{p.title}**: {p.help}" for p in training.PRESETS.values()),
    )
    st.caption(training.PRESETS[preset].help)
    read = {name: training.PARAMETERS[name] for name in training.PRESETS[preset].settings}
    main = {name: spec for name, spec in read.items() if spec.main}
    rest = {name: spec for name, spec in read.items() if not spec.main}
    chosen = {name: forms.parameter(name, spec, "generate") for name, spec in main.items()}
    if rest:
        with forms.more("generate") as is_open:
            chosen |= {
                name: forms.parameter(name, spec, "generate", drawn=is_open)
                for name, spec in rest.items()
            }
        if not is_open:
            forms.tell_hidden(chosen, rest)
    return {"preset": preset, **chosen}


def live(state: JobState) -> None:
    """Steps with their times, losses, and the pictures that grow through the epochs."""
    epochs, steps = state.metric("gan_epoch"), state.metric("step")
    names = list(dict.fromkeys(str(e["class"]) for e in [*epochs, *steps]))
    if not names:
        return
    name = names[-1] if state.is_active else st.selectbox(
        "Class of the run", names, key=f"generate_live_{state.id}"
    )  # fmt: skip
    mine = [e for e in epochs if e["class"] == name]
    left, right = st.columns([3, 2], gap="medium")
    if mine:
        left.plotly_chart(
            plots.curves(
                [e["epoch"] for e in mine],
                {
                    "discriminator": [e["d_loss"] for e in mine],
                    "generator": [e["g_loss"] for e in mine],
                },
                f"{name}: losses",
                "loss (lower is better for its own side)",
            ),
            key=f"generate_losses_{state.id}",
        )
    drawn = [e for e in mine if e.get("samples")]
    if drawn:
        path = state.folder / str(drawn[-1]["samples"])
        if path.exists():
            right.image(path.read_bytes(), width=300, alt="pictures made so far")
            right.caption(f"Made after epoch {drawn[-1]['epoch']} of {drawn[-1]['epochs']}")
    done = [s for s in steps if s["class"] == name]
    if done:
        beside = left if mine else st  # losses and pictures leave room for half a table only
        beside.dataframe(
            pd.DataFrame({"step": [s["title"] for s in done],
                          "seconds": [round(s["seconds"], 2) for s in done]}),
            hide_index=True, width="stretch" if mine else 620,
        )  # fmt: skip


def job_panel(project: Project) -> None:
    """The newest job of this page with its live charts."""

    def newest() -> list[JobState]:
        states = [s for s in jobs.list_jobs(project.path) if s.kind in ("generate", "score")]
        return sorted(states, key=lambda s: s.id)[-1:]

    states = newest()
    if not states:
        return

    @st.fragment(run_every=jobs_panel.ACTIVE_EVERY if states[-1].is_active else None)
    def panel() -> None:
        for state in newest():
            jobs_panel.job_card(state, "generate")
            if state.is_active:
                live(state)
            elif state.metric("gan_epoch"):
                with st.expander("How it was trained: steps, losses, pictures"):
                    live(state)

    panel()


left, right = st.columns([5, 2], gap="large")
with left:
    wanted = choose_classes()
    small = {c.name for c in usable if c.parts["train"] < training.MIN_PICTURES}
    too_few = [str(w["name"]) for w in wanted if w["mode"] == "gan" and w["name"] in small]
    if too_few:
        st.warning(
            f"{', '.join(too_few)}: one training original is too few for a GAN; add some, or "
            "choose Manual or Physics."
        )
    simulated = [w for w in wanted if w["mode"] == "physics"]
    levels: factors.Levels | None = {}
    if simulated:
        fewest = min(int(str(w["count"])) for w in simulated)
        levels = factors.form([str(w["name"]) for w in simulated], fewest)
        for entry in simulated if levels else ():
            entry["levels"] = levels
with right, guards.errors_told():
    config = settings()
    seed = st.number_input(
        "Seed", 0, 2**31, 0, key="generate_seed",
        help="The same seed makes the same pictures again.", persist_state="session",
    )  # fmt: skip
with left:
    total = sum(int(str(w["count"])) for w in wanted)
    if st.button(
        f"Generate {total:,} pictures" if wanted else "Choose a method in the table",
        type="primary",
        key="generate_make",
        disabled=not wanted or bool(too_few) or levels is None,
    ):
        with guards.errors_told():
            jobs_panel.launch(
                submit.create_job(
                    project.path,
                    "generate",
                    {"classes": wanted, "config": config, "seed": int(seed)},
                )
            )
    job_panel(project)

runs = sorted(
    (
        (c, run)
        for c in summary.classes
        for origin in synthetic.ORIGINS
        for run in synthetic.runs(project, c.slug, origin)
    ),
    key=lambda pair: pair[1].run,
    reverse=True,
)
st.subheader(f"Made so far ({len(runs)} {'run' if len(runs) == 1 else 'runs'})")
if not runs:
    st.caption("Nothing made yet. Choose a method for a class above.")
    st.stop()
chosen_class, chosen = st.selectbox(
    "Run",
    runs,
    format_func=lambda pair: (
        f"{pair[0].name} · {len(pair[1].records)} by {made_run.method(pair[1])} · "
        f"{pair[1].run.removeprefix('run-')[:15]} UTC"
    ),
    key="generate_run",
)
made_run.information(project, chosen_class, chosen)
if st.button("Remove this run", key="generate_remove", icon=":material/delete:"):
    with guards.errors_told():
        synthetic.delete(project, chosen_class.slug, chosen.origin, chosen.run)
        gallery.clear_selection("generate")
        st.rerun()
