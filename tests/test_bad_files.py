"""Whatever stands in a municipality's files: reports or one message, every row counted, nobody named, in bounds."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hypothesis.strategies as st
import openpyxl
import pandas as pd
import pytest
from examples import examples
from hypothesis import given, settings
from municipal_files import (
    FIRST_NAMES,
    LAST_NAMES,
    absence_rows,
    as_text,
    identity_number,
    pupil,
    statistics_rows,
)
from workbooks import xls, xlsx

from nbanalytics.errors import NbanalyticsError
from nbanalytics.municipal.baseline_form import write_template
from nbanalytics.municipal.import_files import as_json, check_paths, import_files, suggested, write_rejected
from nbanalytics.readers import workbook

NUMBERS = [identity_number(place, ("girl", "boy")[place % 2]) for place in range(6)]
#: An organisation number of Skolverket's exports can be a person's.
OWNER = "640101-1234"


def text_of(rows: list[list[object]]) -> str:
    return "\r\n".join(";".join("" if cell is None else str(cell) for cell in row) for row in rows)


@cache
def files() -> dict[str, bytes]:
    """One good file of each kind, by a name that does not tell what it is."""
    pupils = [pupil(9, number, Efternamn=LAST_NAMES[place % 4]) for place, number in enumerate(NUMBERS)]
    six = [pupil(6, number, Fornamn=FIRST_NAMES[place % 4]) for place, number in enumerate(NUMBERS)]
    absences, _ = absence_rows([(number, "7A", 12.5, 3.0) for number in NUMBERS], "HT 2017")
    statistics = statistics_rows([("12345678", "0180", "2017/18", "all", "passed_all", 84.5)])
    statistics = [[*row, OWNER if "12345678" in row else None] for row in statistics]
    persons = [
        {"id": "a", "givenName": FIRST_NAMES[1], "familyName": LAST_NAMES[1], "civicNo": {"value": NUMBERS[0]}},
        {"student": {"id": "a", "displayName": FIRST_NAMES[1]}, "gradeValue": "C", "subjectCode": "MA"}
        | {"schoolYear": 9, "semester": "VT", "year": 2018},
    ]
    return {
        "nine": as_text(pupils).encode("cp1252"),
        "six": as_text(six, 6, header=True).encode("utf-8-sig"),
        "absence": text_of(absences).encode("utf-16"),
        "absence-xlsx": xlsx(absences),
        "absence-xls": xls(absences),
        "statistics": text_of(statistics).encode("utf-8-sig"),
        "statistics-xlsx": xlsx(statistics),
        "ss12000": json.dumps({"data": persons, "pageToken": None}).encode(),
        "form": form(),
    }


def form() -> bytes:
    """A baseline form with what people should not write into it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "form.xlsx"
        write_template(path, school="Ekskolan", rows=3)
        book = openpyxl.load_workbook(path)
        sheet = book["Formulär"]
        place = next(row[0].row for row in sheet.iter_rows() if str(row[0].value).startswith("Skola"))
        sheet.cell(place + 1, 3).value = NUMBERS[0]
        sheet.cell(place + 1, 5).value = f"{FIRST_NAMES[0]} {LAST_NAMES[0]}"
        book.save(path)
        return path.read_bytes()


def planted() -> Iterator[bytes]:
    """What may stand nowhere, in every way of writing it."""
    for number in NUMBERS:
        yield from (number.encode(), f"{number[:8]}-{number[8:]}".encode(), number[2:].encode())
        yield f"{number[2:8]}-{number[8:]}".encode()
    for name in (*FIRST_NAMES, *LAST_NAMES):
        yield from (name.encode(), name.encode("cp1252"), json.dumps(name)[1:-1].encode(), name.encode("utf-16-le"))
    yield OWNER.encode()


def everything_said(folder: Path, paths: list[Path]) -> Iterator[bytes]:
    """Check files in words, as JSON and as rejected rows, draft a mapping and import them; yield all that comes out."""
    reports = check_paths(paths)
    entries = json.loads(as_json(reports))
    for entry in entries:
        assert {"file", "format", "rows", "read", "rejected", "assumed", "missing"} <= set(entry)
        assert entry["rows"] == entry["read"] + len(entry["rejected"])
        assert all(set(one) == {"row", "reason"} for one in entry["rejected"])
    yield as_json(reports).encode()
    yield "".join(report.text() for report in reports).encode()
    assert {report.exit_code for report in reports} <= {0, 1, 2}
    write_rejected(reports, folder / "rejected.csv")
    yield (folder / "rejected.csv").read_bytes()
    for run in (
        lambda: suggested(paths),
        lambda: "\n".join(import_files(paths, folder / "key", folder / "out", None)),
    ):
        try:
            yield run().encode()
        except NbanalyticsError as error:
            yield str(error).encode()
    for file in sorted((folder / "out").rglob("*")) if (folder / "out").exists() else ():
        yield file.read_bytes()
        if file.suffix == ".parquet":
            yield pd.read_parquet(file).to_csv().encode()


def refuse_leaks(said: Iterator[bytes]) -> None:
    for output in said:
        assert not [word for word in planted() if word in output]


