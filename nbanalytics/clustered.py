"""Models of students in schools: coefficients with CR1, CR2 and CR3 errors."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nbanalytics.intervals import checked_level, mean_interval
from nbanalytics.schools import LIKE, Floats, estimand_of, jackknife_error

Family = Literal["linear", "logit"]
#: A direction of which the fit leaves a school less than this share has no residual there.
_TAKEN = 1e-9


@dataclass(frozen=True)
class Sandwich:
    """A covariance clustered by school, with the degrees of freedom of any combination of coefficients.

    Attributes
    ----------
    covariance : array, shape (terms, terms)
    """

    covariance: Floats
    _bread: Floats
    _pulls: list[Floats]
    _spreads: list[Floats]

    def freedom(self, combination: ArrayLike) -> float:
        """Satterthwaite's degrees of freedom of a combination of coefficients."""
        wanted = np.asarray(combination, dtype=np.float64)
        pulls = np.array([pull @ wanted for pull in self._pulls])
        own = [float(wanted @ spread @ wanted) for spread in self._spreads]
        together = np.diag(own) - pulls @ self._bread @ pulls.T
        return float(np.trace(together) ** 2 / (together**2).sum())


def clustered_sandwich(
    design: Floats,
    residuals: Floats,
    weights: Floats,
    schools: Any,
    kind: Literal["CR1", "CR2"] = "CR2",
) -> Sandwich:
    """Covariance of the coefficients of a weighted regression whose errors are alike within schools.

    Parameters
    ----------
    design : array, shape (students, terms)
        Of a generalised linear model the derivatives of the fitted values: each row times the slope of the link.
    residuals : array
        Outcome minus fitted value.
    weights : array
        1 for a linear model; 1 by the variance of the outcome for a generalised one.
    schools : sequence
        The school of each student.
    kind : str
        ``CR2`` is unbiased where the working model is right; ``CR1`` multiplies by *G/(G-1)*.

    Returns
    -------
    Sandwich

    Notes
    -----
    Bell and McCaffrey (2002); Pustejovsky and Tipton (2018), Journal of Business and Economic Statistics 36: 672-683.
    Equal to R's ``clubSandwich``: the working model has variances *1/weight*.
    """
    codes, found = pd.factorize(np.asarray(schools))
    bread = np.asarray(np.linalg.inv(design.T @ (design * weights[:, None])), dtype=np.float64)
    terms = design.shape[1]
    meat, pulls, spreads = np.zeros((terms, terms)), [], []
    for code in range(len(found)):
        inside = np.flatnonzero(codes == code)
        x, w = design[inside], weights[inside]
        adjusted = _adjusted(x, w, bread, len(found), kind)
        score = adjusted.T @ residuals[inside]
        meat += np.outer(score, score)
        pulls.append(x.T @ adjusted @ bread)
        spreads.append(bread.T @ (adjusted.T @ (adjusted / w[:, None])) @ bread)
    return Sandwich(np.asarray(bread @ meat @ bread), bread, pulls, spreads)


def _adjusted(x: Floats, w: Floats, bread: Floats, schools: int, kind: str) -> Floats:
    """Return the weighted design of a school with the correction for what the fit took from its residuals."""
    weighted = x * w[:, None]
    if kind == "CR1":
        return np.asarray(weighted * sqrt(schools / (schools - 1)))
    root = 1 / np.sqrt(w)[:, None]
    return np.asarray(root * _inverse_root(1 / w, x * root, bread, root * weighted))


def _inverse_root(d: Floats, u: Floats, bread: Floats, b: Floats) -> Floats:
    """Return the inverse square root of *diag(d²) - u · bread · u'* times *b*, in memory for *b* alone.

    The root is *2/π ∫ (S + t²)⁻¹ dt* by the quadrature of Hale, Higham and Trefethen (2008, SIAM Journal on Numerical
    Analysis 46: 2505-2523, method 3); *(S + t²)⁻¹* takes a matrix of terms (Woodbury). Directions that the fit takes
    whole have no residual: they are left out, so that the inverse is the generalised one.
    """
    from scipy.special import ellipj, ellipkm1

    low, factor = u / d[:, None], np.linalg.cholesky(bread)
    shares, turned = np.linalg.eigh(factor.T @ (low.T @ low) @ factor)
    taken = shares > 1 - _TAKEN
    arms, signs = u @ factor, np.ones(len(factor))
    if taken.any():
        whole = np.linalg.qr((low / d[:, None]) @ factor @ turned[:, taken])[0]
        b = b - whole @ (whole.T @ b)
        arms, signs = np.hstack([arms, whole * d.max()]), np.concatenate([signs, -np.ones(taken.sum())])
    least = d.min() ** 2 * (1 - max(shares[~taken].max(initial=0.0), 0.0))
    ratio = least / d.max() ** 2
    quarter = ellipkm1(ratio)
    nodes = int(np.ceil(28 * (3 - np.log(ratio)) / np.pi**2)) + 2
    sn, cn, dn, _ = ellipj((np.arange(nodes) + 0.5) * quarter / nodes, 1 - ratio)
    total = np.zeros_like(b)
    for shift, weight in zip(least * (sn / cn) ** 2, dn / cn**2, strict=True):
        diagonal = (d**2 + shift)[:, None]
        plain, scaled = b / diagonal, arms / diagonal
        inner = np.diag(signs) - arms.T @ scaled
        total += weight * (plain + scaled @ np.linalg.solve(inner, arms.T @ plain))
    return np.asarray(total * 2 * quarter * sqrt(least) / (np.pi * nodes))


