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
from nbanalytics.declaration import Declaration, parse_declaration
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


def absence_by_hand(table, values, terms, window, least):
    """The documented means in loops, from the table of losses and ``{(student, term): value}``."""
    rows = table.set_index("student_id")
    never = rows[(rows["event"] == 0) & (rows["duration"] > 0)]
    found = {}
    for relative in range(-window, window + 1):
        mine, cells = [], Counter()
        for who, row in rows[rows["event"] == 1].iterrows():
            place = terms.index(row["lost_term"]) + relative
            if 0 <= place < len(terms) and (who, terms[place]) in values:
                mine.append(values[who, terms[place]])
                cells[row["cohort"], terms[place]] += 1
        others = {
            cell: [values[who, cell[1]] for who in never.index[never["cohort"] == cell[0]] if (who, cell[1]) in values]
            for cell in cells
        }
        sizes = {"lost": len(mine), "never_lost": sum(map(len, others.values()))}
        sizes["difference"] = sum(sizes.values())
        found |= {(relative, group): (n, None, None, None) for group, n in sizes.items()}
        if len(mine) < max(least, 2):
            continue

        def told(n, mean, error, freedom):
            half = stats.t.ppf(0.975, freedom) * error
            return n, mean, mean - half, mean + half

        mean, error = np.mean(mine), stats.sem(mine)
        found[relative, "lost"] = told(sizes["lost"], mean, error, len(mine) - 1)
        if min(map(len, others.values())) < max(least, 2):
            continue
        matched = sum(cells[cell] * np.mean(held) for cell, held in others.items()) / len(mine)
        cohorts = {}
        for (cohort, term), held in others.items():
            cohorts[cohort] = cohorts.get(cohort, 0) + cells[cohort, term] / len(mine) * stats.sem(held)
        beside, freedom = np.hypot.reduce([*cohorts.values()]), min(map(len, others.values())) - 1
        found[relative, "never_lost"] = told(sizes["never_lost"], matched, beside, freedom)
        both = told(sizes["difference"], mean - matched, np.hypot(error, beside), min(len(mine) - 1, freedom))
        found[relative, "difference"] = both
    return found


@pytest.mark.parametrize(("least", "window"), [(5, 1), (2, 3), (3, 0), (0, 2)])
def test_means_errors_and_intervals_are_those_of_plain_loops(least, window):
    """Two cohorts, losses in three terms; some values are missing, and one student has nothing after the start."""
    rng, terms = np.random.default_rng(3), Declaration().terms
    courses, cohorts = {}, []
    for n in range(40):
        lost = {0: "7HT", 1: "7VT", 2: "9VT"}.get(n % 6)
        followed = ["6VT", "7HT", "7VT", "9VT"]
        courses[f"P{n}"] = {
            term: FAILED if lost and terms.index(term) >= terms.index(lost) else PASSED for term in followed
        }
        cohorts.append(2018 + (n % 5 == 0))
    courses["gone"] = {"6VT": PASSED}
    rows = {
        (who, term): (rng.normal(8, 3), rng.normal(2, 1)) for who in courses for term in terms if rng.random() < 0.8
    }
    rows = {place: (valid if rng.random() < 0.9 else None, invalid) for place, (valid, invalid) in rows.items()}
    records = records_of(courses, absence=absent(rows), cohort=[*cohorts, 2018])
    found = losses(records)
    around = absence_around_loss(records, found, window=window, **({} if least == 5 else {"min_students": least}))
    result = around.table
    for measure, values in (
        ("total", {place: valid + invalid for place, (valid, invalid) in rows.items() if valid is not None}),
        ("invalid", {place: invalid for place, (_, invalid) in rows.items()}),
    ):
        expected = absence_by_hand(found.table, values, terms, window, least)
        own = result[result["measure"] == measure]
        assert len(own) == len(expected)
        for row in own.itertuples():
            n, *estimates = expected[row.relative, row.group]
            assert row.n == n, (measure, row.relative, row.group)
            if estimates[0] is None:
                assert (row.status, np.isnan(row.mean), np.isnan(row.low)) == ("too_few", True, True)
            else:
                assert (row.status, row.mean, row.low, row.high) == ("ok", *map(pytest.approx, estimates))
    lost = found.table.dropna(subset="lost_term").set_index("student_id")["lost_term"].map(terms.index).to_dict()
    near = {who for who, term in rows if who in lost and abs(terms.index(term) - lost[who]) <= window}
    assert around.students == len(near)


def test_absence_that_is_the_same_for_all_has_no_error():
    lost, kept = (
        {f"L{n}": {"6VT": PASSED, "7HT": FAILED} for n in range(3)},
        {f"K{n}": {"6VT": PASSED, "7HT": PASSED} for n in range(3)},
    )
    values = {(who, "7HT"): (None, 3.0 if who in lost else 1.5) for who in lost | kept}
    records = records_of({**lost, **kept}, absence=absent(values))
    result = absence_around_loss(records, losses(records), window=0, min_students=3)
    rows = result.table.set_index(["measure", "group"])[["n", "mean", "se", "low", "high"]]
    assert rows.loc[("invalid", "lost")].tolist() == [3, 3.0, 0, 3.0, 3.0]
    assert rows.loc[("invalid", "difference")].tolist() == [6, 1.5, 0, 1.5, 1.5]
    assert result.students == 3, "one kind of absence is enough to be counted"
    only = replace(records, absence=records.absence.drop(columns="valid"))
    assert set(absence_around_loss(only, losses(only), window=0).table["measure"]) == {"invalid"}
    with pytest.raises(DataError, match="has no column invalid"):
        absence_around_loss(replace(records, absence=records.absence.drop(columns="invalid")), losses(records))


def test_a_rule_that_asks_for_passes_alone_has_every_lost_pass_as_a_cause():
    declared = parse_declaration(
        {"grading": {"rule": "x"}, "rule": [{"name": "x", "way": [{"required": [], "passes": 7}]}]}
    )
    assert causes({"P": {"6VT": PASSED, "7HT": "EEFEEEE."}}, declaration=declared) == {"MA", "HKK"}


def test_records_without_absence_are_refused():
    records = records_of({"P": {"6VT": PASSED}})
    with pytest.raises(DataError, match="hold no absence"):
        absence_around_loss(records, losses(records))
    with pytest.raises(DataError, match="window is -1"):
        absence_around_loss(municipality(12), losses(municipality(12)), window=-1)
