"""The workbook's views against plain counts, and the Excel file that they become."""

from __future__ import annotations

import stat
from dataclasses import replace

import openpyxl
import pandas as pd
import pytest
from made import ENGINES, PASS, SUBJECTS, in_engine, municipality, records_of, same
from typer.testing import CliRunner

from nbanalytics.analysis.baseline import individual_baseline
from nbanalytics.cli import app
from nbanalytics.declaration import parse_declaration
from nbanalytics.errors import DataError
from nbanalytics.municipality import (
    all_passed_view,
    control_view,
    eligibility_view,
    funnel,
    grades_view,
    merit_view,
    names_of,
    national_tests_view,
    own_values,
    points_view,
    salsa,
    workbook_views,
    write_workbook,
)
from nbanalytics.municipality.leavers import leavers
from nbanalytics.readers.write import write_records

POINTS = {"A": 20, "B": 17.5, "C": 15, "D": 12.5, "E": 10, "F": 0}


@pytest.fixture(scope="module")
def views(karlskoga):
    return {view.name: view for view in workbook_views(karlskoga)}


@pytest.fixture(scope="module")
def grades(karlskoga):
    rows = karlskoga.grades[karlskoga.grades["term"] == "9VT"]
    return rows.merge(karlskoga.students[["student_id", "school_id", "sex"]], on="student_id")


def at(view, **place):
    table = view.table
    dimensions = [name for name in ("school_id", "sex", "swedish_course") if name in table]
    for name, value in {**dict.fromkeys(dimensions, "*"), **place}.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


# ---------------------------------------------------------------- the numbers


def test_points_and_the_distribution_are_counted_by_hand(views, grades):
    for place, part in (
        ({}, grades),
        ({"sex": "girl"}, grades[grades["sex"] == "girl"]),
        ({"school_id": "S2", "sex": "boy"}, grades[(grades["school_id"] == "S2") & (grades["sex"] == "boy")]),
    ):
        for subject in ("MA", "SVA", "BL"):
            own = part.loc[part["subject"] == subject, "grade"].tolist()
            row = at(views["grades"], subject=subject, **place)
            assert [row[grade] for grade in POINTS] == [own.count(grade) for grade in POINTS]
            assert row["streck"] == own.count("-")
            n = sum(own.count(mark) for mark in [*POINTS, "-"])
            passed = sum(own.count(grade) for grade in "ABCDE")
            assert (row["n"], row["count"]) == (n, passed)
            if n >= 5:
                assert row["share"] == pytest.approx(passed / n)
            points = [POINTS[grade] for grade in own if grade in POINTS]
            row = at(views["points"], subject=subject, **place)
            assert row["n"] == len(points)
            if len(points) >= 5:
                assert row["mean_points"] == pytest.approx(sum(points) / len(points))


def test_students_of_a_breakdown_add_up_to_all(views):
    for name in ("merit", "all_passed", "eligibility"):
        table = views[name].table
        if "kind" in table:
            table = table[table["kind"] == "vocational"]
        whole = table[(table["school_id"] == "*") & (table["sex"] == "*") & (table["swedish_course"] == "*")]
        assert whole["students"].tolist() == [313]
        for divided in ("school_id", "sex", "swedish_course"):
            others = [other for other in ("school_id", "sex", "swedish_course") if other != divided]
            part = table[(table[divided] != "*") & (table[others] == "*").all(axis=1)]
            assert part["students"].sum() == 313


def test_eligibility_by_kind_is_karlskogas_and_the_kinds_are_nested(views):
    """Progression 02: 236 + 15 of 313 eligible for a vocational programme in year 9."""
    count = {kind: at(views["eligibility"], kind=kind)["count"] for kind in views["eligibility"].table["kind"].unique()}
    assert count["vocational"] == 251
    assert count["IMV"] >= count["vocational"] >= count["preparatory-ES"]
    assert count["preparatory-ES"] >= max(count["preparatory-EK-HU-SA"], count["preparatory-NA-TE"])


def test_kinds_want_what_the_act_says():
    """Education Act 16:30-31: 8 passes, 12 with any nine, 12 with the four social subjects, 12 with the sciences."""
    core = dict.fromkeys(["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"], "E")
    social = core | dict.fromkeys(["GE", "HI", "RE", "SH"], "E")
    science = core | dict.fromkeys(["BI", "FY", "KE", "TK"], "E")
    courses = {"P1": {"9VT": core}, "P2": {"9VT": social}, "P3": {"9VT": science}, "P4": {"9VT": core | {"MA": "F"}}}
    view = eligibility_view(records_of(courses), min_students=1)
    found = {kind: at(view, kind=kind)["count"] for kind in view.table["kind"]}
    assert found == {
        "vocational": 3,
        "preparatory-ES": 2,
        "preparatory-EK-HU-SA": 1,
        "preparatory-NA-TE": 1,
        "IMV": 4,  # SV, EN and four more
    }


