"""The attack: what an outsider with a solver can infer from the published numbers alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nbanalytics.disclosure.cells import CellSystem, Ids, Mask, Values
from nbanalytics.disclosure.knowledge import Knowledge, Part, knowledge_beside, parts_of
from nbanalytics.disclosure.linear import Projection, solve
from nbanalytics.disclosure.possible import Possible
from nbanalytics.disclosure.propagation import TOLERANCE

__all__ = ["Bounds", "Knowledge", "bounds", "determined", "exposed"]


def determined(knowledge: Knowledge) -> Mask:
    """Return which cells have only one value that agrees with all published numbers.

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
    """Return which unpublished guarded cells have only one value that agrees with all published numbers.

    A cell that is zero because the other cells add up to the sum is not an exposure.
    """
    knowledge = knowledge_beside(system, hidden)
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
    tables: Possible | None = None,
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
        Called with a message about progress.
    tables : Possible, optional
        Takes in the tables that are found.

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
    enough_low, enough_high = (nothing, nothing) if enough is None else enough
    found = Bounds(cells, lower[cells], upper[cells], nothing.copy(), nothing.copy())
    fixed = knowledge.fixed[cells]
    found.low_seen[fixed] = found.high_seen[fixed] = lower[cells[fixed]]
    stop = time.monotonic() + seconds
    parts = list(parts_of(knowledge, cells[~fixed]))
    for number, part in enumerate(parts, 1):
        inside, places = part.locate(cells)
        up = _Side(1.0, places, part.upper[places], enough_high[inside], nothing[inside])
        down = _Side(-1.0, places, -part.lower[places], -enough_low[inside], nothing[inside])
        _Search(part, (up, down), stop, tables).run()
        # Less than 0, and not its negative, so that 0 has no sign.
        found.low[inside], found.high[inside] = 0 - down.most, up.most
        found.low_seen[inside], found.high_seen[inside] = 0 - down.seen, up.seen
        if progress is not None:
            progress(f"attack: part {number} of {len(parts)}, {int(found.proven.sum())} of {len(cells)} cells bounded")
    return found


@dataclass
class _Side:
    """One end of the interval of each cell; with the sign of the end, the most that the cell can be.

    Attributes
    ----------
    sign : float
        1 for the largest values, -1 for the smallest.
    places : int array
    most : array
        No table has more.
    enough : array
        A table with as much settles it; ``nan`` for none but the most.
    seen : array
        The most of the tables found; ``nan`` if there is none.
    """

    sign: float
    places: Ids
    most: Values
    enough: Values
    seen: Values

    @property
    def open(self) -> Mask:
        """Which cells may still lie further out than in any table found."""
        return ~(self.seen >= np.fmin(self.most, self.enough) - TOLERANCE)


@dataclass
class _Search:
    """Bounds of some cells of a part; a table found for one cell is looked at for all others."""

    part: Part
    sides: tuple[_Side, _Side]
    stop: float
    tables: Possible | None

    def run(self) -> None:
        """Solve until all is bounded or time is up: first all cells together, then those left one by one."""
        for side in self.sides:
            self._together(side)
        for target in range(len(self.sides[0].places)):
            for side in self.sides:
                if side.open[target] and time.monotonic() < self.stop:
                    self._alone(side, target)

    def _together(self, side: _Side) -> None:
        """Push all open cells at once, as long as that settles one in ten of them."""
        while (still := side.open).any() and time.monotonic() < self.stop:
            found, _ = self._push(side, side.places[still])
            if not found or side.open.sum() > 0.9 * still.sum():
                return

    def _alone(self, side: _Side, target: int) -> None:
        place = side.places[target]
        _, most = self._push(side, place)
        if self.part.integer[place]:
            most = float(np.floor(most + TOLERANCE))
        side.most[target] = min(side.most[target], most)

    def _push(self, side: _Side, places: Ids) -> tuple[bool, float]:
        """Maximise some cells over the possible tables; return whether there is one, and the maximum."""
        gain = np.zeros(len(self.part.cells))
        gain[places] = side.sign
        table, most = solve(self.part, gain, self.stop)
        if table is not None:
            for each in self.sides:
                each.seen = np.fmax(each.seen, each.sign * table[each.places])
            if self.tables is not None and (first := self.tables.first(self.part, self.stop)) is not None:
                self.tables.add(self.part.cells, table - first)
        return table is not None, most
