"""The errors and warnings that a user meets; every message says what, where, how many and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


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


def meant(word: str, known: Iterable[str], lead: str = "Known") -> str:
    """Return the remedy for a name that means nothing: the one that it resembles, or all that there are.

    Parameters
    ----------
    word : str
        What was written.
    known : iterable of str
        What may be written, in the order in which to list it.
    lead : str
        The word before the list.

    Returns
    -------
    str

    Examples
    --------
    >>> meant("strat", ["start", "end"]), meant("x", ["start", "end"])
    ("Did you mean 'start'?", 'Known: start, end.')
    """
    names = list(known)
    close = get_close_matches(word, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"{lead}: {', '.join(names)}."
