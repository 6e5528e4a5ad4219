"""A real browser, and what tests ask of a page in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from patience import PATIENCE

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
        opened = player.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=PATIENCE * 1000)
        plain = opened.new_context
        opened.new_context = lambda **look: _patient(plain(**look))
        yield opened
        opened.close()


# A page tells its reader after some seconds that no answer came, and asks another kernel; a test waits longer.
_UNHURRIED = """(() => { const clock = window.setTimeout;
  window.setTimeout = (act, wait, ...rest) => clock(act, wait >= 10_000 ? wait * 20 : wait, ...rest); })()"""


def _patient(context: Any) -> Any:
    """Give everything that is waited for in a context as long as a busy machine needs."""
    context.set_default_timeout(PATIENCE * 1000)
    context.add_init_script(_UNHURRIED)
    return context


#: Chromium drops the eleventh download of a page within a second, without an error.
BURST = 10
_saved: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def saved(page: Any, button: Any) -> bytes:
    """Click what saves a file, and return the file; a full burst of downloads is waited out."""
    _saved[page] = _saved.get(page, 0) + 1
    if _saved[page] > BURST:
        page.wait_for_timeout(1100)
        _saved[page] = 1
    with page.expect_download() as download:
        button.click()
    return Path(download.value.path()).read_bytes()


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
    """Wait until every chart of the board is drawn by Plotly, which the first touch of one loads."""
    page.wait_for_selector(READY)
    page.locator(".nba-chart").first.dispatch_event("pointerover")
    page.locator(".nba-chart[data-drawn]").nth(CHARTS - 1).wait_for()
    page.wait_for_function(FITTED)
    assert page.locator(".nba-chart").count() == CHARTS


#: Every chart that can be seen was drawn, as wide as there is room; what is written last is looked at.
FITTED = """() => [...document.querySelectorAll('.nba-chart')].filter((node) => node.clientWidth).every((node) => {
  const drawings = [...node.querySelectorAll('.main-svg')];
  return node.dataset.drawn && drawings.length && node._fullLayout?.width === node.clientWidth
    && drawings.every((svg) => svg.getAttribute('viewBox')?.split(' ')[2] === String(node.clientWidth));
})"""
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


def wait_for_address(page: Any, part: str) -> None:
    """Wait until a page's address holds something; a page writes it some time after a choice."""
    page.wait_for_function("part => location.href.includes(part)", arg=part)


def overflow(page: Any) -> int:
    """How far a page can be scrolled sideways, in pixels."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
