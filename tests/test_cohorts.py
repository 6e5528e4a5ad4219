from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import ENGINES, in_engine, made_records, municipality, pandas, records_of, results_of, same
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from nbanalytics.analysis.cohorts import (
    GroupRule,
    SubgroupRule,
    choose_students,
    classify,
    expected_by_chance,
    selection_list,
    sensitivity,
    subgroups,
)
from nbanalytics.declaration import Declaration, parse_declaration
from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.frames import collect
from nbanalytics.records import StudentRecords
from nbanalytics.schools import share_over_schools

BOTH, UP, DOWN = "EEEEEEEE", "CCCCCCCC", "AAAAAAAA"
FAILED, FAILED_UP, FAILED_DOWN = "CCFCCCCC", "AAFAAAAA", "EEFEEEEE"


def group_of(start, end, **rule):
    records = records_of({"P": {"6VT": start, "9VT": end}})
    table = collect(classify(records, GroupRule(**rule)).table)
    return int(table["group"].iloc[0])


@pytest.mark.parametrize(
    ("start", "end", "group"),
    [
        (BOTH, UP, 1),
        (BOTH, BOTH, 1),
        (UP, BOTH, 2),
        (FAILED, FAILED_DOWN, 3),
        (FAILED, FAILED_UP, 4),
        (FAILED, FAILED, 4),
        (FAILED, BOTH, 5),
        (UP, FAILED_UP, 6),
    ],
)
def test_the_six_groups_are_those_of_the_report(start, end, group):
    assert group_of(start, end) == group


def test_threshold_and_the_place_of_no_change_are_settings():
    assert group_of(BOTH, BOTH, no_change="negative") == 2
    assert group_of("CEEEEEEE", BOTH) == 2
    assert group_of("CEEEEEEE", BOTH, threshold=0.625) == 1
    assert group_of("CEEEEEEE", BOTH, threshold=0.62) == 2
    assert group_of("CEEEEEEE", BOTH, threshold=0.625, no_change="negative") == 2


@pytest.mark.parametrize(
    "setting", [{"threshold": -1}, {"threshold": float("nan")}, {"no_change": "up"}, {"passes": -1}]
)
def test_a_rule_that_means_nothing_is_refused(setting):
    with pytest.raises(DataError):
        GroupRule(**setting)


def test_no_passes_may_be_asked_for_and_passes_are_no_mean():
    assert group_of(BOTH, FAILED, passes=0, required=("SV/SVA",)) == 1
    assert group_of(FAILED, "EFFFFFFF", passes=0, required=("SV/SVA",)) == 2
    graded = {"P": {"6VT": "55555555", "9VT": "55555555"}}
    for varied in ({"passes": 4}, {"required": ("SV/SVA",)}):
        with pytest.raises(DataError, match="of cohort 2032 asks for a mean, not for passes"):
            classify(records_of(graded, cohort=2032), GroupRule(**varied))


def test_who_lacks_a_year_is_counted_by_reason_and_not_dropped():
    records = records_of(
        {
            "followed": {"6VT": BOTH, "9VT": BOTH},
            "came": {"9VT": BOTH},
            "left": {"6VT": BOTH},
            "gap6": {"9VT": BOTH},
            "gap9": {"6VT": BOTH},
            "never": {"7VT": BOTH},
            "marks": {"6VT": FAILED, "9VT": "--------"},
        },
        moved_in=[None, "8HT", None, None, None, None, None],
        moved_out=[None, None, "7VT", None, None, None, None],
    )
    result = classify(records)
    assert result.unclassified.set_index("reason")["students"].to_dict() == {
        "moved in after 6VT": 1,
        "moved out before 9VT": 1,
        "no grades in 6VT": 1,
        "no grades in 9VT": 1,
        "no grades in 6VT and 9VT": 1,
        "no grade points in 9VT": 1,
    }
    assert result.students == 7
    assert result.counts["students"].sum() == 1


