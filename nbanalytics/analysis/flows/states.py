"""The course as a multi-state model in discrete time: how likely each state is at each stage, and who regains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.flows.course import states_of
from nbanalytics.declaration import AFTER
from nbanalytics.errors import DataError
from nbanalytics.frames import By, collect, column_names, open_frame
from nbanalytics.intervals import score_interval
from nbanalytics.records import StudentRecords
from nbanalytics.results import Settings, Shown
from nbanalytics.schools import MIN_SCHOOLS, THESE, estimand_of, jackknife_interval, labels, units_of
from nbanalytics.students import AFTER_STATES, ELIGIBLE, MOVED, NOT_ELIGIBLE, UNKNOWN, knows_programmes, student_table

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
#: The states of the whole course, in order; a student whose state is unknown is not at risk there.
STATES = (ELIGIBLE, NOT_ELIGIBLE, *(state for state in AFTER_STATES if state not in (MOVED, UNKNOWN)), MOVED)
_STAY, _LOST = STATES.index(ELIGIBLE), STATES.index(NOT_ELIGIBLE)
_TABLE = ("stage", "state", "at_risk", "probability", "se", "low", "high", "estimand", "status")
_COURSE = ("measure", "stage", "value", "low", "high", "estimand", "status")
_APART = ("measure", "stage", "state", "group_value", "others_value", "difference", "low", "high", "estimand")


def aalen_johansen(
    courses: Any, states: Sequence[str], persons: Any = None, clusters: Any = None, *, fixed_start: bool = False
) -> pd.DataFrame:
    """Estimate the probability of each state at each time from courses that may begin late or be censored.

    Parameters
    ----------
    courses : dataframe or array, one row per person or per distinct course
        The state at each time, one column for each; others than ``states`` are not seen.
    states : sequence of str
        The states, in order.
    persons : array-like of numbers, optional
        How many persons have the course of each row; by default 1.
    clusters : array-like, optional
        The cluster of each row, such as a school, that its persons are not independent in.
    fixed_start : bool
        Whether the shares of the states at the first time are given, as R has it, or estimated too.

    Returns
    -------
    pandas.DataFrame
        One row per time ``t`` (0, 1, ...) and ``state``: ``at_risk``, persons who are seen in the state at the time
        before and are still seen at this one (at time 0 persons seen in it); ``probability``; ``se``, its standard
        error. A state that nobody at risk is in keeps its probability.

    Raises
    ------
    DataError
        If nobody is seen at the first time, or the lengths differ.

    Notes
    -----
    Aalen and Johansen (1978), Scandinavian Journal of Statistics 5: 141-150: p(t) = p(t - 1) H(t), H being the shares
    that go from state to state among those at risk. The standard error is the infinitesimal jackknife,
    √Σ(∂p/∂w)² over persons or clusters (Therneau and Grambsch 2000, *Modeling Survival Data*, chapter 7); with
    ``fixed_start`` that of ``survfit`` of R's ``survival``.

    Examples
    --------
    >>> courses = [["in", "in", "out"], ["in", "out", "in"], ["in", "in", None], [None, "in", "in"]]
    >>> aalen_johansen(courses, ["in", "out"]).tail(2).round(3)
       t state  at_risk  probability     se
    4  2    in      2.0        0.667  0.304
    5  2   out      1.0        0.333  0.304
    """
    codes = codes_of(pd.DataFrame(courses), states)
    weights = np.ones(len(codes)) if persons is None else np.asarray(persons, dtype=np.float64)
    groups = None if clusters is None else np.unique(labels(clusters), return_inverse=True)[1]
    if len(weights) != len(codes) or (groups is not None and len(groups) != len(codes)):
        raise DataError(f"There are {len(codes)} courses, but other numbers of persons or clusters. Give one each.")
    if not weights[codes[:, 0] >= 0].sum() > 0:
        raise DataError("Nobody is seen at the first time, so that no course starts. Leave out that time.")
    parts = []
    for t, (at_risk, share, error) in enumerate(_influence(codes, weights, groups, len(states), fixed_start)):
        columns = {"t": t, "state": list(states), "at_risk": at_risk, "probability": share, "se": error}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def codes_of(courses: pd.DataFrame, states: Sequence[str]) -> Codes:
    """Number the states of courses; others are -1."""
    places = {state: place for place, state in enumerate(states)}
    columns = [courses[name].astype(object).map(places).fillna(-1).to_numpy(dtype=np.int64) for name in courses]
    return np.stack(columns, axis=1)


def _influence(
    codes: Codes, weights: Floats, groups: Codes | None, size: int, fixed: bool = False
) -> list[tuple[Floats, Floats, Floats]]:
    """At risk, probability and standard error at each time; a row of ``moved`` says what one person more changes."""
    start, steps = tensors(codes, np.zeros(len(codes), dtype=np.int64), weights, 1, size)
    unit, rows = np.eye(size), np.arange(len(codes))
    at_risk, share = start[0], start[0] / start[0].sum()
    begins = (codes[:, 0] >= 0) & (not fixed)
    moved = np.where(begins[:, None], unit[codes[:, 0]] - share, 0.0) / start[0].sum()
    found = []
    for step in range(codes.shape[1]):
        if step:
            counts = steps[0, step - 1]
            at_risk, chance = counts.sum(axis=1), chances(counts)
            before, after = codes[:, step - 1], codes[:, step]
            moved = moved @ chance
            seen = rows[(before >= 0) & (after >= 0)]
            first = before[seen]
            moved[seen] += (share[first] / at_risk[first])[:, None] * (unit[after[seen]] - chance[first])
            share = share @ chance
        if groups is None:
            variance = (weights[:, None] * moved**2).sum(axis=0)
        else:
            together = np.zeros((groups.max() + 1, size))
            np.add.at(together, groups, weights[:, None] * moved)
            variance = (together**2).sum(axis=0)
        found.append((at_risk, share, np.sqrt(variance)))
    return found


def tensors(codes: Codes, place: Codes, persons: Floats, number: int, size: int) -> tuple[Floats, Floats]:
    """Count by unit who starts in each state, and who goes from state to state in each step."""

    def count(shape: tuple[int, ...], *columns: Codes) -> Floats:
        seen = np.logical_and.reduce([column >= 0 for column in columns])
        cells = np.ravel_multi_index([column[seen] for column in (place, *columns)], shape)
        return np.bincount(cells, persons[seen], int(np.prod(shape))).reshape(shape).astype(np.float64)

    start = count((number, size), codes[:, 0])
    steps = [count((number, size, size), codes[:, t], codes[:, t + 1]) for t in range(codes.shape[1] - 1)]
    return start, np.array(steps).reshape(len(steps), number, size, size).swapaxes(0, 1)


def chances(counts: Floats) -> Floats:
    """Shares that go from each state to each; who is in a state where nobody is at risk stays."""
    at_risk = counts.sum(axis=-1, keepdims=True)
    shares: Floats = np.broadcast_to(np.eye(counts.shape[-1]), counts.shape).copy()
    np.divide(counts, at_risk, out=shares, where=at_risk > 0)
    return shares


def occupied(start: Floats, chance: Floats) -> Floats:
    """Carry numbers or shares of states (rows, states) through chances (rows, steps, states, states)."""
    shares = [start]
    for step in range(chance.shape[1]):
        shares.append(np.einsum("ri,rij->rj", shares[-1], chance[:, step]))
    return np.stack(shares, axis=1)


def all_and_without(counts: Floats) -> Floats:
    """Counts of all units (first), and without each of them."""
    total = counts.sum(axis=0, keepdims=True)
    return np.concatenate([total, total - counts])


@dataclass(frozen=True)
class CountedCourses:
    """Distinct courses of students with how many have them, and the units that are left out in turn.

    Attributes
    ----------
    stages : tuple of str
    codes : array, shape (rows, stages)
        Places in ``STATES``; -1 where the state is unknown or the student has not come yet.
    table : pandas.DataFrame
        For each row the columns that were kept, ``_school`` and ``_persons``.
    estimand : str
    """

    stages: tuple[str, ...]
    codes: Codes
    table: pd.DataFrame
    estimand: str

    def units(self, estimand: str) -> pd.DataFrame:
        """One row for each course and unit: ``row, unit, persons``."""
        rows = np.repeat(np.arange(len(self.table)), self.table["_persons"])
        place = units_of(self.table["_school"].to_numpy()[rows], len(rows), estimand).place
        pairs = pd.DataFrame({"row": rows, "unit": place})
        return pairs.value_counts(sort=False).rename("persons").reset_index()

    def own_estimand(self, within: Any) -> str:
        """What intervals of some courses can be about: with few schools only those."""
        return self.estimand if self.table.loc[within, "_school"].nunique() >= MIN_SCHOOLS else THESE


def count_courses(records: StudentRecords, by: By, estimand: str | None) -> CountedCourses:
    """Count the distinct courses through all terms and programmes; only the counts leave the engine."""
    records.refuse_uncountable("students", "grades")
    stages = (*records.declaration.terms, *((AFTER,) if knows_programmes(records) else ()))
    states = [f"state_{stage}" for stage in stages]
    school = [name for name in ("school_id",) if name in column_names(open_frame(records.students))]
    wide = student_table(records, [*states, *school], by)
    wide = wide.with_columns(_school=nw.col("school_id") if school else nw.lit(None, nw.String))
    keys = [*by.keys, "_school", *states]
    counts = collect(wide.group_by(*keys).agg(nw.len().alias("_persons"))).sort_values(keys, ignore_index=True)
    counts["_school"] = labels(counts["_school"])
    codes = codes_of(counts[states], STATES)
    # Who has not moved in yet has no state: the course begins late.
    arrived = np.maximum.accumulate((codes >= 0) & (codes != STATES.index(MOVED)), axis=1)
    codes = np.where(arrived, codes, -1)
    kind = estimand_of(counts["_school"] if school else None, estimand, stacklevel=4)
    return CountedCourses(stages, codes, counts[[*by.keys, "_school", "_persons"]], kind)


@dataclass(frozen=True, repr=False)
class StateProbabilities(Shown):
    """How likely each state is at each stage of the course.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then

        - ``stage``: a term, or ``upper_secondary``; ``state``;
        - ``at_risk``: students seen in that state at the stage before, and seen at this one;
        - ``probability`` of the state, with ``se`` (other pupils) and its 95 % interval ``low, high``;
        - ``estimand``: what the interval is about; ``status``: ``ok``, or ``too_few`` and nothing estimated.
    course : pandas.DataFrame
        The columns of ``by``, then ``measure, stage, value, low, high, estimand, status``. ``terms_not_eligible``: the
        expected number of terms without eligibility. ``regained`` and ``eligible_at_end``, by ``stage``: the
        probability of a student who is not eligible in that term to be eligible in a later one, and in the last.
    differences : pandas.DataFrame
        Every group against all the others together, for each probability and measure: ``group_value, others_value,
        difference`` and its interval ``low, high``, paired over schools. Empty without ``by``.
    settings : mapping
        ``stages, by, estimand, min_students``.
    students : int
        Students with a state in the first term.
    """

    table: pd.DataFrame
    course: pd.DataFrame
    differences: pd.DataFrame
    settings: Settings
    students: int

    def _words(self) -> str:
        stages = self.settings["stages"]
        return f"States from {stages[0]} to {stages[-1]}, {self.students} students in the first term"


def state_probabilities(
    records: StudentRecords,
    by: str | Sequence[str] = (),
    *,
    estimand: str | None = None,
    min_students: int = 10,
) -> StateProbabilities:
    """Estimate how likely each state is at each stage, for students who start in the first term.

    Students who move in later count from then on, and those whose state is unknown do not count in that step: unlike
    shares of those seen, the probabilities are not made of whoever is left. Unknown states are taken to be independent
    of the step that is not seen, and the next state to depend on the present one only; probabilities of a state need
    the latter only where courses begin late or are not seen to the end, ``regained`` needs it throughout (counts of
    returns are in :func:`nbanalytics.recovery`).

    Parameters
    ----------
    records : StudentRecords
        Students and grades, and outcomes if the programme after the last term is wanted.
    by : str or sequence of str
        Columns of the students table to divide by: ``sex``, ``school_id``, ``cohort``.
    estimand : str, optional
        ``"schools_like_these"`` (the default from three schools on) or ``"these_schools"``; see
        :func:`nbanalytics.schools.estimand_of`. A group in fewer than three schools has the latter.
    min_students : int
        With fewer students in the first term nothing is estimated.

    Returns
    -------
    StateProbabilities

    Raises
    ------
    DataError
        If a column of ``by`` is not there, or schools like these are asked about with fewer than three.

    Notes
    -----
    :func:`aalen_johansen`; Andersen, Borgan, Gill and Keiding (1993), *Statistical Models Based on Counting Processes*,
    IV.4. Expected terms: the sum of the probabilities over the terms (Andersen and Keiding 2002, Statistical Methods in
    Medical Research 11: 91-115). *Regained*: the same with eligible as the last state. Intervals: all of it without
    each unit in turn (:func:`nbanalytics.schools.over_schools`), shares on the logit scale; where no unit changes a
    share of 0 or 1, the score interval.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = state_probabilities(simulate(seed=1, cohorts=[2018]).records)
    >>> found.table.query("stage == '9VT'")[["state", "probability"]].round(3).to_numpy().tolist()[:2]
    [['eligible', 0.803], ['not_eligible', 0.197]]
    """
    divided = By.of(by, (*_TABLE, *_COURSE, *_APART), open_frame(records.students))
    courses = count_courses(records, divided, estimand)
    split = divided.split(courses.table)
    tables, measures, apart = [], [], []
    for group, part in split:
        within = courses.table.index.isin(part.index)
        own = courses.own_estimand(within)
        values, present = _evaluated(courses, within, own)
        enough = part.loc[courses.codes[part.index, 0] >= 0, "_persons"].sum() >= max(min_students, 1)
        tables += [{**group, **row} for row in _table_rows(courses, within, values, present, own, enough)]
        for (measure, stage, _), found in values.items():
            if measure != "probability":
                unit = len(records.declaration.terms) if measure == "terms_not_eligible" else 1
                row = {"measure": measure, "stage": stage, **_estimate(found, present, enough, unit=unit)}
                measures.append({**group, **row, "estimand": own})
        if len(split) > 1 and enough:
            apart += [{**group, **row} for row in _differences(courses, within, values, own)]
    return StateProbabilities(
        pd.DataFrame(tables, columns=[*divided.names, *_TABLE]),
        pd.DataFrame(measures, columns=[*divided.names, *_COURSE]),
        pd.DataFrame(apart, columns=[*divided.names, *_APART]),
        {"stages": courses.stages, "by": divided.names, "estimand": courses.estimand, "min_students": min_students},
        int(courses.table.loc[courses.codes[:, 0] >= 0, "_persons"].sum()),
    )


Values = dict[tuple[str, str, str], Floats]


def _evaluated(courses: CountedCourses, within: NDArray[np.bool_], estimand: str) -> tuple[Values, int]:
    """Everything that is estimated of some courses, of all units and without each; and the units they are in."""
    units = courses.units(estimand)
    units = units[within[units["row"]]]
    place, present = units["unit"].to_numpy(), units["unit"].nunique()
    number = int(place.max(initial=0)) + 1
    counts = tensors(courses.codes[units["row"]], place, units["persons"].to_numpy(dtype=float), number, len(STATES))
    start, steps = (all_and_without(one) for one in counts)
    with np.errstate(invalid="ignore"):
        shares, chance = occupied(start / start.sum(axis=1, keepdims=True), chances(steps)), chances(steps)
    values: Values = {}
    for place_of, stage in enumerate(courses.stages):
        of_stage = [STATES.index(state) for state in states_of(stage) if state != UNKNOWN]
        # Who has no programme that is known would stay in the state of the last term.
        left = np.delete(shares[:, place_of], of_stage, axis=1).sum(axis=1)
        for state in of_stage:
            found = np.where(left < 1e-9, shares[:, place_of, state], nan)
            values["probability", stage, STATES[state]] = found
    terms = len(courses.stages) - (courses.stages[-1] == AFTER)
    values["terms_not_eligible", "", ""] = shares[:, :terms, _LOST].sum(axis=1)
    lost = np.zeros((len(start), len(STATES)))
    lost[:, _LOST] = 1.0
    absorbed = chance.copy()
    absorbed[:, :, _STAY] = np.eye(len(STATES))[_STAY]
    for step in range(terms - 1):
        known = steps[0, step, _LOST].sum() > 0
        for measure, used in (("regained", absorbed), ("eligible_at_end", chance)):
            ends = occupied(lost, used[:, step : terms - 1])[:, -1, _STAY]
            values[measure, courses.stages[step], ""] = ends if known else np.full(len(ends), nan)
    return values, present


def _estimate(values: Floats, units: int, enough: bool, students: float = 0, unit: int = 1) -> dict[str, Any]:
    """A share, or one times ``unit``, with its interval; of so many students where no unit changes it."""
    value = float(values[0])
    if not enough or not np.isfinite(value):
        return {"value": nan, "low": nan, "high": nan, "status": "too_few"}
    low, high = jackknife_interval(values / unit, "logit", units)
    if low != low and students and np.allclose(values, value) and min(value, 1 - value) < 1e-12:
        low, high = score_interval(round(value), students, freedom=units - 1)
    return {"value": value, "low": unit * low, "high": unit * high, "status": "ok"}


def _table_rows(
    courses: CountedCourses, within: NDArray[np.bool_], values: Values, units: int, estimand: str, enough: bool
) -> list[dict[str, Any]]:
    persons = courses.table["_persons"].to_numpy(dtype=float)[within]
    codes = courses.codes[within]
    started = persons[codes[:, 0] >= 0].sum()
    exact = _influence(codes, persons, None, len(STATES)) if started else []
    rows = []
    for (measure, stage, state), found in values.items():
        if measure == "probability":
            own = _estimate(found, units, enough, started)
            at_risk, _, error = exact[courses.stages.index(stage)] if exact else (np.zeros(len(STATES)),) * 3
            place = STATES.index(state)
            se = float(error[place]) if own["status"] == "ok" else nan
            head = {"stage": stage, "state": state, "at_risk": int(at_risk[place]), "probability": own.pop("value")}
            rows.append({**head, "se": se, **own, "estimand": estimand})
    return rows


def _differences(
    courses: CountedCourses, within: NDArray[np.bool_], values: Values, estimand: str
) -> list[dict[str, Any]]:
    """A group against all others together, without the same unit in turn on both sides."""
    others, _ = _evaluated(courses, ~within, estimand)
    present = courses.units(estimand)["unit"].nunique()
    rows = []
    for (measure, stage, state), found in values.items():
        against = others[measure, stage, state]
        longest = max(len(found), len(against))
        # A unit that a side has no students in changes nothing there.
        one, two = (np.concatenate([side, np.full(longest - len(side), side[0])]) for side in (found, against))
        apart = one - two
        low, high = jackknife_interval(apart, "plain", present)
        head = {"measure": measure, "stage": stage, "state": state, "group_value": one[0], "others_value": two[0]}
        rows.append({**head, "difference": apart[0], "low": low, "high": high, "estimand": estimand})
    return rows
