"""How much of the ups and downs chance alone would give: regression to the mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import narwhals as nw
import numpy as np
import pandas as pd

from nbanalytics.analysis.cohorts.classify import Classification
from nbanalytics.eligibility import points_expr
from nbanalytics.errors import DataError
from nbanalytics.frames import NOISE, Frame, any_of, collect
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.students import grades_by_scale

_BANDS = ("lowest third", "middle third", "highest third")


@dataclass(frozen=True, repr=False)
class ChanceCheck(Shown):
    """Observed changes beside those expected if no student's level changed but for the cohort's common shift.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per third of the start points and one for ``all``: ``band, students, mean_change,
        expected_change, raised, expected_raised, lowered, expected_lowered``; counts are students, changes are
        mean grade points.
    reliability : float
        Of a student's mean grade points at the start, 0 to 1.
    threshold : float
        Changes of at most this size count as neither raised nor lowered.
    students : int
    """

    table: pd.DataFrame
    reliability: float
    threshold: float
    students: int

    def _words(self) -> str:
        total = self.table.iloc[-1]
        return (
            f"Of {self.students} students {int(total['raised'])} raised and {int(total['lowered'])} lowered their mean "
            f"grade points; had all shared the mean change of {total['mean_change']:+.2f}, chance alone would give "
            f"{total['expected_raised']:.0f} and {total['expected_lowered']:.0f} (reliability {self.reliability:.2f})"
        )


def expected_by_chance(records: StudentRecords, classification: Classification) -> ChanceCheck:
    """Compare the observed changes with those that regression to the mean and chance would give alone.

    A student's grades in a term are taken as a sample of what the student's level would give: the mean of *k*
    grades has the error variance ``within / k``, where ``within`` is the variance of grades around the students'
    own means. If nobody's level changed except for a shift common to the cohort, a student who starts at ``x``
    ends around ``mean + shift + reliability * (x - mean)``: those who start high go down, those who start low go up.

    Parameters
    ----------
    records : StudentRecords
    classification : Classification
        Of the same records.

    Returns
    -------
    ChanceCheck

    Raises
    ------
    DataError
        If fewer than 10 students have points in both terms, or their grades do not vary.

    Notes
    -----
    What of a grade differs from the student's mean, and does so in the same subject in both terms, lasts and is not an
    error: the covariance of these residuals is taken from their variance. With as many grades in both terms a mean
    moves in steps, so that raised and lowered are counted from half a step (continuity).

    One-way random-effects variance components (Searle, Casella & McCulloch 1992, ch. 3) and the conditional
    normal distribution of a second measurement (Davis 1976, Am. J. Epidemiol. 104:493-498). Grades are not
    independent samples of a level: the answer is a yardstick, not a test.

    Examples
    --------
    >>> from nbanalytics.analysis.cohorts import classify
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> check = expected_by_chance(records, classify(records))
    >>> check.table["band"].tolist()
    ['lowest third', 'middle third', 'highest third', 'all']
    """
    start, end = _spread(records, classification.start), _spread(records, classification.end)
    both = start.add_suffix("_start").join(end.add_suffix("_end"), how="inner")
    if len(both) < 10:
        raise DataError(
            f"Only {len(both)} students have grade points in both {classification.start} and {classification.end}; "
            "10 are needed to say what chance would give",
            "Take more cohorts together.",
        )
    within = _error_variance(both, _lasting_variance(records, classification.start, classification.end))
    x, y = both["mean_start"].to_numpy(), both["mean_end"].to_numpy()
    error_start = within["start"] / both["n_start"].to_numpy()
    error_end = within["end"] / both["n_end"].to_numpy()
    level = max(float(np.var(x, ddof=1) - error_start.mean()), 0.0)
    if level == 0.0:
        raise DataError("The students' mean grade points do not differ beyond chance: there is no level to regress to.")
    reliability = level / (level + error_start)
    expected = (y.mean() - x.mean()) - (1 - reliability) * (x - x.mean())
    spread = np.sqrt(level * (1 - reliability) + error_end)
    step = np.where(both["n_start"] == both["n_end"], _smallest_step(records) / both["n_start"], 0.0)
    return ChanceCheck(
        table=_by_band(x, y - x, expected, spread, (classification.rule.threshold, step / 2)),
        reliability=float(reliability.mean()),
        threshold=classification.rule.threshold,
        students=len(both),
    )


def _pointed(records: StudentRecords) -> Iterator[Frame]:
    """Yield the comparable grades that have points, those of each scale together."""
    for grading, grades in grades_by_scale(records):
        comparable = grades.filter(~any_of(nw.col("subject"), grading.not_comparable))
        yield comparable.with_columns(points=points_expr(grading.scale)).filter(~nw.col("points").is_null())


def _spread(records: StudentRecords, term: str) -> pd.DataFrame:
    """Per student: how many comparable grades in the term, their mean and mean square."""
    parts = []
    for pointed in _pointed(records):
        summed = (
            pointed.filter(nw.col("term") == term)
            .with_columns(square=nw.col("points") * nw.col("points"))
            .group_by("student_id")
            .agg(
                nw.col("points").count().alias("n"),
                nw.col("points").mean().alias("mean"),
                nw.col("square").mean().alias("square"),
            )
        )
        parts.append(collect(summed))
    return pd.concat(parts).set_index("student_id").astype(float).sort_index()


def _lasting_variance(records: StudentRecords, start: str, end: str) -> float:
    """Covariance over the two terms of what a grade differs from the student's mean, in the same subject."""
    products, freedom = 0.0, 0.0
    keys = ["student_id", "subject"]
    for pointed in _pointed(records):
        first, second = (
            pointed.filter(nw.col("term") == term).select(*keys, nw.col("points").alias(name))
            for term, name in ((start, "x"), (end, "y"))
        )
        pairs = first.join(second, on=keys, how="inner").with_columns(xy=nw.col("x") * nw.col("y"))
        counted = pairs.group_by("student_id").agg(
            nw.len().alias("n"), *(nw.col(name).sum() for name in ("x", "y", "xy"))
        )
        sums = collect(counted).drop(columns="student_id").astype(float)
        products += float((sums["xy"] - sums["x"] * sums["y"] / sums["n"]).sum())
        freedom += float((sums["n"] - 1).sum())
    return products / freedom if freedom else 0.0


