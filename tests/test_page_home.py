"""Home: an answer at once, projects, the demo, the trash."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from browsing import (
    PAGES,
    drop,
    errors_on,
    keys,
    labelled,
    left_out,
    refused,
    run,
    tab,
    texts,
    visit,
    zipped,
)
from pages.home import answer
from pages.shared import layout, loaders
from wafer_core import images, jobs, simulator
from wafer_core.data import demo, models, workspace
from wafer_core.data.project import Project
from wafer_core.data.split import DEFAULT_FRACTIONS, assign_splits
from wafer_core.jobs.events import EventWriter
from wafer_core.messages import message
from wafer_core.metrics.intervals import TOO_FEW
from wafer_core.tasks.classification import predict
from wafer_core.tasks.classification.predict import Prediction
from wafer_core.workflows import submit

MORE = "home_more_small"


@pytest.fixture
def quick_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of three wafers per pattern, created quickly."""
    make = demo.make_demo
    monkeypatch.setattr(
        demo, "make_demo", lambda home, title, described: make(home, title, described, 3)
    )


def test_an_empty_workspace_says_what_to_do(home: Path) -> None:
    at = visit("home")
    assert [t.value for t in at.title] == ["Teach a computer your wafer defect patterns"]
    assert keys(at.button) == {"home_demo", labelled(at.button, "Create").key}
    assert keys(at.text_input) == {"home_name"}
    assert {key.rpartition("_")[0] for key in keys(at.file_uploader)} == {"home_files"}
    assert "Click a sample" in texts(at)
    assert [h.value for h in at.header] == []
    assert not home.exists()


# -- an answer at once -----------------------------------------------------------------------------


def drawn(at: AppTest) -> list[str]:
    """What the pictures on the page show."""
    return [image.alt for found in at.image for image in found.proto.imgs]


def test_a_dropped_wafer_is_answered_without_a_project(home: Path) -> None:
    wafer = simulator.simulate_many("Donut", 1, 2)[0]
    at = drop(visit("home"), "home", ("mine.png", images.encode_png(wafer)))
    (heading,) = [s.value for s in at.subheader if "looks like" in s.value]
    assert heading.startswith("This looks like Donut")
    assert drawn(at) == ["mine.png"]
    assert r"mine\.png · 2,298 dies in 58 × 51" in texts(at)
    bars = "".join(found.proto.body for found in at.get("html"))  # type: ignore[union-attr]
    assert all(f">{name}<" in bars for name in simulator.PATTERNS)
    assert not home.exists()  # nothing is stored


def test_each_sample_is_answered(home: Path) -> None:
    labels = []
    for number in range(3):
        at = visit("home")
        at.session_state["home_samples"] = {"opened": str(number)}
        picture = loaders.sample_wafers().pictures[number]
        at = drop(at, "home", ("sample.png", images.encode_png(picture)))
        labels += [s.value for s in at.subheader if "looks like" in s.value]
    assert [label.split("(")[0] for label in labels] == [
        "This looks like Scratch ",
        "This looks like Donut ",
        r"This looks like Edge\-Loc ",
    ]


def test_many_dropped_wafers_are_answered_up_to_a_limit(home: Path) -> None:
    wafers = simulator.simulate_many("Edge-Ring", 14, 5)
    files = [(f"{n}.png", images.encode_png(wafer)) for n, wafer in enumerate(wafers)]
    at = drop(visit("home"), "home", *files)
    assert drawn(at) == ["0.png"]
    assert "2 more wafers were dropped" in texts(at)


def test_a_file_that_is_no_wafer_gets_a_sentence(home: Path) -> None:
    at = drop(visit("home"), "home", ("words.png", b"no picture"))
    (sentence,) = left_out(at)
    assert "words.png" in sentence
    assert drawn(at) == []


@pytest.mark.parametrize(
    ("found", "heading"),
    [
        (predict.CONFIDENT, "This looks like Donut (60.0%)"),
        (predict.REVIEW, "Probably Donut (60.0%), please review"),
        (predict.UNKNOWN, "No known pattern; the nearest one is Donut"),
    ],
)
def test_the_verdict_in_words(found: str, heading: str) -> None:
    reason = None if found == predict.CONFIDENT else message("Because of {why}.", why="a *reason*")
    shown = Prediction("a", "Donut", found, {"Donut": 0.6, "Loc": 0.4}, reason=reason)
    assert answer.verdict(shown) == heading
    expected = demo.DESCRIPTIONS["Donut"] if reason is None else r"Because of a \*reason\*."
    assert answer.explanation(shown) == expected


