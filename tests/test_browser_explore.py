"""Explore in a real browser: tables and charts above the fold, a selection to Predict."""

from __future__ import annotations

import uuid

import pytest
from playwright import sync_api

from real_browser import LONG, Server, expect, no_exception, title
from wafer_core.data import pictures
from wafer_core.data.pictures import NewPicture
from wafer_core.data.project import Project
from wafers import marked

pytestmark = pytest.mark.browser

FOLD = 800  # pixels: what matters is above


@pytest.fixture
def project(one_server: Server) -> Project:
    """Two lots of 25 wafers in one class."""
    found = Project.create(one_server.home / f"p{uuid.uuid4().hex[:8]}", "Lots")
    slug = found.ensure_class("Alpha").slug
    wafers = [NewPicture(marked(i), f"w{i:02d}.png", f"L{i // 25}") for i in range(50)]
    pictures.add_originals(found, slug, wafers)
    return found


def test_charts_are_above_the_fold(
    one_server: Server, page: sync_api.Page, project: Project
) -> None:
    page.goto(f"{one_server.url}/Explore?project={project.path.name}")
    expect(title(page, "Explore"), LONG)
    expect(page.get_by_text("2 lots"), LONG)
    page.get_by_role("tab", name="Stack map").click()
    expect(page.get_by_text("50 wafers on a grid of 20 × 20 dies"), LONG)
    for chart in page.get_by_test_id("stPlotlyChart").all():
        expect(chart, LONG)
        box = chart.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < FOLD
        assert box["x"] + box["width"] <= 1280
    page.get_by_role("tab", name="Gallery").click()
    expect(page.get_by_role("img", name="Contact sheet of 25 wafers"), LONG)
    page.get_by_role("tab", name="Repeaters").click()
    expect(page.get_by_text("Nothing repeats"), LONG)
    no_exception(page)


def test_a_selection_is_predicted(
    one_server: Server, page: sync_api.Page, project: Project
) -> None:
    page.goto(f"{one_server.url}/Explore?project={project.path.name}")
    expect(title(page, "Explore"), LONG)
    box = page.get_by_role("textbox", name="Name contains")
    box.fill("w07")
    box.press("Enter")
    expect(page.get_by_text("1 wafer · 1 lot"), LONG)
    page.get_by_test_id("stMain").get_by_role("button", name="Predict").click()
    expect(title(page, "Predict"), LONG)
    expect(page.get_by_text("w07.png").first, LONG)
    no_exception(page)
