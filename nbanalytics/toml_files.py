"""TOML files: those that come with the package, and those that a user writes."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from nbanalytics.errors import DataError, NbanalyticsError


def packaged_toml(package: str, name: str) -> dict[str, Any]:
    """Read a TOML file that comes with the package.

    Parameters
    ----------
    package : str
        Where it is, such as ``"nbanalytics.text"``.
    name : str
        Name of the file.

    Examples
    --------
    >>> packaged_toml("nbanalytics.text", "messages.toml")["groups.title"]["en"]
    'Six groups'
    """
    return tomllib.loads(files(package).joinpath(name).read_text(encoding="utf-8"))


def read_toml(path: str | Path, error: type[NbanalyticsError] = DataError) -> dict[str, Any]:
    """Read a TOML file that a user wrote, in UTF-8 with or without a byte order mark.

    Parameters
    ----------
    path : str or Path
        The file.
    error : type
        What is raised.

    Raises
    ------
    NbanalyticsError
        Of the kind asked for: if the file cannot be opened, or is no TOML.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "policy.toml"
    >>> _ = file.write_text("min_group = 15", encoding="utf-8")
    >>> read_toml(file)
    {'min_group': 15}
    """
    path = Path(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as fault:
        raise error(f"{path.name} cannot be read ({fault.strerror}). Check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise error(f"{path.name} cannot be read as TOML: {fault}. Mend that line.") from None
