"""Follow-up of young people in the municipality's activity responsibility (KAA): work, studies, or the activity still.

Twelve months after they came, 70 % of the participants have gone on to work or studies and 30 % are in the motivating
activity still, as the local project of #jagmed in Karlskoga and Degerfors reported when it ended.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from nbanalytics.simulation.outcomes import Texts
from nbanalytics.simulation.students import Bools, Ints

COLUMNS = ["student_id", "date", "status"]
#: Months after entry at which somebody asks; the project's account is that of month 12.
MONTHS = (0, 3, 6, 9, 12, 18, 24)
CLOSE = MONTHS.index(12)
GONE_ON = 0.7
#: Chance that nobody knows: between entry and the close, and after it.
UNKNOWN, UNKNOWN_LATER = 0.10, 0.20
_LEFT_AT = (0.25, 0.30, 0.25, 0.20)


def draw_followups(rng: np.random.Generator, outcomes: pd.DataFrame, cohorts: pd.Series, as_of: int) -> pd.DataFrame:
    """Draw who came to the activity after year 9 and what was known of them later.

    Parameters
    ----------
    rng : numpy.random.Generator
    outcomes : DataFrame
        ``student_id, programme_kind``, all cohorts.
    cohorts : Series
        Cohort by ``student_id``.
    as_of : int
        The autumn in which the records are looked at; later follow-ups have not been made.

    Returns
    -------
    DataFrame
        ``student_id, date, status``; a multiple of ten participants, so that 70 % is a whole number. Empty where
        no cohort left two years before ``as_of``.
    """
    cohort = outcomes["student_id"].map(cohorts).to_numpy()
    outside = outcomes["programme_kind"].isin(["none", "introductory"]).to_numpy() & (cohort <= as_of - 2)
    candidates = np.flatnonzero(outside)
    number = len(candidates) // 30 * 10
    chosen = np.sort(rng.choice(candidates, number, replace=False)) if number else candidates[:0]
    ids = outcomes["student_id"].to_numpy(dtype=object)[chosen]
    gone = rng.permutation(np.arange(number) < round(GONE_ON * number))
    status = _courses(rng, gone)
    entered = [
        date(int(year), 9, 1) + timedelta(days=int(day))
        for year, day in zip(cohort[chosen], rng.integers(0, 330, number), strict=True)
    ]
    late = rng.integers(0, 12, status.shape)
    rows = [
        (
            student,
            (day + timedelta(days=round(30.44 * month) + int(late[place, visit]) * (month > 0))).isoformat(),
            str(status[place, visit]),
        )
        for place, (student, day) in enumerate(zip(ids, entered, strict=True))
        for visit, month in enumerate(MONTHS)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table[table["date"] <= f"{as_of:04d}-10-15"]


def _courses(rng: np.random.Generator, gone: Bools) -> Texts:
    """Status by participant and follow-up."""
    left: Ints = np.where(gone, 1 + rng.choice(CLOSE, len(gone), p=_LEFT_AT), len(MONTHS))
    to = rng.choice(["work", "study"], len(gone), p=[0.45, 0.55])
    visit = np.arange(len(MONTHS))
    status = np.where(visit >= left[:, None], to[:, None], "activity").astype(object)
    chance = np.where(visit > CLOSE, UNKNOWN_LATER, np.where((visit > 0) & (visit < CLOSE), UNKNOWN, 0.0))
    status[rng.random(status.shape) < chance] = "unknown"
    return status
