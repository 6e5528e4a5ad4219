"""How long the explorer takes for a change with 10,000 points, from the key or pointer to what is drawn.

Run: python benchmarks/explorer.py [--students 10000] [--changes 15]
A synthetic municipality is written to a temporary folder, with so many students that about as many as asked for have a
point. In headless Chromium each control is used so many times: a step of the slider, another number of passes, another
box, another school, another cohort, and one compared with. Prints the median and the 90th percentile, in
milliseconds, until the new points and counts are on the screen (target: 150), and until the charts, the table and the
line of code that the kernel answers with are. Charts that stay as they are, as when the slider moves, are not drawn
anew. Needs Playwright.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TARGET = 150
SEEN = 0.86  # share of simulated students with grades in both years
START = "import sys; from nbanalytics.serve.explore import explore; explore(sys.argv[1], port=0)"
# The page counts what it draws: points as they are painted, views as the kernel's answer has been shown. After either,
# the next frame is waited for.
CLOCK = """
window.changed = (act) => new Promise((done) => {
  const [board, points] = [document.querySelector(".nba-board"), document.querySelector(".nba-points")];
  const start = performance.now();
  const times = {};
  const note = (name) => requestAnimationFrame(() => setTimeout(() => {
    times[name] ??= performance.now() - start;
    if (times.points && times.charts) done([times.points, times.charts]);
  }));
  const seen = (node, attribute, name) => {
    const watch = new MutationObserver(() => { watch.disconnect(); note(name); });
    watch.observe(node, { attributes: true, attributeFilter: [attribute] });
  };
  seen(points, "data-drawn", "points");
  seen(board, "data-views", "charts");
  act();
});
"""
TURN = """(rank) => window.changed(() => { const list = document.querySelector("#nba-filter-%s");
        list.selectedIndex = (list.selectedIndex + 1) %% list.options.length;
        list.dispatchEvent(new Event("change")); })"""
CHANGES = {
    "slider": """(rank) => window.changed(() => { const slider = document.querySelector("#nba-threshold");
        slider.value = 0.1 + 0.1 * rank; slider.dispatchEvent(new Event("input")); })""",
    "passes": """(rank) => window.changed(() => { const slider = document.querySelector("#nba-passes");
        slider.value = 10 + rank % 7; slider.dispatchEvent(new Event("input")); })""",
    "box": """(rank) => window.changed(() => { const fields = [...document.querySelectorAll(".nba-box input")];
        fields.forEach((field, at) => { field.value = [5, 12 + rank / 2, 0, 11][at]; });
        fields[3].dispatchEvent(new Event("change")); })""",
    "school": TURN % "school",
    "cohort": TURN % "cohort",
    "other": TURN % "other",
}
# Before the next control is used the one before is put back, so that every change is one of all students.
RESET = """() => { location.hash = "x="; }"""


def records(folder: Path, wanted: int) -> None:
    """Write five cohorts of synthetic students, in all about as many with a point as wanted."""
    from nbanalytics.readers import write_records
    from nbanalytics.simulation import simulate

    made = simulate(seed=1, cohorts=range(2018, 2023), students_per_cohort=round(wanted / SEEN / 5), schools=12)
    write_records(made.records, folder)


def measure(page: Any, change: str, times: int) -> list[list[float]]:
    found = []
    for rank in range(times + 1):
        found.append(page.evaluate(change, rank))
        page.wait_for_timeout(250)
    return found[1:]  # the first of its kind is not yet compiled


def visit(address: str, times: int) -> None:
    from playwright.sync_api import sync_playwright

    chromium = next(
        found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))
    )
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="sv-SE")
        page.add_init_script(CLOCK)
        page.goto(address, timeout=600_000)
        page.locator(".nba-points[data-drawn]").wait_for(timeout=120_000)
        print(f"{page.locator('.nba-answer').inner_text()} Load of this machine: {os.getloadavg()[0]:.1f}", flush=True)
        page.wait_for_timeout(10_000)  # another kernel is heated in the place of the one used
        for name, change in CHANGES.items():
            tell(name, measure(page, change, times))
            page.evaluate(RESET)
            page.wait_for_timeout(1_000)
        browser.close()


def tell(name: str, times: list[list[float]]) -> None:
    words = []
    for what, taken in zip(("points and counts", "charts"), zip(*times, strict=True), strict=True):
        middle, high = statistics.median(taken), statistics.quantiles(taken, n=10)[-1]
        met = "met" if middle < TARGET else "NOT MET"
        words.append(f"{what} {middle:4.0f} ms, p90 {high:4.0f}, {met}")
    print(f"{name:8} {'; '.join(words)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=15)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "records"
        records(folder, args.students)
        command = [sys.executable, "-u", "-c", START, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            try:
                visit(address, args.changes)
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
