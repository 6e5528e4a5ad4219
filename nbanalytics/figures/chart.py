"""A chart: what is drawn, its text alternative and its table, in one object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from nbanalytics.figures.style import FONT, INK, MUTED, PAPER, Drawing, hidden_mark, hinted
from nbanalytics.figures.svg import draw_svg
from nbanalytics.protocols import held
from nbanalytics.text import Cell, Cells, Words

Row = Mapping[Any, Any]


class Result(Protocol):
    """A result of an analysis, with the table that a chart draws."""

    @property
    def table(self) -> pd.DataFrame:
        """The table."""


#: What a chart is made from: a result, its table, or cells of a release.
Source = Result | pd.DataFrame | Cells
if TYPE_CHECKING:
    import plotly.graph_objects as go

#: How notebooks name what they show: plotly's figure, and a picture of it.
PLOTLY, PICTURE = "application/vnd.plotly.v1+json", "image/svg+xml"
_SEPARATORS = {"sv": ",\u00a0", "en": ".,"}


@dataclass(frozen=True, repr=False)
class TextTable:
    """A table of text: the first column names the rows, the others hold formatted numbers.

    Attributes
    ----------
    columns, rows
        Headings, and rows of text as long as these.
    words, words_right
        How many columns from the left, and from the right, hold words instead of numbers.
    intervals
        By the place of a column that holds the lower bound of the interval of the column before it (the next column
        holds the upper one): what a page calls the two where it writes them below the value. A file has them apart.
    """

    columns: list[str]
    rows: list[list[str]]
    words: int = 1
    words_right: int = 0
    intervals: dict[int, str] = field(default_factory=dict)

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a dataframe of text."""
        return pd.DataFrame(self.rows, columns=self.columns)

    def __repr__(self) -> str:
        return self.to_pandas().to_string(index=False)

    def _repr_html_(self) -> str:
        return str(self.to_pandas().to_html(index=False))


@dataclass(frozen=True, repr=False)
class Chart:
    """A chart with its text alternative and its table. A notebook shows all three.

    Attributes
    ----------
    drawing
        ``data`` and ``layout`` as plotly's JavaScript takes them. They are not checked, which makes a page ten
        times as fast; :meth:`figure` checks them.
    alt
        What the chart shows in a sentence, for those who do not see it.
    table
        The numbers of the chart as formatted text.

    Examples
    --------
    >>> from nbanalytics.figures import groups_bar
    >>> chart = groups_bar(pd.DataFrame({"group": ["5", "6"], "students": [15, 23]}))
    >>> chart.alt.partition(". ")[2]
    '5 Became eligible: 15 (39%); 6 Lost eligibility: 23 (61%).'
    >>> list(chart.figure().data[0].x)
    [15.0, 23.0]
    """

    drawing: Drawing
    alt: str
    table: TextTable

    def __post_init__(self) -> None:
        if plan := held():
            object.__setattr__(self, "drawing", noted(self.drawing, f"protocol {plan.short}"))
            object.__setattr__(self, "alt", f"{self.alt} Protocol {plan.short}.")

    def figure(self) -> go.Figure:
        """Return the chart as a ``plotly.graph_objects.Figure``, which plotly checks."""
        import plotly.graph_objects as go

        # Without a template of its own a figure takes plotly's colours.
        return go.Figure({**self.drawing, "layout": {"template": "none", **self.drawing["layout"]}})

    def plain(self) -> Drawing:
        """Return the drawing as plain JSON values, with null for what is nan, as a page takes it."""
        found: Drawing = json.loads(json.dumps(self.drawing), parse_constant=lambda _: None)
        return found

    def __repr__(self) -> str:
        return f"{self.alt}\n\n{self.table!r}"

    def _repr_html_(self) -> str:
        """Return the text alternative, with the table behind it."""
        return f"<details><summary>{escape(self.alt)}</summary>{self.table._repr_html_()}</details>"

    def svg(self, width: int = 720) -> str:
        """Return the chart as a static SVG picture of this width in pixels, for where plotly does not run.

        Examples
        --------
        >>> from nbanalytics.figures import groups_bar
        >>> picture = groups_bar(pd.DataFrame({"group": ["5", "6"], "students": [15, 23]})).svg()
        >>> picture.startswith("<svg"), "Lost eligibility" in picture, len(picture) < 2000
        (True, True, True)
        """
        return draw_svg(self.plain(), self.alt, width)

    def _picture(self) -> dict[str, Any]:
        """Return what a notebook shows of the figure: by plotly where it runs, otherwise as a picture."""
        figure = json.loads(self.figure().to_json())
        return {PLOTLY: figure, PICTURE: self.svg(), "text/plain": self.alt}

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {**self._picture(), "text/html": self._repr_html_(), "text/plain": repr(self)}

    def _ipython_display_(self) -> None:
        """Show the figure, and beneath it the text alternative that opens the table.

        They are two outputs: an exported notebook shows only the best part of each, and HTML is better than a picture.
        """
        from IPython.display import display

        display(self._picture(), raw=True)  # type: ignore[no-untyped-call]
        display({"text/html": self._repr_html_(), "text/plain": repr(self)}, raw=True)  # type: ignore[no-untyped-call]


