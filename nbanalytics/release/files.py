"""A release on disk: written as a whole or not at all, read only if it is what was written."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from nbanalytics.errors import ReleaseError
from nbanalytics.files import replacing_folder
from nbanalytics.release.model import NOT_APPLICABLE, OK, SUPPRESSED, Release

MANIFEST, WITNESSES = "manifest.json", "witnesses.csv"
#: The file by which ``nbanalytics export`` knows its own folder.
SITE = "nbanalytics-site.txt"
FORMAT, VERSION = "nbanalytics-release", 2
#: A larger manifest is not read: JSON can take a hundred times its size in memory. The largest have some 100 kB.
MOST_MANIFEST = 20_000_000
_DECIMALS = {"mean_points": 2, "mean_merit": 1, "mean_absence": 1, "hazard": 4, "survival": 4}
AGAIN = "Make the release anew with 'nbanalytics release', or fetch it again from where it was published."


def write_release(release: Release, folder: str | Path) -> Path:
    """Write a release to a folder; an older release there is replaced only when the new one is complete.

    Parameters
    ----------
    release : Release
    folder : path
        New, empty, or a release; nothing else is overwritten.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ReleaseError
        If the folder holds something else, or the disk does not take the files; nothing is changed then.

    See Also
    --------
    nbanalytics.release.ledger.publish_release : writes only what an attack could not break.

    Examples
    --------
    >>> import tempfile
    >>> from nbanalytics.serve import default_release
    >>> sample = read_release(default_release())
    >>> folder = write_release(sample, Path(tempfile.mkdtemp()) / "release")
    >>> read_release(folder) == sample
    True
    """
    target = Path(folder).absolute()
    refuse_other_folder(target)
    try:
        with replacing_folder(target) as fresh:
            (fresh / "tables").mkdir()
            for name, table in release.tables.items():
                (fresh / release.manifest["tables"][name]["file"]).write_bytes(table_bytes(table, name))
            if release.witnesses is not None:
                (fresh / WITNESSES).write_bytes(release.witnesses)
            (fresh / MANIFEST).write_bytes(_json(release.manifest))
    except OSError as error:
        raise ReleaseError(
            f"The release could not be written to {target.name} ({error.strerror}); what was there is untouched. "
            "Check the disk and your rights to the folder, then try again."
        ) from None
    return target


def read_release(folder: str | Path) -> Release:
    """Read a release and check that it is what was written.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Release

    Raises
    ------
    ReleaseError
        If the folder is not a release, is of a newer version, lacks a file, or a file or the manifest was altered.

    Examples
    --------
    >>> from nbanalytics.serve import default_release
    >>> release = read_release(default_release())
    >>> release.cells("groups", cohort=2018, group=6)["value"].item()
    23.0
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    tables = {}
    for name, entry in manifest["tables"].items():
        file = str(entry["file"])
        if PurePosixPath(file).parts != ("tables", f"{name}.csv"):
            raise ReleaseError(f"{MANIFEST} in {folder.name} names the file {file!r} for the table {name}. {AGAIN}")
        tables[name] = _parse(_read_file(folder, file, manifest), entry, file)
    witnesses = _read_file(folder, WITNESSES, manifest) if WITNESSES in manifest["checksums"] else None
    return Release(manifest, tables, witnesses)


def as_published(release: Release) -> Release:
    """Return a release with nothing but what a reader of its files will have, without witnesses."""
    tables = {
        name: _parse(table_bytes(table, name), release.manifest["tables"][name], name)
        for name, table in release.tables.items()
    }
    return signed(release.manifest, tables)


def signed(manifest: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], witnesses: bytes | None = None) -> Release:
    """Put checksums to what a release is made of."""
    checksums = {f"tables/{name}.csv": checksum(table_bytes(table, name)) for name, table in tables.items()}
    if witnesses is not None:
        checksums[WITNESSES] = checksum(witnesses)
    manifest = {**manifest, "checksums": checksums}
    return Release({**manifest, "checksum": manifest_checksum(manifest)}, dict(tables), witnesses)


def table_bytes(table: pd.DataFrame, name: str) -> bytes:
    """Return a table as the published CSV: counts as whole numbers, empty where there is no value."""
    decimals = table["measure"].map(_DECIMALS).fillna(0).astype(int)
    values = [
        f"{value:.{places}f}" if status == OK else ""
        for value, places, status in zip(table["value"], decimals, table["status"], strict=True)
    ]
    text: str = table.assign(value=values).to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8")


def checksum(raw: bytes) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(raw).hexdigest()


