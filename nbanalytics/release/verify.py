"""The attack on what is published: what an outsider can infer about the hidden cells from the folders alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure import SystemBuilder, exposed
from nbanalytics.disclosure.attack import bounds, determined
from nbanalytics.disclosure.cells import Ids, Mask, Values
from nbanalytics.disclosure.knowledge import Knowledge
from nbanalytics.disclosure.possible import Possible, seen_beyond
from nbanalytics.errors import DisclosureError
from nbanalytics.release.knowledge import (
    CELL,
    Frames,
    Published,
    cell_keys,
    keys_of,
    knowledge_of,
    margins_of,
    place_words,
    sum_of_link,
)
from nbanalytics.release.model import ALL, FILTERS, OK, ROUNDED, SUPPRESSED, Release
from nbanalytics.results import Shown


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of populations, a row each.

    Attributes
    ----------
    totals : int array
        Cells with the sizes of the populations.
    sums : int array
        For each outcome, the population it belongs to.
    parts : int array
        For each outcome, its cell.
    bad : bool array
        Which outcomes are unfavourable.
    whole : bool
        Whether the outcomes are all there are, so that nobody is left if they are zero.
    """

    totals: Ids
    sums: Ids
    parts: Ids
    bad: Mask
    whole: bool = True


def outcomes_of(published: Published) -> Iterator[Outcomes]:
    """List the populations by outcome of all releases: along dimensions other than filters, and between tables."""
    for release, frames in zip(published.releases, published.frames, strict=True):
        unfavourable = release.manifest["policy"]["unfavourable"]
        yield from _within(release, frames, unfavourable)
        yield from _outcomes_between(release, frames, unfavourable)
        yield from _subjects(frames)


def selections_of(published: Published) -> Iterator[Outcomes]:
    """List the selections by a filter of all releases: each sum over the values of one filter."""
    for release, frames in zip(published.releases, published.frames, strict=True):
        for (table, _), frame in frames.items():
            if table in release.manifest["tables"]:
                for name in FILTERS:
                    totals, sums, parts = margins_of(frame, name)
                    yield Outcomes(totals, sums, parts, np.zeros(len(parts), dtype=bool))


def group_of(published: Published) -> Ids:
    """Return, for each cell, the cell with the size of the group that it is said of; -1 where there is none."""
    found: Ids = np.full(len(published.knowledge.values), -1, dtype=np.int64)
    for release, frames in zip(published.releases, published.frames, strict=True):
        sizes = {"all": _sizes(frames, "states"), "followed": _sizes(frames, "groups")}
        for (table, measure), frame in frames.items():
            entry = release.manifest["tables"].get(table)
            if entry is None:
                continue
            universe = entry["measures"][measure]["universe"]
            size = sizes["followed" if universe == "followed" else "all"]
            cells = size.reindex(keys_of(frame, FILTERS)).fillna(-1).to_numpy().astype(np.int64)
            found[frame[CELL]] = cells
    return found


def _sizes(frames: Frames, table: str) -> pd.Series[int]:
    """Cells with the number of students of each selection."""
    if (table, "students") not in frames:
        return pd.Series(dtype=np.int64)
    frame = frames[table, "students"]
    outcome = {"states": "state", "groups": "group"}[table]
    whole = frame[frame[outcome] == ALL]
    sizes = pd.Series(whole[CELL].to_numpy(), index=pd.Index(keys_of(whole, FILTERS)))
    return sizes[~sizes.index.duplicated()]


def _within(release: Release, frames: Frames, unfavourable: Mapping[str, Any]) -> Iterator[Outcomes]:
    for name, entry in release.manifest["tables"].items():
        for measure, what in entry["measures"].items():
            for outcome in (over for over in what.get("sums_over", ()) if over not in FILTERS):
                frame = frames[name, measure]
                if outcome == "start":  # the end comes later: its values for the start are not outcomes
                    frame = frame[frame["end"] == ALL]
                totals, sums, parts = margins_of(frame, outcome)
                values = frame.set_index(CELL)[outcome]
                yield Outcomes(totals, sums, parts, values[parts].isin(unfavourable.get(outcome, ())).to_numpy())


