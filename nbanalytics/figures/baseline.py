"""Zero values and their follow-up: two dots a group with what chance alone may give, and the course term by term."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from nbanalytics.figures import style
from nbanalytics.figures.chart import (
    Chart,
    Row,
    Source,
    TextTable,
    by_term,
    cells_of,
    drawing,
    heads,
    rows_of,
    table_of,
    with_bounds,
)
from nbanalytics.figures.style import Drawing
from nbanalytics.intervals import wilson
from nbanalytics.text import ENGLISH, NOT_APPLICABLE, SUPPRESSED, Cells, Words

_POINTS = ("absence",)  # measures in per cent of the term; the others are shares from 0 to 1
_LOOKS = ((style.BLUE, "circle", "solid"), (style.ORANGE, "square", "dash"))


def followup_dots(follow_up: Source, measure: str = "eligible", words: Words = ENGLISH) -> Chart:
    """Draw zero value and follow-up of each group.

    Parameters
    ----------
    follow_up
        The result of :func:`nbanalytics.follow_up`, or its table, one selection of its ``by``: ``group, measure,
        zero, later, low, high`` (of the change), ``chance_low, chance_high``; a row whose ``status`` is ``suppressed``
        is written ``..``.
    measure
        ``eligible``, ``core`` or ``absence``.
    words
        Language and labels.

    Returns
    -------
    Chart
        A row per group: a ring at the zero value with a grey bar of what chance alone may give, and a dot at the
        follow-up with the 95 % interval of the change. Groups too small for an estimate have no marks, suppressed ones
        the mark ``..``.

    Raises
    ------
    ValueError
        If the table does not hold the measure, or has several rows for a group.

    Examples
    --------
    >>> change = {"zero": [0.83], "later": [0.8], "change": [-0.03], "low": [-0.06], "high": [0.01]}
    >>> chance = {"chance_low": [-0.04], "chance_high": [0.04]}
    >>> row = pd.DataFrame({"group": ["all"], "measure": ["eligible"], **change, **chance})
    >>> followup_dots(row).table.rows
    [['All', '83.0%', '80.0%', '−3.0', '−6.0', '+1.0', '± 4.0']]
    """
    rows = _rows_of_measure(table_of(follow_up), measure)
    names = [words.label("student_group", row["group"]) for row in rows]
    written = [_numbers(row, measure, words) for row in rows]
    hints = [
        words.say("followup.cell" if numbers["low"] else "followup.cell_partly", group=name, **numbers)
        for name, numbers in zip(names, written, strict=True)
    ]
    columns = ("zero", "later", "change", "low", "high", "chance")
    group, zero, later, change, chance = heads(words, "student_group", "zero", "later", "change", "chance")
    table = TextTable(
        [group, zero, later, *with_bounds(change, words), chance],
        [[name, *(numbers[key] for key in columns)] for name, numbers in zip(names, written, strict=True)],
        intervals={4: words.say("column.interval")},
    )
    alt = words.say("followup.alt", measure=words.label("official_measure", measure), values="; ".join(hints))
    return Chart(_dots(rows, list(map(style.safe, names)), hints, measure, words), alt, table)


def _dots(rows: list[Row], names: list[str], hints: list[str], measure: str, words: Words) -> Drawing:
    common: Drawing = {"y": names, "customdata": hints, "hovertemplate": style.HINT}
    marks: Drawing = {"type": "scatter", "mode": "markers", **common}
    chance: Drawing = {
        "type": "bar",
        "orientation": "h",
        "base": [row["zero"] + row["chance_low"] for row in rows],
        "x": [row["chance_high"] - row["chance_low"] for row in rows],
        "width": 0.34,
        "marker": {"color": style.PALE},
        "name": words.say("followup.chance"),
        **common,
    }
    zero: Drawing = {
        "x": [row["zero"] for row in rows],
        "marker": {"symbol": "circle-open", "size": 13, "color": style.INK, "line": {"width": 2.5}},
        "name": words.say("followup.zero"),
        **marks,
    }
    above, below = ([row["high"] - row["change"] for row in rows], [row["change"] - row["low"] for row in rows])
    later: Drawing = {
        "x": [row["later"] for row in rows],
        "marker": {"symbol": "diamond", "size": 11, "color": style.ACCENT},
        "error_x": style.error_bars(above, below, color=style.INK, thickness=1.5),
        "name": words.say("followup.later"),
        **marks,
    }
    title = {"text": words.label("official_measure", measure), "font": {"size": 13}, "standoff": 6}
    return drawing(
        [chance, zero, later],
        words,
        **style.legend_beneath(50 * len(rows) + 30, 3),
        xaxis={**_values_axis(rows, measure, words), "title": title},
        yaxis=style.names_axis(names, range=[len(rows) - 0.5, -0.5], ticks=""),
        annotations=[
            style.hidden_mark(0, place, xref="paper", xanchor="left", xshift=4)
            for place, row in enumerate(rows)
            if _hidden(row)
        ],
    )


def _values_axis(rows: list[Row], measure: str, words: Words) -> Drawing:
    if measure in _POINTS:
        return {"fixedrange": True, "gridcolor": style.GRID, "zeroline": False, "automargin": True}
    ends = [row["zero"] + row[name] for row in rows for name in ("low", "high", "chance_low", "chance_high")]
    return style.share_axis([*ends, *(row[name] for row in rows for name in ("zero", "later"))], words)


def _rows_of_measure(table: pd.DataFrame, measure: str) -> list[Row]:
    chosen = table[table["measure"] == measure]
    if chosen.empty:
        raise ValueError(f"the table has no measure {measure!r}; it has {', '.join(sorted(set(table['measure'])))}")
    if chosen["group"].duplicated().any():
        raise ValueError("the table has several rows for a group; choose one selection, such as one school")
    return [*rows_of(chosen)]


def _hidden(row: Row) -> bool:
    return bool(row.get("status") == "suppressed")


def _numbers(row: Row, measure: str, words: Words) -> dict[str, str]:
    """Write a row: values as shares or per cent of the term, changes in percentage points, nothing for no interval."""
    missing = SUPPRESSED if _hidden(row) else NOT_APPLICABLE
    scale = 1 if measure in _POINTS else 100

    def value(name: str) -> str:
        if pd.isna(row[name]):
            return missing
        return words.number(row[name], 1) if measure in _POINTS else words.percent(row[name], 1)

    def points(name: str) -> str:
        return "" if pd.isna(row[name]) else words.signed(scale * row[name], 1)

    numbers = {name: value(name) for name in ("zero", "later")}
    numbers |= {name: points(name) for name in ("change", "low", "high")}
    numbers["change"] = numbers["change"] or missing
    return numbers | {"chance": points("chance_high").replace("+", "± ")}


class Share(NamedTuple):
    """Those who met a rule in a term, of those whose result is known; both missing if one is hidden."""

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

    def written(self, words: Words) -> list[str]:
        """Write those who met it, of how many, the share and the bounds of its interval."""
        if self.share is None or self.met is None or self.known is None:
            return [SUPPRESSED] * 5
        shares = (words.percent(value, 1) for value in (self.share, *self.interval()))
        return [words.number(self.met), words.number(self.known), *shares]


def shares_of(cells: Cells, indicator: str) -> list[Share]:
    """Return the shares of an indicator by term, from a release's table ``baseline``."""
    found = []
    for term in cells.codes("term"):
        yes, no = (cells.value(term=term, indicator=indicator, result=result) for result in ("yes", "no"))
        known = None if yes is None or no is None else yes + no
        found.append(Share(term, yes if known is not None else None, known))
    return found


