"""Who has eligibility again after losing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from nbanalytics.analysis.droppoints.first_loss import Losses
from nbanalytics.frames import as_names, collect, open_frame
from nbanalytics.intervals import wilson
from nbanalytics.persons import refuse_absent, split_groups
from nbanalytics.results import Shown


@dataclass(frozen=True, repr=False)
class Recovery(Shown):
    """How many of those who lost eligibility had it again, by the term of the loss.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then

        - ``lost_term``: in order of time, then ``*`` for all; ``lost``: students;
        - ``regained``: eligible again in any later followed term;
        - ``regained_at_end``, ``not_regained_at_end``, ``not_observed_at_end``: how it stood at the end term;
        - ``share_regained`` of those lost, with its 95 % score interval ``low, high`` (Wilson 1927);
        - ``status``: ``ok``, ``too_few`` (no share is estimated) or ``not_applicable`` (no later term to regain in).
    settings : mapping
        ``by`` and ``min_students``.
    students : int
        Students who lost eligibility.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Of {self.students} students who lost eligibility, by term of the loss: who had it again"


def recovery(losses: Losses, by: str | Sequence[str] = (), min_students: int = 5) -> Recovery:
    """Count who regains eligibility, by the term in which it was lost.

    Parameters
    ----------
    losses : Losses
        Result of :func:`losses`.
    by : str or sequence of str
        Columns of ``losses.table`` to divide by.
    min_students : int
        No share is estimated for fewer students.

    Returns
    -------
    Recovery

    Raises
    ------
    DataError
        If a column of ``by`` is not there.

    Notes
    -----
    The interval of a share is Wilson's, Journal of the American Statistical Association 22 (1927): 209-212.

    Examples
    --------
    >>> import pandas as pd
    >>> subjects = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"]
    >>> def term(name, grades):
    ...     return pd.DataFrame({"student_id": "P1", "term": name, "subject": subjects, "grade": list(grades)})
    >>> students = pd.DataFrame({"student_id": ["P1"], "cohort": 2018})
    >>> from nbanalytics.analysis.droppoints import losses
    >>> from nbanalytics.records import StudentRecords
    >>> records = StudentRecords(students, pd.concat([term("6VT", "EEEEEEEE"), term("7HT", "EEFEEEEE")]))
    >>> recovery(losses(records)).table.loc[0, ["lost_term", "lost", "regained", "not_observed_at_end", "status"]]
    lost_term                  7HT
    lost                         1
    regained                     0
    not_observed_at_end          1
    status                 too_few
    Name: 0, dtype: object
    """
    by = as_names(by)
    by = list(by)
    frame = open_frame(losses.table)
    refuse_absent(frame, by, "of losses")
    flags = {
        "regained": ~nw.col("recovered_term").is_null(),
        "regained_at_end": nw.col("regained_at_end"),
        "not_observed_at_end": ~nw.col("end_observed"),
    }
    lost = frame.filter(nw.col("event") == 1)
    columns = {name: nw.when(flag).then(nw.lit(1)).otherwise(nw.lit(0)) for name, flag in flags.items()}
    counted = collect(
        lost.select(*by, "lost_term", **columns, lost=nw.lit(1))
        .group_by(*by, "lost_term")
        .agg(*(nw.col(name).sum() for name in ("lost", *columns)))
    )
    rows = []
    for group, part in split_groups(counted, by):
        sums = part.groupby("lost_term")[["lost", *columns]].sum().reindex(list(losses.steps), fill_value=0)
        sums.loc["*"] = sums.sum()
        for term, values in sums.iterrows():
            counts = {str(name): int(value) for name, value in values.items()}
            rows.append({**group, "lost_term": term, **_recovered(counts, str(term), losses, min_students)})
    names = ["lost", "regained", "regained_at_end", "not_regained_at_end", "not_observed_at_end"]
    table = pd.DataFrame(rows, columns=[*by, "lost_term", *names, "share_regained", "low", "high", "status"])
    return Recovery(table, {"by": tuple(by), "min_students": min_students}, students=int(counted["lost"].sum()))


def _recovered(counts: dict[str, int], term: str, losses: Losses, min_students: int) -> dict[str, Any]:
    lost, regained = counts["lost"], counts["regained"]
    not_regained = lost - counts["regained_at_end"] - counts["not_observed_at_end"]
    share, low, high, status = float("nan"), float("nan"), float("nan"), "ok"
    if term == losses.steps[-1]:
        status = "not_applicable"
    elif lost < min_students:
        status = "too_few"
    else:
        share = regained / lost
        low, high = wilson(regained, lost)
    estimate = {"share_regained": share, "low": low, "high": high, "status": status}
    return {**counts, "not_regained_at_end": not_regained, **estimate}
