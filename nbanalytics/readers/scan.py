"""Records too large for memory: Parquet files, checked and queried with DuckDB."""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa
from tqdm import tqdm

from nbanalytics.declaration import DECLARATION_FILE
from nbanalytics.errors import DataError
from nbanalytics.files import OWNER_FILE, replacing_file, spill_folder
from nbanalytics.frames import NativeFrame
from nbanalytics.readers.findings import Finding, UnreadableError, fatal, message, remark
from nbanalytics.readers.folder import RECEIPT_FILE, Folder, Source, open_folder, parquet_file, plain_name, refuse_bomb
from nbanalytics.readers.report import CheckReport, FileReport, missing_by_table
from nbanalytics.readers.rules import RULES_VERSION, Rule, check_tables, impossible_rules
from nbanalytics.readers.tables import Tables, quoted
from nbanalytics.readers.tidy import scales_of
from nbanalytics.records import StudentRecords
from nbanalytics.schema import TABLES, Column, Table


def receipt_is_fresh(folder: Folder) -> bool:
    """Whether the folder has been checked since its last change, by the current rules."""
    expected = _state(folder)
    try:
        with (folder.path / RECEIPT_FILE).open("rb") as stream:
            return stream.read(len(expected) + 1) == expected
    except OSError:
        return False


def write_receipt(folder: Folder) -> None:
    """Write a receipt of the check; a read-only folder gets none."""
    with contextlib.suppress(OSError), replacing_file(folder.path / RECEIPT_FILE, OWNER_FILE) as fresh:
        fresh.write_bytes(_state(folder))


def _state(folder: Folder) -> bytes:
    # Not the parsed catalogue: the order of its sets differs between processes.
    data = files("nbanalytics").joinpath("grading.toml").read_bytes() + repr(TABLES).encode()
    rules = f"{RULES_VERSION}-{zlib.crc32(data):08x}"
    paths = [*(source.path for source in folder.sources.values()), folder.path / DECLARATION_FILE]
    sizes = {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in paths if path.exists()}
    return json.dumps({"rules": rules, "files": sizes}, indent=1, sort_keys=True).encode()


_REWRITE = message("files.not_parquet").remedy


def scan_records(path: str | Path, memory_limit: str | None = None, *, check: bool = True) -> StudentRecords:
    """Open a folder of Parquet files without reading it; every table is a DuckDB relation.

    Parameters
    ----------
    path : str or Path
        A folder as :func:`nbanalytics.readers.write_records` writes it with ``format="parquet"``: long grades,
        canonical column names, words and types.
    memory_limit : str, optional
        The most that DuckDB may use, such as ``"700MB"``; what does not fit goes to the temporary directory.
    check : bool
        Whether to check the folder first, unless it was checked before and has not changed since.

    Returns
    -------
    StudentRecords
        Of DuckDB relations; they keep their connection open.

    Raises
    ------
    DataError
        Listing every fault, as for :func:`nbanalytics.readers.read_records`.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from nbanalytics.readers import write_records
    >>> students = pd.DataFrame({"student_id": ["P1"], "cohort": [2018]})
    >>> grades = pd.DataFrame({"student_id": ["P1"], "term": ["6VT"], "subject": ["MA"], "grade": ["E"]})
    >>> folder = Path(tempfile.mkdtemp()) / "records"
    >>> write_records(StudentRecords(students, grades), folder, format="parquet")
    >>> scan_records(folder, memory_limit="500MB").grades.fetchall()
    [('P1', '6VT', 'MA', 'E')]
    """
    folder = open_folder(path)
    if check and not receipt_is_fresh(folder):
        report = check_scanned(path, memory_limit)
        if report.faults:
            raise DataError(report.fault_message())
    else:
        wrong = [*folder.findings, *_shape_findings(folder)]
        if any(finding.is_fault for finding in wrong):
            raise DataError(CheckReport(str(path), (), tuple(wrong)).fault_message())
    connection = _connect(memory_limit)
    relations: dict[str, NativeFrame] = {
        name: connection.sql(_select(connection, TABLES[name], source)) for name, source in folder.sources.items()
    }
    return StudentRecords.trusted(**relations, declaration=folder.declaration)


