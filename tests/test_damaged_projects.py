"""Damaged and hostile project files: a clear error for one row, and everything else stays usable.

The inputs were found by attack: a zip of 268 bytes with the name 5 took Home from all users.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wafer_core import files
from wafer_core.data import dataset, models, pictures, presets, studies, synthetic, workspace
from wafer_core.data.project import MAX_CLASSES, Project
from wafer_core.data.reports import RunReport
from wafer_core.data.summary import summarise
from wafer_core.errors import (
    ArchiveError,
    DataError,
    InputError,
    ModelError,
    ParameterError,
    ProjectError,
    WaferError,
)
from wafers import fill, marked

SETTINGS = {
    "schema": 1,
    "name": "x",
    "created": "",
    "split_seed": 0,
    "fractions": {"train": 1, "validation": 0, "test": 0},
}
SHA = "0" * 64
RECORD = {"file": "a.png", "sha": SHA, "height": 9, "width": 9, "kind": "map", "part": "train"}
NAMES = ["Alpha", "Beta"]
SCORE = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "count": 1}
EVALUATION = {
    "macro_f1": 0.5,
    "accuracy": 0.5,
    "per_class": dict.fromkeys(NAMES, SCORE),
    "confusion": [[1, 0], [1, 0]],
    "count": 2,
    "calibration_error": 0.1,
    "left_out": [],
    "intervals": {
        "level": 0.95,
        "macro_f1": [0.1, 0.9],
        "accuracy": None,
        "per_class": {"Alpha": [0.2, 0.8], "Beta": None},
    },
    "taught_before": {"pictures": 1, "macro_f1_of_others": None},
}
REPORT = {
    "schema": 1,
    "network": "wafer_cnn",
    "created": "2026-01-01",
    "config": {"seed": 0},
    "class_names": NAMES,
    "evaluation": EVALUATION,
    "test_pictures": [
        {"slug": "alpha", "file": "a.png", "truth": 0, "predicted": 1, "probabilities": [0.2, 0.8]}
    ],
    "train_count": 5,
    "epochs": 3,
    "best_epoch": 2,
    "notes": ["Trained.", {"template": "{n} wafers", "fields": {"n": 3}}],
    "hood": {
        "weights": "wafers",
        "pictures": 2,
        "movement": [{"layer": "a", "weights": 3, "moved": None, "fresh": False}],
        "dead": [{"layer": "a", "channels": 4, "dead": 1}],
        "manifold": {"ratio": 1.2, "flat_ratio": 1.1, "pairs": [[0.1, 0.2]]},
        "data": "abc",
    },
    "seconds": 1.5,
    "device": "CPU, 2 cores",
}
MODEL = {"network": "wafer_cnn", "class_names": NAMES, "temperature": 1.0, "extra": {"name": "One"}}


def changed(value: Any, path: str, new: Any) -> Any:
    """A copy of a JSON value with one place replaced; ``...`` removes it."""
    copy = json.loads(json.dumps(value))
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = copy
    for part in way:
        place = place[part]
    if new is ...:
        del place[last]
    else:
        place[last] = new
    return copy


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = workspace.create_project(tmp_path, "Good")
    fill(project, "Alpha", 6)
    fill(project, "Beta", 6, start=100)
    folder = project.models_path / "run-1"
    folder.mkdir(parents=True)
    for name, value in (("model", MODEL), ("report", REPORT)):
        (folder / f"{name}.json").write_text(json.dumps(value))
    files.write_json(folder / "dataset.json", dataset.freeze(project).to_json())
    (folder / "curves.csv").write_text("epoch,macro_f1\n1,0.5\n")
    return project


def zipped(**members: Any) -> bytes:
    """A zip of a project; members are bytes or JSON values, by path with ``__`` for ``/``."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, value in {"project__json": SETTINGS, **members}.items():
            stem, _, ending = path.rpartition("__")
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            archive.writestr(f"p/{stem.replace('__', '/')}.{ending}", data)
    return stream.getvalue()


def refusal(home: Path, **members: Any) -> str:
    """The error for a zip, which leaves nothing behind."""
    with pytest.raises(ArchiveError) as caught:
        workspace.import_zip(home / "home", zipped(**members), "mine.zip")
    assert workspace.list_projects(home / "home") == []
    assert not list((home / "home").glob(f"{files.TEMPORARY_PREFIX}*"))
    text = str(caught.value)
    assert text.startswith("mine.zip")
    assert files.TEMPORARY_PREFIX not in text
    return text


