"""Exports of Skolverket's official statistics, per school or municipality: with the status beside each value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.municipal.absence_mapping import joined
from nbanalytics.municipal.pseudonyms import Key
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.readers.findings import Finding, Message, fatal, message, remark, row_findings
from nbanalytics.readers.grid import Cells, Grid, cell_at, compared, may_name, read_grids
from nbanalytics.readers.report import FileReport, reasons_by_row
from nbanalytics.toml_files import packaged_toml

_YEAR = re.compile(r"(?<!\d)((?:19|20)\d{2})\s?[/–-]\s?((?:19|20)?\d{2})(?![\d-])")
_CALENDAR_YEAR = re.compile(r"\bår(?:et)?\b\D{0,12}((?:19|20)\d{2})(?![\d/-])", re.IGNORECASE)
_FOOTNOTE = re.compile(r"(?:\s+\d\)|\s*\*+|\s*[¹²³])\s*$")


@dataclass(frozen=True)
class Measure:
    """A column of numbers: which measure, of which group and year, and its name if unknown."""

    place: int
    measure: str
    group: str
    year: str
    unknown: str = ""


@dataclass
class Header:
    """Positions of keys and measures."""

    keys: dict[str, int] = field(default_factory=dict)
    measures: list[Measure] = field(default_factory=list)
    ignored: list[int] = field(default_factory=list)
    names: Cells = field(default_factory=list)

    @property
    def n_known(self) -> int:
        """Number of columns with known names."""
        return len(self.keys) + len(self.ignored) + sum(not measure.unknown for measure in self.measures)


@cache
def words(section: str) -> dict[str, str]:
    """Return what each word of a section of ``skolverket_columns.toml`` means, by the normalised word."""
    data = packaged_toml("nbanalytics.municipal", "skolverket_columns.toml")
    comparing = str if section == "signs" else compared
    return {comparing(word): meaning for meaning, names in data[section].items() for word in names}


def known_names(row: Sequence[str]) -> int:
    """Count the cells of a row that are known names of columns."""
    return sum(_is_key(cell) or _measure_of(cell)[0] != "" for cell in row if cell)


def understand(names: Cells) -> Header | None:
    """Parse names of columns; None if they are not a header: a header has a place and a measure, or two places.

    An unknown name is a measure if a place and at least one more name are known.

    Examples
    --------
    >>> names = ["Skola", "Skol-enhetskod", "Andel (%) elever behöriga till yrkesprog., flickor", "Nytt mått"]
    >>> header = understand(names)
    >>> header.keys
    {'school': 0, 'school_id': 1}
    >>> [(measure.measure, measure.group) for measure in header.measures]
    [('eligible_vocational', 'girls'), ('Nytt mått', 'all')]
    """
    header = Header(names=names)
    for place, name in enumerate(names):
        key = words("keys").get(compared(_FOOTNOTE.sub("", name))) if name else None
        if key == "ignored":
            header.ignored.append(place)
        elif key and key not in header.keys:
            header.keys[key] = place
        elif name:
            measure, group, year = _measure_of(name)
            own = _FOOTNOTE.sub("", name)
            header.measures.append(Measure(place, measure or own, group, year, "" if measure else own))
    has_place = {"school", "school_id", "municipality", "municipality_id"} & set(header.keys)
    return header if has_place and header.n_known >= 2 and header.measures else None


def find_header(rows: list[Cells], position: int) -> tuple[Header, int] | None:
    """Return the header that begins in a row, and how many rows it has; None if none does."""
    row = rows[position]
    below = rows[position + 1] if position + 1 < len(rows) else []
    groups = [cell for cell in below if compared(cell) in words("groups")]
    filled = [cell for cell in below if cell]
    if groups and (len(groups) == len(filled) or any(map(_is_key, filled))):
        # Measures above, groups below; the names of the places are in either row.
        both = understand(joined(row, below)) if _is_above(row, below) else None
        if both is not None:
            return both, 2
    if any(re.fullmatch(r"[\d\s.,~]+", cell) for cell in row):
        return None
    alone = understand(row)
    return (alone, 1) if alone is not None else None


def year_of(text: str) -> str:
    """Return the school year or calendar year in a text.

    Examples
    --------
    >>> year_of("Valt läsår: 2017/2018"), year_of("Läsåret 2017-18"), year_of("År 2018"), year_of("2018-05-02")
    ('2017/18', '2017/18', '2018', '')
    """
    for match in _YEAR.finditer(text):
        start, end = match.groups()
        if (int(start) + 1) % 100 == int(end) % 100:
            return f"{start}/{end[-2:]}"
    calendar = _CALENDAR_YEAR.search(text)
    return calendar.group(1) if calendar else ""


def _is_key(cell: str) -> bool:
    return compared(_FOOTNOTE.sub("", cell)) in words("keys")


def _is_above(row: Cells, below: Cells) -> bool:
    """Whether each key below stands under an empty cell, so that joining the rows does not change its name."""
    return all(not (_is_key(cell) and place < len(row) and row[place]) for place, cell in enumerate(below))


def _measure_of(name: str) -> tuple[str, str, str]:
    """Return measure (empty if unknown), group and year of the name of a column."""
    name = _FOOTNOTE.sub("", name)
    year = year_of(name)
    rest = _YEAR.sub("", name) if year else name
    known, groups = words("measures"), words("groups")
    if compared(rest) in known:
        return known[compared(rest)], "all", year
    parts = re.split(r"[\s,;:()–]+", rest)
    places = [place for place, part in enumerate(parts) if compared(part) in groups]
    for place in places:
        # "i alla ämnen, flickor": only one of its words is the group.
        measure = known.get(compared(" ".join(parts[:place] + parts[place + 1 :])), "")
        if measure:
            return measure, groups[compared(parts[place])], year
    found = {groups[compared(parts[place])] for place in places}
    return "", found.pop() if len(found) == 1 else "all", year


#: Keys of a row.
KEYS = ("school_id", "school", "municipality_id", "municipality", "owner", "subject", "year", "group")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_SPACES = re.compile(r"(?<=\d)[ \u00a0\u202f\u2009\u2007](?=\d{3}(?!\d))")


@dataclass
class Row:
    """A row of data: its number, its keys, and value and status by measure; ``fault`` says why it cannot be used."""

    row: int
    sheet: int
    keys: dict[str, str]
    cells: list[tuple[Measure, str]]
    fault: Message | None = None
    twice: set[tuple[str, ...]] = field(default_factory=set)
    values: dict[tuple[str, ...], tuple[float, str]] = field(default_factory=dict)


def drop_texts(rows: list[Row]) -> dict[str, int]:
    """Leave out unknown columns that have anything but numbers and signs; returns their places by name."""
    number_of, text_of = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    for row in rows:
        for measure, cell in row.cells:
            if cell and measure.unknown:
                (text_of if _value(cell) is None else number_of)[measure.unknown, measure.place] += 1
    texts = {column for column in text_of if text_of[column] >= number_of[column]}
    for row in rows:
        row.cells = [(m, cell) for m, cell in row.cells if (m.unknown, m.place) not in texts]
    return dict(texts)


def _value(cell: str) -> tuple[float, str] | None:
    """Return value and status of a cell, None if it is neither a number nor a known sign."""
    sign = words("signs").get(re.sub(r"\s+", "", cell))
    if sign:
        return np.nan, sign
    number = _SPACES.sub("", re.sub(r"\s*%$", "", cell))
    return (float(number.replace(",", ".")), "ok") if _NUMBER.fullmatch(number) else None


def drop_ambiguous(rows: list[Row]) -> list[str]:
    """Leave out measures with different values in two columns; returns the names of the measures."""
    twice = {place for row in rows for place in row.twice}
    for row in rows:
        row.values = {place: value for place, value in row.values.items() if place[:2] not in twice}
    return sorted({measure for measure, _ in twice})


def read_row(row: Row, year: str, notes: Counter[str]) -> None:
    """Normalise the keys, and read the values."""
    keys = row.keys
    for key, length in (("municipality_id", 4), ("school_id", 8)):
        code = re.sub(r"\s+", "", keys.get(key, ""))
        if code.isdigit() and len(code) < length:
            notes[f"{key}: zeros that Excel removed are restored"] += 1
            code = code.zfill(length)
        keys[key] = code
    keys["owner"] = words("owners").get(compared(keys.get("owner", "")), keys.get("owner", ""))
    keys["year"] = year_of(keys.get("year", "")) or keys.get("year", "") or year
    own_group = words("groups").get(compared(keys.get("group", "")), "")
    if keys.get("group") and not own_group:
        row.fault = row.fault or message("statistics.unknown_group")
    for measure, cell in row.cells:
        if not cell:
            notes["empty cells are left out"] += 1
            continue
        value = _value(cell)
        if value is None:
            row.fault = row.fault or message("values.not_number/statistics", place=measure.place + 1)
            continue
        group = own_group or measure.group
        place = (measure.measure, group, measure.year or keys["year"])
        if not _same(row.values.setdefault(place, value), value):
            row.twice.add(place[:2])


def _same(one: tuple[float, str], other: tuple[float, str]) -> bool:
    return one[1] == other[1] and (one[0] == other[0] or (np.isnan(one[0]) and np.isnan(other[0])))


def refuse_repeated(rows: list[Row]) -> None:
    """Keep the first of repeated rows, and none of contradictory rows."""
    same: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if not row.fault:
            same.setdefault(tuple(row.keys.get(key, "") for key in KEYS), []).append(row)
    for group in same.values():
        said: dict[tuple[str, ...], tuple[float, str]] = {}
        contradict = False
        for place, row in enumerate(group):
            contradict |= any(not _same(said.get(at, value), value) for at, value in row.values.items())
            row.values = {at: value for at, value in row.values.items() if at not in said}
            if place and not row.values:
                row.fault = message("rows.repeated/statistics")
            said |= row.values
        for row in group if contradict else ():
            row.fault = message("rows.contradictory/statistics")


FORMAT = "skolverket"
#: Columns of the table ``statistics``.
COLUMNS = (*KEYS, "measure", "value", "status")
_PLACES = ("school", "school_id", "municipality", "municipality_id")


@dataclass
class _Sheet:
    rows: list[Row] = field(default_factory=list)
    others: list[tuple[int, str]] = field(default_factory=list)
    header: Header | None = None
    year: str = ""
    years: set[str] = field(default_factory=set)


def matches(path: Path, head: bytes) -> bool:
    """Whether a file is an export of official statistics, by its content."""
    del head
    try:
        grids = read_grids(path, known_names)
    except DataError:
        return False
    for grid in grids:
        filled = grid.filled_rows()[:100]
        found = (find_header(grid.rows, place) for place in filled)
        # Columns of schools and students are in many files; a known measure is not.
        if any(header and any(not measure.unknown for measure in header[0].measures) for header in found):
            return True
    return False


def read_skolverket(path: str | Path, *, key: Key | None = None, year: str = "") -> FileRead:
    r"""Read an export of official statistics, per school or municipality, in CSV or Excel.

    Parameters
    ----------
    path : str or Path
    key : Key, optional
        Not used; all formats take it.
    year : str, optional
        The school year if the file does not give it, such as ``"2017/18"``.

    Returns
    -------
    FileRead
        ``tables["statistics"]`` has one row for each school or municipality, group and measure:
        ``school_id, school, municipality_id, municipality, owner, subject, year, group`` (all, girls or boys),
        ``measure``, ``value`` and ``status`` (ok, suppressed, not_applicable or approx_100). The value is missing
        unless the status is ok. Empty cells are left out; rows that are not data are rejected as "not data".

    Raises
    ------
    DataError
        If the file cannot be read at all.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "export.csv"
    >>> lines = ["Valt läsår: 2017/18", "", "Kommun;Kommun-kod;Andel (%) behöriga till yrkesprogram"]
    >>> _ = file.write_text("\n".join([*lines, "Bergstad;0180;84,4", "Dalby;1280;.."]), encoding="utf-8-sig")
    >>> read_skolverket(file).tables["statistics"][["municipality_id", "year", "value", "status"]]
      municipality_id     year  value      status
    0            0180  2017/18   84.4          ok
    1            1280  2017/18    NaN  suppressed
    """
    del key
    path = Path(path)
    grids = read_grids(path, known_names)
    sheets = [_sheet(grid, number) for number, grid in enumerate(grids)]
    rows = [row for sheet in sheets for row in sheet.rows]
    findings: list[Finding] = []
    dropped = drop_texts(rows)
    notes = Counter[str]()
    for row in rows:
        read_row(row, year or sheets[row.sheet].year, notes)
    remarks = [f"two columns for {name} differ, and both were left out" for name in drop_ambiguous(rows)]
    refuse_repeated(rows)
    if not any(sheet.header for sheet in sheets):
        findings.append(fatal("columns.no_header/statistics", path.name))
    elif not any(not row.fault for row in rows):
        findings.append(fatal("tables.no_usable_row/statistics", path.name))
    return _read(path.name, grids, sheets, rows, findings, dropped, remarks, notes)


def _sheet(grid: Grid, number: int) -> _Sheet:
    """Classify each row with content as data or another kind."""
    sheet, after = _Sheet(), -1
    for place in grid.filled_rows():
        row, row_number = grid.rows[place], grid.number(place)
        if place <= after:
            sheet.others.append((row_number, "header row"))
            continue
        found = find_header(grid.rows, place)
        if found is not None:
            sheet.header, after = found[0], place + found[1] - 1
            sheet.others.append((row_number, "header row"))
        elif sheet.header is None:
            told = next((year for year in map(year_of, [*row, " ".join(row)]) if year), "")
            sheet.years |= {told} - {""}
            sheet.others.append((row_number, "preamble"))
        elif _is_note(row, sheet.header):
            sheet.others.append((row_number, "note"))
        else:
            keys = {key: cell_at(row, at) for key, at in sheet.header.keys.items()}
            cells = [(measure, cell_at(row, measure.place)) for measure in sheet.header.measures]
            longer = any(row[len(sheet.header.names) :])
            fault = message("rows.wrong_number_of_cells/statistics") if longer else None
            fault = fault if any(keys.get(key) for key in _PLACES) else message("statistics.no_place")
            sheet.rows.append(Row(row_number, number, keys, cells, fault))
    sheet.year = next(iter(sheet.years)) if len(sheet.years) == 1 else ""
    return sheet


def _is_note(row: Cells, header: Header) -> bool:
    filled = [cell for cell in row if cell]
    word = re.match(r"[^\W\d_]*", filled[0])
    is_note = bool(word and compared(word.group()) in words("rows")) or bool(re.match(r"\*|\d\)|\.\.?\s*=", filled[0]))
    has_value = any(cell_at(row, measure.place) for measure in header.measures)
    return (len(filled) == 1 or is_note) and not (has_value and cell_at(row, header.keys.get("school_id", -1)))


# ------------------------------------------------------------------ the report


def _read(
    file: str,
    grids: list[Grid],
    sheets: list[_Sheet],
    rows: list[Row],
    findings: list[Finding],
    dropped: dict[str, int],
    remarks: list[str],
    notes: Counter[str],
) -> FileRead:
    several, rejected = sum(bool(grid.filled_rows()) for grid in grids) > 1, []
    kinds, unusable = Counter[str](), bool(findings)
    for number, sheet in enumerate(sheets):
        label = f"{file}#{number + 1}" if several else file
        found = row_findings(label, [(row.row, row.fault) for row in sheet.rows if row.fault])
        findings += found
        others = sheet.others if sheet.header else [(row, "a sheet without statistics") for row, _ in sheet.others]
        kinds.update(what for _, what in others)
        here = [*reasons_by_row(found), *((row, f"not data: {what}") for row, what in others)]
        rejected += [(row, f"sheet {number + 1}: {why}" if several else why) for row, why in sorted(here)]
    kept = [row for row in rows if not row.fault and not unusable]
    table = _table(kept)
    missing = ["no year: give it with year="] if len(table) and (table["year"] == "").any() else []
    for name, place in dropped.items():
        shown = f"column {name!r}" if may_name(name) else f"column number {place + 1}"
        remarks.append(f"{shown} has text and was left out")
    findings += [remark("statistics.left_out", file, what=text) for text in remarks]
    findings += [remark("statistics.no_year", file, what=text) for text in missing]
    report = FileReport(
        file=file,
        format=FORMAT,
        rows=sum(len(grid.filled_rows()) for grid in grids),
        n_rejected=len(rejected),
        rejected=tuple(rejected),
        assumed=tuple(_told(grids, sheets, rows, kinds, notes)),
        missing=tuple(missing),
        findings=tuple(findings),
    )
    return FileRead(report, {} if unusable else {"statistics": table})


def _told(
    grids: list[Grid], sheets: list[_Sheet], rows: list[Row], kinds: Counter[str], notes: Counter[str]
) -> list[str]:
    told = list(dict.fromkeys(word for grid in grids for word in grid.assumed))
    header = next((sheet.header for sheet in sheets if sheet.header), None)
    if header is not None:
        told += [f"column {header.names[place]!r} is {key}" for key, place in header.keys.items()]
        for measure in header.measures:
            if not measure.unknown:
                told.append(f"column {header.names[measure.place]!r} is {measure.measure}, {measure.group}")
    own = dict.fromkeys(measure.unknown for row in rows[:1_000] for measure, _ in row.cells if measure.unknown)
    told += [f"column {name!r} is not a known measure: kept under its own name" for name in own if may_name(name)]
    if kinds:
        told.append("rows that are not data: " + ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common()))
    told += [f"{count:,} {text}" if text.startswith("empty") else text for text, count in notes.items()]
    return told + [f"year {sheet.year} of the rows above the header" for sheet in sheets if sheet.year and sheet.header]


def _table(kept: list[Row]) -> pd.DataFrame:
    records: list[dict[str, Any]] = []
    for row in kept:
        keys = {key: row.keys.get(key, "") for key in KEYS}
        for (measure, group, year), (value, status) in row.values.items():
            records.append({**keys, "group": group, "year": year, "measure": measure, "value": value, "status": status})
    table = pd.DataFrame(records, columns=list(COLUMNS))
    return table.astype({name: "float64" if name == "value" else "str" for name in COLUMNS})