@contextlib.contextmanager
def scratch() -> Iterator[tuple[Path, Path]]:
    """Lend a folder for files and one that every temporary file goes to; nothing may be left in that."""
    with tempfile.TemporaryDirectory() as folder:
        own, temporary = Path(folder) / "own", Path(folder) / "temporary"
        own.mkdir()
        temporary.mkdir()
        old, tempfile.tempdir = tempfile.tempdir, str(temporary)
        try:
            yield own, temporary
        finally:
            tempfile.tempdir = old


def survive(contents: dict[str, bytes]) -> None:
    errors, out = io.StringIO(), io.StringIO()
    with scratch() as (folder, temporary):
        (folder / "files").mkdir()
        for name, content in contents.items():
            (folder / "files" / name).write_bytes(content)
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(out):
            refuse_leaks(everything_said(folder, sorted((folder / "files").iterdir())))
        assert not [path for path in temporary.rglob("*") if path.is_file()]
        left = {path.name for path in folder.iterdir()}
    assert left <= {"files", "rejected.csv", "key", "out"}
    assert not errors.getvalue()
    assert not out.getvalue()


# ------------------------------------------------------------------ fuzz


def test_good_files_are_read_and_name_nobody(tmp_path: Path) -> None:
    for name, content in files().items():
        survive({name: content})
        (tmp_path / name).write_bytes(content)
    survive(files())
    entries = json.loads(as_json(check_paths(sorted(tmp_path.iterdir()))))
    formats = {entry["file"]: entry["format"] for entry in entries if entry["rows"]}
    assert set(formats) == set(files())
    assert "unknown" not in formats.values()


@settings(max_examples=examples(60))
@given(st.data())
def test_damaged_files_are_counted_and_name_nobody(data: st.DataObject) -> None:
    content = files()[data.draw(st.sampled_from(sorted(files())))]
    cut = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(cut)))
        inserted = data.draw(st.binary(max_size=12) | st.sampled_from([b"\0", b'"', b";", b"\r", b"\xff\xfe", b"=1+1"]))
        cut = cut[:place] + inserted + cut[place + data.draw(st.integers(0, 12)) :]
    survive({"file": cut, "nine": files()["nine"]})


@settings(max_examples=examples(30))
@given(st.binary(max_size=400), st.sampled_from(["x.csv", "x.xlsx", "x.xls", "x.json", "x.txt"]))
def test_random_bytes(content: bytes, name: str) -> None:
    survive({name: content})


SWAPS = st.permutations(range(33))


@settings(max_examples=examples(25))
@given(SWAPS, st.booleans())
def test_columns_in_any_order_are_read_by_header_or_refused(order: list[int], header: bool) -> None:
    pupils = [pupil(9, number) for number in NUMBERS]
    lines = [line.split(";") for line in as_text(pupils, header=header).splitlines()]
    content = "\n".join(";".join(line[place] for place in order) for line in lines).encode()
    survive({"file": content})


# ------------------------------------------------------------------ bounds


def bomb() -> bytes:
    """A workbook of some 20 KB whose sheet unpacks to 20 MB."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(files()["absence-xlsx"])) as old, zipfile.ZipFile(out, "w", 8) as new:
        for part in old.namelist():
            new.writestr(part, old.read(part) + (b" " * 20_000_000 if part.endswith("sheet1.xml") else b""))
    return out.getvalue()


BAD = {
    "a million columns": lambda: b"a;" * 1_000_000 + b"\n" + b"1;" * 1_000_000,
    "a million columns and pupils": lambda: files()["nine"] + b";" * 1_000_000 + b"\n",
    "a long line": lambda: files()["nine"] + b"x" * 3_000_000,
    "zeros": lambda: files()["nine"] + bytes(1_000_000),
    "a zip bomb": bomb,
    "deep json": lambda: b"[" * 200_000,
    "an endless string": lambda: b'{"data": [{"gradeValue": "' + b"x" * 2_000_000,
    "only quotes": lambda: b'"' * 100_001,
    "only delimiters": lambda: b";;;;\n" * 30_000,
    "line ends": lambda: b"\r" * 200_000,
}


@pytest.mark.parametrize("what", sorted(BAD))
def test_what_is_too_large_is_refused_within_bounds(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_MEMORY", 500_000_000)
    survive({"file": BAD[what]()})


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2_500_000_000, 2_500_000_000))
sys.argv = ["nbanalytics", "check", *sys.argv[1:]]
from nbanalytics.cli import main
main()
"""


@pytest.mark.parametrize("where", ["XFD1048576", pytest.param("A300000", marks=pytest.mark.slow), "XFD1"])
def test_a_cell_far_away_does_not_take_the_memory(where: str, tmp_path: Path) -> None:
    pytest.importorskip("resource")
    book = openpyxl.load_workbook(io.BytesIO(files()["absence-xlsx"]))
    book.active[where] = 1
    (tmp_path / "records").mkdir()
    for path in (tmp_path / "list.xlsx", tmp_path / "records" / "students.xlsx"):
        book.save(path)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "list.xlsx"), str(tmp_path / "records")],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode in (0, 1, 2), done.stderr
    assert "Traceback" not in done.stderr
    refuse_leaks(iter([done.stdout.encode(), done.stderr.encode()]))
