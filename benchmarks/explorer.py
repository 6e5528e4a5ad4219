"""How long the explorer takes for a change with 10,000 students, from the key or pointer to the new points and charts.

Run: python benchmarks/explorer.py [--students 10000] [--changes 15]
A synthetic municipality of about that many students is written to a temporary folder. Told are medians and the slowest
in headless Chromium, for a step of the slider, another box and another school: until points and counts are new (target
150 ms), and until the charts that follow are. Needs Playwright.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TARGET = 150
START = "import sys; from nbanalytics.serve.explore import explore; explore(sys.argv[1], port=0)"
# The page counts its views; the time is taken in it, when the charts have been drawn and the points painted.
CLOCK = """
window.changed = () => new Promise((done) => {
  const board = document.querySelector(".nba-board");
  const [start, times] = [performance.now(), []];
  const watch = new MutationObserver(() => {
    const whole = board.getAttribute("aria-busy") === "false";
    if (whole) watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => {
      times.push(performance.now() - start);
      if (whole) done([times[0], times.at(-1)]);
    }));
  });
  watch.observe(board, { attributes: true, attributeFilter: ["data-views"] });
});
"""
CHANGES = {
    "slider": """(rank) => { const slider = document.querySelector("#nba-threshold");
        const taken = window.changed();
        slider.value = 0.1 + 0.1 * rank; slider.dispatchEvent(new Event("input")); return taken; }""",
    "box": """(rank) => { const fields = [...document.querySelectorAll(".nba-box input")];
        fields.forEach((field, at) => { field.value = [5, 12 + rank / 2, 0, 11][at]; });
        const taken = window.changed();
        fields[3].dispatchEvent(new Event("change")); return taken; }""",
    "school": """(rank) => { const list = document.querySelector("#nba-filter-school");
        const taken = window.changed();
        list.selectedIndex = (list.selectedIndex + 1) % list.options.length;
        list.dispatchEvent(new Event("change")); return taken; }""",
}


def records(folder: Path, wanted: int) -> int:
    """Write five cohorts of synthetic students, in all about as many as wanted."""
    from nbanalytics.readers import write_records
    from nbanalytics.simulate import simulate

    made = simulate(seed=1, cohorts=range(2018, 2023), students_per_cohort=wanted // 5, schools=12).records
    write_records(made, folder)
    return len(made.students)


def measure(page: Any, change: str, times: int) -> list[list[float]]:
    found = []
    for rank in range(times):
        found.append(page.evaluate(change, rank))
        page.wait_for_timeout(250)
    return found


def visit(address: str, times: int, tell: Callable[[str, list[list[float]]], None]) -> None:
    from playwright.sync_api import sync_playwright

    chromium = next(
        found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))
    )
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="sv-SE")
        page.add_init_script(CLOCK)
        page.goto(address)
        page.locator(".nba-points[data-drawn]").wait_for(timeout=120_000)
        page.wait_for_timeout(10_000)  # another kernel is heated in the place of the one used
        for name, change in CHANGES.items():
            tell(name, measure(page, change, times))
        browser.close()


def told(name: str, times: list[list[float]]) -> None:
    points, charts = zip(*times, strict=True)
    median = statistics.median(points)
    met = "met" if median < TARGET else "MISSED"
    after = statistics.median(charts)
    print(f"{name:8} points {median:5.0f} ms {met}, slowest {max(points):5.0f}; charts {after:5.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=15)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "records"
        print(f"{records(folder, args.students)} students", flush=True)
        command = [sys.executable, "-u", "-c", START, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            time.sleep(5)  # kernels are heated
            try:
                visit(address, args.changes, told)
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
