"""Charts of risk models: what is drawn is what the tables hold, and each has its table and its words."""

import numpy as np
import pytest
from made_risk import logit, made_data
from test_figures import checked_by_plotly

from nbanalytics.figures import (
    auc_by_horizon,
    audit_forest,
    calibration_plot,
    decile_bars,
    lead_time_plot,
    precision_at_k,
    roc_plane,
    value_plot,
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
from nbanalytics.text import Words

LANGUAGES = [Words("sv"), Words("en")]


@pytest.fixture(scope="module")
def data():
    return made_data(cohorts=range(2016, 2022))


@pytest.fixture(scope="module")
def found(data):
    return validate(data, {"logit": logit("points", "absence"), "mine <b>": logit("points")})


def same_shape(chart):
    """The chart's table, whose rows are as long as its heads; and what is sent is what plotly has checked."""
    assert chart.table.rows
    assert all(len(row) == len(chart.table.columns) for row in chart.table.rows)
    assert chart.plain() == checked_by_plotly(chart)
    return chart.table


@pytest.mark.parametrize("words", LANGUAGES, ids=lambda words: words.lang)
def test_the_roc_plane_holds_curves_and_every_flag(found, words):
    curves, flags = found.each(roc_curve, folds="fold"), published_flags()
    chart = roc_plane(curves, flags, words)
    drawn = chart.figure()
    points = sum(len(trace.x) for trace in drawn.data if trace.mode == "markers")
    assert points == len(flags) == 21
    own = next(trace for trace in drawn.data if trace.line.color == "#0072b2")
    assert list(own.y) == curves.loc[curves["model"] == "logit", "tpr"].tolist()
    assert not any("<b>" in str(trace.name) for trace in drawn.data)
    assert "21" in chart.alt
    assert len(same_shape(chart).rows) == 2 + len(flags)


def test_a_curve_over_folds_has_the_area_of_the_auc_within_folds(found):
    curves = found.each(roc_curve, folds="fold")
    compared = found.compare().query("measure == 'auc'").set_index("model")["value"]
    for model in found.models:
        own = curves[curves["model"] == model]
        assert np.trapezoid(own["tpr"], own["fpr"]) == pytest.approx(compared[model], abs=1e-12)
        assert (np.diff(own["tpr"]) >= -1e-12).all()
        assert own[["fpr", "tpr"]].iloc[[0, -1]].to_numpy().ravel()[[0, 2, 3]].tolist() == pytest.approx([0, 1, 1])


@pytest.mark.parametrize("words", LANGUAGES, ids=lambda words: words.lang)
def test_precision_has_a_line_with_intervals_for_each_model(found, words):
    table = found.each(at_capacity, capacities=[0.1, 0.2], clusters="school_id", folds="fold")
    chart = precision_at_k(table, "precision", words)
    drawn = chart.figure()
    own = table.query("model == 'logit' and measure == 'precision'")
    assert list(drawn.data[0].y) == own["value"].tolist()
    assert np.allclose(drawn.data[0].error_y.array, own["high"] - own["value"])
    assert same_shape(chart).rows[0][1] in chart.alt
    with pytest.raises(ValueError, match="no measure 'gain'"):
        precision_at_k(table, "gain", words)


@pytest.mark.parametrize("words", LANGUAGES, ids=lambda words: words.lang)
def test_calibration_draws_bins_above_all_students(found, words):
    rows = found.wide()
    table = calibration_table(rows["y"], rows["logit"])
    chart, deciles = calibration_plot(table, rows["logit"], words), decile_bars(table, words)
    drawn = chart.figure()
    assert sum(drawn.data[2].y) == len(rows)
    assert list(drawn.data[1].y) == table["observed"].tolist()
    assert deciles.drawing["data"][0]["y"] == table["observed"].tolist()
    assert len(same_shape(chart).rows) == len(same_shape(deciles).rows) == len(table)
    assert chart.alt != deciles.alt


@pytest.mark.parametrize("words", LANGUAGES, ids=lambda words: words.lang)
def test_the_forest_draws_estimates_and_says_which_groups_were_refused(found, data, words):
    table = audit(found, data, by=["sex", "newly_arrived"], crossed=True, thresholds=[0.2]).table
    chart = audit_forest(table, "tpr", "logit", 0.2, words=words)
    drawn = chart.figure()
    refused = table.query("model == 'logit' and status != 'ok'")
    assert len(drawn.layout.annotations) == len(refused) > 0
    estimated = table.query("model == 'logit' and measure == 'tpr'")
    assert list(drawn.data[0].x) == estimated["value"].tolist()
    written = same_shape(chart)
    assert len(written.rows) == len(estimated) + len(refused)
    assert written.rows[-1][0] in chart.alt
    with pytest.raises(ValueError, match="no 'tpr' of 'logit' at the threshold"):
        audit_forest(table, "tpr", "logit", 0.7)


@pytest.mark.parametrize("words", LANGUAGES, ids=lambda words: words.lang)
def test_value_and_lead_time(found, data, words):
    value = value_of_prediction(found, "logit", ["mine <b>"], [0.1, 0.2]).table
    chart = value_plot(value, words)
    own = value[value["strategy"] == "logit"]
    assert chart.drawing["data"][0]["y"] == own["per_100_places"].tolist()
    assert len(same_shape(chart).rows) == len(value)
    assert chart.alt

    lost = data.table.loc[data.table["y"] == 1, ["student_id"]].assign(lost_term="7HT")
    ahead = lead_time(found, lost, ["6VT", "7HT", "7VT"], ahead=[1])
    chart = lead_time_plot(ahead, words)
    assert chart.drawing["data"][0]["y"] == ahead.loc[ahead["model"] == "logit", "share"].tolist()
    assert same_shape(chart).rows[0][1] in chart.alt


@pytest.mark.parametrize("words", LANGUAGES, ids=lambda words: words.lang)
def test_own_points_stand_at_their_horizon_among_published_ones(found, words):
    own = auc_by_point(found)
    assert own["horizon_years"].unique().tolist() == [3.0]  # from spring of year 6 to spring of year 9
    chart = auc_by_horizon(own, published_aucs(), words)
    assert chart.drawing["data"][-1]["y"] == [0.61, 0.65, 0.965]
    assert len(same_shape(chart).rows) == len(own) + 3
    assert "Psyridou" in chart.alt


def test_no_two_models_have_the_same_colour_dash_and_symbol():
    from nbanalytics.figures.risk import mark
    from nbanalytics.risk import RUNGS

    names = [*RUNGS, "a", "b", "c", "d"]
    assert len({mark(name, names) for name in names}) == len(names)


def test_a_measure_without_a_value_is_not_called_too_few_students(found, data):
    table = audit(found, data, by=["sex"], thresholds=[0.2]).table
    kept = table.query("model == 'logit' and measure == 'ppv'").copy()
    kept.loc[kept["group"] == "all", ["value", "low", "high"]] = np.nan
    chart = audit_forest(kept, "ppv", "logit", 0.2)
    drawn = chart.figure()
    assert [note.text for note in drawn.layout.annotations] == ["."]
    assert len(drawn.layout.shapes) == 0
    assert set(drawn.data[0].marker.symbol) == {"circle"}
    assert chart.table.rows[0][2] == "."
    with pytest.raises(ValueError, match="no group has an estimate of 'ppv'"):
        audit_forest(kept.assign(value=np.nan), "ppv", "logit", 0.2)
