"""Closing the sums of a large system: hide further cells until no guarded cell follows from those that are left.

Greedy and fast; proof against exact recovery by any combination of sums, not against narrow bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbanalytics.disclosure.cells import CellSystem, Mask
from nbanalytics.disclosure.linear import Projection, zeros_known

#: Combinations looked at together, to bound the memory.
_AT_ONCE = 200
#: A published cell of this weight is taken to be in every combination, of that weight in at least one.
_NEEDED, _ENTERS = 0.95, 1e-4


def close(system: CellSystem, progress: Callable[[str], None]) -> Mask:
    """Choose what to hide beside the primary cells, so that nothing guarded follows exactly.

    Parameters
    ----------
    system : CellSystem
    progress : callable
        Told in words how far it has come.

    Returns
    -------
    bool array
        The hidden cells. After it, no sum of shown cells holds exactly one hidden cell, and no guarded cell has only
        one value that agrees with all sums.

    Notes
    -----
    First line by line (the cheapest cell of a sum with one hidden cell is hidden too, until there is none). Then the
    guarded cells that still follow from a combination of sums are looked up; published cells that enter many of
    these combinations and cost little are hidden, and it begins anew.
    """
    hidden = system.primary.copy()
    targets, rounds = system.guarded, 0
    while True:
        rounds += 1
        _close_lines(system, hidden)
        # The less is published, the less follows from it: only what was given away before can be so still.
        targets = _break_combinations(system, hidden, targets)
        progress(f"round {rounds}: {int(hidden.sum())} of {int((~system.virtual).sum())} cells hidden")
        if not targets.any():
            return hidden


def _close_lines(system: CellSystem, hidden: Mask) -> None:
    """Hide one more cell in each sum with exactly one hidden cell, or one guarded cell beside known zeros."""
    size = abs(system.matrix)
    shown_only = (size @ system.virtual.astype(float)) == 0
    while True:
        zeros = zeros_known(system, ~hidden & ~system.virtual)
        lonely = shown_only & (size @ hidden.astype(float) == 1)
        told = shown_only & (size @ (hidden & ~zeros).astype(float) == 1) & (size @ (hidden & system.guarded) > 0)
        before = int(hidden.sum())
        for row in np.flatnonzero(lonely | told):
            cells = system.matrix.indices[system.matrix.indptr[row] : system.matrix.indptr[row + 1]]
            shown, open_cells = cells[~hidden[cells]], cells[hidden[cells] & ~zeros[cells]]
            alone = len(cells) - len(shown) == 1 or (len(open_cells) == 1 and system.guarded[open_cells[0]])
            if alone and len(shown):  # not mended meanwhile by another sum
                hidden[_cheapest(system, shown)] = True
        if int(hidden.sum()) == before:
            return


def _break_combinations(system: CellSystem, hidden: Mask, targets: Mask) -> Mask:
    """Hide a cell of each combination of sums that gives a target away; return the targets that were given away."""
    published = ~hidden & ~system.virtual
    found = _given_away(system, published, targets)
    if found is None:
        return np.zeros_like(hidden)
    projection, cells = found
    newly = np.zeros_like(hidden)
    for some in np.array_split(cells, 1 + len(cells) // _AT_ONCE):
        _cover(system, projection.used_for(some, published), newly)
    hidden |= newly
    return _mask(cells, len(hidden))


def _given_away(system: CellSystem, published: Mask, targets: Mask) -> tuple[Projection, NDArray[np.int64]] | None:
    """Find the targets that follow from what is published; None if there is none."""
    known = published | zeros_known(system, published)
    open_targets = targets & ~known
    if not open_targets.any():
        return None
    projection = Projection(system.matrix, known, open_targets)
    cells = np.flatnonzero(open_targets & projection.determined())
    return (projection, cells) if len(cells) else None


def _mask(cells: NDArray[np.int64], size: int) -> Mask:
    mask = np.zeros(size, dtype=bool)
    mask[cells] = True
    return mask


def _cover(system: CellSystem, weights: NDArray[np.float64], newly: Mask) -> None:
    """Mark cells so that every combination (a column of weights) loses one that it cannot do without."""
    rows = np.flatnonzero((weights > _ENTERS).any(axis=1))
    weights = weights[rows]
    needed, costs = weights > _NEEDED, 1 + system.costs[rows]
    open_columns = ~needed[newly[rows]].any(axis=0)
    # Cells that all ways need and that are not zero; then zeros; then cells of some way only.
    for usable in (needed & (system.values[rows] > 0)[:, None], needed, weights > _ENTERS):
        while open_columns.any():
            freed = usable[:, open_columns].sum(axis=1)
            best = int(np.argmax(freed / costs))
            if not freed[best]:
                break
            newly[rows[best]] = True
            open_columns &= ~usable[best]


def _cheapest(system: CellSystem, cells: NDArray[Any]) -> int:
    """Return the cell that costs least to hide; a zero only if there is nothing else, since zeros hide little."""
    order = np.lexsort((cells, system.costs[cells], system.values[cells] == 0))
    return int(cells[order[0]])
