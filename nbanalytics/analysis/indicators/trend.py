"""How common each signal is, term by term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nbanalytics.analysis.indicators.declared import UNKNOWN
from nbanalytics.analysis.indicators.follow import Indicators
from nbanalytics.frames import as_names, collect, open_frame
from nbanalytics.intervals import with_share
from nbanalytics.persons import refuse_absent
from nbanalytics.results import Shown


@dataclass(frozen=True, repr=False)
class IndicatorTrend(Shown):
    """Share of students with the signal of each indicator, by term.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then ``indicator, kind, term``; ``signals`` of ``known`` students, ``unknown`` ones
        apart; ``share`` of the known with a 95 % score interval ``low, high`` (Wilson 1927), missing where nobody
        is known.
    settings : mapping
        ``by`` and ``terms``.
    students : int
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Share with each signal in {', '.join(self.settings['terms'])}, {self.students} students"


def trend(found: Indicators, by: str | Sequence[str] = (), students: Any = None) -> IndicatorTrend:
    """Count the signals of each indicator term by term.

    Parameters
    ----------
    found : Indicators
        From :func:`indicators`.
    by : str or sequence of str
        Columns to divide by: ``cohort``, or columns of ``students``.
    students : dataframe, optional
        Students table with ``student_id`` and the columns of ``by``.

    Returns
    -------
    IndicatorTrend

    Raises
    ------
    DataError
        If a column of ``by`` is not there.

    Examples
    --------
    >>> from nbanalytics.analysis.indicators import indicators
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> first = trend(indicators(records, ["6VT", "7VT"])).table.loc[0]
    >>> first["indicator"], first["term"], int(first["known"])
    ('absence', '6VT', 309)
    """
    by = as_names(by)
    by, table = list(by), found.table
    further = [column for column in by if column not in table]
    if further and students is not None:
        own = open_frame(students)
        refuse_absent(own, further, "students")
        table = table.merge(collect(own.select("student_id", *further)), on="student_id", how="left")
    refuse_absent(open_frame(table), by, "of indicators")
    counted = table.assign(
        known=(table["signal"] != UNKNOWN).astype("int64"),
        unknown=(table["signal"] == UNKNOWN).astype("int64"),
        signals=(table["signal"] == table["kind"]).astype("int64"),
    )
    keys = [*by, "indicator", "kind", "term"]
    sums = counted.groupby(keys, sort=False, dropna=False)[["signals", "known", "unknown"]].sum().reset_index()
    rows = with_share(sums, "signals", "known")
    place = {term: number for number, term in enumerate(found.settings["terms"])}
    rank = {name: number for number, name in enumerate(found.settings["indicators"])}
    order = rows.assign(_rank=rows["indicator"].map(rank), _place=rows["term"].map(place))
    table = order.sort_values([*by, "_rank", "_place"]).drop(columns=["_rank", "_place"]).reset_index(drop=True)
    return IndicatorTrend(table, {"by": tuple(by), "terms": found.settings["terms"]}, found.students)
