"""Tables that DuckDB can query, and query results as findings.

Every table is a view of its name with its canonical columns and ``row``, the row number in the file: the same queries
run on tables in memory and on Parquet files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np

from nbanalytics.declaration import Declaration
from nbanalytics.readers.findings import SHOWN_ROWS, Finding, Message, Noted, Rows, Weight, message
from nbanalytics.readers.tidy import Scales

#: How many different unrecognised cells are listed one by one.
MOST_VALUES = 50


@dataclass(frozen=True)
class Tables:
    """The tables to query, by name: their files, columns and numbers of rows; the connection has one view for each.

    ``every_row`` is whether findings list all row numbers, or only the first few.
    """

    connection: duckdb.DuckDBPyConnection
    files: dict[str, str]
    columns: dict[str, frozenset[str]]
    rows: dict[str, int]
    declaration: Declaration
    scales: Scales
    every_row: bool = True

    def has(self, table: str, *columns: str) -> bool:
        """Whether a table and its columns exist."""
        return table in self.files and set(columns) <= self.columns[table]

    def ask(self, sql: str) -> Iterator[tuple[Any, Rows, int]]:
        """Query ``row`` and ``value``; yields each value with its rows and their number.

        With very many values the column has other content, and they are grouped as None.
        """
        # Usually nothing is found, and this is the cheapest way to know.
        if not self.numbers(f"SELECT 1 FROM ({sql}) LIMIT 1"):
            return
        for query in (f"({sql})", f"(SELECT row, NULL AS value FROM ({sql}))"):
            found = list(self._by_value(query))
            if len(found) <= MOST_VALUES:
                break
        yield from found

    def _by_value(self, query: str) -> Iterator[tuple[Any, Rows, int]]:
        if not self.every_row:
            few = f"SELECT value, min(row, {SHOWN_ROWS}), count(*) FROM {query} GROUP BY value LIMIT {MOST_VALUES + 1}"
            for value, rows, count in self.numbers(few):
                yield value, np.array(rows, dtype=np.int64), int(count)
            return
        answer = self.connection.sql(f"SELECT DISTINCT value, row FROM {query} ORDER BY value, row").to_arrow_table()
        rows = answer["row"].to_numpy().astype(np.int64)
        codes = answer["value"].combine_chunks().dictionary_encode("encode")
        borders = np.flatnonzero(np.diff(codes.indices.to_numpy())) + 1
        for part, start in zip(np.split(rows, borders), [0, *borders[:MOST_VALUES]], strict=False):
            if len(part):
                yield answer["value"][int(start)].as_py(), part, len(part)

    def numbers(self, sql: str) -> list[tuple[Any, ...]]:
        """Query a few rows."""
        return self.connection.execute(sql).fetchall()

    def findings(
        self,
        table: str,
        column: str,
        sql: str,
        said: str | Callable[[Any], Message],
        weight: Weight = "row",
        **words: object,
    ) -> Iterator[Finding]:
        """Convert the rows of ``sql`` to findings; ``said`` is the key of a message, or gives one for each value."""
        noted, counts = Noted(self.files[table]), Counter[Message]()
        for value, rows, count in self.ask(sql):
            one = said(value) if callable(said) else message(said, column, **words)
            noted.note(rows, one, weight)
            counts[one] += count
        found = noted.findings()
        yield from found if self.every_row else map(_recounted, found, counts.values())


def _recounted(finding: Finding, count: int) -> Finding:
    """Return a finding that names the first rows of several."""
    return replace(finding, count=count)


def quoted(word: str) -> str:
    """Return a word as SQL text."""
    return "'" + word.replace("'", "''") + "'"
