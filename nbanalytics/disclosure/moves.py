"""Moves: how the cells of a system can change together, so that all sums hold and as little as possible is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize, sparse

from nbanalytics.disclosure.cells import CellSystem, Ids, Mask, Values, connected, sets_of
from nbanalytics.disclosure.propagation import TOLERANCE

#: What a unit of change costs in a cell that is hidden anyhow, beside at least 1 in one that is not.
_HIDDEN_COST = 0.1
#: Worth of a goal, against what is lost with the cells that have to be hidden for it.
_WORTH = 5e4
#: Branches of one program in whole numbers, and how far from the cheapest it may stop. No limit is one of time:
#: what is hidden must not depend on how fast the machine is.
_BRANCHES, _GAP = 200, 0.1


@dataclass(frozen=True)
class Push:
    """Cells that should change: where, in which direction (1 or -1), and how far."""

    places: Ids
    signs: Values
    steps: Values


@dataclass(frozen=True)
class Block:
    """Cells that hang together by sums, apart from all others.

    Attributes
    ----------
    cells : int array
        Their numbers in the whole.
    matrix : sparse array, sums x cells of the block
    values, costs, upper : array
        True values, what is lost when a cell is hidden, and how large a cell can be.
    integer : bool
        Whether they are counts.
    """

    cells: Ids
    matrix: sparse.csc_array
    values: Values
    costs: Values
    upper: Values
    integer: bool

    def cheapest(self, push: Push, hidden: Mask, worth: float = 1.0, whole: bool = False) -> Values | None:
        """Find the change that brings most pushed cells where they should be and costs least.

        Parameters
        ----------
        push : Push
        hidden : bool array
            Cells of the block that are hidden anyhow; a change of others hides them.
        worth : float
            Cost limit of a goal, 1 by default.
        whole : bool
            Whether to look among whole numbers only, which takes longer.

        Returns
        -------
        array or None
            A change of each cell; None if none was found.
        """
        size, wanted = len(self.cells), len(push.places)
        costs = np.where(hidden, _HIDDEN_COST, self.costs + 1)
        pushed = sparse.csr_array((push.signs, (np.arange(wanted), push.places)), shape=(wanted, size))
        sums = sparse.hstack([self.matrix, -self.matrix, sparse.csr_array((self.matrix.shape[0], wanted))])
        # The share of a step that is made counts, up to the whole of it.
        gains = sparse.hstack([-pushed, pushed, sparse.diags_array(push.steps)])
        right = np.concatenate([np.zeros(self.matrix.shape[0]), np.zeros(wanted)])
        left = np.concatenate([np.zeros(self.matrix.shape[0]), np.full(wanted, -np.inf)])
        result = optimize.milp(
            np.concatenate([costs, costs, np.full(wanted, -_WORTH * worth)]),
            integrality=np.full(2 * size + wanted, int(whole)),
            bounds=optimize.Bounds(
                np.concatenate([np.zeros(2 * size), np.full(wanted, 0.0 if whole else -5.0)]),
                np.concatenate([self.upper - self.values, self.values, np.ones(wanted)]),
            ),
            constraints=optimize.LinearConstraint(sparse.vstack([sums, gains], format="csc"), left, right),
            options={"node_limit": _BRANCHES, "mip_rel_gap": _GAP},
        )
        if result.x is None:
            return None
        change: Values = result.x[:size] - result.x[size : 2 * size]
        return change

    def stuck(self, movable: Mask) -> Mask:
        """Return which cells cannot change: each is, or soon will be, the last of its sum that could."""
        left = movable.copy()
        while (lonely := self._sums @ left.astype(float) == 1).any():
            left &= self._sums[lonely].T @ np.ones(int(lonely.sum())) == 0
        return movable & ~left

    @cached_property
    def _sums(self) -> sparse.csr_array:
        """Which cells are in each sum."""
        return sparse.csr_array(abs(self.matrix))

    def pieces(self, movable: Mask) -> Iterator[Ids]:
        """Split the cells that may change, all others staying as they are, into those that share no sum."""
        places = np.flatnonzero(movable)
        yield from (places[some] for some in sets_of(connected(self.matrix[:, places])))

    def part(self, places: Ids) -> Block:
        """Return the block of some of its cells, all others staying as they are."""
        matrix = self.matrix[:, places]
        rows = np.unique(matrix.indices)
        return Block(
            self.cells[places], sparse.csc_array(sparse.csr_array(matrix)[rows]), self.values[places],
            self.costs[places], self.upper[places], self.integer,
        )  # fmt: skip

    def moves(self, change: Values, push: Push, hidden: Mask, worth: float = 1.0) -> Iterator[tuple[Ids, Values]]:
        """Split a change into moves that share no sum: the places of each, and how they change.

        What changes by fractions of students is solved again in whole numbers, among its own cells only.
        """
        for places in self.pieces(np.abs(change) > TOLERANCE):
            if not self.integer:
                yield places, change[places]
            elif np.abs(change[places] - np.round(change[places])).max() < TOLERANCE:
                yield places, np.round(change[places])
            else:
                yield from self._whole(places, push, hidden, worth)

    def _whole(self, places: Ids, push: Push, hidden: Mask, worth: float) -> Iterator[tuple[Ids, Values]]:
        inside = np.isin(push.places, places)
        local = Push(np.searchsorted(places, push.places[inside]), push.signs[inside], push.steps[inside])
        part = self.part(places)
        change = part.cheapest(local, hidden[places], worth, whole=True)
        if change is not None:
            change = np.round(change)
            yield from ((places[some], change[some]) for some in part.pieces(np.abs(change) > TOLERANCE))


def blocks_of(system: CellSystem, movable: Mask, upper: Values, integer: bool) -> Iterator[Block]:
    """Split a system into blocks of movable cells that share no sum, those with guarded cells only."""
    every = np.arange(len(system.values))
    whole = Block(every, sparse.csc_array(system.matrix), system.values, system.costs, upper, integer)
    for places in whole.pieces(movable):
        if system.guarded[places].any():
            yield whole.part(places)
