"""The ledger: what was published, in order, so that nothing new is published that gives it away."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbanalytics.errors import ReleaseError
from nbanalytics.files import replacing_file
from nbanalytics.release.files import read_release, write_release
from nbanalytics.release.model import Release

#: What stands in the first entry for the entry before it.
_FIRST = "0" * 64
_KEYS = ("number", "date", "title", "where", "manifest", "previous")
_REMEDY = "Bring it back from a backup: without all that was published nobody can tell what a new release gives away."


@dataclass(frozen=True)
class Ledger:
    """A file of what was published, one line of JSON for each release, and a folder beside it with their copies.

    Each entry holds the hash of the one before it, so that a line cannot be altered or taken out unnoticed. The copies
    hold only what was published. Ledger and copies stay with the municipality, beside its records.

    Attributes
    ----------
    path : Path
        Such as ``releases.ledger``; the copies are in ``releases.ledger.d``.
    """

    path: Path

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

    def append(self, release: Release, where: str) -> None:
        """Note that a release is published, and keep a copy of it.

        Parameters
        ----------
        release : Release
        where : str
            Name of the folder it is written to.

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
            "where": where,
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
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or set(entry) != {*_KEYS, "hash"}:
            raise ReleaseError(f"Line {number} of the ledger {self.path.name} is no entry. {_REMEDY}")
        return entry


def _hash(entry: dict[str, Any]) -> str:
    text = json.dumps({key: entry[key] for key in _KEYS}, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
