"""Official values for comparison: packaged, from Skolverket's files, or from Kolada."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.municipal.kolada import NATION as KOLADA_NATION
from nbanalytics.readers.findings import Finding, about_rows, message
from nbanalytics.results import Settings, Shown
from nbanalytics.toml_files import packaged_toml

#: Columns of a table of official values.
COLUMNS = ("place", "name", "year", "group", "measure", "value", "status", "source")
#: Measures that a municipality's own records give too, in the words of the Skolverket reader; shares in per cent.
MEASURES = ("eligible_vocational", "merit_value_17", "passed_all")
NATION = "nation"
#: Kolada's indicators for the same measures.
KOLADA_MEASURES = {"N15428": "eligible_vocational", "N15436": "eligible_vocational", "N15507": "merit_value_17"}


@cache
def official_data() -> dict[str, Any]:
    """Return the content of ``official.toml``."""
    return packaged_toml("nbanalytics.municipality", "official.toml")


def national_values() -> pd.DataFrame:
    """Return the nation's values that come with the package, each with its source.

    Returns
    -------
    pandas.DataFrame
        ``place`` (``nation``), ``name, year`` (of leaving), ``group`` (all, girls, boys), ``measure`` (see
        ``MEASURES``), ``value`` (per cent, or points), ``status, source``.

    Examples
    --------
    >>> values = national_values()
    >>> values.loc[values["year"].eq(2018) & values["group"].eq("all"), ["measure", "value"]].to_records(index=False)
    rec.array([('eligible_vocational',  84.4), ('merit_value_17', 228.7),
               ('passed_all',  75.6)],
              dtype=[('measure', 'O'), ('value', '<f8')])
    """
    source = official_data()["source"]["compilation"]
    rows = [
        (NATION, "Riket", int(year), entry.get("group", "all"), entry["measure"], float(value), "ok", source)
        for entry in official_data()["nation"]
        for year, value in entry["values"].items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def from_skolverket(statistics: pd.DataFrame, owner: str = "all") -> pd.DataFrame:
    """Turn a municipality export of Skolverket's statistics into official values.

    Parameters
    ----------
    statistics : pandas.DataFrame
        The table ``statistics`` of :func:`nbanalytics.municipal.skolverket.read_skolverket`.
    owner : str
        Owner of the schools, if the file has it: ``all, municipal, independent``.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`national_values`; ``place`` is the municipality's code. A school year such as
        ``2017/18`` becomes the year of leaving. Suppressed values stay missing with their status. Values of another
        year in school, or of a part of the pupils, are left out.

    Raises
    ------
    DataError
        If no row is of a municipality, or a place has two values of a measure, group and year.

    Examples
    --------
    >>> row = {"municipality_id": "0180", "municipality": "Bergstad", "school_id": "", "school": "", "subject": ""}
    >>> told = {"year": "2017/18", "owner": "all", "group": "all", "value": 228.7, "status": "ok"}
    >>> statistics = pd.DataFrame([{**row, **told, "measure": "merit_value_17"}])
    >>> from_skolverket(statistics)[["place", "year", "value"]].to_numpy().tolist()
    [['0180', 2018, 228.7]]
    """
    whole = statistics[statistics["school_id"].eq("") & statistics["school"].eq("") & statistics["subject"].eq("")]
    whole = whole[whole["owner"].isin(["", owner]) & whole["measure"].isin(MEASURES)]
    for column, wanted in (("stage", ("", "9")), ("population", ("", "all"))):
        whole = whole[whole[column].isin(wanted)] if column in whole else whole
    if whole.empty:
        raise DataError(
            f"The statistics hold no municipality's value of {', '.join(MEASURES)} for all pupils of year 9 (owner "
            f"{owner!r})",
            "Take an export per municipality, of final grades and all pupils.",
        )
    table = pd.DataFrame(
        {
            "place": whole["municipality_id"].where(whole["municipality_id"] != "", whole["municipality"]),
            "name": whole["municipality"],
            "year": whole["year"].map(_year_of_leaving),
            **{column: whole[column] for column in ("group", "measure", "value", "status")},
            "source": "Skolverket",
        }
    )
    return _one_each(table.reset_index(drop=True))


def from_kolada(
    values: pd.DataFrame, measures: Mapping[str, str] | None = None, names: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Turn values of the Kolada client into official values.

    Parameters
    ----------
    values : pandas.DataFrame
        From :meth:`nbanalytics.municipal.kolada.Kolada.values`.
    measures : mapping of str to str, optional
        Measure by indicator; by default those of this project.
    names : mapping of str to str, optional
        Names by municipality code, from :meth:`nbanalytics.municipal.kolada.Kolada.municipalities`.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`national_values`; the code ``0000`` becomes ``nation``. Kolada's period is the year of
        leaving. Values that Kolada withholds are missing, with its word as status.

    Raises
    ------
    DataError
        If no indicator has a measure, or two indicators give one measure.

    Examples
    --------
    >>> row = {"kpi": "N15507", "municipality": "0000", "period": 2018, "gender": "all", "value": 228.7, "status": ""}
    >>> from_kolada(pd.DataFrame([row]))[["place", "name", "measure", "value", "status"]].to_numpy().tolist()
    [['nation', 'Riket', 'merit_value_17', 228.7, 'ok']]
    """
    wanted = KOLADA_MEASURES if measures is None else measures
    chosen = values[values["kpi"].isin(list(wanted))]
    if chosen.empty:
        raise DataError(f"No value is for {', '.join(wanted)}", "Name the measure of each indicator.")
    names = {KOLADA_NATION: "Riket", **(names or {})}
    table = pd.DataFrame(
        {
            "place": chosen["municipality"].where(chosen["municipality"] != KOLADA_NATION, NATION),
            "name": chosen["municipality"].map(names).fillna(chosen["municipality"]),
            "year": chosen["period"],
            "group": chosen["gender"],
            "measure": chosen["kpi"].map(dict(wanted)),
            "value": chosen["value"],
            "status": chosen["status"].where(chosen["value"].isna(), "ok"),
            "source": "Kolada",
        }
    )
    return _one_each(table.reset_index(drop=True))


