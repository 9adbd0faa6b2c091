"""``search`` on the command line, its job, and training with the preset that it stores."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from wafer_core import cli
from wafer_core.data import dataset, models, pictures, presets, synthetic
from wafer_core.data.project import Project
from wafer_core.errors import Cancelled, InputError, ParameterError
from wafer_core.jobs import cancel, list_jobs, read_state, request_stop
from wafer_core.messages import Message, message
from wafer_core.progress import Progress
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.search import search as searches
from wafer_core.tasks.search import settings as searching
from wafer_core.tasks.search.density_matching import Candidate
from wafer_core.tasks.search.settings import Outcome, SearchConfig, Trial
from wafer_core.tasks.search.trial import SearchData
from wafer_core.workflows.runner import run_job
from wafer_core.workflows.submit import create_job
from wafers import fill

SETTINGS = {"policy": "rotate 0.5 0.3", "epochs": 2, "balancing": "natural"}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of each search; searches are instant."""
    calls: list[dict[str, Any]] = []

    def search(
        data: SearchData,
        base: TrainConfig,
        config: SearchConfig,
        device: torch.device,
        on_progress: Progress,
        should_stop: Callable[[], bool],
    ) -> Iterator[Trial | Candidate | Outcome]:
        calls.append({"data": data, "base": base, "config": config})
        first = Trial(0, "default", message("Default"), {}, "done", 0.8, 0.8, 1.5)
        title = message("Searched policy")
        second = Trial(1, "augmentation", title, SETTINGS, "done", 0.9, 0.9, 2.0)
        yield first
        on_progress(0.3, message("Trial 1"))
        yield Candidate(0, 1, "nothing 1 1", 0.5, float("inf"))
        yield second
        verdict = searching.UNCONFIRMED if should_stop() else searching.BETTER
        yield Outcome(
            second.title, SETTINGS, np.float64(0.9), (0.85, 0.95), 0.8, 0.1, (0.02, 0.18), verdict,
            20, (first, second), 1, message("Evaluated in a test."), (message("A note."),),
        )  # fmt: skip

    monkeypatch.setattr(searches, "search", search)
    return calls


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    streams = capsys.readouterr()
    return code, streams.out, streams.err


