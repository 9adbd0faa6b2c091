"""``train`` and ``predict`` on the command line, and the run that they share."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from wafer_core import cli
from wafer_core.data import dataset, models, pictures
from wafer_core.data.project import Project
from wafer_core.errors import Cancelled, InputError, ModelError, ParameterError
from wafer_core.images import encode_png
from wafer_core.jobs import cancel, list_jobs, read_state, request_stop
from wafer_core.jobs.context import JobContext
from wafer_core.simulator import PATTERNS, simulate_many
from wafer_core.workflows.runner import run_job
from wafer_core.workflows.submit import create_job

FAST = {"epochs": 2, "average_turns": False}
CLASSES = ("Center", "Near-full", "none")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, Any]]:
    """Three classes of fourteen simulated wafers and one short training of them."""
    folder = tmp_path_factory.mktemp("train")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAFER_LOCKS", str(folder / "locks"))
        made = make_project(folder / "demo")
        result = run_job(create_job(made.path, "train", {"config": FAST}, "cpu"))
    return made, result


@pytest.fixture
def project(
    trained: tuple[Project, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """A copy of the trained project for a test to change."""
    monkeypatch.setenv("WAFER_LOCKS", str(tmp_path / "locks"))
    shutil.copytree(trained[0].path, tmp_path / "demo")
    return Project.open(tmp_path / "demo")


def make_project(path: Path) -> Project:
    project = Project.create(path)
    for seed, name in enumerate(CLASSES):
        new = [
            pictures.NewPicture(picture, f"{n}.png")
            for n, picture in enumerate(simulate_many(name, 14, seed))
        ]
        pictures.add_originals(project, project.add_class(name).slug, new)
    return project


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


# -- train ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("joint", [True, False])
def test_wafers_are_overlaid_for_a_class_that_combines_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joint: bool
) -> None:
    monkeypatch.setenv("WAFER_LOCKS", str(tmp_path / "locks"))
    project = Project.create(tmp_path / "mixed")
    for seed, name in enumerate(("Center", "Scratch", "Center + Scratch")):
        made = simulate_many(name.split(" + ")[0], 6, seed)
        new = [pictures.NewPicture(picture, f"{n}.png") for n, picture in enumerate(made)]
        pictures.add_originals(project, project.add_class(name).slug, new)
    config = {"network": "wafer_cnn", **FAST, "joint": joint}
    result = run_job(create_job(project.path, "train", {"config": config}, "cpu"))
    text = "Wafers of other classes were overlaid to train “Center + Scratch”."
    assert (text in map(str, result["notes"])) == joint


def test_a_run_is_whole_and_current(trained: tuple[Project, dict[str, Any]]) -> None:
    project, result = trained
    [run] = models.list_models(project)
    assert run.run == result["run"] == project.settings.current_model
    assert run.damage is None
    assert (run.name, run.network) == ("WaferNet 1", "wafernet")
    assert run.class_names == CLASSES
    names = {path.name for path in (project.models_path / run.run).iterdir()}
    assert names == {
        "model.safetensors", "model.json", "report.json", "curves.csv", "dataset.json",
        "unknown.safetensors",
    }  # fmt: skip
    assert models.changes(project, run.run) == []


def test_the_report_agrees_with_the_test_part(trained: tuple[Project, dict[str, Any]]) -> None:
    project, result = trained
    report = models.report(project, result["run"])
    entries = dataset.freeze(project).subset("test")
    predicted = report["test_pictures"]
    assert [(p["slug"], p["file"]) for p in predicted] == [(e.slug, e.file) for e in entries]
    slugs = [c.slug for c in project.classes()]
    assert [slugs[p["truth"]] for p in predicted] == [e.slug for e in entries]
    counted = [[0] * 3 for _ in CLASSES]
    for picture in predicted:
        counted[picture["truth"]][picture["predicted"]] += 1
        row = picture["probabilities"]
        assert sum(row) == pytest.approx(1)
        assert row.index(max(row)) == picture["predicted"]
    assert report["evaluation"]["confusion"] == counted
    low, high = report["evaluation"]["intervals"]["macro_f1"]
    assert low <= report["evaluation"]["macro_f1"] <= high
    assert set(report["evaluation"]["intervals"]["per_class"]) == set(report["class_names"])
    assert (models.list_models(project)[0].temperature or 0) > 0
    assert any(str(note).startswith("Fewer than") for note in result["notes"])
    assert report["evaluation"]["count"] == len(entries)
    assert (
        result["macro_f1"]
        == report["evaluation"]["macro_f1"]
        == pytest.approx(sum(c["f1"] for c in result["per_class"].values() if c["count"]) / 3)
    )
    assert list(result["per_class"]) == list(CLASSES)


def test_the_curves_are_those_that_were_seen_live(trained: tuple[Project, dict[str, Any]]) -> None:
    project, result = trained
    [state] = list_jobs(project.path)
    live = state.metric("epoch")
    rows = models.curves(project, result["run"])
    assert [row["epoch"] for row in rows] == [1, 2] == [point["epoch"] for point in live]
    assert [row["train_loss"] for row in rows] == [point["train_loss"] for point in live]
    assert {point["epochs"] for point in live} == {2}


def test_train_on_the_command_line(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(
        capsys, "train", "--project", project.path, "--model", "wafer_cnn", "--epochs", 1,
        "--batch-size", 8, "--learning-rate", 0.001, "--seed", 5, "--no-average-turns",
        "--name", "둘째", "--device", "cpu",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out.splitlines()[-1])
    assert list(result)[:4] == ["run", "macro_f1", "accuracy", "per_class"]
    config = models.report(project, result["run"])["config"]
    assert [config[k] for k in ("epochs", "batch_size", "learning_rate", "seed")] == [
        1,
        8,
        0.001,
        5,
    ]
    assert models.list_models(project)[0].name == "둘째"
    assert (project.settings.current_model == result["run"]) == result["is_current"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--epochs", "0"], "epochs"),
        (["--learning-rate", "0"], "learning_rate"),
        (["--learning-rate", "nan"], "learning_rate"),
        (["--batch-size", "0"], "batch_size"),
        (["--model", "gpt"], "gpt"),
        (["--seed", "-1"], "seed"),
        (["--name", ".."], "reserved name"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_wrong_settings_are_one_sentence(
    project: Project, arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "train", "--project", project.path, *arguments)
    assert (code, out) == (2, "")
    assert word in err
    assert len(err.splitlines()) == 1
    assert len(models.list_models(project)) == 1


def test_training_needs_two_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAFER_LOCKS", str(tmp_path / "locks"))
    code, _, err = call(capsys, "train", "--project", tmp_path / "none")
    assert code == 2
    assert "does not exist" in err
    project = Project.create(tmp_path / "one")
    slug = project.add_class("Only").slug
    for sentence in ("none has any", "only “Only” has any"):
        code, _, err = call(capsys, "train", "--project", project.path, "--device", "cpu")
        assert code == 2
        assert sentence in err
        pictures.add_originals(
            project, slug, [pictures.NewPicture(p) for p in simulate_many("Loc", 3, 0)]
        )
    assert models.list_models(project) == ()


def test_an_empty_class_is_left_out_and_reported(project: Project) -> None:
    project.add_class("Empty")
    used, notes = dataset.trainable(dataset.freeze(project))
    assert used.class_names == CLASSES
    assert [str(note) for note in notes] == [
        "The class “Empty” has no training wafers and was left out."
    ]


def test_classes_of_one_picture_train_without_validation_and_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAFER_LOCKS", str(tmp_path / "locks"))
    project = Project.create(tmp_path / "tiny")
    for seed, name in enumerate(CLASSES):
        new = [pictures.NewPicture(simulate_many(name, 1, seed)[0])]
        pictures.add_originals(project, project.add_class(name).slug, new)
    result = run_job(create_job(project.path, "train", {"config": FAST}, "cpu"))
    assert result["macro_f1"] is None
    assert len(result["notes"]) == 2
    assert models.report(project, result["run"])["test_pictures"] == []


def test_stop_keeps_the_best_epoch_so_far(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {**FAST, "epochs": 500}
    folder = create_job(project.path, "train", {"config": config, "name": "Stopped"}, "cpu")
    real = JobContext.metric

    def metric(self: JobContext, name: str, **values: Any) -> None:
        real(self, name, **values)
        request_stop(folder)

    monkeypatch.setattr(JobContext, "metric", metric)
    result = run_job(folder)
    assert result["epochs"] == 1
    assert "Stopped by you after epoch 1" in str(result["notes"][0])
    assert models.list_models(project)[0].name == "Stopped"


def test_cancel_leaves_no_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = project.settings
    folder = create_job(project.path, "train", {"config": {**FAST, "epochs": 500}}, "cpu")
    real = JobContext.metric

    def metric(self: JobContext, name: str, **values: Any) -> None:
        real(self, name, **values)
        cancel(folder)
        time.sleep(0.11)  # a job looks for requests ten times a second

    monkeypatch.setattr(JobContext, "metric", metric)
    with pytest.raises(Cancelled):
        run_job(folder)
    assert read_state(folder).status == "cancelled"
    assert [path.name for path in project.models_path.iterdir()] == [before.current_model]
    assert project.settings == before


@pytest.mark.parametrize(
    "parameters",
    [{"config": {"epochs": 0}}, {"config": {"magic": 1}}, {"config": []}, {"magic": 1}],
)
def test_wrong_parameters_are_reported_before_there_is_a_job(
    project: Project, parameters: dict[str, Any]
) -> None:
    with pytest.raises(ParameterError):
        create_job(project.path, "train", parameters)
    assert len(list_jobs(project.path)) == 1


# -- predict -------------------------------------------------------------------------------------


@pytest.fixture
def wafers(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    for number, picture in enumerate(simulate_many("Near-full", 3, 77)):
        (folder / f"{number}.png").write_bytes(encode_png(picture))
    return folder


def test_predict_takes_files_and_folders(
    project: Project, wafers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(
        capsys, "predict", "--project", project.path, "--device", "cpu", wafers / "1.png", wafers
    )
    assert code == 0, err
    entries = json.loads(out.splitlines()[-1])
    names = ("1.png", "0.png", "1.png", "2.png")
    assert [entry["file"] for entry in entries] == [str(wafers / name) for name in names]
    for entry in entries:
        assert set(entry) == {
            "file", "label", "verdict", "reason", "unknown_score", "probabilities",
        }  # fmt: skip
        assert list(entry["probabilities"]) == list(CLASSES)
        assert sum(entry["probabilities"].values()) == pytest.approx(1, abs=1e-9)
        assert entry["label"] == max(entry["probabilities"], key=entry["probabilities"].get)
    first, again = entries[0]["probabilities"], entries[2]["probabilities"]
    assert first == pytest.approx(again, abs=1e-5)


def test_a_bad_picture_is_reported_and_the_others_are_predicted(
    project: Project, wafers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (wafers / "1.png").write_text("no picture")
    code, out, err = call(
        capsys, "predict", "--project", project.path, wafers / "0.png", wafers / "1.png"
    )
    assert code == 0
    good, bad = json.loads(out)
    assert good["file"] == str(wafers / "0.png")
    assert set(bad) == {"file", "error"}
    assert bad["file"] == str(wafers / "1.png")
    assert bad["error"] in err


def test_exit_code_2_if_no_picture_can_be_read(
    project: Project, wafers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (wafers / "1.png").write_text("no picture")
    code, out, err = call(capsys, "predict", "--project", project.path, wafers / "1.png")
    assert (code, out) == (2, "")
    assert "None of the pictures" in err
    (wafers / "empty").mkdir()
    code, out, err = call(capsys, "predict", "--project", project.path, wafers / "empty")
    assert (code, out) == (2, "")
    assert "no pictures to predict" in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--model", "none", "."], "no model “none”"),
        (["--model", "../..", "."], "no model"),
        (["nowhere.png"], "nowhere.png does not exist"),
        (["--review-below", "2", "."], "review_below is 2.0"),
    ],
)
def test_wrong_calls_of_predict(
    project: Project, arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "predict", "--project", project.path, *arguments)
    assert (code, out) == (2, "")
    assert word in err


def test_before_anything_is_trained_the_included_model_predicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project.create(tmp_path / "fresh")
    wafer = simulate_many("Near-full", 1, 1)[0]
    (tmp_path / "n.png").write_bytes(encode_png(wafer))
    for model in ([], ["--model", "standard"]):
        code, out, err = call(
            capsys, "predict", "--project", project.path, *model, tmp_path / "n.png"
        )
        assert code == 0, err
        [entry] = json.loads(out.splitlines()[-1])
        assert entry["label"] == "Near-full"
        assert tuple(entry["probabilities"]) == PATTERNS
        assert ("No model is trained yet" in err) == (not model)


def test_a_model_is_found_by_its_name(
    project: Project, wafers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = models.list_models(project)
    models.rename_model(project, run.run, "Best")
    for name in (run.run, "best"):
        code, _, err = call(
            capsys, "predict", "--project", project.path, "--model", name, wafers / "0.png"
        )
        assert code == 0, err


def test_the_job_gives_the_same_answers(
    project: Project, wafers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = call(capsys, "predict", "--project", project.path, "--device", "cpu", wafers)
    (wafers / "bad.png").write_bytes(b"")
    folder = create_job(project.path, "predict", {"sources": [str(wafers)]}, "cpu")
    result = run_job(folder)
    assert (result["count"], result["rejected_count"]) == (3, 1)
    assert json.loads((folder / result["file"]).read_text("utf-8"))[:3] == json.loads(out)


def test_the_job_reads_uploads_under_their_names(project: Project, wafers: Path) -> None:
    uploads = [("lot/a.png", (wafers / "0.png").read_bytes())]
    folder = create_job(project.path, "predict", {}, "cpu", uploads=uploads)
    run_job(folder)
    [entry] = json.loads((folder / "predictions.json").read_text("utf-8"))
    assert entry["file"] == "lot/a.png"
    with pytest.raises(InputError, match="no picture"):
        run_job(create_job(project.path, "predict", {}, "cpu"))


def test_the_threshold_chosen_for_a_model_is_its_default(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "w.png"
    path.write_bytes(encode_png(simulate_many("Near-full", 1, 99)[0]))
    [run] = models.list_models(project)
    assert run.review_below is None
    for threshold, more, expected in (
        (1.0, [], "review"), (0.0, [], "confident"), (0.0, ["--review-below", "1"], "review"),
    ):  # fmt: skip
        models.set_review_below(project, run.run, threshold)
        _, out, _ = call(capsys, "predict", "--project", project.path, *more, path)
        assert json.loads(out)[0]["verdict"] == expected
    [after] = models.list_models(project)
    assert (after.review_below, after.name, after.created) == (0.0, run.name, run.created)
    job = create_job(project.path, "predict", {"sources": [str(path)]}, "cpu")
    models.set_review_below(project, run.run, 1.0)
    run_job(job)
    assert json.loads((job / "predictions.json").read_text("utf-8"))[0]["verdict"] == "review"


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan"), "0.5", True, None])
def test_a_threshold_that_is_no_probability_is_not_stored(
    project: Project, threshold: float
) -> None:
    [run] = models.list_models(project)
    with pytest.raises(ParameterError, match="probability from 0 to 1"):
        models.set_review_below(project, run.run, threshold)
    assert models.list_models(project) == (run,)
    with pytest.raises(ModelError, match="There is no model"):
        models.set_review_below(project, "run-gone", 0.5)
