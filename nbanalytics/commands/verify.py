"""``nbanalytics verify``: attack published releases with only what is in their folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import show, waiting


def verify(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RELEASE", help="Folders of releases; several are attacked together.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Weaknesses and counts as JSON.")] = False,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.0, metavar="SECONDS", help="How long to search for tables that show that hidden counts are open."
        ),
    ] = 60.0,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Only add up the witnesses that each release was published with; no solver."),
    ] = False,
) -> None:
    """Report what an outsider can compute about the hidden cells of one or more releases, taken together.

    Exit status: 0 if nothing was found, 1 if there are weaknesses or a folder is not a release as it was published.

    With --replay: 1 if a witness is not a possible table, or a hidden count has none.

    Example: nbanalytics verify my-release
    """
    from nbanalytics.release.files import read_release
    from nbanalytics.release.verify import verify as attack

    if replay:
        raise typer.Exit(_replayed(folders, as_json))
    with waiting("attacking") as step:
        found = attack([read_release(folder) for folder in folders], step, seconds)
    if as_json:
        weaknesses = found.table.to_dict("records")
        said = {"holds": found.holds, "weaknesses": weaknesses, **found.settings, "counts": dict(found.counts)}
        show(json.dumps(said, ensure_ascii=False))
    else:
        show(found.text())
    raise typer.Exit(0 if found.holds else 1)


def _replayed(folders: list[Path], as_json: bool) -> int:
    """Replay the witnesses of each release by itself; return the exit status."""
    from nbanalytics.release.files import read_release
    from nbanalytics.release.witnesses import replay

    with waiting("replaying"):
        found = [replay(read_release(folder)) for folder in folders]
    if as_json:
        said = [{"holds": one.holds, "wrong": one.table.to_dict("records"), **one.settings, "counts": dict(one.counts)}
                for one in found]  # fmt: skip
        show(json.dumps(said, ensure_ascii=False))
    else:
        show("\n".join(one.text() for one in found))
    return 0 if all(one.holds for one in found) else 1
