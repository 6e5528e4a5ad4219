from collections import Counter
from itertools import pairwise, product
from types import SimpleNamespace

import pandas as pd
import pytest
from examples import examples
from hypothesis import given, settings
from made import ENGINES, in_engine, made_records, municipality, pandas, records_of, results_of, same

from nbanalytics.analysis.flows import (
    eligibility_flow,
    flows,
    share_eligible,
    stages_of,
    states_of,
    student_states,
)
from nbanalytics.declaration import AFTER, Declaration, parse_declaration
from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.schools import LIKE, THESE, share_over_schools
from nbanalytics.students import AFTER_STATES

PASSED, FAILED = "EEEEEEEE", "EEFEEEEE"


def states(records):
    table = student_states(records)
    return {(row.student_id, row.stage): row.state for row in table.itertuples()}


def test_a_student_without_grades_has_moved_before_moved_in_and_after_moved_out_and_is_else_unknown():
    records = records_of(
        {"here": {"6VT": PASSED, "7VT": FAILED}, "came": {"8VT": PASSED}, "left": {"6VT": PASSED}},
        moved_in=[None, "8HT", None],
        moved_out=[None, None, "7HT"],
    )
    found = states(records)
    assert [found["here", stage] for stage in ("6VT", "7VT", "8VT", "9VT")] == [
        "eligible",
        "not_eligible",
        "unknown",
        "unknown",
    ]
    assert [found["came", stage] for stage in ("6VT", "7VT", "8VT", "9VT")] == ["moved", "moved", "eligible", "unknown"]
    assert [found["left", stage] for stage in ("6VT", "7VT", "8VT", "9VT")] == ["eligible", "moved", "moved", "moved"]


def test_grades_tell_more_than_a_note_of_a_move():
    records = records_of({"P": {"6VT": PASSED, "7VT": PASSED}}, moved_in=["8HT"], moved_out=["6VT"])
    assert states(records)["P", "7VT"] == "eligible"


def test_after_the_last_term_the_state_is_the_kind_of_programme():
    outcomes = pd.DataFrame(
        {"student_id": ["a", "b", "c", "e"], "programme_kind": ["introductory", None, None, "moved"]}
    )
    records = records_of(
        {name: {"6VT": PASSED} for name in "abcde"},
        outcomes=outcomes,
        moved_out=[None, None, "8HT", None, None],
    )
    found = states(records)
    assert [found[name, AFTER] for name in "abcde"] == ["introductory", "unknown", "moved", "unknown", "moved"]
    assert stages_of(records)[-1] == AFTER


def test_without_outcomes_the_flow_ends_with_the_last_term():
    result = flows(records_of({"P": {"6VT": PASSED}}))
    assert result.settings["stages"] == ("6VT", "7VT", "8VT", "9VT")


def test_a_column_of_moves_without_any_value_is_no_move():
    records = records_of({"P": {"6VT": PASSED}}, moved_in=[float("nan")], moved_out=[None])
    assert states(records)["P", "9VT"] == "unknown"


def test_tables_are_in_the_order_of_stages_and_states():
    result = flows(municipality())
    order = [(stage, state) for stage in stages_of(municipality()) for state in states_of(stage)]
    assert list(zip(result.states["stage"], result.states["state"], strict=True)) == order
    places = [
        (stages_of(municipality()).index(a), states_of(a).index(b), states_of(c).index(d))
        for a, b, c, d in result.transitions[["stage_from", "state_from", "stage_to", "state_to"]].itertuples(
            index=False
        )
    ]
    assert places == sorted(places)
    assert (result.transitions["students"] > 0).all()


@settings(max_examples=examples(20), deadline=None)
@given(made_records())
def test_every_student_is_conserved_at_every_stage(records):
    result = flows(in_engine(records, "polars"))
    assert (result.states.groupby("stage")["students"].sum() == result.students).all()
    assert (result.transitions.groupby("stage_from")["students"].sum() == result.students).all()
    node = result.states.set_index(["stage", "state"])["students"]
    into = result.transitions.groupby(["stage_to", "state_to"])["students"].sum()
    out_of = result.transitions.groupby(["stage_from", "state_from"])["students"].sum()
    assert all(node[key] == count for key, count in into.items())
    assert all(node[key] == count for key, count in out_of.items())


