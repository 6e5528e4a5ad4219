"""Look up the cells of one table of a release, or of a result with the same columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw

FILTERS = ("cohort", "school", "sex", "newly_arrived")
MEASURES = (
    "students",
    "only",
    "mean_points",
    "mean_merit",
    "at_risk",
    "lost",
    "censored",
    "hazard",
    "survival",
    "se_hazard",
    "se_survival",
)
#: Column of a life table: the number of a term, beside its name.
STEP = "t"


@dataclass(frozen=True)
class Cell:
    """One number of a table: its place, its value and whether it may be shown; of a hidden one perhaps its span.

    The span is the smallest and the largest number that agree with all that is shown.
    """

    place: dict[str, str]
    measure: str
    value: float | None
    status: str
    span: tuple[float, float] | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a value that may be shown."""
        return self.status == "ok" and self.value is not None


_ABSENT = Cell({}, "", None, "not_applicable")


class Cells:
    """The cells of one table, found by measure and place.

    Parameters
    ----------
    table
        A dataframe with one column per dimension, then ``measure``, ``value`` and perhaps ``status``, or one with a
        column per measure, as the results of the analysis have. It has one selection of the filters only: the filter
        columns are not part of a cell's place. A ValueError says that it has no measure.
    ordered
        Whether the largest number shown is known to be the largest of all: True although others are hidden, as the
        release states, or never, False, since the numbers are rounded. Without it: where none is hidden.
    spans
        Spans of hidden cells, by their place: the values of the dimensions with ``|`` between them.

    Examples
    --------
    >>> import pandas as pd
    >>> cells = Cells(pd.DataFrame({"group": ["5", "6"], "students": [15, 23]}))
    >>> cells.value(group=6)
    23.0
    """

    def __init__(
        self, table: Any, ordered: bool | None = None, spans: Mapping[str, Sequence[float]] | None = None
    ) -> None:
        self.ordered, self._spans = ordered, spans or {}
        frame = nw.from_native(table, eager_only=True)
        columns = frame.columns
        long = {"measure", "value"} <= set(columns)
        measures = [name for name in columns if name in MEASURES]
        if not long and not measures:
            raise ValueError(
                f"the table has the columns {', '.join(columns)}, but neither 'measure' and 'value' "
                f"nor one of {', '.join(MEASURES)}"
            )
        if not long:  # decimals, such as the bounds of an interval, are not places either
            measures += [name for name in columns if name not in measures and frame.schema[name].is_float()]
        apart = {*FILTERS, STEP, "measure", "value", "status", "estimand", *(() if long else measures)}
        self.dimensions = [name for name in columns if name not in apart]
        self._cells: dict[tuple[str, ...], Cell] = {}
        held = {name: frame.get_column(name).to_list() for name in columns}
        for values in zip(*held.values(), strict=True):
            row = dict(zip(held, values, strict=True))
            for name in [str(row["measure"])] if long else measures:
                self._add(row, name, row["value"] if long else row[name])

    @classmethod
    def of(cls, table: Any) -> Cells:
        """Return a table's cells; cells are returned as they are."""
        return table if isinstance(table, cls) else cls(table)

    @classmethod
    def none(cls) -> Cells:
        """Return a table without cells, for one that a release does not have."""
        empty = cls.__new__(cls)
        empty.dimensions, empty._cells, empty.ordered, empty._spans = [], {}, None, {}
        return empty

    def _add(self, row: dict[str, Any], measure: str, raw: Any) -> None:
        value = None if raw is None or raw != raw or raw == "" else float(raw)
        status = str(row.get("status") or ("ok" if value is not None else "not_applicable"))
        place = {name: str(row[name]) for name in self.dimensions}
        # A hidden value must not travel on, even if the table was wrong enough to hold one.
        span = self._spans.get("|".join(place.values())) if status == "suppressed" else None
        cell = Cell(place, measure, value if status == "ok" else None, status, (span[0], span[1]) if span else None)
        self._cells[(measure, *place.values())] = cell

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._cells.values())

    def __len__(self) -> int:
        return len(self._cells)

    def codes(self, dimension: str) -> list[str]:
        """Return the codes of a dimension in the order of the table, without ``*``."""
        found = dict.fromkeys(cell.place[dimension] for cell in self if dimension in cell.place)
        return [code for code in found if code != "*"]

    def cell(self, measure: str = "students", **place: object) -> Cell:
        """Return the cell at a place; dimensions not named are ``*``."""
        key = (measure, *(str(place.get(name, "*")) for name in self.dimensions))
        return self._cells.get(key, _ABSENT)

    def value(self, measure: str = "students", **place: object) -> float | None:
        """Return the value at a place, None if it is hidden, does not apply or does not exist."""
        return self.cell(measure, **place).value

    def largest(self, cells: Iterable[Cell]) -> list[Cell] | None:
        """Return the largest of some cells, several if they are equal; None if it is not known which it is.

        Nothing is returned if all are zero, or there is none.

        Examples
        --------
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"group": ["5", "6"], "measure": "students", "value": [15, None],
        ...                      "status": ["ok", "suppressed"]})
        >>> cells = Cells(rows)
        >>> cells.largest(cells) is None, [cell.value for cell in Cells(rows, ordered=True).largest(cells)]
        (True, [15.0])
        """
        known = list(cells)
        most = max((cell.value for cell in known if cell.value is not None), default=0.0)
        if not (all(cell.status != "suppressed" for cell in known) if self.ordered is None else self.ordered):
            return None
        return [cell for cell in known if most and cell.value == most]

    @property
    def hidden(self) -> int:
        """Number of suppressed cells."""
        return sum(cell.status == "suppressed" for cell in self)
