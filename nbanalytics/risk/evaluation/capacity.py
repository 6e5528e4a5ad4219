"""Measures at a given capacity or threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nbanalytics.errors import DataError
from nbanalytics.intervals import score_interval
from nbanalytics.risk.evaluation.auc import Tied, tied
from nbanalytics.risk.evaluation.scores import (
    SCALES,
    Labels,
    labels_or_none,
    ratio,
    scored,
    units_to_leave_out,
)
from nbanalytics.schools import LIKE, THESE, Floats, Statistic, Units, units_of

Counts = dict[str, Floats]
COUNTS = ("n", "tp", "fp", "fn", "tn")
#: Shares as the count above and the counts below, so that each has Wilson's interval.
SHARES = {
    "base_rate": ("tp fn", "n"),
    "flagged_share": ("tp fp", "n"),
    "tpr": ("tp", "tp fn"),
    "fnr": ("fn", "tp fn"),
    "fpr": ("fp", "fp tn"),
    "tnr": ("tn", "fp tn"),
    "ppv": ("tp", "tp fp"),
    "npv": ("tn", "fn tn"),
}
#: Measures that have an interval from counts.
COUNTED = (*SHARES, "false_alarms_per_100")


def flag_at(p: Floats, threshold: float) -> Floats:
    """Flag those with at least the threshold: 1.0, others 0.0."""
    if not 0 <= threshold <= 1:
        raise DataError(f"A threshold of {threshold:g} is not a probability", "Choose one between 0 and 1.")
    return (p >= threshold).astype(float)


def flag_top(scores: Floats, share: float, weights: Floats, ties: Tied | None = None) -> Floats:
    """Give the places, a share of all students, to the highest scores; equal scores share the last places equally.

    The result has the shape of ``weights`` (draws, students): the probability of a place if ties are broken at random.

    Examples
    --------
    >>> flag_top(np.array([0.9, 0.5, 0.5, 0.1]), 0.5, np.ones((1, 4)))
    array([[1. , 0.5, 0.5, 0. ]])
    """
    if not 0 < share <= 1:
        raise DataError(f"A capacity of {share:g} is not a share of the students", "Choose one above 0 and up to 1.")
    ties = ties or tied(scores)
    totals = ties.sums(weights)
    above = totals[:, ::-1].cumsum(axis=1)[:, ::-1] - totals
    places = share * weights.sum(axis=1, keepdims=True) - above
    chance = np.nan_to_num(ratio(places, totals)).clip(0, 1)
    run = np.zeros(len(scores), dtype=np.int64)
    run[ties.starts[1:]] = 1
    flags = np.empty_like(weights)
    flags[:, ties.order] = chance[:, run.cumsum()]
    return flags


def flag_top_within(scores: Floats, share: float, weights: Floats, strata: Labels | None = None) -> Floats:
    """Give the places as :func:`flag_top` does, for the same share of each stratum, or of all students."""
    if strata is None:
        return flag_top(scores, share, weights)
    flags = np.zeros_like(weights)
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        flags[:, inside] = flag_top(scores[inside], share, weights[:, inside])
    return flags


def counted_at_top(y: Floats, scores: Floats, share: float, weights: Floats, strata: Labels | None = None) -> Counts:
    """Count as :func:`counted` does at a capacity, with a cut that stays where it is for all students.

    Parameters
    ----------
    y, scores : array, shape (students,)
    share : float
        Capacity as a share of the students of each stratum.
    weights : array, shape (draws, students)
    strata : array, optional

    Notes
    -----
    Where a row of weights leaves more or fewer places than students above the cut, the difference counts at the rate of
    outcomes among the students nearest to the cut (in rank, √n on either side). This is the linear part of the change
    (Deville 1999, Survey Methodology 25: 193-203). Moving the cut would add the chance of single students around it,
    and make delete-one intervals too wide.
    """
    tp, places = np.zeros(len(weights)), share * weights.sum(axis=1)
    for stratum in [None] if strata is None else np.unique(strata):
        inside = np.flatnonzero(np.full(len(y), True) if stratum is None else strata == stratum)
        own, w = scores[inside], weights[:, inside]
        flags = flag_top(own, share, np.ones((1, len(own))))[0]
        beside = np.sqrt(len(own)) / len(own)
        low, high = np.quantile(own, np.clip([1 - share - beside, 1 - share + beside], 0, 1))
        rate = y[inside][(own >= low) & (own <= high)].mean()
        tp += w @ (y[inside] * flags) + rate * (share * w.sum(axis=1) - w @ flags)
    total, cases = weights.sum(axis=1), weights @ y
    tp = np.clip(tp, 0, np.minimum(cases, places))
    return {"n": total, "tp": tp, "fp": places - tp, "fn": cases - tp, "tn": total - cases - (places - tp)}


def units_of_places(whole: Units, parts: Units, *flags: Floats) -> Units:
    """Return what is left out for an interval of those with places: parts of the students if one school has most.

    Parameters
    ----------
    whole, parts : Units
        Schools, and parts of the students.
    *flags : array
        Places of each strategy that is compared.

    Returns
    -------
    Units
        ``parts`` if the places of a strategy lie, in effect, in fewer than two schools (Kish 1965): other schools of
        the same kind cannot be estimated from one.
    """
    if whole.estimand == LIKE:
        for held in flags:
            sums = np.bincount(whole.place, held)
            if sums.sum() ** 2 < 2 * (sums**2).sum():
                return parts
    return whole


def counted(y: Floats, flags: Floats, weights: Floats) -> Counts:
    """Count hits, false alarms, misses and correct rejections for every row of weights."""
    flagged = weights * flags
    cases, total = weights @ y, weights.sum(axis=1)
    tp = flagged @ y
    fp = flagged.sum(axis=1) - tp
    return {"n": total, "tp": tp, "fp": fp, "fn": cases - tp, "tn": total - cases - fp}


def rates(counts: Counts, threshold: float | None = None) -> dict[str, Floats]:
    """Return shares and measures made of them; missing where the denominator is 0."""
    found = {name: ratio(_sum(counts, above), _sum(counts, below)) for name, (above, below) in SHARES.items()}
    found["false_alarms_per_100"] = 100 * (1 - found["ppv"])
    found["lift"] = ratio(found["ppv"], found["base_rate"])
    if threshold is not None and threshold < 1:
        found["net_benefit"] = net_benefit(counts, threshold)
    return found


def net_benefit(counts: Counts, threshold: float) -> Floats:
    """Return hits minus false alarms weighted by the odds of the threshold, per student.

    Flagging from a probability of 20 % means that a hit is worth four false alarms. It compares with the net benefit of
    flagging everybody (the same formula) and nobody (0). Vickers and Elkin (2006), Medical Decision Making 26: 565-574.

    Examples
    --------
    >>> counts = {"n": np.array([100.0]), "tp": np.array([10.0]), "fp": np.array([20.0])}
    >>> net_benefit(counts, 0.2)
    array([0.05])
    """
    return ratio(counts["tp"] - counts["fp"] * threshold / (1 - threshold), counts["n"])


def share_interval(
    counts: Mapping[str, float], name: str, level: float = 0.95, freedom: float = inf
) -> tuple[float, float]:
    """Return Wilson's interval of a share or of false alarms; missing if the denominator is 0."""
    if name == "false_alarms_per_100":
        low, high = share_interval(counts, "ppv", level, freedom)
        return 100 * (1 - high), 100 * (1 - low)
    above, below = (
        float(_sum(counts, names)) for names in SHARES[{"precision": "ppv", "recall": "tpr"}.get(name, name)]
    )
    return score_interval(above / below, below, level, freedom) if below else (nan, nan)


