"""What an outsider knows who has nothing but published folders: every cell, every sum, and the numbers shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from nbanalytics.disclosure.cells import CellSystem, Ids, Mask
from nbanalytics.disclosure.knowledge import Knowledge
from nbanalytics.errors import DisclosureError, ReleaseError
from nbanalytics.readers.csv_file import read_csv
from nbanalytics.readers.findings import UnreadableError
from nbanalytics.release.cube import Cube
from nbanalytics.release.links import Cubes
from nbanalytics.release.model import ALL, FILTERS, OK, SUPPRESSED, Release
from nbanalytics.students import ELIGIBLE, NOT_ELIGIBLE

#: The column of a frame of cells that holds their numbers.
CELL = "_cell"
UNPUBLISHED = "unpublished"
Frames = Mapping[tuple[str, str], pd.DataFrame]


@dataclass(frozen=True, eq=False)
class Published:
    """The attacker's system, and what its cells are.

    Attributes
    ----------
    knowledge : Knowledge
        Sums and published numbers; the cells of all releases, each counted once.
    frames : sequence of mapping
        For each release, by table and measure, the rows of its counts: dimensions, ``value, status, _cell``.
    releases : sequence of Release
    changed : tuple of str
        Cohorts of which two releases publish different numbers, so that their cells are not taken to be the same;
        ``*`` if that holds for all cohorts together.
    """

    knowledge: Knowledge
    frames: Sequence[Frames]
    releases: Sequence[Release]
    changed: tuple[str, ...]

    @property
    def hidden(self) -> NDArray[np.int64]:
        """Cells that a release suppresses and none shows."""
        cells = [frame.loc[frame["status"] == SUPPRESSED, CELL] for frames in self.frames for frame in frames.values()]
        every = np.unique(np.concatenate(cells)).astype(np.int64)
        return every[np.isnan(self.knowledge.values[every])]

    @property
    def not_looked_at(self) -> NDArray[np.int64]:
        """Cells that no table shows, and those that the public had known before the release, or could compute."""
        unpublished, before = [], []
        for release, frames in zip(self.releases, self.frames, strict=True):
            for (table, measure), frame in frames.items():
                unpublished.append(frame.loc[frame["status"] == UNPUBLISHED, CELL].to_numpy())
                before.append(frame.loc[_known_before(release, table, measure, frame), CELL].to_numpy())
        known = np.concatenate(before).astype(np.int64)
        if len(known):
            values = np.full(len(self.knowledge.values), np.nan)
            values[known] = self.knowledge.values[known]
            known = np.flatnonzero(Knowledge(self.knowledge.matrix, values).fixed)
        return np.union1d(np.concatenate(unpublished).astype(np.int64), known)

    def words(self, cell: int) -> str:
        """Return a cell's table and place in words; never a value."""
        for release, frames in zip(self.releases, self.frames, strict=True):
            for (table, measure), frame in frames.items():
                row = frame[frame[CELL] == cell]
                if len(row):
                    return place_words(release, table, measure, row.iloc[0])
        return f"cell {cell}"


def knowledge_of(releases: Sequence[Release]) -> Published:
    """Rebuild the attacker's system of sums from manifests and tables alone.

    A cell is the same in two releases if table, measure and place are the same, and the students are: the same
    cohort, or the same list of cohorts. Releases that publish different numbers of a cohort are of different
    records (a correction, somebody moved in), and their cells are kept apart.

    Parameters
    ----------
    releases : sequence of Release

    Returns
    -------
    Published

    Raises
    ------
    DisclosureError
        On use of its bounds, if the published numbers contradict the sums.
    ReleaseError
        If a manifest does not hold every sum.
    """
    for release in releases:
        if "unpublished" not in release.manifest:
            raise ReleaseError(
                f"The release of {release.manifest.get('created')} is of version {release.manifest.get('version')}, "
                "whose manifest does not hold every sum, so it cannot be attacked. Make it anew: 'nbanalytics release'."
            )
    frames = [dict(_frames(release)) for release in releases]
    changed = _changed(releases, frames)
    numbers = _number_cells(releases, frames, changed)
    values = np.full(numbers, np.nan)
    for held in frames:
        for frame in held.values():
            shown = frame["status"] == OK
            values[frame.loc[shown, CELL]] = frame.loc[shown, "value"]
    sums = [entry for release, held in zip(releases, frames, strict=True) for entry in _sums(release, held)]
    return Published(Knowledge(_matrix(sums, numbers), values), frames, releases, changed)


#: The answer of a board's page: eligible in the first and in the last term, lost and gained.
_ANSWER = (f"{ELIGIBLE}|{ALL}", f"{ALL}|{ELIGIBLE}", f"{ELIGIBLE}|{NOT_ELIGIBLE}", f"{NOT_ELIGIBLE}|{ELIGIBLE}")


