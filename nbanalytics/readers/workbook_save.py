"""Save an Excel workbook: all of it or nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from nbanalytics.errors import DataError


def save_workbook(book: Any, path: Path, mode: int = 0o666) -> None:
    """Save a workbook beside its place and then put it there, so that a file that exists is replaced whole or kept.

    Parameters
    ----------
    book : openpyxl.Workbook
    path : Path
    mode : int
        Who may read the file, before the user's own mask: ``0o600`` for its owner alone.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            book.save(stream)
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path.name} cannot be written ({error.strerror}). Choose another place.") from None
    finally:
        with suppress(OSError):
            part.unlink()
