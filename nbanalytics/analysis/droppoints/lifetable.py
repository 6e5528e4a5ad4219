"""The discrete-time life table: who is at risk, who is lost, who is censored, and the standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.errors import DataError
from nbanalytics.frames import By, collect, open_frame, refuse_absent
from nbanalytics.intervals import mean_interval, wilson
from nbanalytics.schools import LIKE, MIN_SCHOOLS, THESE, estimand_of, jackknife_interval, labels, share_over_schools

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
    "estimand",
)


def life_table(duration: Any, event: Any, schools: Any = None, *, estimand: str | None = None) -> pd.DataFrame:
    """Make a discrete-time life table of durations that may be censored.

    Parameters
    ----------
    duration : array-like of int, one per person
        The last period in which the person was followed: 1, 2, ... A duration of 0 means never followed; such a
        person is in no row.
    event : array-like of 0/1 or bool, one per person
        Whether the event happened in that period (1) or the person was only followed to its end (0, censored).
    schools : array-like, optional
        The school of each person.
    estimand : str, optional
        ``"schools_like_these"`` (the default from three schools on) or ``"these_schools"`` (other pupils; the default
        without schools); see :func:`nbanalytics.schools.estimand_of`.

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
          interval ``low, high``, which is missing where survival is 1 or 0;
        - ``estimand``: what the intervals are about.

    Raises
    ------
    DataError
        If lengths differ, a value is missing, a duration is negative or no whole number, an event is not 0 or 1, or an
        event happens at duration 0; if schools like these are asked about with fewer than three.

    Notes
    -----
    Singer, J. D. and Willett, J. B. (2003), *Applied Longitudinal Data Analysis*, chapter 10: hazard h = d/n with
    standard error √(h(1 − h)/n); survival ∏(1 − h) with Greenwood's (1926) standard error S √Σ h/(n(1 − h)). The
    latter is computed as a recursion that is the same number and stays finite, at 0, when everyone at risk is lost.
    *These schools*: the interval of the hazard is Wilson's; that of survival is set on the log-log scale,
    S^exp(±1.96 se(S) / (S ln S)), and so stays between 0 and 1 (Kalbfleisch, J. D. and Prentice, R. L. (2002), *The
    Statistical Analysis of Failure Time Data*, section 1.4). *Schools like these*: hazard and survival without each
    school in turn, on the logit scale, *t* with schools - 1 degrees (:func:`nbanalytics.schools.over_schools`).
    ``se_hazard`` and ``se_survival`` are those of other pupils in either case.

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
    held = None if schools is None else labels(schools)
    lengths = {"duration": len(durations), "event": len(events)} | ({} if held is None else {"schools": len(held)})
    if len(set(lengths.values())) > 1:
        found = " and ".join(f"{name} has {number}" for name, number in lengths.items())
        raise DataError(f"The numbers of values differ: {found}. Give one of each per person.")
    kind, ones = estimand_of(held, estimand), np.ones(len(durations), dtype=np.int64)
    return _from_counts(durations, events, ones, np.arange(len(durations)), held, kind)


def _from_counts(
    durations: NDArray[np.float64],
    events: NDArray[np.float64],
    persons: NDArray[np.int64],
    places: NDArray[np.int64] | None = None,
    schools: Any = None,
    estimand: str = THESE,
) -> pd.DataFrame:
    """Check durations and events, each of so many persons of a school, and make their life table."""

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
    codes = np.zeros(len(periods), dtype=np.int64) if estimand == THESE else pd.factorize(schools)[0]
    size = (int(codes.max(initial=0)) + 1, longest)
    place = np.ravel_multi_index((codes, periods), size)
    counted = [
        np.bincount(place[these], weights=persons[these], minlength=size[0] * longest).reshape(size).astype(np.int64)
        for these in (happened, ~happened)
    ]
    return _life_table(*counted)


