"""What a release declares: its filters, tables and measures and how many filters may be crossed, read from TOML."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nbanalytics.errors import DisclosureError, meant
from nbanalytics.toml_files import packaged_toml, read_toml

STATUSES = ("fully", "partially", "unassessed")
_TEXTS = ("name", "email", "phone", "web", "country")
_PUBLISHER = (*_TEXTS, "status", "assessed", "problems")
_LANGUAGES = ("sv", "en")


def parse_presented(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Read the tables ``[publisher]`` and ``[words.sv]``, ``[words.en]`` of a declaration.

    Parameters
    ----------
    data
        The declaration, parsed.
    where
        Its name, for errors.

    Returns
    -------
    dict
        ``publisher`` and ``words`` as they go into the manifest; each only if it is declared.

    Raises
    ------
    DisclosureError
        If a key is unknown or a value is no text.

    Examples
    --------
    >>> parse_presented({"words": {"en": {"stage.upper_secondary": "High school"}}}, "declaration.toml")
    {'words': {'en': {'stage.upper_secondary': 'High school'}}}
    """
    found: dict[str, Any] = {}
    if "publisher" in data:
        found["publisher"] = _publisher(
            _presented_table(data["publisher"], f"{where}, [publisher]"), f"{where}, [publisher]"
        )
    if "words" in data:
        words = _presented_table(data["words"], f"{where}, [words]")
        _refuse_others(words, _LANGUAGES, f"{where}, [words]")
        found["words"] = {lang: _words(words[lang], f"{where}, [words.{lang}]") for lang in words}
    return found


