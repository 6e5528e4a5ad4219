"""Courses beside each other: distances and measures by brute force, and two planted types found again."""

import sys
from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from made import ENGINES, PASS, in_engine, municipality, records_of, same
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from test_figures import drawn_still

from nbanalytics.analysis.flows import course_classes, course_distances, course_measures, courses, leaf_order
from nbanalytics.analysis.flows.courses import _medoids, silhouette
from nbanalytics.errors import DataError
from nbanalytics.figures import course_index, course_states
from nbanalytics.records import StudentRecords

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


def test_the_order_of_leaves_is_the_shortest_of_all_that_the_tree_allows():
    for seed in range(60):
        generator = np.random.default_rng(seed)
        codes = generator.integers(0, 3, (int(generator.integers(3, 9)), 4))  # few states: many distances are equal
        apart = course_distances(codes)
        allowed = [[[row]] for row in range(len(codes))]
        for one, two in linkage(squareform(apart), "average")[:, :2].astype(int):
            turns = ((one, two), (two, one))
            allowed.append([a + b for left, right in turns for a in allowed[left] for b in allowed[right]])
        found = leaf_order(apart).tolist()
        lengths = [sum(apart[a, b] for a, b in pairwise(path)) for path in [found, *allowed[-1]]]
        assert found in allowed[-1]
        assert lengths[0] == min(lengths)


@pytest.fixture(scope="module")
def noisy():
    """200 students on one of two courses, each state wrong one time in ten."""
    generator = np.random.default_rng(2)
    terms = ["6HT", "6VT", "7HT", "7VT", "8HT", "8VT", "9HT", "9VT"]
    ids, kinds = [f"P{number:03}" for number in range(200)], np.repeat([0, 1], [140, 60])
    failed = (generator.random((200, 8)) < 0.1) != (kinds[:, None] == 1)
    grades = pd.DataFrame(
        [
            (student, term, subject, "F" if failed[row, column] else "C")
            for row, student in enumerate(ids)
            for column, term in enumerate(terms)
            for subject in ("SV", "EN", "MA", "BL", "IDH", "MU", "SL", "HKK")
        ],
        columns=["student_id", "term", "subject", "grade"],
    )
    return StudentRecords(pd.DataFrame({"student_id": ids, "cohort": 2018}), grades)


def test_planted_types_are_stable_and_one_more_is_not(noisy):
    found = courses(noisy, types=2, n_boot=20)
    assert found.table["students"].tolist() == pytest.approx([140, 60], abs=3)
    assert (found.table["stability"] > 0.95).all()
    assert courses(noisy, types=5, n_boot=20).table["stability"].min() < 0.75
    assert found.courses["order"].sort_values().tolist() == list(range(1, len(found.courses) + 1))
    assert "stability" not in courses(noisy, types=2).table


def test_the_least_bic_finds_the_planted_classes_and_their_errors(noisy):
    found = course_classes(noisy)
    assert len(found.table) == 2
    assert found.table["students"].tolist() == pytest.approx([140, 60], abs=5)
    right = found.probabilities.merge(found.table.melt("class", ["6HT", "7VT", "9VT"], "stage", "state"))
    assert len(right) == 6
    assert right["probability"].to_numpy() == pytest.approx(0.9, abs=0.08)
    assert found.fits.query("classes == 2")["entropy"].item() > 0.95
    # One class is every stage by itself: the likelihood of plain shares.
    one = found.fits.iloc[0]
    shares = found.courses.iloc[:, :8].apply(lambda states: states.map(found.courses["students"].groupby(states).sum()))
    by_hand = (found.courses["students"].to_numpy()[:, None] * np.log(shares / 200)).to_numpy().sum()
    assert one["log_likelihood"] == pytest.approx(by_hand)
    assert one["parameters"] == 8
    assert one["bic"] == pytest.approx(-2 * by_hand + 8 * np.log(200))


@pytest.mark.parametrize("draw", [course_index, course_states])
def test_the_picture_has_every_student_at_every_stage(noisy, draw):
    found = courses(noisy, types=2)
    chart = draw(found)
    bars = [bar for trace in chart.figure().data for bar in zip(trace.x, trace.base, trace.y, strict=True)]
    for stage in {bar[0] for bar in bars}:
        spans = sorted((start, start + size) for place, start, size in bars if place == stage)
        assert spans[0][0] == 0
        assert spans[-1][1] == 200
        assert all(above[1] == below[0] for above, below in pairwise(spans))
    drawn_still(chart)
    drawn_still(chart, 340)
    sorted_bars = len([bar for trace in course_states(found).figure().data for bar in trace.x])
    assert sorted_bars <= 2 * 2 * 8 <= len([bar for trace in course_index(found).figure().data for bar in trace.x])


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_finds_the_same_types(engine):
    records = municipality(students=60)
    found, expected = courses(in_engine(records, engine)), courses(records)
    same(found.table, expected.table)
    assert found.table["students"].sum() == found.students == 60


