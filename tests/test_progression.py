"""Progression by subject against plain Python loops and scipy."""

from math import atanh, sqrt, tanh

import pandas as pd
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from made import ENGINES, in_engine, made_records, municipality, records_of, same
from scipy import stats

from nbanalytics.analysis.progression import grade_pairs, match_rate, progression
from nbanalytics.errors import DataError

ORDER = "FEDCBA"


def step_pairs(records):
    """Return ``(student, subject, start step, end step)`` of the grades that pair, by plain loops."""
    held = {(row.student_id, row.term, row.subject): row.grade for row in records.grades.itertuples()}
    found = []
    for (student, term, subject), grade in held.items():
        before = held.get((student, "6VT", subject), "-")
        if term == "9VT" and grade in ORDER and before in ORDER and subject not in ("M1", "M2", "ML"):
            found.append((student, subject, ORDER.index(before), ORDER.index(grade)))
    return found


def one(courses, **columns):
    return records_of(courses, **columns)


@settings(max_examples=examples(10), deadline=None)
@given(made_records())
def test_counts_are_those_of_a_plain_loop(records):
    pairs = step_pairs(records)
    result = progression(in_engine(records, "polars"), by=["subject"])
    rows = {row.subject: row for row in result.table.itertuples()}
    assert set(rows) == {subject for _, subject, _, _ in pairs}
    for subject, row in rows.items():
        steps = [(before, after) for _, name, before, after in pairs if name == subject]
        assert row.pairs == row.students == len(steps)
        assert row.raised == sum(after > before for before, after in steps)
        assert row.unchanged == sum(after == before for before, after in steps)
        assert row.lowered == sum(after < before for before, after in steps)
        assert row.fail_to_pass == sum(before == 0 < after for before, after in steps)
        assert row.pass_to_fail == sum(after == 0 < before for before, after in steps)
    assert result.students == len({student for student, *_ in pairs})


@settings(max_examples=examples(10), deadline=None)
@given(made_records(), st.sampled_from([[], ["sex"], ["subject"], ["swedish_course", "sex"]]))
def test_totals_add_up(records, by):
    result = progression(in_engine(records, "polars"), by=by)
    counts = ["pairs", "raised", "unchanged", "lowered", "fail_to_pass", "pass_to_fail"]
    assert result.table[counts].sum().tolist() == result.total[counts].sum().tolist()
    assert (result.table[["raised", "unchanged", "lowered"]].sum(axis=1) == result.table["pairs"]).all()


