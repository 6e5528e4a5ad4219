"""Messages of commands at the terminal, apart from their result."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbanalytics.errors import visible

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


#: Memory limit of DuckDB for a national register; the rest stays on disk.
MEMORY = "600MB"
RecordsPath = Annotated[
    Path, typer.Argument(metavar="RECORDS", help="Folder of records (CSV, Parquet or Excel); see docs/records.md.")
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
