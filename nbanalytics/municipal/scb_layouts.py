"""The layouts of the SCB grade file, read from ``scb_layouts.toml``, and the detection of a file's layout."""

from __future__ import annotations

import codecs
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from nbanalytics.readers.csv_file import BOMS, DELIMITERS, NOT_TEXT, not_text, plain_ends, said_delimiter
from nbanalytics.readers.findings import Rows, UnreadableError, divided, no_rows
from nbanalytics.readers.grid import may_name
from nbanalytics.toml_files import Toml, read_table

#: Bytes per block; small, so that memory hardly grows with the file.
BLOCK = 1_000_000
#: No row of any file here is longer.
_LONGEST_LINE = 1_000_000


@dataclass(frozen=True)
class Text:
    """A text file: its codec, its name in messages, and how many lines it has at most."""

    path: Path
    codec: str
    encoding: str
    most_lines: int

    def blocks(self) -> Iterator[tuple[bytes, int]]:
        r"""Yield blocks of whole lines as UTF-8 with ``\n`` at line ends, each with the number of its first line."""
        decoder = None if self.codec == "utf-8" else codecs.getincrementaldecoder(self.codec)()
        rest, line = b"", 1
        with self.path.open("rb") as stream:
            while True:
                data = stream.read(BLOCK)
                try:
                    text = data if decoder is None else decoder.decode(data, not data).encode()
                except UnicodeError:
                    raise not_text() from None
                rest += text
                # A return at the very end may be half of a line end.
                end = len(rest) if not data else max(rest.rfind(b"\n"), rest.rfind(b"\r", 0, len(rest) - 1)) + 1
                if end:
                    block = rest[:end]
                    block = plain_ends(block)
                    _refuse_no_text(block)
                    told = said_delimiter(block)[1] if line == 1 else 0
                    if block[told:]:
                        yield block[told:], line + (told > 0)
                    line += block.count(b"\n")
                    rest = rest[end:]
                if len(rest) > _LONGEST_LINE + BLOCK:
                    raise _too_long()
                if not data:
                    return


def open_text(path: Path) -> Text:
    """Detect the encoding from the whole file."""
    with path.open("rb") as stream:
        start = stream.read(4)
        marked = next((found for bom, found in BOMS.items() if start.startswith(bom)), None)
        stream.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        utf8, lines = True, 1
        while data := stream.read(BLOCK):
            lines += data.count(b"\n") + data.count(b"\r")
            if utf8 and (not data.isascii() or decoder.getstate()[0]):
                utf8 = _decodes(decoder, data)
        utf8 = utf8 and _decodes(decoder, b"", True)
    if marked:
        return Text(path, marked[0], f"{marked[1]} (marked)", lines)
    return Text(path, "utf-8", "UTF-8", lines) if utf8 else Text(path, "cp1252", "Windows-1252", lines)


