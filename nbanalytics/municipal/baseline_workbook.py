"""The workbook of a baseline form: opened within bounds, its headings found, its rows with what stands in each cell."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from nbanalytics.municipal.baseline_layout import INSTRUCTIONS, MOST_ROWS, NEEDED, Field, field_of, plain_text
from nbanalytics.readers.raw import UnreadableError

#: A form of 20,000 pupils unpacks to a tenth of this; it is measured while unpacking, whatever the file says of itself.
MOST_UNPACKED = 100_000_000
_HEADER_WITHIN, _MOST_CELLS = 20, 100

Sheets = dict[str, Any]


@contextmanager
def opened(path: Path) -> Iterator[tuple[Sheets, Sheets]]:
    """Open a workbook twice: for the values that Excel computed, and to see where a formula stands."""
    from openpyxl import load_workbook

    _measure(path)
    books: list[Any] = []
    with ExitStack() as streams, warnings.catch_warnings():
        # Remarks of openpyxl on styles and extensions are about nothing that is read.
        warnings.simplefilter("ignore")
        try:
            for data_only in (True, False):
                # As a stream: the library looks at a path's ending, and the content is what counts.
                stream = streams.enter_context(path.open("rb"))
                books.append(load_workbook(stream, read_only=True, data_only=data_only, keep_links=False))
            values, formulas = ({sheet.title: sheet for sheet in book.worksheets} for book in books)
            yield values, formulas
        except UnreadableError:
            raise
        except Exception:
            raise UnreadableError(
                "this is not an Excel workbook, or a damaged one", "Save it again as .xlsx."
            ) from None
        finally:
            for book in books:
                book.close()


def _measure(path: Path) -> None:
    """Refuse what is no archive, and what unpacks to far more than a form."""
    unpacked = 0
    try:
        with zipfile.ZipFile(path) as parts:
            for part in parts.infolist():
                with parts.open(part) as stream:
                    while chunk := stream.read(1_000_000):
                        unpacked += len(chunk)
                        if unpacked > MOST_UNPACKED:
                            size = f"the workbook unpacks to more than {MOST_UNPACKED // 1_000_000} MB"
                            raise UnreadableError(size, "Keep only the form in it and save it again.")
    except UnreadableError:
        raise
    except FileNotFoundError:
        raise UnreadableError("there is no such file", "Check the path.") from None
    except Exception:
        raise UnreadableError("this is not an Excel workbook, or a damaged one", "Save it again as .xlsx.") from None


def find_header(sheets: Sheets) -> tuple[str, int, dict[int, Field]] | None:
    """Return the sheet, the row and the columns of the form's headings, or None if they stand nowhere."""
    for title, sheet in sheets.items():
        if title == INSTRUCTIONS:
            continue
        # The size that a sheet states of itself may be wrong; without it all rows are read.
        sheet.reset_dimensions()
        for number, row in enumerate(sheet.iter_rows(max_row=_HEADER_WITHIN, max_col=_MOST_CELLS, values_only=True), 1):
            columns: dict[int, Field] = {}
            for place, cell in enumerate(row):
                named = field_of(cell) if isinstance(cell, str) else None
                if named is not None and named not in columns.values():
                    columns[place] = named
            if {named.name for named in columns.values()} >= set(NEEDED) and len(columns) > 5:
                return title, number, columns
    return None


def rows_of(values: Any, formulas: Any, header_row: int, columns: dict[int, Field]) -> list[tuple[int, dict[str, Any]]]:
    """Return the rows with content: their number, and of each cell its value, whether a formula, whether per cent."""
    for sheet in (values, formulas):
        sheet.reset_dimensions()
    rows: list[tuple[int, dict[str, Any]]] = []
    last = max(columns) + 1
    both = zip(
        values.iter_rows(min_row=header_row + 1, max_col=last),
        formulas.iter_rows(min_row=header_row + 1, max_col=last, values_only=True),
        strict=True,
    )
    for number, (row, written) in enumerate(both, start=header_row + 1):
        if written.count(None) == len(written):
            continue  # quickly: a stray cell far below makes a million of these
        cells = {}
        for place, named in columns.items():
            cell, formula = (row[place], written[place]) if place < min(len(row), len(written)) else (None, None)
            value = (
                None if cell is None or plain_text(cell.value if cell.value is not None else "") == "" else cell.value
            )
            is_formula = _is_formula(formula) and formula != value
            if value is not None or is_formula:
                share = "%" in str(getattr(cell, "number_format", "") or "") if value is not None else False
                cells[named.name] = (value, is_formula, share)
        if cells:
            rows.append((number, cells))
        if len(rows) > MOST_ROWS:
            raise UnreadableError(f"the form has more than {MOST_ROWS:,} rows", "Give each school a form of its own.")
    return rows


def _is_formula(written: Any) -> bool:
    """Whether a formula was written: as text, or as openpyxl's own kind for one over several cells."""
    return written.startswith("=") if isinstance(written, str) else type(written).__module__.startswith("openpyxl")
