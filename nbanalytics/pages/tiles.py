"""The key figures at the top of a page: a number, what it is of, or why it is not shown."""

from __future__ import annotations

from collections.abc import Mapping

from nbanalytics.text import Cell, Cells, cell_text, number, percent, say, students

Tile = dict[str, str]


def count_tile(key: str, cell: Cell, lang: str) -> Tile:
    """Return a tile with a number of students."""
    note = say(f"tile.{key}.note" if cell.ok else "tile.hidden", lang)
    return tile(key, cell_text(cell.value, cell.status, lang), note, lang)


def share_tile(key: str, cell: Cell, whole: float | None, lang: str) -> Tile:
    """Return a tile with a share of students; both numbers have to be shown for it."""
    if cell.value is None or not whole:
        status = "suppressed" if cell.ok and whole is None else cell.status
        return tile(key, cell_text(None, status, lang), say("tile.hidden", lang), lang)
    note = say("tile.of", lang, part=number(cell.value, lang), whole=students(whole, lang))
    return tile(key, percent(cell.value / whole, lang), note, lang)


def mean_tile(key: str, cell: Cell, lang: str) -> list[Tile]:
    """Return a tile with a mean; none where there is nobody to have one."""
    if cell.status == "not_applicable":
        return []
    return [count_tile(key, cell, lang) | {"value": cell_text(cell.value, cell.status, lang, "mean")}]


def tile(key: str, value: str, note: str, lang: str) -> Tile:
    """Return a tile: its label stands in the catalogue under ``tile.<key>``."""
    return {"id": key, "label": say(f"tile.{key}", lang), "value": value, "note": note}


def lost_tiles(cells: Mapping[str, Cells], lang: str) -> list[Tile]:
    """Return the key figures of "När tappar vi dem?"."""
    flow = cells["eligibility"]
    total = flow.cell()
    return [
        count_tile("followed", total, lang),
        share_tile("start", flow.cell(start="eligible"), total.value, lang),
        share_tile("end", flow.cell(end="eligible"), total.value, lang),
        count_tile("lost", flow.cell(start="eligible", end="not_eligible"), lang),
        count_tile("gained", flow.cell(start="not_eligible", end="eligible"), lang),
        *mean_tile("merit", cells["points"].cell("mean_merit", year="9"), lang),
    ]
