"""One entry for scores from anywhere: how good they are, for all students and by group, each with an interval."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import nan, sqrt
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.intervals import mean_interval
from nbanalytics.risk.evaluation.auc import (
    auc_difference,
    delong,
    delong_interval,
    tied,
    tied_within,
    weighted_auc,
    weighted_average_precision,
)
from nbanalytics.risk.evaluation.calibration import calibration_fit, log_losses, squared_errors, weighted_mean
from nbanalytics.risk.evaluation.capacity import (
    COUNTED,
    COUNTS,
    capacity_statistic,
    counted,
    counts_at_capacity,
    counts_once,
    flag_at,
    rate_interval,
    rates,
    share_interval,
)
from nbanalytics.risk.evaluation.scores import (
    MIN_CLUSTERS,
    Draws,
    Floats,
    Statistic,
    draw,
    labels_of,
    labels_or_none,
    percentile_interval,
    schools_to_draw,
    scored,
    scored_by,
    warn_weak,
)

SCORE_MEASURES = (
    "auc",
    "average_precision",
    "brier",
    "log_loss",
    "calibration_slope",
    "calibration_in_the_large",
)
COLUMNS = ("group", "measure", "value", "low", "high")
#: Below this nothing is estimated.
MIN_STUDENTS = 5
_WEAK = {
    "too_few": f"fewer than {MIN_STUDENTS} students, nothing estimated; join groups",
    "one_class": "one class only, so that nothing tells how well scores or their level fit; join groups or take more "
    "cohorts",
    "certain": "probabilities of exactly 0 or 1, so that calibration has no estimate and the log loss of a wrong one "
    "is infinite; use a model that gives chances",
    "constant": "equal scores throughout, so that there is no calibration slope; nothing to mend if the model is a "
    "base rate",
    "separated": "scores that tell the classes apart without a mistake, so that there is no interval of the AUC and no "
    "calibration slope; look for a feature that knows the outcome",
    "few_clusters": f"fewer than {MIN_CLUSTERS} clusters (schools) to resample, so that the intervals are rough; add "
    "schools or cohorts",
}
Row = tuple[str, float, float, float]


def measures(
    y: Any,
    p: Any,
    groups: Any = None,
    threshold: float | None = None,
    *,
    clusters: Any = None,
    draws: int = 200,
    random_state: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Measure how good probabilities are, for all students and for each group.

    Parameters
    ----------
    y : sequence of bool or of 0 and 1
        Outcomes, one per student.
    p : sequence of float
        Probabilities of the outcome, 0 to 1.
    groups : sequence, optional
        One label per student, such as sex or school.
    threshold : float, optional
        Students with at least this probability are flagged; counts and error rates are added.
    clusters : sequence, optional
        The school of each student. Intervals then allow for likeness within schools. A group inside one school is
        resampled by student.
    draws : int
        Bootstrap resamples.
    random_state : int
        Seed of the bootstrap.
    level : float
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        Columns ``group, measure, value, low, high``; ``all`` first, then the groups in sorted order. Measures: ``auc``,
        ``average_precision``, ``brier``, ``log_loss``, ``calibration_slope`` (1 is best; below it the scores are too
        extreme), ``calibration_in_the_large`` (0 is best; below it the scores are too high). With a threshold also
        the counts ``n, tp, fp, fn, tn``, the shares ``base_rate, flagged_share, tpr, fnr, fpr, tnr, ppv, npv``,
        ``false_alarms_per_100`` flagged, ``lift`` (precision against the base rate) and ``net_benefit`` per student.

    Raises
    ------
    DataError
        If values are missing, no outcomes or no probabilities, lengths differ, there is one class only, or the
        threshold is no probability.

    Warns
    -----
    EstimationWarning
        If something has no estimate: a group has one class or fewer than five students, scores are certain, equal or
        separate the classes; or if fewer than five schools are resampled, or students since there is one school only.

    Notes
    -----
    Intervals: AUC by DeLong et al. (1988), with clusters by Obuchowski (1997). Without clusters shares have Wilson's,
    Brier score and log loss that of a mean, calibration that of its regression, and the others a percentile bootstrap
    of students; with clusters all but the AUC have a percentile bootstrap of whole clusters, and shares that no
    resample changes Wilson's.

    Examples
    --------
    >>> y = [0, 0, 1, 0, 1, 0, 1, 1, 0, 1]
    >>> p = [0.1, 0.2, 0.3, 0.3, 0.4, 0.4, 0.6, 0.7, 0.7, 0.9]
    >>> table = measures(y, p, threshold=0.5)
    >>> table[table["measure"].isin(["auc", "brier", "tp", "ppv"])].round(3)
       group measure  value    low   high
    0    all     auc   0.78  0.471  1.000
    2    all   brier   0.19  0.056  0.324
    7    all      tp   3.00    NaN    NaN
    17   all     ppv   0.75  0.301  0.954
    """
    outcome, scores = scored(y, p)
    n = len(outcome)
    schools = schools_to_draw(clusters, n)
    drawn = draw(n, schools, draws, random_state)
    rows, weak = [], Counter[str]()
    parts = _parts(groups, n)
    for name, inside in parts:
        own_schools = None if schools is None else schools[inside]
        found, reasons = part_measures(
            outcome[inside], scores[inside], threshold, drawn.of(inside), own_schools, level, random_state
        )
        rows += [(name, *row) for row in found]
        weak.update(reasons)
    warn_of(weak, len(parts))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def part_measures(
    y: Floats,
    p: Floats,
    threshold: float | None,
    drawn: Draws,
    clusters: Any = None,
    level: float = 0.95,
    random_state: int = 0,
) -> tuple[list[Row], set[str]]:
    """Measure one group of students.

    Parameters
    ----------
    y, p, threshold, clusters, level, random_state
        As for :func:`measures`, already checked.
    drawn : Draws
        Resamples of these students.

    Returns
    -------
    tuple
        Rows of measure, value, low and high; and keys that say why some of them are missing or rough.
    """
    n = len(y)
    reasons = _reasons(y, p, drawn if clusters is not None else None)
    everybody = np.ones((1, n))
    values = {name: float(found[0]) for name, found in statistic(y, p, threshold)(everybody).items()}
    counts: dict[str, float] = {}
    if threshold is not None:
        counts = counts_once(y, flag_at(p, threshold))
    if "too_few" in reasons:
        values = dict.fromkeys(values, nan)
        intervals: dict[str, tuple[float, float]] = {}
    elif clusters is not None and drawn.clusters > 1:
        resampled = drawn.evaluate(statistic(y, p, threshold))
        intervals = {name: rate_interval(name, found, counts, level) for name, found in resampled.items()}
        intervals["auc"] = delong_interval(y, p, clusters, level)[1:]
    else:
        own = drawn if clusters is None else draw(n, None, len(drawn.counts), random_state)
        resampled = own.evaluate(statistic(y, p, threshold, with_formula=False))
        intervals = {name: percentile_interval(found, level) for name, found in resampled.items()}
        intervals |= _by_formula(y, p, counts, level)
    rows: list[Row] = [(name, *_estimate(values[name], intervals.get(name))) for name in SCORE_MEASURES]
    rows += [(name, counts[name], nan, nan) for name in COUNTS if counts]
    rows += [(name, *_estimate(values[name], intervals.get(name))) for name in values if name not in SCORE_MEASURES]
    return rows, reasons


