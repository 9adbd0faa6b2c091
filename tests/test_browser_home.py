"""Home in a real browser: an answer at once, projects in two tabs, theme, language, names."""

from __future__ import annotations

import re
from urllib.parse import urlparse

import pytest
from playwright import sync_api

from browsing import PAGES
from real_browser import LONG, Server, drop_anywhere, expect, no_exception, tab, title
from wafer_core import images, simulator
from wafer_core.data import workspace
from wafer_core.data.project import Project
from wafers import small_project

pytestmark = pytest.mark.browser

HEADING = "Teach a computer your wafer defect patterns"


def background(page: sync_api.Page) -> str:
    """Colour behind the page."""
    return str(page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor"))


def more(page: sync_api.Page, folder: str, action: str) -> None:
    """Choose from the menu of a project."""
    page.locator(f".st-key-home_more_{folder}").get_by_role("button").click()
    page.get_by_role("menuitem", name=action).or_(
        page.get_by_text(action, exact=True)
    ).first.click()


def test_one_click_on_a_sample_gives_an_answer_above_the_fold(
    one_server: Server, page: sync_api.Page
) -> None:
    page.goto(one_server.url)
    expect(title(page, HEADING), LONG)
    page.get_by_role("button", name="Sample 2").click()
    bars = page.get_by_role("group", name="Probability of each pattern")
    for found in (page.get_by_role("heading", name="This looks like Donut"),
                  page.get_by_role("img", name="Sample 2"), bars):  # fmt: skip
        expect(found, LONG)
        box = found.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800
    assert bars.locator(".name").all_inner_texts() == list(simulator.PATTERNS)


def test_a_wafer_dropped_anywhere_is_answered(one_server: Server, page: sync_api.Page) -> None:
    page.goto(one_server.url)
    expect(title(page, HEADING), LONG)
    wafers = simulator.simulate_many("Edge-Ring", 2, 2)
    files = {f"lot7-{n}.png": images.encode_png(wafer) for n, wafer in enumerate(wafers)}
    drop_anywhere(page, files)
    expect(page.get_by_role("heading", name="This looks like Edge-Ring"), LONG)
    expect(page.get_by_role("img", name="lot7-0.png"))
    page.get_by_role("button", name="lot7-1.png").click()
    expect(page.get_by_role("img", name="lot7-1.png"))
    no_exception(page)


def test_delete_permanently_takes_only_what_it_names(
    one_server: Server, page: sync_api.Page
) -> None:
    """Two tabs: a project that comes into the trash after the question stays there."""
    first = small_project(one_server.home / "first", {"Alpha": 1})
    second = Project.create(one_server.home / "second", "Second")
    first.rename("First *line*")
    workspace.trash_project(one_server.home, first)
    page.goto(one_server.url)
    page.get_by_text("Trash (1)").click()
    page.get_by_role("button", name="Delete permanently …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("First *line*", exact=True))
    assert "Second" not in dialog.inner_text()
    workspace.trash_project(one_server.home, second)
    dialog.get_by_role("button", name="Delete permanently").click()
    sync_api.expect(dialog).to_have_count(0)
    assert [name for _, name in workspace.list_trash(one_server.home)] == ["Second"]


def test_enter_submits_the_dialog(one_server: Server, page: sync_api.Page) -> None:
    project = small_project(one_server.home / "enter", {"Alpha": 1})
    page.goto(one_server.url)
    more(page, "enter", "Rename")
    field = page.get_by_role("dialog").get_by_label("Name", exact=True)
    field.fill("Typed and entered")
    field.press("Enter")
    expect(page.get_by_text("Typed and entered", exact=True))
    assert project.name == "Typed and entered"


def test_the_theme_is_switched_and_kept_on_every_page(
    one_server: Server, page: sync_api.Page
) -> None:
    page.goto(one_server.url)
    expect(title(page, HEADING), LONG)
    light = background(page)
    page.get_by_role("button", name="Switch to the dark theme").click()
    expect(page.get_by_role("button", name="Switch to the light theme"), LONG)
    dark = background(page)
    assert dark != light
    page.goto(f"{one_server.url}/Help")
    expect(title(page, "Help"), LONG)
    assert background(page) == dark
    page.get_by_role("button", name="Switch to the light theme").click()
    expect(page.get_by_role("button", name="Switch to the dark theme"), LONG)
    assert background(page) == light


def test_the_language_comes_from_the_browser_and_can_be_changed(
    one_server: Server, chromium: sync_api.Browser
) -> None:
    with tab(chromium, locale="ko-KR") as page:
        page.goto(one_server.url)
        box = page.locator(".st-key-words_choice").get_by_role("combobox")
        sync_api.expect(box).to_have_value("한국어", timeout=LONG)
        box.click()
        page.get_by_role("option", name="English").click()
        sync_api.expect(box).to_have_value("English")
        page.wait_for_url("**lang=en*")
        page.get_by_test_id("stSidebar").get_by_role("link").last.click()
        page.wait_for_url("**/Help**lang=en*")
        page.reload()
        sync_api.expect(box).to_have_value("English", timeout=LONG)


def test_names_are_text_and_nothing_is_asked_from_another_host(
    one_server: Server, page: sync_api.Page
) -> None:
    """Fixed: a project called ![i](http://host/x.png) made a colleague's browser fetch it."""
    hosts = set()
    page.on("request", lambda request: hosts.add(urlparse(request.url).hostname))
    name = "![i](http://host.test/x.png) www.host.test"
    project = small_project(one_server.home / "markup", {"Alpha": 6, "Beta": 6})
    project.rename(name)
    project.rename_class("alpha", "[a](http://host.test) <b>$x$</b>")
    for step in ("", *(path.partition("_")[2].removesuffix(".py") for path in PAGES.values())):
        page.goto(f"{one_server.url}/{step}?project=markup")
        expect(page.get_by_test_id("stSidebar").get_by_text("host.test").first, LONG)
        page.wait_for_timeout(300)
        assert page.locator("a[href*='host.test'], img[src*='host.test']").count() == 0, step
        assert page.locator("main b, .katex").count() == 0, step
        no_exception(page)
    assert hosts - {None, ""} == {"127.0.0.1"}


def test_a_link_in_the_address_is_text(one_server: Server, page: sync_api.Page) -> None:
    page.goto(f"{one_server.url}/?project=[Click](http://host.test)")
    expect(page.get_by_text("There is no project"), LONG)
    assert page.locator("a[href*='host.test']").count() == 0


CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = numbers(colour).slice(0, 3).map((v) => {
      v /= 255;
      return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const alpha = (colour) => numbers(colour)[3] ?? 1;
  const mix = (front, back, share) => {
    const [f, b] = [numbers(front), numbers(back)];
    return `rgb(${[0, 1, 2].map((i) => f[i] * share + b[i] * (1 - share)).join(',')})`;
  };
  const parents = function* (node) {
    for (; node; node = node.parentElement ?? node.getRootNode().host) yield node;
  };
  const behind = (element) => {
    const layers = [];
    for (const node of parents(element)) {
      const colour = getComputedStyle(node).backgroundColor;
      if (colour.startsWith('rgb') && alpha(colour) > 0) layers.push(colour);
      if (layers.length && alpha(layers.at(-1)) === 1) break;
    }
    return layers.reverse().reduce((base, c) => mix(c, base, alpha(c)), 'rgb(255,255,255)');
  };
  const found = [];
  const visit = (root) => {
    for (const element of root.querySelectorAll('*')) {
      if (element.shadowRoot) visit(element.shadowRoot);
      const text = [...element.childNodes].filter((n) => n.nodeType === 3)
        .map((n) => n.textContent).join('').trim();
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      if (!text || !box.width || !style.color.startsWith('rgb')) continue;
      if (element.closest('[disabled], [aria-disabled=true], [data-testid=stSlider], pre, ' +
        '[data-testid=stIconMaterial]')) continue;
      let opacity = 1;
      for (const node of parents(element)) opacity *= Number(getComputedStyle(node).opacity);
      const back = behind(element);
      const [a, b] = [mix(style.color, back, alpha(style.color) * opacity), back].map(luminance);
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) found.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
  };
  visit(document);
  return found;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_enough_contrast(
    one_server: Server, chromium: sync_api.Browser, theme: str
) -> None:
    small_project(one_server.home / f"contrast-{theme}", {"Alpha": 6, "Beta": 3})
    with tab(chromium, color_scheme=theme) as page:
        for step in ("", "Classes", "Augment", "Jobs", "Help"):
            page.goto(f"{one_server.url}/{step}?project=contrast-{theme}")
            expect(page.get_by_test_id("stMain").get_by_role("heading").first, LONG)
            page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
            page.wait_for_timeout(700)
            assert page.evaluate(CONTRAST) == [], step


@pytest.mark.parametrize("width", [1280, 768])
def test_no_page_is_wider_than_the_window(
    one_server: Server, chromium: sync_api.Browser, width: int
) -> None:
    small_project(one_server.home / f"width-{width}", {"Alpha": 6, "Beta": 6})
    with tab(chromium, viewport={"width": width, "height": 800}) as page:
        for step in ("", "Classes", "Augment", "Jobs", "Help"):
            page.goto(f"{one_server.url}/{step}?project=width-{width}")
            expect(page.get_by_test_id("stMain").get_by_role("heading").first, LONG)
            page.wait_for_timeout(500)
            wide = page.evaluate(
                """() => [...document.querySelectorAll('[data-testid=stMain] *')]
                    .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1
                        && e.getBoundingClientRect().width > 1
                        && !e.closest('[data-testid=stDataFrame], .js-plotly-plot'))
                    .map(e => e.className).slice(0, 3)"""
            )
            assert wide == [], (step, wide)
            assert not re.search("Traceback", page.inner_text("body"))
