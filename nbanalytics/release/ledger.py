"""The ledger: what was published, in order, so that nothing new is published that gives it away."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from nbanalytics.errors import DisclosureError, ReleaseError
from nbanalytics.files import replacing_file
from nbanalytics.release.files import MANIFEST, as_published, is_published, read_release, write_release
from nbanalytics.release.model import Release
from nbanalytics.release.verify import Verification, verify
from nbanalytics.release.witnesses import replay, with_witnesses

Progress = Callable[[str], None]
#: What stands in the first entry for the entry before it.
_FIRST = "0" * 64
_KEYS = {"number", "date", "title", "manifest", "previous", "hash"}
_FORMER = {"where"}  # the folder's name, which earlier versions noted
_REMEDY = "Restore it from a backup: without all earlier releases the disclosure of a new one cannot be checked."


@dataclass(frozen=True)
class Ledger:
    """A file of what was published, one line of JSON for each release, and a folder beside it with their copies.

    Each entry holds the hash of the one before it, so that a line cannot be altered or taken out unnoticed. Entries and
    copies hold only what was published. Ledger and copies stay with the municipality, beside its records.

    Attributes
    ----------
    path : Path
        Such as ``releases.ledger``; the copies are in ``releases.ledger.d``.
    """

    path: Path

    def __post_init__(self) -> None:
        # The copies, the key and the lock lie beside the ledger itself, by whatever link it is named.
        object.__setattr__(self, "path", Path(self.path).resolve())

    @property
    def key(self) -> Path:
        """The key that rounds (see :func:`rounding_secret`)."""
        return self.path.with_name(self.path.name + ".key")

    @contextmanager
    def held(self, progress: Progress | None = None) -> Iterator[None]:
        """Lock the ledger: others who publish with it wait until this publication is complete.

        Parameters
        ----------
        progress : callable, optional
            Called with a message if another publication has to end first.

        Raises
        ------
        ReleaseError
            If the lock beside the ledger cannot be made.
        """
        lock = FileLock(self.path.with_name(self.path.name + ".lock"), mode=0o600)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if progress is not None:
                    progress(f"waiting for another publication with {self.path.name}")
                lock.acquire()
        except (OSError, NotImplementedError) as error:
            raise ReleaseError(
                f"The ledger {self.path.name} cannot be locked ({getattr(error, 'strerror', None) or error}), so "
                "nothing is published. Check your rights to its folder, or move the ledger to a local disk."
            ) from None
        try:
            yield
        finally:
            lock.release()

    @property
    def copies(self) -> Path:
        """The folder of copies, one for each release, named by the checksum of its manifest."""
        return self.path.with_name(self.path.name + ".d")

    def entries(self) -> list[dict[str, Any]]:
        """Read the entries and check that none is missing or altered.

        Raises
        ------
        ReleaseError
            If a line cannot be read, the chain is broken, or there is a copy that no entry names.
        """
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        except (OSError, UnicodeDecodeError):
            raise ReleaseError(f"The ledger {self.path.name} cannot be read. {_REMEDY}") from None
        entries, previous = [], _FIRST
        for number, line in enumerate(lines, 1):
            entry = self._entry(line, number)
            if entry["number"] != number or entry["previous"] != previous or entry["hash"] != _hash(entry):
                raise ReleaseError(
                    f"The ledger {self.path.name} misses a release, or was altered, at line {number}. {_REMEDY}"
                )
            entries.append(entry)
            previous = entry["hash"]
        known = {entry["manifest"] for entry in entries}
        held = [path.name for path in self.copies.iterdir() if path.is_dir()] if self.copies.is_dir() else []
        strange = [name for name in held if name not in known and not name.startswith(".")]
        if strange:
            raise ReleaseError(
                f"The ledger {self.path.name} misses {len(strange)} of the releases in {self.copies.name}. {_REMEDY}"
            )
        return entries

    def releases(self) -> list[Release]:
        """Read every release that was published, each once.

        Raises
        ------
        ReleaseError
            If the ledger misses one, a copy is gone, or a copy was altered.
        """
        found = {}
        for entry in self.entries():
            folder = self.copies / entry["manifest"]
            if not folder.is_dir():
                raise ReleaseError(
                    f"The ledger {self.path.name} misses the release of {entry['date']} (entry {entry['number']}): its "
                    f"copy in {self.copies.name} is gone. {_REMEDY}"
                )
            release = read_release(folder)
            if release.manifest["checksum"] != entry["manifest"]:
                raise ReleaseError(
                    f"The copy of entry {entry['number']} in {self.copies.name} is another release. {_REMEDY}"
                )
            found[entry["manifest"]] = release
        return list(found.values())

    def knows(self, release: Release) -> bool:
        """Whether a release was published already."""
        return any(entry["manifest"] == release.manifest["checksum"] for entry in self.entries())

    def append(self, release: Release) -> None:
        """Note that a release is published, and keep a copy of it.

        Parameters
        ----------
        release : Release

        Raises
        ------
        ReleaseError
            If the disk does not take it; the ledger is as before then.
        """
        entries = self.entries()
        checksum = str(release.manifest["checksum"])
        entry: dict[str, Any] = {
            "number": len(entries) + 1,
            "date": release.manifest["created"],
            "title": release.manifest["title"],
            "manifest": checksum,
            "previous": entries[-1]["hash"] if entries else _FIRST,
        }
        entry["hash"] = _hash(entry)
        try:
            self.copies.mkdir(parents=True, exist_ok=True)
            write_release(release, self.copies / checksum)
            with self.path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ReleaseError(
                f"The ledger {self.path.name} could not be written ({error.strerror}), so nothing is published. "
                "Check the disk and your rights to the folder."
            ) from None

    def take_back(self, release: Release) -> None:
        """Take out the last entry, of a release that could not be written where it was to be published."""
        entries = self.entries()
        checksum = release.manifest["checksum"]
        if not entries or entries[-1]["manifest"] != checksum:
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        with replacing_file(self.path) as fresh:
            fresh.write_text("".join(lines[:-1]), encoding="utf-8", newline="\n")
        if not any(entry["manifest"] == checksum for entry in entries[:-1]):
            shutil.rmtree(self.copies / str(checksum), ignore_errors=True)

    def _entry(self, line: str, number: int) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or set(entry) - _FORMER != _KEYS:
            raise ReleaseError(f"Line {number} of the ledger {self.path.name} is not an entry. {_REMEDY}")
        return entry


def _hash(entry: dict[str, Any]) -> str:
    text = json.dumps({key: entry[key] for key in entry if key != "hash"}, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


_PUBLISH_REMEDY = "Cross fewer filters, or take cohorts or schools together."


def publish_release(
    release: Release,
    folder: str | Path,
    ledger: str | Path | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Attack a release and write it, with the witnesses that the attack found, if nothing is left to be learnt.

    Publications that share a ledger run one after the other. The attack is on what the files will say, and takes as
    long as it needs: the same release is the same, byte for byte, on a fast machine and on a slow one.

    Parameters
    ----------
    release : Release
    folder : path
        New, empty, or an older release, which is replaced whole.
    ledger : path, optional
        File of what was published before; made if it is missing.
    progress : callable, optional
        Called with a message at each step.

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
        If the ledger misses a release, also the one that is to be replaced; if it lies in a folder that is published;
        or a file cannot be written.
    """
    target = Path(folder)
    refuse_in_public(target, ledger)
    if ledger is None:
        return _publish(release, target, None, progress)
    book = Ledger(Path(ledger))
    with book.held(progress):
        return _publish(release, target, book, progress)


