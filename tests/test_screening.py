"""The screening: the form's questions, published intervals, what was planted, and what bad answers get."""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made import records_of
from scipy import stats

from nbanalytics.analysis.baseline import (
    dimensions,
    screening_and_loss,
    screening_groups,
    screening_profile,
    screening_questions,
    screening_reliability,
)
from nbanalytics.analysis.baseline.screening import _protected, auc_interval, cronbach_alpha, feldt_interval
from nbanalytics.analysis.droppoints import losses
from nbanalytics.disclosure import Policy
from nbanalytics.errors import DataError
from nbanalytics.intervals import katz, wilson
from nbanalytics.readers import check_records, read_records
from nbanalytics.simulation import simulate
from nbanalytics.simulation.tables import QUESTIONS


@pytest.fixture(scope="module")
def screened(sample):
    return sample.cohort([2022, 2023, 2024])


def answers_of(*rows):
    return pd.DataFrame(rows, columns=["student_id", "term", "question", "answer"])


def records_with(*rows, students=("P1", "P2")):
    records = records_of({student: {"6VT": "EEEEEEEE"} for student in students})
    return replace(records, screening=answers_of(*rows))


# ---------------------------------------------------------------- the form


def test_the_questions_are_those_of_the_seminar():
    """Fullföljda studier Fyrbodal, 3 September 2020: 5, 3, 5 and 4 questions, those in bold prioritised."""
    of = pd.Series({code: question.dimension for code, question in screening_questions().items()}).value_counts(
        sort=False
    )
    assert of.to_dict() == {"behaviour": 5, "academic": 3, "cognitive": 5, "psychological": 4}
    assert list(dimensions()) == list(of.index)
    bold = [code for code, question in screening_questions().items() if question.prioritised]
    assert bold == ["B1", "B2", "B3", "A1", "C1", "C4", "P1", "P2", "P4"]
    assert {question.sign for question in screening_questions().values()} == {"yes", "no"}
    assert [code for code, question in screening_questions().items() if question.sign == "no"] == ["B5", "C1", "C2"]
    assert all(question.sv and question.en for question in screening_questions().values())


def test_the_simulator_answers_the_forms_questions():
    expected = {code: (question.dimension, question.sign) for code, question in screening_questions().items()}
    assert {code: (dimension, sign) for code, (dimension, sign, _) in QUESTIONS.items()} == expected


# ---------------------------------------------------------------- profiles and groups


def test_a_profile_counts_signs_and_unknown():
    records = records_with(
        ("P1", "6VT", "B1", "yes"),
        ("P1", "6VT", "B5", "yes"),  # carries out tasks: no sign
        ("P1", "6VT", "C1", "no"),  # does not value school: a sign
        ("P1", "6VT", "C2", "unknown"),
        ("P2", "6VT", "P1", "unknown"),
    )
    table = screening_profile(records, "6VT").table.set_index(["student_id", "scale"])
    columns = ["questions", "answered", "unknown", "signs", "share"]
    assert table.loc[("P1", "behaviour"), columns].tolist() == [5, 2, 3, 1, 0.5]
    assert table.loc[("P1", "cognitive"), columns].tolist() == [5, 1, 4, 1, 1.0]
    assert table.loc[("P1", "prioritised"), columns].tolist() == [9, 2, 7, 2, 1.0]
    assert table.loc[("P1", "all"), "signs"] == 2
    assert pd.isna(table.loc[("P2", "psychological"), "share"])


def test_groups_are_counted_and_small_ones_withheld(screened):
    result = screening_groups(screened, "6VT", by=["school_id_y6", "sex"], at_least=3)
    profile = screening_profile(screened, "6VT").table.merge(
        screened.students[["student_id", "school_id_y6", "sex"]], on="student_id"
    )
    profile = profile[profile["answered"] > 0]
    hidden = 0
    for row in result.table.itertuples():
        place = (profile["school_id_y6"] == row.school_id_y6) & (profile["sex"] == row.sex)
        part = profile[(profile["scale"] == row.scale) & place]
        n, reached = len(part), int((part["signs"] >= 3).sum())
        if row.status == "suppressed":
            hidden += 1
            assert all(pd.isna(value) for value in (row.students, row.with_signs, row.share, row.low, row.high))
        else:
            assert (row.students, row.with_signs) == (n, reached)
            assert n >= 10
            assert reached == 0 or reached >= 5
            assert n - reached >= 5
    assert hidden
    per_scale = result.table[result.table["status"] == "suppressed"].groupby("scale").size()
    assert (per_scale >= 2).all()


def withheld_by_hand(groups, min_group, min_cell):
    """Which of a scale's groups (students, with signs) are withheld, by the rule as it is written."""
    few = range(1, min_cell)
    small = [n < min_group or reached in few or n - reached in few or n == reached for n, reached in groups]
    if sum(small) == 1 and len(groups) > 1:
        small[min((n, place) for place, (n, _) in enumerate(groups) if not small[place])[1]] = True
    return small


