"""One entry for scores from anywhere: how good they are, for all students and by group, each with an interval."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from math import nan, sqrt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

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
    counts_once,
    flag_at,
    flags_at_capacity,
    rate_interval,
    rates,
    share_interval,
    units_of_places,
)
from nbanalytics.risk.evaluation.scores import (
    Labels,
    labels_of,
    labels_or_none,
    scored,
    scored_by,
    units_of_group,
    units_to_leave_out,
    warn_of_missing,
)
from nbanalytics.schools import LIKE, THESE, Floats, Places, Statistic, Units, units_of

SCORE_MEASURES = (
    "auc",
    "average_precision",
    "brier",
    "log_loss",
    "calibration_slope",
    "calibration_in_the_large",
)
COLUMNS = ("group", "measure", "value", "low", "high", "estimand")
#: Below this nothing is estimated.
MIN_STUDENTS = 5
_WEAK = {
    "too_few": f"fewer than {MIN_STUDENTS} students, nothing estimated; join groups",
    "one_class": "only one class, so that discrimination and calibration have no estimate; join groups or use more "
    "cohorts",
    "certain": "probabilities of exactly 0 or 1, so that calibration has no estimate and a wrong one has infinite log "
    "loss; use a model that outputs probabilities",
    "constant": "all scores are equal, so that there is no calibration slope; this is expected for a base rate",
    "separated": "scores that separate the classes perfectly, so that the AUC has no interval and there is no "
    "calibration slope; look for a feature that reveals the outcome",
}
Row = tuple[str, float, float, float]


def measures(
    y: ArrayLike,
    p: ArrayLike,
    groups: ArrayLike | None = None,
    threshold: float | None = None,
    *,
    clusters: ArrayLike | None = None,
    estimand: str | None = None,
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
        The school of each student.
    estimand : str, optional
        What the intervals are about: ``"schools_like_these"`` (the default from three schools on), or
        ``"these_schools"`` with other pupils (the default without ``clusters``). A group in fewer than three schools
        has the latter.
    level : float
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        Columns ``group, measure, value, low, high, estimand``; ``all`` first, then the groups in sorted order.
        Measures: ``auc``, ``average_precision``, ``brier``, ``log_loss``, ``calibration_slope`` (1 is best; below it
        the scores are too extreme), ``calibration_in_the_large`` (0 is best; below it the scores are too high). With a
        threshold also the counts ``n, tp, fp, fn, tn``, the shares ``base_rate, flagged_share, tpr, fnr, fpr, tnr, ppv,
        npv``, ``false_alarms_per_100`` flagged, ``lift`` (precision against the base rate) and ``net_benefit`` per
        student.

    Raises
    ------
    DataError
        If values are missing, not outcomes or not probabilities, lengths differ, there is one class only, the threshold
        is not a probability, or the estimand is schools like these with fewer than three.

    Warns
    -----
    EstimationWarning
        If something has no estimate: a group has one class or fewer than five students, scores are certain, equal or
        separate the classes; or if there are fewer than three schools.

    Notes
    -----
    *Schools like these*: the measure without each school in turn, *t* with schools - 1 degrees of freedom, shares and
    areas on the logit scale (:func:`nbanalytics.schools.over_schools`); a share that no school changes has Wilson's
    interval with that *t*. *These schools*: the AUC has the interval of DeLong et al. (1988), shares Wilson's, Brier
    score and log loss that of a mean, calibration that of its regression, and the others the delete-one interval over
    parts of the students.

    Examples
    --------
    >>> y = [0, 0, 1, 0, 1, 0, 1, 1, 0, 1]
    >>> p = [0.1, 0.2, 0.3, 0.3, 0.4, 0.4, 0.6, 0.7, 0.7, 0.9]
    >>> table = measures(y, p, threshold=0.5)
    >>> table[table["measure"].isin(["auc", "brier", "tp", "ppv"])].round(3).drop(columns="estimand")
       group measure  value    low   high
    0    all     auc   0.78  0.471  1.000
    2    all   brier   0.19  0.056  0.324
    7    all      tp   3.00    NaN    NaN
    17   all     ppv   0.75  0.301  0.954
    """
    outcome, scores = scored(y, p)
    n = len(outcome)
    schools, whole = units_to_leave_out(clusters, n, estimand)
    parts_of_students = units_of(schools, n, THESE)
    rows, weak = [], Counter[str]()
    parts = _parts(groups, n)
    for name, inside in parts:
        units = units_of_group(whole, parts_of_students, inside)
        found, reasons = part_measures(outcome[inside], scores[inside], threshold, units, level)
        rows += [(name, *row, units.estimand) for row in found]
        weak.update(reasons)
    warn_of(weak, len(parts))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def part_measures(
    y: Floats, p: Floats, threshold: float | None, units: Units, level: float = 0.95
) -> tuple[list[Row], set[str]]:
    """Measure one group of students; return its rows, and keys of :data:`_WEAK` that say why some have no estimate."""
    reasons = _reasons(y, p)
    deleted = units.evaluate(statistic(y, p, threshold, with_formula=units.estimand == LIKE))
    counts = {} if threshold is None else counts_once(y, flag_at(p, threshold))
    values = {name: float(found[0]) for name, found in deleted.items()}
    if units.estimand == THESE:
        values |= {name: float(found[0]) for name, found in statistic(y, p)(np.ones((1, len(y)))).items()}
    if "too_few" in reasons:
        values = dict.fromkeys(values, nan)
        intervals: dict[str, tuple[float, float]] = {}
    else:
        intervals = {name: rate_interval(name, found, units, counts, level) for name, found in deleted.items()}
        if units.estimand == THESE:
            intervals |= _by_formula(y, p, counts, level)
    rows: list[Row] = [(name, *_estimate(values[name], intervals.get(name))) for name in SCORE_MEASURES]
    rows += [(name, counts[name], nan, nan) for name in COUNTS if counts]
    rows += [(name, *_estimate(values[name], intervals.get(name))) for name in values if name not in SCORE_MEASURES]
    return rows, reasons


