"""The app in a real browser: what AppTest cannot see, from the first click to the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright import sync_api

from browsing import png, zipped
from real_browser import (
    LONG,
    Server,
    drop_anywhere,
    expect,
    find_browser,
    go,
    no_exception,
    title,
    wait_for,
)
from wafer_core import jobs
from wafer_core.data import models, pictures, workspace
from wafer_core.data.project import Project
from wafers import small_project

pytestmark = pytest.mark.browser

CLASSES = tuple(f"Pattern {n}" for n in range(9))


def wafers_zip(count: int = 8) -> bytes:
    """Nine folders of small wafers."""
    return zipped(
        {f"wafers/{name}/{i}.png": png(1000 * n + i) for n, name in enumerate(CLASSES)
         for i in range(count)}
    )  # fmt: skip


def fill_in(page: sync_api.Page, label: str, number: int) -> None:
    """Type into a number field, and leave it."""
    field = page.get_by_label(label, exact=True)
    field.fill(str(number))
    field.press("Enter")


def test_a_missing_browser_is_reported_and_fails_where_all_must_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WAFER_CHROMIUM", str(tmp_path / "none"))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        find_browser()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="WAFER_CHROMIUM"):
        find_browser()


class Clicks:
    """Counts what a user has to press; typing and dropping is not a click."""

    def __init__(self, page: sync_api.Page) -> None:
        self.page = page
        self.count = 0

    def __call__(self, found: sync_api.Locator) -> None:
        expect(found, LONG)
        found.click()
        self.count += 1


def test_from_an_empty_workspace_to_a_probability(server: Server, page: sync_api.Page) -> None:
    """Nine folders become a trained model in at most six clicks."""
    click = Clicks(page)
    page.goto(server.url)
    expect(title(page, "Teach a computer your wafer defect patterns"), LONG)
    page.get_by_label("Name", exact=True).fill("Line 3")
    click(page.get_by_role("button", name="Create"))
    expect(title(page, "Classes"))
    assert "project=line-3" in page.url

    drop_anywhere(page, {"wafers.zip": wafers_zip()})
    click(page.get_by_role("button", name="Import 72 wafers", exact=True))
    expect(page.get_by_text("Imported 72 wafers"), LONG)
    project = Project.open(server.home / "line-3")
    assert {c.name for c in project.classes()} == set(CLASSES)

    click(page.get_by_test_id("stSidebar").get_by_role("link", name="Train"))
    expect(title(page, "Train"))
    click(page.get_by_role("button", name="Train", exact=True))
    wait_for(lambda: models.list_models(project), 120, "no model was trained")
    expect(page.get_by_text("Try it on new wafers").first, LONG)
    assert models.list_models(project)[0].macro_f1 is not None
    assert click.count <= 6

    click(page.get_by_test_id("stSidebar").get_by_role("link", name="Predict"))
    drop_anywhere(page, {"mine.png": png(4242)})
    bars = page.get_by_role("group", name="Probability of each class")
    expect(bars, LONG)
    assert set(bars.locator(".name").all_inner_texts()) == set(CLASSES)
    no_exception(page)


def test_the_demo_leads_to_probability_bars(server: Server, page: sync_api.Page) -> None:
    page.goto(server.url)
    page.get_by_role("button", name="Try the demo").click()
    expect(title(page, "Train"), LONG)
    expect(page.get_by_text("Try it on new wafers").first, 120_000)
    assert "too few for reliable scores" not in page.inner_text("body")
    go(page, "Predict")
    page.get_by_role("button", name="Try 12 test wafers").click()
    expect(page.get_by_role("group", name="Probability of each class"), LONG)
    no_exception(page)


def test_a_link_and_a_reload_keep_the_project(server: Server, page: sync_api.Page) -> None:
    small_project(server.home / "small", {"Alpha": 6, "Beta": 6})
    for step in ("Classes", "Predict", "Jobs"):
        page.goto(f"{server.url}/{step}?project=small")
        expect(title(page, step))
        expect(page.get_by_test_id("stSidebar").get_by_text("Small"))
    go(page, "Train")
    page.reload()
    expect(title(page, "Train"))
    expect(page.get_by_test_id("stSidebar").get_by_text("Small"))
    assert "project=small" in page.url
    page.get_by_test_id("stSidebar").get_by_role("link", name="Teachable Wafer").click()
    expect(page.get_by_text("Small · open"))
    page.get_by_role("button", name="More").click()
    with page.expect_download() as download:
        page.get_by_text("Download", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Download .zip").click()
    saved = Path(download.value.path())
    again = workspace.import_zip(server.home, saved.read_bytes(), "small.zip")
    assert [c.name for c in again.classes()] == ["Alpha", "Beta"]


def test_nothing_is_lost_when_the_server_is_killed_while_it_trains(
    server: Server, page: sync_api.Page
) -> None:
    project = small_project(server.home / "small", dict.fromkeys(CLASSES[:3], 8))
    page.goto(f"{server.url}/Train?project=small")
    fill_in(page, "Epochs", 2000)
    page.get_by_test_id("stMain").get_by_text("More settings", exact=True).click()
    fill_in(page, "Early stopping: patience", 0)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("Epoch 3 of at most").or_(page.get_by_text("s per epoch")).first, LONG)
    server.kill()
    (state,) = jobs.list_jobs(server.home)
    assert state.is_active

    server.start()
    page.goto(f"{server.url}/Jobs")
    expect(page.get_by_text("Running and waiting (1)"))
    page.goto(f"{server.url}/Train?project=small")
    page.get_by_role("button", name="Stop and keep the best").click()
    wait_for(lambda: models.list_models(project), 60, "the stopped training left no model")
    expect(page.get_by_text("Try it on new wafers").first, LONG)
    assert sum(len(pictures.originals(project, c.slug)) for c in project.classes()) == 24

    page.get_by_role("button", name="Train", exact=True).click()
    cancel = page.get_by_test_id("stMain").get_by_role("button", name="Cancel")
    expect(cancel, LONG)
    cancel.click()
    expect(page.get_by_text("The project is unchanged").first, LONG)
    assert len(models.list_models(project)) == 1
