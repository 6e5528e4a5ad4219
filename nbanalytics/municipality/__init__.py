"""The municipality's report: comparison with nation and peers, SALSA, a funnel plot of schools, and the workbook."""

from __future__ import annotations

from nbanalytics.municipality.compare import Comparison, Trends, compare, own_values, trends
from nbanalytics.municipality.funnel import Funnel, funnel, funnel_limits
from nbanalytics.municipality.leavers import TermTables
from nbanalytics.municipality.official import SchoolNames, from_kolada, from_skolverket, national_values, school_names
from nbanalytics.municipality.salsa import Salsa, salsa, salsa_expected
from nbanalytics.municipality.views import (
    View,
    all_passed_view,
    control_view,
    eligibility_view,
    grades_view,
    merit_view,
    national_tests_view,
    points_view,
)
from nbanalytics.municipality.workbook import names_of, workbook_views, write_workbook

__all__ = [
    "Comparison",
    "Funnel",
    "Salsa",
    "SchoolNames",
    "TermTables",
    "Trends",
    "View",
    "all_passed_view",
    "compare",
    "control_view",
    "eligibility_view",
    "from_kolada",
    "from_skolverket",
    "funnel",
    "funnel_limits",
    "grades_view",
    "merit_view",
    "names_of",
    "national_tests_view",
    "national_values",
    "own_values",
    "points_view",
    "salsa",
    "salsa_expected",
    "school_names",
    "trends",
    "workbook_views",
    "write_workbook",
]
