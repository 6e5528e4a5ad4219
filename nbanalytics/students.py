"""One row per student: the columns that every analysis and every release counts, each defined here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import narwhals as nw
import pandas as pd

from nbanalytics.declaration import AFTER
from nbanalytics.eligibility import merit_value
from nbanalytics.errors import DataError, GradingError
from nbanalytics.frames import By, Frame, any_of, cases, column_names, name_of, number_of, open_frame, refuse_absent
from nbanalytics.grading import Grading
from nbanalytics.records import StudentRecords

#: The rule of the form of Fullföljda studier: passes in the core subjects and five more.
CORE_RULE = "core-and-five"
#: States at a term, in the order in which they are shown.
ELIGIBLE, NOT_ELIGIBLE, MOVED, UNKNOWN = TERM_STATES = ("eligible", "not_eligible", "moved", "unknown")
#: States after the last term, in the order in which they are shown.
AFTER_STATES = ("preparatory", "vocational", "introductory", "none", MOVED, UNKNOWN)
#: Columns of the first loss, of students who were eligible at the start term.
LOSS = (
    "duration",
    "event",
    "lost_term",
    "before_term",
    "last_term",
    "recovered_term",
    "end_observed",
    "regained_at_end",
)
#: Columns of a term that one pass over the grades gives, and the column of ``records.results`` behind each.
_OF_RESULTS = {"eligible": "eligible", "points": "mean_points", "passes": "n_passed", "graded": "n_grades"}
_OF_TERMS = (*_OF_RESULTS, "core", "merit", "absence", "state")


def student_table(records: StudentRecords, columns: Sequence[str] = (), by: By | None = None) -> Frame:
    """Put the columns asked for in one table, one row per student of the students table; nothing else is computed.

    Parameters
    ----------
    records : StudentRecords
        In any dataframe.
    columns : sequence of str
        Columns of the students table, and

        - ``eligible_<term>``: 1 or 0 by the declared rule, missing without any grade in the term;
        - ``core_<term>``: the same by the rule "passes in the core subjects and five more";
        - ``points_<term>``: mean grade points over comparable subjects, ``graded_<term>`` their grades;
          ``passes_<term>``: passes in all subjects;
        - ``merit_<term>``: merit value, missing without any grade;
        - ``absence_<term>``: valid and invalid absence together, in per cent (see :func:`absence_by_term`);
        - ``state_<term>``: one of ``TERM_STATES``; ``state_upper_secondary``: one of ``AFTER_STATES``;
        - those of ``LOSS``, of students eligible at the declared start: ``duration``, steps to the first loss, else to
          the last term with results; ``event``: 1 lost, 0 censored; ``lost_term``; ``before_term``, the last with
          results before it; ``last_term`` with results; ``recovered_term``; ``end_observed``, results at the end term;
          ``regained_at_end``.
    by : By, optional
        Further columns of the students table, carried under its ``keys``, which no other column is named like.

    Returns
    -------
    narwhals frame
        Of the records' engine: ``student_id, cohort``, those of ``columns``, and the keys of ``by``.

    Raises
    ------
    DataError
        If the students table lacks a column.

    Examples
    --------
    >>> subjects = ["SV", "EN", "MA", "BL", "MU", "SL", "IDH", "HKK"]
    >>> grades = pd.DataFrame({"student_id": "P1", "term": "9VT", "subject": subjects, "grade": list("EEFCCCCC")})
    >>> students = pd.DataFrame({"student_id": ["P1", "P2"], "cohort": 2018})
    >>> student_table(StudentRecords(students, grades), ["eligible_9VT", "state_9VT"]).to_native()
      student_id  cohort  eligible_9VT     state_9VT
    0         P1    2018           0.0  not_eligible
    1         P2    2018           NaN       unknown
    """
    records.refuse_uncountable("students", "grades")
    wanted = list(dict.fromkeys(columns))
    asked: dict[str, list[str]] = {kind: [] for kind in _OF_TERMS}
    plain = []
    for name in wanted:
        kind, _, term = name.partition("_")
        if kind in asked and (term in records.declaration.terms or name == f"state_{AFTER}"):
            asked[kind].append(term)
        elif name not in LOSS:
            plain.append(name)
    lost = [name for name in wanted if name in LOSS]
    followed = list(records.declaration.followed_terms) if lost else []
    frame = _carried(records, plain, by, moves=bool(asked["state"]))
    stages = [term for term in asked["state"] if term != AFTER]
    spread = {
        "eligible": [*asked["eligible"], *stages, *followed],
        **{k: asked[k] for k in _OF_RESULTS if k != "eligible"},
    }
    if any(spread.values()):
        frame = frame.join(_results_by_term(records, spread), on="student_id", how="left")
    for kind, make in (("core", _core_by_term), ("merit", _merit_by_term), ("absence", _absence_totals)):
        if asked[kind]:
            frame = frame.join(make(records, asked[kind]), on="student_id", how="left")
    if asked["state"]:
        frame = _with_states(frame, records, asked["state"])
    if lost:
        frame = _with_first_loss(frame, followed)
    keys = by.keys if by is not None else []
    return frame.select("student_id", *dict.fromkeys(["cohort", *wanted]), *keys)


def absence_by_term(records: StudentRecords) -> Frame:
    """Return the absence of each student and term, with its total, as a narwhals frame.

    Its columns ``student_id, term, valid, invalid, total`` are in per cent of the term. The total is valid and invalid
    absence together and missing where either is missing: of records that hold one kind only no total is known.

    Raises
    ------
    DataError
        If there is no table ``absence``.

    Examples
    --------
    >>> students, grades = pd.DataFrame({"student_id": ["P1"], "cohort": 2018}), pd.DataFrame()
    >>> absence = pd.DataFrame({"student_id": "P1", "term": ["6VT", "7HT"], "valid": 4.0, "invalid": [1.0, None]})
    >>> absence_by_term(StudentRecords(students, grades, absence)).to_native()["total"].tolist()
    [5.0, nan]
    """
    if records.absence is None:
        raise DataError("The records hold no absence", "Add the table absence (student_id, term, valid, invalid).")
    rows = open_frame(records.absence)
    names = column_names(rows)
    kinds = {
        kind: nw.col(kind).cast(nw.Float64) if kind in names else nw.lit(None, dtype=nw.Float64)
        for kind in ("valid", "invalid")
    }
    return rows.select("student_id", "term", **kinds).with_columns(total=nw.col("valid") + nw.col("invalid"))


def knows_total_absence(records: StudentRecords) -> bool:
    """Whether the records have a table ``absence`` with both kinds, without which there is no total."""
    return records.absence is not None and {"valid", "invalid"} <= set(column_names(open_frame(records.absence)))


def refuse_without_total(records: StudentRecords) -> None:
    """Raise a DataError if no total of absence is known, saying what is missing."""
    if not knows_total_absence(records):
        absence_by_term(records)
        names = column_names(open_frame(records.absence))
        lacking = " and ".join(kind for kind in ("valid", "invalid") if kind not in names)
        raise DataError(
            f"The table absence has no column {lacking}, and total absence is valid and invalid together",
            "Add the column, or choose what does not need the total.",
        )


def has_core(records: StudentRecords) -> bool:
    """Whether the rule "passes in the core subjects and five more" holds for every cohort."""
    declared = replace(records.declaration, rule=CORE_RULE)
    try:
        for cohort in records.cohorts():
            declared.grading(cohort)
    except GradingError:
        return False
    return True


def is_core_rule(records: StudentRecords) -> bool:
    """Whether the declared rule asks for the same as the core rule, so that ``eligible`` and ``core`` are the same."""
    core = replace(records.declaration, rule=CORE_RULE)
    return all(records.declaration.grading(one).rule.ways == core.grading(one).rule.ways for one in records.cohorts())


#: Whom a share of a term is of: all who got grades or should have got them, or those with grades.
SHARES_OF = ("all", "graded")


def refuse_other_share(of: str) -> None:
    """Raise a DataError if a share is to be of others than those of ``SHARES_OF``."""
    if of not in SHARES_OF:
        raise DataError(
            f"of is {of!r}",
            "Choose 'all', of all who got grades or should have got them, or 'graded', of those with grades.",
        )


def counted(table: pd.DataFrame, term: str) -> pd.Series[bool]:
    """Say who is in the denominator of a share of a term: all who got grades or should have got them (Skolverket's).

    ``table`` has ``cohort`` and ``state_<term>``; the students, or a row for each kind of them. Students without any
    grade are counted; those who had moved are not, nor are those of a cohort in which nobody has a grade in the term
    yet.

    Examples
    --------
    >>> states = ["eligible", "unknown", "moved", "unknown"]
    >>> counted(pd.DataFrame({"cohort": [2018, 2018, 2018, 2019], "state_9VT": states}), "9VT").tolist()
    [True, True, False, False]
    """
    state = table[f"state_{term}"]
    graded = state.isin([ELIGIBLE, NOT_ELIGIBLE])
    return graded | (state.eq(UNKNOWN) & graded.groupby(table["cohort"]).transform("any"))


def only_cohorts(frame: Frame, records: StudentRecords, cohorts: Sequence[int]) -> Frame:
    """Keep the rows of the students of some cohorts."""
    if len(cohorts) == len(records.cohorts()):
        return frame
    kept = open_frame(records.students).filter(any_of(nw.col("cohort"), cohorts)).select("student_id")
    return frame.join(kept, on="student_id", how="semi")


def grades_by_scale(records: StudentRecords) -> Iterator[tuple[Grading, Frame]]:
    """Yield each scale and rule in use, with the grades of the students that they hold for."""
    for grading, cohorts in records.gradings():
        yield grading, only_cohorts(open_frame(records.grades), records, cohorts)


def _carried(records: StudentRecords, plain: Sequence[str], by: By | None, moves: bool) -> Frame:
    """Return the columns of the students table, those of ``by`` under its keys, and moves as places of terms."""
    students = open_frame(records.students)
    names = column_names(students)
    wanted = list(dict.fromkeys(["student_id", "cohort", *plain]))
    refuse_absent(students, [*wanted, *(by.names if by is not None else ())], "students")
    moved = {
        f"_{name}": number_of(records.declaration.terms, _as_text(students, name))
        for name in ("moved_in", "moved_out")
        if moves and name in names
    }
    left = {"_left": ~nw.col("moved_out").is_null()} if "_moved_out" in moved else {}
    return students.select(*wanted, *(by.aliased if by is not None else ()), **moved, **left)


def _as_text(frame: Frame, column: str) -> nw.Expr:
    # A column without any value may come as numbers, which some engines will not compare with text; and a categorical
    # column takes no other word than its own.
    return nw.col(column) if frame.collect_schema()[column] == nw.String else nw.col(column).cast(nw.String)


def _spread(rows: Frame, columns: dict[str, tuple[str, nw.Expr]]) -> Frame:
    """Turn rows by student and term into a row per student; ``columns`` gives each new one its term and value."""
    spread = {name: nw.when(nw.col("term") == term).then(value) for name, (term, value) in columns.items()}
    return rows.select("student_id", **spread).group_by("student_id").agg(*(nw.col(name).max() for name in spread))


def _results_by_term(records: StudentRecords, asked: dict[str, list[str]]) -> Frame:
    values = {kind: nw.col(column) for kind, column in _OF_RESULTS.items()}
    values["eligible"] = values["eligible"].cast(nw.Int64)
    terms = list(dict.fromkeys(term for wanted in asked.values() for term in wanted))
    columns = {f"{kind}_{term}": (term, values[kind]) for kind, wanted in asked.items() for term in wanted}
    return _spread(open_frame(records.results(terms)), columns)


def _core_by_term(records: StudentRecords, terms: list[str]) -> Frame:
    core = records.under(replace(records.declaration, rule=CORE_RULE))
    met = _results_by_term(core, {"eligible": terms})
    return met.select("student_id", **{f"core_{term}": nw.col(f"eligible_{term}") for term in terms})


def _merit_by_term(records: StudentRecords, terms: list[str]) -> Frame:
    parts = []
    for grading, grades in grades_by_scale(records):
        rows = grades.filter(any_of(nw.col("term"), terms))
        parts.append(open_frame(merit_value(nw.to_native(rows), grading)).select("student_id", "term", "merit_value"))
    merit = parts[0] if len(parts) == 1 else nw.concat(parts)
    return _spread(merit, {f"merit_{term}": (term, nw.col("merit_value")) for term in terms})


def _absence_totals(records: StudentRecords, terms: list[str]) -> Frame:
    rows = absence_by_term(records).filter(any_of(nw.col("term"), terms))
    return _spread(rows, {f"absence_{term}": (term, nw.col("total")) for term in terms})


def _with_states(frame: Frame, records: StudentRecords, stages: Sequence[str]) -> Frame:
    """Add ``state_<stage>``: a student without grades before moving in or after moving out has moved."""
    declared = records.declaration.terms
    moves = [name for name in ("_moved_in", "_moved_out") if name in column_names(frame)]
    states = {f"state_{stage}": _term_state(stage, declared.index(stage), moves) for stage in stages if stage != AFTER}
    if AFTER in stages:
        frame = frame.join(_programme_kinds(records), on="student_id", how="left")
        known = any_of(nw.col("_kind"), AFTER_STATES[:-1])
        left = nw.col("_left") if "_moved_out" in moves else nw.lit(False)
        states[f"state_{AFTER}"] = cases((known, nw.col("_kind")), (left, MOVED), otherwise=UNKNOWN)
    return frame.with_columns(**states)


def _term_state(term: str, place: int, moves: Sequence[str]) -> nw.Expr:
    away = [(nw.col(name) > place if name == "_moved_in" else nw.col(name) < place).fill_null(False) for name in moves]
    moved = nw.any_horizontal(*away, ignore_nulls=True) if away else nw.lit(False)
    eligible = nw.col(f"eligible_{term}")
    return cases((eligible == 1, ELIGIBLE), (eligible == 0, NOT_ELIGIBLE), (moved, MOVED), otherwise=UNKNOWN)


def knows_programmes(records: StudentRecords) -> bool:
    """Whether the records say what came after the last term: outcomes may have only the summer's examinations."""
    known = [] if records.outcomes is None else column_names(open_frame(records.outcomes))
    return "programme_kind" in known or "programme" in known


def _programme_kinds(records: StudentRecords) -> Frame:
    outcomes = open_frame(records.outcomes)
    if "programme_kind" not in column_names(outcomes):
        raise DataError(
            "The table outcomes has no column programme_kind",
            f"Add it ({', '.join(AFTER_STATES[:-1])}), or read the records without outcomes.",
        )
    return outcomes.select("student_id", _as_text(outcomes, "programme_kind").alias("_kind"))


def _with_first_loss(frame: Frame, terms: Sequence[str]) -> Frame:
    """Date the first loss after the first of the followed terms, and what came of it."""
    last = len(terms) - 1
    eligible = [nw.col(f"eligible_{term}") for term in terms]
    at_start = eligible[0] == 1
    lost = [cases((at_start & (eligible[step] == 0), step)) for step in range(1, last + 1)]
    seen = [cases((at_start & ~one.is_null(), step)) for step, one in enumerate(eligible)]
    dated = frame.with_columns(_lost=nw.min_horizontal(*lost) if lost else _NEVER, _last=nw.max_horizontal(*seen))
    later = [(one == 1) & (nw.col("_lost") < step) for step, one in enumerate(eligible)]
    earlier = [~one.is_null() & (nw.col("_lost") > step) for step, one in enumerate(eligible)]
    dated = dated.with_columns(
        _recovered=nw.min_horizontal(*(cases((test, step)) for step, test in enumerate(later))),
        _before=nw.max_horizontal(*(cases((test, step)) for step, test in enumerate(earlier))),
    )
    happened = ~nw.col("_lost").is_null()
    return dated.with_columns(
        duration=cases((happened, nw.col("_lost")), otherwise=nw.col("_last")),
        event=cases((at_start & happened, 1), (at_start, 0)),
        lost_term=name_of(terms, "_lost"),
        before_term=name_of(terms, "_before"),
        last_term=name_of(terms, "_last"),
        recovered_term=name_of(terms, "_recovered"),
        end_observed=~eligible[last].is_null(),
        regained_at_end=~nw.col("_recovered").is_null() & (eligible[last].fill_null(0) == 1),
    )


_NEVER = nw.lit(None, dtype=nw.Int64)
