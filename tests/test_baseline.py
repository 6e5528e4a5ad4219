"""Zero values, the individual baseline and the follow-up: brute-force counts, published intervals, planted changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made import ENGINES, PASS, in_engine, municipality, records_of, same
from scipy import stats

from nbanalytics.analysis.baseline import (
    baseline,
    baseline_from_form,
    expected_return,
    follow_up,
    follow_up_cohorts,
    individual_baseline,
    individual_from_form,
    regression_to_mean,
)
from nbanalytics.analysis.flows import flows, share_eligible
from nbanalytics.declaration import Declaration
from nbanalytics.errors import DataError
from nbanalytics.figures import followup_dots
from nbanalytics.intervals import paired_difference
from nbanalytics.municipal.baseline_form import read_baseline_form, write_form
from nbanalytics.municipal.baseline_write import COLUMNS
from nbanalytics.text import Words


def cell(result, group="all", measure="eligible", **place):
    table = result.table
    for name, value in {"group": group, "measure": measure, **place}.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


# ---------------------------------------------------------------- zero values


def test_karlskogas_cohort_has_its_published_shares(karlskoga):
    """Progression 02: eligible in year 6 are groups 1, 2 and 6 (236 + 23), in year 9 groups 1, 2 and 5 (236 + 15)."""
    for term, eligible in (("6VT", 259), ("9VT", 251)):
        row = cell(baseline(karlskoga, term))
        assert (row["count"], row["n"]) == (eligible, 313)


def test_the_share_eligible_is_that_of_the_flows(sample):
    table = share_eligible(flows(sample, by=["cohort"])).query("stage == '9VT'").set_index("cohort")
    found = baseline(sample, "9VT", by=["cohort"]).table.query("group == 'all' and measure == 'eligible'")
    found = found.set_index("cohort")
    pd.testing.assert_series_equal(found["n"], table["students"], check_names=False, check_dtype=False)
    pd.testing.assert_series_equal(found["value"], table["share"], check_names=False)


def test_every_cell_is_counted_by_hand(sample):
    """Brute force: plain loops over dictionaries, nothing of the library."""
    grades = sample.grades[sample.grades["term"] == "8VT"]
    passed = {}
    for student, subject, grade in grades[["student_id", "subject", "grade"]].itertuples(index=False):
        passed.setdefault(student, set())
        if grade in set("ABCDE"):
            passed[student].add("SV" if subject == "SVA" else subject)
    absence = sample.absence[sample.absence["term"] == "8VT"].set_index("student_id")
    total = (absence["valid"] + absence["invalid"]).dropna().to_dict()
    order = {term: place for place, term in enumerate(sample.declaration.terms)}
    found = baseline(sample, "8VT", by=["school_id"])
    for school, part in sample.students.groupby("school_id"):
        for group, chosen in {"girls": part["sex"] == "girl", "newly_arrived": part["newly_arrived"]}.items():
            here = [
                row.student_id
                for row in part[chosen].itertuples()
                if row.student_id in passed
                or not (
                    (isinstance(row.moved_in, str) and order[row.moved_in] > order["8VT"])
                    or (isinstance(row.moved_out, str) and order[row.moved_out] < order["8VT"])
                )
            ]
            reached = [who for who in here if {"SV", "EN", "MA"} <= passed.get(who, set()) and len(passed[who]) >= 8]
            for measure in ("eligible", "core"):
                row = cell(found, group, measure, school_id=school)
                assert (row["count"], row["n"]) == (len(reached), len(here))
                assert row["missing"] == sum(who not in passed for who in here)
            known = [total[who] for who in here if who in total]
            row = cell(found, group, "absence", school_id=school)
            assert (row["n"], row["missing"]) == (len(known), len(here) - len(known))
            assert row["value"] == pytest.approx(np.mean(known))
            low, high = stats.t.interval(0.95, len(known) - 1, np.mean(known), stats.sem(known))
            assert (row["low"], row["high"]) == pytest.approx((low, high))


def test_a_term_of_the_calendar_takes_each_cohort_where_it_was(sample):
    """Spring of 2018: the cohort of 2018 in year 9, of 2019 in year 8, of 2020 in year 7, of 2021 in year 6."""
    whole = cell(baseline(sample, "2018VT"))
    parts = [
        cell(baseline(sample.cohort(cohort), term))
        for cohort, term in {2018: "9VT", 2019: "8VT", 2020: "7VT", 2021: "6VT"}.items()
    ]
    assert (whole["count"], whole["n"]) == (sum(p["count"] for p in parts), sum(p["n"] for p in parts))
    by_school = baseline(sample, "2018VT", by=["school_id"]).table
    assert set(by_school["school_id"].dropna()) == set(sample.schools["school_id"])
    autumn = cell(baseline(sample.cohort(2018), "2017HT"))
    assert autumn["count"] == cell(baseline(sample.cohort(2018), "9HT"))["count"]


def test_nobody_is_estimated_from_too_few_and_the_counts_stay():
    records = records_of({f"P{number}": {"9VT": PASS} for number in range(6)}, sex=["girl"] * 4 + ["boy"] * 2)
    result = baseline(records, "9VT")
    assert cell(result)["value"] == 1
    girls = cell(result, "girls")
    assert (girls["status"], girls["count"], girls["n"]) == ("too_few", 4, 4)
    assert girls[["value", "low", "high"]].isna().all()
    assert pd.isna(cell(result, measure="absence")["value"])
    assert cell(result, measure="absence")["missing"] == 6


def test_a_student_without_grades_counts_as_not_reached_and_is_told():
    courses = {f"P{number}": {"9VT": PASS} for number in range(9)} | {"P9": {"6VT": PASS}}
    row = cell(baseline(records_of(courses), "9VT"))
    assert (row["n"], row["count"], row["missing"]) == (10, 9, 1)
    moved = records_of(courses, moved_out=[None] * 9 + ["7VT"])
    assert cell(baseline(moved, "9VT"))["n"] == 9


def test_the_scale_of_2028_has_no_core_subjects_to_pass():
    subjects = ["SV", "EN", "MA", "BL"]
    grades = [(f"P{n}", "9VT", code, "5") for n in range(6) for code in subjects]
    records = records_of({f"P{n}": {} for n in range(6)})
    students = records.students.assign(cohort=2032)
    table = pd.DataFrame(grades, columns=["student_id", "term", "subject", "grade"])
    result = baseline(type(records)(students, table), "9VT")
    assert set(result.table["measure"]) == {"eligible", "absence"}
    assert cell(result)["count"] == 6


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_baseline(engine):
    expected = baseline(municipality(), "9VT", by=["school_id"]).table
    same(baseline(in_engine(municipality(), engine), "9VT", by=["school_id"]).table, expected)


@pytest.mark.parametrize(
    ("occasion", "by", "words"),
    [
        ("10VT", [], "There is no term '10VT'"),
        ("2050VT", [], "No cohort of the records was in 6HT to 9VT in 2050VT"),
        ("9VT", ["klass"], "has no column klass"),
    ],
)
def test_an_unknown_occasion_or_column_is_refused(occasion, by, words):
    with pytest.raises(DataError, match=words):
        baseline(records_of({"P1": {"9VT": PASS}}), occasion, by=by)


def test_a_calendar_needs_half_year_terms():
    declared = Declaration(terms=("T1", "T2"), start="T1", end="T2", stages=("T1", "T2"))
    with pytest.raises(DataError, match="no place on the calendar"):
        baseline(records_of({"P1": {"T1": PASS}}, declaration=declared), "2018VT")


# ---------------------------------------------------------------- the individual baseline and the form


def form_of(*rows):
    table = pd.DataFrame(
        [dict.fromkeys(COLUMNS) | {"school": "Ekskolan", "declared_missing": ""} | row for row in rows]
    )
    return table.assign(list_number=[str(number + 1) for number in range(len(rows))])


NINE = {"year": 9, "SV": "E", "MA": "E", "EN": "E", "passes": 8}


def test_the_form_says_reached_not_reached_or_unknown():
    rows = {
        "reached": (NINE, True),
        "by SVA": (NINE | {"SV": None, "SVA": "C"}, True),
        "seven passes": (NINE | {"passes": 7}, False),
        "a fail settles it": (NINE | {"MA": "F", "passes": None}, False),
        "streck is no pass": (NINE | {"EN": "-"}, False),
        "passes missing": (NINE | {"passes": None}, None),
        "mathematics missing": (NINE | {"MA": None}, None),
        "no Swedish": (NINE | {"SV": None}, None),
        "year 4": ({"year": 4, "reaches_criteria": True}, None),
    }
    found = individual_from_form(form_of(*(row for row, _ in rows.values()))).table["core"]
    assert [None if pd.isna(value) else bool(value) for value in found] == [value for _, value in rows.values()]


def test_a_filled_in_form_is_read_and_its_x_is_missing_and_counted(tmp_path):
    rows = [NINE | {"absence": 5.0, "sex": "girl"} for _ in range(6)]
    rows += [NINE | {"MA": "F", "absence": 20.0, "sex": "boy"} for _ in range(2)]
    rows += [NINE | {"MA": None, "absence": None, "sex": "boy", "declared_missing": "MA absence"}]
    rows += [{"year": 3, "reaches_criteria": False, "absence": 9.0}]
    write_form(form_of(*rows), tmp_path / "form.xlsx")
    form = read_baseline_form(tmp_path / "form.xlsx").tables["baseline"]
    one = individual_from_form(form)
    assert one.students == 10
    summary = one.summary.set_index("answer")
    assert summary.loc["MA"].tolist() == [9, 8, 1]
    assert summary.loc["reaches_criteria"].tolist() == [1, 1, 0]
    assert summary.loc["absence"].tolist() == [10, 9, 1]
    zero = baseline_from_form(form)
    row = cell(zero, measure="core", school="Ekskolan")
    assert (row["students"], row["missing"], row["n"], row["count"], row["value"]) == (9, 1, 8, 6, 0.75)
    assert cell(zero, measure="absence", school="Ekskolan")["value"] == pytest.approx((6 * 5 + 2 * 20) / 8)


def test_a_list_number_twice_and_a_missing_column_are_told():
    form = form_of(NINE, NINE).assign(list_number="7")
    with pytest.raises(DataError, match=r"2 rows of the form's table .* \(rows 1, 2\)"):
        individual_from_form(form)
    with pytest.raises(DataError, match="no column passes"):
        individual_from_form(form.drop(columns="passes"))


def test_the_individual_baseline_is_the_grades(karlskoga):
    table = individual_baseline(karlskoga, "9VT").table.set_index("student_id")
    grades = karlskoga.grades.query("term == '9VT' and subject == 'MA'").set_index("student_id")["grade"]
    pd.testing.assert_series_equal(table["MA"].dropna().sort_index(), grades.sort_index(), check_names=False)
    results = karlskoga.term_results(["9VT"]).set_index("student_id")
    assert (table["passes"].dropna() == results["n_passed"].reindex(table.index).dropna()).all()
    assert int(table["core"].sum()) == 251


# ---------------------------------------------------------------- follow-up


def test_the_same_students_are_compared_with_themselves(karlskoga):
    """Groups 6 and 5 of Progression 02 are those who went down (23) and up (15)."""
    followed = follow_up(karlskoga, "6VT", "9VT", estimand="these_schools")
    row = cell(followed)
    assert row["change"] == pytest.approx((15 - 23) / 313)
    assert (row["low"], row["high"]) == pytest.approx(paired_difference(236, 23, 15, 39))
    assert row["chance_high"] == pytest.approx(1.959964 * np.sqrt(23 + 15) / 313, rel=1e-6)
    assert not row["beyond_chance"]
    absence = cell(followed, measure="absence")
    wide = (
        karlskoga.absence.assign(total=lambda t: t["valid"] + t["invalid"])
        .pivot(index="student_id", columns="term", values="total")[["6VT", "9VT"]]
        .dropna()
    )
    oracle = stats.ttest_rel(wide["9VT"], wide["6VT"]).confidence_interval()
    assert (absence["low"], absence["high"]) == pytest.approx((oracle.low, oracle.high))


def test_other_students_are_compared_as_independent(sample):
    result = follow_up_cohorts(sample, "9VT", zero=[2018], later=[2024, 2025], estimand="these_schools")
    early, late = baseline(sample.cohort(2018), "9VT"), baseline(sample.cohort([2024, 2025]), "9VT")
    row = cell(result, "boys")
    assert row["change"] == pytest.approx(cell(late, "boys")["value"] - cell(early, "boys")["value"])
    values = [
        sample.cohort(cohorts).absence.query("term == '9VT'").eval("valid + invalid").dropna()
        for cohorts in ([2024, 2025], [2018])
    ]
    oracle = stats.ttest_ind(*values, equal_var=False).confidence_interval()
    row = cell(result, measure="absence")
    assert (row["low"], row["high"]) == pytest.approx((oracle.low, oracle.high))
    with pytest.raises(DataError, match="2018 is in both"):
        follow_up_cohorts(sample, "9VT", [2018], [2018, 2019])


def test_cohorts_of_schools_are_compared_school_by_school(sample):
    """Without each school in turn: the jackknife by hand, for a share and for a mean."""
    result = follow_up_cohorts(sample, "9VT", zero=[2018], later=[2024, 2025])
    schools = sorted(sample.students["school_id"].unique())
    early, late = sample.cohort(2018), sample.cohort([2024, 2025])

    def without(school, records):
        kept = records.students[records.students["school_id"] != school]
        return baseline(replace(records, students=kept), "9VT")

    pairs = [(without(school, early), without(school, late)) for school in (None, *schools)]
    for measure in ("eligible", "absence"):
        row = cell(result, measure=measure)
        assert row["estimand"] == "schools_like_these"
        changes = [
            cell(after, measure=measure)["value"] - cell(before, measure=measure)["value"] for before, after in pairs
        ]
        number = len(schools)
        error = np.sqrt((number - 1) / number * np.sum((np.array(changes[1:]) - changes[0]) ** 2))
        half = stats.t.ppf(0.975, number - 1) * error
        assert (row["low"], row["high"]) == pytest.approx((changes[0] - half, changes[0] + half))
        assert row["chance_high"] == pytest.approx(half)
        assert row["beyond_chance"] == (abs(changes[0]) > half)


@pytest.mark.parametrize("number", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_nothing_is_beyond_chance_where_teachers_change_and_nothing_else(number):
    """Schools differ by .5 in log odds and change from cohort to cohort by .3: other pupils alone would not do."""
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(number):
        lasting = 1.7 + 0.5 * rng.normal(size=6)
        courses, cohorts, schools = {}, {}, {}
        for cohort in (2018, 2019):
            chance = 1 / (1 + np.exp(-lasting - 0.3 * rng.normal(size=6)))
            for place in range(300):
                who = f"{cohort}-{place}"
                passed = rng.random() < chance[place % 6]
                courses[who] = {"9VT": "EEEEEEEE" if passed else "EEFEEEEE"}
                cohorts[who], schools[who] = cohort, f"S{place % 6}"
        records = records_of(courses)
        students = records.students.assign(
            cohort=records.students["student_id"].map(cohorts), school_id=records.students["student_id"].map(schools)
        )
        table = follow_up_cohorts(replace(records, students=students), "9VT", 2018, 2019, estimand="schools_like_these")
        found += bool(cell(table, measure="eligible")["beyond_chance"])
    # 5 of 100 are wanted; more than this come once in 300 such tests.
    assert found <= stats.binom.isf(1 / 300, number, 0.05)


@pytest.mark.parametrize(
    ("zero", "later"), [("9VT", "6VT"), ("6VT", "6VT"), ("2018HT", "2018VT"), ("2018VT", "2017HT")]
)
def test_a_follow_up_goes_forwards(karlskoga, zero, later):
    with pytest.raises(DataError, match=f"{later} does not come after {zero}"):
        follow_up(karlskoga, zero, later)


def test_few_students_are_not_compared(karlskoga):
    row = cell(follow_up(karlskoga, "6VT", "9VT", min_students=50), "newly_arrived")
    assert row["status"] == "too_few"
    assert row[["change", "chance_low", "beyond_chance"]].isna().all()


def test_chance_alone_stays_within_its_interval():
    """Two samples of one population: 95 of 100 changes lie within what chance gives."""
    rng = np.random.default_rng(7)
    from nbanalytics.analysis.baseline.followup import _independent, _paired

    inside = {"independent": 0, "paired": 0}
    for _ in range(1000):
        first, second = ((rng.random(120) < 0.8).astype(float) for _ in range(2))
        inside["independent"] += not _independent(first, second, "eligible", 5)["beyond_chance"]
        level = rng.normal(size=120)
        twice = [(level + rng.normal(size=120) > -1).astype(float) for _ in range(2)]
        inside["paired"] += not _paired(*twice, "eligible", 5)["beyond_chance"]
    assert all(930 <= count <= 970 for count in inside.values()), inside


# ---------------------------------------------------------------- regression to the mean


def test_the_return_of_a_normal_measure_is_that_of_its_definition():
    """Barnett et al. (2005), eq. (1): mean 60, sd 15, chosen at 40 or below; here by scipy's truncated normal."""
    for correlation in (0.0, 0.3, 0.8, 1.0):
        below = stats.truncnorm(-np.inf, (40 - 60) / 15, loc=60, scale=15).mean()
        found = regression_to_mean(60, 15, correlation, 40)
        assert found == pytest.approx((1 - correlation) * (60 - below))
        assert regression_to_mean(60, 15, correlation, 80, below=False) == pytest.approx(-found)
    with pytest.raises(DataError, match="correlation from 0 to 1"):
        regression_to_mean(60, 15, 1.2, 40)
    with pytest.raises(DataError, match="lies 60 sd from the mean: nobody is beyond it"):
        regression_to_mean(60, 1, 0.5, 0)


