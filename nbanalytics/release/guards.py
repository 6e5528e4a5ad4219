"""What no cell shows and still must not be known: few students outside an outcome, few left over of a selection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.disclosure import Policy, SystemBuilder, protect_sums
from nbanalytics.disclosure.cells import Ids, Mask, Values
from nbanalytics.release.cube import Cube, count, stars, to_rows
from nbanalytics.release.declared import Declared
from nbanalytics.release.links import Cubes, Link, Term, ids_at
from nbanalytics.release.model import FILTERS, NOT_APPLICABLE, OK, SUPPRESSED
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
    # Where nobody has a value, nothing can be disclosed.
    ids: Ids = builder.add_cells(sums, declared, primary=few, guarded=few & (n > 0), costs=costs)
    for number, axis in enumerate(persons.filters):
        if axis.values:
            builder.add_margins(ids, number)
    system = builder.build()
    hidden = protect_sums(system, mean.largest * n[declared]).hidden
    concealed = np.where(ids >= 0, hidden[ids], True) | (n == 0)
    return np.divide(sums, n, out=np.full(n.shape, np.nan), where=n > 0), concealed


def guard_complements(builder: SystemBuilder, cubes: Cubes, links: Sequence[Link], policy: Policy) -> None:
    """Add to a system the students outside an outcome, where they are few: nobody must know that they are few.

    Parameters
    ----------
    builder : SystemBuilder
        With all cells of ``cubes`` numbered.
    cubes, links
        The counts, and the sums between tables.
    policy : Policy
    """
    values = _values(cubes)
    for totals, parts in _outcomes(cubes, links):
        there = (totals >= 0) & (parts >= 0)
        outside = np.where(there, values[totals] - values[parts], 0)
        few = there & (outside > 0) & (outside < policy.min_cell)
        ids = builder.add_cells(outside, few, guarded=few, virtual=True)
        whole = np.where(few, totals, -1)
        builder.add_sums(whole, [parts, ids])


def guard_others(builder: SystemBuilder, cubes: Cubes) -> None:
    """Add the students outside an outcome that all share: nobody must know that there are none.

    That is those at risk who did not lose, and those who lost by other subjects; of other outcomes the sums say so.
    """
    values = _values(cubes)
    pairs = list(_subjects(cubes))
    if ("droppoints", "at_risk") in cubes and ("droppoints", "lost") in cubes:
        pairs.append((cubes["droppoints", "at_risk"].ids, cubes["droppoints", "lost"].ids))
    for totals, parts in pairs:
        none = (totals >= 0) & (parts >= 0) & (values[parts] > 0) & (values[totals] == values[parts])
        ids = builder.add_cells(np.zeros(none.shape), none, guarded=none, virtual=True)
        builder.add_sums(np.where(none, totals, -1), [parts, ids])


def _values(cubes: Cubes) -> Values:
    """Counts by the number of their cell."""
    values = np.zeros(1 + max(int(cube.ids.max(initial=-1)) for cube in cubes.values()))
    for cube in cubes.values():
        values[cube.ids[cube.declared]] = cube.counts[cube.declared]
    return values


def _outcomes(cubes: Cubes, links: Sequence[Link]) -> Iterator[tuple[Ids, Ids]]:
    """Cells with the size of a population, and cells with an outcome of it, of the same shape."""
    for cube in cubes.values():
        for number in range(len(FILTERS), len(cube.axes)):
            if cube.published and cube.axes[number].total:
                moved = np.moveaxis(cube.ids, number, 0)
                yield np.broadcast_to(moved[0], moved[1:].shape), moved[1:]
    for link in links:
        if len(link.parts) > 1 and all(cubes[term.table, term.measure].published for term in (link.total, *link.parts)):
            parts = np.stack([ids_at(cubes, part) for part in link.parts])
            yield np.broadcast_to(ids_at(cubes, link.total), parts.shape), parts
    yield from _subjects(cubes)


def _subjects(cubes: Cubes) -> Iterator[tuple[Ids, Ids]]:
    """Subjects among those who lost in a term; a student may have several, so they do not add up."""
    if ("lost_subjects", "students") not in cubes or ("droppoints", "lost") not in cubes:
        return
    subjects = cubes["lost_subjects", "students"]
    for (term,) in subjects.axes[len(FILTERS)].values:
        parts = np.moveaxis(subjects.at(subjects.ids, term=term), -1, 0)
        totals = ids_at(cubes, Term("droppoints", "lost", {"term": term}))
        yield np.broadcast_to(totals, parts.shape), np.asarray(parts, dtype=np.int64)


def loose_unions(cubes: Cubes, hidden: Mask, policy: Policy) -> Ids:
    """Find what else to hide so that no few students are left over when the shown parts of a selection are taken away.

    "3 in the two other schools together" says it of a group that no filter gives, but that everybody knows.

    Returns
    -------
    int array
        For each such sum the smallest shown part that makes enough of them together, else the total.
    """
    found = [
        _more_to_hide(cube, number, hidden, policy)
        for cube in cubes.values()
        if cube.published
        for number in range(len(FILTERS))
        if cube.axes[number].values
    ]
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)


def _more_to_hide(cube: Cube, number: int, hidden: Mask, policy: Policy) -> Ids:
    ids, counts = (np.moveaxis(array, number, 0).reshape(len(cube.axes[number].places), -1) for array in
                   (cube.ids, cube.counts))  # fmt: skip
    closed = np.where(ids >= 0, hidden[ids], False)
    left = (counts[1:] * closed[1:]).sum(axis=0)
    there = (ids >= 0).all(axis=0) & ~closed[0] & (closed[1:].sum(axis=0) > 1)
    loose = np.flatnonzero(there & (left > 0) & (left < policy.min_cell))
    chosen = []
    for line in loose:
        enough = np.flatnonzero(
            ~closed[1:, line] & (counts[1:, line] + left[line] >= policy.min_cell) & (counts[1:, line] > 0)
        )
        place = 1 + enough[np.argmin(counts[1 + enough, line])] if len(enough) else 0
        chosen.append(ids[place, line])
    return np.array(chosen, dtype=np.int64)
