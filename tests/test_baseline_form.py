"""The form of the baseline analysis: the template, what schools write in it, and what is read."""

from __future__ import annotations

import io
import re
import stat
import tempfile
import unicodedata
import zipfile
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import openpyxl
import pandas as pd
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings

from nbanalytics.errors import DataError, NbanalyticsError
from nbanalytics.municipal.baseline_form import matches, read_baseline_form, write_form, write_template
from nbanalytics.municipal.baseline_write import COLUMNS, FIELDS
from nbanalytics.municipal.recognise import FileRead

NAME, NUMBER = "Alva Planterad", "20050612-2384"
PUPIL: dict[str, Any] = {
    "school": "Ekskolan",
    "enrolment_date": date(2020, 8, 18),
    "list_number": 1,
    "sex": "Flicka",
    "year": 7,
    "newly_arrived": "Nej",
    "SV": "C",
    "MA": "F",
    "EN": "-",
    "passes": 9,
    "absence": 12.5,
}


def filled(path: Path, *pupils: dict[str, Any], formats: dict[str, str] | None = None, start: int = 1) -> Path:
    """Write a form with pupils, as a school would, its headings in row ``start``."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for number, field in enumerate(FIELDS, start=1):
        sheet.cell(start, number, field.heading)
    for place, pupil in enumerate(pupils, start=start + 1):
        for number, field in enumerate(FIELDS, start=1):
            if field.name in pupil:
                cell = sheet.cell(place, number, pupil[field.name])
                if formats and field.name in formats:
                    cell.number_format = formats[field.name]
    book.save(path)
    return path


def one(found: FileRead) -> dict[str, Any]:
    """Return the only pupil."""
    (row,) = found.tables["baseline"].to_dict("records")
    return dict(row)


def test_the_template_is_what_a_school_needs(tmp_path: Path) -> None:
    write_template(tmp_path / "form.xlsx", school="Ekskolan", rows=12)
    book = openpyxl.load_workbook(tmp_path / "form.xlsx")
    assert book.sheetnames == ["Formulär", "Instruktion"]
    sheet = book["Formulär"]
    assert sheet.freeze_panes == "A2"
    lists = {str(rule.sqref): rule.formula1 for rule in sheet.data_validations.dataValidation}
    assert lists["D2:D13"] == '"Flicka,Pojke,x"'
    assert lists["G2:G13"] == '"A,B,C,D,E,F,-,x"'
    assert lists["E2:E13"].startswith('"1,2,3')
    assert len(lists) == 8
    assert [sheet.cell(13, 1).value, sheet.cell(13, 3).value, sheet.max_row] == ["Ekskolan", "12", 13]
    assert "x" in "".join(str(cell.value) for cell in book["Instruktion"]["A"])


def test_an_empty_template_has_no_rows(tmp_path: Path) -> None:
    write_template(tmp_path / "form.xlsx", school="Ekskolan", rows=12)
    found = read_baseline_form(tmp_path / "form.xlsx")
    assert (found.report.rows, found.report.read) == (0, 0)
    assert "12 rows" in found.report.assumed[0]
    assert list(found.tables["baseline"].columns) == list(COLUMNS)


def test_a_form_is_read(tmp_path: Path) -> None:
    found = read_baseline_form(filled(tmp_path / "form.xlsx", PUPIL))
    row = one(found)
    assert row | {"SVA": None, "reaches_criteria": None} == {
        "school": "Ekskolan",
        "enrolment_date": "2020-08-18",
        "list_number": "1",
        "sex": "girl",
        "year": 7,
        "newly_arrived": False,
        "SV": "C",
        "SVA": None,
        "MA": "F",
        "EN": "-",
        "passes": 9,
        "reaches_criteria": None,
        "absence": 12.5,
        "declared_missing": "",
    }
    assert found.report.format == "baseline-form"
    assert not found.report.findings


def test_x_is_declared_missing_and_an_empty_cell_is_not(tmp_path: Path) -> None:
    found = read_baseline_form(filled(tmp_path / "form.xlsx", PUPIL | {"MA": "x", "absence": " X ", "SV": None}))
    row = one(found)
    assert row["declared_missing"] == "MA absence"
    assert pd.isna(row["MA"])
    assert pd.isna(row["SV"])
    assert "MA: declared missing (x) for 1 of 1 pupils" in found.report.missing


@pytest.mark.parametrize(
    ("column", "written", "read"),
    [
        ("enrolment_date", "2020-08-18 ", "2020-08-18"),
        ("enrolment_date", datetime(2020, 8, 18), "2020-08-18"),
        ("enrolment_date", "20200818", "2020-08-18"),
        ("sex", "pojke ", "boy"),
        ("sex", "Tjej", "girl"),
        ("year", "Åk 7", 7),
        ("year", 7.0, 7),
        ("newly_arrived", True, True),
        ("newly_arrived", "JA", True),
        ("MA", "e", "E"),
        ("MA", "–", "-"),
        ("absence", "12,5 %", 12.5),
        ("absence", 0, 0.0),
        ("list_number", "A12", "A12"),
        ("school", " Ekskolan  ", "Ekskolan"),
    ],
)
def test_people_write_the_same_thing_in_many_ways(tmp_path: Path, column: str, written: Any, read: Any) -> None:
    assert one(read_baseline_form(filled(tmp_path / "form.xlsx", PUPIL | {column: written})))[column] == read


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ("enrolment_date", "18/8 2020"),
        ("enrolment_date", "1890-01-01"),
        ("enrolment_date", 20.5),
        ("sex", NAME),
        ("year", 10),
        ("year", "C"),
        ("newly_arrived", NUMBER),
        ("MA", "G"),
        ("MA", date(2020, 1, 1)),
        ("passes", 8.5),
        ("passes", -1),
        ("reaches_criteria", "kanske"),
        ("absence", 101),
        ("absence", NUMBER),
        ("absence", "nan"),
        ("list_number", NAME),
        ("list_number", NUMBER),
        ("list_number", None),
        ("list_number", "x"),
        ("school", NUMBER),
        ("school", "x" * 101),
        ("MA", "#N/A"),
    ],
)
def test_wrong_values_are_rejected_with_row_and_reason(tmp_path: Path, column: str, written: Any) -> None:
    path = filled(tmp_path / "form.xlsx", PUPIL | {"list_number": 7}, PUPIL | {column: written}, start=3)
    report = read_baseline_form(path).report
    assert (report.rows, report.read) == (2, 1)
    ((row, reason),) = report.rejected
    assert row == 5
    assert reason.startswith(f"{column}: ")
    assert not {"Alva", "Planterad", "2384", "20050612"} & set(re.findall(r"\w+", str(report)))


def test_the_same_pupil_twice(tmp_path: Path) -> None:
    pupils = [PUPIL, PUPIL | {"MA": "A"}, PUPIL | {"list_number": 2}, PUPIL | {"list_number": 2}]
    report = read_baseline_form(filled(tmp_path / "form.xlsx", *pupils)).report
    assert [row for row, _ in report.rejected] == [2, 3, 5]
    assert report.rows == 4


def test_comments_are_not_kept(tmp_path: Path) -> None:
    found = read_baseline_form(filled(tmp_path / "form.xlsx", PUPIL | {"comment": f"{NAME} {NUMBER}"}))
    assert "comment" not in found.tables["baseline"].columns
    assert "1 comments are not kept" in found.report.assumed[0]
    assert "Alva" not in str(found.report) + found.tables["baseline"].to_csv()


def test_the_per_cent_format_of_excel(tmp_path: Path) -> None:
    path = filled(tmp_path / "form.xlsx", PUPIL | {"absence": 0.125}, formats={"absence": "0.0%"})
    found = read_baseline_form(path)
    assert one(found)["absence"] == 12.5
    assert any("per cent format" in text for text in found.report.assumed)


def test_absences_that_seem_to_be_shares_are_told(tmp_path: Path) -> None:
    report = read_baseline_form(filled(tmp_path / "form.xlsx", PUPIL | {"absence": 0.125})).report
    assert any("shares" in text for text in report.missing)


def test_grades_where_the_form_asks_for_none_are_remarked(tmp_path: Path) -> None:
    pupils = [PUPIL | {"year": 4}, PUPIL | {"list_number": 2, "reaches_criteria": "Ja", "SVA": "E"}]
    report = read_baseline_form(filled(tmp_path / "form.xlsx", *pupils)).report
    assert report.read == 2
    assert {finding.column for finding in report.findings} == {"year", "reaches_criteria", "SVA"}


def with_formula(path: Path, value: str) -> Path:
    """Put a formula in the cell of absence; openpyxl computes none, so its stored value is put in by hand."""
    filled(path, PUPIL | {"absence": "=10+2.5"})
    changed = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for part in old.namelist():
            content = old.read(part).decode()
            new.writestr(
                part, re.sub(r"(<f>10\+2\.5</f>)<v ?/>|(<f>10\+2\.5</f>)<v></v>", rf"<f>10+2.5</f>{value}", content)
            )
    path.write_bytes(changed.getvalue())
    return path


def test_formulas_give_their_value_and_are_told(tmp_path: Path) -> None:
    found = read_baseline_form(with_formula(tmp_path / "form.xlsx", "<v>12.5</v>"))
    assert one(found)["absence"] == 12.5
    assert any("formulas" in text for text in found.report.assumed)
    report = read_baseline_form(with_formula(tmp_path / "form.xlsx", "")).report
    assert report.rejected[0][0] == 2
    assert "formula" in report.rejected[0][1]


def test_a_column_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = filled(tmp_path / "form.xlsx", PUPIL)
    book = openpyxl.load_workbook(path)
    book.worksheets[0].delete_cols(len(FIELDS) - 1)
    book.save(path)
    assert "no column absence: it has no baseline value" in read_baseline_form(path).report.missing


LETTER = st.characters(codec="utf-8", categories=["L", "N", "P", "S"], include_characters=" ")
TEXT = st.text(LETTER, min_size=1, max_size=40).map(partial(unicodedata.normalize, "NFC"))
GRADE = st.sampled_from(["A", "B", "C", "D", "E", "F", "-"])


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a baseline table that a form can hold."""
    rows = []
    for number in range(draw(st.integers(0, 6))):
        values = {
            "school": TEXT.map(str.strip).filter(
                # Excel reads words such as #N/A as errors; the form refuses to write them.
                lambda text: text not in ("", "x", "X") and not text.startswith("#") and not re.search(r"\d{6}", text)
            ),
            "enrolment_date": st.dates(date(1990, 1, 1), date(2100, 12, 31)).map(date.isoformat),
            "sex": st.sampled_from(["girl", "boy"]),
            "year": st.integers(1, 9),
            "newly_arrived": st.booleans(),
            **dict.fromkeys(("SV", "SVA", "MA", "EN"), GRADE),
            "passes": st.integers(0, 25),
            "reaches_criteria": st.booleans(),
            "absence": st.floats(0, 100),
        }
        row: dict[str, Any] = {"list_number": str(number + 1)}
        declared = []
        for name, strategy in values.items():
            state = draw(st.sampled_from(["given", "given", "x", "empty"]))
            row[name] = draw(strategy) if state == "given" else None
            declared += [name] if state == "x" else []
        if not declared and all(row[name] is None for name in values if name != "school"):
            row["year"] = 6
        if set(declared) <= {"school"} and all(row[name] is None for name in values if name != "school"):
            row["year"] = 6
        row["declared_missing"] = " ".join(name for name in COLUMNS if name in declared)
        rows.append(row)
    types = {"year": "Int64", "passes": "Int64", "newly_arrived": "boolean", "reaches_criteria": "boolean"}
    return pd.DataFrame(
        {
            name: pd.Series(
                [row[name] for row in rows], dtype="float64" if name == "absence" else types.get(name, "string")
            )
            for name in COLUMNS
        }
    )


