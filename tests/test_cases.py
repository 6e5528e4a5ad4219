"""Small inputs that go wrong elsewhere (tests/cases): what each should give, through `check` and through the reader.

The pupils and numbers are invented. The shapes are those of public bug reports, file descriptions and exports.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tomllib
import unicodedata
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from municipal_files import KEY

from nbanalytics.analysis.flows import flows
from nbanalytics.errors import DataError
from nbanalytics.intervals import newcombe, paired_difference
from nbanalytics.municipal.absence_list import read_absence_list, suggest_mapping
from nbanalytics.municipal.import_files import check_paths, import_files
from nbanalytics.municipal.merge import merge_with_findings
from nbanalytics.municipal.recognise import FileRead, format_of, read_files
from nbanalytics.municipal.scb import read_scb
from nbanalytics.municipal.scb_layouts import layouts
from nbanalytics.municipal.skolverket import read_skolverket
from nbanalytics.municipality.official import from_skolverket
from nbanalytics.readers import CheckReport, check_records, read_records, records_from_frames
from nbanalytics.records import StudentRecords
from nbanalytics.text import Words

CASES = Path(__file__).parent / "cases"


def check(*names: str | Path) -> CheckReport:
    """Check files as the command does."""
    (report,) = check_paths([CASES / name for name in names])
    return report


def grades_of(read: FileRead, subject: str) -> list[str]:
    table = read.tables["grades"]
    return table.loc[table["subject"].eq(subject), "grade"].astype(str).tolist()


def fatal(read: FileRead) -> str:
    assert not read.tables
    return " ".join(finding.sentence() for finding in read.report.findings if finding.weight == "fatal")


# ------------------------------------------------------------------ a header that stands again


def test_a_second_header_with_the_same_columns_is_not_a_pupil() -> None:
    report = check("scb9_put_together_header.txt")
    assert report.exit_code == 0
    assert (report.files[0].rows, report.files[0].read) == (12, 12)
    assert "1 further headers are not pupils" in report.text()
    assert grades_of(read_scb(CASES / "scb9_put_together_header.txt", key=KEY), "EN") == ["C"] * 12


def test_a_second_header_with_another_order_is_refused() -> None:
    report = check("scb9_two_headers_other_order.txt")
    assert report.exit_code == 2
    assert "row 8 is a second header, with other columns or another order" in report.text()


@pytest.mark.parametrize("first", ["with a header", "without a header"])
def test_files_put_together_in_other_ways(tmp_path: Path, first: str) -> None:
    lines = (CASES / "scb9_put_together_header.txt").read_text(encoding="utf-8").splitlines()
    header, pupils = lines[0], [line for line in lines[1:] if line and "PersonNr" not in line]
    top = [header] if first == "with a header" else []
    other = header.replace("PersonNr", "Personnummer").replace("Bl;", "Bild;").lower()
    file = tmp_path / "together.txt"
    file.write_text("\n".join([*top, *pupils[:4], other, *pupils[4:8], header, *pupils[8:]]) + "\n", encoding="utf-8")
    assert grades_of(read_scb(file, key=KEY), "MA") == ["C"] * 12
    # A file of year 6 behind one of year 9 has more columns.
    year_6 = header.replace("Mu;", "Mu;No;").replace("Ke;", "Ke;So;")
    file.write_text("\n".join([*top, *pupils[:4], year_6, *pupils[4:]]) + "\n", encoding="utf-8")
    assert f"row {5 + len(top)} is a second header" in fatal(read_scb(file, key=KEY))


def test_records_put_together_have_one_header(tmp_path: Path) -> None:
    for name in ("students", "grades"):
        text = (CASES / "decomposed" / "nfd_headers" / f"{name}.csv").read_text(encoding="utf-8")
        header, *rows = text.splitlines()
        middle = len(rows) // 2
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *rows[:middle], header, *rows[middle:]]) + "\n")
    report = check_records(tmp_path)
    assert report.exit_code == 0
    assert [(file.rows, file.n_rejected) for file in report.files] == [(3, 0), (6, 0)]
    assert "1 rows repeat the header" in report.text()


# ------------------------------------------------------------------ letters with combining marks


def test_decomposed_headers_are_the_subjects() -> None:
    report = check("decomposed/nfd_headers")
    assert report.exit_code == 0
    grades = read_records(CASES / "decomposed" / "nfd_headers").grades
    counts = grades["subject"].value_counts()
    assert counts.loc[["SL", "IDH", "SVA"]].tolist() == [6, 6, 2]


def test_decomposed_absence_list() -> None:
    assert check("decomposed/absence_nfd.csv").exit_code == 0
    table = read_absence_list(CASES / "decomposed" / "absence_nfd.csv", key=KEY).tables["absence"]
    assert table["valid"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


def decomposed(text: str) -> str:
    apart = unicodedata.normalize("NFD", text)
    assert apart != text
    return apart


@pytest.mark.parametrize("format", ["csv", "cp1252 and utf-16", "xlsx", "parquet", "frames"])
def test_decomposed_values_schools_and_keys(tmp_path: Path, format: str) -> None:
    """Åkerö is one school and Åsa one pupil, however the letters are stored; also in the rules and declarations."""
    ids = ["Åsa", "Örjan"]
    students = pd.DataFrame({"student_id": ids, "cohort": 2018, "school_id": ["Åkerö", decomposed("Åkerö")]})
    grades = pd.DataFrame(
        {"student_id": [decomposed(i) for i in ids], "term": "6VT", "subject": decomposed("Slöjd"), "grade": "C"}
    )
    if format == "frames":
        records = records_from_frames(students, grades)
    else:
        for name, table in (("students", students), ("grades", grades)):
            if format == "xlsx":
                table.to_excel(tmp_path / f"{name}.xlsx", index=False)
            elif format == "parquet":
                table.to_parquet(tmp_path / f"{name}.parquet")
            else:
                # A decomposed letter cannot be written in Windows-1252.
                encoding = {"csv": "utf-8"}.get(format, "utf-16" if name == "grades" else "utf-8-sig")
                table.to_csv(tmp_path / f"{name}.csv", index=False, encoding=encoding)
        assert not check_records(tmp_path).faults
        records = read_records(tmp_path)
    assert records.students["school_id"].tolist() == ["Åkerö", "Åkerö"]
    assert records.grades[["student_id", "subject"]].to_numpy().tolist() == [["Åsa", "SL"], ["Örjan", "SL"]]


def test_decomposed_letters_in_declarations_mappings_and_json(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("Pnr;Frånvarotid\n20010103-2000;1,5 %\n", encoding="utf-8")
    (tmp_path / "list.toml").write_text(
        decomposed('[columns]\nstudent = "Pnr"\ntotal = "Frånvarotid"\n[file]\nterm = "9VT"\n'), encoding="utf-8"
    )
    assert read_absence_list(file, key=KEY).tables["absence"]["total"].tolist() == [1.5]
    content = json.loads((CASES / "ss12000_corrected.json").read_text(encoding="utf-8"))
    content["schoolUnits"][0]["displayName"] = decomposed("Åkerö skola")
    (tmp_path / "units.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (read,) = read_files([tmp_path / "units.json"], KEY)
    assert read.tables["schools"]["name"].tolist() == ["Åkerö skola"]


# ------------------------------------------------------------------ absence lists


def test_a_list_with_unknown_columns_has_a_draft_that_the_reader_agrees_with(tmp_path: Path) -> None:
    name = "franvaro_n_gf_f.xlsx"
    assert f"nbanalytics check --suggest {name}" in check(name).text()
    draft = suggest_mapping(CASES / name)
    assert 'term = "7HT"  # NEEDED' not in draft
    read = read_absence_list(CASES / name, key=KEY, mapping=tomllib.loads(draft))
    table = read.tables["absence"]
    assert table["term"].unique().tolist() == ["9HT"]
    rows = list(openpyxl.load_workbook(CASES / name).active.values)
    percent = [
        [float(cell.split()[0].replace(",", ".")) for cell in row[9:]]
        for row in rows
        if "%" in str(row[9]) and "," in row[9]
    ]
    assert len(percent) == 12
    assert table[["valid", "invalid"]].to_numpy().tolist() == percent


def test_a_column_f_that_is_all_absence_is_drafted_as_the_total(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    lines = ["Vt 2018", "Klass: 9A", "Personnr;Närv %;GF %;F %", "20010103-2000;90;4;10", "20010204-2016;95;5;5"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = read_absence_list(file, key=KEY, mapping=tomllib.loads(suggest_mapping(file))).tables["absence"]
    assert table[["valid", "invalid"]].to_numpy().tolist() == [[4, 6], [5, 0]]


def test_a_list_with_three_subjects_is_never_an_absence_list(tmp_path: Path) -> None:
    file = tmp_path / "class.csv"
    lines = [
        "Klass 9A vt 2018",
        "Personnr;Namn;Svenska;Engelska;Mate{};Frånvaro %;Termin",
        "20010103-2000;Ek;C;B;A;4;9VT",
    ]
    file.write_text("\n".join(lines).format("matik") + "\n", encoding="utf-8")
    assert format_of(file) == ""
    assert "names of subjects" in fatal(read_absence_list(file, key=KEY))
    # Two columns may be of anything else.
    file.write_text("\n".join(lines).format("") + "\n", encoding="utf-8")
    assert format_of(file) == "absence_list"


# ------------------------------------------------------------------ one rounding


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [(12.5, 0, "13"), (13.5, 0, "14"), (-12.5, 0, "−13"), (2.25, 1, "2.3"), (0.35 * 50 - 5, 0, "13"), (2.4999, 0, "2")],
)
def test_halves_are_rounded_away_from_zero(value: float, decimals: int, written: str) -> None:
    assert Words("en").number(value, decimals) == written
    assert Words("en").percent(value / 100, decimals) == f"{written}%"


# ------------------------------------------------------------------ a pupil in the files of two schools

LATER = ("two_schools/schoolA.txt", "two_schools/schoolB_later.txt")
EARLIER = ("two_schools/schoolA.txt", "two_schools/schoolB_earlier.txt")
MOVED = KEY.pseudonym("201004041032")


def joined(*names: str | Path) -> tuple[StudentRecords, str]:
    reads = read_files([CASES / name for name in names], KEY)
    records, findings = merge_with_findings(reads)
    told = [finding.sentence() for read in reads for finding in read.report.findings]
    return records, "\n".join([*told, *(finding.sentence() for finding in findings)])


@pytest.mark.parametrize("names", [LATER, LATER[::-1], EARLIER, EARLIER[::-1], ("two_schools/both.txt",)])
def test_a_pupil_in_two_schools(names: tuple[str, ...]) -> None:
    """School A has streck in everything but M2, school B has grades: B's hold, whatever the order and the dates."""
    records, told = joined(*names)
    own = records.grades[records.grades["student_id"].eq(MOVED)]
    assert own["grade"].value_counts().to_dict() == {"C": 16, "not_graded": 4, "D": 1}
    assert len(records.students) == 24
    assert records.students.set_index("student_id").at[MOVED, "school_id"] == "28504550"
    assert "13654995 and 28504550" in told
    assert "a grade is kept before a streck, then that of the later date" in told
    assert check(*names).exit_code == 1
    assert "13654995 and 28504550" in check(*names).text()


