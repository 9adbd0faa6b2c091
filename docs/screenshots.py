"""Make the pictures of the documents from the running app: ``python docs/screenshots.py``.

The app is started with an empty workspace of its own. A demo project is made, trained, augmented
and generated from, and the pages are opened in a real browser. ``--states FOLDER`` takes every page
in four states (empty, one wafer, many wafers, after a run), in both languages and themes, to look
at.

Needs chromium, or the browser named in ``WAFER_CHROMIUM``, and ``requirements-dev.txt``.
"""

from __future__ import annotations

import argparse
import gettext
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from wafer_core import images, simulator  # noqa: E402
from wafer_core.data import demo, pictures, workspace  # noqa: E402
from wafer_core.data.project import Project  # noqa: E402
from wafer_core.workflows import submit  # noqa: E402
from wafer_core.workflows.runner import run_job  # noqa: E402

WIDTH, HEIGHT = 1280, 800
MAX_BYTES = 150_000  # of one picture
LANGUAGES, THEMES = ("en", "ko"), ("light", "dark")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)
PAGES = (
    "",
    "Classes",
    "Augment",
    "Generate",
    "Train",
    "Predict",
    "Jobs",
    "Explore",
    "Help",
)  # "": Home
SCRATCH = "wafer-07.png"  # of the dropped wafers, the one that is shown large


@dataclass(frozen=True)
class Camera:
    """A browser tab on the running app.

    Attributes:
        page: The tab.
        url: Of the app.
        language: Of the texts.
    """

    page: Page
    url: str
    language: str

    def open(self, where: str, project: str = "", more: str = "") -> None:
        """Open a page of a project and wait until it is drawn."""
        self.page.goto(f"{self.url}/{where}?lang={self.language}&project={project}{more}")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing on the page changes any more."""
        done = "[data-testid=stApp][data-test-script-state=notRunning]"
        busy = "[data-testid=stSkeleton], [data-testid=stSpinner]"
        for _ in range(2):  # a component may start another run of the page
            self.page.wait_for_selector(done, timeout=60_000)
            self.page.wait_for_function(
                f"!document.querySelector('{busy}') "
                "&& [...document.images].every(image => image.complete)",
                timeout=120_000,
            )
            self.page.wait_for_timeout(700)

    def keyed(self, key: str) -> Locator:
        """The widget whose key begins so."""
        return self.page.locator(f"[class*='st-key-{key}']").first

    def click(self, found: Locator) -> None:
        """Click and wait for what it leads to."""
        found.click()
        self.settle()

    def tab(self, number: int, of: int = 0) -> None:
        """Open a tab by its place, in the first or a further row of tabs."""
        row = self.page.get_by_test_id("stTabs").nth(of)
        self.click(row.get_by_role("tab").nth(number))

    def drop(self, files: Mapping[str, bytes]) -> None:
        """Choose files in the drop zone."""
        payload: list[FilePayload] = [
            {"name": name, "mimeType": "application/octet-stream", "buffer": data}
            for name, data in files.items()
        ]
        self.page.locator("input.files").set_input_files(payload)
        self.page.wait_for_timeout(1500)  # until the upload has begun
        self.settle()

    def take(self, path: Path) -> None:
        """Store the window as a small PNG, without the mouse over anything."""
        self.page.mouse.move(WIDTH - 3, HEIGHT - 3)
        self.page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")
        self.page.wait_for_timeout(200)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(small_png(self.page.screenshot()))


def small_png(data: bytes) -> bytes:
    """The picture with as many colours as fit ``MAX_BYTES``."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    packed = b""
    for colours in (256, 128, 64, 32):
        stream = io.BytesIO()
        reduced = picture.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        reduced.save(stream, "PNG", optimize=True)
        packed = stream.getvalue()
        if len(packed) <= MAX_BYTES:
            break
    return packed


# -- the app and the browser -----------------------------------------------------------------------


@contextmanager
def running(home: Path) -> Iterator[str]:
    """The app on a free port; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"),
               "--server.address", "127.0.0.1", "--server.port", str(port)]  # fmt: skip
    with Path(os.environ["WAFER_LOCKS"] + ".log").open("ab") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser of Chromium's family."""
    path = os.environ.get("WAFER_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        sys.exit("No browser found; install chromium, or name one in WAFER_CHROMIUM.")
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=path, args=list(FLAGS))
        yield found
        found.close()


@contextmanager
def camera(
    chromium: Browser, url: str, language: str, theme: str, height: int = HEIGHT
) -> Iterator[Camera]:
    """A new tab in a language and a theme."""
    context = chromium.new_context(
        viewport={"width": WIDTH, "height": height},
        locale=language,
        color_scheme="dark" if theme == "dark" else "light",
    )
    context.set_default_timeout(60_000)
    pages = ", ".join(f"'{page}'" for page in PAGES)
    choice = "Dark" if theme == "dark" else "Light"
    context.add_init_script(
        f"for (const page of [{pages}]) "
        f"localStorage.setItem(`stActiveTheme-/${{page}}-v2`, '\"{choice}\"');"
    )
    yield Camera(context.new_page(), url, language)
    context.close()


