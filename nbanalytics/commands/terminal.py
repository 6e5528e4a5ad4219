"""Messages of commands at the terminal, apart from their result."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbanalytics.errors import NbanalyticsError, visible

if TYPE_CHECKING:
    from nbanalytics.records import StudentRecords


class Language(StrEnum):
    """Language of what a command writes."""

    SV = "sv"
    EN = "en"


def show(result: str) -> None:
    """Write a result to the output, with control characters as escapes."""
    typer.echo(visible(result))


def tell(words: str) -> None:
    """Print a message to the error output, with control characters as escapes."""
    typer.echo(visible(words), err=True)


@contextmanager
def waiting(doing: str) -> Iterator[Any]:
    """Show the current step and its duration, on a terminal only; yields a function that names the next step."""
    from tqdm import tqdm

    done = Event()
    with tqdm(bar_format="{desc} … {elapsed}", leave=False, disable=None, file=sys.stderr, delay=1) as line:
        line.set_description_str(doing)

        def tick() -> None:
            while not done.wait(0.5):
                line.refresh()

        clock = Thread(target=tick, daemon=True)
        clock.start()
        try:
            yield lambda words: line.set_description_str(visible(f"{doing}: {words}"))
        finally:
            done.set()
            clock.join()


def warn_if_open(path: Path) -> Path:
    """Say if other users can read pupils' records, and what to do; returns the path. Synthetic records are nobody's."""
    from nbanalytics.declaration import DECLARATION_FILE, read_declaration
    from nbanalytics.files import is_open
    from nbanalytics.release.files import MANIFEST

    # A release named by mistake is public; the reader says that it has no students.
    if is_open(path) and not (path / MANIFEST).exists():
        try:
            synthetic = read_declaration((path if path.is_dir() else path.parent) / DECLARATION_FILE).synthetic
        except NbanalyticsError:
            synthetic = False  # the reader says what is wrong with it
        if not synthetic:
            warn_of(path)
    return path


def warn_of(path: Path) -> None:
    """Say that other users can read the records in a folder or workbook, and what to do."""
    close = f"chmod -R o-rwx {shlex.quote(str(path))}"
    tell(f"Warning: other users of this machine can read the records in {path}. To close them: {close}")


#: Memory limit of DuckDB for a national register; the rest stays on disk.
MEMORY = "600MB"
RecordsPath = Annotated[
    Path,
    typer.Argument(
        metavar="RECORDS",
        callback=warn_if_open,
        help="Folder of records (CSV, Parquet or Excel); see docs/records.md.",
    ),
]


def workbook_name(path: Path) -> Path:
    """Refuse an option that does not name a workbook, while it is parsed."""
    from nbanalytics.excel import refuse_other_names

    refuse_other_names(path)
    return path


def opened(path: Path) -> StudentRecords:
    """Open a folder of records of any size and show progress at the terminal."""
    from nbanalytics.readers import open_records

    with waiting("reading records"):
        return open_records(path, memory_limit=MEMORY)
