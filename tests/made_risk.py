"""A made risk table with planted truth, and plain estimators."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nbanalytics.risk.data.riskdata import RiskData


def made_data(cohorts=range(2016, 2024), students=120, schools=6, seed=1, at="6VT", gap_years=3, bias=0.0):
    """Students whose chance of the outcome is a logit of points and absence, known exactly as ``chance``.

    ``bias`` is how many points lower the boys' grades are than what the outcome depends on.
    """
    rng = np.random.default_rng(seed)
    n = len(cohorts) * students
    ability, absence = rng.normal(0, 1, n), rng.gamma(2, 3, n)
    school = rng.integers(0, schools, n)
    logit = -2.2 - 1.0 * ability + 0.12 * absence + np.linspace(-0.4, 0.4, schools)[school]
    chance = 1 / (1 + np.exp(-logit))
    boy = rng.random(n) < 0.5
    table = pd.DataFrame(
        {
            "student_id": [f"P{number}" for number in range(n)],
            "cohort": np.repeat(list(cohorts), students),
            "school_id": [f"S{number}" for number in school],
            "y": (rng.random(n) < chance).astype(int),
            "points": 13 + 2 * ability - bias * boy,
            "absence": absence,
            "sex": np.where(boy, "boy", "girl"),
            "newly_arrived": np.where(rng.random(n) < 0.06, "yes", "no"),
            "chance": chance,
        }
    )
    known = {"points": at, "absence": at}
    return RiskData(table, tuple(known), at, "not_eligible", "9VT", ("sex", "newly_arrived"), known, gap_years)


def logit(*features):
    """A logistic regression on some features, with everything it learns inside."""
    columns = ColumnTransformer([("features", make_pipeline(SimpleImputer(), StandardScaler()), list(features))])
    return make_pipeline(columns, LogisticRegression())
