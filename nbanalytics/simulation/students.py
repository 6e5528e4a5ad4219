"""Attributes of the simulated pupils: school, sex, parents, immigration, and moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nbanalytics.simulation.parameters import Parameters

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEVELS = ("compulsory", "upper_secondary", "post_secondary")
IMMIGRATION = ("born", "early", "years1-5", "years6-9")
BORN, EARLY, YEARS1_5, YEARS6_9 = range(4)
N_TERMS = 8


@dataclass(frozen=True)
class Schools:
    """The schools of a municipality: lower-secondary ones, and two schools of year 6 to feed each of them."""

    composition: Floats  # social composition of each lower-secondary school, a standard score
    effect: Floats  # of the lower-secondary school on ability
    primary_effect: Floats  # of the year 6 school
    blocks: Bools  # year 6 schools that grade NO and SO as blocks
    early_language: Bools  # year 6 schools that grade the modern language in year 6
    marks_not_taught: Bools  # year 6 schools that write down what they do not teach
    share: Floats  # of the pupils

    @property
    def number(self) -> int:
        """How many lower-secondary schools there are."""
        return len(self.composition)


@dataclass(frozen=True)
class Background:
    """What is known of each pupil of a cohort before any grade; one entry each."""

    cohort: int
    school: Ints
    primary: Ints
    girl: Bools
    parents_mean: Floats
    education: Ints  # of the parent with more, index of LEVELS
    immigration: Ints
    foreign: Bools
    newly_arrived: Bools
    reads_sva: Bools
    arrived: Ints  # term (position) since when in the municipality; 0 = from the start
    left: Ints  # last term (position); 7 = stayed
    birth_year: Ints

    @property
    def n(self) -> int:
        """Number of pupils."""
        return len(self.school)

    @property
    def stayed(self) -> Bools:
        """Pupils who are here from the first term to the last."""
        return np.asarray((self.arrived == 0) & (self.left == N_TERMS - 1))


def draw_schools(rng: np.random.Generator, number: int, parameters: Parameters) -> Schools:
    """Draw schools; by default with evenly spread composition and effects, so that a few average to the nation."""

    def spread(size: int) -> Floats:
        if parameters.random_schools:
            return rng.standard_normal(size)
        return rng.permutation(ndtri((np.arange(size) + 0.5) / size))

    share = rng.uniform(0.7, 1.3, number)
    third = np.arange(2 * number) % 3
    return Schools(
        composition=spread(number),
        effect=spread(number) * parameters.school_sd,
        primary_effect=spread(2 * number) * parameters.primary_sd,
        blocks=rng.permutation(third == 0),
        early_language=rng.permutation(third != 1),
        marks_not_taught=rng.permutation(np.arange(2 * number) % 4 == 0),
        share=share / share.sum(),
    )


def draw_background(
    rng: np.random.Generator, cohort: int, n: int, schools: Schools, parameters: Parameters
) -> Background:
    """Draw the pupils of a cohort."""
    p = parameters
    school = rng.choice(schools.number, size=n, p=schools.share).astype(np.int64)
    # Nine in ten come from one of the two schools of year 6 that feed their school.
    primary = np.where(rng.random(n) < 0.9, 2 * school + rng.integers(0, 2, n), rng.integers(0, 2 * schools.number, n))
    composition = schools.composition[school]
    immigration = _draw_immigration(rng, schools, school, p)
    foreign = (immigration != BORN) | (rng.random(n) < p.foreign_background)
    parents_mean, education = _draw_parents(rng, composition, immigration, p)

    chance_sva = np.select(
        [immigration == YEARS6_9, immigration == YEARS1_5, immigration == EARLY, foreign], [0.97, 0.8, 0.4, 0.3], 0.0
    )
    arrived = np.where(rng.random((n, N_TERMS - 1)) < p.move_in, np.arange(1, N_TERMS), 99).min(axis=1, initial=99)
    arrived = np.where(arrived == 99, 0, arrived)
    arrived = np.where(immigration == YEARS6_9, rng.integers(0, N_TERMS, n), arrived)
    leaves = rng.random((n, N_TERMS - 1)) < p.move_out
    left = np.where(leaves, np.arange(N_TERMS - 1), 99).min(axis=1, initial=99)
    left = np.where((left == 99) | (left < arrived), N_TERMS - 1, left)
    shifted = rng.choice([-1, 0, 1], size=n, p=[0.015, 0.96, 0.025])
    return Background(
        cohort=cohort,
        school=school,
        primary=primary.astype(np.int64),
        girl=rng.random(n) < p.girls,
        parents_mean=parents_mean,
        education=education,
        immigration=immigration,
        foreign=foreign,
        newly_arrived=(immigration == YEARS6_9) | ((immigration == YEARS1_5) & (rng.random(n) < 0.45)),
        reads_sva=rng.random(n) < chance_sva,
        arrived=arrived.astype(np.int64),
        left=left.astype(np.int64),
        birth_year=(cohort - 16 + shifted).astype(np.int64),
    )


def _draw_immigration(rng: np.random.Generator, schools: Schools, school: Ints, p: Parameters) -> Ints:
    odds = np.exp(-p.school_newly_arrived * schools.composition)
    odds = odds / (odds * schools.share).sum()
    shares = np.minimum(np.outer(odds, p.immigration), 0.3)[school]
    late_first = np.cumsum(shares[:, ::-1], axis=1)
    u = rng.random(len(school))[:, None]
    return np.asarray(YEARS6_9 - (u >= late_first).sum(axis=1), dtype=np.int64)


def _draw_parents(
    rng: np.random.Generator, composition: Floats, immigration: Ints, p: Parameters
) -> tuple[Floats, Ints]:
    """Draw two parents' levels; returns their mean (1 to 3) and the higher of the two (0 to 2)."""
    n = len(composition)
    shared = rng.standard_normal(n)
    lower = np.array([0.0, -0.15, -0.35, -0.6])[immigration]
    levels = []
    for _ in range(2):
        own = np.sqrt(p.parents_alike) * shared + np.sqrt(1 - p.parents_alike) * rng.standard_normal(n)
        latent = p.school_composition * composition + lower + own
        levels.append((latent > p.education_cuts[0]).astype(np.int64) + (latent > p.education_cuts[1]))
    return 1 + (levels[0] + levels[1]) / 2, np.maximum(levels[0], levels[1])
