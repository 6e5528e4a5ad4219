"""How sure a number is when students come in schools: delete-one-school intervals for two estimands."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.intervals import checked_level, katz, mean_interval, mean_test, newcombe, score_interval, wilson

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
#: Takes weights of shape (rows, students) and returns, by name, one value for each row.
Statistic = Callable[[Floats], Mapping[str, Floats]]
Scale = Literal["plain", "logit", "percent", "log"]

#: The uncertainty if other pupils had gone to the same schools, which stay as they are.
THESE = "these_schools"
#: The uncertainty if the schools and their years had been others of the same kind.
LIKE = "schools_like_these"
ESTIMANDS = (THESE, LIKE)
#: With fewer schools nothing is said of schools like these.
MIN_SCHOOLS = 3
#: Number of parts into which students are divided where there is no formula and schools are fixed.
_PARTS = 50
#: Columns of partial pooling.
POOLED = ("pooled", "pooled_low", "pooled_high")
#: What rounding leaves of a variance of 0.
_NO_VARIANCE = 1e-20


def estimand_of(schools: Any, estimand: str | None = None, stacklevel: int = 3) -> str:
    """Decide what an interval is about.

    Parameters
    ----------
    schools : sequence or None
        The school of each student; None if it is not known.
    estimand : str, optional
        ``"these_schools"``: other pupils of the same schools. ``"schools_like_these"``: other schools of the same kind,
        in other years. By default the second from three schools on, else the first, with a warning.

    Returns
    -------
    str

    Raises
    ------
    DataError
        If there is no such estimand, or ``"schools_like_these"`` is used with fewer than three schools.

    Examples
    --------
    >>> estimand_of(["A", "B", "C", "A"]), estimand_of(None)
    ('schools_like_these', 'these_schools')
    """
    if estimand not in (None, *ESTIMANDS):
        raise DataError(f"There is no estimand {estimand!r}. Choose among: {', '.join(ESTIMANDS)}.")
    if estimand == THESE or (schools is None and estimand is None):
        return THESE
    number = 0 if schools is None else len(pd.unique(np.asarray(schools)))
    if number >= MIN_SCHOOLS:
        return LIKE
    held = f"{number} {'school' if number == 1 else 'schools'}"
    if estimand == LIKE:
        raise DataError(
            f"Inference to schools like these is impossible from {held}: {MIN_SCHOOLS} are needed. Add schools, or "
            "ask for "
            f"estimand={THESE!r}."
        )
    warnings.warn(
        f"With {held} the intervals describe other pupils of these schools, and not schools like these. "
        f"For that add schools: {MIN_SCHOOLS} are needed.",
        EstimationWarning,
        stacklevel=stacklevel,
    )
    return THESE


def labels(schools: Any) -> NDArray[np.object_]:
    """Return the name of each student's school as text; those without are together in a school called missing."""
    column = pd.Series(np.asarray(schools, dtype=object))
    return np.asarray(column.where(column.notna(), "missing").astype(str), dtype=object)


@dataclass(frozen=True)
class Units:
    """What is left out one at a time: schools, or parts of the students of each school.

    Attributes
    ----------
    place : array, shape (students,)
        The unit of each student: 0, 1, ...
    number : int
        Units of all students.
    estimand : str
        ``schools_like_these`` if units are schools, ``these_schools`` if they are parts.
    """

    place: Places
    number: int
    estimand: str

    def of(self, rows: Any) -> Units:
        """Keep some students, with the same units, so that differences between groups and models stay paired."""
        return Units(self.place[rows], self.number, self.estimand)

    @property
    def present(self) -> int:
        """Units that the students belong to."""
        return len(np.unique(self.place))

    def evaluate(self, statistic: Statistic) -> dict[str, Floats]:
        """Compute a statistic of all students (first) and without each unit in turn."""
        weights = np.ones((1 + self.number, len(self.place)))
        weights[1 + self.place, np.arange(len(self.place))] = 0.0
        return dict(statistic(weights))

    def interval(self, values: Floats, scale: Scale = "plain", level: float = 0.95) -> tuple[float, float]:
        """Interval of the first of the values of :meth:`evaluate`; see :func:`jackknife_interval`."""
        return jackknife_interval(values, scale, self.present, level)


