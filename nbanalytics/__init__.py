"""Grade progression research: cohorts, flows, drop points, and releases that a board can open.

Everything that a notebook needs is here: ``import nbanalytics as nb``, then ``nb.flows(records)``. Larger fields have a
namespace of their own: ``nb.figures``, ``nb.risk``, ``nb.support`` and ``nb.municipality``. Names are loaded when they
are first used, so that a dashboard that reads a release loads no model.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "nbanalytics.analysis.baseline": (
        "baseline",
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
        "screening_questions",
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
    "nbanalytics.analysis.droppoints": (
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
    ),
    "nbanalytics.analysis.flows": (
        "aalen_johansen",
        "course_classes",
        "course_distances",
        "course_measures",
        "courses",
        "eligibility_flow",
        "flows",
        "leaf_order",
        "share_eligible",
        "state_probabilities",
        "student_states",
        "what_if",
    ),
    "nbanalytics.analysis.growth": ("fit_growth", "grade_growth", "growth_percentiles", "growth_targets"),
    "nbanalytics.analysis.indicators": ("indicators", "read_indicators", "trend"),
    "nbanalytics.analysis.progression": ("grade_pairs", "match_rate", "progression"),
    "nbanalytics.declaration": ("Declaration", "read_declaration"),
    "nbanalytics.disclosure": ("Policy", "read_policy"),
    "nbanalytics.eligibility": ("merit_value", "term_results"),
    "nbanalytics.grading": ("default_catalogue",),
    "nbanalytics.municipality": ("funnel", "national_values", "salsa", "trends", "workbook_views", "write_workbook"),
    "nbanalytics.pages.controls": ("controls",),
    "nbanalytics.protocols": ("Protocol", "protocol"),
    "nbanalytics.readers": ("check_records", "read_records", "records_from_frames", "scan_records", "write_records"),
    "nbanalytics.records": ("StudentRecords",),
    "nbanalytics.release": ("build_release", "read_release", "write_release"),
    "nbanalytics.simulation": ("simulate", "write_sample"),
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
    "nbanalytics.text": ("Words",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_NAMESPACES = ("figures", "municipality", "risk", "support")
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name in _NAMESPACES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'nbanalytics' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_NAMESPACES})
