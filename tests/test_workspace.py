"""The workspace: projects created, copied, deleted and restored; untrusted zips rejected."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from wafer_core import files
from wafer_core.data import dataset, demo, presets, studies, synthetic, workspace
from wafer_core.data.project import Project
from wafer_core.errors import ArchiveError, ClassNameError, ProjectError
from wafers import fill, marked


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = workspace.create_project(tmp_path, "Lot 라인 7")
    fill(project, "Scratch", 6)
    fill(project, "도넛", 5, start=100)
    return project


def test_two_projects_of_one_name_are_two_folders(tmp_path: Path, project: Project) -> None:
    second = workspace.create_project(tmp_path, "Lot 라인 7")
    assert second.path != project.path
    assert [p.name for p in workspace.list_projects(tmp_path)] == ["Lot 라인 7"] * 2
    with pytest.raises(ClassNameError, match="Enter a project name"):
        workspace.create_project(tmp_path, " ")


def test_the_list_shows_counts_and_damage(tmp_path: Path, project: Project) -> None:
    (info,) = workspace.list_projects(tmp_path)
    assert (info.classes, info.originals, info.models, info.damage) == (2, 11, 0, None)
    (project.path / "project.json").write_text("{")
    (info,) = workspace.list_projects(tmp_path)
    assert "damaged" in str(info.damage)


@pytest.mark.parametrize(
    "folder", ["", "..", ".trash", "a/b", "/etc", "no-such", "x" * 300, "\0", "\ud800", "a\nb"]
)
def test_an_address_opens_only_projects(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ProjectError):
        workspace.find_project(tmp_path, folder)


def test_duplicate_has_the_same_pictures_and_its_own_name(tmp_path: Path, project: Project) -> None:
    copy = workspace.duplicate_project(tmp_path, project)
    assert copy.name == "Lot 라인 7 (copy)"
    assert dataset.freeze(copy) == dataset.freeze(project)
    fill(copy, "Scratch", 1, start=900)
    assert dataset.freeze(copy) != dataset.freeze(project)


def test_trash_can_be_undone(tmp_path: Path, project: Project) -> None:
    before = dataset.freeze(project)
    trash_id = workspace.trash_project(tmp_path, project)
    assert workspace.list_projects(tmp_path) == []
    assert workspace.list_trash(tmp_path) == [(trash_id, "Lot 라인 7")]
    restored = workspace.restore_project(tmp_path, trash_id)
    assert restored.path == project.path
    assert dataset.freeze(restored) == before
    with pytest.raises(ProjectError, match="no longer in the trash"):
        workspace.restore_project(tmp_path, trash_id)


def test_zip_round_trip(tmp_path: Path, project: Project) -> None:
    (project.path / "jobs" / "x").mkdir(parents=True)
    (project.path / "jobs" / "x" / "log.txt").write_text("private")
    stream = io.BytesIO()
    workspace.export_zip(project, stream)
    assert not any("jobs" in n for n in zipfile.ZipFile(stream).namelist())
    copy = workspace.import_zip(tmp_path, stream.getvalue(), "p.zip")
    assert copy.path != project.path
    assert copy.name == project.name
    assert dataset.freeze(copy) == dataset.freeze(project)


def _zip(members: dict[str, bytes], link: str | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            if name == link:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, data)
    return stream.getvalue()


GOOD = b'{"schema": 1, "name": "x", "created": "", "split_seed": 0, "fractions": {"train": 1, "validation": 0, "test": 0}}'  # noqa: E501


@pytest.mark.parametrize(
    ("members", "link"),
    [
        ({"p/project.json": GOOD, "p/../../evil.png": b""}, None),
        ({"p/project.json": GOOD, "/etc/cron.d/x": b""}, None),
        ({"p/project.json": GOOD, "C:\\evil.png": b""}, None),
        ({"../project.json": GOOD}, None),
        ({"p/project.json": GOOD, "p/models/r/model.pkl": b""}, None),
        ({"p/project.json": b"/etc/passwd"}, "p/project.json"),
        ({"p/project.json": GOOD, "q/project.json": GOOD}, None),
        ({"p/classes/a/class.json": b"{}"}, None),
        ({}, None),
    ],
)
def test_hostile_zips_are_rejected_and_leave_nothing(
    tmp_path: Path, members: dict[str, bytes], link: str | None
) -> None:
    with pytest.raises(ArchiveError, match=r"p\.zip"):
        workspace.import_zip(tmp_path / "home", _zip(members, link), "p.zip")
    assert workspace.list_projects(tmp_path / "home") == []
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x03\x04 torn"])
def test_broken_zips_are_rejected(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"p\.zip is not a zip"):
        workspace.import_zip(tmp_path, data, "p.zip")


def test_a_damaged_project_in_a_zip_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"p\.zip: the file “p/project\.json” is damaged"):
        workspace.import_zip(tmp_path, _zip({"p/project.json": b"{}"}), "p.zip")
    assert workspace.list_projects(tmp_path) == []


def test_demo_has_nine_classes_in_every_part(tmp_path: Path) -> None:
    project = demo.make_demo(tmp_path, per_class=8)
    counts = dataset.freeze(project).counts()
    assert len(counts) == 9
    for row in counts.values():
        assert (row["train"], row["validation"], row["test"]) == (5, 2, 1)


def test_download_and_upload_keep_every_kind_of_file(tmp_path: Path, project: Project) -> None:
    """Scores beside a run of synthetic pictures were lost silently."""
    run = synthetic.add(
        project, "scratch", "generated", [synthetic.SyntheticPicture(marked(7))], {}
    )
    made = synthetic.find_run(project, "scratch", run)
    synthetic.write_scores(made, {"features": "wafernet", "scores": {}})
    studies.save(project, "learning_curve", {"points": [1, 2]}, dataset.freeze(project))
    presets.save_preset(project, "밤 근무", {"epochs": 3}, {})
    folder = project.models_path / "run-1"
    report = {"class_names": ["Scratch", "도넛"], "notes": ["a"]}
    for name, value in (
        ("model", {"network": "wafer_cnn", "class_names": ["Scratch", "도넛"]}),
        ("report", report),
        ("dataset", dataset.freeze(project).to_json()),
    ):
        files.write_json(folder / f"{name}.json", value, parents=True)
    files.write_bytes(folder / "model.safetensors", b"tensors")
    files.write_bytes(folder / "curves.csv", b"epoch\n1\n")
    stream = io.BytesIO()
    workspace.export_zip(project, stream)
    uploaded = workspace.import_zip(tmp_path, stream.getvalue(), "p.zip")
    copy = workspace.duplicate_project(tmp_path, project)
    expected = contents(project)
    assert len(expected) == 1 + 2 + 2 + 11 + 3 + 2 + 1 + 5  # by kind, in the order of MEMBERS
    assert contents(uploaded) == expected
    assert contents(copy).keys() == expected.keys()
    for again in (uploaded, copy):
        kept = synthetic.find_run(again, "scratch", run)
        assert synthetic.stored_scores(kept).keys() == {"wafernet"}


def contents(project: Project) -> dict[str, bytes]:
    """All files of a project but its lock and the journals of imports, by their path in it."""
    found = {
        path.relative_to(project.path).as_posix(): path.read_bytes()
        for path in project.path.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
    return {path: data for path, data in found.items() if not path.startswith("imports/")}
