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
from nbanalytics.analysis.flows.courses import CourseTypes, course_distances, course_measures, courses
from nbanalytics.analysis.flows.states import StateProbabilities, aalen_johansen, state_probabilities
from nbanalytics.analysis.flows.what_if import WhatIf, what_if

__all__ = [
    "CourseTypes",
    "Flows",
    "StateProbabilities",
    "WhatIf",
    "aalen_johansen",
    "course_distances",
    "course_measures",
    "courses",
    "eligibility_flow",
    "flows",
    "share_eligible",
    "stages_of",
    "state_probabilities",
    "states_of",
    "student_states",
    "what_if",
]
