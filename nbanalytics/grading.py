"""Grade scales, eligibility rules and subjects: versioned data from ``grading.toml``, picked by cohort."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

from nbanalytics.errors import GradingError, meant
from nbanalytics.toml_files import packaged_toml

#: The rule that decides "eligible" unless another is asked for.
DEFAULT_RULE = "vocational"
#: No basis for a grade because of absence: not a grade and not a fail.
STRECK = "-"

_Versioned = TypeVar("_Versioned", "Scale", "Rule")


@dataclass(frozen=True)
class Scale:
    """A grade scale: points by grade (lowest first), the passing grades, and marks that are no grades."""

    name: str
    points: Mapping[str, float]
    passing: frozenset[str]
    marks: tuple[str, ...] = (STRECK,)
    aliases: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    first_cohort: int | None = None
    last_cohort: int | None = None
    source: str = ""

    @property
    def order(self) -> tuple[str, ...]:
        """The grades, lowest first."""
        return tuple(self.points)

    def knows(self, grade: str) -> bool:
        """Whether ``grade`` is a grade, a mark or an alias of this scale."""
        return grade in self.points or grade in self.marks or grade in self.aliases


@dataclass(frozen=True)
class Way:
    """One way to be eligible: demands that each want a pass in any of their subjects, and passes in all."""

    required: tuple[tuple[str, ...], ...]
    passes: int


@dataclass(frozen=True)
class Rule:
    """An eligibility rule: met by any of its ways, or by a mean of the grade points."""

    name: str
    ways: tuple[Way, ...] = ()
    mean_at_least: float | None = None
    version: str = ""
    first_cohort: int | None = None
    last_cohort: int | None = None
    source: str = ""

    @property
    def demands(self) -> tuple[tuple[str, ...], ...]:
        """Every demand of every way, once."""
        return tuple(dict.fromkeys(demand for way in self.ways for demand in way.required))


@dataclass(frozen=True)
class Subject:
    """A subject: code, names, whether year 6 and 9 can be compared in it, what a block grade stands for."""

    code: str
    sv: str
    en: str
    comparable: bool = True
    block: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grading:
    """The scale and the rule of one cohort, with the subjects they speak of."""

    scale: Scale
    rule: Rule
    subjects: Mapping[str, Subject]
    alternates: tuple[tuple[str, ...], ...] = ()
    language: str | None = None

    @property
    def not_comparable(self) -> tuple[str, ...]:
        """Subjects left out when a student's grades are compared over years."""
        return tuple(code for code, subject in self.subjects.items() if not subject.comparable)


@dataclass(frozen=True)
class Catalogue:
    """All scales, rules and subjects that a set of records may use."""

    scales: tuple[Scale, ...]
    rules: tuple[Rule, ...]
    subjects: Mapping[str, Subject]
    alternates: tuple[tuple[str, ...], ...] = ()
    language: str | None = None

    def grading(self, cohort: int, rule: str = DEFAULT_RULE, scale: str | None = None) -> Grading:
        """Pick scale and rule for a cohort.

        Parameters
        ----------
        cohort : int
            The year in which the cohort leaves its last term.
        rule : str
            Name of the eligibility rule.
        scale : str, optional
            Name of the scale; by default the one that holds for the cohort.

        Returns
        -------
        Grading

        Raises
        ------
        GradingError
            If no scale or rule of that name holds for the cohort.

        Examples
        --------
        >>> from nbanalytics.grading import default_catalogue
        >>> default_catalogue().grading(2018).scale.name
        'A-F'
        >>> default_catalogue().grading(2010, scale="A-F")
        Traceback (most recent call last):
        ...
        nbanalytics.errors.GradingError: The scale 'A-F' does not hold for cohort 2010 (it holds for 2013-2031). ...
        """
        return Grading(
            scale=_pick(self.scales, "scale", cohort, scale),
            rule=_pick(self.rules, "rule", cohort, rule),
            subjects=self.subjects,
            alternates=self.alternates,
            language=self.language,
        )

    def varied(self, rule: str, passes: int | None = None, required: Sequence[str] | None = None) -> Catalogue:
        """Return the same catalogue with other demands in the rule of a name.

        Parameters
        ----------
        rule : str
            Name of the rule.
        passes : int, optional
            Passes in all; by default as many as each way of the rule asks for.
        required : sequence of str, optional
            Demands as :func:`nbanalytics.eligibility.term_results` writes what is missing: ``"SV/SVA"`` is met by
            either. The rule has one way then. By default those of each way.

        Raises
        ------
        GradingError
            If a subject is not in the catalogue.

        Examples
        --------
        >>> from nbanalytics.grading import default_catalogue
        >>> looser = default_catalogue().varied("vocational", passes=6, required=["SV/SVA", "EN"])
        >>> looser.grading(2018).rule.ways
        (Way(required=(('SV', 'SVA'), ('EN',)), passes=6),)
        """
        demands = None if required is None else tuple(tuple(demand.split("/")) for demand in required)
        strange = sorted({code for demand in demands or () for code in demand} - set(self.subjects))
        if strange:
            raise GradingError(f"No subject {', '.join(strange)} can be required. Known: {', '.join(self.subjects)}.")
        return replace(
            self, rules=tuple(_varied(held, passes, demands) if held.name == rule else held for held in self.rules)
        )


