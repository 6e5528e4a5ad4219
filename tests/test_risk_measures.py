"""Measures against R where the reference folder is at hand, scikit-learn, brute force and numbers worked by hand."""

import json
import warnings
from math import log, nan, sqrt

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.intervals import wilson
from nbanalytics.risk import (
    at_capacity,
    brier_decomposition,
    calibration_table,
    compare_auc,
    compare_models,
    measures,
    net_benefit_curve,
    roc_curve,
)
from nbanalytics.risk.evaluation.auc import delong, tied, weighted_auc, weighted_average_precision
from nbanalytics.risk.evaluation.calibration import calibration_fit
from nbanalytics.risk.evaluation.capacity import flag_top
from nbanalytics.schools import share_over_schools

Y = [0, 0, 1, 0, 1, 0, 1, 1, 0, 1]
P = [0.1, 0.2, 0.3, 0.3, 0.4, 0.4, 0.6, 0.7, 0.7, 0.9]

#: Outcomes of both classes with scores that tie often.
scored = st.lists(st.tuples(st.booleans(), st.integers(1, 9)), min_size=8, max_size=40).filter(
    lambda pairs: 2 <= sum(case for case, _ in pairs) <= len(pairs) - 2
)


def arrays(pairs):
    return np.array([float(case) for case, _ in pairs]), np.array([score / 10 for _, score in pairs])


def value(table, measure, group="all", column="value"):
    return table[(table["group"] == group) & (table["measure"] == measure)][column].iloc[0]


def simulated(n=600, seed=3):
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.2, n)
    return (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int), 1 / (1 + np.exp(-1.3 * logit - 0.2))


def brute_force_auc(y, p):
    pairs = [(case > other) + (case == other) / 2 for case in p[y == 1] for other in p[y == 0]]
    return sum(pairs) / len(pairs)


def test_the_table_has_the_columns_and_measures_in_order():
    table = measures(Y, P, groups=list("bbbbbaaaaa"), threshold=0.5)
    assert list(table.columns) == ["group", "measure", "value", "low", "high", "estimand"]
    assert table["group"].unique().tolist() == ["all", "a", "b"]
    scores = ["auc", "average_precision", "brier", "log_loss", "calibration_slope", "calibration_in_the_large"]
    shares = ["base_rate", "flagged_share", "tpr", "fnr", "fpr", "tnr", "ppv", "npv"]
    decided = ["n", "tp", "fp", "fn", "tn", *shares, "false_alarms_per_100", "lift", "net_benefit"]
    assert table[table["group"] == "a"]["measure"].tolist() == scores + decided
    assert measures(Y, P)["measure"].tolist() == scores


def test_a_small_table_by_hand():
    table = measures(Y, P, threshold=0.6)
    counts = {name: value(table, name) for name in ("n", "tp", "fp", "fn", "tn")}
    assert counts == {"n": 10, "tp": 3, "fp": 1, "fn": 2, "tn": 4}
    by_hand = {
        "auc": (2.5 + 3.5 + 4 + 4.5 + 5) / 25,
        "brier": sum((p - y) ** 2 for y, p in zip(Y, P, strict=True)) / 10,
        "log_loss": -sum(log(p if y else 1 - p) for y, p in zip(Y, P, strict=True)) / 10,
        "tpr": 3 / 5,
        "fnr": 2 / 5,
        "fpr": 1 / 5,
        "tnr": 4 / 5,
        "ppv": 3 / 4,
        "npv": 4 / 6,
        "base_rate": 0.5,
        "flagged_share": 0.4,
        "false_alarms_per_100": 25,
        "lift": 1.5,
        "net_benefit": (3 - 1 * 0.6 / 0.4) / 10,
        # Thresholds .9, .7, .6, .4, .3: one, one, one, one and one case more, of 1, 3, 4, 6 and 8 flagged.
        "average_precision": (1 / 1 + 2 / 3 + 3 / 4 + 4 / 6 + 5 / 8) / 5,
    }
    for name, expected in by_hand.items():
        assert value(table, name) == pytest.approx(expected, abs=1e-12), name
    assert (value(table, "ppv", column="low"), value(table, "ppv", column="high")) == pytest.approx(wilson(3, 4))
    false_alarms = (
        value(table, "false_alarms_per_100", column="low"),
        value(table, "false_alarms_per_100", column="high"),
    )
    assert false_alarms == pytest.approx([100 * (1 - bound) for bound in reversed(wilson(3, 4))])


