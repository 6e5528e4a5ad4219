"""A view of the workbook: a frozen table with its definition, and how the views divide and sum up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import nan, sqrt
from typing import Any

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.intervals import mean_interval, wilson
from nbanalytics.municipality.leavers import TermTables
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.toml_files import packaged_toml

#: What a view is made of: records, or the tables of a term that several views share.
Records = StudentRecords | TermTables
#: Combinations of dimensions to divide by; an empty one is the whole municipality.
Breakdowns = Sequence[Sequence[str]]
#: What computes the numbers of a row from its part of a table.
Sums = Callable[[pd.DataFrame], dict[str, Any]]
#: What a view is divided by unless something else is asked for; each year has all of them.
BREAKDOWNS: Breakdowns = ((), ("school_id",), ("sex",), ("swedish_course",), ("school_id", "sex"))
#: What a view can be divided by, besides the year.
DIMENSIONS = ("school_id", "sex", "swedish_course")


@dataclass(frozen=True, repr=False)
class View(Shown):
    """A sheet of the workbook.

    Attributes
    ----------
    name : str
        Its key in ``workbook.toml``, which has its words.
    table : pandas.DataFrame
        ``cohort`` (leaving year), then the columns that divide it, ``*`` for all, then the numbers that the function
        which made it tells.
    settings : mapping
        ``records`` (their name), ``term`` and ``min_students``.
    students : int
    """

    name: str
    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    @property
    def title(self) -> str:
        """What the view shows, in English."""
        return str(words()["view"][self.name]["title"]["en"])

    @property
    def definition(self) -> str:
        """What its numbers mean, in English."""
        return str(words()["view"][self.name]["definition"]["en"])

    def _words(self) -> str:
        return f"{self.title}, {self.settings['term']}, {self.students} students"


@cache
def words() -> dict[str, Any]:
    """Return the words of the workbook."""
    return packaged_toml("nbanalytics.municipality", "workbook.toml")


def divided(table: pd.DataFrame, breakdowns: Breakdowns) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Divide by year and each breakdown; dimensions that a breakdown leaves out are ``*``, unknown values ``unknown``.

    A breakdown by something that the records do not know is left out.
    """
    unknown = sorted({name for breakdown in breakdowns for name in breakdown} - set(DIMENSIONS))
    if unknown:
        raise DataError(f"A view cannot be divided by {', '.join(unknown)}. Choose among {', '.join(DIMENSIONS)}.")
    known = [breakdown for breakdown in breakdowns if set(breakdown) <= set(table.columns)]
    wanted = [name for name in DIMENSIONS if any(name in breakdown for breakdown in known)]
    parts = []
    for breakdown in known:
        keys = ["cohort", *breakdown]
        filled = table.assign(**{name: table[name].astype("object").fillna("unknown") for name in breakdown})
        for values, part in filled.groupby(keys, sort=True):
            own = dict(zip(keys, values, strict=True))
            parts.append(({"cohort": own["cohort"], **{name: own.get(name, "*") for name in wanted}}, part))
    return parts


def view(name: str, tables: TermTables, min_students: int, rows: list[dict[str, Any]], students: int) -> View:
    """Put rows together as a view."""
    records = tables.records.declaration.name
    settings = {"records": records, "term": tables.term, "min_students": min_students}
    return View(name, pd.DataFrame(rows), settings, students)


def mean(name: str, values: pd.Series, min_students: int) -> dict[str, Any]:
    """Return ``n``, a mean under a name, ``low, high`` and ``status``."""
    n = len(values)
    if n < max(min_students, 2):
        return {"n": n, name: nan, "low": nan, "high": nan, "status": "too_few"}
    low, high = mean_interval(float(values.mean()), float(values.std()) / sqrt(n), n - 1)
    return {"n": n, name: float(values.mean()), "low": low, "high": high, "status": "ok"}


def share(count: int, n: int, min_students: int) -> dict[str, Any]:
    """Return ``count, share, low, high`` and ``status``."""
    if n < max(min_students, 1):
        return {"count": count, "share": nan, "low": nan, "high": nan, "status": "too_few"}
    low, high = wilson(count, n)
    return {"count": count, "share": count / n, "low": low, "high": high, "status": "ok"}
