"""Views of subjects: points, the distribution of grades, national tests, and a control of the data."""

from __future__ import annotations

from math import nan
from typing import Any

import narwhals as nw
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import collect, open_frame
from nbanalytics.grading import STRECK
from nbanalytics.municipality.leavers import TermTables
from nbanalytics.municipality.view import (
    BREAKDOWNS,
    DIMENSIONS,
    Breakdowns,
    Records,
    Sums,
    View,
    divided,
    mean,
    share,
    view,
)

#: Marks of the grade files, besides streck.
MARKS = ("adapted", "not_taught", "not_graded", "no_grades")


def points_view(records: Records, breakdowns: Breakdowns = BREAKDOWNS, min_students: int = 5) -> View:
    """Mean grade points by subject.

    Parameters
    ----------
    records, breakdowns, min_students
        As for :func:`merit_view`.

    Returns
    -------
    View
        ``subject, n`` (grades), ``mean_points`` with its 95 % interval ``low, high`` (Student's t) and ``status``.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = points_view(records, [[]]).table.set_index("subject")
    >>> table.loc["MA", ["n", "mean_points"]].astype(float).round(1).tolist()
    [312.0, 11.3]
    """

    def sums(part: pd.DataFrame) -> dict[str, Any]:
        return mean("mean_points", part["points"].dropna().astype(float), min_students)

    return _of_subjects("points", TermTables.of(records), breakdowns, min_students, sums)


def grades_view(records: Records, breakdowns: Breakdowns = BREAKDOWNS, min_students: int = 5) -> View:
    """Distribution of grades by subject.

    Parameters
    ----------
    records, breakdowns, min_students
        As for :func:`merit_view`.

    Returns
    -------
    View
        ``subject``; a column for each grade of the scale, the best first, and ``streck``; ``n`` of them in all;
        ``count`` passed, their ``share`` (0 to 1) with its 95 % interval ``low, high`` (Wilson) and ``status``.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> grades_view(records, [[]]).table.set_index("subject").loc["MA", [*"ABCDEF", "streck", "n"]].tolist()
    [21, 31, 62, 60, 89, 49, 1, 313]
    """
    tables = TermTables.of(records)
    scales = [grading.scale for grading, _ in tables.records.gradings()]
    grades = list(dict.fromkeys(grade for scale in scales for grade in reversed(scale.order)))

    def sums(part: pd.DataFrame) -> dict[str, Any]:
        counts = part["grade"].value_counts()
        held = {grade: int(counts.get(grade, 0)) for grade in grades} | {"streck": int(counts.get(STRECK, 0))}
        n = sum(held.values())
        return {**held, "n": n, **share(int(part["passed"].sum()), n, min_students)}

    return _of_subjects("grades", tables, breakdowns, min_students, sums)


def national_tests_view(records: Records, breakdowns: Breakdowns = ((), ("school_id",)), min_students: int = 5) -> View:
    """Grades against national tests, by subject and school.

    Parameters
    ----------
    records, breakdowns, min_students
        As for :func:`merit_view`.

    Returns
    -------
    View
        ``subject, n`` (students with both), ``above, same, below`` (the grade against the test), ``share_above`` with
        its 95 % interval ``low, high`` (Wilson), ``share_below`` and ``status``.

    Raises
    ------
    DataError
        If the records hold no tests.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = national_tests_view(records, [[]]).table.set_index("subject")
    >>> table.loc["MA", ["n", "above", "same", "below"]].tolist()
    [305, 60, 185, 60]
    """
    tables = TermTables.of(records)
    if tables.records.tests is None:
        raise DataError("The records hold no national tests. Add the table tests (student_id, term, subject, grade).")
    tests = open_frame(tables.records.tests).filter(nw.col("term") == tables.term)
    taken = collect(tests.select("student_id", "subject", "grade"))
    steps = {
        cohort: {grade: step for step, grade in enumerate(grading.scale.order)}
        for grading, cohorts in tables.records.gradings()
        for cohort in cohorts
    }
    both = _subject_rows(tables).merge(taken, on=["student_id", "subject"], suffixes=("", "_test"))
    places = [steps[cohort] for cohort in both["cohort"]]
    for column in ("grade", "grade_test"):
        both[f"_{column}"] = [order.get(grade, nan) for order, grade in zip(places, both[column], strict=True)]
    both["_step"] = both["_grade"] - both["_grade_test"]
    rows = []
    for place, part in divided(both[both["_step"].notna()], breakdowns):
        for subject, steps_of in part.groupby("subject")["_step"]:
            above, below, n = int((steps_of > 0).sum()), int((steps_of < 0).sum()), len(steps_of)
            found = share(above, n, min_students)
            counts = {"n": n, "above": above, "same": n - above - below, "below": below}
            shares = {"share_above": found["share"], "low": found["low"], "high": found["high"]}
            share_below = below / n if found["status"] == "ok" else nan
            last = {"share_below": share_below, "status": found["status"]}
            rows.append({**place, "subject": subject, **counts, **shares, **last})
    return view("tests", tables, min_students, rows, both["student_id"].nunique())


def control_view(records: Records) -> View:
    """Count what stands in each subject, as a control of the data.

    Parameters
    ----------
    records : StudentRecords or TermTables
        As for :func:`merit_view`.

    Returns
    -------
    View
        ``cohort, subject, students`` who got or should have got grades; ``graded, streck``, the marks ``adapted,
        not_taught, not_graded, no_grades``, and ``nothing``: the rest. They add up to ``students``.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = control_view(records).table.set_index("subject")
    >>> table.loc["MA", ["students", "graded", "streck", "nothing"]].tolist()
    [313, 312, 1, 0]
    """
    tables, rows = TermTables.of(records), []
    for cohort, part in tables.people.groupby("cohort"):
        own = tables.grades[tables.grades["cohort"] == cohort]
        for subject in sorted(own["subject"].unique()):
            held = own[own["subject"] == subject]
            marks = held.loc[held["points"].isna(), "grade"].value_counts()
            counts = {"graded": int(held["points"].notna().sum()), "streck": int(marks.get(STRECK, 0))}
            counts |= {mark: int(marks.get(mark, 0)) for mark in MARKS}
            nothing = len(part) - sum(counts.values())
            rows.append({"cohort": cohort, "subject": subject, "students": len(part), **counts, "nothing": nothing})
    return view("control", tables, 1, rows, len(tables.people))


def _of_subjects(name: str, tables: TermTables, breakdowns: Breakdowns, min_students: int, sums: Sums) -> View:
    table = _subject_rows(tables)
    rows = [
        {**place, "subject": subject, **sums(held)}
        for place, part in divided(table, breakdowns)
        for subject, held in part.groupby("subject")
    ]
    return view(name, tables, min_students, rows, table["student_id"].nunique())


def _subject_rows(tables: TermTables) -> pd.DataFrame:
    """Return the grades with what views divide their students by."""
    known = [name for name in DIMENSIONS if name in tables.people]
    return tables.grades.merge(tables.people[["student_id", *known]], on="student_id")
