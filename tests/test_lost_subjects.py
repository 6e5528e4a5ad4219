"""Which subjects cost the eligibility, and the absence around the loss."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import given, settings
from made import in_engine, made_records, municipality, pandas, records_of
from scipy import stats

from nbanalytics import figures
from nbanalytics.analysis.droppoints import (
    absence_around_loss,
    losses,
    lost_subjects,
)
from nbanalytics.declaration import parse_declaration
from nbanalytics.errors import DataError

PASSED, FAILED = "EEEEEEEE", "EEFEEEEE"


def causes(courses, student="P", **settings_):
    records = records_of(courses, **settings_)
    table = lost_subjects(records, losses(records)).table
    return set(table.loc[table["student_id"] == student, "subject"])


@pytest.mark.parametrize("mark", ["F", "-", ".", "not_graded"])
def test_a_required_subject_is_lost_with_any_kind_of_no_pass(mark):
    grades = dict(zip(("SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"), "EEEEEEEE", strict=True))
    before, after = {**grades, "BI": "E"}, {**grades, "BI": "E", "MA": mark}
    assert causes({"P": {"6VT": before, "7HT": after}}) == {"MA"}


def test_other_subjects_count_only_where_the_passes_fall_short():
    grades = dict.fromkeys(("SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"), "E")
    enough = {**grades, "BI": "E", "FY": "E"}
    assert causes({"P": {"6VT": enough, "7HT": {**enough, "MA": "F", "BL": "F"}}}) == {"MA"}
    assert causes({"P": {"6VT": grades, "7HT": {**grades, "MA": "F", "BL": "F"}}}) == {"MA", "BL"}
    assert causes({"P": {"6VT": grades, "7HT": {**grades, "BL": "F"}}}) == {"BL"}


def test_a_change_of_course_in_swedish_is_no_loss_and_a_failed_one_is_named_by_the_demand():
    grades = dict.fromkeys(("EN", "MA", "BL", "MU", "SL", "IDH", "HKK"), "E")
    before, switched = {**grades, "SV": "E"}, {**grades, "SVA": "E", "EN": "F"}
    assert causes({"P": {"6VT": before, "7HT": switched}}) == {"EN"}
    assert causes({"P": {"6VT": before, "7HT": {**grades, "SVA": "F"}}}) == {"SV/SVA"}


def test_a_subject_without_a_pass_before_is_no_cause():
    grades = dict.fromkeys(("SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"), "E")
    before = {**grades, "BI": "F"}
    assert causes({"P": {"6VT": before, "7HT": {**before, "SL": "F"}}}) == {"SL"}


def test_the_comparison_is_with_the_last_results_before_the_loss():
    grades = dict.fromkeys(("SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK", "BI"), "E")
    course = {"6VT": grades, "7HT": {**grades, "BI": "F"}, "8HT": {**grades, "BI": "F", "MA": "F"}}
    assert causes({"P": course}) == {"MA"}


def test_counts_tell_how_many_lost_only_that_subject():
    records = records_of(
        {
            "one": {"6VT": PASSED, "7HT": FAILED},
            "two": {"6VT": PASSED, "7HT": "FEFEEEEE"},
            "later": {"6VT": PASSED, "7HT": PASSED, "7VT": FAILED},
        },
    )
    # eight passes are just enough, so that every lost pass is among the causes
    result = lost_subjects(records, losses(records))
    found = {(row.term, row.subject): (row.students, row.only) for row in result.counts.itertuples()}
    assert found == {
        ("7HT", "MA"): (2, 1),
        ("7HT", "SV/SVA"): (1, 0),
        ("7VT", "MA"): (1, 1),
        ("*", "MA"): (3, 2),
        ("*", "SV/SVA"): (1, 0),
    }
    assert result.students == 3
    assert "MA" in repr(result)
    assert "<table" in result._repr_html_()
    squares = figures.subjects_heatmap(result).drawing["data"][0]
    assert squares["z"] == [[2, 1], [1, None]]


def test_with_several_ways_those_met_before_count():
    declaration = parse_declaration({"grading": {"rule": "IMV"}})
    grades = dict.fromkeys(("SV", "MA", "BL", "MU", "SL", "IDH"), "E")
    # eligible through SV + MA + 4 without English; BL makes the passes fall short
    course = {"P": {"6VT": {**grades, "EN": "F"}, "7HT": {**grades, "EN": "F", "BL": "F"}}}
    assert causes(course, declaration=declaration) == {"BL"}
    # with English failing beside Swedish both ways are closed by Swedish alone
    full = {**grades, "EN": "E", "HKK": "E"}
    course = {"P": {"6VT": full, "7HT": {**full, "SV": "F"}}}
    assert causes(course, declaration=declaration) == {"SV/SVA"}


def test_a_demand_met_by_a_block_grade_is_not_lost_with_one_of_its_subjects():
    declaration = parse_declaration({"grading": {"rule": "preparatory-NA-TE"}})
    names = ("SV", "EN", "MA", "BI", "FY", "KE", "BL", "MU", "SL", "IDH", "HKK", "GE", "HI")
    grades = dict.fromkeys(names, "E")
    course = {"P": {"6VT": grades, "7HT": {**grades, "FY": "F"}}}
    assert causes(course, declaration=declaration) == {"FY"}
    course = {"P": {"6VT": grades, "7HT": {**grades, "FY": "F", "NO": "E", "BL": "F", "MU": "F"}}}
    assert causes(course, declaration=declaration) == {"FY", "BL", "MU"}


def test_a_rule_on_the_mean_names_the_subjects_that_fell():
    declaration = parse_declaration({"grading": {"scale": "1-10"}})
    records = records_of(
        {"P": {"6VT": {"SV": "5", "MA": "6", "EN": "4"}, "7HT": {"SV": "5", "MA": "1"}}}, declaration=declaration
    )
    records = replace(records, students=records.students.assign(cohort=2033))
    assert set(lost_subjects(records, losses(records)).table["subject"]) == {"MA"}


@settings(max_examples=examples(12), deadline=None)
@given(made_records())
def test_every_loss_has_a_cause_and_only_lost_passes_are_causes(records):
    quick = in_engine(records, "polars")
    found = losses(quick)
    losers, result = pandas(found.table), pandas(lost_subjects(quick, found).table)
    lost = losers[losers["event"] == 1]
    assert set(result["student_id"]) == set(lost["student_id"])
    held = {(row.student_id, row.term, row.subject): row.grade for row in records.grades.itertuples()}
    terms = {row.student_id: (row.before_term, row.lost_term) for row in lost.itertuples()}
    expected = set()
    for student, (before, after) in terms.items():
        passes = [
            {subject for subject in ("SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK")
             if held.get((student, term, subject), "F") in "ABCDE"}
            for term in (before, after)
        ]  # fmt: skip
        # eight subjects and eight passes wanted: whatever else is lost, the passes fall short only beyond the required
        core = {"SV", "EN", "MA"}
        short = len(passes[1] | core) < 8
        expected |= {
            (student, "SV/SVA" if subject == "SV" else subject)
            for subject in passes[0] - passes[1]
            if subject in core or short
        }
    assert set(result[["student_id", "subject"]].itertuples(index=False, name=None)) == expected
    numbers = Counter(student for student, _ in expected)
    assert all(row.causes == numbers[row.student_id] for row in result.itertuples())


def absent(values):
    rows = [(who, term, valid, invalid) for (who, term), (valid, invalid) in values.items()]
    return pd.DataFrame(rows, columns=["student_id", "term", "valid", "invalid"])


def test_absence_is_by_term_around_the_loss_beside_the_same_terms_of_the_others():
    lost = {f"L{n}": {"6VT": PASSED, "7HT": FAILED} for n in range(6)}
    kept = {f"K{n}": {"6VT": PASSED, "7HT": PASSED} for n in range(8)}
    values = {(f"L{n}", "7HT"): (10.0 + n, 2.0) for n in range(6)} | {(f"L{n}", "6VT"): (4.0, None) for n in range(6)}
    values |= {(f"K{n}", "7HT"): (float(n), 1.0) for n in range(8)}
    records = records_of({**lost, **kept}, absence=absent(values))
    result = absence_around_loss(records, losses(records), window=1)
    rows = result.table.set_index(["relative", "measure", "group"])
    own = rows.loc[(0, "total", "lost")]
    totals = np.array([12.0 + n for n in range(6)])
    others = np.array([1.0 + n for n in range(8)])
    assert own["n"] == 6
    assert own["mean"] == pytest.approx(totals.mean())
    interval = stats.t.interval(0.95, 5, totals.mean(), stats.sem(totals))
    assert (own["low"], own["high"]) == pytest.approx(interval)
    matched = rows.loc[(0, "total", "never_lost")]
    assert matched["mean"] == pytest.approx(others.mean())
    assert matched["se"] == pytest.approx(stats.sem(others))
    difference = rows.loc[(0, "total", "difference")]
    assert difference["mean"] == pytest.approx(totals.mean() - others.mean())
    assert difference["se"] == pytest.approx(np.hypot(stats.sem(totals), stats.sem(others)))
    # the invalid absence of 6VT is missing, and so is the total; nobody has absence in the term after
    assert rows.loc[(-1, "total", "lost"), "status"] == "too_few"
    assert rows.loc[(1, "invalid", "lost"), "n"] == 0
    assert result.students == 6


def test_the_comparison_is_weighted_by_the_terms_of_those_who_lost():
    early = {f"E{n}": {"6VT": PASSED, "7HT": FAILED} for n in range(6)}
    late = {f"L{n}": {"6VT": PASSED, "7HT": PASSED, "7VT": FAILED} for n in range(2)}
    kept = {f"K{n}": {"6VT": PASSED, "7HT": PASSED, "7VT": PASSED} for n in range(6)}
    values = {(who, "7HT"): (5.0, 0.0) for who in early} | {(who, "7VT"): (5.0, 0.0) for who in late}
    values |= {(who, "7HT"): (2.0, 0.0) for who in kept} | {(who, "7VT"): (10.0, 0.0) for who in kept}
    records = records_of({**early, **late, **kept}, absence=absent(values))
    rows = absence_around_loss(records, losses(records), window=0).table.set_index(["measure", "group"])
    assert rows.loc[("total", "never_lost"), "mean"] == pytest.approx((6 * 2 + 2 * 10) / 8)


def test_records_without_absence_are_refused():
    records = records_of({"P": {"6VT": PASSED}})
    with pytest.raises(DataError, match="hold no absence"):
        absence_around_loss(records, losses(records))
    with pytest.raises(DataError, match="window is -1"):
        absence_around_loss(municipality(12), losses(municipality(12)), window=-1)
