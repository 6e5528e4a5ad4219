"""How grades changed between the start and the end term, in the same subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, nan, sqrt, tanh

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.eligibility import passed_expr
from nbanalytics.errors import DataError
from nbanalytics.frames import (
    By,
    Frame,
    NativeFrame,
    any_of,
    as_names,
    cases,
    collect,
    column_names,
    number_of,
    open_frame,
    to_native,
)
from nbanalytics.grading import STRECK, Grading
from nbanalytics.intervals import mean_interval, mean_test
from nbanalytics.records import StudentRecords
from nbanalytics.results import Settings, Shown
from nbanalytics.schools import with_adjusted_p
from nbanalytics.students import grades_by_scale, student_table

#: The column with a student's course in Swedish, and its values besides the course's code.
COURSE = "swedish_course"
SWITCHED, BOTH, NO_COURSE = "switched", "both", "none"
#: Columns of a pair, besides those carried along from the students table.
PAIR_COLUMNS = ("student_id", "cohort", COURSE, "subject", "start_step", "end_step", "start_passed", "end_passed")


def grade_pairs(records: StudentRecords, keep: Sequence[str] = ()) -> NativeFrame:
    """Pair each grade at the end term with the grade in the same subject at the start term.

    Modern languages and mother tongue are left out, since their syllabuses differ between the years. A block grade (NO,
    SO) is paired with a block grade only and never split. Streck and other marks are not grades and are in no pair.

    Parameters
    ----------
    records : StudentRecords
        Students and grades.
    keep : sequence of str
        Columns of the students table to carry along.

    Returns
    -------
    dataframe
        Of the records' kind, one row per pair:

        - ``student_id, cohort``, those of ``keep``;
        - ``swedish_course``: the one of SV and SVA that the student reads at the end term; ``switched`` if it was the
          other at the start term (those two grades are not a pair), ``both`` or ``none``;
        - ``subject``; ``start_step, end_step``: places on the scale, 0 the lowest grade; ``start_passed, end_passed``.

    Raises
    ------
    DataError
        If the cohorts use several scales, whose steps do not compare.

    Examples
    --------
    >>> import pandas as pd
    >>> students = pd.DataFrame({"student_id": ["P1", "P2"], "cohort": 2018})
    >>> grades = pd.DataFrame(
    ...     [("P1", "6VT", "MA", "E"), ("P1", "9VT", "MA", "C"), ("P1", "6VT", "NO", "E"), ("P1", "9VT", "BI", "C"),
    ...      ("P2", "9VT", "MA", "F")], columns=["student_id", "term", "subject", "grade"]
    ... )
    >>> grade_pairs(StudentRecords(students, grades))[["student_id", "subject", "start_step", "end_step"]]
      student_id subject  start_step  end_step
    0         P1      MA           1         3
    """
    refuse_several_scales(records)
    carried = By.of([name for name in as_names(keep) if name != "cohort"], PAIR_COLUMNS, open_frame(records.students))
    pairs = carried_pairs(records, carried)
    return to_native(pairs.select(*PAIR_COLUMNS, **dict(zip(carried.names, carried.keys, strict=True))))


def carried_pairs(records: StudentRecords, by: By) -> Frame:
    """Return the columns of :func:`grade_pairs`, and the columns of ``by`` under their keys."""
    start, end = records.declaration.start, records.declaration.end
    parts = []
    for grading, grades in grades_by_scale(records):
        placed = (
            grades.filter(~any_of(nw.col("subject"), grading.not_comparable))
            .with_columns(
                step=number_of(grading.scale.order, "grade"),
                passed=cases((passed_expr(grading.scale), 1), otherwise=0),
            )
            .filter(~nw.col("step").is_null())
        )
        first, last = (
            placed.filter(nw.col("term") == term).select(
                "student_id", "subject", nw.col("step").alias(f"{when}_step"), nw.col("passed").alias(f"{when}_passed")
            )
            for when, term in (("start", start), ("end", end))
        )
        pairs = last.join(first, on=["student_id", "subject"], how="inner")
        parts.append(pairs.join(courses(grades, grading, start, end), on="student_id", how="left"))
    pairs = nw.concat(parts).with_columns(
        nw.col(COURSE).fill_null(NO_COURSE), nw.col("start_step").cast(nw.Int64), nw.col("end_step").cast(nw.Int64)
    )
    return student_table(records, by=by).join(pairs, on="student_id", how="inner")


def refuse_several_scales(records: StudentRecords) -> None:
    """Raise a DataError if cohorts use several scales."""
    scales = sorted({f"{grading.scale.name} ({grading.scale.version})" for grading, _ in records.gradings()})
    if len(scales) > 1:
        raise DataError(
            f"The cohorts use several grade scales, {', '.join(scales)}, whose steps do not compare",
            "Choose cohorts of one scale with records.cohort([...]).",
        )


def reads(grading: Grading) -> nw.Expr:
    """Whether a row shows that the student reads the subject: a grade, or streck; other marks do not."""
    return ~number_of(grading.scale.order, "grade").is_null() | (nw.col("grade") == STRECK)


def courses(grades: Frame, grading: Grading, start: str, end: str) -> Frame:
    """Return ``student_id, swedish_course`` of the students who read one of the alternate subjects at the end."""
    codes = grading.alternates[0] if grading.alternates else ()
    if not codes:
        return grades.select("student_id").unique().with_columns(nw.lit(NO_COURSE).alias(COURSE))
    flags = {
        f"_{when}{number}": (nw.col("term") == term) & (nw.col("subject") == code)
        for when, term in (("start", start), ("end", end))
        for number, code in enumerate(codes)
    }
    read = (
        grades.filter(any_of(nw.col("subject"), codes) & reads(grading))
        .with_columns(**{name: cases((flag, 1), otherwise=0) for name, flag in flags.items()})
        .group_by("student_id")
        .agg(*(nw.col(name).max() for name in flags))
    )
    at_start, at_end = ([nw.col(f"_{when}{number}") for number in range(len(codes))] for when in ("start", "end"))
    kept = nw.sum_horizontal(*(before * after for before, after in zip(at_start, at_end, strict=True)))
    course = cases(
        (nw.sum_horizontal(*at_end) == 0, NO_COURSE),
        (nw.sum_horizontal(*at_end) > 1, BOTH),
        ((nw.sum_horizontal(*at_start) > 0) & (kept == 0), SWITCHED),
        *((column == 1, code) for code, column in zip(codes, at_end, strict=True)),
    )
    return read.select("student_id", course.alias(COURSE))


_COUNTS = ("pairs", "students", "raised", "unchanged", "lowered", "fail_to_pass", "pass_to_fail")
_SPREADS = ("students", "change_2", "change_n", "n_2")
_ESTIMATES = ("mean_change", "se", "low", "high", "p_value", "correlation", "correlation_low", "correlation_high")


@dataclass(frozen=True, repr=False)
class Progression(Shown):
    """Changes over pairs of grades in the same, comparable subject.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then

        - ``pairs`` of grades and the ``students`` who have them;
        - ``raised, unchanged, lowered``: pairs by direction, adding up to ``pairs``;
        - ``fail_to_pass, pass_to_fail``: pairs, missing on a scale without a pass line;
        - ``mean_change`` in steps of the scale, with standard error ``se`` and a 95 % interval ``low, high``;
          ``p_value`` of no change, and ``adjusted_p``, which allows for all rows of the table (Benjamini and Hochberg
          1995): of those below .05 one in twenty is expected to be chance;
        - ``correlation``: Spearman's, with a 95 % interval ``correlation_low, correlation_high``;
        - ``status``: ``ok``, or ``too_few`` students for an estimate.
    total : pandas.DataFrame
        The same in one row for all pairs.
    settings : mapping
        ``start, end, by, min_students, scale``.
    students : int
        Students with at least one pair.
    """

    table: pd.DataFrame
    total: pd.DataFrame
    settings: Settings
    students: int

    def _words(self) -> str:
        return self.words

    @property
    def words(self) -> str:
        """A plain sentence that says what is counted."""
        row = self.total.iloc[0]
        pairs, start, end = int(row["pairs"]), self.settings["start"], self.settings["end"]
        if not pairs:
            return f"Grades are counted, not students: there is no pair of grades in {start} and {end}."
        shares = ", ".join(
            f"{int(row[name])} ({int(row[name]) / pairs:.0%}) {name}" for name in ("raised", "unchanged", "lowered")
        )
        passes = ""
        if not pd.isna(row["fail_to_pass"]):
            passes = (
                f"; {int(row['fail_to_pass'])} went from fail to pass and {int(row['pass_to_fail'])} from pass to fail"
            )
        return (
            f"Grades are counted, not students: of {pairs} pairs of grades in the same subject in {start} and {end}, "
            f"of {self.students} students, {shares}{passes}."
        )


def progression(records: StudentRecords, by: str | Sequence[str] = (), min_students: int = 5) -> Progression:
    """Compare each student's grades at the end term with those at the start term, subject by subject.

    Parameters
    ----------
    records : StudentRecords
        Students and grades; cohorts of one scale.
    by : str or sequence of str
        ``subject``, ``swedish_course`` (SV, SVA, ``switched``, ``both``, ``none``; see
        :func:`nbanalytics.grade_pairs`) or columns of the students table such as ``sex, school_id``.
    min_students : int
        Nothing is estimated for fewer students; the counts stay.

    Returns
    -------
    Progression

    Raises
    ------
    DataError
        If a column of ``by`` is not there, or the cohorts use several scales.

    Notes
    -----
    The pairs of one student go together, so the standard error of the mean change is that of a ratio of sums over
    students (Cochran 1977, *Sampling Techniques*, chapter 9: single-stage clusters); with one pair per student it is
    the ordinary one. Spearman's correlation uses midranks; its interval is on Fisher's scale with standard error
    √((1 + r²/2)/(n − 3)) (Bonett and Wright 2000, Psychometrika 65: 23-28), n the number of students.

    Examples
    --------
    >>> import pandas as pd
    >>> students = pd.DataFrame({"student_id": ["P1", "P2"], "cohort": 2018})
    >>> grades = pd.DataFrame(
    ...     [("P1", "6VT", "MA", "E"), ("P1", "9VT", "MA", "C"), ("P1", "6VT", "NO", "E"), ("P1", "9VT", "BI", "C"),
    ...      ("P2", "9VT", "MA", "F")], columns=["student_id", "term", "subject", "grade"]
    ... )
    >>> progression(StudentRecords(students, grades), by=["subject"]).table.loc[0, ["subject", "pairs", "raised"]]
    subject    MA
    pairs       1
    raised      1
    Name: 0, dtype: object
    """
    names = as_names(by)
    refuse_by(records, names)
    refuse_several_scales(records)
    divided = By.of(names, (*_COUNTS, *_ESTIMATES, "status"))
    carried = By(tuple(name for name in divided.names if name not in ("subject", COURSE)))
    inner = dict(zip(carried.names, carried.keys, strict=True))
    pairs = carried_pairs(records, carried)
    keys = {key: nw.col(inner.get(name, name)) for name, key in zip(divided.names, divided.keys, strict=True)}
    pairs = pairs.select("student_id", "start_step", "end_step", "start_passed", "end_passed", **keys)
    crossed = collect(
        pairs.group_by(*keys, "start_step", "end_step", "start_passed", "end_passed").agg(nw.len().alias("pairs"))
    )
    gradings = records.gradings()
    passing = bool(gradings and gradings[0][0].scale.passing)
    everyone = _spreads(pairs, [])
    spreads = divided.split(_spreads(pairs, divided.keys)) if divided.names else [({}, everyone)]
    rows = [
        {**group, **_row(part, spread, passing, min_students)}
        for (group, part), (_, spread) in zip(divided.split(crossed), spreads, strict=True)
    ]
    columns = [*_COUNTS, *_ESTIMATES, "status"]
    table = with_adjusted_p(pd.DataFrame(rows, columns=[*divided.names, *columns]))
    total = with_adjusted_p(pd.DataFrame([_row(crossed, everyone, passing, min_students)], columns=columns))
    settings = {
        "start": records.declaration.start,
        "end": records.declaration.end,
        "by": divided.names,
        "min_students": min_students,
        "scale": gradings[0][0].scale.name if gradings else "",
    }
    return Progression(table, total, settings, students=int(total["students"].iloc[0]))


def refuse_by(records: StudentRecords, by: Sequence[str]) -> None:
    """Raise a DataError if pairs cannot be divided by a column."""
    records.refuse_uncountable("students", "grades")
    columns = set(column_names(open_frame(records.students)))
    known = {"subject", COURSE} | columns - {"student_id"}
    unknown = [name for name in by if name not in known]
    if unknown:
        raise DataError(
            f"Pairs of grades cannot be divided by {', '.join(unknown)}", f"Choose among: {', '.join(sorted(known))}."
        )
    if both := [name for name in by if name in columns & {"subject", COURSE}]:
        raise DataError(
            f"Pairs of grades have a {' and a '.join(both)} of their own, and the table students has a column of that "
            "name",
            "Rename the column of students.",
        )


def _spreads(pairs: Frame, by: list[str]) -> pd.DataFrame:
    """Return the sums over students that the standard error of a mean over clusters wants, by group."""
    persons = (
        pairs.with_columns(_change=nw.col("end_step") - nw.col("start_step"), _one=nw.lit(1))
        .group_by(*by, "student_id")
        .agg(nw.col("_change").sum(), nw.col("_one").sum().alias("_n"))
    )
    sums = persons.with_columns(
        students=nw.lit(1),
        change_2=nw.col("_change") * nw.col("_change"),
        change_n=nw.col("_change") * nw.col("_n"),
        n_2=nw.col("_n") * nw.col("_n"),
    )
    added = [nw.col(name).sum() for name in _SPREADS]
    return collect(sums.group_by(*by).agg(*added) if by else sums.select(*added))


def _row(crossed: pd.DataFrame, spread: pd.DataFrame, passing: bool, min_students: int) -> dict[str, object]:
    n = crossed["pairs"].astype("int64")
    change = (crossed["end_step"] - crossed["start_step"]).astype("int64")
    start_passed, end_passed = crossed["start_passed"].astype("int64"), crossed["end_passed"].astype("int64")
    pairs = int(n.sum())
    sums = {name: int(spread[name].fillna(0).sum()) for name in _SPREADS}
    students = sums["students"]
    row: dict[str, object] = {
        "pairs": pairs,
        "students": students,
        "raised": int(n[change > 0].sum()),
        "unchanged": int(n[change == 0].sum()),
        "lowered": int(n[change < 0].sum()),
        "fail_to_pass": int(n[start_passed < end_passed].sum()) if passing else None,
        "pass_to_fail": int(n[start_passed > end_passed].sum()) if passing else None,
    }
    if students < max(min_students, 2):
        return {**row, **dict.fromkeys(_ESTIMATES, nan), "status": "too_few"}
    mean = float((n * change).sum()) / pairs
    spread_sum = sums["change_2"] - 2 * mean * sums["change_n"] + mean**2 * sums["n_2"]
    error = sqrt(max(spread_sum, 0.0) * students / (students - 1)) / pairs
    interval = mean_interval(mean, error, students - 1)
    estimates = (mean, error, *interval, mean_test(mean, error, students - 1), *_correlation(crossed, students))
    return {**row, **dict(zip(_ESTIMATES, estimates, strict=True)), "status": "ok"}


def _correlation(crossed: pd.DataFrame, students: int) -> tuple[float, float, float]:
    """Return Spearman's correlation of a cross-table, with its interval; missing if a side does not vary."""
    n = crossed["pairs"].to_numpy(dtype=float)
    first, last = (_midranks(crossed[name], n) for name in ("start_step", "end_step"))
    first, last = first - np.average(first, weights=n), last - np.average(last, weights=n)
    spread = sqrt(float((n * first**2).sum()) * float((n * last**2).sum()))
    if spread == 0:
        return nan, nan, nan
    r = min(1.0, max(-1.0, float((n * first * last).sum()) / spread))
    if abs(r) == 1 or students <= 3:
        return r, nan, nan
    low, high = mean_interval(atanh(r), sqrt((1 + r * r / 2) / (students - 3)))
    return r, tanh(low), tanh(high)


def _midranks(steps: pd.Series, n: NDArray[np.float64]) -> np.ndarray:
    held = pd.Series(n).groupby(steps.to_numpy()).sum().sort_index()
    ranks = held.cumsum() - held / 2  # half a rank less, which changes no correlation
    return ranks.reindex(steps.to_numpy()).to_numpy(dtype=float)
