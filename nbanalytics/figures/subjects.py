"""The subjects that were missing when eligibility was lost, by term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from nbanalytics.figures.style import DEEP, GRID, INK, SHADE, Drawing, drawing, nothing, safe, term_tick, wrapped
from nbanalytics.text import Cells, cell_text, label, say

_SHADES = [[0, SHADE], [1, DEEP]]


def subject_order(cells: Cells) -> list[str]:
    """Return the subjects that somebody lacked, the most common first; those whose total is hidden come last."""
    shown = [
        code
        for code in cells.codes("subject")
        if any(cell.value or cell.status == "suppressed" for cell in cells if cell.place["subject"] == code)
    ]
    return sorted(shown, key=lambda code: -(cells.value(subject=code, term="*") or 0))


def lost_subjects(table: Any, lang: str = "sv", names: Mapping[str, Mapping[str, str]] | None = None) -> go.Figure:
    """Draw how many students lacked each subject when they lost eligibility, by term.

    Parameters
    ----------
    table
        One selection of the release's table ``lost_subjects``: ``term`` (``*`` for all), ``subject``, ``measure``,
        ``value``, ``status``.
    lang
        ``"sv"`` or ``"en"``.
    names
        Labels of terms and subjects that the catalogue does not know, by dimension.

    Returns
    -------
    plotly.graph_objects.Figure
        A heat map with the number written in each square. A suppressed square is blank and bears the mark ``..``.
    """
    return go.Figure(subjects_drawing(table, lang, names))


def subjects_drawing(table: Any, lang: str = "sv", names: Mapping[str, Mapping[str, str]] | None = None) -> Drawing:
    """Return what :func:`lost_subjects` shows as a page takes it; the parameters are the same."""
    cells, given = Cells.of(table), names or {}
    terms = cells.codes("term")
    # A row of marks and zeros says no more than the line on what is hidden; the table has it.
    subjects = [code for code in subject_order(cells) if any(cells.value(subject=code, term=term) for term in terms)]
    if not subjects:
        return nothing(lang)
    columns = [term_tick(term, lang, given.get("term")) for term in terms]
    rows = [wrapped(safe(label("subject", code, lang, given.get("subject"))), 22) for code in subjects]
    grid = [[cells.cell(subject=code, term=term) for term in terms] for code in subjects]
    words = [[cell_text(cell.value, cell.status, lang) for cell in line] for line in grid]
    values = [[cell.value for cell in line] for line in grid]
    return drawing(
        [_squares(columns, rows, values, words), _numbers(columns, rows, words)],
        lang,
        height=44 * len(rows) + 64,
        margin={"l": 8, "r": 8, "t": 52, "b": 8},
        xaxis={
            "side": "top",
            "type": "category",
            "fixedrange": True,
            "ticks": "",
            "tickangle": 0,
            "showgrid": False,
            "tickfont": {"size": 12},
        },
        yaxis={
            "autorange": "reversed",
            "type": "category",
            "fixedrange": True,
            "ticks": "",
            "automargin": True,
            "showgrid": False,
            "ticklabelstandoff": 6,
            "tickfont": {"size": 13},
            "linecolor": GRID,
        },
    )


def _squares(columns: list[str], rows: list[str], values: list[list[float | None]], words: list[list[str]]) -> Drawing:
    most = max((value for line in values for value in line if value is not None), default=0) or 1
    hints = [
        [
            f"{row.replace('<br>', ' ')}, {column.replace('<br>', ' ')}: {text}"
            for column, text in zip(columns, line, strict=True)
        ]
        for row, line in zip(rows, words, strict=True)
    ]
    return {
        "type": "heatmap",
        "x": columns,
        "y": rows,
        "z": values,
        "zmin": 0,
        "zmax": most,
        "colorscale": _SHADES,
        "showscale": False,
        "xgap": 3,
        "ygap": 3,
        "hoverongaps": True,
        "customdata": hints,
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _numbers(columns: list[str], rows: list[str], words: list[list[str]]) -> Drawing:
    return {
        "type": "scatter",
        "x": columns * len(rows),
        "y": [row for row in rows for _ in columns],
        "mode": "text",
        "text": [text for line in words for text in line],
        "textfont": {"size": 14, "color": INK},
        "hoverinfo": "skip",
    }


def describe_lost_subjects(table: Any, lang: str = "sv", names: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """Say in a sentence what :func:`lost_subjects` shows, for those who do not see it.

    Parameters
    ----------
    table, lang, names
        As for :func:`lost_subjects`.

    Returns
    -------
    str
        The text alternative: the total of each subject.
    """
    cells, given = Cells.of(table), names or {}
    parts = []
    for code in subject_order(cells):
        total = cells.cell(subject=code, term="*")
        parts.append(
            f"{label('subject', code, lang, given.get('subject'))}: {cell_text(total.value, total.status, lang)}"
        )
    return say("subjects.alt", lang, values="; ".join(parts))