# -- JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid UTF-8"),
        (b'"\xed\xa0\x80"', "not valid UTF-8"),
        (b'{"name": "\\ud800"}', "not valid UTF-8"),
        (b"NaN", "NaN is not a number"),
        (b"[-Infinity]", "-Infinity is not a number"),
        (b"[1e999]", "too large"),
        (b"[" + b"1" * 5000 + b"]", "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"0," * 6_000_000 + b"0]", "more than 5,000,000 values"),
    ],
)
def test_bad_json_is_a_clear_error(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        files.parse_json(data)


def test_good_json_is_read_with_emoji_and_a_byte_order_mark() -> None:
    assert files.parse_json('\ufeff{"a": "🍩", "b": "\\ud83c\\udf69"}'.encode()) == {
        "a": "🍩",
        "b": "🍩",
    }


def test_a_pipe_and_a_large_file_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(ProjectError, match=r"pipe\.json is damaged \(it is not a regular file\)"):
        files.read_json(tmp_path / "pipe.json")
    (tmp_path / "large.json").write_text('"' + "x" * 50 + '"')
    with pytest.raises(ProjectError, match="larger than 20 bytes"):
        files.read_checked(tmp_path / "large.json", str, max_bytes=20)


# -- project.json and class.json -----------------------------------------------------------------

BAD_SETTINGS = [
    *(("name", value) for value in (5, None, [], {}, "", " \u200b", "\ud800", "x" * 2000, ...)),
    *(("schema", value) for value in (None, "1", True, 99, 0, ...)),
    *(("split_seed", value) for value in (None, -1, 1.5, "0", 2**70)),
    *(("fractions", value) for value in (None, [], {}, {"train": "a"}, {"train": True})),
    *(("current_model", value) for value in (5, [], "x" * 300)),
    ("created", 5),
]


@pytest.mark.parametrize(("key", "value"), BAD_SETTINGS)
def test_bad_project_settings_are_rejected_and_shown_as_damaged(
    tmp_path: Path, project: Project, key: str, value: object
) -> None:
    bad = changed(SETTINGS, key, value)
    assert "project.json” is damaged" in refusal(tmp_path, project__json=bad)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "project.json").write_text(json.dumps(bad))
    rows = {row.folder: row for row in workspace.list_projects(tmp_path)}
    assert rows["good"].damage is None
    assert rows["good"].originals == 12
    assert "project.json" in str(rows["bad"].damage)
    assert not rows["bad"].can_open
    with pytest.raises(ProjectError, match=r"project\.json is damaged"):
        workspace.find_project(tmp_path, "bad")


@pytest.mark.parametrize(
    "value",
    [[], None, 5, {}, {"name": 5}, {"name": "A", "order": "x"}, {"name": "A", "order": 1e9},
     {"name": "A", "description": 5}, {"name": "A", "combines": "b"},
     {"name": "A", "combines": [5]}, {"name": "\ud800"}],
)  # fmt: skip
def test_a_damaged_class_keeps_its_wafers_and_the_other_classes(
    tmp_path: Path, project: Project, value: object
) -> None:
    (project.path / "classes" / "alpha" / "class.json").write_text(json.dumps(value))
    beta, alpha = project.classes()
    assert (beta.name, beta.damage) == ("Beta", None)
    assert alpha.name == "alpha"
    assert "class.json is damaged" in str(alpha.damage)
    assert summarise(project).originals == 12
    (row,) = workspace.list_projects(tmp_path)
    assert row.can_open
    assert "class.json" in str(row.damage)
    assert "class.json” is damaged" in refusal(tmp_path, classes__a__class__json=value)
    project.rename_class("alpha", "Alpha")  # writes the file again
    assert all(c.damage is None for c in project.classes())


