"""The ledger: what was published, checked whole, and what it keeps from being published."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from threading import Event, Thread

import pytest
from made_release import made_release, verify
from patience import PATIENCE
from test_verify import COUNTS, SAFE

from nbanalytics.errors import DisclosureError, ReleaseError
from nbanalytics.release import files, ledger, read_release, write_release
from nbanalytics.release.ledger import Ledger, publish_release, refuse_in_public, rounding_secret

OTHER = {(cohort, school, group) for cohort, school, group in product(["2018", "2019"], ["S1", "S2"], ("3", "1"))}


@pytest.fixture
def book(tmp_path):
    """A ledger with one release, which stands in the folder ``board``."""
    publish_release(made_release(COUNTS, SAFE), tmp_path / "board", tmp_path / "releases.ledger")
    return tmp_path / "releases.ledger"


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_entry_says_what_was_published_and_when(book):
    (entry,) = [json.loads(line) for line in book.read_text("utf-8").splitlines()]
    assert entry["date"] == "2026-01-02"
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

    monkeypatch.setattr(ledger, "verify", unsure)
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
        (lambda book: alter(book, "{", ""), "Line 1 of the ledger releases.ledger is not an entry"),
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


# ------------------------------------------------------------------ one publication at a time


def test_two_publications_at_once_are_one_after_the_other_and_the_second_knows_the_first(book, monkeypatch):
    """Each is safe alone, and not together: whoever comes second has to see what the first has published."""
    attacking, go_on, said, outcome = Event(), Event(), [], []
    attack = ledger.verify

    def slow(releases, *how):
        attacking.set()
        assert go_on.wait(PATIENCE)
        return attack(releases, *how)

    first = made_release(COUNTS | {("2020", "S1"): (50, 20, 30), ("2020", "S2"): (50, 22, 30)}, SAFE, "2027-01-02")
    second = made_release(COUNTS | {("2020", "S1"): (50, 21, 30), ("2020", "S2"): (50, 22, 30)}, SAFE, "2027-01-03")
    monkeypatch.setattr(ledger, "verify", slow)

    def publish(release, folder):
        try:
            publish_release(release, book.parent / folder, book, said.append)
            outcome.append("published")
        except DisclosureError as error:
            outcome.append(str(error))

    threads = [Thread(target=publish, args=both) for both in ((first, "board"), (second, "other"))]
    threads[0].start()
    assert attacking.wait(PATIENCE)
    threads[1].start()
    while "waiting for another publication with releases.ledger" not in said:
        assert threads[1].is_alive()
        time.sleep(0.01)
    go_on.set()
    for thread in threads:
        thread.join()
    assert outcome[0] == "published"
    assert "two releases differ by 1" in outcome[1]
    assert len(Ledger(book).entries()) == 2


def test_another_process_cannot_hold_a_ledger_that_is_held_by_whatever_name(book):
    (book.parent / "link").symlink_to(book)
    code = (
        "import sys; from pathlib import Path; from nbanalytics.release.ledger import Ledger\n"
        "with Ledger(Path(sys.argv[1])).held(lambda words: print(words, flush=True)): print('held', flush=True)"
    )
    command = [sys.executable, "-c", code, str(book.parent / "link")]
    with Ledger(book).held():
        other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == "waiting for another publication with releases.ledger\n"
        assert other.poll() is None
    assert other.communicate(timeout=PATIENCE)[0] == "held\n"
    assert other.returncode == 0


def test_two_that_make_the_key_at_once_have_the_same(tmp_path):
    found = []
    threads = [Thread(target=lambda: found.append(rounding_secret(ledger=tmp_path / "l"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_ledger_copies_and_entries_hold_nothing_that_the_releases_do_not(book):
    published = everything(book.parent / "board")
    copies = everything(Ledger(book).copies)
    assert sorted(copies.values()) == sorted(published.values())
    manifest = json.loads((book.parent / "board" / "manifest.json").read_text("utf-8"))
    (entry,) = Ledger(book).entries()
    said = {"date": manifest["created"], "title": manifest["title"], "manifest": manifest["checksum"]}
    assert entry.items() >= said.items()
    text = json.dumps({name: entry[name] for name in entry if name != "hash"}, ensure_ascii=False, sort_keys=True)
    assert entry == said | {
        "number": 1,
        "previous": "0" * 64,
        "hash": hashlib.sha256(text.encode()).hexdigest(),
    }
    assert (book.parent / "releases.ledger.lock").read_bytes() == b""


def test_a_ledger_of_before_which_noted_the_folder_is_still_read(book):
    entry = Ledger(book).entries()[0] | {"where": "board"}
    text = json.dumps({name: entry[name] for name in entry if name != "hash"}, ensure_ascii=False, sort_keys=True)
    entry["hash"] = hashlib.sha256(text.encode()).hexdigest()
    book.write_text(json.dumps(entry) + "\n", "utf-8")
    counts = COUNTS | {("2020", "S1"): (50, 20, 30), ("2020", "S2"): (50, 22, 30)}
    publish_release(made_release(counts, SAFE, created="2027-01-02"), book.parent / "board", book)
    assert [found.get("where") for found in Ledger(book).entries()] == ["board", None]


@pytest.mark.parametrize("name", ["board/l", "board/tables/l", "site/l", "site/assets/l", "new/l", "new/deep/l"])
def test_neither_ledger_nor_key_lies_in_a_folder_that_is_published(book, name):
    folder = book.parent
    (folder / "site" / "assets").mkdir(parents=True)
    (folder / "site" / "nbanalytics-site.txt").write_text("", "utf-8")
    (folder / "way").symlink_to(folder)
    before = everything(folder)
    for path in (folder / name, folder / "way" / name, folder / "site" / ".." / name):
        with pytest.raises(ReleaseError, match=r"ledger l would lie in (board|site|new)"):
            publish_release(made_release(COUNTS, SAFE), folder / "new", path)
        with pytest.raises(ReleaseError, match=r"key l would lie in"):
            refuse_in_public(folder / "new", key=path)
    assert everything(folder) == before
    refuse_in_public(folder / "new", book, Path(f"{book}.key"))


def test_the_command_refuses_a_ledger_and_a_key_in_what_it_publishes(run, tmp_path, book):
    sample = Path(__file__).resolve().parents[1] / "data" / "sample"
    for more in (("--ledger", tmp_path / "new" / "l"), ("--round", "--key", tmp_path / "board" / "key")):
        status, _, err = run("release", sample, "--out", tmp_path / "new", *more)
        assert status == 1
        assert "is published with all that is in it" in err
    assert not (tmp_path / "new").exists()