# -- projects --------------------------------------------------------------------------------------


def test_create_opens_the_classes_of_the_new_project(home: Path) -> None:
    at = visit("home")
    at.text_input(key="home_name").set_value("  라인 3, March ")
    labelled(at.button, "Create").click()
    run(at)
    (info,) = workspace.list_projects(home)
    assert info.name == "라인 3, March"
    assert [t.value for t in at.title] == ["Classes"]
    assert at.query_params["project"] == info.folder == at.session_state["open_project"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Enter a project name"),
        ("x" * 300, "300 characters"),
        ("..", "reserved"),
        ("CON", "CON"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(home: Path, name: str, sentence: str) -> None:
    at = visit("home")
    at.text_input(key="home_name").set_value(name)
    labelled(at.button, "Create").click()
    assert sentence in refused(at)
    assert workspace.list_projects(home) == []


def test_open_goes_to_the_classes(project: Project) -> None:
    at = visit("home")
    assert "3 classes · 24 wafers · 0 models · " in texts(at)  # made a moment ago, or a minute
    at.button(key="home_open_small").click()
    run(at)
    assert [t.value for t in at.title] == ["Classes"]
    assert at.query_params["project"] == "small"


def test_the_open_project_says_what_is_next(trained: Project) -> None:
    at = visit("home", trained)
    assert "**Small** · open" in texts(at)
    assert "The model is up to date" in texts(at)
    trained.add_class("Delta")
    assert "Train again. Since the last model: class “Delta” added" in texts(run(at))


def test_rename(project: Project) -> None:
    at = visit("home")
    run(at.menu_button(key=MORE).click("Rename"))
    at.text_input(key="home_rename_small").set_value("Line *4*")
    labelled(at.button, "Rename").click()
    run(at.menu_button(key=MORE).click("Rename"))
    assert project.name == "Line *4*"
    assert r"**Line \*4\***" in texts(at)


def test_rename_to_nothing_is_refused(project: Project) -> None:
    at = visit("home")
    run(at.menu_button(key=MORE).click("Rename"))
    at.text_input(key="home_rename_small").set_value(" ")
    labelled(at.button, "Rename").click()
    assert "Enter a project name" in refused(at.menu_button(key=MORE).click("Rename"))
    assert project.name == "Small"


def test_a_name_typed_for_one_project_is_not_offered_for_another(project: Project) -> None:
    """Fixed: a rename that was closed left its text in the dialog of the next project."""
    Project.create(project.path.with_name("other"), "Other")
    at = visit("home")
    run(at.menu_button(key=MORE).click("Rename"))
    at.text_input(key="home_rename_small").set_value("Typed for Small")
    run(at.menu_button(key="home_more_other").click("Rename"))
    assert at.text_input(key="home_rename_other").value == "Other"


def test_duplicate_copies_classes_and_models_but_no_jobs(trained: Project, home: Path) -> None:
    at = visit("home")
    run(at.menu_button(key=MORE).click("Duplicate"))
    (info,) = [p for p in workspace.list_projects(home) if p.name == "Small (copy)"]
    copy = Project.open(info.path)
    assert [c.name for c in copy.classes()] == ["Alpha", "Beta", "Gamma"]
    assert len(models.runs(copy)) == 1
    assert jobs.list_jobs(copy.path) == []
    assert [t.value for t in at.toast] == ["“Small \\(copy\\)” was created."]


def test_delete_and_undo(project: Project, home: Path) -> None:
    at = visit("home", project)
    run(at.menu_button(key=MORE).click("Delete"))
    assert workspace.list_projects(home) == []
    assert "“Small” is in the trash." in texts(at)
    assert "project" not in at.query_params
    run(at.button(key="home_undo").click())
    assert [p.folder for p in workspace.list_projects(home)] == ["small"]
    assert "home_undo" not in keys(at.button)


def test_restore_from_the_trash_in_another_tab(project: Project, home: Path) -> None:
    trash_id = workspace.trash_project(home, project)
    at = visit("home")
    run(at.button(key=f"home_restore_{trash_id}").click())
    assert [p.folder for p in workspace.list_projects(home)] == ["small"]
    assert "home_empty_trash" not in keys(at.button)


def test_undo_after_the_trash_was_emptied_elsewhere_is_refused(
    project: Project, home: Path
) -> None:
    at = visit("home")
    run(at.menu_button(key=MORE).click("Delete"))
    workspace.delete_from_trash(home, [found[0] for found in workspace.list_trash(home)])
    assert "no longer in the trash" in refused(at.button(key="home_undo").click())


def test_delete_permanently_asks_and_names_what_goes(project: Project, home: Path) -> None:
    workspace.trash_project(home, project)
    at = visit("home")
    run(at.button(key="home_empty_trash").click())
    assert "- Small" in texts(at)
    assert len(workspace.list_trash(home)) == 1
    at.button(key="home_empty_trash_do").click()
    run(at.button(key="home_empty_trash").click())
    assert workspace.list_trash(home) == []


@pytest.mark.parametrize(
    ("replaced", "sentence"), [(False, "does not exist"), (True, "renamed or replaced")]
)
def test_deleting_a_project_that_is_gone_already_says_so(
    project: Project, home: Path, replaced: bool, sentence: str
) -> None:
    """Two tabs: one deletes what the other deleted a moment ago."""
    at, other = visit("home"), visit("home")
    run(other.menu_button(key=MORE).click("Delete"))
    if replaced:
        Project.create(project.path, "Another project")
    at.menu_button(key=MORE).click("Delete").run()
    assert sentence in errors_on(at)[0]
    assert [name for _, name in workspace.list_trash(home)] == ["Small"]
    assert len(workspace.list_projects(home)) == replaced


def test_download_and_bring_back(trained: Project, home: Path, downloads: dict[str, bytes]) -> None:
    at = visit("home")
    run(at.menu_button(key=MORE).click("Download"))
    assert labelled(at.download_button, "Download .zip").value is False
    shutil.rmtree(home)
    at = visit("home")
    (packed,) = downloads.values()
    drop(at, "home", ("small.zip", packed))
    run(at.button(key="home_import_dropped").click())
    assert [t.value for t in at.title] == ["Classes"]
    again = Project.open(home / at.query_params["project"])
    assert [c.name for c in again.classes()] == ["Alpha", "Beta", "Gamma"]
    assert len(models.runs(again)) == 1


def test_a_project_dropped_anywhere_is_offered_for_import(trained: Project, home: Path) -> None:
    stream = io.BytesIO()
    workspace.export_zip(trained, stream)
    shutil.rmtree(trained.path)
    at = drop(visit("home"), "home", ("small.zip", stream.getvalue()))
    assert r"small\.zip is a project of Teachable Wafer." in texts(at)
    run(at.button(key="home_discard_dropped").click())
    assert "home_import_dropped" not in keys(at.button)
    drop(at, "home", ("small.zip", stream.getvalue()))
    run(at.button(key="home_import_dropped").click())
    assert [t.value for t in at.title] == ["Classes"]
    assert [p.name for p in workspace.list_projects(home)] == ["Small"]


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"top/project.json": b"[1"}, "is damaged"),
        ({"top/project.json": b"{}", "top/../../evil/x.json": b""}, "does not belong in a project"),
        ({"top/project.json": b'{"schema": 1, "name": 5}'}, "is damaged"),
        ({"top/project.json": b"{}", "other/project.json": b"{}"}, "strange"),
    ],
)
def test_a_project_that_cannot_be_used_is_refused(
    home: Path, members: dict[str, bytes], sentence: str
) -> None:
    at = drop(visit("home"), "home", ("strange.zip", zipped(members)))
    assert sentence in refused(at.button(key="home_import_dropped").click())
    assert workspace.list_projects(home) == []
    assert not (home.parent / "evil").exists()


