"""``nbanalytics explore``: the researcher's explorer of records, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from nbanalytics.commands.terminal import RecordsPath, tell


def explore(
    records: RecordsPath,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="PORT", help="Port on 127.0.0.1; by default from 8866.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Explore records: year 6 against year 9, student by student. On this machine only, behind a token.

    Runs until interrupted (Ctrl+C).

    Example: nbanalytics explore my-records --open
    """
    tell(f"Reading the records in {records} …")
    from nbanalytics.serve.explore import explore as run

    run(records, port=port, open_browser=open_browser, announce=tell)
