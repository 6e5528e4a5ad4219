"""Progression by subject: how many can be followed back, and how their grades changed in the same subject."""

from __future__ import annotations

from nbanalytics.analysis.progression.change import Progression, grade_pairs, progression
from nbanalytics.analysis.progression.match import MatchRate, match_rate

__all__ = ["MatchRate", "Progression", "grade_pairs", "match_rate", "progression"]
