"""What if fewer lost their eligibility at a step, or more regained it: expected numbers beside the observed ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.flows.states import (
    STATES,
    CountedCourses,
    Floats,
    all_and_without,
    chances,
    count_courses,
    occupied,
    tensors,
)
from nbanalytics.declaration import AFTER
from nbanalytics.errors import DataError
from nbanalytics.frames import By, as_names, open_frame
from nbanalytics.records import StudentRecords
from nbanalytics.results import Settings, Shown
from nbanalytics.schools import jackknife_interval
from nbanalytics.students import ELIGIBLE, NOT_ELIGIBLE

_NUMBERS = ("measure", "stage", "students", "observed", "expected", "more", "low", "high", "estimand")
_STEPS = ("from", "to", "at_risk", "chance", "what_if")
#: The state that a way leaves, and the one that it goes to.
_WAYS = {
    "lost": (STATES.index(ELIGIBLE), STATES.index(NOT_ELIGIBLE)),
    "regained": (STATES.index(NOT_ELIGIBLE), STATES.index(ELIGIBLE)),
}
#: What is counted at the end: the states at the last term, and on upper secondary school.
_ENDS = {"eligible": (ELIGIBLE,), "national_programme": ("preparatory", "vocational")}


@dataclass(frozen=True, repr=False)
class WhatIf(Shown):
    """Expected numbers at the end of the course under another chance at some steps, beside the observed numbers.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then ``measure`` (``eligible`` in the last term; ``national_programme`` where programmes
        are known) and its ``stage``; ``students``, all there are; ``observed`` and ``expected`` numbers; ``more`` =
        expected - observed with its 95 % interval ``low, high``; ``estimand``: what the interval is about.
    steps : pandas.DataFrame
        The columns of ``by``, then the steps changed: ``from, to``; ``at_risk``, students whom the change is
        about, seen in both terms; their ``chance`` as observed and as in ``what_if``.
    settings : mapping
        ``way, at, times, like, group, by, estimand``.
    students : int
    """

    table: pd.DataFrame
    steps: pd.DataFrame
    settings: Settings
    students: int

    def _words(self) -> str:
        return f"What if another share had {self.settings['way']} eligibility at {', '.join(self.settings['at'])}"


def what_if(
    records: StudentRecords,
    way: str,
    at: str | Sequence[str] = (),
    *,
    times: float | None = None,
    like: Mapping[str, Any] | None = None,
    group: Mapping[str, Any] | None = None,
    by: str | Sequence[str] = (),
    estimand: str | None = None,
) -> WhatIf:
    """Say how many would be eligible at the end if a chance to lose or to regain eligibility were another.

    This is arithmetic, not a forecast: all other chances stay, and those kept eligible go on as the others who are
    eligible do. What would bring the change about, and for whom, is not in it.

    Parameters
    ----------
    records : StudentRecords
        Students and grades; outcomes, if national programmes are to be counted too.
    way : str
        ``"lost"`` or ``"regained"``.
    at : str or sequence of str
        The terms in which the changed steps end: ``"7HT"`` is the step from 6VT to 7HT. By default all steps.
    times : float, optional
        What the chance is multiplied by: 0.5 for half as many.
    like : mapping, optional
        In place of ``times``: the students whose chance is taken, such as ``{"school_id": "S1"}``.
    group : mapping, optional
        The students whose chance is changed, such as ``{"sex": "boy"}``; by default all.
    by : str or sequence of str
        Columns of the students table to divide by.
    estimand
        As for :func:`nbanalytics.state_probabilities`.

    Returns
    -------
    WhatIf

    Raises
    ------
    DataError
        If there is no such way, term, column or value; if the change is none, negative, or makes a chance greater than
        100 %; if a chance is 0, so that multiplying it changes nothing; if nobody is at risk to compare with.

    Notes
    -----
    Numbers are carried from term to term by the observed shares, in which states that are unknown are states too: so
    with ``times=1`` the expected numbers are the observed ones. Interval: ``more`` as a share of all students, without
    each unit in turn (:func:`nbanalytics.schools.over_schools`). The chance of ``like`` is without each unit too; if it
    is of a single school it is taken as given.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = what_if(simulate(seed=1, cohorts=[2018]).records, "lost", "7HT", times=0.5)
    >>> found.table[["measure", "students", "observed", "expected", "more"]].round(1).to_numpy().tolist()[0]
    ['eligible', 313, 251, 255.3, 4.3]
    """
    terms = records.declaration.terms
    ends = as_names(at) or tuple(terms[1:])
    _refuse(way, ends, terms, times, like)
    like, group = dict(like or {}), dict(group or {})
    frame = open_frame(records.students)
    shown = By.of(by, (*_NUMBERS, *_STEPS), frame)
    columns = By.of([*shown.names, *like, *group], (), frame)
    courses = count_courses(records, columns, estimand)
    model, inside = (_matching(courses.table, columns, wanted) for wanted in (like, group))
    change = _Change(courses, way, [terms.index(end) - 1 for end in ends], times, model)
    numbers, steps = [], []
    by_group = By(shown.names).split(courses.table) if shown.names else [({}, courses.table)]
    for found, part in by_group:
        within = courses.table.index.isin(part.index)
        rows, changed = change.apply(within, inside)
        numbers += [{**found, **row} for row in rows]
        steps += [{**found, **row} for row in changed]
    settings = {"way": way, "at": ends, "times": times, "by": shown.names, "estimand": courses.estimand}
    return WhatIf(
        pd.DataFrame(numbers, columns=[*shown.names, *_NUMBERS]),
        pd.DataFrame(steps, columns=[*shown.names, *_STEPS]),
        {**settings, "like": _words_of(like), "group": _words_of(group)},
        int(courses.table["_persons"].sum()),
    )


def _refuse(way: str, ends: Sequence[str], terms: Sequence[str], times: float | None, like: Any) -> None:
    if way not in _WAYS:
        raise DataError(f"There is no way {way!r}. Choose among: {', '.join(_WAYS)}.")
    if absent := [end for end in ends if end not in terms[1:]]:
        raise DataError(f"No step ends in {', '.join(map(str, absent))}. Choose among: {', '.join(terms[1:])}.")
    if (times is None) == (not like):
        raise DataError("A what-if needs one change. Give times, such as 0.5, or like, such as {'school_id': 'S1'}.")
    if times is not None and not 0 <= times < float("inf"):
        raise DataError(f"times is {times}, and a chance is multiplied by 0 or more. Give 0.5 for half as many.")


def _words_of(wanted: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in wanted.items())


def _matching(table: pd.DataFrame, columns: By, wanted: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Find the courses of the students that a mapping of columns to values describes."""
    found = np.ones(len(table), dtype=bool)
    for name, value in wanted.items():
        held = table[columns.keys[columns.names.index(name)]]
        same = held.eq(value).fillna(False).to_numpy(dtype=bool)
        if not same.any():
            known = sorted(map(str, held.dropna().unique()))
            listed = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
            raise DataError(f"No student has {name} {value!r}. Choose among: {listed}.")
        found &= same
    if not found.any():
        raise DataError(f"No student has {_words_of(wanted)} together. Leave out a column.")
    return found


