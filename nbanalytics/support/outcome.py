"""Outcomes after support: absence and grades before and after, compared with students who were similar at the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, sqrt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.indicators.measures import MEASURES, Source, active_support
from nbanalytics.errors import DataError
from nbanalytics.intervals import mean_interval
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.support.register import chosen, open_register
from nbanalytics.terms import term_dates
from nbanalytics.text import Words

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: A ridge this small only matters under separation.
_RIDGE = 1e-3
_ROUNDS = 50


def design(known: pd.DataFrame) -> pd.DataFrame:
    """Build the covariates: categories as 0/1 columns, missing numbers as the mean with a missing indicator.

    Columns that do not vary are left out, and so are those that repeat an earlier one.
    """
    columns: dict[str, Any] = {}
    for name in known:
        column = known[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.astype("float64")
            columns[str(name)] = values.fillna(values.mean()).to_numpy(dtype=np.float64)
            columns[f"{name} unknown"] = values.isna().to_numpy(dtype=np.float64)
        else:
            text = column.astype("object").where(column.notna(), "unknown").astype("str")
            for value in sorted(text.unique())[1:]:
                columns[f"{name} {value}"] = (text == value).to_numpy(dtype=np.float64)
    table = pd.DataFrame(columns, index=known.index)
    table = table.loc[:, table.std() > 0]
    return table.loc[:, ~table.T.duplicated()]


def chance_of_support(known: Floats, supported: Bools) -> Floats:
    """Logistic regression by iteratively reweighted least squares.

    Parameters
    ----------
    known : array, students x columns
        Without a constant.
    supported : bool array

    Returns
    -------
    array
        Each student's propensity score: the probability of support given the covariates.
    """
    spread = known.std(axis=0)
    x = np.column_stack([np.ones(len(known)), (known - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0)])
    ridge = np.full(x.shape[1], _RIDGE)
    ridge[0] = 0.0
    beta = np.zeros(x.shape[1])
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        weight = np.maximum(p * (1 - p), 1e-9)
        step = np.linalg.solve(x.T @ (weight[:, None] * x) + np.diag(ridge), x.T @ (supported - p) - ridge * beta)
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(1 / (1 + np.exp(-np.clip(x @ beta, -30, 30))))


def overlap_weights(known: Floats, supported: Bools) -> Floats:
    """Overlap weights that balance the covariates.

    A supported student's weight is the probability of no support, another's the probability of support; each group
    sums to 1. Students who were almost certain to get support, or not to, have little weight: they have no
    counterparts. After a logistic regression these weights balance the means of its columns exactly (Li,
    Morgan and Zaslavsky 2018).
    """
    chance = chance_of_support(known, supported)
    weight = np.where(supported, 1 - chance, chance)
    for side in (supported, ~supported):
        weight[side] /= weight[side].sum()
    return weight


def effect_of_support(outcome: Floats, known: Floats, supported: Bools, weight: Floats) -> tuple[float, float]:
    """Weighted difference of the outcome between the groups, adjusted for the covariates, and its standard error.

    Weighted least squares on support and covariates; the standard error is robust (sandwich with the
    small-sample factor n / (n - k)). The estimate is doubly robust: consistent if either the weights or the regression
    are correct.
    """
    centre, spread = known.mean(axis=0), known.std(axis=0)
    scaled = (known - centre) / np.where(spread > 0, spread, 1.0)
    x = np.column_stack([np.ones(len(known)), supported, scaled])
    inverse = np.linalg.pinv(x.T @ (weight[:, None] * x))
    beta = inverse @ (x.T @ (weight * outcome))
    score = x * (weight * (outcome - x @ beta))[:, None]
    covariance = inverse @ (score.T @ score) @ inverse * len(x) / (len(x) - x.shape[1])
    return float(beta[1]), float(np.sqrt(covariance[1, 1]))


def effective(weight: Floats) -> float:
    """Effective sample size (Kish 1965)."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def balance(known: pd.DataFrame, supported: Bools, weight: Floats) -> pd.DataFrame:
    """Standardised differences of means, before and after weighting.

    Returns
    -------
    DataFrame
        ``covariate``; ``supported`` and ``others``, unweighted means of the two groups; ``before`` and ``after``
        weighting, the difference in standard deviations (pooled, unweighted: Austin 2009).
    """
    rows = []
    for name in known:
        x = known[name].to_numpy(dtype=np.float64)
        sides = (x[supported], x[~supported])
        means = [float(side.mean()) for side in sides]
        weighted = [float(np.average(x[side], weights=weight[side])) for side in (supported, ~supported)]
        sd = float(np.sqrt(np.mean([side.var(ddof=1) for side in sides])))
        rows.append((name, *means, (means[0] - means[1]) / sd, (weighted[0] - weighted[1]) / sd))
    return pd.DataFrame(rows, columns=["covariate", "supported", "others", "before", "after"])


