"""Logistic regression with odds ratios, average marginal effects, and errors clustered by school."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.intervals import checked_level
from nbanalytics.results import Settings, Shown
from nbanalytics.risk.models.binomial import BinomialFit, Link, clustered_covariance, fit_binomial, separated
from nbanalytics.risk.models.design import DETAIL, Design, as_numbers, checked_outcome, feature_names
from nbanalytics.schools import LIKE, MIN_SCHOOLS, THESE, Floats

Schools = NDArray[np.object_]


@dataclass(frozen=True, repr=False)
class Estimates(Shown):
    """Estimates of a model with intervals.

    Attributes
    ----------
    table : pandas.DataFrame
        ``term, estimate, se, low, high, p``; for coefficients ``ratio, ratio_low, ratio_high`` (odds ratios, or hazard
        ratios with the complementary log-log link); ``status``: ``ok``; ``left_out`` if the term marks a few students
        who all or none have the outcome; ``separated`` if it marks more.
    settings : mapping
        ``errors`` (``school`` or ``model``), ``estimand``, ``level``, ``rows``, ``clusters``, ``what``.
    """

    table: pd.DataFrame
    settings: Settings

    def _words(self) -> str:
        kind = "clustered by school" if self.settings["errors"] == "school" else "of the model"
        return (
            f"{self.settings['what']} from {self.settings['rows']} rows, {self.settings['level']:.0%} intervals, "
            f"standard errors {kind} ({self.settings['clusters']} schools)"
        )


def estimates_table(
    terms: Sequence[str],
    values: Floats,
    covariance: Floats,
    settings: Settings,
    status: Sequence[str] | NDArray[np.object_],
    ratios: bool,
) -> Estimates:
    """Put estimates in a table with their errors; clustered ones have a *t* with clusters - 1 degrees of freedom."""
    errors = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    ok = np.asarray(status) == "ok"
    errors = np.where(ok, errors, np.nan)
    values = np.where(np.asarray(status) == "left_out", np.nan, values)
    clustered = settings["errors"] == "school"
    spread = stats.t(settings["clusters"] - 1) if clustered else stats.norm()
    half = spread.ppf(0.5 + checked_level(settings["level"]) / 2) * errors
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * spread.sf(np.abs(values / errors))
    table = pd.DataFrame(
        {"term": list(terms), "estimate": values, "se": errors, "low": values - half, "high": values + half, "p": p}
    )
    if ratios:
        for name, source in (("ratio", "estimate"), ("ratio_low", "low"), ("ratio_high", "high")):
            table[name] = np.exp(table[source])
    return Estimates(table.assign(status=list(status)), settings)


def chosen_errors(errors: str | None, clusters: int) -> str:
    """Return which standard errors to use, with a warning where there are too few schools for clustered ones."""
    if errors not in (None, "school", "model"):
        raise DataError(f"There are no errors {errors!r}", "Choose among: school, model, or None for either.")
    if errors == "model" or (errors is None and clusters < 2):
        return "model"
    if clusters < MIN_SCHOOLS:
        warnings.warn(
            f"Errors clustered by school need {MIN_SCHOOLS} schools, and there are {clusters}: those of the model are "
            "given. They are about other pupils of these schools, and too small where pupils of a school are alike.",
            EstimationWarning,
            stacklevel=4,
        )
        return "model"
    return "school"


def marginal_effects(design: Floats, coefficients: Floats, columns: Sequence[int]) -> tuple[Floats, Floats]:
    """Return average marginal effects of columns of a logit, and their derivatives by the coefficients.

    A column of 0 and 1 is switched from 0 to 1 for every student; of any other the derivative is averaged.
    """
    eta = design @ coefficients
    mu = expit(eta)
    rate = mu * (1 - mu)
    bend = rate * (1 - 2 * mu)
    mean_rate, mean_bend = rate.mean(), (bend[:, None] * design).mean(axis=0)
    effects, derivatives = [], []
    for place in columns:
        column = design[:, place]
        if np.isin(column, (0.0, 1.0)).all():
            effect, derivative = _switch(design, eta, coefficients[place], place)
        else:
            effect = coefficients[place] * mean_rate
            derivative = coefficients[place] * mean_bend
            derivative[place] += mean_rate
        effects.append(effect)
        derivatives.append(derivative)
    return np.array(effects), np.array(derivatives).reshape(len(effects), len(coefficients))


def _switch(design: Floats, eta: Floats, coefficient: float, place: int) -> tuple[float, Floats]:
    column = design[:, place]
    without, having = expit(eta - coefficient * column), expit(eta + coefficient * (1 - column))
    rate_without, rate_having = without * (1 - without), having * (1 - having)
    derivative = ((rate_having - rate_without)[:, None] * design).mean(axis=0)
    derivative[place] = rate_having.mean()
    return float((having - without).mean()), derivative


#: A column in which fewer students than this differ from the commonest value is left out if it separates them.
FEW_STUDENTS = 50
#: What a term can be: estimated; left out, since the few students it marks all or none have the outcome; separated.
OK, LEFT_OUT, SEPARATED = "ok", "left_out", "separated"


def fit_estimable(
    design: Floats, y: Floats, fixed: int, link: Link = "logit", penalty: float = 0.0, few: int = FEW_STUDENTS
) -> tuple[BinomialFit, NDArray[np.object_]]:
    """Fit without columns that have no finite estimate and mark few rows; return the fit and each column's status.

    The first ``fixed`` columns (intercept, steps) always stay. A column may be left out if fewer than ``few`` rows
    differ from its commonest value; its coefficient, variance and covariances are then 0. Otherwise a value that three
    students have would decide their prediction and take its coefficient to infinity. Albert and Anderson (1984),
    *Biometrika* 71, 1-10, for separation.
    """
    status = np.full(design.shape[1], OK, dtype=object)
    while True:
        kept = status != LEFT_OUT
        used = design if kept.all() else design[:, kept]
        fit = fit_binomial(used, y, link, penalty)
        unbounded = np.zeros(len(status), dtype=bool)
        if penalty == 0:
            unbounded[kept] = separated(fit, used)
        small = np.array([place >= fixed and _marked(design[:, place]) < few for place in np.flatnonzero(unbounded)])
        if not small.any():
            status[unbounded] = SEPARATED
            return _embedded(fit, kept), status
        status[np.flatnonzero(unbounded)[small]] = LEFT_OUT


def say_separated(terms: Sequence[str], status: NDArray[np.object_], rows: int) -> None:
    """Warn of coefficients that have no finite estimate and are not left out."""
    named = [term for term, found in zip(terms, status, strict=True) if found == SEPARATED]
    if named:
        warnings.warn(
            f"{', '.join(named)}: all or none of the {rows} rows with it have the outcome (separation), so there is no "
            "finite estimate and no interval. Leave it out, join it with another, or use a penalty (penalty=1).",
            EstimationWarning,
            stacklevel=3,
        )


def _marked(column: Floats) -> int:
    return int(len(column) - np.unique(column, return_counts=True)[1].max())


def _embedded(fit: BinomialFit, kept: NDArray[np.bool_]) -> BinomialFit:
    coefficients = np.zeros(len(kept))
    coefficients[kept] = fit.coefficients
    covariance = np.zeros((len(kept), len(kept)))
    covariance[np.ix_(kept, kept)] = fit.covariance
    return BinomialFit(coefficients, covariance, fit.deviance, fit.converged)


class Classifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A scikit-learn classifier of 0 and 1."""

    classes_: NDArray[np.int64]

    def _outcome(self, X: pd.DataFrame, y: ArrayLike) -> Floats:
        """Return the checked outcome of the training rows, and name the classes."""
        outcome = checked_outcome(y, len(X))
        self.classes_ = np.array([0, 1])
        return outcome

    @abstractmethod
    def _chance(self, X: pd.DataFrame) -> Floats:
        """Return the probability of 1 for each row."""

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the probabilities of 0 and 1, shape (n, 2)."""
        check_is_fitted(self, "classes_")
        happens = self._chance(X)
        return np.column_stack([1 - happens, happens])

    def predict(self, X: pd.DataFrame) -> NDArray[np.int64]:
        """Return 1 where the probability is at least one half."""
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(np.int64)


class BinomialClassifier(Classifier):
    """A classifier fitted as a binomial model: maximum likelihood, or with a ridge penalty and then without errors."""

    penalty: float
    rows_: int
    status_: NDArray[np.object_]

    def _keep(self, fit: BinomialFit, design: Floats, outcome: Floats, schools: Schools, link: Link) -> None:
        """Keep the estimates, with the covariance clustered by school where there can be one."""
        self.coefficients_, self.covariance_, self.deviance_ = fit.coefficients, fit.covariance, fit.deviance
        self.clusters_ = len(pd.unique(schools))
        self.clustered_ = None
        if self.penalty == 0 and self.clusters_ >= MIN_SCHOOLS and SEPARATED not in self.status_:
            self.clustered_ = clustered_covariance(fit, design, outcome, schools, link)

    def _errors(self, level: float, errors: str | None, what: str) -> tuple[dict[str, Any], Floats]:
        """Return the settings of a table of estimates, and the covariance that goes with them."""
        check_is_fitted(self, "coefficients_")
        if self.penalty > 0:
            raise DataError("A model with a penalty has no honest intervals", "Fit it with penalty=0 for these.")
        few = self.clusters_ < MIN_SCHOOLS
        kind = chosen_errors(errors if self.clustered_ is not None or few else "model", self.clusters_)
        about = LIKE if kind == "school" else THESE
        settings = {"errors": kind, "estimand": about, "level": level, "rows": self.rows_, "what": what}
        settings["clusters"] = self.clusters_
        return settings, self.covariance_ if kind == "model" or self.clustered_ is None else self.clustered_


def schools_of(X: pd.DataFrame) -> Schools:
    """Return the school of each row, one for all without ``school_id``; raise a DataError if a row has none."""
    if "school_id" not in X:
        return np.zeros(len(X), dtype=object)
    absent = int(X["school_id"].isna().sum())
    if absent:
        raise DataError(f"{absent} of {len(X)} rows of X have no school", "Fill in a name such as 'unknown'.")
    return X["school_id"].to_numpy(dtype=object)


def whole_columns(X: pd.DataFrame, names: Sequence[str]) -> Floats:
    """Return columns as numbers; raise a DataError if a column is missing, or a value is missing or not a number."""
    columns = as_numbers(X, names).to_numpy()
    if np.isnan(columns).any():
        raise DataError("X has missing values", "Put Design before the model in a Pipeline: it fills and marks them.")
    return columns


INTERCEPT = "intercept"


def with_intercept(X: pd.DataFrame, terms: Sequence[str]) -> Floats:
    """Return the design matrix of an intercept and the columns of the other terms."""
    return np.column_stack([np.ones(len(X)), whole_columns(X, terms[1:])])


class Logit(BinomialClassifier):
    """Logistic regression by maximum likelihood, the last step of a pipeline that begins with ``Design``.

    Parameters
    ----------
    penalty : float
        Ridge penalty on standardised coefficients; 0 is maximum likelihood, and only that has intervals.

    Attributes
    ----------
    terms_ : list of str
        ``intercept`` and the columns of ``X``.
    coefficients_ : ndarray
    deviance_ : float
    status_ : ndarray of str
        By term, as in the table of :meth:`coefficients`.
    covariance_, clustered_ : ndarray
        Of the coefficients: from the information, and clustered by school (from three schools on, no penalty).

    Notes
    -----
    Clustered errors leave out one school at a time (MacKinnon, Nielsen and Webb 2025, CV3L), with a *t* of schools - 1
    degrees of freedom: they are about schools like these, also for features of schools. Marginal effects: the delta
    method (Bartus 2005, *Stata Journal* 5, 309-329, for features of 0 and 1).

    Examples
    --------
    >>> X = pd.DataFrame({"school_id": ["A", "A", "B", "B"] * 3, "late": [0, 0, 0, 1] * 3})
    >>> model = Logit().fit(X, [0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1])
    >>> model.coefficients(errors="model").table[["term", "estimate", "status"]].round(3)
            term  estimate status
    0  intercept    -1.253     ok
    1       late     1.946     ok
    """

    def __init__(self, penalty: float = 0.0) -> None:
        self.penalty = penalty

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> Logit:
        """Fit; the column ``school_id`` of ``X``, if it is there, holds the clusters."""
        outcome = self._outcome(X, y)
        self.terms_ = [INTERCEPT, *feature_names(X)]
        design = with_intercept(X, self.terms_)
        fit, self.status_ = fit_estimable(design, outcome, fixed=1, penalty=self.penalty)
        say_separated(self.terms_, self.status_, len(X))
        self.rows_ = len(X)
        self._keep(fit, design, outcome, schools_of(X), "logit")
        self.effects_, self.derivatives_ = marginal_effects(design, fit.coefficients, range(1, len(self.terms_)))
        return self

    def decision_function(self, X: pd.DataFrame) -> Floats:
        """Return log odds."""
        check_is_fitted(self, "coefficients_")
        return np.asarray(with_intercept(X, self.terms_) @ self.coefficients_)

    def _chance(self, X: pd.DataFrame) -> Floats:
        return np.asarray(expit(self.decision_function(X)))

    def coefficients(self, level: float = 0.95, errors: str | None = None) -> Estimates:
        """Return log odds and odds ratios with intervals.

        Parameters
        ----------
        level : float
        errors : "school", "model" or None
            Clustered by school, or from the information; by default by school from three schools on.

        Raises
        ------
        DataError
            If the model has a penalty.
        """
        settings, covariance = self._errors(level, errors, "Odds ratios")
        return estimates_table(self.terms_, self.coefficients_, covariance, settings, self.status_, ratios=True)

    def marginal_effects(self, level: float = 0.95, errors: str | None = None) -> Estimates:
        """Return average marginal effects: the change of the probability per unit of a feature, or from 0 to 1.

        Parameters and raises as in :meth:`coefficients`.
        """
        settings, covariance = self._errors(level, errors, "Average marginal effects")
        of_effects = self.derivatives_ @ covariance @ self.derivatives_.T
        terms = self.terms_[1:]
        return estimates_table(terms, self.effects_, of_effects, settings, self.status_[1:], ratios=False)

    def statsmodels(self, X: pd.DataFrame, y: ArrayLike) -> Any:
        """Return the same model as statsmodels' ``GLMResultsWrapper``, clustered by school, for its summary and tests.

        ``X`` and ``y`` are those of :meth:`fit`. Terms that were left out are not in it.
        """
        from statsmodels.genmod.families import Binomial
        from statsmodels.genmod.generalized_linear_model import GLM

        check_is_fitted(self, "coefficients_")
        kept = self.status_ != LEFT_OUT
        design = pd.DataFrame(with_intercept(X, self.terms_), columns=self.terms_).loc[:, kept]
        model = GLM(checked_outcome(y, len(X)), design, family=Binomial())
        if self.clusters_ < 2:
            return model.fit(start_params=self.coefficients_[kept])
        groups = pd.factorize(X["school_id"])[0]
        return model.fit(start_params=self.coefficients_[kept], cov_type="cluster", cov_kwds={"groups": groups})


#: Rounds of chained equations before the first completed table, and between two of them.
_BURN_IN, _BETWEEN = 5, 2
#: With more schools these are not among what missing values are imputed from.
_MOST_SCHOOLS = 20


def described(X: pd.DataFrame, y: ArrayLike, *, imputations: int = 20, seed: int = 1, level: float = 0.95) -> Estimates:
    """Fit a logit to describe who has an outcome, with missing values imputed several times instead of marked.

    A median beside an indicator is fine for prediction, where tomorrow's values are missing as today's are. As a
    description it biases the coefficients of everything that goes with the missing value.

    Parameters
    ----------
    X : pandas.DataFrame
        Features, and ``school_id`` if there is one, such as ``RiskData.X``.
    y : sequence of 0 and 1
    imputations : int
        Completed tables; at least two.
    seed : int
    level : float

    Returns
    -------
    Estimates
        Log odds and odds ratios; the table has besides ``missing``, the share of students without the value, and
        ``fmi``, the fraction of information about the coefficient that is missing. A term that cannot be estimated in
        some completed table has no estimate, and the others are those of the model without it.

    Raises
    ------
    DataError
        If the outcome or a feature cannot be used, or there is no second imputation.

    Notes
    -----
    Chained equations with predictive mean matching (van Buuren and Groothuis-Oudshoorn 2011, Journal of Statistical
    Software 45(3); ``statsmodels.imputation.mice``) from all features, the outcome (Moons and others 2006, Journal of
    Clinical Epidemiology 59: 1092-1101) and, up to 20 of them, the schools. Pooled by Rubin (1987, *Multiple Imputation
    for Nonresponse in Surveys*); degrees of freedom *1 / (fmi²/(imputations - 1) + 1/(schools - 1))*. Values are taken
    to be missing at random given these. Features are those that the ladder's logit uses, without indicators.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> points = rng.normal(13, 3, 300)
    >>> X = pd.DataFrame({"points": points, "absence": 20 - points + rng.normal(0, 2, 300)})
    >>> y = (rng.random(300) < expit(13 - points)).astype(int)
    >>> found = described(X.where(rng.random(X.shape) < 0.9), y, imputations=5)
    >>> found.table[["term", "missing", "status"]].round(2).to_numpy().tolist()[1:]
    [['points', 0.09, 'ok'], ['absence', 0.12, 'ok']]
    """
    if imputations < 2:
        raise DataError(f"{imputations} imputation says nothing of its own uncertainty", "Ask for two at least.")
    outcome, design = checked_outcome(y, len(X)), Design(without=DETAIL).fit(X)
    names = [name for name in design.columns_ if name in X]
    numbers = as_numbers(X, names)
    fits = [Logit().fit(one, outcome) for one in _completed(X, numbers, outcome, imputations, seed)]
    values = np.array([fit.coefficients_ for fit in fits])
    about, _ = fits[0]._errors(level, None, "Odds ratios")
    within = np.mean([np.diag(fit._errors(level, None, "")[1]) for fit in fits], axis=0)
    between = (1 + 1 / imputations) * values.var(axis=0, ddof=1)
    total = within + between
    share = between / np.maximum(total, 1e-300)
    whole = about["clusters"] - 1 if about["errors"] == "school" else len(X) - len(names) - 1
    freedom = 1 / (share**2 / (imputations - 1) + 1 / whole)
    found = zip(*(fit.status_ for fit in fits), strict=True)
    status = np.array([max(row, key=(OK, SEPARATED, LEFT_OUT).index) for row in found])
    errors = np.where(status == OK, np.sqrt(np.clip(total, 0, None)), np.nan)
    means = np.where(status == LEFT_OUT, np.nan, values.mean(axis=0))
    table = pd.DataFrame({"term": fits[0].terms_, "estimate": means})
    half = stats.t.ppf(0.5 + checked_level(level) / 2, freedom) * errors
    table = table.assign(se=errors, low=table["estimate"] - half, high=table["estimate"] + half)
    table["p"] = 2 * stats.t.sf(np.abs(table["estimate"] / errors), freedom)
    for name, source in (("ratio", "estimate"), ("ratio_low", "low"), ("ratio_high", "high")):
        table[name] = np.exp(table[source])
    table["missing"] = [0.0, *numbers.isna().mean()]
    settings = {**about, "imputations": imputations, "seed": seed}
    return Estimates(table.assign(fmi=np.where(status == OK, share, np.nan), status=status), settings)


def _completed(X: pd.DataFrame, numbers: pd.DataFrame, y: Floats, number: int, seed: int) -> list[pd.DataFrame]:
    """Complete the features several times."""
    from statsmodels.imputation.mice import MICEData

    carried = X[["school_id"]] if "school_id" in X else X[[]]
    if not numbers.isna().to_numpy().any():
        return [pd.concat([carried, numbers], axis=1)] * number
    # Names of columns may be no names of variables, which the equations need.
    plain = numbers.reset_index(drop=True).set_axis([f"x{place}" for place in range(numbers.shape[1])], axis=1)
    known, made = plain.assign(outcome=y), []
    if "school_id" in X and 1 < X["school_id"].nunique() <= _MOST_SCHOOLS:
        dummies = pd.get_dummies(pd.factorize(X["school_id"])[0], prefix="s", drop_first=True, dtype=float)
        known = pd.concat([known, dummies], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sums of other features: any solution predicts the same
        equations = MICEData(known)
        # Before statsmodels 0.15 they draw from numpy's global generator, which the seed does not touch.
        equations.rng = np.random.default_rng(seed)
        equations.update_all(_BURN_IN)
        for _ in range(number):
            equations.update_all(_BETWEEN)
            whole = equations.data[list(plain)].set_axis(list(numbers), axis=1).set_axis(numbers.index)
            made.append(pd.concat([carried, whole], axis=1))
    return made
