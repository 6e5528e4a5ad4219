"""What people write, and what is read; files written and read back; large folders through DuckDB."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from examples import examples
from hypothesis import given, settings
from workbooks import xls, xlsx

from nbanalytics.declaration import Declaration, parse_declaration
from nbanalytics.errors import DataError, has_control
from nbanalytics.files import spill_folder
from nbanalytics.frames import collect
from nbanalytics.readers import check_records, open_records, read_records, scan_records, write_records
from nbanalytics.readers.write import declaration_toml
from nbanalytics.records import StudentRecords

STUDENTS = "student_id,cohort,sex\nP1,2018,girl\nP2,2018,boy\n"
LONG = "student_id,term,subject,grade\nP1,6VT,SV,C\nP1,6VT,MA,E\nP1,9VT,MA,F\nP2,6VT,SV,-\nP2,9VT,SV,A\n"
WIDE = "student_id,term,SV,MA\nP1,6VT,C,E\nP1,9VT,,F\nP2,6VT,-,\nP2,9VT,A,\n"


def folder(where: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files to a folder."""
    for name, content in files.items():
        (where / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return where


def triples(records: StudentRecords) -> list[tuple[Any, ...]]:
    grades = collect(records.grades)
    return sorted(grades[["student_id", "term", "subject", "grade"]].itertuples(index=False, name=None))


# ------------------------------------------------------------------ the same records in many forms


@pytest.mark.parametrize("grades", [LONG, WIDE], ids=["long", "wide"])
def test_long_and_wide_give_the_same_grades(tmp_path: Path, grades: str) -> None:
    records = read_records(folder(tmp_path, {"students.csv": STUDENTS, "grades.csv": grades}))
    assert triples(records) == sorted(tuple(line.split(",")) for line in LONG.split()[1:])
    assert records.students["cohort"].tolist() == [2018, 2018]
    assert records.absence is None
    assert records.declaration == Declaration()


@pytest.mark.parametrize(("delimiter", "line_end"), [(",", "\n"), (";", "\r\n"), ("\t", "\r"), ("|", "\r\n")])
@pytest.mark.parametrize(
    ("codec", "told"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 (marked)"),
        ("utf-16", "UTF-16 (marked)"),
        ("cp1252", "Windows-1252"),
    ],
)
def test_encoding_delimiter_and_line_ends_are_found_and_told(
    tmp_path: Path, codec: str, told: str, line_end: str, delimiter: str
) -> None:
    schools = "school_id,name\nS1,Åsö skola\nS2,Björkängen\n"
    files = {"students.csv": STUDENTS, "grades.csv": LONG, "schools.csv": schools}
    written = {name: text.replace(",", delimiter).replace("\n", line_end).encode(codec) for name, text in files.items()}
    records = read_records(folder(tmp_path, written))
    assert records.schools["name"].tolist() == ["Åsö skola", "Björkängen"]
    assert len(records.grades) == 5
    assumed = {file.file: file.assumed for file in check_records(tmp_path).files}["schools.csv"]
    word = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}[delimiter]
    assert assumed == (f"encoding {told}", f"delimiter {word}")


def test_words_are_understood_and_told(tmp_path: Path) -> None:
    students = (
        "Student_ID ; COHORT;Sex;newly_arrived;moved_in;moved_out;parents_education\n"
        " P1 ;2018;F;ja;HT 7;;Post secondary\nP2;2018,0;M;0;;9-vt;\nP3;2018;pojke;Nej;;;compulsory\n"
        "P4;2018;K;;;;\n"
    )
    grades = "student_id;term;subject;grade\nP1;ht7;Svenska;e\nP1;7 VT;svenska ;9\nP2;VT6;SV;–\nP3;6vt;matematik;Z\n"
    absence = "student_id;term;valid;invalid\nP1;7HT;12,5;3 %\nP2;6VT;;0.25\n"
    support = "student_id;kind;level;start;end\nP1;coach;Indicated;20170901;2018-01-31 00:00:00\n"
    files = {"students.csv": students, "grades.csv": grades, "absence.csv": absence, "support.csv": support}
    records = read_records(folder(tmp_path, files))
    assert records.students["sex"].tolist() == ["girl", "boy", "boy", "girl"]
    assert records.students["newly_arrived"].to_list() == [True, False, False, pd.NA]
    assert records.students["moved_in"].dropna().tolist() == ["7HT"]
    assert records.students["moved_out"].dropna().tolist() == ["9VT"]
    assert records.students["parents_education"].dropna().tolist() == ["post_secondary", "compulsory"]
    assert triples(records) == [
        ("P1", "7HT", "SV", "E"),
        ("P1", "7VT", "SV", "-"),
        ("P2", "6VT", "SV", "-"),
        ("P3", "6VT", "MA", "not_taught"),
    ]
    assert records.absence["valid"].fillna(-1).tolist() == [12.5, -1]
    assert records.absence["invalid"].tolist() == [3, 0.25]
    assert records.support.loc[0, ["start", "end"]].tolist() == ["2017-09-01", "2018-01-31"]
    assumed = "\n".join(text for file in check_records(tmp_path).files for text in file.assumed)
    for told in (
        "column 'COHORT' is cohort",
        "column student_id: spaces around cells do not count",
        "'K' is girl",
        "'ht7' is 7HT",
        "'Svenska' is SV",
        "'e' is E",
        "'9' is -",
        "column valid: decimal comma",
        "column start: dates not written as yyyy-mm-dd",
    ):
        assert told in assumed


