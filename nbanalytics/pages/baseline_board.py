"""The board's page on the baseline: zero values, their follow-up, and what chance may give of the change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from math import nan
from typing import Any, ClassVar

import pandas as pd

from nbanalytics.errors import DisclosureError
from nbanalytics.figures import Chart, absence_bars, followup_dots, share_course
from nbanalytics.figures.baseline import shares_of
from nbanalytics.intervals import Change, other_students_change, same_students_change
from nbanalytics.pages.board import Board, Tile, mean_tile, share_tile, tile
from nbanalytics.pages.explained import about
from nbanalytics.text import SUPPRESSED, Cells, Words, hidden_words

#: The groups of the form beside everybody, and the filter that gives them.
GROUPS = {"girls": ("sex", "girl"), "boys": ("sex", "boy"), "newly_arrived": ("newly_arrived", "yes")}
_MEASURES = ("eligible", "core", "absence", "chance", "hidden")
_UNKNOWN = dict.fromkeys(("zero", "later", "change", "low", "high", "chance_low", "chance_high"), nan)
_YEAR, _GROUP = "year ", "group "


def _beside(cells: Mapping[str, Cells], start: str) -> dict[str, Cells]:
    """Return the tables of what is compared, by its name."""
    return {name.removeprefix(start): table for name, table in cells.items() if name.startswith(start)}


def _followup(cells: Mapping[str, Cells]) -> tuple[list[dict[str, Any]], list[Cells]]:
    found = {"all": cells["eligibility"], **_beside(cells, _GROUP)}
    rows = [{"group": group, **_of_same_students(table)} for group, table in found.items() if len(table)]
    return rows, list(found.values())


def _years(cells: Mapping[str, Cells]) -> tuple[list[dict[str, Any]], list[Cells]]:
    found = _beside(cells, _YEAR)
    zero, *later = found.items() or [("", Cells.none())]
    return [{"group": year, **_of_other_students(zero[1], table)} for year, table in later], list(found.values())


def _of_same_students(flow: Cells) -> dict[str, Any]:
    """Compare a group's start and end: with an interval where it is shown how many went each way."""
    reached, not_reached = ("eligible", "not_eligible")
    ways = [flow.value(start=start, end=end) for start in (reached, not_reached) for end in (reached, not_reached)]
    known = [int(value) for value in ways if value is not None]
    if len(known) == len(ways) and any(known):
        return _row(same_students_change(*known))
    total, start, end = flow.value(), flow.value(start=reached), flow.value(end=reached)
    if not total or start is None or end is None:
        return _UNKNOWN | {"status": "suppressed"}
    zero, later = start / total, end / total
    return _UNKNOWN | {"zero": zero, "later": later, "change": later - zero, "status": "ok"}


def _of_other_students(zero: Cells, later: Cells) -> dict[str, Any]:
    """Compare the last term of two leaving years."""
    ends = [shares_of(table, "eligible")[-1:] for table in (zero, later)]
    counts = [value for end in ends for share in end for value in (share.met, share.known)]
    known = [int(value) for value in counts if value]
    return _row(other_students_change(*known)) if len(known) == 4 else _UNKNOWN | {"status": "suppressed"}


def _row(found: Change) -> dict[str, Any]:
    values = {name: getattr(found, name) for name in ("zero", "later", "change", "low", "high")}
    return values | {"chance_low": -found.chance, "chance_high": found.chance, "status": "ok"}


