"""Validation in time: who learns from whom, what is refused, and a planted truth that is found again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_risk import logit, made_data
from sklearn.base import BaseEstimator, ClassifierMixin

from nbanalytics.errors import DataError, LeakageError
from nbanalytics.risk import at_capacity, feature_aucs, measures, refuse_leakage, validate, validate_hazards
from nbanalytics.risk.evaluation.auc import delong


def rows_of(X):
    """The rows of the made table that a model is given."""
    return [int(student.removeprefix("P")) for student in X.index]


class Spy(ClassifierMixin, BaseEstimator):
    """Remembers, for the class, whom it was fitted on and whom it was asked about."""

    seen: list = []  # noqa: RUF012

    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        self.fitted_ = rows_of(X)
        return self

    def predict_proba(self, X):
        Spy.seen.append((self.fitted_, rows_of(X)))
        return np.full((len(X), 2), 0.5)


@pytest.fixture
def spy():
    Spy.seen = []
    return Spy()


def test_a_cohort_is_predicted_from_cohorts_whose_outcome_was_known_when_its_features_came_to_be(spy):
    data = made_data()
    found = validate(data, {"spy": spy})
    tested = [sorted(set(data.cohorts[test])) for _, test in Spy.seen]
    learnt = [sorted(set(data.cohorts[train])) for train, _ in Spy.seen]
    # Features of 6VT are from three springs before; cohort c has its outcome in spring c.
    assert tested == [[2019], [2020], [2021], [2022], [2023]]
    assert learnt == [list(range(2016, cohort - 2)) for cohort in range(2019, 2024)]
    assert found.folds["status"].tolist()[:3] == ["no cohort had its outcome observed by then"] * 3
    assert found.folds["train_students"].tolist() == [0, 0, 0, 120, 240, 360, 480, 600]
    assert sorted(found.table["cohort"].unique()) == [2019, 2020, 2021, 2022, 2023]
    assert not found.table["student_id"].duplicated().any()


@pytest.mark.parametrize(("gap", "first"), [(0, 2017), (1, 2017), (2, 2018)])
def test_nobody_learns_from_the_own_cohort_however_short_the_horizon(spy, gap, first):
    data = made_data(gap_years=gap)
    validate(data, {"spy": spy})
    assert min(data.cohorts[test[0]] for _, test in Spy.seen) == first
    for train, test in Spy.seen:
        assert data.cohorts[train].max() <= data.cohorts[test].min() - max(gap, 1)


def test_a_school_is_predicted_from_the_others(spy):
    data = made_data()
    found = validate(data, {"spy": spy}, scheme="schools")
    assert found.folds["fold"].tolist() == [f"S{number}" for number in range(6)]
    for train, test in Spy.seen:
        assert set(data.schools[train]).isdisjoint(data.schools[test])
        assert len(train) + len(test) == len(data)
    assert len(found.table) == len(data)


def test_predictions_are_those_of_a_fit_by_hand():
    data, model = made_data(), logit("points", "absence")
    found = validate(data, {"logit": model})
    assert list(found.table.columns) == ["student_id", "cohort", "school_id", "model", "fold", "y", "p", "at"]
    train, test = data.cohorts <= 2018, data.cohorts == 2021
    by_hand = logit("points", "absence").fit(data.X[train], data.y[train]).predict_proba(data.X[test])[:, 1]
    rows = found.table[found.table["fold"] == "2021"]
    assert rows["p"].to_numpy() == pytest.approx(by_hand)
    assert rows["y"].tolist() == data.y[test].tolist()
    assert not hasattr(model, "classes_")


def test_filling_in_is_learnt_inside_the_fold():
    data = made_data()
    table = data.table.assign(points=data.table["points"].where(data.cohorts < 2021))
    found = validate(replace(data, table=table), {"logit": logit("points")})
    # Cohort 2021 has no points: filled in with the mean of the cohorts learnt from, all have the same chance.
    assert found.table.loc[found.table["fold"] == "2021", "p"].nunique() == 1


def test_a_model_that_knows_the_truth_is_calibrated_and_beats_a_school_mean():
    data = made_data(students=400)
    found = validate(data, {"logit": logit("points", "absence"), "points": logit("points")})
    rows = found.wide()
    truth = data.table.set_index("student_id")["chance"].loc[rows["student_id"]]
    best = measures(rows["y"], truth).set_index("measure")
    table = measures(rows["y"], rows["logit"]).set_index("measure")
    assert table.loc["auc", "value"] == pytest.approx(best.loc["auc", "value"], abs=0.02)
    assert best.loc["calibration_slope", "low"] < 1 < best.loc["calibration_slope", "high"]
    assert table.loc["calibration_slope", "value"] == pytest.approx(1, abs=0.15)
    compared = found.compare("points").set_index(["model", "measure"])
    assert compared.loc[("logit", "auc"), "difference_low"] > 0
    assert compared.loc[("logit", "brier"), "difference_high"] < 0


def test_several_prediction_points_come_with_their_own_features_and_gaps():
    early, late = made_data(), made_data(at="9HT", gap_years=1)
    found = validate([early, late], {"logit": logit("points")})
    assert found.settings["at"] == ("6VT", "9HT")
    assert found.table.groupby("at")["cohort"].nunique().to_dict() == {"6VT": 5, "9HT": 7}
    assert len(found.wide("9HT")) == 7 * 120
    assert found.compare()["at"].unique().tolist() == ["6VT", "9HT"]
    with pytest.raises(DataError, match="7VT was not validated"):
        found.wide("7VT")


def test_models_can_be_built_for_each_prediction_point():
    early, late = made_data(), made_data(at="9HT", gap_years=1)

    def models(data):
        more = {"late": logit("absence")} if data.at == "9HT" else {}
        return {"points": logit("points"), **more}

    found = validate([early, late], models)
    assert found.models == ("points", "late")
    assert "late" not in found.wide("6VT")
    assert "late" in found.wide("9HT")
    assert found.compare().groupby("at")["model"].unique().map(list).to_dict() == {
        "6VT": ["points"],
        "9HT": ["points", "late"],
    }


def test_a_base_rate_ranks_nobody_though_it_differs_between_folds():
    from nbanalytics.risk import BaseRate

    found = validate(made_data(), {"base_rate": BaseRate(), "points": logit("points")})
    assert found.table.loc[found.table["model"] == "base_rate", "p"].nunique() > 1
    table = found.compare().set_index(["model", "measure"])["value"]
    assert table["base_rate", "auc"] == pytest.approx(0.5)
    assert table["base_rate", "lift"] == pytest.approx(1, abs=0.02)


def test_the_result_shows_itself():
    found = validate(made_data(), {"logit": logit("points")})
    assert "Predictions of not_eligible by 1 models for 600 students in 5 left-out cohorts; 3 cohorts" in repr(found)


def planted(data, known):
    """Add a feature made of the outcome itself, said to be known in some term."""
    rng = np.random.default_rng(5)
    table = data.table.assign(summer=data.table["y"] + rng.normal(0, 0.1, len(data)))
    return replace(data, table=table, features=(*data.features, "summer"), known={**data.known, "summer": known})


def test_a_feature_from_the_future_is_caught_by_its_date():
    with pytest.raises(LeakageError, match="'summer' was known in 9VT, after the prediction point 6VT"):
        validate(planted(made_data(), "9VT"), {"logit": logit("points", "summer")})


def test_a_feature_from_the_future_with_a_false_date_is_caught_by_what_it_knows():
    data = planted(made_data(), "6VT")
    with pytest.raises(LeakageError, match=r"first summer with 1\.000: they are likely to know it"):
        validate(data, {"logit": logit("points", "summer")})
    assert feature_aucs(data)["feature"].tolist()[0] == "summer"
    turned = replace(data, table=data.table.assign(summer=-data.table["summer"]))
    with pytest.raises(LeakageError, match="summer"):
        refuse_leakage(turned)


def test_honest_features_pass_and_their_auc_is_that_of_measures():
    data = made_data()
    refuse_leakage(data)
    found = feature_aucs(data).set_index("feature")
    points = -data.table["points"].to_numpy()
    scaled = (points - points.min()) / np.ptp(points)
    expected = measures(data.y, np.clip(scaled, 0.001, 0.999)).set_index("measure").loc["auc", "value"]
    assert found.loc["points", "auc"] == pytest.approx(expected, abs=1e-3)
    assert found.loc["points", "direction"] == -1


def test_a_feature_without_a_date_is_refused():
    data = made_data()
    with pytest.raises(LeakageError, match="1 features have no term in which they were known: absence"):
        validate(replace(data, known={"points": "6VT"}), {"logit": logit("points")})
    with pytest.raises(DataError, match="said to be known in 'G1'"):
        validate(replace(data, known=dict.fromkeys(data.features, "G1")), {"logit": logit("points")})


class Refuses(Spy):
    def fit(self, X, y):
        raise DataError("Nothing to learn from.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "random"}, "a random split is not offered"),
        ({"models": {}}, "nothing to validate"),
        ({"models": {"grim": Refuses()}}, "The model grim fails in the fold 2019 at 6VT: Nothing to learn from"),
        ({"min_cases": 5000}, "None of 8 folds can be predicted .*fewer than 5000 with, or without, the outcome"),
    ],
)
def test_what_cannot_be_validated_is_refused_in_words(options, message):
    with pytest.raises(DataError, match=message):
        validate(made_data(), **{"models": {"logit": logit("points")}, **options})


def test_one_cohort_alone_cannot_be_validated_in_time():
    with pytest.raises(DataError, match="Add earlier cohorts"):
        validate(made_data(cohorts=[2020]), {"logit": logit("points")})


def test_the_same_prediction_point_twice_is_refused():
    with pytest.raises(DataError, match="the same prediction point"):
        validate([made_data(), made_data()], {"logit": logit("points")})


def test_a_school_history_is_no_feature_where_schools_are_left_out():
    data = made_data()
    table = data.table.assign(school_rate_before=0.2)
    names = (*data.features, "school_rate_before")
    data = replace(data, table=table, features=names, known=dict.fromkeys(names, "6VT"))
    assert isinstance(validate(data, {"logit": logit("points")}).table, pd.DataFrame)
    with pytest.raises(DataError, match="made of outcomes of the school that is left out"):
        validate(data, {"logit": logit("points")}, scheme="schools")


class KnowsHazards(Spy):
    """Gives everybody the share of the training students lost by each step, ranked by points."""

    def __init__(self, periods=None):
        self.periods = periods

    def fit(self, X, y):
        super().fit(X, y)
        rows = self.periods[self.periods["student_id"].isin(X.index)]
        self.hazard_ = rows.groupby("t")["event"].mean().to_numpy()
        return self

    def predict_survival(self, X):
        at_odds = np.exp(-(X["points"].to_numpy()[:, None] - 13) / 2)
        return np.cumprod(1 / (1 + self.hazard_ * at_odds), axis=1)


def with_periods(data):
    """Give each student three steps, and a loss in the second for those with the outcome."""
    rows = pd.DataFrame({"student_id": np.repeat(data.table["student_id"].to_numpy(), 3), "t": [1, 2, 3] * len(data)})
    y = np.repeat(data.y, 3)
    rows["event"] = ((y == 1) & (rows["t"] == 2)).astype(int)
    rows["exit"] = np.where(rows["event"] == 1, "lost", "none")
    return replace(data, periods=rows[(y == 0) | (rows["t"] < 3)])


def test_hazards_are_validated_on_later_cohorts():
    data = with_periods(made_data())
    found = validate_hazards(data, {"by points": KnowsHazards(data.periods)})
    assert sorted(found.predictions["cohort"].unique()) == [2019, 2020, 2021, 2022, 2023]
    table = found.table.set_index(["measure", "t"])["value"]
    rows = data.table[data.cohorts >= 2019]
    folds, y = rows["cohort"].to_numpy(), rows["y"].to_numpy(dtype=float)
    by_hand = delong(y, -rows["points"].to_numpy()[None, :], strata=folds)[0][0]
    # All losses are in the second step: the order by points is that of the risk within a fold.
    assert table["auc", 2] == pytest.approx(by_hand)
    assert np.isnan(table["auc", 1])
    assert "600 students not learnt from" in repr(found)


def test_hazards_need_an_outcome_with_a_date():
    with pytest.raises(DataError, match="has no date"):
        validate_hazards(made_data(), {"by points": KnowsHazards()})
    with pytest.raises(DataError, match="No fold can be predicted"):
        validate_hazards(with_periods(made_data(cohorts=[2020])), {"by points": KnowsHazards()})


def test_schools_left_out_have_intervals_over_schools():
    data = made_data(cohorts=range(2016, 2019))
    found = validate(data, {"logit": logit("points", "absence"), "points": logit("points")}, scheme="schools")
    table = found.compare().query("measure == 'auc'").set_index("model")
    assert (table["high"] - table["low"]).between(0.03, 0.3).all()
    assert table.loc["points", "difference_low"] < table.loc["points", "difference"] < 0
    rows = found.wide()
    pairs = won = 0.0
    for _, school in rows.groupby("school_id"):
        scores, case = school["logit"].to_numpy(), school["y"].to_numpy() == 1
        apart = np.subtract.outer(scores[case], scores[~case])
        won, pairs = won + (apart > 0).sum() + (apart == 0).sum() / 2, pairs + apart.size
    assert table.loc["logit", "value"] == pytest.approx(won / pairs, abs=1e-12)


def test_a_measure_is_applied_to_each_model_with_columns_by_name():
    data = made_data(cohorts=range(2016, 2022))
    found = validate(data, {"logit": logit("points", "absence"), "points": logit("points")})
    rows = found.wide()
    table = found.each(at_capacity, capacities=[0.1], clusters="school_id", folds="fold")
    own = at_capacity(rows["y"], rows["points"], [0.1], clusters=rows["school_id"], folds=rows["fold"])
    pd.testing.assert_frame_equal(
        table[table["model"] == "points"].drop(columns="model").reset_index(drop=True), own, check_exact=True
    )
