"""Who is learnt from and who is predicted: folds of cohorts or schools, and when there is too little to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nbanalytics.errors import DataError
from nbanalytics.risk.data.riskdata import RiskData

SCHEMES = ("cohorts", "schools")
#: Made of outcomes of all schools, the left-out one included.
_HISTORY = "school_rate_before"


def refuse_scheme(points: Sequence[RiskData], scheme: str) -> None:
    """Raise a DataError if there is nothing to validate, no such scheme, or the data do not suit it."""
    if scheme not in SCHEMES:
        raise DataError(
            f"There is no scheme {scheme!r}. Choose among: {', '.join(SCHEMES)}; a random split is not on offer, since "
            "neighbours would tell on each other."
        )
    if not points:
        raise DataError("There is nothing to validate. Give at least one RiskData.")
    if not all(len(point) for point in points):
        raise DataError("There are no students to validate with. Choose other students, or another prediction point.")
    if len({point.at for point in points}) < len(points):
        raise DataError("Two of the data have the same prediction point. Give one for each.")
    if scheme == "schools" and any(_HISTORY in point.features for point in points):
        raise DataError(
            f"The feature {_HISTORY} is made of outcomes of the school that is left out. Build the data without "
            "history, or validate by cohorts."
        )


def plan_folds(data: RiskData, scheme: str) -> list[tuple[str, Any, Any]]:
    """Name the folds, with who is learnt from and who is predicted."""
    if scheme == "schools":
        return [(str(school), data.schools != school, data.schools == school) for school in np.unique(data.schools)]
    return [
        (str(cohort), data.cohorts <= cohort - max(data.gap_years, 1), data.cohorts == cohort)
        for cohort in np.unique(data.cohorts)
    ]


def fold_status(data: RiskData, train: Any, scheme: str, min_cases: int) -> str:
    """Say ``ok``, or in words why there is too little to learn from."""
    if not train.any():
        return "no cohort had its outcome observed by then" if scheme == "cohorts" else "no other school"
    cases = int(data.y[train].sum())
    fewest = min(cases, int(train.sum()) - cases)
    return "ok" if fewest >= min_cases else f"fewer than {min_cases} with, or without, the outcome to learn from"


def describe_fold(data: RiskData, fold: str, train: Any, test: Any, status: str) -> dict[str, Any]:
    """Give the row of a fold in the table of folds."""
    return {
        "at": data.at,
        "fold": fold,
        "train_cohorts": ", ".join(str(cohort) for cohort in np.unique(data.cohorts[train])),
        "train_students": int(train.sum()),
        "train_cases": int(data.y[train].sum()),
        "test_students": int(test.sum()),
        "test_cases": int(data.y[test].sum()),
        "status": status,
    }
