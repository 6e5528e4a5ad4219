"""From arrays to the tables of student records."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.simulation.model import NAMES, TEST_TERMS, Population
from nbanalytics.simulation.outcomes import Texts
from nbanalytics.simulation.parameters import Parameters
from nbanalytics.simulation.students import IMMIGRATION, LEVELS, N_TERMS, Bools, Ints
from nbanalytics.simulation.subjects import GRADES, MARKS, NO_ROW, TERMS

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
    """Put the cohorts' tables together in order, with one type for text whether or not some is missing."""
    table = pd.concat(parts, ignore_index=True).sort_values(by, ignore_index=True, kind="stable")
    text = pd.Series([""]).dtype
    return table.astype({name: text for name, kind in table.dtypes.items() if kind == "object"})


def draw_ids(rng: np.random.Generator, n: int, cohort: int) -> Texts:
    """Draw opaque pseudonyms: P and seven characters; no two are alike, in this cohort or in another."""
    drawn = np.unique(rng.integers(0, 2**30, n))
    while len(drawn) < n:
        drawn = np.unique(np.concatenate([drawn, rng.integers(0, 2**30, n - len(drawn))]))
    # The last four bits keep cohorts apart; an odd factor scrambles the number without making two alike.
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
