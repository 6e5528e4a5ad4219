"""Binomial fits from which the columns that separate a few students are left out, and others are told of."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nbanalytics.errors import EstimationWarning
from nbanalytics.risk.models.binomial import BinomialFit, Link, fit_binomial, separated

Floats = NDArray[np.float64]
#: A column in which fewer students than this differ from the commonest value is left out if it separates them.
FEW_STUDENTS = 50
#: What a term can be: estimated; left out, since the few students it marks all or none have the outcome; separated.
OK, LEFT_OUT, SEPARATED = "ok", "left_out", "separated"


def fit_estimable(
    design: Floats, y: Floats, fixed: int, link: Link = "logit", penalty: float = 0.0, few: int = FEW_STUDENTS
) -> tuple[BinomialFit, NDArray[np.object_]]:
    """Fit, and leave out columns without a finite estimate that mark a few rows only.

    Parameters
    ----------
    design, y, link, penalty
        As in :func:`nbanalytics.risk.models.binomial.fit_binomial`.
    fixed : int
        How many columns at the beginning (intercept, steps) always stay.
    few : int
        Columns that differ from their commonest value in fewer rows than this may be left out.

    Returns
    -------
    fit : BinomialFit
        With coefficients, variances and covariances of 0 for what is left out.
    status : ndarray of str
        ``ok``, ``left_out`` or ``separated``, by column.

    Raises
    ------
    DataError
        If the outcomes are separated perfectly.

    Notes
    -----
    Albert, A. and Anderson, J. A. (1984), *Biometrika* 71, 1-10, for separation. A value that three moved students have
    would otherwise decide their prediction, and take its coefficient to infinity.
    """
    status = np.full(design.shape[1], OK, dtype=object)
    while True:
        kept = status != LEFT_OUT
        used = design if kept.all() else design[:, kept]
        fit = fit_binomial(used, y, link, penalty)
        unbounded = np.zeros(len(status), dtype=bool)
        if penalty == 0:
            unbounded[kept] = separated(fit, used)
        small = np.array([place >= fixed and _marked(design[:, place]) < few for place in np.flatnonzero(unbounded)])
        if not small.any():
            status[unbounded] = SEPARATED
            return _embedded(fit, kept), status
        status[np.flatnonzero(unbounded)[small]] = LEFT_OUT


def say_separated(terms: Sequence[str], status: NDArray[np.object_], rows: int) -> None:
    """Warn of coefficients that have no finite estimate and are not left out."""
    named = [term for term, found in zip(terms, status, strict=True) if found == SEPARATED]
    if named:
        warnings.warn(
            f"{', '.join(named)}: all or none of the {rows} rows with it have the outcome (separation), so there is no "
            "finite estimate and no interval. Leave it out, join it with another, or use a penalty (penalty=1).",
            EstimationWarning,
            stacklevel=3,
        )


def _marked(column: Floats) -> int:
    return int(len(column) - np.unique(column, return_counts=True)[1].max())


def _embedded(fit: BinomialFit, kept: NDArray[np.bool_]) -> BinomialFit:
    coefficients = np.zeros(len(kept))
    coefficients[kept] = fit.coefficients
    covariance = np.zeros((len(kept), len(kept)))
    covariance[np.ix_(kept, kept)] = fit.covariance
    return BinomialFit(coefficients, covariance, fit.deviance, fit.converged, fit.iterations)
