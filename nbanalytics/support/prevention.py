"""Three levels of prevention: needs compared with support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nbanalytics.analysis.indicators import Indicators
from nbanalytics.analysis.indicators.measures import active_support
from nbanalytics.errors import DataError
from nbanalytics.intervals import with_share
from nbanalytics.records import StudentRecords
from nbanalytics.results import Shown
from nbanalytics.support.register import LEVELS, needs

NO_SUPPORT, UNKNOWN = "none", "unknown"


@dataclass(frozen=True, repr=False)
class Prevention(Shown):
    """Needs and support in a term.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each ``need`` (``universal``, ``selective``, ``indicated``, ``unknown``) and ``support`` (``none``
        or the narrowest level active): ``students``, and ``share`` of those with that need.
    met : pandas.DataFrame
        By ``need``: ``students``, ``met`` (support of that level or narrower), ``share`` with its 95 % score interval
        ``low, high``. A universal need is met by what reaches everybody and is not in it.
    settings : mapping
        ``term``, ``selective`` and ``indicated``: risk signals from which on a need is of that level.
    students : int
    """

    table: pd.DataFrame
    met: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        return f"Needs and support in {self.settings['term']}, {self.students} students"


def prevention_levels(
    records: StudentRecords, indicators: Indicators, term: str, selective: int = 1, indicated: int = 2
) -> Prevention:
    """Compare needs with support at the three levels of prevention.

    Parameters
    ----------
    records : StudentRecords
        With a support register.
    indicators : Indicators
        Of the same records; the term must be among its terms.
    term : str
    selective, indicated : int
        Smallest number of risk signals for a need of that level. Every student has the universal need.

    Returns
    -------
    Prevention

    Raises
    ------
    DataError
        If the term is not among those of ``indicators``, or the limits are not in order.

    Notes
    -----
    The three levels are those of SKR's development programme and Plug In. Which need is of which level is decided by
    people: the number of signals is a first view of it, and its limits are settings.

    Examples
    --------
    >>> from nbanalytics.analysis.indicators import indicators
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> prevention_levels(records, indicators(records, "6VT"), "6VT").met["need"].tolist()
    ['selective', 'indicated']
    """
    if term not in indicators.settings["terms"]:
        raise DataError(
            f"The indicators were not computed for {term}. Choose among: {', '.join(indicators.settings['terms'])}."
        )
    if not 1 <= selective < indicated:
        raise DataError(
            f"selective = {selective} and indicated = {indicated} are not in order: selective must be 1 or more, and "
            "below indicated. Correct them."
        )
    table = needs(records, indicators)
    table = table[table["term"] == term].reset_index(drop=True)
    need = pd.Series("universal", index=table.index, dtype="str")
    need = need.mask(table["risks"] >= selective, "selective").mask(table["risks"] >= indicated, "indicated")
    need = need.mask(table["known"] == 0, UNKNOWN)
    active = active_support(records.to_pandas(), table)
    narrowest = (
        active["level"].map({level: rank for rank, level in enumerate(LEVELS)}).groupby(active["student_id"]).max()
    )
    rank = table["student_id"].map(narrowest).fillna(-1).astype("int64")
    support = rank.map({-1: NO_SUPPORT, **dict(enumerate(LEVELS))})
    counts = pd.DataFrame({"need": need, "support": support}).value_counts()
    places = pd.MultiIndex.from_product([[*LEVELS, UNKNOWN], [NO_SUPPORT, *LEVELS]], names=["need", "support"])
    counted = counts.reindex(places, fill_value=0).rename("students").reset_index()
    totals = counted.groupby("need")["students"].transform("sum")
    counted = counted.assign(share=counted["students"] / totals.where(totals > 0))
    met = pd.DataFrame(
        [
            {
                "need": level,
                "students": int((need == level).sum()),
                "met": int(((need == level) & (rank >= place)).sum()),
            }
            for place, level in enumerate(LEVELS)
            if place
        ]
    )
    settings = {"term": term, "selective": selective, "indicated": indicated}
    return Prevention(counted, with_share(met, "met", "students"), settings, students=len(table))
