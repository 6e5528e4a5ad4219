"""Excel workbooks and other files, opened by a child process with limits on memory and time.

A workbook of a kilobyte can make a reader exhaust the memory, loop forever or crash. So
:mod:`nbanalytics.readers.workbook_child` opens workbooks, in one process for all of them. If that process ends or does
not answer in time, the workbook is refused. JSON is read by the same process (:func:`read_by`).
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import sys
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Timer
from typing import Any

from nbanalytics.readers.findings import UnreadableError

#: Limits of a workbook: bytes of memory, CPU seconds, cells that a sheet spans, characters of its text.
MOST_MEMORY = 2_000_000_000
MOST_SECONDS = 60
MOST_CELLS = 5_000_000
MOST_TEXT = 300_000_000
#: On a busy machine a CPU second takes longer; Windows does not limit CPU time.
_WAITING = 5
#: Larger files are refused before they are opened.
MOST_BYTES = 500_000_000
#: After an answer of this many bytes the process is stopped, since it keeps its memory.
_GROWN = 10_000_000
#: The first bytes of a compound file, such as .xls.
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: The remark about formulas that were never computed.
UNVALUED = "formulas have no stored value and count as empty: open the workbook in Excel and save it"


@dataclass(frozen=True)
class SheetCells:
    """A sheet of a workbook: every cell as text, empty ones as empty text; the first row is the sheet's first.

    Places have a row and a column from 0: ``percent`` gives place and value of the numbers that are shown as per cent
    (0.125 is shown as 12.5 %), ``formulas`` are places (of an .xls not known), ``merged`` the first and last cell of
    each merge. ``unvalued`` is how many formulas have no stored value.
    """

    name: str
    rows: list[list[str]]
    percent: list[tuple[int, int, float]]
    unvalued: int
    formulas: frozenset[tuple[int, int]]
    merged: tuple[tuple[tuple[int, int], tuple[int, int]], ...]


def sheet_names(path: Path) -> list[str]:
    """Return the names of a workbook's sheets.

    Raises
    ------
    UnreadableError
        If it is not a workbook, is damaged, or cannot be opened within the limits.
    """
    return [str(name) for name in _asked(path)["names"]]


def read_sheets(path: Path, *names: str, first_rows: int | None = None) -> list[SheetCells]:
    """Return sheets of a workbook, by default all of them and all their rows, with composed letters.

    Raises
    ------
    UnreadableError
        As for :func:`sheet_names`.
    """
    return [
        SheetCells(
            unicodedata.normalize("NFC", one["name"]),
            [[cell and unicodedata.normalize("NFC", cell) for cell in row] for row in one["rows"]],
            [tuple(place) for place in one["percent"]],
            one["unvalued"],
            frozenset(tuple(place) for place in one["formulas"]),
            tuple((tuple(first), tuple(last)) for first, last in one["merged"]),
        )
        for one in _asked(path, list(names), first_rows)["sheets"]
    ]


def read_by(module: Path, path: Path, remedy: str) -> dict[str, Any]:
    """Return what ``answer(path)`` of a module makes of a file; the module imports nothing from the package.

    Raises
    ------
    UnreadableError
        If the module refuses the file, or needs more memory or time than the limits.
    """
    request = {"path": os.path.abspath(path), "by": str(module)}
    return _answered(request, f"{path.name} cannot be read", remedy)


def is_old(path: Path) -> bool:
    """Whether a file begins like an .xls."""
    with path.open("rb") as stream:
        return stream.read(len(_OLD)) == _OLD


def _asked(path: Path, sheets: list[str] | None = None, first_rows: int | None = None) -> dict[str, Any]:
    is_old(path)  # an OSError is the caller's
    if path.stat().st_size > MOST_BYTES:
        raise UnreadableError(f"the workbook is larger than {MOST_BYTES // 1_000_000} MB", "Save the table as CSV.")
    request = {
        "path": os.path.abspath(path),
        "sheets": sheets,
        "rows": first_rows,
        "cells": MOST_CELLS,
        "text": MOST_TEXT,
    }
    return _answered(
        request, "the workbook cannot be opened", "Remove everything but the table, or save the table as CSV."
    )


def _answered(request: dict[str, Any], what: str, remedy: str) -> dict[str, Any]:
    answer = _child.ask(request | {"memory": MOST_MEMORY, "seconds": MOST_SECONDS})
    if answer is None:
        raise UnreadableError(f"{what} with {MOST_MEMORY / 1e9:g} GB of memory in {MOST_SECONDS} seconds", remedy)
    if "refused" in answer:
        raise UnreadableError(*answer["refused"])
    return answer


class _Child:
    """The process that opens workbooks: started when needed, and restarted after it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = Lock()

    def ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer; None if the process crashed or took too long."""
        with self._lock:
            process = self._running()
            watch = Timer(request["seconds"] * _WAITING, process.kill)
            watch.daemon = True
            watch.start()
            try:
                answer = _exchanged(process, request)
            except BaseException:
                self._end()
                raise
            finally:
                watch.cancel()
            if answer is None or answer["grown"]:
                self._end()
            return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._owner != os.getpid():
            self._process = None  # after a fork the pipe belongs to the other process
        elif self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).with_name("workbook_child.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # A crash writes a stack trace, which may contain cells.
                stderr=subprocess.DEVNULL,
            )
            self._owner = os.getpid()
        return self._process

    def end(self) -> None:
        """Stop the process, if this process started it."""
        if self._owner == os.getpid():
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]


def _exchanged(process: subprocess.Popen[bytes], request: dict[str, Any]) -> dict[str, Any] | None:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        head = process.stdout.read(8)
        body = process.stdout.read(struct.unpack(">Q", head)[0]) if len(head) == 8 else b""
        answer: dict[str, Any] = json.loads(body.decode("utf-8", "surrogatepass"))
        answer["grown"] = answer.get("grown", False) or len(body) > _GROWN
    except (OSError, ValueError, RecursionError):
        return None
    return answer


_child = _Child()
atexit.register(_child.end)
