"""Every declared indicator of every student, term by term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from nbanalytics.analysis.indicators.measures import MEASURES, UNKNOWN, Indicator, Source, read_indicators
from nbanalytics.errors import DataError
from nbanalytics.frames import By, NativeFrame, collect, column_names, open_frame
from nbanalytics.intervals import with_share
from nbanalytics.records import StudentRecords
from nbanalytics.results import Settings, Shown
from nbanalytics.schools import with_adjusted_p

_TREND = ("indicator", "kind", "term")
COLUMNS = ["student_id", "cohort", "term", "indicator", "kind", "value", "signal"]


@dataclass(frozen=True, repr=False)
class Indicators(Shown):
    """Indicators by student and term. Individual records: the researcher's door.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each student, term in which the student is here, and indicator asked in that term:
        ``student_id, cohort, term, indicator, kind, value, signal``. ``signal`` is ``risk`` or ``protective``,
        ``none``, or ``unknown`` where the value is missing.
    declared : tuple of Indicator
    settings : mapping
        ``terms``, ``indicators`` and ``without``: those left out since their table is not there.
    students : int
    """

    table: pd.DataFrame
    declared: tuple[Indicator, ...]
    settings: Settings
    students: int

    def _words(self) -> str:
        asked = f"{len(self.settings['indicators'])} indicators in {', '.join(self.settings['terms'])}"
        left_out = ", ".join(self.settings["without"])
        return f"{asked}, {self.students} students" + (f"; without a table: {left_out}" if left_out else "")

    def by_student(self) -> pd.DataFrame:
        """Sum up each student's signals in each term.

        Returns
        -------
        pandas.DataFrame
            ``student_id, cohort, term``; ``risks`` and ``protective``: how many indicators say so; ``known``: how
            many risk indicators have a value; ``reasons``: names of those that say risk, in the order of the list.
        """
        keys = ["student_id", "cohort", "term"]
        signal = self.table["signal"]
        flags = self.table[keys].assign(
            risks=(signal == "risk").astype("int64"),
            protective=(signal == "protective").astype("int64"),
            known=((self.table["kind"] == "risk") & (signal != UNKNOWN)).astype("int64"),
            reasons=(self.table["indicator"] + ", ").where(signal == "risk", ""),
        )
        summed = flags.groupby(keys, sort=False, as_index=False).sum()
        return summed.assign(reasons=summed["reasons"].str.removesuffix(", "))


def indicators(
    records: StudentRecords,
    terms: str | Sequence[str] | None = None,
    declared: Sequence[Indicator] | None = None,
) -> Indicators:
    """Follow the declared indicators over time.

    Parameters
    ----------
    records : StudentRecords
        The tables that are there decide which indicators can be followed.
    terms : str or sequence of str, optional
        A term or several, in any order; by default all.
    declared : sequence of Indicator, optional
        See :func:`read_indicators`; by default the list of the house.

    Returns
    -------
    Indicators

    Raises
    ------
    DataError
        If a term is not declared in the records, or none of the tables is there.

    Notes
    -----
    A student is asked about from the term of moving in to that of moving out. A change since the term before is not
    asked in the first term; unknown stays unknown. Tables are brought to pandas: this is meant for a municipality.

    Examples
    --------
    >>> from nbanalytics.simulation import simulate
    >>> found = indicators(simulate(seed=1, cohorts=[2018]).records, "6VT")
    >>> sorted(found.table["signal"].unique())
    ['none', 'protective', 'risk', 'unknown']
    """
    records.refuse_uncountable("students")
    order = records.declaration.terms
    asked = list(order) if terms is None else [terms] if isinstance(terms, str) else list(terms)
    strange = [term for term in asked if term not in order]
    if strange:
        raise DataError(f"The records have no term {', '.join(strange)}", f"Choose among: {', '.join(order)}.")
    asked = [term for term in order if term in asked]
    declared = read_indicators() if declared is None else tuple(declared)
    there = [one for one in declared if getattr(records, one.table) is not None]
    if not there:
        raise DataError(
            "None of the indicators' tables is in the records", "Add grades, absence or the support register."
        )
    source = Source(records.to_pandas())
    here = source.enrolled[source.enrolled["term"].isin(asked)]
    table = pd.concat([_one(one, source, here) for one in there], ignore_index=True)
    place = {term: number for number, term in enumerate(asked)}
    rank = {one.name: number for number, one in enumerate(there)}
    table = table.assign(_term=table["term"].map(place), _rank=table["indicator"].map(rank))
    table = table.sort_values(["student_id", "_term", "_rank"], ignore_index=True)
    settings = {
        "terms": tuple(asked),
        "indicators": tuple(one.name for one in there),
        "without": tuple(one.name for one in declared if one not in there),
    }
    return Indicators(table[COLUMNS], tuple(there), settings, students=int(here["student_id"].nunique()))


def _one(indicator: Indicator, source: Source, here: pd.DataFrame) -> pd.DataFrame:
    measure = MEASURES[indicator.measure]
    asked = here[here["place"] > 0] if measure.needs_before else here
    if indicator.terms:
        asked = asked[asked["term"].isin(indicator.terms)]
    values = measure.values(source).astype({"value": "float64"})
    table = asked.merge(values, on=["student_id", "term"], how="left")
    return table.assign(indicator=indicator.name, kind=indicator.kind, signal=indicator.signal(table["value"]))


@dataclass(frozen=True, repr=False)
class IndicatorTrend(Shown):
    """Share of students with the signal of each indicator, by term.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then ``indicator, kind, term``; ``signals`` of ``known`` students, ``unknown`` ones
        apart; ``share`` of the known with a 95 % score interval ``low, high`` (Wilson 1927), missing where nobody
        is known. If ``by`` divides the students, also ``p_value`` of the group against all others in the same term, by
        the score test of two shares, and ``adjusted_p``, which allows for all rows (Benjamini and Hochberg 1995).
    settings : mapping
        ``by`` and ``terms``.
    students : int
    """

    table: pd.DataFrame
    settings: Settings
    students: int

    def _words(self) -> str:
        return f"Share with each signal in {', '.join(self.settings['terms'])}, {self.students} students"


def trend(indicators: Indicators, by: str | Sequence[str] = (), students: NativeFrame | None = None) -> IndicatorTrend:
    """Count the signals of each indicator term by term.

    Parameters
    ----------
    indicators : Indicators
        From :func:`indicators`.
    by : str or sequence of str
        Columns to divide by: ``cohort``, or columns of ``students``.
    students : dataframe, optional
        Students table with ``student_id`` and the columns of ``by``.

    Returns
    -------
    IndicatorTrend

    Raises
    ------
    DataError
        If a column of ``by`` is not there.

    Examples
    --------
    >>> from nbanalytics.analysis.indicators import indicators
    >>> from nbanalytics.simulation import simulate
    >>> records = simulate(seed=1, cohorts=[2018]).records
    >>> first = trend(indicators(records, ["6VT", "7VT"])).table.loc[0]
    >>> first["indicator"], first["term"], int(first["known"])
    ('absence', '6VT', 309)
    """
    table, counted = indicators.table, ["signals", "known", "unknown"]
    divided = By.of(by, (*_TREND, *counted, "share", "low", "high", "p_value", "adjusted_p"))
    known = table[["student_id", "cohort"]].drop_duplicates()
    own = open_frame(known if students is None else students)
    if students is not None and "cohort" in divided.names and "cohort" not in column_names(own):
        own = open_frame(known.merge(collect(own), on="student_id", how="left"))
    divided = By.of(divided.names, (), own, "students")
    people = collect(own.select("student_id", *divided.aliased))
    flags = table.merge(people, on="student_id", how="left").assign(
        known=lambda rows: (rows["signal"] != UNKNOWN).astype("int64"),
        unknown=lambda rows: (rows["signal"] == UNKNOWN).astype("int64"),
        signals=lambda rows: (rows["signal"] == rows["kind"]).astype("int64"),
    )
    keys = [*divided.keys, *_TREND]
    sums = flags.groupby(keys, sort=False, dropna=False)[counted].sum().reset_index()
    rows = with_share(sums, "signals", "known")
    if divided.keys:
        rows = with_adjusted_p(rows.assign(p_value=_against_others(sums)))
    place = {term: number for number, term in enumerate(indicators.settings["terms"])}
    rank = {name: number for number, name in enumerate(indicators.settings["indicators"])}
    order = rows.assign(_rank=rows["indicator"].map(rank), _place=rows["term"].map(place))
    ordered = order.sort_values([*divided.keys, "_rank", "_place"]).drop(columns=["_rank", "_place"])
    settings = {"by": divided.names, "terms": indicators.settings["terms"]}
    return IndicatorTrend(divided.named(ordered.reset_index(drop=True)), settings, indicators.students)


def _against_others(sums: pd.DataFrame) -> pd.Series:
    """Return the p-value of each group's share against that of all others in the same indicator and term."""
    from scipy.special import ndtr

    whole = sums.groupby(["indicator", "term"])[["signals", "known"]].transform("sum")
    others = whole - sums[["signals", "known"]]
    common = whole["signals"] / whole["known"]
    variance = common * (1 - common) * (1 / sums["known"] + 1 / others["known"])
    apart = sums["signals"] / sums["known"] - others["signals"] / others["known"]
    return 2 * pd.Series(ndtr(-(apart.abs() / variance**0.5)), index=sums.index).where(variance > 0)
