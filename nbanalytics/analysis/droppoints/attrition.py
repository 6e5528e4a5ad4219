"""Students without results at the end: bounds that assume nothing of them, and weights by what was known of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError, refuse_unknown
from nbanalytics.frames import as_names, collect, column_names, open_frame
from nbanalytics.records import StudentRecords
from nbanalytics.results import Settings, Shown
from nbanalytics.schools import Floats, Scale, Statistic, labels, over_schools
from nbanalytics.students import MOVED, knows_total_absence, student_table

#: Columns of the students table that are taken as known at the start, where they are there.
KNOWN = ("sex", "newly_arrived")
#: What is measured, and how.
_NAMES = ("eligible", "lost", "lost_at_step", "ratio")
_KINDS = ("value", "weighted", "least", "most")
#: With fewer students on either side nothing can be learnt of who leaves.
_MIN_LEFT = 10
_TABLE = (
    *("measure", "at_risk", "unseen", "value", "low", "high", "weighted", "weighted_low", "weighted_high"),
    *("least", "least_low", "most", "most_high", "estimand", "status"),
)


@dataclass(frozen=True)
class Followed:
    """What is counted of each student in a share, and what is not seen.

    Attributes
    ----------
    at_risk, changed, unseen : array, shape (students,)
        How often the student counts in the denominator, in the numerator, and would have counted but is not seen.
    """

    at_risk: Floats
    changed: Floats
    unseen: Floats

    def shares(self, weights: Floats, staying: Floats) -> dict[str, Floats]:
        """The share of those seen, weighted by staying, and if none or all of the unseen had changed."""
        seen, changed, unseen = (weights @ one for one in (self.at_risk, self.changed, self.unseen))
        all_ = seen + unseen
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = changed / seen, (staying @ self.changed) / (staying @ self.at_risk), changed / all_
            return dict(zip(_KINDS, (*shares, (changed + unseen) / all_), strict=True))


def staying_weights(known: Floats, stayed: Floats, weights: Floats) -> Floats:
    """Weight those who stayed by one over their probability of it, so that they stand for those who left, too.

    Parameters
    ----------
    known : array, shape (students, columns)
        What was known of each student at the start, without holes.
    stayed : array, shape (students,)
        1 or 0.
    weights : array, shape (rows, students)
        1 for who counts in a row and 0 for who is left out: the logit is fitted anew for each.

    Returns
    -------
    array, shape (rows, students)
        0 for those who left or do not count.

    Notes
    -----
    Inverse probability weights of a logit (Seaman and White 2013, Statistical Methods in Medical Research 22: 278-295).

    Examples
    --------
    >>> known, stayed = np.repeat([[0.0], [1.0]], 4, axis=0), np.array([1, 1, 1, 0, 1, 0, 0, 0.0])
    >>> staying_weights(known, stayed, np.ones((1, 8)))[0].round(2).tolist()
    [1.33, 1.33, 1.33, 0.0, 4.0, 0.0, 0.0, 0.0]
    """
    import statsmodels.api as sm

    design, made = sm.add_constant(known, has_constant="add"), np.zeros_like(weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # who is sure to stay has a weight of 1
        for row, own in enumerate(weights):
            there = own > 0
            fit = sm.GLM(stayed[there], design[there], family=sm.families.Binomial(), freq_weights=own[there]).fit()
            made[row, there] = own[there] * stayed[there] / np.clip(fit.fittedvalues, 1e-6, 1)
    return made


@dataclass(frozen=True, repr=False)
class Attrition(Shown):
    """How much the main shares would move by those who are not seen.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per ``measure``, of students with results in the start term:

        - ``eligible``: eligible in the end term; ``lost``: of those eligible in the start term, not in the end term;
          ``lost_at_step``: of those eligible in the start term, not in the next term; ``ratio``: that share against
          the chance to lose eligibility at the other steps;
        - ``at_risk``: students who are seen, in the denominator (of ``ratio`` that of the step); ``unseen``: students
          who would be in it and are not seen;
        - ``value`` of those who are seen, with its 95 % interval ``low, high``;
        - ``weighted, weighted_low, weighted_high``: the same of those who stayed to the end term, weighted to stand
          for those who left; missing with fewer than ten who left or stayed;
        - ``least, most``: the value if the unseen were such as to make it lowest and highest. Nothing is assumed.
          ``least_low, most_high``: these with their uncertainty;
        - ``estimand``: what the intervals are about; ``status``: ``ok``, or ``too_few`` and nothing estimated.
    who_left : pandas.DataFrame
        ``known``: what was known at the start; its mean among those who ``stayed`` and ``left``, ``weighted`` among
        those who stayed, and among ``all``. The last two agree if the weights do their work.
    settings : mapping
        ``start, end, known, estimand, min_students``.
    students, moved, unknown : int
        Students with results in the start term; those of them who had moved before the end term, or have no results
        there for no known reason.
    effective : float
        How many students of equal weight those who stayed are worth (Kish 1965); missing without weights.
    """

    table: pd.DataFrame
    who_left: pd.DataFrame
    settings: Settings
    students: int
    moved: int
    unknown: int
    effective: float

    def _words(self) -> str:
        start, end = self.settings["start"], self.settings["end"]
        return (
            f"Of {self.students} students with results in {start} {self.moved} had moved before {end} and "
            f"{self.unknown} have no results there"
        )


def attrition(
    records: StudentRecords,
    known: Sequence[str] | None = None,
    *,
    estimand: str | None = None,
    min_students: int = 10,
) -> Attrition:
    """Say how much the shares eligible and lost would move if those who are not seen were seen.

    Bounds take all of them as lost, and none, and assume nothing. Weights let those who stayed stand for those who
    left and were alike at the start: right if, among students who are alike in what was known, leaving does not depend
    on what came after. Cohorts that have not reached the end term are left out.

    Parameters
    ----------
    records : StudentRecords
    known : sequence of str, optional
        Columns of the students table that say who leaves, by default ``sex`` and ``newly_arrived`` where they are
        there. Eligibility and mean grade points of the terms up to the start term, and the absence in it, always are
        among what is known.
    estimand : str, optional
        Of :func:`nbanalytics.schools.estimand_of`.
    min_students : int
        With fewer students at risk nothing is estimated.

    Returns
    -------
    Attrition

    Raises
    ------
    DataError
        If a column is not there, no cohort has reached the end term, or schools like these are asked about with fewer
        than three.

    Notes
    -----
    Bounds: Horowitz and Manski (1998), Journal of Econometrics 84: 37-58; the interval from ``least_low`` to
    ``most_high`` covers them with a little more than 95 % (Imbens and Manski 2004, Econometrica 72: 1845-1857). A step
    is unseen if it starts eligible and there are no results in its second term, where the cohort has some. Weights:
    :func:`staying_weights`, fitted anew without each unit that :func:`nbanalytics.schools.over_schools` leaves out; a
    missing value has the mean and, where ten or more have it, an indicator (D'Agostino and Rubin 2000, JASA 95:
    749-759).

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = attrition(simulate(seed=1, cohorts=[2019]).records, estimand="these_schools")
    >>> found.students, found.moved, found.unknown
    (293, 12, 0)
    >>> found.table[["measure", "at_risk", "unseen", "value", "least", "most"]].round(3).head(2).to_numpy().tolist()
    [['eligible', 281, 12, 0.861, 0.826, 0.867], ['lost', 224, 8, 0.049, 0.047, 0.082]]
    """
    people, columns = _people(records, known)
    terms, start, end = (getattr(records.declaration, name) for name in ("terms", "start", "end"))
    stayed = np.asarray(people[f"eligible_{end}"].notna(), dtype=np.float64)
    design = _design(people[columns])
    measures = _measures(people, terms, start, end)
    weighted = min(stayed.sum(), len(stayed) - stayed.sum()) >= _MIN_LEFT
    schools = labels(people["school_id"]) if "school_id" in people else np.zeros(len(people))
    values = _values(measures, design.to_numpy(), stayed, weighted)
    found = over_schools(values, schools, scale=_scales(), estimand=estimand)
    rows = [_row(name, measures, found.set_index("measure"), min_students) for name in _NAMES]
    everybody = np.full((1, len(stayed)), 1.0 if weighted else nan)
    whole = (staying_weights(design.to_numpy(), stayed, everybody) if weighted else everybody)[0]
    gone = people.loc[stayed == 0, f"state_{end}"] == MOVED
    settings = {
        **{"start": start, "end": end, "known": tuple(columns), "estimand": found["estimand"].iloc[0]},
        "min_students": min_students,
    }
    return Attrition(
        table=pd.DataFrame(rows, columns=list(_TABLE)),
        who_left=_who_left(design, stayed, whole),
        settings=settings,
        students=len(people),
        moved=int(gone.sum()),
        unknown=int((~gone).sum()),
        effective=float(whole.sum() ** 2 / (whole**2).sum()) if weighted else nan,
    )


def _scales() -> dict[str, Scale]:
    return {f"{name}.{kind}": "log" if name == "ratio" else "logit" for name in _NAMES for kind in _KINDS}


def _people(records: StudentRecords, known: Sequence[str] | None) -> tuple[pd.DataFrame, list[str]]:
    """One row per student with results in the start term, of cohorts that reached the end term; what is known."""
    declaration, names = records.declaration, column_names(open_frame(records.students))
    own = [name for name in KNOWN if name in names] if known is None else list(as_names(known))
    refuse_unknown("The table students has no column", own, names)
    terms, start, end = declaration.terms, declaration.start, declaration.end
    so_far = terms[: terms.index(start) + 1]
    columns = [f"{kind}_{term}" for kind in ("eligible", "points") for term in so_far]
    columns += [f"absence_{start}"] if knows_total_absence(records) else []
    school = ["school_id"] if "school_id" in names else []
    wanted = [*columns, *own, *school, f"state_{end}", *(f"eligible_{term}" for term in terms)]
    people = collect(student_table(records, wanted)).sort_values("student_id", ignore_index=True)
    reached = people[f"eligible_{end}"].notna().groupby(people["cohort"]).transform("any")
    people = people[reached & people[f"eligible_{start}"].notna()].reset_index(drop=True)
    if people.empty:
        raise DataError(
            f"No student with results in {start} is of a cohort with results in {end}",
            "Add later terms or older cohorts, or declare another end term in records.toml.",
        )
    return people, [*columns, *own]


def _measures(people: pd.DataFrame, terms: Sequence[str], start: str, end: str) -> dict[str, Followed]:
    eligible = {term: people[f"eligible_{term}"].astype(float).to_numpy() for term in terms}

    def follow(who: Any, term: str, state: int) -> Followed:
        seen = ~np.isnan(eligible[term])
        graded = pd.Series(seen).groupby(people["cohort"]).transform("any").to_numpy()
        counted = (who & seen, who & (eligible[term] == state), who & graded & ~seen)
        return Followed(*(np.asarray(one, dtype=float) for one in counted))

    steps = {later: follow(eligible[before] == 1, later, 0) for before, later in pairwise(terms)}
    step = steps.pop(terms[terms.index(start) + 1])
    return {
        "eligible": follow(np.ones(len(people), dtype=bool), end, 1),
        "lost": follow(eligible[start] == 1, end, 0),
        "lost_at_step": step,
        "elsewhere": Followed(
            *(sum((getattr(one, name) for one in steps.values()), np.zeros(len(people)))
              for name in ("at_risk", "changed", "unseen"))
        ),
    }  # fmt: skip


def _values(measures: Mapping[str, Followed], known: Floats, stayed: Floats, weighted: bool) -> Statistic:
    def compute(weights: Floats) -> dict[str, Floats]:
        staying = staying_weights(known, stayed, weights) if weighted else weights * nan
        shares = {name: one.shares(weights, staying) for name, one in measures.items()}
        step, other = shares["lost_at_step"], shares.pop("elsewhere")
        against = {"least": "most", "most": "least"}
        with np.errstate(divide="ignore", invalid="ignore"):
            shares["ratio"] = {kind: step[kind] / other[against.get(kind, kind)] for kind in _KINDS}
        return {f"{name}.{kind}": shares[name][kind] for name in _NAMES for kind in _KINDS}

    return compute


def _row(name: str, measures: Mapping[str, Followed], found: pd.DataFrame, min_students: int) -> dict[str, Any]:
    own = measures["lost_at_step" if name == "ratio" else name]
    at_risk = int(own.at_risk.sum())
    row: dict[str, Any] = {"measure": name, "at_risk": at_risk, "unseen": int(own.unseen.sum())}
    row["estimand"] = found["estimand"].iloc[0]
    if at_risk < max(min_students, 1):
        return {**row, "status": "too_few"}
    for kind in _KINDS:
        value, low, high = found.loc[f"{name}.{kind}", ["value", "low", "high"]]
        prefix = "" if kind == "value" else f"{kind}_"
        row |= {kind: value, f"{prefix}low": low, f"{prefix}high": high}
    return {**row, "status": "ok"}


def _design(known: pd.DataFrame) -> pd.DataFrame:
    """Numbers without holes: words as indicators, holes as the mean and, where ten or more have one, an indicator."""
    made: dict[str, Any] = {}
    for name in known:
        column = known[name]
        if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            words = column.astype(object).where(column.notna())
            kinds = sorted(words.dropna().astype(str).unique())
            made |= {f"{name}: {kind}": (words.astype(str) == kind).astype(float) for kind in kinds[1:]}
        else:
            numbers = column.astype(float)
            made[str(name)] = numbers.fillna(numbers.mean())
        if column.isna().sum() >= _MIN_LEFT:
            made[f"{name}: missing"] = column.isna().astype(float)
    table = pd.DataFrame(made, index=known.index)
    return table.loc[:, table.nunique() > 1]


def _who_left(design: pd.DataFrame, stayed: Floats, weights: Floats) -> pd.DataFrame:
    values = design.to_numpy()
    means = {
        "stayed": values[stayed == 1].mean(axis=0) if stayed.any() else nan,
        "left": values[stayed == 0].mean(axis=0) if not stayed.all() else nan,
        "weighted": weights @ values / weights.sum(),
        "all": values.mean(axis=0),
    }
    return pd.DataFrame({"known": list(design.columns), **means})
