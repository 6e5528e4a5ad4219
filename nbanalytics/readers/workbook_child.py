"""Opens workbooks, and other files by a reader of their own, in a child process with limits on memory and time.

:mod:`nbanalytics.readers.workbook` runs this file and sends requests over a pipe. It imports nothing from the package,
so that it starts quickly. An error here, even a crash of a library, ends only this process.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import struct
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
DAMAGED = ("this is not an Excel workbook, or a damaged one", "Save it again as .xlsx.")
LARGE = ("the workbook needs more memory than any list", "Remove everything but the table, or save the table as CSV.")
#: Excel's own per cent formats, 0% and 0.00%.
_PERCENT_FORMATS = {9, 10}
_MOST_SHEETS = 1_000
#: After such a large file or answer the process has grown and is replaced.
_GROWN = 10_000_000


class Refused(Exception):
    """Why a workbook is refused, and the remedy."""


def main() -> None:
    """Answer one request per line, until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _limit(request["memory"], request["seconds"])
        found = _by(request["by"]).answer(request["path"]) if "by" in request else _answer(request)
        answer = json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogatepass")
        out.write(struct.pack(">Q", len(answer)))
        out.write(answer)
        out.flush()


def _limit(memory: int, seconds: int) -> None:
    """Limit memory and further CPU seconds; forbid writing files and core dumps."""
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + seconds
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, until),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        # Some systems do not limit memory.
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


@lru_cache
def _by(path: str) -> ModuleType:
    about = spec_from_file_location("by", path)
    assert about is not None
    assert about.loader is not None
    module = module_from_spec(about)
    about.loader.exec_module(module)
    return module


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    path = request["path"]
    try:
        about = os.stat(path)
        book = _opened(path, about.st_size, about.st_mtime_ns)
        if len(book.names) > _MOST_SHEETS:
            raise Refused("the workbook has more sheets than any list", "Remove everything but the table.")
        answer: dict[str, Any] = {"names": book.names}
        if request["sheets"] is not None:
            wanted = request["sheets"] or book.names
            answer["sheets"] = [book.sheet(name, request) for name in wanted]
        return answer | {"grown": about.st_size > _GROWN}
    except Refused as refused:
        return {"refused": refused.args}
    except MemoryError:
        return {"refused": LARGE, "grown": True}
    except Exception:
        return {"refused": DAMAGED}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of the Rust reader is not an Exception
        return {"refused": DAMAGED, "grown": True}


@lru_cache(maxsize=1)
def _opened(path: str, size: int, changed: int) -> Xlsx | Xls:
    """Open a workbook once, although its sheets are read one by one; size and time show a changed file."""
    del size, changed
    with open(path, "rb") as stream:
        data = stream.read()
    return Xls(data) if data.startswith(OLD) else Xlsx(data)


class _Text:
    """Converts cells to text, up to a limit."""

    def __init__(self, most: int) -> None:
        self._left = most

    def of(self, cell: Any) -> str:
        text = cell_text(cell)
        self._left -= len(text)
        if self._left < 0:
            raise Refused("the workbook repeats a long text very often", "Remove it, or save the table as CSV.")
        return text


def cell_text(cell: Any) -> str:
    """Return a cell as text, an empty one as empty text."""
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)


def _refuse_wide(rows: int, columns: int, most: int) -> None:
    if rows * columns > most:
        raise Refused(f"a sheet spans {rows:,} rows and {columns:,} columns", "Clear what is outside the table.")


def _numbers(cells: list[list[Any]], places: set[tuple[int, int]]) -> list[tuple[int, int, float]]:
    """Return row, column and value of the numbers among some places."""
    return [
        (row, column, cells[row][column])
        for row, column in sorted(places)
        if row < len(cells) and column < len(cells[row])
        if isinstance(cells[row][column], int | float) and not isinstance(cells[row][column], bool)
    ]


# ------------------------------------------------------------------ .xlsx


