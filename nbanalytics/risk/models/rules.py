"""The rungs that need no model: the base rate, the school's rate, a threshold of prior grades, the ABC rule."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression, minimize_scalar
from scipy.special import betaln

from nbanalytics.errors import DataError, refuse_unknown
from nbanalytics.risk.models.design import as_numbers, feature_names
from nbanalytics.risk.models.logit import Classifier
from nbanalytics.schools import Floats, Places


class BaseRate(Classifier):
    """The share with the outcome among the training students, the same for everybody.

    Examples
    --------
    >>> X = pd.DataFrame({"school_id": ["A", "A", "B", "B"]})
    >>> BaseRate().fit(X, [1, 0, 0, 0]).predict_proba(X)[0].tolist()
    [0.75, 0.25]
    """

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> BaseRate:
        """Learn the share."""
        self.rate_ = float(self._outcome(X, y).mean())
        return self

    def _chance(self, X: pd.DataFrame) -> Floats:
        return np.full(len(X), self.rate_)


class SchoolRate(Classifier):
    """The rate of the student's school, drawn closer to the overall rate the fewer students the school has.

    Attributes
    ----------
    rate_ : float
        Share of all training students; also the rate of a school that is not among them.
    weight_ : float
        How many students the overall rate counts for beside those of a school; estimated, and large where schools are
        alike.
    schools_ : pandas.DataFrame
        ``school_id, students, events, rate``.

    Notes
    -----
    Empirical Bayes with a beta-binomial distribution of the schools' counts: its mean is the overall share, its
    concentration is estimated by maximum likelihood (Griffiths 1973, *Biometrics* 29, 637-648).

    Examples
    --------
    >>> X = pd.DataFrame({"school_id": ["A"] * 50 + ["B"] * 50 + ["C"] * 3})
    >>> model = SchoolRate().fit(X, [1] * 25 + [0] * 25 + [0] * 50 + [1] * 3)
    >>> model.schools_["rate"].round(2).tolist()
    [0.5, 0.0, 0.9]
    """

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> SchoolRate:
        """Learn the rates."""
        outcome = self._outcome(X, y)
        sums = pd.Series(outcome).groupby(_column(X, "school_id").to_numpy()).agg(["size", "sum"])
        size, events = sums["size"].to_numpy(dtype=float), sums["sum"].to_numpy(dtype=float)
        self.rate_ = float(outcome.mean())
        self.weight_ = _concentration(events, size, self.rate_)
        rates = (events + self.weight_ * self.rate_) / (size + self.weight_)
        self.schools_ = pd.DataFrame(
            {"school_id": sums.index, "students": sums["size"].to_numpy(), "events": events.astype(int), "rate": rates}
        )
        return self

    def _chance(self, X: pd.DataFrame) -> Floats:
        known = self.schools_.set_index("school_id")["rate"]
        return np.asarray(_column(X, "school_id").map(known).fillna(self.rate_), dtype=float)


class PriorGrade(Classifier):
    """One threshold of the prior grades: a rate below it, another from it on, a third where the grades are missing.

    Parameters
    ----------
    feature : str
    threshold : float, optional
        In the units of the feature; by default the one with the greatest sensitivity + specificity in the training data
        (Youden 1950, *Cancer* 3, 32-35).

    Attributes
    ----------
    threshold_ : float
    rates_ : dict
        ``below, above, missing``: shares; half an event and half a non-event keep each off 0 and 1.

    Examples
    --------
    >>> X = pd.DataFrame({"mean_points": [8.0, 9.0, 12.0, 15.0]})
    >>> model = PriorGrade().fit(X, [1, 1, 0, 0])
    >>> model.threshold_, model.predict(X).tolist()
    (12.0, [1, 1, 0, 0])
    """

    def __init__(self, feature: str = "mean_points", threshold: float | None = None) -> None:
        self.feature = feature
        self.threshold = threshold

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> PriorGrade:
        """Learn the threshold and the rates."""
        outcome, values = self._outcome(X, y), _numbers(X, self.feature)
        if np.isnan(values).all():
            raise DataError(
                f"None of {len(X)} students has a value of {self.feature}", "Name another feature, or other students."
            )
        self.threshold_ = _youden(values, outcome) if self.threshold is None else float(self.threshold)
        kinds = self._kinds(values)
        self.rates_ = {
            kind: _smoothed(outcome[kinds == kind]) if (kinds == kind).any() else float(outcome.mean())
            for kind in ("below", "above", "missing")
        }
        return self

    def _kinds(self, values: Floats) -> NDArray[np.str_]:
        return np.select([np.isnan(values), values < self.threshold_], ["missing", "below"], "above")

    def _chance(self, X: pd.DataFrame) -> Floats:
        return np.array([self.rates_[kind] for kind in self._kinds(_numbers(X, self.feature))])


#: A feature is a flag when it is at least this: attendance, behaviour (where it is known), course performance.
ABC_LIMITS: Mapping[str, float] = {"absence_total": 10.0, "behaviour": 1.0, "failed": 1.0}


class AbcRule(Classifier):
    """Attendance, behaviour, course performance: the score is the rate of those with as many flags.

    Parameters
    ----------
    limits : mapping of str to float, optional
        By feature, the limit from which it raises a flag; by default 10 per cent absence, one note of behaviour, one
        fail. ``failed`` is ``n_failed``, or without it the number of core subjects failed. Features that ``X`` lacks
        raise no flag: few records have behaviour, which may be given as a feature of one's own.

    Attributes
    ----------
    flags_ : tuple of str
        The flags in use.
    rates_ : ndarray
        The share with the outcome by number of flags, 0, 1, ..., made non-decreasing by isotonic regression.

    Notes
    -----
    Balfanz, Herzog and Mac Iver (2007), *Educational Psychologist* 42, 223-235, with attendance below 80 per cent; the
    limit of 10 per cent absence is that of chronic absence. A missing value raises no flag.

    Examples
    --------
    >>> X = pd.DataFrame({"absence_total": [2.0, 15.0, 30.0, 4.0], "failed_MA": [0.0, 0.0, 1.0, 0.0]})
    >>> model = AbcRule().fit(X, [0, 0, 1, 0])
    >>> model.flags_, model.count_flags(X).tolist()
    (('absence_total', 'failed'), [0, 1, 2, 0])
    """

    def __init__(self, limits: Mapping[str, float] | None = None) -> None:
        self.limits = limits

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> AbcRule:
        """Learn the rate of each number of flags."""
        outcome = self._outcome(X, y)
        limits = ABC_LIMITS if self.limits is None else self.limits
        self.flags_ = tuple(name for name in limits if name in X or (name == "failed" and _failed_columns(X)))
        if not self.flags_:
            raise DataError(
                f"X has none of {', '.join(limits)}",
                "Add the family absence or grades, or give limits of features of X.",
            )
        seen = [name for name in X.columns if name in self.flags_ or name in _failed_columns(X)]
        if X[seen].isna().all(axis=None):
            raise DataError(
                f"None of {len(X)} students has a value of {', '.join(seen)}", "Choose other students or rungs."
            )
        counts, numbers = self.count_flags(X), len(self.flags_) + 1
        # One student with the overall rate keeps rates off 0 and 1, and stands in where nobody has so many flags.
        events = np.bincount(counts, outcome, numbers) + outcome.mean()
        students = np.bincount(counts, minlength=numbers) + 1.0
        self.rates_ = np.asarray(isotonic_regression(events / students, weights=students).x, dtype=float)
        return self

    def count_flags(self, X: pd.DataFrame) -> Places:
        """Return how many flags each student has."""
        limits = ABC_LIMITS if self.limits is None else self.limits
        absent = [name for name in self.flags_ if name not in X and not (name == "failed" and _failed_columns(X))]
        if absent:
            raise DataError(f"X has no column {', '.join(absent)}, which the rule was fitted with", "Add it.")
        raised = [(_flagged(X, name) >= limits[name]).to_numpy() for name in self.flags_]
        return np.asarray(np.sum(raised, axis=0), dtype=np.int64)

    def _chance(self, X: pd.DataFrame) -> Floats:
        return np.asarray(self.rates_[self.count_flags(X)])


def _column(X: pd.DataFrame, name: str) -> pd.Series:
    feature_names(X)  # refuses what is not a pandas table
    refuse_unknown("X has no column", [name], X.columns)
    return X[name]


def _numbers(X: pd.DataFrame, name: str) -> Floats:
    return as_numbers(_column(X, name).to_frame(), [name])[name].to_numpy()


def _failed_columns(X: pd.DataFrame) -> list[str]:
    names = [str(name) for name in X.columns]
    return ["n_failed"] if "n_failed" in names else [name for name in names if name.startswith("failed_")]


def _flagged(X: pd.DataFrame, name: str) -> pd.Series:
    return X[name] if name in X else X[_failed_columns(X)].sum(axis=1)


def _smoothed(outcome: Floats) -> float:
    return float((outcome.sum() + 0.5) / (len(outcome) + 1))


def _youden(values: Floats, outcome: Floats) -> float:
    """Return the threshold with the greatest difference between the shares of events and of non-events below it."""
    seen = ~np.isnan(values)
    sorted_values = np.unique(values[seen])
    events = np.sort(values[seen & (outcome == 1)])
    others = np.sort(values[seen & (outcome == 0)])
    if not len(events) or not len(others):
        return float(np.median(sorted_values))
    apart = np.searchsorted(events, sorted_values) / len(events) - np.searchsorted(others, sorted_values) / len(others)
    return float(sorted_values[int(np.argmax(apart))])


def _concentration(events: Floats, size: Floats, rate: float) -> float:
    """Return the beta-binomial concentration with the greatest likelihood, between 0.1 and a million students."""

    def minus(log_weight: float) -> float:
        weight = np.exp(log_weight)
        a, b = rate * weight, (1 - rate) * weight
        return float(-(betaln(events + a, size - events + b) - betaln(a, b)).sum())

    found = minimize_scalar(minus, bounds=(np.log(0.1), np.log(1e6)), method="bounded")
    return float(np.exp(found.x))
