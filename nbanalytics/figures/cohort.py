"""A cohort from year 6 to year 9: the six groups, terms and subjects of loss, and one point for each student."""

from __future__ import annotations

from math import ceil

import narwhals as nw
from narwhals.typing import IntoDataFrame

from nbanalytics.figures import style
from nbanalytics.figures.chart import (
    Chart,
    Source,
    TextTable,
    bars_beneath_names,
    by_term,
    cells_of,
    drawing,
    heads,
    nothing,
    table_of,
)
from nbanalytics.figures.style import Drawing
from nbanalytics.text import ENGLISH, SUPPRESSED, Cell, Cells, Words

_LOST = "6"  # the group that the question is about
_TRANSITION = "7HT"  # the first term in the new school
_LIFE_TABLE = {"at_risk": "count", "lost": "count", "censored": "count", "hazard": "share", "survival": "share"}
#: Colour and shape of each group: either shows which it is.
MARKS = {
    "1": (style.BLUE, "circle"),
    "2": (style.SKY, "circle-open"),
    "3": (style.PURPLE, "triangle-down"),
    "4": (style.ORANGE, "triangle-up"),
    "5": (style.GREEN, "square"),
    "6": (style.VERMILLION, "x"),
}
_COLUMNS = (("points_y6", "points_6", "start_points", "start"), ("points_y9", "points_9", "end_points", "end"))


def groups_bar(groups: Source, words: Words = ENGLISH) -> Chart:
    """Draw how many students are in each of the six groups.

    Parameters
    ----------
    groups
        The result of :func:`nbanalytics.classify`; a table with ``group`` and ``students``; or one selection of the
        release's table ``groups``: ``group`` (``*`` for all), ``measure``, ``value``, ``status``.
    words
        Language and labels.

    Returns
    -------
    Chart
        Horizontal bars, group 1 at the top; group 6 stands out by colour and by its name. A suppressed group has the
        mark ``..`` and no bar.

    Examples
    --------
    >>> import pandas as pd
    >>> groups_bar(pd.DataFrame({"group": ["5", "6"], "students": [15, 23]})).table.rows
    [['5. Became eligible', '15', '39.5%'], ['6. Lost eligibility', '23', '60.5%'], ['All', '38', '100.0%']]
    """
    cells = cells_of(groups, "counts")
    codes, total = sorted(cells.codes("group")), _total(cells)
    found = [cells.cell(group=code) for code in codes]
    names = [words.label("group", code) for code in codes]
    written = [
        f"{words.cell(cell)} ({words.percent(cell.value / total.value)})"
        if cell.value is not None and total.value
        else words.cell(cell)
        for cell in found
    ]
    values = "; ".join(f"{code} {name}: {text}" for code, name, text in zip(codes, names, written, strict=True))
    rows = [
        [name, words.cell(cell), words.percent(cell.value / total.value, 1)]
        if cell.value is not None and total.value
        else [name, words.cell(cell), SUPPRESSED]
        for name, cell in zip(
            [*(f"{code}. {name}" for code, name in zip(codes, names, strict=True)), words.say("row.total")],
            [*found, total],
            strict=True,
        )
    ]
    table = TextTable(heads(words, "group", "students", "share"), rows)
    numbers = [cell.value for cell in found]
    colours = [style.ACCENT if code == _LOST else style.PLAIN for code in codes]
    end = 1.65 * (max((number for number in numbers if number is not None), default=1.0) or 1.0)
    above = [f"<b>{code}</b>  {name}" for code, name in zip(codes, names, strict=True)]
    chart = bars_beneath_names(names, numbers, written, colours, end, words, above)
    return Chart(chart, words.say("groups.alt", values=values), table)


def _total(cells: Cells) -> Cell:
    """Return the number of all students; of a result, which has no cell for it, the sum of its groups."""
    total, parts = cells.cell(), [cells.value(group=code) for code in cells.codes("group")]
    if len(cells) > len(parts):
        return total
    return Cell({"group": "*"}, "students", sum(value or 0 for value in parts), "ok")


