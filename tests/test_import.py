"""From a municipality's files to a folder of records: the simulated pupils come back, and nobody is named anywhere."""

import json
import re

import pandas as pd
import pytest
from municipal_files import (
    FIRST_NAMES,
    KEY,
    LAST_NAMES,
    absence_file,
    as_text,
    grade_file,
    identity_number,
    identity_numbers,
    pupil,
)

from nbanalytics.analysis.cohorts import classify
from nbanalytics.municipal.merge import merge_reads, merge_with_findings
from nbanalytics.municipal.pseudonyms import read_key
from nbanalytics.municipal.recognise import read_files
from nbanalytics.readers import read_records


@pytest.fixture(scope="session")
def numbers(karlskoga):
    return identity_numbers(karlskoga.students)


@pytest.fixture(scope="session")
def files(karlskoga, numbers, tmp_path_factory):
    """The files of the cohort of 2018: grades of years 6 and 9 and two absence lists."""
    folder = tmp_path_factory.mktemp("municipality")
    for year, encoding in ((6, "cp1252"), (9, "utf-8")):
        text = as_text(grade_file(karlskoga, numbers, year), year)
        (folder / f"year{year}.txt").write_bytes(text.encode(encoding))
    for term in ("7HT", "9VT"):
        text = absence_file(karlskoga, numbers, term)
        (folder / f"absence{term}.csv").write_bytes(text.encode("cp1252"))
    return folder


def planted(numbers):
    """What may stand nowhere: numbers in every way of writing them, and names."""
    for number in numbers.values():
        yield from (number, f"{number[:8]}-{number[8:]}", number[2:], f"{number[2:8]}-{number[8:]}")
    yield from (*FIRST_NAMES, *LAST_NAMES)


def refuse_leaks(numbers, *texts):
    for text in texts:
        data = text if isinstance(text, bytes) else text.encode()
        found = [word for word in planted(numbers) if word.encode() in data or word.encode("cp1252") in data]
        assert not found


def everything_in(folder):
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


def test_the_simulated_pupils_come_back_in_the_same_six_groups(files, karlskoga, numbers, run, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    out = tmp_path / "records"
    status, stdout, stderr = run("import", files, "--key", tmp_path / "key", "--out", out)
    assert status == 0, stderr
    assert "A new key" in stderr
    back = read_records(out)
    pseudonym = {student: read_key(tmp_path / "key").pseudonym(number) for student, number in numbers.items()}
    groups = [
        table.assign(student_id=table["student_id"].replace(pseudonym))[["student_id", "group"]]
        .sort_values("student_id", ignore_index=True)
        .dropna()
        for table in (classify(karlskoga).table, classify(back).table)
    ]
    assert len(groups[0]) == 313
    pd.testing.assert_frame_equal(*groups, check_dtype=False, check_categorical=False)
    students = karlskoga.students.assign(student_id=karlskoga.students["student_id"].map(pseudonym))
    both = back.students.merge(students, on="student_id", suffixes=("", "_true"))
    assert len(both) == 313
    assert (both["sex"] == both["sex_true"]).all()
    assert (both["birth_year"] == both["birth_year_true"]).all()
    kept = karlskoga.grades[karlskoga.grades["term"].isin(["6VT", "9VT"])]
    kept = kept.assign(student_id=kept["student_id"].map(pseudonym))
    joined = kept.merge(back.grades, on=["student_id", "term", "subject"], how="left", suffixes=("", "_back"))
    assert (joined["grade"] == joined["grade_back"]).all()
    shares = back.absence.assign(term=back.absence["term"].astype("str"))
    true = karlskoga.absence.assign(student_id=karlskoga.absence["student_id"].map(pseudonym)).dropna()
    true = true[true["term"].isin(["7HT", "9VT"])]
    absent = true.merge(shares, on=["student_id", "term"], how="left", suffixes=("", "_back"))
    assert ((absent["valid"] - absent["valid_back"]).abs() < 0.051).all()
    refuse_leaks(numbers, stdout, stderr, *everything_in(out), *everything_in(scratch))


def test_running_it_twice_gives_the_same_bytes(files, run, tmp_path):
    contents = []
    for name in ("one", "two", "two"):
        assert run("import", files, "--key", tmp_path / "key", "--out", tmp_path / name)[0] == 0
        contents.append({path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())})
    assert contents[0] == contents[1] == contents[2]
    assert set(contents[0]) == {"students.parquet", "grades.parquet", "absence.parquet", "records.toml"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "one", "two"]


