"""The support register: what was done for whom, and when; it seldom follows a pupil from year 6 to year 7."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nbanalytics.simulate.absence import NEVER
from nbanalytics.simulate.model import CORE, Population
from nbanalytics.simulate.outcomes import Texts
from nbanalytics.simulate.students import Bools, Floats, Ints

COLUMNS = ["student_id", "kind", "level", "actor", "start", "end", "intensity"]
#: The youth coach's year with three cohorts of usual size: met at all, weekly, several times a month, monthly.
COACH = {"met": 100, "weekly": 5, "several_a_month": 15, "monthly": 30}
USUAL_COHORT = 318


def draw_support(rng: np.random.Generator, population: Population, ids: Texts) -> pd.DataFrame:
    """Draw the support that a cohort's schools gave: one row per pupil, kind and school year."""
    cohort = population.background.cohort
    parts = []
    before = np.zeros(len(ids), dtype=bool)
    for year in range(4):
        here = population.seen[:, 2 * year + 1]
        grades = population.grades[:, 2 * year]
        fails = (grades[:, CORE] <= 0).sum(axis=1)
        chance = np.select([fails == 0, fails == 1], [0.01, 0.40], 0.65)
        if year == 1:  # the transition: what year 6 gave seldom goes on, and little is begun anew
            chance = np.where(before, 0.35, 0.3 * chance)
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
    return pd.concat(parts, ignore_index=True)


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
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


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


def _need(population: Population, year: int) -> Floats:
    """How much a pupil seems to need the coach: absence and missing eligibility in the autumn."""
    absence = population.absence.total[:, 2 * year]
    return np.minimum(absence, 60) / 12 + 1.2 * ~population.eligible[:, 2 * year]


def _absent(population: Population, year: int) -> Bools:
    onset: Ints = population.absence.onset
    began = (onset != NEVER) & (onset <= 2 * year)
    return np.asarray(began & (population.absence.total[:, 2 * year] > 12))


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
