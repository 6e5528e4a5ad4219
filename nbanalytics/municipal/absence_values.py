"""What the cells of an absence list say: pseudonyms for identity numbers, per cent for every way to write it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa

from nbanalytics.municipal.absence_mapping import MEASURES, ListMapping, row_words
from nbanalytics.municipal.absence_rows import MANGLED, NINE_DIGITS, PSEUDONYM, Pupil
from nbanalytics.municipal.pseudonyms import FAULTS, Key, identities, new_key
from nbanalytics.readers.findings import Finding, fatal
from nbanalytics.readers.grid import Grid
from nbanalytics.readers.words import read_number

CUT_OFF = "the identity number is cut off"
#: With fewer numbers than this, all of them at most 1, nobody can tell 0.5 from 0.5 %.
_TELLING = 10
#: How far a total may be from its parts, which are rounded.
_ROUNDING = 0.11


@dataclass
class Reading:
    """A pupil's row while it is understood; ``fault`` says why it cannot be, ``unchecked`` that the digit is off."""

    pupil: Pupil
    sheet: int
    values: dict[str, float | None] = field(default_factory=dict)
    term: str = ""
    student: str = ""
    fault: str = ""
    unchecked: bool = False


def set_students(readings: list[Reading], key: Key | None) -> list[str]:
    """Make pseudonyms; the identity numbers go no further."""
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
            reading.fault = CUT_OFF
        elif fault:
            reading.fault = FAULTS[fault]
        else:
            reading.student = str(pseudonym)
        reading.pupil.identity = ""
    if kept:
        assumed.append(f"{kept:,} rows hold pseudonyms already, which are kept")
    if padded:
        assumed.append(f"{padded:,} identity numbers of nine digits begin with the 0 that Excel takes away")
    if found.short.any():
        assumed.append(f"{int(found.short.sum()):,} identity numbers of ten digits: the century is assumed")
    if key is None and kept < len(readings):
        assumed.append("no key was given: the pseudonyms are of this run only")
    return assumed


def set_values(
    readings: list[Reading], grids: list[Grid], said: ListMapping, file: str
) -> tuple[list[str], list[Finding]]:
    """Read the percentages; plain numbers are fractions only if mapping, cell format or all of them say so.

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
                reading.fault = reading.fault or f"{role}: not a number"
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
            remedy = 'Say percent = "0-100" (0.5 is half a per cent) or "0-1" (0.5 is 50 %) in the mapping.'
            faults.append(fatal(file, "all numbers are at most 1, and too few to tell what they mean", remedy))
    for reading, role, value, is_plain in cells:
        value = value * 100 if value is not None and is_plain and fractions else value
        if value is not None and not 0 <= value <= 100:
            reading.fault = reading.fault or f"{role}: not between 0 and 100 per cent"
        reading.values[role] = None if value is None else round(value, 6)
    told = [f"{formatted:,} cells are shown as per cent by Excel: 0.125 is 12.5 %"] if formatted else []
    told += ["numbers of at most 1 are fractions: 0.125 is 12.5 %"] if fractions and plain else []
    return told + _complete(readings), faults


def _complete(readings: list[Reading]) -> list[str]:
    """Find the part that a total tells; a pupil who was absent for more than the whole term is a fault."""
    derived = 0
    for values, reading in ((reading.values, reading) for reading in readings if not reading.fault):
        valid, invalid, total = (values.get(role) for role in MEASURES)
        if total is not None and (valid is None) != (invalid is None):
            rest = round(total - (invalid if valid is None else valid or 0.0), 6)  # type: ignore[operator]
            values["valid" if valid is None else "invalid"] = max(rest, 0.0)
            derived += 1
            if rest < -_ROUNDING:
                reading.fault = "the total is less than its part"
        elif valid is not None and invalid is not None:
            if valid + invalid > 100 + _ROUNDING:
                reading.fault = "valid and invalid absence are more than 100 per cent together"
            elif total is not None and abs(valid + invalid - total) > _ROUNDING:
                reading.fault = "the total is not the sum of valid and invalid absence"
    return [f"{derived:,} rows: the part that is not given is the total less the other"] if derived else []


def refuse_repeated(readings: list[Reading]) -> None:
    """Keep the first of rows that repeat each other, and none of rows that contradict each other."""
    by_pupil: dict[tuple[str, str], list[Reading]] = {}
    for reading in readings:
        if not reading.fault:
            by_pupil.setdefault((reading.student, reading.term), []).append(reading)
    for same in by_pupil.values():
        contradicts = any(reading.values != same[0].values for reading in same)
        for place, reading in enumerate(same):
            if contradicts:
                reading.fault = "the same pupil and term with other values in another row"
            elif place:
                reading.fault = "repeats the row of the same pupil and term"


def cell_of(pupil: Pupil, role: str) -> str:
    """Return what a pupil's row says in the column of a role, empty text where there is none."""
    place = pupil.columns.places.get(role, -1)
    return pupil.cells[place] if 0 <= place < len(pupil.cells) else ""
