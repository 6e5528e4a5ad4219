"""The chance to lose eligibility, or to regain it, from one term to the next, and one step against the others."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, nan, sqrt
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.frames import By, collect, column_names, open_frame, to_native
from nbanalytics.intervals import mean_interval, score_interval
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.schools import (
    LIKE,
    MIN_SCHOOLS,
    THESE,
    difference_over_schools,
    estimand_of,
    ratio_over_schools,
    share_over_schools,
    with_pooled,
)
from nbanalytics.students import student_table

#: A way from one term to the next, and the state that it starts in: eligible (1) or not (0).
WAYS = {"lost": 1, "regained": 0}
_SCHOOL = "_school"
_PROBABILITIES = (
    *("t", "from", "to", "way", "at_risk", "changed", "unseen", "probability", "low", "high", "estimand", "status"),
)
#: Products that the variance of a difference is made of: at risk and changed at the step (n, x), at the others (m, y).
_PAIRS = ("yy", "ym", "mm", "xy", "xm", "ny", "nm")


@dataclass(frozen=True, repr=False)
class TransitionProbabilities(Shown):
    """The chance to lose eligibility, or to regain it, between each term and the next.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then, for each step and way,

        - ``t`` (1, 2, ...), ``from``, ``to``: the terms; ``way``: ``lost`` or ``regained``;
        - ``at_risk``: students with results in both terms, eligible (for ``regained`` not eligible) in the first;
        - ``changed``: those of them who are not (are) in the second;
        - ``unseen``: students in that state in the first term without results in the second, in no share;
        - ``probability`` = changed / at_risk, with its 95 % interval ``low, high``;
        - ``estimand``: what the interval is about; ``status``: ``ok`` or ``too_few``.
    settings : mapping
        ``terms, by, estimand, min_at_risk``.
    students : int
        Students with results in two terms that follow each other.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        terms = self.settings["terms"]
        return f"Steps from {terms[0]} to {terms[-1]}, {self.students} students seen in two terms in a row"

    def pooled(self) -> pd.DataFrame:
        """Estimate each group's chances from its own students and from the other groups (partial pooling).

        Returns
        -------
        pandas.DataFrame
            The table with ``pooled, pooled_low, pooled_high`` of :func:`nbanalytics.schools.pooled_shares` within each
            step and way: ``by`` must have divided the students into schools, or schools and cohorts.
        """
        return with_pooled(self.table, "changed", "at_risk", ["t", "way"])


def transition_probabilities(
    records: StudentRecords,
    by: str | Sequence[str] = (),
    *,
    estimand: str | None = None,
    min_at_risk: int = 5,
) -> TransitionProbabilities:
    """Count who loses eligibility, and who regains it, from each term to the next, whatever came before.

    A student is at risk of losing in every step that starts eligible, also after a loss and a return. So nobody is
    chosen by a term that is then compared with the next ones: choosing those eligible in one term makes the step after
    it look bad, since some were eligible there by chance (regression to the mean).

    Parameters
    ----------
    records : StudentRecords
        Students and grades; the terms are all those of the declaration.
    by : str or sequence of str
        Columns of the students table to divide by: ``sex``, ``school_id``, ``cohort``.
    estimand : str, optional
        ``"schools_like_these"`` (the default from three schools on) or ``"these_schools"``; see
        :func:`nbanalytics.schools.estimand_of`. A group in fewer than three schools has the latter.
    min_at_risk : int
        With fewer students at risk no chance is estimated.

    Returns
    -------
    TransitionProbabilities

    Raises
    ------
    DataError
        If a column of ``by`` is not there, or schools like these are asked about with fewer than three.

    Notes
    -----
    Transition probabilities of a two-state process in discrete time (Singer and Willett 2003, *Applied Longitudinal
    Data Analysis*, chapter 10, for person-periods; Andersen and Keiding 2002, Statistical Methods in Medical Research
    11: 91-115, for multi-state models). Intervals: :func:`nbanalytics.schools.share_over_schools`.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = transition_probabilities(simulate(seed=1, cohorts=[2018]).records)
    >>> found.table.query("way == 'lost'")[["from", "to", "at_risk", "changed"]].head(3).to_numpy().tolist()
    [['6HT', '6VT', 248, 3], ['6VT', '7HT', 259, 21], ['7HT', '7VT', 249, 10]]
    """
    divided, terms = By.of(by, _PROBABILITIES, open_frame(records.students)), records.declaration.terms
    frame = _steps(records, divided, terms)
    columns = [f"_{what}_{way}_{step}" for way in WAYS for step in range(1, len(terms)) for what in ("n", "x", "gone")]
    counts = _summed(frame, divided, columns)
    kind = _estimand_of(counts, estimand)
    rows = []
    for group, part in divided.split(counts):
        for way in WAYS:
            for step in range(1, len(terms)):
                n, x, gone = (part[f"_{what}_{way}_{step}"].to_numpy(dtype=float) for what in ("n", "x", "gone"))
                head = {**group, "t": step, "from": terms[step - 1], "to": terms[step], "way": way}
                rows.append({**head, "unseen": int(gone.sum()), **_probability(x, n, kind, min_at_risk)})
    table = pd.DataFrame(rows, columns=[*divided.names, *_PROBABILITIES])
    seen = frame.filter(
        nw.any_horizontal(*(nw.col(f"_n_{way}_{step}") == 1 for way, step in _all(terms)), ignore_nulls=True)
    )
    settings = {"terms": terms, "by": divided.names, "estimand": kind, "min_at_risk": min_at_risk}
    students = collect(seen.select(nw.len().alias("n")))
    return TransitionProbabilities(table, settings, int(students["n"].iloc[0]))


