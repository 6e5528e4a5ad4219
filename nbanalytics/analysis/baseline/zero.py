"""Zero values (nollvärden): where a school or a municipality stands before the work begins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import By, collect, column_names, open_frame
from nbanalytics.intervals import mean_interval, wilson
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.students import MOVED, counted, has_core, knows_total_absence, refuse_other_share, student_table
from nbanalytics.terms import term_dates

#: Measures, in the order of the form; the last is a mean, the others are shares.
SHARES, ABSENCE = ("eligible", "core"), "absence"
MEASURES = (*SHARES, ABSENCE)
#: Groups of the form: the column and the value that make them.
GROUPS: dict[str, tuple[str, Any]] = {
    "all": ("", None),
    "girls": ("sex", "girl"),
    "boys": ("sex", "boy"),
    "newly_arrived": ("newly_arrived", True),
}
_CALENDAR = re.compile(r"\d{4}(HT|VT)")


def measured(records: StudentRecords, occasion: str, by: By | None = None) -> pd.DataFrame:
    """Measure every student who was here at an occasion.

    Parameters
    ----------
    records : StudentRecords
        Students and grades, and absence if known.
    occasion : str
        A declared term such as ``"9VT"``, or one of the calendar such as ``"2018VT"``, when every cohort is in the
        term that it had reached then.
    by : By, optional
        Columns of the students table to carry along under their keys. In terms up to the declared start, ``school_id``
        is the school of year 6 where the table has ``school_id_y6``.

    Returns
    -------
    pandas.DataFrame
        One row per student who had not moved: ``student_id, cohort, term``, the keys of ``by``, ``sex`` and
        ``newly_arrived`` where known; ``eligible`` by the declared rule and ``core``, 1 or 0, missing without any
        grade in the term (the latter is left out if a cohort has no scale with passes); ``absence``, valid and invalid
        in per cent, missing if either is; ``counted``: whether the student is in the denominator of a share. A cohort
        with neither grades nor absence in the term has not reached it, and is left out.

    Raises
    ------
    DataError
        If the occasion or a column is not there, or no cohort has reached it.
    """
    by = By(()) if by is None else by
    occasions, with_core = _terms(records, occasion), has_core(records)
    parts = [_of_term(records, cohorts, term, by, with_core) for term, cohorts in occasions.items()]
    table = pd.concat(parts, ignore_index=True)
    table = table[table["counted"] | table.groupby("cohort")[ABSENCE].transform("count").gt(0)]
    if table.empty:
        raise DataError(
            f"Nobody has a grade or a value of absence in {occasion}: the cohorts have not reached it, or its rows are "
            "missing. Choose another occasion, or add them."
        )
    return table.sort_values(["cohort", "student_id"], ignore_index=True)


def in_group(table: pd.DataFrame, group: str) -> pd.DataFrame | None:
    """Return the rows of one of the form's groups, None if the table does not have it."""
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


def _of_term(records: StudentRecords, cohorts: list[int], term: str, by: By, with_core: bool) -> pd.DataFrame:
    kept = records if cohorts == records.cohorts() else records.cohort(cohorts)
    names = column_names(open_frame(kept.students))
    known = [name for name in ("sex", "newly_arrived") if name in names]
    if "school_id_y6" in names and _is_early(records, term):
        by = By(tuple("school_id_y6" if name == "school_id" else name for name in by.names))
    shares = [f"{name}_{term}" for name in (SHARES if with_core else SHARES[:1])]
    absence = [f"{ABSENCE}_{term}"] if knows_total_absence(records) else []
    table = collect(student_table(kept, [*known, *shares, *absence, f"state_{term}"], by))
    table = table.assign(counted=counted(table, term))[table[f"state_{term}"] != MOVED]
    table = table.drop(columns=f"state_{term}").rename(columns=lambda name: name.removesuffix(f"_{term}"))
    if not absence:
        table[ABSENCE] = nan
    return table.astype({name: float for name in MEASURES if name in table}).assign(term=term)


def _is_early(records: StudentRecords, term: str) -> bool:
    terms = records.declaration.terms
    return terms.index(term) <= terms.index(records.declaration.start)


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
        - ``measure``: ``eligible`` (share by the declared rule), ``core`` (share with passes in the core
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


def baseline(
    records: StudentRecords, term: str, by: str | Sequence[str] = (), min_students: int = 5, of: str = "all"
) -> Baseline:
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
    of : {"all", "graded"}
        The denominator of the shares: all who got or should have got grades, or those with grades, which is that of
        the boards' pages (see ``docs/disclosure.md``).

    Returns
    -------
    Baseline
        Of all, students who should have had grades and have none are in the denominator of the shares (Skolverket's
        rule) and counted as ``missing``; for absence the missing are left out. A cohort in which nobody has a grade
        yet is in no share.

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
    refuse_other_share(of)
    divided = By.of(by, COLUMNS, open_frame(records.students))
    table = measured(records, term, divided)
    return zero_values(
        table,
        divided,
        {
            "occasion": term,
            "rule": records.declaration.rule,
            "min_students": min_students,
            "newly_arrived": records.declaration.newly_arrived,
            "missing_counts_as": "not reached" if of == "all" else "unknown",
            "cohorts": tuple(sorted(int(cohort) for cohort in table["cohort"].unique())),
        },
    )


def zero_values(table: pd.DataFrame, by: By, settings: Mapping[str, Any]) -> Baseline:
    """Sum up a table with one row per student; ``settings["missing_counts_as"]`` says what a missing share means."""
    not_reached = settings["missing_counts_as"] == "not reached"
    rows = []
    for place, part in by.split(table):
        for group in GROUPS:
            chosen = in_group(part, group)
            if chosen is None:
                continue
            for measure in [name for name in MEASURES if name in part.columns]:
                asked = chosen if measure == ABSENCE or "counted" not in chosen else chosen[chosen["counted"]]
                values = asked[measure].astype(float)
                row = _mean(values, settings) if measure == ABSENCE else _share(values, not_reached, settings)
                rows.append({**place, "group": group, "measure": measure, **row})
    return Baseline(
        table=pd.DataFrame(rows, columns=[*by.names, *COLUMNS]).astype({"count": "Int64"}),
        settings={**settings, "by": by.names},
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