def statistic(
    y: Floats, p: Floats, threshold: float | None = None, with_formula: bool = True, strata: Any = None
) -> Statistic:
    """Make the function that computes every measure for rows of weights.

    Without ``with_formula`` those are left out that have an interval by formula where students are independent. With
    strata the AUC compares students within a stratum only.
    """
    ties, parts = tied(p), tied_within(p, strata)
    squares, logs = squared_errors(y, p), log_losses(y, p)
    flags = None if threshold is None else flag_at(p, threshold)

    def compute(weights: Floats) -> dict[str, Floats]:
        found = {"auc": weighted_auc(y, weights, parts)} if with_formula else {}
        found["average_precision"] = weighted_average_precision(y, weights, ties)
        if with_formula:
            slope, _, in_the_large, _ = calibration_fit(y, p, weights)
            found |= {
                "brier": weighted_mean(squares, weights),
                "log_loss": weighted_mean(logs, weights),
                "calibration_slope": slope,
                "calibration_in_the_large": in_the_large,
            }
        if flags is not None:
            found |= rates(counted(y, flags, weights), threshold)
        return found

    return compute


def warn_of(weak: Counter[str], parts: int) -> None:
    """Warn once of everything that is missing or rough, with how many groups it concerns."""
    if weak:
        said = [f"{weak[reason]} of {parts} groups: {words}" for reason, words in _WEAK.items() if weak[reason]]
        warnings.warn(". ".join(said) + ".", EstimationWarning, stacklevel=3)


