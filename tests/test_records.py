"""Records and their declaration as a person at a notebook meets them."""

import numpy as np
import pytest
from made import records_of

from nbanalytics.declaration import parse_declaration
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


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            {"terms": {"order": "6VT"}},
            r'order in \[terms\] is of the wrong kind\. Write a list of terms, such as \["6VT"',
        ),
        ({"terms": {"order": []}}, r"order in \[terms\] is of the wrong kind"),
        ({"terms": {"order": [6, 9]}}, r"order in \[terms\] is of the wrong kind"),
        ({"terms": {"stages": []}}, r"stages in \[terms\] is of the wrong kind"),
        ({"terms": {"start": 6}}, r"start in \[terms\] is of the wrong kind\. Write text"),
        ({"records": {"synthetic": "false"}}, r"Write true or false, without quotation marks"),
        ({"grading": {"rule": 3}}, r"rule in \[grading\] is of the wrong kind"),
        ({"records": "Bergstad"}, r"records is no section\. Write \[records\] on a line of its own"),
    ],
)
def test_a_declaration_of_the_wrong_kind_is_told_by_its_key(data, words):
    with pytest.raises(DataError, match=words):
        parse_declaration(data)