@settings(max_examples=examples(15), deadline=None)
@given(made_records())
def test_transitions_are_those_of_a_plain_loop(records):
    terms = records.declaration.terms
    results = results_of(records)
    outcomes = dict(records.outcomes[["student_id", "programme_kind"]].itertuples(index=False))

    def state(row, stage):
        moved_in, moved_out = (None if pd.isna(value) else value for value in (row.moved_in, row.moved_out))
        if stage == AFTER:
            kind = outcomes[row.student_id]
            return kind if not pd.isna(kind) else ("moved" if moved_out else "unknown")
        if stage in results[row.student_id]:
            return "eligible" if results[row.student_id][stage] else "not_eligible"
        away = (moved_in and terms.index(stage) < terms.index(moved_in)) or (
            moved_out and terms.index(stage) > terms.index(moved_out)
        )
        return "moved" if away else "unknown"

    expected = Counter(
        (a, state(row, a), b, state(row, b))
        for row in records.students.itertuples()
        for a, b in pairwise(stages_of(records))
    )
    found = {tuple(row[:4]): row[4] for row in flows(in_engine(records, "polars")).transitions.itertuples(index=False)}
    assert found == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_any_dataframe_gives_the_same_flows(engine):
    records = municipality()
    found, expected = (flows(tables, by=["cohort", "sex"]) for tables in (in_engine(records, engine), records))
    same(found.states, expected.states)
    same(found.transitions, expected.transitions)
    assert found.students == 60


def test_groups_add_up_to_all_and_a_missing_value_is_a_group():
    records = municipality()
    by_sex, together = flows(records, by=["sex"]), flows(records)
    assert by_sex.states["sex"].isna().any()
    summed = by_sex.states.groupby(["stage", "state"], sort=False)["students"].sum().reset_index()
    same(summed, together.states)


def test_other_terms_and_stages_come_from_the_declaration():
    declaration = parse_declaration({"terms": {"order": ["G1", "G2", "G3"]}})
    records = records_of({"P": {"G1": PASSED, "G3": FAILED}}, declaration=declaration)
    assert list(states(records).values()) == ["eligible", "unknown", "not_eligible"]


def test_who_moves_is_away_before_the_term_of_arrival_and_after_the_one_of_leaving():
    terms = Declaration().terms
    never = {"6HT": PASSED}  # no grade in any of the terms that are stages
    for name in ("moved_in", "moved_out"):
        records = records_of(dict.fromkeys(terms, never), **{name: list(terms)})
        found = pandas(student_states(records)).set_index(["student_id", "stage"])["state"]
        for term, stage in product(terms, ["6VT", "7VT", "8VT", "9VT"]):
            apart = terms.index(term) - terms.index(stage)
            away = apart > 0 if name == "moved_in" else apart < 0
            assert found[term, stage] == ("moved" if away else "unknown"), (name, term, stage)


def test_table_3_has_margins():
    table = pd.DataFrame(
        {
            "cohort": 2018,
            "start_eligible": [True, True, True, False, False, None],
            "end_eligible": [True, False, True, True, False, True],
            "group": [1, 6, 2, 5, 3, None],
        }
    )
    found = eligibility_flow(SimpleNamespace(table=table), by=["cohort"])
    counts = {(row.start, row.end): row.students for row in found.itertuples()}
    assert counts == {
        ("eligible", "eligible"): 2,
        ("eligible", "not_eligible"): 1,
        ("eligible", "*"): 3,
        ("not_eligible", "eligible"): 1,
        ("not_eligible", "not_eligible"): 1,
        ("not_eligible", "*"): 2,
        ("*", "eligible"): 3,
        ("*", "not_eligible"): 2,
        ("*", "*"): 5,
    }


def test_what_cannot_be_divided_by_is_named():
    records = records_of({"P": {"6VT": PASSED}})
    with pytest.raises(DataError, match="students has no column shoe_size"):
        flows(records, by=["shoe_size"])
    with pytest.raises(DataError, match="cannot be divided by student_id"):
        flows(records, by=["student_id"])


def test_outcomes_without_a_kind_of_programme_are_refused():
    records = records_of({"P": {"6VT": PASSED}}, outcomes=pd.DataFrame({"student_id": ["P"], "programme": ["NA"]}))
    with pytest.raises(DataError, match="programme_kind"):
        flows(records)


def test_the_result_is_readable():
    result = flows(municipality())
    assert repr(result).startswith("Flows of 60 students through 6VT → 7VT")
    assert "<table" in result._repr_html_()
    assert "NA" not in result._repr_html_()
    assert result.table is result.transitions
    assert set(AFTER_STATES) > {"preparatory"}


def test_the_share_eligible_counts_those_without_grades_and_not_those_who_moved():
    records = records_of(
        {"a": {"6VT": PASSED}, "b": {"6VT": FAILED}, "none": {"7VT": PASSED}, "later": {"8VT": PASSED}},
        moved_in=[None, None, None, "8HT"],
    )
    table = share_eligible(flows(records)).set_index("stage")
    assert table.loc["6VT", ["eligible", "students"]].tolist() == [1, 3]
    assert table.loc["6VT", "share"] == pytest.approx(1 / 3)
    assert table.loc["6VT", "low"] < 1 / 3 < table.loc["6VT", "high"]


