"""The design of a linear model: numbers without holes, every choice learnt from the training students only."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from nbanalytics.errors import DataError, EstimationWarning, refuse_unknown
from nbanalytics.frames import as_names
from nbanalytics.risk.evaluation.scores import numbers_of
from nbanalytics.schools import Floats

#: Columns of X that are not features: the school, and the step of a person-period.
CARRIED = ("school_id", "t")
#: Prefixes of the features that a linear model leaves out by default: sums and near copies of others, and means over a
#: handful of schools and cohorts, from which no slope can be learnt.
DETAIL = (
    "points_trend",
    "absence_total",
    "test_points",
    "school_size",
    "school_mean",
    "school_not",
    "school_abs",
    "cohort_",
)


class Design(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fill missing values with the median beside an indicator, and leave out what cannot be estimated.

    Parameters
    ----------
    columns : sequence of str, optional
        Features to use; by default every number of ``X``. The school and the step are passed on and not used.
    without : sequence of str
        Prefixes of features to leave out, unless nothing else is left.
    min_count : int
        A column is left out if fewer students than this differ from its commonest value. A missing value gets an
        indicator only if at least this many have it: a coefficient for three students is chance.
    scale : bool
        Whether to bring the columns to mean 0 and standard deviation 1.

    Attributes
    ----------
    columns_ : list of str
        The columns made; indicators are called ``<feature>_missing``.
    left_out_ : pandas.DataFrame
        ``column, reason``: all missing, (almost) constant, or a linear combination of earlier columns.

    Examples
    --------
    >>> X = pd.DataFrame({"school_id": "S1", "points": [10.0, 12.0, None, None], "same": 1.0})
    >>> design = Design(min_count=1)
    >>> design.fit_transform(X)["points"].tolist()
    [10.0, 12.0, 11.0, 11.0]
    >>> design.columns_, design.left_out_["reason"].tolist()
    (['points', 'points_missing'], ['fewer than 1 students differ from the others'])
    """

    def __init__(
        self,
        columns: Sequence[str] | None = None,
        without: Sequence[str] = (),
        min_count: int = 10,
        scale: bool = False,
    ) -> None:
        self.columns = columns
        self.without = without
        self.min_count = min_count
        self.scale = scale

    def fit(self, X: pd.DataFrame, y: ArrayLike | None = None) -> Design:
        """Learn medians, indicators, and what to leave out."""
        names = self._chosen(X)
        empty = [name for name in names if X[name].isna().all()]
        if empty:
            say_empty(empty, len(names), len(X))
        numbers = as_numbers(X, names)
        self.medians_ = numbers.drop(columns=empty).median()
        missing = numbers.isna().sum()
        shown = (missing >= self.min_count) & (len(X) - missing >= self.min_count)
        self.indicators_ = [name for name in names if shown[name] and name not in empty]
        filled = self._filled(X)
        reasons = dict.fromkeys(empty, "no student has a value")
        for name in feature_names(filled):
            if len(filled) - int(filled[name].value_counts().iloc[0]) < self.min_count:
                reasons[name] = f"fewer than {self.min_count} students differ from the others"
        kept = [name for name in feature_names(filled) if name not in reasons]
        for name in aliased(filled[kept].to_numpy(), kept):
            reasons[name] = "a linear combination of the columns before it"
        self.columns_ = [name for name in kept if name not in reasons]
        self.left_out_ = pd.DataFrame(list(reasons.items()), columns=["column", "reason"])
        used = filled[self.columns_]
        self.means_, self.sds_ = used.mean(), used.std(ddof=0)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the school and the step, where ``X`` has them, and the columns made."""
        check_is_fitted(self, "columns_")
        made = self._filled(X)[self.columns_]
        if self.scale:
            made = (made - self.means_) / self.sds_
        carried = [name for name in CARRIED if name in X]
        return pd.concat([X[carried], made], axis=1)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the columns made."""
        check_is_fitted(self, "columns_")
        return np.asarray(self.columns_, dtype=object)

    def _chosen(self, X: pd.DataFrame) -> list[str]:
        numbers = feature_names(X)
        if self.columns is not None:
            columns = as_names(self.columns)
            refuse_unknown("X has no column", columns, X.columns)
            return list(columns)
        return [name for name in numbers if not name.startswith(tuple(self.without))] or numbers

    def _filled(self, X: pd.DataFrame) -> pd.DataFrame:
        numbers = as_numbers(X, list(self.medians_.index))
        indicators = {f"{name}_missing": numbers[name].isna().astype(float) for name in self.indicators_}
        return numbers.fillna(self.medians_).assign(**indicators)


