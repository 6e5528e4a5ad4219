"""Intervals of shares, of differences, changes and ratios between them, and of means."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, nan, sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.errors import DataError


def wilson(successes: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a share.

    Parameters
    ----------
    successes, total : int
        The share is ``successes / total``.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float
        Lower and upper bound; missing (nan) if ``total`` is 0.

    Notes
    -----
    Wilson, E. B. (1927), Journal of the American Statistical Association 22: 209-212, without continuity correction.

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson(81, 263)]
    [0.2553, 0.3662]
    """
    if not 0 <= successes <= total:
        raise DataError(f"{successes} of {total} is not a share", "Give successes from 0 to the total.")
    if total == 0:
        return nan, nan
    return score_interval(successes / total, total, level)


def score_interval(share: float, total: float, level: float = 0.95, freedom: float = inf) -> tuple[float, float]:
    """Score interval of a share of so many, by Student's *t* where the degrees of freedom are finite.

    Examples
    --------
    >>> [round(bound, 3) for bound in score_interval(0.0, 138, freedom=2)]
    [0.0, 0.118]
    """
    z = _t_quantile(level, freedom)
    centre = share + z * z / (2 * total)
    half = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def with_share(rows: pd.DataFrame, part: str, whole: str) -> pd.DataFrame:
    """Add ``share, low, high``: one column of counts in another with its score interval (95 %, :func:`wilson`).

    They are missing where the whole is 0.

    Examples
    --------
    >>> with_share(pd.DataFrame({"lost": [81], "students": [263]}), "lost", "students").round(3)
       lost  students  share    low   high
    0    81       263  0.308  0.255  0.366
    """
    bounds = [wilson(int(some), int(total)) for some, total in zip(rows[part], rows[whole], strict=True)]
    return rows.assign(
        share=rows[part] / rows[whole].where(rows[whole] > 0),
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
    )


def newcombe(
    successes_1: int, total_1: int, successes_2: int, total_2: int, level: float = 0.95
) -> tuple[float, float]:
    """Interval of the difference between two independent shares, the first minus the second.

    Returns
    -------
    tuple of float
        Lower and upper bound; missing (nan) if a total is 0.

    Notes
    -----
    Newcombe, R. G. (1998), Statistics in Medicine 17: 873-890, method 10: the score intervals of the two shares
    combined. It keeps its level in small samples and where a share is 0.

    Examples
    --------
    56 of 70 against 48 of 80:

    >>> [round(bound, 4) for bound in newcombe(56, 70, 48, 80)]
    [0.0524, 0.3339]
    """
    if total_1 == 0 or total_2 == 0:
        return nan, nan
    share_1, share_2 = successes_1 / total_1, successes_2 / total_2
    low_1, high_1 = wilson(successes_1, total_1, level)
    low_2, high_2 = wilson(successes_2, total_2, level)
    difference = share_1 - share_2
    return (
        max(difference - sqrt((share_1 - low_1) ** 2 + (high_2 - share_2) ** 2), -1.0),
        min(difference + sqrt((high_1 - share_1) ** 2 + (share_2 - low_2) ** 2), 1.0),
    )


def paired_difference(both: int, first: int, second: int, neither: int) -> tuple[float, float]:
    """95 % interval of the later share minus the earlier one, of the same students.

    Parameters
    ----------
    both, first, second, neither : int
        Students who reached at both occasions, at the first only, at the second only, at neither.

    Returns
    -------
    tuple of float
        Lower and upper bound.

    Notes
    -----
    Newcombe, R. G. (1998), Statistics in Medicine 17: 2635-2650, method 10: the score intervals of the two shares put
    together with the correlation between them, corrected for continuity.

    Examples
    --------
    >>> [round(bound, 3) for bound in paired_difference(1, 7, 1, 12)]
    [-0.507, -0.026]
    """
    n = both + first + second + neither
    now, then = (both + second), (both + first)
    (low_1, high_1), (low_2, high_2) = wilson(now, n), wilson(then, n)
    product = now * (n - now) * then * (n - then)
    cross = float(both * neither - first * second)
    cross = max(cross - n / 2, 0.0) if cross > 0 else cross
    phi = cross / sqrt(product) if product else 0.0
    share_1, share_2 = now / n, then / n
    down_1, up_1, down_2, up_2 = share_1 - low_1, high_1 - share_1, share_2 - low_2, high_2 - share_2
    change = share_1 - share_2
    return (
        max(change - sqrt(max(down_1**2 - 2 * phi * down_1 * up_2 + up_2**2, 0.0)), -1.0),
        min(change + sqrt(max(up_1**2 - 2 * phi * up_1 * down_2 + down_2**2, 0.0)), 1.0),
    )


@dataclass(frozen=True)
class Change:
    """A share at two occasions.

    Attributes
    ----------
    zero, later : float
        The share at either occasion.
    low, high : float
        95 % interval of ``later - zero``.
    chance : float
        95 of 100 changes lie between minus and plus this if nothing but chance is at work.
    """

    zero: float
    later: float
    low: float
    high: float
    chance: float

    @property
    def change(self) -> float:
        """The later share minus the earlier one."""
        return self.later - self.zero

    @property
    def beyond_chance(self) -> bool:
        """Whether the change is larger than chance alone usually gives."""
        return abs(self.change) > self.chance


