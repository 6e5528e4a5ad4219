"""The words of charts and pages: Swedish and English, numbers by Babel.

Everything that a reader of a page sees passes through here: :class:`Words` for sentences, labels and numbers,
:func:`answer` and :func:`reading` for the paragraphs that are computed from the cells shown.
"""

from __future__ import annotations

from nbanalytics.text.cells import Cell, Cells
from nbanalytics.text.reading import answer, headline, hidden_words, reading, selection_words
from nbanalytics.text.words import ENGLISH, LANGUAGES, NOT_APPLICABLE, SUPPRESSED, Words

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "NOT_APPLICABLE",
    "SUPPRESSED",
    "Cell",
    "Cells",
    "Words",
    "answer",
    "headline",
    "hidden_words",
    "reading",
    "selection_words",
]