def test_estimates_are_those_of_scipy_with_one_pair_a_student():
    records = municipality(students=80)
    table = progression(records, by=["subject"]).table.set_index("subject")
    for subject in ("MA", "EN", "SL"):
        steps = [(before, after) for _, name, before, after in step_pairs(records) if name == subject]
        change = [after - before for before, after in steps]
        row = table.loc[subject]
        assert row["mean_change"] == pytest.approx(sum(change) / len(change))
        assert row["se"] == pytest.approx(stats.sem(change))
        interval = stats.t.interval(0.95, len(change) - 1, row["mean_change"], row["se"])
        assert (row["low"], row["high"]) == pytest.approx(interval)
        assert row["correlation"] == pytest.approx(stats.spearmanr(*zip(*steps, strict=True)).statistic)
        r, z = row["correlation"], stats.norm.ppf(0.975)
        half = z * sqrt((1 + r**2 / 2) / (len(change) - 3))
        expected = (tanh(atanh(r) - half), tanh(atanh(r) + half))
        assert (row["correlation_low"], row["correlation_high"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("students", "least", "status"), [(4, 5, "too_few"), (5, 5, "ok"), (2, 2, "ok"), (1, 1, "too_few")]
)
def test_an_estimate_needs_as_many_students_as_asked_for_and_two(students, least, status):
    records = one({f"P{n}": {"6VT": {"MA": "E"}, "9VT": {"MA": "DC"[n % 2]}} for n in range(students)})
    asked = {} if least == 5 else {"min_students": least}
    row = progression(records, **asked).total.iloc[0]
    assert row["status"] == status
    if students == 2:  # the changes are 1 and 2: mean 1.5, standard error 0.5
        assert (row["mean_change"], row["se"]) == (1.5, 0.5)


@pytest.mark.parametrize(
    ("steps", "r", "has_interval"), [("EDC", 0.5, False), ("EDCB", 0.8, True), ("BCDE", -0.8, True)]
)
def test_a_correlation_has_an_interval_from_four_students_on(steps, r, has_interval):
    """Ranks 1 2 3 4 against 1 3 2 4: r = 1 - 6 (1 + 1) / (4 (16 - 1)) = 0.8."""
    last = {"EDC": "ECD", "EDCB": "ECDB", "BCDE": "ECDB"}[steps]
    pairs = zip(steps, last, strict=True)
    records = one({f"P{n}": {"6VT": {"MA": a}, "9VT": {"MA": b}} for n, (a, b) in enumerate(pairs)})
    row = progression(records, min_students=2).total.iloc[0]
    assert row["correlation"] == pytest.approx(r)
    assert pd.notna(row["correlation_low"]) == has_interval


def test_a_perfect_correlation_has_no_interval():
    records = one({f"P{n}": {"6VT": {"MA": g}, "9VT": {"MA": g}} for n, g in enumerate("EDCBA")})
    row = progression(records).total.iloc[0]
    assert row["correlation"] == 1
    assert row[["correlation_low", "correlation_high"]].isna().all()


def test_passes_are_followed_on_a_scale_that_has_them_only():
    passes = ["fail_to_pass", "pass_to_fail"]
    found = progression(one({"P": {"6VT": {"MA": "F"}, "9VT": {"MA": "E"}}}))
    assert found.total[passes].to_numpy().tolist() == [[1, 0]]
    assert "1 went from fail to pass and 0 from pass to fail" in found.words
    assert found.settings["scale"] == "A-F"
    found = progression(one({"P": {"6VT": {"MA": "3"}, "9VT": {"MA": "4"}}}, cohort=2033))
    assert found.total[passes].isna().all(axis=None)
    assert "pass" not in found.words


def test_the_pairs_of_a_student_go_together_in_the_standard_error():
    records = municipality(students=40)
    pairs = pd.DataFrame(step_pairs(records), columns=["student", "subject", "start", "end"])
    pairs["change"] = pairs["end"] - pairs["start"]
    row = progression(records).total.iloc[0]
    mean = pairs["change"].mean()
    # the residuals of a student are added before they are squared
    residuals = (pairs["change"] - mean).groupby(pairs["student"]).sum()
    students = len(residuals)
    assert row["se"] == pytest.approx((residuals**2).sum() ** 0.5 / len(pairs) * (students / (students - 1)) ** 0.5)
    assert row["correlation"] == pytest.approx(stats.spearmanr(pairs["start"], pairs["end"]).statistic)


def test_languages_and_blocks_are_never_paired_with_something_else():
    records = one({"P": {"6VT": {"NO": "C", "M2": "C", "MA": "C"}, "9VT": {"BI": "C", "M2": "A", "MA": "B"}}})
    assert grade_pairs(records)["subject"].tolist() == ["MA"]
    both = one({"P": {"6VT": {"NO": "C"}, "9VT": {"NO": "E"}}})
    assert grade_pairs(both)[["subject", "start_step", "end_step"]].to_numpy().tolist() == [["NO", 3, 1]]


def test_the_course_in_swedish_is_that_of_the_end_term_and_a_switch_is_a_kind_of_its_own():
    records = one(
        {
            "sv": {"6VT": {"SV": "C", "SVA": "not_graded", "MA": "C"}, "9VT": {"SV": "C", "MA": "C"}},
            "sva": {"6VT": {"SVA": "F", "MA": "C"}, "9VT": {"SVA": "-", "MA": "C"}},
            "switch": {"6VT": {"SVA": "E", "MA": "C"}, "9VT": {"SV": "E", "MA": "C"}},
            "none": {"6VT": {"SV": "E", "MA": "C"}, "9VT": {"MA": "C"}},
            "new": {"6VT": {"MA": "C"}, "9VT": {"SVA": "E", "MA": "C"}},
            "both": {"6VT": {"MA": "C"}, "9VT": {"SVA": "E", "SV": "E", "MA": "C"}},
            "mark": {"6VT": {"SV": "E", "MA": "C"}, "9VT": {"SV": "not_graded", "MA": "C"}},
        }
    )
    pairs = grade_pairs(records)
    courses = dict(pairs.loc[pairs["subject"] == "MA", ["student_id", "swedish_course"]].itertuples(index=False))
    assert courses == {
        "sv": "SV",
        "sva": "SVA",
        "switch": "switched",
        "none": "none",
        "new": "SVA",
        "both": "both",
        "mark": "none",
    }
    assert set(pairs["subject"]) == {"MA", "SV"}


def test_few_students_are_counted_and_not_estimated():
    row = progression(one({"P": {"6VT": {"MA": "F"}, "9VT": {"MA": "E"}}})).table.iloc[0]
    assert (row["pairs"], row["raised"], row["fail_to_pass"], row["status"]) == (1, 1, 1, "too_few")
    assert row[["mean_change", "se", "correlation"]].isna().all()


def test_equal_grades_have_no_correlation():
    result = progression(one({f"P{n}": {"6VT": {"MA": "C"}, "9VT": {"MA": "B"}} for n in range(6)}))
    row = result.table.iloc[0]
    assert (row["mean_change"], row["se"], row["status"]) == (1, 0, "ok")
    assert pd.isna(row["correlation"])


def test_words_say_what_is_counted():
    result = progression(municipality())
    assert result.words.startswith(f"Grades are counted, not students: of {result.total['pairs'].iloc[0]} pairs")
    assert f"of {result.students} students" in result.words
    for engine in ("pandas", "duckdb"):
        empty = progression(in_engine(one({"P": {"6VT": {"MA": "C"}}}), engine))
        assert "there is no pair" in empty.words
        assert empty.students == 0


def test_what_pairs_cannot_be_divided_by_is_named():
    with pytest.raises(DataError, match="cannot be divided by shoe_size"):
        progression(municipality(12), by=["shoe_size"])
    with pytest.raises(DataError, match="cannot be divided by student_id"):
        grade_pairs(municipality(12), keep=["student_id"])
    assert {2018, 2019} == set(grade_pairs(municipality(12), keep=["cohort"])["cohort"])


def test_cohorts_of_several_scales_are_not_mixed():
    records = one({"old": {"6VT": {"MA": "G"}}, "new": {"6VT": {"MA": "C"}}})
    records.students["cohort"] = [2010, 2018]
    with pytest.raises(DataError, match=r"several grade scales, A-F .*, IG-MVG"):
        progression(records)


# ------------------------------------------------------------------ the match rate


def rate(records):
    table = match_rate(records).table
    return {(row.counted, row.status): row.n for row in table.itertuples() if row.n}


def test_every_reason_why_a_grade_could_not_be_followed_back():
    records = one(
        {
            "here": {
                "6VT": {"MA": "C", "NO": "C", "GE": "C", "SVA": "C", "BL": "-", "MU": "not_taught", "SL": "C",
                        "ML": "A"},
                "9VT": {"MA": "C", "BI": "C", "SO": "C", "SV": "C", "BL": "C", "MU": "C", "SL": "-", "ML": "A",
                        "TK": "C", "HKK": "adapted"},
            },
            "came": {"9VT": {"MA": "C", "EN": "-"}},
            "unknown": {"6VT": {"MA": "-"}, "9VT": {"MA": "C"}},
        },
        moved_in=[None, "7HT", "6VT"],
    )  # fmt: skip
    assert rate(records) == {
        ("students", "matched"): 1,
        ("students", "moved_in"): 1,
        ("students", "no_grades_at_start"): 1,
        ("grades", "matched"): 1,
        ("grades", "block_at_start"): 1,
        ("grades", "block_at_end"): 1,
        ("grades", "course_switched"): 1,
        ("grades", "streck_at_start"): 1,
        ("grades", "mark_at_start"): 1,
        ("grades", "not_comparable"): 1,
        ("grades", "not_read_at_start"): 1,
        ("grades", "moved_in"): 1,
        ("grades", "no_grades_at_start"): 1,
        ("marks", "streck_at_end"): 2,
        ("marks", "mark_at_end"): 1,
    }
    result = match_rate(records)
    assert result.table.index.tolist() == list(range(len(result.table)))
    assert result.student_rate == pytest.approx(1 / 3)
    assert result.grade_rate == pytest.approx(1 / 10)
    assert "Students are counted: of 3 students of 9VT, 1 (33%) could be followed back to 6VT" in result.words
    assert "Grades are counted: of 10 grades in 9VT, 1 (10%)" in result.words


def test_students_with_marks_only_and_without_a_common_subject():
    records = one(
        {
            "marks": {"6VT": {"MA": "C"}, "9VT": {"MA": "-"}},
            "other": {"6VT": {"MA": "C"}, "9VT": {"EN": "C"}},
            "left": {"6VT": {"MA": "C"}},
        }
    )
    assert rate(records) == {
        ("students", "no_grades_at_end"): 1,
        ("students", "no_common_subject"): 1,
        ("grades", "not_read_at_start"): 1,
        ("marks", "streck_at_end"): 1,
    }


@settings(max_examples=examples(10), deadline=None)
@given(made_records())
def test_the_match_rate_adds_up(records):
    result = match_rate(in_engine(records, "polars"))
    end = records.grades[records.grades["term"] == "9VT"]
    sums = result.table.groupby("counted")["n"].sum()
    assert sums["students"] == end["student_id"].nunique() == result.students
    assert sums["grades"] + sums["marks"] == len(end)
    matched = result.table[result.table["status"] == "matched"].set_index("counted")["n"]
    pairs = step_pairs(records)
    assert matched["grades"] == len(pairs)
    assert matched["students"] == len({student for student, *_ in pairs})
    assert result.words


@pytest.mark.parametrize("engine", ENGINES)
def test_any_dataframe_gives_the_same_progression(engine):
    records = municipality()
    other = in_engine(records, engine)
    same(progression(other, by=["subject"]).table, progression(records, by=["subject"]).table)
    by = ["swedish_course", "sex"]
    same(progression(other, by=by).table, progression(records, by=by).table)
    same(match_rate(other).table, match_rate(records).table)
