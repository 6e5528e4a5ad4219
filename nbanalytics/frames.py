"""The few things every aggregation does with a dataframe of unknown kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import nan
from operator import or_
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
import pandas as pd

from nbanalytics.errors import DataError

#: Two numbers that differ by less are equal where one is a limit: a mean of grades, or a difference of two shares, is
#: stored as a binary fraction, which may lie a little beside the number that it stands for.
NOISE = 1e-9


#: A narwhals frame, eager or lazy. It is typed as the lazy one, since both have what is used of it.
Frame: TypeAlias = nw.LazyFrame[Any]
#: A dataframe of any engine that narwhals takes; these share no type.
NativeFrame: TypeAlias = Any


def open_frame(native: NativeFrame) -> Frame:
    """Wrap a native frame."""
    frame: Frame = nw.from_native(native)
    return frame


def collect(frame: NativeFrame) -> pd.DataFrame:
    """Bring a small result, of whatever engine, to pandas, with the types that :func:`plain_types` gives."""
    wrapped = frame if isinstance(frame, nw.DataFrame | nw.LazyFrame) else open_frame(frame)
    if isinstance(wrapped, nw.LazyFrame):
        wrapped = wrapped.collect(backend="pyarrow")
    table = pd.DataFrame(wrapped.to_pandas())
    # Other engines' whole numbers come as fractions where some are missing: a group 1 would become 1.0.
    kinds = wrapped.collect_schema()
    whole = [name for name in table.columns if _divides(name) and table[name].dtype == "float64"]
    whole = [name for name in whole if kinds[name].is_integer()]
    return plain_types(table.astype(dict.fromkeys(whole, "Int64")) if whole else table)


def _divides(name: str) -> bool:
    """Whether a column is one of :attr:`By.keys`."""
    return name.startswith("_by")


#: How pandas names its own kind of text: "str" from version 3, "object" before.
_TEXT = pd.DataFrame({"word": ["a"]}).dtypes["word"]


def plain_types(table: pd.DataFrame) -> pd.DataFrame:
    """Return a pandas table with one type for each kind of value, whatever types its columns came in.

    Text, also categorical and of Arrow, becomes pandas' default text; Arrow's and nullable numbers become float64, and
    int64 or Int64 where they are whole; flags become bool, or boolean where some are missing. A comparison with a
    missing value is then False in all of them.

    Examples
    --------
    >>> table = pd.DataFrame({"term": ["6VT", None], "n": [1, None]}).convert_dtypes()
    >>> plain_types(table)["term"].eq("9VT").tolist(), str(plain_types(table)["n"].dtype)
    ([False, False], 'Int64')
    """
    kinds = {name: _plain_type(table[name]) for name in table.columns if not _is_plain(table[name].dtype)}
    return table.astype({name: kind for name, kind in kinds.items() if kind is not None}) if kinds else table


def _is_plain(kind: object) -> bool:
    return isinstance(kind, np.dtype) or kind == _TEXT


def _plain_type(column: pd.Series) -> Any | None:
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return kind.categories.dtype if _is_plain(kind.categories.dtype) else _TEXT
    if pd.api.types.is_string_dtype(kind):
        return _TEXT
    missing = column.isna().any()
    if pd.api.types.is_bool_dtype(kind):
        return "boolean" if missing else "bool"
    if pd.api.types.is_integer_dtype(kind):
        return "Int64" if missing else "int64"
    return "float64" if pd.api.types.is_float_dtype(kind) else None


def any_of(column: nw.Expr, values: Iterable[object]) -> nw.Expr:
    """Whether a column holds any of a few values, spelled out: engines run it faster than a list look-up."""
    tests = [column == value for value in values]
    if not tests:
        return nw.lit(False)
    joined: nw.Expr = reduce(or_, tests)
    return joined


def as_names(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return names as a tuple; a text is one name.

    Examples
    --------
    >>> as_names("sex"), as_names(["sex", "school_id"])
    (('sex',), ('sex', 'school_id'))
    """
    return (names,) if isinstance(names, str) else tuple(names)


