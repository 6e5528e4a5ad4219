"""The attack: what follows from the published numbers alone, for whoever has them all and a solver."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from nbanalytics.disclosure.cells import CellSystem, Ids, Mask, Values
from nbanalytics.disclosure.goals import Goals
from nbanalytics.disclosure.knowledge import Knowledge, Part, knowledge_of, parts_of
from nbanalytics.disclosure.linear import Projection
from nbanalytics.disclosure.moves import Block
from nbanalytics.disclosure.propagation import TOLERANCE
from nbanalytics.disclosure.search import Search
from nbanalytics.disclosure.solver import solve

__all__ = ["Bounds", "Knowledge", "bounds", "determined", "exposed", "seen_beyond"]


def determined(knowledge: Knowledge) -> Mask:
    """Tell which cells have only one value that agrees with all that is published.

    Returns
    -------
    bool array
        Cells that are not published but follow: from single sums and from counts not being negative, or from any
        linear combination of sums (the rank test).
    """
    fixed = knowledge.fixed
    follows: Mask = fixed.copy()
    if not fixed.all():
        follows |= Projection(knowledge.matrix, fixed, ~fixed).determined()
    follows &= np.isnan(knowledge.values)
    return follows


def exposed(system: CellSystem, hidden: Mask) -> Mask:
    """Tell which guarded cells that are not published have only one value that agrees with all that is published.

    That a cell is zero because the cells of a sum leave nothing over is no exposure.
    """
    knowledge = knowledge_of(system, hidden)
    follows = determined(knowledge) & system.guarded & (hidden | system.virtual)
    told: Mask = follows & ~(knowledge.fixed & (system.values == 0))
    return told


@dataclass(frozen=True)
class Bounds:
    """Smallest and largest value of some cells, over all tables that agree with what is published.

    Attributes
    ----------
    cells : int array
    low, high : array
        No table has the cell outside.
    low_seen, high_seen : array
        Values of the cell in tables that were found; ``nan`` if none was.
    proven : bool array
        Whether both bounds are exact: a table was found that has the cell at ``low``, and one at ``high``.
    """

    cells: Ids
    low: Values
    high: Values
    low_seen: Values
    high_seen: Values

    @property
    def proven(self) -> Mask:
        """Whether a table was found at either bound."""
        exact: Mask = (self.low_seen <= self.low + TOLERANCE) & (self.high_seen >= self.high - TOLERANCE)
        return exact


def bounds(
    knowledge: Knowledge,
    cells: Ids,
    *,
    enough: tuple[Values, Values] | None = None,
    seconds: float = np.inf,
    progress: Callable[[str], None] | None = None,
) -> Bounds:
    """Find the smallest and the largest value of cells that are not published, over whole-number tables.

    Parameters
    ----------
    knowledge : Knowledge
    cells : int array
        Cells to look at.
    enough : pair of arrays, optional
        For each cell a low and a high value: once a table is found with the cell at or below the one, or at or above
        the other, that bound is not looked for any further (and is not proven). ``nan`` asks for the exact bound.
    seconds : float
        When to stop; what is not proven by then stays so.
    progress : callable, optional
        Told in words how far it has come.

    Returns
    -------
    Bounds

    Raises
    ------
    DisclosureError
        If no table agrees with what is published.

    Examples
    --------
    >>> from scipy import sparse
    >>> sums = sparse.csr_array(np.array([[1, -1, -1]]))
    >>> found = bounds(Knowledge(sums, np.array([12, np.nan, np.nan])), np.array([1]))
    >>> found.low, found.high, found.proven
    (array([0.]), array([12.]), array([ True]))
    """
    cells = np.asarray(cells, dtype=np.int64)
    lower, upper = knowledge.intervals
    nothing = np.full(len(cells), np.nan)
    found = Bounds(cells, lower[cells], upper[cells], nothing.copy(), nothing.copy())
    fixed = knowledge.fixed[cells]
    found.low_seen[fixed] = found.high_seen[fixed] = lower[cells[fixed]]
    stop = time.monotonic() + seconds
    parts = list(parts_of(knowledge, cells[~fixed]))
    for number, part in enumerate(parts, 1):
        inside, place = part.locate(cells)
        limits = (nothing, nothing) if enough is None else enough
        search = _Search(part, place, limits[0][inside], limits[1][inside], stop)
        search.run()
        found.low[inside], found.high[inside] = search.low, search.high
        found.low_seen[inside], found.high_seen[inside] = search.low_seen, search.high_seen
        if progress is not None:
            progress(f"attack: part {number} of {len(parts)}, {int(found.proven.sum())} of {len(cells)} cells bounded")
    return found


def seen_beyond(
    knowledge: Knowledge,
    cells: Ids,
    low: float,
    high: float,
    seconds: float = np.inf,
    progress: Callable[[str], None] | None = None,
) -> Mask:
    """Tell for which counts a table was found that has the cell at or below ``low``, or at or above ``high``.

    Parameters
    ----------
    knowledge : Knowledge
    cells : int array
        Cells to look at.
    low, high : float
    seconds : float
        When to stop.
    progress : callable, optional
        Told in words how far it has come.

    Returns
    -------
    bool array
        Where it is false there may be such a table, but none was found: ask :func:`bounds`. Many cells are pushed at
        once, so that this takes few linear programs where ``bounds`` takes one for each cell.

    Raises
    ------
    DisclosureError
        If no table agrees with what is published.

    Examples
    --------
    >>> from scipy import sparse
    >>> sums = sparse.csr_array(np.array([[1, -1, -1]]))
    >>> seen_beyond(Knowledge(sums, np.array([4, np.nan, np.nan])), np.array([1, 2]), 0, 5)
    array([ True,  True])
    """
    cells = np.asarray(cells, dtype=np.int64)
    found: Mask = np.zeros(len(cells), dtype=bool)
    stop = time.monotonic() + seconds
    for part in parts_of(knowledge, cells):
        inside, places = part.locate(cells)
        table, _ = solve(part, np.zeros(len(part.cells)), stop)
        if table is None or not part.integer.all():
            continue
        # From the least that each cell can be, as the moves of the engine want it.
        least, size = part.lower, len(places)
        goals = Goals(places, np.zeros(size), low - least[places], high - least[places])
        still = ~goals.reached(table - least)
        matrix, nothing = sparse.csc_array(part.matrix), np.zeros(len(least))
        block = Block(part.cells, matrix, table - least, nothing, part.upper - least, True)
        search = Search(block, goals[still], np.ones(len(least), dtype=bool))
        search.reach(stop, progress or (lambda words: None))
        found[inside[~still]] = True
        found[inside[still]] = ~search.open
    return found


@dataclass
class _Search:
    """Bounds of some cells of a part; a table found for one cell is looked at for all others."""

    part: Part
    places: Ids
    enough_low: Values
    enough_high: Values
    stop: float
    low: Values = field(init=False)
    high: Values = field(init=False)
    low_seen: Values = field(init=False)
    high_seen: Values = field(init=False)

    def __post_init__(self) -> None:
        self.low, self.high = self.part.lower[self.places].copy(), self.part.upper[self.places].copy()
        self.low_seen = np.full(len(self.places), np.nan)
        self.high_seen = self.low_seen.copy()

    def run(self) -> None:
        """Solve until all is bounded or time is up: first all cells together, then those left one by one."""
        for sign in (1.0, -1.0):
            self._together(sign)
        for target in range(len(self.places)):
            for sign in (1.0, -1.0):
                if time.monotonic() < self.stop and self._open(sign)[target]:
                    self._alone(target, sign)

    def _open(self, sign: float) -> Mask:
        """Tell which cells may still lie further out than in any table found."""
        if sign > 0:
            return ~(self.high_seen >= np.fmin(self.high, self.enough_high) - TOLERANCE)
        return ~(self.low_seen <= np.fmax(self.low, self.enough_low) + TOLERANCE)

    def _together(self, sign: float) -> None:
        """Push all open cells at once, as long as that settles one in ten of them."""
        while (still := self._open(sign)).any() and time.monotonic() < self.stop:
            gain = np.zeros(len(self.part.cells))
            gain[self.places[still]] = sign
            table, _ = solve(self.part, gain, self.stop)
            if table is None:
                return
            self._note(table)
            if self._open(sign).sum() > 0.9 * still.sum():
                return

    def _alone(self, target: int, sign: float) -> None:
        gain = np.zeros(len(self.part.cells))
        gain[self.places[target]] = sign
        table, most = solve(self.part, gain, self.stop)
        if sign > 0:
            self.high[target] = min(self.high[target], self._whole(target, most))
        else:
            self.low[target] = max(self.low[target], -self._whole(target, most))
        if table is not None:
            self._note(table)

    def _whole(self, target: int, most: float) -> float:
        return float(np.floor(most + TOLERANCE)) if self.part.integer[self.places[target]] else most

    def _note(self, table: Values) -> None:
        self.low_seen = np.fmin(self.low_seen, table[self.places])
        self.high_seen = np.fmax(self.high_seen, table[self.places])
