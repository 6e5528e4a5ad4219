"""The SCB grade file: both layouts, with and without a header, its codes, its rules, and all that can be wrong."""

import re

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from municipal_files import FIRST_NAMES, KEY, LAST_NAMES, as_text, identity_number, layout_of, pupil

from nbanalytics.municipal import scb
from nbanalytics.municipal.recognise import HEAD_BYTES, read_files
from nbanalytics.municipal.scb import read_scb
from nbanalytics.municipal.scb_layouts import parse_layouts

NUMBER = re.compile(r"\d{8}-?\d{4}|\d{6}-\d{4}")


def pupils(number=5, year=9, **cells):
    return [pupil(year, identity_number(place, ("girl", "boy")[place % 2]), **cells) for place in range(number)]


def read(tmp_path, rows, year=9, encoding="utf-8", name="grades.txt", **options):
    file = tmp_path / name
    text = rows if isinstance(rows, str) else as_text(rows, year, **options)
    file.write_bytes(text.encode(encoding))
    assert scb.matches(file, file.read_bytes()[:HEAD_BYTES])
    return checked(read_scb(file, key=KEY))


def checked(found):
    """What holds of every report: rows add up, each rejected row once, and nobody is named."""
    report = found.report
    assert report.read + len(report.rejected) == report.rows or not found.tables
    told = repr(report) + "\n".join(finding.sentence() for finding in report.findings)
    assert not NUMBER.search(told)
    assert not any(name in told for name in (*FIRST_NAMES, *LAST_NAMES))
    if found.tables:
        assert len(found.tables["students"]) == report.read
        assert found.tables["students"]["student_id"].is_unique
    return found


def remarks(found):
    return [finding for finding in found.report.findings if not finding.is_fault]


@pytest.mark.parametrize("year", [6, 9])
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_both_layouts_are_read_by_position_and_by_header(tmp_path, year, header, encoding):
    found = read(tmp_path, pupils(year=year), year, encoding, header=header)
    assert (found.report.rows, found.report.read, found.report.findings) == (5, 5, ())
    students = found.tables["students"]
    assert students["cohort"].tolist() == [2018] * 5
    assert students["sex"].tolist() == ["girl", "boy", "girl", "boy", "girl"]
    assert students["birth_year"].tolist() == [2002] * 5
    assert students["school_id" if year == 9 else "school_id_y6"].tolist() == ["12345678"] * 5
    assert students["student_id"].tolist() == [KEY.pseudonym(row["PersonNr"]) for row in pupils(year=year)]
    grades = found.tables["grades"]
    assert set(grades["term"]) == {f"{year}VT"}
    own = grades[grades["student_id"] == students["student_id"][0]]
    assert dict(zip(own["subject"], own["grade"], strict=True)) == expected(pupil(year), year)


def expected(row, year):
    meaning = layout_of(year).codes
    columns = layout_of(year).grade_column.items()
    return {subject: meaning.get(row[column], row[column]) for column, subject in columns if row[column]}


def test_columns_of_a_header_may_stand_in_any_order_and_some_be_away(tmp_path):
    columns = [c for c in reversed(layout_of(9).columns) if c not in ("System", "Ovr", "Klass", "Tn")]
    renamed = {"PersonNr": "Personnummer", "Fornamn": "Förnamn", "M2_betyg": "M2 betyg", "Ma": "MATEMATIK "}
    rows = pupils()
    lines = [";".join(renamed.get(c, c) for c in columns), *(";".join(row[c] for c in columns) for row in rows)]
    found = read(tmp_path, "\n".join(lines) + "\n")
    assert found.report.read == 5
    assert set(found.tables["grades"].query("subject == 'MA'")["grade"]) == {"A"}
    assert any("TN" in text for text in found.report.missing)


@pytest.mark.parametrize(
    ("code", "meaning"), [("2", "not_graded"), ("3", "adapted"), ("9", "-"), ("Y", "no_grades"), ("Z", "not_taught")]
)
def test_codes_are_kept_as_what_they_mean(tmp_path, code, meaning):
    found = read(tmp_path, pupils(1, 6, Mu=code), 6)
    assert found.tables["grades"].query("subject == 'MU'")["grade"].tolist() == [meaning]


def test_codes_of_year_6_are_unknown_in_year_9(tmp_path):
    found = read(tmp_path, [*pupils(4), pupil(9, identity_number(9, "boy"), Mu="Z")])
    assert found.report.rejected == ((5, "Mu: unknown grade 'Z'"),)


