"""Grade scales and eligibility rules: versioned data, picked by cohort. The data are in ``grading.toml``."""

from nbanalytics.grading.catalogue import DEFAULT_RULE, STRECK, Catalogue, Grading, Rule, Scale, Subject, Way
from nbanalytics.grading.declared import default_catalogue, parse_catalogue

__all__ = [
    "DEFAULT_RULE",
    "STRECK",
    "Catalogue",
    "Grading",
    "Rule",
    "Scale",
    "Subject",
    "Way",
    "default_catalogue",
    "parse_catalogue",
]