def _outcomes_between(release: Release, frames: Frames, unfavourable: Mapping[str, Any]) -> Iterator[Outcomes]:
    hidden_tables = release.manifest["unpublished"]
    selections: dict[tuple[str, str], pd.Series[str]] = {}
    for link in release.manifest["links"]:
        tables = {link["total"][0], *(part[0] for part in link["parts"])}
        if len(link["parts"]) < 2 or tables & set(hidden_tables):
            continue
        totals, sums, parts = sum_of_link(frames, link, selections)
        bad = [_is_bad(part, unfavourable) for part in link["parts"]]
        yield Outcomes(totals, sums, parts, np.repeat(bad, len(totals)))


def _is_bad(part: list[Any], unfavourable: Mapping[str, Any]) -> bool:
    table, measure, at = part
    if table == "transitions":
        return bool(at["state_to"] in unfavourable.get("state", ()))
    return bool(measure == "lost")


def _subjects(frames: Frames) -> Iterator[Outcomes]:
    """Subjects among those who lost in a term; one student may have several, so they do not add up."""
    if ("lost_subjects", "students") not in frames or ("droppoints", "lost") not in frames:
        return
    lost, subjects = frames["droppoints", "lost"], frames["lost_subjects", "students"]
    columns = [*FILTERS, "term"]
    totals = pd.Series(np.arange(len(lost)), index=pd.Index(keys_of(lost, columns)))
    sums = totals.reindex(keys_of(subjects, columns)).fillna(-1).to_numpy().astype(np.int64)
    there = sums >= 0
    parts = subjects[CELL].to_numpy()[there]
    yield Outcomes(lost[CELL].to_numpy(), sums[there], parts, np.ones(len(parts), dtype=bool), whole=False)


def loose_shares(releases: Sequence[Release]) -> Iterator[tuple[str, str, str]]:
    """Find hazards and survivals that are shown although the counts they are made of are not."""
    for release in releases:
        table = release.tables.get("droppoints")
        if table is None:
            continue
        wide = table.pivot(index=[*FILTERS, "term"], columns="measure", values="status")
        order = release.manifest["dimensions"]["term"]["values"]
        if not {"at_risk", "lost"} <= set(wide):
            continue  # no share can be declared without the counts that it is made of
        wide = wide.reset_index().sort_values("term", key=lambda terms: terms.map(order.index), kind="stable")
        closed = (wide["at_risk"] == SUPPRESSED) | (wide["lost"] == SUPPRESSED)
        before = closed.groupby([wide[name] for name in FILTERS]).cummax()
        for measure, missing in (("hazard", closed), ("survival", before)):
            if measure in wide:
                for _, row in wide[(wide[measure] == OK) & missing].iterrows():
                    where = place_words(release, "droppoints", measure, row)
                    yield "share", where, "it is shown while counts it is made of are hidden"


def loose_means(releases: Sequence[Release], min_group: int) -> Iterator[tuple[str, str, str]]:
    """Find hidden means of small groups whose sums follow from the means that are shown."""
    for release in releases:
        for name, entry in release.manifest["tables"].items():
            for measure, what in entry["measures"].items():
                if what["kind"] == "mean":
                    yield from _loose(release, name, measure, min_group)


def _loose(release: Release, name: str, measure: str, min_group: int) -> Iterator[tuple[str, str, str]]:
    """The rank test: a mean times its students is a sum, and the number of students is taken to be known."""
    table = release.tables[name]
    rows = table[table["measure"] == measure].reset_index(drop=True)
    students = table[table["measure"] == "students"].reset_index(drop=True)
    builder = SystemBuilder()
    closed = (rows["status"] == SUPPRESSED).to_numpy()
    nothing = np.zeros(len(rows))
    rows[CELL] = builder.add_cells(nothing, np.ones(len(rows), dtype=bool), primary=closed, guarded=closed)
    for over in FILTERS:
        totals, sums, parts = margins_of(rows, over)
        _add(builder, totals, sums, parts)
    few = ~((students["status"] == OK) & (students["value"] >= min_group)).to_numpy()
    for place in np.flatnonzero(exposed(builder.build(), closed) & few):
        where = place_words(release, name, measure, rows.iloc[place])
        yield "mean", where, f"it follows from other means, and its students may be fewer than {min_group}"


def _add(builder: SystemBuilder, totals: np.ndarray, sums: np.ndarray, parts: np.ndarray) -> None:
    place = pd.Series(sums).groupby(sums).cumcount().to_numpy()
    stacked = np.full((int(place.max(initial=0)) + 1, len(totals)), -1, dtype=np.int64)
    stacked[place, sums] = parts
    builder.add_sums(totals, stacked)


