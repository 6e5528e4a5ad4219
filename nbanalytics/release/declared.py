"""What a release declares: its filters, tables and measures and how many filters may be crossed, read from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from nbanalytics.errors import DisclosureError, meant
from nbanalytics.toml_files import Toml, packaged_toml, read_fields, read_table, read_toml

STATUSES = ("fully", "partially", "unassessed")
_LANGUAGES = ("sv", "en")


@dataclass(frozen=True)
class _Publisher:
    name: str = ""
    email: str = ""
    phone: str = ""
    web: str = ""
    country: str = ""
    status: Annotated[str, Toml(choices=STATUSES)] = "unassessed"
    assessed: date | None = None
    problems: tuple[str, ...] = ()


#: The parts of each measure that is not a count.
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
class _TableFile:
    dimensions: Annotated[tuple[str, ...], Toml(filled=True)] = ()
    measures: Annotated[tuple[str, ...], Toml(filled=True)] = ()
    max_crossed: int | None = None


@dataclass(frozen=True)
class Priority:
    """The suppression cost of some counts: to protect small counts, those of low cost are hidden first.

    Attributes
    ----------
    table : str
    cost : float
        What one student in these counts weighs against one in a count that no priority names.
    measure : str
        One measure of the table; empty for all.
    at : mapping of str to tuple of str
        By dimension, values of the counts; a dimension left out is not restricted, ``*`` is its total.
    """

    table: Annotated[str, Toml(choices=_tables_known)]
    cost: Annotated[float, Toml(low=0)]
    measure: str = ""
    at: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _tables_known() -> tuple[str, ...]:
    return tuple(standard().tables)


@dataclass(frozen=True)
class _DeclaredFile:
    filters: Annotated[tuple[str, ...], Toml(filled=True)] = ()
    max_crossed: int | None = None
    tables: Annotated[Mapping[str, Any], Toml(filled=True)] = field(default_factory=dict)
    priorities: tuple[Priority, ...] = ()
    publisher: _Publisher = _Publisher()
    words: Annotated[Mapping[str, Mapping[str, str]], Toml(choices=_LANGUAGES)] = field(default_factory=dict)


@dataclass(frozen=True)
class Declared:
    """All that a release may say.

    Attributes
    ----------
    filters : tuple of str
    max_crossed : int
        How many filters may be set at once in any table.
    tables : mapping of str to DeclaredTable
    priorities : tuple of Priority
        The last that names a count holds.
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
    priorities: tuple[Priority, ...] = ()
    presented: Mapping[str, Any] = field(default_factory=dict)

    def crossed(self, most: int) -> Declared:
        """Return the same with at most so many filters at once; tables that are crossed less than others stay so.

        Raises
        ------
        DisclosureError
            If there are not so many filters.
        """
        if most not in range(len(self.filters) + 1):
            raise DisclosureError(f"max_crossed is {most}. Write 0 to {len(self.filters)}, the number of filters.")
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
    priorities = tuple(
        Priority(entry["table"], float(entry["cost"]), entry.get("measure", ""), entry.get("at", {}))
        for entry in data["priorities"]
    )
    return Declared(tuple(data["filters"]), data["max_crossed"], MappingProxyType(tables), priorities)


def read_declared(path: str | Path) -> Declared:
    r"""Read what a release declares from a TOML file.

    Parameters
    ----------
    path : path
        A file like ``declaration.toml`` beside this module, with less in it. ``filters`` and ``max_crossed`` may be
        left out; of the tables those named are released, each with the measures named, or with all. ``[[priorities]]``
        take the place of the usual ones.

    Returns
    -------
    Declared

    Raises
    ------
    DisclosureError
        If the file is missing or not TOML, or names an unknown filter, table, dimension or measure.

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
    limits = {"filters": known.filters, "tables": known.tables}
    declared = read_table(_DeclaredFile, data, where, DisclosureError, limits)
    filters = declared.filters or known.filters
    most = min(known.max_crossed, len(filters)) if declared.max_crossed is None else declared.max_crossed
    _refuse_crossed(most, len(filters), where)
    # Tables stand in the order of the standard one, whatever the order in the file.
    named = declared.tables or dict.fromkeys(known.tables, MappingProxyType({}))
    tables = {name: _table(name, named[name], most, where) for name in known.tables if name in named}
    chosen = tuple(name for name in known.filters if name in filters)
    priorities = declared.priorities if "priorities" in data else known.priorities
    for number, one in enumerate(priorities, start=1):
        _refuse_nowhere(one, f"{where}, [[priorities]] number {number}")
    return Declared(chosen, most, MappingProxyType(tables), priorities, _presented(data, where))


def _refuse_nowhere(priority: Priority, where: str) -> None:
    """Refuse a priority of a measure or a dimension that its table does not have."""
    table = standard().tables[priority.table]
    for key, word, known in (
        *(("measure", word, table.measures) for word in [priority.measure] if word),
        *(("at", word, table.dimensions) for word in priority.at),
    ):
        if word not in known:
            raise DisclosureError(f"{key}: {word!r} is not of the table {priority.table}", meant(word, known), where)


def _presented(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the publisher and the words as they go into the manifest; each only if it is declared."""
    declared = read_fields(_DeclaredFile, {key: data[key] for key in ("publisher", "words") if key in data}, where)
    if "publisher" in data:
        kept = read_fields(_Publisher, data["publisher"], f"{where}, [publisher]", DisclosureError)
        texts = {"assessed": kept["assessed"].isoformat()} if "assessed" in kept else {}
        lists = {"problems": list(kept["problems"])} if "problems" in kept else {}
        declared["publisher"] = {**kept, **texts, **lists}
    return declared


def _table(name: str, entry: Any, most: int, where: str) -> DeclaredTable:
    known = standard().tables[name]
    inside = f"{where}, [tables.{name}]"
    limits = {"dimensions": known.dimensions, "measures": known.measures}
    declared = read_table(_TableFile, entry, inside, DisclosureError, limits)
    lacking = [one for one in known.dimensions if one not in (declared.dimensions or known.dimensions)]
    if lacking:
        raise DisclosureError(
            f"dimensions leaves out {lacking[0]!r}, without which it is another table", "Add it.", inside
        )
    measures = declared.measures or known.measures
    for measure in measures:
        wanting = [count for count in _MADE_OF.get(measure, ()) if count not in measures]
        if wanting:
            raise DisclosureError(f"{measure} is made of {wanting[0]}, which is not declared", "Declare both.", inside)
    kept = tuple(measure for measure in known.measures if measure in measures)
    usual = _followed(known, standard().max_crossed, most)
    crossed = usual if declared.max_crossed is None else declared.max_crossed
    _refuse_crossed(crossed, most, inside)
    return DeclaredTable(known.dimensions, kept, crossed)


def _refuse_crossed(value: int, most: int, where: str) -> None:
    if not 0 <= value <= most:
        raise DisclosureError(f"max_crossed = {value} must be from 0 to {most}", "Write a number in that range.", where)


def _followed(table: DeclaredTable, before: int, most: int) -> int:
    """How far a table is crossed where a release crosses ``most`` and no longer ``before``: as far, or by its own."""
    return most if table.max_crossed == before else min(most, table.max_crossed)