def _varied(rule: Rule, passes: int | None, demands: tuple[tuple[str, ...], ...] | None) -> Rule:
    ways = rule.ways[:1] if demands is not None else rule.ways
    changed = (
        Way(way.required if demands is None else demands, way.passes if passes is None else passes) for way in ways
    )
    return replace(rule, ways=tuple(changed))


def _holds(item: Scale | Rule, cohort: int) -> bool:
    return (item.first_cohort or cohort) <= cohort <= (item.last_cohort or cohort)


def _pick(items: Sequence[_Versioned], what: str, cohort: int, name: str | None) -> _Versioned:
    named = [item for item in items if name is None or item.name == name]
    if not named:
        known = ", ".join(dict.fromkeys(item.name for item in items))
        raise GradingError(f"There is no {what} named {name!r}. Choose one of: {known}.")
    fitting = [item for item in named if _holds(item, cohort)]
    if not fitting:
        spans = ", ".join(f"{item.first_cohort or '…'}-{item.last_cohort or '…'}" for item in named)
        others = ", ".join(dict.fromkeys(item.name for item in items if _holds(item, cohort))) or "none"
        asked = f"{what} {name!r} does" if name else f"{what}s known do"
        raise GradingError(
            f"The {asked} not hold for cohort {cohort} (it holds for {spans}). "
            f"Those that do: {others}; or declare a [[{what}]] of your own in records.toml."
        )
    return fitting[-1]


# ------------------------------------------------------------------ declared in TOML

_VALIDITY = ("version", "first_cohort", "last_cohort", "source")
#: The keys of each table.
_KEYS = {
    "scale": ("name", "points", "passing", "marks", "aliases", *_VALIDITY),
    "rule": ("name", "way", "mean_at_least", *_VALIDITY),
    "rule.way": ("required", "passes"),
    "subject": ("sv", "en", "comparable", "block"),
}


@cache
def default_catalogue() -> Catalogue:
    """Return the scales, rules and subjects that come with the package.

    Examples
    --------
    >>> [scale.name for scale in default_catalogue().scales]
    ['IG-MVG', 'A-F', '1-10']
    """
    return parse_catalogue(packaged_toml("nbanalytics", "grading.toml"))


def parse_catalogue(data: Mapping[str, Any], base: Catalogue | None = None) -> Catalogue:
    """Read scales, rules and subjects from parsed TOML; what is not declared is taken from ``base``.

    Parameters
    ----------
    data : mapping
        With any of ``scale`` (list), ``rule`` (list), ``subject`` (table of tables) and ``subjects``.
    base : Catalogue, optional
        Scales are replaced as a whole if any is declared, and so are rules; subjects are added one by one.

    Returns
    -------
    Catalogue

    Raises
    ------
    GradingError
        If a table lacks a key or has one that means nothing, a value is of another kind, a passing grade or an alias
        is not in its scale, or a subject that is spoken of is none.

    Examples
    --------
    >>> own = parse_catalogue({"rule": [{"name": "own", "mean_at_least": 12}]}, base=default_catalogue())
    >>> own.grading(2018, rule="own").rule.mean_at_least
    12.0
    """
    scales = tuple(_scale(entry, where) for entry, where in _tables(data, "scale"))
    rules = tuple(_rule(entry, where) for entry, where in _tables(data, "rule"))
    subjects = dict(base.subjects) if base else {}
    for code, entry in data.get("subject", {}).items():
        subjects[code] = _subject(code, entry)
    general = data.get("subjects", {})
    alternates = _lists(general.get("alternates", []), "[subjects] alternates")
    catalogue = Catalogue(
        scales=scales or (base.scales if base else ()),
        rules=rules or (base.rules if base else ()),
        subjects=subjects,
        alternates=alternates or (base.alternates if base else ()),
        language=general.get("language", base.language if base else None),
    )
    _refuse_strangers(catalogue)
    return catalogue