def same_students_change(both: int, first: int, second: int, neither: int) -> Change:
    """Change of a share among the same students, who reached at both occasions, the first, the second or neither.

    Notes
    -----
    The interval is :func:`paired_difference`. By chance alone as many go up as down, so that the change has variance
    *(first + second) / n²* (McNemar 1947, Psychometrika 12: 153-157).

    Examples
    --------
    >>> found = same_students_change(236, 23, 15, 39)
    >>> round(found.change, 4), round(found.chance, 4)
    (-0.0256, 0.0386)
    """
    n = both + first + second + neither
    low, high = paired_difference(both, first, second, neither)
    margin = mean_interval(0.0, sqrt(first + second) / n)[1]
    return Change((both + first) / n, (both + second) / n, low, high, margin)


def other_students_change(reached_zero: int, n_zero: int, reached_later: int, n_later: int) -> Change:
    """Change of a share between different students.

    Notes
    -----
    The interval is :func:`newcombe`. By chance alone both have the same share, estimated from all of them.

    Examples
    --------
    >>> found = other_students_change(80, 100, 150, 200)
    >>> round(found.change, 4), round(found.chance, 4)
    (-0.05, 0.1015)
    """
    low, high = newcombe(reached_later, n_later, reached_zero, n_zero)
    common = (reached_zero + reached_later) / (n_zero + n_later)
    margin = mean_interval(0.0, sqrt(common * (1 - common) * (1 / n_zero + 1 / n_later)))[1]
    return Change(reached_zero / n_zero, reached_later / n_later, low, high, margin)


def katz(
    successes_1: int, total_1: int, successes_2: int, total_2: int, level: float = 0.95
) -> tuple[float, float, float]:
    """Ratio of two independent shares with its interval on the scale of logarithms.

    Returns
    -------
    tuple of float
        Ratio, lower and upper bound. With no success in the first the ratio is 0 and its upper bound missing;
        with none in the second all are missing: a ratio to nothing is not estimated.

    Notes
    -----
    Katz, D., Baptista, J., Azen, S. P. and Pike, M. C. (1978), Biometrics 34: 469-474.

    Examples
    --------
    >>> [round(value, 3) for value in katz(10, 100, 20, 400)]
    [2.0, 0.967, 4.137]
    """
    if total_1 == 0 or total_2 == 0 or successes_2 == 0:
        return nan, nan, nan
    ratio = (successes_1 / total_1) / (successes_2 / total_2)
    if successes_1 == 0:
        return 0.0, 0.0, nan
    half = _normal_quantile(level) * sqrt(1 / successes_1 - 1 / total_1 + 1 / successes_2 - 1 / total_2)
    return ratio, ratio * exp(-half), ratio * exp(half)


def placements(
    cases: NDArray[np.float64], others: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each case the share of others below it, for each other the share of cases above it, ties half.

    Their means are the area under the ROC curve, and their variances give DeLong's variance of it.

    Examples
    --------
    >>> [part.tolist() for part in placements(np.array([2.0, 5.0]), np.array([1.0, 2.0, 3.0, 4.0]))]
    [[0.375, 1.0], [1.0, 0.75, 0.5, 0.5]]
    """
    sorted_cases, sorted_others = np.sort(cases), np.sort(others)
    lower = np.searchsorted(sorted_others, cases, "left") + np.searchsorted(sorted_others, cases, "right")
    upper = np.searchsorted(sorted_cases, others, "left") + np.searchsorted(sorted_cases, others, "right")
    return lower / (2 * len(others)), 1 - upper / (2 * len(cases))


def mean_interval(mean: float, standard_error: float, freedom: float = inf, level: float = 0.95) -> tuple[float, float]:
    """Interval of a mean by Student's t; by the normal distribution if the degrees of freedom are infinite.

    Examples
    --------
    >>> [round(bound, 2) for bound in mean_interval(10.0, 1.0, 4)]
    [7.22, 12.78]
    """
    half = _t_quantile(level, freedom) * standard_error
    return mean - half, mean + half


def mean_test(mean: float, standard_error: float, freedom: float) -> float:
    """Two-sided p-value of a mean of 0 by Student's t; missing if nothing varies.

    Examples
    --------
    >>> round(mean_test(10.0, 4.0, 4), 3)
    0.067
    """
    if not standard_error > 0:
        return nan
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(mean / standard_error)))


def checked_level(level: float) -> float:
    """Return a confidence level, refused unless it lies between 0 and 1."""
    if not 0 < level < 1:
        raise DataError(
            f"A confidence level of {level:g} is not between 0 and 1", "Give one between 0 and 1, such as 0.95."
        )
    return level


def _normal_quantile(level: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + checked_level(level)) / 2)


def _t_quantile(level: float, freedom: float) -> float:
    if freedom == inf:
        return _normal_quantile(level)
    from scipy.special import stdtrit  # the whole of scipy.stats costs a second to import

    return float(stdtrit(freedom, (1 + checked_level(level)) / 2))
