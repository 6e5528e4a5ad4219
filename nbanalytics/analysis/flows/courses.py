"""Types of courses: how far the courses of students through the states are from each other, and the typical ones."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.flows.states import STATES, Codes, Floats, chances, codes_of, tensors
from nbanalytics.declaration import AFTER
from nbanalytics.errors import DataError
from nbanalytics.frames import collect
from nbanalytics.records import StudentRecords
from nbanalytics.results import Settings, Shown
from nbanalytics.students import UNKNOWN, knows_programmes, student_table

DISTANCES = ("hamming", "dynamic_hamming", "optimal_matching")
#: More distinct courses are not compared: their distances would fill the memory.
MOST_COURSES = 5_000
_MOST_TYPES = 8
_ALL = (*STATES, UNKNOWN)


@dataclass(frozen=True, repr=False)
class CourseTypes(Shown):
    """Types of courses, each around the most central of its own.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per type, the largest first: ``type``; the state of its medoid at each stage; ``students``, ``share``;
        ``distance``, the mean to the medoid; ``silhouette``, the mean of its students, from -1 (nearer to another type)
        to 1.
    courses : pandas.DataFrame
        One row per distinct course: the state at each stage, ``students, type, distance`` to its medoid,
        ``silhouette``, ``entropy`` and ``turbulence`` (:func:`course_measures`).
    settings : mapping
        ``distance, types, silhouette`` of all students.
    students : int
    """

    table: pd.DataFrame
    courses: pd.DataFrame
    settings: Settings
    students: int

    def _words(self) -> str:
        return f"{len(self.table)} types of {len(self.courses)} courses, {self.students} students"


def courses(records: StudentRecords, distance: str = "hamming", types: int | None = None) -> CourseTypes:
    """Divide students into types by their course through the states of all terms and the programme after.

    Parameters
    ----------
    records : StudentRecords
    distance : str
        Of :func:`course_distances`.
    types : int, optional
        How many; by default the number from 2 to 8 with the greatest mean silhouette.

    Returns
    -------
    CourseTypes

    Raises
    ------
    DataError
        If there is no such distance, there are fewer distinct courses than types, or more than 5,000.

    Notes
    -----
    Medoids minimise the sum of distances to them, by students (Kaufman and Rousseeuw 1990, *Finding Groups in Data*,
    chapter 2: the greedy start, then assignment and medoids in turn); silhouette: Rousseeuw (1987), Journal of
    Computational and Applied Mathematics 20: 53-65. A type is a description: silhouettes below .25 speak of none.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = courses(simulate(seed=1, cohorts=[2018]).records, types=2)
    >>> found.table[["type", "6VT", "9VT"]].to_numpy().tolist()
    [[1, 'eligible', 'eligible'], [2, 'not_eligible', 'not_eligible']]
    """
    records.refuse_uncountable("students", "grades")
    stages = (*records.declaration.terms, *((AFTER,) if knows_programmes(records) else ()))
    wide = student_table(records, [f"state_{stage}" for stage in stages])
    wide = wide.select(**{stage: nw.col(f"state_{stage}").cast(nw.String) for stage in stages})
    counts = collect(wide.group_by(*stages).agg(nw.len().alias("students")))
    counts = counts.sort_values(["students", *stages], ascending=[False] + [True] * len(stages), ignore_index=True)
    most = min(_MOST_TYPES, len(counts) - 1)
    if not 2 <= (types or 2) <= len(counts) - 1:
        raise DataError(
            f"There are {len(counts)} distinct courses, which do not make {types or 2} types. Give types from 2 to "
            f"{max(most, 2)}, or add students."
        )
    codes, persons = codes_of(counts[list(stages)], _ALL), counts["students"].to_numpy(dtype=np.float64)
    apart = course_distances(codes, distance, persons)
    tried = []
    for number in [types] if types else range(2, most + 1):
        medoids = _medoids(apart, persons, number)
        kind = apart[:, medoids].argmin(axis=1)
        width = silhouette(apart, kind, persons)
        tried.append((float(np.average(width, weights=persons)), medoids, kind, width))
    mean, medoids, kind, width = max(tried, key=lambda one: one[0])
    sizes = np.bincount(kind, persons, len(medoids))
    rank = np.empty(len(medoids), dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(1, len(medoids) + 1)
    table = counts.assign(type=rank[kind], distance=apart[np.arange(len(kind)), medoids[kind]], silhouette=width)
    table = table.join(course_measures(codes, len(_ALL)))
    rows = []
    for place in np.argsort(rank):
        own = table[table["type"] == rank[place]]
        means = {name: float(np.average(own[name], weights=own["students"])) for name in ("distance", "silhouette")}
        head = {"type": int(rank[place]), **counts.loc[medoids[place], list(stages)]}
        rows.append({**head, "students": int(sizes[place]), "share": sizes[place] / persons.sum(), **means})
    settings = {"distance": distance, "types": len(rows), "silhouette": mean}
    return CourseTypes(pd.DataFrame(rows), table, settings, int(persons.sum()))


def course_distances(codes: Any, distance: str = "hamming", persons: Any = None) -> Floats:
    """Return the distance between each two courses.

    Parameters
    ----------
    codes : array of int, shape (courses, stages)
        The state at each stage: 0, 1, ...
    distance : {"hamming", "dynamic_hamming", "optimal_matching"}
        The stages at which two courses differ; the same, where a difference weighs less at stages around which students
        often go between the two states; or the cheapest way to make one of the other by insertions and deletions (1
        each) and substitutions (2 less the two shares that go between the states from one stage to the next).
    persons : array, optional
        How many students have each course, for these shares.

    Returns
    -------
    array, shape (courses, courses)

    Raises
    ------
    DataError
        If there is no such distance, or there are more than 5,000 courses.

    Notes
    -----
    Studer and Ritschard (2016), Journal of the Royal Statistical Society A 179: 481-511. Dynamic Hamming: Lesnard
    (2010), Sociological Methods & Research 38: 389-419: 4 less the shares that go between the two states in the steps
    before and after; the first and the last stage have one such step, which counts twice. The shares for substitutions
    are of all steps together.

    Examples
    --------
    >>> course_distances([[0, 0, 1], [0, 1, 1], [1, 1, 0]])[0].tolist()
    [0.0, 1.0, 3.0]
    """
    codes = np.asarray(codes, dtype=np.int64)
    if distance not in DISTANCES:
        raise DataError(f"There is no distance {distance!r}. Choose among: {', '.join(DISTANCES)}.")
    if len(codes) > MOST_COURSES:
        raise DataError(f"{len(codes):,} distinct courses are too many to compare. Leave out stages or students.")
    if distance == "hamming":
        return np.asarray(sum((column[:, None] != column).astype(np.float64) for column in codes.T))
    weights = np.ones(len(codes)) if persons is None else np.asarray(persons, dtype=np.float64)
    size = int(codes.max()) + 1
    steps = tensors(codes, np.zeros(len(codes), dtype=np.int64), weights, 1, size)[1][0]
    if distance == "dynamic_hamming":
        # Nobody at risk in a state: no share goes anywhere.
        share = np.where(steps.sum(axis=-1, keepdims=True) > 0, chances(steps), 0.0)
        both = share + share.transpose(0, 2, 1)
        cost = 4 - np.concatenate([both[:1], both]) - np.concatenate([both, both[-1:]])
        cost[:, np.arange(size), np.arange(size)] = 0.0
        return np.asarray(sum(cost[t][np.ix_(codes[:, t], codes[:, t])] for t in range(codes.shape[1])))
    share = chances(steps.sum(axis=0))
    cost = 2 - share - share.T
    np.fill_diagonal(cost, 0.0)
    return _edited(codes, cost)


def _edited(codes: Codes, cost: Floats) -> Floats:
    """Needleman and Wunsch's recursion, for all pairs at once; an insertion or deletion costs 1."""
    number, length = codes.shape
    above = [np.full((number, number), float(column)) for column in range(length + 1)]
    for row in range(1, length + 1):
        here = [np.full((number, number), float(row))]
        for column in range(1, length + 1):
            changed = above[column - 1] + cost[np.ix_(codes[:, row - 1], codes[:, column - 1])]
            here.append(np.minimum(changed, np.minimum(above[column], here[-1]) + 1))
        above = here
    return above[-1]


