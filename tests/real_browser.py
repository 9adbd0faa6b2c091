"""The app as a process of its own, used with a real browser."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api

from browsing import APP
from wafer_core import jobs

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "chrome",
    "msedge",
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LONG = 60_000  # milliseconds: what trains or starts a process, on a busy machine


def find_browser() -> str:
    """A browser of Chromium's family; without one the test is skipped, or fails where CI is set."""
    named = os.environ.get("WAFER_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found and Path(found).exists():
        return found
    sentence = (
        f"No browser found{f' at {named}' if named else ''}; install chromium "
        "(Debian: apt-get install chromium), or name one in WAFER_CHROMIUM."
    )
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


class Server:
    """The app as a process of its own, on a free port of this machine."""

    def __init__(self, home: Path, log: Path) -> None:
        self.home, self.log = home, log
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.address",
                   "127.0.0.1", "--server.port", str(self.port)]  # fmt: skip
        environment = {
            **os.environ,
            "WAFER_HOME": str(self.home),
            "WAFER_LOCKS": str(self.home.parent / "locks"),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=APP.parent, stdout=log, stderr=log, env=environment
            )
        wait_for(self.answers, 40, f"the server did not start; see {self.log}")

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(home: Path, log: Path) -> Iterator[Server]:
    """A running app; jobs that still run are ended afterwards.

    Args:
        home: The workspace.
        log: What the server prints; a traceback in it fails.
    """
    find_browser()
    server = Server(home, log)
    server.start()
    try:
        yield server
    finally:
        server.kill()
        for state in jobs.list_jobs(home):
            if state.is_active:
                jobs.kill(state.folder)
    assert "Traceback" not in log.read_text("utf-8", "replace")


@contextmanager
def tab(chromium: sync_api.Browser, **options: Any) -> Iterator[sync_api.Page]:
    """A tab of the size at which everything that matters must be above the fold.

    Args:
        chromium: The browser.
        options: Of the context, such as ``locale`` or ``color_scheme``.
    """
    context = chromium.new_context(
        **{"viewport": {"width": 1280, "height": 800}, "accept_downloads": True, **options}
    )
    context.set_default_timeout(20_000)
    opened = context.new_page()
    defects: list[str] = []
    opened.on("pageerror", lambda error: defects.append(str(error)))
    yield opened
    context.close()
    assert defects == []  # of scripts in the page


def wait_for(happened: Callable[[], object], seconds: float, otherwise: str) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, otherwise
        time.sleep(0.1)


def expect(found: sync_api.Locator, timeout: float = 20_000) -> None:
    """Wait until it is seen; an exception on the page fails at once."""
    page = found.page
    either = found.or_(page.get_by_test_id("stException"))
    sync_api.expect(either.first).to_be_visible(timeout=timeout)
    no_exception(page)


def no_exception(page: sync_api.Page) -> None:
    """Nothing may have been raised."""
    assert page.get_by_test_id("stException").all_inner_texts() == []


def title(page: sync_api.Page, text: str) -> sync_api.Locator:
    """The heading of the page."""
    return page.get_by_test_id("stMain").get_by_role("heading", name=text, exact=True)


def go(page: sync_api.Page, step: str) -> None:
    """Follow a link of the side bar."""
    page.get_by_test_id("stSidebar").get_by_role("link", name=step).click()
    expect(title(page, step))


def transfer(page: sync_api.Page, files: Mapping[str, bytes]) -> sync_api.JSHandle:
    """Files as the mouse or the clipboard hands them over."""
    script = """(files) => {
        const transfer = new DataTransfer();
        for (const [name, text] of files) {
            const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
            const type = name.endsWith(".png") ? "image/png" : "";
            transfer.items.add(new File([bytes], name, {type}));
        }
        return transfer;
    }"""
    encoded = [[name, base64.b64encode(data).decode()] for name, data in files.items()]
    return page.evaluate_handle(script, encoded)


def drop(page: sync_api.Page, number: int, name: str, data: bytes) -> None:
    """Drop a file onto one of the page's boxes, as the mouse would."""
    box = page.get_by_test_id("stFileUploaderDropzone").nth(number)
    expect(box)
    box.dispatch_event("drop", {"dataTransfer": transfer(page, {name: data})})


def drop_anywhere(page: sync_api.Page, files: Mapping[str, bytes]) -> None:
    """Drop files onto the page itself, where its drop zone listens."""
    expect(page.get_by_role("button", name="Browse files"))
    page.locator("body").dispatch_event("drop", {"dataTransfer": transfer(page, files)})
