"""Pupils' files are their owner's: whatever a folder is called, whoever may read beside it, whenever a command ends."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from nbanalytics.analysis.cohorts import classify
from nbanalytics.cli import app
from nbanalytics.errors import DataError
from nbanalytics.files import remove_leftovers, replacing_file, replacing_folder, spill_folder
from nbanalytics.readers import check_records, open_records, scan_records, write_records
from nbanalytics.readers.read import _database as read_database
from nbanalytics.records import StudentRecords
from nbanalytics.simulation import simulate, write_sample

runner = CliRunner()
posix = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
killing = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no process can be killed like this")


def records_of(cohort, students=2):
    ids = [f"P{number}" for number in range(students)]
    grades = [(one, term, "MA", "E") for one in ids for term in ("6VT", "9VT")]
    return StudentRecords(
        pd.DataFrame({"student_id": ids, "cohort": cohort}),
        pd.DataFrame(grades, columns=["student_id", "term", "subject", "grade"]),
    )


def modes(folder):
    """Mode of a folder and of all in it, as they would be read by ``ls``."""
    paths = [folder, *sorted(folder.rglob("*"))]
    return {str(path.relative_to(folder)): oct(stat.S_IMODE(path.stat().st_mode)) for path in paths}


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# ------------------------------------------------------------------ a path is a path

PATTERNS = ("Karlskoga[1]", "A?", "B*", "cohort=2025", "{a,b}", "it's", "50%25", "a b", "[!x]", "**", "~", "\\", "å\n1")
#: What each character of a pattern could stand for.
MEANT = str.maketrans({"?": "1", "*": "1", "[": "", "]": "", "\\": "", "{": "", "}": ""})
folder_names = st.one_of(
    st.sampled_from(PATTERNS), st.text(st.sampled_from("ab1*?[]{}!='\"%\\ ~$\nåÅ😀"), min_size=1, max_size=8)
)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The records of another cohort."""
    folder = tmp_path_factory.mktemp("other") / "records"
    write_records(records_of(2018), folder, format="parquet")
    return folder


@settings(max_examples=examples(30), deadline=None)
@given(name=folder_names)
def test_a_folder_is_read_alone_whatever_it_is_called(name, other):
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where) / name
        write_records(records_of(2019), folder, format="parquet")
        for beside in {name.translate(MEANT), "A1", "A2", "Karlskoga1", "ab"} - {name, "", ".", ".."}:
            shutil.copytree(other, Path(where) / beside)
        for records in (open_records(folder), scan_records(folder, check=False)):
            assert records.cohorts() == [2019]
            assert classify(records).counts["students"].sum() + classify(records).unclassified["students"].sum() == 2
        report = check_records(folder)
        assert [(file.file, file.rows) for file in report.files] == [("students.parquet", 2), ("grades.parquet", 4)]


