"""Life tables against Singer and Willett, R where the reference folder is at hand, and plain loops."""

import json
from dataclasses import replace
from math import exp, log, sqrt

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE
from hypothesis import given
from hypothesis import strategies as st
from made import ENGINES, in_engine, records_of, same
from scipy import stats

from nbanalytics.analysis.droppoints import (
    LIFE_TABLE_COLUMNS,
    life_table,
    life_table_by,
)
from nbanalytics.errors import DataError
from nbanalytics.schools import LIKE, THESE, jackknife_interval, share_over_schools

PASSED, FAILED = "EEEEEEEE", "EEFEEEEE"

# Singer and Willett (2003), Applied Longitudinal Data Analysis, table 10.1: years until special educators leave
# teaching. t, at risk, left, censored, hazard and survival as printed; the last column is Greenwood's standard error
# as R's survival package gives it (summary(survfit(Surv(years, !censor) ~ 1))$std.err).
TEACHERS = [
    (1, 3941, 456, 0, 0.1157, 0.8843, 0.00509535163),
    (2, 3485, 384, 0, 0.1102, 0.7869, 0.00652350311),
    (3, 3101, 359, 0, 0.1158, 0.6958, 0.00732881340),
    (4, 2742, 295, 0, 0.1076, 0.6209, 0.00772827613),
    (5, 2447, 218, 0, 0.0891, 0.5656, 0.00789582042),
    (6, 2229, 184, 0, 0.0825, 0.5189, 0.00795895722),
    (7, 2045, 123, 280, 0.0601, 0.4877, 0.00796223880),
    (8, 1642, 79, 307, 0.0481, 0.4642, 0.00800483756),
    (9, 1256, 53, 255, 0.0422, 0.4446, 0.00810669975),
    (10, 948, 35, 265, 0.0369, 0.4282, 0.00826866778),
    (11, 648, 16, 241, 0.0247, 0.4177, 0.00847649880),
    (12, 391, 5, 386, 0.0128, 0.4123, 0.00869810563),
]


def test_the_life_table_of_the_teachers_is_the_printed_one():
    duration = [t for t, _, left, censored, *_ in TEACHERS for _ in range(left + censored)]
    event = [happened for _, _, left, censored, *_ in TEACHERS for happened in [1] * left + [0] * censored]
    table = life_table(duration, event)
    assert tuple(table.columns) == LIFE_TABLE_COLUMNS
    counts = table[["t", "at_risk", "events", "censored"]].to_numpy().tolist()
    assert counts == [list(row[:4]) for row in TEACHERS]
    assert table["hazard"].to_numpy() == pytest.approx([row[4] for row in TEACHERS], abs=5.1e-5)
    assert table["survival"].to_numpy() == pytest.approx([row[5] for row in TEACHERS], abs=5.1e-5)
    assert table["se_survival"].to_numpy() == pytest.approx([row[6] for row in TEACHERS], abs=1e-10)
    assert table["se_hazard"].iloc[0] == pytest.approx(TEACHERS[0][6], abs=1e-10)


def agree(table, expected):
    names = {"n_risk": "at_risk", "n_event": "events", "n_censor": "censored"}
    wanted = pd.DataFrame(expected).rename(columns=names)
    shared = [name for name in LIFE_TABLE_COLUMNS if name in wanted]
    assert len(shared) == 8
    found = table.reset_index(drop=True)[shared]
    pd.testing.assert_frame_equal(found, wanted[shared], check_dtype=False, rtol=0, atol=1e-9)


def test_teachers_agree_with_r():
    teachers = pd.read_csv(REFERENCE / "teachers.csv")
    expected = json.loads((REFERENCE / "survival.json").read_text())["teachers"]["life_table"]
    agree(life_table(teachers["years"], 1 - teachers["censor"]), expected)


def test_students_who_leave_mathematics_agree_with_r_by_sex():
    periods = pd.read_csv(REFERENCE / "math_dropout.csv")
    persons = periods.sort_values("term").groupby("id").last().reset_index()
    expected = json.loads((REFERENCE / "survival.json").read_text())["math_dropout"]["life_tables"]
    table = life_table_by(persons, by=["woman"], duration="term")
    for woman, name in ((0, "men"), (1, "women")):
        agree(table[table["woman"] == woman].drop(columns="woman"), expected[name])


people = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40).map(
    lambda pairs: [(duration, int(event and duration > 0)) for duration, event in pairs]
)


