"""What a prediction is worth: who is reached with the same number of places, by scores, by schools and by a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.frames import as_names
from nbanalytics.results import Settings, Shown
from nbanalytics.risk.evaluation.capacity import (
    counted_at_top,
    counts_once,
    flags_at_capacity,
    rate_interval,
    units_of_places,
)
from nbanalytics.risk.evaluation.scores import outcomes_of, ratio, units_to_leave_out
from nbanalytics.risk.evaluation.validation import Validation
from nbanalytics.schools import THESE, Floats, Statistic, units_of

BUDGETS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
#: Places given by lot.
LOT = "lot"
COLUMNS = (
    *("budget", "strategy", "places", "reached", "reached_share", "per_100_places", "low", "high"),
    *("more", "more_low", "more_high", "estimand"),
)


@dataclass(frozen=True, repr=False)
class PredictionValue(Shown):
    """How many students with the outcome are reached, at equal budgets.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per budget and strategy, the model first:

        - ``budget``: places as a share of the students of each cohort; ``places``: their number;
        - ``strategy``: the model, each of those it is compared with, and ``lot``;
        - ``reached``: students with the outcome who get a place; ``reached_share``: of all with the outcome;
        - ``per_100_places``: reached for each 100 places, with ``low, high`` (Wilson's where no school changes it);
        - ``more, more_low, more_high``: how many more of them the model reaches for each 100 places, paired; missing in
          the model's own row;
        - ``estimand``: what the intervals are about: ``these_schools`` also where one school has most of the places.
    settings : mapping
        ``model, against, at, estimand``.
    students : int
    """

    table: pd.DataFrame
    settings: Settings
    students: int

    def _words(self) -> str:
        against = ", ".join(self.settings["against"])
        return (
            f"Places by {self.settings['model']} against {against} and lot, {self.students} students at "
            f"{self.settings['at']}"
        )


def value_of_prediction(
    validation: Validation,
    model: str,
    against: Sequence[str],
    budgets: Sequence[float] = BUDGETS,
    at: str | None = None,
    estimand: str | None = None,
    level: float = 0.95,
) -> PredictionValue:
    """Compare giving places by individual scores with giving them by school or by a rule.

    Each cohort has its own places, for its students with the highest scores. Equal scores share the last places
    equally, as if by lot: a model that knows only the school gives places to whole schools, and by lot within the
    last one.

    Parameters
    ----------
    validation : Validation
        Predictions of students that the models had not learnt from.
    model : str
        The model with individual scores.
    against : sequence of str
        Models to compare with, such as the one that knows only the school, and the ABC rule.
    budgets : sequence of float
        Places as shares of the students, above 0 and up to 1.
    at : str, optional
        The prediction point, by default the first.
    estimand, level
        As for :func:`nbanalytics.risk.measures`; the same schools are left out in turn for all strategies.

    Returns
    -------
    PredictionValue

    Raises
    ------
    DataError
        If a model or the prediction point was not validated, or a budget is not a share.

    Notes
    -----
    The comparison is that of Perdomo, Britton, Hardt and Abebe (2023), *Difficult lessons on social prediction from
    Wisconsin public schools*, arXiv:2304.06205: what an individual score adds to what is known of the school.

    Examples
    --------
    >>> rows = pd.DataFrame({"student_id": range(8), "cohort": 2021, "school_id": list("AABCCDEF"), "fold": "2021",
    ...                      "y": [1, 0, 1, 0, 1, 0, 0, 0], "at": "6VT"})
    >>> own, school = [.9, .1, .8, .2, .7, .3, .2, .1], [.5, .5, .5, .5, .5, .5, .0, .0]
    >>> both = pd.concat([rows.assign(model="own", p=own), rows.assign(model="school", p=school)])
    >>> found = Validation(both, pd.DataFrame(), {"models": ("own", "school"), "at": ("6VT",)})
    >>> value_of_prediction(found, "own", ["school"], [0.25]).table[["strategy", "reached", "per_100_places", "more"]]
      strategy  reached  per_100_places  more
    0      own     2.00           100.0   NaN
    1   school     1.00            50.0  50.0
    2      lot     0.75            37.5  62.5
    """
    against = as_names(against)
    absent = [name for name in (model, *against) if name not in validation.models]
    if absent:
        raise DataError(f"{', '.join(absent)} was not validated", f"Choose among: {', '.join(validation.models)}.")
    point = validation.settings["at"][0] if at is None else at
    rows = validation.wide(point)
    unfitted = [name for name in (model, *against) if name not in rows]
    if unfitted:
        raise DataError(f"{', '.join(unfitted)} was not fitted at {point}", "Choose another prediction point.")
    y = outcomes_of(rows["y"])
    cohorts = rows["cohort"].to_numpy()
    schools, whole = units_to_leave_out(rows["school_id"], len(rows), estimand)
    parts = units_of(schools, len(rows), THESE)
    scores = {name: rows[name].to_numpy(dtype=float) for name in (model, *against)} | {LOT: np.zeros(len(rows))}
    found = []
    for budget in budgets:
        flags = {name: flags_at_capacity(p, budget, cohorts) for name, p in scores.items()}
        deleted = {
            units.estimand: {
                name: units.evaluate(reached_statistic(y, p, budget, cohorts)) for name, p in scores.items()
            }
            for units in (whole, parts)
        }
        for name in scores:
            units = units_of_places(whole, parts, flags[name], flags[model])
            own = deleted[units.estimand]
            share = own[name]["per_100_places"] / 100
            bounds = rate_interval("ppv", share, units, counts_once(y, flags[name]), level)
            values = {key: float(values[0]) for key, values in own[name].items()}
            row = {"budget": budget, "strategy": name, **values, "estimand": units.estimand}
            row["low"], row["high"] = (100 * bound for bound in bounds)
            if name != model:
                more = own[model]["per_100_places"] - own[name]["per_100_places"]
                row["more"], (row["more_low"], row["more_high"]) = float(more[0]), units.interval(more, level=level)
            found.append(row)
    settings = {"model": model, "against": tuple(against), "at": point, "estimand": whole.estimand}
    return PredictionValue(pd.DataFrame(found, columns=list(COLUMNS)), settings, len(rows))


def reached_statistic(y: Floats, scores: Floats, budget: float, cohorts: Any) -> Statistic:
    """Return the function that counts places and reached students for rows of weights."""

    def compute(weights: Floats) -> dict[str, Floats]:
        counts = counted_at_top(y, scores, budget, weights, cohorts)
        places = counts["tp"] + counts["fp"]
        return {
            "places": places,
            "reached": counts["tp"],
            "reached_share": ratio(counts["tp"], counts["tp"] + counts["fn"]),
            "per_100_places": 100 * ratio(counts["tp"], places),
        }

    return compute