# -- what the pages show ---------------------------------------------------------------------------


def translation(language: str) -> Callable[[str], str]:
    """The texts of a language, for the names in the demo project."""
    path = ROOT / "locale" / language / "LC_MESSAGES" / "wafer.po"
    if not path.exists():
        return str
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled).gettext


def translate_names(project: Project, language: str) -> None:
    """Name the demo project and describe its classes in a language."""
    text = translation(language)
    project.rename(text(demo.TITLE))
    for c in project.classes():
        project.describe_class(c.slug, text(demo.DESCRIPTIONS[c.name]))


def work(project: Project, workflow: str, parameters: Mapping[str, Any]) -> None:
    """Run a job in this process, as the pages start it."""
    say(workflow)
    run_job(submit.create_job(project.path, workflow, parameters))


def run_everything(project: Project) -> None:
    """Two models, synthetic wafers of each method, and the two studies."""
    work(project, "augment", {"classes": [{"name": "Donut", "count": 100}]})
    small = {"config": {"network": "wafer_cnn", "epochs": 8}, "name": "Small network"}
    work(project, "train", small)
    made = [
        {"name": "Loc", "mode": "physics", "count": 60},
        {"name": "Scratch", "mode": "gan", "count": 120},
    ]
    for entry in made:
        work(project, "generate", {"classes": [entry]})
    work(project, "benefit", {"config": {"seeds": 3}})
    work(project, "learning_curve", {"class": "Scratch"})
    work(project, "train", demo.TRAINING)  # last, so that no model is out of date


def dropped_wafers() -> dict[str, bytes]:
    """Simulated wafers that the model has not seen, as files."""
    order = ("Edge-Ring", "none", "Center", "Edge-Loc", "none", "Loc", "Scratch", "Donut",
             "none", "Random", "Edge-Ring", "Loc")  # fmt: skip
    wafers = [simulator.simulate_many(pattern, 1, 4200 + k)[0] for k, pattern in enumerate(order)]
    return {f"wafer-{k:02d}.png": images.encode_png(wafer) for k, wafer in enumerate(wafers, 1)}


