"""The researcher's explorer: year 6 against year 9, one point per student, and what follows from a choice of points.

It shows single students. It reads records, never a release, and is for researchers who may see the records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbanalytics.analysis.cohorts import GroupRule, classify
from nbanalytics.figures import TextTable
from nbanalytics.figures.cohort import MARKS
from nbanalytics.figures.style import DARK, MUTED
from nbanalytics.municipality import names_of
from nbanalytics.pages.board import Json, picker
from nbanalytics.pages.courses import (
    BOX,
    PASSES,
    THRESHOLD,
    Codes,
    Courses,
    box_of,
    code_line,
    flows_section,
    packed,
    passes_of,
    required_of,
    rule_of,
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
_WORDS = (
    "chart", "lead", "hint", "other", "rule", "threshold", "no_change", "eligibility", "passes", "required",
    "as_declared", "box", "box.from6", "box.to6", "box.from9", "box.to9",
    "box.clear", "counts", "group", "shown", "chosen", "compared", "code", "code.copy", "code.copied", "students",
    "lost", "stray",
)  # fmt: skip
_SHARED = (
    "filters.title", "page.lost", "chart.keys", "chart.region",
    "download.title", "download.csv", "download.png", "download.svg",
)  # fmt: skip
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
        self._source, self.records = source, records
        table = classify(records).table
        seen = table["start_eligible"].notna() & table["end_eligible"].notna()
        names = [name for name in ("school_id", "sex") if name in records.students.columns]
        held = table[seen].merge(records.students[["student_id", *names]], on="student_id")
        points = ["student_id", "start_points", "end_points", "change"]
        self._held = records.students.merge(held[points], on="student_id").set_index("student_id", drop=False)
        self._held = self._held.loc[held["student_id"]].reset_index(drop=True)
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
        self._drawn: dict[bytes, list[Json]] = {}
        self._parts = [*self._filters(), *self._settings()]

    def __len__(self) -> int:
        return len(self._ids)

    def _filters(self) -> list[Json]:
        """Return the filters, each with its options."""
        say, label = self.words.say, self.words.label
        names = {
            name: {code: label(name, code) for code in sorted(set(values))} for name, values in self._values.items()
        }
        own = [
            picker(name, say(f"explorer.{name}"), {"*": say(f"explorer.all.{name}"), **names[name]}) for name in names
        ]
        others = {f"{name}:{code}": text for name in ("cohort", "school") for code, text in names.get(name, {}).items()}
        groups = {code: self._group(code) for code in GROUPS}
        return [
            *own,
            picker("other", say("explorer.other"), {"*": say("explorer.other.none"), **others}),
            picker("group", say("explorer.group"), {"*": say("explorer.all.group"), **groups}),
        ]

    def _settings(self) -> list[Json]:
        """Return the allowed values of the rule and of the choice of points, as patterns of their text."""
        say = self.words.say
        places = {"*": say("explorer.no_change.positive"), "negative": say("explorer.no_change.negative")}
        return [
            {"id": "threshold", "pattern": THRESHOLD},
            picker("no_change", say("explorer.no_change"), places),
            {"id": "passes", "pattern": PASSES},
            {"id": "required", "pattern": rf"\*|[01]{{{len(self._courses.demands)}}}"},
            {"id": "box", "pattern": BOX},
        ]

    def _demands(self) -> list[str]:
        """Return what the rule requires, in words; empty where it cannot be varied."""
        subjects = self._names[self.lang]["subjects"]
        return [" / ".join(subjects[code] for code in demand.split("/")) for demand in self._courses.demands]

    def page(self) -> Json:
        """Return what does not depend on the choice: words, filters, and the places of the points."""
        top = 5 * float(np.ceil(np.nanmax([*self._x, *self._y, 5.0]) / 5))
        return {
            "lang": self.lang,
            "dark": DARK,
            "words": {key: self.words.say(f"explorer.{key}") for key in _WORDS}
            | {key: self.words.say(key) for key in _SHARED},
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

    def _points(self) -> Json:
        """Return what decides each student's point and group, packed for the page's script."""
        found: Json = {"x": packed(self._x, "<f8"), "y": packed(self._y, "<f8")}
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

    def view(self, selection: Selection) -> Json:
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
        narrowed = (chosen["group"], chosen["box"]) != ("*", "*")
        return {
            "lang": self.lang,
            "selection": dict(selection),
            "counts": self._counts(groups, [here, *([final] if narrowed else []), *([] if other is None else [other])]),
            "answer": self._answer(chosen, groups, here, final, rival),
            "alt": self._alt(self._change[here]),
            "sections": self._charts(final, eligible),
            "rival": [] if rival is None else self._charts(rival, eligible),
            "students": self._students(final, groups).__dict__,
            "code": self.code(chosen),
        }

    def chosen(self, selection: Selection) -> tuple[pd.DataFrame, GroupRule]:
        """Return the students of a selection and its rule.

        Returns
        -------
        students : pandas.DataFrame
            One row per student: the columns of the records, mean grade points (``start_points``, ``end_points``), their
            ``change`` and the ``group``.
        rule : GroupRule
            The rule of the groups.
        """
        chosen, demands = self._checked(selection), self._courses.demands
        eligible = self._courses.eligible(passes_of(chosen), required_of(chosen, demands))
        groups = self._groups(chosen, eligible)
        mask = self._within(chosen, chosen) & (groups > 0) & self._picked(chosen, groups)
        return self._held[mask].assign(group=groups[mask]), rule_of(chosen, demands)

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

    def _counts(self, groups: NDArray[np.int64], masks: Sequence[Mask]) -> list[Json]:
        """Count the students of each group, and their shares, among those shown, chosen and compared with."""
        columns, rows = [groups[mask] for mask in masks], []
        for code in GROUPS:
            found = [int((column == int(code)).sum()) for column in columns]
            shares = [count / max(len(column), 1) for count, column in zip(found, columns, strict=True)]
            written = {"counts": list(map(self.words.number, found))}
            written["shares"] = [self.words.percent(share, 1) for share in shares]
            rows.append({"code": code, "name": self._group(code), **written})
        return rows

    def _alt(self, change: NDArray[np.float64]) -> str:
        """Say how many students rose, fell and stayed: the text alternative of the points; ``nan`` has no point."""
        known = change[~np.isnan(change)]
        counts = {"up": (known > 0).sum(), "down": (known < 0).sum(), "same": (known == 0).sum()}
        written = {key: self.words.number(int(count)) for key, count in counts.items()}
        return self.words.say("scatter.alt", students=self.words.students(len(known)), **written)

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

    def _charts(self, mask: Mask, eligible: Codes) -> list[Json]:
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
        """List the students, those who fell most first; what a narrow screen shows without scrolling comes first."""
        places = np.flatnonzero(mask)
        places = places[np.argsort(self._change[places], kind="stable")][:ROWS]
        heads = ["student", "group", "change", "points6", "points9", *self._values]
        rows = [
            [
                str(self._ids[place]),
                str(groups[place]),
                *(self._tenths(values[place]) for values in (self._change, self._x, self._y)),
                *(self.words.label(name, values[place]) for name, values in self._values.items()),
            ]
            for place in places
        ]
        return TextTable([self.words.say(f"explorer.{head}") for head in heads], rows, words_right=len(self._values))

    def _tenths(self, value: float) -> str:
        return self.words.number(float(value), 1) if value == value else "–"


_COLUMNS = {"school": "school_id", "sex": "sex"}
