"""The screening of engagement: profiles, groups, internal consistency, and how it goes with later loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import nan, sqrt
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.droppoints import losses
from nbanalytics.errors import DataError
from nbanalytics.frames import By, collect, open_frame
from nbanalytics.intervals import katz, mean_interval, placements, with_share
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.toml_files import OWN_NAME, Toml, packaged_toml, read_table


@dataclass(frozen=True)
class Question:
    """A question: its code, dimension, whether it is prioritised, the answer that is a sign, and its words."""

    code: Annotated[str, Toml(key=OWN_NAME)]
    dimension: str
    prioritised: bool
    sign: Annotated[str, Toml(choices=("yes", "no"))]
    sv: str
    en: str


@dataclass(frozen=True)
class _ScreeningFile:
    dimension: Mapping[str, Mapping[str, str]]
    question: Mapping[str, Question]
    source: str = ""


@cache
def screening_questions() -> dict[str, Question]:
    """Return the questions by code, in the order of the form.

    Examples
    --------
    >>> [code for code, question in screening_questions().items() if question.prioritised]
    ['B1', 'B2', 'B3', 'A1', 'C1', 'C4', 'P1', 'P2', 'P4']
    """
    return dict(_form().question)


@cache
def dimensions() -> dict[str, dict[str, str]]:
    """Return the four dimensions with their Swedish and English words, in the order of the form.

    Examples
    --------
    >>> list(dimensions())
    ['behaviour', 'academic', 'cognitive', 'psychological']
    """
    return {name: dict(words) for name, words in _form().dimension.items()}


@cache
def _form() -> _ScreeningFile:
    data = packaged_toml("nbanalytics.analysis.baseline", "screening.toml")
    return read_table(_ScreeningFile, data, "screening.toml")


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
    records.refuse_uncountable()
    table = collect(open_frame(records.screening))
    table["row"] = range(2, len(table) + 2)  # as in a file whose header is row 1
    chosen = table[table["term"] == term]
    if chosen.empty:
        terms = ", ".join(sorted(set(table["term"])))
        raise DataError(f"Nobody was screened in {term!r}. Terms with answers: {terms}.")
    _refuse(
        chosen[~chosen["question"].isin(list(screening_questions()))],
        "a question that the form does not have",
        _codes(),
    )
    _refuse(chosen[~chosen["answer"].isin(["yes", "no", "unknown"])], "another answer", "Write yes, no or unknown.")
    sign = chosen["question"].map({code: question.sign for code, question in screening_questions().items()})
    value = (chosen["answer"] == sign).astype(float).where(chosen["answer"] != "unknown")
    wide = chosen.assign(value=value).pivot(index="student_id", columns="question", values="value")
    return wide.reindex(columns=list(screening_questions())).rename_axis(columns=None)


def _codes() -> str:
    return f"The questions are {', '.join(screening_questions())}."


def _refuse(rows: pd.DataFrame, what: str, remedy: str) -> None:
    if len(rows):
        shown = ", ".join(str(row) for row in rows["row"].head(5)) + (", …" if len(rows) > 5 else "")
        raise DataError(f"screening: {what} ({len(rows)} rows: {shown}). {remedy}")


def cronbach_alpha(answers: NDArray[np.float64], level: float = 0.95) -> tuple[float, float, float]:
    """Cronbach's alpha with its interval; for answers of 0 and 1 it is Kuder and Richardson's formula 20.

    Parameters
    ----------
    answers : ndarray, shape (students, questions)
        Without missing values.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float
        Alpha, lower and upper bound; all missing for one question or answers that do not vary.

    Notes
    -----
    *k/(k-1) · (1 - Σ var(question) / var(sum))* (Cronbach 1951, Psychometrika 16: 297-334; Kuder and Richardson 1937).
    Interval: *(1 - alpha)* times quantiles of *F* with *n-1* and *(n-1)(k-1)* degrees of freedom (Feldt 1965,
    Psychometrika 30: 357-370).

    Examples
    --------
    >>> answers = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0]], dtype=float)
    >>> [round(value, 3) for value in cronbach_alpha(answers)]
    [0.682, -0.348, 0.952]
    """
    n, k = answers.shape
    total = float(answers.sum(axis=1).var(ddof=1)) if n > 1 else 0.0
    if k < 2 or total == 0.0:
        return nan, nan, nan
    alpha = k / (k - 1) * (1 - float(answers.var(axis=0, ddof=1).sum()) / total)
    return alpha, *feldt_interval(alpha, n, k, level)


def feldt_interval(alpha: float, n: int, k: int, level: float = 0.95) -> tuple[float, float]:
    """Feldt's interval of Cronbach's alpha from ``n`` students and ``k`` questions."""
    from scipy.special import fdtri

    freedom = (n - 1, (n - 1) * (k - 1))
    tail = (1 - level) / 2
    return 1 - (1 - alpha) * float(fdtri(*freedom, 1 - tail)), 1 - (1 - alpha) * float(fdtri(*freedom, tail))


def auc_interval(
    events: NDArray[np.float64], others: NDArray[np.float64], level: float = 0.95
) -> tuple[float, float, float]:
    """Area under the ROC curve with DeLong's interval.

    Parameters
    ----------
    events, others : ndarray
        The score of those to whom it happened and of the others; ties count as half.
    level : float
        Confidence level.

    Returns
    -------
    tuple of float
        Area, lower and upper bound (cut at 0 and 1); missing with fewer than two in either group.

    Notes
    -----
    DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44: 837-845: the variance of each student's share of the others
    that it stands above.

    Examples
    --------
    >>> [round(value, 3) for value in auc_interval(np.array([3.0, 2.0, 5.0]), np.array([1.0, 2.0, 0.0, 4.0]))]
    [0.792, 0.414, 1.0]
    """
    m, n = len(events), len(others)
    if min(m, n) < 2:
        return nan, nan, nan
    of_events, of_others = placements(events, others)
    area = float(of_events.mean())
    error = sqrt(of_events.var(ddof=1) / m + of_others.var(ddof=1) / n)
    low, high = mean_interval(area, error, level=level)
    return area, max(low, 0.0), min(high, 1.0)


#: All questions together, and those in bold.
TOTAL, PRIORITISED = "all", "prioritised"
#: Columns of :func:`screening_groups` after those of ``by``.
_GROUPED = ("scale", "students", "with_signs", "share", "low", "high", "status")


@dataclass(frozen=True, repr=False)
class Screening(Shown):
    """A table of the screening.

    Attributes
    ----------
    table : pandas.DataFrame
        As the function that made it says.
    settings : mapping
        ``term`` and what else was asked for.
    students : int
        Students with an answer.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Screening of {self.students} students in {self.settings['term']}: {self.settings['what']}"


def screening_profile(records: StudentRecords, term: str) -> Screening:
    """Each student's signs in the four dimensions: the researcher's and the student health team's door.

    Parameters
    ----------
    records : StudentRecords
        With a table ``screening``.
    term : str
        Term of the screening, such as ``"6VT"``.

    Returns
    -------
    Screening
        Its table has one row per student and scale (the four dimensions, ``prioritised`` and ``all``): ``student_id,
        scale, questions`` of the scale, ``answered`` (yes or no), ``unknown``, ``signs`` and ``share`` of signs among
        the questions answered, missing if none is. A profile shows where to look closer; it is not a label.

    Raises
    ------
    DataError
        If there is no screening, none in that term, a question that is not of the form, or one answered twice.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> profile = screening_profile(simulate(seed=1, cohorts=[2022]).records, "6VT").table
    >>> list(profile.columns), len(profile) // profile["student_id"].nunique()
    (['student_id', 'scale', 'questions', 'answered', 'unknown', 'signs', 'share'], 6)
    """
    wide = signs(records, term)
    parts = []
    for scale, codes in _scales().items():
        answers = wide[codes]
        answered = answers.notna().sum(axis=1)
        part = pd.DataFrame({"scale": scale, "questions": len(codes), "answered": answered}, index=wide.index)
        part["unknown"], part["signs"] = len(codes) - answered, answers.sum(axis=1).astype(int)
        parts.append(part.assign(share=part["signs"] / answered.where(answered > 0)))
    table = pd.concat(parts).rename_axis("student_id").reset_index().sort_values("student_id", kind="stable")
    what = "signs of risk by student and dimension"
    return Screening(table.reset_index(drop=True), {"term": term, "what": what}, len(wide))


def screening_groups(
    records: StudentRecords,
    term: str,
    by: str | Sequence[str] = (),
    at_least: int = 2,
    min_group: int = 10,
    min_cell: int = 5,
) -> Screening:
    """Share of students with several signs, by class or school, with small groups withheld.

    Parameters
    ----------
    records : StudentRecords
        With a table ``screening``.
    term : str
        Term of the screening.
    by : str or sequence of str
        Columns of the students table, such as ``["school_id_y6"]`` or a column with the class.
    at_least : int
        How many signs in a dimension.
    min_group, min_cell : int
        Nothing is said of fewer students, and no count of students with or without signs below ``min_cell`` but 0; the
        defaults are the floors of the disclosure policy.

    Returns
    -------
    Screening
        Its table has the columns of ``by``, ``scale``, ``students`` with an answer in it, ``with_signs``, ``share``,
        its interval ``low, high`` (Wilson) and ``status`` (``ok`` or ``suppressed``: then all numbers are missing). If
        one group alone is withheld in a scale, the smallest of the others is too, for it would follow from the total.
        For a meeting within the municipality: what is published goes through a release.

    Raises
    ------
    DataError
        If a column of ``by`` is not there, or a threshold is below 1.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2022]).records
    >>> table = screening_groups(records, "6VT").table
    >>> table.loc[table["scale"].eq("all"), ["students", "with_signs", "status"]].to_numpy().tolist()
    [[292, 159, 'ok']]
    """
    divided = By.of(by, _GROUPED, open_frame(records.students))
    if min(at_least, min_group, min_cell) < 1:
        raise DataError("at_least, min_group and min_cell have to be 1 or more. The policy's floors are 10 and 5.")
    profile = screening_profile(records, term)
    people = collect(open_frame(records.students).select("student_id", *divided.aliased))
    table = profile.table[profile.table["answered"] > 0].merge(people, on="student_id")
    rows = []
    for scale in _scales():
        for place, part in divided.split(table[table["scale"] == scale]):
            n, reached = len(part), int((part["signs"] >= at_least).sum())
            rows.append({**place, "scale": scale, "students": n, "with_signs": reached})
    shown = pd.DataFrame(rows, columns=[*divided.names, "scale", "students", "with_signs"])
    shown = _protected(shown, min_group, min_cell)
    settings = {"term": term, "by": divided.names, "at_least": at_least, "min_group": min_group, "min_cell": min_cell}
    what = f"share with {at_least} signs or more"
    return Screening(shown, {**settings, "what": what}, profile.students)


def screening_reliability(records: StudentRecords, term: str) -> Screening:
    """Measure the internal consistency of each dimension: whether its questions speak of one thing.

    Parameters
    ----------
    records : StudentRecords
        With a table ``screening``.
    term : str
        Term of the screening.

    Returns
    -------
    Screening
        ``scale, questions, n`` (students with yes or no on all of them), ``left_out`` (with an unknown), ``alpha`` and
        its 95 % interval ``low, high``; missing where fewer than 30 answered, or the answers do not vary.

    Raises
    ------
    DataError
        As :func:`screening_profile`.

    Notes
    -----
    Cronbach's alpha (1951), which for yes and no is Kuder and Richardson's formula 20; interval by Feldt (1965). Alpha
    rises with the number of questions and says nothing of whether they measure what is meant.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2022]).records
    >>> screening_reliability(records, "6VT").table[["scale", "n", "alpha"]].round(2).to_numpy().tolist()[-2:]
    [['prioritised', 153, 0.72], ['all', 85, 0.79]]
    """
    wide = signs(records, term)
    rows = []
    for scale, codes in _scales().items():
        complete = wide[codes].dropna()
        alpha, low, high = cronbach_alpha(complete.to_numpy()) if len(complete) >= 30 else (nan, nan, nan)
        counts = {"questions": len(codes), "n": len(complete), "left_out": len(wide) - len(complete)}
        rows.append({"scale": scale, **counts, "alpha": alpha, "low": low, "high": high})
    return Screening(pd.DataFrame(rows), {"term": term, "what": "internal consistency"}, len(wide))


def screening_and_loss(records: StudentRecords, term: str, at_least: int = 2, min_events: int = 5) -> Screening:
    """How the screening goes with later loss of eligibility, among those eligible at the start term.

    Parameters
    ----------
    records : StudentRecords
        With a table ``screening``.
    term : str
        Term of the screening: at or before the declared start, so that every loss comes after it.
    at_least : int
        Signs in a scale from which a student counts as one with signs.
    min_events : int
        Nothing is estimated for fewer losses.

    Returns
    -------
    Screening
        Per scale: ``n`` followed, ``losses``; ``with_signs`` and ``lost_with``, ``without_signs`` and ``lost_without``;
        ``ratio`` of the risks with its interval ``ratio_low, ratio_high`` (Katz); ``auc`` of the number of signs with
        ``auc_low, auc_high`` (DeLong): the chance that one who was lost had more signs than one who was not.

    Raises
    ------
    DataError
        If the screening came after the start term.

    Notes
    -----
    Katz et al. (1978); DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44: 837-845. Unknown answers count as no
    sign. The screening may itself have led to support, which would make the relation weaker than it was.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2022]).records
    >>> found = screening_and_loss(records, "6VT").table.set_index("scale").loc["all"]
    >>> found[["n", "losses", "with_signs", "lost_with"]].astype(int).tolist()
    [249, 30, 122, 20]
    """
    terms = records.declaration.terms
    if term in terms and terms.index(term) > terms.index(records.declaration.start):
        raise DataError(
            f"The screening of {term} came after {records.declaration.start}, from which losses are followed. "
            "Use one that came before, or declare another start."
        )
    profile = screening_profile(records, term).table
    lost = collect(open_frame(losses(records).table)).query("duration > 0")[["student_id", "event"]]
    rows = []
    for scale in _scales():
        followed = profile[(profile["scale"] == scale) & (profile["answered"] > 0)].merge(lost, on="student_id")
        rows.append({"scale": scale, **_relation(followed, at_least, min_events)})
    settings = {"term": term, "at_least": at_least, "what": "relation to later loss of eligibility"}
    return Screening(pd.DataFrame(rows), settings, int(rows[-1]["n"]))


def _scales() -> dict[str, list[str]]:
    asked = screening_questions().values()
    scales = {name: [one.code for one in asked if one.dimension == name] for name in dimensions()}
    return scales | {PRIORITISED: [one.code for one in asked if one.prioritised], TOTAL: [one.code for one in asked]}


def _protected(table: pd.DataFrame, min_group: int, min_cell: int) -> pd.DataFrame:
    n, reached = table["students"], table["with_signs"]
    small = (n < min_group) | reached.between(1, min_cell - 1) | (n - reached).between(1, min_cell - 1) | (reached == n)
    alone = small & (small.groupby(table["scale"]).transform("sum") == 1)
    beside = table["scale"].isin(table.loc[alone, "scale"]) & ~small
    smallest = n.where(beside).groupby(table["scale"]).rank(method="first") == 1
    small |= smallest
    table = with_share(table, "with_signs", "students")
    numbers = ["students", "with_signs", "share", "low", "high"]
    table[numbers] = table[numbers].astype(float).mask(small)
    status = small.map({True: "suppressed", False: "ok"})
    return table.astype({"students": "Int64", "with_signs": "Int64"}).assign(status=status)


def _relation(followed: pd.DataFrame, at_least: int, min_events: int) -> dict[str, Any]:
    has, lost = followed["signs"] >= at_least, followed["event"] == 1
    counts = {
        "n": len(followed),
        "losses": int(lost.sum()),
        "with_signs": int(has.sum()),
        "lost_with": int((has & lost).sum()),
        "without_signs": int((~has).sum()),
        "lost_without": int((~has & lost).sum()),
    }
    names = ("ratio", "ratio_low", "ratio_high", "auc", "auc_low", "auc_high")
    if min(counts["losses"], counts["n"] - counts["losses"]) < min_events:
        return {**counts, **dict.fromkeys(names, nan)}
    ratio = katz(counts["lost_with"], counts["with_signs"], counts["lost_without"], counts["without_signs"])
    auc = auc_interval(followed.loc[lost, "signs"].to_numpy(float), followed.loc[~lost, "signs"].to_numpy(float))
    return {**counts, **dict(zip(names, (*ratio, *auc), strict=True))}
