"""The individual baseline: the form's row of each student, from records or from forms that schools filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from nbanalytics.analysis.baseline.zero import ABSENCE, COLUMNS, Baseline, measured, zero_values
from nbanalytics.errors import DataError
from nbanalytics.frames import By, any_of, collect, open_frame
from nbanalytics.grading import Grading, default_catalogue
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.students import CORE_RULE

#: Subjects of the form, in its order.
SUBJECTS = ("SV", "SVA", "MA", "EN")
#: What the form's table has to hold; see :func:`nbanalytics.municipal.baseline_form.read_baseline_form`.
_FORM = ("school", "list_number", "sex", "year", "newly_arrived", *SUBJECTS, "passes", "reaches_criteria", "absence")
#: The years that the form asks for grades, and for the criteria.
_ASKED = {"years 6-9": range(6, 10), "years 1-5": range(1, 6)}
_FORM_COHORT = 2020  # the form is from the years of the scale A-F


@dataclass(frozen=True, repr=False)
class IndividualBaseline(Shown):
    """One row per student: for the researcher's door, never for a page.

    Attributes
    ----------
    table : pandas.DataFrame
        Who (``student_id``, or ``school, list_number`` of a form), ``year`` or ``term``, ``sex, newly_arrived``; the
        grades ``SV, SVA, MA, EN``; ``passes``; ``core`` (missing where what is known does not settle it);
        ``reaches_criteria`` (years 1-5, forms only); ``absence`` in per cent; ``missing``: how many of the answers
        that the form asks for in that year are missing.
    summary : pandas.DataFrame
        ``answer, asked, known, missing``: counts of students.
    settings : mapping
        ``source`` and ``occasion``.
    students : int
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Individual baseline of {self.students} students ({self.settings['source']})"


def individual_baseline(records: StudentRecords, term: str) -> IndividualBaseline:
    """Each student's grades in the core subjects, number of passes and absence in a term.

    Parameters
    ----------
    records : StudentRecords
        Students and grades, and absence if known.
    term : str
        As for :func:`nbanalytics.baseline`.

    Returns
    -------
    IndividualBaseline
        One row per student who was here.

    Raises
    ------
    DataError
        If the term is not there.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> result = individual_baseline(simulate(seed=1, cohorts=[2018]).records, "6VT")
    >>> list(result.table.columns)[-8:]
    ['SV', 'SVA', 'MA', 'EN', 'passes', 'core', 'absence', 'missing']
    """
    people = measured(records, term)
    grades = open_frame(records.grades).filter(any_of(nw.col("subject"), SUBJECTS))
    held = collect(grades.select("student_id", "term", "subject", "grade"))
    wide = held.pivot(index=["student_id", "term"], columns="subject", values="grade").reindex(columns=list(SUBJECTS))
    results = open_frame(records.results(sorted(set(people["term"])))).select("student_id", "term", "n_passed")
    passes = collect(results).rename(columns={"n_passed": "passes"}).astype({"passes": "Int64"})
    table = people.merge(wide.reset_index(), on=["student_id", "term"], how="left")
    table = table.merge(passes, on=["student_id", "term"], how="left")
    # On a scale without a pass line there is nothing to count.
    table["passes"] = table["passes"].where(table["cohort"].isin(records.cohorts_with_passes()))
    table["core"] = table.get("core", pd.Series(float("nan"), index=table.index)).astype("boolean")
    shown = ["student_id", "cohort", "term", *(name for name in ("sex", "newly_arrived") if name in table)]
    return _individual(
        table[[*shown, *SUBJECTS, "passes", "core", ABSENCE]],
        pd.Series("years 6-9", index=table.index),
        {"source": "records", "occasion": term},
    )


def individual_from_form(form: pd.DataFrame, grading: Grading | None = None) -> IndividualBaseline:
    """Do as :func:`individual_baseline` with a form's table: years 6-9 by grades, years 1-5 by the criteria.

    Parameters
    ----------
    form : pandas.DataFrame
        The table ``baseline`` of :func:`nbanalytics.municipal.baseline_form.read_baseline_form`; several schools'
        tables may be put together.
    grading : Grading, optional
        Scale and rule of "the core subjects and five more"; by default those of the form's years.

    Returns
    -------
    IndividualBaseline
        ``x`` and empty cells are missing. Where a fail settles the rule, nothing needs to be known of the rest.

    Raises
    ------
    DataError
        If a column of the form is not there, or a school has the same list number twice.

    Examples
    --------
    >>> form = pd.DataFrame({name: [None] for name in _FORM})
    >>> form.loc[0, ["school", "list_number", "year", "SV", "MA", "EN", "passes"]] = ["Ek", "1", 9, "E", "F", "E", None]
    >>> bool(individual_from_form(form).table.loc[0, "core"])
    False
    """
    absent = [name for name in _FORM if name not in form.columns]
    if absent:
        raise DataError(f"The form's table has no column {', '.join(absent)}. Read the form with read_baseline_form.")
    _refuse_twice(form)
    grading = grading or default_catalogue().grading(_FORM_COHORT, rule=CORE_RULE)
    table = form[list(_FORM)].reset_index(drop=True)
    year = pd.to_numeric(table["year"]).astype("Int64")
    kind = pd.Series(None, index=table.index, dtype="object")
    for name, years in _ASKED.items():
        kind[year.isin(list(years))] = name
    table.insert(len(table.columns) - 2, "core", _core(table, grading).where(kind == "years 6-9"))
    return _individual(table, kind, {"source": "form", "occasion": "the form's"})


