"""The values behind indicators: one number for each student and term; what is not known is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from nbanalytics.frames import collect
from nbanalytics.records import StudentRecords
from nbanalytics.students import absence_by_term
from nbanalytics.terms import term_dates

#: Levels of support that somebody was chosen for; universal support is for everybody.
CHOSEN_LEVELS = ("selective", "indicated")


@dataclass(frozen=True)
class Source:
    """Records in pandas, and what several measures need of them."""

    records: StudentRecords

    @cached_property
    def results(self) -> pd.DataFrame:
        """Results by student and term, see :func:`nbanalytics.eligibility.term_results`."""
        return collect(self.records.results())

    @cached_property
    def absence(self) -> pd.DataFrame:
        """Absence by student and term, see :func:`nbanalytics.students.absence_by_term`."""
        return collect(absence_by_term(self.records))

    def cohorts_of(self, table: pd.DataFrame) -> pd.Series:
        """Return the cohort of the student of each row."""
        return table["student_id"].map(self.records.students.set_index("student_id")["cohort"])

    @cached_property
    def enrolled(self) -> pd.DataFrame:
        """Students by term while they are here: ``student_id, cohort, term, place``."""
        terms = self.records.declaration.terms
        places = {term: place for place, term in enumerate(terms)}
        students = self.records.students.reindex(columns=["student_id", "cohort", "moved_in", "moved_out"])
        rows = students.merge(pd.DataFrame({"term": terms, "place": range(len(terms))}), how="cross")
        first = rows["moved_in"].map(places).fillna(0)
        last = rows["moved_out"].map(places).fillna(len(terms) - 1)
        here: pd.DataFrame = rows[rows["place"].between(first, last)].drop(columns=["moved_in", "moved_out"])
        return here.reset_index(drop=True)

    def change(self, values: pd.DataFrame) -> pd.DataFrame:
        """Difference of ``value`` to the term before; no row where either is unknown."""
        places = {term: place for place, term in enumerate(self.records.declaration.terms)}
        now = values.assign(place=values["term"].map(places).astype("float64")).dropna(subset=["value", "place"])
        before = now[["student_id", "place", "value"]].assign(place=now["place"] + 1)
        both = now.merge(before, on=["student_id", "place"], suffixes=("", "_before"))
        return both.assign(value=both["value"] - both["value_before"])[["student_id", "term", "value"]]


class Measure(NamedTuple):
    """What a value is made of: the table it needs, how, and whether it needs the term before."""

    table: str
    values: Callable[[Source], pd.DataFrame]
    needs_before: bool = False


def active_support(records: StudentRecords, terms: pd.DataFrame) -> pd.DataFrame:
    """Return the periods of support that touch a term: ``student_id, term`` and the columns of the register.

    ``terms`` has ``cohort, student_id, term``: whom and when to ask about. A period without ``end`` touches every term
    after its start. The records are in pandas.
    """
    pairs = terms[["cohort", "term"]].drop_duplicates()
    days = [term_dates(records.declaration, int(cohort), term) for cohort, term in pairs.itertuples(index=False)]
    pairs = pairs.assign(first=[first.isoformat() for first, _ in days], last=[last.isoformat() for _, last in days])
    support: Any = records.support
    asked = terms[["student_id", "cohort", "term"]].merge(pairs, on=["cohort", "term"])
    both = asked.merge(support.astype({"start": "str"}), on="student_id")
    ended = both["end"].astype("str").where(both["end"].notna(), "9999") if "end" in both else "9999"
    touches = (both["start"] <= both["last"]) & (ended >= both["first"])
    return both[touches].drop(columns=["cohort", "first", "last"]).reset_index(drop=True)


def _value(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table[["student_id", "term"]].assign(value=table[column].astype("float64"))


def _passes(source: Source) -> pd.DataFrame:
    """No value where the scale has no pass line."""
    counted = _value(source.results, "n_passed")
    return counted[source.cohorts_of(counted).isin(source.records.cohorts_with_passes())]


def _core_missing(source: Source) -> pd.DataFrame:
    """No value where the rule requires no subject."""
    results = source.results
    missing = results["missing"].astype("str")
    counted = results[["student_id", "term"]].assign(value=(missing.str.count(",") + 1.0).where(missing != "", 0.0))
    demanding = [cohort for grading, cohorts in source.records.gradings() if grading.rule.demands for cohort in cohorts]
    return counted[source.cohorts_of(results).isin(demanding)]


def _tests_failed(source: Source) -> pd.DataFrame:
    """No value where the scale has no pass, or the test no grade: a test that was not taken is not failed."""
    tests = source.records.tests
    scales = {cohort: grading.scale for grading, cohorts in source.records.gradings() for cohort in cohorts}
    failed = {
        (cohort, grade): float(grade not in scale.passing)
        for cohort, scale in scales.items()
        if scale.passing
        for grade in scale.points
    }
    values = [failed.get(pair) for pair in zip(source.cohorts_of(tests), tests["grade"], strict=True)]
    counted = tests.assign(value=values).dropna(subset="value").groupby(["student_id", "term"])["value"].sum()
    return pd.DataFrame(counted.reset_index())


def _support(source: Source) -> pd.DataFrame:
    """Nobody in the register is a known 0."""
    active = active_support(source.records, source.enrolled)
    kinds = active[active["level"].isin(CHOSEN_LEVELS)].groupby(["student_id", "term"])["kind"].nunique()
    here = source.enrolled[["student_id", "term"]]
    joined: pd.DataFrame = here.join(kinds.rename("value"), on=["student_id", "term"])
    return joined.assign(value=joined["value"].fillna(0.0).astype("float64"))


MEASURES: dict[str, Measure] = {
    "absence": Measure("absence", lambda source: _value(source.absence, "total")),
    "invalid_absence": Measure("absence", lambda source: _value(source.absence, "invalid")),
    "absence_change": Measure("absence", lambda source: source.change(_value(source.absence, "total")), True),
    "core_missing": Measure("grades", _core_missing),
    "passes": Measure("grades", _passes),
    "points": Measure("grades", lambda source: _value(source.results, "mean_points")),
    "points_change": Measure("grades", lambda source: source.change(_value(source.results, "mean_points")), True),
    "streck": Measure("grades", lambda source: _value(source.results, "n_streck")),
    "tests_failed": Measure("tests", _tests_failed),
    "support": Measure("support", _support),
}
