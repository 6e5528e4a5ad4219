"""A funnel plot of schools: how far a school's share may deviate from the common share by chance at its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, nan, pi, sin, sqrt
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nbanalytics.errors import DataError
from nbanalytics.frames import By, open_frame
from nbanalytics.municipality.leavers import leavers
from nbanalytics.records import StudentRecords
from nbanalytics.results import Row, Settings, Shown
from nbanalytics.schools import MIN_SCHOOLS, POOLED, adjusted_p_values, with_pooled

#: Control limits, by the names of their columns.
LIMITS = {"95": 0.95, "998": 0.998}
#: Measures that are shares, with the column of the leavers behind them.
SHARES = {"eligible_vocational": "eligible", "passed_all": "all_passed"}
_LIMITS = tuple(f"{side}_{name}" for name in LIMITS for side in ("low", "high"))
#: How schools that differ by more than chance widen the limits.
Dispersion = Literal["none", "multiplicative", "additive"]
#: Standardised deviations are drawn in to these quantiles before over-dispersion is estimated.
_WINSORISED = (0.1, 0.9)
#: Columns of the table after those of ``by``.
_COLUMNS = (
    "n",
    "count",
    "value",
    *_LIMITS,
    *("p_value", "adjusted_p", *POOLED, "position", "status"),
)


@dataclass(frozen=True, repr=False)
class Funnel(Shown):
    """Schools' shares with control limits, in the order of the schools and not ranked.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``; ``n`` students, ``count``, ``value`` (0 to 1), ``low_95, high_95, low_998, high_998`` at
        that size; ``p_value`` of a deviation from the common share, and ``adjusted_p``, which allows for the number of
        points (Benjamini and Hochberg 1995); ``pooled`` with its 95 % interval ``pooled_low, pooled_high``: the share
        estimated from all points together (:func:`nbanalytics.schools.pooled_shares`); ``position``: ``within``,
        ``outside_95`` or ``outside_998``. Missing with ``status`` ``too_few``; ``pooled`` is there for small schools.
    limits : pandas.DataFrame
        The funnel itself: ``n`` and the four limits, for every size up to the largest school's.
    settings : mapping
        ``measure, target`` (the common share), ``by, min_students, dispersion``, and with it ``phi`` or ``tau``.
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
    dispersion: Dispersion = "none",
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
    dispersion : str
        ``none``: limits of chance alone, among pupils alike. Where schools differ for many small reasons most points
        lie outside them. ``multiplicative`` widens the limits by the square root of ``phi``, the mean squared deviation
        in units of chance; ``additive`` adds ``tau``, the standard deviation between schools, which is the same for
        large and small ones. Three points are needed.

    Returns
    -------
    Funnel

    Raises
    ------
    DataError
        If the measure, a column or the kind of dispersion is not there, no cohort has a scale with the measure, the
        target is not between 0 and 1, or over-dispersion is asked of fewer than three points.

    Notes
    -----
    Exact binomial limits, smoothed between counts: Spiegelhalter (2005), Statistics in Medicine 24: 1185-1202, section
    A.1.1; p-values are the matching mid-p-values, two-sided. Over-dispersion: the same paper, section 4, on the scale
    of the arcsine of the square root (A.1.3): deviations *z* from the common share are winsorised at 10 and 90 %, *phi*
    is the mean of their squares and at least 1, *tau²* the moment estimate of DerSimonian and Laird (1986) and at least
    0. A school outside differs by more than the others do; composition is not taken away.

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
    least = max(min_students, 1)
    large = table[table["n"] >= least]
    phi, tau = over_dispersion(large["count"], large["n"], common, dispersion)
    sizes = zip(table["n"].tolist(), table["count"].tolist(), strict=True)
    placed = pd.DataFrame([_place(n, count, common, least, phi, tau) for n, count in sizes])
    placed["adjusted_p"] = adjusted_p_values(placed["p_value"])
    found = with_pooled(pd.concat([table, placed], axis=1), "count", "n")
    sizes_drawn = range(least, int(table["n"].max()) + 1)
    widened = {"none": {}, "multiplicative": {"phi": phi}, "additive": {"tau": tau}}[dispersion]
    named = {"measure": measure, "target": common, "by": divided.names, "min_students": min_students}
    return Funnel(
        table=found[[*divided.names, *_COLUMNS]],
        limits=pd.DataFrame([{"n": n, **funnel_limits(n, common, phi, tau)} for n in sizes_drawn]),
        settings={**named, "dispersion": dispersion, **widened},
        students=len(people),
    )


