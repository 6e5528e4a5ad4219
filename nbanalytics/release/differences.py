"""What shares, means and a second release say beside the counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from nbanalytics.disclosure import SystemBuilder, exposed
from nbanalytics.release.knowledge import CELL, Published, cell_keys, margins_of, place_words
from nbanalytics.release.model import FILTERS, OK, SUPPRESSED, Release


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
