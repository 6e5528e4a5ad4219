"""Identity numbers become pseudonyms by a keyed hash (HMAC: RFC 2104; SHA-256: FIPS 180-4)."""

from __future__ import annotations

import hashlib
import math
import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nbanalytics.errors import DataError

Bytes = NDArray[np.uint8]

#: Ten-digit numbers are of the 2000s when they end before this, of the 1900s otherwise.
_CENTURY_TURN = 50
#: Why a number is invalid, by the code in :attr:`Identities.fault`.
FAULTS = ("", "not an identity number of 12 digits", "the date in the identity number does not exist")
#: The codes of the findings about them.
IDENTITY_CODES = ("", "identity.malformed", "identity.impossible_date")
#: What :attr:`Identities.sex` means.
SEXES = (None, "girl", "boy")


@dataclass(frozen=True)
class Identities:
    """What identity numbers contain, before they are hashed; an array each, with one entry for each cell.

    ``numbers`` are rows of 12 bytes in one form, zeros where the cell is invalid; ``fault`` is 0 or a position in
    :data:`FAULTS`; ``unchecked`` says whether the check digit does not fit; ``sex`` is a place in :data:`SEXES`,
    unknown for TF-numbers; ``birth_year`` is 0 where the cell is not an identity number; ``temporary`` marks
    TF-numbers, and ``short`` those with ten digits, whose century is assumed.
    """

    numbers: Bytes = field(repr=False)
    fault: NDArray[np.int8]
    unchecked: NDArray[np.bool_]
    sex: NDArray[np.int8]
    birth_year: NDArray[np.int16]
    temporary: NDArray[np.bool_]
    short: NDArray[np.bool_]


