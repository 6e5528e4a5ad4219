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
from nbanalytics.intervals import newcombe, paired_difference, wilson
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


@pytest.mark.parametrize(
    ("students", "least", "eligible", "absence"),
    [
        (5, 5, "ok", "ok"),
        (4, 5, "too_few", "too_few"),
        (2, 1, "ok", "ok"),
        (1, 1, "ok", "too_few"),
        (1, 0, "ok", "too_few"),
    ],
)
def test_estimates_begin_with_so_many_students_and_a_mean_with_two(students, least, eligible, absence):
    records = records_of(
        {f"P{n}": {"9VT": PASS} for n in range(students)}, absence=absence_of({f"P{n}": n for n in range(students)})
    )
    found = baseline(records, "9VT", **({} if least == 5 else {"min_students": least}))
    assert cell(found)["status"] == eligible
    row = cell(found, measure="absence")
    assert (row["status"], row["n"]) == (absence, students)
    if absence == "ok":
        assert row["value"] == np.mean(range(students))
        assert (row["low"], row["high"]) == pytest.approx(
            stats.t.interval(0.95, students - 1, row["value"], stats.sem(range(students)))
        )
    assert (cell(found)["low"], cell(found)["high"]) == pytest.approx(
        (wilson(students, students) if eligible == "ok" else (np.nan, np.nan)), nan_ok=True
    )


def absence_of(values, term="9VT"):
    """A table of absence, all of it invalid, from ``{student: per cent}``."""
    return pd.DataFrame(
        {"student_id": [*values], "term": term, "valid": 0.0, "invalid": [float(v) for v in values.values()]}
    )


def test_the_denominator_is_all_who_should_have_grades_or_those_with_grades():
    """Four with grades, of whom one fails; one with absence only; one of another cohort with absence only."""
    courses = {
        "a": {"9VT": PASS},
        "b": {"9VT": PASS},
        "c": {"9VT": PASS},
        "d": {"9VT": "F" * 8},
        "e": {"6VT": PASS},
        "f": {"6VT": PASS},
    }
    records = records_of(courses, cohort=[2018] * 5 + [2020], absence=absence_of(dict.fromkeys("aef", 4)))
    for of, n, missing in (("all", 5, 1), ("graded", 4, 1)):
        found = baseline(records, "9VT", of=of, min_students=1)
        row = cell(found)
        assert (row["students"], row["missing"], row["n"], row["count"], row["value"]) == (5, missing, n, 3, 3 / n)
        assert found.settings["missing_counts_as"] == ("not reached" if of == "all" else "unknown")
        assert found.settings["cohorts"] == (2018, 2020)
        absent = cell(found, measure="absence")
        assert (absent["students"], absent["missing"], absent["n"], absent["value"]) == (6, 3, 3, 4)


def test_the_school_of_year_6_is_asked_for_in_terms_up_to_the_start():
    terms = ("6HT", "6VT", "7HT", "9VT")
    records = records_of(
        {f"P{n}": dict.fromkeys(terms, PASS) for n in range(4)}, school_id=["A"] * 4, school_id_y6=["B"] * 3 + ["A"]
    )
    for term, expected in zip(terms, ({"A": 1, "B": 3}, {"A": 1, "B": 3}, {"A": 4}, {"A": 4}), strict=True):
        table = baseline(records, term, by="school_id", min_students=1).table.query(
            "group == 'all' and measure == 'eligible'"
        )
        assert table.set_index("school_id")["n"].to_dict() == expected


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


