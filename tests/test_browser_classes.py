"""Classes in a real browser: drops, selecting by mouse and keyboard, two tabs."""

from __future__ import annotations

import uuid

import pytest
from playwright import sync_api

from browsing import png, zipped
from real_browser import LONG, Server, drop_anywhere, expect, no_exception, tab, transfer
from wafer_core.data import imports, pictures
from wafer_core.data.project import Project
from wafers import small_project

pytestmark = pytest.mark.browser

NINE = tuple(f"Pattern {n}" for n in range(9))


@pytest.fixture
def project(one_server: Server) -> Project:
    """Two classes of twelve wafers."""
    path = one_server.home / f"p{uuid.uuid4().hex[:8]}"
    return small_project(path, {"Alpha": 12, "Beta": 12})


@pytest.fixture
def classes(one_server: Server, page: sync_api.Page, project: Project) -> sync_api.Page:
    """The page, open."""
    return opened(one_server, page, project)


def opened(server: Server, page: sync_api.Page, project: Project) -> sync_api.Page:
    """Open Classes."""
    page.goto(f"{server.url}/Classes?project={project.path.name}")
    expect(gallery(page).first, LONG)
    return page


def gallery(page: sync_api.Page) -> sync_api.Locator:
    """The wafers on the page."""
    return page.locator("[role=listbox][aria-multiselectable=true] [role=option]")


def row(page: sync_api.Page, slug: str) -> sync_api.Locator:
    """The row of a class."""
    return page.locator(f"[data-drop-target='{slug}']")


def drop_on(page: sync_api.Page, slug: str, files: dict[str, bytes]) -> None:
    """Drop files onto the row of a class."""
    expect(page.get_by_role("button", name="Browse files"))
    row(page, slug).dispatch_event("drop", {"dataTransfer": transfer(page, files)})


def nine_folders() -> dict[str, bytes]:
    """Nine folders of two wafers, as a dropped tree."""
    return {
        f"wafers/{name}/{i}.png": png(9000 + 10 * n + i)
        for n, name in enumerate(NINE)
        for i in range(2)
    }


def selected(page: sync_api.Page) -> list[int]:
    """Which wafers are marked."""
    return [
        index
        for index, found in enumerate(gallery(page).all())
        if found.get_attribute("aria-selected") == "true"
    ]


def counts(project: Project) -> dict[str, int]:
    return {c.name: len(pictures.originals(project, c.slug)) for c in project.classes()}


# -- selecting -----------------------------------------------------------------------------------


def test_a_click_selects_and_a_double_click_opens(classes: sync_api.Page) -> None:
    items = gallery(classes)
    items.nth(1).click()
    expect(classes.get_by_text("1 selected"))
    items.nth(4).click(modifiers=["Shift"])
    expect(classes.get_by_text("4 selected"))
    assert selected(classes) == [1, 2, 3, 4]
    items.nth(2).click()
    expect(classes.get_by_text("3 selected"))
    items.nth(7).dblclick()
    dialog = classes.get_by_role("dialog")
    expect(dialog.get_by_text("Used for"))
    expect(dialog.get_by_text("8 of 12"))
    classes.keyboard.press("Escape")
    sync_api.expect(dialog).to_have_count(0)
    assert selected(classes) == [1, 3, 4]  # opening has selected nothing
    classes.locator(".st-key-classes_open").get_by_role("button").click()
    expect(dialog.get_by_text("1 of 3"))


def test_a_box_and_select_all_select_many(classes: sync_api.Page, project: Project) -> None:
    items = gallery(classes)
    first, last = items.nth(0).bounding_box(), items.nth(2).bounding_box()
    assert first is not None
    assert last is not None
    classes.mouse.move(first["x"] + 4, first["y"] + 4)
    classes.mouse.down()
    classes.mouse.move(last["x"] + 30, last["y"] + 40, steps=8)
    classes.mouse.up()
    expect(classes.get_by_text("3 selected"))
    assert selected(classes) == [0, 1, 2]
    classes.get_by_role("button", name="Select all").click()
    expect(classes.get_by_text("12 selected"))
    classes.get_by_role("button", name="Select none").click()
    expect(classes.get_by_text("None selected"))
    items.nth(0).click()
    expect(classes.get_by_text("1 selected"))
    classes.get_by_role("button", name="Delete", exact=True).click()
    expect(classes.get_by_text("Trash (1)"))
    assert counts(project)["Alpha"] == 11