@pytest.mark.skipif(os.name != "posix", reason="a name of bytes that are no text")
def test_a_folder_whose_name_is_no_text_is_read_or_refused_in_words(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff\xfe")
    write_records(records_of(2019), folder, format="parquet")
    assert open_records(folder).cohorts() == [2019]


def test_rows_that_are_not_those_of_the_file_stop_the_reading(tmp_path, monkeypatch):
    write_records(records_of(2019), tmp_path / "A?", format="parquet")
    write_records(records_of(2018), tmp_path / "A1", format="parquet")
    monkeypatch.setattr("nbanalytics.readers.scan.plain_name", str)
    with pytest.raises(DataError, match="cannot be read from its folder"):
        scan_records(tmp_path / "A?")


# ------------------------------------------------------------------ whose files they are


@pytest.fixture
def careless():
    """A user whose files are open to everybody unless a program closes them."""
    before = os.umask(0)
    yield
    os.umask(before)


@posix
@pytest.mark.usefixtures("careless")
@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_records_are_never_open_to_others_while_they_are_written(tmp_path, format):
    """After every function that returns on the way, nobody but the owner can reach a file or could read it."""
    seen = set()

    def look(frame, event, argument):
        if event in ("return", "c_return"):
            for path in tmp_path.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    seen.update(modes(path).items())

    sys.setprofile(look)
    try:
        write_records(records_of(2019), tmp_path / "records", format=format)
    finally:
        sys.setprofile(None)
    assert {mode for _, mode in seen} == {"0o700", "0o600"}
    assert {name for name, mode in seen if mode == "0o700"} == {"."}
    assert len(seen) > 3


@posix
@pytest.mark.usefixtures("careless")
def test_a_sample_is_its_owners(tmp_path):
    write_sample(tmp_path / "above" / "sample", seed=1, cohorts=[2018], students_per_cohort=5)
    found = modes(tmp_path / "above")
    assert {mode for name, mode in found.items() if name in (".", "sample", "sample/truth")} == {"0o700"}
    assert {mode for name, mode in found.items() if "." in name[1:]} == {"0o600"}


@posix
@pytest.mark.parametrize("mode", [0o700, 0o750, 0o2750, 0o755, 0o500 | 0o200])
def test_a_folder_keeps_its_mode_and_files_that_were_closed_stay_closed(tmp_path, mode):
    folder = tmp_path / "records"
    write_records(records_of(2018), folder)
    folder.chmod(mode)
    (folder / "students.csv").chmod(0o640)
    write_records(records_of(2019), folder)
    kept = modes(folder)
    assert kept["."] == oct(mode)
    assert kept["students.csv"] == "0o640"
    assert kept["grades.csv"] == kept["records.toml"] == "0o600"


@posix
def test_an_empty_folder_that_is_open_gets_closed_files(tmp_path):
    (tmp_path / "records").mkdir(mode=0o755)
    write_records(records_of(2018), tmp_path / "records")
    assert set(modes(tmp_path / "records").values()) == {"0o755", "0o600"}


@posix
def test_what_was_open_to_one_group_is_not_opened_to_another(tmp_path, monkeypatch):
    folder = tmp_path / "records"
    write_records(records_of(2018), folder)
    folder.chmod(0o770)
    real = Path.stat

    def elsewhere(path, **options):
        told = real(path, **options)
        return os.stat_result([*told[:5], 12345, *told[6:10]]) if path.name == "records" else told

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "stat", elsewhere)
    monkeypatch.setattr(os, "chown", refuse)
    write_records(records_of(2018), folder)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


@posix
@pytest.mark.usefixtures("careless")
def test_what_is_published_stays_readable_and_a_closed_file_stays_closed(tmp_path):
    with replacing_folder(tmp_path / "site") as fresh:
        (fresh / "index.html").touch()
    with replacing_file(tmp_path / "note.txt"):
        pass
    assert modes(tmp_path / "site") == {".": "0o777", "index.html": "0o666"}
    assert modes(tmp_path)["note.txt"] == "0o666"
    (tmp_path / "site").chmod(0o711)
    (tmp_path / "note.txt").chmod(0o640)
    with replacing_folder(tmp_path / "site"):
        pass
    with replacing_file(tmp_path / "note.txt"):
        pass
    assert (modes(tmp_path)["site"], modes(tmp_path)["note.txt"]) == ("0o711", "0o640")


@posix
@pytest.mark.usefixtures("careless")
@pytest.mark.parametrize(
    "line",
    [
        ["workbook", "RECORDS", "--out", "OUT.xlsx"],
        ["handover", "RECORDS", "--out", "OUT.xlsx"],
        ["check", "RECORDS", "--rejected", "OUT.csv"],
    ],
)
def test_lists_of_pupils_are_their_owners_even_where_an_open_one_stood(tmp_path, line):
    write_sample(tmp_path / "records", seed=1, cohorts=[2018], students_per_cohort=30)
    words = [str(tmp_path / word) if word.startswith("OUT") else word for word in line]
    out = Path(words[-1])
    words[1] = str(tmp_path / "records")
    out.touch(0o666)
    runner.invoke(app, words)
    assert out.stat().st_size
    assert oct(stat.S_IMODE(out.stat().st_mode)) == "0o600"


@posix
@pytest.mark.usefixtures("careless")
def test_what_memory_does_not_take_is_spilled_to_a_folder_of_the_owner(tmp_path):
    write_records(records_of(2019), tmp_path / "records", format="parquet")
    asked = scan_records(tmp_path / "records").students.query(
        "t", "SELECT value FROM duckdb_settings() WHERE name = 'temp_directory'"
    )
    above = Path(asked.fetchall()[0][0]).parent
    assert oct(stat.S_IMODE(above.stat().st_mode)) == "0o700"
    own = read_database().execute("SELECT value FROM duckdb_settings() WHERE name = 'temp_directory'").fetchall()
    assert Path(own[0][0]).parent == above


