"""Build a release from records: count, protect, and keep only what may be shown."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure import Policy, SystemBuilder, protect
from nbanalytics.errors import DisclosureError
from nbanalytics.records import StudentRecords
from nbanalytics.release.cube import to_rows
from nbanalytics.release.links import Cubes, link_tables
from nbanalytics.release.manifest import describe
from nbanalytics.release.means import mean_rows
from nbanalytics.release.model import NOT_APPLICABLE, OK, SUPPRESSED, Release
from nbanalytics.release.persons import FILTERS, persons_of
from nbanalytics.release.tables import count_tables, number_cells

#: Dimensions of each table beside the filters, in the order of the columns.
DIMENSIONS = {
    "eligibility": ("start", "end"),
    "groups": ("group",),
    "points": ("year",),
    "states": ("stage", "state"),
    "transitions": ("stage_from", "state_from", "stage_to", "state_to"),
    "droppoints": ("term",),
    "lost_subjects": ("term", "subject"),
}
Progress = Callable[[str], None]


def build_release(
    records: StudentRecords,
    policy: Policy | None = None,
    max_crossed: int = 2,
    title: str | None = None,
    created: str | None = None,
    progress: Progress | None = None,
) -> Release:
    """Make the closed set of aggregate cells that a board may see.

    Parameters
    ----------
    records : StudentRecords
    policy : Policy, optional
        Thresholds; by default a group of 10 and an outcome of 5.
    max_crossed : int
        How many of the filters cohort, school, sex and newly arrived may be set at once, 0 to 4.
    title : str, optional
        By default made of the name in the declaration.
    created : str, optional
        Date, ``YYYY-MM-DD``; today. With the same records and date the release is the same, byte for byte.
    progress : callable, optional
        Told in words what is being done.

    Returns
    -------
    Release

    Raises
    ------
    DisclosureError
        If there are fewer students than the smallest group of the policy, if ``max_crossed`` is not 0 to 4, or if
        the tables do not add up.
    DataError
        If the records cannot be analysed.
    """
    tell = progress or (lambda words: None)
    policy = policy or Policy()
    if max_crossed not in range(len(FILTERS) + 1):
        raise DisclosureError(f"max_crossed is {max_crossed}; give 0 to {len(FILTERS)}, the number of filters.")
    date = _date(created)
    tell("counting students")
    persons = persons_of(records)
    if len(persons.table) < policy.min_group:
        raise DisclosureError(
            f"There are {len(persons.table)} students in the records and the policy wants groups of "
            f"{policy.min_group} or more, so there is nothing to publish. Take more cohorts or schools together."
        )
    builder = SystemBuilder()
    cubes = number_cells(count_tables(persons, policy, max_crossed), builder, policy)
    link_tables(builder, cubes, persons)
    system = builder.build()
    protection = protect(system, tell)
    tell("protecting means")
    rows = {key: _count_rows(cubes, key, protection.hidden) for key in cubes}
    rows |= mean_rows(persons, cubes, protection.hidden, policy)
    rows |= _share_rows(rows)
    tables = {
        name: _table(name, [part for (table, _), part in rows.items() if table == name])
        for name in DIMENSIONS
        if any(table == name for table, _ in rows)
    }
    secondary = int((protection.hidden & ~protection.primary).sum())
    hidden = {"counts": int((~system.virtual).sum()), "counts_primary": int(protection.primary.sum()),
              "counts_secondary": secondary}  # fmt: skip
    return describe(records, persons, tables, policy, max_crossed, title, date, hidden)


def _date(created: str | None) -> str:
    try:
        return datetime.date.fromisoformat(created).isoformat() if created else datetime.date.today().isoformat()
    except ValueError:
        raise DisclosureError(f"created is {created!r}; give a date as YYYY-MM-DD.") from None


def _count_rows(cubes: Cubes, key: tuple[str, str], hidden: np.ndarray[Any, Any]) -> pd.DataFrame:
    cube = cubes[key]
    rows = to_rows(cube)
    concealed = hidden[cube.ids[cube.declared]]
    values = np.where(concealed, np.nan, cube.counts[cube.declared].astype(float))
    return rows.assign(value=values, status=np.where(concealed, SUPPRESSED, OK))


def _share_rows(rows: dict[tuple[str, str], pd.DataFrame]) -> dict[tuple[str, str], pd.DataFrame]:
    """Hazard and survival from the counts that are shown: what those do not give is not given."""
    at_risk, lost = rows["droppoints", "at_risk"], rows["droppoints", "lost"]
    nobody = at_risk["value"] == 0
    hazard = (lost["value"] / at_risk["value"].where(~nobody)).astype(float)
    # A term with nobody at risk leaves survival as it is, but nothing can be said from there on.
    survival = (1 - hazard).groupby([at_risk[name] for name in FILTERS], sort=False).cumprod()
    broken = hazard.isna().groupby([at_risk[name] for name in FILTERS], sort=False).cummax()
    made = {}
    for measure, values in (("hazard", hazard), ("survival", survival.mask(broken))):
        status = np.where(values.notna(), OK, np.where(nobody, NOT_APPLICABLE, SUPPRESSED))
        made["droppoints", measure] = at_risk.assign(measure=measure, value=values.round(4), status=status)
    return made


def _table(name: str, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    columns = [*FILTERS, *DIMENSIONS[name]]
    joined = pd.concat([part[[*columns, "measure", "value", "status"]] for part in parts])
    # Measures of one place side by side; the parts list their places in the same order.
    joined = joined.assign(_place=np.concatenate([np.arange(len(part)) for part in parts]))
    ordered = joined.sort_values("_place", kind="stable").drop(columns="_place").reset_index(drop=True)
    text = [*columns, "measure", "status"]
    return ordered.astype({**dict.fromkeys(text, "str"), "value": "float64"})