def test_scikit_learn_and_statsmodels_agree():
    import statsmodels.api as sm
    from sklearn import metrics

    y, p = simulated()
    table = measures(y, p)
    logit = np.log(p / (1 - p))
    slope = sm.Logit(y, sm.add_constant(logit)).fit(disp=0)
    level = sm.GLM(y, np.ones(len(y)), family=sm.families.Binomial(), offset=logit).fit()
    oracle = {
        "auc": metrics.roc_auc_score(y, p),
        "average_precision": metrics.average_precision_score(y, p),
        "brier": metrics.brier_score_loss(y, p),
        "log_loss": metrics.log_loss(y, p),
        "calibration_slope": slope.params[1],
        "calibration_in_the_large": level.params[0],
    }
    for name, expected in oracle.items():
        assert value(table, name) == pytest.approx(expected, abs=1e-9), name
    for name, interval in {
        "calibration_slope": slope.conf_int()[1],
        "calibration_in_the_large": level.conf_int()[0],
    }.items():
        assert [value(table, name, column=bound) for bound in ("low", "high")] == pytest.approx(interval, abs=1e-6)
    curve = roc_curve(y, p)
    fpr, tpr, _ = metrics.roc_curve(y, p, drop_intermediate=False)
    assert curve[["fpr", "tpr"]].to_numpy() == pytest.approx(np.c_[fpr, tpr])


def portuguese_models():
    """Both models of the reference, fitted on odd rows and scored on even rows."""
    import statsmodels.api as sm

    pupils = pd.read_csv(REFERENCE / "student-por.csv", sep=";")
    y = (pupils["G3"] < 10).astype(int)
    coded = pupils.assign(
        higher=(pupils["higher"] == "yes") * 1, sex=(pupils["sex"] == "M") * 1, school=(pupils["school"] == "MS") * 1
    )
    train = np.arange(len(pupils)) % 2 == 0
    first, second = ["G1", "failures", "absences"], ["failures", "absences", "studytime", "higher", "sex", "school"]
    scores = []
    for names in (first, second):
        design = sm.add_constant(coded[names].astype(float))
        fit = sm.GLM(y[train], design[train], family=sm.families.Binomial()).fit(tol=1e-14)
        scores.append(fit.predict(design[~train]).to_numpy())
    return y[~train].to_numpy(), scores, pupils[~train]


def test_two_models_agree_with_r():
    expected = json.loads((REFERENCE / "roc_calibration.json").read_text())["student_por_test"]
    y, scores, _ = portuguese_models()
    assert (len(y), y.sum()) == (expected["n"], expected["events"])
    for p, wanted in zip(scores, (expected["model1"], expected["model2"]), strict=True):
        table = measures(y, p)
        for name in ("auc", "brier", "log_loss"):
            assert value(table, name) == pytest.approx(wanted[name], abs=1e-8), name
        interval = [value(table, "auc", column=bound) for bound in ("low", "high")]
        assert interval == pytest.approx(wanted["ci95_delong"], abs=1e-8)
        assert value(table, "calibration_slope") == pytest.approx(wanted["slope"], abs=1e-6)
        in_the_large = wanted["calibration_in_the_large"]
        assert value(table, "calibration_in_the_large") == pytest.approx(in_the_large, abs=1e-6)
        slope_error = calibration_fit(y.astype(float), p, np.ones((1, len(y))))[1][0]
        # R's glm takes the weights of its last step but one.
        assert slope_error == pytest.approx(wanted["slope_se"], rel=2e-4)
    pair = compare_auc(y, {"first": scores[0], "second": scores[1]}).iloc[0]
    assert pair["z"] == pytest.approx(expected["delong_paired"]["z"], abs=1e-7)
    assert pair["p_value"] == pytest.approx(expected["delong_paired"]["p"], abs=1e-8)


