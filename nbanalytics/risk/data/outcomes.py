"""Outcomes: what is to be predicted, in which term it is known, and for whom it is not known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.analysis.droppoints import losses
from nbanalytics.declaration import AFTER
from nbanalytics.errors import DataError
from nbanalytics.frames import collect
from nbanalytics.records import StudentRecords
from nbanalytics.results import Settings, Shown
from nbanalytics.risk.data.asof import terms_until
from nbanalytics.risk.data.feature_table import core_demands, graded, total_absence
from nbanalytics.students import refuse_without_total

#: The outcomes, and what each means.
OUTCOMES: Mapping[str, str] = {
    "lost": "eligible at the prediction point, and not eligible in some later term",
    "not_eligible": "not eligible in the term of the outcome",
    "failed_core": "a fail in a core subject, and no pass in it, in the term of the outcome",
    "group_6": "eligible in the start term, and not eligible in the term of the outcome",
    "no_national_programme": "on an introductory programme or none after the last term",
    "absence": "absence, valid and invalid, above a limit in the term of the outcome",
}
_NATIONAL = {"preparatory": 0.0, "vocational": 0.0, "introductory": 1.0, "none": 1.0}


@dataclass(frozen=True, repr=False)
class Outcome(Shown):
    """What came of each student.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per student of the records: ``student_id, cohort``, ``y`` (1 happened, 0 did not, missing) and
        ``reason`` (why ``y`` is missing: not at risk, moved, no results).
    name : str
        One of :data:`OUTCOMES`.
    at, observed_at : str
        The prediction point, and the term in which the outcome is known.
    settings : mapping
        ``limit`` of absence, per cent; whether ``streck`` counts as a fail.
    """

    table: pd.DataFrame
    name: str
    at: str
    observed_at: str
    settings: Settings

    @property
    def counts(self) -> pd.DataFrame:
        """``cohort``, ``happened``, ``did_not``, ``unknown``: students, for each cohort."""
        y = self.table["y"]
        kinds = pd.DataFrame({"happened": y == 1, "did_not": y == 0, "unknown": y.isna()}).astype(int)
        return kinds.groupby(self.table["cohort"]).sum().reset_index()

    @property
    def unknown(self) -> pd.DataFrame:
        """``cohort, reason, students`` of those without a known outcome."""
        without = self.table[self.table["y"].isna()]
        return without.groupby(["cohort", "reason"]).size().rename("students").reset_index()

    def _words(self) -> str:
        y = self.table["y"]
        return (
            f"Outcome {self.name!r} in {self.observed_at}: {int((y == 1).sum())} of {int(y.notna().sum())} students; "
            f"not known, or not at risk: {int(y.isna().sum())}"
        )


def outcome(
    records: StudentRecords,
    name: str,
    at: str,
    until: str | None = None,
    limit: float = 20.0,
    streck: bool = False,
) -> Outcome:
    """Find what came of each student after the prediction point.

    Parameters
    ----------
    records : StudentRecords
    name : str
        - ``lost``: eligible in ``at``, and not eligible in some later term up to ``until``, regained or not;
        - ``not_eligible``: not eligible in ``until``;
        - ``failed_core``: a fail and no pass, in ``until``, in a subject that the eligibility rule requires;
        - ``group_6``: of those eligible in the start term, not eligible in ``until``;
        - ``no_national_programme``: programme kind ``introductory`` or ``none`` after the last term;
        - ``absence``: valid and invalid absence above ``limit`` in ``until``.
    at : str
        The prediction point: a followed term but the last.
    until : str, optional
        The term in which the outcome is seen, after ``at``; by default the end term.
    limit : float
        Per cent of the term, for ``absence``.
    streck : bool
        Whether streck in a core subject counts as a fail, for ``failed_core``. It is not a grade, so by default it does
        not.

    Returns
    -------
    Outcome
        For students who moved or have no results ``y`` is missing, not 0, and ``reason`` says why. The same holds for
        all students of a cohort in which no outcome is known yet.

    Raises
    ------
    DataError
        If the outcome or the term is unknown, the horizon lies before the prediction point or past the data, or a
        table is missing.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = outcome(simulate(seed=1, cohorts=[2018]).records, "group_6", at="6VT")
    >>> int(found.counts["happened"].sum())
    23
    """
    if name not in OUTCOMES:
        raise DataError(f"There is no outcome {name!r}", f"Choose among: {', '.join(OUTCOMES)}.")
    terms_until(records, at)
    every = records.to_pandas()
    observed_at = AFTER if name == "no_national_programme" else _horizon(every, at, until)
    y, not_at_risk = _FINDERS[name](_Question(every, at, observed_at, limit, streck))
    table = every.students[["student_id", "cohort"]].reset_index(drop=True)
    values = table["student_id"].map(y).astype(float)
    reason = _why(every, table, observed_at)
    risk_reason = table["student_id"].map(not_at_risk)
    values = values.where(risk_reason.isna())
    early = _cohorts_without(values, table["cohort"], risk_reason)
    reason = reason.where(~table["cohort"].isin(early), f"the cohort has no outcome in {observed_at} yet")
    reason = risk_reason.where(risk_reason.notna(), reason).where(values.isna())
    if values.notna().sum() == 0:
        raise DataError(
            f"The outcome {name!r} in {observed_at} is known of none of {len(table)} students",
            "Add the records of that term, or choose an earlier one with until=.",
        )
    settings = {"limit": limit} if name == "absence" else {"streck": streck} if name == "failed_core" else {}
    return Outcome(table.assign(y=values, reason=reason), name, at, observed_at, settings)


@dataclass(frozen=True)
class _Question:
    records: StudentRecords
    at: str
    until: str
    limit: float
    streck: bool

    def eligible(self, term: str) -> pd.Series[Any]:
        """Return 1 or 0 by student, for those with results in the term."""
        results = collect(self.records.results([term]))
        return results.set_index("student_id")["eligible"].astype(float)

    def unless_eligible(self, term: str) -> pd.Series[Any]:
        """Return why a student is not at risk: not eligible in the term, or nothing known of it."""
        students = self.records.students["student_id"]
        eligible = students.map(self.eligible(term))
        why = np.select([eligible == 0, eligible.isna()], [f"not eligible in {term}", f"no results in {term}"], "")
        reasons = pd.Series(why, index=students.to_numpy(), dtype=object)
        return reasons[reasons != ""]


_Found = tuple["pd.Series[Any]", "pd.Series[Any]"]
_NOBODY: pd.Series[Any] = pd.Series(dtype=object)


def _lost(question: _Question) -> _Found:
    found = collect(losses(followed(question.records, question.at, question.until)).table).set_index("student_id")
    # Where nobody is seen at the end yet, those already lost would be a cohort in which everybody is lost.
    finished = found["end_observed"].groupby(found["cohort"]).transform("any")
    known = ((found["event"] == 1) & finished) | found["end_observed"]
    return found["event"].astype(float).where(known).dropna(), question.unless_eligible(question.at)


def _not_eligible(question: _Question) -> _Found:
    return 1 - question.eligible(question.until), _NOBODY


def _group_6(question: _Question) -> _Found:
    start = question.records.declaration.start
    return 1 - question.eligible(question.until), question.unless_eligible(start)


def _failed_core(question: _Question) -> _Found:
    demands = core_demands(question.records.gradings())
    if not demands:
        raise DataError(
            "The eligibility rule demands no subject, so none is core", "Choose the outcome 'not_eligible'."
        )
    rows = graded(question.records)
    rows = rows[(rows["term"] == question.until) & (rows["points"].notna() | rows["streck"])]
    bad = rows["failed"] | rows["streck"] if question.streck else rows["failed"]
    rows = rows.assign(bad=bad)
    failed = pd.Series(0.0, index=pd.Index(rows["student_id"].unique()))
    for codes in demands.values():
        by = rows[rows["subject"].isin(codes)].groupby("student_id")[["bad", "passed"]].max()
        failed.loc[by.index[by["bad"] & ~by["passed"]]] = 1.0
    return failed, _NOBODY


def _no_national_programme(question: _Question) -> _Found:
    outcomes = question.records.outcomes
    if outcomes is None or "programme_kind" not in outcomes:
        raise DataError(
            "The records hold no programme_kind",
            "Add the table outcomes (student_id, programme_kind), or choose another outcome.",
        )
    return outcomes.set_index("student_id")["programme_kind"].map(_NATIONAL).dropna(), _NOBODY


def _absence(question: _Question) -> _Found:
    refuse_without_total(question.records)
    total = total_absence(question.records)["total"].xs(question.until, level="term").dropna()
    return (total > question.limit).astype(float), _NOBODY


_FINDERS: dict[str, Callable[[_Question], _Found]] = {
    "lost": _lost,
    "not_eligible": _not_eligible,
    "failed_core": _failed_core,
    "group_6": _group_6,
    "no_national_programme": _no_national_programme,
    "absence": _absence,
}


def followed(records: StudentRecords, at: str, until: str) -> StudentRecords:
    """Return the records with ``at`` as the start term and ``until`` as the end term, which is all that losses need."""
    return records.under(replace(records.declaration, start=at, end=until))


def _horizon(records: StudentRecords, at: str, until: str | None) -> str:
    terms, end = records.declaration.terms, records.declaration.end
    chosen = until or end
    later = terms[terms.index(at) + 1 : terms.index(end) + 1]
    if chosen not in later:
        raise DataError(
            f"The outcome cannot be seen in {chosen!r} from {at}", f"Choose until= among: {', '.join(later)}."
        )
    return chosen


def _why(records: StudentRecords, table: pd.DataFrame, observed_at: str) -> pd.Series[Any]:
    """Return why nothing is known of a student then: moved before, or no results."""
    reason = pd.Series(f"no results in {observed_at}", index=table.index, dtype=object)
    if observed_at == AFTER:
        reason[:] = "programme not known"
    if "moved_out" in records.students:
        terms = list(records.declaration.terms)
        before = terms if observed_at == AFTER else terms[: terms.index(observed_at)]
        moved = records.students["moved_out"].isin(before).to_numpy()
        reason = reason.where(~moved, f"moved out before {observed_at}")
    return reason


def _cohorts_without(values: pd.Series[Any], cohort: pd.Series[Any], not_at_risk: pd.Series[Any]) -> list[int]:
    """Return the cohorts in which somebody is at risk and the outcome of nobody is known: not observed yet."""
    seen = values.notna().groupby(cohort).any()
    at_risk = not_at_risk.isna().groupby(cohort).any()
    return [int(name) for name in seen.index[~seen & at_risk]]
