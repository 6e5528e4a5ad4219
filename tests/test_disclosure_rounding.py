"""Drawing students who stand for all: nobody is preferred, and the drawn resemble everybody."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nbanalytics.disclosure import draw_alike
from nbanalytics.disclosure.rounding import _furthest, _without
from nbanalytics.errors import DisclosureError

traits = st.integers(1, 30).flatmap(lambda n: arrays(np.float64, (n, 4), elements=st.sampled_from([0.0, 1.0, 3.0])))


@given(traits, st.integers(2, 8), st.integers(0, 10**6))
def test_whatever_they_have_in_common_a_draw_comes_to_an_end_and_has_the_wanted_size(held, one_in, seed):
    count = len(held)
    alike = held @ held.T + 10**6 * np.ones((count, count))
    drawn = draw_alike(alike, one_in, np.random.default_rng(seed))
    assert drawn.shape == (count,)
    assert count // one_in <= drawn.sum() <= -(-count // one_in)


def draws(alike, one_in, times):
    rng = np.random.default_rng(7)
    return np.array([draw_alike(alike, one_in, rng) for _ in range(times)])


def test_every_student_is_drawn_as_often_as_every_other():
    """A count of draws is binomial: one of ten is beyond four standard deviations once in 1,500 runs of this test."""
    rng = np.random.default_rng(3)
    held = (rng.random((10, 6)) < 0.4).astype(float)
    often = draws(20 * held @ held.T, 5, 800).sum(axis=0)
    assert (np.abs(often - 160) < 4 * np.sqrt(800 * 0.2 * 0.8)).all()


class Fixed:
    """A generator that keeps the order and returns the numbers that it is given."""

    def __init__(self, *numbers):
        self.numbers = iter(numbers)

    def permutation(self, count):
        return np.arange(count)

    def random(self):
        return next(self.numbers)


def test_a_step_up_or_down_leaves_every_chance_as_it_was():
    """Of two students who are alike one at most is drawn: over all random numbers each with the chance of one in 5."""
    grid = (np.arange(20) + 0.5) / 20
    drawn = [draw_alike(np.full((2, 2), 1e6), 5, Fixed(first, second)) for first in grid for second in grid]
    assert np.mean(drawn, axis=0) == pytest.approx([0.2, 0.2], abs=0.01)
    assert np.sum(drawn, axis=1).max() == 1


@pytest.mark.parametrize(
    ("chance", "direction", "furthest"),
    [
        ([0.2, 0.2], [1, 0], 0.8),
        ([0.2, 0.2], [-1, 0], 0.2),
        ([0.2, 0.5], [0.5, -0.5], 1.0),  # the second is at 0 before the first is at 1
        ([0.2, 0.5], [1, 1], 0.5),
        ([0.2, 0.5, 1e-12], [1, 1, -1e-9], 0.5),  # who does not move sets no limit
    ],
)
def test_chances_move_until_one_is_0_or_1(chance, direction, furthest):
    assert _furthest(np.array(chance), np.array(direction, float)) == pytest.approx(furthest)


def test_the_inverse_without_some_students_is_that_of_the_others():
    rng = np.random.default_rng(4)
    half = rng.normal(size=(6, 6))
    whole, gone = half @ half.T + np.eye(6), np.array([True, False, False, True, False, False])
    expected = np.linalg.inv(whole[~gone][:, ~gone])
    assert _without(np.linalg.inv(whole), gone) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("numbers", "drawn"), [((0.19, 0.99), [True, False]), ((0.21, 0.19), [False, True]), ((0.2, 0.21), [False, False])]
)
def test_who_have_nothing_in_common_are_drawn_one_by_one_with_one_chance_in_five(numbers, drawn):
    assert draw_alike(np.zeros((2, 2)), 5, Fixed(*numbers)).tolist() == drawn


def test_one_in_two_is_the_most_that_can_be_drawn():
    assert draw_alike(np.full((4, 4), 1e6), 2, np.random.default_rng(0)).sum() == 2


def test_the_drawn_resemble_all_far_more_than_if_each_were_drawn_by_itself():
    """Three schools of 20 and two sexes: drawn one by one, five times the drawn of a school has the variance 4 x 20."""
    school, sex = np.repeat(np.eye(3), 20, axis=0), np.tile(np.eye(2), (30, 1))
    held = np.concatenate([school, sex], axis=1)
    counts = 5 * draws(100 * held @ held.T, 5, 50) @ held
    assert (np.abs(counts - held.sum(axis=0)) <= 5).all()
    assert counts[:, :3].var(axis=0).max() < 80 / 8


def test_the_same_generator_draws_the_same():
    alike = np.ones((40, 40))
    first, again, other = (draw_alike(alike, 5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("alike", "one_in"), [(np.ones((2, 3)), 5), (np.full((2, 2), np.nan), 5), (np.ones((2, 2)), 1)]
)
def test_what_cannot_be_drawn_among_is_refused(alike, one_in):
    with pytest.raises(DisclosureError, match="square table"):
        draw_alike(alike, one_in, np.random.default_rng(0))