def life_table_by(
    frame: Any,
    by: str | Sequence[str] = (),
    duration: str = "duration",
    event: str = "event",
    schools: str | None = None,
    *,
    estimand: str | None = None,
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
    schools : str, optional
        The column with each person's school.
    estimand : str, optional
        As in :func:`life_table`. A group in fewer than three schools has ``"these_schools"``.

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
    held = [] if schools is None else [schools]
    refuse_absent(wrapped, [duration, event, *held], "of durations")
    columns = {
        "_duration": nw.col(duration),
        "_event": nw.col(event),
        **({"_school": nw.col(schools)} if schools is not None else {}),
    }
    counted = wrapped.select(*divided.aliased, **columns)
    counts = collect(counted.group_by(*divided.keys, *columns).agg(nw.len().alias("_persons")))
    if held:
        counts["_school"] = labels(counts["_school"])
    kind = estimand_of(counts["_school"] if held else None, estimand)
    parts = []
    for group, part in divided.split(counts):
        own = kind if kind == THESE or part["_school"].nunique() >= MIN_SCHOOLS else THESE
        numbers = _numbers(part["_duration"], duration), _numbers(part["_event"], event)
        table = _from_counts(*numbers, part["_persons"].to_numpy(), None, part["_school"] if held else None, own)
        parts.append(table.assign(**group)[[*divided.names, *LIFE_TABLE_COLUMNS]])
    if not parts:
        return pd.DataFrame(columns=[*divided.names, *LIFE_TABLE_COLUMNS])
    return pd.concat(parts, ignore_index=True)


def _life_table(events: NDArray[np.int64], censored: NDArray[np.int64]) -> pd.DataFrame:
    """Make the table from the counts by school at durations 0, 1, 2, ...; those at 0 are in no row.

    Several schools are a sample of schools like them.
    """
    followed = (events + censored)[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    lost, at_risk = events[:, 1:].sum(axis=0), followed.sum(axis=0)
    hazard = lost / at_risk
    survival, variance, previous = np.empty(len(hazard)), np.empty(len(hazard)), (1.0, 0.0)
    for number, (share, persons) in enumerate(zip(hazard, at_risk, strict=True)):
        before, spread = previous
        survival[number] = before * (1 - share)
        variance[number] = (1 - share) ** 2 * spread + before**2 * share * (1 - share) / persons
        previous = (survival[number], variance[number])
    schools = len(events)
    if schools == 1:
        bounds = [wilson(int(e), int(n)) for e, n in zip(lost, at_risk, strict=True)]
        low, high = _log_log(survival, np.sqrt(variance))
    else:
        bounds = [share_over_schools(e, n) for e, n in zip(events[:, 1:].T, followed.T, strict=True)]
        low, high = _of_schools(events[:, 1:], followed, _log_log(survival, np.sqrt(variance), schools - 1))
    columns = {
        "t": np.arange(1, len(hazard) + 1),
        "at_risk": at_risk,
        "events": lost,
        "censored": censored[:, 1:].sum(axis=0),
        "hazard": hazard,
        "se_hazard": np.sqrt(hazard * (1 - hazard) / at_risk),
        "hazard_low": [low for low, _ in bounds],
        "hazard_high": [high for _, high in bounds],
        "survival": survival,
        "se_survival": np.sqrt(variance),
        "low": low,
        "high": high,
    }
    return pd.DataFrame(columns).assign(estimand=THESE if schools == 1 else LIKE)


def _of_schools(
    events: NDArray[np.int64], followed: NDArray[np.int64], otherwise: tuple[NDArray[Any], NDArray[Any]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the interval of survival without each school in turn; ``otherwise`` where no school changes it."""
    lost, at_risk = (np.vstack([counts.sum(axis=0), counts.sum(axis=0) - counts]) for counts in (events, followed))
    with np.errstate(invalid="ignore"):
        survival = (1 - lost / at_risk).cumprod(axis=1)
    bounds = np.array([jackknife_interval(column, "logit") for column in survival.T]).reshape(-1, 2)
    same = (survival == survival[0]).all(axis=0)
    return np.where(same, otherwise[0], bounds[:, 0]), np.where(same, otherwise[1], bounds[:, 1])


def _log_log(
    survival: NDArray[np.float64], error: NDArray[np.float64], freedom: float = inf
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the 95 % interval of survival on the scale log(-log S), where it cannot leave 0 to 1."""
    inner = np.where((survival > 0) & (survival < 1), survival, np.nan)
    wide = mean_interval(0.0, 1.0, freedom)[1] * error / (inner * np.abs(np.log(inner)))
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
