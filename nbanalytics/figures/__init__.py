"""Charts: functions from a result, or from cells of a release, to a :class:`Chart`.

A chart holds what is drawn, its text alternative and its table. A notebook shows it; ``chart.figure()`` is the plotly
figure, ``chart.alt`` the text and ``chart.table`` the numbers as they are written. Each function takes
:class:`nbanalytics.Words` for another language or a publisher's labels. A suppressed cell never reaches a chart: it is
written ``..``.
"""

from __future__ import annotations

from nbanalytics.figures.baseline import absence_bars, followup_dots, share_course
from nbanalytics.figures.calibration import audit_forest, calibration_plot, decile_bars
from nbanalytics.figures.chart import Chart, TextTable
from nbanalytics.figures.cohort import cohort_scatter, drop_terms, groups_bar, subjects_heatmap
from nbanalytics.figures.flows import course_index, course_states, flow_sankey, state_bars
from nbanalytics.figures.municipality import funnel_plot, years_beside
from nbanalytics.figures.risk import auc_by_horizon, lead_time_plot, precision_at_k, roc_plane, value_plot
from nbanalytics.figures.support import (
    caseload_over_time,
    coverage_by_term,
    event_study,
    handover_bars,
    kaa_shares,
    love_plot,
)

__all__ = [
    "Chart",
    "TextTable",
    "absence_bars",
    "auc_by_horizon",
    "audit_forest",
    "calibration_plot",
    "caseload_over_time",
    "cohort_scatter",
    "course_index",
    "course_states",
    "coverage_by_term",
    "decile_bars",
    "drop_terms",
    "event_study",
    "flow_sankey",
    "followup_dots",
    "funnel_plot",
    "groups_bar",
    "handover_bars",
    "kaa_shares",
    "lead_time_plot",
    "love_plot",
    "precision_at_k",
    "roc_plane",
    "share_course",
    "state_bars",
    "subjects_heatmap",
    "value_plot",
    "years_beside",
]