def drop_terms(losses: Source, words: Words = ENGLISH) -> Chart:
    """Draw how many students lose eligibility in each term, and the share of those who still had it.

    Parameters
    ----------
    losses
        The result of :func:`nbanalytics.losses`; a life table with a column per measure; or one selection of the
        release's table ``droppoints``: ``term``, ``measure`` (``lost``, ``hazard``, ...), ``value``, ``status``.
    words
        Language and labels.

    Returns
    -------
    Chart
        Bars of ``lost`` above, points of ``hazard`` below, on one axis of terms. The transition from year 6 to 7
        stands out by colour and by a note. Suppressed cells have the mark ``..``; if all are, nothing is drawn.
        The table is the life table.
    """
    life_table = getattr(losses, "life_table", None)
    cells = cells_of(life_table() if callable(life_table) else losses)
    terms = cells.codes("term")
    names = [words.label("term", term) for term in terms]
    lost = [cells.cell("lost", term=term) for term in terms]
    hazard = [cells.cell("hazard", term=term) for term in terms]
    values = "; ".join(
        f"{name}: {words.cell(number)}" + (f" ({words.cell(share, 'share')})" if share.ok else "")
        for name, number, share in zip(names, lost, hazard, strict=True)
    )
    rows = [
        [name, *(words.cell(cells.cell(measure, term=term), kind) for measure, kind in _LIFE_TABLE.items())]
        for name, term in zip(names, terms, strict=True)
    ]
    table = TextTable(heads(words, "term", *_LIFE_TABLE), rows)
    known = any(cell.ok for cell in [*lost, *hazard])
    chart = _lost_above_hazard(terms, lost, hazard, words) if known else nothing(words)
    return Chart(chart, words.say("terms.alt", values=values), table)


def _lost_above_hazard(terms: list[str], lost: list[Cell], hazard: list[Cell], words: Words) -> Drawing:
    ticks = [style.term_tick(term, words) for term in terms]
    colours = [style.ACCENT if term == _TRANSITION else style.PLAIN for term in terms]
    counts, shares = [words.cell(cell) for cell in lost], [words.cell(cell, "share") for cell in hazard]
    bars = by_term("bar", ticks, lost, counts, textposition="outside", marker={"color": colours})
    points = by_term(
        "scatter",
        ticks,
        hazard,
        shares,
        yaxis="y2",
        mode="markers+text",
        textposition="top center",
        marker={"color": colours, "size": 10, "symbol": "diamond"},
        textfont={"color": style.INK},
    )
    marks = [
        style.hidden_mark(tick, 0, **axis, yanchor="bottom")
        for axis, cells in (({}, lost), ({"yref": "y2"}, hazard))
        for tick, cell in zip(ticks, cells, strict=True)
        if not cell.ok
    ]
    quiet = {"showgrid": False, "zeroline": False, "showticklabels": False, "fixedrange": True}
    return drawing(
        [bars, points],
        words,
        height=440,
        margin={"l": 14, "r": 8, "t": 40, "b": 74},
        xaxis=style.terms_axis(ticks, range=[-0.6, len(ticks) - 0.4], anchor="y2", layer="below traces"),
        yaxis={**quiet, "domain": [0.44, 1], "range": [0, _top(lost) * 1.18]},
        yaxis2={**quiet, "domain": [0, 0.28], "range": [0, _top(hazard) * 1.45], "anchor": "x"},
        bargap=0.42,
        annotations=[
            *marks,
            _heading("axis.lost", 1, words),
            _heading("axis.hazard", 0.34, words),
            *_note(terms, ticks, words),
        ],
        shapes=[_rule(0.44), _rule(0)],
    )


def _top(cells: list[Cell]) -> float:
    return max((cell.value for cell in cells if cell.value is not None), default=0.0) or 1.0


def _heading(key: str, y: float, words: Words) -> Drawing:
    return {
        "text": f"<b>{words.say(key)}</b>",
        "x": 0,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 16 if y == 1 else 6,
        "showarrow": False,
        "font": {"size": 13, "color": style.MUTED},
    }


def _rule(y: float) -> Drawing:
    ends = {"x0": 0, "x1": 1, "y0": y, "y1": y}
    line = {"color": style.GRID, "width": 1}
    return {"type": "line", "xref": "paper", "yref": "paper", **ends, "layer": "below", "line": line}


