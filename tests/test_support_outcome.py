"""Supported students beside others alike: planted effects come back, and none where none was planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nbanalytics.errors import DataError
from nbanalytics.records import StudentRecords
from nbanalytics.support import e_value, e_value_of_difference, support_outcome
from nbanalytics.support.outcome import balance, chance_of_support, design, overlap_weights

SUBJECTS = ("SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK")
GRADES = np.array(list("FEDCBA"))
POINTS = np.array([0, 10, 12.5, 15, 17.5, 20])


def planted(rng, n, absence_effect, points_effect):
    """Students whose support depends on absence, grades and sex before, which also decide what comes after.

    The effects are in the units of the outcomes: percentage points, and (all subjects alike) grade steps.
    """
    ids = np.array([f"P{number}" for number in range(n)])
    girl = rng.random(n) < 0.5
    strength = rng.normal(2.6, 1.0, n)
    absence = np.clip(14 - 2.5 * (strength - 2.6) + rng.normal(0, 4, n), 0, 60)
    before = steps(strength[:, None] + rng.normal(0, 0.7, (n, len(SUBJECTS))))
    need = 0.22 * (absence - 14) - 0.35 * (POINTS[before].mean(axis=1) - 13) + 0.5 * ~girl - 0.9
    chance = 1 / (1 + np.exp(-need))
    supported = rng.random(n) < chance
    later = 4 + 0.7 * absence - 1.5 * girl + absence_effect * supported + rng.normal(0, 3.5, n)
    own = 0.8 * before.mean(axis=1)[:, None] - 0.03 * (absence - 14)[:, None] + 0.1 * girl[:, None] + 0.6
    after = steps(own + points_effect * supported[:, None] + rng.normal(0, 0.7, (n, len(SUBJECTS))))
    grades = [
        pd.DataFrame(
            {
                "student_id": np.repeat(ids, 8),
                "term": term,
                "subject": np.tile(SUBJECTS, n),
                "grade": GRADES[codes].ravel(),
            }
        )
        for term, codes in (("7VT", before), ("8VT", after))
    ]
    attendance = pd.DataFrame(
        {
            "student_id": np.tile(ids, 2),
            "term": np.repeat(["7VT", "8VT"], n),
            "valid": np.concatenate([absence, np.clip(later, 0, 100)]),
            "invalid": 0.0,
        }
    )
    begun = pd.DataFrame(
        {
            "student_id": ids[supported],
            "kind": "coach",
            "level": "indicated",
            "start": "2016-09-01",
            "end": "2017-06-01",
        }
    )
    students = pd.DataFrame({"student_id": ids, "cohort": 2018, "sex": np.where(girl, "girl", "boy")})
    students = students.assign(true_chance=chance)
    return StudentRecords(students, pd.concat(grades, ignore_index=True), absence=attendance, support=begun)


def steps(latent):
    return np.clip(np.round(latent), 0, 5).astype(int)


def estimates(seeds, absence_effect, points_effect, n=500):
    found = []
    for seed in seeds:
        records = planted(np.random.default_rng(seed), n, absence_effect, points_effect)
        found.append(support_outcome(records, "7VT", "8VT").table.set_index("outcome"))
    return found


def test_the_crude_difference_misleads_and_the_fair_one_does_not():
    """Support lowers absence by 2 percentage points; those who get it would have seen it fall anyway (regression)."""
    found = estimates(range(12), absence_effect=-2.0, points_effect=0.0)
    crude = np.mean([table.loc["absence", "crude"] for table in found])
    fair = np.mean([table.loc["absence", "effect"] for table in found])
    assert crude < -2.7
    assert abs(fair + 2.0) < 0.25


@pytest.mark.slow
@pytest.mark.parametrize("effect_sd", [0.0, -0.4])
def test_planted_effects_on_absence_come_back(effect_sd):
    """Bias under 0.05 SD over 200 runs, an interval that holds the truth about 95 times of 100."""
    units = effect_sd * 4.7
    found = [table.loc["absence"] for table in estimates(range(200), absence_effect=units, points_effect=0.0)]
    spread = np.array([row["effect"] / row["effect_sd"] for row in found])
    bias = np.mean([(row["effect"] - units) for row in found] / spread)
    holds = np.mean([row["low"] <= units <= row["high"] for row in found])
    assert abs(bias) < 0.05
    assert 0.90 <= holds <= 0.99


@pytest.mark.slow
def test_no_effect_on_grades_where_none_was_planted():
    found = [table.loc["points"] for table in estimates(range(200), absence_effect=0.0, points_effect=0.0)]
    assert abs(np.mean([row["effect_sd"] for row in found])) < 0.05
    assert 0.90 <= np.mean([row["low"] <= 0 <= row["high"] for row in found]) <= 0.99


@pytest.mark.slow
def test_a_planted_effect_on_grades_comes_back():
    """A grade step is worth more below E, so gains differ; the truth is their mean in the population that the overlap
    weights speak of: each supported student's own gain over the same draw without support, weighted by the true chance
    of no support.
    """
    assert abs(np.mean([bias_on_grades(seed) for seed in range(200)])) < 0.05


def bias_on_grades(seed):
    """Estimate minus truth, in standard deviations."""
    with_it, without = (planted(np.random.default_rng(seed), 500, 0.0, effect) for effect in (0.4, 0.0))
    row = support_outcome(with_it, "7VT", "8VT").table.set_index("outcome").loc["points"]
    worth = dict(zip(GRADES, POINTS, strict=True))
    after, otherwise = (
        records.grades.query("term == '8VT'").set_index("student_id")["grade"].map(worth).groupby(level=0).mean()
        for records in (with_it, without)
    )
    supported = with_it.students.set_index("student_id").loc[with_it.support["student_id"]]
    gain = (after - otherwise).loc[supported.index]
    truth = np.average(gain, weights=1 - supported["true_chance"])
    return (row["effect"] - truth) * row["effect_sd"] / row["effect"]


def test_the_groups_are_alike_after_weighting():
    records = planted(np.random.default_rng(5), 800, 0.0, 0.0)
    found = support_outcome(records, "7VT", "8VT")
    before, after = (found.balance[name].abs() for name in ("before", "after"))
    assert before.max() > 0.5
    assert after.max() < 0.001  # overlap weights balance means exactly


def test_the_sample_has_no_effect_of_support(sample):
    """The simulator gives support by what is known in spring, and nothing follows from it."""
    every = support_outcome(sample, "7VT", "8VT")
    assert every.table["effect_sd"].abs().max() < 0.05
    assert every.balance["after"].abs().max() < 0.1
    coach = support_outcome(sample, "7VT", "8VT", kinds=["youth_coach"]).table
    assert ((coach["low"] <= 0) & (coach["high"] >= 0)).all()
    assert (coach["e_value_limit"] == 1).all()


def test_words_promise_no_cause(sample):
    found = support_outcome(sample, "7VT", "8VT")
    text = found.reading("en")
    assert "This is not an experiment" in text
    assert "can be distinguished from chance" in text
    planted_text = support_outcome(planted(np.random.default_rng(3), 900, -6.0, 0.0), "7VT", "8VT").reading("en")
    assert "percentage points lower than similar students" in planted_text
    for word in ("because of the support", "caused", "thanks to", "effective"):
        assert word not in text + planted_text
    absence = found.table.set_index("outcome").loc["absence"]
    swedish = found.reading()
    assert "Det här är inget experiment" in swedish
    assert f"{absence['high']:.2f}".replace(".", ",") in swedish


# ------------------------------------------------------------------ parts with oracles from outside


def test_chances_are_those_of_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(7)
    x = rng.normal(size=(400, 3)) * [1, 5, 0.2]
    y = rng.random(400) < 1 / (1 + np.exp(-(x @ [0.5, -0.2, 2.0] - 0.4)))
    expected = sm.Logit(y.astype(float), sm.add_constant(x)).fit(disp=0).predict()
    np.testing.assert_allclose(chance_of_support(x, y), expected, atol=2e-5)


def test_the_effect_and_its_error_are_those_of_statsmodels():
    import statsmodels.api as sm

    from nbanalytics.support.outcome import effect_of_support

    rng = np.random.default_rng(8)
    x = rng.normal(size=(300, 2))
    supported = rng.random(300) < 0.4
    outcome = x @ [1.0, 2.0] + 0.7 * supported + rng.normal(size=300)
    weight = overlap_weights(x, supported)
    fit = sm.WLS(outcome, np.column_stack([np.ones(300), supported, x]), weights=weight).fit(cov_type="HC1")
    np.testing.assert_allclose(effect_of_support(outcome, x, supported, weight), (fit.params[1], fit.bse[1]), rtol=1e-8)


def test_e_values_of_the_paper():
    """VanderWeele and Ding 2017: a risk ratio of 3.9 (1.8 to 8.7) has E-values 7.26 and 3.0."""
    assert round(e_value(3.9), 2) == 7.26
    assert round(e_value(1.8), 2) == 3.0
    assert e_value(1.0) == 1.0
    assert e_value(1 / 3.9) == pytest.approx(e_value(3.9))
    assert e_value_of_difference(-0.5, -0.7, -0.3) == e_value_of_difference(0.5, 0.3, 0.7)
    assert e_value_of_difference(0.2, -0.1, 0.5)[1] == 1.0


def test_what_is_missing_is_marked_and_what_does_not_vary_is_left_out():
    known = pd.DataFrame(
        {"a": [1.0, np.nan, 3.0, 2.0], "b": 5.0, "c": ["x", "y", None, "y"], "d": [True, True, False, False]}
    )
    table = design(known)
    assert list(table.columns) == ["a", "a unknown", "c x", "c y", "d True"]
    assert table["a"].tolist() == [1.0, 2.0, 3.0, 2.0]
    assert table["a unknown"].tolist() == [0.0, 1.0, 0.0, 0.0]


def test_balance_by_hand():
    supported = np.array([True, True, False, False])
    table = balance(pd.DataFrame({"x": [1.0, 3.0, 0.0, 2.0]}), supported, np.array([0.5, 0.5, 0.0, 1.0]))
    row = table.iloc[0]
    assert (row["supported"], row["others"]) == (2.0, 1.0)
    assert row["before"] == pytest.approx(1 / np.sqrt(2))  # both variances are 2
    assert row["after"] == 0.0


# ------------------------------------------------------------------ who is compared


def test_who_is_supported_and_who_is_left_out():
    records = planted(np.random.default_rng(2), 200, 0.0, 0.0)
    first = support_outcome(records, "7VT", "8VT")
    assert first.students == len(records.support)
    others = sorted(set(records.students["student_id"]) - set(records.support["student_id"]))
    more = pd.DataFrame(
        {
            "student_id": others[:4],
            "kind": ["coach", "plan", "coach", "homework"],
            "level": ["indicated", "selective", "indicated", "universal"],
            "start": [
                "2016-03-01",
                "2016-09-01",
                "2017-02-01",
                "2016-09-01",
            ],  # going on; another kind; too late; universal
            "end": None,
        }
    )
    both = pd.concat([records.support, more], ignore_index=True)
    found = support_outcome(replace(records, support=both), "7VT", "8VT", kinds=["coach"])
    assert found.students == first.students
    assert found.left_out["other_support"] == 3
    assert found.table.loc[0, "others"] == first.table.loc[0, "others"] - 3


def test_unknown_outcomes_are_counted_not_guessed():
    records = planted(np.random.default_rng(2), 200, 0.0, 0.0)
    gaps = records.absence.assign(valid=records.absence["valid"].mask(records.absence.index >= 390))
    found = support_outcome(replace(records, absence=gaps), "7VT", "8VT")
    assert found.left_out["unknown, absence"] == 10
    assert found.left_out["unknown, points"] == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"before": "8VT", "after": "7VT"}, "Swap them"),
        ({"before": "7VT", "after": "10VT"}, "not both terms"),
        ({"before": "7VT", "after": "8HT"}, "8HT follows directly after 7VT: no support can begin"),
        ({"before": "7VT", "after": "8VT", "kinds": ["cooch"]}, "no support of kind cooch"),
        ({"before": "7VT", "after": "8VT", "min_students": 500}, "fewer than 500 on a side"),
    ],
)
def test_what_cannot_be_compared(settings, words):
    records = planted(np.random.default_rng(2), 100, 0.0, 0.0)
    with pytest.raises(DataError, match=words):
        support_outcome(records, **settings)