def identities(cells: pa.Array) -> Identities:
    """Read identity numbers from a pyarrow array of text without missing values.

    They have 12 digits, or 10; TF-numbers (``ååååmmddTFxx``) and coordination numbers are among them.

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
    """Write a number with 12 characters; 12 zero bytes if it is invalid."""
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


#: A key that is shorter, or larger than any key is, is refused; and one that can be guessed. A billion guesses a second
#: are 55 bits in a year.
_LEAST_KEY, _MOST_KEY, _LEAST_BITS = 32, 4096, 96
_BLOCK = 64  # bytes in a block of SHA-256
_HASH_BYTES = 10  # 80 bits make 16 characters of base32; among ten million pupils two are equal once in 10 ** 10

_BASE32 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", dtype=np.uint8)


#: Kinds of signs, and how many there are of each.
_SIGNS = (("[0-9]", 10), ("[a-z]", 26), ("[A-Z]", 26), (r"[ -/:-@\[-`{-~]", 33), ("[^ -~]", 128))
_WORD, _VOWELS = re.compile(r"(?:[A-ZÅÄÖ]?[a-zåäöé]+|[A-ZÅÄÖ]+)[ _.,!?-]*"), "aeiouyåäöé"
#: Bits of a letter of running text (Shannon 1951 found 0.6 to 1.3 in English), of another sign in it, and of the place
#: and length of a repetition.
_TEXT, _DIGIT, _AGAIN = 1.5, 3.3, 10.0


def estimated_bits(secret: str | bytes) -> float:
    """Estimate the entropy of a secret that somebody gives: how many guesses find it, as a power of two.

    Signs count as drawn from the kinds of signs that there are (16 where all are hexadecimal); if more than half of the
    secret can be spoken as words, as running text. A repetition of four signs or more, or a sequence such as ``1234``,
    counts 10 bits at most. The estimate is for refusing what a person has thought out, and proves nothing of the rest.

    Examples
    --------
    >>> [round(estimated_bits(text)) for text in ("a" * 64, "7f3b91c04ed258a6", "correct horse battery staple")]
    [10, 64, 42]
    """
    text = secret.decode("latin-1") if isinstance(secret, bytes) else secret
    words = [found[0] for found in _WORD.finditer(text) if _can_be_spoken(found[0])]
    hexadecimal = re.fullmatch("[0-9a-f]+|[0-9A-F]+", text)
    if sum(map(len, words)) > len(text) / 2 and not hexadecimal:
        each = [_DIGIT if sign.isdigit() else _TEXT for sign in text]
    else:
        kinds = sum(size for signs, size in _SIGNS if re.search(signs, text))
        each = [math.log2(16 if hexadecimal else max(kinds, 2))] * len(text)
    bits, place = 0.0, 0
    while place < len(text):
        known = max(_repeated(text, place), _counting(text, place))
        taken = known if known > 3 else 1
        bits += min(sum(each[place : place + taken]), _AGAIN)
        place += taken
    return bits


def _can_be_spoken(word: str) -> bool:
    letters = word.lower().rstrip(" _.,!?-")
    vowels = sum(sign in _VOWELS for sign in letters)
    return len(letters) > 2 and 0.2 <= vowels / len(letters) <= 0.75 and not re.search(f"[^{_VOWELS}]{{6}}", letters)


def _repeated(text: str, place: int) -> int:
    """Count the signs from a place on that stood together before it."""
    length = 0
    while place + length < len(text) and text.find(text[place : place + length + 1], 0, place + length) >= 0:
        length += 1
    return length


def _counting(text: str, place: int) -> int:
    """Count the signs from a place on that go up, down or stay, one by one."""
    steps = [ord(after) - ord(before) for before, after in zip(text[place:], text[place + 1 :], strict=False)]
    if not steps or abs(steps[0]) > 1:
        return 1
    return 1 + next((rank for rank, step in enumerate(steps) if step != steps[0]), len(steps))


@dataclass(frozen=True)
class Key:
    """The secret that makes pseudonyms; it is never shown.

    Examples
    --------
    >>> key = Key(b"9c41d7e2b85f03a66e1fd0947ab8352c")
    >>> key.pseudonym("200203122384")
    'PZJV23F3NXKNWRFPS'
    >>> key.pseudonym("020312-2384") == key.pseudonym("20020312-2384 ")
    True
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < _LEAST_KEY or estimated_bits(self.secret) < _LEAST_BITS:
            raise DataError(
                f"A key has at least {_LEAST_KEY} bytes drawn by chance, and this one is shorter, or made of words, "
                "repetitions or sequences: whoever guesses it can hash all numbers of a birth year in a second",
                "Name a file that does not exist yet, and a key is created there.",
            )

    def pseudonym(self, identity_number: str) -> str:
        """Return the pseudonym of one pupil: ``P`` and 16 characters.

        Raises
        ------
        DataError
            If it is not an identity number; the message does not show it.
        """
        found = identities(pa.array([str(identity_number)]))
        if found.fault[0]:
            raise DataError(
                f"A cell cannot become a pseudonym: {FAULTS[found.fault[0]]}", "Correct the number in the file."
            )
        return str(as_text(self.digests(found.numbers))[0].as_py())

    def pseudonyms(self, numbers: pd.Series) -> pd.Series:
        """Return the pseudonyms of many pupils, missing where a cell is not an identity number; fast for a million."""
        cells = pa.array(numbers.fillna("").astype("str"), pa.string())
        found = identities(cells)
        made = as_text(self.digests(found.numbers)).to_pandas().astype("str")
        return pd.Series(made.mask(found.fault > 0).to_numpy(), index=numbers.index, name=numbers.name, dtype="str")

    def digests(self, numbers: Bytes) -> Bytes:
        """Return the first 10 bytes of HMAC-SHA-256 of rows of 12 characters."""
        # Copying a hash that has already processed the key costs half as much as a new hash for each number.
        sha256 = _sha256()
        secret = hashlib.sha256(self.secret).digest() if len(self.secret) > _BLOCK else self.secret
        padded = secret.ljust(_BLOCK, b"\0")
        inner = sha256(bytes(byte ^ 0x36 for byte in padded)).copy
        outer = sha256(bytes(byte ^ 0x5C for byte in padded)).copy
        data = np.ascontiguousarray(numbers, dtype=np.uint8).tobytes()
        made = []
        for start in range(0, len(data), 12):
            within, around = inner(), outer()
            within.update(data[start : start + 12])
            around.update(within.digest())
            made.append(around.digest())
        return np.frombuffer(b"".join(made), dtype=np.uint8).reshape(-1, 32)[:, :_HASH_BYTES]