def statistic(
    y: Floats, p: Floats, threshold: float | None = None, with_formula: bool = True, strata: Labels | None = None
) -> Statistic:
    """Return the function that computes every measure for rows of weights.

    Without ``with_formula`` it leaves out those that have an interval by formula in these schools. With strata the AUC
    compares students within a stratum only.
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
    """Warn once of everything that is missing or imprecise, with the number of groups concerned."""
    if weak:
        said = [f"{weak[reason]} of {parts} groups: {words}" for reason, words in _WEAK.items() if weak[reason]]
        warnings.warn(". ".join(said) + ".", EstimationWarning, stacklevel=3)


def _parts(groups: ArrayLike | None, n: int) -> list[tuple[str, Places]]:
    """Return the rows of all students and of each group by name, missing labels last."""
    everybody = [("all", np.arange(n))]
    if groups is None:
        return everybody
    labels = labels_of(groups, n, "groups")
    names: Iterable[str] = sorted(set(labels), key=lambda name: (name == "missing", name))
    if "all" in labels:
        raise DataError("groups: a group is called 'all', the name of all students together", "Give it another name.")
    return everybody + [(name, np.flatnonzero(labels == name)) for name in names]


def _reasons(y: Floats, p: Floats) -> set[str]:
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
    return found


def _by_formula(y: Floats, p: Floats, counts: dict[str, float], level: float) -> dict[str, tuple[float, float]]:
    slope, slope_error, large, large_error = (float(one[0]) for one in calibration_fit(y, p, np.ones((1, len(y)))))
    found = {
        "auc": delong_interval(y, p, level)[1:] if 0 < y.sum() < len(y) else (nan, nan),
        "brier": _of_mean(squared_errors(y, p), level),
        "log_loss": _of_mean(log_losses(y, p), level),
        "calibration_slope": mean_interval(slope, slope_error, level=level),
        "calibration_in_the_large": mean_interval(large, large_error, level=level),
    }
    if counts:
        found |= {name: share_interval(counts, name, level) for name in COUNTED}
    return found


def _of_mean(values: Floats, level: float) -> tuple[float, float]:
    if not np.isfinite(values).all():
        return nan, nan
    error = float(values.std(ddof=1)) / sqrt(len(values))
    low, high = mean_interval(float(values.mean()), error, len(values) - 1, level)
    return max(low, 0.0), high


def _estimate(value: float, interval: tuple[float, float] | None) -> tuple[float, float, float]:
    """Put a value beside its interval; a value that is not finite has none."""
    low, high = interval if interval is not None and np.isfinite(value) else (nan, nan)
    return value, low, high


COMPARED_COLUMNS = (
    *("model", "measure", "value", "low", "high", "difference", "difference_low", "difference_high", "estimand"),
)


def compare_models(
    y: ArrayLike,
    scores: Mapping[str, ArrayLike],
    reference: str | None = None,
    capacity: float = 0.1,
    *,
    clusters: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    estimand: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Measure several models on the same students, and the paired difference of each from one of them.

    The same schools, or students, are left out in turn for all models, so that what the models share cancels in a
    difference.

    Parameters
    ----------
    y, clusters, estimand, level
        As for :func:`nbanalytics.risk.measures`.
    scores : mapping of str to sequence of float
        Probabilities by name of the model.
    reference : str, optional
        The model to compare with; the first by default.
    capacity : float
        Places as a share of the students, for precision, recall, lift and false alarms.
    folds : sequence, optional
        The fold, or cohort, of each student. The AUC then compares students of a fold only, and each fold has its own
        places; otherwise a base rate that differs between folds would seem to rank students.

    Returns
    -------
    pandas.DataFrame
        One row per model and measure: ``model, measure, value, low, high`` and ``difference, difference_low,
        difference_high``, the model minus the reference; missing for the reference itself; ``estimand``. Measures are
        those of :func:`nbanalytics.risk.measures` and ``precision, recall, lift, false_alarms_per_100`` at the
        capacity. What cannot be computed for a model (calibration of equal scores) is missing.

    Raises
    ------
    DataError
        If outcomes or scores cannot be used, or there is no such reference.

    Warns
    -----
    EstimationWarning
        If a measure of a model has no value, or there are fewer than three schools.

    Notes
    -----
    Delete-one intervals as for :func:`nbanalytics.risk.measures`; in *these schools* the AUC and its paired difference
    have those of DeLong et al. (1988).

    Examples
    --------
    >>> y = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> scores = {"flag": [.2, .2, .2, .6, .2, .6, .6, .6], "model": [.1, .2, .5, .7, .3, .8, .6, .9]}
    >>> table = compare_models(y, scores)
    >>> table[table["measure"] == "auc"][["model", "value", "difference"]].round(3)
       model  value  difference
    0   flag  0.750         NaN
    10  model 0.938       0.188
    """
    outcome, arrays = scored_by(y, scores)
    base = reference if reference is not None else next(iter(arrays), None)
    if base not in arrays:
        raise DataError(
            f"There is no model {base} to compare with", f"Choose among: {', '.join(arrays) or 'none at all'}."
        )
    schools, whole = units_to_leave_out(clusters, len(outcome), estimand)
    parts, strata = units_of(schools, len(outcome), THESE), labels_or_none(folds, len(outcome), "folds")
    flags = {name: flags_at_capacity(array, capacity, strata) for name, array in arrays.items()}
    deleted = {name: whole.evaluate(statistic(outcome, array, strata=strata)) for name, array in arrays.items()}
    placed = {
        units.estimand: {
            name: units.evaluate(capacity_statistic(outcome, array, capacity, strata)) for name, array in arrays.items()
        }
        for units in (whole, parts)
    }
    by_delong = _auc_bounds(outcome, arrays, base, strata, level) if whole.estimand == THESE else {}
    rows: list[tuple[Any, ...]] = []
    for name in arrays:
        at_top = units_of_places(whole, parts, flags[name], flags[base])
        counts = counts_once(outcome, flags[name])
        for units, found in ((whole, deleted), (at_top, placed[at_top.estimand])):
            for measure, values in found[name].items():
                interval, apart = rate_interval(measure, values, units, counts, level), [np.nan] * 3
                if name != base:
                    # Two infinite log losses have no difference.
                    with np.errstate(invalid="ignore"):
                        difference = values - found[base][measure]
                    apart = [float(difference[0]), *units.interval(difference, level=level)]
                if measure == "auc" and by_delong:
                    interval, apart[1:] = by_delong[name]
                interval = interval if np.isfinite(values[0]) else (nan, nan)
                rows.append((name, measure, float(values[0]), *interval, *apart, units.estimand))
    warn_of_missing(row[2] for row in rows)
    return pd.DataFrame(rows, columns=list(COMPARED_COLUMNS))


def _auc_bounds(
    y: Floats, arrays: Mapping[str, Floats], base: str, strata: Labels | None, level: float
) -> dict[str, tuple[tuple[float, float], tuple[float, float]]]:
    """Return DeLong's bounds of the AUC of each model, and of its difference from the base."""
    names = list(arrays)
    auc, covariance = delong(y, np.array(list(arrays.values())), strata)
    found = {}
    for place, name in enumerate(names):
        _, low, high, _ = auc_difference(auc, covariance, place, names.index(base), level)
        found[name] = (delong_interval(y, arrays[name], level, strata)[1:], (low, high) if name != base else (nan, nan))
    return found
