"""Controls for notebooks: choose students, rule and terms, and have records, results and figures follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets as widgets
import narwhals as nw
import traitlets

from nbanalytics.analysis.cohorts.classify import GroupRule, under
from nbanalytics.errors import GradingError, NbanalyticsError
from nbanalytics.frames import collect, open_frame
from nbanalytics.grading import Rule
from nbanalytics.municipality import names_of
from nbanalytics.records import StudentRecords
from nbanalytics.text import LANGUAGES, Words

#: The students' column behind each filter.
_COLUMNS = {"cohort": "cohort", "school": "school_id", "sex": "sex", "newly_arrived": "newly_arrived"}
_FLAGS = {True: "yes", False: "no"}
_MOST_PASSES, _MOST_CHANGE, _STEP = 17, 5.0, 0.1  # a student has 17 subjects; grade points of the threshold
_WRAP = widgets.Layout(flex_flow="row wrap", align_items="center")
_WIDE = {"description_width": "initial"}


class Controls(widgets.VBox):  # type: ignore[misc]
    """Controls over records; :func:`controls` makes them.

    Attributes
    ----------
    records : StudentRecords
        The students chosen, with the terms and the eligibility rule chosen: what is computed from them follows both.
        The records as they were given where nothing is chosen.
    rule : GroupRule
        The rule chosen, for :func:`nbanalytics.classify`.
    parts : dict of str to widget
        The controls by name: ``cohort``, ``school``, ``sex`` and ``newly_arrived``, as far as the records have them,
        ``eligibility``, ``passes``, ``threshold``, ``no_change`` and ``terms``; each has a ``value``.
    required : tuple of widget
        One checkbox for each demand of the rule; empty where the rule has several ways, or is a mean.
    """

    records = traitlets.Instance(StudentRecords)
    rule = traitlets.Instance(GroupRule)

    def __init__(self, records: StudentRecords, chosen: dict[str, Any], rule: GroupRule, lang: str) -> None:
        self._all, self._declared = records.refuse_uncountable("students"), records.declaration
        self._words = Words(lang, names={"school": names_of(records, lang)["schools"]})
        self._subjects = names_of(records, lang)["subjects"]
        filters = self._filters(chosen)
        self.parts: dict[str, Any] = filters | self._settings(rule)
        self.required: tuple[Any, ...] = ()
        self._demands, self._count = widgets.HBox(layout=_WRAP), widgets.HTML()
        self._show_rule(rule)
        rows = ([*filters], ["eligibility", "passes", "threshold", "no_change"], ["terms"])
        lines = [widgets.HBox([self.parts[name] for name in row], layout=_WRAP) for row in rows]
        super().__init__([*lines[:2], self._demands, lines[2], self._count], records=records, rule=rule)
        for name, part in self.parts.items():
            part.observe(self._change_rule if name == "eligibility" else self._follow, "value")
        self._follow()

    def show(self, draw: Callable[[StudentRecords, GroupRule], object]) -> widgets.Output:
        """Show a result or a figure that follows the controls.

        Parameters
        ----------
        draw
            Takes the chosen records and the rule, and returns what is shown, such as :func:`nbanalytics.classify`.

        Returns
        -------
        ipywidgets.Output
            To be displayed by a notebook. What nbanalytics refuses to compute is said in its place.
        """
        place, drawn = widgets.Output(), list[object]()

        def follow(_change: object = None) -> None:
            if drawn == [id(self.records), id(self.rule)]:
                return
            drawn[:] = [id(self.records), id(self.rule)]
            place.clear_output(wait=True)
            with place:
                _display(draw, self.records, self.rule)

        self.observe(follow, ["records", "rule"])
        follow()
        return place

    def __repr__(self) -> str:
        """Say how many students are chosen: where widgets are not shown, this is."""
        return str(self._count.value)

    def _filters(self, chosen: dict[str, Any]) -> dict[str, Any]:
        students = open_frame(self._all.students)
        names = students.collect_schema().names()
        found = {}
        for name, column in _COLUMNS.items():
            if column not in names:
                if chosen[name] is not None:
                    raise NbanalyticsError(f"the students have no column {column}", "Add it, or choose by another.")
                continue
            values = sorted(collect(students.select(column).unique())[column].dropna().tolist())
            if chosen[name] is not None and chosen[name] not in values:
                listed = ", ".join(map(str, values)) or "none"
                raise NbanalyticsError(
                    f"there is no {name} {chosen[name]!r} in the records", f"Choose among: {listed}."
                )
            every = self._words.label(name, "*") if name == "newly_arrived" else self._say(f"all.{name}")
            labels = [(self._words.label(name, _FLAGS.get(value, value)), value) for value in values]
            found[name] = self._list(name, [(every, None), *labels], chosen[name])
        return found

    def _settings(self, rule: GroupRule) -> dict[str, Any]:
        terms = self._declared.terms
        ends = (self._declared.start, self._declared.end)
        changes = [(self._say(f"no_change.{sign}"), sign) for sign in ("positive", "negative")]
        return {
            "eligibility": self._list("eligibility", self._rules(), rule.eligibility or self._declared.rule),
            "passes": self._list("passes", self._passes(None), rule.passes),
            "threshold": widgets.FloatSlider(
                rule.threshold, min=0, max=max(_MOST_CHANGE, rule.threshold), step=_STEP, readout_format=".1f",
                description=self._say("threshold"), style=_WIDE, layout={"width": "auto", "min_width": "26em"},
                continuous_update=False,
            ),
            "no_change": self._list("no_change", changes, rule.no_change),
            "terms": widgets.SelectionRangeSlider(
                options=[(self._words.label("term", term), term) for term in terms], value=ends,
                description=self._say("terms"), style=_WIDE, layout={"width": "32em"}, continuous_update=False,
            ),
        }  # fmt: skip

    def _say(self, key: str) -> str:
        own = ("terms", "eligibility", "as_rule", "chosen", "nobody", "newly_arrived")
        return self._words.say(f"controls.{key}" if key in own else f"explorer.{key}")

    def _list(self, name: str, options: list[Any], value: object) -> Any:
        layout = {"width": "auto"}
        return widgets.Dropdown(options=options, value=value, description=self._say(name), style=_WIDE, layout=layout)

    def _rules(self) -> list[str]:
        """Return the rules that hold for every cohort; the records' own is among them."""
        declared, found = self._declared, [self._declared.rule]
        for name in dict.fromkeys(rule.name for rule in declared.catalogue.rules):
            try:
                held = [declared.catalogue.grading(cohort, name, declared.scale) for cohort in self._all.cohorts()]
            except GradingError:
                continue
            found += [name] * (bool(held) and name not in found)
        return found

    def _versions(self) -> list[Rule]:
        """Return the rule that is chosen, in each version that holds for a cohort."""
        rule = self.parts["eligibility"].value
        return [grading.rule for grading, _ in self._all.under(replace(self._declared, rule=rule)).gradings()]

    def _passes(self, least: int | None) -> list[Any]:
        said = self._say("as_rule")
        rule = said if least is None else f"{said} ({least})"
        return [(rule, None), *((str(number), number) for number in range(_MOST_PASSES + 1))]

    def _show_rule(self, varied: GroupRule) -> None:
        """Offer what the chosen rule can be varied by, its number of passes and what it requires; varied at first."""
        versions, passes = self._versions(), self.parts["passes"]
        numbers = {way.passes for rule in versions for way in rule.ways}
        passes.options = self._passes(numbers.pop() if len(numbers) == 1 else None)
        passes.disabled = not all(rule.ways for rule in versions)
        passes.value = None if passes.disabled else varied.passes
        ways = {rule.ways for rule in versions}
        [way] = next(iter(ways)) if len(ways) == 1 and len(next(iter(ways))) == 1 else [None]
        demands = [] if way is None else ["/".join(demand) for demand in way.required]
        self.required = tuple(
            widgets.Checkbox(
                varied.required is None or demand in varied.required,
                description=" / ".join(self._subjects.get(code, code) for code in demand.split("/")),
                indent=False, layout={"width": "auto", "margin": "0 1.5em 0 0"},
            )
            for demand in demands
        )  # fmt: skip
        self._codes = demands
        head = widgets.Label(self._say("required") + ":")
        self._demands.children = (head, *self.required) if self.required else ()
        for box in self.required:
            box.observe(self._follow, "value")

    def _change_rule(self, _change: object) -> None:
        self.parts["passes"].unobserve(self._follow, "value")
        self._show_rule(GroupRule())
        self.parts["passes"].observe(self._follow, "value")
        self._follow()

    def _chosen_rule(self) -> GroupRule:
        kept = tuple(code for code, box in zip(self._codes, self.required, strict=True) if box.value)
        values = {name: self.parts[name].value for name in ("threshold", "no_change", "eligibility", "passes")}
        values["eligibility"] = None if values["eligibility"] == self._declared.rule else values["eligibility"]
        required = None if len(kept) == len(self.required) else kept
        return GroupRule(**values | {"threshold": round(values["threshold"], 1)}, required=required)

    def _between(self, records: StudentRecords) -> StudentRecords:
        """Return the records with the terms that are compared; a single term is compared with the next, or the last."""
        declared, terms = records.declaration, self._declared.terms
        first, last = (terms.index(term) for term in self.parts["terms"].value)
        if first == last:
            first, last = (first, last + 1) if last + 1 < len(terms) else (first - 1, last)
        start, end = terms[first], terms[last]
        if (start, end) == (declared.start, declared.end):
            return records
        stages = {start, *(set(declared.stages) & set(terms[first : last + 1])), end}
        order = tuple(term for term in terms if term in stages)
        return records.under(replace(declared, start=start, end=end, stages=order))

    def _follow(self, _change: object = None) -> None:
        rule, records = self._chosen_rule(), self._all
        picked = {name: part.value for name, part in self.parts.items() if name in _COLUMNS}
        students = open_frame(records.students)
        for name, value in picked.items():
            if value is not None:
                students = students.filter(nw.col(_COLUMNS[name]) == value)
        if any(value is not None for value in picked.values()):
            records = records.only(students)
        if (rule.eligibility, rule.passes, rule.required) != (None, None, None):
            records = under(records, rule)
        self._count.value = self._counted(records)
        with self.hold_trait_notifications():
            self.rule, self.records = rule, self._between(records)

    def _counted(self, records: StudentRecords) -> str:
        chosen, every = (
            int(collect(open_frame(one.students).select(nw.len().alias("n")))["n"].iloc[0])
            for one in (records, self._all)
        )
        if not chosen:
            return escape(self._say("nobody"))
        blanks = {"chosen": self._words.number(chosen), "all": self._words.students(every)}
        return escape(self._words.say("controls.chosen", **blanks))


