"""Gradient boosted trees, calibrated on the training students."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from nbanalytics.errors import DataError
from nbanalytics.risk.models.design import as_numbers, feature_names, say_empty
from nbanalytics.risk.models.logit import Classifier
from nbanalytics.schools import Floats

#: Parts of the training students that take turns in calibration.
PARTS = 5


class Boosting(Classifier):
    """Gradient boosting with Platt's calibration, both learnt from the training students alone.

    Missing values are branches of the trees and are not filled. The training students are divided into five parts; each
    part calibrates the trees grown on the other four, and the five calibrated models are averaged.

    Parameters
    ----------
    trees, leaves, learning_rate, min_students : numbers
        Small trees with a low learning rate and at least ``min_students`` in a leaf: a few hundred students overfit
        quickly.
    random_state : int
        Seed of the division into parts.

    Attributes
    ----------
    terms_ : list of str
        The columns of ``X`` in use: all but the school, and those with fewer than ``min_students`` values.
    model_ : sklearn.calibration.CalibratedClassifierCV

    Notes
    -----
    scikit-learn's ``HistGradientBoostingClassifier`` (Friedman 2001) and ``CalibratedClassifierCV`` (Platt 1999).

    Examples
    --------
    >>> X = pd.DataFrame({"school_id": "A", "x": np.arange(200.0)})
    >>> Boosting(trees=5).fit(X, X["x"] > 150).predict(X[-2:]).tolist()
    [1, 1]
    """

    def __init__(
        self,
        trees: int = 120,
        leaves: int = 6,
        learning_rate: float = 0.05,
        min_students: int = 20,
        random_state: int = 0,
    ) -> None:
        self.trees = trees
        self.leaves = leaves
        self.learning_rate = learning_rate
        self.min_students = min_students
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> Boosting:
        """Grow and calibrate the trees."""
        outcome = self._outcome(X, y).astype(np.int64)
        rarer = int(min(outcome.sum(), len(outcome) - outcome.sum()))
        if rarer < PARTS:
            raise DataError(
                f"Only {rarer} of {len(outcome)} training students have the rarer outcome; calibration in {PARTS} "
                f"parts needs {PARTS}",
                "Use more training cohorts, or leave boosting out.",
            )
        names = feature_names(X)
        filled = X[names].notna().sum()
        # With a value or two, all may stand in the part that calibrates, and the trees see none.
        empty = [name for name in names if filled[name] < self.min_students]
        if empty:
            say_empty(empty, len(names), len(X))
        self.terms_ = [name for name in names if name not in empty]
        trees = HistGradientBoostingClassifier(
            max_iter=self.trees,
            max_leaf_nodes=self.leaves,
            learning_rate=self.learning_rate,
            min_samples_leaf=self.min_students,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=self.random_state,
        )
        parts = StratifiedKFold(PARTS, shuffle=True, random_state=self.random_state)
        # On so few students threads wait for each other longer than they work.
        with threadpool_limits(limits=1, user_api="openmp"):
            numbers = as_numbers(X, self.terms_).to_numpy()
            self.model_ = CalibratedClassifierCV(trees, method="sigmoid", cv=parts).fit(numbers, outcome)
        return self

    def _chance(self, X: pd.DataFrame) -> Floats:
        with threadpool_limits(limits=1, user_api="openmp"):
            return np.asarray(self.model_.predict_proba(as_numbers(X, self.terms_).to_numpy())[:, 1])
