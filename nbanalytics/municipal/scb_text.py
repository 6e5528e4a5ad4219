"""The text of a large file, a block of whole lines at a time, with its encoding found and told."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from nbanalytics.readers.encoding import BOMS, NOT_TEXT, not_text, plain_ends, said_delimiter
from nbanalytics.readers.findings import Rows, no_rows
from nbanalytics.readers.raw import UnreadableError, divided

#: Bytes taken from the file at once; small, so that memory hardly grows with the file.
BLOCK = 1_000_000
#: A line that is longer is no row of any file here.
_LONGEST_LINE = 1_000_000


@dataclass(frozen=True)
class Text:
    """A text file: its codec, how that is told to a person, and how many lines it has at most."""

    path: Path
    codec: str
    encoding: str
    most_lines: int

    def blocks(self) -> Iterator[tuple[bytes, int]]:
        r"""Yield blocks of whole lines as UTF-8 with ``\n`` at line ends, each with the number of its first line."""
        decoder = None if self.codec == "utf-8" else codecs.getincrementaldecoder(self.codec)()
        rest, line = b"", 1
        with self.path.open("rb") as stream:
            while True:
                data = stream.read(BLOCK)
                try:
                    text = data if decoder is None else decoder.decode(data, not data).encode()
                except UnicodeError:
                    raise not_text() from None
                rest += text
                # A return at the very end may be half of a line end.
                end = len(rest) if not data else max(rest.rfind(b"\n"), rest.rfind(b"\r", 0, len(rest) - 1)) + 1
                if end:
                    block = rest[:end]
                    block = plain_ends(block)
                    _refuse_no_text(block)
                    told = said_delimiter(block)[1] if line == 1 else 0
                    if block[told:]:
                        yield block[told:], line + (told > 0)
                    line += block.count(b"\n")
                    rest = rest[end:]
                if len(rest) > _LONGEST_LINE + BLOCK:
                    raise _too_long()
                if not data:
                    return


def open_text(path: Path) -> Text:
    """Find the encoding of a file by looking at all of it.

    Raises
    ------
    UnreadableError
        If no encoding fits.
    """
    with path.open("rb") as stream:
        start = stream.read(4)
        marked = next((found for bom, found in BOMS.items() if start.startswith(bom)), None)
        stream.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        utf8, lines = True, 1
        while data := stream.read(BLOCK):
            lines += data.count(b"\n") + data.count(b"\r")
            if utf8 and (not data.isascii() or decoder.getstate()[0]):
                utf8 = _decodes(decoder, data)
        utf8 = utf8 and _decodes(decoder, b"", True)
    if marked:
        return Text(path, marked[0], f"{marked[1]} (marked)", lines)
    return Text(path, "utf-8", "UTF-8", lines) if utf8 else Text(path, "cp1252", "Windows-1252", lines)


def _decodes(decoder: codecs.IncrementalDecoder, data: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(data, final)
    except UnicodeDecodeError:
        return False
    return True


def lines_of(head: bytes, most: int = 20) -> list[str]:
    """Return the first whole lines of a file, for telling what it is; none if it is no text."""
    codec = next((codec for bom, (codec, _) in BOMS.items() if head.startswith(bom)), "")
    if codec == "utf-16":
        head = head[: len(head) // 2 * 2]
    elif NOT_TEXT.search(head):
        return []
    text = head.decode(codec, "ignore") if codec else _either(head)
    if "\0" in text:
        return []
    lines = re.split(r"\r\n|\r|\n", text)
    # The last line may be cut off.
    whole = lines[:-1] or lines
    whole = whole[1:] if said_delimiter(f"{whole[0]}\n".encode())[0] else whole
    return [line for line in whole if line.strip()][:most]


def _either(head: bytes) -> str:
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return head.decode("cp1252", "replace")


def cells_of(line: str, delimiter: str) -> list[str]:
    """Divide a line into trimmed cells."""
    return [cell.strip().strip('"').strip() for cell in line.split(delimiter)]


def parse(
    block: bytes, names: Sequence[str], types: dict[str, Any], delimiter: str, quoted: bool
) -> tuple[Any, Rows, Rows]:
    """Divide a block into columns.

    Returns
    -------
    tuple
        The table of the columns in ``types``, the places of its lines in the block, and the places of lines with more
        or fewer cells than there are names; empty lines are in neither.
    """
    if quoted:
        # A quotation mark that is not closed would swallow the lines after it.
        lines = block.split(b"\n")
        block = b"\n".join(b"?" if line.count(b'"') % 2 else line for line in lines)
    chosen = pa_csv.ConvertOptions(
        strings_can_be_null=False, check_utf8=False, column_types=types, include_columns=list(types)
    )
    try:
        table, ragged, blank = divided(block, names, delimiter, chosen, quote_char='"' if quoted else False)
    except pa.ArrowInvalid:
        raise UnreadableError("the rows cannot be told apart", "Check its delimiters, or export it again.") from None
    skipped = np.array(ragged + blank, dtype=np.int64) - 1
    places = np.arange(table.num_rows + len(skipped), dtype=np.int64)
    if len(skipped):
        places = np.setdiff1d(places, skipped)
    return table, places, np.array(ragged, dtype=np.int64) - 1 if ragged else no_rows()


def _refuse_no_text(block: bytes) -> None:
    low = np.count_nonzero(np.frombuffer(block, dtype=np.uint8) < 32)
    if low != block.count(b"\n") and NOT_TEXT.search(block):
        raise not_text()


def _too_long() -> UnreadableError:
    return UnreadableError(f"a line has more than {_LONGEST_LINE:,} characters", "Check that it is the right file.")
