"""Audits: planted bias is found, none where none was planted, small groups are refused, and pairs are paired."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_risk import logit, made_data

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.risk import audit, compare_models, measures, validate, with_and_without
from nbanalytics.risk.evaluation.auc import delong_interval


@pytest.fixture(scope="module")
def fair():
    data = made_data(schools=12)
    return data, validate(data, {"logit": logit("points", "absence"), "points": logit("points")})


@pytest.fixture(scope="module")
def biased():
    data = made_data(students=500, schools=12, bias=3.0)
    return data, validate(data, {"logit": logit("points", "absence")})


def rows_of(table, group, measure, threshold=None, attribute=None):
    rows = table[(table["group"] == group) & (table["measure"] == measure)]
    rows = rows[rows["threshold"].isna() if threshold is None else rows["threshold"] == threshold]
    return (rows if attribute is None else rows[rows["attribute"] == attribute]).iloc[0]


def test_the_audit_agrees_with_the_measures_of_each_group(fair):
    data, found = fair
    table = audit(found, data, thresholds=[0.2], models=["logit"]).table
    rows = found.wide().merge(data.table[["student_id", "sex"]], on="student_id")
    expected = measures(rows["y"], rows["logit"], groups=rows["sex"], threshold=0.2, clusters=rows["school_id"])
    names = ("average_precision", "brier", "calibration_slope", "tpr", "fpr", "ppv", "false_alarms_per_100")
    for row in expected[expected["measure"].isin(names)].itertuples():
        threshold = 0.2 if row.measure in ("tpr", "fpr", "ppv", "false_alarms_per_100") else None
        audited = rows_of(table, row.group, row.measure, threshold)
        assert (audited["value"], audited["low"], audited["high"]) == pytest.approx((row.value, row.low, row.high))
    for group, part in rows.groupby("sex"):
        audited = rows_of(table, group, "auc")
        own = compare_models(part["y"], {"logit": part["logit"]}, clusters=part["school_id"], folds=part["fold"])
        expected = own[own["measure"] == "auc"].iloc[0]
        assert tuple(audited[["value", "low", "high"]]) == pytest.approx(tuple(expected[["value", "low", "high"]]))


def test_attributes_are_crossed_two_by_two_over_thresholds_and_points(fair):
    data, _ = fair
    late = made_data(at="9HT", gap_years=1)
    both = validate([data, late], {"points": logit("points")})
    table = audit(both, data, thresholds=[0.1, 0.3]).table
    assert table["at"].unique().tolist() == ["6VT", "9HT"]
    assert table["attribute"].unique().tolist() == [
        *("all", "sex", "newly_arrived", "school_id"),
        *("sex × newly_arrived", "sex × school_id", "newly_arrived × school_id"),
    ]
    assert sorted(table["threshold"].dropna().unique()) == [0.1, 0.3]
    crossed = table[table["attribute"] == "sex × newly_arrived"]["group"].unique().tolist()
    assert crossed == ["boy × no", "boy × yes", "girl × no", "girl × yes"]


def test_small_groups_are_refused_in_words_and_show_no_numbers(fair):
    data, found = fair
    result = audit(found, data, min_students=200, thresholds=[0.2])
    refused = result.refused
    assert "newly_arrived" in refused["attribute"].tolist()
    n = len(found.wide().merge(data.table.query("newly_arrived == 'yes'"), on="student_id"))
    words = refused[refused["attribute"] == "newly_arrived"]["status"].unique().tolist()
    assert words == [f"refused: {n} students, fewer than 200"]
    empty = result.table[result.table["status"] != "ok"]
    assert empty[["cases", "measure", "value", "low", "high", "difference"]].isna().all(axis=None)
    assert "refused as too small" in repr(result)


def test_groups_with_few_cases_are_refused_too(fair):
    data, found = fair
    cases = found.wide().merge(data.table.query("newly_arrived == 'yes'"), on="student_id", suffixes=("", "_x"))["y"]
    table = audit(found, data, by=["newly_arrived"], min_students=5, min_cases=int(cases.sum()) + 1).refused
    assert table["status"].unique().tolist() == [
        f"refused: {int(cases.sum())} with the outcome, fewer than {int(cases.sum()) + 1}"
    ]


def test_a_planted_bias_is_found(biased):
    data, found = biased
    table = audit(found, data, by=["sex"], thresholds=[0.2]).table
    # Boys' grades are lower than what the outcome depends on: their scores are too high, girls' too low.
    boys, girls = (rows_of(table, group, "calibration_in_the_large") for group in ("boy", "girl"))
    assert boys["high"] < 0 < girls["low"]
    assert rows_of(table, "boy", "fpr", 0.2)["difference_low"] > 0
    assert rows_of(table, "girl", "tpr", 0.2)["difference_high"] < 0


def test_nothing_is_found_where_nothing_was_planted(fair):
    data, found = fair
    # Eight intervals are looked at: each at a level that leaves all of them 96 %.
    table = audit(found, data, by=["sex"], thresholds=[0.2], models=["logit"], level=0.995).table
    compared = table[table["attribute"] == "sex"].set_index(["group", "measure"])
    for group in ("boy", "girl"):
        for name in ("fpr", "tpr", "calibration_in_the_large", "auc"):
            row = compared.loc[(group, name)]
            assert row["difference_low"] < 0 < row["difference_high"], (group, name)


def test_schools_are_compared_by_their_students(fair):
    data, found = fair
    table = audit(found, data, by=["school_id"], thresholds=[0.2], models=["logit"]).table
    row = rows_of(table, "S1", "brier")
    assert row["low"] < row["value"] < row["high"]
    rows = found.wide().query("school_id == 'S1'")
    own = rows_of(table, "S1", "auc")
    y, p = rows["y"].to_numpy(dtype=float), rows["logit"].to_numpy()
    expected = delong_interval(y, p, strata=rows["fold"].to_numpy())
    assert (own["value"], own["low"], own["high"]) == pytest.approx(expected)


def test_two_schools_are_these_schools():
    data = made_data(schools=2)
    found = validate(data, {"points": logit("points")})
    with pytest.warns(EstimationWarning, match="With 2 schools the intervals describe other pupils of these schools"):
        table = audit(found, data, by=["sex"]).table
    assert set(table["estimand"].dropna()) == {"these_schools"}
    with pytest.raises(DataError, match="Inference to schools like these is impossible from 2 schools"):
        audit(found, data, by=["sex"], estimand="schools_like_these")


def test_p_values_are_adjusted_within_a_model_and_point(fair):
    from statsmodels.stats.multitest import multipletests

    data, found = fair
    result = audit(found, data, thresholds=[0.2])
    assert "model at a prediction point" in result.settings["family"]
    for _, family in result.table.groupby(["at", "model"]):
        tested = family.dropna(subset=["p_value"])
        assert len(tested) > 50
        expected = multipletests(tested["p_value"], method="fdr_bh")[1]
        assert tested["adjusted_p"].to_numpy() == pytest.approx(expected)
        outside = (tested["difference_low"] > 0) | (tested["difference_high"] < 0)
        assert ((tested["p_value"] < 0.05) == outside).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": ["class"]}, "There is no class. Columns of students: student_id"),
        ({"models": ["oracle"]}, r"There is no oracle.*models: logit, points"),
    ],
)
def test_what_is_not_there_is_refused(fair, options, message):
    data, found = fair
    with pytest.raises(DataError, match=message):
        audit(found, data, **options)


def test_students_without_attributes_are_counted_and_never_named(fair):
    data, found = fair
    with pytest.raises(DataError, match="100 of 600 predicted students are not in the table") as refused:
        audit(found, data.table.iloc[:-100], by=["sex"])
    assert "P9" not in str(refused.value)


def models_of(data):
    return {"logit": logit(*data.features)}


def test_with_the_attribute_the_planted_bias_goes_away():
    data = made_data(students=300, bias=2.0)
    table = with_and_without(data, models_of, ["sex"], thresholds=[0.2]).table
    boys = rows_of(table, "boy", "calibration_in_the_large")
    assert abs(boys["with"]) < abs(boys["without"])
    assert boys["low"] > 0
    assert rows_of(table, "all", "auc")["low"] > 0
    assert rows_of(table, "boy", "fpr", 0.2)["high"] < 0


def test_with_an_attribute_that_says_nothing_little_changes():
    data = made_data()
    table = with_and_without(data, models_of, ["sex"], thresholds=[0.2]).table
    row = rows_of(table, "all", "auc")
    assert abs(row["difference"]) < 0.01
    assert row["low"] < 0.005
    assert table["group"].unique().tolist() == ["all", "boy", "girl"]


def test_the_comparison_is_that_of_two_validations():
    data = made_data()
    result = with_and_without(data, models_of, thresholds=[0.2])
    rows = validate(data, models_of(data)).wide()
    expected = measures(rows["y"], rows["logit"]).set_index("measure").loc["brier", "value"]
    assert rows_of(result.table, "all", "brier")["without"] == pytest.approx(expected)
    assert "sex, newly_arrived as features" in repr(result)
    refused = result.table[result.table["status"] != "ok"]
    assert set(refused["group"]) <= {"yes"}
    with pytest.raises(DataError, match="no sensitive column class"):
        with_and_without(data, models_of, ["class"])


def test_a_missing_attribute_is_a_group_of_its_own():
    data = made_data()
    table = data.table.assign(sex=data.table["sex"].where(np.arange(len(data)) % 4 > 0, None))
    data = replace(data, table=table)
    found = audit(validate(data, {"points": logit("points")}), data, by=["sex"]).table
    assert isinstance(found, pd.DataFrame)
    assert found["group"].unique().tolist() == ["all", "boy", "girl", "missing"]


def test_a_model_that_was_fitted_at_no_point_is_refused_in_words(fair):
    data, found = fair
    kept = found.table[found.table["model"] == "points"]
    half = replace(found, table=kept)
    with pytest.raises(DataError, match=r"None of logit was fitted at any prediction point\. Choose among: points"):
        audit(half, data, models=["logit"])


def test_predictions_can_be_audited_by_cohort(fair):
    data, found = fair
    table = audit(found, data, by=["cohort"], thresholds=[0.2], models=["logit"]).table
    rows = found.wide().query("cohort == 2021")
    expected = measures(rows["y"], rows["logit"], threshold=0.2).set_index("measure").loc["tpr", "value"]
    assert rows_of(table, "2021", "tpr", 0.2)["value"] == pytest.approx(expected)


def test_attributes_come_from_any_dataframe_and_numbers_meet_texts(fair):
    import polars as pl

    data, found = fair
    expected = audit(found, data, by=["sex"], models=["points"]).table
    sexes = data.table[["student_id", "sex"]]
    pd.testing.assert_frame_equal(audit(found, pl.from_pandas(sexes), by=["sex"], models=["points"]).table, expected)
    numbered = replace(found, table=found.table.assign(student_id=found.table["student_id"].str[1:]))
    students = sexes.assign(student_id=sexes["student_id"].str[1:].astype(int))
    pd.testing.assert_frame_equal(audit(numbered, students, by=["sex"], models=["points"]).table, expected)


def test_one_school_only_is_said_and_its_students_vary(fair):
    data, found = fair
    alone = replace(found, table=found.table.assign(school_id="S1"))
    with pytest.warns(EstimationWarning, match="With 1 school the intervals describe other pupils"):
        table = audit(alone, data, by=["sex"], thresholds=[0.2], models=["logit"]).table
    known = table[table["value"].notna()]
    assert (known["low"] < known["high"]).all()
    apart = table[table["attribute"] == "sex"]
    assert (apart["difference_low"] < apart["difference_high"]).all()


def test_a_group_inside_one_school_varies_by_its_students(fair):
    data, found = fair
    inside = data.table["school_id"] == "S1"
    table = audit(found, data.table.assign(course=np.where(inside, "pilot", "usual")), by=["course"]).table
    by_school = audit(found, data, by=["school_id"]).table
    assert tuple(rows_of(table, "pilot", "brier")[["low", "high"]]) == tuple(
        rows_of(by_school, "S1", "brier")[["low", "high"]]
    )


def test_false_alarms_have_the_interval_of_the_precision(fair):
    data, found = fair
    table = audit(found, data, by=["school_id"], thresholds=[0.2], models=["logit"]).table
    low, high = rows_of(table, "S1", "ppv", 0.2)[["low", "high"]]
    alarms = rows_of(table, "S1", "false_alarms_per_100", 0.2)
    assert (alarms["low"], alarms["high"]) == pytest.approx((100 * (1 - high), 100 * (1 - low)))
