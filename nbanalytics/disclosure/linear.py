"""What follows from the published cells: by plain subtraction, by zeros, and by any linear combination of sums."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.sparse.linalg import SuperLU, splu

from nbanalytics.disclosure.cells import CellSystem, Mask, Values, connected
from nbanalytics.disclosure.knowledge import Part
from nbanalytics.errors import DisclosureError

#: Statuses of the solver.
_INFEASIBLE, _UNBOUNDED = 2, 3
#: Branches of one program: a limit of work, since what is found must not depend on how fast the machine is.
_BRANCHES = 5000
#: How far a table may be from the sums before it counts as none.
_SLACK = 1e-4


def solve(part: Part, gain: Values, stop: float = np.inf) -> tuple[Values | None, float]:
    """Find a table of a part with the largest gain.

    Parameters
    ----------
    part : Part
    gain : array
        Worth of one more in each cell.
    stop : float
        ``time.monotonic()`` at which to give up.

    Returns
    -------
    table : array or None
        Whole where the cells are counts; None if none was found in time or within the branches that a program may
        take, or if none has a largest gain.
    most : float
        No table has a larger gain.

    Raises
    ------
    DisclosureError
        If there is no table at all.
    """
    # More than any caller waits for: the solver takes no infinity.
    left = min(max(stop - time.monotonic(), 0.01), 1e7)
    result = optimize.milp(
        -gain,
        integrality=part.integer.astype(int),
        bounds=optimize.Bounds(part.lower, part.upper),
        constraints=optimize.LinearConstraint(part.matrix, part.rest, part.rest),
        options={"mip_rel_gap": 0.0, "node_limit": _BRANCHES, "time_limit": left},
    )
    if result.status == _INFEASIBLE:
        raise DisclosureError("No table agrees with what is published. Check that no table was changed.")
    if result.status == _UNBOUNDED or result.x is None:
        return None, np.inf
    most = -result.fun if result.mip_dual_bound is None else -result.mip_dual_bound
    table: Values = np.where(part.integer, np.round(result.x), result.x)
    holds = np.abs(part.matrix @ table - part.rest).max(initial=0.0) < _SLACK
    return (table if holds else None), float(most)


#: Weight of the ridge that makes the least-squares system solvable, and what counts as zero after the projections.
_RIDGE, _ZERO = 1e-6, 1e-6
_SEED = 20180615


def zeros_known(system: CellSystem, published: Mask) -> Mask:
    """Cells known to be zero: counts are never negative, so sums that leave nothing over leave nothing to each.

    Parameters
    ----------
    system : CellSystem
    published : bool array

    Returns
    -------
    bool array
        Cells that are not published but known to be zero, by single sums taken one after the other.
    """
    matrix, size = system.matrix, abs(system.matrix)
    totals = matrix > 0
    known, zero = published.copy(), np.zeros_like(published)
    while True:
        open_cells = ~known
        unknown = size @ open_cells.astype(float)
        left = matrix @ np.where(known, system.values, 0.0)
        total_known = (totals @ open_cells.astype(float)) == 0
        nothing_left = (unknown > 0) & total_known & (np.abs(left) < _ZERO)
        zeros = open_cells & (size.T @ nothing_left.astype(float) > 0)
        alone = open_cells & (size.T @ (unknown == 1).astype(float) > 0)
        if not (zeros | alone).any():
            return zero
        zero |= zeros
        known |= zeros | alone


class Projection:
    """The linear system of the cells that are not known: which of them have only one solution, and why.

    A cell is determined if every vector of the null space of the sums is zero at it. Random vectors are projected on
    the null space with a sparse factorisation; a projection is zero at a determined cell, and at others with
    probability 0. Errors of rounding can only make a cell look determined, which costs a cell and reveals none.
    """

    def __init__(self, matrix: sparse.csr_array, known: Mask, around: Mask) -> None:
        """Factorise the sums over the cells that are not ``known``, as far as they hang together with ``around``."""
        self._known = known
        self._columns = _connected(matrix, np.flatnonzero(~known), around)
        part = sparse.csr_array(matrix[:, self._columns])
        rows = np.flatnonzero(np.diff(part.indptr))
        self._part = sparse.csr_array(part[rows])
        self._rest = sparse.csr_array(sparse.csr_array(matrix[rows])[:, np.flatnonzero(known)])
        gram = self._part.T @ self._part + _RIDGE * sparse.eye_array(len(self._columns))
        self._factor: SuperLU = splu(
            sparse.csc_array(gram), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )

    def determined(self) -> Mask:
        """Cells that are not known but have only one value that agrees with all sums."""
        vectors = np.random.default_rng(_SEED).standard_normal((len(self._columns), 3))
        for _ in range(3):
            vectors = _RIDGE * self._factor.solve(vectors)
        found = np.zeros_like(self._known)
        found[self._columns[np.abs(vectors).max(axis=1) < _ZERO]] = True
        return found

    def used_for(self, cells: NDArray[np.int64], published: Mask) -> NDArray[np.float64]:
        """Return how much each published cell weighs in the combination of sums from which a determined cell follows.

        Parameters
        ----------
        cells : int array
            Determined cells.
        published : bool array
            Of the known cells, those that could be hidden.

        Returns
        -------
        array, all cells x ``cells``
            Absolute weights, the largest of each combination 1. Where a cell follows in several ways this is their
            average of least norm: what all of them need weighs most.
        """
        units: Values = np.zeros((len(self._columns), len(cells)))
        units[np.searchsorted(self._columns, cells), np.arange(len(cells))] = 1.0
        combinations = np.abs(self._rest.T @ (self._part @ self._factor.solve(units)))
        combinations[~published[self._known]] = 0.0
        weights: Values = np.zeros((len(self._known), len(cells)))
        weights[self._known] = combinations / np.maximum(combinations.max(axis=0, initial=0.0), _ZERO)
        return weights


def _connected(matrix: sparse.csr_array, columns: NDArray[np.int64], around: Mask) -> NDArray[np.int64]:
    """Keep the cells that sums of unknown cells connect with any cell of ``around``."""
    component = connected(matrix[:, columns])
    kept = np.unique(component[around[columns]])
    return columns[np.isin(component, kept)]
