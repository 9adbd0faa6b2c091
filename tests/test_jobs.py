"""The job engine: folder, events, states, the queue for a device, cancel, stop, death."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import textwrap
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from wafer_core.data.project import Project
from wafer_core.errors import Cancelled, InputError, JobError, ParameterError, ProjectError
from wafer_core.jobs import (
    JobState,
    cancel,
    clear_finished,
    delete_job,
    kill,
    list_jobs,
    read_spec,
    read_state,
    request_stop,
    start,
)
from wafer_core.jobs import context as context_module
from wafer_core.jobs import launch as launch_module
from wafer_core.jobs import state as state_module
from wafer_core.jobs.context import Heartbeat
from wafer_core.jobs.events import EVENTS_FILE, EventWriter, read_from
from wafer_core.jobs.queue import Place, device_turn
from wafer_core.messages import Message, message
from wafer_core.process import ProcessId
from wafer_core.workflows.context import WorkflowContext
from wafer_core.workflows.registry import LOADED, find_workflow
from wafer_core.workflows.runner import run_job
from wafer_core.workflows.submit import create_job
from wafer_core.workflows.workflow import Workflow

# A workflow that does what its parameters say; the test process and the job process register it.
FAKE_WORKFLOW = """
import os, time
from dataclasses import dataclass
from wafer_core.errors import InputError
from wafer_core.messages import message
from wafer_core.parameters import Parameter, Settings, Text, declare
from wafer_core.workflows.registry import LOADED, find_workflow
from wafer_core.workflows.workflow import Workflow

@dataclass(frozen=True)
class FakeParameters(Settings):
    steps: int = declare(Parameter("Steps", "How many.", 1, 0, 10_000, 1))
    pause: float = declare(Parameter("Pause", "Seconds after each.", 0.0))
    end: str | None = declare(Text("End", "How it ends."))

def run(context, parameters):
    steps = parameters.steps
    done = 0
    for done in range(1, steps + 1):
        context.check_cancelled()
        if context.stop_requested():
            break
        context.progress(done / steps, message("step {number}", number=done))
        context.metric("epoch", epoch=done, loss=1 / done)
        time.sleep(parameters.pause)
    match parameters.end:
        case "input":
            raise InputError("The class “A” has no pictures; add some.")
        case "defect":
            raise ZeroDivisionError("one by nought")
        case "kill":
            print("the last word", flush=True)
            os.kill(os.getpid(), 9)
    (context.project.path / "made.txt").write_text(str(done))
    return {"done": done, "device": context.device_name}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("WAFER_LOCKS", str(tmp_path / "locks"))
    return Project.create(tmp_path / "home" / "demo")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    space: dict[str, Any] = {"__name__": "fake_workflow"}
    monkeypatch.setitem(sys.modules, "fake_workflow", types.ModuleType("fake_workflow"))
    exec(FAKE_WORKFLOW, space)
    arguments = (space["FakeParameters"], space["run"])
    fake = Workflow("fake", "Fake", *arguments, needs_device=True)
    monkeypatch.setitem(LOADED, "fake", fake)
    monkeypatch.setitem(LOADED, "light", Workflow("light", "Light", *arguments))


