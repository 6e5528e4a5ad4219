"""Outcomes, probabilities and groups as arrays, checked once, with what is wrong said in words."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.intervals import checked_level

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


def outcomes_of(y: Any) -> Floats:
    """Return outcomes as 0.0 and 1.0.

    Parameters
    ----------
    y : sequence of bool or of 0 and 1
        One per student; a list, an array or a series of any dataframe.

    Raises
    ------
    DataError
        If there is none, one is missing or neither 0 nor 1, or all are the same.

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
            f"y: all {len(values)} students have {only}. Nothing tells the classes apart; take more cohorts or another "
            "outcome."
        )
    return values


def probabilities_of(p: Any, name: str = "p") -> Floats:
    """Return probabilities as floats between 0 and 1; raise a DataError that says how many are not."""
    values = numbers_of(p, name)
    _refuse(np.isnan(values), name, "missing", "Score every student, or leave those without a score out of y as well")
    _refuse((values < 0) | (values > 1), name, "outside 0 to 1", "Give probabilities; points and ranks are no chances")
    return values


def labels_of(labels: Any, rows: int, name: str) -> NDArray[np.object_]:
    """Return one label of text per student, with missing ones as ``missing``."""
    values = np.asarray(labels, dtype=object)
    if values.ndim != 1:
        raise DataError(f"{name} has {values.ndim} dimensions. Give one label per student.")
    series = pd.Series(values)
    if len(series) != rows:
        raise DataError(f"{name} has {len(series)} values and y has {rows}. Give one of each per student.")
    return np.asarray(series.astype(str).where(series.notna(), "missing"), dtype=object)


def labels_or_none(labels: Any, rows: int, name: str) -> NDArray[np.object_] | None:
    """Return the labels of :func:`labels_of`, or None where none were given."""
    return None if labels is None else labels_of(labels, rows, name)


def scored(y: Any, p: Any) -> tuple[Floats, Floats]:
    """Return outcomes and the probabilities of one model; see :func:`scored_by`."""
    outcome, scores = scored_by(y, {"p": p})
    return outcome, scores["p"]