def test_a_zip_with_too_many_or_equal_classes_is_rejected(tmp_path: Path) -> None:
    def of(count: int) -> dict[str, Any]:
        return {f"classes__c{i}__class__json": {"name": f"C{i}"} for i in range(count)}

    assert "201 classes" in refusal(tmp_path, **of(MAX_CLASSES + 1))
    equal = {
        "classes__a__class__json": {"name": "Ring"},
        "classes__b__class__json": {"name": "ring"},
    }
    assert "several classes named “ring”" in refusal(tmp_path, **equal)
    added = workspace.import_zip(tmp_path, zipped(**of(MAX_CLASSES)), "mine.zip")
    assert len(added.classes()) == MAX_CLASSES


# -- manifests -----------------------------------------------------------------------------------

BAD_RECORDS = [
    *(("file", value) for value in ("../../x.png", "a/b.png", "x.sh", "", 5, "\0.png", ...)),
    *(("sha", value) for value in ("", "x", "../" * 22, 5, None)),
    *(("height", value) for value in (0, -1, 1e3, "9", 10**9, True)),
    *(("kind", value) for value in ("photo", 5)),
    *(("part", value) for value in ("", "all", None)),
    *(("parent", value) for value in ("../x.png", 5)),
    *(("details", value) for value in ([], {"cell": "x"}, {"levels": 5}, {"grid_of": "../x"})),
    ("group", 5),
    ("source", []),
]


@pytest.mark.parametrize(("key", "value"), BAD_RECORDS)
def test_a_bad_record_is_rejected_and_damages_its_class_only(
    tmp_path: Path, project: Project, key: str, value: object
) -> None:
    bad = {"pictures": [changed(RECORD, key, value) if key in RECORD else {**RECORD, key: value}]}
    (project.path / "classes/alpha/originals/manifest.json").write_text(json.dumps(bad))
    with pytest.raises(ProjectError, match=r"manifest\.json is damaged"):
        pictures.originals(project, "alpha")
    alpha, beta = summarise(project).classes
    assert "manifest.json is damaged" in str(alpha.damage)
    assert (beta.originals, beta.damage) == (6, None)
    assert dataset.find_conflicts(project) == ()
    (row,) = workspace.list_projects(tmp_path)
    assert (row.originals, row.can_open) == (6, True)
    text = refusal(
        tmp_path, classes__a__class__json={"name": "A"}, classes__a__originals__manifest__json=bad
    )
    assert "manifest.json” is damaged" in text


@pytest.mark.parametrize("value", [[], None, 5, {}, {"pictures": {}}, {"pictures": [5]}])
def test_a_bad_manifest_is_a_clear_error(project: Project, value: object) -> None:
    (project.path / "classes/alpha/originals/manifest.json").write_text(json.dumps(value))
    with pytest.raises(ProjectError, match=r"manifest\.json is damaged .* Restore it"):
        pictures.originals(project, "alpha")
    with pytest.raises(ProjectError, match=r"manifest\.json"):
        dataset.freeze(project)


@pytest.mark.parametrize(
    "info",
    [[], 5, {"steps": 5}, {"steps": {"fit": "x"}}, {"fit": {"ratio": "x"}}, {"fit": {"shares": []}},
     {"factors": {"a": [1, 2]}}, {"levels": {"a": 5}}, {"preset": 5}, {"seed": "x"}, {"config": []},
     {"cost": {"seconds": []}}, {"sweep": {"setting": "a", "best": 1, "values": [1], "kid": []}}],
)  # fmt: skip
def test_a_run_with_damaged_provenance_is_listed_as_damaged(project: Project, info: object) -> None:
    made = [synthetic.SyntheticPicture(marked(900))]
    good = synthetic.add(project, "alpha", "generated", made, {"seed": 1})
    bad = synthetic.add(project, "alpha", "generated", made, {})
    path = project.path / "classes/alpha/generated" / bad / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "info": info}))
    found = {run.run: run for run in synthetic.runs(project, "alpha", "generated")}
    assert found[good].damage is None
    assert "Delete the run" in str(found[bad].damage)
    assert summarise(project).generated == 1
    synthetic.delete(project, "alpha", "generated", bad)
    assert len(synthetic.runs(project, "alpha", "generated")) == 1


# -- models --------------------------------------------------------------------------------------

