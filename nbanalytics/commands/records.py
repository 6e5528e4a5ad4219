"""Records as commands take and open them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nbanalytics.commands.terminal import waiting

if TYPE_CHECKING:
    from nbanalytics.records import StudentRecords

#: What DuckDB may take of a national register at once; the rest waits on disk, and a laptop stays usable.
MEMORY = "600MB"
RecordsPath = Annotated[
    Path, typer.Argument(metavar="RECORDS", help="Folder of records (CSV, Parquet or Excel); see docs/records.md.")
]


def opened(path: Path) -> StudentRecords:
    """Open a folder of records, of any size, saying so at the terminal."""
    from nbanalytics.readers import open_records

    with waiting("reading records"):
        return open_records(path, memory_limit=MEMORY)
