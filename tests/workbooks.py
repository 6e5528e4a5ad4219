"""Workbooks as bytes, written cell by cell: .xlsx by openpyxl, and .xls record by record."""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Sequence
from datetime import date

import openpyxl

Rows = Sequence[Sequence[object]]
#: First row, last row, first column and last column, from 0.
Merges = Sequence[tuple[int, int, int, int]]
Places = Collection[tuple[int, int]]


def xlsx(rows: Rows, merges: Merges = (), percent: Places = ()) -> bytes:
    """Write an .xlsx; ``percent`` are the cells (row and column, from 0) that are shown as per cent."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in rows:
        sheet.append(list(row))
    for top, bottom, left, right in merges:
        sheet.merge_cells(start_row=top + 1, end_row=bottom + 1, start_column=left + 1, end_column=right + 1)
    for row, column in percent:
        sheet.cell(row + 1, column + 1).number_format = "0.0%"
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def xls(rows: Rows, merges: Merges = (), percent: Places = ()) -> bytes:
    """Write an Excel 97 workbook: the records of [MS-XLS] for text, numbers and dates; at most some 60 KB of them."""
    end, first_record = _record(0x000A, b""), _beginning(5)
    formats = _record(0x041E, struct.pack("<HHB", 164, 4, 0) + b"0.0%")
    # Three styles: as it is, per cent, and Excel's own format of dates.
    formats += b"".join(_record(0x00E0, struct.pack("<HH16x", 0, form)) for form in (0, 164, 14))
    cells = b"".join(
        _cell(row, column, value, (row, column) in percent)
        for row, line in enumerate(rows)
        for column, value in enumerate(line)
        if value is not None
    )
    merged = struct.pack("<H", len(merges)) + b"".join(struct.pack("<HHHH", *merge) for merge in merges)
    place = len(first_record) + len(formats) + 16 + len(end)
    name = _record(0x0085, struct.pack("<IBBBB", place, 0, 0, 4, 0) + b"List")
    sheet = _beginning(0x10) + cells + _record(0x00E5, merged) + end
    return _compound_file(first_record + formats + name + end + sheet)


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _beginning(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0, 0, 0, 0))


def _cell(row: int, column: int, value: object, percent: bool) -> bytes:
    place = struct.pack("<HHH", row, column, 2 if isinstance(value, date) else int(percent))
    if isinstance(value, str):
        return _record(0x0204, place + struct.pack("<HB", len(value), 1) + value.encode("utf-16-le"))
    number = (value - date(1899, 12, 30)).days if isinstance(value, date) else value
    return _record(0x0203, place + struct.pack("<d", number))


def _compound_file(stream: bytes) -> bytes:
    """Put the stream of a workbook into a compound file of [MS-CFB] with one sector of addresses."""
    stream = stream.ljust(4096, b"\0")
    stream += b"\0" * (-len(stream) % 512)
    sectors, last, free = len(stream) // 512, 0xFFFFFFFE, 0xFFFFFFFF
    chain = [0xFFFFFFFD, last, *range(3, sectors + 2), last]
    table = struct.pack("<128I", *chain, *[free] * (128 - len(chain)))

    def entry(name: str, kind: int, child: int, first: int, size: int) -> bytes:
        title = (name + "\0").encode("utf-16-le") if name else b""
        links = struct.pack("<HBBIII", len(title), kind, 1, free, free, child)
        return title.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", first, size)

    folder = (
        entry("Root Entry", 5, 1, last, 0) + entry("Workbook", 2, free, 2, len(stream)) + entry("", 0, free, 0, 0) * 2
    )
    head = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4096, last, 0, last, 0) + struct.pack("<109I", 0, *[free] * 108)
    return head + table + folder + stream
