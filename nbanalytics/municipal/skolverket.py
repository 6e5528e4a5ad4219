"""Exports of Skolverket's official statistics, per school or municipality: the status is kept beside the value."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.municipal.pseudonyms import Key
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.municipal.skolverket_header import Header, find_header, known_names, words, year_of
from nbanalytics.municipal.skolverket_rows import KEYS, Row, drop_ambiguous, drop_texts, read_row, refuse_repeated
from nbanalytics.readers.findings import Finding, about_rows, fatal, no_rows
from nbanalytics.readers.grid import Cells, Grid, compared, may_name, read_grids
from nbanalytics.readers.report import FileReport, reasons_by_row

FORMAT = "skolverket"
#: Columns of the table ``statistics``.
COLUMNS = (*KEYS, "measure", "value", "status")
_PLACES = ("school", "school_id", "municipality", "municipality_id")
_REMEDY = "Compare with the export; download it again."


@dataclass
class _Sheet:
    rows: list[Row] = field(default_factory=list)
    others: list[tuple[int, str]] = field(default_factory=list)
    header: Header | None = None
    year: str = ""
    years: set[str] = field(default_factory=set)


def matches(path: Path, head: bytes) -> bool:
    """Whether a file is an export of official statistics, by what stands in it."""
    del head
    try:
        grids = read_grids(path, known_names)
    except DataError:
        return False
    for grid in grids:
        filled = grid.filled_rows()[:100]
        found = (find_header(grid.rows, place) for place in filled)
        # Two columns of schools and students could be anything; a known measure could not.
        if any(header and any(not measure.unknown for measure in header[0].measures) for header in found):
            return True
    return False


def read_skolverket(path: str | Path, *, key: Key | None = None, year: str = "") -> FileRead:
    r"""Read an export of official statistics, per school or municipality.

    Parameters
    ----------
    path : str or Path
        CSV or Excel, with any rows above the names of the columns and below the data.
    key : Key, optional
        Not needed, since the statistics are about nobody; taken as all formats take it.
    year : str, optional
        The school year where the file does not tell it, such as ``"2017/18"``.

    Returns
    -------
    FileRead
        ``tables["statistics"]`` has one row for each school or municipality, group and measure:
        ``school_id, school, municipality_id, municipality, owner, subject, year, group`` (all, girls or boys),
        ``measure``, ``value`` and ``status`` (ok, suppressed, not_applicable or approx_100). The value is missing
        unless the status is ok. Empty cells are no statistics and are left out. Rows are all rows with content;
        those that are no data are rejected as "not data" with their kind.

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
    >>> read_skolverket(file).tables["statistics"][["municipality_id", "year", "measure", "value", "status"]]
      municipality_id     year              measure  value      status
    0            0180  2017/18  eligible_vocational   84.4          ok
    1            1280  2017/18  eligible_vocational    NaN  suppressed
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
        remedy = "Check that it is an export per school or municipality, with its header."
        findings.append(fatal(path.name, "no row holds the names of the columns (school or municipality)", remedy))
    elif not any(not row.fault for row in rows):
        findings.append(fatal(path.name, "no row can be used", "Mend the rows listed, or download the file again."))
    return _read(path.name, grids, sheets, rows, findings, dropped, remarks, notes)


def _sheet(grid: Grid, number: int) -> _Sheet:
    """Say of each row with content whether it is data, and if not, what."""
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
            keys = {key: _cell(row, at) for key, at in sheet.header.keys.items()}
            cells = [(measure, _cell(row, measure.place)) for measure in sheet.header.measures]
            longer = any(row[len(sheet.header.names) :])
            fault = "more cells than the header" if longer else ""
            fault = fault if any(keys.get(key) for key in _PLACES) else "no school and no municipality"
            sheet.rows.append(Row(row_number, number, keys, cells, fault))
    sheet.year = next(iter(sheet.years)) if len(sheet.years) == 1 else ""
    return sheet


def _is_note(row: Cells, header: Header) -> bool:
    filled = [cell for cell in row if cell]
    word = re.match(r"[^\W\d_]*", filled[0])
    is_note = bool(word and compared(word.group()) in words("rows")) or bool(re.match(r"\*|\d\)|\.\.?\s*=", filled[0]))
    has_value = any(_cell(row, measure.place) for measure in header.measures)
    return (len(filled) == 1 or is_note) and not (has_value and _cell(row, header.keys.get("school_id", -1)))


def _cell(row: Cells, place: int) -> str:
    return row[place] if 0 <= place < len(row) else ""


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
        faulty = [(row.row, row.fault) for row in sheet.rows if row.fault]
        found = [
            about_rows(label, "", what, _REMEDY, [row for row, why in faulty if why == what])
            for what in dict.fromkeys(what for _, what in faulty)
        ]
        findings += found
        others = sheet.others if sheet.header else [(row, "a sheet without statistics") for row, _ in sheet.others]
        kinds.update(what for _, what in others)
        here = [*reasons_by_row(found), *((row, f"not data: {what}") for row, what in others)]
        rejected += [(row, f"sheet {number + 1}: {why}" if several else why) for row, why in sorted(here)]
    kept = [row for row in rows if not row.fault and not unusable]
    table = _table(kept)
    missing = ["no year: say it with year="] if len(table) and (table["year"] == "").any() else []
    for name, place in dropped.items():
        shown = f"column {name!r}" if may_name(name) else f"column number {place + 1}"
        remarks.append(f"{shown} holds text and was left out")
    findings += [Finding(file, "", text, "", no_rows(), 0, "remark") for text in (*remarks, *missing)]
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
    told += [f"column {name!r} is no known measure: kept under its own name" for name in own if may_name(name)]
    if kinds:
        told.append("rows that are no data: " + ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common()))
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
