"""How well a scale holds together, and how well it tells two groups apart."""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from nbanalytics.intervals import mean_interval, placements


def cronbach_alpha(answers: NDArray[np.float64], level: float = 0.95) -> tuple[float, float, float]:
    """Cronbach's alpha with its interval; for answers of 0 and 1 it is Kuder and Richardson's formula 20.

    Parameters
    ----------
    answers : ndarray, shape (students, questions)
        Without missing values.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float
        Alpha, lower and upper bound; all missing for one question or answers that do not vary.

    Notes
    -----
    *k/(k-1) · (1 - Σ var(question) / var(sum))* (Cronbach 1951, Psychometrika 16: 297-334; Kuder and Richardson 1937).
    Interval: *(1 - alpha)* times quantiles of *F* with *n-1* and *(n-1)(k-1)* degrees of freedom (Feldt 1965,
    Psychometrika 30: 357-370).

    Examples
    --------
    >>> answers = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0]], dtype=float)
    >>> [round(value, 3) for value in cronbach_alpha(answers)]
    [0.682, -0.348, 0.952]
    """
    n, k = answers.shape
    total = float(answers.sum(axis=1).var(ddof=1)) if n > 1 else 0.0
    if k < 2 or total == 0.0:
        return nan, nan, nan
    alpha = k / (k - 1) * (1 - float(answers.var(axis=0, ddof=1).sum()) / total)
    return alpha, *feldt_interval(alpha, n, k, level)


def feldt_interval(alpha: float, n: int, k: int, level: float = 0.95) -> tuple[float, float]:
    """Feldt's interval of Cronbach's alpha from ``n`` students and ``k`` questions."""
    from scipy.special import fdtri

    freedom = (n - 1, (n - 1) * (k - 1))
    tail = (1 - level) / 2
    return 1 - (1 - alpha) * float(fdtri(*freedom, 1 - tail)), 1 - (1 - alpha) * float(fdtri(*freedom, tail))


def auc_interval(
    events: NDArray[np.float64], others: NDArray[np.float64], level: float = 0.95
) -> tuple[float, float, float]:
    """Area under the ROC curve with DeLong's interval.

    Parameters
    ----------
    events, others : ndarray
        The score of those to whom it happened and of the others; ties count as half.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float
        Area, lower and upper bound (cut at 0 and 1); missing with fewer than two in either group.

    Notes
    -----
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44: 837-845: the variance of each student's share of the others
    that it stands above.

    Examples
    --------
    >>> [round(value, 3) for value in auc_interval(np.array([3.0, 2.0, 5.0]), np.array([1.0, 2.0, 0.0, 4.0]))]
    [0.792, 0.414, 1.0]
    """
    m, n = len(events), len(others)
    if min(m, n) < 2:
        return nan, nan, nan
    of_events, of_others = placements(events, others)
    area = float(of_events.mean())
    error = sqrt(of_events.var(ddof=1) / m + of_others.var(ddof=1) / n)
    low, high = mean_interval(area, error, level=level)
    return area, max(low, 0.0), min(high, 1.0)
