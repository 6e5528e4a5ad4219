"""CSV files: encoding and delimiter are found by content and told, and no row is lost on the way."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from nbanalytics.readers.encoding import DELIMITERS, as_utf8, refuse_open_quote, said_delimiter
from nbanalytics.readers.findings import Finding, about_rows
from nbanalytics.readers.raw import RawTable, UnreadableError, divided, refuse_too_many_columns, without_empty_rows

_HEADER_BYTES = 4_000_000


def read_csv(path: Path, known: Iterable[str]) -> RawTable:
    """Read a CSV file as text.

    Parameters
    ----------
    path : Path
        The file.
    known : iterable of str
        Column names to look for in its first row, by which the delimiter is told.

    Returns
    -------
    RawTable

    Raises
    ------
    UnreadableError
        If it is empty, not text, or a quotation mark is never closed.
    """
    text, encoding = as_utf8(path.read_bytes())
    # Row numbers count what a spreadsheet shows, so empty lines before the header count as well.
    body = text.lstrip(b"\n \t")
    if not body:
        raise UnreadableError("the file is empty", "Export it again, with a header and one row for each record.")
    above = text[: len(text) - len(body)].count(b"\n")
    body = text[len(text) - len(text.lstrip(b"\n")) :]
    said, line = said_delimiter(body)
    body, above = body[line:], above + bool(said)
    delimiter = said or _delimiter(body, known)
    refuse_open_quote(body, above)
    header, cells, rows, ragged = _parse(body, delimiter)
    columns, rows, empty = without_empty_rows(cells, rows + above)
    assumed = [f"encoding {encoding}", f"delimiter {DELIMITERS.get(delimiter, delimiter)}"]
    if empty:
        assumed.append(f"{empty:,} empty rows are no records")
    broken: tuple[Finding, ...] = ()
    if len(ragged):
        remedy = f"Give it as many cells as the header has ({len(header)}); quote a cell that holds the delimiter."
        broken = (about_rows(path.name, "", "more or fewer cells than the header", remedy, ragged + above),)
    return RawTable(path.name, "csv", header, columns, rows, broken, tuple(assumed))


def _delimiter(body: bytes, known: Iterable[str]) -> str:
    """Choose the delimiter that splits the first row into most known column names, or else into most cells."""
    names = {name.casefold() for name in known}
    scores = {}
    for delimiter in DELIMITERS:
        cells = _first_row(body, delimiter)
        scores[delimiter] = (sum(cell.casefold() in names for cell in cells), len(cells))
    return max(scores, key=lambda delimiter: scores[delimiter])


def _first_row(body: bytes, delimiter: str) -> tuple[str, ...]:
    first = body[:_HEADER_BYTES].decode("utf-8", errors="ignore")
    limit = csv.field_size_limit(_HEADER_BYTES)
    try:
        row = next(csv.reader(io.StringIO(first, newline=""), delimiter=delimiter), [])
    except csv.Error:
        row = []
    finally:
        csv.field_size_limit(limit)
    return tuple(cell.strip() for cell in row)


def _parse(body: bytes, delimiter: str) -> tuple[tuple[str, ...], list[Any], Any, Any]:
    """Return header, columns, row numbers and the numbers of rows whose cells do not fit the header."""
    header = _first_row(body, delimiter)
    refuse_too_many_columns(len(header))
    names = [str(position) for position in range(len(header))]
    text = pa_csv.ConvertOptions(
        strings_can_be_null=False, check_utf8=False, column_types=dict.fromkeys(names, pa.string())
    )
    try:
        table, ragged, blank = divided(body, names, delimiter, text, newlines_in_values=True)
    except pa.ArrowInvalid:
        raise UnreadableError(
            "the rows cannot be told apart", "Check its quotation marks and delimiters, or save it again as CSV."
        ) from None
    skipped = np.array(ragged + blank, dtype=np.int64)
    numbers = np.setdiff1d(np.arange(1, table.num_rows + len(skipped) + 1), skipped)
    return header, [column.slice(1) for column in table.columns], numbers[1:], np.array(ragged, dtype=np.int64)
