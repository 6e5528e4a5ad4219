"""The errors and warnings that a user meets; every error says what is wrong, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

#: Characters that control a terminal or reverse the text order: they are invalid in a table.
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{2028}-\x{202e}\x{2066}-\x{2069}]"
_CONTROL = re.compile(re.sub(r"\\x\{(\w+)\}", lambda code: rf"\u{int(code[1], 16):04x}", CONTROL))
#: What a spreadsheet takes for the beginning of a formula.
FORMULA = r"^[=+@\t\r\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}-]"
_FORMULA = re.compile(re.sub(r"\\x\{(\w+)\}", lambda code: rf"\u{int(code[1], 16):04x}", FORMULA))
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e0fff]"
)


def has_control(text: str) -> bool:
    r"""Whether a text has a character that controls a terminal; tabs and line ends do not count.

    Examples
    --------
    >>> has_control("Ek\u202eskolan"), has_control("Ek\tskolan")
    (True, False)
    """
    return _CONTROL.search(text) is not None


def begins_like_formula(text: str) -> bool:
    """Whether a spreadsheet takes a text for a formula.

    Examples
    --------
    >>> begins_like_formula("=1+1"), begins_like_formula("7HT")
    (True, False)
    """
    return _FORMULA.search(text) is not None


def visible(text: str) -> str:
    r"""Return a text that is safe to show: control characters and invisible characters become escapes.

    Examples
    --------
    >>> visible("Ek\x1b[2Jskolan\n")
    'Ek\\u001b[2Jskolan\n'
    """
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class NbanalyticsError(Exception):
    """Base of all errors raised on purpose by nbanalytics.

    ``what`` is wrong and how often, as a clause (the whole text if the error has one text of whole sentences);
    ``remedy`` says what to do, as a sentence; ``where`` is the place, such as a file and a table in it.

    Examples
    --------
    >>> error = NbanalyticsError("the key 'name' is missing", "Add it.", where="plan.toml, [[step]] number 2")
    >>> print(error)
    plan.toml, [[step]] number 2: the key 'name' is missing. Add it.
    >>> error.remedy
    'Add it.'
    """

    def __init__(self, what: str, remedy: str = "", where: str = "") -> None:
        super().__init__(what, remedy, where)
        self.what = what.removesuffix(".")
        self.remedy = remedy
        self.where = where

    def __str__(self) -> str:
        """Build the message from the fields, with control characters as escapes."""
        said = f"{self.what}. {self.remedy}" if self.remedy else str(self.args[0])
        return visible(f"{self.where}: {said}" if self.where else said)


class DataError(NbanalyticsError):
    """The data cannot be used as they are."""


class LeakageError(DataError):
    """A feature was not yet known at the prediction point."""


class GradingError(NbanalyticsError):
    """A grade scale or an eligibility rule does not exist, is malformed or does not fit the cohort."""


class DisclosureError(NbanalyticsError):
    """A release does not declare, or must not show, what was requested."""


class ReleaseError(NbanalyticsError):
    """A release folder is missing, incomplete, altered or of another version."""


class EstimationWarning(UserWarning):
    """An estimate is missing or imprecise because there are too few data."""


def meant(word: str, known: Iterable[str], lead: str = "Known") -> str:
    """Return the remedy for an unknown name: the known name that it resembles, or all known names after ``lead``.

    Examples
    --------
    >>> meant("strat", ["start", "end"]), meant("x", ["start", "end"])
    ("Did you mean 'start'?", 'Known: start, end.')
    """
    names = list(known)
    close = get_close_matches(word, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"{lead}: {', '.join(names)}."


def refuse_unknown(what: str, wanted: Iterable[object], known: Iterable[object]) -> None:
    """Raise a DataError for names that are not known, with those to choose among.

    Parameters
    ----------
    what : str
        The start of the message, such as ``"There is no rung"``.
    wanted, known : iterable
        What was asked for, and what there is.

    Examples
    --------
    >>> refuse_unknown("There is no rung", ["forest"], ["logit", "boosting"])
    Traceback (most recent call last):
        ...
    nbanalytics.errors.DataError: There is no rung forest. Choose among: logit, boosting.
    """
    there = list(known)
    unknown = [str(name) for name in wanted if name not in there]
    if unknown:
        names = ", ".join(map(str, there)) or "none at all"
        raise DataError(f"{what} {', '.join(unknown)}", f"Choose among: {names}.")
