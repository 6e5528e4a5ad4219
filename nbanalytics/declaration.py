"""The declaration of a records folder: scale, rule, terms and stages, so that no country is built into the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbanalytics.errors import DataError, meant
from nbanalytics.grading import DEFAULT_RULE, Catalogue, Grading, default_catalogue, parse_catalogue
from nbanalytics.toml_files import read_toml

#: File name of the declaration in a records folder.
DECLARATION_FILE = "records.toml"
#: Terms of the Swedish compulsory school with grades: autumn and spring of years 6 to 9.
SWEDISH_TERMS = ("6HT", "6VT", "7HT", "7VT", "8HT", "8VT", "9HT", "9VT")
#: The stage after the last term in flows; its states are programme kinds.
AFTER = "upper_secondary"

#: The keys of each section; None where others check them.
_KEYS: dict[str, frozenset[str] | None] = {
    "records": frozenset({"name", "synthetic", "newly_arrived", "note"}),
    "terms": frozenset({"order", "start", "end", "stages"}),
    "grading": frozenset({"rule", "scale"}),
    "scale": None,
    "rule": None,
    "subject": None,
    "subjects": frozenset({"alternates", "language"}),
}
#: Sections of which each key is a single text, list or flag.
_PLAIN = ("records", "terms", "grading")


@dataclass(frozen=True)
class Declaration:
    """What a set of records says of itself.

    Attributes
    ----------
    name : str
        Whose records they are, for titles.
    synthetic : bool
        Whether they are made by the simulator.
    terms : tuple of str
        All terms with grades, in order of time.
    start, end : str
        The two terms that are compared (spring of year 6 and of year 9).
    stages : tuple of str
        The terms shown as stages of a flow, from ``start`` to ``end``.
    rule, scale : str
        Names in the catalogue; ``scale=None`` picks the one that holds for the cohort.
    newly_arrived : str
        The definition behind the flag of that name, kept with the data.
    """

    name: str = ""
    synthetic: bool = False
    terms: tuple[str, ...] = SWEDISH_TERMS
    start: str = "6VT"
    end: str = "9VT"
    stages: tuple[str, ...] = ("6VT", "7VT", "8VT", "9VT")
    rule: str = DEFAULT_RULE
    scale: str | None = None
    newly_arrived: str = "nyanländ, Education Act 3:12 a"
    note: str = ""
    catalogue: Catalogue = field(default_factory=default_catalogue, repr=False)

    @property
    def followed_terms(self) -> tuple[str, ...]:
        """Terms from ``start`` to ``end``, both included; the first is the origin of the life table."""
        return self.terms[self.terms.index(self.start) : self.terms.index(self.end) + 1]

    def grading(self, cohort: int) -> Grading:
        """Scale and rule of a cohort; see :meth:`nbanalytics.grading.Catalogue.grading` for errors."""
        return self.catalogue.grading(cohort, rule=self.rule, scale=self.scale)


def read_declaration(path: Path) -> Declaration:
    r"""Read ``records.toml``; a folder without one is Swedish compulsory school.

    Parameters
    ----------
    path : Path
        The file, which need not be there.

    Returns
    -------
    Declaration
        What the file leaves out is as in Swedish compulsory school.

    Raises
    ------
    DataError
        If the file cannot be opened, is not TOML, has a key that means nothing, or terms that do not fit together.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "records.toml"
    >>> _ = file.write_text('[terms]\norder = ["G1", "G2"]', encoding="utf-8")
    >>> read_declaration(file).end, read_declaration(file.with_name("none.toml")).end
    ('G2', '9VT')
    """
    if not path.exists():
        return Declaration()
    return parse_declaration(read_toml(path), path.name)


def parse_declaration(data: Mapping[str, Any], where: str = DECLARATION_FILE) -> Declaration:
    """Build a declaration from parsed TOML; see :func:`read_declaration`."""
    _refuse_unknown_keys(data, where)
    general, terms, grading = data.get("records", {}), data.get("terms", {}), data.get("grading", {})
    _refuse_wrong_kinds({"records": general, "terms": terms, "grading": grading}, where)
    order = tuple(terms.get("order", SWEDISH_TERMS))
    default = Declaration()
    declared = Declaration(
        name=str(general.get("name", "")),
        synthetic=bool(general.get("synthetic", False)),
        note=str(general.get("note", "")),
        newly_arrived=str(general.get("newly_arrived", default.newly_arrived)),
        terms=order,
        start=terms.get("start", order[0] if "order" in terms else default.start),
        end=terms.get("end", order[-1] if "order" in terms else default.end),
        stages=tuple(terms.get("stages", order if "order" in terms else default.stages)),
        rule=grading.get("rule", default.rule),
        scale=grading.get("scale"),
        catalogue=parse_catalogue(data, base=default_catalogue()),
    )
    _check_terms(declared, where)
    return declared


def _refuse_unknown_keys(data: Mapping[str, Any], where: str) -> None:
    for section, content in data.items():
        if section in _PLAIN and not isinstance(content, Mapping):
            raise DataError(f"{where}: {section} is no section. Write [{section}] on a line of its own.")
        if section not in _KEYS:
            raise DataError(f"{where}: section [{section}] means nothing here. {meant(section, sorted(_KEYS))}")
        known = _KEYS[section]
        strange = [] if known is None else [key for key in content if key not in known]
        if strange:
            hint = meant(strange[0], sorted(known or ()))
            raise DataError(f"{where}: key {strange[0]!r} in [{section}] means nothing here. {hint}")


def _refuse_wrong_kinds(sections: Mapping[str, Mapping[str, Any]], where: str) -> None:
    for section, content in sections.items():
        for key, value in content.items():
            if key in ("order", "stages"):
                fits = isinstance(value, list) and value and all(isinstance(term, str) for term in value)
                meant_kind = 'a list of terms, such as ["6VT", "9VT"]'
            elif key == "synthetic":
                fits, meant_kind = isinstance(value, bool), "true or false, without quotation marks"
            else:
                fits, meant_kind = isinstance(value, str), 'text, in quotation marks: "…"'
            if not fits:
                raise DataError(f"{where}: {key} in [{section}] is of the wrong kind. Write {meant_kind}.")


def _check_terms(declared: Declaration, where: str) -> None:
    named = (declared.start, declared.end, *declared.stages)
    unknown = sorted({term for term in named if term not in declared.terms})
    if unknown:
        raise DataError(f"{where}: start, end or stages name {', '.join(unknown)}, not in [terms] order. Add or mend.")
    if declared.terms.index(declared.start) >= declared.terms.index(declared.end):
        raise DataError(f"{where}: [terms] start {declared.start} is not before end {declared.end}. Mend one of them.")
    if len(set(declared.terms)) < len(declared.terms):
        raise DataError(f"{where}: [terms] order names a term twice. Name each once, in order of time.")
