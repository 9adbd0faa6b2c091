"""``simulate``, and ``generate`` by physics: from the command line to pictures on disk."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from wafer_core import cli, images
from wafer_core.data import manifest, pictures, synthetic
from wafer_core.data.project import Project
from wafer_core.images import NO_DIE
from wafer_core.importers import scan
from wafer_core.jobs import list_jobs
from wafer_core.jobs.context import JobContext
from wafer_core.messages import Message, in_english
from wafer_core.simulator import FACTORS, draw_values, factorial, simulate_factors
from wafer_core.workflows.submit import create_job


@pytest.fixture
def rings(home: Path) -> Project:
    """A project with a class of twelve simulated rings, and one of grey pictures."""
    project = Project.create(home / "rings")
    values = draw_values("Donut", 12, 1, {"density": 3, "strength": 95, "rows": 30, "aspect": 1})
    new = [pictures.NewPicture(p, f"{k}.png")
           for k, p in enumerate(simulate_factors("Donut", values, 1))]  # fmt: skip
    pictures.add_originals(project, project.add_class("Ringe").slug, new)
    grey = np.random.default_rng(0).integers(1, 250, (3, 20, 20)).astype(np.uint8)
    pictures.add_originals(
        project, project.add_class("SEM").slug, [pictures.NewPicture(g) for g in grey]
    )
    return project


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_folder_of_all_levels_with_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(
        capsys, "simulate", "--output", tmp_path / "set", "--pattern", "Scratch",
        "--factor", "scratch_length=low,120", "--factor", "density=low,mid,high",
        "--per-cell", 3, "--seed", 4,
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out.splitlines()[-1])
    assert (result["pattern"], result["count"], result["cells"]) == ("Scratch", 18, 6)
    rows = table(tmp_path / "set" / "levels.csv")
    assert result["table"] == str(tmp_path / "set" / "levels.csv")
    assert len(rows) == 18
    assert {row["scratch_length_level"] for row in rows} == {"low", "120.0"}
    assert {float(row["scratch_length"]) for row in rows} == {
        FACTORS["scratch_length"].levels[0], 120,
    }  # fmt: skip
    for row, wafer in zip(
        rows,
        factorial.factorial_design(
            "Scratch", {"scratch_length": ["low", 120.0], "density": ["low", "mid", "high"]}, 3, 4
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(
            images.read_png(tmp_path / "set" / row["file"]), wafer.picture
        )  # fmt: skip
    assert len(list((tmp_path / "set").glob("*.png"))) == 18


def test_a_data_file_is_one_that_can_be_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "set.npz"
    code, out, _ = call(
        capsys, "simulate", "--output", path, "--pattern", "Loc",
        "--factor", "cluster_size=low,high", "--per-cell", 4,
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["table"] == str(tmp_path / "set.csv")
    found = scan([path])
    assert not found.rejected
    assert [c.class_name for c in found.candidates] == ["Loc"] * 8
    groups = [c.group for c in found.candidates]
    assert groups[:4] == groups[4:]  # wafers that differ by their levels alone stay together
    assert len(set(groups)) == 4
    expected = list(factorial.factorial_design("Loc", {"cluster_size": ["low", "high"]}, 4, 0))
    for candidate, wafer in zip(found.candidates, expected, strict=True):
        np.testing.assert_array_equal(candidate.load().picture, wafer.picture)
    assert [row["index"] for row in table(tmp_path / "set.csv")] == [str(k) for k in range(8)]


def test_a_class_of_a_project_is_fitted(
    rings: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(
        capsys, "simulate", "--output", tmp_path / "set", "--project", rings.path,
        "--class", "Ringe", "--factor", "ring_width=10,40", "--per-cell", 2,
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    assert (result["class"], result["pattern"], result["count"]) == ("Ringe", "Donut", 4)
    assert result["fit"]["sentence"] in err
    assert result["fit"]["shares"]["Donut"] > 0.7


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "Give either --pattern NAME"),
        (("--pattern", "Donut", "--project", "P", "--class", "X"), "Give either --pattern NAME"),
        (("--project", "P"), "Give either --pattern NAME"),
        (("--pattern", "Ring"), "no pattern “Ring”"),
        (("--pattern", "Donut", "--factor", "arc"), "--factor arc has no levels"),
        (("--pattern", "Donut", "--factor", "arc=low,much"), "“much” is not a level"),
        (("--pattern", "Donut", "--factor", "arc="), "“” is not a level"),
        (("--pattern", "Donut", "--factor", "arc=4000"), "arc is 4000"),
        (("--pattern", "Donut", "--factor", "arc=low", "--factor", "arc=mid"), "given twice"),
        (("--pattern", "Donut", "--factor", "scratch_length=low"), "does not apply to"),
        (("--pattern", "Donut", "--per-cell", "0"), "count is 0"),
        (("--pattern", "Donut", "--per-cell", "90000"), "count is 90000"),
        (("--pattern", "Donut", "--seed", "-1"), "seed is -1"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_writes_nothing(
    arguments: tuple[str, ...], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "simulate", "--output", tmp_path / "set", *arguments)
    assert (code, out) == (2, "")
    assert word in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "set").mkdir()
    code, _, err = call(capsys, "simulate", "--output", tmp_path / "set", "--pattern", "Loc")
    assert code == 2
    assert "exists; give a new folder" in err


def test_a_set_that_is_interrupted_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wafer_core.simulator import test_sets

    made = iter(range(5))

    def encode(picture: object) -> bytes:
        if next(made) == 3:
            raise KeyboardInterrupt
        return b"picture"

    monkeypatch.setattr(test_sets, "encode_png", encode)
    code, out, _ = call(
        capsys, "simulate", "--output", tmp_path / "set", "--pattern", "Loc", "--per-cell", 9
    )
    assert (code, out) == (130, "")
    assert list(tmp_path.iterdir()) == []


# -- generate ------------------------------------------------------------------------------------


def generate(
    capsys: pytest.CaptureFixture[str], project: Project, classes: object
) -> tuple[int, str, str]:
    return call(
        capsys, "generate", "--project", project.path, "--class-list", json.dumps(classes),
        "--count", 12, "--device", "cpu",
    )  # fmt: skip


def test_generate_by_physics_stores_wafers_with_their_factors(
    rings: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"name": "Ringe", "mode": "physics",
             "levels": {"ring_width": ["low", "high"], "notch_rotation": [0, 90, 180]}}  # fmt: skip
    code, out, err = generate(capsys, rings, [{**entry, "count": 13}])
    assert code == 0, err
    (result,) = json.loads(out.splitlines()[-1])["classes"]
    assert (result["mode"], result["ai_use"], result["count"]) == ("physics", False, 13)
    assert result["pattern"] == "Donut"
    assert list(result["steps"]) == ["fit", "simulate"]
    (run,) = synthetic.runs(rings, "ringe", "generated")
    assert run.info["method"] == "physics"
    assert run.info["levels"] == entry["levels"]
    assert list(run.info["cost"]["seconds"]) == ["fit", "simulate"]
    assert run.info["cost"]["storage_bytes"] > 13 * 100
    assert "Most similar to Donut" in in_english(run.info["fit"]["sentence"])
    assert run.info["factors"]["ring_radius"][0] <= run.info["factors"]["ring_radius"][2]
    cells = [record.details["cell"] for record in run.records]
    assert sorted(cells.count(cell) for cell in range(6)) == [2, 2, 2, 2, 2, 3]
    folder = manifest.class_folder(rings, "ringe")
    for record in run.records:
        assert record.split == "train"
        levels_of, factors = record.details["levels"], record.details["factors"]
        assert factors["notch_rotation"] == levels_of["notch_rotation"]
        mine = manifest.load(rings, "ringe", record, "generated", run.run)
        grid = images.read_png(folder / "originals" / record.details["grid_of"])
        np.testing.assert_array_equal(mine == NO_DIE, grid == NO_DIE)
    originals = {r.file: r for r in pictures.originals(rings, "ringe")}
    assert {originals[r.details["grid_of"]].split for r in run.records} == {"train"}


def test_the_same_seed_makes_the_same_wafers_without_levels(
    rings: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert generate(capsys, rings, [{"name": "Ringe", "mode": "physics"}])[0] == 0
    first, second = synthetic.runs(rings, "ringe", "generated")
    assert [r.sha for r in first.records] == [r.sha for r in second.records]
    assert len(first.records) == 12
    assert "levels" not in first.records[0].details


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"mode": "magic"}, "choose one of gan, transforms, physics"),
        ({"mode": "physics", "ai_use": True}, "give only one of them"),
        ({"mode": "gan", "levels": {"density": ["low"]}}, "Only the mode physics has levels"),
        ({"mode": "physics", "levels": ["density"]}, "give an object such as {"),
        ({"mode": "physics", "levels": {"density": "low"}}, "give a list of levels"),
        ({"mode": "physics", "levels": {"density": []}}, "give a list of levels"),
        ({"mode": "physics", "levels": {"density": ["low", 2]}}, "lists a level twice"),
        ({"mode": "physics", "levels": {"speed": ["low"]}}, "There is no factor “speed”"),
        ({"mode": "physics", "levels": {"density": list(range(20))}}, "20 combinations"),
    ],
)
def test_a_wrong_mode_or_level_leaves_no_job(
    rings: Project, more: dict[str, object], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = generate(capsys, rings, [{"name": "Ringe", **more}])
    assert (code, out) == (2, "")
    assert word in err
    assert list_jobs(rings.path) == []


@pytest.mark.parametrize(
    ("entry", "word"),
    [({"name": "SEM", "mode": "physics"}, "The simulator needs wafer maps"),
     ({"name": "Ringe", "mode": "physics", "levels": {"scratch_length": ["low"]}},
      "does not apply to the pattern Donut")],
)  # fmt: skip
def test_what_the_class_cannot_have_is_reported_and_nothing_stays(
    rings: Project, entry: dict[str, object], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = generate(capsys, rings, [{"name": "Ringe", "mode": "physics"}, entry]
                            if entry["name"] == "SEM" else [entry])  # fmt: skip
    assert code == 2
    assert word in err
    assert synthetic.runs(rings, "ringe", "generated") == ()


def test_a_cancelled_run_leaves_nothing(
    rings: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    original = JobContext._report

    def report(self: JobContext, fraction: float, text: Message | None) -> None:
        texts.append(str(text))
        original(self, fraction, text)
        if "storing" in texts[-1]:
            raise KeyboardInterrupt

    monkeypatch.setattr(JobContext, "_report", report)
    code, _, err = generate(capsys, rings, [{"name": "Ringe", "mode": "physics"}])
    assert code == 130
    assert "project is unchanged" in err
    assert texts[:2] == ["Ringe: fitting the simulator", "Ringe: simulating"]
    assert synthetic.runs(rings, "ringe", "generated") == ()


def test_a_class_of_one_wafer_is_made_too(rings: Project) -> None:
    values = draw_values("Loc", 1, 3)
    (one,) = simulate_factors("Loc", values, 3)
    pictures.add_originals(rings, rings.add_class("One").slug, [pictures.NewPicture(one)])
    create_job(
        rings.path, "generate", {"classes": [{"name": "One", "mode": "physics", "count": 5}]}
    )
    from wafer_core.workflows.runner import run_job

    run_job(list_jobs(rings.path)[0].folder)
    (run,) = synthetic.runs(rings, "one", "generated")
    assert len(run.records) == 5
    assert "One wafer does not show" in in_english(run.info["fit"]["sentence"])
