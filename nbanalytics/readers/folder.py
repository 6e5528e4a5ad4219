"""Which file of a folder, or which sheet of a workbook, holds which table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nbanalytics.declaration import DECLARATION_FILE, Declaration, read_declaration
from nbanalytics.errors import DataError, NbanalyticsError
from nbanalytics.readers.csv_file import read_csv
from nbanalytics.readers.findings import Finding, fatal, no_rows, suggestion
from nbanalytics.readers.other_files import read_parquet, read_sheet, sheet_names
from nbanalytics.readers.raw import RawTable, UnreadableError
from nbanalytics.readers.words import subject_words
from nbanalytics.schema import TABLES

EXCEL = (".xlsx", ".xlsm", ".xls")
SUFFIXES = (".csv", ".txt", ".parquet", *EXCEL)
#: Stem of a workbook that holds all tables, one sheet each.
WORKBOOK = "records"
#: By this file a release is told, which is sometimes named where records are wanted.
_MANIFEST = "manifest.json"
#: What a checked folder holds beside its tables.
RECEIPT_FILE = ".checked.json"


@dataclass(frozen=True)
class Source:
    """Where a table is: a file, or a sheet of a workbook with several tables."""

    table: str
    path: Path
    sheet: str | None = None

    @property
    def label(self) -> str:
        """The name by which reports call it."""
        return self.path.name if self.sheet is None else f"{self.path.name}#{self.sheet}"

    def read(self, declaration: Declaration) -> RawTable:
        """Read its cells; raises UnreadableError, never anything else."""
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
                f"the file cannot be opened ({error.strerror})", "Check that it is there and may be read."
            ) from None


@dataclass(frozen=True)
class Folder:
    """The tables of a records folder and its declaration, before anything is read."""

    path: Path
    sources: dict[str, Source]
    declaration: Declaration
    findings: tuple[Finding, ...] = ()


def open_folder(path: str | Path) -> Folder:
    """Find the tables of a records folder or workbook.

    Parameters
    ----------
    path : str or Path
        A folder with one file for each table (``students.csv``, ``grades.parquet``, ...) or with one workbook
        ``records.xlsx`` that has a sheet for each, or that workbook itself.

    Returns
    -------
    Folder
        With findings for files that are no table, tables that are there twice and tables that are missing.

    Raises
    ------
    DataError
        If there is nothing of that name, or a file that is no workbook.
    """
    root = Path(path)
    try:
        files = _files(root)
    except OSError as error:
        raise DataError(f"{root} cannot be opened ({error.strerror}). Check that it may be read.") from None
    findings: list[Finding] = []
    folder = root if root.is_dir() else root.parent
    sources: dict[str, Source] = {}
    for source in _sources(files, findings):
        if source.table in sources:
            what = f"the table {source.table} is here twice, the other is {sources[source.table].label}"
            findings.append(fatal(source.label, what, "Keep one of them."))
        else:
            sources[source.table] = source
    if not sources and any(path.name == _MANIFEST for path in files):
        raise DataError(
            f"{root} holds a release, in which there are no students. Name the folder of records that it was made of."
        )
    wanting = [table.name for table in TABLES.values() if table.required and table.name not in sources]
    if not files:
        listed = " and ".join(f"{name}.csv" for name in wanting)
        raise DataError(f"The folder {root} is empty. Put at least {listed} there (or .parquet, .xlsx).")
    for name in wanting:
        needed = ", ".join(column.name for column in TABLES[name].columns if column.required)
        findings.append(fatal("", f"the table {name} is missing", f"Add {name}.csv, .parquet or .xlsx with {needed}."))
    return Folder(root, sources, _declaration(folder, findings), tuple(findings))


def _files(root: Path) -> list[Path]:
    if root.is_dir():
        return sorted(entry for entry in root.iterdir() if entry.is_file() and not entry.name.startswith((".", "~$")))
    if not root.exists():
        raise DataError(f"There is no folder {root}. Check the path; it has to hold students and grades.")
    if root.suffix.lower() not in EXCEL:
        raise DataError(
            f"{root} is a file. Name the folder that holds students and grades, or a workbook with a sheet for each."
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
            findings.append(Finding(path.name, "", "no table of this name", meant, no_rows(), 0, "remark"))
    return sources


def _sheets(path: Path, findings: list[Finding]) -> list[Source]:
    try:
        names = sheet_names(path)
    except UnreadableError as error:
        findings.append(fatal(path.name, error.what, error.remedy))
        return []
    sources = [Source(name.strip().lower(), path, name) for name in names if name.strip().lower() in TABLES]
    others = len(names) - len(sources)
    if others:
        what = f"{others} of {len(names)} sheets are no table and were left out"
        remedy = f"The tables are {', '.join(TABLES)}."
        findings.append(Finding(path.name, "", what, remedy, no_rows(), 0, "remark"))
    return sources


def _declaration(folder: Path, findings: list[Finding]) -> Declaration:
    try:
        return read_declaration(folder / DECLARATION_FILE)
    except NbanalyticsError as error:
        what, _, remedy = str(error).removeprefix(f"{DECLARATION_FILE}: ").partition(". ")
        findings.append(fatal(DECLARATION_FILE, what, remedy))
    except OSError:
        findings.append(fatal(DECLARATION_FILE, "the file cannot be opened", "Check that it may be read."))
    except (AttributeError, KeyError, TypeError, ValueError):
        remedy = "Compare it with docs/records.md: text in quotation marks, lists in brackets."
        findings.append(fatal(DECLARATION_FILE, "a value is of the wrong kind", remedy))
    return Declaration()
