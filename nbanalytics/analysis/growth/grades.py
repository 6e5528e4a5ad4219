"""Growth in grades of one subject, which are few and tied: places among students with the same earlier grade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from nbanalytics.analysis.growth.percentiles import SHARED
from nbanalytics.analysis.progression.change import carried_pairs, refuse_several_scales
from nbanalytics.errors import DataError
from nbanalytics.frames import By, as_names, collect, column_names, open_frame
from nbanalytics.intervals import mean_interval
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.schools import LIKE, MIN_SCHOOLS, THESE, estimand_of, over_schools

_OWN = ("students", "mean", "low", "high", "estimand", "status")
_GIVEN = ("subject", "start_step")
_PLACES = ("from_percentile", "to_percentile")


@dataclass(frozen=True, repr=False)
class GradeGrowth(Shown):
    """Growth in grades of a subject, compared with students of the same grade at the start.

    Attributes
    ----------
    table : pandas.DataFrame
        ``subject``, the columns of ``by``, then ``students`` with a percentile; ``mean`` of their ``percentile``, with
        its 95 % interval ``low, high`` (50: the group grew as those it is compared with); ``estimand``; ``status``:
        ``ok`` or ``too_few``.
    students : pandas.DataFrame
        One row per student and subject: ``student_id, cohort, subject``, the columns of ``by``, ``start`` and ``end``
        (grades), ``percentile``: the middle of the grade's place among students with the same start, 0 to 100;
        ``random_percentile``: a place drawn within the grade, spread evenly if a student grew as the others did; both
        missing where fewer than ``min_compared`` students had the same start.
    places : pandas.DataFrame
        What students are compared with: ``subject, start, end, students, share``, and ``from_percentile`` to
        ``to_percentile``, the places that an end grade takes. The growth that leads to a grade is its
        ``from_percentile``.
    settings : mapping
        ``start, end, by, baseline, min_compared, min_students``.
    """

    table: pd.DataFrame
    students: pd.DataFrame
    places: pd.DataFrame
    settings: Mapping[str, Any]

    def _words(self) -> str:
        s, known = self.settings, int(self.students["percentile"].notna().sum())
        return (
            f"Growth in grades from {s['start']} to {s['end']}: {known} of {len(self.students)} pairs of grades have a "
            f"place among at least {s['min_compared']} students with the same subject and grade in {s['start']}. "
            "Grades are tied: a place is the middle of those that share a grade"
        )


def grade_growth(
    records: StudentRecords,
    subjects: str | Sequence[str] | None = None,
    by: str | Sequence[str] = (),
    *,
    baseline: GradeGrowth | None = None,
    estimand: str | None = None,
    min_compared: int = 20,
    min_students: int = 20,
    seed: int = 0,
) -> GradeGrowth:
    """Place each end grade among those of students with the same grade in the subject at the start.

    Six grades are a coarse scale: many share each, so a percentile as of :func:`nbanalytics.growth_percentiles`
    would depend on how ties are broken. Here the shares of the end grades given the start grade are counted. A grade
    takes the places from the share below it to the share up to it. The middle of these places describes a student; a
    random one among them is spread evenly under no difference, and is for tests.

    Parameters
    ----------
    records : StudentRecords
        Students and grades; cohorts of one scale.
    subjects : str or sequence of str, optional
        Only these; all comparable subjects if left out.
    by : str or sequence of str
        Columns of the students table to divide by.
    baseline : GradeGrowth, optional
        Compare with the students of this result, such as earlier cohorts.
    estimand : str, optional
        As for :func:`nbanalytics.growth_percentiles`.
    min_compared : int
        Where fewer students had the same start, nothing is said.
    min_students : int
        No mean is given for fewer students.
    seed : int
        Of the random places, which do not depend on the order of rows.

    Returns
    -------
    GradeGrowth

    Raises
    ------
    DataError
        If cohorts use several scales, nobody took a subject in both terms, or a column of ``by`` is not there.

    Notes
    -----
    The middle place is the ridit of Bross (1958, Biometrics 14: 18-38), given the start grade; the random place is the
    randomised quantile residual of Dunn and Smyth (1996, Journal of Computational and Graphical Statistics 5: 236-244)
    times 100.

    Examples
    --------
    >>> ids = [f"P{number:02}" for number in range(40)]
    >>> students = pd.DataFrame({"student_id": ids, "cohort": 2018})
    >>> end = ["E"] * 10 + ["D"] * 20 + ["C"] * 10
    >>> grades = pd.concat(
    ...     pd.DataFrame({"student_id": ids, "term": term, "subject": "MA", "grade": grade})
    ...     for term, grade in (("6VT", "D"), ("9VT", end))
    ... )
    >>> growth = grade_growth(StudentRecords(students, grades))
    >>> growth.places[["start", "end", "students", "from_percentile", "to_percentile"]].to_numpy().tolist()
    [['D', 'E', 10, 0.0, 25.0], ['D', 'D', 20, 25.0, 75.0], ['D', 'C', 10, 75.0, 100.0]]
    >>> growth.students["percentile"].iloc[[0, 15, 39]].tolist()
    [12.5, 50.0, 87.5]
    """
    names, wanted = as_names(by), None if subjects is None else as_names(subjects)
    refuse_several_scales(records)
    taken = (*_OWN, "subject", "start", "end", "share", *_PLACES, "percentile", "random_percentile")
    divided = By.of(names, taken, open_frame(records.students))
    pairs = _pairs(records, divided, wanted)
    counts = pairs.groupby([*_GIVEN, "end_step"], sort=True).size().rename("students").reset_index()
    order = _order(records)
    places = _places(counts, order) if baseline is None else baseline.places
    pairs = _placed(pairs, places, order, min_compared, seed)
    asked = estimand_of(pairs.get("school_id"), estimand)
    keys = By(("subject", *divided.names))
    parts = keys.split(pairs.rename(columns={"subject": "_by0", **_shifted(divided.keys)}))
    rows = [{**group, **_mean(part, asked, min_students)} for group, part in parts]
    settings = {
        "start": records.declaration.start,
        "end": records.declaration.end,
        "by": divided.names,
        "baseline": "these students" if baseline is None else "given",
        "min_compared": min_compared,
        "min_students": min_students,
    }
    carried = [key for name, key in zip(divided.names, divided.keys, strict=True) if name in SHARED]
    students = divided.named(pairs.drop(columns=[*carried, "start_step", "end_step"]))
    return GradeGrowth(pd.DataFrame(rows, columns=["subject", *divided.names, *_OWN]), students, places, settings)


def _order(records: StudentRecords) -> tuple[str, ...]:
    return records.gradings()[0][0].scale.order


def _shifted(keys: Sequence[str]) -> dict[str, str]:
    """Make room for the subject, which every result is divided by first."""
    return {key: f"_by{number + 1}" for number, key in enumerate(keys)}


def _pairs(records: StudentRecords, divided: By, subjects: tuple[str, ...] | None) -> pd.DataFrame:
    school = ["school_id"] if "school_id" in column_names(open_frame(records.students)) else []
    frame = carried_pairs(records, divided)
    if school:
        named = open_frame(records.students).select("student_id", "school_id")
        frame = frame.join(named, on="student_id", how="left")
    if subjects is not None:
        frame = frame.filter(nw.col("subject").is_in(list(subjects)))
    wanted = ["student_id", "cohort", "subject", *school, *divided.keys, "start_step", "end_step"]
    pairs = collect(frame.select(*wanted))
    absent = sorted(set(subjects or ()) - set(pairs["subject"]))
    if absent or pairs.empty:
        start, end = records.declaration.start, records.declaration.end
        raise DataError(
            f"Nobody has grades in {start} and {end} in {', '.join(absent) or 'a comparable subject'}",
            "Choose other subjects, or declare other terms.",
        )
    return pairs.sort_values(["subject", "student_id"], ignore_index=True)


def _places(counts: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Return the places that each end grade takes among the students with the same start."""
    given = counts.groupby(list(_GIVEN))["students"]
    upto, of = given.cumsum(), given.transform("sum")
    return pd.DataFrame(
        {
            "subject": counts["subject"],
            "start": [order[step] for step in counts["start_step"]],
            "end": [order[step] for step in counts["end_step"]],
            "students": counts["students"],
            "share": counts["students"] / of,
            "from_percentile": 100 * (upto - counts["students"]) / of,
            "to_percentile": 100 * upto / of,
        }
    )


