"""Explanations: exact where the answer is known by hand, and the parts make the whole."""

from dataclasses import replace

import numpy as np
import pytest
from made_risk import made_data
from scipy.special import expit
from sklearn.pipeline import Pipeline

from nbanalytics.errors import DataError
from nbanalytics.risk import Boosting, Design, Logit, explain

pytestmark = pytest.mark.filterwarnings("ignore::nbanalytics.errors.EstimationWarning")


class Known:
    """A classifier whose probability is a known function of the features; it learns nothing."""

    def __init__(self, rule=None):
        self.rule = rule

    def get_params(self, deep=True):
        return {"rule": self.rule}

    def set_params(self, **params):
        self.rule = params["rule"]
        return self

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        happens = self.rule(X)
        return np.column_stack([1 - happens, happens])


@pytest.fixture(scope="module")
def data():
    return made_data(cohorts=range(2016, 2019))


@pytest.fixture(scope="module")
def logit(data):
    return Pipeline([("design", Design()), ("logit", Logit())]).fit(data.X, data.y)


def test_a_logit_is_divided_as_by_hand(data, logit):
    student = data.X.iloc[[5]]
    found = explain(logit, data, student)
    beta = dict(zip(logit[-1].terms_, logit[-1].coefficients_, strict=True))
    by_feature = found.table.set_index("feature")
    for name in ("points", "absence"):
        expected = beta[name] * (student.iloc[0][name] - data.table[name].mean())
        assert by_feature.loc[name, "log_odds"] == pytest.approx(expected, abs=1e-12)
    assert found.probability == pytest.approx(logit.predict_proba(student)[0, 1], abs=1e-12)
    means = beta["intercept"] + sum(beta[name] * data.table[name].mean() for name in ("points", "absence"))
    assert found.reference == pytest.approx(expit(means), abs=1e-12)
    assert found.table["points"].sum() == pytest.approx(100 * (found.probability - found.reference), abs=1e-9)


def test_points_are_the_integral_along_the_line_from_the_reference(data, logit):
    student = data.X.iloc[[7]]
    found = explain(logit, data, student)
    start, step = np.log(found.reference / (1 - found.reference)), found.table["log_odds"].sum()
    along = expit(start + np.linspace(0, 1, 20001) * step)
    slope = np.trapezoid(along * (1 - along), dx=1 / 20000)
    assert found.table["points"].to_numpy() == pytest.approx(100 * slope * found.table["log_odds"].to_numpy(), rel=1e-7)


def test_the_interval_of_a_logit_leaves_out_one_school(data, logit):
    student = data.X.iloc[[3]]
    found = explain(logit, data, student)
    made = logit[:-1].transform(data.X)
    fitted = logit[-1].statsmodels(made, data.y)
    row = logit[:-1].transform(student)[logit[-1].terms_[1:]].assign(intercept=1.0)[logit[-1].terms_].to_numpy()[0]
    schools, y = made["school_id"].to_numpy(), np.asarray(data.y)
    refits = [
        logit[-1].statsmodels(made[schools != school], y[schools != school]).params - fitted.params
        for school in sorted(set(schools))
    ]
    error = np.sqrt(5 / 6 * sum((row @ change.to_numpy()) ** 2 for change in refits))
    centre, t = row @ fitted.params.to_numpy(), 2.5705818366147  # qt(0.975, 5): six schools
    assert found.low == pytest.approx(expit(centre - t * error), rel=0.02)  # one Newton step is not a whole refit
    assert found.high == pytest.approx(expit(centre + t * error), rel=0.02)


def test_a_missing_value_and_its_indicator_are_one_part(data):
    table = data.table.copy()
    table.loc[::5, "absence"] = np.nan
    holed = type(data)(table, data.features, data.at, data.outcome, data.observed_at)
    model = Pipeline([("design", Design()), ("logit", Logit())]).fit(holed.X, holed.y)
    found = explain(model, holed, holed.X.iloc[[0]])
    assert sorted(found.table["feature"]) == ["absence", "points"]
    assert found.table["points"].sum() == pytest.approx(100 * (found.probability - found.reference), abs=1e-9)
    assert any("absence is missing" in line for line in found.words) or found.table["points"].abs().min() < 0.5


