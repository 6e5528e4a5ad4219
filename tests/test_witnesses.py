"""The witnesses of a release: replayed with and without the code, the same for everybody, and refused when altered."""

import csv
import json
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from made_release import made_release, release_of, verify
from test_verify import COUNTS, SAFE, SMALL
from typer.testing import CliRunner

from nbanalytics.cli import app
from nbanalytics.disclosure import attack, possible
from nbanalytics.errors import DisclosureError, ReleaseError
from nbanalytics.release import read_release, write_release
from nbanalytics.release.files import WITNESSES, signed
from nbanalytics.release.knowledge import knowledge_of
from nbanalytics.release.ledger import publish_release
from nbanalytics.release.model import FILTERS, Release
from nbanalytics.release.witnesses import largest_known, replay, with_witnesses
from nbanalytics.serve import default_release


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("witnesses") / "board"
    publish_release(made_release(COUNTS, SAFE), folder)
    return folder


def run(folder, *more):
    return CliRunner().invoke(app, ["verify", str(folder), "--replay", *more])


def test_the_witnesses_are_replayed_on_the_command_line(board):
    done = run(board)
    assert done.exit_code == 0
    assert "replayed without a solver; 8 of 8 hidden counts are shown to be open" in done.stdout
    (said,) = json.loads(run(board, "--json").stdout)
    assert said["holds"]
    assert said["counts"]["open"] == said["counts"]["hidden"] == 8


def tables_of(folder):
    """Every witness as a whole table, from the two files and the numbering of the documentation alone."""
    with (folder / "tables" / "groups.csv").open(encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    with (folder / WITNESSES).open(encoding="utf-8") as file:
        rows = [{name: int(value) for name, value in row.items()} for row in csv.DictReader(file)]
    first = {row["cell"]: row["count"] for row in rows if row["witness"] == 0}
    for witness in sorted({row["witness"] for row in rows}):
        own = first | {row["cell"]: row["count"] for row in rows if row["witness"] == witness}
        counts = [own[number] if number in own else int(cell["value"]) for number, cell in enumerate(cells)]
        assert all(cell["value"] == "" for number, cell in enumerate(cells) if number in own)
        yield {
            (cell["cohort"], cell["school"], cell["group"]): count for cell, count in zip(cells, counts, strict=True)
        }


def test_each_witness_adds_up_and_each_hidden_count_is_open_in_one(board):
    tables = list(tables_of(board))
    for table in tables:
        assert min(table.values()) >= 0
        for place in table:
            for axis in range(3):
                if place[axis] == "*":
                    parts = [
                        count
                        for other, count in table.items()
                        if other[axis] != "*" and all(other[o] == place[o] for o in range(3) if o != axis)
                    ]
                    assert sum(parts) == table[place]
    for place in SAFE:
        assert any(table[place] == 0 or table[place] >= 5 for table in tables)


def test_students_with_the_same_published_numbers_have_the_same_witnesses(board, tmp_path):
    """They are found from what is published, so no vote among them can tell one truth from another."""
    turned = {
        (cohort, school): (one, three + sign, five - sign)
        for ((cohort, school), (one, three, five)), sign in zip(COUNTS.items(), (1, -1, -1, 1), strict=True)
    }
    assert turned != COUNTS
    publish_release(made_release(turned, SAFE), tmp_path / "other")
    for name in ("tables/groups.csv", WITNESSES, "manifest.json"):
        assert (tmp_path / "other" / name).read_bytes() == (board / name).read_bytes()


def without_witnesses(folder):
    release = read_release(folder)
    return signed(release.manifest, release.tables)


def test_the_folder_alone_gives_its_witnesses_again(board, tmp_path):
    publish_release(without_witnesses(board), tmp_path / "again")
    assert (tmp_path / "again" / WITNESSES).read_bytes() == (board / WITNESSES).read_bytes()


def test_all_hidden_counts_of_the_samples_release_are_open():
    found = replay(read_release(default_release()))
    assert found.holds, found.text()
    assert found.counts["open"] == found.counts["hidden"] > 4000


@pytest.mark.slow
def test_the_tables_of_the_samples_release_alone_give_its_witnesses_again():
    bare = without_witnesses(default_release())
    tables = verify([bare], seconds=np.inf).tables
    assert with_witnesses(bare, tables).witnesses == (default_release() / WITNESSES).read_bytes()


def test_a_slow_machine_finds_the_same(board, tmp_path, monkeypatch):
    hours = iter(range(0, 10**9, 3600))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(hours)))
    publish_release(made_release(COUNTS, SAFE), tmp_path / "slow")
    assert (tmp_path / "slow" / WITNESSES).read_bytes() == (board / WITNESSES).read_bytes()