class Xlsx:
    """An .xlsx: calamine reads its cells, but not which of them are shown as per cent."""

    def __init__(self, data: bytes) -> None:
        from python_calamine import CalamineWorkbook, SheetTypeEnum

        if not zipfile.is_zipfile(io.BytesIO(data)):
            raise Refused(*DAMAGED)
        self._book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        self._parts = zipfile.ZipFile(io.BytesIO(data))
        sheets = [one for one in self._book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
        self.names = [one.name for one in sheets]
        self._percent = _percent_styles(self._parts)
        self._places = dict(_places(self._parts))

    def sheet(self, name: str, limits: dict[str, Any]) -> dict[str, Any]:
        """Return the cells of a sheet and their properties."""
        sheet = self._book.get_sheet_by_name(name)
        _refuse_wide(sheet.total_height, sheet.total_width, limits["cells"])
        cells = sheet.to_python(skip_empty_area=False, nrows=limits["rows"])
        walk = self._walked(self._places.get(name, ""))
        for (row, column), error in walk.errors.items():
            if row < len(cells) and column < len(cells[row]):
                cells[row][column] = error
        text = _Text(limits["text"])
        return {
            "name": name,
            "percent": _numbers(cells, walk.percent),
            "unvalued": walk.unvalued,
            "formulas": walk.formulas,
            "merged": sheet.merged_cell_ranges or [],
            "rows": [[text.of(cell) for cell in row] for row in cells],
        }

    def _walked(self, part: str) -> _Cells:
        """Find the cells shown as per cent, formulas, and errors of Excel; most sheets have none."""
        walk = _Cells(self._percent)
        if part in self._parts.namelist() and (self._percent or _has_formulas_or_errors(self._parts, part)):
            with self._parts.open(part) as stream:
                walk.parser.ParseFile(stream)
        return walk


def _has_formulas_or_errors(parts: zipfile.ZipFile, part: str) -> bool:
    rest = b""
    with parts.open(part) as stream:
        while chunk := stream.read(1 << 20):
            if re.search(rb"<(?:\w+:)?f[\s/>]|\st\s*=\s*[\"']e", rest + chunk):
                return True
            rest = chunk[-64:]
    return False


class _Cells:
    """Iterates over the cells of a sheet's XML, without keeping their content."""

    def __init__(self, percent_styles: set[int]) -> None:
        self.percent: set[tuple[int, int]] = set()
        self.formulas: list[tuple[int, int]] = []
        self.errors: dict[tuple[int, int], str] = {}
        self.unvalued = 0
        self._styles = percent_styles
        self._row = self._column = 0
        self._formula = self._valued = self._in_value = self._error = False
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def _start(self, tag: str, about: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "row":
            self._row, self._column = int(about.get("r", self._row + 1)), 0
        elif tag == "c":
            self._column += 1
            if "r" in about:
                self._row, self._column = _place(about["r"])
            self._formula = self._valued = False
            self._error = about.get("t") == "e"
            if int(about.get("s", 0)) in self._styles:
                self.percent.add((self._row - 1, self._column - 1))
        elif tag == "f":
            self._formula = True
            self.formulas.append((self._row - 1, self._column - 1))
        elif tag in ("v", "t"):
            self._in_value = True

    def _characters(self, text: str) -> None:
        if self._in_value and text.strip():
            self._valued = True
            if self._error:
                place = self._row - 1, self._column - 1
                self.errors[place] = self.errors.get(place, "") + text

    def _end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "c":
            self.unvalued += self._formula and not self._valued
        elif tag in ("v", "t"):
            self._in_value = False


def _place(name: str) -> tuple[int, int]:
    """Return row and column of ``B7``, from 1."""
    letters = name.rstrip("0123456789")
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    return int(name[len(letters) :]), column


def _elements(parts: zipfile.ZipFile, part: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Return name and attributes of every element of a part, without namespaces; none if there is no such part."""
    if part in parts.namelist():
        with parts.open(part) as stream:
            for _, element in ElementTree.iterparse(stream, events=("start",)):
                about = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
                yield element.tag.rpartition("}")[2], about


def _percent_styles(parts: zipfile.ZipFile) -> set[int]:
    """Return the numbers of the cell styles whose number format is per cent."""
    formats, styles, inside = set(_PERCENT_FORMATS), [], False
    for tag, about in _elements(parts, "xl/styles.xml"):
        if tag == "numFmt" and "%" in about.get("formatCode", ""):
            formats.add(int(about["numFmtId"]))
        elif tag in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
            inside = tag == "cellXfs"
        elif tag == "xf" and inside:
            styles.append(int(about.get("numFmtId", 0)))
    return {number for number, form in enumerate(styles) if form in formats}


def _places(parts: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Return the name of each sheet and the part that holds it."""
    targets = {
        about.get("Id"): about.get("Target", "")
        for tag, about in _elements(parts, "xl/_rels/workbook.xml.rels")
        if tag == "Relationship"
    }
    for tag, about in _elements(parts, "xl/workbook.xml"):
        if tag == "sheet":
            target = targets.get(about.get("id"), "")
            yield about.get("name", ""), target.lstrip("/") if target.startswith("/") else f"xl/{target}"


# ------------------------------------------------------------------ .xls


class Xls:
    """An .xls file, as Excel wrote until 2003."""

    def __init__(self, data: bytes) -> None:
        import xlrd

        self._kinds = xlrd
        self._book = xlrd.open_workbook(
            file_contents=data, formatting_info=True, on_demand=True, ragged_rows=True, logfile=io.StringIO()
        )
        self.names = list(self._book.sheet_names())

    def sheet(self, name: str, limits: dict[str, Any]) -> dict[str, Any]:
        """Return the cells of a sheet and their properties."""
        sheet = self._book.sheet_by_name(name)
        _refuse_wide(sheet.nrows, sheet.ncols, limits["cells"])
        cells = [
            [self._value(cell) for cell in sheet.row(row)]
            for row in range(sheet.nrows if limits["rows"] is None else min(sheet.nrows, limits["rows"]))
        ]
        percent = {
            (row, column)
            for row in range(sheet.nrows)
            for column, cell in enumerate(sheet.row(row))
            if cell.ctype == self._kinds.XL_CELL_NUMBER and self._is_percent(cell.xf_index)
        }
        text = _Text(limits["text"])
        width = max(map(len, cells), default=0)
        merged = [((top, left), (bottom - 1, right - 1)) for top, bottom, left, right in sheet.merged_cells]
        return {
            "name": name,
            "percent": _numbers(cells, percent),
            "unvalued": 0,
            "formulas": [],  # the reader does not say which cells are formulas
            "merged": merged,
            "rows": [[*map(text.of, row), *[""] * (width - len(row))] for row in cells],
        }

    def _value(self, cell: Any) -> Any:
        if cell.ctype == self._kinds.XL_CELL_DATE:
            with suppress(ValueError, OverflowError):
                when = self._kinds.xldate_as_datetime(cell.value, self._book.datemode)
                return when if cell.value >= 1 else when.time()
        if cell.ctype == self._kinds.XL_CELL_BOOLEAN:
            return bool(cell.value)
        if cell.ctype == self._kinds.XL_CELL_ERROR:
            return self._kinds.error_text_from_code.get(cell.value, "#ERROR")
        return cell.value

    def _is_percent(self, style: int) -> bool:
        form = self._book.format_map.get(self._book.xf_list[style].format_key)
        return form is not None and "%" in form.format_str


if __name__ == "__main__":
    main()
