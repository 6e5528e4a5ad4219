"""Columns of cells made into columns of values: text, numbers, dates, flags, terms, subjects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nbanalytics.declaration import Declaration
from nbanalytics.readers.words import (
    FLAG,
    loosely,
    read_date,
    read_number,
    read_term,
    subject_words,
    term_words,
    value_words,
)
from nbanalytics.schema import Column

_MEANT = {
    "integer": ("not a whole number", "Write digits only."),
    "number": ("not a number", "Write digits with a decimal point or comma, or leave the cell empty."),
    "flag": ("neither yes nor no", "Write true or false (ja or nej, 1 or 0), or leave the cell empty."),
    "date": ("not a date", "Write it as yyyy-mm-dd."),
}
_TYPES = {"integer": pa.int64(), "number": pa.float64(), "flag": pa.bool_()}
#: How many spellings the report names.
_NAMED = 6


@dataclass(frozen=True)
class Values:
    """A column of values, where its cells were not understood, and what was assumed of them."""

    array: Any
    bad: NDArray[np.bool_]
    what: str = ""
    remedy: str = ""
    assumed: tuple[str, ...] = ()


def text_of(cells: Any) -> tuple[Any, bool]:
    """Return cells as trimmed text, empty ones missing, and whether spaces had to be taken away."""
    kind = cells.type
    if pa.types.is_floating(kind):
        # Whole numbers beside empty cells come as floats: 1001.0 is the identifier 1001.
        cells = pc.if_else(pc.is_nan(cells), None, cells)
        if pc.all(pc.less(pc.abs(cells), 2.0**53)).as_py() and pc.all(pc.equal(pc.floor(cells), cells)).as_py():
            cells = cells.cast(pa.int64())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        cells = pc.strftime(cells, format="%Y-%m-%d")
    cells = cells if pa.types.is_string(cells.type) else cells.cast(pa.string())
    plain = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    trimmed = pc.utf8_trim_whitespace(plain)
    shorter = pc.sum(pc.binary_length(plain)).as_py() != pc.sum(pc.binary_length(trimmed)).as_py()
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed), shorter


def values_of(cells: Any, column: Column, declaration: Declaration) -> Values:
    """Understand the cells of a column as its schema wants them.

    Cells of kinds with a closed vocabulary (terms, subjects, fixed values) that are not understood stay as they
    are, for the rules to tell of; numbers, flags and dates that are none are marked as bad and made missing.
    """
    none_bad = np.zeros(len(cells), dtype=bool)
    typed = _typed(cells, column)
    if typed is not None:
        return Values(typed, none_bad)
    text, trimmed = text_of(cells)
    assumed: tuple[str, ...] = (f"column {column.name}: spaces around cells do not count",) if trimmed else ()
    read = _reader(column, declaration)
    if read is None:
        return Values(text, none_bad, assumed=assumed)
    encoded = text.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    meanings = [read(word) for word in words]
    if column.kind not in _MEANT:
        place: dict[str, int] = {}
        for word, meaning in zip(words, meanings, strict=True):
            place.setdefault(word if meaning is None else meaning, len(place))
        kept = [place[word if meaning is None else meaning] for word, meaning in zip(words, meanings, strict=True)]
        assumed += spellings(column.name, [(w, m) for w, m in zip(words, meanings, strict=True) if m is not None])
        return Values(coded(np.array([*kept, -1])[codes_of(encoded)], list(place)), none_bad, assumed=assumed)
    array = pa.array(meanings, _TYPES.get(column.kind, pa.string()))
    bad_words = np.array([meaning is None for meaning in meanings], dtype=bool)
    codes = codes_of(encoded)
    bad = np.where(codes >= 0, bad_words[codes], False) if len(bad_words) else none_bad
    if column.kind == "number" and any("," in word for word in words):
        assumed += (f"column {column.name}: decimal comma",)
    if column.kind == "date" and any(m is not None and m != w for w, m in zip(words, meanings, strict=True)):
        assumed += (f"column {column.name}: dates not written as yyyy-mm-dd",)
    return Values(array.take(encoded.indices), bad, *_MEANT[column.kind], assumed)


def codes_of(encoded: Any) -> NDArray[np.int64]:
    """Return the indices of a dictionary array, -1 where the cell is empty."""
    return np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def coded(codes: NDArray[np.int64], words: list[str]) -> Any:
    """Return words by their codes (-1 for an empty cell), stored as codes: far faster to ask about than text."""
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string()))


def spellings(column: str, pairs: list[tuple[str, str]]) -> tuple[str, ...]:
    """Tell which words were taken for which; ``pairs`` are words of the schema's vocabulary only."""
    other = [(word, meaning) for word, meaning in pairs if word != meaning]
    if not other:
        return ()
    named = ", ".join(f"{word!r} is {meaning}" for word, meaning in sorted(other)[:_NAMED])
    more = f", and {len(other) - _NAMED} more spellings" if len(other) > _NAMED else ""
    return (f"column {column}: {named}{more}",)


def _typed(cells: Any, column: Column) -> Any | None:
    """Pass on a Parquet column that has the right type already."""
    kind = cells.type
    if column.kind == "number" and (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        numbers = cells.cast(pa.float64())
        return _whole(pc.if_else(pc.is_nan(numbers), None, numbers))
    if column.kind == "integer" and pa.types.is_signed_integer(kind):
        return _whole(cells.cast(pa.int64()))
    if column.kind == "flag" and pa.types.is_boolean(kind):
        return _whole(cells)
    return None


def _whole(cells: Any) -> Any:
    return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells


def _reader(column: Column, declaration: Declaration) -> Callable[[str], Any] | None:
    if column.kind == "integer":
        return _read_integer
    if column.kind == "number":
        return read_number
    if column.kind == "date":
        return read_date
    if column.kind == "flag":
        return lambda word: {"true": True, "false": False}.get(FLAG.get(loosely(word), ""))
    if column.kind == "term":
        terms = term_words(declaration.terms)
        return lambda word: read_term(word, terms, declaration.terms)
    if column.kind == "subject":
        subjects = subject_words(declaration)
        return lambda word: subjects.get(loosely(word))
    if column.values:
        values = value_words(column)
        return lambda word: values.get(loosely(word))
    return None


def _read_integer(word: str) -> int | None:
    number = read_number(word)
    return int(number) if number is not None and abs(number) < 2**53 and number == int(number) else None
