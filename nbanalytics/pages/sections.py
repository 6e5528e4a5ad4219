"""The sections of the board's page: a chart, its words, its table, and the cells that they show."""

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
from nbanalytics.text import Cells, say

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
