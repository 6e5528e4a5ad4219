"""Features and outcome together: the table that models, validation and audits start from."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.records import StudentRecords
from nbanalytics.risk.data.asof import OwnFeature
from nbanalytics.risk.data.at_risk import periods_at_risk
from nbanalytics.risk.data.feature_table import Features, features
from nbanalytics.risk.data.outcomes import outcome
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
