"""Features as of a date: one row per student who is in school at the prediction point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError, meant, refuse_unknown
from nbanalytics.frames import as_names, collect
from nbanalytics.grading import STRECK, Grading
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.risk.data.asof import OwnFeature, as_of, terms_until, values_by_student
from nbanalytics.risk.data.riskdata import KEYS, UNKNOWN_SCHOOL
from nbanalytics.students import absence_by_term, knows_total_absence, student_table


def total_absence(records: StudentRecords) -> pd.DataFrame:
    """Return the kinds of absence that are recorded by student and term, and ``total`` if both are."""
    table = collect(absence_by_term(records)).set_index(["student_id", "term"]).astype(float)
    totals = ["total"] if knows_total_absence(records) else []
    return table[[*(kind for kind in ("valid", "invalid") if kind in records.absence), *totals]]


def absence_features(past: StudentRecords, terms: Sequence[str]) -> pd.DataFrame:
    """Return valid, invalid and total absence in the last term, and the change of the total since the term before."""
    wide = total_absence(past).unstack("term")
    at = terms[-1]
    kinds = [name for name in ("valid", "invalid", "total") if (name, at) in wide]
    frame = pd.DataFrame({f"absence_{kind}": wide[kind, at] for kind in kinds}, index=wide.index)
    if len(terms) > 1 and ("total", at) in wide and ("total", terms[-2]) in wide:
        frame["absence_change"] = wide["total", at] - wide["total", terms[-2]]
    return frame


def move_features(past: StudentRecords, terms: Sequence[str]) -> pd.DataFrame:
    """Return whether the student has moved in, and in how many of the terms so far there are no grades."""
    students = past.students.set_index("student_id")
    graded = past.grades.groupby("student_id")["term"].nunique().reindex(students.index).fillna(0)
    frame = pd.DataFrame({"terms_without_grades": float(len(terms)) - graded})
    if "moved_in" in students:
        frame.insert(0, "moved_in", students["moved_in"].isin(list(terms[1:])).astype(float))
    return frame


def context_features(table: pd.DataFrame) -> pd.DataFrame:
    """Return means over the *other* students of the school and cohort, and of the cohort; and the school's size.

    The student's own value is left out, so that the context does not reveal it; outcomes are not used.
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


def graded(records: StudentRecords, table: str = "grades") -> pd.DataFrame:
    """Return grade rows with ``points`` (missing for marks), ``failed`` (a grade that is not a pass) and ``streck``."""
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
    """Return mean points, their change and trend, passes, fails, streck, and earlier terms without eligibility."""
    at, columns = terms[-1], [f"{kind}_{term}" for kind in ("points", "eligible") for term in terms]
    table = collect(student_table(past, [*columns, f"passes_{at}"])).set_index("student_id")
    points, eligible = (table[[f"{kind}_{term}" for term in terms]].astype(float) for kind in ("points", "eligible"))
    frame = pd.DataFrame({"mean_points": points.iloc[:, -1]})
    if len(terms) > 1:
        frame["points_change"] = points.iloc[:, -1] - points.iloc[:, -2]
    if len(terms) > 2:
        frame["points_trend"] = _slopes(points.to_numpy(dtype=float))
    rows = graded(past)
    marks = rows[rows["term"] == at].groupby("student_id")[["failed", "streck"]].sum().astype(float)
    frame["n_passed"] = table[f"passes_{at}"].astype(float)
    frame["n_failed"], frame["n_streck"] = marks["failed"], marks["streck"]
    frame["not_eligible"] = 1 - eligible.iloc[:, -1]
    if len(terms) > 1:
        earlier = (eligible.iloc[:, :-1] == 0).sum(axis=1).astype(float)
        frame["earlier_not_eligible"] = earlier.where(eligible.notna().any(axis=1))
    return frame


def subject_features(past: StudentRecords, at: str, subjects: Sequence[str] | None = None) -> pd.DataFrame:
    """Return points, fail and streck in the core subjects, or in those named; missing if one is not taken."""
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
            raise DataError(f"There is no subject {', '.join(strange)}", f"{meant(strange[0], known)}")
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
    """Return mean points of the latest national tests, their difference from that term's grades, and the term."""
    tests, grades = graded(past, "tests"), graded(past)
    at = max(tests["term"], key=list(terms).index)
    keys = ["student_id", "term", "subject"]
    paired = tests[tests["term"] == at].merge(grades[[*keys, "points"]], on=keys, how="left", suffixes=("", "_grade"))
    paired["above"] = paired["points"] - paired["points_grade"]
    means = paired.groupby("student_id")[["points", "above"]].mean()
    return means.rename(columns={"points": "test_points", "above": "test_minus_grade"}), at


