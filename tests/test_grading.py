from dataclasses import replace

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import ENGINES, in_engine, records_of, same

from nbanalytics.eligibility import merit_value, term_results
from nbanalytics.errors import GradingError
from nbanalytics.frames import collect
from nbanalytics.grading import default_catalogue, parse_catalogue

CATALOGUE = default_catalogue()
SIXTEEN = ("BL", "EN", "HKK", "IDH", "MA", "MU", "BI", "FY", "KE", "GE", "HI", "RE", "SH", "SL", "SV", "TK")
POINTS = {"F": 0, "E": 10, "D": 12.5, "C": 15, "B": 17.5, "A": 20}
MARKS = ("-", "adapted", "not_graded", "not_taught", "no_grades")


def grades_of(grades):
    """One student's grades of a term, from ``{subject: grade}``."""
    return pd.DataFrame(
        {
            "student_id": "P",
            "term": "9VT",
            "subject": pd.Series(list(grades)),
            "grade": pd.Series(list(grades.values())),
        }
    ).astype("str")


def result(grades, rule="vocational", cohort=2018, engine="pandas"):
    table = grades_of(grades) if engine == "pandas" else pl.from_pandas(grades_of(grades))
    return collect(term_results(table, CATALOGUE.grading(cohort, rule))).iloc[0]


def merit(grades, **how):
    return float(merit_value(grades_of(grades), CATALOGUE.grading(2018), **how)["merit_value"].iloc[0])


# ---------------------------------------------------------------- oracles of DOMAIN section 3


@pytest.mark.parametrize(("grade", "sixteen", "seventeen"), [("E", 160, 170), ("C", 240, 255), ("A", 320, 340)])
def test_merit_value_of_sixteen_and_seventeen_equal_grades(grade, sixteen, seventeen):
    all_alike = dict.fromkeys(SIXTEEN, grade)
    assert merit(all_alike) == sixteen
    assert merit(all_alike | {"M2": grade}) == seventeen
    assert merit(all_alike | {"M2": grade}, language=False) == sixteen


def test_with_fewer_than_sixteen_grades_the_language_is_still_added():
    assert merit(dict.fromkeys(SIXTEEN[:10], "E") | {"M2": "C"}) == 115


@pytest.mark.parametrize("other", ["M1", "ML"])
def test_a_language_not_read_as_sprakval_is_no_seventeenth_grade(other):
    assert merit(dict.fromkeys(SIXTEEN, "E") | {other: "E"}) == 160
    assert merit(dict.fromkeys(SIXTEEN, "E") | {other: "A"}) == 170, "it may be one of the sixteen best"


def test_streck_gives_no_points_no_pass_and_is_not_f():
    with_streck = result(dict.fromkeys(SIXTEEN[:9], "E") | {"SV": "-"})
    with_f = result(dict.fromkeys(SIXTEEN[:9], "E") | {"SV": "F"})
    assert with_streck["mean_points"] == 10
    assert with_f["mean_points"] == 9
    assert (with_streck["n_streck"], with_f["n_streck"]) == (1, 0)
    assert not with_streck["eligible"]
    assert with_streck["missing"] == "SV/SVA"


@pytest.mark.parametrize("mark", MARKS)
def test_marks_are_neither_grades_nor_passes(mark):
    found = result({"SV": "E", "EN": "E", "MA": mark})
    assert (found["n_grades"], found["n_passed"]) == (2, 2)
    assert found["missing"] == "MA"


def test_a_student_with_marks_only_has_no_mean_and_is_not_eligible():
    found = result({"SV": "-", "EN": "-", "MA": "adapted"})
    assert pd.isna(found["mean_points"])
    assert not found["eligible"]
    assert (found["missing"], found["missing_further"]) == ("SV/SVA, EN, MA", 5)


