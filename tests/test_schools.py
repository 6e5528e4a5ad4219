"""Uncertainty over schools: R's clubSandwich, hand calculation, brute force, and what is refused."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import betaln

from nbanalytics.clustered import robust_table
from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.intervals import katz, mean_test, newcombe, wilson
from nbanalytics.schools import (
    adjusted_p_values,
    difference_over_schools,
    estimand_of,
    jackknife_interval,
    over_schools,
    pooled_shares,
    ratio_over_schools,
    share_over_schools,
    units_of,
)

#: Reference data that may not be copied into the project.
SHARED = ROOT.parent / "shared" / "reference"
R = json.loads((Path(__file__).parent / "reference" / "cr2.json").read_text(encoding="utf-8"))


# The data of nlme are under the GPL, so that they are no part of the project.
@pytest.mark.skipif(not SHARED.exists(), reason="the folder of reference data is not at hand")
@pytest.mark.parametrize("schools", ["six", "three"])
@pytest.mark.parametrize(
    ("key", "family", "kind", "outcome", "terms"),
    [
        ("logit_CR2", "logit", "CR2", "y", ["one", "SES", "female"]),
        ("logit_CR1", "logit", "CR1", "y", ["one", "SES", "female"]),
        ("ols_CR2", "linear", "CR2", "MathAch", ["one", "SES", "female"]),
        ("prop", "linear", "CR2", "y", ["one"]),
    ],
)
def test_models_have_the_errors_of_clubsandwich(schools, key, family, kind, outcome, terms):
    pupils = pd.read_csv(SHARED / f"mathachieve_{schools}.csv").assign(one=1.0)
    found = robust_table(pupils[terms], pupils[outcome], pupils["school"], family, kind)
    theirs = R[schools][key]
    # R ends its iterations earlier: the weights of a logit differ in the seventh digit, the bounds in the sixth.
    near = 3e-6 if family == "logit" else 1e-9
    for ours, name in (("estimate", "beta"), ("se", "se"), ("freedom", "df"), ("low", "low"), ("high", "high")):
        assert found[ours].to_numpy() == pytest.approx(np.atleast_1d(theirs[name]), rel=near), name


MEANS = np.array([0.2, 0.5, 0.4, 0.7])


@pytest.mark.parametrize("kind", ["CR2", "CR3"])
def test_schools_of_one_size_are_four_numbers(kind):
    """With ten students each the share of all is a mean of four shares: their t interval, with three degrees."""
    y = np.concatenate([np.repeat([1.0, 0.0], [round(10 * mean), 10 - round(10 * mean)]) for mean in MEANS])
    schools = np.repeat(list("abcd"), 10)
    row = robust_table(pd.DataFrame({"one": np.ones(40)}), y, schools, kind=kind).iloc[0]
    by_hand = stats.t(3, MEANS.mean(), stats.sem(MEANS)).interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx(by_hand)
    assert row["freedom"] == pytest.approx(3)
    same = over_schools(lambda weights: {"share": weights @ y / weights.sum(axis=1)}, schools).iloc[0]
    assert (same["low"], same["high"]) == pytest.approx(by_hand)
    counts = (10 * MEANS, np.full(4, 10))
    nothing = (np.zeros(4), np.full(4, 10))
    assert difference_over_schools(counts, nothing) == pytest.approx(by_hand)


def test_cr3_refits_without_each_school():
    rng = np.random.default_rng(3)
    schools, x = np.repeat(list("abcde"), 30), rng.normal(size=150)
    y = (rng.random(150) < 1 / (1 + np.exp(-x))).astype(float)
    design = pd.DataFrame({"one": 1.0, "x": x})
    sm = pytest.importorskip("statsmodels.api")

    def fit(rows):
        return sm.Logit(y[rows], design[rows]).fit(disp=0).params.to_numpy()

    whole, parts = fit(schools == schools), np.array([fit(schools != one) for one in "abcde"])
    errors = np.sqrt(4 / 5 * ((parts - whole) ** 2).sum(axis=0))
    found = robust_table(design, y, schools, "logit", "CR3")
    assert found["se"].to_numpy() == pytest.approx(errors, rel=1e-5)
    assert found["high"].to_numpy() == pytest.approx(whole + stats.t.ppf(0.975, 4) * errors, rel=1e-5)


counts_of_schools = st.lists(
    st.integers(0, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=3, max_size=8
)


@given(counts_of_schools)
def test_a_share_stays_a_share_and_lies_in_its_interval(schools):
    some, all_ = np.array(schools).T
    if (all_ > 0).sum() < 3:
        assert np.isnan(share_over_schools(some, all_)).all()
        return
    low, high = share_over_schools(some, all_)
    assert 0 <= low <= some.sum() / all_.sum() <= high <= 1
    assert low < high
    assert share_over_schools(some, all_, "these_schools") == wilson(int(some.sum()), int(all_.sum()))


def test_counts_by_school_are_the_students_themselves():
    rng = np.random.default_rng(5)
    schools = rng.integers(0, 6, 300)
    passed, asked = (rng.random(300) < 0.7).astype(float), (rng.random(300) < 0.5).astype(float)
    some, all_ = np.bincount(schools, passed * asked), np.bincount(schools, asked)
    other, others = np.bincount(schools, passed * (1 - asked)), np.bincount(schools, 1 - asked)

    def shares(weights):
        first, second = weights @ (passed * asked) / (weights @ asked), weights @ (passed * (1 - asked))
        second = second / (weights @ (1 - asked))
        return {"share": first, "difference": first - second, "ratio": first / second}

    found = over_schools(shares, schools, scale={"share": "logit", "ratio": "log"}).set_index("measure")
    rows = found[["low", "high"]].apply(tuple, axis=1)
    assert share_over_schools(some, all_) == pytest.approx(rows["share"])
    assert difference_over_schools((some, all_), (other, others)) == pytest.approx(rows["difference"])
    assert ratio_over_schools((some, all_), (other, others))[1:] == pytest.approx(rows["ratio"])
    sums = [int(counts.sum()) for counts in (some, all_, other, others)]
    assert difference_over_schools((some, all_), (other, others), "these_schools") == newcombe(*sums)
    assert ratio_over_schools((some, all_), (other, others), "these_schools") == katz(*sums)


def test_of_two_schools_nothing_is_said_of_schools_like_them():
    with pytest.raises(DataError, match="schools like these is impossible from 2 schools: 3 are needed"):
        estimand_of(["a", "b", "a"], "schools_like_these")
    with pytest.raises(DataError, match="from 0 schools"):
        estimand_of(None, "schools_like_these")
    with pytest.warns(EstimationWarning, match="With 1 school the intervals describe other pupils of these schools"):
        assert estimand_of(["a", "a"]) == "these_schools"
    with pytest.raises(DataError, match="no estimand 'all'"):
        estimand_of(["a"], "all")
    with pytest.raises(DataError, match="3 are needed"):
        robust_table(pd.DataFrame({"one": [1.0, 1.0]}), [0, 1], ["a", "b"])


def test_of_these_schools_the_differences_between_them_do_not_count():
    """Schools where all pass and schools where nobody does: other pupils of theirs would give the same share."""
    schools = np.repeat(["a", "b", "c", "d"], 100)
    passed = np.repeat([1.0, 0.0, 1.0, 0.0], 100)

    def share(weights):
        return {"share": weights @ passed / weights.sum(axis=1)}

    these = over_schools(share, schools, estimand="these_schools").iloc[0]
    like = over_schools(share, schools).iloc[0]
    assert not these["high"] - these["low"] > 1e-6
    assert like["high"] - like["low"] > 1
    assert (these["estimand"], like["estimand"]) == ("these_schools", "schools_like_these")


def test_parts_of_students_give_the_error_of_a_mean():
    y = np.random.default_rng(2).normal(size=2000)
    units = units_of(None, 2000, "these_schools")
    assert units.present == 50
    values = units.evaluate(lambda weights: {"mean": weights @ y / weights.sum(axis=1)})["mean"]
    low, high = units.interval(values)
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 49) * stats.sem(y), rel=0.25)
    few = units_of(None, 12, "these_schools").evaluate(lambda w: {"mean": w @ y[:12] / w.sum(axis=1)})["mean"]
    assert jackknife_interval(few) == pytest.approx(stats.t(11, y[:12].mean(), stats.sem(y[:12])).interval(0.95))


def test_what_no_school_changes_or_has_no_value_has_no_interval():
    assert np.isnan(jackknife_interval([0.5, 0.5, 0.5, 0.5])).all()
    assert np.isnan(jackknife_interval([0.5, np.nan, 0.5, 0.4])).all()
    assert np.isnan(jackknife_interval([0.0, 0.1, 0.0, 0.0], "logit")).all()


def test_p_values_are_adjusted_as_by_statsmodels():
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    values = np.random.default_rng(1).random(40) ** 3
    assert adjusted_p_values(values) == pytest.approx(multipletests(values, method="fdr_bh")[1])
    assert np.isnan(adjusted_p_values([np.nan])).all()


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, 6])
@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_intervals_of_a_share_hold_the_truth(number, spread):
    rng = np.random.default_rng(number)
    held, level = 0, -1.7
    truth = float((1 / (1 + np.exp(-level - spread * rng.normal(size=200_000)))).mean())
    for _ in range(2000):
        chance = 1 / (1 + np.exp(-level - spread * rng.normal(size=number)))
        low, high = share_over_schools(rng.binomial(80, chance), np.full(number, 80))
        held += low <= truth <= high
    # 95 % within four standard errors of the simulation, and what the logit scale adds with three schools.
    assert 0.93 <= held / 2000 <= 0.975


@pytest.mark.parametrize("replications", [40, pytest.param(200, marks=pytest.mark.slow)])
def test_a_small_part_of_the_table_of_coverage(replications):
    """Each figure can fail: below what 93 of 100 would give by chance once in 5,000 times."""
    benchmarks = Path(__file__).resolve().parents[1] / "benchmarks"
    spec = importlib.util.spec_from_file_location("coverage_table", benchmarks / "coverage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    table = module.coverage(replications, 7, {3: 60, 6: 50}, {"shocks": module.WORLDS["sd .5, shocks .3"]}, kinds="mta")
    least = stats.binom.ppf(0.0002, replications, 0.93) / replications
    assert table.loc[table["held"] < least, ["method", "schools", "held"]].to_numpy().tolist() == []
    assert len(table) == 32


# ---------------------------------------------------------------- many at once, and partial pooling


@pytest.mark.parametrize("tests", [16, 48])
def test_where_nothing_differs_the_adjusted_values_rarely_find_anything(tests):
    """Under the global null a false discovery rate of 5 % is 5 % of families with any finding."""
    rng = np.random.default_rng(tests)
    families = 1000
    groups = rng.normal(size=(families, tests, 30))
    error = groups.std(axis=2, ddof=1) / np.sqrt(30)
    p_values = [
        [mean_test(m, se, 29) for m, se in zip(*row, strict=True)] for row in zip(groups.mean(2), error, strict=True)
    ]
    unadjusted = np.mean([min(row) < 0.05 for row in p_values])
    adjusted = sum(bool((adjusted_p_values(row) < 0.05).any()) for row in p_values)
    assert unadjusted > 0.5
    assert stats.binom.ppf(0.005, families, 0.05) <= adjusted <= stats.binom.ppf(0.995, families, 0.05)


def test_the_false_discovery_rate_holds_where_some_differ():
    """A quarter of 40 tests are real: of what is found at most 5 % is false, on average."""
    rng = np.random.default_rng(3)
    real = np.arange(40) < 10
    rates = []
    for _ in range(600):
        z = rng.normal(size=40) + 3 * real
        found = adjusted_p_values(2 * stats.norm.sf(np.abs(z))) < 0.05
        rates.append((found & ~real).sum() / max(found.sum(), 1))
    assert np.mean(rates) <= 0.05 + 2.6 * np.std(rates) / np.sqrt(600)
    assert np.mean(rates) > 0.02


def test_pooled_shares_are_those_of_brute_force():
    """Draws from the prior, weighed by the likelihood: another integration of the same model."""
    rng = np.random.default_rng(1)
    x, n = np.array([83, 93, 4]), np.array([94, 138, 4])
    mean, spread = rng.random(400_000), np.abs(0.3 * rng.normal(size=400_000))
    mean, spread = mean[spread < 1], spread[spread < 1]
    a, b = mean * (1 / spread**2 - 1), (1 - mean) * (1 / spread**2 - 1)
    weight = np.exp(sum(betaln(a + one, b + of - one) - betaln(a, b) for one, of in zip(x, n, strict=True)) + 120)
    drawn = rng.choice(len(a), 60_000, p=weight / weight.sum())
    for row, one, of in zip(pooled_shares(x, n).to_numpy(), x, n, strict=True):
        shares = rng.beta(a[drawn] + one, b[drawn] + of - one)
        assert row == pytest.approx([shares.mean(), *np.quantile(shares, [0.025, 0.975])], abs=0.008)


def test_pooling_calms_small_schools_and_stays_honest_with_three():
    """Three schools, one of ten pupils: nothing differs, or shares are .07 apart (beta)."""
    rng, sizes, replications = np.random.default_rng(7), np.array([100, 60, 10]), 100
    for spread in (0.0, 0.07):
        held, raw, pooled = 0, 0.0, 0.0
        strength = 0.16 / spread**2 - 1 if spread else np.inf
        for _ in range(replications):
            true = rng.beta(0.8 * strength, 0.2 * strength, 3) if spread else np.full(3, 0.8)
            counts = rng.binomial(sizes, true)
            found = pooled_shares(counts, sizes)
            held += int(((found["pooled_low"] <= true) & (true <= found["pooled_high"])).sum())
            raw += float((counts / sizes - true)[2] ** 2)
            pooled += float((found["pooled"] - true)[2] ** 2)
        assert held >= stats.binom.ppf(0.005, 3 * replications, 0.95)
        assert pooled < 0.6 * raw
    assert pooled_shares([3, 4], [10, 10]).isna().all(axis=None)
    assert pooled_shares([3, 4, 0, 5], [10, 10, 0, 9]).isna().any(axis=1).tolist() == [False, False, True, False]
    with pytest.raises(DataError, match="above its total"):
        pooled_shares([11, 4, 5], [10, 10, 10])
