"""Rounding instead of hiding: small counts become 0 or the threshold, so that no union of cells is smaller."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbanalytics.disclosure.policy import Policy
from nbanalytics.errors import DisclosureError


def round_small(counts: NDArray[np.int64], rng: np.random.Generator, policy: Policy | None = None) -> NDArray[np.int64]:
    """Round the small counts of a full cross-tabulation to 0 or ``min_cell``, without bias.

    Parameters
    ----------
    counts : int array
        Students at every crossing of the dimensions, without any totals: each student in exactly one cell.
    rng : Generator
        Decides which small cells become 0; a secret of whoever publishes.
    policy : Policy, optional
        Gives ``min_cell``.

    Returns
    -------
    int array
        Of the same shape. Counts of 0 and of ``min_cell`` or more are as they were. Totals are to be added up from
        it: then all tables agree, and every union of cells, every complement and every difference between two
        nested ones is 0 or at least ``min_cell``.

    Raises
    ------
    DisclosureError
        If a count is negative or no whole number.

    Notes
    -----
    A count c below m = ``min_cell`` becomes m with probability c / m, by systematic sampling along the cells in their
    order: the expected value of every cell and of every total is the true one. The standard deviation of a cell is
    sqrt(c (m - c)), at most m / 2. Any run of neighbouring cells, so each total over all but the leading dimensions
    and the grand total, is off by less than m; other totals over k small cells by at most m sqrt(k) / 2 in standard
    deviation. A zero that was rounded is not told from a true one, nor m from 1. What has many crossings with a single
    student is not fit for it: nearly all of it would be noise.

    Examples
    --------
    >>> round_small(np.array([[7, 2], [0, 3]]), np.random.default_rng(1)).sum(axis=1)
    array([7, 5])
    """
    least = (policy or Policy()).min_cell
    counts = np.asarray(counts)
    if not np.issubdtype(counts.dtype, np.integer) or (counts < 0).any():
        raise DisclosureError("Only whole numbers of students, 0 or more, can be rounded. Give counts without totals.")
    small = counts < least
    # Whole steps of the running sum are where a cell is rounded up; integers, so that nothing is lost on the way.
    steps = np.cumsum(counts[small])
    start = rng.integers(least)
    up = np.diff((steps + start) // least, prepend=start // least) > 0
    rounded: NDArray[np.int64] = counts.astype(np.int64)
    rounded[small] = np.where(up, least, 0)
    return rounded
