"""Which growth leads to a target, and who is on the way to it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.analysis.growth.percentiles import Growth
from nbanalytics.errors import DataError
from nbanalytics.frames import By
from nbanalytics.intervals import wilson
from nbanalytics.results import Shown
from nbanalytics.schools import LIKE, MIN_SCHOOLS, THESE, estimand_of, share_over_schools

#: The target that is the score at which half of the students were eligible.
ELIGIBLE = "eligible"
_OWN = ("students", "needed", "within_reach", "low", "high", "reached", "estimand", "status")


@dataclass(frozen=True, repr=False)
class Targets(Shown):
    """Which growth percentile leads to a target.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then ``students``; ``needed``: the median of the percentiles that they need;
        ``within_reach``: the share of students on the way, with its 95 % interval ``low, high``; ``reached``: the share
        whose score is at the target, where it is known; ``estimand``; ``status``: ``ok`` or ``too_few``.
    students : pandas.DataFrame
        The students of the growth with ``needed``: 0 if the lowest growth is enough, 100 if the highest is not; and
        ``on_the_way``.
    settings : mapping
        ``target, score, measure, at, priors, on_the_way, by, min_students``.
    """

    table: pd.DataFrame
    students: pd.DataFrame
    settings: Mapping[str, Any]

    def _words(self) -> str:
        s = self.settings
        return (
            f"Growth that leads from {', '.join(s['priors'])} to {s['measure']} of {s['score']:.4g} in {s['at']}, "
            f"{len(self.students)} students; on the way: {s['on_the_way']}"
        )


def growth_targets(
    growth: Growth,
    target: float | str = ELIGIBLE,
    by: str | tuple[str, ...] | list[str] = (),
    *,
    students: pd.DataFrame | None = None,
    so_far: Growth | None = None,
    estimand: str | None = None,
    min_students: int = 20,
) -> Targets:
    """Say which growth percentile leads each student to a target, and how many are on the way.

    Parameters
    ----------
    growth : Growth
        Of students whose later scores are known.
    target : float or str
        A score of the growth's measure: ``160`` (merit value), ``12.5`` (mean grade points); or ``"eligible"``: the
        score at which half of the students of the growth were eligible.
    by : str or sequence of str
        Columns of the students to divide by.
    students : pandas.DataFrame, optional
        Other students with the same earlier scores, whose later score is not known yet; those of the growth if left
        out. Use the ``students`` of a growth to an earlier term.
    so_far : Growth, optional
        Growth of the same students to a term on the way. A student is then on the way if the percentile so far is at
        least the one needed; otherwise, if a percentile of at most 50, the growth of the middle student, is enough.
    estimand : str, optional
        As for :func:`nbanalytics.growth_percentiles`.
    min_students : int
        No share is given for fewer students.

    Returns
    -------
    Targets

    Raises
    ------
    DataError
        If nobody or everybody was eligible, a column is not there, or no student has a growth so far.

    Notes
    -----
    Betebenner (2009), Educational Measurement 28: 42-51, "growth to standard". The score of eligibility: where a logit
    of eligibility on the score is 0.

    Examples
    --------
    >>> from nbanalytics.analysis.growth import growth_percentiles
    >>> from nbanalytics.simulation import simulate
    >>> growth = growth_percentiles(simulate(seed=1, cohorts=[2018]).records, "merit")
    >>> found = growth_targets(growth, 160)
    >>> found.table[["students", "needed", "reached"]].round(2).to_numpy().tolist()
    [[313.0, 7.0, 0.85]]
    """
    names = By.of(by, (*_OWN, "on_the_way")).names
    score = _score(growth, target)
    own = growth.students if students is None else students
    columns = list(growth.settings["priors"])
    priors = [f"{growth.settings['measure']}_{term}" for term in columns]
    if absent := [name for name in (*names, *priors) if name not in own]:
        raise DataError(f"The students have no column {', '.join(absent)}", "Add it to the growth with by.")
    table = own.dropna(subset=priors).reset_index(drop=True)
    needed = growth.model.below(table[priors].to_numpy(dtype=float), score)
    way = needed <= 50
    if so_far is not None:
        reached = so_far.students.set_index("student_id")["percentile"].reindex(table["student_id"]).to_numpy()
        table, needed = table[~np.isnan(reached)].reset_index(drop=True), needed[~np.isnan(reached)]
        if table.empty:
            raise DataError("No student has a growth so far", "Measure it on the same students.")
        way = reached[~np.isnan(reached)] >= needed
    table = table.assign(needed=needed, on_the_way=way)
    asked = estimand_of(table.get("school_id"), estimand)
    parts = table.groupby(list(names), sort=True, dropna=False) if names else [((), table)]
    known = students is None
    rows = [
        {**dict(zip(names, values, strict=True)), **_group(part, score if known else None, asked, min_students)}
        for values, part in parts
    ]
    said = "a growth of 50 is enough" if so_far is None else f"growth to {so_far.settings['at']} is enough"
    settings = {key: growth.settings[key] for key in ("measure", "at", "priors")}
    settings |= {"target": target, "score": score, "on_the_way": said, "by": names, "min_students": min_students}
    return Targets(pd.DataFrame(rows, columns=[*names, *_OWN]), table, settings)


def _score(growth: Growth, target: float | str) -> float:
    if target != ELIGIBLE:
        try:
            return float(target)
        except ValueError:
            raise DataError(f"There is no target {target!r}", f"Give a score, or {ELIGIBLE!r}.") from None
    known = growth.students.dropna(subset=["eligible"])
    y, x = known["eligible"].to_numpy(dtype=float), known["score"].to_numpy(dtype=float)
    if not 0 < y.sum() < len(y):
        who = "everybody" if len(y) and y.all() else "nobody"
        raise DataError(
            f"{who.capitalize()} was eligible, so that no score can be named for it",
            "Give a score, or take more cohorts together.",
        )
    if x[y == 0].max() < x[y == 1].min():  # no overlap: a logit has no finite slope
        return float(x[y == 0].max() + x[y == 1].min()) / 2
    import statsmodels.api as sm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        slope = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial()).fit().params
    if slope[1] <= 0:
        raise DataError("Higher scores did not go with eligibility", "Give a score as the target.")
    return float(-slope[0] / slope[1])


def _group(part: pd.DataFrame, score: float | None, asked: str, min_students: int) -> dict[str, Any]:
    way, number = part["on_the_way"].to_numpy(dtype=bool), len(part)
    own = asked if asked == LIKE and part["school_id"].nunique() >= MIN_SCHOOLS else THESE
    row: dict[str, Any] = {"students": number, "estimand": own, "status": "ok"}
    if number < max(min_students, 1):
        return {**row, **dict.fromkeys(_OWN[1:6]), "status": "too_few"}
    low, high = wilson(int(way.sum()), number)
    if own == LIKE:
        counts = part.assign(_way=way).groupby("school_id")["_way"].agg(["sum", "size"])
        low, high = share_over_schools(counts["sum"], counts["size"])
    row |= {"needed": float(part["needed"].median()), "within_reach": way.mean(), "low": low, "high": high}
    return row | {"reached": float((part["score"] >= score).mean()) if score is not None else np.nan}
