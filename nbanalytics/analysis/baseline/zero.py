"""Zero values (nollvärden): where a school or a municipality stands before the work begins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan, sqrt
from typing import Any

import narwhals as nw
import pandas as pd

from nbanalytics.errors import DataError, GradingError
from nbanalytics.frames import as_names, collect, open_frame
from nbanalytics.intervals import mean_interval, wilson
from nbanalytics.persons import column_names, refuse_absent, split_groups
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.terms import term_dates

#: The rule of the form: passes in the core subjects and five more.
CORE_RULE = "core-and-five"
#: Measures, in the order of the form; the last is a mean, the others are shares.
SHARES, ABSENCE = ("eligible", "core_and_five"), "absence"
MEASURES = (*SHARES, ABSENCE)
#: Groups of the form: the column and the value that make them.
GROUPS: dict[str, tuple[str, Any]] = {
    "all": ("", None),
    "girls": ("sex", "girl"),
    "boys": ("sex", "boy"),
    "newly_arrived": ("newly_arrived", True),
}
_CALENDAR = re.compile(r"\d{4}(HT|VT)")


def measured(records: StudentRecords, occasion: str, by: str | Sequence[str] = ()) -> pd.DataFrame:
    """Measure every student who was here at an occasion.

    Parameters
    ----------
    records : StudentRecords
        Students and grades, and absence if known.
    occasion : str
        A declared term such as ``"9VT"``, or one of the calendar such as ``"2018VT"``, when every cohort is in the
        term that it had reached then.
    by : str or sequence of str
        Columns of the students table to carry along. In terms up to the declared start, ``school_id`` is the school of
        year 6 where the table has ``school_id_y6``.

    Returns
    -------
    pandas.DataFrame
        One row per student who had not moved: ``student_id, cohort, term``, those of ``by``, ``sex`` and
        ``newly_arrived`` where known; ``eligible`` by the declared rule and ``core_and_five``, 1 or 0, missing without
        any grade in the term (the latter is left out if a cohort has no scale with passes); ``absence``, valid and
        invalid in per cent, missing if either is; ``graded``: whether anybody in the cohort has a grade in the term. A
        cohort with neither grades nor absence in it has not reached it, and is left out.

    Raises
    ------
    DataError
        If the occasion or a column is not there, or no cohort has reached it.
    """
    by = as_names(by)
    occasions, with_core = _terms(records, occasion), _has_core(records)
    parts = [_of_term(records, cohorts, term, by, with_core) for term, cohorts in occasions.items()]
    table = pd.concat(parts, ignore_index=True)
    table = table[table["graded"] | table.groupby("cohort")[ABSENCE].transform("count").gt(0)]
    if table.empty:
        raise DataError(
            f"Nobody has a grade or a value of absence in {occasion}: the cohorts have not reached it, or its rows are "
            "missing. Choose another occasion, or add them."
        )
    return table.sort_values(["cohort", "student_id"], ignore_index=True)


def in_group(table: pd.DataFrame, group: str) -> pd.DataFrame | None:
    """Return the rows of one of the form's groups, None if the table cannot tell it."""
    column, value = GROUPS[group]
    if not column:
        return table
    return table[table[column].eq(value).fillna(False).astype(bool)] if column in table.columns else None


def _terms(records: StudentRecords, occasion: str) -> dict[str, list[int]]:
    """Which cohorts are measured in which term."""
    terms, cohorts = records.declaration.terms, records.cohorts()
    if occasion in terms:
        return {occasion: cohorts}
    if not _CALENDAR.fullmatch(occasion):
        raise DataError(
            f"There is no term {occasion!r}. Choose among {', '.join(terms)}, or a term of the calendar such as 2018VT."
        )
    reached: dict[str, list[int]] = {}
    for cohort in cohorts:
        for term in terms:
            first, _ = term_dates(records.declaration, cohort, term)
            if f"{first.year}{'VT' if first.month == 1 else 'HT'}" == occasion:
                reached.setdefault(term, []).append(cohort)
    if not reached:
        raise DataError(
            f"No cohort of the records was in {terms[0]} to {terms[-1]} in {occasion}. Choose another occasion."
        )
    return reached


