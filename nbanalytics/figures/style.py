"""One look for all charts: typeface, spacing and a palette that colour-blind readers can distinguish."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, floor
from textwrap import wrap
from typing import Any

from nbanalytics.text import SUPPRESSED, Words

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
INK, MUTED, GRID, PAPER = "#1b2733", "#4a5967", "#dfe5ea", "#ffffff"

# After Okabe and Ito, some of it darker, so that every mark has a contrast of 3:1 to the paper; the greys carry states
# that are not the question.
BLUE, VERMILLION, GREEN, ORANGE = "#0072b2", "#d55e00", "#009e73", "#b57a00"
SKY, PURPLE, GREY, PALE = "#2f8fc4", "#b85c92", "#66737f", "#8794a0"
PLAIN, ACCENT, LOSS = "#5f86a6", VERMILLION, "#a84300"
SHADE, DEEP = "#f1f5f8", "#7fb2d6"  # the ends of a heat map: dark numbers can be read on both

#: What stands for each colour on a page in dark colours. The pages change the colours, so that no figure is made twice.
DARK = {
    INK: "#e8edf2",
    MUTED: "#b4c0cb",
    GRID: "#3d4c5a",
    PAPER: "#17212b",
    BLUE: "#4aa8e0",
    VERMILLION: "#ff8a3d",
    GREEN: "#2fc79a",
    ORANGE: "#f0b429",
    SKY: "#7cc4f0",
    PURPLE: "#e39ac4",
    GREY: "#a3b0bc",
    PALE: "#75838f",
    PLAIN: "#7fa6c6",
    LOSS: "#ff9d5c",
    SHADE: "#22303c",
    DEEP: "#2b648d",
}

STATE_COLOURS = {
    "eligible": BLUE,
    "not_eligible": VERMILLION,
    "moved": GREY,
    "unknown": PALE,
    "preparatory": BLUE,
    "vocational": GREEN,
    "introductory": ORANGE,
    "none": PURPLE,
}


#: What plotly draws: a chart, a trace or a part of the layout.
Drawing = dict[str, Any]


def share_axis(values: Iterable[float], words: Words, ticks: int = 5) -> Drawing:
    """Return an axis for shares from 0 to 1 that holds all values, with its ticks in the language of ``words``."""
    known = [value for value in values if value == value]
    low, high = max(min(known, default=0.0), 0.0), min(max(known, default=1.0), 1.0)
    step = next((size for size in (0.01, 0.02, 0.05, 0.1) if (high - low) / size <= ticks), 0.2)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    places = [number * step for number in range(first, max(last, first + 1) + 1)]
    return {
        "tickvals": places,
        "ticktext": [words.percent(place) for place in places],
        "range": [places[0] - step / 4, places[-1] + step / 4],
        "fixedrange": True,
        "gridcolor": GRID,
        "zeroline": False,
        "automargin": True,
    }


def error_bars(above: Sequence[float | None], below: Sequence[float | None], **look: object) -> Drawing:
    """Return plotly's error bars, with their lengths above and below each mark."""
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, **look}


def titled_axis(title: str, **more: object) -> Drawing:
    """Return an axis with a title."""
    return {
        "title": {"text": title, "font": {"size": 13}},
        "fixedrange": True,
        "gridcolor": GRID,
        "automargin": True,
        **more,
    }


def names_axis(names: list[str], **more: object) -> Drawing:
    """Return an axis of names in the order given; without an order plotly sorts them by what is drawn."""
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": names,
        "fixedrange": True,
        "automargin": True,
        **more,
    }


def term_tick(term: str, words: Words) -> str:
    """Write a term on two lines: the school year, and which of its terms."""
    return "<br>".join(safe(words.label("term", term)).rsplit(" ", 1))


def terms_axis(ticks: list[str], **more: object) -> Drawing:
    """Return the horizontal axis of a chart by term."""
    return names_axis(ticks, showgrid=False, ticks="", tickangle=0, linecolor=GRID, tickfont={"size": 13}, **more)


#: Room for a legend above the chart.
LEGEND_ABOVE: Drawing = {"showlegend": True, "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"}}
#: How the hints of all marks are written: in words, without the name of the trace.
HINT = "%{customdata}<extra></extra>"


def legend_beneath(plot: int, lines: int) -> Drawing:
    """Return ``height``, ``margin`` and ``legend`` of a chart with its legend right below the axis.

    ``plot`` is the height of the drawing in pixels; ``lines`` those of the legend on a narrow screen, which needs most.
    """
    top, axis = 12, 56
    place = {"orientation": "h", "y": -axis / plot, "yanchor": "top", "x": 0}
    margin = {"l": 8, "r": 16, "t": top, "b": axis + 24 * lines}
    return {"height": plot + sum(margin[side] for side in "tb"), "margin": margin, "showlegend": True, "legend": place}


def wrapped(text: str, width: int = 22) -> str:
    """Break a label into lines, so that it is never clipped on a narrow screen."""
    return "<br>".join(wrap(text, width, break_long_words=True)) or text


def safe(text: str) -> str:
    """Make a label from outside safe for plotly, which reads a little HTML in its texts."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def hidden_mark(x: object, y: object, **more: object) -> Drawing:
    """Return the annotation that marks the place of a suppressed cell."""
    return {"x": x, "y": y, "text": SUPPRESSED, "showarrow": False, "font": {"size": 16, "color": MUTED}, **more}


def hinted(kind: str, hints: Iterable[object], **look: object) -> Drawing:
    """Return a trace whose marks show these hints."""
    return {"type": kind, "customdata": list(hints), "hovertemplate": HINT, **look}
