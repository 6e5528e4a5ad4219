"""Opening the support register: in pandas, with dates that can be compared as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, nan, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.indicators import Indicators
from nbanalytics.analysis.indicators.measures import CHOSEN_LEVELS, active_support
from nbanalytics.errors import DataError
from nbanalytics.frames import By, collect, open_frame
from nbanalytics.intervals import with_share
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.terms import term_dates

#: Levels of support from the widest to the narrowest.
LEVELS = ("universal", "selective", "indicated")
#: Later than every date.
OPEN = "9999-12-31"


def open_register(records: StudentRecords) -> pd.DataFrame:
    """Return the register in pandas.

    Returns
    -------
    DataFrame
        ``student_id, kind, level, actor, start, end, intensity``; dates as ISO text, ``end`` of ongoing support is
        ``9999-12-31``. Overlapping periods are kept: students are counted once.

    Raises
    ------
    DataError
        If there is no register, a level is unknown, or a period ends before it starts.
    """
    if records.support is None:
        raise DataError("The records have no support register. Add the table support (docs/records.md).")
    records.refuse_uncountable()
    table = collect(records.support)
    for name in ("actor", "end", "intensity"):
        if name not in table:
            table = table.assign(**{name: None})
    ended = table["end"].notna()
    table = table.assign(start=table["start"].astype("str"), end=table["end"].astype("str").where(ended, OPEN))
    reversed_ = int((table["end"] < table["start"]).sum())
    if reversed_:
        raise DataError(
            f"{reversed_} periods of support end before they start. Run nbanalytics check, which names the rows, and "
            "correct one of the dates."
        )
    unknown = int((~table["level"].isin(LEVELS)).sum())
    if unknown:
        raise DataError(f"{unknown} periods of support have an unknown level. Use one of {', '.join(LEVELS)}.")
    return table


def chosen(register: pd.DataFrame) -> pd.DataFrame:
    """Keep the selective and indicated levels."""
    return register[register["level"].isin(CHOSEN_LEVELS)]


@dataclass(frozen=True, repr=False)
class Coverage(Shown):
    """Students with a risk signal and no support, by term.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then ``term``; ``students`` enrolled, of these ``unknown`` (no risk indicator is
        known); ``with_signal``, of these ``without_support``; ``share`` without support of those with a signal, with
        a 95 % score interval ``low, high`` (Wilson 1927), missing where nobody has one.
    settings : mapping
        ``at_least`` signals, ``levels`` of support counted, ``by``.
    students : int
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Students with {self.settings['at_least']} or more risk signals and no support, of {self.students}"


def coverage(
    records: StudentRecords, indicators: Indicators, by: str | Sequence[str] = (), at_least: int = 1
) -> Coverage:
    """Count students with a risk signal and no active support.

    Parameters
    ----------
    records : StudentRecords
        With a support register.
    indicators : Indicators
        Of the same records, see :func:`nbanalytics.indicators`.
    by : str or sequence of str
        Columns of students to divide by: ``school_id``, ``sex``, ``cohort``.
    at_least : int
        Smallest number of risk signals that counts as a signal.

    Returns
    -------
    Coverage

    Raises
    ------
    DataError
        If there is no support register, or a column of ``by`` is not there.

    Notes
    -----
    Support is active in a term that its period touches; universal support is not counted.

    Examples
    --------
    >>> from nbanalytics.analysis.indicators import indicators
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = coverage(records, indicators(records, ["6VT", "7HT"])).table
    >>> bool(table.loc[1, "share"] > table.loc[0, "share"])
    True
    """
    counted = ["students", "unknown", "with_signal", "without_support"]
    own = open_frame(records.students)
    divided = By.of(by, ("term", *counted, "share", "low", "high"), own)
    table = needs(records, indicators, at_least)
    table = table.merge(collect(own.select("student_id", *divided.aliased)), on="student_id", how="left")
    flags = table.assign(
        students=1,
        unknown=(table["known"] == 0).astype("int64"),
        with_signal=table["signal"].astype("int64"),
        without_support=(table["signal"] & ~table["supported"]).astype("int64"),
    )
    sums = flags.groupby([*divided.keys, "place", "term"], dropna=False)[counted].sum().reset_index()
    rows = divided.named(with_share(sums.drop(columns="place"), "without_support", "with_signal"))
    settings = {"at_least": at_least, "levels": CHOSEN_LEVELS, "by": divided.names}
    return Coverage(rows, settings, students=indicators.students)


