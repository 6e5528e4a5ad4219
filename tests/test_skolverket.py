"""Exports of the official statistics: found by content, the status beside the value, no row lost."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import openpyxl
import pytest
from examples import examples
from hypothesis import given, settings

from nbanalytics.errors import DataError, NbanalyticsError
from nbanalytics.municipal import absence_list
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.municipal.skolverket import COLUMNS, FORMAT, matches, read_skolverket

#: A person's number stands where an owner's does, and must not be told.
ORGNR = "640101-1234"
EXPORT = f"""Grundskolan - Slutbetyg årskurs 9, samtliga elever;;;;;;;
Valt läsår: 2017/18;;;;;;;

Skola;Skol-enhetskod;Skolkommun;Kommun-kod;Typ av huvudman;Huvudman orgnr;Antal elever;Genomsnittligt meritvärde (17);\
Andel (%) behöriga till yrkesprog.;
Bergaskolan;12345678;Bergstad;0180;Kommunal;212000-1934;1\u00a0234;228,7;84,4;
Dalskolan;87654321;Bergstad;0180;Enskild;{ORGNR};12;..;~100;
Dalskolan;87654321;Bergstad;0180;Enskild;{ORGNR};12;..;~100;

Sjöskolan;11112222;Bergstad;0180;Kommunal;212000-1934;8;.;..;

