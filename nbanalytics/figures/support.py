"""Support for the staff concerned: caseload, coverage, balance of a comparison, hand-over, and the KAA follow-up."""

from __future__ import annotations

import pandas as pd

from nbanalytics.figures import style
from nbanalytics.figures.chart import (
    Chart,
    Row,
    Source,
    TextTable,
    bars_beneath_names,
    drawing,
    heads,
    table_of,
    with_bounds,
)
from nbanalytics.figures.style import Drawing
from nbanalytics.text import ENGLISH, NOT_APPLICABLE, Words

#: Closest contact first; dashes distinguish the lines where colour does not.
_INTENSITIES = {
    "*": (style.INK, "solid"),
    "weekly": (style.VERMILLION, "dash"),
    "several_a_month": (style.ORANGE, "dashdot"),
    "monthly": (style.BLUE, "longdash"),
    "now_and_then": (style.GREY, "dot"),
}
_POSITIONS = ("known_to_nobody", "lost", "carried", "begun", "no_need", "unknown", "moved")
_ATTENTION = ("known_to_nobody", "lost")
_KAA = {
    "work": (style.BLUE, ""),
    "study": (style.SKY, "/"),
    "activity": (style.ORANGE, "x"),
    "unknown": (style.PALE, "\\"),
}
_KAA_ROWS = ("work_or_study", *_KAA)
_KAA_ALT = ("work_or_study", "activity", "unknown")
_ON_PALE = "#0b1219"  # on marks that are light in both colour schemes, so it is the same in both
_WIDE = {"l": 8, "r": 8, "t": 36, "b": 8}


def caseload_over_time(caseload: Source, words: Words = ENGLISH) -> Chart:
    """Draw how many students had active support, month by month and by intensity.

    Parameters
    ----------
    caseload
        The result of :func:`nbanalytics.caseload`, or rows of its table for one actor: ``month, intensity, students``.
    words
        Language and labels.

    Returns
    -------
    Chart
        A line for each intensity, and one for all. Months without a student are drawn as 0.

    Examples
    --------
    >>> table = pd.DataFrame({"month": ["2024-06-01", "2024-08-01"], "intensity": "*", "students": [3, 1]})
    >>> caseload_over_time(table).table.rows
    [['2024-06', '3'], ['2024-07', '0'], ['2024-08', '1']]
    """
    table = table_of(caseload)
    months = _months(table)
    counts = {
        code: own.groupby(own["month"].astype(str).str[:10])["students"].sum().reindex(months, fill_value=0).tolist()
        for code in _INTENSITIES
        if len(own := table[table["intensity"] == code])
    }
    rows = [
        [month[:7], *(words.number(values[place]) for values in counts.values())] for place, month in enumerate(months)
    ]
    names = [words.label("intensity", code) for code in counts]
    every = counts.get("*", [0])
    most = max(every, default=0)
    month = months[every.index(most)][:7] if months else ""
    chart = drawing(
        [_months_of(code, months, values, words) for code, values in counts.items()],
        words,
        height=360,
        margin=_WIDE,
        **style.LEGEND_ABOVE,
        xaxis={"type": "date", "fixedrange": True, "gridcolor": style.GRID, "automargin": True},
        yaxis=style.titled_axis(words.say("support.axis.students"), rangemode="tozero"),
    )
    alt = words.say("support.caseload.alt", most=words.number(most), month=month)
    return Chart(chart, alt, TextTable([words.say("column.month"), *names], rows))


def _months(table: pd.DataFrame) -> list[str]:
    """Return every month from the first to the last, as its first day: the table lacks those without a student."""
    held = pd.PeriodIndex(table["month"].astype(str).str[:7], freq="M")
    return [f"{month}-01" for month in pd.period_range(held.min(), held.max(), freq="M")] if len(held) else []


