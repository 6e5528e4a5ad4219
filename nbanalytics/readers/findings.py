"""What reading records found wrong, remarkable or assumed, and how it is reported without showing personal data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from nbanalytics.errors import DataError

#: How many row numbers a message names.
SHOWN_ROWS = 5
#: Similarity needed to suggest a word, and to show it: names are seldom so close to the schema's words.
SUGGESTED, SHOWN = 0.6, 0.8

Rows = NDArray[np.int64]
Weight = Literal["fatal", "row", "remark"]


#: The stable code of each kind of finding, and its meaning; docs/records.md lists them too.
CODES: dict[str, str] = {
    "absence.more_than_all": "valid and invalid absence of a pupil are more than 100 per cent together",
    "absence.no_class": "the list says the season but no class, and so no school year",
    "absence.no_term": "the list does not say which term it is of",
    "absence.part_missing": "the list has no valid or no invalid absence, or only their total",
    "absence.total_differs": "the total is not the sum of valid and invalid absence",
    "absence.unit_unclear": "all numbers are at most 1: they may be per cent or shares",
    "attendance.more_than_planned": "more minutes absent than planned",
    "attendance.no_date": "attendance without a date",
    "attendance.no_planned_minutes": "attendance without planned minutes",
    "attendance.not_minutes": "a value that is not a number of minutes",
    "attendance.several_terms": "attendance that spans more than one term",
    "attendance.unreported": "lessons that have not been reported",
    "cohorts.no_end": "a cohort without grades in the end term, which cannot be followed yet",
    "cohorts.no_scale": "no grade scale or rule is known for a cohort",
    "cohorts.no_start": "a cohort with grades in the end term but none in the start term",
    "columns.missing": "a required column is missing",
    "columns.misspelled": "an unknown column whose name is almost that of a known one",
    "columns.no_header": "no row has the names of the columns",
    "columns.other_content": "a column has other content than its name says",
    "columns.repeated": "two columns for the same thing",
    "columns.unknown": "an unknown column, which is left out",
    "columns.unknown_subject": "a column of grades whose subject is unknown",
    "columns.wrong_type": "a column of a Parquet file has another type",
    "declaration.invalid": "records.toml has a fault",
    "entities.no_date": "an SS12000 grade without year and date",
    "entities.no_identifier": "an SS12000 person without identifier and identity number",
    "entities.no_person": "students without an SS12000 person",
    "entities.no_school_year": "the school year of a student is not known",
    "entities.no_semester": "an SS12000 grade without semester, which is taken from its date",
    "entities.no_student": "an SS12000 entity that refers to no student",
    "entities.other_school_form": "a grade of another school form",
    "entities.other_year": "a grade or attendance of a school year that is not read",
    "entities.unknown": "an SS12000 entity of a kind that is not read",
    "entities.unknown_semester": "a semester that is neither HT nor VT",
    "files.left_over": "a file left by a command that was stopped while it wrote",
    "files.not_parquet": "a file that cannot be scanned because it is not Parquet",
    "files.other_sheets": "sheets of a workbook that are not tables of records",
    "files.unknown": "a file that is not a table of records",
    "files.unreadable": "a file that cannot be opened, is damaged, or is of another format",
    "form.criteria_too_late": "an answer for years 1–5 in years 6–9",
    "form.grades_too_early": "grades or passes before year 6",
    "form.no_list_number": "a pupil without a list number",
    "form.not_count": "not a number of passes",
    "form.not_date": "not a date",
    "form.not_flag": "neither Ja, Nej nor x",
    "form.not_grade": "not a grade, - or x",
    "form.not_list": "not a list number",
    "form.not_percent": "not per cent from 0 to 100",
    "form.not_sex": "not Flicka, Pojke or x",
    "form.not_text": "not the name of a school",
    "form.not_year": "not a school year from 1 to 9",
    "grades.both_alternates": "grades in two subjects of which a pupil reads one (SV and SVA)",
    "grades.no_alternate": "no grade in either of two subjects of which a pupil reads one",
    "grades.other_scale": "a grade of a scale that does not hold for the cohort",
    "grades.outside_enrolment": "grades from before the student moved in or after the student moved out",
    "grades.replaced": "a grade that a later one of the same term replaces",
    "grades.unknown_grade": "a grade that is on no scale of the cohort",
    "identity.check_digit": "the check digit of an identity number does not fit",
    "identity.cut_off": "Excel has cut off an identity number",
    "identity.impossible_date": "the date in an identity number does not exist",
    "identity.malformed": "not an identity number of 12 digits",
    "identity.missing": "a pupil without an identity number",
    "identity.ten_digits": "identity numbers of ten digits, whose century is assumed",
    "merge.other_tables": "tables that are not student records",
    "merge.students_differ": "two files say different things about a student",
    "rows.contradictory": "rows about the same thing that contradict each other",
    "rows.of_unusable_list": "rows of a list that cannot be used as a whole",
    "rows.repeated": "a row that repeats an earlier one",
    "rows.student_rejected": "rows of a student whose own row is rejected",
    "rows.unknown_student": "rows of a student who is not in students",
    "rows.wrong_number_of_cells": "rows with more or fewer cells than the header or the layout",
    "scb.block_and_subjects": "a block grade and grades in its subjects",
    "scb.compulsory_not_graded": "code 2 in a compulsory subject",
    "scb.empty_grade": "a subject with neither grade nor code",
    "scb.grade_without_language": "a grade in a language that is not named",
    "scb.language_without_grade": "a language without a grade",
    "scb.no_block_grade": "neither a block nor its subjects are graded",
    "scb.no_school_code": "not a school unit code of 8 digits",
    "schools.renamed": "a school with more than one name",
    "statistics.left_out": "a column of statistics that is left out",
    "statistics.no_place": "a row without school and municipality",
    "statistics.no_year": "the statistics do not say of which year they are",
    "statistics.unknown_group": "a group that is not all, girls or boys",
    "students.identity_number": "a student_id that looks like a personal identity number",
    "students.moved_out_before_in": "moved_out is before moved_in",
    "students.unknown_school": "a school that is not in schools",
    "support.before_enrolment": "support that begins before the student moved in",
    "support.ends_before_start": "support that ends before it starts",
    "support.overlaps": "support that overlaps an earlier period of the same kind",
    "tables.empty": "a table without rows",
    "tables.missing": "a required table is missing",
    "tables.no_usable_row": "no row of a table can be used",
    "tables.repeated": "a table is there twice",
    "values.begins_like_formula": "an identifier or code that a spreadsheet takes for a formula",
    "values.control_character": "a character that could control a terminal",
    "values.empty": "an empty cell in a required column",
    "values.formula": "a formula without a usable value",
    "values.line_break": "a line break in a cell",
    "values.not_canonical": "a value of a Parquet file that is not written in the canonical way",
    "values.not_date": "not a date",
    "values.not_flag": "neither yes nor no",
    "values.not_integer": "not a whole number",
    "values.not_number": "not a number",
    "values.out_of_range": "a number out of range",
    "values.unknown_subject": "an unknown subject",
    "values.unknown_term": "a term that is not declared",
    "values.unknown_value": "a word that the column does not allow",
}


@dataclass(frozen=True)
class Finding:
    """One thing found: where, what, how many rows, and the remedy.

    Attributes
    ----------
    code : str
        A stable name of the kind of finding, one of :data:`CODES`, for programs.
    file, column : str
        The place; either is empty if the finding is about more than one.
    what, remedy : str
        A clause such as ``"unknown grade"``, and a sentence that says what to do.
    rows : array of int
        Row numbers as shown in the file (the header is row 1); of a large scan only the first few.
    count : int
        How many rows.
    weight : {"fatal", "row", "remark"}
        Whether it makes the table unusable, the rows, or neither.
    follows : bool
        Whether it is gone once another finding is fixed.

    Raises
    ------
    ValueError
        If the code is not one of :data:`CODES`.
    """

    code: str
    file: str
    column: str
    what: str
    remedy: str
    rows: Rows
    count: int
    weight: Weight = "row"
    follows: bool = False

    def __post_init__(self) -> None:
        """Refuse a code that is not documented."""
        if self.code not in CODES:
            raise ValueError(f"{self.code!r} is not a code of a finding. Add it to CODES and to docs/records.md.")

    @property
    def is_fault(self) -> bool:
        """Whether the records cannot be used unchanged."""
        return self.weight != "remark"

    def sentence(self) -> str:
        """Return the finding on one line, without the file."""
        place = f"column {self.column}: " if self.column else ""
        return f"{place}{self.what}{self._rows_in_words()}. {self.remedy}".rstrip()

    def as_dict(self) -> dict[str, Any]:
        """Return the content as plain values for programs."""
        return {
            "code": self.code,
            "weight": self.weight,
            "column": self.column,
            "what": self.what,
            "remedy": self.remedy,
            "rows": self.count,
            "first_rows": [int(row) for row in self.rows[:SHOWN_ROWS]],
        }

    def _rows_in_words(self) -> str:
        if not self.count:
            return ""
        first = ", ".join(str(row) for row in self.rows[:SHOWN_ROWS])
        more = ", …" if self.count > SHOWN_ROWS else ""
        noun = "row" if self.count == 1 else "rows"
        return f" ({self.count:,} {noun}: {first}{more})"

    def without(self, rows: Rows) -> Finding:
        """Leave out rows that another finding has already reported."""
        kept = self.rows[~np.isin(self.rows, rows)]
        return replace(self, rows=kept, count=len(kept))


@dataclass(frozen=True)
class RowFault:
    """Why a row cannot be used, apart from its number: the code, column, clause and remedy of a finding."""

    code: str
    what: str
    remedy: str
    column: str = ""

    def finding(self, file: str, rows: Iterable[int] | Rows) -> Finding:
        """Return the finding for the rows of a file that have this fault."""
        return about_rows(self.code, file, self.column, self.what, self.remedy, rows)


def row_findings(file: str, faulty: Sequence[tuple[int, RowFault]]) -> list[Finding]:
    """Return a finding for each fault, in the order in which they first occur."""
    return [
        fault.finding(file, [row for row, other in faulty if other == fault])
        for fault in dict.fromkeys(fault for _, fault in faulty)
    ]


def no_rows() -> Rows:
    """Return the rows of a finding that is not about particular rows."""
    return np.empty(0, dtype=np.int64)


def fatal(code: str, file: str, what: str, remedy: str, column: str = "") -> Finding:
    """Return a finding that makes the whole table unusable."""
    return Finding(code, file, column, what, remedy, no_rows(), 0, "fatal")


def remark(code: str, file: str, what: str, remedy: str = "", column: str = "") -> Finding:
    """Return a remark that is not about particular rows."""
    return Finding(code, file, column, what, remedy, no_rows(), 0, "remark")


def about_rows(
    code: str, file: str, column: str, what: str, remedy: str, rows: Iterable[int] | Rows, weight: Weight = "row"
) -> Finding:
    """Return a finding about rows, which are rejected unless it is a remark."""
    numbers = np.unique(np.asarray(rows, dtype=np.int64))
    return Finding(code, file, column, what, remedy, numbers, len(numbers), weight)


def sentences_by_file(findings: Sequence[Finding]) -> str:
    """List findings under the name of their file."""
    lines: list[str] = []
    for file in dict.fromkeys(finding.file for finding in findings):
        lines.append(file or "the folder")
        lines += [f"  - {finding.sentence()}" for finding in findings if finding.file == file]
    return "\n".join(lines)


def suggestion(word: str, known: Iterable[str], nearness: float = SUGGESTED) -> str:
    """Return the known word that ``word`` most resembles, or empty text; case does not count.

    Examples
    --------
    >>> suggestion("studentid", ["student_id", "cohort"])
    'student_id'
    """
    by_case = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), list(by_case), n=1, cutoff=nearness)
    return by_case[close[0]] if close else ""


def may_be_shown(value: str, known: Iterable[str]) -> bool:
    """Whether an unrecognised cell may be shown in a message: it cannot be a name or an identity number.

    Examples
    --------
    >>> may_be_shown("Svensk", ["Svenska"]), may_be_shown("10HT", []), may_be_shown("Anna", ["Svenska"])
    (True, True, False)
    """
    if len(value) > 12 or re.search(r"\d{6}", value):
        return False
    if re.fullmatch(r"[^\W\d]?[^\w\s]?|\d{1,3}([.,]\d)?|\d{1,2}\s?[A-Za-z]{1,3}|[A-Za-z]{1,3}\s?\d{1,2}", value):
        return True
    return bool(suggestion(value, known, SHOWN))


#: A file with more columns is not a table of records, and reading it could take too long.
MOST_COLUMNS = 2_000
_LARGEST_BLOCK = 1 << 28


class UnreadableError(DataError):
    """One file cannot be read; the others are still checked."""


def divided(
    body: bytes, names: Sequence[str], delimiter: str, convert: pa_csv.ConvertOptions, **parsing: Any
) -> tuple[Any, list[int], list[int]]:
    """Divide delimited text into columns.

    Parameters
    ----------
    body : bytes
        Rows in UTF-8, the first of them number 1.
    names : sequence of str
        Names of the columns.
    delimiter : str
        One character.
    convert : pyarrow.csv.ConvertOptions
        Kinds of the columns.
    **parsing
        Further settings of ``pyarrow.csv.ParseOptions``.

    Returns
    -------
    tuple
        The table, and the numbers of the rows that are not in it: those with more or fewer cells than there are names,
        and the empty ones.

    Raises
    ------
    pyarrow.ArrowInvalid
        If the rows cannot be separated.
    """
    ragged: list[int] = []
    blank: list[int] = []

    def note(row: Any) -> str:
        (ragged if row.text.strip(f'{delimiter}" \t') else blank).append(row.number)
        return "skip"

    # One thread, since only then are rows numbered.
    reading = pa_csv.ReadOptions(
        use_threads=False, column_names=list(names), block_size=min(len(body) + 1, _LARGEST_BLOCK)
    )
    options = pa_csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=note, **parsing)
    return pa_csv.read_csv(pa.BufferReader(body), reading, options, convert), ragged, blank


@dataclass(frozen=True)
class RawTable:
    """Cells of one table as text (or typed, from Parquet), without its header and its empty rows.

    Attributes
    ----------
    file, format : str
        The file's name as it is shown, and ``"csv"``, ``"xlsx"`` or ``"parquet"``.
    header : tuple of str
        The first row, trimmed.
    columns : tuple of arrays
        One for each cell of the header.
    rows : array of int
        Row numbers as shown in the file; the header is row 1.
    broken : tuple of Finding
        Rows that are not among the columns, since their cells do not fit the header.
    assumed : tuple of str
        What was found by content.
    """

    file: str
    format: str
    header: tuple[str, ...]
    columns: tuple[Any, ...]
    rows: Rows
    broken: tuple[Finding, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Rows with content in the file, without the header."""
        return len(self.rows) + sum(finding.count for finding in self.broken)