BAD_REPORTS = [
    *(("class_names", value) for value in (None, "ab", [1], ...)),
    *(("evaluation.macro_f1", value) for value in ("high", 2, -1, [])),
    *(("evaluation.per_class", value) for value in ([], {}, {"Alpha": 5}, None)),
    *(
        ("evaluation.confusion", value)
        for value in ([], [[1]], [[1, "x"], [0, 0]], 5, [[-1, 0]] * 2)
    ),
    *(("evaluation.intervals.per_class", value) for value in ([], {"Alpha": [1]}, None)),
    *(("evaluation", value) for value in ([], 5)),
    ("evaluation.taught_before", 5),
    *(("test_pictures", value) for value in (5, [5], [{}])),
    *(("test_pictures.0.truth", value) for value in (-1, 2, "0", None)),
    *(("test_pictures.0.slug", value) for value in ("../x", "", 5)),
    *(("test_pictures.0.file", value) for value in ("../x.png", 5)),
    *(("test_pictures.0.probabilities", value) for value in ([], [0.5], [0.5, "x"], [0.5, 7])),
    *(("hood", value) for value in ([], 5, {"movement": 5}, {"dead": [{}]}, {"manifold": []})),
    ("hood.dead.0.channels", 0),
    *(("notes", value) for value in (5, [5])),
    *(("seconds", value) for value in ("x", -1)),
    *(("epochs", value) for value in ("x", 1.5)),
    ("config", []),
    ("device", 5),
]


@pytest.mark.parametrize(("path", "value"), BAD_REPORTS)
def test_a_bad_report_damages_its_model_only(
    tmp_path: Path, project: Project, path: str, value: object
) -> None:
    bad = changed(REPORT, path, value)
    good = project.models_path / "run-1"
    shutil.copytree(good, project.models_path / "run-2")
    (project.models_path / "run-2" / "report.json").write_text(json.dumps(bad))
    newest, oldest = models.list_models(project)
    assert "report.json is damaged" in str(newest.damage)
    assert "train again" in str(newest.damage)
    assert (oldest.name, oldest.macro_f1, oldest.damage) == ("One", 0.5, None)
    assert models.current_model(project) == "run-1"
    with pytest.raises(ModelError, match=r"report\.json is damaged"):
        models.report(project, "run-2")
    assert "report.json” is damaged" in refusal(tmp_path, models__run__report__json=bad)


@pytest.mark.parametrize(
    ("path", "value"),
    [("network", 5), ("class_names", 5), ("class_names", ...), ("temperature", "x"),
     ("temperature", 0), ("extra", []), ("extra", 5), ("extra.name", 5), ("extra.review_below", 7)],
)  # fmt: skip
def test_a_bad_description_damages_its_model_only(
    project: Project, path: str, value: object
) -> None:
    (project.models_path / "run-1" / "model.json").write_text(
        json.dumps(changed(MODEL, path, value))
    )
    (run,) = models.list_models(project)
    assert "model.json is damaged" in str(run.damage)
    assert models.current_model(project) is None
    assert summarise(project).current is None


def test_missing_extra_and_curves_are_tolerated(project: Project) -> None:
    folder = project.models_path / "run-1"
    (folder / "model.json").write_text(json.dumps(changed(MODEL, "extra", None)))
    (run,) = models.list_models(project)
    assert (run.name, run.damage) == ("run-1", None)
    models.rename_model(project, "run-1", "New")
    assert models.list_models(project)[0].name == "New"
    for data in (b"\xff\xfe", b'"' * 99, b"a,b\n1,2,3,4\n", b""):
        (folder / "curves.csv").write_bytes(data)
        assert isinstance(models.curves(project, "run-1"), list)
    (folder / "curves.csv").unlink()
    assert models.curves(project, "run-1") == []


def test_a_report_is_read_into_the_terms_of_the_field() -> None:
    report = RunReport.from_json(json.loads(json.dumps(REPORT)))
    assert report.evaluation is not None
    assert report.evaluation.confusion.tolist() == [[1, 0], [1, 0]]
    assert report.evaluation.per_class["Beta"].f1 == 0.5
    assert report.intervals is not None
    assert report.intervals.per_class == ((0.2, 0.8), None)
    assert report.contamination is not None
    assert report.contamination.pictures == 1
    assert [str(note) for note in report.notes] == ["Trained.", "3 wafers"]
    assert report.predictions[0].probabilities == (0.2, 0.8)
    assert (report.best_epoch, str(report.device)) == (2, "CPU, 2 cores")
    untested = RunReport.from_json({"class_names": NAMES, "evaluation": None})
    assert (untested.evaluation, untested.intervals, untested.diagnostics) == (None, None, None)