@pytest.mark.parametrize(
    ("year", "cells", "what"),
    [
        (6, {"No": "C"}, "a block grade in NO and grades in its subjects BI, FY, KE"),
        (6, {"So": "9"}, "a block grade in SO and grades"),
        (6, {"No": "2", "Bi": "2", "Fy": "2", "Ke": "2"}, "neither NO nor its subjects"),
        (9, {"Sva": "C"}, "both SV and SVA are graded"),
        (9, {"Sv": "2", "Sva": "2"}, "neither SV and SVA is graded"),
        (9, {"M2_sprak": "FR"}, "a language but no grade in M2"),
        (9, {"ML_betyg": "C"}, "a grade in ML but no language"),
        (6, {"Modm_anm": "AR"}, "a language but no grade in ML"),
        (9, {"Ma": "2"}, "code 2 (not graded in a non-compulsory subject) in MA"),
        (9, {"Ma": ""}, "neither grade nor code"),
    ],
)
def test_what_breaks_a_rule_is_remarked_with_its_row_and_stays(tmp_path, year, cells, what):
    found = read(tmp_path, [*pupils(4, year), pupil(year, identity_number(9, "boy"), **cells)], year)
    (remark,) = remarks(found)
    assert what in remark.what
    assert remark.rows.tolist() == [5]
    assert found.report.read == 5


def test_a_block_grade_with_code_2_in_its_subjects_is_right(tmp_path):
    block = {"No": "C", "Bi": "2", "Fy": "2", "Ke": "2", "M1_sprak": "2", "M1_betyg": "2"}
    assert not read(tmp_path, pupils(5, 6, **block), 6).report.findings


def test_faulty_rows_are_rejected_with_row_number_and_reason(tmp_path):
    rows = pupils(9)
    rows[1]["PersonNr"] = "20021345"
    rows[2]["PersonNr"] = "200213012384"
    rows[3]["Datum"] = "igår"
    rows[4]["Datum"] = "19990615"
    rows[5]["Mu"] = "Hemlighetsson"
    rows[6]["Fornamn"] = "Zäta;Qvintus"
    found = read(tmp_path, rows)
    reasons = dict(found.report.rejected)
    assert list(reasons) == [2, 3, 4, 5, 6, 7]
    assert "12 digits" in reasons[2]
    assert "date in the identity number" in reasons[3]
    assert reasons[4] == "Datum: no date"
    assert "no layout is known" in reasons[5]
    assert reasons[6] == "Mu: a cell that is not a grade"
    assert "cells than the layout" in reasons[7]
    assert found.report.read == 3


def test_row_numbers_count_the_header_and_empty_lines(tmp_path):
    rows = pupils(3)
    rows[2]["Mu"] = "Q"
    text = as_text(rows, header=True)
    lines = text.splitlines()
    found = read(tmp_path, "\n".join([lines[0], "", *lines[1:], ";" * 32, ""]))
    assert [row for row, _ in found.report.rejected] == [5]
    assert found.report.rows == 3


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_trailing_spaces_lower_case_and_trailing_delimiters(tmp_path, end):
    rows = pupils(5, Ma="a ", Skolenhetskod="12345678  ")
    found = read(tmp_path, as_text(rows, end=f";{end}"))
    assert found.report.read == 5
    assert not found.report.findings
    assert set(found.tables["students"]["school_id"]) == {"12345678"}
    assert any("spaces around" in text for text in found.report.assumed)


def test_quoted_cells_are_understood_and_an_open_quote_costs_its_row_only(tmp_path):
    rows = pupils(5)
    lines = [";".join(f'"{row[column]}"' for column in layout_of(9).columns) for row in rows]
    lines[2] = lines[2].replace(f'"{FIRST_NAMES[0]}"', f'"{FIRST_NAMES[0]}')
    found = read(tmp_path, "\n".join(lines) + "\n")
    assert [row for row, _ in found.report.rejected] == [3]
    stray = pupils(5)
    stray[1]["Fornamn"] = 'Zä"ta'
    assert read(tmp_path, stray).report.read == 5


