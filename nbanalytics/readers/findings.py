"""What reading records found wrong, remarkable or assumed, and how it is told without showing anybody's data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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
