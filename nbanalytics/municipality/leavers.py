"""One row per student at the end of a term: the basis of the report and the workbook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import narwhals as nw
import pandas as pd

from nbanalytics.analysis.progression.change import courses
from nbanalytics.eligibility import passed_expr, points_expr
from nbanalytics.errors import DataError
from nbanalytics.frames import By, collect, column_names, open_frame
from nbanalytics.grading import STRECK
from nbanalytics.records import StudentRecords
from nbanalytics.students import counted, grades_by_scale, student_table

#: Columns of the students table that are kept if present.
CARRIED = ("school_id", "sex", "newly_arrived", "immigration", "parents_education")


class TermTables:
    """The leavers and the grades of a term, by default the declared end term, each computed on first use and cached.

    Several views of a term share them, and a view of another term than the declared end term starts from them.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> tables = TermTables(simulate(seed=1, cohorts=[2018]).records, "6VT")
    >>> tables.term, len(tables.people)
    ('6VT', 313)
    """

    def __init__(self, records: StudentRecords, term: str | None = None) -> None:
        self.records, self.term = records, term or records.declaration.end

    @classmethod
    def of(cls, records: StudentRecords | TermTables) -> TermTables:
        """Return the tables of records at their end term; existing tables unchanged."""
        return records if isinstance(records, TermTables) else cls(records)

    @cached_property
    def people(self) -> pd.DataFrame:
        """One row per student (see :func:`leavers`)."""
        return leavers(self.records, self.term)

    @cached_property
    def grades(self) -> pd.DataFrame:
        """One row per grade or mark (see :func:`grades_of`)."""
        return grades_of(self.records, self.term)


def leavers(
    records: StudentRecords, term: str | None = None, rules: Sequence[str] = (), by: By | None = None
) -> pd.DataFrame:
    """Sum up each student's grades in a term, by default the declared end term.

    ``rules`` names further rules of eligibility, each of which must hold for every cohort; ``by`` has columns of the
    students table to add under their keys.

    Returns
    -------
    pandas.DataFrame
        One row per student with a grade or mark in the term, and per student without who had not moved:
        ``student_id, cohort``, what is known of ``school_id, sex, newly_arrived, immigration, parents_education``;
        ``swedish_course``; ``eligible`` by the declared rule and a column for each of ``rules``; ``mean_points`` over
        comparable subjects; ``merit_value`` and ``n_passed``; ``all_passed``: at least one pass, and neither a fail nor
        streck. Of a student without grades ``merit_value`` and ``mean_points`` are missing, the rest is not reached. On
        a scale without a pass line ``merit_value``, ``n_passed`` and ``all_passed`` are missing for everybody. A
        cohort without any grade or mark in the term has not reached it and is excluded.

    Raises
    ------
    DataError
        If nobody has a grade in the term.
    """
    term = term or records.declaration.end
    names = column_names(open_frame(records.students))
    known = [name for name in CARRIED if name in names]
    columns = {f"eligible_{term}": "eligible", f"points_{term}": "mean_points", f"merit_{term}": "merit_value",
               f"passes_{term}": "n_passed"}  # fmt: skip
    table = collect(student_table(records, [*known, *columns, f"state_{term}"], by))
    table = table[counted(table, term)].rename(columns=columns)
    if table.empty:
        raise DataError(f"Nobody has a grade in {term}", "Add the grades of that term, or choose another.")
    for rule in rules:
        other = records.under(replace(records.declaration, rule=rule))
        met = collect(student_table(other, [f"eligible_{term}"])).set_index("student_id")[f"eligible_{term}"]
        table[rule] = table["student_id"].map(met)
    table = table.merge(_subjects(records, term), on="student_id", how="left")
    yes_or_no = ["eligible", "all_passed", *rules]
    table[yes_or_no] = table[yes_or_no].eq(True).fillna(False).astype(bool)
    table["swedish_course"] = table["swedish_course"].fillna("none")
    table["n_passed"] = table["n_passed"].fillna(0).astype(int)
    without = ~table["cohort"].isin(records.cohorts_with_passes())
    if without.any():
        # Missing, and not 0: nobody can pass where there is no pass line.
        table = table.astype({"n_passed": "Int64", "all_passed": "boolean"})
        table["merit_value"] = table["merit_value"].mask(without)
        table[["n_passed", "all_passed"]] = table[["n_passed", "all_passed"]].mask(without)
    return table.drop(columns=f"state_{term}").sort_values(["cohort", "student_id"], ignore_index=True)


def grades_of(records: StudentRecords, term: str) -> pd.DataFrame:
    """Return the grades and marks of a term with ``cohort``, ``points`` and ``passed``, each by its cohort's scale.

    ``passed`` is missing on a scale without a pass line.
    """
    parts, lines = [], records.cohorts_with_passes()
    for grading, grades in grades_by_scale(records):
        scored = grades.filter(nw.col("term") == term).with_columns(
            points=points_expr(grading.scale), passed=passed_expr(grading.scale)
        )
        parts.append(collect(scored.select("student_id", "subject", "grade", "points", "passed")))
    people = collect(open_frame(records.students).select("student_id", "cohort"))
    table = pd.concat(parts, ignore_index=True).merge(people, on="student_id")
    return table.assign(passed=table["passed"].astype("boolean").where(table["cohort"].isin(lines)))


def _subjects(records: StudentRecords, term: str) -> pd.DataFrame:
    """Return ``student_id``, the course in Swedish, and whether every subject is passed."""
    # The course of the term itself, as start and end.
    parts = [collect(courses(grades, grading, term, term)) for grading, grades in grades_by_scale(records)]
    scored = grades_of(records, term)
    passed = scored["passed"].fillna(False).astype(bool)
    failed = (scored["points"].notna() & ~passed) | (scored["grade"] == STRECK)
    by_student = scored.assign(failed=failed, passed=passed).groupby("student_id")
    found = by_student[["failed", "passed"]].any()
    everything = (found["passed"] & ~found["failed"]).rename("all_passed").reset_index()
    return everything.merge(pd.concat(parts), on="student_id", how="left")
