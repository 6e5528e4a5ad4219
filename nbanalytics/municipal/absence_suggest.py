"""A first draft of the mapping of an absence list, made from the list."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from nbanalytics.municipal.absence_mapping import (
    MEASURES,
    ROLES,
    ListMapping,
    Sorted,
    find_columns,
    is_identity,
    joined,
    known_cells,
    known_columns,
    plain,
    short_columns,
    sort_rows,
    year_of,
)
from nbanalytics.readers.findings import SHOWN, suggestion
from nbanalytics.readers.grid import Cells, Grid, cell_at, compared, may_name, read_grids
from nbanalytics.readers.words import read_number

_MEANS = {
    "student": "identity number",
    "class": "class, which gives the year",
    "valid": "valid absence",
    "invalid": "invalid absence",
    "total": "valid and invalid together",
    "term": "term",
}
#: Parts of column names of absence lists that are not parts of personal names.
_TELLING = ("frånv", "närv", "giltig", "pers", "procent", "%", "klass", "termin", "elev", "lektion", "tid", "nummer")


def suggest_mapping(path: str | Path) -> str:
    r"""Draft the TOML mapping of an absence list, with comments on what was found and what was not.

    A column whose name might be a pupil's is given by its number. The draft is to be reviewed and saved beside the
    list, with its name and the ending ``.toml``.

    Raises
    ------
    DataError
        If the file cannot be read at all.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "list.csv"
    >>> _ = file.write_text("Personnummer;Klass;Giltig\n20040101-1236;7A;12\n", encoding="utf-8")
    >>> print(suggest_mapping(file))  # doctest: +ELLIPSIS
    # The columns of the absence list list.csv, as far as they could be recognised. Review it.
    ...
    """
    path = Path(path)
    grids = [grid for grid in read_grids(path, known_cells) if grid.filled_rows()]
    grid, rows = _best(grids)
    lines = [f"# The columns of the absence list {path.name}, as far as they could be recognised. Review it."]
    lines += [f"# Save it as {path.stem}.toml beside the list.", "", "[columns]"]
    header, places = _places(grid, rows)
    short = _short_places(grid, header) if not {*MEASURES} & {*places} else {}
    places |= short
    if short:
        lines.append("# Abbreviated: check that the columns of absence mean what is written beside them.")
    columns = {role: _column(header, place) for role, place in places.items()}
    known = rows.columns is not None
    rows = sort_rows(grid, ListMapping(columns)) if "student" in columns else rows
    for role in ROLES[:-1]:
        if role in places:
            lines.append(f"{role} = {json.dumps(columns[role], ensure_ascii=False)}  # {_MEANS[role]}")
        else:
            lines.append(f'# {role} = ""  # {_MEANS[role]}: not found')
    lines += [line for place in range(_width(grid)) if (line := _stranger(grid, header, place, places))]
    lines += ["", "[file]", *_file_lines(grid, rows, [] if known else header, columns, len(grids))]
    return "\n".join(lines) + "\n"


def _best(grids: list[Grid]) -> tuple[Grid, Sorted]:
    """Return the sheet with most pupils, or else with most identity numbers."""
    both = [(grid, sort_rows(grid, ListMapping())) for grid in grids]
    return max(both, key=lambda pair: (len(pair[1].pupils), sum(_identities(pair[0]).values())))


def _width(grid: Grid) -> int:
    return min(max((len(row) for row in grid.rows), default=0), 200)


def _identities(grid: Grid) -> Counter[int]:
    return Counter(place for row in grid.rows for place, cell in enumerate(row) if is_identity(cell))


def _places(grid: Grid, rows: Sorted) -> tuple[Cells, dict[str, int]]:
    """Return the header and the column of each role: by known names, or else by the cells' content."""
    if rows.columns is not None:
        return _header_row(grid), rows.columns.places
    numbers = _identities(grid).most_common(1)
    first = next((i for i, row in enumerate(grid.rows) if any(is_identity(cell) for cell in row)), None)
    header = next((grid.rows[i] for i in range((first or 0) - 1, -1, -1) if any(grid.rows[i])), [])
    places = {"student": numbers[0][0]} if numbers else {}
    for place, name in enumerate(header):
        near = suggestion(plain(name), known_columns(), SHOWN) if name else ""
        role = known_columns().get(near, "")
        if role not in ("", "name", *places) and place not in places.values():
            places[role] = place
    return header, places


