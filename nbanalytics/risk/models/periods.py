"""Person-periods with features, and a hazard model as a rung of the ladder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from nbanalytics.errors import DataError
from nbanalytics.risk.models.binomial import Link
from nbanalytics.risk.models.classifier import Classifier
from nbanalytics.risk.models.design import DETAIL, Design, checked_outcome
from nbanalytics.risk.models.hazard import Hazard

Floats = NDArray[np.float64]
#: What varies from term to term in a person-period, as :func:`nbanalytics.risk.periods_at_risk` names it.
VARYING = ("absence_valid", "absence_invalid", "absence_total")


def expand(X: pd.DataFrame, periods: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.object_]]:
    """Give every person-period the features of its student, absence being that of the term before.

    Parameters
    ----------
    X : pandas.DataFrame
        Features by ``student_id``: ``RiskData.X`` or ``Features.X``. A student may come twice, as in a bootstrap.
    periods : pandas.DataFrame
        Of :func:`nbanalytics.risk.periods_at_risk`.

    Returns
    -------
    X : pandas.DataFrame
        One row per person-period of the students of ``X``: ``school_id, t``, the features.
    exit : ndarray
        How each person-period ended.

    Examples
    --------
    >>> X = pd.DataFrame({"absence_total": [2.0]}, index=pd.Index(["P1"], name="student_id"))
    >>> periods = pd.DataFrame({"student_id": "P1", "t": [1, 2], "exit": ["none", "lost"], "absence_total": [2.0, 9.0]})
    >>> expand(X, periods)[0]["absence_total"].tolist()
    [2.0, 9.0]
    """
    absent = [name for name in ("student_id", "t", "exit") if name not in periods]
    if absent:
        raise DataError(f"periods has no column {', '.join(absent)}. Make it with periods_at_risk().")
    place = pd.DataFrame({"student_id": X.index.astype(str), "_row": np.arange(len(X))})
    rows = periods.drop(columns=["school_id"], errors="ignore").assign(student_id=periods["student_id"].astype(str))
    kept = place.merge(rows, on="student_id").sort_values(["_row", "t"])
    if periods.shape[0] and len(X) and kept.empty:
        raise DataError(
            "None of the students of X has a person-period. Give X by student_id, and the periods of the same records."
        )
    made = X.iloc[kept["_row"].to_numpy()].copy()
    made.insert(0, "t", kept["t"].to_numpy())
    for name in VARYING:
        if name in X and name in kept:
            made[name] = kept[name].to_numpy()
    return made, kept["exit"].to_numpy(dtype=object)


class HazardClassifier(Classifier):
    """A hazard model as a rung of the ladder: the chance of a loss by the last term, from what is known now.

    Parameters
    ----------
    periods : pandas.DataFrame
        ``RiskData.periods``: when each student lost eligibility. Only the rows of the students of ``X`` are used, which
        is why ``X`` has ``student_id`` as its index.
    link : "logit" or "cloglog"
    without : sequence of str
        As in ``Design``.

    Notes
    -----
    The model learns from absence as it went from term to term; a prediction takes the latest absence for that of every
    term to come, since no later one is known. It learns from students whose outcome is known, as the other rungs do.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = pd.DataFrame({"points": rng.normal(13, 2, 200)}, index=pd.Index(range(200), name="student_id"))
    >>> lost = rng.random(200) < 1 / (1 + np.exp(X["points"] - 11))
    >>> periods = pd.DataFrame({"student_id": X.index, "t": 1, "exit": np.where(lost, "lost", "none")})
    >>> model = HazardClassifier(periods).fit(X, lost)
    >>> model.predict_survival(X).shape, bool(np.isclose(model.predict_proba(X)[:, 1].mean(), lost.mean()))
    ((200, 1), True)
    """

    def __init__(self, periods: pd.DataFrame, link: Link = "logit", without: Sequence[str] = DETAIL) -> None:
        self.periods = periods
        self.link = link
        self.without = without

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> HazardClassifier:
        """Fit on the person-periods of the students of ``X``."""
        checked_outcome(y, len(X))
        self.classes_ = np.array([0, 1])
        rows, ended = expand(X, self.periods)
        if rows.index.nunique() < X.index.nunique():
            absent = X.index.nunique() - rows.index.nunique()
            raise DataError(
                f"{absent} of {X.index.nunique()} students of X have no person-period. Give X by student_id, and the "
                "periods of the same records."
            )
        happened = ended == "lost"
        self.last_step_ = int(rows["t"].max())
        self.design_ = design_of_periods(self.without, self.last_step_).fit(rows, happened)
        self.hazard_ = Hazard(self.link).fit(self.design_.transform(rows), happened)
        return self

    def predict_survival(self, X: pd.DataFrame) -> Floats:
        """Return the chance of no loss by step 1, 2, ...: one row per student, one column per step."""
        check_is_fitted(self, "hazard_")
        design = self.design_.transform(X.assign(t=1))
        steps = range(1, self.last_step_ + 1)
        hazards = np.column_stack([self.hazard_.predict_proba(design.assign(t=step))[:, 1] for step in steps])
        return np.asarray(np.cumprod(1 - hazards, axis=1))

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the chances of no loss and of a loss by the last step."""
        stays = self.predict_survival(X)[:, -1]
        return np.column_stack([stays, 1 - stays])


def design_of_periods(without: Sequence[str], last_step: int) -> Design:
    """Return a design that counts students, each of whom is in up to ``last_step`` rows."""
    return Design(without=without, min_count=10 * last_step)