def test_flows_are_shown_by_state_and_stage():
    records = records_of({"a": {"6VT": PASSED, "9VT": FAILED}, "b": {"6VT": PASSED}})
    result = flows(records)
    matrix = result._shown().set_index("state")
    assert matrix.loc[["eligible", "not_eligible", "unknown"], ["6VT", "9VT"]].to_numpy().tolist() == [
        [2, 0],
        [0, 1],
        [0, 1],
    ]
    assert list(matrix) == ["6VT", "7VT", "8VT", "9VT"]
    assert set(result._settings()) == {"rule", "by"}


@pytest.mark.parametrize(("schools", "estimand"), [("ABC", LIKE), ("AB", THESE), ("ABD", THESE)])
def test_a_share_is_of_schools_like_these_from_three_schools_with_students_on(schools, estimand):
    """Nobody of school D has a grade in 6VT, and its students are in no share of those with grades."""
    courses = {
        f"{school}{n}": {"6VT": PASSED if n % 3 else FAILED} for school in "ABC" for n in range(6 + ord(school) - 65)
    }
    courses |= {f"D{n}": {"7VT": PASSED} for n in range(4)}
    kept = {who: course for who, course in courses.items() if who[0] in schools}
    records = records_of(kept, school_id=[who[0] for who in kept], sex="girl")
    if estimand == THESE and "D" not in schools:
        with pytest.warns(EstimationWarning):
            row = share_eligible(flows(records), "graded").iloc[0]
    else:
        row = share_eligible(flows(records), "graded").iloc[0]
    counts = {
        school: (sum(n % 3 > 0 for n in range(6 + ord(school) - 65)), 6 + ord(school) - 65)
        for school in schools
        if school != "D"
    }
    expected = share_over_schools(*zip(*counts.values(), strict=True), estimand)
    assert row["estimand"] == estimand
    assert (row["low"], row["high"]) == pytest.approx(expected)
    assert (row["eligible"], row["students"]) == tuple(map(sum, zip(*counts.values(), strict=True)))


def test_students_of_an_unknown_group_are_a_row_of_their_own_in_the_shares():
    courses = {"a": {"6VT": PASSED}, "b": {"6VT": FAILED}, "c": {"6VT": PASSED}}
    table = share_eligible(flows(records_of(courses, sex=["girl", None, None]), by=["sex"]))
    first = table[table["stage"] == "6VT"]
    counts = {("girl" if row.sex == "girl" else "unknown"): (row.eligible, row.students) for row in first.itertuples()}
    assert counts == {"girl": (1, 1), "unknown": (1, 2)}
    assert len(first) == 2


def test_shares_stand_in_the_order_of_the_stages_as_declared():
    declared = Declaration(terms=("T2", "T1"), stages=("T2", "T1"), start="T2", end="T1")
    courses = {"P": {"T2": "EEEEEEEE", "T1": "EEEEEEEE"}, "Q": {"T2": "FFFFFFFF", "T1": "FFFFFFFF"}}
    table = share_eligible(flows(records_of(courses, declaration=declared, sex=["girl", "boy"]), by=["sex"]))
    assert table[["sex", "stage", "eligible"]].to_numpy().tolist() == [
        ["boy", "T2", 0], ["boy", "T1", 0], ["girl", "T2", 1], ["girl", "T1", 1],
    ]  # fmt: skip


def test_the_share_eligible_adds_up_over_groups(sample):
    every = share_eligible(flows(sample)).set_index("stage")[["eligible", "students"]]
    by_sex = share_eligible(flows(sample, by=["sex"])).groupby("stage")[["eligible", "students"]].sum()
    assert by_sex.loc[every.index].equals(every)


@pytest.mark.parametrize("engine", ENGINES)
def test_records_that_know_of_no_moves_have_flows(engine):
    records = records_of({"a": {"6VT": PASSED, "7VT": FAILED}, "b": {"6VT": PASSED}})
    found = flows(in_engine(records, engine)).states.query("stage == '7VT'").set_index("state")["students"]
    assert found.to_dict() == {"eligible": 0, "not_eligible": 1, "moved": 0, "unknown": 1}


def test_the_share_eligible_is_as_sure_as_its_schools_allow(sample):
    result = flows(sample)
    states = sample.term_results(["9VT"]).merge(sample.students[["student_id", "school_id"]])
    counts = states.groupby("school_id")["eligible"].agg(["sum", "size"])
    for of, estimand in (("graded", "schools_like_these"), ("graded", "these_schools")):
        row = share_eligible(result, of, estimand=estimand).query("stage == '9VT'").iloc[0]
        expected = share_over_schools(counts["sum"], counts["size"], estimand)
        assert (row["low"], row["high"]) == pytest.approx(expected)
        assert row["estimand"] == estimand
    by_school = share_eligible(flows(sample, by="school_id"))
    assert set(by_school["estimand"]) == {"these_schools"}