@pytest.mark.parametrize("run", ["x" * 300, "../run-1", "", ".", "\0", "\ud800", "a/b", "none"])
def test_a_model_name_is_never_a_path(project: Project, run: str) -> None:
    with pytest.raises(ModelError, match="There is no model"):
        models.model_folder(project, run)


def test_a_chosen_model_that_does_not_exist_gives_the_newest(project: Project) -> None:
    for chosen in ("gone", "../../etc", "x" * 200):
        project.set_current_model(chosen)
        assert models.current_model(project) == "run-1"


# -- studies, presets, scores, trash -------------------------------------------------------------


@pytest.mark.parametrize("value", [[], None, {}, {"schema": "1"}, {"schema": 9}, {"schema": True}])
def test_a_damaged_study_is_listed_beside_the_others(project: Project, value: object) -> None:
    frozen = dataset.freeze(project)
    good, bad = (studies.save(project, "benefit", {"a": 1}, frozen) for _ in range(2))
    (project.path / "studies" / bad.id / "study.json").write_text(json.dumps(value))
    found = {study.id: study for study in studies.list_studies(project, "benefit")}
    assert found[good.id].result["a"] == 1
    assert "Delete the study" in str(found[bad.id].damage)
    with pytest.raises(ProjectError, match=r"study\.json is damaged"):
        studies.changes(project, bad.id)


def test_values_nested_too_deeply_are_damaged(project: Project) -> None:
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"a": deep}
    (project.path / "presets").mkdir()
    preset = {"schema": 1, "name": "N", "created": "", "settings": {}, "told": deep}
    (project.path / "presets" / "n.json").write_text(json.dumps(preset))
    assert "nested too deeply" in str(presets.list_presets(project)[0].damage)
    report = {**REPORT, "config": deep}
    (project.models_path / "run-1" / "report.json").write_text(json.dumps(report))
    assert "nested too deeply" in str(models.list_models(project)[0].damage)


def test_a_preset_of_the_version_before_is_read(project: Project) -> None:
    (project.path / "presets").mkdir()
    preset = {"schema": 1, "name": "N", "created": "", "settings": {"epochs": 3}, "told": {"a": 1}}
    (project.path / "presets" / "n.json").write_text(json.dumps(preset))
    found = presets.find_preset(project, "n")
    assert (found.settings, found.summary) == ({"epochs": 3}, {"a": 1})
    with pytest.raises(ParameterError, match="it has N"):
        presets.find_preset(project, "M")


def test_damaged_scores_are_skipped(project: Project) -> None:
    name = synthetic.add(project, "alpha", "generated", [synthetic.SyntheticPicture(marked(9))], {})
    run = synthetic.find_run(project, "alpha", name)
    score = {"title": "KID", "better": "lower", "value": 0.1, "details": {"made": None}}
    good = {"features": "wafernet", "scores": {"kid": score}, "sentence": "Close.", "seconds": 1}
    synthetic.write_scores(run, good)
    for number, bad in enumerate(
        ([], {}, {**good, "scores": []}, {**good, "scores": {"kid": 5}}, {**good, "seconds": "x"},
         changed(good, "scores.kid.value", "x"), changed(good, "scores.kid.better", "up"))
    ):  # fmt: skip
        folder = synthetic.run_folder(project, "alpha", "generated", name)
        (folder / f"scores-bad{number}.json").write_text(json.dumps(bad))
    found = synthetic.stored_scores(run)
    assert {key: dict(scored.values) for key, scored in found.items()} == {"wafernet": good}


@pytest.mark.parametrize(
    "value",
    [[], {}, {"what": "pictures", "title": 5}, {"what": 3}, None,
     {"what": "class", "title": "A", "deleted": "", "slug": "../../x"}],
)  # fmt: skip
def test_damaged_trash_is_listed_and_not_restored(project: Project, value: object) -> None:
    first = project.delete_class("alpha")
    second = pictures.delete_pictures(
        project, "beta", [r.file for r in pictures.originals(project, "beta")[:2]]
    )
    for trash_id in (first, second):
        (project.path / ".trash" / trash_id / "info.json").write_text(json.dumps(value))
    assert [item.damage is not None for item in project.trash()] == [True, True]
    with pytest.raises(ProjectError, match=r"info\.json is damaged"):
        project.restore_class(first)
    with pytest.raises(ProjectError, match=r"info\.json is damaged"):
        pictures.restore_pictures(project, second)
    assert len(list((project.path / ".trash" / second / "pictures").iterdir())) == 2
    for hostile in ("../" + first, "x" * 300, "\0", ""):
        with pytest.raises(ProjectError, match="no longer in the trash"):
            project.restore_class(hostile)


