"""Discrete-time hazards with a logit or a complementary log-log link, on person-periods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from nbanalytics.errors import DataError
from nbanalytics.risk.data.assemble import EXITS
from nbanalytics.risk.evaluation.scores import numbers_of
from nbanalytics.risk.models.binomial import LINKS, Link, inverse_link
from nbanalytics.risk.models.design import DETAIL, Design, feature_names
from nbanalytics.risk.models.logit import (
    FEW_STUDENTS,
    BinomialClassifier,
    Classifier,
    Estimates,
    estimates_table,
    fit_estimable,
    say_separated,
    schools_of,
    whole_columns,
)
from nbanalytics.schools import Floats, Places


class Hazard(BinomialClassifier):
    """The chance of an event in each term, given that it has not happened before.

    Parameters
    ----------
    link : "logit" or "cloglog"
        With the complementary log-log link the coefficients are those of a proportional hazards model in continuous
        time.
    penalty : float
        Ridge penalty on standardised coefficients; 0 is maximum likelihood, and only that has intervals.

    Attributes
    ----------
    terms_ : list of str
        ``t=1, t=2, ...`` and the columns of ``X``. Steps without an event have the hazard 0 and no term.
    coefficients_, deviance_, status_, covariance_, clustered_
        As of :class:`nbanalytics.risk.Logit`.

    Notes
    -----
    ``X`` has one row per person-period, with ``t``; ``y`` is the event. The likelihood of the person-periods is that of
    a binomial model with one intercept for each step (Singer and Willett 2003, ch. 10-12; Allison 1982).

    Examples
    --------
    >>> X = pd.DataFrame({"t": [1, 1, 1, 1, 2, 2, 2]})
    >>> model = Hazard().fit(X, [1, 0, 0, 0, 1, 0, 0])
    >>> model.predict_proba(pd.DataFrame({"t": [1, 2]}))[:, 1].round(3).tolist()
    [0.25, 0.333]
    """

    def __init__(self, link: Link = "logit", penalty: float = 0.0) -> None:
        self.link = link
        self.penalty = penalty

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> Hazard:
        """Fit on person-periods; the column ``school_id`` of ``X``, if it is there, holds the clusters."""
        if self.link not in LINKS:
            raise DataError(f"There is no link {self.link!r}", f"Choose among: {', '.join(LINKS)}.")
        outcome, steps = self._outcome(X, y), steps_of(X)
        events = np.bincount(steps, outcome)
        self.last_step_ = int(steps.max())
        self.steps_ = [step for step in np.unique(steps).tolist() if events[step] > 0]
        self.columns_ = feature_names(X)
        self.terms_ = [*(f"t={step}" for step in self.steps_), *self.columns_]
        # A step without an event has hazard 0 whatever the features are: its rows do not bear on the coefficients.
        used = np.isin(steps, self.steps_)
        design, outcome = self._design(X[used], steps[used]), outcome[used]
        few = FEW_STUDENTS * self.last_step_
        fit, self.status_ = fit_estimable(design, outcome, len(self.steps_), self.link, self.penalty, few)
        say_separated(self.terms_, self.status_, len(X))
        self.rows_ = len(X)
        self._keep(fit, design, outcome, schools_of(X)[used], self.link)
        return self

    def _chance(self, X: pd.DataFrame) -> Floats:
        steps = steps_of(X)
        if steps.max(initial=0) > self.last_step_:
            raise DataError(
                f"X goes to step {steps.max()}, but the model was fitted on {self.last_step_} steps: the horizon lies "
                "past the data",
                "Choose an earlier horizon, or fit on students who were followed as long.",
            )
        hazards = inverse_link(self._design(X, steps) @ self.coefficients_, self.link)
        return np.where(np.isin(steps, self.steps_), hazards, 0.0)

    def coefficients(self, level: float = 0.95, errors: str | None = None) -> Estimates:
        """Return coefficients, and odds ratios (logit) or hazard ratios (cloglog), as ``Logit.coefficients``."""
        what = "Odds ratios of hazards" if self.link == "logit" else "Hazard ratios"
        settings, covariance = self._errors(level, errors, what)
        return estimates_table(self.terms_, self.coefficients_, covariance, settings, self.status_, ratios=True)

    def _design(self, X: pd.DataFrame, steps: Places) -> Floats:
        by_step = steps[:, None] == np.array(self.steps_)
        return np.column_stack([by_step, whole_columns(X, self.columns_)]).astype(float)


def steps_of(X: pd.DataFrame) -> Places:
    """Return the step of each person-period."""
    if "t" not in X:
        raise DataError("X has no column t, the step of a person-period (1, 2, ...)", "Make X with expand().")
    steps = numbers_of(X["t"], "t") if len(X) else np.zeros(0)
    wrong = int((~((steps >= 1) & (steps % 1 == 0))).sum())
    if wrong:
        raise DataError(
            f"t is not a whole number from 1 on in {wrong} of {len(X)} person-periods", "Make X with expand()."
        )
    return steps.astype(np.int64)


#: What varies from term to term in a person-period, as :func:`nbanalytics.risk.periods_at_risk` names it.
VARYING = ("absence_valid", "absence_invalid", "absence_total")


def expand(X: pd.DataFrame, periods: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.object_]]:
    """Give every person-period the features of its student, with the absence of the term before.

    Parameters
    ----------
    X : pandas.DataFrame
        Features by ``student_id``: ``RiskData.X`` or ``Features.X``. A student may occur twice, as in a bootstrap.
    periods : pandas.DataFrame
        The result of :func:`nbanalytics.risk.periods_at_risk`.

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
        raise DataError(f"periods has no column {', '.join(absent)}", "Make it with periods_at_risk().")
    place = pd.DataFrame({"student_id": X.index.astype(str), "_row": np.arange(len(X))})
    rows = periods.drop(columns=["school_id"], errors="ignore").assign(student_id=periods["student_id"].astype(str))
    kept = place.merge(rows, on="student_id").sort_values(["_row", "t"])
    if periods.shape[0] and len(X) and kept.empty:
        raise DataError(
            "None of the students of X has a person-period",
            "Give X by student_id, and the periods of the same records.",
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
        ``RiskData.periods``: when each student lost eligibility. Only the rows of the students of ``X`` are used, so
        the index of ``X`` must be ``student_id``.
    link, without
        As of :class:`nbanalytics.risk.Hazard` and :class:`nbanalytics.risk.Design`.

    Notes
    -----
    The model learns from absence term by term. A prediction takes the latest absence for every term to come, since no
    later one is known. Like the other rungs it learns from students whose outcome is known.

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
        self._outcome(X, y)
        rows, ended = expand(X, self.periods)
        if rows.index.nunique() < X.index.nunique():
            absent = X.index.nunique() - rows.index.nunique()
            raise DataError(
                f"{absent} of {X.index.nunique()} students of X have no person-period",
                "Give X by student_id, and the periods of the same records.",
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

    def _chance(self, X: pd.DataFrame) -> Floats:
        return 1 - self.predict_survival(X)[:, -1]


def design_of_periods(without: Sequence[str], last_step: int) -> Design:
    """Return a design that counts students, each of whom is in up to ``last_step`` rows."""
    return Design(without=without, min_count=10 * last_step)


class CompetingHazards(BaseEstimator):  # type: ignore[misc]
    """Hazards of losing eligibility, of moving and of leaving for no known reason, and their cumulative incidence.

    Parameters
    ----------
    link, without
        As of :class:`nbanalytics.risk.HazardClassifier`.
    exits_by_features : bool
        Whether moving and leaving depend on the features; by default on the step only, since they are rare.

    Attributes
    ----------
    causes_ : dict
        By cause, the design and the fitted hazard; None for a cause that did not occur.

    Notes
    -----
    Cause-specific hazards in sequence: within a term, leaving (for either reason) comes first and losing second. The
    likelihood is then a product, and each hazard is fitted on its own risk set. Without features, the cumulative
    incidence is the Aalen-Johansen estimate of the life table.

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

    def fit(self, X: pd.DataFrame, exit: ArrayLike) -> CompetingHazards:
        """Fit the three hazards on person-periods with the way each ended (``none, lost, moved, unknown``)."""
        ended = np.asarray(exit, dtype=object)
        strange = sorted({str(way) for way in ended} - set(EXITS))
        if len(ended) != len(X) or strange:
            raise DataError(
                f"X has {len(X)} rows and exit has {len(ended)}{f', with {strange[0]!r}' if strange else ''}",
                f"Give how each person-period ended: {', '.join(EXITS)}.",
            )
        self.last_step_ = int(steps_of(X).max())
        self.causes_: dict[str, tuple[Design | None, Hazard] | None] = {}
        for cause in ("moved", "unknown", "lost"):
            at_risk = np.isin(ended, ("none", "lost")) if cause == "lost" else np.full(len(ended), True)
            happened = (ended == cause)[at_risk]
            rows = X[at_risk] if cause == "lost" or self.exits_by_features else X.loc[at_risk, ["t"]]
            self.causes_[cause] = self._fit_one(rows, happened) if happened.any() else None
        return self

    def cumulative_incidence(self, X: pd.DataFrame, steps: int | None = None) -> pd.DataFrame:
        """Return the chance of having lost, moved or left by each step, for students with absence as it is in ``X``.

        The columns are ``row`` (place in ``X``) and ``t``; ``lost, moved, unknown`` and ``stays``, which add up to 1.
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
