"""Means (grade points, merit values, absence), where enough students are behind them and nothing can be subtracted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.disclosure import Policy, SystemBuilder, protect_sums
from nbanalytics.disclosure.cells import Ids, Mask
from nbanalytics.release.cube import count, stars, to_rows
from nbanalytics.release.declared import Declared
from nbanalytics.release.links import Cubes
from nbanalytics.release.model import NOT_APPLICABLE, OK, SUPPRESSED
from nbanalytics.release.persons import Persons
from nbanalytics.release.tables import STAR_WEIGHT

#: Grades in a merit value: the 16 best and the modern language.
_MERIT_GRADES = 17


@dataclass(frozen=True)
class _Mean:
    """A measure: the columns it is the mean of (one for each year or term), students, decimals and largest value."""

    table: str
    measure: str
    columns: tuple[str, ...]
    students: pd.DataFrame
    decimals: int
    largest: float


def mean_rows(
    persons: Persons, cubes: Cubes, hidden: Mask, policy: Policy, contents: Declared
) -> dict[tuple[str, str], pd.DataFrame]:
    """Make the rows of the means.

    A mean and its number of students are a sum, and sums add up over the filters: each measure and year is
    a table of sums of its own, in which a mean of fewer than ``min_group`` students is hidden, and others with it:
    for each hidden sum there are other sums that agree with all shown ones, none below 0 or beyond what its students
    can have, in which that mean is off by a tenth of its range or more. The number of students is taken to be known
    even where it is hidden.

    Returns
    -------
    dict
        By table and measure: the dimensions, ``measure, value, status``.
    """
    made = {}
    for mean in _means(persons):
        if not contents.has(mean.table, mean.measure):
            continue
        behind = cubes[mean.table, "students"]
        declared = behind.declared
        nobody = (behind.counts == 0) & ~np.where(behind.ids >= 0, hidden[behind.ids], True)
        columns = [_protected(mean, column, persons, declared[..., 0], policy) for column in mean.columns]
        values, concealed = (np.stack(part, axis=-1) for part in zip(*columns, strict=True))
        shown = ~concealed & ~nobody
        status = np.where(nobody, NOT_APPLICABLE, np.where(shown, OK, SUPPRESSED))
        rounded = np.where(shown, values.round(mean.decimals), np.nan)
        rows = to_rows(behind).assign(measure=mean.measure, value=rounded[declared], status=status[declared])
        made[mean.table, mean.measure] = rows
    return made


def _means(persons: Persons) -> Iterator[_Mean]:
    followed = persons.table[persons.table["group"].notna()]
    merit = _MERIT_GRADES * persons.highest
    for measure, stem, decimals, largest in (
        ("mean_points", "points", 2, persons.highest),
        ("mean_merit", "merit", 1, merit),
    ):
        yield _Mean("points", measure, (f"{stem}_start", f"{stem}_end"), followed, decimals, largest)
    if persons.has_absence:
        columns = tuple(f"absence_{term}" for term in persons.baseline_terms)
        yield _Mean("absence", "mean_absence", columns, persons.table, 1, 100.0)


def _protected(mean: _Mean, column: str, persons: Persons, declared: Mask, policy: Policy) -> tuple[NDArray[Any], Mask]:
    """Means of a column at every selection of the filters, and which of them to hide."""
    students = mean.students
    table = students[students[column].notna()]
    n = count(table, persons.filters)
    sums = count(table, persons.filters, weights=column)
    few = (n < policy.min_group) & (count(students, persons.filters) > 0)
    builder = SystemBuilder()
    costs = n * STAR_WEIGHT ** stars(persons.filters).astype(float)
    # Where nobody has a value, there is nothing to be told.
    ids: Ids = builder.add_cells(sums, declared, primary=few, guarded=few & (n > 0), costs=costs)
    for number, axis in enumerate(persons.filters):
        if axis.values:
            builder.add_margins(ids, number)
    system = builder.build()
    hidden = protect_sums(system, mean.largest * n[declared]).hidden
    concealed = np.where(ids >= 0, hidden[ids], True) | (n == 0)
    return np.divide(sums, n, out=np.full(n.shape, np.nan), where=n > 0), concealed