def test_a_move_explains_a_missing_term_only_from_the_term_beside_it():
    """A student without 6VT, or without 9VT, who moved in, or out, in each of the terms."""
    terms = Declaration().terms
    came, left = {f"in {term}": {"9VT": BOTH} for term in terms}, {f"out {term}": {"6VT": BOTH} for term in terms}
    records = records_of(
        {"followed": {"6VT": BOTH, "9VT": BOTH}} | came | left,
        moved_in=[None, *terms, *[None] * len(terms)],
        moved_out=[None, *[None] * len(terms), *terms],
    )
    found = collect(classify(records).table).set_index("student_id")["reason"]
    for term in terms:
        late, early = term not in ("6HT", "6VT"), term != "9VT"
        assert found[f"in {term}"] == ("moved in after 6VT" if late else "no grades in 6VT")
        assert found[f"out {term}"] == ("moved out before 9VT" if early else "no grades in 9VT")


def test_a_subject_without_any_grade_is_missing_and_not_failed():
    records = records_of({"a": {"6VT": BOTH, "9VT": "EE.EEEEE"}, "b": {"6VT": BOTH, "9VT": "EEFEEEEE"}})
    found = subgroups(records, classify(records)).table.set_index("student_id")
    assert found.loc["a", ["missing", "failed"]].tolist() == ["MA", 0]
    assert found.loc["b", ["missing", "failed"]].tolist() == ["MA", 1]


def test_losing_everything_to_streck_is_losing_eligibility():
    assert group_of(BOTH, "--------") == 6


def test_a_cohort_with_year_9_but_no_year_6_is_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"None of 2 students can be followed .*no grades in 6VT: 2.*Add the grades"):
        classify(records_of({"a": {"9VT": BOTH}, "b": {"9VT": BOTH}}))


@given(made_records(), st.sampled_from(["polars", "polars", "polars", "pandas"]))
def test_every_student_has_a_group_or_a_reason_as_counted_by_hand(records, engine):
    try:
        result = classify(in_engine(records, engine))
    except DataError:
        seen = results_of(records)
        points = records.term_results().set_index(["student_id", "term"])["mean_points"]
        assert not any({"6VT", "9VT"} <= set(terms) and points[student, "6VT"] >= 0 and points[student, "9VT"] >= 0
                       for student, terms in seen.items())  # fmt: skip
        return
    assert result.counts["students"].sum() + result.unclassified["students"].sum() == len(records.students)
    table = collect(result.table).set_index("student_id")
    for student, terms in results_of(records).items():
        row = table.loc[student]
        if {"6VT", "9VT"} <= set(terms) and not pd.isna(row["group"]):
            ends = (terms["6VT"], terms["9VT"])
            assert ends == (row["group"] in (1, 2, 6), row["group"] in (1, 2, 5))
        else:
            assert isinstance(row["reason"], str)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_groups(engine):
    records = municipality()
    expected, found = classify(records), classify(in_engine(records, engine))
    same(found.counts, expected.counts)
    same(found.unclassified, expected.unclassified)
    same(
        collect(found.table)[["student_id", "change", "group"]].sort_values("student_id", ignore_index=True),
        expected.table[["student_id", "change", "group"]].sort_values("student_id", ignore_index=True),
    )
    same(
        subgroups(in_engine(records, engine), found).table,
        subgroups(records, expected).table,
    )


def test_the_order_of_rows_does_not_matter():
    records = municipality()
    shuffled = replace(
        records,
        students=records.students.sample(frac=1, random_state=1),
        grades=records.grades.sample(frac=1, random_state=2),
    )
    same(classify(shuffled).counts, classify(records).counts)


# ---------------------------------------------------------------- Karlskoga's published counts


def test_the_sample_gives_karlskogas_groups(karlskoga):
    groups = classify(karlskoga).counts.set_index("group")["students"]
    assert groups.sum() == 313
    assert groups[1] + groups[2] == 236
    assert groups[3] + groups[4] == 39
    assert (groups[5], groups[6]) == (15, 23)
    assert (groups > 0).all()