def test_nothing_is_assumed_of_canonical_words(sample: StudentRecords, tmp_path: Path) -> None:
    write_records(sample, tmp_path / "out")
    for file in check_records(tmp_path / "out").files:
        assert file.assumed == ("encoding UTF-8", "delimiter comma")


def test_a_code_means_what_the_cohorts_own_scale_says(tmp_path: Path) -> None:
    files = {
        "students.csv": "student_id,cohort\nOLD,2012\nNOW,2018\nNEW,2033\n",
        "grades.csv": "student_id,term,SV,MA\nOLD,6VT,mvg,IG\nNOW,6VT,9,2\nNEW,6VT,9,2.0\n",
    }
    assert triples(read_records(folder(tmp_path, files))) == [
        ("NEW", "6VT", "MA", "2"),
        ("NEW", "6VT", "SV", "9"),
        ("NOW", "6VT", "MA", "not_graded"),
        ("NOW", "6VT", "SV", "-"),
        ("OLD", "6VT", "MA", "IG"),
        ("OLD", "6VT", "SV", "MVG"),
    ]


def test_empty_lines_count_for_row_numbers_but_are_no_records(tmp_path: Path) -> None:
    grades = "\nstudent_id,term,subject,grade\n\nP1,6VT,SV,C\n,,,\nP1,6VT,MA,Q\n\n"
    report = check_records(folder(tmp_path, {"students.csv": STUDENTS, "grades.csv": grades}))
    file = report.files[1]
    assert (file.rows, file.read, file.rejected) == (2, 1, ((6, "grade: unknown grade 'Q'"),))
    assert "3 empty rows were left out" in file.assumed


def test_excel_tells_its_delimiter_and_quotes_hold_line_ends(tmp_path: Path) -> None:
    grades = 'sep=;\n"student_id";term;subject;grade;"note"\nP1;6VT;SV;C;"a;b\nc ""d"""\nP1;6VT;MA;Q;\n'
    report = check_records(folder(tmp_path, {"students.csv": STUDENTS, "grades.csv": grades}))
    # A spreadsheet shows the record with the line end as one row.
    assert report.files[1].rejected == ((4, "grade: unknown grade 'Q'"),)
    assert "the column 'note' is not known and was left out" in report.text()


# ------------------------------------------------------------------ Excel


