"""Growth percentiles against R, known truth and plain counts."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE
from made import ENGINES, in_engine, records_of
from scipy.optimize import linprog
from scipy.stats import kstest

import nbanalytics as nb
from nbanalytics.analysis.growth import model
from nbanalytics.analysis.growth.percentiles import median_interval
from nbanalytics.errors import DataError
from nbanalytics.simulation import simulate


@pytest.fixture(scope="module")
def town():
    return simulate(seed=1, cohorts=[2018, 2019]).records


@pytest.fixture(scope="module")
def merit(town):
    return nb.growth_percentiles(town, "merit", by="sex")


@pytest.mark.parametrize(("name", "priors"), [("one_prior", ["y2"]), ("two_priors", ["y1", "y2"])])
def test_percentiles_are_those_of_the_recipe_of_sgp_in_r(name, priors):
    scores = pd.read_csv(REFERENCE / "growth.csv")
    expected = np.array(json.loads((REFERENCE / "growth.json").read_text())[name])
    before, score = scores[priors].to_numpy(), scores["y3"].to_numpy()
    assert (nb.fit_growth(before, score).percentiles(before, score) == expected).all()


def test_a_regression_near_a_guess_is_that_of_all_students_at_once():
    """Many students: each quantile is solved among those near it, and must be the best for everybody."""
    rng = np.random.default_rng(2)
    prior = np.round(rng.normal(12, 3, 9_000), 2)
    score = np.round(prior + (1 + prior / 12) * rng.normal(size=9_000), 2)
    fitted = nb.fit_growth(prior, score)
    design = model._design(prior[:, None], fitted.knots)
    for place in (0, 30, 99):
        quantile = model.QUANTILES[place]
        at_once = linprog(
            -score, A_eq=design.T, b_eq=(1 - quantile) * design.sum(axis=0), bounds=(0, 1), method="highs"
        )
        left = score - design @ fitted.coefficients[place]
        loss = np.where(left > 0, quantile * left, (quantile - 1) * left).sum()
        lowest = -at_once.fun - (1 - quantile) * score.sum()
        assert loss == pytest.approx(lowest, rel=1e-9)


def test_the_order_of_rows_and_repeated_rows_decide_nothing():
    rng = np.random.default_rng(3)
    prior = rng.choice([0, 10, 12.5, 15, 17.5, 20], 300)
    score = np.round(prior + rng.normal(size=300), 1)
    mixed = rng.permutation(300)
    one, other = nb.fit_growth(prior, score), nb.fit_growth(prior[mixed], score[mixed])
    assert one.percentiles(prior, score).tolist() == other.percentiles(prior, score).tolist()


def test_what_a_model_cannot_be_fitted_to_is_refused_in_words():
    prior = np.arange(200.0)
    cases = {
        "needs 160 students, and there are 100": (prior[:100], prior[:100]),
        "Earlier score 1 is the same for all": (np.ones(200), prior),
        "The score is the same for all": (prior, np.ones(200)),
        "1 of 200 students lack a score": (np.where(prior == 7, np.nan, prior), prior),
        "4 earlier scores": (np.ones((200, 4)), prior),
        "There are 200 earlier and 3 later scores": (prior, prior[:3]),
    }
    for words, (before, score) in cases.items():
        with pytest.raises(DataError, match=words):
            nb.fit_growth(before, score)
    with pytest.raises(DataError, match="compares by 1 earlier scores, and 2 are given"):
        nb.fit_growth(prior, prior % 7).percentiles(np.ones((3, 2)), 1.0)


def test_what_cannot_be_measured_in_records_is_refused_in_words(town, merit):
    calls = {
        "cannot be measured. Name earlier terms and then a later one": {"at": "6HT"},
        "Growth from 5VT to 9VT": {"priors": "5VT"},
        "no fine scale 'grade'": {"measure": "grade"},
        "students have no column grit": {"by": "grit"},
    }
    for words, arguments in calls.items():
        with pytest.raises(DataError, match=words if "grit" not in words else "no column grit"):
            nb.growth_percentiles(town, **arguments)
    with pytest.raises(DataError, match="The baseline compares merit by 6VT"):
        nb.growth_percentiles(town, baseline=merit)
    with pytest.raises(DataError, match="Nobody has grades in 6VT and 9VT in TN"):
        nb.grade_growth(town, ["MA", "TN"])


def test_percentiles_of_records_are_those_of_their_scores_and_move_with_a_grade(town):
    growth = nb.growth_percentiles(town, by="sex")
    students = growth.students
    assert growth.table["students"].sum() == len(students)
    fitted = nb.fit_growth(students["points_6VT"], students["score"])
    assert students["percentile"].tolist() == fitted.percentiles(students["points_6VT"], students["score"]).tolist()
    assert (students["one_lower"] <= students["percentile"]).all()
    assert (students["percentile"] <= students["one_higher"]).all()
    assert (students["one_lower"] < students["one_higher"]).mean() > 0.9
    for _, row in growth.table.iterrows():
        own = students.loc[students["sex"] == row["sex"], "percentile"]
        assert row["median"] == own.median()
        assert row["expected_low"] < 50 < row["expected_high"]


def test_a_later_cohort_is_compared_with_a_fixed_baseline(town):
    first = nb.growth_percentiles(town.cohort(2018))
    raised = nb.growth_percentiles(town.cohort(2019), baseline=first)
    assert raised.settings["students_compared"] == len(first.students)
    own = first.model.percentiles(raised.students["points_6VT"], raised.students["score"])
    assert raised.students["percentile"].tolist() == own.tolist()


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_every_engine_gives_the_same_growth(town, engine):
    other = in_engine(town, engine)
    pd.testing.assert_frame_equal(
        nb.growth_percentiles(other, by="sex").table, nb.growth_percentiles(town, by="sex").table
    )
    expected, found = nb.grade_growth(town, "MA", by="sex"), nb.grade_growth(other, "MA", by="sex")
    pd.testing.assert_frame_equal(found.table, expected.table)
    pd.testing.assert_frame_equal(found.students, expected.students)


def test_a_grade_takes_the_places_of_those_who_have_it():
    """Of 20 students with E in year 6: 5 F, 10 E, 5 C. Of 3 with A: too few to compare with."""
    courses = {
        f"P{number:02}": {"6VT": {"MA": "E"}, "9VT": {"MA": "FFFFFEEEEEEEEEECCCCC"[number]}} for number in range(20)
    }
    courses |= {f"Q{number}": {"6VT": {"MA": "A"}, "9VT": {"MA": "A"}} for number in range(3)}
    growth = nb.grade_growth(records_of(courses))
    assert growth.places[["start", "end", "from_percentile", "to_percentile"]].to_numpy().tolist() == [
        ["E", "F", 0.0, 25.0],
        ["E", "E", 25.0, 75.0],
        ["E", "C", 75.0, 100.0],
        ["A", "A", 0.0, 100.0],
    ]
    by_end = growth.students.drop_duplicates("end").set_index("end")["percentile"]
    assert by_end[["F", "E", "C"]].tolist() == [12.5, 50.0, 87.5]
    assert np.isnan(by_end["A"])
    assert growth.table[["students", "mean"]].to_numpy().tolist() == [[20, 50.0]]
    later = records_of({"N1": {"6VT": {"MA": "E"}, "9VT": {"MA": "D"}}, "N2": {"6VT": {"MA": "E"}, "9VT": {"MA": "A"}}})
    compared = nb.grade_growth(later, baseline=growth).students["percentile"]
    assert compared.tolist() == [75.0, 100.0]  # a D lies between E and C, an A above all


def test_random_places_are_spread_evenly_and_middle_places_are_not(town):
    growth = nb.grade_growth(town, "MA", min_compared=1)
    assert kstest(growth.students["random_percentile"] / 100, "uniform").pvalue > 0.01
    assert kstest(growth.students["percentile"] / 100, "uniform").pvalue < 1e-6


def test_targets_name_the_growth_that_reaches_them(town, merit):
    growth = merit
    found = nb.growth_targets(growth, 160.0, by="sex")
    students = found.students
    at_target = growth.model.below(students["merit_6VT"], 160.0)
    assert students["needed"].tolist() == at_target.tolist()
    # Who reached it grew at least as needed, and nobody else did.
    beyond = growth.model.below(students["merit_6VT"], students["score"])
    assert ((students["score"] >= 160) <= (beyond >= students["needed"])).all()
    assert found.table["students"].sum() == len(students)
    shares = students.groupby("sex")["on_the_way"].mean()
    assert found.table["within_reach"].tolist() == pytest.approx(shares.tolist())
    half_way = nb.growth_percentiles(town, "merit", at="8VT")
    way = nb.growth_targets(growth, 160.0, so_far=half_way).students
    so_far = half_way.students.set_index("student_id")["percentile"][way["student_id"]]
    assert (way["on_the_way"].to_numpy() == (so_far.to_numpy() >= way["needed"])).all()


def test_the_score_of_eligibility_is_where_half_are_eligible(merit):
    score = nb.growth_targets(merit).settings["score"]
    near = merit.students[(merit.students["score"] - score).abs() < 15]
    assert 0.3 < near["eligible"].mean() < 0.7
    everybody = replace(merit, students=merit.students.assign(eligible=1))
    with pytest.raises(DataError, match="Everybody was eligible"):
        nb.growth_targets(everybody)
    with pytest.raises(DataError, match="no target 'pass'"):
        nb.growth_targets(merit, "pass")


def planted(rng, schools, effect):
    """Return growth percentiles of one school and of the others, with an effect on its scores in that school."""
    each = 600 // schools
    school = np.repeat(np.arange(schools), each)
    prior = rng.normal(12, 3, len(school))
    score = prior + rng.normal(size=len(school)) + effect * (school == 0)
    fitted = nb.fit_growth(prior[school > 0], score[school > 0])
    return fitted.percentiles(prior, score).astype(float), school


@pytest.mark.slow
@pytest.mark.parametrize("schools", [3, 6, 20])
def test_medians_cover_fifty_where_no_growth_differs(schools):
    """Over schools like these and over pupils; the binomial interval of 500 at 95 per cent is 92.7 to 96.8."""
    covered = []
    for seed in range(500):
        rng = np.random.default_rng(seed)
        found = rng.integers(1, 100, 50 * schools).astype(float)
        low, high = median_interval(found, np.repeat(np.arange(schools), 50))
        own_low, own_high = median_interval(found)
        covered.append((low <= 50 <= high, own_low <= 50 <= own_high))
    shares = np.mean(covered, axis=0)
    assert (shares > 0.915).all()
    assert shares[0] < 0.985


@pytest.mark.slow
def test_a_planted_difference_in_growth_is_found_and_none_where_there_is_none():
    nothing, something = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(40):
            rng = np.random.default_rng(seed)
            for effect, found in ((0.0, nothing), (0.5, something)):
                percentiles, school = planted(rng, 3, effect)
                low, high = median_interval(percentiles[school == 0])
                found.append(low <= (50 if effect == 0 else 69.1) <= high)
    assert np.mean(nothing) > 0.85  # the baseline of 400 students is uncertain, too
    assert np.mean(something) > 0.85
