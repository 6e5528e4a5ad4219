"""Cohorts that have not reached a term, in records as a municipality has them: nothing is said of their share there."""

import pandas as pd
import pytest
from made import ENGINES, PASS, in_engine, records_of

from nbanalytics.analysis.baseline import baseline, follow_up_cohorts
from nbanalytics.analysis.flows import flows, share_eligible
from nbanalytics.errors import DataError
from nbanalytics.municipality import compare, funnel, national_values, own_values, salsa, workbook_views

FAILED = "EEFEEEEE"


@pytest.fixture(scope="module")
def records():
    """Cohort 2018 has left, with two of ten not eligible and one without grades; 2020 is in year 7."""
    done = {f"P{n}": {"6VT": PASS, "7VT": PASS, "9VT": FAILED if n < 2 else PASS} for n in range(9)}
    courses = done | {"P9": {"6VT": PASS}} | {f"Q{n}": {"6VT": PASS, "7VT": PASS} for n in range(20)}
    made = records_of(courses, cohort=[2018] * 10 + [2020] * 20, school_id="S1", sex="girl")
    absence = pd.DataFrame({"student_id": list(courses), "term": "8HT", "valid": 1.0, "invalid": 1.0})
    return type(made)(made.students, made.grades, absence=absence)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_share_eligible_leaves_out_who_has_not_come_so_far(records, engine):
    found = flows(in_engine(records, engine))
    table = share_eligible(found, estimand="these_schools").set_index("stage")
    assert table.loc["9VT", ["eligible", "students"]].tolist() == [7, 10]
    assert table.loc["7VT", ["eligible", "students"]].tolist() == [29, 30]
    assert table.loc["8VT", "students"] == 0
    assert pd.isna(table.loc["8VT", "share"])
    assert found.states.query("stage == '9VT'")["students"].sum() == 30  # the flow itself keeps everybody


def test_the_share_eligible_by_cohort_and_by_another_column(records):
    by, sexes = (share_eligible(flows(records, by=[one]), estimand="these_schools") for one in ("cohort", "sex"))
    by = by.set_index(["cohort", "stage"])["students"]
    assert (by[2018, "9VT"], by[2020, "9VT"]) == (10, 0)
    assert sexes.set_index("stage").loc["9VT", "students"] == 10


def test_zero_values_are_of_cohorts_that_have_come_so_far(records):
    result = baseline(records, "9VT")
    row = result.table.set_index(["group", "measure"]).loc[("all", "eligible")]
    assert (row["count"], row["n"], row["missing"]) == (7, 10, 1)
    assert result.settings["cohorts"] == (2018,)
    # In 8HT absence is known and grades are not: the share has nobody, the mean has all.
    autumn = baseline(records, "8HT").table.set_index(["group", "measure"])
    assert autumn.loc[("all", "eligible"), ["n", "status"]].tolist() == [0, "too_few"]
    assert autumn.loc[("all", "absence"), ["n", "value"]].tolist() == [30, 2.0]
    with pytest.raises(DataError, match="Nobody has a grade or a value of absence in 9VT"):
        baseline(records.cohort(2020), "9VT")
    with pytest.raises(DataError, match="have not reached it"):
        follow_up_cohorts(records, "9VT", zero=[2018], later=[2020])
    later = follow_up_cohorts(records, "8HT", zero=2018, later=2020, estimand="these_schools").table.set_index(
        ["group", "measure"]
    )
    assert later.loc[("all", "eligible"), ["n_zero", "n_later"]].tolist() == [0, 0]


def test_the_municipality_is_of_those_who_have_left(records):
    assert set(own_values(records)["year"]) == {2018}
    assert compare(records, national_values()).students == 10
    assert funnel(records, by=["cohort"]).table[["cohort", "n", "count"]].to_numpy().tolist() == [[2018, 10, 7]]
    for view in workbook_views(records):
        assert set(view.table["cohort"]) == {2018}, view.name
    students = records.students.assign(parents_education="compulsory", newly_arrived=False)
    assert salsa(type(records)(students, records.grades)).table["cohort"].tolist() == [2018]
    with pytest.raises(DataError, match="Nobody has a grade in 9VT"):
        own_values(records.cohort(2020))