@pytest.mark.parametrize("data", [b"no zip at all", zipped({"top/classes/a/class.json": b"{}"})])
def test_a_zip_that_is_no_project_gets_a_sentence(home: Path, data: bytes) -> None:
    at = drop(visit("home"), "home", ("strange.zip", data))
    assert "home_import_dropped" not in keys(at.button)
    assert any("strange.zip" in sentence for sentence in left_out(at))


def test_a_damaged_project_is_shown_with_the_remedy_and_the_others_work(
    project: Project, home: Path
) -> None:
    broken = workspace.create_project(home, "Broken")
    (broken.path / "project.json").write_text('{"schema": 1, "name": 5}')
    at = visit("home")
    assert "Restore it from a backup" in texts(at)
    assert {"home_open_small"} == {k for k in keys(at.button) if k.startswith("home_open")}
    run(at.menu_button(key="home_more_broken").click("Delete"))
    assert [p.folder for p in workspace.list_projects(home)] == ["small"]


def test_the_demo_is_created_and_trained(home: Path, started: list[Path], quick_demo: None) -> None:
    at = visit("home")
    run(at.button(key="home_demo").click())
    (job,) = started
    spec = jobs.read_spec(job)
    assert spec.kind == "train"
    assert spec.parameters == demo.TRAINING
    assert [t.value for t in at.title] == ["Train"]
    assert Project.open(home / at.query_params["project"]).name == "Demo: nine wafer patterns"


