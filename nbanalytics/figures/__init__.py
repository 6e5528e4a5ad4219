"""Charts of the results and of a release: functions from a tidy table to a plotly figure.

The only importer of plotly. Every figure has a ``describe_*`` function beside it for its text alternative and a table
in :mod:`nbanalytics.figures.tables`. A suppressed cell never reaches a figure: it is drawn as ``..``.
"""

from __future__ import annotations

from nbanalytics.figures.droppoints import describe_drop_terms, drop_terms
from nbanalytics.figures.flows import describe_flow_sankey, flow_sankey
from nbanalytics.figures.groups import describe_groups_bar, groups_bar
from nbanalytics.figures.scatter import cohort_scatter, describe_cohort_scatter
from nbanalytics.figures.subjects import describe_lost_subjects, lost_subjects

__all__ = [
    "cohort_scatter",
    "describe_cohort_scatter",
    "describe_drop_terms",
    "describe_flow_sankey",
    "describe_groups_bar",
    "describe_lost_subjects",
    "drop_terms",
    "flow_sankey",
    "groups_bar",
    "lost_subjects",
]
