"""The term in which eligibility is first lost, and whether it comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from nbanalytics.analysis.droppoints.lifetable import life_table_by
from nbanalytics.frames import By, collect, column_names, open_frame, to_native
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.schools import MIN_SCHOOLS, THESE, estimand_of, labels, share_over_schools
from nbanalytics.students import LOSS, student_table

#: Columns of the students table that the losses carry along, where they are there.
GROUPINGS = ("school_id", "sex", "newly_arrived")


@dataclass(frozen=True, repr=False)
class Losses(Shown):
    """When each student who was eligible at the start term was first seen not eligible.

    Attributes
    ----------
    table : dataframe
        Of the records' kind, one row per student who was eligible at the start term:

        - ``student_id, cohort``, and ``school_id, sex, newly_arrived`` where the students table has them;
        - ``duration``: steps from the start term to the loss, or else to the last term with results (0: none later);
        - ``event``: 1 lost, 0 censored;
        - ``lost_term``: the term of the loss; ``before_term``: the last term with results before it;
        - ``last_term``: the last term with results;
        - ``recovered_term``: the first term after the loss with eligibility again;
        - ``end_observed``: whether there are results at the end term; ``regained_at_end``: lost, and eligible there.
    settings : mapping
        ``start, end, terms`` (all followed, the start first) and ``rule``.
    students : int
        Students eligible at the start term.
    never_observed_again : int
        Those of them without any later results: they have a row with duration 0 and no person-period.
    left_out : mapping
        Students without a row: ``not_eligible_at_start`` and ``no_results_at_start``.
    """

    table: Any
    settings: Mapping[str, Any]
    students: int
    never_observed_again: int
    left_out: Mapping[str, int]

    @property
    def steps(self) -> tuple[str, ...]:
        """The terms after the start term: step 1, 2, ..."""
        return tuple(self.settings["terms"][1:])

    def life_table(self, by: str | Sequence[str] = (), *, estimand: str | None = None) -> pd.DataFrame:
        """Life table by term: :func:`life_table_by` with the ``term`` of each step, its events called ``lost``."""
        divided = By.of(by, ("term", "lost"))
        table = life_table_by(self.table, divided.names, schools=self._schools, estimand=estimand)
        table = table.rename(columns={"events": "lost"})
        terms = table["t"].map(dict(enumerate(self.steps, start=1)))
        table.insert(len(divided.names) + 1, "term", terms)
        return table

    @property
    def _schools(self) -> str | None:
        return "school_id" if "school_id" in column_names(open_frame(self.table)) else None

    def _shown(self) -> pd.DataFrame:
        return self.life_table().drop(columns=["t", "se_hazard", "se_survival"])

    def _words(self) -> str:
        return (
            f"Losses of {self.students} students eligible in {self.settings['start']}, followed to "
            f"{self.settings['end']}; {self.never_observed_again} of them never seen again"
        )


def losses(records: StudentRecords) -> Losses:
    """Find the first followed term in which a student, eligible at the start term, is not eligible.

    The start term is the origin and the followed terms after it are steps 1, 2, ... A term without results is a gap:
    the student is still at risk there and nothing is seen to happen, so that a loss during a gap is dated to the first
    term with results after it. A student who is not seen lost is censored after the last term with results. Who has no
    results after the start term is in no person-period and is counted as ``never_observed_again``.

    Parameters
    ----------
    records : StudentRecords
        Students and grades; the terms are those of the declaration, the rule is that of the cohort.

    Returns
    -------
    Losses

    Notes
    -----
    Singer and Willett (2003), *Applied Longitudinal Data Analysis*, chapter 10, for person-periods and censoring.

    Examples
    --------
    >>> import pandas as pd
    >>> subjects = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"]
    >>> def term(name, grades):
    ...     return pd.DataFrame({"student_id": "P1", "term": name, "subject": subjects, "grade": list(grades)})
    >>> grades = pd.concat([term("6VT", "EEEEEEEE"), term("7VT", "EEFEEEEE"), term("8HT", "EEEEEEEE")])
    >>> found = losses(StudentRecords(pd.DataFrame({"student_id": ["P1"], "cohort": 2018}), grades))
    >>> found.table.iloc[0][["duration", "event", "before_term", "lost_term", "recovered_term", "last_term"]]
    duration            2
    event               1
    before_term       6VT
    lost_term         7VT
    recovered_term    8HT
    last_term         8HT
    Name: 0, dtype: object
    """
    declaration = records.declaration
    terms = declaration.followed_terms
    names = column_names(open_frame(records.students))
    carried = [name for name in GROUPINGS if name in names]
    start = f"eligible_{terms[0]}"
    everybody = student_table(records, [start, *carried, *LOSS])
    at_start = everybody.with_columns(_start=nw.col(start).fill_null(-1)).group_by("_start").agg(nw.len().alias("n"))
    table = everybody.filter(nw.col(start) == 1).select("student_id", "cohort", *carried, *LOSS)
    table = table.with_columns(nw.col("duration").cast(nw.Int64), nw.col("event").cast(nw.Int64))
    counts = {int(row["_start"]): int(row["n"]) for _, row in collect(at_start).iterrows()}
    never = collect(table.filter(nw.col("duration") == 0).select(nw.len().alias("n")))
    return Losses(
        table=to_native(table),
        settings={"start": terms[0], "end": terms[-1], "terms": terms, "rule": declaration.rule},
        students=counts.get(1, 0),
        never_observed_again=int(never["n"].iloc[0]),
        left_out={"not_eligible_at_start": counts.get(0, 0), "no_results_at_start": counts.get(-1, 0)},
    )


def person_periods(losses: Losses) -> Any:
    """Spread the losses over one row per student and term at risk.

    Parameters
    ----------
    losses : Losses
        Result of :func:`losses`.

    Returns
    -------
    dataframe
        Of the records' kind: the columns of ``losses.table`` that group students (``student_id, cohort, school_id,
        sex, newly_arrived``), then ``t`` (1, 2, ...), ``term`` and ``event`` (1 in the term of the loss).

    Notes
    -----
    The person-period data set of Singer and Willett (2003), chapter 10.2; its events / rows by ``t`` are the hazards.

    Examples
    --------
    >>> import pandas as pd
    >>> subjects = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"]
    >>> def term(name, grades):
    ...     return pd.DataFrame({"student_id": "P1", "term": name, "subject": subjects, "grade": list(grades)})
    >>> students = pd.DataFrame({"student_id": ["P1"], "cohort": 2018})
    >>> records = StudentRecords(students, pd.concat([term("6VT", "EEEEEEEE"), term("7VT", "EEFEEEEE")]))
    >>> person_periods(losses(records))
      student_id  cohort  t term  event
    0         P1    2018  1  7HT      0
    1         P1    2018  2  7VT      1
    """
    frame = open_frame(losses.table)
    kept = [name for name in ("student_id", "cohort", *GROUPINGS) if name in column_names(frame)]
    parts = []
    for step, term in enumerate(losses.steps, start=1):
        lost = nw.when(nw.col("duration") == step).then(nw.col("event")).otherwise(nw.lit(0))
        parts.append(
            frame.filter(nw.col("duration") >= step).select(
                *kept, nw.lit(step).alias("t"), nw.lit(term).alias("term"), lost.cast(nw.Int64).alias("event")
            )
        )
    return to_native(nw.concat(parts))


_RECOVERY = (
    *("lost_term", "lost", "regained", "regained_at_end", "not_regained_at_end", "not_observed_at_end"),
    *("share_regained", "low", "high", "estimand", "status"),
)


@dataclass(frozen=True, repr=False)
class Recovery(Shown):
    """How many of those who lost eligibility had it again, by the term of the loss.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then

        - ``lost_term``: in order of time, then ``*`` for all; ``lost``: students;
        - ``regained``: eligible again in any later followed term;
        - ``regained_at_end``, ``not_regained_at_end``, ``not_observed_at_end``: how it stood at the end term;
        - ``share_regained`` of those lost, with its 95 % interval ``low, high``; ``estimand``: what it is about;
        - ``status``: ``ok``, ``too_few`` (no share is estimated) or ``not_applicable`` (no later term to regain in).
    settings : mapping
        ``by, min_students, estimand``.
    students : int
        Students who lost eligibility.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Of {self.students} students who lost eligibility, by term of the loss: who had it again"