def _tables(data: Mapping[str, Any], name: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Go through the tables of a name, each with what to call it in a message."""
    entries = data.get(name.rpartition(".")[2], [])
    if not isinstance(entries, list):
        raise GradingError(f"{name} is not a list of tables. Write each as [[{name}]].")
    for place, entry in enumerate(entries, start=1):
        where = f"[[{name}]] number {place}"
        _refuse_keys(entry, name, where)
        yield entry, where


def _refuse_keys(entry: Any, name: str, where: str) -> None:
    if not isinstance(entry, Mapping):
        raise GradingError(f"{where} is not a table. Write it with a key on each line; grading.toml shows the form.")
    for key in entry:
        if key not in _KEYS[name]:
            raise GradingError(f"{where}: {key!r} means nothing here. {meant(str(key), _KEYS[name])}")


def _needed(entry: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in entry:
        raise GradingError(f"{where} lacks the key {key!r}. Add it; the package's grading.toml shows the form.")
    return entry[key]


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise GradingError(f"{what} = {value!r} is not a number. Write digits with a decimal point.")
    return float(value)


def _whole(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise GradingError(f"{what} = {value!r} is not a whole number. Write digits alone.")
    return value


def _texts(values: Any, what: str) -> tuple[str, ...]:
    if isinstance(values, str | Mapping) or not isinstance(values, list | tuple):
        raise GradingError(f'{what} is not a list. Write it as ["A", "B"].')
    return tuple(str(value) for value in values)


def _lists(values: Any, what: str) -> tuple[tuple[str, ...], ...]:
    if not isinstance(values, list | tuple) or not all(isinstance(group, list | tuple) for group in values):
        raise GradingError(f'{what} is not a list of lists. Write it as [["SV", "SVA"], ["EN"]], a single one too.')
    return tuple(_texts(group, what) for group in values)


def _scale(entry: Mapping[str, Any], where: str) -> Scale:
    name, held = str(_needed(entry, "name", where)), _needed(entry, "points", where)
    aliases = entry.get("aliases", {})
    if not isinstance(held, Mapping) or not isinstance(aliases, Mapping):
        raise GradingError(f"Scale {name!r}: points or aliases is not a table. Write it as {{ E = 10, F = 0 }}.")
    points = {str(grade): _number(value, f"Scale {name!r}: points of {grade}") for grade, value in held.items()}
    passing = frozenset(_texts(_needed(entry, "passing", where), f"Scale {name!r}: passing"))
    marks = _texts(entry.get("marks", (STRECK,)), f"Scale {name!r}: marks")
    aliases = {str(code): str(meaning) for code, meaning in aliases.items()}
    unknown = sorted((passing - set(points)) | (set(aliases.values()) - set(points) - set(marks)))
    if unknown or not points:
        raise GradingError(
            f"Scale {name!r}: {', '.join(unknown) or 'no grade'} is passing or an alias but not in 'points' or "
            "'marks'. Add it there or remove it here."
        )
    ordered = dict(sorted(points.items(), key=lambda item: item[1]))
    return Scale(name=name, points=ordered, passing=passing, marks=marks, aliases=aliases, **_validity(entry, where))


def _rule(entry: Mapping[str, Any], where: str) -> Rule:
    name = str(_needed(entry, "name", where))
    ways = tuple(
        Way(
            required=_lists(_needed(way, "required", at), f"Rule {name!r}: required"),
            passes=_whole(_needed(way, "passes", at), f"Rule {name!r}: passes"),
        )
        for way, at in _tables(entry, "rule.way")
    )
    mean = entry.get("mean_at_least")
    if not ways and mean is None:
        raise GradingError(f"Rule {name!r} has neither [[rule.way]] nor 'mean_at_least'. Give one of them.")
    least = None if mean is None else _number(mean, f"Rule {name!r}: mean_at_least")
    return Rule(name=name, ways=ways, mean_at_least=least, **_validity(entry, where))


def _subject(code: str, entry: Any) -> Subject:
    where = f"[subject.{code}]"
    _refuse_keys(entry, "subject", where)
    return Subject(
        code=code,
        sv=entry.get("sv", code),
        en=entry.get("en", entry.get("sv", code)),
        comparable=entry.get("comparable", True),
        block=_texts(entry.get("block", ()), f"{where} block"),
    )


def _validity(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    cohorts = {key: entry.get(key) for key in ("first_cohort", "last_cohort")}
    known = {key: year if year is None else _whole(year, f"{where}: {key}") for key, year in cohorts.items()}
    return {"version": entry.get("version", ""), "source": entry.get("source", ""), **known}


def _refuse_strangers(catalogue: Catalogue) -> None:
    """Refuse a demand, an alternate, a block or a language that no subject can meet."""
    spoken = {f"rule {rule.name!r}": {code for one in rule.demands for code in one} for rule in catalogue.rules}
    spoken["[subjects]"] = {code for group in catalogue.alternates for code in group} | {catalogue.language or ""}
    spoken |= {f"[subject.{code}]": set(subject.block) for code, subject in catalogue.subjects.items()}
    for where, codes in spoken.items():
        if strange := sorted(codes - set(catalogue.subjects) - {""}):
            hint = meant(strange[0], catalogue.subjects)
            raise GradingError(
                f"{where} speaks of {', '.join(strange)}, which is no subject. {hint} Or declare it as "
                f"[subject.{strange[0]}]."
            )