def rate_interval(
    name: str, values: Floats, units: Units, counts: Mapping[str, float], level: float = 0.95
) -> tuple[float, float]:
    """Return the delete-one interval, or Wilson's for a share that no deletion changes, to avoid a width of zero.

    Over schools Wilson's has Student's *t*.
    """
    low, high = units.interval(values, SCALES.get(name, "plain"), level)
    if low == low or not counts or not np.isfinite(values[0]) or name not in (*COUNTED, "precision", "recall"):
        return low, high
    return share_interval(counts, name, level, units.present - 1 if units.estimand == LIKE else inf)


def counts_once(y: Floats, flags: Floats) -> dict[str, float]:
    """Count hits, false alarms, misses and correct rejections of all students as they are."""
    return {name: float(found[0]) for name, found in counted(y, flags, np.ones((1, len(y)))).items()}


def _sum(counts: Mapping[str, Any], names: str) -> Any:
    return sum(counts[name] for name in names.split())


CAPACITIES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


def at_capacity(
    y: ArrayLike,
    p: ArrayLike,
    capacities: Sequence[float] = CAPACITIES,
    *,
    clusters: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    estimand: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Measure precision, recall and lift at a given capacity, for the students with the highest scores.

    Parameters
    ----------
    y, p, clusters, estimand, level
        As for :func:`nbanalytics.risk.measures`; equal scores share the last places equally, as if by lot.
    capacities : sequence of float
        Places as shares of the students, above 0 and up to 1.
    folds : sequence, optional
        The fold, or cohort, of each student: each has places of its own.

    Returns
    -------
    pandas.DataFrame
        ``capacity, measure, value, low, high, estimand``: ``flagged`` (students), ``precision`` (share of the flagged
        that are cases), ``recall`` (share of the cases that are flagged), ``lift`` (precision against the share of
        cases among all) and ``false_alarms_per_100`` flagged. The interval leaves out one school at a time, or parts of
        the students; a share that this does not change has Wilson's. Where one school has most of the places,
        ``estimand`` is ``these_schools``.

    Raises
    ------
    DataError
        If outcomes or scores cannot be used, or a capacity is not a share.

    Examples
    --------
    >>> table = at_capacity([1, 0, 0, 1, 0, 0, 0, 0], [.9, .8, .3, .3, .2, .2, .1, .1], [0.25, 0.375])
    >>> table.pivot(index="capacity", columns="measure", values="value")[["flagged", "precision", "recall", "lift"]]
    measure   flagged  precision  recall  lift
    capacity
    0.250         2.0        0.5    0.50   2.0
    0.375         3.0        0.5    0.75   2.0
    """
    outcome, scores = scored(y, p)
    strata = labels_or_none(folds, len(outcome), "folds")
    schools, whole = units_to_leave_out(clusters, len(outcome), estimand)
    parts = units_of(schools, len(outcome), THESE)
    rows: list[tuple[Any, ...]] = []
    for capacity in capacities:
        flags = flags_at_capacity(scores, capacity, strata)
        counts, units = counts_once(outcome, flags), units_of_places(whole, parts, flags)
        rows.append((capacity, "flagged", capacity * len(outcome), np.nan, np.nan, units.estimand))
        for name, values in units.evaluate(capacity_statistic(outcome, scores, capacity, strata)).items():
            bounds = rate_interval(name, values, units, counts, level)
            rows.append((capacity, name, float(values[0]), *bounds, units.estimand))
    return pd.DataFrame(rows, columns=["capacity", "measure", "value", "low", "high", "estimand"])


def flags_at_capacity(scores: Floats, capacity: float, strata: Labels | None = None) -> Floats:
    """Return each student's place at a capacity: 1, 0, or a part of one where scores are equal."""
    return np.asarray(flag_top_within(scores, capacity, np.ones((1, len(scores))), strata)[0])


def capacity_statistic(y: Floats, scores: Floats, capacity: float, strata: Labels | None = None) -> Statistic:
    """Return the function that computes precision, recall, lift and false alarms at a capacity for rows of weights."""

    def compute(weights: Floats) -> dict[str, Floats]:
        found = rates(counted_at_top(y, scores, capacity, weights, strata))
        return {
            "precision": found["ppv"],
            "recall": found["tpr"],
            "lift": found["lift"],
            "false_alarms_per_100": found["false_alarms_per_100"],
        }

    return compute


def net_benefit_curve(
    y: ArrayLike,
    p: ArrayLike,
    thresholds: Sequence[float] = THRESHOLDS,
    *,
    clusters: ArrayLike | None = None,
    estimand: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Weigh hits against false alarms over thresholds, beside flagging everybody and nobody.

    Parameters
    ----------
    y, p, clusters, estimand, level
        As for :func:`nbanalytics.risk.measures`.
    thresholds : sequence of float
        Students with at least this probability are flagged; from 0 to below 1.

    Returns
    -------
    pandas.DataFrame
        ``threshold, strategy, value, low, high, estimand``: the net benefit per student of the ``model``, of flagging
        ``everybody`` and of flagging ``nobody`` (0).

    Raises
    ------
    DataError
        If outcomes or scores cannot be used, or a threshold is 1 or not a probability.

    Notes
    -----
    Vickers and Elkin (2006), Medical Decision Making 26: 565-574.

    Examples
    --------
    >>> net_benefit_curve([1, 0, 0, 1, 0], [.9, .6, .1, .7, .2], [0.5])[["threshold", "strategy", "value"]]
       threshold   strategy  value
    0        0.5      model    0.2
    1        0.5  everybody   -0.2
    2        0.5     nobody    0.0
    """
    outcome, scores = scored(y, p)
    if any(threshold == 1 for threshold in thresholds):
        raise DataError("At a threshold of 1 false alarms weigh infinitely", "Choose thresholds below 1.")
    _, units = units_to_leave_out(clusters, len(outcome), estimand)
    rows: list[tuple[float, str, float, float, float]] = []
    for threshold in thresholds:
        for strategy, flags in (("model", flag_at(scores, threshold)), ("everybody", np.ones_like(scores))):
            values = units.evaluate(_benefit(outcome, flags, threshold))["net_benefit"]
            rows.append((threshold, strategy, float(values[0]), *units.interval(values, level=level)))
        rows.append((threshold, "nobody", 0.0, 0.0, 0.0))
    table = pd.DataFrame(rows, columns=["threshold", "strategy", "value", "low", "high"])
    return table.assign(estimand=units.estimand)


def _benefit(y: Floats, flags: Floats, threshold: float) -> Statistic:
    return lambda weights: {"net_benefit": net_benefit(counted(y, flags, weights), threshold)}
