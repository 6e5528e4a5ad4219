"""The report of a release: how much is published, how much is hidden and why, table by table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure import Policy
from nbanalytics.disclosure.cells import Mask
from nbanalytics.release.links import Cubes
from nbanalytics.results import Shown

#: With fewer hidden counts of either kind, how many are of each says too much of them.
_MANY = 50
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
        - ``students_kept``: the sum of the published counts over the sum of all. It is computed from hidden values, so
        it is rounded by :func:`coarsely`, and missing where even that would disclose too much.
    settings : mapping
        ``title, created``; ``hidden_primary``, counts hidden for what they say by themselves, and ``hidden_secondary``,
        hidden to protect these. They are of all tables together, and missing where few are hidden: for few cells they
        would reveal which are small. ``rounding``: of a rounded release, its unit and how far its tables are off.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]

    def _words(self) -> str:
        whole, said = self.table.iloc[-1], self.settings
        return (
            f"{said['title']}, {said['created']}: {whole['published']} of {whole['cells']} counts published "
            f"({whole['cells_kept']:.0%}), {self._hidden(int(whole['cells'] - whole['published']))}"
            f"{_kept(whole['students_kept'])}{self._rounding()}"
        )

    def _hidden(self, counts: int) -> str:
        primary, secondary = self.settings["hidden_primary"], self.settings["hidden_secondary"]
        if primary is None:
            return f"{counts} hidden for what they say or to protect these"
        return f"{primary} hidden for what they say, {secondary} to protect these"

    def _rounding(self) -> str:
        """Say how far rounded counts are off, if they are rounded."""
        rounding = self.settings["rounding"]
        if not rounding:
            return ""
        tables = [f"{row['table']} {row['share']:.0%}" for row in rounding["errors"] if row["share"] is not None]
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


def coarsely(
    value: float, amount: float, slack: float, steps: Sequence[float] = (0.01, 0.02, 0.05, 0.1)
) -> float | None:
    """Round a share or a mean that is computed with what is hidden, so that it does not say how much that is.

    Parameters
    ----------
    value : float
        The share, or the mean.
    amount : float
        Of how many students, or counts, it is at least; of published ones, so that the step discloses nothing.
    slack : float
        By how much, in students, the sum behind the value has to stay open.
    steps : sequence of float
        What may be rounded to, finest first.

    Returns
    -------
    float or None
        Rounded to the first step that leaves the slack; None if none does.

    Examples
    --------
    >>> coarsely(0.6573, 190_000, 10), coarsely(0.6573, 192, 10), coarsely(0.89, 28, 10)
    (0.66, 0.7, None)
    """
    fitting = next((step for step in steps if step * amount >= slack), None)
    return None if fitting is None else round(round(value / fitting) * fitting, 2)


def tally(hidden: int, primary: int) -> dict[str, int | None]:
    """Count primary and secondary hidden cells, as a manifest may show.

    "Three are hidden, all for what they say" would reveal that each of three cells with three students has one: nothing
    is shown for few hidden cells.

    Parameters
    ----------
    hidden, primary : int
        Hidden counts, and those of them that are hidden for what they say.

    Returns
    -------
    dict
        ``counts_primary`` and ``counts_secondary``; None unless there are none, or many of both.

    Examples
    --------
    >>> tally(3, 3)
    {'counts_primary': None, 'counts_secondary': None}
    >>> tally(4655, 2000)
    {'counts_primary': 2000, 'counts_secondary': 2655}
    """
    secondary = hidden - primary
    told = not hidden or min(primary, secondary) >= _MANY
    return {"counts_primary": primary if told else None, "counts_secondary": secondary if told else None}


def report_rows(cubes: Cubes, hidden: Mask, policy: Policy) -> list[dict[str, Any]]:
    """Count what is published, table by table and in all."""
    tallies: dict[str, Any] = {}
    for (table, _), cube in cubes.items():
        if cube.published:
            ids, counts = cube.ids[cube.declared], cube.counts[cube.declared]
            shown = ~hidden[ids]
            own = np.array([len(ids), shown.sum(), counts[shown].sum(), counts.sum()])
            tallies[table] = tallies.get(table, 0) + own
    tallies["all"] = np.sum(list(tallies.values()), axis=0)
    return [_row(table, *(int(number) for number in own), slack=2 * policy.min_cell) for table, own in tallies.items()]


def _row(table: str, cells: int, shown: int, kept: int, students: int, *, slack: int) -> dict[str, Any]:
    return {
        "table": table,
        "cells": cells,
        "published": shown,
        "cells_kept": round(shown / cells, 4) if cells else 1.0,
        "students_kept": coarsely(kept / students, kept, slack) if shown < cells and students else 1.0,
    }


def _kept(share: float) -> str:
    return "" if pd.isna(share) else f"; {share:.0%} of the students counted are kept"
