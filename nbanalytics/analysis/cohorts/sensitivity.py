"""How the six groups move when the rule behind them does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import pandas as pd

from nbanalytics.analysis.cohorts.classify import GroupRule, classify
from nbanalytics.errors import DataError
from nbanalytics.records import StudentRecords
from nbanalytics.results import as_html


@dataclass(frozen=True)
class Sensitivity:
    """Counts of the six groups under every combination of settings.

    Attributes
    ----------
    table : pandas.DataFrame
        ``eligibility`` (rule), ``threshold``, ``no_change``, ``cohort, group, students`` and ``moved``: the
        difference from the first combination.
    students : int
        Students with a group under the first combination.
    """

    table: pd.DataFrame
    students: int

    def __repr__(self) -> str:
        settings = self.table[["eligibility", "threshold", "no_change"]].drop_duplicates()
        return f"Sensitivity of six groups, {self.students} students, {len(settings)} settings"

    def _repr_html_(self) -> str:
        summed = self.table.groupby(["eligibility", "threshold", "no_change", "group"], sort=False)["students"].sum()
        return as_html(self, summed.unstack("group"), index=True)


def sensitivity(
    records: StudentRecords,
    thresholds: Sequence[float] = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0),
    no_change: Sequence[str] = ("positive", "negative"),
    eligibility: Sequence[str] | None = None,
) -> Sensitivity:
    """Count the six groups under every combination of threshold, place of "no change" and eligibility rule.

    Parameters
    ----------
    records : StudentRecords
    thresholds : sequence of float
        Sizes of change, in mean grade points, that count as none.
    no_change : sequence of {"positive", "negative"}
        Where a change counts that is none.
    eligibility : sequence of str, optional
        Names of eligibility rules; by default only the declaration's.

    Returns
    -------
    Sensitivity
        Groups 5 and 6 depend on the eligibility rule alone; the others also on the change.

    Raises
    ------
    DataError
        If there is no threshold, or no place for "no change".

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> result = sensitivity(simulate(seed=1, cohorts=[2018]).records, thresholds=(0, 1))
    >>> result.table.query("group == 6")["students"].unique().tolist()
    [23]
    """
    settings = list(product(eligibility or (records.declaration.rule,), no_change, thresholds))
    if not settings:
        raise DataError('There is nothing to vary. Give at least one threshold, and "positive" or "negative".')
    parts = []
    for rule_name, place, threshold in settings:
        counts = classify(records, GroupRule(threshold, place, rule_name)).counts  # type: ignore[arg-type]
        parts.append(counts.assign(eligibility=rule_name, threshold=float(threshold), no_change=place))
    table = pd.concat(parts, ignore_index=True)
    reference = parts[0].set_index(["cohort", "group"])["students"].rename("reference")
    table = table.join(reference, on=["cohort", "group"])
    table["moved"] = table["students"] - table["reference"]
    order = ["eligibility", "threshold", "no_change", "cohort", "group", "students", "moved"]
    return Sensitivity(table[order], int(reference.sum()))
