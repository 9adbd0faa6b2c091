"""Augment and Jobs in a real browser: the result of a run is shown when it ends."""

from __future__ import annotations

import pytest
from playwright import sync_api

from real_browser import LONG, Server, expect, go, no_exception
from wafer_core.data import synthetic
from wafers import small_project

pytestmark = pytest.mark.browser


def test_the_newest_run_is_shown_when_it_ends(one_server: Server, page: sync_api.Page) -> None:
    project = small_project(one_server.home / "small", {"Alpha": 6, "Beta": 6})
    page.goto(f"{one_server.url}/Augment?project=small")
    field = page.get_by_label("Wafers to make per class", exact=True)
    expect(field, LONG)
    field.fill("6")
    field.press("Enter")
    page.get_by_role("button", name="Make 12 wafers").click()
    expect(page.get_by_text("Result:"), LONG)
    expect(page.get_by_role("img", name="Originals above, augmented wafers below"))
    assert len(synthetic.runs(project, "beta", "augmented")[0].records) == 6
    go(page, "Jobs")
    expect(page.get_by_text("12 wafers"))
    expect(page.get_by_test_id("stMain").get_by_text("Small · "))
    no_exception(page)


def test_feedback_is_sent_from_the_help_page(one_server: Server, page: sync_api.Page) -> None:
    page.goto(f"{one_server.url}/Help")
    page.get_by_role("button", name="Send feedback").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What happened, or what is missing?").fill("The bars are too small.")
    dialog.get_by_role("button", name="Send", exact=True).click()
    sync_api.expect(dialog).to_have_count(0)
    expect(page.get_by_text("Feedback received (1)"))
    page.get_by_label("Search the documents").fill("lot")
    page.get_by_label("Search the documents").press("Enter")
    expect(page.get_by_text(" › ").first)
    no_exception(page)
