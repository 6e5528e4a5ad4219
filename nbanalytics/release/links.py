"""Sums between tables: what one table says about another, as an attacker would use it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nbanalytics.disclosure import SystemBuilder
from nbanalytics.disclosure.cells import Ids
from nbanalytics.release.cube import ALL, Axis, Cube, count
from nbanalytics.release.persons import ELIGIBLE, NOT_ELIGIBLE, Persons

Cubes = Mapping[tuple[str, str], Cube]
_BOTH = (ELIGIBLE, NOT_ELIGIBLE)

#: The same sums in words, for the manifest; each holds for every selection of the filters.
LINKS = (
    "groups[*] = eligibility[start=*, end=*] = points.students[any year]",
    "eligibility[eligible, eligible] = groups[1] + groups[2]",
    "eligibility[not_eligible, not_eligible] = groups[3] + groups[4]",
    "eligibility[not_eligible, eligible] = groups[5]",
    "eligibility[eligible, not_eligible] = groups[6]",
    "states[any stage, *] is the same number",
    "states[stage, state] = sum of transitions from that stage and state = sum of transitions to it",
    "states[start, eligible] = droppoints.at_risk[first term] + students never observed again (not published)",
    "droppoints.at_risk[t] = at_risk[t + 1] + lost[t] + censored[t]",
    "eligibility[a, b] = students with state a at the start and b at the end, less those without grade points",
)


def link_tables(builder: SystemBuilder, cubes: Cubes, persons: Persons) -> None:
    """Add every sum between tables that the release is checked against."""
    _link_groups(builder, cubes, persons)
    _link_states(builder, cubes, persons)
    _link_droppoints(builder, cubes, persons)
    _link_ends(builder, cubes, persons)


def _link_groups(builder: SystemBuilder, cubes: Cubes, persons: Persons) -> None:
    groups, flow, points = cubes["groups", "students"], cubes["eligibility", "students"], cubes["points", "students"]

    def group(value: str) -> Ids:
        return _ids(groups, group=value)

    total = group(ALL)
    builder.add_sums(total, [_ids(flow, start=ALL, end=ALL)])
    for year in persons.years:
        builder.add_sums(total, [_ids(points, year=year)])
    for start, end, members in (
        (ELIGIBLE, ELIGIBLE, "12"),
        (NOT_ELIGIBLE, NOT_ELIGIBLE, "34"),
        (NOT_ELIGIBLE, ELIGIBLE, "5"),
        (ELIGIBLE, NOT_ELIGIBLE, "6"),
    ):
        builder.add_sums(_ids(flow, start=start, end=end), [group(member) for member in members])


def _link_states(builder: SystemBuilder, cubes: Cubes, persons: Persons) -> None:
    states = cubes["states", "students"]
    for stage in persons.stages[1:]:
        builder.add_sums(_ids(states, stage=persons.stages[0], state=ALL), [_ids(states, stage=stage, state=ALL)])
    if ("transitions", "students") not in cubes:
        return
    links = cubes["transitions", "students"]
    step = links.axis("stage_from")
    for number, (before, after) in enumerate(links.axes[step].values):
        ids: Ids = np.asarray(links.ids.take(number, axis=step), dtype=np.int64)
        for place, (state,) in enumerate(links.axes[step + 1].values):
            if state in persons.states_of(before):
                parts: Ids = np.moveaxis(np.asarray(ids.take(place, axis=step)), -1, 0)
                builder.add_sums(_ids(states, stage=before, state=state), parts)
        for place, (state,) in enumerate(links.axes[step + 2].values):
            if state in persons.states_of(after):
                parts = np.moveaxis(np.asarray(ids.take(place, axis=step + 1)), -1, 0)
                builder.add_sums(_ids(states, stage=after, state=state), parts)


def _link_droppoints(builder: SystemBuilder, cubes: Cubes, persons: Persons) -> None:
    at_risk, lost, censored = (cubes["droppoints", measure].ids for measure in ("at_risk", "lost", "censored"))
    steps = at_risk.shape[-1]
    for step in range(steps - 1):
        builder.add_sums(at_risk[..., step], [at_risk[..., step + 1], lost[..., step], censored[..., step]])
    start = persons.terms[0]
    if not steps or start not in persons.stages:
        return
    states = cubes["states", "students"]
    never = _virtual(builder, persons, states, persons.table[persons.table["duration"] == 0])
    builder.add_sums(_ids(states, stage=start, state=ELIGIBLE), [at_risk[..., 0], never])
    if persons.terms[1] in persons.stages and ("transitions", "students") in cubes:
        links = cubes["transitions", "students"]
        step = links.axis("stage_from")
        if (start, persons.terms[1]) in links.axes[step].values:
            place = links.axes[step].place(start, persons.terms[1])
            first = _ids(links, state_from=ELIGIBLE, state_to=NOT_ELIGIBLE)[..., place]
            builder.add_sums(first, [lost[..., 0]])


def _link_ends(builder: SystemBuilder, cubes: Cubes, persons: Persons) -> None:
    """Tie ``eligibility`` to ``states`` by the students' states at both ends, which no table shows."""
    start, end = persons.terms[0], persons.terms[-1]
    if start not in persons.stages or end not in persons.stages:
        return
    states, flow = cubes["states", "students"], cubes["eligibility", "students"]
    selections = states.declared[..., 0, 0]
    axes = (
        *persons.filters,
        Axis.of("at_start", persons.states_of(start)),
        Axis.of("at_end", persons.states_of(end)),
    )
    frame = persons.table.assign(at_start=persons.table[f"at_{start}"], at_end=persons.table[f"at_{end}"])
    joint = count(frame, axes)
    ids = builder.add_cells(joint, np.broadcast_to(selections[..., None, None], joint.shape), virtual=True)
    _filter_margins(builder, ids, persons)
    for place, state in enumerate(persons.states_of(start)):
        builder.add_sums(_ids(states, stage=start, state=state), np.moveaxis(ids[..., place, :], -1, 0))
    for place, state in enumerate(persons.states_of(end)):
        builder.add_sums(_ids(states, stage=end, state=state), np.moveaxis(ids[..., place], -1, 0))
    ungrouped = frame[frame["group"].isna()]
    for x in _BOTH:
        for y in _BOTH:
            pair = ungrouped[(ungrouped["at_start"] == x) & (ungrouped["at_end"] == y)]
            cell = ids[..., persons.states_of(start).index(x), persons.states_of(end).index(y)]
            builder.add_sums(cell, [_ids(flow, start=x, end=y), _virtual(builder, persons, states, pair)])


def _virtual(builder: SystemBuilder, persons: Persons, states: Cube, frame: pd.DataFrame) -> Ids:
    """Number counts that no table shows; where they are zero the attacker is taken to know it."""
    counts = count(frame, persons.filters)
    ids = builder.add_cells(counts, states.declared[..., 0, 0] & (counts > 0), virtual=True)
    _filter_margins(builder, ids, persons)
    return ids


def _filter_margins(builder: SystemBuilder, ids: Ids, persons: Persons) -> None:
    for number, axis in enumerate(persons.filters):
        if axis.values:
            builder.add_margins(ids, number)


def _ids(cube: Cube, **places: str) -> Ids:
    return np.asarray(cube.at(cube.ids, **places), dtype=np.int64)
