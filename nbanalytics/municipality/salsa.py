"""A SALSA-style expected merit value for a school's composition, with its prediction interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot, isnan, nan, sqrt

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.intervals import mean_interval
from nbanalytics.municipality.leavers import leavers
from nbanalytics.municipality.official import official_data
from nbanalytics.municipality.views import NOT_APPLICABLE
from nbanalytics.records import StudentRecords
from nbanalytics.results import Row, Settings, Shown

#: SALSA's scale of a parent's education.
LEVELS: Mapping[str, int] = {"compulsory": 1, "upper_secondary": 2, "post_secondary": 3}
#: Immigration in the last four years before leaving year 9.
_NEWLY = "years6-9"


@dataclass(frozen=True, repr=False)
class Salsa(Shown):
    """Schools' mean merit values and those expected from their composition, in the order of the schools and not ranked.

    Attributes
    ----------
    table : pandas.DataFrame
        ``school_id, cohort``; ``students``, ``background`` (share with known parents' education); ``parents_education``
        (1 to 3), ``boys, newly_immigrated`` (shares); ``merit_value``; ``expected`` with its 95 % prediction interval
        ``low, high``; ``residual``; ``within``: whether the merit value lies inside; ``status``: ``ok``,
        ``too_few_students`` (fewer than 15) or ``too_little_background`` (below 75 %, or sex or immigration known of
        nobody), or ``not_applicable`` (no pass line, so no merit value): then nothing is expected.
    settings : mapping
        The equation and ``shift`` of parents' education.
    students : int
    """

    table: pd.DataFrame
    settings: Settings
    students: int

    def _words(self) -> str:
        ok = self.table["status"].eq("ok")
        inside = int(self.table.loc[ok, "within"].sum())
        return (
            f"SALSA's equation of {self.settings['year']} on {int(ok.sum())} of {len(self.table)} schools and years: "
            f"{inside} are within the interval. This is not a ranking"
        )


def salsa_expected(parents_education: float, boys: float, newly_immigrated: float) -> tuple[float, float, float]:
    """Apply SALSA's published equation to one composition.

    Parameters
    ----------
    parents_education : float
        Mean of the parents' education, 1 (at most compulsory) to 3 (post-secondary).
    boys, newly_immigrated : float
        Shares, 0 to 1.

    Returns
    -------
    tuple of float
        Expected merit value (17) and its 95 % prediction interval for a school of that composition.

    Raises
    ------
    DataError
        If a value is outside its range.

    Notes
    -----
    Skolverket, *Beskrivning av SALSA avseende 2015/16*: a regression over 1,443 schools, R² .585, standard error of the
    estimate 17.3. The interval takes the largest uncertainty that the coefficients can have: their covariances are not
    published, so that their standard errors (2.254, 5.230, 8.010), times the distance of the composition from the
    country's means, are added as if they erred together. It adds up to a point at usual compositions.

    Examples
    --------
    Skolverket's means over all pupils:

    >>> [round(value, 1) for value in salsa_expected(2.27, 0.518, 0.050)]
    [229.7, 195.6, 263.7]
    """
    if not 1 <= parents_education <= 3 or not 0 <= boys <= 1 or not 0 <= newly_immigrated <= 1:
        raise DataError(
            "Parents' education is from 1 to 3, the shares of boys and newly immigrated from 0 to 1: "
            f"not {parents_education:g}, {boys:g} and {newly_immigrated:g}",
            "Correct the scale.",
        )
    model = official_data()["salsa"]
    expected = (
        model["constant"]
        + model["parents_education"] * parents_education
        + model["boys"] * boys
        + model["newly_immigrated"] * newly_immigrated
    )
    found = {"parents_education": parents_education, "boys": boys, "newly_immigrated": newly_immigrated}
    of_line = model["standard_error"] / sqrt(model["schools"])
    of_line += sum(error * abs(found[name] - model["means"][name]) for name, error in model["errors"].items())
    low, high = mean_interval(expected, hypot(model["standard_error"], of_line), model["schools"] - 4)
    return expected, low, high


def salsa(records: StudentRecords, shift: float = 0.0) -> Salsa:
    """Compare each school's mean merit value with the one that SALSA's equation expects from its composition.

    Parameters
    ----------
    records : StudentRecords
        With ``school_id, sex``, ``parents_education``, and ``immigration`` or ``newly_arrived`` of students.
    shift : float
        Added to the mean of parents' education. The records know the parent with *more* education, SALSA the mean of
        both: the former lies higher, so that an unshifted expectation is too high. Give the difference as a negative
        number where you know it.

    Returns
    -------
    Salsa
        Education levels are 1, 2 and 3 as in SALSA. Newly immigrated are those with ``immigration`` years 6-9, in their
        first four years here when they leave; without that column those flagged as newly arrived.

    Raises
    ------
    DataError
        If a column is missing.

    Notes
    -----
    See :func:`salsa_expected`. The equation is that of one year: for other years the level of grades differs, and with
    it all residuals together. It says what is usual, not what a school is worth: it is not for ranking.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> table = salsa(records, shift=-0.2).table
    >>> table[["school_id", "merit_value", "expected", "within"]].round(1).to_numpy().tolist()
    [['S1', 244.7, 241.7, True], ['S2', 187.2, 220.8, True], ['S3', 245.4, 253.6, True]]
    """
    people = leavers(records)
    needed = ["school_id", "sex", "parents_education"]
    absent = [name for name in needed if name not in people.columns]
    newly = "immigration" if "immigration" in people.columns else "newly_arrived"
    if absent or newly not in people.columns:
        lacking = ", ".join(absent or ["immigration or newly_arrived"])
        raise DataError(
            f"SALSA needs {lacking} in the table students", "Add the missing columns; there is no substitute."
        )
    people["_education"] = people["parents_education"].map(dict(LEVELS)) + shift
    flag = people[newly].eq(_NEWLY if newly == "immigration" else True)
    people["_newly"] = flag.where(people[newly].notna()).astype(float)
    schools = people.groupby(["school_id", "cohort"], dropna=False)
    rows = [{"school_id": school, "cohort": cohort, **_school(part)} for (school, cohort), part in schools]
    table = pd.DataFrame(rows).astype({"within": "boolean"})
    return Salsa(table, {**official_data()["salsa"], "shift": shift, "newly_immigrated_by": newly}, len(people))


def _school(part: pd.DataFrame) -> Row:
    model, merit = official_data()["salsa"], part.loc[part["n_passed"] > 0, "merit_value"].astype(float)
    found: Row = {
        "students": len(part),
        "background": float(part["_education"].notna().mean()),
        "parents_education": float(part["_education"].mean()),
        "boys": float(part["sex"].dropna().eq("boy").mean()),
        "newly_immigrated": float(part["_newly"].mean()),
        "merit_value": float(merit.mean()) if len(merit) else nan,
    }
    empty = {"expected": nan, "low": nan, "high": nan, "residual": nan, "within": None}
    if part["n_passed"].isna().all():
        return {**found, **empty, "status": NOT_APPLICABLE}
    if len(part) < model["least_students"]:
        return {**found, "merit_value": nan, **empty, "status": "too_few_students"}
    if found["background"] < model["least_background"] or isnan(found["boys"]) or isnan(found["newly_immigrated"]):
        return {**found, **empty, "status": "too_little_background"}
    composition = min(max(found["parents_education"], 1.0), 3.0), found["boys"], found["newly_immigrated"]
    expected, low, high = salsa_expected(*composition)
    return {
        **found,
        "expected": expected,
        "low": low,
        "high": high,
        "residual": found["merit_value"] - expected,
        "within": low <= found["merit_value"] <= high,
        "status": "ok",
    }
