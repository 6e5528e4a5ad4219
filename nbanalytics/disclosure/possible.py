"""Tables that agree with all that is published, found without the records: they show hidden counts to be open."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from scipy import sparse

from nbanalytics.disclosure.cells import Ids, Mask, Values
from nbanalytics.disclosure.knowledge import Knowledge, Part, parts_of
from nbanalytics.disclosure.linear import solve
from nbanalytics.disclosure.moves import Block
from nbanalytics.disclosure.search import Goals, Search


class Possible:
    """Possible tables, as they are found: one of all cells, and how further ones differ from it.

    A cell is shown to be open by a table that has it at or below ``low``, or at or above ``high``. If no table at all
    has it between, any table shows it. Only tables that show a cell that none showed before are kept.

    Attributes
    ----------
    cells : int array
        Counts that are to be shown to be open.
    unknown : int array
        Cells that are not published.
    base : array
        The first table; ``nan`` in parts of which none was looked for, or none was found in time.
    changes : list of (int array, array)
        Of each further table the cells in which it differs from the first, and by how much.
    """

    def __init__(self, knowledge: Knowledge, cells: Ids, low: float, high: float) -> None:
        """Begin with the cells that are published or follow from single sums."""
        lower, _ = knowledge.intervals
        self.cells, self._low, self._high = cells, low, high
        self.unknown = np.flatnonzero(np.isnan(knowledge.values))
        self.base: Values = np.where(knowledge.fixed, lower, np.nan)
        self.changes: list[tuple[Ids, Values]] = []
        self._wanted = np.zeros(len(self.base), dtype=bool)
        self._wanted[cells] = True
        self._mark(np.arange(len(self.base)), self.base)

    @property
    def shown(self) -> Mask:
        """For each of ``cells``, whether a table shows it to be open."""
        return ~self._wanted[self.cells]

    def first(self, part: Part, stop: float = np.inf) -> Values | None:
        """Return the first table of a part, looked for if there is none yet; None if none is found in time."""
        if np.isnan(self.base[part.cells]).any():
            table, _ = solve(part, np.zeros(len(part.cells)), stop)
            if table is None:
                return None
            self.base[part.cells] = table
            self._mark(part.cells, table)
        return self.base[part.cells]

    def add(self, cells: Ids, change: Values) -> None:
        """Keep a table that differs from the first in some cells, if it shows anything new."""
        if self._mark(cells, self.base[cells] + change):
            moved = change != 0
            self.changes.append((cells[moved], change[moved]))

    def _mark(self, cells: Ids, counts: Values) -> bool:
        shows = self._wanted[cells] & ((counts <= self._low) | (counts >= self._high))
        self._wanted[cells[shows]] = False
        return bool(shows.any())


def seen_beyond(
    knowledge: Knowledge,
    cells: Ids,
    low: float,
    high: float,
    seconds: float = np.inf,
    progress: Callable[[str], None] | None = None,
) -> Possible:
    """Look for tables that have counts at or below ``low``, or at or above ``high``.

    Parameters
    ----------
    knowledge : Knowledge
        Of whole numbers.
    cells : int array
        Cells to look at.
    low, high : float
    seconds : float
        When to stop.
    progress : callable, optional
        Called with a message about progress.

    Returns
    -------
    Possible
        Where it shows nothing there may be such a table, but none was found: ask
        :func:`nbanalytics.disclosure.bounds`. Many cells are pushed at once, so that this takes few linear programs
        where ``bounds`` takes one for each cell.

    Raises
    ------
    DisclosureError
        If no table agrees with what is published.

    Examples
    --------
    >>> from scipy import sparse
    >>> sums = sparse.csr_array(np.array([[1, -1, -1]]))
    >>> seen_beyond(Knowledge(sums, np.array([4, np.nan, np.nan])), np.array([1, 2]), 0, 5).shown
    array([ True,  True])
    """
    found = Possible(knowledge, np.asarray(cells, dtype=np.int64), low, high)
    stop = time.monotonic() + seconds
    for part in parts_of(knowledge):
        table = found.first(part, stop)
        if table is None:
            continue
        _, places = part.locate(found.cells[~found.shown])
        if not len(places):
            continue
        # From the least that each cell can be, as the moves of the engine want it.
        least, size = part.lower, len(places)
        goals = Goals(places, np.zeros(size), low - least[places], high - least[places])
        matrix, nothing = sparse.csc_array(part.matrix), np.zeros(len(least))
        block = Block(part.cells, matrix, table - least, nothing, part.upper - least, True)
        search = Search(block, goals, np.ones(len(least), dtype=bool))
        search.reach(stop, progress or (lambda words: None))
        for move in search.moves:
            found.add(part.cells[move.places], move.change)
    return found
