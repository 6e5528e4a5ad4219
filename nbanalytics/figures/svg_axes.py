"""What a static picture is written with: pens, text of a known size, symbols and axes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape, unescape
from math import ceil, cos, floor, isfinite, log10, pi, sin
from typing import Any

from nbanalytics.figures.style import INK, Drawing

_LINE = 1.3  # height of a line of text, by its size
PAD = 6  # pixels between an axis and its labels
_DASHES = {"dot": (1, 1), "dash": (3, 3), "longdash": (5, 5), "dashdot": (3, 3, 1, 3), "longdashdot": (5, 5, 1, 5)}
_NARROW, _WIDE = set("iIjlftr.,:;'|!()[]{}/\\ \u00a0-"), set("mwMW%@—")

Point = tuple[float, float]


def _ring(corners: int, radius: float = 1.0, inner: float | None = None) -> list[Point]:
    """Return a regular polygon with a corner at the top, or a star with its inner corners."""
    radii = [radius] if inner is None else [radius, inner]
    count = corners * len(radii)
    turns = [(2 * pi * rank / count, radii[rank % len(radii)]) for rank in range(count)]
    return [(size * sin(turn), -size * cos(turn)) for turn, size in turns]


def _turned(points: Sequence[Point]) -> list[Point]:
    return [((x - y) * 0.7071, (x + y) * 0.7071) for x, y in points]


_CROSS = [(0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4), (0.4, 1.2)]
_PLUS = [*_CROSS, *((-x, -y) for x, y in _CROSS)]
#: Outlines of the symbols, for a radius of 1; a circle is drawn with the pen.
SYMBOLS: dict[str, Sequence[Point]] = {
    "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "diamond": _ring(4, 1.3),
    "triangle-up": _ring(3, 1.2),
    "triangle-down": [(x, -y) for x, y in _ring(3, 1.2)],
    "cross": _PLUS,
    "x": _turned(_PLUS),
    "star": _ring(5, 1.4, 0.55),
    "pentagon": _ring(5),
    "hexagon": _ring(6),
    "bowtie": [(1, 1), (1, -1), (-1, 1), (-1, -1)],
    "line-ew": [(-1.4, 0), (1.4, 0)],
}


def short(value: float) -> str:
    """Write a number of pixels as short as one decimal allows."""
    return f"{value:.1f}".rstrip("0").rstrip(".").replace("-0.", "-.").removeprefix("0") or "0"


def trail(*steps: str | float) -> str:
    """Write a path: letters as they are, numbers as pixels.

    Examples
    --------
    >>> trail("M", 1.25, -3, "h", 10.04, "v", 0.5)
    'M1.2-3h10v.5'
    """
    written = ""
    for step in steps:
        text = step if isinstance(step, str) else short(step)
        apart = written[-1:].isdigit() and text[:1] in "0123456789."
        written += f" {text}" if apart else text
    return written


def paint(name: str, colour: str) -> str:
    """Write a colour as attributes; what it lets through is written apart, so that pages can replace the colour."""
    found = re.fullmatch(r"rgba\((\d+),(\d+),(\d+),([\d.]+)\)", colour.replace(" ", ""))
    if not found:
        return f' {name}="{escape(colour)}"'
    red, green, blue = (int(part) for part in found.groups()[:3])
    return f' {name}="#{red:02x}{green:02x}{blue:02x}" {name}-opacity="{found[4]}"'


def stroke(look: Drawing, colour: str, width: float = 2.0) -> str:
    """Write a line of plotly's as attributes, with this colour and width where it has none."""
    width = look.get("width", width)
    dashes = _DASHES.get(look.get("dash", "solid"))
    dashed = f' stroke-dasharray="{" ".join(short(max(width, 3) * part) for part in dashes)}"' if dashes else ""
    return f'{paint("stroke", look.get("color", colour))} stroke-width="{short(width)}"{dashed}'


def _lines(text: str) -> list[str]:
    return str(text).split("<br>")


