"""Speed of the pages in a real browser, with 10,000 pictures in the project.

    python -m benchmarks.speed.page_speed [--pictures 10000] [--rounds 10]

Creates a project of simulated wafers in a temporary workspace, starts the server, and measures the
time to the first page, then of page changes: from the click until the new heading is shown, and
until the script has ended and the page is complete. Needs requirements-dev.txt and chromium
(Debian: apt-get install chromium).
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks.machine import describe_machine, write_results
from benchmarks.tables import number, table
from wafer_core import simulator
from wafer_core.data import pictures, workspace

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("1 · Classes", "2 · Augment", "3 · Generate", "4 · Train", "5 · Predict", "Jobs")
LIMIT_SECONDS, FIRST_LIMIT_SECONDS = 0.300, 5.0
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-sync", "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
# Clicks a link and watches the page frame by frame, so that the time of the driver does not count.
CHANGE = """([link, title]) => new Promise(done => {
  const links = [...document.querySelectorAll('section[data-testid=stSidebar] a')];
  const start = performance.now();
  let shown;
  links.find(a => a.textContent.trim().endsWith(link)).click();
  const look = () => {
    const heading = document.querySelector('h1');
    const app = document.querySelector('[data-testid=stApp]');
    const ended = app.getAttribute('data-test-script-state') === 'notRunning';
    if (heading && heading.textContent.trim() === title) shown ??= performance.now() - start;
    if (shown !== undefined && ended) done([shown, performance.now() - start]);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""
# Streamlit marks on its root element whether the script of the page has ended.
ENDED = "[data-testid=stApp][data-test-script-state=notRunning]"


def make_project(home: Path, count: int) -> str:
    """A project of ``count`` simulated wafers; returns its folder's name."""
    project = workspace.create_project(home, "Speed")
    with pictures.Staging(project) as staging:
        for number, pattern in enumerate(simulator.PATTERNS):
            share = count // 9 + (number < count % 9)
            for index, wafer in enumerate(simulator.simulate_many(pattern, share, number)):
                staging.add(pattern, pictures.NewPicture(wafer, f"{pattern}-{index}"))
        staging.commit()
    return project.path.name


def start_server(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the app on a free port; returns its process and address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    environment = {**os.environ, "WAFER_HOME": str(home)}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return process, f"http://127.0.0.1:{port}"


def wait_for_port(address: str) -> None:
    """Wait until the server accepts connections."""
    host, port = address.removeprefix("http://").split(":")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"{address} did not answer")


def change_page(page: Page, link: str) -> tuple[float, float]:
    """Seconds from a click until the heading of the new page is shown, and until it is complete."""
    page.locator("section[data-testid=stSidebar]").get_by_text(link, exact=True).wait_for()
    shown, ended = page.evaluate(CHANGE, [link, link.split("· ")[-1]])
    return shown / 1000, ended / 1000


def measure(home: Path, folder: str, rounds: int) -> dict[str, Any]:
    """Times of the first page and of page changes; the browser is already open."""
    chromium = os.environ.get("WAFER_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        server, address = start_server(home)
        try:
            wait_for_port(address)
            opened = time.perf_counter()
            page.goto(f"{address}/?project={folder}")
            page.get_by_role("heading", level=1).wait_for()
            page.locator(ENDED).wait_for()
            first = time.perf_counter()
            times: dict[str, list[tuple[float, float]]] = {name: [] for name in PAGES}
            for number in range(rounds + 1):
                for link in PAGES:
                    seconds = change_page(page, link)
                    if number:  # the first round warms the caches
                        times[link].append(seconds)
                    page.wait_for_timeout(300)
        finally:
            server.kill()
            server.wait()
            browser.close()
    shown = sorted(t[0] for each in times.values() for t in each)
    ended = sorted(t[1] for each in times.values() for t in each)
    at95 = int(0.95 * (len(ended) - 1))
    return {
        "server_start_to_first_page_seconds": round(first - start, 3),
        "browser_open_to_first_page_seconds": round(first - opened, 3),
        "heading_median_seconds": round(statistics.median(shown), 3),
        "heading_p95_seconds": round(shown[at95], 3),
        "page_change_median_seconds": round(statistics.median(ended), 3),
        "page_change_p95_seconds": round(ended[at95], 3),
        "page_change_slowest_seconds": round(ended[-1], 3),
        "changes": len(ended),
        "median_by_page_seconds": {
            n: round(statistics.median(t[1] for t in each), 3) for n, each in times.items()
        },
        "limits_seconds": {"first_page": FIRST_LIMIT_SECONDS, "page_change_p95": LIMIT_SECONDS},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        folder = make_project(Path(home), arguments.pictures)
        row = {"pictures": arguments.pictures, **measure(Path(home), folder, arguments.rounds)}
    lines = [
        f"# Pages in a browser with {arguments.pictures:,} pictures, on {describe_machine()}",
        "",
        *table(
            ["time", "seconds", "limit"],
            [
                ["server start to first page", number(row["server_start_to_first_page_seconds"], 2),
                 FIRST_LIMIT_SECONDS],
                ["heading of a new page, median", number(row["heading_median_seconds"]), ""],
                [f"heading, 95th percentile of {row['changes']}",
                 number(row["heading_p95_seconds"]), LIMIT_SECONDS],
                ["complete page, median", number(row["page_change_median_seconds"]), ""],
                ["complete page, 95th percentile", number(row["page_change_p95_seconds"]),
                 LIMIT_SECONDS],
                *([f"complete {name}, median", number(seconds), ""]
                  for name, seconds in row["median_by_page_seconds"].items()),
            ],
        ),
    ]  # fmt: skip
    print("\n".join(lines))
    write_results("page_speed", [row], "\n".join(lines))
    return int(row["page_change_p95_seconds"] > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
