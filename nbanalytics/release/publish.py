"""Publish a release: only if the attack on it fails, alone and together with all that was published before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nbanalytics.errors import DisclosureError, ReleaseError
from nbanalytics.release.files import MANIFEST, read_release, write_release
from nbanalytics.release.ledger import Ledger
from nbanalytics.release.model import Release
from nbanalytics.release.verify import Verification, verify

Progress = Callable[[str], None]
#: The engine has replayed its witnesses already: the attack needs less time than an outsider's.
_SECONDS = 20.0


def publish_release(
    release: Release,
    folder: str | Path,
    ledger: str | Path | None = None,
    progress: Progress | None = None,
    seconds: float = _SECONDS,
) -> Verification:
    """Attack a release and write it if nothing was found; note it in the ledger.

    Parameters
    ----------
    release : Release
    folder : path
        New, empty, or an older release, which is replaced whole.
    ledger : path, optional
        File of what was published before; made if it is missing.
    progress : callable, optional
        Told in words what is being done.
    seconds : float
        See :func:`nbanalytics.release.verify.verify`.

    Returns
    -------
    Verification
        Of the release by itself.

    Raises
    ------
    DisclosureError
        If the attack finds anything, in the release or in it together with earlier ones. Nothing is written then.
    ReleaseError
        If the ledger misses a release, also the one that is to be replaced; or a file cannot be written.
    """
    target = Path(folder)
    book = Ledger(Path(ledger)) if ledger is not None else None
    earlier = _earlier(book, release, target)
    alone = verify([release], progress, seconds)
    if not alone.holds:
        raise DisclosureError(
            f"Nothing was written: the attack on the release finds {len(alone.table)} weaknesses.\n{alone.text(5)}\n"
            "Cross fewer filters, or take cohorts or schools together."
        )
    if earlier:
        _refuse_together(release, earlier, progress, seconds)
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


def _earlier(book: Ledger | None, release: Release, target: Path) -> list[Release]:
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
    return [entry for entry in earlier if entry.manifest["checksum"] != release.manifest["checksum"]]


def _refuse_together(release: Release, earlier: Sequence[Release], progress: Progress | None, seconds: float) -> None:
    together = verify([*earlier, release], progress, seconds)
    if together.holds:
        return
    before = verify(earlier, progress, seconds)
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
