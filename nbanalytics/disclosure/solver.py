"""The integer programs behind the attack and the engine, solved by HiGHS."""

from __future__ import annotations

import time

import numpy as np
from scipy import optimize

from nbanalytics.disclosure.cells import Values
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
