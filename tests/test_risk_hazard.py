"""Hazards: against Singer and Willett, R where the reference folder is at hand, statsmodels, and planted truth."""

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from conftest import REFERENCE
from sklearn.base import clone
from test_lifetable import TEACHERS

from nbanalytics.analysis.droppoints import losses
from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.risk import (
    CompetingHazards,
    Hazard,
    HazardClassifier,
    Logit,
    dataset,
    expand,
    features,
    periods_at_risk,
)
from nbanalytics.risk.models.binomial import fit_binomial, inverse_link


def teachers():
    """Person-periods of Singer and Willett's table 10.1: in each year, those who leave and those who stay."""
    t = np.concatenate([np.full(at_risk, year) for year, at_risk, *_ in TEACHERS])
    left = np.concatenate([np.arange(at_risk) < events for _, at_risk, events, *_ in TEACHERS])
    return pd.DataFrame({"t": t}), left.astype(int)


def planted(seed, n=600, steps=5, effect=0.6, link="logit"):
    """Person-periods with known hazards: an effect of x, none of z."""
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal((2, n))
    school = rng.integers(0, 20, n)
    parts = []
    alive = np.full(n, True)
    for step in range(1, steps + 1):
        chance = inverse_link(-2 - 0.2 * step + effect * x, link)
        event = rng.random(n) < chance
        rows = pd.DataFrame({"school_id": school, "t": step, "x": x, "z": z, "event": event.astype(int)})
        parts.append(rows[alive])
        alive &= ~event
    table = pd.concat(parts, ignore_index=True)
    return table.drop(columns="event"), table["event"].to_numpy()


def test_without_features_the_hazards_are_those_of_the_life_table():
    X, y = teachers()
    for link in ("logit", "cloglog"):
        model = Hazard(link).fit(X, y)
        # R: glm(event ~ 0 + factor(t), binomial, data = teachers' 24,875 person-periods): deviance 14583.7420040573.
        assert model.deviance_ == pytest.approx(14583.7420040573, abs=1e-4)
        hazards = model.predict_proba(pd.DataFrame({"t": range(1, 13)}))[:, 1]
        assert hazards == pytest.approx([events / at_risk for _, at_risk, events, *_ in TEACHERS], abs=1e-9)
    assert len(X) == 24875


@pytest.mark.parametrize("name", ["A", "B", "C", "cloglog_A"])
def test_students_who_leave_mathematics_agree_with_r(name):
    periods = pd.read_csv(REFERENCE / "math_dropout.csv")
    reference = json.loads((REFERENCE / "survival.json").read_text())["math_dropout"]
    expected = reference["cloglog_A"] if name == "cloglog_A" else reference["models"][name]
    X, woman = periods[["term"]].rename(columns={"term": "t"}), periods["woman"]
    if name == "B":
        X = X.assign(**{f"woman_{t}": woman * (periods["term"] == t) for t in range(1, 6)})
    else:
        X = X.assign(woman=woman)
    if name == "C":
        X = X.assign(later=woman * (periods["term"] - 1))
    link, tolerance = ("cloglog", 1e-5) if name == "cloglog_A" else ("logit", 1e-6)
    model = Hazard(link).fit(X, periods["event"])
    assert model.deviance_ == pytest.approx(expected["deviance"], abs=1e-4)
    table = model.coefficients(errors="model").table
    assert table["estimate"].to_numpy() == pytest.approx([row["estimate"] for row in expected["coef"]], abs=tolerance)
    assert table["se"].to_numpy() == pytest.approx([row["se"] for row in expected["coef"]], abs=1e-5)


def test_with_many_clusters_their_errors_are_the_sandwich_of_r():
    periods = pd.read_csv(REFERENCE / "math_dropout.csv")
    expected = json.loads((REFERENCE / "survival.json").read_text())["math_dropout"]["modelC_cluster_id_HC0"]
    X = pd.DataFrame({"school_id": periods["id"], "t": periods["term"], "woman": periods["woman"]})
    X["later"] = X["woman"] * (X["t"] - 1)
    found = Hazard().fit(X, periods["event"]).coefficients(errors="school").table["se"].to_numpy()
    # 3,790 students are clusters: without one of them the information hardly changes.
    assert found == pytest.approx([row["se"] for row in expected], rel=5e-3)


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_estimates_and_both_kinds_of_errors_are_those_of_statsmodels(link):
    X, y = planted(1, link=link)
    model = Hazard(link).fit(X, y)
    design = np.column_stack([X["t"].to_numpy()[:, None] == np.arange(1, 6), X[["x", "z"]]]).astype(float)
    family = sm.families.Binomial(sm.families.links.CLogLog() if link == "cloglog" else sm.families.links.Logit())
    plain = sm.GLM(y, design, family=family).fit(tol=1e-12)
    assert model.coefficients_ == pytest.approx(plain.params, abs=1e-7)
    assert model.deviance_ == pytest.approx(plain.deviance, abs=1e-7)
    assert model.coefficients(errors="model").table["se"].to_numpy() == pytest.approx(plain.bse, abs=1e-6)
    schools = X["school_id"].to_numpy()
    kept = [schools != school for school in sorted(set(schools))]
    changes = np.array([sm.GLM(y[rows], design[rows], family=family).fit().params - plain.params for rows in kept])
    refitted = np.sqrt((len(kept) - 1) / len(kept) * (changes**2).sum(axis=0))
    assert model.coefficients(errors="school").table["se"].to_numpy() == pytest.approx(refitted, rel=0.02)


