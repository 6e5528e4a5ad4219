"""What may be published: the policy, the cells that must be hidden, and those hidden to protect them."""

from nbanalytics.disclosure.cells import CellSystem, Equation, SystemBuilder
from nbanalytics.disclosure.policy import Policy, parse_policy, read_policy
from nbanalytics.disclosure.primary import Line, primary
from nbanalytics.disclosure.suppress import Protection, exposed, protect

__all__ = [
    "CellSystem",
    "Equation",
    "Line",
    "Policy",
    "Protection",
    "SystemBuilder",
    "exposed",
    "parse_policy",
    "primary",
    "protect",
    "read_policy",
]
