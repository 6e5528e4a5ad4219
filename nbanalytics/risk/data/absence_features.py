"""Features of absence, of moves, and of the school and the cohort around a student."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from nbanalytics.records import StudentRecords


def total_absence(records: StudentRecords) -> pd.DataFrame:
    """Return ``valid, invalid, total`` by student and term; a total needs every kind of absence that is recorded."""
    absence = records.absence
    kinds = [name for name in ("valid", "invalid") if name in absence]
    table = absence.set_index(["student_id", "term"])[kinds].astype(float)
    total: pd.DataFrame = table.assign(total=table.sum(axis=1, min_count=len(kinds)))
    return total


def absence_features(past: StudentRecords, terms: Sequence[str]) -> pd.DataFrame:
    """Valid, invalid and total absence in the last term, and the change of the total since the term before."""
    wide = total_absence(past).unstack("term")
    at = terms[-1]
    kinds = [name for name in ("valid", "invalid", "total") if (name, at) in wide]
    frame = pd.DataFrame({f"absence_{kind}": wide[kind, at] for kind in kinds}, index=wide.index)
    if len(terms) > 1 and ("total", at) in wide and ("total", terms[-2]) in wide:
        frame["absence_change"] = wide["total", at] - wide["total", terms[-2]]
    return frame


def move_features(past: StudentRecords, terms: Sequence[str]) -> pd.DataFrame:
    """Whether the student has moved in, and how many of the terms so far have no grades."""
    students = past.students.set_index("student_id")
    graded = past.grades.groupby("student_id")["term"].nunique().reindex(students.index).fillna(0)
    frame = pd.DataFrame({"terms_without_grades": float(len(terms)) - graded})
    if "moved_in" in students:
        frame.insert(0, "moved_in", students["moved_in"].isin(list(terms[1:])).astype(float))
    return frame


def context_features(table: pd.DataFrame) -> pd.DataFrame:
    """Means over the *other* students of the same school and cohort, and of the cohort; and the school's size.

    The student's own value is left out, so that the context says nothing of the student; no outcome enters.
    """
    own = table.set_index("student_id")
    school, cohort = [own["cohort"], own["school_id"]], [own["cohort"]]
    frame = pd.DataFrame({"school_size": own["cohort"].groupby(school).transform("size").astype(float)})
    for name in ("mean_points", "not_eligible", "absence_total"):
        if name in own:
            frame[f"school_{name}"] = _others(own[name], school)
    if "mean_points" in own:
        frame["cohort_mean_points"] = _others(own["mean_points"], cohort)
    return frame


def _others(values: pd.Series[float], by: list[pd.Series[str]]) -> pd.Series[float]:
    groups = values.groupby(by)
    seen = values.notna()
    count = groups.transform("count") - seen
    total = groups.transform("sum") - values.fillna(0.0)
    return total / count.where(count > 0)