@pytest.mark.parametrize("year", range(11))
def test_the_form_asks_for_the_criteria_in_years_1_to_5_and_for_grades_in_years_6_to_9(year):
    found = individual_from_form(form_of({"year": year}))
    grades, criteria = 6 <= year <= 9, 1 <= year <= 5
    asked = dict.fromkeys(("SV or SVA", "MA", "EN", "passes"), int(grades)) | {
        "reaches_criteria": int(criteria),
        "absence": 1,
    }
    summary = found.summary.set_index("answer")
    assert summary["asked"].to_dict() == summary["missing"].to_dict() == asked
    assert (summary["known"] == 0).all()
    assert found.table["missing"].item() == sum(asked.values())
    assert list(found.table)[-4:] == ["core", "reaches_criteria", "absence", "missing"]
    full = {"year": year, "SVA": "E", "MA": "F", "EN": "E", "passes": 8, "reaches_criteria": True, "absence": 0.0}
    assert individual_from_form(form_of(full)).table["missing"].item() == 0
    assert len(baseline_from_form(form_of(full), by=()).table.query("group == 'all' and students > 0")) == (
        2 if grades else 0
    )


@pytest.mark.parametrize(("students", "status"), [(5, "ok"), (4, "too_few")])
def test_from_five_forms_on_a_share_is_told(students, status):
    row = cell(baseline_from_form(form_of(*[NINE] * students), by=()), measure="core")
    assert (row["n"], row["status"]) == (students, status)


def test_on_a_scale_without_passes_there_are_none_to_count():
    records = records_of({"P": {"9VT": "55555555"}, "Q": {"9VT": PASS}}, cohort=[2032, 2018])
    table = individual_baseline(records, "9VT").table.set_index("student_id")
    assert table["passes"].fillna(-1).to_dict() == {"P": -1, "Q": 8}
    assert table["core"].isna().all()
    assert table[["missing", "MA"]].T.to_dict("list") == {"P": [2, "5"], "Q": [1, "E"]}


def test_a_list_number_twice_and_a_missing_column_are_told():
    many = form_of(*[NINE] * 9).assign(list_number=["1"] + ["7"] * 6 + [None] * 2)
    with pytest.raises(DataError, match=r"6 rows of the form's table .* \(rows 2, 3, 4, 5, 6\)"):
        individual_from_form(many)
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


def changes_by_hand(table, zero, later, chance):
    return [zero, later, later - zero, *table, -chance, chance]


ESTIMATED = ["zero", "later", "change", "low", "high", "chance_low", "chance_high"]


@pytest.mark.parametrize(
    ("least", "students", "status"), [(5, 5, "ok"), (5, 4, "too_few"), (0, 2, "ok"), (0, 1, "too_few")]
)
@pytest.mark.parametrize("spread", [0, 1])
def test_the_change_of_the_same_students_is_by_hand(least, students, status, spread):
    """The first goes down in eligibility, the second up, the third is never eligible, the others always."""
    early, late = ["E", "F", "F", "E", "E"][:students], ["F", "E", "F", "E", "E"][:students]
    courses = {
        f"P{n}": {"6VT": PASS[:2] + one + PASS[3:], "9VT": PASS[:2] + two + PASS[3:]}
        for n, (one, two) in enumerate(zip(early, late, strict=True))
    }
    before = {f"P{n}": 3.0 for n in range(students)}
    after = {f"P{n}": 8.0 + spread * n**2 for n in range(students)}
    absence = pd.concat([absence_of(before, "6VT"), absence_of(after)])
    found = follow_up(
        records_of(courses, absence=absence),
        "6VT",
        "9VT",
        estimand="these_schools",
        **({} if least == 5 else {"min_students": least}),
    )
    assert found.students == students
    for measure in ("eligible", "absence"):
        row = cell(found, measure=measure)
        assert (row["n_zero"], row["n_later"], row["status"], row["estimand"]) == (
            students,
            students,
            status,
            "these_schools",
        )
        if status == "too_few":
            assert row[[*ESTIMATED, "beyond_chance"]].isna().all()
            continue
        if measure == "eligible":
            pairs = list(zip(early, late, strict=True))
            a, b, c, d = (pairs.count(pair) for pair in (("E", "E"), ("E", "F"), ("F", "E"), ("F", "F")))
            half = 1.959964 * np.sqrt(b + c) / students
            expected = changes_by_hand(paired_difference(a, b, c, d), (a + b) / students, (a + c) / students, half)
        else:
            values = np.array([*after.values()]) - 3
            half = stats.t.ppf(0.975, students - 1) * stats.sem(values)
            expected = changes_by_hand((values.mean() - half, values.mean() + half), 3.0, 3 + values.mean(), half)
        assert row[ESTIMATED].astype(float).tolist() == pytest.approx(expected, abs=1e-6)
        assert row["beyond_chance"] == (abs(row["change"]) > half)


