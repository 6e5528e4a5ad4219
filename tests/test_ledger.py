"""The ledger: what was published, checked whole, and what it keeps from being published."""

import json
import re
import shutil
from dataclasses import replace
from itertools import product

import pytest
from made_release import made_release
from test_verify import COUNTS, SAFE

from nbanalytics.errors import DisclosureError, ReleaseError
from nbanalytics.release import files, publish, read_release, write_release
from nbanalytics.release.ledger import Ledger, publish_release
from nbanalytics.release.verify import verify

OTHER = {(cohort, school, group) for cohort, school, group in product(["2018", "2019"], ["S1", "S2"], ("3", "1"))}


@pytest.fixture
def book(tmp_path):
    """A ledger with one release, which stands in the folder ``board``."""
    publish_release(made_release(COUNTS, SAFE), tmp_path / "board", tmp_path / "releases.ledger")
    return tmp_path / "releases.ledger"


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_entry_says_what_was_published_when_and_where(book):
    (entry,) = [json.loads(line) for line in book.read_text("utf-8").splitlines()]
    assert entry["date"] == "2026-01-02"
    assert entry["where"] == "board"
    assert entry["manifest"] == read_release(book.parent / "board").manifest["checksum"]
    assert Ledger(book).releases() == [read_release(book.parent / "board")]


def test_the_same_release_again_is_no_new_entry(book):
    publish_release(made_release(COUNTS, SAFE), book.parent / "board", book)
    assert len(Ledger(book).entries()) == 1


def test_next_year_with_the_same_cells_hidden_is_published(book):
    counts = COUNTS | {("2020", "S1"): (50, 20, 30), ("2020", "S2"): (50, 22, 30)}
    publish_release(made_release(counts, SAFE, created="2027-01-02"), book.parent / "board", book)
    first, second = Ledger(book).entries()
    assert second["previous"] == first["hash"]
    assert len(Ledger(book).releases()) == 2


def test_what_is_safe_alone_and_not_together_is_refused_and_nothing_is_written(book):
    release = made_release(COUNTS, OTHER, created="2026-02-02")
    publish_release(release, book.parent / "elsewhere")
    shutil.rmtree(book.parent / "elsewhere")
    before = everything(book.parent)
    with pytest.raises(DisclosureError, match=r"together with 1 earlier releases it has 2 weaknesses(.|\n)*it is 3"):
        publish_release(release, book.parent / "board", book)
    assert everything(book.parent) == before


def test_what_is_proven_alone_and_not_together_is_refused_and_nothing_is_written(book, monkeypatch):
    def unsure(releases, *how):
        found = verify(releases, *how)
        return replace(found, counts=found.counts | {"unproven": 2}) if len(releases) > 1 else found

    monkeypatch.setattr(publish, "verify", unsure)
    counts = COUNTS | {("2020", "S1"): (50, 20, 30), ("2020", "S2"): (50, 22, 30)}
    before = everything(book.parent)
    with pytest.raises(DisclosureError, match="together with 1 earlier releases 2 more hidden counts are unproven"):
        publish_release(made_release(counts, SAFE, created="2027-01-02"), book.parent / "board", book)
    assert everything(book.parent) == before


def test_a_correction_of_one_student_is_refused(tmp_path):
    book, counts = tmp_path / "releases.ledger", dict.fromkeys(COUNTS, (40, 20, 20))
    publish_release(made_release(counts), tmp_path / "board", book)
    corrected = counts | {("2018", "S1"): (40, 21, 20)}
    with pytest.raises(DisclosureError, match="two releases differ by 1"):
        publish_release(made_release(corrected), tmp_path / "board", book)
    many = counts | {("2018", "S1"): (40, 27, 20)}
    publish_release(made_release(many), tmp_path / "board", book)


def test_a_release_with_a_weakness_of_its_own_is_refused_and_the_old_one_stays(book):
    before = everything(book.parent)
    with pytest.raises(DisclosureError, match=r"Nothing was written: the attack on the release finds 2 weaknesses"):
        publish_release(made_release(COUNTS), book.parent / "board", book)
    assert everything(book.parent) == before


def drop_line(book, number):
    lines = book.read_text("utf-8").splitlines(keepends=True)
    book.write_text("".join(lines[:number] + lines[number + 1 :]), "utf-8")


def copy_of(book):
    (folder,) = (path for path in Ledger(book).copies.iterdir() if path.name == Ledger(book).entries()[0]["manifest"])
    return folder


def alter(path, old, new):
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda book: drop_line(book, 0), "misses a release, or was altered, at line 1"),
        (lambda book: drop_line(book, 1), "misses 1 of the releases"),
        (lambda book: book.unlink(), "misses 2 of the releases"),
        (lambda book: alter(book, "2026-01-02", "2025-01-02"), "was altered, at line 1"),
        (lambda book: alter(book, "{", ""), "Line 1 of the ledger releases.ledger is no entry"),
        (lambda book: book.write_bytes(b"\xff\xfe"), "cannot be read"),
        (lambda book: shutil.rmtree(copy_of(book)), "its copy in releases.ledger.d is gone"),
        (lambda book: alter(copy_of(book) / "tables" / "groups.csv", ",ok", ",no"), "groups.csv in the release"),
        (lambda book: alter(copy_of(book) / "manifest.json", "Prov", "Real"), "was altered since it was published"),
    ],
)
def test_a_ledger_that_misses_something_refuses(book, spoil, words):
    counts = COUNTS | {("2020", "S1"): (50, 20, 30), ("2020", "S2"): (50, 22, 30)}
    release = made_release(counts, SAFE, created="2027-01-02")
    publish_release(release, book.parent / "board", book)
    spoil(book)
    before = everything(book.parent)
    with pytest.raises(ReleaseError, match=re.escape(words)):
        publish_release(release, book.parent / "board", book)
    assert everything(book.parent) == before


def test_a_standing_release_that_the_ledger_does_not_know_is_not_replaced(tmp_path):
    write_release(made_release(COUNTS, SAFE), tmp_path / "board")
    with pytest.raises(ReleaseError, match="misses the release of 2026-01-02 that stands in board"):
        publish_release(made_release(COUNTS, SAFE, created="2026-03-01"), tmp_path / "board", tmp_path / "other.ledger")


def test_a_failure_to_write_leaves_ledger_and_release_as_they_were(book, monkeypatch):
    counts = COUNTS | {("2020", "S1"): (50, 20, 30), ("2020", "S2"): (50, 22, 30)}
    before, write = everything(book.parent), files.table_bytes

    def full(table, name):
        if len(list(Ledger(book).copies.iterdir())) > 1:  # the copy is there; it is the board's folder that fails
            raise OSError(28, "No space left on device")
        return write(table, name)

    release = made_release(counts, SAFE, created="2027-01-02")
    monkeypatch.setattr(files, "table_bytes", full)
    with pytest.raises(ReleaseError, match="No space left"):
        publish_release(release, book.parent / "board", book)
    assert everything(book.parent) == before
