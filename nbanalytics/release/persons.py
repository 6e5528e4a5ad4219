"""One row per student with all that the tables of a release count; it never leaves this package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.analysis.cohorts import classify
from nbanalytics.analysis.droppoints import losses, lost_subjects
from nbanalytics.analysis.flows import stages_of, states_of
from nbanalytics.frames import collect, column_names, open_frame
from nbanalytics.records import StudentRecords
from nbanalytics.release.cube import Axis
from nbanalytics.release.model import FILTERS
from nbanalytics.students import ELIGIBLE, NOT_ELIGIBLE, has_core, is_core_rule, knows_total_absence, student_table

#: Students without a value in a filter, kept so that the parts sum up to the whole.
UNKNOWN = "unknown"
#: The filters, and the columns of the students table that they come from.
_FILTERS = dict(zip(FILTERS, ("cohort", "school_id", "sex", "newly_arrived"), strict=True))


@dataclass(frozen=True)
class Persons:
    """What is counted.

    Attributes
    ----------
    table : DataFrame
        One row per student, in the order of the pseudonyms but without them: the filters; ``start, end, group``
        (missing without a group); ``at_<stage>`` for each stage; ``duration`` and ``event`` (missing if not eligible
        at the start); ``points_start, points_end, merit_start, merit_end``; ``core_<term>`` and ``absence_<term>``
        for each baseline term.
    causes : DataFrame
        One row per student and subject that cost the eligibility: the filters, ``term``, ``subject``, ``student`` (its
        row in the table).
    filters : tuple of Axis
        Values of the filters, each with its total.
    stages : tuple of str
    terms : tuple of str
        Followed terms, the start term first.
    baseline_terms : tuple of str
        The terms of a baseline: the stages but for the one after the last term.
    indicators : tuple of str
        What a baseline counts: ``eligible`` by the declared rule, and ``core`` (passes in the core subjects and five
        more) where the scale has passes.
    core_is_rule : bool
        Whether both are the same rule, so that both count the same students.
    highest : float
        Points of the best grade.
    """

    table: pd.DataFrame
    causes: pd.DataFrame
    filters: tuple[Axis, ...]
    stages: tuple[str, ...]
    terms: tuple[str, ...]
    baseline_terms: tuple[str, ...]
    indicators: tuple[str, ...]
    core_is_rule: bool
    highest: float

    @property
    def has_absence(self) -> bool:
        """Whether absence is known of anybody."""
        return any(f"absence_{term}" in self.table for term in self.baseline_terms)

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """Pairs of stages that follow each other."""
        return tuple(pairwise(self.stages))

    @property
    def years(self) -> tuple[str, str]:
        """Names of the two years compared: 6 and 9, for terms such as 6VT and 9VT; else the terms themselves."""
        start, end = self.terms[0], self.terms[-1]
        short = (start.rstrip("HVT"), end.rstrip("HVT"))
        return short if all(year.isdigit() for year in short) and short[0] != short[1] else (start, end)

    def by(self, filters: Sequence[str]) -> Persons:
        """Return the same with the other filters left alone: of those there is only the total."""
        axes = tuple(
            axis if name in filters else Axis.of(name, (), total=True)
            for name, axis in zip(FILTERS, self.filters, strict=True)
        )
        return replace(self, filters=axes)

    def states_of(self, stage: str) -> tuple[str, ...]:
        """Return the states that a stage may hold, in order."""
        return states_of(stage)


def persons_of(records: StudentRecords) -> Persons:
    """Bring together, student by student, what the analyses say; they are the ones that decide what is counted."""
    declaration = records.declaration
    stages, terms = stages_of(records), declaration.stages
    causes = collect(lost_subjects(records, losses(records)).table)[["student_id", "term", "subject"]]
    core, totals = has_core(records), knows_total_absence(records)
    ends = {"start": declaration.start, "end": declaration.end}
    columns = [
        *(name for name in _FILTERS.values() if name in column_names(open_frame(records.students))),
        *(f"state_{stage}" for stage in stages),
        *("duration", "event"),
        *(f"{kind}_{term}" for kind in ("merit", "passes") for term in ends.values()),
        *(f"core_{term}" for term in terms if core),
        *(f"absence_{term}" for term in terms if totals),
    ]
    found = collect(student_table(records, columns)).set_index("student_id").sort_index()
    students = _filters(found)
    table = students.join(_groups(records)).join(found[["duration", "event"]])
    table = table.assign(**{f"at_{stage}": found[f"state_{stage}"] for stage in stages})
    for end, term in ends.items():
        # Without students who have no pass, as in the official average.
        table[f"merit_{end}"] = found[f"merit_{term}"].astype(float).where(found[f"passes_{term}"] > 0)
    for term in terms if core else ():
        table[f"core_{term}"] = found[f"core_{term}"].map({1: "yes", 0: "no"})
    for term in terms if totals and found.filter(like="absence_").notna().any(axis=None) else ():
        table[f"absence_{term}"] = found[f"absence_{term}"].astype(float)
    caused = causes.join(students, on="student_id").sort_values(["student_id", "subject"])
    caused["student"] = table.index.get_indexer(pd.Index(caused["student_id"]))
    return Persons(
        table=table.reset_index(drop=True),
        causes=caused.drop(columns="student_id").reset_index(drop=True),
        filters=tuple(_axis(students, name) for name in FILTERS),
        stages=stages,
        terms=declaration.followed_terms,
        baseline_terms=terms,
        indicators=("eligible", "core") if core else ("eligible",),
        core_is_rule=core and is_core_rule(records),
        highest=max(max(grading.scale.points.values()) for grading, _ in records.gradings()),
    )


def _filters(students: pd.DataFrame) -> pd.DataFrame:
    held = {name: students.get(column) for name, column in _FILTERS.items()}
    held["cohort"] = students["cohort"].astype("Int64").astype("string")
    held["newly_arrived"] = _yes_no(held["newly_arrived"])
    return pd.DataFrame({name: _text(values) for name, values in held.items()}, index=students.index)


def _text(column: Any) -> Any:
    """Return text with ``unknown`` for what is missing; a column that nobody has a value in is left out (None)."""
    if column is None or column.isna().all():
        return None
    return column.astype("string").fillna(UNKNOWN).astype(object)


def _yes_no(column: Any) -> Any:
    if column is None:
        return None
    return column.astype("boolean").map({True: "yes", False: "no"}, na_action="ignore")


def _axis(students: pd.DataFrame, name: str) -> Axis:
    present = set(students[name].dropna())
    usual = {"sex": ("girl", "boy"), "newly_arrived": ("yes", "no")}.get(name, ())
    ordered = [value for value in usual if value in present]
    others = sorted(present - set(usual) - {UNKNOWN})
    return Axis.of(name, [*ordered, *others, *([UNKNOWN] if UNKNOWN in present else [])], total=True)


def _groups(records: StudentRecords) -> pd.DataFrame:
    table = collect(classify(records).table).set_index("student_id")
    grouped = table[table["group"].notna()]
    return pd.DataFrame(
        {
            "group": grouped["group"].astype(int).astype(str),
            "start": np.where(grouped["start_eligible"].astype(bool), ELIGIBLE, NOT_ELIGIBLE),
            "end": np.where(grouped["end_eligible"].astype(bool), ELIGIBLE, NOT_ELIGIBLE),
            "points_start": grouped["start_points"].astype(float),
            "points_end": grouped["end_points"].astype(float),
        },
        index=grouped.index,
    )
