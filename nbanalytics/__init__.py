"""Grade progression research: cohorts, flows, drop points, and releases that a board can open.

The public names are loaded when they are first used: a dashboard that reads a release pays for nothing else.
A function that bears the name of its module (``baseline.baseline``, ``flows.flows``, ``progression.progression``,
``simulate.simulate``) is imported from there.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "nbanalytics.analysis.baseline": (
        "baseline_from_form",
        "expected_return",
        "follow_up",
        "follow_up_cohorts",
        "individual_baseline",
        "individual_from_form",
        "regression_to_mean",
        "screening_and_loss",
        "screening_groups",
        "screening_profile",
        "screening_reliability",
    ),
    "nbanalytics.analysis.cohorts": (
        "GroupRule",
        "SubgroupRule",
        "choose_students",
        "classify",
        "expected_by_chance",
        "selection_list",
        "sensitivity",
        "subgroups",
    ),
    "nbanalytics.declaration": ("Declaration", "read_declaration"),
    "nbanalytics.disclosure": ("Policy", "read_policy"),
    "nbanalytics.analysis.droppoints": (
        "absence_around_loss",
        "life_table",
        "life_table_by",
        "losses",
        "lost_subjects",
        "person_periods",
        "recovery",
        "transition_contrast",
    ),
    "nbanalytics.eligibility": ("merit_value", "term_results"),
    "nbanalytics.analysis.flows": ("eligibility_flow", "share_eligible", "student_states"),
    "nbanalytics.grading": ("default_catalogue",),
    "nbanalytics.analysis.indicators": ("read_indicators",),
    "nbanalytics.municipality": ("funnel", "national_values", "salsa", "trends", "workbook_views", "write_workbook"),
    "nbanalytics.analysis.progression": ("match_rate",),
    "nbanalytics.readers": ("check_records", "read_records", "scan_records", "write_records"),
    "nbanalytics.records": ("StudentRecords",),
    "nbanalytics.release": ("build_release", "read_release", "write_release"),
    "nbanalytics.simulation": ("write_sample",),
    "nbanalytics.support": (
        "caseload",
        "coverage",
        "follow_theory",
        "handover",
        "kaa_outcomes",
        "prevention_levels",
        "read_theory",
        "support_outcome",
        "time_to_support",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'nbanalytics' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
