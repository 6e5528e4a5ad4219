"""Features and outcome together: the table that models, validation and audits start from; and person-periods."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.analysis.droppoints import losses, person_periods
from nbanalytics.errors import DataError
from nbanalytics.frames import collect
from nbanalytics.records import StudentRecords
from nbanalytics.risk.data.asof import OwnFeature, terms_until
from nbanalytics.risk.data.feature_table import Features, features, total_absence
from nbanalytics.risk.data.outcomes import followed, outcome
from nbanalytics.risk.data.riskdata import RiskData, years_between


def dataset(
    records: StudentRecords,
    name: str = "lost",
    at: str | None = None,
    until: str | None = None,
    families: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
    school: str | None = None,
    own: Sequence[OwnFeature] = (),
    limit: float = 20.0,
    streck: bool = False,
    history: bool = False,
) -> RiskData:
    """Combine the features known at the prediction point with the outcome that came later.

    Parameters
    ----------
    records : StudentRecords
    name : str
        The outcome, see :func:`outcome`.
    at : str, optional
        The prediction point; by default the start term.
    until, limit, streck
        As in :func:`outcome`.
    families, subjects, school, own
        As in :func:`features`.
    history : bool
        Whether to add ``school_rate_before``: the share with the outcome at the school in cohorts whose outcome was
        known at the prediction point. It is made of outcomes, so it cannot be used in a validation that leaves out
        schools.

    Returns
    -------
    RiskData
        Students who are in school at ``at``, at risk, and whose outcome is known; the others are in ``left_out``.

    Raises
    ------
    DataError, LeakageError
        As :func:`features` and :func:`outcome`, or if no student is left.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> data = dataset(simulate(seed=1, cohorts=[2018]).records, "group_6", at="6VT")
    >>> len(data), int(data.y.sum()), data.observed_at, data.gap_years
    (259, 23, '9VT', 3)
    """
    at = records.declaration.start if at is None else at
    known = features(records, at, families, subjects, school, own)
    came = outcome(records, name, at, until, limit, streck)
    table = known.table.merge(came.table[["student_id", "y", "reason"]], on="student_id", how="left")
    used = table["y"].notna()
    left_out = _left_out(known, table[~used])
    if not used.any():
        raise DataError(
            f"Of {len(table)} students in school in {at}, none is at risk of {name!r} with a known outcome in "
            f"{came.observed_at}",
            "Choose another outcome, horizon or prediction point.",
        )
    table = table[used].drop(columns="reason").reset_index(drop=True)
    table.insert(3, "y", table.pop("y").astype(int))
    gap = years_between(records.declaration.terms, at, came.observed_at)
    names, when = known.features, dict(known.known)
    if history:
        table["school_rate_before"] = rate_before(table, gap)
        names, when = (*names, "school_rate_before"), {**when, "school_rate_before": at}
    return RiskData(
        table=table,
        features=names,
        at=at,
        outcome=name,
        observed_at=came.observed_at,
        sensitive=known.sensitive,
        known=when,
        gap_years=gap,
        left_out=left_out,
        settings={
            "families": tuple(dict.fromkeys(known.family.values())),
            "family": dict(known.family),
            "skipped": known.skipped,
            **came.settings,
            "declaration": records.declaration.name,
            "terms": records.declaration.terms,
        },
        periods=periods_at_risk(records, at, came.observed_at) if name == "lost" else None,
    )


def rate_before(table: pd.DataFrame, gap_years: int) -> pd.Series[float]:
    """Return the share with the outcome at the student's school in cohorts that had left ``gap_years`` before.

    Examples
    --------
    >>> table = pd.DataFrame({"school_id": "S1", "cohort": [2018, 2018, 2021, 2020], "y": [1, 0, 0, 0]})
    >>> rate_before(table, 3).tolist()
    [nan, nan, 0.5, nan]
    """
    sums = table.groupby(["school_id", "cohort"])["y"].agg(["sum", "size"])
    rates = {}
    for school, cohort in sums.index:
        past = sums.loc[school].loc[: cohort - gap_years].sum()
        rates[school, cohort] = past["sum"] / past["size"] if past["size"] else float("nan")
    return pd.Series([rates[place] for place in zip(table["school_id"], table["cohort"], strict=True)], table.index)


def _left_out(known: Features, without: pd.DataFrame) -> pd.DataFrame:
    counted = without.groupby(["cohort", "reason"]).size().rename("students").reset_index()
    both = pd.concat([known.left_out, counted], ignore_index=True)
    return both.groupby(["cohort", "reason"])["students"].sum().reset_index()


#: How a person-period can end: nothing happened, eligibility lost, moved away, not seen again for no known reason.
EXITS = ("none", "lost", "moved", "unknown")


def periods_at_risk(records: StudentRecords, at: str, by: str | None = None) -> pd.DataFrame:
    """Return one row per student at risk and term after the prediction point.

    Parameters
    ----------
    records : StudentRecords
    at : str
        The prediction point; students eligible then are at risk.
    by : str, optional
        The last term; by default the end term.

    Returns
    -------
    pandas.DataFrame
        ``student_id, cohort, school_id`` (where known), ``t`` (1, 2, ...), ``term``; ``exit``: ``none``, ``lost``,
        ``moved`` or ``unknown``; ``event``: 1 if lost; and, where there is absence, ``absence_valid, absence_invalid,
        absence_total`` of the term *before*: what was known when the term began.

    Notes
    -----
    The rows of :func:`nbanalytics.person_periods`, and one more for a student who is no longer seen, in which the exit
    happens. Within a term, leaving comes first and losing second: students who have left are not at risk of a loss
    there, so that hazards of loss are those of the life table. Terms in which a cohort has no results yet are not
    exits.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> periods = periods_at_risk(simulate(seed=1, cohorts=[2019]).records, "6VT")
    >>> sorted(periods["exit"].unique())
    ['lost', 'moved', 'none']
    """
    terms_until(records, at)
    every = records.to_pandas()
    terms = list(records.declaration.terms)
    found = losses(followed(every, at, by or records.declaration.end))
    rows = collect(person_periods(found))
    kept = [name for name in ("student_id", "cohort", "school_id", "t", "term", "event") if name in rows]
    table = rows[kept].assign(exit=np.where(rows["event"] == 1, "lost", "none"))
    table = pd.concat([table, _exits(every, collect(found.table), list(found.steps))], ignore_index=True)
    table = table[[*kept, "exit"]].sort_values(["student_id", "t"], ignore_index=True)
    if every.absence is None:
        return table
    absence = total_absence(every).add_prefix("absence_").reset_index()
    following = dict(pairwise(terms))
    absence["term"] = absence["term"].map(following)
    return table.merge(absence, on=["student_id", "term"], how="left")


def _exits(records: StudentRecords, found: pd.DataFrame, steps: list[str]) -> pd.DataFrame:
    """Return the row in which a student is seen no longer, if the student's cohort has results in that term."""
    gone = found[(found["event"] == 0) & (found["duration"] < len(steps))]
    gone = gone.assign(t=gone["duration"] + 1, event=0)
    gone["term"] = gone["t"].map(dict(enumerate(steps, start=1)))
    cohort = records.students.set_index("student_id")["cohort"]
    graded: Any = records.grades.assign(cohort=records.grades["student_id"].map(cohort))
    seen = set(graded[["cohort", "term"]].drop_duplicates().itertuples(index=False, name=None))
    happened = [pair in seen for pair in zip(gone["cohort"], gone["term"], strict=True)]
    gone = gone[np.array(happened, dtype=bool)]
    moved: set[Any] = set()
    if "moved_out" in records.students:
        moved = set(records.students.loc[records.students["moved_out"].notna(), "student_id"])
    return gone.assign(exit=np.where(gone["student_id"].isin(moved), "moved", "unknown"))