def check_scanned(path: str | Path, memory_limit: str | None = None, *, check_rules: bool = False) -> CheckReport:
    """Check a folder of Parquet files through DuckDB, and write a receipt there if it has no faults.

    The findings count all rows but name only the first few. ``check_rules`` also asks whether the rule of eligibility
    can be met and failed.
    """
    folder = open_folder(path)
    findings = [*folder.findings, *_shape_findings(folder)]
    if not any(finding.is_fault for finding in findings):
        findings += _bombs(folder)
    if any(finding.is_fault for finding in findings):
        return CheckReport(str(path), (), tuple(findings))
    with _connect(memory_limit) as connection:
        tables = _views(folder, connection, findings)
        checked = check_tables(tables, _progress) + _uncanonical(tables)
        checked += impossible_rules(tables) if check_rules else ()
        missing = missing_by_table(tables)
    findings += [
        fatal("tables.empty", tables.files[table.name])
        for table in TABLES.values()
        if table.required and not tables.rows[table.name]
    ]
    files = []
    for name, file in tables.files.items():
        own = tuple(finding for finding in [*findings, *checked] if finding.file == file)
        rejected = min(tables.rows[name], sum(finding.count for finding in own if finding.weight == "row"))
        files.append(
            FileReport(file, "parquet", tables.rows[name], rejected, missing=missing.get(name, ()), findings=own)
        )
    report = CheckReport(str(path), tuple(files), (*findings, *checked))
    if not report.faults:
        write_receipt(folder)
    return report


def is_parquet(folder: Folder) -> bool:
    """Whether every table of a folder is a Parquet file."""
    return bool(folder.sources) and all(source.path.suffix.lower() == ".parquet" for source in folder.sources.values())


def _connect(memory_limit: str | None) -> duckdb.DuckDBPyConnection:
    # DuckDB creates the directory when it needs disk space, and removes it when it closes.
    spill = spill_folder() / uuid4().hex
    settings: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
    }
    if memory_limit is not None:
        settings["memory_limit"] = memory_limit
    try:
        return duckdb.connect(config=settings)
    except duckdb.Error:
        raise DataError(f"memory_limit {memory_limit!r} is not a size", "Write for example '700MB' or '4GB'.") from None


def _progress(rules: Iterable[Rule]) -> Iterable[Rule]:
    bar: Iterable[Rule] = tqdm(rules, desc="checking", unit="rule", delay=2, leave=False, disable=None)
    return bar


# ------------------------------------------------------------------ the shape of the files


def _shape_findings(folder: Folder) -> list[Finding]:
    findings = []
    for name, source in folder.sources.items():
        if source.path.suffix.lower() != ".parquet":
            findings.append(fatal("files.not_parquet", source.label))
            continue
        try:
            schema = _shape_of(source)[0]
        except UnreadableError as error:
            findings.append(fatal("files.unreadable", source.label, what=error.what, remedy=error.remedy))
            continue
        except (pa.ArrowException, OSError, ValueError):
            what = "this is not a Parquet file, or a damaged one"
            findings.append(fatal("files.unreadable", source.label, what=what, remedy="Write it again."))
            continue
        for column in TABLES[name].columns:
            if column.name not in schema.names:
                if column.required:
                    findings.append(fatal("columns.missing", source.label, column.name, remedy=f"Add it. {_REWRITE}"))
            elif not _fits(schema.field(column.name).type, column):
                kind = schema.field(column.name).type
                findings.append(fatal("columns.wrong_type", source.label, column.name, kind=kind))
        findings += [
            remark("columns.unknown/scan", source.label, name=other)
            for other in schema.names
            if TABLES[name].column(other) is None
        ]
    return findings


