"""The card of a validated model: data, horizon, measures, audit, what it is for and what it must not be used for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isclose, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nbanalytics.errors import DataError
from nbanalytics.results import Settings, Shown
from nbanalytics.risk.data.outcomes import OUTCOMES
from nbanalytics.risk.data.riskdata import RiskData
from nbanalytics.risk.evaluation.measuring import compare_models
from nbanalytics.risk.evaluation.validation import Validation
from nbanalytics.risk.fairness.auditing import CROSS, Audit
from nbanalytics.schools import LIKE, THESE

INTENDED_USE = (
    "Research: how well, how early and for whom an outcome can be foreseen from what a municipality knows.",
    "Planning: how many students may need support, by school and term.",
    "Comparison with simpler rules: a model that does not beat them should not be used.",
)
NOT_FOR = (
    "Decisions about a student without an adult who knows the student and has asked.",
    "A label or colour that follows a student, or a list that is handed on.",
    "Denying anybody support, a place, a course or a grade.",
    "Comparing the quality of schools or teachers.",
    "Another municipality, another grading system or other years, unless validated there.",
    "Saying what support would change: it foresees, it does not explain.",
)
_AUDITED = ("auc", "calibration_in_the_large", "tpr", "fpr", "ppv", "false_alarms_per_100")


@dataclass(frozen=True, repr=False)
class ModelCard(Shown):
    """What a reader must know of a model before its scores.

    Attributes
    ----------
    table : pandas.DataFrame
        ``section`` (``model``, ``data``, ``measures``, ``audit``, ``intended use``, ``must not be used for``), ``item``
        and ``words``.
    settings : mapping
        ``model, at, outcome, observed_at, estimand``.
    """

    table: pd.DataFrame
    settings: Settings

    @property
    def markdown(self) -> str:
        """The card as Markdown."""
        lines = [f"# {self._words()}"]
        for section, rows in self.table.groupby("section", sort=False):
            lines += ["", f"## {str(section).capitalize()}", ""]
            lines += [f"- {item}: {words}" if item else f"- {words}" for item, words in _items(rows)]
        return "\n".join(lines) + "\n"

    def write(self, path: str | Path) -> Path:
        """Write the card as a Markdown file, and return its path."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.markdown, encoding="utf-8")
        return file

    def _words(self) -> str:
        return (
            f"Model card: {self.settings['model']}, {self.settings['outcome']} ({self.settings['observed_at']}) "
            f"foreseen from {self.settings['at']}"
        )

    def _repr_html_(self) -> str:
        parts = [f"<h3>{escape(self._words())}</h3>"]
        for section, rows in self.table.groupby("section", sort=False):
            items = "".join(
                f"<li>{f'<b>{escape(item)}</b>: ' if item else ''}{escape(words)}</li>" for item, words in _items(rows)
            )
            parts.append(f"<h4>{escape(str(section).capitalize())}</h4><ul>{items}</ul>")
        return "".join(parts)


def model_card(
    validation: Validation,
    data: RiskData,
    model: str,
    audited: Audit | None = None,
    threshold: float | None = None,
    capacity: float = 0.1,
    intended_use: Sequence[str] = INTENDED_USE,
    not_for: Sequence[str] = NOT_FOR,
    *,
    estimand: str | None = None,
) -> ModelCard:
    """Make the card of a model from its validation.

    Parameters
    ----------
    validation : Validation
    data : RiskData
        What was validated, at the prediction point of the card.
    model : str
        Its name in the validation.
    audited : Audit, optional
        Without one the card says that errors by group are not known.
    threshold : float, optional
        Of the error rates of the audit; by default its first.
    capacity : float
        Places as a share of the students, for precision and recall.
    intended_use, not_for : sequence of str
        Sentences; write your own where they say more.
    estimand
        As for :func:`nbanalytics.risk.measures`.

    Returns
    -------
    ModelCard

    Raises
    ------
    DataError
        If the model or the prediction point was not validated, or the threshold not audited.

    Examples
    --------
    >>> import numpy as np
    >>> rows = pd.DataFrame({"student_id": range(80), "cohort": 2021, "school_id": list("ABCDE") * 16, "model": "m",
    ...                      "fold": "2021", "y": [1, 0, 0, 0] * 20, "p": np.linspace(.1, .6, 80), "at": "6VT"})
    >>> folds = pd.DataFrame({"at": ["6VT"], "status": ["ok"], "test_students": [80]})
    >>> settings = {"models": ("m",), "at": ("6VT",), "outcome": "lost", "observed_at": "9VT", "scheme": "cohorts"}
    >>> data = RiskData(rows.assign(points=1.0), ("points",), "6VT", "lost", "9VT")
    >>> card = model_card(Validation(rows, folds, settings), data, "m")
    >>> print(card.markdown.splitlines()[0])
    # Model card: m, lost (9VT) foreseen from 6VT
    """
    rows = validation.wide(data.at)
    if model not in rows:
        raise DataError(f"{model} was not validated at {data.at}", f"Choose among: {', '.join(validation.models)}.")
    sections = {
        "model": _about_model(validation, data, model),
        "data": _about_data(data),
        "measures": _measures(rows, model, capacity, estimand),
        "audit": _about_audit(audited, data.at, model, threshold),
        "intended use": [("", words) for words in intended_use],
        "must not be used for": [("", words) for words in not_for],
    }
    listed = [(section, *row) for section, found in sections.items() for row in found]
    settings = {"model": model, "at": data.at, "outcome": data.outcome, "observed_at": data.observed_at}
    table = pd.DataFrame(listed, columns=["section", "item", "words"])
    return ModelCard(table, {**settings, "estimand": estimand})


