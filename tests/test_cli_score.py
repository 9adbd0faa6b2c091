"""``score`` on the command line and as a job, and the scores that stay with a run."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wafer_core import cli
from wafer_core.data import manifest, pictures, synthetic
from wafer_core.data.project import Project
from wafer_core.errors import Cancelled, InputError, ParameterError
from wafer_core.images import encode_png
from wafer_core.jobs import list_jobs
from wafer_core.messages import in_english
from wafer_core.networks import features
from wafer_core.simulator import simulate_many
from wafer_core.tasks.evaluation import scoring
from wafer_core.workflows import score
from wafer_core.workflows.submit import create_job


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of twenty simulated wafers; Center has a generated and an augmented run."""
    project = Project.create(tmp_path_factory.mktemp("score") / "demo")
    for seed, name in enumerate(("Center", "none")):
        new = [
            pictures.NewPicture(picture, f"{name}-{n}.png")
            for n, picture in enumerate(simulate_many(name, 20, seed))
        ]
        pictures.add_originals(project, project.add_class(name).slug, new)
    first = pictures.originals(project, "center")[0]
    for origin, wafers in (
        ("generated", simulate_many("Center", 10, 5)),
        ("augmented", [np.rot90(manifest.load(project, "center", first)).copy()] * 2),
    ):
        items = [synthetic.SyntheticPicture(wafer) for wafer in wafers]
        synthetic.add(project, "center", origin, items, {})
    return project.path


@pytest.fixture
def project(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of it for a test to change."""
    monkeypatch.setenv("WAFER_LOCKS", str(tmp_path / "locks"))
    return Project.open(Path(shutil.copytree(made_once, tmp_path / "demo")))


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Pictures of wafers in folders: real, fake, other."""
    for name, wafers in (
        ("real", simulate_many("Center", 12, 0)),
        ("fake", simulate_many("Center", 9, 1)),
        ("other", simulate_many("none", 12, 2)),
    ):
        (tmp_path / name).mkdir()
        for number, wafer in enumerate(wafers):
            (tmp_path / name / f"{number}.png").write_bytes(encode_png(wafer))
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any, str]:
    code = cli.main(["score", *(str(argument) for argument in arguments)])
    shown = capsys.readouterr()
    return code, json.loads(shown.out.splitlines()[-1]) if shown.out else None, shown.err


