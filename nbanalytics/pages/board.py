"""The board's page as data: every word, number, chart and table of one selection, ready to be shown.

A page is described here only. The live edition asks for one selection at a time; the static edition asks for all of
them in advance, since a selection is a choice among cells that the release declares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from itertools import product
from typing import Any, ClassVar, Protocol

from nbanalytics.errors import DisclosureError
from nbanalytics.figures import Chart, drop_terms, flow_sankey, groups_bar, subjects_heatmap
from nbanalytics.figures.style import DARK
from nbanalytics.pages.explained import about, explained, hidden_note, source_line, title_of
from nbanalytics.text import SUPPRESSED, Cell, Cells, Words, answer, headline, reading, selection_words
from nbanalytics.text.cells import FILTERS

# The tables that each chart needs; a release made of fewer records may lack some.
SECTIONS = {
    "groups": ("groups",),
    "flows": ("states", "transitions"),
    "terms": ("droppoints",),
    "subjects": ("lost_subjects",),
}
WORDS = (
    "filters.title",
    "tiles.title",
    "about.title",
    "reading.title",
    "chart.keys",
    "chart.region",
    "download.title",
    "download.csv",
    "download.png",
    "download.svg",
    "page.lost",
    "page.stray",
)
#: How each section is drawn: from the cells of its tables, and the words.
CHARTS: Mapping[str, Callable[[Any, Words], Chart]] = {
    "groups": groups_bar,
    "flows": flow_sankey,
    "terms": drop_terms,
    "subjects": subjects_heatmap,
}
TABLES = ("eligibility", "points", *(table for tables in SECTIONS.values() for table in tables))


#: What a page is given.
Json = dict[str, Any]
#: A key figure: a number, what it is of, or why it is not shown.
Tile = dict[str, str]


class ReleaseLike(Protocol):
    """What the page needs of a release."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the release states about itself."""

    def cells(self, table: str, /, **selection: Any) -> Any:
        """Return the declared cells of one selection."""