def ranges_of(release: Release) -> dict[str, list[int]]:
    """Add up how small and how large the hidden counts of the answer can be, as anyone can who has the release.

    Parameters
    ----------
    release : Release

    Returns
    -------
    dict
        By place (values of the filters, ``start`` and ``end``, with ``|`` between them) the smallest and the largest
        number that agree with each sum of the release, taken one after the other until they say no more. Of hidden
        numbers of eligible, lost and gained students, where the number of all students of the selection is shown. They
        follow from what is published, so they tell nobody anything new: a page that gives them answers its question.
    """
    published = knowledge_of([release])
    frame = published.frames[0].get(("eligibility", "students"))
    if frame is None:
        return {}
    low, high = published.knowledge.intervals
    selection, ends = keys_of(frame, FILTERS), frame["start"] + "|" + frame["end"]
    sized = set(selection[(ends == f"{ALL}|{ALL}") & (frame["status"] == OK)])
    rows = frame[(frame["status"] == SUPPRESSED) & ends.isin(_ANSWER) & selection.isin(sized)]
    keys = keys_of(rows, [*FILTERS, "start", "end"]).str[1:]
    return {
        str(key): [int(low[cell]), int(high[cell])]
        for key, cell in zip(keys, rows[CELL], strict=True)
        if np.isfinite(high[cell])
    }


def place_words(release: Release, table: str, measure: str, row: Any) -> str:
    """Say in words which cell a row of a table is, as ``groups, students: cohort 2018, group Lost eligibility``."""
    entry = release.manifest["tables"].get(table, {})
    named = [name for name in (*FILTERS, *entry.get("dimensions", ())) if name in row and row[name] != ALL]
    place = ", ".join(f"{name} {release.label(name, row[name], 'en')}" for name in dict.fromkeys(named))
    return f"{table}, {measure}: {place or 'all students'}"


def _frames(release: Release) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    selections = []
    for name, entry in release.manifest["tables"].items():
        table = release.tables[name]
        selections.append(table[list(FILTERS)].drop_duplicates())
        for measure, what in entry["measures"].items():
            if what["kind"] == "count":
                yield (name, measure), table[table["measure"] == measure].reset_index(drop=True)
    every = pd.concat(selections).drop_duplicates()
    for name, dimensions in release.manifest["unpublished"].items():
        places = pd.DataFrame(list(product(*dimensions.values())), columns=list(dimensions))
        frame = every.merge(places, how="cross") if dimensions else every
        yield (name, "students"), frame.reset_index(drop=True).assign(value=np.nan, status=UNPUBLISHED)


def _known_before(release: Release, table: str, measure: str, frame: pd.DataFrame) -> pd.Series[bool]:
    """Mark the rows that the manifest says to be official statistics."""
    found = pd.Series(False, index=frame.index)
    for known in release.manifest.get("known", ()):
        if (known["table"], known["measure"]) == (table, measure):
            same = pd.Series(True, index=frame.index)
            for name in _dimensions(frame):
                same &= frame[name] == known["at"].get(name, ALL)
            found |= same
    return found


def keys_of(frame: pd.DataFrame, columns: Sequence[str]) -> pd.Series[str]:
    """Return a text for each row with its values in some columns."""
    key = pd.Series("", index=frame.index, dtype=object)
    for column in columns:
        key = key + "|" + frame[column].astype(object)
    return key


def cell_keys(release: Release, table: str, measure: str, frame: pd.DataFrame) -> pd.Series[str]:
    """Return one text for each row that is the same in two releases where they count the same students."""
    return f"{table}|{measure}" + keys_of(frame, _dimensions(frame)) + "|" + _students(release, frame)


def _dimensions(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame.columns if name not in ("measure", "value", "status", CELL, "_key")]


def _students(release: Release, frame: pd.DataFrame) -> pd.Series[str]:
    """Return the owner of each row's cell: a cohort, or a list of cohorts, by the definitions of the release."""
    source = release.manifest["source"]
    cohorts = ",".join(release.manifest["dimensions"]["cohort"]["values"])
    whose = frame["cohort"].where(frame["cohort"] != ALL, f"{ALL} of {cohorts}")
    return whose + f"|{source['start']}|{source['end']}|{source['newly_arrived']}"


def _changed(releases: Sequence[Release], frames: Sequence[Frames]) -> tuple[str, ...]:
    """Find the cohorts of which two releases publish different numbers of the same cell."""
    if len(releases) == 1:
        return ()
    shown = []
    for release, held in zip(releases, frames, strict=True):
        for (table, measure), frame in held.items():
            part = frame[frame["status"] == OK]
            key = cell_keys(release, table, measure, part)
            shown.append(pd.DataFrame({"key": key, "cohort": part["cohort"], "value": part["value"]}))
    every = pd.concat(shown)
    differing = every[every.groupby("key")["value"].transform("nunique") > 1]
    found = set(differing["cohort"])
    return tuple(sorted(found | {ALL} if found else found))