def test_the_written_rule_gives_8_green_4_yellow_and_11_pink(karlskoga):
    divided = subgroups(karlskoga, classify(karlskoga))
    assert divided.counts.set_index("subgroup")["students"].to_dict() == {"green": 8, "yellow": 4, "pink": 11}


def test_pink_are_8_boys_of_11_spread_over_the_three_schools_and_fall_furthest(karlskoga):
    divided = subgroups(karlskoga, classify(karlskoga))
    chosen = selection_list(karlskoga, divided)
    assert chosen.table["sex"].value_counts().to_dict() == {"boy": 8, "girl": 3}
    assert sorted(chosen.table["school_id"].value_counts()) == [3, 4, 4]
    change = divided.table.groupby("subgroup")["change"].mean()
    assert change["pink"] < min(change["green"], change["yellow"]) < 0


def test_the_selection_list_has_each_students_history(karlskoga):
    chosen = selection_list(karlskoga, subgroups(karlskoga, classify(karlskoga)))
    assert set(chosen.history["student_id"]) == set(chosen.table["student_id"])
    assert chosen.history["term"].drop_duplicates().tolist() == list(karlskoga.declaration.terms)
    first = chosen.table.iloc[0]
    course = chosen.history[chosen.history["student_id"] == first["student_id"]]
    not_eligible = course[course["eligible"].eq(False) & ~course["term"].isin(["6HT", "6VT"])]
    assert first["first_not_eligible"] == not_eligible["term"].iloc[0]
    assert chosen.table["change"].is_monotonic_increasing
    with pytest.raises(DataError, match="green, yellow, pink"):
        selection_list(karlskoga, subgroups(karlskoga, classify(karlskoga)), "red")


def shown(result):
    assert result._shown().index.tolist() == list(range(len(result._shown())))
    return result._shown().astype(object).where(lambda table: table.notna(), None).to_numpy().tolist()


def test_results_are_shown_with_their_counts():
    """By hand: of 2018 one is in group 1, two in group 6 and one without a group; of 2019 one is in group 2."""
    courses = {"a": (BOTH, BOTH), "b": (BOTH, FAILED), "c": (BOTH, FAILED_UP), "d": (BOTH, "........"), "e": (UP, BOTH)}
    records = records_of(
        {who: {"6VT": one, "9VT": two} for who, (one, two) in courses.items()}, cohort=[2018] * 4 + [2019]
    )
    groups = classify(records)
    assert repr(groups).startswith("4 of 5 students have a group")
    assert "; 1 are without a group" in repr(groups)
    counts = [(row[0], *row[2:]) for row in shown(groups)]
    assert counts == [(1, 1, 0), (2, 0, 1), (3, 0, 0), (4, 0, 0), (5, 0, 0), (6, 2, 0), ("", 1, 0)]
    varied = sensitivity(records, thresholds=(0, 5))
    assert repr(varied).startswith("Six groups of 4 students, counted under 4 combinations")
    assert [row[1:] for row in shown(varied)] == [
        [0, "positive", 1, 1, 0, 0, 0, 2],
        [0, "negative", 0, 2, 0, 0, 0, 2],
        [5, "positive", 2, 0, 0, 0, 0, 2],
        [5, "negative", 0, 2, 0, 0, 0, 2],
    ]
    assert sensitivity(records).table["threshold"].unique().tolist() == [0, 0.25, 0.5, 1, 1.5, 2]
    moved = varied.table.query("threshold == 5 and no_change == 'positive' and cohort == 2019")["moved"]
    assert moved.tolist() == [1, -1, 0, 0, 0, 0]
    divided = subgroups(records, groups)
    assert repr(divided).startswith("Group 6, 2 students: green 0, yellow 2, pink 0")
    assert shown(divided) == [[2018, 0, 2, 0], [2019, 0, 0, 0]]


NINE = ("SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK", "TK")