def share_course(baseline: Source, words: Words = ENGLISH) -> Chart:
    """Draw the share who meet each rule, term by term, with its interval.

    Parameters
    ----------
    baseline
        One selection of the release's table ``baseline``: ``term, indicator, result, measure, value, status``.
    words
        Language and labels.

    Returns
    -------
    Chart
        A line for each indicator with its own colour, mark and dash; one line if all their shares are the same.
        Terms with a hidden count have the mark ``..``. The table has the numbers who meet each rule, and of how many.
    """
    cells = cells_of(baseline)
    shares = {code: shares_of(cells, code) for code in cells.codes("indicator")}
    rows = [
        [words.label("term", share.term), words.label("indicator", code), *share.written(words)]
        for code, held in shares.items()
        for share in held
    ]
    *start, column = heads(words, "term", "measure", "met", "of", "share")
    interval = {5: words.say("column.interval")}
    table = TextTable([*start, *with_bounds(column, words)], rows, words=2, intervals=interval)
    alt = words.say("course.alt", values="; ".join(f"{row[0]}, {row[1]}: {row[4]}" for row in rows))
    return Chart(_course(cells.codes("term"), shares, words), alt, table)


def _course(terms: list[str], shares: dict[str, list[Share]], words: Words) -> Drawing:
    ticks = [style.term_tick(term, words) for term in terms]
    lines: dict[tuple[Share, ...], list[str]] = {}
    for code, held in shares.items():
        lines.setdefault(tuple(held), []).append(style.wrapped(style.safe(words.label("indicator", code)), 24))
    traces = [
        _line(ticks, line, "<br>".join(names), look, words)
        for (line, names), look in zip(lines.items(), _LOOKS, strict=False)
    ]
    first, rows = next(iter(lines), ()), sum(trace["name"].count("<br>") + 1 for trace in traces)
    drawn = [share for line in lines for share in line if share.share is not None]
    axis = style.share_axis([bound for share in drawn for bound in share.interval()], words)
    return drawing(
        traces,
        words,
        **style.legend_beneath(260, rows),
        xaxis=style.terms_axis(ticks),
        yaxis={**axis, "title": {"text": words.say("axis.share"), "font": {"size": 13}, "standoff": 10}},
        annotations=[
            style.hidden_mark(tick, axis["range"][0], yanchor="bottom")
            for tick, share in zip(ticks, first, strict=False)
            if share.share is None
        ],
    )