def _months_of(code: str, months: list[str], values: list[int], words: Words) -> Drawing:
    (colour, dash), name = _INTENSITIES[code], words.label("intensity", code)
    return {
        "type": "scatter",
        "x": months,
        "y": values,
        "mode": "lines",
        "name": name,
        "line": {"color": colour, "dash": dash, "width": 2.5 if code == "*" else 1.8, "shape": "hv"},
        "customdata": [
            f"{name}, {month[:7]}: {words.number(value)}" for month, value in zip(months, values, strict=True)
        ],
        "hovertemplate": style.HINT,
    }


def coverage_by_term(coverage: Source, words: Words = ENGLISH) -> Chart:
    """Draw the share without support of students with a risk signal, term by term.

    Parameters
    ----------
    coverage
        The result of :func:`nbanalytics.coverage`, or its table: ``term, share, low, high, with_signal,
        without_support``.
    words
        Language and labels.

    Returns
    -------
    Chart
        A point with its 95 % interval for each term, one above the other so that their names have room on a narrow
        screen; no point where nobody has a signal.

    Examples
    --------
    >>> share = {"share": [0.5, None], "low": [0.31, None], "high": [0.69, None]}
    >>> table = pd.DataFrame({"term": ["7HT", "7VT"], "with_signal": [24, 0], "without_support": [12, 0], **share})
    >>> chart = coverage_by_term(table)
    >>> chart.table.rows[0]
    ['Y7 aut.', '24', '12', '50.0%', '31.0%', '69.0%']
    >>> chart.alt
    'Share without support of students with a risk signal, term by term: Y7 aut. 50%, Y7 spr. nobody has a signal.'
    """
    table = table_of(coverage)
    names = [words.label("term", term) for term in table["term"]]
    nobody = words.say("support.coverage.nobody")
    parts = [
        f"{name} {words.percent(share) if pd.notna(share) else nobody}"
        for name, share in zip(map(style.safe, names), table["share"], strict=True)
    ]
    rows = [
        [name, words.number(row["with_signal"]), words.number(row["without_support"]), *_share_and_bounds(row, words)]
        for name, row in zip(names, table.to_dict("records"), strict=True)
    ]
    *columns, share = heads(words, "term", "signal", "without", "share")
    written = TextTable([*columns, *with_bounds(share, words)], rows, intervals={4: words.say("column.interval")})
    alt = words.say("support.coverage.alt", values=", ".join(parts))
    return Chart(_points_by_term(table.dropna(subset=["share"]), words), alt, written)


def _points_by_term(known: pd.DataFrame, words: Words) -> Drawing:
    names = [style.safe(words.label("term", term)) for term in known["term"]]
    bounds = [_share_and_bounds(row, words) for row in known.to_dict("records")]
    above, below = known["high"] - known["share"], known["share"] - known["low"]
    points: Drawing = {
        "type": "scatter",
        "x": known["share"].tolist(),
        "y": names,
        "mode": "markers",
        "marker": {"size": 11, "color": style.BLUE},
        "error_x": style.error_bars(above.tolist(), below.tolist(), color=style.PLAIN, thickness=2),
        "customdata": [
            f"{name}: {share} ({low} – {high})" for name, (share, low, high) in zip(names, bounds, strict=True)
        ],
        "hovertemplate": style.HINT,
    }
    return drawing(
        [points],
        words,
        height=34 * len(names) + 72,
        margin={"l": 8, "r": 16, "t": 8, "b": 8},
        xaxis={**style.share_axis([0, 1], words), **style.titled_axis(words.say("support.axis.without"))},
        yaxis=style.names_axis(names, range=[len(names) - 0.5, -0.5], ticks="", showgrid=False),
    )


def _share_and_bounds(row: Row, words: Words) -> list[str]:
    """Write a row's share and the bounds of its interval."""
    return [NOT_APPLICABLE if pd.isna(row[name]) else words.percent(row[name], 1) for name in ("share", "low", "high")]


