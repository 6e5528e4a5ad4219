"""Indicators and support of the sample counted again from its CSV files: dictionaries and loops alone."""

from __future__ import annotations

from collections import Counter
from datetime import date
from statistics import mean

import pytest
from town import COHORTS, TERMS, town_of_the_sample, wilson

from nbanalytics.analysis.indicators import indicators, trend
from nbanalytics.support import coverage, handover, kaa_outcomes, prevention_levels, support_outcome, time_to_support


@pytest.fixture(scope="module")
def town():
    return town_of_the_sample()


@pytest.fixture(scope="module")
def few(sample):
    return sample.cohort(COHORTS)


@pytest.fixture(scope="module")
def found(few):
    return indicators(few)


def test_every_risk_signal_by_term(town, found):
    counts = Counter((name, term) for who in town.students for term in TERMS if town.here(who, term)
                     for name in town.risks(who, term)[0])  # fmt: skip
    table = trend(found).table
    risks = table[table["kind"].eq("risk") & table["signals"].gt(0)]
    assert {(row.indicator, row.term): row.signals for row in risks.itertuples()} == counts


def test_coverage_by_school(town, few, found):
    signal, without = Counter(), Counter()
    for who, student in town.students.items():
        for term in TERMS:
            if town.here(who, term) and town.risks(who, term)[0]:
                signal[student["school_id"], term] += 1
                without[student["school_id"], term] += not town.supported(who, *town.days(who, term))
    for row in coverage(few, found, by=["school_id"]).table.itertuples():
        key = row.school_id, row.term
        assert (row.with_signal, row.without_support) == (signal[key], without[key])
        assert (row.low, row.high) == pytest.approx(wilson(without[key], signal[key]))


def test_needs_and_support_at_the_levels_of_prevention(town, few, found):
    met = Counter()
    for who in town.students:
        if town.here(who, "8VT") and town.risks(who, "8VT")[1]:
            risks = len(town.risks(who, "8VT")[0])
            met["selective" if risks == 1 else "indicated" if risks else "universal"] += 1
    table = prevention_levels(few, found, "8VT").table
    totals = table[table["need"] != "unknown"].groupby("need")["students"].sum()
    assert totals.to_dict() == met


def test_the_hand_over_to_year_7(town, few):
    counts = Counter()
    for who in town.students:
        if not town.here(who, "6VT"):
            continue
        before, after = (town.supported(who, *town.days(who, term)) for term in ("6VT", "7HT"))
        risks, known = town.risks(who, "6VT")
        status = {(True, True): "carried", (True, False): "lost", (False, True): "begun"}.get((before, after))
        status = status or ("known_to_nobody" if risks else "no_need" if known else "unknown")
        counts[status if town.here(who, "7HT") else "moved"] += 1
    assert handover(few).counts.groupby("status")["students"].sum().to_dict() == counts


def test_the_wait_is_kaplan_and_meiers(town, few, found):
    waits = []
    for who in town.students:
        here = [term for term in TERMS if town.here(who, term)]
        first = next((term for term in here if town.risks(who, term)[0]), None)
        if first is None or town.supported(who, *town.days(who, first)) or first == here[-1]:
            continue
        known, leaves = town.days(who, first)[1], town.days(who, here[-1])[1]
        start = min((start for start, *_ in town.support[who] if start > known), default="9999")
        until = min(start, leaves)
        waits.append(((date.fromisoformat(until) - date.fromisoformat(known)).days, start <= leaves))
    result = time_to_support(few, found)
    assert result.students == len(waits)
    survival = 1.0
    for row in result.table.itertuples():
        at_risk = sum(days >= row.days for days, _ in waits)
        begun = sum(days == row.days and event for days, event in waits)
        survival *= 1 - begun / at_risk
        assert (row.at_risk, row.events, row.waiting) == (at_risk, begun, pytest.approx(survival))


def test_the_crude_contrast_of_the_coachs_students(town, few):
    changes, left_out = {True: [], False: []}, 0
    for who in town.students:
        if not (town.here(who, "7VT") and town.here(who, "8VT")):
            continue
        opens, closes = town.days(who, "7VT")[1], town.days(who, "8VT")[0]
        begun = any(kind == "youth_coach" and opens < start < closes for start, _, kind in town.support[who])
        other = town.supported(who, town.days(who, "8HT")[0], town.days(who, "8VT")[1])
        if begun or not other:
            ends = [town.total.get((who, term)) for term in ("7VT", "8VT")]
            if None not in ends:
                changes[begun].append(ends[1] - ends[0])
        else:
            left_out += 1
    result = support_outcome(few, "7VT", "8VT", kinds=["youth_coach"], estimand="these_schools")
    row = result.table.set_index("outcome").loc["absence"]
    assert (row["supported"], row["others"]) == (len(changes[True]), len(changes[False]))
    assert row["crude"] == pytest.approx(mean(changes[True]) - mean(changes[False]))
    assert result.left_out["other_support"] == left_out


def test_where_participants_are_by_month(town, few):
    calls = {}
    for row in town.rows_of("followups"):
        calls.setdefault(row["student_id"], []).append((date.fromisoformat(row["date"]), row["status"]))
    until = max(day for own in calls.values() for day, _ in own)
    table = kaa_outcomes(few).table.set_index(["month", "status"])
    for month in (3, 12, 24):
        due, counts = round(month * 30.44), Counter()
        for own in calls.values():
            entry = min(own)[0]
            if (until - entry).days >= due:
                off, _, status = min((abs((day - entry).days - due), day, status) for day, status in own)
                counts[status if off <= 45 else "unknown"] += 1
        for status in ("work", "study", "activity", "unknown"):
            row = table.loc[(month, status)]
            assert (row["students"], row["followed"]) == (counts[status], counts.total())