def workbook(path: Path, sheets: Mapping[str, list[list[Any]]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)


SHEETS: dict[str, list[list[Any]]] = {
    "students": [["student_id", "cohort", "newly_arrived"], [101, 2018, True], [102, 2018.0, False]],
    "grades": [["student_id", "term", "Svenska", "MA"], [101, "6VT", "C", None], [102, "6VT", " e", "F"]],
    "absence": [["student_id", "term", "valid", "invalid"], [101, "6VT", 12.5, None], [102, "6VT", "3,5", 0]],
    "support": [
        ["student_id", "kind", "level", "start"],
        [101, "coach", "indicated", pd.Timestamp("2017-09-01").to_pydatetime()],
    ],
}


@pytest.mark.parametrize("form", ["one file each", "a workbook in the folder", "the workbook itself"])
def test_excel(tmp_path: Path, form: str) -> None:
    path = tmp_path
    if form == "one file each":
        for name, rows in SHEETS.items():
            workbook(tmp_path / f"{name}.xlsx", {"Blad1": rows})
    else:
        workbook(tmp_path / "records.xlsx", {"Läs mig": [["hej"]], **{k.title(): v for k, v in SHEETS.items()}})
        path = tmp_path / "records.xlsx" if form == "the workbook itself" else tmp_path
    records = read_records(path)
    assert records.students["student_id"].tolist() == ["101", "102"]
    assert records.students["newly_arrived"].tolist() == [True, False]
    assert triples(records) == [("101", "6VT", "SV", "C"), ("102", "6VT", "MA", "F"), ("102", "6VT", "SV", "E")]
    assert records.absence["valid"].tolist() == [12.5, 3.5]
    assert records.support["start"].tolist() == ["2017-09-01"]


def test_cells_that_excel_shows_as_per_cent_are_read_as_they_are_shown(tmp_path: Path) -> None:
    folder(tmp_path, {"students.csv": STUDENTS, "grades.csv": LONG})
    student = STUDENTS.splitlines()[1].split(",")[0]
    rows = [["student_id", "term", "valid", "invalid"], [student, "7HT", 0.125, 1.5], [student, "7VT", 0.07, 0.5]]
    for name, content in (("absence.xlsx", xlsx), ("absence.xls", xls)):
        (tmp_path / name).write_bytes(content(rows, percent={(1, 2), (2, 2)}))
        records = read_records(tmp_path)
        assert records.absence["valid"].tolist() == [12.5, 7.0]
        assert records.absence["invalid"].tolist() == [1.5, 0.5]
        assert any("2 cells that Excel shows as per cent" in t for t in check_records(tmp_path).files[2].assumed)
        (tmp_path / name).unlink()


def test_row_numbers_of_a_sheet_are_those_that_excel_shows(tmp_path: Path) -> None:
    rows = [[], [], ["student_id", "term", "subject", "grade"], ["1", "6VT", "SV", "A"], [], ["1", "6VT", "MA", "X"]]
    workbook(tmp_path / "grades.xlsx", {"Blad1": rows})
    folder(tmp_path, {"students.csv": "student_id,cohort\n1,2018\n"})
    assert check_records(tmp_path).files[1].rejected == ((6, "grade: unknown grade 'X'"),)


# ------------------------------------------------------------------ Parquet


def test_parquet_of_any_type_is_understood(tmp_path: Path) -> None:
    pl.DataFrame({"student_id": [1, 2], "cohort": [2018, 2018], "sex": ["F", "P"]}).write_parquet(
        tmp_path / "students.parquet"
    )
    grades = pd.DataFrame(
        {"student_id": [1.0, 2.0, None], "term": pd.Categorical(["ht6", "6HT", None]), "SV": ["a", None, None]}
    )
    grades.to_parquet(tmp_path / "grades.parquet")
    absence = {"student_id": [1], "term": ["6HT"], "valid": [12], "invalid": [float("nan")]}
    pq.write_table(pa.table(absence), tmp_path / "absence.parquet")
    records = read_records(tmp_path)
    assert triples(records) == [("1", "6HT", "SV", "A")]
    assert records.students["sex"].tolist() == ["girl", "boy"]
    assert records.absence["valid"].tolist() == [12.0]
    assert records.absence["invalid"].isna().all()
    assert triples(open_records(tmp_path)) == triples(records)


# ------------------------------------------------------------------ there and back

_IDS = st.lists(
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=8)
    .filter(lambda word: word.strip()[:1] not in set("=+-@＝＋－＠"))
    .map(lambda text: unicodedata.normalize("NFC", text).strip())
    .filter(lambda text: text and not text.startswith("\ufeff")),
    min_size=1,
    max_size=6,
    unique=True,
)
_TERMS = st.sampled_from(["6HT", "6VT", "7HT"])