def e_value(ratio: float) -> float:
    """E-value of a risk ratio.

    Parameters
    ----------
    ratio : float
        Risk ratio, above 0; below 1 its inverse is taken.

    Returns
    -------
    float
        The risk ratio that an unmeasured confounder would need with both the support and the outcome, beyond what was
        measured, to explain the estimate away. 1 means that no confounding is needed.

    Notes
    -----
    VanderWeele, T. J. and Ding, P. (2017), Annals of Internal Medicine 167: 268-274.

    Examples
    --------
    The paper's example, 3.9 with an interval from 1.8:

    >>> round(e_value(3.9), 2), round(e_value(1.8), 1)
    (7.26, 3.0)
    """
    ratio = max(ratio, 1 / ratio)
    return ratio + sqrt(ratio * (ratio - 1))


def e_value_of_difference(effect: float, low: float, high: float) -> tuple[float, float]:
    """E-values of a difference in standard deviations and of the interval bound nearest to no effect.

    Parameters
    ----------
    effect, low, high : float
        In standard deviations of the outcome.

    Returns
    -------
    tuple of float
        Of the effect, and of the bound; the second is 1 if the interval contains 0.

    Notes
    -----
    A difference *d* is taken as the risk ratio exp(0.91 *d*) (Chinn 2000; VanderWeele and Ding 2017, table 2).

    Examples
    --------
    >>> [round(value, 2) for value in e_value_of_difference(0.5, 0.3, 0.7)]
    [2.53, 1.96]
    >>> e_value_of_difference(0.1, -0.1, 0.3)[1]
    1.0
    """
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    return e_value(exp(0.91 * abs(effect))), e_value(exp(0.91 * nearest))


#: Outcomes: names of measures, see nbanalytics.analysis.indicators.measures.
OUTCOMES = ("absence", "points")
#: Covariates at the start, besides the outcomes themselves.
KNOWN_MEASURES = ("core_missing", "passes", "streck")
KNOWN_COLUMNS = ("sex", "newly_arrived", "parents_education", "school_id", "cohort")
#: A larger standardised difference is imbalance (Austin 2009).
BALANCED = 0.1


@dataclass(frozen=True, repr=False)
class SupportOutcome(Shown):
    """Supported students and a weighted comparison group, before and after.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each ``outcome`` (``absence``, per cent of the term; ``points``, mean grade points): ``supported``
        and ``others``, students with the outcome known in both terms; ``effective`` and ``effective_others``, effective
        sample sizes (Kish); ``before`` and ``after`` of the supported, ``others_before`` and ``others_after``, all
        weighted; ``crude``, change of the supported minus change of the others, unweighted; ``effect`` and its 95 %
        interval ``low, high``; the same in standard deviations of the outcome before, ``effect_sd, low_sd, high_sd``;
        ``e_value`` and ``e_value_limit`` (see :func:`e_value_of_difference`).
    balance : pandas.DataFrame
        See :func:`nbanalytics.support.outcome.balance`, with ``outcome``.
    settings : mapping
        ``before, after, kinds``.
    students : int
        Supported students.
    left_out : mapping
        Students not used, by reason: ``other_support`` (there before and going on, or begun too late), ``unknown``
        (an outcome is missing), by outcome.
    """

    table: pd.DataFrame
    balance: pd.DataFrame
    settings: Mapping[str, Any]
    students: int
    left_out: Mapping[str, int]

    def _words(self) -> str:
        span = f"{self.settings['before']} to {self.settings['after']}"
        return f"{self.students} students whose support began in {span}, beside students alike at the start"

    def reading(self, lang: str = "sv") -> str:
        """Describe the table and its limits in words.

        Parameters
        ----------
        lang : str
            ``"sv"`` or ``"en"``.

        Returns
        -------
        str
            A sentence for each outcome, one if the groups still differ, and the caveat.
        """
        words = Words(lang)
        sentences = [_sentence(row, words) for row in self.table.to_dict("records")]
        off = self.balance[self.balance["after"].abs() > BALANCED]
        if len(off):
            names = ", ".join(sorted(set(off["covariate"])))
            sentences.append(words.say("support.reading.unbalanced", names=names))
        return " ".join([*sentences, words.say("support.reading.care")])


