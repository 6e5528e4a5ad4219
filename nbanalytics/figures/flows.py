"""Flows from year 6 to upper secondary as a Sankey diagram with stages and states in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from nbanalytics.figures.chart import Chart, Source, TextTable, drawing, heads, nothing, table_of, with_bounds
from nbanalytics.figures.style import (
    GREY,
    HINT,
    INK,
    MUTED,
    PAPER,
    STATE_COLOURS,
    Drawing,
    legend_beneath,
    safe,
    share_axis,
    terms_axis,
    wrapped,
)
from nbanalytics.text import ENGLISH, Cell, Cells, Words

ROOM = 424  # height of the drawing in pixels
THICK, GAP = 18, 24
PAD = 1.0  # plotly's own gap between nodes; it only counts in its scale, since every place is given
_LAST = ("preparatory", "vocational", "introductory", "none", "moved", "unknown")
_STATES = tuple(STATE_COLOURS)
_SHOWN = tuple(state for state in _STATES if state not in _LAST) + _LAST
_TOP, _BOTTOM = 44, 12
_LEFT, _RIGHT = 12, 190  # room to the right for the names of the last stage
_LONG, _LINE = 13, 24  # a longer name has its number on a second line; a very long one has more lines
_UNSEEN = "rgba(0,0,0,0)"


@dataclass(frozen=True)
class Node:
    """A state at a stage."""

    stage: str
    state: str
    students: float  # its total; where that is hidden, what its shown links add up to
    linked: float  # what its shown links add up to
    written: str


@dataclass(frozen=True)
class Places:
    """Places of the nodes, as shares of the drawing from its top left corner.

    ``across`` has the centre of each node from left to right, ``top`` its upper end; ``scale`` is the height of one
    student.
    """

    across: list[float]
    top: list[float]
    scale: float


class Flows(Protocol):
    """A result with states by stage, and the transitions between them."""

    @property
    def states(self) -> pd.DataFrame:
        """Students by stage and state."""

    @property
    def transitions(self) -> pd.DataFrame:
        """Students by the states of two stages."""


def flow_sankey(flows: Flows | tuple[Source, Source], words: Words = ENGLISH) -> Chart:
    """Draw how students move between states from stage to stage.

    Parameters
    ----------
    flows
        The result of :func:`nbanalytics.flows`, or its two tables ``(states, transitions)``, or one selection of those
        of a release: ``stage, state, measure, value, status``, and ``stage_from, state_from, stage_to, state_to``
        with the same.
    words
        Language and labels.

    Returns
    -------
    Chart
        A Sankey diagram with stages from left to right and states from top to bottom in a fixed order. A suppressed
        link is not drawn: the bar of a node is pale where its links are hidden. A node whose total is suppressed has
        the mark ``..`` and is as tall as its shown links. The table has every transition with students, and the hidden
        ones between states whose totals are shown.
    """
    tables = flows if isinstance(flows, tuple) else (flows.states, flows.transitions)
    totals, links = map(Cells.of, tables)
    stages = _stages_of(totals, links)
    nodes = _nodes_of(totals, links, stages, words)
    parts = []
    for stage in stages:
        held = [f"{words.label('state', node.state).lower()} {node.written}" for node in nodes if node.stage == stage]
        if held:
            parts.append(f"{words.label('stage', stage)}: {', '.join(held)}")
    known = any(node.linked for node in nodes)
    chart = _sankey_in_places(nodes, links, stages, words) if known else nothing(words)
    table = _transitions_table(totals, links, stages, words)
    return Chart(chart, words.say("flows.alt", values="; ".join(parts)), table)


def state_bars(states: Source, words: Words = ENGLISH) -> Chart:
    """Draw how likely each state is at each stage.

    Parameters
    ----------
    states
        The result of :func:`nbanalytics.state_probabilities`, or one group of its table.
    words
        Language and labels.

    Returns
    -------
    Chart
        One bar for each stage, divided into the states from the left in a fixed order. Stages of which nothing is
        estimated are left out. The table has every probability with its interval.
    """
    table = table_of(states)
    table = table[table["probability"].notna()]
    # A flow calls the spring of year 6 "year 6"; here every term has its own name.
    terms = {one: words.label("stage" if one == "upper_secondary" else "term", one) for one in table["stage"].unique()}
    ticks = {stage: safe(name) for stage, name in terms.items()}
    rows = [
        [terms[row.stage], words.label("state", row.state)]
        + [words.percent(value, 1) if value == value else "" for value in (row.probability, row.low, row.high)]
        for row in table.itertuples()
    ]
    traces = []
    for state in (state for state in _SHOWN if state in set(table["state"])):
        part, name = table[table["state"] == state], words.label("state", state)
        look = {"color": STATE_COLOURS[state], "line": {"color": PAPER, "width": 1}}
        hints = [f"{row[0]}, {row[1].lower()}: {row[2]} ({row[3]} – {row[4]})" for row in rows if row[1] == name]
        bar = {
            "type": "bar",
            "orientation": "h",
            "y": [ticks[stage] for stage in part["stage"]],
            "x": part["probability"].tolist(),
        }
        traces.append({**bar, "name": safe(name), "marker": look, "customdata": hints, "hovertemplate": HINT})
    names = {"categoryarray": list(ticks.values()), "autorange": "reversed", "automargin": True, "fixedrange": True}
    axes = {"xaxis": share_axis([0.0, 1.0], words), "yaxis": {**names, "tickfont": {"size": 13}}}
    layout: Drawing = {**legend_beneath(300, len(traces)), **axes, "barmode": "stack"}
    layout["legend"] |= {"traceorder": "normal"}
    chart = drawing(traces, words, **layout) if rows else nothing(words)
    alt = words.say("states.alt", values="; ".join(f"{row[0]}, {row[1].lower()}: {row[2]}" for row in rows))
    head = [*heads(words, "term", "state"), *with_bounds(words.say("column.share"), words)]
    return Chart(chart, alt, TextTable(head, rows, words=2))


def course_index(courses: Source, words: Words = ENGLISH) -> Chart:
    """Draw the course of every student: those of one type together, like courses beside each other.

    Parameters
    ----------
    courses
        The result of :func:`nbanalytics.courses`, or its table ``courses``.
    words
        Language and labels.

    Returns
    -------
    Chart
        A column for each stage; each student is at the same height in all of them, in the shortest order that the tree
        of their distances allows. The table has the shares of the states by type and stage.
    """
    return _course_bands(table_of(courses, "courses"), words, False)


def course_states(courses: Source, words: Words = ENGLISH) -> Chart:
    """Draw the shares of the states at each stage, by type of course.

    Parameters
    ----------
    courses
        The result of :func:`nbanalytics.courses`, or its table ``courses``.
    words
        Language and labels.

    Returns
    -------
    Chart
        As :func:`course_index`, but each stage is sorted by state: students are not followed from column to column.
    """
    return _course_bands(table_of(courses, "courses"), words, True)


def _course_bands(table: pd.DataFrame, words: Words, by_state: bool) -> Chart:
    table = table.sort_values(["type", "order"], kind="stable")
    stages = list(table.columns[: list(table.columns).index("students")])
    names = {one: words.label("stage" if one == "upper_secondary" else "term", one) for one in stages}
    sizes = table.groupby("type")["students"].sum()
    shares = [
        [str(kind), names[stage], words.label("state", state), words.number(size), words.percent(size / sizes[kind], 1)]
        for kind, own in table.groupby("type")
        for stage in stages
        for state, size in sorted(
            own.groupby(stage)["students"].sum().items(), key=lambda one: _SHOWN.index(str(one[0]))
        )
    ]
    ticks = {stage: wrapped(safe(name), 5) for stage, name in names.items()}
    runs, traces = _runs(table, stages, by_state), []
    for state in (state for state in _SHOWN if state in runs):
        name = words.label("state", state)
        own = runs[state]
        hints = [f"{names[stage]}, {name.lower()}: {words.number(students)}" for stage, _, students in own]
        places = {"x": [ticks[stage] for stage, _, _ in own], "y": [size for _, _, size in own]}
        look = {"base": [start for _, start, _ in own], "marker": {"color": STATE_COLOURS[state]}}
        traces.append({"type": "bar", "name": safe(name), "customdata": hints, "hovertemplate": HINT, **places, **look})
    ends = sizes.cumsum()
    types = {kind: words.say("courses.type", type=kind) for kind in sizes.index}
    axis = {
        "tickvals": (ends - sizes / 2).tolist(),
        "ticktext": [f"{types[kind]}<br>{words.number(size)}" for kind, size in sizes.items()],
        "range": [float(ends.iloc[-1]), 0.0],
        "showgrid": False,
    }
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "line": {"color": PAPER, "width": 4}}
    layout: Drawing = {
        **legend_beneath(420, 5),
        "xaxis": {**terms_axis(list(ticks.values())), "tickfont": {"size": 11}},
        "yaxis": {**axis, "fixedrange": True, "automargin": True, "zeroline": False},
        "barmode": "overlay",
        "bargap": 0.15 if by_state else 0.0,
        "shapes": [{**line, "y0": end, "y1": end} for end in ends.iloc[:-1].tolist()],
    }
    alike = [
        f"{types[kind]}: {words.number(size)} ({words.percent(size / sizes.sum())})" for kind, size in sizes.items()
    ]
    alt = words.say("courses.alt", values="; ".join(alike))
    head = [words.say("column.type"), *heads(words, "term", "state", "students"), words.say("column.share")]
    return Chart(drawing(traces, words, **layout), alt, TextTable(head, shares, words=3))


def _runs(table: pd.DataFrame, stages: Sequence[str], by_state: bool) -> dict[str, list[tuple[str, float, float]]]:
    """By state, where students in it stand side by side: the stage, how many stand above them, and their number."""
    runs: dict[str, list[tuple[str, float, float]]] = {}
    rank = {state: place for place, state in enumerate(_SHOWN)}
    for stage in stages:
        start = 0.0
        ordered = table.assign(rank=table[stage].map(rank))
        ordered = ordered.sort_values(["type", "rank"], kind="stable") if by_state else ordered
        for state, students in zip(ordered[stage], ordered["students"], strict=True):
            own = runs.setdefault(state, [])
            if own and own[-1][0] == stage and own[-1][1] + own[-1][2] == start:
                own[-1] = (stage, own[-1][1], own[-1][2] + float(students))
            else:
                own.append((stage, start, float(students)))
            start += students
    return runs


def _transitions_table(states: Cells, transitions: Cells, stages: Sequence[str], words: Words) -> TextTable:
    order = {stage: rank for rank, stage in enumerate(stages)}

    def shown(cell: Cell) -> bool:
        place = cell.place
        ends = [states.value(stage=place[f"stage_{end}"], state=place[f"state_{end}"]) for end in ("from", "to")]
        return bool(cell.value) or (cell.status == "suppressed" and all(ends))

    def rank(cell: Cell) -> tuple[int, int, int]:
        place = cell.place
        return order[place["stage_from"]], _state_order(place["state_from"]), _state_order(place["state_to"])

    def end(cell: Cell, which: str) -> str:
        stage, state = (cell.place[f"{part}_{which}"] for part in ("stage", "state"))
        return f"{words.label('stage', stage)}: {words.label('state', state).lower()}"

    cells = sorted((cell for cell in transitions if "*" not in cell.place.values() and shown(cell)), key=rank)
    rows = [[end(cell, "from"), end(cell, "to"), words.cell(cell)] for cell in cells]
    return TextTable(heads(words, "from", "to", "students"), rows, words=2)


def _sankey_in_places(nodes: Sequence[Node], links: Cells, stages: Sequence[str], words: Words) -> Drawing:
    places = _places_of(nodes, stages)
    state_names = [safe(words.label("state", node.state)) for node in nodes]
    stage_names = {stage: safe(words.label("stage", stage)) for stage in stages}
    full = [f"{stage_names[node.stage]}: {name}" for node, name in zip(nodes, state_names, strict=True)]
    shown = [cell for cell in links if cell.value]
    headings = [_heading(stage_names[stage], rank, len(stages)) for rank, stage in enumerate(stages)]
    return drawing(
        [_sankey(nodes, places, full, shown, words)],
        words,
        height=ROOM + _TOP + _BOTTOM,
        margin={"l": _LEFT, "r": _RIGHT, "t": _TOP, "b": _BOTTOM},
        shapes=[_bar(node, places, rank) for rank, node in enumerate(nodes)],
        annotations=[*headings, *(_name(node, state_names[rank], places, rank) for rank, node in enumerate(nodes))],
    )


def _sankey(nodes: Sequence[Node], places: Places, full: Sequence[str], shown: Sequence[Cell], words: Words) -> Drawing:
    # plotly leaves out nodes without links and then mixes up the places of the others, so it gets none of those.
    linked = [rank for rank, node in enumerate(nodes) if node.linked]
    index = {(nodes[rank].stage, nodes[rank].state): place for place, rank in enumerate(linked)}
    sources = [index[cell.place["stage_from"], cell.place["state_from"]] for cell in shown]
    targets = [index[cell.place["stage_to"], cell.place["state_to"]] for cell in shown]
    unseen = _filler(sources, targets, [nodes[rank].linked for rank in linked], places.scale)
    ends = [len(linked), len(linked) + 1]
    hints = [
        words.say(
            "flows.link",
            source=full[linked[source]],
            target=full[linked[target]],
            students=words.students(cell.value or 0),
        )
        for source, target, cell in zip(sources, targets, shown, strict=True)
    ]
    middles = [places.top[rank] + nodes[rank].linked * places.scale / 2 for rank in linked]
    return {
        "type": "sankey",
        "arrangement": "fixed",
        "meta": {"scale": places.scale},  # for the static picture
        "textfont": {"size": 1, "color": _UNSEEN, "shadow": "none"},  # the names are annotations, see _name
        "node": {
            "label": [f"{full[rank]} {nodes[rank].written}" for rank in linked] + ["", ""],
            # plotly takes 0 for "not given"; the ends of the unseen link stand below the picture.
            "x": [min(max(places.across[rank], 0.001), 0.999) for rank in linked] + [0.001, 0.999],
            "y": [max(middle, 0.001) for middle in middles] + [5, 5],
            "thickness": THICK,
            "pad": PAD,
            "color": [STATE_COLOURS.get(nodes[rank].state, GREY) for rank in linked] + [_UNSEEN] * 2,
            "line": {"width": 0},
            "customdata": [f"{full[rank]}: {nodes[rank].written}" for rank in linked] + ["", ""],
            "hovertemplate": HINT,
        },
        "link": {
            "source": [*sources, ends[0]],
            "target": [*targets, ends[1]],
            "value": [*(cell.value for cell in shown), max(unseen, 1e-6)],
            "color": [*(_link_colour(cell.place["state_from"], cell.place["state_to"]) for cell in shown), _UNSEEN],
            "customdata": [*hints, ""],
            "hovertemplate": HINT,
        },
    }


def _bar(node: Node, places: Places, rank: int) -> Drawing:
    """Return the pale bar behind a node, as tall as its total: what plotly leaves pale are hidden links."""
    x, top = places.across[rank], 1 - places.top[rank]
    return {
        "type": "rect",
        "layer": "below",
        "xref": "paper",
        "yref": "paper",
        "xsizemode": "pixel",
        "xanchor": x,
        "x0": -THICK / 2,
        "x1": THICK / 2,
        "y0": top,
        "y1": top - node.students * places.scale,
        "line": {"width": 0},
        "fillcolor": STATE_COLOURS.get(node.state, GREY),
        "opacity": 0.4,
    }


def _link_colour(source: str, target: str) -> str:
    """Colour a link by where it leads; the loss of eligibility is the strongest."""
    colour = STATE_COLOURS.get(target, GREY).lstrip("#")
    red, green, blue = (int(colour[i : i + 2], 16) for i in (0, 2, 4))
    strength = 0.62 if (source, target) == ("eligible", "not_eligible") else 0.26
    return f"rgba({red},{green},{blue},{strength})"


def _heading(name: str, rank: int, of: int) -> Drawing:
    return {
        "text": f"<b>{wrapped(name, _LINE)}</b>",
        "x": rank / max(of - 1, 1),
        "xshift": -THICK / 2,
        "y": 1,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "align": "left",
        "yanchor": "bottom",
        "yshift": 14,
        "showarrow": False,
        "font": {"size": 14, "color": MUTED},
    }


def _name(node: Node, name: str, places: Places, rank: int) -> Drawing:
    """Return a node's name, to the right of the node: plotly would put those of the last stage over its links."""
    return {
        "text": f"{wrapped(name, _LINE)}{'<br>' if len(name) > _LONG else ' '}{node.written}",
        "x": places.across[rank],
        "y": 1 - places.top[rank] - node.students * places.scale / 2,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "middle",
        "align": "left",
        "xshift": THICK / 2 + 2,
        "showarrow": False,
        "bgcolor": "rgba(255,255,255,0.72)",
        "borderpad": 1,
        "font": {"size": 13, "color": INK},
    }


