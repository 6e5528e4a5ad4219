"""Courses beside each other: distances and measures by brute force, and two planted types found again."""

from functools import lru_cache
from itertools import combinations

import numpy as np
import pytest
from made import ENGINES, in_engine, municipality, same

from nbanalytics.analysis.flows import course_distances, course_measures, courses
from nbanalytics.analysis.flows.courses import _medoids, silhouette
from nbanalytics.errors import DataError

CODES = np.random.default_rng(3).integers(0, 3, (12, 5))
PERSONS = np.arange(1, 13)


def shares(step=None):
    """Of those in a state at a stage, the share in each state at the next; of one step, or of all together."""
    counts = np.zeros((3, 3))
    for course, persons in zip(CODES, PERSONS, strict=True):
        for t in range(4) if step is None else [step]:
            counts[course[t], course[t + 1]] += persons
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def test_optimal_matching_is_the_cheapest_way_of_plain_recursion():
    share = shares()
    found = course_distances(CODES, "optimal_matching", PERSONS)

    def cheapest(one, two):
        @lru_cache(None)
        def at(i, j):
            if not i or not j:
                return i + j
            a, b = one[i - 1], two[j - 1]
            return min(
                at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (0 if a == b else 2 - share[a, b] - share[b, a])
            )

        return at(len(one), len(two))

    expected = [[cheapest(tuple(one), tuple(two)) for two in CODES] for one in CODES]
    assert found == pytest.approx(np.array(expected))


def test_dynamic_hamming_is_by_plain_loops():
    steps = [shares(step) for step in range(4)]

    def between(t, a, b):
        around = [steps[max(t - 1, 0)], steps[min(t, 3)]]
        return 0 if a == b else 4 - sum(share[a, b] + share[b, a] for share in around)

    expected = [[sum(between(t, one[t], two[t]) for t in range(5)) for two in CODES] for one in CODES]
    assert course_distances(CODES, "dynamic_hamming", PERSONS) == pytest.approx(np.array(expected))


def test_turbulence_counts_the_distinct_subsequences_of_spells():
    for course, turbulence in zip(CODES, course_measures(CODES, 3)["turbulence"], strict=True):
        spells, lengths = [], []
        for state in course.tolist():
            if spells and spells[-1] == state:
                lengths[-1] += 1
            else:
                spells, lengths = [*spells, state], [*lengths, 1]
        number = len({part for size in range(len(spells) + 1) for part in combinations(spells, size)})
        most = (len(spells) - 1) * (1 - np.mean(lengths)) ** 2
        assert turbulence == pytest.approx(np.log2(number * (most + 1) / (np.var(lengths) + 1)))


def test_silhouettes_of_numbers_are_those_of_single_students():
    from sklearn.metrics import silhouette_samples

    apart, rows = course_distances(CODES), np.repeat(np.arange(12), PERSONS)
    kind = apart[:, [0, 1, 2]].argmin(axis=1)
    expected = silhouette_samples(apart[np.ix_(rows, rows)], kind[rows], metric="precomputed")
    assert silhouette(apart, kind, PERSONS.astype(float))[rows] == pytest.approx(expected)


def test_medoids_are_the_best_of_all_pairs_where_two_types_are_planted():
    generator = np.random.default_rng(1)
    types = np.repeat([0, 1], 15)
    codes = np.where(generator.random((30, 8)) < 0.15, 1 - types[:, None], types[:, None])
    apart, persons = course_distances(codes), np.ones(30)
    found = _medoids(apart, persons, 2)
    best = min(apart[:, list(pair)].min(axis=1).sum() for pair in combinations(range(30), 2))
    assert apart[:, found].min(axis=1).sum() == best
    assert len(set(zip(types.tolist(), apart[:, found].argmin(axis=1).tolist(), strict=True))) == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_finds_the_same_types(engine):
    records = municipality(students=60)
    found, expected = courses(in_engine(records, engine)), courses(records)
    same(found.table, expected.table)
    assert found.table["students"].sum() == found.students == 60


@pytest.mark.parametrize(
    ("asked", "words"), [({"distance": "far"}, "no distance 'far'"), ({"types": 900}, "do not make 900 types")]
)
def test_what_cannot_be_asked_is_refused_in_words(asked, words):
    with pytest.raises(DataError, match=words):
        courses(municipality(), **asked)