def love_plot(balance: Source, words: Words = ENGLISH) -> Chart:
    """Draw how alike two groups are in what was known, before and after weighting (Love's plot).

    Parameters
    ----------
    balance
        ``covariate, before, after`` of one outcome: rows of ``SupportOutcome.balance``.
    words
        Language and labels.

    Returns
    -------
    Chart
        Open circles before, filled squares after; the band is 0.1 standard deviations (Austin 2009). The table has the
        largest difference first.
    """
    table = table_of(balance, "balance")
    ordered = table.reindex(table["before"].abs().sort_values().index)
    names = [style.wrapped(style.safe(str(name)), 28) for name in ordered["covariate"]]
    traces = []
    for column, symbol, colour in (("before", "circle-open", style.VERMILLION), ("after", "square", style.BLUE)):
        name = words.say(f"support.{column}")
        trace: Drawing = {
            "type": "scatter",
            "x": ordered[column].tolist(),
            "y": names,
            "mode": "markers",
            "name": name,
            "marker": {"size": 10, "symbol": symbol, "color": colour, "line": {"width": 2, "color": colour}},
            "hovertemplate": f"%{{y}}, {name}: %{{x:.2f}}<extra></extra>",
        }
        traces.append(trace)
    band = {"type": "rect", "xref": "x", "yref": "paper", "x0": -0.1, "x1": 0.1, "y0": 0, "y1": 1}
    chart = drawing(
        traces,
        words,
        height=26 * len(names) + 100,
        margin=_WIDE,
        **style.LEGEND_ABOVE,
        shapes=[{**band, "fillcolor": style.GRID, "line": {"width": 0}, "layer": "below"}],
        xaxis=style.titled_axis(words.say("support.axis.difference"), zeroline=True, zerolinecolor=style.GREY),
        yaxis={"type": "category", "fixedrange": True, "automargin": True, "gridcolor": style.GRID},
    )
    largest = {name: words.number(float(table[name].abs().max()), 2) for name in ("before", "after")}
    rows = [
        [str(row["covariate"]), *(words.number(row[name], 2) for name in ("before", "after"))]
        for row in reversed(ordered.to_dict("records"))
    ]
    columns = [words.say(key) for key in ("column.covariate", "support.before", "support.after")]
    return Chart(chart, words.say("support.balance.alt", **largest), TextTable(columns, rows))


