"""How early a loss is seen coming: the share of losses flagged one, two, four terms ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import collect
from nbanalytics.risk.evaluation.capacity import flag_top_within
from nbanalytics.risk.evaluation.scores import Floats, draw, percentile_interval, ratio, schools_to_draw, warn_weak
from nbanalytics.risk.evaluation.validation import Validation


def lead_time(
    validation: Validation,
    losses: Any,
    terms: Sequence[str],
    capacity: float = 0.1,
    ahead: Sequence[int] = (1, 2, 4),
    draws: int = 200,
    random_state: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Count the losses that were flagged so many terms before they happened.

    Parameters
    ----------
    validation : Validation
        Predictions at several prediction points.
    losses : nbanalytics.analysis.droppoints.Losses or pandas.DataFrame
        ``student_id`` and ``lost_term``, missing for students who lost nothing.
    terms : sequence of str
        All terms in order, such as ``records.declaration.terms``.
    capacity : float
        At each prediction point the students of each cohort with the highest scores get places, as many as this share
        of them; equal scores share the last places.
    ahead : sequence of int
        Terms between the prediction point and the term of the loss.
    draws, random_state, level
        Of the bootstrap, which resamples whole schools.

    Returns
    -------
    pandas.DataFrame
        ``model, ahead, losses`` (those whose student had a score that many terms before), ``flagged`` (expected
        number), ``share, low, high``; missing without losses.

    Raises
    ------
    DataError
        If a column or a term is not there, or none of the prediction points lies so far ahead of a loss.

    Warns
    -----
    EstimationWarning
        If fewer than five schools are resampled.

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
        raise DataError(f"terms: {', '.join(absent)} is not among them. Give all terms of the records in order.")
    schools = schools_to_draw(validation.table["school_id"], len(validation.table))
    rows = []
    for model in validation.models:
        part = validation.table[validation.table["model"] == model].reset_index(drop=True)
        distance = part["student_id"].map(lost).to_numpy(dtype=float) - part["at"].map(order).to_numpy(dtype=float)
        strata = part["at"].astype(str) + " " + part["cohort"].astype(str)
        flags = _Flags(part["p"].to_numpy(dtype=np.float64), capacity, strata.to_numpy(dtype=object), distance, ahead)
        drawn = draw(len(part), None if schools is None else part["school_id"], draws, random_state)
        resampled = drawn.evaluate(flags.shares)
        once = np.ones((1, len(part)))
        for terms_ahead in ahead:
            number = int((distance == terms_ahead).sum())
            share = float(flags.shares(once)[str(terms_ahead)][0])
            interval = percentile_interval(resampled[str(terms_ahead)], level)
            rows.append((model, terms_ahead, number, share * number if number else 0.0, share, *interval))
    table = pd.DataFrame(rows, columns=["model", "ahead", "losses", "flagged", "share", "low", "high"])
    if not table["losses"].any():
        raise DataError(
            f"No loss lies {' or '.join(map(str, ahead))} terms after a prediction point of its student. Validate more "
            "prediction points."
        )
    warn_weak(draw(len(validation.table), schools, 2))
    return table


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
        raise DataError(f"losses has no column {', '.join(absent)}. Give the result of nbanalytics.losses(records).")
    lost = table.dropna(subset=["lost_term"]).set_index("student_id")["lost_term"]
    unknown = sorted(set(lost) - set(terms))
    if unknown:
        raise DataError(f"terms: {', '.join(unknown)} is not among them. Give all terms of the records in order.")
    places: pd.Series[Any] = lost.map({term: place for place, term in enumerate(terms)})
    return places
