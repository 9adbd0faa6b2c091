"""How a job's process is started."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from wafer_core.data.project import Project
from wafer_core.errors import JobError, ParameterError
from wafer_core.jobs import cancel, launch, read_state, start
from wafer_core.jobs import state as state_module
from wafer_core.parameters import Settings
from wafer_core.workflows.registry import LOADED
from wafer_core.workflows.submit import create_job
from wafer_core.workflows.workflow import Workflow


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    workflow = Workflow("fake", "Fake", Settings, lambda context, parameters: {})
    monkeypatch.setitem(LOADED, "fake", workflow)
    return create_job(Project.create(tmp_path / "demo").path, "fake", {})


class FakeExecutor:
    """Records the calls instead of submitting to a cluster."""

    parameters: dict[str, Any]
    submitted: list[tuple[Any, ...]]

    def __init__(self, folder: Path, cluster: str) -> None:
        type(self).parameters = {"folder": folder, "cluster": cluster}
        type(self).submitted = []

    def update_parameters(self, **values: Any) -> None:
        self.parameters.update(values)

    def submit(self, *call: Any) -> Any:
        self.submitted.append(call)
        return types.SimpleNamespace(job_id="4711")


@pytest.fixture
def submitit(monkeypatch: pytest.MonkeyPatch) -> type[FakeExecutor]:
    module = types.ModuleType("submitit")
    module.AutoExecutor = FakeExecutor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "submitit", module)
    monkeypatch.setenv("WAFER_LAUNCHER", "slurm")
    return FakeExecutor


def test_slurm_gets_the_job_and_its_needs(
    folder: Path, submitit: type[FakeExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAFER_SLURM_PARTITION", "gpu")
    monkeypatch.setenv("WAFER_SLURM_HOURS", "1.5")
    start(folder)
    assert submitit.submitted == [(launch.run_logged, str(folder))]
    assert submitit.parameters["timeout_min"] == 90
    assert submitit.parameters["slurm_partition"] == "gpu"
    assert submitit.parameters["gpus_per_node"] == 1


def test_a_job_may_stay_in_the_clusters_queue_for_long(
    folder: Path, submitit: type[FakeExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    start(folder)
    monkeypatch.setattr(state_module, "START_GRACE", -1.0)
    state = read_state(folder)
    assert (state.status, str(state.text)) == ("queued", "In the cluster's queue …")
    cancel(folder)
    assert read_state(folder).status == "cancelled"


def test_numbers_for_slurm_are_checked(
    folder: Path, submitit: type[FakeExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAFER_SLURM_GPUS", "many")
    with pytest.raises(ParameterError, match="must be numbers"):
        start(folder)


def test_missing_submitit_names_its_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(JobError, match="pip install submitit"):
        start(folder, "slurm")


def test_an_unknown_launcher_names_the_known_ones(folder: Path) -> None:
    with pytest.raises(ParameterError, match="one of local, slurm"):
        start(folder, "carrier pigeon")


def test_a_folder_that_is_no_job_is_not_started(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"spec\.json is missing"):
        start(tmp_path)


def test_the_end_of_a_cluster_process_is_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "print('on the node'); raise SystemExit(3)"
    monkeypatch.setattr(launch, "job_command", lambda folder: [sys.executable, "-c", code])
    assert launch.run_logged(str(folder)) == 3
    assert (folder / "log.txt").read_text() == "on the node\n"
