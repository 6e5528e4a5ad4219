"""The researcher's explorer: year 6 against year 9, one point per student, and what follows from a choice of points.

It shows single students. It reads records, never a release, and is for researchers who may see the records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbanalytics.analysis.cohorts import classify
from nbanalytics.figures import TextTable
from nbanalytics.figures.cohort import MARKS
from nbanalytics.figures.style import DARK, MUTED
from nbanalytics.municipality import names_of
from nbanalytics.pages.courses import (
    BOX,
    PASSES,
    THRESHOLD,
    Codes,
    Courses,
    box_of,
    change_alt,
    code_line,
    counts_rows,
    flows_section,
    packed,
    page_words,
    passes_of,
    required_of,
    students_table,
    terms_section,
    threshold_of,
)
from nbanalytics.records import StudentRecords
from nbanalytics.text import LANGUAGES, Words

Selection = Mapping[str, str]
Mask = NDArray[np.bool_]
GROUPS = ("1", "2", "3", "4", "5", "6")
LOST = 6
ROWS = 60  # rows of the table of students; the line of code gives all
_KEPT = 32  # choices whose charts are kept
_STEP, _MOST = 0.1, 5.0  # of the slider, in grade points
_PASSES = 17  # most passes that eligibility may ask for


class Explorer:
    """What the explorer needs of records, read once, so that a change of a filter takes milliseconds.

    Parameters
    ----------
    records
        Records of students, in any dataframe; they are converted to pandas.
    lang
        ``"sv"`` or ``"en"``.
    source
        Python that returns the same records in a notebook, for the line of code.
    """

    def __init__(self, records: StudentRecords, lang: str = "sv", source: str = "records") -> None:
        records = records.to_pandas()
        self._source = source
        table = classify(records).table
        seen = table["start_eligible"].notna() & table["end_eligible"].notna()
        names = [name for name in ("school_id", "sex") if name in records.students.columns]
        held = table[seen].merge(records.students[["student_id", *names]], on="student_id")
        self._ids = held["student_id"].to_numpy()
        self._courses = Courses.of(records, self._ids)
        self._ends = [self._courses.terms.index(getattr(records.declaration, end)) for end in ("start", "end")]
        self._steps = records.declaration.followed_terms[1:]
        self._x, self._y = held["start_points"].to_numpy(float), held["end_points"].to_numpy(float)
        self._change = self._y - self._x
        self._values = {
            "cohort": held["cohort"].astype(int).astype(str).to_numpy(),
            **{name: held[column].astype(str).to_numpy() for name, column in _COLUMNS.items() if column in held},
        }
        self._names = {code: names_of(records, code) for code in LANGUAGES}
        self._speak(lang)

    @classmethod
    def of(cls, records: StudentRecords | str | Path, lang: str = "sv") -> Explorer:
        """Explore records, or those in a folder."""
        if isinstance(records, StudentRecords):
            return cls(records, lang)
        from nbanalytics.readers import read_records

        return cls(read_records(records), lang, f"nb.read_records({str(records)!r})")

    def speaking(self, lang: str) -> Explorer:
        """Return the same in another language."""
        other = copy(self)
        other._speak(lang)
        return other

    def _speak(self, lang: str) -> None:
        self.lang, self.words = lang, Words(lang, names={"school": self._names[lang]["schools"]})
        self._drawn: dict[bytes, list[dict[str, Any]]] = {}
        self._parts = [*self._filters(), *self._settings()]

    def __len__(self) -> int:
        return len(self._ids)

    def _filters(self) -> list[dict[str, Any]]:
        """Return the filters: an id, a label and its options."""
        found = []
        for name in self._values:
            options = [{"value": "*", "label": self.words.say(f"explorer.all.{name}")}]
            options += [{"value": code, "label": self.words.label(name, code)} for code in self._codes(name)]
            found.append({"id": name, "label": self.words.say(f"explorer.{name}"), "options": options})
        others = [{"value": "*", "label": self.words.say("explorer.other.none")}]
        for name in ("cohort", "school"):
            others += [{"value": f"{name}:{code}", "label": self.words.label(name, code)} for code in self._codes(name)]
        found.append({"id": "other", "label": self.words.say("explorer.other"), "options": others})
        groups = [{"value": "*", "label": self.words.say("explorer.all.group")}]
        groups += [{"value": code, "label": self._group(code)} for code in GROUPS]
        found.append({"id": "group", "label": self.words.say("explorer.group"), "options": groups})
        return found

    def _settings(self) -> list[dict[str, Any]]:
        """Return the allowed values of the rule and of the choice of points, as patterns of their text."""
        places = [{"value": "*", "label": self.words.say("explorer.no_change.positive")}]
        places.append({"value": "negative", "label": self.words.say("explorer.no_change.negative")})
        return [
            {"id": "threshold", "pattern": THRESHOLD},
            {"id": "no_change", "label": self.words.say("explorer.no_change"), "options": places},
            {"id": "passes", "pattern": PASSES},
            {"id": "required", "pattern": rf"\*|[01]{{{len(self._courses.demands)}}}"},
            {"id": "box", "pattern": BOX},
        ]

    def _demands(self) -> list[str]:
        """Return what the rule requires, in words; empty where it cannot be varied."""
        subjects = self._names[self.lang]["subjects"]
        return [" / ".join(subjects[code] for code in demand.split("/")) for demand in self._courses.demands]

    def page(self) -> dict[str, Any]:
        """Return what does not depend on the choice: words, filters, and the places of the points."""
        top = 5 * float(np.ceil(np.nanmax([*self._x, *self._y, 5.0]) / 5))
        return {
            "lang": self.lang,
            "dark": DARK,
            "words": page_words(self.words),
            "filters": self._parts,
            "axes": [self.words.say("axis.year6"), self.words.say("axis.year9")],
            "publication": self.words.say("explorer.title"),
            "line": MUTED,
            "groups": [
                {"code": code, "name": self._group(code), "colour": MARKS[code][0], "mark": MARKS[code][1]}
                for code in GROUPS
            ],
            "top": top,
            "threshold": {"most": _MOST, "step": _STEP},
            "eligibility": {"least": self._courses.least, "most": _PASSES, "demands": self._demands()},
            "points": self._points(),
        }

    def _points(self) -> dict[str, Any]:
        """Return what decides each student's point and group, packed for the page's script."""
        found: dict[str, Any] = {"x": packed(self._x, "<f8"), "y": packed(self._y, "<f8")}
        found["places"] = {
            name: packed(np.unique(values.astype(str), return_inverse=True)[1], "<u2")
            for name, values in self._values.items()
        }
        weights = 1 << np.arange(len(self._courses.demands))
        for end, place in zip(("start", "end"), self._ends, strict=True):
            found[end] = {
                "declared": packed(self._courses.declared[:, place], "<u2"),
                "passes": packed(self._courses.passes[:, place], "<u2"),
                "met": packed(self._courses.met[:, place] @ weights, "<u2"),
            }
        return found

    def start(self) -> dict[str, str]:
        """Return the selection that the page opens with: everybody, under the default rule."""
        return {part["id"]: "*" for part in self._parts}

    def view(self, selection: Selection) -> dict[str, Any]:
        """Return what a selection shows: counts, charts, their tables and the line of code.

        Parameters
        ----------
        selection
            A value for each filter; a value that the filter does not have counts as ``"*"``.

        Returns
        -------
        dict
            ``selection``; ``counts``, rows of text; ``sections``, as a board has them, and ``rival``, those of the
            cohort or school compared with; ``students``, a table; ``answer``, ``alt`` and ``code``.
        """
        chosen = self._checked(selection)
        eligible = self._courses.eligible(passes_of(chosen), required_of(chosen, self._courses.demands))
        groups = self._groups(chosen, eligible)
        known = groups > 0
        here, other = self._within(chosen, chosen) & known, self._compared(chosen)
        other = None if other is None else other & known
        picked = self._picked(chosen, groups)
        final, rival = here & picked, None if other is None else other & picked
        return {
            "lang": self.lang,
            "selection": dict(selection),
            "counts": self._counts(groups, here, other),
            "answer": self._answer(chosen, groups, here, final, rival),
            "alt": change_alt(self._change[here], self.words),
            "sections": self._charts(final, eligible),
            "rival": [] if rival is None else self._charts(rival, eligible),
            "students": self._students(final, groups).__dict__,
            "code": self.code(chosen),
        }

    def code(self, selection: Selection) -> str:
        """Return the line of Python that selects the students of a selection in a notebook."""
        return code_line(self._source, self._checked(selection), self._courses.demands)

    def _checked(self, selection: Selection) -> dict[str, str]:
        checked = {}
        for part in self._parts:
            value = str(selection.get(part["id"], "*"))
            known = [option["value"] for option in part.get("options", [])]
            fits = bool(re.fullmatch(part["pattern"], value)) if "pattern" in part else value in known
            checked[part["id"]] = value if fits else "*"
        return checked

    def _codes(self, name: str) -> list[str]:
        return sorted(set(self._values[name])) if name in self._values else []

    def _group(self, code: str) -> str:
        return f"{code}. {self.words.label('group', code)}"

    def _groups(self, chosen: Selection, eligible: Codes) -> NDArray[np.int64]:
        """Return each student's group; 0 where the change is not known."""
        threshold = threshold_of(chosen)
        positive = self._change > threshold if chosen["no_change"] == "negative" else self._change >= -threshold
        start, end = (eligible[:, place] == 1 for place in self._ends)
        changed = ~np.isnan(self._change)
        cases = [start & ~end, ~start & end, ~changed, start & positive, start, positive]
        return np.select(cases, [6, 5, 0, 1, 2, 4], default=3)

    def _within(self, chosen: Selection, where: Selection) -> Mask:
        mask = np.ones(len(self), dtype=bool)
        for name, values in self._values.items():
            wanted = where[name] if name in where else chosen[name]
            if wanted != "*":
                mask &= values == wanted
        return mask

    def _compared(self, chosen: Selection) -> Mask | None:
        """Return the students to compare with: the same filters, but in another cohort or school."""
        if chosen["other"] == "*":
            return None
        name, _, code = chosen["other"].partition(":")
        return self._within(chosen, {name: code})

    def _picked(self, chosen: Selection, groups: NDArray[np.int64]) -> Mask:
        mask = np.ones(len(self), dtype=bool)
        if chosen["group"] != "*":
            mask &= groups == int(chosen["group"])
        if (box := box_of(chosen["box"])) is not None:
            mask &= (self._x >= box[0]) & (self._x <= box[1]) & (self._y >= box[2]) & (self._y <= box[3])
        return mask

    def _counts(self, groups: NDArray[np.int64], here: Mask, other: Mask | None) -> list[dict[str, Any]]:
        names = {code: self._group(code) for code in GROUPS}
        return counts_rows([groups[mask] for mask in (here, other) if mask is not None], names, self.words)

    def _answer(self, chosen: Selection, groups: NDArray[np.int64], here: Mask, final: Mask, rival: Mask | None) -> str:
        blanks = {"chosen": self.words.students(int(final.sum())), "all": self.words.number(int(here.sum()))}
        for end, mask in (("", final), ("_other", rival)):
            if mask is not None:
                lost = int((groups[mask] == LOST).sum())
                blanks[f"lost{end}"] = self.words.number(lost)
                blanks[f"share{end}"] = self.words.percent(lost / max(int(mask.sum()), 1), 1)
        if rival is not None:
            name, _, code = chosen["other"].partition(":")
            blanks |= {"name": self.words.label(name, code), "others": self.words.students(int(rival.sum()))}
        keys = ["answer", "answer.lost"] if rival is None else ["answer.other", "answer.lost.other"]
        known = final.any() and (rival is None or rival.any())
        return " ".join(self.words.say(f"explorer.{key}", **blanks) for key in keys[: 1 + known])

    def _charts(self, mask: Mask, eligible: Codes) -> list[dict[str, Any]]:
        """Return the charts of some students, kept for the next time, as when the threshold moves."""
        key = np.packbits(mask).tobytes() + eligible[mask].tobytes()
        if key not in self._drawn:
            if len(self._drawn) >= _KEPT:
                self._drawn.pop(next(iter(self._drawn)))
            self._drawn[key] = [
                flows_section(self._courses.states(eligible)[mask], self._courses.stages, self.words),
                terms_section(*self._courses.losses(eligible[mask]), self._steps, self.words),
            ]
        return self._drawn[key]

    def _students(self, mask: Mask, groups: NDArray[np.int64]) -> TextTable:
        places = np.flatnonzero(mask)
        places = places[np.argsort(self._change[places], kind="stable")][:ROWS]
        words = [[self.words.label(name, values[place]) for name, values in self._values.items()] for place in places]
        points = [[self._change[place], self._x[place], self._y[place]] for place in places]
        return students_table(self._ids[places], tuple(self._values), words, points, groups[places], self.words)


_COLUMNS = {"school": "school_id", "sex": "sex"}
