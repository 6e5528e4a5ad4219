"""Growth models: the distribution of a later score among students who stood where a student stood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline
from scipy.optimize import linprog

from nbanalytics.errors import DataError

Floats = NDArray[np.float64]
#: The quantiles that are fitted: .005, .015, ... .995.
QUANTILES = (np.arange(100) + 0.5) / 100
_KNOTS, _WIDER, _DEGREE = (0.2, 0.4, 0.6, 0.8), 0.1, 3
_MOST_PRIORS = 3
_PER_COLUMN = 20  # students for each coefficient: with fewer the outer quantiles follow single students
_DECIMALS = 5
_ROWS = 20_000  # predicted at a time, so that memory does not grow with the students
_SAMPLE = 4_000  # students of whom the first median is found


@dataclass(frozen=True)
class GrowthModel:
    """Conditional quantiles of a score given one to three earlier scores.

    Attributes
    ----------
    knots : tuple of arrays
        The spline of each prior: its knots with the boundaries repeated.
    coefficients : array, shape (100, columns)
        Of each quantile.
    students : int
        Students that the model was fitted to.
    """

    knots: tuple[Floats, ...]
    coefficients: Floats
    students: int

    def scores(self, priors: ArrayLike) -> Floats:
        """Predict the score at each quantile, in order, for students with these priors; shape (students, 100).

        A prior outside the boundaries of the spline counts as the boundary.
        """
        found = np.empty((len(np.asarray(priors)), len(QUANTILES)))
        for rows, part in self._parts(priors):
            found[rows] = part
        return found

    def below(self, priors: ArrayLike, score: ArrayLike) -> NDArray[np.int64]:
        """Count the predictions below a score: 0 (all others scored as much or more) to 100 (nobody did).

        Parameters
        ----------
        priors : array, shape (students,) or (students, priors)
            The earliest first, as the model was fitted.
        score : array, shape (students,), or one number
        """
        asked = np.broadcast_to(np.asarray(score, dtype=np.float64), len(np.asarray(priors)))
        found = np.empty(len(asked), dtype=np.int64)
        for rows, part in self._parts(priors):
            found[rows] = (part < asked[rows, None]).sum(axis=1)
        return found

    def percentiles(self, priors: ArrayLike, score: ArrayLike) -> NDArray[np.int64]:
        """Growth percentiles, 1 to 99: the percentage of comparable students whom a student's score exceeds.

        Examples
        --------
        >>> prior = np.linspace(5, 20, 200)
        >>> later = prior + np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], 40)
        >>> fit_growth(prior, later).percentiles([8.0, 16.0], [10.0, 14.5]).tolist()
        [84, 20]
        """
        return np.clip(self.below(priors, score), 1, 99)

    def _parts(self, priors: ArrayLike) -> Iterator[tuple[slice, Floats]]:
        table = _columns(priors)
        if table.shape[1] != len(self.knots):
            raise DataError(
                f"The model compares by {len(self.knots)} earlier scores, and {table.shape[1]} are given",
                "Give the scores that it was fitted with.",
            )
        for start in range(0, len(table), _ROWS):
            rows = slice(start, min(start + _ROWS, len(table)))
            predicted = _design(table[rows], self.knots) @ self.coefficients.T
            yield rows, np.sort(np.round(predicted, _DECIMALS), axis=1)


def fit_growth(priors: ArrayLike, score: ArrayLike) -> GrowthModel:
    """Fit the distribution of a score given one to three earlier ones, by the recipe of R's SGP.

    Parameters
    ----------
    priors : array, shape (students,) or (students, priors)
        Earlier scores on a fine scale, such as mean grade points, merit values or points of tests; nothing missing.
    score : array, shape (students,)
        The later score.

    Returns
    -------
    GrowthModel
        For these students, or as the fixed baseline of later ones.

    Raises
    ------
    DataError
        If there are too few students, a score is missing, or a prior or the score is the same for all.

    Notes
    -----
    Cubic B-splines of each prior with knots at its 20th, 40th, 60th and 80th percentile and boundaries a tenth of the
    range further out; a linear quantile regression (Koenker and Bassett 1978, Econometrica 46: 33-50) for each of 100
    quantiles; the predictions of a student are sorted and rounded to five decimals (Betebenner 2009, Educational
    Measurement 28: 42-51; Betebenner et al., R package SGP). Each regression is solved exactly as a linear program over
    the students near the quantile, the others being held on their side of it, which is then checked for all students
    (Portnoy and Koenker 1997, Statistical Science 12: 279-300; Chernozhukov, Fernández-Val and Melly 2022,
    Empirical Economics 62: 7-33).

    Examples
    --------
    >>> prior = np.linspace(5, 20, 200)
    >>> model = fit_growth(prior, prior + np.tile([-1.0, 1.0], 100))
    >>> model.scores([10.0])[0, [10, 90]].round(2).tolist()
    [9.0, 11.0]
    """
    table, y = _columns(priors), np.asarray(score, dtype=np.float64)
    _refuse(table, y)
    knots = tuple(_knots(table[:, number]) for number in range(table.shape[1]))
    design = _design(table, knots)
    if len(y) < (least := _PER_COLUMN * design.shape[1]):
        raise DataError(
            f"A growth model of {table.shape[1]} earlier scores needs {least} students, and there are {len(y)}",
            "Take several cohorts together, fewer earlier scores, or a model of other students as the baseline.",
        )
    rows = pd.DataFrame(np.column_stack([table, y])).groupby(list(range(table.shape[1] + 1)), sort=True).size()
    distinct = rows.index.to_frame().to_numpy()
    weights = rows.to_numpy().astype(np.float64)
    return GrowthModel(knots, _quantile_process(_design(distinct[:, :-1], knots), distinct[:, -1], weights), len(y))


def _columns(priors: ArrayLike) -> Floats:
    table = np.asarray(priors, dtype=np.float64)
    return table[:, None] if table.ndim == 1 else table


def _refuse(table: Floats, y: Floats) -> None:
    if not 1 <= table.shape[1] <= _MOST_PRIORS:
        raise DataError(f"{table.shape[1]} earlier scores are given", f"Give one to {_MOST_PRIORS}.")
    if len(table) != len(y):
        raise DataError(f"There are {len(table)} earlier and {len(y)} later scores", "Give both for each student.")
    missing = int((~np.isfinite(np.column_stack([table, y]))).any(axis=1).sum())
    if missing:
        raise DataError(f"{missing} of {len(y)} students lack a score", "Leave them out.")
    for name, values in [*((f"Earlier score {n + 1}", table[:, n]) for n in range(table.shape[1])), ("The score", y)]:
        if len(values) and values.min() == values.max():
            raise DataError(f"{name} is the same for all {len(y)} students, so that nobody grew more than others")


def _knots(x: Floats) -> Floats:
    if not len(x):
        return np.empty(0)
    low, high = float(x.min()), float(x.max())
    wide = (high - low) * _WIDER
    inner = np.unique(np.quantile(x, _KNOTS))
    inner = inner[(inner > low) & (inner < high)]  # of a tied prior some fall together, or on its ends
    return np.concatenate([[low - wide] * (_DEGREE + 1), inner, [high + wide] * (_DEGREE + 1)])


def _design(table: Floats, knots: Sequence[Floats]) -> Floats:
    """A constant, and the splines of each prior without their first, which the constant stands for."""
    parts = [np.ones((len(table), 1))]
    for number, of_prior in enumerate(knots):
        if len(of_prior):
            inside = np.clip(table[:, number], of_prior[0], of_prior[-1])
            parts.append(BSpline.design_matrix(inside, of_prior, _DEGREE).toarray()[:, 1:])
    return np.hstack(parts)


def _quantile_process(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Fit all quantiles, from the median outwards: each begins where its neighbours point."""
    problem = _Regression(x, y, weights)
    middle = len(QUANTILES) // 2
    found = np.empty((len(QUANTILES), x.shape[1]))
    found[middle] = problem.solve(QUANTILES[middle], *problem.first_guess(QUANTILES[middle]))
    near = max(400, len(y) // (2 * len(QUANTILES)))
    for places in (range(middle + 1, len(QUANTILES)), range(middle - 1, -1, -1)):
        last, before = found[middle], found[middle]
        for place in places:
            found[place] = problem.solve(QUANTILES[place], 2 * last - before, near)
            last, before = found[place], last
    return found


@dataclass(frozen=True)
class _Regression:
    x: Floats
    y: Floats
    weights: Floats

    def first_guess(self, quantile: float) -> tuple[Floats, int]:
        """Return coefficients from some of the students, and how many are near the line that they give."""
        rows = len(self.y)
        if rows <= 2 * _SAMPLE:
            return np.zeros(self.x.shape[1]), rows
        some = np.random.default_rng(0).choice(rows, _SAMPLE, replace=False)
        of_some = _Regression(self.x[some], self.y[some], self.weights[some])
        return of_some.solve(quantile, np.zeros(self.x.shape[1]), _SAMPLE), int(6 * rows / np.sqrt(_SAMPLE))

    def solve(self, quantile: float, guess: Floats, near: int) -> Floats:
        """Solve for one quantile, with the rows near a guess free and the others held on their side of it."""
        rows, residuals = len(self.y), self.y - self.x @ guess
        above = residuals > 0
        goal = (1 - quantile) * (self.weights @ self.x)
        while near < 0.5 * rows:
            free = np.zeros(rows, dtype=bool)
            free[np.argpartition(np.abs(residuals), near)[:near]] = True
            while free.sum() < 2 * near:
                held = above & ~free
                found = self._program(free, goal - self.weights[held] @ self.x[held])
                if found is None:
                    break
                wrong = ~free & ((self.y - self.x @ found > 0) != above)
                if not wrong.any():
                    return found
                free |= wrong
            near *= 2
        found = self._program(np.ones(rows, dtype=bool), goal)
        if found is None:
            raise DataError("The quantile regression has no solution", "Round the scores, or take fewer earlier ones.")
        return found

    def _program(self, free: NDArray[np.bool_], goal: Floats) -> Floats | None:
        """Solve the dual program of the rows that are free; its multipliers are the coefficients."""
        x, y, w = self.x[free], self.y[free], self.weights[free]
        found = linprog(-w * y, A_eq=(x * w[:, None]).T, b_eq=goal, bounds=(0, 1), method="highs-ds")
        return -np.asarray(found.eqlin.marginals) if found.status == 0 else None
