"""``nbanalytics workbook``: a municipality's workbook, rebuilt from its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import Language, RecordsPath, tell, waiting, workbook_name
from nbanalytics.errors import DataError


def workbook(
    path: RecordsPath,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE.xlsx", callback=workbook_name, help="Excel file to write; an existing file is replaced."
        ),
    ],
    term: Annotated[
        str | None, typer.Option(metavar="TERM", help="Term to summarise; by default the last one.")
    ] = None,
    lang: Annotated[Language, typer.Option(help="Language of sheets, headings and definitions.")] = Language.SV,
) -> None:
    """Write merit values, grades, eligibility and tests by year, school and sex to Excel, with their definitions.

    The file has small groups and is for use within the municipality; 'nbanalytics release' makes tables to publish.

    Example: nbanalytics workbook my-records --out workbook.xlsx
    """
    from nbanalytics.municipality import names_of, workbook_views, write_workbook
    from nbanalytics.readers import read_records

    with waiting("reading records"):
        records = read_records(path)
    if term is not None and term not in records.declaration.terms:
        raise DataError(f"Unknown term {term!r}", f"Choose among: {', '.join(records.declaration.terms)}.")
    with waiting("summing up"):
        views = workbook_views(records, term)
        write_workbook(views, out, lang.value, **names_of(records, lang.value))
    tell(f"{len(views)} sheets and their definitions in {out}; not protected, unlike a release")
