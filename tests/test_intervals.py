"""Intervals against printed examples and scipy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats.contingency import relative_risk

from nbanalytics.intervals import katz, mean_interval, newcombe, wilson


@pytest.mark.parametrize(
    ("counts", "bounds"),
    [
        # Newcombe (1998), Statistics in Medicine 17: 873-890, table II, method 10
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((10, 10, 0, 20), (0.6791, 1.0000)),
    ],
)
def test_newcombe_agrees_with_the_paper(counts, bounds):
    assert newcombe(*counts) == pytest.approx(bounds, abs=5e-5)


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