def scb_row(date: str, number: str, school: str, **grades: str) -> str:
    layout = layouts()[0][0]
    names = layout.columns[8:-1]
    cells = {name: "" if "_sprak" in name else "2" if "_" in name else "C" for name in names}
    cells |= {"Sva": "2", "Tn": "2"} | grades
    return ";".join(["Extens", date, "8.2", number, school, "9A", "N", "E", *cells.values(), "2"])


A, B, PUPIL = "13654995", "28504550", "201001011004"


@pytest.mark.parametrize("one_file", [True, False])
@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize(
    ("first", "second", "mathematics", "school"),
    [
        # A grade goes before a streck, whatever the dates.
        (("2026-06-01", A, {"Ma": "E"}), ("2026-06-09", B, {"Ma": "9"}), "E", A),
        # Of two grades that of the later date holds, and of two strecks and codes, too.
        (("2026-06-01", A, {"Ma": "E"}), ("2026-06-09", B, {"Ma": "F"}), "F", B),
        (("2026-06-01", A, {"Ma": "9"}), ("2026-06-09", B, {"Ma": "3"}), "adapted", B),
        # The same grades in two schools on the same day: nothing decides between the schools.
        (("2026-06-09", A, {}), ("2026-06-09", B, {}), "C", None),
        # Different grades on the same day: nobody knows, and the pupil is kept out.
        (("2026-06-09", A, {"Ma": "E"}), ("2026-06-09", B, {"Ma": "F"}), None, None),
        # Who repeats the year has the grades of the last year, also where they are strecks.
        (("2025-06-09", A, {"Ma": "E"}), ("2026-06-09", B, {"Ma": "9"}), "-", B),
    ],
)
def test_which_row_of_a_pupil_holds(
    tmp_path: Path,
    one_file: bool,
    turned: bool,
    first: tuple,
    second: tuple,
    mathematics: str | None,
    school: str | None,
) -> None:
    rows = [scb_row(date, PUPIL, code, **grades) for date, code, grades in (first, second)][:: -1 if turned else 1]
    others = [scb_row("2026-06-09", number, A) for number in ("201002021010", "201003031026")]
    parts = [[*rows, *others]] if one_file else [[rows[0], *others], rows[1:]]
    files = [tmp_path / f"{place}.txt" for place in range(len(parts))]
    for file, lines in zip(files, parts, strict=True):
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    records, told = joined(*files)
    own = records.grades[records.grades["student_id"].eq(KEY.pseudonym(PUPIL))].set_index("subject")["grade"]
    assert len(records.students) == (2 if mathematics is None else 3)
    if mathematics is None:
        assert own.empty
        assert "of the same date" in told
        return
    assert own["MA"] == mathematics
    found = records.students.set_index("student_id").at[KEY.pseudonym(PUPIL), "school_id"]
    assert (None if pd.isna(found) else found) == school
    assert ("without a school" in told) == (school is None)


