"""How many students each actor has, month by month and school year by school year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import open_frame
from nbanalytics.persons import refuse_absent
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.support.register import OPEN, open_register

ALL = "*"
#: Intensity of those met now and then.
SELDOM = "now_and_then"
#: Columns of the register that tell who, when and how often, and divide nobody.
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
        If there is no support register, no such column, or nothing is left of it.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> load = caseload(simulate(seed=1, cohorts=[2018]).records, only=["youth_coach"])
    >>> sorted(load.table["intensity"].unique())
    ['*', 'monthly', 'now_and_then', 'several_a_month', 'weekly']
    """
    register = open_register(records)
    refuse_absent(open_frame(register), [by], "support")
    if by in _NO_GROUPS:
        raise DataError(f"The caseload cannot be divided by {by}. Choose actor, kind or level.")
    kept = register[register[by].isin(list(only))] if only else register
    if kept.empty:
        raise DataError(f"The support register has no row of that {by}. Check the spelling of {', '.join(only) or by}.")
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
