"""Why a model gives a student a probability: what each group of features adds to that of the reference.

For the researcher, and for the adult who knows the student. It shows no colour, label or rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial, inf, isnan, nan

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from nbanalytics.errors import DataError
from nbanalytics.intervals import mean_interval
from nbanalytics.results import Settings, Shown
from nbanalytics.risk.data.riskdata import RiskData
from nbanalytics.risk.models.logit import Logit

Groups = Mapping[str, Sequence[str]]
#: Exact Shapley values ask the model about every set of groups: 2 to the power of these.
MAX_GROUPS = 10
_BACKGROUND = 100
_COLUMNS = ("feature", "value", "reference", "log_odds", "points")


@dataclass(frozen=True, repr=False)
class Explanation(Shown):
    """A student's probability, and what each feature adds to it.

    Attributes
    ----------
    table : pandas.DataFrame
        The largest first: ``feature`` (or family of features); ``value`` of the student and ``reference`` (missing for
        families); ``log_odds`` (logit only) and ``points`` (percentage points) that it adds. The points add up to the
        difference between ``probability`` and ``reference``.
    probability, low, high : float
        Of the outcome for this student, with its interval: how precise the model's estimate is, not how certain the
        outcome is.
    reference : float
        The probability that the points start from.
    settings : mapping
        ``outcome, observed_at, at, method, interval, level``.
    """

    table: pd.DataFrame
    probability: float
    low: float
    high: float
    reference: float
    settings: Settings

    @property
    def words(self) -> list[str]:
        """A sentence for the probability, and one for each part that adds half a percentage point or more."""
        said = [self._words()]
        for row in self.table.to_dict("records"):
            if abs(row["points"]) < 0.5:
                continue
            what = str(row["feature"]).replace("_", " ")
            if pd.notna(row["value"]):
                what += f" {row['value']:.3g} (reference {row['reference']:.3g})"
            elif self.settings["method"] == "logit":
                what += " is missing"
            said.append(f"{what}: {'raises' if row['points'] > 0 else 'lowers'} it by {abs(row['points']):.1f} points")
        return said

    def _words(self) -> str:
        sure = "" if isnan(self.low) else f" ({100 * self.low:.0f} to {100 * self.high:.0f})"
        return (
            f"{self.settings['outcome']} ({self.settings['observed_at']}) foreseen from {self.settings['at']}: "
            f"{100 * self.probability:.0f} of 100 students like this one{sure}, against {100 * self.reference:.0f} for "
            "the reference. This is not a verdict"
        )


def explain(
    model: BaseEstimator,
    learnt_from: RiskData,
    student: pd.DataFrame,
    groups: Groups | None = None,
    refits: int = 30,
    random_state: int = 0,
    level: float = 0.95,
) -> Explanation:
    """Divide a student's probability among what was known of the student.

    Parameters
    ----------
    model : estimator
        A fitted logit of the ladder (a ``Pipeline`` of ``Design`` and ``Logit``), or any fitted classifier.
    learnt_from : RiskData
        What the model was fitted on: it gives the reference.
    student : pandas.DataFrame
        One row of ``RiskData.X``.
    groups : mapping of str to sequence of str, optional
        Features by name of the group, for models other than the logit; by default the families of features.
    refits : int
        How often a model other than the logit is fitted again, on half of the students, for the interval; no interval
        with fewer than two.
    random_state : int
        Seed of these draws and of the reference students.
    level : float

    Returns
    -------
    Explanation

    Raises
    ------
    DataError
        If there is not exactly one student, a feature is in no group or in two, or there are more than ten groups.

    Notes
    -----
    *Logit*: the coefficient times the difference from the mean of the students learnt from, exact in log odds; a
    missing value and its indicator count together. The points divide the difference of the probabilities in the same
    proportion, which is its integral along the straight line from the reference (Aumann and Shapley 1974). The interval
    is that of the linear predictor, clustered by school.

    *Other models*: Shapley values (Shapley 1953) of the probability, exact over all sets of groups. Groups outside a
    set take the values of 100 of the students learnt from (the interventional value of Janzing, Minorics and Blöbaum
    2020). The school belongs to ``context``, unless the groups name it. The interval is that of the log odds; its
    standard error is the standard deviation over models fitted on random halves (Shao and Wu 1989). A bootstrap would
    put copies of a student on both sides of an inner calibration.

    Examples
    --------
    >>> from nbanalytics.risk.models.design import Design
    >>> rng = np.random.default_rng(1)
    >>> table = pd.DataFrame({"student_id": [f"P{i}" for i in range(200)], "cohort": 2018, "school_id": "A",
    ...                       "y": 0, "points": rng.normal(13, 2, 200)})
    >>> table["y"] = (rng.random(200) < 1 / (1 + np.exp(table["points"] - 11))).astype(int)
    >>> data = RiskData(table, ("points",), "6VT", "not_eligible", "9VT")
    >>> model = Pipeline([("design", Design()), ("logit", Logit())]).fit(data.X.drop(columns="school_id"), data.y)
    >>> found = explain(model, data, data.X.head(1))
    >>> bool(np.isclose(found.table["points"].sum() / 100, found.probability - found.reference))
    True
    """
    if len(student) != 1:
        raise DataError(f"There are {len(student)} students", "Give one row of X at a time.")
    settings = {"outcome": learnt_from.outcome, "observed_at": learnt_from.observed_at, "at": learnt_from.at}
    if isinstance(model, Pipeline) and isinstance(model[-1], Logit):
        return _of_logit(model, learnt_from, student, level, settings)
    probability = _chance(model, student)
    parts = _checked(groups or _families(learnt_from), learnt_from)
    shares, reference = _shapley(model, learnt_from, student, parts, random_state)
    low, high = _half_sample_interval(model, learnt_from, student, probability, (refits, random_state, level))
    table = pd.DataFrame({"feature": list(parts), "value": nan, "reference": nan, "log_odds": nan, "points": shares})
    how = {"method": "shapley", "interval": f"{refits} half-samples", "level": level}
    return Explanation(_largest_first(table), probability, low, high, reference, settings | how)


def _of_logit(
    model: Pipeline, learnt_from: RiskData, student: pd.DataFrame, level: float, settings: Settings
) -> Explanation:
    last: Logit = model[-1]
    if last.penalty > 0:
        raise DataError("A logit with a penalty has no honest interval", "Fit it with penalty=0 to explain it.")
    columns = last.terms_[1:]
    own = model[:-1].transform(student)[columns].to_numpy(dtype=float)[0]
    means = model[:-1].transform(learnt_from.X)[columns].to_numpy(dtype=float).mean(axis=0)
    added = last.coefficients_[1:] * (own - means)
    start = float(last.coefficients_[0] + last.coefficients_[1:] @ means)
    end = start + float(added.sum())
    probability, reference = _inverse(end), _inverse(start)
    slope = (probability - reference) / (end - start) if abs(end - start) > 1e-9 else reference * (1 - reference)
    table = pd.DataFrame({"feature": columns, "log_odds": added, "reference": means})
    of = {f"{name}_missing": name for name in learnt_from.features}
    table["feature"] = [of.get(name, name) for name in table["feature"]]
    table = table.groupby("feature", sort=False).agg({"log_odds": "sum", "reference": "first"}).reset_index()
    table["value"] = student.iloc[0].reindex(table["feature"]).to_numpy(dtype=float)
    table["points"] = 100 * slope * table["log_odds"]
    clustered = last.clustered_ is not None
    covariance = last.clustered_ if clustered else last.covariance_
    row = np.concatenate([[1.0], own])
    error = float(np.sqrt(max(row @ np.asarray(covariance) @ row, 0.0)))
    low, high = mean_interval(end, error, last.clusters_ - 1 if clustered else inf, level)
    kind = f"clustered by {last.clusters_} schools" if clustered else "of the model"
    how = {"method": "logit", "interval": kind, "level": level}
    bounds = _inverse(low), _inverse(high)
    return Explanation(_largest_first(table), probability, *bounds, reference, {**settings, **how})


def _shapley(
    model: BaseEstimator, learnt_from: RiskData, student: pd.DataFrame, groups: Groups, random_state: int
) -> tuple[list[float], float]:
    """Return the percentage points of each group, and the mean probability of the reference students."""
    X = learnt_from.X
    background = X.sample(min(_BACKGROUND, len(X)), random_state=random_state)
    names, n = list(groups), len(groups)
    subsets = [frozenset(subset) for size in range(n + 1) for subset in combinations(names, size)]
    mixed = pd.concat([background] * len(subsets))
    for name in names:
        own = np.repeat([name in subset for subset in subsets], len(background))
        for column in groups[name]:
            mixed[column] = mixed[column].where(~own, student.iloc[0][column])
    asked = model.predict_proba(mixed)[:, 1].reshape(len(subsets), len(background)).mean(axis=1)
    worth = dict(zip(subsets, 100 * asked, strict=True))
    shares = []
    for name in names:
        without = [subset for subset in subsets if name not in subset]
        weights = [factorial(len(s)) * factorial(n - len(s) - 1) / factorial(n) for s in without]
        shares.append(sum(w * (worth[s | {name}] - worth[s]) for w, s in zip(weights, without, strict=True)))
    return shares, float(worth[frozenset()] / 100)


def _half_sample_interval(
    model: BaseEstimator, data: RiskData, student: pd.DataFrame, probability: float, drawn: tuple[int, int, float]
) -> tuple[float, float]:
    """Return the interval in log odds from models fitted on half the students; missing with fewer than two refits."""
    refits, random_state, level = drawn
    if refits < 2:
        return nan, nan
    rng = np.random.default_rng(random_state)
    X, y = data.X, data.y
    found = []
    for _ in range(refits):
        rows = rng.permutation(len(X))[: len(X) // 2]
        found.append(_log_odds(_chance(clone(model).fit(X.iloc[rows], y[rows]), student)))
    low, high = mean_interval(_log_odds(probability), float(np.std(found, ddof=1)), refits - 1, level)
    return _inverse(low), _inverse(high)


def _families(data: RiskData) -> dict[str, list[str]]:
    family = data.settings.get("family", {})
    groups: dict[str, list[str]] = {}
    for name in data.features:
        groups.setdefault(family.get(name, name), []).append(name)
    return groups


def _checked(groups: Groups, data: RiskData) -> dict[str, list[str]]:
    """Return the groups with the school in one of them; raise a DataError unless each feature is in exactly one."""
    parts = {name: list(columns) for name, columns in groups.items()}
    if not any("school_id" in columns for columns in parts.values()):
        parts.setdefault("context", []).append("school_id")
    named = [column for columns in parts.values() for column in columns]
    wrong = sorted({name for name in named if named.count(name) > 1} | (set(named) ^ {"school_id", *data.features}))
    if wrong:
        raise DataError(
            f"groups: {', '.join(wrong[:5])} is in no group, in two, or no feature", "Put every feature in one group."
        )
    if len(parts) > MAX_GROUPS:
        raise DataError(
            f"There are {len(parts)} groups of features; exact Shapley values are computed for up to {MAX_GROUPS}",
            "Give groups={name: features}.",
        )
    return parts


def _chance(model: BaseEstimator, student: pd.DataFrame) -> float:
    return float(model.predict_proba(student)[0, 1])


def _largest_first(table: pd.DataFrame) -> pd.DataFrame:
    order = table["points"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order, list(_COLUMNS)].reset_index(drop=True)


def _log_odds(probability: float) -> float:
    return float(logit(np.clip(probability, 1e-6, 1 - 1e-6)))


def _inverse(log_odds: float) -> float:
    return float(expit(log_odds))
