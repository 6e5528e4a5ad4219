"""Models that scored the same students, side by side: measures and their paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.risk.evaluation.auc import auc_difference, delong, delong_interval
from nbanalytics.risk.evaluation.bootstrap import Draws, draw, percentile_interval, schools_to_draw, warn_weak
from nbanalytics.risk.evaluation.capacity import capacity_statistic, counts_at_capacity
from nbanalytics.risk.evaluation.decision import rate_interval
from nbanalytics.risk.evaluation.measuring import statistic
from nbanalytics.risk.evaluation.scores import Floats, labels_or_none, scored_by

COLUMNS = ("model", "measure", "value", "low", "high", "difference", "difference_low", "difference_high")


def compare_models(
    y: Any,
    scores: Mapping[str, Any],
    reference: str | None = None,
    capacity: float = 0.1,
    *,
    clusters: Any = None,
    folds: Any = None,
    draws: int = 200,
    random_state: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Measure several models on the same students, and the paired difference of each from one of them.

    Every bootstrap draw resamples the same students or schools for all models, so that what the models share cancels
    in a difference.

    Parameters
    ----------
    y : sequence of bool or of 0 and 1
        Outcomes.
    scores : mapping of str to sequence of float
        Probabilities by name of the model.
    reference : str, optional
        The model to compare with; the first by default.
    capacity : float
        Places as a share of the students, for precision, recall, lift and false alarms.
    folds : sequence, optional
        The fold, or cohort, of each student: the AUC then compares students of a fold only, and each fold has its own
        places. Without, a base rate that differs between folds would seem to rank students.
    clusters, draws, random_state, level
        As for :func:`nbanalytics.risk.measures`.

    Returns
    -------
    pandas.DataFrame
        One row per model and measure: ``model, measure, value, low, high`` and ``difference, difference_low,
        difference_high``, the model minus the reference; missing for the reference itself. Measures are those of
        :func:`nbanalytics.risk.measures` and ``precision, recall, lift, false_alarms_per_100`` at the capacity.
        What cannot be computed for a model (calibration of equal scores) is missing.

    Raises
    ------
    DataError
        If outcomes or scores cannot be used, or there is no such reference.

    Warns
    -----
    EstimationWarning
        If a measure of a model has no value, or fewer than five schools are resampled.

    Notes
    -----
    AUC: DeLong et al. (1988), with clusters Obuchowski (1997), paired; the others a percentile bootstrap, and Wilson's
    interval of a share that no resample changes.

    Examples
    --------
    >>> y = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> scores = {"flag": [.2, .2, .2, .6, .2, .6, .6, .6], "model": [.1, .2, .5, .7, .3, .8, .6, .9]}
    >>> table = compare_models(y, scores, draws=50)
    >>> table[table["measure"] == "auc"][["model", "value", "difference"]].round(3)
       model  value  difference
    0   flag  0.750         NaN
    10  model 0.938       0.188
    """
    outcome, arrays = scored_by(y, scores)
    base = reference if reference is not None else next(iter(arrays), None)
    if base not in arrays:
        raise DataError(
            f"There is no model {base} to compare with. Choose among: {', '.join(arrays) or 'none at all'}."
        )
    schools = schools_to_draw(clusters, len(outcome))
    strata = labels_or_none(folds, len(outcome), "folds")
    drawn = draw(len(outcome), schools, draws, random_state)
    values, resampled = {}, {}
    for name, array in arrays.items():
        values[name], resampled[name] = _evaluate(outcome, array, capacity, drawn, strata)
    auc = _auc_rows(outcome, arrays, base, schools, strata, level)
    rows: list[tuple[Any, ...]] = []
    for name in arrays:
        counts = counts_at_capacity(outcome, arrays[name], capacity, strata)
        for measure, value in values[name].items():
            if measure == "auc":
                rows.append((name, measure, *auc[name]))
                continue
            apart = [np.nan] * 3
            if name != base:
                # Two infinite log losses have no difference.
                with np.errstate(invalid="ignore"):
                    difference = resampled[name][measure] - resampled[base][measure]
                    apart = [np.subtract(value, values[base][measure]), *percentile_interval(difference, level)]
            interval = rate_interval(measure, resampled[name][measure], counts, level)
            rows.append((name, measure, value, *interval, *apart))
    warn_weak(drawn, (value for found in values.values() for value in found.values()))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _evaluate(
    y: Floats, p: Floats, capacity: float, drawn: Draws, strata: Any
) -> tuple[dict[str, float], dict[str, Floats]]:
    """Compute every measure of one model for the sample and for each draw."""
    score, placed = statistic(y, p, strata=strata), capacity_statistic(y, p, capacity, strata)
    everybody = np.ones((1, len(y)))
    value = {name: float(found[0]) for name, found in {**score(everybody), **placed(everybody)}.items()}
    return value, drawn.evaluate(lambda weights: {**score(weights), **placed(weights)})


def _auc_rows(
    y: Floats, arrays: Mapping[str, Floats], base: str, schools: Any, strata: Any, level: float
) -> dict[str, Sequence[float]]:
    names = list(arrays)
    auc, covariance = delong(y, np.array(list(arrays.values())), schools, strata)
    rows: dict[str, Sequence[float]] = {}
    for place, name in enumerate(names):
        apart = (np.nan,) * 3
        if name != base:
            apart = auc_difference(auc, covariance, place, names.index(base), level)[:3]
        rows[name] = (*delong_interval(y, arrays[name], schools, level, strata), *apart)
    return rows
