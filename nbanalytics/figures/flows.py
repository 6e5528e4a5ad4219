"""Flows from year 6 to upper secondary as a Sankey diagram with stages and states in a fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from nbanalytics.figures.places import PAD, ROOM, THICK, Node, Places, filler, nodes_of, places_of, stages_of
from nbanalytics.figures.style import GREY, INK, MUTED, STATE_COLOURS, Drawing, drawing, nothing, safe, wrapped
from nbanalytics.text import Cell, Cells, label, say, students

_TOP, _BOTTOM = 44, 12
_LEFT, _RIGHT = 12, 190  # room to the right for the names of the last stage
_LONG, _LINE = 13, 24  # a longer name has its number on a second line; a very long one has more lines
_UNSEEN = "rgba(0,0,0,0)"
_Names = Mapping[str, Mapping[str, str]]


def flow_sankey(states: Any, transitions: Any, lang: str = "sv", names: _Names | None = None) -> go.Figure:
    """Draw how students move between states from stage to stage.

    Parameters
    ----------
    states
        One selection of the release's table ``states``: ``stage``, ``state``, ``measure``, ``value``, ``status``.
    transitions
        One selection of ``transitions``: ``stage_from``, ``state_from``, ``stage_to``, ``state_to`` and the same.
    lang
        ``"sv"`` or ``"en"``.
    names
        Labels of stages and states that the catalogue does not know, by dimension.

    Returns
    -------
    plotly.graph_objects.Figure
        A Sankey diagram with stages from left to right and states from top to bottom in a fixed order. A link that is
        suppressed is not drawn: the bar of a node is pale where its links are hidden. A node whose total is
        suppressed bears the mark ``..`` and is as tall as its shown links.
    """
    return go.Figure(sankey_drawing(states, transitions, lang, names))


def sankey_drawing(states: Any, transitions: Any, lang: str = "sv", names: _Names | None = None) -> Drawing:
    """Return what :func:`flow_sankey` shows as a page takes it; the parameters are the same."""
    totals, links = Cells.of(states), Cells.of(transitions)
    stages = stages_of(totals, links)
    nodes = nodes_of(totals, links, stages, lang)
    if not any(node.linked for node in nodes):
        return nothing(lang)
    given = names or {}
    places = places_of(nodes, stages)
    state_names = [safe(label("state", node.state, lang, given.get("state"))) for node in nodes]
    stage_names = {stage: safe(label("stage", stage, lang, given.get("stage"))) for stage in stages}
    full = [f"{stage_names[node.stage]}: {name}" for node, name in zip(nodes, state_names, strict=True)]
    shown = [cell for cell in links if cell.value]
    headings = [_heading(stage_names[stage], rank, len(stages)) for rank, stage in enumerate(stages)]
    return drawing(
        [_sankey(nodes, places, full, shown, lang)],
        lang,
        height=ROOM + _TOP + _BOTTOM,
        margin={"l": _LEFT, "r": _RIGHT, "t": _TOP, "b": _BOTTOM},
        shapes=[_bar(node, places, rank) for rank, node in enumerate(nodes)],
        annotations=[*headings, *(_name(node, state_names[rank], places, rank) for rank, node in enumerate(nodes))],
    )


def _sankey(nodes: Sequence[Node], places: Places, full: Sequence[str], shown: Sequence[Cell], lang: str) -> Drawing:
    # plotly leaves out nodes without links and then mixes up the places of the others, so it gets none of those.
    linked = [rank for rank, node in enumerate(nodes) if node.linked]
    index = {(nodes[rank].stage, nodes[rank].state): place for place, rank in enumerate(linked)}
    sources = [index[cell.place["stage_from"], cell.place["state_from"]] for cell in shown]
    targets = [index[cell.place["stage_to"], cell.place["state_to"]] for cell in shown]
    unseen = filler(sources, targets, [nodes[rank].linked for rank in linked], places.scale)
    ends = [len(linked), len(linked) + 1]
    hints = [
        say("flows.link", lang, source=full[linked[source]], target=full[linked[target]], students=words)
        for source, target, words in zip(
            sources, targets, (students(cell.value or 0, lang) for cell in shown), strict=True
        )
    ]
    middles = [places.top[rank] + nodes[rank].linked * places.scale / 2 for rank in linked]
    return {
        "type": "sankey",
        "arrangement": "fixed",
        "textfont": {"size": 1, "color": _UNSEEN, "shadow": "none"},  # the names are annotations, see _name
        "node": {
            "label": [f"{full[rank]} {nodes[rank].words}" for rank in linked] + ["", ""],
            # plotly takes 0 for "not given"; the ends of the unseen link stand below the picture.
            "x": [min(max(places.across[rank], 0.001), 0.999) for rank in linked] + [0.001, 0.999],
            "y": [max(middle, 0.001) for middle in middles] + [5, 5],
            "thickness": THICK,
            "pad": PAD,
            "color": [STATE_COLOURS.get(nodes[rank].state, GREY) for rank in linked] + [_UNSEEN] * 2,
            "line": {"width": 0},
            "customdata": [f"{full[rank]}: {nodes[rank].words}" for rank in linked] + ["", ""],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
        "link": {
            "source": [*sources, ends[0]],
            "target": [*targets, ends[1]],
            "value": [*(cell.value for cell in shown), max(unseen, 1e-6)],
            "color": [*(_link_colour(cell.place["state_from"], cell.place["state_to"]) for cell in shown), _UNSEEN],
            "customdata": [*hints, ""],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
    }


def _bar(node: Node, places: Places, rank: int) -> Drawing:
    """Return the pale bar behind a node, as tall as its total: what plotly leaves pale are hidden links."""
    x, top = places.across[rank], 1 - places.top[rank]
    return {
        "type": "rect",
        "layer": "below",
        "xref": "paper",
        "yref": "paper",
        "xsizemode": "pixel",
        "xanchor": x,
        "x0": -THICK / 2,
        "x1": THICK / 2,
        "y0": top,
        "y1": top - node.students * places.scale,
        "line": {"width": 0},
        "fillcolor": STATE_COLOURS.get(node.state, GREY),
        "opacity": 0.4,
    }


def _link_colour(source: str, target: str) -> str:
    """Colour a link by where it leads; the loss of eligibility is the strongest."""
    colour = STATE_COLOURS.get(target, GREY).lstrip("#")
    red, green, blue = (int(colour[i : i + 2], 16) for i in (0, 2, 4))
    strength = 0.62 if (source, target) == ("eligible", "not_eligible") else 0.26
    return f"rgba({red},{green},{blue},{strength})"


def _heading(name: str, rank: int, of: int) -> dict[str, Any]:
    return {
        "text": f"<b>{wrapped(name, _LINE)}</b>",
        "x": rank / max(of - 1, 1),
        "xshift": -THICK / 2,
        "y": 1,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "align": "left",
        "yanchor": "bottom",
        "yshift": 14,
        "showarrow": False,
        "font": {"size": 14, "color": MUTED},
    }


def _name(node: Node, name: str, places: Places, rank: int) -> dict[str, Any]:
    """Return a node's name, to the right of the node: plotly would put those of the last stage over its links."""
    return {
        "text": f"{wrapped(name, _LINE)}{'<br>' if len(name) > _LONG else ' '}{node.words}",
        "x": places.across[rank],
        "y": 1 - places.top[rank] - node.students * places.scale / 2,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "middle",
        "align": "left",
        "xshift": THICK / 2 + 2,
        "showarrow": False,
        "bgcolor": "rgba(255,255,255,0.72)",
        "borderpad": 1,
        "font": {"size": 13, "color": INK},
    }


def describe_flow_sankey(states: Any, transitions: Any, lang: str = "sv", names: _Names | None = None) -> str:
    """Say in a sentence what :func:`flow_sankey` shows, for those who do not see it.

    Parameters
    ----------
    states, transitions, lang, names
        As for :func:`flow_sankey`.

    Returns
    -------
    str
        The text alternative: the states of each stage with their counts.
    """
    totals, links = Cells.of(states), Cells.of(transitions)
    stages, given = stages_of(totals, links), names or {}
    nodes = nodes_of(totals, links, stages, lang)
    parts = []
    for stage in stages:
        held = [
            f"{label('state', node.state, lang, given.get('state')).lower()} {node.words}"
            for node in nodes
            if node.stage == stage
        ]
        if held:
            parts.append(f"{label('stage', stage, lang, given.get('stage'))}: {', '.join(held)}")
    return say("flows.alt", lang, values="; ".join(parts))