def units_of(schools: Any, students: int, estimand: str) -> Units:
    """Name the units that are left out in turn.

    Parameters
    ----------
    schools : sequence or None
        The school of each student.
    students : int
    estimand : str
        Of :func:`estimand_of`. For ``these_schools`` the students of each school are divided into 50 parts (or single
        students, if there are fewer), in an order that is the same each time.

    Examples
    --------
    >>> units_of(["A", "A", "B", "C"], 4, "schools_like_these").place.tolist()
    [0, 0, 1, 2]
    >>> units_of(None, 4, "these_schools").present
    4
    """
    codes = np.zeros(students, dtype=np.int64)
    if schools is not None:
        codes = np.unique(np.asarray(schools), return_inverse=True)[1].astype(np.int64)
    if estimand == LIKE:
        return Units(codes, int(codes.max()) + 1, LIKE)
    parts = min(students, _PARTS)
    mixed = np.random.default_rng(0).permutation(students)
    order = mixed[np.argsort(codes[mixed], kind="stable")]
    place = np.empty(students, dtype=np.int64)
    place[order] = np.arange(students) % parts
    return Units(place, parts, THESE)


def jackknife_interval(
    values: ArrayLike, scale: Scale = "plain", units: int | None = None, level: float = 0.95
) -> tuple[float, float]:
    """Interval from the values without each school in turn.

    Parameters
    ----------
    values : array
        The value of all schools, then the value without each of them.
    scale : str
        ``plain``; ``logit`` for a share, ``percent`` for one times 100, and ``log`` for a ratio or a mean above 0: the
        standard error is carried to that scale, so that the bounds stay inside it.
    units : int, optional
        How many of the schools have students here, by default all; the others change nothing.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float
        Missing where a value is missing or infinite, no school changes it, or the scale has no place for it.

    Notes
    -----
    Variance *(G - 1)/G · Σ (value without g - value)²*, Student's *t* with *G - 1* degrees: the CR3 jackknife (Bell and
    McCaffrey 2002, Survey Methodology 28: 169-181; MacKinnon, Nielsen and Webb 2023, Journal of Econometrics 232:
    272-299). Logit scale for shares: Korn and Graubard (1999), *Analysis of Health Surveys*, 3.4.

    Examples
    --------
    >>> [round(bound, 3) for bound in jackknife_interval([0.30, 0.28, 0.33, 0.29], "logit")]
    [0.186, 0.445]
    """
    low, high, _ = _jackknife(np.asarray(values, dtype=np.float64), scale, units, level)
    return low, high


def jackknife_test(values: ArrayLike, units: int | None = None) -> tuple[float, float]:
    """The value of all schools by its standard error, and the two-sided p-value; missing as the interval is."""
    found = np.asarray(values, dtype=np.float64)
    error, freedom = jackknife_error(found, units)
    if not error > 0:
        return nan, nan
    return float(found[0]) / error, mean_test(float(found[0]), error, freedom)


def jackknife_error(values: Floats, units: int | None = None) -> tuple[float, int]:
    """Standard error of the first value from those without each unit, and its degrees of freedom."""
    number = len(values) - 1 if units is None else units
    if number < 2 or not np.isfinite(values).all():
        return nan, 1
    variance = (number - 1) / number * float(((values[1:] - values[0]) ** 2).sum())
    return (sqrt(variance) if variance > _NO_VARIANCE else nan), number - 1


def _jackknife(values: Floats, scale: Scale, units: int | None, level: float) -> tuple[float, float, float]:
    error, freedom = jackknife_error(values, units)
    value = float(values[0])
    if not error > 0:
        return nan, nan, nan
    if scale == "plain":
        return *mean_interval(value, error, freedom, level), error
    if scale == "log":
        if value <= 0:
            return nan, nan, error
        bounds = np.exp(mean_interval(np.log(value), error / value, freedom, level))
        return float(bounds[0]), float(bounds[1]), error
    unit = 100.0 if scale == "percent" else 1.0
    share = value / unit
    if not 0 < share < 1:
        return nan, nan, error
    on_logits = mean_interval(np.log(share / (1 - share)), error / unit / (share * (1 - share)), freedom, level)
    low, high = unit / (1 + np.exp(-np.array(on_logits)))
    return float(low), float(high), error