def course_measures(codes: Any, states: int) -> pd.DataFrame:
    """Return how varied each course is.

    Parameters
    ----------
    codes : array of int, shape (courses, stages)
    states : int
        How many states there are.

    Returns
    -------
    pandas.DataFrame
        ``entropy`` of the shares of the stages in each state, from 0 (one state) to 1 (all equally); ``turbulence``,
        which grows with the number of distinct subsequences of spells, and with the likeness of their lengths; 1 for
        one spell.

    Notes
    -----
    Elzinga and Liefbroer (2007), European Journal of Population 23: 225-250: log2(φ (s²max + 1) / (s² + 1)), with
    s²max = (spells - 1)(1 - mean length)².

    Examples
    --------
    >>> course_measures([[0, 0, 0, 0], [0, 0, 1, 1]], 2).round(3).to_numpy().tolist()
    [[0.0, 1.0], [1.0, 3.0]]
    """
    rows = []
    for course in np.asarray(codes, dtype=np.int64):
        shares = np.unique(course, return_counts=True)[1] / len(course)
        starts = np.flatnonzero(np.concatenate([[True], np.diff(course) != 0]))
        lengths = np.diff(np.append(starts, len(course))).astype(float)
        most = (len(lengths) - 1) * (1 - lengths.mean()) ** 2
        turbulence = log2(_subsequences(course[starts]) * (most + 1) / (lengths.var() + 1))
        rows.append((float(-(shares * np.log(shares)).sum() / np.log(states)) + 0.0, turbulence))
    return pd.DataFrame(rows, columns=["entropy", "turbulence"])


