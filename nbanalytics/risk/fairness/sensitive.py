"""Models with and without sensitive attributes, compared on the same students."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import as_names
from nbanalytics.results import Settings, Shown
from nbanalytics.risk.data.riskdata import RiskData
from nbanalytics.risk.evaluation.auc import auc_difference, delong
from nbanalytics.risk.evaluation.scores import units_of_group, units_to_leave_out
from nbanalytics.risk.evaluation.validation import validate
from nbanalytics.risk.fairness.auditing import grouped_statistic, refusal, with_attributes
from nbanalytics.schools import THESE, Units, units_of

COLUMNS = (
    *("at", "model", "attribute", "group", "n", "threshold", "measure", "without", "with"),
    *("difference", "low", "high", "estimand", "status"),
)


@dataclass(frozen=True, repr=False)
class SensitiveComparison(Shown):
    """Models fitted with and without sensitive attributes.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per prediction point, model, group, threshold and measure: ``at, model, attribute, group, n, threshold,
        measure``; ``without`` and ``with`` the attributes; ``difference, low, high``: with minus without, paired;
        ``estimand``; ``status``: ``ok``, or why a group is refused. Groups and measures are those of
        :func:`nbanalytics.risk.audit`, not crossed.
    settings : mapping
        ``attributes, scheme, thresholds, min_students, min_cases, estimand``.
    """

    table: pd.DataFrame
    settings: Settings

    def _words(self) -> str:
        return f"Models with {', '.join(self.settings['attributes'])} as features against the same models without"


def with_and_without(
    data: RiskData,
    build: Callable[[RiskData], Mapping[str, Any]],
    attributes: Sequence[str] | None = None,
    scheme: str = "cohorts",
    thresholds: Sequence[float] = (0.1, 0.2, 0.3),
    min_students: int = 30,
    min_cases: int = 5,
    estimand: str | None = None,
    level: float = 0.95,
) -> SensitiveComparison:
    """Fit models with and without sensitive attributes and compare them for all students and by group.

    Parameters
    ----------
    data : RiskData
    build : callable
        Returns models by name for data, so that they can use the features that are added.
    attributes : sequence of str, optional
        Sensitive columns of the data; all of them by default.
    scheme : str
        Of :func:`nbanalytics.risk.validate`.
    thresholds, min_students, min_cases, estimand, level
        As for :func:`nbanalytics.risk.audit`.

    Returns
    -------
    SensitiveComparison

    Raises
    ------
    DataError
        As :func:`nbanalytics.risk.validate`, or if there is no such attribute.

    Notes
    -----
    Leaving an attribute out does not make a model blind to it: other features can stand for it. Both differences
    matter: in discrimination, and in error rates by group (Kleinberg et al. 2018, AEA Papers and Proceedings 108:
    22-27).

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from nbanalytics.risk import Design, Logit
    >>> rng = np.random.default_rng(1)
    >>> table = pd.DataFrame({"student_id": range(240), "cohort": [2018] * 120 + [2021] * 120,
    ...                       "school_id": list("ABCDEF") * 40, "sex": ["girl", "boy", "boy"] * 80,
    ...                       "points": rng.normal(13, 2, 240)})
    >>> table["y"] = (rng.random(240) < 1 / (1 + np.exp(table["points"] - 12))).astype(int)
    >>> data = RiskData(table, ("points",), "6VT", "not_eligible", "9VT", ("sex",), {"points": "6VT"}, gap_years=3)
    >>> found = with_and_without(data, lambda data: {"logit": make_pipeline(Design(), Logit())}).table
    >>> found.loc[found["measure"] == "auc", ["attribute", "group", "n"]].to_numpy().tolist()
    [['all', 'all', 120], ['sex', 'boy', 80], ['sex', 'girl', 40]]
    """
    names = as_names(attributes) if attributes is not None else data.sensitive
    if not names:
        raise DataError(
            "The data have no sensitive column to compare with and without", "Name attributes of the students."
        )
    more = data.with_sensitive(names)
    without, including = validate(data, build(data), scheme), validate(more, build(more), scheme)
    rows: list[dict[str, Any]] = []
    for model in without.models:
        part = without.table[without.table["model"] == model].reset_index(drop=True)
        twin = including.table[including.table["model"] == model].reset_index(drop=True)
        part = with_attributes(part.assign(p_with=twin["p"]), data.table[["student_id", *names]])
        schools, whole = units_to_leave_out(part["school_id"], len(part), estimand)
        parts = units_of(schools, len(part), THESE)
        groups = [("all", "all", np.arange(len(part)))]
        groups += [
            (name, label, np.flatnonzero(part[name] == label)) for name in names for label in sorted(set(part[name]))
        ]
        for attribute, group, inside in groups:
            head = {"at": data.at, "model": model, "attribute": attribute, "group": group, "n": len(inside)}
            status = refusal(part["y"].to_numpy(dtype=float)[inside], min_students, min_cases)
            if status != "ok":
                rows.append({**head, "status": status})
                continue
            units = units_of_group(whole, parts, inside)
            found = _differences(part, units, inside, thresholds, level)
            rows += [{**head, **row, "estimand": units.estimand, "status": "ok"} for row in found]
    settings = {
        "attributes": names,
        "scheme": scheme,
        "thresholds": tuple(thresholds),
        "min_students": min_students,
        "min_cases": min_cases,
        "estimand": estimand,
    }
    return SensitiveComparison(pd.DataFrame(rows, columns=list(COLUMNS)), settings)


def _differences(
    part: pd.DataFrame, units: Units, inside: Any, thresholds: Sequence[float], level: float
) -> list[dict[str, Any]]:
    """Measure both fits on the same students, with the same schools, or students, left out in turn."""
    y, folds = part["y"].to_numpy(dtype=float)[inside], part["fold"].to_numpy(dtype=object)[inside]
    both = [part[name].to_numpy(dtype=float)[inside] for name in ("p", "p_with")]
    without, including = (units.evaluate(grouped_statistic(y, p, thresholds, folds)) for p in both)
    rows = []
    for key in without:
        threshold, _, measure = key.rpartition(" ")
        apart = including[key] - without[key]
        low, high = units.interval(apart, level=level)
        if measure == "auc" and units.estimand == THESE:
            _, low, high, _ = auc_difference(*delong(y, np.array(both), folds), 1, 0, level)
        rows.append(
            {
                "threshold": float(threshold) if threshold else np.nan,
                "measure": measure,
                "without": float(without[key][0]),
                "with": float(including[key][0]),
                "difference": float(apart[0]),
                "low": low,
                "high": high,
            }
        )
    return rows
