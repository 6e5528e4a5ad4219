"""Reading and checking records that fit in memory: a folder of files, or dataframes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import uuid4

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from nbanalytics.declaration import Declaration
from nbanalytics.errors import DataError
from nbanalytics.files import spill_folder
from nbanalytics.frames import Frame, NativeFrame, open_frame
from nbanalytics.readers.findings import (
    Finding,
    RawTable,
    Rows,
    UnreadableError,
    about_rows,
    fatal,
    message,
    no_rows,
    refuse_too_many_columns,
    rejected_rows,
    without_empty_rows,
)
from nbanalytics.readers.folder import open_folder, plain_column
from nbanalytics.readers.report import CheckReport, FileReport, missing_by_table
from nbanalytics.readers.rules import check_tables, impossible_rules
from nbanalytics.readers.tables import Tables
from nbanalytics.readers.tidy import Scales, TidyTable, scales_of, tidy_table
from nbanalytics.readers.workbook_child import cell_text
from nbanalytics.records import StudentRecords
from nbanalytics.schema import TABLES


class Readable(Protocol):
    """A readable table: a file, a sheet or a dataframe."""

    @property
    def label(self) -> str:
        """Its name in messages."""

    @property
    def format(self) -> str:
        """What it is: ``csv``, ``xlsx``, ``pandas`` ..."""

    def read(self, declaration: Declaration) -> RawTable:
        """Return its cells; raises only UnreadableError."""


@dataclass(frozen=True)
class Read:
    """The tidy tables with their faulty rows, and the findings."""

    declaration: Declaration
    tables: dict[str, TidyTable]
    report: CheckReport


def read_records(
    path: str | Path,
    *,
    on_fault: Literal["raise", "reject"] | None = None,
    rejected: str | Path | None = None,
) -> StudentRecords:
    r"""Read student records from a folder of CSV, Parquet or Excel files.

    Parameters
    ----------
    path : str or Path
        The folder, with one file for each table and perhaps ``records.toml``; see ``docs/records.md``.
    on_fault : {"raise", "reject"}, optional
        Whether faulty rows stop the reading, or are taken out and counted. By default they stop it, unless
        ``rejected`` is given.
    rejected : str or Path, optional
        A CSV file to write about the rows taken out: file, row, column and reason, and nothing of their content.

    Returns
    -------
    StudentRecords
        Of pandas frames, with the canonical columns that were there.

    Raises
    ------
    DataError
        Listing every fault with file, column, row numbers and remedy. What concerns a whole table, such as a
        missing column, stops the reading in either case.

    See Also
    --------
    read_with_report : also reports what was assumed, remarkable and rejected.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "students.csv").write_text("student_id;cohort\nP1;2018\n", encoding="utf-8")
    >>> _ = (folder / "grades.csv").write_text("student_id;term;SV;Matematik\nP1;VT6;e;C\n", encoding="utf-8")
    >>> read_records(folder).grades
      student_id term subject grade
    0         P1  6VT      SV     E
    1         P1  6VT      MA     C
    """
    rejecting = on_fault == "reject" or (on_fault is None and rejected is not None)
    if not rejecting:
        read = _read(path)
        if read.report.faults:
            raise DataError(read.report.fault_message())
        return _records(read)
    records, report = read_with_report(path)
    if rejected is not None:
        report.write_rejected(rejected)
    return records


def read_with_report(path: str | Path) -> tuple[StudentRecords, CheckReport]:
    """Read records without their faulty rows, and report what was assumed, remarkable and rejected.

    Every row of the files (see :func:`read_records`) is in the records or among the report's rejected ones.

    Raises
    ------
    DataError
        If a table as a whole cannot be used.
    """
    read = _read(path)
    if not read.report.usable:
        raise DataError(read.report.fault_message())
    return _records(read), read.report


def check_folder(path: str | Path) -> CheckReport:
    """Check a folder of records in memory; see :func:`nbanalytics.readers.check_records`."""
    return _read(path, check_rules=True).report


@dataclass(frozen=True)
class InMemory:
    """A table in memory."""

    table: str
    data: Frame

    @property
    def label(self) -> str:
        """The name of the table."""
        return self.table

    @property
    def format(self) -> str:
        """The name of the dataframe's engine."""
        return str(self.data.implementation.name.lower())

    @property
    def is_polars(self) -> bool:
        """Whether it is an eager frame of Polars."""
        return isinstance(self.data, nw.DataFrame) and bool(self.data.implementation.is_polars())

    def read(self, declaration: Declaration) -> RawTable:
        """Return its cells; rows are numbered from 0, as dataframes count them."""
        names = [str(name).strip() for name in self.data.collect_schema().names()]
        refuse_too_many_columns(len(names))
        eager = self.data.collect(backend="pyarrow") if isinstance(self.data, nw.LazyFrame) else self.data
        columns = [plain_column(_arrow_column(eager[:, position])) for position in range(len(names))]
        kept, rows, _ = without_empty_rows(columns, np.arange(len(eager), dtype=np.int64))
        return RawTable(self.label, self.format, tuple(names), kept, rows)