def _plain(line: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", line))


def text_width(text: str, size: float) -> float:
    """Return how wide a text is at most, in a common sans-serif typeface."""
    return max(
        sum(0.36 if c in _NARROW else 0.95 if c in _WIDE else 0.7 if c.isupper() else 0.61 for c in _plain(line)) * size
        for line in _lines(text)
    )


def text_height(text: str, size: float) -> float:
    """Return how tall a text is, in all its lines."""
    return len(_lines(text)) * _LINE * size


def third(note: Drawing, letter: str) -> int:
    """Return the part of the paper that an annotation is in, which is how plotly aligns it; 1 on an axis."""
    return int(note[letter] >= 1 / 3) + int(note[letter] > 2 / 3) if note.get(f"{letter}ref") == "paper" else 1


_ANCHORS = {"left": "start", "right": "end", "center": "middle"}


def write(
    x: float, y: float, text: str, size: float, colour: str = INK, across: str = "center", down: str = "middle"
) -> str:
    """Write text at a point: ``across`` says which side of the text the point is at, ``down`` its top or bottom."""
    lines = _lines(text)
    top = y - {"top": 0.0, "middle": 0.5, "bottom": 1.0}[down] * len(lines) * _LINE * size
    parts = []
    for rank, line in enumerate(lines):
        at = f'x="{short(x)}" y="{short(top + (rank * _LINE + 1) * size)}"'
        bold = re.split(r"(<b>.*?</b>)", line)
        words = "".join(
            f'<tspan font-weight="600">{escape(_plain(part))}</tspan>'
            if part.startswith("<b>")
            else escape(_plain(part))
            for part in bold
            if part
        )
        parts.append(f"<tspan {at}>{words}</tspan>" if len(lines) > 1 else words)
    place = "" if len(lines) > 1 else f' x="{short(x)}" y="{short(top + size)}"'
    anchor = "" if across == "center" else f' text-anchor="{_ANCHORS[across]}"'
    return f'<text{place} font-size="{short(size)}"{paint("fill", colour)}{anchor}>{"".join(parts)}</text>'


def known(values: Iterable[Any]) -> list[float]:
    """Return the numbers among the values."""
    return [float(value) for value in values if isinstance(value, int | float) and isfinite(value)]


def many(value: Any, count: int) -> list[Any]:
    """Return a value for each point: one that is given once holds for all."""
    return list(value) if isinstance(value, list | tuple) else [value] * count


def _step(span: float, most: int) -> float:
    """Return a step of 1, 2 or 5 times a power of ten that gives at most so many."""
    rough = max(span, 1e-9) / max(most, 1)
    power: float = 10.0 ** floor(log10(rough))
    return next(size * power for size in (1, 2, 5, 10) if size * power >= rough * 0.999)


def _days(value: Any) -> float:
    return float(date.fromisoformat(str(value)[:10]).toordinal())


@dataclass
class Axis:
    """An axis: the values at its ends, and the pixels where they are."""

    letter: str
    look: Drawing
    names: list[str]
    low: float = 0.0
    high: float = 1.0
    start: float = 0.0
    end: float = 1.0

    @property
    def visible(self) -> bool:
        """Whether anything of it is drawn."""
        return bool(self.look.get("visible", True))

    @property
    def size(self) -> float:
        """The size of its labels in pixels."""
        return float(self.look.get("tickfont", {}).get("size", 14))

    def number(self, value: Any) -> float | None:
        """Return where a value is on the axis, in its own units."""
        if self.names and str(value) in self.names:
            return float(self.names.index(str(value)))
        if self.look.get("type") == "date" and isinstance(value, str):
            return _days(value)
        return float(value) if isinstance(value, int | float) and isfinite(value) else None

    def at(self, value: Any) -> float | None:
        """Return the pixel of a value; None if it is missing."""
        number = self.number(value)
        return None if number is None else self.start + self.pixels(number - self.low)

    def pixels(self, size: float) -> float:
        """Return a distance in pixels."""
        return size / (self.high - self.low) * (self.end - self.start)

    def ticks(self, length: float, separators: str) -> list[tuple[float, str]]:
        """Return where the ticks are in units of the axis, and what they say, for an axis of so many pixels."""
        if not self.visible or self.look.get("showticklabels") is False:
            return []
        first, last = sorted((self.low, self.high))
        if self.names:
            return [(rank, name) for rank, name in enumerate(self.names) if first <= rank <= last]
        if "ticktext" in self.look:
            return list(zip(self.look["tickvals"], self.look["ticktext"], strict=True))
        if self.look.get("type") == "date":
            years = range(date.fromordinal(int(first)).year, date.fromordinal(int(last)).year + 1)
            return [(day, str(year)) for year in years if first <= (day := date(year, 1, 1).toordinal()) <= last]
        most = int(self.look.get("nticks", max(2, length / (64 if self.letter == "x" else 40))))
        step = float(self.look.get("dtick", 0)) or _step(last - first, most)
        places = range(ceil(first / step - 1e-6), floor(last / step + 1e-6) + 1)
        values = [float(value) for value in self.look.get("tickvals", (place * step for place in places))]
        digits = next((digits for digits in range(4) if all(abs(v - round(v, digits)) < 1e-9 for v in values)), 4)
        return [(value, self._said(value, digits, separators)) for value in values]

    def _said(self, value: float, digits: int, separators: str) -> str:
        form = self.look.get("tickformat", "")
        if form.endswith("%"):
            return f"{value * 100:.{max(0, digits - 2)}f}%".replace(".", separators[0])
        if form == "d":
            return f"{value:.0f}"
        text = f"{value:,.{digits}f}".replace(",", "\0").replace(".", separators[0])
        return text.replace("\0", separators[1:]).replace("-", "−")
