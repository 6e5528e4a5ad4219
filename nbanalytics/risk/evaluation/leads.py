"""How early a loss is predicted: the share of losses flagged one, two, four terms ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import collect
from nbanalytics.risk.evaluation.capacity import flag_top_within
from nbanalytics.risk.evaluation.scores import ratio, units_to_leave_out
from nbanalytics.risk.evaluation.validation import Validation
from nbanalytics.schools import Floats


def lead_time(
    validation: Validation,
    losses: Any,
    terms: Sequence[str],
    capacity: float = 0.1,
    ahead: Sequence[int] = (1, 2, 4),
    estimand: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Count the losses that were flagged a number of terms before they happened.

    Parameters
    ----------
    validation : Validation
        Predictions at several prediction points.
    losses : nbanalytics.analysis.droppoints.Losses or dataframe
        ``student_id`` and ``lost_term``, missing for students who lost nothing.
    terms : sequence of str
        All terms in order, such as ``records.declaration.terms``.
    capacity : float
        At each prediction point this share of the students of each cohort, those with the highest scores, gets places;
        equal scores share the last places.
    ahead : sequence of int
        Terms between the prediction point and the term of the loss.
    estimand, level
        As for :func:`nbanalytics.risk.measures`.

    Returns
    -------
    pandas.DataFrame
        ``model, ahead, losses`` (those whose student had a score that many terms before), ``flagged`` (expected
        number), ``share, low, high`` (one school left out at a time; missing without losses, and where no school
        changes the share), ``estimand``.

    Raises
    ------
    DataError
        If a column or a term is missing, or no prediction point lies so far ahead of a loss.

    Examples
    --------
    >>> rows = pd.DataFrame({"student_id": list("abcd") * 2, "cohort": 2021, "school_id": list("ABCDABCE"),
    ...                      "fold": "2021", "y": 0, "model": "m", "at": ["6VT"] * 4 + ["7HT"] * 4,
    ...                      "p": [.9, .2, .1, .1, .1, .9, .1, .1]})
    >>> found = Validation(rows, pd.DataFrame(), {"models": ("m",), "at": ("6VT", "7HT")})
    >>> lost = pd.DataFrame({"student_id": list("abcd"), "lost_term": ["7VT", "7VT", None, None]})
    >>> lead_time(found, lost, ["6VT", "7HT", "7VT"], capacity=0.25, ahead=[1, 2]).iloc[:, :5]
      model  ahead  losses  flagged  share
    0     m      1       2      1.0    0.5
    1     m      2       2      1.0    0.5
    """
    lost = _places_of(losses, terms)
    order = {term: place for place, term in enumerate(terms)}
    absent = [at for at in validation.settings["at"] if at not in order]
    if absent:
        raise DataError(f"terms: {', '.join(absent)} is not among them", "Give all terms of the records in order.")
    distances = validation.table["student_id"].map(lost) - validation.table["at"].map(order)
    if not distances.isin(list(ahead)).any():
        raise DataError(
            f"No loss lies {' or '.join(map(str, ahead))} terms after a prediction point of its student",
            "Validate more prediction points.",
        )
    _, everybody = units_to_leave_out(validation.table["school_id"], len(validation.table), estimand)
    rows = []
    for model in validation.models:
        part = validation.table[validation.table["model"] == model].reset_index(drop=True)
        distance = part["student_id"].map(lost).to_numpy(dtype=float) - part["at"].map(order).to_numpy(dtype=float)
        strata = part["at"].astype(str) + " " + part["cohort"].astype(str)
        flags = _Flags(part["p"].to_numpy(dtype=np.float64), capacity, strata.to_numpy(dtype=object), distance, ahead)
        units = everybody.of(np.flatnonzero(validation.table["model"] == model))
        deleted = units.evaluate(flags.shares)
        for terms_ahead in ahead:
            number = int((distance == terms_ahead).sum())
            values = deleted[str(terms_ahead)]
            share, interval = float(values[0]), units.interval(values, "logit", level)
            rows.append((model, terms_ahead, number, share * number if number else 0.0, share, *interval))
    table = pd.DataFrame(rows, columns=["model", "ahead", "losses", "flagged", "share", "low", "high"])
    return table.assign(estimand=everybody.estimand)


class _Flags:
    """Who gets a place, and which of the losses that is."""

    def __init__(self, p: Floats, capacity: float, strata: Any, distance: Any, ahead: Sequence[int]) -> None:
        self._p, self._capacity, self._strata = p, capacity, strata
        self._losses = {str(terms): (distance == terms).astype(float) for terms in ahead}

    def shares(self, weights: Floats) -> dict[str, Floats]:
        flagged = weights * flag_top_within(self._p, self._capacity, weights, self._strata)
        return {terms: ratio(flagged @ losses, weights @ losses) for terms, losses in self._losses.items()}


def _places_of(losses: Any, terms: Sequence[str]) -> pd.Series[Any]:
    """Return the place of the term of each loss, by student."""
    table = getattr(losses, "table", losses)
    if not isinstance(table, pd.DataFrame):
        table = collect(table)
    absent = [name for name in ("student_id", "lost_term") if name not in table]
    if absent:
        raise DataError(f"losses has no column {', '.join(absent)}", "Give the result of nbanalytics.losses(records).")
    lost = table.dropna(subset=["lost_term"]).set_index("student_id")["lost_term"]
    unknown = sorted(set(lost) - set(terms))
    if unknown:
        raise DataError(f"terms: {', '.join(unknown)} is not among them", "Give all terms of the records in order.")
    places: pd.Series[Any] = lost.map({term: place for place, term in enumerate(terms)})
    return places
