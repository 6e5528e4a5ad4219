"""The attack against enumeration of every possible table."""

from itertools import product

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from test_disclosure import system_of, with_totals

from nbanalytics.disclosure import Knowledge, bounds, determined, knowledge_beside, seen_beyond
from nbanalytics.errors import DisclosureError


def every_table(system, shape, hidden):
    """All tables that agree with the published cells, by trying every interior of cells up to the grand total."""
    most = int(system.values[0])
    found = []
    for interior in product(range(most + 1), repeat=int(np.prod(shape))):
        table = with_totals(np.array(interior).reshape(shape)).ravel()
        if (table == system.values)[~hidden].all():
            found.append(table)
    return np.array(found)


def change_of(change, size):
    whole = np.zeros(size)
    whole[change[0]] = change[1]
    return whole


tiny = st.tuples(
    st.sampled_from([(3,), (2, 2)]), st.lists(st.integers(0, 3), min_size=4, max_size=4), st.integers(0, 2**9 - 1)
)


@settings(max_examples=examples(60), deadline=None)
@given(tiny)
def test_bounds_are_those_of_all_tables(case):
    shape, counts, pattern = case
    array = np.array(counts[: int(np.prod(shape))]).reshape(shape)
    system = system_of(array)
    hidden = np.array([pattern >> place & 1 for place in range(len(system.values))], dtype=bool)
    hidden[0] = False
    tables = every_table(system, shape, hidden)
    knowledge = knowledge_beside(system, hidden)
    found = bounds(knowledge, np.arange(len(system.values)))
    assert found.proven.all()
    assert found.low.tolist() == tables.min(axis=0).tolist()
    assert found.high.tolist() == tables.max(axis=0).tolist()
    # What has one value by any combination of sums has one value in all tables.
    alone = tables.min(axis=0) == tables.max(axis=0)
    assert not (determined(knowledge) & ~alone).any()
    # And a table with the cell at 0, or at 2 or more, is only told of where there is one; all it tells of are tables.
    cells = np.arange(len(system.values))
    seen = seen_beyond(knowledge, cells, 0, 2)
    there = (tables.min(axis=0) == 0) | (tables.max(axis=0) >= 2)
    assert not (seen.shown & ~there).any()
    assert seen.shown.sum() >= 0.5 * there.sum()
    bounds(knowledge, cells, enough=(np.zeros(len(cells)), np.full(len(cells), 2.0)), tables=seen)
    assert (seen.shown == there).all()
    found = [seen.base, *(seen.base + change_of(change, len(cells)) for change in seen.changes)]
    assert {tuple(table) for table in found} <= {tuple(table) for table in tables}


def square():
    """Four cells in a square of a 3 x 3 table are hidden: no single sum tells anything, nor does their rank."""
    system = system_of([[2, 7, 20], [6, 1, 20], [20, 20, 20]])
    hidden = np.zeros((4, 4), dtype=bool)
    hidden[1:3, 1:3] = True
    return system, hidden.ravel()


def test_bounds_of_a_square():
    system, hidden = square()
    assert not determined(knowledge_beside(system, hidden)).any()
    found = bounds(knowledge_beside(system, hidden), np.flatnonzero(hidden))
    # All four turn with one number: 2 + t, 7 - t, 6 - t, 1 + t, none negative, so t is from -1 to 6.
    assert found.low.tolist() == [1, 1, 0, 0]
    assert found.high.tolist() == [8, 8, 7, 7]


def test_rank_finds_what_no_single_sum_tells():
    """a + b, b + c and a - c: each sum has two unknowns, all of them together one solution of a - c only."""
    # x0 = a + b and x1 = b + c and x2 = a + c are published.
    matrix = sparse.csr_array(np.array([[1, 0, 0, -1, -1, 0], [0, 1, 0, 0, -1, -1], [0, 0, 1, -1, 0, -1.0]]))
    knowledge = Knowledge(matrix, np.array([30.0, 50.0, 40.0, np.nan, np.nan, np.nan]), integer=np.zeros(6, dtype=bool))
    assert not knowledge.fixed[3:].any()
    assert determined(knowledge).tolist() == [False] * 3 + [True] * 3


def test_prior_bounds_are_used():
    matrix = sparse.csr_array(np.array([[1.0, -1.0, -1.0]]))
    knowledge = Knowledge(matrix, np.array([30.0, np.nan, np.nan]), upper=np.array([np.inf, 20.0, 12.0]))
    found = bounds(knowledge, np.array([1, 2]))
    assert (found.low.tolist(), found.high.tolist()) == ([18, 10], [20, 12])


def test_enough_saves_the_exact_bound():
    system, hidden = square()
    cells = np.flatnonzero(hidden)
    limit = np.full(len(cells), np.nan), np.full(len(cells), 2.0)
    found = bounds(knowledge_beside(system, hidden), cells, enough=limit)
    assert (found.high_seen >= 2).all()
    assert (found.low <= found.low_seen).all()


def test_numbers_that_contradict_each_other_are_refused():
    matrix = sparse.csr_array(np.array([[1.0, -1.0, -1.0]]))
    with pytest.raises(DisclosureError, match="contradict each other"):
        bounds(Knowledge(matrix, np.array([10.0, 12.0, np.nan])), np.array([2]))
