"""The six groups of a cohort, what they rest on, and the division of the group that is lost."""

from nbanalytics.cohorts.chance import ChanceCheck, expected_by_chance
from nbanalytics.cohorts.choose import choose_students
from nbanalytics.cohorts.classify import Classification, GroupRule, classify
from nbanalytics.cohorts.sensitivity import Sensitivity, sensitivity
from nbanalytics.cohorts.subgroups import SelectionList, SubgroupRule, Subgroups, selection_list, subgroups

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
