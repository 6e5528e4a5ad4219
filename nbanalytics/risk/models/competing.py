"""Losing eligibility beside the exits that compete with it: moving, and leaving for no known reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from nbanalytics.errors import DataError
from nbanalytics.risk.data.at_risk import EXITS
from nbanalytics.risk.models.binomial import Link
from nbanalytics.risk.models.design import DETAIL, Design, feature_names
from nbanalytics.risk.models.hazard import Hazard, steps_of
from nbanalytics.risk.models.periods import design_of_periods

Floats = NDArray[np.float64]


class CompetingHazards(BaseEstimator):  # type: ignore[misc]
    """Hazards of losing eligibility, of moving and of leaving for no known reason, and what they amount to together.

    Parameters
    ----------
    link : "logit" or "cloglog"
    exits_by_features : bool
        Whether moving and leaving depend on the features; by default on the step only, since they are rare.
    without : sequence of str
        Beginnings of features not to use, as in ``Design``.

    Attributes
    ----------
    causes_ : dict
        By cause, the fitted hazard, and the design before it.

    Notes
    -----
    Cause-specific hazards in sequence: within a term, leaving (for either reason) comes first, losing second, so the
    likelihood is a product and each hazard is fitted on its own risk set. Without features, the cumulative incidence is
    the Aalen-Johansen estimate of the life table.

    Examples
    --------
    >>> X = pd.DataFrame({"t": [1, 1, 1, 1, 2, 2]})
    >>> model = CompetingHazards(without=("",)).fit(X, ["lost", "moved", "none", "none", "none", "lost"])
    >>> model.cumulative_incidence(pd.DataFrame(index=["P1"]), steps=2).round(3)
       row  t  lost  moved  unknown  stays
    0    0  1  0.25   0.25      0.0   0.50
    1    0  2  0.50   0.25      0.0   0.25
    """

    def __init__(self, link: Link = "logit", exits_by_features: bool = False, without: Sequence[str] = DETAIL) -> None:
        self.link = link
        self.exits_by_features = exits_by_features
        self.without = without

    def fit(self, X: pd.DataFrame, exit: Any) -> CompetingHazards:
        """Fit the three hazards on person-periods with the way each ended (``none, lost, moved, unknown``)."""
        ended = np.asarray(exit, dtype=object)
        strange = sorted({str(way) for way in ended} - set(EXITS))
        if len(ended) != len(X) or strange:
            raise DataError(
                f"X has {len(X)} rows and exit has {len(ended)}{f', with {strange[0]!r}' if strange else ''}. Give "
                f"how each person-period ended: {', '.join(EXITS)}."
            )
        self.last_step_ = int(steps_of(X).max())
        self.causes_: dict[str, Any] = {}
        for cause in ("moved", "unknown", "lost"):
            at_risk = np.isin(ended, ("none", "lost")) if cause == "lost" else np.full(len(ended), True)
            happened = (ended == cause)[at_risk]
            rows = X[at_risk] if cause == "lost" or self.exits_by_features else X.loc[at_risk, ["t"]]
            self.causes_[cause] = self._fit_one(rows, happened) if happened.any() else None
        return self

    def cumulative_incidence(self, X: pd.DataFrame, steps: int | None = None) -> pd.DataFrame:
        """Chance of having lost, moved or left by each step, for students with absence as it is in ``X``.

        Returns
        -------
        pandas.DataFrame
            ``row`` (place in ``X``), ``t``; ``lost, moved, unknown``, and ``stays``, which make 1.
        """
        check_is_fitted(self, "causes_")
        number = self.last_step_ if steps is None else steps
        stays = np.ones(len(X))
        sums = {cause: np.zeros(len(X)) for cause in self.causes_}
        parts = []
        for step in range(1, number + 1):
            chance = {cause: self._hazard(cause, X, step) for cause in self.causes_}
            # Each exit is fitted on its own: far from the data their chances can come to more than 1.
            most = np.maximum(chance["moved"] + chance["unknown"], 1.0)
            chance |= {cause: chance[cause] / most for cause in ("moved", "unknown")}
            present = stays * (1 - chance["moved"] - chance["unknown"])
            sums["moved"] = sums["moved"] + stays * chance["moved"]
            sums["unknown"] = sums["unknown"] + stays * chance["unknown"]
            sums["lost"] = sums["lost"] + present * chance["lost"]
            stays = present * (1 - chance["lost"])
            columns = {cause: sums[cause] for cause in ("lost", "moved", "unknown")}
            parts.append(pd.DataFrame({"row": np.arange(len(X)), "t": step, **columns, "stays": stays}))
        return pd.concat(parts).sort_values(["row", "t"], ignore_index=True)

    def _fit_one(self, rows: pd.DataFrame, happened: NDArray[np.bool_]) -> tuple[Design | None, Hazard]:
        if all(name.startswith(tuple(self.without)) for name in feature_names(rows)):
            carried = [name for name in ("school_id", "t") if name in rows]
            return None, Hazard(self.link).fit(rows[carried], happened)
        design = design_of_periods(self.without, self.last_step_).fit(rows, happened)
        return design, Hazard(self.link).fit(design.transform(rows), happened)

    def _hazard(self, cause: str, X: pd.DataFrame, step: int) -> Floats:
        fitted = self.causes_[cause]
        if fitted is None:
            return np.zeros(len(X))
        design, hazard = fitted
        rows = X.assign(t=step)
        return np.asarray(hazard.predict_proba(rows if design is None else design.transform(rows))[:, 1])