def _arrow_column(column: nw.Series[Any]) -> pa.ChunkedArray:
    """Return a column for Arrow; mixed cells, such as numbers and text, become text as in a workbook."""
    try:
        cells = column.to_arrow()
    except (pa.ArrowException, TypeError, ValueError):
        cells = pa.array([None if pd.isna(cell) else cell_text(cell) or None for cell in column.to_list()], pa.string())
    return cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])


def records_from_frames(
    students: NativeFrame,
    grades: NativeFrame,
    *,
    absence: NativeFrame = None,
    tests: NativeFrame = None,
    outcomes: NativeFrame = None,
    support: NativeFrame = None,
    schools: NativeFrame = None,
    followups: NativeFrame = None,
    screening: NativeFrame = None,
    declaration: Declaration | None = None,
    on_fault: Literal["raise", "reject"] = "raise",
) -> StudentRecords:
    """Build student records from dataframes, checked by the same rules as files.

    Words are read as in files: ``"VT 6"`` is the term 6VT, ``"Matematik"`` the subject MA and ``"flicka"`` a
    girl. Grades may be long or wide (one column for each subject). Columns that the schema does not know are left out.

    Parameters
    ----------
    students, grades : dataframe
        pandas (any dtypes), Polars, DuckDB, pyarrow, PySpark: whatever narwhals takes. The columns are in
        ``docs/records.md``. Lazy frames are collected; for a register use :func:`nbanalytics.scan_records`.
    absence, tests, outcomes, support, schools, followups, screening : dataframe, optional
        What else is known. The tables may be of different kinds.
    declaration : Declaration, optional
        Scale, rule, terms and stages.
    on_fault : {"raise", "reject"}
        Whether faulty rows stop the building, or are left out.

    Returns
    -------
    StudentRecords
        Of Polars if ``students`` is an eager Polars frame, else of pandas. Identifiers are text.

    Raises
    ------
    DataError
        Listing every fault with table, column, rows (counted from 0) and remedy.

    Examples
    --------
    >>> students = pd.DataFrame({"student_id": [101, 102], "cohort": 2018})
    >>> grades = pd.DataFrame({"student_id": [101, 102], "term": "6VT", "Svenska": ["C", "E"], "MA": ["B", None]})
    >>> records_from_frames(students, grades).grades
      student_id term subject grade
    0        101  6VT      SV     C
    1        101  6VT      MA     B
    2        102  6VT      SV     E
    >>> records_from_frames(pd.concat([students, students]), grades)
    Traceback (most recent call last):
    nbanalytics.errors.DataError: The records in the dataframes cannot be used: 1 fault.
    students
      - repeats an earlier row (same student) (2 rows: 2, 3). Remove the repeated rows.
    To continue without the faulty rows: records_from_frames(..., on_fault='reject').
    """
    given = {
        "students": students,
        "grades": grades,
        "absence": absence,
        "tests": tests,
        "outcomes": outcomes,
        "support": support,
        "schools": schools,
        "followups": followups,
        "screening": screening,
    }
    frames = {name: InMemory(name, _opened(name, data)) for name, data in given.items() if data is not None}
    absent = [name for name in TABLES if TABLES[name].required and name not in frames]
    if absent:
        raise DataError(f"The table {' and '.join(absent)} is missing", "Give a dataframe with its columns.")
    read = _examined(frames, declaration or Declaration(), [], "the dataframes")
    if not read.report.usable or (on_fault == "raise" and read.report.faults):
        raise DataError(read.report.fault_message("records_from_frames(..., on_fault='reject')"))
    records = _records(read)
    return _in_polars(records) if frames["students"].is_polars else records


