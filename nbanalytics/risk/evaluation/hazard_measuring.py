"""How well hazards foresee when: AUC and Brier score by period, with weights for those who left unseen."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.risk.evaluation.auc import tied_within, won_pairs
from nbanalytics.risk.evaluation.bootstrap import draw, percentile_interval, schools_to_draw, warn_weak
from nbanalytics.risk.evaluation.scores import Floats, labels_or_none, ratio


def hazard_measures(
    duration: Any,
    event: Any,
    risk: Any,
    *,
    clusters: Any = None,
    folds: Any = None,
    draws: int = 200,
    random_state: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Measure predicted risks period by period, when some students leave before it is known what came of them.

    Parameters
    ----------
    duration : sequence of int
        Periods from the start to the event, or through which the student was seen without it; 0 if never seen again.
    event : sequence of 0 and 1
        1: the event happened in that period; 0: censored, by moving as well.
    risk : array, shape (students, periods)
        Predicted probability that the event has happened by the end of period 1, 2, ...; a dataframe is taken, too.
    folds : sequence, optional
        The fold whose model gave the risks: only students of a fold are compared in the AUC.
    clusters, draws, random_state, level
        As for :func:`nbanalytics.risk.measures`.

    Returns
    -------
    pandas.DataFrame
        ``t, measure, value, low, high``: for each period ``auc`` (cases by *t* against those without the event through
        *t*) and ``brier``; in the last row, without ``t``, ``integrated_brier``, their mean over the periods. Missing
        where a period has no case or nobody left. Percentile bootstrap, of whole clusters where they are given.

    Raises
    ------
    DataError
        If lengths differ, events are not 0 or 1, durations are no whole numbers, risks are no probabilities, or they
        fall over time.

    Warns
    -----
    EstimationWarning
        If fewer than five schools are resampled.

    Notes
    -----
    Cumulative/dynamic AUC (Heagerty, Lumley and Pepe 2000; Uno et al. 2007) and the Brier score of Graf et al. (1999,
    Statistics in Medicine 18: 2529-2545), both weighted by the inverse probability of not being censored. In discrete
    time a student censored in a period was seen through it: who is without the event at *t* has the weight *1/G(t-)*,
    a case of period *s* has *1/G(s-)*, where *G* is the Kaplan-Meier estimate of staying in sight. Censoring is taken
    to be independent of the outcome.

    Examples
    --------
    >>> risk = [[.5, .7], [.1, .6], [.2, .3], [.1, .2]]
    >>> hazard_measures([1, 2, 2, 2], [1, 1, 0, 0], risk)[["t", "measure", "value"]].round(4)
         t           measure   value
    0  1.0               auc  1.0000
    1  1.0             brier  0.0775
    2  2.0               auc  1.0000
    3  2.0             brier  0.0950
    4  NaN  integrated_brier  0.0863
    """
    periods, happened, risks = _checked(duration, event, risk)
    strata = labels_or_none(folds, len(periods), "folds")
    course = _Course(periods, happened, risks, strata)
    values = {name: float(value[0]) for name, value in course.measure(np.ones((1, len(periods)))).items()}
    drawn = draw(len(periods), schools_to_draw(clusters, len(periods)), draws, random_state)
    if clusters is not None:
        warn_weak(drawn)
    intervals = {name: percentile_interval(found, level) for name, found in drawn.evaluate(course.measure).items()}
    rows = []
    for key, value in values.items():
        measure, _, t = key.partition(" ")
        low, high = intervals[key] if np.isfinite(value) else (nan, nan)
        rows.append((float(t) if t else nan, measure, value, low, high))
    return pd.DataFrame(rows, columns=["t", "measure", "value", "low", "high"])


class _Course:
    """Durations, events and risks, measured for rows of weights."""

    def __init__(self, periods: Any, event: Any, risk: Floats, strata: Any) -> None:
        self._periods, self._event, self._risk = periods, event, risk
        self._ties = [tied_within(column, strata) for column in risk.T]

    def measure(self, weights: Floats) -> dict[str, Floats]:
        in_sight = self._in_sight(weights)
        found: dict[str, Floats] = {}
        scores = []
        for t in range(1, self._risk.shape[1] + 1):
            case = (self._event == 1) & (self._periods <= t)
            free = (self._periods > t) | ((self._event == 0) & (self._periods == t))
            # Before the period of the event, or before t: the chance of having been in sight until then.
            of_cases = ratio(weights * case, in_sight[:, np.maximum(self._periods - 1, 0)])
            of_free = ratio(weights * free, in_sight[:, [t - 1]])
            of_cases, of_free = np.nan_to_num(of_cases), np.nan_to_num(of_free)
            risk = self._risk[:, t - 1]
            brier = ratio(of_cases @ (1 - risk) ** 2 + of_free @ risk**2, weights.sum(axis=1))
            brier = np.where(of_cases.sum(axis=1) + of_free.sum(axis=1) > 0, brier, nan)
            found[f"auc {t}"] = won_pairs(of_cases, of_free, self._ties[t - 1])
            found[f"brier {t}"] = brier
            scores.append(brier)
        found["integrated_brier"] = np.mean(scores, axis=0)
        return found

    def _in_sight(self, weights: Floats) -> Floats:
        """Kaplan-Meier estimate of not being censored through period 0, 1, 2, ..., shape (draws, periods + 1)."""
        staying = np.ones(len(weights))
        estimate = []
        for t in range(self._risk.shape[1] + 1):
            leaving = (self._event == 0) & (self._periods == t)
            seen = leaving | (self._periods > t)
            staying = staying * (1 - np.nan_to_num(ratio(weights @ leaving, weights @ seen)))
            estimate.append(staying)
        return np.array(estimate).T


def _checked(duration: Any, event: Any, risk: Any) -> tuple[Any, Any, Floats]:
    periods, happened, risks = (np.asarray(values, dtype=float) for values in (duration, event, risk))
    if risks.ndim != 2 or not len(periods) == len(happened) == len(risks) or not risks.size:
        raise DataError(
            f"There are {len(periods)} durations, {len(happened)} events and risks of shape {risks.shape}. Give one "
            "duration, one event and one row of risks per student, one column per period."
        )
    problems = {
        "durations are no whole numbers from 0 on": ~((periods >= 0) & (periods % 1 == 0)),
        "events are neither 0 nor 1": ~np.isin(happened, (0, 1)),
        "events happen in period 0; the first period is 1": (happened == 1) & (periods == 0),
        "rows of risks hold values outside 0 to 1": ~((risks >= 0) & (risks <= 1)).all(axis=1),
        "rows of risks fall over time; give the chance of the event by each period": (
            np.diff(risks, axis=1) < -1e-9
        ).any(axis=1),
    }
    for words, faulty in problems.items():
        if faulty.any():
            first = int(np.flatnonzero(faulty)[0])
            raise DataError(f"{int(faulty.sum())} of {len(periods)} {words} (first at position {first}).")
    return periods.astype(int), happened.astype(int), risks