class Board:
    """The page "När tappar vi dem?" over one release.

    Parameters
    ----------
    release
        A release, as :func:`nbanalytics.release.read_release` returns it.
    lang
        ``"sv"`` or ``"en"``.
    sections
        Which charts of :attr:`SECTIONS`, in order; by default all. A ValueError says that one does not exist.
    """

    #: The tables that each chart needs, and all that the page looks up.
    SECTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = SECTIONS
    TABLES: ClassVar[tuple[str, ...]] = TABLES
    CHARTS: ClassVar[Mapping[str, Callable[[Any, Words], Chart]]] = CHARTS

    def __init__(self, release: ReleaseLike, lang: str = "sv", sections: Iterable[str] | None = None) -> None:
        wanted = tuple(self.SECTIONS if sections is None else sections)
        unknown = [name for name in wanted if name not in self.SECTIONS]
        if unknown:
            raise ValueError(f"no section {', '.join(unknown)}; there are {', '.join(self.SECTIONS)}")
        held = release.manifest["tables"]
        self.release, self.lang = release, lang
        self.sections = tuple(name for name in wanted if all(table in held for table in self.SECTIONS[name]))
        self._tables = [name for name in self.TABLES if name in held]
        self._dimensions: Mapping[str, Any] = release.manifest["dimensions"]
        labels = "labels" if lang == "sv" else "labels_en"
        source = release.manifest.get("source", {})
        self.words = Words(
            lang,
            names={name: dict(entry.get(labels, {})) for name, entry in self._dimensions.items()},
            own=release.manifest.get("words", {}).get(lang, {}),
            compared=(str(source.get("start", "6VT")), str(source.get("end", "9VT"))),
        )
        self._most = int(release.manifest.get("max_crossed", 2))

    def filters(self) -> list[Json]:
        """Return each filter with its values and labels, ``*`` first."""
        return [
            picker(name, self.words.say(f"filter.{name}"), {v: self.words.label(name, v) for v in ["*", *values]})
            for name in FILTERS
            if (values := self._values(name))
        ]

    def start(self) -> dict[str, str]:
        """Return the selection a page opens with: everybody, where the fewest cells are hidden."""
        return dict.fromkeys(FILTERS, "*")

    def selections(self) -> Iterator[dict[str, str]]:
        """Return every selection that the release declares, each with all filters, the one a page opens with first."""
        values = [["*", *self._values(name)] for name in FILTERS]
        for chosen in product(*values):
            if sum(value != "*" for value in chosen) <= self._most:
                yield dict(zip(FILTERS, chosen, strict=True))

    def page(self) -> Json:
        """Return what does not depend on the selection: language, release, filters, words and sections."""
        return {
            "lang": self.lang,
            "edition": str(self.release.manifest.get("checksum", ""))[:16],
            "publication": title_of(self.release.manifest, self.words),
            "filters": self.filters(),
            "words": self._page_words(),
            "about": self._about(),
            "sections": list(self.sections),
            "most": self._most,
            "undeclared": self._undeclared(),
            "dark": DARK,
        }

    def view(self, selection: Mapping[str, str]) -> Json:
        """Return everything that the page shows for one selection.

        Parameters
        ----------
        selection
            Filter to value; a filter left out is ``*``.

        Returns
        -------
        dict
            JSON-ready: ``selection``, ``where`` (in words), ``status``, ``problem`` (None, or why nothing is shown and
            which filters can be removed), ``answer``, ``tiles``, ``sections``, ``reading`` and ``lang``. Every
            number is text already.
        """
        chosen = dict.fromkeys(FILTERS, "*") | {k: str(v) for k, v in selection.items() if k in FILTERS}
        picked = {name: value for name, value in chosen.items() if value != "*"}
        try:
            found = self._look_up(picked)
        except DisclosureError:
            ways = self._undeclared()
            remove = [
                {"filter": name, "label": ways["remove"].get(name, {}).get(value, "")} for name, value in picked.items()
            ]
            return _nothing(chosen, self.lang, ways["text"], remove)
        if not any(map(len, found.values())):
            return _nothing(chosen, self.lang, self.words.say("page.empty"), [])
        cells = dict.fromkeys(self.TABLES, Cells.none()) | found
        sections = [
            self._section(name, cells, declared=all(table in found for table in self.SECTIONS[name]))
            for name in self.sections
        ]
        where = selection_words(chosen, self.words, self._values("cohort"))
        tiles = self._tiles(cells)
        hidden = sum(tile["value"] == SUPPRESSED for tile in tiles)
        hidden += sum(hidden_marks(part["figure"]) for part in sections if not part["empty"])
        return {
            "selection": chosen,
            "where": self.words.say("filters.shown", selection=where),
            "problem": None,
            "answer": self._answer(cells),
            "tiles": tiles,
            "sections": sections,
            "reading": self._reading(cells, where, hidden) + self._rounded(),
            "lang": self.lang,
        }

    def _page_words(self) -> dict[str, str]:
        """Return the words of the page that do not depend on the selection."""
        words = {key: self.words.say(key) for key in WORDS}
        words["filters.hint"] = self._hint()
        words["notice"] = self.words.say("synthetic") if self.release.manifest.get("synthetic") else ""
        return words

    def _values(self, dimension: str) -> list[str]:
        values = self._dimensions.get(dimension, {}).get("values", [])
        return [str(value) for value in values if str(value) != "*"]

    def _hint(self) -> str:
        """Say how many filters can be combined; some charts, whose tables are crossed less, may allow fewer."""
        fewer = min((self._crossed(name) for name in self.sections), default=self._most)
        counts = {"most": self._count(self._most), "fewer": self._count(fewer)}
        return self.words.say("filters.hint_some" if fewer < self._most else "filters.hint", **counts)

    def _crossed(self, section: str) -> int:
        """Return how many filters the tables of a section can be crossed by."""
        held = self.release.manifest["tables"]
        return min(int((held[name] or {}).get("max_crossed", self._most)) for name in self.SECTIONS[section])

    def _count(self, number: int) -> str:
        return self.words.say(f"number.{number}") if 1 <= number <= 4 else str(number)

    def _undeclared(self) -> Json:
        """Return the words for a combination that is not declared, and for removing each value of each filter."""
        remove = {
            name: {
                value: self.words.say(
                    "filters.remove",
                    filter=self.words.say(f"filter.{name}").lower(),
                    value=self.words.label(name, value),
                )
                for value in self._values(name)
            }
            for name in FILTERS
        }
        return {"text": self.words.say("filters.undeclared", most=self._count(self._most)), "remove": remove}

    def _look_up(self, picked: Mapping[str, str]) -> dict[str, Cells]:
        """Return the cells of one selection, of the tables that declare it; a DisclosureError if none does."""
        found = {}
        for name in self._tables:
            # Tables may be crossed less than the release.
            with suppress(DisclosureError):
                rows = self.release.cells(name, **picked)
                found[name] = Cells(rows, self._ordered(name, picked), self._spans(name, picked))
        if not found and self._tables:
            raise DisclosureError("No table of the release declares this selection", "Leave out a filter.")
        return found

    def _ordered(self, table: str, picked: Mapping[str, str]) -> bool | None:
        """Say whether the largest number shown is the largest of all, as far as the release decides it."""
        manifest = self.release.manifest
        if "rounding" in manifest:
            return False
        return [picked.get(name, "*") for name in FILTERS] in manifest.get("largest", {}).get(table, []) or None

    def _spans(self, table: str, picked: Mapping[str, str]) -> dict[str, list[int]]:
        """Return how small and how large the hidden numbers of the answer can be, as far as the release states it."""
        if table != "eligibility":
            return {}
        place = "|".join(picked.get(name, "*") for name in FILTERS) + "|"
        stated = self.release.manifest.get("ranges", {})
        return {key.removeprefix(place): span for key, span in stated.items() if key.startswith(place)}

    def _about(self) -> list[dict[str, str]]:
        return about(self.release.manifest, self.words)

    def _answer(self, cells: Mapping[str, Cells]) -> str:
        return answer(cells, self.words)

    def _tiles(self, cells: Mapping[str, Cells]) -> list[Tile]:
        return lost_tiles(cells, self.words)

    def _rounded(self) -> list[str]:
        """Say that the counts are rounded, if they are."""
        rounding = self.release.manifest.get("rounding")
        return [self.words.say("rounded.note", unit=str(rounding["unit"]))] if rounding else []

    def _reading(self, cells: Mapping[str, Cells], where: str, hidden: int) -> list[str]:
        """Say how the result can be read; ``hidden`` is the number of ``..`` in charts and key figures."""
        return reading(cells, where, self.words, hidden=hidden)

    def _draw(self, name: str, cells: Mapping[str, Cells]) -> tuple[Chart, list[Cells]]:
        """Return a section's chart, and the cells that it shows."""
        used = [cells[table] for table in self.SECTIONS[name]]
        return self.CHARTS[name](used[0] if len(used) == 1 else tuple(used), self.words), used

    def _section(self, name: str, cells: Mapping[str, Cells], declared: bool) -> Json:
        chart, used = self._draw(name, cells)
        hidden = hidden_note(self.release.manifest, used, self.words) if declared else ""
        empty = self._empty(name, used, declared)
        return section(
            name,
            self.words.say(f"{name}.title"),
            chart,
            self.words,
            headline=headline(name, cells, self.words) if declared else "",
            lead=self.words.say(f"{name}.lead"),
            source=source_line(self.release.manifest, self.words),
            help_title=self.words.say("help.title"),
            help=explained(name, cells, self.release.manifest, hidden or empty, self.words),
            swipe=self.words.say("flows.swipe"),
            empty="" if has_marks(chart.drawing) else empty,
        )

    def _empty(self, name: str, used: Iterable[Cells], declared: bool) -> str:
        """Say why a chart is not drawn, and what to do."""
        if not declared:
            return self.words.say("section.undeclared", most=self._count(self._crossed(name)))
        return self.words.say("table.hidden" if any(cells.hidden for cells in used) else "table.none")


