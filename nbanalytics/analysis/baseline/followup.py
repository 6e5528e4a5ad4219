"""Follow-up against the zero value: the change, and how large a change would be without any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.analysis.baseline.zero import ABSENCE, GROUPS, MEASURES, in_group, measured
from nbanalytics.errors import DataError
from nbanalytics.frames import By, column_names, open_frame
from nbanalytics.intervals import Change, mean_interval, other_students_change, same_students_change
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.schools import (
    LIKE,
    MIN_SCHOOLS,
    THESE,
    Floats,
    Statistic,
    estimand_of,
    labels,
    over_schools,
)

#: Columns of the table after those of ``by``.
COLUMNS = (
    *("group", "measure", "n_zero", "zero", "n_later", "later", "change", "low", "high"),
    *("chance_low", "chance_high", "beyond_chance", "estimand", "status"),
)


@dataclass(frozen=True, repr=False)
class FollowUp(Shown):
    """Later values beside the zero values.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then ``group, measure`` as in :class:`nbanalytics.Baseline`;

        - ``n_zero, zero, n_later, later``: students and value at either occasion (shares 0 to 1, absence in per cent);
        - ``change`` with its 95 % interval ``low, high``;
        - ``chance_low, chance_high``: where 95 of 100 changes would lie if nothing but chance were at work;
        - ``beyond_chance``: whether the change lies outside; missing without an estimate;
        - ``estimand``: what interval and chance are about, ``these_schools`` or ``schools_like_these``;
        - ``status``: ``ok`` or ``too_few``.
    settings : mapping
        ``design`` (``same_students`` or ``different_students``), ``zero, later, by, min_students, estimand``.
    students : int
        Students at the zero occasion who are in the comparison.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        who = {"same_students": "the same students", "different_students": "different students"}
        return (
            f"Follow-up of {self.settings['later']} against the zero value of {self.settings['zero']}, "
            f"{who[self.settings['design']]}: {self.students} at the zero value"
        )


def follow_up(
    records: StudentRecords,
    zero: str,
    later: str,
    by: str | Sequence[str] = (),
    min_students: int = 5,
    *,
    estimand: str | None = None,
) -> FollowUp:
    """Compare the same students at a later term with their own zero value.

    Parameters
    ----------
    records : StudentRecords
        Students and grades, and absence if known.
    zero, later : str
        Declared terms, such as ``"6VT"`` and ``"9VT"``.
    by : str or sequence of str
        Columns of the students table.
    min_students : int
        Nothing is estimated for fewer.
    estimand : str, optional
        ``"schools_like_these"`` (the default from three schools on; schools are those of the later term) or
        ``"these_schools"``. A group in fewer than three schools has the latter.

    Returns
    -------
    FollowUp
        Of each measure, students with a value at both occasions.

    Raises
    ------
    DataError
        If a term or a column of ``by`` is not there, ``later`` does not come after ``zero``, or schools like these are
        asked about with fewer than three.

    Notes
    -----
    *Schools like these*: the mean of the students' changes without each school in turn, *t* with schools - 1 degrees of
    freedom; chance is as wide as the interval. *These schools*, shares: Newcombe's interval for paired shares (1998,
    Statistics in Medicine 17: 2635-2650, method 10); by chance alone as many go up as down, so that the change has
    variance *(b + c)/n²* (McNemar 1947). Means: Student's t of the differences. Students chosen for a low
    zero value rise without any work: see :func:`nbanalytics.expected_return`.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> result = follow_up(simulate(seed=1, cohorts=[2018]).records, "6VT", "9VT")
    >>> row = result.table.iloc[0]
    >>> f"{row['n_zero']} students: {row['zero']:.3f} to {row['later']:.3f}"
    '313 students: 0.827 to 0.802'
    """
    _refuse_backwards(records, zero, later)
    divided = By.of(by, COLUMNS, open_frame(records.students))
    school = _school_of(records)
    before, after = measured(records, zero, divided), measured(records, later, school)
    values = [name for name in MEASURES if name in before.columns and name in after.columns]
    after["_school"] = labels(after[school.keys[0]]) if school.names else "none"
    both = before.merge(after[["student_id", "_school", *values]], on="student_id", suffixes=("", "_later"))
    kind = estimand_of(both["_school"] if school.names else None, estimand)
    # Pupils of one school in year 6 may go to several later, and are a group of one school all the same.
    by_school = bool({"school_id", "school_id_y6"} & set(divided.names))
    settings = {
        "design": "same_students",
        "zero": zero,
        "later": later,
        "by": divided.names,
        "min_students": min_students,
        "estimand": kind,
    }
    rows = []
    for place, part in divided.split(both):
        for group, measure, chosen in _cells(part, values):
            known = chosen.dropna(subset=[measure, f"{measure}_later"])
            early, late = (known[name].to_numpy(float) for name in (measure, f"{measure}_later"))
            found = _paired(early, late, measure, min_students)
            if kind == LIKE and not by_school and found["status"] == "ok" and known["_school"].nunique() >= MIN_SCHOOLS:
                found |= _over_schools(_mean_of(late - early), known["_school"])
            rows.append({**place, "group": group, "measure": measure, **found})
    return FollowUp(_table(rows, divided), settings, len(both))


