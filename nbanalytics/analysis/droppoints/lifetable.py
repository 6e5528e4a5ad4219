"""The discrete-time life table: who is at risk, who is lost, who is censored, and the standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.errors import DataError
from nbanalytics.frames import By, collect, open_frame, refuse_absent

#: Columns of a life table, in order.
LIFE_TABLE_COLUMNS = ("t", "at_risk", "events", "censored", "hazard", "se_hazard", "survival", "se_survival")


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
        - ``hazard``: events / at_risk, and its standard error ``se_hazard``;
        - ``survival``: share to whom it has not happened by the end of the period, and ``se_survival``.

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

    Examples
    --------
    >>> life_table([1, 2, 2, 3], [1, 1, 0, 0]).round(3)
       t  at_risk  events  censored  hazard  se_hazard  survival  se_survival
    0  1        4       1         0   0.250      0.217      0.75        0.217
    1  2        3       1         1   0.333      0.272      0.50        0.250
    2  3        1       0         1   0.000      0.000      0.50        0.250
    """
    durations, events = _numbers(duration, "duration"), _numbers(event, "event")
    if len(durations) != len(events):
        raise DataError(
            f"duration has {len(durations)} values and event has {len(events)}. Give one of each per person."
        )
    _refuse(~np.isin(events, (0, 1)), "event", "neither 0 nor 1", "Code the event 1 and censoring 0")
    _refuse(durations < 0, "duration", "negative", "Count periods from 1")
    _refuse(durations % 1 != 0, "duration", "not whole numbers", "Round continuous times up to whole periods")
    _refuse((durations == 0) & (events == 1), "duration", "0 with an event", "An event happens in period 1 or later")
    periods, happened = durations.astype(np.int64), events.astype(np.int64)
    longest = int(periods.max(initial=0)) + 1
    return _life_table(
        np.bincount(periods[happened == 1], minlength=longest), np.bincount(periods[happened == 0], minlength=longest)
    )


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
    counted = wrapped.select(*divided.aliased, _duration=nw.col(duration), _event=nw.col(event).cast(nw.Int64))
    counts = collect(counted.group_by(*divided.keys, "_duration", "_event").agg(nw.len().alias("_persons")))
    parts = []
    for group, part in divided.split(counts):
        # The life table of the group, with every kind of person repeated as often as it occurs.
        times = part["_persons"].to_numpy()
        table = life_table(np.repeat(part["_duration"].to_numpy(), times), np.repeat(part["_event"].to_numpy(), times))
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
    columns = {
        "t": np.arange(1, len(hazard) + 1),
        "at_risk": at_risk,
        "events": events,
        "censored": censored,
        "hazard": hazard,
        "se_hazard": np.sqrt(hazard * (1 - hazard) / at_risk),
        "survival": survival,
        "se_survival": np.sqrt(variance),
    }
    return pd.DataFrame(columns)


def _numbers(values: Any, name: str) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise DataError(
            f"{name} holds values that are missing or no numbers. Leave out those persons, or give their last period."
        ) from None
    if numbers.ndim != 1:
        raise DataError(f"{name} has {numbers.ndim} dimensions. Give one value per person.")
    _refuse(~np.isfinite(numbers), name, "missing or infinite", "Leave out those persons, or give their last period")
    return numbers


def _refuse(faulty: NDArray[np.bool_], name: str, what: str, remedy: str) -> None:
    if faulty.any():
        places = np.flatnonzero(faulty)
        first = ", ".join(str(place) for place in places[:5])
        raise DataError(f"{name}: {len(places)} values are {what} (first at position {first}). {remedy}.")
