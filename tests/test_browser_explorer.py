"""The researcher's explorer in a real browser: every control is used, and the points, counts and charts follow."""

import re

import pytest
from conftest import SAMPLE
from serving import EXPLORE, get, running
from test_browser_board import SHOTS, SIZES, browser, overflow  # noqa: F401  (browser is a fixture)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def explorer():
    with running(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}", EXPLORE, folder=str(SAMPLE)) as server:
        yield server


@pytest.fixture
def visit(explorer, browser):  # noqa: F811
    contexts, troubles = [], []

    def go(size="wide", query="", scheme="light"):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, locale="sv-SE", color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: troubles.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(explorer.announced)  # the token becomes a cookie
        if query:
            page.goto(explorer.address + query)
        page.locator(".nba-points[data-drawn]").wait_for(timeout=60_000)
        return page

    yield go
    for context in contexts:
        context.close()
    assert troubles == []


def counts(page):
    cells = page.locator(".nba-counts tbody td:nth-of-type(1)").all_inner_texts()
    return [int(re.sub(r"\D", "", text)) for text in cells]


def after(page, act):
    """Do something and wait for what the kernel says to it."""
    views = page.locator(".nba-board").get_attribute("data-views")
    act()
    page.locator(f'.nba-board[aria-busy="false"]:not([data-views="{views}"])').wait_for()
    page.wait_for_timeout(400)


def test_the_page_is_behind_the_token_and_lists_nothing(explorer):
    assert get(explorer.address)[0] == 403
    assert get(f"{explorer.address}live/explorer")[0] == 403
    assert explorer.address.startswith("http://127.0.0.1:")


def test_the_slider_moves_the_counts_and_students_are_conserved(visit):
    page = visit()
    before = counts(page)
    page.get_by_label("Förändring som räknas som ingen").focus()
    after(page, lambda: [page.keyboard.press("ArrowRight") for _ in range(8)])
    page.wait_for_timeout(1500)
    moved = counts(page)
    assert moved[0] > before[0]
    assert moved[4:] == before[4:]
    assert sum(moved) == sum(before)
    assert page.locator(".nba-slide output").inner_text() == "0,8"
    assert "threshold=0.8" in page.locator(".nba-code code").inner_text()
    after(page, lambda: page.get_by_label("Ingen förändring räknas som").select_option("negative"))
    assert counts(page)[0] < moved[0]
    assert "threshold=0.8" in page.url


def test_a_box_is_dragged_and_flows_terms_table_and_code_follow(visit):
    page = visit()
    tables = page.locator(".nba-table table")
    before = tables.first.text_content()
    page.locator(".nba-points").scroll_into_view_if_needed()
    box = page.locator(".nba-points").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.9)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.55, steps=5)
    after(page, page.mouse.up)
    assert tables.first.text_content() != before
    assert page.locator(".nba-answer").inner_text() != "2 314 elever valda av 2 314 med känd grupp."
    assert re.search(r"start=\([\d.]+, [\d.]+\), end=", page.locator(".nba-code code").inner_text())
    assert page.locator(".nba-list tbody tr").count() > 5
    assert "box=" in page.url
    after(page, page.get_by_role("button", name="Ta bort rutan").click)
    assert tables.first.text_content() == before


def test_a_box_can_be_written_and_the_link_opens_it_again(visit):
    page = visit()
    after(page, lambda: (page.get_by_label("Årskurs 9, till").fill("9"), page.keyboard.press("Tab")))
    page.wait_for_timeout(600)
    told = page.locator(".nba-answer").inner_text()
    address = page.url
    again = visit(query=f"#{address.partition('#')[2]}")
    again.locator(".nba-answer", has_text=told).wait_for()
    assert again.get_by_label("Årskurs 9, till").input_value() == "9"


def test_two_cohorts_are_compared_side_by_side(visit):
    page = visit()
    after(page, lambda: page.get_by_label("Avgångsår").select_option("2018"))
    after(page, lambda: page.get_by_label("Jämför med").select_option("cohort:2019"))
    assert page.locator(".nba-counts tbody tr").first.locator("td").count() == 4
    assert counts(page)[4:] == [15, 23]
    titles = page.locator(".nba-explorer h2").all_inner_texts()
    assert sum("jämförelse" in title.lower() for title in titles) == 2
    if SHOTS:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / "explorer-compared.png", full_page=True)


def test_the_line_of_code_is_copied(visit):
    page = visit()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Kopiera").click()
    page.get_by_text("Kopierad").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator(".nba-code code").inner_text()


def test_english_by_the_switch(visit):
    page = visit()
    page.get_by_role("link", name="English").click()
    page.get_by_text("students chosen of").wait_for(timeout=60_000)
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_label("Compare with").is_visible()
    assert page.locator("h1:visible").inner_text() == "The explorer"


@pytest.mark.parametrize("size", SIZES)
def test_nothing_runs_over_the_edge(visit, size):
    page = visit(size)
    page.wait_for_timeout(800)
    assert overflow(page) <= 0
    if SHOTS:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"explorer-{size}.png", full_page=True)
