"""The support register: measures by pupil and date; they seldom continue from year 6 to year 7."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nbanalytics.simulation.model import CORE, NEVER, Population
from nbanalytics.simulation.outcomes import Texts
from nbanalytics.simulation.students import Bools, Floats, Ints

COLUMNS = ["student_id", "kind", "level", "actor", "start", "end", "intensity"]
#: The youth coach's year with three cohorts of usual size: in all, weekly, several times a month, monthly.
COACH = {"met": 100, "weekly": 5, "several_a_month": 15, "monthly": 30}
USUAL_COHORT = 318


def draw_support(rng: np.random.Generator, population: Population, ids: Texts) -> pd.DataFrame:
    """Draw the support that a cohort's schools gave: one row per pupil, kind and school year.

    Nobody gets support before coming: for pupils who arrive in spring, support of the autumn starts then.
    """
    cohort = population.background.cohort
    parts = []
    before = np.zeros(len(ids), dtype=bool)
    for year in range(4):
        here = population.seen[:, 2 * year + 1]
        grades = population.grades[np.arange(len(ids)), _known(population, year)]
        fails = (grades[:, CORE] <= 0).sum(axis=1)
        chance = np.select([fails == 0, fails == 1], [0.01, 0.40], 0.65)
        # The transition: support from year 6 seldom continues, and little new support begins.
        kept, begun = (0.30, 0.3 * chance) if year == 1 else (np.maximum(chance, 0.70), chance)
        chance = np.where(before, kept, begun)
        teaching = here & (rng.random(len(ids)) < chance)
        parts.append(_rows(rng, ids[teaching], "special_needs_teaching", "indicated", "special_teacher", cohort, year))
        before = teaching
        b = population.background
        guided = here & b.newly_arrived & (rng.random(len(ids)) < (0.25 if year == 1 else 0.5))
        parts.append(_rows(rng, ids[guided], "study_guidance", "selective", "mother_tongue_teacher", cohort, year))
        homework = here & (rng.random(len(ids)) < 0.06)
        parts.append(_rows(rng, ids[homework], "homework_club", "universal", "school", cohort, year))
        plan = here & _absent(population, year) & (rng.random(len(ids)) < (0.2 if year == 1 else 0.55))
        parts.append(_rows(rng, ids[plan], "attendance_plan", "indicated", "student_health_team", cohort, year))
    return _not_before(pd.concat(parts, ignore_index=True), pd.Series(_first_days(population), index=ids))


def draw_upper_secondary(
    rng: np.random.Generator, population: Population, ids: Texts, outcomes: pd.DataFrame, as_of: int
) -> pd.DataFrame:
    """Draw the mentors of the first autumn in upper secondary school; those of the latest autumn have no end yet."""
    cohort = population.background.cohort
    introductory = outcomes["programme_kind"].eq("introductory").to_numpy()
    national = outcomes["programme_kind"].isin(["preparatory", "vocational"]).to_numpy()
    chance = np.select([introductory, national & (_need(population, 3) > 1.5)], [0.45, 0.15], 0.0)
    given = (rng.random(len(ids)) < chance) & (cohort <= as_of)
    rows = _rows(rng, ids[given], "mentor", "indicated", "upper_secondary_school", cohort, 4)
    return rows.assign(end=None) if cohort == as_of else rows


def draw_coaching(rng: np.random.Generator, populations: list[Population], ids: list[Texts]) -> pd.DataFrame:
    """Draw the youth coach's contacts with pupils of years 7 to 9, school year by school year."""
    cohorts = [p.background.cohort for p in populations]
    parts = []
    for autumn in range(min(cohorts) - 3, max(cohorts)):
        names, need = [], []
        for population, own in zip(populations, ids, strict=True):
            year = autumn - (population.background.cohort - 4)
            if 1 <= year <= 3:
                here = population.seen[:, 2 * year + 1]
                names.append(own[here])
                need.append(_need(population, year)[here])
        if names:
            parts.append(_coached(rng, np.concatenate(names), np.concatenate(need), autumn))
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    arrivals = [pd.Series(_first_days(p), index=own) for p, own in zip(populations, ids, strict=True)]
    return _not_before(pd.concat(parts, ignore_index=True), pd.concat(arrivals))


