"""``nbanalytics workbook``: the workbook that a municipality keeps, made anew from its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import Language, RecordsPath, tell, waiting
from nbanalytics.errors import DataError


def workbook(
    path: RecordsPath,
    out: Annotated[Path, typer.Option(metavar="FILE.xlsx", help="Excel file to write; replaced whole if it exists.")],
    term: Annotated[str | None, typer.Option(metavar="TERM", help="Term to sum up; by default the last one.")] = None,
    lang: Annotated[Language, typer.Option(help="Language of sheets, headings and definitions.")] = Language.SV,
) -> None:
    """Write merit values, grades, eligibility and tests by year, school and sex to Excel, with their definitions.

    It holds small groups and is for work within the municipality; what is published is made by 'nbanalytics release'.

    Example: nbanalytics workbook my-records --out workbook.xlsx
    """
    from nbanalytics.excel import refuse_other_names
    from nbanalytics.municipality import names_of, workbook_views, write_workbook
    from nbanalytics.readers import read_records

    refuse_other_names(out)
    with waiting("reading records"):
        records = read_records(path)
    if term is not None and term not in records.declaration.terms:
        raise DataError(f"There is no term {term!r}. Choose among: {', '.join(records.declaration.terms)}.")
    with waiting("summing up"):
        views = workbook_views(records, term)
        write_workbook(views, out, lang.value, **names_of(records, lang.value))
    tell(f"{len(views)} sheets and their definitions in {out}; it is not protected as a release is")
