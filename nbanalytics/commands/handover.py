"""``nbanalytics handover``: a list for the receiving school, and a protected summary that others may see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbanalytics.commands.terminal import Language, RecordsPath, show, tell, waiting, workbook_name

if TYPE_CHECKING:
    import pandas as pd

    from nbanalytics.disclosure import Policy
    from nbanalytics.support import Handover

ALL = "*"


def handover(
    path: RecordsPath,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE.xlsx", callback=workbook_name, help="Excel file to write; only its owner may read it."
        ),
    ],
    start: Annotated[str, typer.Option("--from", metavar="TERM", help="Last term of the stage: 6VT, or 9VT.")] = "6VT",
    cohort: Annotated[
        int | None, typer.Option(metavar="YEAR", help="Leaving year of the cohort; by default the latest.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Disclosure policy, stricter than the default.")
    ] = None,
    lang: Annotated[Language, typer.Option(help="Language of the list.")] = Language.SV,
) -> None:
    """List students whose support continues, ends or is missing at a change of school.

    The list identifies students and is for the staff concerned. The printed summary is protected.

    Example: nbanalytics handover my-records --from 6VT --out list.xlsx
    """
    from nbanalytics.disclosure import Policy, read_policy
    from nbanalytics.readers import read_records
    from nbanalytics.support import handover as hand_over

    chosen = read_policy(policy) if policy is not None else Policy()
    with waiting("reading records"):
        records = read_records(path)
        records = records.cohort(records.cohorts()[-1] if cohort is None else cohort)
    with waiting("setting support and signals side by side"):
        result = hand_over(records, start)
        summary = protected_summary(result, chosen)
    write_list(result, out, lang.value)
    show(_text(summary, lang.value))
    tell(f"{len(result.receiving_list())} of {result.students} students in {out}; only for the staff concerned")


def protected_summary(result: Handover, policy: Policy) -> pd.DataFrame:
    """Count students by school (of years 7 to 9) and status, ``*`` for all, with unsafe counts hidden.

    The columns are ``school, status, students``, missing where hidden, and ``shown``. Every sum protects what is in it.

    Examples
    --------
    >>> from nbanalytics.disclosure import Policy
    >>> from nbanalytics.simulation import simulate
    >>> from nbanalytics.support import handover
    >>> table = protected_summary(handover(simulate(seed=1, cohorts=[2018]).records), Policy())
    >>> int(table.query("school == '*' and status == '*'")["students"].iloc[0])
    313
    """
    import pandas as pd

    from nbanalytics.support.handover import STATUSES

    school = "to" if result.settings["to"] != "upper_secondary" else "from_school"
    named = result.table[school].fillna("?")
    schools, statuses = [ALL, *sorted(named.unique())], [ALL, *STATUSES]
    counts = _crossed(named.map(schools.index), result.table["status"].map(statuses.index), len(schools), len(statuses))
    secret = _secret(counts, statuses, policy)
    rows = [
        (place, status, int(counts[i, j]), not secret[i, j])
        for i, place in enumerate(schools)
        for j, status in enumerate(statuses)
    ]
    table = pd.DataFrame(rows, columns=["school", "status", "students", "shown"])
    return table.assign(students=table["students"].astype("Int64").where(table["shown"]))


def _crossed(schools: Any, statuses: Any, n_schools: int, n_statuses: int) -> Any:
    """Count students by school and status, with the sums in the first row and column."""
    import numpy as np

    counts = np.zeros((n_schools, n_statuses), dtype=np.int64)
    np.add.at(counts, (schools, statuses), 1)
    counts[0] = counts.sum(axis=0)
    counts[:, 0] = counts.sum(axis=1)
    return counts


def _secret(counts: Any, statuses: list[str], policy: Policy) -> Any:
    """Return which counts must not be shown, including those from which others could be computed."""
    import numpy as np

    from nbanalytics.disclosure import Line, SystemBuilder, primary, protect

    # The rules ask for tables whose first axes are filters; the school is one, the status the outcome.
    counts = counts.reshape(1, 1, 1, *counts.shape)
    unfavourable = np.isin(statuses, ("known_to_nobody", "lost")).reshape(1, 1, 1, 1, -1)
    total = counts[..., :1]
    hidden, guarded = primary(counts, [total], [Line(total, axis=4, unfavourable=unfavourable)], policy)
    # The total of a line is not one of its outcomes.
    few = (counts > 0) & (counts < policy.min_group)
    hidden[..., 0], guarded[..., 0] = few[..., 0], few[..., 0]
    builder = SystemBuilder()
    ids = builder.add_cells(counts, np.ones(counts.shape, dtype=bool), hidden, guarded)
    builder.add_margins(ids, 3)
    builder.add_margins(ids, 4)
    return protect(builder.build(), policy=policy).hidden[ids][0, 0, 0]


def write_list(result: Handover, out: Path, lang: str) -> None:
    """Write the list for the receiving school to an Excel file that only its owner may read."""
    from nbanalytics.excel import Sheet, SheetColumn, refuse_other_names, write_sheets
    from nbanalytics.figures.support import receiving_table
    from nbanalytics.text import Words

    refuse_other_names(out)
    words = Words(lang)
    listed = receiving_table(result.receiving_list(lang), words)
    columns = [
        SheetColumn(head, [str(row[place]) for row in listed.rows], wrap=True)
        for place, head in enumerate(listed.columns)
    ]
    write_sheets(out, [Sheet(words.say("handover.sheet"), tuple(columns))])


def _text(summary: pd.DataFrame, lang: str) -> str:
    from nbanalytics.text import SUPPRESSED, Words

    words = Words(lang)
    shown = summary.assign(
        text=[
            SUPPRESSED if not ok else words.number(int(n))
            for n, ok in zip(summary["students"], summary["shown"], strict=True)
        ]
    )
    wide = shown.pivot(index="status", columns="school", values="text")
    wide = wide.loc[summary["status"].unique(), summary["school"].unique()]
    total = words.say("row.total")
    wide.index = [total if status == ALL else words.label("handover", status) for status in wide.index]
    wide.columns = [total if school == ALL else str(school) for school in wide.columns]
    return str(wide.to_string())