def _line(ticks: list[str], shares: tuple[Share, ...], name: str, look: tuple[str, str, str], words: Words) -> Drawing:
    colour, symbol, dash = look
    bounds = [share.interval() for share in shares]
    written = [share.written(words) for share in shares]
    return {
        "type": "scatter",
        "x": ticks,
        "y": [share.share for share in shares],
        "mode": "lines+markers",
        "name": name,
        "connectgaps": False,
        "line": {"color": colour, "width": 2, "dash": dash},
        "marker": {"color": colour, "size": 10, "symbol": symbol},
        "error_y": style.error_bars(
            [high - (share.share or 0) for share, (_, high) in zip(shares, bounds, strict=True)],
            [(share.share or 0) - low for share, (low, _) in zip(shares, bounds, strict=True)],
            color=style.INK,
            thickness=1.2,
        ),
        "customdata": [
            f"{tick.replace('<br>', ' ')}: {share}{f' ({low} – {high})' if low != SUPPRESSED else ''}"
            for tick, (_, _, share, low, high) in zip(ticks, written, strict=True)
        ],
        "hovertemplate": style.HINT,
    }


def absence_bars(absence: Source, words: Words = ENGLISH) -> Chart:
    """Draw the mean absence of each term.

    Parameters
    ----------
    absence
        One selection of the release's table ``absence``: ``term, measure, value, status`` with ``mean_absence``.
    words
        Language and labels.

    Returns
    -------
    Chart
        A bar per term, in per cent of the term; a suppressed mean has the mark ``..``. The table also has the number of
        students whose absence is known.
    """
    cells = cells_of(absence)
    terms = cells.codes("term")
    ticks = [style.term_tick(term, words) for term in terms]
    means = [cells.cell("mean_absence", term=term) for term in terms]
    written = [words.cell(cell, "mean") for cell in means]
    rows = [
        [words.label("term", term), words.cell(cells.cell(term=term)), mean]
        for term, mean in zip(terms, written, strict=True)
    ]
    bars = by_term("bar", ticks, means, written, textposition="outside", marker={"color": style.PLAIN})
    top = max((cell.value for cell in means if cell.value is not None), default=1.0) or 1.0
    hidden = [tick for tick, cell in zip(ticks, means, strict=True) if cell.status == "suppressed"]
    chart = drawing(
        [bars],
        words,
        height=280,
        margin={"l": 8, "r": 8, "t": 20, "b": 8},
        xaxis=style.terms_axis(ticks),
        yaxis={"visible": False, "range": [0, top * 1.2], "fixedrange": True},
        bargap=0.5,
        annotations=[style.hidden_mark(tick, 0, yanchor="bottom") for tick in hidden],
    )
    alt = words.say("absences.alt", values="; ".join(f"{term}: {mean}" for term, _, mean in rows))
    return Chart(chart, alt, TextTable(heads(words, "term", "students", "absence"), rows))
