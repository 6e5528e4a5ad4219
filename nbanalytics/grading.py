"""Grade scales, eligibility rules and subjects: versioned data from ``grading.toml``, picked by cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, TypeVar

from nbanalytics.errors import GradingError, begins_like_formula, meant
from nbanalytics.toml_files import OWN_NAME, Toml, packaged_toml, read_table

#: The rule that decides "eligible" by default.
DEFAULT_RULE = "vocational"
#: No basis for a grade because of absence: not a grade and not a fail.
STRECK = "-"

_Versioned = TypeVar("_Versioned", "Scale", "Rule")


@dataclass(frozen=True)
class Scale:
    """A grade scale: points by grade (lowest first), the passing grades, and marks that are not grades."""

    name: str
    points: Annotated[Mapping[str, float], Toml(filled=True)]
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
    ways: Annotated[tuple[Way, ...], Toml(key="way")] = ()
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

    code: Annotated[str, Toml(key=OWN_NAME)]
    sv: str = ""
    en: str = ""
    comparable: bool = True
    block: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """A subject without an English name bears the Swedish one, and one without a name its code."""
        object.__setattr__(self, "sv", self.sv or self.code)
        object.__setattr__(self, "en", self.en or self.sv)


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

        ``passes`` are those in all, by default as many as each way of the rule asks for. A demand such as ``"SV/SVA"``
        is met by either; with ``required`` the rule has one way, by default it keeps those of each way.

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
            raise GradingError(
                f"No subject {', '.join(strange)} can be required", f"Known: {', '.join(self.subjects)}."
            )
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
        known = dict.fromkeys(item.name for item in items)
        raise GradingError(f"There is no {what} named {name!r}", meant(str(name), known, "Choose from"))
    fitting = [item for item in named if _holds(item, cohort)]
    if not fitting:
        spans = ", ".join(f"{item.first_cohort or '…'}-{item.last_cohort or '…'}" for item in named)
        others = ", ".join(dict.fromkeys(item.name for item in items if _holds(item, cohort))) or "none"
        asked = f"{what} {name!r} does" if name else f"{what}s known do"
        raise GradingError(
            f"The {asked} not hold for cohort {cohort} (it holds for {spans})",
            f"Those that do: {others}; or declare a [[{what}]] of your own in records.toml.",
        )
    return fitting[-1]


# ------------------------------------------------------------------ declared in TOML


@dataclass(frozen=True)
class SubjectsSection:
    """What is declared of subjects together: which of them are alternates, and the language courses."""

    alternates: tuple[tuple[str, ...], ...] = ()
    language: str | None = None


@dataclass(frozen=True)
class CatalogueFile:
    """The sections of a TOML file that declare scales, rules and subjects."""

    scale: tuple[Scale, ...] = ()
    rule: tuple[Rule, ...] = ()
    subject: Mapping[str, Subject] = field(default_factory=dict)
    subjects: SubjectsSection = SubjectsSection()


_SECTIONS = ("scale", "rule", "subject", "subjects")


@cache
def default_catalogue() -> Catalogue:
    """Return the scales, rules and subjects that come with the package.

    Examples
    --------
    >>> [scale.name for scale in default_catalogue().scales]
    ['IG-MVG', 'A-F', '1-10']
    """
    return parse_catalogue(packaged_toml("nbanalytics", "grading.toml"))


def parse_catalogue(
    data: Mapping[str, object], base: Catalogue | None = None, where: str = "grading.toml"
) -> Catalogue:
    """Read scales, rules and subjects from parsed TOML; what is not declared is taken from ``base``.

    Scales are replaced as a whole if any is declared, and so are rules; subjects are added one by one.

    Raises
    ------
    GradingError
        If a key is missing or unknown, a value is of the wrong kind, a passing grade or an alias is not in its scale,
        or a subject that is named is not declared.

    Examples
    --------
    >>> own = parse_catalogue({"rule": [{"name": "own", "mean_at_least": 12}]}, base=default_catalogue())
    >>> own.grading(2018, rule="own").rule.mean_at_least
    12.0
    """
    declared = read_table(CatalogueFile, {key: data[key] for key in data if key in _SECTIONS}, where, GradingError)
    general = declared.subjects
    catalogue = Catalogue(
        scales=tuple(map(_ordered, declared.scale)) or (base.scales if base else ()),
        rules=declared.rule or (base.rules if base else ()),
        subjects={**(base.subjects if base else {}), **declared.subject},
        alternates=general.alternates or (base.alternates if base else ()),
        language=general.language or (base.language if base else None),
    )
    _refuse_strangers(catalogue, where)
    return catalogue


def _ordered(scale: Scale) -> Scale:
    return replace(scale, points=dict(sorted(scale.points.items(), key=lambda item: item[1])))


def _refuse_strangers(catalogue: Catalogue, where: str) -> None:
    """Refuse what names a grade or a subject that is not declared, and a rule that asks for nothing."""
    for scale in catalogue.scales:
        unknown = (scale.passing - set(scale.points)) | (
            set(scale.aliases.values()) - set(scale.points) - set(scale.marks)
        )
        if unknown:
            raise GradingError(
                f"{', '.join(map(repr, sorted(unknown)))} is passing or the meaning of an alias, but not in points or "
                "marks",
                "Add it to points or marks, or remove it.",
                f"{where}, scale {scale.name!r}",
            )
    for code, subject in catalogue.subjects.items():
        if any(map(begins_like_formula, (code, subject.sv, subject.en))):
            remedy = "Begin codes and names with a letter or digit: a spreadsheet would compute them."
            raise GradingError("a code or name begins like a formula", remedy, f"{where}, [subject.{code}]")
    for rule in catalogue.rules:
        if not rule.ways and rule.mean_at_least is None:
            raise GradingError(
                "neither [[rule.way]] nor mean_at_least is declared",
                "Write one of them.",
                f"{where}, rule {rule.name!r}",
            )
    named = {f"rule {rule.name!r}": {code for one in rule.demands for code in one} for rule in catalogue.rules}
    named["[subjects]"] = {code for group in catalogue.alternates for code in group} | {catalogue.language or ""}
    named |= {f"[subject.{code}]": set(subject.block) for code, subject in catalogue.subjects.items()}
    for place, codes in named.items():
        if strange := sorted(codes - set(catalogue.subjects) - {""}):
            hint = meant(strange[0], catalogue.subjects)
            raise GradingError(
                f"{', '.join(strange)} is not a declared subject",
                f"{hint} Or declare it as [subject.{strange[0]}].",
                f"{where}, {place}",
            )
