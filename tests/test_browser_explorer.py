"""The researcher's explorer in a real browser: every control is used, and the points, counts and charts follow."""

import os
import re
import signal

import pytest
from browsing import FITTED, SIZES, in_both_schemes, overflow, saved, wait_for_address
from conftest import SAMPLE
from serving import EXPLORE, admit, get, running
from test_accessibility import FAINT, axe, opened, strange
from test_browser_board import SHOTS, needs_proc, process_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def explorer():
    with running(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}", EXPLORE, folder=str(SAMPLE)) as server:
        yield server


@pytest.fixture
def visit(explorer, browser):
    contexts, troubles = [], []

    def go(size="wide", query="", scheme="light"):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, locale="sv-SE", color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: troubles.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        if query:
            admit(context, explorer)
            page.goto(explorer.address + query)
        else:
            page.goto(explorer.announced)  # the token becomes a cookie
        page.locator(".nba-points[data-drawn]").wait_for()
        return page

    yield go
    for context in contexts:
        context.close()
    assert [text for text in troubles if "404" not in text] == []  # a farewell to a kernel that is gone


def counts(page):
    cells = page.locator(".nba-counts tbody td:nth-of-type(1)").all_inner_texts()
    return [int(re.sub(r"\D", "", text)) for text in cells]


def after(page, act):
    """Do something and wait for what the kernel says to it."""
    views = page.locator(".nba-board").get_attribute("data-views")
    act()
    page.locator(f'.nba-board[aria-busy="false"]:not([data-views="{views}"])').wait_for()


def test_the_page_is_behind_the_token_and_lists_nothing(explorer):
    assert get(explorer.address)[0] == 403
    assert get(f"{explorer.address}live/explorer")[0] == 403
    assert explorer.address.startswith("http://127.0.0.1:")
    kept = get(explorer.announced)[1]["Set-Cookie"].partition(";")[0]
    for known in ({}, {"Cookie": kept}):
        page = get(f"{explorer.address}nothing", **known)[2]
        assert "<span>Utforskaren: årskurs 6 mot årskurs 9</span>" in page
        assert "översikter" not in page


def test_an_address_that_names_what_there_is_not_is_told_and_nothing_else_is_chosen(visit):
    page = visit(query="#cohort=1899&threshold=9.9&passes=99")
    page.locator(".nba-stray", has_text="inte finns i uppgifterna").wait_for()
    assert "rule" not in page.locator(".nba-code code").inner_text()
    after(page, lambda: page.get_by_label("Avgångsår").select_option("2018"))
    assert page.locator(".nba-stray:visible").count() == 0


def test_the_slider_moves_the_counts_and_students_are_conserved(visit):
    page = visit()
    before = counts(page)
    page.get_by_label("Förändring som räknas som ingen").focus()
    after(page, lambda: [page.keyboard.press("ArrowRight") for _ in range(8)])
    moved = counts(page)
    assert moved[0] > before[0]
    assert moved[4:] == before[4:]
    assert sum(moved) == sum(before)
    assert page.locator("output[for=nba-threshold]").inner_text() == "0,8"
    assert "threshold=0.8" in page.locator(".nba-code code").inner_text()
    after(page, lambda: page.get_by_label("Ingen förändring räknas som").select_option("negative"))
    assert counts(page)[0] < moved[0]
    wait_for_address(page, "threshold=0.8")


def test_a_point_says_what_it_stands_for(visit):
    page = visit(query="#cohort=2018&school=S1")
    place = page.evaluate(
        """() => { const canvas = document.querySelector('.nba-points'), pen = canvas.getContext('2d');
          const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
          for (let y = 0; y < canvas.height; y += 1) for (let x = 0; x < canvas.width; x += 1) {
            const [r, g, b] = data.slice(4 * (y * canvas.width + x));
            if (Math.max(r, g, b) - Math.min(r, g, b) > 120) return [x / devicePixelRatio, y / devicePixelRatio];
          } }"""
    )
    page.locator(".nba-points").hover(position={"x": place[0], "y": place[1]})
    said = page.locator(".nba-tip:visible").inner_text()
    assert re.match(r"[1-6]\. .+\nMedelbetygspoäng i årskurs 6: [\d,]+\nMedelbetygspoäng i årskurs 9: [\d,]+", said)
    page.locator("h1, .nba-answer").first.hover()
    assert page.locator(".nba-tip:visible").count() == 0


def rows(page):
    return page.locator(".nba-counts tbody tr").all_inner_texts()


def test_counts_that_follow_the_pointer_are_those_of_the_kernel(visit):
    """The page counts ahead of the kernel's answer; each control is used, and the two must agree to the letter."""
    page = visit()
    before = rows(page)
    for act in (
        """() => { const slider = document.querySelector("#nba-threshold"); slider.value = 1.3;
            slider.dispatchEvent(new Event("input")); }""",
        """() => { const list = document.querySelector("#nba-no-change"); list.value = "negative";
            list.dispatchEvent(new Event("change")); }""",
        """() => { const slider = document.querySelector("#nba-passes"); slider.value = 13;
            slider.dispatchEvent(new Event("input")); }""",
        """() => document.querySelector("#nba-required-1").click()""",
        """() => { const list = document.querySelector("#nba-filter-school"); list.selectedIndex = 2;
            list.dispatchEvent(new Event("change")); }""",
        """() => { const list = document.querySelector("#nba-filter-other"); list.value = "school:S1";
            list.dispatchEvent(new Event("change")); }""",
        """() => { const list = document.querySelector("#nba-filter-sex"); list.selectedIndex = 1;
            list.dispatchEvent(new Event("change")); }""",
        """() => { const list = document.querySelector("#nba-filter-cohort"); list.selectedIndex = 1;
            list.dispatchEvent(new Event("change")); }""",
        """() => { const list = document.querySelector("#nba-filter-group"); list.selectedIndex = 2;
            list.dispatchEvent(new Event("change")); }""",
        """() => { const field = document.querySelector("#nba-box-from6"); field.value = 12.5;
            field.dispatchEvent(new Event("change")); }""",
    ):
        views = page.locator(".nba-board").get_attribute("data-views")
        ahead = page.evaluate(
            f"""() => {{ ({act})();
            return [...document.querySelectorAll(".nba-counts tbody tr")].map((row) => row.innerText); }}"""
        )
        page.locator(f'.nba-board[aria-busy="false"]:not([data-views="{views}"])').wait_for()
        assert rows(page) == ahead
        assert ahead != before
        before = ahead
    line = page.locator(".nba-code code").inner_text()
    assert "passes=13, required=('SV/SVA', 'MA')" in line
    after(page, page.get_by_role("button", name="Återställ regeln").click)
    assert "passes" not in page.locator(".nba-code code").inner_text()


