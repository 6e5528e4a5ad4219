"""Opening the support register: in pandas, with dates that can be compared as text."""

from __future__ import annotations

import pandas as pd

from nbanalytics.analysis.indicators.measures import CHOSEN_LEVELS
from nbanalytics.errors import DataError
from nbanalytics.frames import collect
from nbanalytics.records import StudentRecords

#: Levels of support from the widest to the narrowest.
LEVELS = ("universal", "selective", "indicated")
#: Later than every date.
OPEN = "9999-12-31"


def open_register(records: StudentRecords) -> pd.DataFrame:
    """Return the register in pandas.

    Returns
    -------
    DataFrame
        ``student_id, kind, level, actor, start, end, intensity``; dates as ISO text, ``end`` of what goes on is
        ``9999-12-31``. Periods that overlap stay: students are counted once.

    Raises
    ------
    DataError
        If there is no register, a level is unknown, or a period ends before it starts.
    """
    if records.support is None:
        raise DataError("The records have no support register. Add the table support (docs/records.md).")
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
            "mend one of the dates."
        )
    unknown = int((~table["level"].isin(LEVELS)).sum())
    if unknown:
        raise DataError(f"{unknown} periods of support have an unknown level. Use one of {', '.join(LEVELS)}.")
    return table


def chosen(register: pd.DataFrame) -> pd.DataFrame:
    """Keep the levels that somebody was chosen for."""
    return register[register["level"].isin(CHOSEN_LEVELS)]