def needs(records: StudentRecords, indicators: Indicators, at_least: int = 1) -> pd.DataFrame:
    """Combine signals with active support.

    Returns
    -------
    DataFrame
        The columns of :meth:`Indicators.by_student`, then ``place`` of the term, ``signal``, whether there are
        ``at_least`` risk signals, and ``supported``, whether support of a chosen level is active in the term.
    """
    open_register(records)
    table = indicators.by_student()
    places = {term: place for place, term in enumerate(indicators.settings["terms"])}
    active = active_support(records.to_pandas(), table)
    active = active[active["level"].isin(CHOSEN_LEVELS)][["student_id", "term"]].drop_duplicates()
    supported = table.merge(active.assign(supported=True), on=["student_id", "term"], how="left")["supported"].notna()
    return table.assign(
        place=table["term"].map(places), signal=table["risks"] >= at_least, supported=supported.to_numpy()
    )


ALL = "*"
#: Intensity of occasional contacts.
SELDOM = "now_and_then"
#: Columns of the register that cannot be used as groups.
_NO_GROUPS = ("student_id", "start", "end", "intensity")


@dataclass(frozen=True, repr=False)
class Caseload(Shown):
    """Students with active support, by actor (or kind, or level) over time.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each ``month`` (its first day), value of ``by``, and ``intensity`` (``weekly``,
        ``several_a_month``, ``monthly``, ``now_and_then`` where the register says nothing, ``*`` for all), with the
        number of ``students``. A student with two periods at once is counted once in ``*``.
    years : pandas.DataFrame
        Students met in each ``school_year`` (1 July to 30 June, ``2017/18``): whose period began in it, same columns.
    settings : mapping
        ``by`` and ``until``, the last date in the register, up to which what goes on is counted.
    students : int
    """

    table: pd.DataFrame
    years: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Students with active support by {self.settings['by']} and month, {self.students} students"


def caseload(records: StudentRecords, by: str = "actor", only: Sequence[str] = ()) -> Caseload:
    """Count students with active support over time.

    Parameters
    ----------
    records : StudentRecords
        With a support register.
    by : str
        ``actor``, ``kind`` or ``level``.
    only : sequence of str
        Values of ``by`` to keep; by default all.

    Returns
    -------
    Caseload

    Raises
    ------
    DataError
        If there is no support register, no such column, or no row remains.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> load = caseload(simulate(seed=1, cohorts=[2018]).records, only=["youth_coach"])
    >>> sorted(load.table["intensity"].unique())
    ['*', 'monthly', 'now_and_then', 'several_a_month', 'weekly']
    """
    register = open_register(records)
    By.of(by, ("month", "school_year", "students"), open_frame(register), "support")
    if by in _NO_GROUPS:
        raise DataError(f"The caseload cannot be divided by {by}. Choose actor, kind or level.")
    kept = register[register[by].isin(list(only))] if only else register
    if kept.empty:
        raise DataError(
            f"The support register has no row with that {by}. Check the spelling of {', '.join(only) or by}."
        )
    ends = kept["end"].where(kept["end"] != OPEN)
    until = max(kept["start"].max(), ends.dropna().max() if ends.notna().any() else "")
    periods = kept.assign(
        intensity=kept["intensity"].fillna(SELDOM),
        first=pd.to_datetime(kept["start"]).dt.to_period("M"),
        last=pd.to_datetime(ends.fillna(until)).dt.to_period("M"),
    )
    months = [
        periods[(periods["first"] <= month) & (periods["last"] >= month)].assign(month=f"{month}-01")
        for month in pd.period_range(periods["first"].min(), periods["last"].max(), freq="M")
    ]
    begun = pd.to_datetime(kept["start"])
    autumn = begun.dt.year - (begun.dt.month < 7)
    school_year = [f"{year}/{(year + 1) % 100:02d}" for year in autumn]
    table = _counted(pd.concat(months, ignore_index=True), "month", by)
    years = _counted(periods.assign(school_year=school_year), "school_year", by)
    return Caseload(table, years, {"by": by, "until": until}, students=int(kept["student_id"].nunique()))


def _counted(rows: pd.DataFrame, when: str, by: str) -> pd.DataFrame:
    both = pd.concat([rows, rows.assign(intensity=ALL)], ignore_index=True)
    counts = both.groupby([when, by, "intensity"], dropna=False)["student_id"].nunique()
    return counts.rename("students").reset_index()


