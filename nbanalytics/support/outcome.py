"""What followed upon support: absence and grades before and after, beside students who were alike at the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.analysis.indicators.measures import MEASURES, Source, active_support
from nbanalytics.errors import DataError
from nbanalytics.intervals import mean_interval
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.support.comparison import (
    Bools,
    Floats,
    balance,
    design,
    effect_of_support,
    effective,
    overlap_weights,
)
from nbanalytics.support.register import chosen, open_register
from nbanalytics.support.sensitivity import e_value_of_difference
from nbanalytics.terms import term_dates
from nbanalytics.text import label, number, say

#: Outcomes: names of measures, see nbanalytics.analysis.indicators.measures.
OUTCOMES = ("absence", "points")
#: What is known at the start besides the outcomes themselves.
KNOWN_MEASURES = ("core_missing", "passes", "streck")
KNOWN_COLUMNS = ("sex", "newly_arrived", "parents_education", "school_id", "cohort")
#: A larger standardised difference than this is no balance (Austin 2009).
BALANCED = 0.1


@dataclass(frozen=True, repr=False)
class SupportOutcome(Shown):
    """Supported students and a comparison group made like them, before and after.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each ``outcome`` (``absence``, per cent of the term; ``points``, mean grade points): ``supported``
        and ``others``, students with the outcome known in both terms; ``effective`` and ``effective_others``, how many
        the weights leave (Kish); ``before`` and ``after`` of the supported, ``others_before`` and ``others_after``,
        all weighted; ``crude``, change of the supported minus change of the others, unweighted; ``effect`` and its
        95 % interval ``low, high``; the same in standard deviations of the outcome before, ``effect_sd, low_sd,
        high_sd``; ``e_value`` and ``e_value_limit`` (see :func:`e_value_of_difference`).
    balance : pandas.DataFrame
        See :func:`nbanalytics.support.comparison.balance`, with ``outcome``.
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
        """Say what the table shows, and what it does not.

        Parameters
        ----------
        lang : str
            ``"sv"`` or ``"en"``.

        Returns
        -------
        str
            A sentence for each outcome, one if the groups still differ, and the reservation.
        """
        sentences = [_sentence(row, lang) for row in self.table.to_dict("records")]
        off = self.balance[self.balance["after"].abs() > BALANCED]
        if len(off):
            names = ", ".join(sorted(set(off["covariate"])))
            sentences.append(say("support.reading.unbalanced", lang, names=names))
        return " ".join([*sentences, say("support.reading.care", lang)])


def support_outcome(
    records: StudentRecords,
    before: str,
    after: str,
    kinds: Sequence[str] = (),
    min_students: int = 10,
) -> SupportOutcome:
    """Compare students whose support began after one term with others like them, in a later term.

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
    """One row per student: supported or not, what was known, and the outcomes after."""
    declared = records.declaration
    if not (before in declared.terms and after in declared.terms):
        raise DataError(f"{before} and {after} are not both terms. Choose among: {', '.join(declared.terms)}.")
    if declared.terms.index(before) >= declared.terms.index(after):
        raise DataError(f"{before} is not before {after}. Turn them around.")
    if declared.terms.index(after) == declared.terms.index(before) + 1:
        raise DataError(
            f"{after} follows upon {before}: no support can begin after the one and before the other. Choose a later "
            "term."
        )
    records = records.to_pandas()
    register = chosen(open_register(records))
    strange = sorted(set(kinds) - set(register["kind"]))
    if strange:
        known = ", ".join(sorted(register["kind"].unique()))
        raise DataError(f"There is no support of kind {', '.join(strange)} at a chosen level. Choose among: {known}.")
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
    """Add what was known in the term before, and the outcomes after."""
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
            f"{min_students} on a side are not compared. Take more cohorts, or more kinds of support together."
        )


def _sentence(row: Mapping[Any, Any], lang: str) -> str:
    key = "same" if row["low"] <= 0 <= row["high"] else "higher" if row["effect"] > 0 else "lower"
    size = row["effect"] if key == "same" else abs(row["effect"])
    return say(
        f"support.reading.{key}",
        lang,
        outcome=label("support_outcome", row["outcome"], lang),
        unit=label("support_unit", row["outcome"], lang),
        effect=number(size, lang, 2),
        low=number(row["low"], lang, 2),
        high=number(row["high"], lang, 2),
        effect_sd=number(row["effect_sd"], lang, 2),
        e_value=number(row["e_value"], lang, 1),
        e_value_limit=number(row["e_value_limit"], lang, 1),
    )
