"""Serve a release's dashboards on this machine: a gallery, the listed dashboards, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from nbanalytics.export import Dashboard, dashboards_folder, find_dashboards, open_verified

__all__ = ["LIVE_LIMIT", "Dashboard", "dashboards_folder", "default_release", "find_dashboards", "serve"]

#: Viewers of pages with a kernel at the same time; a kernel takes some 40 MB.
LIVE_LIMIT = 60


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
    live_limit: int = LIVE_LIMIT,
    dashboards: str | Path | None = None,
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
    live_limit
        How many pages with a kernel may be open at the same time; further visitors are led to the static pages.
    dashboards
        Folder of the dashboards; the project's own when left out.

    Raises
    ------
    ReleaseError
        If the release is missing, incomplete or altered; nothing is started then.
    NbanalyticsError
        If the port is taken.
    """
    folder = Path(release) if release is not None else default_release()
    opened = open_verified(folder)
    # Voila and its server cost a second to import; a faulty release is told before that.
    from nbanalytics.serve.app import run

    listed = find_dashboards(Path(dashboards) if dashboards is not None else None)
    run(opened, folder.resolve(), listed, port, open_browser, announce, live_limit)