def _note(terms: list[str], ticks: list[str], words: Words) -> list[Drawing]:
    """Name the transition in words below its tick, so that its colour is not the only sign."""
    if _TRANSITION not in terms:
        return []
    return [
        {
            "text": "<br>".join(words.say("terms.transition").rsplit(" ", 1)),
            "x": ticks[terms.index(_TRANSITION)],
            "y": 0,
            "yref": "paper",
            "yanchor": "top",
            "yshift": -38,
            "showarrow": False,
            "font": {"size": 12, "color": style.LOSS},
        }
    ]


def subjects_heatmap(lost_subjects: Source, words: Words = ENGLISH) -> Chart:
    """Draw how many students lacked each subject when they lost eligibility, by term.

    Parameters
    ----------
    lost_subjects
        The result of :func:`nbanalytics.lost_subjects`, or one selection of the release's table ``lost_subjects``:
        ``term`` (``*`` for all), ``subject``, ``measure``, ``value``, ``status``.
    words
        Language and labels.

    Returns
    -------
    Chart
        A heat map with the number in each square. A suppressed square is blank and has the mark ``..``.
        The text alternative has the total of each subject.
    """
    cells = cells_of(lost_subjects, "counts")
    terms, subjects = cells.codes("term"), _subject_order(cells)
    rows = [
        [words.label("subject", code), *(words.cell(cells.cell(subject=code, term=term)) for term in [*terms, "*"])]
        for code in subjects
    ]
    labels = [words.label("term", term) for term in terms]
    table = TextTable([words.say("column.subject"), *labels, words.say("column.total")], rows)
    alt = words.say("subjects.alt", values="; ".join(f"{row[0]}: {row[-1]}" for row in rows))
    # A row of marks and zeros says no more than the line on what is hidden; the table has it.
    shown = [code for code in subjects if any(cells.value(subject=code, term=term) for term in terms)]
    return Chart(_squares(cells, terms, shown, words) if shown else nothing(words), alt, table)


def _subject_order(cells: Cells) -> list[str]:
    """Return the subjects that somebody lacked, the most common first; those whose total is hidden come last."""
    shown = [
        code
        for code in cells.codes("subject")
        if any(cell.value or cell.status == "suppressed" for cell in cells if cell.place["subject"] == code)
    ]
    return sorted(shown, key=lambda code: -(cells.value(subject=code, term="*") or 0))


def _squares(cells: Cells, terms: list[str], subjects: list[str], words: Words) -> Drawing:
    columns = [style.term_tick(term, words) for term in terms]
    rows = [style.wrapped(style.safe(words.label("subject", code)), 22) for code in subjects]
    grid = [[cells.cell(subject=code, term=term) for term in terms] for code in subjects]
    written = [[words.cell(cell) for cell in line] for line in grid]
    values = [[cell.value for cell in line] for line in grid]
    squares: Drawing = {
        "type": "heatmap",
        "x": columns,
        "y": rows,
        "z": values,
        "zmin": 0,
        "zmax": max((value for line in values for value in line if value is not None), default=0) or 1,
        "colorscale": [[0, style.SHADE], [1, style.DEEP]],
        "showscale": False,
        "xgap": 3,
        "ygap": 3,
        "hoverongaps": True,
        "customdata": [
            [f"{row}, {column}: {text}".replace("<br>", " ") for column, text in zip(columns, line, strict=True)]
            for row, line in zip(rows, written, strict=True)
        ],
        "hovertemplate": style.HINT,
    }
    numbers: Drawing = {
        "type": "scatter",
        "x": columns * len(rows),
        "y": [row for row in rows for _ in columns],
        "mode": "text",
        "text": [text for line in written for text in line],
        "textfont": {"size": 14, "color": style.INK},
        "hoverinfo": "skip",
    }
    axis = {"type": "category", "fixedrange": True, "ticks": "", "showgrid": False}
    return drawing(
        [squares, numbers],
        words,
        height=44 * len(rows) + 64,
        margin={"l": 8, "r": 8, "t": 52, "b": 8},
        xaxis={**axis, "side": "top", "tickangle": 0, "tickfont": {"size": 12}},
        yaxis={
            **axis,
            "autorange": "reversed",
            "automargin": True,
            "ticklabelstandoff": 6,
            "tickfont": {"size": 13},
            "linecolor": style.GRID,
        },
    )