def refuse_too_many_columns(number: int) -> None:
    """Stop at a file that cannot be records before its cells are read."""
    if number > MOST_COLUMNS:
        raise UnreadableError(
            f"the first row has {number:,} cells (at most {MOST_COLUMNS:,} are read)",
            "Check that it is the right file, with a header of column names in the first row.",
        )


def without_empty_rows(columns: Sequence[Any], rows: Rows) -> tuple[tuple[Any, ...], Rows, int]:
    """Remove empty rows; returns columns, row numbers and the number of removed rows."""
    if not columns or not len(rows):
        return tuple(columns), rows, 0
    # Most rows have their first cell filled in: only the others are checked.
    empty = ~_filled(columns[0])
    for column in columns[1:]:
        if not empty.any():
            return tuple(columns), rows, 0
        empty &= ~_filled(column)
    if not empty.any():
        return tuple(columns), rows, 0
    keep = pa.array(~empty)
    return tuple(column.filter(keep) for column in columns), rows[~empty], int(empty.sum())


def _filled(column: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    filled = pc.is_valid(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)
        filled = pc.fill_null(text, False)
    return np.asarray(filled.to_numpy(zero_copy_only=False) if hasattr(filled, "to_numpy") else filled, dtype=bool)


def cell_text(cell: Any) -> str | None:
    """Return a cell of a workbook as text, None if it is empty.

    Examples
    --------
    >>> cell_text(12.0), cell_text(date(2018, 6, 15)), cell_text("")
    ('12', '2018-06-15', None)
    """
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)
