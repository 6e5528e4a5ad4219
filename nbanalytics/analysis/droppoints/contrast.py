"""The hazard of one step against that of the others, such as the transition from year 6 to year 7."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import pandas as pd

from nbanalytics.analysis.droppoints.first_loss import Losses
from nbanalytics.errors import DataError, EstimationWarning
from nbanalytics.frames import By, open_frame
from nbanalytics.intervals import katz, newcombe
from nbanalytics.results import Shown

_COUNTED = ("at_risk_step", "lost_step", "hazard_step", "at_risk_other", "lost_other", "hazard_other")
_ESTIMATES = ("difference", "difference_low", "difference_high", "ratio", "ratio_low", "ratio_high")


@dataclass(frozen=True, repr=False)
class TransitionContrast(Shown):
    """The hazard at one step against the pooled hazard of the others.

    Attributes
    ----------
    table : pandas.DataFrame
        The columns of ``by``, then

        - ``at_risk_step, lost_step, hazard_step``: the step asked about;
        - ``at_risk_other, lost_other, hazard_other``: person-periods and losses of the other steps together;
        - ``difference, difference_low, difference_high``: of the hazards, with a 95 % interval (Newcombe 1998);
        - ``ratio, ratio_low, ratio_high``: of the hazards, with a 95 % interval (Katz et al. 1978);
        - ``status``: ``ok``; ``too_few`` person-periods on a side, nothing estimated; ``no_loss`` in the other steps,
          so that there is no ratio.
    settings : mapping
        ``step``, ``from``, ``to``, ``by``, ``min_at_risk``.
    students : int
        Students at risk at the first step.
    """

    table: pd.DataFrame
    settings: Mapping[str, Any]
    students: int

    def _words(self) -> str:
        step = f"{self.settings['from']} to {self.settings['to']}"
        return f"Losses at the step {step} against the other steps, {self.students} students at risk"


def transition_contrast(
    losses: Losses, by: str | Sequence[str] = (), step: int = 1, min_at_risk: int = 5
) -> TransitionContrast:
    """Compare the hazard of one step, by default the first after the start term, with that of all others pooled.

    With Swedish terms the first step is from spring of year 6 to autumn of year 7, often a change of school.

    Parameters
    ----------
    losses : Losses
        Result of :func:`losses`.
    by : str or sequence of str
        Columns of ``losses.table`` to divide by: ``sex``, ``school_id``, ``newly_arrived``, ``cohort``.
    step : int
        The step asked about; 1 is the first.
    min_at_risk : int
        Fewer person-periods than this on either side are not compared.

    Returns
    -------
    TransitionContrast

    Raises
    ------
    DataError
        If there is no such step, none to compare it with, or a column of ``by`` is not there.

    Warns
    -----
    EstimationWarning
        If a group is too small to be compared.

    Notes
    -----
    In a discrete-time life table the person-periods of a student count as independent given survival so far (Singer
    and Willett 2003, chapter 10), so that two steps compare as two independent shares. The difference has the interval
    of Newcombe (1998), method 10; the ratio that of Katz et al. (1978).

    Examples
    --------
    >>> import pandas as pd
    >>> from nbanalytics.analysis.droppoints import Losses
    >>> table = pd.DataFrame({"duration": [1] * 20 + [2] * 5 + [2] * 75, "event": [1] * 25 + [0] * 75})
    >>> found = Losses(table, {"start": "6VT", "end": "7VT", "terms": ("6VT", "7HT", "7VT")}, 100, 0, {})
    >>> row = transition_contrast(found).table.iloc[0]
    >>> [round(float(row[name]), 3) for name in ("hazard_step", "hazard_other", "difference", "ratio")]
    [0.2, 0.062, 0.138, 3.2]
    >>> [round(float(row[name]), 3) for name in ("difference_low", "difference_high", "ratio_low", "ratio_high")]
    [0.037, 0.233, 1.256, 8.15]
    """
    steps = losses.steps
    if len(steps) < 2 or not 1 <= step <= len(steps):
        raise DataError(
            f"There is no step {step} with others to compare: the followed terms after {losses.settings['start']} are "
            f"{', '.join(steps)}. Choose a step from 1 to {len(steps)}, of at least two."
        )
    divided = By.of(by, (*_COUNTED, *_ESTIMATES, "status"), open_frame(losses.table), "of losses")
    rows = []
    for group, part in divided.split(divided.keyed(losses.life_table(divided.names))):
        asked, other = part[part["t"] == step], part[part["t"] != step]
        rows.append({**group, **_compare(_counts(asked), _counts(other), min_at_risk)})
    table = pd.DataFrame(rows, columns=[*divided.names, *_COUNTED, *_ESTIMATES, "status"])
    small = int((table["status"] == "too_few").sum())
    if small:
        warnings.warn(
            f"{small} of {len(table)} groups have fewer than {min_at_risk} person-periods on a side and are not "
            "compared. Divide by fewer columns.",
            EstimationWarning,
            stacklevel=2,
        )
    settings = {
        "step": step,
        "from": losses.settings["terms"][step - 1],
        "to": steps[step - 1],
        "by": divided.names,
        "min_at_risk": min_at_risk,
    }
    return TransitionContrast(table, settings, students=losses.students - losses.never_observed_again)


def _counts(steps: pd.DataFrame) -> tuple[int, int]:
    return int(steps["events"].sum()), int(steps["at_risk"].sum())


def _compare(asked: tuple[int, int], other: tuple[int, int], min_at_risk: int) -> dict[str, Any]:
    (lost_1, risk_1), (lost_2, risk_2) = asked, other
    counts = {
        "at_risk_step": risk_1,
        "lost_step": lost_1,
        "hazard_step": lost_1 / risk_1 if risk_1 else nan,
        "at_risk_other": risk_2,
        "lost_other": lost_2,
        "hazard_other": lost_2 / risk_2 if risk_2 else nan,
    }
    if min(risk_1, risk_2) < max(min_at_risk, 1):
        return {**counts, **dict.fromkeys(_ESTIMATES, nan), "status": "too_few"}
    low, high = newcombe(*asked, *other)
    values = (counts["hazard_step"] - counts["hazard_other"], low, high, *katz(*asked, *other))
    estimates = dict(zip(_ESTIMATES, values, strict=True))
    return {**counts, **estimates, "status": "ok" if lost_2 else "no_loss"}