def _display(draw: Callable[[StudentRecords, GroupRule], object], records: StudentRecords, rule: GroupRule) -> None:
    """Show what is drawn of records; where they are too few for it, say why."""
    from IPython.display import display

    try:
        display(draw(records, rule))  # type: ignore[no-untyped-call]
    except NbanalyticsError as refusal:
        display({"text/plain": str(refusal)}, raw=True)  # type: ignore[no-untyped-call]


def controls(
    records: StudentRecords,
    cohort: int | None = None,
    school: str | None = None,
    sex: str | None = None,
    newly_arrived: bool | None = None,
    rule: GroupRule | None = None,
    lang: str = "en",
) -> Controls:
    """Show controls over records in a notebook: who, by which rule, and between which terms.

    Parameters
    ----------
    records : StudentRecords
        Of any kind of dataframe.
    cohort, school, sex, newly_arrived : optional
        Values of the students' columns ``cohort``, ``school_id``, ``sex`` and ``newly_arrived`` that are chosen at
        first; None for all.
    rule : GroupRule, optional
        The rule at first; by default the records' own.
    lang : str
        ``"sv"`` or ``"en"``.

    Returns
    -------
    Controls
        A widget. ``.records`` and ``.rule`` are what is chosen, at once and whenever it changes: they are traitlets, so
        that ``observe`` calls a function then. ``.show(function)`` shows a result or a figure that follows. It works
        without a front end, too.

    Raises
    ------
    NbanalyticsError
        If the records have no such column, value or language.

    Examples
    --------
    >>> import nbanalytics as nb
    >>> from nbanalytics.simulation import simulate
    >>> choice = nb.controls(simulate(seed=1, cohorts=[2018, 2019]).records, cohort=2018)
    >>> nb.classify(choice.records, choice.rule).counts["students"].tolist()[-1]
    23
    >>> choice.parts["passes"].value = 9  # as if it were chosen
    >>> choice.rule.passes, nb.classify(choice.records, choice.rule).counts["students"].tolist()[-1]
    (9, 22)
    """
    if lang not in LANGUAGES:
        raise NbanalyticsError(f"there are no words in the language {lang!r}", f"Choose among: {', '.join(LANGUAGES)}.")
    chosen = {"cohort": cohort, "school": school, "sex": sex, "newly_arrived": newly_arrived}
    return Controls(records, chosen, rule or GroupRule(), lang)