def robust_table(
    design: pd.DataFrame,
    outcome: ArrayLike,
    schools: Any,
    family: Family = "linear",
    kind: Literal["CR1", "CR2", "CR3"] = "CR2",
    level: float = 0.95,
) -> pd.DataFrame:
    """Fit a linear model or a logit and say how sure its coefficients are over schools like these.

    Parameters
    ----------
    design : pandas.DataFrame
        The columns of the model, a constant among them. One constant alone gives the plain share or mean.
    outcome : sequence of float
        0 and 1 for the logit.
    schools : sequence
        The school of each student; three at least.
    family : str
        ``linear`` or ``logit``.
    kind : str
        ``CR2`` with Satterthwaite's degrees of freedom; ``CR1`` with the same; ``CR3``: the model is fitted anew
        without each school, *t* with schools - 1 degrees.
    level : float
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        ``term, estimate, se, freedom, low, high``.

    Raises
    ------
    DataError
        If there are fewer than three schools.

    Notes
    -----
    See :func:`clustered_sandwich`. CR3: Bell and McCaffrey (2002); MacKinnon, Nielsen and Webb (2023).

    Examples
    --------
    >>> design = pd.DataFrame({"constant": np.ones(8)})
    >>> robust_table(design, [1, 0, 1, 1, 0, 0, 1, 0], list("AABBCCDD")).round(3).to_numpy().tolist()
    [['constant', 0.5, 0.204, 3.0, -0.15, 1.15]]
    """
    estimand_of(schools, LIKE)
    x, y = design.to_numpy(dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    coefficients, weights = _fit(x, y, family)
    if kind == "CR3":
        labels = np.asarray(schools)
        left_out = [_fit(x[labels != one], y[labels != one], family)[0] for one in pd.unique(labels)]
        values = np.vstack([coefficients, *left_out])
        found = [jackknife_error(values[:, place]) for place in range(len(coefficients))]
        errors, freedom = np.array([error for error, _ in found]), np.array([float(df) for _, df in found])
    else:
        eta = x @ coefficients
        fitted = eta if family == "linear" else 1 / (1 + np.exp(-eta))
        sandwich = clustered_sandwich(x * weights[:, None], y - fitted, 1 / weights, schools, kind=kind)
        errors = np.sqrt(np.diag(sandwich.covariance))
        freedom = np.array([sandwich.freedom(row) for row in np.eye(len(coefficients))])
    bounds = [mean_interval(*row, checked_level(level)) for row in zip(coefficients, errors, freedom, strict=True)]
    return pd.DataFrame(
        {
            "term": list(design.columns),
            "estimate": coefficients,
            "se": errors,
            "freedom": freedom,
            "low": [low for low, _ in bounds],
            "high": [high for _, high in bounds],
        }
    )


def _fit(x: Floats, y: Floats, family: Family) -> tuple[Floats, Floats]:
    """Least squares, or a logit by Newton's method; with the working weights."""
    if family == "linear":
        return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0]), np.ones(len(y))
    beta, step, rounds = np.zeros(x.shape[1]), np.full(x.shape[1], inf), 0
    while np.abs(step).max() > 1e-11 and rounds < 50:
        mean = 1 / (1 + np.exp(-np.clip(x @ beta, -35, 35)))
        step = np.linalg.lstsq(x.T @ (x * (mean * (1 - mean))[:, None]), x.T @ (y - mean), rcond=None)[0]
        beta, rounds = beta + step, rounds + 1
    mean = 1 / (1 + np.exp(-np.clip(x @ beta, -35, 35)))
    return beta, mean * (1 - mean)
