"""``nbanalytics import``: records made of a municipality's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import tell, waiting


def import_files(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Grade files and absence lists, or their folder.")
    ],
    key: Annotated[Path, typer.Option(metavar="FILE", help="Key file of pseudonyms; made if it is missing. Keep it.")],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of records to write; older records there are replaced whole.")
    ],
    mapping: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Which columns of an absence list mean what.")
    ] = None,
) -> None:
    """Make a folder of records from a municipality's files; identity numbers become pseudonyms on the way in.

    What each file is, is found by its content; 'nbanalytics check' tells beforehand what would be read of it.

    Example: nbanalytics import year6-2015.txt year9-2018.txt absence.xlsx --key our.key --out my-records
    """
    from nbanalytics.municipal import import_files

    with waiting("importing files"):
        said = import_files.import_files(paths, key, out, mapping)
    for line in said:
        tell(line)
