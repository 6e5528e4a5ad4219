"""An Excel workbook, measured before it is opened and guarded while it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from python_calamine import CalamineWorkbook

from nbanalytics.readers.raw import UnreadableError
from nbanalytics.readers.workbook_parts import SheetShape, sheet_shapes
from nbanalytics.readers.xls_parts import old_sheet_shapes

#: With these bytes a compound file begins, as .xls is one.
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

#: What a report says of formulas that were never computed.
UNVALUED = "formulas have no stored value and count as empty: open the workbook in Excel and save it"


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, dict[int, SheetShape]]]:
    """Open an .xlsx or .xls, whatever its name, and lend it with the shape of each sheet by its number from 0.

    Raises
    ------
    UnreadableError
        If it is no workbook, reaches too far, or turns out to be damaged while it is read in the ``with`` block.
    """
    about = path.stat()
    shapes = _measured(path, about.st_size, about.st_mtime_ns)
    damaged = UnreadableError("this is not an Excel workbook, or a damaged one", "Save it again as .xlsx.")
    try:
        with path.open("rb") as stream, _silence():
            yield CalamineWorkbook.from_filelike(stream), shapes
    except UnreadableError:
        raise
    except Exception:
        raise damaged from None
    except BaseException as panic:
        # The Rust reader panics at some damaged files, and such an exception is no Exception.
        if type(panic).__name__ == "PanicException":
            raise damaged from None
        raise


def is_old(path: Path) -> bool:
    """Whether a file begins as an .xls does."""
    with path.open("rb") as stream:
        return stream.read(len(_OLD)) == _OLD


@lru_cache(maxsize=8)
def _measured(path: Path, size: int, changed: int) -> dict[int, SheetShape]:
    """Measure a workbook once, though each of its sheets is read by itself; size and time tell a changed file."""
    del size, changed
    return old_sheet_shapes(path) if is_old(path) else sheet_shapes(path)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the Rust reader from writing a stack, which may hold cells, to the terminal before it panics."""
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:
        yield
        return
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
