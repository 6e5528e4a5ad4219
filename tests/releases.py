"""Releases on disk that differ from the sample's in one respect."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from nbanalytics.release import Release, read_release, write_release
from nbanalytics.release.files import checksum, manifest_checksum, table_bytes
from nbanalytics.serve import default_release

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">" + "å" * 8
assert len(HOSTILE) >= 80

Manifest = dict[str, Any]
Tables = dict[str, pd.DataFrame]


def released(folder: Path, change: Callable[[Manifest, Tables], Tables | None] = lambda manifest, tables: None) -> Path:
    """Write the sample's release, changed, with checksums that fit."""
    sample = read_release(default_release())
    manifest, tables = copy.deepcopy(dict(sample.manifest)), dict(sample.tables)
    tables = change(manifest, tables) or tables
    manifest["tables"] = {name: entry for name, entry in manifest["tables"].items() if name in tables}
    manifest["checksums"] = {f"tables/{name}.csv": checksum(table_bytes(table, name)) for name, table in tables.items()}
    manifest["checksum"] = manifest_checksum(manifest)
    return write_release(Release(manifest, tables), folder)


def newer(manifest: Manifest, tables: Tables) -> None:
    manifest["version"] = 99


def without_tables(manifest: Manifest, tables: Tables) -> Tables:
    tables.clear()
    return tables


def without_rows(manifest: Manifest, tables: Tables) -> Tables:
    for entry in manifest["dimensions"].values():
        entry["values"] = []
    return {name: table.iloc[:0] for name, table in tables.items()}


def one_cohort(manifest: Manifest, tables: Tables) -> Tables:
    manifest["dimensions"]["cohort"]["values"] = ["2018"]
    only = {name: table[table["cohort"] == "2018"] for name, table in tables.items()}
    return {
        name: pd.concat([table.assign(cohort="*"), table], ignore_index=True).astype({"cohort": "str"})
        for name, table in only.items()
    }


def hostile_names(manifest: Manifest, tables: Tables) -> None:
    schools = manifest["dimensions"]["school"]
    schools["labels"] = schools["labels_en"] = {code: f"{HOSTILE}{code}" for code in schools["values"]}
    manifest["title"] = HOSTILE


def another_title(manifest: Manifest, tables: Tables) -> None:
    manifest["title"] = "En annan publicering"
