"""Save an Excel workbook: all of it or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbanalytics.errors import DataError
from nbanalytics.files import replacing_file


def refuse_other_names(path: Path) -> None:
    """Stop before the work if the name of a workbook does not end as one.

    Raises
    ------
    DataError
        If it does not end in ``.xlsx``.
    """
    if path.suffix.lower() != ".xlsx":
        raise DataError(f"{path.name} is no Excel file. End its name in .xlsx.")


def save_workbook(book: Any, path: Path, mode: int = 0o666) -> None:
    """Save a workbook so that a file that exists is replaced whole or kept.

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
    try:
        with replacing_file(path, mode) as fresh, fresh.open("wb") as stream:
            book.save(stream)
    except OSError as error:
        raise DataError(f"{path.name} cannot be written ({error.strerror}). Choose another place.") from None
