"""Home: projects made, opened, renamed, copied, deleted, brought back; the demo; the trash."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from browsing import PAGES, keys, labelled, png, refused, run, tab, texts, told, visit, zipped
from wafer_core import jobs
from wafer_core.data import demo, workspace
from wafer_core.data.project import Project
from wafer_core.jobs.events import EventWriter
from wafer_core.workflows import submit

MORE = "home_more_small"


@pytest.fixture
def quick_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of three wafers a pattern, made in no time."""
    make = demo.make_demo
    monkeypatch.setattr(demo, "make_demo", lambda home: make(home, 3))


def test_an_empty_workspace_says_what_to_do(home: Path) -> None:
    at = visit("home")
    assert [t.value for t in at.title] == ["Teach a computer your wafer defect patterns"]
    assert keys(at.button) == {"home_demo", labelled(at.button, "Create").key}
    assert keys(at.text_input) == {"home_name"}
    assert keys(at.file_uploader) == {"home_zip"}
    assert "Try the demo" in texts(at)
    assert [h.value for h in at.header] == []
    assert not home.exists()


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
    [("", "is empty"), ("x" * 300, "300 characters"), ("..", "for themselves"), ("CON", "CON")],
)
def test_a_name_that_cannot_be_used_is_told_and_nothing_made(
    home: Path, name: str, sentence: str
) -> None:
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
    assert at.query_params == {"project": "small"}


def test_the_open_project_says_what_is_next(trained: Project) -> None:
    at = visit("home", trained)
    assert "**Small** · open" in texts(at)
    assert "The model is up to date" in texts(at)
    trained.add_class("Delta")
    assert "Train again: class “Delta” added" in texts(run(at))


def test_rename(project: Project) -> None:
    at = visit("home")
    run(at.menu_button(key=MORE).click("Rename"))
    at.text_input(key="home_rename_small").set_value("Line *4*")
    at.button(key="home_rename_do_small").click()
    run(at.menu_button(key=MORE).click("Rename"))
    assert project.name == "Line *4*"
    assert r"**Line \*4\***" in texts(at)


def test_rename_to_nothing_is_told(project: Project) -> None:
    at = visit("home")
    run(at.menu_button(key=MORE).click("Rename"))
    at.text_input(key="home_rename_small").set_value(" ")
    at.button(key="home_rename_do_small").click()
    assert "empty" in refused(at.menu_button(key=MORE).click("Rename"))
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
    assert len(workspace.list_runs(copy)) == 1
    assert jobs.list_jobs(copy.path) == []
    assert [t.value for t in at.toast] == ["“Small (copy)” made."]


def test_delete_and_undo(project: Project, home: Path) -> None:
    at = visit("home", project)
    run(at.menu_button(key=MORE).click("Delete"))
    assert workspace.list_projects(home) == []
    assert "“Small” is in the trash." in texts(at)
    assert at.query_params == {}
    run(at.button(key="home_undo").click())
    assert [p.folder for p in workspace.list_projects(home)] == ["small"]
    assert "home_undo" not in keys(at.button)


def test_restore_from_the_trash_in_another_tab(project: Project, home: Path) -> None:
    trash_id = workspace.trash_project(home, project)
    at = visit("home")
    run(at.button(key=f"home_restore_{trash_id}").click())
    assert [p.folder for p in workspace.list_projects(home)] == ["small"]
    assert "home_empty_trash" not in keys(at.button)


def test_undo_after_the_trash_was_emptied_elsewhere_is_told(project: Project, home: Path) -> None:
    at = visit("home")
    run(at.menu_button(key=MORE).click("Delete"))
    workspace.empty_trash(home)
    assert "no longer in the trash" in refused(at.button(key="home_undo").click())


def test_delete_for_good(project: Project, home: Path) -> None:
    workspace.trash_project(home, project)
    at = visit("home")
    run(at.button(key="home_empty_trash").click())
    assert workspace.list_trash(home) == []
    assert "home_empty_trash" not in keys(at.button)


