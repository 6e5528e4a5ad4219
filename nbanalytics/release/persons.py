"""One row per student with all that the tables of a release count; it never leaves this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from nbanalytics.cohorts import classify
from nbanalytics.droppoints import losses, lost_subjects
from nbanalytics.eligibility import merit_value
from nbanalytics.flows import stages_of, states_of, student_states
from nbanalytics.frames import collect, open_frame
from nbanalytics.persons import only_cohorts
from nbanalytics.records import StudentRecords
from nbanalytics.release.cube import Axis

#: The dimensions that a reader of the release may filter by, in the order in which they stand in every table.
FILTERS = ("cohort", "school", "sex", "newly_arrived")
#: Students without a value in a filter, kept so that the parts sum up to the whole.
UNKNOWN = "unknown"
ELIGIBLE, NOT_ELIGIBLE = "eligible", "not_eligible"


@dataclass(frozen=True)
class Persons:
    """What is counted.

    Attributes
    ----------
    table : DataFrame
        One row per student, in the order of the pseudonyms but without them: the filters; ``start, end, group``
        (missing without a group); ``at_<stage>`` for each stage; ``duration`` and ``event`` (missing if not eligible
        at the start); ``points_start, points_end, merit_start, merit_end``.
    causes : DataFrame
        One row per student and subject that cost the eligibility: the filters, ``term``, ``subject``.
    filters : tuple of Axis
        Values of the filters, each with its total.
    stages : tuple of str
    terms : tuple of str
        Followed terms, the start term first.
    """

    table: pd.DataFrame
    causes: pd.DataFrame
    filters: tuple[Axis, ...]
    stages: tuple[str, ...]
    terms: tuple[str, ...]

    @property
    def years(self) -> tuple[str, str]:
        """Names of the two years compared: 6 and 9, for terms such as 6VT and 9VT; else the terms themselves."""
        start, end = self.terms[0], self.terms[-1]
        short = (start.rstrip("HVT"), end.rstrip("HVT"))
        return short if all(year.isdigit() for year in short) and short[0] != short[1] else (start, end)

    def states_of(self, stage: str) -> tuple[str, ...]:
        """Return the states that a stage may hold, in order."""
        return states_of(stage)


def persons_of(records: StudentRecords) -> Persons:
    """Bring together, student by student, what the analyses say; they are the ones that decide what is counted."""
    declaration = records.declaration
    students = _filters(records)
    stages = stages_of(records)
    lost = losses(records)
    causes = collect(lost_subjects(records, lost).table)[["student_id", "term", "subject"]]
    table = (
        students.join(_groups(records))
        .join(_states(records, stages))
        .join(collect(lost.table).set_index("student_id")[["duration", "event"]])
        .join(_merit(records, declaration.start, "merit_start"))
        .join(_merit(records, declaration.end, "merit_end"))
    )
    caused = causes.join(students, on="student_id").sort_values(["student_id", "subject"])
    return Persons(
        table=table.reset_index(drop=True),
        causes=caused.drop(columns="student_id").reset_index(drop=True),
        filters=tuple(_axis(students, name) for name in FILTERS),
        stages=stages,
        terms=declaration.followed_terms,
    )


def _filters(records: StudentRecords) -> pd.DataFrame:
    students = collect(records.students).set_index("student_id").sort_index()
    cohort = students["cohort"].astype("Int64").astype("string")
    return pd.DataFrame(
        {
            "cohort": _text(cohort),
            "school": _text(students.get("school_id")),
            "sex": _text(students.get("sex")),
            "newly_arrived": _text(_yes_no(students.get("newly_arrived"))),
        },
        index=students.index,
    )


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


def _states(records: StudentRecords, stages: tuple[str, ...]) -> pd.DataFrame:
    wide = collect(student_states(records)).pivot(index="student_id", columns="stage", values="state")
    return wide[list(stages)].add_prefix("at_")


def _merit(records: StudentRecords, term: str, name: str) -> pd.Series[float]:
    """Merit values in a term, without students who have no pass, as in the official average."""
    in_term = open_frame(records.grades).filter(nw.col("term") == term)
    parts = []
    for grading, cohorts in records.gradings():
        grades = only_cohorts(in_term, records, cohorts)
        parts.append(collect(merit_value(nw.to_native(grades), grading)))
    merit = pd.concat(parts)
    passed = merit[merit["n_passed"] > 0].set_index("student_id")
    return passed["merit_value"].astype(float).rename(name)
