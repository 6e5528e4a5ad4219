"""Absence lists as school systems export them: no row is lost, no pupil is shown, and nothing is guessed silently."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import tempfile
import tomllib
import zipfile
from datetime import date
from pathlib import Path

import hypothesis.strategies as st
import openpyxl
import pandas as pd
import pytest
from examples import examples
from hypothesis import given, settings
from municipal_files import KEY, check_digit
from workbooks import xls, xlsx

from nbanalytics.errors import DataError, NbanalyticsError
from nbanalytics.municipal.absence_list import FORMAT, matches, read_absence_list, suggest_mapping
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.readers import grid, workbook

#: Planted persons: none of these may be in any message.
NUMBERS = [f"200401{day:02}-121{check_digit(f'0401{day:02}121')}" for day in range(1, 29)]
NAMES = ["Alfhild Kvastberg", "Torgny Ekorrlund", "Ragnvi Stenkula"]
PERIOD = "Period: 2017-08-17 - 2017-12-20"
LIST = f"""Frånvarorapport Bergaskolan
{PERIOD}

Klass: 7A
Personnummer;Namn;Giltig frånvaro;Ogiltig frånvaro
{NUMBERS[0]};{NAMES[0]};12,5 %;1,5%
{NUMBERS[1].replace("-", "")};{NAMES[1]};3.5;0
Summa;;16;1,5

