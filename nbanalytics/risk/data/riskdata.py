"""One row per student at a prediction point: what was known then, what came of it, and checks against leakage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, nan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.declaration import Declaration
from nbanalytics.errors import DataError, LeakageError, refuse_unknown
from nbanalytics.frames import as_names
from nbanalytics.results import Shown
from nbanalytics.risk.data.asof import refuse_future
from nbanalytics.risk.evaluation.auc import tied, weighted_auc
from nbanalytics.risk.evaluation.scores import numbers_of

#: Columns of a risk table that are not features.
KEYS = ("student_id", "cohort", "school_id", "y")
#: The school of students whose school is not known.
UNKNOWN_SCHOOL = "unknown"


@dataclass(frozen=True, repr=False)
class RiskData(Shown):
    """Students at one prediction point, with features that were known then and an outcome that came later.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per student: ``student_id, cohort, school_id``, ``y`` (1 the outcome happened, 0 it did not), the
        features (numbers; missing stays missing), and the sensitive columns as text.
    features : tuple of str
        Columns that a model may use.
    at : str
        The prediction point: no feature was known later than this term.
    outcome, observed_at : str
        Name of the outcome, see :func:`nbanalytics.risk.outcome`, and the term in which it is known.
    sensitive : tuple of str
        Columns for the audit (``sex``, ``newly_arrived``, ...); models use them only after :meth:`with_sensitive`.
    known : mapping of str to str
        The term in which each feature was known.
    gap_years : int
        Whole years from the features to the outcome: a model for cohort *c* can have learnt from cohorts up to
        *c - gap_years* only.
    left_out : pandas.DataFrame
        Students without a row: ``cohort, reason, students``.
    settings : mapping
        What else was chosen; ``terms``: all terms in order, and ``family``: the family of each feature, if known.
    periods : pandas.DataFrame, optional
        For outcomes with a date, the person-periods after ``at``: see :func:`nbanalytics.risk.periods_at_risk`.

    Raises
    ------
    DataError
        If a column is missing, a student occurs twice or has no school, or an outcome is neither 0 nor 1.

    Examples
    --------
    >>> table = pd.DataFrame({"student_id": ["P1", "P2"], "cohort": 2018, "school_id": "S1", "y": [0, 1],
    ...                       "points": [14.0, 9.5], "sex": ["girl", "boy"]})
    >>> data = RiskData(table, ("points",), "6VT", "not_eligible", "9VT", sensitive=("sex",))
    >>> data.only(data.table["points"] > 10).y
    array([0])
    >>> data.with_sensitive().features
    ('points', 'sex_girl')
    """

    table: pd.DataFrame
    features: tuple[str, ...]
    at: str
    outcome: str
    observed_at: str
    sensitive: tuple[str, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)
    gap_years: int = 0
    left_out: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["cohort", "reason", "students"]))
    settings: Mapping[str, Any] = field(default_factory=dict)
    periods: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        _refuse_unusable(self.table, (*KEYS, *self.features, *self.sensitive))

    @property
    def X(self) -> pd.DataFrame:
        """``school_id`` and the features by ``student_id``; a model picks the columns that it uses."""
        return self.table.set_index("student_id")[["school_id", *self.features]]

    @property
    def y(self) -> NDArray[np.int64]:
        """The outcome, 0 or 1."""
        return self.table["y"].to_numpy(dtype=np.int64)

    @property
    def groups(self) -> pd.DataFrame:
        """The sensitive columns and ``school_id``, for an audit."""
        return self.table[["school_id", *self.sensitive]]

    @property
    def schools(self) -> NDArray[np.object_]:
        """The school of each student, the cluster of standard errors and bootstraps."""
        return self.table["school_id"].to_numpy(dtype=object)

    @property
    def cohorts(self) -> NDArray[np.int64]:
        """The cohort of each student."""
        return self.table["cohort"].to_numpy(dtype=np.int64)

    def __len__(self) -> int:
        return len(self.table)

    def only(self, mask: Any) -> RiskData:
        """Keep the students for whom ``mask`` (booleans, one per row) holds."""
        kept = self.table[np.asarray(mask, dtype=bool)].reset_index(drop=True)
        return replace(self, table=kept)

    def with_features(self, features: Sequence[str]) -> RiskData:
        """Use these features only; raise a DataError if one of them is not a column of the table."""
        features = as_names(features)
        absent = [name for name in features if name not in self.table.columns or name in KEYS]
        if absent:
            raise DataError(
                f"There is no feature {', '.join(absent)}", f"Choose among: {', '.join(sorted(self.features))}."
            )
        return replace(self, features=features)

    def with_sensitive(self, names: Sequence[str] | None = None) -> RiskData:
        """Let models use sensitive columns: each value but the first, and missing, becomes a feature of 0 and 1."""
        wanted = self.sensitive if names is None else as_names(names)
        refuse_unknown("There is no sensitive column", wanted, self.sensitive)
        coded = {}
        for name in wanted:
            values = self.table[name]
            for value in sorted(values.dropna().unique())[1:]:
                coded[f"{name}_{value}"] = (values == value).fillna(False).astype(float)
            if values.isna().any():
                coded[f"{name}_missing"] = values.isna().astype(float)
        known = {**self.known, **dict.fromkeys(coded, self.at)}
        return replace(self, table=self.table.assign(**coded), features=(*self.features, *coded), known=known)

    def _words(self) -> str:
        return (
            f"{self.outcome} ({self.observed_at}) from {self.at}: {len(self)} students, "
            f"{int(self.table['y'].sum())} with the outcome, {len(self.features)} features, "
            f"{int(self.left_out['students'].sum())} students left out"
        )


def _refuse_unusable(table: Any, needed: Sequence[str]) -> None:
    if not isinstance(table, pd.DataFrame):
        raise DataError("The table is not a pandas table", "Give table.to_pandas().")
    absent = [name for name in dict.fromkeys(needed) if name not in table]
    if absent:
        raise DataError(
            f"The table has no column {', '.join(absent)}", f"It has: {', '.join(map(str, table.columns))}."
        )
    faults = {
        "students come twice. Give one row per student": table["student_id"].duplicated(),
        "students have no school. Fill in a name such as 'unknown'": table["school_id"].isna(),
        "outcomes are neither 0 nor 1. Leave out those whose outcome is not known": ~table["y"].isin((0, 1)),
    }
    for words, faulty in faults.items():
        if faulty.any():
            raise DataError(f"{int(faulty.sum())} of {len(table)} {words}.")


def horizon_years(terms: Sequence[str], at: str, observed_at: str) -> float:
    """Return the years from one term to a later one; anything else counts as one term after the last.

    Terms of one school year begin with the same number (``6HT, 6VT``); terms without numbers are all of one year.

    Examples
    --------
    >>> horizon_years(("6HT", "6VT", "7HT", "7VT", "8HT", "8VT", "9HT", "9VT"), "7HT", "9VT")
    2.5
    """
    years = pd.Series(list(terms)).str.extract(r"^(\d+)")[0]
    per_year = len(terms) if years.isna().any() else int(years.value_counts().max())
    later = terms.index(observed_at) if observed_at in terms else len(terms)
    return (later - terms.index(at)) / per_year


def years_between(terms: Sequence[str], at: str, observed_at: str) -> int:
    """Return the whole years, rounded up, of :func:`horizon_years`.

    Examples
    --------
    >>> years_between(("G1", "G2", "G3"), "G1", "G3")
    1
    """
    return ceil(horizon_years(terms, at, observed_at))


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