def test_two_demos_have_different_names(home: Path) -> None:
    titles = [demo.make_demo(home, per_class=1).name for _ in range(3)]
    assert titles == [demo.TITLE, f"{demo.TITLE} 2", f"{demo.TITLE} 3"]


def test_each_class_of_the_demo_has_enough_test_wafers(tmp_path: Path) -> None:
    """So that the demo does not warn about itself."""
    splits = {}
    keys_of = {p: [f"{p}-{n}" for n in range(demo.PER_CLASS)] for p in simulator.PATTERNS}
    assigned = assign_splits(keys_of, {}, {}, DEFAULT_FRACTIONS, 0)
    for pattern, members in keys_of.items():
        splits[pattern] = sum(assigned[key] == "test" for key in members)
    assert min(splits.values()) >= TOO_FEW


def test_active_jobs_of_all_projects_are_listed(project: Project) -> None:
    folder = submit.create_job(project.path, "train", {"name": "Night"})
    EventWriter(folder).append("running", device="cpu")
    EventWriter(folder).append("progress", fraction=0.4, text="Epoch 4 of at most 10")
    at = visit("home")
    assert [h.value for h in at.header] == ["Projects", "Active jobs"]
    assert "**Train Night** · Small · 40% · Epoch 4 of at most 10" in texts(at)


def test_a_name_with_markup_is_shown_as_text(project: Project) -> None:
    project.rename("![i](http://host/x.png) <b> $x$ www.host.com")
    shown = texts(visit("home", project))
    assert "![i](" not in shown
    assert "http://" not in shown.replace("\\", "")
    assert "www.host" not in shown.replace("\\", "")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_without_a_project_leads_home(home: Path, page: str) -> None:
    at = visit(page)
    links = {link.proto.label for link in at.main.page_link}
    assert links == (set() if page in ("jobs", "help") else {"Go to Home"})


@pytest.mark.parametrize("page", ["home", *PAGES])
def test_a_project_deleted_in_another_tab_is_reported_once(
    project: Project, home: Path, page: str
) -> None:
    at = visit(page, project)
    workspace.trash_project(home, project)
    run(at)
    assert "project" not in at.query_params
    if page not in ("jobs", "help"):
        assert "does not exist; it was deleted or renamed" in texts(at)
        assert "does not exist" not in texts(run(at))


@pytest.mark.parametrize("page", ["home", "train"])
@pytest.mark.parametrize(
    "asked", ["../..", "/etc", ".trash", "nothing-here", "", "x" * 300, "[Click](http://host)"]
)
def test_an_unknown_project_in_the_address_line_opens_nothing(
    home: Path, page: str, asked: str
) -> None:
    at = tab()
    at.query_params["project"] = asked
    if page != "home":
        at.switch_page(PAGES[page])
    run(at)
    assert at.session_state.get("open_project") is None


def test_the_side_bar_shows_every_step_and_what_it_has_done(trained: Project) -> None:
    at = visit("home", trained)
    labels = [link.proto.label for link in at.sidebar.page_link]
    steps = ["Classes", "Augment", "Generate", "Train", "Predict"]
    assert labels == [
        "**Teachable Wafer**",
        *(f"{number} · {title}" for number, title in enumerate(steps, 1)),
        *(step.title for step in layout.OTHERS),
    ]
    assert [c.value for c in at.sidebar.caption][:3] == [
        "3 classes · 24 wafers",
        "0 wafers made",
        "0 wafers made",
    ]
    assert at.sidebar.caption[4].value == "ready"


def test_the_language_is_chosen_kept_in_the_address_and_on_other_pages(project: Project) -> None:
    at = visit("home", project)
    run(at.selectbox(key="words_choice").set_value("ko"))
    assert at.query_params["lang"] == "ko"
    run(at.switch_page(PAGES["classes"]))
    assert at.selectbox(key="words_choice").value == "ko"
    assert at.query_params["lang"] == "ko"
    fresh = tab()
    fresh.query_params["lang"] = "ko"
    assert run(fresh).selectbox(key="words_choice").value == "ko"