def has_marks(figure: Json) -> bool:
    """Whether a figure shows a number: axes without one are not drawn.

    Examples
    --------
    >>> has_marks({"data": [{"type": "bar", "x": ["7HT"], "y": [None]}]})
    False
    """
    for trace in figure["data"]:
        if trace["type"] == "heatmap":
            pairs = [(value, value) for row in trace["z"] for value in row]
        else:
            pairs = list(zip(trace.get("x", ()), trace.get("y", ()), strict=False))
        if trace["type"] == "sankey" or any(None not in pair and all(one == one for one in pair) for pair in pairs):
            return True
    return False


def hidden_marks(figure: Json) -> int:
    """Count the places of a figure that show ``..`` for a hidden number.

    Examples
    --------
    >>> hidden_marks({"data": [{"text": [["86", ".."]]}], "layout": {"annotations": [{"text": "Behörig .."}]}})
    2
    """
    texts: list[Any] = [note["text"] for note in figure["layout"].get("annotations", ())]
    texts += [trace.get("text") for trace in figure["data"]]
    count = 0
    while texts:
        text = texts.pop()
        if isinstance(text, list | tuple):
            texts += text
        elif isinstance(text, str):
            count += bool(re.search(r"(?<![\w.])\.\.(?![\w.])", text))
    return count


