"""``nbanalytics check``: what files contain, and every fault in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import show, waiting, warn_if_open


def check(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Folders of records, municipal files, or a folder of such files."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    rejected: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Write the rejected rows here: file, row, column, reason; no content."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Key file of pseudonyms; without it a random key is used once and discarded."
        ),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Meaning of the columns of an absence list.")
    ] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Print a draft of that mapping, made from the list.")
    ] = False,
) -> None:
    """Report what the files contain: every fault with its rows and remedy, what was assumed, what is missing.

    Exit status: 0 clean, 1 usable with remarks, 2 unusable. A path that does not exist gives 1 and a message.

    Example: nbanalytics check my-records --rejected rejected.csv
    """
    from nbanalytics.municipal import import_files

    if suggest:
        show(import_files.suggested(paths))
        return
    for path in filter(import_files.holds_records, paths):
        warn_if_open(path)
    with waiting("reading files"):
        reports = import_files.check_paths(paths, key, mapping)
    if rejected is not None:
        import_files.write_rejected(reports, rejected)
    show(import_files.as_json(reports) if as_json else "\n\n".join(report.text() for report in reports))
    raise typer.Exit(max(report.exit_code for report in reports))
