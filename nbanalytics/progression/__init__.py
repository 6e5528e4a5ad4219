"""Progression by subject: how many can be followed back, and how their grades changed in the same subject."""

from __future__ import annotations

from nbanalytics.progression.change import Progression, progression
from nbanalytics.progression.match import MatchRate, match_rate
from nbanalytics.progression.pairs import grade_pairs

__all__ = ["MatchRate", "Progression", "grade_pairs", "match_rate", "progression"]
