"""The files that a municipality has: their format, recognised by content, and the result of reading them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from nbanalytics.errors import DataError
from nbanalytics.readers.findings import UnreadableError, fatal
from nbanalytics.readers.grid import read_grids
from nbanalytics.readers.report import FileReport

if TYPE_CHECKING:
    import pandas as pd

    from nbanalytics.municipal.absence_mapping import ListMapping
    from nbanalytics.municipal.pseudonyms import Key

#: The format modules, in the order in which they are tried: the surest first.
FORMAT_MODULES = ("scb", "ss12000", "baseline_form", "skolverket", "absence_list")
#: Number of bytes that a format sees to recognise a file.
HEAD_BYTES = 65_536
#: Larger files are refused before they are opened.
MOST_BYTES = 2_000_000_000


@dataclass(frozen=True)
class FileRead:
    """One municipal file: its report, which counts the rows in the file, and its tidy pandas tables.

    Those of :data:`nbanalytics.schema.TABLES` have the canonical columns; ``statistics`` and ``baseline`` are tables of
    their own. ``days`` is the day (yyyymmdd) of each pupil's latest grades, by pseudonym, where the file has it;
    ``temporary`` are the pseudonyms made of TF-numbers.
    """

    report: FileReport
    tables: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    days: pd.Series | None = field(default=None, repr=False)
    temporary: frozenset[str] = field(default=frozenset(), repr=False)


def read_files(
    paths: Sequence[str | Path], key: Key | None = None, mapping: ListMapping | str | Path | None = None
) -> list[FileRead]:
    """Read files of any known format.

    Without a ``key`` a random one is used once, so that the pupils of these files can be joined with each other and
    with nothing else. ``mapping`` is the meaning of the columns of an absence list; see
    :func:`nbanalytics.municipal.absence_list.read_absence_list`.

    Returns
    -------
    list of FileRead
        One for each file, and one for all pages of SS12000. What cannot be read at all has a report that says why, and
        no tables.

    Raises
    ------
    DataError
        If there is no such file.
    """
    from nbanalytics.municipal.pseudonyms import new_key

    files = [Path(path) for path in paths]
    for file in files:
        if not file.is_file():
            raise DataError(f"There is no file {file}", "Check the path.")
    key = new_key() if key is None else key
    names = [file.name for file in files]
    alone: list[Path] = []
    pages: list[Path] = []
    for file in files:
        # Entities of SS12000 refer to each other, so its pages are read as one.
        (pages if _format_or_none(file) == "ss12000" else alone).append(file)
    if len(pages) == 1:
        alone, pages = files, []
    reads = [
        read if names.count(file.name) == 1 else _named(read, str(file))
        for file in alone
        for read in [_read_one(file, key, mapping)]
    ]
    return [*reads, _guarded(pages[0], "ss12000", pages, {"key": key})] if pages else reads


def format_of(path: Path) -> str:
    """Return the module of :data:`FORMAT_MODULES` that knows the file by its content, or empty text."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    for name in FORMAT_MODULES:
        module = _module(name)
        # Recognition must survive any content: a format that fails on it does not know it.
        with suppress(Exception):
            if module.matches(path, head):
                return name
    return ""


def _module(name: str) -> ModuleType:
    return import_module(f"{__package__}.{name}")


def _format_or_none(path: Path) -> str:
    try:
        return format_of(path) if path.suffix.lower() == ".json" else ""
    except OSError:
        return ""


def _read_one(path: Path, key: Key, mapping: ListMapping | str | Path | None) -> FileRead:
    try:
        if path.stat().st_size > MOST_BYTES:
            what = f"the file is larger than {MOST_BYTES // 1_000_000_000} GB"
            return unreadable(path, "unknown", what, "Divide it into one file for each school year.")
        # With a mapping, a file of no known format is taken for a list, and the user wants to know what is wrong.
        name = format_of(path) or ("absence_list" if mapping is not None else "")
    except OSError as error:
        what = f"the file cannot be opened ({error.strerror})"
        return unreadable(path, "unknown", what, "Check that it is there and may be read.")
    if not name:
        return unreadable(path, "unknown", *_why_unknown(path))
    options = {"mapping": mapping} if mapping is not None and name == "absence_list" else {}
    return _guarded(path, name, path, {"key": key, **options})


def _why_unknown(path: Path) -> tuple[str, str]:
    """Return the fault of a file of unknown format, and the remedy: most are damaged."""
    try:
        grids = read_grids(path, len)
    except UnreadableError as error:
        return error.what, error.remedy
    from nbanalytics.municipal.absence_mapping import is_identity

    has_pupils = any(is_identity(cell) for grid in grids for row in grid.rows for cell in row)
    hint = f" If it is an absence list, `nbanalytics check --suggest {path.name}` drafts its mapping." * has_pupils
    return "the content is not of a known format", f"Known are: {_KNOWN}. See docs/.{hint}"


def _guarded(path: Path, name: str, what_to_read: Path | list[Path], options: dict[str, object]) -> FileRead:
    """Read with one format; any content results in a report."""
    format = name.replace("_", "-")
    try:
        read: FileRead = getattr(_module(name), f"read_{name}")(what_to_read, **options)
        return read
    except DataError as error:
        return unreadable(path, format, f"{error.where}: {error.what}" if error.where else error.what, error.remedy)
    except OSError as error:
        what = f"the file cannot be opened ({error.strerror})"
        return unreadable(path, format, what, "Check that it is there and may be read.")
    except Exception as error:
        # The last resort for damaged files: a traceback could show their content.
        what = f"the file is damaged or unlike others of its format ({type(error).__name__})"
        return unreadable(path, format, what, "Export it again; if that does not help, report it.")


_KNOWN = (
    "SCB grade files of years 6 and 9, exports from Skolverket, absence lists, forms of the baseline analysis, SS12000"
)


def unreadable(path: Path, format: str, what: str, remedy: str) -> FileRead:
    """Return the report on a file that cannot be used at all."""
    finding = fatal("files.unreadable", path.name, what=what, remedy=remedy)
    return FileRead(FileReport(path.name, format, 0, 0, findings=(finding,)))


def _named(read: FileRead, name: str) -> FileRead:
    findings = tuple(replace(finding, file=name) for finding in read.report.findings)
    return replace(read, report=replace(read.report, file=name, findings=findings))
