"""A funnel plot of schools: how far a school's share may deviate from the common share by chance at its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import By, open_frame
from nbanalytics.municipality.leavers import leavers
from nbanalytics.records import StudentRecords
from nbanalytics.results import Row, Settings, Shown

#: Control limits, by the names of their columns.
LIMITS = {"95": 0.95, "998": 0.998}
#: Measures that are shares, with the column of the leavers behind them.
SHARES = {"eligible_vocational": "eligible", "passed_all": "all_passed"}
_LIMITS = tuple(f"{side}_{name}" for name in LIMITS for side in ("low", "high"))
#: Columns of the table after those of ``by``.
_COLUMNS = (
    "n",
    "count",
    "value",
    *_LIMITS,
    "position",
    "status",
)


@dataclass(frozen=True, repr=False)
class Funnel(Shown):
    """Schools' shares with control limits, in the order of the schools and not ranked.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``; ``n`` students, ``count``, ``value`` (0 to 1), ``low_95, high_95, low_998, high_998`` at
        that size; ``position``: ``within``, ``outside_95`` or ``outside_998``; missing with ``status`` ``too_few``.
    limits : pandas.DataFrame
        The funnel itself: ``n`` and the four limits, for every size up to the largest school's.
    settings : mapping
        ``measure, target`` (the common share) and ``by``.
    students : int
    """

    table: pd.DataFrame
    limits: pd.DataFrame
    settings: Settings
    students: int

    def _words(self) -> str:
        outside = self.table["position"].isin(["outside_95", "outside_998"]).sum()
        return (
            f"{len(self.table)} schools around {self.settings['target']:.1%} ({self.settings['measure']}): {outside} "
            f"outside the 95 % limits; by chance alone about {0.05 * len(self.table):.1f}"
        )


def funnel(
    records: StudentRecords,
    measure: str = "eligible_vocational",
    by: str | Sequence[str] = ("school_id",),
    target: float | None = None,
    min_students: int = 10,
) -> Funnel:
    """Compute a funnel plot of schools.

    Parameters
    ----------
    records : StudentRecords
        Students and grades.
    measure : str
        ``eligible_vocational`` (by the declared rule) or ``passed_all``.
    by : str or sequence of str
        Columns that define a point, ``school_id`` or ``school_id`` and ``cohort``.
    target : float, optional
        The common share, 0 to 1; by default that of all students together.
    min_students : int
        Smaller schools have no point. Cohorts on a scale without a pass line are in no share of passes.

    Returns
    -------
    Funnel

    Raises
    ------
    DataError
        If the measure or a column is not there, no cohort has a scale with the measure, or the target
        is not between 0 and 1.

    Notes
    -----
    Exact binomial limits, smoothed between counts: Spiegelhalter (2005), Statistics in Medicine 24: 1185-1202, section
    A.1.1. A school outside differs by more than chance among pupils alike; composition is not taken away.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = funnel(simulate(seed=1, cohorts=[2018]).records)
    >>> found.table[["n", "count", "position"]].to_numpy().tolist()
    [[94, 83, 'outside_95'], [138, 93, 'outside_998'], [81, 75, 'outside_998']]
    """
    divided = By.of(by, _COLUMNS, open_frame(records.students))
    if not divided.names:
        raise DataError(
            "by is empty, so the funnel has no points", "Name at least one column in by, such as school_id."
        )
    if measure not in SHARES:
        raise DataError(f"No funnel is defined for {measure!r}", f"Choose one of {', '.join(SHARES)}.")
    people = leavers(records, by=divided)
    people = people[people[SHARES[measure]].notna()]
    if people.empty:
        raise DataError(
            f"{measure} cannot be computed: the scale of these cohorts has no pass line",
            "Choose another measure or other cohorts.",
        )
    reached = people[SHARES[measure]].astype(int)
    points = people.assign(count=reached).groupby(divided.keys, dropna=False)["count"]
    table = divided.named(points.agg(["size", "sum"]).reset_index().rename(columns={"size": "n", "sum": "count"}))
    common = float(reached.mean()) if target is None else target
    if not 0 < common < 1:
        raise DataError(f"The common share is {common:g}; a funnel needs one between 0 and 1", "Give a target.")
    sizes = zip(table["n"].tolist(), table["count"].tolist(), strict=True)
    rows = [_place(n, count, common, min_students) for n, count in sizes]
    return Funnel(
        table=pd.concat([table, pd.DataFrame(rows)], axis=1),
        limits=pd.DataFrame(
            [{"n": n, **funnel_limits(n, common)} for n in range(max(min_students, 1), int(table["n"].max()) + 1)]
        ),
        settings={"measure": measure, "target": common, "by": divided.names, "min_students": min_students},
        students=len(people),
    )


def funnel_limits(n: int, target: float) -> dict[str, float]:
    """Give the control limits of the share of ``n`` students around a target (0 to 1).

    Returns
    -------
    dict of str to float
        ``low_95, high_95, low_998, high_998``: shares between which 95 and 99.8 of 100 would lie by chance alone.

    Examples
    --------
    >>> {name: round(value, 3) for name, value in funnel_limits(100, 0.8).items()}
    {'low_95': 0.714, 'high_95': 0.87, 'low_998': 0.663, 'high_998': 0.909}
    """
    from scipy.special import bdtr

    counts = np.arange(n + 1)
    below = bdtr(counts, n, target)
    found = {}
    for name, level in LIMITS.items():
        tail = (1 - level) / 2
        for side, probability in (("low", tail), ("high", 1 - tail)):
            # The first count to reach the probability, interpolated within its step.
            count = int(np.searchsorted(below, probability))
            step = below[count] - (below[count - 1] if count else 0.0)
            smooth = count - (below[count] - probability) / step
            found[f"{side}_{name}"] = float(min(max(smooth / n, 0.0), 1.0))
    return found


def _place(n: int, count: int, target: float, min_students: int) -> Row:
    if n < max(min_students, 1):
        empty = dict.fromkeys(_LIMITS, nan)
        return {"value": nan, **empty, "position": None, "status": "too_few"}
    limits, value = funnel_limits(n, target), count / n
    outside = [name for name in LIMITS if not limits[f"low_{name}"] <= value <= limits[f"high_{name}"]]
    return {"value": value, **limits, "position": f"outside_{outside[-1]}" if outside else "within", "status": "ok"}
