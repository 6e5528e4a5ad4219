"""What another table has to show of each guarded cell, so that nothing about it is certain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nbanalytics.disclosure.cells import CellSystem, Ids, Mask, Values
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
        """Tell which goals a table (of all cells) reaches."""
        there = table[self.cells]
        below = (there >= self.floor - TOLERANCE) & (there <= self.low + TOLERANCE)
        found: Mask = below | (there >= self.high - TOLERANCE)
        return found

    def steps(self, values: Values) -> tuple[Values, Values]:
        """Return how far each cell has to rise, and how far it has to fall (infinite where that is no way)."""
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
        so that students who know their own entry still cannot tell the number.
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
    """Set the goals of guarded sums that are no counts: a table in which each is off by at least its width."""
    cells = np.flatnonzero(system.guarded)
    values, off = system.values[cells], width[cells]
    return Goals(cells, np.zeros(len(cells)), values - off, values + off)