def support_outcome(
    records: StudentRecords,
    before: str,
    after: str,
    kinds: Sequence[str] = (),
    min_students: int = 10,
) -> SupportOutcome:
    """Compare students whose support began after one term with similar others, in a later term.

    Parameters
    ----------
    records : StudentRecords
        With a support register, grades and absence.
    before, after : str
        Terms: what is known at the start is that of ``before`` and of earlier; outcomes are those of ``after``.
        Support counts if it begins after the last day of ``before`` and before the first day of ``after``.
    kinds : sequence of str
        Kinds of support; by default all at the selective and the indicated level.
    min_students : int
        With fewer on either side nothing is estimated.

    Returns
    -------
    SupportOutcome

    Raises
    ------
    DataError
        If the terms are not in order or no term lies between them, a kind is not there, or too few students are on
        either side.

    Notes
    -----
    Others are students without support at the selective or indicated level that begins after ``before`` or goes on
    then. What is known at the start: the outcomes themselves, required subjects lacking, passes, streck, sex, newly
    arrived, parents' education, school, cohort, support before. Overlap weights on the chance of support given these
    (Li, Morgan and Zaslavsky 2018, Journal of the American Statistical Association 113: 390-400) make the groups alike
    in their means, and the outcome is regressed on support and the same columns with those weights; the interval is
    that of the robust standard error. The estimate speaks of students for whom support was neither all but certain nor
    all but impossible. Regression to the mean is met by having the value before among what is known.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018, 2019]).records
    >>> found = support_outcome(records, "7VT", "8VT")
    >>> found.table["outcome"].tolist()
    ['absence', 'points']
    """
    frame, left_out = _groups(records, before, after, kinds)
    rows, balances, lost = [], [], dict(left_out)
    known_columns = [name for name in map(str, frame) if name.startswith("known ")]
    for outcome in OUTCOMES:
        used = frame.dropna(subset=[f"known {outcome}", f"after {outcome}"])
        lost[f"unknown, {outcome}"] = len(frame) - len(used)
        supported = used["supported"].to_numpy(dtype=bool)
        _refuse_few(supported, outcome, min_students)
        known = design(used[known_columns].rename(columns=lambda name: name.removeprefix("known ")))
        weight = overlap_weights(known.to_numpy(dtype=np.float64), supported)
        rows.append(_estimate(outcome, used, known.to_numpy(dtype=np.float64), supported, weight))
        balances.append(balance(known, supported, weight).assign(outcome=outcome))
    settings = {"before": before, "after": after, "kinds": tuple(kinds)}
    shown = pd.concat(balances, ignore_index=True)
    return SupportOutcome(pd.DataFrame(rows), shown, settings, int(frame["supported"].sum()), lost)


def _estimate(outcome: str, used: pd.DataFrame, x: Floats, supported: Bools, weight: Floats) -> dict[str, Any]:
    start = used[f"known {outcome}"].to_numpy(dtype=np.float64)
    end = used[f"after {outcome}"].to_numpy(dtype=np.float64)
    effect, error = effect_of_support(end, x, supported, weight)
    low, high = mean_interval(effect, error)
    sides = {"": supported, "others_": ~supported}
    means = {
        f"{side}{when}": float(np.average(values[who], weights=weight[who]))
        for side, who in sides.items()
        for when, values in (("before", start), ("after", end))
    }
    sd = float(start.std(ddof=1))
    change = end - start
    in_sd = (effect / sd, low / sd, high / sd)
    return {
        "outcome": outcome,
        "supported": int(supported.sum()),
        "others": int((~supported).sum()),
        "effective": effective(weight[supported]),
        "effective_others": effective(weight[~supported]),
        **means,
        "crude": float(change[supported].mean() - change[~supported].mean()),
        "effect": effect,
        "low": low,
        "high": high,
        **dict(zip(("effect_sd", "low_sd", "high_sd"), in_sd, strict=True)),
        **dict(zip(("e_value", "e_value_limit"), e_value_of_difference(*in_sd), strict=True)),
    }


