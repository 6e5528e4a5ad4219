"""Measures of a simulated population for the targets, computed from its arrays for speed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.stats import rankdata

from nbanalytics.simulation.model import AT, CORE, NOT_COMPARABLE, Population, points_of
from nbanalytics.simulation.parameters import ADAPTED, END, START, STRECK
from nbanalytics.simulation.students import YEARS1_5, YEARS6_9, Bools, Floats

#: Subjects whose grades of year 6 and year 9 can be compared.
COMPARED = tuple(at for name, at in AT.items() if at not in NOT_COMPARABLE and name not in ("NO", "SO"))


def per_cent(part: Bools, of: Bools) -> float:
    """Share of ``of`` that is also ``part``, in per cent."""
    return float(100 * (part & of).sum() / of.sum())


def merit(population: Population, term: int = END) -> Floats:
    """Merit value of each pupil: the sixteen best and the modern language; NaN without a single pass."""
    points = np.nan_to_num(points_of(population.grades[:, term]))
    language = points[:, AT["M2"]].copy()
    points[:, AT["M2"]] = 0
    value = np.sort(points, axis=1)[:, -16:].sum(axis=1) + language
    return np.where((population.grades[:, term] > 0).any(axis=1), value, np.nan)


def leavers(population: Population) -> Bools:
    """Pupils with grades in 9VT."""
    return population.seen[:, END]


def share_eligible(population: Population, who: Bools | None = None) -> float:
    """Share eligible in 9VT of those in year 9, per cent."""
    of = leavers(population)
    return per_cent(population.eligible[:, END], of if who is None else of & who)


def passed_all(population: Population) -> float:
    """Share who passed every subject they have in 9VT, per cent."""
    grades = population.grades[:, END]
    lacking = np.asarray(((grades <= 0) & (grades >= ADAPTED)).any(axis=1))
    return per_cent(~lacking, leavers(population))


def both_years(population: Population) -> Bools:
    """Pupils with grades in both 6VT and 9VT."""
    return population.seen[:, START] & population.seen[:, END]


def fail_again(population: Population, subject: str, sva: bool | None = None) -> float:
    """Of those with F in 6VT and a grade or streck in 9VT, the share without a pass in the same subject in 9VT."""
    first, last = population.grades[:, START, AT[subject]], population.grades[:, END, AT[subject]]
    of = (first == 0) & (last >= STRECK)
    if sva is not None:
        of &= population.background.reads_sva == sva
    return per_cent(last <= 0, of)


def fails_kept(population: Population, several: bool) -> float:
    """Share with at least one F in 9VT among those with one F, or with several, in 6VT."""
    first = (population.grades[:, START] == 0).sum(axis=1)
    of = both_years(population) & ((first >= 2) if several else (first == 1))
    last = population.grades[:, END]
    return per_cent(((last == 0) | (last == STRECK)).any(axis=1), of)


def without_pass(population: Population, subject: str) -> float:
    """Share with F or streck in a subject in 9VT, per cent."""
    grades = population.grades[:, END, AT[subject]]
    return per_cent(grades <= 0, grades >= STRECK)


def directions(population: Population) -> tuple[float, float, float]:
    """Shares of single grades that went up, stayed and went down from 6VT to 9VT, per cent of the pairs."""
    first, last = (population.grades[:, term][:, COMPARED].astype(int) for term in (START, END))
    pair = (first >= 0) & (last >= 0)
    step = (last - first)[pair]
    return tuple(float(100 * part.mean()) for part in (step > 0, step == 0, step < 0))  # type: ignore[return-value]


def subject_correlations(population: Population) -> dict[str, float]:
    """Correlation of grade points 6VT and 9VT by subject."""
    found = {}
    for name, at in AT.items():
        if at in COMPARED:
            first, last = (points_of(population.grades[:, term, at]) for term in (START, END))
            pair = np.isfinite(first) & np.isfinite(last)
            if pair.sum() > 50:
                found[name] = float(np.corrcoef(first[pair], last[pair])[0, 1])
    return found


def mean_correlation(population: Population) -> float:
    """Correlation of mean grade points 6VT and 9VT."""
    means = population.mean_points
    first, last = means[:, START], means[:, END]
    pair = np.isfinite(first) & np.isfinite(last)
    return float(np.corrcoef(first[pair], last[pair])[0, 1])


def immigrated(population: Population, late: bool) -> Bools:
    """Pupils who immigrated in years 1-5, or late: in years 6-9."""
    return np.asarray(population.background.immigration == (YEARS6_9 if late else YEARS1_5))


def salsa(populations: Iterable[Population]) -> dict[str, float]:
    """Regress the schools' mean merit value on parents' education, boys and newly arrived, as SALSA does.

    A school counts once for each cohort; with fewer than 15 pupils it is left out. Returns the coefficients,
    R² and the residual standard error.
    """
    rows = np.vstack([_school_means(population) for population in populations])
    x, y = np.column_stack([np.ones(len(rows)), rows[:, :3]]), rows[:, 3]
    beta, *_ = np.linalg.lstsq(x, y, rcond=None)
    residual = y - x @ beta
    return {
        "constant": float(beta[0]),
        "education": float(beta[1]),
        "boys": float(beta[2]),
        "newly_arrived": float(beta[3]),
        "r2": float(1 - residual.var() / y.var()),
        "se": float(np.sqrt((residual**2).sum() / (len(y) - 4))),
    }


def _school_means(population: Population) -> Floats:
    """Mean parents' level, share of boys, share newly arrived and mean merit value of each school."""
    b, value = population.background, merit(population)
    counted = leavers(population) & np.isfinite(value)
    size = np.bincount(b.school[counted], minlength=b.school.max() + 1)
    large = size >= 15
    columns = (b.parents_mean, ~b.girl, b.newly_arrived, value)
    sums = [np.bincount(b.school[counted], weights=c[counted], minlength=len(size)) for c in columns]
    return np.asarray(np.column_stack(sums)[large] / size[large, None], dtype=np.float64)


def auc(score: Floats, event: Bools) -> float:
    """Area under the ROC curve: the share of concordant pairs of one with the event and one without."""
    rank = rankdata(score)
    n1 = int(event.sum())
    n0 = len(event) - n1
    return float((rank[event].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def prediction(population: Population) -> tuple[float, float]:
    """AUC for losing eligibility by 9VT among those eligible in 6VT, from what is known in 6VT.

    First from mean grade points alone; then from a logistic score on the grades of three subjects, the mean,
    the passes and the absence of year 6, fitted on one half of the pupils and evaluated on the other.
    """
    g = population.grades
    at_risk = both_years(population) & population.eligible[:, START]
    event = ~population.eligible[at_risk, END]
    mean = population.mean_points[at_risk, START]
    core = np.nan_to_num(points_of(g[at_risk, START][:, CORE]))
    total = population.absence.total[at_risk]
    x = np.column_stack(
        [mean, core, (g[at_risk, START] > 0).sum(axis=1), total[:, 0], total[:, 1], np.minimum(total[:, 1], 10)]
    ).astype(float)
    x = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / x.std(axis=0)])
    train = np.arange(len(x)) % 2 == 0
    beta = _logistic(x[train], event[train])
    return auc(-mean, event), auc(x[~train] @ beta, event[~train])


def _logistic(x: Floats, y: Bools) -> Floats:
    beta = np.zeros(x.shape[1])
    for _ in range(12):
        mu = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        hessian = (x * (mu * (1 - mu))[:, None]).T @ x + 1e-6 * np.eye(x.shape[1])
        beta = beta + np.linalg.solve(hessian, x.T @ (y - mu))
    return beta
