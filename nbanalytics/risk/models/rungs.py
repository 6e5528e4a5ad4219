"""The ladder: from the base rate to boosted trees, so that every model is seen beside what is simpler."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from nbanalytics.errors import DataError, refuse_unknown
from nbanalytics.frames import as_names
from nbanalytics.risk.data.riskdata import RiskData
from nbanalytics.risk.models.boosting import Boosting
from nbanalytics.risk.models.design import DETAIL, Design
from nbanalytics.risk.models.hazard import HazardClassifier
from nbanalytics.risk.models.logit import Logit
from nbanalytics.risk.models.mixed import MixedLogit
from nbanalytics.risk.models.rules import AbcRule, BaseRate, PriorGrade, SchoolRate

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