def _number_cells(releases: Sequence[Release], frames: Sequence[Frames], changed: Sequence[str]) -> int:
    """Give every row the number of its cell, the same in every release that holds it; return how many there are."""
    keys: list[pd.Series[str]] = []
    parts: list[pd.DataFrame] = []
    for number, (release, held) in enumerate(zip(releases, frames, strict=True)):
        for (table, measure), frame in held.items():
            key = cell_keys(release, table, measure, frame)
            keys.append(key.where(~frame["cohort"].isin(changed), key + f"|{number}"))
            parts.append(frame)
    codes, every = pd.factorize(pd.concat(keys))
    start = 0
    for frame in parts:
        frame[CELL] = codes[start : start + len(frame)]
        start += len(frame)
    return len(every)


Sums = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _sums(release: Release, frames: Frames) -> Iterator[Sums]:
    """List the sums of a release: the cells of the totals; for each part, the number of its sum and its cell."""
    for (table, measure), frame in frames.items():
        entry = release.manifest["tables"].get(table)
        over = entry["measures"][measure]["sums_over"] if entry else FILTERS
        for dimension in over:
            yield margins_of(frame, dimension)
    selections: dict[tuple[str, str], pd.Series[str]] = {}  # of each table once: hundreds of links ask for them
    for link in release.manifest["links"]:
        yield sum_of_link(frames, link, selections)


def margins_of(frame: pd.DataFrame, dimension: str) -> Sums:
    """Return the sums over a dimension of a frame."""
    others = [name for name in _dimensions(frame) if name != dimension]
    whole = frame[dimension] == ALL
    key = keys_of(frame, others)
    totals = pd.Series(frame[CELL][whole].to_numpy(), index=key[whole])
    rows = totals.index.get_indexer(pd.Index(key[~whole]))
    return _numbered(totals.to_numpy(), rows, frame[CELL][~whole].to_numpy())


def sum_of_link(
    frames: Frames, link: Mapping[str, Any], selections: dict[tuple[str, str], pd.Series[str]] | None = None
) -> Sums:
    """Return the sums of a link, one for each selection that every table of it holds."""
    kept = {} if selections is None else selections
    total = _term(frames, link["total"], kept)
    parts = [_term(frames, part, kept) for part in link["parts"]]
    there = total.index
    for part in parts:
        there = there.intersection(part.index)
    rows = np.tile(np.arange(len(there)), len(parts))
    return _numbered(total[there].to_numpy(), rows, np.concatenate([part[there].to_numpy() for part in parts]))


def _term(frames: Frames, term: Sequence[Any], selections: dict[tuple[str, str], pd.Series[str]]) -> pd.Series[int]:
    """Cells of a term of a link, by selection of the filters."""
    table, measure, at = term
    frame = frames[table, measure]
    if (table, measure) not in selections:
        selections[table, measure] = keys_of(frame, FILTERS)
    kept = np.ones(len(frame), dtype=bool)
    for name, value in at.items():
        kept &= (frame[name] == value).to_numpy()
    return pd.Series(frame[CELL].to_numpy()[kept], index=pd.Index(selections[table, measure].to_numpy()[kept]))


def _numbered(totals: NDArray[Any], rows: NDArray[Any], cells: NDArray[Any]) -> Sums:
    """Keep the sums that have parts, and number them anew."""
    used, numbers = np.unique(rows[rows >= 0], return_inverse=True)
    return totals[used], numbers, cells[rows >= 0]


def _matrix(sums: Sequence[Sums], cells: int) -> sparse.csr_array:
    """Put the sums together, each once."""
    starts = np.cumsum([0, *(len(totals) for totals, _, _ in sums)])
    rows = [np.concatenate([start + np.arange(len(totals)), start + numbers])
            for start, (totals, numbers, _) in zip(starts, sums, strict=False)]  # fmt: skip
    columns = [np.concatenate([totals, parts]) for totals, _, parts in sums]
    signs = [np.concatenate([np.ones(len(totals)), -np.ones(len(parts))]) for totals, _, parts in sums]
    entries = (np.concatenate(signs), (np.concatenate(rows), np.concatenate(columns)))
    matrix = sparse.csr_array(sparse.coo_array(entries, shape=(int(starts[-1]), cells)))
    matrix.sort_indices()
    return matrix[_first_of_each(matrix)]


def _first_of_each(matrix: sparse.csr_array) -> NDArray[np.int64]:
    seen: dict[bytes, int] = {}
    for row in range(matrix.shape[0]):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        seen.setdefault(matrix.indices[part].tobytes() + matrix.data[part].tobytes(), row)
    return np.fromiter(seen.values(), dtype=np.int64)


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
        If the file is missing, lacks a column, or has a value that is not a count.

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
            f"{path.name}: {int(wrong.sum())} values are not whole numbers (first in row {raw.rows[wrong.argmax()]}). "
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
                f"Row {number} of the known cells is not a count that the release declares. Check table, measure and "
                "dimensions against the declaration, or leave the row out."
            )
        differing += int(cube.counts[index] != row["value"])
        found.append(int(cube.ids[index]))
    if differing:
        raise DisclosureError(
            f"{differing} of {len(known)} known cells differ from the records, so they count other students. Leave "
            "out the rows with another definition, or correct the records."
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
