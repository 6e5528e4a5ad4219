"""What was measured as a table, and each target beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan

from dashboards_contenders import LIVE, RIVAL, STATIC, Contender

COLUMNS = {
    "first chart ms": "first",
    "all charts ms": "all",
    "second visit ms": "second",
    "change ms": "change",
    "MB first": "wire",
    "MB second": "wire again",
    "MB/viewer": "memory",
    "crowd s": "crowd",
    "its change s": "crowd change",
    "server CPU s": "crowd seconds",
    "failed": "crowd failed",
    "readers p95 s": "readers",
}


@dataclass(frozen=True)
class Target:
    """One promise, and what was measured."""

    what: str
    measured: float
    most: float

    @property
    def met(self) -> str:
        return "not measured" if isnan(self.measured) else "yes" if self.measured <= self.most else "NO"

    def line(self) -> str:
        return f"{f'{self.what} ≤ {self.most:g}':44} | {self.measured:8.2f} | {self.met}"


def targets(measured: Iterable[Contender]) -> list[Target]:
    """Return every promise that the measurements speak of."""
    by_name = {contender.name: contender for contender in measured}
    none = Contender("none", "", "", lambda *_: None)
    static, live, rival = (by_name.get(name, none) for name in (STATIC, LIVE, RIVAL))
    return [
        Target("live, first chart / Dash", live.ratio(rival, "first"), 0.8),
        Target("static, first chart / Dash", static.ratio(rival, "first"), 0.35),
        Target("live, change of a filter / Dash", live.ratio(rival, "change"), 0.7),
        Target("static, change of a filter / Dash", static.ratio(rival, "change"), 0.7),
        *(
            Target(f"{kind.name.removeprefix('ours, ')}, MB on a {visit} visit", kind.median(what), most)
            for visit, what, most in (("first", "wire", 3), ("second", "wire again", 0.2))
            for kind in (live, static)
        ),
        Target("live, MB of memory per viewer", live.median("memory"), 60),
        Target("live crowd, slowest / Dash", live.ratio(rival, "crowd"), 3),
        Target("live crowd, viewers that failed", live.median("crowd failed"), 0),
        Target("static, readers' p95 in s", static.median("readers"), 1),
        Target("static, readers that failed", static.median("readers failed"), 0),
    ]


def table(measured: Sequence[Contender]) -> str:
    """Return medians, a contender per row; what nobody was measured for is left out."""
    columns = {head: what for head, what in COLUMNS.items() if any(what in each.found for each in measured)}
    lines = [f"{'':14}" + "".join(f"{head:>16}" for head in columns)]
    for contender in measured:
        values = (contender.median(what) for what in columns.values())
        lines.append(f"{contender.name:14}" + "".join(f"{number(value):>16}" for value in values))
    return "\n".join(lines)


def number(value: float) -> str:
    return "–" if isnan(value) else f"{value:.{0 if value > 50 else 2}f}"


def report(measured: Sequence[Contender]) -> str:
    promised = [target.line() for target in targets(measured) if not isnan(target.measured)]
    head = f"{'target':44} | {'measured':8} | met"
    return "\n".join([table(measured), "", *([head, "-" * len(head), *promised] if promised else ())])
