"""What is replaced is replaced as a whole, and nothing is left beside it, whatever fails on the way."""

import os
import stat
from pathlib import Path

import pytest

from nbanalytics.files import replacing_file, replacing_folder


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def fail_half_way(path):
    path.write_text("half")
    raise ZeroDivisionError


@pytest.mark.parametrize("before", [{}, {"note.txt": "old"}])
def test_a_file_is_made_or_replaced(tmp_path, before):
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with replacing_file(tmp_path / "note.txt") as fresh:
        fresh.write_text("new")
        assert contents(tmp_path) == before | {fresh.name: "new"}
    assert contents(tmp_path) == {"note.txt": "new"}


def test_a_file_is_kept_when_writing_fails(tmp_path):
    (tmp_path / "note.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing_file(tmp_path / "note.txt") as fresh:
        fail_half_way(fresh)
    assert contents(tmp_path) == {"note.txt": "old"}


def test_a_file_can_be_for_its_owner_alone_from_its_first_byte(tmp_path):
    with replacing_file(tmp_path / "key", mode=0o600) as fresh:
        assert stat.S_IMODE(fresh.stat().st_mode) == 0o600
        fresh.write_text("secret")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_file_in_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError), replacing_file(tmp_path / "nowhere" / "note.txt"):
        pytest.fail("there is nothing to write to")
    assert os.listdir(tmp_path) == []


def filled(folder):
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    return folder


def test_a_folder_is_made_with_those_above_it(tmp_path):
    with replacing_folder(tmp_path / "a" / "b") as fresh:
        (fresh / "new.txt").write_text("new")
    assert contents(tmp_path) == {"a/b/new.txt": "new"}


def test_a_folder_is_replaced_and_not_merged(tmp_path):
    target = filled(tmp_path / "site")
    with replacing_folder(target) as fresh:
        (fresh / "new.txt").write_text("new")
        assert contents(target) == {"old.txt": "old"}
    assert contents(tmp_path) == {"site/new.txt": "new"}
    assert os.listdir(tmp_path) == ["site"]


def test_a_folder_is_kept_when_filling_the_new_one_fails(tmp_path):
    target = filled(tmp_path / "site")
    with pytest.raises(ZeroDivisionError), replacing_folder(target) as fresh:
        fail_half_way(fresh / "new.txt")
    assert contents(tmp_path) == {"site/old.txt": "old"}
    assert os.listdir(tmp_path) == ["site"]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_folder_is_put_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch, failing):
    target, rename, calls = filled(tmp_path / "site"), Path.rename, []

    def refuse(path, new):
        calls.append(new)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        return rename(path, new)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="No space left"), replacing_folder(target) as fresh:
        (fresh / "new.txt").write_text("new")
    assert contents(tmp_path) == {"site/old.txt": "old"}
    assert os.listdir(tmp_path) == ["site"]
