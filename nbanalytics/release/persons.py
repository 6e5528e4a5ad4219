"""One row per student with all that the tables of a release count; it never leaves this package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from nbanalytics.analysis.cohorts import classify
from nbanalytics.analysis.droppoints import losses, lost_subjects
from nbanalytics.analysis.flows import stages_of, states_of, student_states
from nbanalytics.eligibility import merit_value, term_results
from nbanalytics.errors import GradingError
from nbanalytics.frames import collect, open_frame
from nbanalytics.grading import DEFAULT_RULE, Grading
from nbanalytics.persons import only_cohorts
from nbanalytics.records import StudentRecords
from nbanalytics.release.cube import Axis
from nbanalytics.release.model import FILTERS

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
    students = _filters(records)
    stages = stages_of(records)
    lost = losses(records)
    causes = collect(lost_subjects(records, lost).table)[["student_id", "term", "subject"]]
    baseline_terms = declaration.stages
    rules = _core_rules(records)
    table = (
        students.join(_groups(records))
        .join(_states(records, stages))
        .join(collect(lost.table).set_index("student_id")[["duration", "event"]])
        .join(_merit(records, declaration.start, "merit_start"))
        .join(_merit(records, declaration.end, "merit_end"))
        .join(_core(records, rules, baseline_terms))
        .join(_absence(records, baseline_terms))
    )
    caused = causes.join(students, on="student_id").sort_values(["student_id", "subject"])
    caused["student"] = table.index.get_indexer(pd.Index(caused["student_id"]))
    return Persons(
        table=table.reset_index(drop=True),
        causes=caused.drop(columns="student_id").reset_index(drop=True),
        filters=tuple(_axis(students, name) for name in FILTERS),
        stages=stages,
        terms=declaration.followed_terms,
        baseline_terms=baseline_terms,
        indicators=("eligible", "core") if rules else ("eligible",),
        core_is_rule=all(grading.rule == core.rule for grading, core, _ in rules),
        highest=max(max(grading.scale.points.values()) for grading, _ in records.gradings()),
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


def _core_rules(records: StudentRecords) -> list[tuple[Grading, Grading, list[int]]]:
    """For each grading and its cohorts, the one with the rule of core subjects and five more; none if one has none."""
    declaration = records.declaration
    found = []
    for grading, cohorts in records.gradings():
        try:
            core = declaration.catalogue.grading(cohorts[0], rule=DEFAULT_RULE, scale=declaration.scale)
        except GradingError:
            return []
        found.append((grading, core, list(cohorts)))
    return found


def _core(
    records: StudentRecords, rules: list[tuple[Grading, Grading, list[int]]], terms: tuple[str, ...]
) -> pd.DataFrame:
    """Whether each student passed the core subjects and five more: ``yes``, ``no``, missing without results."""
    parts = []
    for _, core, cohorts in rules:
        grades = only_cohorts(open_frame(records.grades), records, cohorts)
        parts.append(collect(term_results(nw.to_native(grades), core, terms))[["student_id", "term", "eligible"]])
    if not parts:
        return pd.DataFrame()
    met = pd.concat(parts)
    met["result"] = met["eligible"].astype(bool).map({True: "yes", False: "no"})
    wide = met.pivot(index="student_id", columns="term", values="result")
    return wide.reindex(columns=list(terms)).add_prefix("core_")


def _absence(records: StudentRecords, terms: tuple[str, ...]) -> pd.DataFrame:
    """Absence in per cent of each term, valid and invalid together; missing if either is."""
    if records.absence is None:
        return pd.DataFrame()
    rows = collect(records.absence)
    rows = rows[rows["term"].isin(terms)]
    total = rows.assign(total=rows["valid"].astype(float) + rows["invalid"].astype(float))
    wide = total.pivot(index="student_id", columns="term", values="total")
    return wide.reindex(columns=list(terms)).add_prefix("absence_")