def differences(published: Published, min_cell: int) -> Iterator[tuple[str, str, str]]:
    """Find numbers that differ by a few students between any two releases of the same students."""
    if not published.changed:
        return
    shown = []
    for number, (release, frames) in enumerate(zip(published.releases, published.frames, strict=True)):
        for (table, measure), frame in frames.items():
            part = frame[(frame["status"] == OK) & frame["cohort"].isin(published.changed)]
            key = cell_keys(release, table, measure, part)
            shown.append(part.assign(_key=key, _at=number, _table=table, _measure=measure))
    every = pd.concat(shown).sort_values(["_key", "value"], kind="stable")
    apart = every.groupby("_key")["value"].diff()
    for place in np.flatnonzero((apart > 0) & (apart < min_cell)):
        row = every.iloc[place]
        where = place_words(published.releases[row["_at"]], row["_table"], row["_measure"], row.dropna())
        yield "between", where, f"two releases differ by {apart.iloc[place]:.0f}: by few enough to be named"


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
        Beside the kinds of that: ``rounding`` (a count that is not a multiple of the unit), ``small`` (a count, what is
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
    settings = settings_of(releases, published, seconds)
    return _verification(found, settings, counts, _in_students(attacked.tables, unit))


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
    """Cohorts that two releases both hold; all of them if a release does not list its cohorts."""
    held = [release.manifest["dimensions"]["cohort"]["values"] for release in (one, other)]
    if not all(held):
        return "that are not listed"
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
            yield "rounding", name, f"{off} of {len(shown)} counts are not multiples of {unit}"


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
    """Hidden counts that follow from what is shown, and are not 0; rounding in units reveals more of them."""
    hidden = published.hidden
    if tables is None or not len(hidden):
        return
    knowledge = Knowledge(published.knowledge.matrix, published.knowledge.values / unit)
    low, high = knowledge.intervals
    follows = (determined(knowledge)[hidden] | (low[hidden] == high[hidden])) & (tables.base[hidden] > 0)
    for cell in hidden[follows]:
        yield "exact", published.words(int(cell)), "it is hidden and follows from what is shown"


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
        publish different numbers), ``seconds`` (how long tables were looked for, None without end).
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
        releases, seconds = "; ".join(self.settings["releases"]), self.settings["seconds"]
        seen = f"{self.counts['hidden']} of {self.counts['cells']} counts hidden, {self.counts['unproven']} unproven"
        if self.tables is not None and self.counts["unproven"] and seconds is not None:
            seen += f" in {seconds:g} seconds (look longer, for example with --seconds {max(4 * seconds, 60):g})"
        return f"{releases}: {'no weakness' if self.holds else f'{len(self.table)} weaknesses'}; {seen}"

    def text(self, most: int = 20) -> str:
        """Return the weaknesses in words, one line each, and the summary."""
        lines = [f"{row.kind}: {row.where}: {row.says}" for row in self.table.head(most).itertuples()]
        lines += [f"… and {len(self.table) - most} more"] if len(self.table) > most else []
        return "\n".join([*lines, self._words()])


def verify(
    releases: Sequence[Release], progress: Callable[[str], None] | None = None, seconds: float = SECONDS
) -> Verification:
    """Attack published releases, all of them together, with nothing but what is in them.

    Parameters
    ----------
    releases : sequence of Release
        Several are stacked on the cells that they share.
    progress : callable, optional
        Called with a message at each step.
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
        return verify_rounded(releases, progress, seconds)
    tell = progress or (lambda words: None)
    tell("reading the sums")
    published = knowledge_of(releases)
    settings = settings_of(releases, published, seconds)
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


def settings_of(releases: Sequence[Release], published: Published, seconds: float) -> dict[str, Any]:
    """Return the settings of a :class:`Verification`."""
    policies = [release.manifest["policy"] for release in releases]
    return {
        "releases": [f"{release.manifest['title']}, {release.manifest['created']}" for release in releases],
        **{name: min(int(policy[name]) for policy in policies) for name in ("min_group", "min_cell")},
        "changed": list(published.changed),
        "seconds": seconds if np.isfinite(seconds) else None,
    }


def _verification(
    found: Sequence[Any], settings: Mapping[str, Any], counts: Mapping[str, int], tables: Possible | None = None
) -> Verification:
    table = pd.DataFrame(list(dict.fromkeys(found)), columns=["kind", "where", "says"], dtype="str")
    return Verification(table, settings, counts, tables)


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
