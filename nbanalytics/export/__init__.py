"""The static edition: a release's dashboards as plain files, for any web server, a folder or an e-mail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nbanalytics.errors import ReleaseError
from nbanalytics.export.dashboards import Dashboard, dashboards_folder, find_dashboards
from nbanalytics.export.site import Site, write_site

if TYPE_CHECKING:
    from nbanalytics.release import Release

__all__ = ["Dashboard", "Site", "dashboards_folder", "export", "find_dashboards", "open_verified", "write_site"]


def open_verified(folder: Path) -> Release:
    """Read a release, and tell whatever is wrong with it in words.

    Parameters
    ----------
    folder
        Folder of the release.

    Returns
    -------
    Release
        Its checksums fit.

    Raises
    ------
    ReleaseError
        If it is no release, is altered, or cannot be read for another reason.
    """
    from nbanalytics.release import read_release

    try:
        return read_release(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ReleaseError(
            f"the release in {folder} cannot be read ({fault}); build it anew with 'nbanalytics release'"
        ) from fault


def export(
    release: str | Path, out: str | Path, lang: str = "sv", progress: Callable[[str], None] | None = None
) -> Path:
    """Write the static edition of a release.

    Parameters
    ----------
    release
        Folder of the release; it is read only if it is what was published.
    out
        Folder to write: new, empty, or an older site.
    lang
        Language that the site opens in, ``"sv"`` or ``"en"``; the other one is a switch on each page.
    progress
        Told in words what is being done.

    Returns
    -------
    Path
        The folder, with ``index.html``, a page for each dashboard that needs no kernel, ``assets/`` and ``data/``.

    Raises
    ------
    ReleaseError
        If the release is missing, altered or of a newer version.
    NbanalyticsError
        If the folder holds something else, or the disk does not take the files; nothing is changed then.
    """
    from nbanalytics.export.frame import FILE_POLICY

    site = Site(open_verified(Path(release)), find_dashboards(), lang, policy=FILE_POLICY)
    return write_site(site, out, progress)
