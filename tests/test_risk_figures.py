"""Charts of risk models: what is drawn is what the tables hold, and each has its table and its words."""

import numpy as np
import pytest
from made_risk import logit, made_data

from nbanalytics.figures import (
    auc_by_horizon,
    audit_forest,
    audit_table,
    calibration_bins_table,
    calibration_plot,
    decile_bars,
    describe_auc_by_horizon,
    describe_audit_forest,
    describe_calibration_plot,
    describe_decile_bars,
    describe_lead_time_plot,
    describe_precision_at_k,
    describe_roc_plane,
    describe_value_plot,
    horizon_table,
    lead_time_plot,
    lead_time_table,
    precision_at_k,
    precision_table,
    roc_plane,
    roc_table,
    value_plot,
    value_table,
)
from nbanalytics.risk import (
    at_capacity,
    auc_by_point,
    audit,
    calibration_table,
    lead_time,
    published_aucs,
    published_flags,
    roc_curve,
    validate,
    value_of_prediction,
)

LANGUAGES = ("sv", "en")


@pytest.fixture(scope="module")
def data():
    return made_data(cohorts=range(2016, 2022))


@pytest.fixture(scope="module")
def found(data):
    return validate(data, {"logit": logit("points", "absence"), "mine <b>": logit("points")})


def same_shape(table):
    assert table.rows
    assert all(len(row) == len(table.columns) for row in table.rows)
    return table


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_roc_plane_holds_curves_and_every_flag(found, lang):
    curves, flags = found.each(roc_curve, folds="fold"), published_flags()
    drawn = roc_plane(curves, flags, lang)
    points = sum(len(trace.x) for trace in drawn.data if trace.mode == "markers")
    assert points == len(flags) == 21
    own = next(trace for trace in drawn.data if trace.line.color == "#0072b2")
    assert list(own.y) == curves.loc[curves["model"] == "logit", "tpr"].tolist()
    assert not any("<b>" in str(trace.name) for trace in drawn.data)
    assert "21" in describe_roc_plane(curves, flags, lang)
    assert len(same_shape(roc_table(curves, flags, lang)).rows) == 2 + len(flags)


