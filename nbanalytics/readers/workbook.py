"""An Excel workbook, measured before it is opened and guarded while it is read."""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from python_calamine import CalamineWorkbook

from nbanalytics.readers.findings import UnreadableError

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
_STYLE_PART = re.compile(rb'(?:^|\s)s="(\d+)"')
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
            shapes = {name: _shape_of_part(parts, part, styles) for name, part in _sheets(parts, names).items()}
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


def _shape_of_part(parts: zipfile.ZipFile, part: str, percent_styles: set[int]) -> SheetShape:
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
            style = _STYLE_PART.search(attributes)
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


_END, _EOF, _SHEET, _DIMENSIONS = 0xFFFFFFFA, 0x000A, 0x0085, 0x0200
_FORMULA, _FORMAT, _STYLE, _SEVERAL, _SEVERAL_BLANK = 0x0006, 0x041E, 0x00E0, 0x00BD, 0x00BE
#: Records of cells, which begin with row, column and style.
_CELLS = {_FORMULA, _SEVERAL, _SEVERAL_BLANK, 0x00D6, 0x00FD, 0x0201, 0x0203, 0x0204, 0x0205, 0x027E}
_MOST_SHEETS = 1_000


def old_sheet_shapes(path: Path) -> dict[int, SheetShape]:
    """Measure an .xls and return the shape of each sheet by its number from 0.

    Raises
    ------
    UnreadableError
        If a sheet reaches further than any list, or the file is damaged.
    """
    try:
        stream = _workbook_stream(path.read_bytes())
        room = [2 * MOST_CELLS]
        starts, percent = _workbook(stream, room)
        if len(starts) > _MOST_SHEETS:
            raise UnreadableError("the workbook has more sheets than any list", "Save it again as .xlsx.")
        shapes = {start: _shape(stream, start, percent, room) for start in dict.fromkeys(starts)}
    except (struct.error, IndexError):
        raise UnreadableError("this is not an Excel workbook, or a damaged one", "Save it again as .xlsx.") from None
    return {number: shapes[start] for number, start in enumerate(starts)}


def _workbook(stream: bytes, room: list[int]) -> tuple[list[int], set[int]]:
    """Return where the sheets begin, and the numbers of the cell styles whose number format is per cent."""
    starts: list[int] = []
    styles: list[int] = []
    formats = set(PERCENT_FORMATS)
    for kind, content in _records(stream, 0, room):
        if kind == _SHEET:
            starts.append(struct.unpack_from("<I", content)[0])
        elif kind == _STYLE:
            styles.append(struct.unpack_from("<H", content, 2)[0])
        elif kind == _FORMAT and b"%" in content[4:]:
            formats.add(struct.unpack_from("<H", content)[0])
    return starts, {number for number, form in enumerate(styles) if form in formats}


def _shape(stream: bytes, start: int, percent: set[int], room: list[int]) -> SheetShape:
    """Walk through the records of a sheet; what stands in its cells is not looked at."""
    shape = SheetShape()
    for kind, content in _records(stream, start, room):
        if kind == _DIMENSIONS and len(content) >= 10:
            _, last_row, _, last_column = struct.unpack_from("<IIHH" if len(content) >= 12 else "<HHHH", content)
            _reach(shape, last_row, last_column)
        elif kind in _CELLS and len(content) >= 6:
            row, column = struct.unpack_from("<HH", content)
            styles = _styles(kind, content)
            _reach(shape, row + 1, column + len(styles))
            shape.cells += len(styles)
            shape.percent |= {(row, column + place) for place, style in enumerate(styles) if style in percent}
            # A formula's value is a number unless it ends so; 3 is none.
            shape.unvalued += kind == _FORMULA and content[12:14] == b"\xff\xff" and content[6] == 3
    return shape