def follow_up_cohorts(
    records: StudentRecords,
    term: str,
    zero: int | Sequence[int],
    later: int | Sequence[int],
    by: str | Sequence[str] = (),
    min_students: int = 5,
    *,
    estimand: str | None = None,
) -> FollowUp:
    """Compare later cohorts in a term with the cohorts that gave the zero value: other students, the same term.

    Parameters
    ----------
    records : StudentRecords
    term : str
        A declared term, such as ``"9VT"``.
    zero, later : int or sequence of int
        Cohort or cohorts, none in both.
    by, min_students
        As for :func:`follow_up`.
    estimand : str, optional
        ``"schools_like_these"`` (the default from three schools on): teachers and years differ from cohort to cohort,
        also in the same school. ``"these_schools"``: only the pupils do. A group in fewer than three schools has the
        latter.

    Returns
    -------
    FollowUp
        Students without any grade count as not having reached, as in :func:`nbanalytics.baseline`; a cohort in
        which nobody has a grade yet is in no share.

    Raises
    ------
    DataError
        If a cohort is in both, not in the records, or without grades and absence in the term, or schools like these are
        asked about with fewer than three.

    Notes
    -----
    *Schools like these*: the change without each school in turn, *t* with schools - 1 degrees, which is near a paired
    *t* over schools; chance is as wide as the interval. *These schools*: shares have Newcombe's interval (1998,
    Statistics in Medicine 17: 873-890, method 10), and by chance the variance of a common share; means Welch's t.
    Cohorts differ for reasons besides any work, so that a change beyond chance shows that something differs, but not
    what.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018, 2019]).records
    >>> row = follow_up_cohorts(records, "9VT", zero=[2018], later=[2019]).table.iloc[0]
    >>> f"{row['n_zero']} and {row['n_later']} students: {row['change']:+.3f}, beyond chance: {row['beyond_chance']}"
    '313 and 309 students: +0.043, beyond chance: False'
    """
    divided = By.of(by, COLUMNS, open_frame(records.students))
    zero, later = ([one] if isinstance(one, int) else list(one) for one in (zero, later))
    if twice := sorted(set(zero) & set(later)):
        raise DataError(f"Cohort {', '.join(map(str, twice))} is in both zero and later. Name it in one of them.")
    school = _school_of(records)
    carried = By(tuple(dict.fromkeys([*divided.names, *school.names])))
    before, after = (measured(records.cohort(cohorts), term, carried) for cohorts in (zero, later))
    values = [name for name in MEASURES if name in before.columns and name in after.columns]
    named = [", ".join(map(str, cohorts)) for cohorts in (zero, later)]
    settings = {"design": "different_students", "zero": named[0], "later": named[1], "by": divided.names, "term": term}
    both = pd.concat([before.assign(_later=False), after.assign(_later=True)], ignore_index=True)
    both["_school"] = labels(both[carried.keys[carried.names.index("school_id")]]) if school.names else "none"
    kind = estimand_of(both["_school"] if school.names else None, estimand)
    rows = []
    for place, part in divided.split(both):
        for group, measure, chosen in _cells(part, values):
            known = chosen[measure] if measure == ABSENCE else chosen[measure].fillna(0.0).where(chosen["counted"])
            sides = [known[chosen["_later"] == when].dropna() for when in (False, True)]
            schools = [chosen.loc[side.index, "_school"] for side in sides]
            early, late = (side.to_numpy(float) for side in sides)
            found = _independent(early, late, measure, min_students)
            in_both = set(schools[0]) & set(schools[1])
            if kind == LIKE and found["status"] == "ok" and len(in_both) >= MIN_SCHOOLS:
                found |= _over_schools(_difference_of(early, late), pd.concat(schools))
            rows.append({**place, "group": group, "measure": measure, **found})
    return FollowUp(_table(rows, divided), {**settings, "min_students": min_students, "estimand": kind}, len(before))


