"""TOML files: those of the package and of a user, and the one reader that makes frozen dataclasses of them."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from nbanalytics.errors import DataError, NbanalyticsError, has_control, meant

_Kind = TypeVar("_Kind")


def packaged_toml(package: str, name: str) -> dict[str, Any]:
    """Read a TOML file that comes with the package, such as ``"messages.toml"`` of ``"nbanalytics.text"``."""
    return tomllib.loads(files(package).joinpath(name).read_text(encoding="utf-8"))


def read_toml(path: str | Path, error: type[NbanalyticsError] = DataError) -> dict[str, Any]:
    """Read a TOML file that a user wrote, in UTF-8 with or without a byte order mark.

    Raises
    ------
    NbanalyticsError
        Of the type ``error``: if the file cannot be opened, or is not TOML. The message does not quote the file.
    """
    path = Path(path)
    try:
        data = tomllib.loads(unicodedata.normalize("NFC", path.read_text(encoding="utf-8-sig")))
    except OSError as fault:
        raise error(f"the file cannot be read ({fault.strerror})", "Check the path.", path.name) from None
    except UnicodeDecodeError:
        raise error("the file is not UTF-8", "Save it as UTF-8.", path.name) from None
    except tomllib.TOMLDecodeError as fault:
        place = re.search(r"line (\d+)", str(fault))
        line = f"line {place.group(1)} " if place else "the last line "
        remedy = 'Write key = value on a line of its own, with text in quotation marks: name = "…".'
        raise error(f"{line}is not TOML", remedy, path.name) from None
    if any(map(has_control, _texts(data))):
        raise error("a text holds a control character", "Take it out: it could steer a terminal.", path.name)
    return data


def _texts(value: Any) -> Iterator[str]:
    """Return every text in what a TOML file says, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from (name, *_texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


# ------------------------------------------------------------------ declarations

#: The key of a field that has the name of its table: in ``[subject.MA]`` the subject's code.
OWN_NAME = "-"


@dataclass(frozen=True, kw_only=True)
class Toml:
    """What the type of a field does not say of it: ``Annotated[str, Toml(choices=("risk", "protective"))]``.

    ``key`` is the key in the file where it is not the field's name (:data:`OWN_NAME` where the table's name says it);
    ``choices`` are what a text, the texts of a list, or the keys of a table may be; ``low`` and ``high`` the range of a
    number; ``filled`` whether a text, list or table must not be empty; ``unique`` the field by which the tables of a
    list must differ.
    """

    key: str = ""
    choices: Collection[str] | Callable[[], Collection[str]] | None = None
    low: int | None = None
    high: int | None = None
    filled: bool = False
    unique: str = ""

    def known(self, given: Collection[str] | None) -> list[str] | None:
        """Return the choices, those that are given at reading first; None where all is allowed."""
        chosen = given if given is not None else self.choices
        return None if chosen is None else list(chosen() if callable(chosen) else chosen)


@dataclass(frozen=True)
class _Field:
    """A field of a declaration: its name and type, whether it may be left out, and what else is said of it."""

    name: str
    hint: Any
    optional: bool
    rules: Toml


@cache
def _fields(kind: type) -> list[_Field]:
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for one in fields(kind):
        hint, rules = hints[one.name], Toml()
        if get_origin(hint) is Annotated:
            hint, rules = get_args(hint)[0], get_args(hint)[1]
        optional = one.default is not MISSING or one.default_factory is not MISSING
        found.append(_Field(one.name, _without_none(hint), optional, rules))
    return found


def read_table(
    kind: type[_Kind],
    data: object,
    where: str,
    error: type[NbanalyticsError] = DataError,
    choices: Mapping[str, Collection[str]] | None = None,
) -> _Kind:
    """Make a dataclass of a parsed TOML table; every fault has the same words in every file.

    Parameters
    ----------
    kind : type
        A dataclass. The types of its fields say what may stand in the file: ``str``, ``int``, ``float``, ``bool``,
        ``date``, lists (``tuple[str, ...]``, ``frozenset[str]``), tables (``Mapping[str, float]``), other such
        dataclasses (``[key]``) and lists of them (``[[key]]``); ``| None`` for what may be left out.
        :class:`Toml` says the rest. What the file leaves out has the default of the field.
    data, where : object, str
        What was parsed; the file, and the table in it, for messages.
    error : type
        What is raised, with the file, the table, the key and what to write: if a key is unknown or missing, a value is
        of the wrong kind, out of range or not among the choices, or a name is declared twice.
    choices : mapping, optional
        By field, choices that are known only when the file is read.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Step:
    ...     need: str
    ...     follow: tuple[str, ...] = ()
    >>> read_table(Step, {"need": "absence rises", "follow": ["7VT"]}, "plan.toml")
    Step(need='absence rises', follow=('7VT',))
    >>> read_table(Step, {"need": "absence rises", "folow": ["7VT"]}, "plan.toml")
    Traceback (most recent call last):
    ...
    nbanalytics.errors.DataError: plan.toml: unknown key 'folow'. Did you mean 'follow'?
    """
    return kind(**read_fields(kind, data, where, error, choices))


def read_fields(
    kind: type,
    data: object,
    where: str,
    error: type[NbanalyticsError] = DataError,
    choices: Mapping[str, Collection[str]] | None = None,
) -> dict[str, Any]:
    """Return the fields of a dataclass that a parsed TOML table declares, by name; see :func:`read_table`."""
    return _Reader(error).fields(kind, data, where, choices or {})


#: How a person names each kind of value, and an example of it.
_WORDS: dict[Any, tuple[str, str]] = {
    str: ("text in quotation marks", '"…"'),
    int: ("a whole number", "10"),
    float: ("a number", "1.5"),
    bool: ("true or false, without quotation marks", "true"),
    date: ("a date", "2026-11-21"),
    str | int: ("text in quotation marks or a whole number", '"…"'),
    tuple[str, ...]: ("a list of texts", '["…", "…"]'),
    tuple[int, ...]: ("a list of whole numbers", "[1, 2]"),
    frozenset[str]: ("a list of texts", '["…", "…"]'),
    tuple[tuple[str, ...], ...]: ("a list of lists of texts", '[["…", "…"], ["…"]]'),
}


@dataclass(frozen=True)
class _Reader:
    error: type[NbanalyticsError]

    def fields(self, kind: type, data: object, where: str, choices: Mapping[str, Collection[str]]) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise self.error("must be a table", "Write key = value on the lines below it.", where)
        known = {one.rules.key or one.name: one for one in _fields(kind) if one.rules.key != OWN_NAME}
        for key in data:
            if key not in known:
                raise self.error(f"unknown key {_shown(key)}", meant(str(key), known), where)
        for key, one in known.items():
            if key not in data and not one.optional:
                raise self.error(f"the key {key!r} is missing", f"Add {_example(key, one.hint)}.", where)
        return {
            one.name: self.value(key, value, one.hint, where, one.rules, choices.get(one.name))
            for key, value, one in ((key, value, known[key]) for key, value in data.items())
        }

    def value(
        self, key: str, value: Any, kind: Any, where: str, rules: Toml, given: Collection[str] | None = None
    ) -> Any:
        origin, inner = get_origin(kind), get_args(kind)
        if kind is Any:
            return value
        if is_dataclass(kind):
            return self.table(kind, value, _inside(where, f"[{key}]"))
        if origin is tuple and is_dataclass(inner[0]):
            return self.tables(key, value, inner[0], where, rules)
        known = rules.known(given)
        if _is_mapping(kind):
            return self.mapping(key, value, inner[1], where, rules, known)
        if not _fits(value, kind):
            word, _ = _WORDS[kind]
            written = f" = {_shown(value)}" if isinstance(value, str | int | float) else ""
            dotted = ' A key with a dot in it must be in quotation marks: "a.b" = 1.' if isinstance(value, dict) else ""
            raise self.error(f"{key}{written} must be {word}", f"Write {_example(key, kind)}.{dotted}", where)
        self.refuse_empty(key, value, kind, where, rules)
        self.refuse_range(key, value, where, rules)
        for one in [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []:
            if known is not None and one not in known:
                raise self.error(f"{key}: {_shown(one)} is unknown", meant(str(one), known, "Choose from"), where)
        return _converted(value, kind)

    def table(self, kind: Any, value: Any, where: str, **given: Any) -> Any:
        return kind(**given, **self.fields(kind, value, where, {}))

    def tables(self, key: str, value: Any, kind: Any, where: str, rules: Toml) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or (rules.filled and not value):
            raise self.error(f"{key} must be a list of tables", f"Write each as [[{key}]].", where)
        read = tuple(
            self.table(kind, entry, _inside(where, f"[[{key}]] number {place}"))
            for place, entry in enumerate(value, start=1)
        )
        names = [getattr(one, rules.unique) for one in read] if rules.unique else []
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise self.error(f"[[{key}]] declares {_shown(twice)} more than once", "Keep one of them.", where)
        return read

    def mapping(
        self, key: str, value: Any, kind: Any, where: str, rules: Toml, known: list[str] | None
    ) -> dict[str, Any]:
        inside = _inside(where, f"[{key}]")
        if not isinstance(value, Mapping):
            raise self.error("must be a table", "Write key = value on the lines below it.", inside)
        self.refuse_empty(key, value, Mapping, where, rules)
        for name in value:
            if known is not None and name not in known:
                raise self.error(f"unknown key {_shown(name)}", meant(str(name), known), inside)
        if is_dataclass(kind):
            own = [one.name for one in _fields(kind) if one.rules.key == OWN_NAME]  # type: ignore[arg-type]
            return {
                name: self.table(kind, one, _inside(where, f"[{key}.{name}]"), **dict.fromkeys(own, name))
                for name, one in value.items()
            }
        if kind is Any or _is_mapping(kind):
            return {name: self.value(f"{key}.{name}", one, kind, where, Toml()) for name, one in value.items()}
        inner = Toml(low=rules.low, high=rules.high, filled=rules.filled)
        return {name: self.value(name, one, kind, inside, inner) for name, one in value.items()}

    def refuse_empty(self, key: str, value: Any, kind: Any, where: str, rules: Toml) -> None:
        if rules.filled and isinstance(value, str | list | tuple | Mapping):
            empty = not value.strip() if isinstance(value, str) else not value
            if empty:
                raise self.error(f"{key} must not be empty", f"Write {_example(key, kind)}.", where)

    def refuse_range(self, key: str, value: Any, where: str, rules: Toml) -> None:
        if not isinstance(value, int | float) or (rules.low is None and rules.high is None):
            return
        if (rules.low is None or value >= rules.low) and (rules.high is None or value <= rules.high):
            return
        span = f"{rules.low} or more" if rules.high is None else f"from {rules.low} to {rules.high}"
        raise self.error(f"{key} = {value} must be {span}", "Write a number in that range.", where)


def _inside(where: str, place: str) -> str:
    return f"{where}, {place}"


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        return Union[tuple(kinds)] if len(kinds) > 1 else kinds[0]  # noqa: UP007
    return hint


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) in (tuple, frozenset):
        return isinstance(value, list | tuple) and all(_fits(one, get_args(kind)[0]) for one in value)
    if kind in (str | int, Union[str, int]):  # noqa: UP007
        return _fits(value, str) or _fits(value, int)
    if kind is bool:
        return isinstance(value, bool)
    if kind is date:
        return _day(value) is not None
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and value == value
    return isinstance(value, kind) and not isinstance(value, bool)


def _day(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    try:
        return value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _converted(value: Any, kind: Any) -> Any:
    if kind is float:
        return float(value)
    if kind is date:
        return _day(value)
    if get_origin(kind) in (tuple, frozenset):
        return get_origin(kind)(_converted(one, get_args(kind)[0]) for one in value)
    return value


def _example(key: str, kind: Any) -> str:
    if get_origin(kind) is tuple and is_dataclass(get_args(kind)[0]):
        return f"[[{key}]]"
    if is_dataclass(kind) or kind not in _WORDS:
        return f"[{key}]"
    return f"{key} = {_WORDS[kind][1]}"


def _shown(value: object) -> str:
    """Return what stands in a file as a message may show it: short, and nothing like an identity number."""
    text = repr(value)
    return "(not shown)" if len(text) > 42 or re.search(r"\d{6}", text) else text
