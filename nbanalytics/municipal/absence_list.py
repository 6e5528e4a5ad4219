"""Absence lists as school systems export them: .xlsx, .xls or CSV with sections, merged cells and text for numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from nbanalytics.declaration import SWEDISH_TERMS
from nbanalytics.errors import DataError
from nbanalytics.municipal.absence_mapping import (
    MANGLED,
    MEASURES,
    NINE_DIGITS,
    PSEUDONYM,
    Columns,
    ListMapping,
    Pupil,
    Sorted,
    known_cells,
    parse_mapping,
    period_of,
    read_mapping,
    row_words,
    sort_rows,
    year_of,
)
from nbanalytics.municipal.absence_suggest import suggest_mapping
from nbanalytics.municipal.pseudonyms import IDENTITY_CODES, Key, identities, new_key
from nbanalytics.municipal.recognise import FileRead
from nbanalytics.readers.findings import Finding, Message, about_rows, fatal, message, remark, row_findings
from nbanalytics.readers.grid import Grid, cell_at, read_grids
from nbanalytics.readers.report import FileReport, reasons_by_row
from nbanalytics.readers.words import read_number, read_term, term_words

#: With fewer numbers than this, all of them at most 1, 0.5 and 0.5 % cannot be distinguished.
_TELLING = 10
#: With so many columns of subjects a list is of grades, whatever it says of absence.
_SUBJECTS = 3
#: How far a total may be from its parts, which are rounded.
_ROUNDING = 0.11


@dataclass
class Reading:
    """A pupil's row while it is read; ``fault`` says why it is unusable, ``unchecked`` that a digit is wrong."""

    pupil: Pupil
    sheet: int
    values: dict[str, float | None] = field(default_factory=dict)
    term: str = ""
    student: str = ""
    fault: Message | None = None
    unchecked: bool = False


def set_students(readings: list[Reading], key: Key | None) -> list[str]:
    """Make pseudonyms and discard the identity numbers."""
    assumed, padded, kept = [], 0, 0
    numbers = []
    for reading in readings:
        identity = reading.pupil.identity.replace("–", "-")
        if NINE_DIGITS.fullmatch(identity):
            identity, padded = f"0{identity}", padded + 1
        numbers.append(identity)
    found = identities(pa.array(numbers, pa.string()))
    made = (new_key() if key is None else key).pseudonyms(pd.Series(numbers, dtype="str"))
    told = zip(found.fault.tolist(), found.unchecked.tolist(), made, strict=True)
    for reading, number, (fault, reading.unchecked, pseudonym) in zip(readings, numbers, told, strict=True):
        if PSEUDONYM.fullmatch(number):
            reading.student, kept = number, kept + 1
        elif MANGLED.fullmatch(number):
            reading.fault = message("identity.cut_off")
        elif fault:
            reading.fault = message(f"{IDENTITY_CODES[fault]}/list")
        else:
            reading.student = str(pseudonym)
        reading.pupil.identity = ""
    if kept:
        assumed.append(f"{kept:,} rows have pseudonyms already, which are kept")
    if padded:
        assumed.append(
            f"{padded:,} identity numbers of nine digits lack the first 0, which Excel removed; it is restored"
        )
    if found.short.any():
        assumed.append(f"{int(found.short.sum()):,} identity numbers of ten digits: the century is assumed")
    if key is None and kept < len(readings):
        assumed.append("no key was given: the pseudonyms are valid for this run only")
    return assumed


def set_values(
    readings: list[Reading], grids: list[Grid], said: ListMapping, file: str
) -> tuple[list[str], list[Finding]]:
    """Read the percentages; plain numbers are fractions only if the mapping, the cell format or all numbers show it.

    Returns what was assumed, and the fault if the numbers could mean either.
    """
    plain: list[float] = []
    cells: list[tuple[Reading, str, float | None, bool]] = []
    formatted = signed = 0
    for reading in readings:
        for role in MEASURES:
            text = cell_of(reading.pupil, role)
            if text.casefold() in row_words("missing"):
                cells.append((reading, role, None, False))
                continue
            number = read_number(re.sub(r"\s+", "", text))
            if number is None:
                reading.fault = reading.fault or message("values.not_number/list", role)
                continue
            place = (reading.pupil.position, reading.pupil.columns.places[role])
            is_fraction = place in grids[reading.sheet].percent and not text.endswith("%")
            formatted, signed = formatted + is_fraction, signed + text.endswith("%")
            is_plain = not is_fraction and not text.endswith("%")
            if is_plain:
                plain.append(number)
            cells.append((reading, role, number * 100 if is_fraction else number, is_plain))
    numbers = [abs(number) for number in plain if number]
    fractions, faults = said.percent == "0-1", []
    if not said.percent and numbers and max(numbers) <= 1 and not signed and not formatted:
        fractions = len(numbers) >= _TELLING
        if not fractions:
            faults.append(fatal("absence.unit_unclear", file))
    for reading, role, value, is_plain in cells:
        value = value * 100 if value is not None and is_plain and fractions else value
        if value is not None and not 0 <= value <= 100:
            reading.fault = reading.fault or message("values.out_of_range/list", role)
        reading.values[role] = None if value is None else round(value, 6)
    told = [f"{formatted:,} cells are shown as per cent by Excel: 0.125 is 12.5 %"] if formatted else []
    told += ["numbers of at most 1 are fractions: 0.125 is 12.5 %"] if fractions and plain else []
    return told + _complete(readings), faults


