"""Indicators by student and term: what is declared is what is counted, and unknown stays unknown."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import in_engine, records_of

from nbanalytics.analysis.indicators import indicators, read_indicators, trend
from nbanalytics.analysis.indicators.measures import MEASURES
from nbanalytics.declaration import Declaration
from nbanalytics.errors import DataError
from nbanalytics.terms import term_dates

SUPPORT = pd.DataFrame(
    {
        "student_id": ["P1", "P1", "P2", "P3"],
        "kind": ["coach", "homework", "coach", "coach"],
        "level": ["indicated", "universal", "selective", "indicated"],
        "start": ["2015-02-01", "2015-02-01", "2015-06-30", "2015-07-01"],
        "end": ["2015-03-01", None, None, None],
    }
)


@pytest.fixture
def three():
    """Three students of cohort 2018: 6VT is spring 2015, 7HT autumn 2015."""
    courses = {
        "P1": {"6VT": "CCCCCCCC", "7HT": "CCFCCCCC"},
        "P2": {"6VT": "FF-CCCCC", "7HT": "EEECCCCC"},
        "P3": {"7HT": "CCCCCCCC"},
    }
    absence = pd.DataFrame(
        {
            "student_id": ["P1", "P1", "P2", "P2", "P3"],
            "term": ["6VT", "7HT", "6VT", "7HT", "7HT"],
            "valid": [4.0, 9.0, None, 2.0, 5.0],
            "invalid": [1.0, 1.0, 1.0, 0.0, 5.0],
        }
    )
    records = records_of(courses, absence=absence)
    students = records.students.assign(moved_in=[None, None, "7HT"])
    return replace(records, students=students, support=SUPPORT)


def signals(found, student, term):
    rows = found.table[(found.table["student_id"] == student) & (found.table["term"] == term)]
    return dict(zip(rows["indicator"], rows["signal"], strict=True))


def test_signals_by_hand(three):
    found = indicators(three, ["6VT", "7HT"])
    assert signals(found, "P1", "6VT") == {
        "absence": "none",
        "invalid_absence": "none",
        "absence_rise": "unknown",  # there is no term before with a value
        "core_missing": "none",
        "grade_fall": "unknown",
        "streck": "none",
        "low_absence": "protective",
        "core_passed": "protective",
        "grade_rise": "unknown",
        "support_in_place": "protective",
    }
    after = signals(found, "P1", "7HT")
    assert (after["absence"], after["absence_rise"], after["core_missing"]) == ("risk", "risk", "risk")
    assert after["grade_fall"] == "risk"  # one C (15 points) of eight became F: -1.875
    assert after["support_in_place"] == "none"  # the coach ended in March, homework is universal
    mended = signals(found, "P2", "7HT")
    assert (mended["core_missing"], mended["core_passed"], mended["grade_rise"]) == ("none", "protective", "protective")
    assert signals(found, "P2", "6VT")["streck"] == "risk"


def test_unknown_stays_unknown(three):
    found = indicators(three, ["6VT"])
    second = signals(found, "P2", "6VT")
    assert {second["absence"], second["low_absence"]} == {"unknown"}  # valid absence is missing
    assert second["invalid_absence"] == "none"
    assert found.settings["without"] == ("test_failed",)
    row = found.by_student().set_index("student_id").loc["P2"]
    assert (row["risks"], row["known"], row["reasons"]) == (2, 3, "core_missing, streck")


def test_a_student_is_asked_about_while_here(three):
    found = indicators(three)
    assert set(found.table.loc[found.table["student_id"] == "P3", "term"]) == {"7HT", "7VT", "8HT", "8VT", "9HT", "9VT"}
    assert "absence_rise" not in set(found.table.loc[found.table["term"] == "6HT", "indicator"])


def test_support_touches_the_terms_of_its_period(three):
    found = indicators(three)
    support = found.table[found.table["indicator"] == "support_in_place"].set_index(["student_id", "term"])["value"]
    assert support["P1"].to_dict() == {"6HT": 0, "6VT": 1, "7HT": 0, "7VT": 0, "8HT": 0, "8VT": 0, "9HT": 0, "9VT": 0}
    assert support["P2"]["6VT"] == 1  # from the last day of the term on, without an end
    assert support["P2"]["9VT"] == 1
    assert support["P3"]["7HT"] == 1


def test_trend_counts_the_known(three):
    table = trend(indicators(three, ["6VT", "7HT"])).table.set_index(["indicator", "term"])
    absence = table.loc["absence"]
    assert absence.loc["6VT", ["signals", "known", "unknown"]].tolist() == [0, 1, 1]
    assert absence.loc["7HT", ["signals", "known", "unknown"]].tolist() == [2, 3, 0]
    assert absence.loc["7HT", "low"] < 2 / 3 < absence.loc["7HT", "high"]


def test_trend_by_a_column_of_students(sample):
    found = indicators(sample.cohort(2018), "9VT")
    by = trend(found, ["sex"], sample.students).table
    whole = trend(found).table
    summed = by.groupby("indicator", sort=False)[["signals", "known", "unknown"]].sum()
    pd.testing.assert_frame_equal(summed, whole.set_index("indicator")[["signals", "known", "unknown"]])
    with pytest.raises(DataError, match="no column shoe_size"):
        trend(found, ["shoe_size"], sample.students)


def test_the_sample_agrees_with_a_count_of_its_own(sample):
    """Brute force: absence of 10 % or more, and a required subject without a pass, by plain pandas."""
    found = indicators(sample, "7HT").table
    total = (
        sample.absence.assign(total=lambda t: t["valid"] + t["invalid"]).query("term == '7HT'").set_index("student_id")
    )
    said = found[found["indicator"] == "absence"].set_index("student_id")["signal"]
    high = total["total"].reindex(said.index)
    assert (said[high >= 10] == "risk").all()
    assert (said[high < 10] == "none").all()
    assert (said[high.isna()] == "unknown").all()
    grades = sample.grades.query("term == '7HT'")
    passed = grades[grades["grade"].isin(list("ABCDE"))].groupby("student_id")["subject"].agg(set)
    core = found[found["indicator"] == "core_missing"].dropna(subset="value").set_index("student_id")["value"]
    for student, value in core.items():
        subjects = passed.get(student, set())
        assert value == ("MA" not in subjects) + ("EN" not in subjects) + (not subjects & {"SV", "SVA"})


def test_absence_of_one_kind_is_enough(three):
    found = indicators(replace(three, absence=three.absence.drop(columns="valid")), ["6VT", "7HT"])
    said = signals(found, "P3", "7HT")
    assert (said["absence"], said["low_absence"], said["invalid_absence"]) == ("unknown", "unknown", "risk")


def test_terms_are_in_order_of_time(three):
    found = indicators(three, ["7HT", "6VT", "7HT"])
    assert found.settings["terms"] == ("6VT", "7HT")
    assert found.by_student()["term"].tolist() == ["6VT", "7HT", "6VT", "7HT", "7HT"]


@pytest.mark.parametrize("engine", ["polars-lazy", "duckdb"])
def test_a_trend_by_students_of_any_engine(three, engine):
    other = in_engine(replace(three, students=three.students.assign(sex=["girl", "boy", "boy"])), engine)
    found = trend(indicators(other, "7HT"), ["sex"], other.students).table
    assert found.query("indicator == 'absence'")[["sex", "known"]].to_numpy().tolist() == [["boy", 2], ["girl", 1]]


def test_a_scale_without_a_pass_says_nothing_of_passes():
    records = records_of({"P": {"6VT": {"SV": "3", "MA": "2"}}}, cohort=2032)
    records = replace(records, tests=pd.DataFrame({"student_id": ["P"], "term": "6VT", "subject": "MA", "grade": "2"}))
    said = signals(indicators(records, "6VT"), "P", "6VT")
    assert (said["core_missing"], said["core_passed"], said["test_failed"]) == ("unknown",) * 3


def test_a_test_that_was_not_taken_is_not_failed(three):
    rows = [("P1", "MA", "-"), ("P1", "EN", "E"), ("P2", "MA", "-"), ("P2", "EN", "F"), ("P3", "MA", "-")]
    tests = pd.DataFrame(rows, columns=["student_id", "subject", "grade"]).assign(term="6VT")
    here = replace(three, tests=tests, students=three.students.assign(moved_in=None))
    found = indicators(here, "6VT").table.query("indicator == 'test_failed'").set_index("student_id")["signal"]
    assert found.to_dict() == {"P1": "none", "P2": "risk", "P3": "unknown"}


def test_records_without_a_grade_are_unknown(three):
    found = indicators(replace(three, grades=three.grades.head(0), absence=None), "6VT").table
    assert set(found.loc[found["indicator"] != "support_in_place", "signal"]) == {"unknown"}


def test_terms_of_an_order_that_ends_in_autumn():
    declared = Declaration(terms=("8VT", "9HT"), start="8VT", end="9HT", stages=("8VT", "9HT"))
    days = [[day.isoformat() for day in term_dates(declared, 2018, term)] for term in ("8VT", "9HT")]
    assert days == [["2018-01-01", "2018-06-30"], ["2018-07-01", "2018-12-31"]]


def test_the_default_list_is_complete():
    declared = read_indicators()
    assert {one.kind for one in declared} == {"risk", "protective"}
    assert all(one.source and one.sv and one.en and one.unit for one in declared)
    assert {one.measure for one in declared} <= set(MEASURES)
    assert len({one.name for one in declared}) == len(declared)


@given(st.lists(st.one_of(st.none(), st.floats(-100, 100)), min_size=1, max_size=20))
def test_every_value_has_one_signal(values):
    for one in read_indicators():
        said = one.signal(pd.Series(values, dtype="float64"))
        assert said.isin([one.kind, "none", "unknown"]).all()
        assert (said == "unknown").tolist() == [value is None for value in values]


GOOD = """[[indicator]]
name = "few_passes"
kind = "risk"
table = "grades"
measure = "passes"
direction = "at_most"
limit = 8
unit = "subjects"
en = "Few passes"
sv = "Få godkända"
source = "rule"
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("limit", "limt"), "unknown key 'limt'. Did you mean 'limit'"),
        (GOOD.replace('"risk"', '"danger"'), "kind: 'danger' is unknown. Choose from: risk, protective"),
        (GOOD.replace('"grades"', '"absence"'), "the measure 'passes' comes from the table grades"),
        (GOOD + GOOD, "declares 'few_passes' more than once"),
        ("= 1\n", "line 1 is not TOML"),
    ],
)
def test_a_bad_list_is_refused(tmp_path, text, words):
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_indicators(tmp_path / "own.toml")


def test_a_list_of_ones_own(tmp_path, three):
    (tmp_path / "own.toml").write_text(GOOD, encoding="utf-8")
    found = indicators(three, "7HT", read_indicators(tmp_path / "own.toml"))
    assert found.table["value"].tolist() == [7, 8, 8]
    assert found.table["signal"].tolist() == ["risk", "risk", "risk"]
    with pytest.raises(DataError, match="cannot be read"):
        read_indicators(tmp_path / "none.toml")


def test_what_cannot_be_asked(three):
    with pytest.raises(DataError, match="no term 5VT"):
        indicators(three, "5VT")
    declared = [one for one in read_indicators() if one.table == "tests"]
    with pytest.raises(DataError, match="None of the indicators' tables"):
        indicators(three, declared=declared)


def test_terms_follow_upon_each_other_without_a_gap():
    declared = Declaration()
    days = [term_dates(declared, 2018, term) for term in declared.terms]
    for (_, last), (first, _) in pairwise(days):
        assert (first - last).days == 1
    assert days[-1][1].isoformat() == "2018-06-30"
    with pytest.raises(DataError, match="has no place on the calendar"):
        term_dates(Declaration(terms=("a", "b"), start="a", end="b", stages=("a", "b")), 2018, "a")
