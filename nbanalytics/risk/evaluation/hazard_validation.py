"""Hazard models validated in time: when losses happen, predicted by models that have not seen the cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.results import Settings, Shown
from nbanalytics.risk.data.riskdata import SUSPICIOUS_AUC, RiskData, refuse_leakage
from nbanalytics.risk.evaluation.auc import tied_within, won_pairs
from nbanalytics.risk.evaluation.scores import SCALES, labels_or_none, ratio, units_to_leave_out
from nbanalytics.risk.evaluation.validation import fold_status, plan_folds, refuse_scheme
from nbanalytics.schools import Floats


def hazard_measures(
    duration: Any,
    event: Any,
    risk: Any,
    *,
    clusters: Any = None,
    folds: Any = None,
    estimand: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Measure predicted risks period by period, when some students leave before their outcome is known.

    Parameters
    ----------
    duration : sequence of int
        Periods from the start to the event, or through which the student was seen without it; 0 if never seen again.
    event : sequence of 0 and 1
        1: the event happened in that period; 0: censored, by moving as well.
    risk : array or dataframe, shape (students, periods)
        Predicted probability that the event has happened by the end of period 1, 2, ...
    folds : sequence, optional
        The fold whose model gave the risks: the AUC compares students of a fold only.
    clusters, estimand, level
        As for :func:`nbanalytics.risk.measures`.

    Returns
    -------
    pandas.DataFrame
        ``t, measure, value, low, high, estimand``: for each period ``auc`` (cases by *t* against those without the
        event through *t*) and ``brier``; in the last row, without ``t``, ``integrated_brier``, their mean over the
        periods. Missing where a period has no case or nobody left. The interval leaves out one school at a time, or
        parts of the students.

    Raises
    ------
    DataError
        If lengths differ, events are not 0 or 1, durations are not whole numbers, risks are not probabilities, or they
        fall over time.

    Notes
    -----
    Cumulative/dynamic AUC (Heagerty, Lumley and Pepe 2000; Uno et al. 2007) and the Brier score of Graf et al. (1999,
    Statistics in Medicine 18: 2529-2545), both weighted by the inverse probability of not being censored. In discrete
    time a student censored in a period was seen through it: students without the event at *t* have the weight
    *1/G(t-)*, a case of period *s* has *1/G(s-)*, where *G* is the Kaplan-Meier estimate of not being censored.
    Censoring is assumed to be independent of the outcome.

    Examples
    --------
    >>> risk = [[.5, .7], [.1, .6], [.2, .3], [.1, .2]]
    >>> hazard_measures([1, 2, 2, 2], [1, 1, 0, 0], risk)[["t", "measure", "value"]].round(4)
         t           measure   value
    0  1.0               auc  1.0000
    1  1.0             brier  0.0775
    2  2.0               auc  1.0000
    3  2.0             brier  0.0950
    4  NaN  integrated_brier  0.0863
    """
    periods, happened, risks = _checked(duration, event, risk)
    strata = labels_or_none(folds, len(periods), "folds")
    course = _Course(periods, happened, risks, strata)
    _, units = units_to_leave_out(clusters, len(periods), estimand)
    rows = []
    for key, values in units.evaluate(course.measure).items():
        measure, _, t = key.partition(" ")
        bounds = units.interval(values, SCALES[measure], level)
        rows.append((float(t) if t else nan, measure, float(values[0]), *bounds, units.estimand))
    return pd.DataFrame(rows, columns=["t", "measure", "value", "low", "high", "estimand"])


class _Course:
    """Durations, events and risks, measured for rows of weights."""

    def __init__(self, periods: Any, event: Any, risk: Floats, strata: Any) -> None:
        self._periods, self._event, self._risk = periods, event, risk
        self._ties = [tied_within(column, strata) for column in risk.T]

    def measure(self, weights: Floats) -> dict[str, Floats]:
        in_sight = self._in_sight(weights)
        found: dict[str, Floats] = {}
        scores = []
        for t in range(1, self._risk.shape[1] + 1):
            case = (self._event == 1) & (self._periods <= t)
            free = (self._periods > t) | ((self._event == 0) & (self._periods == t))
            # Before the period of the event, or before t: the chance of having been in sight until then.
            of_cases = ratio(weights * case, in_sight[:, np.maximum(self._periods - 1, 0)])
            of_free = ratio(weights * free, in_sight[:, [t - 1]])
            of_cases, of_free = np.nan_to_num(of_cases), np.nan_to_num(of_free)
            risk = self._risk[:, t - 1]
            brier = ratio(of_cases @ (1 - risk) ** 2 + of_free @ risk**2, weights.sum(axis=1))
            brier = np.where(of_cases.sum(axis=1) + of_free.sum(axis=1) > 0, brier, nan)
            found[f"auc {t}"] = won_pairs(of_cases, of_free, self._ties[t - 1])
            found[f"brier {t}"] = brier
            scores.append(brier)
        found["integrated_brier"] = np.mean(scores, axis=0)
        return found

    def _in_sight(self, weights: Floats) -> Floats:
        """Return the Kaplan-Meier estimate of not being censored through period 0, 1, 2, ..."""
        staying = np.ones(len(weights))
        estimate = []
        for t in range(self._risk.shape[1] + 1):
            leaving = (self._event == 0) & (self._periods == t)
            seen = leaving | (self._periods > t)
            staying = staying * (1 - np.nan_to_num(ratio(weights @ leaving, weights @ seen)))
            estimate.append(staying)
        return np.array(estimate).T


