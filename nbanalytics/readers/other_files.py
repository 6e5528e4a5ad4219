"""Parquet files and Excel workbooks as raw tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nbanalytics.readers.raw import RawTable, UnreadableError, cell_text, refuse_too_many_columns, without_empty_rows
from nbanalytics.readers.workbook import UNVALUED, opened


def read_parquet(path: Path) -> RawTable:
    """Read a Parquet file; its rows are numbered as if a header stood above them in row 1."""
    try:
        file = pq.ParquetFile(path)
        refuse_too_many_columns(len(file.schema_arrow.names))
        table = file.read()
        columns = [_plain(column) for column in table.columns]
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise
        raise UnreadableError("this is not a Parquet file, or a damaged one", "Write or copy it again.") from None
    header = tuple(str(name).strip() for name in table.column_names)
    rows = np.arange(2, table.num_rows + 2, dtype=np.int64)
    kept, rows, _ = without_empty_rows(columns, rows)
    return RawTable(path.name, "parquet", header, kept, rows)


def _plain(column: Any) -> Any:
    """Bring text of any Arrow kind to plain strings, and refuse cells that are no single value."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_nested(kind):
        raise UnreadableError("a column holds lists or structures", "Give every column one value for each row.")
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    return column


def sheet_names(path: Path) -> list[str]:
    """Return the names of a workbook's sheets."""
    with opened(path) as (workbook, _):
        names = list(workbook.sheet_names)
    if not names:
        raise UnreadableError("the workbook has no sheet", "Save it again as .xlsx.")
    return names


def read_sheet(path: Path, sheet: str | None = None) -> RawTable:
    """Read one sheet of a workbook (the first, unless it is named), every cell as text."""
    with opened(path) as (workbook, shapes):
        names = list(workbook.sheet_names)
        number = 0 if sheet is None else names.index(sheet)
        refuse_too_many_columns(shapes[number].columns)
        cells = workbook.get_sheet_by_index(number).to_python(skip_empty_area=False)
    shares = _as_percent(cells, shapes[number].percent)
    filled = next((number for number, row in enumerate(cells) if any(cell_text(cell) for cell in row)), None)
    label = path.name if sheet is None else f"{path.name}#{sheet}"
    if filled is None:
        raise UnreadableError("the sheet is empty", "Give it a header and one row for each record.")
    header = tuple((cell_text(cell) or "").strip() for cell in cells[filled])
    body = cells[filled + 1 :]
    columns = [pa.array([cell_text(row[i]) for row in body], pa.string()) for i in range(len(header))]
    rows = np.arange(filled + 2, filled + 2 + len(body), dtype=np.int64)
    kept, rows, _ = without_empty_rows(columns, rows)
    assumed = [] if len(names) == 1 or sheet is not None else ["the first sheet"]
    if shares:
        assumed.append(f"{shares:,} cells that Excel shows as per cent: 0.125 is read as 12.5")
    if shapes[number].unvalued:
        assumed.append(f"{shapes[number].unvalued:,} {UNVALUED}")
    return RawTable(label, path.suffix.lower().lstrip("."), header, kept, rows, assumed=tuple(assumed))


def _as_percent(cells: list[list[Any]], places: set[tuple[int, int]]) -> int:
    """Write shares as the person sees them; returns how many there are."""
    shares = [
        (row, column)
        for row, column in places
        if row < len(cells) and column < len(cells[row]) and isinstance(cells[row][column], float)
    ]
    for row, column in shares:
        # Rounding takes away what multiplying adds.
        cells[row][column] = round(cells[row][column] * 100, 9)
    return len(shares)
