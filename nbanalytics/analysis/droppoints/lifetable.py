"""The discrete-time life table: who is at risk, who is lost, who is censored, and the standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.errors import DataError
from nbanalytics.frames import By, collect, open_frame, refuse_absent
from nbanalytics.intervals import wilson

#: Columns of a life table, in order.
LIFE_TABLE_COLUMNS = (
    "t",
    "at_risk",
    "events",
    "censored",
    "hazard",
    "se_hazard",
    "hazard_low",
    "hazard_high",
    "survival",
    "se_survival",
    "low",
    "high",
)


def life_table(duration: Any, event: Any) -> pd.DataFrame:
    """Make a discrete-time life table of durations that may be censored.

    Parameters
    ----------
    duration : array-like of int, one per person
        The last period in which the person was followed: 1, 2, ... A duration of 0 means never followed; such a
        person is in no row.
    event : array-like of 0/1 or bool, one per person
        Whether the event happened in that period (1) or the person was only followed to its end (0, censored).

    Returns
    -------
    pandas.DataFrame
        One row per period ``t`` = 1 ... the longest duration:

        - ``at_risk``: persons who are followed in the period;
        - ``events``: those to whom it happened in the period;
        - ``censored``: those who are followed no longer after it;
        - ``hazard``: events / at_risk, with its standard error ``se_hazard`` and its 95 % interval
          ``hazard_low, hazard_high``;
        - ``survival``: share to whom it has not happened by the end of the period, with ``se_survival`` and the 95 %
          interval ``low, high``, which is missing where survival is 1 or 0.

    Raises
    ------
    DataError
        If the two differ in length, a value is missing, a duration is negative or no whole number, an event is
        not 0 or 1, or an event happens at duration 0.

    Notes
    -----
    Singer, J. D. and Willett, J. B. (2003), *Applied Longitudinal Data Analysis*, chapter 10: hazard h = d/n with
    standard error √(h(1 − h)/n); survival ∏(1 − h) with Greenwood's (1926) standard error S √Σ h/(n(1 − h)). The
    latter is computed as a recursion that is the same number and stays finite, at 0, when everyone at risk is lost.
    The interval of the hazard is Wilson's; that of survival is set on the log-log scale, S^exp(±1.96 se(S) / (S ln S)),
    and so stays between 0 and 1 (Kalbfleisch, J. D. and Prentice, R. L. (2002), *The Statistical Analysis of Failure
    Time Data*, section 1.4).

    Examples
    --------
    >>> table = life_table([1, 2, 2, 3], [1, 1, 0, 0]).round(3)
    >>> table[["t", "at_risk", "events", "censored", "hazard", "hazard_low", "hazard_high"]]
       t  at_risk  events  censored  hazard  hazard_low  hazard_high
    0  1        4       1         0   0.250       0.046        0.699
    1  2        3       1         1   0.333       0.061        0.792
    2  3        1       0         1   0.000       0.000        0.793
    >>> table[["t", "survival", "se_survival", "low", "high"]]
       t  survival  se_survival    low   high
    0  1      0.75        0.217  0.128  0.961
    1  2      0.50        0.250  0.058  0.845
    2  3      0.50        0.250  0.058  0.845
    """
    durations, events = _numbers(duration, "duration"), _numbers(event, "event")
    if len(durations) != len(events):
        raise DataError(
            f"duration has {len(durations)} values and event has {len(events)}. Give one of each per person."
        )
    places = np.arange(len(durations))
    return _from_counts(durations, events, np.ones(len(durations), dtype=np.int64), places)


def _from_counts(
    durations: NDArray[np.float64],
    events: NDArray[np.float64],
    persons: NDArray[np.int64],
    places: NDArray[np.int64] | None = None,
) -> pd.DataFrame:
    """Check durations and events, each of so many persons, and make their life table."""

    def refuse(faulty: NDArray[np.bool_], name: str, what: str, remedy: str) -> None:
        if faulty.any():
            number = int(persons[faulty].sum())
            first = "" if places is None else f" (first at position {', '.join(map(str, places[faulty][:5]))})"
            raise DataError(f"{name}: {number:,} values are {what}{first}", f"{remedy}.")

    for numbers, name in ((durations, "duration"), (events, "event")):
        refuse(~np.isfinite(numbers), name, "missing or infinite", "Leave out those persons, or give their last period")
    refuse(~np.isin(events, (0, 1)), "event", "neither 0 nor 1", "Code the event 1 and censoring 0")
    refuse(durations < 0, "duration", "negative", "Count periods from 1")
    refuse(durations % 1 != 0, "duration", "not whole numbers", "Round continuous times up to whole periods")
    refuse((durations == 0) & (events == 1), "duration", "0 with an event", "An event happens in period 1 or later")
    periods, happened = durations.astype(np.int64), events == 1
    longest = int(periods.max(initial=0)) + 1
    counted = [
        np.bincount(periods[these], weights=persons[these], minlength=longest).astype(np.int64)
        for these in (happened, ~happened)
    ]
    return _life_table(*counted)


def life_table_by(
    frame: Any, by: str | Sequence[str] = (), duration: str = "duration", event: str = "event"
) -> pd.DataFrame:
    """Make a life table for each group of a dataframe of any kind; only the counts leave the engine.

    Parameters
    ----------
    frame : dataframe
        One row per person, such as :attr:`Losses.table`; any kind narwhals takes.
    by : str or sequence of str
        Columns to divide by; none gives one life table.
    duration, event : str
        Columns as in :func:`life_table`.

    Returns
    -------
    pandas.DataFrame
        The columns of ``by``, then those of :func:`life_table`. A missing value in ``by`` is a group of its own.

    Raises
    ------
    DataError
        As :func:`life_table`, or if a column is not there.

    Examples
    --------
    >>> frame = pd.DataFrame({"sex": ["girl", "girl", "boy"], "duration": [1, 2, 2], "event": [0, 1, 1]})
    >>> life_table_by(frame, by=["sex"])[["sex", "t", "at_risk", "events", "censored", "hazard"]]
        sex  t  at_risk  events  censored  hazard
    0   boy  1        1       0         0     0.0
    1   boy  2        1       1         0     1.0
    2  girl  1        2       0         1     0.0
    3  girl  2        1       1         0     1.0
    """
    wrapped = open_frame(frame)
    divided = By.of(by, LIFE_TABLE_COLUMNS, wrapped, "of durations")
    refuse_absent(wrapped, [duration, event], "of durations")
    counted = wrapped.select(*divided.aliased, _duration=nw.col(duration), _event=nw.col(event))
    counts = collect(counted.group_by(*divided.keys, "_duration", "_event").agg(nw.len().alias("_persons")))
    parts = []
    for group, part in divided.split(counts):
        table = _from_counts(
            _numbers(part["_duration"], duration), _numbers(part["_event"], event), part["_persons"].to_numpy()
        )
        parts.append(table.assign(**group)[[*divided.names, *LIFE_TABLE_COLUMNS]])
    if not parts:
        return pd.DataFrame(columns=[*divided.names, *LIFE_TABLE_COLUMNS])
    return pd.concat(parts, ignore_index=True)


def _life_table(events: NDArray[np.int64], censored: NDArray[np.int64]) -> pd.DataFrame:
    """Make the table from the counts at durations 0, 1, 2, ...; those at 0 are in no row."""
    left = events + censored
    at_risk = left[::-1].cumsum()[::-1][1:]
    events, censored = events[1:], censored[1:]
    hazard = events / at_risk
    survival, variance, previous = np.empty(len(hazard)), np.empty(len(hazard)), (1.0, 0.0)
    for number, (share, persons) in enumerate(zip(hazard, at_risk, strict=True)):
        before, spread = previous
        survival[number] = before * (1 - share)
        variance[number] = (1 - share) ** 2 * spread + before**2 * share * (1 - share) / persons
        previous = (survival[number], variance[number])
    bounds = np.array([wilson(int(e), int(n)) for e, n in zip(events, at_risk, strict=True)]).reshape(-1, 2)
    low, high = _log_log(survival, np.sqrt(variance))
    columns = {
        "t": np.arange(1, len(hazard) + 1),
        "at_risk": at_risk,
        "events": events,
        "censored": censored,
        "hazard": hazard,
        "se_hazard": np.sqrt(hazard * (1 - hazard) / at_risk),
        "hazard_low": bounds[:, 0],
        "hazard_high": bounds[:, 1],
        "survival": survival,
        "se_survival": np.sqrt(variance),
        "low": low,
        "high": high,
    }
    return pd.DataFrame(columns)


def _log_log(survival: NDArray[np.float64], error: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the 95 % interval of survival on the scale log(-log S), where it cannot leave 0 to 1."""
    inner = np.where((survival > 0) & (survival < 1), survival, np.nan)
    wide = NormalDist().inv_cdf(0.975) * error / (inner * np.abs(np.log(inner)))
    return inner ** np.exp(wide), inner ** np.exp(-wide)


def _numbers(values: Any, name: str) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise DataError(
            f"{name} holds values that are missing or no numbers. Leave out those persons, or give their last period."
        ) from None
    if numbers.ndim != 1:
        raise DataError(f"{name} has {numbers.ndim} dimensions. Give one value per person.")
    return numbers
