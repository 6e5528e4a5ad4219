"""Coefficients and marginal effects with their intervals, as tables."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.intervals import checked_level
from nbanalytics.results import Shown

Floats = NDArray[np.float64]
#: Sandwich errors from fewer clusters than this are too small, even with Student's t.
FEW_CLUSTERS = 10


@dataclass(frozen=True, repr=False)
class Estimates(Shown):
    """Estimates of a model with intervals.

    Attributes
    ----------
    table : pandas.DataFrame
        ``term``, ``estimate``, ``se``, ``low``, ``high``, ``p``; for coefficients ``ratio, ratio_low, ratio_high``
        (odds ratios, or hazard ratios with the complementary log-log link); ``status``: ``ok``; ``left_out``, if it
        marks a few students who all or none have the outcome; ``separated``, if so for more.
    settings : mapping
        ``errors`` (``school`` or ``model``), ``level``, ``rows``, ``clusters``, ``what``.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]

    def _words(self) -> str:
        kind = "clustered by school" if self.settings["errors"] == "school" else "of the model"
        return (
            f"{self.settings['what']} from {self.settings['rows']} rows, {self.settings['level']:.0%} intervals, "
            f"standard errors {kind} ({self.settings['clusters']} schools)"
        )


def estimates_table(
    terms: Sequence[str],
    values: Floats,
    covariance: Floats,
    settings: Mapping[str, Any],
    status: Sequence[str] | NDArray[np.object_],
    ratios: bool,
) -> Estimates:
    """Put estimates and their covariance in a table; clustered errors have a *t* with clusters - 1 degrees."""
    errors = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    ok = np.asarray(status) == "ok"
    errors = np.where(ok, errors, np.nan)
    values = np.where(np.asarray(status) == "left_out", np.nan, values)
    clustered = settings["errors"] == "school"
    spread = stats.t(settings["clusters"] - 1) if clustered else stats.norm()
    half = spread.ppf(0.5 + checked_level(settings["level"]) / 2) * errors
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * spread.sf(np.abs(values / errors))
    table = pd.DataFrame(
        {"term": list(terms), "estimate": values, "se": errors, "low": values - half, "high": values + half, "p": p}
    )
    if ratios:
        for name, source in (("ratio", "estimate"), ("ratio_low", "low"), ("ratio_high", "high")):
            table[name] = np.exp(table[source])
    return Estimates(table.assign(status=list(status)), settings)


def chosen_errors(errors: str | None, clusters: int) -> str:
    """Return which standard errors to use, with a warning where there are too few schools for clustered ones."""
    if errors not in (None, "school", "model"):
        raise DataError(f"There are no errors {errors!r}. Choose among: school, model, or None for either.")
    if errors == "model" or (errors is None and clusters < 2):
        return "model"
    if clusters < 2:
        warnings.warn(
            f"There are {clusters} schools, and errors clustered by school need two at least: those of the model are "
            "given. They are too small where pupils of a school are alike.",
            EstimationWarning,
            stacklevel=4,
        )
        return "model"
    if clusters < FEW_CLUSTERS:
        warnings.warn(
            f"Standard errors clustered by {clusters} schools: with fewer than {FEW_CLUSTERS} they tend to be too "
            "small. Read the intervals as too narrow, or ask for errors='model'.",
            EstimationWarning,
            stacklevel=4,
        )
    return "school"


def marginal_effects(design: Floats, coefficients: Floats, columns: Sequence[int]) -> tuple[Floats, Floats]:
    """Return average marginal effects of columns of a logit, and their derivatives by the coefficients.

    A column of 0 and 1 is switched from 0 to 1 for every student; of any other the derivative is averaged.
    """
    eta = design @ coefficients
    mu = 1 / (1 + np.exp(-eta))
    rate = mu * (1 - mu)
    bend = rate * (1 - 2 * mu)
    mean_rate, mean_bend = rate.mean(), (bend[:, None] * design).mean(axis=0)
    effects, derivatives = [], []
    for place in columns:
        column = design[:, place]
        if np.isin(column, (0.0, 1.0)).all():
            effect, derivative = _switch(design, eta, coefficients[place], place)
        else:
            effect = coefficients[place] * mean_rate
            derivative = coefficients[place] * mean_bend
            derivative[place] += mean_rate
        effects.append(effect)
        derivatives.append(derivative)
    return np.array(effects), np.array(derivatives).reshape(len(effects), len(coefficients))


def _switch(design: Floats, eta: Floats, coefficient: float, place: int) -> tuple[float, Floats]:
    column = design[:, place]
    without = 1 / (1 + np.exp(-(eta - coefficient * column)))
    having = 1 / (1 + np.exp(-(eta + coefficient * (1 - column))))
    rate_without, rate_having = without * (1 - without), having * (1 - having)
    derivative = ((rate_having - rate_without)[:, None] * design).mean(axis=0)
    derivative[place] = rate_having.mean()
    return float((having - without).mean()), derivative