@given(people)
def test_the_life_table_is_that_of_a_plain_loop(pairs):
    table = life_table([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    survival, greenwood = 1.0, 0.0
    assert len(table) == max(pair[0] for pair in pairs)
    for row in table.itertuples():
        at_risk = sum(duration >= row.t for duration, _ in pairs)
        events = sum(duration == row.t and event for duration, event in pairs)
        censored = sum(duration == row.t and not event for duration, event in pairs)
        assert (row.at_risk, row.events, row.censored) == (at_risk, events, censored)
        hazard = events / at_risk
        survival *= 1 - hazard
        assert row.hazard == pytest.approx(hazard)
        assert row.se_hazard == pytest.approx(sqrt(hazard * (1 - hazard) / at_risk))
        assert row.survival == pytest.approx(survival)
        if hazard < 1:
            greenwood += hazard / (at_risk * (1 - hazard))
            assert row.se_survival == pytest.approx(survival * sqrt(greenwood))
        else:
            assert row.se_survival == 0


@given(people)
def test_everyone_who_was_followed_leaves_once(pairs):
    table = life_table(*zip(*pairs, strict=True))
    assert table["events"].sum() + table["censored"].sum() == sum(duration > 0 for duration, _ in pairs)


def test_arrays_lists_and_series_of_any_kind_are_taken():
    import polars as pl

    expected = life_table([1, 2, 2], [1, 0, 1])
    for make in (tuple, np.array, pd.Series, pl.Series):
        same(life_table(make([1, 2, 2]), make([True, False, True])), expected)
    same(life_table(pd.Series([1, 2, 2], dtype="Int64"), pd.Series([1, 0, 1], dtype="boolean")), expected)


def test_nobody_makes_an_empty_life_table():
    assert list(life_table([], []).columns) == list(LIFE_TABLE_COLUMNS)
    assert life_table([0, 0], [0, 0]).empty
    assert life_table_by(pd.DataFrame({"g": [], "duration": [], "event": []}), by=["g"]).empty


@pytest.mark.parametrize(
    ("duration", "event", "message"),
    [
        ([1, 2], [1], "duration has 2 and event has 1"),
        ([1, -2], [1, 0], "duration: 1 values are negative"),
        ([1, 2], [1, 2], "event: 1 values are neither 0 nor 1"),
        ([1, float("nan")], [1, 0], "duration: 1 values are missing"),
        ([1, 2], [1, None], "event: 1 values are missing|event holds values that are missing"),
        ([1, 1.5], [1, 0], "not whole numbers"),
        ([0, 1], [1, 0], "0 with an event"),
        (["a", "b"], [1, 0], "no numbers"),
        ([[1, 2]], [[1, 0]], "2 dimensions"),
    ],
)
def test_what_is_no_duration_or_event_is_refused_in_words(duration, event, message):
    with pytest.raises(DataError, match=message):
        life_table(duration, event)


@pytest.mark.parametrize("engine", ENGINES)
def test_life_tables_by_group_from_any_dataframe(engine):
    frame = pd.DataFrame({"sex": ["girl", "boy", None, "girl"], "duration": [1, 2, 2, 3], "event": [1, 0, 1, 0]})
    records = replace(records_of({"P": {"6VT": PASSED}}), absence=frame)
    table = life_table_by(in_engine(records, engine).absence, by=["sex"])
    girls = table[table["sex"] == "girl"].drop(columns="sex").reset_index(drop=True)
    same(girls, life_table([1, 3], [1, 0]))
    assert table["sex"].isna().sum() == 2


def test_intervals_are_those_of_statsmodels_and_of_the_formula_by_hand():
    from statsmodels.duration.survfunc import SurvfuncRight
    from statsmodels.stats.proportion import proportion_confint

    duration, event = [1, 1, 2, 3, 3, 4, 5, 5, 6, 6], [1, 0, 1, 1, 0, 1, 0, 1, 0, 0]
    table = life_table(duration, event)
    curve = SurvfuncRight(duration, event)
    lost = table[table["events"] > 0]
    assert lost["survival"].to_numpy() == pytest.approx(curve.surv_prob)
    for row, error in zip(lost.itertuples(), curve.surv_prob_se, strict=True):
        spread = 1.959963984540054 * error / row.survival / abs(log(row.survival))
        assert (row.low, row.high) == pytest.approx([row.survival ** exp(sign * spread) for sign in (1, -1)])
    for row in table.itertuples():
        expected = proportion_confint(row.events, row.at_risk, method="wilson")
        assert (row.hazard_low, row.hazard_high) == pytest.approx(expected, abs=1e-9)
        assert np.isnan(row.low) == (row.survival in (0, 1))


@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb"])
@pytest.mark.parametrize(
    ("duration", "event", "message"),
    [
        ([1.0, 2.0, 2.0], [1.0, 0.5, 0.5], "event: 2 values are neither 0 nor 1"),
        ([1.0, 2.0, 2.0], [1.0, float("nan"), 0.0], "event: 1 values are missing"),
        ([1.0, 2.5, 2.0], [1.0, 0.0, 0.0], "duration: 1 values are not whole numbers"),
        ([1.0, -2.0, 2.0], [1.0, 0.0, 0.0], "duration: 1 values are negative"),
    ],
)
def test_nothing_is_cast_before_it_is_checked(engine, duration, event, message):
    frame = pd.DataFrame({"g": ["a", "b", "b"], "duration": duration, "event": event})
    made = in_engine(replace(records_of({"P": {"6VT": PASSED}}), absence=frame), engine).absence
    with pytest.raises(DataError, match=message):
        life_table_by(made, by="g")


def test_intervals_of_schools_like_these_are_without_each_school_in_turn():
    """Nobody is lost in the first period, and everybody of school C has gone before the last."""
    people = [(2, 1, "A"), (2, 0, "A"), (3, 1, "A"), (3, 0, "A"), (3, 0, "A"), (2, 1, "B"), (3, 0, "B"), (3, 1, "B"),
              (3, 0, "B"), (2, 0, "C"), (2, 1, "C"), (2, 0, "C"), (0, 0, "C")]  # fmt: skip
    table = life_table(*zip(*people, strict=True))
    parts = [life_table(*list(zip(*(one for one in people if one[2] != school), strict=True))[:2]) for school in " ABC"]
    assert table["estimand"].unique().tolist() == [LIKE]
    for place, row in enumerate(table.itertuples()):
        survival = np.array([part["survival"][place] for part in parts])
        assert row.survival == survival[0]
        if place:
            assert (row.low, row.high) == pytest.approx(jackknife_interval(survival, "logit"))
        counts = [
            (
                sum(d == row.t and e and s == school for d, e, s in people),
                sum(d >= row.t and s == school for d, e, s in people),
            )
            for school in "ABC"
        ]
        bounds = share_over_schools(*zip(*counts, strict=True))
        assert (row.hazard_low, row.hazard_high) == pytest.approx(bounds, nan_ok=True)
    assert np.isnan(table["low"][0])


def test_where_no_school_changes_survival_its_interval_is_on_the_log_log_scale_with_students_t():
    """Half of each school is lost: without any of them the share is the same."""
    people = [(1, n % 2, "ABC"[n // 4]) for n in range(12)]
    row = life_table(*zip(*people, strict=True)).iloc[0]
    spread = stats.t.ppf(0.975, 2) * np.sqrt(0.25 / 12) / 0.5 / log(2)
    assert (row["low"], row["high"]) == pytest.approx((0.5 ** exp(spread), 0.5 ** exp(-spread)))


@pytest.mark.parametrize(("schools", "estimand"), [("ABC", LIKE), ("AB", THESE)])
def test_a_group_in_three_schools_has_a_life_table_of_schools_like_these(schools, estimand):
    frame = pd.DataFrame({"sex": ["girl"] * 12 + ["boy"] * 12, "duration": [1, 2] * 12, "event": [1, 1, 0, 0] * 6})
    frame["school"] = [schools[n % len(schools)] for n in range(12)] + ["A", "B", "C"] * 4
    table = life_table_by(frame, "sex", schools="school")
    assert table.groupby("sex")["estimand"].first().to_dict() == {"girl": estimand, "boy": LIKE}
    girls = frame[frame["sex"] == "girl"]
    alone = life_table(girls["duration"], girls["event"], girls["school"], estimand=estimand)
    same(table[table["sex"] == "girl"].drop(columns="sex").reset_index(drop=True), alone)


def test_faulty_values_are_counted_and_the_first_five_placed():
    with pytest.raises(DataError, match=r"7 values are negative \(first at position 1, 2, 3, 4, 5\)"):
        life_table([1, *[-1] * 7], [0] * 8)
    with pytest.raises(DataError, match="duration has 2 and event has 2 and schools has 1"):
        life_table([1, 2], [1, 0], ["A"])
    frame = pd.DataFrame({"g": "a", "duration": [-1.0] * 3 + [1.0], "event": [0] * 4})
    with pytest.raises(DataError, match=r"3 values are negative\. Count"):
        life_table_by(frame, "g")


def test_an_unknown_column_is_named():
    with pytest.raises(DataError, match="no column shoe_size"):
        life_table_by(pd.DataFrame({"duration": [1], "event": [0]}), by=["shoe_size"])
