"""The follow-up against the zero value: two dots a group, with what chance alone may give."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from nbanalytics.figures.style import (
    ACCENT,
    BLUE,
    GRID,
    INK,
    ORANGE,
    PALE,
    PLAIN,
    Drawing,
    drawing,
    error_bars,
    hidden_mark,
    legend_beneath,
    names_axis,
    safe,
    share_axis,
    term_tick,
    terms_axis,
    wrapped,
)
from nbanalytics.figures.tables import Names, TextTable, with_bounds
from nbanalytics.intervals import wilson
from nbanalytics.text import NOT_APPLICABLE, SUPPRESSED, Cells, cell_text, label, number, percent, say, signed

_POINTS = ("absence",)  # measures in per cent of the term; the others are shares from 0 to 1


def followup_dots(table: pd.DataFrame, measure: str = "eligible", lang: str = "sv") -> go.Figure:
    """Draw zero value and follow-up of each group.

    Parameters
    ----------
    table
        The table of a :class:`nbanalytics.FollowUp`, one selection of its ``by``: ``group, measure, zero,
        later, low, high`` (of the change), ``chance_low, chance_high``; where a ``status`` is
        ``suppressed`` the row is written ``..``.
    measure
        ``eligible``, ``core`` or ``absence``.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    plotly.graph_objects.Figure
        A row per group: a ring at the zero value with a grey bar of what chance alone may give, and a dot at the
        follow-up with the 95 % interval of the change. Groups too small for an estimate have no marks, those that
        are suppressed the mark ``..``.

    Raises
    ------
    ValueError
        If the table does not hold the measure.
    """
    return go.Figure(followup_drawing(table, measure, lang))


def followup_drawing(table: pd.DataFrame, measure: str = "eligible", lang: str = "sv") -> Drawing:
    """Return what :func:`followup_dots` shows as a page takes it; the parameters are the same."""
    rows = _rows(table, measure)
    names = [safe(label("student_group", row["group"], lang)) for row in rows]
    hints = [_cell(row, measure, lang) for row in rows]
    common: Drawing = {"y": names, "customdata": hints, "hovertemplate": "%{customdata}<extra></extra>"}
    marks: Drawing = {"type": "scatter", "mode": "markers", **common}
    chance: Drawing = {
        "type": "bar",
        "orientation": "h",
        "base": [row["zero"] + row["chance_low"] for row in rows],
        "x": [row["chance_high"] - row["chance_low"] for row in rows],
        "width": 0.34,
        "marker": {"color": PALE},
        "name": say("followup.chance", lang),
        **common,
    }
    zero: Drawing = {
        "x": [row["zero"] for row in rows],
        "marker": {"symbol": "circle-open", "size": 13, "color": INK, "line": {"width": 2.5}},
        "name": say("followup.zero", lang),
        **marks,
    }
    later: Drawing = {
        "x": [row["later"] for row in rows],
        "marker": {"symbol": "diamond", "size": 11, "color": ACCENT},
        "error_x": error_bars(
            [row["high"] - row["change"] for row in rows],
            [row["change"] - row["low"] for row in rows],
            color=INK,
            thickness=1.5,
        ),
        "name": say("followup.later", lang),
        **marks,
    }
    return drawing(
        [chance, zero, later],
        lang,
        **legend_beneath(50 * len(rows) + 30, 3),
        xaxis={
            **_values_axis(rows, measure, lang),
            "title": {"text": label("official_measure", measure, lang), "font": {"size": 13}, "standoff": 6},
        },
        yaxis=names_axis(names, range=[len(rows) - 0.5, -0.5], ticks=""),
        annotations=[
            hidden_mark(0, place, xref="paper", xanchor="left", xshift=4)
            for place, row in enumerate(rows)
            if _hidden(row)
        ],
    )


def _values_axis(rows: list[dict[str, Any]], measure: str, lang: str) -> dict[str, Any]:
    if measure in _POINTS:
        return {"fixedrange": True, "gridcolor": GRID, "zeroline": False, "automargin": True}
    ends = [row["zero"] + row[name] for row in rows for name in ("low", "high", "chance_low", "chance_high")]
    return share_axis([*ends, *(row[name] for row in rows for name in ("zero", "later"))], lang)


def describe_followup_dots(table: pd.DataFrame, measure: str = "eligible", lang: str = "sv") -> str:
    """Say in a sentence what :func:`followup_dots` shows, for those who do not see it.

    Parameters
    ----------
    table, measure, lang
        As for :func:`followup_dots`.

    Returns
    -------
    str
        The text alternative: both values of each group, the change with its interval and what chance alone gives.
    """
    values = "; ".join(_cell(row, measure, lang) for row in _rows(table, measure))
    return say("followup.alt", lang, measure=label("official_measure", measure, lang), values=values)


def followup_table(table: pd.DataFrame, measure: str = "eligible", lang: str = "sv") -> TextTable:
    """Write zero value, follow-up, change with its interval and what chance alone gives, group by group.

    Parameters
    ----------
    table, measure, lang
        As for :func:`followup_dots`.

    Returns
    -------
    TextTable
        A row per group.

    Examples
    --------
    >>> change = {"zero": [0.83], "later": [0.8], "change": [-0.03], "low": [-0.06], "high": [0.01]}
    >>> row = pd.DataFrame({"group": ["all"], "measure": ["eligible"], **change, "chance_high": [0.04]})
    >>> followup_table(row, lang="en").rows
    [['All', '83.0%', '80.0%', '−3.0', '−6.0', '+1.0', '± 4.0']]
    """
    rows = []
    for row in _rows(table, measure):
        words = _numbers(row, measure, lang)
        name = label("student_group", row["group"], lang)
        rows.append([name, *(words[key] for key in ("zero", "later", "change", "low", "high", "chance"))])
    group, zero, later, change, chance = (
        say(f"column.{key}", lang) for key in ("student_group", "zero", "later", "change", "chance")
    )
    heads = [group, zero, later, *with_bounds(change, lang), chance]
    return TextTable(heads, rows, intervals={4: say("column.interval", lang)})


def _rows(table: pd.DataFrame, measure: str) -> list[dict[str, Any]]:
    chosen = table[table["measure"] == measure]
    if chosen.empty:
        raise ValueError(f"the table has no measure {measure!r}; it has {', '.join(sorted(set(table['measure'])))}")
    if chosen["group"].duplicated().any():
        raise ValueError("the table has several rows for a group; choose one selection, such as one school")
    return [{str(name): value for name, value in row.items()} for row in chosen.to_dict("records")]


def _hidden(row: dict[str, Any]) -> bool:
    return bool(row.get("status") == "suppressed")


def _numbers(row: dict[str, Any], measure: str, lang: str) -> dict[str, str]:
    """Write a row: values as shares or per cent of the term, changes in percentage points, nothing for no interval."""
    missing = SUPPRESSED if _hidden(row) else NOT_APPLICABLE
    scale = 1 if measure in _POINTS else 100

    def write(value: float) -> str:
        if pd.isna(value):
            return missing
        return number(value, lang, 1) if measure in _POINTS else percent(value, lang, 1)

    def points(value: float) -> str:
        return "" if pd.isna(value) else signed(scale * value, lang, 1)

    words = {name: write(row[name]) for name in ("zero", "later")}
    words |= {name: points(row[name]) for name in ("change", "low", "high")}
    words["change"] = words["change"] or missing
    return words | {"chance": points(row["chance_high"]).replace("+", "± ")}


def _cell(row: dict[str, Any], measure: str, lang: str) -> str:
    name = label("student_group", row["group"], lang)
    words = _numbers(row, measure, lang)
    return say("followup.cell" if words["low"] else "followup.cell_partly", lang, group=name, **words)


_LOOKS = ((BLUE, "circle", "solid"), (ORANGE, "square", "dash"))


class Share(NamedTuple):
    """Those who met a rule in a term, of those whose result is known; all missing where either is hidden."""

    term: str
    met: float | None
    known: float | None

    @property
    def share(self) -> float | None:
        """The share who met it."""
        return self.met / self.known if self.met is not None and self.known else None

    def interval(self) -> tuple[float, float]:
        """Wilson's interval of the share."""
        return wilson(int(self.met or 0), int(self.known or 0))


