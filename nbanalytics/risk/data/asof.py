"""The records as they were at the end of a term: without what came later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from nbanalytics.errors import DataError, LeakageError
from nbanalytics.records import StudentRecords


@dataclass(frozen=True)
class OwnFeature:
    """A feature of the user's own, with the term in which it was known.

    Attributes
    ----------
    name : str
        Its column.
    values : pandas.Series, mapping, or function of StudentRecords
        Numbers by ``student_id``, or a function that returns them. It is called with the records as they were at the
        prediction point, and with all records: a feature that differs has looked ahead and is refused.
    known : str
        The term at whose end the values were known.

    Examples
    --------
    >>> OwnFeature("behaviour", pd.Series({"P1": 1.0}), known="6VT").known
    '6VT'
    """

    name: str
    values: pd.Series[Any] | Mapping[str, float] | Callable[[StudentRecords], pd.Series[Any]]
    known: str


def terms_until(records: StudentRecords, at: str) -> list[str]:
    """Return the declared terms up to a prediction point: a followed term but the last. Others are refused."""
    declaration = records.declaration
    points = declaration.followed_terms[:-1]
    if at not in points:
        raise DataError(f"{at!r} is not a prediction point of these records", f"Choose among: {', '.join(points)}.")
    return list(declaration.terms[: declaration.terms.index(at) + 1])


def as_of(records: StudentRecords, at: str) -> StudentRecords:
    """Return the records, in pandas, as they were at the end of a term.

    Grades, absence, tests and screening of later terms are removed, and so are outcomes and follow-ups, students who
    moved in later, moves out that had not happened yet, and support, whose dates are not those of terms.

    Parameters
    ----------
    records : StudentRecords
    at : str
        A followed term but the last.

    Returns
    -------
    StudentRecords

    Raises
    ------
    DataError
        If ``at`` is not a prediction point.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> past = as_of(simulate(seed=1, cohorts=[2018]).records, "7HT")
    >>> sorted(past.grades["term"].unique())
    ['6HT', '6VT', '7HT']
    """
    terms = terms_until(records, at)
    order = list(records.declaration.terms)
    every = records.to_pandas()
    tables: dict[str, Any] = {"outcomes": None, "followups": None, "support": None}
    for name in ("grades", "absence", "tests", "screening"):
        table = getattr(every, name)
        if table is not None:
            tables[name] = table[table["term"].isin(terms)].reset_index(drop=True)
    students = every.students
    if "moved_in" in students:
        students = students[~students["moved_in"].isin(order[len(terms) :])]
    if "moved_out" in students:
        gone = students["moved_out"].isin(terms[:-1])
        students = students.assign(moved_out=students["moved_out"].where(gone))
    return replace(every, students=students.reset_index(drop=True), **tables)


def refuse_future(name: str, known: str, at: str, terms: Sequence[str]) -> None:
    """Raise a LeakageError for a feature that was not known yet, a DataError for one that was known at no term."""
    if known not in terms:
        raise DataError(f"The feature {name!r} is said to be known in {known!r}", f"Choose among: {', '.join(terms)}.")
    if terms.index(known) > terms.index(at):
        raise LeakageError(
            f"The feature {name!r} was known in {known}, after the prediction point {at}",
            f"Leave it out, or predict from {known} or later.",
        )


def values_by_student(feature: OwnFeature, records: StudentRecords, past: StudentRecords, at: str) -> pd.Series[Any]:
    """Return a user's feature by ``student_id``; raise a LeakageError if it looks ahead."""
    refuse_future(feature.name, feature.known, at, records.declaration.terms)
    if not callable(feature.values):
        return _numbers(feature.name, feature.values)
    values = _numbers(feature.name, feature.values(past))
    ahead = _numbers(feature.name, feature.values(records.to_pandas())).reindex(values.index)
    changed = int((~((values == ahead) | (values.isna() & ahead.isna()))).sum())
    if changed:
        raise LeakageError(
            f"The feature {feature.name!r} comes out different for {changed} of {len(values)} students when records "
            f"after {at} are at hand: it looks ahead",
            f"Compute it from terms up to {at} only.",
        )
    return values


def _numbers(name: str, values: Any) -> pd.Series[Any]:
    series = pd.Series(values) if isinstance(values, Mapping) else values
    if not isinstance(series, pd.Series):
        raise DataError(f"The feature {name!r} is not a pandas Series", "Give numbers by student_id.")
    twice = int(series.index.duplicated().sum())
    if twice:
        raise DataError(f"The feature {name!r} has {twice} students twice", "Give one value per student_id.")
    try:
        return series.astype(float)
    except (TypeError, ValueError):
        raise DataError(f"The feature {name!r} has values that are not numbers", "Code them as numbers.") from None
