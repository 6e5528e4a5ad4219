"""Intervals of shares, of differences and ratios between them, and of means."""

from __future__ import annotations

from math import exp, inf, nan, sqrt


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
    if total == 0:
        return nan, nan
    z = _normal_quantile(level)
    share = successes / total
    centre = share + z * z / (2 * total)
    half = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


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
    The paper's example (a), 56 of 70 against 48 of 80:

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
        difference - sqrt((share_1 - low_1) ** 2 + (high_2 - share_2) ** 2),
        difference + sqrt((high_1 - share_1) ** 2 + (share_2 - low_2) ** 2),
    )


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


def mean_interval(mean: float, standard_error: float, freedom: float = inf, level: float = 0.95) -> tuple[float, float]:
    """Interval of a mean by Student's t; by the normal distribution if the degrees of freedom are infinite.

    Examples
    --------
    >>> [round(bound, 2) for bound in mean_interval(10.0, 1.0, 4)]
    [7.22, 12.78]
    """
    half = _t_quantile(level, freedom) * standard_error
    return mean - half, mean + half


def _normal_quantile(level: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + level) / 2)


def _t_quantile(level: float, freedom: float) -> float:
    if freedom == inf:
        return _normal_quantile(level)
    from scipy.special import stdtrit  # the whole of scipy.stats costs a second to import

    return float(stdtrit(freedom, (1 + level) / 2))
