"""A chart as a static SVG: small, without JavaScript, for wherever plotly does not run.

It draws the part of plotly's vocabulary that the charts of this package use, in their sizes and colours. A chart that
uses more of it raises a ValueError, so that nothing is left out of a picture in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from nbanalytics.figures.style import FONT, GRID, INK, PAPER, Drawing
from nbanalytics.figures.svg_axes import (
    PAD,
    SYMBOLS,
    Axis,
    known,
    many,
    paint,
    short,
    stroke,
    text_height,
    text_width,
    third,
    trail,
    write,
)

Place = Callable[[Any], float | None]


@dataclass
class _Picture:
    """A drawing in its place: margins, axes and what has been drawn so far."""

    drawing: Drawing
    width: float
    axes: dict[str, Axis] = field(default_factory=dict)
    stacked: dict[str, float] = field(default_factory=dict)
    out: list[str] = field(default_factory=list)
    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    bottom: float = 0.0

    def __post_init__(self) -> None:
        self.data: list[Drawing] = self.drawing["data"]
        self.layout: Drawing = self.drawing["layout"]
        self.height = float(self.layout["height"])
        for trace in self.data:
            if trace["type"] != "sankey":
                for letter in "xy":
                    self._axis(trace.get(f"{letter}axis", letter))
        for name in list(self.axes):
            self._range(name)
        self._margins()

    def _axis(self, name: str) -> None:
        if name in self.axes:
            return
        letter, look = name[0], self.layout.get(f"{name[0]}axis{name[1:]}", {})
        values = [value for trace in self._of(name) for value in trace.get(letter) or ()]
        kind = look.get("type") or ("category" if any(isinstance(value, str) for value in values) else "")
        given = look.get("categoryarray", ()) if kind == "category" else ()
        names = list(dict.fromkeys(map(str, [*given, *values]))) if kind == "category" else []
        self.axes[name] = Axis(letter, look, names)

    def _of(self, name: str) -> list[Drawing]:
        """Return the traces on an axis."""
        return [
            trace for trace in self.data if trace["type"] != "sankey" and trace.get(f"{name[0]}axis", name[0]) == name
        ]

    def _range(self, name: str) -> None:
        axis = self.axes[name]
        if "range" in axis.look:
            axis.low, axis.high = map(float, axis.look["range"])
            return
        if axis.names:
            low, high = -0.5, len(axis.names) - 0.5
        else:
            low, high = self._extent(axis, self._of(name))
        axis.low, axis.high = (high, low) if axis.look.get("autorange") == "reversed" else (low, high)

    def _extent(self, axis: Axis, traces: Sequence[Drawing]) -> tuple[float, float]:
        """Return the range that holds all marks of an axis, and bars from zero."""
        values: list[float] = []
        floor_ = axis.look.get("rangemode") == "tozero"
        for trace in traces:
            own = [axis.number(value) for value in trace.get(axis.letter) or ()]
            error = trace.get(f"error_{axis.letter}", {})
            for sign, ends in ((1, error.get("array", ())), (-1, error.get("arrayminus", ()))):
                held = zip(own, ends, strict=True) if ends else ()
                values += [at + sign * size for at, size in held if at is not None and known([size])]
            values += [value for value in own if value is not None]
            along = "x" if trace.get("orientation") == "h" else "y"
            floor_ |= trace["type"] == "bar" and axis.letter == along and "base" not in trace
        low, high = min(values, default=0.0), max(values, default=1.0)
        pad = (high - low or 1.0) * 0.06
        return (min(low, 0.0) if floor_ and low >= 0 else low - pad), high + pad

    def _margins(self) -> None:
        """Place the axes in what the margins, the labels, the titles and the legend leave."""
        given = self.layout["margin"]
        self.left, self.right, self.top = given["l"], self.width - given["r"], given["t"]
        self.bottom = self.height - given["b"]
        for axis in self.axes.values():
            named = _title_height(axis)
            ticks = axis.ticks(self.height if axis.letter == "y" else self.width, self.layout["separators"])
            if axis.letter == "y":
                room = max((text_width(text, axis.size) for _, text in ticks), default=-2 * PAD) + 2 * PAD
                self.left = max(self.left, room + named)
                continue
            span = axis.high - axis.low
            halves = [text_width(text, axis.size) / 2 for value, text in ticks if (value - axis.low) / span > 0.95]
            self.right = min(self.right, self.width - max(halves, default=0.0) - 2)
            if axis.look.get("side") == "top":
                room = max((text_height(text, axis.size) for _, text in ticks), default=0) + PAD
                self.top = max(self.top, room)
            else:
                room = max((text_height(text, axis.size) for _, text in ticks), default=-PAD) + PAD
                self.bottom = min(self.bottom, self.height - room - named)
        self._legend()
        for axis in self.axes.values():
            first, last = axis.look.get("domain", (0, 1))
            if axis.letter == "x":
                axis.start, axis.end = (self.left + part * (self.right - self.left) for part in (first, last))
            else:
                axis.start, axis.end = (self.bottom - part * (self.bottom - self.top) for part in (first, last))

    def _legend(self) -> None:
        """Take room for the legend, and write it."""
        entries = [
            trace
            for trace in self.data
            if self.layout.get("showlegend") and trace.get("name") and trace.get("showlegend", True)
        ]
        look = self.layout.get("legend", {})
        if not entries:
            return
        size = look.get("font", {}).get("size", 13)
        widths = [40 + text_width(trace["name"], size) for trace in entries]
        heights = [text_height(trace["name"], size) + 4 for trace in entries]
        beside = look.get("orientation") == "v" and self.width > 480
        places, x, y, tall = [], 0.0, 0.0, 0.0
        for wide, high in zip(widths, heights, strict=True):
            if x and (beside or x + wide > self.width - 16):
                x, y, tall = 0.0, y + tall, 0.0
            places.append((x, y + high / 2))
            x, tall = x + wide + 10, max(tall, high)
        needed = y + tall
        left, top = 8.0, self.height - needed - 4
        if beside:
            self.right = min(self.right, self.width - max(widths) - 12)
            left, top = self.right + 12, self.top
        elif look.get("y", 1) > 0 and look.get("orientation") == "h":
            self.top = max(self.top, needed + 10)
            left, top = 8.0, self.top - needed - 10
        else:
            self.bottom -= max(0.0, needed + 10 - max(0.0, self._below()))
        for trace, (x, y) in zip(entries, places, strict=True):
            self.out += self._sample(trace, left + x, top + y)
            self.out.append(write(left + x + 36, top + y, trace["name"], size, across="left"))

    def _below(self) -> float:
        """Return how much room the bottom margin has beneath the labels and the title of its axis."""
        room = 0.0
        for axis in self.axes.values():
            if axis.letter == "x" and axis.visible and axis.look.get("side") != "top":
                ticks = axis.ticks(self.width, self.layout["separators"])
                deep = max((text_height(text, axis.size) for _, text in ticks), default=0)
                room = max(room, deep + PAD + _title_height(axis))
        return self.height - self.bottom - room

    def _sample(self, trace: Drawing, x: float, y: float) -> list[str]:
        """Draw what a trace looks like, to the left of its name in the legend."""
        marker = trace.get("marker", {})
        if trace["type"] == "bar":
            colour = many(marker.get("color", INK), 1)[0]
            return [f'<path d="{trail("M", x + 12, y - 6)}h12v12h-12z"{paint("fill", colour)}/>']
        mode, found = trace.get("mode", "markers"), []
        if "lines" in mode:
            found.append(f'<path d="{trail("M", x + 2, y)}h30" fill="none"{stroke(trace.get("line", {}), INK)}/>')
        if "markers" in mode:  # a look for each point: the legend shows the first, as plotly does
            first = {name: value[0] if isinstance(value, list | tuple) else value for name, value in marker.items()}
            found += self._marks(first, [(x + 17, y)])
        return found

    def drawn(self, label: str) -> str:
        """Draw all, and return the picture."""
        legend, self.out = self.out, []
        self._shapes(below=True)
        for name, axis in self.axes.items():
            self._rules(name, axis)
        kinds = {"bar": self._bars, "scatter": self._scatter, "heatmap": self._heatmap, "sankey": self._sankey}
        for trace in self.data:
            if trace["type"] not in kinds:
                raise ValueError(f"a chart of type {trace['type']!r} cannot be drawn as SVG yet")
            kinds[trace["type"]](trace)
        self._shapes(below=False)
        for name, axis in self.axes.items():
            self._labels(name, axis)
        for note in self.layout.get("annotations", ()):
            self._note(note)
        wide, tall = short(self.width), short(self.height)
        size = f'viewBox="0 0 {wide} {tall}" width="{wide}" height="{tall}"'
        named = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
        look = f'font-family="{FONT}" text-anchor="middle" style="max-width:100%;height:auto;white-space:pre"'
        paper = f'<path d="M0 0h{wide}v{tall}H0z" fill="{PAPER}"/>'
        inner = "".join([paper, *self.out, *legend])
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {named} {look}>{inner}</svg>'

    def _across(self, axis: Axis) -> tuple[float, float]:
        """Return where the lines of an axis's grid begin and end."""
        others = [other for other in self.axes.values() if other.letter != axis.letter]
        anchor = self.axes.get(str(axis.look.get("anchor", "")))
        chosen = [anchor] if anchor and axis.letter == "y" else others
        ends = [end for other in chosen for end in (other.start, other.end)]
        return (max(ends), min(ends)) if axis.letter == "x" else (min(ends), max(ends))

    def _rules(self, name: str, axis: Axis) -> None:
        """Draw the grid of an axis, its line and its zero."""
        if not axis.visible:
            return
        first, last = self._across(axis)
        length = abs(axis.end - axis.start)
        lines = axis.ticks(length, self.layout["separators"]) if axis.look.get("showgrid", True) else []
        self._lines_at(axis, [place for place, _ in lines], first, last, GRID)
        if axis.look.get("zeroline") is True:
            self._lines_at(axis, [0.0], first, last, axis.look.get("zerolinecolor", INK))
        if "linecolor" in axis.look:
            end = (self._foot(name, axis) if axis.letter == "x" else self.left) or 0.0
            path = (
                trail("M", axis.start, end, "H", axis.end)
                if axis.letter == "x"
                else (trail("M", end, axis.start, "V", axis.end))
            )
            self.out.append(f'<path d="{path}"{paint("stroke", axis.look["linecolor"])}/>')

    def _lines_at(self, axis: Axis, places: Sequence[float], first: float, last: float, colour: str) -> None:
        at = [place for value in places if (place := axis.at(value)) is not None]
        inside = [place for place in at if min(axis.start, axis.end) - 1 <= place <= max(axis.start, axis.end) + 1]
        path = "".join(
            trail("M", place, first, "V", last) if axis.letter == "x" else trail("M", first, place, "H", last)
            for place in inside
        )
        if path:
            self.out.append(f'<path d="{path}" fill="none"{paint("stroke", colour)}/>')

    def _foot(self, name: str, axis: Axis) -> float:
        """Return the height of a horizontal axis."""
        anchor = self.axes.get(str(axis.look.get("anchor", "")))
        return self.top if axis.look.get("side") == "top" else anchor.start if anchor else self.bottom

    def _labels(self, name: str, axis: Axis) -> None:
        """Write the labels of an axis, and its title."""
        if not axis.visible:
            return
        title, deep = axis.look.get("title", {}), 0.0
        size = title.get("font", {}).get("size", 14)
        colour = axis.look.get("tickfont", {}).get("color", INK)
        for value, text in axis.ticks(abs(axis.end - axis.start), self.layout["separators"]):
            place = axis.at(value) or 0.0
            if axis.letter == "y":
                x = self.left - axis.look.get("ticklabelstandoff", 0) / 2 - PAD
                self.out.append(write(x, place, text, axis.size, colour, across="right"))
            else:
                above = axis.look.get("side") == "top"
                y, down = self._foot(name, axis) + (-PAD / 2 if above else PAD / 2), "bottom" if above else "top"
                self.out.append(write(place, y, text, axis.size, colour, down=down))
                deep = max(deep, text_height(text, axis.size))
        if not title.get("text"):
            return
        middle = (axis.start + axis.end) / 2
        if axis.letter == "x":
            y = self._foot(name, axis) + deep + 2 * PAD
            self.out.append(write(middle, y, title["text"], size, down="top"))
        else:
            turned = write(0, 0, title["text"], size, down="top")
            self.out.append(f'<g transform="translate(2 {short(middle)}) rotate(-90)">{turned}</g>')

    def _places(self, trace: Drawing) -> list[tuple[float | None, float | None]]:
        x, y = (self.axes[trace.get(f"{letter}axis", letter)] for letter in "xy")
        return [(x.at(left), y.at(up)) for left, up in zip(trace["x"], trace["y"], strict=True)]

    def _scatter(self, trace: Drawing) -> None:
        points, mode = self._places(trace), trace.get("mode", "markers")
        if "lines" in mode:
            self._line(trace, points)
        self._errors(trace, points)
        if "markers" in mode:
            self.out += self._marks(trace.get("marker", {}), points)
        if "text" in mode:
            font = trace.get("textfont", {})
            around = many(trace.get("textposition", "middle center"), len(points))
            for (x, y), text, side in zip(points, many(trace.get("text", ""), len(points)), around, strict=True):
                if x is None or y is None or not text:
                    continue
                down, across = side.split()
                shift = {"top": -8, "bottom": 8}.get(down, 0)
                sides = {"top": "bottom", "bottom": "top"}.get(down, "middle"), {"left": "right", "right": "left"}
                size, colour = font.get("size", 14), font.get("color", INK)
                self.out.append(write(x, y + shift, text, size, colour, sides[1].get(across, "center"), sides[0]))

    def _line(self, trace: Drawing, points: Sequence[tuple[float | None, float | None]]) -> None:
        path, begun = [], False
        for x, y in points:
            if x is None or y is None:
                begun = False
                continue
            stepped = trace.get("line", {}).get("shape") == "hv" and begun
            path.append(trail("H", x, "V", y) if stepped else trail("L" if begun else "M", x, y))
            begun = True
        if path:
            self.out.append(f'<path d="{"".join(path)}" fill="none"{stroke(trace.get("line", {}), INK)}/>')

    def _errors(self, trace: Drawing, points: Sequence[tuple[float | None, float | None]]) -> None:
        """Draw the intervals of a trace."""
        for letter in "xy":
            if not (error := trace.get(f"error_{letter}")):
                continue
            axis, path = self.axes[trace.get(f"{letter}axis", letter)], ""
            for (x, y), above, below in zip(points, error["array"], error["arrayminus"], strict=True):
                if x is None or y is None or len(known([above, below])) < 2:
                    continue
                cap, ends = error.get("width", 4), [axis.pixels(above), -axis.pixels(below)]
                for end in ends:
                    if letter == "y":
                        path += trail("M", x, y, "v", end, "m", -cap, 0, "h", 2 * cap)
                    else:
                        path += trail("M", x, y, "h", end, "m", 0, -cap, "v", 2 * cap)
            own = trace.get("marker", {}).get("color", INK)
            colour = error.get("color", own if isinstance(own, str) else INK)
            pen = stroke({"width": error.get("thickness", 2)}, colour)
            self.out.append(f'<path d="{path}" fill="none"{pen}/>' if path else "")

    def _marks(self, marker: Drawing, points: Sequence[tuple[float | None, float | None]]) -> list[str]:
        """Draw symbols, those of one look with one path; where several fall on one place it is drawn once."""
        count, looks = len(points), dict[tuple[Any, ...], dict[str, None]]()
        kinds = zip(
            points,
            *(many(marker.get(name, given), count) for name, given in
              (("symbol", "circle"), ("color", INK), ("size", 8))),
            strict=True,
        )  # fmt: skip
        for (x, y), *look in kinds:
            if x is not None and y is not None:
                looks.setdefault(tuple(look), {})[trail("M", x, y)] = None
        return [self._symbol(marker, look, list(places)) for look, places in looks.items()]

    def _symbol(self, marker: Drawing, look: tuple[Any, ...], places: Sequence[str]) -> str:
        symbol, colour, size = look
        kind, hollow, line = symbol.removesuffix("-open"), symbol.endswith("-open"), marker.get("line", {})
        through = f' opacity="{marker["opacity"]}"' if "opacity" in marker else ""
        radius = size / 2
        edge = stroke(
            {"width": line.get("width", 1.5 if hollow else 0)}, colour if hollow else line.get("color", colour)
        )
        if kind == "circle" and not hollow:  # a line without length, drawn with a round pen
            path = "".join(f"{place}h0" for place in places)
            return f'<path d="{path}" stroke-linecap="round"{stroke({"width": size}, colour)}{through}/>'
        if kind in ("circle", "circle-x"):
            arc = ("a", radius, radius, 0, 1, 0)
            shape = trail("m", -radius, 0, *arc, size, 0, *arc, -size, 0)
            if kind == "circle-x":
                tip = radius * 0.7071
                shape += trail("m", radius - tip, -tip, "l", 2 * tip, 2 * tip, "m", 0, -2 * tip, "l", -2 * tip, 2 * tip)
        else:
            corners = [(radius * x, radius * y) for x, y in SYMBOLS[kind]]
            steps = [(x - x0, y - y0) for (x0, y0), (x, y) in zip([(0.0, 0.0), *corners], corners, strict=False)]
            shape = "".join(trail("l" if rank else "m", *step) for rank, step in enumerate(steps)) + "z"
        fill = ' fill="none"' if hollow else paint("fill", colour)
        return f'<path d="{"".join(place + shape for place in places)}"{fill}{edge}{through}/>'

    def _bars(self, trace: Drawing) -> None:
        flat = trace.get("orientation") == "h"
        across, along = (self.axes[trace.get(f"{letter}axis", letter)] for letter in ("yx" if flat else "xy"))
        names, sizes = (trace["y"], trace["x"]) if flat else (trace["x"], trace["y"])
        count, text = len(names), trace.get("text", "")
        wide = abs(across.pixels(trace.get("width", 1 - self.layout.get("bargap", 0.2))))
        looks, ends = dict[str, str](), []
        stacked = self.layout.get("barmode") == "stack"
        bases = many(trace.get("base", 0), count)
        colours = many(trace["marker"]["color"], count)
        for name, size, base, colour in zip(names, sizes, bases, colours, strict=True):
            whole = len(known([base, size])) == 2
            begin = base + (self.stacked.get(str(name), 0.0) if stacked else 0.0) if whole else None
            middle, low = across.at(name), along.at(begin)
            high = along.at(begin + size) if whole else None
            ends.append((middle, low, high))
            if middle is None or low is None or high is None:
                continue
            self.stacked[str(name)] = begin + size - base
            box = (trail("M", low, middle - wide / 2, "H", high, "v", wide, "H", low, "z") if flat else
                   trail("M", middle - wide / 2, low, "V", high, "h", wide, "V", low, "z"))  # fmt: skip
            looks[colour] = looks.get(colour, "") + box
        edge = stroke(trace["marker"]["line"], PAPER, 0) if "line" in trace["marker"] else ""
        self.out += [f'<path d="{path}"{paint("fill", colour)}{edge}/>' for colour, path in looks.items()]
        self._errors(trace, self._places(trace))
        font, inside = trace.get("textfont", {}), trace.get("textposition") == "inside"
        for (middle, low, high), words in zip(ends, many(text, count), strict=True):
            if middle is None or low is None or high is None or not words:
                continue
            end = (low + high) / 2 if inside else high + (4 if flat else -3)
            x, y = (end, middle) if flat else (middle, end)
            size, colour = font.get("size", 14), font.get("color", INK)
            sides = ("center", "middle") if inside else ("left", "middle") if flat else ("center", "bottom")
            self.out.append(write(x, y, words, size, colour, *sides))

    def _heatmap(self, trace: Drawing) -> None:
        (_, pale), (_, deep) = trace["colorscale"]
        x, y = self.axes["x"], self.axes["y"]
        wide, tall = abs(x.pixels(1)) - trace.get("xgap", 0), abs(y.pixels(1)) - trace.get("ygap", 0)
        for name, row in zip(trace["y"], trace["z"], strict=True):
            for column, value in zip(trace["x"], row, strict=True):
                left, up = x.at(column), y.at(name)
                if value is None or left is None or up is None:
                    continue
                box = trail("M", left - wide / 2, up - tall / 2, "h", wide, "v", tall, "h", -wide, "z")
                share = (value - trace["zmin"]) / ((trace["zmax"] - trace["zmin"]) or 1)
                self.out.append(f'<path d="{box}"{paint("fill", pale)}/>')
                if share > 0:
                    self.out.append(f'<path d="{box}"{paint("fill", deep)} fill-opacity="{share:.2f}"/>')

    def _sankey(self, trace: Drawing) -> None:
        """Draw nodes and links in their places; the trace says how tall one student is."""
        node, link = trace["node"], trace["link"]
        wide, tall = self.right - self.left, self.bottom - self.top
        unit, half = trace["meta"]["scale"] * tall, node["thickness"] / 2
        links = [
            (source, target, value, colour)
            for source, target, value, colour in zip(
                *(link[name] for name in ("source", "target", "value", "color")), strict=True
            )
            if not colour.endswith(",0)")
        ]
        linked = [
            max(sum(held[2] for held in links if held[end] == rank) for end in (0, 1)) for rank in range(len(node["x"]))
        ]
        x = [self.left + place * wide for place in node["x"]]
        tops = [self.top + y * tall - size * unit / 2 for y, size in zip(node["y"], linked, strict=True)]
        begins: dict[int, float] = {}
        for end, other in ((0, 1), (1, 0)):
            used = list(tops)
            beside = [tops[held[other]] for held in links]
            for rank in sorted(range(len(links)), key=beside.__getitem__):
                place = links[rank][end]
                if end == 0:
                    begins[rank] = used[place]
                else:
                    self._band(x[links[rank][0]] + half, begins[rank], x[place] - half, used[place], links[rank], unit)
                used[place] += links[rank][2] * unit
        for left, top, size, colour in zip(x, tops, linked, node["color"], strict=True):
            if size:
                box = trail("M", left - half, top, "h", 2 * half, "v", size * unit, "h", -2 * half, "z")
                self.out.append(f'<path d="{box}"{paint("fill", colour)}/>')

    def _band(self, x0: float, y0: float, x1: float, y1: float, link: tuple[int, int, float, str], unit: float) -> None:
        """Draw a link as a band between the upper ends of its two edges."""
        thick, middle = max(link[2] * unit, 0.5), (x0 + x1) / 2
        over = trail("M", x0, y0, "C", middle, y0, middle, y1, x1, y1)
        back = trail("v", thick, "C", middle, y1 + thick, middle, y0 + thick, x0, y0 + thick, "z")
        self.out.append(f'<path d="{over}{back}"{paint("fill", link[3])}/>')

    def _place_of(self, letter: str, ref: str) -> Place:
        """Return what turns a coordinate of an annotation or a shape into pixels."""
        if ref == "paper":
            first, last = (self.left, self.right) if letter == "x" else (self.bottom, self.top)
            return lambda value: first + value * (last - first)
        return self.axes[ref].at

    def _shapes(self, below: bool) -> None:
        for shape in self.layout.get("shapes", ()):
            if (shape.get("layer") == "below") != below:
                continue
            x, y = (self._place_of(letter, shape.get(f"{letter}ref", letter)) for letter in "xy")
            if shape.get("xsizemode") == "pixel":
                anchor = x(shape["xanchor"]) or 0.0
                ends = [anchor + shape["x0"], anchor + shape["x1"]]
            else:
                ends = [x(shape[name]) or 0.0 for name in ("x0", "x1")]
            up, down = (y(shape[name]) or 0.0 for name in ("y0", "y1"))
            pen = stroke(shape["line"], INK) if shape.get("line", {}).get("width", 2) else ""
            if shape["type"] == "line":
                self.out.append(f'<path d="{trail("M", ends[0], up, "L", ends[1], down)}" fill="none"{pen}/>')
                continue
            through = f' opacity="{shape["opacity"]}"' if "opacity" in shape else ""
            box = trail("M", ends[0], up, "H", ends[1], "V", down, "H", ends[0], "z")
            self.out.append(f'<path d="{box}"{paint("fill", shape.get("fillcolor", "none"))}{pen}{through}/>')

    def _note(self, note: Drawing) -> None:
        """Write an annotation, on a ground of its own if it has one."""
        places = [self._place_of(letter, note.get(f"{letter}ref", letter))(note[letter]) for letter in "xy"]
        if places[0] is None or places[1] is None:
            return
        across = note.get("xanchor") or ("left", "center", "right")[third(note, "x")]
        down = note.get("yanchor") or ("bottom", "middle", "top")[third(note, "y")]
        x, y = places[0] + note.get("xshift", 0), places[1] - note.get("yshift", 0)
        font = {"size": 14, "color": INK, **note.get("font", {})}
        if "bgcolor" in note:
            wide, tall = text_width(note["text"], font["size"]) * 0.96, text_height(note["text"], font["size"])
            left = x - {"left": 0, "center": 0.5, "right": 1}[across] * wide
            top = y - {"top": 0, "middle": 0.5, "bottom": 1}[down] * tall
            box = trail("M", left, top, "h", wide, "v", tall, "h", -wide, "z")
            self.out.append(f'<path d="{box}"{paint("fill", note["bgcolor"])}/>')
        self.out.append(write(x, y, note["text"], font["size"], font["color"], across, down))


def _title_height(axis: Axis) -> float:
    title = axis.look.get("title", {})
    return 1.6 * title.get("font", {}).get("size", 14) + PAD if title.get("text") and axis.visible else 0.0


def draw_svg(drawing: Drawing, label: str = "", width: int = 720) -> str:
    """Draw a chart as SVG.

    Parameters
    ----------
    drawing
        ``data`` and ``layout`` of a :class:`~nbanalytics.figures.Chart`.
    label
        Text alternative; without one the picture is hidden from screen readers.
    width
        In pixels; the height is the chart's own.

    Returns
    -------
    str
        One ``svg`` element.

    Raises
    ------
    ValueError
        If the chart uses a kind of trace that is not drawn here.
    """
    return _Picture(drawing, width).drawn(label)
