"""The ladder: from the base rate to boosted trees, so that every model is seen beside what is simpler."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from nbanalytics.errors import DataError, refuse_unknown
from nbanalytics.frames import as_names
from nbanalytics.risk.data.riskdata import RiskData
from nbanalytics.risk.models.design import DETAIL, Design, as_numbers, feature_names, say_empty
from nbanalytics.risk.models.hazard import HazardClassifier
from nbanalytics.risk.models.logit import Classifier, Logit
from nbanalytics.risk.models.mixed import MixedLogit
from nbanalytics.risk.models.rules import AbcRule, BaseRate, PriorGrade, SchoolRate
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


#: The rungs, from the simplest.
RUNGS = ("base_rate", "school_only", "prior_grade", "abc_rule", "logit", "hazard", "mixed_logit", "boosting")


def ladder(data: RiskData, rungs: Sequence[str] | None = None, random_state: int = 0) -> dict[str, BaseEstimator]:
    """Return the unfitted models of the ladder that fit the data.

    Parameters
    ----------
    data : RiskData
    rungs : sequence of str, optional
        Any of :data:`RUNGS`; by default all that the data allow: ``hazard`` needs an outcome with a date (``lost``),
        ``prior_grade`` the feature ``mean_points``, ``abc_rule`` absence or fails.
    random_state : int
        Seed of the boosting.

    Returns
    -------
    dict
        By name, in order, scikit-learn classifiers for ``data.X`` and ``data.y``:

        - ``base_rate``: the share with the outcome;
        - ``school_only``: the rate of the school, drawn towards the overall rate;
        - ``prior_grade``: one threshold of mean grade points;
        - ``abc_rule``: number of flags of attendance, behaviour (where known) and course performance;
        - ``logit``: logistic regression, ``Pipeline`` of ``design`` and ``logit``;
        - ``hazard``: discrete-time hazard with absence that varies;
        - ``mixed_logit``: the logit with school intercepts;
        - ``boosting``: calibrated gradient boosting on all features.

    Raises
    ------
    DataError
        If a rung is unknown, or the data do not allow it.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"student_id": ["P1"], "cohort": 2018, "school_id": "A", "y": [1], "mean_points": [9.0]})
    >>> list(ladder(RiskData(table, ("mean_points",), "6VT", "not_eligible", "9VT")))
    ['base_rate', 'school_only', 'prior_grade', 'logit', 'mixed_logit', 'boosting']
    """
    made = {
        "base_rate": BaseRate(),
        "school_only": SchoolRate(),
        "prior_grade": PriorGrade() if "mean_points" in data.features else None,
        "abc_rule": AbcRule() if _has_flags(data) else None,
        "logit": Pipeline([("design", Design(without=DETAIL)), ("logit", Logit())]),
        "hazard": None if data.periods is None else HazardClassifier(data.periods),
        "mixed_logit": Pipeline([("design", Design(without=DETAIL)), ("mixed", MixedLogit())]),
        "boosting": Boosting(random_state=random_state),
    }
    wanted = () if rungs is None else as_names(rungs)
    refuse_unknown("There is no rung", wanted, made)
    impossible = [name for name in wanted if made[name] is None]
    if impossible:
        raise DataError(
            f"The data do not allow the rung {', '.join(impossible)}: hazard needs the outcome 'lost', prior_grade and "
            "abc_rule the families grades and absence",
            "Make the data with these, or leave the rung out.",
        )
    return {name: model for name, model in made.items() if model is not None and (rungs is None or name in wanted)}


def _has_flags(data: RiskData) -> bool:
    return any(
        name in ("absence_total", "behaviour", "n_failed") or name.startswith("failed_") for name in data.features
    )