def _probability(x: Any, n: Any, kind: str, min_at_risk: int) -> dict[str, Any]:
    total = int(n.sum())
    own = kind if (n > 0).sum() >= MIN_SCHOOLS else THESE
    found = {"at_risk": total, "changed": int(x.sum()), "estimand": own}
    if total < max(min_at_risk, 1):
        return {**found, "probability": nan, "low": nan, "high": nan, "status": "too_few"}
    low, high = share_over_schools(x, n, own)
    return {**found, "probability": float(x.sum()) / total, "low": low, "high": high, "status": "ok"}


def confirmed_start(records: StudentRecords) -> StudentRecords:
    """Keep the students who were eligible in the start term and in the term before it.

    First losses after a single term take in those who were eligible in it by chance; after two terms they are fewer,
    and not none. Give the result to :func:`losses` to see first losses beside those after one term.

    Returns
    -------
    StudentRecords
        With fewer students; all other tables as they are.

    Raises
    ------
    DataError
        If there is no term before the start term.

    Examples
    --------
    >>> from nbanalytics.analysis.droppoints import losses
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> losses(records).students, losses(confirmed_start(records)).students
    (259, 245)
    """
    terms, start = records.declaration.terms, records.declaration.start
    place = terms.index(start)
    if not place:
        raise DataError(f"There is no term before {start}, so that nothing can confirm it. Declare an earlier term.")
    results = open_frame(records.results([terms[place - 1], start]))
    passed = results.filter(nw.col("eligible")).group_by("student_id").agg(nw.len().alias("_terms"))
    both = passed.filter(nw.col("_terms") == 2).select("student_id")
    students = open_frame(records.students).join(both, on="student_id", how="semi")
    return replace(records, students=to_native(students))


