"""What reading records found wrong, remarkable or assumed, and how it is told without showing anybody's data."""

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
#: How alike a word has to be to be suggested, and to be shown: a name is seldom that near to the schema's words.
SUGGESTED, SHOWN = 0.6, 0.8

Rows = NDArray[np.int64]
Weight = Literal["fatal", "row", "remark"]


@dataclass(frozen=True)
class Finding:
    """One thing found: where, what, how many rows, and the remedy.

    Attributes
    ----------
    file, column : str
        Where; either may be empty where the finding is about more than one.
    what, remedy : str
        A clause such as ``"unknown grade"``, and a sentence that says what to do.
    rows : array of int
        Row numbers as the person sees them in the file (the header is row 1); of a large scan only the first few.
    count : int
        How many rows.
    weight : {"fatal", "row", "remark"}
        Whether it makes the table unusable, the rows, or neither.
    follows : bool
        Whether it is gone once another finding is mended.
    """

    file: str
    column: str
    what: str
    remedy: str
    rows: Rows
    count: int
    weight: Weight = "row"
    follows: bool = False

    @property
    def is_fault(self) -> bool:
        """Whether the records cannot be used as they are."""
        return self.weight != "remark"

    def sentence(self) -> str:
        """Tell the finding on one line, without the file."""
        place = f"column {self.column}: " if self.column else ""
        return f"{place}{self.what}{self._rows_in_words()}. {self.remedy}".rstrip()

    def _rows_in_words(self) -> str:
        if not self.count:
            return ""
        first = ", ".join(str(row) for row in self.rows[:SHOWN_ROWS])
        more = ", …" if self.count > SHOWN_ROWS else ""
        noun = "row" if self.count == 1 else "rows"
        return f" ({self.count:,} {noun}: {first}{more})"

    def without(self, rows: Rows) -> Finding:
        """Leave out rows that another finding has already told of."""
        kept = self.rows[~np.isin(self.rows, rows)]
        return replace(self, rows=kept, count=len(kept))


def no_rows() -> Rows:
    """Return the rows of a finding that is about no row in particular."""
    return np.empty(0, dtype=np.int64)


def fatal(file: str, what: str, remedy: str, column: str = "") -> Finding:
    """Return a finding that makes the whole table unusable."""
    return Finding(file, column, what, remedy, no_rows(), 0, "fatal")


def about_rows(file: str, column: str, what: str, remedy: str, rows: Iterable[int] | Rows) -> Finding:
    """Return a finding about rows that can be taken out."""
    numbers = np.unique(np.asarray(rows, dtype=np.int64))
    return Finding(file, column, what, remedy, numbers, len(numbers))


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
    """Whether a cell that is not understood may stand in a message: it must not be able to be a name or a number.

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


#: More columns than any records have: such a file is something else, and reading it could take for ever.
MOST_COLUMNS = 2_000
_LARGEST_BLOCK = 1 << 28


class UnreadableError(DataError):
    """One file cannot be read at all; the others are still looked at."""


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
        If the rows cannot be told apart.
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
        Row numbers as the person sees them; the header is row 1.
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
        """Rows with content in the file, the header apart."""
        return len(self.rows) + sum(finding.count for finding in self.broken)


def refuse_too_many_columns(number: int) -> None:
    """Stop at a file that cannot be records before its cells are read."""
    if number > MOST_COLUMNS:
        raise UnreadableError(
            f"the first row has {number:,} cells (at most {MOST_COLUMNS:,} are read)",
            "Check that it is the right file, with a header of column names in the first row.",
        )


def without_empty_rows(columns: Sequence[Any], rows: Rows) -> tuple[tuple[Any, ...], Rows, int]:
    """Take out the rows without a single cell filled in; returns columns, row numbers and how many there were."""
    if not columns or not len(rows):
        return tuple(columns), rows, 0
    # Most rows have their first cell filled in: only the others are looked at.
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
