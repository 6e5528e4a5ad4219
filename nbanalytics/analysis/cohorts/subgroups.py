"""The students who lost eligibility: green, yellow and pink, and whom to interview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import narwhals as nw
import pandas as pd

from nbanalytics.analysis.cohorts.classify import Classification, GroupRule, classify, under
from nbanalytics.eligibility import RESULT_COLUMNS, passed_expr
from nbanalytics.errors import DataError
from nbanalytics.frames import any_of, collect, open_frame
from nbanalytics.grading import STRECK
from nbanalytics.records import StudentRecords
from nbanalytics.results import Settings, Shown

SUBGROUPS = ("green", "yellow", "pink")


@dataclass(frozen=True)
class SubgroupRule:
    """The written rule that divides group 6.

    - green: became eligible in the summer after the last term;
    - yellow: of the required subjects only ``missing`` lacks a pass, nothing further is wanting, and at most
      ``other_failed`` other subjects are failed or have streck;
    - pink: the others.
    """

    missing: str = "MA"
    other_failed: int = 1


@dataclass(frozen=True, repr=False)
class Subgroups(Shown):
    """Group 6 divided.

    Attributes
    ----------
    table : pandas.DataFrame
        ``student_id, cohort, subgroup, change, missing, failed`` (subjects with F or streck in the last term).
        One row per student: researcher's door only.
    counts : pandas.DataFrame
        ``cohort, subgroup, students``.
    rule : SubgroupRule
    groups : GroupRule
        The rule by which group 6 was made.
    """

    table: pd.DataFrame
    counts: pd.DataFrame
    rule: SubgroupRule
    groups: GroupRule = field(default_factory=GroupRule)

    def _words(self) -> str:
        totals = self.counts.groupby("subgroup", sort=False)["students"].sum()
        return f"Group 6, {len(self.table)} students: " + ", ".join(f"{name} {n}" for name, n in totals.items())

    def _settings(self) -> Settings:
        return {"yellow": f"only {self.rule.missing} is missing, at most {self.rule.other_failed} other failed"}

    def _shown(self) -> pd.DataFrame:
        wide = self.counts.pivot(index="cohort", columns="subgroup", values="students")[list(SUBGROUPS)]
        return wide.reset_index()


@dataclass(frozen=True, repr=False)
class SelectionList(Shown):
    """Students of one subgroup with their history, for choosing whom to interview. Researcher's door only.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per student, the largest fall first: ``student_id, cohort, sex, school_id, change, missing``,
        ``first_not_eligible`` (term).
    history : pandas.DataFrame
        One row per student and term: ``student_id, term, mean_points, n_passed, eligible, missing, valid, invalid``.
    """

    table: pd.DataFrame
    history: pd.DataFrame

    def _words(self) -> str:
        return f"Selection list of {len(self.table)} students (pseudonyms; not for publication)"


def subgroups(records: StudentRecords, classification: Classification, rule: SubgroupRule | None = None) -> Subgroups:
    """Divide group 6 by the written rule of :class:`SubgroupRule`.

    Parameters
    ----------
    records : StudentRecords
        Green needs the table ``outcomes`` with ``eligible_after_summer``; without it nobody is green.
    classification : Classification
        Of the same records.
    rule : SubgroupRule, optional
        By default the one that gives the published counts.

    Returns
    -------
    Subgroups

    Notes
    -----
    The three subgroups of Karlskoga's Progression 02 (report 2019, appendix 8.5.3), which were sorted by hand;
    the rule is ours and gives the report's 8, 4 and 11.

    Examples
    --------
    >>> from nbanalytics.analysis.cohorts import classify
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> subgroups(records, classify(records)).counts["students"].tolist()
    [8, 4, 11]
    """
    rule = rule or SubgroupRule()
    in_group = open_frame(classification.table).filter(nw.col("group") == 6)
    lost = collect(in_group.select("student_id", "cohort", "change"))
    kept = under(records, classification.rule).only(nw.to_native(in_group)).to_pandas()
    table = lost.merge(_results(kept, [classification.end]).drop(columns="term"), on="student_id", how="left").merge(
        _failed(kept, classification.end, rule.missing), on="student_id", how="left"
    )
    table = table.astype({"failed": int, "others": int})
    yellow = table["missing"].eq(rule.missing) & table["missing_further"].eq(0) & table["others"].le(rule.other_failed)
    table["subgroup"] = yellow.map({True: "yellow", False: "pink"})
    table.loc[table["student_id"].isin(_eligible_after_summer(kept)), "subgroup"] = "green"
    table = table[["student_id", "cohort", "subgroup", "change", "missing", "failed"]]
    cohorts = sorted(classification.counts["cohort"].unique())
    index = pd.MultiIndex.from_product([cohorts, SUBGROUPS], names=["cohort", "subgroup"])
    counted = table.groupby(["cohort", "subgroup"]).size().reindex(index, fill_value=0)
    return Subgroups(
        table.sort_values(["cohort", "subgroup", "student_id"], ignore_index=True),
        counted.rename("students").reset_index(),
        rule,
        classification.rule,
    )


def selection_list(records: StudentRecords, subgroups: Subgroups, subgroup: str = "pink") -> SelectionList:
    """List the students of a subgroup with each one's history, the largest negative development first.

    Parameters
    ----------
    records : StudentRecords
    subgroups : Subgroups
        From :func:`subgroups` on the same records.
    subgroup : {"green", "yellow", "pink"}

    Returns
    -------
    SelectionList

    Raises
    ------
    DataError
        If there is no such subgroup.

    Examples
    --------
    >>> from nbanalytics.analysis.cohorts import classify
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> len(selection_list(records, subgroups(records, classify(records))).table)
    11
    """
    if subgroup not in SUBGROUPS:
        raise DataError(f"There is no subgroup {subgroup!r}", f"Choose among: {', '.join(SUBGROUPS)}.")
    chosen = subgroups.table[subgroups.table["subgroup"] == subgroup]
    # The few chosen are in pandas; the records may be in another engine, so they are asked by name.
    named = open_frame(records.students).filter(nw.col("student_id").is_in(chosen["student_id"].tolist()))
    kept = under(records, subgroups.groups).only(nw.to_native(named)).to_pandas()
    students = kept.students
    about = [name for name in ("sex", "school_id") if name in students]
    history = _history(kept)
    lost = history[history["followed"] & history["eligible"].eq(False)]
    first = lost.groupby("student_id")["term"].first().rename("first_not_eligible")
    table = (
        chosen[["student_id", "cohort", "change", "missing"]]
        .merge(students[["student_id", *about]], on="student_id", how="left")
        .merge(first, on="student_id", how="left")
        .sort_values(["change", "student_id"], ignore_index=True)
    )
    columns = ["student_id", "cohort", *about, "change", "missing", "first_not_eligible"]
    return SelectionList(table[columns], history.drop(columns="followed"))


def _results(records: StudentRecords, terms: Sequence[str] | None = None) -> pd.DataFrame:
    """Return results by student and term; without rows if there is nobody, which is not a fault here."""
    if not records.cohorts():
        return pd.DataFrame(columns=list(RESULT_COLUMNS))
    return collect(records.results(terms))


def _failed(records: StudentRecords, term: str, missing: str) -> pd.DataFrame:
    """Subjects with a fail or streck in the term, by student, and how many others than the demand that is missing."""
    other = ~any_of(nw.col("subject"), missing.split("/"))
    parts = []
    for cohort in records.cohorts():
        scale = records.declaration.grading(cohort).scale
        grades = open_frame(records.cohort(cohort).grades).filter(nw.col("term") == term)
        graded = any_of(nw.col("grade"), [*scale.order, STRECK])
        counted = grades.with_columns(failed=(graded & ~passed_expr(scale)).cast(nw.Int64)).with_columns(
            others=nw.col("failed") * other.cast(nw.Int64)
        )
        parts.append(collect(counted.group_by("student_id").agg(nw.col("failed").sum(), nw.col("others").sum())))
    return pd.concat(parts) if parts else pd.DataFrame(columns=["student_id", "failed", "others"])


def _eligible_after_summer(records: StudentRecords) -> list[str]:
    if records.outcomes is None or "eligible_after_summer" not in records.outcomes:
        return []
    outcomes = records.outcomes
    return outcomes.loc[outcomes["eligible_after_summer"].eq(True), "student_id"].tolist()  # type: ignore[no-any-return]


def _history(records: StudentRecords) -> pd.DataFrame:
    history = _results(records)[["student_id", "term", "mean_points", "n_passed", "eligible", "missing"]]
    if records.absence is not None:
        absence = records.absence.reindex(columns=["student_id", "term", "valid", "invalid"])
        history = history.merge(absence, on=["student_id", "term"], how="outer")
    # A term with absence but no grades is neither eligible nor not.
    history["eligible"] = history["eligible"].astype("boolean")
    place = history["term"].map({term: number for number, term in enumerate(records.declaration.terms)})
    # They were eligible at the start, which is the first of these terms.
    history = history.assign(followed=history["term"].isin(records.declaration.followed_terms))
    return history.assign(place=place).sort_values(["student_id", "place"], ignore_index=True).drop(columns="place")


Range = tuple[float, float]


def choose_students(
    records: StudentRecords,
    cohort: int | None = None,
    school: str | None = None,
    sex: str | None = None,
    group: int | None = None,
    start: Range | None = None,
    end: Range | None = None,
    rule: GroupRule | None = None,
) -> StudentRecords:
    """Keep the records of students with a group who meet every condition.

    Parameters
    ----------
    records : StudentRecords
        Of any kind of dataframe.
    cohort, school, sex : optional
        Values of the students' columns ``cohort``, ``school_id`` and ``sex``.
    group : int, optional
        One of the six groups.
    start, end : (low, high), optional
        Mean grade points in the first and last term compared, both bounds included.
    rule : GroupRule, optional
        How groups are made, and who is eligible.

    Returns
    -------
    StudentRecords
        Every table with the rows of those students. Students without a group are never among them. What is computed
        from them follows the eligibility rule of ``rule``.

    Raises
    ------
    DataError
        If the students have no column of that name, or a range ends before it begins.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> len(choose_students(simulate(seed=1, cohorts=[2018]).records, group=6).students)
    23
    """
    table = open_frame(classify(records, rule).table)
    kept = table.filter(~nw.col("group").is_null())
    if group is not None:
        kept = kept.filter(nw.col("group") == group)
    if cohort is not None:
        kept = kept.filter(nw.col("cohort") == cohort)
    for name, bounds in (("start_points", start), ("end_points", end)):
        if bounds is not None:
            low, high = bounds
            if low > high:
                raise DataError(f"The range of {name} begins at {low} and ends at {high}; give the lower bound first.")
            kept = kept.filter((nw.col(name) >= low) & (nw.col(name) <= high))
    students = open_frame(records.students)
    names = students.collect_schema().names()
    for name, value in (("school_id", school), ("sex", sex)):
        if value is not None:
            if name not in names:
                raise DataError(f"The students have no column {name}, so they cannot be chosen by it.")
            students = students.filter(nw.col(name) == value)
    return under(records, rule or GroupRule()).only(
        students.join(kept.select("student_id"), on="student_id", how="semi")
    )
