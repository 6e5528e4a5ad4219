"""What the rows of an export of official statistics say: numbers in Swedish, signs in their place, rows said twice."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from nbanalytics.municipal.skolverket_header import Measure, words, year_of
from nbanalytics.readers.grid import compared

#: What a row of the table is about.
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
    fault: str = ""
    twice: set[tuple[str, ...]] = field(default_factory=set)
    values: dict[tuple[str, ...], tuple[float, str]] = field(default_factory=dict)


def drop_texts(rows: list[Row]) -> dict[str, int]:
    """Leave out unknown columns that hold anything but numbers and signs; returns their places by name."""
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
    """Leave out what two columns claim to be with different values; returns the names of the measures."""
    twice = {place for row in rows for place in row.twice}
    for row in rows:
        row.values = {place: value for place, value in row.values.items() if place[:2] not in twice}
    return sorted({measure for measure, _ in twice})


def read_row(row: Row, year: str, notes: Counter[str]) -> None:
    """Write the keys alike, and read the values."""
    keys = row.keys
    for key, length in (("municipality_id", 4), ("school_id", 8)):
        code = re.sub(r"\s+", "", keys.get(key, ""))
        if code.isdigit() and len(code) < length:
            notes[f"{key}: the zeros that Excel takes away are put back"] += 1
            code = code.zfill(length)
        keys[key] = code
    keys["owner"] = words("owners").get(compared(keys.get("owner", "")), keys.get("owner", ""))
    keys["year"] = year_of(keys.get("year", "")) or keys.get("year", "") or year
    own_group = words("groups").get(compared(keys.get("group", "")), "")
    if keys.get("group") and not own_group:
        row.fault = row.fault or "group: not all, girls or boys"
    for measure, cell in row.cells:
        if not cell:
            notes["empty cells are left out"] += 1
            continue
        value = _value(cell)
        if value is None:
            row.fault = row.fault or f"column number {measure.place + 1}: neither a number nor a known sign"
            continue
        group = own_group or measure.group
        place = (measure.measure, group, measure.year or keys["year"])
        if not _same(row.values.setdefault(place, value), value):
            row.twice.add(place[:2])


def _same(one: tuple[float, str], other: tuple[float, str]) -> bool:
    return one[1] == other[1] and (one[0] == other[0] or (np.isnan(one[0]) and np.isnan(other[0])))


def refuse_repeated(rows: list[Row]) -> None:
    """Keep what rows say more than once but once, and nothing of rows that contradict each other."""
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
                row.fault = "repeats another row"
            said |= row.values
        for row in group if contradict else ():
            row.fault = "the same place, year and group with other values in another row"
