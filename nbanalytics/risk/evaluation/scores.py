"""Outcomes, probabilities and groups as arrays, checked once."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.schools import MIN_SCHOOLS, THESE, Floats, Places, Scale, Units, estimand_of, units_of

Labels = NDArray[np.object_]


def outcomes_of(y: ArrayLike) -> Floats:
    """Return outcomes as 0.0 and 1.0; raise a DataError if one is missing or neither, or all are the same.

    Examples
    --------
    >>> outcomes_of([True, False]).tolist()
    [1.0, 0.0]
    """
    values = numbers_of(y, "y")
    _refuse(np.isnan(values), "y", "missing", "Leave out students whose outcome is not known")
    _refuse(~np.isin(values, (0, 1)), "y", "neither 0 nor 1", "Code the outcome 1 and its absence 0")
    if not 0 < values.sum() < len(values):
        only = "the outcome" if values.sum() else "no outcome"
        raise DataError(
            f"y: all {len(values)} students have {only}",
            "Both classes are needed; use more cohorts or another outcome.",
        )
    return values


def probabilities_of(p: ArrayLike, name: str = "p") -> Floats:
    """Return probabilities as floats between 0 and 1; raise a DataError that says how many are not."""
    values = numbers_of(p, name)
    _refuse(np.isnan(values), name, "missing", "Score every student, or leave those without a score out of y as well")
    _refuse(
        (values < 0) | (values > 1),
        name,
        "outside 0 to 1",
        "Give probabilities; points and ranks are not probabilities",
    )
    return values


def labels_of(labels: ArrayLike, rows: int, name: str) -> Labels:
    """Return one text label per student; missing ones become ``missing``."""
    values = np.asarray(labels, dtype=object)
    if values.ndim != 1:
        raise DataError(f"{name} has {values.ndim} dimensions", "Give one label per student.")
    series = pd.Series(values)
    if len(series) != rows:
        raise DataError(f"{name} has {len(series)} values and y has {rows}", "Give one of each per student.")
    return np.asarray(series.astype(str).where(series.notna(), "missing"), dtype=object)


def labels_or_none(labels: ArrayLike | None, rows: int, name: str) -> Labels | None:
    """Return the labels of :func:`labels_of`, or None where none were given."""
    return None if labels is None else labels_of(labels, rows, name)


def scored(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    """Return outcomes and the probabilities of one model; see :func:`scored_by`."""
    outcome, scores = scored_by(y, {"p": p})
    return outcome, scores["p"]


def scored_by(y: ArrayLike, scores: Mapping[str, ArrayLike]) -> tuple[Floats, dict[str, Floats]]:
    """Return outcomes, and the probabilities by name of the model; raise a DataError if they cannot be used.

    Examples
    --------
    >>> outcome, scores = scored_by([True, False], {"flag": [1, 0], "model": [0.7, 0.2]})
    >>> scores["flag"].tolist()
    [1.0, 0.0]
    """
    outcome = outcomes_of(y)
    arrays = {name: probabilities_of(values, name) for name, values in scores.items()}
    for name, array in arrays.items():
        if len(array) != len(outcome):
            raise DataError(f"y has {len(outcome)} values and {name} has {len(array)}", "Give one of each per student.")
    return outcome, arrays


def ratio(above: ArrayLike, below: ArrayLike) -> Floats:
    """Divide arrays; missing where the denominator is not above 0."""
    above, below = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    missing: Floats = np.full(np.broadcast_shapes(above.shape, below.shape), nan)
    found: Floats = np.divide(above, below, out=missing, where=below > 0)
    return found


def numbers_of(values: ArrayLike, name: str) -> Floats:
    """Return one number per student, missing ones as nan; raise a DataError where they are not numbers."""
    if isinstance(values, pd.Series):
        values = values.to_numpy(dtype=object, na_value=np.nan)
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"{name} has values that are not numbers", "Give one number per student.") from None
    if numbers.ndim != 1:
        raise DataError(
            f"{name} has {numbers.ndim} dimensions", "Give one value per student; of two classes the second."
        )
    if not len(numbers):
        raise DataError(f"{name} is empty", "Give one value per student.")
    return numbers


def _refuse(faulty: NDArray[np.bool_], name: str, what: str, remedy: str) -> None:
    if faulty.any():
        places = np.flatnonzero(faulty)
        first = ", ".join(str(place) for place in places[:5])
        raise DataError(
            f"{name}: {len(places)} of {len(faulty)} values are {what} (first at position {first})", f"{remedy}."
        )


#: The scale on which a measure has its interval; the others have a plain one.
SCALES: dict[str, Scale] = {
    **dict.fromkeys(("auc", "average_precision", "precision", "recall"), "logit"),
    **dict.fromkeys(("base_rate", "flagged_share", "tpr", "fnr", "fpr", "tnr", "ppv", "npv"), "logit"),
    **dict.fromkeys(("brier", "integrated_brier", "log_loss", "lift"), "log"),
    "false_alarms_per_100": "percent",
}


def units_to_leave_out(
    clusters: ArrayLike | None, students: int, estimand: str | None = None
) -> tuple[Labels | None, Units]:
    """Return the school of each student, or None, and the units that are left out in turn for an interval.

    Schools, for *schools like these*; parts of the students, for *these schools* (:func:`estimand_of`).
    """
    labels = labels_or_none(clusters, students, "clusters")
    return labels, units_of(labels, students, estimand_of(labels, estimand, stacklevel=4))


def units_of_group(whole: Units, parts: Units, rows: Places) -> Units:
    """Return the units left out for a group: schools, or parts of its students if it is in fewer than three schools."""
    own = whole.of(rows)
    return own if own.estimand == THESE or own.present >= MIN_SCHOOLS else parts.of(rows)


def warn_of_missing(values: Iterable[float]) -> None:
    """Warn, at the level of the caller's caller, of values that could not be computed."""
    numbers = np.array(list(values), dtype=float)
    if not np.isfinite(numbers).all():
        warnings.warn(
            f"{int((~np.isfinite(numbers)).sum())} of {len(numbers)} values are missing or infinite: scores are equal, "
            "exactly 0 or 1, or separate the classes perfectly. measures() says which of a single model.",
            EstimationWarning,
            stacklevel=3,
        )
