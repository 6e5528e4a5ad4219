"""The errors and warnings that a user meets; every message says what, where, how many and what to do."""

from __future__ import annotations


class NbanalyticsError(Exception):
    """Base of all errors raised on purpose by nbanalytics."""


class DataError(NbanalyticsError):
    """The data cannot be used as they are."""


class LeakageError(DataError):
    """A feature was not known yet at the prediction point."""


class GradingError(NbanalyticsError):
    """A grade scale or an eligibility rule does not exist, is malformed or does not fit the cohort."""


class DisclosureError(NbanalyticsError):
    """Something was asked for that a release does not declare or may not show."""


class ReleaseError(NbanalyticsError):
    """A release folder is missing, incomplete, altered or of another version."""


class EstimationWarning(UserWarning):
    """An estimate is missing or weak because the data behind it are too few."""
