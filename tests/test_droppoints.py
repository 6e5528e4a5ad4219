"""Losses, recovery and the first step against the others, by hand and against plain loops."""

import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import given, settings
from made import ENGINES, in_engine, made_records, municipality, pandas, records_of, results_of, same

from nbanalytics.analysis.droppoints import (
    absence_around_loss,
    losses,
    lost_subjects,
    person_periods,
    recovery,
)
from nbanalytics.schools import LIKE, THESE, share_over_schools
from nbanalytics.simulation import simulate

PASSED, FAILED = "EEEEEEEE", "EEFEEEEE"


def row_of(records, student="P"):
    table = losses(records).table
    return table[table["student_id"] == student].iloc[0]


def test_the_loss_is_the_first_term_without_eligibility():
    row = row_of(records_of({"P": {"6VT": PASSED, "7HT": PASSED, "7VT": FAILED, "8HT": FAILED, "9VT": PASSED}}))
    assert (row["duration"], row["event"], row["lost_term"], row["before_term"]) == (2, 1, "7VT", "7HT")
    assert (row["recovered_term"], row["last_term"]) == ("9VT", "9VT")
    assert row["regained_at_end"]
    assert row["end_observed"]


def test_a_gap_is_at_risk_and_a_loss_behind_it_is_dated_where_it_is_seen():
    row = row_of(records_of({"P": {"6VT": PASSED, "8VT": FAILED}}))
    assert (row["duration"], row["event"], row["lost_term"], row["before_term"]) == (4, 1, "8VT", "6VT")
    assert pd.isna(row["recovered_term"])


def test_who_is_not_seen_to_lose_is_censored_after_the_last_results():
    row = row_of(records_of({"P": {"6VT": PASSED, "7HT": PASSED, "8HT": PASSED}}))
    assert (row["duration"], row["event"], row["last_term"]) == (3, 0, "8HT")
    assert pd.isna(row["lost_term"])


def test_who_is_never_seen_again_is_counted_and_in_no_person_period():
    records = records_of(
        {
            "stays": {"6VT": PASSED, "7HT": PASSED},
            "gone": {"6HT": PASSED, "6VT": PASSED},
            "not": {"6VT": FAILED, "7HT": PASSED},
            "late": {"7HT": PASSED},
        }
    )
    found = losses(records)
    assert (found.students, found.never_observed_again) == (2, 1)
    assert found.left_out == {"not_eligible_at_start": 1, "no_results_at_start": 1}
    assert row_of(records, "gone")["duration"] == 0
    assert person_periods(found)["student_id"].tolist() == ["stays"]
    assert found.life_table()["at_risk"].tolist() == [1]
    assert "2 students eligible in 6VT" in repr(found)
    assert "<table" in found._repr_html_()


@settings(max_examples=examples(12), deadline=None)
@given(made_records())
def test_losses_are_those_of_a_plain_loop(records):
    terms = records.declaration.followed_terms
    table = pandas(losses(in_engine(records, "polars")).table).set_index("student_id")
    expected = {}
    for student, results in results_of(records).items():
        if not results.get(terms[0], False):
            continue
        seen = [term for term in terms if term in results]
        lost = next((term for term in seen if not results[term]), None)
        after = seen[seen.index(lost) + 1 :] if lost else []
        expected[student] = (
            terms.index(lost or seen[-1]),
            int(lost is not None),
            lost,
            seen[seen.index(lost) - 1] if lost else None,
            seen[-1],
            next((term for term in after if results[term]), None),
            bool(lost and results.get(terms[-1], False)),
        )
    columns = ["duration", "event", "lost_term", "before_term", "last_term", "recovered_term", "regained_at_end"]
    found = {
        student: tuple(None if pd.isna(value) else value for value in row)
        for student, row in zip(table.index, table[columns].itertuples(index=False), strict=True)
    }
    assert found == expected


@settings(max_examples=examples(10), deadline=None)
@given(made_records())
def test_person_periods_and_life_table_tell_the_same(records):
    found = losses(in_engine(records, "polars"))
    periods, table = pandas(person_periods(found)), found.life_table()
    by_step = periods.groupby("t")["event"].agg(["size", "sum"])
    assert by_step["size"].tolist() == table["at_risk"].tolist()
    assert by_step["sum"].tolist() == table["lost"].tolist()
    assert table["lost"].sum() + table["censored"].sum() == found.students - found.never_observed_again


@pytest.mark.parametrize("engine", ENGINES)
def test_any_dataframe_gives_the_same_drop_points(engine):
    records = municipality()
    other = in_engine(records, engine)
    expected, found = losses(records), losses(other)
    assert (found.students, found.never_observed_again, found.left_out) == (
        expected.students,
        expected.never_observed_again,
        expected.left_out,
    )
    same(found.life_table(["sex"]), expected.life_table(["sex"]))
    same(recovery(found, ["cohort"]).table, recovery(expected, ["cohort"]).table)
    same(lost_subjects(other, found).counts, lost_subjects(records, expected).counts)
    same(absence_around_loss(other, found).table, absence_around_loss(records, expected).table)
    rows = pandas(person_periods(found)).sort_values(["student_id", "t"], ignore_index=True)
    wanted = person_periods(expected).sort_values(["student_id", "t"], ignore_index=True)
    assert (
        rows[["student_id", "t", "term", "event"]]
        .astype(str)
        .equals(wanted[["student_id", "t", "term", "event"]].astype(str))
    )