@dataclass(frozen=True, repr=False)
class TransitionContrast(Shown):
    """The chance to lose eligibility (or to regain it) at one step against the other steps together.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then

        - ``at_risk_step, changed_step, probability_step``: the step asked about;
        - ``at_risk_other, changed_other, probability_other``: the other steps together;
        - ``difference, difference_low, difference_high`` and ``ratio, ratio_low, ratio_high``: the step against the
          others, with 95 % intervals;
        - ``estimand``: what the intervals are about;
        - ``status``: ``ok``; ``too_few`` at risk on a side, nothing estimated; ``no_change`` in the other steps, no
          ratio.
    settings : mapping
        ``step, from, to, way, by, estimand, min_at_risk``.
    students : int
        Students at risk at the step.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        step = f"{self.settings['from']} to {self.settings['to']}"
        verb = {"lost": "Loss", "regained": "Return"}[self.settings["way"]]
        return f"{verb} of eligibility at the step {step} against the other steps, {self.students} students at risk"


_ESTIMATES = ("difference", "difference_low", "difference_high", "ratio", "ratio_low", "ratio_high")
_COUNTED = (
    *("at_risk_step", "changed_step", "probability_step"),
    *("at_risk_other", "changed_other", "probability_other"),
)


def transition_contrast(
    records: StudentRecords,
    by: str | Sequence[str] = (),
    step: int | None = None,
    way: str = "lost",
    *,
    estimand: str | None = None,
    min_at_risk: int = 5,
) -> TransitionContrast:
    """Compare the chance to lose eligibility at one step with that at all other steps together.

    By default the step is the one after the start term: with Swedish terms from spring of year 6 to autumn of year 7,
    often a change of school.

    Parameters
    ----------
    records : StudentRecords
    by : str or sequence of str
        Columns of the students table to divide by.
    step : int, optional
        The step asked about; 1 is from the first term of the declaration to the second.
    way : str
        ``"lost"`` or ``"regained"``.
    estimand
        As for :func:`transition_probabilities`.
    min_at_risk : int
        Fewer at risk than this on either side are not compared.

    Returns
    -------
    TransitionContrast

    Raises
    ------
    DataError
        If there is no such step or way, none to compare it with, or a column of ``by`` is not there.

    Warns
    -----
    EstimationWarning
        If a group is too small to be compared.

    Notes
    -----
    Chances are those of :func:`transition_probabilities`. *Schools like these*: difference and logarithm of the ratio
    without each school in turn, *t* with schools - 1 degrees. *These schools*: the score intervals of the two chances
    are combined with their correlation (Newcombe 1998, method 10; Zou and Donner 2008, Statistics in Medicine 27:
    1693-1702), where a student who counts in several steps is one observation; the ratio on the scale of logarithms
    with the same variances.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> row = transition_contrast(simulate(seed=1, cohorts=[2018]).records).table.iloc[0]
    >>> [int(row[name]) for name in ("at_risk_step", "changed_step", "at_risk_other", "changed_other")]
    [259, 21, 1486, 43]
    """
    if not isinstance(records, StudentRecords):
        raise DataError(
            "transition_contrast needs student records, since a loss is counted at every step. Give records."
        )
    divided, terms = (
        By.of(by, (*_COUNTED, *_ESTIMATES, "status"), open_frame(records.students)),
        records.declaration.terms,
    )
    step = terms.index(records.declaration.start) + 1 if step is None else step
    if way not in WAYS or len(terms) < 3 or not 1 <= step <= len(terms) - 1:
        raise DataError(
            f"There is no step {step} ({way}) with others to compare: {', '.join(WAYS)} are counted from {terms[0]} to "
            f"{terms[-1]}. Choose a step from 1 to {len(terms) - 1}, of at least two."
        )
    frame, moments = _moments(_steps(records, divided, terms), way, step, len(terms))
    counts = _summed(frame, divided, moments)
    kind = _estimand_of(counts, estimand)
    rows = [{**group, **_compare(part, kind, min_at_risk)} for group, part in divided.split(counts)]
    table = pd.DataFrame(rows, columns=[*divided.names, *_COUNTED, *_ESTIMATES, "estimand", "status"])
    small = int((table["status"] == "too_few").sum())
    if small:
        warnings.warn(
            f"{small} of {len(table)} groups have fewer than {min_at_risk} at risk on a side and are not compared. "
            "Divide by fewer columns.",
            EstimationWarning,
            stacklevel=2,
        )
    settings = {
        "step": step,
        "from": terms[step - 1],
        "to": terms[step],
        "way": way,
        "by": divided.names,
        "estimand": kind,
        "min_at_risk": min_at_risk,
    }
    return TransitionContrast(table, settings, int(table["at_risk_step"].sum()))


def _compare(part: pd.DataFrame, kind: str, min_at_risk: int) -> dict[str, Any]:
    """Compare a step (n at risk, x changed) with the others (m, y) of a group, from the sums of each school."""
    x, n, y, m = (part[name].to_numpy(dtype=float) for name in ("_x", "_n", "_y", "_m"))
    asked, other = (float(x.sum()), float(n.sum())), (float(y.sum()), float(m.sum()))
    own = kind if ((n > 0) | (m > 0)).sum() >= MIN_SCHOOLS else THESE
    shares = [some / of if of else nan for some, of in (asked, other)]
    values = (int(asked[1]), int(asked[0]), shares[0], int(other[1]), int(other[0]), shares[1])
    found: dict[str, Any] = dict(zip(_COUNTED, values, strict=True)) | {"estimand": own}
    if min(asked[1], other[1]) < max(min_at_risk, 1):
        return {**found, **dict.fromkeys(_ESTIMATES, nan), "status": "too_few"}
    if own == LIKE:
        bounds = difference_over_schools((x, n), (y, m))
        ratio = ratio_over_schools((x, n), (y, m))
    else:
        sums = {name: float(part[name].sum()) for name in ("_n", "_m", *(f"_{pair}" for pair in _PAIRS))}
        bounds, ratio = _of_these_students(sums, shares)
    estimates = dict(zip(_ESTIMATES, (shares[0] - shares[1], *bounds, *ratio), strict=True))
    return {**found, **estimates, "status": "ok" if other[0] else "no_change"}


def _of_these_students(
    sums: Mapping[str, float], shares: Sequence[float]
) -> tuple[tuple[float, float], tuple[float, float, float]]:
    """Difference and ratio of two shares that partly count the same students."""
    p, q = shares
    n, m = sums["_n"], sums["_m"]
    first = p * (1 - p) / n
    second = (sums["_yy"] - 2 * q * sums["_ym"] + q * q * sums["_mm"]) / m**2
    both = (sums["_xy"] - q * sums["_xm"] - p * sums["_ny"] + p * q * sums["_nm"]) / (n * m)
    likeness = both / sqrt(first * second) if first > 0 and second > 0 else 0.0
    effective = q * (1 - q) / second if second > 0 else m
    (low_1, high_1), (low_2, high_2) = score_interval(p, n), score_interval(q, effective)
    down_1, up_1, down_2, up_2 = p - low_1, high_1 - p, q - low_2, high_2 - q
    bounds = (
        p - q - sqrt(max(down_1**2 - 2 * likeness * down_1 * up_2 + up_2**2, 0.0)),
        p - q + sqrt(max(up_1**2 - 2 * likeness * up_1 * down_2 + down_2**2, 0.0)),
    )
    if not q:
        return bounds, (nan, nan, nan)
    if not p:
        return bounds, (0.0, 0.0, nan)
    error = sqrt(max(first / p**2 + second / q**2 - 2 * both / (p * q), 0.0))
    low, high = mean_interval(float(np.log(p / q)), error)
    return bounds, (p / q, exp(low), exp(high))


def _all(terms: Sequence[str]) -> list[tuple[str, int]]:
    return [(way, step) for way in WAYS for step in range(1, len(terms))]


def _steps(records: StudentRecords, by: By, terms: Sequence[str]) -> Any:
    """One row per student: the groups, the school, and for each step at risk (n), changed (x) and unseen (gone)."""
    school = ["school_id"] if "school_id" in column_names(open_frame(records.students)) else []
    wide = student_table(records, [*(f"eligible_{term}" for term in terms), *school], by)
    wide = wide.with_columns((nw.col("school_id") if school else nw.lit("")).alias(_SCHOOL))
    flags = {}
    for way, step in _all(terms):
        before, after = (nw.col(f"eligible_{terms[place]}") for place in (step - 1, step))
        state = WAYS[way]
        for what, test in (
            ("n", (before == state) & ~after.is_null()),
            ("x", (before == state) & (after == 1 - state)),
            ("gone", (before == state) & after.is_null()),
        ):
            flags[f"_{what}_{way}_{step}"] = nw.when(test).then(nw.lit(1)).otherwise(nw.lit(0)).cast(nw.Int64)
    return wide.with_columns(**flags)


def _moments(frame: Any, way: str, step: int, terms: int) -> tuple[Any, list[str]]:
    """Add what a student counts at the step (n, x), at the others together (m, y), and the products of these."""
    others = [number for number in range(1, terms) if number != step]
    own = frame.with_columns(
        _n=nw.col(f"_n_{way}_{step}"),
        _x=nw.col(f"_x_{way}_{step}"),
        _m=nw.sum_horizontal(*(nw.col(f"_n_{way}_{number}") for number in others)),
        _y=nw.sum_horizontal(*(nw.col(f"_x_{way}_{number}") for number in others)),
    )
    products = {f"_{pair}": nw.col(f"_{pair[0]}") * nw.col(f"_{pair[1]}") for pair in _PAIRS}
    return own.with_columns(**products), ["_n", "_x", "_m", "_y", *products]


def _summed(frame: Any, by: By, columns: Sequence[str]) -> pd.DataFrame:
    """Sum columns by group and school; only these sums leave the engine."""
    keys = [*by.keys, _SCHOOL]
    return collect(frame.group_by(*keys).agg(*(nw.col(name).sum() for name in columns))).sort_values(
        keys, ignore_index=True
    )


def _estimand_of(counts: pd.DataFrame, estimand: str | None) -> str:
    schools = counts[_SCHOOL].astype(object).fillna("missing").astype(str)
    known = (schools != "").any()
    return estimand_of(schools.to_numpy() if known else None, estimand, stacklevel=4)
