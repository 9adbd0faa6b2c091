"""Generate in a real browser: the newest run is revealed, and a dead button says why."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest
from playwright import sync_api

from real_browser import LONG, Server, expect, no_exception, title
from wafer_core.data import synthetic
from wafer_core.data.project import Project
from wafers import fill

pytestmark = pytest.mark.browser

FOLD = 800  # pixels: what matters is above


@pytest.fixture
def project(one_server: Server, project_once: Path) -> Project:
    """Three classes of eight wafers."""
    path = one_server.home / f"p{uuid.uuid4().hex[:8]}"
    shutil.copytree(project_once, path)
    return Project.open(path)


def open_page(server: Server, page: sync_api.Page, project: Project) -> None:
    page.goto(f"{server.url}/Generate?project={project.path.name}")
    expect(title(page, "Generate"), LONG)


def choose_method(page: sync_api.Page, name: str) -> None:
    page.get_by_test_id("stMain").get_by_role("combobox", name="Method").click()
    page.get_by_role("option", name=name).click()


def test_the_newest_run_is_revealed_beside_its_originals(
    one_server: Server, page: sync_api.Page, project: Project
) -> None:
    open_page(one_server, page, project)
    choose_method(page, "Manual (transforms)")
    field = page.get_by_label("Wafers per class", exact=True)
    field.fill("12")
    field.press("Enter")
    page.get_by_role("button", name="Generate 36 wafers").click()
    made = page.get_by_role("img", name="Synthetic wafers of Gamma")
    expect(made, LONG)
    originals = page.get_by_role("img", name="Original wafers of Gamma")
    for picture in (originals, made):
        box = picture.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < FOLD
    left, right = originals.bounding_box(), made.bounding_box()
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] < right["x"]
    assert left["y"] == pytest.approx(right["y"], abs=2)
    expect(page.get_by_test_id("stMetric").filter(has_text="Near copies"))
    for c in project.classes():
        (run,) = synthetic.runs(project, c.slug, "augmented")
        assert len(run.records) == 12
    page.get_by_role("button", name="Remove this run").click()
    expect(page.get_by_role("img", name="Synthetic wafers of Beta"))
    assert synthetic.runs(project, "gamma", "augmented") == ()
    no_exception(page)


def test_a_button_that_cannot_start_says_why(
    one_server: Server, page: sync_api.Page, project: Project
) -> None:
    fill(project, "Rare", 1, start=40)
    open_page(one_server, page, project)
    button = page.get_by_role("button", name="Generate 800 wafers")
    expect(button)
    assert button.is_disabled()
    reason = page.get_by_text("Rare: a generator needs at least 2 training wafers")
    expect(reason)
    box, of_button = reason.bounding_box(), button.bounding_box()
    assert box is not None
    assert of_button is not None
    assert 0 < box["y"] - of_button["y"] < 120  # beside it
    choose_method(page, "Physics (simulator)")
    sync_api.expect(reason).to_have_count(0)
    assert page.get_by_role("button", name="Generate 800 wafers").is_enabled()


@pytest.mark.parametrize("part", ["Does it help?", "How many do I need?"])
def test_the_studies_keep_their_headings_and_say_what_they_do(
    one_server: Server, page: sync_api.Page, project: Project, part: str
) -> None:
    open_page(one_server, page, project)
    page.get_by_role("tab", name=part).click()
    button = page.get_by_role("button", name="Find out")
    expect(button)
    box = button.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < FOLD
    expect(page.get_by_text("time without a GPU: about"))
    no_exception(page)
