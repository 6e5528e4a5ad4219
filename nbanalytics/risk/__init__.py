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
    "nbanalytics.risk.capacity": ("at_capacity", "net_benefit_curve"),
    "nbanalytics.risk.comparing": ("compare_models",),
    "nbanalytics.risk.leakage": ("feature_aucs", "refuse_leakage"),
    "nbanalytics.risk.measuring": ("measures",),
    "nbanalytics.risk.asof": ("OwnFeature", "as_of"),
    "nbanalytics.risk.assemble": ("dataset",),
    "nbanalytics.risk.at_risk": ("EXITS", "periods_at_risk"),
    "nbanalytics.risk.data": ("RiskData",),
    "nbanalytics.risk.validation": ("Validation", "validate"),
    "nbanalytics.risk.auditing": ("Audit", "audit"),
    "nbanalytics.risk.value": ("PredictionValue", "value_of_prediction"),
    "nbanalytics.risk.leads": ("lead_time",),
    "nbanalytics.risk.hazard_measuring": ("hazard_measures",),
    "nbanalytics.risk.hazard_validation": ("HazardValidation", "validate_hazards"),
    "nbanalytics.risk.explaining": ("Explanation", "explain"),
    "nbanalytics.risk.card": ("INTENDED_USE", "NOT_FOR", "ModelCard", "model_card"),
    "nbanalytics.risk.yardstick": ("auc_by_point", "published_aucs", "published_flags"),
    "nbanalytics.risk.sensitive": ("SensitiveComparison", "with_and_without"),
    "nbanalytics.risk.feature_table": ("FAMILIES", "Features", "features"),
    "nbanalytics.risk.outcomes": ("OUTCOMES", "Outcome", "outcome"),
    "nbanalytics.risk.design": ("Design",),
    "nbanalytics.risk.logit": ("Logit",),
    "nbanalytics.risk.hazard": ("Hazard",),
    "nbanalytics.risk.competing": ("CompetingHazards",),
    "nbanalytics.risk.periods": ("HazardClassifier", "expand"),
    "nbanalytics.risk.mixed": ("MixedLogit",),
    "nbanalytics.risk.boosting": ("Boosting",),
    "nbanalytics.risk.rules": ("AbcRule", "BaseRate", "PriorGrade", "SchoolRate"),
    "nbanalytics.risk.rungs": ("RUNGS", "ladder"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'nbanalytics.risk' has no attribute {name!r}")
    try:
        return getattr(import_module(_HOME_OF[name]), name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("nbanalytics"):
            raise
        raise ModuleNotFoundError(
            f"nbanalytics.risk.{name} needs {missing.name}, which comes with the extra 'research': "
            "pip install '.[research]' in the project's folder.",
            name=missing.name,
        ) from missing


def __dir__() -> list[str]:
    return [*globals(), *__all__]
