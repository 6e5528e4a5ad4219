"""Every analysis against the documented definitions in plain loops, on random records in every kind of dataframe."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import definitions as plain
from chance import FRAMES, PANDAS, draw, frames
from made import SPARK

import nbanalytics as nb
from nbanalytics.errors import DataError
from nbanalytics.frames import collect
from nbanalytics.municipality.views import national_tests_view

#: A random set may have two schools, whose intervals are about their pupils.
pytestmark = pytest.mark.filterwarnings("ignore:With . school:nbanalytics.errors.EstimationWarning")


def cell(value):
    """A value as Python writes it: None for what is missing, numbers rounded."""
    if pd.isna(value):
        return None
    if isinstance(value, str):
        return value
    return round(float(value), 6)


def rows(table, key, *columns):
    """``{key: cells}``; a single column is a cell and not a tuple."""
    frame = collect(table)
    keys = zip(*(map(cell, frame[name]) for name in key), strict=True)
    cells = list(zip(*(map(cell, frame[name]) for name in columns), strict=True))
    found = [one[0] if len(columns) == 1 else one for one in cells]
    return {one[0] if len(key) == 1 else one: value for one, value in zip(keys, found, strict=True)}


def like(expected):
    """The plain answer in the same form as :func:`rows`."""
    return {
        tuple(map(cell, key)) if isinstance(key, tuple) else key: tuple(map(cell, value))
        if isinstance(value, tuple)
        else cell(value)
        for key, value in expected.items()
    }


RESULT = ("n_grades", "n_streck", "mean_points", "n_passed", "eligible", "missing", "missing_further")
LOSS = (
    "duration",
    "event",
    "lost_term",
    "before_term",
    "last_term",
    "recovered_term",
    "end_observed",
    "regained_at_end",
)


def term_results(records, drawn):
    expected = {
        (student, term): tuple(found[name] for name in RESULT)
        for student, terms in plain.results(drawn).items()
        for term, found in terms.items()
    }
    yield rows(records.term_results(), ["student_id", "term"], *RESULT), expected


def merit(records, drawn):
    for grading, cohorts in records.gradings():
        found = collect(nb.merit_value(records.cohort(cohorts).grades, grading))
        expected = {
            (student, term): plain.merit_value(grades, cohorts[0])
            for student, terms in plain.held(drawn).items()
            for term, grades in terms.items()
            if plain.people(drawn)[student]["cohort"] in cohorts
        }
        yield rows(found, ["student_id", "term"], "merit_value"), expected


def six_groups(records, drawn):
    expected = plain.groups(drawn)
    if not any(group for group, _, _ in expected.values()):
        with pytest.raises(DataError):
            nb.classify(records)
        return
    yield rows(nb.classify(records).table, ["student_id"], "group", "direction", "reason"), expected


def flows(records, drawn):
    expected = {
        (student, stage): state for student, stages in plain.states(drawn).items() for stage, state in stages.items()
    }
    yield rows(nb.student_states(records), ["student_id", "stage"], "state"), expected
    found = nb.flows(records)
    way = ["stage_from", "state_from", "stage_to", "state_to"]
    yield rows(found.transitions, way, "students"), dict(plain.transitions(drawn))
    shares = {term: plain.share_eligible(drawn, term) for term in plain.STAGES}
    yield rows(nb.share_eligible(found), ["stage"], "eligible", "students"), shares


def drop_points(records, drawn):
    found = nb.losses(records)
    expected = {student: tuple(row[name] for name in LOSS) for student, row in plain.losses(drawn).items()}
    yield rows(found.table, ["student_id"], *LOSS), expected
    table = {t: tuple(numbers) for t, *numbers in plain.life_table(drawn)}
    yield rows(nb.life_table_by(found.table), ["t"], "at_risk", "events", "censored", "hazard", "survival"), table
    again = ("lost", "regained", "regained_at_end", "not_observed_at_end")
    if any(row["event"] for row in plain.losses(drawn).values()):
        yield rows(nb.recovery(found).table, ["lost_term"], *again), plain.recovery(drawn)
    causes = dict.fromkeys(plain.lost_subjects(drawn), 1)
    yield rows(collect(nb.lost_subjects(records, found).table).assign(one=1), ["student_id", "subject"], "one"), causes
    steps = nb.transition_probabilities(records).table
    yield rows(steps, ["t", "way"], "at_risk", "changed", "unseen"), plain.steps(drawn)


def progression(records, drawn):
    yield rows(nb.match_rate(records).table.query("n > 0"), ["counted", "status"], "n"), dict(plain.match_rate(drawn))
    expected = plain.pairs(drawn)
    if len(records.gradings()) > 1:
        with pytest.raises(DataError, match="several grade scales"):
            nb.progression(records)
        return
    columns = ("start_step", "end_step", "start_passed", "end_passed")
    pairs = nb.grade_pairs(records)
    yield rows(pairs, ["student_id", "subject"], *columns), expected
    courses = {student: plain.course(drawn, student) for student, _ in expected}
    yield rows(pairs, ["student_id"], "swedish_course"), courses
    total = nb.progression(records).total.assign(all="*")
    change = [last - first for first, last, _, _ in expected.values()]
    counted = (len(change), len(courses), sum(c > 0 for c in change), change.count(0), sum(c < 0 for c in change))
    yield rows(total, ["all"], "pairs", "students", "raised", "unchanged", "lowered"), {"*": counted}


def zero_values(records, drawn):
    for term in ("6VT", "9VT"):
        expected = plain.baseline(drawn, term)
        for by in ([], ["school_id"]):
            table = nb.baseline(records, term, by=by, min_students=1).table
            table = table if by else table.assign(school_id="*")
            wanted = {place: row for place, row in expected.items() if (place[0] == "*") == (not by) and row[0]}
            counted = table[table["students"] > 0]
            shares = counted[counted["measure"] != "absence"]
            key = ["school_id", "group", "measure"]
            yield (
                rows(shares, key, "students", "missing", "n", "count"),
                {place: row for place, row in wanted.items() if place[2] != "absence"},
            )
            absence = counted[counted["measure"] == "absence"].assign(value=lambda t: t["value"].where(t["n"] > 1))
            yield (
                rows(absence, key, "students", "missing", "n", "value"),
                {
                    place: (*row[:3], row[3] if row[2] > 1 else None)
                    for place, row in wanted.items()
                    if place[2] == "absence"
                },
            )


def absence_around(records, drawn):
    if drawn["absence"] is None or not any("invalid" in row for row in drawn["absence"]):
        return
    table = nb.absence_around_loss(records, nb.losses(records), min_students=1).table.query("group != 'difference'")
    expected = plain.absence_around_loss(drawn)
    key = ["relative", "measure", "group"]
    yield rows(table, key, "n", "mean"), expected


def screening_and_tests(records, drawn):
    if drawn["tests"] is not None:
        table = national_tests_view(records, [[]]).table
        yield rows(table, ["cohort", "subject"], "n", "above", "same", "below"), plain.national_tests(drawn)
    if drawn["screening"] is None or not any(row["term"] == "6VT" for row in drawn["screening"]):
        return
    table = nb.screening_profile(records, "6VT").table
    counts = ("questions", "answered", "unknown", "signs")
    yield rows(table, ["student_id", "scale"], *counts), plain.screening_profile(drawn, "6VT")
    for group, few in ((1, 1), (3, 2)):
        table = nb.screening_groups(records, "6VT", by=["school_id"], min_group=group, min_cell=few).table
        expected = plain.screening_groups(drawn, "6VT", min_group=group, min_cell=few)
        yield rows(table, ["school_id", "scale"], "students", "with_signs"), expected
    counts = ("n", "losses", "with_signs", "lost_with", "without_signs", "lost_without")
    table = nb.screening_and_loss(records, "6VT").table
    yield rows(table, ["scale"], *counts), plain.screening_and_loss(drawn, "6VT")


def indicators(records, drawn):
    found = nb.indicators(records)
    yield rows(found.table, ["student_id", "term", "indicator"], "signal"), plain.indicators(drawn)
    if drawn["support"] is None:
        return
    counted = ("students", "unknown", "with_signal", "without_support")
    yield rows(nb.coverage(records, found).table, ["term"], *counted), plain.coverage(drawn)
    for term in ("6VT", "9VT"):
        yield rows(nb.handover(records, term).table, ["student_id"], "status"), plain.handover(drawn, term)
    already, not_followed, waits = plain.time_to_support(drawn)
    if waits:
        wait = nb.time_to_support(records, found)
        yield {"already": wait.already, "not": wait.not_followed}, {"already": already, "not": not_followed}
        yield rows(wait.table, ["days"], "at_risk", "events", "censored", "waiting"), waits
    load = nb.caseload(records, "kind").table
    yield rows(load, ["month", "kind", "intensity"], "students"), plain.caseload(drawn)


def activity(records, drawn):
    if drawn["followups"] is not None:
        table = nb.kaa_outcomes(records).table
        yield rows(table, ["month", "status"], "students", "followed"), plain.kaa_outcomes(drawn)


ANALYSES = (
    term_results, merit, six_groups, flows, drop_points, progression, zero_values, absence_around, screening_and_tests,
    indicators, activity,
)  # fmt: skip


def differences(seed, kind="object", one_scale=False):
    """Which analyses differ from the plain definitions on a random set, with the first cells."""
    drawn = draw(seed, one_scale)
    records = frames(drawn, kind, seed)
    found = []
    for analysis in ANALYSES:
        for number, (got, expected) in enumerate(analysis(records, drawn)):
            wanted = like(expected)
            if got != wanted:
                cells = [
                    (key, got.get(key), wanted.get(key)) for key in {*got, *wanted} if got.get(key) != wanted.get(key)
                ]
                found.append((seed, kind, analysis.__name__, number, cells[:3]))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_few_sets_agree_with_the_definitions(seed):
    assert differences(seed) == []


@pytest.mark.parametrize("kind", ["pyarrow", "category", "polars-lazy", "duckdb", "arrow"])
def test_another_dataframe_agrees_with_the_definitions(kind):
    assert differences(100, kind) == []


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_thousands_of_sets_agree_with_the_definitions(block):
    """Pandas in turn of each type of columns, every third set of one scale."""
    seeds = range(1000 + 100 * block, 1100 + 100 * block)
    assert [d for n in seeds for d in differences(n, PANDAS[n % len(PANDAS)], one_scale=n % 3 == 0)] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", FRAMES)
def test_other_dataframes_agree_on_many_sets(kind):
    assert [d for n in range(4000, 4060) for d in differences(n, kind, one_scale=n % 3 == 0)] == []


@pytest.mark.slow
@pytest.mark.skipif(not SPARK, reason="needs Java and PySpark")
def test_spark_agrees_with_the_definitions():
    assert [d for n in (0, 3) for d in differences(n, "pyspark", one_scale=True)] == []