def _complete(readings: list[Reading]) -> list[str]:
    """Find the part that follows from a total; more absence than the whole term is a fault."""
    derived = 0
    for values, reading in ((reading.values, reading) for reading in readings if not reading.fault):
        valid, invalid, total = (values.get(role) for role in MEASURES)
        if total is not None and (valid is None) != (invalid is None):
            rest = round(total - (invalid if valid is None else valid or 0.0), 6)  # type: ignore[operator]
            values["valid" if valid is None else "invalid"] = max(rest, 0.0)
            derived += 1
            if rest < -_ROUNDING:
                reading.fault = message("absence.total_differs/less")
        elif valid is not None and invalid is not None:
            if valid + invalid > 100 + _ROUNDING:
                reading.fault = message("absence.more_than_all")
            elif total is not None and abs(valid + invalid - total) > _ROUNDING:
                reading.fault = message("absence.total_differs")
    return [f"{derived:,} rows: the missing part is the total minus the other part"] if derived else []


def refuse_repeated(readings: list[Reading]) -> None:
    """Keep the first of repeated rows and, of contradictory ones, that with most values; none if they contradict."""
    by_pupil: dict[tuple[str, str], list[Reading]] = {}
    for reading in readings:
        if not reading.fault:
            by_pupil.setdefault((reading.student, reading.term), []).append(reading)
    for same in by_pupil.values():
        known = [sum(value is not None for value in reading.values.values()) for reading in same]
        best = [reading for reading, number in zip(same, known, strict=True) if number == max(known)]
        contradicts = any(reading.values != best[0].values for reading in best)
        for reading in same:
            if contradicts:
                reading.fault = message("rows.contradictory/list")
            elif reading is not best[0]:
                reading.fault = message("rows.repeated/list")


def cell_of(pupil: Pupil, role: str) -> str:
    """Return a pupil's cell in the column of a role, empty text if there is none."""
    return cell_at(pupil.cells, pupil.columns.places.get(role, -1))


__all__ = ["FORMAT", "matches", "read_absence_list", "suggest_mapping"]

FORMAT = "absence-list"
_NO_CLASS, _NO_TERM = message("absence.no_class/row"), message("absence.no_term/row")


def matches(path: Path, head: bytes) -> bool:
    """Whether a file is an absence list, by its content."""
    del head
    try:
        grids = read_grids(path, known_cells)
    except DataError:
        return False
    try:
        said, _ = _mapping(path, None)
    except DataError:
        # A mapping beside the file shows that the user takes it for a list and wants to know what is wrong.
        return True
    sheets = [sort_rows(grid, said) for grid in grids]
    if not said.columns and any(sheet.columns and sheet.columns.subjects >= _SUBJECTS for sheet in sheets):
        return False
    return any(sheet.columns and (sheet.pupils or not said.by_number) for sheet in sheets)


