"""Files and folders that are whole or not there, that only their owner can open, and that are gone when they should be.

What is written stands under a hidden name beside its target until it is complete. A command that is killed leaves that
name behind; the next one that touches the target removes it, or puts back what the killed one had moved away. A lock on
each such file distinguishes a killed command from one that is still writing.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


#: Modes of what holds pupils, and of what anybody may read, before the user's own mask.
OWNER_FILE, OWNER_FOLDER = 0o600, 0o700
ANYBODY_FILE, ANYBODY_FOLDER = 0o666, 0o777
_NEW, _OLD = "new", "old"
#: Where files cannot be locked (Windows), what is older than this many seconds was left behind.
_ABANDONED = 86_400


@contextmanager
def replacing_file(target: Path, mode: int = ANYBODY_FILE) -> Iterator[Path]:
    """Give an empty file to write beside a target; it takes the target's place if nothing fails.

    Behind a symbolic link the target is the file that the link names. ``mode`` says who may read the new file, before
    the user's own mask: with ``0o600`` its owner alone, whatever it replaces; other files keep the group and mode of
    the one that they replace. If anything fails, the target is as it was.

    Examples
    --------
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with replacing_file(target) as fresh:
    ...     _ = fresh.write_text("complete")
    >>> target.read_text()
    'complete'
    """
    target = behind_links(target)
    remove_leftovers(target)
    fresh = _beside(target, _NEW)
    try:
        fresh.touch(mode=OWNER_FILE if target.exists() else mode, exist_ok=False)
        with _locked(fresh):
            yield fresh
            if mode != OWNER_FILE and target.exists():
                _pass_on(target, fresh)
            fresh.replace(target)
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


@contextmanager
def replacing_folder(target: Path, mode: int = ANYBODY_FOLDER) -> Iterator[Path]:
    """Give an empty folder to fill beside a target; it takes the target's place if nothing fails.

    While it is filled, only its owner can open it. A folder that is replaced passes on its group and mode; the caller
    makes sure that nothing is lost with what it holds. ``mode`` says who may open a folder that did not exist, before
    the user's own mask. With ``0o700`` its files are the owner's alone, too, but for those that replace a file of the
    same name that others may read.

    Examples
    --------
    >>> target = Path(tempfile.mkdtemp()) / "tables"
    >>> with replacing_folder(target) as fresh:
    ...     _ = (fresh / "a.csv").write_text("complete")
    >>> [path.name for path in target.iterdir()]
    ['a.csv']
    """
    target = behind_links(target)
    remove_leftovers(target)
    fresh, old = _beside(target, _NEW), _beside(target, _OLD)
    try:
        _make_folders(target.parent, mode)
        fresh.mkdir(mode=OWNER_FOLDER)
        with _locked(fresh):
            yield fresh
            if mode == OWNER_FOLDER:
                _close_files(fresh, target)
            if target.exists():
                _pass_on(target, fresh)
            else:
                fresh.chmod(mode & ~_umask())
            _swap(fresh, target, old)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _swap(fresh: Path, target: Path, old: Path) -> None:
    """Put the fresh folder in the target's place; whatever happens in between, the target is put back."""
    there = target.exists()
    try:
        if there:
            target.rename(old)
        fresh.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise


def _make_folders(folder: Path, mode: int) -> None:
    """Make the folders above; those above pupils' files are the owner's, as they are."""
    if not folder.exists():
        _make_folders(folder.parent, mode)
        folder.mkdir(mode=mode, exist_ok=True)


def _close_files(fresh: Path, target: Path) -> None:
    """Give each file its mode: that of the one it replaces, or the owner's alone. Nobody else can enter yet."""
    for path in fresh.rglob("*"):
        before = target / path.relative_to(fresh)
        path.chmod(OWNER_FOLDER if path.is_dir() else OWNER_FILE)
        if before.exists():
            _pass_on(before, path)