@dataclass(frozen=True)
class _Change:
    """The chance of a way, at some steps, multiplied or taken from other students."""

    courses: CountedCourses
    way: str
    steps: Sequence[int]
    times: float | None
    model: NDArray[np.bool_]

    def apply(self, within: NDArray[np.bool_], inside: NDArray[np.bool_]) -> tuple[list[Any], list[Any]]:
        """Rows of expected numbers and of changed steps, of the students ``within``; those ``inside`` are changed."""
        own = self.courses.own_estimand(within)
        units = self.courses.units(own)
        number = int(units["unit"].max()) + 1
        present = units.loc[within[units["row"]], "unit"].nunique()
        start, steps = self._counts(units, number, within)
        start_in, steps_in = self._counts(units, number, within & inside)
        _, model = self._counts(units, number, self.model)
        chance = chances(steps_in)
        changed, rows = self._changed(chance, steps_in, model)
        before = occupied(start_in, chance)
        more = occupied(start_in, changed) - before
        return self._numbers(occupied(start, chances(steps)), more, present, own), rows

    def _counts(self, units: pd.DataFrame, number: int, within: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Who starts where and goes where, in all and without each unit; not seen is a state as well."""
        used = units[within[units["row"]]]
        codes = self.courses.codes[used["row"]]
        codes = np.where(codes < 0, len(STATES), codes)
        persons = used["persons"].to_numpy(dtype=float)
        start, steps = tensors(codes, used["unit"].to_numpy(), persons, number, len(STATES) + 1)
        return all_and_without(start), all_and_without(steps)

    def _changed(self, chance: Floats, counts: Floats, model: Floats) -> tuple[Floats, list[dict[str, Any]]]:
        leave, reach = _WAYS[self.way]
        changed, rows = chance.copy(), []
        for step in self.steps:
            name = f"{self.courses.stages[step]} to {self.courses.stages[step + 1]}"
            moving, staying = chance[:, step, leave, reach], chance[:, step, leave, leave]
            seen = moving + staying
            at_risk = counts[0, step, leave, [leave, reach]].sum()
            if self.times is None:
                new = seen * _share(model[:, step, leave], leave, reach, name)
            elif at_risk and not moving[0] > 0 and self.times != 1:
                raise DataError(
                    f"Nobody {self.way} eligibility from {name} among {at_risk:.0f} at risk, so that times changes "
                    "nothing. Leave out that step, or give like."
                )
            else:
                new = moving * self.times
            if new[0] > seen[0] + 1e-12:
                raise DataError(
                    f"{self.times} times {moving[0] / seen[0]:.1%} from {name} is a chance above 100 %. "
                    f"Give times of at most {seen[0] / moving[0]:.3g}."
                )
            new = np.minimum(new, seen)
            changed[:, step, leave, reach], changed[:, step, leave, leave] = new, seen - new
            old, asked = (float(one[0] / seen[0]) if at_risk else nan for one in (moving, new))
            head = {"from": self.courses.stages[step], "to": self.courses.stages[step + 1]}
            rows.append({**head, "at_risk": int(at_risk), "chance": old, "what_if": asked})
        return changed, rows

    def _numbers(self, observed: Floats, more: Floats, units: int, estimand: str) -> list[dict[str, Any]]:
        rows, stages = [], self.courses.stages
        last = len(stages) - 1 - (stages[-1] == AFTER)
        for measure, place in (("eligible", last), ("national_programme", last + 1)):
            if place < len(stages):
                states = [STATES.index(state) for state in _ENDS[measure]]
                base, extra = (one[:, place, states].sum(axis=1) for one in (observed, more))
                totals = observed[:, place].sum(axis=1)
                with np.errstate(invalid="ignore"):
                    low, high = jackknife_interval(extra / totals, "plain", units)
                head = {"measure": measure, "stage": stages[place], "students": round(float(totals[0]))}
                numbers = {"observed": round(float(base[0])), "expected": float(base[0] + extra[0])}
                interval = {"more": float(extra[0]), "low": low * totals[0], "high": high * totals[0]}
                rows.append({**head, **numbers, **interval, "estimand": estimand})
        return rows


def _share(counts: Floats, leave: int, reach: int, name: str) -> Floats:
    """The share of the students taken as the model; the whole of it where a unit takes all of them away."""
    moving, seen = counts[:, reach], counts[:, reach] + counts[:, leave]
    if not seen[0] > 0:
        raise DataError(f"Nobody like that is at risk from {name}. Choose other students, or leave out that step.")
    shares: Floats = np.full(len(seen), moving[0] / seen[0])
    np.divide(moving, seen, out=shares, where=seen > 0)
    return shares
