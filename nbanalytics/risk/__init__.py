"""Risk models: features as of a date, outcomes, a ladder of models, and what they are worth.

The names are loaded when they are first used, since models need scikit-learn and statsmodels. No module here bears the
name of a public function: importing the module would put it in the function's place.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "nbanalytics.risk.data.asof": ("OwnFeature", "as_of"),
    "nbanalytics.risk.data.assemble": ("EXITS", "dataset", "periods_at_risk"),
    "nbanalytics.risk.data.feature_table": ("FAMILIES", "Features", "features"),
    "nbanalytics.risk.data.outcomes": ("OUTCOMES", "Outcome", "outcome"),
    "nbanalytics.risk.data.riskdata": ("RiskData", "feature_aucs", "refuse_leakage"),
    "nbanalytics.risk.evaluation.auc": ("compare_auc", "roc_curve"),
    "nbanalytics.risk.evaluation.calibration": ("brier_decomposition", "calibration_table"),
    "nbanalytics.risk.evaluation.capacity": ("at_capacity", "net_benefit_curve"),
    "nbanalytics.risk.evaluation.card": ("INTENDED_USE", "ModelCard", "NOT_FOR", "model_card"),
    "nbanalytics.risk.evaluation.explaining": ("Explanation", "explain"),
    "nbanalytics.risk.evaluation.hazard_validation": ("HazardValidation", "hazard_measures", "validate_hazards"),
    "nbanalytics.risk.evaluation.leads": ("lead_time",),
    "nbanalytics.risk.evaluation.measuring": ("compare_models", "measures"),
    "nbanalytics.risk.evaluation.validation": ("Validation", "validate"),
    "nbanalytics.risk.evaluation.value": ("PredictionValue", "value_of_prediction"),
    "nbanalytics.risk.evaluation.yardstick": ("auc_by_point", "published_aucs", "published_flags"),
    "nbanalytics.risk.fairness.auditing": ("Audit", "audit"),
    "nbanalytics.risk.fairness.sensitive": ("SensitiveComparison", "with_and_without"),
    "nbanalytics.risk.models.design": ("Design",),
    "nbanalytics.risk.models.hazard": ("CompetingHazards", "Hazard", "HazardClassifier", "expand"),
    "nbanalytics.risk.models.logit": ("Logit", "described"),
    "nbanalytics.risk.models.mixed": ("MixedLogit",),
    "nbanalytics.risk.models.rules": ("AbcRule", "BaseRate", "PriorGrade", "SchoolRate"),
    "nbanalytics.risk.models.rungs": ("RUNGS", "Boosting", "ladder"),
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