def _placed(
    pairs: pd.DataFrame, places: pd.DataFrame, order: Sequence[str], min_compared: int, seed: int
) -> pd.DataFrame:
    named = pairs.assign(**{when: np.asarray(order)[pairs[f"{when}_step"]] for when in ("start", "end")})
    compared = places.groupby(["subject", "start"])["students"].transform("sum")
    known = places[compared >= min_compared]
    spans = known[["subject", "start", "end", "from_percentile", "to_percentile"]]
    found = named.merge(spans, on=["subject", "start", "end"], how="left")
    # An end grade that nobody of the baseline had lies between those around it: it takes a place of no width.
    lost = found["from_percentile"].isna()
    for row in found.index[lost]:
        same = known[known["subject"].eq(found["subject"][row]) & known["start"].eq(found["start"][row])]
        if len(same):
            lower = [order.index(end) < found["end_step"][row] for end in same["end"]]
            edge = max((0.0, *same["to_percentile"][lower]))
            found.loc[row, ["from_percentile", "to_percentile"]] = edge
    low, high = found.pop("from_percentile"), found.pop("to_percentile")
    drawn = np.random.default_rng(seed).random(len(found))
    return found.assign(percentile=(low + high) / 2, random_percentile=low + drawn * (high - low))


def _mean(part: pd.DataFrame, asked: str, min_students: int) -> dict[str, Any]:
    known = part.dropna(subset=["percentile"])
    values = known["percentile"].to_numpy(dtype=float)
    own = asked if asked == LIKE and known["school_id"].nunique() >= MIN_SCHOOLS else THESE
    row: dict[str, Any] = {"students": len(values), "estimand": own}
    if len(values) < max(min_students, 2):
        return {**row, "mean": nan, "low": nan, "high": nan, "status": "too_few"}
    mean = float(values.mean())
    if own == THESE:
        low, high = mean_interval(mean, float(values.std(ddof=1)) / sqrt(len(values)), len(values) - 1)
    else:
        found = over_schools(
            lambda weights: {"mean": weights @ values / weights.sum(axis=1)},
            known["school_id"],
            scale="percent",
            estimand=LIKE,
        ).iloc[0]
        low, high = float(found["low"]), float(found["high"])
    return {**row, "mean": mean, "low": low, "high": high, "status": "ok"}