def test_shapley_values_of_a_sum_are_its_parts_and_of_a_product_are_shared(data):
    groups = {"points": ["points"], "absence": ["absence"]}
    student = data.X.iloc[[1]]
    x, z = student.iloc[0]["points"], student.iloc[0]["absence"]
    background = data.X.sample(100, random_state=0)
    mean_x, mean_z = background["points"].mean(), background["absence"].mean()

    sums = explain(Known(lambda X: X["points"] / 100 + X["absence"] / 100), data, student, groups, refits=0)
    shares = sums.table.set_index("feature")["points"]
    assert shares["points"] == pytest.approx(x - mean_x)
    assert shares["absence"] == pytest.approx(z - mean_z)
    assert shares["context"] == pytest.approx(0)

    product = explain(Known(lambda X: X["points"] * X["absence"] / 1000), data, student, groups, refits=0)
    both = (background["points"] * background["absence"]).mean()
    expected = ((x * mean_z - both) + (x * z - mean_x * z)) / 2 / 10
    assert product.table.set_index("feature").loc["points", "points"] == pytest.approx(expected)
    assert product.table["points"].sum() == pytest.approx(100 * (product.probability - product.reference))


def test_trees_are_divided_among_groups_with_an_interval(data):
    model = Boosting(trees=10).fit(data.X, data.y)
    found = explain(model, data, data.X.iloc[[2]], refits=6)
    assert set(found.table["feature"]) == {"points", "absence", "context"}
    assert found.table["points"].sum() == pytest.approx(100 * (found.probability - found.reference), abs=1e-9)
    assert 0 <= found.low < found.probability < found.high <= 1
    assert found.table.equals(explain(model, data, data.X.iloc[[2]], refits=2).table)


def test_words_name_no_student_and_no_colour(data, logit):
    words = " ".join(explain(logit, data, data.X.iloc[[5]]).words).lower()
    assert data.X.index[5].lower() not in words.split()
    assert "not a verdict" in words
    assert not any(colour in words for colour in ("red", "green", "yellow", "amber"))


def test_bad_questions_are_answered_in_words(data, logit):
    with pytest.raises(DataError, match="There are 2 students"):
        explain(logit, data, data.X.iloc[:2])
    model = Known(lambda X: X["points"] * 0 + 0.5)
    with pytest.raises(DataError, match="absence is in no group"):
        explain(model, data, data.X.iloc[[0]], {"a": ["points"]})
    many = {f"g{i}": [] for i in range(9)} | {"a": ["points"], "b": ["absence"]}
    with pytest.raises(DataError, match="up to 10"):
        explain(model, data, data.X.iloc[[0]], many)
    ridge = Pipeline([("design", Design()), ("logit", Logit(penalty=1.0))]).fit(data.X, data.y)
    with pytest.raises(DataError, match="no honest interval"):
        explain(ridge, data, data.X.iloc[[0]])


def test_half_samples_of_a_mean_give_its_standard_error(data):
    class Share(Known):
        def fit(self, X, y):
            share = y.mean()
            self.rule = lambda rows: np.full(len(rows), share)
            return self

    model = Share().fit(data.X, data.y)
    found = explain(model, data, data.X.iloc[[0]], {"all": ["points", "absence"]}, refits=400)
    share, n = data.y.mean(), len(data)
    half = 1.966 * np.sqrt(1 / (n * share * (1 - share)))  # qt(0.975, 399), standard error of a log odds
    width = np.log(found.high / (1 - found.high)) - np.log(found.low / (1 - found.low))
    assert width / 2 == pytest.approx(half, rel=0.1)


def test_an_indicator_among_the_features_is_not_called_a_missing_value(data):
    sex = data.table["sex"].where(np.arange(len(data)) % 10 > 0)
    asked = replace(data, table=data.table.assign(sex=sex)).with_sensitive(["sex"])
    model = Pipeline([("design", Design()), ("logit", Logit())]).fit(asked.X, asked.y)
    found = explain(model, asked, asked.X.iloc[[1]])
    assert set(found.table["feature"]) == {"points", "absence", "sex_girl", "sex_missing"}
    assert not any("is missing" in line for line in found.words)


def test_words_without_an_interval_have_no_empty_one(data):
    found = explain(Known(lambda X: X["points"] / 100), data, data.X.iloc[[1]], refits=0)
    assert "nan" not in " ".join(found.words)
    assert "of 100 students like this one, against" in found.words[0]