def over_schools(
    statistic: Statistic,
    schools: Any,
    *,
    scale: Scale | Mapping[str, Scale] = "plain",
    estimand: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Say how sure any statistic of students in schools is.

    Parameters
    ----------
    statistic : callable
        Takes weights of shape (rows, students), 1 for who counts and 0 for who is left out, and returns arrays by name,
        one value for each row. It may be a difference between groups or models: it is then paired over schools.
    schools : sequence
        The school of each student.
    scale : str or mapping of str to str
        Of :func:`jackknife_interval`, for all values or by name (others: ``plain``).
    estimand : str, optional
        What the interval is about; see :func:`estimand_of`.
    level : float
        Confidence level.

    Returns
    -------
    pandas.DataFrame
        ``measure, value, low, high, se, freedom, schools, estimand``, one row for each name.

    Raises
    ------
    DataError
        As :func:`estimand_of`.

    Notes
    -----
    *Schools like these*: the statistic without each school in turn, *t* with schools - 1 degrees. *These schools*: the
    same with parts of the students of every school, so that differences between schools do not count.

    Examples
    --------
    >>> schools, passed = list("AAABBBCCCDDD"), np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1.0])
    >>> found = over_schools(lambda w: {"share": w @ passed / w.sum(axis=1)}, schools, scale="logit")
    >>> found[["measure", "value", "low", "high", "estimand"]].round(3).to_numpy().tolist()
    [['share', 0.75, 0.167, 0.978, 'schools_like_these']]
    """
    labels = np.asarray(schools)
    kind = estimand_of(labels, estimand)
    units = units_of(labels, len(labels), kind)
    rows = []
    for name, values in units.evaluate(statistic).items():
        of_name: Scale = scale if isinstance(scale, str) else scale.get(name, "plain")
        low, high, error = _jackknife(np.asarray(values, dtype=np.float64), of_name, units.present, level)
        rows.append((name, float(values[0]), low, high, error, units.present - 1, len(pd.unique(labels)), kind))
    columns = ["measure", "value", "low", "high", "se", "freedom", "schools", "estimand"]
    return pd.DataFrame(rows, columns=columns)


def _deleted(counts: Floats) -> Floats:
    """Sum counts of all schools, and without each of them."""
    total = counts.sum()
    return np.concatenate([[total], total - counts])


def _share_deleted(successes: Floats, totals: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(_deleted(successes) / _deleted(totals))


def share_over_schools(
    successes: ArrayLike, totals: ArrayLike, estimand: str = LIKE, level: float = 0.95
) -> tuple[float, float]:
    """Interval of a share from the counts of each school.

    Parameters
    ----------
    successes, totals : array
        One count for each school; those without students are left out.
    estimand : str
        ``schools_like_these``: delete one school, logit scale; where no school changes the share (it is 0, 1, or the
        same in all) Wilson's interval with Student's *t*. ``these_schools``: Wilson's, which is a little wide there.
    level : float
        Confidence level.

    Examples
    --------
    >>> [round(bound, 3) for bound in share_over_schools([10, 14, 9], [50, 48, 40])]
    [0.135, 0.387]
    >>> [round(bound, 3) for bound in share_over_schools([0, 0, 0], [50, 48, 40])]
    [0.0, 0.118]
    """
    some, all_ = _with_students(successes, totals)
    whole = (round(float(some.sum())), round(float(all_.sum())))
    if estimand == THESE:
        return wilson(*whole, level)
    if len(all_) < MIN_SCHOOLS:
        return nan, nan
    low, high = jackknife_interval(_share_deleted(some, all_), "logit", level=level)
    if low == low:
        return low, high
    return score_interval(whole[0] / whole[1], whole[1], level, len(all_) - 1)


def difference_over_schools(
    first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike], estimand: str = LIKE, level: float = 0.95
) -> tuple[float, float]:
    """Interval of the difference of two shares, paired over schools.

    Parameters
    ----------
    first, second : pair of arrays
        Successes and totals for each school, the same schools in the same order; a school may have students in one.
    estimand, level
        As for :func:`share_over_schools`; Newcombe's for ``these_schools``, and where no school changes the difference.

    Examples
    --------
    >>> apart = difference_over_schools(([20, 24, 19], [50, 48, 40]), ([10, 14, 9], [50, 48, 40]))
    >>> [round(bound, 3) for bound in apart]
    [0.157, 0.278]
    """
    sums = [round(float(np.sum(counts))) for side in (first, second) for counts in side]
    values, units = _apart(first, second)
    low, high = (nan, nan) if estimand == THESE else jackknife_interval(values, "plain", units, level)
    if low != low and (estimand == THESE or units >= MIN_SCHOOLS):
        return newcombe(sums[0], sums[1], sums[2], sums[3], level)
    return low, high


def ratio_over_schools(
    first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike], estimand: str = LIKE, level: float = 0.95
) -> tuple[float, float, float]:
    """Ratio of two shares with its interval on the scale of logarithms, paired over schools.

    Parameters
    ----------
    first, second, estimand, level
        As for :func:`difference_over_schools`; for ``these_schools`` the interval is that of Katz.

    Examples
    --------
    >>> found = ratio_over_schools(([20, 24, 19], [50, 48, 40]), ([10, 14, 9], [50, 48, 40]))
    >>> [round(value, 2) for value in found]
    [1.91, 1.4, 2.6]
    """
    sums = [round(float(np.sum(counts))) for side in (first, second) for counts in side]
    plain = katz(sums[0], sums[1], sums[2], sums[3], level)
    if estimand == THESE or plain[0] != plain[0]:
        return plain
    values = [_share_deleted(*(np.asarray(counts, dtype=np.float64) for counts in side)) for side in (first, second)]
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = jackknife_interval(values[0] / values[1], "log", _apart(first, second)[1], level)
    return plain[0], low, high


def _apart(first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike]) -> tuple[Floats, int]:
    sides = [[np.asarray(counts, dtype=np.float64) for counts in side] for side in (first, second)]
    there = (sides[0][1] > 0) | (sides[1][1] > 0)
    shares = [_share_deleted(some[there], all_[there]) for some, all_ in sides]
    return shares[0] - shares[1], int(there.sum())


def _with_students(successes: ArrayLike, totals: ArrayLike) -> tuple[Floats, Floats]:
    some, all_ = np.asarray(successes, dtype=np.float64), np.asarray(totals, dtype=np.float64)
    return some[all_ > 0], all_[all_ > 0]


def adjusted_p_values(p_values: ArrayLike) -> Floats:
    """Adjust p-values of a family for the number of its tests (Benjamini and Hochberg 1995); missing stay missing.

    Examples
    --------
    >>> adjusted_p_values([0.01, 0.04, float("nan"), 0.03]).round(3).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    values = np.asarray(p_values, dtype=np.float64)
    known = np.isfinite(values)
    adjusted = np.full(len(values), nan)
    if known.any():
        from scipy.stats import false_discovery_control

        adjusted[known] = false_discovery_control(values[known], method="bh")
    return adjusted


