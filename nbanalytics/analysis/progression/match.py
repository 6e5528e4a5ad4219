"""How many of the end term could be followed back to the start term, and why not the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import narwhals as nw
import pandas as pd

from nbanalytics.frames import Frame, any_of, cases, collect, column_names, number_of, open_frame
from nbanalytics.grading import STRECK, Grading
from nbanalytics.records import StudentRecords
from nbanalytics.results import Settings, Shown
from nbanalytics.students import grades_by_scale

MATCHED = "matched"
#: What may become of a student of the end term, and of a grade, in the order of the table.
STUDENT_STATUS = (MATCHED, "moved_in", "no_grades_at_start", "no_grades_at_end", "no_common_subject")
GRADE_STATUS = (
    MATCHED,
    "not_comparable",
    "moved_in",
    "no_grades_at_start",
    "block_at_start",
    "block_at_end",
    "course_switched",
    "streck_at_start",
    "mark_at_start",
    "not_read_at_start",
)
MARK_STATUS = ("streck_at_end", "mark_at_end")

_WORDS = {
    "moved_in": "moved in later",
    "no_grades_at_start": "no grades in {start}",
    "no_grades_at_end": "only marks in {end}",
    "no_common_subject": "no comparable subject in common",
    "not_comparable": "in subjects that do not compare",
    "block_at_start": "a block grade in {start}",
    "block_at_end": "a block grade in {end}",
    "course_switched": "the other course in {start}",
    "streck_at_start": "streck in {start}",
    "mark_at_start": "another mark in {start}",
    "not_read_at_start": "not graded in {start}",
}


@dataclass(frozen=True, repr=False)
class MatchRate(Shown):
    """Who and what of the end term could be followed back to the start term.

    Attributes
    ----------
    table : pandas.DataFrame
        ``counted`` (``students``; ``grades``; ``marks``, the rows of the end term that are not grades), ``status``
        (``matched``, or the reason why not), ``n``, ``share`` of the students or grades.
    settings : mapping
        ``start`` and ``end``.
    students : int
        Students with any row at the end term.
    """

    table: pd.DataFrame
    settings: Settings
    students: int

    @property
    def student_rate(self) -> float:
        """Share of the students of the end term who have a pair of grades."""
        return self._rate("students")

    @property
    def grade_rate(self) -> float:
        """Share of the grades of the end term that have a pair."""
        return self._rate("grades")

    def _words(self) -> str:
        return self.words

    @property
    def words(self) -> str:
        """Plain sentences that say what is counted."""
        start, end = self.settings["start"], self.settings["end"]
        return (
            f"Students are counted: of {self._all('students')} students of {end}, {self._matched('students')} could be "
            f"followed back to {start}{self._reasons('students')}. "
            f"Grades are counted: of {self._all('grades')} grades in {end}, {self._matched('grades')} have a grade in "
            f"the same comparable subject in {start}{self._reasons('grades')}."
        )

    def _of(self, counted: str) -> pd.Series:
        return self.table[self.table["counted"] == counted].set_index("status")["n"]

    def _all(self, counted: str) -> int:
        return int(self._of(counted).sum())

    def _rate(self, counted: str) -> float:
        total = self._all(counted)
        return int(self._of(counted)[MATCHED]) / total if total else nan

    def _matched(self, counted: str) -> str:
        share = f" ({self._rate(counted):.0%})" if self._all(counted) else ""
        return f"{int(self._of(counted)[MATCHED])}{share}"

    def _reasons(self, counted: str) -> str:
        reasons = [
            f"{n} {_WORDS[str(status)].format(**self.settings)}"
            for status, n in self._of(counted).items()
            if n and status != MATCHED
        ]
        return f"; not the others: {', '.join(reasons)}" if reasons else ""


def match_rate(records: StudentRecords) -> MatchRate:
    """Count the students and the grades of the end term that could be followed back, and why not the others.

    Parameters
    ----------
    records : StudentRecords
        Students and grades.

    Returns
    -------
    MatchRate
        A student is matched with at least one pair of :func:`nbanalytics.grade_pairs`, a grade with a
        pair of its own. Each student and each row of the end term is counted once, with the first reason that holds.

    Examples
    --------
    >>> import pandas as pd
    >>> students = pd.DataFrame({"student_id": ["P1", "P2"], "cohort": 2018})
    >>> grades = pd.DataFrame(
    ...     [("P1", "6VT", "MA", "E"), ("P1", "9VT", "MA", "C"), ("P1", "6VT", "NO", "E"), ("P1", "9VT", "BI", "C"),
    ...      ("P2", "9VT", "MA", "F")], columns=["student_id", "term", "subject", "grade"]
    ... )
    >>> print(match_rate(StudentRecords(students, grades)).words)
    Students are counted: of 2 students of 9VT, 1 (50%) could be followed back to 6VT; not the others: 1 no grades in
    6VT. Grades are counted: of 3 grades in 9VT, 1 (33%) have a grade in the same comparable subject in 6VT; not the
    others: 1 no grades in 6VT, 1 a block grade in 6VT.
    """
    declaration = records.declaration
    rows = [_rows(records, grading, grades) for grading, grades in grades_by_scale(records)]
    together = nw.concat(rows)
    grades = collect(together.group_by("status").agg(nw.len().alias("n"))).set_index("status")["n"]
    students = collect(_students(together).group_by("status").agg(nw.len().alias("n"))).set_index("status")["n"]
    parts = [
        _table("students", students, STUDENT_STATUS),
        _table("grades", grades, GRADE_STATUS),
        _table("marks", grades, MARK_STATUS),
    ]
    return MatchRate(
        table=pd.concat(parts, ignore_index=True),
        settings={"start": declaration.start, "end": declaration.end},
        students=int(students.sum()),
    )


def _rows(records: StudentRecords, grading: Grading, grades: Frame) -> Frame:
    """Return the rows of the end term: ``student_id, status`` and what is known of the student."""
    start, end = records.declaration.start, records.declaration.end
    grades = grades.with_columns(_step=number_of(grading.scale.order, "grade"))
    first, last = (grades.filter(nw.col("term") == term) for term in (start, end))
    before = first.select("student_id", "subject", _start_grade="grade", _start_step="_step")
    backgrounds, units = _backgrounds(first, grading)
    rows = (
        last.select("student_id", "subject", "grade", "_step")
        .join(_moved_in(records), on="student_id", how="inner")
        .join(before, on=["student_id", "subject"], how="left")
        .join(backgrounds, on="student_id", how="left")
    )
    has_start = nw.col("_any").fill_null(0) == 1
    graded = ~nw.col("_step").is_null()
    status = cases(
        (~graded & (nw.col("grade") == STRECK), "streck_at_end"),
        (~graded, "mark_at_end"),
        (any_of(nw.col("subject"), grading.not_comparable), "not_comparable"),
        (~nw.col("_start_step").is_null(), MATCHED),
        (~has_start & (nw.col("_moved_in") == 1), "moved_in"),
        (~has_start, "no_grades_at_start"),
        *((any_of(nw.col("subject"), subjects) & (nw.col(column) == 1), reason) for subjects, column, reason in units),
        ((nw.col("_start_grade") == STRECK).fill_null(False), "streck_at_start"),
        (~nw.col("_start_grade").is_null(), "mark_at_start"),
        otherwise="not_read_at_start",
    )
    flags = {"_graded": graded, "_has_start": has_start}
    return rows.select(
        "student_id",
        "_moved_in",
        status=status,
        **{name: cases((flag, 1), otherwise=0) for name, flag in flags.items()},
    )


def _backgrounds(first: Frame, grading: Grading) -> tuple[Frame, list[tuple[tuple[str, ...], str, str]]]:
    """Return flags per student at the start term, and which end subjects each flag explains, with the reason."""
    wanted: list[tuple[tuple[str, ...], tuple[str, ...], str]] = []
    for code, subject in grading.subjects.items():
        if subject.block:
            wanted += [(subject.block, (code,), "block_at_start"), ((code,), subject.block, "block_at_end")]
    for group in grading.alternates:
        wanted += [((code,), tuple(other for other in group if other != code), "course_switched") for code in group]
    flags = {f"_unit{number}": any_of(nw.col("subject"), held) for number, (_, held, _) in enumerate(wanted)}
    known = (
        first.filter(~nw.col("_step").is_null())
        .with_columns(
            _any=nw.lit(1),
            **{name: cases((flag, 1), otherwise=0) for name, flag in flags.items()},
        )
        .group_by("student_id")
        .agg(nw.col("_any").max(), *(nw.col(name).max() for name in flags))
    )
    return known, [(subjects, f"_unit{number}", reason) for number, (subjects, _, reason) in enumerate(wanted)]


def _moved_in(records: StudentRecords) -> Frame:
    students = open_frame(records.students)
    terms = records.declaration.terms
    late = nw.lit(False)
    if "moved_in" in column_names(students):
        late = any_of(nw.col("moved_in"), terms[terms.index(records.declaration.start) + 1 :])
    return students.select("student_id", _moved_in=cases((late, 1), otherwise=0))


def _students(rows: Frame) -> Frame:
    persons = (
        rows.with_columns(_matched=cases((nw.col("status") == MATCHED, 1), otherwise=0))
        .group_by("student_id")
        .agg(*(nw.col(name).max() for name in ("_matched", "_graded", "_moved_in", "_has_start")))
    )
    status = cases(
        (nw.col("_matched") == 1, MATCHED),
        ((nw.col("_has_start") == 0) & (nw.col("_moved_in") == 1), "moved_in"),
        (nw.col("_has_start") == 0, "no_grades_at_start"),
        (nw.col("_graded") == 0, "no_grades_at_end"),
        otherwise="no_common_subject",
    )
    return persons.with_columns(status=status)


def _table(counted: str, counts: pd.Series, status: Sequence[str]) -> pd.DataFrame:
    n = counts.reindex(list(status), fill_value=0).astype("int64").to_numpy()
    share = n / n.sum() if n.sum() and counted != "marks" else nan
    return pd.DataFrame({"counted": counted, "status": list(status), "n": n, "share": share})
