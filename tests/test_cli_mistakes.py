"""Mistakes that people make at the command line: one message says what to do, and nothing is written."""

import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest

from nbanalytics import cli
from nbanalytics.commands import export as export_command
from nbanalytics.errors import ReleaseError
from nbanalytics.release import files, read_release
from nbanalytics.serve import default_release

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample"
COMMANDS = sorted(command.name or command.callback.__name__ for command in cli.app.registered_commands)
RELEASE = default_release()
#: Arguments with NOWHERE, FILE and FOLDER for what is not there, a text file and an empty folder; and what is said.
MISTAKES = [
    ("cohorts NOWHERE", "There is no folder"),
    ("cohorts FILE", "is a file. Name the folder with students and grades"),
    ("cohorts FOLDER", "is empty. Put at least students.csv and grades.csv there"),
    ("cohorts RELEASE", "is a release, which has no students"),
    ("check RELEASE/tables/../../release", "is a release, which has no students"),
    ("release RELEASE --out FOLDER", "is a release, which has no students"),
    ("release SAMPLE --out FILE", "is a file. Give a folder to write the release to"),
    ("release SAMPLE --out SAMPLE", "is not a release, so nothing was written"),
    ("release SAMPLE --out NOWHERE --policy FOLDER", "cannot be read (Is a directory)"),
    ("release SAMPLE --out NOWHERE --declare FILE", "is not TOML"),
    ("release SAMPLE --out NOWHERE --known NOWHERE", "cannot be read"),
    ("verify NOWHERE", "does not exist. Give the folder of a release"),
    ("verify FILE", "is a file. Give the folder of a release"),
    ("verify --replay RELEASE/manifest.json", "is a file. Give the folder of a release"),
    ("verify SAMPLE", "is not a release: there is no manifest.json"),
    ("export SAMPLE --out NOWHERE", "is not a release: there is no manifest.json"),
    ("export RELEASE --out FILE", "nothing was written"),
    ("serve NOWHERE", "does not exist. Give the folder of a release"),
    ("import NOWHERE --key KEY --out NOWHERE", "There is no file or folder"),
    ("import FILE --key KEY --out NOWHERE", "not of a known format"),
    ("import SAMPLE --key KEY --out NOWHERE", "is a folder of records already"),
    ("import RELEASE --key KEY --out NOWHERE", "is a release, which has no students"),
    ("handover SAMPLE --out NOWHERE.csv", "End its name in .xlsx"),
    ("workbook SAMPLE --out NOWHERE.csv", "End its name in .xlsx"),
    ("template NOWHERE.csv", "End its name in .xlsx"),
    ("template FILE", "exists and may be filled in"),
    ("simulate --out FILE", "is a file"),
    ("simulate --out RELEASE", "has 3 files and is not a synthetic municipality, so nothing was written"),
]
MISSPELT = [
    ("cohort SAMPLE", "Did you mean 'cohorts'"),
    ("cohorts SAMPLE --cohort last", "--cohort"),
    ("export RELEASE --out NOWHERE --lang de", "'sv', 'en'"),
    ("template NOWHERE.xlsx --rows 0", "--rows"),
    ("serve RELEASE --port 99999", "--port"),
    ("verify RELEASE --seconds -1", "--seconds"),
    ("import FILE --out NOWHERE", "--key"),
]


@pytest.fixture
def said(run, tmp_path):
    """Run a command with the places filled in; returns status, stdout and stderr."""
    (tmp_path / "letter.txt").write_text("Dear all\n", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    places = {"NOWHERE": "nowhere", "FILE": "letter.txt", "FOLDER": "empty", "KEY": "key"}
    places = {word: str(tmp_path / name) for word, name in places.items()} | {
        "SAMPLE": str(SAMPLE), "RELEASE": str(RELEASE)}  # fmt: skip

    def call(line):
        words = line.split()
        for word, place in places.items():
            words = [f"{place}{part.removeprefix(word)}" if part.startswith(word) else part for part in words]
        return run(*words)

    return call


def test_a_plausible_mistake_gets_one_message_and_status_1(said, tmp_path):
    wrong = []
    for line, words in MISTAKES:
        status, out, told = said(line)
        plain = told.startswith("Error: ") and words in " ".join(told.split()) and "Traceback" not in told
        if (status, out) != (1, "") or not plain or sorted(os.listdir(tmp_path)) != ["empty", "letter.txt"]:
            wrong.append((line, status, out, told))
    assert wrong == []


def test_a_command_line_that_is_wrong_is_told_by_its_option(said, tmp_path):
    wrong = []
    for line, words in MISSPELT:
        status, out, told = said(line)
        if (status, out) != (2, "") or words not in " ".join(told.replace("│", " ").split()):
            wrong.append((line, status, out, told))
        assert sorted(os.listdir(tmp_path)) == ["empty", "letter.txt"], line
    assert wrong == []


def test_what_the_disk_refuses_is_told_without_a_traceback(said, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "/srv/site")

    monkeypatch.setattr("nbanalytics.export.export", refuse)
    assert export_command
    status, out, told = said("export RELEASE --out NOWHERE")
    assert (status, out) == (1, "")
    assert told == "Error: /srv/site cannot be used (Permission denied). Check the path and your rights to it.\n"


def test_a_release_that_may_not_be_read(monkeypatch):
    read = Path.read_bytes

    def refuse(path):
        if path.suffix == ".csv":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ReleaseError, match=r"cannot be read \(Permission denied\)\. Check your rights"):
        read_release(RELEASE)
    monkeypatch.setattr(Path, "open", lambda *_, **__: refuse(Path("x.csv")))
    with pytest.raises(ReleaseError, match=f"{files.MANIFEST} cannot be read"):
        read_release(RELEASE)


def test_the_version_is_that_of_the_package(run):
    assert run("--version") == (0, f"nbanalytics {version('nbanalytics')}\n", "")


def test_every_command_says_what_it_does_and_how_it_is_called(run):
    wrong = []
    for command in COMMANDS:
        name = {"import_files": "import"}.get(command, command)
        status, out, _ = run(name, "--help")
        plain = " ".join(out.replace("│", " ").split())
        if status != 0 or f"Example: nbanalytics {name} " not in plain or "…" in plain:
            wrong.append((name, status, plain))
    assert wrong == []


def test_the_version_stands_in_the_help_of_all(run):
    _, out, _ = run("--help")
    assert "--version" in out
    assert all(f" {name} " in out for name in ("check", "import", "cohorts", "release", "verify", "serve"))


def test_check_says_the_same_as_json_of_a_file_of_no_format(said):
    status, out, _ = said("check FILE --json")
    assert status == 2
    assert "not of a known format" in json.loads(out)[0]["faults"][0]