Klass: 7B
Personnummer;Namn;Giltig frånvaro;Ogiltig frånvaro
{NUMBERS[2]};{NAMES[2]};;2
Summa;;0;2
"""


def write(tmp_path: Path, content: str | bytes, name: str = "list.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def told(read: FileRead) -> str:
    report = read.report
    return (
        json.dumps(report.as_dict(), ensure_ascii=False) + repr(report) + "".join(f.sentence() for f in report.findings)
    )


def counted(read: FileRead) -> None:
    report = read.report
    assert report.read + report.n_rejected == report.rows
    assert len(report.rejected) == report.n_rejected
    table = read.tables.get("absence")
    assert report.read == (0 if table is None else len(table))


def values(read: FileRead) -> list[tuple[str, float, float]]:
    table = read.tables["absence"].fillna(-1)
    return list(zip(table["term"], table["valid"], table["invalid"], strict=True))


def fault(read: FileRead) -> str:
    assert not read.tables
    return " ".join(finding.sentence() for finding in read.report.findings if finding.weight == "fatal")


# ------------------------------------------------------------------ what is understood


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_a_list_with_sections_repeated_headers_and_totals(tmp_path: Path, encoding: str, ends: str) -> None:
    path = write(tmp_path, LIST.replace("\n", ends).encode(encoding))
    assert matches(path, path.read_bytes()[:65_536])
    read = read_absence_list(path, key=KEY)
    assert values(read) == [("7HT", 12.5, 1.5), ("7HT", 3.5, 0.0), ("7HT", -1.0, 2.0)]
    assert list(read.tables["absence"]["student_id"]) == [KEY.pseudonym(number) for number in NUMBERS[:3]]
    counted(read)
    assert read.report.format == FORMAT
    assert (read.report.rows, read.report.read) == (11, 3)
    kinds = [reason for _, reason in read.report.rejected]
    assert [row for row, _ in read.report.rejected] == [1, 2, 4, 5, 8, 10, 11, 13]
    assert kinds.count("not data: section row") == kinds.count("not data: header row") == 2
    assert kinds.count("not data: total row") == kinds.count("not data: preamble") == 2
    assert not read.report.findings
    assert "the year from the class (3 rows)" in told(read)
    assert not any(name in told(read) for name in [*NAMES, *NUMBERS])


def test_merged_cells_fractions_shown_as_per_cent_and_a_header_of_two_rows(tmp_path: Path) -> None:
    rows = [
        ["Frånvaro VT 2018", None, None, None],
        ["Klass", "Personnummer", "Frånvaro", None],
        [None, None, "Giltig", "Ogiltig"],
        ["8A", NUMBERS[0], 0.125, 0.01],
        [None, NUMBERS[1], 0.5, 0],
        ["9B", NUMBERS[2], 0.004, "7,5 %"],
        ["Summa", None, 0.2, 0.1],
    ]
    shares = {(row, column) for row in range(3, 7) for column in (2, 3)}
    path = write(tmp_path, xlsx(rows, [(0, 0, 0, 3), (1, 1, 2, 3), (3, 4, 0, 0)], shares), "list.xlsx")
    read = read_absence_list(path, key=KEY)
    assert values(read) == [("8VT", 12.5, 1.0), ("8VT", 50.0, 0.0), ("9VT", 0.4, 7.5)]
    assert "cells are shown as per cent by Excel" in told(read)
    counted(read)
    assert matches(path, path.read_bytes())


def test_an_old_excel_file_whatever_its_name(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["Period: 2017-08-17 - 2017-12-20"],
        ["Klass", "Personnummer", "Giltig frånvaro", "Ogiltig frånvaro"],
        ["7A", NUMBERS[0], 12.5, 1.0],
        [None, float(NUMBERS[1][2:].replace("-", "")), "3,5 %", 0.0],
        ["8B", NUMBERS[2], 4.0, 2.0],
        ["Summa", None, 20.0, 3.0],
    ]
    path = write(tmp_path, xls(rows, ((2, 3, 0, 0),)), "list.xlsx")
    assert matches(path, b"")
    read = read_absence_list(path, key=KEY)
    assert values(read) == [("7HT", 12.5, 1.0), ("7HT", 3.5, 0.0), ("8HT", 4.0, 2.0)]
    assert list(read.tables["absence"]["student_id"]) == [KEY.pseudonym(number) for number in NUMBERS[:3]]
    counted(read)
    place, far = struct.pack("<HHHd", 4, 2, 0, 4.0), struct.pack("<HHHd", 65_535, 65_535, 0, 4.0)
    content = xls(rows)
    assert content.count(place) == 1
    with pytest.raises(DataError, match="not an Excel workbook"):
        read_absence_list(write(tmp_path, content.replace(place, far), "far.xls"))


def test_shares_and_dates_of_an_old_excel_file_are_read_as_they_are_shown(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        [date(2017, 8, 17), date(2017, 12, 20)],
        ["Klass", "Personnummer", "Giltig frånvaro", "Ogiltig frånvaro"],
        ["7A", NUMBERS[0], 0.125, 1.0],
        ["7A", NUMBERS[1], 0.004, 0.5],
    ]
    path = write(tmp_path, xls(rows, percent={(2, 2), (3, 2)}), "list.xls")
    grid_rows = grid.read_grids(path, len)[0].rows
    assert grid_rows[0][:2] == ["2017-08-17", "2017-12-20"]
    read = read_absence_list(path, key=KEY, term="7HT")
    assert values(read) == [("7HT", 12.5, 1.0), ("7HT", 0.4, 0.5)]
    assert "2 cells are shown as per cent by Excel: 0.125 is 12.5 %" in read.report.assumed


def test_a_check_digit_that_does_not_fit_is_remarked_with_its_row(tmp_path: Path) -> None:
    wrong = NUMBERS[1][:-1] + str((int(NUMBERS[1][-1]) + 1) % 10)
    read = read_absence_list(write(tmp_path, LIST.replace(NUMBERS[1].replace("-", ""), wrong)), key=KEY)
    (remark,) = read.report.findings
    assert (remark.weight, remark.rows.tolist()) == ("remark", [7])
    assert "check digit does not fit" in remark.what
    assert read.report.read == 3
    assert wrong not in told(read)


def test_every_sheet_is_read_and_a_sheet_may_be_the_class(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    for name, number in (("7A", NUMBERS[0]), ("8C", NUMBERS[1])):
        sheet = workbook.create_sheet(name)
        for row in (["HT 2017"], ["Personnr", "Anmäld frånvaro", "Oanmäld frånvaro"], [number, 12, 3]):
            sheet.append(row)
    workbook.active.append(["Utskriven av", NAMES[0]])
    workbook.save(tmp_path / "list.xlsx")
    read = read_absence_list(tmp_path / "list.xlsx", key=KEY)
    assert values(read) == [("7HT", 12.0, 3.0), ("8HT", 12.0, 3.0)]
    assert read.report.rows == 7
    assert (1, "sheet 1: not data: a sheet without an absence list") in read.report.rejected
    counted(read)
    assert NAMES[0] not in told(read)
    only = write(tmp_path, '[file]\nsheet = "8C"\n', "one.toml")
    assert values(read_absence_list(tmp_path / "list.xlsx", key=KEY, mapping=only)) == [("8HT", 12.0, 3.0)]


def test_a_mapping_beside_the_list_names_columns_term_and_unit(tmp_path: Path) -> None:
    path = write(
        tmp_path, f"ID,Borta med lov,Borta utan lov\n{NUMBERS[0]},0.125,0.5\nID,Borta med lov,Borta utan lov\n"
    )
    assert "no row holds the names of the columns" in fault(read_absence_list(path, key=KEY))
    (tmp_path / "list.toml").write_text(
        '[columns]\nstudent = "ID"\nvalid = "Borta med lov"\ninvalid = 3\n[file]\nterm = "7HT"\npercent = "0-1"\n',
        encoding="utf-8",
    )
    read = read_absence_list(path, key=KEY)
    assert matches(path, b"")
    assert values(read) == [("7HT", 12.5, 50.0)]
    parsed = tomllib.loads((tmp_path / "list.toml").read_text(encoding="utf-8"))
    assert values(read_absence_list(path, key=KEY, mapping=parsed)) == [("7HT", 12.5, 50.0)]
    assert [reason for _, reason in read.report.rejected] == ["not data: header row"] * 2
    assert "columns as list.toml says" in read.report.assumed
    (tmp_path / "list.toml").write_text(
        '[columns]\nstudent = 1\nvalid = 2\n[file]\nterm = "7 ht"\npercent = "0-100"\nheader_row = 1\n',
        encoding="utf-8",
    )
    read = read_absence_list(path, key=KEY)
    assert values(read) == [("7HT", 0.125, -1.0)]
    assert "no invalid absence: the total of a pupil cannot be shown" in read.report.missing
    counted(read)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[columns]\nstudnt = 1\n", "Did you mean 'student'"),
        ("[columns]\nstudent = 0\nvalid = 1\n", "student = 0 must be 1 or more"),
        ("[columns]\nstudent = 1\n", "one of valid, invalid and total"),
        ("[kolumner]\n", "unknown key 'kolumner'"),
        ("[file\n", "line 1 is not TOML"),
    ],
)
def test_a_mapping_that_means_nothing_is_refused(tmp_path: Path, toml: str, message: str) -> None:
    path = write(tmp_path, LIST)
    with pytest.raises(DataError, match=message):
        read_absence_list(path, key=KEY, mapping=write(tmp_path, toml, "mapping.toml"))


def test_a_missing_term_is_asked_for_in_words_and_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path, LIST.replace(PERIOD, ""))
    read = read_absence_list(path, key=KEY)
    assert 'Set term = "7HT" in the mapping' in fault(read)
    counted(read)
    assert values(read_absence_list(path, key=KEY, term="9VT"))[0] == ("9VT", 12.5, 1.5)
    whole_year = write(tmp_path, LIST.replace("2017-12-20", "2018-06-12"))
    assert 'Set term = "7HT"' in fault(read_absence_list(whole_year, key=KEY))
    no_class = write(tmp_path, LIST.replace("Klass: 7A", "").replace("Klass: 7B", ""))
    assert "no class, and so no year" in fault(read_absence_list(no_class, key=KEY))


def test_plain_numbers_of_at_most_one_are_fractions_only_where_many_say_so(tmp_path: Path) -> None:
    head = "HT 2017\nPersonnummer;Klass;Giltig;Ogiltig\n"
    few = write(tmp_path, head + "".join(f"{number};7A;0.5;0\n" for number in NUMBERS[:4]))
    assert 'Set percent = "0-100"' in fault(read_absence_list(few, key=KEY))
    many = write(tmp_path, head + "".join(f"{number};7A;0.5;0\n" for number in NUMBERS))
    read = read_absence_list(many, key=KEY)
    assert set(values(read)) == {("7HT", 50.0, 0.0)}
    assert "numbers of at most 1 are fractions: 0.125 is 12.5 %" in read.report.assumed
    signed = write(tmp_path, head + f"{NUMBERS[0]};7A;0,5 %;0 %\n")
    assert values(read_absence_list(signed, key=KEY)) == [("7HT", 0.5, 0.0)]


# ------------------------------------------------------------------ rows that cannot be used


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f";{NAMES[0]};7A;1;1;2", "no identity number"),
        (f"{NAMES[0]};{NUMBERS[5]};7A;1;1;2", "not an identity number"),
        (f"20041301-1234;{NAMES[0]};7A;1;1;2", "the date in the identity number does not exist"),
        (f"2,00401E+11;{NAMES[0]};7A;1;1;2", "the identity number is cut off"),
        (f"{NUMBERS[5]};{NAMES[0]};4B;1;1;2", "no term in the records"),
        (f"{NUMBERS[5]};{NAMES[0]};7A;{NAMES[1]};1;2", "valid: not a number"),
        (f"{NUMBERS[5]};{NAMES[0]};7A;-1;1;0", "valid: not between 0 and 100 per cent"),
        (f"{NUMBERS[5]};{NAMES[0]};7A;1;101;102", "invalid: not between 0 and 100 per cent"),
        (f"{NUMBERS[5]};{NAMES[0]};7A;60;60;", "valid and invalid absence are more than 100 per cent together"),
        (f"{NUMBERS[5]};{NAMES[0]};7A;10;5;20", "the total is not the sum of valid and invalid absence"),
        (f"{NUMBERS[5]};{NAMES[0]};7A;10;;5", "the total is less than its part"),
        (f"{NUMBERS[0]};{NAMES[0]};7A;10;1;11", "repeats the row of the same pupil and term"),
    ],
)
def test_a_faulty_row_is_rejected_with_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    head = f"HT 2017\nPersonnummer;Namn;Klass;Giltig;Ogiltig;Total frånvaro\n{NUMBERS[0]};{NAMES[2]};7A;10;1;11\n"
    read = read_absence_list(write(tmp_path, head + row + "\n"), key=KEY)
    assert values(read) == [("7HT", 10.0, 1.0)]
    assert read.report.rejected[-1] == (4, reason)
    assert read.report.findings
    counted(read)
    assert not any(word in told(read) for word in [*NAMES, *NUMBERS, NUMBERS[5].replace("-", "")])


def test_rows_that_contradict_each_other_are_both_left_out_and_a_part_follows_from_the_total(tmp_path: Path) -> None:
    rows = [(NUMBERS[0], "10", "", "12"), (NUMBERS[1], "1", "1", "2"), (NUMBERS[1], "2", "1", "3")]
    text = "Personnummer;Giltig;Ogiltig;Totalt\n" + "".join(";".join(row) + "\n" for row in rows)
    read = read_absence_list(write(tmp_path, text), key=KEY, term="7HT")
    assert values(read) == [("7HT", 10.0, 2.0)]
    assert [row for row, why in read.report.rejected if "other values" in why] == [3, 4]
    counted(read)


def test_swapped_columns_are_noticed(tmp_path: Path) -> None:
    text = f"HT 2017\nPersonnummer;Namn;Klass;Giltig\n{NAMES[0]};{NUMBERS[0]};7A;3\n{NAMES[1]};{NUMBERS[1]};7A;3\n"
    read = read_absence_list(write(tmp_path, text), key=KEY)
    assert "They seem to be in column 2" in fault(read)
    assert not any(word in told(read) for word in [*NAMES, *NUMBERS])
    counted(read)


def test_numbers_written_otherwise_give_the_same_pseudonym(tmp_path: Path) -> None:
    ways = ["200401011236", "20040101-1236", "0401011236", "040101-1236", "401011236", " 20040101 1236 "]
    for way in ways:
        read = read_absence_list(write(tmp_path, f"Pnr;Giltig\n{way};3\n"), key=KEY, term="7HT")
        assert list(read.tables["absence"]["student_id"]) == [KEY.pseudonym("200401011236")], way
    read = read_absence_list(write(tmp_path, f"Pnr;Giltig\n{KEY.pseudonym(ways[0])};3\n"), key=KEY, term="7HT")
    assert list(read.tables["absence"]["student_id"]) == [KEY.pseudonym(ways[0])]
    assert "pseudonyms already" in told(read)
    no_key = read_absence_list(write(tmp_path, "Pnr;Giltig\n20040101TF01;3\n"), term="7HT")
    assert "no key was given: the pseudonyms are valid for this run only" in no_key.report.assumed


# ------------------------------------------------------------------ the draft of a mapping


def test_the_draft_of_a_mapping_reads_the_list_as_it_is_read_without(tmp_path: Path) -> None:
    path = write(tmp_path, LIST)
    draft = suggest_mapping(path)
    assert 'student = "Personnummer"' in draft
    assert "the period in the list says HT" in draft
    without = read_absence_list(path, key=KEY).tables["absence"]
    mapped = read_absence_list(path, key=KEY, mapping=write(tmp_path, draft, "draft.toml")).tables["absence"]
    pd.testing.assert_frame_equal(without, mapped)
    assert not any(word in draft for word in [*NAMES, *NUMBERS])


def test_the_draft_tells_what_it_could_not_find_and_shows_no_pupil(tmp_path: Path) -> None:
    text = f"Nr;Vem;Giltig frånvaroo;Vad\n{NUMBERS[0]};{NAMES[0]};1;x\n{NUMBERS[1]};{NAMES[1]};2;y\n"
    draft = suggest_mapping(write(tmp_path, text))
    assert "student = 1" in draft
    assert 'valid = "Giltig frånvaroo"' in draft
    assert "# invalid" in draft
    assert "header_row = 1" in draft
    assert 'term = "7HT"  # NEEDED' in draft
    headless = suggest_mapping(write(tmp_path, f"{NAMES[2]};7A\n" + text.partition("\n")[2]))
    assert not any(word in draft + headless for word in [*NAMES, *NUMBERS])


# ------------------------------------------------------------------ bad input


def everything(path: Path) -> list[str]:
    said = []
    for run in (lambda: told(read_absence_list(path, key=KEY)), lambda: suggest_mapping(path)):
        try:
            said.append(run())
        except NbanalyticsError as error:
            said.append(str(error))
    matches(path, path.read_bytes()[:65_536])
    with contextlib.suppress(NbanalyticsError):
        counted(read_absence_list(path, key=KEY))
    return said


EXCEL = xlsx([line.split(";") for line in LIST.splitlines()])
OLD_EXCEL = xls([list(line.split(";")) for line in LIST.splitlines()])


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_no_bytes_make_a_traceback_or_show_a_pupil(data: st.DataObject) -> None:
    start = data.draw(st.sampled_from([LIST.encode(), LIST.encode("cp1252"), LIST.encode("utf-16"), EXCEL, OLD_EXCEL]))
    cut = start[: data.draw(st.integers(0, len(start)))]
    place = data.draw(st.integers(0, len(cut)))
    content = cut[:place] + data.draw(st.binary(max_size=40)) + cut[place + data.draw(st.integers(0, 20)) :]
    with tempfile.TemporaryDirectory() as folder:
        said = everything(write(Path(folder), content, "list.bin"))
    assert not any(word in text for text in said for word in [*NAMES, *NUMBERS])


ROWS = st.sampled_from(
    [
        *(
            f"{number};{name};{a};{b}"
            for number, name, a, b in zip(NUMBERS, NAMES * 9, "123456789", "9x-0 1234", strict=False)
        ),
        "",
        ";;;",
        "Klass: 8B",
        "Klass: F",
        "Summa;;1;2",
        "Personnummer;Namn;Giltig;Ogiltig",
        "Ogiltig;Giltig;Personnummer;Namn",
        f"Utskriven av {NAMES[0]}",
        f"{NAMES[0]};{NUMBERS[0]};1;1",
        "VT 2018",
        "7,5 %",
    ]
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(ROWS, max_size=25))
def test_every_row_is_counted_once(rows: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), "\n".join(["HT 2017;Klass: 7A", "Personnummer;Namn;Giltig;Ogiltig", *rows]))
        read = read_absence_list(path, key=KEY)
    counted(read)
    assert read.report.rows == 2 + sum(bool(row.strip(";")) for row in rows)
    assert len({row for row, _ in read.report.rejected}) == read.report.n_rejected
    assert not any(word in told(read) for word in [*NAMES, *NUMBERS])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\x00" * 1000, "not a text file"),
        (b"Personnummer;Giltig\n2004\x00", "not a text file"),
        (b'Personnummer;Giltig\n"2004;', "never closed"),
        (b"PK\x03\x04" + b"\x00" * 50, "not a text file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x01" * 600, "not an Excel workbook, or a damaged one"),
        (b"Personnummer;Giltig" + b";" * 30_000 + b"\n", "more than 20,000 cells"),
    ],
)
def test_what_is_no_list_is_refused_in_words(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=message):
        read_absence_list(path, key=KEY)
    assert not matches(path, content)


SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'


def test_a_damaged_workbook_writes_nothing_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for cut in range(600, len(OLD_EXCEL), 97):
        everything(write(tmp_path, OLD_EXCEL[:cut], "list.xls"))
    out = capfd.readouterr()
    assert out.out == out.err == ""


def with_parts(**contents: bytes) -> bytes:
    """Return the workbook with other or further parts, named by the end of their path."""
    places = {"sheet1": "xl/worksheets/sheet1.xml", "strings": "xl/sharedStrings.xml", "image": "xl/media/image1.bin"}
    named = {places[name]: content for name, content in contents.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(EXCEL)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in {*old.namelist(), *named}:
            new.writestr(part, named[part] if part in named else old.read(part))
    return out.getvalue()


def test_a_workbook_that_unpacks_too_large_is_refused_whatever_its_directory_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MOST_MEMORY", 400_000_000)
    bomb = with_parts(strings=b"<sst>" + b"<si><t>0</t></si>" * 30_000_000)
    assert len(bomb) < 2_000_000
    with pytest.raises(DataError, match=r"needs more memory|cannot be opened with"):
        read_absence_list(write(tmp_path, bomb, "bomb.xlsx"))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "memory"),
        (b'<row r="1"><c r="A1"><v>1</v></c></row><row r="9"><c r="IUH9"><v>1</v></c></row>', "spans"),
        (b'<row r="1">' + b"<c/>" * 60_000 + b"</row>", "is empty"),
    ],
)
def test_a_sheet_that_spans_more_than_a_list_is_refused_before_it_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: bytes, message: str
) -> None:
    monkeypatch.setattr(workbook, "MOST_CELLS", 50_000)
    content = with_parts(sheet1=SHEET + cells + b"</sheetData></worksheet>")
    with pytest.raises(DataError, match=message):
        read_absence_list(write(tmp_path, content, "wide.xlsx"))


def test_a_text_repeated_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_TEXT", 10_000)
    cells = b"".join(b'<row r="%d"><c r="A%d" t="s"><v>0</v></c></row>' % (row, row) for row in range(1, 21))
    strings = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>%s</t></si></sst>'
    content = with_parts(sheet1=SHEET + cells + b"</sheetData></worksheet>", strings=strings % (b"x" * 1_000))
    with pytest.raises(DataError, match="repeats a long text"):
        read_absence_list(write(tmp_path, content, "long.xlsx"))


def test_formulas_without_a_stored_value_are_told(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["HT 2017"],
        ["Personnummer", "Klass", "Giltig", "Ogiltig"],
        [NUMBERS[0], "7A", "=1+1", 3],
    ]
    read = read_absence_list(write(tmp_path, xlsx(rows), "list.xlsx"), key=KEY)
    assert values(read) == [("7HT", -1.0, 3.0)]
    assert any(text.startswith("1 formulas have no stored value") for text in read.report.assumed)


def test_a_missing_file_a_folder_and_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(DataError, match="no such file"):
            read_absence_list(path)
    monkeypatch.setattr(grid, "MOST_BYTES", 100)
    with pytest.raises(DataError, match="larger than"):
        read_absence_list(write(tmp_path, LIST))
