"""How far the sheets of an old Excel file reach, before anything is built of them.

A cell's place is two numbers of 16 bits that nothing in the file vouches for, and a reader that makes room for all
cells in between can be made to ask for more memory than there is. Formats: [MS-CFB] and [MS-XLS].
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from nbanalytics.readers.raw import UnreadableError
from nbanalytics.readers.workbook_parts import MOST_CELLS, MOST_SPANNED

_END, _EOF, _SHEET, _DIMENSIONS = 0xFFFFFFFA, 0x000A, 0x0085, 0x0200
#: Records of cells, which begin with row and column; those of several cells have 6 bytes for each.
_CELLS = {0x0006, 0x00BD, 0x00BE, 0x00D6, 0x00FD, 0x0201, 0x0203, 0x0204, 0x0205, 0x0207, 0x027E}
_SEVERAL = 0x00BD


def refuse_far_cells(path: Path) -> None:
    """Stop at an .xls whose sheets reach further than any list.

    Raises
    ------
    UnreadableError
        If one does, or the file is damaged.
    """
    try:
        stream = _workbook_stream(path.read_bytes())
        starts = [
            struct.unpack_from("<I", content)[0]
            for kind, content in _records(stream, 0)
            if kind == _SHEET and len(content) >= 4
        ]
        reach = [_reach(stream, start) for start in dict.fromkeys(starts)]
    except (struct.error, IndexError):
        raise UnreadableError("this is not an Excel workbook, or a damaged one", "Save it again as .xlsx.") from None
    if any(rows * columns > MOST_SPANNED for rows, columns in reach) or len(starts) > 1_000:
        raise UnreadableError("a sheet spans more rows and columns than Excel has", "Save it again as .xlsx.")


def _reach(stream: bytes, start: int) -> tuple[int, int]:
    """Return the last row and column of a sheet, by its cells and by what it says of itself."""
    rows = columns = 0
    for kind, content in _records(stream, start):
        if kind == _DIMENSIONS and len(content) >= 10:
            form = "<IIHH" if len(content) >= 12 else "<HHHH"
            _, last_row, _, last_column = struct.unpack_from(form, content)
            rows, columns = max(rows, last_row), max(columns, last_column)
        elif kind in _CELLS and len(content) >= 4:
            row, column = struct.unpack_from("<HH", content)
            more = len(content) // 6 if kind == _SEVERAL else 0
            rows, columns = max(rows, row + 1), max(columns, column + 1 + more)
    return rows, columns


def _records(stream: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Walk from a record to the end of its sheet."""
    for _ in range(2 * MOST_CELLS):
        if start + 4 > len(stream):
            return
        kind, length = struct.unpack_from("<HH", stream, start)
        if kind == _EOF:
            return
        yield kind, stream[start + 4 : start + 4 + length]
        start += 4 + length
    raise UnreadableError("a sheet has more records than any list", "Save it again as .xlsx.")


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