@st.composite
def some_records(draw: st.DrawFn) -> StudentRecords:
    """Records with every kind of column, optional ones missing at times."""
    ids = draw(_IDS)
    n = len(ids)

    def column(values: st.SearchStrategy[Any], dtype: str) -> pd.Series:
        return pd.Series(draw(st.lists(values, min_size=n, max_size=n)), dtype=dtype)

    students = pd.DataFrame({"student_id": pd.Series(ids, dtype="str"), "cohort": 2018})
    if draw(st.booleans()):
        students["sex"] = column(st.sampled_from(["girl", "boy", None]), "str")
        students["birth_year"] = column(st.sampled_from([2001, 2002, None]), "Int64")
        students["newly_arrived"] = column(st.sampled_from([True, False, None]), "boolean")
        students["moved_in"] = column(st.sampled_from(["7HT", None]), "str")
    keys = st.tuples(st.sampled_from(ids), _TERMS, st.sampled_from(["SV", "MA", "M2"]))
    graded = draw(st.dictionaries(keys, st.sampled_from([*"ABCDEF", "-", "adapted"]), min_size=1))
    graded |= {(ids[0], "6VT", "EN"): "E"}
    grades = pd.DataFrame(
        [(*key, grade) for key, grade in graded.items()],
        columns=["student_id", "term", "subject", "grade"],
        dtype="str",
    )
    absent = draw(
        st.dictionaries(
            st.tuples(st.sampled_from(ids), _TERMS),
            st.tuples(st.floats(0, 100), st.one_of(st.none(), st.floats(0, 100))),
            min_size=1,
        )
    )
    absence = pd.DataFrame(
        [(*key, *value) for key, value in absent.items()], columns=["student_id", "term", "valid", "invalid"]
    ).astype({"student_id": "str", "term": "str", "valid": "float64", "invalid": "float64"})
    support = pd.DataFrame(
        {"student_id": ids[:1], "kind": ['a "kind", or two'], "level": ["selective"], "start": ["2017-09-01"]},
        dtype="str",
    )
    declaration = Declaration(
        name=draw(st.text(max_size=20).filter(lambda name: not has_control(name))), synthetic=draw(st.booleans())
    )
    return StudentRecords(
        students,
        grades,
        absence=draw(st.sampled_from([absence, None])),
        support=draw(st.sampled_from([support, None])),
        declaration=declaration,
    )


@settings(max_examples=examples(25))
@given(
    records=some_records(), form=st.sampled_from([("csv", False), ("csv", True), ("parquet", False), ("parquet", True)])
)
def test_what_is_written_is_read_back_equal(records: StudentRecords, form: tuple[Any, bool]) -> None:
    with tempfile.TemporaryDirectory() as where:
        write_records(records, Path(where) / "records", *form)
        back = read_records(Path(where) / "records")
        assert sorted(os.listdir(where)) == ["records"]
    assert back.declaration == records.declaration
    assert back.tables().keys() == records.tables().keys()
    for name, table in records.tables().items():
        key = ["student_id", "term", "subject"] if name == "grades" else ["student_id"]
        given_, got = (t.sort_values(key, ignore_index=True) if form[1] else t for t in (table, back.tables()[name]))
        pd.testing.assert_frame_equal(given_, got)


def test_the_sample_comes_back_from_every_engine(sample: StudentRecords, tmp_path: Path) -> None:
    tables = {name: pl.from_pandas(table) for name, table in sample.tables().items()}
    write_records(StudentRecords(**tables, declaration=sample.declaration), tmp_path / "polars", "parquet")
    scanned = scan_records(tmp_path / "polars")
    write_records(scanned, tmp_path / "again", "csv")
    back = read_records(tmp_path / "again")
    assert back.declaration == sample.declaration == scanned.declaration
    for name, table in sample.tables().items():
        key = list(table.columns[:3])
        first, second = (t.sort_values(key, ignore_index=True) for t in (table, back.tables()[name]))
        pd.testing.assert_frame_equal(first, second)


def test_a_declaration_of_ones_own_comes_back() -> None:
    declared = parse_declaration(
        {
            "records": {"name": 'Escola "X" \\ ü \t', "synthetic": True},
            "terms": {"order": ["G1", "G2"], "stages": ["G1", "G2"]},
            "grading": {"rule": "course", "scale": "0-2"},
            "scale": [
                {"name": "0-2", "points": {"0": 0, "1": 1, "2": 2.5}, "passing": ["1", "2"], "aliases": {"x": "0"}}
            ],
            "rule": [
                {"name": "course", "first_cohort": 2000, "way": [{"required": [["POR", "A B"]], "passes": 1}]},
                {"name": "course", "last_cohort": 1999, "mean_at_least": 1.5},
            ],
            "subject": {"POR": {"sv": "Portugisiska", "comparable": False}, "A B": {"block": ["POR"]}},
            "subjects": {"language": "POR", "alternates": [["POR", "A B"]]},
        }
    )
    assert parse_declaration(tomllib.loads(declaration_toml(declared))) == declared