def recovery(
    losses: Losses, by: str | Sequence[str] = (), min_students: int = 5, *, estimand: str | None = None
) -> Recovery:
    """Count who regains eligibility, by the term in which it was lost.

    Parameters
    ----------
    losses : Losses
        Result of :func:`losses`.
    by : str or sequence of str
        Columns of ``losses.table`` to divide by.
    min_students : int
        No share is estimated for fewer students.
    estimand : str, optional
        ``"schools_like_these"`` (the default from three schools on) or ``"these_schools"``; see
        :func:`nbanalytics.schools.estimand_of`. Losses in fewer than three schools have the latter.

    Returns
    -------
    Recovery

    Raises
    ------
    DataError
        If a column of ``by`` is not there, or schools like these are asked about with fewer than three.

    Notes
    -----
    The interval of a share is that of :func:`nbanalytics.schools.share_over_schools`.

    Examples
    --------
    >>> import pandas as pd
    >>> subjects = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"]
    >>> def term(name, grades):
    ...     return pd.DataFrame({"student_id": "P1", "term": name, "subject": subjects, "grade": list(grades)})
    >>> students = pd.DataFrame({"student_id": ["P1"], "cohort": 2018})
    >>> from nbanalytics.analysis.droppoints import losses
    >>> from nbanalytics.records import StudentRecords
    >>> records = StudentRecords(students, pd.concat([term("6VT", "EEEEEEEE"), term("7HT", "EEFEEEEE")]))
    >>> recovery(losses(records)).table.loc[0, ["lost_term", "lost", "regained", "not_observed_at_end", "status"]]
    lost_term                  7HT
    lost                         1
    regained                     0
    not_observed_at_end          1
    status                 too_few
    Name: 0, dtype: object
    """
    frame = open_frame(losses.table)
    divided = By.of(by, _RECOVERY, frame, "of losses")
    flags = {
        "regained": ~nw.col("recovered_term").is_null(),
        "regained_at_end": nw.col("regained_at_end"),
        "not_observed_at_end": ~nw.col("end_observed"),
    }
    columns = {name: nw.when(flag).then(nw.lit(1)).otherwise(nw.lit(0)) for name, flag in flags.items()}
    school = nw.lit("") if losses._schools is None else nw.col(losses._schools)
    lost = frame.filter(nw.col("event") == 1).select(
        *divided.aliased, "lost_term", **columns, lost=nw.lit(1), _school=school
    )
    counted = collect(
        lost.group_by(*divided.keys, "lost_term", "_school").agg(*(nw.col(name).sum() for name in ("lost", *columns)))
    )
    counted["_school"] = labels(counted["_school"])
    kind = estimand_of(None if losses._schools is None else counted["_school"], estimand)
    rows = []
    for group, part in divided.split(counted):
        by_term = {term: part[part["lost_term"] == term] for term in losses.steps} | {"*": part}
        for term, of_term in by_term.items():
            sums = of_term.groupby("_school")[["lost", *columns]].sum()
            found = _recovered(sums, term == losses.steps[-1], kind, min_students)
            rows.append({**group, "lost_term": term, **found})
    table = pd.DataFrame(rows, columns=[*divided.names, *_RECOVERY])
    settings = {"by": divided.names, "min_students": min_students, "estimand": kind}
    return Recovery(table, settings, students=int(counted["lost"].sum()))


def _recovered(sums: pd.DataFrame, last: bool, kind: str, min_students: int) -> dict[str, Any]:
    counts = {str(name): int(value) for name, value in sums.sum().items()}
    lost, regained = counts["lost"], counts["regained"]
    not_regained = lost - counts["regained_at_end"] - counts["not_observed_at_end"]
    own = kind if len(sums) >= MIN_SCHOOLS else THESE
    share, low, high, status = float("nan"), float("nan"), float("nan"), "ok"
    if last:
        status = "not_applicable"
    elif lost < min_students:
        status = "too_few"
    else:
        share = regained / lost
        low, high = share_over_schools(sums["regained"], sums["lost"], own)
    estimate = {"share_regained": share, "low": low, "high": high, "estimand": own, "status": status}
    return {**counts, "not_regained_at_end": not_regained, **estimate}
