"""Hazard models validated in time: when losses come, foretold by models that have not seen the cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.results import Shown
from nbanalytics.risk.data.leakage import SUSPICIOUS_AUC, refuse_leakage
from nbanalytics.risk.data.riskdata import RiskData
from nbanalytics.risk.evaluation.folds import fold_status, plan_folds, refuse_scheme
from nbanalytics.risk.evaluation.hazard_measuring import hazard_measures


@dataclass(frozen=True, repr=False)
class HazardValidation(Shown):
    """How well hazard models foresee in which term eligibility is lost.

    Attributes
    ----------
    table : pandas.DataFrame
        ``model``, then the columns of :func:`nbanalytics.risk.hazard_measures`: ``t, measure, value, low, high``.
    predictions : pandas.DataFrame
        One row per student, model and step: ``student_id, cohort, school_id, model, fold, duration, event, t, risk``
        (of a loss by the end of step ``t``).
    settings : mapping
        ``scheme, models, at, outcome, draws, random_state``.
    """

    table: pd.DataFrame
    predictions: pd.DataFrame
    settings: Mapping[str, Any]

    def _words(self) -> str:
        students = self.predictions["student_id"].nunique()
        return f"Hazards of {self.settings['outcome']} after {self.settings['at']}, {students} students not learnt from"


def validate_hazards(
    data: RiskData,
    models: Mapping[str, Any],
    scheme: str = "cohorts",
    min_cases: int = 10,
    terms: Sequence[str] | None = None,
    suspicious_auc: float = SUSPICIOUS_AUC,
    draws: int = 200,
    random_state: int = 0,
) -> HazardValidation:
    """Measure hazard models by step, on students that they have not learnt from.

    Parameters
    ----------
    data : RiskData
        Of an outcome with a date: ``data.periods`` says when.
    models : mapping of str to estimator
        By name, with ``fit(X, y)`` and ``predict_survival(X)``, such as :class:`nbanalytics.risk.HazardClassifier`.
    scheme, min_cases, terms, suspicious_auc
        As for :func:`nbanalytics.risk.validate`.
    draws, random_state
        Of the bootstrap, which resamples whole schools.

    Returns
    -------
    HazardValidation

    Raises
    ------
    LeakageError
        As :func:`nbanalytics.risk.validate`.
    DataError
        If the outcome has no date, no fold can be predicted, or there is no such scheme.

    Notes
    -----
    Data made by :func:`nbanalytics.risk.dataset` hold students whose outcome is known, so that nobody in them is
    censored: who moved away before the end without a loss is in ``left_out``, and the weights of
    :func:`nbanalytics.risk.hazard_measures` are all 1.

    Examples
    --------
    >>> from nbanalytics.risk import HazardClassifier
    >>> rng = np.random.default_rng(1)
    >>> table = pd.DataFrame({"student_id": range(400), "cohort": [2018] * 200 + [2021] * 200,
    ...                       "school_id": list("ABCDE") * 80, "points": rng.normal(13, 2, 400)})
    >>> table["y"] = (rng.random(400) < 1 / (1 + np.exp(table["points"] - 11))).astype(int)
    >>> periods = pd.DataFrame({"student_id": table["student_id"], "t": 1,
    ...                         "exit": np.where(table["y"] == 1, "lost", "none")})
    >>> data = RiskData(table, ("points",), "6VT", "lost", "9VT", known={"points": "6VT"}, gap_years=3, periods=periods)
    >>> found = validate_hazards(data, {"logit": HazardClassifier(periods)}, draws=20)
    >>> found.table[["t", "measure"]].to_numpy().tolist()
    [[1.0, 'auc'], [1.0, 'brier'], [nan, 'integrated_brier']]
    """
    if data.periods is None:
        raise DataError(f"The outcome {data.outcome} has no date. Make the data of the outcome 'lost'.")
    refuse_scheme([data], scheme)
    refuse_leakage(data, terms, suspicious_auc)
    folds = [fold for fold in plan_folds(data, scheme) if fold_status(data, fold[1], scheme, min_cases) == "ok"]
    if not folds or not models:
        raise DataError("No fold can be predicted. Add models or earlier cohorts, or lower min_cases.")
    courses = observed_courses(data.periods)
    tables, predictions = [], []
    for name, model in models.items():
        parts = [_predict(data, courses, name, model, *fold) for fold in folds]
        rows = pd.concat([keys for keys, _ in parts], ignore_index=True)
        steps = min(risk.shape[1] for _, risk in parts)
        risk = np.vstack([risk[:, :steps] for _, risk in parts])
        table = hazard_measures(
            rows["duration"],
            rows["event"],
            risk,
            clusters=rows["school_id"],
            folds=rows["fold"],
            draws=draws,
            random_state=random_state,
        )
        table.insert(0, "model", name)
        tables.append(table)
        predictions += [rows.assign(t=step + 1, risk=risk[:, step]) for step in range(steps)]
    settings = {
        "scheme": scheme,
        "models": tuple(models),
        "at": data.at,
        "outcome": data.outcome,
        "draws": draws,
        "random_state": random_state,
    }
    return HazardValidation(pd.concat(tables, ignore_index=True), pd.concat(predictions, ignore_index=True), settings)


def observed_courses(periods: pd.DataFrame) -> pd.DataFrame:
    """Give each student's ``duration`` and ``event`` from person-periods.

    A step in which a student left was not seen, so that the duration ends before it.

    Examples
    --------
    >>> periods = pd.DataFrame({"student_id": ["P1", "P1", "P2", "P2"], "t": [1, 2, 1, 2],
    ...                         "exit": ["none", "lost", "none", "moved"]})
    >>> observed_courses(periods).to_numpy().tolist()
    [[2, 1], [1, 0]]
    """
    seen = periods["exit"].isin(["none", "lost"])
    steps = periods["t"].where(seen, periods["t"] - 1)
    lost = (periods["exit"] == "lost").astype(int)
    courses = pd.DataFrame({"student_id": periods["student_id"], "duration": steps, "event": lost})
    return courses.groupby("student_id").max()


def _predict(
    data: RiskData, courses: pd.DataFrame, name: str, model: Any, fold: str, train: Any, test: Any
) -> tuple[pd.DataFrame, Any]:
    from sklearn.base import clone

    fitted = clone(model).fit(data.X[train], data.y[train])
    rows = data.table.loc[test, ["student_id", "cohort", "school_id"]].assign(model=name, fold=fold)
    joined = rows.join(courses, on="student_id")
    absent = int(joined["duration"].isna().sum())
    if absent:
        raise DataError(f"{absent} students of the fold {fold} have no person-period. Make the data anew from records.")
    return joined, 1 - fitted.predict_survival(data.X[test])
