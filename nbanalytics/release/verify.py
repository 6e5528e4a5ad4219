"""The attack on what is published: what follows of the hidden cells for whoever has nothing but the folders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure.attack import bounds, determined
from nbanalytics.disclosure.cells import Ids, Values
from nbanalytics.disclosure.possible import Possible, seen_beyond
from nbanalytics.errors import DisclosureError
from nbanalytics.release.differences import differences, loose_means, loose_shares
from nbanalytics.release.knowledge import Published, knowledge_of
from nbanalytics.release.model import ROUNDED, Release
from nbanalytics.release.outcomes import Outcomes, group_of, outcomes_of, selections_of
from nbanalytics.results import Shown

Weakness = tuple[str, str, str]
#: How long the attack looks for tables that show a cell to be safe, before it calls the cell unproven.
SECONDS = 60.0


@dataclass(frozen=True, repr=False)
class Verification(Shown):
    """What an attack on published releases found.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per weakness: ``kind`` (``sums``, ``exact``, ``narrow``, ``complement``, ``shared``, ``union``,
        ``share``, ``mean``, ``between``), ``where`` (table and selection in words) and ``says`` (what it gives away).
    settings : mapping
        ``releases`` (titles and dates), ``min_group``, ``min_cell``, ``changed`` (cohorts of which two releases
        publish different numbers).
    counts : mapping
        ``cells`` declared counts, ``hidden`` of them, ``proven`` (a table was found that has the cell at 0, or at
        ``min_cell`` or more), ``unproven`` (neither such a table nor a weakness was found).
    tables : Possible or None
        The tables that were found; their cells are numbered as by :func:`nbanalytics.release.knowledge.knowledge_of`.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    counts: Mapping[str, int]
    tables: Possible | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return self.table.empty

    def _words(self) -> str:
        releases = "; ".join(self.settings["releases"])
        seen = f"{self.counts['hidden']} of {self.counts['cells']} counts hidden, {self.counts['unproven']} unproven"
        found = "no weakness" if self.holds else f"{len(self.table)} weaknesses"
        return f"{releases}: {found}; {seen}"

    def text(self, most: int = 20) -> str:
        """Return the weaknesses in words, one line each, and the summary."""
        lines = [f"{row.kind}: {row.where}: {row.says}" for row in self.table.head(most).itertuples()]
        more = [f"… and {len(self.table) - most} more"] if len(self.table) > most else []
        return "\n".join([*lines, *more, self._words()])


def verify(
    releases: Sequence[Release], progress: Callable[[str], None] | None = None, seconds: float = SECONDS
) -> Verification:
    """Attack published releases, all of them together, with nothing but what is in them.

    Parameters
    ----------
    releases : sequence of Release
        Several are stacked on the cells that they share.
    progress : callable, optional
        Told in words what is being done.
    seconds : float
        How long tables are looked for that show a hidden cell to be open.

    Returns
    -------
    Verification
        Against the thresholds of the releases' policies, the smallest of several.

    Notes
    -----
    Bounds by single sums, over and over; the rank test (Projection on the null space of all sums) for linear
    combinations; integer programs for what is left; then outcomes and complements, groups that share an unfavourable
    outcome, unions of hidden cells that nested selections leave over, shares, means, differences between releases.
    """
    if any(is_rounded(release) for release in releases):
        from nbanalytics.release.verify_rounded import verify_rounded

        return verify_rounded(releases, progress, seconds)
    tell = progress or (lambda words: None)
    tell("reading the sums")
    published = knowledge_of(releases)
    settings = settings_of(releases, published)
    floor = {name: int(settings[name]) for name in ("min_group", "min_cell")}
    hidden = published.hidden
    counts = {"cells": int((~np.isnan(published.knowledge.values)).sum()) + len(hidden), "hidden": len(hidden)}
    try:
        low, high, tables = _bounds(published, hidden, floor, tell, seconds)
    except DisclosureError as error:
        return _verification(
            [("sums", "all tables", str(error))], settings, counts | {"proven": 0, "unproven": len(hidden)}
        )
    tell("looking for weaknesses")
    words, lines = published.words, list(outcomes_of(published))
    found = [
        *_cells(published, low, high, floor, words),
        *_complements(lines, low, high, floor, words),
        *_shared(lines, low, high, words),
        *_unions(published, low, high, floor, words),
        *loose_shares(releases),
        *loose_means(releases, floor["min_group"]),
        *differences(published, floor["min_cell"]),
    ]
    told = (low[hidden] >= 1) & (high[hidden] < floor["min_cell"])
    counts |= {"proven": int(tables.shown.sum()), "unproven": int((~tables.shown & ~told).sum())}
    return _verification(found, settings, counts, tables)


def is_rounded(release: Release) -> bool:
    """Whether the counts of a release are rounded, by what its manifest says."""
    return release.manifest.get("protection") == ROUNDED


def settings_of(releases: Sequence[Release], published: Published) -> dict[str, Any]:
    """Return what a verification says of the releases: what they are called, the smallest thresholds, what changed."""
    policies = [release.manifest["policy"] for release in releases]
    return {
        "releases": [f"{release.manifest['title']}, {release.manifest['created']}" for release in releases],
        **{name: min(int(policy[name]) for policy in policies) for name in ("min_group", "min_cell")},
        "changed": list(published.changed),
    }


