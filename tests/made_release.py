"""Releases made by hand: one table of outcomes by cohort and school, with the cells hidden that a test wants hidden."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from nbanalytics.release import verify as verifying
from nbanalytics.release.files import FORMAT, VERSION, checksum, manifest_checksum, table_bytes
from nbanalytics.release.model import FILTERS, Release

GROUPS = ("1", "3", "5")
COLUMNS = [*FILTERS, "group", "measure", "value", "status"]
POLICY = {"min_group": 10, "min_cell": 5, "unfavourable": {"group": ["3"]}}


def made_release(counts, hidden=(), created="2026-01-02", crossed=2, policy=POLICY, newly="definition"):
    """Make a release of ``{(cohort, school): counts of the groups}``; ``hidden`` are (cohort, school, group)."""
    cohorts, schools = (sorted({place[number] for place in counts}) for number in (0, 1))
    rows = []
    for cohort, school, group in product(["*", *cohorts], ["*", *schools], ["*", *GROUPS]):
        if (cohort != "*") + (school != "*") > crossed:
            continue
        value = sum(
            sum(members) if group == "*" else members[GROUPS.index(group)]
            for (c, s), members in counts.items()
            if cohort in ("*", c) and school in ("*", s)
        )
        closed = (cohort, school, group) in hidden
        status = "suppressed" if closed else "ok"
        rows.append((cohort, school, "*", "*", group, "students", None if closed else float(value), status))
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"value": "float64"} | dict.fromkeys(COLUMNS[:6], "str"))
    return release_of(table.astype({"status": "str"}), cohorts, schools, created, crossed, policy, newly)


def verify(releases, progress=None, seconds=np.inf):
    """Verify releases for as long as it takes: what is found does not depend on how busy the machine is."""
    return verifying.verify(releases, progress, seconds)


def release_of(table, cohorts, schools, created="2026-01-02", crossed=2, policy=POLICY, newly="definition"):
    """Put a manifest to a table ``groups``."""
    values = {"cohort": cohorts, "school": schools, "sex": [], "newly_arrived": [], "group": list(GROUPS)}
    count = {"kind": "count", "universe": "followed", "sums_over": [*FILTERS, "group"]}
    entry = {"file": "tables/groups.csv", "dimensions": [*FILTERS, "group"], "max_crossed": crossed}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "title": "Provkommun",
        "created": created,
        "source": {"start": "6VT", "end": "9VT", "newly_arrived": newly, "cohorts": [int(name) for name in cohorts]},
        "policy": policy,
        "max_crossed": crossed,
        "filters": list(FILTERS),
        "dimensions": {name: {"values": held, "labels": {}, "labels_en": {}} for name, held in values.items()},
        "tables": {"groups": entry | {"measures": {"students": count}}},
        "unpublished": {},
        "links": [],
        "hidden": {"cells": len(table), "suppressed": int((table["status"] == "suppressed").sum())},
        "checksums": {"tables/groups.csv": checksum(table_bytes(table, "groups"))},
    }
    manifest["checksum"] = manifest_checksum(manifest)
    return Release(manifest, {"groups": table})
