"""``nbanalytics simulate``: a synthetic municipality to try things out on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import tell, waiting, warn_of
from nbanalytics.errors import DataError


def simulate(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="New, empty, or an older synthetic municipality.")],
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same bytes.")] = None,
) -> None:
    """Write the records of a synthetic municipality whose true parameters are known.

    Example: nbanalytics simulate --out my-sample --seed 1
    """
    from nbanalytics.declaration import DECLARATION_FILE, read_declaration
    from nbanalytics.files import is_open
    from nbanalytics.simulation import DEFAULT_SEED, write_sample

    held = sum(1 for _ in out.iterdir()) if out.is_dir() else 0
    if held and not read_declaration(out / DECLARATION_FILE).synthetic:
        raise DataError(
            f"The folder {out} has {held} files and is not a synthetic municipality, so nothing was written",
            "Give a new or empty folder.",
        )
    with waiting("simulating a municipality"):
        simulation = write_sample(out, seed=DEFAULT_SEED if seed is None else seed)
    if is_open(out):
        warn_of(out)
    cohorts = simulation.records.cohorts()
    tell(f"{len(simulation.records.students)} synthetic students of cohorts {cohorts[0]}-{cohorts[-1]} in {out}")
