"""Types of courses: how far the courses of students through the states are from each other, and the typical ones."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, log2
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

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
_MOST_CLASSES, _STARTS, _STEPS = 6, 12, 500
ALL_STATES = (*STATES, UNKNOWN)


@dataclass(frozen=True, repr=False)
class CourseTypes(Shown):
    """Types of courses, each around the most central of its own.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per type, the largest first: ``type``; the state of its medoid at each stage; ``students``, ``share``;
        ``distance``, the mean to the medoid; ``silhouette``, the mean of its students, from -1 (nearer to another type)
        to 1; ``stability``, the mean Jaccard similarity to the nearest type of resampled students, if asked for.
    courses : pandas.DataFrame
        One row per distinct course: the state at each stage, ``students, type, distance`` to its medoid,
        ``silhouette``, ``entropy`` and ``turbulence`` (:func:`course_measures`), and ``order``, its place from 1 when
        like courses stand beside each other, type by type (:func:`leaf_order`).
    settings : mapping
        ``distance, types, silhouette`` of all students, ``n_boot`` if students were resampled.
    students : int
    """

    table: pd.DataFrame
    courses: pd.DataFrame
    settings: Settings
    students: int

    def _words(self) -> str:
        return f"{len(self.table)} types of {len(self.courses)} courses, {self.students} students"


def courses(
    records: StudentRecords, distance: str = "hamming", types: int | None = None, *, n_boot: int = 0, seed: int = 0
) -> CourseTypes:
    """Divide students into types by their course through the states of all terms and the programme after.

    Parameters
    ----------
    records : StudentRecords
    distance : str
        Of :func:`course_distances`.
    types : int, optional
        How many; by default the number from 2 to 8 with the greatest mean silhouette.
    n_boot, seed : int
        How often students are resampled for ``stability``: below .6 a type is not found again, from .75 on it is. By
        default it is not computed.

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
    Stability: Hennig (2007), Computational Statistics & Data Analysis 52: 258-271, by the students drawn.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = courses(simulate(seed=1, cohorts=[2018]).records, types=2)
    >>> found.table[["type", "6VT", "9VT"]].to_numpy().tolist()
    [[1, 'eligible', 'eligible'], [2, 'not_eligible', 'not_eligible']]
    """
    counts, stages = counted_courses(records)
    most = min(_MOST_TYPES, len(counts) - 1)
    if not 2 <= (types or 2) <= len(counts) - 1:
        raise DataError(
            f"There are {len(counts)} distinct courses, which do not make {types or 2} types. Give types from 2 to "
            f"{max(most, 2)}, or add students."
        )
    codes, persons = codes_of(counts[stages], ALL_STATES), counts["students"].to_numpy(dtype=np.float64)
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
    table = table.join(course_measures(codes, len(ALL_STATES)))
    again = _stability(apart, persons, kind, len(medoids), n_boot, seed) if n_boot else None
    rows, order = [], []
    for place in np.argsort(rank):
        own = table[table["type"] == rank[place]]
        means = {name: float(np.average(own[name], weights=own["students"])) for name in ("distance", "silhouette")}
        head = {"type": int(rank[place]), **counts.loc[medoids[place], stages]}
        stable = {} if again is None else {"stability": float(again[place])}
        rows.append({**head, "students": int(sizes[place]), "share": sizes[place] / persons.sum(), **means, **stable})
        within = np.flatnonzero(kind == place)
        path = within[leaf_order(apart[np.ix_(within, within)])]
        order += path[:: 1 if persons[path[0]] >= persons[path[-1]] else -1].tolist()
    table["order"] = np.argsort(order) + 1
    settings = {"distance": distance, "types": len(rows), "silhouette": mean} | ({"n_boot": n_boot} if n_boot else {})
    return CourseTypes(pd.DataFrame(rows), table, settings, int(persons.sum()))


def counted_courses(records: StudentRecords) -> tuple[pd.DataFrame, list[str]]:
    """Return the distinct courses with their number of ``students``, the most common first, and the stages."""
    records.refuse_uncountable("students", "grades")
    stages = [*records.declaration.terms, *([AFTER] if knows_programmes(records) else [])]
    wide = student_table(records, [f"state_{stage}" for stage in stages])
    wide = wide.select(**{stage: nw.col(f"state_{stage}").cast(nw.String) for stage in stages})
    counts = collect(wide.group_by(*stages).agg(nw.len().alias("students")))
    ascending = [False] + [True] * len(stages)
    return counts.sort_values(["students", *stages], ascending=ascending, ignore_index=True), stages


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


def _stability(apart: Floats, persons: Floats, kind: Codes, number: int, n_boot: int, seed: int) -> Floats:
    generator, sums, seen = np.random.default_rng(seed), np.zeros(number), np.zeros(number)
    for _ in range(n_boot):
        drawn = generator.multinomial(int(persons.sum()), persons / persons.sum())
        rows = np.flatnonzero(drawn)
        if len(rows) < number:
            continue
        own, sizes = apart[np.ix_(rows, rows)], persons[rows]
        new = own[:, _medoids(own, drawn[rows].astype(np.float64), number)].argmin(axis=1)
        both = np.zeros((number, number))
        np.add.at(both, (kind[rows], new), sizes)
        either = both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both
        there = both.sum(axis=1) > 0
        sums[there] += (both / np.maximum(either, 1e-300)).max(axis=1)[there]
        seen += there
    return np.where(seen > 0, sums / np.maximum(seen, 1), np.nan)


def leaf_order(apart: Any) -> Codes:
    """Return the order of rows in which those side by side differ least, without crossing the tree of average linkage.

    Parameters
    ----------
    apart : array, shape (rows, rows)
        The distance between each two rows.

    Returns
    -------
    array of int, shape (rows,)
        Of all orders that the tree allows, one with the least sum of distances between neighbours.

    Notes
    -----
    Bar-Joseph, Gifford and Jaakkola (2001), Bioinformatics 17: S22-S29: the least path through each branch, for each
    two rows at its ends, from those of its two parts. The number of steps grows with the cube of the rows.

    Examples
    --------
    >>> place = np.array([0.0, 9.0, 1.0, 10.0])
    >>> leaf_order(abs(place[:, None] - place)).tolist()
    [0, 2, 1, 3]
    """
    apart = np.asarray(apart, dtype=np.float64)
    number = len(apart)
    if number < 3:
        return np.arange(number)
    tree = linkage(squareform(apart, checks=False), "average")[:, :2].astype(np.int64)
    leaves = [np.array([row]) for row in range(number)]
    least: list[Floats] = [np.zeros((1, 1))] * number

    def paths(branch: int) -> Floats:
        """Least paths between each two ends of a branch; infinite where both lie in the same part."""
        if branch < number:
            return least[branch]
        across = least[branch]
        left, right = across.shape
        whole = np.full((left + right, left + right), np.inf)
        whole[:left, left:], whole[left:, :left] = across, across.T
        return whole

    for one, two in tree:
        joined = _min_plus(_min_plus(paths(one), apart[np.ix_(leaves[one], leaves[two])]), paths(two))
        least.append(joined)
        leaves.append(np.concatenate([leaves[one], leaves[two]]))
    left, right = divmod(int(least[-1].argmin()), least[-1].shape[1])
    found, open_branches = [], [(len(least) - 1, left, least[-1].shape[0] + right)]
    while open_branches:
        branch, first, last = open_branches.pop()
        if branch < number:
            found.append(branch)
            continue
        one, two = tree[branch - number]
        size, turned = len(leaves[one]), first > last
        start, end = min(first, last), max(first, last) - size
        through = paths(one)[start][:, None] + apart[np.ix_(leaves[one], leaves[two])] + paths(two)[:, end]
        inner, outer = divmod(int(through.argmin()), through.shape[1])
        parts = [(one, start, inner), (two, outer, end)]
        if turned:
            parts = [(branch, last, first) for branch, first, last in reversed(parts)]
        open_branches += reversed(parts)
    return np.array(found)


def _min_plus(one: Floats, two: Floats) -> Floats:
    """Least sum of an entry in a row of one and an entry in a column of the other."""
    least = np.full((one.shape[0], two.shape[1]), np.inf)
    for column, row in zip(one.T, two, strict=True):
        np.minimum(least, column[:, None] + row, out=least)
    return least


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


@dataclass(frozen=True, repr=False)
class CourseClasses(Shown):
    """Latent classes of courses, the largest first.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per class: ``class``; the most likely state at each stage; ``students``, expected, and their ``share``;
        ``certainty``, the mean probability of this class among the students most likely in it.
    probabilities : pandas.DataFrame
        ``class, stage, state, probability``: how likely each state is at each stage.
    fits : pandas.DataFrame
        One row per number of classes tried: ``classes, parameters, log_likelihood, bic`` and ``entropy``, from 0 (no
        student can be placed) to 1 (all for certain).
    courses : pandas.DataFrame
        One row per distinct course: the state at each stage, ``students``, the most likely ``class`` and its
        ``probability``.
    settings : mapping
        ``classes``, and whether the least ``bic`` or the caller chose the number.
    students : int
    """

    table: pd.DataFrame
    probabilities: pd.DataFrame
    fits: pd.DataFrame
    courses: pd.DataFrame
    settings: Settings
    students: int

    def _words(self) -> str:
        return f"{len(self.table)} latent classes of {len(self.courses)} courses, {self.students} students"


def course_classes(records: StudentRecords, classes: int | None = None, *, seed: int = 0) -> CourseClasses:
    """Estimate latent classes of courses through the states of all terms and the programme after.

    Parameters
    ----------
    records : StudentRecords
    classes : int, optional
        How many, from 1 to 6; by default the number with the least BIC.
    seed : int
        Of the twelve random starts of each fit.

    Returns
    -------
    CourseClasses

    Raises
    ------
    DataError
        If the number of classes is not from 1 to 6, or there are fewer distinct courses than classes.

    Notes
    -----
    Within a class the states of different stages are taken as independent (Collins and Lanza 2010, *Latent Class and
    Latent Transition Analysis*); EM over distinct courses. The state of one term makes that of the next more likely
    within any class, too, so the BIC favours more classes than there are kinds of students: read them as a description,
    beside :func:`nbanalytics.courses`, which needs no such model.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = course_classes(simulate(seed=1, cohorts=[2018]).records, classes=2)
    >>> found.table[["class", "6VT", "9VT"]].to_numpy().tolist()
    [[1, 'eligible', 'eligible'], [2, 'not_eligible', 'not_eligible']]
    """
    counts, stages = counted_courses(records)
    most = min(_MOST_CLASSES, len(counts))
    if classes is not None and not 1 <= classes <= most:
        raise DataError(
            f"{len(counts)} distinct courses do not make {classes} classes. Give a number from 1 to {most}."
        )
    codes, persons = codes_of(counts[stages], ALL_STATES), counts["students"].to_numpy(dtype=np.float64)
    cells = _indicators(codes)
    tried = [
        _fit(cells, persons, codes.shape[1], number, seed) for number in ([classes] if classes else range(1, most + 1))
    ]
    sizes, chance, belongs, _ = min(tried, key=lambda fit: fit[3]["bic"])
    rank = np.argsort(-sizes, kind="stable")
    sizes, chance, belongs = sizes[rank], chance[rank], belongs[:, rank]
    kind = belongs.argmax(axis=1)
    own = belongs[np.arange(len(kind)), kind]
    places = [(stage, state) for stage in stages for state in range(len(ALL_STATES))]
    seen = np.asarray(cells.any(axis=0))
    long = pd.DataFrame(
        [
            {
                "class": number + 1,
                "stage": stage,
                "state": ALL_STATES[state],
                "probability": float(chance[number, cell]),
            }
            for number in range(len(sizes))
            for cell, (stage, state) in enumerate(places)
            if seen[cell]
        ]
    )
    likely = chance.reshape(len(sizes), len(stages), -1).argmax(axis=2)
    table = pd.DataFrame(
        [
            {
                "class": number + 1,
                **{stage: ALL_STATES[state] for stage, state in zip(stages, likely[number], strict=True)},
                "students": float(sizes[number] * persons.sum()),
                "share": float(sizes[number]),
                "certainty": float(np.average(own[kind == number], weights=persons[kind == number]))
                if (kind == number).any()
                else np.nan,
            }
            for number in range(len(sizes))
        ]
    )
    settings = {"classes": len(table), "chosen by": "the caller" if classes else "the least BIC"}
    fits = pd.DataFrame([fit[3] for fit in tried])
    placed = counts.assign(**{"class": kind + 1, "probability": own})
    return CourseClasses(table, long, fits, placed, settings, int(persons.sum()))


def _indicators(codes: Codes) -> Floats:
    """One column for each state at each stage, 1 where a course is in it."""
    return np.eye(len(ALL_STATES))[codes].reshape(len(codes), -1)


def _fit(cells: Floats, persons: Floats, stages: int, number: int, seed: int) -> tuple[Floats, Floats, Floats, Any]:
    """Sizes, probabilities of cells and membership of the best of several starts, and how well they fit."""
    generator, best = np.random.default_rng([seed, number]), None
    for _ in range(_STARTS if number > 1 else 1):
        belongs, before = generator.dirichlet(np.ones(number), len(cells)), -np.inf
        for _ in range(_STEPS):
            weights = belongs * persons[:, None]
            held = weights.sum(axis=0)
            sizes, chance = held / persons.sum(), weights.T @ cells / np.maximum(held, 1e-300)[:, None]
            joint = np.log(np.maximum(sizes, 1e-300)) + cells @ np.log(np.maximum(chance, 1e-300)).T
            top = joint.max(axis=1, keepdims=True)
            whole = top[:, 0] + np.log(np.exp(joint - top).sum(axis=1))
            belongs, likelihood = np.exp(joint - whole[:, None]), float(persons @ whole)
            if likelihood - before < 1e-8 * abs(likelihood):
                break
            before = likelihood
        if best is None or likelihood > best[0] + 1e-6:
            best = (likelihood, sizes, chance, belongs)
    assert best is not None
    likelihood, sizes, chance, belongs = best
    free = number - 1 + number * (int(cells.any(axis=0).sum()) - stages)
    doubt = float(-(persons @ (belongs * np.log(np.maximum(belongs, 1e-300))).sum(axis=1)))
    fit = {
        "classes": number,
        "parameters": free,
        "log_likelihood": likelihood,
        "bic": -2 * likelihood + free * log(persons.sum()),
        "entropy": 1 - doubt / (persons.sum() * log(number)) if number > 1 else np.nan,
    }
    return sizes, chance, belongs, fit