def event_study(outcome: Source, words: Words = ENGLISH) -> Chart:
    """Draw the difference between supported students and similar others, term by term, before support and after.

    Parameters
    ----------
    outcome
        The result of :func:`nbanalytics.support_outcome`, or its events: ``outcome, term, role, effect_sd, low_sd,
        high_sd``.
    words
        Language and labels.

    Returns
    -------
    Chart
        A point with its 95 % interval for each term; open before support, where it must be near 0.

    Examples
    --------
    >>> bounds = {"effect_sd": [0.6, 0.1], "low_sd": [0.4, -0.1], "high_sd": [0.8, 0.3]}
    >>> table = pd.DataFrame({"outcome": "points", "term": ["7VT", "8VT"], "role": ["control", "after"], **bounds})
    >>> event_study(table).table.rows
    [['Grades', 'Y7 spr.', '0.60', '0.40', '0.80'], ['Grades', 'Y8 spr.', '0.10', '−0.10', '0.30']]
    """
    table = table_of(outcome, "events")
    traces, rows = [], []
    for (code, colour), shift in zip(
        (("absence", style.VERMILLION), ("points", style.BLUE)), (-0.08, 0.08), strict=True
    ):
        own = table[table["outcome"] == code]
        name = words.label("support_outcome", code).capitalize()
        terms = [words.label("term", term) for term in own["term"]]
        written = [
            [words.number(value, 2) for value in values]
            for values in own[["effect_sd", "low_sd", "high_sd"]].itertuples(index=False)
        ]
        rows += [[name, term, *values] for term, values in zip(terms, written, strict=True)]
        symbols = ["circle" if role == "after" else "circle-open" for role in own["role"]]
        above, below = own["high_sd"] - own["effect_sd"], own["effect_sd"] - own["low_sd"]
        trace: Drawing = {
            "type": "scatter",
            "x": [place + shift for place in range(len(own))],
            "y": own["effect_sd"].tolist(),
            "mode": "markers",
            "name": name,
            "marker": {"size": 11, "color": colour, "symbol": symbols, "line": {"width": 2, "color": colour}},
            "error_y": style.error_bars(above.tolist(), below.tolist(), color=colour, thickness=2),
            "customdata": [
                f"{style.safe(term)}: {value} ({low} – {high})"
                for term, (value, low, high) in zip(terms, written, strict=True)
            ],
            "hovertemplate": style.HINT,
        }
        if len(own):
            traces.append(trace)
    names = list(dict.fromkeys(words.label("term", term) for term in table["term"]))
    support = int((table.drop_duplicates("term")["role"] != "after").sum()) - 0.5
    line = {"type": "line", "xref": "x", "yref": "paper", "x0": support, "x1": support, "y0": 0, "y1": 1}
    chart = drawing(
        traces,
        words,
        height=360,
        margin=_WIDE,
        **style.LEGEND_ABOVE,
        shapes=[{**line, "line": {"width": 1, "dash": "dash", "color": style.GREY}}],
        xaxis={"tickvals": list(range(len(names))), "ticktext": names, "fixedrange": True, "showgrid": False},
        yaxis=style.titled_axis(words.say("support.axis.difference"), zeroline=True, zerolinecolor=style.GREY),
    )
    values = "; ".join(f"{name}, {term}: {value} ({low} – {high})" for name, term, value, low, high in rows)
    heading = [*heads(words, "outcome", "term"), *with_bounds(words.say("support.axis.difference"), words)]
    alt = words.say("support.events.alt", values=values)
    return Chart(chart, alt, TextTable(heading, rows, intervals={2: words.say("column.interval")}))


def kaa_shares(outcomes: Source, words: Words = ENGLISH) -> Chart:
    """Draw where those in the municipality's activity responsibility (KAA) are, by months since entry.

    Parameters
    ----------
    outcomes
        The result of :func:`nbanalytics.kaa_outcomes`, or its table: ``month, status, students, followed, share``.
    words
        Language and labels.

    Returns
    -------
    Chart
        Stacked bars of shares, with the share written in each part that has room for it. The table has the intervals.

    Examples
    --------
    >>> status = {"status": ["work_or_study", "work", "study", "activity", "unknown"], "share": [0.5, 0.5, 0, 0.5, 0]}
    >>> table = pd.DataFrame({"month": 3, "students": 10, "followed": 20, **status, "low": 0.2, "high": 0.8})
    >>> kaa_shares(table).table.rows[0][:5]
    ['3', '20', '50.0%', '20.0%', '80.0%']
    """
    table = table_of(outcomes)
    months = sorted(table["month"].unique().tolist())
    found = {month: {row["status"]: row for row in own.to_dict("records")} for month, own in table.groupby("month")}
    parts, rows = [], []
    for month, by_status in found.items():
        shares = (f"{words.label('kaa', code).lower()} {words.percent(by_status[code]['share'])}" for code in _KAA_ALT)
        parts.append(f"{words.say('support.month', month=str(month))}: {', '.join(shares)}")
        written = [text for code in _KAA_ROWS for text in _share_and_bounds(by_status[code], words)]
        rows.append([str(month), words.number(by_status[_KAA_ROWS[0]]["followed"]), *written])
    start = [words.say("support.axis.months"), words.say("column.students")]
    columns = [head for code in _KAA_ROWS for head in with_bounds(words.label("kaa", code), words)]
    bounds = range(len(start) + 1, len(start) + len(columns), 3)
    intervals = dict.fromkeys(bounds, words.say("column.interval"))
    chart = drawing(
        [_stack(code, table[table["status"] == code].set_index("month").reindex(months), words) for code in _KAA],
        words,
        height=380,
        barmode="stack",
        margin=_WIDE,
        **style.LEGEND_ABOVE,
        xaxis=style.titled_axis(words.say("support.axis.months"), type="category", showgrid=False),
        yaxis={**style.share_axis([0, 1], words), **style.titled_axis("")},
    )
    alt = words.say("support.kaa.alt", values="; ".join(parts))
    return Chart(chart, alt, TextTable([*start, *columns], rows, intervals=intervals))


