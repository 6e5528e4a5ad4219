"""The tables of student records: their columns, what may stand in them, and what identifies a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Twelve or ten digits with a date, the temporary numbers with TF among them: what may be a personal identity number.
IDENTITY_NUMBER = (
    r"^(?:19|20)?[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01]|6[1-9]|[78][0-9]|9[01])\s?[-+]?\s?"
    r"(?:[0-9]{4}|[Tt][Ff][0-9]{2})$"
)
#: Columns of identifiers and codes, which stand in releases as they are.
CODES = ("student_id", "school_id", "school_id_y6", "programme", "kind", "question")

Kind = Literal["text", "integer", "number", "flag", "date", "term", "subject", "grade"]


@dataclass(frozen=True)
class Column:
    """A column: its kind, whether it has to be there and filled in, and the values or range it allows."""

    name: str
    kind: Kind = "text"
    required: bool = True
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Table:
    """A table: its columns, the columns that identify a row, and whether records can do without it."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    required: bool = False

    def column(self, name: str) -> Column | None:
        """Return the column of that name, if the schema knows it."""
        return next((column for column in self.columns if column.name == name), None)


_STUDENT, _TERM = Column("student_id"), Column("term", "term")
_GRADES = (_STUDENT, _TERM, Column("subject", "subject"), Column("grade", "grade"))

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "students",
            (
                _STUDENT,
                Column("cohort", "integer", low=1990, high=2100),
                Column("sex", values=("girl", "boy"), required=False),
                Column("birth_year", "integer", required=False, low=1950, high=2100),
                Column("school_id", required=False),
                Column("school_id_y6", required=False),
                Column("newly_arrived", "flag", required=False),
                Column("immigration", required=False, values=("born", "early", "years1-5", "years6-9")),
                Column(
                    "parents_education",
                    required=False,
                    values=("compulsory", "upper_secondary", "post_secondary"),
                ),
                Column("moved_in", "term", required=False),
                Column("moved_out", "term", required=False),
            ),
            key=("student_id",),
            required=True,
        ),
        Table("schools", (Column("school_id"), Column("name"), Column("stage", required=False)), key=("school_id",)),
        Table(
            "grades",
            _GRADES,
            key=("student_id", "term", "subject"),
            required=True,
        ),
        Table(
            "absence",
            (
                _STUDENT,
                _TERM,
                Column("valid", "number", required=False, low=0, high=100),
                Column("invalid", "number", required=False, low=0, high=100),
            ),
            key=("student_id", "term"),
        ),
        Table(
            "tests",
            _GRADES,
            key=("student_id", "term", "subject"),
        ),
        Table(
            "outcomes",
            (
                _STUDENT,
                Column("programme", required=False),
                Column(
                    "programme_kind",
                    required=False,
                    values=("preparatory", "vocational", "introductory", "none", "moved"),
                ),
                Column("eligible_after_summer", "flag", required=False),
                Column("changed_programme", "flag", required=False),
                Column("diploma_3y", "flag", required=False),
                Column("im_to_national", "flag", required=False),
                Column("diploma_5y", "flag", required=False),
            ),
            key=("student_id",),
        ),
        Table(
            "support",
            (
                _STUDENT,
                Column("kind"),
                Column("level", values=("universal", "selective", "indicated")),
                Column("actor", required=False),
                Column("start", "date"),
                Column("end", "date", required=False),
                Column("intensity", required=False, values=("weekly", "several_a_month", "monthly")),
            ),
            key=("student_id", "kind", "start"),
        ),
        Table(
            "followups",
            (
                _STUDENT,
                Column("date", "date"),
                Column("status", values=("work", "study", "activity", "unknown")),
            ),
            key=("student_id", "date"),
        ),
        Table(
            "screening",
            (
                _STUDENT,
                _TERM,
                Column("question"),
                Column("answer", values=("yes", "no", "unknown")),
            ),
            key=("student_id", "term", "question"),
        ),
    )
}
