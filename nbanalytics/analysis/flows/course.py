"""Where students are, stage by stage: eligible, not eligible, moved or unknown, and then on which kind of programme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import nan
from typing import Protocol

import narwhals as nw
import pandas as pd

from nbanalytics.declaration import AFTER
from nbanalytics.frames import By, NativeFrame, cases, collect, column_names, open_frame, to_native
from nbanalytics.records import StudentRecords
from nbanalytics.results import Settings, Shown
from nbanalytics.schools import MIN_SCHOOLS, THESE, estimand_of, labels, share_over_schools
from nbanalytics.students import (
    AFTER_STATES,
    ELIGIBLE,
    NOT_ELIGIBLE,
    TERM_STATES,
    counted,
    knows_programmes,
    refuse_other_share,
    student_table,
)

_STATES = ("stage", "state", "students")
_WAYS = ("stage_from", "state_from", "stage_to", "state_to", "students")
_ENDS = (ELIGIBLE, NOT_ELIGIBLE)


class HasTable(Protocol):
    """A result with a table, such as a Classification."""

    @property
    def table(self) -> NativeFrame:
        """The table."""


@dataclass(frozen=True, repr=False)
class Flows(Shown):
    """Students by stage and state, and from state to state.

    Attributes
    ----------
    states : pandas.DataFrame
        The columns of ``by``, then ``stage, state, students``: every state of every stage, with 0 where nobody is.
    transitions : pandas.DataFrame
        The columns of ``by``, then ``stage_from, state_from, stage_to, state_to, students``: those that occur.
    settings : mapping
        ``stages``, ``by`` and the ``rule`` behind "eligible".
    students : int
        Students in all; every stage holds each of them once.
    by_school : pandas.DataFrame
        The columns of ``by``, then ``stage, _school`` and counts: ``_eligible``, with grades (``_graded``) and all who
        got or should have got them (``_all``); of this :func:`share_eligible` is made.
    """

    states: pd.DataFrame
    transitions: pd.DataFrame
    settings: Settings
    students: int
    by_school: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """The transitions."""
        return self.transitions

    def _words(self) -> str:
        return f"Flows of {self.students} students through {' → '.join(self.settings['stages'])}"

    def _settings(self) -> Settings:
        return {name: self.settings[name] for name in ("rule", "by")}

    def _shown(self) -> pd.DataFrame:
        states = list(dict.fromkeys((*TERM_STATES, *AFTER_STATES)))
        matrix = self.states.pivot_table(index="state", columns="stage", values="students", aggfunc="sum")
        ordered = matrix.reindex(index=states, columns=list(self.settings["stages"]))
        return ordered.dropna(how="all").astype("Int64").rename_axis(columns=None).reset_index()


def stages_of(records: StudentRecords) -> tuple[str, ...]:
    """Return the stages of a flow: the declared terms, and ``upper_secondary`` if the records have outcomes.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> stages_of(simulate(seed=1, cohorts=[2018]).records)
    ('6VT', '7VT', '8VT', '9VT', 'upper_secondary')
    """
    return (*records.declaration.stages, *((AFTER,) if knows_programmes(records) else ()))


def states_of(stage: str) -> tuple[str, ...]:
    """Return the states that a stage may hold, in order.

    Examples
    --------
    >>> states_of("9VT")
    ('eligible', 'not_eligible', 'moved', 'unknown')
    """
    return AFTER_STATES if stage == AFTER else TERM_STATES


def student_states(records: StudentRecords) -> NativeFrame:
    """Return each student's state at each stage.

    At a term a student with grades is ``eligible`` or ``not_eligible``; one without grades is ``moved`` if the term is
    before ``moved_in`` or after ``moved_out``, else ``unknown``. After the last term it is the kind of programme;
    ``moved`` if the outcome says so, or says nothing of a student with ``moved_out``; else ``unknown``.

    Parameters
    ----------
    records : StudentRecords
        Students and grades, and outcomes if the stage after the last term is wanted.

    Returns
    -------
    dataframe
        Of the records' kind, one row per student and stage: ``student_id, stage, state``.

    Examples
    --------
    >>> import pandas as pd
    >>> students = pd.DataFrame({"student_id": ["P1", "P2"], "cohort": 2018, "moved_out": [None, "7HT"]})
    >>> subjects = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"]
    >>> grades = pd.concat([
    ...     pd.DataFrame({"student_id": who, "term": "6VT", "subject": subjects, "grade": "E"}) for who in ("P1", "P2")
    ... ])
    >>> states = student_states(StudentRecords(students, grades))
    >>> states.pivot(index="student_id", columns="stage", values="state").loc[:, ["6VT", "7VT"]]
    stage            6VT      7VT
    student_id
    P1          eligible  unknown
    P2          eligible    moved
    """
    stages = stages_of(records)
    wide = student_table(records, [f"state_{stage}" for stage in stages])
    parts = [
        # As text of one kind: Arrow has two, and puts no parts of several together.
        wide.select("student_id", stage=nw.lit(stage), state=nw.col(f"state_{stage}").cast(nw.String))
        for stage in stages
    ]
    return to_native(nw.concat(parts))


def flows(records: StudentRecords, by: str | Sequence[str] = ()) -> Flows:
    """Count students by stage and state, and their transitions between one stage and the next.

    Parameters
    ----------
    records : StudentRecords
        Students and grades, and outcomes if known.
    by : str or sequence of str
        Columns of the students table to divide by, such as ``["cohort"]`` or ``["school_id", "sex"]``.

    Returns
    -------
    Flows
        Every student is in one state at every stage: each stage sums up to the same number of students.

    Raises
    ------
    DataError
        If a column of ``by`` is not in the students table.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> result = flows(simulate(seed=1, cohorts=[2018]).records)
    >>> result.states[result.states["stage"] == "9VT"]
       stage         state  students
    12   9VT      eligible       251
    13   9VT  not_eligible        62
    14   9VT         moved         0
    15   9VT       unknown         0
    """
    records.refuse_uncountable("students", "grades")
    stages = stages_of(records)
    divided = By.of(by, (*_STATES, *_WAYS, "student_id"), open_frame(records.students))
    # One pass over the data, whatever the engine: how many students share each course through the stages.
    states = [f"state_{stage}" for stage in stages]
    keys = ["cohort", *divided.keys, *states]
    school = [name for name in ("school_id",) if name in column_names(open_frame(records.students))]
    table = student_table(records, [*states, *school], divided)
    table = table.with_columns(_school=nw.col("school_id") if school else nw.lit(None, nw.String))
    by_school = collect(table.group_by(*keys, "_school").agg(nw.len().alias("students")))
    courses = by_school.groupby(keys, dropna=False, sort=False, observed=True)["students"].sum().reset_index()
    return Flows(
        states=_count_states(courses, divided, stages),
        transitions=_count_transitions(courses, divided, stages),
        settings={"stages": stages, "by": divided.names, "rule": records.declaration.rule},
        students=int(courses["students"].sum()),
        by_school=_count_schools(by_school, divided, stages),
    )


def _count_states(courses: pd.DataFrame, by: By, stages: Sequence[str]) -> pd.DataFrame:
    rows = []
    for group, part in by.split(courses):
        for stage in stages:
            sums = part.groupby(f"state_{stage}")["students"].sum()
            for state in states_of(stage):
                rows.append({**group, "stage": stage, "state": state, "students": int(sums.get(state, 0))})
    return pd.DataFrame(rows, columns=[*by.names, *_STATES])


def _count_transitions(courses: pd.DataFrame, by: By, stages: Sequence[str]) -> pd.DataFrame:
    rows = []
    for group, part in by.split(courses):
        for before, after in pairwise(stages):
            sums = part.groupby([f"state_{before}", f"state_{after}"])["students"].sum()
            for state_from, state_to in product(states_of(before), states_of(after)):
                if count := int(sums.get((state_from, state_to), 0)):
                    place = dict(zip(_WAYS, (before, state_from, after, state_to, count), strict=True))
                    rows.append({**group, **place})
    return pd.DataFrame(rows, columns=[*by.names, *_WAYS])


def _count_schools(courses: pd.DataFrame, by: By, stages: Sequence[str]) -> pd.DataFrame:
    """Count by school who is eligible, who has grades and who should have had them, at each stage with terms."""
    parts, keys = [], [*by.keys, "_school"]
    courses = courses.assign(_school=labels(courses["_school"]))
    for stage in stages:
        if stage != AFTER:
            state, number = courses[f"state_{stage}"], courses["students"]
            counts = {"_eligible": state.eq(ELIGIBLE), "_graded": state.isin(_ENDS), "_all": counted(courses, stage)}
            made = courses[keys].assign(**{name: number.where(who, 0) for name, who in counts.items()})
            parts.append(made.groupby(keys, dropna=False, observed=True).sum().reset_index().assign(stage=stage))
    columns = [*by.keys, "stage", "_school", "_eligible", "_graded", "_all"]
    return by.named(pd.concat(parts, ignore_index=True)[columns])


def share_eligible(result: Flows, of: str = "all", *, estimand: str | None = None) -> pd.DataFrame:
    """Share of students who are eligible at each stage, of all who got or should have got grades there.

    Parameters
    ----------
    result : Flows
        From :func:`flows`, with or without ``by``.
    of : {"all", "graded"}
        The denominator: all who got or should have got grades, which is Skolverket's, or those with grades, which is
        that of the boards' pages (see ``docs/disclosure.md``).
    estimand : str, optional
        ``"schools_like_these"`` (the default from three schools on) or ``"these_schools"``; see
        :func:`nbanalytics.schools.estimand_of`. A group in fewer than three schools has the latter.

    Returns
    -------
    pandas.DataFrame
        The columns of ``by``, then ``stage`` (terms), ``eligible`` and ``students``, ``share`` and its 95 % interval
        ``low, high`` (:func:`nbanalytics.schools.share_over_schools`), ``estimand``; missing without students. Of all,
        students without any grade are in the denominator; those who had moved are not, nor are cohorts in which nobody
        has a grade at the stage yet.

    Notes
    -----
    Skolverket's denominator: all students who got or should have got grades, those with none included.

    Examples
    --------
    >>> from nbanalytics.analysis.flows import flows
    >>> from nbanalytics.simulation import simulate
    >>> table = share_eligible(flows(simulate(seed=1, cohorts=[2018]).records))
    >>> table[["stage", "eligible", "students"]].tail(1).to_records(index=False).tolist()
    [('9VT', 251, 313)]
    """
    divided = By.of(result.settings["by"], ("eligible", "share", "low", "high", "estimand"))
    refuse_other_share(of)
    counts = result.by_school.rename(columns=dict(zip(divided.names, divided.keys, strict=True)))
    missing = counts["_school"].eq("missing").all()
    kind = estimand_of(None if missing else counts["_school"], estimand)
    rows = []
    for group, at_group in divided.split(counts):
        for stage, part in at_group.groupby("stage", sort=False):
            here = part[part[f"_{of}"] > 0]
            some, all_ = here["_eligible"].to_numpy(dtype=float), here[f"_{of}"].to_numpy(dtype=float)
            total, eligible = int(all_.sum()), int(some.sum())
            own = kind if len(here) >= MIN_SCHOOLS else THESE
            low, high = share_over_schools(some, all_, own)
            found = {"eligible": eligible, "students": total, "share": eligible / total if total else nan}
            rows.append({**group, "stage": stage, **found, "low": low, "high": high, "estimand": own})
    columns = [*divided.names, "stage", "eligible", "students", "share", "low", "high", "estimand"]
    return pd.DataFrame(rows, columns=columns)


def eligibility_flow(classification: HasTable, by: str | Sequence[str] = ()) -> pd.DataFrame:
    """Count students by eligibility at the start and at the end: table 3 of Karlskoga's Progression 02.

    Parameters
    ----------
    classification : Classification
        Result of :func:`nbanalytics.classify`, or anything whose ``table`` has its columns.
    by : str or sequence of str
        Columns of that table to divide by, such as ``["cohort"]``.

    Returns
    -------
    pandas.DataFrame
        The columns of ``by``, then ``start`` and ``end`` (``eligible``, ``not_eligible`` or ``*`` for both) and
        ``students``. Only students with a group are counted, so that the table agrees with the six groups.

    Raises
    ------
    DataError
        If a column of ``by`` is not there.

    Examples
    --------
    >>> from nbanalytics.analysis.cohorts import classify
    >>> from nbanalytics.simulation import simulate
    >>> eligibility_flow(classify(simulate(seed=1, cohorts=[2018]).records)).iloc[[0, 1, 3, 4]]
              start           end  students
    0      eligible      eligible       236
    1      eligible  not_eligible        23
    3  not_eligible      eligible        15
    4  not_eligible  not_eligible        39
    """
    frame = open_frame(classification.table)
    divided = By.of(by, ("start", "end", "students"), frame, "of the classification")
    ends = {"start": _eligible_word("start_eligible"), "end": _eligible_word("end_eligible")}
    grouped = frame.filter(~nw.col("group").is_null()).select(*divided.aliased, **ends)
    counts = collect(grouped.group_by(*divided.keys, "start", "end").agg(nw.len().alias("students")))
    rows = []
    for group, part in divided.split(counts):
        for start, end in product((*_ENDS, "*"), (*_ENDS, "*")):
            held = (part["start"].eq(start) | (start == "*")) & (part["end"].eq(end) | (end == "*"))
            rows.append({**group, "start": start, "end": end, "students": int(part.loc[held, "students"].sum())})
    return pd.DataFrame(rows, columns=[*divided.names, "start", "end", "students"])


def _eligible_word(column: str) -> nw.Expr:
    return cases((nw.col(column).cast(nw.Int64) == 1, ELIGIBLE), otherwise=NOT_ELIGIBLE)
