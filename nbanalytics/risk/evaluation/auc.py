"""Discrimination of scores: AUC with DeLong's variance, average precision, ROC curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan, sqrt

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nbanalytics.errors import DataError
from nbanalytics.intervals import mean_interval, placements
from nbanalytics.risk.evaluation.scores import Labels, labels_of, ratio, scored, scored_by, units_to_leave_out
from nbanalytics.schools import LIKE, Floats, Places, jackknife_test

#: What rounding leaves of a variance of 0.
_NO_VARIANCE = 1e-15


@dataclass(frozen=True)
class Tied:
    """The places of scores in ascending order, and where each run of equal scores starts."""

    order: Places
    starts: Places

    def sums(self, values: Floats) -> Floats:
        """Sum the columns of a matrix within each run of equal scores, runs ascending."""
        return np.asarray(np.add.reduceat(values[:, self.order], self.starts, axis=1))


def tied(scores: Floats, rows: Places | None = None) -> Tied:
    """Order scores, all or those of some rows, and find their ties."""
    rows = np.arange(len(scores)) if rows is None else rows
    order = rows[np.argsort(scores[rows], kind="stable")]
    ordered = scores[order]
    return Tied(order, np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]))


def tied_within(scores: Floats, strata: Labels | None = None) -> list[Tied]:
    """Order the scores within each stratum, or those of all students without strata."""
    if strata is None:
        return [tied(scores)]
    return [tied(scores, np.flatnonzero(strata == stratum)) for stratum in np.unique(strata)]


def weighted_auc(y: Floats, weights: Floats, parts: Sequence[Tied]) -> Floats:
    """Return the area under the ROC curve for every row of weights; missing where a class has no weight.

    It is the share of pairs of a case and another student in which the case has the higher score, ties counted half
    (Hanley and McNeil 1982). With several parts only pairs within a part are compared.

    Examples
    --------
    >>> y, scores = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.3, 0.3, 0.8])
    >>> weighted_auc(y, np.ones((1, 4)), [tied(scores)])
    array([0.875])
    """
    return won_pairs(weights * y, weights * (1 - y), parts)


def won_pairs(case_weights: Floats, other_weights: Floats, parts: Sequence[Tied]) -> Floats:
    """Return the weighted share of pairs in which the case has the higher score, ties half; one per row of weights."""
    won, pairs = np.zeros(len(case_weights)), np.zeros(len(case_weights))
    for ties in parts:
        cases, others = ties.sums(case_weights), ties.sums(other_weights)
        below = np.cumsum(others, axis=1) - others
        won += (cases * (below + others / 2)).sum(axis=1)
        pairs += cases.sum(axis=1) * others.sum(axis=1)
    return ratio(won, pairs)


def weighted_average_precision(y: Floats, weights: Floats, ties: Tied) -> Floats:
    """Return the precision averaged over the cases as the threshold falls; one value per row of weights."""
    cases = ties.sums(weights * y)[:, ::-1]
    flagged = ties.sums(weights)[:, ::-1]
    precision = ratio(np.cumsum(cases, axis=1), np.cumsum(flagged, axis=1))
    return ratio((cases * np.nan_to_num(precision)).sum(axis=1), cases.sum(axis=1))


def delong(y: Floats, scores: Floats, strata: Labels | None = None) -> tuple[Floats, Floats]:
    """Return the AUC of several scores of the same independent students, and their covariance matrix.

    The covariance is missing with fewer than two cases, or two others. With ``strata`` the AUC is the share of all
    pairs within strata, such as the fold whose model gave the scores, and the shares of pairs count as given. DeLong,
    DeLong and Clarke-Pearson (1988), Biometrics 44: 837-845.

    Examples
    --------
    >>> auc, covariance = delong(np.array([0, 0, 1, 1]), np.array([[0.1, 0.3, 0.3, 0.8]]))
    >>> auc.tolist(), covariance.round(5).tolist()
    ([0.875], [[0.03125]])
    """
    labels = np.zeros(len(y)) if strata is None else strata
    parts = [np.flatnonzero(labels == stratum) for stratum in np.unique(labels)]
    parts = [rows for rows in parts if 0 < y[rows].sum() < len(rows)]
    used = np.concatenate(parts) if parts else np.zeros(0, dtype=int)
    m, n = y[used].sum(), (1 - y[used]).sum()
    pairs = sum(y[rows].sum() * (1 - y[rows]).sum() for rows in parts)
    auc = np.zeros(len(scores)) if parts else np.full(len(scores), nan)
    deviations = np.zeros((2, *scores.shape))
    for rows in parts:
        case, other = rows[y[rows] == 1], rows[y[rows] == 0]
        share = len(case) * len(other) / pairs
        for model, score in enumerate(scores):
            of_cases, of_others = placements(score[case], score[other])
            own = of_cases.mean()
            auc[model] += share * own
            deviations[0, model, case] = (of_cases - own) * share * m / len(case)
            deviations[1, model, other] = (of_others - own) * share * n / len(other)
    if min(m, n) < 2:
        return auc, np.full((len(auc), len(auc)), nan)
    cases, others = deviations
    return auc, cases @ cases.T / (m * (m - 1)) + others @ others.T / (n * (n - 1))


def delong_interval(
    y: Floats, p: Floats, level: float = 0.95, strata: Labels | None = None
) -> tuple[float, float, float]:
    """Return the AUC with DeLong's interval, cut at 0 and 1; no interval where the variance is 0 or missing."""
    auc, covariance = delong(y, p[None, :], strata)
    value, variance = float(auc[0]), float(covariance[0, 0])
    if not variance > _NO_VARIANCE:
        return value, nan, nan
    low, high = mean_interval(value, sqrt(variance), level=level)
    return value, max(low, 0.0), min(high, 1.0)


