"""Discrete-time hazards with a logit or a complementary log-log link, on person-periods."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from nbanalytics.errors import DataError
from nbanalytics.risk.evaluation.scores import numbers_of
from nbanalytics.risk.models.binomial import LINKS, Link, inverse_link
from nbanalytics.risk.models.classifier import BinomialClassifier, schools_of, whole_columns
from nbanalytics.risk.models.coefficients import Estimates, estimates_table
from nbanalytics.risk.models.design import checked_outcome, feature_names
from nbanalytics.risk.models.estimable import FEW_STUDENTS, fit_estimable, say_separated

Floats = NDArray[np.float64]


class Hazard(BinomialClassifier):
    """The chance of an event in each term, given that it has not happened before.

    Parameters
    ----------
    link : "logit" or "cloglog"
        The complementary log-log link makes the coefficients those of a proportional hazards model in continuous time.
    penalty : float
        Ridge penalty on standardised coefficients; 0 is maximum likelihood, and only that has intervals.

    Attributes
    ----------
    terms_ : list of str
        ``t=1, t=2, ...`` and the columns of ``X``; steps without an event are not among them, their hazard is 0.
    coefficients_, deviance_, status_, covariance_, clustered_
        As of :class:`nbanalytics.risk.Logit`.

    Notes
    -----
    ``X`` has one row per person-period, with ``t``; ``y`` is the event. The likelihood of the person-periods is that of
    a binomial model with one intercept for each step (Singer and Willett 2003, ch. 10-12; Allison 1982).

    Examples
    --------
    >>> X = pd.DataFrame({"t": [1, 1, 1, 1, 2, 2, 2]})
    >>> model = Hazard().fit(X, [1, 0, 0, 0, 1, 0, 0])
    >>> model.predict_proba(pd.DataFrame({"t": [1, 2]}))[:, 1].round(3).tolist()
    [0.25, 0.333]
    """

    def __init__(self, link: Link = "logit", penalty: float = 0.0) -> None:
        self.link = link
        self.penalty = penalty

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> Hazard:
        """Fit on person-periods; the column ``school_id`` of ``X``, if it is there, holds the clusters."""
        if self.link not in LINKS:
            raise DataError(f"There is no link {self.link!r}. Choose among: {', '.join(LINKS)}.")
        outcome = checked_outcome(y, len(X))
        self.classes_ = np.array([0, 1])
        steps = steps_of(X)
        events = np.bincount(steps, outcome)
        self.last_step_ = int(steps.max())
        self.steps_ = [step for step in np.unique(steps).tolist() if events[step] > 0]
        self.columns_ = feature_names(X)
        self.terms_ = [*(f"t={step}" for step in self.steps_), *self.columns_]
        # A step without an event has hazard 0, whatever the rest: its rows say nothing of the coefficients.
        used = np.isin(steps, self.steps_)
        design, outcome = self._design(X[used], steps[used]), outcome[used]
        few = FEW_STUDENTS * self.last_step_
        fit, self.status_ = fit_estimable(design, outcome, len(self.steps_), self.link, self.penalty, few)
        say_separated(self.terms_, self.status_, len(X))
        self.rows_ = len(X)
        self._keep(fit, design, outcome, schools_of(X)[used], self.link)
        return self

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the chance of no event and of an event in each person-period."""
        check_is_fitted(self, "coefficients_")
        steps = steps_of(X)
        if steps.max(initial=0) > self.last_step_:
            raise DataError(
                f"X goes to step {steps.max()}, but the model was fitted on {self.last_step_} steps: the horizon lies "
                "past the data. Choose an earlier horizon, or fit on students who were followed as long."
            )
        hazards = inverse_link(self._design(X, steps) @ self.coefficients_, self.link)
        hazards = np.where(np.isin(steps, self.steps_), hazards, 0.0)
        return np.column_stack([1 - hazards, hazards])

    def coefficients(self, level: float = 0.95, errors: str | None = None) -> Estimates:
        """Coefficients, and odds ratios (logit) or hazard ratios (cloglog), as ``Logit.coefficients``."""
        what = "Odds ratios of hazards" if self.link == "logit" else "Hazard ratios"
        settings, covariance = self._errors(level, errors, what)
        return estimates_table(self.terms_, self.coefficients_, covariance, settings, self.status_, ratios=True)

    def _design(self, X: pd.DataFrame, steps: NDArray[np.int64]) -> Floats:
        by_step = steps[:, None] == np.array(self.steps_)
        return np.column_stack([by_step, whole_columns(X, self.columns_)]).astype(float)


def steps_of(X: pd.DataFrame) -> NDArray[np.int64]:
    """Return the step of each person-period."""
    if "t" not in X:
        raise DataError("X has no column t, the step of a person-period (1, 2, ...). Make X with expand().")
    steps = numbers_of(X["t"], "t") if len(X) else np.zeros(0)
    wrong = int((~((steps >= 1) & (steps % 1 == 0))).sum())
    if wrong:
        raise DataError(f"t is no whole number from 1 on in {wrong} of {len(X)} person-periods. Make X with expand().")
    return steps.astype(np.int64)