@dataclass(frozen=True, repr=False)
class WaitingTime(Shown):
    """Time from the first risk signal to the first support begun after it.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each number of days at which support began or somebody was censored: ``days``; ``at_risk`` (still
        waiting), ``events`` (support began), ``censored``; ``waiting``, the share who wait longer, with its 95 %
        interval ``low, high``.
    settings : mapping
        ``at_least`` and ``terms``.
    students : int
        Students followed.
    median, median_low, median_high : float
        Days until half have support, with a 95 % interval; missing if it is never reached.
    already : int
        Students who had support in the term of their first signal; they did not wait and are left out.
    not_followed : int
        Students whose first signal is in the last term they are here; nothing is known of what came after.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int
    median: float
    median_low: float
    median_high: float
    already: int
    not_followed: int

    def _words(self) -> str:
        got = int(self.table["events"].sum())
        half = "never reached" if np.isnan(self.median) else f"{self.median:.0f} days"
        return f"{got} of {self.students} students got support after their first signal; median {half}"


def time_to_support(records: StudentRecords, indicators: Indicators, at_least: int = 1) -> WaitingTime:
    """Estimate the time from the first risk signal to the first support.

    Parameters
    ----------
    records : StudentRecords
        With a support register.
    indicators : Indicators
        Of the same records, with all terms to follow.
    at_least : int
        Smallest number of risk signals that counts as a signal.

    Returns
    -------
    WaitingTime

    Raises
    ------
    DataError
        If there is no support register, or nobody with a signal is followed.

    Notes
    -----
    A signal is known on the last day of its term. A student is censored on the last day of the last term here, or of
    the last term in which an indicator is known of anybody in the cohort: what comes after it has not been seen.
    Product limit (Kaplan and Meier 1958) with Greenwood's variance; intervals on the scale of logarithms, and the
    interval of the median by inverting them (Brookmeyer and Crowley 1982), as ``survfit`` of R's survival package does.

    Examples
    --------
    >>> from nbanalytics.analysis.indicators import indicators
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> found = time_to_support(records, indicators(records))
    >>> bool(found.table["waiting"].is_monotonic_decreasing)
    True
    """
    table = needs(records, indicators, at_least)
    reached = table["place"].where(table["known"] > 0).groupby(table["cohort"]).transform("max")
    table = table[table["place"] <= reached]
    last_here = table.groupby("student_id")["term"].last()
    first = table[table["signal"]].groupby("student_id", as_index=False).first()
    already = int(first["supported"].sum())
    first = first[~first["supported"]]
    declared = records.declaration
    origin = [
        term_dates(declared, int(c), term)[1].isoformat()
        for c, term in zip(first["cohort"], first["term"], strict=True)
    ]
    leaves = [
        term_dates(declared, int(c), last_here[s])[1].isoformat()
        for c, s in zip(first["cohort"], first["student_id"], strict=True)
    ]
    first = first.assign(origin=origin, leaves=leaves)
    followed = first[first["leaves"] > first["origin"]]
    if followed.empty:
        raise DataError("No student with a risk signal is followed afterwards. Use more terms.")
    begun = chosen(open_register(records))[["student_id", "start"]]
    later = followed[["student_id", "origin"]].merge(begun, on="student_id")
    starts = later[later["start"] > later["origin"]].groupby("student_id")["start"].min()
    # If nobody got support, the column is empty and has no text to compare.
    start = followed["student_id"].map(starts).astype(object).fillna("9999-12-31").astype(str)
    event = start <= followed["leaves"]
    until = pd.to_datetime(start.where(event, followed["leaves"]))
    days = (until - pd.to_datetime(followed["origin"])).dt.days.to_numpy()
    curve = product_limit(days, event.to_numpy(dtype=bool))
    settings = {"at_least": at_least, "terms": indicators.settings["terms"]}
    counts = {"already": already, "not_followed": len(first) - len(followed)}
    return WaitingTime(curve, settings, len(followed), *median_of(curve), **counts)


def product_limit(days: NDArray[Any], event: NDArray[np.bool_]) -> pd.DataFrame:
    """Return the product-limit curve; see :class:`WaitingTime` for its columns."""
    z = NormalDist().inv_cdf(0.975)
    rows, survival, variance = [], 1.0, 0.0
    for day in np.unique(days):
        at_risk = int((days >= day).sum())
        events = int((event & (days == day)).sum())
        survival *= 1 - events / at_risk
        variance += events / (at_risk * (at_risk - events)) if events < at_risk else nan
        half = z * sqrt(variance) if survival > 0 else nan
        low, high = (exp(log(survival) - half), min(1.0, exp(log(survival) + half))) if survival > 0 else (nan, nan)
        rows.append((int(day), at_risk, events, int((days == day).sum()) - events, survival, low, high))
    return pd.DataFrame(rows, columns=["days", "at_risk", "events", "censored", "waiting", "low", "high"])


def median_of(curve: pd.DataFrame) -> tuple[float, float, float]:
    """Return the days until half have an event, and its interval; missing where the curve stays above a half."""

    def first_at_most_half(column: str) -> float:
        below = curve.loc[curve[column] <= 0.5, "days"]
        return float(below.iloc[0]) if len(below) else nan

    return first_at_most_half("waiting"), first_at_most_half("low"), first_at_most_half("high")