def _coached(rng: np.random.Generator, ids: Texts, need: Floats, autumn: int) -> pd.DataFrame:
    scale = len(ids) / (3 * USUAL_COHORT)
    number = {name: round(count * scale) for name, count in COACH.items()}
    met = np.argsort(-(need + rng.gumbel(0, 1, len(ids))), kind="stable")[: number["met"]]
    met = met[np.argsort(-(need[met] + rng.gumbel(0, 0.7, len(met))), kind="stable")]
    intensity = np.empty(len(met), dtype=object)
    intensity[:] = None
    begin = 0
    for name in ("weekly", "several_a_month", "monthly"):
        intensity[begin : begin + number[name]] = name
        begin += number[name]
    close = np.isin(intensity, ("weekly", "several_a_month"))
    start = _day(rng, autumn, 8, 20, 150, len(met))
    end = _day(rng, autumn + 1, 3, 1, 100, len(met))
    return pd.DataFrame(
        {
            "student_id": ids[met],
            "kind": "youth_coach",
            "level": np.where(close, "indicated", "selective"),
            "actor": "youth_coach",
            "start": start,
            "end": end,
            "intensity": intensity,
        }
    )


def _first_days(population: Population) -> Texts:
    """First day of the term in which each pupil came; a day before all support for those here from the start."""
    b = population.background
    days = [
        f"{b.cohort - 4 + term // 2 + term % 2}-{'01-10' if term % 2 else '08-15'}" if term else "0000"
        for term in b.arrived
    ]
    return np.array(days, dtype=object)


def _not_before(rows: pd.DataFrame, first_days: pd.Series) -> pd.DataFrame:
    """Move starts before the pupil's arrival to the first day."""
    first = rows["student_id"].map(first_days)
    return rows.assign(start=rows["start"].where(rows["start"] >= first, first))


def _need(population: Population, year: int) -> Floats:
    """Apparent need of the coach: absence and missing eligibility when the school year begins."""
    who, known = np.arange(len(population.ability)), _known(population, year)
    absence = population.absence.total[who, known]
    return np.minimum(absence, 60) / 12 + 1.2 * ~population.eligible[who, known]


def _absent(population: Population, year: int) -> Bools:
    onset: Ints = population.absence.onset
    known = _known(population, year)
    began = (onset != NEVER) & (onset <= known)
    return np.asarray(began & (population.absence.total[np.arange(len(onset)), known] > 12))


def _known(population: Population, year: int) -> Ints:
    """Term that a school knows of a pupil when the school year begins: last spring, if the pupil was here then."""
    autumn = 2 * year
    before = population.seen[:, autumn - 1] if year else np.zeros(len(population.ability), dtype=bool)
    return np.where(before, autumn - 1, autumn)


def _rows(
    rng: np.random.Generator, ids: Texts, kind: str, level: str, actor: str, cohort: int, year: int
) -> pd.DataFrame:
    """Rows of one kind in one school year (0 is year 6)."""
    autumn = cohort - 4 + year
    often = {"special_needs_teaching": (0.5, 0.35, 0.15), "homework_club": (0.7, 0.2, 0.1)}.get(kind, (0.3, 0.4, 0.3))
    intensity = rng.choice(["weekly", "several_a_month", "monthly"], len(ids), p=often).astype(object)
    return pd.DataFrame(
        {
            "student_id": ids,
            "kind": kind,
            "level": level,
            "actor": actor,
            "start": _day(rng, autumn, 8, 22, 60, len(ids)),
            "end": _day(rng, autumn + 1, 4, 20, 50, len(ids)),
            "intensity": intensity,
        },
        columns=COLUMNS,
    )


def _day(rng: np.random.Generator, year: int, month: int, day: int, span: int, n: int) -> Texts:
    """Dates, up to ``span`` days after the given one, as ISO text."""
    first = np.datetime64(f"{year:04d}-{month:02d}-{day:02d}")
    return (first + rng.integers(0, span, n)).astype("datetime64[D]").astype(str).astype(object)
