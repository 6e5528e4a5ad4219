"""Checking a folder of records, in memory or, for large Parquet folders, with DuckDB."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from nbanalytics.errors import DataError
from nbanalytics.readers.findings import UnreadableError
from nbanalytics.readers.folder import Folder, open_folder, parquet_file
from nbanalytics.readers.read import check_folder, read_records
from nbanalytics.readers.report import CheckReport
from nbanalytics.readers.scan import check_scanned, is_parquet, scan_records
from nbanalytics.records import StudentRecords

#: A Parquet folder with more rows than this is not read into memory to report its faults.
_MOST_ROWS = 20_000_000


def check_records(path: str | Path, memory_limit: str | None = None) -> CheckReport:
    r"""Check a folder of records and report everything that is wrong, remarkable, assumed or missing.

    Parameters
    ----------
    path : str or Path
        As for :func:`nbanalytics.readers.read_records`.
    memory_limit : str, optional
        For Parquet folders: the most that DuckDB may use, such as ``"700MB"``.

    Returns
    -------
    CheckReport
        With ``text()`` for a person, ``as_json()`` for a program, and ``exit_code``.

    Raises
    ------
    DataError
        If there is no such folder, or nothing in it.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "students.csv").write_text("student_id,cohort\nP1,2018\n", encoding="utf-8")
    >>> _ = (folder / "grades.csv").write_text("student_id,term,SV\nP1,6VT,MVG\n", encoding="utf-8")
    >>> print(check_records(folder).fault_message().partition("cannot be used")[2])
    : 1 fault.
    grades.csv
      - column grade: grade 'MVG' is not of scale A-F (1 row: 2). It is of scale IG-MVG, ...
    """
    folder = open_folder(path)
    if is_parquet(folder):
        report = check_scanned(path, memory_limit, check_rules=True)
        # The reader often understands what the scan rejects, and it names all rows.
        if not report.faults or not _fits_in_memory(folder):
            return report
    return check_folder(path)


def open_records(path: str | Path, memory_limit: str | None = None) -> StudentRecords:
    r"""Open records: Parquet lazily with DuckDB, other formats in memory; parameters as for :func:`check_records`.

    A Parquet folder that cannot be scanned (words not canonical, or wide grades) is read into memory unless it is too
    large.

    Raises
    ------
    DataError
        Listing every fault.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "students.csv").write_text("student_id;cohort\nP1;2018\n", encoding="utf-8")
    >>> _ = (folder / "grades.csv").write_text("student_id;term;SV\nP1;6VT;E\n", encoding="utf-8")
    >>> open_records(folder)
    StudentRecords: students (1), grades (1)
    """
    folder = open_folder(path)
    if not is_parquet(folder):
        return read_records(path)
    try:
        return scan_records(path, memory_limit)
    except DataError:
        if not _fits_in_memory(folder):
            raise
    return read_records(path)


def _fits_in_memory(folder: Folder) -> bool:
    try:
        rows = sum(_rows_of(source.path) for source in folder.sources.values())
    except (pa.ArrowException, OSError):
        # Not Parquet at all; reading says so.
        return True
    except UnreadableError:
        return False
    return rows <= _MOST_ROWS


def _rows_of(path: Path) -> int:
    with parquet_file(path) as file:
        return int(file.metadata.num_rows)