def _checked(duration: Any, event: Any, risk: Any) -> tuple[Any, Any, Floats]:
    periods, happened, risks = (np.asarray(values, dtype=float) for values in (duration, event, risk))
    if risks.ndim != 2 or not len(periods) == len(happened) == len(risks) or not risks.size:
        raise DataError(
            f"There are {len(periods)} durations, {len(happened)} events and risks of shape {risks.shape}",
            "Give one duration, one event and one row of risks per student, one column per period.",
        )
    problems = {
        "durations are not whole numbers from 0 on": ~((periods >= 0) & (periods % 1 == 0)),
        "events are neither 0 nor 1": ~np.isin(happened, (0, 1)),
        "events happen in period 0; the first period is 1": (happened == 1) & (periods == 0),
        "rows of risks hold values outside 0 to 1": ~((risks >= 0) & (risks <= 1)).all(axis=1),
        "rows of risks fall over time; give the chance of the event by each period": (
            np.diff(risks, axis=1) < -1e-9
        ).any(axis=1),
    }
    for words, faulty in problems.items():
        if faulty.any():
            first = int(np.flatnonzero(faulty)[0])
            raise DataError(f"{int(faulty.sum())} of {len(periods)} {words} (first at position {first}).")
    return periods.astype(int), happened.astype(int), risks


@dataclass(frozen=True, repr=False)
class HazardValidation(Shown):
    """How well hazard models foresee in which term eligibility is lost.

    Attributes
    ----------
    table : pandas.DataFrame
        ``model``, then the columns of :func:`nbanalytics.risk.hazard_measures`: ``t, measure, value, low, high,
        estimand``.
    predictions : pandas.DataFrame
        One row per student, model and step: ``student_id, cohort, school_id, model, fold, duration, event, t, risk``
        (of a loss by the end of step ``t``).
    settings : mapping
        ``scheme, models, at, outcome, estimand``.
    """

    table: pd.DataFrame
    predictions: pd.DataFrame
    settings: Settings

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
    estimand: str | None = None,
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
    estimand
        As for :func:`nbanalytics.risk.measures`.

    Returns
    -------
    HazardValidation

    Raises
    ------
    DataError, LeakageError
        As :func:`nbanalytics.risk.validate`, or if the outcome has no date.

    Notes
    -----
    Data made by :func:`nbanalytics.risk.dataset` hold students whose outcome is known, so that nobody in them is
    censored: students who moved away before the end without a loss are in ``left_out``, and the weights of
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
    >>> found = validate_hazards(data, {"logit": HazardClassifier(periods)})
    >>> found.table[["t", "measure"]].to_numpy().tolist()
    [[1.0, 'auc'], [1.0, 'brier'], [nan, 'integrated_brier']]
    """
    if data.periods is None:
        raise DataError(f"The outcome {data.outcome} has no date", "Make the data of the outcome 'lost'.")
    refuse_scheme([data], scheme)
    refuse_leakage(data, terms, suspicious_auc)
    folds = [fold for fold in plan_folds(data, scheme) if fold_status(data, fold[1], scheme, min_cases) == "ok"]
    if not folds or not models:
        raise DataError("No fold can be predicted", "Add models or earlier cohorts, or lower min_cases.")
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
            estimand=estimand,
        )
        table.insert(0, "model", name)
        tables.append(table)
        predictions += [rows.assign(t=step + 1, risk=risk[:, step]) for step in range(steps)]
    settings = {
        "scheme": scheme,
        "models": tuple(models),
        "at": data.at,
        "outcome": data.outcome,
        "estimand": str(tables[0]["estimand"].iloc[0]),
    }
    return HazardValidation(pd.concat(tables, ignore_index=True), pd.concat(predictions, ignore_index=True), settings)


def observed_courses(periods: pd.DataFrame) -> pd.DataFrame:
    """Return each student's ``duration`` and ``event`` from person-periods; leaving ends the duration before its step.

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
        raise DataError(
            f"{absent} students of the fold {fold} have no person-period", "Make the data anew from records."
        )
    return joined, 1 - fitted.predict_survival(data.X[test])
