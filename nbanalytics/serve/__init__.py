"""Serve a release's dashboards on this machine: a gallery, the listed dashboards, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nbanalytics.errors import NbanalyticsError
from nbanalytics.export import Dashboard, dashboards_folder, find_dashboards, open_verified
from nbanalytics.serve.gate import access

if TYPE_CHECKING:
    from nbanalytics.release import Release

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
    live_limit: int = 60,
    dashboards: str | Path | None = None,
    address: str = "127.0.0.1",
    names: Sequence[str] = (),
    base_url: str = "/",
    public: bool = False,
    idle: int = 900,
) -> None:
    """Serve the dashboards of a release until interrupted.

    Everybody who has not shown the token is refused, unless the server is reached from this machine alone, or is
    declared public and the release withstands the attack of ``nbanalytics verify``.

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
        How many pages with a kernel may be open at the same time, a fifth of them by one visitor; further visitors are
        led to the static pages.
    dashboards
        Folder of the dashboards; the project's own when left out.
    address
        IP address to listen on.
    names
        Further hosts that it is reached by, such as the name that a proxy answers to.
    base_url
        Path under which a proxy passes requests on.
    public
        Whether everybody may read.
    idle
        Seconds without a choice after which a live page's kernel ends; the page gets another one when it needs it.

    Raises
    ------
    ReleaseError
        If the release is missing, incomplete or altered; nothing is started then.
    NbanalyticsError
        If the port is taken, the server cannot be reached at its address, or a public release does not hold.
    """
    folder = Path(release) if release is not None else default_release()
    opened = open_verified(folder)
    entrance = access(address, names, base_url, public)
    if public:
        refuse_weak(opened)
    # Voila and its server cost a second to import; a faulty release is reported before that.
    from nbanalytics.serve.app import run
    from nbanalytics.serve.settings import Limits

    listed = find_dashboards(Path(dashboards) if dashboards is not None else None)
    limits = Limits(live_limit, idle, each=max(live_limit // 5, 1))
    run(opened, folder.resolve(), listed, port, open_browser, announce, entrance, limits)


def refuse_weak(release: Release, seconds: float = 10.0) -> None:
    """Attack a release that everybody is about to read, and add up its witnesses.

    Parameters
    ----------
    release
        A release.
    seconds
        How long tables are searched for. The witnesses show within two seconds what the search may have left open.

    Raises
    ------
    NbanalyticsError
        If an outsider can compute something of its hidden cells, or a witness is not a possible table of it.
    """
    from nbanalytics.release.verify import verify
    from nbanalytics.release.witnesses import replay

    weaknesses = len(replay(release).table) if release.witnesses is not None else 0
    weaknesses = weaknesses or len(verify([release], seconds=seconds).table)
    if weaknesses:
        raise NbanalyticsError(
            f"the release does not hold, so it is not served to the public: {weaknesses} weaknesses. "
            "'nbanalytics verify', or the same with --replay, names them; leave out --public to serve it behind a token"
        )
