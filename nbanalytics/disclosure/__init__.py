"""What may be published: the policy, the cells that must be hidden, and those hidden to protect them."""

from nbanalytics.disclosure.attack import Bounds, bounds, determined, exposed
from nbanalytics.disclosure.cells import CellSystem, Equation, SystemBuilder
from nbanalytics.disclosure.engine import Protection, check_protection, protect, protect_sums
from nbanalytics.disclosure.knowledge import Knowledge, knowledge_beside
from nbanalytics.disclosure.policy import Policy, parse_policy, read_policy
from nbanalytics.disclosure.possible import Possible, seen_beyond
from nbanalytics.disclosure.primary import Line, primary
from nbanalytics.disclosure.rounding import draw_alike

__all__ = [
    "Bounds",
    "CellSystem",
    "Equation",
    "Knowledge",
    "Line",
    "Policy",
    "Possible",
    "Protection",
    "SystemBuilder",
    "bounds",
    "check_protection",
    "determined",
    "draw_alike",
    "exposed",
    "knowledge_beside",
    "parse_policy",
    "primary",
    "protect",
    "protect_sums",
    "read_policy",
    "seen_beyond",
]