def _nothing(chosen: Mapping[str, str], lang: str, text: str, remove: list[dict[str, str]]) -> Json:
    """Return the view of a selection that has nothing to show, and why."""
    empty: Json = {"where": "", "answer": "", "tiles": [], "sections": [], "reading": []}
    return {"selection": dict(chosen), "problem": {"text": text, "remove": remove}, **empty, "lang": lang}


def picker(name: str, label: str, options: Mapping[str, str]) -> Json:
    """Return a filter: its id, its label, and the label of each value."""
    return {"id": name, "label": label, "options": [{"value": value, "label": text} for value, text in options.items()]}


def section(name: str, title: str, chart: Chart, words: Words, **own: object) -> Json:
    """Return a section of a page with a chart, its table and texts; a text that is not given is empty."""
    empty: Json = {"headline": "", "lead": "", "source": "", "empty": "", "swipe": "", "help_title": "", "help": []}
    captions = {"caption": words.say("table.show", title=title.lower()), "summary": words.say("table.open")}
    drawn = {"figure": chart.plain(), "alt": chart.alt, "table": asdict(chart.table) | captions}
    return {"id": name, "title": title, **empty, **drawn, **own}


def count_tile(key: str, cell: Cell, words: Words) -> Tile:
    """Return a tile with a number of students, or what it lies between."""
    return tile(key, words.cell(cell), words.say(f"tile.{key}.note" if cell.ok else _unseen(cell)), words)


def _unseen(cell: Cell) -> str:
    return "tile.hidden" if cell.span is None else "tile.span"


def share_tile(key: str, cell: Cell, whole: float | None, words: Words) -> Tile:
    """Return a tile with a share of students, or what it lies between; the whole must be shown for it."""
    if whole and (cell.value is not None or cell.span is not None):
        ends = cell.span or (cell.value or 0, cell.value or 0)
        low, high = (words.percent(end / whole) for end in ends)
        note = words.say("tile.of", part=words.cell(cell), whole=words.students(whole))
        return tile(key, low if low == high else f"{low}–{high}", note, words)
    status = "suppressed" if cell.ok and whole is None else cell.status
    return tile(key, words.cell(Cell({}, "", None, status)), words.say("tile.hidden"), words)


def mean_tile(key: str, cell: Cell, words: Words) -> list[Tile]:
    """Return a tile with a mean; none if there is nobody to average."""
    if cell.status == "not_applicable":
        return []
    return [count_tile(key, cell, words) | {"value": words.cell(cell, "mean")}]


def tile(key: str, value: str, note: str, words: Words) -> Tile:
    """Return a tile; its label is ``tile.<key>`` of the catalogue."""
    return {"id": key, "label": words.say(f"tile.{key}"), "value": value, "note": note}


def lost_tiles(cells: Mapping[str, Cells], words: Words) -> list[Tile]:
    """Return the key figures of "När tappar vi dem?"."""
    flow = cells["eligibility"]
    total = flow.cell()
    return [
        count_tile("followed", total, words),
        share_tile("start", flow.cell(start="eligible"), total.value, words),
        share_tile("end", flow.cell(end="eligible"), total.value, words),
        count_tile("lost", flow.cell(start="eligible", end="not_eligible"), words),
        count_tile("gained", flow.cell(start="not_eligible", end="eligible"), words),
        *mean_tile("merit", cells["points"].cell("mean_merit", year="9"), words),
    ]