@pytest.mark.parametrize("given", [None, 0.7])
@pytest.mark.parametrize("effect", [0.0, 1.5])
def test_a_planted_change_is_found_beyond_the_return(given, effect):
    """200 municipalities: bias below 0.05 SD of the measure, and the interval holds in about 95 of 100."""
    rng = np.random.default_rng(11)
    found, covered = [], 0
    for _ in range(200):
        n = 1500
        level = rng.normal(13, np.sqrt(0.7) * 3, n)
        zero, later = (level + rng.normal(0, np.sqrt(0.3) * 3, n) for _ in range(2))
        chosen = zero < 8
        result = expected_return(zero, later - 0.4 + effect * chosen, chosen, given)
        row = result.table.iloc[0]
        found.append(row["beyond"])
        covered += row["low"] <= effect <= row["high"]
        assert row["change"] == pytest.approx(row["shift"] + row["expected_return"] + row["beyond"])
    assert abs(np.mean(found) - effect) < 0.05 * 3
    assert covered >= 180


def test_without_the_return_the_most_absent_would_seem_helped(sample):
    """Nobody did anything to those with the most absence in autumn, and still it falls in spring."""
    absence = sample.absence.assign(total=sample.absence["valid"] + sample.absence["invalid"])
    wide = absence.pivot(index="student_id", columns="term", values="total")[["6HT", "6VT"]]
    usual = wide[wide["6HT"] < 25]  # beyond it are those with problematic absence, which stays
    row = expected_return(usual["6HT"], usual["6VT"], usual["6HT"] > usual["6HT"].quantile(0.9)).table.iloc[0]
    assert row["change"] < -2
    assert row["expected_return"] < -2
    assert abs(row["beyond"]) < 0.5 * abs(row["change"])