def test_deleting_a_project_that_is_gone_already_is_told(project: Project, home: Path) -> None:
    """Two tabs: the one deletes what the other deleted a moment ago."""
    at = visit("home")
    other = visit("home")
    run(other.menu_button(key=MORE).click("Delete"))
    at.menu_button(key=MORE).click("Delete").run()
    assert told(at) == []
    assert len(workspace.list_trash(home)) == 1


def test_download_and_bring_back(trained: Project, home: Path, downloads: dict[str, bytes]) -> None:
    at = visit("home")
    run(at.menu_button(key=MORE).click("Download"))
    assert labelled(at.download_button, "Download .zip").value is False
    shutil.rmtree(home)
    at = visit("home")
    (packed,) = downloads.values()
    run(at.file_uploader(key="home_zip").upload("small.zip", packed))
    run(at.button(key="home_import").click())
    assert [t.value for t in at.title] == ["Classes"]
    again = Project.open(home / at.query_params["project"])
    assert [c.name for c in again.classes()] == ["Alpha", "Beta", "Gamma"]
    assert len(workspace.list_runs(again)) == 1


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no zip at all", "not a zip"),
        (zipped({"Center/1.png": png(1)}), "does not belong in a project"),
        (zipped({"../evil/project.json": b"{}"}), "does not belong in a project"),
        (zipped({"top/classes/a/class.json": b"{}"}), "no project.json"),
        (zipped({"top/project.json": b"[1"}), "project.json"),
    ],
)
def test_a_zip_that_is_no_project_is_told(home: Path, data: bytes, sentence: str) -> None:
    at = visit("home")
    run(at.file_uploader(key="home_zip").upload("strange.zip", data))
    assert sentence in refused(at.button(key="home_import").click())
    assert workspace.list_projects(home) == []
    assert not (home.parent / "evil").exists()


def test_a_damaged_project_is_told_and_the_others_work(project: Project, home: Path) -> None:
    broken = workspace.create_project(home, "Broken")
    (broken.path / "project.json").write_text("{")
    at = visit("home")
    assert f"{broken.path / 'project.json'}" in texts(at)
    assert {"home_open_small"} == {k for k in keys(at.button) if k.startswith("home_open")}


def test_the_demo_is_made_and_trains(home: Path, started: list[Path], quick_demo: None) -> None:
    at = visit("home")
    run(at.button(key="home_demo").click())
    (job,) = started
    spec = jobs.read_spec(job)
    assert spec.kind == "train"
    assert spec.parameters == demo.TRAINING
    assert [t.value for t in at.title] == ["Train"]
    assert Project.open(home / at.query_params["project"]).name == "Demo: nine wafer patterns"


def test_running_jobs_of_all_projects_are_listed(project: Project) -> None:
    folder = submit.create_job(project.path, "train", {"name": "Night"})
    EventWriter(folder).append("running", device="cpu")
    EventWriter(folder).append("progress", fraction=0.4, text="Epoch 4 of at most 10")
    at = visit("home")
    assert [h.value for h in at.header] == ["Projects", "Running jobs"]
    assert "**Train Night** in small · 40% · Epoch 4 of at most 10" in texts(at)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_without_a_project_leads_home(home: Path, page: str) -> None:
    at = visit(page)
    links = {link.proto.label for link in at.main.page_link}
    assert links == (set() if page == "jobs" else {"Go to the home page"})


@pytest.mark.parametrize("page", ["home", *PAGES])
def test_a_project_deleted_in_another_tab_is_told_once(
    project: Project, home: Path, page: str
) -> None:
    at = visit(page, project)
    workspace.trash_project(home, project)
    run(at)
    assert at.query_params == {}
    if page != "jobs":
        assert "does not exist (deleted or renamed?)" in texts(at)
        assert "does not exist" not in texts(run(at))


@pytest.mark.parametrize("page", ["home", "train"])
@pytest.mark.parametrize("asked", ["../..", "/etc", ".trash", "nothing-here", ""])
def test_a_strange_project_in_the_address_line_opens_nothing(
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
        "Jobs",
    ]
    assert [c.value for c in at.sidebar.caption][:3] == [
        "3 classes · 24 wafers",
        "0 made",
        "0 made",
    ]
    assert at.sidebar.caption[4].value == "ready"