def folders_zip(patterns: tuple[str, ...], count: int, coloured: bool = False) -> bytes:
    """A zip with a folder of simulated wafers for each pattern.

    Args:
        patterns: Names of the folders.
        count: Wafers in each.
        coloured: Draw them as many fab programs do: white, green and red, several pixels a die.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, pattern in enumerate(patterns):
            for k, wafer in enumerate(simulator.simulate_many(pattern, count, 900 + number)):
                data = rendering(wafer) if coloured else images.encode_png(wafer)
                archive.writestr(f"wafers/{pattern}/{k:02d}.png", data)
    return stream.getvalue()


def rendering(wafer: images.Picture) -> bytes:
    """A coloured drawing of a wafer, as PNG."""
    colours = np.zeros((256, 3), np.uint8)
    colours[[images.NO_DIE, images.PASS, images.FAIL]] = ((255, 255, 255), (76, 175, 80),
                                                          (211, 47, 47))  # fmt: skip
    large = np.kron(colours[wafer], np.ones((6, 6, 1), np.uint8))
    stream = io.BytesIO()
    Image.fromarray(large).save(stream, "PNG")
    return stream.getvalue()


# -- the pictures of the documents -----------------------------------------------------------------


def documents(shot: Camera, project: str, out: Path) -> None:
    """All pictures that the documents show."""

    def take(name: str) -> None:
        say(f"{name}.png")
        shot.take(out / f"{name}.png")

    shot.open("", project)
    shot.click(shot.keyed("home_samples").locator(".item").nth(2))
    take("home")
    shot.open("Classes", project)
    shot.click(shot.page.locator(".row[data-drop-target=scratch]"))
    take("classes")
    shot.drop({"wafers.zip": folders_zip(("Edge-Ring", "Loc", "Scratch"), 6, coloured=True)})
    take("classes-import")
    shot.open("Augment", project)
    take("augment")
    shot.open("Generate", project)
    take("generate")
    shot.tab(1)
    take("generate-study")
    shot.open("Train", project)
    take("train")
    shot.tab(1, of=1)
    take("train-mistakes")
    shot.open("Predict", project)
    shot.drop(dropped_wafers())
    shot.click(shot.page.locator(f".row[title='{SCRATCH}']"))
    take("predict")
    shot.open("Predict", project)
    shot.drop({"wafers.zip": folders_zip(simulator.PATTERNS, 12)})
    take("predict-matrix")
    shot.open("Jobs", project)
    take("jobs")
    shot.open("Explore", project)
    box = shot.keyed("explore_class").locator("input")
    box.fill("Edge-Loc")
    box.press("Enter")
    shot.page.keyboard.press("Escape")
    shot.tab(2)
    take("explore")
    shot.open("Help", project)
    take("help")


def make_documents(language: str, theme: str, out: Path, kept: Path | None = None) -> None:
    """Make the pictures of one language.

    Args:
        language: Of the texts.
        theme: ``light`` or ``dark``.
        out: Folder of the pictures.
        kept: A workspace to keep; its project is used again if it has one.
    """
    with workspace_folder(kept) as home, running(home) as url, browser() as chromium:
        old = workspace.list_projects(home)
        project = Project.open(old[0].path) if old else demo.make_demo(home)
        translate_names(project, language)
        if not old:
            run_everything(project)
        with camera(chromium, url, language, theme) as shot:
            documents(shot, project.path.name, out)


# -- every page in every state, to look at ---------------------------------------------------------


def make_states(
    out: Path, languages: tuple[str, ...], themes: tuple[str, ...], height: int
) -> None:
    """Take every page in four states."""
    with workspace_folder() as home, running(home) as url, browser() as chromium:

        def take(state: str, project: str) -> None:
            for language in languages:
                for theme in themes:
                    with camera(chromium, url, language, theme, height) as shot:
                        pages_of(shot, project, out, f"{state}-{language}-{theme}")
                        if state == "run":
                            views_of(shot, project, out, f"{state}-{language}-{theme}")

        take("none", "")
        take("empty", workspace.create_project(home, "Empty").path.name)
        one = workspace.create_project(home, "One")
        wafer = simulator.simulate_many("Scratch", 1, 5)[0]
        pictures.add_originals(one, one.add_class("Scratch").slug, [pictures.NewPicture(wafer)])
        take("one", one.path.name)
        many = demo.make_demo(home)
        take("many", many.path.name)
        run_everything(many)
        take("run", many.path.name)


def pages_of(shot: Camera, project: str, out: Path, state: str) -> None:
    """Every page as it opens."""
    say(state)
    for page in PAGES:
        shot.open(page, project)
        shot.take(out / f"{(page or 'Home').lower()}-{state}.png")


def views_of(shot: Camera, project: str, out: Path, state: str) -> None:
    """The tabs of the pages that have some, and Predict with wafers."""
    views = {
        "Train": [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3), (1, 4)],
        "Generate": [(0, 1), (0, 2), (1, 1), (2, 1), (2, 2), (2, 3)],
    }
    for page, tabs in views.items():
        for row, number in tabs:
            shot.open(page, project)
            shot.tab(number, of=row)
            shot.take(out / f"{page.lower()}-{row}{number}-{state}.png")
    shot.open("Predict", project)
    shot.drop(dropped_wafers())
    shot.take(out / f"predict-wafers-{state}.png")
    shot.click(shot.keyed("predict_compare").locator("button").first)
    shot.take(out / f"predict-similar-{state}.png")


@contextmanager
def workspace_folder(kept: Path | None = None) -> Iterator[Path]:
    """An empty workspace, or the one to keep, which this process and the app use."""
    with tempfile.TemporaryDirectory(prefix="wafer-screenshots-") as folder:
        home = (kept or Path(folder) / "home").resolve()
        home.mkdir(parents=True, exist_ok=True)
        os.environ["WAFER_HOME"] = str(home)
        os.environ["WAFER_LOCKS"] = str(Path(folder) / "locks")
        yield home


def say(text: str) -> None:
    """Report progress."""
    sys.stderr.write(f"  {text}\n")


def main() -> None:
    """Read the options and make the pictures."""
    parser = argparse.ArgumentParser(description="Make the pictures of the documents.")
    parser.add_argument("--language", choices=LANGUAGES)
    parser.add_argument("--theme", choices=THEMES)
    parser.add_argument("--out", type=Path, help="folder of the pictures; default: docs/images")
    parser.add_argument(
        "--states", type=Path, metavar="FOLDER", help="take every page in four states instead"
    )
    parser.add_argument("--home", type=Path, help="a workspace to keep and to use again")
    parser.add_argument("--height", type=int, default=HEIGHT, help="of the window, for --states")
    args = parser.parse_args()
    if args.states is not None:
        languages = (args.language,) if args.language else LANGUAGES
        themes = (args.theme,) if args.theme else THEMES
        make_states(args.states, languages, themes, args.height)
        return
    language = args.language or "en"
    folder = ROOT / "docs" / "images"
    default = folder if language == "en" else folder / language
    make_documents(language, args.theme or "light", args.out or default, args.home)


if __name__ == "__main__":
    main()