def _groups(
    records: StudentRecords, before: str, after: str, kinds: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """One row per student: supported or not, covariates, and the outcomes after."""
    declared = records.declaration
    if not (before in declared.terms and after in declared.terms):
        raise DataError(f"{before} and {after} are not both terms. Choose among: {', '.join(declared.terms)}.")
    if declared.terms.index(before) >= declared.terms.index(after):
        raise DataError(f"{before} is not before {after}. Swap them.")
    if declared.terms.index(after) == declared.terms.index(before) + 1:
        raise DataError(
            f"{after} follows directly after {before}: no support can begin between them. Choose a later term."
        )
    records = records.to_pandas()
    register = chosen(open_register(records))
    strange = sorted(set(kinds) - set(register["kind"]))
    if strange:
        known = ", ".join(sorted(register["kind"].unique()))
        raise DataError(
            f"The register has no support of kind {', '.join(strange)} at a chosen level. Choose among: {known}."
        )
    source = Source(records)
    enrolled = source.enrolled
    here = enrolled[enrolled["term"] == before].merge(
        enrolled.loc[enrolled["term"] == after, ["student_id"]], on="student_id"
    )[["student_id", "cohort"]]
    begun = _begun(register, here, declared, before, after, kinds)
    span = declared.terms[declared.terms.index(before) + 1 : declared.terms.index(after) + 1]
    asked = here.merge(pd.DataFrame({"term": list(span)}), how="cross")
    only_chosen = replace(records, support=register)
    anything = set(active_support(only_chosen, asked)["student_id"])
    supported = here["student_id"].isin(begun)
    usable = supported | ~here["student_id"].isin(anything)
    table = _with_measures(source, here.assign(supported=supported)[usable], before, after)
    earlier = active_support(only_chosen, here.assign(term=before))["student_id"]
    table["known support before"] = table["student_id"].isin(set(earlier)).astype("float64")
    return table, {"other_support": int((~usable).sum())}


def _begun(
    register: pd.DataFrame, here: pd.DataFrame, declared: Any, before: str, after: str, kinds: Sequence[str]
) -> set[str]:
    """Students for whom support of the kinds began between the two terms."""
    wanted = register[register["kind"].isin(list(kinds))] if kinds else register
    cohorts = here["cohort"].unique()
    opens = {cohort: term_dates(declared, int(cohort), before)[1].isoformat() for cohort in cohorts}
    closes = {cohort: term_dates(declared, int(cohort), after)[0].isoformat() for cohort in cohorts}
    both = wanted.merge(here, on="student_id")
    inside = (both["start"] > both["cohort"].map(opens)) & (both["start"] < both["cohort"].map(closes))
    return set(both.loc[inside, "student_id"])


def _with_measures(source: Source, here: pd.DataFrame, before: str, after: str) -> pd.DataFrame:
    """Add the covariates of the term before, and the outcomes after."""
    table = here
    for name in (*OUTCOMES, *KNOWN_MEASURES):
        if getattr(source.records, MEASURES[name].table) is None:
            raise DataError(f"The outcome of support needs the table {MEASURES[name].table}. Add it to the records.")
        values = MEASURES[name].values(source)
        moments = [(before, "known")] + ([(after, "after")] if name in OUTCOMES else [])
        for term, when in moments:
            column = values.loc[values["term"] == term].set_index("student_id")["value"]
            table = table.assign(**{f"{when} {name}": table["student_id"].map(column)})
    students = source.records.students
    there = [name for name in KNOWN_COLUMNS if name in students]
    own = students[["student_id", *there]].rename(columns={name: f"known {name}" for name in there})
    own = own.assign(**{"known cohort": own["known cohort"].astype("str")})
    return table.merge(own, on="student_id", how="left")


def _refuse_few(supported: Bools, outcome: str, min_students: int) -> None:
    sides = (int(supported.sum()), int((~supported).sum()))
    if min(sides) < min_students:
        raise DataError(
            f"{sides[0]} supported students and {sides[1]} others have a known {outcome} in both terms; fewer than "
            f"{min_students} on a side are not compared. Use more cohorts, or combine kinds of support."
        )


def _sentence(row: Mapping[Any, Any], words: Words) -> str:
    key = "same" if row["low"] <= 0 <= row["high"] else "higher" if row["effect"] > 0 else "lower"
    size = row["effect"] if key == "same" else abs(row["effect"])
    return words.say(
        f"support.reading.{key}",
        outcome=words.label("support_outcome", row["outcome"]),
        unit=words.label("support_unit", row["outcome"]),
        effect=words.number(size, 2),
        low=words.number(row["low"], 2),
        high=words.number(row["high"], 2),
        effect_sd=words.number(row["effect_sd"], 2),
        e_value=words.number(row["e_value"], 1),
        e_value_limit=words.number(row["e_value_limit"], 1),
    )