def _styles(kind: int, content: bytes) -> list[int]:
    """Return the style of each cell that a record holds."""
    if kind == _SEVERAL:
        return [style for style, _ in struct.iter_unpack("<HI", content[4 : 4 + (len(content) - 6) // 6 * 6])]
    if kind == _SEVERAL_BLANK:
        return [style for (style,) in struct.iter_unpack("<H", content[4 : len(content) // 2 * 2 - 2])]
    return [struct.unpack_from("<H", content, 4)[0]]


def _reach(shape: SheetShape, rows: int, columns: int) -> None:
    shape.rows, shape.columns = max(shape.rows, rows), max(shape.columns, columns)
    if shape.rows * shape.columns > MOST_SPANNED:
        raise UnreadableError("a sheet spans more rows and columns than any list", "Save it again as .xlsx.")


def _records(stream: bytes, start: int, room: list[int]) -> Iterator[tuple[int, bytes]]:
    """Walk from a record to the end of its sheet; ``room`` is how many more records the workbook may have."""
    while start + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, start)
        if kind == _EOF:
            return
        room[0] -= 1
        if room[0] < 0:
            raise UnreadableError("the workbook has more records than any list", "Save it again as .xlsx.")
        yield kind, stream[start + 4 : start + 4 + length]
        start += 4 + length


# ------------------------------------------------------------------ the compound file


def _workbook_stream(data: bytes) -> bytes:
    """Return the stream of the workbook: its sectors put together."""
    size, small = 1 << min(data[30], 16), 1 << min(data[32], 16)
    folder, cutoff, first_small = (struct.unpack_from("<I", data, at)[0] for at in (48, 56, 60))
    first_list = struct.unpack_from("<I", data, 68)[0]
    places = list(struct.unpack_from("<109I", data, 76))
    for sector in _chain_of_lists(data, first_list, size):
        places += sector
    table = [number for place in places if place < _END for number in _numbers(_sector(data, place, size))]
    entries = _chain(data, folder, table, size)
    root = entries[:128]
    for at in range(0, len(entries) - 127, 128):
        entry = entries[at : at + 128]
        name = entry[: max(struct.unpack_from("<H", entry, 64)[0], 2) - 2].decode("utf-16-le", "replace").casefold()
        first, length = struct.unpack_from("<II", entry, 116)
        if name in ("workbook", "book") and entry[66] == 2:
            if length >= cutoff:
                return _chain(data, first, table, size)[:length]
            inner = _chain(data, struct.unpack_from("<I", root, 116)[0], table, size)
            numbers = _numbers(_chain(data, first_small, table, size))
            return _chain(inner, first, numbers, small, header=0)[:length]
    raise IndexError


def _chain_of_lists(data: bytes, first: int, size: int) -> Iterator[list[int]]:
    for _ in range(len(data) // size + 1):
        if first >= _END:
            return
        numbers = _numbers(_sector(data, first, size))
        yield numbers[:-1]
        first = numbers[-1]


def _chain(data: bytes, first: int, table: list[int], size: int, header: int = 1) -> bytes:
    parts = []
    # No chain is longer than the file: one that goes in a circle ends here.
    for _ in range(len(data) // size + 1):
        if first >= _END:
            break
        parts.append(_sector(data, first, size, header))
        first = table[first]
    return b"".join(parts)


def _sector(data: bytes, number: int, size: int, header: int = 1) -> bytes:
    return data[(number + header) * size : (number + header + 1) * size]


def _numbers(content: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(content) // 4}I", content[: len(content) // 4 * 4]))


#: With these bytes a compound file begins, as .xls is one.
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

#: What a report says of formulas that were never computed.
UNVALUED = "formulas have no stored value and count as empty: open the workbook in Excel and save it"


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, dict[int, SheetShape]]]:
    """Open an .xlsx or .xls, whatever its name, and lend it with the shape of each sheet by its number from 0.

    Raises
    ------
    UnreadableError
        If it is no workbook, reaches too far, or turns out to be damaged while it is read in the ``with`` block.
    """
    about = path.stat()
    shapes = _measured(path, about.st_size, about.st_mtime_ns)
    damaged = UnreadableError("this is not an Excel workbook, or a damaged one", "Save it again as .xlsx.")
    try:
        with path.open("rb") as stream, _silence():
            yield CalamineWorkbook.from_filelike(stream), shapes
    except UnreadableError:
        raise
    except Exception:
        raise damaged from None
    except BaseException as panic:
        # The Rust reader panics at some damaged files, and such an exception is no Exception.
        if type(panic).__name__ == "PanicException":
            raise damaged from None
        raise


def is_old(path: Path) -> bool:
    """Whether a file begins as an .xls does."""
    with path.open("rb") as stream:
        return stream.read(len(_OLD)) == _OLD


@lru_cache(maxsize=8)
def _measured(path: Path, size: int, changed: int) -> dict[int, SheetShape]:
    """Measure a workbook once, though each of its sheets is read by itself; size and time tell a changed file."""
    del size, changed
    return old_sheet_shapes(path) if is_old(path) else sheet_shapes(path)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the Rust reader from writing a stack, which may hold cells, to the terminal before it panics."""
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:
        yield
        return
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
