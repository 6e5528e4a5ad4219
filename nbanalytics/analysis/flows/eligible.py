"""Eligibility at the stages of a flow: the share who are, and the table from the first stage to the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import pandas as pd

from nbanalytics.analysis.flows.course import Flows
from nbanalytics.declaration import AFTER
from nbanalytics.frames import as_names, collect, open_frame
from nbanalytics.intervals import with_share
from nbanalytics.persons import refuse_absent, split_groups


def share_eligible(result: Flows) -> pd.DataFrame:
    """Share of students who are eligible at each stage, of all who got or should have got grades there.

    Parameters
    ----------
    result : Flows
        From :func:`flows`, with or without ``by``.

    Returns
    -------
    pandas.DataFrame
        The columns of ``by``, then ``stage`` (terms), ``eligible`` and ``students``, ``share`` and its 95 % score
        interval ``low, high`` (Wilson 1927); missing where there are no students. Students without any grade are in
        the denominator; those who had moved are not, nor are cohorts in which nobody has a grade at the stage yet.

    Notes
    -----
    Skolverket's denominator: all students who got or should have got grades, those with none included.

    Examples
    --------
    >>> from nbanalytics.analysis.flows import flows
    >>> from nbanalytics.simulation import simulate
    >>> table = share_eligible(flows(simulate(seed=1, cohorts=[2018]).records))
    >>> table[["stage", "eligible", "students"]].tail(1).to_records(index=False).tolist()
    [('9VT', 251, 313)]
    """
    by = list(result.settings["by"])
    here = result.states[(result.states["stage"] != AFTER) & (result.states["state"] != "moved")]
    here = here.assign(eligible=here["students"].where(here["state"] == "eligible", 0))
    keys = [*by, "stage"]
    table = here.groupby(keys, sort=False, dropna=False)[["eligible", "students"]].sum().reset_index()
    waiting = table.merge(result.not_reached, on=keys, how="left", suffixes=("", "_waiting"))["students_waiting"]
    table["students"] -= waiting.fillna(0).astype("int64").to_numpy()
    return with_share(table, "eligible", "students")


def eligibility_flow(classification: Any, by: str | Sequence[str] = ()) -> pd.DataFrame:
    """Count students by eligibility at the start and at the end: table 3 of Karlskoga's Progression 02.

    Parameters
    ----------
    classification : Classification
        Result of :func:`nbanalytics.classify`, or anything whose ``table`` has its columns.
    by : str or sequence of str
        Columns of that table to divide by, such as ``["cohort"]``.

    Returns
    -------
    pandas.DataFrame
        The columns of ``by``, then ``start`` and ``end`` (``eligible``, ``not_eligible`` or ``*`` for both) and
        ``students``. Only students with a group are counted, so that the table agrees with the six groups.

    Raises
    ------
    DataError
        If a column of ``by`` is not there.

    Examples
    --------
    >>> from nbanalytics.analysis.cohorts import classify
    >>> from nbanalytics.simulation import simulate
    >>> eligibility_flow(classify(simulate(seed=1, cohorts=[2018]).records)).iloc[[0, 1, 3, 4]]
              start           end  students
    0      eligible      eligible       236
    1      eligible  not_eligible        23
    3  not_eligible      eligible        15
    4  not_eligible  not_eligible        39
    """
    by = as_names(by)
    by = list(by)
    frame = open_frame(classification.table)
    refuse_absent(frame, by, "of the classification")
    counted = collect(
        frame.filter(~nw.col("group").is_null())
        .with_columns(start=_eligible_word("start_eligible"), end=_eligible_word("end_eligible"))
        .group_by(*by, "start", "end")
        .agg(nw.len().alias("students"))
    )
    rows = []
    for group, part in split_groups(counted, by):
        for start in ("eligible", "not_eligible", "*"):
            for end in ("eligible", "not_eligible", "*"):
                held = (part["start"].eq(start) | (start == "*")) & (part["end"].eq(end) | (end == "*"))
                rows.append({**group, "start": start, "end": end, "students": int(part.loc[held, "students"].sum())})
    return pd.DataFrame(rows, columns=[*by, "start", "end", "students"])


def _eligible_word(column: str) -> nw.Expr:
    return nw.when(nw.col(column).cast(nw.Int64) == 1).then(nw.lit("eligible")).otherwise(nw.lit("not_eligible"))
