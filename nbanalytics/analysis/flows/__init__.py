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
from nbanalytics.analysis.flows.courses import (
    CourseClasses,
    CourseTypes,
    course_classes,
    course_distances,
    course_measures,
    courses,
    leaf_order,
)
from nbanalytics.analysis.flows.states import StateProbabilities, aalen_johansen, state_probabilities
from nbanalytics.analysis.flows.what_if import WhatIf, what_if

__all__ = [
    "CourseClasses",
    "CourseTypes",
    "Flows",
    "StateProbabilities",
    "WhatIf",
    "aalen_johansen",
    "course_classes",
    "course_distances",
    "course_measures",
    "courses",
    "eligibility_flow",
    "flows",
    "leaf_order",
    "share_eligible",
    "stages_of",
    "state_probabilities",
    "states_of",
    "student_states",
    "what_if",
]