def test_absence_lists_that_contradict_each_other(tmp_path: Path) -> None:
    """A value goes before none; two values are both left out, whatever the order of the lists."""
    numbers = ["201001011004", "201002021010", "201003031026"]
    grades = tmp_path / "grades.txt"
    grades.write_text("\n".join(scb_row("2026-06-09", number, A) for number in numbers) + "\n", encoding="utf-8")
    files = []
    for name, values in (("a", ("1;2", "3;4", "5;6")), ("b", ("1;2", "3;9", "x;x"))):
        lines = ["Personnummer;Giltig;Ogiltig;Termin", *(f"{n};{v};9VT" for n, v in zip(numbers, values, strict=True))]
        files.append(tmp_path / f"{name}.csv")
        files[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
    for ordered in (files, files[::-1]):
        records, told = joined(grades, *ordered)
        table = records.absence.set_index("student_id")[["valid", "invalid"]]
        assert table.to_dict("index") == {
            KEY.pseudonym(numbers[0]): {"valid": 1, "invalid": 2},
            KEY.pseudonym(numbers[2]): {"valid": 5, "invalid": 6},
        }
        assert "1 pupils have different content of the same date for absence in two files" in told


# ------------------------------------------------------------------ Skolverket's exports

WITHOUT = "without_newly_immigrated_and_unknown_background"


def official(name: str) -> pd.DataFrame:
    return read_skolverket(CASES / "skolverket" / name).tables["statistics"]


def values_by(table: pd.DataFrame, *columns: str) -> dict[object, float]:
    return table.set_index(list(columns))["value"].to_dict()


def test_the_population_of_the_title_is_kept_apart() -> None:
    table = official("slutbetyg_109_2024.csv")
    assert set(table["population"]) == {WITHOUT}
    assert values_by(table, "measure")["eligible_vocational"] == 88.9
    with pytest.raises(DataError, match="for all pupils of year 9"):
        from_skolverket(table)
    assert "a part of the pupils (without newly immigrated" in check("skolverket/slutbetyg_109_2024.csv").text()


def test_two_populations_side_by_side_are_both_kept() -> None:
    table = official("slutbetyg_109_2022.csv")
    found = values_by(table, "municipality", "owner", "population", "measure")
    assert len(found) == 3 * 2 * 4
    assert found["Ale", "all", "all", "eligible_vocational"] == 84.5
    assert found["Ale", "all", WITHOUT, "eligible_vocational"] == 88.9
    assert found["Ale", "municipal", WITHOUT, "students"] == 285
    assert found["Alingsås", "all", "all", "merit_value_17"] == 241.3
    whole = from_skolverket(table)
    ale = whole[whole["place"].eq("1440")]
    assert values_by(ale, "measure") == {"eligible_vocational": 84.5, "merit_value_17": 221.3, "passed_all": 74.2}
    assert "left out" not in check("skolverket/slutbetyg_109_2022.csv").text()


def test_two_populations_in_merged_cells_of_a_workbook(tmp_path: Path) -> None:
    with (CASES / "skolverket" / "slutbetyg_109_2022.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream, delimiter=";"))
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    top = next(number for number, row in enumerate(rows, 1) if "Samtliga elever" in row)
    for first, last in (("F", "I"), ("J", "M")):
        book.active.merge_cells(f"{first}{top}:{last}{top}")
    book.save(tmp_path / "export.xlsx")
    read = read_skolverket(tmp_path / "export.xlsx").tables["statistics"]
    pd.testing.assert_frame_equal(read, official("slutbetyg_109_2022.csv"))


def test_year_6_is_not_taken_for_year_9() -> None:
    table = official("ak6_kommun.csv")
    assert set(table["stage"]) == {"6"}
    assert values_by(table, "measure") == {"students": 360, "passed_all": 68, "merit_value_17": 205.1}
    with pytest.raises(DataError, match="year 9"):
        from_skolverket(table)
    assert "values of year 6" in check("skolverket/ak6_kommun.csv").text()


def test_salsa_has_its_six_results() -> None:
    report = check("skolverket/salsa_2018.csv")
    assert (report.exit_code, report.files[0].format, report.files[0].read) == (0, "skolverket", 2)
    school = official("salsa_2018.csv")
    found = values_by(school[school["school"].eq("B skola")], "measure")
    assert found == {
        "parents_education": 2.1, "newly_immigrated": 5, "share_boys": 52,
        "salsa_passed": 70, "salsa_passed_expected": 75, "salsa_passed_residual": -5,
        "salsa_merit_value": 210, "salsa_merit_value_expected": 221, "salsa_merit_value_residual": -11,
    }  # fmt: skip


def test_national_tests_have_all_their_results() -> None:
    report = check("skolverket/np9_2023.csv")
    assert (report.exit_code, report.files[0].format, report.files[0].read) == (0, "skolverket", 2)
    table = official("np9_2023.csv")
    english = values_by(table[table["subject"].eq("Engelska") & table["status"].eq("ok")], "measure", "group")
    assert english == {
        ("test_participation", "all"): 95.1, ("test_participation", "girls"): 96, ("test_participation", "boys"): 94.2,
        ("test_students", "all"): 330, ("test_students", "girls"): 160, ("test_students", "boys"): 170,
        ("test_passed", "all"): 97, ("test_points", "all"): 14.8, ("test_points", "girls"): 15,
        ("test_points", "boys"): 14.6,
    }  # fmt: skip
    assert set(table["status"]) == {"ok", "approx_100", "suppressed"}


def test_definitions_below_the_data_are_not_schools_and_one_sign_does_not_reject_a_row(tmp_path: Path) -> None:
    file = tmp_path / "schools.csv"
    file.write_text(
        "Grundskolan - Slutbetyg årskurs 9\nSkola;Skolenhetskod;Kommun;Kommunkod;Antal elever;"
        "Andel (%) behörig yrkesprog.;Andel (%) behöriga till estetiska program\n"
        "A;12345678;Ale;1440;90;84,4;...\nB;87654321;Ale;1440;80;84,5;okänt\n\n"
        "Antal elever;;Antal elever som slutfört årskurs 9;;;;\n"
        "Behörig;Andel som har betyg i svenska, engelska och matematik;;;och fem ämnen till;;\n",
        encoding="utf-8",
    )
    read = read_skolverket(file, year="2024/25")
    assert read.report.read == 2
    table = read.tables["statistics"]
    assert values_by(table[table["measure"].eq("eligible_vocational")], "school") == {"A": 84.4, "B": 84.5}
    assert table["status"].value_counts().to_dict() == {"ok": 4, "not_available": 1}
    (remark,) = [finding for finding in read.report.findings if finding.code == "values.not_number"]
    assert (remark.weight, remark.rows.tolist()) == ("remark", [4])


# ------------------------------------------------------------------ SS12000


def ss12000(tmp_path: Path, *grades: dict[str, object]) -> FileRead:
    """Read the case with further grades."""
    content = json.loads((CASES / "ss12000_corrected.json").read_text(encoding="utf-8"))
    content["grades"] += [content["grades"][0] | {"id": f"more{place}"} | own for place, own in enumerate(grades)]
    file = tmp_path / "pages.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    (read,) = read_files([file], KEY)
    return read


def grade_in(read: FileRead, pupil: str, subject: str) -> list[str]:
    table = read.tables["grades"]
    return table.loc[table["student_id"].eq(KEY.pseudonym(pupil)) & table["subject"].eq(subject), "grade"].tolist()


def test_a_correction_wins_and_an_examination_counts_after_the_summer() -> None:
    report = check("ss12000_corrected.json")
    (read,) = read_files([CASES / "ss12000_corrected.json"], KEY)
    assert grade_in(read, "200201032000", "MA") == ["C"]
    assert grade_in(read, "200202032017", "EN") == ["F"]
    assert [reason for _, reason in report.files[0].rejected] == ["replaced by a correction"]
    assert "they count after the summer" in report.text()
    after = read.tables["outcomes"].set_index("student_id")["eligible_after_summer"]
    assert after.to_dict() == {KEY.pseudonym("200202032017"): True}
    records, _ = merge_with_findings([read])
    assert flows(records)  # without programmes they end with year 9


def test_corrections_and_examinations_of_other_kinds(tmp_path: Path) -> None:
    history = {"syllabus": {"id": "sHI"}, "student": {"id": "p3"}}
    read = ss12000(
        tmp_path,
        # A correction holds against grades of any date, and the later of two.
        history | {"gradeValue": "E", "correctionType": "Rättelse", "registeredDate": "2018-06-09"},
        history | {"gradeValue": "D", "correctionType": "Rättelse", "registeredDate": "2018-06-10"},
        history | {"gradeValue": "A", "registeredDate": "2018-06-12"},
        # An examination that does not suffice.
        {"syllabus": {"id": "sSV"}, "student": {"id": "p1"}, "trial": True, "gradeValue": "F",
         "registeredDate": "2018-08-02"},
        # Streck in another school, later.
        {"syllabus": {"id": "sGE"}, "student": {"id": "p3"}, "gradeValue": "-", "organisation": {"id": "u2"},
         "registeredDate": "2018-06-11"},
    )  # fmt: skip
    assert grade_in(read, "200204032031", "HI") == ["D"]
    assert grade_in(read, "200202032017", "SV") == ["C"]
    assert grade_in(read, "200204032031", "GE") == ["C"]
    assert read.report.rows == read.report.read + read.report.n_rejected


@pytest.mark.parametrize(
    "entries",
    [
        [{"id": 1, "givenName": "A", "familyName": "B", "birthDate": "2002-01-01"}] * 3,
        [{"id": "x", "startTime": "2018-01-01T08:00", "subjectName": "Matte"}, {"pageToken": None, "data": []}],
        {"data": [{"id": n, "course": "Ma1c", "startTime": "2020"} for n in range(56)], "pageToken": None},
        {"results": [{"schoolUnitCode": "12345678", "name": "A"}]},
    ],
)
def test_json_of_another_service_is_not_clean(tmp_path: Path, entries: object) -> None:
    file = tmp_path / "other.json"
    file.write_text(json.dumps(entries), encoding="utf-8")
    assert check(file).exit_code == 2
    assert "clean" not in check(file).text()


# ------------------------------------------------------------------ identity numbers that changed form


@pytest.mark.parametrize("names", [("ak6.txt", "ak9.txt"), ("ak9.txt", "ak6.txt")])
def test_tf_numbers_that_cannot_be_joined_are_counted(names: tuple[str, str]) -> None:
    report = check(*(f"tf_number/{name}" for name in names))
    assert report.exit_code == 1
    assert "1 of 13 pupils have a TF-number and are in the files of year 6 or of year 9 only" in report.text()
    # Without the other year there is nothing to join.
    assert check("tf_number/ak6.txt").exit_code == 0


@pytest.mark.parametrize(
    ("ids", "differing", "said"),
    [
        (["1001", "1002"], ["1001.0", "1002.0"], ".0 after the number"),
        (["0101", "0102"], ["101", "102"], "zeros at the beginning"),
        (["P1", "P2"], ["P1\u200b", "\ufeffP2"], "signs that cannot be seen"),
        (["P 1", "P 2"], ["P\u00a01", "P\u00a02"], "signs that cannot be seen"),
        (["001", "002"], ["1.0", "2.0"], "zeros at the beginning, .0 at the end or signs"),
        # Nobody knows which of two is meant.
        (["01", "1"], ["1.0", "1.0"], "Add the student there, or remove the rows"),
        (["P1", "P2"], ["Q1", "Q2"], "Add the student there, or remove the rows"),
    ],
)
def test_identifiers_that_differ_in_form(tmp_path: Path, ids: list[str], differing: list[str], said: str) -> None:
    students = pd.DataFrame({"student_id": ids, "cohort": 2018})
    subjects = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"]
    rows = [(one, term, subject, "C") for one in differing for term in ("6VT", "9VT") for subject in subjects]
    grades = pd.DataFrame(list(dict.fromkeys(rows)), columns=["student_id", "term", "subject", "grade"])
    students.to_csv(tmp_path / "students.csv", index=False)
    grades.to_csv(tmp_path / "grades.csv", index=False)
    (finding,) = [one for one in check_records(tmp_path).findings if one.code == "rows.unknown_student"]
    assert said in finding.sentence()
    assert finding.count == len(grades)


# ------------------------------------------------------------------ rules that nobody can meet, or fail


def small_records(folder: Path, subjects: list[str], grade: str, rule: str = "") -> CheckReport:
    rows = [f"{one},{term},{subject},{grade}" for one in "ABCDE" for term in ("6VT", "9VT") for subject in subjects]
    (folder / "students.csv").write_text(
        "student_id,cohort\n" + "".join(f"{one},2018\n" for one in "ABCDE"), encoding="utf-8"
    )
    (folder / "grades.csv").write_text("\n".join(["student_id,term,subject,grade", *rows]) + "\n", encoding="utf-8")
    (folder / "records.toml").write_text(rule, encoding="utf-8")
    return check_records(folder)


def test_records_in_which_nobody_can_be_eligible_are_a_fault(tmp_path: Path) -> None:
    seven = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH"]
    report = small_records(tmp_path, seven, "A")
    assert report.exit_code == 2
    assert "nobody of cohort 2018 can be eligible in 9VT" in report.text()
    assert [one.code for one in report.faults] == ["rules.nobody_eligible"] * 2
    # Without a core subject, too; with eight subjects a pupil can, also where everybody has F.
    assert small_records(tmp_path, [*seven[:2], "HKK", "BL", "MU", "SL", "IDH", "TK", "BI"], "A").exit_code == 2
    assert not small_records(tmp_path, [*seven, "HKK"], "F").faults
    # The records can be read for other questions.
    small_records(tmp_path, seven, "A")
    assert len(read_records(tmp_path).grades) == 5 * 2 * 7


@pytest.mark.parametrize("encoding", ["iso-8859-1", "cp1252"])
def test_a_console_that_is_not_utf_8_shows_a_question_mark(tmp_path: Path, encoding: str) -> None:
    """The message lists the grades of the layout, an en dash among them."""
    file = tmp_path / "grades.txt"
    file.write_text(scb_row("2026-06-09", PUPIL, A, En="X") + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "nbanalytics", "check", str(file)]
    ran = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}, check=False)
    assert ran.returncode == 2
    assert ran.stderr == b""
    assert f"9, -, {'–' if encoding == 'cp1252' else '?'}." in ran.stdout.decode(encoding)


