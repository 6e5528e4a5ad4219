"""A fair comparison: weights that make supported students and others alike in what was known at the start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: A ridge this small only matters where students could be told apart without fault.
_RIDGE = 1e-3
_ROUNDS = 50


def design(known: pd.DataFrame) -> pd.DataFrame:
    """Turn what is known into numbers: categories as 0/1 columns, missing numbers as a mean beside a mark.

    Columns that do not vary are left out, and so are those that repeat an earlier one.
    """
    columns: dict[str, Any] = {}
    for name in known:
        column = known[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.astype("float64")
            columns[str(name)] = values.fillna(values.mean()).to_numpy(dtype=np.float64)
            columns[f"{name} unknown"] = values.isna().to_numpy(dtype=np.float64)
        else:
            text = column.astype("object").where(column.notna(), "unknown").astype("str")
            for value in sorted(text.unique())[1:]:
                columns[f"{name} {value}"] = (text == value).to_numpy(dtype=np.float64)
    table = pd.DataFrame(columns, index=known.index)
    table = table.loc[:, table.std() > 0]
    return table.loc[:, ~table.T.duplicated()]


def chance_of_support(known: Floats, supported: Bools) -> Floats:
    """Logistic regression by iteratively reweighted least squares.

    Parameters
    ----------
    known : array, students x columns
        Without a constant.
    supported : bool array

    Returns
    -------
    array
        Each student's chance of support given what is known (the propensity score).
    """
    spread = known.std(axis=0)
    x = np.column_stack([np.ones(len(known)), (known - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0)])
    ridge = np.full(x.shape[1], _RIDGE)
    ridge[0] = 0.0
    beta = np.zeros(x.shape[1])
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        weight = np.maximum(p * (1 - p), 1e-9)
        step = np.linalg.solve(x.T @ (weight[:, None] * x) + np.diag(ridge), x.T @ (supported - p) - ridge * beta)
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(1 / (1 + np.exp(-np.clip(x @ beta, -30, 30))))


def overlap_weights(known: Floats, supported: Bools) -> Floats:
    """Weigh both groups so that they are alike in what is known.

    A supported student counts the chance of no support, another the chance of support; each group sums to 1. Students
    who were all but certain to get support, or not to, hardly count: there is nobody to compare them with. After a
    logistic regression these weights balance the means of its columns exactly (Li, Morgan and Zaslavsky 2018).
    """
    chance = chance_of_support(known, supported)
    weight = np.where(supported, 1 - chance, chance)
    for side in (supported, ~supported):
        weight[side] /= weight[side].sum()
    return weight


def effect_of_support(outcome: Floats, known: Floats, supported: Bools, weight: Floats) -> tuple[float, float]:
    """Weighted difference of the outcome between the groups, adjusted for what is known, and its standard error.

    Weighted least squares with the support and the known columns; the standard error is robust (sandwich with the
    small-sample factor n / (n - k)). It is right if either the weights or the regression are.
    """
    centre, spread = known.mean(axis=0), known.std(axis=0)
    scaled = (known - centre) / np.where(spread > 0, spread, 1.0)
    x = np.column_stack([np.ones(len(known)), supported, scaled])
    inverse = np.linalg.pinv(x.T @ (weight[:, None] * x))
    beta = inverse @ (x.T @ (weight * outcome))
    score = x * (weight * (outcome - x @ beta))[:, None]
    covariance = inverse @ (score.T @ score) @ inverse * len(x) / (len(x) - x.shape[1])
    return float(beta[1]), float(np.sqrt(covariance[1, 1]))


def effective(weight: Floats) -> float:
    """How many students of equal weight would be worth as much (Kish 1965)."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def balance(known: pd.DataFrame, supported: Bools, weight: Floats) -> pd.DataFrame:
    """Standardised differences of means, before and after weighting.

    Returns
    -------
    DataFrame
        ``covariate``; ``supported`` and ``others``, means of the two groups as they are; ``before`` and ``after``
        weighting, the difference in standard deviations (pooled, unweighted: Austin 2009).
    """
    rows = []
    for name in known:
        x = known[name].to_numpy(dtype=np.float64)
        sides = (x[supported], x[~supported])
        means = [float(side.mean()) for side in sides]
        weighted = [float(np.average(x[side], weights=weight[side])) for side in (supported, ~supported)]
        sd = float(np.sqrt(np.mean([side.var(ddof=1) for side in sides])))
        rows.append((name, *means, (means[0] - means[1]) / sd, (weighted[0] - weighted[1]) / sd))
    return pd.DataFrame(rows, columns=["covariate", "supported", "others", "before", "after"])
