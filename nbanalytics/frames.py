"""The few things every aggregation does with a dataframe of unknown kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any

import narwhals as nw
import pandas as pd


def open_frame(native: Any) -> Any:
    """Wrap a native frame; typed ``Any`` since eager and lazy frames share what is used of them."""
    return nw.from_native(native)


def collect(frame: Any) -> pd.DataFrame:
    """Bring a small result, of whatever engine, to pandas."""
    wrapped = frame if isinstance(frame, nw.DataFrame | nw.LazyFrame) else open_frame(frame)
    if isinstance(wrapped, nw.LazyFrame):
        wrapped = wrapped.collect(backend="pyarrow")
    return pd.DataFrame(wrapped.to_pandas())


def any_of(column: nw.Expr, values: Iterable[Any]) -> nw.Expr:
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
