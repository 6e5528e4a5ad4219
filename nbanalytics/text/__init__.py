"""The words of the figures and dashboards: one catalogue, Swedish and English, numbers by Babel.

Everything that a reader of a page sees passes through here: :func:`say` for sentences, :func:`label` for codes,
:func:`number` and :func:`percent` for figures, :func:`answer` and :func:`reading` for the paragraphs that are
computed from the cells shown.
"""

from __future__ import annotations

from nbanalytics.text.catalogue import LANGUAGES, comparing, label, say, wording
from nbanalytics.text.cells import Cell, Cells
from nbanalytics.text.numbers import NOT_APPLICABLE, SUPPRESSED, cell_text, number, percent, signed, students
from nbanalytics.text.reading import answer, reading, selection_words

__all__ = [
    "LANGUAGES",
    "NOT_APPLICABLE",
    "SUPPRESSED",
    "Cell",
    "Cells",
    "answer",
    "cell_text",
    "comparing",
    "label",
    "number",
    "percent",
    "reading",
    "say",
    "selection_words",
    "signed",
    "students",
    "wording",
]
