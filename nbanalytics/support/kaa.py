"""Outcomes of participants in the municipality's activity responsibility (KAA), over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import collect
from nbanalytics.intervals import with_share
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown

STATUSES = ("work", "study", "activity", "unknown")
#: Work and studies together.
GONE_ON = "work_or_study"


@dataclass(frozen=True, repr=False)
class KaaOutcomes(Shown):
    """Share in work or studies, in the activity, or unknown; by months since entry.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each ``month`` and ``status`` (``work_or_study``, of these ``work`` and ``study``; ``activity``;
        ``unknown``): ``students``, of ``followed``, ``share`` with its 95 % score interval ``low, high``.
    settings : mapping
        ``months``, ``within`` days, ``until``: the last date in the table.
    students : int
        Participants.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"{self.students} participants followed by months since entry, up to {self.settings['until']}"


def kaa_outcomes(
    records: StudentRecords, months: Sequence[int] = (0, 3, 6, 9, 12, 18, 24), within: int = 45
) -> KaaOutcomes:
    """Follow those who entered the activity.

    Parameters
    ----------
    records : StudentRecords
        With the table ``followups``; a participant's first row is the entry.
    months : sequence of int
        Months since entry to report.
    within : int
        The status at a month is that of the nearest follow-up no more than so many days away.

    Returns
    -------
    KaaOutcomes

    Raises
    ------
    DataError
        If there is no such table, or it is empty.

    Notes
    -----
    Months are calendar months: 24 months after 1 September 2020 is 1 September 2022. ``followed`` are those for whom
    that day has come, by the last date in the table. One of them without a follow-up near the
    month is ``unknown``, as is one whose follow-up says so: an unanswered call is not a success.

    Examples
    --------
    >>> rows = pd.DataFrame({"student_id": ["P1", "P1", "P2", "P2"],
    ...                      "date": ["2022-09-01", "2023-09-05", "2022-09-01", "2023-09-01"],
    ...                      "status": ["activity", "work", "activity", "activity"]})
    >>> found = kaa_outcomes(StudentRecords(students=None, grades=None, followups=rows), months=[12])
    >>> found.table[["status", "students"]].to_records(index=False).tolist()
    [('work_or_study', 1), ('work', 1), ('study', 0), ('activity', 1), ('unknown', 0)]
    """
    if records.followups is None:
        raise DataError("The records have no follow-ups of participants. Add the table followups.")
    records.refuse_uncountable()
    table = collect(records.followups)
    if table.empty:
        raise DataError("The table followups is empty. Add a row for each participant and follow-up.")
    table = table.assign(date=pd.to_datetime(table["date"].astype("str")))
    until = table["date"].max()
    entry = table.groupby("student_id")["date"].min()
    rows = []
    for month in months:
        due = entry + pd.DateOffset(months=month)
        followed = entry[due <= until].index
        near = table.assign(off=(table["date"] - table["student_id"].map(due)).dt.days.abs())
        near = near[near["student_id"].isin(followed) & (near["off"] <= within)]
        status = near.sort_values(["off", "date"]).groupby("student_id")["status"].first()
        counts = status.reindex(followed).fillna("unknown").value_counts()
        numbers = {name: int(counts.get(name, 0)) for name in STATUSES}
        numbers = {GONE_ON: numbers["work"] + numbers["study"], **numbers}
        rows += [(month, name, number, len(followed)) for name, number in numbers.items()]
    counted = pd.DataFrame(rows, columns=["month", "status", "students", "followed"])
    settings = {"months": tuple(months), "within": within, "until": until.date().isoformat()}
    return KaaOutcomes(with_share(counted, "students", "followed"), settings, students=len(entry))
