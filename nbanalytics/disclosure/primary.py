"""Primary suppression: which counts must be hidden for what they say by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbanalytics.disclosure.cells import Mask
from nbanalytics.disclosure.policy import Policy

#: Leading axes of every table of counts: the filters.
FILTER_AXES = 4
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Line:
    """Counts of one population by an outcome.

    Attributes
    ----------
    total : int array
        The population's size at each cell, of a shape that broadcasts to the counts.
    axis : int, optional
        The axis of the outcome; without one, the outcome is the cell itself (lost, of those at risk).
    unfavourable : bool array, optional
        Which outcomes are unfavourable; of a shape that broadcasts to the counts.
    """

    total: Counts
    axis: int | None = None
    unfavourable: Mask | None = None


def primary(counts: Counts, groups: Sequence[Counts], lines: Sequence[Line], policy: Policy) -> tuple[Mask, Mask]:
    """Decide which counts are hidden, and which of them must not be guessed either.

    Parameters
    ----------
    counts : int array
        A table with its totals (a total stands at the first place of its axis).
    groups : sequence of int array
        Sizes of the groups that each count is said of; of shapes that broadcast to ``counts``.
    lines : sequence of Line
        Within which totals each count is an outcome.
    policy : Policy
        Thresholds.

    Returns
    -------
    hidden, guarded : bool arrays
        Hidden is: everything said of a group of 1 to ``min_group`` - 1, zeros too; an outcome of 1 to ``min_cell`` - 1;
        an outcome that leaves 1 to ``min_cell`` - 1 outside it; every outcome of a group whose members all share
        unfavourable ones. A zero is shown otherwise: nobody stands behind it, and what it says of the others is
        the matter of their own cells. Guarded are the hidden ones that are not zero; and, of a group whose members all
        share unfavourable outcomes, the zero of the most common favourable one: while that is open, it is not known
        that they all do.
    """
    small = np.zeros(counts.shape, dtype=bool)
    for size in groups:
        small |= (size > 0) & (size < policy.min_group)
    few = (counts > 0) & (counts < policy.min_cell)
    shared, guarded = np.zeros(counts.shape, dtype=bool), counts > 0
    for line in lines:
        outside = line.total - counts
        few |= (outside > 0) & (outside < policy.min_cell)
        together = _shared(counts, line)
        shared |= together
        guarded |= together & _favourite(counts, line)
    hidden = small | few | shared
    return hidden, hidden & guarded


def _shared(counts: Counts, line: Line) -> Mask:
    """Outcomes of populations whose members all share unfavourable outcomes."""
    if line.unfavourable is None:
        return np.zeros(counts.shape, dtype=bool)
    if line.axis is None:
        return np.broadcast_to(line.unfavourable & (line.total > 0) & (counts == line.total), counts.shape)
    together = (counts * line.unfavourable).sum(axis=line.axis, keepdims=True)
    total = np.broadcast_to(line.total, together.shape)
    return np.broadcast_to((total > 0) & (together == total), counts.shape)


def _favourite(counts: Counts, line: Line) -> Mask:
    """Mark the favourable outcome that most students have, whatever the filters."""
    if line.unfavourable is None or line.axis is None:
        return np.zeros(counts.shape, dtype=bool)
    filters = tuple(range(FILTER_AXES))
    size = np.where(line.unfavourable, -np.inf, counts).max(axis=filters)
    # The position of the total is not an outcome; it is recognised by being as large as all others together.
    size[size == np.broadcast_to(line.total, counts.shape).max(axis=filters)] = -np.inf
    favourite, axis = np.zeros(size.shape, dtype=bool), line.axis - FILTER_AXES
    np.put_along_axis(favourite, size.argmax(axis=axis, keepdims=True), True, axis)
    return np.broadcast_to(favourite, counts.shape)
