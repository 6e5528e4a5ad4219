"""What stands in a file is text: it steers no terminal, computes in no spreadsheet, and is nobody's identity number."""

import ast
import json
import re
from pathlib import Path

import duckdb
import openpyxl
import pandas as pd
import polars as pl
import pytest
from releases import released
from typer.testing import CliRunner

import nbanalytics
from nbanalytics import cli
from nbanalytics.cli import app
from nbanalytics.commands import terminal
from nbanalytics.errors import DataError, NbanalyticsError, ReleaseError, has_control, visible
from nbanalytics.export import export
from nbanalytics.municipal.ss12000_students import read_entities
from nbanalytics.readers import check_records, read_records, scan_records, write_records
from nbanalytics.readers.grid import read_grids
from nbanalytics.records import StudentRecords, refuse_identity_numbers
from nbanalytics.toml_files import read_toml

runner = CliRunner()
STEERING = ["\x1b[2J", "\x9b2J", "\u202eabc", "\u2066a", "\x7f", "\x07", "\u2028", "a\x0bb"]
FORMULAS = ["=1+1", "+46", "-1", "@SUM(A1)", "\uff1d1"]


def frames(student="P1", school="S1"):
    students = pd.DataFrame({"student_id": [student, "P2"], "cohort": 2018, "school_id": [school, "S2"]})
    rows = [(one, term, "MA", "E") for one in (student, "P2") for term in ("6VT", "9VT")]
    return students, pd.DataFrame(rows, columns=["student_id", "term", "subject", "grade"])


def as_csv(frame, path):
    frame.to_csv(path.with_suffix(".csv"), index=False)


def as_excel(frame, path):
    book = openpyxl.Workbook()
    for number, row in enumerate([list(frame.columns), *frame.values.tolist()], start=1):
        for place, value in enumerate(row, start=1):
            cell = book.active.cell(number, place, value)
            cell.data_type = "s" if isinstance(value, str) else "n"
    book.save(path.with_suffix(".xlsx"))


def as_parquet(frame, path):
    frame.to_parquet(path.with_suffix(".parquet"))


def as_wide_parquet(frame, path):
    """What is not scanned but read."""
    if "grade" in frame:
        frame = frame.pivot(index=["student_id", "term"], columns="subject", values="grade").reset_index()
    as_parquet(frame, path)


WRITERS = [as_csv, as_excel, as_parquet, as_wide_parquet]


def written(folder, write, **cells):
    folder.mkdir(exist_ok=True)
    for name, frame in zip(("students", "grades"), frames(**cells), strict=True):
        write(frame, folder / name)
    return folder


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("sign", STEERING)
@pytest.mark.parametrize("column", ["student", "school"])
def test_a_cell_that_could_steer_a_terminal_is_refused_in_every_kind_of_file(tmp_path, write, sign, column):
    try:
        folder = written(tmp_path, write, **{column: f"A{sign}B"})
    except openpyxl.utils.exceptions.IllegalCharacterError:
        pytest.skip("Excel cannot hold it")
    report = check_records(folder)
    assert report.exit_code != 0
    assert "control character" in report.text() or "not a text file" in report.text()
    with pytest.raises(DataError):
        read_records(folder)


@pytest.mark.parametrize("write", [as_csv, as_parquet])
@pytest.mark.parametrize("command", ["check", "cohorts", "handover", "workbook", "release"])
def test_no_command_shows_such_a_cell(tmp_path, write, command):
    folder = written(tmp_path / "records", write, student="A\x9b2JB")
    out = [] if command in ("check", "cohorts") else ["--out", str(tmp_path / "made.xlsx")]
    done = runner.invoke(app, [command, str(folder), *out])
    assert done.exit_code != 0
    assert done.exception is None or isinstance(done.exception, SystemExit | NbanalyticsError)
    assert not has_control(f"{done.output}{done.exception}")
    assert not (tmp_path / "made.xlsx").exists()


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("column", ["student", "school"])
def test_an_identifier_that_begins_like_a_formula_is_refused(tmp_path, write, formula, column):
    folder = written(tmp_path, write, **{column: formula})
    assert "begins like a formula (1 row: 2)" in check_records(folder).text()
    with pytest.raises(DataError, match="begins like a formula"):
        read_records(folder)
    if write is as_parquet:
        with pytest.raises(DataError, match="begins like a formula"):
            scan_records(folder)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("plain", ["å-1", "7b3f", "K+1", "a@b", "Ö"])
def test_other_identifiers_are_read(tmp_path, write, plain):
    folder = written(tmp_path, write, student=plain, school=plain)
    assert set(read_records(folder).students["student_id"]) == {plain, "P2"}


