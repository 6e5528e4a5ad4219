"""Sums between tables: what one table says about another, as an attacker would use it, written as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.disclosure import SystemBuilder
from nbanalytics.disclosure.cells import Ids, Mask
from nbanalytics.release.cube import Axis, Cube, count
from nbanalytics.release.model import ALL
from nbanalytics.release.persons import Persons
from nbanalytics.students import ELIGIBLE, NOT_ELIGIBLE

Cubes = Mapping[tuple[str, str], Cube]
#: Tables that no release holds but that sums go through: both ends together, students who leave a sum.
BOTH_ENDS, NEVER_AGAIN, NO_GROUP = "both_ends", "never_again", "no_group"
_BOTH = (ELIGIBLE, NOT_ELIGIBLE)
_GROUPS_OF = {(ELIGIBLE, ELIGIBLE): "12", (NOT_ELIGIBLE, NOT_ELIGIBLE): "34",
              (NOT_ELIGIBLE, ELIGIBLE): "5", (ELIGIBLE, NOT_ELIGIBLE): "6"}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """Cells of a measure at one place, for every selection of the filters."""

    table: str
    measure: str = "students"
    at: Mapping[str, str] = field(default_factory=dict)

    def as_list(self) -> list[Any]:
        """Return it as the manifest holds it."""
        return [self.table, self.measure, dict(self.at)]


@dataclass(frozen=True)
class Link:
    """One sum between tables, for every selection of the filters: ``total`` is ``parts`` together."""

    total: Term
    parts: tuple[Term, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as the manifest holds it."""
        return {"total": self.total.as_list(), "parts": [part.as_list() for part in self.parts]}


def unpublished_cubes(persons: Persons, selections: Mask) -> list[Cube]:
    """Count what no table shows but what sums between tables go through.

    Parameters
    ----------
    persons : Persons
    selections : bool array
        The declared crossings of the filters.

    Returns
    -------
    list of Cube
        Those of the kinds that the records can have. Students who leave a sum (never observed again, without grade
        points) are usually nobody: where they are, the attacker is taken to know it.
    """
    start, end = persons.terms[0], persons.terms[-1]
    table = persons.table
    made = [_unpublished(NEVER_AGAIN, table[table["duration"] == 0], persons.filters, selections, zeros=False)]
    if start in persons.stages and end in persons.stages:
        frame = table.assign(at_start=table[f"at_{start}"], at_end=table[f"at_{end}"])
        states = Axis.of("at_start", persons.states_of(start)), Axis.of("at_end", persons.states_of(end))
        made.append(_unpublished(BOTH_ENDS, frame, (*persons.filters, *states), selections, zeros=True))
        known = Axis.of("at_start", _BOTH), Axis.of("at_end", _BOTH)
        left_out = frame[frame["group"].isna()]
        made.append(_unpublished(NO_GROUP, left_out, (*persons.filters, *known), selections, zeros=False))
    return made


def _unpublished(table: str, frame: pd.DataFrame, axes: Sequence[Axis], selections: Mask, zeros: bool) -> Cube:
    counts = count(frame, axes).astype(np.int64)
    there = np.broadcast_to(selections.reshape(*selections.shape, *[1] * (counts.ndim - selections.ndim)), counts.shape)
    return Cube(table, "students", tuple(axes), counts, there & (zeros | (counts > 0)), published=False)


def links_of(persons: Persons, cubes: Cubes) -> tuple[Link, ...]:
    """List every sum between the tables that a release holds.

    Parameters
    ----------
    persons : Persons
    cubes : mapping
        The counts by table and measure, the unpublished ones among them.

    Returns
    -------
    tuple of Link
        Sums with a table that the release leaves out are left out.
    """
    every = (*_groups(persons), *_states(persons), *_droppoints(persons), *_ends(persons), *_baseline(persons))
    return tuple(
        link for link in every if all((term.table, term.measure) in cubes for term in (link.total, *link.parts))
    )


def add_links(builder: SystemBuilder, cubes: Cubes, links: Sequence[Link]) -> None:
    """Add the sums to a system whose cells are numbered; a selection that lacks one of the cells has no sum."""
    for link in links:
        total = ids_at(cubes, link.total)
        parts = [ids_at(cubes, part) for part in link.parts]
        whole = total >= 0
        for part, ids in zip(link.parts, parts, strict=True):
            # An unpublished cell that is not there is 0.
            whole &= (ids >= 0) | (not cubes[part.table, part.measure].published)
        builder.add_sums(np.where(whole, total, -1), parts)