def test_a_release_with_unproven_counts_is_refused_and_the_old_one_stays(board, tmp_path, monkeypatch):
    shutil.copytree(board, tmp_path / "board")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for module in (attack, possible):
        monkeypatch.setattr(module, "solve", lambda part, gain, stop: (None, np.inf))
    with pytest.raises(DisclosureError, match=r"Nothing was written: 8 of 8 hidden counts are unproven"):
        publish_release(made_release(COUNTS, SAFE, created="2026-02-02"), tmp_path / "board")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_hidden_count_that_is_known_to_be_small_has_no_witness():
    release = made_release(COUNTS, SMALL)
    found = replay(with_witnesses(release, verify([release]).tables))
    assert not found.holds
    assert found.counts["open"] == 0
    assert "cohort 2018, school S1, group 3: no witness has it at 0, or at 5 or more" in found.text()


def test_what_the_sums_alone_say_needs_no_witness_of_its_own(tmp_path):
    hidden = {(cohort, "S1", group) for cohort in ("*", "2018") for group in ("1", "3")}
    hidden |= {(cohort, "S2", group) for cohort in ("*", "2018") for group in ("1", "3")}
    release = made_release({("2018", "S1"): (0, 0, 20), ("2018", "S2"): (30, 9, 20)}, hidden)
    publish_release(release, tmp_path / "board")
    assert replay(read_release(tmp_path / "board")).counts == {"witnesses": 1, "hidden": 8, "open": 8}


# ------------------------------------------------------------------ altered files


def altered(board, folder, change):
    """Write the release with other witnesses, with checksums that fit; what somebody would do who wants to deceive."""
    release = read_release(board)
    rows = [line.split(",") for line in release.witnesses.decode().splitlines()]
    raw = "".join(",".join(row) + "\n" for row in change(rows)).encode()
    return write_release(signed(release.manifest, release.tables, raw), folder)


def shift(row, by):
    return [*row[:2], str(int(row[2]) + by)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: [rows[0], shift(rows[1], 1), *rows[2:]], "witness 0: 3 sums do not hold"),
        (lambda rows: [*rows[:-1], shift(rows[-1], 1)], "sums do not hold"),
        (lambda rows: [rows[0], shift(rows[1], -999), *rows[2:]], "0 of 8 hidden counts are shown to be open"),
        (lambda rows: [row for row in rows if row[0] in ("witness", "0")], "no witness has it at 0, or at 5 or more"),
    ],
)
def test_witnesses_that_do_not_hold_are_told_and_exit_1(board, tmp_path, change, words):
    done = run(altered(board, tmp_path / "altered", change))
    assert done.exit_code == 1
    assert words in done.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[:5], "witness 0 must have each unpublished count once"),
        (lambda rows: [row[:2] for row in rows], "has not the columns witness, cell, count"),
        (lambda rows: [["w", "c", "n"], *rows[1:]], "has not the columns witness, cell, count"),
        (lambda rows: [*rows, ["1", "2"]], "not whole numbers in them"),
        (lambda rows: [*rows, ["1", "7", "2.5"]], "not whole numbers in them"),
        (lambda rows: [*rows, ["1", "0", "7"]], "and no other cell"),
        (lambda rows: [*rows, ["99", rows[1][1], "7"]], "is not of the release of 2026-01-02"),
        (lambda rows: [*rows, rows[-1]], "is not of the release of 2026-01-02"),
        (lambda rows: [], "has not the columns"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_words(board, tmp_path, change, words):
    done = run(altered(board, tmp_path / "altered", change))
    assert isinstance(done.exception, ReleaseError)
    assert words in str(done.exception)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "witnesses.csv is missing from the release"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4]), "witnesses.csv in the release board was altered"),
        (lambda path: path.write_text("witness,cell,count\n0,1,2\n"), "witnesses.csv in the release board was altered"),
    ],
)
def test_a_folder_whose_witnesses_were_altered_is_no_release(board, tmp_path, spoil, words):
    shutil.copytree(board, tmp_path / "board")
    spoil(tmp_path / "board" / WITNESSES)
    done = run(tmp_path / "board")
    assert isinstance(done.exception, ReleaseError)
    assert words in str(done.exception)