def _stages_of(states: Cells, transitions: Cells) -> list[str]:
    """Return the stages in order: each before the ones its transitions lead to."""
    order = states.codes("stage")
    for cell in transitions:
        for stage in (cell.place["stage_from"], cell.place["stage_to"]):
            if stage not in order and stage != "*":
                order.append(stage)
    steps = {(cell.place["stage_from"], cell.place["stage_to"]) for cell in transitions}
    for _ in order:
        for source, target in sorted(steps):
            if "*" not in (source, target) and order.index(source) > order.index(target):
                order.remove(source)
                order.insert(order.index(target), source)
    return order


def _state_order(state: str) -> int:
    """Return where a state stands among the others of its stage, from the top."""
    order = _LAST if state in _LAST else _STATES
    return order.index(state) if state in order else len(_STATES)


def _nodes_of(states: Cells, transitions: Cells, stages: Sequence[str], words: Words) -> list[Node]:
    """Return the nodes that have students or links to show, stage by stage and from top to bottom."""
    flows: dict[tuple[str, str], dict[str, float]] = {}
    for cell in transitions:
        if cell.value:
            for end, key in (("from", "stage_from"), ("to", "stage_to")):
                ends = flows.setdefault((cell.place[key], cell.place[f"state_{end}"]), {"from": 0.0, "to": 0.0})
                ends[end] += cell.value
    nodes = []
    for stage in stages:
        codes = {cell.place["state"] for cell in states if cell.place["stage"] == stage} - {"*"}
        codes |= {state for where, state in flows if where == stage}
        for state in sorted(codes, key=_state_order):
            cell = states.cell(stage=stage, state=state)
            linked = max(flows.get((stage, state), {"": 0.0}).values())
            total = linked if cell.value is None else max(cell.value, linked)
            if total > 0:
                written = words.cell(cell) if len(states) else words.number(linked)
                nodes.append(Node(stage, state, total, linked, written))
    return nodes


