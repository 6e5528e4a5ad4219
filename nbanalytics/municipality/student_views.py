"""Views of students: merit value and grade points, all subjects passed, eligibility by kind."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import pandas as pd

from nbanalytics.municipality.leavers import TermTables, leavers
from nbanalytics.municipality.view import BREAKDOWNS, Breakdowns, Records, Sums, View, divided, mean, share, view

#: Kinds of eligibility, by the names of their rules.
KINDS = ("vocational", "preparatory-ES", "preparatory-EK-HU-SA", "preparatory-NA-TE", "IMV")


def merit_view(records: Records, breakdowns: Breakdowns = BREAKDOWNS, min_students: int = 5) -> View:
    """Mean merit value and mean grade points by year, school, sex and SV/SVA.

    Parameters
    ----------
    records : StudentRecords or TermTables
        Students and grades, at the declared end term; :class:`TermTables` for another term, or for several views.
    breakdowns : sequence of sequence of str
        Each a combination of ``school_id, sex, swedish_course``; an empty one is the whole municipality.
    min_students : int
        No mean or share of fewer.

    Returns
    -------
    View
        ``students``; ``n`` with at least one pass; ``merit_value`` with its 95 % interval ``low, high`` (Student's t);
        ``mean_points`` of students with grades in comparable subjects; ``status``.

    Raises
    ------
    DataError
        If a breakdown is by something else.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> merit_view(records, [["sex"]]).table[["sex", "students", "merit_value"]].round(1).to_numpy().tolist()
    [['boy', 168, 211.7], ['girl', 145, 228.9]]
    """

    def sums(part: pd.DataFrame) -> dict[str, Any]:
        merit = part.loc[part["n_passed"] > 0, "merit_value"].astype(float)
        points = part["mean_points"].dropna().astype(float)
        enough = len(points) >= max(min_students, 2)
        return {
            "students": len(part),
            **mean("merit_value", merit, min_students),
            "mean_points": float(points.mean()) if enough else nan,
        }

    return _of_students("merit", records, breakdowns, min_students, sums)


def all_passed_view(records: Records, breakdowns: Breakdowns = BREAKDOWNS, min_students: int = 5) -> View:
    """Share of students with passes in all subjects.

    Parameters
    ----------
    records, breakdowns, min_students
        As for :func:`merit_view`.

    Returns
    -------
    View
        ``students``; ``count`` of those with at least one pass, and neither a fail nor streck; ``share`` (0 to 1) with
        its 95 % interval ``low, high`` (Wilson); ``status``.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> all_passed_view(records, [[]]).table[["students", "count", "status"]].to_numpy().tolist()
    [[313, 222, 'ok']]
    """

    def sums(part: pd.DataFrame) -> dict[str, Any]:
        return {"students": len(part), **share(int(part["all_passed"].sum()), len(part), min_students)}

    return _of_students("all_passed", records, breakdowns, min_students, sums)


def eligibility_view(
    records: Records, breakdowns: Breakdowns = BREAKDOWNS, min_students: int = 5, kinds: Sequence[str] = KINDS
) -> View:
    """Share of students who are eligible, by kind of eligibility.

    Parameters
    ----------
    records, breakdowns, min_students
        As for :func:`merit_view`.
    kinds : sequence of str
        Names of rules in the declaration's catalogue, each of which has to hold for every cohort.

    Returns
    -------
    View
        ``kind, students``; ``count`` of the eligible; ``share`` (0 to 1) with its 95 % interval ``low, high`` (Wilson);
        ``status``.

    Raises
    ------
    GradingError
        If there is no such rule, or it does not hold for a cohort.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = eligibility_view(records, [[]], kinds=["vocational", "IMV"]).table
    >>> table[["kind", "students", "count"]].to_numpy().tolist()
    [['vocational', 313, 251], ['IMV', 313, 284]]
    """
    tables = TermTables.of(records)
    people = leavers(tables.records, tables.term, rules=kinds)
    rows = []
    for place, part in divided(people, breakdowns):
        for kind in kinds:
            count = int(part[kind].sum())
            rows.append({**place, "kind": kind, "students": len(part), **share(count, len(part), min_students)})
    return view("eligibility", tables, min_students, rows, len(people))


def _of_students(name: str, records: Records, breakdowns: Breakdowns, min_students: int, sums: Sums) -> View:
    tables = TermTables.of(records)
    rows = [{**place, **sums(part)} for place, part in divided(tables.people, breakdowns)]
    return view(name, tables, min_students, rows, len(tables.people))
