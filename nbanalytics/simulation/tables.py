"""Conversion of arrays to the tables of student records."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.simulation.model import NAMES, TEST_TERMS, Population
from nbanalytics.simulation.outcomes import Texts
from nbanalytics.simulation.parameters import FIRST_LOWER, GRADES, MARKS, NO_ROW, START, TERMS, Parameters
from nbanalytics.simulation.students import IMMIGRATION, LEVELS, N_TERMS, Bools, Floats, Ints

_LETTERS = np.array(list("abcdefghjkmnpqrstuvwxyz23456789"))
_FIRST = (
    "Kvarnviks",
    "Norrgläntans",
    "Lövhulta",
    "Tallmyra",
    "Björkstigs",
    "Ekbrinks",
    "Mosslidens",
    "Silverhälla",
    "Granåsa",
)
_GRADE_NAMES = np.array([*GRADES, *(MARKS[code] for code in sorted(MARKS))], dtype=object)
_MARK_POSITION = {code: len(GRADES) + place for place, code in enumerate(sorted(MARKS))}


def combine(parts: list[pd.DataFrame], by: list[str]) -> pd.DataFrame:
    """Put the cohorts' tables together in order, with one text type whether or not values are missing."""
    table = pd.concat(parts, ignore_index=True).sort_values(by, ignore_index=True, kind="stable")
    text = pd.Series([""]).dtype
    return table.astype({name: text for name, kind in table.dtypes.items() if kind == "object"})


