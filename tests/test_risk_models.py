"""The ladder: against statsmodels, brute force, planted truth, and what scikit-learn expects of an estimator."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.integrate import quad
from scipy.special import betaln, expit
from scipy.stats import norm, t
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.risk import (
    RUNGS,
    AbcRule,
    BaseRate,
    Boosting,
    Design,
    Logit,
    MixedLogit,
    PriorGrade,
    SchoolRate,
    dataset,
    described,
    ladder,
)
from nbanalytics.risk.models.mixed import Marginal
from nbanalytics.risk.models.rules import ABC_LIMITS


@pytest.fixture(scope="module")
def data(sample):
    return dataset(sample.cohort([2018, 2019, 2020, 2021]), "lost", "6VT")


def made(n=600, schools=12, seed=1, spread=0.0, effect=0.8):
    """Students with a planted effect of x, none of z, a rare flag, and schools that differ by ``spread``."""
    rng = np.random.default_rng(seed)
    school = rng.integers(0, schools, n)
    X = pd.DataFrame(
        {
            "school_id": np.char.add("S", school.astype(str)),
            "x": rng.standard_normal(n),
            "z": rng.standard_normal(n),
            "flag": (rng.random(n) < 0.3).astype(float),
        }
    )
    chance = expit(-1 + effect * X["x"] + 0.5 * X["flag"] + spread * rng.standard_normal(schools)[school])
    return X, (rng.random(n) < chance).to_numpy().astype(int)


# ------------------------------------------------------------------ logit


def test_the_logit_is_that_of_statsmodels():
    X, y = made()
    model = Logit().fit(X, y)
    expected = sm.Logit(y, sm.add_constant(X[["x", "z", "flag"]])).fit(disp=0)
    table = model.coefficients(errors="model").table
    assert table["estimate"].to_numpy() == pytest.approx(expected.params.to_numpy(), abs=1e-8)
    assert table["se"].to_numpy() == pytest.approx(expected.bse.to_numpy(), abs=1e-7)
    assert table["p"].to_numpy() == pytest.approx(expected.pvalues.to_numpy(), abs=1e-7)
    assert table[["ratio_low", "ratio_high"]].to_numpy() == pytest.approx(np.exp(expected.conf_int().to_numpy()))
    assert model.deviance_ == pytest.approx(-2 * expected.llf, abs=1e-6)
    assert model.predict_proba(X)[:, 1] == pytest.approx(expected.predict().tolist())
    own = model.statsmodels(X, y)
    assert own.params.to_numpy() == pytest.approx(table["estimate"].to_numpy(), abs=1e-8)


def test_clustered_errors_leave_out_one_school():
    """One Newton step without each school, by a plain loop; with many students that is a refit without it."""
    X, y = made(spread=0.8)
    model = Logit().fit(X, y)
    found = model.coefficients(errors="school")
    design = np.column_stack([np.ones(len(X)), X[["x", "z", "flag"]]])
    schools, p = X["school_id"].to_numpy(), model.predict_proba(X)[:, 1]
    number, steps, refits = len(set(schools)), [], []
    for school in sorted(set(schools)):
        kept = schools != school
        information = sum(p[i] * (1 - p[i]) * np.outer(design[i], design[i]) for i in np.flatnonzero(kept))
        steps.append(np.linalg.solve(information, design[kept].T @ (y[kept] - p[kept])))
        refits.append(sm.Logit(y[kept], design[kept]).fit(disp=0).params - model.coefficients_)
    errors = [np.sqrt((number - 1) / number * (np.array(changes) ** 2).sum(axis=0)) for changes in (steps, refits)]
    assert found.table["se"].to_numpy() == pytest.approx(errors[0], rel=1e-6)
    assert found.table["se"].to_numpy() == pytest.approx(errors[1], rel=0.05)
    half = t.ppf(0.975, number - 1) * errors[0]
    assert (found.table["high"] - found.table["estimate"]).to_numpy() == pytest.approx(half, rel=1e-6)
    assert (found.settings["errors"], found.settings["estimand"]) == ("school", "schools_like_these")


def test_marginal_effects_are_those_of_statsmodels():
    X, y = made()
    found = Logit().fit(X, y).marginal_effects(errors="model").table
    expected = sm.Logit(y, sm.add_constant(X[["x", "z", "flag"]])).fit(disp=0).get_margeff(at="overall", dummy=True)
    assert found["term"].tolist() == ["x", "z", "flag"]
    assert found["estimate"].to_numpy() == pytest.approx(expected.margeff, abs=1e-8)
    assert found["se"].to_numpy() == pytest.approx(expected.margeff_se, abs=1e-7)


def test_few_schools_and_one_school_are_said():
    X, y = made(schools=3)
    assert Logit().fit(X, y).coefficients().settings["clusters"] == 3
    alone = Logit().fit(X.assign(school_id="S1"), y)
    assert alone.coefficients().settings["errors"] == "model"
    with pytest.warns(EstimationWarning, match="need 3 schools, and there are 1"):
        alone.coefficients(errors="school")


def test_perfect_separation_is_refused_in_words():
    X, y = made()
    with pytest.raises(DataError, match=r"separate the outcomes.*feature that is the outcome itself"):
        Logit().fit(X.assign(leak=y + 0.001 * X["x"]), y)


def test_a_term_without_a_finite_estimate_is_named_and_has_no_interval():
    X, y = made()
    some = np.random.default_rng(5).random(len(y))
    marked = X.assign(fate=((y == 1) & (some < 0.4)).astype(float))
    with pytest.warns(EstimationWarning, match="^fate: all or none of the 600 rows"):
        model = Logit().fit(marked, y)
    table = model.coefficients().table.set_index("term")
    assert table.loc["fate", "status"] == "separated"
    assert np.isnan(table.loc["fate", "se"])
    assert (table.drop("fate")["status"] == "ok").all()
    assert np.isfinite(model.predict_proba(marked)).all()
    few = Logit().fit(X.assign(fate=((y == 1) & (some < 0.1)).astype(float)), y)
    assert few.coefficients().table.iloc[-1][["term", "status"]].tolist() == ["fate", "left_out"]
    assert few.coefficients_[:-1] == pytest.approx(Logit().fit(X, y).coefficients_)
    assert few.clustered_[:-1, :-1] == pytest.approx(Logit().fit(X, y).clustered_)
    assert few.statsmodels(
        X.assign(fate=((y == 1) & (some < 0.1)).astype(float)), y
    ).params.to_numpy() == pytest.approx(few.coefficients_[:-1], abs=1e-6)
    shrunk = Logit(penalty=1.0).fit(marked, y)
    assert abs(shrunk.coefficients_[-1]) < abs(model.coefficients_[-1])
    with pytest.raises(DataError, match="penalty=0"):
        shrunk.coefficients()


def test_the_penalty_is_ridge_regression_on_standardised_columns():
    from sklearn.linear_model import LogisticRegression

    X, y = made()
    columns = X[["x", "z", "flag"]]
    spread = columns.std(ddof=0)
    expected = LogisticRegression(C=1 / 3.0, tol=1e-10, max_iter=1000).fit(columns / spread, y)
    found = Logit(penalty=3.0).fit(X, y).coefficients_
    assert found[1:] * spread.to_numpy() == pytest.approx(expected.coef_[0], abs=1e-5)


# ------------------------------------------------------------------ design


def test_the_design_learns_from_the_training_students_alone():
    train = pd.DataFrame({"school_id": "A", "points": [10.0, 12.0, 14.0, None] * 10})
    test = pd.DataFrame({"school_id": "B", "points": [None, 100.0]})
    design = Design().fit(train)
    assert design.transform(test)["points"].tolist() == [12.0, 100.0]
    assert design.transform(test)["points_missing"].tolist() == [1.0, 0.0]
    assert design.get_feature_names_out().tolist() == ["points", "points_missing"]
    scaled = Design(scale=True).fit_transform(train)
    assert scaled["points"].mean() == pytest.approx(0)


def test_what_the_design_leaves_out_has_a_reason():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.standard_normal(100), "b": rng.standard_normal(100)})
    X = X.assign(twice=2 * X["a"] - X["b"], same=1.0, rare=[1.0] * 3 + [0.0] * 97, empty=np.nan)
    with pytest.warns(EstimationWarning, match="No student of 100, or too few, has a value of empty"):
        design = Design().fit(X)
    assert design.columns_ == ["a", "b"]
    reasons = design.left_out_.set_index("column")["reason"]
    assert reasons["empty"] == "no student has a value"
    assert reasons["same"] == reasons["rare"] == "fewer than 10 students differ from the others"
    assert reasons["twice"] == "a linear combination of the columns before it"
    with pytest.raises(DataError, match="None of the 1 features has a value"):
        Design(columns=["empty"]).fit(X)
    with pytest.raises(DataError, match="no column shoe_size"):
        Design(columns=["shoe_size"]).fit(X)
    with pytest.raises(DataError, match="no column a, b"):
        design.transform(pd.DataFrame({"c": [1.0]}))


# ------------------------------------------------------------------ rules


def test_the_school_rate_is_the_beta_binomial_one():
    X = pd.DataFrame({"school_id": ["A"] * 40 + ["B"] * 60 + ["C"] * 3})
    y = np.array([1] * 12 + [0] * 28 + [1] * 3 + [0] * 57 + [1] * 3)
    model = SchoolRate().fit(X, y)
    rate, events, size = y.mean(), np.array([12, 3, 3]), np.array([40, 60, 3])

    def likelihood(weight):
        a, b = rate * weight, (1 - rate) * weight
        return (betaln(events + a, size - events + b) - betaln(a, b)).sum()

    grid = np.exp(np.linspace(np.log(0.1), np.log(1e3), 4000))
    assert model.weight_ == pytest.approx(grid[np.argmax([likelihood(w) for w in grid])], rel=0.01)
    assert model.schools_["rate"].to_numpy() == pytest.approx((events + model.weight_ * rate) / (size + model.weight_))
    # The rate of three students says less than that of forty: it is drawn further towards all.
    assert 1 - model.schools_["rate"][2] > 0.1
    unseen = model.predict_proba(pd.DataFrame({"school_id": ["Z"]}))[0, 1]
    assert unseen == pytest.approx(rate)


def test_schools_that_are_alike_get_the_rate_of_all():
    X = pd.DataFrame({"school_id": np.repeat(list("ABCD"), 50)})
    y = np.tile([1] * 10 + [0] * 40, 4)
    assert SchoolRate().fit(X, y).predict_proba(X)[:, 1] == pytest.approx(np.full(200, 0.2), abs=1e-4)


def test_the_prior_grade_splits_where_it_tells_most():
    X = pd.DataFrame({"mean_points": [8.0, 9, 10, 11, 12, 13, np.nan, np.nan]})
    y = [1, 1, 0, 1, 0, 0, 0, 1]
    model = PriorGrade().fit(X, y)
    below = {
        t: np.mean(X["mean_points"][[0, 1, 3]] < t) - np.mean(X["mean_points"][[2, 4, 5]] < t) for t in range(8, 14)
    }
    assert below[int(model.threshold_)] == max(below.values())
    assert model.rates_["missing"] == pytest.approx(0.5)
    assert model.predict_proba(X)[0, 1] > model.predict_proba(X)[5, 1]
    assert PriorGrade(threshold=9.5).fit(X, y).rates_["below"] == pytest.approx(2.5 / 3)
    with pytest.raises(DataError, match="None of 2 students has a value of mean_points"):
        PriorGrade().fit(X[6:], [0, 1])


def test_the_abc_rule_counts_flags_and_never_falls():
    rng = np.random.default_rng(2)
    n = 400
    X = pd.DataFrame(
        {
            "absence_total": rng.uniform(0, 20, n),
            "behaviour": rng.integers(0, 2, n).astype(float),
            "n_failed": rng.integers(0, 2, n).astype(float),
        }
    )
    X.loc[:20, "absence_total"] = np.nan
    flags = (X["absence_total"] >= 10).astype(int) + (X["behaviour"] >= 1) + (X["n_failed"] >= 1)
    y = (rng.random(n) < 0.1 + 0.2 * flags).astype(int)
    model = AbcRule().fit(X, y)
    assert model.flags_ == tuple(ABC_LIMITS)
    assert model.count_flags(X).tolist() == flags.tolist()
    shares = pd.Series(y).groupby(flags).agg(["sum", "size"])
    expected = (shares["sum"] + y.mean()) / (shares["size"] + 1)
    assert model.rates_ == pytest.approx(expected.to_numpy())
    falling = AbcRule().fit(X, 1 - y)
    assert np.ptp(falling.rates_) == pytest.approx(0)
    assert AbcRule().fit(X.drop(columns="behaviour"), y).flags_ == ("absence_total", "failed")
    with pytest.raises(DataError, match="none of absence_total, behaviour, failed"):
        AbcRule().fit(X[["behaviour"]].rename(columns={"behaviour": "other"}), y)


# ------------------------------------------------------------------ mixed logit


def test_the_marginal_likelihood_is_the_integral():
    X, y = made(n=90, schools=5, spread=1.0)
    design = np.column_stack([np.ones(len(X)), X[["x", "flag"]]])
    codes = pd.factorize(X["school_id"], sort=True)[0]
    problem = Marginal(design, y.astype(float), codes, 5)
    for parameters in ([-1.0, 0.5, 0.2, np.log(0.8)], [0.2, -0.3, 0.0, np.log(2.0)]):
        parameters = np.array(parameters)
        fixed, sd = problem.z @ parameters[:-1], np.exp(parameters[-1])
        total = 0.0
        for school in range(5):
            rows = problem.codes == school

            def integrand(u, rows=rows, fixed=fixed, sd=sd):
                p = expit(fixed[rows] + sd * u)
                return np.prod(np.where(problem.y[rows] == 1, p, 1 - p)) * norm.pdf(u)

            total += np.log(quad(integrand, -9, 9, epsabs=0, epsrel=1e-10, limit=200)[0])
        value, gradient = problem.minus(parameters)
        assert -value == pytest.approx(total, abs=3e-5)
        step = 1e-5 * np.eye(4)
        slopes = [(problem.minus(parameters + s)[0] - problem.minus(parameters - s)[0]) / 2e-5 for s in step]
        assert gradient == pytest.approx(slopes, abs=1e-4)


def test_the_mixed_logit_finds_what_was_planted_and_nothing_else():
    X, y = made(n=6000, schools=60, spread=1.0, seed=4)
    table = (model := MixedLogit().fit(X, y)).coefficients().table.set_index("term")
    assert model.school_sd_ == pytest.approx(1.0, abs=0.25)
    assert table.loc["x", "low"] < 0.8 < table.loc["x", "high"]
    assert table.loc["z", "low"] < 0 < table.loc["z", "high"]
    flat = MixedLogit().fit(*made(n=3000, schools=30, spread=0.0))
    assert flat.school_sd_ < 0.25


def test_without_spread_of_schools_it_is_the_logit():
    X, y = made(schools=2)
    with pytest.warns(EstimationWarning, match="There are 2 schools"):
        model = MixedLogit().fit(X, y)
    plain = Logit().fit(X, y)
    assert model.coefficients_ == pytest.approx(plain.coefficients_, abs=1e-3)
    assert model.log_likelihood_ == pytest.approx(-plain.deviance_ / 2, abs=1e-3)
    expected = plain.coefficients(errors="model").table["se"].to_numpy()
    assert model.coefficients().table["se"].to_numpy() == pytest.approx(expected, rel=1e-3)


def test_small_schools_are_drawn_towards_all_and_an_unknown_school_is_averaged():
    X, y = made(n=600, schools=8, spread=1.0, seed=3)
    tiny = pd.DataFrame({"school_id": "tiny", "x": 0.0, "z": 0.0, "flag": 0.0}, index=range(3))
    model = MixedLogit().fit(pd.concat([X, tiny], ignore_index=True), np.append(y, [1, 1, 1]))
    intercepts = model.schools_.set_index("school_id")["intercept"]
    assert 0 < intercepts["tiny"] < 3 * model.school_sd_
    where = pd.DataFrame({"school_id": ["unseen"], "x": 0.0, "z": 0.0, "flag": 0.0})
    fixed, sd = model.coefficients_[0], model.school_sd_
    expected = quad(lambda b: expit(fixed + b) * norm.pdf(b, scale=sd), -10, 10)[0]
    assert model.predict_proba(where)[0, 1] == pytest.approx(expected, abs=1e-5)


# ------------------------------------------------------------------ the ladder


def test_every_rung_is_an_estimator(data):
    models = ladder(data)
    assert list(models) == list(RUNGS)
    for name, model in models.items():
        copy = clone(model)
        assert repr(copy.get_params().keys()) == repr(model.get_params().keys()), name
        probabilities = copy.fit(data.X, data.y).predict_proba(data.X)
        assert probabilities.shape == (len(data), 2)
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(data)))
        assert np.isfinite(probabilities).all()
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        again = clone(model).fit(data.X, data.y).predict_proba(data.X[:50])
        assert again == pytest.approx(probabilities[:50], abs=1e-9), name
        if name not in ("boosting",):
            assert set(np.unique(copy.predict(data.X))) <= {0, 1}


def test_cross_validation_by_school_works_for_every_rung(data):
    for name, model in ladder(data).items():
        scores = cross_validate(
            model, data.X, data.y, groups=data.schools, cv=GroupKFold(3), scoring="roc_auc", error_score="raise"
        )["test_score"]
        assert np.isfinite(scores).all(), name
        # A school that was not seen has the rate of all, so the school alone tells nothing there.
        assert scores.mean() == pytest.approx(0.5) if name in ("base_rate", "school_only") else scores.mean() > 0.5


def test_imputation_is_inside_the_pipeline(data):
    for name in ("logit", "mixed_logit"):
        model = ladder(data)[name]
        assert isinstance(model, Pipeline)
        assert isinstance(model[0], Design)
    with pytest.raises(DataError, match="Put Design before the model"):
        Logit().fit(data.X, data.y)


def test_rungs_that_the_data_do_not_allow(data):
    narrow = data.with_features(["moved_in", "school_size"])
    assert list(ladder(narrow)) == ["base_rate", "school_only", "logit", "hazard", "mixed_logit", "boosting"]
    with pytest.raises(DataError, match="do not allow the rung abc_rule"):
        ladder(narrow, ["abc_rule"])
    with pytest.raises(DataError, match="no rung oracle"):
        ladder(data, ["oracle"])
    assert list(ladder(data, ["boosting", "logit"])) == ["logit", "boosting"]


@pytest.mark.parametrize("rung", RUNGS)
def test_one_class_only_is_refused_in_words(data, rung):
    few = data.only(data.y == 0)
    with pytest.raises(DataError, match=r"No model can be fitted: all \d+ students have the outcome 0"):
        ladder(few)[rung].fit(few.X, few.y)


def test_an_unknown_outcome_or_another_length_is_refused():
    X, y = made(n=50)
    with pytest.raises(DataError, match="outcome of 1 of 50 students is neither 0 nor 1"):
        BaseRate().fit(X, np.append(y[:-1].astype(float), np.nan))
    with pytest.raises(DataError, match="X has 50 rows and y has 49"):
        BaseRate().fit(X, y[:-1])


def test_boosting_needs_some_of_both():
    X, _ = made(n=100)
    with pytest.raises(DataError, match="Only 3 of 100 training students"):
        Boosting().fit(X, [1] * 3 + [0] * 97)


def test_models_see_sensitive_features_only_when_asked(data):
    asked = data.with_sensitive(["sex"])
    assert "sex_girl" not in ladder(data)["logit"].fit(data.X, data.y)[0].columns_
    assert "sex_girl" in ladder(asked)["logit"].fit(asked.X, asked.y)[0].columns_


def test_nothing_is_found_where_nothing_was_planted(data):
    rng = np.random.default_rng(7)
    chance = rng.permutation(data.y)
    half = rng.random(len(data)) < 0.5
    train, test = data.only(half), data.only(~half)
    for name in ("logit", "boosting"):
        model = ladder(data)[name].fit(train.X, chance[half])
        auc = roc_auc_score(chance[~half], model.predict_proba(test.X)[:, 1])
        # Some 70 events among 480: the standard error of an AUC of one half is 0.037.
        assert abs(auc - 0.5) < 0.11, name


@pytest.mark.parametrize("rung", ["logit", "boosting"])
def test_the_synthetic_municipality_is_neither_too_easy_nor_impossible(sample, rung):
    for outcome_name in ("lost", "group_6"):
        data = dataset(sample, outcome_name, "6VT")
        train, test = data.only(data.cohorts <= 2021), data.only(data.cohorts > 2021)
        model = ladder(data)[rung].fit(train.X, train.y)
        assert 0.6 < roc_auc_score(test.y, model.predict_proba(test.X)[:, 1]) < 0.9


@pytest.mark.slow
def test_intervals_of_the_logit_cover_and_nothing_is_found_where_nothing_was_planted():
    """Of 500 intervals of 95 % each, 93-97 % cover; two standard errors of a share of .95 in 500 are .0195."""
    truth = np.array([-1.0, 0.8, 0.0, 0.5])
    covered = np.zeros(4)
    for seed in range(500):
        X, y = made(n=500, seed=1000 + seed)
        table = Logit().fit(X, y).coefficients(errors="model").table
        covered += ((table["low"] < truth) & (truth < table["high"])).to_numpy()
    assert ((covered / 500 > 0.93) & (covered / 500 < 0.97)).all()


@pytest.mark.slow
def test_clustered_intervals_cover_where_pupils_of_a_school_are_alike():
    """A feature of schools, no effect, and schools that differ: errors of the model cover too seldom."""
    covered = {"school": 0, "model": 0}
    for seed in range(500):
        X, y = made(n=2000, schools=50, spread=0.5, seed=3000 + seed, effect=0.0)
        rng = np.random.default_rng(9000 + seed)
        X = X[["school_id"]].assign(
            policy=X["school_id"].map({f"S{s}": v for s, v in enumerate(rng.standard_normal(50))})
        )
        model = Logit().fit(X, y)
        for errors in covered:
            low, high = model.coefficients(errors=errors).table.iloc[1][["low", "high"]]
            covered[errors] += low < 0 < high
    assert 0.92 < covered["school"] / 500 < 0.97
    assert covered["model"] / 500 < 0.85


def test_pipelines_made_by_hand_work_without_warnings(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make_pipeline(Design(columns=["mean_points", "absence_total"], scale=True), Logit())
        model.fit(data.X, data.y)
    assert model[-1].terms_[:3] == ["intercept", "mean_points", "absence_total"]


def test_trees_do_without_a_feature_that_hardly_anybody_has():
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"school_id": "A", "x": rng.standard_normal(200), "rare": np.nan})
    X.loc[:3, "rare"] = 1.0
    y = rng.random(200) < 1 / (1 + np.exp(-X["x"]))
    with pytest.warns(EstimationWarning, match="has a value of rare; left out"):
        model = Boosting(trees=5).fit(X, y)
    assert model.terms_ == ["x"]
    with pytest.raises(DataError, match="None of the 2 features has a value"):
        Boosting().fit(X.assign(x=np.nan, rare=np.nan), y)


def test_flags_that_nobody_has_a_value_of_are_told():
    X = pd.DataFrame({"absence_total": [np.nan, np.nan], "n_failed": [np.nan, np.nan]})
    with pytest.raises(DataError, match="None of 2 students has a value of absence_total, n_failed"):
        AbcRule().fit(X, [0, 1])


# ---------------------------------------------------------------- missing values, imputed several times


def test_imputation_takes_back_what_median_and_indicator_put_on_the_feature_beside_it():
    """Absence goes with points, and is missing where points are high: missing at random."""
    rng = np.random.default_rng(5)
    points = rng.normal(0, 1, 4000)
    absence = -0.8 * points + 0.6 * rng.normal(0, 1, 4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(2 + 0.5 * points - absence))).astype(int)
    X = pd.DataFrame({"points": points, "absence": absence})
    holes = X.assign(absence=X["absence"].mask(rng.random(4000) < 1 / (1 + np.exp(-1.5 * points))))
    whole = Logit().fit(X, y).coefficients().table.set_index("term")["estimate"]
    marked = make_pipeline(Design(), Logit()).fit(holes, y)[-1].coefficients().table.set_index("term")["estimate"]
    found = described(holes, y, imputations=5)
    table = found.table.set_index("term")
    assert table["estimate"].to_numpy() == pytest.approx(whole[table.index].to_numpy(), abs=0.12)
    assert abs(marked["points"] - whole["points"]) > 0.25
    assert table.loc["absence", "missing"] == holes["absence"].isna().mean()
    assert table.loc["absence", "fmi"] > 0.1
    assert (table["low"] < whole[table.index]).all()
    assert (whole[table.index] < table["high"]).all()
    pd.testing.assert_frame_equal(described(holes, y, imputations=5).table, found.table)


def test_without_holes_imputation_changes_nothing():
    rng = np.random.default_rng(2)
    X = pd.DataFrame({"school_id": rng.choice(list("ABCDE"), 300), "x": rng.normal(size=300)})
    y = (rng.random(300) < 0.3).astype(int)
    own, found = Logit().fit(X, y).coefficients(), described(X, y, imputations=3)
    for name in ("estimate", "se", "low", "high", "p", "ratio"):
        assert found.table[name].to_numpy() == pytest.approx(own.table[name].to_numpy()), name
    assert found.settings["estimand"] == "schools_like_these"
    assert found.table[["missing", "fmi"]].to_numpy() == pytest.approx(0)
    with pytest.raises(DataError, match="Ask for two"):
        described(X, y, imputations=1)
