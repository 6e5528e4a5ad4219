"""Views of students: merit value and grade points, all subjects passed, eligibility by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from typing import Any

import pandas as pd

from nbanalytics.municipality.leavers import TermTables, leavers
from nbanalytics.municipality.view import BREAKDOWNS, View, divided, mean, share, view
from nbanalytics.records import StudentRecords

#: Kinds of eligibility, by the names of their rules.
KINDS = ("vocational", "preparatory-ES", "preparatory-EK-HU-SA", "preparatory-NA-TE", "IMV")


def merit_view(
    records: StudentRecords | TermTables,
    breakdowns: Sequence[Sequence[str]] = BREAKDOWNS,
    term: str | None = None,
    min_students: int = 5,
) -> View:
    """Mean merit value and mean grade points by year, school, sex and SV/SVA.

    Parameters
    ----------
    records : StudentRecords or TermTables
        Students and grades; several views of the same term share their tables.
    breakdowns : sequence of sequence of str
        Each a combination of ``school_id, sex, swedish_course``; an empty one is the whole municipality.
    term : str, optional
        By default the declared end term.
    min_students : int
        No mean of fewer.

    Returns
    -------
    View
        ``students``; ``n`` with at least one pass; ``merit_value`` with its 95 % interval ``low, high`` (Student's t);
        ``mean_points`` of students with grades in comparable subjects; ``status``.
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

    return _of_students("merit", records, breakdowns, term, min_students, sums)


def all_passed_view(
    records: StudentRecords | TermTables,
    breakdowns: Sequence[Sequence[str]] = BREAKDOWNS,
    term: str | None = None,
    min_students: int = 5,
) -> View:
    """Share with passes in all subjects: ``students, count, share, low, high, status``; see :func:`merit_view`."""

    def sums(part: pd.DataFrame) -> dict[str, Any]:
        return {"students": len(part), **share(int(part["all_passed"].sum()), len(part), min_students)}

    return _of_students("all_passed", records, breakdowns, term, min_students, sums)


def eligibility_view(
    records: StudentRecords | TermTables,
    breakdowns: Sequence[Sequence[str]] = BREAKDOWNS,
    term: str | None = None,
    min_students: int = 5,
    kinds: Sequence[str] = KINDS,
) -> View:
    """Share eligible by kind: ``kind, students, count, share, low, high, status``; see :func:`merit_view`.

    ``kinds`` are names of rules in the declaration's catalogue, each of which has to hold for every cohort.
    """
    tables = TermTables.of(records, term)
    people = leavers(tables.records, tables.term, rules=kinds)
    rows = []
    for place, part in divided(people, breakdowns):
        for kind in kinds:
            count = int(part[kind].sum())
            rows.append({**place, "kind": kind, "students": len(part), **share(count, len(part), min_students)})
    return view("eligibility", tables, min_students, rows, len(people))


def _of_students(
    name: str,
    records: StudentRecords | TermTables,
    breakdowns: Sequence[Sequence[str]],
    term: str | None,
    min_students: int,
    sums: Callable[[pd.DataFrame], dict[str, Any]],
) -> View:
    tables = TermTables.of(records, term)
    rows = [{**place, **sums(part)} for place, part in divided(tables.people, breakdowns)]
    return view(name, tables, min_students, rows, len(tables.people))
