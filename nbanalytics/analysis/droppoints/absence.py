"""Absence in the terms before and after the loss of eligibility, beside that of students who never lost it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import narwhals as nw
import pandas as pd

from nbanalytics.analysis.droppoints.first_loss import Losses
from nbanalytics.errors import DataError
from nbanalytics.frames import collect, column_names, number_of, open_frame
from nbanalytics.intervals import mean_interval
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.students import absence_by_term, knows_total_absence, refuse_without_total

_MEASURES = ("total", "invalid")
#: Stands for the relative term of students who never lost.
_NEVER = 1_000
_COLUMNS = ("relative", "measure", "group", "n", "mean", "se", "low", "high", "status")


@dataclass(frozen=True, repr=False)
class AbsenceAroundLoss(Shown):
    """Mean absence by term relative to the loss.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per

        - ``relative``: terms after the loss, 0 the term of the loss, -1 the term before it;
        - ``measure``: ``total`` (valid and invalid) or ``invalid`` absence;
        - ``group``: ``lost``; ``never_lost``, in the same calendar terms; ``difference`` between the two,

        with ``n`` (values of absence behind it), ``mean`` in per cent of the term, its standard error ``se``, a 95 %
        interval ``low, high``, and ``status``: ``ok``, or ``too_few`` (nothing is estimated).
    settings : mapping
        ``window`` and ``min_students``.
    students : int
        Students who lost eligibility and have absence in any of the terms shown.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Mean absence, per cent of the term, around the loss of eligibility of {self.students} students"


def absence_around_loss(
    records: StudentRecords, losses: Losses, window: int = 3, min_students: int = 5
) -> AbsenceAroundLoss:
    """Follow absence from ``window`` terms before the first loss of eligibility to ``window`` terms after it.

    Parameters
    ----------
    records : StudentRecords
        With absence.
    losses : Losses
        Result of :func:`losses`.
    window : int
        Terms before and after.
    min_students : int
        No mean is estimated from fewer students who lost, or if those who never lost are fewer in a term compared.

    Returns
    -------
    AbsenceAroundLoss
        A student whose valid or invalid absence is missing in a term has no total there; records without the column
        ``valid`` have no rows of the total.

    Raises
    ------
    DataError
        If the records hold no absence, or no invalid absence.

    Notes
    -----
    Each student who lost counts once at each relative term: mean with Student's t interval. Students who never lost
    have no term of loss, so their means by cohort and term are weighted by how many of those who lost stood in that
    cohort and term (direct standardisation). A student who never lost is behind several terms of one cohort; the
    standard error adds up over a cohort's terms as if these went wholly together, which is the widest it can be,
    and its interval has the degrees of freedom of the smallest term.

    Examples
    --------
    >>> from nbanalytics.analysis.droppoints import losses
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> around = absence_around_loss(records, losses(records), window=1).table
    >>> around[["relative", "measure", "group", "status"]].head(3)
       relative measure       group status
    0        -1   total        lost     ok
    1        -1   total  never_lost     ok
    2        -1   total  difference     ok
    """
    measures = [name for name in _MEASURES if _is_known(records, name)]
    if not measures:
        refuse_without_total(records)
    if window < 0:
        raise DataError(f"window is {window}. Give the number of terms to show before and after the loss.")
    cells = _cells(records, losses, window, measures)
    rows = []
    for relative in range(-window, window + 1):
        for measure in measures:
            lost = cells[(cells["relative"] == relative) & (cells["measure"] == measure) & (cells["n"] > 0)]
            never = cells[(cells["relative"] == _NEVER) & (cells["measure"] == measure)]
            groups = _compare(lost, never, min_students)
            rows += [{"relative": relative, "measure": measure, "group": group, **row} for group, row in groups.items()]
    return AbsenceAroundLoss(
        table=pd.DataFrame(rows, columns=list(_COLUMNS)),
        settings={"window": window, "min_students": min_students},
        students=_students(records, losses, window),
    )


