"""Flows: where students are, stage by stage, and how they move between the stages."""

from nbanalytics.analysis.flows.course import (
    Flows,
    eligibility_flow,
    flows,
    share_eligible,
    stages_of,
    states_of,
    student_states,
)

__all__ = [
    "Flows",
    "eligibility_flow",
    "flows",
    "share_eligible",
    "stages_of",
    "states_of",
    "student_states",
]
