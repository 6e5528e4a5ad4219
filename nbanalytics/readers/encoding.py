"""Text as it comes: its encoding and delimiter are found by content and told, never guessed silently."""

from __future__ import annotations

import codecs
import re

from nbanalytics.readers.raw import UnreadableError

#: Codec and name of each mark that a text can begin with.
BOMS = {
    codecs.BOM_UTF8: ("utf-8-sig", "UTF-8"),
    codecs.BOM_UTF16_LE: ("utf-16", "UTF-16"),
    codecs.BOM_UTF16_BE: ("utf-16", "UTF-16"),
}
DELIMITERS = {";": "semicolon", "\t": "tab", "|": "bar", ",": "comma"}
#: Bytes that no text has.
NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_EXCEL_SAYS = re.compile(rb'"?sep=([\t!#-/:-@\[-`{-~])"?[;,\t|]*(?:\r\n|\r|\n)', re.IGNORECASE)


def as_utf8(data: bytes) -> tuple[bytes, str]:
    r"""Return the text as UTF-8 with plain line ends, and the name of the encoding it had.

    Raises
    ------
    UnreadableError
        If it is no text.

    Examples
    --------
    >>> as_utf8("å\r\n".encode("cp1252"))
    (b'\xc3\xa5\n', 'Windows-1252')
    """
    marked = next((found for bom, found in BOMS.items() if data.startswith(bom)), None)
    codec, name = marked if marked else ("utf-8", "UTF-8")
    try:
        text = data.decode(codec)
    except UnicodeError:
        if marked:
            raise not_text() from None
        try:
            text, name = data.decode("cp1252"), "Windows-1252"
        except UnicodeDecodeError:
            raise not_text() from None
    data = data if name == "UTF-8" and not marked else text.encode()
    if NOT_TEXT.search(data):
        raise not_text()
    return plain_ends(data), f"{name} (marked)" if marked else name


def plain_ends(data: bytes) -> bytes:
    """Return text with one kind of line end."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def not_text() -> UnreadableError:
    """Return the error of a file that is no text."""
    return UnreadableError(
        "this is not a text file, or a damaged one (it holds bytes that no text has)",
        "Save it again as CSV, or as .xlsx or .parquet.",
    )


def said_delimiter(text: bytes) -> tuple[str, int]:
    r"""Return the delimiter that a first line ``sep=;`` tells, as Excel writes it, and the bytes of that line.

    Examples
    --------
    >>> said_delimiter(b"sep=;\na;b\n"), said_delimiter(b"a;b\n")
    ((';', 6), ('', 0))
    """
    said = _EXCEL_SAYS.match(text)
    return (said.group(1).decode("latin-1"), said.end()) if said else ("", 0)


def refuse_open_quote(text: bytes, above: int) -> None:
    """Stop at a quotation mark that is never closed: every row after it would be swallowed by one cell.

    Parameters
    ----------
    text : bytes
        What is to be divided into rows.
    above : int
        How many lines stand above it in the file.
    """
    if text.count(b'"') % 2 == 0:
        return
    for number, line in enumerate(text.split(b"\n"), start=above + 1):
        if line.count(b'"') % 2:
            raise UnreadableError(
                f"a quotation mark is opened and never closed, first perhaps in line {number:,}",
                'Close it, or write a quotation mark inside a cell as "".',
            )
