"""The ladder with validation and audit, and models of a million person-periods beside statsmodels.

Run: python benchmarks/risk.py [--students 300] [--cohorts 8] [--periods 1000000] [--plain 200000]
First the whole ladder on simulated cohorts: data, validation in time, comparison, audit, each timed, with progress.
Then logit and hazard (logit and cloglog, errors clustered by school) on person-periods, beside statsmodels' GLM on the
first ``--plain`` of the same rows; prints the ratio and the largest difference of a coefficient.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

from nbanalytics.errors import EstimationWarning
from nbanalytics.risk import Hazard, Logit, audit, dataset, ladder, validate
from nbanalytics.simulation import simulate


@contextmanager
def timed(what: str, found: dict[str, float]) -> Iterator[None]:
    """Time a step, wall clock and processor."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    found[what] = time.perf_counter() - wall
    print(f"{what:32} {found[what]:7.1f} s, processor {time.process_time() - processor:7.1f} s", flush=True)


def whole_ladder(students: int, cohorts: int) -> None:
    """Time the ladder with validation and audit on a simulated municipality."""
    print(f"The ladder on {cohorts} cohorts of about {students} students")
    records = simulate(seed=1, cohorts=range(2026 - cohorts, 2026), students_per_cohort=students).records
    spent: dict[str, float] = {}
    with timed("features and outcome", spent):
        data = dataset(records, "lost", "6VT")
    with timed("validation", spent):
        found = validate(data, ladder)
    with timed("comparison", spent):
        found.compare()
    with timed("audit", spent):
        audit(found, data)
    print(f"{len(data)} students, {len(found.models)} models: {sum(spent.values()):.1f} s in all (budget 120 s)\n")


def person_periods(rows: int, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw person-periods of six terms with absence that varies, and who loses eligibility in them."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"school_id": rng.integers(0, 400, rows), "t": rng.integers(1, 7, rows)})
    for name in ("points", "absence_valid", "absence_invalid", "test_points", "n_failed", "moved_in"):
        X[name] = rng.standard_normal(rows)
    score = -3 + 0.1 * X["t"] - 0.7 * X["points"] + 0.3 * X["absence_invalid"]
    return X, (rng.random(rows) < 1 / (1 + np.exp(-score))).to_numpy(dtype=float)


def million(rows: int, plain: int) -> None:
    """Time logit and hazard on many person-periods, beside statsmodels on as many of them as asked for."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.families.links import CLogLog
    from statsmodels.genmod.families.links import Logit as LogitLink
    from statsmodels.genmod.generalized_linear_model import GLM

    print(f"{rows:,} person-periods, eight or more coefficients, 400 schools; statsmodels on {plain:,}")
    X, y = person_periods(rows)
    spent: dict[str, float] = {}
    with timed("logit", spent):
        Logit().fit(X.drop(columns="t"), y)

    for link in ("logit", "cloglog"):
        with timed(f"hazard, {link}", spent):
            Hazard(link).fit(X, y)
    print(f"{sum(spent.values()):.1f} s in all (budget 30 s)")
    few, events = X.iloc[:plain], y[:plain]
    for link, family in (("logit", Binomial(LogitLink())), ("cloglog", Binomial(CLogLog()))):
        with timed(f"hazard, {link}, {plain:,} rows", spent):
            own = Hazard(link).fit(few, events)
        steps = pd.get_dummies(few["t"], prefix="t", dtype=float)
        design = np.column_stack([steps, few.drop(columns=["school_id", "t"])])
        with timed(f"statsmodels, {link}", spent):
            theirs = GLM(events, design, family=family).fit(
                cov_type="cluster", cov_kwds={"groups": few["school_id"].to_numpy()}
            )
        ratio = spent[f"statsmodels, {link}"] / spent[f"hazard, {link}, {plain:,} rows"]
        apart = float(np.abs(own.coefficients_ - theirs.params).max())
        print(f"{link}: statsmodels takes {ratio:.1f} times as long; coefficients differ by {apart:.1e} at most")


def main() -> None:
    """Run both benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=300)
    parser.add_argument("--cohorts", type=int, default=8)
    parser.add_argument("--periods", type=int, default=1_000_000)
    parser.add_argument("--plain", type=int, default=200_000)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore", EstimationWarning)
    whole_ladder(chosen.students, chosen.cohorts)
    million(chosen.periods, chosen.plain)


if __name__ == "__main__":
    main()