@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.too_slow])
@given(table=tables())
def test_a_filled_in_form_reads_back_equal(table: pd.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "form.xlsx"
        write_form(table, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found = read_baseline_form(path)
    assert found.report.n_rejected == 0
    assert found.report.rows == len(table)
    pd.testing.assert_frame_equal(found.tables["baseline"], table)


@pytest.mark.parametrize(
    "change",
    [
        {"school": "x"},
        {"school": "a" * 101},
        {"school": "a\x00b"},
        {"sex": "other"},
        {"year": 12},
        {"MA": "G"},
        {"absence": 140.0},
        {"enrolment_date": "soon"},
        {"list_number": NAME},
        {"list_number": None},
        {"declared_missing": "year"},
        {"passes": 99},
    ],
)
def test_what_would_not_read_back_is_not_written(tmp_path: Path, change: dict[str, Any]) -> None:
    table = read_baseline_form(filled(tmp_path / "old.xlsx", PUPIL)).tables["baseline"]
    with pytest.raises(DataError) as raised:
        write_form(table.assign(**change), tmp_path / "form.xlsx")
    assert "Alva" not in str(raised.value)
    assert not (tmp_path / "form.xlsx").exists()


def test_what_cannot_be_a_template(tmp_path: Path) -> None:
    for options in ({"rows": 0}, {"rows": 20_001}, {"school": "x"}, {"school": ""}, {"school": "a\nb"}):
        with pytest.raises(DataError):
            write_template(tmp_path / "form.xlsx", **options)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="cannot be written"):
        write_template(tmp_path / "none" / "form.xlsx")
    assert not list(tmp_path.iterdir())


def test_a_form_is_recognised_by_its_content(tmp_path: Path) -> None:
    write_template(tmp_path / "form.dat")
    assert matches(tmp_path / "form.dat", (tmp_path / "form.dat").read_bytes()[:65536])
    book = openpyxl.Workbook()
    book.save(tmp_path / "other.xlsx")
    assert not matches(tmp_path / "other.xlsx", (tmp_path / "other.xlsx").read_bytes())
    with pytest.raises(DataError, match="headings"):
        read_baseline_form(tmp_path / "other.xlsx")


def test_a_workbook_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts,
        parts.open("xl/worksheets/sheet1.xml", "w") as stream,
    ):
        for _ in range(110):
            stream.write(bytes(1_000_000))
    with pytest.raises(DataError, match="not an Excel workbook"):
        read_baseline_form(path)


