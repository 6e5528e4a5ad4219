"""Out-of-fold predictions: later cohorts from earlier ones, or a school from the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from nbanalytics.errors import DataError, NbanalyticsError
from nbanalytics.results import Settings, Shown
from nbanalytics.risk.data.riskdata import SUSPICIOUS_AUC, RiskData, refuse_leakage
from nbanalytics.risk.evaluation.measuring import compare_models

SCHEMES = ("cohorts", "schools")
#: Made of outcomes of all schools, the left-out one included.
_HISTORY = "school_rate_before"


def refuse_scheme(points: Sequence[RiskData], scheme: str) -> None:
    """Raise a DataError if there is nothing to validate, no such scheme, or the data do not suit it."""
    if scheme not in SCHEMES:
        raise DataError(
            f"There is no scheme {scheme!r}",
            f"Choose among: {', '.join(SCHEMES)}; a random split is not offered, since "
            "neighbours would leak information about each other.",
        )
    if not points:
        raise DataError("There is nothing to validate", "Give at least one RiskData.")
    if not all(len(point) for point in points):
        raise DataError("There are no students to validate with", "Choose other students, or another prediction point.")
    if len({point.at for point in points}) < len(points):
        raise DataError("Two of the data have the same prediction point", "Give one for each.")
    if scheme == "schools" and any(_HISTORY in point.features for point in points):
        raise DataError(
            f"The feature {_HISTORY} is made of outcomes of the school that is left out",
            "Build the data without history, or validate by cohorts.",
        )


def plan_folds(data: RiskData, scheme: str) -> list[tuple[str, Any, Any]]:
    """Return the name of each fold, with who is learnt from and who is predicted."""
    if scheme == "schools":
        return [(str(school), data.schools != school, data.schools == school) for school in np.unique(data.schools)]
    return [
        (str(cohort), data.cohorts <= cohort - max(data.gap_years, 1), data.cohorts == cohort)
        for cohort in np.unique(data.cohorts)
    ]


def fold_status(data: RiskData, train: Any, scheme: str, min_cases: int) -> str:
    """Return ``ok``, or why there is too little to learn from."""
    if not train.any():
        return "no cohort had its outcome observed by then" if scheme == "cohorts" else "no other school"
    cases = int(data.y[train].sum())
    fewest = min(cases, int(train.sum()) - cases)
    return "ok" if fewest >= min_cases else f"fewer than {min_cases} with, or without, the outcome to learn from"


def describe_fold(data: RiskData, fold: str, train: Any, test: Any, status: str) -> dict[str, Any]:
    """Return the row of a fold in the table of folds."""
    return {
        "at": data.at,
        "fold": fold,
        "train_cohorts": ", ".join(str(cohort) for cohort in np.unique(data.cohorts[train])),
        "train_students": int(train.sum()),
        "train_cases": int(data.y[train].sum()),
        "test_students": int(test.sum()),
        "test_cases": int(data.y[test].sum()),
        "status": status,
    }


COLUMNS = ("student_id", "cohort", "school_id", "model", "fold", "y", "p", "at")


@dataclass(frozen=True, repr=False)
class Validation(Shown):
    """Predictions of students that the models had not learnt from.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per student, model and prediction point: ``student_id, cohort, school_id, model, fold`` (the cohort or
        school left out), ``y`` (0, 1), ``p`` (probability) and ``at`` (the prediction point).
    folds : pandas.DataFrame
        One row per fold and prediction point: ``at, fold, train_cohorts`` (text), ``train_students, train_cases,
        test_students, test_cases, status`` (``ok``, or why nothing was predicted).
    settings : mapping
        ``scheme, models, at, outcome, observed_at, min_cases, terms``.
    """

    table: pd.DataFrame
    folds: pd.DataFrame
    settings: Settings

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(self.settings["models"])

    def wide(self, at: str | None = None) -> pd.DataFrame:
        """Return the predictions of one prediction point, by default the first, one row per student.

        The columns are ``student_id, cohort, school_id, fold, y`` and the probabilities of each model that was fitted
        there. A DataError says that the prediction point was not validated.
        """
        point = self.settings["at"][0] if at is None else at
        if point not in self.settings["at"]:
            raise DataError(f"{point} was not validated", f"Choose among: {', '.join(self.settings['at'])}.")
        rows = self.table[self.table["at"] == point]
        keys = ["student_id", "cohort", "school_id", "fold", "y"]
        spread = rows.pivot(index=keys, columns="model", values="p").reset_index()
        return spread[[*keys, *(name for name in self.models if name in spread)]].rename_axis(columns=None)

    def compare(
        self, reference: str | None = None, capacity: float = 0.1, *, estimand: str | None = None
    ) -> pd.DataFrame:
        """Return :func:`nbanalytics.risk.compare_models` of each prediction point, with ``at`` in front."""
        parts = []
        for at in self.settings["at"]:
            rows = self.wide(at)
            scores = {name: rows[name] for name in self.models if name in rows}
            table = compare_models(
                rows["y"],
                scores,
                reference,
                capacity,
                clusters=rows["school_id"],
                folds=rows["fold"],
                estimand=estimand,
            )
            table.insert(0, "at", at)
            parts.append(table)
        return pd.concat(parts, ignore_index=True)

    def each(self, measure: Callable[..., pd.DataFrame], at: str | None = None, **settings: Any) -> pd.DataFrame:
        """Apply a measure of outcomes and probabilities to every model.

        Parameters
        ----------
        measure : callable
            Such as :func:`nbanalytics.risk.roc_curve`, :func:`nbanalytics.risk.calibration_table`,
            :func:`nbanalytics.risk.at_capacity` or :func:`nbanalytics.risk.measures`.
        at : str, optional
            The prediction point, by default the first.
        **settings
            Of the measure. ``clusters``, ``folds`` and ``groups`` may be names of columns: ``clusters="school_id"``.

        Returns
        -------
        pandas.DataFrame
            ``model``, then the columns of the measure.
        """
        rows = self.wide(at)
        absent = [value for value in settings.values() if isinstance(value, str) and value not in rows]
        if absent:
            raise DataError(f"There is no column {', '.join(absent)}", f"Choose among: {', '.join(rows.columns)}.")
        named = {name: rows[value] if isinstance(value, str) else value for name, value in settings.items()}
        parts = [measure(rows["y"], rows[name], **named).assign(model=name) for name in self.models if name in rows]
        table = pd.concat(parts, ignore_index=True)
        return table[["model", *table.columns.drop("model")]]

    def _words(self) -> str:
        predicted, left = self.folds["status"] == "ok", self.settings["scheme"]
        return (
            f"Predictions of {self.settings['outcome']} by {len(self.models)} models for "
            f"{self.folds.loc[predicted, 'test_students'].sum()} students in {predicted.sum()} left-out {left}; "
            f"{(~predicted).sum()} {left} without a prediction"
        )


def validate(
    data: RiskData | Sequence[RiskData],
    models: Mapping[str, Any] | Callable[[RiskData], Mapping[str, Any]],
    scheme: str = "cohorts",
    min_cases: int = 10,
    terms: Sequence[str] | None = None,
    suspicious_auc: float = SUSPICIOUS_AUC,
) -> Validation:
    """Predict students with models that have learnt from others, as would have been possible at the time.

    Everything that is learnt from data (filling in, scaling, calibrating, choosing) belongs in the estimators, which
    are cloned and fitted again in each fold. There is no random split: students of one cohort and school share
    teachers, tests and a year, and a model that has seen their neighbours' outcomes looks better than it will be.

    Parameters
    ----------
    data : RiskData, or a sequence of them
        One prediction point, or several.
    models : mapping of str to estimator, or callable
        Estimators as scikit-learn's, by name: ``fit(X, y)`` and ``predict_proba(X)``; or a function that returns them
        for data, such as :func:`nbanalytics.risk.ladder`, since prediction points differ in their features.
    scheme : str
        - ``cohorts``: each cohort is predicted by models fitted on the cohorts whose outcomes were known when its
          features were, ``gap_years`` earlier or more (non-overlapping leave-future-out);
        - ``schools``: each school is predicted by models fitted on all other schools, of all cohorts: how well models
          transfer to another school, not how well they predict the future.
    min_cases : int
        A fold with fewer students with, or without, the outcome to learn from is not predicted.
    terms : sequence of str, optional
        All terms in order, for the check of dates; by default those of the records that the data were made from.
    suspicious_auc : float
        See :func:`nbanalytics.risk.refuse_leakage`.

    Returns
    -------
    Validation

    Raises
    ------
    LeakageError
        If a feature was known after the prediction point, or reveals the outcome by itself.
    DataError
        If there is no such scheme, a model cannot be fitted, or no fold can be predicted.

    Notes
    -----
    Leave-future-out without overlap: *Non-overlapping leave future out validation (NOLFO)*, Educational Data Mining
    2024, industry track. Leaving out whole clusters: Roberts et al. (2017), Ecography 40: 913-929.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> table = pd.DataFrame({"student_id": range(120), "cohort": [2018, 2021] * 60, "school_id": "S",
    ...                       "y": [0, 0, 1, 0] * 30, "points": range(120)})
    >>> data = RiskData(table, ("points",), "6VT", "not_eligible", "9VT", known={"points": "6VT"}, gap_years=3)
    >>> found = validate(data, {"base rate": DummyClassifier(strategy="prior")})
    >>> found.folds[["fold", "train_cohorts", "status"]].to_numpy().tolist()
    [['2018', '', 'no cohort had its outcome observed by then'], ['2021', '2018', 'ok']]
    >>> found.table["p"].unique().tolist()
    [0.5]
    """
    points = [data] if isinstance(data, RiskData) else list(data)
    refuse_scheme(points, scheme)
    for point in points:
        refuse_leakage(point, terms, suspicious_auc)
    if not isinstance(models, Mapping) and not callable(models):
        raise DataError("models is one estimator", "Give models by name: {'name': estimator}.")
    built = {point.at: models(point) if callable(models) else models for point in points}
    names = tuple(dict.fromkeys(name for of_point in built.values() for name in of_point))
    if not names:
        raise DataError("There is nothing to validate", "Give at least one model.")
    taken = [name for name in names if name in COLUMNS]
    if taken:
        raise DataError(f"A model is called {taken[0]}, as a column of predictions is", "Give it another name.")
    plans = [(point, *fold) for point in points for fold in plan_folds(point, scheme)]
    parts, folds = [], []
    for point, fold, train, test in tqdm(plans, desc="validating", unit="fold", delay=2, leave=False, disable=None):
        status = fold_status(point, train, scheme, min_cases)
        folds.append(describe_fold(point, fold, train, test, status))
        if status == "ok":
            parts += [_predict(point, fold, train, test, name, model) for name, model in built[point.at].items()]
    table = pd.DataFrame(folds)
    if not parts:
        raise DataError(
            f"None of {len(table)} folds can be predicted ({'; '.join(sorted(set(table['status'])))})",
            "Add earlier cohorts, take a shorter horizon, or lower min_cases.",
        )
    settings = {
        "scheme": scheme,
        "models": names,
        "at": tuple(point.at for point in points),
        "outcome": points[0].outcome,
        "observed_at": points[0].observed_at,
        "min_cases": min_cases,
        "terms": tuple(terms or points[0].settings.get("terms") or ()),
    }
    return Validation(pd.concat(parts, ignore_index=True)[list(COLUMNS)], table, settings)


def _predict(data: RiskData, fold: str, train: Any, test: Any, name: str, model: Any) -> pd.DataFrame:
    from sklearn.base import clone

    try:
        fitted = clone(model).fit(data.X[train], data.y[train])
        scores = np.asarray(fitted.predict_proba(data.X[test]))[:, 1]
    except NbanalyticsError as error:
        raise DataError(f"The model {name} fails in the fold {fold} at {data.at}: {error}") from error
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        # What a library says may quote a value of a student.
        first = re.sub(r"'[^']*'", "'…'", str(error).strip().partition("\n")[0].rstrip("."))
        raise DataError(
            f"The model {name} fails in the fold {fold} at {data.at}: {first}",
            "X holds school_id as text, and missing "
            "values as they are: begin a pipeline with Design, or choose and fill columns.",
        ) from error
    rows: pd.DataFrame = data.table.loc[test, ["student_id", "cohort", "school_id", "y"]]
    return rows.assign(model=name, fold=fold, p=scores, at=data.at)