def test_the_folder_makes_a_release(files, numbers, run, tmp_path):
    assert run("import", files, "--key", tmp_path / "key", "--out", tmp_path / "records")[0] == 0
    status, stdout, stderr = run("release", tmp_path / "records", "--out", tmp_path / "release")
    assert status == 0, stderr
    refuse_leaks(numbers, stdout, stderr, *everything_in(tmp_path / "release"))


def test_bad_input_leaves_nothing_and_one_message(files, numbers, run, tmp_path):
    (tmp_path / "letter.txt").write_text(f"Dear {FIRST_NAMES[0]}, about {identity_number(3, 'girl')}", encoding="utf-8")
    status, stdout, stderr = run(
        "import", files, tmp_path / "letter.txt", "--key", tmp_path / "key", "--out", tmp_path / "out"
    )
    assert (status, stdout) == (1, "")
    assert "letter.txt" in stderr
    assert "Traceback" not in stderr
    refuse_leaks(numbers, stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    status, _, stderr = run("import", tmp_path / "none", "--key", tmp_path / "key", "--out", tmp_path / "out")
    assert status == 1
    assert "There is no file or folder" in stderr


def test_a_key_that_others_can_read_stops_the_import(files, run, tmp_path):
    (tmp_path / "key").write_bytes(KEY.secret)
    (tmp_path / "key").chmod(0o644)
    status, _, stderr = run("import", files, "--key", tmp_path / "key", "--out", tmp_path / "out")
    assert status == 1
    assert "chmod 600" in stderr
    assert KEY.secret.decode() not in stderr
    assert not (tmp_path / "out").exists()


def test_check_reports_each_file_in_words_and_as_json(files, numbers, run):
    status, stdout, stderr = run("check", files, "--json")
    entries = json.loads(stdout)
    assert status in (0, 1)
    assert {entry["file"]: entry["format"] for entry in entries if entry["rows"]} == {
        "absence7HT.csv": "absence-list",
        "absence9VT.csv": "absence-list",
        "year6.txt": "scb",
        "year9.txt": "scb",
    }
    for entry in entries:
        assert entry["read"] + len(entry["rejected"]) == entry["rows"]
        assert {"file", "format", "rows", "read", "rejected", "assumed", "missing"} <= set(entry)
    missing = [text for entry in entries for text in entry["missing"]]
    assert any(text.startswith("no absence for 6VT, 7VT") for text in missing)
    assert any(text.startswith("no grades for 7HT") for text in missing)
    words = run("check", files)[1]
    assert "Windows-1252" in words
    refuse_leaks(numbers, stdout, stderr, words)


def test_check_of_what_is_unknown_is_unusable(run, tmp_path):
    (tmp_path / "a.txt").write_text("hello\n", encoding="utf-8")
    status, stdout, _ = run("check", tmp_path / "a.txt", "--json")
    assert status == 2
    assert json.loads(stdout)[0]["format"] == "unknown"


def test_rejected_rows_of_files_go_to_one_list_without_content(run, tmp_path):
    rows = [pupil(9, identity_number(place, "girl")) for place in range(4)]
    rows[2]["Mu"] = FIRST_NAMES[2]
    (tmp_path / "grades.txt").write_text(as_text(rows), encoding="utf-8")
    status, _, _ = run("check", tmp_path / "grades.txt", "--rejected", tmp_path / "rejected.csv")
    assert status == 1
    assert (tmp_path / "rejected.csv").read_text().splitlines() == [
        "file,row,column,reason",
        "grades.txt,3,Mu,a cell that is not a grade",
    ]


def reads_of(tmp_path, *years_and_rows):
    paths = []
    for place, (year, rows) in enumerate(years_and_rows):
        paths.append(tmp_path / f"{place}.txt")
        paths[-1].write_text(as_text(rows, year), encoding="utf-8")
    return read_files(paths, KEY)


def test_pupils_of_one_file_only_are_kept_and_contradictions_told(tmp_path):
    one, two, three = (identity_number(place, "girl") for place in range(3))
    six = [pupil(6, one), pupil(6, two, Datum="20140612")]
    nine = [pupil(9, two), pupil(9, three)]
    records, findings = merge_with_findings(reads_of(tmp_path, (6, six), (9, nine)))
    students = records.students.set_index("student_id")
    assert len(students) == 3
    assert students["cohort"].tolist() == [2018] * 3
    assert pd.isna(students.at[KEY.pseudonym(one), "school_id"])
    assert pd.isna(students.at[KEY.pseudonym(three), "school_id_y6"])
    assert [finding.what for finding in findings] == ["1 student has another cohort in another file"]


def test_the_latest_file_of_year_9_holds_whatever_the_order_of_files(tmp_path):
    number = identity_number(1, "boy")
    reads = reads_of(
        tmp_path, (9, [pupil(9, number, Datum="20180612")]), (9, [pupil(9, number, Datum="20190612", Ma="F")])
    )
    for ordered in (reads, reads[::-1]):
        records, findings = merge_with_findings(ordered)
        assert records.students["cohort"].tolist() == [2019]
        assert records.grades.query("subject == 'MA'")["grade"].tolist() == ["F"]
        assert any("contradict" in finding.what for finding in findings)
    left, right = merge_reads(reads), merge_reads(reads[::-1])
    pd.testing.assert_frame_equal(left.grades, right.grades)


def test_files_of_the_same_name_are_told_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(as_text([pupil()]), encoding="utf-8")
    reads = read_files([tmp_path / "a" / "x.txt", tmp_path / "b" / "x.txt"])
    assert len({read.report.file for read in reads}) == 2
    assert reads[0].tables["students"].equals(reads[1].tables["students"])
    assert not re.fullmatch(r"\d+", reads[0].tables["students"]["student_id"][0])


def test_a_kill_or_a_full_disk_leaves_the_old_folder(files, run, tmp_path, monkeypatch):
    out, key = tmp_path / "records", tmp_path / "key"
    assert run("import", files, "--key", key, "--out", out)[0] == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    class Killed(BaseException):
        """What no handler of errors catches."""

    def kill(*_, **__):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("pyarrow.parquet.write_table", full)
        status, _, stderr = run("import", files / "year9.txt", "--key", key, "--out", out)
        assert status == 1
        assert "No space left on device" in stderr
        patched.setattr("pyarrow.parquet.write_table", kill)
        with pytest.raises(Killed):
            run("import", files / "year9.txt", "--key", tmp_path / "fresh", "--out", out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "records"]


def test_a_mapping_makes_a_list_of_what_no_format_knows(numbers, run, tmp_path):
    one, *_ = numbers.values()
    path = tmp_path / "list.csv"
    path.write_text(f"sep=;\nID;Borta;Olovligt\n{one};12,5;0,5\n", encoding="utf-8")
    assert run("check", path)[0] == 2
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[columns]\nstudent = "ID"\nvalid = "Borta"\ninvalid = "Olovligt"\n[file]\nterm = "7HT"\n')
    status, stdout, stderr = run("check", path, "--mapping", mapping, "--json")
    assert status == 0, stderr
    (entry,) = json.loads(stdout)
    assert (entry["format"], entry["rows"], entry["read"]) == ("absence-list", 2, 1)
    refuse_leaks(numbers, stdout, stderr)


def test_swapped_columns_list_every_row_as_rejected(run, tmp_path):
    rows = [pupil(9, identity_number(place, "girl")) for place in range(4)]
    rows = [row | {"PersonNr": row["Fornamn"], "Fornamn": row["PersonNr"]} for row in rows]
    (tmp_path / "grades.txt").write_text(as_text(rows), encoding="utf-8")
    status, stdout, _ = run("check", tmp_path / "grades.txt", "--json")
    (entry,) = json.loads(stdout)
    assert status == 2
    assert (entry["rows"], entry["read"], [one["row"] for one in entry["rejected"]]) == (4, 0, [1, 2, 3, 4])
    assert "PersonNr (column 4)" in entry["rejected"][0]["reason"]


def test_rows_that_are_no_data_are_in_the_list_of_rejected_rows(files, run, tmp_path):
    path = files / "absence7HT.csv"
    run("check", path, "--rejected", tmp_path / "rejected.csv")
    listed = (tmp_path / "rejected.csv").read_text(encoding="utf-8").splitlines()[1:]
    entry = json.loads(run("check", path, "--json")[1])[0]
    assert len(listed) == len(entry["rejected"]) == 3
    assert listed[0] == "absence7HT.csv,1,,not data: preamble"