def ids_at(cubes: Cubes, term: Term) -> Ids:
    """Return the numbers of the cells of a term, by filter; -1 where it is not declared."""
    cube = cubes[term.table, term.measure]
    return np.asarray(cube.at(cube.ids, **term.at), dtype=np.int64)


def _groups(persons: Persons) -> Iterator[Link]:
    everyone = Term("groups", at={"group": ALL})
    yield Link(everyone, (Term("eligibility", at={"start": ALL, "end": ALL}),))
    for year in persons.years:
        yield Link(everyone, (Term("points", at={"year": year}),))
    for (start, end), members in _GROUPS_OF.items():
        groups = tuple(Term("groups", at={"group": member}) for member in members)
        yield Link(Term("eligibility", at={"start": start, "end": end}), groups)


def _states(persons: Persons) -> Iterator[Link]:
    def at(stage: str, state: str) -> Term:
        return Term("states", at={"stage": stage, "state": state})

    for stage in persons.stages[1:]:
        yield Link(at(persons.stages[0], ALL), (at(stage, ALL),))
    for before, after in persons.steps:
        step = {"stage_from": before, "stage_to": after}
        pairs = [(x, y) for x in persons.states_of(before) for y in persons.states_of(after)]
        flows = {(x, y): Term("transitions", at={**step, "state_from": x, "state_to": y}) for x, y in pairs}
        for state in persons.states_of(before):
            yield Link(at(before, state), tuple(flow for (x, _), flow in flows.items() if x == state))
        for state in persons.states_of(after):
            yield Link(at(after, state), tuple(flow for (_, y), flow in flows.items() if y == state))


def _droppoints(persons: Persons) -> Iterator[Link]:
    def at(measure: str, term: str) -> Term:
        return Term("droppoints", measure, {"term": term})

    terms = persons.terms[1:]
    for term, later in pairwise(terms):
        yield Link(at("at_risk", term), (at("at_risk", later), at("lost", term), at("censored", term)))
    if terms:
        yield Link(at("at_risk", terms[-1]), (at("lost", terms[-1]), at("censored", terms[-1])))
    start = persons.terms[0]
    if not terms or start not in persons.stages:
        return
    eligible = Term("states", at={"stage": start, "state": ELIGIBLE})
    yield Link(eligible, (at("at_risk", terms[0]), Term(NEVER_AGAIN)))
    if (start, terms[0]) in persons.steps:
        step = {"stage_from": start, "stage_to": terms[0], "state_from": ELIGIBLE, "state_to": NOT_ELIGIBLE}
        yield Link(Term("transitions", at=step), (at("lost", terms[0]),))


def _ends(persons: Persons) -> Iterator[Link]:
    """Tie ``eligibility`` to ``states`` by the students' states at both ends."""
    start, end = persons.terms[0], persons.terms[-1]
    if start not in persons.stages or end not in persons.stages:
        return
    first, last = persons.states_of(start), persons.states_of(end)

    def both(x: str, y: str) -> Term:
        return Term(BOTH_ENDS, at={"at_start": x, "at_end": y})

    for x in first:
        yield Link(Term("states", at={"stage": start, "state": x}), tuple(both(x, y) for y in last))
    for y in last:
        yield Link(Term("states", at={"stage": end, "state": y}), tuple(both(x, y) for x in first))
    for x in _BOTH:
        for y in _BOTH:
            left_out = Term(NO_GROUP, at={"at_start": x, "at_end": y})
            yield Link(both(x, y), (Term("eligibility", at={"start": x, "end": y}), left_out))


def _baseline(persons: Persons) -> Iterator[Link]:
    """The baseline counts the same students as the flows; and a rule that is the core rule counts them twice."""

    def at(term: str, indicator: str, result: str) -> Term:
        return Term("baseline", at={"term": term, "indicator": indicator, "result": result})

    for term in persons.baseline_terms:
        for indicator in persons.indicators:
            yield Link(Term("states", at={"stage": term, "state": ALL}), (at(term, indicator, ALL),))
        for result, states in (("yes", (ELIGIBLE,)), ("no", (NOT_ELIGIBLE,)), ("unknown", ("moved", "unknown"))):
            parts = tuple(Term("states", at={"stage": term, "state": state}) for state in states)
            yield Link(at(term, "eligible", result), parts)
            if persons.core_is_rule:
                yield Link(at(term, "eligible", result), (at(term, "core", result),))
