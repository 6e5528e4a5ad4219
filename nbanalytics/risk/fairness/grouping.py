"""Groups of students: their labels, what is measured of each, and when a group is too small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.risk.evaluation.bootstrap import Statistic
from nbanalytics.risk.evaluation.decision import counted, flag_at, rates
from nbanalytics.risk.evaluation.measuring import statistic
from nbanalytics.risk.evaluation.scores import Floats, labels_of

#: What a threshold adds for each group.
ERROR_RATES = ("flagged_share", "tpr", "fnr", "fpr", "ppv", "false_alarms_per_100")
#: Between the names of crossed attributes, and between their values.
CROSS = " × "
#: Attributes that predictions have themselves.
PREDICTED = ("school_id", "cohort", "fold")


def grouped_statistic(y: Floats, p: Floats, thresholds: Sequence[float], folds: Any) -> Statistic:
    """Make the function that computes scores' measures, and error rates named ``<threshold> <measure>``."""
    score = statistic(y, p, strata=folds)
    flags = {threshold: flag_at(p, threshold) for threshold in thresholds}

    def compute(weights: Floats) -> dict[str, Floats]:
        found = dict(score(weights))
        for threshold, flagged in flags.items():
            of_threshold = rates(counted(y, flagged, weights))
            found |= {f"{threshold} {name}": of_threshold[name] for name in ERROR_RATES}
        return found

    return compute


def refusal(y: Floats, min_students: int, min_cases: int) -> str:
    """Say in words why a group is too small for estimates, or ``ok``.

    Examples
    --------
    >>> import numpy as np
    >>> refusal(np.array([0.0, 0.0, 1.0]), 2, 2)
    'refused: 1 with the outcome, fewer than 2'
    """
    cases = int(y.sum())
    for number, limit, what in (
        (len(y), min_students, "students"),
        (cases, min_cases, "with the outcome"),
        (len(y) - cases, min_cases, "without the outcome"),
    ):
        if number < limit:
            return f"refused: {number} {what}, fewer than {limit}"
    return "ok"


def with_attributes(part: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Give each prediction the attributes of its student, as text."""
    # Numbers as text, so that a table read from a file meets predictions made from another.
    table, part = (rows.assign(student_id=rows["student_id"].astype(str)) for rows in (table, part))
    joined = part.merge(table.drop_duplicates("student_id"), on="student_id", how="left", indicator=True)
    absent = int((joined["_merge"] == "left_only").sum())
    if absent:
        raise DataError(
            f"{absent} of {len(part)} predicted students are not in the table of students. Give the data that the "
            "validation was made from."
        )
    for name in [*PREDICTED, *table.columns.drop("student_id")]:
        joined[name] = labels_of(joined[name], len(joined), name)
    return joined
