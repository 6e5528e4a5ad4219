"""The check of rounded releases: nothing small is left over, nothing hidden follows, nobody can take means of two."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure.attack import determined
from nbanalytics.disclosure.knowledge import Knowledge
from nbanalytics.disclosure.possible import Possible
from nbanalytics.release.knowledge import Published, knowledge_of
from nbanalytics.release.model import OK, Release
from nbanalytics.release.outcomes import Outcomes, group_of, outcomes_of, selections_of
from nbanalytics.release.verify import Verification, Weakness, is_rounded, settings_of, verify


def verify_rounded(releases: Sequence[Release], progress: Callable[[str], None] | None, seconds: float) -> Verification:
    """Check releases of which some are rounded, all of them together, with nothing but what is in them.

    Parameters
    ----------
    releases : sequence of Release
    progress, seconds
        As in :func:`nbanalytics.release.verify.verify`.

    Returns
    -------
    Verification
        Beside the kinds of that: ``rounding`` (a count that is no multiple of the unit), ``small`` (a count, what is
        left outside an outcome or outside a selection, or a group, that is too small), ``mixed`` (the same students
        rounded and not) and ``between`` (the same students rounded differently).

    Notes
    -----
    Counts that are multiples of the unit cannot leave anything smaller over, whatever is added and taken away; that is
    checked of the counts themselves and, so as to take nothing on trust, of all differences between nested cells. For
    the hidden counts the releases are attacked in units: in drawn students, of whom one is enough.
    """
    rounded = [release for release in releases if is_rounded(release)]
    others = [release for release in releases if not is_rounded(release)]
    published = knowledge_of(rounded)
    units = {_unit(release) for release in rounded}
    attacked = verify([_in_units(release) for release in rounded], progress, seconds)
    unit = max(units)
    found = [
        *_mixed(rounded, others),
        *_between(published, units),
        *(weakness for release in rounded for weakness in _no_multiples(release)),
        *_small(published, min(units)),
        *_small_groups(published),
        *_exact(published, unit, attacked.tables),
        *((row.kind, row.where, f"{row.says} (in units of {unit})") for row in attacked.table.itertuples()),
    ]
    counts = dict(attacked.counts)
    if others:
        beside = verify(others, progress, seconds)
        found += beside.table.itertuples(index=False, name=None)
        counts = {name: count + beside.counts[name] for name, count in counts.items()}
    settings = settings_of(releases, published)
    table = pd.DataFrame(list(dict.fromkeys(found)), columns=["kind", "where", "says"], dtype="str")
    return Verification(table, settings, counts, _in_students(attacked.tables, unit))


def _unit(release: Release) -> int:
    return int(release.manifest["rounding"]["unit"])


def _in_units(release: Release) -> Release:
    """Return the release as one that counts the drawn students, of whom a single one may be shown."""
    unit, policy = _unit(release), release.manifest["policy"]
    least = -(-int(policy["min_group"]) // unit)
    manifest = {name: value for name, value in release.manifest.items() if name != "protection"}
    tables = {}
    for name, table in release.tables.items():
        kinds = {measure: what["kind"] for measure, what in release.manifest["tables"][name]["measures"].items()}
        counted = table["measure"].map(kinds) == "count"
        tables[name] = table.assign(value=table["value"].where(~counted, table["value"] / unit))
    return Release({**manifest, "policy": {**policy, "min_cell": 1, "min_group": least}}, tables)


def _in_students(tables: Possible | None, unit: int) -> Possible | None:
    if tables is None:
        return None
    found = copy(tables)
    found.base, found.changes = tables.base * unit, [(cells, by * unit) for cells, by in tables.changes]
    return found


def _mixed(rounded: Sequence[Release], others: Sequence[Release]) -> Iterator[Weakness]:
    for one in rounded:
        for other in others:
            if shared := _shared_cohorts(one, other):
                says = "one release rounds its numbers, another shows them exactly: together they undo the rounding"
                yield "mixed", f"cohorts {shared}", says


def _between(published: Published, units: set[int]) -> Iterator[Weakness]:
    if published.changed:
        says = "two releases round its numbers differently: the mean of both is nearer the truth than either"
        for cohort in published.changed:
            yield "between", "all cohorts" if cohort == "*" else f"cohort {cohort}", says
    elif len(units) > 1:
        for one, other in combinations(published.releases, 2):
            if _unit(one) != _unit(other) and (shared := _shared_cohorts(one, other)):
                yield "between", f"cohorts {shared}", "two releases round its numbers to different units"


def _shared_cohorts(one: Release, other: Release) -> str:
    """Cohorts that two releases both hold; all of them if a release does not tell which it has."""
    held = [release.manifest["dimensions"]["cohort"]["values"] for release in (one, other)]
    if not all(held):
        return "that are not told"
    return ", ".join(cohort for cohort in held[0] if cohort in held[1])


def _no_multiples(release: Release) -> Iterator[Weakness]:
    unit = _unit(release)
    if unit < int(release.manifest["policy"]["min_cell"]):
        yield "rounding", "all tables", f"its unit is {unit}, less than the smallest outcome that may be shown"
    for name, entry in release.manifest["tables"].items():
        table = release.tables[name]
        counted = [measure for measure, what in entry["measures"].items() if what["kind"] == "count"]
        shown = table[(table["status"] == OK) & table["measure"].isin(counted)]
        off = int((shown["value"] % unit != 0).sum())
        if off:
            yield "rounding", name, f"{off} of {len(shown)} counts are no multiples of {unit}"


def _small(published: Published, least: int) -> Iterator[Weakness]:
    """Counts, outcomes' complements and nested selections' differences that are 1 to ``least`` - 1."""
    values, words = published.knowledge.values, published.words
    for cell in np.flatnonzero((values > 0) & (values < least)):
        yield "small", words(int(cell)), f"it is {values[cell]:.0f}, fewer than {least}"
    for line in (*outcomes_of(published), *selections_of(published)):
        for part, left in _left_over(line, values, least):
            yield "small", words(part), f"it leaves {left:.0f} outside it, fewer than {least}"


def _left_over(line: Outcomes, values: Any, least: int) -> Iterator[tuple[int, float]]:
    there = line.sums >= 0
    left = values[line.totals[line.sums[there]]] - values[line.parts[there]]
    for place in np.flatnonzero((left > 0) & (left < least)):
        yield int(line.parts[there][place]), float(left[place])


def _small_groups(published: Published) -> Iterator[Weakness]:
    """Groups that are shown to be too small, and counts that are shown of a group whose size is hidden."""
    values, sizes = published.knowledge.values, group_of(published)
    least = min(int(release.manifest["policy"]["min_group"]) for release in published.releases)
    for cell in np.unique(sizes[sizes >= 0]):
        if 0 < values[cell] < least:
            yield "small", published.words(int(cell)), f"it is a group of {values[cell]:.0f}, fewer than {least}"


def _exact(published: Published, unit: int, tables: Possible | None) -> Iterator[Weakness]:
    """Hidden counts that follow from what is shown, and are not 0; whoever counts in units knows more of them."""
    hidden = published.hidden
    if tables is None or not len(hidden):
        return
    knowledge = Knowledge(published.knowledge.matrix, published.knowledge.values / unit)
    low, high = knowledge.intervals
    follows = (determined(knowledge)[hidden] | (low[hidden] == high[hidden])) & (tables.base[hidden] > 0)
    for cell in hidden[follows]:
        yield "exact", published.words(int(cell)), "it is hidden and follows from what is shown"