def manifest_checksum(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest without its own entry ``checksum``."""
    return checksum(_json({key: value for key, value in manifest.items() if key != "checksum"}))


def _json(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def refuse_other_folder(target: Path) -> None:
    """Refuse to overwrite anything but a release.

    Raises
    ------
    ReleaseError
        If there is a file of that name, or a folder that holds something else.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise ReleaseError(f"{target.name} is a file. Give a folder to write the release to.")
    files = [path.relative_to(target) for path in target.rglob("*") if not path.is_dir()]
    if not files:
        return
    if Path(MANIFEST) not in files or not _is_release(target):
        raise ReleaseError(
            f"The folder {target.name} has {len(files)} files and is not a release, so nothing was written. "
            "Give a new or empty folder."
        )
    own = (Path(MANIFEST), Path(WITNESSES))
    strange = [path for path in files if path not in own and path.parent != Path("tables")]
    if strange:
        raise ReleaseError(
            f"Beside the release the folder {target.name} holds {len(strange)} other files, such as {strange[0]}, that "
            "would be lost. Move them away, or give another folder."
        )


def is_published(folder: Path) -> bool:
    """Whether a folder is a release, or a site that ``nbanalytics export`` wrote."""
    return _is_release(folder) or (folder / SITE).is_file()


def _is_release(folder: Path) -> bool:
    try:
        manifest = _parsed(folder / MANIFEST)
    except (OSError, ValueError, RecursionError, ReleaseError):
        return False
    return isinstance(manifest, dict) and manifest.get("format") == FORMAT


def _parsed(path: Path) -> Any:
    with path.open("rb") as stream:
        raw = stream.read(MOST_MANIFEST + 1)
    if len(raw) > MOST_MANIFEST:
        raise ReleaseError(
            f"{MANIFEST} in {path.parent.name} is larger than that of any release ({MOST_MANIFEST // 1_000_000} MB), "
            f"so it is not read. {AGAIN}"
        )
    return json.loads(raw.decode("utf-8"))


def _read_file(folder: Path, file: str, manifest: Mapping[str, Any]) -> bytes:
    if not (folder / file).is_file():
        raise ReleaseError(f"{file} is missing from the release {folder.name}. {AGAIN}")
    try:
        raw = (folder / file).read_bytes()
    except OSError as error:
        raise ReleaseError(f"{folder / file} cannot be read ({error.strerror}). Check your rights to it.") from None
    if checksum(raw) != manifest["checksums"].get(file):
        raise ReleaseError(f"{file} in the release {folder.name} was altered since it was published. {AGAIN}")
    return raw


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ReleaseError(f"{folder} {what}. Give the folder of a release, as 'nbanalytics release' wrote it.")
    if not path.is_file():
        raise ReleaseError(
            f"{folder.name or folder} is not a release: there is no {MANIFEST}. "
            "Give the folder that 'nbanalytics release' wrote."
        )
    try:
        manifest = _parsed(path)
    except OSError as error:
        raise ReleaseError(f"{path} cannot be read ({error.strerror}). Check your rights to it.") from None
    except (ValueError, RecursionError):
        raise ReleaseError(f"{MANIFEST} in {folder.name} cannot be read as JSON. {AGAIN}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ReleaseError(f"{MANIFEST} in {folder.name} is not that of a release. Give another folder.")
    version = manifest.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise ReleaseError(
            f"The release {folder.name} is of version {version}; this nbanalytics reads up to {VERSION}. "
            "Upgrade nbanalytics."
        )
    if manifest.get("checksum") != manifest_checksum(manifest):
        raise ReleaseError(f"{MANIFEST} in {folder.name} was altered since it was published. {AGAIN}")
    return manifest


def _parse(raw: bytes, entry: Mapping[str, Any], file: str) -> pd.DataFrame:
    table = pd.read_csv(io.BytesIO(raw), dtype=str, keep_default_na=False)
    if list(table.columns) != [*entry["dimensions"], "measure", "value", "status"]:
        raise ReleaseError(f"{file} does not have the columns that its manifest names. {AGAIN}")
    shown = table["status"] == OK
    if not table["status"].isin((OK, SUPPRESSED, NOT_APPLICABLE)).all() or (table.loc[~shown, "value"] != "").any():
        raise ReleaseError(f"{file} has an unknown status, or a value that must not be shown. {AGAIN}")
    try:
        values = pd.to_numeric(table["value"].where(shown), errors="raise").astype("float64")
    except ValueError:
        raise ReleaseError(f"{file} has a value that is not a number. {AGAIN}") from None
    return table.assign(value=values).astype({name: "str" for name in table.columns if name != "value"})