def baseline_from_form(form: pd.DataFrame, by: str | Sequence[str] = ("school",), min_students: int = 5) -> Baseline:
    """Zero values from filled-in forms: the share with the core subjects and five more, and absence.

    Parameters
    ----------
    form : pandas.DataFrame
        As for :func:`individual_from_form`.
    by : str or sequence of str
        Columns of the form, such as ``["school", "year"]``; an empty list for all forms together.
    min_students : int
        Nothing is estimated for fewer.

    Returns
    -------
    Baseline
        Of years 6-9. Here a missing value (``x`` or empty) is left out of ``n`` and counted: the form does not
        distinguish no grades from grades that were not entered.

    Raises
    ------
    DataError
        As :func:`individual_from_form`.

    Examples
    --------
    >>> form = pd.DataFrame({name: [None] * 5 for name in _FORM}).assign(school="Ek", list_number=list("12345"), year=9)
    >>> form = form.assign(SV="E", EN="E", MA=["E", "E", "E", "F", None], passes=8)
    >>> found = baseline_from_form(form, min_students=4).table.iloc[0]
    >>> found[["students", "missing", "n", "count", "value"]].astype(float).tolist()
    [5.0, 1.0, 4.0, 3.0, 0.75]
    """
    rows = individual_from_form(form).table
    divided = By.of(by, COLUMNS, open_frame(rows), "of the form")
    rows = rows[rows["year"].isin(list(_ASKED["years 6-9"]))]
    table = rows.assign(**{key: rows[name] for name, key in zip(divided.names, divided.keys, strict=True)})
    table = table.assign(core=rows["core"].astype("Float64").astype(float))
    settings = {"occasion": "the form's", "rule": CORE_RULE, "min_students": min_students}
    return zero_values(table, divided, {**settings, "newly_arrived": "the form's", "missing_counts_as": "unknown"})


def _refuse_twice(form: pd.DataFrame) -> None:
    twice = form.duplicated(["school", "list_number"], keep=False) & form["list_number"].notna()
    if twice.any():
        rows = ", ".join(str(place + 1) for place in twice.to_numpy().nonzero()[0][:5])
        raise DataError(
            f"{int(twice.sum())} rows of the form's table have a list number that their school has twice "
            f"(rows {rows}). Keep the right ones, or number the students anew."
        )


def _core(table: pd.DataFrame, grading: Grading) -> pd.Series:
    """Whether the first way of the rule is met: true, false, or missing where the answers do not settle it."""
    way = grading.rule.ways[0]
    passed = {
        code: table[code].map(lambda grade: grade in grading.scale.passing, na_action="ignore").astype("boolean")
        for code in SUBJECTS
    }
    met = pd.to_numeric(table["passes"]).astype("Int64") >= way.passes
    for demand in way.required:
        one = pd.Series(False, index=table.index, dtype="boolean")
        answered = pd.Series(False, index=table.index)
        for code in demand:
            one |= passed[code].fillna(False)
            answered |= passed[code].notna()
        met &= one.where(answered)  # of SV and SVA one is empty, which is not a missing answer
    return met.astype("boolean")


def _individual(table: pd.DataFrame, kind: pd.Series, settings: Mapping[str, Any]) -> IndividualBaseline:
    swedish = table["SV"].notna() | table["SVA"].notna()
    known = {"SV or SVA": swedish, **{name: table[name].notna() for name in ("MA", "EN", "passes")}}
    asked: dict[str, pd.Series] = dict.fromkeys(known, kind.eq("years 6-9"))
    if "reaches_criteria" in table:
        known["reaches_criteria"], asked["reaches_criteria"] = table["reaches_criteria"].notna(), kind.eq("years 1-5")
    known["absence"], asked["absence"] = table["absence"].notna(), pd.Series(True, index=table.index)
    wanting = pd.DataFrame({name: asked[name] & ~known[name] for name in known})
    rows = [(name, int(asked[name].sum()), int((asked[name] & known[name]).sum())) for name in known]
    summary = pd.DataFrame(rows, columns=["answer", "asked", "known"])
    return IndividualBaseline(
        table=table.assign(missing=wanting.sum(axis=1).astype(int)).reset_index(drop=True),
        summary=summary.assign(missing=summary["asked"] - summary["known"]),
        settings=settings,
        students=len(table),
    )
