"""Schools that change their name: one school by its code, all its names listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.readers.findings import Finding, about_rows
from nbanalytics.results import Shown


@dataclass(frozen=True, repr=False)
class SchoolNames(Shown):
    """The names of schools.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per school: ``school_id, name`` (the latest), ``earlier_names`` (with semicolons between, the oldest
        first; empty if none).
    findings : tuple of Finding
        Schools with several names: rows and remedy.
    settings : mapping
    """

    table: pd.DataFrame
    findings: tuple[Finding, ...]
    settings: Mapping[str, Any]

    def _words(self) -> str:
        renamed = int(self.table["earlier_names"].ne("").sum())
        return f"{len(self.table)} schools, {renamed} with more than one name"

    def unified(self, table: pd.DataFrame, column: str = "school") -> pd.DataFrame:
        """Return a table with ``school_id`` in which every school bears its latest name."""
        latest = self.table.set_index("school_id")["name"]
        return table.assign(**{column: table["school_id"].map(latest).fillna(table[column])})


def school_names(table: pd.DataFrame, name: str = "school", time: str = "year", file: str = "") -> SchoolNames:
    """Find the schools that have had more than one name.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``school_id``, the column of ``name``, and that of ``time`` if there is one; such as the statistics of
        several years, or several years' lists of schools put together.
    name, time : str
        Columns. Times are sorted as they are: years, or school years such as ``2017/18``.
    file : str
        The file's name, for the findings.

    Returns
    -------
    SchoolNames
        Names that differ in case or spaces alone are one name. Rows count from 2, as in a file whose header is row 1.

    Raises
    ------
    DataError
        If a column is missing.

    Examples
    --------
    >>> rows = [("S1", "Ekskolan", 2018), ("S1", "Nya Ekskolan", 2019), ("S2", "Alskolan", 2018)]
    >>> names = school_names(pd.DataFrame(rows, columns=["school_id", "school", "year"]))
    >>> names.table.to_records(index=False).tolist()
    [('S1', 'Nya Ekskolan', 'Ekskolan'), ('S2', 'Alskolan', '')]
    """
    absent = [column for column in ("school_id", name) if column not in table.columns]
    if absent:
        raise DataError(f"The table of schools has no column {', '.join(absent)}. Add it, or name another column.")
    ordered = table.assign(_row=range(2, len(table) + 2))
    if time in table.columns:
        ordered = ordered.sort_values(time, kind="stable")
    ordered = ordered[ordered["school_id"].notna() & ordered["school_id"].ne("") & ordered[name].notna()]
    rows, renamed = [], []
    for school, part in ordered.groupby("school_id", sort=True):
        plain = part[name].astype(str).str.split().str.join(" ")
        latest_spelling = dict(zip(plain.str.casefold(), plain, strict=True))
        # The latest name is that of the last row; a name that came back is not an earlier one.
        latest = plain.iloc[-1]
        earlier = [text for key, text in latest_spelling.items() if key != latest.casefold()]
        rows.append((school, latest, "; ".join(earlier)))
        if earlier:
            renamed += part["_row"].tolist()
    told = (
        "a school (by its code) with more than one name",
        "It is one school under its latest name; check that the code was not given to another school.",
    )
    findings = (about_rows(file, name, *told, renamed),) if renamed else ()
    columns = ["school_id", "name", "earlier_names"]
    return SchoolNames(pd.DataFrame(rows, columns=columns), findings, {"name": name, "time": time})
