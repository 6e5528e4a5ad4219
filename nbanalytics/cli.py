"""The command line: ``nbanalytics simulate | check | import | cohorts | release | serve``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbanalytics.commands.explore import explore
from nbanalytics.commands.export import export
from nbanalytics.commands.handover import handover
from nbanalytics.commands.staff import staff
from nbanalytics.commands.template import template
from nbanalytics.commands.terminal import tell, waiting
from nbanalytics.commands.verify import verify
from nbanalytics.commands.workbook import workbook
from nbanalytics.errors import NbanalyticsError, ReleaseError

if TYPE_CHECKING:
    import pandas as pd

    from nbanalytics.cohorts import Classification
    from nbanalytics.records import StudentRecords

app = typer.Typer(
    help="Grade progression research: cohorts, flows, drop points, and releases that a board can open.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

#: What DuckDB may take of a national register at once; the rest waits on disk, and a laptop stays usable.
MEMORY = "600MB"
LOOPBACK = "127.0.0.1"

app.command()(export)
app.command()(explore)
app.command()(template)
app.command()(handover)
app.command()(staff)
app.command()(verify)
app.command()(workbook)

RecordsPath = Annotated[Path, typer.Argument(metavar="PATH", help="Folder of records (CSV, Parquet or Excel).")]


@app.command()
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


@app.command()
def check(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="A folder of records, or files as a municipality has them.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    rejected: Annotated[
        Path | None, typer.Option(help="Write the rejected rows here: file, row, column, reason; no content.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Key file; without one a key is drawn and thrown away.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="Which columns of an absence list mean what (TOML).")] = None,
    suggest: Annotated[bool, typer.Option("--suggest", help="Draft that mapping from the list itself.")] = False,
) -> None:
    """Tell what the files hold: every fault with its rows and remedy, what was assumed, what is missing.

    Exit status: 0 clean, 1 usable with remarks, 2 cannot be used.
    """
    from nbanalytics import cli_files

    if suggest:
        typer.echo(cli_files.suggested(paths))
        return
    with waiting("reading files"):
        reports = cli_files.check_paths(paths, key, mapping)
    if rejected is not None:
        cli_files.write_rejected(reports, rejected)
    typer.echo(cli_files.as_json(reports) if as_json else "\n\n".join(report.text() for report in reports))
    raise typer.Exit(max(report.exit_code for report in reports))


@app.command("import")
def import_(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Grade files, absence lists; or their folder.")],
    key: Annotated[Path, typer.Option(help="Key file for pseudonyms; made if it is missing. Keep it.")],
    out: Annotated[Path, typer.Option(help="Folder of records to write; older records there are replaced whole.")],
    mapping: Annotated[Path | None, typer.Option(help="Which columns of an absence list mean what (TOML).")] = None,
) -> None:
    """Make a folder of records from a municipality's files; identity numbers become pseudonyms on the way in."""
    from nbanalytics.cli_files import import_files

    with waiting("importing files"):
        said = import_files(paths, key, out, mapping)
    for line in said:
        tell(line)


@app.command()
def cohorts(
    path: RecordsPath,
    cohort: Annotated[int | None, typer.Option(help="Year in which the cohort leaves; by default all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object, or a list of one for each cohort.")] = False,
) -> None:
    """Count the six groups of a cohort, the subgroups of group 6, and who has no group and why."""
    from nbanalytics.cohorts import classify
    from nbanalytics.readers import open_records

    with waiting("reading records"):
        records = open_records(path, memory_limit=MEMORY)
        if cohort is not None:
            records = records.cohort(cohort)
    with waiting("classifying students"):
        classification = classify(records)
        summaries = summarise(records, classification)
    if as_json:
        typer.echo(json.dumps(summaries[0] if cohort is not None else summaries, ensure_ascii=False))
    else:
        typer.echo("\n\n".join(_in_words(summary) for summary in summaries))


