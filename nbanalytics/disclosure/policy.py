"""What may be published: the thresholds, read from a commented TOML file, that can be raised but never lowered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nbanalytics.errors import DisclosureError, meant
from nbanalytics.toml_files import packaged_toml, read_toml

_THRESHOLDS = ("min_group", "min_cell", "self_knowledge")


@dataclass(frozen=True)
class Policy:
    """Thresholds of a release.

    Attributes
    ----------
    min_group : int
        Smallest group of students that anything is said about.
    min_cell : int
        Smallest outcome of a group, and smallest complement of an outcome, that is shown if it is not 0.
    self_knowledge : int
        How many students of a cell may put together what they know of themselves, without being able to tell the
        number in a hidden cell.
    unfavourable : mapping
        By outcome dimension, the outcomes that a group must not share as a whole.

    Raises
    ------
    DisclosureError
        If a threshold is below the floor (10, 5 and 1) or an unfavourable outcome of the default is missing.

    Examples
    --------
    >>> Policy(min_cell=8).min_cell
    8
    >>> Policy(min_cell=3)
    Traceback (most recent call last):
    ...
    nbanalytics.errors.DisclosureError: min_cell = 3 is weaker than the floor of 5. Set it to 5 or more.
    """

    min_group: int = 10
    min_cell: int = 5
    self_knowledge: int = 1
    unfavourable: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _floor_outcomes())

    def __post_init__(self) -> None:
        """Refuse what is weaker than the floor."""
        for name in _THRESHOLDS:
            value, floor = getattr(self, name), _floor()[name]
            if not isinstance(value, int) or isinstance(value, bool):
                raise DisclosureError(f"{name} = {value!r} is not a whole number. Set it to {floor} or more.")
            if value < floor:
                raise DisclosureError(
                    f"{name} = {value} is weaker than the floor of {floor}. Set it to {floor} or more."
                )
        for dimension, outcomes in _floor_outcomes().items():
            lacking = sorted(set(outcomes) - set(self.unfavourable.get(dimension, ())))
            if lacking:
                raise DisclosureError(
                    f"unfavourable.{dimension} leaves out {', '.join(lacking)}, which is weaker than the floor. "
                    "Add what is missing; outcomes may be added, not removed."
                )

    def as_dict(self) -> dict[str, Any]:
        """Return the policy as it is written to a manifest."""
        outcomes = {dimension: list(values) for dimension, values in self.unfavourable.items()}
        return {**{name: getattr(self, name) for name in _THRESHOLDS}, "unfavourable": outcomes}


def read_policy(path: str | Path) -> Policy:
    """Read a policy from a TOML file; what it does not name is as in the default.

    Parameters
    ----------
    path : path
        A file like the ``policy.toml`` beside this module.

    Returns
    -------
    Policy

    Raises
    ------
    DisclosureError
        If the file is missing or no TOML, has a key that means nothing, or is weaker than the floor.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "policy.toml"
    >>> _ = file.write_text("min_group = 15", encoding="utf-8")
    >>> read_policy(file).min_group, read_policy(file).min_cell
    (15, 5)
    """
    return parse_policy(read_toml(path, DisclosureError), Path(path).name)


def parse_policy(data: Mapping[str, Any], where: str = "policy.toml") -> Policy:
    """Build a policy from parsed TOML.

    Parameters
    ----------
    data : mapping
        The keys of ``policy.toml``; what is left out is as there.
    where : str
        What messages call it.

    Returns
    -------
    Policy

    Raises
    ------
    DisclosureError
        If a key means nothing, or the policy is weaker than the floor.

    Examples
    --------
    >>> parse_policy({"min_group": 15}).min_group
    15
    """
    _refuse_unknown(data, {*_THRESHOLDS, "unfavourable"}, where)
    outcomes = dict(_floor_outcomes())
    declared = data.get("unfavourable", {})
    if not isinstance(declared, Mapping):
        raise DisclosureError(f"{where}: unfavourable is not a table. Write it as [unfavourable].")
    _refuse_unknown(declared, set(outcomes), f"{where} [unfavourable]")
    for dimension, values in declared.items():
        if not isinstance(values, list | tuple):
            raise DisclosureError(f'{where}: unfavourable.{dimension} is not a list. Write it as ["...", "..."].')
        outcomes[dimension] = tuple(str(value) for value in values)
    thresholds = {name: data[name] for name in _THRESHOLDS if name in data}
    return Policy(**thresholds, unfavourable=MappingProxyType(outcomes))


@cache
def _floor() -> dict[str, Any]:
    return packaged_toml("nbanalytics.disclosure", "policy.toml")


def _floor_outcomes() -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({dimension: tuple(values) for dimension, values in _floor()["unfavourable"].items()})


def _refuse_unknown(data: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in data:
        if key not in known:
            raise DisclosureError(f"{where}: {key!r} means nothing in a policy. {meant(key, sorted(known))}")