# -- folders that may not be read ----------------------------------------------------------------


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A workspace of an account that is not root, so that permissions count."""
    home = Path(tempfile.mkdtemp(prefix="wafer-"))
    home.chmod(0o777)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield home
    finally:
        if is_root:
            os.seteuid(0)
        for folder in home.iterdir():
            folder.chmod(0o700)
        shutil.rmtree(home)


def test_a_project_without_read_permission_is_a_damaged_row(unprivileged: Path) -> None:
    for name in ("Open", "Closed", "Half"):
        workspace.create_project(unprivileged, name)
    (unprivileged / "closed").chmod(0)
    (unprivileged / "half" / "project.json").chmod(0)
    rows = {row.folder: row for row in workspace.list_projects(unprivileged)}
    assert set(rows) == {"open", "closed", "half"}
    assert rows["open"].damage is None
    for folder in ("closed", "half"):
        assert "permission" in str(rows[folder].damage)
        with pytest.raises(ProjectError):
            workspace.find_project(unprivileged, folder)
    assert workspace.disk_use(unprivileged)[0] > 0


def test_a_path_that_is_too_long_is_a_clear_error(tmp_path: Path) -> None:
    for call in (Project.open, Project.open_or_create, Project.create):
        with pytest.raises(WaferError):
            call(tmp_path / ("x" * 300))  # type: ignore[operator]


# -- zips ----------------------------------------------------------------------------------------


def test_a_small_zip_cannot_fill_the_memory_or_the_disk(tmp_path: Path) -> None:
    assert "more than it can need" in refusal(tmp_path, project__json=b" " * 5_000_000 + b"{}")
    curves = {"models__run__curves__csv": b"0" * 15_000_000}
    assert "more than it can need" in refusal(tmp_path, **curves)
    many = b'{"schema": 1, "x": [' + b"0," * 600_000 + b"0]}"
    assert "more than it can need" in refusal(tmp_path, project__json=many)


def test_a_damaged_zip_names_the_file(tmp_path: Path) -> None:
    data = bytearray(zipped(classes__a__class__json={"name": "A" * 60}))
    place = data.index(b"class.json") + len("class.json") + 5
    data[place : place + 8] = b"\xff" * 8
    with pytest.raises(ArchiveError, match=r"mine\.zip: the file “p/classes/a/class\.json” cannot"):
        workspace.import_zip(tmp_path, bytes(data), "mine.zip")
    assert workspace.list_projects(tmp_path) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"\0" * 30),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_no_damaged_file_raises_anything_but_a_clear_error(
    tmp_path: Path, project: Project, damage: Callable[[Path], object]
) -> None:
    """Every file of a project in turn; every list still works."""
    synthetic.add(project, "alpha", "augmented", [synthetic.SyntheticPicture(marked(9))], {})
    studies.save(project, "benefit", {}, dataset.freeze(project))
    presets.save_preset(project, "P", {}, {})
    project.delete_class(project.add_class("Gone").slug)
    originals = [p for p in sorted(project.path.rglob("*")) if p.is_file() and p.name != ".lock"]
    for path in originals:
        backup = tmp_path / "backup"
        shutil.copyfile(path, backup)
        damage(path)
        for read in (
            lambda: summarise(project),
            lambda: models.list_models(project),
            lambda: studies.list_studies(project, "benefit"),
            lambda: presets.list_presets(project),
            lambda: project.trash(),
            lambda: dataset.freeze(project),
            lambda: models.curves(project, "run-1"),
            lambda: workspace.export_zip(project, io.BytesIO()),
        ):
            with contextlib.suppress(InputError):
                read()
        assert len(workspace.list_projects(tmp_path)) <= 1
        if path.is_dir():
            path.rmdir()
        shutil.copyfile(backup, path)
    assert summarise(project).originals == 12
