"""Train in a real browser: the result at one look, relabel and retrain, worse runs, a new run."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import numpy as np
import pytest
from playwright import sync_api

from real_browser import LONG, Server, expect, no_exception, title, wait_for
from wafer_core.data import models, pictures
from wafer_core.data.project import Project

pytestmark = pytest.mark.browser

FOLD = 800  # pixels: what matters is above


@pytest.fixture
def project(one_server: Server, trained_once: Path) -> Project:
    """A trained project whose run predicts a test wafer of Alpha as Beta."""
    path = one_server.home / f"p{uuid.uuid4().hex[:8]}"
    shutil.copytree(trained_once, path)
    found = Project.open(path)
    (run,) = models.list_models(found)
    predict(found, run.run, {"Alpha": "Beta"})
    return found


def predict(project: Project, run: str, mistakes: dict[str, str]) -> None:
    """Let a run have predicted the test wafers of some classes wrongly, the others correctly."""
    from wafer_core import metrics

    path = project.models_path / run / "report.json"
    report = json.loads(path.read_text("utf-8"))
    names = report["class_names"]
    for picture in report["test_pictures"]:
        truth = names[picture["truth"]]
        picture["predicted"] = names.index(mistakes.get(truth, truth))
        picture["probabilities"] = np.eye(len(names))[picture["predicted"]].tolist()
    rows = report["test_pictures"]
    found = metrics.evaluate(
        np.array([p["truth"] for p in rows]), np.array([p["probabilities"] for p in rows]), names
    )
    report["evaluation"] = found.to_json()
    path.write_text(json.dumps(report), "utf-8")


def open_page(server: Server, page: sync_api.Page, project: Project) -> None:
    page.goto(f"{server.url}/Train?project={project.path.name}")
    expect(title(page, "Train"), LONG)


def bottom(found: sync_api.Locator) -> float:
    """Where an element ends on the screen."""
    expect(found)
    box = found.bounding_box()
    assert box is not None
    return box["y"] + box["height"]


def click_first_mistake(page: sync_api.Page) -> None:
    """Click the first wafer of the mistakes, and wait until it is selected."""
    expect(page.get_by_text("Click it to move it to the right class"))
    page.get_by_role("listbox", name="Wafers").get_by_role("option").first.click()
    expect(page.get_by_text("1 wafer selected"))


def test_the_result_is_above_the_fold(
    one_server: Server, page: sync_api.Page, project: Project
) -> None:
    open_page(one_server, page, project)
    score = page.get_by_test_id("stMetric").filter(has_text="Macro-F1").first
    assert bottom(score) < FOLD
    assert bottom(page.get_by_role("button", name="Try it on new wafers")) < FOLD
    assert bottom(page.get_by_test_id("stPlotlyChart").first) <= FOLD
    size = score.get_by_test_id("stMetricValue").evaluate("e => getComputedStyle(e).fontSize")
    assert float(size.removesuffix("px")) > 40
    page.get_by_role("button", name="Try it on new wafers").click()
    expect(title(page, "Predict"), LONG)
    assert f"project={project.path.name}" in page.url


def test_a_mislabelled_wafer_is_found_moved_and_trained_with_in_four_clicks(
    one_server: Server, page: sync_api.Page, project: Project
) -> None:
    """Mistakes, the wafer, Move, Train again; five clicks are allowed."""
    before = {r.sha for r in pictures.originals(project, "beta")}
    open_page(one_server, page, project)
    page.get_by_role("tab", name="Mistakes", exact=True).click()
    click_first_mistake(page)
    page.get_by_role("button", name="Move to “Beta”").click()
    expect(page.get_by_text("Train again to include it."))
    assert len({r.sha for r in pictures.originals(project, "beta")} - before) == 1
    page.get_by_role("button", name="Train again").click()
    wait_for(lambda: len(models.list_models(project)) == 2, 90, "no second run")
    newest = models.list_models(project)[0]
    # its result is shown when it ends
    sync_api.expect(page.get_by_text("Out of date.")).to_have_count(0, timeout=LONG)
    sync_api.expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    assert models.read_report(project, newest.run).values["counts"]["beta"]["test"] == 2
    no_exception(page)


def test_a_move_is_undone(one_server: Server, page: sync_api.Page, project: Project) -> None:
    before = {r.sha for r in pictures.originals(project, "alpha")}
    open_page(one_server, page, project)
    page.get_by_role("tab", name="Mistakes", exact=True).click()
    click_first_mistake(page)
    page.get_by_role("button", name="Move to “Beta”").click()
    expect(page.get_by_text("Train again to include it."))
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Click it to move it to the right class"))
    assert {r.sha for r in pictures.originals(project, "alpha")} == before


def test_a_worse_run_is_compared_and_one_click_uses_it(
    one_server: Server, page: sync_api.Page, project: Project
) -> None:
    (first,) = models.list_models(project)
    second = "run-29990101-000000-000000"
    shutil.copytree(project.models_path / first.run, project.models_path / second)
    models.rename_model(project, second, "Night shift")
    predict(project, second, {"Alpha": "Beta", "Gamma": "Beta"})
    project.set_current_model(first.run)
    open_page(one_server, page, project)
    page.get_by_test_id("stMain").get_by_role("combobox", name="Run").click()
    page.get_by_role("option").filter(has_text="Night shift").click()
    expect(page.get_by_text("Not in use: on the same 3 test wafers"))
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("Compare two runs"))
    expect(page.get_by_text("1 wafer: only “First” is correct"))
    assert page.get_by_test_id("stPlotlyChart").count() == 2
    page.get_by_role("tab", name="Result", exact=True).click()
    page.get_by_role("button", name="Use this run").click()
    expect(page.get_by_role("button", name="Try it on new wafers"))
    assert models.current_model(project) == second


def test_enter_renames_a_run(one_server: Server, page: sync_api.Page, project: Project) -> None:
    open_page(one_server, page, project)
    page.get_by_test_id("stMain").get_by_role("button", name="More", exact=True).click()
    page.get_by_role("menuitem", name="Rename").click()
    field = page.get_by_role("dialog").get_by_label("Name", exact=True)
    field.fill("밤 근무")
    field.press("Enter")
    sync_api.expect(page.get_by_role("dialog")).to_have_count(0)
    (run,) = models.list_models(project)
    assert run.name == "밤 근무"


def test_the_open_tab_stays_when_the_language_changes(
    one_server: Server, page: sync_api.Page, project: Project
) -> None:
    open_page(one_server, page, project)
    page.get_by_role("tab", name="Confidence", exact=True).click()
    expect(page.get_by_text("When should a person look?"))
    page.get_by_test_id("stSidebar").get_by_role("combobox").click()
    page.get_by_role("option", name="한국어").click()
    slider = page.get_by_test_id("stSlider")
    expect(slider)  # only the tab Confidence has one
    no_exception(page)