def test_the_vocational_rule_wants_three_subjects_and_five_more():
    eight = dict.fromkeys(("SVA", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"), "E")
    assert result(eight)[["eligible", "missing", "missing_further"]].tolist() == [True, "", 0]
    assert not result(eight | {"HKK": "F"})["eligible"]
    assert result(eight | {"HKK": "F"})[["missing", "missing_further"]].tolist() == ["", 1]
    assert result(eight | {"MA": "F", "TK": "A"})[["eligible", "missing"]].tolist() == [False, "MA"]


@pytest.mark.parametrize(
    ("rule", "include"),
    [
        ("preparatory-ES", ()),
        ("preparatory-EK-HU-SA", ("GE", "HI", "RE", "SH")),
        ("preparatory-NA-TE", ("BI", "FY", "KE")),
    ],
)
def test_preparatory_rules_want_twelve_with_the_subjects_they_name(rule, include):
    others = [code for code in SIXTEEN if code not in (*include, "SV", "EN", "MA")][: 9 - len(include)]
    twelve = dict.fromkeys(("SV", "EN", "MA", *include, *others), "E")
    assert result(twelve, rule)["eligible"]
    assert not result(twelve | {others[0]: "F"}, rule)["eligible"]
    for subject in include:
        swapped = {code: grade for code, grade in twelve.items() if code != subject} | {"XX1": "A", "XX2": "A"}
        assert not result(swapped, rule)["eligible"], subject


@pytest.mark.parametrize(
    ("passes", "eligible"),
    [
        (("SV", "EN", "MA", "BL", "MU", "SL"), True),
        (("SV", "EN", "MA", "BL", "MU"), False),
        (("SV", "MA", "BL", "MU", "SL", "TK"), True),
        (("SV", "MA", "BL", "MU", "SL"), False),
        (("SVA", "EN", "BL", "MU", "SL", "TK"), True),
        (("EN", "MA", "BL", "MU", "SL", "TK"), False),
    ],
)
def test_imv_has_three_ways(passes, eligible):
    assert bool(result(dict.fromkeys(passes, "E"), "IMV")["eligible"]) is eligible


def test_a_block_grade_is_one_grade_and_meets_the_subjects_it_stands_for():
    grades = dict.fromkeys(("SV", "EN", "MA", "NO", "SO"), "C")
    assert result(grades)["n_passed"] == 5
    assert result(grades)["n_grades"] == 5
    assert merit(grades) == 75
    assert result(grades, "preparatory-NA-TE")["missing"] == ""


def test_swedish_and_swedish_as_a_second_language_count_once():
    assert result({"SV": "E", "SVA": "E", "EN": "E"})["n_passed"] == 2


def test_modern_languages_and_mother_tongue_are_not_in_the_compared_mean_but_are_passes():
    found = result({"SV": "E", "M1": "A", "M2": "A", "ML": "A"})
    assert found["mean_points"] == 10
    assert found["n_passed"] == 4


# ---------------------------------------------------------------- a rule in plain Python, as an oracle

any_grades = st.dictionaries(
    st.sampled_from([*SIXTEEN, "SVA", "M1", "M2", "ML", "NO", "SO"]),
    st.sampled_from([*POINTS, *MARKS]),
    min_size=1,
)


def eligible_by_hand(grades, required, further):
    passed = {subject for subject, grade in grades.items() if POINTS.get(grade, 0) > 0}
    passed = {"SV" if subject == "SVA" else subject for subject in passed}
    met = all(passed & set(demand) for demand in required)
    return met and len(passed) >= len([("SV",), ("EN",), ("MA",)]) + further


#: Polars is quicker and pandas the usual one.
engines = st.sampled_from(["polars", "polars", "polars", "pandas"])


@given(any_grades, engines)
def test_any_grades_are_judged_as_a_person_would(grades, engine):
    core = [{"SV"}, {"EN"}, {"MA"}]
    assert bool(result(grades, engine=engine)["eligible"]) == eligible_by_hand(grades, core, 5)
    assert bool(result(grades, "preparatory-ES", engine=engine)["eligible"]) == eligible_by_hand(grades, core, 9)
    science = [*core, {"BI", "NO"}, {"FY", "NO"}, {"KE", "NO"}]
    assert bool(result(grades, "preparatory-NA-TE", engine=engine)["eligible"]) == eligible_by_hand(grades, science, 9)


@given(any_grades, engines)
def test_missing_and_missing_further_are_what_would_make_the_student_eligible(grades, engine):
    found = result(grades, engine=engine)
    lacking = [] if not found["missing"] else found["missing"].split(", ")
    mended = grades | {demand.split("/")[0]: "E" for demand in lacking}
    spare = [code for code in (*SIXTEEN, "M1", "M2", "ML", "NO", "SO", "TN") if POINTS.get(mended.get(code), 0) == 0]
    spare = [code for code in spare if code not in ("SV", "SVA", "EN", "MA")]
    mended |= dict.fromkeys(spare[: found["missing_further"]], "E")
    assert result(mended, engine=engine)["eligible"]
    assert bool(found["eligible"]) == (not lacking and found["missing_further"] == 0)


@given(any_grades)
def test_merit_value_is_the_best_sixteen_and_the_language(grades):
    plain = sorted((POINTS[grade] for code, grade in grades.items() if code != "M2" and grade in POINTS), reverse=True)
    assert merit(grades) == pytest.approx(sum(plain[:16]) + POINTS.get(grades.get("M2"), 0))


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_results(engine):
    records = records_of(
        {
            "a": {"6VT": "EEEEEEEE", "9VT": "EEF-AAAA"},
            "b": {"6VT": "ABCDEFEE", "9VT": "........"},
            "c": {"9VT": "--------"},
        }
    )
    grading = CATALOGUE.grading(2018)
    for function in (term_results, merit_value):
        expected = function(records.grades, grading).sort_values(["student_id", "term"], ignore_index=True)
        found = collect(function(in_engine(records, engine).grades, grading))
        same(found.sort_values(["student_id", "term"], ignore_index=True), expected)


# ---------------------------------------------------------------- versioned data


@pytest.mark.parametrize(
    ("cohort", "scale"), [(1998, "IG-MVG"), (2012, "IG-MVG"), (2013, "A-F"), (2031, "A-F"), (2032, "1-10")]
)
def test_the_scale_is_picked_by_cohort(cohort, scale):
    if cohort >= 2013:
        assert CATALOGUE.grading(cohort).scale.name == scale
    scales = [
        item.name for item in CATALOGUE.scales if (item.first_cohort or 0) <= cohort <= (item.last_cohort or 9999)
    ]
    assert scales == [scale]


def test_the_old_scale_has_its_own_points_and_passes():
    scale = CATALOGUE.scales[0]
    assert scale.order == ("IG", "G", "VG", "MVG")
    assert scale.points["MVG"] == 20
    assert scale.passing == {"G", "VG", "MVG"}


def test_the_scale_of_2028_has_no_pass_and_its_proposed_rule_is_a_mean():
    assert CATALOGUE.grading(2033).scale.passing == frozenset()
    assert result({"SV": "3", "MA": "5"}, cohort=2033)[["eligible", "missing_further"]].tolist() == [True, 0]
    assert not result({"SV": "3", "MA": "4"}, cohort=2033)["eligible"]


def test_marks_only_are_no_mean_whatever_holds_the_grades():
    for engine in ("pandas", "polars"):
        assert not result({"SV": "-", "MA": "not_taught"}, cohort=2033, engine=engine)["eligible"]


def test_streck_takes_no_place_among_the_sixteen_best():
    """Sixteen times the lowest grade of 1-10 is 16, with a streck before them as well."""
    grades = grades_of({"TN": "-", **dict.fromkeys(SIXTEEN, "1")})
    assert merit_value(grades, CATALOGUE.grading(2033))["merit_value"].tolist() == [16]


def test_f_streck_and_marks_add_nothing_to_the_merit_value():
    assert merit(dict.fromkeys(SIXTEEN[:3], "E") | {"SL": "-", "SV": "F", "TK": "adapted"}) == 30


@pytest.mark.parametrize("engine", ["pandas", "polars"])
def test_an_empty_cell_is_no_pass(engine):
    found = result({"MA": None}, engine=engine)
    assert found[["n_passed", "eligible", "missing"]].tolist() == [0, False, "SV/SVA, EN, MA"]


def test_without_a_language_course_no_language_is_added():
    grading = replace(CATALOGUE.grading(2018), language=None)
    grades = grades_of(dict.fromkeys(SIXTEEN, "E") | {"M2": "C"})
    assert merit_value(grades, grading)["merit_value"].tolist() == [15 + 15 * 10]


def test_a_rule_may_ask_for_passes_alone():
    grading = parse_catalogue({"rule": [{"name": "x", "way": [{"required": [], "passes": 2}]}]}, CATALOGUE)
    found = term_results(grades_of({"SV": "F", "EN": "E"}), grading.grading(2018, "x")).iloc[0]
    assert found[["eligible", "missing", "missing_further"]].tolist() == [False, "", 1]


def test_a_rule_of_two_ways_is_met_by_either():
    ways = [{"required": [["SV"]], "passes": 2}, {"required": [["MA"]], "passes": 1}]
    grading = parse_catalogue({"rule": [{"name": "x", "way": ways}]}, CATALOGUE).grading(2018, "x")
    for grades, eligible in (({"SV": "E", "EN": "E"}, True), ({"MA": "E"}, True), ({"SV": "E"}, False)):
        assert term_results(grades_of(grades), grading)["eligible"].tolist() == [eligible]


def test_what_is_varied_in_a_rule_of_three_ways():
    """Passes are changed in each way; other requirements make one way of it."""
    more = CATALOGUE.varied("IMV", passes=9).grading(2018, "IMV").rule.ways
    assert [way.passes for way in more] == [9, 9, 9]
    one = CATALOGUE.varied("IMV", required=["SV/SVA"]).grading(2018, "IMV").rule.ways
    assert [way.required for way in one] == [(("SV", "SVA"),)]


def test_a_scale_knows_its_grades_marks_and_aliases():
    scale = parse_catalogue(
        {"scale": [{"name": "x", "points": {"0": 0, "1": 1}, "passing": ["1"], "marks": ["-"], "aliases": {"a": "-"}}]},
        CATALOGUE,
    ).scales[0]
    assert [scale.knows(grade) for grade in ("0", "1", "-", "a", "b")] == [True, True, True, True, False]


def test_a_subject_without_a_name_has_its_code_and_without_an_english_one_the_swedish():
    named = {"DA": {"sv": "Dans", "en": "Dance"}, "DB": {"sv": "Dans"}, "DC": {}}
    subjects = parse_catalogue({"subject": named}, CATALOGUE).subjects
    assert [(subjects[code].sv, subjects[code].en) for code in named] == [
        ("Dans", "Dance"),
        ("Dans", "Dans"),
        ("DC", "DC"),
    ]


def test_alternates_and_language_are_those_declared_and_otherwise_the_packages():
    own = parse_catalogue({"subjects": {"alternates": [["BI", "NO"]]}}, CATALOGUE)
    assert (own.alternates, own.language) == ((("BI", "NO"),), "M2")
    own = parse_catalogue({"subjects": {"language": "M1"}}, CATALOGUE)
    assert (own.alternates, own.language) == (CATALOGUE.alternates, "M1")


def ruled(**way):
    return parse_catalogue({"rule": [{"name": "x", "way": [{"required": [["SV"]], "passes": 1} | way]}]}, CATALOGUE)


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda: CATALOGUE.grading(2018, scale="IG-MVG"), "does not hold for cohort 2018.*Those that do: A-F;"),
        (lambda: CATALOGUE.grading(2018, scale="A-G"), "There is no scale named 'A-G'. Did you mean 'A-F'"),
        (lambda: CATALOGUE.grading(2018, rule="vocal"), "There is no rule named 'vocal'"),
        (lambda: parse_catalogue({"rule": [{"name": "x"}]}), "neither"),
        (lambda: ruled(required=[["SVENSKA"]]), "rule 'x': SVENSKA is not a declared subject. Did you mean 'SVA'"),
        (lambda: parse_catalogue({"subjects": {"language": "M3"}}, CATALOGUE), "M3 is not a declared subject"),
        (lambda: parse_catalogue({"scale": [{"name": "x", "points": {"1": 1}, "passing": ["2"]}]}), "'2' is passing"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(ask, told):
    with pytest.raises(GradingError, match=told.replace("(", r"\(")):
        ask()


def test_a_users_scale_replaces_those_of_the_package_and_subjects_are_added():
    own = parse_catalogue(
        {
            "scale": [{"name": "own", "points": {"pass": 1, "fail": 0}, "passing": ["pass"]}],
            "subject": {"DANCE": {"sv": "Dans", "en": "Dance"}},
        },
        base=CATALOGUE,
    )
    assert own.grading(2018).scale.order == ("fail", "pass")
    assert own.grading(2018).rule.name == "vocational"
    assert {"DANCE", "SV"} <= set(own.subjects)
