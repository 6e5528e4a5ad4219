"""The counts of a release, table by table, and what must be hidden of each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from nbanalytics.disclosure import Line, Policy, SystemBuilder, primary
from nbanalytics.disclosure.cells import Mask, Values
from nbanalytics.disclosure.primary import FILTER_AXES, Counts
from nbanalytics.release.cube import Axis, Cube, count, crossings, stars
from nbanalytics.release.declared import Declared, Priority
from nbanalytics.release.model import ALL
from nbanalytics.release.persons import Persons
from nbanalytics.students import ELIGIBLE, NOT_ELIGIBLE

GROUPS = ("1", "2", "3", "4", "5", "6")
#: How much dearer a cell is with each filter that is left at ``*``: totals are looked at first.
STAR_WEIGHT = 3.0


@dataclass(frozen=True)
class Counted:
    """A cube with the rules that hold for it."""

    cube: Cube
    groups: tuple[Counts, ...]
    lines: tuple[Line, ...]


def count_tables(persons: Persons, policy: Policy, contents: Declared) -> list[Counted]:
    """Count the declared tables of a release; each filter selection has every outcome, also those with nobody."""
    every = _every_table(persons, policy, crossings(persons.filters, contents.max_crossed))
    return [_crossed_less(entry, contents) for entry in every if contents.has(entry.cube.table, entry.cube.measure)]


def _crossed_less(entry: Counted, contents: Declared) -> Counted:
    most = contents.tables[entry.cube.table].max_crossed
    if most == contents.max_crossed:
        return entry
    fewer = _all(crossings(entry.cube.axes[:FILTER_AXES], most), entry.cube.counts)
    return replace(entry, cube=replace(entry.cube, declared=entry.cube.declared & fewer))


def _every_table(persons: Persons, policy: Policy, declared: Mask) -> list[Counted]:
    filters = persons.filters
    everyone = _whole(count(persons.table, filters))
    followed = persons.table[persons.table["group"].notna()]
    n_followed = _whole(count(followed, filters))
    return [
        _eligibility(followed, filters, declared, n_followed, policy),
        _groups(followed, filters, declared, n_followed, policy),
        _points(persons, declared, n_followed),
        _states(persons, declared, everyone, policy),
        *([_transitions(persons, declared, everyone, policy)] if persons.steps else []),
        *_droppoints(persons, declared, everyone),
        _lost_subjects(persons, declared, everyone),
        _baseline(persons, declared, everyone, policy),
        *([_absence(persons, declared, everyone)] if persons.has_absence else []),
    ]


def number_cells(
    counted: Sequence[Counted], builder: SystemBuilder, policy: Policy, priorities: Sequence[Priority] = ()
) -> dict[tuple[str, str], Cube]:
    """Give the declared cells of all tables their numbers, primary suppression and costs."""
    cubes = {}
    for entry in counted:
        cube = entry.cube
        hidden, guarded = primary(cube.counts, entry.groups, entry.lines, policy)
        ids = builder.add_cells(cube.counts, cube.declared, hidden, guarded, costs_of(cube, priorities))
        for number, axis in enumerate(cube.axes):
            if axis.total and axis.values:
                builder.add_margins(ids, number)
        cubes[cube.table, cube.measure] = replace(cube, ids=ids)
    return cubes


def costs_of(cube: Cube, priorities: Sequence[Priority] = ()) -> Values:
    """Return what is lost with each cell: its students by their priority, more the fewer filters are set."""
    filters, outcomes = cube.axes[:FILTER_AXES], cube.axes[FILTER_AXES:]
    dearer = STAR_WEIGHT ** stars(filters).astype(float)
    weights = np.ones(cube.counts.shape[FILTER_AXES:])
    for one in priorities:
        if one.table == cube.table and one.measure in ("", cube.measure):
            wanted = [[_named(place, axis, one) for place in axis.places] for axis in outcomes]
            weights[np.ix_(*map(np.flatnonzero, wanted))] = one.cost
    return cube.counts * weights * dearer.reshape(*dearer.shape, *[1] * (cube.counts.ndim - dearer.ndim))


def _named(place: tuple[str, ...], axis: Axis, priority: Priority) -> bool:
    """Whether a priority names a place of an axis, or does not restrict its dimensions."""
    return all(value in priority.at.get(name, (value,)) for value, name in zip(place, axis.columns, strict=True))


def _eligibility(followed: pd.DataFrame, filters: Sequence[Axis], declared: Mask, n: Counts, policy: Policy) -> Counted:
    states = (ELIGIBLE, NOT_ELIGIBLE)
    axes = (*filters, Axis.of("start", states, total=True), Axis.of("end", states, total=True))
    counts = _whole(count(followed, axes))
    start, end = 4, 5
    bad_start = _bad(axes, start, policy) & (np.arange(3) == 0)  # of the whole population: the end comes later
    lines = (
        Line(_on(n, 2)),
        Line(counts[..., :1, :], start, bad_start),
        Line(counts[..., :1], end, _bad(axes, end, policy)),
    )
    return Counted(Cube("eligibility", "students", axes, counts, _all(declared, counts)), (_on(n, 2),), lines)


def _groups(followed: pd.DataFrame, filters: Sequence[Axis], declared: Mask, n: Counts, policy: Policy) -> Counted:
    axes = (*filters, Axis.of("group", GROUPS, total=True))
    counts = _whole(count(followed, axes))
    lines = (Line(_on(n, 1), 4, _bad(axes, 4, policy)),)
    return Counted(Cube("groups", "students", axes, counts, _all(declared, counts)), (_on(n, 1),), lines)


def _points(persons: Persons, declared: Mask, n: Counts) -> Counted:
    axes = (*persons.filters, Axis.of("year", persons.years))
    counts = np.stack([n, n], axis=-1)
    return Counted(Cube("points", "students", axes, counts, _all(declared, counts)), (_on(n, 1),), ())


def _states(persons: Persons, declared: Mask, n: Counts, policy: Policy) -> Counted:
    long = pd.concat(
        [persons.table.assign(stage=stage, state=persons.table[f"at_{stage}"]) for stage in persons.stages]
    )
    names = list(dict.fromkeys(state for stage in persons.stages for state in persons.states_of(stage)))
    axes = (*persons.filters, Axis.of("stage", persons.stages), Axis.of("state", names, total=True))
    counts = _whole(count(long, axes))
    there = np.array([[place in (ALL, *persons.states_of(stage)) for (place,) in axes[5].places]
                      for stage in persons.stages])  # fmt: skip
    # An outcome that a stage does not have is not favourable either.
    lines = (Line(_on(n, 2), 5, _bad(axes, 5, policy) | ~there),)
    return Counted(Cube("states", "students", axes, counts, _all(declared, counts) & there), (_on(n, 2),), lines)


def _transitions(persons: Persons, declared: Mask, n: Counts, policy: Policy) -> Counted:
    table, steps = persons.table, persons.steps
    long = pd.concat(
        [
            table.assign(stage_from=a, stage_to=b, state_from=table[f"at_{a}"], state_to=table[f"at_{b}"])
            for a, b in steps
        ]
    )
    from_names = list(dict.fromkeys(state for a, _ in steps for state in persons.states_of(a)))
    to_names = list(dict.fromkeys(state for _, b in steps for state in persons.states_of(b)))
    step, state_from, state_to = (
        Axis(("stage_from", "stage_to"), steps), Axis.of("state_from", from_names), Axis.of("state_to", to_names)
    )  # fmt: skip
    axes = (*persons.filters, step, state_from, state_to)
    counts = _whole(count(long, axes))
    there = np.array([[[x in persons.states_of(a) and y in persons.states_of(b) for y in to_names] for x in from_names]
                      for a, b in steps])  # fmt: skip
    lines = (
        Line(_on(n, 3)),
        Line(counts.sum(axis=5, keepdims=True)),
        Line(counts.sum(axis=6, keepdims=True), 6, _bad(axes, 6, policy, "state") | ~there),
    )
    cube = Cube("transitions", "students", axes, counts, _all(declared, counts) & there)
    return Counted(cube, (_on(n, 3),), lines)


def _droppoints(persons: Persons, declared: Mask, n: Counts) -> list[Counted]:
    followed = persons.table[persons.table["duration"].notna()]
    terms = persons.terms[1:]
    step = Axis.of("duration", [str(number) for number in range(1, len(terms) + 1)])
    spell = followed.assign(duration=followed["duration"].astype(int).astype(str))
    happened = spell["event"].astype(int) == 1
    lost = _whole(count(spell[happened], (*persons.filters, step)))
    censored = _whole(count(spell[~happened], (*persons.filters, step)))
    at_risk = np.flip(np.flip(lost + censored, axis=-1).cumsum(axis=-1), axis=-1)
    at_start = at_risk[..., :1] if len(terms) else at_risk
    before = np.concatenate([_on(n, 1), at_risk[..., :-1]], axis=-1)
    groups = (_on(n, 1), at_start, at_risk)
    axes = (*persons.filters, Axis.of("term", terms))
    rules = {
        "at_risk": (at_risk, (Line(before),)),
        "lost": (lost, (Line(at_risk, None, np.array(True)),)),
        "censored": (censored, (Line(at_risk),)),
    }
    return [
        Counted(Cube("droppoints", measure, axes, counts, _all(declared, counts)), groups, lines)
        for measure, (counts, lines) in rules.items()
    ]


def _lost_subjects(persons: Persons, declared: Mask, n: Counts) -> Counted:
    subjects = sorted(set(persons.causes["subject"]))
    terms = Axis.of("term", persons.terms[1:], total=True)
    axes = (*persons.filters, terms, Axis.of("subject", subjects))
    counts = _whole(count(persons.causes, axes))
    event = persons.table[persons.table["event"] == 1]
    names = dict(enumerate(persons.terms))
    lost = _on(_whole(count(event.assign(term=event["duration"].astype(int).map(names)), (*persons.filters, terms))), 1)
    lines = (Line(lost, None, np.array(True)),)
    cube = Cube("lost_subjects", "students", axes, counts, _all(declared, counts))
    return Counted(cube, (_on(n, 2), lost), lines)


def _baseline(persons: Persons, declared: Mask, n: Counts, policy: Policy) -> Counted:
    results = {ELIGIBLE: "yes", NOT_ELIGIBLE: "no"}
    table = persons.table
    columns = {
        (term, indicator): table[f"at_{term}"].map(results) if indicator == "eligible" else table[f"core_{term}"]
        for term in persons.baseline_terms
        for indicator in persons.indicators
    }
    long = pd.concat(
        [
            table.assign(term=term, indicator=indicator, result=result.astype("object").fillna("unknown"))
            for (term, indicator), result in columns.items()
        ]
    )
    axes = (
        *persons.filters,
        Axis.of("term", persons.baseline_terms),
        Axis.of("indicator", persons.indicators),
        Axis.of("result", ("yes", "no", "unknown"), total=True),
    )
    counts = _whole(count(long, axes))
    lines = (Line(_on(n, 3), 6, _bad(axes, 6, policy)),)
    return Counted(Cube("baseline", "students", axes, counts, _all(declared, counts)), (_on(n, 3),), lines)


def _absence(persons: Persons, declared: Mask, n: Counts) -> Counted:
    """Students whose absence is known; those of whom it is not are an outcome, too."""
    known = [
        persons.table[persons.table[f"absence_{term}"].notna()].assign(term=term) for term in persons.baseline_terms
    ]
    axes = (*persons.filters, Axis.of("term", persons.baseline_terms))
    counts = _whole(count(pd.concat(known), axes))
    cube = Cube("absence", "students", axes, counts, _all(declared, counts))
    return Counted(cube, (_on(n, 1), counts), (Line(_on(n, 1)),))


def _whole(array: Values) -> Counts:
    return array.astype(np.int64)


def _on(counts: Counts, more: int) -> Counts:
    """Give counts by filter further axes, so that they can stand beside a table."""
    return counts.reshape(*counts.shape, *[1] * more)


def _all(declared: Mask, counts: Counts) -> Mask:
    return np.broadcast_to(declared.reshape(*declared.shape, *[1] * (counts.ndim - declared.ndim)), counts.shape)


def _bad(axes: Sequence[Axis], number: int, policy: Policy, name: str | None = None) -> Mask:
    """Which places of an axis are unfavourable, shaped to stand beside the counts."""
    axis = axes[number]
    outcomes = policy.unfavourable.get(name or axis.columns[0], ())
    form = [1] * len(axes)
    form[number] = -1
    return np.array([place[0] in outcomes for place in axis.places]).reshape(form)
