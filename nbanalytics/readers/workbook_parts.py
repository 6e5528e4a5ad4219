"""What an .xlsx weighs before it is opened, and which of its cells are formatted as per cent.

A workbook is a zip of XML. What its directory says of its sizes can be a lie, so the parts are unpacked and measured,
a little at a time, before anything is built of them.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from nbanalytics.readers.raw import UnreadableError

#: An .xlsx that unpacks to more is refused, and so is a sheet with more cells, filled in or spanned.
MOST_UNPACKED = 500_000_000
MOST_CELLS = 5_000_000
MOST_SPANNED = 5_000_000
#: Text that a sheet repeats by pointing to one shared string grows without the file growing.
_MOST_TEXT = 2_000_000_000
_CHUNK = 1 << 20
_LONGEST_TAG = 4_096
_SMALL_PART = 20_000_000
_TAG = re.compile(rb"<(?:\w+:)?(c|row)\b([^<>]*)>")
_PLACE = re.compile(rb'(?:^|\s)r="([A-Z]{0,4})(\d{1,9})"')
_UNVALUED = re.compile(rb"</(?:\w+:)?f>\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>|</(?:\w+:)?c>)")
_STYLE = re.compile(rb'(?:^|\s)s="(\d+)"')
#: Excel's own per cent formats, 0% and 0.00%.
PERCENT_FORMATS = {9, 10}


@dataclass
class SheetShape:
    """How far a sheet reaches and what its cells are.

    Attributes
    ----------
    rows, columns : int
        Its last row and column.
    cells, texts, unvalued : int
        How many cells it has, how many of them point to a shared text, and formulas without a stored value.
    percent : set of (int, int)
        Row and column, from 0, of the cells shown as per cent.
    """

    rows: int = 0
    columns: int = 0
    cells: int = 0
    texts: int = 0
    unvalued: int = 0
    percent: set[tuple[int, int]] = field(default_factory=set)


def sheet_shapes(path: Path) -> dict[int, SheetShape]:
    """Measure an .xlsx and return the shape of each sheet by its number from 0.

    Raises
    ------
    UnreadableError
        If it is no .xlsx, is damaged, or unpacks to more than any school's workbook does.
    """
    try:
        with zipfile.ZipFile(path) as parts:
            names = set(parts.namelist())
            if "xl/workbook.xml" not in names:
                raise UnreadableError("this is not an Excel workbook", "Save it again as .xlsx.")
            _refuse_large(parts)
            styles = _percent_styles(_small(parts, "xl/styles.xml")) if "xl/styles.xml" in names else set()
            longest = _longest_string(parts) if "xl/sharedStrings.xml" in names else 0
            shapes = {name: _shape(parts, part, styles) for name, part in _sheets(parts, names).items()}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, PermissionError):
            raise UnreadableError("the file may not be read", "Ask for the right to read it.") from None
        raise UnreadableError("this is not an Excel workbook, or a damaged one", "Save it again as .xlsx.") from None
    if longest * sum(shape.texts for shape in shapes.values()) > _MOST_TEXT:
        raise UnreadableError("the workbook repeats a long text very often", "Take it out, or save the table as CSV.")
    return shapes


def _refuse_large(parts: zipfile.ZipFile) -> None:
    unpacked = 0
    for part in parts.infolist():
        for chunk in _chunks(parts, part):
            unpacked += len(chunk)
            if unpacked > MOST_UNPACKED:
                raise UnreadableError(
                    f"the workbook unpacks to more than {MOST_UNPACKED // 1_000_000:,} MB",
                    "Take out what is not the table, or save the table as CSV.",
                )


def _chunks(parts: zipfile.ZipFile, part: zipfile.ZipInfo | str) -> Iterator[bytes]:
    with parts.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _small(parts: zipfile.ZipFile, name: str) -> bytes:
    with parts.open(name) as stream:
        return stream.read(_SMALL_PART)


def _percent_styles(styles: bytes) -> set[int]:
    """Return the numbers of the cell styles whose number format is per cent."""
    own = {
        int(number)
        for tag in re.findall(rb"<(?:\w+:)?numFmt\s[^<>]*>", styles)
        if b"%" in tag
        for number in re.findall(rb'numFmtId="(\d+)"', tag)
    }
    block = re.search(rb"<(?:\w+:)?cellXfs\b.*?</(?:\w+:)?cellXfs>", styles, re.DOTALL)
    formats = re.findall(rb"<(?:\w+:)?xf\s([^<>]*)>", block.group()) if block else []
    numbers = [re.search(rb'numFmtId="(\d+)"', tag) for tag in formats]
    return {i for i, number in enumerate(numbers) if number and int(number.group(1)) in PERCENT_FORMATS | own}


def _sheets(parts: zipfile.ZipFile, names: set[str]) -> dict[int, str]:
    """Return the part that holds each sheet, by the sheet's number from 0."""
    targets = {}
    if "xl/_rels/workbook.xml.rels" in names:
        for tag in re.findall(rb"<(?:\w+:)?Relationship\s[^<>]*>", _small(parts, "xl/_rels/workbook.xml.rels")):
            link, place = re.search(rb'\sId="([^"]*)"', tag), re.search(rb'\sTarget="([^"]*)"', tag)
            if link and place:
                targets[link.group(1)] = place.group(1).decode("utf-8", "replace")
    sheets: dict[int, str] = {}
    for number, tag in enumerate(re.findall(rb"<(?:\w+:)?sheet\s[^<>]*>", _small(parts, "xl/workbook.xml"))):
        identity = re.search(rb'\s\w+:id="([^"]*)"', tag)
        target = targets.get(identity.group(1), "") if identity else ""
        part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if part in names:
            sheets[number] = part
    return sheets


def _shape(parts: zipfile.ZipFile, part: str, percent_styles: set[int]) -> SheetShape:
    """Walk through the tags of a sheet; what stands in its cells is not looked at."""
    shape = SheetShape()
    row, column, rest = 0, 0, b""
    for chunk in _chunks(parts, part):
        text = rest + chunk
        end = text.rfind(b">") + 1
        for kind, attributes in _TAG.findall(text[:end]):
            place = _PLACE.search(attributes)
            if kind == b"row":
                row, column = int(place.group(2)) if place else row + 1, 0
                continue
            shape.cells += 1
            shape.texts += b't="s"' in attributes
            row, column = (int(place.group(2)), _column_number(place.group(1))) if place else (row, column + 1)
            if not attributes.endswith(b"/"):
                shape.rows, shape.columns = max(shape.rows, row), max(shape.columns, column)
            style = _STYLE.search(attributes)
            if style and int(style.group(1)) in percent_styles:
                shape.percent.add((row - 1, column - 1))
        shape.unvalued += len(_UNVALUED.findall(text[:end]))
        if shape.cells > MOST_CELLS or shape.rows * shape.columns > MOST_SPANNED:
            raise UnreadableError(
                f"a sheet spans {shape.rows:,} rows and {shape.columns:,} columns", "Clear what is outside the table."
            )
        rest = text[end:][-_LONGEST_TAG:]
    return shape


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _longest_string(parts: zipfile.ZipFile) -> int:
    """Return about how long the longest shared string is, in bytes."""
    longest = since = 0
    for chunk in _chunks(parts, "xl/sharedStrings.xml"):
        places = [match.start() for match in re.finditer(rb"<(?:\w+:)?si[\s>]", chunk)]
        if not places:
            since += len(chunk)
            longest = max(longest, since)
            continue
        gaps = [b - a for a, b in pairwise(places)]
        longest = max(longest, since + places[0], *gaps, 0)
        since = len(chunk) - places[-1]
    return max(longest, since)