def _refuse_backwards(records: StudentRecords, zero: str, later: str) -> None:
    terms = list(records.declaration.terms)
    # Of the calendar 2018VT comes before 2018HT, while 9HT comes before 9VT.
    known = zero in terms and later in terms
    order = [terms.index(one) for one in (zero, later)] if known else [one.replace("VT", "A") for one in (zero, later)]
    if (known or (zero[:4].isdigit() and later[:4].isdigit())) and order[0] >= order[1]:  # type: ignore[operator]
        raise DataError(f"{later} does not come after {zero}. Turn them around, or choose a later term.")


def _cells(part: pd.DataFrame, values: Sequence[str]) -> list[tuple[str, str, pd.DataFrame]]:
    groups = ((group, in_group(part, group)) for group in GROUPS)
    return [(group, measure, chosen) for group, chosen in groups if chosen is not None for measure in values]


def _table(rows: list[dict[str, Any]], by: By) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*by.names, *COLUMNS]).astype({"beyond_chance": "boolean"})


def _paired(before: np.ndarray, after: np.ndarray, measure: str, min_students: int) -> dict[str, Any]:
    n = len(before)
    if n < max(min_students, 2):
        return _too_few(n, n)
    if measure != ABSENCE:
        first, second = int(((before == 1) & (after == 0)).sum()), int(((before == 0) & (after == 1)).sum())
        both = int(((before == 1) & (after == 1)).sum())
        return _row(n, n, same_students_change(both, first, second, n - first - second - both))
    error = float((after - before).std(ddof=1)) / sqrt(n)
    return _row(n, n, _change_of_means(before, after, error, n - 1))


def _independent(before: np.ndarray, after: np.ndarray, measure: str, min_students: int) -> dict[str, Any]:
    n, m = len(before), len(after)
    if min(n, m) < max(min_students, 2):
        return _too_few(n, m)
    if measure != ABSENCE:
        return _row(n, m, other_students_change(int(before.sum()), n, int(after.sum()), m))
    parts = np.array([before.var(ddof=1) / n, after.var(ddof=1) / m])
    error = sqrt(float(parts.sum()))
    freedom = float(parts.sum() ** 2 / (parts**2 / [n - 1, m - 1]).sum()) if error else float(n + m - 2)
    return _row(n, m, _change_of_means(before, after, error, freedom))


def _school_of(records: StudentRecords) -> By:
    return By(("school_id",) if "school_id" in column_names(open_frame(records.students)) else ())


def _over_schools(change: Statistic, schools: pd.Series[str]) -> dict[str, Any]:
    """Interval and chance of a change when the schools are a sample; nothing where no school changes it."""
    row = over_schools(change, schools, estimand=LIKE).iloc[0]
    if not row["low"] < row["high"]:
        return {}
    half = (row["high"] - row["low"]) / 2
    beyond = bool(row["low"] > 0 or row["high"] < 0)
    bounds = {"low": row["low"], "high": row["high"], "chance_low": -half, "chance_high": half}
    return {**bounds, "beyond_chance": beyond, "estimand": LIKE}


def _mean_of(values: Floats) -> Statistic:
    return lambda weights: {"mean": weights @ values / weights.sum(axis=1)}


def _difference_of(early: Floats, late: Floats) -> Statistic:
    """Return the function that computes the mean of the later minus that of the earlier for rows of weights."""
    first, second = _mean_of(early), _mean_of(late)
    n = len(early)
    return lambda weights: {"change": second(weights[:, n:])["mean"] - first(weights[:, :n])["mean"]}


def _change_of_means(before: np.ndarray, after: np.ndarray, error: float, freedom: float) -> Change:
    zero, later = float(before.mean()), float(after.mean())
    low, high = mean_interval(later - zero, error, freedom)
    return Change(zero, later, low, high, high - (later - zero))


def _row(n: int, m: int, found: Change) -> dict[str, Any]:
    return {
        "n_zero": n,
        "zero": found.zero,
        "n_later": m,
        "later": found.later,
        "change": found.change,
        "low": found.low,
        "high": found.high,
        "chance_low": -found.chance,
        "chance_high": found.chance,
        "beyond_chance": found.beyond_chance,
        "estimand": THESE,
        "status": "ok",
    }


def _too_few(n: int, m: int) -> dict[str, Any]:
    return {"n_zero": n, "n_later": m, "beyond_chance": None, "estimand": THESE, "status": "too_few"}
