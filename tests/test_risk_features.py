"""Features as of a date and outcomes: against counts by hand, and against records whose future was rewritten."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from made import in_engine, made_records, municipality, records_of

from nbanalytics.analysis.droppoints import losses
from nbanalytics.declaration import parse_declaration
from nbanalytics.errors import DataError, EstimationWarning, LeakageError
from nbanalytics.frames import collect
from nbanalytics.risk import (
    OUTCOMES,
    OwnFeature,
    RiskData,
    Validation,
    as_of,
    auc_by_point,
    dataset,
    features,
    outcome,
    periods_at_risk,
    refuse_leakage,
)
from nbanalytics.risk.data.assemble import rate_before
from nbanalytics.risk.data.riskdata import years_between

TERMS = ("6HT", "6VT", "7HT", "7VT", "8HT", "8VT", "9HT", "9VT")
PASSED, FAILED = "EEEEEEEE", "EEFEEEEE"


def row(known, student):
    return known.table.set_index("student_id").loc[student]


def absence_of(**students):
    rows = [(name, term, valid, invalid) for name, terms in students.items() for term, valid, invalid in terms]
    return pd.DataFrame(rows, columns=["student_id", "term", "valid", "invalid"])


def test_features_of_grades_and_absence_are_those_counted_by_hand():
    records = records_of(
        {"P1": {"6HT": "CCCCCCCC", "6VT": "CCDCCEF-", "7HT": "DCFCCEF-"}, "P2": {"7HT": PASSED}},
        absence=absence_of(P1=[("6VT", 3.0, 1.0), ("7HT", 6.5, 2.0)], P2=[("7HT", None, 4.0)]),
        school_id="S1",
    )
    known = features(records, "7HT")
    first = row(known, "P1")
    means = [15.0, (15 * 4 + 12.5 + 10 + 0) / 7, (12.5 + 15 * 3 + 0 + 10 + 0) / 7]
    assert first["mean_points"] == pytest.approx(means[2])
    assert first["points_change"] == pytest.approx(means[2] - means[1])
    assert first["points_trend"] == pytest.approx(np.polyfit([0, 1, 2], means, 1)[0])
    assert first[["n_passed", "n_failed", "n_streck", "not_eligible", "earlier_not_eligible"]].tolist() == [
        5,
        2,
        1,
        1,
        1,
    ]
    assert first[["points_SV_SVA", "failed_SV_SVA", "points_MA", "failed_MA", "streck_MA"]].tolist() == [
        12.5,
        0,
        0,
        1,
        0,
    ]
    assert first[["absence_valid", "absence_invalid", "absence_total", "absence_change"]].tolist() == [6.5, 2, 8.5, 4.5]
    assert first["terms_without_grades"] == 0
    second = row(known, "P2")
    assert second["terms_without_grades"] == 2
    assert second[["points_change", "points_trend", "absence_valid", "absence_total"]].isna().all()
    assert second["absence_invalid"] == 4
    missing = known.missing.set_index("feature")["missing"]
    assert missing["points_change"] == 1
    assert missing["mean_points"] == 0


def test_streck_is_no_fail_and_a_fail_no_streck():
    known = features(records_of({"P1": {"6VT": "EE-EEEEE"}, "P2": {"6VT": FAILED}}), "6VT", families=["subjects"])
    assert row(known, "P1")[["failed_MA", "streck_MA"]].tolist() == [0, 1]
    assert np.isnan(row(known, "P1")["points_MA"])
    assert row(known, "P2")[["failed_MA", "streck_MA", "points_MA"]].tolist() == [1, 0, 0]


def test_subjects_of_choice():
    known = features(records_of({"P1": {"6VT": "EEEFEEEE"}}), "6VT", families=["subjects"], subjects=["BL"])
    assert known.features == ("points_BL", "failed_BL", "streck_BL")
    assert row(known, "P1")["failed_BL"] == 1


def test_national_tests_are_set_against_the_grades_of_their_own_term():
    tests = pd.DataFrame(
        [("P1", "6VT", "MA", "C"), ("P1", "6VT", "EN", "E"), ("P2", "6VT", "MA", "A")],
        columns=["student_id", "term", "subject", "grade"],
    )
    records = replace(records_of({name: {"6VT": PASSED, "7HT": "AAAAAAAA"} for name in ("P1", "P2")}), tests=tests)
    known = features(records, "7HT", families=["tests"])
    assert row(known, "P1")[["test_points", "test_minus_grade"]].tolist() == [12.5, 2.5]
    assert row(known, "P2")[["test_points", "test_minus_grade"]].tolist() == [20, 10]
    assert set(known.known.values()) == {"6VT"}


def test_the_context_leaves_the_student_out():
    known = features(municipality(), "7VT")
    table = known.table
    for _, student in table.iterrows():
        others = table[
            (table["school_id"] == student["school_id"])
            & (table["cohort"] == student["cohort"])
            & (table["student_id"] != student["student_id"])
        ]
        assert student["school_size"] == len(others) + 1
        for name in ("mean_points", "not_eligible", "absence_total"):
            assert student[f"school_{name}"] == pytest.approx(others[name].mean(), nan_ok=True)


def rewritten(records, at):
    """Everything that happened after a term is made different."""
    later = list(TERMS[TERMS.index(at) + 1 :])
    grades, absence = records.grades.copy(), records.absence.copy()
    grades.loc[grades["term"].isin(later), "grade"] = "F"
    absence.loc[absence["term"].isin(later), ["valid", "invalid"]] = 50.0
    students = records.students.copy()
    students.loc[students["moved_out"].isin([at, *later]), "moved_out"] = None
    outcomes = records.outcomes.assign(programme_kind="introductory")
    return replace(records, grades=grades, absence=absence, students=students, outcomes=outcomes)


@pytest.mark.parametrize("at", TERMS[1:-1])
def test_no_feature_changes_when_the_future_is_rewritten(at):
    records = municipality()
    pd.testing.assert_frame_equal(features(records, at).table, features(rewritten(records, at), at).table)


def test_a_feature_planted_from_the_future_is_caught():
    records = municipality()
    ends = pd.Series(1.0, index=records.students["student_id"])
    with pytest.raises(LeakageError, match="'grade_9' was known in 9VT, after the prediction point 6VT"):
        features(records, "6VT", own=[OwnFeature("grade_9", ends, known="9VT")])

    def fails(past):
        return (past.grades["grade"] == "F").groupby(past.grades["student_id"]).sum()

    with pytest.raises(LeakageError, match=r"'all_fails' comes out different for \d+ of \d+ students .* after 6VT"):
        dataset(records, "not_eligible", "6VT", own=[OwnFeature("all_fails", fails, known="6VT")])

    def fails_so_far(past):
        grades = past.grades[past.grades["term"].isin(["6HT", "6VT"])]
        return (grades["grade"] == "F").groupby(grades["student_id"]).sum()

    known = features(records, "6VT", own=[OwnFeature("fails_so_far", fails_so_far, known="6VT")])
    assert known.family["fails_so_far"] == "own"
    so_far = known.table.set_index("student_id")["fails_so_far"]
    assert so_far.equals(fails_so_far(as_of(records, "6VT")).reindex(so_far.index).astype(float).rename(so_far.name))


def test_a_feature_known_at_no_term_is_refused():
    with pytest.raises(DataError, match="said to be known in 'spring'"):
        features(municipality(), "6VT", own=[OwnFeature("x", pd.Series(dtype=float), known="spring")])


@pytest.mark.parametrize("at", ["9VT", "6HT", "10HT"])
def test_only_followed_terms_with_a_future_are_prediction_points(at):
    with pytest.raises(DataError, match=r"not a prediction point .* 6VT, 7HT, 7VT, 8HT, 8VT, 9HT"):
        features(municipality(), at)


def test_what_is_wanting_is_told():
    records = records_of({"P1": {"6VT": PASSED, "9VT": PASSED}})
    assert features(records, "6VT").skipped == ("absence", "tests")
    with pytest.raises(DataError, match="no rows yet for the features of absence"):
        features(records, "6VT", families=["absence"])
    with pytest.raises(DataError, match="Unknown family of features motivation"):
        features(records, "6VT", families=["motivation"])
    with pytest.raises(DataError, match="Nobody has grades or absence in 7HT"):
        features(records, "7HT")
    with pytest.raises(DataError, match="no column class_id"):
        features(records, "6VT", school="class_id")
    with pytest.raises(DataError, match="no absence"):
        outcome(records, "absence", "6VT")
    with pytest.raises(DataError, match="no programme_kind"):
        outcome(records, "no_national_programme", "6VT")
    with pytest.raises(DataError, match="no outcome 'happiness'"):
        outcome(records, "happiness", "6VT")


def test_students_without_a_row_are_counted():
    records = municipality()
    known = features(records, "7HT")
    assert len(known.table) + known.left_out["students"].sum() == len(records.students)
    assert set(known.left_out["reason"]) <= {
        "moved in after 7HT", "moved out before 7HT", "no grades or absence in 7HT"
    }  # fmt: skip


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_other_engines_give_the_same_data(engine):
    expected = dataset(municipality(), "lost", "6VT").table.sort_values("student_id", ignore_index=True)
    found = dataset(in_engine(municipality(), engine), "lost", "6VT").table
    found = found.sort_values("student_id", ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


# ------------------------------------------------------------------ outcomes


def followed_students():
    return records_of(
        {
            "kept": {"6VT": PASSED, "7HT": PASSED, "9VT": PASSED},
            "lost": {"6VT": PASSED, "7HT": FAILED, "9VT": FAILED},
            "regained": {"6VT": PASSED, "7HT": FAILED, "9VT": PASSED},
            "never": {"6VT": FAILED, "7HT": FAILED, "9VT": "EE-EEEEE"},
            "moved": {"6VT": PASSED, "7HT": PASSED},
            "gone": {"6VT": PASSED, "7HT": PASSED},
        },
        moved_out=[None, None, None, None, "7HT", None],
        outcomes=pd.DataFrame(
            {
                "student_id": ["kept", "lost", "regained", "never", "moved"],
                "programme_kind": ["vocational", "introductory", "preparatory", "none", "moved"],
            }
        ),
        absence=absence_of(kept=[("9VT", 5.0, 1.0)], lost=[("9VT", 15.0, 6.0)], never=[("9VT", None, 9.0)]),
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lost", {"kept": 0, "lost": 1, "regained": 1}),
        ("not_eligible", {"kept": 0, "lost": 1, "regained": 0, "never": 1}),
        ("group_6", {"kept": 0, "lost": 1, "regained": 0}),
        ("failed_core", {"kept": 0, "lost": 1, "regained": 0, "never": 0}),
        ("no_national_programme", {"kept": 0, "lost": 1, "regained": 0, "never": 1}),
        ("absence", {"kept": 0, "lost": 1}),
    ],
)
def test_outcomes_are_those_of_their_definition_and_the_unknown_is_not_zero(name, expected):
    found = outcome(followed_students(), name, "6VT")
    table = found.table.set_index("student_id")
    assert table["y"].dropna().to_dict() == expected
    assert table["reason"].notna().equals(table["y"].isna())
    counts = found.counts[["happened", "did_not", "unknown"]].sum()
    assert counts.tolist() == [sum(expected.values()), len(expected) - sum(expected.values()), 6 - len(expected)]
    assert found.unknown["students"].sum() == 6 - len(expected)


def test_why_an_outcome_is_unknown():
    reasons = outcome(followed_students(), "lost", "6VT").table.set_index("student_id")["reason"]
    assert reasons["never"] == "not eligible in 6VT"
    assert reasons["moved"] == "moved out before 9VT"
    assert reasons["gone"] == "no results in 9VT"


def test_streck_counts_as_a_fail_only_when_asked():
    found = outcome(followed_students(), "failed_core", "6VT", streck=True).table.set_index("student_id")["y"]
    assert found["never"] == 1


def test_those_at_risk_later_are_those_eligible_then():
    found = outcome(followed_students(), "lost", "7HT").table.set_index("student_id")
    assert found["y"].dropna().to_dict() == {"kept": 0}
    assert found.loc["regained", "reason"] == "not eligible in 7HT"


def test_karlskoga_lost_twenty_three(karlskoga):
    assert outcome(karlskoga, "group_6", "6VT").counts["happened"].sum() == 23


def test_lost_agrees_with_the_drop_points(sample):
    table = collect(losses(sample).table)
    found = outcome(sample, "lost", "6VT")
    assert found.counts["happened"].sum() == table["event"].sum()
    assert found.counts["did_not"].sum() == (table["end_observed"] & (table["event"] == 0)).sum()


@settings(max_examples=examples(10))
@given(made_records())
def test_every_student_has_an_outcome_or_a_reason(records):
    for name in OUTCOMES:
        try:
            found = outcome(in_engine(records, "polars"), name, "6VT").table
        except DataError:
            continue
        assert len(found) == len(records.students)
        assert found["y"].isna().equals(found["reason"].notna())


def test_a_cohort_without_outcomes_is_left_out_whole():
    records = followed_students()
    young = records_of({"y1": {"6VT": PASSED, "7HT": FAILED}, "y2": {"6VT": PASSED, "7HT": PASSED}}, cohort=2020)
    both = replace(
        records,
        students=pd.concat([records.students, young.students]),
        grades=pd.concat([records.grades, young.grades]),
    )
    found = outcome(both, "lost", "6VT")
    assert found.unknown[found.unknown["cohort"] == 2020]["reason"].tolist() == ["the cohort has no outcome in 9VT yet"]
    assert set(dataset(both, "lost", "6VT").cohorts) == {2018}
    with pytest.raises(DataError, match="known of none of 2 students"):
        outcome(young, "lost", "6VT")
    exits = periods_at_risk(both, "6VT").set_index("student_id")
    assert exits.loc[["y2"], "exit"].tolist() == ["none"]


@pytest.mark.parametrize("by", ["6VT", "6HT", "10VT"])
def test_a_horizon_before_the_prediction_or_past_the_data_is_refused(by):
    with pytest.raises(DataError, match=r"cannot be seen in '.*' from 6VT. Choose until= among: 7HT, .*9VT"):
        outcome(followed_students(), "not_eligible", "6VT", until=by)


def test_an_earlier_horizon():
    found = outcome(followed_students(), "not_eligible", "6VT", until="7HT").table.set_index("student_id")["y"]
    assert found["regained"] == 1
    assert found["moved"] == 0


# ------------------------------------------------------------------ person-periods and data


def test_periods_are_those_of_the_drop_points_with_the_exits_beside(sample):
    periods = periods_at_risk(sample, "6VT")
    table = losses(sample).life_table()
    stays = periods[periods["exit"].isin(["none", "lost"])].groupby("t")["event"].agg(["size", "sum"])
    assert stays["size"].tolist() == table["at_risk"].tolist()
    assert stays["sum"].tolist() == table["lost"].tolist()
    left = periods[periods["exit"].isin(["moved", "unknown"])].groupby("t").size()
    censored = [a - e - b for (a, e), b in pairwise_at_risk(table)]
    assert left.reindex(range(2, 7), fill_value=0).tolist() == censored


def pairwise_at_risk(table):
    pairs = list(zip(table["at_risk"], table["lost"], strict=True))
    return [(now, following[0]) for now, following in pairwise(pairs)]


def test_absence_of_a_person_period_is_that_of_the_term_before():
    periods = periods_at_risk(municipality(), "6VT")
    absence = municipality().absence.set_index(["student_id", "term"])
    for period in periods.itertuples():
        before = TERMS[TERMS.index(period.term) - 1]
        expected = absence["invalid"].get((period.student_id, before), np.nan)
        assert period.absence_invalid == pytest.approx(expected, nan_ok=True)


def test_data_count_everybody_once(sample):
    data = dataset(sample, "lost", "6VT")
    assert len(data) + data.left_out["students"].sum() == len(sample.students)
    assert data.table["student_id"].is_unique
    assert set(data.known) == set(data.features)
    assert not set(data.sensitive) & set(data.features)
    assert data.X.index.tolist() == data.table["student_id"].tolist()


def test_sensitive_columns_are_features_only_when_asked(sample):
    data = dataset(sample.cohort(2020), "lost", "6VT")
    with_sex = data.with_sensitive(["sex"])
    assert set(with_sex.features) - set(data.features) == {"sex_girl"}
    assert with_sex.table["sex_girl"].tolist() == [float(sex == "girl") for sex in data.groups["sex"]]
    with pytest.raises(DataError, match="no sensitive column shoe_size"):
        data.with_sensitive(["shoe_size"])
    with pytest.raises(DataError, match="no feature shoe_size"):
        data.with_features(["shoe_size"])


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(2018, 2023), st.booleans()), min_size=1, max_size=12))
def test_the_rate_before_counts_only_cohorts_that_were_known(rows):
    table = pd.DataFrame(rows, columns=["school_id", "cohort", "y"]).astype({"y": int})
    for place, rate in enumerate(rate_before(table, 3)):
        school, cohort, _ = rows[place]
        past = [y for other, year, y in rows if other == school and year <= cohort - 3]
        assert rate == pytest.approx(np.mean(past) if past else np.nan, nan_ok=True)


@pytest.mark.parametrize(
    ("at", "observed_at", "years"),
    [("6VT", "9VT", 3), ("6HT", "9VT", 4), ("9HT", "9VT", 1), ("6VT", "7HT", 1), ("9HT", "upper_secondary", 1)],
)
def test_the_gap_between_features_and_outcome(at, observed_at, years):
    assert years_between(TERMS, at, observed_at) == years


def test_three_terms_on_another_scale():
    points = {str(grade): grade for grade in range(21)}
    declaration = parse_declaration(
        {
            "terms": {"order": ["G1", "G2", "G3"]},
            "grading": {"rule": "passes the course"},
            "scale": [{"name": "0-20", "points": points, "passing": [str(grade) for grade in range(10, 21)]}],
            "rule": [{"name": "passes the course", "way": [{"required": [["POR"]], "passes": 1}]}],
            "subject": {"POR": {"sv": "Portugisiska", "en": "Portuguese"}},
        }
    )
    courses = {
        f"R{number}": {"G1": {"POR": str(8 + number)}, "G2": {"POR": "11"}, "G3": {"POR": "9" if number < 4 else "12"}}
        for number in range(8)
    }
    records = records_of(courses, declaration=declaration, school_id="GP")
    data = dataset(records, "lost", "G1")
    assert (data.at, data.observed_at, data.gap_years) == ("G1", "G3", 1)
    assert len(data) == 6
    assert data.y.sum() == 2
    later = dataset(records, "not_eligible", "G2")
    assert later.table["points_change"].tolist() == [11.0 - 8 - number for number in range(8)]
    assert later.table["points_POR"].tolist() == [11.0] * 8
    # Dates are looked up among the terms of these records, also where nobody says which they are.
    refuse_leakage(data)
    rows = data.table[["student_id", "cohort", "school_id", "y"]].assign(model="m", fold="2018", p=0.1, at="G1")
    rows["p"] = [0.1, 0.4, 0.2, 0.5, 0.3, 0.15]
    settings = {"models": ("m",), "at": ("G1",), "observed_at": "G3", "scheme": "schools", **data.settings}
    with pytest.warns(EstimationWarning, match="With 1 school"):
        assert auc_by_point(Validation(rows, pd.DataFrame(), settings))["horizon_years"].tolist() == [2 / 3]


def test_the_data_show_themselves(sample):
    data = dataset(sample.cohort(2020), "lost", "6VT")
    assert isinstance(data, RiskData)
    assert repr(data).startswith("lost (9VT) from 6VT: ")
    assert "features of" in repr(features(sample.cohort(2020), "6VT"))
    assert as_of(sample, "7HT").outcomes is None


def test_the_past_has_no_screening_or_follow_up_from_later():
    answers = pd.DataFrame({"student_id": ["P1", "P1"], "term": ["6VT", "8VT"]}).assign(
        question="q", answer=["no", "yes"]
    )
    records = replace(
        records_of({"P1": {"6VT": PASSED, "7HT": PASSED, "9VT": PASSED}}),
        screening=answers,
        followups=pd.DataFrame({"student_id": ["P1"], "date": ["2018-10-01"], "status": ["work"]}),
    )
    past = as_of(records, "7HT")
    assert past.screening["term"].tolist() == ["6VT"]
    assert past.followups is None

    def hardest(known):
        return (known.screening["answer"] == "yes").groupby(known.screening["student_id"]).max().astype(float)

    with pytest.raises(LeakageError, match="'hardest' comes out different for 1 of 1 students"):
        features(records, "7HT", own=[OwnFeature("hardest", hardest, known="7HT")])
