"""The table that stands beside each chart: the same cells, written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nbanalytics.figures.places import stages_of, state_order
from nbanalytics.figures.subjects import subject_order
from nbanalytics.text import SUPPRESSED, Cell, Cells, cell_text, label, percent, say

Names = Mapping[str, Mapping[str, str]]
_LIFE_TABLE = {
    "at_risk": "count",
    "lost": "count",
    "censored": "count",
    "hazard": "share",
    "survival": "share",
}


@dataclass(frozen=True)
class TextTable:
    """A table of text: the first column names the rows, the others hold numbers as they are written.

    Attributes
    ----------
    columns
        Headings.
    rows
        Rows of text, as long as ``columns``.
    words
        How many columns from the left hold words rather than numbers.
    words_right
        How many from the right do.
    intervals
        Where two columns hold the bounds of the interval of the column before them: the place of the lower one, and
        what a page calls the two where it writes them beneath the value. A file has them apart.
    """

    columns: list[str]
    rows: list[list[str]]
    words: int = 1
    words_right: int = 0
    intervals: dict[int, str] = field(default_factory=dict)


def with_bounds(column: str, lang: str) -> list[str]:
    """Return the headings of an estimate and of the bounds of its interval.

    Examples
    --------
    >>> with_bounds("Share", "en")
    ['Share', 'Share, lower limit', 'Share, upper limit']
    """
    return [column, *(say(f"column.{bound}", lang, column=column) for bound in ("low", "high"))]


def groups_table(cells: Cells, lang: str = "sv") -> TextTable:
    """Write the six groups with counts and shares."""
    total = cells.cell()
    rows = []
    for code in [*sorted(cells.codes("group")), "*"]:
        cell = cells.cell(group=code)
        share = percent(cell.value / total.value, lang, 1) if cell.value is not None and total.value else SUPPRESSED
        name = say("row.total", lang) if code == "*" else f"{code}. {label('group', code, lang)}"
        rows.append([name, cell_text(cell.value, cell.status, lang), share])
    return TextTable([say(f"column.{key}", lang) for key in ("group", "students", "share")], rows)


def flows_table(states: Cells, transitions: Cells, lang: str = "sv", names: Names | None = None) -> TextTable:
    """Write every transition that has students, and those hidden between states whose totals are shown, by stage."""
    given, rows = names or {}, []
    stages = stages_of(states, transitions)

    def end(stage: str, state: str) -> str:
        words = label("state", state, lang, given.get("state")).lower()
        return f"{label('stage', stage, lang, given.get('stage'))}: {words}"

    def told(cell: Cell) -> bool:
        place = cell.place
        ends = [states.value(stage=place[f"stage_{end}"], state=place[f"state_{end}"]) for end in ("from", "to")]
        return bool(cell.value) or (cell.status == "suppressed" and all(ends))

    cells = [cell for cell in transitions if "*" not in cell.place.values() and told(cell)]
    order = {stage: rank for rank, stage in enumerate(stages)}
    for cell in sorted(
        cells,
        key=lambda cell: (
            order[cell.place["stage_from"]],
            state_order(cell.place["state_from"]),
            state_order(cell.place["state_to"]),
        ),
    ):
        place = cell.place
        source, target = end(place["stage_from"], place["state_from"]), end(place["stage_to"], place["state_to"])
        rows.append([source, target, cell_text(cell.value, cell.status, lang)])
    return TextTable([say(f"column.{key}", lang) for key in ("from", "to", "students")], rows, words=2)


def terms_table(cells: Cells, lang: str = "sv", names: Names | None = None) -> TextTable:
    """Write the life table, term by term."""
    rows = []
    for term in cells.codes("term"):
        found = [(cells.cell(measure, term=term), kind) for measure, kind in _LIFE_TABLE.items()]
        words = [cell_text(cell.value, cell.status, lang, kind) for cell, kind in found]
        rows.append([label("term", term, lang, (names or {}).get("term")), *words])
    return TextTable([say(f"column.{key}", lang) for key in ("term", *_LIFE_TABLE)], rows)


def subjects_table(cells: Cells, lang: str = "sv", names: Names | None = None) -> TextTable:
    """Write the subjects by term, the most common first."""
    given, terms, rows = names or {}, cells.codes("term"), []
    for code in subject_order(cells):
        found = [cells.cell(subject=code, term=term) for term in [*terms, "*"]]
        words = [cell_text(cell.value, cell.status, lang) for cell in found]
        rows.append([label("subject", code, lang, given.get("subject")), *words])
    heads = [label("term", term, lang, given.get("term")) for term in terms]
    return TextTable([say("column.subject", lang), *heads, say("column.total", lang)], rows)