def _bombs(folder: Folder) -> list[Finding]:
    """Find files whose cells take more than those of any table, before anything is asked of them."""
    findings = []
    for source in folder.sources.values():
        try:
            with parquet_file(source.path) as file:
                refuse_bomb(source.path, file, in_memory=False)
        except UnreadableError as error:
            findings.append(fatal("files.unreadable", source.label, what=error.what, remedy=error.remedy))
    return findings


def _fits(kind: pa.DataType, column: Column) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if column.kind == "integer":
        return bool(pa.types.is_integer(kind))
    if column.kind == "number":
        return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
    if column.kind == "flag":
        return bool(pa.types.is_boolean(kind))
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _select(connection: duckdb.DuckDBPyConnection, table: Table, source: Source, numbered: bool = False) -> str:
    """Return the query for a whole table; raises DataError if DuckDB would not read exactly this file."""
    schema, own_rows = _shape_of(source)
    present = set(schema.names)
    cells = [_cell(column) for column in table.columns if column.name in present]
    if numbered:
        cells.append("file_row_number + 2 AS row")
    options = "hive_partitioning = false" + (", file_row_number = true" if numbered else "")
    rows = f"read_parquet({quoted(plain_name(source.path))}, {options})"
    asked = connection.execute(f"SELECT count(*) FROM {rows}").fetchall()
    if asked != [(own_rows,)]:
        raise DataError(f"{source.label} cannot be read from its folder", "Rename the folder.")
    return f"SELECT {', '.join(cells)} FROM {rows}"


def _shape_of(source: Source) -> tuple[pa.Schema, int]:
    """Return the columns of a Parquet file and its number of rows."""
    with parquet_file(source.path) as file:
        return file.schema_arrow, file.metadata.num_rows


def _cell(column: Column) -> str:
    name = f'"{column.name}"'
    if column.kind == "number":
        return f"CASE WHEN NOT isnan({name}::DOUBLE) THEN {name}::DOUBLE END AS {name}"
    return f"{name}::BIGINT AS {name}" if column.kind == "integer" else name


def _views(folder: Folder, connection: duckdb.DuckDBPyConnection, findings: list[Finding]) -> Tables:
    for name, source in folder.sources.items():
        connection.execute(f"CREATE VIEW {name} AS {_select(connection, TABLES[name], source, numbered=True)}")
    column = TABLES["students"].column("cohort")
    assert column is not None
    asked = f"SELECT DISTINCT cohort FROM students WHERE cohort BETWEEN {column.low} AND {column.high} ORDER BY 1"
    cohorts = [cohort for (cohort,) in connection.execute(asked).fetchall()]
    scales, wrong = scales_of(folder.declaration, cohorts, folder.sources["students"].label)
    findings += wrong
    shapes = {name: _shape_of(source) for name, source in folder.sources.items()}
    return Tables(
        connection,
        files={name: folder.sources[name].label for name in TABLES if name in folder.sources},
        columns={
            name: frozenset(c for c in schema.names if TABLES[name].column(c)) for name, (schema, _) in shapes.items()
        },
        rows={name: rows for name, (_, rows) in shapes.items()},
        declaration=folder.declaration,
        scales=scales,
        every_row=False,
    )


def _uncanonical(tables: Tables) -> list[Finding]:
    """Text that reading would have cleaned: spaces around it, empty text, decomposed letters, dates in another form."""
    findings: list[Finding] = []
    for name in tables.files:
        for column in TABLES[name].columns:
            # Closed vocabularies have been compared word for word already.
            if column.kind not in {"text", "date"} or column.values or not tables.has(name, column.name):
                continue
            cell = f'"{column.name}"'
            wrong = f"{cell} = '' OR {cell} <> trim({cell}) OR {cell} <> nfc_normalize({cell})"
            if column.kind == "date":
                wrong = f"strftime(try_cast({cell} AS DATE), '%Y-%m-%d') IS DISTINCT FROM {cell}"
            sql = f"SELECT row, NULL AS value FROM {name} WHERE {cell} IS NOT NULL AND ({wrong})"
            findings += tables.findings(name, column.name, sql, "values.not_canonical")
    return findings
