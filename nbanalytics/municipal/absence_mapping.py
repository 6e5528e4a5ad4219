"""The meaning of the columns of an absence list: from a small TOML file, or from the names that school systems use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from nbanalytics.declaration import Declaration
from nbanalytics.errors import DataError
from nbanalytics.readers.findings import Message, message
from nbanalytics.readers.grid import Cells, Grid, cell_at, compared, may_name
from nbanalytics.readers.words import loosely, subject_words
from nbanalytics.toml_files import Toml, packaged_toml, read_table, read_toml

#: Roles of a column; ``name`` is recognised only to leave it out.
ROLES = ("student", "class", "valid", "invalid", "total", "term")
MEASURES = ("valid", "invalid", "total")
PERCENTS = ("0-100", "0-1")


@dataclass(frozen=True)
class ListMapping:
    """The mapping of an absence list; empty where not given.

    ``columns`` has the name, or number from 1, of the column of each role. ``header_row`` is the number of the row with
    the column names; ``term`` is that of the whole file; ``percent`` (``"0-100"`` or ``"0-1"``) is the meaning of plain
    numbers.
    """

    columns: dict[str, str | int] = field(default_factory=dict)
    sheet: str = ""
    header_row: int = 0
    term: str = ""
    percent: str = ""

    @property
    def by_number(self) -> bool:
        """Whether no column is identified by its name, so that no header is needed."""
        return bool(self.columns) and all(isinstance(column, int) for column in self.columns.values())


def read_mapping(path: str | Path) -> ListMapping:
    """Read a mapping from a TOML file; a DataError names an unknown key or a value of the wrong kind."""
    return parse_mapping(read_toml(path), Path(path).name)


@dataclass(frozen=True)
class _File:
    sheet: str = ""
    header_row: Annotated[int, Toml(low=0)] = 0
    term: str = ""
    term_column: Annotated[str | int, Toml(filled=True, low=1)] = ""
    percent: Annotated[str, Toml(choices=PERCENTS)] = ""


@dataclass(frozen=True)
class _MappingFile:
    columns: Annotated[Mapping[str, str | int], Toml(choices=ROLES, filled=True, low=1)] = field(default_factory=dict)
    file: _File = _File()


def parse_mapping(data: Mapping[str, object], where: str = "the mapping") -> ListMapping:
    """Build a mapping from parsed TOML; see :func:`read_mapping`.

    Examples
    --------
    >>> parse_mapping({"columns": {"student": "Pnr", "valid": 4}, "file": {"term": "7HT"}}).columns
    {'student': 'Pnr', 'valid': 4}
    """
    declared = read_table(_MappingFile, data, where)
    columns, file = dict(declared.columns), declared.file
    if file.term_column:
        columns["term"] = file.term_column
    if columns and ("student" not in columns or not set(MEASURES) & set(columns)):
        raise DataError(
            "student, or one of valid, invalid and total, is missing", "Add the column.", f"{where}, [columns]"
        )
    return ListMapping(columns, file.sheet, file.header_row, file.term, file.percent)


# ------------------------------------------------------------------ names of columns


@cache
def _words() -> dict[str, Any]:
    return packaged_toml("nbanalytics.municipal", "absence_columns.toml")


@cache
def row_words(kind: str) -> frozenset[str]:
    """Return the words that make a row a section row or a total row, or a cell a missing one."""
    return frozenset(word.casefold() for word in _words()["rows"][kind])


@cache
def known_columns() -> dict[str, str]:
    """Return the role of each known column name, by its normalised form."""
    return {plain(name): role for role, names in _words()["columns"].items() for name in names}


@cache
def short_columns() -> dict[str, str]:
    """Return the role of each abbreviated column name, as :func:`known_columns`; ``present`` is one more."""
    return {plain(name): role for role, names in _words()["short"].items() for name in names}


def plain(header: str) -> str:
    """Return the normalised name of a column: "Giltig frånvaro (%)" is "Giltig frånvaro".

    Examples
    --------
    >>> plain("Giltig frånvaro i procent") == plain("giltig  frånvaro %") != plain("Giltig frånvaro (min)")
    True
    """
    return compared(re.sub(r"\bi\s+procent\b|\bprocent\b|%", "", header.casefold()))


def known_cells(row: Sequence[str]) -> int:
    """Count the cells of a row that are known names of columns."""
    return sum(plain(cell) in known_columns() for cell in row if cell)


@dataclass(frozen=True)
class Columns:
    """Positions and names of the columns, a role of two columns, the number of subjects, and the other columns."""

    places: dict[str, int]
    names: dict[str, str]
    twice: str = ""
    subjects: int = 0
    unread: tuple[str, ...] = ()


def find_columns(row: Cells, mapping: ListMapping) -> Columns | None:
    """Parse a row as a header; None if it is not one."""
    roles: dict[str, list[int]] = {}
    if mapping.columns:
        wanted = {role: name for role, name in mapping.columns.items() if isinstance(name, str)}
        for role, name in wanted.items():
            roles[role] = [i for i, cell in enumerate(row) if cell and compared(cell) == compared(name)]
        if not wanted or not all(roles.values()):
            return None
        roles |= {role: [n - 1] for role, n in mapping.columns.items() if isinstance(n, int)}
    else:
        for position, cell in enumerate(row):
            meant = known_columns().get(plain(cell), "name") if cell else "name"
            if meant != "name":
                roles.setdefault(meant, []).append(position)
        if "student" not in roles or not set(MEASURES) & set(roles):
            return None
    # A group that is also a class: the first of them is the class.
    twice = next((role for role, places in roles.items() if len(places) > 1 and role != "class"), "")
    places = {role: found[0] for role, found in roles.items()}
    names = {role: row[place] for role, place in places.items() if place < len(row)}
    taken = {place for found in roles.values() for place in found}
    unread = tuple(cell for place, cell in enumerate(row) if place not in taken and may_name(cell))
    return Columns(places, names, twice, sum(loosely(cell) in _subjects() for cell in row if cell), unread)


@cache
def _subjects() -> frozenset[str]:
    return frozenset(subject_words(Declaration()))


def joined(top: Cells, below: Cells) -> Cells:
    """Join a header of two rows: a cell above several columns counts for each of them."""
    names, above = [], ""
    for position in range(max(len(top), len(below))):
        upper, lower = cell_at(top, position), cell_at(below, position)
        above = upper or (above if lower else "")
        names.append(f"{above} {lower}".strip())
    return names


#: A personal identity number, a coordination number or a TF-number, however it is written.
IDENTITY = re.compile(r"(?:\d{2})?\d{6}\s?[-+–]?\s?(?:\d{4}|TF\d{2})", re.IGNORECASE)
#: Excel removes the first zero of a number of ten digits.
NINE_DIGITS = re.compile(r"\d{9}")
MANGLED = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)
PSEUDONYM = re.compile(r"P[A-Z2-7]{16}")
_CLASS = re.compile(r"(?:(?:åk|årskurs|klass|år)\.?\s*)?0?([1-9])(?!\d)", re.IGNORECASE)
_CLASS_ALONE = re.compile(r"(?:(?:åk|årskurs)\.?\s*)?0?[1-9]\s?[-:.]?\s?[A-Za-zÅÄÖåäö]{0,3}\s?\d?", re.IGNORECASE)
_SEASON = re.compile(r"\b(ht|vt|hösttermin(?:en)?|vårtermin(?:en)?|höst(?:en)?|vår(?:en)?)(?=[\s\d.,:;'’/-]|$)", re.I)
_WHOLE_TERM = re.compile(r"\b([1-9])\s?(ht|vt)\b|\b(ht|vt)\s?([1-9])\b", re.IGNORECASE)
_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")


@dataclass
class Pupil:
    """A row with a pupil: its position, number in the sheet, and the class and period of the rows above."""

    position: int
    row: int
    identity: str
    school_class: str
    period: str
    columns: Columns
    cells: Cells


@dataclass
class Sorted:
    """The classified rows of a sheet; every row with content is in one of the two."""

    pupils: list[Pupil] = field(default_factory=list)
    others: list[tuple[int, str | Message]] = field(default_factory=list)
    columns: Columns | None = None
    carried: int = 0
    moved: int = 0


def sort_rows(grid: Grid, mapping: ListMapping) -> Sorted:
    """Classify each row with content; without a header ``columns`` is None and every row is "preamble"."""
    rows, filled = _filled_merges(grid), grid.filled_rows()
    found = Sorted(columns=_by_number(mapping))
    headers = dict(_headers(grid, rows, filled, mapping))
    first = _first_pupil(rows, filled, found.columns) if found.columns else None
    head: Cells = []
    school_class = grid.sheet if _CLASS_ALONE.fullmatch(grid.sheet) else ""
    period = ""
    for position in filled:
        row, number = rows[position], grid.number(position)
        texts = [cell for cell in grid.rows[position] if cell]
        if position in headers:
            columns = headers[position]
            found.moved += bool(found.columns and columns and columns.places != found.columns.places)
            found.columns = columns or found.columns
            head = row if mapping.by_number else head
            found.others.append((number, "header row"))
            continue
        columns = found.columns
        told = next((period for period in map(period_of, texts) if period), "")
        if columns is None or (first is not None and position < first):
            period, head = told or period, row
            kind, value = _kind(texts, told, False)
            school_class = value if kind == "section row" else school_class
            found.others.append((number, kind if kind == "section row" else "preamble"))
            continue
        identity = _cell(row, columns, "student")
        if is_identity(identity):
            own = _cell(row, columns, "class")
            found.carried += bool("class" in columns.places and not own and school_class)
            school_class = own or school_class
            found.pupils.append(Pupil(position, number, identity, school_class, period, columns, row))
            continue
        if head and row == head:
            found.others.append((number, "header row"))
            continue
        kind, value = _kind(texts, told, any(_cell(row, columns, role) for role in ("valid", "invalid", "total")))
        school_class = value if kind == "section row" else school_class
        period = value if kind == "period row" else period
        found.others.append((number, kind or message("identity.malformed/cell" if identity else "identity.missing")))
    return found


def is_identity(cell: str) -> bool:
    """Whether a cell can be a pupil: an identity number, or a pseudonym made before."""
    return any(form.fullmatch(cell) for form in (IDENTITY, NINE_DIGITS, PSEUDONYM, MANGLED))


def year_of(school_class: str) -> int | None:
    """Return the school year at the beginning of a class name.

    Examples
    --------
    >>> year_of("7A"), year_of("Åk 8"), year_of("F"), year_of("10b")
    (7, 8, None, None)
    """
    match = _CLASS.match(school_class)
    return int(match.group(1)) if match else None


def period_of(text: str) -> str:
    """Return the season (HT or VT), or the whole term, in a text; empty if it has none or several.

    Examples
    --------
    >>> period_of("Period: 2017-08-17 - 2017-12-20"), period_of("Frånvaro VT 2018"), period_of("Termin: 7HT")
    ('HT', 'VT', '7HT')
    >>> period_of("2017-08-17 - 2018-06-12")
    ''
    """
    whole = _WHOLE_TERM.search(text)
    if whole:
        return f"{whole.group(1) or whole.group(4)}{(whole.group(2) or whole.group(3)).upper()}"
    seasons = {"HT" if word.casefold().startswith("h") else "VT" for word in _SEASON.findall(text)}
    if seasons:
        return seasons.pop() if len(seasons) == 1 else ""
    try:
        days = [date(*map(int, parts)) for parts in _DATE.findall(text)]
    except ValueError:
        return ""
    return _season(*days) if len(days) == 2 else ""


def _season(start: date, end: date) -> str:
    if start > end:
        return ""
    if start.month >= 7 and end <= date(start.year + 1, 1, 15):
        return "HT"
    return "VT" if start.month <= 6 and end <= date(start.year, 7, 15) else ""


# ------------------------------------------------------------------ kinds


def _kind(texts: Cells, told: str, has_measure: bool) -> tuple[str, str]:
    """Return the kind of a row without a pupil, and its class or period; empty if it may be a pupil."""
    named = re.match(r"([^\W\d_]+)\s*[:.]?\s*(.*)", texts[0])
    if named and named.group(1).casefold() in row_words("section") and not has_measure:
        return "section row", named.group(2) or (texts[1] if len(texts) > 1 else "")
    if len(texts) == 1 and _CLASS_ALONE.fullmatch(texts[0]):
        return "section row", texts[0]
    if any(re.match(r"[^\d:(]*", text.casefold()).group().strip() in row_words("total") for text in texts):  # type: ignore[union-attr]
        return "total row", ""
    if told and not has_measure:
        return "period row", told
    return ("note", "") if len(texts) == 1 and not has_measure else ("", "")


def _by_number(mapping: ListMapping) -> Columns | None:
    if not mapping.by_number:
        return None
    return Columns({role: int(number) - 1 for role, number in mapping.columns.items()}, {})


def _first_pupil(rows: list[Cells], filled: list[int], columns: Columns) -> int:
    return next((place for place in filled if is_identity(_cell(rows[place], columns, "student"))), len(rows))


def _headers(
    grid: Grid, rows: list[Cells], filled: list[int], mapping: ListMapping
) -> Iterator[tuple[int, Columns | None]]:
    """Yield the rows that are headers; the second row of one has the columns, the first has None."""
    if mapping.by_number:
        if mapping.header_row:
            yield mapping.header_row - grid.first, None
        return
    taken = -1
    for place in filled:
        if place <= taken or (mapping.header_row and grid.number(place) < mapping.header_row):
            continue
        row = rows[place]
        if any(is_identity(cell) for cell in row):
            continue
        columns, below = find_columns(row, mapping), rows[place + 1] if place + 1 < len(rows) else []
        if any(below) and not any(is_identity(cell) for cell in below) and not find_columns(below, mapping):
            # "Frånvaro" above "Giltig" and "Ogiltig" is not a total.
            both = find_columns(joined(grid.rows[place], below), mapping)
            if both is not None and len(both.places) > (len(columns.places) if columns else 0):
                taken = place + 1
                yield place, None
                yield taken, both
                continue
        if columns is not None:
            yield place, columns


def _filled_merges(grid: Grid) -> list[Cells]:
    """Repeat a vertically merged cell in each of its rows; a horizontally merged one is a title and stays one cell."""
    if not grid.merged:
        return grid.rows
    rows = [list(row) for row in grid.rows]
    for (top, left), (bottom, _) in grid.merged:
        if top < len(rows) and left < len(rows[top]) and rows[top][left]:
            for place in range(top + 1, min(bottom + 1, len(rows))):
                # Rows that are otherwise empty are not pupils, however far the merge goes.
                if any(rows[place]) and not rows[place][left]:
                    rows[place][left] = rows[top][left]
    return rows


def _cell(row: Cells, columns: Columns, role: str) -> str:
    return cell_at(row, columns.places.get(role, -1))
