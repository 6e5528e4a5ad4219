"""Outcomes after support: absence and grades before and after, compared with students who were similar at the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, nan, sqrt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.indicators.measures import MEASURES, Source, active_support
from nbanalytics.errors import DataError
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.schools import THESE, estimand_of, jackknife_test, units_of
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


def chance_of_support(known: Floats, supported: Bools, start: Floats | None = None) -> tuple[Floats, Floats]:
    """Logistic regression by iteratively reweighted least squares.

    Parameters
    ----------
    known : array, students x columns
        Without a constant.
    supported : bool array
    start : array, optional
        Coefficients to start from.

    Returns
    -------
    tuple of array
        Each student's propensity score, the probability of support given the covariates; and the coefficients.
    """
    x = np.column_stack([np.ones(len(known)), _scaled(known)])
    ridge = np.full(x.shape[1], _RIDGE)
    ridge[0] = 0.0
    beta = np.zeros(x.shape[1]) if start is None else start.copy()
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        weight = np.maximum(p * (1 - p), 1e-9)
        step = np.linalg.solve(x.T @ (weight[:, None] * x) + np.diag(ridge), x.T @ (supported - p) - ridge * beta)
        beta += step
        if np.abs(step).max() < 1e-6:
            break
    return np.asarray(1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))), beta


def _scaled(known: Floats) -> Floats:
    spread = known.std(axis=0)
    return np.asarray((known - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def overlap_weights(chance: Floats, supported: Bools) -> Floats:
    """Overlap weights that balance the covariates.

    A supported student's weight is the probability of no support, another's the probability of support; each group
    sums to 1. Students who were almost certain to get support, or not to, have little weight: they have no
    counterparts. After a logistic regression these weights balance the means of its columns exactly (Li,
    Morgan and Zaslavsky 2018).
    """
    weight = np.where(supported, 1 - chance, chance)
    for side in (supported, ~supported):
        weight[side] /= weight[side].sum()
    return weight


def effect_of_support(outcome: Floats, known: Floats, supported: Bools, weight: Floats) -> float:
    """Weighted difference of the outcome between the groups, by weighted least squares on support and covariates.

    It is doubly robust: consistent if either the weights or the regression are correct.
    """
    x = np.column_stack([np.ones(len(known)), supported, _scaled(known)])
    return float((np.linalg.pinv(x.T @ (weight[:, None] * x)) @ (x.T @ (weight * outcome)))[1])


def whole_procedure(outcome: Floats, known: Floats, supported: Bools) -> Callable[[Floats], dict[str, Floats]]:
    """Return weighting and regression as one statistic, so that leaving students out repeats both."""
    _, start = chance_of_support(known, supported)

    def effect(kept: Bools) -> float:
        x, side = known[kept], supported[kept]
        if side.all() or not side.any():
            return nan
        chance, _ = chance_of_support(x, side, start)
        return effect_of_support(outcome[kept], x, side, overlap_weights(chance, side))

    return lambda rows: {"effect": np.array([effect(row > 0) for row in rows])}


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


def robustness_value(t: float, freedom: int, critical: float = 0.0) -> float:
    """Robustness value of a regression estimate against an omitted variable.

    Parameters
    ----------
    t : float
        The estimate by its standard error.
    freedom : int
        Residual degrees of freedom.
    critical : float
        0 to explain the whole estimate away; a quantile of *t* (one degree less) to make its interval hold 0.

    Returns
    -------
    float
        The share of the remaining variation of support, and of the outcome, that something unrecorded would have to
        explain (partial R², 0 to 1); 0 if the interval holds 0 already.

    Notes
    -----
    Cinelli, C. and Hazlett, C. (2020), Journal of the Royal Statistical Society B 82: 39-67, equation 18.

    Examples
    --------
    The paper's example, exposure to violence in Darfur:

    >>> [round(robustness_value(4.18445, 783, critical), 3) for critical in (0.0, 1.963)]
    [0.139, 0.076]
    """
    f = max(abs(t) / sqrt(freedom) - critical / sqrt(freedom - 1), 0.0)
    return (sqrt(f**4 + 4 * f * f) - f * f) / 2


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
#: So many terms of the outcomes are covariates: their level, and through them their trend.
HISTORY = 3
#: A larger standardised difference is imbalance (Austin 2009).
BALANCED = 0.1
#: The verdict if the groups differed before support.
UNTOLD = "cannot_be_told"


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
        ``e_value`` and ``e_value_limit`` (see :func:`e_value_of_difference`); ``robustness`` and ``robustness_limit``
        (see :func:`robustness_value`); and the ``verdict``: ``higher``, ``lower``, ``no_difference``, or
        ``cannot_be_told`` if the negative control of any outcome is not null.
    events : pandas.DataFrame
        The event study: ``outcome, term, role``; ``effect``, ``low, high``; ``effect_sd, low_sd, high_sd``;
        ``supported, others``. Roles: ``lead``, a term in which support could not yet do anything, compared with what
        was known before that term; ``control``, the last of them, the term before support; ``after``. Leads and
        control have the intervals of *these schools*.
    balance : pandas.DataFrame
        See :func:`nbanalytics.support.outcome.balance`, with ``outcome``.
    settings : mapping
        ``before, after, kinds, estimand``.
    students : int
        Supported students.
    left_out : mapping
        Students not used, by reason: ``other_support`` (there before and going on, or begun too late), ``unknown``
        (an outcome is missing), by outcome.
    """

    table: pd.DataFrame
    events: pd.DataFrame
    balance: pd.DataFrame
    settings: Mapping[str, Any]
    students: int
    left_out: Mapping[str, int]

    def _words(self) -> str:
        span = f"{self.settings['before']} to {self.settings['after']}"
        words = f"{self.students} students whose support began in {span}, beside students alike at the start"
        if (self.table["verdict"] != UNTOLD).all():
            return words
        return f"{words}\nNo answer is possible: {self._why()}"

    def _why(self) -> str:
        failed = _failed(self.events)
        if failed.empty:
            return "no earlier terms are known, so no negative control was possible"
        named = [f"{row.outcome} {row.effect:+.2g} ({row.low:.2g} to {row.high:.2g})" for row in failed.itertuples()]
        return f"the groups differed already in {self.settings['before']}, before support: {', '.join(named)}"

    def reading(self, lang: str = "sv") -> str:
        """Describe the table and its limits in words.

        Parameters
        ----------
        lang : str
            ``"sv"`` or ``"en"``.

        Returns
        -------
        str
            A sentence for each outcome, or why there is none; one if the groups still differ, and the caveat.
        """
        words = Words(lang)
        if (self.table["verdict"] == UNTOLD).any():
            failed = _failed(self.events)
            key = "untold" if len(failed) else "no_control"
            sentences = [words.say(f"support.reading.{key}", term=words.label("term", self.settings["before"]))]
            sentences += [_sentence(row, words, "control") for row in failed.to_dict("records")]
        else:
            sentences = [_sentence(row, words, row["verdict"]) for row in self.table.to_dict("records")]
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
    *,
    estimand: str | None = None,
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
    estimand : str, optional
        ``"schools_like_these"`` (the default from three schools on) or ``"these_schools"``; see
        :func:`nbanalytics.schools.estimand_of`.

    Returns
    -------
    SupportOutcome

    Raises
    ------
    DataError
        If the terms are not in order or no term lies between them, a kind is not there, too few students are on
        either side, or schools like these are asked about with fewer than three.

    Notes
    -----
    Others are students without support at the selective or indicated level that begins after ``before`` or goes on
    then. What is known at the start: the outcomes of three terms, so that their level and their trend count; required
    subjects lacking, passes, streck, sex, newly arrived, parents' education, school, cohort, support before. Overlap
    weights on the chance of support given these (Li, Morgan and Zaslavsky 2018, Journal of the American Statistical
    Association 113: 390-400) make the groups alike in their means, and the outcome is regressed on support and the same
    columns with those weights. The estimate speaks of students for whom support was neither all but certain nor all but
    impossible. The interval leaves out schools, or parts of the students, one at a time and repeats the whole
    procedure, weights included.

    Negative control: the term ``before`` is compared in the same way, by what was known until then. Support could not
    do anything yet, so that a difference shows that these students were chosen while something changed; then what
    followed has no answer (Lipsitch, Tchetgen Tchetgen and Cohen 2010, Epidemiology 21: 383-388; Ashenfelter 1978).
    This is strict: it refuses also where that term was the reason for support and nothing else was.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018, 2019]).records
    >>> found = support_outcome(records, "7VT", "8VT", estimand="these_schools")
    >>> found.table[["outcome", "verdict"]].to_numpy().tolist()
    [['absence', 'cannot_be_told'], ['points', 'cannot_be_told']]
    """
    source, here, left_out = _groups(records, before, after, kinds)
    schools = source.records.students.get("school_id")
    kind = estimand_of(schools, estimand)
    terms = records.declaration.terms
    start, end = terms.index(before), terms.index(after)
    # Each term is compared by what was known before it, and before support.
    pairs = [(place, min(place - 1, start)) for place in range(max(start - 1, 1), end + 1)]
    rows, events, balances, lost = [], [], [], dict(left_out)
    known = {at: _with_known(source, here, terms, at) for at in sorted({at for _, at in pairs})}
    for outcome in OUTCOMES:
        for place, at in pairs:
            then = _values(source, outcome, terms[place], here)
            compared = _Comparison.of(known[at].assign(start=known[at][f"known {outcome}"], end=then))
            role = "after" if place > start else "control" if place == start else "lead"
            if place == end:
                lost[f"unknown, {outcome}"] = len(here) - len(compared.supported)
                _refuse_few(compared.supported, outcome, min_students)
                balances.append(
                    balance(compared.covariates, compared.supported, compared.weight).assign(outcome=outcome)
                )
            elif compared.smallest < min_students:
                continue
            found = compared.estimate(kind if role == "after" else THESE)
            events.append({"outcome": outcome, "term": terms[place], "role": role, **found})
        rows.append({"outcome": outcome, **compared.means(), **found, **compared.robustness(found)})
    study = pd.DataFrame(events)
    controls = study[study["role"] == "control"]
    untold = len(controls) < len(OUTCOMES) or len(_failed(study)) > 0
    table = pd.DataFrame(rows).drop(columns=["t"])
    table["verdict"] = UNTOLD if untold else [_verdict(row) for row in rows]
    settings = {"before": before, "after": after, "kinds": tuple(kinds), "estimand": kind}
    shown = pd.concat(balances, ignore_index=True)
    return SupportOutcome(table, study.drop(columns=["t"]), shown, settings, int(here["supported"].sum()), lost)


def _failed(events: pd.DataFrame) -> pd.DataFrame:
    """Return the negative controls that are not null."""
    return events[(events["role"] == "control") & ((events["low"] > 0) | (events["high"] < 0))]


def _verdict(row: Mapping[str, Any]) -> str:
    return "higher" if row["low"] > 0 else "lower" if row["high"] < 0 else "no_difference"


@dataclass(frozen=True)
class _Comparison:
    """Students with the outcome known at the start and then, with their covariates and weights."""

    covariates: pd.DataFrame
    supported: Bools
    weight: Floats
    start: Floats
    end: Floats
    schools: Any

    @classmethod
    def of(cls, frame: pd.DataFrame) -> _Comparison:
        used = frame.dropna(subset=["start", "end"])
        supported = used["supported"].to_numpy(dtype=bool)
        columns = [name for name in map(str, used) if name.startswith("known ")]
        covariates = design(used[columns].rename(columns=lambda name: name.removeprefix("known ")))
        x = covariates.to_numpy(dtype=np.float64)
        both = supported.any() and not supported.all()
        weight = overlap_weights(chance_of_support(x, supported)[0], supported) if both else np.ones(len(used))
        start, end = (used[name].to_numpy(dtype=np.float64) for name in ("start", "end"))
        schools = used["known school_id"].fillna("").to_numpy() if "known school_id" in used else None
        return cls(covariates, supported, weight, start, end, schools)

    @property
    def smallest(self) -> int:
        """Students on the smaller side."""
        return min(int(self.supported.sum()), int((~self.supported).sum()))

    def estimate(self, estimand: str) -> dict[str, Any]:
        """Estimate the effect with its interval, also in standard deviations."""
        x = self.covariates.to_numpy(dtype=np.float64)
        units = units_of(self.schools, len(x), estimand)
        values = units.evaluate(whole_procedure(self.end, x, self.supported))["effect"]
        low, high = units.interval(values)
        sd = float(self.start.std(ddof=1))
        effect = float(values[0])
        in_sd = {"effect_sd": effect / sd, "low_sd": low / sd, "high_sd": high / sd}
        sides = {"supported": int(self.supported.sum()), "others": int((~self.supported).sum())}
        t, _ = jackknife_test(values, units.present)
        return {"effect": effect, "low": low, "high": high, **in_sd, **sides, "t": t}

    def balance(self) -> pd.DataFrame:
        """See the function of this name."""
        return balance(self.covariates, self.supported, self.weight)

    def means(self) -> dict[str, float]:
        """Weighted means of both groups at both times, effective sample sizes, and the crude change."""
        sides = {"": self.supported, "others_": ~self.supported}
        change = self.end - self.start
        return {
            "effective": effective(self.weight[self.supported]),
            "effective_others": effective(self.weight[~self.supported]),
            **{
                f"{side}{when}": float(np.average(values[who], weights=self.weight[who]))
                for side, who in sides.items()
                for when, values in (("before", self.start), ("after", self.end))
            },
            "crude": float(change[self.supported].mean() - change[~self.supported].mean()),
        }

    def robustness(self, found: Mapping[str, float]) -> dict[str, float]:
        """What something unrecorded would have to explain: E-values and robustness values."""
        from scipy.special import stdtrit

        bounds = e_value_of_difference(found["effect_sd"], found["low_sd"], found["high_sd"])
        freedom = len(self.start) - self.covariates.shape[1] - 2
        critical = (0.0, float(stdtrit(freedom - 1, 0.975)))
        values = (robustness_value(found["t"], freedom, value) for value in critical)
        names = ("e_value", "e_value_limit", "robustness", "robustness_limit")
        return dict(zip(names, (*bounds, *values), strict=True))


def _groups(
    records: StudentRecords, before: str, after: str, kinds: Sequence[str]
) -> tuple[Source, pd.DataFrame, dict[str, int]]:
    """The students compared, one row each: supported or not, and support before."""
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
    source = Source(replace(records, support=register))
    for name in (*OUTCOMES, *KNOWN_MEASURES):
        if getattr(records, MEASURES[name].table) is None:
            raise DataError(f"The outcome of support needs the table {MEASURES[name].table}. Add it to the records.")
    enrolled = source.enrolled
    here = enrolled[enrolled["term"] == before].merge(
        enrolled.loc[enrolled["term"] == after, ["student_id"]], on="student_id"
    )[["student_id", "cohort"]]
    begun = _begun(register, here, declared, before, after, kinds)
    span = declared.terms[declared.terms.index(before) + 1 : declared.terms.index(after) + 1]
    asked = here.merge(pd.DataFrame({"term": list(span)}), how="cross")
    anything = set(active_support(source.records, asked)["student_id"])
    supported = here["student_id"].isin(begun)
    usable = supported | ~here["student_id"].isin(anything)
    return source, here.assign(supported=supported)[usable], {"other_support": int((~usable).sum())}


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


def _values(source: Source, measure: str, term: str, here: pd.DataFrame) -> pd.Series:
    values = MEASURES[measure].values(source)
    return here["student_id"].map(values.loc[values["term"] == term].set_index("student_id")["value"])


def _with_known(source: Source, here: pd.DataFrame, terms: Sequence[str], at: int) -> pd.DataFrame:
    """Add what is known at the end of a term."""
    columns = {f"known {name}": _values(source, name, terms[at], here) for name in (*OUTCOMES, *KNOWN_MEASURES)}
    for earlier in range(max(at - HISTORY + 1, 0), at):
        columns |= {f"known {name} {terms[earlier]}": _values(source, name, terms[earlier], here) for name in OUTCOMES}
    active = set(active_support(source.records, here.assign(term=terms[at]))["student_id"])
    columns["known support before"] = here["student_id"].isin(active).astype("float64")
    students = source.records.students
    there = [name for name in KNOWN_COLUMNS if name in students and name != "cohort"]
    own = students[["student_id", *there]].rename(columns={name: f"known {name}" for name in there})
    known = here.assign(**columns, **{"known cohort": here["cohort"].astype("str")})
    return known.merge(own, on="student_id", how="left").set_index(here.index)


def _refuse_few(supported: Bools, outcome: str, min_students: int) -> None:
    sides = (int(supported.sum()), int((~supported).sum()))
    if min(sides) < min_students:
        raise DataError(
            f"{sides[0]} supported students and {sides[1]} others have a known {outcome} in both terms; fewer than "
            f"{min_students} on a side are not compared. Use more cohorts, or combine kinds of support."
        )


def _sentence(row: Mapping[Any, Any], words: Words, key: str) -> str:
    size = abs(row["effect"]) if key in ("higher", "lower") else row["effect"]
    robust = {name: words.percent(row[name]) for name in ("robustness", "robustness_limit") if name in row}
    return words.say(
        f"support.reading.{key}",
        outcome=words.label("support_outcome", row["outcome"]),
        unit=words.label("support_unit", row["outcome"]),
        effect=words.number(size, 2),
        low=words.number(row["low"], 2),
        high=words.number(row["high"], 2),
        effect_sd=words.number(row["effect_sd"], 2),
        **robust,
    )
