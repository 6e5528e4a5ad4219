"""CSV files: encoding and delimiter are detected and reported, and every row is read or reported."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from nbanalytics.readers.findings import (
    Finding,
    RawTable,
    Rows,
    UnreadableError,
    about_rows,
    divided,
    message,
    refuse_too_many_columns,
    without_empty_rows,
)

#: Codec and name of each byte order mark.
BOMS = {
    codecs.BOM_UTF8: ("utf-8-sig", "UTF-8"),
    codecs.BOM_UTF16_LE: ("utf-16", "UTF-16"),
    codecs.BOM_UTF16_BE: ("utf-16", "UTF-16"),
}
DELIMITERS = {";": "semicolon", "\t": "tab", "|": "bar", ",": "comma"}
#: Bytes that are invalid in text.
NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_EXCEL_SAYS = re.compile(rb'"?sep=([\t!#-/:-@\[-`{-~])"?[;,\t|]*(?:\r\n|\r|\n)', re.IGNORECASE)


def as_utf8(data: bytes) -> tuple[bytes, str]:
    """Return text as UTF-8 with plain line ends and composed letters, and the name of its encoding.

    Raises an UnreadableError if it is not text.
    """
    marked = next((found for bom, found in BOMS.items() if data.startswith(bom)), None)
    codec, name = marked if marked else ("utf-8", "UTF-8")
    try:
        text = data.decode(codec)
    except UnicodeError:
        if marked:
            raise not_text() from None
        try:
            text, name = data.decode("cp1252"), "Windows-1252"
        except UnicodeDecodeError:
            raise not_text() from None
    # Files from a Mac write å as a and a ring, which is another word to a computer.
    whole = unicodedata.normalize("NFC", text)
    data = data if name == "UTF-8" and not marked and whole == text else whole.encode()
    if NOT_TEXT.search(data):
        raise not_text()
    return plain_ends(data), f"{name} (marked)" if marked else name


def plain_ends(data: bytes) -> bytes:
    """Return text with one kind of line end."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def not_text() -> UnreadableError:
    """Return the error for a file that is not text."""
    return UnreadableError(
        "this is not a text file, or a damaged one (it has bytes that are invalid in text)",
        "Save it again as CSV, or as .xlsx or .parquet.",
    )


def said_delimiter(text: bytes) -> tuple[str, int]:
    r"""Return the delimiter of a first line ``sep=;``, as Excel writes it, and the bytes of that line.

    Examples
    --------
    >>> said_delimiter(b"sep=;\na;b\n"), said_delimiter(b"a;b\n")
    ((';', 6), ('', 0))
    """
    said = _EXCEL_SAYS.match(text)
    return (said.group(1).decode("latin-1"), said.end()) if said else ("", 0)


def refuse_open_quote(text: bytes, above: int) -> None:
    """Stop at a quotation mark that is never closed, since one cell would swallow every row after it.

    ``above`` is the number of lines above the text in the file.
    """
    if text.count(b'"') % 2 == 0:
        return
    for number, line in enumerate(text.split(b"\n"), start=above + 1):
        if line.count(b'"') % 2:
            raise UnreadableError(
                f"a quotation mark is opened and never closed, first perhaps in line {number:,}",
                'Close it, or write a quotation mark inside a cell as "".',
            )


_HEADER_BYTES = 4_000_000


def read_csv(path: Path, known: Iterable[str]) -> RawTable:
    """Read a CSV file as text; ``known`` are names of columns, by which the delimiter is detected.

    Raises
    ------
    UnreadableError
        If it is empty, not text, or a quotation mark is never closed.
    """
    text, encoding = as_utf8(path.read_bytes())
    # Row numbers are those of a spreadsheet, so empty lines before the header count.
    body = text.lstrip(b"\n \t")
    if not body:
        raise UnreadableError("the file is empty", "Export it again, with a header and one row for each record.")
    above = text[: len(text) - len(body)].count(b"\n")
    body = text[len(text) - len(text.lstrip(b"\n")) :]
    own, line = said_delimiter(body)
    body, above = body[line:], above + bool(own)
    delimiter = own or _delimiter(body, known)
    refuse_open_quote(body, above)
    header, cells, rows, ragged = _parse(body, delimiter)
    columns, rows, empty = without_empty_rows(cells, rows + above)
    assumed = [f"encoding {encoding}", f"delimiter {DELIMITERS.get(delimiter, delimiter)}"]
    if empty:
        assumed.append(f"{empty:,} empty rows were left out")
    broken: tuple[Finding, ...] = ()
    if len(ragged):
        said = message("rows.wrong_number_of_cells", cells=len(header))
        broken = (about_rows(said, path.name, ragged + above),)
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


def _parse(body: bytes, delimiter: str) -> tuple[tuple[str, ...], list[pa.ChunkedArray], Rows, Rows]:
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
            "the rows cannot be separated", "Check its quotation marks and delimiters, or save it again as CSV."
        ) from None
    skipped = np.array(ragged + blank, dtype=np.int64)
    numbers = np.setdiff1d(np.arange(1, table.num_rows + len(skipped) + 1), skipped)
    return header, [column.slice(1) for column in table.columns], numbers[1:], np.array(ragged, dtype=np.int64)
