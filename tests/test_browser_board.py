"""The board's page in a real browser: every filter is used, and what is shown changes with it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

CHARTS = 4
READY = '.nba-board[aria-busy="false"]'
START = "from nbanalytics.serve import serve; serve(port=0)"
SIZES = {"wide": (1440, 900), "tablet": (768, 1024), "narrow": (360, 740)}
SHOTS = Path(os.environ["NBANALYTICS_SHOTS"]) if "NBANALYTICS_SHOTS" in os.environ else None


def chromium():
    """Where Chromium is; without one the tests are skipped on a developer's machine and fail in CI."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    message = "no Chromium on this machine: install the package chromium"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def server():
    with subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        opened = player.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(server, browser):
    """Open a page at a size; at the end nothing may have been asked from outside and the console must be clean."""
    contexts, asked, troubles = [], [], []

    def go(path="", size="wide"):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, locale="sv-SE")
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on(
            "console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(server + path)
        return page

    yield go
    for context in contexts:
        context.close()
    outside = [url for url in asked if not url.startswith((server, "data:", "blob:", server.replace("http", "ws")))]
    assert outside == []
    assert troubles == []


def wait_for_charts(page):
    page.wait_for_selector(READY, timeout=60_000)
    for chart in page.locator(".nba-chart").all():
        chart.locator(".main-svg").first.wait_for(timeout=30_000)
    assert page.locator(".nba-chart[data-drawn]").count() == CHARTS


def shown(page):
    """What a reader sees (key figures, answer, the marks of each chart), and how many views there have been."""
    marks = [page.locator(".nba-chart").nth(i).evaluate("node => JSON.stringify(node.data)") for i in range(CHARTS)]
    views = page.locator(".nba-board").get_attribute("data-views")
    return page.locator(".nba-tiles").inner_text(), page.locator(".nba-answer").inner_text(), marks, views


def choose(page, name, **option):
    """Choose in a filter and wait until the new view is there."""
    views = page.locator(".nba-board").get_attribute("data-views")
    page.get_by_label(name).select_option(**option)
    page.locator(f'.nba-board:not([data-views="{views}"])').wait_for()


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_the_gallery_leads_to_the_board(visit):
    page = visit()
    assert page.locator("html").get_attribute("lang") == "sv"
    page.get_by_role("link", name=re.compile("När tappar vi dem")).click()
    wait_for_charts(page)
    assert page.locator("h1").inner_text() == "När tappar vi dem?"
    assert page.locator("h1").count() == 1
    assert "behöriga i årskurs 6" in page.locator(".nba-answer").inner_text()


@pytest.mark.parametrize("label", ["Avgångsår", "Skola", "Kön", "Nyanländ"])
def test_every_filter_changes_key_figures_and_charts(visit, label):
    page = visit("board")
    wait_for_charts(page)
    before = shown(page)
    chosen = page.get_by_label(label)
    chosen.click()  # the list opens as for a person, and is then walked through by the keyboard
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(f'.nba-board:not([data-views="{before[3]}"])').wait_for()
    page.wait_for_timeout(800)
    after = shown(page)
    assert chosen.input_value() != "*"
    assert after[0] != before[0]
    assert any(new != old for new, old in zip(after[2], before[2], strict=True))
    assert page.locator(".nba-chart .main-svg").first.is_visible()


def test_an_undeclared_combination_is_told_and_can_be_undone(visit):
    page = visit("board")
    wait_for_charts(page)
    for label, rank in (("Avgångsår", 1), ("Skola", 1), ("Kön", 1)):
        choose(page, label, index=rank)
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "inte publicerad" in alert.inner_text()
    assert not page.locator(".nba-tiles").is_visible()
    alert.get_by_role("button", name=re.compile("Ta bort skola")).click()
    page.locator(".nba-tiles").wait_for()
    assert page.get_by_label("Skola").input_value() == "*"


def test_every_chart_has_a_name_a_table_and_a_line_on_what_is_hidden(visit):
    page = visit("board")
    wait_for_charts(page)
    for card in page.locator("section[class*=nba-section]").all():
        chart = card.locator("[role=img]")
        assert len(chart.get_attribute("aria-label")) > 40
        assert card.locator(".nba-hidden").inner_text()
        card.locator("summary").click()
        assert card.locator("table").is_visible()
        assert card.locator("tbody tr").count() > 0
    assert page.get_by_role("heading", name="Så kan resultatet tolkas").is_visible()


def test_the_filters_can_be_used_by_the_keyboard(visit):
    page = visit("board")
    wait_for_charts(page)
    page.get_by_label("Avgångsår").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "school"
    page.keyboard.press("ArrowDown")
    page.locator('.nba-board[data-views="2"]').wait_for()
    assert page.get_by_label("Skola").input_value() != "*"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["", "board"])
def test_nothing_runs_over_the_edge(visit, path, size):
    page = visit(path, size)
    if path:
        wait_for_charts(page)
        page.locator(".nba-filters").scroll_into_view_if_needed()
    assert overflow(page) <= 0
    if SHOTS:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(1000)
        page.screenshot(path=SHOTS / f"{path or 'gallery'}-{size}.png", full_page=True)


def test_no_text_of_a_chart_is_clipped(visit):
    for size in SIZES:
        page = visit("board", size)
        wait_for_charts(page)
        page.wait_for_timeout(800)
        clipped = page.evaluate(
            """() => [...document.querySelectorAll('.nba-chart')].flatMap((chart) => {
                const frame = chart.getBoundingClientRect();
                return [...chart.querySelectorAll('svg text')]
                  .filter((text) => text.textContent.trim() && Number(getComputedStyle(text).fontSize.slice(0, -2)) > 2)
                  .filter((text) => { const box = text.getBoundingClientRect();
                    return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1); })
                  .map((text) => text.textContent);
            })"""
        )
        assert clipped == [], size


def running(kernel):
    """Whether a process of this kernel is still there; its connection file bears the kernel's id."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if kernel in entry.read_text(errors="replace"):
                return True
        except OSError:  # the process ended meanwhile
            continue
    return False


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to see the processes")
def test_a_closed_tab_leaves_no_kernel_behind(visit):
    page = visit("board")
    wait_for_charts(page)
    kernel = page.locator("script[data-nba-kernel]").get_attribute("data-nba-kernel")
    assert running(kernel)
    page.goto("about:blank")
    for _ in range(100):
        if not running(kernel):
            return
        page.wait_for_timeout(200)
    pytest.fail("the kernel of a closed page still runs")