class BaselineBoard(Board):
    """The page "Nulägesanalys och uppföljning" over one release.

    It compares girls, boys and newly arrived within the selection, and every leaving year, as far as the release
    declares them.
    """

    SECTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "followup": ("eligibility",),
        "course": ("baseline",),
        "absences": ("absence",),
        "years": ("baseline",),
    }
    TABLES: ClassVar[tuple[str, ...]] = ("eligibility", "baseline", "absence")
    CHARTS: ClassVar[Mapping[str, Callable[[Any, Words], Chart]]] = {"course": share_course, "absences": absence_bars}

    def _draw(self, name: str, cells: Mapping[str, Cells]) -> tuple[Chart, list[Cells]]:
        if name in self.CHARTS:
            return super()._draw(name, cells)
        rows, used = _followup(cells) if name == "followup" else _years(cells)
        if not rows:
            return replace(share_course(Cells.none(), self.words), alt=""), []
        return followup_dots(pd.DataFrame([{"measure": "eligible", **row} for row in rows]), words=self.words), used

    def _look_up(self, picked: Mapping[str, str]) -> dict[str, Cells]:
        found = super()._look_up(picked)
        beside = [(_GROUP + group, "eligibility", *filter_) for group, filter_ in GROUPS.items()]
        beside += [(_YEAR + year, "baseline", "cohort", year) for year in self._values("cohort")]
        for key, table, name, value in beside:
            if table in self._tables and name not in picked and value in self._values(name):
                with suppress(DisclosureError):  # one filter more than the release crosses
                    found[key] = Cells(self.release.cells(table, **picked, **{name: value}))
        return found

    def _about(self) -> list[dict[str, str]]:
        return about(self.release.manifest, self.words, _MEASURES)

    def _answer(self, cells: Mapping[str, Cells]) -> str:
        flow, words = cells["eligibility"], self.words
        row = _of_same_students(flow)
        total, zero, later = flow.value(), flow.value(start="eligible"), flow.value(end="eligible")
        if total is None or zero is None or later is None:
            return self._answer_of_terms(cells["baseline"])
        blanks = {"students": words.students(total), "zero": words.number(zero), "later": words.number(later)}
        if row["low"] != row["low"]:
            return words.say("baseline.answer_partly", **blanks)
        blanks["change"] = _points(row["change"], words)
        chance = "baseline.beyond" if abs(row["change"]) > row["chance_high"] else "baseline.within"
        return f"{words.say('baseline.answer', **blanks)} {words.say(chance)}"

    def _answer_of_terms(self, table: Cells) -> str:
        """Answer by those with grades in either term, who are not all the same students."""
        shares = [share.share for share in shares_of(table, "eligible")]
        if not shares or shares[0] is None or shares[-1] is None:
            return self.words.say("baseline.answer_hidden")
        zero, later = (self.words.percent(share) for share in (shares[0], shares[-1]))
        return self.words.say("baseline.answer_terms", zero=zero, later=later)

    def _tiles(self, cells: Mapping[str, Cells]) -> list[Tile]:
        return [
            *self._share_tile("zero", cells["baseline"], "eligible", 0),
            *self._share_tile("now", cells["baseline"], "eligible", -1),
            self._change_tile(_of_same_students(cells["eligibility"])),
            *self._share_tile("core", cells["baseline"], "core", -1),
            *self._absence_tiles(cells["absence"]),
        ]

    def _change_tile(self, row: Mapping[str, Any]) -> Tile:
        if row["low"] != row["low"]:
            return tile("change", SUPPRESSED, self.words.say("tile.hidden"), self.words)
        change, low, high = (_points(row[name], self.words) for name in ("change", "low", "high"))
        return tile("change", change, self.words.say("tile.change.note", low=low, high=high), self.words)

    def _share_tile(self, key: str, table: Cells, indicator: str, place: int) -> list[Tile]:
        if indicator not in table.codes("indicator"):
            return []
        share = shares_of(table, indicator)[place]
        met = table.cell(term=share.term, indicator=indicator, result="yes")
        return [share_tile(key, met, share.known, self.words)]

    def _absence_tiles(self, table: Cells) -> list[Tile]:
        terms = table.codes("term")
        ends = zip(("absence_zero", "absence_now"), (terms[0], terms[-1]), strict=True) if terms else ()
        return [
            tile_ for key, term in ends for tile_ in mean_tile(key, table.cell("mean_absence", term=term), self.words)
        ]

    def _reading(self, cells: Mapping[str, Cells], where: str, hidden: int) -> list[str]:
        words = self.words
        table = cells["baseline"]
        first = next(iter(table.codes("term")), None)
        total = cells["eligibility"].value() if first is None else table.value(term=first, indicator="eligible")
        kind = "reading.who" if first is None else "baseline.who"
        who = (
            words.say("reading.who_hidden", selection=where)
            if total is None
            else words.say(kind, students=words.students(total), selection=where)
        )
        care = [hidden_words(hidden, words)] if hidden else []
        return [
            " ".join([who, *self._missing(table)]),
            words.say("baseline.return"),
            " ".join([*care, words.say("baseline.care")]),
        ]

    def _missing(self, table: Cells) -> list[str]:
        """Say how many have no result at the zero value."""
        term = next(iter(table.codes("term")), "")
        place = {"term": term, "indicator": "eligible"}
        missing, whole = table.value(**place, result="unknown"), table.value(**place)
        if not missing or not whole:
            return []
        return [
            self.words.say("baseline.missing", students=self.words.number(missing), whole=self.words.students(whole))
        ]


def _points(value: float, words: Words) -> str:
    return words.signed(100 * value, 1)
