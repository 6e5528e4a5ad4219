"""Logistic regression with odds ratios, average marginal effects, and errors clustered by school."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from nbanalytics.risk.models.classifier import BinomialClassifier, schools_of, whole_columns
from nbanalytics.risk.models.coefficients import Estimates, estimates_table, marginal_effects
from nbanalytics.risk.models.design import checked_outcome, feature_names
from nbanalytics.risk.models.estimable import LEFT_OUT, fit_estimable, say_separated

Floats = NDArray[np.float64]
INTERCEPT = "intercept"


class Logit(BinomialClassifier):
    """Logistic regression by maximum likelihood, the last step of a pipeline that begins with ``Design``.

    Parameters
    ----------
    penalty : float
        Ridge penalty on standardised coefficients; 0 is maximum likelihood, and only that has intervals.

    Attributes
    ----------
    terms_ : list of str
        ``intercept`` and the columns of ``X``.
    coefficients_ : ndarray
    deviance_ : float
    status_ : ndarray of str
        By term: ``ok``; ``left_out``, since it marks a few students who all or none have the outcome; ``separated``, of
        which a warning tells.
    covariance_, clustered_ : ndarray
        Of the coefficients: from the information, and clustered by school (where there are two schools and no penalty).

    Notes
    -----
    Clustered errors are the sandwich of statsmodels and of R's ``vcovCL``: see
    :func:`nbanalytics.risk.models.binomial.clustered_covariance`. Marginal effects: the delta method (Bartus 2005,
    *Stata Journal* 5, 309-329, for features of 0 and 1).

    Examples
    --------
    >>> X = pd.DataFrame({"school_id": ["A", "A", "B", "B"] * 3, "late": [0, 0, 0, 1] * 3})
    >>> model = Logit().fit(X, [0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1])
    >>> model.coefficients(errors="model").table[["term", "estimate", "status"]].round(3)
            term  estimate status
    0  intercept    -1.253     ok
    1       late     1.946     ok
    """

    def __init__(self, penalty: float = 0.0) -> None:
        self.penalty = penalty

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> Logit:
        """Fit; the column ``school_id`` of ``X``, if it is there, holds the clusters."""
        outcome = checked_outcome(y, len(X))
        self.classes_ = np.array([0, 1])
        self.terms_ = [INTERCEPT, *feature_names(X)]
        design = self._design(X)
        fit, self.status_ = fit_estimable(design, outcome, fixed=1, penalty=self.penalty)
        say_separated(self.terms_, self.status_, len(X))
        self.rows_ = len(X)
        self._keep(fit, design, outcome, schools_of(X), "logit")
        self.effects_, self.derivatives_ = marginal_effects(design, fit.coefficients, range(1, len(self.terms_)))
        return self

    def decision_function(self, X: pd.DataFrame) -> Floats:
        """Return log odds."""
        check_is_fitted(self, "coefficients_")
        return np.asarray(self._design(X) @ self.coefficients_)

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the probabilities of 0 and 1."""
        happens = 1 / (1 + np.exp(-self.decision_function(X)))
        return np.column_stack([1 - happens, happens])

    def coefficients(self, level: float = 0.95, errors: str | None = None) -> Estimates:
        """Log odds and odds ratios with intervals.

        Parameters
        ----------
        level : float
        errors : "school", "model" or None
            Clustered by school, or from the information; by default by school where there are two schools.

        Raises
        ------
        DataError
            If the model has a penalty.
        """
        settings, covariance = self._errors(level, errors, "Odds ratios")
        return estimates_table(self.terms_, self.coefficients_, covariance, settings, self.status_, ratios=True)

    def marginal_effects(self, level: float = 0.95, errors: str | None = None) -> Estimates:
        """Average marginal effects: the change of the probability per unit of a feature, or from 0 to 1.

        Parameters and raises as in :meth:`coefficients`.
        """
        settings, covariance = self._errors(level, errors, "Average marginal effects")
        of_effects = self.derivatives_ @ covariance @ self.derivatives_.T
        terms = self.terms_[1:]
        return estimates_table(terms, self.effects_, of_effects, settings, self.status_[1:], ratios=False)

    def statsmodels(self, X: pd.DataFrame, y: ArrayLike) -> Any:
        """Return the same model as statsmodels results, clustered by school, for its summary, tests and diagnostics.

        Terms that were left out are not in it.

        Parameters
        ----------
        X, y
            Those of :meth:`fit`.

        Returns
        -------
        statsmodels.genmod.generalized_linear_model.GLMResultsWrapper
        """
        from statsmodels.genmod.families import Binomial
        from statsmodels.genmod.generalized_linear_model import GLM

        check_is_fitted(self, "coefficients_")
        kept = self.status_ != LEFT_OUT
        design = pd.DataFrame(self._design(X), columns=self.terms_).loc[:, kept]
        model = GLM(checked_outcome(y, len(X)), design, family=Binomial())
        if self.clusters_ < 2:
            return model.fit(start_params=self.coefficients_[kept])
        groups = pd.factorize(X["school_id"])[0]
        return model.fit(start_params=self.coefficients_[kept], cov_type="cluster", cov_kwds={"groups": groups})

    def _design(self, X: pd.DataFrame) -> Floats:
        return np.column_stack([np.ones(len(X)), whole_columns(X, self.terms_[1:])])