def _decodes(decoder: codecs.IncrementalDecoder, data: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(data, final)
    except UnicodeDecodeError:
        return False
    return True


def lines_of(head: bytes, most: int = 20) -> list[str]:
    """Return the first whole lines of a file, to recognise its format; none if it is not text."""
    codec = next((codec for bom, (codec, _) in BOMS.items() if head.startswith(bom)), "")
    if codec == "utf-16":
        head = head[: len(head) // 2 * 2]
    elif NOT_TEXT.search(head):
        return []
    text = head.decode(codec, "ignore") if codec else _either(head)
    if "\0" in text:
        return []
    lines = re.split(r"\r\n|\r|\n", text)
    # The last line may be cut off.
    whole = lines[:-1] or lines
    whole = whole[1:] if said_delimiter(f"{whole[0]}\n".encode())[0] else whole
    return [line for line in whole if line.strip()][:most]


def _either(head: bytes) -> str:
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return head.decode("cp1252", "replace")


def cells_of(line: str, delimiter: str) -> list[str]:
    """Divide a line into trimmed cells."""
    return [cell.strip().strip('"').strip() for cell in line.split(delimiter)]


def parse(
    block: bytes, names: Sequence[str], types: dict[str, pa.DataType], delimiter: str, quoted: bool
) -> tuple[pa.Table, Rows, Rows]:
    """Divide a block into columns.

    Returns the table of the columns in ``types``, the places of its lines in the block, and the places of lines with
    more or fewer cells than there are names; empty lines are in neither.
    """
    if quoted:
        # A quotation mark that is not closed would swallow the lines after it.
        lines = block.split(b"\n")
        block = b"\n".join(b"?" if line.count(b'"') % 2 else line for line in lines)
    chosen = pa_csv.ConvertOptions(
        strings_can_be_null=False, check_utf8=False, column_types=types, include_columns=list(types)
    )
    try:
        table, ragged, blank = divided(block, names, delimiter, chosen, quote_char='"' if quoted else False)
    except pa.ArrowInvalid:
        raise UnreadableError("the rows cannot be separated", "Check its delimiters, or export it again.") from None
    skipped = np.array(ragged + blank, dtype=np.int64) - 1
    places = np.arange(table.num_rows + len(skipped), dtype=np.int64)
    if len(skipped):
        places = np.setdiff1d(places, skipped)
    return table, places, np.array(ragged, dtype=np.int64) - 1 if ragged else no_rows()


def _refuse_no_text(block: bytes) -> None:
    low = np.count_nonzero(np.frombuffer(block, dtype=np.uint8) < 32)
    if low != block.count(b"\n") and NOT_TEXT.search(block):
        raise not_text()


def _too_long() -> UnreadableError:
    return UnreadableError(f"a line has more than {_LONGEST_LINE:,} characters", "Check that it is the right file.")


#: The columns that are read besides grades and languages.
PERSON, SCHOOL, DATE, FIRST, LAST = "PersonNr", "Skolenhetskod", "Datum", "Fornamn", "Efternamn"
#: A row is a header if it has this many column names.
HEADER_NAMES = 5
_IDENTITY = re.compile(r"(\d\d)?\d{6}[-+ ]?(\d{4}|[Tt][Ff]\d\d)")


@dataclass(frozen=True)
class Layout:
    """One year's layout; see the comments of ``scb_layouts.toml``."""

    name: str
    year: int
    first_cohort: int
    last_cohort: int
    columns: tuple[str, ...]
    grades: tuple[str, ...]
    codes: Mapping[str, str]
    grade_column: Mapping[str, str]
    language_column: Mapping[str, str] = field(default_factory=dict)
    compulsory: tuple[str, ...] = ()
    alternates: tuple[str, ...] = ()
    blocks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def values(self) -> tuple[str, ...]:
        """Meanings of a grade cell; a cell's code is the position here, and the first is an empty cell."""
        return ("", *self.grades, *dict.fromkeys(self.codes.values()))


@dataclass(frozen=True)
class _LayoutFile:
    aliases: Mapping[str, tuple[str, ...]]
    layouts: Annotated[tuple[Layout, ...], Toml(key="layout", filled=True, unique="name")]


@dataclass(frozen=True)
class Shape:
    """How a file is laid out: which year's layout, and what stands between cells.

    ``names`` has the layout's column for each column of the file, or ``?`` and a number; ``header`` is whether the
    first row is one, and ``quoted`` whether cells stand in quotation marks; ``written`` are the names in the header.
    """

    layout: Layout
    names: tuple[str, ...]
    delimiter: str
    header: bool
    quoted: bool
    written: tuple[str, ...] = ()

    @property
    def unread(self) -> tuple[str, ...]:
        """The columns whose cells are not kept, as the file or the layout names them."""
        kept = {PERSON, SCHOOL, DATE, *self.layout.grade_column}
        named = zip(self.names, self.written or self.names, strict=True)
        shown = [
            name if may_name(name) else f"column {at + 1}" for at, (own, name) in enumerate(named) if own not in kept
        ]
        return tuple(name for name in shown if name != "?")

    def label(self, column: str) -> str:
        """Return the name of a column as shown in the file."""
        return f"{column} (column {self.names.index(column) + 1})" if column in self.names else column


@cache
def layouts() -> tuple[tuple[Layout, ...], dict[str, str]]:
    """Return the layouts, and the column for each spelling of a header."""
    return parse_layouts(files("nbanalytics.municipal").joinpath("scb_layouts.toml").read_text(encoding="utf-8"))


def parse_layouts(text: str) -> tuple[tuple[Layout, ...], dict[str, str]]:
    """Read layouts from the text of a TOML file of that form."""
    declared = read_table(_LayoutFile, tomllib.loads(text), "scb_layouts.toml")
    found = declared.layouts
    words = {_plain(alias): column for column, names in declared.aliases.items() for alias in names}
    return found, words | {_plain(column): column for layout in found for column in layout.columns}


def _plain(word: str) -> str:
    """Return a header without case, accents, spaces, hyphens, underscores and dots."""
    folded = unicodedata.normalize("NFKD", word.casefold())
    return re.sub(r"[\W_]+", "", "".join(c for c in folded if not unicodedata.combining(c)))


def columns_of(cells: Sequence[str], layout: Layout) -> list[str]:
    """Return the column to read that each cell of a header names, without those that name none at the end."""
    words = layouts()[1]
    wanted = {PERSON, SCHOOL, DATE, FIRST, LAST, *layout.grade_column, *layout.language_column} & {*layout.columns}
    named = [name if (name := words.get(_plain(cell), "")) in wanted else "" for cell in cells]
    while named and not named[-1]:
        named.pop()
    return named


def recognised(lines: Sequence[str]) -> bool:
    """Whether the first lines of a file are of a grade file, with or without a header."""
    if not lines:
        return False
    known, words = layouts()
    graded = {column for layout in known for column in layout.grade_column}
    for delimiter in DELIMITERS:
        named = {words.get(_plain(cell), "") for cell in cells_of(lines[0], delimiter)}
        if PERSON in named and len(named & graded) >= 8:
            return True
        rows = [cells_of(line, delimiter) for line in lines]
        pupils = [row for row in rows if len(row) >= 25 and any(_IDENTITY.fullmatch(cell) for cell in row[:12])]
        if len(pupils) * 2 >= len(rows) and _grade_like(pupils):
            return True
    return False


def _grade_like(rows: Sequence[Sequence[str]]) -> bool:
    """Whether most cells after the names are empty or as short as a grade or a language."""
    later = [cell for row in rows for cell in row[8:]]
    return sum(len(cell) <= 3 for cell in later) * 10 >= len(later) * 8


def shape_of(lines: Sequence[str]) -> Shape:
    """Detect the layout, the delimiter and whether there is a header; an UnreadableError says that no layout fits."""
    known, words = layouts()
    delimiter = max(DELIMITERS, key=lambda mark: lines[0].count(mark)) if lines else ";"
    first = cells_of(lines[0], delimiter) if lines else []
    quoted = bool(lines) and lines[0].lstrip().startswith('"')
    named = [words.get(_plain(cell), "") for cell in first]
    if len({name for name in named if name}) >= HEADER_NAMES:
        layout = _by_names({name for name in named if name}, known)
        return Shape(layout, _names(named, layout), delimiter, True, quoted, tuple(first))
    # Programs often end each row with a delimiter.
    trailing = all(line.rstrip().endswith(delimiter) for line in lines)
    for extra in (0, 1) if trailing else (0,):
        for layout in known:
            if len(layout.columns) + extra == len(first) and _ends_with_grades(lines, delimiter, layout):
                return Shape(layout, (*layout.columns, *("?",) * extra), delimiter, False, quoted)
    sizes = ", ".join(f"{len(layout.columns)} ({layout.name.partition(',')[0]})" for layout in known)
    raise UnreadableError(
        f"the first row has {len(first):,} cells and no header, and the layouts known have {sizes}",
        "Export it again, or put a header with the columns' names in the first row.",
    )


def _ends_with_grades(lines: Sequence[str], delimiter: str, layout: Layout) -> bool:
    """Whether the last graded column has content: with empty columns at its end a file has another layout's width."""
    last = max(layout.columns.index(column) for column in layout.grade_column)
    return any(len(cells) > last and cells[last] for cells in (cells_of(line, delimiter) for line in lines))


def _by_names(named: set[str], known: Sequence[Layout]) -> Layout:
    fits = sorted(known, key=lambda layout: len(named & set(layout.columns)), reverse=True)
    best, second = fits[0], fits[1] if len(fits) > 1 else fits[0]
    if best is not second and len(named & set(best.columns)) == len(named & set(second.columns)):
        apart = ", ".join(
            column for column in (*best.columns, *second.columns) if column not in {*best.columns} & {*second.columns}
        )
        raise UnreadableError(
            "the header does not show whether the grades are from year 6 or year 9",
            f"Keep one of the columns that only one of them has: {apart}.",
        )
    lacking = [column for column in (PERSON, DATE) if column not in named]
    if lacking:
        raise UnreadableError(f"the header has no column {' and '.join(lacking)}", "Export the file with it.")
    return best


def _names(named: Sequence[str], layout: Layout) -> tuple[str, ...]:
    names: list[str] = []
    for place, name in enumerate(named):
        if name in names:
            raise UnreadableError(f"the column {name} is there twice", "Keep one of them.")
        names.append(name if name in layout.columns else f"?{place}")
    return tuple(names)