def _year_of_leaving(text: str) -> int:
    found = re.fullmatch(r"(\d{4})(?:/(\d{2,4}))?", text.strip())
    if not found:
        raise DataError("A row of the statistics has no school year such as 2017/18", "Give it when reading: year='…'.")
    return int(found[1]) + (found[2] is not None)


def _one_each(table: pd.DataFrame) -> pd.DataFrame:
    key = ["place", "year", "group", "measure"]
    twice = table.drop_duplicates().duplicated(key, keep=False)
    if twice.any():
        rows = ", ".join(str(row + 1) for row in twice.to_numpy().nonzero()[0][:5])
        raise DataError(
            f"{int(twice.sum())} rows give a place more than one value of a measure, group and year (rows {rows} of "
            "those used)",
            "Keep one owner or one indicator.",
        )
    return table.drop_duplicates().sort_values(["measure", "group", "place", "year"], ignore_index=True)


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
    settings: Settings

    def _words(self) -> str:
        renamed = int(self.table["earlier_names"].ne("").sum())
        return f"{len(self.table)} schools, {renamed} with more than one name"

    def unified(self, table: pd.DataFrame, column: str = "school") -> pd.DataFrame:
        """Return a table with ``school_id`` in which every school has its latest name."""
        latest = self.table.set_index("school_id")["name"]
        return table.assign(**{column: table["school_id"].map(latest).fillna(table[column])})


def school_names(table: pd.DataFrame, name: str = "school", time: str = "year", file: str = "") -> SchoolNames:
    """Find the schools with more than one name.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``school_id``, the column of ``name``, and that of ``time`` if there is one; such as the statistics of
        several years, or several years' lists of schools put together.
    name, time : str
        Columns. Times are sorted as text or numbers: years, or school years such as ``2017/18``.
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
        raise DataError(f"The table of schools has no column {', '.join(absent)}", "Add it, or name another column.")
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
    findings = (about_rows(message("schools.renamed", name), file, renamed),) if renamed else ()
    columns = ["school_id", "name", "earlier_names"]
    return SchoolNames(pd.DataFrame(rows, columns=columns), findings, {"name": name, "time": time})
