"""Growth: how far students came, compared with those who stood where they stood, and which growth reaches a target."""

from __future__ import annotations

from nbanalytics.analysis.growth.grades import GradeGrowth, grade_growth
from nbanalytics.analysis.growth.model import GrowthModel, fit_growth
from nbanalytics.analysis.growth.percentiles import Growth, growth_percentiles
from nbanalytics.analysis.growth.targets import Targets, growth_targets

__all__ = [
    "GradeGrowth",
    "Growth",
    "GrowthModel",
    "Targets",
    "fit_growth",
    "grade_growth",
    "growth_percentiles",
    "growth_targets",
]