def _publisher(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    _refuse_others(entry, _PUBLISHER, where)
    for key in _TEXTS:
        if not isinstance(entry.get(key, ""), str):
            raise DisclosureError(f'{where}: {key} is no text. Write it as {key} = "…".')
    if entry.get("status", "unassessed") not in STATUSES:
        raise DisclosureError(f"{where}: status is one of {', '.join(STATUSES)}. Mend it.")
    problems = entry.get("problems", [])
    if not isinstance(problems, list) or not all(isinstance(text, str) for text in problems):
        raise DisclosureError(f'{where}: problems is no list of sentences. Write it as ["…", "…"].')
    kept = dict(entry)
    if "assessed" in kept:
        try:
            kept["assessed"] = date.fromisoformat(str(kept["assessed"])).isoformat()
        except ValueError:
            raise DisclosureError(f"{where}: assessed is no date. Write it as 2026-11-21.") from None
    return kept


def _words(entry: Any, where: str) -> dict[str, str]:
    words = _presented_table(entry, where)
    wrong = [key for key, text in words.items() if not isinstance(text, str)]
    if wrong:
        raise DisclosureError(f'{where}: {wrong[0]} is no text. Write the key in quotes, as "{wrong[0]}.…" = "…".')
    return dict(words)


def _presented_table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DisclosureError(f"{where} is no table of TOML. Give it lines of the form key = value.")
    return value


def _refuse_others(entry: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    others = [key for key in entry if key not in known]
    if others:
        raise DisclosureError(f"{where}: there is no {others[0]!r}. Choose among: {', '.join(known)}.")


#: What each measure that is no count is made of.
_MADE_OF = {
    "mean_points": ("students",),
    "mean_merit": ("students",),
    "mean_absence": ("students",),
    "hazard": ("at_risk", "lost"),
    "survival": ("at_risk", "lost"),
}


@dataclass(frozen=True)
class DeclaredTable:
    """A table of a release.

    Attributes
    ----------
    dimensions : tuple of str
        Beside the filters, in the order of the columns.
    measures : tuple of str
    max_crossed : int
        How many filters may be set at once.
    """

    dimensions: tuple[str, ...]
    measures: tuple[str, ...]
    max_crossed: int


@dataclass(frozen=True)
class Declared:
    """All that a release may say.

    Attributes
    ----------
    filters : tuple of str
    max_crossed : int
        How many filters may be set at once in any table.
    tables : mapping of str to DeclaredTable
    presented : mapping of str
        The publisher, and the publication's own words; see :mod:`nbanalytics.release.declared`.

    Examples
    --------
    >>> standard().tables["groups"].dimensions
    ('group',)
    >>> standard().crossed(1).tables["groups"].max_crossed
    1
    """

    filters: tuple[str, ...]
    max_crossed: int
    tables: Mapping[str, DeclaredTable]
    presented: Mapping[str, Any] = field(default_factory=dict)

    def crossed(self, most: int) -> Declared:
        """Return the same with at most so many filters at once; tables that are crossed less than others stay so.

        Raises
        ------
        DisclosureError
            If there are not so many filters.
        """
        if most not in range(len(self.filters) + 1):
            raise DisclosureError(f"max_crossed is {most}; give 0 to {len(self.filters)}, the number of filters.")
        tables = {
            name: replace(table, max_crossed=_followed(table, self.max_crossed, most))
            for name, table in self.tables.items()
        }
        return replace(self, max_crossed=most, tables=MappingProxyType(tables))

    def has(self, table: str, measure: str) -> bool:
        """Whether a measure of a table is declared."""
        return table in self.tables and measure in self.tables[table].measures


@cache
def standard() -> Declared:
    """Return the declaration that comes with the package: every filter and table, most with two filters at once."""
    data = packaged_toml("nbanalytics.release", "declaration.toml")
    tables = {
        name: DeclaredTable(
            tuple(entry["dimensions"]), tuple(entry["measures"]), entry.get("max_crossed", data["max_crossed"])
        )
        for name, entry in data["tables"].items()
    }
    return Declared(tuple(data["filters"]), data["max_crossed"], MappingProxyType(tables))


def read_declared(path: str | Path) -> Declared:
    r"""Read what a release declares from a TOML file.

    Parameters
    ----------
    path : path
        A file like ``declaration.toml`` beside this module, with less in it. ``filters`` and ``max_crossed`` may be
        left out; of the tables those named are released, each with the measures named, or with all.

    Returns
    -------
    Declared

    Raises
    ------
    DisclosureError
        If the file is missing or no TOML, or names a filter, table, dimension or measure that there is not.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "declaration.toml"
    >>> _ = file.write_text('filters = ["cohort", "sex"]\n[tables.groups]\nmax_crossed = 1', encoding="utf-8")
    >>> read_declared(file).filters, read_declared(file).tables["groups"].max_crossed
    (('cohort', 'sex'), 1)
    """
    return parse_declared(read_toml(path, DisclosureError), Path(path).name)


def parse_declared(data: Mapping[str, Any], where: str = "declaration.toml") -> Declared:
    """Build a declaration from parsed TOML; see :func:`read_declared`."""
    known = standard()
    _refuse_unknown(data, ("filters", "max_crossed", "tables", "publisher", "words"), "key", where)
    filters = data.get("filters", known.filters)
    _refuse_unknown(_texts(filters, "filters", where), known.filters, "filter", where)
    most = _crossed(data.get("max_crossed", min(known.max_crossed, len(filters))), len(filters), where)
    named = data.get("tables", dict.fromkeys(known.tables, MappingProxyType({})))
    if not isinstance(named, Mapping) or not named:
        raise DisclosureError(f"{where}: no table is declared, so there is nothing to publish. Add [tables.groups].")
    _refuse_unknown(named, known.tables, "table", where)
    # Tables stand in the order of the standard one, whatever the order in the file.
    tables = {name: _table(name, named[name], most, where) for name in known.tables if name in named}
    chosen = tuple(name for name in known.filters if name in filters)
    return Declared(chosen, most, MappingProxyType(tables), parse_presented(data, where))


def _table(name: str, entry: Any, most: int, where: str) -> DeclaredTable:
    known = standard().tables[name]
    inside = f"{where}, [tables.{name}]"
    if not isinstance(entry, Mapping):
        raise DisclosureError(f"{inside} is no table of TOML. Write it as [tables.{name}].")
    _refuse_unknown(entry, ("dimensions", "measures", "max_crossed"), "key", inside)
    dimensions = _texts(entry.get("dimensions", known.dimensions), "dimensions", inside)
    _refuse_unknown(dimensions, known.dimensions, "dimension", inside)
    lacking = [dimension for dimension in known.dimensions if dimension not in dimensions]
    if lacking:
        raise DisclosureError(f"{inside} leaves out the dimension {lacking[0]}, without which it is no table. Add it.")
    measures = _texts(entry.get("measures", known.measures), "measures", inside)
    _refuse_unknown(measures, known.measures, "measure", inside)
    for measure in measures:
        wanting = [count for count in _MADE_OF.get(measure, ()) if count not in measures]
        if wanting:
            raise DisclosureError(f"{inside}: {measure} is made of {wanting[0]}, which is not declared. Declare both.")
    kept = tuple(measure for measure in known.measures if measure in measures)
    usual = _followed(known, standard().max_crossed, most)
    return DeclaredTable(known.dimensions, kept, _crossed(entry.get("max_crossed", usual), most, inside))


def _texts(values: Any, key: str, where: str) -> list[str]:
    if not isinstance(values, (list, tuple)) or not values or not all(isinstance(value, str) for value in values):
        raise DisclosureError(f'{where}: {key} is no list of names. Write it as ["…", "…"].')
    return list(values)


def _followed(table: DeclaredTable, before: int, most: int) -> int:
    """How far a table is crossed where a release crosses ``most`` and no longer ``before``: as far, or by its own."""
    return most if table.max_crossed == before else min(most, table.max_crossed)


def _crossed(value: Any, most: int, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise DisclosureError(f"{where}: max_crossed = {value!r}; give 0 to {most}, what may be crossed here.")
    return value


def _refuse_unknown(words: Collection[str], known: Collection[str], what: str, where: str) -> None:
    for word in words:
        if word not in known:
            raise DisclosureError(f"{where}: there is no {what} {word!r}. {meant(word, known, 'Choose among')}")
