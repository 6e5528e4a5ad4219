"""What has to hold of a pupil's grades in a grade file, and of pupils who are there twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nbanalytics.municipal.scb_cells import Notes
from nbanalytics.municipal.scb_layouts import PERSON, Layout
from nbanalytics.readers.findings import Rows

if TYPE_CHECKING:
    from nbanalytics.municipal.scb import Pupils

#: Meanings for which a subject was read and judged, beside the grades themselves.
_JUDGED = ("-", "adapted")


def check_block(layout: Layout, grades: Any, languages: dict[str, Any], rows: Rows, notes: Notes) -> None:
    """Check a block of pupils; what is wrong is remarked, and the grades stay as they stand."""
    values = layout.values
    judging = np.array([value in layout.grades or value in _JUDGED for value in values])
    subjects = [subject for column, subject in layout.grade_column.items() if column in notes.shape.names]
    places = [list(layout.grade_column.values()).index(subject) for subject in subjects]
    column = {subject: grades[:, place] for subject, place in zip(subjects, places, strict=True)}
    given = {subject: judging[codes] for subject, codes in column.items()}
    code2 = values.index("not_graded") if "not_graded" in values else -1
    for block, members in layout.blocks.items():
        _check_block_grade(block, [m for m in members if m in given], given, column, code2, rows, notes)
    if all(subject in given for subject in layout.alternates) and layout.alternates:
        named = " and ".join(layout.alternates)
        both = np.all([given[subject] for subject in layout.alternates], axis=0)
        neither = np.all([column[subject] == code2 for subject in layout.alternates], axis=0)
        notes.remark("", f"both {named} are graded", "A pupil reads one of them; the other has code 2.", rows[both])
        notes.remark("", f"neither {named} is graded", "A pupil reads one of them.", rows[neither])
    for subject, named in languages.items():
        if subject in column:
            what = f"a language but no grade in {subject}"
            notes.remark("", what, "Fill in the grade, or code 2.", rows[named & (column[subject] == 0)])
            what = f"a grade in {subject} but no language"
            notes.remark("", what, "Fill in the language.", rows[given[subject] & ~named])
    for subject in layout.compulsory:
        if subject in column:
            what = f"code 2 (not graded in a non-compulsory subject) in {subject}, which is compulsory"
            notes.remark("", what, "Is it 3, 9 or a grade?", rows[column[subject] == code2])
    optional = set(layout.language_column.values())
    empty = np.zeros(len(rows), dtype=bool)
    for subject, codes in column.items():
        if subject not in optional:
            empty |= codes == 0
    notes.remark("", "a subject with neither grade nor code", "It counts as no grade given.", rows[empty])


def _check_block_grade(
    block: str, members: list[str], given: Any, column: Any, code2: int, rows: Rows, notes: Notes
) -> None:
    if block not in given or not members:
        return
    listed = ", ".join(members)
    # In a block grade's subjects stands 2; a grade beside the block's is counted as one more pass.
    any_member = np.any([given[member] for member in members], axis=0)
    what = f"a block grade in {block} and grades in its subjects {listed}"
    notes.remark(
        "",
        what,
        "Give the block grade and code 2 in its subjects, or the other way round.",
        rows[given[block] & any_member],
    )
    none = (column[block] == code2) & np.all([column[member] == code2 for member in members], axis=0)
    notes.remark(
        "", f"neither {block} nor its subjects {listed} are graded", "Is one of them 3, 9 or a grade?", rows[none]
    )


def check_repeats(pupils: Pupils, notes: Notes) -> Any:
    """Find pupils who are there more than once; returns which rows stay.

    A row that repeats an earlier one goes; rows of a pupil that contradict each other all go.
    """
    keep = np.ones(pupils.count, dtype=bool)
    front = np.ascontiguousarray(pupils.digests[:, :8]).view(np.uint64).ravel()
    ordered = np.sort(front)
    alike = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(alike):
        return keep
    groups: dict[bytes, list[int]] = {}
    for place in np.flatnonzero(np.isin(front, alike)).tolist():
        groups.setdefault(pupils.digests[place].tobytes(), []).append(place)
    repeats: list[int] = []
    contradictions: list[int] = []
    for members in groups.values():
        same = len({_content(pupils, member) for member in members}) == 1
        if same:
            repeats += members[1:]
        else:
            contradictions += members
    keep[repeats + contradictions] = False
    first = "The first row stays; take the others out."
    notes.fault(PERSON, "repeats a pupil's row above", first, pupils.rows[np.array(repeats, dtype=int)])
    what = "the same pupil with other grades, school or date in another row"
    notes.fault(PERSON, what, "Keep the row that is right.", pupils.rows[np.array(contradictions, dtype=int)])
    return keep


def _content(pupils: Pupils, place: int) -> tuple[bytes, int, int]:
    return pupils.grades[place].tobytes(), int(pupils.cohort[place]), int(pupils.school[place])
