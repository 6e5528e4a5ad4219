"""Render docs/board.png, the picture in the README, from the dashboards as they are served.

Usage: ``python docs/screenshot.py [RELEASE]``; needs Playwright and Chromium.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

TARGET = Path(__file__).with_name("board.png")
START = "import sys; from nbanalytics.serve import serve; serve(sys.argv[1] if len(sys.argv) > 1 else None, port=0)"


def main() -> None:
    """Start the server, wait for every chart, take the picture."""
    chromium = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    command = [sys.executable, "-c", START, *sys.argv[1:2]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
        try:
            address = (server.stdout.readline() if server.stdout else "").strip()
            with sync_playwright() as player:
                browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1240, "height": 1560}, locale="sv-SE")
                page.goto(f"{address}board")
                page.wait_for_selector(".nba-section-subjects .nba-chart svg", timeout=60_000)
                page.wait_for_timeout(1500)
                page.screenshot(path=TARGET)
                browser.close()
        finally:
            server.send_signal(signal.SIGTERM)
    print(f"{TARGET}: {TARGET.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
