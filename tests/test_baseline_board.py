"""The board page on the baseline: its numbers are those of the release, and what is hidden stays so."""

import json

import pandas as pd
import pytest
from test_figures import checked_by_plotly

from nbanalytics.errors import DisclosureError
from nbanalytics.figures import Chart, TextTable, absence_bars, share_course
from nbanalytics.intervals import newcombe, paired_difference, wilson
from nbanalytics.pages.baseline_board import BaselineBoard

FLOW = {"eligible": {"eligible": 236, "not_eligible": 23}, "not_eligible": {"eligible": 15, "not_eligible": 39}}
RESULTS = {"6VT": {"yes": 259, "no": 54, "unknown": 9}, "9VT": {"yes": 251, "no": 62, "unknown": 9}}
LATER = {"6VT": {"yes": 250, "no": 50, "unknown": 4}, "9VT": {"yes": 260, "no": 40, "unknown": 4}}


def long(rows, dimensions, measure="students"):
    held = [(*place, measure, value, "ok" if value is not None else "suppressed") for place, value in rows]
    return pd.DataFrame(held, columns=[*dimensions, "measure", "value", "status"]).astype({"value": "float64"})


def eligibility(flow=FLOW, hidden=()):
    ends = ("eligible", "not_eligible")
    rows = []
    for start in ("*", *ends):
        for end in ("*", *ends):
            whole = sum(flow[a][b] for a in ends for b in ends if start in ("*", a) and end in ("*", b))
            rows.append(((start, end), None if (start, end) in hidden else whole))
    return long(rows, ["start", "end"])


def baseline(results=RESULTS, hidden=()):
    rows = [
        ((term, indicator, result), None if (term, result) in hidden else value)
        for indicator in ("eligible", "core")
        for term, counts in results.items()
        for result, value in {**counts, "*": sum(counts.values())}.items()
    ]
    return long(rows, ["term", "indicator", "result"])


class MadeRelease:
    """Everybody, boys (whose flow is hidden within its margins) and two leaving years; filters are crossed by one."""

    def __init__(self):
        hidden = {(a, b) for a in FLOW for b in FLOW}
        absence = pd.concat(
            [
                long([(("6VT",), 300), (("9VT",), 310)], ["term"]),
                long([(("6VT",), 6.9), (("9VT",), 12.1)], ["term"], "mean_absence"),
            ]
        )
        everybody = {"eligibility": eligibility(), "baseline": baseline(), "absence": absence}
        self.selections = {
            (): everybody,
            ("sex", "boy"): everybody | {"eligibility": eligibility(hidden=hidden)},
            ("cohort", "2018"): everybody,
            ("cohort", "2019"): everybody | {"baseline": baseline(LATER)},
            ("cohort", "2020"): everybody | {"baseline": baseline(LATER, {("9VT", "no")})},
        }
        values = {"cohort": ["2018", "2019", "2020"], "sex": ["girl", "boy"]}
        self.manifest = {
            "max_crossed": 1,
            "policy": {"min_cell": 5},
            "tables": dict.fromkeys(everybody),
            "dimensions": {name: {"values": held, "labels": {}} for name, held in values.items()},
        }

    def cells(self, table, /, **selection):
        chosen = next(iter(selection.items()), ())
        if len(selection) > 1 or chosen not in self.selections:
            raise DisclosureError("not declared")
        return self.selections[chosen][table]


@pytest.fixture
def board():
    return BaselineBoard(MadeRelease(), "en")


def rows_of(view, section):
    part = next(part for part in view["sections"] if part["id"] == section)
    return {row[0]: row[1:] for row in part["table"]["rows"]}


def test_karlskogas_change_is_told_with_its_interval_and_what_chance_gives(board):
    """Progression 02: 259 and 251 of 313 eligible, 23 who lost it and 15 who reached it."""
    view = board.view({})
    low, high = paired_difference(236, 23, 15, 39)
    assert "a change of \u22122.6 percentage points. " in view["answer"]
    note = next(tile["note"] for tile in view["tiles"] if tile["id"] == "change")
    assert note == f"percentage points, probably between \u2212{-100 * low:.1f} and +{100 * high:.1f}"
    assert "Of the same 313\u00a0students, 259 were eligible" in view["answer"]
    assert view["answer"].endswith("Chance alone may give a change of that size.")
    assert rows_of(view, "followup")["All"] == ["82.7%", "80.2%", "\u22122.6", "\u22126.5", "+1.4", "± 3.9"]
    tiles = {tile["id"]: tile["value"] for tile in view["tiles"]}
    assert tiles == {
        "zero": "83%",
        "now": "80%",
        "change": "\u22122.6",
        "core": "80%",
        "absence_zero": "6.9",
        "absence_now": "12.1",
    }


