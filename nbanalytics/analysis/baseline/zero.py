"""Zero values (nollvärden): where a school or a municipality stands before the work begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import pandas as pd

from nbanalytics.analysis.baseline.measured import ABSENCE, GROUPS, MEASURES, in_group, measured
from nbanalytics.frames import as_names
from nbanalytics.intervals import mean_interval, wilson
from nbanalytics.persons import split_groups
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown

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
