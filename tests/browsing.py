"""A real browser, and what tests ask of a page in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nbanalytics.export import Site, find_dashboards, open_verified
from nbanalytics.export.frame import FILE_POLICY

READY = '.nba-board[aria-busy="false"]'
CHARTS = 4
SIZES = {"wide": (1440, 900), "tablet": (768, 1024), "narrow": (360, 740)}


def chromium() -> str:
    """Where Chromium is; without one the tests are skipped on a developer's machine and fail in CI."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    message = "no Chromium on this machine: install the package chromium"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def browsing() -> Iterator[Any]:
    """Start the browser, and close it."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        opened = player.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


def site_of(release: Path, folder: Path, *more: str, only: str = "") -> str:
    """Write a release's site, or one page of it, with the views of one filter and some more; return its address."""
    dashboards = [entry for entry in find_dashboards() if only in ("", entry.slug)]
    site = Site(open_verified(release), dashboards, policy=FILE_POLICY)
    for address, asset in site.files():
        if not address.startswith("data/") or address.endswith(("/one.js", *more)):
            path = folder / address
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(asset.body)
    return f"{folder.as_uri()}/"


def wait_for_charts(page: Any) -> None:
    """Wait until every chart of the board is drawn."""
    page.wait_for_selector(READY, timeout=60_000)
    for chart in page.locator(".nba-chart").all():
        chart.locator(".main-svg").first.wait_for(timeout=30_000)
    assert page.locator(".nba-chart[data-drawn]").count() == CHARTS


#: Every chart was drawn as wide as there is room.
FITTED = """() => [...document.querySelectorAll('.nba-chart')]
  .every((node) => node._fullLayout?.width === node.clientWidth)"""
# Each chart that can be seen, and how often it was drawn; one that is drawn first after this is not waited for.
_NOTE = """() => {
  const charts = [...document.querySelectorAll('.nba-chart[data-drawn]')].filter((node) => node.clientWidth);
  window.drawnBefore = charts.map((node) => [node, node.dataset.drawn]);
}"""
_ANEW = "() => window.drawnBefore.every(([node, times]) => !node.isConnected || node.dataset.drawn !== times)"


def in_both_schemes(page: Any) -> Iterator[str]:
    """Look at a page in the colour scheme that it was opened in, and then in the other one."""
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    first, other = ("dark", "light") if dark else ("light", "dark")
    yield first
    page.evaluate(_NOTE)
    page.emulate_media(color_scheme=other)
    page.wait_for_function(_ANEW)
    yield other


def overflow(page: Any) -> int:
    """How far a page can be scrolled sideways, in pixels."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