@pytest.mark.parametrize(
    ("grades", "green", "subgroup"),
    [
        ("EEFEEEEEE", None, "yellow"),
        ("EEFEEEEEE", False, "yellow"),
        ("EEFEEEEEE", True, "green"),
        ("EE-EEEE.F", None, "pink"),  # seven passes with mathematics: one more is wanting
        ("EE-EEEEE.", None, "yellow"),
        ("EFFEEEEEE", None, "pink"),
        ("EFEEEEEEE", None, "pink"),
        ("FFFFFFFFF", True, "green"),
    ],
)
def test_a_student_of_group_6_is_green_yellow_or_pink(grades, green, subgroup):
    summer = pd.DataFrame({"student_id": ["P"], "eligible_after_summer": [green]})
    records = records_of({"P": {"6VT": "E" * 9, "9VT": grades}}, outcomes=summer, subjects=NINE)
    assert subgroups(records, classify(records)).table["subgroup"].tolist() == [subgroup]


@pytest.mark.parametrize(
    ("failed", "allowed", "subgroup"), [(1, 1, "yellow"), (2, 1, "pink"), (2, 2, "yellow"), (1, 0, "pink")]
)
def test_as_many_other_subjects_may_be_failed_as_the_rule_says(failed, allowed, subgroup):
    subjects = (*NINE, "BI", "FY")
    grades = dict(zip(subjects, "EEFEEEEEEEE", strict=True)) | dict.fromkeys(subjects[-failed:], "-")
    outcomes = pd.DataFrame({"student_id": ["P"], "programme_kind": ["introductory"]})
    records = records_of({"P": {"6VT": "E" * 11, "9VT": grades}}, outcomes=outcomes, subjects=subjects)
    found = subgroups(records, classify(records), SubgroupRule(other_failed=allowed)).table.iloc[0]
    assert (found["subgroup"], found["failed"]) == (subgroup, failed + 1)


def test_the_selection_list_begins_with_the_largest_fall_and_dates_the_first_term_without_eligibility():
    courses = {
        "little": {"6HT": "EFEEEEEE", "6VT": BOTH, "7HT": FAILED_DOWN, "9VT": "EFFEEEEE"},
        "more": {"6VT": UP, "7HT": BOTH, "8HT": "EFFEEEEE", "8VT": BOTH, "9VT": "EFFEEEEE"},
    }
    absence = pd.DataFrame({"student_id": ["more", "more"], "term": ["6HT", "7VT"], "valid": 1.0, "invalid": 2.0})
    records = records_of(courses, absence=absence)
    chosen = selection_list(records, subgroups(records, classify(records)))
    assert chosen.table[["student_id", "first_not_eligible"]].to_numpy().tolist() == [
        ["more", "8HT"],
        ["little", "7HT"],
    ]
    assert repr(chosen).startswith("Selection list of 2 students")
    terms = {who: part["term"].tolist() for who, part in chosen.history.groupby("student_id")}
    assert terms == {"little": [*courses["little"]], "more": ["6HT", "6VT", "7HT", "7VT", "8HT", "8VT", "9VT"]}
    without = selection_list(replace(records, absence=None), subgroups(records, classify(records)))
    assert len(without.history) == 9


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({}, "abc"),
        ({"group": 1}, "ac"),
        ({"cohort": 2018}, "ab"),
        ({"school": "S1"}, "ac"),
        ({"sex": "boy"}, "bc"),
        ({"start": (10, 12)}, "a"),
        ({"start": (10, 15)}, "abc"),
        ({"start": (15, 15)}, "bc"),
        ({"end": (15.5, 20)}, "c"),
        ({"end": (10, 15)}, "ab"),
        ({"rule": GroupRule(passes=9), "group": 3}, "b"),
    ],
)
def test_students_are_chosen_by_every_condition(asked, chosen):
    """D has no group and is never among them; both bounds of a range are in it."""
    courses = {"a": (BOTH, UP), "b": (UP, BOTH), "c": (UP, DOWN), "d": (BOTH, "........")}
    records = records_of(
        {who: {"6VT": one, "9VT": two} for who, (one, two) in courses.items()},
        cohort=[2018, 2018, 2019, 2018], school_id=["S1", "S2", "S1", "S1"], sex=["girl", "boy", "boy", "boy"],
    )  # fmt: skip
    found = choose_students(records, **asked)
    assert "".join(sorted(found.students["student_id"])) == chosen
    assert set(found.grades["student_id"]) == set(chosen)


