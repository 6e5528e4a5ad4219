"""Fisher scoring for binomial models with a logit or a complementary log-log link, on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.errors import DataError

Floats = NDArray[np.float64]
Link = Literal["logit", "cloglog"]
LINKS: tuple[Link, ...] = ("logit", "cloglog")
#: Linear predictors beyond these are probabilities of 0 and 1 in double precision.
_BOUNDS = {"logit": (-35.0, 35.0), "cloglog": (-35.0, 3.5)}
#: A standardised coefficient with a greater standard error has no finite estimate.
_HUGE = 20.0


@dataclass(frozen=True)
class BinomialFit:
    """Estimates, their covariance from the expected information, and how well they fit."""

    coefficients: Floats
    covariance: Floats
    deviance: float
    converged: bool
    iterations: int


def inverse_link(eta: Floats, link: Link) -> Floats:
    """Return probabilities of linear predictors.

    Examples
    --------
    >>> inverse_link(np.array([0.0]), "cloglog").round(4)
    array([0.6321])
    """
    bounded = np.clip(eta, *_BOUNDS[link])
    return 1 / (1 + np.exp(-bounded)) if link == "logit" else -np.expm1(-np.exp(bounded))


def slope(eta: Floats, link: Link) -> Floats:
    """Return the derivative of :func:`inverse_link`."""
    bounded = np.clip(eta, *_BOUNDS[link])
    mu = inverse_link(bounded, link)
    return mu * (1 - mu) if link == "logit" else np.exp(bounded) * (1 - mu)


def deviance_of(y: Floats, mu: Floats) -> float:
    """Minus twice the log-likelihood of outcomes of 0 and 1."""
    return float(-2 * np.log(np.where(y > 0, mu, 1 - mu)).sum())


def fit_binomial(
    design: Floats, y: Floats, link: Link = "logit", penalty: float = 0.0, max_iterations: int = 60
) -> BinomialFit:
    """Fit by Fisher scoring (iteratively reweighted least squares), halving steps that do not improve the fit.

    Parameters
    ----------
    design : ndarray, shape (n, p)
        With the intercept or the steps among its columns.
    y : ndarray of 0 and 1, shape (n,)
    link : "logit" or "cloglog"
    penalty : float
        Half of this times the squared standardised coefficients (of columns that are not constant) is added to
        minus the log-likelihood: ridge regression.
    max_iterations : int

    Returns
    -------
    BinomialFit

    Notes
    -----
    McCullagh, P. and Nelder, J. A. (1989), *Generalized Linear Models*, ch. 2.5 and 4. Only sums over rows are kept, so
    that a million person-periods need little memory.

    Examples
    --------
    >>> fit = fit_binomial(np.ones((4, 1)), np.array([1.0, 0, 0, 0]))
    >>> fit.coefficients.round(4)  # log(1/3)
    array([-1.0986])
    """
    if penalty < 0:
        raise DataError(f"A penalty of {penalty:g} would reward large coefficients. Give 0 or more.")
    ridge = np.diag(penalty * design.var(axis=0))
    mean = y.mean()
    start = np.log(mean / (1 - mean)) if link == "logit" else np.log(-np.log1p(-mean))
    eta = np.full(len(y), start)
    coefficients = np.zeros(design.shape[1])
    objective = np.inf
    converged = False
    iteration = 0
    while iteration < max_iterations and not converged:
        iteration += 1
        mu, rate = inverse_link(eta, link), slope(eta, link)
        weights = rate * rate / (mu * (1 - mu))
        weighted = design * weights[:, None]
        information = design.T @ weighted + ridge
        # The working response; only its first, made-up, linear predictor is no combination of the columns.
        proposal = _solve(information, weighted.T @ (eta + (y - mu) / rate))
        coefficients, eta, new = _no_worse(design, y, link, ridge, coefficients, proposal, objective)
        converged = abs(objective - new) < 1e-10 * (abs(new) + 0.1)
        objective = new
    rate, mu = slope(eta, link), inverse_link(eta, link)
    information = design.T @ (design * (rate * rate / (mu * (1 - mu)))[:, None]) + ridge
    return BinomialFit(coefficients, _inverse(information), deviance_of(y, mu), converged, iteration)


def separated(fit: BinomialFit, design: Floats) -> NDArray[np.bool_]:
    """Tell which coefficients grow without bound, because a column separates the outcomes.

    Raises
    ------
    DataError
        If all outcomes are separated.
    """
    if fit.deviance < 1e-4:
        raise DataError(
            f"The features tell the outcome of all {len(design)} rows apart (perfect separation), so no "
            "coefficient can be estimated. Look for a feature that is the outcome itself, use fewer features or more "
            "students, or a penalty (penalty=1)."
        )
    spread = design.std(axis=0)
    errors = np.sqrt(np.diag(fit.covariance))
    return np.asarray(errors * np.where(spread > 0, spread, 1.0) > _HUGE)


def clustered_covariance(
    fit: BinomialFit, design: Floats, y: Floats, clusters: NDArray[Any], link: Link = "logit"
) -> Floats:
    """Return the sandwich covariance with scores summed by cluster.

    Parameters
    ----------
    fit : BinomialFit
        Without a penalty.
    design, y, link
        As in :func:`fit_binomial`.
    clusters : ndarray, shape (n,)
        Two different ones at least.

    Returns
    -------
    ndarray, shape (p, p)
        With the expected information and the correction G/(G-1) * (n-1)/(n-p), as ``vcovCL`` of R's sandwich with
        ``type="HC1", cadjust=TRUE``. With the logit it is also ``cov_type="cluster"`` of statsmodels, which for other
        links takes the observed information.

    Notes
    -----
    Liang, K.-Y. and Zeger, S. L. (1986), *Biometrika* 73, 13-22; Cameron, A. C. and Miller, D. L. (2015), *Journal of
    Human Resources* 50, 317-372.
    """
    n, p = len(design), int((np.diag(fit.covariance) > 0).sum())
    codes, found = pd.factorize(clusters)
    eta = np.clip(design @ fit.coefficients, *_BOUNDS[link])
    mu = inverse_link(eta, link)
    residual = (y - mu) * slope(eta, link) / (mu * (1 - mu))
    scores = np.column_stack(
        [np.bincount(codes, residual * design[:, place], len(found)) for place in range(design.shape[1])]
    )
    correction = len(found) / (len(found) - 1) * (n - 1) / (n - p)
    return np.asarray(correction * fit.covariance @ (scores.T @ scores) @ fit.covariance)


def _no_worse(
    design: Floats, y: Floats, link: Link, ridge: Floats, old: Floats, proposal: Floats, objective: float
) -> tuple[Floats, Floats, float]:
    """Return the proposal, or a point between it and the old coefficients that fits no worse."""
    for _ in range(20):
        eta = np.clip(design @ proposal, *_BOUNDS[link])
        new = deviance_of(y, inverse_link(eta, link)) + float(proposal @ ridge @ proposal)
        if new <= objective * (1 + 1e-9):
            break
        proposal = (old + proposal) / 2
    return proposal, eta, new


def _solve(information: Floats, right: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.solve(information, right))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(information, right, rcond=None)[0])


def _inverse(information: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.inv(information))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(information))
