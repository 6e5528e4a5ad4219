"""A theory of change as a small file, with its measured values: plan and values on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from nbanalytics.analysis.indicators import Indicator, indicators, read_indicators, trend
from nbanalytics.analysis.indicators.measures import UNKNOWN
from nbanalytics.errors import DataError, meant
from nbanalytics.intervals import mean_interval, mean_test
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.schools import with_adjusted_p
from nbanalytics.toml_files import Toml, read_table, read_toml

#: With fewer students known in both terms, no change is estimated.
MIN_STUDENTS = 10
_CHANGE = ("change", "change_low", "change_high", "p_value", "direction")


@dataclass(frozen=True)
class Step:
    """One line of a theory of change.

    Attributes
    ----------
    need, activity, expected : str
        The need, the activity, and its expected result.
    indicator : str
        The declared indicator that measures it.
    who, when : str
        Who does it, and when.
    baseline : str
        The baseline term.
    follow : tuple of str
        Terms in which it is measured again, all after the baseline.
    """

    need: str
    activity: str
    expected: str
    indicator: str
    who: str
    when: str
    baseline: str
    follow: Annotated[tuple[str, ...], Toml(filled=True)]


@dataclass(frozen=True)
class _TheoryFile:
    steps: Annotated[tuple[Step, ...], Toml(key="step", filled=True)]
    title: str = ""


@dataclass(frozen=True, repr=False)
class TheoryOfChange(Shown):
    """Plan and measured values together.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each step and term: ``step`` (number), ``need, activity, expected, who, when``, ``indicator,
        kind``, ``term`` and ``role`` (``baseline``, ``follow``); ``share`` of the ``known`` students who have the
        signal, with a 95 % interval ``low, high``; ``change`` since the baseline among the ``paired`` students, known
        in both terms, ``change_low, change_high``, missing for fewer than ten; ``p_value`` of no change, and
        ``adjusted_p``, which allows for all steps and terms of the theory (Benjamini and Hochberg 1995); and
        ``direction``: ``as_expected`` (a risk falls, a protection rises), ``against``, or ``open`` while the interval
        holds 0.
    settings : mapping
        ``title``.
    students : int
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"{self.settings['title']}: plan and measured values, {self.students} students"


def read_theory(path: str | Path, declared: Sequence[Indicator] | None = None) -> tuple[str, tuple[Step, ...]]:
    r"""Read a theory of change.

    Parameters
    ----------
    path : path
        A TOML file with ``title`` and a ``[[step]]`` for each line, see ``docs/support.md``.
    declared : sequence of Indicator, optional
        Indicators that the steps may name; by default the package's own list.

    Returns
    -------
    title : str
    steps : tuple of Step

    Raises
    ------
    DataError
        If the file cannot be read, a key is missing or unknown, or an indicator is not declared.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "theory.toml"
    >>> step = ["need = 'absence rises'", "activity = 'mentor'", "expected = 'less absence'", "indicator = 'absence'"]
    >>> lines = ["title = 'Plan'", "[[step]]", *step, "who = 'schools'", "when = '2024'", "baseline = '7HT'"]
    >>> _ = file.write_text("\n".join([*lines, "follow = ['7VT']"]), encoding="utf-8")
    >>> title, steps = read_theory(file)
    >>> title, steps[0].indicator
    ('Plan', 'absence')
    """
    where = Path(path).name
    theory = read_table(_TheoryFile, read_toml(path), where)
    known = [one.name for one in (read_indicators() if declared is None else declared)]
    for place, step in enumerate(theory.steps, 1):
        if step.indicator not in known:
            raise DataError(
                f"the indicator {step.indicator!r} is not declared",
                meant(step.indicator, known, "Declared"),
                f"{where}, [[step]] number {place}",
            )
    return theory.title or where, theory.steps


