"""Regression to the mean: how much a group chosen for a low zero value comes back without any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.intervals import mean_interval
from nbanalytics.results import Shown

#: Fewer students than this, chosen or not, and no return is estimated.
LEAST = 10


@dataclass(frozen=True, repr=False)
class ExpectedReturn(Shown):
    """The change of a group chosen for its zero value, beside the change that comes without any work.

    Attributes
    ----------
    table : pandas.DataFrame
        One row: ``n_chosen, n_others``; ``zero`` and ``later``, means of those chosen; ``change``; ``shift``, the
        change of an average student; ``expected_return``, what the choice gives back; ``expected_change``, their sum;
        ``beyond``, the change less the expected one, with a 95 % interval ``low, high``.
    slope : float
        Of the later value on the zero value: what is kept of a distance from the mean.
    settings : mapping
        ``slope_from``: ``data`` or ``given``.
    students : int
    """

    table: pd.DataFrame
    slope: float
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        row = self.table.iloc[0]
        return (
            f"Of {self.students} students {int(row['n_chosen'])} were chosen for their zero value; they changed by "
            f"{row['change']:+.3g}, of which {row['expected_change']:+.3g} comes without any work "
            f"(beyond it {row['beyond']:+.3g}, {row['low']:+.3g} to {row['high']:+.3g})"
        )


def regression_to_mean(mean: float, sd: float, correlation: float, cutoff: float, below: bool = True) -> float:
    """How far the mean of those beyond a cut-off moves back when they are measured again and nothing was done.

    Parameters
    ----------
    mean, sd : float
        Of the measure among all students, at one occasion.
    correlation : float
        Test-retest correlation, 0 to 1: between two measurements with nothing done between them.
    cutoff : float
        Students below it are chosen, or above it.
    below : bool
        Which of the two.

    Returns
    -------
    float
        Towards the mean: positive for those chosen below, negative for those chosen above.

    Raises
    ------
    DataError
        If the spread is not above 0, the correlation is not between 0 and 1, or nobody can be beyond the cut-off.

    Notes
    -----
    Barnett, van der Pols & Dobson (2005), International Journal of Epidemiology 34: 215-220, equation (1), for a normal
    measure: *sd (1 - correlation) φ(z)/(1 - Φ(z))* with *z* the distance of the cut-off from the mean in *sd*.

    Examples
    --------
    >>> round(regression_to_mean(mean=60, sd=15, correlation=0.5, cutoff=40), 2)
    13.49
    """
    if not sd > 0 or not 0 <= correlation <= 1:
        raise DataError(f"sd is {sd:g} and correlation {correlation:g}. Give an sd above 0, a correlation from 0 to 1.")
    normal = NormalDist()
    z = (mean - cutoff) / sd if below else (cutoff - mean) / sd
    if not (beyond := normal.cdf(-z)):
        raise DataError(f"The cut-off {cutoff:g} lies {z:.0f} sd from the mean: nobody is beyond it. Choose another.")
    size = sd * (1 - correlation) * normal.pdf(z) / beyond
    return size if below else -size


def expected_return(
    zero: Sequence[float], later: Sequence[float], chosen: Sequence[bool], correlation: float | None = None
) -> ExpectedReturn:
    """Compare the change of chosen students with the change that the choice alone would give.

    Parameters
    ----------
    zero, later : sequence of float
        The same students' values at two occasions, in the same order; pairs with a missing value are left out.
    chosen : sequence of bool
        Those chosen for their zero value and by nothing else, such as ``zero <= 10``.
    correlation : float, optional
        Test-retest correlation from elsewhere, of a measure with the same spread at both occasions. Without it the
        slope is that of ``later`` on ``zero``.

    Returns
    -------
    ExpectedReturn
        ``beyond`` is the change that neither the shift of all nor the return explains. It is not yet an effect of the
        work: what else set the chosen apart is in it too.

    Raises
    ------
    DataError
        If the three are not of the same students, fewer than 10 are chosen or not chosen, or the zero values do not
        differ.

    Notes
    -----
    With a correlation: *E(later) = mean(later) + correlation · (zero - mean(zero))*, the means those of the others, the
    regression of a second measurement on the first (Davis 1976, American Journal of Epidemiology 104: 493-498).
    Without: least squares with one line for all and a step for the chosen (analysis of covariance), with White's
    standard error (1980). Choosing on ``zero`` does not bias either line, as long as it is straight.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> level = rng.normal(12, 2, 4000)
    >>> zero, later = level + rng.normal(0, 1, 4000), level + rng.normal(0, 1, 4000)
    >>> row = expected_return(zero, later, zero < 9).table.iloc[0]
    >>> bool(row["change"] > 0.5), bool(row["low"] < 0 < row["high"])
    (True, True)
    """
    _refuse_others(zero, later, chosen)
    x, y, who = np.asarray(zero, float), np.asarray(later, float), np.asarray(chosen, bool)
    known = np.isfinite(x) & np.isfinite(y)
    x, y, who = x[known], y[known], who[known]
    _check(x, who)
    if correlation is None:
        beyond, error, freedom, slope = _step(x, y, who)
    else:
        beyond, error, freedom, slope = *_given(x, y, who, correlation), correlation
    low, high = mean_interval(beyond, error, freedom)
    change = float((y - x)[who].mean())
    shift = float(y[~who].mean() + slope * (x.mean() - x[~who].mean()) - x.mean())
    row = {
        "n_chosen": int(who.sum()),
        "n_others": int((~who).sum()),
        "zero": float(x[who].mean()),
        "later": float(y[who].mean()),
        "change": change,
        "shift": shift,
        "expected_return": change - beyond - shift,
        "expected_change": change - beyond,
        "beyond": beyond,
        "low": low,
        "high": high,
    }
    return ExpectedReturn(
        table=pd.DataFrame([row]),
        slope=slope,
        settings={"slope_from": "data" if correlation is None else "given"},
        students=len(x),
    )


def _refuse_others(*columns: Sequence[Any]) -> None:
    sizes = [len(column) for column in columns]
    if len(set(sizes)) > 1:
        raise DataError(
            f"zero, later and chosen have {sizes[0]}, {sizes[1]} and {sizes[2]} values. Give one a student."
        )
    labels: list[pd.Index] = [pd.Series(column).index for column in columns if isinstance(column, pd.Series)]
    if any(not own.equals(labels[0]) for own in labels):
        raise DataError("zero, later and chosen are not labelled alike. Put them in one table first, a row a student.")


def _check(x: np.ndarray, who: np.ndarray) -> None:
    if who.sum() < LEAST or (~who).sum() < LEAST:
        raise DataError(
            f"{int(who.sum())} students are chosen and {int((~who).sum())} are not, of those measured twice; "
            f"{LEAST} of each are needed. Take more cohorts together."
        )
    if np.ptp(x[~who]) == 0:
        raise DataError("The zero values of those not chosen do not differ: no line can be drawn. Choose otherwise.")


def _given(x: np.ndarray, y: np.ndarray, who: np.ndarray, slope: float) -> tuple[float, float, int]:
    """How far the chosen lie above a line of a given slope through the others: mean, standard error, freedom."""
    above = y - slope * x
    parts = [(float(part.mean()), float(part.var(ddof=1)) / len(part)) for part in (above[who], above[~who])]
    return parts[0][0] - parts[1][0], sqrt(parts[0][1] + parts[1][1]), int(min(who.sum(), (~who).sum())) - 1


def _step(x: np.ndarray, y: np.ndarray, who: np.ndarray) -> tuple[float, float, int, float]:
    """Least squares of y on x with a step for the chosen: the step, its standard error, freedom, and the slope."""
    design = np.column_stack([np.ones(len(x)), x - x.mean(), who])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ y
    residual = y - design @ coefficients
    freedom = len(x) - 3
    # The spread of the chosen may differ from that of the others: White's estimate does not take it to be one.
    meat = design.T @ (design * (residual**2 * len(x) / freedom)[:, None])
    error = sqrt(float((inverse @ meat @ inverse)[2, 2]))
    return float(coefficients[2]), error, freedom, float(coefficients[1])
