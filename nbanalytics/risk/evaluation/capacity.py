"""What scores give when there are places for a share of the students, or when a threshold is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.risk.evaluation.bootstrap import Statistic, draw, percentile_interval, schools_to_draw, warn_weak
from nbanalytics.risk.evaluation.decision import (
    counted,
    counts_once,
    flag_at,
    flag_top_within,
    net_benefit,
    rate_interval,
    rates,
)
from nbanalytics.risk.evaluation.scores import Floats, labels_or_none, scored

CAPACITIES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


def at_capacity(
    y: Any,
    p: Any,
    capacities: Sequence[float] = CAPACITIES,
    *,
    clusters: Any = None,
    folds: Any = None,
    draws: int = 200,
    random_state: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Say what the students with the highest scores hold, when there are places for so many.

    Parameters
    ----------
    y : sequence of bool or of 0 and 1
        Outcomes.
    p : sequence of float
        Probabilities; where scores are equal the last places are shared in equal parts, as if by lot.
    capacities : sequence of float
        Places as shares of the students, above 0 and up to 1.
    folds : sequence, optional
        The fold, or cohort, of each student: each has places of its own.
    clusters, draws, random_state, level
        As for :func:`nbanalytics.risk.measures`.

    Returns
    -------
    pandas.DataFrame
        ``capacity, measure, value, low, high``: ``flagged`` (students), ``precision`` (share of the flagged that are
        cases), ``recall`` (share of the cases that are flagged), ``lift`` (precision against the share of cases among
        all) and ``false_alarms_per_100`` flagged; percentile bootstrap, of whole clusters where they are given, and
        Wilson's interval of a share that no resample changes.

    Raises
    ------
    DataError
        If outcomes or scores cannot be used, or a capacity is no share.

    Warns
    -----
    EstimationWarning
        If fewer than five schools are resampled.

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
    drawn = draw(len(outcome), schools_to_draw(clusters, len(outcome)), draws, random_state)
    warn_weak(drawn)
    rows: list[tuple[float, str, float, float, float]] = []
    for capacity in capacities:
        compute = capacity_statistic(outcome, scores, capacity, strata)
        counts = counts_at_capacity(outcome, scores, capacity, strata)
        resampled = drawn.evaluate(compute)
        rows.append((capacity, "flagged", capacity * len(outcome), np.nan, np.nan))
        for name, value in compute(np.ones((1, len(outcome)))).items():
            rows.append((capacity, name, float(value[0]), *rate_interval(name, resampled[name], counts, level)))
    return pd.DataFrame(rows, columns=["capacity", "measure", "value", "low", "high"])


def counts_at_capacity(y: Floats, scores: Floats, capacity: float, strata: Any = None) -> dict[str, float]:
    """Count hits, false alarms, misses and correct rejections at a capacity."""
    strata = np.zeros(len(y)) if strata is None else strata
    return counts_once(y, flag_top_within(scores, capacity, np.ones((1, len(y))), strata))


def capacity_statistic(y: Floats, scores: Floats, capacity: float, strata: Any = None) -> Statistic:
    """Make the function that computes precision, recall, lift and false alarms at a capacity for rows of weights.

    With strata each has places for the same share of its students.
    """
    strata = np.zeros(len(y)) if strata is None else strata

    def compute(weights: Floats) -> dict[str, Floats]:
        found = rates(counted(y, flag_top_within(scores, capacity, weights, strata), weights))
        return {
            "precision": found["ppv"],
            "recall": found["tpr"],
            "lift": found["lift"],
            "false_alarms_per_100": found["false_alarms_per_100"],
        }

    return compute


def net_benefit_curve(
    y: Any,
    p: Any,
    thresholds: Sequence[float] = THRESHOLDS,
    *,
    clusters: Any = None,
    draws: int = 200,
    random_state: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Weigh hits against false alarms over thresholds, beside flagging everybody and nobody.

    Parameters
    ----------
    y, p, clusters, draws, random_state, level
        As for :func:`nbanalytics.risk.measures`.
    thresholds : sequence of float
        From this probability on a student is flagged; 0 to below 1.

    Returns
    -------
    pandas.DataFrame
        ``threshold, strategy, value, low, high``: the net benefit per student of the ``model``, of flagging
        ``everybody`` and of flagging ``nobody`` (0).

    Raises
    ------
    DataError
        If outcomes or scores cannot be used, or a threshold is 1 or no probability.

    Warns
    -----
    EstimationWarning
        If fewer than five schools are resampled.

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
        raise DataError("At a threshold of 1 false alarms weigh infinitely. Choose thresholds below 1.")
    drawn = draw(len(outcome), schools_to_draw(clusters, len(outcome)), draws, random_state)
    warn_weak(drawn)
    rows: list[tuple[float, str, float, float, float]] = []
    for threshold in thresholds:
        for strategy, flags in (("model", flag_at(scores, threshold)), ("everybody", np.ones_like(scores))):
            compute = _benefit(outcome, flags, threshold)
            value = float(compute(np.ones((1, len(outcome))))["net_benefit"][0])
            interval = percentile_interval(drawn.evaluate(compute)["net_benefit"], level)
            rows.append((threshold, strategy, value, *interval))
        rows.append((threshold, "nobody", 0.0, 0.0, 0.0))
    return pd.DataFrame(rows, columns=["threshold", "strategy", "value", "low", "high"])


def _benefit(y: Floats, flags: Floats, threshold: float) -> Statistic:
    return lambda weights: {"net_benefit": net_benefit(counted(y, flags, weights), threshold)}