def test_a_group_whose_ways_are_hidden_has_its_shares_and_no_interval(board):
    view = board.view({})
    assert rows_of(view, "followup")["Boys"] == ["82.7%", "80.2%", "\u22122.6", "", "", ""]
    own = board.view({"sex": "boy"})
    assert "interval" not in own["answer"]
    assert {tile["id"]: tile["value"] for tile in own["tiles"]}["change"] == ".."


def test_later_years_are_compared_with_the_first_and_a_hidden_one_is_not(board):
    rows = rows_of(board.view({}), "years")
    low, high = newcombe(260, 300, 251, 313)
    assert rows["2019"][:2] == ["80.2%", "86.7%"]
    assert rows["2019"][2:5] == ["+6.5", f"+{100 * low:.1f}", f"+{100 * high:.1f}"]
    assert rows["2020"] == ["..", "..", "..", "", "", ""]
    assert rows_of(board.view({"cohort": "2019"}), "years") == {}


def test_shares_by_term_have_wilsons_interval_and_leave_out_who_has_no_grades():
    rows = share_course(baseline()).table.rows
    low, high = wilson(259, 313)
    assert rows[0] == ["Y6 spr.", "eligible", "259", "313", "82.7%", f"{100 * low:.1f}%", f"{100 * high:.1f}%"]
    hidden = baseline(hidden={("9VT", "no")})
    assert share_course(hidden).table.rows[1][2:] == [".."] * 5
    assert share_course(hidden).drawing["data"][0]["y"][1] is None
    assert [note["text"] for note in share_course(hidden).drawing["layout"]["annotations"]] == [".."]


def test_indicators_with_the_same_counts_are_one_line_and_others_two():
    table = baseline()
    assert len(share_course(table).drawing["data"]) == 1
    table.loc[(table["indicator"] == "core") & (table["result"] == "yes"), "value"] -= 9
    lines = share_course(table).figure().data
    assert len(lines) == 2
    assert len({(line.marker.symbol, line.line.dash) for line in lines}) == 2


def test_a_hidden_mean_is_a_mark_and_no_bar():
    table = long([(("6VT",), 6.9), (("9VT",), None)], ["term"], "mean_absence")
    chart = absence_bars(table).figure()
    assert list(chart.data[0].y) == [6.9, None]
    assert [note.text for note in chart.layout.annotations] == [".."]


def test_each_chart_has_its_table_its_text_and_its_help_in_both_languages(board):
    for lang in ("sv", "en"):
        view = BaselineBoard(board.release, lang).view({})
        json.dumps(view, allow_nan=False)
        for part in view["sections"]:
            assert part["alt"]
            assert part["help"]
            assert all(len(row) == len(part["table"]["columns"]) for row in part["table"]["rows"])
            assert part["table"]["rows"]


@pytest.mark.parametrize("selection", [{}, {"sex": "boy"}, {"cohort": "2020"}], ids=str)
def test_a_chart_that_is_sent_is_one_that_plotly_has_checked(board, selection):
    charts = [part["figure"] for part in board.view(selection)["sections"]]
    assert any(chart["data"] for chart in charts)
    for chart in charts:
        chart["layout"] = {name: value for name, value in chart["layout"].items() if value != []}
        assert checked_by_plotly(Chart(chart, "", TextTable([], []))) == chart


def test_a_release_without_a_baseline_shows_the_sections_that_it_has(board):
    release = board.release
    del release.manifest["tables"]["baseline"], release.manifest["tables"]["absence"]
    view = BaselineBoard(release, "en").view({})
    assert [part["id"] for part in view["sections"]] == ["followup"]
    assert [tile["id"] for tile in view["tiles"]] == ["change"]
    assert "313\u00a0students" in view["reading"][0]
