"""One run of made wafers: what it looks like, how good it is, how it was made and what it cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from pages.generate import factors, sweep
from pages.shared import forms, guards, jobs_panel, loaders
from wafer_core import jobs, simulator
from wafer_core.data import manifest, pictures
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.data.synthetic import MadeRun
from wafer_core.networks import features
from wafer_core.simulator import fit as physics
from wafer_core.simulator import fitted
from wafer_core.tasks.augmentation import offline
from wafer_core.tasks.generation import presets
from wafer_core.tasks.generation.dcgan.training import PRESETS
from wafer_core.workflows import score, submit

METHODS = {"gan": "GAN", "transforms": "transforms", "physics": "physics"}
_SHOWN = 40  # wafers of each side
_CELLS_SHOWN = 60  # combinations of levels in one picture


def method(run: MadeRun) -> str:
    """How a run was made, in a word: by transforms, by physics, or by which preset of Auto."""
    preset = PRESETS.get(str(run.info.get("preset")))
    if preset is not None:
        return preset.title
    known = "transforms" if run.origin == "augmented" else "gan"
    return METHODS.get(str(run.info.get("method", known)), METHODS[known])


def information(project: Project, c: ClassSummary, run: MadeRun) -> None:
    """The tabs of a run; only the open one is computed."""
    shown = {title: draw for title, (draw, applies) in TABS.items() if applies(run)}
    tabs = st.tabs(list(shown), key="generate_tab", on_change="rerun")
    for tab, draw in zip(tabs, shown.values(), strict=True):
        if tab.open:
            with tab:
                draw(project, c, run)


def side_by_side(project: Project, c: ClassSummary, run: MadeRun) -> None:
    """Originals and what was made of them, drawn in the same way."""
    folder = manifest.class_folder(project, c.slug)
    originals = [r for r in pictures.originals(project, c.slug) if r.part == "train"][:_SHOWN]
    left, right = st.columns(2, gap="medium")
    for column, title, base, records in (
        (left, "Originals", folder / "originals", originals),
        (right, "Made", folder / run.origin / run.run, run.records[:_SHOWN]),
    ):
        column.markdown(f"**{title}**")
        paths = tuple(str(base / r.file) for r in records)
        column.image(loaders.sheet(paths, 8, 84), width="stretch", alt=title)
    st.caption(provenance(run))


def provenance(run: MadeRun) -> str:
    """How a run was made, in a line."""
    info = run.info
    seed = f"seed {info.get('seed', '?')}"
    if method(run) == "transforms":
        return (
            f"Transforms: {forms.differences(info.get('config', {}), offline.PARAMETERS)} · {seed}"
        )
    seconds = jobs_panel.seconds_text(sum(info.get("steps", {}).values()))
    if method(run) == "physics":
        told = info.get("fit", {}).get("sentence", "")
        return f"Physics: {info.get('pattern', '?')} · {seed} · {seconds} · {told}"
    told = [f"Preset {info.get('preset', '?')}"]
    if "d_loss" in info or info.get("preset") == "classic":
        told += [f"{info.get('epochs', '?')} epochs", f"threshold {info.get('threshold', '?')}"]
    return " · ".join([*told, seed, f"{seconds} on {info.get('device', '?')}"])


def scores(project: Project, c: ClassSummary, run: MadeRun) -> None:
    """How near what was made comes to real wafers, each figure beside its floor and ceiling."""
    known = score.stored_scores(project, c.slug, run)
    if not known:
        st.info("Not scored yet. Scoring compares these wafers with originals they never saw.")
    for found in known.values():
        _score_table(found, f"{c.slug}-{run.run}-scores-{found['features']}.csv")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        network = st.selectbox(
            "Compare with",
            list(features.FEATURES),
            format_func=lambda key: features.FEATURES[key].title,
            key="generate_score_features",
            width=320,
            help="The network whose eyes the figures are seen with. WaferNet knows wafers and "
            "ships; Inception is that of published figures and needs its file of weights.",
        )
        active = any(
            s.is_active for s in jobs.list_jobs(project.path) if s.kind == "score"
        )  # fmt: skip
        if st.button(
            "Score this run" if network not in known else "Score again",
            key="generate_score",
            disabled=active,
            icon=":material/speed:",
        ):
            parameters = {"class": c.name, "run": run.run, "features": network}
            jobs_panel.launch(submit.create_job(project.path, "score", parameters))


def _score_table(found: Mapping[str, Any], file_name: str) -> None:
    counts = found.get("counts", {})
    _tell_other_weights(found)
    title, sentence = found.get("title", found["features"]), found.get("sentence", "")
    st.markdown(f"**{guards.plain(title)}** · {guards.plain(sentence)}")
    rows = [
        {
            "score": told["title"],
            "value": told["value"],
            "± over draws": told["spread"],
            "floor: real against real": told["floor"],
            "ceiling: other class": told["ceiling"],
            "better": told["better"],
            **_agreement(told),
        }
        for told in found["scores"].values()
    ]
    table = pd.DataFrame(rows)
    shown = table.drop(columns=["wafers", "taken for instead"], errors="ignore")
    if "95 % interval" in shown:
        shown["95 % interval"] = shown["95 % interval"].fillna("")
    st.dataframe(
        shown,
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.3g")
            for name in ("value", "± over draws", "floor: real against real",
                         "ceiling: other class")
        },
    )  # fmt: skip
    meanings = [told["sentence"] or told.get("note") for told in found["scores"].values()]
    st.markdown("\n".join(f"- {guards.plain(told)}" for told in meanings if told))
    st.caption(
        f"{counts.get('made', '?')} made wafers against {found.get('reference', 'originals')}; "
        f"weights {found.get('weights', '?')} · {found.get('seconds', 0):.1f} s"
    )
    _download(table, file_name)


def _agreement(told: Mapping[str, Any]) -> dict[str, Any]:
    """What the table says of class agreement alone; all of it stands in the file."""
    details, counts = told.get("details") or {}, told.get("counts") or {}
    ends = [details.get(f"made_{end}") for end in ("low", "high")]
    if None in ends:
        return {}
    return {
        "95 % interval": f"{ends[0]:.2f} to {ends[1]:.2f}",
        "wafers": f"{details['made']:.0f} of {counts['made']}",
        "taken for instead": told.get("instead"),
    }


def _tell_other_weights(found: Mapping[str, Any]) -> None:
    """Figures that were seen with other weights cannot be compared with new ones."""
    now = features.wafernet_checksum()
    then = str(found.get("wafernet") or "")
    if not then and found["features"] == "wafernet":  # scores of an older version
        then = str(found.get("weights") or "")
    if then and not now.startswith(then):
        st.warning(
            f"These figures were seen with other weights of WaferNet ({then[:8]}) than the program "
            f"has now ({now[:8]}): do not compare them with newer ones. Score the run again."
        )


def factor_table(project: Project, c: ClassSummary, run: MadeRun) -> None:
    """What the simulator was fitted with, and the levels that were made."""
    fit = run.info.get("fit", {})
    ratio = fit.get("ratio")
    tell = st.success if ratio is not None and ratio <= fitted.NEAR else st.info
    if ratio is not None and ratio > fitted.FAR:
        tell = st.warning
    tell(fit.get("sentence", "This run does not say how well the simulator fits."))
    shares = fit.get("shares", {})
    if len(shares) > 1:
        st.caption(" · ".join(f"{name} {share:.0%}" for name, share in shares.items()))
    levels = run.info.get("levels", {})
    rows = []
    for name, (low, middle, high) in run.info.get("factors", {}).items():
        factor = simulator.FACTORS.get(name)
        if factor is None:  # a factor of another version
            continue
        rows.append({
            "factor": factor.title, "unit": factor.unit, "10 %": low, "middle": middle,
            "90 %": high,
        })  # fmt: skip
    left, right = st.columns([4, 5], gap="medium")
    with left:
        st.markdown(f"**Factors of the class** (wafers most like {run.info.get('pattern', '?')})")
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            column_config={
                name: st.column_config.NumberColumn(format="%.3g")
                for name in ("10 %", "middle", "90 %")
            },
        )
    with right:
        for name, chosen in levels.items():
            varied = ", ".join(factors.told(name, level) for level in chosen)
            st.markdown(f"- Varied on purpose: **{simulator.FACTORS[name].title}** {varied}")
        _levels_picture(project, c, run)
        table = pd.DataFrame([_made_row(record.file, record.details) for record in run.records])
        _download(table, f"{c.slug}-{run.run}-levels.csv", "Factors of every wafer (CSV)")


def _levels_picture(project: Project, c: ClassSummary, run: MadeRun) -> None:
    """The first wafer of each combination of levels, with the levels below."""
    first: dict[int, manifest.PictureRecord] = {}
    for record in run.records:
        if "cell" in record.details:
            first.setdefault(int(record.details["cell"]), record)
    if not first:
        st.caption("No factor was varied on purpose: all wafers vary as the class does.")
        return
    chosen = [first[cell] for cell in sorted(first)][:_CELLS_SHOWN]
    folder = manifest.class_folder(project, c.slug) / run.origin / run.run
    captions = tuple(
        ", ".join(str(level) for level in r.details["levels"].values()) for r in chosen
    )
    names = [simulator.FACTORS[name].title for name in chosen[0].details["levels"]]
    st.markdown(f"**One wafer of each combination:** {', '.join(names)}")
    paths = tuple(str(folder / record.file) for record in chosen)
    st.image(loaders.sheet(paths, 5, 128, captions), width="stretch", alt="levels")


def _made_row(file: str, details: Mapping[str, Any]) -> dict[str, Any]:
    given = {f"{name}_level": level for name, level in details.get("levels", {}).items()}
    where = {"file": file, "pattern": details.get("pattern"), "cell": details.get("cell")}
    return {**where, **given, **details.get("factors", {})}


def cost(project: Project, c: ClassSummary, run: MadeRun) -> None:
    """Seconds, memory and storage of every step."""
    told, titles = run.info.get("cost", {}), _steps(run)
    seconds = told.get("seconds") or run.info.get("steps", {})
    memory = told.get("memory_bytes", {})
    rows = []
    for name, value in seconds.items():
        row: dict[str, Any] = {"step": titles.get(name, name), "seconds": round(value, 2)}
        if memory:
            row["memory (MB)"] = round(memory.get(name, 0) / 1e6)
        if f"{name} (GPU)" in memory:
            row["GPU memory (MB)"] = round(memory[f"{name} (GPU)"] / 1e6)
        rows.append(row)
    table = pd.DataFrame(rows)
    st.dataframe(table, hide_index=True, width=620)
    stored = told.get("storage_bytes") or _bytes_on_disk(project, c, run)
    lines = [f"{sum(seconds.values()):.1f} s in all", f"{stored / 1e6:.2f} MB of pictures"]
    if told.get("network_bytes"):
        lines.append(f"{told['network_bytes'] / 1e6:.1f} MB of network")
    if told.get("peak_memory_bytes"):
        lines.append(f"at most {told['peak_memory_bytes'] / 1e6:,.0f} MB of memory")
    lines.append(f"on {told.get('device') or run.info.get('device') or 'CPU'}")
    st.caption(" · ".join(lines))
    _download(table, f"{c.slug}-{run.run}-cost.csv")


def _steps(run: MadeRun) -> Mapping[str, str]:
    """Titles of a run's steps; two presets may call different steps by one name."""
    if method(run) == METHODS["physics"]:
        return physics.STEPS
    recipe = presets.RECIPES.get(str(run.info.get("preset")))
    return {name: step.title for name, step in recipe.steps.items()} if recipe else {}


