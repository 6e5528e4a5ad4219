"""Charts of the results and of a release: functions from a tidy table to a plotly figure.

The only importer of plotly. Every figure has a ``describe_*`` function beside it for its text alternative and a table
in :mod:`nbanalytics.figures.tables`. A suppressed cell never reaches a figure: it is drawn as ``..``.
"""

from __future__ import annotations

from nbanalytics.figures.baseline import describe_followup_dots, followup_dots, followup_table
from nbanalytics.figures.droppoints import describe_drop_terms, drop_terms
from nbanalytics.figures.flows import describe_flow_sankey, flow_sankey
from nbanalytics.figures.groups import describe_groups_bar, groups_bar
from nbanalytics.figures.municipality import (
    describe_funnel_plot,
    describe_years_beside,
    funnel_plot,
    funnel_table,
    years_beside,
    years_table,
)
from nbanalytics.figures.scatter import cohort_scatter, describe_cohort_scatter
from nbanalytics.figures.subjects import describe_lost_subjects, lost_subjects
from nbanalytics.figures.support import (
    caseload_over_time,
    coverage_by_term,
    describe_caseload,
    describe_coverage,
    describe_kaa,
    describe_love_plot,
    kaa_shares,
    love_plot,
)

__all__ = [
    "caseload_over_time",
    "cohort_scatter",
    "coverage_by_term",
    "describe_caseload",
    "describe_cohort_scatter",
    "describe_coverage",
    "describe_drop_terms",
    "describe_flow_sankey",
    "describe_followup_dots",
    "describe_funnel_plot",
    "describe_groups_bar",
    "describe_kaa",
    "describe_lost_subjects",
    "describe_love_plot",
    "describe_years_beside",
    "drop_terms",
    "flow_sankey",
    "followup_dots",
    "followup_table",
    "funnel_plot",
    "funnel_table",
    "groups_bar",
    "kaa_shares",
    "lost_subjects",
    "love_plot",
    "years_beside",
    "years_table",
]
