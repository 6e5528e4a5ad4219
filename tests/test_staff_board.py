"""The staff's page: its numbers are those of the analyses, and it is never among the boards' pages."""

import json
import os
import re
import signal
from dataclasses import replace

import pandas as pd
import pytest
from browsing import in_both_schemes, saved
from serving import EXPLORE, admit, get, running
from test_accessibility import FAINT, axe, opened
from test_browser_board import needs_proc, process_of

from nbanalytics.analysis.indicators import indicators
from nbanalytics.errors import DataError
from nbanalytics.figures import caseload_over_time
from nbanalytics.pages.staff_board import StaffBoard
from nbanalytics.readers.write import write_records
from nbanalytics.support import coverage, handover


@pytest.fixture(scope="module")
def records(sample):
    return sample.cohort([2018, 2025])


@pytest.fixture(scope="module")
def board(records):
    return StaffBoard(records, "en")


def section(view, name):
    return next(part for part in view["sections"] if part["id"] == name)


def test_it_opens_with_the_step_to_year_7_of_the_latest_cohort(board):
    assert board.start()["step"] == "6VT"
    assert board.start()["cohort"] == "2025"
    assert [entry["id"] for entry in board.filters()] == ["step", "cohort", "school", "actor"]


def test_the_list_is_that_of_the_hand_over_in_words(board, records):
    rows = section(board.view({}), "receiving")["table"]["rows"]
    told = handover(records.cohort(2025)).receiving_list("en")
    assert [row[1] for row in rows] == told["student_id"].tolist()
    assert not {"youth_coach", "known_to_nobody"} & {word for row in rows for word in row}
    assert "Youth coach" in {word for row in rows for word in row}


def test_a_school_has_its_own_students_only(board, records):
    rows = section(board.view({"school": "S2"}), "receiving")["table"]["rows"]
    home = records.students.set_index("student_id")["school_id"]
    assert rows
    assert {home[row[1]] for row in rows} == {"S2"}


def test_coverage_is_that_of_the_analysis(board, records):
    found = records.cohort(2018)
    table = coverage(found, indicators(found), by=["school_id"]).table.query("school_id == 'S1'")
    rows = section(board.view({"cohort": "2018", "school": "S1"}), "coverage")["table"]["rows"]
    assert [[row[1], row[2]] for row in rows] == [[str(a), str(b)] for a, b in
                                                 table[["with_signal", "without_support"]].to_numpy()]  # fmt: skip


def test_the_step_to_upper_secondary_has_a_programme_to_go_to(board):
    view = board.view({"step": "9VT", "cohort": "2018"})
    assert section(view, "receiving")["table"]["rows"]
    assert view["where"] == "Showing: to upper secondary, leaving year 2018, all schools."


def test_a_month_without_students_is_shown_as_none():
    rows = {
        "month": ["2020-05-01", "2020-08-01", "2020-08-01"],
        "intensity": ["*", "*", "weekly"],
        "students": [4, 3, 3],
    }
    chart = caseload_over_time(pd.DataFrame(rows))
    line, weekly = chart.figure().data
    assert (list(line.x)[1], list(line.y)) == ("2020-06-01", [4, 0, 0, 3])
    assert weekly.customdata[3] == "Weekly, 2020-08: 3"
    assert [row[1] for row in chart.table.rows] == ["4", "0", "0", "3"]


def test_every_mark_of_a_chart_has_words_that_say_where_it_is(board):
    view = board.view({})
    first = {part["id"]: part["figure"]["data"][0]["customdata"][0] for part in view["sections"] if not part["empty"]}
    assert first["coverage"].startswith("Y6 aut.: ")
    assert first["kaa"].startswith("Work, 0 months: 0 of ")
    assert re.match(r"All, \d{4}-\d\d: \d", first["caseload"])


def test_a_file_has_the_bounds_of_an_interval_apart(board):
    view = board.view({})
    for name, place in {"coverage": 3, "kaa": 2}.items():
        table = section(view, name)["table"]
        share = table["columns"][place]
        assert table["columns"][place + 1 : place + 3] == [f"{share}, lower limit", f"{share}, upper limit"]
        assert table["intervals"][place + 1] == "95% interval"
        value, low, high = (float(text.rstrip("%")) for text in table["rows"][-1][place : place + 3])
        assert low < value < high


def test_everything_it_shows_can_be_sent_and_a_strange_choice_is_that_of_the_start(board):
    assert board.view({"cohort": "1066", "school": "<b>"})["selection"] == board.start()
    assert json.loads(json.dumps(board.view({})))["answer"].startswith("Of ")
    assert json.dumps(board.page())