def test_too_few_chosen_are_refused():
    with pytest.raises(DataError, match="9 students are chosen and 11 are not"):
        expected_return(range(20), range(20), [number < 9 for number in range(20)])
    with pytest.raises(DataError, match="have 20, 19 and 20 values"):
        expected_return(range(20), range(19), [True] * 20)
    column = pd.Series(range(20))
    with pytest.raises(DataError, match="not labelled alike"):
        expected_return(column, column[::-1], column < 10)
    with pytest.raises(DataError, match="no line can be drawn"):
        expected_return([0] * 10 + [1] * 10, range(20), [True] * 10 + [False] * 10)


# ---------------------------------------------------------------- the figure


def test_the_dots_are_the_follow_up_and_nobody_is_shown_who_is_too_few(karlskoga):
    result = follow_up(karlskoga, "6VT", "9VT", min_students=20, estimand="these_schools")
    table, shown = result.table, followup_dots(result)
    chance, zero, later = shown.figure().data
    row = table[(table["group"] == "all") & (table["measure"] == "eligible")].iloc[0]
    assert list(zero.y) == ["All", "Girls", "Boys", "Newly arrived"]
    assert (zero.x[0], later.x[0]) == (row["zero"], row["later"])
    assert later.error_x.array[0] == pytest.approx(row["high"] - row["change"])
    assert chance.base[0] == pytest.approx(row["zero"] + row["chance_low"])
    assert np.isnan(zero.x[3])
    assert {trace.marker.symbol for trace in (zero, later)} == {"circle-open", "diamond"}
    words = shown.alt
    change = "change \u22122.6 percentage points, \u22126.5 to +1.4; chance alone gives ± 3.9"
    assert f"All: from 82.7% to 80.2% ({change})" in words
    assert "Newly arrived: from . to ." in words
    written = followup_dots(table, "absence", Words("sv")).table
    assert written.rows[0][:3] == ["Alla", "6,9", "12,1"]
    assert all(len(line) == len(written.columns) for line in written.rows)
    with pytest.raises(ValueError, match="no measure 'merit'"):
        followup_dots(table, "merit")
    with pytest.raises(ValueError, match="choose one selection"):
        followup_dots(follow_up(karlskoga, "6VT", "9VT", by=["sex"]).table)


def test_the_same_students_of_several_schools_are_compared_without_each_school(sample):
    """The mean of their changes, with the jackknife of schools; by school it is about other pupils."""
    result = follow_up(sample, "6VT", "9VT")
    assert result.settings["estimand"] == "schools_like_these"
    ends = individual_baseline(sample, "9VT").table.set_index("student_id")["core"]
    starts = individual_baseline(sample, "6VT").table.set_index("student_id")["core"]
    schools = sample.students.set_index("student_id")["school_id"]
    changes = (ends.astype(float) - starts.astype(float)).dropna()
    row, own = cell(result, measure="core"), schools[changes.index]
    means = [changes.mean(), *(changes[own != one].mean() for one in sorted(own.unique()))]
    number = len(means) - 1
    error = np.sqrt((number - 1) / number * np.sum((np.array(means[1:]) - means[0]) ** 2))
    half = stats.t.ppf(0.975, number - 1) * error
    assert (row["change"], row["low"], row["high"]) == pytest.approx((means[0], means[0] - half, means[0] + half))
    by_school = follow_up(sample, "6VT", "9VT", by="school_id").table
    assert set(by_school["estimand"]) == {"these_schools"}
