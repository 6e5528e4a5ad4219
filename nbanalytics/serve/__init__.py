"""Serve a release's dashboards on this machine: a gallery, the listed dashboards, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from nbanalytics.errors import ReleaseError
from nbanalytics.serve.dashboards import Dashboard, dashboards_folder, find_dashboards

__all__ = ["Dashboard", "dashboards_folder", "default_release", "find_dashboards", "serve"]


def _to_stdout(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def default_release() -> Path:
    """Return the release that is served when none is named: the sample beside the dashboards."""
    return dashboards_folder() / "release"


def serve(
    release: str | Path | None = None,
    port: int | None = None,
    open_browser: bool = False,
    announce: Callable[[str], None] = _to_stdout,
) -> None:
    """Serve the dashboards of a release on 127.0.0.1 until interrupted.

    Parameters
    ----------
    release
        Folder of the release; the sample's when left out.
    port
        Port to listen on; the first free one from 8866 when left out, any free one for 0.
    open_browser
        Whether to open the gallery in the default browser.
    announce
        Called with each line for the user, the address among them.

    Raises
    ------
    ReleaseError
        If the release is missing, incomplete or altered; nothing is started then.
    NbanalyticsError
        If the port is taken.
    """
    from nbanalytics.release import read_release

    folder = Path(release) if release is not None else default_release()
    try:
        opened = read_release(folder)
    except (OSError, ValueError, KeyError) as fault:
        raise ReleaseError(
            f"the release in {folder} cannot be read ({fault}); build it anew with 'nbanalytics release'"
        ) from fault
    # Voila and its server cost a second to import; a faulty release is told before that.
    from nbanalytics.serve.app import run

    run(opened, folder, find_dashboards(), port, open_browser, announce)
