"""Follow-up of those in the municipality's activity responsibility."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from nbanalytics.errors import DataError
from nbanalytics.intervals import wilson
from nbanalytics.readers import check_records
from nbanalytics.records import StudentRecords
from nbanalytics.simulation import simulate
from nbanalytics.support import kaa_outcomes


def of(rows):
    table = pd.DataFrame(rows, columns=["student_id", "date", "status"])
    return StudentRecords(students=None, grades=None, followups=table)


def counts(found, month):
    rows = found.table[found.table["month"] == month]
    return dict(zip(rows["status"], rows["students"], strict=True)), int(rows["followed"].iloc[0])


def test_70_and_30_of_jagmed(sample):
    """#jagmed, Karlskoga and Degerfors: 70 % of the young people went on to work or studies, the remaining 30 % stayed
    in the motivating activity of the Coachingteam. The sample's project closes twelve months after entry.
    """
    found = kaa_outcomes(sample, months=[12])
    shares = found.table.set_index("status")["share"]
    assert (shares["work_or_study"], shares["activity"], shares["unknown"]) == (0.7, 0.3, 0.0)
    assert shares["work"] + shares["study"] == pytest.approx(0.7)
    low, high = wilson(round(0.7 * found.students), found.students)
    row = found.table.set_index("status").loc["work_or_study"]
    assert (row["low"], row["high"]) == (low, high)


@pytest.mark.parametrize("seed", [1, 2])
def test_70_and_30_whatever_the_seed(seed):
    shares = kaa_outcomes(simulate(seed=seed).records, months=[12]).table.set_index("status")["share"]
    assert (shares["work_or_study"], shares["activity"]) == (0.7, 0.3)


def test_by_hand():
    found = kaa_outcomes(
        of(
            [
                ("P1", "2022-01-01", "activity"),
                ("P1", "2022-04-05", "unknown"),
                ("P1", "2023-01-04", "work"),
                ("P2", "2022-01-01", "activity"),
                ("P2", "2022-12-20", "study"),
                ("P2", "2023-01-20", "activity"),  # farther from the twelve months than the row before
                ("P3", "2022-01-01", "activity"),  # nobody asked again
                ("P4", "2022-12-01", "activity"),  # has been there for less than two months
            ]
        ),
        months=[0, 3, 12],
    )
    assert counts(found, 0) == ({"work_or_study": 0, "work": 0, "study": 0, "activity": 4, "unknown": 0}, 4)
    assert counts(found, 3) == ({"work_or_study": 0, "work": 0, "study": 0, "activity": 0, "unknown": 3}, 3)
    assert counts(found, 12) == ({"work_or_study": 2, "work": 1, "study": 1, "activity": 0, "unknown": 1}, 3)
    assert (found.students, found.settings["until"]) == (4, "2023-01-20")


def test_every_participant_has_one_status(sample):
    table = kaa_outcomes(sample).table
    single = table[table["status"] != "work_or_study"].groupby("month")
    assert (single["students"].sum() == single["followed"].first()).all()
    assert table["followed"].is_monotonic_decreasing  # later months have not come for everybody


def test_participants_left_year_9_and_are_outside_national_programmes(sample):
    first = sample.followups.groupby("student_id")["date"].min().reset_index()
    known = first.merge(sample.students, on="student_id").merge(sample.outcomes, on="student_id")
    assert len(known) == len(first)
    assert (known["date"] >= known["cohort"].astype(str) + "-07-01").all()
    assert set(known["programme_kind"]) == {"introductory", "none"}


def test_no_table_and_nobody(sample):
    with pytest.raises(DataError, match="Add the table followups"):
        kaa_outcomes(replace(sample, followups=None))
    with pytest.raises(DataError, match="is empty"):
        kaa_outcomes(of([]))


def test_the_table_is_checked(tmp_path):
    (tmp_path / "students.csv").write_text("student_id,cohort\nP1,2018\n", encoding="utf-8")
    grades = "student_id,term,subject,grade\nP1,6VT,SV,C\nP1,9VT,SV,C\n"
    (tmp_path / "grades.csv").write_text(grades, encoding="utf-8")
    rows = "student_id,date,status\nP1,2019-09-01,working\nP2,2019-09-01,work\nP1,1 September,work\n"
    (tmp_path / "followups.csv").write_text(rows, encoding="utf-8")
    told = " ".join(finding.sentence() for finding in check_records(tmp_path).findings)
    assert "unknown value (1 row: 2). Did you mean work? Use one of work, study, activity, unknown." in told
    assert "the student is not in students (1 row: 3)" in told
    assert "not a date (1 row: 4)" in told


@pytest.mark.parametrize(
    ("entry", "last", "months"),
    [
        ("2020-09-01", "2022-09-01", 24),
        ("2021-02-01", "2021-05-01", 3),
        ("2021-02-01", "2021-08-01", 6),
        ("2021-09-01", "2022-09-01", 12),
        ("2020-02-01", "2020-11-01", 9),
        ("2023-11-30", "2024-02-29", 3),
    ],
)
def test_months_are_those_of_the_calendar(entry, last, months):
    def followed(until):
        rows = {"student_id": ["P1", "P1"], "date": [entry, until], "status": ["activity", "work"]}
        return kaa_outcomes(of(pd.DataFrame(rows)), months=[months]).table["followed"].iloc[0]

    assert followed(last) == 1
    assert followed((pd.Timestamp(last) - pd.Timedelta(days=1)).date().isoformat()) == 0
