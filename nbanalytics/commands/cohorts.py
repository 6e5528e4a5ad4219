"""``nbanalytics cohorts``: the six groups, in words or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbanalytics.commands.terminal import RecordsPath, opened, show, waiting

if TYPE_CHECKING:
    import pandas as pd

    from nbanalytics.analysis.cohorts import Classification
    from nbanalytics.records import StudentRecords


def cohorts(
    path: RecordsPath,
    cohort: Annotated[
        int | None, typer.Option(metavar="YEAR", help="Leaving year of the cohort; by default all.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON: one object with --cohort, else a list with one object per cohort.")
    ] = False,
) -> None:
    """Count the six groups of a cohort, the subgroups of group 6, and who has no group and why.

    Example: nbanalytics cohorts my-records --cohort 2018
    """
    from nbanalytics.analysis.cohorts import classify

    records = opened(path)
    if cohort is not None:
        records = records.cohort(cohort)
    with waiting("classifying students"):
        classification = classify(records)
        summaries = summarise(records, classification)
    if as_json:
        show(json.dumps(summaries[0] if cohort is not None else summaries, ensure_ascii=False))
    else:
        show("\n\n".join(_in_words(summary) for summary in summaries))


def summarise(records: StudentRecords, classification: Classification) -> list[dict[str, Any]]:
    """Counts of each cohort as the JSON of ``nbanalytics cohorts`` holds them.

    The subgroups need to know who became eligible in the summer, so without outcomes there are none.
    """
    from nbanalytics.analysis.cohorts import subgroups

    divided = subgroups(records, classification).counts if records.outcomes is not None else None
    summaries = []
    for cohort in sorted(classification.counts["cohort"].unique()):
        groups = _counts(classification.counts, cohort, "group")
        unclassified = _counts(classification.unclassified, cohort, "reason")
        summaries.append(
            {
                "cohort": int(cohort),
                "students": sum(groups.values()) + sum(unclassified.values()),
                "groups": groups,
                "subgroups": {} if divided is None else _counts(divided, cohort, "subgroup"),
                "unclassified": unclassified,
            }
        )
    return summaries


def _counts(table: pd.DataFrame, cohort: int, name: str) -> dict[str, int]:
    of_cohort = table[table["cohort"] == cohort]
    return {str(key): int(number) for key, number in zip(of_cohort[name], of_cohort["students"], strict=True)}


_MEANINGS = {
    "1": "eligible in both terms, positive development",
    "2": "eligible in both terms, negative development",
    "3": "eligible in neither, negative development",
    "4": "eligible in neither, positive development",
    "5": "became eligible",
    "6": "lost eligibility",
}


def _in_words(summary: dict[str, Any]) -> str:
    lines = [f"Cohort {summary['cohort']}: {summary['students']} students"]
    lines += [f"  group {group} {count:>8}  {_MEANINGS[group]}" for group, count in summary["groups"].items()]
    lines += [f"    of group 6, {name:<6} {count:>6}" for name, count in summary["subgroups"].items()]
    lines += [f"  no group {count:>7}  {reason}" for reason, count in summary["unclassified"].items()]
    return "\n".join(lines)
