"""The term in which eligibility is first lost: counts and the share of those who could lose it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from nbanalytics.figures.style import (
    ACCENT,
    GRID,
    INK,
    LOSS,
    MUTED,
    PLAIN,
    Drawing,
    drawing,
    hidden_mark,
    nothing,
    term_tick,
    terms_axis,
)
from nbanalytics.text import Cells, cell_text, label, say

_TRANSITION = "7HT"  # the first term in the new school


def drop_terms(table: Any, lang: str = "sv", names: Mapping[str, str] | None = None) -> go.Figure:
    """Draw how many students lose eligibility in each term, and the share of those who still had it.

    Parameters
    ----------
    table
        One selection of the release's table ``droppoints``: ``term``, ``measure`` (``lost``, ``hazard``, ...),
        ``value``, ``status``; or a life table with a column per measure.
    lang
        ``"sv"`` or ``"en"``.
    names
        Labels of terms that the catalogue does not know.

    Returns
    -------
    plotly.graph_objects.Figure
        Bars of ``lost`` above, points of ``hazard`` beneath, on one axis of terms. The transition from year 6 to 7
        stands out by colour and by a note. Suppressed cells bear the mark ``..``; there are no traces where all are.
    """
    return go.Figure(terms_drawing(table, lang, names))


def terms_drawing(table: Any, lang: str = "sv", names: Mapping[str, str] | None = None) -> Drawing:
    """Return what :func:`drop_terms` shows as a page takes it; the parameters are the same."""
    cells = Cells.of(table)
    terms = cells.codes("term")
    ticks = [term_tick(term, lang, names) for term in terms]
    lost = [cells.cell("lost", term=term) for term in terms]
    hazard = [cells.cell("hazard", term=term) for term in terms]
    if not any(cell.ok for cell in [*lost, *hazard]):
        return nothing(lang)
    colours = [ACCENT if term == _TRANSITION else PLAIN for term in terms]
    lost_words = [cell_text(cell.value, cell.status, lang) for cell in lost]
    hazard_words = [cell_text(cell.value, cell.status, lang, "share") for cell in hazard]
    bars: Drawing = {
        "type": "bar",
        "x": ticks,
        "y": [cell.value for cell in lost],
        "text": [words if cell.ok else "" for cell, words in zip(lost, lost_words, strict=True)],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": colours},
        "customdata": _hints(ticks, lost_words),
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    points: Drawing = {
        "type": "scatter",
        "x": ticks,
        "y": [cell.value for cell in hazard],
        "yaxis": "y2",
        "mode": "markers+text",
        "text": [words if cell.ok else "" for cell, words in zip(hazard, hazard_words, strict=True)],
        "textposition": "top center",
        "cliponaxis": False,
        "marker": {"color": colours, "size": 10, "symbol": "diamond"},
        "textfont": {"color": INK},
        "customdata": _hints(ticks, hazard_words),
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    marks = [hidden_mark(tick, 0, yanchor="bottom") for tick, cell in zip(ticks, lost, strict=True) if not cell.ok]
    marks += [
        hidden_mark(tick, 0, yref="y2", yanchor="bottom")
        for tick, cell in zip(ticks, hazard, strict=True)
        if not cell.ok
    ]
    quiet = {"showgrid": False, "zeroline": False, "showticklabels": False, "fixedrange": True}
    return drawing(
        [bars, points],
        lang,
        height=440,
        margin={"l": 14, "r": 8, "t": 40, "b": 74},
        xaxis=terms_axis(ticks, range=[-0.6, len(ticks) - 0.4], anchor="y2", layer="below traces"),
        yaxis={**quiet, "domain": [0.44, 1], "range": [0, _top(lost) * 1.18]},
        yaxis2={**quiet, "domain": [0, 0.28], "range": [0, _top(hazard) * 1.45], "anchor": "x"},
        bargap=0.42,
        annotations=[
            *marks,
            _heading("axis.lost", 1, lang),
            _heading("axis.hazard", 0.34, lang),
            *_note(terms, ticks, lost, lang),
        ],
        shapes=[_rule(0.44), _rule(0)],
    )


def _hints(ticks: list[str], words: list[str]) -> list[str]:
    return [f"{tick.replace('<br>', ' ')}: {text}" for tick, text in zip(ticks, words, strict=True)]


def _top(cells: list[Any]) -> float:
    return max((cell.value for cell in cells if cell.value is not None), default=0.0) or 1.0


def _heading(key: str, y: float, lang: str) -> dict[str, Any]:
    return {
        "text": f"<b>{say(key, lang)}</b>",
        "x": 0,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 16 if y == 1 else 6,
        "showarrow": False,
        "font": {"size": 13, "color": MUTED},
    }


def _rule(y: float) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "yref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": y,
        "y1": y,
        "layer": "below",
        "line": {"color": GRID, "width": 1},
    }


def _note(terms: list[str], ticks: list[str], lost: list[Any], lang: str) -> list[dict[str, Any]]:
    """Name the transition in words beneath its tick, so that it is told by more than its colour."""
    if _TRANSITION not in terms:
        return []
    words = "<br>".join(say("terms.transition", lang).rsplit(" ", 1))
    return [
        {
            "text": words,
            "x": ticks[terms.index(_TRANSITION)],
            "y": 0,
            "yref": "paper",
            "yanchor": "top",
            "yshift": -38,
            "showarrow": False,
            "font": {"size": 12, "color": LOSS},
        }
    ]


def describe_drop_terms(table: Any, lang: str = "sv", names: Mapping[str, str] | None = None) -> str:
    """Say in a sentence what :func:`drop_terms` shows, for those who do not see it.

    Parameters
    ----------
    table, lang, names
        As for :func:`drop_terms`.

    Returns
    -------
    str
        The text alternative.
    """
    cells = Cells.of(table)
    parts = []
    for term in cells.codes("term"):
        lost, hazard = cells.cell("lost", term=term), cells.cell("hazard", term=term)
        words = f"{label('term', term, lang, names)}: {cell_text(lost.value, lost.status, lang)}"
        if hazard.ok:
            words += f" ({cell_text(hazard.value, hazard.status, lang, 'share')})"
        parts.append(words)
    return say("terms.alt", lang, values="; ".join(parts))
