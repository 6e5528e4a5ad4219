"""Cells that the public knows already, from official statistics: they stay visible, and the attacker has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure.cells import CellSystem, Ids, Mask
from nbanalytics.disclosure.knowledge import Knowledge
from nbanalytics.errors import DisclosureError
from nbanalytics.readers.csv_file import read_csv
from nbanalytics.readers.raw import UnreadableError
from nbanalytics.release.cube import Cube
from nbanalytics.release.links import Cubes
from nbanalytics.release.model import ALL, FILTERS

#: Columns of the file beside the dimensions.
_FIXED = ("table", "measure", "value")


def read_known(path: str | Path) -> pd.DataFrame:
    r"""Read a CSV of cells that are public already, in whatever encoding and with whatever delimiter it was saved.

    Parameters
    ----------
    path : path
        Columns ``table, measure, value`` and a column for each dimension that a row is about; what is empty or left
        out is ``*``, all.

    Returns
    -------
    pandas.DataFrame
        All text but ``value``.

    Raises
    ------
    DisclosureError
        If the file is missing, lacks a column, or has a value that is no count.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "known.csv"
    >>> _ = file.write_text("table;measure;school;value\ngroups;students;Söderskolan;40\n", encoding="cp1252")
    >>> read_known(file)
        table   measure       school  value
    0  groups  students  Söderskolan     40
    """
    path = Path(path)
    try:
        raw = read_csv(path, (*_FIXED, *FILTERS))
    except OSError as error:
        raise DisclosureError(f"{path.name} cannot be read ({error.strerror}). Check the path.") from None
    except UnreadableError as error:
        raise DisclosureError(f"{path.name} cannot be read as a CSV of known cells: {error}") from None
    if raw.broken:
        raise DisclosureError(f"{path.name}: {raw.broken[0].sentence()}")
    cells = pd.DataFrame({name: column.to_pylist() for name, column in zip(raw.header, raw.columns, strict=True)})
    rows: pd.DataFrame = cells.astype("str").apply(lambda column: column.str.strip())
    lacking = [name for name in _FIXED if name not in rows]
    if lacking:
        raise DisclosureError(
            f"{path.name} lacks the column {lacking[0]}. It needs {', '.join(_FIXED)} and dimensions."
        )
    wrong = ~rows["value"].str.fullmatch("[0-9]{1,9}")
    if wrong.any():
        raise DisclosureError(
            f"{path.name}: {int(wrong.sum())} values are no whole numbers (first in row {raw.rows[wrong.argmax()]}). "
            "Only counts can be given as known."
        )
    return rows.assign(value=rows["value"].astype(int))


def known_cells(known: pd.DataFrame, cubes: Cubes) -> Ids:
    """Return the numbers of known cells.

    Raises
    ------
    DisclosureError
        If a row names no cell of the release, or a value is not that of the records.
    """
    found = []
    differing = 0
    for number, row in enumerate(_rows(known), 2):
        cube = cubes.get((row["table"], row["measure"]))
        index = None if cube is None or not cube.published else _index(cube, row["at"])
        if cube is None or index is None or cube.ids[index] < 0:
            raise DisclosureError(
                f"Row {number} of the known cells is no count that the release declares. Check table, measure and "
                "dimensions against the declaration, or leave the row out."
            )
        differing += int(cube.counts[index] != row["value"])
        found.append(int(cube.ids[index]))
    if differing:
        raise DisclosureError(
            f"{differing} of {len(known)} known cells differ from the records, so they count other students. Leave out "
            "the rows that are defined otherwise, or mend the records."
        )
    return np.array(found, dtype=np.int64)


def known_mask(system: CellSystem, cells: Ids) -> Mask:
    """Mark known cells, and those that are the same number by another name, or else follow from them alone."""
    values = np.full(len(system.values), np.nan)
    values[cells] = system.values[cells]
    return Knowledge(system.matrix, values).fixed & ~system.virtual


def known_entries(known: pd.DataFrame) -> list[dict[str, Any]]:
    """Return known cells as the manifest holds them; their values are in the tables."""
    return [{name: row[name] for name in ("table", "measure", "at")} for row in _rows(known)]


def _rows(known: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for row in known.to_dict("records"):
        at = {str(name): value for name, value in row.items() if name not in _FIXED and value not in ("", ALL)}
        rows.append({**{name: row[name] for name in _FIXED}, "at": at})
    return rows


def _index(cube: Cube, place: dict[str, str]) -> tuple[int, ...] | None:
    if set(place) - {column for axis in cube.axes for column in axis.columns}:
        return None
    index = []
    for axis in cube.axes:
        values = tuple(place.get(column, ALL) for column in axis.columns)
        if values not in axis.places:
            return None
        index.append(axis.place(*values))
    return tuple(index)
