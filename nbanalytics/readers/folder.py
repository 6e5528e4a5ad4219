"""Find the table in each file of a folder or sheet of a workbook."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nbanalytics.declaration import DECLARATION_FILE, Declaration, read_declaration
from nbanalytics.errors import DataError, NbanalyticsError
from nbanalytics.files import remove_leftovers, spill_folder
from nbanalytics.readers.csv_file import read_csv
from nbanalytics.readers.findings import (
    Finding,
    RawTable,
    UnreadableError,
    fatal,
    refuse_too_many_columns,
    remark,
    suggestion,
    without_empty_rows,
)
from nbanalytics.readers.words import subject_words
from nbanalytics.readers.workbook import UNVALUED, read_sheets, sheet_names
from nbanalytics.schema import TABLES

#: Rows that a byte of a Parquet file may stand for; in a register of grades a byte stands for fewer than ten.
MOST_ROWS_PER_BYTE = 100
#: What a Parquet file may hold: cells and bytes in memory, and bytes in a row where it is scanned.
MOST_CELLS = 500_000_000
MOST_BYTES = 4_000_000_000
MOST_BYTES_PER_ROW = 1_000
#: What counting these bytes may take.
MEMORY_TO_COUNT = "1GB"
_WRITE_AGAIN = "Write it again, without what is not the table."
_DAMAGED = ("this is not a Parquet file, or a damaged one", "Write or copy it again.")


@contextmanager
def parquet_file(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file by its path alone: pyarrow interprets some names as addresses.

    Raises
    ------
    UnreadableError
        If it says that it has more rows than a file of its size can hold.
    """
    with path.open("rb") as stream:
        file = pq.ParquetFile(stream)
        rows, size = file.metadata.num_rows, path.stat().st_size
        if not 0 <= rows <= size * MOST_ROWS_PER_BYTE:
            raise UnreadableError(f"a file of {size:,} bytes says that it has {rows:,} rows", _WRITE_AGAIN)
        yield file


def refuse_bomb(path: Path, file: pq.ParquetFile, in_memory: bool) -> None:
    """Refuse a Parquet file whose cells take more bytes than any table's, or that DuckDB cannot read.

    Few bytes can stand for very many, and what a file says of its sizes need not be true. So DuckDB counts: it keeps a
    text that is repeated only once, and stops where it would need more memory than it may take.
    """
    rows, columns = file.metadata.num_rows, len(file.schema_arrow.names)
    if in_memory and rows * columns > MOST_CELLS:
        raise UnreadableError(f"{rows:,} rows of {columns:,} columns do not fit in memory", "Use scan_records.")
    asked = "SELECT sum(strlen(COLUMNS(*)::VARCHAR)) FROM read_parquet(?, hive_partitioning = false)"
    # Without a folder for what memory does not take: DuckDB's own would be an open one in the working directory.
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_TO_COUNT,
        "threads": 2,
        "temp_directory": "",
    }
    try:
        with duckdb.connect(config=settings) as connection:
            sums = connection.execute(asked, [plain_name(path)]).fetchall() if columns else []
    except duckdb.OutOfMemoryException:
        raise UnreadableError("a part of the file needs more memory than any table", _WRITE_AGAIN) from None
    except duckdb.Error:
        raise UnreadableError(*_DAMAGED) from None
    size = sum(int(total or 0) for total in chain(*sums))
    if size > (MOST_BYTES if in_memory else max(MOST_BYTES, rows * MOST_BYTES_PER_ROW)):
        raise UnreadableError(f"the cells of the file take {size:,} bytes, more than those of any table", _WRITE_AGAIN)


#: Characters that DuckDB may take for a pattern, and what cannot be written as UTF-8.
_PATTERN = re.compile(r"[*?\[\]{}\\\x00-\x1f\ud800-\udfff]")


def plain_name(path: Path) -> str:
    """Return a name of a file that DuckDB takes for no pattern: its own, or that of a link to it.

    DuckDB has no way to write a pattern's characters that holds on all systems: it takes ``[*]`` for ``*``, but not
    where another folder has a backslash in its name.
    """
    own = Path(os.path.abspath(path))
    if not _PATTERN.search(own.as_posix()):
        return own.as_posix()
    link = spill_folder() / f"{uuid4().hex}.parquet"
    try:
        link.symlink_to(own)
    except OSError:
        raise DataError(
            f"{path.name} cannot be opened there", "Rename the folder: without * ? [ ] in its name."
        ) from None
    return link.as_posix()


