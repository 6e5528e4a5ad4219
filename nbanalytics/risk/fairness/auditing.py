"""Whom a model errs about: error rates, precision, calibration and AUC by group, with intervals, or a refusal."""

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
from nbanalytics.results import Shown
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
from nbanalytics.risk.evaluation.scores import (
    Draws,
    Floats,
    Statistic,
    draw,
    labels_of,
    percentile_interval,
    schools_to_draw,
    warn_weak,
)
from nbanalytics.risk.evaluation.validation import Validation

#: What a threshold adds for each group.
ERROR_RATES = ("flagged_share", "tpr", "fnr", "fpr", "ppv", "false_alarms_per_100")
#: Between the names of crossed attributes, and between their values.
CROSS = " × "
#: Attributes that predictions have themselves.
PREDICTED = ("school_id", "cohort", "fold")


def grouped_statistic(y: Floats, p: Floats, thresholds: Sequence[float], folds: Any) -> Statistic:
    """Make the function that computes scores' measures, and error rates named ``<threshold> <measure>``."""
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
    """Say in words why a group is too small for estimates, or ``ok``.

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
    """Give each prediction the attributes of its student, as text."""
    # Numbers as text, so that a table read from a file meets predictions made from another.
    table, part = (rows.assign(student_id=rows["student_id"].astype(str)) for rows in (table, part))
    joined = part.merge(table.drop_duplicates("student_id"), on="student_id", how="left", indicator=True)
    absent = int((joined["_merge"] == "left_only").sum())
    if absent:
        raise DataError(
            f"{absent} of {len(part)} predicted students are not in the table of students. Give the data that the "
            "validation was made from."
        )
    for name in [*PREDICTED, *table.columns.drop("student_id")]:
        joined[name] = labels_of(joined[name], len(joined), name)
    return joined


COLUMNS = (
    *("at", "model", "attribute", "group", "n", "cases", "threshold", "measure", "value", "low", "high"),
    *("difference", "difference_low", "difference_high", "status"),
)


@dataclass(frozen=True, repr=False)
class Audit(Shown):
    """How models treat groups of students.

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
        - ``difference, difference_low, difference_high``: the group minus all students, paired;
        - ``status``: ``ok``, or in words why the group is refused, in its single row.
    settings : mapping
        ``by, thresholds, min_students, min_cases, draws, random_state``.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]

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
    draws: int = 200,
    random_state: int = 0,
    level: float = 0.95,
) -> Audit:
    """Measure models by group on the predictions of a validation.

    Parameters
    ----------
    validation : Validation
        Predictions of students that the models had not learnt from.
    students : RiskData or dataframe
        ``student_id`` and the columns of ``by``; sensitive attributes are used here and nowhere else.
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
    draws, random_state, level
        Of the bootstrap, as for :func:`nbanalytics.risk.measures`.

    Returns
    -------
    Audit

    Raises
    ------
    DataError
        If an attribute, a model or a student is not there, or no model was fitted at any prediction point.

    Warns
    -----
    EstimationWarning
        If fewer than five schools are resampled, or a measure of a group has no value.

    Notes
    -----
    Whole schools are resampled; of a group inside one school students are, and the comparison is between these very
    schools. There, and where no resample varies, shares have Wilson's interval; AUC has DeLong's (Obuchowski's for
    schools). Error rates by group: Hardt, Price and Srebro (2016); with different base
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
            f"There is no {', '.join(absent)}. Columns of students: {', '.join(map(str, table.columns))}; "
            f"models: {', '.join(validation.models)}."
        )
    attributes = [(name,) for name in by] + (list(combinations(by, 2)) if crossed else [])
    rows: list[dict[str, Any]] = []
    fitted = set(zip(validation.table["at"], validation.table["model"], strict=True))
    plans = [(at, model) for at in validation.settings["at"] for model in models]
    plans = [plan for plan in plans if plan in fitted]
    if not plans:
        raise DataError(
            f"None of {', '.join(models)} was fitted at any prediction point. Choose among: "
            f"{', '.join(sorted({model for _, model in fitted}))}."
        )
    drawn = []
    for at, model in tqdm(plans, desc="auditing", unit="model", delay=2, leave=False, disable=None):
        part = validation.table.query("at == @at and model == @model").reset_index(drop=True)
        part = with_attributes(part, table[["student_id", *names]])
        schools = schools_to_draw(part["school_id"], len(part))
        one = _ModelAudit(part, schools, thresholds, (min_students, min_cases), draws, random_state, level)
        rows += [{"at": at, "model": model, **row} for row in one.rows(attributes)]
        drawn.append(one.by_school)
    settings = {
        "by": tuple(by),
        "thresholds": tuple(thresholds),
        "min_students": min_students,
        "min_cases": min_cases,
        "draws": draws,
        "random_state": random_state,
    }
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    warn_weak(min(drawn, key=lambda draws: draws.clusters), found.loc[found["status"] == "ok", "value"])
    return Audit(found, settings)


@dataclass(frozen=True)
class _ModelAudit:
    """The audit of one model at one prediction point."""

    part: pd.DataFrame
    schools: Any
    thresholds: Sequence[float]
    limits: tuple[int, int]
    draws: int
    random_state: int
    level: float

    @property
    def by_school(self) -> Draws:
        return draw(len(self.part), self.schools, self.draws, self.random_state)

    def rows(self, attributes: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
        by_school, by_student = self.by_school, draw(len(self.part), None, self.draws, self.random_state)
        everybody = np.arange(len(self.part))
        all_by_school, all_by_student = self._resample(everybody, by_school), self._resample(everybody, by_student)
        found = self._group({"attribute": "all", "group": "all"}, everybody, all_by_school, None, self.schools)
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
                nested = self.part["school_id"].iloc[inside].nunique() == 1
                drawn, every = (by_student, all_by_student) if nested else (by_school, all_by_school)
                resampled = self._resample(inside, drawn.of(inside))
                found += self._group(head, inside, resampled, every, None if nested else self.schools)
        return found

    def _compute(self, inside: Any) -> Statistic:
        part = self.part.iloc[inside]
        y, p = part["y"].to_numpy(dtype=float), part["p"].to_numpy(dtype=float)
        return grouped_statistic(y, p, self.thresholds, part["fold"].to_numpy(dtype=object))

    def _resample(self, inside: Any, drawn: Draws) -> tuple[dict[str, float], dict[str, Floats]]:
        compute = self._compute(inside)
        value = {name: float(found[0]) for name, found in compute(np.ones((1, len(inside)))).items()}
        return value, drawn.evaluate(compute)

    def _group(self, head: dict[str, Any], inside: Any, own: Any, every: Any, clusters: Any) -> list[dict[str, Any]]:
        values, resampled = own
        part = self.part.iloc[inside]
        y, p = part["y"].to_numpy(dtype=float), part["p"].to_numpy(dtype=float)
        rows = []
        for key, value in values.items():
            threshold, _, measure = key.rpartition(" ")
            counts = counts_once(y, flag_at(p, float(threshold))) if threshold else {}
            low, high = rate_interval(measure, resampled[key], counts, self.level)
            if measure == "auc":
                schools, folds = None if clusters is None else clusters[inside], part["fold"].to_numpy(dtype=object)
                _, low, high = delong_interval(y, p, schools, self.level, folds)
            elif measure in COUNTED and clusters is None:
                low, high = share_interval(counts, measure, self.level)
            row = {
                **head,
                "n": len(inside),
                "cases": int(y.sum()),
                "threshold": float(threshold) if threshold else np.nan,
                "measure": measure,
                "value": value,
                "low": low,
                "high": high,
                "status": "ok",
            }
            if every is not None:
                with np.errstate(invalid="ignore"):  # two infinite log losses have no difference
                    apart = resampled[key] - every[1][key]
                    row["difference"] = np.subtract(value, every[0][key])
                row["difference_low"], row["difference_high"] = percentile_interval(apart, self.level)
            rows.append(row)
        return rows