def _slopes(points: Any) -> Any:
    """Return the least-squares slope per term of each row, over its known terms; missing with fewer than two."""
    seen = ~np.isnan(points)
    count = seen.sum(axis=1)
    place = np.where(seen, np.arange(points.shape[1]), 0.0)
    filled = np.where(seen, points, 0.0)
    enough = count > 1
    size = np.where(enough, count, 1)
    centred = np.where(seen, np.arange(points.shape[1]) - (place.sum(axis=1) / size)[:, None], 0.0)
    spread = np.where(enough, (centred**2).sum(axis=1), 1.0)
    return np.where(enough, (centred * filled).sum(axis=1) / spread, np.nan)


#: The families of features, in the order of their columns.
FAMILIES = ("grades", "subjects", "absence", "moves", "tests", "context")
#: Columns of the students table that are for audits, and no features.
SENSITIVE = ("sex", "newly_arrived", "immigration", "parents_education")
#: Families that need a table that records can do without.
_NEEDS = {"absence": "absence", "tests": "tests"}


@dataclass(frozen=True, repr=False)
class Features(Shown):
    """What was known of each student at the prediction point.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per student in school at ``at``: ``student_id, cohort, school_id``, the features (numbers; missing stays
        missing), the sensitive columns (text).
    features, sensitive : tuple of str
        The columns of either kind.
    known, family : mapping of str to str
        The term in which each feature was known, and its family.
    at : str
        The prediction point.
    left_out : pandas.DataFrame
        Students without a row: ``cohort, reason, students``.
    skipped : tuple of str
        Families for which the records have no table, or no row yet.
    """

    table: pd.DataFrame
    features: tuple[str, ...]
    sensitive: tuple[str, ...]
    known: Mapping[str, str]
    family: Mapping[str, str]
    at: str
    left_out: pd.DataFrame
    skipped: tuple[str, ...] = ()

    @property
    def X(self) -> pd.DataFrame:
        """``school_id`` and the features by ``student_id``, as models take them."""
        return self.table.set_index("student_id")[["school_id", *self.features]]

    @property
    def missing(self) -> pd.DataFrame:
        """``feature, family, known, missing`` (students without a value) of every feature."""
        rows = [(name, self.family[name], self.known[name], int(self.table[name].isna().sum())) for name in self.known]
        return pd.DataFrame(rows, columns=["feature", "family", "known", "missing"])

    def _words(self) -> str:
        return f"{len(self.features)} features of {len(self.table)} students, known in {self.at}"


def features(
    records: StudentRecords,
    at: str,
    families: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
    school: str | None = None,
    own: Sequence[OwnFeature] = (),
) -> Features:
    """Build the features that were known at the end of a term.

    Everything is computed from :func:`as_of`, the records without what came later, so that no feature can look ahead.

    Parameters
    ----------
    records : StudentRecords
    at : str
        The prediction point: a followed term but the last.
    families : sequence of str, optional
        Any of ``grades, subjects, absence, moves, tests, context``; by default all that the records have tables for.
    subjects : sequence of str, optional
        Subjects of the family ``subjects``; by default the core subjects, which the eligibility rule requires.
    school : str, optional
        The column of students that is the school; by default the one attended at ``at``: ``school_id_y6`` up to the
        start term, if the column exists, and ``school_id`` later.
    own : sequence of OwnFeature
        Features of one's own.

    Returns
    -------
    Features
        The columns by family:

        - ``grades``: ``mean_points`` (comparable subjects), ``points_change`` since the term before, ``points_trend``
          (slope per term, from three terms on), ``n_passed, n_failed, n_streck``, ``not_eligible`` (0, 1) and
          ``earlier_not_eligible`` (number of terms);
        - ``subjects``: ``points_, failed_, streck_`` of each;
        - ``absence``: ``absence_valid, absence_invalid, absence_total`` in per cent of the term, ``absence_change``;
        - ``moves``: ``moved_in`` (0, 1), ``terms_without_grades``;
        - ``tests``: ``test_points``, ``test_minus_grade``, of the latest national tests;
        - ``context``: means over the other students, ``school_mean_points, school_not_eligible, school_absence_total,
          cohort_mean_points``, and ``school_size``.

    Raises
    ------
    DataError
        If ``at`` is not a prediction point, a family, a subject or a table is missing, nobody is in school, or a
        feature of one's own has a name that is taken or not one number per student.
    LeakageError
        If a feature of one's own was known later than ``at``.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> known = features(simulate(seed=1, cohorts=[2018]).records, "6VT", families=["absence"])
    >>> known.features
    ('absence_valid', 'absence_invalid', 'absence_total', 'absence_change')
    """
    terms = terms_until(records, at)
    past = as_of(records, at)
    wanted, skipped = _families(past, families)
    students = _in_school(past, at)
    table = students[["student_id", "cohort"]].assign(school_id=_school(students, records, at, school))
    known: dict[str, str] = {}
    family: dict[str, str] = {}
    for name in wanted:
        frame, term = _family(name, past, terms, subjects, table)
        table = table.join(frame, on="student_id")
        known |= dict.fromkeys(frame.columns, term)
        family |= dict.fromkeys(frame.columns, name)
    for feature in own:
        table[feature.name] = _own(feature, records, past, at, table)
        known[feature.name], family[feature.name] = feature.known, "own"
    sensitive = [name for name in SENSITIVE if name in students]
    table = pd.concat([table, *(_as_text(students[name]) for name in sensitive)], axis=1)
    left_out = _left_out(records, past, table, at)
    return Features(
        table.reset_index(drop=True), tuple(known), tuple(sensitive), known, family, at, left_out, tuple(skipped)
    )