def follow_theory(
    theory: tuple[str, Sequence[Step]], records: StudentRecords, declared: Sequence[Indicator] | None = None
) -> TheoryOfChange:
    """Show each step of a theory of change with the values of its indicator.

    Parameters
    ----------
    theory : tuple
        From :func:`read_theory`.
    records : StudentRecords
        Records of the target group: ``records.cohort(2019)``, ``records.only(...)``.
    declared : sequence of Indicator, optional

    Returns
    -------
    TheoryOfChange

    Raises
    ------
    DataError
        If a term is not in the records or does not come after the baseline, or the table that an indicator needs is
        not there.

    Notes
    -----
    The interval of a change is that of the mean of the students' own changes (0, 1 or -1), by Student's *t*. A change
    is not an effect: others may have changed as much.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> plan = Step("absence rises", "mentor", "less absence", "absence", "schools", "2015", "7HT", ("7VT",))
    >>> page = follow_theory(("Plan", [plan]), simulate(seed=1, cohorts=[2018]).records).table
    >>> page[["term", "role", "known"]].to_numpy().tolist()
    [['7HT', 'baseline', 305], ['7VT', 'follow', 306]]
    """
    title, steps = theory
    declared = tuple(read_indicators() if declared is None else declared)
    order = records.declaration.terms
    parts = []
    students = 0
    for place, step in enumerate(steps, 1):
        _check_terms(step, place, order)
        wanted = [one for one in declared if one.name == step.indicator]
        found = indicators(records, [step.baseline, *step.follow], wanted)
        students = max(students, found.students)
        shares = trend(found).table.drop(columns=["signals", "unknown"])
        _refuse_unasked(step, place, set(shares["term"]))
        plan = {key: value for key, value in asdict(step).items() if key not in ("baseline", "follow", "indicator")}
        rows = shares.assign(step=place, **plan)
        rows["role"] = ["baseline" if term == step.baseline else "follow" for term in rows["term"]]
        changes = pd.DataFrame([_change(found.table, step.baseline, term) for term in rows["term"]], index=rows.index)
        parts.append(rows.join(changes))
    columns = ["step", "need", "activity", "expected", "who", "when", "indicator", "kind", "term", "role"]
    estimates = ["known", "share", "low", "high", "paired", *_CHANGE]
    table = pd.concat(parts, ignore_index=True)[[*columns, *estimates]].astype({"paired": "Int64", "p_value": float})
    table = with_adjusted_p(table)
    return TheoryOfChange(table, {"title": title}, students)


def _change(table: pd.DataFrame, baseline: str, term: str) -> dict[str, Any]:
    """Change of the share with the signal among students known in both terms."""
    nothing: dict[str, Any] = dict.fromkeys(("paired", *_CHANGE)) | {"direction": ""}
    if term == baseline:
        return nothing
    known = table[table["signal"] != UNKNOWN].assign(
        has=lambda rows: (rows["signal"] == rows["kind"]).astype("float64")
    )
    first, then = (known[known["term"] == when].set_index("student_id")["has"] for when in (baseline, term))
    change = (then - first).dropna()
    paired = {"paired": len(change)}
    if len(change) < MIN_STUDENTS:
        return nothing | paired
    mean = float(change.mean())
    error, freedom = float(change.std(ddof=1)) / len(change) ** 0.5, len(change) - 1
    low, high = mean_interval(mean, error, freedom)
    wanted = -1 if table["kind"].iloc[0] == "risk" else 1
    direction = "open" if low <= 0 <= high else "as_expected" if mean * wanted > 0 else "against"
    values = (mean, low, high, mean_test(mean, error, freedom), direction)
    return paired | dict(zip(_CHANGE, values, strict=True))


def _check_terms(step: Step, place: int, order: Sequence[str]) -> None:
    strange = [term for term in (step.baseline, *step.follow) if term not in order]
    if strange:
        raise DataError(f"Step {place} names the term {', '.join(strange)}. The records have: {', '.join(order)}.")
    if any(order.index(term) <= order.index(step.baseline) for term in step.follow):
        raise DataError(f"Step {place} is followed up before its baseline {step.baseline} or in it. Name later terms.")


def _refuse_unasked(step: Step, place: int, asked: set[str]) -> None:
    absent = [term for term in (step.baseline, *step.follow) if term not in asked]
    if absent:
        raise DataError(
            f"Step {place}: the indicator {step.indicator!r} has no value in {', '.join(absent)}. Choose terms in "
            "which it is asked; a change since the term before has none in the first term."
        )
