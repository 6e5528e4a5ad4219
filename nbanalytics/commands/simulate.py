"""``nbanalytics simulate``: a synthetic municipality to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import tell, waiting


def simulate(
    out: Annotated[Path, typer.Option(help="Folder to write; made if it is missing.")],
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same bytes.")] = None,
) -> None:
    """Write a synthetic municipality whose truth is known."""
    from nbanalytics.simulate import DEFAULT_SEED, write_sample

    with waiting("simulating a municipality"):
        simulation = write_sample(out, seed=DEFAULT_SEED if seed is None else seed)
    cohorts = simulation.records.cohorts()
    tell(f"{len(simulation.records.students)} synthetic students of cohorts {cohorts[0]}-{cohorts[-1]} in {out}")
