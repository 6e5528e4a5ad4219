"""The page for staff: hand-over between stages, signals without support, caseload and the activity responsibility.

It shows single students. It reads records, never a release, and is for the staff concerned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbanalytics.analysis.indicators import indicators
from nbanalytics.errors import DataError
from nbanalytics.figures import Chart, TextTable, caseload_over_time, coverage_by_term, handover_bars, kaa_shares
from nbanalytics.figures.style import DARK
from nbanalytics.figures.support import receiving_table
from nbanalytics.intervals import with_share
from nbanalytics.municipality import names_of
from nbanalytics.pages.board import WORDS, Json, Tile, picker, section, tile
from nbanalytics.records import StudentRecords
from nbanalytics.support import Handover, caseload, coverage, handover, kaa_outcomes
from nbanalytics.text import Words, selection_words

ALL = "*"
SECTIONS = ("handover", "receiving", "coverage", "caseload", "kaa")
_KEPT = 24  # hand-overs that are kept
_Shares = Mapping[str, Mapping[Any, Any]]
#: What a section without a chart draws.
_NO_DRAWING: Json = {"data": [], "layout": {"height": 1}}


class StaffBoard:
    """What staff need to know of the students they hand over, receive or support.

    Parameters
    ----------
    records
        With a support register. They are read once; a choice takes milliseconds. A DataError says that there is no
        register.
    lang
        ``"sv"`` or ``"en"``.
    sections
        Which of :data:`SECTIONS`, in order; by default all. A ValueError says that one does not exist.
    """

    def __init__(self, records: StudentRecords, lang: str = "sv", sections: Iterable[str] | None = None) -> None:
        self.sections = tuple(SECTIONS if sections is None else sections)
        if unknown := [name for name in self.sections if name not in SECTIONS]:
            raise ValueError(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
        self._records = records.to_pandas()
        self._found = indicators(self._records)
        by = ["cohort", *(["school_id"] if "school_id" in self._records.students else [])]
        self._covered = coverage(self._records, self._found, by=by).table
        self._loads = caseload(self._records).table
        self._step = lru_cache(_KEPT)(self._hand_over)
        self._schools = names_of(self._records)["schools"]
        self._speak(lang)

    @classmethod
    def of(
        cls, records: StudentRecords | str | Path, lang: str = "sv", sections: Iterable[str] | None = None
    ) -> StaffBoard:
        """Make the page from records, or from a folder of records."""
        if isinstance(records, StudentRecords):
            return cls(records, lang, sections)
        from nbanalytics.readers import read_records

        return cls(read_records(records), lang, sections)

    def speaking(self, lang: str) -> StaffBoard:
        """Return the same in another language."""
        other = copy(self)
        other._speak(lang)
        return other

    def _speak(self, lang: str) -> None:
        self.lang, self.words = lang, Words(lang, names={"school": self._schools})
        self._options = self._filters()

    def _filters(self) -> dict[str, dict[str, str]]:
        """Return each filter's values with their labels."""
        records, words = self._records, self.words
        schools = sorted(set(self._covered["school_id"].dropna())) if "school_id" in self._covered else []
        steps = (records.declaration.start, records.declaration.terms[-1])
        cohorts = [str(cohort) for cohort in reversed(records.cohorts())]
        return {
            "step": {
                step: words.say(f"staff.step.{place}") for step, place in zip(steps, ("first", "last"), strict=True)
            },
            "cohort": {cohort: cohort for cohort in cohorts},
            "school": {ALL: words.label("school", ALL), **{code: words.label("school", code) for code in schools}},
            "actor": {actor: words.label("actor", actor) for actor in sorted(set(self._loads["actor"].dropna()))},
        }

    def filters(self) -> list[Json]:
        """Return each filter with its values and labels."""
        say = self.words.say
        return [
            picker(name, say(f"staff.filter.{name}"), options) for name, options in self._options.items() if options
        ]

    def start(self) -> dict[str, str]:
        """Return the selection that the page opens with: the step to year 7 of the latest cohort."""
        return {name: next(iter(options), ALL) for name, options in self._options.items()}

    def page(self) -> Json:
        """Return what does not depend on the selection."""
        words = {key: self.words.say(key) for key in WORDS}
        notice = self.words.say("synthetic" if self._records.declaration.synthetic else "staff.notice")
        own = {"filters.hint": self.words.say("staff.hint"), "page.stray": self.words.say("explorer.stray")}
        own["notice"] = notice
        about = [
            {"term": self.words.say(f"staff.about.{name}"), "text": self.words.say(f"staff.about.{name}.text")}
            for name in ("signal", "support", "list")
        ]
        return {
            "lang": self.lang,
            "edition": "",
            "publication": self.words.say("staff.title"),
            "filters": self.filters(),
            "words": words | own,
            "about": about,
            "sections": list(self.sections),
            "most": len(self._options),
            "undeclared": {"text": "", "remove": {}},
            "dark": DARK,
        }

    def view(self, selection: Mapping[str, str]) -> Json:
        """Return everything that the page shows for one selection, as :meth:`Board.view` does.

        A filter that is left out, or has another value than its options, has the one that the page opens with.
        """
        chosen = self.start() | {
            name: str(value) for name, value in selection.items() if str(value) in self._options.get(name, {})
        }
        shares = {row["measure"]: row for row in self._here(chosen).shares.to_dict("records")}
        return {
            "lang": self.lang,
            "selection": chosen,
            "where": self.words.say("filters.shown", selection=self._where(chosen)),
            "problem": None,
            "answer": self._answer(shares),
            "tiles": self._tiles(chosen, shares),
            "sections": [self._section(name, chosen) for name in self.sections],
            "reading": [self.words.say(f"staff.{name}") for name in ("reading", "care", "open")],
        }

    def _where(self, chosen: Mapping[str, str]) -> str:
        step = self._options["step"][chosen["step"]]
        return f"{step[0].lower()}{step[1:]}, {selection_words(chosen, self.words)}"

    def _hand_over(self, step: str, cohort: str, school: str) -> Handover:
        records = self._records.cohort(int(cohort))
        if school != ALL:
            records = records.only(records.students[records.students["school_id"] == school])
        return handover(records, step)

    def _here(self, chosen: Mapping[str, str]) -> Handover:
        return self._step(chosen["step"], chosen["cohort"], chosen["school"])

    def _answer(self, shares: _Shares) -> str:
        blanks = {
            f"{name}_{part}": self.words.number(shares[row][column])
            for name, row in (("nobody", "known_to_nobody"), ("lost", "lost"))
            for part, column in (("part", "students"), ("whole", "total"))
        }
        return self.words.say("staff.answer", **blanks)

    def _tiles(self, chosen: Mapping[str, str], shares: _Shares) -> list[Tile]:
        found = self._here(chosen)
        listed = len(found.receiving_list(self.lang))
        note = self.words.say("tile.of", part=self.words.number(listed), whole=self.words.students(found.students))
        tiles = [tile("told", self.words.number(listed), note, self.words)]
        for key, row in (("nobody", shares["known_to_nobody"]), ("support_lost", shares["lost"])):
            if row["total"]:
                low, high = (self.words.percent(row[bound]) for bound in ("low", "high"))
                note = self.words.say("staff.interval", low=low, high=high)
                tiles.append(tile(key, self.words.percent(row["share"]), note, self.words))
        return tiles

    def _section(self, name: str, chosen: Mapping[str, str]) -> Json:
        try:
            chart: Chart = getattr(self, f"_{name}")(chosen)
            empty = self.words.say("staff.receiving.note") if name == "receiving" else ""
        except DataError:
            chart, empty = Chart(_NO_DRAWING, "", TextTable([], [])), self.words.say("table.none")
        say = self.words.say
        help_ = [{"term": say("help.definition"), "text": say(f"staff.{name}.help")}]
        texts = {"lead": say(f"staff.{name}.lead"), "help_title": say("help.title"), "help": help_, "empty": empty}
        return section(name, say(f"staff.{name}.title"), chart, self.words, **texts)

    def _handover(self, chosen: Mapping[str, str]) -> Chart:
        return handover_bars(self._here(chosen), self.words)

    def _receiving(self, chosen: Mapping[str, str]) -> Chart:
        """List the students; the section is a table only."""
        students = self._here(chosen).receiving_list(self.lang)
        return Chart(_NO_DRAWING, "", receiving_table(students, self.words))

    def _coverage(self, chosen: Mapping[str, str]) -> Chart:
        kept = self._covered[self._covered["cohort"] == int(chosen["cohort"])]
        if chosen["school"] != ALL:
            kept = kept[kept["school_id"] == chosen["school"]]
        counts = kept.groupby("term")[["with_signal", "without_support"]].sum()
        order = [term for term in self._found.settings["terms"] if term in counts.index]
        table = with_share(counts.loc[order].reset_index(), "without_support", "with_signal")
        return coverage_by_term(table, self.words)

    def _caseload(self, chosen: Mapping[str, str]) -> Chart:
        return caseload_over_time(self._loads[self._loads["actor"] == chosen["actor"]], self.words)

    def _kaa(self, chosen: Mapping[str, str]) -> Chart:
        return kaa_shares(kaa_outcomes(self._records), self.words)
