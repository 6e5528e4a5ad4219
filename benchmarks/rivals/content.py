"""What every rival shows: the same filters, key figures, charts and tables as the board, from the same release."""

from __future__ import annotations

import sys

from nbanalytics.pages.board import Board
from nbanalytics.release import read_release

RELEASE, PORT = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
board = Board(read_release(RELEASE))
FILTERS = board.filters()


def view(*values: str) -> dict:
    """What is shown for a value of each filter."""
    return board.view(dict(zip((entry["id"] for entry in FILTERS), values, strict=True)))
