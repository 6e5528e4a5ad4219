"""``nbanalytics template``: the empty form of the baseline analysis, for a school to fill in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import tell
from nbanalytics.errors import DataError


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
