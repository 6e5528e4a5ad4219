"""The support register: coverage, caseload, prevention, outcome, hand-over, KAA and theory of change."""

from nbanalytics.support.caseload import Caseload, caseload
from nbanalytics.support.coverage import Coverage, coverage
from nbanalytics.support.handover import Handover, handover
from nbanalytics.support.kaa import KaaOutcomes, kaa_outcomes
from nbanalytics.support.outcome import SupportOutcome, support_outcome
from nbanalytics.support.prevention import Prevention, prevention_levels
from nbanalytics.support.sensitivity import e_value, e_value_of_difference
from nbanalytics.support.theory import TheoryOfChange, follow_theory, read_theory
from nbanalytics.support.waiting import WaitingTime, time_to_support

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