def test_the_same_pupil_twice(tmp_path):
    rows = pupils(4)
    other = rows[1] | {"Ma": "F"}
    found = read(tmp_path, [*rows, rows[0] | {"Klass": "9C"}, other])
    reasons = dict(found.report.rejected)
    assert list(reasons) == [2, 5, 6]
    assert "repeats" in reasons[5]
    assert "other grades" in reasons[2]
    assert reasons[2] == reasons[6]


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("PersonNr", "Fornamn", "PersonNr (column 4)"),
        ("Datum", "Klass", "Datum (column 2)"),
        ("Skolenhetskod", "Klass", "Skolenhetskod (column 5)"),
        ("M2_sprak", "M2_betyg", "M2_betyg (column 17)"),
        ("Efternamn", "Bl", "Bl (column 9)"),
    ],
)
def test_swapped_columns_are_noticed(tmp_path, one, other, told):
    rows = pupils(8, M2_sprak="FR", M2_betyg="C")
    found = read(tmp_path, [row | {one: row[other], other: row[one]} for row in rows])
    assert not found.tables
    assert told in [finding.column for finding in found.report.findings]
    assert found.report.rows == 8


def test_tf_numbers_protected_identities_and_unfitting_check_digits(tmp_path):
    rows = pupils(4)
    rows[0]["PersonNr"] = "20020312TF07"
    rows[1] |= {"Fornamn": "", "Efternamn": " "}
    rows[2]["Efternamn"] = "Skyddad identitet"
    last = int(rows[3]["PersonNr"][-1])
    rows[3]["PersonNr"] = rows[3]["PersonNr"][:-1] + str((last + 1) % 10)
    found = read(tmp_path, rows)
    assert found.report.read == 4
    assert found.tables["students"]["sex"].isna().tolist() == [True, False, False, False]
    assert found.tables["students"]["birth_year"].tolist() == [2002] * 4
    assert any(text.startswith("1 TF-numbers") for text in found.report.assumed)
    assert any(text.startswith("2 pupils without a name") for text in found.report.assumed)
    assert [finding.rows.tolist() for finding in remarks(found)] == [[4]]


def test_dates_after_the_summer_are_of_the_spring_before(tmp_path):
    found = read(tmp_path, pupils(2, Datum="2018-09-03"))
    assert found.tables["students"]["cohort"].tolist() == [2018, 2018]
    assert any("spring before" in text for text in found.report.assumed)


def test_blocks_do_not_show(tmp_path, monkeypatch):
    rows = pupils(60)
    rows[50]["Mu"] = "Q"
    whole = read(tmp_path, rows, end="\r\n")
    monkeypatch.setattr("nbanalytics.municipal.scb_layouts.BLOCK", 257)
    blocks = read(tmp_path, rows, end="\r\n")
    assert whole.report.rejected == blocks.report.rejected == ((51, "Mu: unknown grade 'Q'"),)
    for name in ("students", "grades"):
        left, right = (found.tables[name].astype(str) for found in (whole, blocks))
        assert left.equals(right)


def test_a_later_layout_is_one_more_table_of_data():
    from importlib.resources import files

    text = files("nbanalytics.municipal").joinpath("scb_layouts.toml").read_text(encoding="utf-8")
    more = '\n[[layout]]\nname = "year 9, new"\nyear = 9\nfirst_cohort = 2032\nlast_cohort = 2040\n'
    more += (
        'columns = ["PersonNr", "Datum", "Ma"]\ngrades = ["1", "10"]\ncodes = {}\n[layout.grade_column]\nMa = "MA"\n'
    )
    found, _ = parse_layouts(text + more)
    assert [len(layout.columns) for layout in found] == [33, 35, 3]
    assert found[2].values == ("", "1", "10")


def test_another_number_of_columns_is_told(tmp_path):
    row = as_text(pupils(1)).rstrip("\n") + ";;;"
    found = read(tmp_path, f"{row}\n{row}\n")
    assert "36 cells and no header" in found.report.findings[0].what


# ------------------------------------------------------------------ fuzz

VALID = as_text(pupils(6)).encode()


def survives(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("fuzz") / "file.txt"
    file.write_bytes(data)
    for found in (*read_files([file], KEY), read_scb(file, key=KEY)):
        checked(found)


@settings(max_examples=examples(30))
@given(st.binary(max_size=2000))
def test_random_bytes(tmp_path_factory, data):
    survives(tmp_path_factory, data)


@settings(max_examples=examples(40))
@given(st.integers(0, len(VALID)), st.integers(0, len(VALID)), st.binary(max_size=40))
def test_truncated_files_and_files_with_bytes_put_in(tmp_path_factory, end, place, data):
    survives(tmp_path_factory, VALID[:end])
    survives(tmp_path_factory, VALID[:place] + data + VALID[place:])


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 5000, VALID + b"\0", b";" * 1_000_000 + b"\n" + VALID, b"\xff\xfe" + VALID, b'"' * 999, b"\n" * 99],
)
def test_files_that_are_none(tmp_path_factory, data):
    survives(tmp_path_factory, data)