def shares_of(cells: Cells, indicator: str) -> list[Share]:
    """Return the shares of an indicator by term, from a release's table ``baseline``."""
    found = []
    for term in cells.codes("term"):
        yes, no = (cells.value(term=term, indicator=indicator, result=result) for result in ("yes", "no"))
        known = None if yes is None or no is None else yes + no
        found.append(Share(term, yes if known is not None else None, known))
    return found


def share_course(table: Any, lang: str = "sv", names: Names | None = None) -> go.Figure:
    """Draw the share who meet each rule, term by term, with its interval.

    Parameters
    ----------
    table
        One selection of the release's table ``baseline``: ``term, indicator, result, measure, value, status``.
    lang
        ``"sv"`` or ``"en"``.
    names
        Labels of indicators and terms that the catalogue does not know.

    Returns
    -------
    plotly.graph_objects.Figure
        A line for each indicator, told apart by colour, mark and dash; one line where all their shares are the same.
        Terms with a hidden count bear the mark ``..``.
    """
    return go.Figure(course_drawing(table, lang, names))


def course_drawing(table: Any, lang: str = "sv", names: Names | None = None) -> Drawing:
    """Return what :func:`share_course` shows as a page takes it; the parameters are the same."""
    cells = Cells.of(table)
    ticks = [term_tick(term, lang, (names or {}).get("term")) for term in cells.codes("term")]
    lines: dict[tuple[Share, ...], list[str]] = {}
    for code in cells.codes("indicator"):
        lines.setdefault(tuple(shares_of(cells, code)), []).append(_indicator(code, lang, names))
    traces = [
        _line(ticks, shares, "<br>".join(wrapped(safe(name), 24) for name in held), look, lang)
        for (shares, held), look in zip(lines.items(), _LOOKS, strict=False)
    ]
    first, rows = next(iter(lines), ()), sum(trace["name"].count("<br>") + 1 for trace in traces)
    drawn = [share for shares in lines for share in shares if share.share is not None]
    axis = share_axis([bound for share in drawn for bound in share.interval()], lang)
    return drawing(
        traces,
        lang,
        **legend_beneath(260, rows),
        xaxis=terms_axis(ticks),
        yaxis={**axis, "title": {"text": say("axis.share", lang), "font": {"size": 13}, "standoff": 10}},
        annotations=[
            hidden_mark(tick, axis["range"][0], yanchor="bottom")
            for tick, share in zip(ticks, first, strict=False)
            if share.share is None
        ],
    )


