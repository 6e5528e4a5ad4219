"""The municipality compared with the nation and its peers, by year and as a trend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
import pandas as pd

from nbanalytics.analysis.baseline.zero import in_group
from nbanalytics.errors import DataError
from nbanalytics.intervals import mean_interval
from nbanalytics.municipality.leavers import leavers
from nbanalytics.municipality.official import MEASURES, NATION
from nbanalytics.municipality.views import merit_of, share_of
from nbanalytics.records import StudentRecords
from nbanalytics.results import Row, Settings, Shown

#: The municipality itself, among the places.
OWN = "own"
_GROUPS = ("all", "girls", "boys")
#: The columns of :func:`nbanalytics.municipality.leavers` behind each measure.
_COLUMNS = dict(zip(MEASURES, ("eligible", "merit_value", "all_passed"), strict=True))


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """A municipality's values compared with official ones.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per year, group, measure and place: ``year, group, measure, place`` (``own``, ``nation``, or a code),
        ``name, n`` (own students only), ``value`` (per cent, or points), ``low, high`` (95 %, own values only),
        ``difference`` (own minus this place's) with ``difference_low, difference_high``, and ``status``.
    settings : mapping
        ``name, term, rule, places, min_students``.
    students : int
        The municipality's own.
    """

    table: pd.DataFrame
    settings: Settings
    students: int

    def _words(self) -> str:
        others = ", ".join(self.settings["places"])
        return f"{self.settings['name'] or 'The municipality'} ({self.students} students) beside {others}"


@dataclass(frozen=True, repr=False)
class Trends(Shown):
    """Change per year.

    Attributes
    ----------
    table : pandas.DataFrame
        ``group, measure, place``: ``own``, another place, or ``own - place`` for the difference; ``years`` used,
        ``first`` and ``last`` of them, ``slope`` per year (percentage points, or points) with its 95 % interval ``low,
        high``, and ``status``: ``ok`` or ``too_few`` years.
    settings : mapping
    """

    table: pd.DataFrame
    settings: Settings

    def _words(self) -> str:
        return f"Change per year of {self.settings['name'] or 'the municipality'} and of those beside it"


def own_values(records: StudentRecords, min_students: int = 10) -> pd.DataFrame:
    """Compute the municipality's own values as the official statistics define them.

    Parameters
    ----------
    records : StudentRecords
        Students and grades; each cohort's declared end term is used.
    min_students : int
        No estimate for fewer students.

    Returns
    -------
    pandas.DataFrame
        ``year`` (cohort), ``group, measure, n, value, low, high, status``. Shares in per cent of all who got or should
        have got grades; the mean merit value (17) is of those with at least one pass. ``status`` is ``ok``,
        ``too_few``, or ``not_applicable``: a measure of passes on a scale without a pass line.

    Notes
    -----
    Skolverket's definitions; intervals by Wilson (1927) and Student's t. A municipality's year 9 is everybody there
    was: the interval speaks of what such a year may bring, not of pupils who were not asked.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = own_values(records)
    >>> table.loc[table["group"].eq("all"), ["measure", "n", "value"]].round(1).to_numpy().tolist()
    [['eligible_vocational', 313, 80.2], ['merit_value_17', 312, 219.6], ['passed_all', 313, 70.9]]
    """
    table = leavers(records)
    rows = []
    for cohort in sorted(set(table["cohort"])):
        part = table[table["cohort"] == cohort]
        for group in _GROUPS:
            chosen = in_group(part, group)
            if chosen is None:
                continue
            for measure, column in _COLUMNS.items():
                found = _own(chosen, column, min_students)
                rows.append({"year": int(cohort), "group": group, "measure": measure, **found})
    return pd.DataFrame(rows)


def compare(
    records: StudentRecords, official: pd.DataFrame, places: Sequence[str] = (NATION,), min_students: int = 10
) -> Comparison:
    """Compare a municipality's own values with official values of the same years.

    Parameters
    ----------
    records : StudentRecords
        The municipality's.
    official : pandas.DataFrame
        From :func:`national_values`, :func:`from_skolverket` or :func:`from_kolada`, or several of them concatenated.
    places : sequence of str
        The places to compare with, as in the column ``place``.
    min_students : int
        No estimate for fewer own students.

    Returns
    -------
    Comparison
        Only years, groups and measures that the municipality has too. An official value is a count of everybody and
        taken as it is, so that a difference is as uncertain as the municipality's own value.

    Raises
    ------
    DataError
        If a place has no value.

    Examples
    --------
    >>> from nbanalytics.municipality import national_values
    >>> from nbanalytics.simulation import simulate
    >>> beside = compare(simulate(seed=1, cohorts=[2018]).records, national_values()).table
    >>> beside.loc[beside["group"].eq("all") & beside["measure"].eq("eligible_vocational"), "value"].round(1).tolist()
    [80.2, 84.4]
    """
    unknown = [place for place in places if place not in set(official["place"])]
    if unknown:
        known = ", ".join(sorted(set(official["place"]))[:20])
        raise DataError(f"The official values have no place {', '.join(unknown)}", f"Choose among: {known}.")
    own = own_values(records, min_students)
    key = ["year", "group", "measure"]
    name = records.declaration.name
    mine = own.assign(place=OWN, name=name)
    others = official[official["place"].isin(list(places))].merge(
        own[[*key, "value", "low", "high"]], on=key, suffixes=("", "_own")
    )
    for column in ("difference", "difference_low", "difference_high"):
        bound = {"difference": "value_own", "difference_low": "low", "difference_high": "high"}[column]
        others[column] = others[bound] - others["value"]
    others = others.drop(columns=["value_own", "low", "high", "source"])
    table = pd.concat([mine, others], ignore_index=True)
    rank = table["place"].map({place: number for number, place in enumerate([OWN, *places])})
    order = table.assign(
        _rank=rank, _measure=table["measure"].map(MEASURES.index), _group=table["group"].map(_GROUPS.index)
    )
    table = order.sort_values(["_measure", "_group", "year", "_rank"], ignore_index=True)
    columns = [*key, "place", "name", "n", "value", "low", "high", "difference", "difference_low", "difference_high"]
    declared = records.declaration
    return Comparison(
        table=table[[*columns, "status"]].astype({"n": "Int64"}),
        settings={
            "name": name,
            "term": declared.end,
            "rule": declared.rule,
            "places": tuple(places),
            "min_students": min_students,
        },
        students=int(own.loc[own["group"].eq("all") & own["measure"].eq(MEASURES[0]), "n"].sum()),
    )


def trends(comparison: Comparison, least_years: int = 4) -> Trends:
    """Fit a straight line through the years of each place, and through the differences.

    Parameters
    ----------
    comparison : Comparison
        From :func:`compare`, over several years.
    least_years : int
        No estimate from fewer years, nor from fewer than 3.

    Returns
    -------
    Trends

    Notes
    -----
    Least squares with Student's t with the residual spread of the years, so that differences between cohorts count as
    chance. Few years give wide intervals: that is what they know.

    Examples
    --------
    >>> from nbanalytics.municipality import national_values
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2016, 2017, 2018, 2019]).records
    >>> found = trends(compare(records, national_values())).table
    >>> own = found[found["place"].eq("own") & found["measure"].eq("merit_value_17")].set_index("group")
    >>> own.loc["all", ["years", "slope", "low", "high"]].astype(float).round(1).tolist()
    [4.0, 0.2, -8.2, 8.6]
    """
    table = comparison.table
    rows = []
    for (measure, group), part in table.groupby(["measure", "group"], sort=False):
        for place, values in part.groupby("place", sort=False):
            line = _line(values["year"], values["value"], least_years)
            rows.append({"group": group, "measure": measure, "place": place, **line})
            if place != OWN:
                line = _line(values["year"], values["difference"], least_years)
                rows.append({"group": group, "measure": measure, "place": f"{OWN} - {place}", **line})
    return Trends(pd.DataFrame(rows), {**comparison.settings, "least_years": least_years})


def _own(chosen: pd.DataFrame, column: str, min_students: int) -> Row:
    if column == "merit_value":
        return merit_of("value", chosen, min_students)
    reached = share_of(chosen[column], min_students)
    in_per_cent = {"value": 100 * reached["share"], "low": 100 * reached["low"], "high": 100 * reached["high"]}
    return {"n": len(chosen), **in_per_cent, "status": reached["status"]}


def _line(years: pd.Series, values: pd.Series, least_years: int) -> Row:
    known = values.notna()
    x, y = years[known].to_numpy(float), values[known].to_numpy(float)
    span = {"years": len(x), "first": int(x.min()) if len(x) else None, "last": int(x.max()) if len(x) else None}
    if len(x) < max(least_years, 3) or np.ptp(x) == 0:
        return {**span, "slope": nan, "low": nan, "high": nan, "status": "too_few"}
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    residual = y - y.mean() - slope * centred
    error = sqrt(float(residual @ residual) / (len(x) - 2) / float(centred @ centred))
    low, high = mean_interval(slope, error, len(x) - 2)
    return {**span, "slope": slope, "low": low, "high": high, "status": "ok"}
