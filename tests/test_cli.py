"""The command line as its user meets it: results on stdout, one clear message on stderr, exit status 1."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nbanalytics.readers import read_records, write_records
from nbanalytics.serve import default_release

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample"
KARLSKOGA = {"1 and 2": 236, "3 and 4": 39, "5": 15, "6": 23}


@pytest.fixture(scope="session")
def parquet(tmp_path_factory):
    """The sample as a Parquet folder, which the command line asks through DuckDB."""
    folder = tmp_path_factory.mktemp("parquet") / "records"
    write_records(read_records(SAMPLE), folder, format="parquet")
    return folder


def copy_of(tmp_path, **changes):
    """A small valid folder, with some files replaced or (None) left out."""
    folder = tmp_path / "records"
    folder.mkdir()
    eight = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"]
    rows = [f"P{i},{term},{subject},E" for i in range(3) for term in ("6VT", "9VT") for subject in eight]
    files = {
        "students.csv": "student_id,cohort\nP0,2018\nP1,2018\nP2,2018\n",
        "grades.csv": "\n".join(["student_id,term,subject,grade", *rows]) + "\n",
    } | {name.replace("_", "."): text for name, text in changes.items()}
    for name, text in files.items():
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_cohorts_gives_the_published_counts_as_json(run):
    status, out, _ = run("cohorts", SAMPLE, "--cohort", 2018, "--json")
    found = json.loads(out)
    assert status == 0
    assert list(found) == ["cohort", "students", "groups", "subgroups", "unclassified"]
    assert (found["cohort"], found["students"]) == (2018, 313)
    groups = found["groups"]
    assert groups["1"] + groups["2"] == KARLSKOGA["1 and 2"]
    assert groups["3"] + groups["4"] == KARLSKOGA["3 and 4"]
    assert (groups["5"], groups["6"]) == (KARLSKOGA["5"], KARLSKOGA["6"])
    assert found["subgroups"] == {"green": 8, "yellow": 4, "pink": 11}
    assert found["unclassified"] == {}


def test_a_parquet_folder_gives_the_same_answer_through_duckdb(run, parquet):
    assert run("cohorts", parquet, "--json")[1] == run("cohorts", SAMPLE, "--json")[1]


def test_cohorts_in_words_counts_everyone(run):
    status, out, _ = run("cohorts", SAMPLE, "--cohort", 2020)
    numbers = json.loads(run("cohorts", SAMPLE, "--cohort", 2020, "--json")[1])
    assert status == 0
    assert out.startswith(f"Cohort 2020: {numbers['students']} students")
    assert numbers["students"] == sum(numbers["groups"].values()) + sum(numbers["unclassified"].values())
    for reason in numbers["unclassified"]:
        assert reason in out


@pytest.mark.slow
@pytest.mark.parametrize("crossed", [0, 2])
def test_simulate_check_and_release_work_together(run, tmp_path, crossed):
    few = "" if crossed else "[tables.groups]\n[tables.eligibility]\n[tables.droppoints]\n"
    (tmp_path / "declared.toml").write_text(f"max_crossed = {crossed}\n{few}", encoding="utf-8")
    assert run("simulate", "--out", tmp_path / "made", "--seed", 3)[0] == 0
    assert run("check", tmp_path / "made")[0] in (0, 1)
    arguments = ("--out", tmp_path / "release", "--declare", tmp_path / "declared.toml", "--created", "2026-01-01")
    assert run("release", tmp_path / "made", *arguments)[0] == 0
    assert (tmp_path / "release" / "manifest.json").exists()


EIGHT = "SV,EN,MA,BL,MU,SL,IDH,HKK"
BAD = {
    "a missing folder": (lambda tmp: tmp / "nowhere", "nowhere"),
    "an empty folder": (lambda tmp: copy_of(tmp, students_csv=None, grades_csv=None), "students"),
    "a missing file": (lambda tmp: copy_of(tmp, grades_csv=None), "grades"),
    "an unknown grade": (
        lambda tmp: copy_of(tmp, grades_csv="student_id,term,subject,grade\nP0,6VT,SV,Q\nP0,9VT,SV,E\n"),
        "Q",
    ),
    "a duplicate": (
        lambda tmp: copy_of(tmp, grades_csv="student_id,term,subject,grade\nP0,6VT,SV,E\nP0,6VT,SV,D\nP0,9VT,SV,E\n"),
        "row",
    ),
    "a year 9 without year 6": (
        lambda tmp: copy_of(tmp, grades_csv=f"student_id,term,{EIGHT}\nP0,9VT,E,E,E,E,E,E,E,E\n"),
        "6VT",
    ),
    "a scale that does not fit the cohort": (
        lambda tmp: copy_of(tmp, records_toml='[grading]\nscale = "IG-MVG"\n'),
        "does not hold for cohort 2018",
    ),
    "a scale that does not exist": (
        lambda tmp: copy_of(tmp, records_toml='[grading]\nscale = "A-G"\n'),
        "no scale named",
    ),
    "a declaration that is not TOML": (lambda tmp: copy_of(tmp, records_toml="[records\n"), "records.toml"),
    "a key that means nothing": (lambda tmp: copy_of(tmp, records_toml="[terms]\nstrat = '6VT'\n"), "Did you mean"),
}


@pytest.mark.parametrize("command", ["cohorts", "release"])
@pytest.mark.parametrize("what", sorted(BAD))
def test_bad_input_gets_one_clear_message_and_status_1(run, tmp_path, what, command):
    make, named = BAD[what]
    folder = make(tmp_path)
    out = tmp_path / "out"
    status, printed, message = run(command, folder, *(["--out", out] if command == "release" else []))
    assert status == 1
    assert printed == ""
    assert message.startswith("Error: ")
    assert named in message
    assert "Traceback" not in message
    assert not out.exists()
    assert not [path for path in tmp_path.iterdir() if path.name not in ("records",)], "nothing half-written"


def test_a_cohort_that_does_not_exist_names_those_that_do(run):
    status, _, message = run("cohorts", SAMPLE, "--cohort", 1999)
    assert status == 1
    assert "no cohort 1999" in message
    assert "2018, 2019" in message


def test_a_fault_never_prints_an_identity_number(run, tmp_path):
    number = "200203041234"
    folder = copy_of(
        tmp_path,
        students_csv=f"student_id,cohort\n{number},2018\n{number},2018\n",
        grades_csv=f"student_id,term,subject,grade\n{number},6VT,SV,{number}\nx,6VT,{number},E\n",
    )
    for command in (("cohorts", folder), ("check", folder), ("check", folder, "--json")):
        status, out, message = run(*command)
        assert status != 0
        assert number not in out + message


def test_a_parquet_folder_with_faults_is_refused_like_any_other(run, tmp_path):
    folder = tmp_path / "records"
    folder.mkdir()
    pd.DataFrame({"student_id": ["P0"], "cohort": [2018]}).to_parquet(folder / "students.parquet")
    grades = pd.DataFrame(
        {"student_id": ["P0", "P0"], "term": ["6VT", "6VT"], "subject": ["SV", "SV"], "grade": ["E", "Q"]}
    )
    grades.to_parquet(folder / "grades.parquet")
    status, _, message = run("cohorts", folder)
    assert status == 1
    assert message.startswith("Error: ")
    assert "Q" in message


def test_an_old_release_survives_a_failed_new_one(run, tmp_path):
    old = tmp_path / "release"
    shutil.copytree(default_release(), old)
    before = {path.name: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    broken = copy_of(tmp_path, grades_csv=None)
    assert run("release", broken, "--out", old)[0] == 1
    assert {path.name: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before


def test_the_installed_command_and_the_module_answer():
    for command in (
        [sys.executable, "-m", "nbanalytics"],
        [shutil.which("nbanalytics", path=Path(sys.executable).parent)],
    ):
        done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
        for name in ("simulate", "check", "cohorts", "release", "serve"):
            assert name in done.stdout