@app.command()
def release(
    path: RecordsPath,
    out: Annotated[Path, typer.Option(help="Folder of the release; an older release there is replaced whole.")],
    title: Annotated[str | None, typer.Option(help="Title; by default made of the records' name.")] = None,
    created: Annotated[str | None, typer.Option(help="Date as YYYY-MM-DD; by default today.")] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy in TOML, stricter than the default.")] = None,
    declare: Annotated[Path | None, typer.Option(help="What the release says (TOML); by default all.")] = None,
    known: Annotated[Path | None, typer.Option(help="CSV of counts that are public already.")] = None,
    ledger: Annotated[Path | None, typer.Option(help="File of what was published before; made if missing.")] = None,
    round_: Annotated[bool, typer.Option("--round", help="Round small counts instead of hiding them.")] = False,
    key: Annotated[Path | None, typer.Option(help="Key file of --round; by default beside the ledger.")] = None,
) -> None:
    """Make the closed set of protected tables that the board's dashboards read; written only if an attack fails."""
    from nbanalytics.disclosure import Policy, read_policy
    from nbanalytics.readers import open_records
    from nbanalytics.release.build import build_release
    from nbanalytics.release.declared import read_declared
    from nbanalytics.release.known import read_known
    from nbanalytics.release.publish import publish_release
    from nbanalytics.release.report import ReleaseReport
    from nbanalytics.release.rounded import rounding_secret

    if key is not None and not round_:
        raise ReleaseError("--key is the key of the rounding. Give --round with it, or leave it out.")
    chosen = read_policy(policy) if policy is not None else Policy()
    contents = read_declared(declare) if declare is not None else None
    public = read_known(known) if known is not None else None
    with waiting("reading records"):
        records = open_records(path, memory_limit=MEMORY)
    with waiting("building the release") as step:
        built = build_release(
            records,
            chosen,
            title=title,
            created=created,
            progress=step,
            contents=contents,
            known=public,
            secret=rounding_secret(key, ledger) if round_ else None,
        )
    with waiting("attacking the release") as step:
        attacked = publish_release(built, out, ledger, step)
    tell(f"{ReleaseReport.read(built.manifest)}\n{attacked.text()}\nwritten to {out}")


@app.command()
def serve(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[RELEASE]", help="Folder of a release; by default the sample's.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port; by default a free one from 8866.")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the gallery in the browser.")] = False,
    address: Annotated[str, typer.Option(help="IP address to listen on; with others a token is asked for.")] = LOOPBACK,
    name: Annotated[list[str] | None, typer.Option(help="Host that a proxy answers to, such as skola.example.")] = None,
    base_url: Annotated[str, typer.Option(help="Path under which a proxy passes requests on.")] = "/",
    public: Annotated[bool, typer.Option("--public", help="No token; only if an attack on the release fails.")] = False,
) -> None:
    """Serve the dashboards of a release, to this machine or behind a proxy; others need the token that is told."""
    from nbanalytics.serve import serve as run

    run(
        folder,
        port=port,
        open_browser=open_browser,
        announce=tell,
        address=address,
        names=name or (),
        base_url=base_url,
        public=public,
    )


def summarise(records: StudentRecords, classification: Classification) -> list[dict[str, Any]]:
    """Counts of each cohort as the JSON of ``nbanalytics cohorts`` holds them.

    The subgroups need to know who became eligible in the summer, so without outcomes there are none.
    """
    from nbanalytics.cohorts import subgroups

    divided = subgroups(records, classification).counts if records.outcomes is not None else None
    summaries = []
    for cohort in sorted(classification.counts["cohort"].unique()):
        groups = _counts(classification.counts, cohort, "group")
        unclassified = _counts(classification.unclassified, cohort, "reason")
        summaries.append(
            {
                "cohort": int(cohort),
                "students": sum(groups.values()) + sum(unclassified.values()),
                "groups": groups,
                "subgroups": {} if divided is None else _counts(divided, cohort, "subgroup"),
                "unclassified": unclassified,
            }
        )
    return summaries


def _counts(table: pd.DataFrame, cohort: int, name: str) -> dict[str, int]:
    of_cohort = table[table["cohort"] == cohort]
    return {str(key): int(number) for key, number in zip(of_cohort[name], of_cohort["students"], strict=True)}


_MEANINGS = {
    "1": "eligible in both terms, positive development",
    "2": "eligible in both terms, negative development",
    "3": "eligible in neither, negative development",
    "4": "eligible in neither, positive development",
    "5": "became eligible",
    "6": "lost eligibility",
}


def _in_words(summary: dict[str, Any]) -> str:
    lines = [f"Cohort {summary['cohort']}: {summary['students']} students"]
    lines += [f"  group {group} {count:>8}  {_MEANINGS[group]}" for group, count in summary["groups"].items()]
    lines += [f"    of group 6, {name:<6} {count:>6}" for name, count in summary["subgroups"].items()]
    lines += [f"  no group {count:>7}  {reason}" for reason, count in summary["unclassified"].items()]
    return "\n".join(lines)


def main() -> None:
    """Run the command line; what a user can mend is told in one message, without a traceback."""
    try:
        app()
    except NbanalyticsError as error:
        tell(f"Error: {error}")
        sys.exit(1)
    except BrokenPipeError:
        # The reader of the output went away (as `head` does): point stdout elsewhere so that exit is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        tell("interrupted")
        sys.exit(130)
