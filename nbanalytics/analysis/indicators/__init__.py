"""Risk and protective indicators followed over time, from a declared list."""

from nbanalytics.analysis.indicators.declared import Indicator, read_indicators
from nbanalytics.analysis.indicators.follow import Indicators, IndicatorTrend, indicators, trend

__all__ = ["Indicator", "IndicatorTrend", "Indicators", "indicators", "read_indicators", "trend"]
