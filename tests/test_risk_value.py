"""The value of a prediction, lead time, measures of hazards and the yardstick, against counts and brute force."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_risk import logit, made_data

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.risk import (
    Validation,
    hazard_measures,
    lead_time,
    published_aucs,
    published_flags,
    validate,
    value_of_prediction,
)
from nbanalytics.risk.evaluation.capacity import flag_top_within


@pytest.fixture(scope="module")
def found():
    data = made_data(students=200, schools=12)
    return validate(data, {"logit": logit("points", "absence"), "points": logit("points")})


def predictions(models, **columns):
    """Make a validation by hand from scores by model."""
    rows = pd.DataFrame({"cohort": 2021, "fold": "2021", "at": "6VT", **columns})
    table = pd.concat([rows.assign(model=name, p=scores) for name, scores in models.items()], ignore_index=True)
    points = tuple(dict.fromkeys(table["at"]))
    return Validation(table, pd.DataFrame(), {"models": tuple(models), "at": points, "outcome": "lost"})


def test_reached_students_are_those_counted_by_hand():
    y = [1, 1, 0, 0, 1, 0, 0, 0, 0, 0]
    by_hand = predictions(
        {"own": [0.9, 0.8, 0.7, 0.1, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1], "school": [0.6] * 4 + [0.2] * 6},
        student_id=range(10),
        school_id=list("AAAABBBBBB"),
        y=y,
    )
    with pytest.warns(EstimationWarning, match="With 2 schools the intervals"):
        result = value_of_prediction(by_hand, "own", ["school"], budgets=[0.2, 0.4, 0.6])
    table = result.table.set_index(["budget", "strategy"])
    assert table.loc[(0.2, "own"), ["places", "reached", "per_100_places"]].tolist() == [2, 2, 100]
    # Two places by lot among the four students of school A, two of them with the outcome.
    assert table.loc[(0.2, "school"), "reached"] == pytest.approx(1)
    assert table.loc[(0.2, "school"), "more"] == pytest.approx(50)
    assert table.loc[(0.4, "school"), "reached"] == pytest.approx(2)
    # Two of the six places are left for the six students of school B, one of them with the outcome.
    assert table.loc[(0.6, "school"), "reached"] == pytest.approx(2 + 2 / 6)
    assert table.loc[(0.6, "lot"), "reached"] == pytest.approx(0.6 * 3)
    assert table.loc[(0.2, "own"), ["more", "more_low", "more_high"]].isna().all()
    assert "Places by own against school and lot, 10 students at 6VT" in repr(result)


@given(st.lists(st.integers(1, 3), min_size=3, max_size=6), st.data())
def test_shared_places_are_the_mean_over_every_way_to_settle_ties(scores, data):
    p = np.array(scores) / 10
    places = data.draw(st.integers(1, len(p)))
    flags = flag_top_within(p, places / len(p), np.ones((1, len(p))), np.zeros(len(p)))[0]
    best = max(sum(p[list(chosen)]) for chosen in combinations(range(len(p)), places))
    ways = [chosen for chosen in combinations(range(len(p)), places) if sum(p[list(chosen)]) >= best - 1e-9]
    mean = [sum(student in chosen for chosen in ways) / len(ways) for student in range(len(p))]
    assert flags == pytest.approx(np.array(mean))


def test_every_cohort_has_its_own_places(found):
    table = value_of_prediction(found, "logit", ["points"], budgets=[0.1]).table.set_index("strategy")
    rows = found.wide()
    reached = sum(part.nlargest(20, "logit")["y"].sum() for _, part in rows.groupby("cohort"))
    assert table.loc["logit", "places"] == pytest.approx(100)
    assert table.loc["logit", "reached"] == pytest.approx(reached)
    assert table.loc["lot", "per_100_places"] == pytest.approx(100 * rows["y"].mean(), abs=1e-9)


def test_a_planted_advantage_is_found_and_none_where_there_is_none(found):
    table = value_of_prediction(found, "logit", ["points"], budgets=[0.15]).table.set_index("strategy")
    assert table.loc["lot", "more_low"] > 0
    twice = predictions(
        {name: found.wide()["logit"].to_numpy() for name in ("one", "same")},
        **{name: found.wide()[name].to_numpy() for name in ("student_id", "school_id", "y")},
    )
    same = value_of_prediction(twice, "one", ["same"]).table.query("strategy == 'same'")
    assert (same["more"] == 0).all()
    assert same[["more_low", "more_high"]].isna().all(axis=None)


def test_nobody_is_left_out_with_places_for_all(found):
    table = value_of_prediction(found, "logit", ["points"], budgets=[1.0]).table
    assert table["reached_share"].to_numpy() == pytest.approx(1)
    assert table["more"].dropna().to_numpy() == pytest.approx(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"against": ["oracle"]}, "oracle was not validated. Choose among: logit, points"),
        ({"budgets": [1.2]}, "A capacity of 1.2 is not a share"),
        ({"at": "9HT"}, "9HT was not validated"),
    ],
)
def test_what_was_not_validated_has_no_value(found, options, message):
    with pytest.raises(DataError, match=message.replace(".", r"\.")):
        value_of_prediction(found, **{"model": "logit", "against": ["points"], **options})


TERMS = ("6HT", "6VT", "7HT", "7VT", "8HT", "8VT", "9HT", "9VT")


def course():
    """Four students at three prediction points; one place for four."""
    points = ["6VT"] * 4 + ["7HT"] * 4 + ["7VT"] * 3
    return predictions(
        {"m": [0.9, 0.2, 0.1, 0.1, 0.5, 0.9, 0.1, 0.1, 0.9, 0.1, 0.1]},
        student_id=[*"abcd", *"abcd", *"acd"],
        school_id=[*"ABAB", *"ABAB", *"AAB"],
        y=0,
        at=points,
    )


def test_lead_time_is_counted_by_hand():
    lost = pd.DataFrame({"student_id": list("abcd"), "lost_term": ["8HT", "7VT", None, "8HT"]})
    with pytest.warns(EstimationWarning, match="With 2 schools the intervals"):
        table = lead_time(course(), lost, TERMS, capacity=0.25, ahead=[1, 2, 3, 4]).set_index("ahead")
    # One term ahead: a and d at 7VT (a has three quarters of a place), b at 7HT (flagged).
    assert table.loc[1, ["losses", "flagged"]].tolist() == pytest.approx([3, 1.75])
    # Two: a and d at 7HT (neither), b at 6VT (not). Three: a and d at 6VT (a flagged).
    assert table.loc[2, ["losses", "share"]].tolist() == pytest.approx([3, 0])
    assert table.loc[3, ["losses", "share"]].tolist() == pytest.approx([2, 0.5])
    assert table.loc[4, "losses"] == 0
    assert np.isnan(table.loc[4, "share"])


def test_lead_time_takes_losses_of_any_engine():
    import duckdb

    lost = pd.DataFrame({"student_id": list("abcd"), "lost_term": ["8HT", "7VT", None, "8HT"]})
    relation = duckdb.from_df(lost)
    with pytest.warns(EstimationWarning, match="With 2 schools the intervals"):
        tables = [lead_time(course(), table, TERMS, capacity=0.25, ahead=[1]) for table in (lost, relation)]
    pd.testing.assert_frame_equal(*tables)


def test_a_model_without_predictions_at_the_point_is_named_with_the_point(found):
    kept = found.table[found.table["model"] == "points"]
    with pytest.raises(DataError, match="logit was not fitted at 6VT"):
        value_of_prediction(Validation(kept, found.folds, found.settings), "points", ["logit"])


def test_lead_time_takes_the_losses_of_records(karlskoga):
    from nbanalytics import losses

    lost = losses(karlskoga)
    students = lost.table["student_id"]
    n = len(students)
    event = lost.table["event"].to_numpy()
    found = predictions(
        {"knows": 0.05 + 0.9 * event},
        student_id=students.to_numpy(),
        school_id=np.arange(n) % 9,
        y=event,
        cohort=2018,
    )
    first = int((lost.table["lost_term"] == "7HT").sum())
    table = lead_time(found, lost, karlskoga.declaration.terms, capacity=event.mean(), ahead=[1])
    assert table[["losses", "share"]].to_numpy().tolist() == [[first, pytest.approx(1)]]


@pytest.mark.parametrize(
    ("lost", "terms", "message"),
    [
        (pd.DataFrame({"student_id": ["a"]}), TERMS, "no column lost_term"),
        (pd.DataFrame({"student_id": ["a"], "lost_term": ["8HT"]}), TERMS[:3], "terms: 8HT is not among them"),
        (pd.DataFrame({"student_id": ["a"], "lost_term": ["6HT"]}), TERMS, "No loss lies 1 or 2 or 4 terms after"),
        (pd.DataFrame({"student_id": ["a"], "lost_term": ["7HT"]}), TERMS[2:3], "terms: 6VT, 7VT is not among them"),
    ],
)
def test_lead_time_refuses_in_words(lost, terms, message):
    with pytest.raises(DataError, match=message):
        lead_time(course(), lost, terms)


def brute_force_hazards(duration, event, risk):
    """AUC and Brier score by period with plain loops over students and pairs."""
    staying, in_sight = 1.0, []
    for t in range(risk.shape[1] + 1):
        leave = sum(d == t and not e for d, e in zip(duration, event, strict=True))
        seen = leave + sum(d > t for d in duration)
        staying *= 1 - leave / seen if seen else 1
        in_sight.append(staying)
    found = {}
    for t in range(1, risk.shape[1] + 1):
        cases = {i: 1 / in_sight[d - 1] for i, (d, e) in enumerate(zip(duration, event, strict=True)) if e and d <= t}
        free = {
            i: 1 / in_sight[t - 1]
            for i, (d, e) in enumerate(zip(duration, event, strict=True))
            if d > t or (d == t and not e)
        }
        score = risk[:, t - 1]
        total = sum(cases.values()) * sum(free.values())
        won = sum(
            v * w * ((score[i] > score[j]) + (score[i] == score[j]) / 2)
            for i, v in cases.items()
            for j, w in free.items()
        )
        found["auc", t] = won / total if total else np.nan
        squares = [w * (1 - score[i]) ** 2 for i, w in cases.items()] + [w * score[j] ** 2 for j, w in free.items()]
        found["brier", t] = sum(squares) / len(duration) if squares else np.nan
    return found


courses = st.lists(
    st.tuples(st.integers(0, 4), st.booleans(), st.lists(st.integers(1, 9), min_size=3, max_size=3)),
    min_size=4,
    max_size=15,
)


@given(courses)
def test_measures_of_hazards_are_those_of_plain_loops(people):
    duration = np.array([d for d, _, _ in people])
    event = np.array([int(e and d > 0) for d, e, _ in people])
    risk = np.sort(np.array([scores for *_, scores in people]) / 10, axis=1)
    table = hazard_measures(duration, event, risk)
    expected = brute_force_hazards(duration, event, risk)
    for row in table.dropna(subset=["t"]).itertuples():
        assert row.value == pytest.approx(expected[row.measure, int(row.t)], nan_ok=True), (row.measure, row.t)
    briers = [value for (measure, _), value in expected.items() if measure == "brier"]
    assert table["value"].iloc[-1] == pytest.approx(np.mean(briers), nan_ok=True)


def test_without_censoring_a_period_is_an_ordinary_outcome():
    from sklearn.metrics import brier_score_loss, roc_auc_score

    rng = np.random.default_rng(4)
    duration, event = rng.integers(1, 5, 300), np.ones(300, dtype=int)
    risk = np.sort(rng.random((300, 3)), axis=1)
    table = hazard_measures(duration, event, risk).set_index(["measure", "t"])["value"]
    for t in (1, 2, 3):
        assert table["auc", t] == pytest.approx(roc_auc_score(duration <= t, risk[:, t - 1]))
        assert table["brier", t] == pytest.approx(brier_score_loss(duration <= t, risk[:, t - 1]))


def test_censoring_at_random_leaves_the_measures_where_they_were():
    rng = np.random.default_rng(6)
    n, periods = 40_000, 4
    hazard = 1 / (1 + np.exp(2 - rng.normal(0, 1, n)))
    event_at, leaves_after = rng.geometric(hazard), rng.geometric(0.15, n)
    risk = 1 - (1 - hazard[:, None]) ** np.arange(1, periods + 1)
    full = hazard_measures(np.minimum(event_at, periods), event_at <= periods, risk)
    seen = np.minimum(np.minimum(event_at, leaves_after), periods)
    censored = hazard_measures(seen, (event_at <= leaves_after) & (event_at <= periods), risk)
    assert (seen < np.minimum(event_at, periods)).mean() > 0.2
    assert censored["value"].to_numpy() == pytest.approx(full["value"].to_numpy(), abs=0.012)


def test_intervals_of_hazards_resample_schools():
    rng = np.random.default_rng(2)
    duration, event = rng.integers(1, 4, 90), rng.integers(0, 2, 90)
    risk = np.sort(rng.random((90, 3)), axis=1)
    table = hazard_measures(duration, event, risk, clusters=np.arange(90) % 9)
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()


@pytest.mark.parametrize(
    ("duration", "event", "risk", "message"),
    [
        ([1, 2], [1, 0], [[0.1]], "2 durations, 2 events and risks of shape"),
        ([1.5, 2], [1, 0], [[0.1]] * 2, "1 of 2 durations are not whole numbers"),
        ([1, 2], [1, 2], [[0.1]] * 2, "1 of 2 events are neither 0 nor 1"),
        ([0, 2], [1, 0], [[0.1]] * 2, "events happen in period 0"),
        ([1, 2], [1, 0], [[0.1], [1.1]], "outside 0 to 1"),
        ([1, 2], [1, 0], [[0.2, 0.1], [0.1, 0.2]], "1 of 2 rows of risks fall over time"),
        ([1, np.nan], [1, 0], [[0.1]] * 2, "1 of 2 durations are not whole numbers"),
    ],
)
def test_hazards_refuse_in_words(duration, event, risk, message):
    with pytest.raises(DataError, match=message):
        hazard_measures(duration, event, risk)


def test_published_flags_agree_with_themselves():
    flags = published_flags()
    hits = flags["sensitivity"] * flags["base_rate"]
    precision = hits / (hits + (1 - flags["specificity"]) * (1 - flags["base_rate"]))
    # Printed with three decimals: Bayes' rule gives the precision back to two thousandths.
    assert precision.to_numpy() == pytest.approx(flags["precision"].to_numpy(), abs=0.0025)
    assert flags["flag"].is_unique
    assert (flags["fpr"] == (1 - flags["specificity"]).round(3)).all()
    # The review's finding: growth models come closest to the corner of the ROC plane.
    corner = np.hypot(flags["fpr"], 1 - flags["sensitivity"])
    assert flags.loc[corner.nsmallest(3).index, "kind"].tolist() == ["growth model"] * 3


def test_published_aucs_fall_with_the_horizon():
    aucs = published_aucs().sort_values("horizon_years")
    assert aucs["auc"].tolist() == [0.965, 0.65, 0.61]
    assert aucs["source"].str.len().min() > 10


def test_in_one_school_students_vary():
    y = [1, 1, 0, 0, 1, 0, 0, 0, 0, 0]
    alone = predictions(
        {"own": [0.9, 0.8, 0.7, 0.1, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1], "lotless": [0.5] * 10},
        student_id=range(10),
        school_id="S1",
        y=y,
    )
    with pytest.warns(EstimationWarning, match="With 1 school the intervals"):
        table = value_of_prediction(alone, "own", ["lotless"], budgets=[0.4]).table
    assert (table["low"] < table["high"]).all()
    lost = pd.DataFrame({"student_id": range(10), "lost_term": ["7VT" if case else None for case in y]})
    with pytest.warns(EstimationWarning, match="With 1 school the intervals"):
        ahead = lead_time(alone, lost, TERMS, capacity=0.2, ahead=[2])
    # Equal scores share the places, whoever is left out.
    assert (ahead["low"] < ahead["high"]).tolist() == [True, False]
    risk = np.sort(np.random.default_rng(1).random((40, 2)), axis=1)
    with pytest.warns(EstimationWarning, match="With 1 school the intervals"):
        hazards = hazard_measures(np.arange(40) % 2 + 1, np.arange(40) % 3 > 0, risk, clusters=["S1"] * 40)
    assert (hazards["low"] < hazards["high"]).all()


def test_places_that_all_reach_somebody_are_no_certainty():
    from nbanalytics.intervals import score_interval

    sure = predictions(
        {"own": np.linspace(0.9, 0.1, 60), "other": [0.5] * 60},
        student_id=range(60),
        school_id=np.arange(60) % 6,
        y=[1] * 20 + [0] * 40,
    )
    table = value_of_prediction(sure, "own", ["other"], budgets=[0.1]).table.set_index("strategy")
    assert table.loc["own", "per_100_places"] == 100
    by_t = [100 * bound for bound in score_interval(1.0, 6, freedom=5)]
    assert table.loc["own", ["low", "high"]].tolist() == pytest.approx(by_t)
