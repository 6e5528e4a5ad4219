"""How the six groups move when the rule behind them does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from nbanalytics.cohorts.classify import Classification, GroupRule, classify
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
    eligibility : sequence of str, optional
        Names of eligibility rules; by default only the declaration's.

    Returns
    -------
    Sensitivity
        Groups 5 and 6 depend on the eligibility rule alone; the others also on the change.

    Examples
    --------
    >>> from nbanalytics.simulate import simulate
    >>> result = sensitivity(simulate(seed=1, cohorts=[2018]).records, thresholds=(0, 1))
    >>> result.table.query("group == 6")["students"].unique().tolist()
    [23]
    """
    parts: list[pd.DataFrame] = []
    first: Classification | None = None
    for rule_name in eligibility or (records.declaration.rule,):
        for place in no_change:
            for threshold in thresholds:
                rule = GroupRule(threshold, place, rule_name)  # type: ignore[arg-type]
                result = classify(records, rule)
                first = first or result
                parts.append(result.counts.assign(eligibility=rule_name, threshold=float(threshold), no_change=place))
    assert first is not None
    table = pd.concat(parts, ignore_index=True)
    reference = first.counts.set_index(["cohort", "group"])["students"].rename("reference")
    table = table.join(reference, on=["cohort", "group"])
    table["moved"] = table["students"] - table["reference"]
    order = ["eligibility", "threshold", "no_change", "cohort", "group", "students", "moved"]
    return Sensitivity(table[order], int(first.counts["students"].sum()))
