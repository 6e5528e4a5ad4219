"""``nbanalytics staff``: hand-over and support for the staff concerned, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import tell


def staff(
    records: Annotated[Path, typer.Argument(metavar="RECORDS", help="Folder of records (CSV, Parquet or Excel).")],
    port: Annotated[int | None, typer.Option(help="Port on 127.0.0.1; by default a free one from 8866.")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Show hand-over and support of records to the staff concerned. On this machine only, behind a token."""
    from nbanalytics.serve.explore import explore

    explore(records, port=port, open_browser=open_browser, announce=tell, page="staff")