# ------------------------------------------------------------------ columns that are not read


@pytest.mark.parametrize(
    ("name", "unread"),
    [
        ("two_schools/schoolA.txt", ["System", "Version", "Klass", "Fornamn", "Efternamn", "Ovr"]),
        ("scb9_put_together_header.txt", ["Klass", "M1 (språk)", "OVR"]),
        ("skolverket/salsa_2018.csv", ["Huvudman", "Huvudman orgnr"]),
        ("ss12000_corrected.json", ["Person.givenName", "Grade.converted"]),
    ],
)
def test_columns_that_are_not_read_are_listed(tmp_path: Path, name: str, unread: list[str]) -> None:
    report = check(name)
    assert set(unread) <= set(report.files[0].unread)
    assert "\n  not read: " in report.text()
    assert report.as_dicts()[0]["unread"] == list(report.files[0].unread)


def test_import_lists_the_columns_that_are_not_read(tmp_path: Path) -> None:
    absence = tmp_path / "list.csv"
    absence.write_text("Personnummer;Namn;Frånvaro %;Mentor;Termin\n201001011004;Ek;4;Al;9VT\n", encoding="utf-8")
    files = [CASES / "two_schools" / "schoolA.txt", absence]
    lines = import_files(files, tmp_path / "key", tmp_path / "out", None)
    assert "  not read: Namn, Mentor" in lines
    assert any(line.startswith("  not read: System, Version, Klass") for line in lines)


def test_limits_of_a_difference_of_shares_are_shares() -> None:
    for n in range(1, 45):
        for m in range(1, 45, 3):
            limits = [*newcombe(0, n, m, m), *newcombe(n, n, 0, m), *paired_difference(0, n, 0, 0)]
            assert all(-1 <= limit <= 1 for limit in limits), (n, m)
