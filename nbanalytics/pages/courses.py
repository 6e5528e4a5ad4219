"""Students' courses through the terms, kept so that another eligibility rule is tried in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbanalytics.analysis.flows import AFTER_STATES, TERM_STATES, stages_of, student_states
from nbanalytics.frames import collect
from nbanalytics.records import StudentRecords

STATES = tuple(dict.fromkeys((*TERM_STATES, *AFTER_STATES)))
Codes = NDArray[np.int8]


@dataclass(frozen=True)
class Courses:
    """What decides eligibility, student by student and term by term.

    Attributes
    ----------
    terms
        The terms followed and the stages of flows, in order of time.
    followed
        Places of the terms followed among them: the first is the origin of the life table.
    stages
        Of flows; the last may come after the terms.
    demands
        What the rule requires, such as ``"SV/SVA"``; nothing where the rule cannot be varied.
    least
        Passes in all that the rule asks for.
    passes, met
        Passes of each student and term (-1 without results), and which demands were met.
    declared
        Eligibility by the declared rule: 1, 0, or -1 without results.
    held
        State of each student at each stage by the declared rule, as a place in :data:`STATES`.
    """

    terms: tuple[str, ...]
    followed: tuple[int, ...]
    stages: tuple[str, ...]
    demands: tuple[str, ...]
    least: int
    passes: Codes
    met: NDArray[np.bool_]
    declared: Codes
    held: Codes

    @classmethod
    def of(cls, records: StudentRecords, ids: Any) -> Courses:
        """Read the courses of some students, in their order."""
        declaration, stages = records.declaration, stages_of(records)
        wanted = {*declaration.followed_terms, *declaration.stages}
        terms = tuple(term for term in declaration.terms if term in wanted)
        ways = {grading.rule.ways for grading, _ in records.gradings()}
        [way] = next(iter(ways)) if len(ways) == 1 and len(next(iter(ways))) == 1 else [None]
        demands = () if way is None else tuple("/".join(demand) for demand in way.required)
        results = collect(records.results(list(terms)))
        rows = {name: row for row, name in enumerate(ids)}
        results = results[results["student_id"].isin(rows)]
        row = results["student_id"].map(rows).to_numpy(int)
        column = results["term"].map({term: place for place, term in enumerate(terms)}).to_numpy(int)
        size = (len(rows), len(terms))
        passes, declared = np.full(size, -1, dtype=np.int8), np.full(size, -1, dtype=np.int8)
        passes[row, column], declared[row, column] = results["n_passed"], results["eligible"]
        met = np.zeros((*size, len(demands)), dtype=bool)
        missing = results["missing"].str.split(", ")
        for place, demand in enumerate(demands):
            met[row, column, place] = [demand not in listed for listed in missing]
        states = student_states(records).pivot(index="student_id", columns="stage", values="state").reindex(ids)
        codes = {state: code for code, state in enumerate(STATES)}
        held = states[list(stages)].apply(lambda stage: stage.map(codes)).to_numpy(np.int8)
        followed = tuple(terms.index(term) for term in declaration.followed_terms)
        return cls(terms, followed, stages, demands, way.passes if way else 0, passes, met, declared, held)

    def eligible(self, passes: int | None = None, required: tuple[str, ...] | None = None) -> Codes:
        """Return who is eligible in which term (1, 0, or -1 without results) under the rule, or one with other demands.

        Parameters
        ----------
        passes
            Passes in all; by default as many as the rule says.
        required
            Those of ``demands`` that count; by default all.
        """
        if passes is None and required is None:
            return self.declared
        kept = [place for place, demand in enumerate(self.demands) if required is None or demand in required]
        reached = (self.passes >= (self.least if passes is None else passes)) & self.met[:, :, kept].all(axis=2)
        return np.where(self.passes < 0, -1, reached).astype(np.int8)

    def states(self, eligible: Codes) -> Codes:
        """Return the state of each student at each stage, with eligibility as given."""
        found = self.held.copy()
        for place, stage in enumerate(self.stages):
            if stage in self.terms:
                here = eligible[:, self.terms.index(stage)]
                found[:, place] = np.where(here < 0, found[:, place], np.where(here == 1, 0, 1))
        return found

    def losses(self, eligible: Codes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Date the first loss as :func:`nbanalytics.losses` does.

        Returns
        -------
        duration, event : arrays
            Of each student; the duration is -1 for those who are not eligible at the start.
        """
        course = eligible[:, self.followed]
        step = np.arange(course.shape[1])
        lost = np.where((course == 0) & (step > 0), step, len(step)).min(axis=1)
        last = np.where(course >= 0, step, 0).max(axis=1)
        event = lost < len(step)
        return np.where(course[:, 0] == 1, np.where(event, lost, last), -1), event.astype(np.int64)
