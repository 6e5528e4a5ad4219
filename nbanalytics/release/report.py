"""The report of a release: where its answer is shown, how much is published, how much is hidden and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure import Policy
from nbanalytics.disclosure.cells import Mask
from nbanalytics.errors import DisclosureError
from nbanalytics.release.links import Cubes
from nbanalytics.release.model import ALL, FILTERS, OK, Release
from nbanalytics.results import Shown
from nbanalytics.students import ELIGIBLE, NOT_ELIGIBLE

#: With fewer hidden counts of either kind, how many are of each says too much of them.
_MANY = 50
COLUMNS = ("table", "cells", "published", "cells_kept", "students_kept")


#: Views that are named where the answer is hidden; the others are counted.
_NAMED = 12
#: How near a range must be to be an answer: so many students, or that share of those followed.
_NEAR, _NEAR_SHARE = 10, 0.01
_VIEWS = {0: "unfiltered", 1: "one-filter", 2: "two-filter", 3: "three-filter", 4: "four-filter"}


@dataclass(frozen=True, repr=False)
class Headline(Shown):
    """In how many views of a release the answer is shown: how many lost eligibility, of how many, and when.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per ``part`` of the answer that the release declares, and number of ``filters`` set:

        - ``part``: ``lost`` (eligible in the first term and not in the last), ``start`` and ``end`` (eligible in
        either), ``gained`` (eligible in the last term only), ``by_term`` (first losses in each term), ``first_link``
        (those who lost between the first two stages);
        - ``views``: selections that a reader can choose; ``shown``: those in which all numbers of the part are shown;
        ``near``: those in which the number is hidden, and what is shown tells it to within ten students, or to within
        one per cent of those followed.
    hidden : tuple of str
        The views with one filter in which ``lost`` is neither shown nor near, in words.
    """

    table: pd.DataFrame
    hidden: tuple[str, ...]

    def text(self) -> str:
        """Return the sentence alone, as the command prints it."""
        return self._words()

    def share(self, filters: int = 1, part: str = "lost") -> float:
        """Return the share of the views with so many filters in which a part is shown or near; 1 if there are none."""
        rows = self.table[(self.table["part"] == part) & (self.table["filters"] == filters)]
        views = int(rows["views"].sum())
        return float(rows[["shown", "near"]].to_numpy().sum()) / views if views else 1.0

    def refuse_below(self, least: float) -> None:
        """Refuse a release that hides its answer.

        Parameters
        ----------
        least : float
            Share of the views with one filter in which ``lost`` must be shown or near; without a filter it always must.

        Raises
        ------
        DisclosureError
            If fewer show it, or the release declares no such number.
        """
        if (self.table["part"] == "lost").any() and self.share(0) == 1 and self.share(1) >= least:
            return
        raise DisclosureError(
            f"Nothing was written: {self._words()}. Wanted is the unfiltered view and {least:.0%} of those with one "
            "filter. Declare fewer tables or filters ('--declare'), or take cohorts or schools together."
        )

    def _words(self) -> str:
        rows = self.table[self.table["part"] == "lost"]
        if rows.empty:
            return "The release declares no number of students who lost eligibility"
        numbers = rows[["filters", "views", "shown", "near"]].astype(int).to_numpy().tolist()
        said = [
            f"{shown} of {views} {_VIEWS[filters]} views{f' and within a few students in {near} more' if near else ''}"
            for filters, views, shown, near in numbers
        ]
        said = [*said[1:2], *said[:1], *said[2:]]  # those with one filter are what a board looks at
        more = [f"and {len(self.hidden) - _NAMED} more"] if len(self.hidden) > _NAMED else []
        where = f"; hidden for {', '.join([*self.hidden[:_NAMED], *more])}" if self.hidden else ""
        return f"The answer (how many lost eligibility) is shown in {', '.join(said)}{where}"


def headline(release: Release) -> Headline:
    """Count the views in which a release shows its answer.

    Parameters
    ----------
    release : Release

    Returns
    -------
    Headline
        Of all selections of as many filters as the release crosses; a table that is crossed less shows nothing there.

    Examples
    --------
    >>> from nbanalytics.release import read_release
    >>> from nbanalytics.serve import default_release
    >>> found = headline(read_release(default_release()))
    >>> found.share(0), len(found.table.query("filters == 1"))
    (1.0, 6)
    """
    values = [[ALL, *release.manifest["dimensions"][name]["values"]] for name in FILTERS]
    views = [view for view in product(*values) if _crossed(view) <= int(release.manifest["max_crossed"])]
    rows, hidden = [], []
    for part, shown in _parts(release):
        near = _near(release, part) - shown
        for filters in sorted({_crossed(view) for view in views}):
            there = [view for view in views if _crossed(view) == filters]
            counts = (sum(view in known for view in there) for known in (shown, near))
            rows.append((part, filters, len(there), *counts))
        if part == "lost":
            hidden = [view for view in views if _crossed(view) == 1 and view not in shown | near]
    named = tuple(
        " × ".join(release.label(name, value, "en") for name, value in zip(FILTERS, view, strict=True) if value != ALL)
        for view in hidden
    )
    return Headline(pd.DataFrame(rows, columns=["part", "filters", "views", "shown", "near"]), named)


def _crossed(view: Sequence[str]) -> int:
    return sum(value != ALL for value in view)


def _near(release: Release, part: str) -> set[tuple[str, ...]]:
    """Return the selections whose number of a part is known to within ten students, or one per cent of all."""
    ends = {"lost": (ELIGIBLE, NOT_ELIGIBLE), "gained": (NOT_ELIGIBLE, ELIGIBLE), "start": (ELIGIBLE, ALL),
            "end": (ALL, ELIGIBLE)}.get(part)  # fmt: skip
    ranges = release.manifest.get("ranges", {})
    if not ranges:
        return set()
    rows = release.tables["eligibility"]
    rows = rows[(rows["start"] == ALL) & (rows["end"] == ALL)]
    followed = {view: rows["value"].iloc[place] for place, view in enumerate(_views(rows))}
    found = set()
    for place, (low, high) in ranges.items():
        view, own = tuple(place.split("|")[: len(FILTERS)]), tuple(place.split("|")[len(FILTERS) :])
        if own == ends and high - low < max(_NEAR, _NEAR_SHARE * followed.get(view, 0)):
            found.add(view)
    return found


def _views(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    return [tuple(map(str, view)) for view in rows[list(FILTERS)].itertuples(index=False)]


def _parts(release: Release) -> list[tuple[str, set[tuple[str, ...]]]]:
    """Return, for each part of the answer that a release declares, the selections in which all of it is shown."""
    start = str(release.manifest["source"]["start"])
    stages = release.manifest["dimensions"].get("stage", {}).get("values", [])
    link = {"state_from": ELIGIBLE, "state_to": NOT_ELIGIBLE}
    places: dict[str, tuple[str, str, Mapping[str, str]]] = {
        "lost": ("eligibility", "students", {"start": ELIGIBLE, "end": NOT_ELIGIBLE}),
        "start": ("eligibility", "students", {"start": ELIGIBLE, "end": ALL}),
        "end": ("eligibility", "students", {"start": ALL, "end": ELIGIBLE}),
        "gained": ("eligibility", "students", {"start": NOT_ELIGIBLE, "end": ELIGIBLE}),
        "by_term": ("droppoints", "lost", {}),
        "first_link": ("transitions", "students", {**link, "stage_from": start, "stage_to": "".join(stages[1:2])}),
    }
    if "eligibility" not in release.tables:
        places = {"lost": ("groups", "students", {"group": "6"}), **{k: places[k] for k in ("by_term", "first_link")}}
    found = []
    for part, (table, measure, at) in places.items():
        if table in release.tables:
            rows = release.tables[table]
            rows = rows[(rows["measure"] == measure) & (rows[list(at)] == pd.Series(at, dtype=object)).all(axis=1)]
            if len(rows):
                every = (rows["status"] == OK).groupby([rows[name] for name in FILTERS]).all()
                found.append((part, {tuple(map(str, view)) for view in every.index[every]}))
    return found


@dataclass(frozen=True, repr=False)
class ReleaseReport(Shown):
    """How much of its counts a release keeps.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per table, and one for ``all``:

        - ``cells``: declared counts; ``published`` of them;
        - ``cells_kept``: share of the counts that are published;
        - ``students_kept``: the sum of the published counts over the sum of all. It is computed from hidden values, so
        it is rounded by :func:`coarsely`, and missing where even that would disclose too much.
    settings : mapping
        ``title, created``; ``hidden_primary``, counts hidden for what they say by themselves, and ``hidden_secondary``,
        hidden to protect these. They are of all tables together, and missing where few are hidden: for few cells they
        would reveal which are small. ``rounding``: of a rounded release, its unit and how far its tables are off.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]

    def _words(self) -> str:
        whole, said = self.table.iloc[-1], self.settings
        return (
            f"{said['title']}, {said['created']}: {whole['published']} of {whole['cells']} counts published "
            f"({whole['cells_kept']:.0%}), {self._hidden(int(whole['cells'] - whole['published']))}"
            f"{_kept(whole['students_kept'])}{self._rounding()}"
        )

    def _hidden(self, counts: int) -> str:
        primary, secondary = self.settings["hidden_primary"], self.settings["hidden_secondary"]
        if primary is None:
            return f"{counts} hidden for what they say or to protect these"
        return f"{primary} hidden for what they say, {secondary} to protect these"

    def _rounding(self) -> str:
        """Say how far rounded counts are off, if they are rounded."""
        rounding = self.settings["rounding"]
        if not rounding:
            return ""
        tables = [f"{row['table']} {row['share']:.0%}" for row in rounding["errors"] if row["share"] is not None]
        left = f"; left out as noise: {', '.join(rounding['left_out'])}" if rounding["left_out"] else ""
        return (
            f"; rounded to multiples of {rounding['unit']} and so off, of what is counted, by {', '.join(tables)}{left}"
        )

    @classmethod
    def read(cls, manifest: Mapping[str, Any]) -> ReleaseReport:
        """Make the report of a release from its manifest."""
        hidden = manifest["hidden"]
        settings = {
            "title": manifest["title"],
            "created": manifest["created"],
            "hidden_primary": hidden["counts_primary"],
            "hidden_secondary": hidden["counts_secondary"],
            "rounding": manifest.get("rounding"),
        }
        return cls(pd.DataFrame(manifest["report"], columns=list(COLUMNS)), settings)