def _own(
    feature: OwnFeature, records: StudentRecords, past: StudentRecords, at: str, table: pd.DataFrame
) -> pd.Series[Any]:
    if feature.name in (*table.columns, *KEYS, *SENSITIVE, "reason"):
        raise DataError(f"The name of the feature {feature.name!r} is taken", "Give it another.")
    given = values_by_student(feature, records, past, at)
    values: pd.Series[Any] = table["student_id"].map(given)
    if given.notna().any() and values.isna().all():
        raise DataError(
            f"The feature {feature.name!r} has a value of none of the {len(table)} students in school in {at}",
            "Give numbers by student_id.",
        )
    return values


def _families(past: StudentRecords, families: Sequence[str] | None) -> tuple[list[str], list[str]]:
    families = None if families is None else as_names(families)
    refuse_unknown("Unknown family of features", families or (), FAMILIES)
    asked = [name for name in FAMILIES if families is None or name in families]
    empty = [name for name in asked if name in _NEEDS and not _has_rows(past, _NEEDS[name])]
    if families is not None and empty:
        raise DataError(
            f"The records hold no rows yet for the features of {', '.join(empty)}",
            "Add the table, leave the family out, or choose a later prediction point.",
        )
    return [name for name in asked if name not in empty], empty


def _has_rows(past: StudentRecords, table: str) -> bool:
    rows = getattr(past, table)
    return rows is not None and len(rows) > 0


def _in_school(past: StudentRecords, at: str) -> pd.DataFrame:
    """Return the students with grades or absence in the term."""
    tables = [table for table in (past.grades, past.absence) if table is not None]
    seen = {student for table in tables for student in table.loc[table["term"] == at, "student_id"]}
    students: pd.DataFrame = past.students[past.students["student_id"].isin(seen)].reset_index(drop=True)
    if students.empty:
        raise DataError(f"Nobody has grades or absence in {at}", "Add that term, or choose another prediction point.")
    return students


def _school(students: pd.DataFrame, records: StudentRecords, at: str, school: str | None) -> pd.Series[Any]:
    terms, start = records.declaration.terms, records.declaration.start
    name = school or ("school_id_y6" if terms.index(at) <= terms.index(start) else "school_id")
    if school is None and name not in students:
        name = "school_id"
    if name not in students:
        if school is not None:
            raise DataError(f"The table students has no column {school}", "Name the column that holds the school.")
        return pd.Series(UNKNOWN_SCHOOL, index=students.index)
    return students[name].astype(object).where(students[name].notna(), UNKNOWN_SCHOOL)


def _family(
    name: str, past: StudentRecords, terms: list[str], subjects: Sequence[str] | None, table: pd.DataFrame
) -> tuple[pd.DataFrame, str]:
    at = terms[-1]
    if name == "grades":
        return grade_features(past, terms), at
    if name == "subjects":
        return subject_features(past, at, subjects), at
    if name == "absence":
        return absence_features(past, terms), at
    if name == "moves":
        return move_features(past, terms), at
    if name == "tests":
        return national_test_features(past, terms)
    return context_features(table), at


def _as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a sensitive column as text: flags as yes and no."""
    plain = column.astype(object).map({True: "yes", False: "no"}, na_action="ignore").astype(object)
    return plain.where(plain.notna(), column.astype(object).where(column.notna(), None))


def _left_out(records: StudentRecords, past: StudentRecords, table: pd.DataFrame, at: str) -> pd.DataFrame:
    students = records.to_pandas().students
    gone = students[~students["student_id"].isin(table["student_id"])]
    later = ~gone["student_id"].isin(past.students["student_id"])
    reason = pd.Series(f"no grades or absence in {at}", index=gone.index)
    if "moved_out" in past.students:
        left = past.students.loc[past.students["moved_out"].notna(), "student_id"]
        reason = reason.where(~gone["student_id"].isin(left), f"moved out before {at}")
    reason = reason.where(~later, f"moved in after {at}")
    return count_reasons(gone["cohort"], reason)


def count_reasons(cohort: pd.Series[Any], reason: pd.Series[Any]) -> pd.DataFrame:
    """Return ``cohort, reason, students``, in order."""
    counted = pd.DataFrame({"cohort": cohort.astype(int), "reason": reason.astype(str)})
    return counted.groupby(["cohort", "reason"]).size().rename("students").reset_index()