def test_no_database_spills_into_the_working_directory(tmp_path, monkeypatch):
    write_records(records_of(2019), tmp_path / "records", format="parquet")
    (tmp_path / "records" / ".checked.json").unlink()
    settings, connect = [], duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda **given: settings.append(given["config"]) or connect(**given))
    for read in (check_records, open_records, scan_records):
        read(tmp_path / "records")
    assert len(settings) > 3
    assert all("temp_directory" in given for given in settings)


def test_a_long_session_goes_on_after_its_folder_for_temporary_files_was_cleaned(tmp_path):
    before = spill_folder()
    shutil.rmtree(before)
    folder = tmp_path / "a[1]"  # a folder whose name is a pattern is read by a link among the temporary files
    write_records(records_of(2019), folder, format="parquet")
    assert len(open_records(folder).students) == 2
    assert spill_folder() != before
    assert oct(stat.S_IMODE(spill_folder().stat().st_mode)) == "0o700"


WARNING = "Warning: other users of this machine can read the records"


@pytest.fixture
def in_the_open():
    """A folder that everybody can enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        place.chmod(0o755)
        if not all(folder.stat().st_mode & 0o001 for folder in place.parents):
            pytest.skip("the temporary directory is closed to others")
        yield place


@posix
@pytest.mark.parametrize("command", ["check", "cohorts", "handover", "workbook", "release"])
def test_commands_say_once_that_records_made_by_an_older_version_are_open(in_the_open, command):
    folder = in_the_open / "our records"
    write_records(records_of(2018), folder)
    line = [
        command,
        str(folder),
        *(["--out", str(in_the_open / "out.xlsx")] if command in ("handover", "workbook") else []),
    ]
    line += ["--out", str(in_the_open / "release")] if command == "release" else []
    assert WARNING not in runner.invoke(app, line).stderr
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    said = runner.invoke(app, line).stderr
    assert said.count(WARNING) == 1
    remedy = said.split("To close them: ")[1].splitlines()[0]
    subprocess.run(remedy, shell=True, check=True)
    assert WARNING not in runner.invoke(app, line).stderr


@posix
@pytest.mark.usefixtures("careless")
def test_an_open_folder_stays_open_and_whoever_writes_there_says_so(in_the_open, monkeypatch):
    few = partial(simulate, cohorts=[2020], students_per_cohort=20)
    monkeypatch.setattr("nbanalytics.simulation.sample.simulate", few)
    folder = in_the_open / "sample"
    folder.mkdir(0o755)
    assert WARNING not in runner.invoke(app, ["simulate", "--out", str(folder)]).stderr
    (folder / "students.csv").chmod(0o644)
    assert runner.invoke(app, ["simulate", "--out", str(folder)]).stderr.count(WARNING) == 1
    # Nobody's records need no warning where they are read.
    assert WARNING not in runner.invoke(app, ["check", str(folder)]).stderr


@posix
def test_what_the_group_may_read_is_not_open(in_the_open):
    folder = in_the_open / "records"
    write_records(records_of(2018), folder)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o750 if path.is_dir() else 0o640)
    assert WARNING not in runner.invoke(app, ["check", str(folder)]).stderr


# ------------------------------------------------------------------ behind a link


@posix
def test_a_folder_behind_a_link_lands_where_the_link_leads(tmp_path):
    (tmp_path / "disk").mkdir()
    for name in ("here", "dangling"):
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    write_records(records_of(2018), tmp_path / "disk" / "here")
    for name in ("here", "dangling"):
        write_records(records_of(2019), tmp_path / name)
        assert open_records(tmp_path / "disk" / name).cohorts() == [2019]
    assert sorted(os.listdir(tmp_path)) == ["dangling", "disk", "here"]
    assert all((tmp_path / name).is_symlink() for name in ("here", "dangling"))
    assert sorted(os.listdir(tmp_path / "disk")) == ["dangling", "here"]


@posix
def test_a_file_behind_a_link_lands_where_the_link_leads(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "list").symlink_to("disk/list")
    for text in ("one", "two"):
        with replacing_file(tmp_path / "list") as fresh:
            fresh.write_text(text)
        assert (tmp_path / "disk" / "list").read_text() == text
    assert (sorted(os.listdir(tmp_path)), os.listdir(tmp_path / "disk")) == (["disk", "list"], ["list"])


# ------------------------------------------------------------------ a command that is killed

KILLED = """
import os, signal, sys
from pathlib import Path
from nbanalytics.files import replacing_file, replacing_folder