@pytest.mark.parametrize(
    ("asked", "words"), [({"sex": "boy"}, "have no column sex"), ({"start": (12, 10)}, "begins at 12 and ends at 10")]
)
def test_what_cannot_be_chosen_by_is_refused(asked, words):
    with pytest.raises(DataError, match=words):
        choose_students(records_of({"P": {"6VT": BOTH, "9VT": UP}}), **asked)


def test_nobody_in_group_6_is_no_fault():
    records = records_of({"a": {"6VT": BOTH, "9VT": BOTH}})
    divided = subgroups(records, classify(records))
    assert divided.counts["students"].tolist() == [0, 0, 0]
    assert divided.table.empty
    assert len(selection_list(records, divided).table) == 0


def test_group_6_is_divided_by_the_rule_that_made_it():
    nine = ("SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK", "TK")
    records = records_of({"a": {"6VT": "E" * 9, "9VT": "EEEEEEEEF"}, "b": {"6VT": "E" * 9, "9VT": "EEFEEEEEE"}},
                         subjects=nine)  # fmt: skip
    divided = subgroups(records, classify(records, GroupRule(passes=9, required=("MA",))))
    assert divided.table.set_index("student_id")["missing"].to_dict() == {"a": "", "b": "MA"}
    history = selection_list(records, divided).history.set_index(["student_id", "term"])["eligible"]
    assert not history["a", "9VT"]


def test_other_subjects_failed_are_counted_without_the_one_that_is_missing():
    courses = {
        "one": {"6VT": "E" * 10, "9VT": "EEFEEEEEEF"},
        "two": {"6VT": "E" * 10, "9VT": {"SV": "E", "EN": "E", "MA": "adapted", "BL": "F", "MU": "F"}},
    }
    courses["two"]["9VT"] |= dict.fromkeys(("SL", "IDH", "HKK", "TK", "BI"), "E")
    subjects = ("SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK", "TK", "BI")
    records = records_of(courses, subjects=subjects)
    found = subgroups(records, classify(records)).table.set_index("student_id")["subgroup"]
    assert found.to_dict() == {"one": "yellow", "two": "pink"}


def test_the_history_is_there_without_valid_absence(karlskoga):
    bare = replace(karlskoga, absence=karlskoga.absence.drop(columns="valid"))
    history = selection_list(bare, subgroups(bare, classify(bare))).history
    assert history["valid"].isna().all()
    assert history["invalid"].notna().any()


def test_a_student_without_a_cohort_is_told():
    records = records_of({"a": {"6VT": BOTH, "9VT": BOTH}, "b": {"6VT": BOTH}}, cohort=[2018, None])
    with pytest.raises(DataError, match=r"students: column cohort is empty \(1 row\)"):
        classify(records)


def test_without_outcomes_nobody_is_green_and_the_rule_is_a_setting(karlskoga):
    bare = replace(karlskoga, outcomes=None)
    counts = subgroups(bare, classify(bare)).counts.set_index("subgroup")["students"]
    assert counts["green"] == 0
    assert counts.sum() == 23
    strict = subgroups(bare, classify(bare), SubgroupRule(other_failed=0)).counts.set_index("subgroup")["students"]
    assert strict["yellow"] <= counts["yellow"]


# ---------------------------------------------------------------- how firm the groups are