def read_parquet(path: Path) -> RawTable:
    """Read a Parquet file; rows are numbered as if a header were in row 1."""
    try:
        with parquet_file(path) as file:
            refuse_too_many_columns(len(file.schema_arrow.names))
            for field in file.schema_arrow:
                _refuse_nested(field.type)
            refuse_bomb(path, file, in_memory=True)
            table = file.read()
        columns = [plain_column(column) for column in table.columns]
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, PermissionError):
            raise
        raise UnreadableError(*_DAMAGED) from None
    header = tuple(str(name).strip() for name in table.column_names)
    rows = np.arange(2, table.num_rows + 2, dtype=np.int64)
    kept, rows, _ = without_empty_rows(columns, rows)
    return RawTable(path.name, "parquet", header, kept, rows)


def _refuse_nested(kind: pa.DataType) -> None:
    if pa.types.is_nested(kind):
        raise UnreadableError("a column contains lists or structures", "Give every column one value for each row.")


def plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert text of any Arrow type to plain strings, and refuse cells that are not a single value."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain_column(column.cast(kind.value_type))
    _refuse_nested(kind)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    return column


def read_sheet(path: Path, sheet: str | None = None) -> RawTable:
    """Read one sheet of a workbook (the first, unless it is named), every cell as text."""
    names = sheet_names(path)
    if not names:
        raise UnreadableError("the workbook has no sheet", "Save it again as .xlsx.")
    (found,) = read_sheets(path, names[0] if sheet is None else sheet)
    cells = found.rows
    refuse_too_many_columns(max(map(len, cells), default=0))
    for row, column, share in found.percent:
        # Shares are written as Excel shows them; rounding removes the error of multiplication.
        cells[row][column] = f"{round(share * 100, 9):.15g}"
    filled = next((number for number, row in enumerate(cells) if any(row)), None)
    label = path.name if sheet is None else f"{path.name}#{sheet}"
    if filled is None:
        raise UnreadableError("the sheet is empty", "Give it a header and one row for each record.")
    header = tuple(cell.strip() for cell in cells[filled])
    body = cells[filled + 1 :]
    columns = [pa.array([row[i] or None for row in body], pa.string()) for i in range(len(header))]
    rows = np.arange(filled + 2, filled + 2 + len(body), dtype=np.int64)
    kept, rows, _ = without_empty_rows(columns, rows)
    assumed = [] if len(names) == 1 or sheet is not None else ["the first sheet"]
    if found.percent:
        assumed.append(f"{len(found.percent):,} cells that Excel shows as per cent: 0.125 is read as 12.5")
    if found.unvalued:
        assumed.append(f"{found.unvalued:,} {UNVALUED}")
    return RawTable(label, path.suffix.lower().lstrip("."), header, kept, rows, assumed=tuple(assumed))


EXCEL = (".xlsx", ".xlsm", ".xls")
SUFFIXES = (".csv", ".txt", ".parquet", *EXCEL)
#: Stem of a workbook with all tables, one sheet each.
WORKBOOK = "records"
#: This file marks a release, which users sometimes name instead of records.
_MANIFEST = "manifest.json"
#: What a checked folder contains besides its tables.
RECEIPT_FILE = ".checked.json"


@dataclass(frozen=True)
class Source:
    """Where a table is: a file, or a sheet of a workbook with several tables."""

    table: str
    path: Path
    sheet: str | None = None

    @property
    def label(self) -> str:
        """Its name in reports."""
        return self.path.name if self.sheet is None else f"{self.path.name}#{self.sheet}"

    @property
    def format(self) -> str:
        """The suffix of the file's name."""
        return self.path.suffix.lower().lstrip(".")

    def read(self, declaration: Declaration) -> RawTable:
        """Read its cells; raises only UnreadableError."""
        known = [column.name for column in TABLES[self.table].columns]
        try:
            if self.path.suffix.lower() == ".parquet":
                return read_parquet(self.path)
            if self.path.suffix.lower() in EXCEL:
                names = sheet_names(self.path)
                own = next((name for name in names if name.strip().lower() == self.table), None)
                return read_sheet(self.path, self.sheet or (own if len(names) > 1 else None))
            return read_csv(self.path, [*known, *subject_words(declaration)])
        except OSError as error:
            raise UnreadableError(
                f"the file cannot be opened ({error.strerror})", "Check that it exists and that you may read it."
            ) from None