def _stack(code: str, own: pd.DataFrame, words: Words) -> Drawing:
    """Return one part of the stacked bars, month by month."""
    (colour, pattern), name = _KAA[code], words.label("kaa", code)
    hints = []
    for row in own.reset_index().to_dict("records"):
        part, whole = (words.number(row[key]) for key in ("students", "followed"))
        month = words.say("support.month", month=str(row["month"]))
        hints.append(f"{name}, {month}: {words.say('tile.of', part=part, whole=whole)}")
    return {
        "type": "bar",
        "x": [str(month) for month in own.index],
        "y": own["share"].tolist(),
        "name": name,
        # The axis is in per cent: without the sign the number has room in a narrow bar.
        "text": [words.number(100 * share) if share >= 0.06 else "" for share in own["share"].fillna(0)],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "constraintext": "none",
        "textfont": {"size": 12, "color": _ON_PALE if code != "work" else style.PAPER},
        # Without a background of its own a pattern lies on the paper.
        "marker": {
            "color": colour,
            "pattern": {"shape": pattern, "bgcolor": colour, "fgcolor": "#ffffff", "solidity": 0.07},
        },
        "customdata": hints,
        "hovertemplate": style.HINT,
    }


def handover_bars(handover: Source, words: Words = ENGLISH) -> Chart:
    """Draw how many students are in each position at a hand-over.

    Parameters
    ----------
    handover
        The result of :func:`nbanalytics.handover`, or its counts: ``status, students``.
    words
        Language and labels.

    Returns
    -------
    Chart
        Horizontal bars, those who need attention first and in a colour of their own, each with its name and number.

    Examples
    --------
    >>> handover_bars(pd.DataFrame({"status": ["lost", "carried"], "students": [1, 3]})).table.rows
    [['Support was lost', '1', '25.0%'], ['Support was carried over', '3', '75.0%']]
    """
    counts = table_of(handover, "counts").groupby("status")["students"].sum()
    counts = counts.reindex([status for status in _POSITIONS if status in counts.index])
    names = [words.label("handover", status) for status in counts.index]
    written = [words.number(count) for count in counts]
    total = max(int(counts.sum()), 1)
    colours = [style.ACCENT if status in _ATTENTION else style.PLAIN for status in counts.index]
    end = max(float(counts.max()), 1) * 1.2
    chart = bars_beneath_names(names, counts.tolist(), written, colours, end, words)
    rows = [
        [name, text, words.percent(count / total, 1)] for name, text, count in zip(names, written, counts, strict=True)
    ]
    alt = words.say("staff.handover.alt", values="; ".join(f"{name}: {text}" for name, text, _ in rows))
    return Chart(chart, alt, TextTable(heads(words, "position", "students", "share"), rows))


def receiving_table(students: pd.DataFrame, words: Words = ENGLISH) -> TextTable:
    """Write ``Handover.receiving_list()``, the list for the receiving school, in the language of ``words``."""
    table = students.astype("string").fillna("")
    for name in ("to", "from_school"):
        table[name] = [words.label("school", code) for code in table[name]]
    table["to"] = table["to"].replace("", words.label("handover", "unknown"))
    for name in ("support_before", "support_after"):
        table[name] = [
            ", ".join(words.label("support", kind) for kind in kinds.split(", ") if kind) for kinds in table[name]
        ]
    table["status"] = [words.label("handover", status) for status in table["status"]]
    columns = [words.say(f"handover.column.{name}") for name in table]
    return TextTable(columns, table.astype(str).to_numpy().tolist(), words=len(columns))