def test_sensitivity_moves_students_only_between_1_and_2_and_3_and_4(karlskoga):
    result = sensitivity(karlskoga, thresholds=(0, 0.5, 1))
    wide = result.table.pivot(index=["no_change", "threshold"], columns="group", values="students")
    assert (wide.sum(axis=1) == 313).all()
    assert ((wide[1] + wide[2]) == 236).all()
    assert (wide[[5, 6]] == [15, 23]).all(axis=None)
    assert wide.loc["positive"][1].is_monotonic_increasing
    assert wide.loc["negative"][1].is_monotonic_decreasing
    assert (result.table["moved"] == 0)[: len(karlskoga.cohorts()) * 6].all()


def test_sensitivity_compares_eligibility_rules(karlskoga):
    result = sensitivity(
        karlskoga, thresholds=(0,), no_change=("positive",), eligibility=("vocational", "preparatory-ES")
    )
    lost = result.table.query("group in (3, 4, 6)").groupby("eligibility")["students"].sum()
    assert lost["preparatory-ES"] >= lost["vocational"]


POINTS_SCALE = parse_declaration(
    {
        "terms": {"order": ["6VT", "9VT"]},
        "scale": [
            {"name": "0-99", "points": {str(i): i for i in range(100)}, "passing": [str(i) for i in range(20, 100)]}
        ],
        "rule": [{"name": "vocational", "mean_at_least": 20}],
    }
)


def drawn(rng, students, drift, subjects=10):
    """Students whose level moves by ``drift`` (a standard deviation) between two terms of grades with error."""
    level = rng.normal(50, 8, students)
    later = level + rng.normal(0, drift, students)
    grades = []
    for term, mean in (("6VT", level), ("9VT", later)):
        marks = np.clip(np.rint(mean[:, None] + rng.normal(0, 10, (students, subjects))), 0, 99).astype(int)
        grades.append(
            pd.DataFrame(
                {
                    "student_id": np.repeat([f"P{i}" for i in range(students)], subjects),
                    "term": term,
                    "subject": np.tile([f"S{i}" for i in range(subjects)], students),
                    "grade": marks.ravel().astype(str),
                }
            )
        )
    people = pd.DataFrame({"student_id": [f"P{i}" for i in range(students)], "cohort": 2018})
    return StudentRecords(people, pd.concat(grades, ignore_index=True), declaration=POINTS_SCALE)


def test_where_nobodys_level_moves_the_ups_and_downs_are_those_expected_by_chance():
    records = drawn(np.random.default_rng(7), 3000, drift=0.0)
    check = expected_by_chance(records, classify(records, GroupRule(threshold=3)))
    assert check.reliability == pytest.approx(64 / (64 + 10), abs=0.02)
    for row in check.table.itertuples():
        error = 3.5 * np.sqrt(row.students) / 2
        assert row.raised == pytest.approx(row.expected_raised, abs=error), row.band
        assert row.lowered == pytest.approx(row.expected_lowered, abs=error), row.band
        assert row.mean_change == pytest.approx(row.expected_change, abs=3.5 * 4.5 / np.sqrt(row.students)), row.band
    lowest, highest = check.table["expected_change"].iloc[[0, 2]]
    assert lowest > 0.5 > -0.5 > highest, "regression to the mean"


def test_where_levels_move_there_are_more_ups_and_downs_than_chance_gives():
    records = drawn(np.random.default_rng(8), 3000, drift=8.0)
    total = expected_by_chance(records, classify(records, GroupRule(threshold=3))).table.iloc[-1]
    assert total["raised"] > total["expected_raised"] + 200
    assert total["lowered"] > total["expected_lowered"] + 200


def test_the_chance_check_wants_enough_students_and_levels_that_differ():
    few = records_of({f"P{i}": {"6VT": BOTH, "9VT": UP} for i in range(9)})
    with pytest.raises(DataError, match="Only 9 students"):
        expected_by_chance(few, classify(few))
    alike = records_of({f"P{i}": {"6VT": "ECCCCCCC", "9VT": UP} for i in range(10)})
    with pytest.raises(DataError, match="do not differ beyond chance"):
        expected_by_chance(alike, classify(alike))