def test_one_step_is_a_logit():
    X, y = planted(2, steps=1)
    hazard, logit = Hazard().fit(X, y), Logit().fit(X.drop(columns="t"), y)
    assert hazard.coefficients_ == pytest.approx(logit.coefficients_, abs=1e-8)


def test_a_step_without_an_event_has_hazard_zero():
    X = pd.DataFrame({"t": [1, 1, 1, 2, 2, 3, 3], "x": [0.0, 1, 2, 1, 2, 1, 2]})
    model = Hazard().fit(X, [1, 0, 0, 0, 0, 0, 1])
    assert model.terms_ == ["t=1", "t=3", "x"]
    assert model.predict_proba(pd.DataFrame({"t": [2], "x": [1.0]}))[0].tolist() == [1, 0]


def test_a_horizon_past_the_data_is_refused():
    model = Hazard().fit(*planted(3))
    with pytest.raises(DataError, match="goes to step 6, but the model was fitted on 5 steps"):
        model.predict_proba(pd.DataFrame({"t": [6], "x": [0.0], "z": [0.0]}))


def test_bad_input_is_refused_in_words():
    X, y = planted(3)
    with pytest.raises(DataError, match="no link 'probit'"):
        Hazard("probit").fit(X, y)
    with pytest.raises(DataError, match="no column t"):
        Hazard().fit(X.drop(columns="t"), y)
    with pytest.raises(DataError, match=r"all \d+ students have the outcome 0"):
        Hazard().fit(X, 0 * y)
    with pytest.raises(DataError, match="Put Design before"):
        Hazard().fit(X.assign(x=np.nan), y)
    with pytest.raises(DataError, match="separate the outcomes"):
        Hazard().fit(X.assign(leak=y + 0.001 * X["x"]), y)
    X, y = planted(3, n=3000)
    with pytest.warns(EstimationWarning, match="^leak: all or none"):
        Hazard().fit(X.assign(leak=y * (X["x"] > 0)), y)


# ------------------------------------------------------------------ competing exits


def exits(seed=1, n=400, steps=4):
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(n):
        for step in range(1, steps + 1):
            ended = rng.choice(["none", "lost", "moved", "unknown"], p=[0.86, 0.08, 0.04, 0.02])
            rows.append((f"P{person}", step, ended))
            if ended != "none":
                break
    return pd.DataFrame(rows, columns=["student_id", "t", "exit"])


def test_cumulative_incidences_without_features_are_counts():
    """The oracle goes through the table row by row: leaving first, losing second."""
    periods = exits()
    model = CompetingHazards(without=("",)).fit(periods[["t"]], periods["exit"])
    found = model.cumulative_incidence(pd.DataFrame(index=["P0"]))
    stays, sums = 1.0, {"lost": 0.0, "moved": 0.0, "unknown": 0.0}
    for row in found.itertuples():
        step = periods[periods["t"] == row.t]["exit"]
        left = {cause: stays * (step == cause).mean() for cause in ("moved", "unknown")}
        present = stays - sum(left.values())
        loses = present * (step == "lost").sum() / step.isin(["none", "lost"]).sum()
        sums = {"lost": sums["lost"] + loses, **{cause: sums[cause] + left[cause] for cause in left}}
        stays = present - loses
        assert [row.lost, row.moved, row.unknown, row.stays] == pytest.approx([*sums.values(), stays], abs=1e-8)


def test_incidences_with_features_add_up_to_one(sample):
    records = sample.cohort([2019, 2020, 2021])
    known = features(records, "6VT")
    X, ended = expand(known.X, periods_at_risk(records, "6VT"))
    model = CompetingHazards("cloglog").fit(X, ended)
    found = model.cumulative_incidence(known.X[:40])
    assert found[["lost", "moved", "unknown", "stays"]].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(found)))
    steps = found["lost"].to_numpy().reshape(40, 6)
    assert (np.diff(steps, axis=1) >= 0).all()


