"""The page for staff: hand-over between stages, signals without support, caseload and the activity responsibility.

It shows single students. It reads records, never a release, and belongs behind the researcher's door.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from nbanalytics.analysis.indicators import indicators
from nbanalytics.errors import DataError
from nbanalytics.figures.handover import describe_handover, handover_bars, handover_table, receiving_table
from nbanalytics.figures.kaa import describe_kaa, kaa_shares, kaa_table
from nbanalytics.figures.style import DARK
from nbanalytics.figures.support import (
    caseload_over_time,
    caseload_table,
    coverage_by_term,
    coverage_table,
    describe_caseload,
    describe_coverage,
)
from nbanalytics.figures.tables import TextTable
from nbanalytics.intervals import with_share
from nbanalytics.municipality import names_of
from nbanalytics.pages.board import WORDS
from nbanalytics.pages.tiles import Tile, captions, plain, tile
from nbanalytics.records import StudentRecords
from nbanalytics.support import Handover, caseload, coverage, handover, kaa_outcomes
from nbanalytics.text import label, number, percent, say, selection_words, students

ALL = "*"
SECTIONS = ("handover", "receiving", "coverage", "caseload", "kaa")
_KEPT = 24  # hand-overs that are kept
_Shares = Mapping[str, Mapping[Any, Any]]
_Drawn = tuple[go.Figure | None, str, TextTable]


class StaffBoard:
    """What staff may need to know of the students they hand over, receive or support.

    Parameters
    ----------
    records
        With a support register. They are read once; a choice costs milliseconds.
    lang
        ``"sv"`` or ``"en"``.
    sections
        Which parts, in order: ``"handover"``, ``"receiving"``, ``"coverage"``, ``"caseload"``, ``"kaa"``; all of them
        when left out.

    Raises
    ------
    DataError
        If there is no support register.
    ValueError
        If a section does not exist.
    """

    def __init__(self, records: StudentRecords, lang: str = "sv", sections: Iterable[str] | None = None) -> None:
        self.sections = tuple(SECTIONS if sections is None else sections)
        if unknown := [name for name in self.sections if name not in SECTIONS]:
            raise ValueError(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
        self._records, self.lang = records.to_pandas(), lang
        self._found = indicators(self._records)
        by = ["cohort", *(["school_id"] if "school_id" in self._records.students else [])]
        self._covered = coverage(self._records, self._found, by=by).table
        self._loads = caseload(self._records).table
        self._step = lru_cache(_KEPT)(self._hand_over)
        self._schools = names_of(self._records)["schools"]
        self._options = self._filters()

    @classmethod
    def of(
        cls, records: StudentRecords | str | Path, lang: str = "sv", sections: Iterable[str] | None = None
    ) -> StaffBoard:
        """Make the page of records, or of those in a folder."""
        if isinstance(records, StudentRecords):
            return cls(records, lang, sections)
        from nbanalytics.readers import read_records

        return cls(read_records(records), lang, sections)

    def speaking(self, lang: str) -> StaffBoard:
        """Return the same in a language."""
        other = copy(self)
        other.lang = lang
        other._options = other._filters()
        return other

    def _filters(self) -> dict[str, dict[str, str]]:
        """Return each filter's values with their labels."""
        records, lang = self._records, self.lang
        schools = sorted(set(self._covered["school_id"].dropna())) if "school_id" in self._covered else []
        steps = (records.declaration.start, records.declaration.terms[-1])
        cohorts = [str(cohort) for cohort in reversed(records.cohorts())]
        return {
            "step": {
                step: say(f"staff.step.{place}", lang) for step, place in zip(steps, ("first", "last"), strict=True)
            },
            "cohort": {cohort: cohort for cohort in cohorts},
            "school": {ALL: label("school", ALL, lang), **{code: self._schools.get(code, code) for code in schools}},
            "actor": {actor: label("actor", actor, lang) for actor in sorted(set(self._loads["actor"].dropna()))},
        }

    def filters(self) -> list[dict[str, Any]]:
        """Return each filter with its values and labels."""
        return [
            {
                "id": name,
                "label": say(f"staff.filter.{name}", self.lang),
                "options": [{"value": value, "label": text} for value, text in options.items()],
            }
            for name, options in self._options.items()
            if options
        ]

    def start(self) -> dict[str, str]:
        """Return the selection that the page opens with: the step to year 7 of the latest cohort."""
        return {name: next(iter(options), ALL) for name, options in self._options.items()}

    def page(self) -> dict[str, Any]:
        """Return what the page shows whatever is selected."""
        words = {key: say(key, self.lang) for key in WORDS}
        notice = say("synthetic" if self._records.declaration.synthetic else "staff.notice", self.lang)
        about = [
            {"term": say(f"staff.about.{name}", self.lang), "text": say(f"staff.about.{name}.text", self.lang)}
            for name in ("signal", "support", "list")
        ]
        return {
            "lang": self.lang,
            "edition": "",
            "publication": say("staff.title", self.lang),
            "filters": self.filters(),
            "words": words
            | {
                "filters.hint": say("staff.hint", self.lang),
                "page.stray": say("explorer.stray", self.lang),
                "notice": notice,
            },
            "about": about,
            "sections": list(self.sections),
            "most": len(self._options),
            "undeclared": {"text": "", "remove": {}},
            "dark": DARK,
        }

    def view(self, selection: Mapping[str, str]) -> dict[str, Any]:
        """Return everything that the page shows for one selection, as a board does (see :class:`Board`).

        Parameters
        ----------
        selection
            Filter to value; filters left out, and values that there are not, are those the page opens with.
        """
        chosen = self.start() | {
            name: str(value) for name, value in selection.items() if str(value) in self._options.get(name, {})
        }
        shares = {row["measure"]: row for row in self._here(chosen).shares.to_dict("records")}
        return {
            "lang": self.lang,
            "selection": chosen,
            "where": say("filters.shown", self.lang, selection=self._where(chosen)),
            "problem": None,
            "answer": self._answer(shares),
            "tiles": self._tiles(chosen, shares),
            "sections": [self._section(name, chosen) for name in self.sections],
            "reading": [say(f"staff.{name}", self.lang) for name in ("reading", "care", "open")],
        }

    def _where(self, chosen: Mapping[str, str]) -> str:
        step = self._options["step"][chosen["step"]]
        return f"{step[0].lower()}{step[1:]}, {selection_words(chosen, self.lang, {'school': self._schools})}"

    def _hand_over(self, step: str, cohort: str, school: str) -> Handover:
        records = self._records.cohort(int(cohort))
        if school != ALL:
            records = records.only(records.students[records.students["school_id"] == school])
        return handover(records, step)

    def _here(self, chosen: Mapping[str, str]) -> Handover:
        return self._step(chosen["step"], chosen["cohort"], chosen["school"])

    def _answer(self, shares: _Shares) -> str:
        words = {
            f"{name}_{part}": number(shares[row][column], self.lang)
            for name, row in (("nobody", "known_to_nobody"), ("lost", "lost"))
            for part, column in (("part", "students"), ("whole", "total"))
        }
        return say("staff.answer", self.lang, **words)

    def _tiles(self, chosen: Mapping[str, str], shares: _Shares) -> list[Tile]:
        found = self._here(chosen)
        told = len(found.receiving_list(self.lang))
        note = say("tile.of", self.lang, part=number(told, self.lang), whole=students(found.students, self.lang))
        tiles = [tile("told", number(told, self.lang), note, self.lang)]
        for key, row in (("nobody", shares["known_to_nobody"]), ("support_lost", shares["lost"])):
            if row["total"]:
                low, high = (percent(row[bound], self.lang) for bound in ("low", "high"))
                words = say("staff.interval", self.lang, low=low, high=high)
                tiles.append(tile(key, percent(row["share"], self.lang), words, self.lang))
        return tiles

    def _section(self, name: str, chosen: Mapping[str, str]) -> dict[str, Any]:
        try:
            chart, alt, table = getattr(self, f"_{name}")(chosen)
            empty = "" if chart is not None else say(f"staff.{name}.note", self.lang)
        except DataError:
            chart, alt, table, empty = None, "", TextTable([], []), say("table.none", self.lang)
        title = say(f"staff.{name}.title", self.lang)
        return {
            "id": name,
            "title": title,
            "lead": say(f"staff.{name}.lead", self.lang),
            "figure": plain(chart) if chart is not None else {"data": [], "layout": {"height": 1}},
            "alt": alt,
            "hidden": "",
            "help_title": say("help.title", self.lang),
            "help": [{"term": say("help.definition", self.lang), "text": say(f"staff.{name}.help", self.lang)}],
            "table": asdict(table) | captions(title, self.lang),
            "swipe": "",
            "empty": empty,
        }

    def _handover(self, chosen: Mapping[str, str]) -> _Drawn:
        counts = self._here(chosen).counts
        return handover_bars(counts, self.lang), describe_handover(counts, self.lang), handover_table(counts, self.lang)

    def _receiving(self, chosen: Mapping[str, str]) -> _Drawn:
        """List the students; it is a table alone."""
        return None, "", receiving_table(self._here(chosen), self.lang, self._schools)

    def _coverage(self, chosen: Mapping[str, str]) -> _Drawn:
        kept = self._covered[self._covered["cohort"] == int(chosen["cohort"])]
        if chosen["school"] != ALL:
            kept = kept[kept["school_id"] == chosen["school"]]
        counts = kept.groupby("term")[["with_signal", "without_support"]].sum()
        order = [term for term in self._found.settings["terms"] if term in counts.index]
        table = with_share(counts.loc[order].reset_index(), "without_support", "with_signal")
        return coverage_by_term(table, self.lang), describe_coverage(table, self.lang), coverage_table(table, self.lang)

    def _caseload(self, chosen: Mapping[str, str]) -> _Drawn:
        table = self._loads[self._loads["actor"] == chosen["actor"]]
        return (
            caseload_over_time(table, self.lang),
            describe_caseload(table, self.lang),
            caseload_table(table, self.lang),
        )

    def _kaa(self, chosen: Mapping[str, str]) -> _Drawn:
        table = kaa_outcomes(self._records).table
        return kaa_shares(table, self.lang), describe_kaa(table, self.lang), kaa_table(table, self.lang)
