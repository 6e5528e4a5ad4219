"""The report of a release: how much is published, how much is hidden and why, table by table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure.cells import Mask
from nbanalytics.release.links import Cubes
from nbanalytics.results import Shown

COLUMNS = ("table", "cells", "published", "cells_kept", "students_kept")


@dataclass(frozen=True, repr=False)
class ReleaseReport(Shown):
    """How much of its counts a release keeps.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per table, and one for ``all``:

        - ``cells``: declared counts; ``published`` of them;
        - ``cells_kept``: share of the counts that are published;
        - ``students_kept``: the sum of the published counts over the sum of all, to the nearest per cent, since it is
          computed with what is hidden.
    settings : mapping
        ``title, created``; ``hidden_primary``, counts hidden for what they say by themselves, and ``hidden_secondary``,
        hidden to protect these. They are of all tables together: of a table with few cells they would tell which
        of its cells are small. ``rounding``: of a rounded release, its unit and how far its tables are off.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]

    def _words(self) -> str:
        whole, said = self.table.iloc[-1], self.settings
        return (
            f"{said['title']}, {said['created']}: {whole['published']} of {whole['cells']} counts published "
            f"({whole['cells_kept']:.0%}), {said['hidden_primary']} hidden for what they say, "
            f"{said['hidden_secondary']} to protect these; "
            f"{whole['students_kept']:.0%} of the students counted are kept{self._rounding()}"
        )

    def _rounding(self) -> str:
        """Say how far rounded counts are off, if they are rounded."""
        rounding = self.settings["rounding"]
        if not rounding:
            return ""
        tables = [f"{row['table']} {row['share']:.0%}" for row in rounding["errors"]]
        left = f"; left out as noise: {', '.join(rounding['left_out'])}" if rounding["left_out"] else ""
        return (
            f"; rounded to multiples of {rounding['unit']} and so off, of what is counted, by {', '.join(tables)}{left}"
        )

    @classmethod
    def read(cls, manifest: Mapping[str, Any]) -> ReleaseReport:
        """Make the report of a release from its manifest."""
        hidden = manifest["hidden"]
        settings = {
            "title": manifest["title"],
            "created": manifest["created"],
            "hidden_primary": hidden["counts_primary"],
            "hidden_secondary": hidden["counts_secondary"],
            "rounding": manifest.get("rounding"),
        }
        return cls(pd.DataFrame(manifest["report"], columns=list(COLUMNS)), settings)


def report_rows(cubes: Cubes, hidden: Mask) -> list[dict[str, Any]]:
    """Count what is published, table by table and in all."""
    tallies: dict[str, Any] = {}
    for (table, _), cube in cubes.items():
        if cube.published:
            ids, counts = cube.ids[cube.declared], cube.counts[cube.declared]
            shown = ~hidden[ids]
            own = np.array([len(ids), shown.sum(), counts[shown].sum(), counts.sum()])
            tallies[table] = tallies.get(table, 0) + own
    tallies["all"] = np.sum(list(tallies.values()), axis=0)
    return [_row(table, *map(int, tally)) for table, tally in tallies.items()]


def _row(table: str, cells: int, shown: int, kept: int, students: int) -> dict[str, Any]:
    return {
        "table": table,
        "cells": cells,
        "published": shown,
        "cells_kept": round(shown / cells, 4) if cells else 1.0,
        "students_kept": round(kept / students, 2) if students else 1.0,
    }
