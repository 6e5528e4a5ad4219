"""Witnesses: possible tables from which anybody can see, by adding up alone, that the hidden counts are open.

The attack on a release looks for tables of whole numbers that agree with all that is published and have the hidden
counts elsewhere. It knows only what is published, so that its tables say nothing that anybody could not compute who has
the release: releases of different students with the same published numbers have the same witnesses. (The witnesses of
the engine are another thing: they start from the true table, and are kept from everybody.)

The file ``witnesses.csv`` has a row for each ``witness``, ``cell`` and ``count``. Witness 0 is a whole table: it has
every count that is not published. Each other one has the counts that differ from witness 0. Cells are
numbered from 0: the counts of the manifest's ``tables``, measure by measure and row by row; then the ``unpublished``
tables.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from nbanalytics.disclosure.attack import bounds
from nbanalytics.disclosure.cells import Ids, Values
from nbanalytics.disclosure.knowledge import Knowledge
from nbanalytics.disclosure.possible import Possible
from nbanalytics.disclosure.propagation import TOLERANCE
from nbanalytics.errors import ReleaseError
from nbanalytics.release.files import AGAIN, WITNESSES, signed
from nbanalytics.release.knowledge import CELL, Published, knowledge_of
from nbanalytics.release.model import ALL, FILTERS, SUPPRESSED, Release
from nbanalytics.results import Shown

_COLUMNS = ["witness", "cell", "count"]
#: Hidden counts without a witness that are named; the others are counted.
_NAMED = 20


@dataclass(frozen=True, repr=False)
class Replay(Shown):
    """What the witnesses of a release show.

    Attributes
    ----------
    table : pandas.DataFrame
        What is wrong: ``where`` (a witness, or a table and selection in words) and ``says``.
    settings : mapping
        ``release`` (title and date), ``min_cell``.
    counts : mapping
        ``witnesses``, ``hidden`` counts, ``open`` (those that a witness has at 0, or at ``min_cell`` or more).
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    counts: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether every witness is a possible table and every hidden count is shown to be open."""
        return self.table.empty

    def _words(self) -> str:
        counts = self.counts
        return (
            f"{self.settings['release']}: {counts['witnesses']} witnesses, replayed without a solver; "
            f"{counts['open']} of {counts['hidden']} hidden counts are shown to be open"
        )

    def text(self) -> str:
        """Return what is wrong, one line each, and the summary."""
        return "\n".join([*(f"{row.where}: {row.says}" for row in self.table.itertuples()), self._words()])


def with_witnesses(release: Release, tables: Possible) -> Release:
    """Put the tables that an attack on a release found into it, as its witnesses, and what order is known from it.

    Parameters
    ----------
    release : Release
    tables : Possible
        As :func:`nbanalytics.release.verify.verify` found them from this release alone.

    Returns
    -------
    Release
        With the file of witnesses, and its checksum and :func:`largest_known` in the manifest.
    """
    base, unknown = tables.base, tables.unknown
    entries = [(unknown, base[unknown]), *((cells, base[cells] + by) for cells, by in tables.changes)]
    rows = [np.column_stack([np.full(len(cells), number), cells, counts])
            for number, (cells, counts) in enumerate(entries)]  # fmt: skip
    every = pd.DataFrame(np.concatenate(rows).round().astype(np.int64), columns=_COLUMNS)
    raw = every.to_csv(index=False, lineterminator="\n").encode("utf-8")
    return signed({**release.manifest, "largest": largest_known(release, tables)}, release.tables, raw)


#: Where pages name the largest of some counts: the table, the measure, and where the counts stand.
_NAMED_LARGEST: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("droppoints", "lost", {}),
    ("lost_subjects", "students", {"term": ALL}),
)


def largest_known(release: Release, tables: Possible) -> dict[str, list[list[str]]]:
    """Find the selections in which the largest count shown is the largest of all, although others are hidden.

    Parameters
    ----------
    release : Release
    tables : Possible
        Tables that agree with it, and how many of them; what they deny is not asked of the solver.

    Returns
    -------
    dict
        By table (``droppoints``: losses by term; ``lost_subjects``: subjects, all terms together) selections: a value
        for each filter. In every table of numbers that agrees with the release each hidden count of the selection
        is smaller than the largest shown one. The bounds are those of linear programs, over fractions of
        students, too, so that nothing is listed that is not so.
    """
    published = knowledge_of([release])
    knowledge = published.knowledge
    low, high = knowledge.intervals
    seen = np.fmax(tables.base, _most_seen(tables))
    lines = []
    for table, measure, at in _NAMED_LARGEST:
        frame = published.frames[0].get((table, measure))
        for view, rows in () if frame is None else _views(frame, at):
            cells, most = rows[CELL].to_numpy(), rows["value"].max()
            rivals = cells[(rows["status"] == SUPPRESSED) & (high[cells] >= most)]
            closed = (rows["status"] == SUPPRESSED).any()
            if closed and most > 0 and not (seen[rivals] >= most).any():
                lines.append((table, view, rivals, most))
    rivals = np.concatenate([np.empty(0, dtype=np.int64), *(rivals for _, _, rivals, _ in lines)])
    fractions = Knowledge(knowledge.matrix, knowledge.values, np.zeros(len(low), dtype=bool), low, high)
    most = np.concatenate([np.empty(0), *(np.full(len(rivals), most) for _, _, rivals, most in lines)])
    found = bounds(fractions, rivals, enough=(np.full(len(rivals), np.inf), most))
    beaten = found.high < most - TOLERANCE
    listed: dict[str, list[list[str]]] = {table: [] for table, _, _ in _NAMED_LARGEST if table in release.tables}
    start = 0
    for table, view, own, _ in lines:
        if beaten[start : start + len(own)].all():
            listed[table].append(list(view))
        start += len(own)
    return listed


def _most_seen(tables: Possible) -> Values:
    """Return the largest that each cell is in any table found; ``nan`` where none differs from the first."""
    most: Values = np.full(len(tables.base), np.nan)
    for cells, change in tables.changes:
        most[cells] = np.fmax(most[cells], tables.base[cells] + change)
    return most


def _views(frame: pd.DataFrame, at: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """Return the rows of a measure at a place, for each selection of the filters."""
    for name, value in at.items():
        frame = frame[frame[name] == value]
    for view, rows in frame.groupby(list(FILTERS), sort=False):
        yield tuple(map(str, view)), rows


def replay(release: Release) -> Replay:
    """Check the witnesses of a release by arithmetic alone: no solver, nothing taken on trust.

    Parameters
    ----------
    release : Release

    Returns
    -------
    Replay
        Every witness has whole numbers, none negative, all sums of the manifest and all published counts. Every hidden
        count is open: a witness has it at 0, or at the policy's ``min_cell`` or more, so that it could be one that
        nothing has to hide. A count of which the sums alone say so is 0, or is that large, in every witness.

    Raises
    ------
    ReleaseError
        If the release has no witnesses, or the file cannot be read, or is of another release.
    """
    published = knowledge_of([release])
    hidden, enough = published.hidden, int(release.manifest["policy"]["min_cell"])
    rows = _rows(release, published)
    number, cells, counts = (rows[name].to_numpy() for name in _COLUMNS)
    first = number == 0
    base = published.knowledge.values.copy()
    base[cells[first]] = counts[first]
    changes = sparse.csr_array((counts - base[cells], (number, cells)), shape=(number.max(initial=0) + 1, len(base)))
    faults = dict(_faults(published.knowledge.matrix, base, changes))
    for witness in np.unique(number[counts < 0]):
        faults[int(witness)] = "it has a negative count"
    good = ~np.isin(number, list(faults)) if 0 not in faults else np.zeros(len(number), dtype=bool)
    shows = cells[good & ((counts <= 0) | (counts >= enough))]
    closed = np.setdiff1d(hidden, shows)
    wrong = [(f"witness {witness}", says) for witness, says in sorted(faults.items())]
    wrong += _without_witness(published, closed, enough)
    return Replay(
        pd.DataFrame(wrong, columns=["where", "says"], dtype="str"),
        {"release": f"{release.manifest['title']}, {release.manifest['created']}", "min_cell": enough},
        {"witnesses": changes.shape[0], "hidden": len(hidden), "open": len(hidden) - len(closed)},
    )


def _faults(matrix: sparse.csr_array, base: Values, changes: sparse.csr_array) -> Iterator[tuple[int, str]]:
    """Find the witnesses whose sums do not hold."""
    off = matrix @ base
    if (np.abs(off) > TOLERANCE).any():
        yield 0, f"{int((np.abs(off) > TOLERANCE).sum())} sums do not hold"
        return
    moved = sparse.coo_array(matrix @ changes.T)
    sums: NDArray[np.int64] = np.bincount(moved.col[np.abs(moved.data) > TOLERANCE], minlength=changes.shape[0])
    for witness in np.flatnonzero(sums):
        yield int(witness), f"{sums[witness]} sums do not hold"


def _without_witness(published: Published, closed: Ids, enough: int) -> Iterator[tuple[str, str]]:
    for cell in closed[:_NAMED]:
        yield published.words(int(cell)), f"no witness has it at 0, or at {enough} or more"
    if len(closed) > _NAMED:
        yield f"{len(closed) - _NAMED} more hidden counts", f"no witness has them at 0, or at {enough} or more"


def _rows(release: Release, published: Published) -> pd.DataFrame:
    """Read the file of witnesses; refuse one that does not fit the release."""
    named = f"the release of {release.manifest['created']}"
    if release.witnesses is None:
        raise ReleaseError(
            f"There is no {WITNESSES} in {named}, so nothing can be replayed. Attack it with 'nbanalytics verify', or "
            "make it anew with 'nbanalytics release'."
        )
    rows = _whole_numbers(release.witnesses)
    if rows is None:
        raise ReleaseError(
            f"{WITNESSES} in {named} has not the columns {', '.join(_COLUMNS)}, or not whole numbers in them, line by "
            f"line. {AGAIN}"
        )
    open_cells = np.flatnonzero(np.isnan(published.knowledge.values))
    whole = np.array_equal(np.sort(rows.loc[rows["witness"] == 0, "cell"]), open_cells)
    numbers = np.unique(rows["witness"])
    if (
        not whole
        or not rows["cell"].isin(open_cells).all()
        or rows.duplicated(["witness", "cell"]).any()
        or not np.array_equal(numbers, np.arange(len(numbers)))
    ):
        raise ReleaseError(
            f"{WITNESSES} is not of {named}: witness 0 must have each unpublished count once, and no other cell. "
            f"{AGAIN}"
        )
    return rows


def _whole_numbers(raw: bytes) -> pd.DataFrame | None:
    try:
        text = pd.read_csv(io.BytesIO(raw), dtype=str, keep_default_na=False)
    except ValueError:
        return None
    if list(text.columns) != _COLUMNS:
        return None
    whole = [text[name].str.fullmatch(r"-?\d{1,9}", na=False).all() for name in _COLUMNS]
    return text.astype(np.int64) if all(whole) else None
