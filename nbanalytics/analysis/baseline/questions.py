"""The questions of the screening: their words, their dimension and the answer that is a sign of risk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import collect, open_frame
from nbanalytics.records import StudentRecords
from nbanalytics.toml_files import packaged_toml


@dataclass(frozen=True)
class Question:
    """A question: its code, dimension, whether it is prioritised, the answer that is a sign, and its words."""

    code: str
    dimension: str
    prioritised: bool
    sign: str
    sv: str
    en: str


@cache
def questions() -> dict[str, Question]:
    """Return the questions by code, in the order of the form.

    Examples
    --------
    >>> [code for code, question in questions().items() if question.prioritised]
    ['B1', 'B2', 'B3', 'A1', 'C1', 'C4', 'P1', 'P2', 'P4']
    """
    return {code: Question(code=code, **entry) for code, entry in _data()["question"].items()}


@cache
def dimensions() -> dict[str, dict[str, str]]:
    """Return the four dimensions with their Swedish and English words, in the order of the form.

    Examples
    --------
    >>> list(dimensions())
    ['behaviour', 'academic', 'cognitive', 'psychological']
    """
    return {name: dict(words) for name, words in _data()["dimension"].items()}


def _data() -> dict[str, Any]:
    return packaged_toml("nbanalytics.analysis.baseline", "screening.toml")


def signs(records: StudentRecords, term: str) -> pd.DataFrame:
    """Return the answers of a term as signs of risk.

    Parameters
    ----------
    records : StudentRecords
        With a table ``screening``.
    term : str
        The term of the screening.

    Returns
    -------
    pandas.DataFrame
        ``student_id`` as index, a column for each question: 1 a sign, 0 none, missing if unknown or not answered.

    Raises
    ------
    DataError
        If there is no screening, none in that term, a question that is not of the form, or one answered twice.
    """
    if records.screening is None:
        raise DataError("The records hold no screening. Add the table screening (student_id, term, question, answer).")
    table = collect(open_frame(records.screening))
    table["row"] = range(2, len(table) + 2)  # as in a file whose header is row 1
    chosen = table[table["term"] == term]
    if chosen.empty:
        terms = ", ".join(sorted(set(table["term"])))
        raise DataError(f"Nobody was screened in {term!r}. Terms with answers: {terms}.")
    _refuse(chosen[~chosen["question"].isin(list(questions()))], "a question that the form does not have", _codes())
    twice = chosen[chosen.duplicated(["student_id", "question"], keep=False)]
    _refuse(twice, "a question answered twice for a student", "Keep the answer that is right.")
    _refuse(chosen[~chosen["answer"].isin(["yes", "no", "unknown"])], "another answer", "Write yes, no or unknown.")
    sign = chosen["question"].map({code: question.sign for code, question in questions().items()})
    value = (chosen["answer"] == sign).astype(float).where(chosen["answer"] != "unknown")
    wide = chosen.assign(value=value).pivot(index="student_id", columns="question", values="value")
    return wide.reindex(columns=list(questions())).rename_axis(columns=None)


def _codes() -> str:
    return f"The questions are {', '.join(questions())}."


def _refuse(rows: pd.DataFrame, what: str, remedy: str) -> None:
    if len(rows):
        shown = ", ".join(str(row) for row in rows["row"].head(5)) + (", …" if len(rows) > 5 else "")
        raise DataError(f"screening: {what} ({len(rows)} rows: {shown}). {remedy}")