@pytest.mark.parametrize(("number", "threshold"), [(1, 0.3), (2, 0.2)])
@pytest.mark.parametrize("grouping", ["sex", "school"])
def test_groups_agree_with_r(number, threshold, grouping):
    expected = json.loads((REFERENCE / "roc_calibration.json").read_text())
    wanted = expected[f"fairness_model{number}_thr{threshold}"][f"by_{grouping}"]
    y, scores, pupils = portuguese_models()
    table = measures(y, scores[number - 1], groups=pupils[grouping], threshold=threshold)
    assert table["group"].unique().tolist() == ["all", *sorted(wanted)]
    for group, numbers in wanted.items():
        for name in ("n", "tp", "fp", "fn", "tn"):
            assert value(table, name, group) == numbers[name]
        for name in ("tpr", "fpr", "ppv", "npv", "base_rate"):
            assert value(table, name, group) == pytest.approx(numbers[name], abs=1e-12)
        for name in ("brier", "auc"):
            assert value(table, name, group) == pytest.approx(numbers[name], abs=1e-8)


@given(scored)
def test_the_auc_is_that_of_all_pairs_and_delong_that_of_plain_loops(pairs):
    y, p = arrays(pairs)
    auc, covariance = delong(y, p[None, :])
    assert auc[0] == pytest.approx(brute_force_auc(y, p))
    assert weighted_auc(y, np.ones((1, len(y))), [tied(p)])[0] == pytest.approx(auc[0])
    cases, others = p[y == 1], p[y == 0]
    won_by = [np.mean([(case > other) + (case == other) / 2 for other in others]) for case in cases]
    lost_to = [np.mean([(case > other) + (case == other) / 2 for case in cases]) for other in others]
    by_loops = np.var(won_by, ddof=1) / len(cases) + np.var(lost_to, ddof=1) / len(others)
    assert covariance[0, 0] == pytest.approx(by_loops, abs=1e-12)


@given(scored, st.randoms(use_true_random=False))
def test_weights_are_the_same_as_repeated_students(pairs, chance):
    y, p = arrays(pairs)
    times = np.array([chance.randint(0, 3) for _ in y])
    many_y, many_p = np.repeat(y, times), np.repeat(p, times)
    weights = times[None, :].astype(float)
    if not 0 < many_y.sum() < len(many_y):
        return
    once = np.ones((1, len(many_y)))
    ranks, many_ranks = tied(p), tied(many_p)
    assert weighted_auc(y, weights, [ranks]) == pytest.approx(weighted_auc(many_y, once, [many_ranks]))
    precision = weighted_average_precision(y, weights, ranks)
    assert precision == pytest.approx(weighted_average_precision(many_y, once, many_ranks))
    for weighted, repeated in zip(calibration_fit(y, p, weights), calibration_fit(many_y, many_p, once), strict=True):
        assert weighted == pytest.approx(repeated, rel=1e-6, abs=1e-8, nan_ok=True)


def test_within_folds_only_students_of_a_fold_are_compared():
    y, p = simulated(300)
    folds = np.arange(300) % 3
    # Scores that tell nothing but the fold.
    constant = np.array([0.1, 0.2, 0.3])[folds]
    auc, covariance = delong(y.astype(float), np.array([p, constant]), strata=folds)
    parts = [folds == fold for fold in range(3)]
    pairs = np.array([y[part].sum() * (1 - y[part]).sum() for part in parts])
    own = np.array([brute_force_auc(y[part], p[part]) for part in parts])
    assert auc == pytest.approx([own @ pairs / pairs.sum(), 0.5])
    variances = [delong(y[part].astype(float), p[part][None, :])[1][0, 0] for part in parts]
    assert covariance[0, 0] == pytest.approx((pairs / pairs.sum()) ** 2 @ variances, rel=0.03)
    assert covariance[1, 1] == pytest.approx(0, abs=1e-20)
    compared = compare_models(y, {"model": p, "rate": constant}, folds=folds).set_index(["model", "measure"])
    assert compared.loc[("model", "auc"), "value"] == pytest.approx(auc[0])
    assert compared.loc[("rate", "auc"), "value"] == pytest.approx(0.5)
    assert compared.loc[("rate", "lift"), "value"] == pytest.approx(1)


