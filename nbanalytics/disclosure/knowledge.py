"""What an attacker has: the sums, the published numbers, and the parts into which what is left falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import sparse

from nbanalytics.disclosure.cells import CellSystem, Ids, Mask, Values, connected, sets_of
from nbanalytics.disclosure.propagation import TOLERANCE, propagate
from nbanalytics.errors import DisclosureError


@dataclass(frozen=True)
class Knowledge:
    """All that an attacker has: the sums, the published numbers, and how large or small a cell can be at all.

    Attributes
    ----------
    matrix : sparse array, sums x cells
        1 for the total, -1 for each part; ``matrix @ table == 0`` for every table that is possible.
    values : array
        What is published; ``nan`` where nothing is.
    integer : bool array
        Cells that are counts, hence whole numbers.
    lower, upper : array
        What is known of each cell beforehand; by default 0 and infinite.

    Raises
    ------
    DisclosureError
        If the published numbers contradict the sums, or each other.

    Examples
    --------
    >>> sums = sparse.csr_array(np.array([[1, -1, -1]]))
    >>> Knowledge(sums, np.array([12, np.nan, np.nan])).intervals[1]
    array([12., 12., 12.])
    """

    matrix: sparse.csr_array
    values: Values
    integer: Mask = field(default_factory=lambda: np.empty(0, dtype=bool))
    lower: Values = field(default_factory=lambda: np.empty(0))
    upper: Values = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        """Fill in what was not said of the cells."""
        size = len(self.values)
        defaults = {"integer": np.ones(size, dtype=bool), "lower": np.zeros(size), "upper": np.full(size, np.inf)}
        for name, default in defaults.items():
            if not len(getattr(self, name)):
                object.__setattr__(self, name, default)

    @cached_property
    def intervals(self) -> tuple[Values, Values]:
        """Lower and upper bound of each cell by single sums, one after the other."""
        known = ~np.isnan(self.values)
        lower, upper = np.where(known, self.values, self.lower), np.where(known, self.values, self.upper)
        lower, upper = propagate(self.matrix, lower, upper, self.integer)
        off = np.flatnonzero(lower > upper + TOLERANCE)
        if len(off):
            raise DisclosureError(
                f"The published numbers contradict each other at {len(off)} cells: they are not of one set of tables. "
                "Check that no table was changed and that all are of the same records."
            )
        return lower, upper

    @property
    def fixed(self) -> Mask:
        """Cells that are published or follow from single sums."""
        lower, upper = self.intervals
        return upper - lower < TOLERANCE


def knowledge_beside(system: CellSystem, hidden: Mask) -> Knowledge:
    """Return what is known when all cells of a system are published but the hidden and the virtual ones."""
    values = np.where(hidden | system.virtual, np.nan, system.values)
    return Knowledge(system.matrix, values, np.full(len(values), system.counts_only))


@dataclass(frozen=True)
class Part:
    """Cells that are not known and hang together by sums: a problem that can be solved by itself.

    Attributes
    ----------
    cells : int array
        Their numbers in the whole.
    matrix : sparse array, sums x cells of the part
    rest : array
        What the known cells leave for each sum: ``matrix @ cells == rest``.
    lower, upper, integer : array
    """

    cells: Ids
    matrix: sparse.csr_array
    rest: Values
    lower: Values
    upper: Values
    integer: Mask

    def locate(self, cells: Ids) -> tuple[Ids, Ids]:
        """Return which of some cells are in the part, and where."""
        place = np.searchsorted(self.cells, cells)
        place = np.minimum(place, len(self.cells) - 1)
        inside = np.flatnonzero(self.cells[place] == cells)
        return inside, place[inside]


def parts_of(knowledge: Knowledge, around: Ids | None = None) -> Iterator[Part]:
    """Split the cells that are not fixed into parts that share no sum; all, or those with a cell of ``around``."""
    lower, upper = knowledge.intervals
    fixed = knowledge.fixed
    free = np.flatnonzero(~fixed)
    columns = sparse.csc_array(knowledge.matrix)
    open_part = columns[:, free]
    rest = -(columns[:, np.flatnonzero(fixed)] @ lower[fixed])
    wanted = np.ones(len(free), dtype=bool) if around is None else np.isin(free, around)
    for local in sets_of(connected(open_part)):
        if wanted[local].any():
            cells, block = free[local], open_part[:, local]
            rows = np.unique(block.indices)
            inside = sparse.csr_array(sparse.csr_array(block)[rows])
            yield Part(cells, inside, rest[rows], lower[cells], upper[cells], knowledge.integer[cells])
