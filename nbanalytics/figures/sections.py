"""The sections of the board's page: a chart, its words, its table, and the cells that they show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import plotly.graph_objects as go

from nbanalytics.figures.droppoints import describe_drop_terms, drop_terms
from nbanalytics.figures.flows import describe_flow_sankey, flow_sankey
from nbanalytics.figures.groups import describe_groups_bar, groups_bar
from nbanalytics.figures.subjects import describe_lost_subjects, lost_subjects
from nbanalytics.figures.tables import Names, TextTable, flows_table, groups_table, subjects_table, terms_table
from nbanalytics.text import Cells, say

#: A chart, its text alternative, its table and the cells that they show.
Drawn = tuple[go.Figure, str, TextTable, list[Cells]]
Draw = Callable[[Mapping[str, Cells], str, Names], Drawn]


def _groups(cells: Mapping[str, Cells], lang: str, names: Names) -> Drawn:
    held = cells["groups"]
    return groups_bar(held, lang), describe_groups_bar(held, lang), groups_table(held, lang), [held]


def _flows(cells: Mapping[str, Cells], lang: str, names: Names) -> Drawn:
    both = (cells["states"], cells["transitions"])
    chart, alt = flow_sankey(*both, lang, names), describe_flow_sankey(*both, lang, names)
    return chart, alt, flows_table(*both, lang, names), list(both)


def _terms(cells: Mapping[str, Cells], lang: str, names: Names) -> Drawn:
    held, terms = cells["droppoints"], names.get("term")
    return drop_terms(held, lang, terms), describe_drop_terms(held, lang, terms), terms_table(held, lang, names), [held]


def _subjects(cells: Mapping[str, Cells], lang: str, names: Names) -> Drawn:
    held = cells["lost_subjects"]
    chart, alt = lost_subjects(held, lang, names), describe_lost_subjects(held, lang, names)
    return chart, alt, subjects_table(held, lang, names), [held]


#: How each section of a page is drawn.
DRAW: Mapping[str, Draw] = {"groups": _groups, "flows": _flows, "terms": _terms, "subjects": _subjects}


def captions(title: str, lang: str) -> dict[str, str]:
    """Return what a section's table is called, and the word that opens it."""
    return {"caption": say("table.show", lang, title=title.lower()), "summary": say("table.open", lang)}


def plain(chart: go.Figure) -> dict[str, Any]:
    """Return a chart as plain JSON values, without the arrays and the template that plotly adds."""
    plain: dict[str, Any] = json.loads(chart.to_json())
    plain["layout"].pop("template", None)
    return plain
