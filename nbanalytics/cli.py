"""The command line: registers the commands, and tells in one message what a user can mend."""

from __future__ import annotations

import os
import sys

import typer

from nbanalytics.commands.check import check
from nbanalytics.commands.cohorts import cohorts
from nbanalytics.commands.explore import explore
from nbanalytics.commands.export import export
from nbanalytics.commands.handover import handover
from nbanalytics.commands.import_files import import_files
from nbanalytics.commands.release import release
from nbanalytics.commands.serve import serve
from nbanalytics.commands.simulate import simulate
from nbanalytics.commands.staff import staff
from nbanalytics.commands.template import template
from nbanalytics.commands.terminal import tell
from nbanalytics.commands.verify import verify
from nbanalytics.commands.workbook import workbook
from nbanalytics.errors import NbanalyticsError

app = typer.Typer(
    help="Grade progression research: cohorts, flows, drop points, and releases that a board can open.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(check)
app.command("import")(import_files)
app.command()(cohorts)
app.command()(release)
app.command()(verify)
app.command()(serve)
app.command()(export)
app.command()(explore)
app.command()(staff)
app.command()(handover)
app.command()(workbook)
app.command()(template)
app.command()(simulate)


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
