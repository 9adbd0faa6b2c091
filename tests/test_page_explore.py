"""Explore: tables, filters, selection, stack map, repeaters; no wafers, one, many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from browsing import chart, keys, run, select_rows, table, texts, visit
from wafer_core.data import pictures, workspace
from wafer_core.data.pictures import NewPicture
from wafer_core.data.project import Project
from wafer_core.images import FAIL
from wafers import disc, marked


@pytest.fixture
def two_lots(home: Path) -> Project:
    """Lot A1 of three wafers in Alpha, lot =B2 of two in Beta."""
    project = workspace.create_project(home, "Lots")
    for name, lot, numbers in (("Alpha", "A1", (0, 1, 2)), ("Beta", "=B2", (3, 4))):
        slug = project.ensure_class(name).slug
        wafers = [NewPicture(marked(n), f"w{n}.png", lot) for n in numbers]
        pictures.add_originals(project, slug, wafers)
    return project


def test_without_wafers_the_page_leads_to_the_classes(home: Path) -> None:
    at = visit("explore", workspace.create_project(home, "Empty"))
    assert "There are no wafers to explore yet" in texts(at)
    assert "Go to Classes" in [link.proto.label for link in at.main.page_link]
    assert keys(at.dataframe) == set()


def test_every_tab_renders_for_one_wafer(home: Path) -> None:
    project = workspace.create_project(home, "One")
    slug = project.ensure_class("Alpha").slug
    pictures.add_originals(project, slug, [NewPicture(disc(8), "one.png")])
    at = visit("explore", project)
    assert "**1** wafer · mean yield 100.0%" in texts(at)
    for name in ("wafers", "map", "gallery", "trends", "repeaters"):
        at.session_state["explore_tab_wanted"] = name
        run(at)
    assert "no die failed" in texts(at)


def test_lots_and_their_yields(two_lots: Project) -> None:
    frame = table(visit("explore", two_lots), "explore_lots_")
    assert list(frame["lot"]) == ["=B2", "A1"]
    assert list(frame["wafers"]) == [2, 3]
    dies = int((disc() > 0).sum())
    failed = sum(5 + n % 7 for n in (0, 1, 2))
    assert frame["yield"][1] == pytest.approx(100 - 100 * failed / (3 * dies))
    assert frame["failed"][1] == failed


def test_filters_narrow_the_wafers(two_lots: Project) -> None:
    at = visit("explore", two_lots)
    run(at.multiselect(key="explore_class").set_value(["Alpha"]))
    assert "**3** wafers" in texts(at)
    run(at.text_input(key="explore_text").set_value("W1"))
    assert "**1** wafer" in texts(at)
    run(at.multiselect(key="explore_class").set_value(["Beta"]))
    assert "No wafer matches" in texts(at)


def test_selected_wafers_are_moved(two_lots: Project) -> None:
    at = visit("explore", two_lots)
    run(select_rows(at, "explore_lots_", 1))
    assert "**3** of 5 wafers" in texts(at)
    at.session_state["explore_tab_wanted"] = "wafers"
    run(at)
    run(select_rows(at, "explore_wafers_", 0))
    assert "**1** of 5 wafers" in texts(at)


def test_the_download_holds_no_formula(two_lots: Project, downloads: dict[str, bytes]) -> None:
    visit("explore", two_lots)
    text = downloads["lots.csv"].decode("utf-8-sig")
    assert "\n'=B2,2," in text.replace("\r", "")


def test_the_stack_map_says_how_many_wafers_and_grids(two_lots: Project) -> None:
    other = NewPicture(disc(12), "other.png", "A1")
    pictures.add_originals(two_lots, "alpha", [other])
    at = visit("explore", two_lots)
    at.session_state["explore_tab_wanted"] = "map"
    run(at)
    assert "6 wafers on a grid of 20 × 20 dies" in texts(at)
    assert "5 of them have this grid; the others, with 1 other grids" in texts(at)
    assert chart(at, "explore_stack")


def test_a_repeater_is_found_and_a_size_can_be_entered(home: Path) -> None:
    project = workspace.create_project(home, "Repeats")
    slug = project.ensure_class("Alpha").slug
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:20, :20]
    wafers = []
    for number in range(4):
        wafer = disc()
        wafer[(wafer > 0) & ((y % 3 == 1) & (x % 2 == 0) | (rng.random((20, 20)) < 0.05))] = FAIL
        wafers.append(NewPicture(wafer, f"{number}.png", "L"))
    pictures.add_originals(project, slug, wafers)
    at = visit("explore", project)
    at.session_state["explore_tab_wanted"] = "repeaters"
    run(at)
    assert "Something repeats every 2 × 3 dies" in texts(at)
    assert "column 1, row 2 of the field: 100" in texts(at)
    run(at.button_group(key="explore_field_way").set_value("own"))
    run(at.number_input(key="explore_field_columns").set_value(5))
    run(at.number_input(key="explore_field_rows").set_value(1))
    assert "Nothing repeats with a field of 5 × 1 dies" in texts(at)


def test_predict_takes_the_selection(two_lots: Project) -> None:
    at = visit("explore", two_lots)
    run(at.button(key="explore_predict").click())
    assert [title.value for title in at.title] == ["Predict"]
    assert len(at.session_state["predict_state"].wafers) == 5
