"""Every fault is listed, with file, column, rows and remedy; rejected rows are counted; nobody is named."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from examples import examples
from hypothesis import given, settings

from nbanalytics.errors import DataError
from nbanalytics.municipal.baseline_write import FIELDS
from nbanalytics.readers import CheckReport, check_records, read_records, read_with_report
from nbanalytics.readers.findings import CODES, fatal
from nbanalytics.schema import TABLES

STUDENTS = "student_id,cohort\nP1,2018\nP2,2018\n"
GRADES = "student_id,term,subject,grade\nP1,6VT,SV,C\nP1,9VT,SV,C\nP2,6VT,SV,B\nP2,9VT,SV,A\n"
LISTED = "BL, EN, HKK, IDH, MA, M1, M2, ML, MU, NO, BI, FY, KE, SO, GE, HI, RE, SH, SL, SV, SVA, TN, TK"


def check(where: Path, **files: str) -> CheckReport:
    """Write tables to a folder, good ones where none are given, and check it."""
    for name, content in {"students": STUDENTS, "grades": GRADES, **files}.items():
        (where / f"{name}.csv").write_text(content, encoding="utf-8")
    return check_records(where)


def sentences(report: CheckReport) -> list[str]:
    return [f"{finding.file}: {finding.sentence()}" for finding in report.findings]


def test_a_clean_folder(tmp_path: Path) -> None:
    report = check(tmp_path)
    assert (report.exit_code, report.findings, report.usable) == (0, (), True)
    assert [(file.file, file.rows, file.read) for file in report.files] == [
        ("students.csv", 2, 2),
        ("grades.csv", 4, 4),
    ]


# Each case: the files that are not good, and what is told of them.
CASES: dict[str, tuple[Mapping[str, str], list[str]]] = {
    "unknown grade": (
        {"grades": GRADES + "P1,6VT,MA,H\nP1,6VT,EN,G+\n"},
        [
            "grades.csv: column grade: unknown grade 'G+' (1 row: 7). The scale A-F has F, E, D, C, B, A and the marks "
            "'-', 'adapted', 'not_graded', 'not_taught', 'no_grades'.",
            "grades.csv: column grade: unknown grade 'H' (1 row: 6). The scale A-F has F, E, D, C, B, A and the marks "
            "'-', 'adapted', 'not_graded', 'not_taught', 'no_grades'.",
        ],
    ),
    "grade of another scale": (
        {"grades": GRADES + "P1,6VT,MA,MVG\n"},
        [
            "grades.csv: column grade: grade 'MVG' is not of scale A-F (1 row: 6). It is of scale IG-MVG, which is "
            "valid for cohorts up to 2012: correct the cohort or the grade."
        ],
    ),
    "unknown term": (
        {"grades": GRADES + "P1,5VT,MA,E\n"},
        [
            "grades.csv: column term: unknown term '5VT' (1 row: 6). Did you mean 9VT? "
            "Use one of 6HT, 6VT, 7HT, 7VT, 8HT, 8VT, 9HT, 9VT; or declare it in [terms] of records.toml."
        ],
    ),
    "unknown subject": (
        {"grades": GRADES + "P1,6VT,Svensk,E\nP2,6VT,Svensk,E\n"},
        [
            "grades.csv: column subject: unknown subject 'Svensk' (2 rows: 6, 7). Did you mean Svenska? "
            f"Use one of {LISTED}; or declare it as [subject.CODE] in records.toml."
        ],
    ),
    "repeated row": (
        {"grades": GRADES + "P1,6VT,Svenska,c\n"},
        ["grades.csv: repeats an earlier row (same student, term, subject) (1 row: 6). Remove the repeated rows."],
    ),
    "contradictory rows": (
        {"grades": GRADES + "P1,6VT,SV,D\n"},
        [
            "grades.csv: the same student, term, subject more than once, with different content (2 rows: 2, 6). "
            "Keep the row that is right."
        ],
    ),
    "the same student twice": (
        {"students": STUDENTS + "P1,2018\n"},
        ["students.csv: repeats an earlier row (same student) (1 row: 4). Remove the repeated rows."],
    ),
    "unknown student": (
        {"grades": GRADES + "P3,6VT,SV,D\nP3,9VT,SV,D\n"},
        [
            "grades.csv: column student_id: the student is not in students (2 rows: 6, 7). "
            "Add the student there, or remove the rows."
        ],
    ),
    "empty cells": (
        {"students": STUDENTS + "P3,\n", "grades": GRADES + "P1,,MA,E\nP1,6VT,EN,\n"},
        [
            "students.csv: column cohort: empty (1 row: 4). Fill it in, or remove the row.",
            "grades.csv: column term: empty (1 row: 6). Fill it in, or remove the row.",
            "grades.csv: column grade: empty (1 row: 7). Fill it in, or remove the row.",
        ],
    ),
    "wrong values": (
        {
            "students": "student_id,cohort,sex,birth_year,newly_arrived\n"
            "P1,2018,girl,2002,\nP2,2018,X,two,perhaps\nP3,218,,1802,\n"
        },
        [
            "students.csv: column birth_year: not a whole number (1 row: 3). Write digits only.",
            "students.csv: column newly_arrived: neither yes nor no (1 row: 3). "
            "Write true or false (ja or nej, 1 or 0), or leave the cell empty.",
            "students.csv: column cohort: out of range (1 row: 4). Write a number from 1990 to 2100.",
            "students.csv: column sex: unknown value 'X' (1 row: 3). Use one of girl, boy.",
            "students.csv: column birth_year: out of range (1 row: 4). Write a number from 1950 to 2100.",
            "grades.csv: column student_id: the student's row in students is faulty (2 rows: 4, 5). Correct it there.",
        ],
    ),
    "absence": (
        {"absence": "student_id,term,valid,invalid\nP1,6VT,x,0\nP1,7HT,-1,100.5\nP1,9VT,,\n"},
        [
            "absence.csv: column valid: not a number (1 row: 2). "
            "Write digits with a decimal point or comma, or leave the cell empty.",
            "absence.csv: column valid: out of range (1 row: 3). Write a number from 0 to 100.",
            "absence.csv: column invalid: out of range (1 row: 3). Write a number from 0 to 100.",
        ],
    ),
    "support": (
        {
            "support": "student_id,kind,level,start,end\nP1,coach,often,2017-13-01,\n"
            "P1,coach,selective,2017-09-01,2017-08-31\n"
        },
        [
            "support.csv: column start: not a date (1 row: 2). Write it as yyyy-mm-dd.",
            "support.csv: column level: unknown value (1 row: 2). Use one of universal, selective, indicated.",
            "support.csv: column end: support ends before it starts (1 row: 3). Correct one of the dates.",
        ],
    ),
    "moved out before moved in": (
        {"students": "student_id,cohort,moved_in,moved_out\nP1,2018,7HT,6VT\nP2,2018,,\n"},
        [
            "students.csv: column moved_out: moved out before moved in (1 row: 2). "
            "moved_in is the first term here, moved_out the last: correct one of them.",
            "grades.csv: column term: grades from before the student moved in (1 row: 2). "
            "Check moved_in in students; the grades are kept.",
            "grades.csv: column term: grades from after the student moved out (1 row: 3). "
            "Check moved_out in students; the grades are kept.",
            "grades.csv: column student_id: the student's row in students is faulty (2 rows: 2, 3). Correct it there.",
        ],
    ),
    "ragged rows": (
        {"grades": GRADES + "P1,6VT,MA\nP1,6VT,EN,A,B\n"},
        [
            "grades.csv: more or fewer cells than the header (2 rows: 6, 7). Give the row as many cells as the header "
            "(4); quote a cell that contains the delimiter."
        ],
    ),
    "year 9 without year 6": (
        {
            "students": STUDENTS + "P3,2019\nP4,2020\n",
            "grades": GRADES + "P3,9VT,SV,C\nP4,6VT,SV,C\n",
        },
        [
            "grades.csv: column term: cohort 2019 has grades in 9VT but none in 6VT, so that no student can be "
            "followed. Add the grades of 6VT, take the cohort out of students, or declare other terms in [terms] of "
            "records.toml (start, end).",
            "grades.csv: column term: cohort 2020 has no grades in 9VT. It cannot be followed to the end yet.",
        ],
    ),
    "remarks": (
        {
            "students": "student_id,cohort,school_id\nP1,2018,S1\nP2,2018,S2\n",
            "schools": "school_id,name\nS1,Berg\n",
            "grades": GRADES + "P1,6VT,SVA,E\nP1,9VT,SVA,F\n",
            "elever": "a,b\n1,2\n",
            "absense": "a,b\n1,2\n",
        },
        [
            "absense.csv: no table of this name. Did you mean absence.csv? Rename it.",
            f"elever.csv: no table of this name. The tables are {', '.join(TABLES)}.",
            "students.csv: column school_id: the school is not in schools (1 row: 3). "
            "Add it there; until then it is shown by its identifier.",
            "grades.csv: column subject: passes in both SV and SVA in one term (2 rows: 2, 6). They count as one pass.",
        ],
    ),
    "missing column": (
        {"grades": "studentid,term,subject,betyg\nP1,6VT,SV,C\n"},
        [
            "grades.csv: column grade: the column is missing. Add it.",
            "grades.csv: the column 'betyg' is not known and was left out.",
        ],
    ),
    "missing column that is near": (
        {"students": "student_id,kohort\nP1,2018\n"},
        ["students.csv: column cohort: the column is missing. Did you mean the column 'kohort'? Rename it."],
    ),
    "misspelt column": (
        {"students": "student_id,cohort,moved_inn,klass\nP1,2018,,9A\nP2,2018,,9A\n"},
        [
            "students.csv: the column 'moved_inn' is not known. Did you mean moved_in? "
            "Rename the column, or remove it.",
            "students.csv: the column 'klass' is not known and was left out.",
        ],
    ),
    "two columns for one": (
        {"grades": "student_id,term,SV,Svenska\nP1,6VT,C,C\n"},
        ["grades.csv: column SV: two columns for SV. Keep one of them."],
    ),
    "unknown subject column": (
        {"grades": "student_id,term,SV,Matematk,Klass\nP1,6VT,C,f,9A\n"},
        [
            "grades.csv: the column 'Matematk' is not a known subject, but has grades. "
            "Rename the column, or declare the subject as [subject.CODE] in records.toml.",
            "grades.csv: the column 'Klass' is not known and was left out.",
        ],
    ),
    "no header": (
        {"students": "Anna Andersson,200201011234\n"},
        [
            "students.csv: the first row has none of the column names. "
            "Put a first row of column names above the data; needed: student_id, cohort."
        ],
    ),
    "header only": (
        {"grades": "student_id,term,subject,grade\n"},
        [
            "grades.csv: column term: cohort 2018 has no grades in 9VT. It cannot be followed to the end yet.",
            "grades.csv: the table has no rows. Add one row for each record.",
        ],
    ),
    "empty file": (
        {"grades": " \n"},
        ["grades.csv: the file is empty. Export it again, with a header and one row for each record."],
    ),
    "open quotation mark": (
        {"grades": GRADES + 'P1,6VT,MA,"E\nP1,6VT,EN,A\n'},
        [
            "grades.csv: a quotation mark is opened and never closed, first perhaps in line 6. "
            'Close it, or write a quotation mark inside a cell as "".'
        ],
    ),
    "identity numbers": (
        {
            "students": "student_id,cohort\n200201019999,2018\n",
            "grades": "student_id,term,SV\n200201019999,9VT,C\n20,6VT,C",
        },
        [
            "students.csv: column student_id: looks like a personal identity number (1 row: 2). "
            "Replace them by pseudonyms in every table; release, handover, workbook and export refuse them.",
            "grades.csv: column student_id: the student is not in students (1 row: 3). "
            "Add the student there, or remove the rows.",
            "grades.csv: column term: cohort 2018 has grades in 9VT but none in 6VT, so that no student can be "
            "followed. Add the grades of 6VT, take the cohort out of students, or declare other terms in [terms] of "
            "records.toml (start, end).",
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_told(tmp_path: Path, name: str) -> None:
    files, told = CASES[name]
    report = check(tmp_path, **files)
    assert sentences(report) == told
    assert report.exit_code == (2 if not report.usable else 1)
    for file in report.files:
        assert file.rows == file.read + len(file.rejected)
    if not report.faults:
        read_records(tmp_path)
        return
    with pytest.raises(DataError) as error:
        read_records(tmp_path)
    for finding in report.faults:
        # What follows from another fault is counted, but not told as one more thing to mend.
        assert (f"  - {finding.sentence()}" in str(error.value)) is not finding.follows
    if not report.usable:
        with pytest.raises(DataError):
            read_records(tmp_path, on_fault="reject")


def test_wide_grades_name_the_row_of_the_file(tmp_path: Path) -> None:
    wide = "student_id,term,SV,MA\nP1,6VT,C,Q\nP1,9VT,C,C\nP1,6VT,C,\nP9,6VT,A,A\nP2,6VT,,\n"
    report = check(tmp_path, grades=wide)
    assert report.files[1].rejected == (
        (2, "grade: unknown grade 'Q'"),
        (4, "repeats an earlier row (same student, term, subject)"),
        (5, "student_id: the student is not in students"),
    )
    assert (report.files[1].rows, report.files[1].read) == (5, 2)


def test_a_scale_that_does_not_hold_for_a_cohort_is_listed(tmp_path: Path) -> None:
    (tmp_path / "records.toml").write_text('[grading]\nscale = "A-F"\n')
    report = check(tmp_path, students=STUDENTS + "P3,2010\nP4,2040\n")
    assert [sentence for sentence in sentences(report) if "scale" in sentence] == [
        f"students.csv: column cohort: the scale 'A-F' does not hold for cohort {cohort} (it holds for 2013-2031). "
        f"Those that do: {other}; or declare a [[scale]] of your own in records.toml."
        for cohort, other in ((2010, "IG-MVG"), (2040, "1-10"))
    ]
    assert report.exit_code == 2


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[terms\n", "line 1 is not TOML"),
        ("[trems]\n", "unknown key 'trems'. Did you mean 'terms'?"),
        ("[terms]\norder = 5\n", "[terms]: order = 5 must be a list of texts. Write order"),
        ('[terms]\norder = ["a", "b"]\nstart = "c"\n', "[terms]: c in start, end or stages is not in order"),
    ],
)
def test_a_faulty_declaration_is_listed(tmp_path: Path, toml: str, told: str) -> None:
    (tmp_path / "records.toml").write_text(toml)
    report = check(tmp_path)
    assert not report.usable
    assert any(told in f"{sentence}" for sentence in sentences(report) if sentence.startswith("records.toml: "))


def test_what_is_missing_for_which_analysis(tmp_path: Path) -> None:
    absence = "student_id,term,valid,invalid\nP1,6VT,1,1\nP1,9VT,1,1\n"
    report = check(tmp_path, absence=absence)
    missing = {file.file: file.missing for file in report.files}
    assert missing["absence.csv"] == ("no absence for 7HT, 7VT, 8HT, 8VT, 9HT: the absence panel will be empty there",)
    assert missing["grades.csv"] == ("no grades for 7HT, 7VT, 8HT, 8VT, 9HT: losses cannot be dated to it there",)
    assert "no column sex: nothing can be shown by sex" in missing["students.csv"]
    assert "no table outcomes: flows end with the last term" in missing["students.csv"]
    assert report.exit_code == 0


def test_the_report_for_programs(tmp_path: Path) -> None:
    report = check(tmp_path, grades=GRADES + "P1,6VT,MA,H\n")
    files = json.loads(report.as_json())
    assert [file["file"] for file in files] == ["students.csv", "grades.csv"]
    assert set(files[1]) >= {"file", "format", "rows", "read", "rejected", "assumed", "missing"}
    assert files[1]["rejected"] == [{"row": 6, "reason": "grade: unknown grade 'H'"}]
    assert (files[1]["rows"], files[1]["read"], files[1]["format"]) == (5, 4, "csv")
    (tmp_path / "students.csv").unlink()
    unusable = json.loads(check_records(tmp_path).as_json())
    assert unusable[-1]["faults"] == [
        "the table students is missing. Add students.csv, .parquet or .xlsx with student_id, cohort."
    ]


def test_rejected_rows_are_written_without_their_content(tmp_path: Path) -> None:
    check(tmp_path, grades=GRADES + "P1,6VT,MA,H\nP9,6VT,SV,A\nP1,7VT\n", students=STUDENTS + "P3,\n")
    target = tmp_path / "out" / "rejected.csv"
    target.parent.mkdir()
    records = read_records(tmp_path, rejected=target)
    assert len(records.grades) == 4
    assert len(records.students) == 2
    assert list(csv.reader(target.read_text(encoding="utf-8").splitlines())) == [
        ["file", "row", "column", "reason"],
        ["students.csv", "4", "cohort", "empty"],
        ["grades.csv", "6", "grade", "unknown grade 'H'"],
        ["grades.csv", "7", "student_id", "the student is not in students"],
        ["grades.csv", "8", "", "more or fewer cells than the header"],
    ]
    assert [entry.name for entry in target.parent.iterdir()] == ["rejected.csv"]
    with pytest.raises(DataError, match="cannot be written"):
        read_records(tmp_path, rejected=tmp_path / "nowhere" / "rejected.csv")
    with pytest.raises(DataError, match="4 faults"):
        read_records(tmp_path, rejected=None)


# ------------------------------------------------------------------ properties

NAMES = ("Anna", "Andersson", "Åsa Öberg", "200201011234", "020101-1234", "Ångström")
CELLS = st.sampled_from(
    ["P1", "P2", "P3", "6VT", "9VT", "SV", "MA", "A", "F", "-", "Q", "MVG", "", " ", "2018", *NAMES]
)


@settings(max_examples=examples(30))
@given(
    students=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=6),
    grades=st.lists(st.lists(CELLS, min_size=2, max_size=5), max_size=12),
    wide=st.booleans(),
    good=st.booleans(),
)
def test_no_row_is_lost_and_nobody_is_named(
    students: list[list[str]], grades: list[list[str]], wide: bool, good: bool
) -> None:
    header = ["student_id", "term", "SV", "MA"] if wide else ["student_id", "term", "subject", "grade"]
    tables: dict[str, list[list[str]]] = {
        "students": [["student_id", "cohort", "sex"], *([["P1", "2018", ""]] if good else []), *students],
        "grades": [header, *([["P1", "6VT", *(("C", "D") if wide else ("SV", "C"))]] if good else []), *grades],
    }
    with tempfile.TemporaryDirectory() as where:
        for name, rows in tables.items():
            text = "\n".join(";".join(row) for row in rows)
            (Path(where) / f"{name}.csv").write_text(text + "\n", encoding="utf-8")
        report = check_records(where)
        said = [report.text(), report.as_json()]
        for file in report.files:
            rows = tables[file.file.removesuffix(".csv")][1:]
            assert file.rows == sum(any(cell.strip() for cell in row) for row in rows)
            assert file.read + len(file.rejected) == file.rows
        if report.usable:
            read: dict[str, Any] = dict(read_with_report(where)[0].tables())
            counts = {file.file: file.read for file in report.files}
            assert len(read["students"]) == counts["students.csv"]
            assert len(read["grades"]) == counts["grades.csv"] or wide
            read_records(where, rejected=Path(where) / "rejected.txt")
            said.append((Path(where) / "rejected.txt").read_text(encoding="utf-8"))
        if report.faults:
            with pytest.raises(DataError) as error:
                read_records(where)
            said.append(str(error.value))
    for text in said:
        for name in NAMES:
            assert name not in text


def test_every_finding_has_a_documented_code() -> None:
    """The codes in use, the codes that are declared and the table of docs/records.md are the same."""
    root = Path(__file__).parents[1]
    page = (root / "docs" / "records.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| (.+?) \|$", page, re.M))
    assert documented == CODES
    code = "\n".join(path.read_text(encoding="utf-8") for path in (root / "nbanalytics").rglob("*.py"))
    # Codes of cells are made of the kind of their column.
    made = (
        {f"values.not_{column.kind}" for table in TABLES.values() for column in table.columns}
        | {f"form.not_{field.kind}" for field in FIELDS}
        | {f"values.unknown_{kind}" for kind in ("value", "term", "subject")}
    )
    assert [code_ for code_ in CODES if not re.search(rf'"{code_}["/]', code) and code_ not in made] == []
    with pytest.raises(ValueError, match="not a code"):
        fatal("grades.odd", "grades.csv")


def test_the_report_for_programs_gives_codes_and_rows(tmp_path: Path) -> None:
    report = check(tmp_path, grades=GRADES + "P1,6VT,MA,H\n")
    (found,) = json.loads(report.as_json())[1]["findings"]
    assert (found["code"], found["weight"], found["column"]) == ("grades.unknown_grade", "row", "grade")
    assert (found["rows"], found["first_rows"], found["what"]) == (1, [6], "unknown grade 'H'")