def refuse_in_public(folder: Path, ledger: str | Path | None = None, key: str | Path | None = None) -> None:
    """Stop before a ledger or a key lies in a folder that is published.

    Parameters
    ----------
    folder : Path
        Where a release is to be written.
    ledger, key : path, optional
        Where they are, or are to be.

    Raises
    ------
    ReleaseError
        If one is in that folder, in another release or in a site that ``nbanalytics export`` wrote.
    """
    for what, path in (("ledger", ledger), ("key", key)):
        if path is None:
            continue
        above = Path(path).resolve().parents
        public = next((place for place in above if place == folder.resolve() or is_published(place)), None)
        if public is not None:
            raise ReleaseError(
                f"The {what} {Path(path).name} would lie in {public.name}, which is published with all that is in it. "
                "Keep it beside the records."
            )


def rounding_secret(
    key: str | Path | None = None, ledger: str | Path | None = None, progress: Progress | None = None
) -> bytes:
    """Return the secret that rounds: of a key file, of the one beside a ledger, else drawn and thrown away.

    Parameters
    ----------
    key : path, optional
        A key file; made if it is missing.
    ledger : path, optional
        Its key is beside it, under its name and ``.key``.
    progress : callable, optional
        Called with a message if another publication has to end first.

    Raises
    ------
    DataError
        If the key cannot be read or made, or others than its owner can read it.
    """
    if key is None and ledger is None:
        return secrets.token_bytes(32)
    if key is not None or ledger is None:
        return _read_or_make(Path(str(key)))
    book = Ledger(Path(ledger))
    with book.held(progress):  # two that start at once would make two keys
        return _read_or_make(book.key)


def _read_or_make(path: Path) -> bytes:
    from nbanalytics.municipal.pseudonyms import create_key, read_key

    return (read_key(path) if path.exists() else create_key(path)).secret


def _publish(release: Release, target: Path, book: Ledger | None, progress: Progress | None) -> Verification:
    earlier = _earlier(book, target)
    release = as_published(release)
    alone = verify([release], progress, np.inf)
    if not alone.holds:
        raise DisclosureError(
            f"Nothing was written: the attack on the release finds {len(alone.table)} weaknesses.\n{alone.text(5)}\n"
            f"{_PUBLISH_REMEDY}"
        )
    release = _witnessed(release, alone)
    earlier = [entry for entry in earlier if entry.manifest["checksum"] != release.manifest["checksum"]]
    if earlier:
        _refuse_together(release, earlier, progress)
    if book is None or book.knows(release):
        write_release(release, target)
        return alone
    # Noted first: a release that is out must be in the ledger, whatever happens in between.
    book.append(release)
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
            f"found that shows them to be open, and no weakness either. {_PUBLISH_REMEDY}"
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
