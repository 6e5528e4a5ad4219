"""The baseline (nulägesanalys): zero values, follow-up against them, and the screening of engagement."""

from __future__ import annotations

from nbanalytics.analysis.baseline.followup import FollowUp, follow_up, follow_up_cohorts
from nbanalytics.analysis.baseline.individual import (
    IndividualBaseline,
    baseline_from_form,
    individual_baseline,
    individual_from_form,
)
from nbanalytics.analysis.baseline.regression import ExpectedReturn, expected_return, regression_to_mean
from nbanalytics.analysis.baseline.screening import (
    Question,
    Screening,
    dimensions,
    screening_and_loss,
    screening_groups,
    screening_profile,
    screening_questions,
    screening_reliability,
)
from nbanalytics.analysis.baseline.zero import Baseline, baseline

__all__ = [
    "Baseline",
    "ExpectedReturn",
    "FollowUp",
    "IndividualBaseline",
    "Question",
    "Screening",
    "baseline",
    "baseline_from_form",
    "dimensions",
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
]
