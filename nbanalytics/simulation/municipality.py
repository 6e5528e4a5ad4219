"""A synthetic municipality, cohort by cohort, with its true values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.declaration import Declaration
from nbanalytics.errors import DataError
from nbanalytics.records import StudentRecords
from nbanalytics.simulation import karlskoga, tables
from nbanalytics.simulation.model import NEVER, Population, draw_population
from nbanalytics.simulation.outcomes import Texts, draw_followups, draw_outcomes
from nbanalytics.simulation.parameters import FIRST_LOWER, PARAMETERS, START, TERMS, Parameters
from nbanalytics.simulation.students import N_TERMS, Bools, Ints, Schools, draw_schools
from nbanalytics.simulation.support import draw_coaching, draw_support, draw_upper_secondary
from nbanalytics.simulation.tables import SCREENED, draw_screening

#: Causes of a loss: without it the pupil would have been eligible in that term.
CAUSES = ("absence", "transition", "absence and transition", "ability")


def lost_at(population: Population) -> Ints:
    """Position of the first term seen after 6VT without eligibility, for those eligible in 6VT; -1 if none."""
    lost: Bools = population.seen & ~population.eligible
    lost[:, :FIRST_LOWER] = False
    lost &= (population.seen & population.eligible)[:, [START]]
    return np.where(lost.any(axis=1), lost.argmax(axis=1), -1)


def causes(population: Population, lost: Ints) -> Texts:
    """Cause of each loss, found by grading the same pupil again without the absence, without the transition dip.

    ``ability`` means neither: the pupil's own course, the demands of the term or a bad term in a subject.
    """
    row, at = np.arange(len(lost)), np.maximum(lost, 0)
    kept = {name: value[row, at] for name, value in population.without.items()}
    cause = np.select([kept["absence"], kept["transition"], kept["both"]], CAUSES[:3], CAUSES[3]).astype(object)
    cause[lost < 0] = None
    return cause


def truth_table(population: Population, student_id: Texts) -> pd.DataFrame:
    """One row per pupil.

    Returns
    -------
    DataFrame
        ``student_id``, ``cohort``; ``lost_term`` (first term seen after 6VT in which the eligibility of 6VT is
        gone, missing if never), ``cause`` (see :func:`causes`), ``onset_term`` of problematic absence, and
        ``onset_risk``, the true probability of an onset from 7HT to 9VT.
    """
    lost, onset = lost_at(population), population.absence.onset
    return pd.DataFrame(
        {
            "student_id": student_id,
            "cohort": population.background.cohort,
            "lost_term": _terms(lost),
            "cause": causes(population, lost),
            "onset_term": _terms(onset),
            "onset_risk": np.round(1 - np.prod(1 - population.absence.hazard[:, FIRST_LOWER:], axis=1), 4),
        }
    )


def hazard_table(populations: list[Population]) -> pd.DataFrame:
    """Life table of the onset of problematic absence, with the true hazard.

    Returns
    -------
    DataFrame
        By term: ``at_risk`` (pupils without an onset so far), ``onsets``, ``hazard`` (their ratio) and
        ``true_hazard`` (mean hazard of those at risk).
    """
    onset = np.concatenate([p.absence.onset for p in populations])
    chance = np.concatenate([p.absence.hazard for p in populations])
    rows = []
    for term in range(N_TERMS):
        at_risk = (onset == NEVER) | (onset >= term)
        events = int((onset == term).sum())
        rows.append((TERMS[term], int(at_risk.sum()), events, events / at_risk.sum(), chance[at_risk, term].mean()))
    return pd.DataFrame(rows, columns=["term", "at_risk", "onsets", "hazard", "true_hazard"])


def _terms(positions: Ints) -> Texts:
    names = np.array([*TERMS, None], dtype=object)
    return np.asarray(names[np.where(positions < 0, len(TERMS), positions)])


#: Seed of the sample that comes with the project; its cohorts happen to be near the national shares.
DEFAULT_SEED = 2030
COHORTS = range(2018, 2026)
SCHOOLS = 3
FIRST_COHORT, LAST_COHORT = 2016, 2031  # graded A-F from year 6 to year 9

DECLARATION = Declaration(
    name="Kvarnviken",
    synthetic=True,
    note="Made by nbanalytics simulate: no real pupil, school or municipality is in these records.",
)


@dataclass(frozen=True)
class Simulation:
    """A synthetic municipality.

    Attributes
    ----------
    records : StudentRecords
        What a municipality would have.
    truth : DataFrame
        What it would not have: see :func:`nbanalytics.simulation.municipality.truth_table`.
    hazards : DataFrame
        The onset of problematic absence by term with its true hazard (without the selected 2018 cohort):
        see :func:`nbanalytics.simulation.municipality.hazard_table`.
    populations : dict of int to Population
        The arrays behind them, by cohort.
    settings : dict
        Seed and arguments.
    """

    records: StudentRecords
    truth: pd.DataFrame
    hazards: pd.DataFrame
    populations: dict[int, Population] = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict)


def simulate(
    seed: int = DEFAULT_SEED,
    cohorts: int | Iterable[int] = COHORTS,
    students_per_cohort: int | None = None,
    schools: int = SCHOOLS,
    as_of: int | None = None,
    parameters: Parameters = PARAMETERS,
) -> Simulation:
    """Simulate a municipality with known true values.

    Parameters
    ----------
    seed : int
        The same seed gives the same municipality; a cohort does not depend on the other cohorts.
    cohorts : int or iterable of int
        Year or years in which the cohorts leave year 9, 2016 to 2031.
    students_per_cohort : int, optional
        Pupils ever present. Without it the municipality is of Karlskoga's size and, with three schools, its
        cohort 2018 has exactly the counts that Karlskoga published.
    schools : int
        Lower-secondary schools; each has two schools of year 6.
    as_of : int, optional
        The autumn in which the records are looked at, which decides what outcomes are known; by default that of
        the last cohort.
    parameters : Parameters
        The numbers of the model.

    Returns
    -------
    Simulation

    Raises
    ------
    DataError
        If a cohort, a number of pupils or of schools cannot be simulated.

    Examples
    --------
    >>> simulation = simulate(seed=1, cohorts=[2018])
    >>> len(simulation.records.students)
    313
    >>> int(simulation.truth["lost_term"].notna().sum()) >= 23
    True
    """
    years = [cohorts] if isinstance(cohorts, int) else sorted(set(cohorts))
    _check(years, students_per_cohort, schools)
    as_of = max(years) if as_of is None else as_of
    built = draw_schools(np.random.default_rng([seed, 0]), schools, parameters)
    exact = students_per_cohort is None and schools == SCHOOLS
    populations: dict[int, Population] = {}
    labels: dict[int, Texts | None] = {}
    for year in years:
        rng = np.random.default_rng([seed, year])
        picked = exact and year == karlskoga.COHORT
        populations[year], labels[year] = _cohort(rng, year, students_per_cohort, built, parameters, picked)
    ids = _ids(seed, populations)
    free = [population for year, population in populations.items() if not (exact and year == karlskoga.COHORT)]
    return Simulation(
        records=_records(seed, populations, labels, ids, schools, as_of, parameters),
        truth=tables.combine([truth_table(populations[year], ids[year]) for year in years], ["student_id"]),
        hazards=hazard_table(free or list(populations.values())),
        populations=populations,
        settings={
            "seed": seed,
            "cohorts": years,
            "students_per_cohort": students_per_cohort,
            "schools": schools,
            "as_of": as_of,
        },
    )


def _check(years: list[int], students: int | None, schools: int) -> None:
    wrong = [str(year) for year in years if not FIRST_COHORT <= year <= LAST_COHORT]
    if not years or wrong:
        raise DataError(
            f"Cohorts {', '.join(wrong) or '(none given)'} cannot be simulated: the grades are A-F from year 6 to "
            f"year 9. Ask for cohorts from {FIRST_COHORT} to {LAST_COHORT}."
        )
    if (students is not None and students < 1) or schools < 1:
        raise DataError(f"{students} pupils in {schools} schools cannot be simulated. Ask for at least one of each.")


def _cohort(
    rng: np.random.Generator, year: int, students: int | None, schools: Schools, parameters: Parameters, picked: bool
) -> tuple[Population, Texts | None]:
    if picked:
        return karlskoga.draw_cohort(rng, schools, parameters)
    number = int(rng.integers(324, 348)) if students is None else students
    return draw_population(rng, year, number, schools, parameters), None


def _ids(seed: int, populations: dict[int, Population]) -> dict[int, Texts]:
    """Pseudonyms, unique over all cohorts."""
    return {
        year: tables.draw_ids(np.random.default_rng([seed, year, 1]), len(population.ability), year)
        for year, population in populations.items()
    }


def _records(
    seed: int,
    populations: dict[int, Population],
    labels: dict[int, Texts | None],
    ids: dict[int, Texts],
    schools: int,
    as_of: int,
    parameters: Parameters,
) -> StudentRecords:
    parts: dict[str, list[pd.DataFrame]] = {
        name: [] for name in ("students", "grades", "absence", "tests", "outcomes", "support")
    }
    for year, population in populations.items():
        own, rng = ids[year], np.random.default_rng([seed, year, 2])
        parts["students"].append(tables.students_table(population, own, schools))
        parts["grades"].append(tables.grades_table(population, own))
        parts["absence"].append(tables.absence_table(rng, population, own, parameters))
        parts["tests"].append(tables.tests_table(population, own))
        outcomes = draw_outcomes(rng, population, as_of, labels[year])
        outcomes.insert(0, "student_id", own)
        parts["outcomes"].append(outcomes.loc[population.background.left == N_TERMS - 1])
        parts["support"].append(draw_support(rng, population, own))
        later = np.random.default_rng([seed, year, 4])
        parts["support"].append(draw_upper_secondary(later, population, own, outcomes, as_of))
    coaching = draw_coaching(np.random.default_rng([seed, 3]), list(populations.values()), list(ids.values()))
    parts["support"].append(coaching)
    students = tables.combine(parts["students"], ["cohort", "student_id"])
    known = tables.combine(parts["outcomes"], ["student_id"])
    cohort_of = students.set_index("student_id")["cohort"]
    followups = draw_followups(np.random.default_rng([seed, 5]), known, cohort_of, as_of)
    return StudentRecords.trusted(
        students=students,
        grades=tables.combine(parts["grades"], ["student_id", "term", "subject"]),
        absence=tables.combine(parts["absence"], ["student_id", "term"]),
        tests=tables.combine(parts["tests"], ["student_id", "term", "subject"]),
        outcomes=known,
        support=tables.combine(parts["support"], ["student_id", "start", "kind"]),
        schools=tables.schools_table(schools),
        screening=_screening(seed, populations, ids),
        followups=tables.combine([followups], ["student_id", "date"]) if len(followups) else None,
        declaration=DECLARATION,
    )


def _screening(seed: int, populations: dict[int, Population], ids: dict[int, Texts]) -> pd.DataFrame | None:
    """Answers of the cohorts that were screened, from a stream of their own; none if none of them is here."""
    parts = [
        draw_screening(np.random.default_rng([seed, year, 71]), populations[year], ids[year])
        for year in SCREENED
        if year in populations
    ]
    return tables.combine(parts, ["student_id", "term", "question"]) if parts else None
