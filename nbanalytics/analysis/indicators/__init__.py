"""Risk and protective indicators followed over time, from a declared list."""

from nbanalytics.analysis.indicators.follow import Indicators, IndicatorTrend, indicators, trend
from nbanalytics.analysis.indicators.measures import Indicator, read_indicators

__all__ = ["Indicator", "IndicatorTrend", "Indicators", "indicators", "read_indicators", "trend"]
