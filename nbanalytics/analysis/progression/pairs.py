"""Pairs of grades: the same student, the same comparable subject, the start and the end term."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw

from nbanalytics.eligibility import passed_expr
from nbanalytics.errors import DataError
from nbanalytics.frames import any_of, open_frame
from nbanalytics.grading import STRECK, Grading
from nbanalytics.persons import number_of, only_cohorts, refuse_absent, to_native
from nbanalytics.records import StudentRecords

#: The column that tells which course in Swedish a student reads, and its values besides the course's code.
COURSE = "swedish_course"
SWITCHED, BOTH, NO_COURSE = "switched", "both", "none"
#: Columns of a pair, besides those carried along from the students table.
PAIR_COLUMNS = ("student_id", "cohort", COURSE, "subject", "start_step", "end_step", "start_passed", "end_passed")


def grade_pairs(records: StudentRecords, keep: Sequence[str] = ()) -> Any:
    """Pair each grade at the end term with the grade in the same subject at the start term.

    Modern languages and mother tongue are left out, since their syllabuses differ between the years. A block grade (NO,
    SO) is paired with a block grade only and never split. Streck and other marks are no grades and are in no pair.

    Parameters
    ----------
    records : StudentRecords
        Students and grades.
    keep : sequence of str
        Columns of the students table to carry along.

    Returns
    -------
    dataframe
        Of the records' kind, one row per pair:

        - ``student_id, cohort``, those of ``keep``;
        - ``swedish_course``: the one of SV and SVA that the student reads at the end term; ``switched`` if it was the
          other at the start term (those two grades are no pair), ``both`` or ``none``;
        - ``subject``; ``start_step, end_step``: places on the scale, 0 the lowest grade; ``start_passed, end_passed``.

    Raises
    ------
    DataError
        If the cohorts use several scales, whose steps do not compare.

    Examples
    --------
    >>> import pandas as pd
    >>> students = pd.DataFrame({"student_id": ["P1", "P2"], "cohort": 2018})
    >>> grades = pd.DataFrame(
    ...     [("P1", "6VT", "MA", "E"), ("P1", "9VT", "MA", "C"), ("P1", "6VT", "NO", "E"), ("P1", "9VT", "BI", "C"),
    ...      ("P2", "9VT", "MA", "F")], columns=["student_id", "term", "subject", "grade"]
    ... )
    >>> grade_pairs(StudentRecords(students, grades))[["student_id", "subject", "start_step", "end_step"]]
      student_id subject  start_step  end_step
    0         P1      MA           1         3
    """
    gradings = records.gradings()
    scales = sorted({f"{grading.scale.name} ({grading.scale.version})" for grading, _ in gradings})
    if len(scales) > 1:
        raise DataError(
            f"The cohorts use several grade scales, {', '.join(scales)}, whose steps do not compare. "
            "Choose cohorts of one scale with records.cohort([...])."
        )
    start, end = records.declaration.start, records.declaration.end
    wanted = list(dict.fromkeys(["student_id", "cohort", *keep]))
    students = open_frame(records.students)
    refuse_absent(students, wanted, "students")
    parts = []
    for grading, cohorts in gradings:
        grades = only_cohorts(open_frame(records.grades), records, cohorts)
        placed = (
            grades.filter(~any_of(nw.col("subject"), grading.not_comparable))
            .with_columns(
                step=number_of(grading.scale.order, "grade"),
                passed=nw.when(passed_expr(grading.scale)).then(nw.lit(1)).otherwise(nw.lit(0)),
            )
            .filter(~nw.col("step").is_null())
        )
        first, last = (
            placed.filter(nw.col("term") == term).select(
                "student_id", "subject", nw.col("step").alias(f"{when}_step"), nw.col("passed").alias(f"{when}_passed")
            )
            for when, term in (("start", start), ("end", end))
        )
        pairs = last.join(first, on=["student_id", "subject"], how="inner")
        parts.append(pairs.join(courses(grades, grading, start, end), on="student_id", how="left"))
    pairs = parts[0] if len(parts) == 1 else nw.concat(parts)
    pairs = pairs.with_columns(
        nw.col(COURSE).fill_null(NO_COURSE), nw.col("start_step").cast(nw.Int64), nw.col("end_step").cast(nw.Int64)
    )
    joined = students.select(*wanted).join(pairs, on="student_id", how="inner")
    return to_native(joined.select(*dict.fromkeys([*PAIR_COLUMNS, *wanted])))


def reads(grading: Grading) -> nw.Expr:
    """Whether a row tells that the student reads the subject: a grade, or streck; other marks do not."""
    return ~number_of(grading.scale.order, "grade").is_null() | (nw.col("grade") == STRECK)


def courses(grades: Any, grading: Grading, start: str, end: str) -> Any:
    """Return ``student_id, swedish_course`` of the students who read one of the alternate subjects at the end."""
    codes = grading.alternates[0] if grading.alternates else ()
    if not codes:
        return grades.select("student_id").unique().with_columns(nw.lit(NO_COURSE).alias(COURSE))
    flags = {
        f"_{when}{number}": (nw.col("term") == term) & (nw.col("subject") == code)
        for when, term in (("start", start), ("end", end))
        for number, code in enumerate(codes)
    }
    read = (
        grades.filter(any_of(nw.col("subject"), codes) & reads(grading))
        .with_columns(**{name: nw.when(flag).then(nw.lit(1)).otherwise(nw.lit(0)) for name, flag in flags.items()})
        .group_by("student_id")
        .agg(*(nw.col(name).max() for name in flags))
    )
    at_start, at_end = ([nw.col(f"_{when}{number}") for number in range(len(codes))] for when in ("start", "end"))
    kept = nw.sum_horizontal(*(before * after for before, after in zip(at_start, at_end, strict=True)))
    expression: Any = nw.when(nw.sum_horizontal(*at_end) == 0).then(nw.lit(NO_COURSE))
    expression = expression.when(nw.sum_horizontal(*at_end) > 1).then(nw.lit(BOTH))
    expression = expression.when((nw.sum_horizontal(*at_start) > 0) & (kept == 0)).then(nw.lit(SWITCHED))
    for code, column in zip(codes, at_end, strict=True):
        expression = expression.when(column == 1).then(nw.lit(code))
    return read.with_columns(expression.alias(COURSE)).select("student_id", COURSE)