def _of_term(
    records: StudentRecords, cohorts: list[int], term: str, by: Sequence[str], with_core: bool
) -> pd.DataFrame:
    kept = records if cohorts == records.cohorts() else records.cohort(cohorts)
    frame = open_frame(kept.students)
    names = column_names(frame)
    refuse_absent(frame, by, "students")
    carried = [name for name in ("sex", "newly_arrived") if name in names]
    moves = [name for name in ("moved_in", "moved_out") if name in names]
    wanted = list(dict.fromkeys(["student_id", "cohort", *by, *carried, *moves]))
    if "school_id" in by and "school_id_y6" in names and _is_early(records, term):
        frame = frame.with_columns(nw.col("school_id_y6").alias("school_id"))
    students = collect(frame.select(*wanted)).set_index("student_id")
    students["eligible"] = _met(kept, term)
    if with_core:
        students["core_and_five"] = _met(replace(kept, declaration=replace(kept.declaration, rule=CORE_RULE)), term)
    students[ABSENCE] = _absence(kept, term)
    gone = away(students, moves, records.declaration.terms, term) & students["eligible"].isna()
    graded = students["eligible"].notna().groupby(students["cohort"]).transform("any")
    return students.assign(graded=graded)[~gone].drop(columns=moves).assign(term=term).reset_index()


def _is_early(records: StudentRecords, term: str) -> bool:
    terms = records.declaration.terms
    return terms.index(term) <= terms.index(records.declaration.start)


def _met(records: StudentRecords, term: str) -> pd.Series:
    results = collect(open_frame(records.results([term])).select("student_id", nw.col("eligible").cast(nw.Float64)))
    return pd.Series(results["eligible"].to_numpy(float), index=results["student_id"])


def _has_core(records: StudentRecords) -> bool:
    """Whether the form's rule holds for every cohort."""
    declared = replace(records.declaration, rule=CORE_RULE)
    try:
        for cohort in records.cohorts():
            declared.grading(cohort)
    except GradingError:
        return False
    return True


def _absence(records: StudentRecords, term: str) -> pd.Series:
    if records.absence is None or not {"valid", "invalid"} <= set(column_names(open_frame(records.absence))):
        return pd.Series(dtype=float)
    rows = open_frame(records.absence).filter(nw.col("term") == term)
    total = nw.col("valid").cast(nw.Float64) + nw.col("invalid").cast(nw.Float64)
    table = collect(rows.select("student_id", total.alias("total")))
    return pd.Series(table["total"].to_numpy(float), index=table["student_id"])


def away(students: pd.DataFrame, moves: Sequence[str], terms: Sequence[str], term: str) -> pd.Series:
    """Whether each student had not come yet in a term or had left, by the columns of ``moves`` that are there."""
    places, now = {name: place for place, name in enumerate(terms)}, terms.index(term)
    gone = pd.Series(False, index=students.index)
    for name in moves:
        place = students[name].map(places)
        gone |= (place > now) if name == "moved_in" else (place < now)
    return gone


#: Columns of the table after those of ``by``.
COLUMNS = ("group", "measure", "students", "missing", "n", "count", "value", "low", "high", "status")


