"""``learning-curve`` on the command line and its job: what it reads, reports and stores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wafer_core import cli
from wafer_core.data import manifest, pictures, studies, synthetic
from wafer_core.data.project import Project
from wafer_core.errors import Cancelled, InputError
from wafer_core.images import Picture
from wafer_core.jobs import cancel, list_jobs, read_state, request_stop
from wafer_core.messages import Message
from wafer_core.tasks.studies import learning_curve
from wafer_core.tasks.studies.conditions import StudyData, SynthesisRequest, Training
from wafer_core.workflows.runner import run_job
from wafer_core.workflows.submit import create_job
from wafers import fill, marked, small_project

KIND = "learning_curve"
QUICK = {"class": "Alpha", "config": {"seeds": 2, "made": [3]}}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[StudyData]:
    """The data of each training; training and making wafers are instant."""
    given: list[StudyData] = []

    def train_condition(
        data: StudyData, condition: str, config: Any, device: Any, on_progress: Any
    ) -> Training:
        on_progress(0.5)
        given.append(data)
        return Training(condition, config.seed, data.test_labels.copy(), 9, 1, 0.1)

    def synthesize(request: SynthesisRequest, device: Any, on_progress: Any) -> list[Picture]:
        on_progress(0.5)
        return [marked(5000 + k) for k in range(request.count)]

    monkeypatch.setattr(learning_curve, "train_condition", train_condition)
    monkeypatch.setattr(learning_curve, "by_generator", synthesize)
    return given


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main(["learning-curve", *(str(argument) for argument in arguments)])
    streams = capsys.readouterr()
    return code, streams.out, streams.err


def files_of(project: Project) -> set[str]:
    """Every file of the classes."""
    return {str(p) for p in (project.path / "classes").rglob("*") if p.is_file()}


def test_a_curve_is_drawn_reported_and_stored(
    project: Project, seen: list[StudyData], capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(project)
    code, out, err = call(
        capsys, "--project", project.path, "--class", "alpha", "--seeds", 2, "--made", 0, 3,
        "--sizes", 2, "--others", 5, "--seed", 7, "--device", "cpu",
    )  # fmt: skip
    assert code == 0, err
    assert len(out.splitlines()) == 1
    result = json.loads(out)
    assert result["class"] == "Alpha"
    assert result["config"] == {
        "seeds": 2, "others": 5, "network": "wafernet", "sizes": [2], "made": [0, 3], "seed": 7,
    }  # fmt: skip
    train = sum(r.split == "train" for r in pictures.originals(project, "alpha"))
    sizes = [(row["size"], row["made"]) for row in result["rows"]]
    assert sizes == [(2, 0), (2, 3), (train, 0), (train, 3)]
    assert result["verdict"]["key"] == "unknown"  # one test wafer
    assert "Only 1 test wafer of this class" in result["sentence"]
    assert err.strip().splitlines()[-1] == result["sentence"]
    assert files_of(project) == before  # nothing was written into the classes
    stored = studies.newest(project, KIND)
    assert stored is not None
    assert stored.id == result["study"]
    assert str(Message.from_json(stored.result["sentence"])) == result["sentence"]


def test_only_originals_of_the_right_split_are_used(
    project: Project, seen: list[StudyData]
) -> None:
    first = pictures.originals(project, "beta")[0]
    made = synthetic.SyntheticPicture(marked(77), first.file)
    synthetic.add(project, "beta", "generated", [made], {})
    run_job(create_job(project.path, KIND, QUICK, "cpu"))
    records = {
        part: [
            manifest.load(project, c.slug, r).tobytes()
            for c in project.classes()
            for r in pictures.originals(project, c.slug)
            if r.split == part
        ]
        for part in ("train", "test")
    }
    full = seen[-2]  # all originals, no synthetic wafers of the class
    assert sorted(p.tobytes() for p in full.originals.train_pictures) == sorted(records["train"])
    for data in seen:
        assert {p.tobytes() for p in data.originals.train_pictures} <= set(records["train"])
        assert [p.tobytes() for p in data.test_pictures] == records["test"]


def test_a_running_curve_reports_its_trainings(project: Project, seen: list[StudyData]) -> None:
    folder = create_job(project.path, KIND, QUICK, "cpu")
    assert str(read_state(folder).title) == "How many wafers of Alpha?"
    run_job(folder)
    trainings = read_state(folder).metric("training")
    assert {t["repeat"] for t in trainings} == {0, 1}
    assert {t["made"] for t in trainings} == {0, 3}
    assert {t["f1"] for t in trainings} == {1.0}


def test_a_cancelled_curve_stores_nothing_and_a_stopped_one_its_repeats(
    project: Project, seen: list[StudyData]
) -> None:
    before = files_of(project)
    folder = create_job(project.path, KIND, QUICK, "cpu")
    cancel(folder)
    with pytest.raises(Cancelled):
        run_job(folder)
    assert studies.newest(project, KIND) is None
    assert files_of(project) == before
    folder = create_job(project.path, KIND, {**QUICK, "config": {"seeds": 9, "made": [0]}}, "cpu")
    request_stop(folder)
    result = run_job(folder)
    assert result["stopped"]
    assert {len(row["f1"]["by_repeat"]) for row in result["rows"]} == {1}


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (1, "“Lone” has 1 training original, but a learning curve needs at least 4"),
        (
            3,
            "“Lone” has 2 training originals, but a learning curve needs at least 4",
        ),  # one is in the test split
        (0, "“Lone” has 0 training originals, but a learning curve needs at least 4"),
    ],
)
def test_a_class_with_few_wafers_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], count: int, sentence: str
) -> None:
    few = small_project(home / "few", {"Alpha": 8, "Beta": 8})
    few.add_class("Lone")
    if count:
        fill(few, "Lone", count, start=4000)
    code, out, err = call(capsys, "--project", few.path, "--class", "Lone")
    assert (code, out) == (2, "")
    assert sentence in err.strip().splitlines()[-1]
    assert studies.newest(few, KIND) is None


def test_a_class_without_test_wafers_and_a_single_class_are_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = small_project(home / "untested", {"Alpha": 8, "Beta": 8})
    slug = project.find_class("Alpha").slug
    gone = [r.file for r in pictures.originals(project, slug) if r.split == "test"]
    pictures.delete_pictures(project, slug, gone)
    code, _, err = call(capsys, "--project", project.path, "--class", "Alpha")
    assert code == 2
    assert "“Alpha” has no original in the test split" in err.strip().splitlines()[-1]
    alone = small_project(home / "alone", {"Alpha": 8})
    code, _, err = call(capsys, "--project", alone.path, "--class", "Alpha")
    assert code == 2
    assert "Training needs two classes" in err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"class": 3}, {"class": "Alpha", "x": 1}, {"class": "Alpha", "config": [1]},
        {"class": "Alpha", "config": {"sedes": 1}}, {"class": "Alpha", "config": {"sizes": [1]}},
        {"class": "Alpha", "config": {"made": "all"}}, {"class": "Alpha", "config": {"seed": -1}},
    ],
)  # fmt: skip
def test_wrong_parameters_leave_no_job(project: Project, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        create_job(project.path, KIND, wrong)
    assert list_jobs(project.path) == []


@pytest.mark.parametrize(
    "arguments",
    [("--class", "Nobody"), (), ("--class", "Alpha", "--seeds", 0),
     ("--class", "Alpha", "--sizes", 1), ("--class", "Alpha", "--made", "many")],
)  # fmt: skip
def test_wrong_options_give_one_sentence(
    project: Project, arguments: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "--project", project.path, *arguments)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert list_jobs(project.path) == []
