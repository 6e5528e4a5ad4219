"""The header of an export of official statistics: one row or two, names that change between years, groups within."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from nbanalytics.municipal.absence_mapping import joined
from nbanalytics.readers.grid import Cells, compared
from nbanalytics.toml_files import packaged_toml

_YEAR = re.compile(r"(?<!\d)((?:19|20)\d{2})\s?[/–-]\s?((?:19|20)?\d{2})(?![\d-])")
_CALENDAR_YEAR = re.compile(r"\bår(?:et)?\b\D{0,12}((?:19|20)\d{2})(?![\d/-])", re.IGNORECASE)
_FOOTNOTE = re.compile(r"(?:\s+\d\)|\s*\*+|\s*[¹²³])\s*$")


@dataclass(frozen=True)
class Measure:
    """A column of numbers: which measure, of which group and year, and its name if it is not a known one."""

    place: int
    measure: str
    group: str
    year: str
    unknown: str = ""


@dataclass
class Header:
    """Where keys and measures stand."""

    keys: dict[str, int] = field(default_factory=dict)
    measures: list[Measure] = field(default_factory=list)
    ignored: list[int] = field(default_factory=list)
    names: Cells = field(default_factory=list)

    @property
    def n_known(self) -> int:
        """How many columns are known by name."""
        return len(self.keys) + len(self.ignored) + sum(not measure.unknown for measure in self.measures)


@cache
def words(section: str) -> dict[str, str]:
    """Return what each word of a section of ``skolverket_columns.toml`` means, by the word as it is compared."""
    data = packaged_toml("nbanalytics.municipal", "skolverket_columns.toml")
    comparing = str if section == "signs" else compared
    return {comparing(word): meaning for meaning, names in data[section].items() for word in names}


def known_names(row: Sequence[str]) -> int:
    """Count the cells of a row that are known names of columns."""
    return sum(_is_key(cell) or _measure_of(cell)[0] != "" for cell in row if cell)


def understand(names: Cells) -> Header | None:
    """Understand names of columns; None if they are no header: that has a place and a measure, or two places.

    A name that no column is known by is a measure as long as a place and at least one more name are known.

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
        # Measures above, groups below; the names of the places stand in either row.
        both = understand(joined(row, below)) if _is_above(row, below) else None
        if both is not None:
            return both, 2
    if any(re.fullmatch(r"[\d\s.,~]+", cell) for cell in row):
        return None
    alone = understand(row)
    return (alone, 1) if alone is not None else None


def year_of(text: str) -> str:
    """Return the school year or calendar year that a text tells.

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