def test_folders_are_scored(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, value, err = call(
        capsys, "--real", folders / "real", "--fake", folders / "fake", "--other", folders / "other"
    )
    assert code == 0, err
    assert value["sentence"] in err
    assert (value["counts"]["made"], value["counts"]["real"]) == (9, 12)
    assert value["scores"]["kid"]["counts"]["subset"] == 4
    assert value["scores"]["kid"]["ceiling_class"] == str(folders / "other")
    assert value["scores"]["copies"]["value"] == 0
    for entry in value["scores"].values():
        assert entry["sentence"]
        assert entry["title"]
    again = call(
        capsys, "--real", folders / "real", "--fake", folders / "fake", "--other", folders / "other"
    )[1]
    assert again["scores"] == value["scores"]


def test_a_zip_and_a_data_file_are_scored_and_bad_pictures_reported(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(folders / "real.zip", "w") as archive:
        for path in (folders / "real").iterdir():
            archive.write(path, path.name)
        archive.writestr("broken.png", b"no picture")
    dies = np.stack([np.tile([[0, 1, 2, 1]], (8, 2))] * 5).astype(np.uint8)
    np.save(folders / "fake.npy", dies)
    code, value, err = call(
        capsys, "--real", folders / "real.zip", "--fake", folders / "fake.npy",
        "--training", folders / "other",
    )  # fmt: skip
    assert code == 0, err
    assert "broken.png" in err
    assert value["counts"] == {"made": 5, "training": 12, "held_out": 12, "real": 12}


def test_a_stored_run_is_scored_and_keeps_its_scores(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    [generated] = synthetic.runs(project, "center", "generated")
    assert synthetic.stored_scores(generated) == {}
    code, value, err = call(capsys, "--project", project.path, "--class", "center")
    assert code == 0, err
    assert (value["class"], value["run"], value["pictures"]) == ("Center", generated.run, 10)
    parts = [record.split for record in pictures.originals(project, "center")]
    assert value["counts"]["training"] == parts.count("train")
    assert value["counts"]["held_out"] == len(parts) - parts.count("train")
    assert value["sentence"] in err
    stored = synthetic.stored_scores(generated)
    assert {name: in_english(each.values) for name, each in stored.items()} == {"wafernet": value}
    assert synthetic.runs(project, "center", "generated") == (generated,)
    [state] = list_jobs(project.path)
    assert (state.kind, str(state.title), state.status) == ("score", "Score Center", "done")
    synthetic.delete(project, "center", "generated", generated.run)
    assert not list(project.path.rglob("scores-*.json"))


def test_class_agreement_learns_from_training_originals_alone(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    code, value, err = call(capsys, "--project", project.path, "--class", "Center")
    assert code == 0, err
    agreement = value["scores"]["agreement"]
    parts = {
        slug: [record.split == "train" for record in pictures.originals(project, slug)]
        for slug in ("center", "none")
    }
    learned = sum(sum(each) for each in parts.values())
    held = {slug: len(each) - sum(each) for slug, each in parts.items()}
    assert agreement["counts"] == {
        "made": 10, "real": held["center"], "others": held["none"], "training": learned,
        "classes": 2,
    }  # fmt: skip
    assert agreement["value"] == agreement["details"]["made"] / 10
    assert f"trained on {learned} originals of 2 classes" in agreement["sentence"]
    assert value["wafernet"] == features.wafernet_checksum()


def test_with_many_classes_few_originals_of_each_are_used(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "_IN_ALL", 6)  # for two classes
    monkeypatch.setattr(score, "_AT_LEAST", 2)
    known = score.originals_of(project, "center")
    assert len(known.classes.training["none"]) == len(known.classes.held_out["none"]) == 3
    assert len(known.others["none"]) == 20
    assert known.classes.training["Center"] is known.training
    first = pictures.originals(project, "none")
    train = {manifest.load(project, "none", r).tobytes() for r in first if r.split == "train"}
    assert {p.tobytes() for p in known.classes.training["none"]} <= train
    assert not {p.tobytes() for p in known.classes.held_out["none"]} & train


def test_a_project_of_one_class_gets_a_sentence(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.delete_class("none")
    code, value, _ = call(capsys, "--project", project.path, "--class", "Center")
    assert code == 0
    assert value["scores"]["agreement"]["value"] is None
    assert "needs a second class to compare with; add one" in value["scores"]["agreement"]["note"]


def test_folders_with_training_pictures_and_another_class_tell_class_agreement(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "training").mkdir()
    for number, wafer in enumerate(simulate_many("Center", 8, 7)):
        (folders / "training" / f"{number}.png").write_bytes(encode_png(wafer))
    both = ["--real", folders / "real", "--fake", folders / "fake", "--other", folders / "other"]
    value = call(capsys, *both, "--training", folders / "training")[1]
    agreement = value["scores"]["agreement"]
    assert agreement["value"] >= 0.8
    # of twelve of the other class six are trained on and six are evaluated
    assert agreement["counts"] == {"made": 9, "real": 12, "others": 6, "training": 14, "classes": 2}
    assert call(capsys, *both)[1]["scores"]["agreement"]["value"] is None


def test_an_augmented_run_may_be_named(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    [augmented] = synthetic.runs(project, "center", "augmented")
    code, value, _ = call(
        capsys, "--project", project.path, "--class", "Center", "--run", augmented.run
    )
    assert code == 0
    assert value["run"] == augmented.run
    assert value["scores"]["kid"]["value"] is None
    assert "there are 2 and" in value["scores"]["kid"]["note"]


def test_the_scores_of_generate_are_returned_and_stored(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = '[{"name": "Center", "ai_use": false, "count": 6}]'
    code = cli.main(["generate", "--project", str(project.path), "--class-list", classes])
    [entry] = json.loads(capsys.readouterr().out.splitlines()[-1])["classes"]
    assert code == 0
    run = synthetic.runs(project, "center", "augmented")[-1]
    kept = in_english(synthetic.stored_scores(run)["wafernet"].values)
    assert kept == entry["scores"]
    assert entry["sentence"] == kept["sentence"]
    assert entry["class_agreement"] == kept["scores"]["agreement"]["value"]
    assert entry["class_agreement"] > 0.5
    for name in ("is", "fid", "kid"):
        assert entry[f"{name}_score"] == kept["scores"][name]["value"]
        assert isinstance(entry[f"{name}_score"], float)


def test_a_damaged_original_loses_nothing_that_was_made(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = pictures.originals(project, "none")[3]
    manifest.picture_path(project, "none", bad).write_bytes(b"damaged")
    classes = '[{"name": "Center", "ai_use": false, "count": 6}]'
    code = cli.main(["generate", "--project", str(project.path), "--class-list", classes])
    [entry] = json.loads(capsys.readouterr().out.splitlines()[-1])["classes"]
    assert code == 0
    assert entry["scores"] is None
    assert entry["kid_score"] is None
    assert "could not be scored" in entry["sentence"]
    assert len(synthetic.runs(project, "center", "augmented")[-1].records) == 6


def test_a_generation_that_is_cancelled_while_scored_leaves_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = synthetic.runs(project, "center", "augmented")

    def cancelled(*_: object, **__: object) -> None:
        raise Cancelled("Cancelled.")

    monkeypatch.setattr(scoring, "score_synthetic", cancelled)
    classes = '[{"name": "Center", "ai_use": false, "count": 6}]'
    code = cli.main(["generate", "--project", str(project.path), "--class-list", classes])
    assert code == 130
    assert synthetic.runs(project, "center", "augmented") == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give --real and --fake for two folders, or --project and --class"),
        (["--real", "x"], "Give --real and --fake"),
        (["--real", "x", "--fake", "x", "--run", "y"], "Give --real and --fake"),
        (["--project", "x"], "named by --project and --class"),
        (["--project", "x", "--class", "y", "--other", "z"], "without --real, --fake"),
        (["--real", "nowhere", "--fake", "nowhere"], "nowhere"),
        (["--real", "x", "--fake", "x", "--features", "magic"], "invalid choice: 'magic'"),
        (["--real", "x", "--fake", "x", "--seed", "-1"], "seed is -1"),
    ],
)
def test_a_wrong_call_is_reported(
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, value, err = call(capsys, *arguments)
    assert (code, value) == (2, None)
    assert sentence in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--class", "Donut"], "no class “Donut”"),
        (["--class", "none"], "This class has no synthetic pictures"),
        (["--class", "Center", "--run", "../center"], "There is no run “../center”"),
        (["--class", "Center", "--features", "inception"], "There are no weights of InceptionV3"),
        (["--class", "Center", "--weights", "w.pth"], "leave --weights out"),
    ],
)
def test_a_run_that_cannot_be_scored_is_reported(
    project: Project,
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    code, value, err = call(capsys, "--project", project.path, *arguments)
    assert (code, value) == (2, None)
    assert sentence in err.splitlines()[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"class": 5},
        {"class": "Center", "run": 5},
        {"class": "Center", "features": "magic"},
        {"class": "Center", "features": ["wafernet"]},
        {"class": "Center", "weights": 5},
        {"class": "Center", "seed": "0"},
        {"class": "Center", "magic": 1},
    ],
)
def test_wrong_parameters_make_no_job(project: Project, wrong: dict[str, Any]) -> None:
    with pytest.raises((ParameterError, InputError)):
        create_job(project.path, "score", wrong)
    assert list_jobs(project.path) == []