def auc_difference(
    auc: Floats, covariance: Floats, first: int, second: int, level: float = 0.95
) -> tuple[float, float, float, float]:
    """Return the difference of two of the AUCs of :func:`delong`, low, high and z; no interval where neither varies."""
    difference = float(auc[first] - auc[second])
    variance = float(covariance[first, first] + covariance[second, second] - 2 * covariance[first, second])
    error = sqrt(variance) if variance > _NO_VARIANCE else nan
    return difference, *mean_interval(difference, error, level=level), difference / error


def compare_auc(
    y: ArrayLike,
    scores: Mapping[str, ArrayLike],
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    *,
    estimand: str | None = None,
) -> pd.DataFrame:
    """Test whether models that scored the same students differ in AUC, pair by pair.

    Parameters
    ----------
    y : sequence of bool or of 0 and 1
        Outcomes.
    scores : mapping of str to sequence of float
        Probabilities by name of the model.
    clusters, level, estimand
        As for :func:`nbanalytics.risk.measures`.

    Returns
    -------
    pandas.DataFrame
        One row per pair: ``first, second``; ``auc_first, auc_second``; ``difference, low, high``: the first minus the
        second; ``z`` (the difference by its standard error) and ``p_value``, missing if the two rank the students
        alike; ``estimand``.

    Raises
    ------
    DataError
        If outcomes or scores cannot be used.

    Notes
    -----
    *These schools*: the paired test of DeLong, DeLong and Clarke-Pearson (1988). *Schools like these*: the difference
    without each school in turn, *t* with schools - 1 degrees of freedom.

    Examples
    --------
    >>> table = compare_auc([0, 0, 1, 1, 0, 1], {"a": [.1, .2, .3, .9, .4, .8], "b": [.3, .2, .1, .9, .8, .4]})
    >>> table[["auc_first", "auc_second", "difference"]].round(3).to_numpy().tolist()
    [[0.889, 0.556, 0.333]]
    """
    from statistics import NormalDist

    outcome, arrays = scored_by(y, scores)
    names = list(arrays)
    _, units = units_to_leave_out(clusters, len(outcome), estimand)
    auc, covariance = delong(outcome, np.array(list(arrays.values())))
    ties = {name: tied_within(array) for name, array in arrays.items()}
    deleted = units.evaluate(lambda weights: {name: weighted_auc(outcome, weights, ties[name]) for name in names})
    rows = []
    for first, second in combinations(range(len(names)), 2):
        difference, low, high, z = auc_difference(auc, covariance, first, second, level)
        p_value = 2 * NormalDist().cdf(-abs(z)) if z == z else nan
        if units.estimand == LIKE:
            apart = deleted[names[first]] - deleted[names[second]]
            low, high = units.interval(apart, level=level)
            z, p_value = jackknife_test(apart, units.present)
        pair = (names[first], names[second], float(auc[first]), float(auc[second]))
        rows.append((*pair, difference, low, high, z, p_value, units.estimand))
    columns = ["first", "second", "auc_first", "auc_second", "difference", "low", "high", "z", "p_value", "estimand"]
    return pd.DataFrame(rows, columns=columns)


