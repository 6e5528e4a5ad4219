"""Binomial models with a logit or a complementary log-log link: statsmodels' fit, and a check for separation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from nbanalytics.errors import DataError
from nbanalytics.schools import Floats

Link = Literal["logit", "cloglog"]
LINKS: tuple[Link, ...] = ("logit", "cloglog")
_FAMILIES = {"logit": sm.families.Binomial(), "cloglog": sm.families.Binomial(sm.families.links.CLogLog())}
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


def inverse_link(eta: Floats, link: Link) -> Floats:
    """Return probabilities of linear predictors.

    Examples
    --------
    >>> inverse_link(np.array([0.0]), "cloglog").round(4)
    array([0.6321])
    """
    return np.asarray(_FAMILIES[link].link.inverse(np.clip(eta, *_BOUNDS[link])), dtype=float)


def fit_binomial(design: Floats, y: Floats, link: Link = "logit", penalty: float = 0.0) -> BinomialFit:
    """Fit by maximum likelihood, or with a ridge penalty; a penalised fit has no covariance.

    The penalty is half of ``penalty`` times the squared coefficients of the standardised columns; a constant column is
    not penalised. statsmodels' ``GLM`` fits by iteratively reweighted least squares, and with a penalty scipy maximises
    its likelihood (McCullagh and Nelder 1989, *Generalized Linear Models*, ch. 2.5 and 4).

    Examples
    --------
    >>> fit = fit_binomial(np.ones((4, 1)), np.array([1.0, 0, 0, 0]))
    >>> fit.coefficients.round(4)  # log(1/3)
    array([-1.0986])
    """
    if penalty < 0:
        raise DataError(f"A penalty of {penalty:g} would reward large coefficients", "Give 0 or more.")
    with warnings.catch_warnings():
        # Separation and slow convergence are reported by the caller, term by term and in words.
        warnings.simplefilter("ignore")
        if penalty > 0:
            return _ridge(design, y, link, penalty)
        result = sm.GLM(y, design, family=_FAMILIES[link]).fit(maxiter=100, tol=1e-10, tol_criterion="deviance")
    return BinomialFit(
        np.asarray(result.params),
        np.asarray(result.normalized_cov_params),
        float(result.deviance),
        bool(result.converged),
    )


def _ridge(design: Floats, y: Floats, link: Link, penalty: float) -> BinomialFit:
    """Minimise the penalised likelihood; statsmodels' own search stops too early to be compared with other programs."""
    spread = design.std(axis=0)
    # Standardised columns make one penalty mean the same for all, and the search well conditioned.
    scale = np.where(spread > 0, spread, 1.0)
    weights = np.where(spread > 0, penalty, 0.0)
    model = sm.GLM(y, design / scale, family=_FAMILIES[link])

    def slope(b: Floats) -> Floats:
        return np.asarray(weights * b - model.score(b, scale=1.0), dtype=float)

    def curvature(b: Floats) -> Floats:
        return np.asarray(np.diag(weights) - model.hessian(b, scale=1.0, observed=False), dtype=float)

    def loss(b: Floats) -> float:
        return float(weights @ b**2 / 2 - model.loglike(b, scale=1.0))

    start = np.zeros(design.shape[1])
    found = minimize(loss, start, jac=slope, hess=curvature, method="trust-exact", options={"gtol": 1e-8})
    coefficients = found.x / scale
    unknown = np.full((len(scale), len(scale)), np.nan)
    mu = inverse_link(design @ coefficients, link)
    return BinomialFit(coefficients, unknown, float(model.family.deviance(y, mu)), bool(found.success))


def separated(fit: BinomialFit, design: Floats) -> NDArray[np.bool_]:
    """Find the coefficients that grow without bound; raise a DataError if all outcomes are separated."""
    if fit.deviance < 1e-4:
        raise DataError(
            f"The features separate the outcomes of all {len(design)} rows perfectly, so no "
            "coefficient can be estimated",
            "Look for a feature that is the outcome itself, use fewer features or more "
            "students, or a penalty (penalty=1).",
        )
    spread = design.std(axis=0)
    errors = np.sqrt(np.diag(fit.covariance))
    return np.asarray(errors * np.where(spread > 0, spread, 1.0) > _HUGE)


def clustered_covariance(
    fit: BinomialFit, design: Floats, y: Floats, clusters: ArrayLike, link: Link = "logit"
) -> Floats:
    """Return the covariance over schools like these, from estimates without each cluster in turn; three are needed.

    *(G - 1)/G* times the sum of squared changes, each the first Newton step from the estimates to those without the
    cluster; use it with a *t* of *G - 1* degrees. This is CV3L of MacKinnon, Nielsen and Webb (2025), *Cluster-robust
    jackknife and bootstrap inference for logistic regression models*; for a linear model CR3 (Bell and McCaffrey 2002).
    """
    codes, found = pd.factorize(np.asarray(clusters))
    used = np.flatnonzero(np.diag(fit.covariance) > 0)
    x, model = design[:, used], sm.GLM(y, design, family=_FAMILIES[link])
    scores = model.score_obs(fit.coefficients)[:, used]
    weights = model.hessian_factor(fit.coefficients, observed=False)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(found)))
    sums = np.add.reduceat(scores[order], starts, axis=0)
    information = np.array([x[rows].T @ (x[rows] * weights[rows, None]) for rows in np.split(order, starts[1:])])
    rest = information.sum(axis=0) - information
    # Without a cluster a column may be constant: its coefficient then stays where it is.
    changes = np.einsum("gij,gj->gi", np.linalg.pinv(rest, rcond=1e-10, hermitian=True), sums)
    covariance = np.zeros_like(fit.covariance)
    covariance[np.ix_(used, used)] = (len(found) - 1) / len(found) * changes.T @ changes
    return covariance