def _verification(
    found: list[Weakness], settings: Mapping[str, Any], counts: Mapping[str, int], tables: Possible | None = None
) -> Verification:
    rows = list(dict.fromkeys(found))
    return Verification(pd.DataFrame(rows, columns=["kind", "where", "says"], dtype="str"), settings, counts, tables)


def _bounds(
    published: Published, hidden: Ids, floor: Mapping[str, int], tell: Callable[[str], None], seconds: float
) -> tuple[Values, Values, Possible]:
    """Bounds of every cell, and tables that show hidden cells to be open.

    A table with the cell at 0, or at the threshold, is enough: the cell could be one that nothing has to hide.
    """
    stop = time.monotonic() + seconds
    knowledge = published.knowledge
    low, high = (bound.copy() for bound in knowledge.intervals)
    follows = determined(knowledge)
    tell("bounding the hidden cells")
    enough = float(floor["min_cell"])
    tables = seen_beyond(knowledge, hidden, 0.0, enough, seconds / 2, tell)

    def bound(cells: Ids, below: float, above: float) -> None:
        cells = cells[low[cells] < high[cells]]
        if not len(cells):
            return
        limits = np.full(len(cells), below), np.full(len(cells), above)
        left = max(stop - time.monotonic(), 0.0)
        found = bounds(knowledge, cells, enough=limits, seconds=left, progress=tell, tables=tables)
        low[cells], high[cells] = np.maximum(low[cells], found.low), np.minimum(high[cells], found.high)

    bound(hidden[follows[hidden]], np.nan, np.nan)
    bound(hidden[~tables.shown], 0.0, -np.inf)
    bound(hidden[~tables.shown], np.inf, enough)
    return low, high, tables


Words = Callable[[int], str]


def _cells(
    published: Published, low: Values, high: Values, floor: Mapping[str, int], words: Words
) -> Iterator[Weakness]:
    """Cells known to be small outcomes, or known exactly and said of a small group."""
    smallest, group = floor["min_cell"], floor["min_group"]
    unpublished = np.isin(np.arange(len(low)), published.not_looked_at)
    for cell in np.flatnonzero((low >= 1) & (high < smallest) & ~unpublished):
        kind = "exact" if low[cell] == high[cell] else "narrow"
        yield kind, words(int(cell)), f"it is {_span(low[cell], high[cell])}, fewer than {smallest}"
    sizes = group_of(published)
    of_group = sizes >= 0
    size_low, size_high = np.where(of_group, low[sizes], np.inf), np.where(of_group, high[sizes], np.inf)
    told = (size_low >= 1) & (size_high < group) & (low == high) & (low >= smallest) & ~unpublished
    for cell in np.flatnonzero(told):
        yield "exact", words(int(cell)), f"it is {low[cell]:.0f}, of a group of fewer than {group}"


def _complements(
    lines: Sequence[Outcomes], low: Values, high: Values, floor: Mapping[str, int], words: Words
) -> Iterator[Weakness]:
    for line in lines:
        totals = line.totals[line.sums]
        least, most = low[totals] - high[line.parts], high[totals] - low[line.parts]
        told = (least >= 1) & (most < floor["min_cell"]) & (low[line.parts] >= 1)
        for place in np.flatnonzero(told):
            outside = _span(least[place], most[place])
            yield "complement", words(int(line.parts[place])), f"it leaves {outside} outside it"


def _shared(lines: Sequence[Outcomes], low: Values, high: Values, words: Words) -> Iterator[Weakness]:
    """Populations whose members are known to share unfavourable outcomes."""
    for line in lines:
        for row in _all_bad(line, low, high):
            yield "shared", words(int(line.totals[row])), "all its students are known to share an unfavourable outcome"


def _all_bad(line: Outcomes, low: Values, high: Values) -> Ids:
    if not line.bad.any():
        return np.empty(0, dtype=np.int64)
    if line.whole:
        others = np.bincount(line.sums[~line.bad], weights=high[line.parts[~line.bad]] > 0, minlength=len(line.totals))
        # A population whose outcomes are not all here (no favourable one) says nothing by itself.
        favourable = np.bincount(line.sums[~line.bad], minlength=len(line.totals))
        return np.flatnonzero((others == 0) & (favourable > 0) & (low[line.totals] >= 1))
    every = (low[line.parts] >= high[line.totals[line.sums]]) & (low[line.parts] >= 1) & line.bad
    return np.unique(line.sums[every])


def _unions(
    published: Published, low: Values, high: Values, floor: Mapping[str, int], words: Words
) -> Iterator[Weakness]:
    """Small numbers of the students of several values of a filter, left over when the shown ones are taken away."""
    for line in selections_of(published):
        open_parts = low[line.parts] < high[line.parts]
        known = np.bincount(line.sums[~open_parts], weights=low[line.parts[~open_parts]], minlength=len(line.totals))
        left = low[line.totals] - known
        several = np.bincount(line.sums[open_parts], minlength=len(line.totals)) > 1
        total_known = low[line.totals] == high[line.totals]
        for row in np.flatnonzero(total_known & several & (left >= 1) & (left < floor["min_cell"])):
            hidden = ", ".join(words(int(cell)) for cell in line.parts[(line.sums == row) & open_parts][:2])
            yield (
                "union",
                words(int(line.totals[row])),
                f"what is hidden of it ({hidden}, …) is {left[row]:.0f} together",
            )


def _span(low: float, high: float) -> str:
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
