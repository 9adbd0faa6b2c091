"""Jobs of all projects: followed, cancelled and cleared from any tab."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from browsing import keyed, keys, refused, run, texts, visit
from wafer_core import jobs
from wafer_core.data import workspace
from wafer_core.data.project import Project
from wafer_core.jobs.events import EventWriter
from wafer_core.process import ProcessId
from wafer_core.workflows import submit


def running(project: Project, kind: str = "train", **parameters: object) -> Path:
    """A job that reports progress, without a process."""
    folder = submit.create_job(project.path, kind, parameters)
    writer = EventWriter(folder)
    writer.append("running", device="cpu")
    writer.append("progress", fraction=0.5, text="Half of it")
    return folder


def test_without_jobs_the_page_says_what_starts_one(project: Project) -> None:
    at = visit("jobs", project)
    assert [t.value for t in at.title] == ["Jobs"]
    assert "No job has run yet" in texts(at)


def test_jobs_of_all_projects_are_seen_and_cancelled(project: Project, home: Path) -> None:
    other = workspace.create_project(home, "Other *line*")
    mine = running(project, name="Mine")
    theirs = running(other, name="Theirs")
    at = visit("jobs")
    assert "Running and waiting (2)" in texts(at)
    assert "**Train Mine** · 50% · Half of it" in texts(at)
    assert r"Other \*line\* · " in texts(at)
    assert " · CPU" in texts(at)
    assert theirs.name not in texts(at)  # no raw names of folders
    run(keyed(at.button, f"jobs_cancel_{theirs.name}").click())
    assert jobs.read_state(theirs).status == "cancelled"
    assert jobs.read_state(mine).status == "running"
    assert "Running and waiting (1)" in texts(at)
    assert "Ended (1)" in texts(at)


def test_only_a_training_can_be_stopped_and_kept(project: Project) -> None:
    training = running(project, name="Mine")
    augmenting = running(project, "augment", classes=[{"name": "Alpha", "count": 1}])
    at = visit("jobs")
    stops = {k for k in keys(at.button) if k and k.startswith("jobs_stop")}
    assert stops == {f"jobs_stop_{training.name}"}
    run(at.button(key=f"jobs_stop_{training.name}").click())
    assert (training / "stop").exists()
    assert not (augmenting / "stop").exists()


def test_a_button_of_a_job_that_is_gone_says_so(project: Project) -> None:
    folder = running(project, name="Mine")
    at = visit("jobs")
    shutil.rmtree(folder)
    assert "deleted" in refused(keyed(at.button, f"jobs_cancel_{folder.name}").click())
    assert "No job has run yet" in texts(at)


def test_a_killed_job_is_shown_as_failed_with_the_end_of_its_log(project: Project) -> None:
    folder = submit.create_job(project.path, "train", {"name": "Night"})
    (folder / "log.txt").write_text("Segmentation fault\n")
    gone = {**ProcessId.current().to_json(), "pid": 2**22 - 3, "created": 1.0}
    EventWriter(folder).append("start", process=gone)
    at = visit("jobs")
    assert "Running and waiting (0)" in texts(at)
    assert "was killed or the machine restarted" in texts(at)
    assert ":material/error:" in texts(at)
    assert [c.value for c in at.code] == ["Segmentation fault"]


def test_the_side_bar_shows_running_jobs_on_every_page(project: Project) -> None:
    running(project, name="Mine")
    at = visit("classes", project)
    assert [p.text for p in at.sidebar.progress] == ["Train Mine · 50% · Half of it"]


def test_a_done_job_shows_its_project_result_duration_and_local_time(project: Project) -> None:
    folder = submit.create_job(project.path, "augment", {"classes": [{"name": "Alpha"}]})
    writer = EventWriter(folder)
    writer.append("running", device="cuda:0")
    writer.append("result", result={"count": 1200})
    at = visit("jobs")
    state = jobs.read_state(folder)
    assert f"**{state.title}** · 1,200 wafers" in texts(at)
    (details,) = [c.value for c in at.caption if "GPU 0" in c.value]
    begin = datetime.fromtimestamp(state.spec.created, UTC)
    assert details.startswith(f"Small · {begin:%Y-%m-%d %H:%M} UTC · ")
    assert " s · GPU 0" in details


def test_the_queue_names_only_jobs_of_this_workspace(project: Project) -> None:
    """Fixed: a waiting job named the job of another workspace that used the same device."""
    waiting = submit.create_job(project.path, "train", {"name": "Second"})
    EventWriter(waiting).append("waiting", text="Waiting for Secret project of others")
    at = visit("jobs")
    assert "Secret" not in texts(at)
    assert "another program on this machine is using the device" in texts(at)
    jobs.cancel(waiting)
    first = running(project, name="First")
    second = submit.create_job(project.path, "train", {"name": "Second"})
    EventWriter(second).append("waiting", text="Waiting")
    assert "Waiting for “Train First” in Small" in texts(visit("jobs"))
    assert first.exists()


def test_more_jobs_than_a_page_are_on_further_pages(project: Project) -> None:
    for number in range(23):
        jobs.cancel(submit.create_job(project.path, "train", {"name": f"Job {number}"}))
    at = visit("jobs")
    assert "Ended (23)" in texts(at)
    assert sum("**Train Job" in str(m.value) for m in at.markdown) == 20
    (pages,) = at.pagination
    run(pages.set_value(2))
    assert sum("**Train Job" in str(m.value) for m in at.markdown) == 3


def test_clear_removes_only_the_jobs_that_the_tab_showed(project: Project) -> None:
    jobs.cancel(running(project, name="Old"))
    at = visit("jobs")
    later = running(project, name="Later")
    jobs.cancel(later)
    run(at.button(key="jobs_clear").click())
    assert [s.folder for s in jobs.list_jobs(project.path)] == [later]


def test_clear_forgets_the_ended_ones_only(project: Project) -> None:
    active = running(project, name="Mine")
    ended = running(project, name="Old")
    jobs.cancel(ended)
    at = visit("jobs")
    run(at.button(key="jobs_clear").click())
    assert [s.folder for s in jobs.list_jobs(project.path)] == [active]
    assert "jobs_clear" not in keys(at.button)
