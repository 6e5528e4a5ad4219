"""Whether probabilities agree with outcomes: Brier score and its parts, log loss, calibration slope and level."""

from __future__ import annotations

from math import nan

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nbanalytics.errors import DataError
from nbanalytics.intervals import wilson
from nbanalytics.risk.evaluation.scores import ratio, scored
from nbanalytics.schools import Floats, Places

_STEPS = 50
_CONVERGED = 1e-10
#: A slope or level beyond this is a fit that runs away: the scores separate the classes.
_RUNAWAY = 50.0


def squared_errors(y: Floats, p: Floats) -> Floats:
    """Return each student's part of the Brier score."""
    return (p - y) ** 2


def log_losses(y: Floats, p: Floats) -> Floats:
    """Return each student's part of the log loss; infinite where a probability of 0 or 1 was wrong."""
    with np.errstate(divide="ignore"):
        losses: Floats = -np.log(np.where(y == 1, p, 1 - p))
    return losses


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """Return the mean for every row of weights; missing without weight."""
    finite = np.where(np.isfinite(values), values, 0.0)
    means = ratio(weights @ finite, weights.sum(axis=1))
    means[weights @ np.isinf(values).astype(float) > 0] = np.inf
    return means


def calibration_fit(y: Floats, p: Floats, weights: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Fit the logistic recalibration of the scores for every row of weights.

    Returns slopes and their standard errors, levels (*in the large*) and their standard errors; missing where there is
    no finite estimate: a probability of 0 or 1, equal scores, one class, or scores that separate the classes. The slope
    is that of a logistic regression of the outcome on the logit of the score (Cox 1958, Biometrika 45: 562-565); the
    level is the intercept of one with the logit as offset (Steyerberg 2019, *Clinical Prediction Models*, chapter 15).
    docs/risk.md says why the fits are not statsmodels'.
    """
    missing = np.full(len(weights), nan)
    if (p <= 0).any() or (p >= 1).any():
        return missing, missing, missing, missing
    logit = np.log(p) - np.log1p(-p)
    ones = np.ones_like(logit)
    level, level_error = _newton(ones[None, :], logit, y, weights)
    if np.ptp(logit) < 1e-9:
        return missing, missing, level[:, 0], level_error[:, 0]
    # The logit is centred for a stable fit; its slope is the same.
    slope, slope_error = _newton(np.vstack([ones, logit - logit.mean()]), np.zeros_like(logit), y, weights)
    return slope[:, 1], slope_error[:, 1], level[:, 0], level_error[:, 0]


def brier_decomposition(y: ArrayLike, p: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """Divide the Brier score into reliability, resolution and uncertainty over bins of equal counts.

    Parameters
    ----------
    y, p
        As for :func:`nbanalytics.risk.measures`.
    bins : int
        Bins of about equal numbers of students by rank of the score; equal scores stay together.

    Returns
    -------
    pandas.DataFrame
        ``measure, value``: ``brier``; ``reliability`` (predicted against observed shares of the bins; 0 is best);
        ``resolution`` (how far the bins are from the overall share; more is better); ``uncertainty`` (of the share
        alone); ``within_bins`` (differences of scores inside bins). ``brier`` is reliability - resolution +
        uncertainty + within_bins.

    Raises
    ------
    DataError
        If outcomes or scores cannot be used, or there are fewer than 2 bins.

    Notes
    -----
    Murphy (1973), Journal of Applied Meteorology 12: 595-600; the part within bins is that of Stephenson, Coelho and
    Jolliffe (2008), Weather and Forecasting 23: 752-757. Few students in a bin raise reliability by chance alone.

    Examples
    --------
    >>> brier_decomposition([0, 0, 1, 1], [0.1, 0.1, 0.6, 0.6], bins=2).round(3).to_numpy().tolist()
    [['brier', 0.085], ['reliability', 0.085], ['resolution', 0.25], ['uncertainty', 0.25], ['within_bins', 0.0]]
    """
    outcome, scores, place = _binned(y, p, bins)
    n = len(outcome)
    share, counts = outcome.mean(), np.bincount(place)
    promised, held = np.bincount(place, weights=scores) / counts, np.bincount(place, weights=outcome) / counts
    brier = float(squared_errors(outcome, scores).mean())
    reliability = float(counts @ (promised - held) ** 2) / n
    resolution = float(counts @ (held - share) ** 2) / n
    uncertainty = float(share * (1 - share))
    parts = {
        "brier": brier,
        "reliability": reliability,
        "resolution": resolution,
        "uncertainty": uncertainty,
        "within_bins": brier - (reliability - resolution + uncertainty),
    }
    return pd.DataFrame({"measure": list(parts), "value": list(parts.values())})


def calibration_table(y: ArrayLike, p: ArrayLike, bins: int = 10, level: float = 0.95) -> pd.DataFrame:
    """Compare predicted probabilities with observed shares, in bins of equal counts.

    Parameters
    ----------
    y, p, bins
        As for :func:`brier_decomposition`.
    level : float
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        One row per bin, lowest scores first: ``bin, n, cases, mean_p, observed``, and ``low, high``, Wilson's interval
        of the observed share.

    Examples
    --------
    >>> calibration_table([0, 0, 1, 1], [0.1, 0.1, 0.6, 0.6], bins=2)[["bin", "n", "cases", "mean_p", "observed"]]
       bin  n  cases  mean_p  observed
    0    1  2      0     0.1       0.0
    1    2  2      2     0.6       1.0
    """
    outcome, scores, place = _binned(y, p, bins)
    rows = []
    for number in range(place.max() + 1):
        inside = place == number
        n, cases = int(inside.sum()), int(outcome[inside].sum())
        rows.append((number + 1, n, cases, scores[inside].mean(), cases / n, *wilson(cases, n, level)))
    return pd.DataFrame(rows, columns=["bin", "n", "cases", "mean_p", "observed", "low", "high"])


def _binned(y: ArrayLike, p: ArrayLike, bins: int) -> tuple[Floats, Floats, Places]:
    outcome, scores = scored(y, p)
    if bins < 2:
        raise DataError(f"{bins} bins divide nothing", "Ask for at least 2.")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    wanted = np.minimum((middle * bins / len(scores)).astype(int), bins - 1)
    return outcome, scores, np.unique(wanted[inverse], return_inverse=True)[1]


def _newton(design: Floats, offset: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Fit weighted logistic regressions with one or two columns, one for each row of weights, all at once."""
    draws, columns = len(weights), len(design)
    beta = np.zeros((draws, columns))
    if draws > 1:  # resamples are near the sample, so that its estimate is a good start
        beta += np.nan_to_num(_newton(design, offset, y, np.ones((1, len(y))))[0])
    information = np.zeros((draws, columns, columns))
    failed = np.zeros(draws, dtype=bool)
    pairs = np.array([design[i] * design[j] for i in range(columns) for j in range(columns)])
    for _ in range(_STEPS):
        mean = 1 / (1 + np.exp(-np.clip(beta @ design + offset, -500, 500)))
        gradient = (weights * (y - mean)) @ design.T
        information = ((weights * mean * (1 - mean)) @ pairs.T).reshape(draws, columns, columns)
        failed |= np.linalg.det(information) <= 1e-12
        information[failed] = np.eye(columns)
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        # A step longer than 4 on the scale of logits overshoots; shortened, it still leads to the same place.
        step *= np.minimum(1.0, 4.0 / np.maximum(np.abs(step).max(axis=1), 1e-300))[:, None]
        beta = np.where(failed[:, None], beta, beta + step)
        if not (np.abs(step[~failed]) > _CONVERGED).any():
            break
    else:
        failed |= np.abs(step).max(axis=1) > _CONVERGED
    failed |= np.abs(beta).max(axis=1) > _RUNAWAY
    errors = np.sqrt(np.diagonal(np.linalg.inv(information), axis1=1, axis2=2))
    return np.where(failed[:, None], nan, beta), np.where(failed[:, None], nan, errors)