@dataclass(frozen=True, repr=False)
class Baseline(Shown):
    """Zero values per school or municipality.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then

        - ``group``: ``all, girls, boys, newly_arrived``;
        - ``measure``: ``eligible`` (share by the declared rule), ``core_and_five`` (share with passes in the core
          subjects and five more; left out if a cohort has no scale with passes) or ``absence`` (mean per cent of the
          term, valid and invalid);
        - ``students`` in the group and how many of them are ``missing``: without any grade, without a known absence, or
          with an ``x`` in the form;
        - ``n``: students behind the value; ``count``: those who meet the rule (missing for absence);
        - ``value`` with its 95 % interval ``low, high`` (Wilson for shares, Student's t for means);
        - ``status``: ``ok``, or ``too_few`` students for an estimate.
    settings : mapping
        ``occasion, by, rule, min_students, newly_arrived`` (the definition), ``missing_counts_as`` and, of records, the
        ``cohorts`` that had reached the occasion.
    students : int
        Students measured.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Zero values of {self.students} students, {self.settings['occasion']}"


def baseline(records: StudentRecords, term: str, by: str | Sequence[str] = (), min_students: int = 5) -> Baseline:
    """Zero values from records: the organisation's part of the nulägesanalys.

    Parameters
    ----------
    records : StudentRecords
        Students, grades and, if known, absence.
    term : str
        A declared term such as ``"9VT"``, or one of the calendar such as ``"2018VT"`` for all years of a school.
    by : str or sequence of str
        Columns of the students table, such as ``["school_id"]`` or ``["cohort"]``; nothing for the municipality.
    min_students : int
        Nothing is estimated for fewer; the counts stay.

    Returns
    -------
    Baseline
        Students who should have had grades and have none are in the denominator of the shares (Skolverket's rule) and
        counted as ``missing``; for absence the missing are left out. A cohort in which nobody has a grade yet is in no
        share.

    Raises
    ------
    DataError
        If the term or a column of ``by`` is not there, or no cohort has grades or absence in the term.

    Notes
    -----
    The measures and groups are those of the form of Fullföljda studier Fyrbodal, "Kvantitativa värden
    organisationsnivå". Wilson (1927) for shares, Student's t for means.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> result = baseline(simulate(seed=1, cohorts=[2018]).records, "9VT")
    >>> row = result.table.iloc[0]
    >>> row["group"], row["measure"], int(row["count"]), int(row["n"])
    ('all', 'eligible', 251, 313)
    """
    by = as_names(by)
    by = list(by)
    table = measured(records, term, by)
    return zero_values(
        table,
        by,
        {
            "occasion": term,
            "rule": records.declaration.rule,
            "min_students": min_students,
            "newly_arrived": records.declaration.newly_arrived,
            "missing_counts_as": "not reached",
            "cohorts": tuple(sorted(int(cohort) for cohort in table["cohort"].unique())),
        },
    )


def zero_values(table: pd.DataFrame, by: Sequence[str], settings: Mapping[str, Any]) -> Baseline:
    """Sum up a table with one row per student; ``settings["missing_counts_as"]`` says what a missing share means."""
    counted = settings["missing_counts_as"] == "not reached"
    rows = []
    for place, part in split_groups(table, by):
        for group in GROUPS:
            chosen = in_group(part, group)
            if chosen is None:
                continue
            for measure in [name for name in MEASURES if name in part.columns]:
                asked = chosen if measure == ABSENCE or "graded" not in chosen else chosen[chosen["graded"]]
                values = asked[measure].astype(float)
                row = _mean(values, settings) if measure == ABSENCE else _share(values, counted, settings)
                rows.append({**place, "group": group, "measure": measure, **row})
    return Baseline(
        table=pd.DataFrame(rows, columns=[*by, *COLUMNS]).astype({"count": "Int64"}),
        settings={**settings, "by": tuple(by)},
        students=len(table),
    )


def _share(values: pd.Series, counted: bool, settings: Mapping[str, Any]) -> dict[str, Any]:
    missing = int(values.isna().sum())
    n = len(values) if counted else len(values) - missing
    count = int(values.sum())
    few = n < max(settings["min_students"], 1)
    low, high = (nan, nan) if few else wilson(count, n)
    return {
        "students": len(values),
        "missing": missing,
        "n": n,
        "count": count,
        "value": nan if few else count / n,
        "low": low,
        "high": high,
        "status": "too_few" if few else "ok",
    }


def _mean(values: pd.Series, settings: Mapping[str, Any]) -> dict[str, Any]:
    known = values.dropna()
    n = len(known)
    few = n < max(settings["min_students"], 2)
    mean = nan if few else float(known.mean())
    low, high = (nan, nan) if few else mean_interval(mean, float(known.std()) / sqrt(n), n - 1)
    return {
        "students": len(values),
        "missing": len(values) - n,
        "n": n,
        "count": None,
        "value": mean,
        "low": low,
        "high": high,
        "status": "too_few" if few else "ok",
    }
