"""Who is not there: bounds by hand, weights in closed form, and leaving that is planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made import ENGINES, in_engine, municipality, records_of, same

import nbanalytics as nb
from nbanalytics.analysis.droppoints.attrition import staying_weights
from nbanalytics.errors import DataError
from nbanalytics.simulation import simulate

PASSED, FAILED = "EEEEEEEE", "EEFEEEEE"


def test_bounds_by_hand():
    """Of six with results in 6VT, five eligible: C moves, D has no results at the end; E misses 7HT only."""
    courses = {
        "A": {"6VT": PASSED, "7HT": PASSED, "7VT": PASSED, "9VT": PASSED},
        "B": {"6VT": PASSED, "7HT": FAILED, "7VT": PASSED, "9VT": FAILED},
        "C": {"6VT": PASSED, "7HT": PASSED},
        "D": {"6VT": PASSED, "7HT": PASSED, "7VT": PASSED},
        "E": {"6VT": PASSED, "7VT": FAILED, "9VT": PASSED},
        "F": {"6VT": FAILED, "7HT": FAILED, "7VT": FAILED, "9VT": FAILED},
        "G": {"7HT": PASSED, "9VT": PASSED},
    }
    moved = [None, None, "7HT", None, None, None, None]
    found = nb.attrition(records_of(courses, moved_out=moved), min_students=1, estimand="these_schools")
    assert (found.students, found.moved, found.unknown) == (6, 1, 1)
    table = found.table.set_index("measure")
    for measure, shares in {
        "eligible": (2 / 4, 2 / 6, 4 / 6),
        "lost": (1 / 3, 1 / 5, 3 / 5),
        "lost_at_step": (1 / 4, 1 / 5, 2 / 5),
    }.items():
        assert table.loc[measure, ["value", "least", "most"]].tolist() == pytest.approx(shares), measure
    # Elsewhere three steps are seen (7HT to 7VT of A and D, and none is lost), one (C) is not; nobody has 8HT.
    assert table.loc["ratio", "least"] == pytest.approx((1 / 5) / (1 / 3))
    assert table["weighted"].isna().all()
    assert np.isnan(found.effective)


def test_weights_are_those_of_strata():
    """With one column of two values the logit gives each stratum one over its share that stayed."""
    rng = np.random.default_rng(1)
    known, stayed = rng.integers(0, 2, 200).astype(float), (rng.random(200) < 0.6).astype(float)
    counts = np.ones((2, 200))
    counts[1, :50] = 0
    for row, weights in zip(counts, staying_weights(known[:, None], stayed, counts), strict=True):
        for value in (0, 1):
            inside = (known == value) & (row > 0)
            assert weights[inside & (stayed == 1)] == pytest.approx(inside.sum() / stayed[inside].sum())
        assert (weights[(stayed == 0) | (row == 0)] == 0).all()


@pytest.fixture(scope="module")
def planted():
    """Records in which nobody leaves, and the same where those with low grades in year 6 leave more often."""
    made = simulate(seed=3, cohorts=[2018], students_per_cohort=800).records
    seen = nb.classify(made).table.dropna(subset=["start_eligible", "end_eligible"])
    whole = replace(made, students=made.students[made.students["student_id"].isin(seen["student_id"])])
    points = seen.set_index("student_id")["start_points"]
    gone = points.index[np.random.default_rng(2).random(len(points)) < 0.6 / (1 + np.exp(points - 12))]
    later = ~whole.grades["term"].isin(["6HT", "6VT"]) & whole.grades["student_id"].isin(gone)
    return whole, replace(whole, grades=whole.grades[~later])


def test_leaving_that_is_planted_is_taken_back_by_weights_and_lies_within_the_bounds(planted):
    whole, left = (nb.attrition(records, estimand="these_schools").table.set_index("measure") for records in planted)
    for measure in ("eligible", "lost", "lost_at_step", "ratio"):
        true, row = whole.loc[measure, "value"], left.loc[measure]
        assert row["least"] < true < row["most"], measure
        assert row["weighted_low"] < true < row["weighted_high"], measure
    assert left.loc["eligible", "low"] > whole.loc["eligible", "value"]
    assert whole.loc["eligible", "unseen"] == 0


def test_those_who_stayed_are_weighted_to_look_like_all(planted):
    found = nb.attrition(planted[1], estimand="these_schools")
    about = found.who_left.set_index("known")
    assert about.loc["points_6VT", "stayed"] > about.loc["points_6VT", "all"] + 0.3
    off, before = (abs(about[name] - about["all"])[["points_6VT", "eligible_6VT"]] for name in ("weighted", "stayed"))
    assert (off < before / 1.8).all()
    assert 100 < found.effective < found.students - found.moved - found.unknown
    assert f"{found.unknown} have no results there" in repr(found)


@pytest.mark.parametrize("engine", ENGINES)
def test_any_engine_gives_the_same(engine):
    records = municipality(students=60)
    expected = nb.attrition(records).table
    assert (expected["estimand"] == "schools_like_these").all()
    same(nb.attrition(in_engine(records, engine)).table, expected)


def test_what_cannot_be_known_is_said_in_words():
    records = municipality(students=60)
    with pytest.raises(DataError, match="no column class"):
        nb.attrition(records, ["class"])
    young = replace(records, grades=records.grades[records.grades["term"] != "9VT"])
    with pytest.raises(DataError, match="No student with results in 6VT is of a cohort with results in 9VT"):
        nb.attrition(young)
    few = nb.attrition(records, min_students=100).table
    assert set(few["status"]) == {"too_few"}
    assert few["value"].isna().all()
    assert isinstance(few, pd.DataFrame)