def test_a_box_is_made_moved_and_removed_with_the_keyboard(visit):
    page = visit()
    page.locator(".nba-points").focus()
    after(page, lambda: page.keyboard.press("ArrowRight"))
    assert page.get_by_label("Årskurs 6, från").input_value() == "5.5"
    after(page, lambda: page.keyboard.press("Shift+ArrowUp"))
    assert page.get_by_label("Årskurs 9, till").input_value() == "10.5"
    assert "start=(5.5, 10.5), end=(5.0, 10.5)" in page.locator(".nba-code code").inner_text()
    after(page, lambda: page.keyboard.press("Escape"))
    assert "start" not in page.locator(".nba-code code").inner_text()


@needs_proc
def test_a_killed_kernel_is_noticed_and_another_takes_its_place(visit):
    page = visit()
    kernel = page.locator("script[data-nba-kernel]").get_attribute("data-nba-kernel")
    os.kill(process_of(kernel), signal.SIGKILL)
    after(page, lambda: page.get_by_label("Avgångsår").select_option("2018"))
    assert counts(page)[4:] == [15, 23]
    assert page.locator(".nba-problem:visible").count() == 0


def test_axe_finds_nothing_in_both_languages_and_colour_schemes_and_all_is_named(visit):
    for lang, scheme in {"sv": "light", "en": "dark"}.items():
        page = opened(visit(query=f"?lang={lang}#cohort=2018&other=cohort:2019", scheme=scheme))
        page.locator(".nba-chart[data-drawn]").nth(3).wait_for()
        for seen in in_both_schemes(page):
            assert axe(page) == [], (lang, seen)
            assert page.evaluate(FAINT) == []
        page.locator(".nba-code pre").evaluate("node => node.remove()")  # Python is no language of people
        assert strange(page, lang) == set()
        told = heard(page.locator("main"))
        kinds = "img|button|combobox|slider|checkbox|table|spinbutton|region|form"
        assert [line for line in told if re.search(rf"- ({kinds})\b(?! \")", line)] == []
        controls = [line for line in told if re.search(r"- (img|slider|spinbutton|checkbox|combobox) \"", line)]
        assert len(controls) == 5 + 2 + 4 + 3 + 6


def heard(part):
    """What a screen reader is given, line by line; what is inside an image is not read."""
    lines, inside = [], None
    for line in re.sub(r"- '(.*?)'(:?)$", r"- \1\2", part.aria_snapshot(), flags=re.MULTILINE).splitlines():
        depth = len(line) - len(line.lstrip())
        if inside is not None and depth > inside:
            continue
        inside = depth if "- img" in line else None
        lines.append(line)
    return lines


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
    assert not page.locator(".nba-answer").inner_text().startswith("2\xa0314\xa0elever valda")
    assert re.search(r"start=\([\d.]+, [\d.]+\), end=", page.locator(".nba-code code").inner_text())
    assert page.locator(".nba-list tbody tr").count() > 5
    wait_for_address(page, "box=")
    after(page, page.get_by_role("button", name="Ta bort rutan").click)
    assert tables.first.text_content() == before


def test_a_box_can_be_written_and_the_link_opens_it_again(visit):
    page = visit()
    after(page, lambda: (page.get_by_label("Årskurs 9, till").fill("9"), page.keyboard.press("Tab")))
    wait_for_address(page, "box=")
    told = page.locator(".nba-answer").inner_text()
    address = page.url
    again = visit(query=f"#{address.partition('#')[2]}")
    again.locator(".nba-answer", has_text=told).wait_for()
    assert again.get_by_label("Årskurs 9, till").input_value() == "9"


def test_what_is_shown_can_be_taken_away(visit):
    page = visit(query="?lang=en#cohort=2018&box=5,15,0,20")
    card = page.locator(".nba-section-flows").first
    for kind, begins in {"csv": "\ufefffrom,to,students".encode(), "png": b"\x89PNG", "svg": b"<svg"}.items():
        assert saved(page, card.locator(f"button[data-kind={kind}]")).lower().startswith(begins.lower())


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
    page.get_by_text("students chosen of").wait_for()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_label("Compare with").is_visible()
    assert page.locator("h1:visible").inner_text() == "The explorer"


@pytest.mark.parametrize("size", SIZES)
def test_nothing_runs_over_the_edge(visit, size):
    page = visit(size)
    page.wait_for_function(FITTED)
    assert overflow(page) <= 0
    if SHOTS:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"explorer-{size}.png", full_page=True)