def _parts(groups: Any, n: int) -> list[tuple[str, Any]]:
    """Name the rows of all students and of each group, missing labels last."""
    everybody = [("all", np.arange(n))]
    if groups is None:
        return everybody
    labels = labels_of(groups, n, "groups")
    names: Iterable[str] = sorted(set(labels), key=lambda name: (name == "missing", name))
    if "all" in labels:
        raise DataError("groups: a group is called 'all', the name of all students together. Give it another name.")
    return everybody + [(name, np.flatnonzero(labels == name)) for name in names]


def _reasons(y: Floats, p: Floats, resampled: Draws | None) -> set[str]:
    if len(y) < MIN_STUDENTS:
        return {"too_few"}
    found = set()
    cases, others = p[y == 1], p[y == 0]
    if not len(cases) or not len(others):
        found.add("one_class")
    elif np.ptp(p) < 1e-12:
        found.add("constant")
    elif cases.min() > others.max() or others.min() > cases.max():
        found.add("separated")
    if (p <= 0).any() or (p >= 1).any():
        found.add("certain")
    if resampled is not None and 1 < resampled.clusters < MIN_CLUSTERS:
        found.add("few_clusters")
    return found


def _by_formula(y: Floats, p: Floats, counts: dict[str, float], level: float) -> dict[str, tuple[float, float]]:
    slope, slope_error, in_the_large, in_the_large_error = (
        float(found[0]) for found in calibration_fit(y, p, np.ones((1, len(y))))
    )
    found = {
        "auc": delong_interval(y, p, None, level)[1:] if 0 < y.sum() < len(y) else (nan, nan),
        "brier": _of_mean(squared_errors(y, p), level),
        "log_loss": _of_mean(log_losses(y, p), level),
        "calibration_slope": mean_interval(slope, slope_error, level=level),
        "calibration_in_the_large": mean_interval(in_the_large, in_the_large_error, level=level),
    }
    if counts:
        found |= {name: share_interval(counts, name, level) for name in COUNTED}
    return found


def _of_mean(values: Floats, level: float) -> tuple[float, float]:
    if not np.isfinite(values).all():
        return nan, nan
    low, high = mean_interval(
        float(values.mean()), float(values.std(ddof=1)) / sqrt(len(values)), len(values) - 1, level
    )
    return max(low, 0.0), high


def _estimate(value: float, interval: tuple[float, float] | None) -> tuple[float, float, float]:
    """Put a value beside its interval; what has no finite value has no interval."""
    low, high = interval if interval is not None and np.isfinite(value) else (nan, nan)
    return value, low, high


COMPARED_COLUMNS = ("model", "measure", "value", "low", "high", "difference", "difference_low", "difference_high")


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
    return pd.DataFrame(rows, columns=list(COMPARED_COLUMNS))


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
