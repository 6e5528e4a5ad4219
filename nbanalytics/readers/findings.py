"""What reading records found wrong, remarkable or assumed, and how it is reported without showing personal data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from nbanalytics.errors import DataError
from nbanalytics.toml_files import packaged_toml

#: How many row numbers a message names.
SHOWN_ROWS = 5
#: Similarity needed to suggest a word, and to show it: names are seldom so close to the schema's words.
SUGGESTED, SHOWN = 0.6, 0.8

Rows = NDArray[np.int64]
Weight = Literal["fatal", "row", "remark"]


_WORDS = packaged_toml("nbanalytics.readers", "findings.toml")
#: The stable code of each kind of finding, and its meaning; docs/records.md lists them too.
CODES: dict[str, str] = {code: entry["meaning"] for code, entry in _WORDS.items()}


@dataclass(frozen=True)
class Message:
    """What a finding says: its code, a clause such as "unknown grade", what to do, and the column."""

    code: str
    what: str
    remedy: str
    column: str = ""


def message(key: str, column: str = "", /, **values: object) -> Message:
    """Return the words that ``findings.toml`` has for a code, or for a code and a place (``"rows.repeated/scb"``).

    Examples
    --------
    >>> message("tables.repeated", table="grades", other="grades.csv").what
    'the table grades is here twice, the other is grades.csv'
    """
    code, _, place = key.partition("/")
    try:
        what, remedy = _WORDS[code][place or "words"]
    except KeyError:
        raise ValueError(f"{key!r} is not a code of a finding. Add it to findings.toml and docs/records.md.") from None
    return Message(code, what.format(**values), remedy.format(**values), column)


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
    rows, count : array of int, int
        Row numbers as shown in the file (the header is row 1), of a large scan only the first few; and how many rows.
    weight : {"fatal", "row", "remark"}
        Whether it makes the table unusable, the rows, or neither.
    follows : bool
        Whether it is gone once another finding is fixed.
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

    @property
    def is_fault(self) -> bool:
        """Whether the records cannot be used unchanged."""
        return self.weight != "remark"

    def sentence(self) -> str:
        """Return the finding on one line, without the file."""
        place = f"column {self.column}: " if self.column else ""
        return f"{place}{self.what}{self._rows_in_words()}. {self.remedy}".rstrip()

    def as_dict(self) -> dict[str, object]:
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


def no_rows() -> Rows:
    """Return the rows of a finding that is not about particular rows."""
    return np.empty(0, dtype=np.int64)


def fatal(key: str, file: str, column: str = "", /, **values: object) -> Finding:
    """Return a finding that makes the whole table unusable; see :func:`message`."""
    return _finding(message(key, column, **values), file, no_rows(), "fatal")


def remark(key: str, file: str, column: str = "", /, **values: object) -> Finding:
    """Return a remark that is not about particular rows; see :func:`message`."""
    return _finding(message(key, column, **values), file, no_rows(), "remark")


def about_rows(said: Message, file: str, rows: Iterable[int] | Rows, weight: Weight = "row") -> Finding:
    """Return a finding about rows, which are rejected unless it is a remark."""
    return _finding(said, file, np.unique(np.asarray(rows, dtype=np.int64)), weight)


def _finding(said: Message, file: str, rows: Rows, weight: Weight) -> Finding:
    return Finding(said.code, file, said.column, said.what, said.remedy, rows, len(rows), weight)


@dataclass
class Noted:
    """Findings about rows of a file, noted one by one or block by block."""

    file: str
    rows: dict[tuple[Message, Weight], list[Rows]] = field(default_factory=dict)

    def note(self, rows: int | Iterable[int] | Rows, said: Message, weight: Weight = "row") -> None:
        """Note one row or several; none if there are none."""
        numbers = np.atleast_1d(np.asarray(rows, dtype=np.int64))
        if len(numbers):
            self.rows.setdefault((said, weight), []).append(numbers)

    def rejected(self) -> Rows:
        """Return the rows that cannot be used."""
        return _union([part for (_, weight), parts in self.rows.items() if weight == "row" for part in parts])

    def findings(self) -> tuple[Finding, ...]:
        """Return a finding for each message, in the order in which they were first noted."""
        return tuple(about_rows(said, self.file, _union(parts), weight) for (said, weight), parts in self.rows.items())


def _union(parts: list[Rows]) -> Rows:
    return np.unique(np.concatenate(parts)) if parts else no_rows()


def row_findings(file: str, faulty: Iterable[tuple[int, Message]]) -> list[Finding]:
    """Return a finding for each message about rows, in the order in which they first occur."""
    noted = Noted(file)
    for row, said in faulty:
        noted.note(row, said)
    return list(noted.findings())


def rejected_rows(findings: Iterable[Finding]) -> Rows:
    """Return the rows that the findings reject, each once."""
    return _union([finding.rows for finding in findings if finding.weight == "row"])


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
    body: bytes, names: Sequence[str], delimiter: str, convert: pa_csv.ConvertOptions, **parsing: object
) -> tuple[pa.Table, list[int], list[int]]:
    """Divide delimited text in UTF-8 into columns of these names.

    Returns the table, and the numbers (from 1) of the rows that are not in it: those with more or fewer cells than
    there are names, and the empty ones. Raises pyarrow.ArrowInvalid if the rows cannot be separated.
    """
    ragged: list[int] = []
    blank: list[int] = []

    def note(row: pa_csv.InvalidRow) -> str:
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

    ``rows`` are row numbers as shown in the file, whose header is row 1; ``broken`` are rows that are not among the
    columns, since their cells do not fit the header; ``assumed`` says what was found by content.
    """

    file: str
    format: str
    header: tuple[str, ...]
    columns: tuple[pa.ChunkedArray, ...]
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


def without_empty_rows(columns: Sequence[pa.ChunkedArray], rows: Rows) -> tuple[tuple[pa.ChunkedArray, ...], Rows, int]:
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


def _filled(column: pa.ChunkedArray) -> np.ndarray:
    filled = pc.is_valid(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)
        filled = pc.fill_null(text, False)
    return np.asarray(filled.to_numpy(zero_copy_only=False) if hasattr(filled, "to_numpy") else filled, dtype=bool)
