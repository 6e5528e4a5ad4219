"""Rounding instead of hiding: a few students, drawn so that they resemble all, stand for everybody."""

from __future__ import annotations

import numpy as np

from nbanalytics.disclosure.cells import Mask, Values
from nbanalytics.errors import DisclosureError

#: Distance from 0 and 1 at which a student's chance counts as settled.
_SETTLED = 1e-9


def draw_alike(likeness: Values, one_in: int, rng: np.random.Generator) -> Mask:
    """Draw one in so many students, at random and such that the drawn resemble all.

    Counted ``one_in`` times each, the drawn give every count of the students without bias, as a multiple of
    ``one_in``; so every union of cells, every complement and every difference of nested ones is 0 or at least that,
    and all sums hold.

    Parameters
    ----------
    likeness : array, students x students
        How much each two have in common: the inner products of what is to be balanced. Symmetric, without negative
        eigenvalues; the scale matters beside 1, what a student has alone.
    one_in : int
        Each student is drawn with the chance ``1 / one_in``.
    rng : Generator
        Decides who is drawn: a secret of the publisher.

    Returns
    -------
    bool array
        Who is drawn.

    Raises
    ------
    DisclosureError
        If ``likeness`` is not a square table of numbers, or ``one_in`` is below 2.

    Notes
    -----
    The Gram-Schmidt walk (Bansal, Dadush, Garg & Lovett 2018; Harshaw, Sävje, Spielman & Zhang 2024). All chances
    start at ``1 / one_in``. In each step the chance of one student moves up or down, and those of the others with it
    so that what is to be balanced changes as little as possible, until somebody's chance is 0 or 1. Up and down are
    drawn such that the expected step is 0: every student's chance to be drawn is exactly what it was, so the expected
    value of every count is the true one. It ends after as many steps as there are students, at most.

    Examples
    --------
    >>> alike = np.kron(np.eye(3), np.ones((10, 10)))  # three schools of ten
    >>> drawn = draw_alike(1000 * alike, 5, np.random.default_rng(1))
    >>> drawn.reshape(3, 10).sum(axis=1)
    array([2, 2, 2])
    """
    count = len(likeness)
    if likeness.shape != (count, count) or not np.isfinite(likeness).all() or one_in < 2:
        raise DisclosureError("A draw wants a square table of what students have in common, and one in 2 or more.")
    drawn = np.zeros(count, dtype=bool)
    open_ = rng.permutation(count)
    chance = np.full(count, 1 / one_in)
    # The inverse over the students still open: its columns are the directions, and it shrinks by one rank at a time.
    inverse = np.asarray(np.linalg.inv(likeness + np.eye(count))[np.ix_(open_, open_)], dtype=np.float64)
    while len(open_):
        direction = inverse[:, 0] / inverse[0, 0]
        up, down = _furthest(chance, direction), _furthest(chance, -direction)
        step = up if rng.random() * (up + down) < down else -down
        chance = chance + step * direction
        settled = np.isclose(chance, np.round(chance), rtol=0.0, atol=_SETTLED)
        drawn[open_] = settled & (np.round(chance) == 1)
        inverse = _without(inverse, settled)
        open_, chance = open_[~settled], chance[~settled]
    return drawn


def _furthest(chance: Values, direction: Values) -> float:
    """How far the chances can go before one of them is 0 or 1."""
    moving = ~np.isclose(direction, 0.0, atol=_SETTLED)
    chance, direction = chance[moving], direction[moving]
    return float(np.maximum((1 - chance) / direction, -chance / direction).min())


def _without(inverse: Values, gone: Mask) -> Values:
    """The inverse of a matrix without some of its rows and columns, of the inverse of the whole."""
    rest = inverse[~gone]
    across = rest[:, gone]
    block: Values = rest[:, ~gone] - across @ np.linalg.solve(inverse[gone][:, gone], across.T)
    return block
