"""``benefit`` on the command line and its job: what it reads, makes, reports and stores."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wafer_core import cli
from wafer_core.data import manifest, pictures, studies, synthetic, workspace
from wafer_core.data.project import Project
from wafer_core.errors import Cancelled, InputError, ProjectError
from wafer_core.jobs import cancel, list_jobs, read_state, request_stop
from wafer_core.messages import Message
from wafer_core.tasks.studies import ablation
from wafer_core.tasks.studies.conditions import (
    SYNTHESIZERS,
    StudyData,
    SynthesisRequest,
    Training,
)
from wafer_core.workflows import ablation as workflow
from wafer_core.workflows.runner import run_job
from wafer_core.workflows.submit import create_job
from wafers import fill, marked, small_project

NO_DEVICE = {"config": {"seeds": 2, "made": 5}}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[StudyData]:
    """The data of each training; training and making wafers are instant."""
    given: list[StudyData] = []

    def train_condition(
        data: StudyData, condition: str, config: Any, device: Any, on_progress: Any
    ) -> Training:
        on_progress(0.5)
        given.append(data)
        predicted = data.test_labels.copy()
        if condition == "none":
            predicted[::2] = (predicted[::2] + 1) % len(data.originals.class_names)
        count = len(data.train_data(condition).train_pictures)
        return Training(condition, config.seed, predicted, count, 3, 0.1)

    def synthesize(request: SynthesisRequest, device: Any, on_progress: Any) -> Any:
        on_progress(0.5)
        return [marked(5000 + k) for k in range(request.count)]

    monkeypatch.setattr(ablation, "train_condition", train_condition)
    for kind in SYNTHESIZERS:
        monkeypatch.setitem(SYNTHESIZERS, kind, synthesize)
    return given


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    streams = capsys.readouterr()
    return code, streams.out, streams.err


def store(project: Project, name: str, origin: str, count: int, start: int = 900) -> None:
    slug = project.find_class(name).slug
    parent = next(r for r in pictures.originals(project, slug) if r.split == "train")
    made = [synthetic.SyntheticPicture(marked(start + k), parent.file) for k in range(count)]
    synthetic.add(project, slug, origin, made, {})


def files_of(project: Project) -> set[str]:
    """Every file of the classes."""
    return {str(p) for p in (project.path / "classes").rglob("*") if p.is_file()}


def test_a_study_says_what_to_keep(
    project: Project, seen: list[StudyData], capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(project)
    code, out, err = call(
        capsys, "benefit", "--project", project.path, "--seeds", 2, "--made", 7, "--no-turns",
        "--network", "wafer_cnn", "--seed", 3, "--device", "cpu",
    )  # fmt: skip
    assert code == 0
    assert len(out.splitlines()) == 1
    result = json.loads(out)
    assert result["config"] == {
        "network": "wafer_cnn", "seeds": 2, "made": 7, "turns": False, "epochs": None, "seed": 3,
    }  # fmt: skip
    assert result["seeds"] == [3, 4]
    assert set(result["arms"]) == {"none", "transforms", "generated", "both"}
    assert result["arms"]["none"]["macro_f1"] < result["arms"]["both"]["macro_f1"] == 1
    assert result["advice"]["keep"] == "unknown"
    assert err.strip().splitlines()[-1] == result["sentence"]
    assert files_of(project) == before  # nothing was written into the classes
    stored = studies.newest(project, "benefit")
    assert stored is not None
    assert stored.id == result["study"]
    assert str(Message.from_json(stored.result["sentence"])) == result["sentence"]


def test_stored_wafers_are_used_and_missing_ones_are_made(
    project: Project, seen: list[StudyData]
) -> None:
    store(project, "Alpha", "generated", 6)
    store(project, "Alpha", "augmented", 4, 800)
    store(project, "Beta", "generated", 3, 700)
    result = run_job(create_job(project.path, "benefit", {}, "cpu"))
    runs = result["made"]["Alpha"]["generated"]["runs"]
    assert list(runs) == [run.run for run in synthetic.runs(project, "alpha", "generated")]
    assert list(result["made"]["Gamma"]["generated"].pop("runs")) == []
    for kinds in result["made"].values():
        for made in kinds.values():
            made.pop("runs", None)
    assert result["made"] == {
        "Alpha": {"transforms": {"count": 4, "source": "stored"},
                  "generated": {"count": 6, "source": "stored"}},
        # as many as there are of the other kind
        "Beta": {"transforms": {"count": 3, "source": "made for the study"},
                 "generated": {"count": 3, "source": "stored"}},
        "Gamma": {"transforms": {"count": 100, "source": "made for the study"},
                  "generated": {"count": 100, "source": "made for the study"}},
    }  # fmt: skip
    data = seen[0]
    assert np.bincount(data.synthetic["generated"][1]).tolist() == [6, 3, 100]
    notes = " ".join(map(str, result["notes"]))
    assert "No augmented wafers of Beta, Gamma are stored. They were made for this study" in notes
    assert "No generated wafers of Gamma are stored." in notes


def test_the_splits_do_not_mix(project: Project, seen: list[StudyData]) -> None:
    store(project, "Alpha", "generated", 6)
    run_job(create_job(project.path, "benefit", NO_DEVICE, "cpu"))
    data = seen[0]
    records = [
        (c.slug, r) for c in project.classes() for r in pictures.originals(project, c.slug)
    ]  # fmt: skip
    for part, found in (
        ("train", data.originals.train_pictures),
        ("validation", data.originals.validation_pictures),
        ("test", data.test_pictures),
    ):
        own = [manifest.load(project, slug, r) for slug, r in records if r.split == part]
        assert {p.tobytes() for p in found} == {p.tobytes() for p in own}
    assert data.test_lots == [r.key for _, r in records if r.split == "test"]
    assert len(data.synthetic["generated"][0]) == 15  # five a class: one of the stored is left out


def test_only_synthetic_wafers_of_some_classes(
    project: Project, seen: list[StudyData], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(
        capsys, "benefit", "--project", project.path, "--class", "beta", "--seeds", 1, "--made", 4
    )
    assert code == 0
    made = json.loads(out)["made"]
    assert made["Alpha"]["generated"] == {"count": 0, "source": "none", "runs": []}
    assert made["Beta"]["generated"]["count"] == 4
    assert set(seen[0].synthetic["generated"][1]) == {1}


def test_too_few_stored_wafers_are_reported(project: Project, seen: list[StudyData]) -> None:
    store(project, "Alpha", "generated", 3)
    result = run_job(create_job(project.path, "benefit", NO_DEVICE, "cpu"))
    notes = [str(note) for note in result["notes"]]
    assert "Alpha: only 3 of the requested 5 wafers are stored (generated)." in notes


def test_a_running_study_reports_its_trainings(project: Project, seen: list[StudyData]) -> None:
    folder = create_job(project.path, "benefit", NO_DEVICE, "cpu")
    assert str(read_state(folder).title) == "Do synthetic wafers help WaferNet?"
    run_job(folder)
    trainings = read_state(folder).metric("training")
    assert [t["arm"] for t in trainings] == 2 * ["none", "transforms", "generated", "both"]
    assert trainings[1]["macro_f1"] == 1
    assert trainings[1]["title"] == "With transforms"
    assert [t["seed"] for t in trainings] == 4 * [0] + 4 * [1]


def test_a_study_goes_out_of_date_with_its_classes(project: Project, seen: list[StudyData]) -> None:
    run_job(create_job(project.path, "benefit", NO_DEVICE, "cpu"))
    study = studies.newest(project, "benefit")
    assert study is not None
    assert studies.changes(project, study.id) == []
    fill(project, "Alpha", 2, start=7000)
    assert list(map(str, studies.changes(project, study.id))) == ["“Alpha”: 2 added"]
    for gone in ("benefit-gone", "../classes", ""):
        with pytest.raises(ProjectError, match="no study"):
            studies.changes(project, gone)


def test_a_study_is_exported_with_its_project(
    project: Project, seen: list[StudyData], home: Path
) -> None:
    run_job(create_job(project.path, "benefit", NO_DEVICE, "cpu"))
    stream = io.BytesIO()
    workspace.export_zip(project, stream)
    brought = workspace.import_zip(home, stream.getvalue(), "small.zip")
    (study,) = studies.list_studies(brought, "benefit")
    assert workflow.is_result(study.result)
    assert studies.changes(brought, study.id) == []


def test_a_damaged_study_says_so(project: Project, seen: list[StudyData]) -> None:
    run_job(create_job(project.path, "benefit", NO_DEVICE, "cpu"))
    study = studies.newest(project, "benefit")
    assert study is not None
    path = project.path / "studies" / study.id / "study.json"
    for text, word in (("{", "damaged"), ("[]", "damaged"), ('{"schema": 99}', "newer version")):
        path.write_text(text, "utf-8")
        (found,) = studies.list_studies(project, "benefit")
        assert found.damage is not None
        assert word in str(found.damage)


def test_a_cancelled_study_stores_nothing_and_a_stopped_one_its_repeats(
    project: Project, seen: list[StudyData]
) -> None:
    before = files_of(project)
    folder = create_job(project.path, "benefit", {}, "cpu")
    cancel(folder)
    with pytest.raises(Cancelled):
        run_job(folder)
    assert studies.newest(project, "benefit") is None
    assert files_of(project) == before
    folder = create_job(project.path, "benefit", NO_DEVICE, "cpu")
    request_stop(folder)
    result = run_job(folder)
    assert result["seeds"] == [0]
    assert result["stopped"]
    notes = [str(note) for note in result["notes"]]
    assert "Stopped by you after 1 repeat of every condition." in notes


def test_a_class_with_one_wafer_has_no_generated_ones(home: Path) -> None:
    made = small_project(home / "one", {"Alpha": 8, "Beta": 8})
    fill(made, "Lone", 1, start=4000)
    config = {"network": "wafer_cnn", "seeds": 1, "epochs": 1, "made": 4}
    result = run_job(create_job(made.path, "benefit", {"config": config}, "cpu"))
    assert result["made"]["Lone"]["transforms"]["count"] == 4
    assert result["made"]["Lone"]["generated"]["source"] == "none"
    notes = " ".join(map(str, result["notes"]))
    assert "Lone: none could be made (generated)." in notes
    assert "no test wafers, so there is no result for them: Lone." in notes
    assert "Lone" not in result["advice_per_class"]
    assert result["arms"]["none"]["per_class"]["Lone"] is None


def test_one_class_only_and_no_test_picture_are_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = small_project(home / "one", {"Alpha": 8})
    code, out, err = call(capsys, "benefit", "--project", one.path)
    assert (code, out) == (2, "")
    assert "Training needs two classes" in err.strip().splitlines()[-1]
    few = small_project(home / "few", {"Alpha": 2, "Beta": 2})
    code, out, err = call(capsys, "benefit", "--project", few.path)
    assert (code, out) == (2, "")
    assert "The test split is empty" in err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": "x"}, {"config": [1]}, {"config": {"seed": -1}}, {"config": {"sedes": 3}},
        {"config": {"seeds": 0}}, {"classes": []}, {"classes": "Alpha"}, {"classes": [3]},
    ],
)  # fmt: skip
def test_wrong_parameters_leave_no_job(project: Project, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        create_job(project.path, "benefit", wrong)
    assert list_jobs(project.path) == []


@pytest.mark.parametrize(
    "arguments",
    [("--seeds", 0), ("--seeds", "many"), ("--network", "vgg"), ("--class", "Nobody")],
)
def test_wrong_options_give_one_sentence(
    project: Project, arguments: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "benefit", "--project", project.path, *arguments)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert list_jobs(project.path) == []


def test_a_class_deleted_in_the_meantime_is_reported(
    project: Project, seen: list[StudyData]
) -> None:
    folder = create_job(project.path, "benefit", {"classes": ["Alpha"]}, "cpu")
    shutil.rmtree(project.path / "classes" / project.find_class("Alpha").slug)
    with pytest.raises(InputError, match="no class “Alpha”"):
        run_job(folder)