def test_without_a_register_it_is_refused(records):
    with pytest.raises(DataError, match="support"):
        StaffBoard(type(records)(records.students, records.grades))
    with pytest.raises(ValueError, match="no section maps"):
        StaffBoard(records, sections=["maps"])


def test_records_without_schools_have_one_school_to_choose(records):
    few = records.cohort(2018)
    bare = replace(few, students=few.students[["student_id", "cohort"]], schools=None, outcomes=None, followups=None)
    board = StaffBoard(bare, "en")
    school = next(entry for entry in board.filters() if entry["id"] == "school")
    assert [option["value"] for option in school["options"]] == ["*"]
    view = board.view({})
    assert section(view, "receiving")["table"]["rows"]
    assert section(view, "kaa")["empty"] == "There is nothing to draw for this selection."


@pytest.fixture(scope="module")
def server(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("staff") / "records"
    write_records(records.cohort(2018), folder)
    with running(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}", EXPLORE, folder=str(folder), page="staff") as started:
        yield started


def test_the_page_is_served_to_who_has_the_token_and_to_nobody_else(server):
    for path in ("", "live/staff", "live/explorer", "board"):
        status, _, page = get(server.address + path)
        assert status in (403, 404)
        assert "P2" not in page
        assert "Överlämning och insatser" in page  # and not that boards' pages are here


@pytest.fixture
def visit(server, browser):
    contexts, troubles = [], []

    def go(query="", scheme="light"):
        contexts.append(browser.new_context(locale="sv-SE", color_scheme=scheme))
        page = contexts[-1].new_page()
        page.on("console", lambda told: troubles.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        admit(contexts[-1], server)
        page.goto(server.address + query)
        page.locator(".nba-chart").first.dispatch_event("pointerover")
        page.locator(".nba-chart[data-drawn]").nth(2).wait_for()
        return page

    yield go
    for context in contexts:
        context.close()
    assert [text for text in troubles if "404" not in text] == []  # a farewell to a kernel that is gone


@pytest.mark.browser
def test_everybody_can_read_it_in_both_languages_and_colour_schemes(visit):
    for lang, scheme in {"sv": "light", "en": "dark"}.items():
        page = opened(visit(f"?lang={lang}", scheme))
        for seen in in_both_schemes(page):
            assert axe(page) == [], (lang, seen)
            assert page.evaluate(FAINT) == []
        assert "Kvarnviksskolan" in page.locator(".nba-section-receiving tbody").inner_text()


@pytest.mark.browser
def test_a_link_names_a_part_of_the_selection_and_the_way_back_leads_to_the_opening_one(visit):
    page = visit("#school=S1&colour=red")
    page.locator(".nba-stray", has_text="inte finns i uppgifterna").wait_for()
    assert page.locator(".nba-where").inner_text() == "Visar: till årskurs 7, avgångsår 2018, Kvarnviksskolan."
    page.get_by_label("Skola i årskurs 7–9").select_option("S2")
    page.locator(".nba-where", has_not_text="Kvarnviksskolan").wait_for()
    page.go_back()
    page.locator(".nba-where", has_text="Kvarnviksskolan").wait_for()
    for name, first in {"coverage": "Åk 6 HT: ", "caseload": "Alla, 20", "kaa": "Arbete, 0 mån: "}.items():
        card = page.locator(f".nba-section-{name}")
        card.locator(".nba-chart").focus()
        page.keyboard.press("ArrowRight")
        assert card.locator(".nba-pointed").inner_text().startswith(first)
    drawing = saved(page, page.locator(".nba-section-kaa button[data-kind=svg]")).decode()
    where = """svg => { const page = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
      document.body.append(page);
      const box = (name) => [...page.querySelectorAll(name)].at(-1).getBoundingClientRect();
      return [box(".xtitle").bottom, box(".annotation-text").top]; }"""
    title, source = page.evaluate(where, drawing)
    assert title < source  # what is saved says where it comes from, beneath the title of the axis


@pytest.mark.browser
@needs_proc
def test_a_killed_kernel_is_noticed_and_another_takes_its_place(visit):
    page = visit()
    os.kill(process_of(page.locator("script[data-nba-kernel]").get_attribute("data-nba-kernel")), signal.SIGKILL)
    views = page.locator(".nba-board").get_attribute("data-views")
    page.get_by_label("Skola i årskurs 7–9").select_option("S1")
    page.locator(f'.nba-board[aria-busy="false"]:not([data-views="{views}"])').wait_for()
    assert "Kvarnviksskolan" in page.locator(".nba-where").inner_text()
    assert page.locator(".nba-problem:visible").count() == 0
