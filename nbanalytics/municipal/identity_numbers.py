"""Identity numbers: which cells are one, and what it tells of sex and birth year.

Source: Population Registration Act 1991:481 §18 (birth date, birth number whose last digit is odd for men, check digit
by the Luhn rule); coordination numbers add 60 to the day; TF-numbers stand in for them in schools.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

#: Ten-digit numbers are of the 2000s when they end before this, of the 1900s otherwise.
_CENTURY_TURN = 50
#: Why a number is none, by the code in :attr:`Identities.fault`.
FAULTS = ("", "no identity number of 12 digits", "the date in the identity number does not exist")
#: What :attr:`Identities.sex` means.
SEXES = (None, "girl", "boy")


@dataclass(frozen=True)
class Identities:
    """What identity numbers tell, before they are hashed.

    Attributes
    ----------
    numbers : array of bytes, one row of 12 for each cell
        The numbers written alike; zeros where the cell is none.
    fault : array of int
        0, or the place in :data:`FAULTS` of what is wrong.
    unchecked : array of bool
        Whether the check digit does not fit.
    sex : array of int
        Place in :data:`SEXES`; unknown for TF-numbers.
    birth_year : array of int
        0 where the cell is no identity number.
    temporary : array of bool
        TF-numbers.
    short : array of bool
        Written with ten digits: the century is assumed.
    """

    numbers: Bytes = field(repr=False)
    fault: NDArray[np.int8]
    unchecked: NDArray[np.bool_]
    sex: NDArray[np.int8]
    birth_year: NDArray[np.int16]
    temporary: NDArray[np.bool_]
    short: NDArray[np.bool_]


def identities(cells: Any) -> Identities:
    """Read identity numbers: 12 digits, TF-numbers (``ååååmmddTFxx``), coordination numbers; or 10 digits.

    Parameters
    ----------
    cells : pyarrow array of text
        Without missing values.

    Returns
    -------
    Identities
        One entry for each cell.

    Examples
    --------
    >>> found = identities(pa.array(["20020312-2384", "20020372-2386", "020312TF01", "200213122384", "Anna"]))
    >>> found.fault.tolist(), found.sex.tolist(), found.birth_year.tolist()
    ([0, 0, 0, 2, 1], [1, 1, 0, 0, 0], [2002, 2002, 2002, 0, 0])
    """
    numbers = np.zeros((len(cells), 12), dtype=np.uint8)
    short = np.zeros(len(cells), dtype=bool)
    whole = pc.equal(pc.binary_length(cells), 12).to_numpy(zero_copy_only=False)
    plain = cells.filter(pa.array(whole))
    if len(plain):
        start = plain.buffers()[1]
        first = int(np.frombuffer(start, dtype=np.int32)[plain.offset])
        numbers[whole] = np.frombuffer(plain.buffers()[2], dtype=np.uint8)[first : first + 12 * len(plain)].reshape(
            -1, 12
        )
    # Cells of 12 characters that are not all digits may be numbers of ten with a hyphen and a space.
    odd = np.flatnonzero(~whole | (numbers - 48 > 9).any(axis=1))
    for place, cell in zip(odd.tolist(), cells.take(pa.array(odd)).to_pylist(), strict=True):
        text, short[place] = _normal(cell)
        numbers[place] = np.frombuffer(text, dtype=np.uint8)
    return _understood(numbers, short)


def _normal(cell: str) -> tuple[bytes, bool]:
    """Write a number with 12 characters; 12 zero bytes if it is none."""
    match = re.fullmatch(r"\s*([0-9]{2})?([0-9]{6})\s?([-+])?\s?((?:[0-9]{2}|TF)[0-9]{2})\s*", cell.upper())
    if match is None:
        return bytes(12), False
    century, day, sign, last = match.groups()
    if century:
        return f"{century}{day}{last}".encode(), False
    recent = int(day[:2]) < _CENTURY_TURN and sign != "+"
    return f"{'20' if recent else '19'}{day}{last}".encode(), True


def _understood(numbers: Bytes, short: NDArray[np.bool_]) -> Identities:
    digits = (numbers - 48).astype(np.int16)
    temporary = (numbers[:, 8] == ord("T")) & (numbers[:, 9] == ord("F"))
    digits[temporary, 8:10] = 0
    is_number = ((digits >= 0) & (digits <= 9)).all(axis=1)
    year = digits[:, 0] * 1000 + digits[:, 1] * 100 + digits[:, 2] * 10 + digits[:, 3]
    month, day = digits[:, 4] * 10 + digits[:, 5], digits[:, 6] * 10 + digits[:, 7]
    day = np.where(day > 60, day - 60, day)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    length = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[np.where(month <= 12, month, 0) * is_number]
    exists = (day >= 1) & (day <= length + ((month == 2) & leap)) & (year >= 1850) & (year <= 2100)
    fault = np.where(~is_number, 1, np.where(~exists, 2, 0)).astype(np.int8)
    doubled = digits[:, 2:] * np.array([2, 1] * 5, dtype=np.int16)
    luhn = (doubled // 10 + doubled % 10).sum(axis=1) % 10
    good = fault == 0
    sex = np.where(good & ~temporary, np.where(digits[:, 10] % 2 == 1, 2, 1), 0)
    return Identities(
        numbers=np.where(good[:, None], numbers, 0).astype(np.uint8),
        fault=fault,
        unchecked=good & ~temporary & (luhn != 0),
        sex=sex.astype(np.int8),
        birth_year=np.where(good, year, 0).astype(np.int16),
        temporary=temporary & good,
        short=short & good,
    )