def test_a_curve_over_folds_has_the_area_of_the_auc_within_folds(found):
    curves = found.each(roc_curve, folds="fold")
    compared = found.compare(draws=10).query("measure == 'auc'").set_index("model")["value"]
    for model in found.models:
        own = curves[curves["model"] == model]
        assert np.trapezoid(own["tpr"], own["fpr"]) == pytest.approx(compared[model], abs=1e-12)
        assert (np.diff(own["tpr"]) >= -1e-12).all()
        assert own[["fpr", "tpr"]].iloc[[0, -1]].to_numpy().ravel()[[0, 2, 3]].tolist() == pytest.approx([0, 1, 1])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_precision_has_a_line_with_intervals_for_each_model(found, lang):
    table = found.each(at_capacity, capacities=[0.1, 0.2], clusters="school_id", folds="fold", draws=20)
    drawn = precision_at_k(table, "precision", lang)
    own = table.query("model == 'logit' and measure == 'precision'")
    assert list(drawn.data[0].y) == own["value"].tolist()
    assert np.allclose(drawn.data[0].error_y.array, own["high"] - own["value"])
    written = same_shape(precision_table(table, "precision", lang))
    assert written.rows[0][1] in describe_precision_at_k(table, "precision", lang)
    with pytest.raises(ValueError, match="no measure 'gain'"):
        precision_at_k(table, "gain", lang)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_calibration_draws_bins_above_all_students(found, lang):
    rows = found.wide()
    table = calibration_table(rows["y"], rows["logit"])
    drawn = calibration_plot(table, rows["logit"], lang)
    assert sum(drawn.data[2].y) == len(rows)
    assert list(drawn.data[1].y) == table["observed"].tolist()
    assert list(decile_bars(table, lang).data[0].y) == table["observed"].tolist()
    assert len(same_shape(calibration_bins_table(table, lang)).rows) == len(table)
    assert describe_calibration_plot(table, rows["logit"], lang) != describe_decile_bars(table, lang)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_forest_draws_estimates_and_says_which_groups_were_refused(found, data, lang):
    table = audit(found, data, by=["sex", "newly_arrived"], crossed=True, thresholds=[0.2], draws=20).table
    drawn = audit_forest(table, "tpr", "logit", 0.2, lang=lang)
    refused = table.query("model == 'logit' and status != 'ok'")
    assert len(drawn.layout.annotations) == len(refused) > 0
    estimated = table.query("model == 'logit' and measure == 'tpr'")
    assert list(drawn.data[0].x) == estimated["value"].tolist()
    written = same_shape(audit_table(table, "tpr", "logit", 0.2, lang=lang))
    assert len(written.rows) == len(estimated) + len(refused)
    assert written.rows[-1][0] in describe_audit_forest(table, "tpr", "logit", 0.2, lang=lang)
    with pytest.raises(ValueError, match="no 'tpr' of 'logit' at the threshold"):
        audit_forest(table, "tpr", "logit", 0.7)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_value_and_lead_time(found, data, lang):
    value = value_of_prediction(found, "logit", ["mine <b>"], [0.1, 0.2], draws=20).table
    drawn = value_plot(value, lang)
    own = value[value["strategy"] == "logit"]
    assert list(drawn.data[0].y) == own["per_100_places"].tolist()
    assert len(same_shape(value_table(value, lang)).rows) == len(value)
    assert describe_value_plot(value, lang)

    lost = data.table.loc[data.table["y"] == 1, ["student_id"]].assign(lost_term="7HT")
    ahead = lead_time(found, lost, ["6VT", "7HT", "7VT"], ahead=[1], draws=20)
    assert list(lead_time_plot(ahead, lang).data[0].y) == ahead.loc[ahead["model"] == "logit", "share"].tolist()
    assert same_shape(lead_time_table(ahead, lang)).rows[0][1] in describe_lead_time_plot(ahead, lang)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_own_points_stand_at_their_horizon_among_published_ones(found, lang):
    own = auc_by_point(found, draws=10)
    assert own["horizon_years"].unique().tolist() == [3.0]  # from spring of year 6 to spring of year 9
    drawn = auc_by_horizon(own, published_aucs(), lang)
    assert list(drawn.data[-1].y) == [0.61, 0.65, 0.965]
    assert len(same_shape(horizon_table(own, published_aucs(), lang)).rows) == len(own) + 3
    assert "Psyridou" in describe_auc_by_horizon(own, published_aucs(), lang)


def test_no_two_models_have_the_same_colour_dash_and_symbol():
    from nbanalytics.figures.risk_marks import mark
    from nbanalytics.risk import RUNGS

    names = [*RUNGS, "a", "b", "c", "d"]
    assert len({mark(name, names) for name in names}) == len(names)


def test_a_measure_without_a_value_is_not_called_too_few_students(found, data):
    table = audit(found, data, by=["sex"], thresholds=[0.2], draws=5).table
    kept = table.query("model == 'logit' and measure == 'ppv'").copy()
    kept.loc[kept["group"] == "all", ["value", "low", "high"]] = np.nan
    drawn = audit_forest(kept, "ppv", "logit", 0.2, lang="en")
    assert [note.text for note in drawn.layout.annotations] == ["."]
    assert len(drawn.layout.shapes) == 0
    assert set(drawn.data[0].marker.symbol) == {"circle"}
    assert audit_table(kept, "ppv", "logit", 0.2, lang="en").rows[0][2] == "."
    with pytest.raises(ValueError, match="no group has an estimate of 'ppv'"):
        audit_forest(kept.assign(value=np.nan), "ppv", "logit", 0.2)
