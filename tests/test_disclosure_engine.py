"""The engine and its witnesses: replayed by arithmetic, attacked, mutated, and held against tau-argus."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.linalg import null_space
from scipy.sparse.csgraph import connected_components
from test_disclosure import determined_exactly, system_of, with_totals

from nbanalytics.disclosure import (
    Policy,
    SystemBuilder,
    bounds,
    check_protection,
    engine,
    exposed,
    knowledge_beside,
    protect,
    protect_sums,
)
from nbanalytics.disclosure.cells import CellSystem, connected, sets_of
from nbanalytics.disclosure.moves import blocks_of
from nbanalytics.errors import DisclosureError


def cohort(seed, students=None, shape=None, skew=1.0):
    """Draw a cube of 30 to 2,000 students, one to five dimensions, skewed; the last axis is the outcome."""
    rng = np.random.default_rng(seed)
    students = students or int(np.exp(rng.uniform(np.log(30), np.log(2000))))
    shape = shape or [(4,), (3, 2), (3, 2, 2), (3, 2, 2, 2), (2, 2, 2, 2, 2)][rng.integers(5)]
    return rng.multinomial(students, rng.dirichlet(np.full(np.prod(shape), skew))).reshape(shape)


def certain(system, hidden):
    """Guarded cells of 1 to 4 of which the exact bounds say that they are 1 to 4, and guarded cells with one value."""
    cells = np.flatnonzero(system.guarded)
    found = bounds(knowledge_beside(system, hidden), cells)
    assert found.proven.all()
    few = (system.values[cells] > 0) & (system.values[cells] < 5)
    # Between 0 and the threshold there may be a gap, but nothing small may be certain.
    return cells[(found.low == found.high) | (few & (found.low > 0) & (found.high < 5))]


def recovered(system, hidden):
    """The same cells, found without exact bounds: one table that has a cell elsewhere is enough."""
    knowledge, left = knowledge_beside(system, hidden), np.flatnonzero(system.guarded)
    few = (system.values > 0) & (system.values < 5)
    below, above = np.where(few, 0, system.values - 1), np.where(few, 5, system.values + 1)
    found = bounds(knowledge, left, enough=(below[left], np.full(len(left), -np.inf)))
    left = left[~((found.low_seen <= below[left]) | (found.high_seen >= above[left]))]
    found = bounds(knowledge, left, enough=(np.full(len(left), np.inf), above[left]))
    return left[~((found.low_seen <= below[left]) | (found.high_seen >= above[left]))]


cohorts = st.builds(cohort, st.integers(0, 10**6), skew=st.sampled_from([0.3, 1.0, 3.0]))


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cohorts)
def test_the_attack_recovers_nothing(array):
    system = system_of(array)
    protection = protect(system)
    assert check_protection(system, protection) == []
    assert not exposed(system, protection.hidden).any()
    assert not certain(system, protection.hidden).size


@pytest.mark.slow
def test_on_a_thousand_cohorts_the_attack_recovers_nothing():
    for seed in range(1000):
        system = system_of(cohort(seed, skew=[0.3, 1.0, 3.0][seed % 3]))
        protection = protect(system)
        assert check_protection(system, protection) == [], seed
        assert not exposed(system, protection.hidden).any(), seed
        assert not recovered(system, protection.hidden).size, seed


def test_what_fractions_of_students_do_not_reach_is_reached_by_whole_ones():
    system = system_of(cohort(837, skew=0.3))
    protection = protect(system)
    assert check_protection(system, protection) == []
    assert not recovered(system, protection.hidden).size


def test_a_large_system_has_witnesses_too(monkeypatch):
    monkeypatch.setattr(engine, "LARGE", 100)
    system = system_of(cohort(5, 600, (4, 3, 2, 2)))
    protection = protect(system)
    assert check_protection(system, protection) == []
    assert not exposed(system, protection.hidden).any()
    assert not certain(system, protection.hidden).size
    assert (protect(system).hidden == protection.hidden).all()


def test_the_greedy_choice_hides_enough_and_not_much_more():
    """Nothing guarded follows, no sum has one hidden cell; in some of these tables only several sums together tell."""
    cells, rounds = 0, []
    cubes = [cohort(seed, 200, (5, 5), 0.5) for seed in range(24)] + [cohort(6, 200, (3, 3, 2, 2), 0.3)]
    for system in map(system_of, cubes):
        hidden = engine.close(system, rounds.append)
        assert (hidden >= system.primary).all()
        assert not exposed(system, hidden).any()
        if len(hidden) < 40:
            assert not [cell for cell in determined_exactly(system, hidden) if system.guarded[cell]]
        assert not (abs(system.matrix) @ hidden.astype(float) == 1).any()
        cells += hidden.sum()
    assert sum(words.startswith("round 2:") for words in rounds) >= 4
    assert cells <= 408, "more than it took when this was written"


def test_the_greedy_choice_prefers_what_costs_little_and_is_not_zero():
    """Beside the 3 the 12 is hidden, which is cheaper than the 30; a zero hides nothing."""
    system, told = system_of([12, 3, 30, 0]), []
    assert np.flatnonzero(engine.close(system, told.append)).tolist() == [1, 2]
    assert told == ["round 1: 2 of 5 cells hidden"]


@pytest.mark.parametrize(
    ("values", "costs", "cheapest"),
    [
        ([12, 30, 0], [12, 30, 0], 0),  # a zero comes last, though it costs least
        ([12, 30, 0], [5, 2, 0], 1),
        ([12, 12, 12], [7, 3, 3], 1),  # the first of those that cost the same
        ([0, 0], [4, 1], 1),
    ],
)
def test_the_cheapest_cell_is_no_zero_and_the_first_of_those_that_cost_as_much(values, costs, cheapest):
    system = SimpleNamespace(values=np.array(values, float), costs=np.array(costs, float))
    assert engine._cheapest(system, np.arange(len(values))) == cheapest


def summed(values, sums, guarded=(), virtual=(), costs=None):
    """A system of cells by number, ``sums`` of a total and its parts."""
    values, cells = np.array(values, float), np.arange(len(values))
    matrix = np.zeros((len(sums), len(values)))
    for row, (total, *parts) in enumerate(sums):
        matrix[row, total], matrix[row, parts] = 1, -1
    assert not (matrix @ values).any()
    return CellSystem(
        values, np.isin(cells, guarded), np.isin(cells, guarded), np.isin(cells, virtual),
        values if costs is None else np.array(costs, float), np.full(len(values), np.nan), sparse.csr_array(matrix),
    )  # fmt: skip


#: The second sum tells that its cells but one are 0: what is beside them in the first stands alone.
ZEROS = [15, 12, 3, 0, 20, 20, 0], [(0, 1, 2, 3), (4, 3, 5, 6)]


@pytest.mark.parametrize(
    ("system", "hidden", "more"),
    [
        pytest.param(summed([45, 12, 3, 30], [(0, 1, 2, 3)]), [2], [1], id="one gets the cheapest"),
        pytest.param(summed([45, 12, 3, 30], [(0, 1, 2, 3)]), [], [], id="none needs none"),
        pytest.param(summed([45, 12, 3, 30], [(0, 1, 2, 3)], [2]), [2, 3], [], id="two have each other"),
        pytest.param(summed([3, 3, 0], [(0, 1, 2)]), [1], [0], id="no zero while there is another"),
        pytest.param(summed([22, 12, 3, 7], [(0, 1, 2, 3)], virtual=[3]), [2], [], id="a sum with a virtual cell"),
        pytest.param(summed(*ZEROS, [2]), [2, 3, 6], [1], id="beside a known zero"),
        pytest.param(summed(ZEROS[0], [(0, 1, 2, 3, 6), ZEROS[1][1]], [2]), [2, 3, 6], [1], id="beside two zeros"),
        pytest.param(summed(*ZEROS), [2, 3, 6], [], id="not guarded"),
        pytest.param(summed([19, 16, 3, 0, 20, 20, 0], ZEROS[1], [2]), [1, 2, 3, 6], [], id="two beside a known zero"),
        # The 12 that the first sum hides protects the second too.
        pytest.param(summed([15, 12, 3, 16, 4], [(0, 1, 2), (3, 1, 4)]), [2, 4], [1], id="one for two sums"),
        # What is hidden for the first sum stands alone in the second.
        pytest.param(summed([15, 12, 3, 28, 16], [(0, 1, 2), (3, 1, 4)]), [2], [1, 4], id="from sum to sum"),
    ],
)  # fmt: skip
def test_a_sum_with_one_open_cell_gets_another_one(system, hidden, more):
    found = np.isin(np.arange(len(system.values)), hidden)
    engine._close_lines(system, found)
    assert np.flatnonzero(found).tolist() == sorted([*hidden, *more])


@pytest.mark.parametrize(
    ("weights", "values", "costs", "before", "marked"),
    [
        pytest.param([[1, 0.5, 0.5]], [9, 9, 9], [9, 1, 1], [], [0], id="what all ways need"),
        pytest.param([[1, 1, 0.5]], [9, 9, 9], [5, 3, 0], [], [1], id="the cheaper of two"),
        pytest.param([[1, 1, 0.5]], [9, 0, 9], [5, 0, 0], [], [0], id="no zero"),
        pytest.param([[0.5, 1, 0.5]], [9, 0, 9], [0, 8, 0], [], [1], id="a zero before what only some need"),
        pytest.param([[0.95, 0.5, 1]], [9, 9, 9], [0, 0, 50], [], [2], id="at the limit it is not needed"),
        pytest.param([[0.5, 0.3, 0.2]], [9, 9, 9], [5, 4, 6], [], [1], id="the cheapest of some way"),
        pytest.param([[0.5, 1e-4, 0.2]], [9, 9, 9], [5, 4, 6], [], [0], id="a trace is not in the way"),
        pytest.param([[1, 1, 0], [0, 1, 1]], [9, 9, 9], [2, 4, 2], [], [1], id="one for two"),
        pytest.param([[1, 1, 0], [0, 1, 1]], [9, 9, 9], [1, 4, 1], [], [0, 2], id="two are cheaper"),
        pytest.param([[1, 1, 0], [0, 1, 1]], [9, 9, 9], [0, 1.5, 0], [], [0, 2], id="a cell counts as one more"),
        pytest.param([[1, 1, 0], [0, 1, 1]], [9, 9, 9], [1, 4, 1], [1], [1], id="it is marked before"),
        pytest.param([[1, 1, 0], [0, 1, 1]], [9, 9, 9], [1, 4, 1], [0], [0, 2], id="one is marked before"),
    ],
)  # fmt: skip
def test_every_combination_loses_a_cell_that_it_cannot_do_without(weights, values, costs, before, marked):
    newly = np.isin(np.arange(3), before)
    system = SimpleNamespace(values=np.array(values, float), costs=np.array(costs, float))
    engine._cover(system, np.array(weights, float).T, newly)
    assert np.flatnonzero(newly).tolist() == marked


def test_only_blocks_above_the_limit_are_searched_within_the_greedy_choice(monkeypatch):
    system, seen = system_of(cohort(5, 300, (3, 2, 2))), []

    def spied(block, goals, hidden, inside):
        seen.append((len(block.cells), inside is not None))
        return search(block, goals, hidden, inside)

    search = engine.Search
    monkeypatch.setattr(engine, "Search", spied)
    protect(system)
    [(size, greedy)] = seen
    assert not greedy
    for limit, expected in ((size, False), (size - 1, True)):
        monkeypatch.setattr(engine, "LARGE", limit)
        protect(system)
        assert seen[-1] == (size, expected)
    both = SystemBuilder()
    for table in ([[12, 3, 30], [15, 25, 30], [20, 20, 20]], [[12, 3], [15, 25]]):
        counts = with_totals(np.array(table))
        few = (counts > 0) & (counts < 5)
        cells = both.add_cells(counts, np.ones(counts.shape, dtype=bool), few, few)
        both.add_margins(cells, 0)
        both.add_margins(cells, 1)
    monkeypatch.setattr(engine, "LARGE", 9)
    protect(both.build())
    assert seen[-2:] == [(16, True), (9, False)]


@given(cohorts, st.integers(0, 2**32 - 1))
def test_a_stuck_cell_cannot_change(array, seed):
    system = system_of(array)
    everything = np.ones(len(system.values), dtype=bool)
    block = next(blocks_of(replace(system, guarded=everything), everything, np.where(everything, np.inf, 0), True))
    movable = np.random.default_rng(seed).random(len(block.cells)) < 0.4
    stuck = block.stuck(movable)
    assert not (stuck & ~movable).any()
    # No sum is left with one cell that could change, and no change of the movable cells alone touches a stuck one.
    assert not (abs(block.matrix) @ (movable & ~stuck).astype(float) == 1).any()
    ways = null_space(block.matrix[:, movable].toarray())
    assert np.allclose(ways[stuck[movable]], 0)


def test_every_witness_is_a_table_that_differs_in_hidden_cells_only():
    system = system_of(cohort(5, 300, (3, 2, 2, 2)))
    protection = protect(system)
    for change in protection.witnesses.toarray():
        table = system.values + change
        assert np.array_equal(table, np.round(table))
        assert table.min() >= 0
        assert not (system.matrix @ table).any()
        assert (table == system.values)[~protection.hidden].all()


def test_a_pupil_who_knows_itself_still_cannot_tell():
    """For every guarded cell with somebody in it, a table has another number and at least that one pupil in it."""
    system = system_of(cohort(5, 300, (3, 2, 2, 2)))
    protection = protect(system, policy=Policy())
    tables = system.values + protection.witnesses.toarray()
    for cell in np.flatnonzero(system.guarded & (system.values > 0)):
        there = tables[:, cell]
        assert ((there >= 1) & (there != system.values[cell])).any()


def test_replay_notices_what_is_wrong():
    system = system_of(cohort(5, 300, (3, 2, 2, 2)))
    protection = protect(system)
    assert check_protection(system, replace(protection, hidden=np.zeros_like(protection.hidden)))[0].endswith(
        "are published"
    )
    broken = protection.witnesses.copy()
    broken.data[0] += 1
    assert (
        "does not agree with the published numbers"
        in check_protection(system, replace(protection, witnesses=broken))[0]
    )
    secondary = np.flatnonzero(protection.hidden & ~system.primary)[0]
    shown = replace(protection, hidden=protection.hidden & (np.arange(len(system.values)) != secondary))
    assert "does not agree with the published numbers" in check_protection(system, shown)[0]
    swapped = replace(protection, shown_by=np.full_like(protection.shown_by, -1))
    assert "are not reached" in check_protection(system, swapped)[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ([0, 3, -3, 0], []),
        ([0, 3.1, -3, 0], ["witness 0 does not agree"]),  # it does not add up
        ([0, 2, -2, 0], ["1 of 2 goals are not reached"]),
        ([0, -13, 13, 0], ["witness 0 does not agree"]),  # a cell below 0
        ([1, 3, -2, 0], ["witness 0 does not agree", "1 of 2 goals"]),  # the total is published
        ([0, 3, -4, 1], ["witness 0 does not agree", "1 of 2 goals"]),
    ],
)
def test_a_witness_is_a_table_with_the_published_numbers_and_whole_goals(change, words):
    """Of 45 = 12 + 3 + 30 the 3 is guarded: it has to become 0 or 5, and another number with somebody in it."""
    system = summed([45, 12, 3, 30], [(0, 1, 2, 3)], [2])
    protection = protect(system)
    assert check_protection(system, protection) == []
    assert len(protection.shown_by) == 2
    changes = np.array([change, [0, 1, -1, 0]], float)
    own = replace(
        protection,
        hidden=np.array([False, True, True, False]),
        witnesses=sparse.csr_array(changes),
        shown_by=np.array([0, 1]),
    )
    found = check_protection(system, own)
    assert len(found) == len(words)
    assert all(one.startswith(word) for one, word in zip(found, words, strict=True))
    bare = replace(own, hidden=np.zeros(4, dtype=bool))
    assert check_protection(system, bare)[0] == "1 primary cells are published"
    known = replace(bare, known=np.array([False, False, True, False]))
    assert not check_protection(system, known)[0].endswith("are published")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_showing_a_secondary_cell_again_is_noticed_where_it_matters(seed):
    """The attack on the mutant against its exact bounds; and few secondary cells do not matter."""
    system = system_of(cohort(seed, 120, (3, 2, 2)))
    hidden = protect(system).hidden
    secondary = np.flatnonzero(hidden & ~system.primary)
    matter = 0
    for cell in secondary:
        weaker = hidden.copy()
        weaker[cell] = False
        found = certain(system, weaker)
        alone = np.flatnonzero(exposed(system, weaker))
        assert set(alone) <= set(found)
        assert recovered(system, weaker).tolist() == found.tolist()
        matter += bool(found.size)
    assert matter >= 0.5 * len(secondary)


def test_a_known_cell_stays_visible():
    system = system_of([[12, 3, 30], [15, 25, 30]])
    known = np.zeros(len(system.values), dtype=bool)
    known[0] = known[1] = True
    protection = protect(system, known=known)
    assert not protection.hidden[known].any()
    assert check_protection(system, protection) == []


def test_what_is_known_can_make_protection_impossible():
    system = system_of([20, 3, 30])
    known = ~(system.values == 3)
    with pytest.raises(DisclosureError, match="1 of 1 cells cannot be protected however much is hidden"):
        protect(system, known=known)


def test_sums_cannot_be_narrowed_down():
    students, points = np.array([57, 8, 21, 28]), np.array([0.0, 81.5, 262.5, 301.0])
    points[0] = points.sum()
    builder = SystemBuilder()
    few = students < 10
    ids = builder.add_cells(points, np.ones(4, dtype=bool), few, few)
    builder.add_margins(ids, 0)
    system = builder.build()
    protection = protect_sums(system, 20.0 * students, share=0.2)
    assert check_protection(system, protection) == []
    assert protection.hidden.sum() == 2
    tables = system.values + protection.witnesses.toarray()
    assert (np.abs(tables[:, 1] - 81.5) >= 0.2 * 160 - 1e-6).any()
    assert (tables <= 20 * students + 1e-6).all()


def test_small_sums_are_protected_by_fractions_and_by_a_tenth_of_the_largest_each_can_be():
    """Hours of four groups, each at most 0.4: the first is guarded and moves by 0.04."""
    values = np.array([0.9, 0.1, 0.2, 0.3, 0.3])
    builder, few = SystemBuilder(), np.array([False, True, False, False, False])
    ids = builder.add_cells(values, np.ones(5, dtype=bool), few, few)
    builder.add_margins(ids, 0)
    system = builder.build()
    protection = protect_sums(system, np.array([1.6, 0.4, 0.4, 0.4, 0.4]))
    assert check_protection(system, protection) == []
    assert protection.hidden.sum() == 2
    assert np.abs(protection.witnesses.toarray()[:, 1]).max() >= 0.04 - 1e-9


def tau_argus(array):
    """Cells that tau-argus hides with FREQ 5 and OPT, in the order of the system."""
    pytauargus = pytest.importorskip("pytauargus")
    names = [f"axis{axis}" for axis in range(array.ndim)]
    places = np.repeat(np.argwhere(array >= 0), array.ravel(), axis=0)
    students = {name: [f"v{place}" for place in places[:, axis]] for axis, name in enumerate(names)}
    result = pytauargus.protect({**students, "n": [1] * len(places)}, names, "n", "FREQ(5,30)", "OPT(1)")
    hidden = np.zeros([size + 1 for size in array.shape], dtype=bool)
    for row in result.tables[0].rows:
        codes = [str(row[name]).strip() for name in names]
        hidden[tuple(int(code[1:]) + 1 if code.startswith("v") else 0 for code in codes)] = row["status"] in "UM"
    return hidden.ravel()


def frequencies(array):
    """The system that tau-argus is given: cells of 1 to 4 are unsafe, nothing else."""
    system = system_of(array)
    few = (system.values > 0) & (system.values < 5)
    return replace(system, primary=few, guarded=few)


@pytest.mark.parametrize(
    ("students", "shape", "cubes"), [(300, (3, 2, 2), 4), (300, (3, 2, 2, 2), 4), (1500, (5, 3, 2, 2), 2)]
)
def test_at_least_as_many_cells_published_as_by_tau_argus(tmp_path, monkeypatch, students, shape, cubes):
    monkeypatch.chdir(tmp_path)  # it writes logs where it stands
    arrays = [cohort(seed, students, shape, skew=2.0) for seed in range(cubes)]
    ours = theirs = 0
    for array in arrays:
        system = frequencies(array)
        hidden = protect(system).hidden
        pattern = tau_argus(array)
        assert not (system.primary & ~pattern).any()
        assert not certain(system, hidden).size
        ours, theirs = ours + (~hidden).sum(), theirs + (~pattern).sum()
    assert ours >= theirs


def test_cells_are_connected_by_the_sums_they_share():
    """Beside the product of the incidence matrix with itself, which grows with the square of a sum's cells."""
    for seed in range(20):
        matrix = sparse.csr_array(sparse.random(30, 80, 0.03, rng=np.random.default_rng(seed)))
        met = connected_components(abs(matrix).T @ abs(matrix), directed=False)[1]
        found = connected(matrix)
        assert [sorted(part) for part in sets_of(found)] == [
            sorted(np.flatnonzero(met == one)) for one in np.unique(met)
        ]
