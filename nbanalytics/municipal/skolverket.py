"""Exports of Skolverket's official statistics, per school or municipality: with the status beside each value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
_POPULATIONS = (
    (r"\bnyinv", "newly_immigrated"),
    (r"\bokänd bakgr", "unknown_background"),
    (r"\butländsk bakgr", "foreign_background"),
    (r"\bsvensk bakgr", "swedish_background"),
)
_FOOTNOTE = re.compile(r"(?:\s+\d\)|\s*\*+|\s*[¹²³])\s*$")


@dataclass(frozen=True)
class Measure:
    """A column of numbers: which measure, of which group, year and population, and its name if unknown."""

    place: int
    measure: str
    group: str
    year: str
    unknown: str = ""
    population: str = ""


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
    comparing = str if section == "signs" else _plain if section == "measures" else compared
    return {comparing(word): meaning for meaning, names in data[section].items() for word in names}


def _plain(name: str) -> str:
    """Return the compared name of a measure: "behöriga till yrkesprogram" is "behörig yrkesprog."."""
    name = re.sub(r"\bbehöriga?(\s+till)?\b", "behörig", name.casefold())
    return compared(re.sub(r"program(met)?", "prog", name))


def population_of(text: str) -> str:
    """Return the pupils whom a title or a heading names; empty if it names none.

    Examples
    --------
    >>> population_of("Slutbetyg årskurs 9, utan nyinvandrade och elever med okänd bakgrund")
    'without_newly_immigrated_and_unknown_background'
    >>> population_of("Samtliga elever"), population_of("nyinvandrade elever"), population_of("Läsår 2018/19")
    ('all', 'newly_immigrated', '')
    """
    text = text.casefold()
    named = [code for word, code in _POPULATIONS if re.search(word, text)]
    if named:
        without = "without_" if re.search(r"\b(utan|exkl\w*|förutom)\b", text) else ""
        return without + "_and_".join(named)
    return "all" if re.search(r"\b(samtl\.?|samtliga|alla) elever\b", text) else ""


def stage_of(text: str) -> str:
    """Return the year in school that a title names, such as ``"6"``; empty if it names none.

    Examples
    --------
    >>> stage_of("Grundskola - Betyg årskurs 6, samtliga elever"), stage_of("Valt läsår: 2017/18")
    ('6', '')
    """
    found = set(re.findall(r"\b(?:årskurs|åk)\.?\s*([1-9])\b", text.casefold()))
    return found.pop() if len(found) == 1 else ""


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
    if alone is not None:
        return alone, 1
    under = understand(below) if any(row) and _is_above(row, below) else None
    return (_headed(row, below, under), 2) if under is not None else None


def _headed(row: Cells, below: Cells, under: Header) -> Header:
    """Return a header whose measures have a heading above: the population, or the first half of the name."""
    whole = _carried(row, below)
    measures = []
    for measure in under.measures:
        above = whole[measure.place]
        name, group, year = _measure_of(f"{above} {below[measure.place]}")
        if name:
            measures.append(replace(measure, measure=name, group=group, year=year, unknown=""))
        elif population_of(above) or not measure.unknown:
            measures.append(replace(measure, population=population_of(above)))
        else:
            own = _FOOTNOTE.sub("", f"{above} {below[measure.place]}".strip())
            measures.append(replace(measure, measure=own, unknown=own))
    return replace(under, measures=measures)


def _carried(row: Cells, below: Cells) -> Cells:
    """Return the heading above each column: that of a merged cell counts for those beside it."""
    found, above = [], ""
    for place in range(len(below)):
        above = cell_at(row, place) or above
        found.append(above)
    return found


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
    if _plain(rest) in known:
        return known[_plain(rest)], "all", year
    parts = re.split(r"[\s,;:()–]+", rest)
    places = [place for place, part in enumerate(parts) if compared(part) in groups]
    for place in places:
        # "i alla ämnen, flickor": only one of its words is the group.
        measure = known.get(_plain(" ".join(parts[:place] + parts[place + 1 :])), "")
        if measure:
            return measure, groups[compared(parts[place])], year
    found = {groups[compared(parts[place])] for place in places}
    return "", found.pop() if len(found) == 1 else "all", year


#: Keys of a row.
KEYS = ("school_id", "school", "municipality_id", "municipality", "owner", "subject", "stage", "year", "group")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_SPACES = re.compile(r"(?<=\d)[ \u00a0\u202f\u2009\u2007](?=\d{3}(?!\d))")


@dataclass
class Row:
    """A row of data: its number, its keys, and value and status by measure.

    ``fault`` says why it cannot be used, and ``strange`` why one of its cells cannot.
    """

    row: int
    sheet: int
    keys: dict[str, str]
    cells: list[tuple[Measure, str]]
    fault: Message | None = None
    strange: Message | None = None
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
        row.values = {place: value for place, value in row.values.items() if place[:3] not in twice}
    return sorted({measure for measure, *_ in twice})


def read_row(row: Row, year: str, population: str, notes: Counter[str]) -> None:
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
            row.strange = row.strange or message("values.not_number/statistics", place=measure.place + 1)
            continue
        group = own_group or measure.group
        place = (measure.measure, group, measure.population or population, measure.year or keys["year"])
        if not _same(row.values.setdefault(place, value), value):
            row.twice.add(place[:3])
    if not row.values:
        row.fault = row.fault or row.strange


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
COLUMNS = (*KEYS, "population", "measure", "value", "status")
_PLACES = ("school", "school_id", "municipality", "municipality_id")


@dataclass
class _Sheet:
    rows: list[Row] = field(default_factory=list)
    others: list[tuple[int, str]] = field(default_factory=list)
    header: Header | None = None
    year: str = ""
    years: set[str] = field(default_factory=set)
    stage: str = ""
    population: str = ""


def matches(path: Path, head: bytes) -> bool:
    """Whether a file is an export of official statistics, by its content."""
    del head
    try:
        grids = read_grids(path, known_names)
    except DataError:
        return False
    for grid in grids:
        filled = grid.filled_rows()[:100]
        headers = [found[0] for place in filled if (found := find_header(grid.rows, place))]
        named = any("skolverket" in cell.casefold() for place in filled for cell in grid.rows[place][:2])
        # Columns of schools and students are in many files; a known measure is not.
        if any(named or not measure.unknown for header in headers for measure in header.measures):
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
        ``school_id, school, municipality_id, municipality, owner, subject, stage`` (the year in school, where the file
        names it), ``year, group`` (all, girls or boys), ``population`` (all, or a part of the pupils, such as
        ``without_newly_immigrated_and_unknown_background``), ``measure``, ``value`` and ``status`` (ok, suppressed,
        not_applicable, not_available or approx_100). The value is missing unless the status is ok. Empty cells are left
        out; rows that are not data are rejected as "not data".

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
        sheet = sheets[row.sheet]
        row.keys["stage"] = sheet.stage
        read_row(row, year or sheet.year, sheet.population or "all", notes)
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
            sheet.stage = sheet.stage or stage_of(" ".join(row))
            sheet.population = sheet.population or population_of(" ".join(row))
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
    if (len(filled) == 1 or is_note) and not (has_value and cell_at(row, header.keys.get("school_id", -1))):
        return True
    # Definitions below the data have several cells of text, and neither a code nor a value.
    codes = [cell_at(row, header.keys[key]) for key in ("school_id", "municipality_id") if key in header.keys]
    values = (_value(cell_at(row, measure.place)) for measure in header.measures)
    return bool(codes) and not any(re.fullmatch(r"[\d\s]+", code) for code in codes) and not any(values)


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
    strange = [(row.row, row.strange) for row in kept if row.strange]
    findings += [replace(found, weight="remark") for found in row_findings(file, strange)]
    parts = sorted({*table["population"]} - {"all"}) if len(table) else []
    findings += [remark("statistics.other_pupils", file, named=part.replace("_", " ")) for part in parts]
    stages = sorted({*table["stage"]} - {"", "9"}) if len(table) else []
    findings += [remark("statistics.other_year", file, year=stage) for stage in stages]
    report = FileReport(
        file=file,
        format=FORMAT,
        rows=sum(len(grid.filled_rows()) for grid in grids),
        n_rejected=len(rejected),
        rejected=tuple(rejected),
        assumed=tuple(_told(grids, sheets, rows, kinds, notes)),
        missing=tuple(missing),
        findings=tuple(findings),
        unread=tuple(dict.fromkeys(s.header.names[at] for s in sheets if s.header for at in s.header.ignored)),
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
                part = f" ({measure.population.replace('_', ' ')})" if measure.population not in ("", "all") else ""
                told.append(f"column {header.names[measure.place]!r} is {measure.measure}, {measure.group}{part}")
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
        for (measure, group, population, year), (value, status) in row.values.items():
            own = {"group": group, "year": year, "population": population}
            records.append({**keys, **own, "measure": measure, "value": value, "status": status})
    table = pd.DataFrame(records, columns=list(COLUMNS))
    return table.astype({name: "float64" if name == "value" else "str" for name in COLUMNS})
