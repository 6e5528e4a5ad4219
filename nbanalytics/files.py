"""Write a file or a folder as a whole or not at all: what stood in its place is replaced only by what is complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing_file(target: Path, mode: int = 0o666) -> Iterator[Path]:
    """Give an empty file to write beside a target; it takes the target's place if nothing fails.

    Parameters
    ----------
    target : Path
        A file that exists, or is to be.
    mode : int
        Who may read the new file, before the user's own mask: ``0o600`` for its owner alone.

    Yields
    ------
    Path
        The file beside the target; it is taken away if anything fails.

    Raises
    ------
    OSError
        If the disk does not take the file; the target is as it was.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with replacing_file(target) as fresh:
    ...     _ = fresh.write_text("complete")
    >>> target.read_text()
    'complete'
    """
    fresh = _beside(target)
    try:
        fresh.touch(mode=mode, exist_ok=False)
        yield fresh
        fresh.replace(target)
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


@contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill beside a target; it takes the target's place if nothing fails.

    Parameters
    ----------
    target : Path
        A folder that exists, or is to be. The caller sees to it that nothing is lost with what it holds.

    Yields
    ------
    Path
        The folder beside the target; it is taken away if anything fails.

    Raises
    ------
    OSError
        If the disk does not take the folder; the target is as it was.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "tables"
    >>> with replacing_folder(target) as fresh:
    ...     _ = (fresh / "a.csv").write_text("complete")
    >>> [path.name for path in target.iterdir()]
    ['a.csv']
    """
    fresh, old = _beside(target), _beside(target)
    try:
        fresh.mkdir(parents=True)
        yield fresh
        if target.exists():
            target.rename(old)
        try:
            fresh.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{uuid4().hex}")
