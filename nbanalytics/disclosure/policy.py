"""What may be published: the thresholds, read from a commented TOML file, that can be raised but never lowered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from nbanalytics.errors import DisclosureError
from nbanalytics.toml_files import Toml, packaged_toml, read_fields, read_toml

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
        How many students of a cell may combine what they know about themselves without learning the number in a hidden
        cell.
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
    unfavourable: Annotated[Mapping[str, tuple[str, ...]], Toml(choices=_floor_outcomes)] = field(
        default_factory=lambda: _floor_outcomes()
    )

    def __post_init__(self) -> None:
        """Refuse what is weaker than the floor."""
        for name in _THRESHOLDS:
            value, floor = getattr(self, name), _floor()[name]
            if not isinstance(value, int) or isinstance(value, bool):
                raise DisclosureError(f"{name} = {value!r} must be a whole number", f"Set it to {floor} or more.")
            if value < floor:
                raise DisclosureError(
                    f"{name} = {value} is weaker than the floor of {floor}", f"Set it to {floor} or more."
                )
        for dimension, outcomes in _floor_outcomes().items():
            lacking = sorted(set(outcomes) - set(self.unfavourable.get(dimension, ())))
            if lacking:
                raise DisclosureError(
                    f"unfavourable.{dimension} leaves out {', '.join(lacking)}, which is weaker than the floor",
                    "Add what is missing; outcomes may be added, not removed.",
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
        If the file is missing or not TOML, has an unknown key, or is weaker than the floor.

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
        If a key is unknown, or the policy is weaker than the floor.

    Examples
    --------
    >>> parse_policy({"min_group": 15}).min_group
    15
    """
    declared = read_fields(Policy, data, where, DisclosureError)
    outcomes = {**_floor_outcomes(), **declared.get("unfavourable", {})}
    try:
        return Policy(**{**declared, "unfavourable": MappingProxyType(outcomes)})
    except DisclosureError as fault:
        raise DisclosureError(fault.what, fault.remedy, where) from None


@cache
def _floor() -> dict[str, Any]:
    return packaged_toml("nbanalytics.disclosure", "policy.toml")


def _floor_outcomes() -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({dimension: tuple(values) for dimension, values in _floor()["unfavourable"].items()})