def test_leaving_out_schools_sees_that_students_are_copies():
    y, p = simulated(300)
    four = np.repeat(np.arange(300), 4)
    single, copied = measures(y, p), measures(y[four], p[four], clusters=four)
    assert value(copied, "brier") == pytest.approx(value(single, "brier"))
    # One student as a school is the jackknife of students, near DeLong's and the formulas.
    for name in ("auc", "average_precision", "brier", "calibration_slope"):
        widths = [value(table, name, column="high") - value(table, name, column="low") for table in (single, copied)]
        assert widths[1] == pytest.approx(widths[0], rel=0.25), name
    pretended = measures(y[four], p[four])
    assert value(pretended, "brier", column="high") < value(copied, "brier", column="high")


def test_measures_leave_out_one_school_at_a_time():
    """The interval of the Brier score by hand: its value without each school, t with schools - 1 degrees."""
    y, p = simulated(200)
    schools = np.arange(200) % 5
    table = measures(y, p, clusters=schools, threshold=0.3)
    assert set(table["estimand"]) == {"schools_like_these"}
    whole = np.log(np.mean((y - p) ** 2))
    without = [np.mean((y - p)[schools != one] ** 2) for one in range(5)]
    error = sqrt(4 / 5 * np.sum((np.array(without) - np.exp(whole)) ** 2)) / np.exp(whole)
    half = stats.t.ppf(0.975, 4) * error
    assert value(table, "brier", column="low") == pytest.approx(np.exp(whole - half))
    assert value(table, "brier", column="high") == pytest.approx(np.exp(whole + half))
    flagged, cases = p >= 0.3, y == 1
    counts = [np.bincount(schools, rows) for rows in (flagged & cases, cases)]
    assert (value(table, "tpr", column="low"), value(table, "tpr", column="high")) == pytest.approx(
        share_over_schools(*counts)
    )
    again = measures(y, p, clusters=schools, threshold=0.3, estimand="these_schools")
    pd.testing.assert_frame_equal(again.iloc[:, :3], measures(y, p, threshold=0.3).iloc[:, :3])
    assert value(again, "tpr", column="low") == value(measures(y, p, threshold=0.3), "tpr", column="low")


def test_the_brier_score_is_the_sum_of_its_parts():
    y, p = simulated()
    # Two scores only: the bins hold equal scores, and nothing is left within them.
    coarse = np.where(p > 0.3, 0.6, 0.1)
    parts = brier_decomposition(y, coarse, bins=2).set_index("measure")["value"]
    share, high = y.mean(), coarse == 0.6
    weights, held = np.array([(~high).mean(), high.mean()]), np.array([y[~high].mean(), y[high].mean()])
    assert parts["reliability"] == pytest.approx(weights @ (np.array([0.1, 0.6]) - held) ** 2)
    assert parts["resolution"] == pytest.approx(weights @ (held - share) ** 2)
    assert parts["uncertainty"] == pytest.approx(share * (1 - share))
    assert parts["within_bins"] == pytest.approx(0, abs=1e-12)
    assert parts["brier"] == pytest.approx(np.mean((coarse - y) ** 2))