def _smallest_step(records: StudentRecords) -> float:
    """The smallest difference between two grades in points."""
    points = [sorted({*records.declaration.grading(cohort).scale.points.values()}) for cohort in records.cohorts()]
    return min(float(min(np.diff(values))) for values in points)


def _error_variance(both: pd.DataFrame, lasting: float) -> dict[str, float]:
    """Variance of a grade that is error: within students, less what lasts in a subject."""
    variances = {}
    for end in ("start", "end"):
        n = both[f"n_{end}"]
        squares = (n * (both[f"square_{end}"] - both[f"mean_{end}"] ** 2)).sum()
        variances[end] = max(float(squares / max((n - 1).sum(), 1)) - max(lasting, 0.0), 0.0)
    return variances


def _by_band(
    x: np.ndarray, change: np.ndarray, expected: np.ndarray, spread: np.ndarray, limits: tuple[float, np.ndarray]
) -> pd.DataFrame:
    from scipy.special import ndtr

    threshold, half = limits

    # Without an error of measurement a change is certain: the normal distribution collapses to a step.
    scale = np.maximum(spread, 1e-12)
    frame = pd.DataFrame(
        {
            "band": pd.qcut(pd.Series(x).rank(method="first"), 3, labels=list(_BANDS)).astype(str),
            "students": 1,
            "mean_change": change,
            "expected_change": expected,
            "raised": change > threshold + NOISE,
            "expected_raised": ndtr((expected - threshold - half) / scale),
            "lowered": change < -threshold - NOISE,
            "expected_lowered": ndtr((-threshold - half - expected) / scale),
        }
    )
    how = {name: "mean" if name.endswith("_change") else "sum" for name in frame.columns[1:]}
    bands = frame.groupby("band").agg(how).reindex(list(_BANDS))
    total = frame.drop(columns="band").agg(how).to_frame("all").T
    table = pd.concat([bands, total]).rename_axis("band").reset_index()
    return table.astype({"students": int, "raised": int, "lowered": int})
