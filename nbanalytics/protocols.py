"""A protocol: what was decided before looking, its hash beside every result, and what was done otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.toml_files import read_fields, read_toml

#: The protocol that results are made under.
_HELD: list[Protocol] = []
_DEVIATIONS = ("analysis", "setting", "planned", "done")


@dataclass(frozen=True)
class Declared:
    """What ``protocol.toml`` says; only the date and the outcome must be there.

    Attributes
    ----------
    decided : date
        The day on which it was decided, before the data were looked at.
    outcome : str
        The main outcome, in words.
    cohorts : tuple of int
        Cohorts that are analysed; empty: all.
    rule, start, end : str
        Eligibility rule, start term and end term; empty: those of the records.
    planned : mapping
        By analysis (``transition_contrast``, or the class of its result), the settings that were decided.
    """

    decided: date
    outcome: str
    cohorts: tuple[int, ...] = ()
    rule: str = ""
    start: str = ""
    end: str = ""
    planned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol(Declared):
    """A protocol that was read, with the hash of its file.

    Attributes
    ----------
    sha256 : str
        Of the file, as the command ``sha256sum`` writes it: any change of the file changes it.
    """

    sha256: str = ""

    @property
    def short(self) -> str:
        """The first twelve digits of the hash, which stand beside results."""
        return self.sha256[:12]

    def deviations(self, *made: Any) -> pd.DataFrame:
        """List where records or results are not as planned.

        Parameters
        ----------
        *made : StudentRecords or results
            Records are compared by cohorts, rule and terms, results by their settings.

        Returns
        -------
        pandas.DataFrame
            ``analysis, setting, planned, done``: a row for each difference. An analysis that the protocol does not name
            has the setting ``(not planned)``.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> plan = Protocol(date(2026, 11, 29), "lost", planned={"contrast": {"step": 2, "way": "lost"}})
        >>> plan.deviations(type("Contrast", (), {"settings": {"step": 3, "way": "lost"}})()).to_numpy().tolist()
        [['Contrast', 'step', '2', '3']]
        """
        rows = [row for one in made for row in self._compared(one)]
        return pd.DataFrame(rows, columns=list(_DEVIATIONS))

    def _compared(self, made: Any) -> list[tuple[str, str, str, str]]:
        name = type(made).__name__
        if hasattr(made, "declaration"):
            found = {
                "cohorts": tuple(sorted(made.cohorts())),
                **{key: getattr(made.declaration, key) for key in _OF_RECORDS},
            }
            wanted: Mapping[str, Any] = {"cohorts": tuple(sorted(self.cohorts))} | self._of_records()
        else:
            settings = made._settings() if hasattr(made, "_settings") else made.settings
            found = {str(key).replace(" ", "_"): value for key, value in settings.items()}
            wanted = {key: value for key, value in self._of_records().items() if key in found}
            planned = {_plain(key): value for key, value in self.planned.items()}
            if _plain(name) not in planned:
                return [(name, "(not planned)", "", ""), *_apart(name, wanted, found)]
            wanted |= planned[_plain(name)]
        return _apart(name, wanted, found)

    def _of_records(self) -> dict[str, str]:
        return {key: getattr(self, key) for key in _OF_RECORDS}

    def stop(self) -> None:
        """Results that are made from now on do not carry this protocol."""
        if self in _HELD:
            _HELD.remove(self)


_OF_RECORDS = ("rule", "start", "end")


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()


def _apart(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    rows = []
    for key, planned in wanted.items():
        done = found.get(key, "(no such setting)")
        if planned not in ("", ()) and _comparable(planned) != _comparable(done):
            rows.append((name, key, str(planned), str(done)))
    return rows


def _comparable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(_comparable, value))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def protocol(path: str | Path) -> Protocol:
    """Read a protocol; results and charts that are made from now on carry its hash.

    Decide on cohorts, outcome, rule, contrasts and thresholds before you look at the data, write them down, and keep
    the file where its date can be shown (a repository, a registry). A result shows the hash beside its settings, and
    which of these are not as planned; :meth:`Protocol.deviations` lists them.

    Parameters
    ----------
    path : str or Path
        ``protocol.toml``::

            decided = 2026-11-29
            outcome = "not eligible in 7HT among those eligible in 6VT"
            cohorts = [2018]
            rule = "vocational"

            [planned.transition_contrast]
            step = 2
            way = "lost"
            estimand = "these_schools"

    Returns
    -------
    Protocol
        Until its ``stop()``, or another protocol.

    Raises
    ------
    DataError
        If the file cannot be read, or a key is unknown, missing or of the wrong kind.

    Notes
    -----
    Nosek, Ebersole, DeHaven and Mellor (2018), The preregistration revolution, PNAS 115: 2600-2606.
    """
    path = Path(path)
    declared = read_fields(Declared, read_toml(path), path.name, DataError)
    made = Protocol(**declared, sha256=sha256(path.read_bytes()).hexdigest())
    _HELD[:] = [made]
    return made


def held() -> Protocol | None:
    """The protocol that results are made under now."""
    return _HELD[0] if _HELD else None


def said_of(result: Any, plan: Protocol | None) -> dict[str, str]:
    """What stands beside the settings of a result: the hash of its protocol, and what is not as planned."""
    if plan is None:
        return {}
    apart = ", ".join(plan.deviations(result)["setting"])
    return {"protocol": plan.short, **({"not as planned": apart} if apart else {})}