def draw_ids(rng: np.random.Generator, n: int, cohort: int) -> Texts:
    """Draw opaque pseudonyms: P and seven characters; unique within and between cohorts."""
    drawn = np.unique(rng.integers(0, 2**30, n))
    while len(drawn) < n:
        drawn = np.unique(np.concatenate([drawn, rng.integers(0, 2**30, n - len(drawn))]))
    # The last four bits keep cohorts apart; an odd factor scrambles the number and keeps it unique.
    number = (rng.permutation(drawn).astype(np.uint64) << np.uint64(4)) | np.uint64(cohort % 16)
    number = (number * np.uint64(0x9E3779B1)) % np.uint64(2**34)
    places = (number[:, None] // np.uint64(31) ** np.arange(7, dtype=np.uint64)) % np.uint64(31)
    return np.array(["P" + "".join(letters) for letters in _LETTERS[places]], dtype=object)


def school_names(number: int) -> tuple[Texts, Texts]:
    """Ids of the lower-secondary schools and of the schools of year 6."""
    return (
        np.array([f"S{place + 1}" for place in range(number)], dtype=object),
        np.array([f"F{place + 1}" for place in range(2 * number)], dtype=object),
    )


def schools_table(number: int) -> pd.DataFrame:
    """Return the schools: ``school_id, name, stage``. The names are invented."""
    lower, primary = school_names(number)
    names = [_school_name(place) for place in range(3 * number)]
    return pd.DataFrame(
        {
            "school_id": np.concatenate([lower, primary]),
            "name": names,
            "stage": ["lower_secondary"] * number + ["year_6"] * 2 * number,
        }
    )


def _school_name(place: int) -> str:
    again, first = divmod(place, len(_FIRST))
    return f"{_FIRST[first]}skolan" + (f" {again + 1}" if again else "")


def students_table(population: Population, ids: Texts, number: int) -> pd.DataFrame:
    """Return the students of a cohort, in the columns of the schema."""
    b = population.background
    lower, primary = school_names(number)
    terms = np.array(TERMS, dtype=object)
    return pd.DataFrame(
        {
            "student_id": ids,
            "cohort": b.cohort,
            "sex": np.where(b.girl, "girl", "boy"),
            "birth_year": pd.array(b.birth_year, dtype="Int64"),
            "school_id": lower[b.school],
            "school_id_y6": _only(b.arrived < 2, primary[b.primary]),
            "newly_arrived": pd.array(b.newly_arrived, dtype="boolean"),
            "immigration": np.array(IMMIGRATION, dtype=object)[b.immigration],
            "parents_education": np.array(LEVELS, dtype=object)[b.education],
            "moved_in": _only(b.arrived > 0, terms[b.arrived]),
            "moved_out": _only(b.left < N_TERMS - 1, terms[b.left]),
        }
    )


def grades_table(population: Population, ids: Texts) -> pd.DataFrame:
    """Return the grades, one row per student, term and subject."""
    student, term, subject = np.nonzero(population.grades != NO_ROW)
    names = np.array(NAMES, dtype=object)[subject]
    names[(names == "SV") & population.background.reads_sva[student]] = "SVA"
    codes = population.grades[student, term, subject]
    return _graded(ids[student], np.array(TERMS, dtype=object)[term], names, codes)


def tests_table(population: Population, ids: Texts) -> pd.DataFrame:
    """Return the national tests, one row per student, term and subject."""
    student, term, subject = np.nonzero(population.tests != NO_ROW)
    names = np.array(["SV", "EN", "MA"], dtype=object)[subject]
    names[(names == "SV") & population.background.reads_sva[student]] = "SVA"
    when = np.array([TERMS[t] for t in TEST_TERMS], dtype=object)[term]
    return _graded(ids[student], when, names, population.tests[student, term, subject])


def absence_table(rng: np.random.Generator, population: Population, ids: Texts, parameters: Parameters) -> pd.DataFrame:
    """Return the absence, one row per student and term seen, with a few values missing."""
    student, term = np.nonzero(population.seen)
    missing = rng.random(len(student)) < parameters.missing_absence
    valid, invalid = (part[student, term] for part in (population.absence.valid, population.absence.invalid))
    return pd.DataFrame(
        {
            "student_id": ids[student],
            "term": np.array(TERMS, dtype=object)[term],
            "valid": np.where(missing, np.nan, valid),
            "invalid": np.where(missing, np.nan, invalid),
        }
    )


def _only(where: Bools, values: Texts) -> Texts:
    """Return the values, missing elsewhere."""
    kept = values.copy()
    kept[~where] = None
    return kept


def _graded(students: Texts, terms: Texts, subjects: Texts, codes: NDArray[np.int8]) -> pd.DataFrame:
    position: Ints = codes.astype(np.int64)
    for code, place in _MARK_POSITION.items():
        position = np.where(codes == code, place, position)
    return pd.DataFrame({"student_id": students, "term": terms, "subject": subjects, "grade": _GRADE_NAMES[position]})


#: The cohorts whose schools screened everybody.
SCREENED = (2022, 2023, 2024)
#: By question of the form: its dimension, the answer that is a sign of risk, and its share among ordinary pupils.
QUESTIONS = {
    "B1": ("behaviour", "yes", 0.16),
    "B2": ("behaviour", "yes", 0.12),
    "B3": ("behaviour", "yes", 0.08),
    "B4": ("behaviour", "yes", 0.18),
    "B5": ("behaviour", "no", 0.17),
    "A1": ("academic", "yes", 0.22),
    "A2": ("academic", "yes", 0.30),
    "A3": ("academic", "yes", 0.09),
    "C1": ("cognitive", "no", 0.12),
    "C2": ("cognitive", "no", 0.20),
    "C3": ("cognitive", "yes", 0.22),
    "C4": ("cognitive", "yes", 0.18),
    "C5": ("cognitive", "yes", 0.12),
    "P1": ("psychological", "yes", 0.10),
    "P2": ("psychological", "yes", 0.13),
    "P3": ("psychological", "yes", 0.17),
    "P4": ("psychological", "yes", 0.11),
}
#: Loadings of each dimension on the risk of problematic absence, weak results, the common factor, and itself.
_LEANS = {
    "behaviour": (0.70, 0.25, 0.45, 0.50),
    "academic": (0.20, 0.80, 0.30, 0.45),
    "cognitive": (0.40, 0.35, 0.55, 0.60),
    "psychological": (0.45, 0.10, 0.55, 0.70),
}
_STEEP = 2.2  # how strongly an answer depends on its dimension, in log odds
_UNKNOWN = {"behaviour": 0.03, "academic": 0.02, "cognitive": 0.09, "psychological": 0.11}
_NOT_SCREENED = 0.04


def draw_screening(rng: np.random.Generator, population: Population, ids: Texts) -> pd.DataFrame:
    """Draw the answers for a cohort: one row per pupil and question, of pupils seen in the spring of year 6.

    The answers depend only on the current risk of onset and ability, not on later events.
    """
    n = len(ids)
    chance = 1 - np.prod(1 - population.absence.hazard[:, FIRST_LOWER:N_TERMS], axis=1)
    risk, weak, shared = _standard(np.log(chance / (1 - chance))), -population.ability, rng.standard_normal(n)
    asked = population.seen[:, START] & (rng.random(n) >= _NOT_SCREENED)
    level = {
        name: _standard(a * risk + b * weak + c * shared + d * rng.standard_normal(n))
        for name, (a, b, c, d) in _LEANS.items()
    }
    answers = np.stack([_answers(rng, level[of], of, sign, share) for of, sign, share in QUESTIONS.values()], axis=1)
    return pd.DataFrame(
        {
            "student_id": np.repeat(ids[asked], len(QUESTIONS)),
            "term": TERMS[START],
            "question": np.tile(np.array(list(QUESTIONS), dtype=object), int(asked.sum())),
            "answer": answers[asked].ravel(),
        }
    )


def _answers(rng: np.random.Generator, level: Floats, dimension: str, sign: str, share: float) -> Texts:
    odds = np.log(share / (1 - share)) - _STEEP * 0.3 + _STEEP * level
    signs = rng.random(len(level)) < 1 / (1 + np.exp(-odds))
    other = "no" if sign == "yes" else "yes"
    unknown = rng.random(len(level)) < _UNKNOWN[dimension]
    return np.where(unknown, "unknown", np.where(signs, sign, other)).astype(object)


def _standard(values: Floats) -> Floats:
    spread = values.std()
    return np.asarray((values - values.mean()) / (spread if spread > 0 else 1.0))
