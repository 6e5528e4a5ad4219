"""Choose students by cohort, school, sex, group and mean grade points: what the explorer's line of code calls."""

from __future__ import annotations

import narwhals as nw

from nbanalytics.analysis.cohorts.classify import GroupRule, classify, under
from nbanalytics.errors import DataError
from nbanalytics.frames import open_frame
from nbanalytics.records import StudentRecords

Range = tuple[float, float]


def choose_students(
    records: StudentRecords,
    cohort: int | None = None,
    school: str | None = None,
    sex: str | None = None,
    group: int | None = None,
    start: Range | None = None,
    end: Range | None = None,
    rule: GroupRule | None = None,
) -> StudentRecords:
    """Keep the records of students with a group who are all that is asked for.

    Parameters
    ----------
    records : StudentRecords
        Of any kind of dataframe.
    cohort, school, sex : optional
        Values of the students' columns ``cohort``, ``school_id`` and ``sex``.
    group : int, optional
        One of the six groups.
    start, end : (low, high), optional
        Mean grade points in the first and last term compared, both bounds included.
    rule : GroupRule, optional
        How groups are made, and who is eligible.

    Returns
    -------
    StudentRecords
        Every table with the rows of those students. Students without a group are never among them. What is computed
        from them follows the eligibility rule of ``rule``.

    Raises
    ------
    DataError
        If the students have no column of that name, or a range ends before it begins.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> len(choose_students(simulate(seed=1, cohorts=[2018]).records, group=6).students)
    23
    """
    table = open_frame(classify(records, rule).table)
    kept = table.filter(~nw.col("group").is_null())
    if group is not None:
        kept = kept.filter(nw.col("group") == group)
    if cohort is not None:
        kept = kept.filter(nw.col("cohort") == cohort)
    for name, bounds in (("start_points", start), ("end_points", end)):
        if bounds is not None:
            low, high = bounds
            if low > high:
                raise DataError(f"The range of {name} begins at {low} and ends at {high}; give the lower bound first.")
            kept = kept.filter((nw.col(name) >= low) & (nw.col(name) <= high))
    students = open_frame(records.students)
    names = students.collect_schema().names()
    for name, value in (("school_id", school), ("sex", sex)):
        if value is not None:
            if name not in names:
                raise DataError(f"The students have no column {name}, so they cannot be chosen by it.")
            students = students.filter(nw.col(name) == value)
    return under(records, rule or GroupRule()).only(
        students.join(kept.select("student_id"), on="student_id", how="semi")
    )
