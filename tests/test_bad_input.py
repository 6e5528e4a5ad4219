"""Whatever stands in the files, a person gets a report or one message: no traceback, nothing half-written."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import openpyxl
import pandas as pd
import pytest
from examples import examples
from hypothesis import given, settings

from nbanalytics.errors import DataError, NbanalyticsError
from nbanalytics.readers import check_records, open_records, read_records, scan_records

STUDENTS = b"student_id,cohort,sex\nP1,2018,girl\nP2,2018,boy\n"
GRADES = b"student_id,term,subject,grade\nP1,6VT,SV,C\nP1,9VT,SV,C\nP2,6VT,SV,B\nP2,9VT,SV,A\n"


def as_parquet(content: bytes) -> bytes:
    out = io.BytesIO()
    pd.read_csv(io.BytesIO(content), dtype={"student_id": "str"}).to_parquet(out, index=False)
    return out.getvalue()


def as_excel(content: bytes) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    for line in content.decode().splitlines():
        book.active.append(line.split(","))
    book.save(out)
    return out.getvalue()


FORMS: dict[str, Callable[[bytes], bytes]] = {".csv": bytes, ".parquet": as_parquet, ".xlsx": as_excel}


def everything(path: Path) -> list[str]:
    """Run every way to read a folder; returns what was said, and lets no other error than ours pass."""
    said = []
    with contextlib.suppress(NbanalyticsError):
        report = check_records(path)
        said += [report.text(), report.as_json()]
        for file in report.files:
            assert file.read + file.n_rejected == file.rows
            assert file.read >= 0
    for read in (open_records, scan_records, lambda path: read_records(path, on_fault="reject")):
        try:
            read(path)
        except NbanalyticsError as error:
            said.append(str(error))
    return said


# ------------------------------------------------------------------ the folder


def test_the_folder_is_missing_or_a_file_or_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no folder .*nowhere\. Check the path"):
        read_records(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"is empty\. Put at least students.csv and grades.csv there"):
        check_records(tmp_path)
    (tmp_path / "grades.csv").write_bytes(GRADES)
    with pytest.raises(DataError, match="is a file"):
        read_records(tmp_path / "grades.csv")
    with pytest.raises(DataError, match=r"the table students is missing\. Add students\.csv"):
        read_records(tmp_path)
    (tmp_path / "Grades.parquet").write_bytes(as_parquet(GRADES))
    with pytest.raises(DataError, match="the table grades is here twice"):
        read_records(tmp_path)


def test_every_fault_of_every_file_is_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "students.csv").write_bytes(STUDENTS + b"P2,2018,girl\n")
    (tmp_path / "grades.csv").write_bytes(GRADES + b"P7,6VT,SV,H\n")
    (tmp_path / "absence.csv").write_bytes(b"\x00\x01")
    (tmp_path / "tests.xlsx").write_bytes(b"PK")
    (tmp_path / "support.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError) as error:
        read_records(tmp_path)
    message = str(error.value)
    assert "cannot be used: 6 faults." in message
    for file in ("students.csv", "grades.csv", "absence.csv", "tests.xlsx", "support.parquet"):
        assert f"\n{file}\n" in message
    assert "this is not a text file" in message
    assert "this is not an Excel workbook, or a damaged one" in message
    assert "this is not a Parquet file, or a damaged one" in message


def test_a_folder_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "students.csv").write_bytes(STUDENTS)
    (tmp_path / "grades.csv").write_bytes(GRADES)

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"the file cannot be opened \(Permission denied\)"):
        read_records(tmp_path)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match=r"cannot be opened \(Permission denied\)"):
        read_records(tmp_path)


# ------------------------------------------------------------------ the files


@pytest.mark.parametrize("suffix", FORMS)
@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"PK\x03\x04", b"PAR1" * 3]
)
def test_what_is_no_table(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / "students.csv").write_bytes(STUDENTS)
    (tmp_path / f"grades{suffix}").write_bytes(content)
    said = everything(tmp_path)
    assert len(said) == 5
    assert sorted(os.listdir(tmp_path)) == sorted(["students.csv", f"grades{suffix}"])


@settings(max_examples=examples(40))
@given(
    suffix=st.sampled_from(sorted(FORMS)),
    cut=st.floats(0, 1),
    bytes_=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), max_size=4),
    table=st.sampled_from(["students", "grades"]),
)
def test_damaged_files(suffix: str, cut: float, bytes_: list[tuple[float, bytes]], table: str) -> None:
    content = bytearray(FORMS[suffix](STUDENTS if table == "students" else GRADES))
    for place, new in bytes_:
        start = int(place * len(content))
        content[start : start + len(new)] = new
    del content[int((1 - cut / 2) * len(content)) :]
    with tempfile.TemporaryDirectory() as where:
        (Path(where) / "students.csv").write_bytes(STUDENTS)
        (Path(where) / "grades.csv").write_bytes(GRADES)
        (Path(where) / f"{table}.csv").unlink()
        (Path(where) / f"{table}{suffix}").write_bytes(content)
        everything(Path(where))


@settings(max_examples=examples(40))
@given(content=st.one_of(st.binary(max_size=200), st.text(st.sampled_from('a1;,"\n\r\t| \x00\ufeffé'), max_size=80)))
def test_random_bytes(content: bytes | str) -> None:
    raw = content if isinstance(content, bytes) else content.encode()
    with tempfile.TemporaryDirectory() as where:
        (Path(where) / "students.csv").write_bytes(raw)
        (Path(where) / "grades.csv").write_bytes(b"student_id,term,subject,grade\n" + raw)
        (Path(where) / "records.toml").write_bytes(raw[:40])
        everything(Path(where))


# ------------------------------------------------------------------ bounds


def calls_of(function: Callable[[], object]) -> int:
    """Count the calls that Python makes: how much is done, on any machine and however busy it is."""
    counted = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return counted


def test_a_million_columns_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "students.csv").write_bytes(STUDENTS)
    (tmp_path / "grades.csv").write_bytes(b"a," * 1_000_000 + b"a\n" + b"1," * 1_000_000 + b"1\n")

    def refused() -> None:
        with pytest.raises(DataError, match="the first row has 1,000,001 cells"):
            read_records(tmp_path)

    assert calls_of(refused) < 10 * 1_000_001  # a few for each cell of the first row


def test_a_column_of_something_else_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "students.csv").write_bytes(STUDENTS)
    rows = "\n".join(f"P1,6VT,Namn{number},{number}" for number in range(30_000))
    (tmp_path / "grades.csv").write_text(f"student_id,term,subject,grade\n{rows}\n")
    told: list[str] = []

    def refused() -> None:
        with pytest.raises(DataError) as error:
            read_records(tmp_path)
        told.append(str(error.value))

    assert calls_of(refused) < 60 * 30_000
    assert "column subject: many cells that are not a subject (30,000 rows: 2, 3, 4, 5, 6, …)" in told[0]
    assert "column grade: many cells that are not grades (30,000 rows" not in told[0]
    assert len(told[0]) < 3000


def test_a_lone_wide_or_deep_cell(tmp_path: Path) -> None:
    (tmp_path / "students.csv").write_bytes(STUDENTS + b"x" * 5_000_000 + b",2018,girl\n")
    (tmp_path / "grades.csv").write_bytes(GRADES + b"P1,6VT,MA," + b"A" * 5_000_000 + b"\n")
    said = everything(tmp_path)
    assert all(len(text) < 5000 for text in said)
