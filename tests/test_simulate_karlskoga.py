"""The 2018 cohort has every count that Karlskoga published."""

from __future__ import annotations

from collections import Counter

import pytest

from nbanalytics.analysis.cohorts import classify, subgroups
from nbanalytics.simulation import simulate


def assert_karlskoga(records, truth):
    records = records.cohort(2018)
    classified = classify(records)
    divided = subgroups(records, classified)
    table = classified.table.merge(records.students, on="student_id").merge(
        records.outcomes, on="student_id", how="left"
    )
    group = Counter(table["group"])
    assert len(table) == 313
    assert (group[1] + group[2], group[3] + group[4], group[5], group[6]) == (236, 39, 15, 23)
    assert min(group.values()) > 0
    assert not table[["moved_in", "moved_out"]].notna().any(axis=None)

    low = table[table["group"].isin([3, 4])]
    assert (low["programme_kind"] == "moved").sum() == 2
    assert low["programme"].str.startswith("IM").sum() == 23
    assert low["programme_kind"].isin(["preparatory", "vocational"]).sum() == 5
    assert low["programme"].isin(["PRIV", "PREP"]).sum() == 9
    gained = Counter(table[table["group"] == 5]["programme_kind"])
    assert gained == {"preparatory": 7, "vocational": 7, "introductory": 1}

    sub = table.merge(divided.table[["student_id", "subgroup"]], on="student_id")
    assert Counter(sub["subgroup"]) == {"green": 8, "yellow": 4, "pink": 11}
    green, yellow, pink = (sub[sub["subgroup"] == colour] for colour in ("green", "yellow", "pink"))
    assert Counter(green["programme_kind"]) == {"preparatory": 3, "vocational": 5}
    assert green["eligible_after_summer"].all()
    assert set(yellow["programme"]) == {"PRIV"}
    assert yellow["changed_programme"].sum() == 2
    assert Counter(pink["sex"]) == {"boy": 8, "girl": 3}
    assert sorted(Counter(pink["school_id"]).values()) == [3, 4, 4]
    assert set(pink["programme_kind"]) == {"introductory"}
    assert (pink["change"] <= -3.5).all()
    lost = truth.set_index("student_id").loc[pink["student_id"], "lost_term"]
    assert (lost == "7HT").sum() >= 2


def test_the_sample(sample):
    assert_karlskoga(sample, simulate(cohorts=[2018]).truth)


def test_another_seed():
    simulation = simulate(seed=11, cohorts=[2018])
    assert_karlskoga(simulation.records, simulation.truth)


def test_green_have_e_and_d_and_yellow_lack_mathematics_alone(karlskoga):
    divided = subgroups(karlskoga, classify(karlskoga)).table.set_index("subgroup")["student_id"]
    last = karlskoga.grades[karlskoga.grades["term"] == "9VT"]
    green = last[last["student_id"].isin(divided["green"])]["grade"]
    assert green.isin(["E", "D"]).mean() > 0.6
    assert not (green == "A").any()
    yellow = last[last["student_id"].isin(divided["yellow"])]
    assert (yellow[yellow["subject"] == "MA"]["grade"] == "F").all() or "-" in set(yellow["grade"])
    pink = karlskoga.absence[karlskoga.absence["student_id"].isin(divided["pink"])]
    total = (pink["valid"] + pink["invalid"]).groupby(pink["term"]).mean()
    assert total["9VT"] > total["6VT"] + 10


def test_some_of_the_cohort_miss_a_term_in_the_middle(karlskoga):
    terms = karlskoga.grades.groupby("student_id")["term"].nunique()
    assert 0 < (terms < 8).sum() < 30


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_any_seed(seed):
    simulation = simulate(seed=seed, cohorts=[2018])
    assert_karlskoga(simulation.records, simulation.truth)