def _pass_on(before: Path, after: Path) -> None:
    """Give a new file or folder the group and the mode of the one that it replaces."""
    kept = before.stat()
    wanted = stat.S_IMODE(kept.st_mode)
    if after.stat().st_gid != kept.st_gid:
        try:
            os.chown(after, -1, kept.st_gid)
        except (OSError, AttributeError):
            wanted &= ~0o070  # opened to its old group, it must not be opened to another one
    after.chmod(wanted)


def _umask() -> int:
    """Return the user's mask, which can be read only by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def open_owned(path: Path) -> IO[bytes]:
    """Open a new file for writing bytes; from its first moment it can be read by its owner alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), OWNER_FILE), "wb")


def is_open(path: Path) -> bool:
    """Whether users of this machine beside the owner and the group can read a file, or a file of a folder.

    A folder above that they cannot enter keeps them out. Where modes are not POSIX's, nothing is open.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "students.csv").touch()
    >>> is_open(folder)
    False
    """
    path = behind_links(path)
    try:
        inside = list(path.iterdir()) if path.is_dir() else [path]
        above = [*path.parents, path] if path.is_dir() else path.parents
        entered = os.name == "posix" and all(folder.stat().st_mode & 0o001 for folder in above)
        return entered and any(one.stat().st_mode & 0o004 for one in inside if one.is_file())
    except OSError:
        return False


def behind_links(target: Path) -> Path:
    """Return the place that a path names: that of a symbolic link is where the link leads."""
    return Path(os.path.realpath(target))


# ------------------------------------------------------------------ what a killed command leaves behind


def _beside(target: Path, state: str) -> Path:
    return target.with_name(f".{target.name}.{state}-{uuid4().hex}")


def remove_leftovers(target: Path) -> list[Path]:
    """Remove what killed commands of this user left beside a target; a folder that one had moved away is put back.

    What another command is writing at this moment is left alone. Returns what could not be removed.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / f".records.old-{'0' * 32}").mkdir()
    >>> remove_leftovers(folder / "records")
    []
    >>> [path.name for path in folder.iterdir()]
    ['records']
    """
    target = behind_links(target)
    form = re.compile(rf"\.{re.escape(target.name)}\.({_NEW}|{_OLD})-[0-9a-f]{{32}}")
    try:
        found = [(path, match[1]) for path in target.parent.iterdir() if (match := form.fullmatch(path.name))]
    except OSError:
        return []
    # Where a command still writes, its new one is locked, and the old one is its own.
    if not all(_is_abandoned(path) for path, state in found if state == _NEW):
        return []
    return [path for path, state in found if not _settled(path, state, target)]


def _settled(path: Path, state: str, target: Path) -> bool:
    """Put back or remove one leftover; returns whether it is gone."""
    try:
        if path.lstat().st_uid != _user():
            return False
        if state == _OLD and not target.exists():
            path.rename(target)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:
        return False
    return True


def _user() -> int:
    return int(getattr(os, "geteuid", lambda: 0)())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends."""
    if fcntl is None:
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks lock nothing
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def _is_abandoned(path: Path) -> bool:
    """Whether nobody holds a lock on a file or folder."""
    try:
        if fcntl is None:
            return time.time() - path.stat().st_mtime > _ABANDONED
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return True  # gone meanwhile, or another user's
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


# ------------------------------------------------------------------ a place for what memory does not take

_SPILL = "nbanalytics-spill-"


def spill_folder() -> Path:
    """Return a folder of this process for what does not fit in memory: its owner's alone, and removed at the end.

    What killed processes of the same user left there is removed first. A long session may lose the folder to a
    cleaner of temporary files; it gets a new one.
    """
    if not (folder := _spill_folder(os.getpid())).is_dir():
        _spill_folder.cache_clear()
        folder = _spill_folder(os.getpid())
    return folder


@cache
def _spill_folder(process: int) -> Path:
    place = Path(tempfile.gettempdir())
    for left in place.iterdir():
        if left.name.startswith(_SPILL):
            with suppress(OSError):
                if left.lstat().st_uid == _user() and _is_abandoned(left):
                    shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_SPILL, dir=place))
    lock = _locked(folder)
    lock.__enter__()

    def end() -> None:
        if os.getpid() == process:  # a forked process has its own
            lock.__exit__(None, None, None)
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return folder
