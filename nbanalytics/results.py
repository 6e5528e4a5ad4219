"""How a result shows itself in a notebook: a sentence and a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from html import escape

import pandas as pd


def as_html(sentence: object, table: pd.DataFrame, index: bool = False) -> str:
    """Put a sentence above a table, with four significant digits; long tables are cut as pandas cuts them.

    Examples
    --------
    >>> as_html("Two < three", pd.DataFrame({"share": [0.123456]})).splitlines()[0]
    '<p>Two &lt; three</p><table border="1" class="dataframe">'
    >>> "NA" in as_html("One is missing", pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}))
    False
    """
    # Pandas writes a missing whole number as <NA>, whatever it is told of missing ones.
    whole = table.columns[[isinstance(kind, pd.Int64Dtype) for kind in table.dtypes]]
    shown = table.astype(dict.fromkeys(whole, object))
    shown[whole] = shown[whole].where(shown[whole].notna(), "")
    body = shown.to_html(index=index, float_format=lambda number: f"{number:.4g}", max_rows=60, na_rep="")
    return f"<p>{escape(str(sentence))}</p>{body}"


class Shown(ABC):
    """A result with a ``table``, shown as a sentence and that table; dataclasses of it take ``repr=False``."""

    table: pd.DataFrame

    @abstractmethod
    def _words(self) -> str:
        """Return the sentence above the table."""

    def __repr__(self) -> str:
        return f"{self._words()}\n{self.table.to_string(index=False, max_rows=20)}"

    def _repr_html_(self) -> str:
        return as_html(self._words(), self.table)
