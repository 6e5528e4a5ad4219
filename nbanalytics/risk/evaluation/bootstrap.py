"""Resampling of students or whole schools as weights, so that a measure is computed for all draws at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.intervals import checked_level
from nbanalytics.risk.evaluation.scores import Floats, Places, labels_of, labels_or_none

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
