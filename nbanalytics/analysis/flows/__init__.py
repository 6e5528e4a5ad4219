"""Flows: where students are, stage by stage, and how they move between the stages."""

from nbanalytics.analysis.flows.course import (
    AFTER_STATES,
    TERM_STATES,
    Flows,
    eligibility_flow,
    flows,
    share_eligible,
    stages_of,
    state_columns,
    states_of,
    student_states,
)

__all__ = [
    "AFTER_STATES",
    "TERM_STATES",
    "Flows",
    "eligibility_flow",
    "flows",
    "share_eligible",
    "stages_of",
    "state_columns",
    "states_of",
    "student_states",
]