def _bytes_on_disk(project: Project, c: ClassSummary, run: MadeRun) -> int:
    folder = manifest.class_folder(project, c.slug) / run.origin / run.run
    return sum(path.stat().st_size for path in folder.glob("*.png"))


def settings(project: Project, c: ClassSummary, run: MadeRun) -> None:
    """All that is stored with the run, as it is stored."""
    kept = {
        k: v
        for k, v in run.info.items()
        if k not in ("scores", "cost", "steps", "factors", "sweep")
    }
    st.json(kept, expanded=2)
    st.download_button(
        "All of it (JSON)",
        json.dumps(dict(run.info), indent=1, ensure_ascii=False),
        f"{c.slug}-{run.run}.json",
        "application/json",
        key="generate_info",
        icon=":material/download:",
    )


def _download(table: pd.DataFrame, file_name: str, label: str = "CSV") -> None:
    st.download_button(
        label,
        table.to_csv(index=False),
        file_name,
        "text/csv",
        key=f"generate_csv_{file_name}",
        icon=":material/download:",
    )


_Draw = Callable[[Project, ClassSummary, MadeRun], None]
# title → what draws the tab, and which runs have it
TABS: dict[str, tuple[_Draw, Callable[[MadeRun], bool]]] = {
    "Pictures": (side_by_side, lambda run: True),
    "Scores": (scores, lambda run: True),
    "Levels": (sweep.show, lambda run: bool(run.info.get("sweep"))),
    "Fit and factors": (factor_table, lambda run: method(run) == "physics"),
    "Cost": (cost, lambda run: bool(run.info.get("steps") or run.info.get("cost"))),
    "Settings": (settings, lambda run: bool(run.info)),
}
