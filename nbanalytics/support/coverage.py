"""Who has a risk signal and no support."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nbanalytics.analysis.indicators import Indicators
from nbanalytics.analysis.indicators.measures import CHOSEN_LEVELS, active_support
from nbanalytics.frames import as_names, collect, open_frame
from nbanalytics.intervals import with_share
from nbanalytics.persons import refuse_absent
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.support.register import open_register


@dataclass(frozen=True, repr=False)
class Coverage(Shown):
    """Students with a risk signal and no support, by term.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then ``term``; ``students`` who are here, of these ``unknown`` (no risk indicator is
        known); ``with_signal``, of these ``without_support``; ``share`` without support of those with a signal, with
        a 95 % score interval ``low, high`` (Wilson 1927), missing where nobody has one.
    settings : mapping
        ``at_least`` signals, ``levels`` of support counted, ``by``.
    students : int
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Students with {self.settings['at_least']} or more risk signals and no support, of {self.students}"


def coverage(records: StudentRecords, found: Indicators, by: str | Sequence[str] = (), at_least: int = 1) -> Coverage:
    """Count students with a risk signal and no active support.

    Parameters
    ----------
    records : StudentRecords
        With a support register.
    found : Indicators
        Of the same records, see :func:`nbanalytics.indicators`.
    by : str or sequence of str
        Columns of students to divide by: ``school_id``, ``sex``, ``cohort``.
    at_least : int
        How many risk signals make a student one with a signal.

    Returns
    -------
    Coverage

    Raises
    ------
    DataError
        If there is no support register, or a column of ``by`` is not there.

    Notes
    -----
    Support is active in a term that its period touches; universal support is not counted.

    Examples
    --------
    >>> from nbanalytics.analysis.indicators import indicators
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = coverage(records, indicators(records, ["6VT", "7HT"])).table
    >>> bool(table.loc[1, "share"] > table.loc[0, "share"])
    True
    """
    by = as_names(by)
    by = list(by)
    table = needs(records, found, at_least)
    own = open_frame(records.students)
    refuse_absent(own, by, "students")
    further = [name for name in by if name not in table]
    if further:
        table = table.merge(collect(own.select("student_id", *further)), on="student_id", how="left")
    flags = table.assign(
        students=1,
        unknown=(table["known"] == 0).astype("int64"),
        with_signal=table["signal"].astype("int64"),
        without_support=(table["signal"] & ~table["supported"]).astype("int64"),
    )
    counted = ["students", "unknown", "with_signal", "without_support"]
    rows = flags.groupby([*by, "place", "term"], dropna=False)[counted].sum().reset_index().drop(columns="place")
    rows = with_share(rows, "without_support", "with_signal")
    settings = {"at_least": at_least, "levels": CHOSEN_LEVELS, "by": tuple(by)}
    return Coverage(rows, settings, students=found.students)


def needs(records: StudentRecords, found: Indicators, at_least: int = 1) -> pd.DataFrame:
    """Put signals and active support side by side.

    Returns
    -------
    DataFrame
        The columns of :meth:`Indicators.by_student`, then ``place`` of the term, ``signal``, whether there are
        ``at_least`` risk signals, and ``supported``, whether support of a chosen level is active in the term.
    """
    open_register(records)
    table = found.by_student()
    places = {term: place for place, term in enumerate(found.settings["terms"])}
    active = active_support(records.to_pandas(), table)
    active = active[active["level"].isin(CHOSEN_LEVELS)][["student_id", "term"]].drop_duplicates()
    supported = table.merge(active.assign(supported=True), on=["student_id", "term"], how="left")["supported"].notna()
    return table.assign(
        place=table["term"].map(places), signal=table["risks"] >= at_least, supported=supported.to_numpy()
    )
