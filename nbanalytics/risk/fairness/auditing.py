"""Error rates, precision, calibration and AUC by group, with intervals, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from nbanalytics.errors import DataError
from nbanalytics.frames import as_names, collect
from nbanalytics.results import Settings, Shown
from nbanalytics.risk.data.riskdata import RiskData
from nbanalytics.risk.evaluation.auc import delong_interval
from nbanalytics.risk.evaluation.capacity import (
    COUNTED,
    counted,
    counts_once,
    flag_at,
    rate_interval,
    rates,
    share_interval,
)
from nbanalytics.risk.evaluation.measuring import statistic
from nbanalytics.risk.evaluation.scores import labels_of, units_of_group, units_to_leave_out, warn_of_missing
from nbanalytics.risk.evaluation.validation import Validation
from nbanalytics.schools import THESE, Floats, Statistic, Units, adjusted_p_values, jackknife_test, units_of

#: What a threshold adds for each group.
ERROR_RATES = ("flagged_share", "tpr", "fnr", "fpr", "ppv", "false_alarms_per_100")
#: Between the names of crossed attributes, and between their values.
CROSS = " × "
#: Attributes that predictions have themselves.
PREDICTED = ("school_id", "cohort", "fold")


def grouped_statistic(y: Floats, p: Floats, thresholds: Sequence[float], folds: Any) -> Statistic:
    """Return the function that computes the scores' measures, and error rates named ``<threshold> <measure>``."""
    score = statistic(y, p, strata=folds)
    flags = {threshold: flag_at(p, threshold) for threshold in thresholds}

    def compute(weights: Floats) -> dict[str, Floats]:
        found = dict(score(weights))
        for threshold, flagged in flags.items():
            of_threshold = rates(counted(y, flagged, weights))
            found |= {f"{threshold} {name}": of_threshold[name] for name in ERROR_RATES}
        return found

    return compute


def refusal(y: Floats, min_students: int, min_cases: int) -> str:
    """Return why a group is too small for estimates, or ``ok``.

    Examples
    --------
    >>> import numpy as np
    >>> refusal(np.array([0.0, 0.0, 1.0]), 2, 2)
    'refused: 1 with the outcome, fewer than 2'
    """
    cases = int(y.sum())
    for number, limit, what in (
        (len(y), min_students, "students"),
        (cases, min_cases, "with the outcome"),
        (len(y) - cases, min_cases, "without the outcome"),
    ):
        if number < limit:
            return f"refused: {number} {what}, fewer than {limit}"
    return "ok"


