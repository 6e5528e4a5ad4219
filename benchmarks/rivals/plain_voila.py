"""The board's content as a notebook for a Voila as it comes: run in a cell, with widgets and ``fig.show()``."""

from __future__ import annotations

import html

import ipywidgets as widgets
import plotly.graph_objects as go
from IPython.display import HTML, display

from nbanalytics.figures.board import Board
from nbanalytics.widgets import open_release


def show() -> None:
    """Display filters and an area that is drawn anew on each choice."""
    board, area = Board(open_release()), widgets.Output()
    choices = {
        entry["id"]: widgets.Dropdown(
            options=[(option["label"], option["value"]) for option in entry["options"]], description=entry["label"]
        )
        for entry in board.filters()
    }

    def draw(_change: object = None) -> None:
        found = board.view({name: choice.value for name, choice in choices.items()})
        with area:
            area.clear_output(wait=True)
            tiles = "".join(f"<td>{tile['label']}<h3>{tile['value']}</h3></td>" for tile in found["tiles"])
            display(HTML(f"<p>{found['answer']}</p><table><tr>{tiles}</tr></table>"))
            for section in found["sections"]:
                display(HTML(f"<h2>{section['title']}</h2><p>{section['lead']}</p>"))
                go.Figure(section["figure"]).show()
                rows = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in section["table"]["rows"])
                caption = html.escape(section["table"]["caption"])
                display(HTML(f"<details><summary>{caption}</summary><table>{rows}</table></details>"))
            display(HTML("".join(f"<p>{text}</p>" for text in found["reading"])))

    for choice in choices.values():
        choice.observe(draw, names="value")
    display(widgets.VBox([*choices.values(), area]))
    draw()
