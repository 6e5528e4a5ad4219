"""A receipt in a checked folder, so that a large one is checked once and asked many times."""

from __future__ import annotations

import contextlib
import json
import zlib
from importlib.resources import files

from nbanalytics.declaration import DECLARATION_FILE
from nbanalytics.files import replacing_file
from nbanalytics.readers.folder import RECEIPT_FILE, Folder
from nbanalytics.readers.rules import RULES_VERSION
from nbanalytics.schema import TABLES


def receipt_is_fresh(folder: Folder) -> bool:
    """Whether the folder was checked as it now is, by the rules of now."""
    try:
        kept = json.loads((folder.path / RECEIPT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(kept == _state(folder))


def write_receipt(folder: Folder) -> None:
    """Note that the folder was found without faults; a folder that may not be written to stays without."""
    with contextlib.suppress(OSError), replacing_file(folder.path / RECEIPT_FILE) as fresh:
        fresh.write_text(json.dumps(_state(folder), indent=1), encoding="utf-8")


def _state(folder: Folder) -> dict[str, object]:
    # Not the parsed catalogue: the text of its sets has another order in every process.
    data = files("nbanalytics").joinpath("grading.toml").read_bytes() + repr(TABLES).encode()
    rules = f"{RULES_VERSION}-{zlib.crc32(data):08x}"
    paths = [*(source.path for source in folder.sources.values()), folder.path / DECLARATION_FILE]
    sizes = {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in paths if path.exists()}
    return {"rules": rules, "files": sizes}
