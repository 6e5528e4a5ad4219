"""Records and their declaration as a person at a notebook meets them."""

import numpy as np
import pytest
from made import records_of

from nbanalytics.errors import DataError

COURSES = {"P1": {"6VT": "CCCCCCCC", "9VT": "CCCCCCCC"}}


@pytest.mark.parametrize("cohort", [np.int64(2018), "2018", [np.int32(2018)], np.array([2018])])
def test_a_cohort_may_be_named_by_what_a_table_holds(cohort):
    records = records_of(COURSES)
    (only,) = records.cohorts()
    assert only == 2018
    assert len(records.cohort(cohort).students) == 1


def test_a_cohort_that_is_not_there_is_named_whole():
    with pytest.raises(DataError, match=r"There is no cohort 1999 in the records\. Choose among: 2018"):
        records_of(COURSES).cohort("1999")
    with pytest.raises(DataError, match="There is no cohort last in the records"):
        records_of(COURSES).cohort("last")


def test_records_show_which_tables_they_have_and_nothing_of_what_stands_in_them():
    shown = repr(records_of(COURSES))
    assert "students (1), grades (16)" in shown
    assert "P1" not in shown
