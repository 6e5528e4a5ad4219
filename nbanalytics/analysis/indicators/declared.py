"""The declared list of indicators: what each measures, when, and from what value on it is a signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from nbanalytics.analysis.indicators.measures import MEASURES
from nbanalytics.errors import DataError, meant
from nbanalytics.toml_files import packaged_toml, read_toml

KINDS = ("risk", "protective")
DIRECTIONS = ("at_least", "at_most")
#: What an indicator can say of a student in a term besides its kind.
NO_SIGNAL, UNKNOWN = "none", "unknown"


@dataclass(frozen=True)
class Indicator:
    """One indicator.

    Attributes
    ----------
    name : str
    kind : {"risk", "protective"}
        What its signal means.
    table : str
        The table of records that it needs.
    measure : str
        Its value, one of :data:`nbanalytics.MEASURES`.
    direction : {"at_least", "at_most"}
        On which side of the limit the signal lies; the limit itself is a signal.
    limit : float
    unit, en, sv, source : str
        Of the value; name in English and Swedish; where the limit is from.
    terms : tuple of str
        Terms in which it is asked; none means all.
    """

    name: str
    kind: str
    table: str
    measure: str
    direction: str
    limit: float
    unit: str
    en: str
    sv: str
    source: str
    terms: tuple[str, ...] = ()

    def signal(self, values: pd.Series) -> pd.Series:
        """Return the signal of each value: the kind, ``none``, or ``unknown`` where the value is missing.

        Examples
        --------
        >>> absence = next(one for one in read_indicators() if one.name == "absence")
        >>> absence.signal(pd.Series([10.0, 9.9, None])).tolist()
        ['risk', 'none', 'unknown']
        """
        beyond = values >= self.limit if self.direction == "at_least" else values <= self.limit
        said = pd.Series(NO_SIGNAL, index=values.index, dtype="str").mask(beyond.fillna(False), self.kind)
        return said.mask(values.isna(), UNKNOWN)


def read_indicators(path: str | Path | None = None) -> tuple[Indicator, ...]:
    """Read the declared list.

    Parameters
    ----------
    path : path, optional
        A TOML file like the ``indicators.toml`` beside this module; without one, that file.

    Returns
    -------
    tuple of Indicator

    Raises
    ------
    DataError
        If the file cannot be read, a key is missing or means nothing, a value is not among the known ones, or a
        name stands twice.

    Examples
    --------
    >>> sorted({indicator.kind for indicator in read_indicators()})
    ['protective', 'risk']
    """
    return _default() if path is None else _parse(read_toml(path), Path(path).name)


def check_keys(entry: object, kind: type, where: str) -> None:
    """Refuse an entry that lacks a field of a dataclass, or has one that means nothing."""
    if not isinstance(entry, Mapping):
        raise DataError(f"{where} is not a table. Write it as [[...]] with a key on each line.")
    known = {field.name: field for field in fields(kind)}
    for key in entry:
        if key not in known:
            raise DataError(f"{where}: {key!r} means nothing here. {meant(str(key), known)}")
    needed = [name for name, field in known.items() if field.default is MISSING]
    lacking = [name for name in needed if name not in entry]
    if lacking:
        raise DataError(f"{where} lacks {', '.join(lacking)}. Add it.")


@cache
def _default() -> tuple[Indicator, ...]:
    return _parse(packaged_toml("nbanalytics.analysis.indicators", "indicators.toml"), "indicators.toml")


def _parse(data: Mapping[str, Any], where: str) -> tuple[Indicator, ...]:
    entries = data.get("indicator")
    if not isinstance(entries, list) or set(data) != {"indicator"}:
        raise DataError(
            f"{where} does not hold a list of [[indicator]] and nothing else. Write one for each indicator."
        )
    found = tuple(_indicator(entry, f"{where}, [[indicator]] number {place}") for place, entry in enumerate(entries, 1))
    names = [indicator.name for indicator in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{where} declares {', '.join(twice)} more than once. Keep one of each.")
    return found


def _indicator(entry: Any, where: str) -> Indicator:
    check_keys(entry, Indicator, where)
    for key, known in (("kind", KINDS), ("direction", DIRECTIONS), ("measure", tuple(MEASURES))):
        if entry[key] not in known:
            raise DataError(f"{where}: {key} = {entry[key]!r} is not known. Choose among: {', '.join(known)}.")
    if isinstance(entry["limit"], bool) or not isinstance(entry["limit"], int | float):
        raise DataError(f"{where}: limit = {entry['limit']!r} is not a number. Write digits with a decimal point.")
    home = MEASURES[entry["measure"]].table
    if entry["table"] != home:
        raise DataError(f"{where}: the measure {entry['measure']!r} comes from the table {home}. Mend table.")
    return Indicator(**{**entry, "limit": float(entry["limit"]), "terms": tuple(entry.get("terms", ()))})
