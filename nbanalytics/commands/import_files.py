"""``nbanalytics import``: records made of a municipality's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import tell, waiting


def import_files(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Grade files, absence lists; or their folder.")],
    key: Annotated[Path, typer.Option(help="Key file for pseudonyms; made if it is missing. Keep it.")],
    out: Annotated[Path, typer.Option(help="Folder of records to write; older records there are replaced whole.")],
    mapping: Annotated[Path | None, typer.Option(help="Which columns of an absence list mean what (TOML).")] = None,
) -> None:
    """Make a folder of records from a municipality's files; identity numbers become pseudonyms on the way in."""
    from nbanalytics import cli_files

    with waiting("importing files"):
        said = cli_files.import_files(paths, key, out, mapping)
    for line in said:
        tell(line)
