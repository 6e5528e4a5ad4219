"""``nbanalytics import``: records from a municipality's files; ``nbanalytics template``: a form to fill in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import tell, waiting, warn_if_open
from nbanalytics.errors import DataError


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


def template(
    out: Annotated[Path, typer.Argument(metavar="FILE.xlsx", help="Excel file to write; it must not exist.")],
    school: Annotated[str | None, typer.Option(help="Name of the school, filled in on every row.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows to fill in.")] = 40,
) -> None:
    """Write the empty form of the baseline analysis (nulägesanalys), with lists to choose from and instructions.

    Example: nbanalytics template ekskolan.xlsx --school Ekskolan --rows 60
    """
    from nbanalytics.excel import refuse_other_names
    from nbanalytics.municipal.baseline_form import write_template

    if out.exists():
        raise DataError(
            f"{out.name} exists and may be filled in, so it was not overwritten", "Give the name of a new file."
        )
    refuse_other_names(out)
    write_template(out, school, rows)
    tell(f"{rows} rows to fill in; read it back with 'nbanalytics check {out.name}'")