@cache
def _sha256() -> Callable[[bytes], hashlib._Hash]:
    """Return Python's own SHA-256 if available: for twelve bytes OpenSSL's setup takes twice as long."""
    for name in ("_sha2", "_sha256"):
        with suppress(ImportError):
            found: Callable[[bytes], hashlib._Hash] = import_module(name).sha256
            return found
    return hashlib.sha256


def as_text(digests: Bytes) -> pa.Array:
    """Return digests as pseudonyms, in an Arrow array of text."""
    text = np.empty((len(digests), 17), dtype=np.uint8)
    text[:, 0] = ord("P")
    # Five bytes are eight characters; the library's own function takes half a minute for ten million pupils.
    five = np.ascontiguousarray(digests).reshape(-1, 2, 5)
    for place in range(8):
        first, shift = divmod(5 * place, 8)
        bits = five[:, :, first].astype(np.uint16) << 8
        if first < 4:
            bits |= five[:, :, first + 1]
        text[:, 1 + place :: 8] = _BASE32[(bits >> (11 - shift)) & 31]
    offsets = np.arange(len(text) + 1, dtype=np.int32) * 17
    return pa.StringArray.from_buffers(len(text), pa.py_buffer(offsets), pa.py_buffer(text))


# ------------------------------------------------------------------ the key file


def new_key() -> Key:
    """Draw a key."""
    return Key(secrets.token_hex(32).encode())


def create_key(path: str | Path, key: Key | None = None) -> Key:
    """Write a key, by default a new one, to a new file that only its owner can read.

    Raises
    ------
    DataError
        If the file exists already, or cannot be written.
    """
    key = new_key() if key is None else key
    target = Path(path)
    try:
        # O_EXCL: an existing key is never replaced, since that would break all links between years.
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise DataError(f"The key file {target} exists already", "Use it, or name another file.") from None
    except OSError as error:
        raise DataError(
            f"The key file {target} cannot be written ({error.strerror})", "Choose another place."
        ) from None
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(key.secret + b"\n")
    except OSError as error:
        with suppress(OSError):
            target.unlink()
        raise DataError(
            f"The key file {target} cannot be written ({error.strerror})", "Choose another place."
        ) from None
    return key


def read_key(path: str | Path) -> Key:
    """Read a key file.

    Raises
    ------
    DataError
        If it is not there, others than its owner can read it, or it is too short to be a key.
    """
    target = Path(path)
    try:
        with target.open("rb") as stream:
            about = os.fstat(stream.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise DataError(f"The key file {target} is not an ordinary file", "Name the file with the key.")
            if os.name == "posix" and about.st_mode & 0o077:
                raise DataError(
                    f"The key file {target} can be read or changed by others than its owner (mode "
                    f"{stat.S_IMODE(about.st_mode):04o}), and anyone with the key can find a pupil's pseudonym",
                    f"Run: chmod 600 {target}",
                )
            data = stream.read(_MOST_KEY + 1)
    except OSError as error:
        raise DataError(f"The key file {target} cannot be read ({error.strerror})", "Check the path.") from None
    if len(data) > _MOST_KEY:
        raise DataError(f"{target} is larger than any key", "Name the file with the key.")
    try:
        return Key(data.strip())
    except DataError as error:
        raise DataError(f"The key file {target} cannot be used", f"{error}") from None