@pytest.mark.parametrize("sign", STEERING)
def test_a_declaration_a_list_and_a_service_are_no_way_in_for_them(tmp_path, sign):
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in sign)
    (tmp_path / "policy.toml").write_text(f'[subject.DA]\nsv = "Dans{escaped}"\n', encoding="utf-8")
    with pytest.raises(DataError, match="control character"):
        read_toml(tmp_path / "policy.toml")
    (tmp_path / "list.csv").write_text(f"Elev;Skola\nP1;A{sign}B\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"control character in row 2|not a text file"):
        read_grids(tmp_path / "list.csv", lambda row: 0)
    person = {"id": "1", "givenName": "x", "civicNo": f"2{sign}"}
    (tmp_path / "page.json").write_text(json.dumps({"data": [person]}), encoding="utf-8")
    assert not any(
        has_control(entity.text("civicNo")) for entity in read_entities(tmp_path / "page.json").by_kind["Person"]
    )


DECLARED = {
    "term": '[terms]\norder = ["{}", "2"]',
    "subject": '[subject."{}"]\nsv = "Dans"',
    "name of a subject": '[subject.DA]\nsv = "{}"',
}


@pytest.mark.parametrize("where", DECLARED)
@pytest.mark.parametrize("word", [*STEERING, *FORMULAS])
def test_a_declaration_names_nothing_that_steers_a_terminal_or_computes(tmp_path, where, word):
    for name, frame in zip(("students", "grades"), frames(), strict=True):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    written = "".join(f"\\U{ord(letter):08x}" for letter in word)
    (tmp_path / "records.toml").write_text(DECLARED[where].format(written), encoding="utf-8")
    done = runner.invoke(app, ["check", str(tmp_path)])
    assert done.exit_code == 2
    assert "a control character" in done.stdout or "begins like a formula" in done.stdout
    assert not has_control(done.stdout)
    with pytest.raises(DataError):
        read_records(tmp_path)


@pytest.mark.parametrize("sign", [*STEERING, "\u200b", "\u200f", "\r", "\udcff", "\U000e0041", "\x00"])
def test_every_line_on_the_terminal_shows_them_as_escapes(sign, capsys):
    for say in (terminal.show, terminal.tell):
        say(f"Ek{sign}skolan\tB\n")
        out, err = capsys.readouterr()
        assert sign not in out + err
        assert f"\\u{ord(sign.strip('ab')[0]):04x}" in out + err
        assert "\tB\n" in out + err
    assert sign not in str(DataError(f"a{sign}b"))
    assert sign not in visible(sign)
    assert (
        json.loads(f'"{visible(sign)}"').encode("utf-16", "surrogatepass") == sign.encode("utf-16", "surrogatepass")
        or ord(sign) > 0xFFFF
    )


def test_nothing_is_written_to_a_terminal_but_through_those_two():
    home = Path(nbanalytics.__file__).parent
    speaking = {"typer.echo", "click.echo", "typer.secho", "print", "sys.stdout.write", "sys.stderr.write"}
    found = [
        str(path.relative_to(home))
        for path in home.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in speaking
    ]
    assert set(found) <= {"commands/terminal.py", "serve/__init__.py"}  # a server tells its own address


def test_a_fault_that_nobody_foresaw_shows_no_cell(monkeypatch, capsys):
    def broken():
        raise KeyError("Anna Andersson 20020312-2384")

    monkeypatch.delenv("NBANALYTICS_TRACEBACK", raising=False)
    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = "".join(capsys.readouterr())
    assert ended.value.code == 1
    assert re.search(r"KeyError in nbanalytics\.cli:\d+", said)
    assert "Anna" not in said
    assert "2384" not in said


# ------------------------------------------------------------------ identity numbers

NUMBERS = ["20020312-2384", "200203122384", "0203122384", "020312-2384", "020312+2384", "20020372-2386", "020312TF01"]
PSEUDONYMS = ["P1", "0213122384", "0203992384", "3f2a0203122384", "2002031", "S0203122384", "02031223841"]
ENGINES = [
    lambda frame: frame,
    lambda frame: pl.from_pandas(frame),
    lambda frame: pl.from_pandas(frame).lazy(),
    lambda frame: duckdb.sql("SELECT * FROM frame"),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_identity_numbers_are_known_in_every_dataframe(engine):
    for number in NUMBERS:
        with pytest.raises(DataError, match=r"1 student has .* pseudonym") as raised:
            refuse_identity_numbers(StudentRecords(*map(engine, frames(number))))
        assert number not in str(raised.value)
    for pseudonym in PSEUDONYMS:
        refuse_identity_numbers(StudentRecords(*map(engine, frames(pseudonym))))


def test_identity_numbers_that_are_whole_numbers_are_known():
    students, grades = frames()
    with pytest.raises(DataError, match="2 students have"):
        refuse_identity_numbers(StudentRecords(students.assign(student_id=[200203122384, 200203122392]), grades))


@pytest.mark.parametrize("format", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("command", "out"), [("release", "made"), ("handover", "list.xlsx"), ("workbook", "book.xlsx")]
)
def test_nothing_is_made_of_identity_numbers(tmp_path, karlskoga, format, command, out):
    first = karlskoga.students["student_id"].iloc[0]
    tables = {
        name: table.assign(student_id=table["student_id"].replace(first, NUMBERS[0]))
        for name, table in karlskoga.tables().items()
        if "student_id" in table
    }
    write_records(StudentRecords(**tables, declaration=karlskoga.declaration), tmp_path / "records", format)
    assert check_records(tmp_path / "records").exit_code == 1
    done = runner.invoke(app, [command, str(tmp_path / "records"), "--out", str(tmp_path / out)])
    assert isinstance(done.exception, DataError)
    assert "pseudonym" in str(done.exception)
    assert NUMBERS[0] not in f"{done.output}{done.exception}"
    assert not (tmp_path / out).exists()


def test_a_release_with_identity_numbers_is_not_exported(tmp_path):
    def name_a_school_so(manifest, tables):
        for table in tables.values():
            table["school"] = table["school"].replace({table["school"].max(): NUMBERS[0]})

    with pytest.raises(ReleaseError, match="identity number"):
        export(released(tmp_path / "release", name_a_school_so), tmp_path / "site")
    assert not (tmp_path / "site").exists()
