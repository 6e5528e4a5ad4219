"""The workbook of a municipality as tables: eligibility, merit value and subjects, by term and group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import nan, sqrt
from typing import Any

import narwhals as nw
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import collect, open_frame
from nbanalytics.grading import STRECK
from nbanalytics.intervals import mean_interval, wilson
from nbanalytics.municipality.leavers import TermTables, leavers
from nbanalytics.records import StudentRecords
from nbanalytics.results import Row, Settings, Shown
from nbanalytics.toml_files import packaged_toml

#: Input of a view: records, or the tables of a term that several views share.
Records = StudentRecords | TermTables
#: Combinations of dimensions to divide by; an empty one is the whole municipality.
Breakdowns = Sequence[Sequence[str]]
#: Computes the numbers of a row from its part of a table.
Sums = Callable[[pd.DataFrame], Row]
#: Default breakdowns of a view, for each year.
BREAKDOWNS: Breakdowns = ((), ("school_id",), ("sex",), ("swedish_course",), ("school_id", "sex"))
#: What a view can be divided by, besides the year.
DIMENSIONS = ("school_id", "sex", "swedish_course")


@dataclass(frozen=True, repr=False)
class View(Shown):
    """A sheet of the workbook.

    Attributes
    ----------
    name : str
        Its key in ``workbook.toml``, which has its words.
    table : pandas.DataFrame
        ``cohort`` (leaving year), then the columns that divide it, ``*`` for all, then the numbers of the view's
        function.
    settings : mapping
        ``records`` (their name), ``term`` and ``min_students``.
    students : int
    """

    name: str
    table: pd.DataFrame
    settings: Settings
    students: int

    @property
    def title(self) -> str:
        """What the view shows, in English."""
        return str(words()["view"][self.name]["title"]["en"])

    @property
    def definition(self) -> str:
        """What its numbers mean, in English."""
        return str(words()["view"][self.name]["definition"]["en"])

    def _words(self) -> str:
        return f"{self.title}, {self.settings['term']}, {self.students} students"


@cache
def words() -> dict[str, Any]:
    """Return the texts of the workbook."""
    return packaged_toml("nbanalytics.municipality", "workbook.toml")


def divided(table: pd.DataFrame, breakdowns: Breakdowns) -> list[tuple[Row, pd.DataFrame]]:
    """Divide by year and each breakdown; dimensions that a breakdown leaves out are ``*``, unknown values ``unknown``.

    A breakdown by a column that the records lack is left out.
    """
    unknown = sorted({name for breakdown in breakdowns for name in breakdown} - set(DIMENSIONS))
    if unknown:
        raise DataError(f"A view cannot be divided by {', '.join(unknown)}", f"Choose among {', '.join(DIMENSIONS)}.")
    known = [breakdown for breakdown in breakdowns if set(breakdown) <= set(table.columns)]
    wanted = [name for name in DIMENSIONS if any(name in breakdown for breakdown in known)]
    parts = []
    for breakdown in known:
        keys = ["cohort", *breakdown]
        filled = table.assign(**{name: table[name].astype("object").fillna("unknown") for name in breakdown})
        for values, part in filled.groupby(keys, sort=True):
            own = dict(zip(keys, values, strict=True))
            parts.append(({"cohort": own["cohort"], **{name: own.get(name, "*") for name in wanted}}, part))
    return parts


def view(name: str, tables: TermTables, min_students: int, rows: list[Row], students: int) -> View:
    """Combine rows to a view."""
    records = tables.records.declaration.name
    settings = {"records": records, "term": tables.term, "min_students": min_students}
    table = pd.DataFrame(rows)
    if "count" in table and table["count"].isna().any():
        table = table.astype({"count": "Int64"})
    return View(name, table, settings, students)


def mean(name: str, values: pd.Series, min_students: int) -> Row:
    """Return ``n``, a mean under a name, ``low, high`` and ``status``."""
    n = len(values)
    if n < max(min_students, 2):
        return {"n": n, name: nan, "low": nan, "high": nan, "status": "too_few"}
    low, high = mean_interval(float(values.mean()), float(values.std()) / sqrt(n), n - 1)
    return {"n": n, name: float(values.mean()), "low": low, "high": high, "status": "ok"}


def share(count: int, n: int, min_students: int) -> Row:
    """Return ``count, share, low, high`` and ``status``."""
    if n < max(min_students, 1):
        return {"count": count, "share": nan, "low": nan, "high": nan, "status": "too_few"}
    low, high = wilson(count, n)
    return {"count": count, "share": count / n, "low": low, "high": high, "status": "ok"}


def share_of(reached: pd.Series, min_students: int, n: int | None = None) -> Row:
    """Return :func:`share` of flags, ``not_applicable`` where they are missing for everybody.

    They are missing on a scale without a pass line. ``n`` is the denominator, by default the number of flags.
    """
    if len(reached) and reached.isna().all():
        return {"count": pd.NA, "share": nan, "low": nan, "high": nan, "status": NOT_APPLICABLE}
    return share(int(reached.sum()), len(reached) if n is None else n, min_students)


def merit_of(name: str, people: pd.DataFrame, min_students: int) -> Row:
    """Return :func:`mean` of the merit values of students with a pass; ``not_applicable`` without a pass line."""
    if len(people) and people["n_passed"].isna().all():
        return {"n": 0, name: nan, "low": nan, "high": nan, "status": NOT_APPLICABLE}
    return mean(name, people.loc[people["n_passed"] > 0, "merit_value"].astype(float), min_students)


#: Status of a share or a mean that asks for passes, on a scale without a pass line.
NOT_APPLICABLE = "not_applicable"
#: Kinds of eligibility, by the names of their rules.
KINDS = ("vocational", "preparatory-ES", "preparatory-EK-HU-SA", "preparatory-NA-TE", "IMV")


def merit_view(records: Records, breakdowns: Breakdowns = BREAKDOWNS, min_students: int = 5) -> View:
    """Mean merit value and mean grade points by year, school, sex and SV/SVA.

    Parameters
    ----------
    records : StudentRecords or TermTables
        Students and grades, at the declared end term; :class:`TermTables` for another term, or for several views.
    breakdowns : sequence of sequence of str
        Each a combination of ``school_id, sex, swedish_course``; an empty one is the whole municipality.
    min_students : int
        No mean or share for fewer students.

    Returns
    -------
    View
        ``students``; ``n`` with at least one pass; ``merit_value`` with its 95 % interval ``low, high`` (Student's t);
        ``mean_points`` of students with grades in comparable subjects; ``status``: ``ok``, ``too_few``, or
        ``not_applicable`` on a scale without a pass line, as in every view that asks for passes.

    Raises
    ------
    DataError
        If a breakdown is by something else.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> merit_view(records, [["sex"]]).table[["sex", "students", "merit_value"]].round(1).to_numpy().tolist()
    [['boy', 168, 211.7], ['girl', 145, 228.9]]
    """

    def sums(part: pd.DataFrame) -> Row:
        points = part["mean_points"].dropna().astype(float)
        enough = len(points) >= max(min_students, 2)
        return {
            "students": len(part),
            **merit_of("merit_value", part, min_students),
            "mean_points": float(points.mean()) if enough else nan,
        }

    return _of_students("merit", records, breakdowns, min_students, sums)


def all_passed_view(records: Records, breakdowns: Breakdowns = BREAKDOWNS, min_students: int = 5) -> View:
    """Share of students with passes in all subjects.

    Parameters
    ----------
    records, breakdowns, min_students
        As for :func:`merit_view`.

    Returns
    -------
    View
        ``students``; ``count`` of those with at least one pass, and neither a fail nor streck; ``share`` (0 to 1) with
        its 95 % interval ``low, high`` (Wilson); ``status``.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> all_passed_view(records, [[]]).table[["students", "count", "status"]].to_numpy().tolist()
    [[313, 222, 'ok']]
    """

    def sums(part: pd.DataFrame) -> Row:
        return {"students": len(part), **share_of(part["all_passed"], min_students)}

    return _of_students("all_passed", records, breakdowns, min_students, sums)


def eligibility_view(
    records: Records, breakdowns: Breakdowns = BREAKDOWNS, min_students: int = 5, kinds: Sequence[str] = KINDS
) -> View:
    """Share of students who are eligible, by kind of eligibility.

    Parameters
    ----------
    records, breakdowns, min_students
        As for :func:`merit_view`.
    kinds : sequence of str
        Names of rules in the declaration's catalogue, each of which has to hold for every cohort.

    Returns
    -------
    View
        ``kind, students``; ``count`` of the eligible; ``share`` (0 to 1) with its 95 % interval ``low, high`` (Wilson);
        ``status``.

    Raises
    ------
    GradingError
        If there is no such rule, or it does not hold for a cohort.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = eligibility_view(records, [[]], kinds=["vocational", "IMV"]).table
    >>> table[["kind", "students", "count"]].to_numpy().tolist()
    [['vocational', 313, 251], ['IMV', 313, 284]]
    """
    tables = TermTables.of(records)
    people = leavers(tables.records, tables.term, rules=kinds)
    rows = []
    for place, part in divided(people, breakdowns):
        for kind in kinds:
            count = int(part[kind].sum())
            rows.append({**place, "kind": kind, "students": len(part), **share(count, len(part), min_students)})
    return view("eligibility", tables, min_students, rows, len(people))


def _of_students(name: str, records: Records, breakdowns: Breakdowns, min_students: int, sums: Sums) -> View:
    tables = TermTables.of(records)
    rows = [{**place, **sums(part)} for place, part in divided(tables.people, breakdowns)]
    return view(name, tables, min_students, rows, len(tables.people))


#: Marks of the grade files, besides streck.
MARKS = ("adapted", "not_taught", "not_graded", "no_grades")


def points_view(records: Records, breakdowns: Breakdowns = BREAKDOWNS, min_students: int = 5) -> View:
    """Mean grade points by subject.

    Parameters
    ----------
    records, breakdowns, min_students
        As for :func:`merit_view`.

    Returns
    -------
    View
        ``subject, n`` (grades), ``mean_points`` with its 95 % interval ``low, high`` (Student's t) and ``status``.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = points_view(records, [[]]).table.set_index("subject")
    >>> table.loc["MA", ["n", "mean_points"]].astype(float).round(1).tolist()
    [312.0, 11.3]
    """

    def sums(part: pd.DataFrame) -> Row:
        return mean("mean_points", part["points"].dropna().astype(float), min_students)

    return _of_subjects("points", TermTables.of(records), breakdowns, min_students, sums)


def grades_view(records: Records, breakdowns: Breakdowns = BREAKDOWNS, min_students: int = 5) -> View:
    """Distribution of grades by subject.

    Parameters
    ----------
    records, breakdowns, min_students
        As for :func:`merit_view`.

    Returns
    -------
    View
        ``subject``; a column for each grade of the scale, the best first, and ``streck``; ``n`` of them in all;
        ``count`` passed, their ``share`` (0 to 1) with its 95 % interval ``low, high`` (Wilson) and ``status``.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> grades_view(records, [[]]).table.set_index("subject").loc["MA", [*"ABCDEF", "streck", "n"]].tolist()
    [21, 31, 62, 60, 89, 49, 1, 313]
    """
    tables = TermTables.of(records)
    scales = [grading.scale for grading, _ in tables.records.gradings()]
    grades = list(dict.fromkeys(grade for scale in scales for grade in reversed(scale.order)))

    def sums(part: pd.DataFrame) -> Row:
        counts = part["grade"].value_counts()
        held = {grade: int(counts.get(grade, 0)) for grade in grades} | {"streck": int(counts.get(STRECK, 0))}
        n = sum(held.values())
        return {**held, "n": n, **share_of(part["passed"], min_students, n)}

    return _of_subjects("grades", tables, breakdowns, min_students, sums)


def national_tests_view(records: Records, breakdowns: Breakdowns = ((), ("school_id",)), min_students: int = 5) -> View:
    """Grades against national tests, by subject and school.

    Parameters
    ----------
    records, breakdowns, min_students
        As for :func:`merit_view`.

    Returns
    -------
    View
        ``subject, n`` (students with both), ``above, same, below`` (the grade against the test), ``share_above`` with
        its 95 % interval ``low, high`` (Wilson), ``share_below`` and ``status``.

    Raises
    ------
    DataError
        If the records have no tests.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = national_tests_view(records, [[]]).table.set_index("subject")
    >>> table.loc["MA", ["n", "above", "same", "below"]].tolist()
    [305, 60, 185, 60]
    """
    tables = TermTables.of(records)
    if tables.records.tests is None:
        raise DataError("The records have no national tests", "Add the table tests (student_id, term, subject, grade).")
    tests = open_frame(tables.records.tests).filter(nw.col("term") == tables.term)
    taken = collect(tests.select("student_id", "subject", "grade"))
    steps = {
        cohort: {grade: step for step, grade in enumerate(grading.scale.order)}
        for grading, cohorts in tables.records.gradings()
        for cohort in cohorts
    }
    both = _subject_rows(tables).merge(taken, on=["student_id", "subject"], suffixes=("", "_test"))
    places = [steps[cohort] for cohort in both["cohort"]]
    for column in ("grade", "grade_test"):
        both[f"_{column}"] = [order.get(grade, nan) for order, grade in zip(places, both[column], strict=True)]
    both["_step"] = both["_grade"] - both["_grade_test"]
    rows = []
    for place, part in divided(both[both["_step"].notna()], breakdowns):
        for subject, steps_of in part.groupby("subject")["_step"]:
            above, below, n = int((steps_of > 0).sum()), int((steps_of < 0).sum()), len(steps_of)
            found = share(above, n, min_students)
            counts = {"n": n, "above": above, "same": n - above - below, "below": below}
            shares = {"share_above": found["share"], "low": found["low"], "high": found["high"]}
            share_below = below / n if found["status"] == "ok" else nan
            last = {"share_below": share_below, "status": found["status"]}
            rows.append({**place, "subject": subject, **counts, **shares, **last})
    return view("tests", tables, min_students, rows, both["student_id"].nunique())


def control_view(records: Records) -> View:
    """Count grades and marks in each subject, as a check of the data.

    Parameters
    ----------
    records : StudentRecords or TermTables
        As for :func:`merit_view`.

    Returns
    -------
    View
        ``cohort, subject, students`` who got or should have got grades; ``graded, streck``, the marks ``adapted,
        not_taught, not_graded, no_grades``, and ``nothing``: the rest. They add up to ``students``.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = control_view(records).table.set_index("subject")
    >>> table.loc["MA", ["students", "graded", "streck", "nothing"]].tolist()
    [313, 312, 1, 0]
    """
    tables, rows = TermTables.of(records), []
    for cohort, part in tables.people.groupby("cohort"):
        own = tables.grades[tables.grades["cohort"] == cohort]
        for subject in sorted(own["subject"].unique()):
            held = own[own["subject"] == subject]
            marks = held.loc[held["points"].isna(), "grade"].value_counts()
            counts = {"graded": int(held["points"].notna().sum()), "streck": int(marks.get(STRECK, 0))}
            counts |= {mark: int(marks.get(mark, 0)) for mark in MARKS}
            nothing = len(part) - sum(counts.values())
            rows.append({"cohort": cohort, "subject": subject, "students": len(part), **counts, "nothing": nothing})
    return view("control", tables, 1, rows, len(tables.people))


def _of_subjects(name: str, tables: TermTables, breakdowns: Breakdowns, min_students: int, sums: Sums) -> View:
    table = _subject_rows(tables)
    rows = [
        {**place, "subject": subject, **sums(held)}
        for place, part in divided(table, breakdowns)
        for subject, held in part.groupby("subject")
    ]
    return view(name, tables, min_students, rows, table["student_id"].nunique())


def _subject_rows(tables: TermTables) -> pd.DataFrame:
    """Return the grades with what views divide their students by."""
    known = [name for name in DIMENSIONS if name in tables.people]
    return tables.grades.merge(tables.people[["student_id", *known]], on="student_id")