def _short_places(grid: Grid, header: Cells) -> dict[str, int]:
    """Return the columns of absence by abbreviated names: only shares, and F as the total if it and N are the whole."""
    found = {short_columns().get(plain(name), ""): place for place, name in enumerate(header) if "%" in name}
    if {"present", "invalid"} <= {*found}:
        both = [[read_number(cell_at(row, found[role])) for role in ("present", "invalid")] for row in grid.rows]
        sums = [present + absent for present, absent in both if present is not None and absent is not None]
        if sums and all(abs(whole - 100) < 0.2 for whole in sums) and found.keys() & {"valid"}:
            found["total"] = found.pop("invalid")
    return {role: place for role, place in found.items() if role in MEASURES}


def _header_row(grid: Grid) -> Cells:
    for place, row in enumerate(grid.rows):
        below = grid.rows[place + 1] if place + 1 < len(grid.rows) else []
        found = [name for name in (row, joined(row, below)) if find_columns(name, ListMapping()) is not None]
        if found:
            return max(found, key=known_cells)
    return []


def _column(header: Cells, place: int) -> str | int:
    name = cell_at(header, place)
    once = sum(compared(cell) == compared(name) for cell in header) == 1
    return name if once and _is_column_name(name) else place + 1


def _is_column_name(name: str) -> bool:
    known = plain(name) in known_columns() or plain(name) in short_columns()
    return may_name(name) and (known or any(part in name.casefold() for part in _TELLING))


def _stranger(grid: Grid, header: Cells, place: int, places: dict[str, int]) -> str:
    """Describe a column without a role, without showing its content."""
    name = cell_at(header, place)
    cells = [row[place] for row in grid.rows if place < len(row) and row[place] and row != header]
    if place in places.values() or known_columns().get(plain(name)) == "name" or not cells:
        return ""
    identities, numbers = (
        sum(map(is_identity, cells)),
        sum(read_number(cell.replace(" ", "")) is not None for cell in cells),
    )
    classes = sum(year_of(cell) is not None and len(cell) <= 4 and not cell.isdigit() for cell in cells)
    kind = "identity numbers" if identities * 2 > len(cells) else "numbers" if numbers * 2 > len(cells) else "text"
    kind = "classes" if classes * 2 > len(cells) else kind
    shown = f" {json.dumps(name, ensure_ascii=False)}" if name and _is_column_name(name) else ""
    return f"# column {place + 1}{shown}: {len(cells):,} cells, mostly {kind}; not used"


def _file_lines(grid: Grid, rows: Sorted, header: Cells, columns: dict[str, str | int], n_sheets: int) -> list[str]:
    lines = []
    if n_sheets > 1:
        lines.append(f"# {n_sheets} sheets have content, and all are read; to read one alone: sheet = its name")
    if header:
        position = next(i for i, row in enumerate(grid.rows) if row is header)
        lines.append(f"header_row = {grid.number(position)}")
    periods = {pupil.period for pupil in rows.pupils}
    years = {year_of(pupil.school_class) for pupil in rows.pupils}
    if "term" in columns:
        lines.append(f"term_column = {json.dumps(columns['term'], ensure_ascii=False)}")
    elif periods and "" not in periods and None not in years:
        lines.append(f"# the period in the list says {', '.join(sorted(periods))}, and the classes give the year")
        lines.append('# term = "7HT"  # needed only if that is wrong')
    else:
        lines.append('# term = "7HT"  # NEEDED, without the first #: the list does not give its term')
    lines.append('# percent = "0-100"  # or "0-1" if 0.125 means 12.5 %; needed only where the list does not show it')
    return lines
