"""How far the sheets of an old Excel file reach and what their cells are, before anything is built of them.

A cell's place is two numbers of 16 bits that nothing in the file vouches for, and a reader that makes room for all
cells in between can be made to ask for more memory than there is. Formats: [MS-CFB] and [MS-XLS].
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from nbanalytics.readers.raw import UnreadableError
from nbanalytics.readers.workbook_parts import MOST_CELLS, MOST_SPANNED, PERCENT_FORMATS, SheetShape

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