def describe_share_course(table: Any, lang: str = "sv", names: Names | None = None) -> str:
    """Say in a sentence what :func:`share_course` shows, for those who do not see it; parameters as there."""
    rows = share_course_table(table, lang, names).rows
    return say("course.alt", lang, values="; ".join(f"{row[0]}, {row[1]}: {row[4]}" for row in rows))


def share_course_table(table: Any, lang: str = "sv", names: Names | None = None) -> TextTable:
    """Write those who meet each rule, of how many, term by term."""
    cells = Cells.of(table)
    rows = []
    for code in cells.codes("indicator"):
        for share in shares_of(cells, code):
            start = [label("term", share.term, lang, (names or {}).get("term")), _indicator(code, lang, names)]
            rows.append([*start, *_written(share, lang)])
    *heads, shares = (say(f"column.{key}", lang) for key in ("term", "measure", "met", "of", "share"))
    return TextTable([*heads, *with_bounds(shares, lang)], rows, words=2, intervals={5: say("column.interval", lang)})


def absence_bars(table: Any, lang: str = "sv", names: Names | None = None) -> go.Figure:
    """Draw the mean absence of each term.

    Parameters
    ----------
    table
        One selection of the release's table ``absence``: ``term, measure, value, status`` with ``mean_absence``.
    lang, names
        As for :func:`share_course`.

    Returns
    -------
    plotly.graph_objects.Figure
        A bar per term, in per cent of the term; a suppressed mean bears the mark ``..``.
    """
    return go.Figure(absence_drawing(table, lang, names))


