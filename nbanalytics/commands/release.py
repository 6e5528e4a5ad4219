"""``nbanalytics release``: the protected tables that a board may see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import RecordsPath, opened, tell, waiting
from nbanalytics.errors import ReleaseError


def release(
    path: RecordsPath,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of the release; an older release there is replaced.")
    ],
    title: Annotated[str | None, typer.Option(help="Title; by default made from the records' name.")] = None,
    created: Annotated[str | None, typer.Option(metavar="DATE", help="Date as YYYY-MM-DD; by default today.")] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Disclosure policy, stricter than the default.")
    ] = None,
    declare: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Filters, tables and measures; by default all.")
    ] = None,
    known: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Counts that are already public.")] = None,
    ledger: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What was published before; created if missing.")
    ] = None,
    round_: Annotated[bool, typer.Option("--round", help="Round small counts instead of hiding them.")] = False,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Key file of --round; by default beside the ledger.")
    ] = None,
    require_headline: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="SHARE",
            help="Write nothing unless this share of the views with one filter shows how many lost eligibility.",
        ),
    ] = None,
) -> None:
    """Build the protected tables that the board's dashboards read; written only if an attack on them fails.

    docs/disclosure.md describes what is hidden and why, and the format of the files; docs/rounding.md describes
    --round.

    Example: nbanalytics release my-records --out my-release --ledger releases.ledger
    """
    from nbanalytics.disclosure import Policy, read_policy
    from nbanalytics.release.build import build_release
    from nbanalytics.release.declared import read_declared
    from nbanalytics.release.files import refuse_other_folder
    from nbanalytics.release.knowledge import read_known
    from nbanalytics.release.ledger import publish_release, refuse_in_public, rounding_secret
    from nbanalytics.release.report import ReleaseReport, headline

    if key is not None and not round_:
        raise ReleaseError("--key is the key of the rounding and needs --round", "Add --round, or leave --key out.")
    refuse_other_folder(out)
    refuse_in_public(out, ledger, key)
    chosen = read_policy(policy) if policy is not None else Policy()
    contents = read_declared(declare) if declare is not None else None
    public = read_known(known) if known is not None else None
    records = opened(path)
    with waiting("building the release") as step:
        built = build_release(
            records,
            chosen,
            title=title,
            created=created,
            progress=step,
            contents=contents,
            known=public,
            secret=rounding_secret(key, ledger, step) if round_ else None,
        )
    shown = headline(built)
    if require_headline is not None:
        shown.refuse_below(require_headline)
    with waiting("attacking the release") as step:
        attacked = publish_release(built, out, ledger, step)
    tell(f"{shown.text()}\n{ReleaseReport.read(built.manifest)}\n{attacked.text()}\nwritten to {out}")
