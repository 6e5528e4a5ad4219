"""States term by term: beside R, by derivatives, by hand, and a what-if whose effect is planted."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made import ENGINES, in_engine, municipality, pandas, records_of, same

from nbanalytics.analysis.flows import aalen_johansen, flows, state_probabilities, states_of, what_if
from nbanalytics.analysis.flows.states import CountedCourses
from nbanalytics.analysis.flows.what_if import _Change
from nbanalytics.declaration import AFTER
from nbanalytics.errors import DataError
from nbanalytics.figures import state_bars
from nbanalytics.intervals import score_interval
from nbanalytics.schools import LIKE, THESE, jackknife_interval
from nbanalytics.students import student_table
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


# ---------------------------------------------------------------- the model in plain loops


@pytest.fixture(scope="module")
def known(made):
    """Stages; ``{student: states}`` from the first one that is seen on, None where nothing is known; the students."""
    stages = (*made.declaration.terms, AFTER)
    found = {}
    for who, _, *states in pandas(student_table(made, [f"state_{stage}" for stage in stages])).itertuples(index=False):
        seen = next((place for place, state in enumerate(states) if state not in ("moved", "unknown")), len(states))
        found[who] = [None if place < seen or state == "unknown" else state for place, state in enumerate(states)]
    return stages, found, pandas(made.students).set_index("student_id")


def courses_of(known, left_out=None, **wanted):
    """The courses of students with some values, without those of a school."""
    chosen = known[2][known[2]["school_id"] != left_out]
    for name, value in wanted.items():
        chosen = chosen[chosen[name] == value]
    return [known[1][who] for who in chosen.index]


def steps_by_hand(courses, unseen_too=False):
    """For each step ``{state: {next state: share}}``."""
    steps = []
    for t in range(len(courses[0]) - 1):
        pairs = [(one[t], one[t + 1]) for one in courses if unseen_too or None not in (one[t], one[t + 1])]
        step = {}
        for before, after in pairs:
            step.setdefault(before, {}).setdefault(after, 0)
            step[before][after] += 1
        steps.append({a: {b: n / sum(to.values()) for b, n in to.items()} for a, to in step.items()})
    return steps


def carried(share, steps):
    """Shares, or numbers, of states at each time; who is in a state that nobody leaves or stays in stays."""
    found = [share]
    for step in steps:
        new = {}
        for state, part in found[-1].items():
            for after, chance in step.get(state, {state: 1.0}).items():
                new[after] = new.get(after, 0) + part * chance
        found.append(new)
    return found


def probabilities_by_hand(stages, courses):
    """``{(stage, state): probability}`` and ``{(measure, stage): value}``, None where nothing can be said."""
    first = [course[0] for course in courses if course[0]]
    start = {state: first.count(state) / len(first) for state in set(first)}
    steps, terms = steps_by_hand(courses), len(stages) - 1
    shares = carried(start, steps)
    probability = {}
    for stage, share in zip(stages, shares, strict=True):
        known = [state for state in states_of(stage) if state != "unknown"]
        whole = sum(share.get(state, 0) for state in known) > 1 - 1e-9
        probability |= {(stage, state): share.get(state, 0) if whole else None for state in known}
    course = {("terms_not_eligible", ""): sum(share.get("not_eligible", 0) for share in shares[:terms])}
    for t in range(terms - 1):
        at_risk = "not_eligible" in steps[t]
        left = steps[t : terms - 1]
        caught = carried({"not_eligible": 1.0}, [{**step, "eligible": {"eligible": 1.0}} for step in left])
        course["regained", stages[t]] = caught[-1].get("eligible", 0) if at_risk else None
        ends = carried({"not_eligible": 1.0}, left)[-1].get("eligible", 0)
        course["eligible_at_end", stages[t]] = ends if at_risk else None
    return probability, course


#: Nobody, and each school in turn.
LEFT_OUT = (None, "S0", "S1", "S2")


def test_every_probability_and_interval_is_that_of_plain_loops_without_each_school(made, known):
    found = state_probabilities(made)
    cases = [probabilities_by_hand(known[0], courses_of(known, one)) for one in LEFT_OUT]
    probabilities, courses = zip(*cases, strict=True)
    assert found.differences.empty
    for kind, table, names, unit in (
        (probabilities, found.table, ("stage", "state"), {}),
        (courses, found.course, ("measure", "stage"), {"terms_not_eligible": 8}),
    ):
        value = "probability" if "state" in names else "value"
        assert [tuple(key) for key in table[list(names)].to_numpy()] == list(kind[0])
        for row in table.itertuples():
            key = (getattr(row, names[0]), getattr(row, names[1]))
            values = [one[key] for one in kind]
            if values[0] is None:
                assert (row.status, np.isnan(row.low)) == ("too_few", True)
                continue
            assert (row.status, row.estimand) == ("ok", LIKE)
            assert getattr(row, value) == pytest.approx(values[0])
            times = unit.get(key[0], 1)
            if None not in values and np.ptp(values) > 1e-9:
                low, high = jackknife_interval(np.array(values) / times, "logit")
                assert (row.low, row.high) == pytest.approx((low * times, high * times)), key


def test_a_group_is_compared_with_all_others_without_each_school(made, known):
    found = state_probabilities(made, by="sex", min_students=1)
    rows = found.differences.query("sex == 'girl'").set_index(["measure", "stage", "state"])
    for key, where in ((("probability", "9VT", "eligible"), 0), (("terms_not_eligible", "", ""), 1)):
        values = []
        for left_out in LEFT_OUT:
            girls, every = courses_of(known, left_out, sex="girl"), courses_of(known, left_out)
            others = [course for course in every if not any(course is one for one in girls)]
            sides = [probabilities_by_hand(known[0], side)[where] for side in (girls, others)]
            values.append([side[key[1:] if not where else key[:2]] for side in sides])
        values = np.array(values)
        row = rows.loc[key]
        assert (row["group_value"], row["others_value"]) == pytest.approx(tuple(values[0]))
        assert row["difference"] == pytest.approx(values[0, 0] - values[0, 1])
        assert (row["low"], row["high"]) == pytest.approx(jackknife_interval(values[:, 0] - values[:, 1], "plain"))


def test_a_school_without_students_of_a_group_changes_nothing_there(made, known):
    """Without the girls of S2 there are boys in three schools, beside girls in two."""
    people = known[2][(known[2]["sex"] == "boy") | ((known[2]["sex"] == "girl") & (known[2]["school_id"] != "S2"))]
    kept, fewer = made.only(people.reset_index()[["student_id"]]), (*known[:2], people)
    row = state_probabilities(kept, by="sex").differences.query("sex == 'boy'").set_index(["measure", "stage", "state"])
    values = []
    for left_out in LEFT_OUT:
        boys, girls = (courses_of(fewer, left_out, sex=sex) for sex in ("boy", "girl"))
        boys, girls = (probabilities_by_hand(known[0], side)[0]["9VT", "eligible"] for side in (boys, girls))
        values.append(boys - girls)
    found = row.loc[("probability", "9VT", "eligible")]
    assert found["difference"] == pytest.approx(values[0])
    assert (found["low"], found["high"]) == pytest.approx(jackknife_interval(values, "plain"))


@pytest.mark.parametrize(
    ("students", "asked", "status"), [(10, {}, "ok"), (9, {}, "too_few"), (1, {"min_students": 0}, "ok")]
)
def test_from_ten_students_on_probabilities_are_estimated(students, asked, status):
    """All are eligible throughout: no school and no pupil changes that, and the interval is that of a score."""
    records = records_of({f"P{n}": {"6HT": PASSED, "6VT": PASSED} for n in range(students)})
    found = state_probabilities(records, estimand=THESE, **asked)
    row = found.table.set_index(["stage", "state"]).loc[("6VT", "eligible")]
    assert (row["status"], found.students, row["at_risk"]) == (status, students, students)
    if status == "ok":
        assert row["probability"] == 1
        bounds = score_interval(1, students, freedom=students - 1) if students > 1 else (np.nan, np.nan)
        assert (row["low"], row["high"]) == pytest.approx(bounds, nan_ok=True)
    else:
        assert np.isnan(row["probability"])
    course = found.course.set_index("measure").loc["terms_not_eligible"]
    assert (course["status"], np.isnan(course["low"])) == (status, True)
    assert course["value"] == 0 or status == "too_few"


@pytest.mark.parametrize(("schools", "estimand"), [(3, LIKE), (2, THESE)])
def test_a_group_in_fewer_than_three_schools_speaks_of_these(schools, estimand):
    courses = {f"P{n}": {"6HT": FAILED if n % 5 == 0 else PASSED, "6VT": PASSED} for n in range(48)}
    place, sex = [f"S{n % 4 % schools if n < 24 else n % 4}" for n in range(48)], ["girl"] * 24 + ["boy"] * 24
    found = state_probabilities(records_of(courses, school_id=place, sex=sex), by="sex").table
    assert found.groupby("sex")["estimand"].unique().str[0].to_dict() == {"boy": LIKE, "girl": estimand}
    changed = what_if(records_of(courses, school_id=place, sex=sex), "regained", "6VT", times=0.5, by="sex").table
    assert changed.set_index("sex")["estimand"].to_dict() == {"boy": LIKE, "girl": estimand}


@pytest.mark.parametrize(
    ("courses", "asked", "words"),
    [
        ([[None, "in"], [None, "out"]], {}, "Nobody is seen at the first time"),
        ([["in"], ["out"]], {"persons": [1]}, "other numbers of persons"),
        ([["in"], ["out"]], {"clusters": ["a", "b", "c"]}, "other numbers of persons"),
        ([["in"], ["out"]], {"persons": [0, 0]}, "Nobody is seen at the first time"),
    ],
)
def test_courses_that_do_not_start_or_fit_are_refused(courses, asked, words):
    with pytest.raises(DataError, match=words):
        aalen_johansen(courses, ["in", "out"], **asked)


def test_a_single_time_is_a_share_and_whoever_is_seen_late_is_at_risk_from_then_on():
    one = aalen_johansen([["in"], ["out"], ["in"], [None]], ["in", "out"])
    assert one["probability"].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert one["se"].tolist() == pytest.approx([np.sqrt(2 / 27)] * 2)
    late = aalen_johansen([["in", "in"], [None, "in"], ["in", "out"]], ["in", "out"])
    assert late["at_risk"].tolist() == [2, 0, 2, 0]


# ---------------------------------------------------------------- a what-if in plain loops


def expected_by_hand(known, way, at, times=None, like=None, group=None, left_out=None):
    """``{measure: (students, observed, more)}``; a student who is not seen is in a state of its own."""
    stages, every = known[0], courses_of(known, left_out)
    leave, reach = ("eligible", "not_eligible") if way == "lost" else ("not_eligible", "eligible")
    inside = courses_of(known, left_out, **(group or {}))
    model = steps_by_hand(courses_of(known, left_out, **(like or {})))
    old = steps_by_hand(inside, unseen_too=True)
    new = [dict(step) for step in old]
    for term in at:
        t = stages.index(term) - 1
        row = dict(old[t].get(leave, {}))
        seen = row.get(leave, 0) + row.get(reach, 0)
        if times is not None:
            moving = min(row.get(reach, 0) * times, seen)
        else:
            known = model[t][leave]
            moving = seen * known.get(reach, 0) / (known.get(reach, 0) + known.get(leave, 0))
        new[t][leave] = row | {reach: moving, leave: seen - moving}
    start = {state: float(sum(course[0] == state for course in inside)) for state in {course[0] for course in inside}}
    before, after = carried(start, old), carried(start, new)
    found = {}
    for measure, stage, states in (
        ("eligible", "9VT", ["eligible"]), ("national_programme", AFTER, ["preparatory", "vocational"])
    ):  # fmt: skip
        place = stages.index(stage)
        observed = sum(course[place] in states for course in every)
        sums = [sum(side[place].get(state, 0) for state in states) for side in (before, after)]
        found[measure] = (len(every), observed, sums[1] - sums[0])
    return found


@pytest.mark.parametrize(
    ("way", "at", "how"),
    [
        ("lost", ["7HT"], {"times": 0.5}),
        ("lost", ["6VT", "8HT"], {"times": 0}),
        ("regained", ["9VT"], {"times": 1.1}),
        ("regained", ["7HT", "7VT"], {"times": 0.5, "group": {"sex": "boy"}}),
        ("lost", ["7VT", "8VT"], {"like": {"school_id": "S0"}}),
        ("lost", ["8HT"], {"like": {"sex": "girl"}, "group": {"sex": "boy", "newly_arrived": False}}),
    ],
)
def test_expected_numbers_are_those_of_plain_loops_without_each_school(made, known, way, at, how):
    """A school whose chance is taken cannot be left out: then the interval is not compared."""
    found = what_if(made, way, at, **how)
    left_out = [None] if "school_id" in (how.get("like") or {}) else LEFT_OUT
    parts = [expected_by_hand(known, way, at, **how, left_out=one) for one in left_out]
    expected = parts[0]
    assert found.students == 150
    for row in found.table.itertuples():
        students, observed, more = expected[row.measure]
        assert (row.students, row.observed) == (students, observed)
        assert (row.expected, row.more) == pytest.approx((observed + more, more))
        if len(parts) > 1:
            shares = [part[row.measure][2] / part[row.measure][0] for part in parts]
            low, high = jackknife_interval(np.array(shares), "plain")
            assert (row.low, row.high) == pytest.approx((low * students, high * students))
    assert found.steps["to"].tolist() == at
    assert (found.steps["at_risk"] > 0).all()
    assert repr(found).startswith(f"What if another share had {way} eligibility at {', '.join(at)}")


def test_by_default_every_step_is_changed_and_the_chances_are_told(made, known):
    every = what_if(made, "lost", times=0.5)
    assert every.settings["at"] == made.declaration.terms[1:]
    assert every.steps["what_if"].to_numpy() == pytest.approx(every.steps["chance"].to_numpy() / 2)
    assert every.settings["like"] == ""
    boys = what_if(made, "lost", "7HT", like={"school_id": "S1", "sex": "girl"}, group={"sex": "boy"})
    assert (boys.settings["like"], boys.settings["group"]) == ("school_id S1, sex girl", "sex boy")
    step = boys.steps.iloc[0]
    chosen = steps_by_hand(courses_of(known, sex="boy"))[1]["eligible"]
    assert step["chance"] == pytest.approx(chosen["not_eligible"] / (chosen["not_eligible"] + chosen["eligible"]))
    model = steps_by_hand(courses_of(known, sex="girl", school_id="S1"))[1]["eligible"]
    assert step["what_if"] == pytest.approx(
        model.get("not_eligible", 0) / (model.get("not_eligible", 0) + model["eligible"])
    )


def test_a_chance_may_become_certain_and_no_greater():
    """One of two loses: twice that is everybody."""
    records = records_of({"A": {"6HT": PASSED, "6VT": FAILED}, "B": {"6HT": PASSED, "6VT": PASSED}})
    found = what_if(records, "lost", "6VT", times=2, estimand=THESE)
    assert found.steps[["at_risk", "chance", "what_if"]].to_numpy().tolist() == [[2, 0.5, 1.0]]
    with pytest.raises(DataError, match="above 100 %"):
        what_if(records, "lost", "6VT", times=2.01, estimand=THESE)
    for times in (-0.1, float("inf"), float("nan")):
        with pytest.raises(DataError, match="0 or more"):
            what_if(records, "lost", "6VT", times=times, estimand=THESE)
    with pytest.raises(DataError, match="needs one change"):
        what_if(records, "lost", "6VT", times=1, like={"student_id": "A"}, estimand=THESE)
    assert what_if(records, "regained", "6VT", times=1, estimand=THESE).steps["chance"].isna().all()
    with pytest.raises(DataError, match="Nobody like that is at risk"):
        what_if(records, "regained", "6VT", like={"student_id": "A"}, estimand=THESE)


def test_students_of_whom_nothing_is_known_are_not_among_those_changed():
    courses = {who: {"6HT": PASSED, "6VT": FAILED} for who in "ABCD"}
    records = records_of(courses, newly_arrived=pd.array([True, None, False, True], dtype="boolean"))
    found = what_if(records, "lost", "6VT", times=0.5, group={"newly_arrived": True}, estimand=THESE)
    assert found.steps["at_risk"].tolist() == [2]


def test_students_who_do_not_exist_are_refused_with_those_who_do(made):
    with pytest.raises(DataError, match=r"No student has school_id 'S9'. Choose among: S0, S1, S2\."):
        what_if(made, "lost", like={"school_id": "S9"})
    with pytest.raises(DataError, match="and 142 more"):
        what_if(made, "lost", like={"student_id": "nobody"})
    with pytest.raises(DataError, match="No student has student_id P0, sex boy together"):
        what_if(made, "lost", like={"student_id": "P0", "sex": "boy"})


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