def test_other_terms_are_read_in_any_writing(tmp_path: Path) -> None:
    files = {
        "records.toml": '[terms]\norder = ["G1", "G2"]\n',
        "students.csv": "student_id,cohort\n1,2018\n",
        "grades.csv": "student_id,term,MA\n1,g1,A\n1,2 G,B\n",
    }
    assert read_records(folder(tmp_path, files)).grades["term"].tolist() == ["G1", "G2"]


# ------------------------------------------------------------------ writing is all or nothing


def test_writing_replaces_records_but_nothing_else(sample: StudentRecords, tmp_path: Path) -> None:
    small = sample.cohort(2018)
    target = tmp_path / "records"
    write_records(small, target, "parquet")
    write_records(small, target)
    assert not list(target.glob("*.parquet"))
    (target / "diary.txt").write_text("mine")
    before = sorted(os.listdir(target))
    with pytest.raises(DataError, match="has 1 other files"):
        write_records(small, target)
    assert sorted(os.listdir(target)) == before
    assert os.listdir(tmp_path) == ["records"]


def test_what_cannot_be_written_leaves_the_old_records(tmp_path: Path) -> None:
    target = tmp_path / "records"
    target.mkdir()
    folder(target, {"students.csv": STUDENTS, "grades.csv": LONG})
    twice = pd.DataFrame({"student_id": ["P1"] * 2, "term": ["6VT"] * 2, "subject": ["SV"] * 2, "grade": ["A", "B"]})
    students = pd.DataFrame({"student_id": ["P1"], "cohort": [2018]})
    with pytest.raises(DataError, match="more than once, which a wide table cannot show"):
        write_records(StudentRecords(students, twice), target, wide=True)
    with pytest.raises(DataError, match="students lacks the column cohort"):
        write_records(StudentRecords(students[["student_id"]], twice), target)
    with pytest.raises(DataError, match="no format 'xls'"):
        write_records(StudentRecords(students, twice), target, "xls")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="is a file"):
        write_records(StudentRecords(students, twice), target / "grades.csv")
    with pytest.raises(DataError, match="cannot be written"):
        write_records(StudentRecords(students, twice), target / "grades.csv" / "below")
    assert len(read_records(target).grades) == 5
    assert os.listdir(tmp_path) == ["records"]


# ------------------------------------------------------------------ scanning


def test_scanned_records_give_the_same_numbers(karlskoga: StudentRecords, tmp_path: Path) -> None:
    before = set(os.listdir(spill_folder()))  # links of this process to folders whose names are patterns
    write_records(karlskoga, tmp_path / "p", "parquet")
    scanned = scan_records(tmp_path / "p", memory_limit="500MB")
    assert scanned.cohorts() == [2018]
    key = ["student_id", "term"]
    first = collect(karlskoga.term_results()).sort_values(key, ignore_index=True)
    second = collect(scanned.cohort(2018).term_results()).sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(first, second, check_dtype=False)
    assert set(os.listdir(spill_folder())) == before


def test_a_folder_is_checked_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbanalytics.readers import scan

    path = tmp_path / "p"
    write_records(read_records(folder(tmp_path, {"students.csv": STUDENTS, "grades.csv": LONG})), path, "parquet")
    receipt = json.loads((path / ".checked.json").read_text())
    assert set(receipt["files"]) == {"students.parquet", "grades.parquet", "records.toml"}
    checks: list[Any] = []
    original = scan.check_scanned
    monkeypatch.setattr(scan, "check_scanned", lambda *args: checks.append(args) or original(*args))
    scan_records(path)
    assert not checks
    grades = pd.read_parquet(path / "grades.parquet")
    grades.assign(grade="MVG").to_parquet(path / "grades.parquet", index=False)
    with pytest.raises(DataError, match=r"grade 'MVG' is not of scale A-F \(5 rows: 2, 3, 4, 5, 6\)"):
        scan_records(path)
    grades.to_parquet(path / "grades.parquet", index=False)
    scan_records(path)
    scan_records(path)
    assert len(checks) == 2
    (path / ".checked.json").write_text("[" * 200_000)
    scan_records(path)
    assert len(checks) == 3
    (path / ".checked.json").write_text("{")
    assert not check_records(path).faults
    assert scan_records(path, check=False).grades.shape == (5, 4)


