"""Write a static edition to a folder: as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nbanalytics.errors import NbanalyticsError
from nbanalytics.export.site import Site
from nbanalytics.files import replacing_folder

MARK = "nbanalytics-site.txt"
_SAYS = "Written by 'nbanalytics export', which replaces this folder as a whole.\n"


def write_site(site: Site, folder: str | Path, progress: Callable[[str], None] | None = None) -> Path:
    """Write a site to a folder; an older site there is replaced only when the new one is complete.

    Parameters
    ----------
    site
        The static edition of a release.
    folder
        New, empty, or an older site; nothing else is overwritten.
    progress
        Told in words what is being done.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    NbanalyticsError
        If the folder holds something else, or the disk does not take the files; nothing is changed then.
    """
    target = Path(folder).absolute()
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not (target / MARK).is_file())):
        raise NbanalyticsError(
            f"{target.name} holds something that 'nbanalytics export' did not write, so nothing was written. "
            "Give a new or empty folder."
        )
    try:
        with replacing_folder(target) as fresh:
            files = list(site.files())
            for number, (address, asset) in enumerate(files, start=1):
                if progress is not None:
                    progress(f"file {number} of {len(files)}")
                path = fresh / address
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(asset.body)
            (fresh / MARK).write_text(_SAYS, encoding="utf-8")
    except OSError as fault:
        raise NbanalyticsError(
            f"the site could not be written to {target.name} ({fault.strerror}); what was there is untouched. "
            "Check the disk and your rights to the folder, then try again."
        ) from None
    return target
