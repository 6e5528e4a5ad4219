"""The screening of engagement in spring of year 6: teachers' answers, which go with what is behind a later loss."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nbanalytics.simulation.model import Population
from nbanalytics.simulation.outcomes import Texts
from nbanalytics.simulation.students import N_TERMS, Floats
from nbanalytics.simulation.subjects import FIRST_LOWER, START, TERMS

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
#: How each dimension leans on the chance of problematic absence, weak results, what all four share, and itself.
_LEANS = {
    "behaviour": (0.70, 0.25, 0.45, 0.50),
    "academic": (0.20, 0.80, 0.30, 0.45),
    "cognitive": (0.40, 0.35, 0.55, 0.60),
    "psychological": (0.45, 0.10, 0.55, 0.70),
}
_STEEP = 2.2  # how strongly an answer follows its dimension, on the scale of log odds
_UNKNOWN = {"behaviour": 0.03, "academic": 0.02, "cognitive": 0.09, "psychological": 0.11}
_NOT_SCREENED = 0.04


def draw_screening(rng: np.random.Generator, population: Population, ids: Texts) -> pd.DataFrame:
    """Draw the answers for a cohort: one row per pupil and question, of pupils seen in the spring of year 6.

    Nothing that happens later is looked at: the answers lean on the chance of an onset and on ability as they stand.
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
