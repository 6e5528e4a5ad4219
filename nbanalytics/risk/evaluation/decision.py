"""What follows when scores decide who gets a place: counts, rates, lift, false alarms, net benefit."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbanalytics.errors import DataError
from nbanalytics.intervals import wilson
from nbanalytics.risk.evaluation.auc import Tied, tied
from nbanalytics.risk.evaluation.bootstrap import percentile_interval
from nbanalytics.risk.evaluation.scores import Floats, ratio

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
#: What has an interval from counts: the shares, and 100 less 100 times the precision.
COUNTED = (*SHARES, "false_alarms_per_100")


def flag_at(p: Floats, threshold: float) -> Floats:
    """Flag who has at least the threshold: 1.0, others 0.0."""
    if not 0 <= threshold <= 1:
        raise DataError(f"A threshold of {threshold:g} is no probability. Choose one between 0 and 1.")
    return (p >= threshold).astype(float)


def flag_top(scores: Floats, share: float, weights: Floats, ties: Tied | None = None) -> Floats:
    """Give the places to the highest scores; equal scores share the last places in equal parts.

    Parameters
    ----------
    scores : array, shape (students,)
    share : float
        Places as a share of all students, above 0 and up to 1.
    weights : array, shape (draws, students)

    Returns
    -------
    array, shape (draws, students)
        The chance of a place if ties were settled by lot: 1, 0, or between them at the last place.

    Examples
    --------
    >>> flag_top(np.array([0.9, 0.5, 0.5, 0.1]), 0.5, np.ones((1, 4)))
    array([[1. , 0.5, 0.5, 0. ]])
    """
    if not 0 < share <= 1:
        raise DataError(f"A capacity of {share:g} is no share of the students. Choose one above 0 and up to 1.")
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


def flag_top_within(scores: Floats, share: float, weights: Floats, strata: Any) -> Floats:
    """Give the places as :func:`flag_top` does, the same share in each stratum: every cohort has its own budget."""
    flags = np.zeros_like(weights)
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        flags[:, inside] = flag_top(scores[inside], share, weights[:, inside])
    return flags


def counted(y: Floats, flags: Floats, weights: Floats) -> dict[str, Floats]:
    """Count hits, false alarms, misses and correct rejections for every row of weights."""
    flagged = weights * flags
    cases, total = weights @ y, weights.sum(axis=1)
    tp = flagged @ y
    fp = flagged.sum(axis=1) - tp
    return {"n": total, "tp": tp, "fp": fp, "fn": cases - tp, "tn": total - cases - fp}


def rates(counts: dict[str, Floats], threshold: float | None = None) -> dict[str, Floats]:
    """Turn counts into shares and what is made of them; missing where there is nobody to divide by."""
    found = {name: ratio(_sum(counts, above), _sum(counts, below)) for name, (above, below) in SHARES.items()}
    found["false_alarms_per_100"] = 100 * (1 - found["ppv"])
    found["lift"] = ratio(found["ppv"], found["base_rate"])
    if threshold is not None and threshold < 1:
        found["net_benefit"] = net_benefit(counts, threshold)
    return found


def net_benefit(counts: dict[str, Floats], threshold: float) -> Floats:
    """Hits minus false alarms weighed by the odds of the threshold, per student.

    Flagging from a chance of 20 % says that a hit is worth four false alarms. It compares with the net benefit of
    flagging everybody (the same formula) and nobody (0).

    Notes
    -----
    Vickers and Elkin (2006), Medical Decision Making 26: 565-574.

    Examples
    --------
    >>> counts = {"n": np.array([100.0]), "tp": np.array([10.0]), "fp": np.array([20.0])}
    >>> net_benefit(counts, 0.2)
    array([0.05])
    """
    return ratio(counts["tp"] - counts["fp"] * threshold / (1 - threshold), counts["n"])


def share_interval(counts: dict[str, Any], name: str, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of one of the shares, or of false alarms; missing if nobody is in its denominator."""
    if name == "false_alarms_per_100":
        low, high = share_interval(counts, "ppv", level)
        return 100 * (1 - high), 100 * (1 - low)
    above, below = SHARES[name]
    return wilson(round(float(_sum(counts, above))), round(float(_sum(counts, below))), level)


def rate_interval(name: str, resampled: Floats, counts: dict[str, Any], level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of resampled values; Wilson's of a rate that no resample changes, which is no certainty."""
    low, high = percentile_interval(resampled, level)
    known = {"precision": "ppv", "recall": "tpr"}.get(name, name)
    return share_interval(counts, known, level) if low == high and known in COUNTED and counts else (low, high)


def counts_once(y: Floats, flags: Floats) -> dict[str, float]:
    """Count hits, false alarms, misses and correct rejections of all students as they are."""
    return {name: float(found[0]) for name, found in counted(y, flags, np.ones((1, len(y)))).items()}


def _sum(counts: dict[str, Any], names: str) -> Any:
    return sum(counts[name] for name in names.split())
