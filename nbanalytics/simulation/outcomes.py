"""Outcomes after year 9: programme, summer school, diploma; unknown if still in the future."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.simulation.measures import merit
from nbanalytics.simulation.model import CORE, Population
from nbanalytics.simulation.parameters import END
from nbanalytics.simulation.students import BORN, YEARS6_9, Bools, Floats, Ints

PREPARATORY = ("NA", "SA", "EK", "TE", "ES")
VOCATIONAL = ("BA", "BF", "EE", "FT", "HA", "VO", "IN", "RL")
PREPARATORY_SHARES = (0.24, 0.31, 0.24, 0.14, 0.07)
VOCATIONAL_SHARES = (0.15, 0.14, 0.22, 0.14, 0.10, 0.11, 0.07, 0.07)
COLUMNS = (
    "programme",
    "programme_kind",
    "eligible_after_summer",
    "changed_programme",
    "diploma_3y",
    "im_to_national",
    "diploma_5y",
)
Texts = NDArray[np.object_]


def draw_outcomes(
    rng: np.random.Generator, population: Population, as_of: int, labels: Texts | None = None
) -> pd.DataFrame:
    """Draw each pupil's outcomes, one row each in the population's order; drop those who moved before 9VT.

    Parameters
    ----------
    rng : numpy.random.Generator
    population : Population
    as_of : int
        The autumn of the records: later outcomes are missing.
    labels : ndarray of str, optional
        For the 2018 cohort: each pupil's part in Karlskoga's account, see ``karlskoga``.
    """
    eligible = population.eligible[:, END]
    points = np.nan_to_num(merit(population))
    after = eligible | (rng.random(len(eligible)) < np.where(near_miss(population), 0.30, 0.03))
    kind, programme = _choose(rng, population, after, points)
    changed = rng.random(len(kind)) < np.where(after, 0.06, 0.12)
    if labels is not None:
        introductory = _introductory(rng, population)
        kind, programme, after, changed = _karlskoga(labels, introductory, kind, programme, after, changed)
    table = _later(rng, population, as_of, kind, points)
    known = np.isin(kind, ("preparatory", "vocational", "introductory"))
    table.insert(0, "programme", programme)
    table.insert(1, "programme_kind", kind)
    table.insert(2, "eligible_after_summer", _flag(after, known | (kind == "none") | eligible))
    begun = labels is not None or as_of > population.background.cohort
    table.insert(3, "changed_programme", _flag(changed, known & begun))
    return table[list(COLUMNS)]


def near_miss(population: Population) -> Bools:
    """Pupils who lack one of the required subjects and at most one other in 9VT."""
    grades = population.grades[:, END]
    failed = (grades <= 0) & (grades >= -2)
    lacks = (grades[:, CORE] <= 0).sum(axis=1) == 1
    return np.asarray(lacks & (failed.sum(axis=1) <= 2))


def _choose(rng: np.random.Generator, population: Population, after: Bools, points: Floats) -> tuple[Texts, Texts]:
    n = len(after)
    u = rng.random(n)
    preparatory = rng.random(n) < 1 / (1 + np.exp(-(points - 216) / 25))
    preparatory &= (population.grades[:, END] > 0).sum(axis=1) >= 12
    national = np.where(preparatory, "preparatory", "vocational").astype(object)
    kind = np.where(after, np.where(u < 0.985, national, "introductory"), "introductory").astype(object)
    away = rng.random(n)
    kind[away < 0.050] = None
    kind[away < 0.042] = "moved"
    kind[away < np.where(after, 0.012, 0.040)] = "none"
    programme = np.empty(n, dtype=object)
    programme[:] = None
    for name, codes, shares in (
        ("preparatory", PREPARATORY, PREPARATORY_SHARES),
        ("vocational", VOCATIONAL, VOCATIONAL_SHARES),
    ):
        programme = np.where(kind == name, rng.choice(codes, n, p=shares), programme)
    return kind, np.where(kind == "introductory", _introductory(rng, population), programme)


def _introductory(rng: np.random.Generator, population: Population) -> Texts:
    b, n = population.background, len(population.ability)
    language = (b.immigration == YEARS6_9) | ((b.immigration != BORN) & (rng.random(n) < 0.15))
    usual = np.where(near_miss(population), "IMV", np.where(rng.random(n) < 0.75, "IMA", "IMY"))
    return np.where(language, "IMS", usual).astype(object)


def _karlskoga(
    labels: Texts, introductory: Texts, kind: Texts, programme: Texts, after: Bools, changed: Bools
) -> tuple[Texts, Texts, Bools, Bools]:
    """Replace drawn outcomes by those that Karlskoga published."""
    kind, programme, after, changed = kind.copy(), programme.copy(), after.copy(), changed.copy()
    preparatory, vocational = ("SA", "EK", "SA", "ES"), ("EE", "BF", "BA", "FT", "RL", "HA", "VO")

    def put(label: str, codes: Sequence[str | None], what: str, eligible: bool, first: int = 0) -> None:
        members = np.flatnonzero(labels == label)[first : first + len(codes)]
        for position, member in enumerate(members):
            programme[member], kind[member], after[member] = codes[position], what, eligible

    put("introductory", tuple(introductory[labels == "introductory"]), "introductory", False)
    put("nearly", ("PRIV", "PREP") * 4 + ("PRIV",), "introductory", False)
    put("national", (*vocational[:4], "SA"), "vocational", True)
    kind[(labels == "national") & (programme == "SA")] = "preparatory"
    put("moved", (None, None), "moved", False)
    put("gained", (*preparatory, "SA", "EK", "TE"), "preparatory", True)
    put("gained", vocational, "vocational", True, first=7)
    put("gained", ("IMA",), "introductory", True, first=14)
    put("green", preparatory[:3], "preparatory", True)
    put("green", vocational[:5], "vocational", True, first=3)
    put("yellow", ("PRIV",) * 4, "introductory", False)
    put("pink", ("IMA",) * 8 + ("IMY",) * 3, "introductory", False)
    changed[np.isin(labels, ("yellow", "green"))] = False
    changed[np.flatnonzero(labels == "yellow")[:2]] = True
    return kind, programme, after, changed


def _later(rng: np.random.Generator, population: Population, as_of: int, kind: Texts, points: Floats) -> pd.DataFrame:
    """Diplomas, and who came from an introductory programme to a national one."""
    n, cohort = len(kind), population.background.cohort
    national = np.isin(kind, ("preparatory", "vocational"))
    introductory = kind == "introductory"
    chance = np.where(kind == "preparatory", (points - 186) / 42, (points - 158) / 36)
    in_three = rng.random(n) < 1 / (1 + np.exp(-chance))
    moves = rng.random(n) < np.where(near_miss(population), 0.66, 0.44)
    in_five = np.where(national, in_three | (rng.random(n) < 0.25), moves & (rng.random(n) < 0.38))
    return pd.DataFrame(
        {
            "diploma_3y": _flag(in_three, national & (as_of >= cohort + 3)),
            "im_to_national": _flag(moves, introductory & (as_of >= cohort + 5)),
            "diploma_5y": _flag(in_five, (national | introductory) & (as_of >= cohort + 5)),
        }
    )


def _flag(value: Any, known: Any) -> Any:
    """Return a flag, missing where unknown."""
    flag = pd.array(np.asarray(value, dtype=bool), dtype="boolean")
    flag[~np.asarray(known, dtype=bool)] = pd.NA
    return flag


KAA_COLUMNS = ["student_id", "date", "status"]
#: Months after entry of the follow-ups; the project reports month 12.
MONTHS = (0, 3, 6, 9, 12, 18, 24)
CLOSE = MONTHS.index(12)
GONE_ON = 0.7
#: Probability of an unknown status: between entry and the close, and after it.
UNKNOWN, UNKNOWN_LATER = 0.10, 0.20
_LEFT_AT = (0.25, 0.30, 0.25, 0.20)


def draw_followups(rng: np.random.Generator, outcomes: pd.DataFrame, cohorts: pd.Series, as_of: int) -> pd.DataFrame:
    """Draw the participants of the activity after year 9 and their follow-ups.

    Parameters
    ----------
    rng : numpy.random.Generator
    outcomes : DataFrame
        ``student_id, programme_kind``, all cohorts.
    cohorts : Series
        Cohort by ``student_id``.
    as_of : int
        The autumn of the records; later follow-ups are missing.

    Returns
    -------
    DataFrame
        ``student_id, date, status``; a multiple of ten participants, so that 70 % is a whole number. Empty where
        no cohort left two years before ``as_of``.
    """
    cohort = outcomes["student_id"].map(cohorts).to_numpy()
    outside = outcomes["programme_kind"].isin(["none", "introductory"]).to_numpy() & (cohort <= as_of - 2)
    candidates = np.flatnonzero(outside)
    number = len(candidates) // 30 * 10
    chosen = np.sort(rng.choice(candidates, number, replace=False)) if number else candidates[:0]
    ids = outcomes["student_id"].to_numpy(dtype=object)[chosen]
    gone = rng.permutation(np.arange(number) < round(GONE_ON * number))
    status = _courses(rng, gone)
    entered = [
        date(int(year), 9, 1) + timedelta(days=int(day))
        for year, day in zip(cohort[chosen], rng.integers(0, 330, number), strict=True)
    ]
    late = rng.integers(0, 12, status.shape)
    rows = [
        (
            student,
            (day + timedelta(days=round(30.44 * month) + int(late[place, visit]) * (month > 0))).isoformat(),
            str(status[place, visit]),
        )
        for place, (student, day) in enumerate(zip(ids, entered, strict=True))
        for visit, month in enumerate(MONTHS)
    ]
    table = pd.DataFrame(rows, columns=KAA_COLUMNS)
    return table[table["date"] <= f"{as_of:04d}-10-15"]


def _courses(rng: np.random.Generator, gone: Bools) -> Texts:
    """Status by participant and follow-up."""
    left: Ints = np.where(gone, 1 + rng.choice(CLOSE, len(gone), p=_LEFT_AT), len(MONTHS))
    to = rng.choice(["work", "study"], len(gone), p=[0.45, 0.55])
    visit = np.arange(len(MONTHS))
    status = np.where(visit >= left[:, None], to[:, None], "activity").astype(object)
    chance = np.where(visit > CLOSE, UNKNOWN_LATER, np.where((visit > 0) & (visit < CLOSE), UNKNOWN, 0.0))
    status[rng.random(status.shape) < chance] = "unknown"
    return status
