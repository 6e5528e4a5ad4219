"""Growth percentiles of the students of records, and medians by group with how sure they are."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.growth.model import GrowthModel, fit_growth
from nbanalytics.analysis.progression.change import refuse_several_scales
from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.frames import By, as_names, collect, column_names, open_frame
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.schools import LIKE, MIN_SCHOOLS, THESE, estimand_of, share_over_schools
from nbanalytics.students import student_table

#: Fine scales that growth is measured on: mean grade points, and the merit value.
MEASURES = ("points", "merit")
_OWN = ("students", "median", "low", "high", "expected_low", "expected_high", "estimand", "status")
#: Columns of the students table that the result's students have anyway.
SHARED = ("student_id", "cohort", "school_id")
_OF_STUDENTS = ("score", "percentile", "one_lower", "one_higher", "eligible")


@dataclass(frozen=True, repr=False)
class Growth(Shown):
    """How far students came, compared with those who stood where they stood.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then

        - ``students`` with all scores, and the ``median`` of their growth percentiles;
        - ``low, high``: its 95 % interval;
        - ``expected_low, expected_high``: where the medians of 95 of 100 groups of this size lie if all groups grow
          alike (a funnel);
        - ``estimand``: what the interval is about; ``status``: ``ok`` or ``too_few``.
    students : pandas.DataFrame
        One row per student with all scores: ``student_id, cohort``, the columns of ``by``, ``school_id``, the earlier
        scores, ``score``, ``percentile`` (1 to 99), ``one_lower`` and ``one_higher`` (the percentile with one grade a
        step lower or higher), ``eligible`` in the later term.
    model : GrowthModel
        Fitted to these students, or the baseline.
    settings : mapping
        ``measure, at, priors, by, baseline, students_compared, min_students``.
    """

    table: pd.DataFrame
    students: pd.DataFrame
    model: GrowthModel
    settings: Mapping[str, Any]

    def _words(self) -> str:
        s = self.settings
        spread = (self.students["one_higher"] - self.students["one_lower"]).median() / 2
        return (
            f"Growth in {s['measure']} from {', '.join(s['priors'])} to {s['at']} of {len(self.students)} students, "
            f"compared with {s['students_compared']} students who stood where they stood: 50 is the growth of the "
            f"middle one. One grade a step higher or lower moves a percentile by some {spread:.0f}"
        )


def growth_percentiles(
    records: StudentRecords,
    measure: str = "points",
    at: str | None = None,
    priors: str | Sequence[str] | None = None,
    by: str | Sequence[str] = (),
    *,
    baseline: Growth | GrowthModel | None = None,
    estimand: str | None = None,
    min_students: int = 20,
) -> Growth:
    """Measure how far each student came, compared with students of the same earlier scores.

    A percentile of 70 says that a student's score exceeds that of 70 in 100 students who stood where the student stood.
    It describes growth beside others and not why it came about. For grades of one subject, which are few and tied, use
    :func:`nbanalytics.grade_growth`.

    Parameters
    ----------
    records : StudentRecords
        Students and grades; cohorts of one scale.
    measure : str
        ``"points"``: mean grade points over comparable subjects; ``"merit"``: merit value.
    at : str, optional
        The later term; the declared end term if left out.
    priors : str or sequence of str, optional
        One to three earlier terms; the declared start term if left out.
    by : str or sequence of str
        Columns of the students table to divide by.
    baseline : Growth or GrowthModel, optional
        What to compare with: the growth of earlier cohorts. These students themselves if left out; the median of all
        is then near 50 by construction.
    estimand : str, optional
        ``"schools_like_these"`` (the default from three schools on) or ``"these_schools"``; see
        :func:`nbanalytics.schools.estimand_of`. A group in fewer than three schools has the latter.
    min_students : int
        No median is given for fewer students.

    Returns
    -------
    Growth

    Raises
    ------
    DataError
        If a term or measure is not there, there are too few students for a model (some 160 for one earlier term, 300
        for two), scores do not vary, or cohorts use several scales.

    Notes
    -----
    See :func:`nbanalytics.fit_growth`. Intervals of a median: the percentiles between which the interval of the share
    below it lies, without each school in turn (Woodruff 1952, Journal of the American Statistical Association 47:
    635-646); for *these schools* by order statistics (Conover 1999, *Practical Nonparametric Statistics*, 3.2). The
    funnel: order statistics of percentiles that are spread evenly have a beta distribution.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> growth = growth_percentiles(simulate(seed=1, cohorts=[2018]).records, by="sex")
    >>> growth.table[["sex", "students", "median"]].to_numpy().tolist()
    [['boy', 168, 52.5], ['girl', 145, 44.0]]
    """
    names = as_names(by)
    terms = _terms(records, at, priors)
    own = (*_OWN, *_OF_STUDENTS, *(f"{measure}_{term}" for term in terms))
    if measure not in MEASURES:
        raise DataError(f"There is no fine scale {measure!r}", f"Choose among: {', '.join(MEASURES)}.")
    refuse_several_scales(records)
    divided = By.of(names, own, open_frame(records.students))
    table, columns = _scores(records, measure, terms, divided)
    complete = table.dropna(subset=columns).reset_index(drop=True)
    before = complete[columns[:-1]].to_numpy(dtype=float)
    score = complete[columns[-1]].to_numpy(dtype=float)
    model = baseline.model if isinstance(baseline, Growth) else baseline
    if isinstance(baseline, Growth) and (baseline.settings["measure"], baseline.settings["priors"]) != (
        measure,
        terms[:-1],
    ):
        raise DataError(
            f"The baseline compares {baseline.settings['measure']} by {', '.join(baseline.settings['priors'])}",
            "Choose the same measure and earlier terms.",
        )
    model = fit_growth(before, score) if model is None else model
    step = _one_grade(records, measure, complete)
    students = complete.drop(columns=["_graded"]).assign(
        score=score,
        percentile=model.percentiles(before, score),
        one_lower=model.percentiles(before, score - step),
        one_higher=model.percentiles(before, score + step),
    )
    asked = estimand_of(students.get("school_id"), estimand)
    rows = [{**group, **_median(part, asked, min_students)} for group, part in divided.split(students)]
    groups = pd.DataFrame(rows, columns=[*divided.names, *_OWN])
    small = int((groups["status"] == "too_few").sum())
    if small:
        warnings.warn(
            f"{small} of {len(groups)} groups have fewer than {min_students} students and no median. Divide by fewer "
            "columns.",
            EstimationWarning,
            stacklevel=2,
        )
    settings = {
        "measure": measure,
        "at": terms[-1],
        "priors": terms[:-1],
        "by": divided.names,
        "baseline": "these students" if baseline is None else "given",
        "students_compared": model.students,
        "min_students": min_students,
    }
    carried = [key for name, key in zip(divided.names, divided.keys, strict=True) if name in SHARED]
    students = divided.named(students.drop(columns=[columns[-1], *carried]))
    return Growth(groups, students, model, settings)


def _terms(records: StudentRecords, at: str | None, priors: str | Sequence[str] | None) -> tuple[str, ...]:
    declared = records.declaration
    earlier = as_names(priors) if priors is not None else (declared.start,)
    terms = (*earlier, at or declared.end)
    unknown = [term for term in terms if term not in declared.terms]
    places = [declared.terms.index(term) for term in terms if term not in unknown]
    if unknown or not earlier or places != sorted(set(places)):
        raise DataError(
            f"Growth from {', '.join(earlier) or 'no term'} to {terms[-1]} cannot be measured",
            f"Name earlier terms and then a later one, in this order: {', '.join(declared.terms)}.",
        )
    return terms


def _scores(
    records: StudentRecords, measure: str, terms: tuple[str, ...], divided: By
) -> tuple[pd.DataFrame, list[str]]:
    """One row per student: the scores, what the later one is made of, and the columns to divide by."""
    columns = [f"{measure}_{term}" for term in terms]
    school = ["school_id"] if "school_id" in column_names(open_frame(records.students)) else []
    last = {f"graded_{terms[-1]}": "_graded", f"eligible_{terms[-1]}": "eligible"}
    table = collect(student_table(records, [*school, *columns, *last], divided)).rename(columns=last)
    if not len(table.dropna(subset=columns)):
        raise DataError(
            f"No student has {measure} in each of {', '.join(terms)}",
            "Choose terms in which the same students have grades.",
        )
    return table.sort_values("student_id", ignore_index=True), columns


def _one_grade(records: StudentRecords, measure: str, table: pd.DataFrame) -> NDArray[np.float64] | float:
    """How far one grade a step higher moves a score: its points, divided by the grades that a mean is of."""
    [(grading, _)] = records.gradings()
    points = [grading.scale.points[grade] for grade in grading.scale.order if grade in grading.scale.passing]
    points = points if len(points) > 1 else list(grading.scale.points.values())
    step = float(np.diff(points).min())
    return step if measure == "merit" else step / table["_graded"].to_numpy(dtype=float)


def _median(students: pd.DataFrame, asked: str, min_students: int) -> dict[str, Any]:
    """Return the median percentile of a group, its interval, and where it lies if all groups grow alike."""
    found = students["percentile"].to_numpy(dtype=float)
    own = asked if asked == LIKE and students["school_id"].nunique() >= MIN_SCHOOLS else THESE
    row: dict[str, Any] = {"students": len(found), "estimand": own}
    if len(found) < max(min_students, 2):
        return {**row, **dict.fromkeys(_OWN[1:6], nan), "status": "too_few"}
    low, high = median_interval(found, students["school_id"] if own == LIKE else None)
    from scipy.stats import beta

    half = (len(found) + 1) / 2
    expected = 100 * np.asarray(beta.ppf([0.025, 0.975], half, half))
    row |= {"median": float(np.median(found)), "low": low, "high": high}
    return row | {"expected_low": expected[0], "expected_high": expected[1], "status": "ok"}


def median_interval(percentiles: NDArray[np.float64], schools: Any = None) -> tuple[float, float]:
    """Interval of a median percentile over schools like these, or over pupils where no schools are given.

    Examples
    --------
    >>> median_interval(np.arange(1.0, 100.0))
    (40.0, 60.0)
    """
    if schools is None:
        from scipy.stats import quantile_test

        found: Any = quantile_test(percentiles, q=np.median(percentiles), p=0.5).confidence_interval()
        return float(found.low), float(found.high)
    middle = np.median(percentiles)
    lower = (percentiles < middle) + (percentiles == middle) / 2
    by_school = pd.DataFrame({"lower": lower, "school": np.asarray(schools)}).groupby("school")["lower"]
    shares = share_over_schools(by_school.sum(), by_school.size())
    low, high = np.quantile(percentiles, shares, method="inverted_cdf")
    return float(low), float(high)