def test_a_search_stores_a_preset_and_reports_it(
    project: Project, given: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(
        capsys, "search", "--project", project.path, "--minutes", 2.5, "--what", "augmentation",
        "--seed", 3, "--device", "cpu",
    )  # fmt: skip
    assert code == 0
    result = json.loads(out.splitlines()[-1])
    assert result["preset"] == "Search 1"
    assert result["settings"] == SETTINGS
    assert result["score"] == 0.9
    assert result["interval"] == [0.85, 0.95]
    assert (result["default_score"], result["gain"]) == (0.8, 0.1)
    assert result["gain_interval"] == [0.02, 0.18]
    assert result["verdict"] == "better than the default"
    assert (result["trials"], result["candidates"], result["judged"]) == (2, 1, 20)
    assert result["notes"] == ["A note."]
    assert "A note." in err
    assert "Search 1: better than the default, Searched policy." in err
    assert given[0]["config"] == SearchConfig("augmentation", 2.5, 0, 3)
    assert given[0]["base"] == TrainConfig()
    preset = presets.find_preset(project, "Search 1")
    assert preset.settings == SETTINGS
    assert str(Message.from_json(preset.summary["verdict"])) == "better than the default"
    assert preset.summary["minutes"] == 2.5


def test_a_running_search_reports_its_trials(project: Project, given: list[dict[str, Any]]) -> None:
    folder = create_job(project.path, "search", {"config": {"trials": 2}}, "cpu")
    assert str(read_state(folder).title) == "Search settings and augmentation"
    run_job(folder)
    state = read_state(folder)
    trials = state.metric("trial")
    titles = [str(Message.from_json(t["title"])) for t in trials]
    assert titles == ["Default", "Searched policy"]
    assert [t["score"] for t in trials] == [0.8, 0.9]
    assert "Epochs 2" in str(Message.from_json(trials[1]["settings"]))
    (candidate,) = state.metric("candidate")
    assert candidate["loss"] == 0.5
    assert candidate["best"] is None


def test_only_training_and_validation_originals_are_searched_on(
    project: Project, given: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load_split = dataset.load_split

    def spy(project: Project, used: Any, part: str, *args: Any, **more: Any) -> Any:
        read.append(part)
        return load_split(project, used, part, *args, **more)

    slug = project.find_class("Alpha").slug
    parent = next(r for r in pictures.originals(project, slug) if r.split == "train")
    made = synthetic.SyntheticPicture(np.full((20, 20), 127, np.uint8), parent.file)
    synthetic.add(project, slug, "augmented", [made], {})
    monkeypatch.setattr(dataset, "load_split", spy)
    result = run_job(create_job(project.path, "search", {}, "cpu"))
    assert read == ["train", "validation"]
    data: SearchData = given[0]["data"]
    records = [r for c in project.classes() for r in pictures.originals(project, c.slug)]
    parts = [r.split for r in records]
    assert len(data.pictures) == len(data.labels) == len(data.groups)
    assert len(data.pictures) == parts.count("train") + parts.count("validation")
    assert data.is_validation.sum() == parts.count("validation")
    assert set(data.groups) == {r.key for r in records if r.split != "test"}
    assert len(data.synthetic_pictures) == 1
    assert data.synthetic_labels.tolist() == [0]
    assert "1 synthetic wafer was left out" in str(result["notes"][0])


def test_without_rotations_the_preset_has_none(
    project: Project, given: list[dict[str, Any]]
) -> None:
    result = run_job(create_job(project.path, "search", {"turns": False, "name": "Fixed"}, "cpu"))
    assert not given[0]["base"].turns
    assert result["settings"]["turns"] is False
    assert presets.find_preset(project, "Fixed").settings["turns"] is False


def test_the_preset_trains(
    project: Project, given: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run_job(create_job(project.path, "search", {"name": "Mine"}, "cpu"))
    code, out, _ = call(
        capsys, "train", "--project", project.path, "--preset", "mine", "--network", "wafer_cnn"
    )
    assert code == 2  # the option is called --model
    code, out, _ = call(
        capsys, "train", "--project", project.path, "--preset", "mine", "--model", "wafer_cnn",
        "--epochs", 1, "--device", "cpu",
    )  # fmt: skip
    assert code == 0
    report = models.report(project, json.loads(out.splitlines()[-1])["run"])
    assert report["config"]["policy"] == "rotate 0.5 0.3"
    assert report["config"]["balancing"] == "natural"
    assert report["config"]["epochs"] == 1  # options override the preset


@pytest.mark.parametrize("settings", [{"polcy": "x"}, {"epochs": -3}, {"policy": "invert 1 1"}])
def test_a_preset_of_wrong_settings_is_refused(
    project: Project, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    presets.save_preset(project, "Bad", settings, {})
    code, _, err = call(capsys, "train", "--project", project.path, "--preset", "Bad")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert list_jobs(project.path) == []


def test_a_missing_preset_is_reported(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "train", "--project", project.path, "--preset", "None")
    assert code == 2
    assert "There is no preset “None”" in err


@pytest.mark.parametrize(
    "parameters",
    [
        {"minutes": 5}, {"config": [1]}, {"config": {"minute": 5}}, {"config": {"minutes": 0}},
        {"turns": "no"}, {"name": ".."}, {"config": {"what": "all"}},
    ],
)  # fmt: skip
def test_wrong_parameters_leave_no_job(project: Project, parameters: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        create_job(project.path, "search", parameters)
    assert list_jobs(project.path) == []


def test_a_stopped_search_stores_a_preset_and_a_cancelled_one_none(
    project: Project, given: list[dict[str, Any]]
) -> None:
    folder = create_job(project.path, "search", {}, "cpu")
    cancel(folder)
    with pytest.raises(Cancelled):
        run_job(folder)
    assert presets.list_presets(project) == ()
    folder = create_job(project.path, "search", {}, "cpu")
    request_stop(folder)
    result = run_job(folder)
    assert str(result["verdict"]) == "not confirmed by a second training"
    assert [p.name for p in presets.list_presets(project)] == ["Search 1"]


def test_a_project_with_too_little_is_refused(home: Path) -> None:
    made = Project.create(home / "one")
    fill(made, "Alpha", 4)
    with pytest.raises(InputError, match="two classes"):
        run_job(create_job(made.path, "search", {}, "cpu"))


def test_too_small_a_budget_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step of a training takes seven seconds, with a budget of six."""
    seconds = itertools.count(step=7.0)
    monkeypatch.setattr(searches, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    with pytest.raises(ParameterError, match="minutes are too few: one trial on these wafers"):
        run_job(create_job(project.path, "search", {"config": {"minutes": 0.1}}, "cpu"))
    assert presets.list_presets(project) == ()