def test_hazards_of_loss_are_those_of_the_drop_points_whatever_else_ends(sample):
    periods = periods_at_risk(sample, "6VT")
    stays = periods["exit"].isin(["none", "lost"])
    hazards = Hazard().fit(periods.loc[stays, ["t"]], periods.loc[stays, "event"])
    table = losses(sample).life_table()
    assert hazards.predict_proba(table[["t"]])[:, 1] == pytest.approx(table["hazard"].to_numpy(), abs=1e-9)


# ------------------------------------------------------------------ the rung


@pytest.fixture(scope="module")
def data(sample):
    return dataset(sample.cohort([2018, 2019, 2020, 2021]), "lost", "6VT")


def test_absence_varies_in_training_and_stays_in_prediction(data):
    X, ended = expand(data.X, data.periods)
    assert (ended == "lost").sum() == data.y.sum()
    first = X[X["t"] == 1]
    pd.testing.assert_series_equal(first["absence_total"], data.X.loc[first.index, "absence_total"])
    later = X[X["t"] == 3]["absence_total"] - data.X.loc[X[X["t"] == 3].index, "absence_total"]
    assert later.abs().max() > 1


def test_a_student_drawn_twice_counts_twice(data):
    twice = data.X.iloc[[0, 0, 1]]
    alone = data.X.iloc[[0]]
    assert len(expand(twice, data.periods)[0]) == 2 * len(expand(alone, data.periods)[0]) + len(
        expand(data.X.iloc[[1]], data.periods)[0]
    )


def test_survival_falls_and_ends_in_the_probability(data):
    model = HazardClassifier(data.periods).fit(data.X, data.y)
    survival = model.predict_survival(data.X)
    assert survival.shape == (len(data), 6)
    assert (np.diff(survival, axis=1) <= 0).all()
    assert model.predict_proba(data.X)[:, 0] == pytest.approx(survival[:, -1])
    # The mean chance of a loss is near the share: absence that rises later makes it a little less.
    assert abs(model.predict_proba(data.X)[:, 1].mean() - data.y.mean()) < 0.03


def test_only_the_students_of_x_are_learnt_from(data):
    half = data.only(data.cohorts <= 2019)
    rewritten = data.periods.copy()
    others = rewritten["student_id"].isin(data.table.loc[data.cohorts > 2019, "student_id"])
    rewritten.loc[others, ["exit", "event"]] = ["lost", 1]
    expected = HazardClassifier(data.periods).fit(half.X, half.y).predict_proba(half.X)
    assert HazardClassifier(rewritten).fit(half.X, half.y).predict_proba(half.X) == pytest.approx(expected)
    assert clone(HazardClassifier(data.periods, link="cloglog")).get_params()["link"] == "cloglog"


def test_students_without_a_name_are_refused(data):
    with pytest.raises(DataError, match="Give X by student_id"):
        HazardClassifier(data.periods).fit(data.X.reset_index(drop=True), data.y)


# ------------------------------------------------------------------ planted truth


def test_a_large_population_gives_the_planted_hazards_back():
    for link in ("logit", "cloglog"):
        X, y = planted(5, n=60_000, link=link)
        table = Hazard(link).fit(X, y).coefficients().table.set_index("term")
        truth = {**{f"t={step}": -2 - 0.2 * step for step in range(1, 6)}, "x": 0.6, "z": 0.0}
        for term, value in truth.items():
            assert abs(table.loc[term, "estimate"] - value) < 4 * table.loc[term, "se"], term
        assert table["se"].max() < 0.06


def test_steps_are_halved_where_scoring_overshoots():
    """A start far from the estimate: half of the outcomes, spread over many orders of magnitude."""
    x = np.exp(np.linspace(-3, 6, 200))
    y = (np.arange(200) % 5 == 0) | (x > 150)
    design = np.column_stack([np.ones(200), x])
    fit = fit_binomial(design, y.astype(float), "cloglog")
    p = inverse_link(design @ fit.coefficients, "cloglog")
    assert fit.converged
    score = design.T @ ((y - p) * np.exp(design @ fit.coefficients) * (1 - p) / (p * (1 - p)))
    assert np.abs(score / np.abs(design).sum(axis=0)).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_intervals_cover_the_known_hazards(link):
    """Of 500 intervals of 95 % each, 93-97 % cover; two standard errors of a share of .95 in 500 are .0195."""
    truth = np.array([-2.2, -2.4, -2.6, -2.8, -3.0, 0.6, 0.0])
    covered = np.zeros(7)
    for seed in range(500):
        table = Hazard(link).fit(*planted(10_000 + seed, link=link)).coefficients(errors="model").table
        covered += ((table["low"] < truth) & (truth < table["high"])).to_numpy()
    assert ((covered / 500 >= 0.93) & (covered / 500 <= 0.97)).all()
    # z was not planted: it is found in one run of twenty, as it should be.
    assert 0.03 <= 1 - covered[-1] / 500 <= 0.07
