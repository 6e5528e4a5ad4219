"""Person-periods after the prediction point, with absence that varies and with the exits that compete with a loss."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.analysis.droppoints import losses, person_periods
from nbanalytics.frames import collect
from nbanalytics.records import StudentRecords
from nbanalytics.risk.data.asof import terms_until
from nbanalytics.risk.data.feature_table import total_absence
from nbanalytics.risk.data.outcomes import followed

#: How a person-period can end: nothing happened, eligibility lost, moved away, not seen again for no known reason.
EXITS = ("none", "lost", "moved", "unknown")


def periods_at_risk(records: StudentRecords, at: str, by: str | None = None) -> pd.DataFrame:
    """Return one row per student at risk and term after the prediction point.

    Parameters
    ----------
    records : StudentRecords
    at : str
        The prediction point; students eligible then are at risk.
    by : str, optional
        The last term; by default the end term.

    Returns
    -------
    pandas.DataFrame
        ``student_id, cohort, school_id`` (where known), ``t`` (1, 2, ...), ``term``; ``exit``: ``none``, ``lost``,
        ``moved`` or ``unknown``; ``event``: 1 if lost; and, where there is absence, ``absence_valid, absence_invalid,
        absence_total`` of the term *before*: what was known when the term began.

    Notes
    -----
    The rows of :func:`nbanalytics.person_periods`, and one more for a student who is no longer seen, in which the exit
    happens. Within a term, leaving comes first and losing second: students who have left are not at risk of a loss
    there, so that hazards of loss are those of the life table. Terms in which a cohort has no results yet are not
    exits.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> periods = periods_at_risk(simulate(seed=1, cohorts=[2019]).records, "6VT")
    >>> sorted(periods["exit"].unique())
    ['lost', 'moved', 'none']
    """
    terms_until(records, at)
    every = records.to_pandas()
    terms = list(records.declaration.terms)
    found = losses(followed(every, at, by or records.declaration.end))
    rows = collect(person_periods(found))
    kept = [name for name in ("student_id", "cohort", "school_id", "t", "term", "event") if name in rows]
    table = rows[kept].assign(exit=np.where(rows["event"] == 1, "lost", "none"))
    table = pd.concat([table, _exits(every, collect(found.table), list(found.steps))], ignore_index=True)
    table = table[[*kept, "exit"]].sort_values(["student_id", "t"], ignore_index=True)
    if every.absence is None:
        return table
    absence = total_absence(every).add_prefix("absence_").reset_index()
    following = dict(pairwise(terms))
    absence["term"] = absence["term"].map(following)
    return table.merge(absence, on=["student_id", "term"], how="left")


def _exits(records: StudentRecords, found: pd.DataFrame, steps: list[str]) -> pd.DataFrame:
    """Return the row in which a student is seen no longer, if the student's cohort has results in that term."""
    gone = found[(found["event"] == 0) & (found["duration"] < len(steps))]
    gone = gone.assign(t=gone["duration"] + 1, event=0)
    gone["term"] = gone["t"].map(dict(enumerate(steps, start=1)))
    cohort = records.students.set_index("student_id")["cohort"]
    graded: Any = records.grades.assign(cohort=records.grades["student_id"].map(cohort))
    seen = set(graded[["cohort", "term"]].drop_duplicates().itertuples(index=False, name=None))
    happened = [pair in seen for pair in zip(gone["cohort"], gone["term"], strict=True)]
    gone = gone[np.array(happened, dtype=bool)]
    moved: set[Any] = set()
    if "moved_out" in records.students:
        moved = set(records.students.loc[records.students["moved_out"].notna(), "student_id"])
    return gone.assign(exit=np.where(gone["student_id"].isin(moved), "moved", "unknown"))
