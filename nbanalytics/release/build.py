"""Build a release from records: count, protect, and keep only what may be shown."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure import CellSystem, Policy, SystemBuilder, check_protection, protect
from nbanalytics.disclosure.cells import Mask
from nbanalytics.errors import DisclosureError
from nbanalytics.records import StudentRecords, refuse_identity_numbers
from nbanalytics.release.cube import Cube, crossings, to_rows
from nbanalytics.release.declared import Declared, standard
from nbanalytics.release.files import signed
from nbanalytics.release.guards import guard_complements, guard_others, loose_unions, mean_rows
from nbanalytics.release.knowledge import known_cells, known_entries, known_mask, ranges_of
from nbanalytics.release.links import Cubes, Link, add_links, links_of, unpublished_cubes
from nbanalytics.release.manifest import describe
from nbanalytics.release.model import FILTERS, NOT_APPLICABLE, OK, SUPPRESSED, Release
from nbanalytics.release.persons import Persons, persons_of
from nbanalytics.release.report import report_rows, tally
from nbanalytics.release.rounded import Rounded, round_persons, worth_publishing
from nbanalytics.release.tables import count_tables, number_cells

Progress = Callable[[str], None]


def build_release(
    records: StudentRecords,
    policy: Policy | None = None,
    max_crossed: int | None = None,
    title: str | None = None,
    created: str | None = None,
    progress: Progress | None = None,
    contents: Declared | None = None,
    known: pd.DataFrame | None = None,
    secret: bytes | None = None,
) -> Release:
    """Make the closed set of aggregate cells that a board may see.

    Parameters
    ----------
    records : StudentRecords
    policy : Policy, optional
        Thresholds; by default a group of 10 and an outcome of 5.
    max_crossed : int, optional
        How many of the filters cohort, school, sex and newly arrived may be set at once, 0 to 4; by default what
        ``contents`` says, which is 2, and 1 or 0 in the tables with most cells.
    title : str, optional
        By default made of the name in the declaration.
    created : str, optional
        Date, ``YYYY-MM-DD``; today. With the same records and date the release is the same, byte for byte.
    progress : callable, optional
        Called with a message at each step.
    contents : Declared, optional
        Which filters, tables and measures; by default all, see :func:`nbanalytics.release.declared.read_declared`.
    known : DataFrame, optional
        Cells that the public knows already, see :func:`nbanalytics.release.knowledge.read_known`: they stay visible.
    secret : bytes, optional
        Makes it a rounded release, see :mod:`nbanalytics.release.rounded`: with the same secret students of whom
        the records say the same are rounded the same.

    Returns
    -------
    Release

    Raises
    ------
    DisclosureError
        If there are fewer students than the smallest group of the policy, if ``max_crossed`` is not 0 to 4, or if
        the tables do not add up; if a rounded release would be off too far, or known cells are to be kept in it.
    DataError
        If the records cannot be analysed.

    Examples
    --------
    >>> from nbanalytics.release.declared import parse_declared
    >>> ids, subjects = [f"P{number}" for number in range(20)], ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"]
    >>> rows = [(who, term, subject, "C") for who in ids for term in ("6VT", "9VT") for subject in subjects]
    >>> grades = pd.DataFrame(rows, columns=["student_id", "term", "subject", "grade"])
    >>> records = StudentRecords(pd.DataFrame({"student_id": ids, "cohort": 2018}), grades)
    >>> groups = parse_declared({"max_crossed": 0, "tables": {"groups": {}}})
    >>> release = build_release(records, contents=groups, created="2026-01-02")
    >>> release
    Release 'Betygsprogression, kommunen', 2026-01-02: 1 tables, 7 cells, 0 of them suppressed
    >>> release.cells("groups", group="1")["value"].item()
    20.0
    """
    tell = progress or (lambda words: None)
    policy = policy or Policy()
    if max_crossed is not None:
        contents = (contents or standard()).crossed(max_crossed)
    date = _date(created)
    refuse_identity_numbers(records)
    tell("counting students")
    persons = persons_of(records).by((contents or standard()).filters)
    _refuse_few(persons, policy)
    rounded: Rounded | None = None
    facts: dict[str, Any] = {}
    if secret is not None:
        _refuse_known(known)
        tell("rounding")
        rounded = round_persons(persons, policy, secret)
        contents, facts = worth_publishing(rounded, policy, contents)
    contents = contents or standard()
    builder = SystemBuilder()
    cubes, links = numbered_cells(builder, persons, policy, contents, rounded)
    system = builder.build()
    if rounded is not None:
        system = rounded.in_units(system)
    public = np.zeros(len(system.values), dtype=bool)
    if known is not None:
        public = known_mask(system, known_cells(known, cubes))
    hidden = _protected(system, cubes, policy, public, tell)
    tell("protecting means")
    tables = _tables(persons, cubes, hidden, policy, contents, rounded)
    facts |= _facts(system, cubes, hidden, policy, known)
    made = describe(records, persons, tables, cubes, links, policy, contents, title, date, facts)
    return made if rounded is not None else signed({**made.manifest, "ranges": ranges_of(made)}, made.tables)


def _refuse_few(persons: Persons, policy: Policy) -> None:
    if len(persons.table) < policy.min_group:
        raise DisclosureError(
            f"There are {len(persons.table)} students in the records and the policy wants groups of "
            f"{policy.min_group} or more, so there is nothing to publish. Take more cohorts or schools together."
        )


def numbered_cells(
    builder: SystemBuilder, persons: Persons, policy: Policy, contents: Declared, rounded: Rounded | None = None
) -> tuple[Cubes, tuple[Link, ...]]:
    """Count and number every cell, published or not, and add all sums that bind them; rounded, if that is wanted.

    Returns
    -------
    cubes, links
        The counts by table and measure, and the sums between tables.
    """
    if rounded is not None:
        persons = rounded.persons
    counted = count_tables(persons, policy, contents) if rounded is None else rounded.counted(policy, contents)
    cubes = number_cells(counted, builder, policy, contents.priorities)
    for cube in unpublished_cubes(persons, crossings(persons.filters, contents.max_crossed)):
        ids = builder.add_cells(cube.counts, cube.declared, virtual=True)
        cubes[cube.table, cube.measure] = replace(cube, ids=ids)
        for number, axis in enumerate(persons.filters):
            if axis.values:
                builder.add_margins(ids, number)
    links = links_of(persons, cubes)
    add_links(builder, cubes, links)
    guard_complements(builder, cubes, links, policy)
    if rounded is not None:
        guard_others(builder, cubes)
    return cubes, links


def _protected(system: CellSystem, cubes: Cubes, policy: Policy, known: Mask, tell: Progress) -> Mask:
    """Choose what to hide; then more, until few students are left over nowhere; and replay all witnesses.

    A witness holds whatever is hidden beside the cells that it changes, so that what is hidden later only has to be
    protected itself.
    """
    public = known if known.any() else None
    protections = [protect(system, tell, policy, public)]
    hidden = protections[0].hidden
    while len(more := np.setdiff1d(loose_unions(cubes, hidden, policy), np.flatnonzero(known | hidden))):
        tell(f"hiding {len(more)} more")
        guarded = np.zeros(len(hidden), dtype=bool)
        guarded[more] = True
        protections.append(protect(replace(system, primary=hidden | guarded, guarded=guarded), tell, policy, public))
        hidden = protections[-1].hidden
    tell(f"replaying {sum(protection.witnesses.shape[0] for protection in protections)} witnesses")
    wrong = [
        words for protection in protections for words in check_protection(system, replace(protection, hidden=hidden))
    ]
    if wrong:
        raise DisclosureError(f"The protection does not hold, so nothing is published: {'; '.join(wrong)}.")
    return hidden


def _tables(
    persons: Persons, cubes: Cubes, hidden: Mask, policy: Policy, contents: Declared, rounded: Rounded | None
) -> dict[str, pd.DataFrame]:
    """Make the tables: counts with what is hidden left out, then means and shares."""
    rows = {key: _count_rows(cube, hidden) for key, cube in cubes.items() if cube.published}
    behind = cubes if rounded is None else rounded.behind_means(cubes, policy, contents)
    rows |= mean_rows(persons, behind, hidden, policy, contents)
    rows |= _share_rows(rows, contents)
    return {
        name: _table(declared.dimensions, [part for (table, _), part in rows.items() if table == name])
        for name, declared in contents.tables.items()
        if any(table == name for table, _ in rows)
    }


def _facts(
    system: CellSystem, cubes: Cubes, hidden: Mask, policy: Policy, known: pd.DataFrame | None
) -> dict[str, Any]:
    """Tell what the manifest says of the cells: how many, how many of them hidden, and what was known before."""
    counts = int((~system.virtual).sum())
    return {
        "hidden": {"counts": counts, **tally(int(hidden.sum()), int((hidden & system.primary).sum()))},
        "known": [] if known is None else known_entries(known),
        "report": report_rows(cubes, hidden, policy),
    }


def _refuse_known(known: pd.DataFrame | None) -> None:
    if known is not None:
        raise DisclosureError(
            f"{len(known)} known cells are to stay as they are, and a rounded release changes every count. "
            "Leave out --known, or publish without --round."
        )


def _date(created: str | None) -> str:
    try:
        return datetime.date.fromisoformat(created).isoformat() if created else datetime.date.today().isoformat()
    except ValueError:
        raise DisclosureError(f"created is {created!r}; give a date as YYYY-MM-DD.") from None


def _count_rows(cube: Cube, hidden: np.ndarray[Any, Any]) -> pd.DataFrame:
    rows = to_rows(cube)
    concealed = hidden[cube.ids[cube.declared]]
    values = np.where(concealed, np.nan, cube.counts[cube.declared].astype(float))
    return rows.assign(value=values, status=np.where(concealed, SUPPRESSED, OK))


def _share_rows(rows: dict[tuple[str, str], pd.DataFrame], contents: Declared) -> dict[tuple[str, str], pd.DataFrame]:
    """Hazard and survival from the counts that are shown: what those do not give is not given."""
    wanted = [measure for measure in ("hazard", "survival") if contents.has("droppoints", measure)]
    if not wanted:
        return {}
    at_risk, lost = rows["droppoints", "at_risk"], rows["droppoints", "lost"]
    nobody = at_risk["value"] == 0
    hazard = (lost["value"] / at_risk["value"].where(~nobody)).astype(float)
    # A term with nobody at risk leaves survival as it is, but nothing can be said from there on.
    survival = (1 - hazard).groupby([at_risk[name] for name in FILTERS], sort=False).cumprod()
    broken = hazard.isna().groupby([at_risk[name] for name in FILTERS], sort=False).cummax()
    made = {}
    shares = {"hazard": hazard, "survival": survival.mask(broken)}
    for measure, values in ((measure, shares[measure]) for measure in wanted):
        status = np.where(values.notna(), OK, np.where(nobody, NOT_APPLICABLE, SUPPRESSED))
        made["droppoints", measure] = at_risk.assign(measure=measure, value=values.round(4), status=status)
    return made


def _table(dimensions: Sequence[str], parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    columns = [*FILTERS, *dimensions]
    joined = pd.concat([part[[*columns, "measure", "value", "status"]] for part in parts])
    # Measures of one place side by side; the parts list their places in the same order.
    joined = joined.assign(_place=np.concatenate([np.arange(len(part)) for part in parts]))
    ordered = joined.sort_values("_place", kind="stable").drop(columns="_place").reset_index(drop=True)
    text = [*columns, "measure", "status"]
    return ordered.astype({**dict.fromkeys(text, "str"), "value": "float64"})
