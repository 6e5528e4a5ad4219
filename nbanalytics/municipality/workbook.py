"""The workbook: all views, written to Excel with their definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from nbanalytics.errors import DataError, GradingError
from nbanalytics.excel import Sheet, SheetColumn, sheet_name, write_sheets
from nbanalytics.frames import collect, open_frame
from nbanalytics.municipality.leavers import TermTables
from nbanalytics.municipality.views import (
    KINDS,
    View,
    all_passed_view,
    control_view,
    eligibility_view,
    grades_view,
    merit_view,
    national_tests_view,
    points_view,
    words,
)
from nbanalytics.records import StudentRecords, refuse_identity_numbers

#: Number formats of Excel by column; whole numbers otherwise.
_SHARES = ("share", "share_above", "share_below")
_DECIMALS = ("merit_value", "mean_points")
_BOUNDS = ("low", "high")
#: Columns of the definitions with long text.
_LONG = ("title", "definition", "source", "based_on")


def workbook_views(records: StudentRecords, term: str | None = None, min_students: int = 5) -> tuple[View, ...]:
    """Compute every view of the workbook, the check first; national tests only if the records have them.

    Parameters
    ----------
    records : StudentRecords
        Students and grades, and national tests if known. Eligibility is given for the kinds valid for every cohort.
    term : str, optional
        By default the declared end term.
    min_students : int
        No mean or share for fewer students.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> [view.name for view in workbook_views(simulate(seed=1, cohorts=[2018]).records)]
    ['control', 'merit', 'points', 'grades', 'all_passed', 'eligibility', 'tests']
    """
    refuse_identity_numbers(records)
    tables = TermTables(records, term)
    made = [control_view(tables)]
    for make in (merit_view, points_view, grades_view, all_passed_view):
        made.append(make(tables, min_students=min_students))
    made.append(eligibility_view(tables, min_students=min_students, kinds=_kinds(records)))
    if records.tests is not None:
        made.append(national_tests_view(tables, min_students=min_students))
    return tuple(made)


def write_workbook(
    views: Sequence[View],
    path: str | Path,
    lang: str = "sv",
    schools: Mapping[str, str] | None = None,
    subjects: Mapping[str, str] | None = None,
) -> None:
    """Write views to an Excel workbook: a sheet for each, and one with definitions and sources.

    Parameters
    ----------
    views : sequence of View
        From :func:`workbook_views`, or any of them.
    path : str or Path
        An .xlsx file; an existing file is replaced, or kept if anything fails.
    lang : str
        ``"sv"`` or ``"en"``: names of sheets, headings and definitions.
    schools, subjects : mapping of str to str, optional
        Names to write instead of codes; see :func:`names_of`.

    Raises
    ------
    DataError
        If there is no view, two have the same name, the language is unknown, or the file cannot be written.

    Notes
    -----
    Text is written as text: a name that begins with ``=`` is a name and no formula. A value that is missing is an empty
    cell with the reason in the column of the status. The workbook is for work within the municipality; it is not
    protected as a release is, so only its owner may read the file until somebody opens it to others.

    Examples
    --------
    >>> import tempfile
    >>> from nbanalytics.simulation import simulate
    >>> from nbanalytics.municipality import merit_view
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> file = Path(tempfile.mkdtemp()) / "workbook.xlsx"
    >>> write_workbook([merit_view(records, [[]])], file, **names_of(records))
    >>> file.exists()
    True
    """
    if not views or len({one.name for one in views}) < len(views):
        raise DataError("Give at least one view, and each once.")
    if lang not in ("sv", "en"):
        raise DataError(f"There are no words in the language {lang!r}", "Choose 'sv' or 'en'.")
    names = {"school_id": dict(schools or {}), "subject": dict(subjects or {})}
    sheets = [
        _sheet(words()["view"][one.name]["sheet"][lang], _in_words(one.table, lang, names), lang) for one in views
    ]
    write_sheets(path, [*sheets, _sheet(words()["sheet"]["definitions"][lang], _definitions(views, lang), lang)])


def names_of(records: StudentRecords, lang: str = "sv") -> dict[str, dict[str, str]]:
    """Return names of schools and subjects, as :func:`write_workbook` takes them.

    Schools have names if the records have the table ``schools``; those of subjects are in the language ``lang``,
    ``"sv"`` or ``"en"``.

    Returns
    -------
    dict
        ``schools`` and ``subjects``, each of names by code.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> names = names_of(simulate(seed=1, cohorts=[2018]).records)
    >>> names["schools"]["S1"], names["subjects"]["MA"]
    ('Kvarnviksskolan', 'Matematik')
    """
    subjects = records.declaration.catalogue.subjects.values()
    schools: dict[str, str] = {}
    if records.schools is not None and "name" in open_frame(records.schools).collect_schema().names():
        table = collect(open_frame(records.schools).select("school_id", "name")).dropna()
        schools = {str(code): str(name) for code, name in zip(table["school_id"], table["name"], strict=True)}
    return {
        "schools": schools,
        "subjects": {subject.code: subject.sv if lang == "sv" else subject.en for subject in subjects},
    }


def _kinds(records: StudentRecords) -> list[str]:
    """The kinds of eligibility that are valid for every cohort, and always the declared rule."""
    declared = records.declaration

    def holds(rule: str) -> bool:
        try:
            return all(declared.catalogue.grading(cohort, rule, declared.scale) for cohort in records.cohorts())
        except GradingError:
            return False

    return list(dict.fromkeys([*filter(holds, KINDS), declared.rule]))


def _in_words(table: pd.DataFrame, lang: str, names: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Replace codes by words in the columns with words."""
    known = {code: entry[lang] for code, entry in words()["word"].items()}
    shown = table.copy()
    for column in shown.columns[[kind == "object" or str(kind).startswith("str") for kind in shown.dtypes]]:
        own = {**known, **names.get(column, {})} if column != "subject" else names["subject"]
        shown[column] = [own.get(str(value), value) for value in shown[column]]
    return shown


def _definitions(views: Sequence[View], lang: str) -> pd.DataFrame:
    rows = []
    for one in views:
        entry, settings = words()["view"][one.name], one.settings
        based = {"sv": "{records}, {term}, {n} elever", "en": "{records}, {term}, {n} students"}[lang]
        rows.append(
            {
                "sheet": sheet_name(entry["sheet"][lang]),
                "title": entry["title"][lang],
                "definition": entry["definition"][lang],
                "source": entry["source"],
                "based_on": based.format(records=settings["records"], term=settings["term"], n=one.students),
            }
        )
    return pd.DataFrame(rows)


def _sheet(name: str, table: pd.DataFrame, lang: str) -> Sheet:
    headings = words()["column"]
    shares = bool({"share", "share_above"} & set(table.columns))
    columns = [
        SheetColumn(
            headings.get(column, {}).get(lang, str(column)),
            table[column].tolist(),
            width=60 if column in _LONG else None,
            number_format=_format(column, shares),
            wrap=column in _LONG,
        )
        for column in table.columns
    ]
    return Sheet(name, tuple(columns), filters=True)


def _format(column: str, shares: bool) -> str:
    if column in _SHARES or (column in _BOUNDS and shares):
        return "0.0%"
    return "0.0" if column in (*_DECIMALS, *_BOUNDS) else "0"