def test_tests_are_compared_with_grades(views, karlskoga, grades):
    order = {grade: step for step, grade in enumerate("FEDCBA")}
    tests = karlskoga.tests[karlskoga.tests["term"] == "9VT"]
    held = {(row.student_id, row.subject): row.grade for row in grades.itertuples()}
    counts = {}
    for row in tests.itertuples():
        grade = held.get((row.student_id, row.subject))
        if grade in order:
            step = order[grade] - order[row.grade]
            counts.setdefault(row.subject, []).append((step > 0) - (step < 0))
    for subject, steps in counts.items():
        row = at(views["tests"], subject=subject)
        assert [row["above"], row["same"], row["below"]] == [steps.count(1), steps.count(0), steps.count(-1)]
        assert row["n"] == len(steps)


def test_the_control_adds_up_and_shows_every_code():
    nothing = {
        "P1": {"9VT": {"MA": "E"}},
        "P2": {"9VT": {"MA": "-", "EN": "adapted"}},
        "P3": {"9VT": {"EN": "not_graded"}},
    }
    table = control_view(records_of(nothing)).table.set_index("subject")
    marks = ["graded", "streck", "adapted", "not_taught", "not_graded", "no_grades", "nothing"]
    assert table.loc["MA", marks].tolist() == [1, 1, 0, 0, 0, 0, 1]
    assert table.loc["EN", marks].tolist() == [0, 0, 1, 0, 1, 0, 1]
    assert (table[marks].sum(axis=1) == table["students"]).all()


def test_too_few_have_counts_and_no_estimate():
    records = records_of({f"P{n}": {"9VT": PASS} for n in range(4)}, sex=["girl", "boy", None, None])
    for view in (merit_view(records), all_passed_view(records), points_view(records), grades_view(records)):
        assert set(view.table["status"]) == {"too_few"}
        assert view.table[["low", "high"]].isna().all(axis=None)
    assert set(merit_view(records).table["sex"]) == {"*", "girl", "boy", "unknown"}


def test_records_with_a_rule_of_their_own_have_a_workbook():
    declared = parse_declaration(
        {"rule": [{"name": "own", "way": [{"required": [["MA"]], "passes": 2}]}], "grading": {"rule": "own"}}
    )
    records = records_of(
        {f"P{n}": {"9VT": PASS} for n in range(6)}, declaration=declared, school_id=pd.Categorical([*"aaabb", None])
    )
    table = next(view.table for view in workbook_views(records) if view.name == "eligibility")
    assert table[["school_id", "kind", "students"]].to_numpy().tolist()[:4] == [
        ["*", "own", 6], ["a", "own", 3], ["b", "own", 2], ["unknown", "own", 1]
    ]  # fmt: skip


def test_shares_of_passes_are_not_applicable_without_a_pass_line(tmp_path):
    """Of 1-10 no grade is a pass and none a fail; 2018 beside it keeps its shares."""
    tens = {f"T{n}": {"9VT": dict.fromkeys(SUBJECTS, "10")} for n in range(12)}
    letters = {f"P{n}": {"9VT": PASS} for n in range(12)}
    records = records_of(tens | letters, cohort=[2032] * 12 + [2018] * 12, school_id="S", sex="girl")
    for view in (made := workbook_views(records)):
        if view.name in ("merit", "grades", "all_passed"):
            table = view.table.set_index("cohort")
            assert set(table.loc[2032, "status"]) == {"not_applicable"}, view.name
            assert set(table.loc[2018, "status"]) == {"ok"}, view.name
            numbers = table.filter(["count", "share", "merit_value", "low", "high"])
            assert numbers.loc[2032].isna().all(axis=None)
            assert numbers.loc[2018].notna().all(axis=None)
    write_workbook(made, tmp_path / "book.xlsx")
    own = own_values(records).query("group == 'all'").set_index(["year", "measure"])
    assert own["status"].to_dict() == {
        (2018, "eligible_vocational"): "ok",
        (2018, "merit_value_17"): "ok",
        (2018, "passed_all"): "ok",
        (2032, "eligible_vocational"): "ok",
        (2032, "merit_value_17"): "not_applicable",
        (2032, "passed_all"): "not_applicable",
    }
    assert own["value"].isna().equals(own["status"].eq("not_applicable"))
    people = leavers(records).groupby("cohort")
    assert people[["all_passed", "n_passed", "merit_value"]].count().loc[2032].tolist() == [0, 0, 0]
    assert individual_baseline(records, "9VT").table.groupby("cohort")["passes"].count().to_dict() == {
        2018: 12,
        2032: 0,
    }
    assert funnel(records, "passed_all", target=0.5).table["n"].tolist() == [12]
    with pytest.raises(DataError, match="no pass line"):
        funnel(records.cohort(2032), "passed_all")
    known = records.to_pandas().students.assign(parents_education="upper_secondary", newly_arrived=False)
    composed = salsa(replace(records, students=known)).table.set_index("cohort")["status"]
    assert composed.to_dict() == {2018: "too_few_students", 2032: "not_applicable"}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_views(engine):
    # One view for Spark, which is slow to plan; all of them collect the same few columns.
    for make in (merit_view,) if engine == "pyspark" else (merit_view, grades_view, control_view):
        same(make(in_engine(municipality(), engine)).table, make(municipality()).table)