def with_adjusted_p(table: pd.DataFrame, p_value: str = "p_value") -> pd.DataFrame:
    """Put the column ``adjusted_p`` beside the p-values of a table: its rows are the family of tests.

    Examples
    --------
    >>> with_adjusted_p(pd.DataFrame({"p_value": [0.01, 0.04], "n": [9, 8]})).columns.tolist()
    ['p_value', 'adjusted_p', 'n']
    """
    found = table.copy()
    found.insert(list(found.columns).index(p_value) + 1, "adjusted_p", adjusted_p_values(table[p_value]))
    return found


def pooled_shares(successes: ArrayLike, totals: ArrayLike, level: float = 0.95) -> pd.DataFrame:
    """Estimate the share of each school from its own students and from the other schools (partial pooling).

    Parameters
    ----------
    successes, totals : array
        Students with the outcome, and students, of each school (or school and cohort).
    level : float
        Probability of the interval.

    Returns
    -------
    pandas.DataFrame
        ``pooled, pooled_low, pooled_high``, a row for each school in its order; missing where it has no students, and
        everywhere with fewer than three schools.

    Raises
    ------
    DataError
        If a count is below 0 or above its total.

    Notes
    -----
    Beta-binomial model (Griffiths 1973, Biometrics 29: 637-648; Gelman et al. 2013, *Bayesian Data Analysis*, 5.3):
    the shares of schools come from a beta distribution. Before the data its mean is uniform from 0 to 1, and its
    standard deviation, divided by the largest one possible, is half-normal with scale .3: around a common share of .8
    shares of schools that lie .12 apart are usual. Nothing is plugged in: the posterior is integrated over both, so
    that with few schools, which say little of how much schools differ, the intervals are wide.

    Examples
    --------
    >>> pooled_shares([83, 93, 4], [94, 138, 4])["pooled"].round(2).tolist()
    [0.87, 0.69, 0.84]
    """
    x, n = np.asarray(successes, dtype=np.float64), np.asarray(totals, dtype=np.float64)
    if ((x < 0) | (x > n)).any():
        raise DataError("A count is below 0 or above its total. Give successes from 0 to the total of each school.")
    found = np.full((len(n), 3), nan)
    there = n > 0
    if there.sum() >= MIN_SCHOOLS:
        weight, a, b = _beta_posterior(x[there], n[there])
        tails = ((1 - checked_level(level)) / 2, (1 + level) / 2)
        found[there] = [
            _mixed_beta(weight, a + one, b + of - one, tails) for one, of in zip(x[there], n[there], strict=True)
        ]
    return pd.DataFrame(found, columns=list(POOLED))


