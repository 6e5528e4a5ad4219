"""Each format: known values are written as others write them, read back, and every value and status compared."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pandas as pd
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from municipal_files import (
    FIRST_NAMES,
    KEY,
    absence_rows,
    as_text,
    identity_number,
    identity_numbers,
    layout_of,
    pupil,
    ss12000_entities,
    statistics_rows,
)
from test_kolada import Server, client, kpi, page, server  # noqa: F401
from workbooks import xls, xlsx

from nbanalytics.municipal.absence_list import read_absence_list
from nbanalytics.municipal.recognise import read_files
from nbanalytics.municipal.ss12000 import read_ss12000
from nbanalytics.records import StudentRecords


def csv(rows: list[list[object]]) -> str:
    """Write rows as Excel in Sweden does: semicolons and decimal commas."""
    return "\r\n".join(";".join(csv_cell(cell) for cell in row) for row in rows)


def csv_cell(cell: object) -> str:
    return str(cell).replace(".", ",") if isinstance(cell, float) else str(cell or "")


# ------------------------------------------------------------------ the grade file


def codes(year: int) -> st.SearchStrategy[str]:
    layout = layout_of(year)
    return st.sampled_from([*layout.grades, *layout.codes, ""])


@st.composite
def grade_files(draw: st.DrawFn) -> tuple[int, list[dict[str, str]]]:
    """Draw a year and its pupils, each with a grade, a code or nothing in every subject."""
    year = draw(st.sampled_from([6, 9]))
    layout = layout_of(year)
    rows = []
    for place in range(draw(st.integers(1, 6))):
        grades = {subject: draw(codes(year)) for subject in layout.grade_column.values()}
        # In the last columns of a file without a header something has to stand.
        grades["TK"] = grades["TK"] or "E"
        sex = draw(st.sampled_from(["girl", "boy"]))
        school = str(draw(st.integers(10_000_000, 99_999_999)))
        number = identity_number(place, sex, draw(st.integers(1999, 2003)))
        rows.append(pupil(year, number, grades, Skolenhetskod=school, Fornamn=FIRST_NAMES[place % 4]))
    return year, rows


@given(
    grade_files(),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    st.sampled_from([";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_grade_file(
    drawn: tuple[int, list[dict[str, str]]], header: bool, encoding: str, delimiter: str, end: str, said: bool
) -> None:
    year, rows = drawn
    layout = layout_of(year)
    text = (f"sep={delimiter}{end}" if said else "") + as_text(rows, year, header, delimiter, end)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grades.txt"
        path.write_bytes(text.encode(encoding))
        (found,) = read_files([path], KEY)
    assert (found.report.rows, found.report.read, found.report.format) == (len(rows), len(rows), "scb")
    expected = {
        (KEY.pseudonym(row["PersonNr"]), f"{year}VT", subject): layout.codes.get(row[column], row[column])
        for row in rows
        for column, subject in layout.grade_column.items()
        if row[column]
    }
    grades = found.tables["grades"]
    found_grades = grades[["student_id", "term", "subject", "grade"]].itertuples(index=False, name=None)
    assert {tuple(keys): grade for *keys, grade in found_grades} == expected
    students = found.tables["students"]
    school = "school_id" if year == 9 else "school_id_y6"
    told = students[["student_id", "cohort", "sex", "birth_year", school]].itertuples(index=False, name=None)
    assert list(told) == [
        (
            KEY.pseudonym(row["PersonNr"]),
            2018,
            "boy" if int(row["PersonNr"][10]) % 2 else "girl",
            int(row["PersonNr"][:4]),
            row["Skolenhetskod"],
        )
        for row in rows
    ]


# ------------------------------------------------------------------ absence lists

#: Tenths of a per cent, as school systems round; None where the list says nothing.
TENTHS = st.one_of(st.none(), st.integers(0, 500).map(lambda tenths: tenths / 10))


@pytest.mark.parametrize("shown", ["text", "share", "number"])
@pytest.mark.parametrize("form", ["csv", "xlsx", "xls"])
@settings(max_examples=examples(12), suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(7, 9), TENTHS, TENTHS), min_size=1, max_size=12).map(
        # Two values above 1 tell that plain numbers are no fractions.
        lambda drawn: [*drawn, (9, 2.5, 10.0)]
    ),
    st.sampled_from(["HT", "VT"]),
)
def test_absence_list(form: str, shown: str, drawn: list[tuple[int, float | None, float | None]], season: str) -> None:
    absences = [
        (identity_number(place, "girl"), f"{year}{'AB'[place % 2]}", valid, invalid)
        for place, (year, valid, invalid) in enumerate(drawn)
    ]
    absences.sort(key=lambda absence: absence[1])
    rows, percent = absence_rows(absences, f"{season} 2017", "text" if (form, shown) == ("csv", "share") else shown)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"list.{form}"
        if form == "csv":
            path.write_bytes(csv(rows).encode("cp1252"))
        else:
            path.write_bytes((xlsx if form == "xlsx" else xls)(rows, percent=percent))
        read = read_absence_list(path, key=KEY)
    expected = pd.DataFrame(
        [
            (KEY.pseudonym(number), f"{school_class[0]}{season}", valid, invalid)
            for number, school_class, valid, invalid in absences
        ],
        columns=["student_id", "term", "valid", "invalid"],
    ).astype({"student_id": "str", "term": "str", "valid": "float64", "invalid": "float64"})
    pd.testing.assert_frame_equal(read.tables["absence"], expected, rtol=0, atol=1e-9)
    assert read.report.read == len(absences)
    assert read.report.rows == len([row for row in rows if any(cell is not None for cell in row)])


# ------------------------------------------------------------------ exports of the official statistics

STATUS = st.sampled_from(["suppressed", "not_applicable", "approx_100"])
CELL = st.one_of(STATUS, st.integers(0, 99_999).map(lambda tenths: tenths / 10))
MEASURES = ("eligible_vocational", "merit_value_17", "passed_all")


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(*[CELL] * 9), min_size=1, max_size=6),
    st.sampled_from([" ", "\u00a0", "\u202f", ""]),
    st.integers(0, 4),
    st.booleans(),
)
def test_statistics(form: str, cells: list[tuple[float | str, ...]], space: str, above: int, two_rows: bool) -> None:
    expected = [
        (f"{10_000_000 + place}", f"{place + 1:04}", "2017/18", group, measure, value)
        for place, row in enumerate(cells)
        for (measure, group), value in zip(
            [(measure, group) for measure in MEASURES for group in ("all", "girls", "boys")], row, strict=True
        )
    ]
    rows = statistics_rows(expected, space, above, two_rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"export.{form}"
        path.write_bytes(csv(rows).encode("utf-8-sig") if form == "csv" else xlsx(rows))
        (read,) = read_files([path])
    assert read.report.format == "skolverket"
    assert read.report.read == len(cells)
    table = read.tables["statistics"]
    found = table[["school_id", "municipality_id", "year", "group", "measure"]].itertuples(index=False, name=None)
    told = [value if status == "ok" else status for value, status in zip(table["value"], table["status"], strict=True)]
    assert dict(zip(found, told, strict=True)) == {one[:5]: one[5] for one in expected}
    assert (table["value"].isna() == (table["status"] != "ok")).all()


# ------------------------------------------------------------------ SS12000


def test_ss12000(karlskoga: StudentRecords, tmp_path: Path) -> None:
    numbers = identity_numbers(karlskoga.students)
    pages = ss12000_entities(karlskoga, numbers, ["6VT", "8HT", "9VT"])
    for name, content in pages.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    read = read_ss12000(tmp_path, key=KEY)
    assert read.report.n_rejected == 0
    named = {student: KEY.pseudonym(number) for student, number in numbers.items()}
    keys = ["student_id", "term", "subject"]
    of_terms = karlskoga.grades[karlskoga.grades["term"].isin(["6VT", "8HT", "9VT"])]
    graded = of_terms[of_terms["grade"].isin(["A", "B", "C", "D", "E", "F", "-"])]
    expected = graded.assign(student_id=graded["student_id"].map(named))[[*keys, "grade"]].astype("str")
    same(read.tables["grades"], expected, keys)
    students = karlskoga.students.assign(student_id=karlskoga.students["student_id"].map(named))
    columns = ["student_id", "cohort", "sex", "birth_year"]
    same(read.tables["students"][columns], students[columns], ["student_id"])
    own = karlskoga.absence[karlskoga.absence["term"].isin(["6VT", "8HT", "9VT"])].dropna(subset=["valid", "invalid"])
    own = own.assign(student_id=own["student_id"].map(named))[["student_id", "term", "valid", "invalid"]]
    same(read.tables["absence"], own, ["student_id", "term"])


def same(found: pd.DataFrame, expected: pd.DataFrame, keys: list[str]) -> None:
    """Compare tables whatever the order of their rows."""
    left, right = (
        table.astype(dict.fromkeys(keys, "str")).sort_values(keys, ignore_index=True) for table in (found, expected)
    )
    pd.testing.assert_frame_equal(left, right, check_dtype=False, check_categorical=False, rtol=0, atol=1e-6)


# ------------------------------------------------------------------ Kolada

SHARE = st.one_of(st.none(), st.integers(0, 1000).map(lambda tenths: tenths / 10))


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["0000", "0180", "1883"]), st.integers(2015, 2024)),
        st.tuples(SHARE, SHARE, SHARE),
        max_size=12,
    ),
    st.integers(1, 5),
)
def test_kolada(server: Server, drawn: dict[tuple[str, int], tuple[float | None, ...]], size: int) -> None:  # noqa: F811
    entries = [
        {
            "kpi": "N15428",
            "municipality": place,
            "period": year,
            "values": [
                {"gender": gender, "value": value, "count": 1, "status": "" if value is not None else "Missing"}
                for gender, value in zip("TKM", values, strict=True)
            ],
        }
        for (place, year), values in drawn.items()
    ]
    path = "data/kpi/N15428/municipality/0000,0180,1883?per_page=5000"
    parts = [entries[start : start + size] for start in range(0, len(entries), size)] or [[]]
    links = [path, *(f"{path}&page={number}" for number in range(2, len(parts) + 1))]
    following = [f"{server.url}/{link}" for link in links[1:]]
    server.answers = {"kpi/N15428": [page([kpi()])]}
    server.answers |= {
        link: [page(part, after)] for link, part, after in zip(links, parts, [*following, None], strict=True)
    }
    table = client(server)[0].values({"N15428": "behöriga"}, ["0000", "0180", "1883"])
    found = {
        (row.municipality, row.period, row.gender): (None if pd.isna(row.value) else row.value, row.status)
        for row in table.itertuples()
    }
    assert found == {
        (place, year, gender): (value, "" if value is not None else "Missing")
        for (place, year), values in drawn.items()
        for gender, value in zip(("all", "girls", "boys"), values, strict=True)
    }
    assert len(table) == len(found)