@pytest.mark.parametrize(
    ("least", "sizes", "status"),
    [
        (5, (5, 6), "ok"),
        (5, (6, 5), "ok"),
        (5, (4, 9), "too_few"),
        (5, (9, 4), "too_few"),
        (0, (2, 2), "ok"),
        (0, (1, 9), "too_few"),
    ],
)
@pytest.mark.parametrize("spread", [0, 1])
def test_the_change_of_other_students_is_by_hand(least, sizes, status, spread):
    """One of the earlier has no grades and counts as not eligible; one in two of the later fails."""
    courses, absence = {}, {}
    for cohort, size in zip((2018, 2019), sizes, strict=True):
        for n in range(size):
            passed = "........" if cohort == 2018 and n == 1 else "F" * 8 if cohort == 2019 and n % 2 else PASS
            courses[f"{cohort}-{n}"] = {"6VT": PASS, "9VT": passed}
            absence[f"{cohort}-{n}"] = (cohort - 2015) * (1 + spread * n)
    records = records_of(courses, absence=absence_of(absence), cohort=[int(who[:4]) for who in courses])
    found = follow_up_cohorts(
        records, "9VT", 2018, [2019], estimand="these_schools", **({} if least == 5 else {"min_students": least})
    )
    n, m = sizes
    assert found.students == n
    for measure in ("eligible", "absence"):
        row = cell(found, measure=measure)
        assert (row["n_zero"], row["n_later"], row["status"]) == (n, m, status)
        if status == "too_few":
            assert row[[*ESTIMATED, "beyond_chance"]].isna().all()
            continue
        if measure == "eligible":
            first, second = n - 1, (m + 1) // 2
            common = (first + second) / (n + m)
            half = 1.959964 * np.sqrt(common * (1 - common) * (1 / n + 1 / m))
            expected = changes_by_hand(newcombe(second, m, first, n), first / n, second / m, half)
        else:
            one, two = (
                [value for who, value in absence.items() if who.startswith(str(cohort))] for cohort in (2018, 2019)
            )
            change = np.mean(two) - np.mean(one)
            if spread:
                interval = stats.ttest_ind(two, one, equal_var=False).confidence_interval()
                expected = changes_by_hand(
                    (interval.low, interval.high), np.mean(one), np.mean(two), interval.high - change
                )
            else:
                expected = changes_by_hand((change, change), np.mean(one), np.mean(two), 0)
        assert row[ESTIMATED].astype(float).tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("schools", "estimand"), [("ABC", "schools_like_these"), ("AB", "these_schools")])