def read_absence_list(
    path: str | Path,
    *,
    key: Key | None = None,
    mapping: str | Path | Mapping[str, object] | ListMapping | None = None,
    term: str = "",
    terms: Iterable[str] = SWEDISH_TERMS,
) -> FileRead:
    r"""Read an absence list: an .xlsx, .xls or CSV file.

    Parameters
    ----------
    path : str or Path
    key : Key, optional
        Makes pseudonyms of identity numbers; without it a key for this run is generated.
    mapping : str, Path, mapping or ListMapping, optional
        A TOML file, or its content, with the meaning of the columns; by default the file beside the list of the same
        name with the ending ``.toml``, or else the names that school systems use.
    term : str, optional
        The term of the whole list, before what mapping and list say.
    terms : iterable of str
        The terms of the records.

    Returns
    -------
    FileRead
        ``tables["absence"]`` has ``student_id, term, valid, invalid`` in per cent (and ``total`` where the list has
        only that). There is no table where the list cannot be used; then the report has a fault that says why. Rows
        that are not pupils are rejected as "not data" with their kind.

    Raises
    ------
    DataError
        If the file or the mapping cannot be read at all.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "list.csv"
    >>> lines = ["HT 2017", "Klass: 7A", "Personnummer;Giltig;Ogiltig", "20040101-1236;12,5 %;0"]
    >>> _ = file.write_text("\n".join(lines), encoding="utf-8")
    >>> read = read_absence_list(file, key=Key(b"9c41d7e2b85f03a66e1fd0947ab8352c"))
    >>> print(*read.tables["absence"].iloc[0], read.report.rows, read.report.read)
    PINBKW5E4Z2QVD4QN 7HT 12.5 0.0 4 1
    """
    path = Path(path)
    said, assumed = _mapping(path, mapping)
    grids = [grid for grid in read_grids(path, known_cells) if not said.sheet or grid.sheet == said.sheet]
    if not grids:
        raise DataError(f"{path.name} has no sheet with the name in the mapping", "Correct sheet in [file].")
    sheets = [sort_rows(grid, said) for grid in grids]
    readings = [
        Reading(pupil, number) for number, sheet in enumerate(sheets) if sheet.columns for pupil in sheet.pupils
    ]
    declared = tuple(terms)
    fatals = list(_column_faults(path.name, grids, sheets, said))
    if not fatals:
        assumed += _set_terms(readings, term or said.term, declared)
        fatals += list(_term_faults(path.name, readings))
        assumed += set_students(readings, key)
        told, unit_fault = set_values(readings, grids, said, path.name)
        assumed += told
        fatals += unit_fault
        refuse_repeated(readings)
    if not fatals and not any(not reading.fault for reading in readings):
        fatals.append(fatal("tables.no_usable_row/list", path.name))
    return _read(path.name, grids, sheets, readings, fatals, assumed)


# ------------------------------------------------------------------ the steps


def _mapping(
    path: Path, mapping: str | Path | Mapping[str, object] | ListMapping | None
) -> tuple[ListMapping, list[str]]:
    if isinstance(mapping, ListMapping):
        return mapping, []
    if isinstance(mapping, Mapping):
        return parse_mapping(mapping), []
    beside = path.with_suffix(".toml")
    if mapping is None and beside != path and beside.is_file():
        return read_mapping(beside), [f"columns as {beside.name} says"]
    if mapping is None:
        return ListMapping(), []
    return read_mapping(mapping), [f"columns as {Path(mapping).name} says"]


def _column_faults(file: str, grids: list[Grid], sheets: list[Sorted], said: ListMapping) -> Iterator[Finding]:
    if not any(sheet.columns for sheet in sheets):
        yield fatal("columns.no_header/list", file)
    for sheet in sheets:
        if sheet.columns and sheet.columns.subjects >= _SUBJECTS and not said.columns:
            yield fatal("columns.other_content/grades", file, number=sheet.columns.subjects)
            return
        if sheet.columns and sheet.columns.twice:
            role = sheet.columns.twice
            yield fatal("columns.repeated/list", file, role, role=role)
            return
    if not any(sheet.pupils for sheet in sheets) and any(sheet.columns for sheet in sheets):
        counts: Counter[int] = Counter()
        for grid in grids:
            for row in grid.rows:
                counts.update(
                    i for i, cell in enumerate(row, 1) if re.fullmatch(r"(\d{2})?\d{6}-?(\d|TF)\d{2,3}", cell)
                )
        seem = f"They seem to be in column {counts.most_common(1)[0][0]}: give it in the mapping." if counts else ""
        yield fatal("columns.other_content/list", file, "student", remedy=seem or "Check the columns.")


def _set_terms(readings: list[Reading], term: str, declared: tuple[str, ...]) -> list[str]:
    """Find the term of each pupil: from a column, the mapping, or the period and the year of the class."""
    words, from_class, told = term_words(declared), 0, set()
    bad_term = message("values.unknown_term/list", known=", ".join(declared))
    for reading in readings:
        pupil = reading.pupil
        written = cell_of(pupil, "term") or term or pupil.period
        season = period_of(written) or written.upper()
        if season in ("HT", "VT"):
            year = year_of(pupil.school_class)
            from_class += year is not None
            written = f"{year}{season}" if year is not None else ""
            told.add(season)
        reading.term = (read_term(written, words, declared) or "") if written else ""
        if not reading.term:
            known = pupil.period or cell_of(pupil, "term") or term
            reading.fault = bad_term if written else (_NO_CLASS if known else _NO_TERM)
    seasons = " and ".join(sorted(told))
    return [f"{seasons} of the list's period, and the year from the class ({from_class:,} rows)"] if from_class else []


