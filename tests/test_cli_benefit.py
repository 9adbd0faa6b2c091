"""``benefit`` on the command line and its job: what it reads, makes, tells and keeps."""

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
from wafer_core.tasks.studies import ablation
from wafer_core.tasks.studies.conditions import MAKERS, Order, StudyData, Training
from wafer_core.workflows import ablation as benefit_job
from wafer_core.workflows.runner import run_job
from wafer_core.workflows.submit import create_job
from wafers import fill, marked, small_project

NO_DEVICE = {"config": {"seeds": 2, "made": 5}}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[StudyData]:
    """What the arms were given; their trainings take no time, and making neither."""
    given: list[StudyData] = []

    def train_arm(data: StudyData, arm: str, config: Any, device: Any, tell: Any) -> Training:
        tell(0.5)
        given.append(data)
        called = data.test_labels.copy()
        if arm == "none":
            called[::2] = (called[::2] + 1) % len(data.originals.class_names)
        count = len(data.learning(arm).train_pictures)
        return Training(arm, config.seed, called, count, 3, 0.1)

    def made(order: Order, device: Any, tell: Any) -> Any:
        tell(0.5)
        return [marked(5000 + k) for k in range(order.count)]

    monkeypatch.setattr(ablation, "train_arm", train_arm)
    for kind in MAKERS:
        monkeypatch.setitem(MAKERS, kind, made)
    return given


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    streams = capsys.readouterr()
    return code, streams.out, streams.err


def store(project: Project, name: str, origin: str, count: int, start: int = 900) -> None:
    slug = project.find_class(name).slug
    parent = next(r for r in pictures.originals(project, slug) if r.part == "train")
    made = [synthetic.MadePicture(marked(start + k), parent.file) for k in range(count)]
    synthetic.add(project, slug, origin, made, {})


def held(project: Project) -> set[str]:
    """Every file of the classes."""
    return {str(p) for p in (project.path / "classes").rglob("*") if p.is_file()}


def test_a_study_says_what_to_keep(
    project: Project, seen: list[StudyData], capsys: pytest.CaptureFixture[str]
) -> None:
    before = held(project)
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
    assert held(project) == before  # nothing was written into the classes
    stored = studies.newest(project, "benefit")
    assert stored is not None
    assert stored.id == result["study"]
    assert stored.found["sentence"] == result["sentence"]


def test_stored_wafers_take_part_and_missing_ones_are_made(
    project: Project, seen: list[StudyData]
) -> None:
    store(project, "Alpha", "generated", 6)
    store(project, "Alpha", "augmented", 4, 800)
    store(project, "Beta", "generated", 3, 700)
    result = run_job(create_job(project.path, "benefit", {}, "cpu"))
    runs = result["made"]["Alpha"]["generated"]["runs"]
    assert runs == [run.run for run in synthetic.runs(project, "alpha", "generated")]
    assert result["made"]["Gamma"]["generated"].pop("runs") == []
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
    assert np.bincount(data.made["generated"][1]).tolist() == [6, 3, 100]
    notes = " ".join(result["notes"])
    assert "No augmented wafers are stored of Beta, Gamma; they were made for this study" in notes
    assert "No generated wafers are stored of Gamma;" in notes


def test_parts_of_the_split_stay_apart(project: Project, seen: list[StudyData]) -> None:
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
        own = [manifest.load(project, slug, r) for slug, r in records if r.part == part]
        assert {p.tobytes() for p in found} == {p.tobytes() for p in own}
    assert data.test_lots == [r.key for _, r in records if r.part == "test"]
    assert len(data.made["generated"][0]) == 15  # five a class: one of the stored is left out