def test_calibration_bins_keep_equal_scores_together_and_everybody():
    y, p = simulated(500)
    table = calibration_table(y, np.round(p, 1), bins=5)
    assert table["n"].sum() == 500
    assert table["cases"].sum() == y.sum()
    assert table["mean_p"].is_monotonic_increasing
    even = calibration_table(y, p, bins=5)
    assert even["n"].tolist() == [100] * 5
    assert tuple(even[["low", "high"]].iloc[0]) == pytest.approx(wilson(even["cases"].iloc[0], 100))


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 1, None], [0.1, 0.2, 0.3], "y: 1 of 3 values are missing"),
        ([0, 1, 2], [0.1, 0.2, 0.3], "neither 0 nor 1"),
        ([1, 1, 1], [0.1, 0.2, 0.3], "all 3 students have the outcome"),
        ([0, 0, 0], [0.1, 0.2, 0.3], "all 3 students have no outcome"),
        ([0, 1, 0], [0.1, nan, nan], "p: 2 of 3 values are missing"),
        ([0, 1, 0], [0.1, 1.2, -0.1], "p: 2 of 3 values are outside 0 to 1"),
        ([0, 1, 0], [0.1, 0.2], "y has 3 values and p has 2"),
        ([0, 1, 0], [[0.1, 0.9]] * 3, "2 dimensions"),
        (["yes", "no"], [0.1, 0.2], "not numbers"),
        ([], [], "y is empty"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(y, p, message):
    with pytest.raises(DataError, match=message):
        measures(y, p)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, "A threshold of 1.5 is not a probability"),
        ({"groups": ["a"]}, "groups has 1 values and y has 10"),
        ({"clusters": ["a"]}, "clusters has 1 values and y has 10"),
        ({"groups": ["all"] * 10}, "a group is called 'all'"),
        ({"estimand": "schools_like_these"}, "schools like these is impossible from 0 schools"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(options, message):
    with pytest.raises(DataError, match=message):
        measures(Y, P, **options)


def test_outcomes_of_any_kind_are_taken():
    import polars as pl

    expected = measures(Y, P)
    booleans = [bool(case) for case in Y]
    for y in (
        booleans,
        np.array(booleans),
        pd.Series(Y, dtype="Int64"),
        pd.Series(booleans, dtype="boolean"),
        pl.Series(Y),
    ):
        pd.testing.assert_frame_equal(measures(y, pd.Series(P)), expected)


def test_groups_too_small_or_of_one_class_have_missing_values_and_a_warning():
    y, p = [*Y, 0, 0, 0, 0, 0, 0], [*P, 0.2, 0.1, 0.3, 0.2, 0.2, 0.4]
    groups = ["large"] * 10 + ["one"] * 5 + ["tiny"]
    with pytest.warns(EstimationWarning) as said:
        table = measures(y, p, groups=groups, threshold=0.3)
    assert len(said) == 1
    assert "1 of 4 groups: fewer than 5 students" in str(said[0].message)
    assert "1 of 4 groups: only one class" in str(said[0].message)
    for name in ("auc", "average_precision", "calibration_slope", "calibration_in_the_large", "tpr"):
        assert np.isnan([value(table, name, "one", column) for column in ("value", "low", "high")]).all(), name
    tiny = table[table["group"] == "tiny"].set_index("measure")
    assert tiny.loc[["n", "tp", "fp", "fn", "tn"], "value"].tolist() == [1, 0, 1, 0, 0]
    assert tiny.drop(index=["n", "tp", "fp", "fn", "tn"])[["value", "low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("p", "words", "missing"),
    [
        ([0.3] * 10, "scores are equal", ["calibration_slope"]),
        ([0.1, 0.2, 0.9, 0.1, 0.8, 0.2, 0.9, 0.7, 0.1, 0.7], "separate the classes perfectly", ["calibration_slope"]),
        ([0.0, *P[1:]], "exactly 0 or 1", ["calibration_slope", "calibration_in_the_large"]),
    ],
)
def test_scores_without_an_estimate_of_something_warn(p, words, missing):
    with pytest.warns(EstimationWarning, match=words):
        table = measures(Y, p)
    for name in missing:
        assert np.isnan(value(table, name))
    assert not np.isnan(value(table, "brier"))


def test_a_certain_mistake_costs_an_infinite_log_loss_without_an_interval():
    with pytest.warns(EstimationWarning, match="log loss"):
        table = measures(Y, [1.0, *P[1:]])
    assert value(table, "log_loss") == np.inf
    assert np.isnan(value(table, "log_loss", column="low"))


def test_a_group_inside_a_school_is_compared_by_students():
    y, p = simulated(90)
    schools = np.repeat(["A", "B", "C"], 30)
    table = measures(y, p, groups=schools, clusters=schools)
    assert table.groupby("group")["estimand"].first().to_dict() == {
        "all": "schools_like_these",
        **dict.fromkeys("ABC", "these_schools"),
    }
    own = measures(y[:30], p[:30])
    assert value(table, "brier", "A", "low") == pytest.approx(value(own, "brier", column="low"))


def test_missing_labels_are_a_group_at_the_end():
    y, p = simulated(60)
    table = measures(y, p, groups=["z"] * 30 + [None] * 30)
    assert table["group"].unique().tolist() == ["all", "z", "missing"]


@pytest.mark.slow
def test_intervals_cover_the_truth():
    rng = np.random.default_rng(8)
    logit_of = np.array([-2.5, -1.5, -0.5, 0.5, 1.5])
    chances = 1 / (1 + np.exp(-logit_of))
    pairs = np.outer(chances, 1 - chances)
    truth = {
        "auc": (np.tril(pairs, -1).sum() + np.trace(pairs) / 2) / pairs.sum(),
        "brier": float((chances * (1 - chances)).mean()),
        "calibration_slope": 1.0,
    }
    inside = dict.fromkeys(truth, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EstimationWarning)
        for _ in range(500):
            place = rng.integers(0, 5, 400)
            table = measures(rng.random(400) < chances[place], chances[place]).set_index("measure")
            for name, true in truth.items():
                inside[name] += table.loc[name, "low"] <= true <= table.loc[name, "high"]
    for name, number in inside.items():
        assert 0.93 - 2 * sqrt(0.05 * 0.95 / 500) <= number / 500 <= 0.97 + 2 * sqrt(0.05 * 0.95 / 500), name


def test_places_go_to_the_highest_scores_and_ties_are_shared():
    y, p = [1, 0, 1, 0, 1, 0, 0, 0, 0, 0], [0.9, 0.8, 0.5, 0.5, 0.5, 0.5, 0.2, 0.1, 0.1, 0.1]
    table = at_capacity(y, p, [0.2, 0.4, 1.0]).set_index(["capacity", "measure"])["value"]
    # Two places: one hit. Two more among four equal ones with two cases: one hit expected.
    assert table[0.2, "flagged"] == 2
    assert table[0.2, "precision"] == pytest.approx(1 / 2)
    assert table[0.2, "recall"] == pytest.approx(1 / 3)
    assert table[0.4, "precision"] == pytest.approx(2 / 4)
    assert table[0.4, "lift"] == pytest.approx(0.5 / 0.3)
    assert table[0.4, "false_alarms_per_100"] == pytest.approx(50)
    assert table[1.0, "recall"] == pytest.approx(1)
    with pytest.raises(DataError, match="A capacity of 0 is not a share"):
        at_capacity(y, p, [0])


@given(scored, st.integers(1, 10))
def test_shared_places_are_the_mean_over_all_ways_to_settle_ties(pairs, tenths):
    _, p = arrays(pairs)
    flags = flag_top(p, tenths / 10, np.ones((1, len(p))))[0]
    assert flags.sum() == pytest.approx(len(p) * tenths / 10)
    for one in range(len(p)):
        above = (p > p[one]).sum()
        chance = (len(p) * tenths / 10 - above) / (p == p[one]).sum()
        assert flags[one] == pytest.approx(min(max(chance, 0), 1))


def test_net_benefit_stands_between_nobody_and_everybody():
    y, p = simulated()
    table = net_benefit_curve(y, p, [0.1, 0.3]).set_index(["threshold", "strategy"])["value"]
    flagged = p >= 0.3
    by_hand = (y[flagged].sum() - (1 - y[flagged]).sum() * 0.3 / 0.7) / len(y)
    assert table[0.3, "model"] == pytest.approx(by_hand)
    assert table[0.3, "everybody"] == pytest.approx(y.mean() - (1 - y.mean()) * 0.3 / 0.7)
    assert table[0.3, "nobody"] == 0
    from_measures = measures(y, p, threshold=0.3)
    assert value(from_measures, "net_benefit") == pytest.approx(by_hand)


def test_differences_between_models_are_paired():
    y, p = simulated(500)
    rng = np.random.default_rng(0)
    close = np.clip(p + rng.normal(0, 0.01, len(p)), 0.001, 0.999)
    with pytest.warns(EstimationWarning, match="1 of 30 values are missing"):
        table = compare_models(y, {"model": p, "nearly": close, "half": np.full(len(p), 0.5)})
    rows = table.set_index(["model", "measure"])
    own = measures(y, close).set_index("measure")
    for name in ("auc", "brier", "average_precision", "calibration_slope"):
        assert rows.loc[("nearly", name), "value"] == pytest.approx(own.loc[name, "value"])
        row = rows.loc["nearly", name]
        assert row["difference_high"] - row["difference_low"] < 0.3 * (row["high"] - row["low"]), name
    assert rows.loc["model", ["difference", "difference_low"]].isna().all(axis=None)
    pair = compare_auc(y, {"nearly": close, "model": p}).iloc[0]
    assert tuple(rows.loc[("nearly", "auc"), ["difference", "difference_low", "difference_high"]]) == pytest.approx(
        tuple(pair[["difference", "low", "high"]])
    )
    assert np.isnan(rows.loc[("half", "calibration_slope"), "value"])
    with pytest.raises(DataError, match="no model third to compare with"):
        compare_models(y, {"model": p}, reference="third")


def test_one_school_has_the_intervals_of_its_students():
    y, p = simulated(200)
    school = ["S1"] * 200
    with pytest.warns(EstimationWarning, match="With 1 school the intervals describe other pupils"):
        pd.testing.assert_frame_equal(measures(y, p, clusters=school, threshold=0.3), measures(y, p, threshold=0.3))
    models = {"a": p, "b": np.sqrt(p)}
    with pytest.warns(EstimationWarning, match="With 1 school the intervals describe other pupils"):
        pd.testing.assert_frame_equal(compare_models(y, models, clusters=school), compare_models(y, models))
    with pytest.warns(EstimationWarning, match="With 1 school the intervals describe other pupils"):
        pd.testing.assert_frame_equal(compare_auc(y, models, school), compare_auc(y, models))
    with pytest.warns(EstimationWarning, match="With 1 school the intervals describe other pupils"):
        pd.testing.assert_frame_equal(at_capacity(y, p, clusters=school), at_capacity(y, p))
    with pytest.warns(EstimationWarning, match="With 1 school the intervals describe other pupils"):
        pd.testing.assert_frame_equal(net_benefit_curve(y, p, clusters=school), net_benefit_curve(y, p))


def test_a_rate_that_no_school_changes_is_no_certainty():
    y, p = simulated(200)
    schools = np.arange(200) % 10
    table = measures(y, p, threshold=0.0, clusters=schools)
    students = measures(y, p, threshold=0.0)
    assert (value(students, "tpr", column="low"), value(students, "tpr", column="high")) == wilson(y.sum(), y.sum())
    assert value(table, "tpr", column="low") < value(students, "tpr", column="low") < value(table, "tpr") == 1
    assert value(table, "ppv", column="low") < value(table, "ppv") < value(table, "ppv", column="high")


def test_places_that_all_go_to_cases_are_no_certainty():
    y, p = np.repeat([1, 0], [20, 80]), np.linspace(0.9, 0.1, 100)
    p[:30:3] -= 0.3  # so that not all cases stand above all others
    placed = at_capacity(y, p, [0.05]).set_index("measure")
    assert placed.loc["precision", "value"] == 1
    assert tuple(placed.loc["precision", ["low", "high"]]) == pytest.approx(wilson(5, 5))
    assert placed.loc["false_alarms_per_100", "high"] == pytest.approx(100 * (1 - wilson(5, 5)[0]))
    compared = compare_models(y, {"a": p, "b": 1 - p}, capacity=0.05).set_index(["model", "measure"])
    assert tuple(compared.loc[("a", "precision"), ["low", "high"]]) == pytest.approx(wilson(5, 5))
