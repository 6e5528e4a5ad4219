"""Terms that a cohort has not reached: nobody in it has a grade there, so that nothing is said of its share."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from nbanalytics.declaration import AFTER
from nbanalytics.persons import split_groups


def not_reached(courses: pd.DataFrame, by: Sequence[str], stages: Sequence[str]) -> pd.DataFrame:
    """Count the students of cohorts in which nobody has a grade at a stage.

    Parameters
    ----------
    courses : pandas.DataFrame
        ``cohort``, the columns of ``by``, a state for each of ``stages``, and ``students``.
    by : sequence of str
        Columns to divide by.
    stages : sequence of str

    Returns
    -------
    pandas.DataFrame
        The columns of ``by``, then ``stage, students``: those of such cohorts whose state is unknown, where there are
        any.

    Examples
    --------
    >>> courses = pd.DataFrame({"cohort": [2018, 2020], "9VT": ["eligible", "unknown"], "students": [8, 9]})
    >>> not_reached(courses, [], ["9VT"]).to_numpy().tolist()
    [['9VT', 9]]
    """
    rows = []
    for stage in stages:
        if stage == AFTER:
            continue
        graded = set(courses.loc[courses[stage].isin(["eligible", "not_eligible"]), "cohort"])
        waiting = courses[courses[stage].eq("unknown") & ~courses["cohort"].isin(graded)]
        for group, part in split_groups(waiting, by):
            if len(part):
                rows.append({**group, "stage": stage, "students": int(part["students"].sum())})
    return pd.DataFrame(rows, columns=[*by, "stage", "students"])