def test_a_group_in_three_schools_is_followed_as_schools_like_these(schools, estimand):
    """Boys are in three schools; whoever fails is spread unevenly over them."""
    courses, columns = {}, {"sex": [], "school_id": [], "cohort": []}
    for sex in ("girl", "boy"):
        for n in range(24):
            places = schools if sex == "girl" else "ABC"
            failed = n % 5 == 0 or (n % len(places) == 0 and n < 12)
            courses[f"{sex}{n}"] = {"6VT": "F" * 8 if n % 7 == 0 else PASS, "9VT": "F" * 8 if failed else PASS}
            for name, value in (("sex", sex), ("school_id", places[n % len(places)]), ("cohort", 2018 + n // 12)):
                columns[name].append(value)
    records = records_of(courses, **columns)
    for found in (follow_up(records, "6VT", "9VT"), follow_up_cohorts(records, "9VT", 2018, 2019)):
        assert found.settings["estimand"] == "schools_like_these"
        kinds = {group: cell(found, group)["estimand"] for group in ("girls", "boys")}
        assert kinds == {"girls": estimand, "boys": "schools_like_these"}
        row = cell(found, "boys")
        half = (row["high"] - row["low"]) / 2
        assert (row["chance_low"], row["chance_high"]) == pytest.approx((-half, half))
        assert row["beyond_chance"] == (abs(row["change"]) > half)
        assert cell(found, measure="absence")["status"] == "too_few"
        assert cell(found, measure="absence")["estimand"] == "these_schools"


def test_what_every_school_has_alike_keeps_the_interval_of_its_pupils():
    """All fall from eligible to not eligible: no school changes the change."""
    records = records_of({f"P{n}": {"6VT": PASS, "9VT": "F" * 8} for n in range(9)}, school_id=[*"ABC"] * 3)
    row = cell(follow_up(records, "6VT", "9VT"))
    assert (row["change"], row["estimand"]) == (-1, "these_schools")
    assert (row["low"], row["high"]) == pytest.approx(paired_difference(0, 9, 0, 0))


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


@pytest.mark.parametrize(
    ("sd", "correlation", "words"),
    [(0, 0.5, "sd is 0"), (-1, 0.5, "sd is -1"), (1, -0.1, "correlation -0.1"), (1, 1.1, "correlation 1.1")],
)
def test_a_spread_or_correlation_that_cannot_be_is_refused(sd, correlation, words):
    with pytest.raises(DataError, match=words):
        regression_to_mean(60, sd, correlation, 60)


def test_the_return_from_a_cut_off_at_the_mean_is_that_of_half_a_normal():
    """Half of the students lie below the mean, on average √(2/π) standard deviations."""
    assert regression_to_mean(60, 15, 0.0, 60) == pytest.approx(15 * np.sqrt(2 / np.pi))
    assert regression_to_mean(60, 15, 1.0, 60) == 0


@pytest.mark.parametrize("given", [None, 0.6])
def test_the_expected_return_is_that_of_least_squares_by_statsmodels(given):
    """Ten chosen and thirteen others, besides three with a missing value."""
    import statsmodels.api as sm

    rng = np.random.default_rng(2)
    zero = np.array([*rng.uniform(0, 8, 10), *rng.uniform(8, 20, 13)])
    later = 5 + 0.6 * zero + rng.normal(0, 2, 23) + np.where(zero < 8, 3, 0)
    result = expected_return(
        [*zero, np.nan, 3, np.inf], [*later, 3, np.nan, 3], [*(zero < 8), True, True, False], given
    )
    row, who = result.table.iloc[0], zero < 8
    if given is None:
        fit = sm.OLS(later, np.column_stack([np.ones(23), zero, who])).fit(cov_type="HC1")
        beyond, error, freedom, slope = fit.params[2], fit.bse[2], 20, fit.params[1]
    else:
        above, slope = later - given * zero, given
        beyond = above[who].mean() - above[~who].mean()
        error, freedom = np.hypot(stats.sem(above[who]), stats.sem(above[~who])), 9
    half, change = stats.t.ppf(0.975, freedom) * error, (later - zero)[who].mean()
    shift = later[~who].mean() + slope * (zero.mean() - zero[~who].mean()) - zero.mean()
    assert (row["n_chosen"], row["n_others"], result.students) == (10, 13, 23)
    assert row[["zero", "later"]].tolist() == pytest.approx([zero[who].mean(), later[who].mean()])
    assert row[["change", "shift", "beyond"]].tolist() == pytest.approx([change, shift, beyond])
    assert row[["expected_change", "expected_return"]].tolist() == pytest.approx(
        [change - beyond, change - beyond - shift]
    )
    assert row[["low", "high"]].tolist() == pytest.approx([beyond - half, beyond + half])
    assert (result.slope, result.settings["slope_from"]) == (pytest.approx(slope), "data" if given is None else "given")
    assert repr(result).startswith("Of 23 students 10 were chosen")


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
    with pytest.raises(DataError, match="11 students are chosen and 9 are not"):
        expected_return(range(20), range(20), [number < 11 for number in range(20)])
    assert expected_return(range(20), range(20), [number < 10 for number in range(20)]).students == 20
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
