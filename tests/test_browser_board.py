"""The board's page in a real browser: every filter is used, and what is shown changes with it."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import CHARTS, FITTED, READY, SIZES, overflow, site_of, wait_for_address, wait_for_charts
from patience import PATIENCE, eventually
from releases import one_cohort, released, without_tables

pytestmark = pytest.mark.browser

START = "import sys; from nbanalytics.serve import serve; serve(*sys.argv[1:2], port=0)"
BOARDS = ["board", "live/board"]
SHOTS = Path(os.environ["NBANALYTICS_SHOTS"]) if "NBANALYTICS_SHOTS" in os.environ else None


@contextmanager
def serving(*arguments):
    with subprocess.Popen(
        [sys.executable, "-c", START, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    ) as run:
        yield run.stdout.readline().strip()
        run.send_signal(signal.SIGTERM)
        run.wait(timeout=PATIENCE)


@pytest.fixture(scope="module")
def server():
    """Address of a server as users start it; it makes the views ahead while visitors come."""
    with serving() as address:
        yield address


@pytest.fixture
def visit(server, browser):
    """Open a page at a size; at the end nothing may have been asked from outside and the console must be clean."""
    contexts, asked, troubles = [], [], []

    def go(path="", size="wide", at=server):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, locale="sv-SE")
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on(
            "console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(at + path)
        return page

    go.forgiven = ()
    yield go
    for context in contexts:
        context.close()
    own = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:", "file:")
    outside = [url for url in asked if not url.startswith(own)]
    assert outside == []
    assert [words for words in troubles if not any(forgiven in words for forgiven in go.forgiven)] == []


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


def test_the_gallery_leads_to_the_board(visit):
    page = visit()
    assert page.locator("html").get_attribute("lang") == "sv"
    page.get_by_role("link", name=re.compile("När tappar vi dem")).click()
    wait_for_charts(page)
    assert page.locator("h1").inner_text() == "När tappar vi dem?"
    assert page.locator("h1").count() == 1
    assert "behöriga i årskurs\u00a06" in page.locator(".nba-answer").inner_text()


@pytest.mark.parametrize("path", BOARDS)
def test_every_filter_changes_key_figures_and_charts(visit, path):
    page = visit(path)
    wait_for_charts(page)
    first = page.locator(".nba-section-groups .nba-chart")
    for label in ("Avgångsår", "Skola", "Kön", "Nyanländ"):
        before, drawn = shown(page), first.get_attribute("data-drawn")
        chosen = page.get_by_label(label)
        chosen.click()  # the list opens as for a person, and is then walked through by the keyboard
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.locator(f'.nba-board:not([data-views="{before[3]}"])').wait_for()
        page.locator(f'.nba-section-groups .nba-chart:not([data-drawn="{drawn}"])').wait_for()
        after = shown(page)
        assert chosen.input_value() != "*", label
        assert after[0] != before[0], label
        assert any(new != old for new, old in zip(after[2], before[2], strict=True)), label
        assert first.locator(".main-svg").first.is_visible()
        choose(page, label, index=0)


@pytest.mark.parametrize("path", BOARDS)
def test_charts_are_read_without_plotly_which_the_first_touch_brings(visit, path):
    page, asked = visit(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page.url + path)
    page.locator(".nba-chart[data-still]").nth(CHARTS - 1).wait_for()
    seen = page.locator(".nba-section-groups svg").text_content()
    page.emulate_media(color_scheme="dark")
    bar = page.locator('.nba-section-groups svg [fill="#d55e00"]')
    assert bar.evaluate("node => getComputedStyle(node).fill") == "rgb(255, 138, 61)"
    assert [url for url in asked if "plotly" in url] == []
    wait_for_charts(page)
    assert len([url for url in asked if "plotly" in url]) == 1
    assert page.locator(".nba-section-groups .main-svg").first.text_content()[:20] == seen[:20]
    assert page.locator(".nba-section-groups .nba-chart > svg").count() == 0


@pytest.mark.parametrize("path", BOARDS)
def test_an_undeclared_combination_is_told_and_can_be_undone(visit, path):
    page = visit(path)
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
        assert card.locator(".nba-source").inner_text()
        card.locator(".nba-table > summary").click()
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


CLIPPED = """() => [...document.querySelectorAll('.nba-chart')].flatMap((chart) => {
  const frame = chart.getBoundingClientRect();
  return [...chart.querySelectorAll('svg text')]
    .filter((text) => text.textContent.trim() && Number(getComputedStyle(text).fontSize.slice(0, -2)) > 2)
    .filter((text) => { const box = text.getBoundingClientRect();
      return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1); })
    .map((text) => text.textContent);
})"""


@pytest.mark.parametrize("path", ["", *BOARDS, "en/board", "baseline", "en/baseline"])
def test_nothing_runs_over_the_edge_and_no_text_of_a_chart_is_clipped(visit, path):
    page = visit(path)
    for size, (width, height) in {**SIZES, "smallest": (320, 640)}.items():
        page.set_viewport_size({"width": width, "height": height})
        if path:
            wait_for_charts(page)
            page.wait_for_function(FITTED)
        assert overflow(page) <= 0, size
        assert page.evaluate(CLIPPED) == [], size
        if SHOTS:
            SHOTS.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=SHOTS / f"{path.replace('/', '-') or 'gallery'}-{size}.png", full_page=True)


def where(page):
    return page.locator(".nba-where").inner_text()


def test_all_editions_show_the_same(visit, site):
    pages = [visit("board"), visit("live/board"), visit("board.html", at=site)]
    for page in pages:
        wait_for_charts(page)
        choose(page, "Kön", label="Flickor")
        choose(page, "Avgångsår", label="2018")
    tables = [
        page.evaluate("[...document.querySelectorAll('.nba-board table')].map((t) => t.innerText)") for page in pages
    ]
    assert tables[0] == tables[1] == tables[2]
    tiles = [page.locator(".nba-tiles").inner_text() for page in pages]
    assert tiles[0] == tiles[1] == tiles[2]


@pytest.mark.parametrize("edition", ["static", "live", "folder"])
def test_a_link_to_a_filtered_view_opens_it_and_the_back_button_goes_back(visit, site, edition):
    address = {"static": ("board",), "live": ("live/board",), "folder": ("board.html",)}[edition][0]
    at = {"at": site} if edition == "folder" else {}
    page = visit(f"{address}#cohort=2018&sex=girl", **at)
    page.wait_for_selector(READY)  # a chart whose cells are all hidden is not drawn
    assert "avgångsår 2018, alla skolor, flickor" in where(page)
    assert page.get_by_label("Kön").input_value() == "girl"
    assert page.locator(".nba-board").get_attribute("data-views") == "1"  # nothing else was drawn before
    choose(page, "Kön", label="Pojkar")
    assert page.url.endswith("#cohort=2018&sex=boy")
    views = page.locator(".nba-board").get_attribute("data-views")
    page.go_back()
    page.locator(f'.nba-board:not([data-views="{views}"])').wait_for()
    assert "flickor" in where(page)
    assert page.get_by_label("Kön").input_value() == "girl"


@pytest.mark.parametrize("path", BOARDS)
def test_a_filter_in_the_address_that_does_not_exist_is_told_safely(visit, path):
    page = visit(f"{path}#cohort=1899")
    wait_for_charts(page)
    address = page.url.partition("#")[0]
    for hash_ in ("cohort=1899", "colour=red&sex=girl", "sex=%E0%A4%A", "school=<img src=x onerror=alert(1)>"):
        page.goto(f"{address}#{hash_}")
        page.locator(".nba-stray:visible").wait_for()
        assert "inte finns i den här publiceringen" in page.locator(".nba-stray").inner_text()
        assert page.locator("img").count() == 0
        choose(page, "Kön", label="Pojkar")
        assert not page.locator(".nba-stray").is_visible()


def test_the_way_past_the_header_keeps_the_filters(visit):
    page = visit("board#sex=girl")
    wait_for_charts(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_for_address(page, "#innehall")
    page.evaluate("new Promise((done) => setTimeout(done, 100))")  # who listens to the address has had it by then
    assert page.get_by_label("Kön").input_value() == "girl"


def test_a_release_with_one_cohort_and_an_empty_one_are_shown_in_words(visit, tmp_path):
    one = site_of(released(tmp_path / "one", one_cohort), tmp_path / "site", only="board")
    page = visit("board.html", at=one)
    wait_for_charts(page)
    assert "2018" in where(page)
    empty = site_of(released(tmp_path / "empty", without_tables), tmp_path / "bare", only="board")
    page = visit("board.html", at=empty)
    page.get_by_role("alert").wait_for()
    assert "inga uppgifter" in page.get_by_role("alert").inner_text()
    assert not page.locator(".nba-filters").is_visible()  # there is nothing to choose among


def process_of(kernel):
    """Find the process that holds a kernel's sockets; they bear its id."""
    lines = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
    sockets = {f"socket:[{line.split()[6]}]" for line in lines if kernel in line}
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(entry) in sockets and entry.parts[2] != str(os.getpid()):
                return int(entry.parts[2])
        except OSError:  # the process ended meanwhile, or is another's
            continue
    return None


needs_proc = pytest.mark.skipif(not Path("/proc/net/unix").exists(), reason="needs /proc to see the processes")


def kernel_of(page):
    return page.locator("script[data-nba-kernel]").get_attribute("data-nba-kernel")


@needs_proc
def test_a_killed_kernel_is_replaced_when_a_view_is_asked_for(visit):
    visit.forgiven = ("404",)  # a farewell to a kernel that is gone
    page = visit("live/board")
    wait_for_charts(page)
    choose(page, "Kön", label="Flickor")
    os.kill(process_of(kernel_of(page)), signal.SIGKILL)
    choose(page, "Kön", label="Pojkar")
    assert "pojkar" in where(page)
    assert not page.locator(".nba-problem").is_visible()


@needs_proc
def test_a_closed_tab_leaves_no_kernel_behind(visit):
    page = visit("live/board")
    wait_for_charts(page)
    kernel = kernel_of(page)
    assert process_of(kernel)
    page.goto("about:blank")
    assert eventually(lambda: process_of(kernel) is None)
