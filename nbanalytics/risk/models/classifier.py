"""What the models share: 1 from a half on, columns without holes, and errors from the information or by school."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from nbanalytics.errors import DataError
from nbanalytics.risk.models.binomial import BinomialFit, Link, clustered_covariance
from nbanalytics.risk.models.coefficients import chosen_errors
from nbanalytics.risk.models.design import as_numbers
from nbanalytics.risk.models.estimable import SEPARATED

Floats = NDArray[np.float64]


class Classifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A scikit-learn classifier of 0 and 1."""

    classes_: NDArray[np.int64]

    @abstractmethod
    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the probabilities of 0 and 1, shape (n, 2)."""

    def predict(self, X: pd.DataFrame) -> NDArray[np.int64]:
        """Return 1 where the probability is at least one half."""
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(np.int64)


class BinomialClassifier(Classifier):
    """A classifier fitted as a binomial model: maximum likelihood, or with a ridge penalty and then without errors."""

    penalty: float
    rows_: int
    status_: NDArray[np.object_]

    def _keep(self, fit: BinomialFit, design: Floats, outcome: Floats, schools: NDArray[Any], link: Link) -> None:
        """Keep the estimates, with the covariance clustered by school where there can be one."""
        self.coefficients_, self.covariance_, self.deviance_ = fit.coefficients, fit.covariance, fit.deviance
        self.clusters_ = len(pd.unique(schools))
        self.clustered_ = None
        if self.penalty == 0 and self.clusters_ > 1 and SEPARATED not in self.status_:
            self.clustered_ = clustered_covariance(fit, design, outcome, schools, link)

    def _errors(self, level: float, errors: str | None, what: str) -> tuple[dict[str, Any], Floats]:
        """Return the settings of a table of estimates, and the covariance that goes with them."""
        check_is_fitted(self, "coefficients_")
        if self.penalty > 0:
            raise DataError("A model with a penalty has no honest intervals. Fit it with penalty=0 for these.")
        kind = chosen_errors(errors if self.clustered_ is not None or self.clusters_ < 2 else "model", self.clusters_)
        settings = {"errors": kind, "level": level, "rows": self.rows_, "clusters": self.clusters_, "what": what}
        return settings, self.covariance_ if kind == "model" or self.clustered_ is None else self.clustered_


def schools_of(X: pd.DataFrame) -> NDArray[Any]:
    """Return the school of each row; one and the same where ``X`` has no column ``school_id``.

    Raises
    ------
    DataError
        If a row has no school.
    """
    if "school_id" not in X:
        return np.zeros(len(X))
    absent = int(X["school_id"].isna().sum())
    if absent:
        raise DataError(f"{absent} of {len(X)} rows of X have no school. Fill in a name such as 'unknown'.")
    return np.asarray(X["school_id"])


def whole_columns(X: pd.DataFrame, names: Sequence[str]) -> Floats:
    """Return columns as numbers.

    Raises
    ------
    DataError
        If a value is missing or no number, or a column is not there.
    """
    columns = as_numbers(X, names).to_numpy()
    if np.isnan(columns).any():
        raise DataError("X has missing values. Put Design before the model in a Pipeline: it fills and marks them.")
    return columns
