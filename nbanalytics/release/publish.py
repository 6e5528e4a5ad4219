"""Publish a release: only if the attack on it fails, alone and together with all that was published before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from nbanalytics.errors import DisclosureError, ReleaseError
from nbanalytics.release.files import MANIFEST, as_published, read_release, write_release
from nbanalytics.release.ledger import Ledger
from nbanalytics.release.model import Release
from nbanalytics.release.verify import Verification, verify
from nbanalytics.release.witnesses import replay, with_witnesses

Progress = Callable[[str], None]
_REMEDY = "Cross fewer filters, or take cohorts or schools together."


def publish_release(
    release: Release,
    folder: str | Path,
    ledger: str | Path | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Attack a release and write it, with the witnesses that the attack found, if nothing is left to be learnt.

    The attack is on what the files will say, and takes as long as it needs: the same release is the same, byte for
    byte, on a fast machine and on a slow one.

    Parameters
    ----------
    release : Release
    folder : path
        New, empty, or an older release, which is replaced whole.
    ledger : path, optional
        File of what was published before; made if it is missing.
    progress : callable, optional
        Told in words what is being done.

    Returns
    -------
    Verification
        Of the release by itself.

    Raises
    ------
    DisclosureError
        If the attack finds anything, in the release or in it together with earlier ones, or if a hidden count is
        not shown to be open. Nothing is written then, and what stands in the folder stays.
    ReleaseError
        If the ledger misses a release, also the one that is to be replaced; or a file cannot be written.
    """
    target = Path(folder)
    book = Ledger(Path(ledger)) if ledger is not None else None
    earlier = _earlier(book, target)
    release = as_published(release)
    alone = verify([release], progress, np.inf)
    if not alone.holds:
        raise DisclosureError(
            f"Nothing was written: the attack on the release finds {len(alone.table)} weaknesses.\n{alone.text(5)}\n"
            f"{_REMEDY}"
        )
    release = _witnessed(release, alone)
    earlier = [entry for entry in earlier if entry.manifest["checksum"] != release.manifest["checksum"]]
    if earlier:
        _refuse_together(release, earlier, progress)
    if book is None or book.knows(release):
        write_release(release, target)
        return alone
    # Noted first: a release that is out must be in the ledger, whatever happens in between.
    book.append(release, target.name)
    try:
        write_release(release, target)
    except ReleaseError:
        book.take_back(release)
        raise
    return alone


def _witnessed(release: Release, attacked: Verification) -> Release:
    """Add the tables that the attack found to a release, and see what they show; refuse what they do not."""
    unproven = attacked.counts["unproven"]
    if attacked.tables is None or unproven:
        raise DisclosureError(
            f"Nothing was written: {unproven} of {attacked.counts['hidden']} hidden counts are unproven. No table was "
            f"found that shows them to be open, and no weakness either. {_REMEDY}"
        )
    witnessed = with_witnesses(release, attacked.tables)
    replayed = replay(witnessed)
    if not replayed.holds:
        raise DisclosureError(f"Nothing was written: the witnesses of the release do not hold.\n{replayed.text()}")
    return witnessed


def _earlier(book: Ledger | None, target: Path) -> list[Release]:
    """Read what was published before; the release that stands in the folder must be among it."""
    if book is None:
        return []
    earlier = book.releases()
    known = {entry.manifest["checksum"] for entry in earlier}
    if (target / MANIFEST).is_file():
        standing = read_release(target)
        if standing.manifest["checksum"] not in known:
            raise ReleaseError(
                f"The ledger {book.path.name} misses the release of {standing.manifest['created']} that stands in "
                f"{target.name}. Give the ledger that it was published with."
            )
    return earlier


def _refuse_together(release: Release, earlier: Sequence[Release], progress: Progress | None) -> None:
    together = verify([*earlier, release], progress, np.inf)
    if together.holds and not together.counts["unproven"]:
        return
    before = verify(earlier, progress, np.inf)
    known = set(before.table[["kind", "where"]].itertuples(index=False, name=None))
    fresh = together.table[
        [pair not in known for pair in together.table[["kind", "where"]].itertuples(index=False, name=None)]
    ]
    if len(fresh):
        lines = "\n".join(f"{row.kind}: {row.where}: {row.says}" for row in fresh.head(5).itertuples())
        raise DisclosureError(
            f"Nothing was written: together with {len(earlier)} earlier releases it has {len(fresh)} weaknesses.\n"
            f"{lines}\nPublish the same cohorts, filters and tables as before, or wait until more students are added."
        )
    unproven = together.counts["unproven"] - before.counts["unproven"]
    if unproven > 0:
        raise DisclosureError(
            f"Nothing was written: together with {len(earlier)} earlier releases {unproven} more hidden counts are "
            "unproven. Publish the same cohorts, filters and tables as before."
        )
