"""Which column of an absence list is which: by a small TOML file, or else by the names that school systems use."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from nbanalytics.errors import DataError
from nbanalytics.readers.findings import suggestion
from nbanalytics.readers.grid import Cells, compared
from nbanalytics.toml_files import packaged_toml

#: What a column can be; ``name`` is known only to be left out.
ROLES = ("student", "class", "valid", "invalid", "total", "term")
MEASURES = ("valid", "invalid", "total")
PERCENTS = ("0-100", "0-1")
_FILE_KEYS = ("sheet", "header_row", "term", "term_column", "percent")


@dataclass(frozen=True)
class ListMapping:
    """What a mapping says of an absence list; empty where it says nothing.

    Attributes
    ----------
    columns : dict
        Name, or number from 1, of the column of each role.
    sheet : str
        The one sheet to read.
    header_row : int
        Number of the row with the column names, 0 where it is to be found.
    term : str
        The term of the whole file.
    percent : str
        ``"0-100"`` or ``"0-1"``: what plain numbers are.
    """

    columns: dict[str, str | int] = field(default_factory=dict)
    sheet: str = ""
    header_row: int = 0
    term: str = ""
    percent: str = ""

    @property
    def by_number(self) -> bool:
        """Whether no column is told by its name, so that no header is needed."""
        return bool(self.columns) and all(isinstance(column, int) for column in self.columns.values())


def read_mapping(path: str | Path) -> ListMapping:
    """Read a mapping from a TOML file.

    Raises
    ------
    DataError
        If it cannot be read, or a key or value in it means nothing.
    """
    target = Path(path)
    try:
        data = tomllib.loads(target.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{target.name} cannot be read ({error.strerror}). Check the path.") from None
    except UnicodeDecodeError:
        raise DataError(f"{target.name} is not UTF-8. Save it so.") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line \d+", str(error))
        raise DataError(f"{target.name} is not TOML{f' ({place.group()})' if place else ''}. Mend that line.") from None
    return parse_mapping(data, target.name)


def parse_mapping(data: Mapping[str, Any], where: str = "the mapping") -> ListMapping:
    """Build a mapping from parsed TOML; see :func:`read_mapping`.

    Examples
    --------
    >>> parse_mapping({"columns": {"student": "Pnr", "valid": 4}, "file": {"term": "7HT"}}).columns
    {'student': 'Pnr', 'valid': 4}
    """
    columns, file = _section(data, "columns", ROLES, where), _section(data, "file", _FILE_KEYS, where)
    strange = [name for name in data if name not in ("columns", "file")]
    if strange:
        raise DataError(f"{where}: there are the sections [columns] and [file] only. Take out the others.")
    for role, column in columns.items():
        fits = column.strip() != "" if isinstance(column, str) else isinstance(column, int) and column >= 1
        if not fits or isinstance(column, bool):
            raise DataError(f"{where}: {role} in [columns] is no name or number of a column. Mend it.")
    if "term_column" in file:
        columns = {**columns, "term": file["term_column"]}
    if columns and ("student" not in columns or not set(MEASURES) & set(columns)):
        raise DataError(f"{where}: [columns] has to name student, and one of valid, invalid and total. Add them.")
    header_row, percent = file.get("header_row", 0), file.get("percent", "")
    if not isinstance(header_row, int) or isinstance(header_row, bool) or header_row < 0:
        raise DataError(f"{where}: header_row is no row number. Write the number that Excel shows.")
    if percent not in ("", *PERCENTS):
        raise DataError(f'{where}: percent is either "0-100" or "0-1". Write one of them.')
    return ListMapping(columns, str(file.get("sheet", "")), header_row, str(file.get("term", "")), percent)


def _section(data: Mapping[str, Any], name: str, known: Sequence[str], where: str) -> dict[str, Any]:
    section = data.get(name, {})
    if not isinstance(section, dict):
        raise DataError(f"{where}: {name} is no section. Write [{name}] on a line of its own.")
    strange = [key for key in section if key not in known]
    if strange:
        near = suggestion(strange[0], known)
        meant = f"Did you mean {near!r}?" if near else f"Known: {', '.join(known)}."
        raise DataError(f"{where}: a key in [{name}] means nothing here. {meant}")
    return dict(section)


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
    """Return the role of each known name of a column, by the name as it is compared."""
    return {plain(name): role for role, names in _words()["columns"].items() for name in names}


def plain(header: str) -> str:
    """Return the name of a column as it is compared: "Giltig frånvaro (%)" is "Giltig frånvaro".

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
    """Where the columns stand, how they are named, and which role two columns claim."""

    places: dict[str, int]
    names: dict[str, str]
    twice: str = ""


def find_columns(row: Cells, mapping: ListMapping) -> Columns | None:
    """Understand a row as a header; None if it is none."""
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
    return Columns(places, {role: row[place] for role, place in places.items() if place < len(row)}, twice)


def joined(top: Cells, below: Cells) -> Cells:
    """Join a header of two rows: what stands above several columns counts for each of them."""
    names, above = [], ""
    for position in range(max(len(top), len(below))):
        upper = top[position] if position < len(top) else ""
        lower = below[position] if position < len(below) else ""
        above = upper or (above if lower else "")
        names.append(f"{above} {lower}".strip())
    return names