Källa: Skolverket
.. = uppgiften bygger på färre än 10 elever
"""


def write(tmp_path: Path, content: str | bytes, name: str = "export.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8-sig") if isinstance(content, str) else content)
    return path


def told(read: FileRead) -> str:
    sentences = "".join(finding.sentence() for finding in read.report.findings)
    return json.dumps(read.report.as_dict(), ensure_ascii=False) + repr(read.report) + sentences


def counted(read: FileRead) -> None:
    report = read.report
    assert report.read + report.n_rejected == report.rows
    assert len(report.rejected) == report.n_rejected == len(set(report.rejected))


def statistics(read: FileRead, *names: str) -> list[tuple[object, ...]]:
    table = read.tables["statistics"]
    assert tuple(table.columns) == COLUMNS
    assert (table["value"].notna() == (table["status"] == "ok")).all()
    return list(table.fillna(-1.0)[list(names)].itertuples(index=False, name=None))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_an_export_per_school(tmp_path: Path, encoding: str, ends: str) -> None:
    path = write(tmp_path, EXPORT.replace("\n", ends).encode(encoding))
    assert matches(path, b"")
    assert not absence_list.matches(path, b"")
    read = read_skolverket(path)
    assert statistics(read, "school_id", "owner", "measure", "value", "status") == [
        ("12345678", "municipal", "students", 1234.0, "ok"),
        ("12345678", "municipal", "merit_value_17", 228.7, "ok"),
        ("12345678", "municipal", "eligible_vocational", 84.4, "ok"),
        ("87654321", "independent", "students", 12.0, "ok"),
        ("87654321", "independent", "merit_value_17", -1.0, "suppressed"),
        ("87654321", "independent", "eligible_vocational", -1.0, "approx_100"),
        ("11112222", "municipal", "students", 8.0, "ok"),
        ("11112222", "municipal", "merit_value_17", -1.0, "not_applicable"),
        ("11112222", "municipal", "eligible_vocational", -1.0, "suppressed"),
    ]
    table = read.tables["statistics"]
    assert set(table["year"]) == {"2017/18"}
    assert set(table["group"]) == {"all"}
    assert set(table["municipality_id"]) == {"0180"}
    assert (read.report.format, read.report.rows, read.report.read) == (FORMAT, 9, 3)
    assert read.report.rejected == (
        (1, "not data: preamble"),
        (2, "not data: preamble"),
        (4, "not data: header row"),
        (7, "repeats another row"),
        (11, "not data: note"),
        (12, "not data: note"),
    )
    counted(read)
    assert ORGNR not in told(read)
    assert ORGNR not in table.to_csv()


def test_groups_in_a_second_row_of_the_header_and_a_repeated_header(tmp_path: Path) -> None:
    header = (
        "Kommun;Kommunkod;Andel (%) behöriga till yrkesprogram;;;Genomsnittlig betygspoäng;;\n"
        ";;Totalt;Flickor;Pojkar;Totalt;Flickor;Pojkar\n"
    )
    text = f"Läsåret 2019/2020\n{header}Bergstad;0180;85;86,5;84;13;14;12\n{header}Dalby;1280;..;..;~100;.;.;.\n"
    read = read_skolverket(write(tmp_path, text))
    found = statistics(read, "municipality", "group", "measure", "value", "status")
    assert found[:6] == [
        ("Bergstad", group, measure, value, "ok")
        for measure, values in (("eligible_vocational", (85.0, 86.5, 84.0)), ("grade_points", (13.0, 14.0, 12.0)))
        for group, value in zip(("all", "girls", "boys"), values, strict=True)
    ]
    assert [status for *_, status in found[6:]] == ["suppressed"] * 2 + ["approx_100"] + ["not_applicable"] * 3
    assert read.report.read == 2
    counted(read)


def test_measures_above_and_keys_beside_the_groups(tmp_path: Path) -> None:
    text = ";;Antal elever;;\nSkola;Skolenhetskod;Totalt;Flickor;Pojkar\nBergaskolan;12345678;100;48;52\n"
    read = read_skolverket(write(tmp_path, text), year="2020/21")
    assert statistics(read, "year", "group", "measure", "value") == [
        ("2020/21", "all", "students", 100.0),
        ("2020/21", "girls", "students", 48.0),
        ("2020/21", "boys", "students", 52.0),
    ]


def test_groups_and_years_in_names_or_in_columns(tmp_path: Path) -> None:
    text = "Kommun;Andel (%) behöriga till yrkesprogram, flickor 2017/18;Antal elever 2018/19\nBergstad;86,5;12\n"
    read = read_skolverket(write(tmp_path, text))
    assert statistics(read, "year", "group", "measure") == [
        ("2017/18", "girls", "eligible_vocational"),
        ("2018/19", "all", "students"),
    ]
    text = (
        "Kommun;Läsår;Kön;Ämne;Antal elever\nBergstad;2017/2018;Flickor;Matematik;12\nBergstad;2018/19;Pojkar;;1 012\n"
    )
    read = read_skolverket(write(tmp_path, text))
    assert statistics(read, "year", "group", "subject", "value") == [
        ("2017/18", "girls", "Matematik", 12.0),
        ("2018/19", "boys", "", 1012.0),
    ]


@pytest.mark.parametrize(
    ("cell", "value", "status"),
    [
        ("1\u202f234,5", 1234.5, "ok"),
        ("12 345 678", 12345678.0, "ok"),
        ("84.1", 84.1, "ok"),
        ("84,1 %", 84.1, "ok"),
        ("-3,5", -3.5, "ok"),
        ("~ 100", -1.0, "approx_100"),
        (" .. ", -1.0, "suppressed"),
        ("\u2013", -1.0, "not_applicable"),
    ],
)
def test_a_cell_is_a_number_or_a_sign(tmp_path: Path, cell: str, value: float, status: str) -> None:
    read = read_skolverket(write(tmp_path, f"Kommun;Antal elever\nBergstad;{cell}\n"))
    assert statistics(read, "value", "status") == [(value, status)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Dalby;1280;många", "column number 3: neither a number nor a known sign"),
        ("Dalby;1280;12 34", "column number 3: neither a number nor a known sign"),
        (";;5", "not data: note"),
        ("Dalby;1280;5;6;7", "more cells than the header"),
        ("Bergstad;0180;5", "the same place, year and group with other values in another row"),
    ],
)
def test_a_row_that_cannot_be_used_is_counted(tmp_path: Path, row: str, reason: str) -> None:
    head = "Kommun;Kommunkod;Antal elever\nBergstad;0180;4\nSkövde;1496;9\n"
    read = read_skolverket(write(tmp_path, head + row + "\n"), year="2018")
    assert read.report.rejected[-1] == (4, reason)
    assert ("Skövde", 9.0) in statistics(read, "municipality", "value")
    counted(read)


def test_columns_that_are_not_known_and_columns_that_stand_twice(tmp_path: Path) -> None:
    text = (
        "Kommun;Kommunkod;Antal elever;Antal elever;Nytt mått;Kommentar;Betygspoäng;Genomsnittlig betygspoäng\n"
        "Bergstad;180;12;12;3,5;gott;12,5;13\nDalby;1280;13;13;..;illa;12;12\n"
    )
    read = read_skolverket(write(tmp_path, text), year="2017/18")
    assert statistics(read, "municipality_id", "measure", "value") == [
        ("0180", "students", 12.0),
        ("0180", "Nytt mått", 3.5),
        ("1280", "students", 13.0),
        ("1280", "Nytt mått", -1.0),
    ]
    remarks = [finding.what for finding in read.report.findings]
    assert "two columns for grade_points differ, and both were left out" in remarks
    assert "column 'Kommentar' has text and was left out" in remarks
    assert "municipality_id: zeros that Excel removed are restored" in read.report.assumed
    assert "column 'Nytt mått' is not a known measure: kept under its own name" in read.report.assumed


def test_a_workbook_with_merged_headers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["Slutbetyg årskurs 9"],
        ["År 2018"],
        ["Kommun", "Kommunkod", "Andel (%) elever behöriga till yrkesprogram", None],
        [None, None, "Flickor", "Pojkar"],
        ["Bergstad", 180, 86.5, ".."],
        ["Källa: Skolverket"],
    ):
        sheet.append(row)
    for merge in ("A1:D1", "A3:A4", "B3:B4", "C3:D3"):
        sheet.merge_cells(merge)
    book.create_sheet("Om").append(["Om statistiken"])
    book.save(tmp_path / "export.xlsx")
    read = read_skolverket(tmp_path / "export.xlsx")
    assert statistics(read, "municipality_id", "year", "group", "value", "status") == [
        ("0180", "2018", "girls", 86.5, "ok"),
        ("0180", "2018", "boys", -1.0, "suppressed"),
    ]
    assert (read.report.rows, read.report.read) == (7, 1)
    counted(read)
    assert matches(tmp_path / "export.xlsx", b"")


def test_a_file_without_a_year_or_a_header_says_so(tmp_path: Path) -> None:
    read = read_skolverket(write(tmp_path, "Kommun;Antal elever\nBergstad;12\n"))
    assert read.report.missing == ("no year: give it with year=",)
    read = read_skolverket(write(tmp_path, "Namn;Tal\nAnna;12\n"))
    assert not read.tables
    assert [finding.weight for finding in read.report.findings] == ["fatal"]
    assert "Anna" not in told(read)
    counted(read)
    with pytest.raises(DataError, match="the file is empty"):
        read_skolverket(write(tmp_path, ""))


# ------------------------------------------------------------------ bad input

CELLS = st.sampled_from(
    ["Bergstad", "0180", "..", ".", "~100", "12,5", "1 234", "", "x", "Källa", "Totalt", "Kommun", '"']
)


@settings(max_examples=examples(80), deadline=None)
@given(st.lists(st.lists(CELLS, max_size=5), max_size=15))
def test_every_row_is_counted_once(rows: list[list[str]]) -> None:
    lines = [";".join(row) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), "\n".join(["Läsår 2017/18", "Kommun;Kommunkod;Antal elever;Betygspoäng", *lines]))
        try:
            read = read_skolverket(path)
        except DataError:
            return
    counted(read)
    if '"' not in "".join(lines):
        assert read.report.rows == 2 + sum(bool(line.strip(";")) for line in lines)


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_no_bytes_make_a_traceback_or_show_an_owner(data: st.DataObject) -> None:
    start = EXPORT.encode(data.draw(st.sampled_from(["utf-8-sig", "cp1252", "utf-16", "utf-16-le"])))
    cut = start[: data.draw(st.integers(0, len(start)))]
    place = data.draw(st.integers(0, len(cut)))
    content = cut[:place] + data.draw(st.binary(max_size=30)) + cut[place + data.draw(st.integers(0, 20)) :]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), content)
        matches(path, content)
        said = ""
        with contextlib.suppress(NbanalyticsError):
            read = read_skolverket(path)
            counted(read)
            said = told(read)
    assert ORGNR not in said