def _in_polars(records: StudentRecords) -> StudentRecords:
    arrow = {name: pa.Table.from_pandas(table, preserve_index=False) for name, table in records.tables().items()}
    tables = {name: nw.from_arrow(table, backend="polars").to_native() for name, table in arrow.items()}
    return StudentRecords.trusted(**tables, declaration=records.declaration)


def _opened(name: str, data: NativeFrame) -> Frame:
    try:
        return open_frame(data)
    except TypeError:
        raise DataError(
            f"{name} is {type(data).__name__!r}, not a dataframe",
            "Give one of pandas, Polars, DuckDB, pyarrow or PySpark.",
        ) from None


# ------------------------------------------------------------------ the steps


def _read(path: str | Path, check_rules: bool = False) -> Read:
    folder = open_folder(path)
    return _examined(folder.sources, folder.declaration, list(folder.findings), str(path), check_rules)


def _examined(
    sources: Mapping[str, Readable],
    declaration: Declaration,
    findings: list[Finding],
    place: str,
    check_rules: bool = False,
) -> Read:
    tables = _tidy_tables(sources, declaration, findings)
    scales = _scales(declaration, tables, [])
    asked = {name: tidy for name, tidy in tables.items() if tidy.data is not None}
    missing: dict[str, tuple[str, ...]] = {}
    if asked:
        with _database().cursor() as connection:
            for name, tidy in asked.items():
                connection.register(name, tidy.data)
            to_ask = Tables(
                connection,
                files={name: tidy.file for name, tidy in asked.items()},
                columns={name: frozenset(tidy.data.column_names) for name, tidy in asked.items()},  # type: ignore[union-attr]
                rows={name: tidy.n_rows for name, tidy in asked.items()},
                declaration=declaration,
                scales=scales,
            )
            # Reading does not stop at them: such records can serve for other things than eligibility.
            ruled = [*check_tables(to_ask), *(impossible_rules(to_ask) if check_rules else ())]
            missing = missing_by_table(to_ask)
        for tidy in asked.values():
            _add_findings(tidy, [finding for finding in ruled if finding.file == tidy.file])
    _reject_their_rows(tables)
    for tidy in tables.values():
        _refuse_empty(tidy)
    return Read(declaration, tables, _report(place, findings, tables, missing))


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return the shared in-memory database; opening one each time is slow."""
    # Without this setting DuckDB would spill files beside the notebook.
    return duckdb.connect(config={"temp_directory": str(spill_folder() / uuid4().hex)})


def _tidy_tables(
    sources: Mapping[str, Readable], declaration: Declaration, findings: list[Finding]
) -> dict[str, TidyTable]:
    """Read and tidy every table; students first, since their cohorts decide the grade scales."""
    raws: dict[str, RawTable] = {}
    tables: dict[str, TidyTable] = {}
    order = [name for name in TABLES if name in sources]
    for name in tqdm(order, desc="reading", unit="table", delay=2, leave=False, disable=None):
        source = sources[name]
        try:
            raws[name] = source.read(declaration)
        except UnreadableError as error:
            tables[name] = TidyTable(TABLES[name], source.label, source.format, 0)
            tables[name].findings.append(fatal("files.unreadable", source.label, what=error.what, remedy=error.remedy))
    nobody = Scales((), {})
    if "students" in raws:
        raw = raws.pop("students")
        tables["students"] = tidy_table(raw, TABLES["students"], declaration, nobody, None)
    scales = _scales(declaration, tables, findings)
    students = tables["students"].data if "students" in tables else None
    for name, raw in raws.items():
        tables[name] = tidy_table(raw, TABLES[name], declaration, scales, students)
    return {name: tables[name] for name in order}


def _scales(declaration: Declaration, tables: dict[str, TidyTable], findings: list[Finding]) -> Scales:
    students = tables.get("students")
    if students is None or students.data is None:
        # Without cohorts no grade can be checked, but a column of grades can still be recognised.
        return Scales(declaration.catalogue.scales, {})
    column = TABLES["students"].column("cohort")
    assert column is not None
    present = sorted(year for year in pc.unique(students.data["cohort"]).to_pylist() if year is not None)
    plausible = [year for year in present if (column.low or year) <= year <= (column.high or year)]
    scales_found, wrong = scales_of(declaration, plausible, students.file)
    findings += wrong
    return scales_found


def _add_findings(tidy: TidyTable, ruled: Sequence[Finding]) -> None:
    """Add the findings of the rules; a cell that could not be read is not also reported as empty."""
    told: dict[str, Rows] = {}
    for finding in tidy.findings:
        told[finding.column] = np.union1d(told.get(finding.column, no_rows()), finding.rows)
    for finding in ruled:
        kept = (
            finding.without(told[finding.column])
            if finding.code == "values.empty" and finding.column in told
            else finding
        )
        if kept.count or not finding.count:
            tidy.findings.append(kept)


def _reject_their_rows(tables: dict[str, TidyTable]) -> None:
    """Remove the rows of students whose own row is rejected."""
    students = tables.get("students")
    if students is None or students.data is None:
        return
    gone = pc.is_in(students.data["row"], value_set=pa.array(rejected_rows(students.findings)))
    out = students.data["student_id"].filter(gone)
    back = students.data["student_id"].filter(pc.invert(gone))
    out = out.filter(pc.invert(pc.is_in(out, value_set=back.combine_chunks()))).combine_chunks().drop_null()
    if not len(out):
        return
    for name, tidy in tables.items():
        if name == "students" or tidy.data is None or "student_id" not in tidy.data.column_names:
            continue
        rows = tidy.data["row"].filter(pc.is_in(tidy.data["student_id"], value_set=out)).to_numpy()
        if len(rows):
            taken_along = about_rows(message("rows.student_rejected", "student_id"), tidy.file, rows)
            tidy.findings.append(replace(taken_along, follows=True))


def _refuse_empty(tidy: TidyTable) -> None:
    if not tidy.table.required or any(finding.weight == "fatal" for finding in tidy.findings):
        return
    if not tidy.n_rows:
        tidy.findings.append(fatal("tables.empty", tidy.file))
    elif len(rejected_rows(tidy.findings)) == tidy.n_rows:
        tidy.findings.append(replace(fatal("tables.no_usable_row", tidy.file), follows=True))


def _report(
    place: str, findings: list[Finding], tables: dict[str, TidyTable], missing: dict[str, tuple[str, ...]]
) -> CheckReport:
    labels = {tidy.file for tidy in tables.values()}
    files = []
    for name, tidy in tables.items():
        found = (*(finding for finding in findings if finding.file == tidy.file), *tidy.findings)
        assumed = dict.fromkeys(tidy.assumed)
        files.append(FileReport.of_rows(tidy.file, tidy.format, tidy.n_rows, found, assumed, missing.get(name, ())))
    own = tuple(finding for finding in findings if finding.file not in labels)
    return CheckReport(place, tuple(files), (*own, *(finding for file in files for finding in file.findings)))


def _records(read: Read) -> StudentRecords:
    frames = {name: _pandas(tidy) for name, tidy in read.tables.items()}
    return StudentRecords.trusted(**frames, declaration=read.declaration)


def _pandas(tidy: TidyTable) -> pd.DataFrame:
    data: pa.Table = tidy.data
    out = rejected_rows(tidy.findings)
    if len(out):
        data = data.filter(pc.invert(pc.is_in(data["row"], value_set=pa.array(out))))
    optional = {pa.bool_(): pd.BooleanDtype(), pa.int64(): pd.Int64Dtype()}
    plain = [pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in data.schema]
    frame: pd.DataFrame = data.cast(pa.schema(plain)).drop_columns("row").to_pandas(types_mapper=optional.get)
    whole = [c.name for c in tidy.table.columns if c.required and c.kind == "integer" and c.name in frame]
    return frame.astype(dict.fromkeys(whole, "int64"))
