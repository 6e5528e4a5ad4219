"""The static edition: a release's dashboards as plain files, for any web server, a folder or an e-mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nbanalytics.errors import ReleaseError
from nbanalytics.export.dashboards import Dashboard, dashboards_folder, find_dashboards
from nbanalytics.export.site import Site, write_site
from nbanalytics.schema import IDENTITY_NUMBER

if TYPE_CHECKING:
    from nbanalytics.release import Release

__all__ = ["Dashboard", "Site", "dashboards_folder", "export", "find_dashboards", "open_verified", "write_site"]


def open_verified(folder: Path) -> Release:
    """Read a release; raise a ReleaseError if it is not a release, is altered, or cannot be read for another reason."""
    from nbanalytics.release import read_release

    try:
        return read_release(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ReleaseError(
            f"the release in {folder} cannot be read ({fault}); build it anew with 'nbanalytics release'"
        ) from fault


def _refuse_identity_numbers(release: Release) -> None:
    """Raise a ReleaseError if a value of a published table may be a personal identity number."""
    words = {
        word
        for table in release.tables.values()
        for name in table.columns.difference(["value", "status"])
        for word in table[name].astype(str).unique()
    }
    if any(re.search(IDENTITY_NUMBER, word) for word in words):
        raise ReleaseError(
            "the release holds what looks like a personal identity number, and nothing was written",
            "Replace it by a pseudonym in the records, and make the release anew.",
        )


def export(
    release: str | Path, out: str | Path, lang: str = "sv", progress: Callable[[str], None] | None = None
) -> Path:
    """Write the static edition of a release.

    Parameters
    ----------
    release
        Folder of the release; it is read only if its checksums are right.
    out
        Folder to write: new, empty, or an older site.
    lang
        Language that the site opens in, ``"sv"`` or ``"en"``; each page has a switch to the other one.
    progress
        Called with a message at each step.

    Returns
    -------
    Path
        The folder, with ``index.html``, a page for each dashboard that needs no kernel, ``assets/`` and ``data/``.

    Raises
    ------
    ReleaseError
        If the release is missing, altered or of a newer version.
    NbanalyticsError
        If the folder holds something else, or the files cannot be written; nothing is changed then.
    """
    from nbanalytics.export.frame import FILE_POLICY

    opened = open_verified(Path(release))
    _refuse_identity_numbers(opened)
    site = Site(opened, find_dashboards(), lang, policy=FILE_POLICY)
    return write_site(site, out, progress)
