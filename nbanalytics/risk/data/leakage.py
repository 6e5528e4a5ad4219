"""Two checks against leakage: the term in which a feature was known, and a feature that knows too much."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
import pandas as pd

from nbanalytics.declaration import Declaration
from nbanalytics.errors import LeakageError
from nbanalytics.risk.data.asof import refuse_future
from nbanalytics.risk.data.riskdata import RiskData
from nbanalytics.risk.evaluation.auc import tied, weighted_auc
from nbanalytics.risk.evaluation.scores import numbers_of

#: A single feature that ranks this well is suspicious: the best published model reaches .965 at three months.
SUSPICIOUS_AUC = 0.98
#: With fewer cases a high AUC is common.
_MIN_CASES = 10


def refuse_leakage(data: RiskData, terms: Sequence[str] | None = None, suspicious_auc: float = SUSPICIOUS_AUC) -> None:
    """Refuse features that were known after the prediction point, or that reveal the outcome by themselves.

    Parameters
    ----------
    data : RiskData
    terms : sequence of str, optional
        All terms in order; by default those of the records that the data were made from.
    suspicious_auc : float
        A single feature with this AUC or more (of its negative where low values go with the outcome) is refused; a
        value above 1 refuses none.

    Raises
    ------
    LeakageError
        If a feature was known later than the prediction point, has no known term, or ranks too well.
    DataError
        If a term is not among ``terms``.

    Examples
    --------
    >>> table = pd.DataFrame({"student_id": list("abcd"), "cohort": 2018, "school_id": "S", "y": [1, 0, 1, 0],
    ...                       "points": [9.0, 14.0, 11.0, 10.0]})
    >>> refuse_leakage(RiskData(table, ("points",), "6VT", "not_eligible", "9VT", known={"points": "7HT"}))
    Traceback (most recent call last):
        ...
    nbanalytics.errors.LeakageError: The feature 'points' was known in 7HT, after the prediction point 6VT. Leave it
    out, or predict from 7HT or later.
    """
    undated = [name for name in data.features if name not in data.known]
    if undated:
        raise LeakageError(
            f"{len(undated)} features have no term in which they were known: {', '.join(undated[:5])}",
            "Give it in RiskData(known={feature: term}).",
        )
    order = tuple(terms or data.settings.get("terms") or Declaration().terms)
    for name in data.features:
        refuse_future(name, data.known[name], data.at, order)
    found = feature_aucs(data)
    found = found[(found["auc"] >= suspicious_auc) & (found["cases"] >= _MIN_CASES)]
    if len(found):
        first = found.iloc[0]
        raise LeakageError(
            f"{len(found)} features rank the outcome with an AUC of {suspicious_auc:g} or more by themselves, first "
            f"{first['feature']} with {first['auc']:.3f}: they are likely to know it",
            f"Check when they were known; if {data.at} is right, raise suspicious_auc.",
        )


def feature_aucs(data: RiskData) -> pd.DataFrame:
    """Rank the outcome by each feature alone.

    Parameters
    ----------
    data : RiskData

    Returns
    -------
    pandas.DataFrame
        One row per feature, the best first: ``feature, known, auc`` (of the feature or its negative, whichever ranks
        better), ``direction`` (1 or -1), ``students, cases`` that have a value.

    Examples
    --------
    >>> table = pd.DataFrame({"student_id": list("abcd"), "cohort": 2018, "school_id": "S", "y": [1, 0, 1, 0],
    ...                       "points": [9.0, 14.0, 11.0, 10.0]})
    >>> data = RiskData(table, ("points",), "6VT", "not_eligible", "9VT", known={"points": "6VT"})
    >>> feature_aucs(data)
      feature known   auc  direction  students  cases
    0  points   6VT  0.75         -1         4      2
    """
    rows = []
    for name in data.features:
        values = numbers_of(data.table[name], name) if len(data) else np.zeros(0)
        there = np.isfinite(values)
        y = data.y[there].astype(float)
        auc = nan
        if 0 < y.sum() < len(y):
            auc = float(weighted_auc(y, np.ones((1, len(y))), [tied(values[there])])[0])
        direction = -1 if auc < 0.5 else 1
        rows.append((name, data.known.get(name), max(auc, 1 - auc), direction, len(y), int(y.sum())))
    columns = ["feature", "known", "auc", "direction", "students", "cases"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["auc", "feature"], ascending=[False, True], ignore_index=True)