def over_dispersion(counts: ArrayLike, sizes: ArrayLike, target: float, dispersion: Dispersion) -> tuple[float, float]:
    """Estimate how much more schools deviate from the common share than chance explains.

    Returns
    -------
    tuple of float
        ``phi``, a factor of the variance by chance, 1 unless ``dispersion`` is ``multiplicative``; and ``tau``, a
        standard deviation on the scale of the arcsine of the square root, 0 unless it is ``additive``.

    Raises
    ------
    DataError
        If there is no such kind of dispersion, or there are fewer than three schools to estimate it from.

    Examples
    --------
    >>> counts, sizes = [83, 93, 75, 60], [94, 138, 81, 80]
    >>> [round(value, 3) for value in over_dispersion(counts, sizes, 0.8, "multiplicative")]
    [5.635, 0.0]
    >>> [round(value, 3) for value in over_dispersion(counts, sizes, 0.8, "additive")]
    [1.0, 0.13]
    """
    if dispersion not in get_args(Dispersion):
        raise DataError(f"There is no dispersion {dispersion!r}", f"Choose among: {', '.join(get_args(Dispersion))}.")
    if dispersion == "none":
        return 1.0, 0.0
    n = np.asarray(sizes, dtype=np.float64)
    if len(n) < MIN_SCHOOLS:
        raise DataError(
            f"Over-dispersion cannot be estimated from {len(n)} points", f"Give {MIN_SCHOOLS} or more, or 'none'."
        )
    z = 2 * np.sqrt(n) * (np.arcsin(np.sqrt(np.asarray(counts) / n)) - asin(sqrt(target)))
    ratio = float((np.clip(z, *np.quantile(z, _WINSORISED)) ** 2).mean())
    if dispersion == "multiplicative":
        return max(ratio, 1.0), 0.0
    weights = 4 * n
    tau2 = (len(n) * ratio - (len(n) - 1)) / (weights.sum() - (weights**2).sum() / weights.sum())
    return 1.0, sqrt(max(tau2, 0.0))


def _spread(n: int, phi: float, tau: float) -> float:
    """Standard error of the arcsine of the square root of a share, with over-dispersion."""
    return sqrt(phi / (4 * n) + tau**2)


def funnel_limits(n: int, target: float, phi: float = 1.0, tau: float = 0.0) -> dict[str, float]:
    """Give the control limits of the share of ``n`` students around a target (0 to 1).

    ``phi`` and ``tau`` are those of :func:`over_dispersion`; without any, limits are exact.

    Returns
    -------
    dict of str to float
        ``low_95, high_95, low_998, high_998``: shares between which 95 and 99.8 of 100 would lie by chance alone.

    Examples
    --------
    >>> {name: round(value, 3) for name, value in funnel_limits(100, 0.8).items()}
    {'low_95': 0.714, 'high_95': 0.87, 'low_998': 0.663, 'high_998': 0.909}
    """
    from scipy.special import bdtr, ndtri

    if phi > 1 or tau > 0:
        angle, error = asin(sqrt(target)), _spread(n, phi, tau)
        bounds = {f"{side}_{name}": angle + sign * ndtri((1 + level) / 2) * error
                  for name, level in LIMITS.items() for side, sign in (("low", -1), ("high", 1))}  # fmt: skip
        return {name: sin(min(max(float(at), 0.0), pi / 2)) ** 2 for name, at in bounds.items()}
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


def _p_value(n: int, count: int, target: float, phi: float, tau: float) -> float:
    from scipy.special import bdtr, ndtr

    if phi > 1 or tau > 0:
        z = (asin(sqrt(count / n)) - asin(sqrt(target))) / _spread(n, phi, tau)
        return float(2 * ndtr(-abs(z)))
    up_to, before = float(bdtr(count, n, target)), float(bdtr(count - 1, n, target)) if count else 0.0
    below = (up_to + before) / 2
    return 2 * min(below, 1 - below)


def _place(n: int, count: int, target: float, min_students: int, phi: float, tau: float) -> Row:
    if n < min_students:
        empty = dict.fromkeys((*_LIMITS, "p_value"), nan)
        return {"value": nan, **empty, "position": None, "status": "too_few"}
    limits, value = funnel_limits(n, target, phi, tau), count / n
    outside = [name for name in LIMITS if not limits[f"low_{name}"] <= value <= limits[f"high_{name}"]]
    position = f"outside_{outside[-1]}" if outside else "within"
    p_value = _p_value(n, count, target, phi, tau)
    return {"value": value, **limits, "p_value": p_value, "position": position, "status": "ok"}
