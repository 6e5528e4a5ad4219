"""Plausible mistakes with risk models: each is answered in words, and none by a number that means nothing."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made import municipality
from made_risk import logit, made_data
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

import nbanalytics.risk
from nbanalytics.errors import DataError
from nbanalytics.risk import (
    AbcRule,
    CompetingHazards,
    Design,
    Hazard,
    Logit,
    MixedLogit,
    OwnFeature,
    PriorGrade,
    SchoolRate,
    audit,
    calibration_table,
    compare_auc,
    compare_models,
    expand,
    feature_aucs,
    features,
    measures,
    model_card,
    net_benefit_curve,
    roc_curve,
    validate,
    with_and_without,
)

Y = [0, 0, 1, 0, 1, 0, 1, 1, 0, 1]
P = [0.1, 0.2, 0.3, 0.3, 0.4, 0.4, 0.6, 0.7, 0.7, 0.9]


@pytest.fixture(scope="module")
def data():
    return made_data(cohorts=range(2016, 2021), students=100)


@pytest.fixture(scope="module")
def found(data):
    return validate(data, {"logit": logit("points", "absence"), "points": logit("points")})


def table_for_models(n=60):
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"school_id": np.repeat(list("ABC"), n // 3), "x": rng.standard_normal(n)})
    return X, (rng.random(n) < 0.4).astype(int)


# ------------------------------------------------------------------ scores


@pytest.mark.parametrize("level", [95, 1.0, 0.0])
@pytest.mark.parametrize(
    "measure",
    [
        lambda level: measures(Y, P, level=level),
        lambda level: compare_models(Y, {"a": P, "b": P[::-1]}, level=level),
        lambda level: compare_auc(Y, {"a": P, "b": P[::-1]}, level=level),
        lambda level: calibration_table(Y, P, level=level),
        lambda level: Logit().fit(*table_for_models()).coefficients(level, errors="model"),
    ],
)
def test_a_level_is_a_share(measure, level):
    with pytest.raises(DataError, match=rf"A confidence level of {level:g} is not between 0 and 1.*such as 0\.95"):
        measure(level)


def test_scores_cannot_be_weighed_or_compared_without_anything_to_weigh():
    with pytest.raises(DataError, match="Choose thresholds below 1"):
        net_benefit_curve(Y, P, [0.2, 1.0])
    with pytest.raises(DataError, match="folds: none holds students with and students without"):
        roc_curve([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], folds=list("aabb"))
    with pytest.raises(DataError, match="groups has 2 dimensions"):
        measures(Y, P, groups=pd.DataFrame({"a": Y, "b": Y}))


# ------------------------------------------------------------------ data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns=["school_id", "points"]), "no column school_id, points. It has: student_id"),
        (lambda table: table.assign(y=np.nan), "500 of 500 outcomes are neither 0 nor 1"),
        (lambda table: pd.concat([table, table.tail(3)]), "3 of 503 students come twice"),
        (lambda table: table.assign(school_id=table["school_id"].where(table["y"] == 0)), "students have no school"),
        (lambda table: table.to_dict("list"), "not a pandas table"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_at_once(data, change, message):
    with pytest.raises(DataError, match=message) as refused:
        replace(data, table=change(data.table))
    assert "P4" not in str(refused.value)


def test_a_feature_of_words_is_named(data):
    with pytest.raises(DataError, match="points has values that are not numbers"):
        feature_aucs(replace(data, table=data.table.assign(points="good")))


def own(name, values):
    return features(municipality(), "6VT", families=["grades"], own=[OwnFeature(name, values, known="6VT")])


STUDENTS = municipality().students["student_id"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pd.Series(1.0, index=[*STUDENTS, *STUDENTS]), r"'own' has 60 students twice"),
        (pd.Series("high", index=STUDENTS), "'own' has values that are not numbers"),
        (lambda records: records.students, "'own' is not a pandas Series"),
        (pd.Series(np.arange(60.0)), r"'own' has a value of none of the \d+ students in school in 6VT"),
    ],
)
def test_an_own_feature_is_one_number_by_student(values, message):
    with pytest.raises(DataError, match=message):
        own("own", values)


@pytest.mark.parametrize("name", ["mean_points", "school_id", "y", "reason", "sex", "parents_education"])
def test_the_name_of_an_own_feature_is_its_own(name):
    with pytest.raises(DataError, match=rf"The name of the feature '{name}' is taken"):
        own(name, pd.Series(1.0, index=STUDENTS))


def test_an_own_feature_may_be_a_mapping():
    assert own("own", dict.fromkeys(STUDENTS, 2.0)).table["own"].unique().tolist() == [2.0]


def test_a_subject_that_does_not_exist_is_no_column_of_missing_values():
    with pytest.raises(DataError, match="There is no subject Ma, XX"):
        features(municipality(), "6VT", families=["subjects"], subjects=["Ma", "XX", "EN"])


def test_one_name_may_stand_for_a_list_of_one(data, found):
    from nbanalytics.risk import ladder, value_of_prediction

    known = features(municipality(), "6VT", families="subjects", subjects="MA")
    assert known.features == ("points_MA", "failed_MA", "streck_MA")
    assert list(ladder(data, "logit")) == ["logit"]
    assert data.with_features("points").features == ("points",)
    assert value_of_prediction(found, "logit", "points", [0.1]).settings["against"] == ("points",)
    assert audit(found, data, by="sex", models="points").settings["by"] == ("sex",)


# ------------------------------------------------------------------ models


def test_models_want_numbers_in_a_table_with_names():
    X, y = table_for_models()
    for model in (Design(), Logit(), MixedLogit(), SchoolRate()):
        with pytest.raises(DataError, match="X is not a pandas table"):
            model.fit(X[["x"]].to_numpy(), y)
    for model in (Design(), Logit()):
        with pytest.raises(DataError, match="not numbers in word"):
            model.fit(X.assign(word="good"), y)
    with pytest.raises(DataError, match="y has values that are not numbers"):
        Logit().fit(X, np.where(y == 1, "yes", "no"))
    with pytest.raises(DataError, match="X has no column x, which the model was fitted with"):
        Logit().fit(X, y).predict_proba(X[["school_id"]])
    with pytest.raises(DataError, match="not numbers in x"):
        PriorGrade("x").fit(X.assign(x="good"), y)
    with pytest.raises(DataError, match="X has no column school_id"):
        MixedLogit().fit(X, y).predict_proba(X[["x"]])
    assert Design(columns="x").fit(X).columns_ == ["x"]


@pytest.mark.parametrize("model", [Logit(), MixedLogit()])
def test_a_row_without_a_school_is_told(model):
    X, y = table_for_models()
    with pytest.raises(DataError, match="20 of 60 rows of X have no school"):
        model.fit(X.assign(school_id=X["school_id"].where(X["school_id"] != "B")), y)


def test_a_rule_does_not_take_one_column_for_another():
    X = pd.DataFrame({"absence_total": [2.0, 15.0, 30.0, 4.0], "failed_MA": [0.0, 0.0, 1.0, 0.0]})
    model = AbcRule().fit(X, [0, 0, 1, 0])
    with pytest.raises(DataError, match="X has no column absence_total"):
        model.predict_proba(X[["failed_MA"]])


def test_person_periods_that_are_none():
    X = pd.DataFrame({"t": [1.0, 2.0, np.nan, 0.5]})
    with pytest.raises(DataError, match="t is not a whole number from 1 on in 2 of 4"):
        Hazard().fit(X, [1, 0, 0, 0])
    with pytest.raises(DataError, match=r"with 'left'\. Give how each person-period ended: none, lost"):
        CompetingHazards().fit(pd.DataFrame({"t": [1, 1]}), ["left", "none"])
    with pytest.raises(DataError, match="X has 2 rows and exit has 1"):
        CompetingHazards().fit(pd.DataFrame({"t": [1, 1]}), ["none"])
    periods = pd.DataFrame({"student_id": ["P1"], "t": [1], "exit": ["none"]})
    with pytest.raises(DataError, match="periods has no column t, exit"):
        expand(pd.DataFrame({"x": [1.0]}), periods[["student_id"]])
    with pytest.raises(DataError, match="None of the students of X has a person-period"):
        expand(pd.DataFrame({"x": [1.0]}), periods)


def test_chances_of_leaving_never_come_to_more_than_one():
    model = CompetingHazards()
    model.last_step_, model.causes_ = 1, dict.fromkeys(("moved", "unknown", "lost"))
    chances = {"moved": 0.9, "unknown": 0.3, "lost": 0.2}
    model._hazard = lambda cause, X, step: np.full(len(X), chances[cause])
    found = model.cumulative_incidence(pd.DataFrame(index=["P1"]))
    assert found[["lost", "moved", "unknown", "stays"]].to_numpy()[0] == pytest.approx([0, 0.75, 0.25, 0])


# ------------------------------------------------------------------ validation, audit, card


class Flat(BaseEstimator):
    """Gives one number for each student and not two."""

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return np.full(len(X), 0.5)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (logit("points"), "models is one estimator. Give models by name"),
        ({"bare": LogisticRegression()}, "The model bare fails in the fold 2019 at 6VT: .* pipeline with Design"),
        ({"svc": LinearSVC()}, "The model svc fails in the fold 2019"),
        ({"flat": Flat()}, "The model flat fails in the fold 2019"),
        ({"cohort": logit("points")}, "A model is called cohort, as a column of predictions is"),
    ],
)
def test_estimators_that_cannot_do_it_are_named(data, models, message):
    with pytest.raises(DataError, match=message) as refused:
        validate(data, models)
    assert not re.search(r"\bS\d", str(refused.value))


def test_models_want_penalties_and_errors_that_there_are():
    X, y = table_for_models()
    with pytest.raises(DataError, match="A penalty of -1 would reward large coefficients"):
        Logit(penalty=-1.0).fit(X, y)
    with pytest.raises(DataError, match="There are no errors 'cluster'"):
        Logit().fit(X, y).coefficients(errors="cluster")


def test_data_without_students_or_attributes_are_told(data):
    nobody = data.only(data.y > 1)
    with pytest.raises(DataError, match="There are no students to validate with"):
        validate(nobody, {"logit": logit("points")})
    with pytest.raises(DataError, match="no sensitive column to compare with and without"):
        with_and_without(replace(data, sensitive=()), lambda data: {"logit": logit(*data.features)})


def test_a_column_for_a_measure_that_is_not_there(found):
    with pytest.raises(DataError, match=r"There is no column school\. Choose among: student_id, cohort, school_id"):
        found.each(measures, clusters="school")


def test_what_the_predictions_hold_themselves_is_no_attribute_of_students(data, found):
    for name in ("y", "p"):
        with pytest.raises(DataError, match=f"There is no {name}"):
            audit(found, data.table.assign(p=0.5), by=[name])


def test_a_card_tells_of_an_audit_that_was_another(data, found):
    other = audit(found, data, by=["sex"], models=["points"], thresholds=[0.2])
    assert "not audited" in model_card(found, data, "logit", other).markdown
    with pytest.raises(DataError, match=r"no threshold of 0\.15. Choose among: 0\.2"):
        model_card(found, data, "points", other, threshold=0.15)
    bare = audit(found, data, by=["sex"], thresholds=[])
    assert "flagged from" not in model_card(found, data, "logit", bare).markdown


def test_a_library_that_is_not_installed_is_told_with_the_extra_that_has_it(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    monkeypatch.setattr("nbanalytics.risk.import_module", missing)
    with pytest.raises(ModuleNotFoundError, match=r"ladder needs sklearn, which comes with the extra 'research'"):
        nbanalytics.risk.ladder  # noqa: B018
