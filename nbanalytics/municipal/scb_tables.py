"""The tidy tables of a grade file, built without ever holding its long form as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from nbanalytics.municipal.pseudonyms import SEXES, as_text
from nbanalytics.municipal.scb_layouts import Shape

if TYPE_CHECKING:
    from nbanalytics.municipal.scb import Pupils

#: Pupils whose grades are laid out at once.
_STEP = 20_000


def tables_of(pupils: Pupils, shape: Shape, codes: list[str]) -> dict[str, pd.DataFrame]:
    """Return students and grades; what pupils hold is let go on the way, since a million take their room."""
    layout = shape.layout
    ids = _text(as_text(pupils.digests))
    grades = _grades(pupils.grades, ids, shape)
    pupils.grades = pupils.digests = pupils.rows = None
    school = pa.array([*codes, None], pa.string()).take(
        pa.array(np.where(pupils.school < 0, len(codes), pupils.school))
    )
    students = pd.DataFrame(
        {
            "student_id": ids,
            "cohort": pupils.cohort.astype("int64"),
            "sex": _text(pa.array(SEXES, pa.string()).take(pa.array(pupils.sex))),
            "birth_year": pd.array(pupils.birth_year, dtype="Int64"),
            "school_id" if layout.year == 9 else "school_id_y6": _text(school),
        },
        copy=False,
    )
    return {"students": students, "grades": grades}


def _text(column: Any) -> pd.Series[Any]:
    return pd.Series(column.to_pandas(types_mapper={pa.string(): pd.Series([""]).dtype}.get))


def _grades(grades: Any, ids: pd.Series[Any], shape: Shape) -> pd.DataFrame:
    """Return one row for each grade or code, in the order of pupils and subjects."""
    layout = shape.layout
    total = int(np.count_nonzero(grades))
    student = np.empty(total, dtype=np.int32)
    subject, grade = np.empty(total, dtype=np.int8), np.empty(total, dtype=np.int8)
    end = 0
    for start in range(0, len(grades), _STEP):
        block = grades[start : start + _STEP]
        row, column = np.nonzero(block)
        begin, end = end, end + len(row)
        student[begin:end], subject[begin:end] = row + start, column
        grade[begin:end] = block[row, column] - 1
    term = np.zeros(total, dtype=np.int8)
    return pd.DataFrame(
        {
            "student_id": _coded(student, ids),
            "term": _coded(term, pd.Series([f"{layout.year}VT"])),
            "subject": _coded(subject, pd.Series(list(layout.grade_column.values()))),
            "grade": _coded(grade, pd.Series(layout.values[1:])),
        },
        copy=False,
    )


def _coded(codes: Any, words: pd.Series[Any]) -> Any:
    # The state of a pickled type is taken as it is. Its constructor would make a Python object of every pseudonym, and
    # a table of a million of them, to see that no two are alike, which the reader has seen already.
    kind = pd.CategoricalDtype()
    kind.__setstate__({"categories": pd.Index(words), "ordered": False})  # type: ignore[attr-defined]
    return pd.Categorical.from_codes(codes, dtype=kind, validate=False)