def test_recovery_by_the_term_of_the_loss():
    records = records_of(
        {
            "back": {"6VT": PASSED, "7HT": FAILED, "9VT": PASSED},
            "for a while": {"6VT": PASSED, "7HT": FAILED, "8HT": PASSED, "9VT": FAILED},
            "gone": {"6VT": PASSED, "7HT": FAILED},
            "at the end": {"6VT": PASSED, "9VT": FAILED},
            "never lost": {"6VT": PASSED, "9VT": PASSED},
        }
    )
    result = recovery(losses(records), min_students=3)
    rows = result.table.set_index("lost_term")
    counts = ["lost", "regained", "regained_at_end", "not_regained_at_end", "not_observed_at_end"]
    assert rows.loc["7HT", counts].tolist() == [3, 2, 1, 1, 1]
    assert rows.loc["9VT", counts].tolist() == [1, 0, 0, 1, 0]
    assert rows.loc["*", counts].tolist() == [4, 2, 1, 2, 1]
    assert rows.loc["7HT", "share_regained"] == pytest.approx(2 / 3)
    nothing = recovery(losses(records), min_students=9).table[["share_regained", "low", "high"]]
    assert nothing.isna().all(axis=None)
    assert set(nothing.dtypes) == {np.dtype(float)}
    assert rows.loc[["7HT", "8HT", "9VT"], "status"].tolist() == ["ok", "too_few", "not_applicable"]
    assert result.students == 4


@pytest.mark.parametrize(("lost", "least", "status"), [(5, 5, "ok"), (4, 5, "too_few"), (1, 1, "ok")])
@pytest.mark.parametrize(("schools", "estimand"), [("ABC", LIKE), ("AB", THESE), (None, THESE)])
def test_the_share_who_regain_is_told_from_so_many_on(lost, least, status, schools, estimand):
    courses = {f"P{n}": {"6VT": PASSED, "7HT": FAILED, "7VT": PASSED if n % 2 else FAILED} for n in range(lost)}
    courses |= {f"Q{n}": {"6VT": PASSED, "7VT": FAILED} for n in range(3)}
    place = {} if schools is None else {"school_id": [schools[n % len(schools)] for n in range(lost)] + list("ABC")}
    table = recovery(losses(records_of(courses, **place)), **({} if least == 5 else {"min_students": least})).table
    row = table.set_index("lost_term").loc["7HT"]
    own = estimand if min(lost, len(schools or "")) >= 3 else THESE
    assert row[["lost", "regained", "status", "estimand"]].tolist() == [lost, lost // 2, status, own]
    if status == "ok":
        counts = [[lost // 2], [lost]]
        if own == LIKE:
            counts = [
                [sum(n % 2 for n in range(place, lost, 3)) for place in range(3)],
                [len(range(place, lost, 3)) for place in range(3)],
            ]
        assert (row["share_regained"], row["low"], row["high"]) == pytest.approx(
            (lost // 2 / lost, *share_over_schools(*counts, own))
        )


@pytest.mark.parametrize(
    ("first", "counts"),
    [((PASSED,), (1, 0, 0)), ((FAILED,), (0, 1, 0)), (("........",), (0, 0, 1)), ((PASSED, FAILED), (1, 1, 0))],
)
def test_students_are_counted_by_how_they_stand_at_the_start(first, counts):
    found = losses(records_of({f"P{n}": {"6VT": grades, "7HT": PASSED} for n, grades in enumerate(first)}))
    assert (found.students, *found.left_out.values()) == counts


def test_columns_come_in_the_order_that_is_documented():
    found = losses(
        records_of({"P": {"6VT": PASSED, "7HT": PASSED}, "Q": {"6VT": PASSED, "7HT": FAILED}}, sex=["girl", "boy"])
    )
    assert list(found.life_table("sex"))[:6] == ["sex", "t", "term", "at_risk", "lost", "censored"]
    assert list(found._shown())[:5] == ["term", "at_risk", "lost", "censored", "hazard"]
    assert not {"se_hazard", "se_survival"} & set(found._shown())
    assert found.life_table()["term"].tolist() == ["7HT"]


# ------------------------------------------------------------------ the known truth


def test_the_losses_of_a_synthetic_municipality_are_the_true_ones():
    made = simulate(seed=2, cohorts=[2019])
    found = losses(made.records).table[["student_id", "lost_term"]]
    both = found.merge(made.truth, on="student_id", suffixes=("", "_true"))
    assert len(both) == len(found)
    assert both["lost_term"].notna().sum() > 10
    assert (both["lost_term"].fillna("") == both["lost_term_true"].fillna("")).all()
