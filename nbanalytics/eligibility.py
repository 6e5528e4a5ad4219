"""What a term's grades amount to: points, merit value, eligible or not, and why not; for any dataframe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import duckdb
import narwhals as nw

from nbanalytics.frames import any_of, cases, open_frame
from nbanalytics.grading import STRECK, Grading, Scale, Way

FrameT = TypeVar("FrameT")

#: Columns of :func:`term_results`.
RESULT_COLUMNS = (
    "student_id",
    "term",
    "n_grades",
    "n_streck",
    "mean_points",
    "n_passed",
    "eligible",
    "missing",
    "missing_further",
)


def term_results(grades: FrameT, grading: Grading, terms: Sequence[str] | None = None) -> FrameT:
    """Sum up each student's grades term by term.

    Parameters
    ----------
    grades : dataframe
        Any frame narwhals takes (pandas, Polars, DuckDB, PySpark, ...) with ``student_id, term, subject, grade``,
        one row per student, term and subject.
    grading : Grading
        Scale and rule, see :meth:`nbanalytics.grading.Catalogue.grading`.
    terms : sequence of str, optional
        Only these terms.

    Returns
    -------
    dataframe
        Of the same kind, one row per ``student_id`` and ``term``:

        - ``n_grades``: grades with points in comparable subjects (streck and other marks are none);
        - ``n_streck``: subjects with streck;
        - ``mean_points``: mean grade points over those grades, missing if there are none;
        - ``n_passed``: passes in all subjects; a block grade is one, and so are SV and SVA together;
        - ``eligible``: whether the rule is met;
        - ``missing``: the required subjects without a pass (``"SV/SVA, MA"``), empty text if none;
        - ``missing_further``: how many more passes are wanting once the required ones are there.

    Notes
    -----
    Mean grade points (genomsnittlig betygspoäng) and the vocational rule as in Karlskoga's Progression 02;
    modern languages and mother tongue are left out of the mean so that year 6 and year 9 compare.

    Examples
    --------
    >>> import pandas as pd
    >>> from nbanalytics.grading import default_catalogue
    >>> subjects = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"]
    >>> grades = pd.DataFrame({"student_id": "P1", "term": "9VT", "subject": subjects, "grade": list("EEFCCCCC")})
    >>> term_results(grades, default_catalogue().grading(2018)).iloc[0][["eligible", "missing", "mean_points"]]
    eligible       False
    missing           MA
    mean_points   11.875
    Name: 0, dtype: object
    """
    frame = open_frame(grades)
    if terms is not None:
        frame = frame.filter(any_of(nw.col("term"), terms))
    passes = _pass_columns(grading)
    comparable = ~any_of(nw.col("subject"), grading.not_comparable)
    grouped = (
        frame.with_columns(points=points_expr(grading.scale), passed=passed_expr(grading.scale))
        .with_columns(
            compared=nw.when(comparable).then(nw.col("points")),
            streck=(nw.col("grade") == STRECK).cast(nw.Int64),
            **{name: passed.cast(nw.Int64) for name, passed in passes.items()},
        )
        .group_by("student_id", "term")
        .agg(
            nw.col("compared").count().alias("n_grades"),
            nw.col("compared").mean().alias("mean_points"),
            nw.col("points").mean().alias("mean_all"),
            nw.col("streck").sum().alias("n_streck"),
            nw.col("_plain").sum().alias("_plain"),
            *(nw.col(name).max().alias(name) for name in passes if name != "_plain"),
        )
    )
    alternates = [nw.col(_met(group)) for group in grading.alternates]
    # A rule on the mean has no way: then nothing is missing.
    first_way = next(iter(grading.rule.ways), Way((), 0))
    result = (
        grouped.with_columns(n_passed=nw.sum_horizontal("_plain", *alternates))
        .with_columns(
            eligible=_eligible(grading),
            missing=_missing(first_way),
            missing_further=_missing_further(first_way),
        )
        .select(*RESULT_COLUMNS)
    )
    return nw.to_native(result)  # type: ignore[no-any-return]


def merit_value(grades: FrameT, grading: Grading, best: int = 16, language: bool = True) -> FrameT:
    """Merit value (meritvärde): the sum of the best grades, the modern language beside them.

    Parameters
    ----------
    grades : dataframe
        As for :func:`term_results`.
    grading : Grading
        Its ``language`` is the subject read as språkval (M2).
    best : int
        How many grades are summed; 16.
    language : bool
        Whether the språkval is added as a 17th grade (from 2014/15). Otherwise it is one among the others.

    Returns
    -------
    dataframe
        Of the same kind: ``student_id, term, merit_value, n_passed``. Points, at most 20 a grade (320, or 340).
        A group's *average* merit value leaves out students without a single pass: keep ``n_passed > 0``.

    Notes
    -----
    Skolverket's definition: the 16 best grades and, since 2014/15, the språkval as a 17th, which is added even
    where there are fewer than 16 others.

    Examples
    --------
    >>> import pandas as pd
    >>> from nbanalytics.grading import default_catalogue
    >>> subjects = [f"S{i}" for i in range(16)] + ["M2"]
    >>> grades = pd.DataFrame({"student_id": "P1", "term": "9VT", "subject": subjects, "grade": "C"})
    >>> grading = default_catalogue().grading(2018)
    >>> float(merit_value(grades, grading)["merit_value"][0])
    255.0
    >>> float(merit_value(grades, grading, language=False)["merit_value"][0])
    240.0
    """
    frame = open_frame(grades)
    if frame.implementation.is_pyarrow():
        # Arrow's own engine has no window functions.
        return merit_value(duckdb.from_arrow(grades), grading, best, language).to_arrow_table()  # type: ignore[no-any-return]
    # A mark has no points, and comes after every grade that has some.
    points = points_expr(grading.scale).fill_null(0.0)
    frame = frame.with_columns(points=points, passed=passed_expr(grading.scale).cast(nw.Int64))
    beside = nw.col("subject") == grading.language if language and grading.language else nw.lit(False)
    # One window for both: the language ranks in a partition of its own, so it never takes a place among the best.
    ranked = frame.with_columns(beside=beside).with_columns(
        place=nw.col("points").rank("ordinal", descending=True).over("student_id", "term", "beside")
    )
    result = (
        ranked.with_columns(counted=nw.when(nw.col("place") <= best).then(nw.col("points")).otherwise(0.0))
        .group_by("student_id", "term")
        .agg(merit_value=nw.col("counted").sum(), n_passed=nw.col("passed").sum())
    )
    return nw.to_native(result)  # type: ignore[no-any-return]


def _pass_columns(grading: Grading) -> dict[str, nw.Expr]:
    """Return row-wise columns: a pass in each demand, in each group of alternates, and in any other subject."""
    subject, passed = nw.col("subject"), nw.col("passed")
    columns = {_met(demand): passed & any_of(subject, demand) for demand in grading.rule.demands}
    columns |= {_met(group): passed & any_of(subject, group) for group in grading.alternates}
    either = [code for group in grading.alternates for code in group]
    columns["_plain"] = passed & ~any_of(subject, either)
    return columns


def _met(demand: Sequence[str]) -> str:
    return "_met_" + "/".join(demand)


def _eligible(grading: Grading) -> nw.Expr:
    rule = grading.rule
    if rule.mean_at_least is not None:
        return (nw.col("mean_all") >= rule.mean_at_least).fill_null(False)
    ways = [
        nw.all_horizontal(
            nw.col("n_passed") >= way.passes, *(nw.col(_met(demand)) > 0 for demand in way.required), ignore_nulls=False
        )
        for way in rule.ways
    ]
    return nw.any_horizontal(*ways, ignore_nulls=False)


def _missing(way: Way) -> nw.Expr:
    if not way.required:
        return nw.lit("")
    names = [cases((nw.col(_met(demand)) == 0, "/".join(demand))) for demand in way.required]
    return nw.concat_str(names, separator=", ", ignore_nulls=True).fill_null("")


def _missing_further(way: Way) -> nw.Expr:
    """Passes still wanting when every required subject had been passed."""
    lacking = [1 - nw.col(_met(demand)) for demand in way.required]
    short = nw.lit(way.passes) - nw.sum_horizontal("n_passed", *lacking)
    # Engines sum into whole numbers of several widths.
    return short.clip(0).cast(nw.Int64)


def points_expr(scale: Scale, grade: str = "grade") -> nw.Expr:
    """Grade points of a grade column; missing for marks such as streck (they are not grades)."""
    return cases(*((nw.col(grade) == name, points) for name, points in scale.points.items()))


def passed_expr(scale: Scale, grade: str = "grade") -> nw.Expr:
    """Whether a grade column holds a pass; a mark, a fail or an empty cell does not."""
    return any_of(nw.col(grade), sorted(scale.passing)).fill_null(False)
