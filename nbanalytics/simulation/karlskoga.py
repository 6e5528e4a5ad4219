"""The 2018 cohort: pupils of the same model, selected to match every published count of Karlskoga.

The counts are those of Progression 02 (pupils born 2002, graded from spring 2015 to spring 2018): 313 pupils,
236 in groups 1 and 2, 39 in 3 and 4, 15 in 5 and 23 in 6, of these 8 green, 4 yellow and 11 pink (8 boys; evenly
over three schools); and the programmes of groups 3 to 6. Everything else about the pupils is as the model drew it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from nbanalytics.errors import DataError
from nbanalytics.simulation.model import CORE, Population, draw_population
from nbanalytics.simulation.outcomes import Texts, near_miss
from nbanalytics.simulation.parameters import END, FIRST_LOWER, START, Parameters
from nbanalytics.simulation.students import Bools, Ints, Schools

COHORT = 2018
STUDENTS = 313
POOL = 9000  # pupils in a pool ...
ATTEMPTS = 6  # ... and the number of attempts if a narrow quota is not filled


@dataclass(frozen=True)
class Quota:
    """A number of pupils of one kind, with a label."""

    label: str
    number: int
    who: Bools


def draw_cohort(rng: np.random.Generator, schools: Schools, parameters: Parameters) -> tuple[Population, Texts]:
    """Draw pools of pupils until one fills every quota. Returns as :func:`pick`."""
    for _ in range(ATTEMPTS - 1):
        with suppress(DataError):
            return pick(rng, draw_population(rng, COHORT, POOL, schools, parameters))
    return pick(rng, draw_population(rng, COHORT, POOL, schools, parameters))


def pick(rng: np.random.Generator, pool: Population) -> tuple[Population, Texts]:
    """Pick the 313 from a pool.

    Returns
    -------
    population : Population
        The pupils picked, in random order.
    labels : ndarray of str
        The part each plays: ``kept`` (groups 1 and 2), ``introductory``, ``nearly``, ``national`` and ``moved``
        (groups 3 and 4), ``gained`` (5), ``green``, ``yellow`` and ``pink`` (6).

    Raises
    ------
    DataError
        If the pool is too small to fill a quota.
    """
    free = np.ones(len(pool.ability), dtype=bool)
    chosen: list[Ints] = []
    labels: list[str] = []
    for quota in _quotas(pool):
        candidates = np.flatnonzero(quota.who & free)
        if len(candidates) < quota.number:
            raise DataError(
                f"The pool of simulated pupils has {len(candidates)} of the {quota.number} {quota.label!r} "
                f"that the cohort {COHORT} takes. Draw a larger pool, or another seed."
            )
        taken = rng.choice(candidates, quota.number, replace=False)
        free[taken] = False
        chosen.append(taken)
        labels += [quota.label] * quota.number
    order = rng.permutation(STUDENTS)
    return pool.take(np.concatenate(chosen)[order]), np.array(labels, dtype=object)[order]


def _quotas(pool: Population) -> Iterator[Quota]:
    """Narrow kinds first, so that a wide one does not use them up."""
    followed = pool.background.stayed & pool.seen[:, START] & pool.seen[:, END]
    followed &= np.isfinite(pool.mean_points[:, START]) & np.isfinite(pool.mean_points[:, END])
    start, end = pool.eligible[:, START] & followed, pool.eligible[:, END]
    never, lost = followed & ~start & ~end, start & ~end
    yield from _pink(pool, lost)
    yield Quota("yellow", 4, lost & lacks_only_mathematics(pool))
    yield Quota("green", 8, lost & _weak_passes(pool))
    passes = (pool.grades[:, END] > 0).sum(axis=1)
    yield Quota("nearly", 9, never & near_miss(pool))
    yield Quota("national", 5, never & near_miss(pool))
    yield Quota("introductory", 23, never & (passes <= 9))
    yield Quota("moved", 2, never)
    yield Quota("gained", 15, followed & ~start & end)
    yield Quota("kept", 236, start & end)


def lacks_only_mathematics(pool: Population) -> Bools:
    """Pupils who would be eligible in 9VT with mathematics, and lack at most one other subject."""
    grades = pool.grades[:, END]
    passed = grades > 0
    missing = (~passed[:, CORE]).sum(axis=1)
    others = ((grades <= 0) & (grades >= -2)).sum(axis=1) - 1
    enough = passed.sum(axis=1) >= 7
    return np.asarray((missing == 1) & ~passed[:, CORE[2]] & (others <= 1) & enough)


def _weak_passes(pool: Population) -> Bools:
    """Mostly E and D in 9VT, a few C or B, and few fails: the green ones."""
    grades = pool.grades[:, END]
    weak = ((grades == 1) | (grades == 2)).sum(axis=1)
    failed = ((grades <= 0) & (grades >= -2)).sum(axis=1)
    strong = (grades >= 3).sum(axis=1)
    return np.asarray((weak >= 9) & (strong <= 5) & (grades < 5).all(axis=1) & (failed <= 3))


def _pink(pool: Population, lost: Bools) -> Iterator[Quota]:
    """Pink, the interviewed: a large fall with rising absence; in each school a boy who lost eligibility in 7HT."""
    means, total = pool.mean_points, pool.absence.total
    falls = np.nan_to_num(means[:, END]) - np.nan_to_num(means[:, START]) <= -3.5
    rising = (total[:, END] > total[:, START] + 8) & (total[:, FIRST_LOWER:].max(axis=1) < 85)
    who = lost & falls & rising & ~lacks_only_mathematics(pool)
    at_once = pool.seen[:, FIRST_LOWER] & ~pool.eligible[:, FIRST_LOWER]
    b = pool.background
    for school, boys, girls in ((0, 3, 1), (1, 3, 1), (2, 2, 1)):
        here = who & (b.school == school)
        early = here & ~b.girl & at_once
        yield Quota("pink", 1, early if early.any() else here & ~b.girl)
        yield Quota("pink", boys - 1, here & ~b.girl)
        yield Quota("pink", girls, here & b.girl)