def test_witnesses_of_another_release_are_refused(board, tmp_path):
    other = {(cohort, school, group) for cohort, school, _ in SAFE for group in ("1", "3")}
    publish_release(made_release(COUNTS, other), tmp_path / "other")
    release, strange = read_release(board), read_release(tmp_path / "other")
    write_release(signed(release.manifest, release.tables, strange.witnesses), tmp_path / "mixed")
    done = run(tmp_path / "mixed")
    assert isinstance(done.exception, ReleaseError)
    assert "is not of the release of 2026-01-02" in str(done.exception)


def test_a_release_without_witnesses_says_so(board, tmp_path):
    write_release(without_witnesses(board), tmp_path / "bare")
    done = run(tmp_path / "bare")
    assert isinstance(done.exception, ReleaseError)
    assert "There is no witnesses.csv in the release of 2026-01-02" in str(done.exception)


@pytest.mark.parametrize(("english", "known"), [(11, True), (12, False), (30, False)])
def test_the_largest_is_known_where_the_sums_leave_no_other_enough(english, known):
    """In 2018 12 lacked maths; English is hidden in both years, and `english` in all: up to all of them in 2018."""
    release = lacked({"MA": (20, 12, 8), "EN": (english, None, None)})
    found = largest_known(release, possible.Possible(knowledge_of([release]).knowledge, np.empty(0, dtype=int), 0, 5))
    assert (["2018", "*", "*", "*"] in found["lost_subjects"]) == known
    assert ["*", "*", "*", "*"] not in found["lost_subjects"]  # nothing is hidden there


def test_what_is_hidden_whole_has_no_largest():
    release = lacked({"MA": (None, None, None), "EN": (None, None, None)})
    found = largest_known(release, possible.Possible(knowledge_of([release]).knowledge, np.empty(0, dtype=int), 0, 5))
    assert found == {"lost_subjects": []}


def lacked(counts):
    """A release of one table: subjects lacked in all years, in 2018 and in 2019; None is hidden."""
    rows = [
        (cohort, "*", "*", "*", "*", subject, "students", number, "suppressed" if number is None else "ok")
        for subject, numbers in counts.items()
        for cohort, number in zip(("*", "2018", "2019"), numbers, strict=True)
    ]
    table = pd.DataFrame(rows, columns=[*FILTERS, "term", "subject", "measure", "value", "status"])
    made = release_of(table.rename(columns={"subject": "group"}), ["2018", "2019"], [])
    count = {"kind": "count", "universe": "lost", "sums_over": list(FILTERS)}
    entry = {"dimensions": [*FILTERS, "term", "subject"], "max_crossed": 1, "measures": {"students": count}}
    manifest = {**made.manifest, "tables": {"lost_subjects": entry | {"file": "tables/lost_subjects.csv"}}}
    return Release(manifest, {"lost_subjects": table.astype({"value": "float64"})})