def test_a_receipt_holds_for_other_processes(tmp_path: Path) -> None:
    write_records(
        read_records(folder(tmp_path, {"students.csv": STUDENTS, "grades.csv": LONG})), tmp_path / "p", "parquet"
    )
    code = (
        "import sys\nfrom nbanalytics.readers.folder import open_folder\n"
        "from nbanalytics.readers.scan import receipt_is_fresh\nprint(receipt_is_fresh(open_folder(sys.argv[1])))"
    )
    for seed in "12":
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "p")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout == "True\n"


def test_what_cannot_be_scanned_says_how_to_mend_it(tmp_path: Path) -> None:
    write_records(
        read_records(folder(tmp_path, {"students.csv": STUDENTS, "grades.csv": LONG})), tmp_path / "p", "parquet"
    )
    students = pd.read_parquet(tmp_path / "p" / "students.parquet")
    students.astype({"cohort": "str"}).to_parquet(tmp_path / "p" / "students.parquet", index=False)
    with pytest.raises(DataError, match=r"column cohort: its type is .*string. Rewrite the folder"):
        scan_records(tmp_path / "p")
    students.assign(student_id=students["student_id"] + " ").to_parquet(
        tmp_path / "p" / "students.parquet", index=False
    )
    with pytest.raises(DataError, match=r"student_id: not written in the canonical way \(2 rows: 2, 3\)"):
        scan_records(tmp_path / "p")
    # What only looks otherwise is read, and then nothing is wrong with it.
    assert check_records(tmp_path / "p").exit_code == 0
    assert len(open_records(tmp_path / "p").grades) == 5
    with pytest.raises(DataError, match="only Parquet files can be scanned"):
        scan_records(tmp_path)
    with pytest.raises(DataError, match="is not a size"):
        scan_records(tmp_path / "p", memory_limit="lots", check=False)


@settings(max_examples=examples(20))
@given(data=st.data())
def test_scanning_and_reading_find_the_same_faults(data: st.DataObject) -> None:
    cell = st.sampled_from
    students = data.draw(
        st.lists(st.tuples(cell(["a", "b", "c"]), cell([2010, 2018, 3000, None])), min_size=1, max_size=6)
    )
    row = st.tuples(
        cell(["a", "b", "zz", None]), cell(["6VT", "9VT", "5VT"]), cell(["SV", "SVA", "XX"]), cell(["E", "VG", None])
    )
    grades = data.draw(st.lists(row, min_size=1, max_size=12))
    with tempfile.TemporaryDirectory() as where:
        one = pd.DataFrame(students, columns=["student_id", "cohort"]).astype({"student_id": "str", "cohort": "Int64"})
        one.to_parquet(Path(where) / "students.parquet")
        two = pd.DataFrame(grades, columns=["student_id", "term", "subject", "grade"], dtype="str")
        two.to_parquet(Path(where) / "grades.parquet")
        from nbanalytics.readers.read import check_folder
        from nbanalytics.readers.scan import check_scanned

        # Rejected students take their grades along, which only reading works out.
        eager, lazy = (
            {
                (f.sentence(), f.weight)
                for f in check(where).findings
                if "row in students is faulty" not in f.what and "no row of the table" not in f.what
            }
            for check in (check_folder, check_scanned)
        )
        assert eager == lazy


def test_a_grade_of_a_student_who_stands_twice_is_one_fault(tmp_path: Path) -> None:
    """Both cohorts of the same student are listed, and the row of the grade is counted once for each scale."""
    (tmp_path / "students.csv").write_text("student_id,cohort\na,2010\na,2010\na,2018\n", encoding="utf-8")
    (tmp_path / "grades.csv").write_text("student_id,term,subject,grade\na,6VT,SV,E\n", encoding="utf-8")
    told = [finding.sentence() for finding in check_records(tmp_path).findings if finding.column == "grade"]
    assert len(told) == 1
    assert "(1 row: 2)" in told[0]


def test_the_declarations_of_the_docs_are_valid() -> None:
    page = (Path(__file__).parents[1] / "docs" / "records.md").read_text(encoding="utf-8")
    general, own = (tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
    assert parse_declaration(general).name == "Bergstad"
    assert parse_declaration(own).catalogue.scales[0].knows("x")