what, at, when, number = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
calls = []
for name in ("rename", "replace", "chmod", "mkdir", "touch"):
    def dying(path, *words, real=getattr(Path, name), **more):
        calls.append(path)
        if when == "before" and len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = real(path, *words, **more)
        if when == "after" and len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    setattr(Path, name, dying)
if what == "file":
    with replacing_file(at, 0o600) as fresh:
        fresh.write_text("new")
else:
    with replacing_folder(at, 0o700) as fresh:
        (fresh / "note").write_text("new")
print("done")
"""


@killing
@pytest.mark.parametrize("what", ["folder", "file"])
@pytest.mark.parametrize("before", [True, False])
def test_a_killed_command_leaves_the_old_or_the_new_and_nothing_else_at_the_next_start(tmp_path, what, before):
    """Killed before and after each step on the disk, until no step is left to be killed at."""
    states = set()
    for when in ("before", "after"):
        for number in range(1, 20):
            place = tmp_path / f"{when}{number}"
            place.mkdir()
            target = place / "records"
            note = target / "note" if what == "folder" else target
            if before:
                note.parent.mkdir(exist_ok=True)
                note.write_text("old")
            line = [sys.executable, "-c", KILLED, what, str(target), when, str(number)]
            done = subprocess.run(line, capture_output=True, text=True, check=False)
            assert done.returncode in (0, -signal.SIGKILL), done.stderr
            assert remove_leftovers(target) == []
            assert sorted(os.listdir(place)) == (["records"] if target.exists() else [])
            states.add(note.read_text() if note.exists() else None)
            if done.returncode == 0:
                break
        else:
            pytest.fail("it was killed at every step")
    assert states == {"new", "old" if before else None}


@killing
def test_records_that_a_killed_command_had_moved_away_are_found_by_the_next_reader(tmp_path):
    folder = tmp_path / "records"
    write_records(records_of(2018), folder)
    folder.rename(tmp_path / f".records.old-{'a' * 32}")
    shutil.copytree(tmp_path / f".records.old-{'a' * 32}", tmp_path / f".records.new-{'b' * 32}")
    assert open_records(folder).cohorts() == [2018]
    assert os.listdir(tmp_path) == ["records"]


def test_what_another_command_writes_is_left_alone(tmp_path):
    with replacing_folder(tmp_path / "records") as fresh:
        (fresh / "note").write_text("half")
        assert remove_leftovers(tmp_path / "records") == []
        assert (fresh / "note").read_text() == "half"
    assert names(tmp_path) == ["records", "records/note"]


@posix
def test_what_cannot_be_removed_is_reported_with_what_to_do(tmp_path, monkeypatch):
    write_records(records_of(2018), tmp_path / "records")
    (tmp_path / f".records.new-{'b' * 32}").mkdir()
    monkeypatch.setattr(shutil, "rmtree", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    said = check_records(tmp_path / "records").text()
    assert "a command was stopped while writing it" in said
    assert "Remove it" in said


ENDED = """
import functools, os, signal, sys
from nbanalytics import cli
from nbanalytics.commands import simulate
from nbanalytics.simulation import sample

# A machine that starts the tests in the background may have this one ignored, and children inherit that.
number = int(os.environ["ENDED_BY"])
signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

def ended(*_):
    os.kill(os.getpid(), int(os.environ["ENDED_BY"]))
sample._readme = ended
sample.simulate = functools.partial(sample.simulate, cohorts=[2020], students_per_cohort=20)
cli.main()
"""


@killing
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_command_that_is_asked_to_end_leaves_nothing(tmp_path, name):
    number = int(getattr(signal, name))
    line = [sys.executable, "-c", ENDED, "simulate", "--out", str(tmp_path / "records")]
    done = subprocess.run(
        line, env={**os.environ, "ENDED_BY": str(number)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 128 + number, done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []
