"""Hand-over between stages: whose support continues, ends or is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd

from nbanalytics.analysis.indicators import Indicator, Indicators
from nbanalytics.analysis.indicators import indicators as followed
from nbanalytics.analysis.indicators.measures import Source
from nbanalytics.errors import DataError
from nbanalytics.intervals import with_share
from nbanalytics.records import StudentRecords, refuse_identity_numbers
from nbanalytics.results import Shown
from nbanalytics.support.register import chosen, open_register
from nbanalytics.terms import term_dates

#: Statuses at a hand-over, those that need attention first.
STATUSES = ("known_to_nobody", "lost", "carried", "begun", "no_need", "unknown", "moved")
#: Statuses on the list for the receiving school.
TOLD = ("known_to_nobody", "lost", "carried", "begun")


@dataclass(frozen=True, repr=False)
class Handover(Shown):
    """Students at the step from one stage to the next. Individual records: the researcher's door.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each student here in the last term of the stage: ``student_id, cohort, from_school, to`` (school;
        after the last term the programme); ``risks`` and ``reasons``, risk signals in that term; ``support_before``
        and ``support_after``, kinds of support at the selective or indicated level in that term and in the autumn
        after it; and ``status``:

        - ``carried`` over, ``lost`` or ``begun`` after the step: by the two kinds of support;
        - ``known_to_nobody``: a signal, and support neither before nor after;
        - ``no_need``: neither a signal nor support; ``unknown``: no support, and no risk indicator is known;
        - ``moved``: not here after the step.
    counts : pandas.DataFrame
        ``cohort, status, students``.
    shares : pandas.DataFrame
        ``measure``: ``lost`` of those with support before, ``known_to_nobody`` of those with a signal; ``students``
        of ``total``, ``share`` with its 95 % score interval ``low, high``. Those who moved are in neither.
    declared : tuple of Indicator
        The indicators behind the signals.
    settings : mapping
        ``start``, ``to`` (the next term, or ``upper_secondary``), ``at_least``.
    students : int
    """

    table: pd.DataFrame
    counts: pd.DataFrame
    shares: pd.DataFrame
    declared: tuple[Indicator, ...]
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Hand-over from {self.settings['start']} to {self.settings['to']}, {self.students} students"

    def receiving_list(self, lang: str = "sv") -> pd.DataFrame:
        """List the students that the receiving school must know about, with the reasons in words.

        Parameters
        ----------
        lang : {"sv", "en"}

        Returns
        -------
        pandas.DataFrame
            ``to, student_id, from_school, status, reasons, support_before, support_after``, by receiving school
            and status.

        Raises
        ------
        DataError
            If there are no words in the language.

        Examples
        --------
        >>> from nbanalytics.simulation import simulate
        >>> found = handover(simulate(seed=1, cohorts=[2018]).records)
        >>> found.receiving_list("en")["status"].unique().tolist()
        ['known_to_nobody', 'lost', 'carried', 'begun']
        """
        if lang not in ("sv", "en"):
            raise DataError(f"The language {lang!r} is not available. Choose 'sv' or 'en'.")
        names = {one.name: one.sv if lang == "sv" else one.en for one in self.declared}
        told = self.table[self.table["status"].isin(TOLD)]
        words = [", ".join(names[code] for code in codes.split(", ") if code) for codes in told["reasons"]]
        told = told.assign(reasons=words, _rank=told["status"].map({name: i for i, name in enumerate(TOLD)}))
        told = told.sort_values(["to", "_rank", "student_id"], na_position="last")
        columns = ["to", "student_id", "from_school", "status", "reasons", "support_before", "support_after"]
        return told[columns].reset_index(drop=True)


def handover(
    records: StudentRecords, start: str = "6VT", indicators: Indicators | None = None, at_least: int = 1
) -> Handover:
    """Compare support and signals before a change of stage with support after it.

    Parameters
    ----------
    records : StudentRecords
        With a support register; after the last term the receiving programme is that of ``outcomes``.
    start : str
        The last term of the stage: ``"6VT"`` for the step to year 7, ``"9VT"`` for that to upper secondary school.
    indicators : Indicators, optional
        With that term; by default the declared list.
    at_least : int
        Smallest number of risk signals that counts as a signal.

    Returns
    -------
    Handover

    Raises
    ------
    DataError
        If there is no support register, or the term is not declared or not among those of ``indicators``.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = handover(simulate(seed=1, cohorts=[2018]).records)
    >>> found.settings["to"], found.students
    ('7HT', 313)
    """
    refuse_identity_numbers(records)
    records = records.to_pandas()
    register = chosen(open_register(records))
    indicators = followed(records, start) if indicators is None else indicators
    if start not in indicators.settings["terms"]:
        raise DataError(
            f"The indicators were not computed for {start}. Choose among: {', '.join(indicators.settings['terms'])}."
        )
    order = records.declaration.terms
    following = order[order.index(start) + 1] if start != order[-1] else None
    table = indicators.by_student()
    table = table[table["term"] == start].reset_index(drop=True)
    table = _schools(table, records, start, following)
    spans = {int(cohort): _spans(records, int(cohort), start) for cohort in table["cohort"].unique()}
    for place, column in enumerate(("support_before", "support_after")):
        table[column] = _kinds(table, register, {cohort: span[place] for cohort, span in spans.items()})
    moved = ~table["student_id"].isin(_here_after(records, following))
    table["status"] = _status(table, at_least).mask(moved, "moved")
    columns = ["student_id", "cohort", "from_school", "to", "status", "risks", "reasons", "support_before"]
    table = table[[*columns, "support_after"]]
    settings = {"start": start, "to": following or "upper_secondary", "at_least": at_least}
    counts = table.groupby(["cohort", "status"]).size().rename("students").reset_index()
    return Handover(table, counts, _shares(table, at_least), indicators.declared, settings, students=len(table))


def _schools(table: pd.DataFrame, records: StudentRecords, start: str, following: str | None) -> pd.DataFrame:
    """Add the sending and receiving school of each student."""
    students = records.students.set_index("student_id")
    nothing = pd.Series(dtype="object")
    later = students.get("school_id", nothing)
    early = students.get("school_id_y6", nothing) if start == records.declaration.start else nothing
    own = table["student_id"].map(later)
    came = table["student_id"].map(early).fillna(own) if len(early) else own
    if following is not None:
        return table.assign(from_school=came, to=own)
    outcomes = records.outcomes
    known = outcomes is not None and "programme" in outcomes
    programmes = outcomes.set_index("student_id")["programme"] if known else nothing
    return table.assign(from_school=came, to=table["student_id"].map(programmes))


def _here_after(records: StudentRecords, following: str | None) -> set[str]:
    """Students who are still in the municipality after the step, as far as the records know."""
    enrolled = Source(records).enrolled
    if following is not None:
        return set(enrolled.loc[enrolled["term"] == following, "student_id"])
    here = set(enrolled["student_id"])
    if records.outcomes is None or "programme_kind" not in records.outcomes:
        return here
    return here - set(records.outcomes.loc[records.outcomes["programme_kind"] == "moved", "student_id"])


def _spans(records: StudentRecords, cohort: int, start: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """First and last day of the last term of the stage, and of the half-year after it."""
    first, last = term_dates(records.declaration, cohort, start)
    opens = last + timedelta(days=1)
    closes = date(opens.year, 12, 31) if opens.month > 6 else date(opens.year, 6, 30)
    return (first.isoformat(), last.isoformat()), (opens.isoformat(), closes.isoformat())


def _kinds(table: pd.DataFrame, register: pd.DataFrame, spans: Mapping[int, tuple[str, str]]) -> pd.Series:
    """Kinds of support that touch the cohort's span, with commas."""
    both = table[["student_id", "cohort"]].merge(register, on="student_id")
    first, last = (both["cohort"].map({cohort: span[end] for cohort, span in spans.items()}) for end in (0, 1))
    both = both[(both["start"] <= last) & (both["end"] >= first)].sort_values("kind")
    kinds = both.drop_duplicates(["student_id", "kind"]).groupby("student_id")["kind"].agg(", ".join)
    found = kinds.to_dict()
    return pd.Series([found.get(student, "") for student in table["student_id"]], index=table.index, dtype="str")


def _status(table: pd.DataFrame, at_least: int) -> pd.Series:
    before, after = table["support_before"] != "", table["support_after"] != ""
    status = pd.Series("no_need", index=table.index, dtype="str").mask(table["known"] == 0, "unknown")
    status = status.mask(table["risks"] >= at_least, "known_to_nobody")
    return status.mask(after, "begun").mask(before, "lost").mask(before & after, "carried")


def _shares(table: pd.DataFrame, at_least: int) -> pd.DataFrame:
    here = table[table["status"] != "moved"]
    with_support = here["support_before"] != ""
    signal = here["risks"] >= at_least
    rows = pd.DataFrame(
        {
            "measure": ["lost", "known_to_nobody"],
            "students": [int((here["status"] == "lost").sum()), int((here["status"] == "known_to_nobody").sum())],
            "total": [int(with_support.sum()), int(signal.sum())],
        }
    )
    return with_share(rows, "students", "total")