@dataclass(frozen=True)
class By:
    """The columns that a result is divided by.

    While something is counted they have the names of :attr:`keys`, which no other column has: a column may be called
    ``term`` or ``group`` without being taken for the one that the counting makes.

    Attributes
    ----------
    names : tuple of str
        As the user calls them, and as the result shows them.
    """

    names: tuple[str, ...]

    @classmethod
    def of(
        cls, by: str | Sequence[str], own: Iterable[str] = (), frame: Frame | None = None, where: str = "students"
    ) -> By:
        """Check the columns before anything is counted.

        ``own`` are the columns that the result has besides; ``frame``, called ``where`` in messages, has to have those
        of ``by``.

        Raises
        ------
        DataError
            If a column is not there, or the result has one of that name itself.

        Examples
        --------
        >>> By.of(["sex", "school_id"], own=["term"]).keys
        ['_by0', '_by1']
        >>> By.of("term", own=["term"])
        Traceback (most recent call last):
        ...
        nbanalytics.errors.DataError: The result cannot be divided by term: it has a column of that name of its own. ...
        """
        names = tuple(dict.fromkeys(as_names(by)))
        if clash := [name for name in names if name in set(own)]:
            raise DataError(
                f"The result cannot be divided by {', '.join(clash)}: it has a column of that name of its own",
                "Rename the column of your table, or choose another.",
            )
        if frame is not None:
            refuse_absent(frame, names, where)
        return cls(names)

    @property
    def keys(self) -> list[str]:
        """Names of the columns while something is counted."""
        return [f"_by{number}" for number in range(len(self.names))]

    @property
    def aliased(self) -> list[nw.Expr]:
        """The columns under their inner names, for ``select`` and ``with_columns``."""
        return [nw.col(name).alias(key) for name, key in zip(self.names, self.keys, strict=True)]

    def named(self, table: pd.DataFrame) -> pd.DataFrame:
        """Give the columns of a small table their names back."""
        return table.rename(columns=dict(zip(self.keys, self.names, strict=True)))

    def split(self, table: pd.DataFrame) -> list[tuple[dict[str, Any], pd.DataFrame]]:
        """Divide a small table by its inner columns, in their order; a missing value is a group of its own."""
        if not self.names:
            return [({}, table)]
        # Flags beside a missing value are objects, which pandas would put in the order of the rows.
        flags = [key for key in self.keys if pd.api.types.infer_dtype(table[key], skipna=True) == "boolean"]
        table = table.astype(dict.fromkeys(flags, "boolean"))
        groups = table.groupby(self.keys, dropna=False, sort=True)
        kinds = [table[key].dtype for key in self.keys]
        return [(dict(zip(self.names, map(_label, values, kinds), strict=True)), part) for values, part in groups]


def _label(value: Any, kind: Any) -> object:
    """Return a group's value as Python writes it; a missing one makes no fractions of flags and whole numbers."""
    if pd.isna(value):
        return pd.NA if pd.api.types.is_integer_dtype(kind) or pd.api.types.is_bool_dtype(kind) else nan
    return value.item() if isinstance(value, np.generic) else value


def cases(*pairs: tuple[nw.Expr, object], otherwise: object = None) -> nw.Expr:
    """Return the value of the first condition that holds; values that are not expressions are constants.

    Examples
    --------
    >>> frame = open_frame(pd.DataFrame({"change": [2, 0, -1]}))
    >>> change = nw.col("change")
    >>> word = cases((change > 0, "raised"), (change < 0, "lowered"), otherwise="unchanged")
    >>> frame.select(word=word).to_native()["word"].tolist()
    ['raised', 'unchanged', 'lowered']
    """
    (condition, value), *rest = pairs
    chain = nw.when(condition).then(_constant(value))
    for condition, value in rest:
        chain = chain.when(condition).then(_constant(value))
    return chain if otherwise is None else chain.otherwise(_constant(otherwise))


def _constant(value: Any) -> nw.Expr:
    return value if isinstance(value, nw.Expr) else nw.lit(value)


def number_of(values: Sequence[str], column: str | nw.Expr) -> nw.Expr:
    """Return the place of a column's text in a list, counted from 0; missing for any other text."""
    text = nw.col(column) if isinstance(column, str) else column
    return cases(*((text == value, number) for number, value in enumerate(values)))


def name_of(values: Sequence[str], column: str) -> nw.Expr:
    """Return the text at a place of a list, the inverse of :func:`number_of`."""
    return cases(*((nw.col(column) == number, value) for number, value in enumerate(values)))


def to_native(frame: Frame) -> NativeFrame:
    """Return the frame as its engine knows it; a pandas one counts its rows from 0."""
    return nw.to_native(nw.maybe_reset_index(frame) if isinstance(frame, nw.DataFrame) else frame)


def column_names(frame: Frame) -> list[str]:
    """Return the columns of a narwhals frame, eager or lazy."""
    return list(frame.collect_schema().names())


def refuse_absent(frame: Frame, wanted: Sequence[str], where: str) -> None:
    """Raise a DataError that names the columns of ``wanted`` that the frame lacks."""
    names = column_names(frame)
    absent = [name for name in wanted if name not in names]
    if absent:
        raise DataError(
            f"The table {where} has no column {', '.join(absent)}", f"Choose among: {', '.join(sorted(names))}."
        )
