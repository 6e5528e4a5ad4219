"""Students' courses through the terms, kept so that another eligibility rule is tried in milliseconds."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.cohorts import GroupRule
from nbanalytics.analysis.droppoints import life_table
from nbanalytics.analysis.flows import stages_of
from nbanalytics.figures import Chart, TextTable, drop_terms, flow_sankey
from nbanalytics.figures.chart import nothing
from nbanalytics.frames import collect
from nbanalytics.pages.board import Json, section
from nbanalytics.records import StudentRecords
from nbanalytics.students import AFTER_STATES, TERM_STATES, student_table
from nbanalytics.text import Cells, Words

#: Patterns of what may stand in the address.
BOX = r"\*|\d+(\.\d+)?(,\d+(\.\d+)?){3}"
THRESHOLD = r"\*|[0-4](\.\d)?|5(\.0)?"
PASSES = r"\*|\d|1[0-7]"


def threshold_of(chosen: Mapping[str, str]) -> float:
    """Return the size of a change that counts as none."""
    return 0.0 if chosen["threshold"] == "*" else float(chosen["threshold"])


def passes_of(chosen: Mapping[str, str]) -> int | None:
    """Return the passes required for eligibility; None for as many as the rule says."""
    return None if chosen["passes"] == "*" else int(chosen["passes"])


def required_of(chosen: Mapping[str, str], demands: Sequence[str]) -> tuple[str, ...] | None:
    """Return which of a rule's demands count, marked by a 1 each; None for all of them.

    Examples
    --------
    >>> required_of({"required": "101"}, ["SV/SVA", "EN", "MA"])
    ('SV/SVA', 'MA')
    """
    if "0" not in chosen["required"]:
        return None
    return tuple(demand for demand, kept in zip(demands, chosen["required"], strict=True) if kept == "1")


def rule_of(chosen: Mapping[str, str], demands: Sequence[str]) -> GroupRule:
    """Return the rule of a choice, as :func:`nbanalytics.classify` takes it.

    Examples
    --------
    >>> rule_of({"threshold": "0.5", "no_change": "*", "passes": "9", "required": "*"}, ["EN"]).passes
    9
    """
    place: Literal["positive", "negative"] = "negative" if chosen["no_change"] == "negative" else "positive"
    passes, required = passes_of(chosen), required_of(chosen, demands)
    return GroupRule(threshold_of(chosen), place, passes=passes, required=required)


def box_of(text: str) -> tuple[float, ...] | None:
    """Return the bounds of year 6 and of year 9, the lower one first; None for all points.

    Examples
    --------
    >>> box_of("12.5,10,0,20")
    (10.0, 12.5, 0.0, 20.0)
    """
    if text == "*":
        return None
    x0, x1, y0, y1 = (float(part) for part in text.split(","))
    return min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)


def code_line(source: str, chosen: Mapping[str, str], demands: Sequence[str] = ()) -> str:
    """Write the line of Python that selects the students of a choice from records, given by ``source``.

    ``chosen`` has the value of each filter, ``"*"`` where there is none, and only values that the filters have.

    Examples
    --------
    >>> names = ["cohort", "school", "sex", "group", "box", "threshold", "no_change", "passes", "required"]
    >>> code_line("records", dict.fromkeys(names, "*") | {"group": "6", "passes": "9"})
    'import nbanalytics as nb; students = nb.choose_students(records, group=6, rule=nb.GroupRule(passes=9))'
    """
    parts = [source]
    if chosen["cohort"] != "*":
        parts.append(f"cohort={int(chosen['cohort'])}")
    parts += [f"{name}={chosen[name]!r}" for name in ("school", "sex") if chosen.get(name, "*") != "*"]
    if chosen["group"] != "*":
        parts.append(f"group={int(chosen['group'])}")
    if (box := box_of(chosen["box"])) is not None:
        parts += [f"start=({box[0]!r}, {box[1]!r})", f"end=({box[2]!r}, {box[3]!r})"]
    plain, rule = asdict(GroupRule()), asdict(rule_of(chosen, demands))
    if varied := [f"{name}={value!r}" for name, value in rule.items() if value != plain[name]]:
        parts.append(f"rule=nb.GroupRule({', '.join(varied)})")
    return f"import nbanalytics as nb; students = nb.choose_students({', '.join(parts)})"


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
        Places of the followed terms among them: the first is the origin of the life table.
    stages
        Of flows; the last may come after the terms.
    demands
        What the rule requires, such as ``"SV/SVA"``; empty where the rule cannot be varied.
    least
        Total passes that the rule requires.
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
        names = [f"{kind}_{term}" for kind in ("passes", "eligible") for term in terms]
        columns = [*names, *(f"state_{stage}" for stage in stages)]
        table = collect(student_table(records, columns)).set_index("student_id").reindex(ids)
        passes, declared = (
            table[[f"{kind}_{term}" for term in terms]].fillna(-1).to_numpy(np.int8) for kind in ("passes", "eligible")
        )
        codes = {state: code for code, state in enumerate(STATES)}
        held = table[[f"state_{stage}" for stage in stages]].apply(lambda stage: stage.map(codes)).to_numpy(np.int8)
        met = _met(records, ids, terms, demands)
        followed = tuple(terms.index(term) for term in declaration.followed_terms)
        return cls(terms, followed, stages, demands, way.passes if way else 0, passes, met, declared, held)

    def eligible(self, passes: int | None = None, required: tuple[str, ...] | None = None) -> Codes:
        """Return who is eligible in which term (1, 0, or -1 without results), by the rule or with other demands.

        ``passes`` is the total required and ``required`` those of ``demands`` that count; by default both are the
        rule's.
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
        """Return duration and event of each student's first loss, as :func:`nbanalytics.losses` does.

        The duration is -1 for students who are not eligible at the start.
        """
        course = eligible[:, self.followed]
        step = np.arange(course.shape[1])
        lost = np.where((course == 0) & (step > 0), step, len(step)).min(axis=1)
        last = np.where(course >= 0, step, 0).max(axis=1)
        event = lost < len(step)
        return np.where(course[:, 0] == 1, np.where(event, lost, last), -1), event.astype(np.int64)


