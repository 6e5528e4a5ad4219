"""How strong something that was not measured would have to be, to explain an estimate away."""

from __future__ import annotations

from math import exp, sqrt


def e_value(ratio: float) -> float:
    """E-value of a risk ratio.

    Parameters
    ----------
    ratio : float
        Risk ratio, above 0; below 1 its inverse is taken.

    Returns
    -------
    float
        The risk ratio that an unmeasured confounder would need with both the support and the outcome, beyond what was
        measured, to explain the estimate away. 1 means that nothing is needed.

    Notes
    -----
    VanderWeele, T. J. and Ding, P. (2017), Annals of Internal Medicine 167: 268-274.

    Examples
    --------
    The paper's example, 3.9 with an interval from 1.8:

    >>> round(e_value(3.9), 2), round(e_value(1.8), 1)
    (7.26, 3.0)
    """
    ratio = max(ratio, 1 / ratio)
    return ratio + sqrt(ratio * (ratio - 1))


def e_value_of_difference(effect: float, low: float, high: float) -> tuple[float, float]:
    """E-values of a difference in standard deviations and of the end of its interval that is nearest to no effect.

    Parameters
    ----------
    effect, low, high : float
        In standard deviations of the outcome.

    Returns
    -------
    tuple of float
        Of the effect, and of the bound; the second is 1 if the interval holds 0.

    Notes
    -----
    A difference *d* is taken as the risk ratio exp(0.91 *d*) (Chinn 2000; VanderWeele and Ding 2017, table 2).

    Examples
    --------
    >>> [round(value, 2) for value in e_value_of_difference(0.5, 0.3, 0.7)]
    [2.53, 1.96]
    >>> e_value_of_difference(0.1, -0.1, 0.3)[1]
    1.0
    """
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    return e_value(exp(0.91 * abs(effect))), e_value(exp(0.91 * nearest))