def cohort_scatter(groups: Source, words: Words = ENGLISH) -> Chart:
    """Draw mean grade points in year 6 and year 9, one point per student, with the line of no change.

    It is diagram 1 of Progression 02 and shows single students: never put it on a page for the public.

    Parameters
    ----------
    groups
        The result of :func:`nbanalytics.classify`, or one row per student: ``group`` (1–6) and mean grade points of
        the comparable subjects in two columns, ``points_y6`` and ``points_y9`` (or ``points_6``/``points_9``,
        ``start_points``/``end_points``). Rows that lack one of them are left out.
    words
        Language and labels.

    Returns
    -------
    Chart
        A scatter plot with a trace per group, each with its own colour and shape. The table counts the students of each
        group by the direction of their change.

    Raises
    ------
    ValueError
        If the columns are missing.

    Examples
    --------
    >>> import pandas as pd
    >>> chart = cohort_scatter(pd.DataFrame({"points_y6": [12.5], "points_y9": [9.0], "group": [6]}))
    >>> [trace["name"] for trace in chart.drawing["data"]]
    ['No change', 'Group 6 Lost eligibility']
    """
    points = _points(table_of(groups))
    names = {
        group: f"{words.say('scatter.group', group=group)} {words.label('group', group)}"
        for group in sorted({group for _, _, group in points})
    }
    changes = {name: [after - before for before, after, code in points if code == group]
               for group, name in names.items()}  # fmt: skip
    every = [change for held in changes.values() for change in held]
    rows = [[name, *_directions(held, words)] for name, held in changes.items()]
    up, down, same = _directions(every, words)
    alt = words.say("scatter.alt", students=words.students(len(every)), up=up, down=down, same=same)
    table = TextTable(heads(words, "group", "up", "down", "same"), rows)
    return Chart(_scatter(points, names, words), alt, table)


def _directions(changes: list[float], words: Words) -> list[str]:
    """Count those who rose, fell and stayed."""
    counts = (sum(change > 0 for change in changes), sum(change < 0 for change in changes), changes.count(0))
    return [words.number(count) for count in counts]


def _points(table: IntoDataFrame) -> list[tuple[float, float, str]]:
    """Return mean points in year 6 and year 9 and the group of each student who has both."""
    frame = nw.from_native(table, eager_only=True)
    found = []
    for choices in _COLUMNS:
        name = next((choice for choice in choices if choice in frame.columns), None)
        if name is None:
            raise ValueError(
                f"the table needs a column with mean grade points named {' or '.join(choices)}; "
                f"it has {', '.join(frame.columns)}"
            )
        found.append(name)
    rows = frame.select(*found, "group").drop_nulls().iter_rows()
    return [(float(before), float(after), str(group)) for before, after, group in rows]


def _scatter(points: list[tuple[float, float, str]], names: dict[str, str], words: Words) -> Drawing:
    # Scales differ: the axes end at the next five above the highest mean, 20 on the scale A-F.
    top = 5 * ceil(max((max(before, after) for before, after, _ in points), default=20) / 5)
    line: Drawing = {
        "type": "scatter",
        "x": [0, top],
        "y": [0, top],
        "mode": "lines",
        "name": words.say("scatter.line"),
        "line": {"color": style.MUTED, "width": 1.5, "dash": "dash"},
        "hoverinfo": "skip",
    }
    traces = [line]
    for group, name in names.items():
        colour, symbol = MARKS.get(group, (style.MUTED, "diamond"))
        held = [(before, after) for before, after, code in points if code == group]
        marker = {"color": colour, "symbol": symbol, "size": 9, "opacity": 0.85, "line": {"width": 1, "color": colour}}
        traces.append(
            {
                "type": "scatter",
                "x": [before for before, _ in held],
                "y": [after for _, after in held],
                "mode": "markers",
                "cliponaxis": False,
                "name": name,
                "marker": marker,
                "customdata": [
                    f"{name}: {words.number(before, 1)} → {words.number(after, 1)}" for before, after in held
                ],
                "hovertemplate": style.HINT,
            }
        )
    axis = {"range": [0, top * 1.025], "gridcolor": style.GRID, "zeroline": False, "automargin": True}
    return drawing(
        traces,
        words,
        height=620,
        margin={"l": 56, "r": 16, "t": 16, "b": 56},
        showlegend=True,
        legend={"orientation": "h", "y": -0.16, "x": 0},
        xaxis={**axis, "title": {"text": words.say("axis.year6")}},
        yaxis={**axis, "title": {"text": words.say("axis.year9")}},
    )
