"""Published flags and models, to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pandas as pd

from nbanalytics.declaration import Declaration
from nbanalytics.risk.data.riskdata import horizon_years
from nbanalytics.risk.evaluation.validation import Validation
from nbanalytics.toml_files import packaged_toml


def published_flags() -> pd.DataFrame:
    """Return the sensitivity and specificity of published flags of later dropout.

    Returns
    -------
    pandas.DataFrame
        One row per flag: ``study, flag, kind`` (attendance, behaviour, course performance, growth model, ...),
        ``grade`` (in which the flag was seen), ``students``, ``base_rate`` (share that dropped out), ``precision,
        sensitivity, specificity``, and ``fpr``, 1 - specificity.

    Notes
    -----
    A selection from the 110 flags of Bowers, Sprott and Taff (2013), The High School Journal 96(2): 77-100. They
    concern dropout from upper secondary school in North America: a guide to orders of magnitude, not to Swedish
    eligibility.

    Examples
    --------
    >>> flags = published_flags()
    >>> flags.loc[flags["study"].str.startswith("Muth"), ["flag", "sensitivity", "fpr"]].to_numpy().tolist()
    [['growth mixture model of mathematics tests', 0.896, 0.068]]
    """
    flags = pd.DataFrame(_published()["flags"])
    return flags.assign(fpr=(1 - flags["specificity"]).round(3))


def published_aucs() -> pd.DataFrame:
    """Return published areas under the ROC curve by horizon.

    Returns
    -------
    pandas.DataFrame
        ``study, country, outcome, data`` (what was known), ``horizon_years`` (from the last data to the usual end of
        what is predicted), ``auc, source``.

    Examples
    --------
    >>> published_aucs()[["country", "horizon_years", "auc"]]
       country  horizon_years    auc
    0  Finland           6.00  0.610
    1  Finland           3.00  0.650
    2  Denmark           0.25  0.965
    """
    return pd.DataFrame(_published()["models"])


def auc_by_point(
    validation: Validation, terms: Sequence[str] | None = None, *, estimand: str | None = None
) -> pd.DataFrame:
    """Return the AUC of each model by how long before the outcome it was predicted, to compare with published ones.

    Parameters
    ----------
    validation : Validation
        Of one or several prediction points.
    terms : sequence of str, optional
        All terms in order; by default those of the records that the data were made from.
    estimand
        As for :func:`nbanalytics.risk.measures`.

    Returns
    -------
    pandas.DataFrame
        ``model, at, horizon_years`` (from the prediction point to the term in which the outcome is known), ``auc, low,
        high``.

    Examples
    --------
    >>> rows = pd.DataFrame({"student_id": range(80), "cohort": 2021, "school_id": list("ABCDE") * 16, "model": "m",
    ...                      "fold": "2021", "y": [1, 0, 0, 0] * 20, "p": [0.4, 0.3, 0.2, 0.5] * 20, "at": "6VT"})
    >>> settings = {"models": ("m",), "at": ("6VT",), "observed_at": "9VT", "scheme": "cohorts"}
    >>> auc_by_point(Validation(rows, pd.DataFrame(), settings))[["model", "at", "horizon_years", "auc"]]
      model   at  horizon_years       auc
    0     m  6VT            3.0  0.666667
    """
    order = tuple(terms or validation.settings.get("terms") or Declaration().terms)
    found = validation.compare(estimand=estimand)
    found = found[found["measure"] == "auc"].rename(columns={"value": "auc"})
    years = {at: horizon_years(order, at, validation.settings["observed_at"]) for at in validation.settings["at"]}
    found = found.assign(horizon_years=found["at"].map(years))
    return found[["model", "at", "horizon_years", "auc", "low", "high"]].reset_index(drop=True)


@cache
def _published() -> dict[str, Any]:
    return packaged_toml("nbanalytics.risk.evaluation", "yardstick.toml")