@pytest.fixture
def launcher(fake: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Real processes that know the fake workflow; all are gone at the end."""
    script = tmp_path / "fake_job.py"
    script.write_text(
        textwrap.dedent(FAKE_WORKFLOW)
        + "LOADED['fake'] = Workflow('fake', 'Fake', FakeParameters, run, needs_device=True)\n"
        + "import sys\nfrom wafer_core.cli import main\nsys.exit(main(['job', sys.argv[1]]))\n",
        encoding="utf-8",
    )
    started = []

    def launch(folder: Path) -> dict[str, object]:
        process = launch_module.spawn([sys.executable, str(script), str(folder)], folder)
        started.append(process)
        return {"process": ProcessId.of(process.pid).to_json()}

    monkeypatch.setitem(launch_module.LAUNCHERS, "local", launch)
    yield
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for(folder: Path, wanted: Callable[[JobState], bool], seconds: float = 20.0) -> JobState:
    end = time.monotonic() + seconds
    while True:
        state = read_state(folder)
        if wanted(state):
            return state
        if time.monotonic() > end:
            pytest.fail(f"{state} after {seconds} s; log: {launch_log(folder)}")
        time.sleep(0.05)


def launch_log(folder: Path) -> str:
    return (folder / "log.txt").read_text() if (folder / "log.txt").exists() else "none"


# -- events --------------------------------------------------------------------------------------


def test_events_come_back_in_order_with_their_values(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    writer.append("progress", fraction=0.5, text="절반")
    writer.append("metric", name="epoch", values={"loss": np.float32(0.25), "nan": float("nan")})
    events, offset = read_from(tmp_path / EVENTS_FILE)
    assert [event.type for event in events] == ["progress", "metric"]
    assert events[0].values == {"fraction": 0.5, "text": "절반"}
    assert events[1].values == {"name": "epoch", "values": {"loss": 0.25, "nan": None}}
    assert offset == (tmp_path / EVENTS_FILE).stat().st_size


def test_a_torn_last_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / EVENTS_FILE
    path.write_bytes(b'{"t": 1, "type": "start"}\n{"t": 2, "ty')
    events, offset = read_from(path)
    assert [event.type for event in events] == ["start"]
    with path.open("ab") as file:
        file.write(b'pe": "result"}\n')
    events, _ = read_from(path, offset)
    assert [event.type for event in events] == ["result"]


def test_half_a_line_of_a_killed_process_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / EVENTS_FILE).write_bytes(b'{"t": 1, "type": "start"}\n{"t": 2, "ty')
    EventWriter(tmp_path).append("cancelled")
    assert [e.type for e in read_from(tmp_path / EVENTS_FILE)[0]] == ["start", "cancelled"]


@pytest.mark.parametrize("line", [b"[]", b"null", b'{"t": "x", "type": 1}', b"\xff\xfe", b"{}"])
def test_lines_that_are_no_events_are_skipped(tmp_path: Path, line: bytes) -> None:
    (tmp_path / EVENTS_FILE).write_bytes(line + b'\n{"t": 1, "type": "start"}\n')
    assert [e.type for e in read_from(tmp_path / EVENTS_FILE)[0]] == ["start"]


def test_a_text_is_stored_in_english_and_as_a_message(tmp_path: Path) -> None:
    EventWriter(tmp_path).append("progress", message("{count:,} of 9", count=2), fraction=0.5)
    (event,) = read_from(tmp_path / EVENTS_FILE)[0]
    assert event.values == {
        "fraction": 0.5,
        "text": "2 of 9",
        "message": {"template": "{count:,} of 9", "fields": {"count": 2}},
    }
    assert event.text == message("{count:,} of 9", count=2)


def test_writing_into_a_deleted_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="is gone"):
        EventWriter(tmp_path / "none").append("progress")


# -- spec ----------------------------------------------------------------------------------------


def test_a_spec_survives_the_disk(project: Project, fake: None) -> None:
    folder = create_job(
        project.path, "fake", {"steps": 3}, "cpu", uploads=[("../../etc/passwd", b"abc")]
    )
    spec = read_spec(folder)
    assert (spec.kind, spec.title, spec.device) == ("fake", Message("Fake"), "cpu")
    assert spec.parameters == {"steps": 3}
    assert spec.uploads == ("../../etc/passwd",)
    assert (folder / "uploads" / "0000").read_bytes() == b"abc"
    assert folder.parent == project.jobs_path


def test_an_unknown_workflow_and_a_missing_project_are_reported(tmp_path: Path, fake: None) -> None:
    with pytest.raises(JobError, match="no workflow “dance”"):
        create_job(tmp_path, "dance", {})
    with pytest.raises(ProjectError, match="missing"):
        create_job(tmp_path / "none", "fake", {})


def test_wrong_parameters_leave_no_job(project: Project) -> None:
    with pytest.raises(ParameterError, match="Class “A”: count is 0"):
        create_job(project.path, "augment", {"classes": [{"name": "A", "count": 0}]})
    assert list_jobs(project.path) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 99}', '{"schema": "x"}'])
def test_a_damaged_spec_is_a_sentence_and_not_listed(project: Project, content: str) -> None:
    folder = project.jobs_path / "x"
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(content)
    with pytest.raises(JobError):
        read_state(folder)
    assert list_jobs(project.path) == []


# -- states --------------------------------------------------------------------------------------


def test_the_life_of_a_job_in_its_states(project: Project, fake: None) -> None:
    folder = create_job(project.path, "fake", {}, "cpu")
    assert read_state(folder).status == "queued"
    writer = EventWriter(folder)
    writer.append("start", process=ProcessId.current().to_json())
    assert read_state(folder).status == "queued"
    writer.append("waiting", ahead=2, text="Waiting for the CPU: 2 jobs are ahead.")
    assert read_state(folder).status == "waiting"
    assert "2 jobs" in str(read_state(folder).text)
    writer.append("running", device="cpu")
    writer.append("progress", fraction=0.25, text="quarter")
    writer.append("metric", name="epoch", values={"loss": 2.0})
    state = read_state(folder)
    assert (state.status, state.fraction, str(state.text)) == ("running", 0.25, "quarter")
    assert [point["loss"] for point in state.metric("epoch")] == [2.0]
    writer.append("result", result={"run": "r"})
    state = read_state(folder)
    assert (state.status, state.fraction, state.result) == ("done", 1.0, {"run": "r"})
    writer.append("failed", error="too late")
    assert read_state(folder).status == "done"
    assert not state.is_active


def test_time_left_follows_the_pace(project: Project, fake: None) -> None:
    """A quarter took 10 s and ended 4 s ago: 30 s were left then, 26 s are left now."""
    folder = create_job(project.path, "fake", {}, "cpu")
    now = time.time()
    process = ProcessId.current().to_json()
    lines = [
        {"t": now - 20, "type": "start", "process": process},
        {"t": now - 14, "type": "running", "device": "cpu"},
        {"t": now - 4, "type": "progress", "fraction": 0.25, "text": ""},
    ]
    (folder / EVENTS_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_state(folder).eta_seconds == pytest.approx(26, abs=2)


def test_the_time_left_follows_the_last_stretch(project: Project, fake: None) -> None:
    """A long middle part says nothing about a short last one: not 47 s left, but one."""
    folder = create_job(project.path, "fake", {}, "cpu")
    now = time.time()
    points = ((0.0, 0.0), (100.0, 0.1), (900.0, 0.95), (902.0, 0.975))
    lines: list[dict[str, Any]] = [
        {"t": now - 902, "type": "start", "process": ProcessId.current().to_json()},
        {"t": now - 902, "type": "running", "device": "cpu"},
    ]
    lines += [
        {"t": now - 902 + seconds, "type": "progress", "fraction": share, "text": ""}
        for seconds, share in points
    ]
    (folder / EVENTS_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_state(folder).eta_seconds == pytest.approx(2, abs=0.5)


def test_a_set_clock_does_not_end_a_job_or_change_its_times(
    project: Project, fake: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader's and the job's clock jump by a day, first forward and then back."""
    folder = create_job(project.path, "fake", {}, "cpu")
    writer = EventWriter(folder)
    elsewhere = {"pid": 1, "created": 1.0, "host": "elsewhere"}
    writer.append("start", process=elsewhere)
    writer.append("running", device="cpu")
    assert read_state(folder).status == "running"
    real = time.time
    for jump in (86_400.0, -86_400.0):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        assert read_state(folder).status == "running"
        writer.append("progress", fraction=0.5)
        state = read_state(folder)
        assert state.status == "running"
        assert state.elapsed_seconds == pytest.approx(0, abs=5)
        assert state.eta_seconds == pytest.approx(0, abs=5)


def test_a_silent_job_is_failed_by_the_clock_that_nobody_sets(
    project: Project, fake: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = create_job(project.path, "fake", {}, "cpu")
    EventWriter(folder).append("start", process={"pid": 1, "created": 1.0, "host": "elsewhere"})
    assert read_state(folder).status == "queued"
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + 59)
    assert read_state(folder).status == "queued"
    monkeypatch.setattr(time, "monotonic", lambda: real() + 61)
    assert "has not responded for 61 s" in str(read_state(folder).error)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep the start time")
def test_a_process_is_known_after_its_clock_was_set() -> None:
    mine = ProcessId.current()
    moved = ProcessId(mine.pid, mine.created + 3600, mine.host, mine.start)
    assert moved.is_alive()
    assert not ProcessId(mine.pid, mine.created, mine.host, "another boot 1").is_alive()


def test_jobs_of_the_version_before_are_shown(project: Project) -> None:
    """Plain titles and texts, no second clock, a process without a start."""
    folder = project.jobs_path / "20260101-000000-000000-train-abcd"
    folder.mkdir(parents=True)
    spec = {
        "schema": 1, "kind": "train", "title": "Train Night", "device": "cpu",
        "created": 1767225600.0, "parameters": {"config": {"epochs": 3}, "name": "Night"},
        "uploads": [],
    }  # fmt: skip
    (folder / "spec.json").write_text(json.dumps(spec))
    process = {"pid": 1, "created": 1.0, "host": "here"}
    lines = [
        {"t": 100.0, "type": "start", "process": process},
        {"t": 101.0, "type": "running", "device": "cpu"},
        {"t": 131.0, "type": "progress", "fraction": 0.5, "text": "Epoch 2 of at most 3"},
        {"t": 161.0, "type": "failed", "error": "The disk is full.", "defect": False},
    ]
    (folder / EVENTS_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    state = read_state(folder)
    assert (str(state.title), str(state.error)) == ("Train Night", "The disk is full.")
    assert state.elapsed_seconds == 60
    lines[-1] = {"t": 161.0, "type": "result", "result": {}}
    (folder / EVENTS_FILE).unlink()
    (folder / EVENTS_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_state(folder).status == "done"


def test_only_new_lines_are_read(
    project: Project, fake: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = create_job(project.path, "fake", {}, "cpu")
    writer = EventWriter(folder)
    writer.append("start", process=ProcessId.current().to_json())
    read_state(folder)
    offsets = []
    real = state_module.read_from
    monkeypatch.setattr(
        state_module, "read_from", lambda path, offset: offsets.append(offset) or real(path, offset)
    )
    read_state(folder)
    assert offsets == []
    size = (folder / EVENTS_FILE).stat().st_size
    writer.append("progress", fraction=0.5)
    assert read_state(folder).fraction == 0.5
    assert offsets == [size]


def test_a_replaced_events_file_is_read_anew(project: Project, fake: None) -> None:
    folder = create_job(project.path, "fake", {}, "cpu")
    writer = EventWriter(folder)
    writer.append("start", process=ProcessId.current().to_json())
    writer.append("progress", fraction=0.5)
    assert read_state(folder).fraction == 0.5
    (folder / EVENTS_FILE).unlink()
    writer.append("start", process=ProcessId.current().to_json())
    assert read_state(folder).fraction == 0.0


def test_jobs_of_a_workspace_are_those_of_all_its_projects(project: Project, fake: None) -> None:
    """A project may be called “jobs”; the workspace is no project because of it."""
    other = Project.create(project.path.parent / "jobs")
    first, second = (create_job(p.path, "light", {}) for p in (project, other))
    assert {state.folder for state in list_jobs(project.path.parent)} == {first, second}
    assert [state.folder for state in list_jobs(other.path)] == [second]
    assert list_jobs(project.path, kind="fake") == []


def test_a_job_that_never_begins_is_failed_after_its_grace(
    project: Project, fake: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = create_job(project.path, "fake", {}, "cpu")
    assert read_state(folder).status == "queued"
    monkeypatch.setattr(state_module, "START_GRACE", -1.0)
    state = read_state(folder)
    assert state.status == "failed"
    assert "never started" in str(state.error)


@pytest.mark.parametrize(("silence", "status"), [(55, "queued"), (65, "failed")])
def test_a_silent_job_of_another_machine_is_failed(
    project: Project, fake: None, silence: float, status: str
) -> None:
    folder = create_job(project.path, "fake", {}, "cpu")
    process = {"pid": 1, "created": 1.0, "host": "elsewhere"}
    line = {"t": time.time() - silence, "type": "start", "process": process}
    (folder / EVENTS_FILE).write_text(json.dumps(line) + "\n")
    state = read_state(folder)
    assert state.status == status
    assert ("elsewhere" in str(state.error)) == (status == "failed")


def test_a_process_number_given_to_another_process_is_dead(project: Project, fake: None) -> None:
    folder = create_job(project.path, "fake", {}, "cpu")
    mine = ProcessId.current()
    older = {**mine.to_json(), "created": mine.created - 60, "start": None}
    EventWriter(folder).append("start", process=older)
    assert read_state(folder).status == "failed"
    assert mine.is_alive()


def test_ended_jobs_are_read_once(
    project: Project, fake: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages read all states every second: an ended job costs a look at its file, and no reading."""
    for _ in range(3):
        folder = create_job(project.path, "light", {})
        lines = [{"t": 1.0, "type": "metric", "name": "epoch", "values": {"loss": 1}}] * 150
        lines.append({"t": 2.0, "type": "result", "result": {}})
        (folder / EVENTS_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    first = list_jobs(project.path)
    assert {state.status for state in first} == {"done"}

    def refuse(*_: object) -> None:
        pytest.fail("a file is read again")

    for name in ("read_from", "read_spec", "log_tail"):
        monkeypatch.setattr(state_module, name, refuse)
    assert list_jobs(project.path.parent) == first


# -- running in this process ---------------------------------------------------------------------


def test_a_job_runs_and_its_result_is_the_last_event(project: Project, fake: None) -> None:
    folder = create_job(project.path, "fake", {"steps": 3}, "cpu")
    assert run_job(folder) == {"done": 3, "device": "cpu"}
    events = read_from(folder / EVENTS_FILE)[0]
    assert [events[0].type, events[-1].type] == ["start", "result"]
    state = read_state(folder)
    assert state.status == "done"
    assert [point["epoch"] for point in state.metric("epoch")] == [1, 2, 3]
    assert list((project.path.parent.parent / "locks" / "device-cpu.tickets").iterdir()) == []


def test_a_job_is_run_once(project: Project, fake: None) -> None:
    folder = create_job(project.path, "light", {})
    run_job(folder)
    before = (folder / EVENTS_FILE).read_bytes()
    with pytest.raises(JobError, match="was run before"):
        run_job(folder)
    assert (folder / EVENTS_FILE).read_bytes() == before


def test_an_input_error_is_one_sentence(project: Project, fake: None) -> None:
    folder = create_job(project.path, "fake", {"end": "input"}, "cpu")
    with pytest.raises(InputError):
        run_job(folder)
    state = read_state(folder)
    assert state.status == "failed"
    assert str(state.error) == "The class “A” has no pictures; add some."
    assert "Traceback" not in state.log_tail


def test_a_defect_leaves_its_traceback_in_the_log(project: Project, fake: None) -> None:
    folder = create_job(project.path, "fake", {"end": "defect"}, "cpu")
    with pytest.raises(ZeroDivisionError):
        run_job(folder)
    state = read_state(folder)
    assert state.status == "failed"
    assert "ZeroDivisionError: one by nought" in str(state.error)
    assert "Traceback" in state.log_tail


def test_a_job_cancelled_before_it_starts_does_nothing(project: Project, fake: None) -> None:
    folder = create_job(project.path, "fake", {}, "cpu")
    cancel(folder)
    assert read_state(folder).status == "cancelled"
    with pytest.raises(Cancelled):
        run_job(folder)
    assert read_state(folder).status == "cancelled"
    assert not (project.path / "made.txt").exists()


def test_cancel_after_the_end_changes_nothing(project: Project, fake: None) -> None:
    folder = create_job(project.path, "fake", {}, "cpu")
    run_job(folder)
    cancel(folder)
    request_stop(folder)
    assert read_state(folder).status == "done"
    assert not (folder / "cancel").exists()


def test_uploads_are_removed_when_the_job_ends(project: Project, fake: None) -> None:
    folder = create_job(project.path, "light", {}, uploads=[("a.png", b"x")])
    run_job(folder)
    assert not (folder / "uploads").exists()


def test_progress_between_two_pauses_is_held_back(
    project: Project, fake: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert context_module._PROGRESS_PAUSE == 0.25  # four lines a second at most
    monkeypatch.setattr(context_module, "_PROGRESS_PAUSE", 60.0)
    folder = create_job(project.path, "light", {"steps": 1})
    writer = EventWriter(folder)
    context = WorkflowContext(folder, read_spec(folder), project, writer, "cpu")
    for step in range(1000):
        context.progress(step / 1000, message("{step}", step=step))
    context.flush()
    texts = [event.values["text"] for event in read_from(folder / EVENTS_FILE)[0]]
    assert texts == ["0", "999"]


def test_a_silent_job_writes_heartbeats_and_held_back_progress(
    project: Project, fake: None
) -> None:
    folder = create_job(project.path, "light", {})
    writer = EventWriter(folder)
    context = WorkflowContext(folder, read_spec(folder), project, writer, "cpu")
    with Heartbeat(writer, interval=0.1) as heartbeat:
        heartbeat.watch(context)
        context.progress(0.1, message("first"))
        context.progress(0.2, message("second"))
        time.sleep(0.4)
    types = [event.type for event in read_from(folder / EVENTS_FILE)[0]]
    assert types[:3] == ["progress", "progress", "heartbeat"]


def test_a_deleted_project_ends_its_job(project: Project, fake: None) -> None:
    folder = create_job(project.path, "light", {})
    context = WorkflowContext(folder, read_spec(folder), project, EventWriter(folder), "cpu")
    context.check_cancelled()
    read_state(folder)
    shutil.rmtree(project.path)
    time.sleep(0.11)
    with pytest.raises(Cancelled, match="deleted"):
        context.check_cancelled()
    with pytest.raises(JobError):
        read_state(folder)
    assert list_jobs(project.path) == []


def test_ended_jobs_can_be_removed(project: Project, fake: None) -> None:
    ended = create_job(project.path, "light", {})
    run_job(ended)
    waiting = create_job(project.path, "light", {})
    with pytest.raises(JobError, match="cancel it first"):
        delete_job(waiting)
    assert clear_finished(project.path) == 1
    assert [state.folder for state in list_jobs(project.path)] == [waiting]
    assert (project.path / "made.txt").exists()


# -- the queue for a device -----------------------------------------------------------------------


def test_a_dead_ticket_is_ignored(project: Project) -> None:
    tickets = Path(os.environ["WAFER_LOCKS"]) / "device-cpu.tickets"
    tickets.mkdir(parents=True)
    mine = ProcessId.current()
    dead = {"title": "old", "process": {**mine.to_json(), "start": "another boot 1"}}
    (tickets / "00000000000000000001-aaaa.json").write_text(json.dumps(dead))
    (tickets / "00000000000000000002-bbbb.json").write_text('{"title": 1}')
    places: list[Place] = []
    with device_turn(
        "cpu", title=message("T"), created=time.time(), on_wait=places.append, check=lambda: None
    ):
        assert len(list(tickets.iterdir())) == 1
    assert places == []
    assert list(tickets.iterdir()) == []


def test_a_waiting_job_can_leave_the_queue(project: Project) -> None:
    tickets = Path(os.environ["WAFER_LOCKS"]) / "device-cuda-0.tickets"
    tickets.mkdir(parents=True)
    first = {"title": "Train A", "process": ProcessId.current().to_json()}
    (tickets / "00000000000000000001-aaaa.json").write_text(json.dumps(first))
    places: list[Place] = []

    def check() -> None:
        if places:
            raise Cancelled("enough")

    with (
        pytest.raises(Cancelled),
        device_turn(
            "cuda:0",
            title=message("T"),
            created=time.time(),
            on_wait=places.append,
            check=check,
            poll=0.01,
        ),
    ):
        pytest.fail("the device is held by another")
    assert places == [Place(1, Message.from_json("Train A"))]
    assert [path.name for path in tickets.iterdir()] == ["00000000000000000001-aaaa.json"]


# -- real processes ------------------------------------------------------------------------------


def test_a_process_runs_a_job_to_its_end(project: Project, launcher: None) -> None:
    folder = create_job(project.path, "fake", {"steps": 2}, "cpu")
    start(folder)
    state = wait_for(folder, lambda s: not s.is_active)
    assert (state.status, state.result) == ("done", {"done": 2, "device": "cpu"})
    assert (project.path / "made.txt").read_text() == "2"


def test_a_killed_process_is_seen_at_once_with_the_end_of_its_log(
    project: Project, launcher: None
) -> None:
    folder = create_job(project.path, "fake", {"end": "kill"}, "cpu")
    start(folder)
    state = wait_for(folder, lambda s: not s.is_active)
    assert state.status == "failed"
    assert "killed" in str(state.error)
    assert state.log_tail == "the last word"


def test_what_is_said_of_a_killed_job_depends_on_whether_it_was_storing(
    project: Project, fake: None
) -> None:
    """The page said that the project was unchanged although the runs were there."""
    dead = {**ProcessId.current().to_json(), "start": "another process of this number"}
    for begins in (False, True):
        folder = create_job(project.path, "fake", {}, "cpu")
        writer = EventWriter(folder)
        writer.append("start", process=dead)
        writer.append("running", device="cpu")
        if begins:
            writer.append("storing")
        error = str(read_state(folder).error)
        assert ("unchanged" in error) == (not begins)
        assert ("while it was storing the result" in error) == begins


def test_cancel_leaves_the_project_as_before(project: Project, launcher: None) -> None:
    before = sorted(path for path in project.path.iterdir() if path.name != "jobs")
    folder = create_job(project.path, "fake", {"steps": 1000, "pause": 0.02}, "cpu")
    start(folder)
    wait_for(folder, lambda s: s.status == "running" and s.fraction > 0)
    cancel(folder)
    state = wait_for(folder, lambda s: not s.is_active)
    assert state.status == "cancelled"
    assert sorted(path for path in project.path.iterdir() if path.name != "jobs") == before


def test_stop_keeps_what_is_done(project: Project, launcher: None) -> None:
    folder = create_job(project.path, "fake", {"steps": 1000, "pause": 0.02}, "cpu")
    start(folder)
    wait_for(folder, lambda s: s.status == "running" and s.fraction > 0)
    request_stop(folder)
    state = wait_for(folder, lambda s: not s.is_active)
    assert state.status == "done"
    assert 0 < int((project.path / "made.txt").read_text()) < 1000


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_a_terminated_job_says_so(project: Project, launcher: None) -> None:
    folder = create_job(project.path, "fake", {"steps": 1000, "pause": 0.02}, "cpu")
    start(folder)
    state = wait_for(folder, lambda s: s.status == "running")
    assert state.process is not None
    os.kill(state.process.pid, signal.SIGTERM)
    state = wait_for(folder, lambda s: not s.is_active)
    assert state.status == "failed"
    assert "system ended" in str(state.error)


def test_two_jobs_take_turns_and_the_second_goes_on_when_the_first_is_killed(
    project: Project, launcher: None
) -> None:
    first = create_job(
        project.path, "fake", {"steps": 1000, "pause": 0.05}, "cpu", title=message("First")
    )
    second = create_job(project.path, "fake", {"steps": 2}, "cpu")
    third = create_job(project.path, "fake", {"steps": 2}, "cpu")
    start(first)
    wait_for(first, lambda s: s.status == "running")
    start(third)
    wait_for(third, lambda s: s.status == "waiting")
    start(second)
    state = wait_for(second, lambda s: s.status == "waiting")
    assert str(state.text) == "Waiting for the CPU: 1 job is ahead, first “First”."
    wait_for(third, lambda s: "2 jobs are ahead" in str(s.text))
    kill(first)
    assert wait_for(first, lambda s: not s.is_active).status == "cancelled"
    done = [wait_for(folder, lambda s: not s.is_active) for folder in (second, third)]
    assert [state.status for state in done] == ["done", "done"]
    assert (done[0].finished or 0) <= (done[1].started or 0)


def test_a_job_outlives_the_process_that_started_it(project: Project, launcher: None) -> None:
    folder = create_job(project.path, "fake", {"steps": 3, "pause": 0.05}, "cpu")
    start(folder)
    state = wait_for(folder, lambda s: s.process is not None)
    assert state.process is not None
    if hasattr(os, "getsid"):
        assert os.getsid(state.process.pid) == state.process.pid != os.getsid(0)
    wait_for(folder, lambda s: not s.is_active)
    wait_for(folder, lambda s: not psutil.pid_exists(state.process.pid))  # reaped, no zombie


# -- what the version before queued --------------------------------------------------------------

# Parameters as its pages and commands wrote them, with every setting.
QUEUED: list[tuple[str, dict[str, Any]]] = [
    ("import", {"class_name": None, "colours": {"#ff0000": "fail", "#00ff00": "no die"}}),
    ("import", {"sources": [], "class_name": "Loc", "limit_per_class": None, "seed": 0}),
    (
        "augment",
        {
            "classes": [{"name": "Loc", "count": 5}],
            "config": {
                "rotation_range": 90.0, "shear_range": 0.1, "horizontal_flip": True,
                "vertical_flip": True, "zoom_range": 0.0, "width_shift_range": 0.0,
                "height_shift_range": 0.0, "brightness_range": None, "channel_shift_range": 0.0,
                "fill_mode": "nearest", "cval": 0.0, "interpolation_order": 1,
            },
            "seed": 3,
        },
    ),
    (
        "generate",
        {
            "classes": [
                {"name": "Loc", "mode": "gan", "count": 5},
                {"name": "Ring", "mode": "physics", "count": 4,
                 "levels": {"ring_width": ["low", 20]}},
                {"name": "none", "ai_use": False, "count": 5},
            ],
            "config": {
                "preset": "classic", "sweep": True, "epochs": 150, "threshold": 140,
                "output": "binarise", "multiplied_to": 400, "size": 48, "batch_size": 32,
                "learning_rate": 2e-4, "label_smoothing": 0.1, "dropout": 0.5, "variety": 1.0,
                "density": 1.0,
            },
            "augment": {"rotation_range": 10},
            "seed": 3,
        },
    ),
    (
        "train",
        {
            "config": {
                "network": "wafernet", "epochs": None, "batch_size": None, "learning_rate": None,
                "balancing": "weighted", "transfer": "fine-tuned", "turns": True,
                "policy": "rotate 0.5 0.3 | erase 0.8 0.4", "joint": True, "rotation_share": 0.3,
                "zoom": 0.08, "shift": 0.02, "average_turns": True, "label_smoothing": 0.05,
                "weight_decay": 0.05, "patience": 50, "seed": 0,
            },
            "name": "Night",
        },
    ),
    ("train", {}),
    (
        "search",
        {
            "config": {"what": "both", "minutes": 10.0, "trials": 0, "seed": 0},
            "turns": False,
            "name": "Mine",
        },
    ),
    ("predict", {"sources": [], "model": "standard", "review_below": 0.65}),
    ("predict", {"model": None, "review_below": None}),
    ("score", {"class": "Loc", "run": "run-1", "features": "wafernet"}),
    ("score", {"class": "Loc", "run": None, "features": "wafernet", "weights": None, "seed": 0}),
    (
        "benefit",
        {
            "config": {"network": "wafernet", "seeds": 3, "made": None, "turns": True,
                       "epochs": None, "seed": 0},
            "classes": ["Loc"],
        },
    ),
    (
        "learning_curve",
        {
            "class": "Loc",
            "config": {"seeds": 3, "others": 60, "network": "wafernet", "sizes": [22, 55],
                       "made": [0, 100], "seed": 0},
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "parameters"), QUEUED)
def test_jobs_queued_by_the_version_before_still_run(kind: str, parameters: dict[str, Any]) -> None:
    workflow = find_workflow(kind)
    checked = workflow.parameters.from_mapping(json.loads(json.dumps(parameters)))
    assert str(workflow.title_of(checked))


@pytest.mark.parametrize(
    ("kind", "parameters", "title"),
    [
        ("augment", {"classes": [{"name": "Loc"}]}, "Augment Loc"),
        ("augment", {"classes": [{"name": "Loc"}, {"name": "none"}]}, "Augment 2 classes"),
        ("train", {"name": "Night"}, "Train Night"),
        ("search", {"config": {"what": "settings"}}, "Search settings"),
        ("benefit", {}, "Do synthetic wafers help WaferNet?"),
        ("learning_curve", {"class": "Loc"}, "How many wafers of Loc?"),
        ("predict", {}, "Predict pictures"),
        ("import", {"sources": [__file__]}, "Import test_jobs.py"),
    ],
)
def test_a_job_has_a_title(kind: str, parameters: dict[str, Any], title: str) -> None:
    workflow = find_workflow(kind)
    assert str(workflow.title_of(workflow.parameters.from_mapping(parameters))) == title
