"""How long it takes from a risk signal to the first support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log, nan, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.indicators import Indicators
from nbanalytics.errors import DataError
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.support.coverage import needs
from nbanalytics.support.register import chosen, open_register
from nbanalytics.terms import term_dates


@dataclass(frozen=True, repr=False)
class WaitingTime(Shown):
    """Time from the first risk signal to the first support begun after it.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each number of days at which support began or somebody was censored: ``days``; ``at_risk``
        (waiting still), ``events`` (support began), ``censored``; ``waiting``, the share who wait longer, with its
        95 % interval ``low, high``.
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


def time_to_support(records: StudentRecords, found: Indicators, at_least: int = 1) -> WaitingTime:
    """Estimate the time from the first risk signal to the first support.

    Parameters
    ----------
    records : StudentRecords
        With a support register.
    found : Indicators
        Of the same records, with all terms that are to be followed.
    at_least : int
        How many risk signals make a student one with a signal.

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
    table = needs(records, found, at_least)
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
        raise DataError("No student with a risk signal is followed afterwards. Ask for more terms.")
    begun = chosen(open_register(records))[["student_id", "start"]]
    later = followed[["student_id", "origin"]].merge(begun, on="student_id")
    starts = later[later["start"] > later["origin"]].groupby("student_id")["start"].min()
    start = followed["student_id"].map(starts)
    event = (start <= followed["leaves"]) & start.notna()
    until = pd.to_datetime(start.where(event, followed["leaves"]))
    days = (until - pd.to_datetime(followed["origin"])).dt.days.to_numpy()
    curve = product_limit(days, event.to_numpy(dtype=bool))
    settings = {"at_least": at_least, "terms": found.settings["terms"]}
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
