"""Populations by outcome, found in published folders: what an outsider holds against the policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure.cells import Ids, Mask
from nbanalytics.release.knowledge import CELL, Frames, Published, keys_of, margins_of, sum_of_link
from nbanalytics.release.model import ALL, FILTERS, Release


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
    """List the populations by outcome of all releases: along the dimensions that are no filters, and between tables."""
    for release, frames in zip(published.releases, published.frames, strict=True):
        unfavourable = release.manifest["policy"]["unfavourable"]
        yield from _within(release, frames, unfavourable)
        yield from _between(release, frames, unfavourable)
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
                if outcome == "start":  # the end comes later: what it says of the start is no outcome
                    frame = frame[frame["end"] == ALL]
                totals, sums, parts = margins_of(frame, outcome)
                values = frame.set_index(CELL)[outcome]
                yield Outcomes(totals, sums, parts, values[parts].isin(unfavourable.get(outcome, ())).to_numpy())


def _between(release: Release, frames: Frames, unfavourable: Mapping[str, Any]) -> Iterator[Outcomes]:
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
    """Subjects among those who lost in a term; one student may have several, so they are no sum."""
    if ("lost_subjects", "students") not in frames or ("droppoints", "lost") not in frames:
        return
    lost, subjects = frames["droppoints", "lost"], frames["lost_subjects", "students"]
    columns = [*FILTERS, "term"]
    totals = pd.Series(np.arange(len(lost)), index=pd.Index(keys_of(lost, columns)))
    sums = totals.reindex(keys_of(subjects, columns)).fillna(-1).to_numpy().astype(np.int64)
    there = sums >= 0
    parts = subjects[CELL].to_numpy()[there]
    yield Outcomes(lost[CELL].to_numpy(), sums[there], parts, np.ones(len(parts), dtype=bool), whole=False)
