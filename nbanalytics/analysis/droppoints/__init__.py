"""When eligibility is lost: person-periods, life tables, the first step against the others, subjects and absence."""

from __future__ import annotations

from nbanalytics.analysis.droppoints.absence import AbsenceAroundLoss, absence_around_loss
from nbanalytics.analysis.droppoints.attribution import LostSubjects, lost_subjects
from nbanalytics.analysis.droppoints.attrition import Attrition, attrition
from nbanalytics.analysis.droppoints.first_loss import Losses, Recovery, losses, person_periods, recovery
from nbanalytics.analysis.droppoints.latent import LatentTransitions, latent_transitions
from nbanalytics.analysis.droppoints.lifetable import LIFE_TABLE_COLUMNS, life_table, life_table_by
from nbanalytics.analysis.droppoints.transitions import (
    TransitionContrast,
    TransitionProbabilities,
    confirmed_start,
    transition_contrast,
    transition_probabilities,
)

__all__ = [
    "LIFE_TABLE_COLUMNS",
    "AbsenceAroundLoss",
    "Attrition",
    "LatentTransitions",
    "Losses",
    "LostSubjects",
    "Recovery",
    "TransitionContrast",
    "TransitionProbabilities",
    "absence_around_loss",
    "attrition",
    "confirmed_start",
    "latent_transitions",
    "life_table",
    "life_table_by",
    "losses",
    "lost_subjects",
    "person_periods",
    "recovery",
    "transition_contrast",
    "transition_probabilities",
]
