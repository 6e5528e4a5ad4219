"""Intervals from single sums: what the sums say of each cell, one sum at a time, until they say no more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbanalytics.disclosure.cells import Mask, Values

#: What counts as equal; a bound of a count may be this far from a whole number.
TOLERANCE = 1e-6
#: Sums of counts settle in a few rounds; those of other numbers may creep on for ever.
_ROUNDS = 100


def propagate(matrix: sparse.csr_array, lower: Values, upper: Values, integer: Mask) -> tuple[Values, Values]:
    """Narrow the interval of each cell by every sum it is in, over and over.

    Parameters
    ----------
    matrix : sparse array, sums x cells
        Every row times the cells is 0.
    lower, upper : array
        What is known of each cell; infinite where nothing is.
    integer : bool array
        Cells that are whole numbers.

    Returns
    -------
    lower, upper : arrays
        Each table that agrees with the sums and the given intervals lies within them.
    """
    lower, upper = lower.copy(), upper.copy()
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    cells, signs = matrix.indices, matrix.data
    order = np.argsort(cells, kind="stable")
    starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
    touched = cells[order][starts]
    for _ in range(_ROUNDS if len(touched) else 0):
        least, most = np.where(signs > 0, lower[cells], -upper[cells]), np.where(signs > 0, upper[cells], -lower[cells])
        # A cell with its sign is what the others of its sum leave over.
        high, low = -_others(least, rows, -np.inf), -_others(most, rows, np.inf)
        new_lower = np.maximum.reduceat(np.where(signs > 0, low, -high)[order], starts)
        new_upper = np.minimum.reduceat(np.where(signs > 0, high, -low)[order], starts)
        whole = integer[touched]
        new_lower = np.where(whole, np.ceil(new_lower - TOLERANCE), new_lower)
        new_upper = np.where(whole, np.floor(new_upper + TOLERANCE), new_upper)
        raised, lowered = new_lower > lower[touched] + TOLERANCE, new_upper < upper[touched] - TOLERANCE
        if not (raised | lowered).any():
            break
        lower[touched[raised]] = new_lower[raised]
        upper[touched[lowered]] = new_upper[lowered]
    return lower, upper


def _others(entries: NDArray[np.float64], rows: NDArray[np.int64], endless_sum: float) -> NDArray[np.float64]:
    """Add up, for each entry, the other entries of its row; ``endless_sum`` if one of them is infinite."""
    endless = np.isinf(entries)
    finite = np.where(endless, 0.0, entries)
    sums = np.bincount(rows, weights=finite)[rows] - finite
    others_endless = np.bincount(rows, weights=endless)[rows] - endless
    return np.where(others_endless > 0, endless_sum, sums)