def roc_curve(y: ArrayLike, p: ArrayLike, folds: ArrayLike | None = None) -> pd.DataFrame:
    """Return the points of the ROC curve, from nobody flagged to everybody.

    Parameters
    ----------
    y, p
        As for :func:`nbanalytics.risk.measures`.
    folds : sequence, optional
        The fold of each student. The curve is then the mean of the folds' curves at each share of false positives,
        weighted by their pairs, so that the area under it is the AUC within folds.

    Returns
    -------
    pandas.DataFrame
        ``threshold`` (students with at least this probability are flagged; infinite in the first row, missing with
        folds), ``fpr`` and ``tpr``.

    Raises
    ------
    DataError
        If outcomes or scores cannot be used, or no fold has both classes.

    Examples
    --------
    >>> roc_curve([0, 1, 0, 1], [0.1, 0.3, 0.3, 0.8])
       threshold  fpr  tpr
    0        inf  0.0  0.0
    1        0.8  0.0  0.5
    2        0.3  0.5  1.0
    3        0.1  1.0  1.0
    """
    outcome, scores = scored(y, p)
    if folds is None:
        return _curve(outcome, scores)
    labels = labels_of(folds, len(outcome), "folds")
    parts = [labels == fold for fold in np.unique(labels)]
    parts = [inside for inside in parts if 0 < outcome[inside].sum() < inside.sum()]
    if not parts:
        raise DataError(
            "folds: none holds students with and students without the outcome", "Take larger folds, or none."
        )
    pairs = np.array([outcome[inside].sum() * (1 - outcome[inside]).sum() for inside in parts])
    curves = [_curve(outcome[inside], scores[inside]) for inside in parts]
    knots = np.unique(np.concatenate([curve["fpr"] for curve in curves]))
    ends = [[_along(curve, knots, end) for curve in curves] for end in ("min", "max")]
    tpr = np.tensordot(ends, pairs / pairs.sum(), axes=([1], [0])).T
    return pd.DataFrame({"threshold": nan, "fpr": np.repeat(knots, 2), "tpr": tpr.ravel()})


def _curve(outcome: Floats, scores: Floats) -> pd.DataFrame:
    from sklearn import metrics

    fpr, tpr, thresholds = metrics.roc_curve(outcome, scores, drop_intermediate=False)
    return pd.DataFrame({"threshold": thresholds, "fpr": fpr, "tpr": tpr})


def _along(curve: pd.DataFrame, knots: Floats, end: str) -> Floats:
    """Return the height of a ROC curve at shares of false positives; its "min" or "max" where it rises vertically."""
    between = pd.Series(np.interp(knots, curve["fpr"], curve["tpr"]), knots)
    return curve.groupby("fpr")["tpr"].agg(end).reindex(knots).fillna(between).to_numpy()
