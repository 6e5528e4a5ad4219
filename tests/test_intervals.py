"""Intervals against printed examples, scipy, statsmodels and exact coverage."""

from math import sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest, multinomial, norm
from scipy.stats.contingency import relative_risk
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from nbanalytics.errors import DataError
from nbanalytics.intervals import (
    Change,
    katz,
    mean_interval,
    newcombe,
    other_students_change,
    paired_difference,
    same_students_change,
    wilson,
    with_share,
)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_newcombe_agrees_with_statsmodels(total_1, total_2, data):
    successes_1, successes_2 = data.draw(st.integers(0, total_1)), data.draw(st.integers(0, total_2))
    expected = confint_proportions_2indep(successes_1, total_1, successes_2, total_2, method="newcomb")
    assert newcombe(successes_1, total_1, successes_2, total_2) == pytest.approx(expected, abs=1e-9)


def paired_by_biostatuzh(r, s, t, u):
    """As the R package biostatUZH computes Newcombe's interval in confIntPairedProportion: first share minus second."""
    n = r + s + t + u
    p1, p2 = (r + s) / n, (r + t) / n
    l1, u1 = binomtest(r + s, n).proportion_ci(method="wilson")
    l2, u2 = binomtest(r + t, n).proportion_ci(method="wilson")
    a, b = (r + s) * (t + u) * (r + t) * (s + u), r * u - s * t
    phi = (b - n / 2 if b > n / 2 else min(b, 0)) / sqrt(a) if a else 0.0
    below = sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    above = sqrt((p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2)
    return p1 - p2 - below, p1 - p2 + above


@given(*[st.integers(0, 40)] * 4)
@example(1, 0, 0, 1)  # the correction for continuity takes the correlation away
@example(0, 3, 0, 5)  # nobody at the second occasion: there is no correlation
def test_the_interval_of_paired_shares_agrees_with_biostatuzh(both, first, second, neither):
    if both + first + second + neither:
        expected = paired_by_biostatuzh(both, second, first, neither)
        assert paired_difference(both, first, second, neither) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("chances", [(0.6, 0.1, 0.1, 0.2), (0.4, 0.15, 0.05, 0.4), (0.5, 0.2, 0.1, 0.2)])
def test_the_interval_of_paired_shares_covers_as_it_says(chances):
    """Every table of 20 students, with its chance: the interval holds the true change in about 95 of 100."""
    n, covered = 20, 0.0
    for both in range(n + 1):
        for first in range(n + 1 - both):
            for second in range(n + 1 - both - first):
                low, high = paired_difference(both, first, second, n - both - first - second)
                if low <= chances[2] - chances[1] <= high:
                    covered += multinomial.pmf([both, first, second, n - both - first - second], n, chances)
    assert 0.94 < covered < 0.995


def test_what_chance_gives_is_the_margin_of_the_usual_tests():
    """A change as large as chance gives is one at which McNemar's test, or that of two shares, says p = 0.05."""
    found = same_students_change(236, 23, 15, 39)
    z = 1.959964 * found.change / found.chance
    assert z**2 == pytest.approx(mcnemar([[236, 23], [15, 39]], exact=False, correction=False).statistic, rel=1e-6)
    other = other_students_change(80, 100, 150, 200)
    z, _ = proportions_ztest([150, 80], [200, 100])
    assert 1.959964 * other.change / other.chance == pytest.approx(z, rel=1e-6)
    assert not np.isclose(other.change, other.chance)


def test_a_change_is_beyond_chance_when_it_is_larger_either_way():
    for later, beyond in ((0.25, True), (0.375, False), (0.5, False), (0.625, False), (0.75, True)):
        assert Change(0.5, later, 0.0, 1.0, 0.125).beyond_chance is beyond


@given(st.integers(1, 500), st.data())
def test_wilson_agrees_with_scipy(total, data):
    successes = data.draw(st.integers(0, total))
    interval = binomtest(successes, total).proportion_ci(method="wilson")
    assert wilson(successes, total) == pytest.approx((interval.low, interval.high), abs=1e-9)


@given(st.integers(1, 50), st.integers(51, 400), st.integers(1, 50), st.integers(51, 400))
def test_katz_agrees_with_scipy(successes_1, total_1, successes_2, total_2):
    expected = relative_risk(successes_1, total_1, successes_2, total_2)
    interval = expected.confidence_interval(0.95)
    found = katz(successes_1, total_1, successes_2, total_2)
    assert found == pytest.approx((expected.relative_risk, interval.low, interval.high))


def test_nothing_is_estimated_from_nobody():
    assert all(value != value for value in (*wilson(0, 0), *newcombe(1, 2, 0, 0), *katz(1, 2, 0, 5)))
    assert katz(0, 10, 3, 10)[:2] == (0.0, 0.0)


def test_the_interval_of_a_mean_is_normal_without_degrees_of_freedom():
    assert mean_interval(0.0, 1.0) == pytest.approx((-1.959964, 1.959964), abs=1e-6)


def test_a_ratio_of_groups_of_one_is_worked_out_by_hand():
    """The variance is 1/1 - 1/1 + 1/1 - 1/2 = 0.5 either way."""
    factor = np.exp(1.959964 * sqrt(0.5))
    assert katz(1, 1, 1, 2) == pytest.approx((2, 2 / factor, 2 * factor), rel=1e-6)
    assert katz(1, 2, 1, 1) == pytest.approx((0.5, 0.5 / factor, 0.5 * factor), rel=1e-6)


def test_a_share_of_nobody_is_missing_and_one_of_one_is_all():
    found = with_share(pd.DataFrame({"part": [0, 1], "whole": [0, 1]}), "part", "whole")
    assert found.loc[0, ["share", "low", "high"]].isna().all()
    assert found.loc[1, ["share", "high"]].tolist() == [1, 1]


def test_no_bound_of_a_share_is_below_0_or_above_1():
    """Without a limit, rounding alone would give 1.0000000000000002 for 11 of 11, 14 of 14 and others."""
    bounds = [bound for total in range(1, 60) for part in (0, total) for bound in wilson(part, total)]
    assert min(bounds) >= 0
    assert max(bounds) <= 1


def test_every_count_from_none_to_all_is_a_share_and_every_level_between_0_and_1_is_one():
    assert wilson(0, 3)[0] == 0.0
    assert wilson(3, 3)[1] == 1.0
    for successes in (-1, 4):
        with pytest.raises(DataError, match=f"{successes} of 3 is not a share"):
            wilson(successes, 3)
    for level in (0.01, 0.5, 0.99):
        z = norm.ppf((1 + level) / 2)
        assert mean_interval(0.0, 1.0, level=level) == pytest.approx((-z, z))
    for level in (-0.5, 0.0, 1.0, 1.5, 95.0):
        with pytest.raises(DataError, match="is not between 0 and 1"):
            wilson(1, 3, level)


def test_what_is_no_share_is_refused():
    with pytest.raises(DataError, match="5 of 3 is not a share"):
        wilson(5, 3)
    with pytest.raises(DataError, match="A confidence level of 95 is not between 0 and 1"):
        mean_interval(0.0, 1.0, 4, level=95)
