"""``nbanalytics import``: records from a municipality's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import tell, waiting, warn_if_open


def import_files(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Grade files and absence lists, or their folder.")
    ],
    key: Annotated[Path, typer.Option(metavar="FILE", help="Key file of pseudonyms; created if missing. Keep it.")],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of records to write; older records there are replaced.")
    ],
    mapping: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Meaning of the columns of an absence list.")
    ] = None,
) -> None:
    """Convert a municipality's files to a folder of records; identity numbers become pseudonyms.

    The format of each file is recognised by its content; 'nbanalytics check' shows beforehand what would be read.

    Example: nbanalytics import year6-2015.txt year9-2018.txt absence.xlsx --key our.key --out my-records
    """
    from nbanalytics.municipal import import_files

    with waiting("importing files"):
        said = import_files.import_files(paths, key, out, mapping)
    for line in said:
        tell(line)
    warn_if_open(out)
