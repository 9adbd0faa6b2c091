"""``import`` on the command line and as a job."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wafer_core import cli
from wafer_core.data import pictures
from wafer_core.data.project import Project
from wafer_core.errors import Cancelled, InputError, ParameterError
from wafer_core.images import encode_png
from wafer_core.jobs import list_jobs, read_state
from wafer_core.jobs.context import JobContext
from wafer_core.simulator import simulate_many
from wafer_core.workflows.runner import run_job
from wafer_core.workflows.submit import create_job


@pytest.fixture(autouse=True)
def _locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAFER_LOCKS", str(tmp_path / "locks"))


@pytest.fixture
def wafers(tmp_path: Path) -> Path:
    """A folder with six wafers in each of two classes."""
    folder = tmp_path / "wafers"
    for seed, name in enumerate(("Center", "긁힘")):
        (folder / name).mkdir(parents=True)
        for number, picture in enumerate(simulate_many("Center", 6, seed)):
            (folder / name / f"{number}.png").write_bytes(encode_png(picture))
    return folder


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_a_folder_makes_the_project_and_its_classes(
    wafers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "import", "--project", tmp_path / "new", wafers)
    assert code == 0, err
    assert json.loads(out.splitlines()[-1]) == {
        "total": 12,
        "added": {"Center": 6, "긁힘": 6},
        "duplicates": {},
        "conflicts": 0,
        "rejected_count": 0,
        "rejected": [],
        "notes": [],
        "unlabelled": 0,
        "without_test": [],
    }
    project = Project.open(tmp_path / "new")
    assert [len(pictures.originals(project, c.slug)) for c in project.classes()] == [6, 6]


def test_the_same_again_is_duplicates_and_no_error(
    wafers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        code, out, _ = call(capsys, "import", "--project", tmp_path / "new", wafers)
    assert code == 0
    assert json.loads(out)["duplicates"] == {"Center": 6, "긁힘": 6}


def test_a_class_a_limit_and_a_seed(
    wafers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(
        capsys, "import", "--project", tmp_path / "new", wafers, "--limit-per-class", 2,
        "--seed", 3, "--class", "All",
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["added"] == {"All": 4}
    assert Project.open(tmp_path / "new").settings.split_seed == 3


def test_bad_files_are_reported_and_the_good_ones_kept(
    wafers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (wafers / "Center" / "text.png").write_text("no picture")
    (wafers / "Center" / "empty.png").write_bytes(b"")
    code, out, err = call(capsys, "import", "--project", tmp_path / "new", wafers)
    assert code == 0
    result = json.loads(out)
    assert (result["total"], result["rejected_count"]) == (12, 2)
    assert {bad["name"] for bad in result["rejected"]} == {"Center/empty.png", "Center/text.png"}
    assert "text.png" in err
    assert "Traceback" not in err


def test_wafer_data_brings_its_classes_and_groups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = np.random.default_rng(0).integers(0, 3, (5, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "lot.npz", maps=maps, label=[0, 0, 1, 1, 1], classes=["A", "B"])
    code, out, err = call(capsys, "import", "--project", tmp_path / "new", tmp_path / "lot.npz")
    assert code == 0, err
    assert json.loads(out)["added"] == {"A": 2, "B": 3}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["wafers", "--class", ".."], "reserved name"),
        (["wafers", "--limit-per-class", "0"], "limit_per_class is 0"),
        (["wafers", "--seed", "-1"], "seed"),
    ],
)
def test_wrong_input_makes_no_project(
    wafers: Path,
    tmp_path: Path,
    arguments: list[str],
    word: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "import", "--project", "new", *arguments)
    assert (code, out) == (2, "")
    assert word in err
    assert not (tmp_path / "new").exists()


def test_nothing_to_import_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = call(capsys, "import", "--project", tmp_path / "new", tmp_path / "empty")
    assert code == 2
    assert "nothing to import" in err
    (tmp_path / "empty" / "x.png").write_text("no picture")
    code, _, err = call(capsys, "import", "--project", tmp_path / "new", tmp_path / "empty")
    assert code == 2
    assert "x.png" in err
    assert "Nothing could be imported" in err


def test_a_project_folder_that_holds_something_else_is_left_alone(
    wafers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "import", "--project", wafers, wafers)
    assert code == 2
    assert "is not empty" in err
    assert sorted(path.name for path in wafers.iterdir()) == ["Center", "긁힘"]


def test_uploads_are_imported_by_a_job_under_the_names_people_gave(
    wafers: Path, tmp_path: Path
) -> None:
    project = Project.create(tmp_path / "demo")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in sorted((wafers / "Center").iterdir()):
            archive.write(path, f"Donut/{path.name}")
    one = (wafers / "긁힘" / "0.png").read_bytes()
    folder = create_job(
        project.path, "import", {}, uploads=[("lot.zip", data.getvalue()), ("Loc/one.png", one)]
    )
    assert run_job(folder)["added"] == {"Donut": 6, "Loc": 1}
    assert not (folder / "uploads").exists()


def test_cancel_leaves_the_project_as_before(
    wafers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.create(tmp_path / "demo")
    before = sorted(project.path.rglob("*"))
    folder = create_job(project.path, "import", {"sources": [str(wafers)]})

    calls = []

    def cancelled(self: JobContext) -> None:
        calls.append(self)
        if len(calls) == 3:  # at the beginning, at the first picture, before all becomes visible
            raise Cancelled("enough")

    monkeypatch.setattr(JobContext, "check_cancelled", cancelled)
    with pytest.raises(Cancelled):
        run_job(folder)
    assert read_state(folder).status == "cancelled"
    jobs = {folder.parent, folder, *folder.iterdir()}
    remains = {path for path in project.path.rglob("*") if path not in jobs}
    assert sorted(path for path in remains if path.name != ".lock") == before


@pytest.mark.parametrize("colours", [[], {"red": "pass"}, {"#ff0000": "broken"}, {"#ff": "pass"}])
def test_colours_are_checked(tmp_path: Path, colours: object) -> None:
    project = Project.create(tmp_path / "demo")
    with pytest.raises(ParameterError, match="colours"):
        create_job(project.path, "import", {"sources": [], "colours": colours})
    assert list_jobs(project.path) == []


def test_an_unknown_parameter_is_refused(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "demo")
    with pytest.raises(InputError, match="no setting 'magic'"):
        create_job(project.path, "import", {"magic": 1})