def test_wafers_and_classes_are_reached_by_keyboard(classes: sync_api.Page) -> None:
    gallery(classes).first.focus()
    classes.keyboard.press("ArrowRight")
    classes.keyboard.press("Space")
    expect(classes.get_by_text("1 selected"))
    assert selected(classes) == [1]
    classes.keyboard.press("Control+a")
    expect(classes.get_by_text("12 selected"))
    classes.keyboard.press("Escape")
    expect(classes.get_by_text("None selected"))
    classes.keyboard.press("Enter")
    expect(classes.get_by_role("dialog").get_by_text("2 of 12"))
    classes.keyboard.press("Escape")
    sync_api.expect(classes.get_by_role("dialog")).to_have_count(0)
    row(classes, "alpha").focus()
    classes.keyboard.press("ArrowDown")
    expect(classes.get_by_test_id("stMain").get_by_role("heading", name="Beta"))


def test_enter_submits_the_dialog_of_a_class(classes: sync_api.Page, project: Project) -> None:
    classes.get_by_role("button", name="Add class").click()
    field = classes.get_by_role("dialog").get_by_label("Name", exact=True)
    field.fill("긁힘")
    field.press("Enter")
    expect(classes.get_by_test_id("stMain").get_by_role("heading", name="긁힘"))
    assert project.find_class("긁힘").description == ""


# -- drops ---------------------------------------------------------------------------------------


def test_a_drop_on_a_row_goes_to_it_and_the_next_one_goes_by_folders(
    classes: sync_api.Page, project: Project
) -> None:
    """Fixed: the class of one drop stuck, and nine folders went into it without a word."""
    drop_on(classes, "beta", {"one.png": png(7001), "two.png": png(7002)})
    classes.get_by_role("button", name="Import 2 wafers into Beta").click()
    expect(classes.get_by_text("Imported 2 wafers: Beta (2)"), LONG)
    drop_anywhere(classes, nine_folders())
    box = classes.get_by_role("combobox", name="Class")
    sync_api.expect(box).to_have_value("From folder names", timeout=LONG)
    classes.get_by_role("button", name="Import 18 wafers", exact=True).click()
    expect(classes.get_by_text("Imported 18 wafers"), LONG)
    assert counts(project) == {"Alpha": 12, "Beta": 14, **dict.fromkeys(NINE, 2)}


def test_nine_folders_dropped_on_one_class_ask(classes: sync_api.Page, project: Project) -> None:
    drop_on(classes, "beta", nine_folders())
    expect(classes.get_by_text("The folders name 9 classes"), LONG)
    start = classes.get_by_role("button", name="Import 18 wafers")
    sync_api.expect(start).to_be_disabled()
    classes.get_by_text("Each to the class of its folder").click()
    classes.get_by_role("button", name="Import 18 wafers", exact=True).click()
    expect(classes.get_by_text("Imported 18 wafers"), LONG)
    assert counts(project) == {"Alpha": 12, "Beta": 12, **dict.fromkeys(NINE, 2)}
    classes.get_by_role("button", name="Undo this import").click()
    expect(classes.get_by_text("18 wafers removed"))
    assert counts(project) == {"Alpha": 12, "Beta": 12}
    assert imports.runs(project)[0].state == imports.UNDONE


def test_drops_in_quick_succession_all_arrive(classes: sync_api.Page) -> None:
    """Fixed: the server forgot an upload that began while the page was running."""
    for number in range(6):
        drop_on(classes, "beta", {f"{number}.zip": zipped({f"{number}.png": png(7100 + number)})})
        expect(classes.get_by_role("button", name="Import 1 wafer into Beta"), LONG)
        classes.get_by_role("button", name="Discard").click()
        sync_api.expect(classes.get_by_role("button", name="Discard")).to_have_count(0)
    no_exception(classes)


# -- two tabs ------------------------------------------------------------------------------------


def test_delete_in_a_tab_whose_class_is_gone_deletes_nothing(
    one_server: Server, classes: sync_api.Page, chromium: sync_api.Browser, project: Project
) -> None:
    with tab(chromium) as other:
        opened(one_server, other, project)
        for page in (other, classes):
            page.get_by_role("button", name="More", exact=True).click()
            page.get_by_text("Delete class", exact=True).click()
            if page is other:
                expect(page.get_by_text("Trash (1)"))
    expect(classes.get_by_text("no longer exists"))
    assert counts(project) == {"Beta": 12}


def test_a_class_renamed_in_another_tab_is_still_the_one_that_is_deleted(
    classes: sync_api.Page, project: Project
) -> None:
    project.reorder_classes(["beta", "alpha"])
    project.rename_class("alpha", "Renamed")
    classes.get_by_role("button", name="More", exact=True).click()
    classes.get_by_text("Delete class", exact=True).click()
    expect(classes.get_by_text("Trash (1)"))
    assert [c.name for c in project.classes()] == ["Beta"]