def test_a_group_is_withheld_by_the_rule_and_one_alone_with_the_smallest_other():
    rng, seen = np.random.default_rng(8), set()
    for _ in range(80):
        min_group, min_cell = rng.choice([[10, 5], [8, 3], [1, 1]])
        sizes = rng.integers(max(min_group - 2, 1), min_group + 4, rng.integers(1, 5))
        scales = [
            [(int(n), int(rng.choice([0, n, 1, n - 1, min_cell, n - min_cell, n // 2]))) for n in sizes]
            for _ in range(2)
        ]
        scales = [[(n, min(max(reached, 0), n)) for n, reached in one] for one in scales]
        rows = [(name, *group) for name, one in zip("xy", scales, strict=True) for group in one]
        table = pd.DataFrame(rows, columns=["scale", "students", "with_signs"])
        found = _protected(table, int(min_group), int(min_cell))
        expected = [hidden for one in scales for hidden in withheld_by_hand(one, min_group, min_cell)]
        assert found["status"].tolist() == ["suppressed" if hidden else "ok" for hidden in expected], (rows, min_group)
        numbers = found[["students", "with_signs", "share", "low", "high"]]
        assert numbers.isna().all(axis=1).tolist() == expected
        for row in found[found["status"] == "ok"].itertuples():
            assert (row.share, row.low, row.high) == pytest.approx(
                (row.with_signs / row.students, *wilson(row.with_signs, row.students))
            )
        seen |= set(expected)
    assert seen == {True, False}


def test_a_student_counts_from_as_many_signs_as_are_asked_for():
    rows = [(f"P{n}", "6VT", code, "yes") for n in range(12) for code in ("B1", "B2", "B3")[: n % 4 or 1]]
    records = records_with(*rows, ("P12", "6VT", "B1", "unknown"), students=[f"P{n}" for n in range(13)])
    for asked, reached in (({}, 6), ({"at_least": 2}, 6), ({"at_least": 3}, 3), ({"at_least": 1}, 12)):
        row = (
            screening_groups(records, "6VT", min_group=1, min_cell=1, **asked).table.set_index("scale").loc["behaviour"]
        )
        if reached < 12:
            assert row[["students", "with_signs", "status"]].tolist() == [12, reached, "ok"]
        else:
            assert row["status"] == "suppressed", "all of a group have signs"
    for threshold in ("at_least", "min_group", "min_cell"):
        with pytest.raises(DataError, match="1 or more"):
            screening_groups(records, "6VT", **{threshold: 0})


@pytest.mark.parametrize("students", [29, 30])
def test_thirty_complete_answers_are_needed_for_alpha(students):
    rng, codes = np.random.default_rng(1), [code for code in screening_questions() if code.startswith("A")]
    answers = rng.integers(0, 2, (students + 2, 3))
    rows = [
        (f"P{n}", "6VT", code, "yes" if one else "no")
        for n, row in enumerate(answers)
        for code, one in zip(codes, row, strict=True)
        if not (n >= students and code == codes[0])
    ]
    records = records_with(*rows, ("P0", "6VT", "B1", "no"), students=[f"P{n}" for n in range(students + 2)])
    row = screening_reliability(records, "6VT").table.set_index("scale").loc["academic"]
    assert row[["questions", "n", "left_out"]].tolist() == [3, students, 2]
    if students < 30:
        assert np.isnan(row["alpha"])
        return
    signs = np.array(
        [
            [one == (screening_questions()[code].sign == "yes") for code, one in zip(codes, row_, strict=True)]
            for row_ in answers[:30]
        ],
        float,
    )
    alpha = 3 / 2 * (1 - signs.var(axis=0, ddof=1).sum() / signs.sum(axis=1).var(ddof=1))
    assert row["alpha"] == pytest.approx(alpha)
    tails = [stats.f.ppf(at, 29, 58) for at in (0.975, 0.025)]
    assert row[["low", "high"]].tolist() == pytest.approx([1 - (1 - alpha) * tail for tail in tails])


@pytest.mark.parametrize(("lost", "kept", "told"), [(5, 5, True), (4, 9, False), (9, 4, False)])
def test_the_relation_to_loss_is_told_from_five_losses_and_five_others_on(lost, kept, told):
    """Every second has two signs, the others one; who has no later results is not followed."""
    who = [*(f"L{n}" for n in range(lost)), *(f"K{n}" for n in range(kept)), "gone"]
    rows = [
        (one, "6VT", code, "yes")
        for place, one in enumerate(who)
        for code in ("B1", "B2")[: 1 + (place % 2 or place == 0)]
    ]
    courses = {one: {"6VT": "EEEEEEEE", "7HT": "EEFEEEEE" if one[0] == "L" else "EEEEEEEE"} for one in who[:-1]}
    records = replace(records_of(courses | {"gone": {"6VT": "EEEEEEEE"}}), screening=answers_of(*rows))
    row = screening_and_loss(records, "6VT").table.set_index("scale").loc["behaviour"]
    has = [place % 2 == 1 or place == 0 for place in range(lost + kept)]
    a, b, c = sum(has[:lost]), sum(has), lost - sum(has[:lost])
    names = ["n", "losses", "with_signs", "lost_with", "without_signs", "lost_without"]
    assert row[names].tolist() == [lost + kept, lost, b, a, lost + kept - b, c]
    estimates = row[["ratio", "ratio_low", "ratio_high", "auc", "auc_low", "auc_high"]].astype(float)
    if not told:
        assert estimates.isna().all()
        return
    scores = np.array([2.0 if one else 1.0 for one in has])
    expected = (*katz(a, b, c, lost + kept - b), *auc_interval(scores[:lost], scores[lost:]))
    assert estimates.tolist() == pytest.approx(expected)
    assert (
        screening_and_loss(records, "6VT", at_least=1).table.set_index("scale").loc["behaviour", "with_signs"]
        == lost + kept
    )


def test_an_area_needs_two_in_either_group_and_stays_between_0_and_1():
    for events, others in (([1.0], [0.0, 2.0]), ([1.0, 2.0], [0.0])):
        assert np.isnan(auc_interval(np.array(events), np.array(others))).all()
    assert auc_interval(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == (1.0, 1.0, 1.0)
    assert auc_interval(np.array([1.0, 4.0]), np.array([2.0, 3.0]))[1:] == (0.0, 1.0)
    assert np.isnan(cronbach_alpha(np.ones((1, 3)))).all()
    assert not np.isnan(cronbach_alpha(np.array([[1.0, 0.0], [0.0, 0.0]]))).any()


def test_many_bad_answers_are_counted_and_the_first_five_listed():
    rows = [(f"P{n}", "6VT", "B1", "maybe") for n in range(6)]
    students = [f"P{n}" for n in range(7)]
    with pytest.raises(DataError, match=r"another answer \(6 rows: 3, 4, 5, 6, 7, …\)"):
        screening_profile(records_with(("P6", "6VT", "B1", "yes"), *rows, students=students), "6VT")
    with pytest.raises(DataError, match=r"another answer \(5 rows: 2, 3, 4, 5, 6\)\."):
        screening_profile(records_with(*rows[:5], students=students), "6VT")


def test_the_thresholds_are_the_policys_floors():
    floor = Policy()
    defaults = screening_groups.__defaults__
    assert (floor.min_group, floor.min_cell) == defaults[-2:]
    with pytest.raises(DataError, match="1 or more"):
        screening_groups(records_with(("P1", "6VT", "B1", "yes")), "6VT", min_group=0)


# ---------------------------------------------------------------- published numbers


def test_feldts_interval_is_that_of_pingouin():
    """The example of pingouin's cronbach_alpha, 15 subjects and 10 items: 0.5917188485995826, 0.195 to 0.840."""
    assert feldt_interval(0.5917188485995826, 15, 10) == pytest.approx((0.195, 0.840), abs=5e-4)


def test_alpha_of_yes_and_no_is_kuder_and_richardsons_formula_20():
    rng = np.random.default_rng(3)
    answers = (rng.normal(size=(80, 1)) + rng.normal(size=(80, 6)) > 0.3).astype(float)
    p = answers.mean(axis=0)
    kr20 = 6 / 5 * (1 - (p * (1 - p)).sum() / answers.sum(axis=1).var())
    assert cronbach_alpha(answers)[0] == pytest.approx(kr20)
    # Questions that all answer alike measure one thing; one question, or none that varies, nothing.
    assert cronbach_alpha(np.tile(answers[:, :1], 3))[0] == pytest.approx(1)
    assert np.isnan(cronbach_alpha(answers[:, :1])).all()
    assert np.isnan(cronbach_alpha(np.ones((5, 3)))).all()


def test_delongs_interval_by_plain_loops():
    """The variances of DeLong et al. (1988), equations 4 to 6, by loops over ratings from 1 to 5."""
    events, others = [r for r, n in zip(range(1, 6), [3, 2, 2, 11, 33], strict=True) for _ in range(n)], []
    for rating, n in zip(range(1, 6), [33, 6, 6, 11, 2], strict=True):
        others += [rating] * n

    def won(event, other):
        return 1.0 if event > other else 0.5 if event == other else 0.0

    of_events = [statistics.mean(won(event, other) for other in others) for event in events]
    of_others = [statistics.mean(won(event, other) for event in events) for other in others]
    area = statistics.mean(of_events)
    error = (statistics.variance(of_events) / len(events) + statistics.variance(of_others) / len(others)) ** 0.5
    expected = (area, area - 1.959964 * error, area + 1.959964 * error)
    assert auc_interval(np.array(events, float), np.array(others, float)) == pytest.approx(expected, abs=1e-6)


# ---------------------------------------------------------------- what was planted


def test_the_screening_goes_with_later_loss(screened):
    table = screening_and_loss(screened, "6VT").table.set_index("scale")
    assert table.loc["all", "auc_low"] > 0.55
    assert table.loc["all", "auc"] < 0.85  # it is a screening: not every loss is foretold
    assert (table["ratio"].drop("psychological") > 1.3).all()
    lost = losses(screened).table.query("duration > 0")
    followed = screening_profile(screened, "6VT").table.query("scale == 'academic' and answered > 0")
    followed = followed.merge(lost[["student_id", "event"]], on="student_id")
    has = followed["signs"] >= 2
    row = table.loc["academic"]
    assert (row["lost_with"], row["with_signs"]) == (followed.loc[has, "event"].sum(), has.sum())
    events, others = (followed.loc[followed["event"] == value, "signs"].to_numpy() for value in (1, 0))
    above = sum((other < event) + 0.5 * (other == event) for event in events for other in others)
    assert row["auc"] == pytest.approx(above / len(events) / len(others))


def test_the_screening_leans_on_the_planted_risk(screened, pytestconfig):
    truth = pd.read_csv(pytestconfig.rootpath / "data" / "sample" / "truth" / "truth.csv").set_index("student_id")
    profile = screening_profile(screened, "6VT").table.query("scale == 'behaviour'").set_index("student_id")
    risk = truth.loc[profile.index, "onset_risk"]
    assert np.corrcoef(profile["signs"], risk.rank())[0, 1] > 0.3


def test_the_dimensions_hold_together(screened):
    table = screening_reliability(screened, "6VT").table.set_index("scale")
    assert (table["n"] + table["left_out"] == screening_profile(screened, "6VT").students).all()
    assert table["alpha"].between(0.55, 0.9).all()
    assert ((table["low"] < table["alpha"]) & (table["alpha"] < table["high"])).all()


def test_the_screening_has_a_stream_of_its_own():
    """Whoever is screened, the rest of the municipality stays as it was."""
    with_it, alone = simulate(seed=4, cohorts=[2021, 2022]).records, simulate(seed=4, cohorts=[2021]).records
    assert alone.screening is None
    assert set(with_it.screening["student_id"]) <= set(with_it.cohort(2022).students["student_id"])
    pd.testing.assert_frame_equal(with_it.cohort(2021).grades.reset_index(drop=True), alone.grades)


# ---------------------------------------------------------------- bad answers


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [("P1", "6VT", "B1", "yes"), ("P1", "6VT", "B1", "no")],
            r"term, question more than once \(2 rows\)",
        ),
        ([("P1", "6VT", "Z9", "yes")], r"the form does not have \(1 rows: 2\). The questions are B1,"),
        ([("P1", "6VT", "B1", "maybe")], "Write yes, no or unknown"),
        ([("P1", "7VT", "B1", "yes")], "Nobody was screened in '6VT'. Terms with answers: 7VT"),
    ],
)
def test_bad_answers_are_told_with_row_and_remedy(rows, words):
    with pytest.raises(DataError, match=words):
        screening_profile(records_with(*rows), "6VT")


def test_no_screening_and_a_late_one_are_refused():
    with pytest.raises(DataError, match="hold no screening"):
        screening_profile(records_of({"P1": {"6VT": "EEEEEEEE"}}), "6VT")
    with pytest.raises(DataError, match="came after 6VT"):
        screening_and_loss(records_with(("P1", "7VT", "B1", "yes")), "7VT")


def test_the_reader_lists_a_question_answered_twice(tmp_path):
    (tmp_path / "students.csv").write_text("student_id,cohort\nP1,2018\nP2,2018\n")
    grades = "student_id,term,subject,grade\nP1,6VT,MA,E\nP2,6VT,MA,E\nP1,9VT,MA,E\nP2,9VT,MA,E\n"
    (tmp_path / "grades.csv").write_text(grades)
    screening = "P1,6VT,B1,yes\nP1,6VT,B1,no\nP1,6VT,B2,perhaps\nP2,6VT,B1,unknown\n"
    (tmp_path / "screening.csv").write_text("student_id,term,question,answer\n" + screening)
    text = check_records(tmp_path).text()
    assert "the same student, term, question more than once, with different content (2 rows: 2, 3)" in text
    assert "(1 row: 4). Use one of yes, no, unknown." in text
    kept = read_records(tmp_path, on_fault="reject").screening
    assert kept.to_dict("records") == [{"student_id": "P2", "term": "6VT", "question": "B1", "answer": "unknown"}]
