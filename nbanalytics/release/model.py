"""A release in memory, and how its cells are picked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.errors import DisclosureError, meant

#: The value of a dimension that stands for all of them.
ALL = "*"
#: The dimensions that a reader of the release may filter by, in the order in which they stand in every table.
FILTERS = ("cohort", "school", "sex", "newly_arrived")
#: Statuses of a cell.
OK, SUPPRESSED, NOT_APPLICABLE = "ok", "suppressed", "not_applicable"
#: The protection that the manifest of a rounded release names; one that names none hides small counts.
ROUNDED = "rounded"


@dataclass(frozen=True, eq=False)
class Release:
    """A closed set of aggregate cells: all that a dashboard may show.

    Attributes
    ----------
    manifest : mapping
        What it is: title, policy, dimensions, tables, checksums; see ``docs/disclosure.md``.
    tables : mapping of str to pandas.DataFrame
        Long tables: a text column per dimension (``*`` = all), then ``measure``, ``value`` (missing unless ``status``
        is ``ok``) and ``status`` (``ok``, ``suppressed``, ``not_applicable``).
    witnesses : bytes, optional
        The file of possible tables that was published with it, see :mod:`nbanalytics.release.witnesses`.
    """

    manifest: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    witnesses: bytes | None = None

    def cells(self, table: str, /, measure: str | None = None, **selection: object) -> pd.DataFrame:
        """Pick declared cells of a table.

        Parameters
        ----------
        table : str
            Such as ``"groups"``.
        measure : str, optional
            Only this measure.
        **selection
            Dimension to value. A filter (cohort, school, sex, newly_arrived) that is left out is ``*``; another
            dimension that is left out is not restricted.

        Returns
        -------
        pandas.DataFrame
            The columns of the table.

        Raises
        ------
        DisclosureError
            If the table, the measure, a dimension or a value is not declared, or too many filters are crossed.
        """
        entry = self._known(table, self.manifest["tables"], "table")
        if measure is not None:
            self._known(measure, entry["measures"], f"measure of {table}")
        chosen = {name: str(value) for name, value in selection.items()}
        for name, value in chosen.items():
            self._known(name, entry["dimensions"], f"dimension of {table}")
            self._known(value, [ALL, *self.manifest["dimensions"][name]["values"]], f"value of {name}")
        crossed = [name for name in FILTERS if chosen.get(name, ALL) != ALL]
        most = int(entry.get("max_crossed", self.manifest["max_crossed"]))
        if len(crossed) > most:
            raise DisclosureError(
                f"{', '.join(crossed)} together are not declared: {table} crosses at most {most} filters. "
                "Leave one of them out."
            )
        frame = self.tables[table].take(self._rows(table, tuple(chosen.pop(name, ALL) for name in FILTERS)))
        kept = np.ones(len(frame), dtype=bool)
        for name, value in (chosen if measure is None else chosen | {"measure": measure}).items():
            kept &= (frame[name] == value).to_numpy(dtype=bool)
        return frame[kept].reset_index(drop=True)

    def _rows(self, table: str, filters: tuple[str, ...]) -> NDArray[np.int64]:
        """Return the places of a selection's rows; a page asks for many, so all are found at the first question."""
        if table not in self._found:
            found: Mapping[Any, Any] = self.tables[table].groupby(list(FILTERS), observed=True).indices
            self._found[table] = {tuple(map(str, key)): rows for key, rows in found.items()}
        return self._found[table].get(filters, np.array([], dtype=np.int64))

    @cached_property
    def _found(self) -> dict[str, dict[tuple[str, ...], NDArray[np.int64]]]:
        return {}

    def label(self, dimension: str, value: str, lang: str = "sv") -> str:
        """Return the words for a value of a dimension, in Swedish or English; the value itself if it has none."""
        entry = self.manifest["dimensions"].get(dimension, {})
        known: Mapping[str, str] = entry.get("labels" if lang == "sv" else "labels_en", {})
        return known.get(value, value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Release):
            return NotImplemented
        same = dict(self.manifest) == dict(other.manifest) and set(self.tables) == set(other.tables)
        same = same and self.witnesses == other.witnesses
        return same and all(table.equals(other.tables[name]) for name, table in self.tables.items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        hidden = self.manifest["hidden"]
        return (
            f"Release {self.manifest['title']!r}, {self.manifest['created']}: {len(self.tables)} tables, "
            f"{hidden['cells']} cells, {hidden['suppressed']} of them suppressed"
        )

    @staticmethod
    def _known(word: str, known: Any, what: str) -> Any:
        if word in known:
            return known[word] if isinstance(known, Mapping) else word
        raise DisclosureError(f"The release declares no {what} {word!r}. {meant(word, known, 'Choose among')}")