#: Room for a line above a chart, in pixels.
_LINE = 22


def noted(drawn: Drawing, text: str) -> Drawing:
    """Write a line above a chart, at its right, in room of its own."""
    layout, margin = drawn["layout"], dict(drawn["layout"]["margin"])
    place = {"xref": "paper", "yref": "paper", "x": 1, "y": 1, "xanchor": "right", "yanchor": "bottom"}
    look = {"text": text, "font": {"size": 11, "color": MUTED}, "showarrow": False, "yshift": margin["t"] + 4}
    wider = {"height": layout["height"] + _LINE, "margin": {**margin, "t": margin["t"] + _LINE}}
    notes = [*layout.get("annotations", ()), {**place, **look}]
    return {**drawn, "layout": {**layout, **wider, "annotations": notes}}


def table_of(shown: object, name: str = "table") -> Any:
    """Return a result's table; a table, or cells, as they are.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> table_of(SimpleNamespace(counts="its counts"), "counts")
    'its counts'
    """
    return shown if isinstance(shown, Cells) or hasattr(shown, "columns") else getattr(shown, name)


def cells_of(shown: object, name: str = "table") -> Cells:
    """Return the cells of a table, or of a result's."""
    return Cells.of(table_of(shown, name))


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as mappings of column to value."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def drawing(traces: Iterable[Drawing], words: Words, height: int, **layout: object) -> Drawing:
    """Return ``data`` and ``layout`` of a chart in the common look, ``height`` in pixels; the width follows the page.

    The language of ``words`` sets decimal comma or point; ``layout`` has further settings.
    """
    look: Drawing = {
        "height": height,
        "autosize": True,
        "separators": _SEPARATORS[words.lang],
        "font": {"family": FONT, "size": 14, "color": INK},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {"font": {"family": FONT, "size": 14, "color": INK}, "bgcolor": PAPER, "bordercolor": MUTED},
    }
    return {"data": list(traces), "layout": look | layout}


def bars_beneath_names(
    names: Sequence[str],
    values: Sequence[float | None],
    written: Sequence[str],
    colours: Sequence[str],
    end: float,
    words: Words,
    above: Sequence[str] = (),
) -> Drawing:
    """Draw horizontal bars up to ``end`` with names (or ``above``) above them; a missing value has a mark.

    Beside its bar a name would take half of a narrow screen.
    """
    bars = hinted(
        "bar",
        [f"{name}: {text}" for name, text in zip(names, written, strict=True)],
        orientation="h",
        y=list(range(len(names))),
        x=values,
        text=[text if value is not None else "" for value, text in zip(values, written, strict=True)],
        textposition="outside",
        cliponaxis=False,
        marker={"color": colours},
    )
    marks = [hidden_mark(0, rank, xanchor="left", xshift=4) for rank, value in enumerate(values) if value is None]
    place = {"x": 0, "xanchor": "left", "yanchor": "bottom", "yshift": 11, "showarrow": False, "font": {"size": 13}}
    labels = [{"text": name, "y": rank, **place} for rank, name in enumerate(above or names)]
    axis = {"visible": False, "fixedrange": True}
    return drawing(
        [bars],
        words,
        height=54 * len(names) + 24,
        margin={"l": 2, "r": 2, "t": 4, "b": 4},
        xaxis={**axis, "range": [0, end]},
        yaxis={**axis, "range": [len(names) - 0.5, -0.75]},
        bargap=0.62,
        annotations=[*marks, *labels],
    )


def by_term(kind: str, ticks: Sequence[str], cells: Sequence[Cell], written: Sequence[str], **look: object) -> Drawing:
    """Return bars or points by term, with their numbers; a suppressed cell has none."""
    return hinted(
        kind,
        [f"{tick.replace('<br>', ' ')}: {text}" for tick, text in zip(ticks, written, strict=True)],
        x=ticks,
        y=[cell.value for cell in cells],
        text=[text if cell.ok else "" for cell, text in zip(cells, written, strict=True)],
        cliponaxis=False,
        **look,
    )


def nothing(words: Words) -> Drawing:
    """Return an empty chart, for a selection with nothing to draw."""
    return drawing([], words, height=120, xaxis={"visible": False}, yaxis={"visible": False})


def heads(words: Words, *keys: str) -> list[str]:
    """Return headings of columns by their key."""
    return [words.say(f"column.{key}") for key in keys]


def with_bounds(column: str, words: Words) -> list[str]:
    """Return the headings of an estimate and of the bounds of its interval.

    Examples
    --------
    >>> with_bounds("Share", Words("en"))
    ['Share', 'Share, lower limit', 'Share, upper limit']
    """
    return [column, *(words.say(f"column.{bound}", column=column) for bound in ("low", "high"))]
