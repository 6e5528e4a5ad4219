"""Real change and noise apart: a two-state hidden Markov model of eligibility with misclassification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import nan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nbanalytics.analysis.droppoints.transitions import WAYS
from nbanalytics.analysis.flows.states import STATES, Codes, Floats, count_courses
from nbanalytics.errors import DataError
from nbanalytics.frames import By
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.schools import jackknife_interval
from nbanalytics.students import ELIGIBLE, NOT_ELIGIBLE

ERRORS = ("equal", "apart")
#: Shares of misclassified terms that the search starts from.
_STARTS = (0.005, 0.02, 0.05, 0.1, 0.2)
#: An error below this counts as none: the best value lies on the boundary.
_BOUNDARY = 1e-3
#: A smaller chance at the other steps makes no ratio with an interval.
_LEAST = 1e-4
_ROUNDS, _TOLERANCE = 2000, 1e-8
_SEEN, _NOT, _HOLE = 0, 1, 2
_TABLE = ("t", "from", "to", "way", "changed", "real", "observed", "probability", "low", "high", "status")


class Chain(NamedTuple):
    """Parameters of the model, with a row for each set of weights that it is fitted to.

    Attributes
    ----------
    start : array, shape (rows, 2)
        Probability of truly eligible, and not, in the first term.
    steps : array, shape (rows, terms - 1, 2, 2)
        Probability to go from state to state.
    seen : array, shape (rows, 2, 3)
        Probability of what is seen (eligible, not eligible, nothing: 1) in each state.
    """

    start: Floats
    steps: Floats
    seen: Floats


def _passes(courses: Codes, chain: Chain) -> tuple[Floats, Floats, Floats, Floats]:
    """Forward and backward probabilities of distinct courses, what is seen of them, and their log likelihood.

    Rabiner (1989), Proceedings of the IEEE 77: 257-286, with his scaling.
    """
    terms = courses.shape[1]
    emitted = np.moveaxis(chain.seen[:, :, courses], 1, -1)
    forward, backward = np.empty_like(emitted), np.ones_like(emitted)
    scale = np.empty(emitted.shape[:-1])
    for t in range(terms):
        before = chain.start[:, None, :] if not t else forward[:, :, t - 1] @ chain.steps[:, t - 1]
        now = before * emitted[:, :, t]
        scale[:, :, t] = now.sum(axis=-1)
        forward[:, :, t] = now / scale[:, :, t, None]
    for t in range(terms - 2, -1, -1):
        later = emitted[:, :, t + 1] * backward[:, :, t + 1] / scale[:, :, t + 1, None]
        backward[:, :, t] = later @ np.swapaxes(chain.steps[:, t], 1, 2)
    return forward, backward, emitted / scale[..., None], np.log(scale).sum(axis=-1)


def _pairs(chain: Chain, forward: Floats, backward: Floats, emitted: Floats) -> Floats:
    """Probability of each pair of true states in two terms in a row, shape (rows, courses, terms - 1, 2, 2)."""
    later = emitted[:, :, 1:] * backward[:, :, 1:]
    return np.asarray(forward[:, :, :-1, :, None] * chain.steps[:, None] * later[:, :, :, None, :])


def _round(courses: Codes, weights: Floats, chain: Chain, errors: str) -> tuple[Chain, Floats]:
    """One round of expectation and maximisation (Baum and others 1970), and the log likelihood before it."""
    forward, backward, emitted, likelihood = _passes(courses, chain)
    states = forward * backward
    pairs = np.einsum("rc,rctij->rtij", weights, _pairs(chain, forward, backward, emitted))
    start = np.einsum("rc,rci->ri", weights, states[:, :, 0])
    wrong = [np.einsum("rc,rct->r", weights, states[..., state] * (courses == 1 - state)) for state in (0, 1)]
    there = [np.einsum("rc,rct->r", weights, states[..., state] * (courses != _HOLE)) for state in (0, 1)]
    if errors == "equal":
        wrong, there = [wrong[0] + wrong[1]] * 2, [there[0] + there[1]] * 2
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = pairs / pairs.sum(axis=-1, keepdims=True)
        # Errors above a half would only swap the names of the states.
        rates = [np.minimum(np.nan_to_num(one / all_), 0.5) for one, all_ in zip(wrong, there, strict=True)]
    steps = np.where(np.isfinite(steps), steps, chain.steps)
    made = Chain(start / start.sum(axis=1, keepdims=True), steps, _emission(rates[0], rates[1]))
    return made, (weights * likelihood).sum(axis=1)


def _emission(first: Any, second: Any) -> Floats:
    first, second = np.atleast_1d(first), np.atleast_1d(second)
    holes = np.ones_like(first)
    return np.stack([np.stack([1 - first, first, holes], -1), np.stack([second, 1 - second, holes], -1)], 1)


def fit_chain(courses: Codes, weights: Floats, chain: Chain, errors: str = "equal") -> tuple[Chain, Floats]:
    """Maximise the likelihood by EM, for each row of weights from the same or its own first values.

    Parameters
    ----------
    courses : array of int, shape (courses, terms)
        0 seen eligible, 1 seen not eligible, 2 not seen.
    weights : array, shape (rows, courses)
        How many students have each course.
    chain : Chain
        First values, with one row or as many as ``weights``.
    errors : str
        ``equal`` in both states, or ``apart``.

    Returns
    -------
    Chain, array
        What was found, and the log likelihood of each row.
    """
    rows = len(weights)
    chain = Chain(*(np.repeat(one, rows, axis=0) if len(one) == 1 else one for one in chain))
    total, before = weights.sum(axis=1), np.full(rows, -np.inf)
    for _ in range(_ROUNDS):
        following, likelihood = _round(courses, weights, chain, errors)
        if ((likelihood - before) < _TOLERANCE * total).all():
            break
        chain, before = following, likelihood
    return chain, likelihood


def _first_values(courses: Codes, weights: Floats, error: tuple[float, float]) -> Chain:
    """The shares of those seen in two terms in a row, and a share of errors."""
    steps = np.empty((1, courses.shape[1] - 1, 2, 2))
    for t, i, j in product(range(courses.shape[1] - 1), (0, 1), (0, 1)):
        steps[0, t, i, j] = weights[(courses[:, t] == i) & (courses[:, t + 1] == j)].sum()
    shares = (steps + 0.5) / (steps + 0.5).sum(axis=-1, keepdims=True)
    first = np.array([[weights[courses[:, 0] == state].sum() + 0.5 for state in (0, 1)]])
    return Chain(first / first.sum(), shares, _emission(*error))


@dataclass(frozen=True, repr=False)
class LatentTransitions(Shown):
    """Chances from term to term if some terms are seen wrongly.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per step and way:

        - ``t``, ``from``, ``to``, ``way`` (``lost`` or ``regained``) as in
          :class:`nbanalytics.analysis.droppoints.TransitionProbabilities`;
        - ``changed``: students seen to change at the step; ``real``: how many of them are expected to have changed
          truly at it; the rest is noise, or a change that came earlier or later;
        - ``observed``: the chance from term to term as seen; ``probability``: that of a true change, with its 95 %
          interval ``low, high``;
        - ``status``: ``ok``; ``boundary``: the best value is 0 or 1, or no misclassification, and has no interval;
          ``too_few``: nobody at risk.
    measures : pandas.DataFrame
        ``measure, value, low, high, status``. ``error_eligible``: share of terms that are seen not eligible while
        truly eligible; ``error_not_eligible``: the reverse; ``ratio``: the chance of a true loss at the step after the
        start term against that at the other steps together; ``real``: share of all losses seen that are real.
    settings : mapping
        ``terms, errors, estimand, starts`` (values that the search began with) and ``same_end`` (how many of them
        ended at the best likelihood).
    students : int
        Students seen in two terms at least.
    """

    table: pd.DataFrame
    measures: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        values = dict(zip(self.measures["measure"], self.measures["value"], strict=True))
        error, real = values["error_eligible"], values["real"]
        return (
            f"True steps of {self.students} students if {100 * error:.1f} % of eligible terms are seen wrongly; "
            f"{100 * real:.0f} % of losses seen are real by this model"
        )


def latent_transitions(
    records: StudentRecords, *, errors: str = "equal", estimand: str | None = None, min_students: int = 50
) -> LatentTransitions:
    """Tell true changes of eligibility from noise, if true states form a chain and some terms are seen wrongly.

    A student whose grades lie near the line can be seen not eligible in one term and eligible in the next without any
    true change. The model takes the true state to depend on that of the term before only, and a seen state on the true
    one only. A loss that lasts one term is most easily explained as an error, so that real losses that are made good at
    once count as noise: the true chances are a lower bound of change, and observed ones an upper bound. Neither is the
    truth.

    Parameters
    ----------
    records : StudentRecords
    errors : str
        ``"equal"``: as many eligible terms as others are seen wrongly; ``"apart"``: two shares, which needs many
        students.
    estimand : str, optional
        Of :func:`nbanalytics.schools.estimand_of`.
    min_students : int
        With fewer students nothing is estimated.

    Returns
    -------
    LatentTransitions

    Raises
    ------
    DataError
        If there are fewer than three terms or too few students, or schools like these are asked about with fewer than
        three.

    Notes
    -----
    A hidden Markov model with chances of its own at each step (MacDonald and Zucchini 1997, *Hidden Markov and Other
    Models for Discrete-valued Time Series*; for misclassification Jackson and others 2003, The Statistician 52:
    193-209), fitted by EM (Baum and others 1970) from five first values. Errors are at most a half, otherwise the names
    of the states could be swapped. Terms not seen are taken to be independent of the true state, and students who come
    later to be like the others. Intervals: the model is fitted anew without each unit that
    :func:`nbanalytics.schools.units_of` names.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = latent_transitions(simulate(seed=1, cohorts=[2018]).records, estimand="these_schools")
    >>> found.table.query("way == 'lost' and to == '7HT'")[["changed", "real"]].round(1).to_numpy().tolist()
    [[21.0, 14.0]]
    """
    if errors not in ERRORS:
        raise DataError(f"errors is {errors!r}. Choose among: {', '.join(ERRORS)}.")
    terms = records.declaration.terms
    if len(terms) < 3:
        raise DataError(f"{len(terms)} terms cannot tell change from noise: three are needed. Declare more terms.")
    courses, weights, present, kind = _counted(records, len(terms), estimand)
    students = int(weights[0].sum())
    if students < max(min_students, 1):
        raise DataError(
            f"{students} students are seen in two terms, and {min_students} are needed to tell change from noise. "
            "Take more cohorts together."
        )
    pairs = [(one, one) for one in _STARTS]
    found = [fit_chain(courses, weights[:1], _first_values(courses, weights[0], pair), errors) for pair in pairs]
    best = max(found, key=lambda one: float(one[1][0]))
    same = sum(float(best[1][0] - one[1][0]) < 1e-3 for one in found)
    chain, _ = fit_chain(courses, weights, best[0], errors)
    settings = {"terms": terms, "errors": errors, "estimand": kind, "starts": len(found), "same_end": same}
    step = terms.index(records.declaration.start)
    table, measures = _described(courses, weights, chain, present, (terms, step))
    return LatentTransitions(table, measures, settings, students)


def _counted(records: StudentRecords, terms: int, estimand: str | None) -> tuple[Codes, Floats, int, str]:
    """Distinct courses of those seen twice, how many have them in all and without each unit, units, and estimand."""
    counted = count_courses(records, By.of(()), estimand)
    names = np.full(len(STATES) + 1, _HOLE)
    names[STATES.index(ELIGIBLE)], names[STATES.index(NOT_ELIGIBLE)] = _SEEN, _NOT
    codes = names[counted.codes[:, :terms]]
    kept = (codes != _HOLE).sum(axis=1) >= 2
    courses, place = np.unique(codes, axis=0, return_inverse=True)
    pairs = counted.units(counted.estimand)
    pairs = pairs[kept[pairs["row"]]]
    if pairs.empty:
        return courses, np.zeros((1, len(courses))), 0, counted.estimand
    units, own = np.unique(pairs["unit"], return_inverse=True)
    weights = np.zeros((len(units), len(courses)))
    np.add.at(weights, (own, place.ravel()[pairs["row"]]), pairs["persons"])
    total = weights.sum(axis=0, keepdims=True)
    some = total[0] > 0
    return courses[some], np.concatenate([total, total - weights])[:, some], len(units), counted.estimand


def _described(
    courses: Codes, weights: Floats, chain: Chain, units: int, place: tuple[tuple[str, ...], int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    terms, asked = place
    forward, backward, emitted, _ = _passes(courses, chain)
    pairs = _pairs(chain, forward, backward, emitted)
    noise = chain.seen[0, 0, 1] < _BOUNDARY and chain.seen[0, 1, 0] < _BOUNDARY
    rows, real, seen = [], np.zeros(len(weights)), np.zeros(len(weights))
    sums = {"at": np.zeros((2, len(weights))), "lost": np.zeros((2, len(weights)))}
    for way, eligible in WAYS.items():
        i = 1 - eligible
        for t in range(len(terms) - 1):
            both = (courses[:, t] == i) & (courses[:, t + 1] != _HOLE)
            moved = both & (courses[:, t + 1] == 1 - i)
            changed, at_risk = weights[:, moved].sum(axis=1), weights[:, both].sum(axis=1)
            truly = (weights[:, moved] * pairs[:, moved, t, i, 1 - i]).sum(axis=1)
            head = {"t": t + 1, "from": terms[t], "to": terms[t + 1], "way": way, "changed": int(changed[0])}
            observed = changed[0] / at_risk[0] if at_risk[0] else nan
            own = _value(chain.steps[:, t, i, 1 - i], "logit", units, noise, at_risk[0] == 0)
            rows.append({**head, "real": truly[0], "observed": observed, **own})
            if way == "lost":
                real, seen = real + truly, seen + changed
                within = (courses[:, t] != _HOLE) & (courses[:, t + 1] != _HOLE)
                went = np.einsum("rc,rcij->rij", weights[:, within], pairs[:, within, t])
                sums["lost"][int(t != asked)] += went[:, 0, 1]
                sums["at"][int(t != asked)] += went[:, 0].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        chances = sums["lost"] / sums["at"]
        ratio, share = chances[0] / chances[1], real / seen
    measures = [
        {"measure": "error_eligible", **_value(chain.seen[:, 0, 1], "logit", units, noise)},
        {"measure": "error_not_eligible", **_value(chain.seen[:, 1, 0], "logit", units, noise)},
        {"measure": "ratio", **_value(ratio, "log", units, noise or not chances[1].min() > _LEAST)},
        {"measure": "real", **_value(share, "logit", units, noise)},
    ]
    made = pd.DataFrame(measures).rename(columns={"probability": "value"})
    return pd.DataFrame(rows, columns=list(_TABLE)), made


def _value(values: Floats, scale: Any, units: int, noise: bool, nobody: bool = False) -> dict[str, Any]:
    value = float(values[0])
    if nobody or not np.isfinite(value):
        return {"probability": nan, "low": nan, "high": nan, "status": "too_few"}
    edge = noise or (scale == "logit" and not _BOUNDARY < value < 1 - _BOUNDARY)
    low, high = (nan, nan) if edge else jackknife_interval(values, scale, units)
    return {"probability": value, "low": low, "high": high, "status": "boundary" if edge else "ok"}
