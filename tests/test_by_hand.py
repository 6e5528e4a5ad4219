"""Central numbers of the sample counted again from its CSV files: dictionaries and loops alone."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import sqrt
from statistics import mean, stdev

import pytest
from scipy.special import stdtrit
from town import COHORTS, CORE, TERMS, Z, passed, town_of_the_sample, wilson

from nbanalytics.analysis.baseline import follow_up
from nbanalytics.analysis.cohorts import GroupRule, classify
from nbanalytics.analysis.droppoints import (
    losses,
    lost_subjects,
    recovery,
    transition_contrast,
    transition_probabilities,
)
from nbanalytics.analysis.flows import flows
from nbanalytics.municipality import eligibility_view, own_values, salsa

FOLLOWED = TERMS[1:]
SCIENCE, SOCIAL = ("BI", "FY", "KE"), ("GE", "HI", "RE", "SH")


@pytest.fixture(scope="module")
def town():
    return town_of_the_sample()


@pytest.fixture(scope="module")
def few(sample):
    return sample.cohort(COHORTS)


@pytest.fixture(scope="module")
def followed(few):
    return losses(few)


# ------------------------------------------------------------------ cohorts, flows, drop points


@pytest.mark.parametrize(("threshold", "no_change"), [(0, "positive"), (0.5, "negative")])
def test_the_six_groups_with_exact_fractions(town, few, threshold, no_change):
    counts = Counter()
    for who, row in town.students.items():
        ends = [(who, "6VT"), (who, "9VT")]
        if not all(end in town.grades for end in ends):
            continue
        first, last = (town.eligible[end] for end in ends)
        means = [town.points(*end) for end in ends]
        if first != last:
            group = 6 if first else 5
        elif None in means:
            continue
        else:
            change = means[1] - means[0]
            up = change > threshold or (abs(change) <= threshold and no_change == "positive")
            group = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[first, up]
        counts[int(row["cohort"]), group] += 1
    table = classify(few, GroupRule(threshold, no_change)).counts
    assert {(row.cohort, row.group): row.students for row in table.itertuples() if row.students} == counts


def test_transitions_of_each_school(town, few):
    def state(who, stage):
        if stage == "upper_secondary":
            kind = town.outcomes.get(who, {}).get("programme_kind")
            return kind or ("moved" if town.students[who]["moved_out"] else "unknown")
        if (who, stage) in town.grades:
            return "eligible" if town.eligible[who, stage] else "not_eligible"
        return "unknown" if town.here(who, stage) else "moved"

    stages = ("6VT", "7VT", "8VT", "9VT", "upper_secondary")
    counts = Counter(
        (row["school_id"], a, state(who, a), b, state(who, b))
        for who, row in town.students.items()
        for a, b in pairwise(stages)
    )
    table = flows(few, by=["school_id"]).transitions
    assert {tuple(row[:5]): row[5] for row in table.itertuples(index=False)} == counts


def course_of(town, who):
    """Step and terms of the first loss: (step, lost or None, before, regained in, seen at the end)."""
    seen = [term for term in FOLLOWED if (who, term) in town.grades]
    lost = next((term for term in seen if not town.eligible[who, term]), None)
    before = seen[seen.index(lost) - 1] if lost else None
    again = next((t for t in seen if lost and t > lost and town.eligible[who, t]), None)
    return FOLLOWED.index(lost or seen[-1]), lost, before, again, "9VT" in seen


@pytest.fixture(scope="module")
def courses(town):
    return {who: course_of(town, who) for who in town.students if town.eligible.get((who, "6VT"))}


def test_the_life_table_by_sex_has_kaplan_and_meiers_survival(town, followed, courses):
    table = followed.life_table(["sex"])
    for sex in ("girl", "boy"):
        own = [course for who, course in courses.items() if town.students[who]["sex"] == sex]
        survival, greenwood = 1.0, 0.0
        for row in table[table["sex"] == sex].itertuples():
            at_risk = sum(step >= row.t for step, *_ in own)
            events = sum(step == row.t and lost is not None for step, lost, *_ in own)
            survival *= 1 - events / at_risk
            greenwood += events / at_risk / (at_risk - events)
            assert (row.term, row.at_risk, row.lost) == (FOLLOWED[row.t], at_risk, events)
            assert (row.survival, row.se_survival) == pytest.approx((survival, survival * sqrt(greenwood)))


def test_the_step_to_year_7_against_the_others(few, town):
    first, other = [], []
    for who in town.students:
        for before, after in pairwise(TERMS):
            if town.eligible.get((who, before)) and (who, after) in town.eligible:
                (first if after == "7HT" else other).append(not town.eligible[who, after])
    p, q = mean(first), mean(other)
    row = transition_contrast(few, estimand="these_schools").table.iloc[0]
    assert (row["at_risk_step"], row["at_risk_other"]) == (len(first), len(other))
    assert (row["difference"], row["ratio"]) == pytest.approx((p - q, p / q))
    table = transition_probabilities(few, estimand="these_schools").table.query("way == 'lost' and to == '7HT'").iloc[0]
    assert (table["low"], table["high"]) == pytest.approx(wilson(sum(first), len(first)))


def test_subjects_of_the_first_loss_by_term(few, town, followed, courses):
    counts, alone = Counter(), Counter()
    for who, (_, lost, before, *_) in courses.items():
        if lost:
            had, has = passed(town.grades[who, before]), passed(town.grades[who, lost])
            short = len(has | CORE) < 8  # even with every required subject
            causes = {subject for subject in had - has if short or subject in CORE}
            counts.update((lost, subject) for subject in causes)
            alone.update((lost, subject) for subject in causes if len(causes) == 1)
    table = lost_subjects(few, followed).counts
    names = {"SV/SVA": "SV"}
    found = {(row.term, names.get(row.subject, row.subject)): row for row in table.itertuples() if row.term != "*"}
    assert {key: row.students for key, row in found.items()} == counts
    assert {key: row.only for key, row in found.items() if row.only} == alone


def test_who_regains_eligibility(town, followed, courses):
    table = recovery(followed, estimand="these_schools").table.set_index("lost_term")
    for term in FOLLOWED[1:]:
        own = [(who, course) for who, course in courses.items() if course[1] == term]
        ends = Counter(town.eligible.get((who, "9VT")) for who, _ in own)
        again = sum(course[3] is not None for _, course in own)
        counts = [len(own), again, ends[True], ends[False], ends[None]]
        names = ["lost", "regained", "regained_at_end", "not_regained_at_end", "not_observed_at_end"]
        assert table.loc[term, names].tolist() == counts
        if term != "9VT" and len(own) >= 5:
            assert table.loc[term, ["low", "high"]].tolist() == pytest.approx(wilson(again, len(own)))


# ------------------------------------------------------------------ municipality and baseline


def test_eligibility_by_kind_and_school(town, few):
    def kinds(held):
        subjects = passed(held)
        twelve = subjects >= CORE and len(subjects) >= 12
        known = subjects | set(SCIENCE if "NO" in subjects else ()) | set(SOCIAL if "SO" in subjects else ())
        return {
            "vocational": subjects >= CORE and len(subjects) >= 8,
            "preparatory-ES": twelve,
            "preparatory-EK-HU-SA": twelve and known >= set(SOCIAL),
            "preparatory-NA-TE": twelve and known >= set(SCIENCE),
            "IMV": "SV" in subjects and len(subjects) >= 6 and bool(subjects & {"EN", "MA"}),
        }

    counts, size = Counter(), Counter()
    for who, row in town.students.items():
        if (who, "9VT") in town.grades or town.here(who, "9VT"):
            place = int(row["cohort"]), row["school_id"]
            size[place] += 1
            counts.update((*place, kind) for kind, met in kinds(town.grades.get((who, "9VT"), {})).items() if met)
    for row in eligibility_view(few, [["school_id"]]).table.itertuples():
        assert (row.students, row.count) == (
            size[row.cohort, row.school_id],
            counts[row.cohort, row.school_id, row.kind],
        )


def test_salsas_expected_value_of_each_school_and_year(town, few):
    levels = {"compulsory": 1, "upper_secondary": 2, "post_secondary": 3}
    for row in salsa(few).table.itertuples():
        own = [
            (who, student)
            for who, student in town.students.items()
            if (student["school_id"], student["cohort"]) == (row.school_id, str(row.cohort))
            and ((who, "9VT") in town.grades or town.here(who, "9VT"))
        ]
        education = mean(levels[student["parents_education"]] for _, student in own if student["parents_education"])
        boys = mean(student["sex"] == "boy" for _, student in own)
        late = mean(student["immigration"] == "years6-9" for _, student in own)
        expected = 93.567 + 69.846 * education - 35.271 * boys - 83.641 * late
        merits = [town.merit(who) for who, _ in own if passed(town.grades.get((who, "9VT"), {}))]
        assert (row.students, row.expected) == (len(own), pytest.approx(expected))
        assert row.residual == pytest.approx(mean(merits) - expected)


def test_own_merit_value_of_each_year_has_students_t(town, few):
    table = own_values(few).query("measure == 'merit_value_17' and group == 'girls'").set_index("year")
    for cohort in COHORTS:
        merits = [
            town.merit(who)
            for who, student in town.students.items()
            if (student["cohort"], student["sex"]) == (str(cohort), "girl")
            and passed(town.grades.get((who, "9VT"), {}))
        ]
        half = stdtrit(len(merits) - 1, 0.975) * stdev(merits) / sqrt(len(merits))
        row = table.loc[cohort]
        assert (row["n"], row["value"]) == (len(merits), pytest.approx(mean(merits)))
        assert (row["low"], row["high"]) == pytest.approx((mean(merits) - half, mean(merits) + half))


def test_follow_up_of_girls_has_newcombes_paired_interval(town, few):
    pairs = Counter()
    for who, student in town.students.items():
        if student["sex"] == "girl" and (who, "6VT") in town.grades and (who, "9VT") in town.grades:
            pairs[town.eligible[who, "6VT"], town.eligible[who, "9VT"]] += 1
    a, b, c, d = (pairs[key] for key in ((True, True), (True, False), (False, True), (False, False)))
    n = a + b + c + d
    result = follow_up(few, "6VT", "9VT", estimand="these_schools")
    row = result.table.query("group == 'girls' and measure == 'eligible'").iloc[0]
    assert (row["n_zero"], row["zero"], row["later"]) == (n, pytest.approx((a + b) / n), pytest.approx((a + c) / n))
    first, then = (a + b) / n, (a + c) / n
    (l1, u1), (l2, u2) = wilson(a + c, n), wilson(a + b, n)
    # Newcombe 1998b, method 10: phi with a continuity correction where the cross product is above 0
    cross = a * d - b * c
    phi = max(cross - n / 2, 0) if cross > 0 else cross
    phi /= sqrt((a + b) * (c + d) * (a + c) * (b + d))
    below = sqrt((then - l1) ** 2 - 2 * phi * (then - l1) * (u2 - first) + (u2 - first) ** 2)
    above = sqrt((u1 - then) ** 2 - 2 * phi * (u1 - then) * (first - l2) + (first - l2) ** 2)
    assert (row["low"], row["high"]) == pytest.approx((then - first - below, then - first + above))
    assert row["chance_high"] == pytest.approx(Z * sqrt(b + c) / n)
