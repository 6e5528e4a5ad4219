"""The support register: coverage, caseload, prevention, outcome, hand-over, KAA and theory of change."""

from nbanalytics.support.handover import Handover, handover
from nbanalytics.support.kaa import KaaOutcomes, kaa_outcomes
from nbanalytics.support.outcome import SupportOutcome, e_value, e_value_of_difference, support_outcome
from nbanalytics.support.prevention import Prevention, prevention_levels
from nbanalytics.support.register import Caseload, Coverage, WaitingTime, caseload, coverage, time_to_support
from nbanalytics.support.theory import TheoryOfChange, follow_theory, read_theory

__all__ = [
    "Caseload",
    "Coverage",
    "Handover",
    "KaaOutcomes",
    "Prevention",
    "SupportOutcome",
    "TheoryOfChange",
    "WaitingTime",
    "caseload",
    "coverage",
    "e_value",
    "e_value_of_difference",
    "follow_theory",
    "handover",
    "kaa_outcomes",
    "prevention_levels",
    "read_theory",
    "support_outcome",
    "time_to_support",
]
