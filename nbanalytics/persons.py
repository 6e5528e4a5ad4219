"""One row per student: what flows, drop points and progression share before they count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import any_of, open_frame
from nbanalytics.records import StudentRecords


def eligibility_by_term(records: StudentRecords, terms: Sequence[str], keep: Sequence[str] = ()) -> Any:
    """Spread eligibility over one column per term, so that a student's course is read along a row.

    Parameters
    ----------
    records : StudentRecords
        Students and grades.
    terms : sequence of str
        The terms wanted, in order.
    keep : sequence of str
        Columns of the students table to carry along, besides ``student_id`` and ``cohort``.

    Returns
    -------
    narwhals frame
        One row per student of the students table: ``student_id, cohort``, those of ``keep``, and
        ``_at0, _at1, ...``, one per term: 1 eligible, 0 not eligible, missing without results in that term.
    """
    columns = {f"_at{number}": term for number, term in enumerate(terms)}
    results = open_frame(records.results(list(terms)))
    spread = (
        results.with_columns(_eligible=nw.col("eligible").cast(nw.Int64))
        .with_columns(**{name: nw.when(nw.col("term") == term).then("_eligible") for name, term in columns.items()})
        .group_by("student_id")
        .agg(*(nw.col(name).max().alias(name) for name in columns))
    )
    wanted = list(dict.fromkeys(["student_id", "cohort", *keep]))
    students = open_frame(records.students)
    refuse_absent(students, wanted, "students")
    return students.select(*wanted).join(spread, on="student_id", how="left")


def number_of(values: Sequence[str], column: str) -> nw.Expr:
    """Return the place of a column's text in a list, counted from 0; missing for any other text."""
    expression: Any = nw.when(nw.col(column) == values[0]).then(nw.lit(0))
    for number, value in enumerate(values[1:], start=1):
        expression = expression.when(nw.col(column) == value).then(nw.lit(number))
    return expression  # type: ignore[no-any-return]


def name_of(values: Sequence[str], column: str) -> nw.Expr:
    """Return the text at a place of a list, the inverse of :func:`number_of`."""
    expression: Any = nw.when(nw.col(column) == 0).then(nw.lit(values[0]))
    for number, value in enumerate(values[1:], start=1):
        expression = expression.when(nw.col(column) == number).then(nw.lit(value))
    return expression  # type: ignore[no-any-return]


def to_native(frame: Any) -> Any:
    """Return the frame as its engine knows it; a pandas one counts its rows from 0."""
    return nw.to_native(nw.maybe_reset_index(frame) if isinstance(frame, nw.DataFrame) else frame)


def column_names(frame: Any) -> list[str]:
    """Return the columns of a narwhals frame, eager or lazy."""
    return list(frame.collect_schema().names())


def refuse_absent(frame: Any, wanted: Sequence[str], where: str) -> None:
    """Raise a DataError that names the columns of ``wanted`` that the frame lacks."""
    names = column_names(frame)
    absent = [name for name in wanted if name not in names]
    if absent:
        raise DataError(
            f"The table {where} has no column {', '.join(absent)}. Choose among: {', '.join(sorted(names))}."
        )


def only_cohorts(frame: Any, records: StudentRecords, cohorts: Sequence[int]) -> Any:
    """Keep the rows of the students of some cohorts."""
    if len(cohorts) == len(records.cohorts()):
        return frame
    kept = open_frame(records.students).filter(any_of(nw.col("cohort"), cohorts)).select("student_id")
    return frame.join(kept, on="student_id", how="semi")


def split_groups(frame: pd.DataFrame, by: Sequence[str]) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Divide a small pandas table by some columns, in their order; a missing value is a group of its own."""
    if not by:
        return [({}, frame)]
    parts = []
    for values, part in frame.groupby(list(by), dropna=False, sort=True):
        parts.append((dict(zip(by, values, strict=True)), part))
    return parts
