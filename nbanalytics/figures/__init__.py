"""Charts of the results and of a release: functions from a tidy table to a plotly figure.

The only importer of plotly. Beside every figure there is a ``describe_*`` function for its text alternative and, in the
same module or in :mod:`nbanalytics.figures.tables`, a ``*_table`` of what it shows. A suppressed cell never reaches a
figure: it is drawn as ``..``.
"""

from __future__ import annotations

from nbanalytics.figures.baseline import describe_followup_dots, followup_dots, followup_table
from nbanalytics.figures.droppoints import describe_drop_terms, drop_terms
from nbanalytics.figures.flows import describe_flow_sankey, flow_sankey
from nbanalytics.figures.groups import describe_groups_bar, groups_bar
from nbanalytics.figures.kaa import describe_kaa, kaa_shares
from nbanalytics.figures.municipality import (
    describe_funnel_plot,
    describe_years_beside,
    funnel_plot,
    funnel_table,
    years_beside,
    years_table,
)
from nbanalytics.figures.risk import (
    auc_by_horizon,
    describe_auc_by_horizon,
    describe_roc_plane,
    horizon_table,
    roc_plane,
    roc_table,
)
from nbanalytics.figures.risk_budget import (
    describe_lead_time_plot,
    describe_precision_at_k,
    describe_value_plot,
    lead_time_plot,
    lead_time_table,
    precision_at_k,
    precision_table,
    value_plot,
    value_table,
)
from nbanalytics.figures.risk_groups import (
    audit_forest,
    audit_table,
    calibration_bins_table,
    calibration_plot,
    decile_bars,
    describe_audit_forest,
    describe_calibration_plot,
    describe_decile_bars,
)
from nbanalytics.figures.scatter import cohort_scatter, describe_cohort_scatter
from nbanalytics.figures.subjects import describe_lost_subjects, lost_subjects
from nbanalytics.figures.support import (
    caseload_over_time,
    coverage_by_term,
    describe_caseload,
    describe_coverage,
    describe_love_plot,
    love_plot,
)

__all__ = [
    "auc_by_horizon",
    "audit_forest",
    "audit_table",
    "calibration_bins_table",
    "calibration_plot",
    "caseload_over_time",
    "cohort_scatter",
    "coverage_by_term",
    "decile_bars",
    "describe_auc_by_horizon",
    "describe_audit_forest",
    "describe_calibration_plot",
    "describe_caseload",
    "describe_cohort_scatter",
    "describe_coverage",
    "describe_decile_bars",
    "describe_drop_terms",
    "describe_flow_sankey",
    "describe_followup_dots",
    "describe_funnel_plot",
    "describe_groups_bar",
    "describe_kaa",
    "describe_lead_time_plot",
    "describe_lost_subjects",
    "describe_love_plot",
    "describe_precision_at_k",
    "describe_roc_plane",
    "describe_value_plot",
    "describe_years_beside",
    "drop_terms",
    "flow_sankey",
    "followup_dots",
    "followup_table",
    "funnel_plot",
    "funnel_table",
    "groups_bar",
    "horizon_table",
    "kaa_shares",
    "lead_time_plot",
    "lead_time_table",
    "lost_subjects",
    "love_plot",
    "precision_at_k",
    "precision_table",
    "roc_plane",
    "roc_table",
    "value_plot",
    "value_table",
    "years_beside",
    "years_table",
]
