"""The key figures at the top of a page: a number, what it is of, or why it is not shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import plotly.graph_objects as go

from nbanalytics.figures.droppoints import describe_drop_terms, terms_drawing
from nbanalytics.figures.flows import describe_flow_sankey, sankey_drawing
from nbanalytics.figures.groups import describe_groups_bar, groups_drawing
from nbanalytics.figures.style import Drawing
from nbanalytics.figures.subjects import describe_lost_subjects, subjects_drawing
from nbanalytics.figures.tables import Names, TextTable, flows_table, groups_table, subjects_table, terms_table
from nbanalytics.text import Cell, Cells, cell_text, number, percent, say, students

#: A chart, its text alternative, its table and the cells that they show.
Drawn = tuple[Drawing, str, TextTable, list[Cells]]
Draw = Callable[[Mapping[str, Cells], str, Names], Drawn]


def _groups(cells: Mapping[str, Cells], lang: str, names: Names) -> Drawn:
    held = cells["groups"]
    return groups_drawing(held, lang), describe_groups_bar(held, lang), groups_table(held, lang), [held]


def _flows(cells: Mapping[str, Cells], lang: str, names: Names) -> Drawn:
    both = (cells["states"], cells["transitions"])
    chart, alt = sankey_drawing(*both, lang, names), describe_flow_sankey(*both, lang, names)
    return chart, alt, flows_table(*both, lang, names), list(both)


def _terms(cells: Mapping[str, Cells], lang: str, names: Names) -> Drawn:
    held, terms = cells["droppoints"], names.get("term")
    words = describe_drop_terms(held, lang, terms)
    return terms_drawing(held, lang, terms), words, terms_table(held, lang, names), [held]


def _subjects(cells: Mapping[str, Cells], lang: str, names: Names) -> Drawn:
    held = cells["lost_subjects"]
    chart, alt = subjects_drawing(held, lang, names), describe_lost_subjects(held, lang, names)
    return chart, alt, subjects_table(held, lang, names), [held]


#: How each section of a page is drawn.
DRAW: Mapping[str, Draw] = {"groups": _groups, "flows": _flows, "terms": _terms, "subjects": _subjects}


def captions(title: str, lang: str) -> dict[str, str]:
    """Return what a section's table is called, and the word that opens it."""
    return {"caption": say("table.show", lang, title=title.lower()), "summary": say("table.open", lang)}


def plain(chart: go.Figure | Drawing) -> Drawing:
    """Return a chart as plain JSON values: without the template, which pages do not need, and null for what is nan."""
    text = chart.to_json() if isinstance(chart, go.Figure) else json.dumps(chart)
    values: Drawing = json.loads(text, parse_constant=lambda _: None)
    values["layout"].pop("template", None)
    return values


Tile = dict[str, str]


def count_tile(key: str, cell: Cell, lang: str) -> Tile:
    """Return a tile with a number of students."""
    note = say(f"tile.{key}.note" if cell.ok else "tile.hidden", lang)
    return tile(key, cell_text(cell.value, cell.status, lang), note, lang)


def share_tile(key: str, cell: Cell, whole: float | None, lang: str) -> Tile:
    """Return a tile with a share of students; both numbers have to be shown for it."""
    if cell.value is None or not whole:
        status = "suppressed" if cell.ok and whole is None else cell.status
        return tile(key, cell_text(None, status, lang), say("tile.hidden", lang), lang)
    note = say("tile.of", lang, part=number(cell.value, lang), whole=students(whole, lang))
    return tile(key, percent(cell.value / whole, lang), note, lang)


def mean_tile(key: str, cell: Cell, lang: str) -> list[Tile]:
    """Return a tile with a mean; none where there is nobody to have one."""
    if cell.status == "not_applicable":
        return []
    return [count_tile(key, cell, lang) | {"value": cell_text(cell.value, cell.status, lang, "mean")}]


def tile(key: str, value: str, note: str, lang: str) -> Tile:
    """Return a tile: its label stands in the catalogue under ``tile.<key>``."""
    return {"id": key, "label": say(f"tile.{key}", lang), "value": value, "note": note}


def lost_tiles(cells: Mapping[str, Cells], lang: str) -> list[Tile]:
    """Return the key figures of "När tappar vi dem?"."""
    flow = cells["eligibility"]
    total = flow.cell()
    return [
        count_tile("followed", total, lang),
        share_tile("start", flow.cell(start="eligible"), total.value, lang),
        share_tile("end", flow.cell(end="eligible"), total.value, lang),
        count_tile("lost", flow.cell(start="eligible", end="not_eligible"), lang),
        count_tile("gained", flow.cell(start="not_eligible", end="eligible"), lang),
        *mean_tile("merit", cells["points"].cell("mean_merit", year="9"), lang),
    ]