def coarsely(
    value: float, amount: float, slack: float, steps: Sequence[float] = (0.01, 0.02, 0.05, 0.1)
) -> float | None:
    """Round a share or a mean that is computed with what is hidden, so that it does not say how much that is.

    Parameters
    ----------
    value : float
        The share, or the mean.
    amount : float
        Of how many students, or counts, it is at least; of published ones, so that the step discloses nothing.
    slack : float
        By how much, in students, the sum behind the value has to stay open.
    steps : sequence of float
        What may be rounded to, finest first.

    Returns
    -------
    float or None
        Rounded to the first step that leaves the slack; None if none does.

    Examples
    --------
    >>> coarsely(0.6573, 190_000, 10), coarsely(0.6573, 192, 10), coarsely(0.89, 28, 10)
    (0.66, 0.7, None)
    """
    fitting = next((step for step in steps if step * amount >= slack), None)
    return None if fitting is None else round(round(value / fitting) * fitting, 2)


def tally(hidden: int, primary: int) -> dict[str, int | None]:
    """Count primary and secondary hidden cells, as a manifest may show.

    "Three are hidden, all for what they say" would reveal that each of three cells with three students has one: nothing
    is shown for few hidden cells.

    Parameters
    ----------
    hidden, primary : int
        Hidden counts, and those of them that are hidden for what they say.

    Returns
    -------
    dict
        ``counts_primary`` and ``counts_secondary``; None unless there are none, or many of both.

    Examples
    --------
    >>> tally(3, 3)
    {'counts_primary': None, 'counts_secondary': None}
    >>> tally(4655, 2000)
    {'counts_primary': 2000, 'counts_secondary': 2655}
    """
    secondary = hidden - primary
    told = not hidden or min(primary, secondary) >= _MANY
    return {"counts_primary": primary if told else None, "counts_secondary": secondary if told else None}


def report_rows(cubes: Cubes, hidden: Mask, policy: Policy) -> list[dict[str, Any]]:
    """Count what is published, table by table and in all."""
    tallies: dict[str, Any] = {}
    for (table, _), cube in cubes.items():
        if cube.published:
            ids, counts = cube.ids[cube.declared], cube.counts[cube.declared]
            shown = ~hidden[ids]
            own = np.array([len(ids), shown.sum(), counts[shown].sum(), counts.sum()])
            tallies[table] = tallies.get(table, 0) + own
    tallies["all"] = np.sum(list(tallies.values()), axis=0)
    return [_row(table, *(int(number) for number in own), slack=2 * policy.min_cell) for table, own in tallies.items()]


def _row(table: str, cells: int, shown: int, kept: int, students: int, *, slack: int) -> dict[str, Any]:
    return {
        "table": table,
        "cells": cells,
        "published": shown,
        "cells_kept": round(shown / cells, 4) if cells else 1.0,
        "students_kept": coarsely(kept / students, kept, slack) if shown < cells and students else 1.0,
    }


def _kept(share: float) -> str:
    return "" if pd.isna(share) else f"; {share:.0%} of the students counted are kept"