def _subsequences(spells: Codes) -> int:
    """Count distinct subsequences, the empty one included."""
    before: dict[int, int] = {}
    total = 1
    for spell in spells.tolist():
        total, before[spell] = 2 * total - before.get(spell, 0), total
    return total


def silhouette(apart: Floats, kind: NDArray[np.int64], persons: Floats) -> Floats:
    """Return the silhouette of each course: nearness to its own type beside that to the nearest other one."""
    member = np.eye(int(kind.max()) + 1)[kind] * persons[:, None]
    sums, sizes, rows = apart @ member, member.sum(axis=0), np.arange(len(kind))
    own = sums[rows, kind] / np.maximum(sizes[kind] - 1, 1)
    others = sums / sizes
    others[rows, kind] = np.inf
    nearest = others.min(axis=1)
    width = (nearest - own) / np.maximum(np.maximum(nearest, own), 1e-300)
    return np.where(sizes[kind] > 1, width, 0.0)


def _medoids(apart: Floats, persons: Floats, number: int) -> Codes:
    chosen: list[int] = []
    nearest = np.full(len(apart), np.inf)
    for _ in range(number):
        totals = persons @ np.minimum(nearest[:, None], apart)
        totals[chosen] = np.inf
        chosen.append(int(totals.argmin()))
        nearest = np.minimum(nearest, apart[:, chosen[-1]])
    medoids = np.array(chosen)
    while True:
        kind = apart[:, medoids].argmin(axis=1)
        groups = [np.flatnonzero(kind == place) for place in range(number)]
        better = np.array([rows[(persons[rows] @ apart[np.ix_(rows, rows)]).argmin()] for rows in groups])
        cost, found = (float(persons @ apart[:, ones].min(axis=1)) for ones in (medoids, better))
        if found >= cost - 1e-12:
            return medoids
        medoids = better
