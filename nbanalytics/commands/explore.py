"""``nbanalytics explore``: the researcher's explorer of records, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import tell


def explore(
    records: Annotated[Path, typer.Argument(metavar="RECORDS", help="Folder of records (CSV, Parquet or Excel).")],
    port: Annotated[int | None, typer.Option(help="Port on 127.0.0.1; by default a free one from 8866.")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Explore records: year 6 against year 9, student by student. On this machine only, behind a token."""
    from nbanalytics.serve.explore import explore as run

    run(records, port=port, open_browser=open_browser, announce=tell)
