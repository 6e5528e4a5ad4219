"""The declaration of a records folder: scale, rule, terms and stages, so that no country is built into the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated

from nbanalytics.errors import DataError, begins_like_formula, meant
from nbanalytics.grading import DEFAULT_RULE, Catalogue, CatalogueFile, Grading, default_catalogue, parse_catalogue
from nbanalytics.toml_files import Toml, read_table, read_toml

#: File name of the declaration in a records folder.
DECLARATION_FILE = "records.toml"
#: Terms of the Swedish compulsory school with grades: autumn and spring of years 6 to 9.
SWEDISH_TERMS = ("6HT", "6VT", "7HT", "7VT", "8HT", "8VT", "9HT", "9VT")
#: The stage after the last term in flows; its states are programme kinds.
AFTER = "upper_secondary"


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


@dataclass(frozen=True)
class _Records:
    name: str = ""
    synthetic: bool = False
    newly_arrived: str = Declaration.newly_arrived
    note: str = ""


@dataclass(frozen=True)
class _Terms:
    order: Annotated[tuple[str, ...], Toml(filled=True)] = ()
    start: str = ""
    end: str = ""
    stages: Annotated[tuple[str, ...], Toml(filled=True)] = ()


@dataclass(frozen=True)
class _Grading:
    rule: str = DEFAULT_RULE
    scale: str | None = None


@dataclass(frozen=True)
class _DeclarationFile(CatalogueFile):
    records: _Records = _Records()
    terms: _Terms = _Terms()
    grading: _Grading = _Grading()


def read_declaration(path: Path) -> Declaration:
    r"""Read ``records.toml``; what the file leaves out, or a folder without it, is as in Swedish compulsory school.

    Raises
    ------
    DataError
        If the file cannot be opened, is not TOML, has an unknown key, or terms that do not fit together.

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


def parse_declaration(data: Mapping[str, object], where: str = DECLARATION_FILE) -> Declaration:
    """Build a declaration from parsed TOML; see :func:`read_declaration`."""
    declared = read_table(_DeclarationFile, data, where)
    terms, default = declared.terms, Declaration()
    order = terms.order or default.terms
    made = Declaration(
        **{one.name: getattr(declared.records, one.name) for one in fields(declared.records)},
        terms=order,
        start=terms.start or (order[0] if terms.order else default.start),
        end=terms.end or (order[-1] if terms.order else default.end),
        stages=terms.stages or (order if terms.order else default.stages),
        rule=declared.grading.rule,
        scale=declared.grading.scale,
        catalogue=parse_catalogue(data, default_catalogue(), where),
    )
    _check_terms(made, f"{where}, [terms]")
    return made


def _check_terms(declared: Declaration, where: str) -> None:
    if strange := [term for term in declared.terms if begins_like_formula(term)]:
        remedy = "Begin it with a letter or digit: a spreadsheet that opens a published table would compute it."
        raise DataError(f"the term {strange[0]!r} begins like a formula", remedy, where)
    named = (declared.start, declared.end, *declared.stages)
    unknown = sorted({term for term in named if term not in declared.terms})
    if unknown:
        raise DataError(
            f"{', '.join(unknown)} in start, end or stages is not in order", meant(unknown[0], declared.terms), where
        )
    if declared.terms.index(declared.start) >= declared.terms.index(declared.end):
        raise DataError(f"start {declared.start} is not before end {declared.end}", "Change one of them.", where)
    if len(set(declared.terms)) < len(declared.terms):
        raise DataError("order has a term more than once", "Write each term once, in order of time.", where)
