"""Where the stages, states and bars of a flow diagram stand: in a fixed order, whatever plotly would prefer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbanalytics.figures.style import STATE_COLOURS
from nbanalytics.text import Cells, cell_text, number

ROOM = 424  # height of the drawing in pixels
THICK, GAP, LINE = 18, 24, 14
PAD = 1.0  # plotly's own gap between nodes; it only counts in its scale, since every place is given
_LAST = ("preparatory", "vocational", "introductory", "none", "moved", "unknown")
_STATES = tuple(STATE_COLOURS)


@dataclass(frozen=True)
class Node:
    """A state at a stage."""

    stage: str
    state: str
    students: float  # its total; where that is hidden, what its shown links add up to
    linked: float  # what its shown links add up to
    words: str


@dataclass(frozen=True)
class Places:
    """Places of the nodes, as shares of the drawing from its top left corner.

    Attributes
    ----------
    across
        Centre of each node from left to right.
    top
        Upper end of each node.
    scale
        Height of one student.
    """

    across: list[float]
    top: list[float]
    scale: float


def stages_of(states: Cells, transitions: Cells) -> list[str]:
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


def state_order(state: str) -> int:
    """Return where a state stands among the others of its stage, from the top."""
    order = _LAST if state in _LAST else _STATES
    return order.index(state) if state in order else len(_STATES)


def nodes_of(states: Cells, transitions: Cells, stages: Sequence[str], lang: str) -> list[Node]:
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
        for state in sorted(codes, key=state_order):
            cell = states.cell(stage=stage, state=state)
            linked = max(flows.get((stage, state), {"": 0.0}).values())
            total = linked if cell.value is None else max(cell.value, linked)
            if total > 0:
                words = cell_text(cell.value, cell.status, lang) if len(states) else number(linked, lang)
                nodes.append(Node(stage, state, total, linked, words))
    return nodes


def places_of(nodes: Sequence[Node], stages: Sequence[str]) -> Places:
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


def filler(sources: Sequence[int], targets: Sequence[int], linked: Sequence[float], scale: float) -> float:
    """Return the size of an unseen link that makes plotly draw at our scale.

    Plotly scales a Sankey so that its fullest column fits. Its columns are not our stages: a node stands as many steps
    from the left as its longest way there, and in the last column if nothing leaves it. An unseen link in the first
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