def _term_faults(file: str, readings: list[Reading]) -> Iterator[Finding]:
    faults = Counter(reading.fault for reading in readings)
    if faults[_NO_TERM]:
        yield fatal("absence.no_term", file, "term")
    elif faults[_NO_CLASS] == len(readings) > 0:
        yield fatal("absence.no_class", file, "term")


# ------------------------------------------------------------------ the report


def _read(
    file: str,
    grids: list[Grid],
    sheets: list[Sorted],
    readings: list[Reading],
    fatals: list[Finding],
    assumed: list[str],
) -> FileRead:
    kept = [reading for reading in readings if not reading.fault and not fatals]
    findings, rejected, unusable = list(fatals), [], message("rows.of_unusable_list")
    kinds: Counter[str] = Counter()
    several = sum(bool(grid.filled_rows()) for grid in grids) > 1
    for number, sheet in enumerate(sheets):
        label = f"{file}#{number + 1}" if several else file
        here = [(one.pupil.row, one.fault or (unusable if fatals else None)) for one in readings if one.sheet == number]
        faulty = [(row, fault) for row, fault in here if fault is not None]
        # Without columns no row of the sheet was read.
        others = (
            sheet.others if sheet.columns else [(row, "a sheet without an absence list") for row, _ in sheet.others]
        )
        faulty += [(row, what) for row, what in others if isinstance(what, Message)]
        found = row_findings(label, faulty)
        findings += found
        findings += _unchecked(label, [reading for reading in readings if reading.sheet == number])
        structure = {row: what for row, what in others if isinstance(what, str)}
        kinds.update(structure.values())
        why_not = [*reasons_by_row(found), *((row, f"not data: {what}") for row, what in structure.items())]
        rejected += [(row, f"sheet {number + 1}: {why}" if several else why) for row, why in sorted(why_not)]
    told = [*dict.fromkeys(word for grid in grids for word in grid.assumed), *_told(sheets, kinds), *assumed]
    rows = sum(len(grid.filled_rows()) for grid in grids)
    missing, table = _table(kept)
    remarks = [remark("absence.part_missing", file, what=text) for text in missing]
    report = FileReport(
        file=file,
        format=FORMAT,
        rows=rows,
        n_rejected=len(rejected),
        rejected=tuple(rejected),
        assumed=tuple(told),
        missing=tuple(missing),
        findings=(*findings, *remarks),
        unread=tuple(dict.fromkeys(name for sheet in sheets if sheet.columns for name in sheet.columns.unread)),
    )
    return FileRead(report, {} if fatals else {"absence": table})


def _unchecked(label: str, readings: list[Reading]) -> list[Finding]:
    rows = [reading.pupil.row for reading in readings if reading.unchecked and not reading.fault]
    return [about_rows(message("identity.check_digit", "student"), label, rows, "remark")] if rows else []


def _told(sheets: list[Sorted], kinds: Counter[str]) -> list[str]:
    told = []
    columns: Columns | None = next((sheet.columns for sheet in sheets if sheet.columns), None)
    if columns is not None:
        # Names are those of the mapping or of the list of known names: no cell of a pupil can be among them.
        told += [f"column {name!r} is {role}" for role, name in columns.names.items() if not re.search(r"\d{6}", name)]
    if kinds:
        told.append("rows that are not data: " + ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common()))
    carried, moved = sum(sheet.carried for sheet in sheets), sum(sheet.moved for sheet in sheets)
    told += [f"{carried:,} empty cells of the class mean the class above"] if carried else []
    return told + ([f"the columns change places {moved:,} times"] if moved else [])


def _table(kept: list[Reading]) -> tuple[list[str], pd.DataFrame]:
    def numbers(role: str) -> np.ndarray:
        values = [reading.values.get(role) for reading in kept]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    table = pd.DataFrame(
        {
            "student_id": pd.Series([reading.student for reading in kept], dtype="str"),
            "term": pd.Series([reading.term for reading in kept], dtype="str"),
            "valid": numbers("valid"),
            "invalid": numbers("invalid"),
        }
    )
    if not kept or table["valid"].notna().any() or table["invalid"].notna().any():
        empty = [role for role in ("valid", "invalid") if kept and table[role].isna().all()]
        return [f"no {role} absence: the total of a pupil cannot be shown" for role in empty], table
    return ["no split in valid and invalid absence: the absence panel will be empty"], table.assign(
        total=numbers("total")
    )
