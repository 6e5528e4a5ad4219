"""What a reader's browser is given: no value that the release suppresses, and no record, in any file or message."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from browsing import READY
from serving import running
from test_browser_board import choose
from test_release import FILTERS, truth_of

from nbanalytics.export import open_verified
from nbanalytics.pages.baseline_board import BaselineBoard
from nbanalytics.pages.board import Board
from nbanalytics.serve import default_release
from nbanalytics.text import Words

#: Added to what is hidden; a page that shows one of these shows what nobody may see.
CANARY = 7_000_000
#: Small numbers stand in every page (years, groups, terms): the canaries look after those.
TELLING = 100
#: What a hidden number lies between, by sums that anyone can add up: an end may happen to be the number.
SPAN = re.compile(r"\d[\d\u00a0\u202f ]*–\d[\d\u00a0\u202f ]*|högst \d+")
#: Whole numbers, with spaces between thousands; not per cents, decimals or parts of words.
NUMBER = re.compile(r"(?<![\w,.-])\d+(?:[\u00a0\u202f ]\d{3})*(?![\w,.-]|[\u00a0\u202f ]?%)")


@pytest.fixture(scope="module")
def release():
    return open_verified(default_release())


@pytest.fixture(scope="module")
def truth(release, sample):
    """Every count of the sample's release with the number that the records give."""
    frames = truth_of(release, sample)
    return pd.concat([frame.assign(table=name) for (name, _), frame in frames.items()])


@pytest.fixture(scope="module")
def pages(exported):
    """All files of the static edition but Plotly's own."""
    files = [path for path in exported.rglob("*") if path.is_file() and "plotly" not in path.name]
    return {path: path.read_text("utf-8") for path in files}


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started.address


def views_of(text):
    """Every view of the board in a page or a script."""
    found = re.fullmatch(r'nbanalyticsViews\("[^"]+", (.*)\);\n', text, re.DOTALL)
    if found:
        return list(json.loads(found[1]).values())
    states = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    return [state["view"] for state in map(json.loads, states) if "view" in state]


def numbers_of(thing):
    """Every whole number in a view, in texts too, where it is drawn or told; not looks, nor how much is hidden."""
    if isinstance(thing, dict):
        looks = ("layout", "hidden", "help", "marker", "line", "font", "textfont", "hoverlabel", "selection", "domain")
        return set().union(*(numbers_of(value) for name, value in thing.items() if name not in looks), set())
    if isinstance(thing, list):
        return set().union(*map(numbers_of, thing), set())
    if isinstance(thing, str):
        return {int(re.sub(r"\D", "", number)) for number in NUMBER.findall(SPAN.sub("", thing))}
    return {int(thing)} if isinstance(thing, (int, float)) and thing == int(thing) else set()


def telling(truth, selection):
    """Hidden numbers of a selection that are shown nowhere in it."""
    rows = truth
    for name, value in selection.items():
        rows = rows[rows[name] == value]
    shown = set(rows.loc[rows["status"] == "ok", "true"].astype(int))
    hidden = set(rows.loc[rows["status"] != "ok", "true"].astype(int))
    return {number for number in hidden - shown if number >= TELLING}


def test_the_truth_is_the_truth(truth):
    shown = truth[truth["status"] == "ok"]
    assert (shown["value"] == shown["true"]).all()
    assert (truth["status"] == "suppressed").sum() > 1000


def test_no_view_of_the_static_edition_holds_a_hidden_number(pages, truth, release):
    board = Board(release)
    # The other board adds shown numbers up, which may make any number: the canaries look after it.
    every = [view for text in pages.values() for view in views_of(text)]
    views = [view for view in every if {section["id"] for section in view["sections"]} <= set(board.sections)]
    assert len(views) >= len(list(board.selections())) - 1
    views.append(board.view(board.start()))
    looked_for = 0
    for view in views:
        hidden = telling(truth, view["selection"])
        looked_for += len(hidden)
        told = [view["sections"], view["tiles"], view["answer"], view["reading"][:-1]]
        assert not numbers_of(told) & hidden, view["where"]
    assert looked_for > 20


@pytest.mark.parametrize("page", [Board, BaselineBoard])
def test_a_hidden_value_in_memory_reaches_no_page(release, page):
    """Even a release that held them would not hand them on: every hidden value is a number that is easily found."""
    tables = {}
    for name, table in release.tables.items():
        closed = table["status"] == "suppressed"
        tables[name] = table.assign(value=table["value"].mask(closed, CANARY + closed.cumsum()))
    board = page(replace(release, tables=tables))
    for selection in board.selections():
        view = board.view(selection)
        if view["problem"] is None:
            assert not [number for number in numbers_of(view) if number >= CANARY], selection


def test_each_hidden_cell_of_a_table_is_two_dots(release):
    board = Board(release)
    view = board.view({"cohort": "2018", "school": "S1"})
    groups = release.cells("groups", cohort="2018", school="S1")
    closed = groups[(groups["status"] == "suppressed") & (groups["group"] != "*")]
    words = [Words("sv").label("group", group) for group in closed["group"]]
    rows = {row[0]: row[1:] for row in view["sections"][0]["table"]["rows"]}
    told = [next(cells for label, cells in rows.items() if word in label or label in word) for word in words]
    assert closed.empty or all(".." in cells for cells in told)


def test_no_student_is_in_the_static_edition(pages, sample):
    ids = set(sample.students["student_id"])
    for path, text in pages.items():
        assert "student_id" not in text, path.name
        assert not ids & set(re.findall(r"\w+", text)), path.name


@pytest.mark.browser
@pytest.mark.parametrize("path", ["board", "live/board"])
def test_nothing_that_a_browser_receives_holds_a_hidden_number_or_a_student(server, browser, truth, sample, path):
    """HTML, JSON, widget state and websocket traffic of a page whose filters are used."""
    page, received, frames = browser.new_page(), [], []
    page.on("response", lambda answer: received.append(answer))
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(frame)))
    page.goto(server + path)
    page.wait_for_selector(READY)
    choose(page, "Avgångsår", index=1)
    choose(page, "Skola", index=1)
    bodies = [answer.text() for answer in received if "plotly" not in answer.url and answer.status == 200]
    frames = [frame if isinstance(frame, str) else frame.decode("utf-8", "replace") for frame in frames]
    state = page.evaluate("JSON.stringify([...document.querySelectorAll('.nba-chart')].map((chart) => chart.data))")
    page.close()
    texts = [*bodies, *frames, state]
    assert bodies
    ids = set(sample.students["student_id"])
    for text in texts:
        assert not ids & set(re.findall(r"\w+", text))
    first = truth[(truth[FILTERS] == ["2018", "S1", "*", "*"]).all(axis=1)]
    hidden = telling(first, {})
    for text in (state, *frames):
        plain = re.sub(r'"(?:layout|marker|line|font|textfont)":\{[^{}]*\}', "", text)
        for number in hidden:
            assert not re.search(rf'"(?:value|y|text)":(?:\[[^\]]*\b)?{number}\b', plain), number