def _placed(records: StudentRecords, losses: Losses, window: int) -> Any:
    """Return absence rows with ``_relative``: within the window of a loss, or of students who never lost."""
    records.refuse_uncountable()
    terms = records.declaration.terms
    people = open_frame(losses.table).filter(nw.col("duration") > 0).select("student_id", "cohort", "lost_term")
    placed = (
        people.join(absence_by_term(records), on="student_id", how="inner")
        .with_columns(_term=number_of(terms, "term"), _lost=number_of(terms, "lost_term"))
        .with_columns(_relative=nw.col("_term") - nw.col("_lost"))
        .with_columns(_relative=nw.when(nw.col("_lost").is_null()).then(nw.lit(_NEVER)).otherwise(nw.col("_relative")))
    )
    shown = ((nw.col("_relative") >= -window) & (nw.col("_relative") <= window)) | (nw.col("_relative") == _NEVER)
    return placed.filter(shown & ~nw.col("_term").is_null())


def _is_known(records: StudentRecords, measure: str) -> bool:
    if records.absence is None or measure == "total":
        return knows_total_absence(records)
    return measure in column_names(open_frame(records.absence))


def _cells(records: StudentRecords, losses: Losses, window: int, measures: Sequence[str]) -> pd.DataFrame:
    """Return n, mean and variance of each measure by relative term, cohort and term."""
    squares = {f"{name}_2": nw.col(name) * nw.col(name) for name in measures}
    sums = collect(
        _placed(records, losses, window)
        .with_columns(**squares)
        .group_by("_relative", "cohort", "_term")
        .agg(
            *(nw.col(name).count().alias(f"{name}_n") for name in measures),
            *(nw.col(name).sum().alias(f"{name}_1") for name in measures),
            *(nw.col(name).sum() for name in squares),
        )
    )
    parts = []
    for name in measures:
        part = sums[["_relative", "cohort", "_term"]].rename(columns={"_relative": "relative", "_term": "term"})
        n, first, second = (sums[f"{name}_{power}"].fillna(0).astype(float) for power in ("n", "1", "2"))
        mean = first / n.where(n > 0)
        variance = ((second - n * mean**2) / (n - 1).where(n > 1)).clip(lower=0)
        parts.append(part.assign(measure=name, n=n.astype(int), sum=first, sum_2=second, mean=mean, variance=variance))
    return pd.concat(parts, ignore_index=True)


def _compare(lost: pd.DataFrame, never: pd.DataFrame, min_students: int) -> dict[str, dict[str, Any]]:
    n = int(lost["n"].sum())
    paired = lost[["cohort", "term", "n"]].merge(
        never[["cohort", "term", "n", "mean", "variance"]], on=["cohort", "term"], how="left", suffixes=("_lost", "")
    )
    compared = int(paired["n"].fillna(0).sum())
    few = {"mean": nan, "se": nan, "low": nan, "high": nan, "status": "too_few"}
    if n < max(min_students, 2):
        return {group: {"n": size, **few} for group, size in _sizes(n, compared).items()}
    mean = float(lost["sum"].sum()) / n
    error = sqrt(max(float(lost["sum_2"].sum()) - n * mean**2, 0.0) / (n - 1) / n)
    rows = {"lost": {"n": n, **_estimate(mean, error, n - 1)}}
    smallest = paired["n"].fillna(0).min()
    if smallest < max(min_students, 2):
        sizes = _sizes(n, compared)
        return {**rows, **{group: {"n": sizes[group], **few} for group in ("never_lost", "difference")}}
    weights = paired["n_lost"] / n
    matched = float((weights * paired["mean"]).sum())
    by_cohort = (weights * (paired["variance"] / paired["n"]) ** 0.5).groupby(paired["cohort"]).sum()
    matched_error = sqrt(float((by_cohort**2).sum()))
    freedom = int(smallest) - 1
    rows["never_lost"] = {"n": compared, **_estimate(matched, matched_error, freedom)}
    both = sqrt(error**2 + matched_error**2)
    rows["difference"] = {"n": n + compared, **_estimate(mean - matched, both, min(n - 1, freedom))}
    return rows


def _sizes(lost: int, compared: int) -> dict[str, int]:
    return {"lost": lost, "never_lost": compared, "difference": lost + compared}


def _estimate(mean: float, error: float, freedom: int) -> dict[str, Any]:
    low, high = mean_interval(mean, error, freedom)
    return {"mean": mean, "se": error, "low": low, "high": high, "status": "ok"}


def _students(records: StudentRecords, losses: Losses, window: int) -> int:
    placed = _placed(records, losses, window).filter(nw.col("_relative") != _NEVER)
    known = placed.filter(~nw.col("valid").is_null() | ~nw.col("invalid").is_null())
    return len(collect(known.select("student_id").unique()))
