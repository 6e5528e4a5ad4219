"""The board's content as a notebook for a Voila as it comes: run in a cell, with widgets and plotly's own.

An ``Output`` widget with ``fig.show()`` in it sends half as much, but Voila without kernels heated in advance then
often waits for ever for a cell that has ended (an open issue upstream).
"""

from __future__ import annotations

import html
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go
from IPython.display import display

from nbanalytics.pages.board import Board
from nbanalytics.pages.widgets import open_release


def drawn(charts: dict[str, go.FigureWidget], section: dict[str, Any]) -> go.FigureWidget:
    """Return a section's chart: a new one the first time, then the same with other data."""
    figure, chart = go.Figure(section["figure"]), charts.get(section["id"])
    figure.update_layout(dragmode="zoom")  # plotly fails at a Sankey that cannot be dragged when its data are replaced
    if chart is None:
        chart = charts[section["id"]] = go.FigureWidget(figure)
    else:
        chart.data = []
        chart.add_traces(figure.data)
        chart.layout = figure.layout
    return chart


def show() -> None:
    """Display filters and an area that is filled anew on each choice; the charts' widgets stay."""
    board, area = Board(open_release()), widgets.VBox()
    charts: dict[str, go.FigureWidget] = {}
    choices = {
        entry["id"]: widgets.Dropdown(
            options=[(option["label"], option["value"]) for option in entry["options"]], description=entry["label"]
        )
        for entry in board.filters()
    }

    def draw(_change: object = None) -> None:
        found = board.view({name: choice.value for name, choice in choices.items()})
        tiles = "".join(f"<td>{tile['label']}<h3>{tile['value']}</h3></td>" for tile in found["tiles"])
        parts: list[widgets.Widget] = [widgets.HTML(f"<p>{found['answer']}</p><table><tr>{tiles}</tr></table>")]
        for section in found["sections"]:
            rows = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in section["table"]["rows"])
            caption = html.escape(section["table"]["caption"])
            parts.append(widgets.HTML(f"<h2>{section['title']}</h2><p>{section['lead']}</p>"))
            parts.append(drawn(charts, section))
            parts.append(
                widgets.HTML(
                    f"<p>{section['hidden']}</p><details><summary>{caption}</summary><table>{rows}</table></details>"
                )
            )
        area.children = [*parts, widgets.HTML("".join(f"<p>{text}</p>" for text in found["reading"]))]

    for choice in choices.values():
        choice.observe(draw, names="value")
    draw()
    display(widgets.VBox([widgets.HTML("<h1>När tappar vi dem?</h1>"), *choices.values(), area]))
