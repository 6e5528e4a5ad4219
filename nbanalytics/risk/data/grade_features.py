"""Features of grades: level, change and trend, fails and streck, core subjects, national tests against grades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError, meant
from nbanalytics.frames import as_names, collect
from nbanalytics.grading import STRECK, Grading
from nbanalytics.records import StudentRecords


def graded(records: StudentRecords, table: str = "grades") -> pd.DataFrame:
    """Return grade rows with ``points`` (missing for marks), ``failed`` (a grade that is no pass) and ``streck``."""
    parts = []
    rows: pd.DataFrame = getattr(records, table)
    cohort = rows["student_id"].map(records.students.set_index("student_id")["cohort"])
    for grading, cohorts in records.gradings():
        part = rows[cohort.isin(cohorts)]
        points = part["grade"].map(dict(grading.scale.points)).astype(float)
        passed = part["grade"].isin(list(grading.scale.passing))
        failed = points.notna() & ~passed
        parts.append(part.assign(points=points, passed=passed, failed=failed, streck=part["grade"] == STRECK))
    return pd.concat(parts, ignore_index=True)


def core_demands(gradings: Sequence[tuple[Grading, list[int]]]) -> dict[str, tuple[str, ...]]:
    """Return the core subjects: the demands of the rule's first way, by name (``SV_SVA``)."""
    ways = [grading.rule.ways[0] for grading, _ in gradings if grading.rule.ways]
    return {"_".join(demand): demand for way in ways for demand in way.required}


def grade_features(past: StudentRecords, terms: Sequence[str]) -> pd.DataFrame:
    """Mean points, their change and trend, passes, fails, streck, and earlier terms without eligibility."""
    results = collect(past.results(list(terms)))
    points = results.pivot(index="student_id", columns="term", values="mean_points").reindex(columns=list(terms))
    eligible = results.assign(eligible=results["eligible"].astype(float)).pivot(
        index="student_id", columns="term", values="eligible"
    )
    eligible = eligible.reindex(columns=list(terms))
    at = terms[-1]
    now = results[results["term"] == at].set_index("student_id")
    frame = pd.DataFrame({"mean_points": points[at]})
    if len(terms) > 1:
        frame["points_change"] = points[at] - points[terms[-2]]
    if len(terms) > 2:
        frame["points_trend"] = _slopes(points.to_numpy(dtype=float))
    rows = graded(past)
    fails = rows[rows["term"] == at].groupby("student_id")["failed"].sum()
    frame["n_passed"] = now["n_passed"].astype(float)
    frame["n_failed"] = fails.astype(float)
    frame["n_streck"] = now["n_streck"].astype(float)
    frame["not_eligible"] = 1 - eligible[at]
    if len(terms) > 1:
        frame["earlier_not_eligible"] = (eligible[terms[:-1]] == 0).sum(axis=1).astype(float)
    return frame


def subject_features(past: StudentRecords, at: str, subjects: Sequence[str] | None = None) -> pd.DataFrame:
    """Points, fail and streck in the core subjects, or in the subjects named; missing if the subject is not read."""
    rows = graded(past)
    if subjects is None:
        wanted = core_demands(past.gradings())
    else:
        wanted = {code: (code,) for code in as_names(subjects)}
        known = {code: None for grading, _ in past.gradings() for code in grading.subjects} | dict.fromkeys(
            rows["subject"]
        )
        strange = [code for code in wanted if code not in known]
        if strange:
            raise DataError(f"There is no subject {', '.join(strange)}. {meant(strange[0], known)}")
    rows = rows[rows["term"] == at]
    columns: dict[str, Any] = {}
    for name, codes in wanted.items():
        read = rows[rows["subject"].isin(codes) & (rows["points"].notna() | rows["streck"])]
        by = read.groupby("student_id")[["points", "passed", "failed", "streck"]].max()
        columns[f"points_{name}"] = by["points"]
        columns[f"failed_{name}"] = (by["failed"] & ~by["passed"]).astype(float)
        columns[f"streck_{name}"] = (by["streck"] & ~by["passed"]).astype(float)
    return pd.DataFrame(columns)


def national_test_features(past: StudentRecords, terms: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """Mean points of the latest national tests, and how far they lie above the same term's grades; and that term."""
    tests, grades = graded(past, "tests"), graded(past)
    at = max(tests["term"], key=list(terms).index)
    keys = ["student_id", "term", "subject"]
    paired = tests[tests["term"] == at].merge(grades[[*keys, "points"]], on=keys, how="left", suffixes=("", "_grade"))
    paired["above"] = paired["points"] - paired["points_grade"]
    means = paired.groupby("student_id")[["points", "above"]].mean()
    return means.rename(columns={"points": "test_points", "above": "test_minus_grade"}), at


def _slopes(points: Any) -> Any:
    """Return the least-squares slope per term of each row, over the terms that are there; missing with fewer than 2."""
    seen = ~np.isnan(points)
    count = seen.sum(axis=1)
    place = np.where(seen, np.arange(points.shape[1]), 0.0)
    filled = np.where(seen, points, 0.0)
    enough = count > 1
    size = np.where(enough, count, 1)
    centred = np.where(seen, np.arange(points.shape[1]) - (place.sum(axis=1) / size)[:, None], 0.0)
    spread = np.where(enough, (centred**2).sum(axis=1), 1.0)
    return np.where(enough, (centred * filled).sum(axis=1) / spread, np.nan)
