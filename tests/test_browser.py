"""The app in a real browser: what AppTest cannot see, from the first click to the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright import sync_api

from browsing import png, zipped
from real_browser import (
    LONG,
    Server,
    drop,
    drop_anywhere,
    expect,
    find_browser,
    go,
    no_exception,
    title,
)
from wafer_core import jobs
from wafer_core.data import models, pictures, workspace
from wafer_core.data.project import Project
from wafers import small_project

pytestmark = pytest.mark.browser

CLASSES = ("Center", "Edge-Ring", "Scratch")


def wafers_zip(count: int = 8) -> bytes:
    """Three folders of small wafers."""
    return zipped(
        {f"wafers/{name}/{i}.png": png(1000 * n + i) for n, name in enumerate(CLASSES)
         for i in range(count)}
    )  # fmt: skip


def fill_in(page: sync_api.Page, label: str, number: int) -> None:
    """Type into a number field, and leave it."""
    field = page.get_by_label(label, exact=True)
    field.fill(str(number))
    field.press("Enter")


def test_a_missing_browser_is_told_and_fails_where_all_must_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WAFER_CHROMIUM", str(tmp_path / "none"))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        find_browser()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="WAFER_CHROMIUM"):
        find_browser()


def test_from_an_empty_workspace_to_a_probability(server: Server, page: sync_api.Page) -> None:
    page.goto(server.url)
    expect(title(page, "Teach a computer your wafer defect patterns"))
    page.get_by_label("Name", exact=True).fill("Line 3")
    page.get_by_role("button", name="Create").click()
    expect(title(page, "Classes"))
    assert "project=line-3" in page.url

    drop(page, 0, "wafers.zip", wafers_zip())
    page.get_by_role("button", name="Import 24 pictures").click()
    expect(page.get_by_text("Imported 8 to Center"), LONG)
    project = Project.open(server.home / "line-3")
    assert {c.name for c in project.classes()} == set(CLASSES)
    expect(page.get_by_role("img", name="Contact sheet of 8 wafers"))

    go(page, "Train")
    fill_in(page, "Epochs", 3)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("Runs (1)"), LONG)
    expect(page.get_by_text("Confusion matrix"))
    assert models.list_models(project)[0].macro_f1 is not None

    go(page, "Predict")
    drop_anywhere(page, {"mine.png": png(4242)})
    expect(page.get_by_text("grid 20 × 20"), LONG)
    bars = page.get_by_role("group", name="Probability of each class")
    expect(bars)
    assert set(bars.locator(".name").all_inner_texts()) == set(CLASSES)
    no_exception(page)


def test_wafers_are_chosen_with_the_mouse(server: Server, page: sync_api.Page) -> None:
    project = small_project(server.home / "small", {"Alpha": 6, "Beta": 6})
    page.goto(f"{server.url}/Classes?project=small")
    expect(page.get_by_text("To open, move or delete wafers"))
    page.get_by_test_id("stMain").get_by_role("radio", name="Select wafers").click()
    sheet = page.get_by_test_id("stPlotlyChart")
    expect(sheet)
    box = sheet.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 2.2 / 12, box["y"] + 80, steps=8)
    page.mouse.up()
    expect(page.get_by_text("2 selected"))
    page.get_by_role("button", name="Open large").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("yield").first)
    page.keyboard.press("Escape")
    sync_api.expect(dialog).to_have_count(0)
    page.get_by_test_id("stMain").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Trash (1)"))
    assert len(pictures.originals(project, "alpha")) == 4

    page.get_by_role("button", name="Add class").click()
    dialog.get_by_label("Name", exact=True).fill("긁힘")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(title(page, "긁힘"))
    assert project.find_class("긁힘").description == ""


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
    project = small_project(server.home / "small", dict.fromkeys(CLASSES, 8))
    page.goto(f"{server.url}/Train?project=small")
    fill_in(page, "Epochs", 2000)
    page.get_by_test_id("stMain").get_by_text("More", exact=True).click()
    fill_in(page, "Early stopping: patience", 0)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(
        page.get_by_text("Epoch 3 of at most 1500").or_(page.get_by_text("s an epoch")).first, LONG
    )
    server.kill()
    (state,) = jobs.list_jobs(server.home)
    assert state.is_active

    server.start()
    page.goto(f"{server.url}/Jobs")
    expect(page.get_by_text("Running and waiting (1)"))
    page.goto(f"{server.url}/Train?project=small")
    page.get_by_role("button", name="Stop and keep the best").click()
    expect(page.get_by_text("Runs (1)"), LONG)
    expect(page.get_by_text("Stopped by you after epoch"))
    assert len(models.list_models(project)) == 1
    assert sum(len(pictures.originals(project, c.slug)) for c in project.classes()) == 24

    page.get_by_role("button", name="Train", exact=True).click()
    cancel = page.get_by_test_id("stMain").get_by_role("button", name="Cancel")
    expect(cancel, LONG)
    cancel.click()
    expect(page.get_by_text("as it was before").first, LONG)
    assert len(models.list_models(project)) == 1
