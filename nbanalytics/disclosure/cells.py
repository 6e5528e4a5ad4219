"""Cells and the sums that bind them: all that a suppression engine, or an attacker, has to know of a release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from nbanalytics.errors import DisclosureError

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ids = NDArray[np.int64]


class Equation(NamedTuple):
    """One sum: the cell ``total`` equals the cells ``parts`` together."""

    total: int
    parts: tuple[int, ...]


def connected(matrix: sparse.csr_array | sparse.csc_array) -> Ids:
    """Number cells so that those that sums connect have the same number.

    Parameters
    ----------
    matrix : sparse array, sums x cells

    Returns
    -------
    int array
        A number for each cell; they rise with the first cell of each set.

    Examples
    --------
    >>> connected(sparse.csr_array([[1, 0, -1, 0], [0, 0, 0, 1]]))
    array([0, 1, 0, 2])
    """
    entries, sums = sparse.coo_array(matrix), matrix.shape[0]
    size = sums + matrix.shape[1]
    # Sums and cells are the two sides of a graph: its size is that of the matrix, not of its square.
    graph = sparse.coo_array(
        (np.ones(len(entries.row), dtype=np.int8), (entries.row, sums + entries.col)), (size, size)
    )
    number = connected_components(graph, directed=False)[1][sums:]
    _, first, inverse = np.unique(number, return_index=True, return_inverse=True)
    rank: Ids = np.argsort(np.argsort(first, kind="stable"), kind="stable")
    return rank[inverse]


def sets_of(numbers: Ids) -> list[Ids]:
    """Return the places of each number, in the order of the numbers."""
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1) if len(numbers) else []


@dataclass(frozen=True)
class CellSystem:
    """Cells by number, and the sums between them, over all tables of a release.

    Attributes
    ----------
    values : array
        True values; never negative.
    primary : bool array
        Cells that must be hidden by themselves.
    guarded : bool array
        Cells whose value must not follow from what is published: the primary ones but for harmless zeros.
    virtual : bool array
        Cells that no table shows but that sums go through.
    costs : array
        What is lost when a cell is hidden; the engine hides the cheapest.
    thresholds : array
        What a guarded cell below it must be able to reach, in another table; ``nan`` for the smallest outcome of
        the policy.
    matrix : sparse array, sums x cells
        1 for the total, -1 for each part: ``matrix @ values == 0``.
    """

    values: Values
    primary: Mask
    guarded: Mask
    virtual: Mask
    costs: Values
    thresholds: Values
    matrix: sparse.csr_array

    @cached_property
    def counts_only(self) -> bool:
        """Whether all cells are whole numbers; sums of grade points and the like are not."""
        return bool((self.values == np.round(self.values)).all())

    @cached_property
    def equations(self) -> tuple[Equation, ...]:
        """The sums, one by one, for checkers that want them spelled out."""
        found = []
        for row in range(self.matrix.shape[0]):
            start, stop = self.matrix.indptr[row], self.matrix.indptr[row + 1]
            columns, signs = self.matrix.indices[start:stop], self.matrix.data[start:stop]
            parts = tuple(int(cell) for cell in columns[signs < 0])
            found.append(Equation(int(columns[signs > 0][0]), parts))
        return tuple(found)


@dataclass
class SystemBuilder:
    """Collects cells and sums table by table."""

    _blocks: list[dict[str, NDArray[np.generic]]] = field(default_factory=list)
    _sums: list[tuple[Ids, Ids]] = field(default_factory=list)
    _size: int = 0

    def add_cells(
        self,
        values: NDArray[np.generic],
        declared: Mask,
        primary: Mask | None = None,
        guarded: Mask | None = None,
        costs: Values | None = None,
        thresholds: Values | None = None,
        virtual: bool = False,
    ) -> Ids:
        """Number the declared cells of a table.

        Returns
        -------
        int array, shaped like ``values``
            Cell numbers; -1 where no cell is declared.
        """
        none = np.zeros(values.shape, dtype=bool)
        block = {
            "values": values.astype(np.float64),
            "primary": none if primary is None else primary,
            "guarded": none if guarded is None else guarded,
            "costs": values.astype(np.float64) if costs is None else costs,
            "thresholds": np.full(values.shape, np.nan) if thresholds is None else thresholds,
            "virtual": np.full(values.shape, virtual),
        }
        ids = np.full(values.shape, -1, dtype=np.int64)
        ids[declared] = self._size + np.arange(int(declared.sum()))
        self._size += int(declared.sum())
        self._blocks.append({name: array[declared] for name, array in block.items()})
        return ids

    def add_margins(self, ids: Ids, axis: int) -> None:
        """Add the sums along an axis whose first place is the total of the others."""
        moved = np.moveaxis(ids, axis, 0)
        self.add_sums(moved[0], moved[1:])

    def add_sums(self, totals: Ids, parts: Ids | Sequence[Ids]) -> None:
        """Add one sum for each place of ``totals``; ``parts`` has one more axis, in front. -1 means no cell."""
        stacked = np.asarray(parts, dtype=np.int64).reshape(len(parts), -1)
        flat = totals.reshape(-1)
        there = (flat >= 0) & (stacked >= 0).any(axis=0)
        self._sums.append((flat[there], stacked[:, there]))

    def build(self) -> CellSystem:
        """Put cells and sums together.

        Raises
        ------
        DisclosureError
            If a sum does not hold: a table that does not add up cannot be protected.
        """
        joined = {name: np.concatenate([block[name] for block in self._blocks]) for name in self._blocks[0]}
        matrix = self._matrix()
        off = np.abs(matrix @ joined["values"]) > 1e-6
        if off.any():
            raise DisclosureError(
                f"{int(off.sum())} of {matrix.shape[0]} sums of the tables do not add up, so nothing can be protected "
                "or published. Check that each student is in each table once."
            )
        return CellSystem(matrix=matrix, **joined)

    def _matrix(self) -> sparse.csr_array:
        rows, columns, signs, count = [], [], [], 0
        for totals, parts in self._sums:
            number = count + np.arange(len(totals))
            count += len(totals)
            place, which = np.nonzero(parts >= 0)
            rows += [number, number[which]]
            columns += [totals, parts[place, which]]
            signs += [np.ones(len(totals)), -np.ones(len(which))]
        if not rows:
            return sparse.csr_array((0, self._size))
        entries = (np.concatenate(signs), (np.concatenate(rows), np.concatenate(columns)))
        return sparse.csr_array(sparse.coo_array(entries, shape=(count, self._size)))
