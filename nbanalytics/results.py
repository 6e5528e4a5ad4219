"""How a result shows itself: a sentence, what it was counted by, and a table of at most ten rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from html import escape
from typing import Any, Self, TypeAlias

import narwhals as nw
import pandas as pd

from nbanalytics.frames import NativeFrame, collect, open_frame
from nbanalytics.protocols import Protocol, held, said_of

#: How many rows of a table are shown.
MOST_ROWS = 10
#: What a result was counted by: names of settings and their values.
Settings: TypeAlias = Mapping[str, Any]
#: A row of a result: its columns and their values.
Row: TypeAlias = dict[str, Any]


class Shown(ABC):
    """A result that shows itself; dataclasses of it take ``repr=False``.

    ``_words`` says what was counted. The line below it names the settings: those of the attribute ``settings``, or what
    ``_settings`` returns, and the protocol that was held when the result was made. The table is ``table``, or what
    ``_shown`` returns, rounded to four significant digits.
    """

    table: NativeFrame
    _protocol: Protocol | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: D102
        made = super().__new__(cls)
        object.__setattr__(made, "_protocol", held())
        return made

    @abstractmethod
    def _words(self) -> str:
        """Return the sentence above the table."""

    def _settings(self) -> Settings:
        return getattr(self, "settings", None) or {}

    def _shown(self) -> NativeFrame:
        return self.table

    def _below(self) -> str:
        return settings_line({**self._settings(), **said_of(self, self._protocol)})

    def __repr__(self) -> str:
        rows, more = first_rows(self._shown())
        lines = [self._words(), self._below(), rows.to_string(index=False, na_rep=""), more]
        return "\n".join(line for line in lines if line)

    def _repr_html_(self) -> str:
        rows, more = first_rows(self._shown())
        above = [self._words(), self._below()]
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in above if line)
        below = f"<p>{escape(more)}</p>" if more else ""
        return f"{paragraphs}{rows.to_html(index=False, na_rep='')}{below}"


def first_rows(table: NativeFrame) -> tuple[pd.DataFrame, str]:
    """Return the first rows of a dataframe as rounded text, and how many more there are, in words.

    Examples
    --------
    >>> rows, more = first_rows(pd.DataFrame({"term": range(12), "share": 1 / 3}))
    >>> rows["share"].iloc[0], more
    ('0.3333', '10 of 12 rows')
    >>> first_rows(pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}))[0]["n"].tolist()
    ['1', '']
    """
    frame = collect(open_frame(table).head(MOST_ROWS))
    total = int(collect(open_frame(table).select(nw.len().alias("rows")))["rows"].iloc[0])
    shown = pd.DataFrame({name: [cell_words(cell) for cell in frame[name]] for name in frame})
    more = f"{MOST_ROWS} of {total:,} rows" if total > MOST_ROWS else ""
    return shown, more or ("" if total else "no rows")


def cell_words(cell: Any) -> str:
    """Return a cell as text: numbers with four significant digits or as whole numbers, a missing one as nothing.

    Examples
    --------
    >>> cell_words(0.123456), cell_words(12345.6), cell_words(251.0), cell_words(None), cell_words(("a", "b"))
    ('0.1235', '12346', '251', '', 'a, b')
    """
    if isinstance(cell, (list, tuple, set, frozenset)):
        return ", ".join(cell_words(one) for one in cell)
    if cell is None or (pd.api.types.is_scalar(cell) and pd.isna(cell)):
        return ""
    if isinstance(cell, float):
        return f"{cell:.0f}" if abs(cell) >= 1000 else f"{cell:.4g}"
    return str(cell)


#: A setting whose value takes more room than this is left to the attribute.
_MOST_LETTERS = 80


def settings_line(settings: Settings) -> str:
    """Name the settings that a result was counted by, on one line.

    Examples
    --------
    >>> settings_line({"rule": "upper_secondary", "terms": ("6VT", "7HT", "7VT"), "by": (), "min_students": 5})
    'rule: upper_secondary; terms: 6VT, 7HT, 7VT; min students: 5'
    """
    told = {name.replace("_", " "): cell_words(value) for name, value in settings.items() if not _large(value)}
    return "; ".join(f"{name}: {value}" for name, value in told.items() if value and len(value) <= _MOST_LETTERS)


def _large(value: object) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "columns")