def with_attributes(part: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add the attributes of its student to each prediction, as text."""
    # Numbers as text, so that a table read from a file meets predictions made from another.
    table, part = (rows.assign(student_id=rows["student_id"].astype(str)) for rows in (table, part))
    joined = part.merge(table.drop_duplicates("student_id"), on="student_id", how="left", indicator=True)
    absent = int((joined["_merge"] == "left_only").sum())
    if absent:
        raise DataError(
            f"{absent} of {len(part)} predicted students are not in the table of students",
            "Give the data that the validation was made from.",
        )
    for name in [*PREDICTED, *table.columns.drop("student_id")]:
        joined[name] = labels_of(joined[name], len(joined), name)
    return joined


COLUMNS = (
    *("at", "model", "attribute", "group", "n", "cases", "threshold", "measure", "value", "low", "high"),
    *("difference", "difference_low", "difference_high", "p_value", "adjusted_p", "estimand", "status"),
)


@dataclass(frozen=True, repr=False)
class Audit(Shown):
    """Errors of models by group of students.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per prediction point, model, group, threshold and measure:

        - ``at, model, attribute`` (``all``, a column, or columns crossed), ``group``;
        - ``n``: students; ``cases``: those with the outcome, missing for refused groups;
        - ``threshold``: missing for measures of the scores themselves;
        - ``measure``: ``auc, average_precision, brier, log_loss, calibration_slope, calibration_in_the_large``, and at
          each threshold ``flagged_share, tpr, fnr, fpr, ppv, false_alarms_per_100``;
        - ``value, low, high``;
        - ``difference, difference_low, difference_high``: the group minus all students, paired, with its ``p_value``;
        - ``adjusted_p``: the p-value adjusted for the number of tests in its family (Benjamini and Hochberg 1995): all
          differences of a model at a prediction point. Of those below .05 one in twenty is expected to be chance;
        - ``estimand``: ``schools_like_these``, or ``these_schools`` for groups in fewer than three schools;
        - ``status``: ``ok``, or why the group is refused, in its single row.
    settings : mapping
        ``by, thresholds, min_students, min_cases, family, estimand``.
    """

    table: pd.DataFrame
    settings: Settings

    @property
    def refused(self) -> pd.DataFrame:
        """The groups that were refused: ``at, model, attribute, group, n, status``."""
        rows = self.table[self.table["status"] != "ok"]
        return rows[["at", "model", "attribute", "group", "n", "status"]].reset_index(drop=True)

    def _words(self) -> str:
        groups = self.table[["at", "model", "attribute", "group"]].drop_duplicates()
        return (
            f"Audit of {self.table['model'].nunique()} models by {', '.join(self.settings['by'])}: "
            f"{len(groups)} groups, {len(self.refused)} refused as too small"
        )


def audit(
    validation: Validation,
    students: RiskData | pd.DataFrame,
    by: Sequence[str] = ("sex", "newly_arrived", "school_id"),
    crossed: bool = True,
    thresholds: Sequence[float] = (0.1, 0.2, 0.3),
    models: Sequence[str] | None = None,
    min_students: int = 30,
    min_cases: int = 5,
    estimand: str | None = None,
    level: float = 0.95,
) -> Audit:
    """Measure models by group on the predictions of a validation.

    Parameters
    ----------
    validation : Validation
        Predictions of students that the models had not learnt from.
    students : RiskData or dataframe
        ``student_id`` and the columns of ``by``; sensitive attributes are used here only.
    by : sequence of str
        Attributes; ``school_id``, ``cohort`` and ``fold`` are those of the validation.
    crossed : bool
        Whether to cross them two by two.
    thresholds : sequence of float
        Students with at least this probability count as flagged.
    models : sequence of str, optional
        Models to audit, all by default.
    min_students, min_cases : int
        A group with fewer students, or fewer with or without the outcome, is refused.
    estimand, level
        As for :func:`nbanalytics.risk.measures`.

    Returns
    -------
    Audit

    Raises
    ------
    DataError
        If an attribute, a model or a student is missing, or no model was fitted at any prediction point.

    Warns
    -----
    EstimationWarning
        If there are fewer than three schools, or a measure of a group has no value.

    Notes
    -----
    One school is left out at a time, with *t* of schools - 1 degrees of freedom. A group inside one or two schools is
    compared with all by leaving out parts of the students, and the comparison is between these very schools; there, and
    where no school changes it, a share has Wilson's interval, and the AUC DeLong's. Of dozens of differences some
    exclude 0 by chance: read ``adjusted_p``. Error rates by group: Hardt, Price and Srebro (2016); with different base
    rates, precision, false positives and misses cannot all be equal (Chouldechova 2017, Big Data 5: 153-163).

    Examples
    --------
    >>> rows = pd.DataFrame({"student_id": range(80), "cohort": 2021, "school_id": list("ABCDE") * 16, "model": "m",
    ...                      "fold": "2021", "y": [1, 0, 0, 0] * 20, "p": np.linspace(.1, .6, 80), "at": "6VT"})
    >>> found = Validation(rows, pd.DataFrame(), {"models": ("m",), "at": ("6VT",), "outcome": "lost"})
    >>> sex = pd.DataFrame({"student_id": range(80), "sex": ["girl"] * 40 + ["boy"] * 36 + [None] * 4})
    >>> table = audit(found, sex, by=["sex"], thresholds=[0.3]).table
    >>> table[table["measure"].isin(["fpr"]) | (table["status"] != "ok")][["group", "n", "cases", "value", "status"]]
          group   n  cases     value                                status
    9       all  80   20.0    0.6                                  ok
    21      boy  36    9.0    1.0                                  ok
    33     girl  40   10.0    0.2                                  ok
    36  missing   4    NaN    NaN  refused: 4 students, fewer than 30
    """
    by, models = as_names(by), as_names(models or validation.models)
    table = students.table if isinstance(students, RiskData) else collect(students)
    names = [name for name in by if name not in PREDICTED]
    absent = [name for name in ["student_id", *names] if name not in table or name in ("y", "p", "model", "at")]
    absent += [name for name in models if name not in validation.models]
    if absent:
        raise DataError(
            f"There is no {', '.join(absent)}",
            f"Columns of students: {', '.join(map(str, table.columns))}; models: {', '.join(validation.models)}.",
        )
    attributes = [(name,) for name in by] + (list(combinations(by, 2)) if crossed else [])
    rows: list[dict[str, Any]] = []
    fitted = set(zip(validation.table["at"], validation.table["model"], strict=True))
    plans = [(at, model) for at in validation.settings["at"] for model in models]
    plans = [plan for plan in plans if plan in fitted]
    if not plans:
        raise DataError(
            f"None of {', '.join(models)} was fitted at any prediction point",
            f"Choose among: {', '.join(sorted({model for _, model in fitted}))}.",
        )
    for at, model in tqdm(plans, desc="auditing", unit="model", delay=2, leave=False, disable=None):
        part = validation.table.query("at == @at and model == @model").reset_index(drop=True)
        part = with_attributes(part, table[["student_id", *names]])
        one = _ModelAudit(part, thresholds, (min_students, min_cases), estimand, level)
        of_model = one.rows(attributes)
        adjusted = adjusted_p_values([row.get("p_value", np.nan) for row in of_model])
        rows += [{"at": at, "model": model, **row, "adjusted_p": p} for row, p in zip(of_model, adjusted, strict=True)]
    settings = {
        "by": tuple(by),
        "thresholds": tuple(thresholds),
        "min_students": min_students,
        "min_cases": min_cases,
        "family": "all differences of a model at a prediction point",
        "estimand": estimand,
    }
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    warn_of_missing(found.loc[found["status"] == "ok", "value"])
    return Audit(found, settings)


@dataclass(frozen=True)
class _ModelAudit:
    """The audit of one model at one prediction point."""

    part: pd.DataFrame
    thresholds: Sequence[float]
    limits: tuple[int, int]
    estimand: str | None
    level: float

    def rows(self, attributes: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
        schools, whole = units_to_leave_out(self.part["school_id"], len(self.part), self.estimand)
        parts, everybody = units_of(schools, len(self.part), THESE), np.arange(len(self.part))
        every = {units.estimand: units.evaluate(self._compute(everybody)) for units in (whole, parts)}
        found = self._group({"attribute": "all", "group": "all"}, everybody, whole, every[whole.estimand], None)
        for names in attributes:
            labels = self.part[names[0]].to_numpy(dtype=object)
            for name in names[1:]:
                labels = labels + CROSS + self.part[name].to_numpy(dtype=object)
            groups = {label: np.flatnonzero(labels == label) for label in sorted(set(labels))}
            for label, inside in groups.items():
                head = {"attribute": CROSS.join(names), "group": label}
                y = self.part["y"].to_numpy(dtype=float)[inside]
                status = refusal(y, *self.limits)
                if status != "ok":
                    found.append({**head, "n": len(inside), "status": status})
                    continue
                units = units_of_group(whole, parts, inside)
                own = units.evaluate(self._compute(inside))
                found += self._group(head, inside, units, own, every[units.estimand])
        return found

    def _compute(self, inside: Any) -> Statistic:
        part = self.part.iloc[inside]
        y, p = part["y"].to_numpy(dtype=float), part["p"].to_numpy(dtype=float)
        return grouped_statistic(y, p, self.thresholds, part["fold"].to_numpy(dtype=object))

    def _group(
        self, head: dict[str, Any], inside: Any, units: Units, own: Mapping[str, Floats], every: Any
    ) -> list[dict[str, Any]]:
        part = self.part.iloc[inside]
        y, p = part["y"].to_numpy(dtype=float), part["p"].to_numpy(dtype=float)
        rows = []
        for key, values in own.items():
            threshold, _, measure = key.rpartition(" ")
            counts = counts_once(y, flag_at(p, float(threshold))) if threshold else {}
            low, high = rate_interval(measure, values, units, counts, self.level)
            if units.estimand == THESE and measure == "auc":
                _, low, high = delong_interval(y, p, self.level, part["fold"].to_numpy(dtype=object))
            elif units.estimand == THESE and measure in COUNTED:
                low, high = share_interval(counts, measure, self.level)
            row = {
                **head,
                "n": len(inside),
                "cases": int(y.sum()),
                "threshold": float(threshold) if threshold else np.nan,
                "measure": measure,
                "value": float(values[0]),
                "low": low,
                "high": high,
                "estimand": units.estimand,
                "status": "ok",
            }
            rows.append(row | (_difference(values, every[key], units, self.level) if every is not None else {}))
        return rows


def _difference(own: Floats, every: Floats, units: Units, level: float) -> dict[str, float]:
    """Return the group minus all students, with its interval and p-value."""
    with np.errstate(invalid="ignore"):  # two infinite log losses have no difference
        apart = own - every
    low, high = units.interval(apart, level=level)
    return {
        "difference": float(apart[0]),
        "difference_low": low,
        "difference_high": high,
        "p_value": jackknife_test(apart, units.present)[1],
    }
