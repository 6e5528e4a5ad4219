"""Counting: from one row per student to a complete table with all its totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.disclosure.cells import Ids, Mask
from nbanalytics.disclosure.primary import Counts
from nbanalytics.release.model import ALL


@dataclass(frozen=True)
class Axis:
    """A dimension of a table, or two that go together (from one stage to the next).

    Attributes
    ----------
    columns : tuple of str
        Names of the dimensions.
    values : tuple of tuple of str
        The places, one text for each column.
    total : bool
        Whether the table holds the total over the places, as the place ``*`` in front of the others.
    """

    columns: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    total: bool = False

    @classmethod
    def of(cls, name: str, values: Sequence[str], total: bool = False) -> Axis:
        """Make an axis of a single dimension."""
        return cls((name,), tuple((value,) for value in values), total)

    @property
    def places(self) -> tuple[tuple[str, ...], ...]:
        """All places, the total among them."""
        return ((ALL,) * len(self.columns), *self.values) if self.total else self.values

    def place(self, *values: str) -> int:
        """Return the number of a place."""
        return self.places.index(values)


@dataclass(frozen=True)
class Cube:
    """One measure of a table: a number at every crossing of its axes, of which some are declared.

    One that is not ``published`` is in no table of the release, but sums go through it.
    """

    table: str
    measure: str
    axes: tuple[Axis, ...]
    counts: Counts
    declared: Mask
    published: bool = True
    ids: Ids = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def at(self, array: NDArray[np.generic], **places: str) -> NDArray[np.generic]:
        """Take the part of an array shaped like the counts that lies at some places."""
        index = tuple(
            axis.place(*(places[column] for column in axis.columns)) if axis.columns[0] in places else slice(None)
            for axis in self.axes
        )
        return array[index]


def count(frame: pd.DataFrame, axes: Sequence[Axis], weights: str | None = None) -> NDArray[np.float64]:
    """Count rows, or add up a column, at every crossing of the axes, the totals included.

    Parameters
    ----------
    frame : DataFrame
        A column for each dimension; rows with a value outside an axis are left out of it and of its total.
    axes : sequence of Axis
    weights : str, optional
        The column to add up instead of counting rows.

    Returns
    -------
    array
        One dimension per axis, as long as its places.
    """
    shape = tuple(max(len(axis.values), int(axis.total)) for axis in axes)
    if 0 in shape:
        return np.zeros([len(axis.places) for axis in axes])
    kept = np.ones(len(frame), dtype=bool)
    codes = []
    for axis in axes:
        code = _codes(frame, axis)
        kept &= code >= 0
        codes.append(code)
    flat = np.ravel_multi_index([code[kept] for code in codes], shape)
    added = None if weights is None else frame[weights].to_numpy(dtype=float)[kept]
    result = np.bincount(flat, weights=added, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)
    for number, axis in enumerate(axes):
        if axis.total and axis.values:
            result = np.concatenate([result.sum(axis=number, keepdims=True), result], axis=number)
    return result


def _codes(frame: pd.DataFrame, axis: Axis) -> NDArray[np.int64]:
    if not axis.values:  # a dimension that the records do not have: there is only its total
        return np.zeros(len(frame), dtype=np.int64)
    if len(axis.columns) > 1:
        places = {value: number for number, value in enumerate(axis.values)}
        rows = zip(*(frame[column] for column in axis.columns), strict=True)
        return np.array([places.get(row, -1) for row in rows], dtype=np.int64)
    values = pd.Index([value for (value,) in axis.values])
    return values.get_indexer(pd.Index(frame[axis.columns[0]])).astype(np.int64)


def crossings(axes: Sequence[Axis], most: int) -> Mask:
    """Tell which crossings of some filters have at most so many that differ from ``*``."""
    shape = [len(axis.places) for axis in axes]
    crossed = np.zeros(shape, dtype=np.int64)
    for number, size in enumerate(shape):
        form = [1] * len(shape)
        form[number] = size
        crossed = crossed + (np.arange(size) > 0).reshape(form)
    return crossed <= most


def stars(axes: Sequence[Axis]) -> NDArray[np.int64]:
    """Count, at each crossing of some filters, those that are ``*``."""
    shape = [len(axis.places) for axis in axes]
    result = np.zeros(shape, dtype=np.int64)
    for number, size in enumerate(shape):
        form = [1] * len(shape)
        form[number] = size
        result = result + (np.arange(size) == 0).reshape(form)
    return result


def to_rows(cube: Cube) -> pd.DataFrame:
    """List the declared places of a cube: one row each, a column per dimension, in the order of the axes."""
    index = np.nonzero(cube.declared)
    data = {}
    for number, axis in enumerate(cube.axes):
        places = np.array(axis.places, dtype=object).reshape(-1, len(axis.columns))
        for which, column in enumerate(axis.columns):
            data[column] = places[index[number], which]
    return pd.DataFrame(data, dtype=object).assign(measure=cube.measure)
