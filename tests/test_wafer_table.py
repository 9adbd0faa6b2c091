"""The table of all originals: dies counted once, lots, numbers in a lot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wafer_core.data import manifest, pictures, wafer_table
from wafer_core.data.manifest import PictureRecord
from wafer_core.data.pictures import NewPicture
from wafer_core.data.project import Project
from wafer_core.data.wafer_table import Wafer
from wafers import disc, marked


@pytest.fixture
def some(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "p", "P")
    slug = project.ensure_class("Alpha").slug
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    wafers = [NewPicture(marked(0), "a.png", "L1"), NewPicture(grey, "grey.png")]
    pictures.add_originals(project, slug, wafers)
    return project


def test_dies_are_counted_and_kept(some: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first, grey = wafer_table.read_table(some).wafers
    assert (first.dies, first.failed) == (int((disc() > 0).sum()), 5)
    assert (first.lot, first.class_name) == ("L1", "Alpha")
    assert (grey.dies, grey.failed, grey.yield_fraction, grey.lot) == (None, None, None, "")
    monkeypatch.setattr(manifest, "load", None)  # no picture is read again
    assert wafer_table.read_table(some).wafers[0] == first


@pytest.mark.parametrize("damage", ["", "[]", '{"counts": {"ab": [1, 2]}}', '{"counts": 3}'])
def test_damaged_counts_are_counted_again(some: Project, damage: str) -> None:
    whole = wafer_table.read_table(some)
    (some.path / wafer_table.COUNTS).write_text(damage)
    assert wafer_table.read_table(some) == whole


def test_a_damaged_class_is_named(some: Project) -> None:
    other = some.ensure_class("Beta").slug
    folder = manifest.class_folder(some, other) / "originals"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text("{")
    found = wafer_table.read_table(some)
    assert len(found.wafers) == 2
    assert found.unreadable == ("Beta",)


def made(lot: str, wafer: str = "", dies: int | None = 10, failed: int | None = 1) -> Wafer:
    record = PictureRecord("a.png", "0" * 64, 4, 4, "map", "train")
    return Wafer("alpha", "Alpha", record, dies, failed, lot, wafer, time=f"2026-01-0{failed or 9}")


def test_lots_by_name_with_the_rest_last() -> None:
    wafers = [made(""), made("B", failed=5), made("A", dies=30), made("B", dies=None, failed=None)]
    lots = wafer_table.group_lots(wafers)
    assert [(lot.lot, lot.wafers, lot.dies, lot.failed) for lot in lots] == [
        ("A", 1, 30, 1),
        ("B", 2, 10, 5),
        ("", 1, 10, 1),
    ]
    assert lots[1].yield_fraction == 0.5
    assert lots[1].yields == (0.5,)
    assert lots[1].first_time == "2026-01-05"


def test_numbers_in_a_lot() -> None:
    named = [made("A", "LOT7-03"), made("A", "LOT7-01")]
    assert [number for number, _ in wafer_table.numbered(named)] == [3, 1]
    unclear = [made("B", "01"), made("B", "01"), made("B")]
    assert [number for number, _ in wafer_table.numbered(unclear)] == [1, 2, 3]
    assert list(wafer_table.numbered([made("")])) == []


def test_the_mean_yield_leaves_out_pictures_without_dies() -> None:
    assert wafer_table.mean_yield([made("A"), made("A", dies=None, failed=None)]) == 0.9
    assert wafer_table.mean_yield([]) is None
