"""The six groups of a cohort, what they rest on, and the division of the group that is lost."""

from nbanalytics.analysis.cohorts.chance import ChanceCheck, expected_by_chance
from nbanalytics.analysis.cohorts.classify import Classification, GroupRule, Sensitivity, classify, sensitivity
from nbanalytics.analysis.cohorts.subgroups import (
    SelectionList,
    SubgroupRule,
    Subgroups,
    choose_students,
    selection_list,
    subgroups,
)

__all__ = [
    "ChanceCheck",
    "Classification",
    "GroupRule",
    "SelectionList",
    "Sensitivity",
    "SubgroupRule",
    "Subgroups",
    "choose_students",
    "classify",
    "expected_by_chance",
    "selection_list",
    "sensitivity",
    "subgroups",
]
