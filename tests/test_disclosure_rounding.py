"""Rounding: no union of cells is small, totals agree, and nothing is biased."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nbanalytics.disclosure import Policy
from nbanalytics.disclosure.rounding import round_small
from nbanalytics.errors import DisclosureError

cubes = arrays(np.int64, array_shapes(min_dims=1, max_dims=4, max_side=4), elements=st.integers(0, 30))


class Start:
    """A generator whose one draw is given, so that all draws can be gone through."""

    def __init__(self, start):
        self.start = start

    def integers(self, high):
        assert self.start < high
        return self.start


@given(cubes, st.integers(0, 10**6))
def test_any_union_of_cells_is_zero_or_five_and_more(counts, seed):
    rng = np.random.default_rng(seed)
    rounded = round_small(counts, rng)
    for _ in range(20):
        union = rounded[rng.random(rounded.shape) < rng.random()].sum()
        assert union == 0 or union >= 5
    assert (rounded[counts >= 5] == counts[counts >= 5]).all()
    assert (rounded[counts == 0] == 0).all()


@given(cubes)
def test_no_bias_in_any_cell_so_in_no_total(counts):
    """Over all five starts, each cell is on average what it was: exactly, not nearly."""
    assert (sum(round_small(counts, Start(start)) for start in range(5)) == 5 * counts).all()


@given(cubes, st.integers(0, 10**6))
def test_runs_of_cells_are_off_by_less_than_five(counts, seed):
    rounded = round_small(counts, np.random.default_rng(seed))
    assert abs(rounded.sum() - counts.sum()) < 5
    assert (np.abs((rounded - counts).reshape(len(counts), -1).sum(axis=1)) < 5).all()


def test_a_stricter_policy_rounds_to_more():
    rounded = round_small(np.arange(1, 12), np.random.default_rng(0), Policy(min_cell=8))
    assert set(rounded[:7]) <= {0, 8}
    assert (rounded[7:] == np.arange(8, 12)).all()


@pytest.mark.parametrize("counts", [np.array([3.5]), np.array([-1, 4])])
def test_only_counts_can_be_rounded(counts):
    with pytest.raises(DisclosureError, match="whole numbers"):
        round_small(counts, np.random.default_rng(0))
