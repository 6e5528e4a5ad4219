"""Parquet files and Excel workbooks as raw tables."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from python_calamine import CalamineWorkbook

from nbanalytics.readers.raw import RawTable, UnreadableError, refuse_too_many_columns, without_empty_rows

#: An .xlsx that unpacks to more than this is refused: no school's workbook does, a zip bomb does.
MOST_UNPACKED = 1_000_000_000


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
    return list(_open_workbook(path).sheet_names)


def read_sheet(path: Path, sheet: str | None = None) -> RawTable:
    """Read one sheet of a workbook (the first, unless it is named), every cell as text."""
    workbook = _open_workbook(path)
    name = sheet if sheet is not None else workbook.sheet_names[0]
    try:
        cells = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except Exception:
        raise UnreadableError("the sheet cannot be read", "Save the workbook again from Excel.") from None
    filled = next((number for number, row in enumerate(cells) if any(_text(cell) for cell in row)), None)
    label = path.name if sheet is None else f"{path.name}#{sheet}"
    if filled is None:
        raise UnreadableError("the sheet is empty", "Give it a header and one row for each record.")
    header = tuple((_text(cell) or "").strip() for cell in cells[filled])
    refuse_too_many_columns(len(header))
    body = cells[filled + 1 :]
    columns = [pa.array([_text(row[i]) for row in body], pa.string()) for i in range(len(header))]
    rows = np.arange(filled + 2, filled + 2 + len(body), dtype=np.int64)
    kept, rows, _ = without_empty_rows(columns, rows)
    assumed = () if len(workbook.sheet_names) == 1 or sheet is not None else ("the first sheet",)
    return RawTable(label, path.suffix.lower().lstrip("."), header, kept, rows, assumed=assumed)


def _open_workbook(path: Path) -> Any:
    damaged = UnreadableError("this is not an Excel workbook, or a damaged one", "Save it again as .xlsx.")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as parts:
                if sum(part.file_size for part in parts.infolist()) > MOST_UNPACKED:
                    raise UnreadableError("the workbook unpacks to more than 1 GB", "Save the table as CSV or Parquet.")
        workbook = CalamineWorkbook.from_path(str(path))
    except UnreadableError:
        raise
    except Exception:
        raise damaged from None
    except BaseException as panic:
        # The Rust reader panics at some damaged files, and such an exception is no Exception.
        if type(panic).__name__ == "PanicException":
            raise damaged from None
        raise
    if not workbook.sheet_names:
        raise damaged
    return workbook


def _text(cell: Any) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)