def scored_by(y: Any, scores: Mapping[str, Any]) -> tuple[Floats, dict[str, Floats]]:
    """Return outcomes, and the probabilities by name of the model.

    Parameters
    ----------
    y : sequence of bool or of 0 and 1
        One per student.
    scores : mapping of str to sequence of float
        Probabilities, one of each model per student.

    Raises
    ------
    DataError
        If outcomes or probabilities cannot be used, or there is not one of each per student.

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
            raise DataError(f"y has {len(outcome)} values and {name} has {len(array)}. Give one of each per student.")
    return outcome, arrays


def ratio(above: Any, below: Any) -> Floats:
    """Divide arrays; missing where there is nothing to divide by."""
    above, below = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    missing: Floats = np.full(np.broadcast_shapes(above.shape, below.shape), nan)
    found: Floats = np.divide(above, below, out=missing, where=below > 0)
    return found


def numbers_of(values: Any, name: str) -> Floats:
    """Return one number per student, missing ones as nan; raise a DataError where they are no numbers."""
    if isinstance(values, pd.Series):
        values = values.to_numpy(dtype=object, na_value=np.nan)
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"{name} holds values that are no numbers. Give one number per student.") from None
    if numbers.ndim != 1:
        raise DataError(f"{name} has {numbers.ndim} dimensions. Give one value per student; of two classes the second.")
    if not len(numbers):
        raise DataError(f"{name} is empty. Give one value per student.")
    return numbers


def _refuse(faulty: NDArray[np.bool_], name: str, what: str, remedy: str) -> None:
    if faulty.any():
        places = np.flatnonzero(faulty)
        first = ", ".join(str(place) for place in places[:5])
        raise DataError(
            f"{name}: {len(places)} of {len(faulty)} values are {what} (first at position {first}). {remedy}."
        )


#: Weights handled at once (draws times students): 16 MB keeps them in a processor's cache and memory small.
_BLOCK = 2_000_000
#: With fewer schools than this a bootstrap by school is rough.
MIN_CLUSTERS = 5
#: An interval needs at least this share of the draws to give a value.
_USABLE = 0.9

Statistic = Callable[[Floats], Mapping[str, Floats]]


@dataclass(frozen=True)
class Draws:
    """How often each cluster is drawn in each resample.

    Attributes
    ----------
    counts : array, shape (draws, clusters)
    place : array, shape (students,)
        The cluster of each student.
    unit : str
        What is drawn: ``schools`` or ``students``.
    """

    counts: Any
    place: Places
    unit: str = "students"

    def of(self, rows: Any) -> Draws:
        """Keep some students, with the same draws: differences between groups and models stay paired."""
        return Draws(self.counts, self.place[rows], self.unit)

    @property
    def clusters(self) -> int:
        """Clusters that the students belong to."""
        return len(np.unique(self.place))

    def evaluate(self, statistic: Statistic) -> dict[str, Floats]:
        """Compute a statistic in every draw.

        Parameters
        ----------
        statistic : callable
            Takes weights of shape (draws, students), returns arrays of length draws by name.
        """
        step = max(1, _BLOCK // max(len(self.place), 1))
        blocks = [
            statistic(self.counts[start : start + step][:, self.place].astype(float))
            for start in range(0, len(self.counts), step)
        ]
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def draw(students: int, clusters: Any = None, draws: int = 200, random_state: int = 0) -> Draws:
    """Draw whole clusters, or single students, with replacement.

    Parameters
    ----------
    students : int
    clusters : sequence, optional
        The school of each student; a drawn school comes with all its students (Davison and Hinkley 1997, section 3.8).
        None draws students.
    draws : int
        Resamples.
    random_state : int
        Seed.

    Raises
    ------
    DataError
        If there is not one label per student, or fewer than two draws.

    Examples
    --------
    >>> drawn = draw(4, clusters=["A", "A", "B", "C"], draws=3, random_state=1)
    >>> drawn.counts.sum(axis=1).tolist(), drawn.clusters
    ([3, 3, 3], 3)
    """
    if draws < 2:
        raise DataError(f"{draws} bootstrap draws give no interval. Ask for at least 2, better 200.")
    place = np.arange(students)
    if clusters is not None:
        place = np.unique(labels_of(clusters, students, "clusters"), return_inverse=True)[1]
    number = int(place.max()) + 1
    rng = np.random.default_rng(random_state)
    unit = "students" if clusters is None else "schools"
    return Draws(rng.multinomial(number, np.full(number, 1 / number), size=draws), place, unit)


def schools_to_draw(clusters: Any, students: int) -> NDArray[np.object_] | None:
    """Return the school of each student, or None, with a warning, if all are of one: students are drawn then."""
    labels = labels_or_none(clusters, students, "clusters")
    if labels is None or len(set(labels)) > 1:
        return labels
    warnings.warn(
        "All students are of one school, so students are resampled and not schools: the intervals speak of this school "
        "and take its students to be independent. Add schools.",
        EstimationWarning,
        stacklevel=3,
    )
    return None


def warn_weak(drawn: Draws, values: Iterable[float] = ()) -> None:
    """Warn, for the caller's caller, of few schools to resample, and of values that could not be computed."""
    said = []
    if drawn.clusters < MIN_CLUSTERS:
        said.append(f"Only {drawn.clusters} {drawn.unit} are resampled: intervals are rough. Add schools or cohorts.")
    numbers = np.array(list(values), dtype=float)
    if not np.isfinite(numbers).all():
        said.append(
            f"{int((~np.isfinite(numbers)).sum())} of {len(numbers)} values are missing or infinite: scores are equal, "
            "exactly 0 or 1, or tell the classes apart without a mistake. measures() says which of a single model."
        )
    if said:
        warnings.warn(" ".join(said), EstimationWarning, stacklevel=3)


def percentile_interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap values; missing if more than a tenth of the draws gave none."""
    checked_level(level)
    usable = values[np.isfinite(values)]
    if len(usable) < _USABLE * len(values):
        return nan, nan
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