def test_silhouettes_of_single_courses_pairs_and_small_distances():
    from sklearn.metrics import silhouette_samples

    apart, kind = course_distances(CODES[:9]) / 100, np.array([0, 1, 1, 2, 2, 2, 3, 3, 3])
    expected = silhouette_samples(apart, kind, metric="precomputed")
    assert silhouette(apart, kind, np.ones(9)) == pytest.approx(expected)
    twice = silhouette(apart, kind, np.array([2.0, *[1.0] * 8]))
    assert twice[0] == 1, "two students of one course are a type without any distance"


def test_the_table_of_types_is_made_of_its_courses():
    found = courses(municipality(students=60), types=3)
    rows, stages = found.courses, [name for name in found.courses if name.endswith(("HT", "VT"))] + ["upper_secondary"]
    states = sorted({state for stage in stages for state in rows[stage]})
    codes = np.array([[states.index(state) for state in course] for course in rows[stages].to_numpy()])
    apart = course_distances(codes)
    assert found.table["type"].tolist() == [1, 2, 3]
    assert found.table["students"].is_monotonic_decreasing
    assert found.table["share"].sum() == pytest.approx(1)
    kinds = rows["type"].to_numpy() - 1
    assert rows["silhouette"].to_numpy() == pytest.approx(silhouette(apart, kinds, rows["students"].to_numpy(float)))
    for row in found.table.itertuples():
        own = rows[rows["type"] == row.type]
        medoid = next(
            n
            for n, course in enumerate(rows[stages].to_numpy())
            if list(course) == [getattr(row, s) if s.isidentifier() else found.table.loc[row.Index, s] for s in stages]
        )
        assert rows.loc[medoid, "type"] == row.type
        assert own["distance"].to_numpy() == pytest.approx(apart[own.index, medoid])
        assert (row.students, row.share) == (own["students"].sum(), own["students"].sum() / 60)
        for name in ("distance", "silhouette"):
            assert getattr(row, name) == pytest.approx(np.average(own[name], weights=own["students"]))
    whole = np.average(rows["silhouette"], weights=rows["students"])
    assert found.settings == {"distance": "hamming", "types": 3, "silhouette": pytest.approx(whole)}
    assert repr(found).startswith(f"3 types of {len(rows)} courses, 60 students")


def planted(number):
    """Types of two courses each, one term apart, and at least four terms from those of another type."""
    far = [code for code in range(256) if code < 16]
    words = [[(n >> bit & 1) for bit in range(4)] for n in far]
    words = [
        [*w, (w[0] + w[1] + w[2]) % 2, (w[0] + w[1] + w[3]) % 2, (w[0] + w[2] + w[3]) % 2, (w[1] + w[2] + w[3]) % 2]
        for w in words
    ]
    terms = ("6HT", "6VT", "7HT", "7VT", "8HT", "8VT", "9HT", "9VT")
    made = {}
    for place, word in enumerate(words[:number]):
        for near in (0, 1):
            course = [*word[:-1], word[-1] ^ near]
            made[f"P{place}-{near}"] = {
                term: PASS if one else "EEFEEEEE" for term, one in zip(terms, course, strict=True)
            }
    return records_of(made)


@pytest.mark.parametrize("number", [2, 5, 8, 10])
def test_by_default_there_are_as_many_types_as_are_planted_and_eight_at_most(number):
    found = courses(planted(number))
    assert found.settings["types"] == len(found.table) == min(number, 8)
    if number <= 8:
        assert found.table["students"].tolist() == [2] * number
        assert found.table["distance"].tolist() == [0.5] * number


def test_there_are_at_least_two_types_and_fewer_than_courses():
    three = records_of(
        {f"P{n}": {"6HT": PASS} | ({"6VT": PASS} if n else {}) | ({"7HT": PASS} if n > 1 else {}) for n in range(3)}
    )
    assert len(courses(three).table) == len(courses(three, types=2).table) == 2
    for types in (1, 3):
        with pytest.raises(DataError, match=f"There are 3 distinct courses, which do not make {types} types"):
            courses(three, types=types)


def test_more_than_five_thousand_courses_are_not_compared(monkeypatch):
    with pytest.raises(DataError, match="5,001 distinct courses are too many"):
        course_distances(np.zeros((5001, 1)))
    monkeypatch.setattr(sys.modules[course_distances.__module__], "MOST_COURSES", 12)
    assert course_distances(CODES).shape == (12, 12)


def test_entropy_is_that_of_the_shares_of_the_states():
    for course, entropy in zip(CODES, course_measures(CODES, 3)["entropy"], strict=True):
        shares = np.bincount(course) / len(course)
        assert entropy == pytest.approx(-sum(p * np.log(p) for p in shares if p) / np.log(3))


@pytest.mark.parametrize(
    ("asked", "words"), [({"distance": "far"}, "no distance 'far'"), ({"types": 900}, "do not make 900 types")]
)
def test_what_cannot_be_asked_is_refused_in_words(asked, words):
    with pytest.raises(DataError, match=words):
        courses(municipality(), **asked)


@pytest.mark.parametrize("classes", [0, 7])
def test_a_number_of_classes_that_cannot_be_is_refused_in_words(classes):
    with pytest.raises(DataError, match=f"do not make {classes} classes. Give a number from 1 to 6"):
        course_classes(municipality(), classes)