def absence_drawing(table: Any, lang: str = "sv", names: Names | None = None) -> Drawing:
    """Return what :func:`absence_bars` shows as a page takes it; the parameters are the same."""
    cells = Cells.of(table)
    terms = cells.codes("term")
    ticks = [term_tick(term, lang, (names or {}).get("term")) for term in terms]
    means = [cells.cell("mean_absence", term=term) for term in terms]
    words = [cell_text(cell.value, cell.status, lang, "mean") for cell in means]
    bars: Drawing = {
        "type": "bar",
        "x": ticks,
        "y": [cell.value for cell in means],
        "text": [text if cell.ok else "" for cell, text in zip(means, words, strict=True)],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": PLAIN},
        "customdata": [f"{tick.replace('<br>', ' ')}: {text}" for tick, text in zip(ticks, words, strict=True)],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    top = max((cell.value for cell in means if cell.value is not None), default=1.0) or 1.0
    return drawing(
        [bars],
        lang,
        height=280,
        margin={"l": 8, "r": 8, "t": 20, "b": 8},
        xaxis=terms_axis(ticks),
        yaxis={"visible": False, "range": [0, top * 1.2], "fixedrange": True},
        bargap=0.5,
        annotations=[
            hidden_mark(tick, 0, yanchor="bottom")
            for tick, cell in zip(ticks, means, strict=True)
            if cell.status == "suppressed"
        ],
    )


def describe_absence_bars(table: Any, lang: str = "sv", names: Names | None = None) -> str:
    """Say in a sentence what :func:`absence_bars` shows, for those who do not see it; parameters as there."""
    rows = absence_table(table, lang, names).rows
    return say("absences.alt", lang, values="; ".join(f"{term}: {mean}" for term, _, mean in rows))


def absence_table(table: Any, lang: str = "sv", names: Names | None = None) -> TextTable:
    """Write the students whose absence is known and their mean, term by term."""
    cells = Cells.of(table)
    rows = []
    for term in cells.codes("term"):
        students, mean = cells.cell(term=term), cells.cell("mean_absence", term=term)
        counted = cell_text(students.value, students.status, lang)
        text = cell_text(mean.value, mean.status, lang, "mean")
        rows.append([label("term", term, lang, (names or {}).get("term")), counted, text])
    return TextTable([say(f"column.{key}", lang) for key in ("term", "students", "absence")], rows)


def _line(ticks: list[str], shares: tuple[Share, ...], name: str, look: tuple[str, str, str], lang: str) -> Drawing:
    colour, symbol, dash = look
    bounds = [share.interval() for share in shares]
    written = [_written(share, lang) for share in shares]
    return {
        "type": "scatter",
        "x": ticks,
        "y": [share.share for share in shares],
        "mode": "lines+markers",
        "name": name,
        "connectgaps": False,
        "line": {"color": colour, "width": 2, "dash": dash},
        "marker": {"color": colour, "size": 10, "symbol": symbol},
        "error_y": error_bars(
            [high - (share.share or 0) for share, (_, high) in zip(shares, bounds, strict=True)],
            [(share.share or 0) - low for share, (low, _) in zip(shares, bounds, strict=True)],
            color=INK,
            thickness=1.2,
        ),
        "customdata": [
            f"{tick.replace('<br>', ' ')}: {share}{f' ({low} – {high})' if low != SUPPRESSED else ''}"
            for tick, (_, _, share, low, high) in zip(ticks, written, strict=True)
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _written(share: Share, lang: str) -> list[str]:
    if share.share is None or share.met is None or share.known is None:
        return [SUPPRESSED] * 5
    shares = (percent(value, lang, 1) for value in (share.share, *share.interval()))
    return [number(share.met, lang), number(share.known, lang), *shares]


def _indicator(code: str, lang: str, names: Names | None) -> str:
    return label("indicator", code, lang, (names or {}).get("indicator"))