LETTERS = {"F": 0, "E": 10, "D": 12.5, "C": 15, "B": 17.5, "A": 20}


def chance_by_hand(courses, subjects, threshold):
    """The documented formulas in loops: ``{band: (students, changes, counts)}`` and the reliability."""
    grades = {
        who: [
            {code: LETTERS[grade] for code, grade in zip(subjects, terms[term], strict=True)
             if grade in LETTERS and code != "M2"}
            for term in ("6VT", "9VT")
        ]
        for who, terms in courses.items()
    }  # fmt: skip
    products, freedom = 0.0, 0
    for first, last in grades.values():
        pairs = [(first[code], last[code]) for code in first if code in last]
        if pairs:
            xs, ys = zip(*pairs, strict=True)
            products += sum((x - np.mean(xs)) * (y - np.mean(ys)) for x, y in pairs)
            freedom += len(pairs) - 1
    lasting = max(products / freedom, 0) if freedom else 0
    within = []
    for side in (0, 1):
        held = [list(one[side].values()) for one in grades.values()]
        squares = sum((value - np.mean(one)) ** 2 for one in held for value in one)
        within.append(max(squares / max(sum(len(one) - 1 for one in held), 1) - lasting, 0))
    means = np.array([[np.mean(list(side.values())) for side in one] for one in grades.values()])
    sizes = np.array([[len(side) for side in one] for one in grades.values()])
    (x, y), (k, m) = means.T, sizes.T
    level = np.var(x, ddof=1) - np.mean(within[0] / k)
    reliability = level / (level + within[0] / k)
    expected = y.mean() - x.mean() - (1 - reliability) * (x - x.mean())
    spread = np.sqrt(level * (1 - reliability) + within[1] / m) + 1e-9
    half = np.where(k == m, 2.5 / k / 2, 0)
    up, down = (
        stats.norm.sf((threshold + half - expected) / spread),
        stats.norm.cdf((-threshold - half - expected) / spread),
    )
    third = np.argsort(np.argsort(x, kind="stable")) * 3 // len(x)
    found = {}
    for place, band in enumerate(("lowest third", "middle third", "highest third", "all")):
        own = (third == place) | (band == "all")
        change = (y - x)[own]
        found[band] = [own.sum(), change.mean(), expected[own].mean(), (change > threshold + 1e-6).sum(), up[own].sum(),
                       (change < -threshold - 1e-6).sum(), down[own].sum()]  # fmt: skip
    return found, reliability.mean()


FIVE = ("SV", "EN", "MA", "BL", "M2")
LASTING = ["EECAA", "EDBAF", "DDA.A", "CEBAA", "E.CA-", "BCABA", "AAAAF", "CCBA.", "EECBA", "DDBAE", "CBAAA", "EDCCF"]
OPPOSED = ["CDDE.", "DCED.", "DDCE.", "CEDD.", "BCCD.", "CBDC.", "DCCB.", "CCBD.", "ABBC.", "BACB.", "CBBA.", "BBAC."]