def test_a_stray_cell_far_away_is_refused_in_words(tmp_path: Path) -> None:
    path = filled(tmp_path / "form.xlsx", PUPIL)
    book = openpyxl.load_workbook(path)
    book.worksheets[0].cell(1_048_576, 5, "C")
    book.worksheets[0].cell(3, 16_384, "C")
    book.save(path)
    with pytest.raises(DataError, match=r"Remove everything but the table|Clear what is outside the table"):
        read_baseline_form(path)


def tried(path: Path) -> None:
    """Read a file that may be anything: an error of the house, or a report in which every row is counted."""
    try:
        report = read_baseline_form(path).report
    except NbanalyticsError as error:
        said = str(error)
    else:
        assert report.rows == report.read + len(report.rejected)
        said = str(report.as_dict()) + str(report)
    assert "Planterad" not in said
    assert "20050612" not in said
    matches(path, path.read_bytes()[:65536])


@settings(max_examples=examples(30))
@given(
    content=st.binary(max_size=300),
    cut=st.floats(0, 1),
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255))),
)
def test_any_bytes_give_an_error_or_a_report(content: bytes, cut: float, places: list[tuple[float, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "form.xlsx"
        whole = filled(path, PUPIL | {"comment": NAME, "sex": NUMBER}).read_bytes()
        damaged = bytearray(whole)
        for place, byte in places:
            damaged[int(place * (len(whole) - 1))] = byte
        for attempt in (content, whole[: int(cut * len(whole))], bytes(damaged)):
            path.write_bytes(attempt)
            tried(path)


SHEET = re.compile(r"xl/worksheets/sheet1\.xml|xl/workbook\.xml")


@settings(max_examples=examples(20))
@given(places=st.lists(st.tuples(st.floats(0, 1), st.sampled_from('<>/"\x00&é1')), min_size=1, max_size=4))
def test_damaged_sheets_give_an_error_or_a_report(places: list[tuple[float, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "form.xlsx"
        filled(path, PUPIL | {"comment": NAME, "sex": NUMBER})
        changed = io.BytesIO()
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
            for part in old.namelist():
                text = list(old.read(part).decode())
                for place, letter in places if SHEET.fullmatch(part) else []:
                    text[int(place * (len(text) - 1))] = letter
                new.writestr(part, "".join(text))
        path.write_bytes(changed.getvalue())
        tried(path)


CELL = st.none() | st.booleans() | st.integers(-10, 10**12) | st.floats(allow_nan=False, allow_infinity=False) | TEXT


@settings(max_examples=examples(40))
@given(cells=st.lists(st.dictionaries(st.sampled_from([field.name for field in FIELDS]), CELL), max_size=4))
def test_any_cells_give_a_report(cells: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tried(filled(Path(folder) / "form.xlsx", *cells))


def test_the_command_writes_a_form_and_never_over_one(tmp_path: Path, run: Any) -> None:
    path = tmp_path / "ekskolan.xlsx"
    status, _, told = run("template", path, "--school", "Ekskolan", "--rows", 3)
    assert status == 0
    assert "3 rows" in told
    assert openpyxl.load_workbook(path).sheetnames == ["Formulär", "Instruktion"]
    filled = path.read_bytes()
    status, _, told = run("template", path)
    assert status == 1
    assert "ekskolan.xlsx exists" in told
    assert path.read_bytes() == filled