def test_a_view_says_what_it_means_and_refuses_what_it_cannot(karlskoga):
    view = merit_view(karlskoga)
    assert "16 best grades" in view.definition
    assert "Merit value" in repr(view)
    with pytest.raises(DataError, match="cannot be divided by klass"):
        merit_view(karlskoga, [["klass"]])
    with pytest.raises(DataError, match="have no national tests"):
        national_tests_view(replace(karlskoga, tests=None))


# ---------------------------------------------------------------- Excel


def test_each_view_has_a_sheet_and_the_last_has_the_definitions(views, karlskoga, tmp_path):
    path = tmp_path / "workbook.xlsx"
    write_workbook(list(views.values()), path, **names_of(karlskoga))
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == [
        "Kontroll",
        "Meritvärde",
        "Betygspoäng per ämne",
        "Betygsfördelning",
        "Godkända i alla ämnen",
        "Behörighet",
        "Nationella prov",
        "Definitioner och källor",
    ]
    sheet = book["Behörighet"]
    headings = [cell.value for cell in sheet[1]]
    assert headings[:6] == ["Avgångsår", "Skola", "Kön", "SV/SVA", "Behörighet till", "Elever"]
    first = dict(zip(headings, sheet[2], strict=True))
    assert (first["Skola"].value, first["Behörighet till"].value, first["Elever"].value) == (
        "Alla",
        "Yrkesprogram",
        313,
    )
    assert first["Andel"].value == pytest.approx(251 / 313)
    assert first["Andel"].number_format == "0.0%"
    assert first["Undre gräns (95 %)"].number_format == "0.0%"
    merit = dict(zip([cell.value for cell in book["Meritvärde"][1]], book["Meritvärde"][2], strict=True))
    assert merit["Meritvärde"].number_format == merit["Undre gräns (95 %)"].number_format == "0.0"
    assert {"Kvarnviksskolan", "Norrgläntansskolan"} <= {row[1] for row in sheet.iter_rows(values_only=True)}
    assert "Matematik" in {row[1] for row in book["Kontroll"].iter_rows(values_only=True)}
    definitions = list(book["Definitioner och källor"].iter_rows(values_only=True))
    assert [row[0] for row in definitions[1:]] == book.sheetnames[:-1]
    assert all(all(row) for row in definitions)
    assert "313 elever" in definitions[1][4]


def test_every_number_of_a_view_is_in_its_sheet(views, tmp_path):
    path = tmp_path / "workbook.xlsx"
    write_workbook([views["grades"]], path, lang="en")
    table = pd.read_excel(path, sheet_name="Distribution of grades", engine="openpyxl")
    expected = views["grades"].table
    assert len(table) == len(expected)
    assert table["F"].tolist() == expected["F"].tolist()
    pd.testing.assert_series_equal(table["Share"], expected["share"], check_names=False)


def test_a_name_that_looks_like_a_formula_stays_a_name(views, tmp_path):
    path = tmp_path / "workbook.xlsx"
    write_workbook([views["merit"]], path, schools={"S1": '=HYPERLINK("x")', "S2": "+1", "S3": "@x"})
    cells = [cell for row in openpyxl.load_workbook(path)["Meritvärde"].iter_rows(min_row=2) for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    assert {'=HYPERLINK("x")', "+1", "@x"} <= {cell.value for cell in cells}


def test_a_workbook_is_written_whole_or_not_at_all(views, tmp_path):
    path = tmp_path / "workbook.xlsx"
    path.write_bytes(b"mine")
    with pytest.raises(DataError, match="a character that Excel cannot hold"):
        write_workbook([views["merit"]], path, schools={"S1": "a\x01b"})
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(DataError, match="Choose another place"):
        write_workbook([views["merit"]], tmp_path / "no" / "workbook.xlsx")
    for wrong in ([], [views["merit"], views["merit"]]):
        with pytest.raises(DataError, match="each once"):
            write_workbook(wrong, path)
    with pytest.raises(DataError, match="language 'fi'"):
        write_workbook([views["merit"]], path, lang="fi")


def test_the_command_writes_the_workbook(karlskoga, tmp_path):
    write_records(karlskoga, tmp_path / "records")
    path = tmp_path / "workbook.xlsx"
    done = CliRunner().invoke(app, ["workbook", str(tmp_path / "records"), "--out", str(path), "--lang", "en"])
    assert done.exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert openpyxl.load_workbook(path).sheetnames[:2] == ["Control", "Merit value"]
    for wrong, words in ((["--out", "a.txt"], "End its name in .xlsx"), (["--out", "a.xlsx", "--term", "5VT"], "5VT")):
        done = CliRunner().invoke(app, ["workbook", str(tmp_path / "records"), *wrong])
        assert words in str(done.exception)
