"""``nbanalytics explore`` and ``staff``: pages over records, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from nbanalytics.commands.terminal import RecordsPath, tell

Port = Annotated[
    int | None, typer.Option(min=1, max=65535, metavar="PORT", help="Port on 127.0.0.1; by default from 8866.")
]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]


def explore(records: RecordsPath, port: Port = None, open_browser: Open = False) -> None:
    """Explore records: year 6 against year 9, student by student. On this machine only, behind a token.

    Runs until interrupted (Ctrl+C).

    Example: nbanalytics explore my-records --open
    """
    _serve(records, port, open_browser, "explorer")


def staff(records: RecordsPath, port: Port = None, open_browser: Open = False) -> None:
    """Show hand-over and support of records to the staff concerned. On this machine only, behind a token.

    Runs until interrupted (Ctrl+C).

    Example: nbanalytics staff my-records --open
    """
    _serve(records, port, open_browser, "staff")


def _serve(records: RecordsPath, port: int | None, open_browser: bool, page: str) -> None:
    tell(f"Reading the records in {records} …")
    from nbanalytics.serve.explore import explore as run

    run(records, port=port, open_browser=open_browser, announce=tell, page=page)
