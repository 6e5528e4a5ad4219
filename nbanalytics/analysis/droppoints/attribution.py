"""Subjects that caused the loss: passes before the loss that are missing in its term, as far as the rule requires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from nbanalytics.analysis.droppoints.first_loss import Losses
from nbanalytics.eligibility import passed_expr, points_expr
from nbanalytics.frames import any_of, collect, open_frame, to_native
from nbanalytics.grading import Grading, Way
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.students import only_cohorts


@dataclass(frozen=True, repr=False)
class LostSubjects(Shown):
    """The subjects that cost students their eligibility.

    Attributes
    ----------
    table : dataframe
        Of the records' kind, one row per student and subject among the causes: ``student_id, cohort``, ``term`` of the
        loss, ``subject`` (subjects of which a student reads one are named together: ``SV/SVA``) and ``causes``, how
        many subjects were among that student's causes.
    counts : pandas.DataFrame
        ``term, subject, students, only``: students with the subject among the causes, and those of them who lost
        nothing else. Terms in order of time, then ``*`` for all. Not additive over subjects.
    settings : mapping
        ``rule`` and ``terms``.
    students : int
        Students who lost eligibility.
    """

    table: Any
    counts: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Subjects that cost {self.students} students their eligibility, by term of the loss"

    def _shown(self) -> pd.DataFrame:
        matrix = self.counts.pivot_table(index="subject", columns="term", values="students", aggfunc="sum")
        terms = [term for term in (*self.settings["terms"], "*") if term in matrix]
        counted = matrix[terms].fillna(0).astype(int).sort_values(terms[-1], ascending=False, kind="stable")
        return counted.rename_axis(columns=None).reset_index()


def lost_subjects(records: StudentRecords, losses: Losses) -> LostSubjects:
    """Find the subjects that cost the eligibility at the first loss.

    A subject is among the causes if it was passed in the last term with results before the loss, is not passed in the
    term of the loss (F, streck, another mark or no row), and

    - it is required and nothing else meets that demand any longer, or
    - the passes as a whole no longer suffice, even had every required subject been passed.

    A change between subjects of which a student reads one (SV and SVA) is not a loss as long as either is passed. With
    several ways to be eligible, those that the student met before the loss count. With a rule on the mean of the grade
    points, subjects whose points fell are causes, and those above the wanted mean that are gone.

    Parameters
    ----------
    records : StudentRecords
        The records that the losses were found in.
    losses : Losses
        Result of :func:`losses`.

    Returns
    -------
    LostSubjects
        Every student who lost eligibility by a rule of passes has at least one cause.

    Examples
    --------
    >>> import pandas as pd
    >>> subjects = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"]
    >>> def term(name, grades):
    ...     return pd.DataFrame({"student_id": "P1", "term": name, "subject": subjects, "grade": list(grades)})
    >>> students = pd.DataFrame({"student_id": ["P1"], "cohort": 2018})
    >>> records = StudentRecords(students, pd.concat([term("6VT", "EEEEEEEE"), term("7HT", "EE-EEEEF")]))
    >>> from nbanalytics.analysis.droppoints import losses
    >>> lost_subjects(records, losses(records)).table[["term", "subject", "causes"]]
      term subject  causes
    0  7HT      MA       2
    1  7HT     HKK       2
    """
    terms = losses.settings["terms"]
    lost = (
        open_frame(losses.table)
        .filter(nw.col("event") == 1)
        .select("student_id", "cohort", _lost="lost_term", _before="before_term")
    )
    parts = []
    for grading, cohorts in records.gradings():
        grades = only_cohorts(
            open_frame(records.grades).select("student_id", "term", "subject", "grade"), records, cohorts
        )
        around = lost.join(grades, on="student_id", how="inner").filter(
            (nw.col("term") == nw.col("_lost")) | (nw.col("term") == nw.col("_before"))
        )
        parts.append(_causes_of_points(around, grading) if grading.rule.mean_at_least else _causes(around, grading))
    found = nw.concat(parts)
    many = found.group_by("student_id").agg(nw.len().alias("causes"))
    table = found.join(many, on="student_id", how="inner").select("student_id", "cohort", "term", "subject", "causes")
    students = collect(lost.select(nw.len().alias("n")))
    return LostSubjects(
        table=to_native(table),
        counts=_count(table, terms[1:]),
        settings={"rule": records.declaration.rule, "terms": tuple(terms[1:])},
        students=int(students["n"].iloc[0]),
    )


def _causes(around: Any, grading: Grading) -> Any:
    """Return ``student_id, cohort, term, subject`` of the causes under a rule of passes."""
    demands = {f"_demand{number}": units_of(demand, grading) for number, demand in enumerate(grading.rule.demands)}
    in_lost_term = nw.col("term") == nw.col("_lost")
    passed = nw.when(passed_expr(grading.scale)).then(nw.lit(1)).otherwise(nw.lit(0))
    units = (
        around.with_columns(subject=_unit(grading), _passed=passed)
        .with_columns(
            _was=nw.when(in_lost_term).then(nw.lit(0)).otherwise(nw.col("_passed")),
            _is=nw.when(in_lost_term).then(nw.col("_passed")).otherwise(nw.lit(0)),
        )
        .group_by("student_id", "cohort", "_lost", "subject")
        .agg(nw.col("_was").max(), nw.col("_is").max())
    )
    met = {
        f"{name}{when}": nw.when(any_of(nw.col("subject"), wanted)).then(nw.col(when)).otherwise(nw.lit(0))
        for name, wanted in demands.items()
        for when in ("_was", "_is")
    }
    persons = (
        units.with_columns(_n_was=nw.col("_was"), _n_is=nw.col("_is"), **met)
        .group_by("student_id")
        .agg(nw.col("_n_was").sum(), nw.col("_n_is").sum(), *(nw.col(name).max() for name in met))
    )
    ways = [_cause(way, grading, demands) for way in grading.rule.ways]
    return (
        units.filter((nw.col("_was") == 1) & (nw.col("_is") == 0))
        .join(persons, on="student_id", how="inner")
        .filter(nw.any_horizontal(*ways, ignore_nulls=False))
        .select("student_id", "cohort", nw.col("_lost").alias("term"), "subject")
    )


def _cause(way: Way, grading: Grading, demands: Mapping[str, Sequence[str]]) -> nw.Expr:
    """Whether a lost subject is a cause under one way, for students who met that way before the loss."""
    numbers = [grading.rule.demands.index(demand) for demand in way.required]
    names = [f"_demand{number}" for number in numbers]
    before = nw.all_horizontal(
        nw.col("_n_was") >= way.passes, *(nw.col(f"{name}_was") == 1 for name in names), ignore_nulls=False
    )
    unmet = [(nw.col(f"{name}_is") == 0) & any_of(nw.col("subject"), demands[name]) for name in names]
    lacking = [1 - nw.col(f"{name}_is") for name in names]
    short = nw.sum_horizontal("_n_is", *lacking) < way.passes
    return before & nw.any_horizontal(short, *unmet, ignore_nulls=False)


def _causes_of_points(around: Any, grading: Grading) -> Any:
    """Return ``student_id, cohort, term, subject`` of the causes under a rule on the mean of the points."""
    in_lost_term = nw.col("term") == nw.col("_lost")
    units = (
        around.with_columns(subject=_unit(grading), _points=points_expr(grading.scale))
        .with_columns(
            _was=nw.when(~in_lost_term).then(nw.col("_points")), _is=nw.when(in_lost_term).then(nw.col("_points"))
        )
        .group_by("student_id", "cohort", "_lost", "subject")
        .agg(nw.col("_was").max(), nw.col("_is").max())
    )
    fell = (nw.col("_is") < nw.col("_was")).fill_null(False)
    gone = (nw.col("_was") > grading.rule.mean_at_least).fill_null(False) & nw.col("_is").is_null()
    return units.filter(fell | gone).select("student_id", "cohort", nw.col("_lost").alias("term"), "subject")


def units_of(demand: Sequence[str], grading: Grading) -> tuple[str, ...]:
    """Name the subjects of a demand as they are counted: those of which a student reads one, together."""
    together = {code: "/".join(group) for group in grading.alternates for code in group}
    return tuple(dict.fromkeys(together.get(code, code) for code in demand))


def _unit(grading: Grading) -> nw.Expr:
    expression: nw.Expr = nw.col("subject")
    for group in grading.alternates:
        expression = nw.when(any_of(nw.col("subject"), group)).then(nw.lit("/".join(group))).otherwise(expression)
    return expression


def _count(table: Any, terms: Sequence[str]) -> pd.DataFrame:
    single = nw.when(nw.col("causes") == 1).then(nw.lit(1)).otherwise(nw.lit(0))
    counted = collect(
        table.with_columns(only=single, students=nw.lit(1))
        .group_by("term", "subject")
        .agg(nw.col("students").sum(), nw.col("only").sum())
    )
    every = counted.groupby("subject", as_index=False)[["students", "only"]].sum().assign(term="*")
    both = pd.concat([counted, every], ignore_index=True)
    both["term"] = pd.Categorical(both["term"], categories=[*terms, "*"], ordered=True)
    both = both.sort_values(["term", "students", "subject"], ascending=[True, False, True], ignore_index=True)
    columns = both.assign(term=both["term"].astype(object))[["term", "subject", "students", "only"]]
    return columns.astype({"students": "int64", "only": "int64"})
