"""Risk models: features as of a date, outcomes, a ladder of models, and what they are worth.

The names are loaded when they are first used, since models need scikit-learn and statsmodels. No module here bears the
name of a public function: importing the module would put it in the function's place.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "nbanalytics.risk.auc": ("compare_auc", "roc_curve"),
    "nbanalytics.risk.calibration": ("brier_decomposition", "calibration_table"),
    "nbanalytics.risk.measuring": ("measures",),
    "nbanalytics.risk.data": ("RiskData",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'nbanalytics.risk' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