def test_only_made_wafers_of_some_classes(
    project: Project, seen: list[StudyData], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(
        capsys, "benefit", "--project", project.path, "--class", "beta", "--seeds", 1, "--made", 4
    )
    assert code == 0
    made = json.loads(out)["made"]
    assert made["Alpha"]["generated"] == {"count": 0, "source": "none", "runs": []}
    assert made["Beta"]["generated"]["count"] == 4
    assert set(seen[0].made["generated"][1]) == {1}


def test_too_few_stored_wafers_are_told(project: Project, seen: list[StudyData]) -> None:
    store(project, "Alpha", "generated", 3)
    result = run_job(create_job(project.path, "benefit", NO_DEVICE, "cpu"))
    assert "Alpha: only 3 of the 5 wafers asked for are stored (generated)." in result["notes"]


def test_what_a_study_tells_while_it_runs(project: Project, seen: list[StudyData]) -> None:
    folder = create_job(project.path, "benefit", NO_DEVICE, "cpu")
    assert read_state(folder).title == "Do made wafers help WaferNet?"
    run_job(folder)
    told = read_state(folder).metric("training")
    assert [t["arm"] for t in told] == 2 * ["none", "transforms", "generated", "both"]
    assert told[1]["macro_f1"] == 1
    assert told[1]["title"] == "With transforms"
    assert [t["seed"] for t in told] == 4 * [0] + 4 * [1]


def test_a_study_goes_out_of_date_with_its_classes(project: Project, seen: list[StudyData]) -> None:
    run_job(create_job(project.path, "benefit", NO_DEVICE, "cpu"))
    study = studies.newest(project, "benefit")
    assert study is not None
    assert studies.changes(project, study.id) == []
    fill(project, "Alpha", 2, start=7000)
    assert studies.changes(project, study.id) == ["“Alpha”: 2 added"]
    for gone in ("benefit-gone", "../classes", ""):
        with pytest.raises(ProjectError, match="no study"):
            studies.changes(project, gone)


def test_a_study_goes_along_with_its_project(
    project: Project, seen: list[StudyData], home: Path
) -> None:
    run_job(create_job(project.path, "benefit", NO_DEVICE, "cpu"))
    stream = io.BytesIO()
    workspace.export_zip(project, stream)
    brought = workspace.import_zip(home, stream.getvalue(), "small.zip")
    (study,) = studies.list_studies(brought, "benefit")
    assert benefit_job.is_result(study.found)
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
        assert word in found.damage


def test_a_cancelled_study_leaves_nothing_and_a_stopped_one_its_repeats(
    project: Project, seen: list[StudyData]
) -> None:
    before = held(project)
    folder = create_job(project.path, "benefit", {}, "cpu")
    cancel(folder)
    with pytest.raises(Cancelled):
        run_job(folder)
    assert studies.newest(project, "benefit") is None
    assert held(project) == before
    folder = create_job(project.path, "benefit", NO_DEVICE, "cpu")
    request_stop(folder)
    result = run_job(folder)
    assert result["seeds"] == [0]
    assert result["stopped"]
    assert "Stopped by you; 1 repeat of every way are done." in result["notes"]


def test_a_class_of_one_picture_takes_part_without_generated_ones(home: Path) -> None:
    made = small_project(home / "one", {"Alpha": 8, "Beta": 8})
    fill(made, "Lone", 1, start=4000)
    config = {"network": "wafer_cnn", "seeds": 1, "epochs": 1, "made": 4}
    result = run_job(create_job(made.path, "benefit", {"config": config}, "cpu"))
    assert result["made"]["Lone"]["transforms"]["count"] == 4
    assert result["made"]["Lone"]["generated"]["source"] == "none"
    notes = " ".join(result["notes"])
    assert "Lone: none could be made (generated). This class has 1 different" in notes
    assert "Without a test wafer, so nothing is known of: Lone." in notes
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
    assert "No picture is in the test part" in err.strip().splitlines()[-1]


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
def test_wrong_options_are_told_in_one_sentence(
    project: Project, arguments: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "benefit", "--project", project.path, *arguments)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert list_jobs(project.path) == []


def test_a_class_that_is_deleted_meanwhile_is_told(project: Project, seen: list[StudyData]) -> None:
    folder = create_job(project.path, "benefit", {"classes": ["Alpha"]}, "cpu")
    shutil.rmtree(project.path / "classes" / project.find_class("Alpha").slug)
    with pytest.raises(InputError, match="no class “Alpha”"):
        run_job(folder)