#: Steps of the integration over the spread of schools, and over their mean.
_SPREADS, _MEANS = 25, 51
#: How far schools usually lie apart, as a part of the farthest possible.
_USUAL_SPREAD = 0.3
#: Points of the integration with less weight than this beside the heaviest are left out.
_LEAST_WEIGHT = 1e-4


def _beta_posterior(x: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
    """Weights of beta distributions, by their parameters, given the counts of schools."""
    from scipy.special import betaln

    common, students = (x.sum() + 0.5) / (n.sum() + 1), n.sum() + 1
    centre, width = np.log(common / (1 - common)), 1 / sqrt(students * common * (1 - common))
    reach = np.arcsinh(10 / width)
    place = np.linspace(-reach, reach, _MEANS)
    mean = 1 / (1 + np.exp(-np.clip(centre + width * np.sinh(place), -30, 30)))
    spread = (np.arange(_SPREADS) + 0.5) / _SPREADS
    concentration = (1 / spread**2 - 1)[:, None]
    a, b = mean * concentration, (1 - mean) * concentration
    likelihood = sum(betaln(a + one, b + of - one) - betaln(a, b) for one, of in zip(x, n, strict=True))
    prior = -0.5 * (spread[:, None] / _USUAL_SPREAD) ** 2
    measure = likelihood + prior + np.log(np.cosh(place)) + np.log(mean) + np.log1p(-mean)
    weight = np.exp(measure - measure.max())
    kept = weight > _LEAST_WEIGHT
    return weight[kept] / weight[kept].sum(), a[kept], b[kept]


def _mixed_beta(weight: Floats, a: Floats, b: Floats, tails: Sequence[float]) -> list[float]:
    """Mean and quantiles of a mixture of beta distributions."""
    from scipy.optimize import brentq
    from scipy.special import betainc

    quantiles = [brentq(lambda at, p=tail: weight @ betainc(a, b, at) - p, 0.0, 1.0, xtol=1e-6) for tail in tails]
    return [float(weight @ (a / (a + b))), *quantiles]


def with_pooled(table: pd.DataFrame, part: str, whole: str, within: Sequence[str] = ()) -> pd.DataFrame:
    """Add the columns of :func:`pooled_shares` to a table with a row for each school, within each of other columns.

    Examples
    --------
    >>> rows = pd.DataFrame({"school_id": list("ABC"), "lost": [9, 1, 2], "students": [60, 50, 5]})
    >>> with_pooled(rows, "lost", "students")["pooled"].round(2).tolist()
    [0.15, 0.05, 0.24]
    """
    groups = table.groupby(list(within), sort=False).groups.values() if within else [table.index]
    parts = [pooled_shares(table.loc[rows, part], table.loc[rows, whole]).set_index(rows) for rows in groups]
    return table.join(pd.concat(parts))
