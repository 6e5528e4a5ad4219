"""No workbook can end, fill or hold up the process that reads it: another one opens it, within limits."""

import io
import os
import struct
import subprocess
import sys
import zipfile

import openpyxl
import pytest
from typer.testing import CliRunner
from workbooks import xls, xlsx

from nbanalytics.cli import app
from nbanalytics.errors import DataError
from nbanalytics.readers import check_records, read_records, workbook
from nbanalytics.readers.findings import UnreadableError
from nbanalytics.readers.workbook import read_sheets, sheet_names

STUDENTS = [["student_id", "cohort"], ["P1", 2018]]
GRADES = [["student_id", "term", "MA"], ["P1", "6VT", "E"], ["P1", "9VT", "C"]]
limited = pytest.mark.skipif(sys.platform != "linux", reason="only there memory is limited reliably")


def rewritten(part, change, rows=STUDENTS):
    """An .xlsx with one part changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx(rows))) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == part else old.read(name))
    return out.getvalue()


def far(cell):
    """A sheet whose one cell more stands at the end of what Excel has, written as XML allows."""
    return rewritten(
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace(b"</sheetData>", b"<row " + cell + b"<v>1</v></c></row></sheetData>"),
    )


def entities(xml):
    """A billion laughs (CVE-2003-1564) in the shared strings."""
    named = [b'<!ENTITY a0 "' + b"x" * 1000 + b'">']
    named += [b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)]
    return b"<?xml version='1.0'?><!DOCTYPE x [" + b"".join(named) + b"]><styleSheet>&a9;</styleSheet>"


BOMBS = {
    "double quotes": far(b'r="1048576"><c r="XFD1048576">'),
    "single quotes": far(b"r='1048576'><c r='XFD1048576'>"),
    "spaces around the equals sign": far(b'r = "1048576"><c r = "XFD1048576">'),
    "a greater-than sign in an attribute": far(b'r="1048576" x=">"><c x=">" r="XFD1048576">'),
    "another prefix and line breaks": far(b'\nr\n=\n"1048576"\n><c\nr="XFD1048576"\n>'),
    "a part of zeros": rewritten("xl/worksheets/sheet1.xml", lambda xml: xml + b" " * 900_000_000),
    "a billion laughs": rewritten("xl/styles.xml", entities),
    "a row beyond all numbers": far(b'r="99999999999999999999"><c r="A99999999999999999999">'),
    "a text repeated without end": rewritten(
        "xl/sharedStrings.xml",
        lambda xml: xml.replace(b"student_id", b"x" * 20_000_000),
        [["student_id", "cohort"], *[["student_id", 2018]] * 100],
    ),
    "an old one without end": xls(STUDENTS).replace(struct.pack("<HHH", 1, 1, 0), struct.pack("<HHH", 65_535, 255, 0)),
    "an old one in a circle": xls(STUDENTS)[:512] + struct.pack("<128I", *range(128)) + xls(STUDENTS)[1024:],
    "an old one of rubbish": bytes.fromhex("d0cf11e0a1b11ae1") + b"\xff" * 5_000,
    "no archive": b"PK\x03\x04" + b"\xff" * 5_000,
}
SMALL = [what for what in BOMBS if "part of zeros" not in what]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of records for a workbook, read by a process with less memory so that it is soon full."""
    monkeypatch.setattr(workbook, "MOST_MEMORY", 700_000_000)
    monkeypatch.setattr(workbook, "MOST_SECONDS", 20)
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "grades.xlsx").write_bytes(xlsx(GRADES))
    return tmp_path / "records"


@limited
@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_is_refused_in_words_and_the_next_workbook_is_read(folder, what):
    bomb = BOMBS[what]
    assert len(bomb) < 2_000_000
    (folder / "students.xlsx").write_bytes(bomb)
    report = check_records(folder)
    assert report.exit_code in (1, 2)
    if "old one without end" not in what:
        assert any(finding.weight == "fatal" and finding.remedy for finding in report.findings)
    (folder / "students.xlsx").write_bytes(xlsx(STUDENTS))
    assert len(read_records(folder).grades) == 2


