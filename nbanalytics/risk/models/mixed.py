"""Logistic regression with a random intercept for each school."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import expit, logsumexp
from sklearn.utils.validation import check_is_fitted

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.risk.models.binomial import fit_binomial
from nbanalytics.risk.models.design import feature_names
from nbanalytics.risk.models.logit import (
    INTERCEPT,
    LEFT_OUT,
    Classifier,
    Estimates,
    estimates_table,
    fit_estimable,
    say_separated,
    schools_of,
    with_intercept,
)
from nbanalytics.schools import Floats, Places

#: Nodes of the quadrature; more change the log-likelihood by less than a hundred-thousandth.
NODES = 15
#: Standard deviations of school intercepts, as logarithms: below the first, schools do not differ.
_SMALLEST, _GREATEST = float(np.log(1e-3)), float(np.log(5.0))
_FEWEST_SCHOOLS = 3


class MixedLogit(Classifier):
    """Mixed logit: fixed effects and a normal intercept for each school, by maximum marginal likelihood.

    The schools' intercepts are integrated out by adaptive Gauss-Hermite quadrature, as R's ``lme4::glmer`` does with
    ``nAGQ=15``; the fit is neither penalised nor Bayesian. A school among the training students is predicted with the
    mode of its intercept, which is drawn closer to 0 the fewer students the school has; any other school with the mean
    over the distribution of intercepts.

    Attributes
    ----------
    terms_, coefficients_, status_
        As of :class:`nbanalytics.risk.Logit`.
    school_sd_ : float
        Standard deviation of the schools' intercepts, in log odds.
    schools_ : pandas.DataFrame
        ``school_id, students, intercept``.
    log_likelihood_ : float
        Marginal.

    Notes
    -----
    Pinheiro, J. C. and Bates, D. M. (1995), *Journal of Computational and Graphical Statistics* 4, 12-35. With a
    handful of schools their standard deviation is imprecise: read it as an order of magnitude.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = pd.DataFrame({"school_id": np.repeat(list("ABCDEF"), 50), "x": rng.standard_normal(300)})
    >>> y = rng.random(300) < 1 / (1 + np.exp(1 - X["x"]))
    >>> MixedLogit().fit(X, y).schools_["students"].tolist()
    [50, 50, 50, 50, 50, 50]
    """

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> MixedLogit:
        """Fit; ``X`` needs the column ``school_id``."""
        outcome = self._outcome(X, y)
        self.terms_ = [INTERCEPT, *feature_names(X)]
        if "school_id" not in X:
            raise DataError("X has no column school_id", "Give RiskData.X, or choose the logit without schools.")
        codes, schools = pd.factorize(schools_of(X), sort=True)
        if len(schools) < _FEWEST_SCHOOLS:
            warnings.warn(
                f"There are {len(schools)} schools, from which no spread of schools can be learnt: the model is a "
                "logit without schools. Add schools, or leave this rung out.",
                EstimationWarning,
                stacklevel=2,
            )
        design = with_intercept(X, self.terms_)
        self.status_ = fit_estimable(design, outcome, fixed=1)[1]
        say_separated(self.terms_, self.status_, len(X))
        kept = self.status_ != LEFT_OUT
        problem = Marginal(design[:, kept], outcome, codes, len(schools))
        parameters, value = problem.maximise(_SMALLEST if len(schools) < _FEWEST_SCHOOLS else _GREATEST)
        self.coefficients_, self.covariance_ = np.zeros(len(kept)), np.zeros((len(kept), len(kept)))
        self.coefficients_[kept], self.covariance_[np.ix_(kept, kept)] = problem.in_units(parameters)
        self.school_sd_ = float(np.exp(parameters[-1]))
        self.log_likelihood_, self.rows_ = value, len(X)
        intercepts = self.school_sd_ * problem.modes(parameters)[0]
        students = np.bincount(codes, minlength=len(schools))
        self.schools_ = pd.DataFrame({"school_id": schools, "students": students, "intercept": intercepts})
        return self

    def _chance(self, X: pd.DataFrame) -> Floats:
        fixed = with_intercept(X, self.terms_) @ self.coefficients_
        if "school_id" not in X:
            raise DataError(
                "X has no column school_id", "Add it; a school that is not among those learnt from is averaged."
            )
        intercept = X["school_id"].map(self.schools_.set_index("school_id")["intercept"]).to_numpy(dtype=float)
        places, weights = np.polynomial.hermite_e.hermegauss(NODES)
        spread = expit(fixed[:, None] + self.school_sd_ * places) @ (weights / weights.sum())
        return np.asarray(np.where(np.isnan(intercept), spread, expit(fixed + np.nan_to_num(intercept))))

    def coefficients(self, level: float = 0.95) -> Estimates:
        """Return log odds and odds ratios *within a school*, with intervals from the marginal likelihood."""
        check_is_fitted(self, "coefficients_")
        settings = {
            "errors": "model",
            "level": level,
            "rows": self.rows_,
            "clusters": len(self.schools_),
            "what": f"Odds ratios within schools (their sd {self.school_sd_:.2f})",
        }
        return estimates_table(self.terms_, self.coefficients_, self.covariance_, settings, self.status_, ratios=True)


@dataclass
class Marginal:
    """The marginal likelihood of a logit with school intercepts; parameters are coefficients and log sd.

    The columns are standardised within, which the search needs; :meth:`in_units` takes the estimates back.
    """

    design: Floats
    y: Floats
    codes: Places
    schools: int

    def __post_init__(self) -> None:
        spread, mean = self.design.std(axis=0), self.design.mean(axis=0)
        constant = spread == 0
        self.scale = np.where(constant, 1.0, spread)
        self.centre = np.where(constant, 0.0, mean)
        # Rows of a school stand together, so that sums by school are sums of slices.
        order = np.argsort(self.codes, kind="stable")
        self.codes, self.y = self.codes[order], self.y[order]
        self.starts = np.searchsorted(self.codes, np.arange(self.schools))
        self.z = (self.design[order] - self.centre) / self.scale
        self.places, weights = np.polynomial.hermite.hermgauss(NODES)
        self.log_weights = np.log(weights) + self.places**2

    def maximise(self, greatest: float) -> tuple[Floats, float]:
        """Return the best parameters, with a log sd up to ``greatest``, and their log-likelihood."""
        start = np.append(fit_binomial(self.z, self.y, penalty=1.0).coefficients, min(np.log(0.3), greatest))
        bounds = [(-30.0, 30.0)] * (len(start) - 1) + [(_SMALLEST, greatest)]
        found = minimize(
            self.minus, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-6}
        )
        return np.asarray(found.x), -float(found.fun)

    def minus(self, parameters: Floats) -> tuple[float, Floats]:
        """Return minus the log-likelihood and its gradient."""
        sd = float(np.exp(parameters[-1]))
        mode, curvature = self.modes(parameters)
        width = np.sqrt(2 / curvature)
        u = mode[:, None] + width[:, None] * self.places
        eta = (self.z @ parameters[:-1])[:, None] + sd * u[self.codes]
        by_school = np.add.reduceat(self.y[:, None] * eta - np.logaddexp(0, eta), self.starts)
        joint = by_school - u**2 / 2 + self.log_weights
        each = logsumexp(joint, axis=1)
        total = float((each + np.log(width) - 0.5 * np.log(2 * np.pi)).sum())
        posterior = np.exp(joint - each[:, None])[self.codes]
        residual = (self.y[:, None] - expit(eta)) * posterior
        gradient = np.append(residual.sum(axis=1) @ self.z, sd * (residual * u[self.codes]).sum())
        return -total, -gradient

    def modes(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return the mode of each school's standardised intercept, and the curvature there, by Newton's method."""
        sd, fixed = float(np.exp(parameters[-1])), self.z @ parameters[:-1]
        mode: Floats = np.zeros(self.schools, dtype=np.float64)
        curvature = np.ones(self.schools)
        for _ in range(50):
            p = expit(fixed + sd * mode[self.codes])
            slope = sd * np.bincount(self.codes, self.y - p, self.schools) - mode
            curvature = np.asarray(sd**2 * np.bincount(self.codes, p * (1 - p), self.schools) + 1)
            step = slope / curvature
            mode = np.asarray(mode + np.clip(step, -2.0, 2.0))
            if np.abs(step).max() < 1e-10:
                break
        return mode, curvature

    def in_units(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return the coefficients and their covariance in the units of the columns."""
        back = np.diag(1 / self.scale)
        back[0] -= self.centre / self.scale
        hessian = self._hessian(parameters)
        at_bound = parameters[-1] <= _SMALLEST + 1e-6
        free = hessian[:-1, :-1] if at_bound else hessian
        covariance = np.linalg.pinv(free)[: len(self.scale), : len(self.scale)]
        return back @ parameters[:-1], back @ covariance @ back.T

    def _hessian(self, parameters: Floats, step: float = 1e-4) -> Floats:
        rows = []
        for place in range(len(parameters)):
            shift = np.zeros(len(parameters))
            shift[place] = step
            rows.append((self.minus(parameters + shift)[1] - self.minus(parameters - shift)[1]) / (2 * step))
        hessian = np.array(rows)
        return np.asarray((hessian + hessian.T) / 2)
