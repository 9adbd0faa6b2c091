"""Predict in a real browser: drops anywhere, pastes, one look at 1280 × 800, clicks and reports."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright import sync_api

from browsing import zipped
from real_browser import LONG, Server, drop_anywhere, expect, no_exception, tab, title, wait_for
from wafer_core import images, simulator
from wafer_core.data import folder_names, pictures
from wafer_core.data.project import Project

pytestmark = pytest.mark.browser

CLASSES = ("Center", "Edge-Ring", "Scratch")
FOLD = 800  # pixels


@pytest.fixture(scope="module")
def wafers() -> dict[str, list[bytes]]:
    """Files of a few simulated wafers of each class."""
    return {
        name: [images.encode_png(w) for w in simulator.simulate_many(name, 6, seed)]
        for seed, name in enumerate(CLASSES)
    }


@pytest.fixture
def project(one_server: Server) -> Project:
    """A project with three classes of the shipped model, without a model of its own."""
    made = Project.create(one_server.home / f"p{uuid.uuid4().hex[:8]}", "Line 3")
    for seed, name in enumerate(CLASSES):
        slug = made.add_class(name).slug
        new = [
            pictures.NewPicture(w, f"{name}-{n}.png")
            for n, w in enumerate(simulator.simulate_many(name, 12, 50 + seed))
        ]
        pictures.add_originals(made, slug, new)
    return made


@pytest.fixture
def predict(one_server: Server, page: sync_api.Page, project: Project) -> sync_api.Page:
    """The page, open."""
    return open_page(one_server, page, project)


def open_page(
    server: Server, page: sync_api.Page, project: Project, language: str = "en"
) -> sync_api.Page:
    """Open Predict."""
    page.goto(f"{server.url}/Predict?project={project.path.name}&lang={language}")
    expect(page.get_by_role("button", name=re.compile("Browse files|파일")), LONG)
    return page


def rows(page: sync_api.Page) -> sync_api.Locator:
    """The wafers of the list."""
    return page.locator(".st-key-predict_list .row")


def shown_file(page: sync_api.Page, file: str) -> sync_api.Locator:
    """The wafer that is shown large."""
    return page.get_by_test_id("stImage").get_by_role("img", name=file)


def above_the_fold(page: sync_api.Page, *found: sync_api.Locator) -> None:
    """Everything given is on the screen as it is, without scrolling."""
    for locator in found:
        expect(locator)
        box = locator.bounding_box()
        assert box is not None
        assert box["y"] >= 0, locator
        assert box["y"] + box["height"] <= FOLD, (locator, box)
    scrolled = page.get_by_test_id("stMain").evaluate("element => element.scrollTop")
    assert scrolled == 0


def test_a_wafer_dropped_anywhere_is_predicted_and_all_is_above_the_fold(
    predict: sync_api.Page, wafers: dict[str, list[bytes]]
) -> None:
    drop_anywhere(predict, {"ring.png": wafers["Edge-Ring"][0]})
    expect(shown_file(predict, "ring.png"), LONG)
    expect(predict.get_by_text(re.compile("Strong colours|No failed die supports")), LONG)
    above_the_fold(
        predict,
        predict.get_by_role("heading", name=re.compile("Edge-Ring · ")),
        predict.get_by_text(re.compile("Confident|Needs review")).last,
        shown_file(predict, "ring.png"),
        predict.get_by_role("group", name="Probability of each class"),
        predict.get_by_text(re.compile(r"grid \d+ × \d+ · ")),
        predict.get_by_role("button", name="Add to class …"),
        predict.get_by_role("button", name="Compare with training wafers").last,
    )
    drop_anywhere(predict, {"scratch.png": wafers["Scratch"][0]})
    expect(shown_file(predict, "scratch.png"), LONG)
    assert rows(predict).count() == 2
    assert rows(predict).first.get_attribute("aria-selected") == "true"
    assert "scratch.png" in rows(predict).first.inner_text()


def test_a_pasted_picture_is_predicted(
    one_server: Server, chromium: sync_api.Browser, project: Project,
    wafers: dict[str, list[bytes]],
) -> None:  # fmt: skip
    permissions = ["clipboard-read", "clipboard-write"]
    with tab(chromium, permissions=permissions) as page:
        open_page(one_server, page, project)
        page.evaluate(
            """async (bytes) => {
                const blob = new Blob([new Uint8Array(bytes)], {type: 'image/png'});
                await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]);
            }""",
            list(wafers["Center"][0]),
        )
        page.keyboard.press("Control+V")
        expect(page.get_by_text(re.compile(r"pasted picture \d\d-\d\d-\d\d\.png")).first, LONG)
        assert rows(page).count() == 1


def test_a_folder_dropped_by_the_mouse_keeps_its_paths(
    predict: sync_api.Page, wafers: dict[str, list[bytes]], tmp_path: Path
) -> None:
    for name, files in wafers.items():
        for number, data in enumerate(files[:2]):
            path = tmp_path / "test" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    browser = predict.context.new_cdp_session(predict)
    dragged = {"items": [], "files": [str(tmp_path / "test")], "dragOperationsMask": 1}
    where = {"x": 700, "y": 600, "data": dragged}
    for kind in ("dragEnter", "dragOver"):
        browser.send("Input.dispatchDragEvent", {"type": kind, **where})
    expect(predict.get_by_text("Drop the wafers to predict them"))
    browser.send("Input.dispatchDragEvent", {"type": "drop", **where})
    expect(predict.get_by_text("of 6 wafers correct"), LONG)
    assert rows(predict).count() == 6
    assert "test/" in rows(predict).first.inner_text()


def test_five_hundred_wafers_are_above_the_fold_and_one_more_is_quick(
    predict: sync_api.Page, wafers: dict[str, list[bytes]]
) -> None:
    many = {f"lot-{n}.png": wafers[CLASSES[n % 3]][n // 3 % 6] for n in range(500)}
    drop_anywhere(predict, {"many.zip": zipped(many)})
    expect(predict.get_by_text("500 wafers"), 2 * LONG)
    expect(predict.get_by_text(re.compile("Strong colours|No failed die supports")), LONG)
    assert rows(predict).count() == 50
    pager = predict.locator(".st-key-predict_page")
    above_the_fold(
        predict,
        predict.get_by_text("mean yield"),
        predict.get_by_role("button", name="Report").last,
        predict.locator(".st-key-predict_classes"),
        predict.locator(".st-key-predict_sort"),
        predict.locator(".st-key-predict_list .list"),
        pager,
        predict.get_by_role("group", name="Probability of each class"),
        predict.get_by_role("button", name="Compare with training wafers").last,
    )
    drop_anywhere(predict, {"newest.png": wafers["Center"][1]})
    expect(shown_file(predict, "newest.png"), LONG)
    expect(predict.get_by_text("501 wafers"))
    assert "newest.png" in rows(predict).first.inner_text()
    rows(predict).nth(3).click()
    file = rows(predict).nth(3).locator(".file").inner_text()
    expect(shown_file(predict, file), LONG)
    predict.keyboard.press("ArrowDown")
    file = rows(predict).nth(4).locator(".file").inner_text()
    expect(shown_file(predict, file), LONG)


def test_a_tree_opens_the_matrix_and_a_cell_filters_the_list(
    predict: sync_api.Page, wafers: dict[str, list[bytes]]
) -> None:
    tree = {f"t/{name}/{n}.png": d for name, files in wafers.items() for n, d in enumerate(files)}
    tree["t/Center/wrong.png"] = wafers["Edge-Ring"][5]
    drop_anywhere(predict, {"tree.zip": zipped(tree)})
    chart = predict.locator(".st-key-predict_confusion")
    expect(chart.locator(".plot-container"), LONG)
    above_the_fold(predict, chart)
    box = chart.locator(".plot-container .draglayer .nsewdrag").first.bounding_box()
    assert box is not None
    names = list(simulator.PATTERNS)
    order = ["Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Near-full", "Random", "Scratch"]
    column, row = order.index("Edge-Ring"), order.index("Center")
    predict.mouse.click(
        box["x"] + (column + 0.5) * box["width"] / len(names),
        box["y"] + (row + 0.5) * box["height"] / len(names),
    )
    expect(predict.get_by_text("Folder Center, predicted Edge-Ring"), LONG)
    sync_api.expect(rows(predict)).to_have_count(1)
    assert "wrong.png" in rows(predict).first.inner_text()
    predict.get_by_role("button", name="Show all").click()
    sync_api.expect(rows(predict)).to_have_count(19)


def test_other_folder_names_are_asked_once(
    one_server: Server, predict: sync_api.Page, project: Project, wafers: dict[str, list[bytes]]
) -> None:
    tree = {f"t/스크래치/{n}.png": data for n, data in enumerate(wafers["Scratch"])}
    tree["t/Lot 7/x.png"] = wafers["Center"][0]
    drop_anywhere(predict, {"tree.zip": zipped(tree)})
    expect(predict.get_by_text("Which folder is which class?"), LONG)
    above_the_fold(predict, predict.get_by_role("button", name="Save"))
    predict.get_by_role("button", name="Save").click()
    expect(predict.get_by_text("of 6 wafers correct"), LONG)
    expect(predict.get_by_text("no class matches the folder: Lot 7"))
    kept = folder_names.read_folder_names(project).classes
    assert dict(kept) == {"스크래치": "Scratch", "lot 7": None}
    predict.reload()
    expect(title(predict, "Predict"))
    drop_anywhere(predict, {"tree.zip": zipped(tree)})
    expect(predict.get_by_text("of 6 wafers correct"), LONG)
    assert predict.get_by_text("Which folder is which class?").count() == 0


def test_from_a_prediction_to_a_class(
    predict: sync_api.Page, project: Project, wafers: dict[str, list[bytes]]
) -> None:
    drop_anywhere(predict, {"mine.png": wafers["Center"][2]})
    expect(shown_file(predict, "mine.png"), LONG)
    predict.get_by_role("button", name="Add to class …").click()
    predict.get_by_role("button", name="Add", exact=True).click()
    expect(predict.get_by_text("Retrain to learn from it"), LONG)
    slug = project.find_class("Center").slug
    assert "mine.png" in [r.source for r in pictures.originals(project, slug)]
    predict.get_by_role("button", name="Relabel …").click()
    expect(predict.get_by_text("This wafer is an original of the class Center."))
    predict.get_by_role("button", name="Relabel", exact=True).click()
    wait_for(
        lambda: "mine.png" not in [r.source for r in pictures.originals(project, slug)],
        20, "the wafer was not moved",
    )  # fmt: skip
    no_exception(predict)


def test_similar_training_wafers(predict: sync_api.Page, wafers: dict[str, list[bytes]]) -> None:
    drop_anywhere(predict, {"mine.png": wafers["Scratch"][3]})
    expect(shown_file(predict, "mine.png"), LONG)
    predict.get_by_role("button", name="Compare with training wafers").last.click()
    expect(predict.locator(".wafer-neighbours").first, LONG)
    first = predict.locator(".wafer-neighbours").first
    assert first.locator("figure").count() == 6
    above_the_fold(predict, first)


def test_colours_are_corrected(predict: sync_api.Page) -> None:
    drop_anywhere(predict, {"blue.png": coloured()})
    expect(predict.get_by_text("30 failed"), LONG)
    predict.get_by_role("button", name="Colours …").click()
    box = predict.get_by_label("Colour #c03030")
    box.click()
    predict.get_by_role("option", name="pass", exact=True).click()
    predict.get_by_role("button", name="Read again").click()
    expect(predict.get_by_text(re.compile(r" · 0 failed · ")), LONG)


def coloured() -> bytes:
    """A round wafer drawn in two colours on white, each die four pixels wide."""
    import io

    from PIL import Image

    from wafers import disc

    wafer = disc(24)
    y, x = np.nonzero(wafer == images.PASS)
    wafer[y[100:130], x[100:130]] = images.FAIL
    pixels = np.full((24, 24, 3), 255, np.uint8)
    pixels[wafer == images.PASS] = (48, 96, 192)
    pixels[wafer == images.FAIL] = (192, 48, 48)
    stream = io.BytesIO()
    Image.fromarray(pixels.repeat(4, 0).repeat(4, 1)).save(stream, "PNG")
    return stream.getvalue()


def test_the_report_prints_on_two_pages(
    chromium: sync_api.Browser, predict: sync_api.Page, wafers: dict[str, list[bytes]],
    tmp_path: Path,
) -> None:  # fmt: skip
    tree = {
        f"t/{name}/{'a long name ' * 5}{n}.png": data
        for name, files in wafers.items()
        for n, data in enumerate(files * 5)
    }
    drop_anywhere(predict, {"tree.zip": zipped(tree)})
    expect(predict.get_by_text("of 90 wafers correct"), LONG)
    with predict.expect_download() as download:
        predict.get_by_role("button", name="Report").last.click()
    path = tmp_path / "report.html"
    download.value.save_as(path)
    with tab(chromium) as page:
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        assert all(url.startswith(("file:", "data:")) for url in requests)
        for paper in ("A4", "Letter"):
            pdf = page.pdf(format=paper, print_background=True)
            assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 2
    with predict.expect_download() as download:
        predict.get_by_role("button", name="CSV").last.click()
    table = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert len(table) == 91
    assert table[0].startswith("file,folder,prediction,probability,verdict,unknown_score,yield")


def test_files_that_cannot_be_read_are_reported_beside_the_good_ones(
    predict: sync_api.Page, wafers: dict[str, list[bytes]]
) -> None:
    drop_anywhere(predict, {"notes.docx": b"text", "good.png": wafers["Center"][0]})
    expect(shown_file(predict, "good.png"), LONG)
    expect(predict.get_by_text(re.compile("notes.docx")).first)
    above_the_fold(predict, predict.get_by_role("group", name="Probability of each class"))


@pytest.fixture
def narrow(chromium: sync_api.Browser) -> Iterator[sync_api.Page]:
    """A tab of 768 pixels."""
    with tab(chromium, viewport={"width": 768, "height": 1024}) as page:
        yield page


def test_it_is_usable_on_a_narrow_screen(
    one_server: Server, narrow: sync_api.Page, project: Project, wafers: dict[str, list[bytes]]
) -> None:
    open_page(one_server, narrow, project)
    drop_anywhere(narrow, {f"{n}.png": data for n, data in enumerate(wafers["Center"])})
    expect(shown_file(narrow, "0.png").or_(narrow.get_by_test_id("stImage")).first, LONG)
    wide = narrow.evaluate(
        "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    assert not wide
    image = narrow.get_by_test_id("stImage").first.bounding_box()
    assert image is not None
    assert image["width"] >= 150
