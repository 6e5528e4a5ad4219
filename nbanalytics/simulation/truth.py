"""What the simulation knows and records do not say: when and why each pupil lost eligibility."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nbanalytics.simulation.absence import NEVER
from nbanalytics.simulation.model import Population
from nbanalytics.simulation.outcomes import Texts
from nbanalytics.simulation.students import N_TERMS, Bools, Ints
from nbanalytics.simulation.subjects import FIRST_LOWER, START, TERMS

#: Causes of a loss: what would have kept the pupil eligible in that term, had it not happened.
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
        ``onset_risk``, the chance that the process had to bring an onset from 7HT to 9VT.
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
    """Life table of the onset of problematic absence, with the hazard that the process had.

    Returns
    -------
    DataFrame
        By term: ``at_risk`` (pupils without an onset so far), ``onsets``, ``hazard`` (their ratio) and
        ``true_hazard`` (mean chance of those at risk).
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
