"""Risk and protective indicators followed over time, from a declared list."""

from nbanalytics.indicators.declared import Indicator, read_indicators
from nbanalytics.indicators.follow import Indicators, indicators
from nbanalytics.indicators.trend import IndicatorTrend, trend

__all__ = ["Indicator", "IndicatorTrend", "Indicators", "indicators", "read_indicators", "trend"]
