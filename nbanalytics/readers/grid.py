"""Any spreadsheet or CSV file as rows of text, with preambles, sections and footers.

The readers of records need a header in the first row. Exports have titles above it, sections within and notes below;
every row is kept with its number, and the reader of the format classifies it.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nbanalytics.errors import has_control
from nbanalytics.readers.csv_file import DELIMITERS, as_utf8, refuse_open_quote, said_delimiter
from nbanalytics.readers.findings import UnreadableError
from nbanalytics.readers.workbook import MOST_CELLS, UNVALUED, is_old, read_sheets

#: Lists and tables of statistics are a thousand times smaller; each cell becomes an object.
MOST_BYTES = 100_000_000
MOST_COLUMNS = 20_000
#: Number of rows, and of cells in each, that are searched for the delimiter.
_FIRST_ROWS, _FIRST_CELLS = 200, 200
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\ufeff"))

Cells = list[str]


@dataclass(frozen=True)
class Grid:
    """One sheet (a CSV file is one): its cells as trimmed text, empty ones as empty text.

    The row at position ``i`` is the one that a spreadsheet calls ``first + i``. ``percent`` has the positions of cells
    that the workbook shows as per cent (0.125 there is 12.5 %), and ``merged`` the first and last cell of each merge.
    """

    file: str
    format: str
    rows: list[Cells]
    first: int = 1
    sheet: str = ""
    assumed: tuple[str, ...] = ()
    percent: frozenset[tuple[int, int]] = frozenset()
    merged: tuple[tuple[tuple[int, int], tuple[int, int]], ...] = ()

    def number(self, position: int) -> int:
        """Return the number of a row as shown in the file."""
        return self.first + position

    def filled_rows(self) -> list[int]:
        """Return the positions of the rows with anything in them."""
        return [position for position, row in enumerate(self.rows) if any(row)]


def read_grids(path: Path, score: Callable[[Sequence[str]], int]) -> list[Grid]:
    """Read every sheet of a CSV file, an .xlsx or an .xls, whatever its suffix.

    ``score`` counts the cells of a row that are column names of the format; the delimiter of a CSV file is the one that
    splits a row into most of them.

    Raises
    ------
    UnreadableError
        If the file is missing, empty, damaged, none of these, or larger than any such file.
    """
    try:
        if not path.is_file():
            raise UnreadableError("there is no such file", "Check the path.")
        if path.stat().st_size > MOST_BYTES:
            raise UnreadableError(
                f"the file is larger than {MOST_BYTES // 1_000_000} MB", "Check that it is the right file, or split it."
            )
        excel = is_old(path) or zipfile.is_zipfile(path)
        grids = _sheets(path) if excel else [_csv_grid(path, path.read_bytes(), score)]
        for grid in grids:
            _refuse_control(grid)
        return grids
    except UnreadableError:
        raise
    except OSError as error:
        raise UnreadableError(f"the file cannot be read ({error.strerror})", "Check the path and its rights.") from None


def _refuse_control(grid: Grid) -> None:
    found = [grid.number(place) for place, row in enumerate(grid.rows) if has_control("\n".join(row))]
    if found or has_control(grid.sheet):
        where = f" in row {found[0]:,}" if found else ""
        raise UnreadableError(f"a cell holds a control character{where}", "Remove it: it could control a terminal.")


def tidy_cell(cell: str) -> str:
    r"""Return a cell without invisible signs and the spaces around it.

    Examples
    --------
    >>> tidy_cell(" 7A\xa0"), tidy_cell("Ek\u200bskolan")
    ('7A', 'Ekskolan')
    """
    return cell.translate(_INVISIBLE).replace("\x00", "").strip()


def compared(word: str) -> str:
    """Return letters and digits only, without case, by which names of columns are compared.

    Examples
    --------
    >>> compared("Skol-enhetskod "), compared("Andel (%) behöriga till yrkesprog.")
    ('skolenhetskod', 'andelbehörigatillyrkesprog')
    """
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", word).casefold())


def cell_at(row: Cells, place: int) -> str:
    """Return the cell at a place of a row, empty text if there is none."""
    return row[place] if 0 <= place < len(row) else ""


def may_name(header: str) -> bool:
    """Whether the name of a column may be shown in a message: short, and without a possible identity number."""
    return 0 < len(header) <= 80 and not re.search(r"\d{4}[-\s]?\d{4}|\d{6}", header)


# ------------------------------------------------------------------ CSV


def _csv_grid(path: Path, data: bytes, score: Callable[[Sequence[str]], int]) -> Grid:
    text, encoding = as_utf8(data)
    if not text.strip():
        raise UnreadableError("the file is empty", "Export it again.")
    said, line = said_delimiter(text)
    text, first = text[line:], 2 if said else 1
    refuse_open_quote(text, first - 1)
    body = text.decode()
    # Before the search for the delimiter, which takes minutes in a million cells.
    if any(line.count(mark) >= MOST_COLUMNS for line in body.split("\n") for mark in {*DELIMITERS, *said}):
        raise UnreadableError(f"a row has more than {MOST_COLUMNS:,} cells", "Check that it is the right file.")
    delimiter = said or _delimiter(body, score)
    if body.count(delimiter) + body.count("\n") > MOST_CELLS:
        raise UnreadableError(f"the file has more than {MOST_CELLS:,} cells", "Check that it is the right file.")
    assumed = (f"encoding {encoding}", f"delimiter {DELIMITERS.get(delimiter, delimiter)}")
    rows = [[tidy_cell(cell) for cell in row] for row in _parsed(body, delimiter)]
    if not any(map(any, rows)):
        raise UnreadableError("the file is empty", "Export it again.")
    return Grid(path.name, "csv", rows, first, assumed=assumed)


def _delimiter(body: str, score: Callable[[Sequence[str]], int]) -> str:
    """Choose the delimiter that splits a row into most column names, or else the rows into most cells."""
    start = "\n".join(islice(io.StringIO(body[:4_000_000]), _FIRST_ROWS)).replace("\n\n", "\n")
    scores = {}
    for delimiter in DELIMITERS:
        try:
            rows = [[tidy_cell(cell) for cell in row[:_FIRST_CELLS]] for row in _parsed(start, delimiter)]
        except UnreadableError:
            rows = []
        scores[delimiter] = (max((score(row) for row in rows), default=0), sum(len(row) for row in rows))
    return max(scores, key=lambda delimiter: scores[delimiter])


def _parsed(body: str, delimiter: str) -> list[Cells]:
    limit = csv.field_size_limit(MOST_BYTES)
    try:
        return list(csv.reader(io.StringIO(body, newline=""), delimiter=delimiter))
    except (csv.Error, TypeError):
        raise UnreadableError("the rows cannot be separated", "Save it again as CSV.") from None
    finally:
        csv.field_size_limit(limit)


# ------------------------------------------------------------------ Excel


def _sheets(path: Path) -> list[Grid]:
    grids = []
    kind = "xls" if is_old(path) else "xlsx"
    for sheet in read_sheets(path):
        rows = [[tidy_cell(cell) if cell else "" for cell in row] for row in sheet.rows]
        if rows and len(rows[0]) > MOST_COLUMNS:
            raise UnreadableError(f"a sheet has more than {MOST_COLUMNS:,} columns", "Clear the empty ones.")
        assumed = (f"{sheet.unvalued:,} {UNVALUED}",) if sheet.unvalued else ()
        percent = frozenset((row, column) for row, column, _ in sheet.percent)
        grids.append(Grid(path.name, kind, rows, 1, sheet.name, assumed, percent, sheet.merged))
    if not any(any(row) for grid in grids for row in grid.rows):
        raise UnreadableError("the workbook is empty", "Export it again.")
    return grids
