"""The suppression engine: hide further cells until other tables exist that deny what the primary cells would say.

Each guarded cell has goals (:mod:`nbanalytics.disclosure.search`). The engine looks for *witnesses*: changes of the
true table that keep all sums and lead to another possible table in which the cell is where the goal wants it. The
cells that a witness changes have to be hidden, and nothing else has: what no witness changes is published, and each
witness agrees with all of it. So the search for what to hide and the proof that it is enough are one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbanalytics.disclosure.cells import CellSystem, Ids, Mask, Values
from nbanalytics.disclosure.linear import Projection, zeros_known
from nbanalytics.disclosure.moves import blocks_of
from nbanalytics.disclosure.policy import Policy
from nbanalytics.disclosure.propagation import TOLERANCE
from nbanalytics.disclosure.search import LARGE, Goals, Search, goals_of, goals_of_sums
from nbanalytics.errors import DisclosureError

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
        Called with a message about progress.

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
        told = shown_only & (size @ (hidden & ~zeros).astype(float) == 1)
        before = int(hidden.sum())
        for row in np.flatnonzero(lonely | told):
            cells = system.matrix.indices[system.matrix.indptr[row] : system.matrix.indptr[row + 1]]
            shown, open_cells = cells[~hidden[cells]], cells[hidden[cells] & ~zeros[cells]]
            alone = len(cells) - len(shown) == 1 or (len(open_cells) == 1 and system.guarded[open_cells[0]])
            if alone and len(shown):  # not protected meanwhile by another sum
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


Progress = Callable[[str], None]


@dataclass(frozen=True)
class Protection:
    """Which cells of a system are hidden, and the tables that show it is enough.

    Attributes
    ----------
    hidden : bool array
        All hidden cells; virtual cells are not counted.
    primary : bool array
        Those hidden for what they say by themselves; the others protect them.
    goals : Goals
        What has to be shown of the guarded cells.
    witnesses : sparse array, witnesses x cells
        How each witness differs from the true table. It belongs to the owner of the true table and is not published.
    shown_by : int array
        For each goal, the witness that reaches it.
    known : bool array
        Cells that the public had before, and that are shown whatever they say.
    """

    hidden: Mask
    primary: Mask
    goals: Goals
    witnesses: sparse.csr_array
    shown_by: Ids
    known: Mask


def protect(
    system: CellSystem,
    progress: Progress | None = None,
    policy: Policy | None = None,
    known: Mask | None = None,
) -> Protection:
    """Choose what to hide beside the primary cells of a system of counts.

    Parameters
    ----------
    system : CellSystem
    progress : callable, optional
        Called with a message about progress.
    policy : Policy, optional
        Thresholds that the goals are made of.
    known : bool array, optional
        Cells that the public has already, such as official statistics: never hidden, and part of what is known.

    Returns
    -------
    Protection
        Every goal is reached by a witness: a table of whole numbers that are not negative, that has the same sums
        and the same published cells.

    Raises
    ------
    DisclosureError
        If a goal is out of reach however much is hidden, because of what the public knows already.

    Examples
    --------
    Two schools by two outcomes; the 2 must be hidden, and three others with it, so that it cannot be subtracted.

    >>> from nbanalytics.disclosure import SystemBuilder
    >>> counts = np.array([[70, 22, 48], [20, 2, 18], [50, 20, 30]])
    >>> few = counts < 5
    >>> builder = SystemBuilder()
    >>> cells = builder.add_cells(counts, np.ones(counts.shape, dtype=bool), primary=few, guarded=few)
    >>> builder.add_margins(cells, 0), builder.add_margins(cells, 1)
    (None, None)
    >>> protect(builder.build()).hidden[cells].astype(int)
    array([[0, 0, 0],
           [0, 1, 1],
           [0, 1, 1]])
    """
    goals = goals_of(system, policy or Policy())
    return _protected(system, goals, np.full(len(system.values), np.inf), True, known, progress)


def protect_sums(
    system: CellSystem,
    upper: Values,
    share: float = 0.1,
    progress: Progress | None = None,
    known: Mask | None = None,
) -> Protection:
    """Choose which sums of a measure to hide: those of small groups, and others until none can be narrowed down.

    Parameters
    ----------
    system : CellSystem
        Sums (grade points, merit values, hours) by group; the number of students is taken to be known.
    upper : array
        The largest that each sum can be: students times the largest value. The least is 0.
    share : float
        For each guarded sum there is another set of sums that agrees with those published, in which it is off by
        at least this share of ``upper``.
    progress, known
        As in :func:`protect`.

    Returns
    -------
    Protection

    Raises
    ------
    DisclosureError
        If a sum cannot be protected.
    """
    goals = goals_of_sums(system, share * upper)
    return _protected(system, goals, upper, False, known, progress)


def check_protection(system: CellSystem, protection: Protection) -> list[str]:
    """Check a protection by arithmetic alone: no solver, nothing taken on trust.

    Parameters
    ----------
    system : CellSystem
    protection : Protection

    Returns
    -------
    list of str
        What is wrong, in words; empty if every witness is a possible table and every goal is reached by its own.

    See Also
    --------
    nbanalytics.release.witnesses.replay : the same for the witnesses that are published with a release.
    """
    published = ~protection.hidden & ~system.virtual
    wrong = []
    lacking = int((system.primary & ~protection.known & ~protection.hidden).sum())
    if lacking:
        wrong.append(f"{lacking} primary cells are published")
    reached = np.zeros(len(protection.shown_by), dtype=bool)
    for number in range(protection.witnesses.shape[0]):
        table = system.values + protection.witnesses[[number]].toarray().ravel()
        adds_up = np.allclose(system.matrix @ table, 0.0, atol=TOLERANCE)
        as_published = np.allclose(table[published], system.values[published], rtol=0.0, atol=TOLERANCE)
        not_negative = np.allclose(np.minimum(table, 0.0), 0.0, atol=TOLERANCE)
        if not (adds_up and as_published and not_negative):
            wrong.append(f"witness {number} does not agree with the published numbers")
        own = protection.shown_by == number
        reached[own] = protection.goals.reached(table)[own]
    if not reached.all():
        wrong.append(f"{int((~reached).sum())} of {len(reached)} goals are not reached by their witness")
    return wrong


def _protected(
    system: CellSystem, goals: Goals, upper: Values, integer: bool, known: Mask | None, progress: Progress | None
) -> Protection:
    known = np.zeros(len(system.values), dtype=bool) if known is None else known
    goals = goals[~known[goals.cells]]
    hidden = (system.primary | system.virtual) & ~known
    movable = ~known
    shown_by = np.full(len(goals.cells), -1)
    witnesses: list[sparse.csr_array] = []
    blocks = list(blocks_of(system, movable, upper, integer))
    guide = None
    if any(len(block.cells) > LARGE for block in blocks):
        guide = close(system, _teller(progress, "")) & movable
    for number, block in enumerate(blocks, 1):
        own = np.flatnonzero(np.isin(goals.cells, block.cells))
        here = replace(goals[own], cells=np.searchsorted(block.cells, goals.cells[own]))
        inside = guide[block.cells] if guide is not None and len(block.cells) > LARGE else None
        search = Search(block, here, hidden[block.cells], inside)
        search.run(_teller(progress, f"part {number} of {len(blocks)}: "))
        hidden[block.cells] = search.hidden
        for move in search.moves:
            shown_by[own[move.reaches & (shown_by[own] < 0)]] = len(witnesses)
            witnesses.append(_row(move.change, block.cells[move.places], len(hidden)))
    _refuse_unreached(system, goals.cells[shown_by < 0], known)
    stacked = sparse.csr_array(sparse.vstack(witnesses)) if witnesses else sparse.csr_array((0, len(hidden)))
    return Protection(hidden & ~system.virtual, system.primary, goals, stacked, shown_by, known)


def _row(change: Values, cells: Ids, size: int) -> sparse.csr_array:
    return sparse.csr_array((change, (np.zeros(len(cells), dtype=np.int64), cells)), shape=(1, size))


def _teller(progress: Progress | None, before: str) -> Progress:
    return (lambda words: None) if progress is None else (lambda words: progress(before + words))


def _refuse_unreached(system: CellSystem, cells: Ids, known: Mask) -> None:
    if len(cells):
        raise DisclosureError(
            f"{len(np.unique(cells))} of {int(system.guarded.sum())} cells cannot be protected however much is hidden: "
            f"the sums and the {int(known.sum())} numbers that are known already give them away. "
            "Leave out the table that they are in, cross fewer filters, or make the known numbers coarser."
        )