@limited
@pytest.mark.parametrize(
    "what", ["single quotes", "spaces around the equals sign", "a greater-than sign in an attribute"]
)
def test_the_commands_survive_a_kilobyte_that_asked_for_all_memory(folder, what):
    assert len(BOMBS[what]) < 6_000
    (folder / "students.xlsx").write_bytes(BOMBS[what])
    for line in (["check", folder], ["check", folder / "students.xlsx"], ["cohorts", folder]):
        done = CliRunner().invoke(app, [str(word) for word in line])
        assert done.exit_code in (1, 2), done.output
        assert isinstance(done.exception, SystemExit | DataError)
    done = CliRunner().invoke(app, ["import", str(folder / "students.xlsx"), "--key", "key", "--out", "out"])
    assert isinstance(done.exception, DataError)


@limited
def test_a_workbook_that_takes_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_SECONDS", 1)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for _ in range(4_000):
        sheet.append(["x"] * 40)
    path = tmp_path / "slow.xlsx"
    book.save(path)
    monkeypatch.setattr(workbook, "_WAITING", 0.02)
    with pytest.raises(UnreadableError, match="cannot be opened with"):
        read_sheets(path)


def test_one_process_opens_all_workbooks_of_a_folder(tmp_path, monkeypatch):
    started = []
    real = subprocess.Popen
    monkeypatch.setattr(workbook.subprocess, "Popen", lambda *a, **k: started.append(a) or real(*a, **k))
    workbook._child.end()
    for number in range(10):
        (tmp_path / f"{number}.xlsx").write_bytes(xlsx([[f"a{number}"]]))
    found = [read_sheets(tmp_path / f"{number}.xlsx")[0].rows for number in range(10)]
    assert found == [[[f"a{number}"]] for number in range(10)]
    assert len(started) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process is split here")
def test_a_forked_process_asks_a_process_of_its_own(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.xlsx").write_bytes(xlsx([[name]]))
    assert read_sheets(tmp_path / "a.xlsx")[0].rows == [["a"]]
    before = workbook._child._process.pid
    pid = os.fork()
    if pid == 0:
        right = read_sheets(tmp_path / "b.xlsx")[0].rows == [["b"]] and workbook._child._process.pid != before
        workbook._child._process.kill()
        os._exit(0 if right else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert read_sheets(tmp_path / "a.xlsx")[0].rows == [["a"]]
    assert workbook._child._process.pid == before


def test_a_process_that_has_ended_is_started_anew(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(xlsx([["a"]]))
    for _ in range(2):
        assert sheet_names(tmp_path / "a.xlsx") == ["Sheet"]
        workbook._child._process.kill()
        workbook._child._process.wait()


def test_what_a_workbook_shows_is_read_however_its_xml_is_written(tmp_path):
    """Per cent, formulas and errors in the forms that XML allows, which a search for text would miss."""
    plain = xlsx([["a", "b"], [0.125, 3]], percent={(1, 0)})
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(plain)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            xml = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                xml = xml.replace(b'"', b"'").replace(b"r='", b"r = '").replace(b"<c ", b"<c x='>' ")
                xml = xml.replace(
                    b"</row></sheetData>", b"<c r='C2'><f>A2</f></c><c r='D2' t='e'><v>#N/A</v></c></row></sheetData>"
                )
            new.writestr(name, xml)
    (tmp_path / "a.xlsx").write_bytes(out.getvalue())
    (sheet,) = read_sheets(tmp_path / "a.xlsx")
    assert sheet.percent == [(1, 0, 0.125)]
    assert sheet.formulas == {(1, 2)}
    assert sheet.unvalued == 1
    assert sheet.rows[1] == ["0.125", "3", "", "#N/A"]