def _about_model(validation: Validation, data: RiskData, model: str) -> list[tuple[str, str]]:
    folds = validation.folds[validation.folds["at"] == data.at]
    done = folds["status"] == "ok"
    return [
        ("name", model),
        ("outcome", f"{data.outcome}: {OUTCOMES.get(data.outcome, 'as the user defined it')}"),
        ("horizon", f"from {data.at} to {data.observed_at}, {data.gap_years} whole years"),
        (
            "validation",
            f"left-out {validation.settings['scheme']}, {int(done.sum())} predicted, {int((~done).sum())} without "
            f"enough to learn from; {int(folds.loc[done, 'test_students'].sum())} students who were not learnt from",
        ),
    ]


def _about_data(data: RiskData) -> list[tuple[str, str]]:
    cohorts = sorted(set(data.cohorts.tolist()))
    gone = data.left_out.groupby("reason")["students"].sum().sort_values(ascending=False)
    left_out = "; ".join(f"{reason}: {count}" for reason, count in gone.items()) or "nobody"
    return [
        ("students", f"{len(data)}, of whom {int(data.y.sum())} with the outcome"),
        ("cohorts", ", ".join(map(str, cohorts))),
        ("schools", str(len(set(data.schools)))),
        ("left out", left_out),
        ("features", ", ".join(data.features)),
        (
            "not used as features",
            ", ".join(name for name in data.sensitive if name not in data.features) or "none kept apart",
        ),
    ]


def _measures(rows: pd.DataFrame, model: str, capacity: float, estimand: str | None) -> list[tuple[str, str]]:
    y, schools, folds = rows["y"], rows["school_id"], rows["fold"]
    found = compare_models(y, {model: rows[model]}, None, capacity, clusters=schools, folds=folds, estimand=estimand)
    about = {LIKE: "schools like these: one school is left out at a time", THESE: "other pupils of these schools"}
    placed = ("precision", "recall", "lift", "false_alarms_per_100")
    lines = [
        (f"{row['measure']} at {capacity:.0%} places" if row["measure"] in placed else row["measure"], _interval(row))
        for row in found.to_dict("records")
    ]
    return [*lines, ("intervals", f"95 %, of {about[found['estimand'].iloc[0]]}")]


def _about_audit(audited: Audit | None, at: str, model: str, threshold: float | None) -> list[tuple[str, str]]:
    unknown = [("", "not audited: errors by group are not known, so do not use the scores")]
    if audited is None:
        return unknown
    own = audited.table[(audited.table["at"] == at) & (audited.table["model"] == model)]
    if own.empty:
        return unknown
    levels = audited.settings["thresholds"]
    level = next(iter(levels), None) if threshold is None else threshold
    if threshold is not None and not any(isclose(threshold, known) for known in levels):
        raise DataError(
            f"The audit has no threshold of {threshold:g}",
            f"Choose among: {', '.join(f'{known:g}' for known in levels)}.",
        )
    # A card is shared: groups are not crossed in it, and the size of a refused one is not shown.
    own = own[
        (own["threshold"].isna() | np.isclose(own["threshold"], nan if level is None else level))
        & ~own["attribute"].str.contains(CROSS)
    ]
    lines = []
    for (attribute, group), rows in own.groupby(["attribute", "group"], sort=False):
        name = "all" if attribute == "all" else f"{attribute} {group}"
        if rows.iloc[0]["status"] != "ok":
            lines.append((name, "refused: too few students, or too few with or without the outcome"))
            continue
        shown = rows[rows["measure"].isin(_AUDITED)].to_dict("records")
        lines.append((name, "; ".join(f"{row['measure']} {_interval(row)}" for row in shown)))
    flagged = [] if level is None else [("threshold", f"flagged from a probability of {level:g}")]
    return [*flagged, *lines]


def _items(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return [(str(item), str(words)) for item, words in zip(rows["item"], rows["words"], strict=True)]


def _interval(row: Mapping[Hashable, Any]) -> str:
    if pd.isna(row["value"]):
        return "no estimate"
    if pd.isna(row["low"]):
        return f"{row['value']:.3g}, no interval"
    return f"{row['value']:.3g} ({row['low']:.3g} to {row['high']:.3g})"