def feature_names(X: pd.DataFrame) -> list[str]:
    """Return the columns of ``X`` except the school and the step; raise a DataError unless ``X`` is a pandas table."""
    if not isinstance(X, pd.DataFrame):
        raise DataError("X is not a pandas table", "Give RiskData.X, whose columns have names.")
    return [str(name) for name in X.columns if name not in CARRIED]


def as_numbers(X: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return columns as floats; raise a DataError if one is missing or holds a value that is not a number."""
    absent = [name for name in names if name not in X]
    if absent:
        raise DataError(f"X has no column {', '.join(absent)}, which the model was fitted with", "Add it.")
    try:
        return X[list(names)].astype(float)
    except (TypeError, ValueError):
        words = [name for name in names if not pd.api.types.is_numeric_dtype(X[name])]
        raise DataError(
            f"X has values that are not numbers in {', '.join(words)}", "Code them as numbers, or leave them out."
        ) from None


def aliased(columns: Floats, names: Sequence[str], tolerance: float = 1e-7) -> list[str]:
    """Return the columns that are linear combinations of a constant and the columns before them.

    Examples
    --------
    >>> aliased(np.array([[1.0, 0, 1], [2, 1, 3], [4, 0, 4], [1, 1, 2]]), ["a", "b", "a + b"])
    ['a + b']
    """
    centred = columns - columns.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0))
    gram = (centred / spread).T @ (centred / spread) if len(names) else np.zeros((0, 0))
    found = []
    for place, name in enumerate(names):
        # What is left of the diagonal, once earlier columns are swept out, is the share that they do not explain.
        if gram[place, place] < tolerance:
            found.append(name)
            continue
        gram = gram - np.outer(gram[:, place], gram[place]) / gram[place, place]
    return found


def checked_outcome(y: ArrayLike, n: int) -> Floats:
    """Return the outcome as numbers; raise a DataError unless it is 0 or 1 for everybody and both occur."""
    outcome = numbers_of(y, "y") if n else np.zeros(0)
    if len(outcome) != n:
        raise DataError(f"X has {n} rows and y has {len(outcome)}", "Give one outcome per row.")
    wrong = int((~np.isin(outcome, (0.0, 1.0))).sum())
    if wrong:
        raise DataError(
            f"The outcome of {wrong} of {n} students is neither 0 nor 1", "Leave out those whose outcome is not known."
        )
    if n == 0 or outcome.min() == outcome.max():
        what = "there are no students" if n == 0 else f"all {n} students have the outcome {int(outcome[0])}"
        raise DataError(
            f"No model can be fitted: {what}",
            "Use more training cohorts, or choose another outcome, horizon or prediction point.",
        )
    return outcome


def say_empty(empty: Sequence[str], of: int, n: int) -> None:
    """Raise a DataError if no feature has a value, and warn of some that have none."""
    if len(empty) == of:
        raise DataError(
            f"None of the {of} features has a value for any of {n} students", "Choose other features or other students."
        )
    warnings.warn(
        f"No student of {n}, or too few, has a value of {', '.join(empty)}; left out of the model. Leave the feature "
        "out of the data.",
        EstimationWarning,
        stacklevel=3,
    )
