"""The declared list of indicators: what each measures, when, and from what value on it is a signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from nbanalytics.analysis.indicators.measures import MEASURES
from nbanalytics.errors import DataError
from nbanalytics.frames import NOISE
from nbanalytics.toml_files import Toml, packaged_toml, read_table, read_toml

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
    kind: Annotated[str, Toml(choices=KINDS)]
    table: str
    measure: Annotated[str, Toml(choices=MEASURES)]
    direction: Annotated[str, Toml(choices=DIRECTIONS)]
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
        beyond = values >= self.limit - NOISE if self.direction == "at_least" else values <= self.limit + NOISE
        said = pd.Series(NO_SIGNAL, index=values.index, dtype="str").mask(beyond.fillna(False), self.kind)
        return said.mask(values.isna(), UNKNOWN)


@dataclass(frozen=True)
class _IndicatorFile:
    indicators: Annotated[tuple[Indicator, ...], Toml(key="indicator", filled=True, unique="name")]


def read_indicators(path: str | Path | None = None) -> tuple[Indicator, ...]:
    """Read the declared list: a TOML file like the ``indicators.toml`` beside this module, by default that file.

    Raises
    ------
    DataError
        If the file cannot be read, a key is missing or unknown, a value is not among the known ones, or a name is
        declared twice.

    Examples
    --------
    >>> sorted({indicator.kind for indicator in read_indicators()})
    ['protective', 'risk']
    """
    return _default() if path is None else _parse(read_toml(path), Path(path).name)


@cache
def _default() -> tuple[Indicator, ...]:
    return _parse(packaged_toml("nbanalytics.analysis.indicators", "indicators.toml"), "indicators.toml")


def _parse(data: Mapping[str, Any], where: str) -> tuple[Indicator, ...]:
    found = read_table(_IndicatorFile, data, where).indicators
    for place, one in enumerate(found, 1):
        home = MEASURES[one.measure].table
        if one.table != home:
            raise DataError(
                f"the measure {one.measure!r} comes from the table {home}",
                f'Write table = "{home}".',
                f"{where}, [[indicator]] number {place}",
            )
    return found
