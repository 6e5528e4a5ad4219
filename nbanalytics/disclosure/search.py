"""The search for witnesses of one block: push goals, hide what has to move, keep as few moves as will do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from nbanalytics.disclosure.cells import CellSystem, Ids, Mask, Values
from nbanalytics.disclosure.moves import Block, Push
from nbanalytics.disclosure.policy import Policy
from nbanalytics.disclosure.propagation import TOLERANCE


@dataclass(frozen=True)
class Goals:
    """Goals, one by one: some table agrees with all that is published and has the cell where the goal wants it.

    Attributes
    ----------
    cells : int array
        A cell may have more than one goal.
    floor, low, high : array
        The goal is reached by a table that has the cell from ``floor`` to ``low``, or at ``high`` or above.
    """

    cells: Ids
    floor: Values
    low: Values
    high: Values

    def __getitem__(self, some: Ids | Mask) -> Goals:
        """Return some of the goals."""
        return Goals(self.cells[some], self.floor[some], self.low[some], self.high[some])

    def reached(self, table: Values) -> Mask:
        """Return which goals a table (of all cells) reaches."""
        there = table[self.cells]
        below = (there >= self.floor - TOLERANCE) & (there <= self.low + TOLERANCE)
        found: Mask = below | (there >= self.high - TOLERANCE)
        return found

    def steps(self, values: Values) -> tuple[Values, Values]:
        """Return how far each cell has to rise, and how far it has to fall (infinite where impossible)."""
        here = values[self.cells]
        return self.high - here, np.where(self.low >= self.floor, here - self.low, np.inf)


def goals_of(system: CellSystem, policy: Policy) -> Goals:
    """Set the goals of the guarded cells of counts.

    Parameters
    ----------
    system : CellSystem
    policy : Policy

    Returns
    -------
    Goals
        Of a cell below its threshold (``system.thresholds``, else ``min_cell``): a table with the cell on the
        other side, which is at the threshold or above, or 0: what would be shown. Of a zero that keeps a group from
        being known to share an unfavourable outcome: a table with at least 1. Of every guarded cell with
        ``self_knowledge`` students or more in it: a table with another number, and at least that many in the cell,
        so that students who know their own entry still cannot infer the number.
    """
    cells = np.flatnonzero(system.guarded)
    values = system.values[cells]
    threshold = np.where(np.isnan(system.thresholds[cells]), policy.min_cell, system.thresholds[cells])
    some = values > 0
    few = some & (values < threshold)
    # With no allowance, a table on the other side of the threshold has another number anyhow.
    vary = some & (~few | (values >= policy.self_knowledge)) & (~few | (policy.self_knowledge > 0))
    parts = (
        (cells[few], np.zeros(few.sum()), np.zeros(few.sum()), threshold[few]),
        (cells[~some], np.zeros((~some).sum()), np.full((~some).sum(), -1.0), np.ones((~some).sum())),
        (cells[vary], np.minimum(policy.self_knowledge, values[vary]), values[vary] - 1, values[vary] + 1),
    )
    joined = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    return Goals(joined[0].astype(np.int64), joined[1], joined[2], joined[3])


def goals_of_sums(system: CellSystem, width: Values) -> Goals:
    """Set the goals of guarded sums that are not counts: a table in which each is off by at least its width."""
    cells = np.flatnonzero(system.guarded)
    values, off = system.values[cells], width[cells]
    return Goals(cells, np.zeros(len(cells)), values - off, values + off)


#: Goals pushed at once, at first and at most; and how often a goal is tried before it is given up.
_AT_FIRST, _AT_MOST, _TRIES = 12, 32, 6
#: In a block of more than ``LARGE`` cells: goals pushed at once, within a guide and beyond, and how often.
LARGE = 1000
_MANY, _SOME, _PATIENCE = 400, 40, 12
#: Which of the cells that are not hidden yet may be hidden: the cheaper half, then more of them, then any.
_SHARES = (0.5, 0.8, 1.0)
#: How often a block that is not large is begun anew, with other goals first; the cheapest protection is kept.
_STARTS = 3
#: Programs that may be spent on taking cells back, times the cells of the block: from each start, and from the best.
_POLISH, _SHINE = 40_000, 400_000
_SEED = 20180615


@dataclass(frozen=True)
class Move:
    """A witness: the cells that it changes, the change of each, and the goals that it reaches."""

    places: Ids
    change: Values
    reaches: Mask


class Search:
    """What is hidden of a block, and the moves that show it is enough.

    Attributes
    ----------
    hidden : bool array
        Of the cells of the block.
    moves : list of Move
    open : bool array
        Goals that no move reaches.
    """

    def __init__(self, block: Block, goals: Goals, hidden: Mask, guide: Mask | None = None) -> None:
        """Take over what is hidden from the start; the cells of ``goals`` are places in the block.

        In a large block, witnesses are looked for among the cells of ``guide`` first.
        """
        self._block, self._goals, self._start, self._guide = block, goals, hidden.copy(), guide
        self._rng = np.random.default_rng(_SEED)
        self._rise, self._fall = goals.steps(block.values)
        self.hidden = hidden.copy()
        self.moves: list[Move] = []
        self.open: Mask = np.ones(len(goals.cells), dtype=bool)

    def run(self, tell: Callable[[str], None]) -> None:
        """Look for a move for every goal, then give back what no needed move changes.

        At first only cells of low cost may be hidden: the others stay as they are, and the block falls into pieces that
        are soon solved. What cannot be reached so is tried again with cells of higher cost. Much depends on which goals
        come first, so that this is done in several orders. In a large block many goals are pushed at once, among the
        cells that a greedy protection would hide; then those that are left over, with any cell.
        """
        if self._guide is not None:
            self._within(self._guide | self.hidden, 4, _MANY, _MANY, tell)
            self._keep_few()
            self._within(np.ones(len(self.hidden), dtype=bool), _PATIENCE, _SOME, _SOME, tell)
            self._whatever_it_costs(tell)
            self._keep_few()
            return
        found = [self._begun(_SEED + start, tell) for start in range(_STARTS)]
        self.hidden, self.moves, self.open = min(found, key=self._loss)
        self._take_back(_SHINE // len(self.hidden))

    def _loss(self, found: tuple[Mask, list[Move], Mask]) -> tuple[int, float]:
        """Return the cost of a protection: the open goals, then the cost of the hidden cells."""
        hidden, _, left = found
        return int(left.sum()), float((1 + self._block.costs[hidden]).sum())

    def _begun(self, seed: int, tell: Callable[[str], None]) -> tuple[Mask, list[Move], Mask]:
        """Protect the block from its start, with goals in an order of their own."""
        self._rng = np.random.default_rng(seed)
        self.hidden, self.moves, self.open = self._start.copy(), [], np.ones(len(self._goals.cells), dtype=bool)
        for share in _SHARES:
            limit = np.quantile(self._block.costs[~self.hidden], share) if (~self.hidden).any() else np.inf
            most = _TRIES if share == _SHARES[-1] else 2
            self._within(self.hidden | (self._block.costs <= limit), most, _AT_FIRST, _AT_MOST, tell)
        self._one_by_one()
        self._whatever_it_costs(tell)
        self._keep_few()
        self._take_back(_POLISH // len(self.hidden))
        return self.hidden, self.moves, self.open

    def reach(self, stop: float, tell: Callable[[str], None]) -> None:
        """Look for moves only, among all cells, until ``time.monotonic()`` is ``stop``."""
        everything = np.ones(len(self.hidden), dtype=bool)
        self._within(everything, 2, _MANY, _MANY, tell, stop)
        self._within(everything, _TRIES, _SOME, _SOME, tell, stop)

    def _within(
        self, movable: Mask, most: int, at_first: int, at_most: int, tell: Callable[[str], None], stop: float = np.inf
    ) -> None:
        """Push open goals in each piece of the cells that may move, until each is reached or was tried often enough."""
        for places in self._block.pieces(movable):
            own = np.flatnonzero(self.open & np.isin(self._goals.cells, places))
            part, tries, at_once = self._block.part(places), np.zeros(len(self.open), dtype=int), at_first
            while (left := own[self.open[own] & (tries[own] < most)]).size and time.monotonic() < stop:
                some = self._some(left, tries, at_once)
                self._reach(part, places, some, tries[some])
                # Goals not reached are tried in the other direction next time, at a higher cost.
                tries[some[self.open[some]]] += 1
                at_once = min(at_most, at_once + 4)
                tell(f"{int((~self.open).sum())} of {len(self.open)} goals, {int(self.hidden.sum())} cells hidden")

    def _whatever_it_costs(self, tell: Callable[[str], None]) -> None:
        """Reach the goals that are left over, whatever the suppression cost: protection comes first."""
        if self.open.any():
            block = self._block
            self._block = replace(block, costs=np.zeros(len(block.cells)))
            self._within(np.ones(len(self.hidden), dtype=bool), _TRIES, _SOME, _SOME, tell)
            self._one_by_one()
            self._block = block

    def _one_by_one(self) -> None:
        """Look for whole numbers at once, where those near a solution in fractions did not reach a goal."""
        everywhere = np.arange(len(self.hidden))
        for goal in np.flatnonzero(self.open) if self._block.integer else ():
            for way in (0, 1):
                if self.open[goal]:
                    push = self._push(np.array([goal]), np.array([way]), everywhere)
                    change = self._block.cheapest(push, self.hidden, whole=True)
                    self._keep([] if change is None else [(everywhere, np.round(change))])

    def _some(self, left: Ids, tries: Ids, at_once: int) -> Ids:
        """Draw some goals, those tried least first, none two of the same cell."""
        drawn = self._rng.permutation(left)
        drawn = drawn[np.argsort(tries[drawn], kind="stable")][:at_once]
        _, first = np.unique(self._goals.cells[drawn], return_index=True)
        return drawn[np.sort(first)]

    def _push(self, goals: Ids, tries: Ids, places: Ids) -> Push:
        rise, fall = self._rise[goals], self._fall[goals]
        up = np.where(np.isinf(fall), True, (rise <= fall) == (tries % 2 == 0))
        inside = np.searchsorted(places, self._goals.cells[goals])
        return Push(inside, np.where(up, 1.0, -1.0), np.where(up, rise, fall))

    def _reach(self, part: Block, places: Ids, goals: Ids, tries: Ids) -> None:
        """Push some goals and keep the moves that reach any."""
        push, hidden, worth = self._push(goals, tries, places), self.hidden[places], 10.0 ** (int(tries.max()) // 2)
        together = part.cheapest(push, hidden, worth)
        moves = () if together is None else part.moves(together, push, hidden, worth)
        self._keep((places[inside], change) for inside, change in moves)

    def _keep(self, moves: Iterable[tuple[Ids, Values]]) -> None:
        for places, change in moves:
            moved = change != 0
            move = self._move(places[moved], change[moved])
            if (move.reaches & self.open).any():
                self.moves.append(move)
                self.hidden[move.places] = True
                self.open &= ~move.reaches

    def _move(self, places: Ids, change: Values) -> Move:
        table = self._block.values.copy()
        table[places] += change
        return Move(places, change, self._goals.reached(table))

    def _keep_few(self) -> None:
        """Keep moves that together reach all that was reached, and hide as little as can be; greedily."""
        candidates = self.moves
        if not candidates:
            return
        reaches = np.array([move.reaches for move in candidates])
        wanted = reaches.any(axis=0)
        hidden, self.moves = self._start.copy(), []
        while wanted.any():
            gained = reaches[:, wanted].sum(axis=1)
            costs = np.array([(1 + self._block.costs[move.places[~hidden[move.places]]]).sum() for move in candidates])
            best = int(np.argmax(gained / (1e-3 + costs)))
            self.moves.append(candidates[best])
            hidden[candidates[best].places] = True
            wanted &= ~reaches[best]
        self.hidden = hidden

    def _take_back(self, programs: int) -> None:
        """Publish secondary cells again, those of highest cost first, if their goals are reached without them."""
        secondary = np.flatnonzero(self.hidden & ~self._start)
        for cell in secondary[np.argsort(-self._block.costs[secondary], kind="stable")]:
            if programs <= 0:
                return
            kept = [move for move in self.moves if cell not in move.places]
            programs -= self._without(int(cell), kept)

    def _without(self, cell: int, kept: list[Move]) -> int:
        """Try to do without a hidden cell; return how many programs that took."""
        free = self.hidden.copy()
        free[cell] = False
        movable = free & ~self._block.stuck(free)
        if not movable[self._goals.cells[~self.open]].all():
            return 0
        missing = ~self.open
        for move in kept:
            missing &= ~move.reaches
        places, programs, moves = np.flatnonzero(movable), 0, list(kept)
        part, everywhere = self._block.part(places), np.ones(len(places), dtype=bool)
        for goal in np.flatnonzero(missing):
            for way in (0, 1):
                if missing[goal]:
                    programs += 1
                    push = self._push(np.array([goal]), np.array([way]), places)
                    together = part.cheapest(push, everywhere)
                    found = () if together is None else part.moves(together, push, everywhere)
                    for inside, change in found:
                        moves.append(self._move(places[inside], change))
                        missing &= ~moves[-1].reaches
            if missing[goal]:
                return programs
        self.moves, self.hidden = moves, movable | (free & self._start)
        return programs
