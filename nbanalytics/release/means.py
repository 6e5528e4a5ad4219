"""Mean grade points and mean merit values, where enough students are behind them and nothing can be subtracted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.disclosure import Policy, SystemBuilder, protect
from nbanalytics.disclosure.cells import Ids, Mask
from nbanalytics.release.cube import count, stars, to_rows
from nbanalytics.release.links import Cubes
from nbanalytics.release.model import NOT_APPLICABLE, OK, SUPPRESSED
from nbanalytics.release.persons import Persons
from nbanalytics.release.tables import STAR_WEIGHT

#: Measures, the columns they are means of, and the decimals they are given with.
MEASURES = {"mean_points": ("points", 2), "mean_merit": ("merit", 1)}


def mean_rows(persons: Persons, cubes: Cubes, hidden: Mask, policy: Policy) -> dict[tuple[str, str], pd.DataFrame]:
    """Make the rows of the means.

    A mean and its number of students are a sum, and sums add up over the filters: each measure and year is
    a table of sums of its own, in which a mean of fewer than ``min_group`` students is hidden, and others with it
    until no hidden sum follows from those shown. The number of students is taken to be known even where it is hidden.

    Returns
    -------
    dict
        ``("points", measure)``: the dimensions, ``measure, value, status``.
    """
    students = cubes["points", "students"]
    nobody = (students.counts == 0) & ~np.where(students.ids >= 0, hidden[students.ids], True)
    made = {}
    for measure, (stem, decimals) in MEASURES.items():
        means = [_means(persons, f"{stem}_{end}", students.declared[..., 0], policy) for end in ("start", "end")]
        values, concealed = (np.stack(part, axis=-1) for part in zip(*means, strict=True))
        shown = ~concealed & ~nobody
        status = np.where(nobody, NOT_APPLICABLE, np.where(shown, OK, SUPPRESSED))
        declared = students.declared
        made["points", measure] = to_rows(students).assign(
            measure=measure, value=np.where(shown, values.round(decimals), np.nan)[declared], status=status[declared]
        )
    return made


def _means(persons: Persons, column: str, declared: Mask, policy: Policy) -> tuple[NDArray[Any], Mask]:
    """Means of a column at every selection of the filters, and which of them to hide."""
    table = persons.table[persons.table["group"].notna() & persons.table[column].notna()]
    n = count(table, persons.filters)
    sums = count(table, persons.filters, weights=column)
    few = (n < policy.min_group) & (count(persons.table[persons.table["group"].notna()], persons.filters) > 0)
    builder = SystemBuilder()
    costs = n * STAR_WEIGHT ** stars(persons.filters).astype(float)
    ids: Ids = builder.add_cells(sums, declared, primary=few, guarded=few, costs=costs)
    for number, axis in enumerate(persons.filters):
        if axis.values:
            builder.add_margins(ids, number)
    hidden = protect(builder.build()).hidden
    concealed = np.where(ids >= 0, hidden[ids], True) | (n == 0)
    return np.divide(sums, n, out=np.full(n.shape, np.nan), where=n > 0), concealed