def _places_of(nodes: Sequence[Node], stages: Sequence[str]) -> Places:
    """Place the nodes: stages from left to right, states from the top, as tall as they have students."""
    columns = [[node for node in nodes if node.stage == stage] for stage in stages]
    scale = min(
        (ROOM - GAP * (len(column) - 1)) / sum(node.students for node in column) for column in columns if column
    )
    across, top = [], []
    for rank, column in enumerate(columns):
        y = 0.0
        for node in column:
            across.append(rank / max(len(stages) - 1, 1))
            top.append(y / ROOM)
            y += node.students * scale + GAP
    return Places(across, top, scale / ROOM)


def _filler(sources: Sequence[int], targets: Sequence[int], linked: Sequence[float], scale: float) -> float:
    """Return the size of an invisible link that makes plotly draw at our scale.

    Plotly scales a Sankey so that its fullest column fits. Its columns are not our stages: a node stands as many steps
    from the left as its longest path there, and in the last column if nothing leaves it. An invisible link in the first
    column fills it up to the size at which one student is as tall as in our places.
    """
    steps = [0] * len(linked)
    for _ in linked:
        for source, target in zip(sources, targets, strict=True):
            steps[target] = max(steps[target], steps[source] + 1)
    last, leaving = max(steps, default=0), set(sources)
    columns = [steps[rank] if rank in leaving else last for rank in range(len(linked))]
    lacking = []
    for end in (0, last):  # the unseen link begins in the first column and ends in the last
        held = [size for size, column in zip(linked, columns, strict=True) if column == end]
        lacking.append((ROOM - PAD * len(held)) / (scale * ROOM) - sum(held))
    return max(min(lacking), 0.0)