def _met(records: StudentRecords, ids: Any, terms: Sequence[str], demands: Sequence[str]) -> NDArray[np.bool_]:
    """Return which demands each student (row) met in each term (column)."""
    results = collect(records.results(list(terms)))
    rows = {name: row for row, name in enumerate(ids)}
    results = results[results["student_id"].isin(rows)]
    row = results["student_id"].map(rows).to_numpy(int)
    column = results["term"].map({term: place for place, term in enumerate(terms)}).to_numpy(int)
    met = np.zeros((len(rows), len(terms), len(demands)), dtype=bool)
    missing = results["missing"].str.split(", ")
    for place, demand in enumerate(demands):
        met[row, column, place] = [demand not in listed for listed in missing]
    return met


_LIFE = ["at_risk", "events", "censored", "hazard", "survival"]
_WAYS = ["stage_from", "state_from", "stage_to", "state_to", "students"]


def packed(values: NDArray[Any], kind: str) -> str:
    """Pack the numbers of students, of a type such as ``"<u2"``, for the page's script (``pages/roster.js``)."""
    return b64encode(values.astype(kind).tobytes()).decode()


def flows_section(held: Codes, stages: Sequence[str], words: Words) -> Json:
    """Show how students move between states; ``held`` has the state of each student (row) at each stage (column)."""
    kinds = len(STATES)
    here, links = [], []
    for place, stage in enumerate(stages):
        counted = np.bincount(held[:, place], minlength=kinds)
        here += [(stage, STATES[code], int(counted[code])) for code in np.flatnonzero(counted)]
    for (before, source), (after, target) in pairwise(enumerate(stages)):
        moved = np.bincount(held[:, before].astype(int) * kinds + held[:, after], minlength=kinds**2)
        for code in np.flatnonzero(moved):
            links.append((source, STATES[code // kinds], target, STATES[code % kinds], int(moved[code])))
    totals = Cells.of(pd.DataFrame(here, columns=["stage", "state", "students"]))
    moves = Cells.of(pd.DataFrame(links, columns=_WAYS))
    return _section("flows", flow_sankey((totals, moves), words) if len(held) else None, words)


def terms_section(duration: NDArray[np.int64], event: NDArray[np.int64], steps: Sequence[str], words: Words) -> Json:
    """Show in which term students lose eligibility, from :meth:`Courses.losses`; ``steps`` are the terms followed."""
    eligible = duration >= 0
    table = life_table(duration[eligible], event[eligible])
    if table.empty:
        return _section("terms", None, words)
    named = table[_LIFE].assign(term=table["t"].map(dict(enumerate(steps, start=1)))).rename(columns={"events": "lost"})
    return _section("terms", drop_terms(Cells.of(named), words), words)


def _section(name: str, chart: Chart | None, words: Words) -> Json:
    shown = chart or Chart(nothing(words), "", TextTable([], []))
    table = asdict(shown.table) | {"caption": words.say(f"explorer.table.{name}")}
    texts = {"swipe": words.say("flows.swipe"), "empty": "" if chart else words.say("explorer.nobody")}
    return section(name, words.say(f"{name}.title"), shown, words, figure=shown.drawing, table=table, **texts)
