"""States term by term: beside R, by derivatives, by hand, and a what-if whose effect is planted."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made import ENGINES, in_engine, municipality, pandas, records_of, same

from nbanalytics.analysis.flows import aalen_johansen, flows, state_probabilities, what_if
from nbanalytics.analysis.flows.states import CountedCourses
from nbanalytics.analysis.flows.what_if import _Change
from nbanalytics.errors import DataError
from nbanalytics.figures import state_bars
from nbanalytics.schools import LIKE, THESE
from nbanalytics.text import Words

REFERENCE = Path(__file__).parent / "reference"
PASSED, FAILED = "EEEEEEEE", "EEFEEEEE"


def panel():
    return pd.read_csv(REFERENCE / "panel.csv").pivot(index="id", columns="term", values="state")


def test_probabilities_and_errors_are_those_of_r():
    expected = json.loads((REFERENCE / "multistate.json").read_text())["panel_ids"]
    found = aalen_johansen(panel(), expected["states"], fixed_start=True).query("t > 0")
    for column, name in (("at_risk", "n_risk"), ("probability", "pstate"), ("se", "se")):
        assert found[column].to_numpy() == pytest.approx(np.ravel(expected[name]), abs=1e-8)


@pytest.mark.parametrize("clustered", [False, True])
def test_the_error_is_made_of_derivatives_also_with_late_entry_and_gaps(clustered):
    """One person more, by a small weight; a tenth of the states are not seen, at the start, inside and at the end."""
    courses = panel().iloc[:40].astype(object)
    courses = courses.mask(np.random.default_rng(1).random(courses.shape) < 0.1)
    states, groups, step = ["eligible", "lost", "moved"], np.arange(40) % 5 if clustered else np.arange(40), 1e-5
    found = aalen_johansen(courses, states, clusters=groups if clustered else None)

    def moved(unit, by):
        weights = np.where(groups == unit, 1 + by, 1.0)
        return aalen_johansen(courses, states, weights)["probability"].to_numpy()

    slopes = [(moved(unit, step) - moved(unit, -step)) / (2 * step) for unit in np.unique(groups)]
    assert found["se"].to_numpy() == pytest.approx(np.sqrt((np.array(slopes) ** 2).sum(axis=0)), abs=1e-8)


def test_distinct_courses_with_numbers_are_the_same_as_persons():
    courses = panel()
    distinct = courses.value_counts(dropna=False).reset_index()
    states = ["eligible", "lost", "moved"]
    one, two = aalen_johansen(courses, states), aalen_johansen(distinct[list(courses)], states, distinct["count"])
    pd.testing.assert_frame_equal(one, two)


def test_by_hand_who_moves_in_counts_from_then_on_and_an_unknown_state_is_left_out():
    """At 7HT, A of A and B loses; D has no grades there. At 7VT A regains, and B and C (moved in at 7HT) stay."""
    courses = {
        "A": {"6VT": PASSED, "7HT": FAILED, "7VT": PASSED},
        "B": {"6VT": PASSED, "7HT": PASSED, "7VT": PASSED},
        "C": {"7HT": PASSED, "7VT": FAILED},
        "D": {"6VT": PASSED, "7VT": PASSED},
    }
    courses = {who: {"6HT": PASSED, **course} if who != "C" else course for who, course in courses.items()}
    records = records_of(courses, moved_in={"C": "7HT"})
    found = state_probabilities(records, min_students=1, estimand=THESE)
    shares = found.table[found.table["state"] == "eligible"].set_index("stage")["probability"]
    assert shares[["6HT", "6VT", "7HT", "7VT"]].tolist() == [1.0, 1.0, 0.5, 0.75]
    course = found.course.set_index(["measure", "stage"])["value"]
    assert course["regained", "7HT"] == 1.0
    assert found.students == 3


@pytest.fixture(scope="module")
def made():
    return municipality(students=150)


def test_without_late_entry_and_gaps_probabilities_are_the_shares_of_flows(made):
    whole = pandas(made.results(list(made.declaration.terms))).groupby("student_id").size()
    students = pandas(made.students)
    kept = students[students["student_id"].isin(whole[whole == len(made.declaration.terms)].index)]
    records = type(made)(kept, made.grades, declaration=made.declaration)
    found = state_probabilities(records).table
    shares = flows(records).states.assign(share=lambda table: table["students"] / len(kept))
    both = found.merge(shares, on=["stage", "state"])
    assert len(both) == 3 * 4
    assert both["probability"].to_numpy() == pytest.approx(both["share"].to_numpy(), abs=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_counts_the_same(made, engine):
    asked = {"by": "sex"}, {"way": "lost", "at": "7HT", "times": 0.5, "by": "sex"}
    for function, kwargs in zip((state_probabilities, what_if), asked, strict=True):
        same(function(in_engine(made, engine), **kwargs).table, function(made, **kwargs).table)


def test_the_figure_has_every_estimate_and_leaves_out_what_is_not_estimated(made):
    table = state_probabilities(made).table
    chart = state_bars(table, Words("sv"))
    drawn = chart.figure().data
    assert sum(len(trace.x) for trace in drawn) == len(chart.table.rows) == table["probability"].notna().sum()
    assert sum(sum(trace.x) for trace in drawn) == pytest.approx(table["stage"].nunique())
    assert state_bars(table.assign(probability=np.nan)).drawing["data"] == []


def test_the_difference_of_a_group_is_to_all_the_others_together(made):
    found = state_probabilities(made, by="sex")
    students = pandas(made.students)
    others = type(made)(students[students["sex"] != "boy"], made.grades, outcomes=made.outcomes)
    rows = found.differences.query("measure == 'probability' and sex == 'boy'")
    boys, rest = found.table.query("sex == 'boy'")["probability"], state_probabilities(others).table["probability"]
    assert rows["difference"].to_numpy() == pytest.approx(boys.to_numpy() - rest.to_numpy(), nan_ok=True)


def test_times_one_changes_nothing_and_half_at_one_step_is_by_hand(made):
    rows = flows(made).states.query("state == 'eligible'").set_index("stage")["students"]
    same_as_seen = what_if(made, "lost", times=1).table.iloc[0]
    assert same_as_seen["observed"] == rows["9VT"]
    assert same_as_seen["expected"] == pytest.approx(rows["9VT"], abs=1e-9)
    # The last step is plain: half of those lost there stay.
    last = what_if(made, "lost", "9VT", times=0.5)
    step = last.steps.iloc[0]
    assert last.table.iloc[0]["more"] == pytest.approx(step["at_risk"] * step["chance"] / 2, abs=1e-9)
    boys = what_if(made, "lost", "9VT", times=0.5, group={"sex": "boy"}, by="sex").table
    assert boys.query("sex == 'girl' and measure == 'eligible'")["more"].item() == 0
    own = what_if(made, "lost", times=0.5, like=None, group={"sex": "boy"}).table.iloc[0]
    parts = what_if(made, "lost", times=0.5, group={"sex": "boy"}, by="sex").table.query("sex == 'boy'").iloc[0]
    assert own["more"] == pytest.approx(parts["more"])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"way": "left", "times": 1}, "no way 'left'"),
        ({"way": "lost", "at": "6HT", "times": 1}, "No step ends in 6HT"),
        ({"way": "lost"}, "needs one change"),
        ({"way": "lost", "times": -1}, "0 or more"),
        ({"way": "regained", "at": "7HT", "times": 50}, "above 100 %"),
        ({"way": "lost", "like": {"school_id": "S99"}}, "No student has school_id 'S99'"),
        ({"way": "lost", "like": {"house": 1}}, "has no column house"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(made, asked, words):
    with pytest.raises(DataError, match=words):
        what_if(made, **asked)


def test_a_transition_that_never_happens_is_not_multiplied():
    records = records_of({who: {"6HT": PASSED, "6VT": PASSED} for who in "ABC"})
    with pytest.raises(DataError, match="Nobody lost eligibility from 6HT to 6VT among 3 at risk"):
        what_if(records, "lost", "6VT", times=0.5, estimand=THESE)


def drawn(lost, regained, random, times=1.0):
    """Courses over five terms by chances of each student, from given random numbers; the second step is changed."""
    state = random[:, 0] < 0.8
    codes = [np.where(state, 0, 1)]
    for step in range(1, random.shape[1]):
        chance = np.where(state, lost * (times if step == 2 else 1.0), regained)
        state = state ^ (random[:, step] < chance)
        codes.append(np.where(state, 0, 1))
    return np.stack(codes, axis=1)


def changed(codes, schools, kind):
    table = pd.DataFrame({"_school": schools.astype(str), "_persons": 1})
    courses = CountedCourses(("6VT", "7HT", "7VT", "8HT", "8VT"), codes, table, kind)
    everybody = np.ones(len(codes), dtype=bool)
    return _Change(courses, "lost", [1], 0.5, everybody).apply(everybody, everybody)[0][0]


def test_a_planted_effect_is_recovered_with_the_same_random_numbers():
    random = np.random.default_rng(5).random((40_000, 5))
    before, after = (drawn(0.2, 0.3, random, times) for times in (1.0, 0.5))
    found = changed(before, np.arange(40_000) % 10, LIKE)
    true = int((after[:, -1] == 0).sum() - (before[:, -1] == 0).sum())
    assert true > 600
    assert found["more"] == pytest.approx(true, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "spread"), [(THESE, 0.0), (LIKE, 0.5)])
def test_intervals_of_a_what_if_cover_what_they_are_about(kind, spread):
    """Schools of their own level, drawn anew each time; the truth is of 2,000 schools like them."""
    generator = np.random.default_rng(7)

    def town(schools, pupils=60):
        place = np.repeat(np.arange(schools), pupils)
        level = np.log(0.15 / 0.85) + generator.normal(0, spread, schools)
        return place, (1 / (1 + np.exp(-level)))[place], generator.random((schools * pupils, 5))

    def more(place, lost, random):
        return changed(drawn(lost, 0.3, random), place, kind)

    _, lost, random = town(2000)
    one, half = (drawn(lost, 0.3, random, times) for times in (1.0, 0.5))
    true = float((half[:, -1] == 0).mean() - (one[:, -1] == 0).mean())
    held = []
    for _ in range(500):
        row = more(*town(15))
        held.append(row["low"] <= true * row["students"] <= row["high"])
    assert 0.92 <= np.mean(held) <= 0.98
