"""The command line: registers the commands and prints each error as one message."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer

from nbanalytics.commands.check import check
from nbanalytics.commands.cohorts import cohorts
from nbanalytics.commands.explore import explore, staff
from nbanalytics.commands.export import export, report
from nbanalytics.commands.handover import handover
from nbanalytics.commands.import_files import import_files, template
from nbanalytics.commands.release import release
from nbanalytics.commands.serve import serve
from nbanalytics.commands.simulate import simulate
from nbanalytics.commands.terminal import show, tell
from nbanalytics.commands.verify import verify
from nbanalytics.commands.workbook import workbook
from nbanalytics.errors import NbanalyticsError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _tell_version(asked: bool) -> None:
    if asked:
        show(f"nbanalytics {version('nbanalytics')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Grade progression research: cohorts, flows, drop points, and releases that a board can open.

    COMMAND --help describes each command. Exit status: 0 if all went well, 1 with one message that says what to fix, 2
    if the command line itself is wrong.
    """


app.command()(check)
app.command("import")(import_files)
app.command()(cohorts)
app.command()(release)
app.command()(verify)
app.command()(serve)
app.command()(export)
app.command()(report)
app.command()(explore)
app.command()(staff)
app.command()(handover)
app.command()(workbook)
app.command()(template)
app.command()(simulate)


def main() -> None:
    """Run the command line; an error that the user can fix is one message, without a traceback."""
    _end_in_order()
    for stream in (sys.stdout, sys.stderr):
        # A console that is not UTF-8 shows ? for what it cannot show.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except NbanalyticsError as error:
        tell(f"Error: {error}")
        sys.exit(1)
    except BrokenPipeError:
        # The reader of the output went away (as `head` does): point stdout elsewhere so that exit is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        # Disk, permission and name errors that a command did not expect; never with the content of a file.
        where = error.filename or "a file"
        tell(f"Error: {where} cannot be used ({error.strerror}). Check the path and your rights to it.")
        sys.exit(1)
    except KeyboardInterrupt:
        tell("interrupted")
        sys.exit(130)
    except Exception as error:
        # An unexpected error: its message may contain a cell of a file.
        if os.environ.get("NBANALYTICS_TRACEBACK"):
            raise
        tell(
            f"Error: this is a bug in nbanalytics ({type(error).__name__} in {_place_of(error)}). Please report this "
            "line. NBANALYTICS_TRACEBACK=1 shows where it comes from; it may also show cells of your files."
        )
        sys.exit(1)


def _place_of(error: BaseException) -> str:
    """Return module and line of the package's own code where an error arose."""
    own = [
        (frame.f_globals.get("__name__", ""), line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__", "")).startswith("nbanalytics")
    ]
    return ":".join(map(str, own[-1])) if own else "a library"


def _end_in_order() -> None:
    """Remove half-written files when a signal ends a command, as after an error."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