@dataclass(frozen=True)
class Folder:
    """The tables of a records folder and its declaration, before reading."""

    path: Path
    sources: dict[str, Source]
    declaration: Declaration
    findings: tuple[Finding, ...] = ()


def open_folder(path: str | Path) -> Folder:
    """Find the tables of a records folder or workbook.

    A folder has one file for each table (``students.csv``, ``grades.parquet``, ...) or one workbook ``records.xlsx``
    that has a sheet for each; the workbook itself may be named, too. Files that are not tables, duplicate tables and
    missing tables are findings.

    Raises
    ------
    DataError
        If there is nothing of that name, or a file that is not a workbook.
    """
    root = Path(path)
    left = remove_leftovers(root)
    try:
        files = _files(root)
    except OSError as error:
        raise DataError(f"{root} cannot be opened ({error.strerror})", "Check that you may read it.") from None
    findings = [remark("files.left_over", str(path)) for path in left]
    folder = root if root.is_dir() else root.parent
    sources: dict[str, Source] = {}
    for source in _sources(files, findings):
        if source.table in sources:
            other = sources[source.table].label
            findings.append(fatal("tables.repeated", source.label, table=source.table, other=other))
        else:
            sources[source.table] = source
    if not sources and any(path.name == _MANIFEST for path in files):
        raise DataError(
            f"{root} is a release, which has no students", "Name the folder of records that it was made from."
        )
    wanting = [table.name for table in TABLES.values() if table.required and table.name not in sources]
    if not files:
        listed = " and ".join(f"{name}.csv" for name in wanting)
        raise DataError(f"The folder {root} is empty", f"Put at least {listed} there (or .parquet, .xlsx).")
    for name in wanting:
        needed = ", ".join(column.name for column in TABLES[name].columns if column.required)
        findings.append(fatal("tables.missing", "", table=name, needed=needed))
    return Folder(root, sources, _declaration(folder, findings), tuple(findings))


def _files(root: Path) -> list[Path]:
    if root.is_dir():
        return sorted(entry for entry in root.iterdir() if entry.is_file() and not entry.name.startswith((".", "~$")))
    if not root.exists():
        raise DataError(f"There is no folder {root}", "Check the path; the folder must have students and grades.")
    if root.suffix.lower() not in EXCEL:
        raise DataError(
            f"{root} is a file", "Name the folder with students and grades, or a workbook with a sheet for each."
        )
    return [root]


def _sources(files: list[Path], findings: list[Finding]) -> list[Source]:
    sources = []
    for path in files:
        stem, suffix = path.stem.strip().lower(), path.suffix.lower()
        if suffix in EXCEL and (stem == WORKBOOK or (len(files) == 1 and stem not in TABLES)):
            sources += _sheets(path, findings)
        elif suffix in SUFFIXES and stem in TABLES:
            sources.append(Source(stem, path))
        elif suffix in SUFFIXES and suffix != ".txt":
            near = suggestion(stem, TABLES)
            meant = f"Did you mean {near}{suffix}? Rename it." if near else f"The tables are {', '.join(TABLES)}."
            findings.append(remark("files.unknown", path.name, remedy=meant))
    return sources


def _sheets(path: Path, findings: list[Finding]) -> list[Source]:
    try:
        names = sheet_names(path)
    except UnreadableError as error:
        findings.append(fatal("files.unreadable", path.name, what=error.what, remedy=error.remedy))
        return []
    sources = [Source(name.strip().lower(), path, name) for name in names if name.strip().lower() in TABLES]
    others = len(names) - len(sources)
    if others:
        known = ", ".join(TABLES)
        findings.append(remark("files.other_sheets", path.name, others=others, sheets=len(names), tables=known))
    return sources


def _declaration(folder: Path, findings: list[Finding]) -> Declaration:
    try:
        return read_declaration(folder / DECLARATION_FILE)
    except NbanalyticsError as error:
        place = error.where.removeprefix(DECLARATION_FILE).removeprefix(", ")
        what = f"{place}: {error.what}" if place else error.what
        findings.append(fatal("declaration.invalid", DECLARATION_FILE, what=what, remedy=error.remedy))
    except OSError:
        what, remedy = "the file cannot be opened", "Check that you may read it."
        findings.append(fatal("files.unreadable", DECLARATION_FILE, what=what, remedy=remedy))
    return Declaration()