@pytest.mark.parametrize("threshold", [0, 1.25])
@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param(LASTING, [*LASTING[3:], "EECAA", "EDCAA", "E.CAF"], id="strengths last"),
        pytest.param(OPPOSED, [one[3::-1] + "." for one in OPPOSED], id="strengths turn round"),
        pytest.param([g * 4 + "." for g in "EEDDCCBBAAFA"], [g * 4 + "." for g in "EDDCCBBBAAEB"], id="no error"),
        pytest.param(
            ["DE...", *(f"{g}...." for g in "EEDDCCBBAAA")], [f"{g}...." for g in "CEDDCCBBAABA"], id="one grade"
        ),
    ],
)
def test_the_chance_check_is_that_of_plain_loops(first, last, threshold):
    courses = {f"P{n:02}": {"6VT": one, "9VT": two} for n, (one, two) in enumerate(zip(first, last, strict=True))}
    between = {who: course | {"7VT": "AFAF-" if who < "P05" else "FFAAE"} for who, course in courses.items()}
    records = records_of(between, subjects=FIVE)
    check = expected_by_chance(records, classify(records, GroupRule(threshold=threshold)))
    expected, reliability = chance_by_hand(courses, FIVE, threshold)
    assert check.reliability == pytest.approx(reliability)
    assert (check.students, check.threshold) == (len(courses), threshold)
    for band, *row in check.table.itertuples(index=False):
        assert row == pytest.approx(expected[band], abs=1e-6), band
    total = check.table.iloc[-1]
    words = (
        f"Of {len(courses)} students {total['raised']} raised and {total['lowered']} lowered their mean grade points"
    )
    assert repr(check).startswith(words)


@pytest.mark.parametrize("nothing", [{"thresholds": []}, {"no_change": []}])
def test_a_sensitivity_without_anything_to_vary_is_refused(karlskoga, nothing):
    with pytest.raises(DataError, match="nothing to vary"):
        sensitivity(karlskoga, **nothing)


@pytest.mark.parametrize("strength", [0.0, 1.5])
def test_where_no_level_changes_as_many_move_as_chance_says(strength):
    """Lasting strengths in a subject are no error, and means of as many grades tie: 134 of 300 move up by chance."""
    rng = np.random.default_rng(1)
    subjects = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK", "BI", "FY", "KE", "GE", "HI", "RE", "SH", "TK"]
    tables = []
    for _ in range(8):
        lasting = rng.normal(14, 1.6, (300, 1)) + strength * rng.normal(size=(300, 16))
        parts = []
        for term in ("6VT", "9VT"):
            steps = np.clip(np.round((lasting + 1.5 * rng.normal(size=lasting.shape) - 10) / 2.5), 0, 4).astype(int)
            letters = pd.DataFrame(np.array(list("EDCBA"))[steps], columns=subjects)
            letters["student_id"] = [f"P{number}" for number in range(300)]
            parts.append(letters.melt("student_id", var_name="subject", value_name="grade").assign(term=term))
        students = pd.DataFrame({"student_id": [f"P{number}" for number in range(300)], "cohort": 2018})
        records = StudentRecords(students, pd.concat(parts, ignore_index=True))
        tables.append(expected_by_chance(records, classify(records)).table.set_index("band"))
    mean = sum(tables) / len(tables)
    # Binomial: the standard error of a count of 135 of 300 over eight cohorts is 3.
    for moved in ("raised", "lowered"):
        assert abs(mean.loc["all", moved] - mean.loc["all", f"expected_{moved}"]) < 10
    low = mean.loc["lowest third"]
    assert abs(low["mean_change"] - low["expected_change"]) < 0.06


def test_shares_of_groups_have_intervals_of_either_estimand(karlskoga):
    groups = classify(karlskoga)
    these, like = groups.shares(), groups.shares(karlskoga)
    assert these["students"].tolist() == like["students"].tolist() == groups.counts["students"].tolist()
    assert these["share"].sum() == pytest.approx(1)
    assert these.loc[5, ["low", "high"]].tolist() == pytest.approx(proportion_confint(23, 313, method="wilson"))
    of_group = pandas(groups.table).query("group == 6")["student_id"]
    schools = karlskoga.students.set_index("student_id")["school_id"]
    counts = [part.value_counts().sort_index() for part in (schools[of_group], schools)]
    assert like.loc[5, ["low", "high"]].tolist() == pytest.approx(share_over_schools(*counts))
    assert set(like["estimand"]) == {"schools_like_these"}
    one = replace(karlskoga, students=karlskoga.students.assign(school_id="S1"))
    with pytest.warns(EstimationWarning, match="With 1 school"):
        assert set(groups.shares(one)["estimand"]) == {"these_schools"}
    assert "0.04946  0.1078" in repr(groups)
