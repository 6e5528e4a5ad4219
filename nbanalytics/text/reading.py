"""The sentences that are computed from the cells shown: the answer, and how to read the result.

They count students, claim no cause, single out nobody and say what is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

from nbanalytics.text.cells import Cell, Cells
from nbanalytics.text.words import Words

_Z = 1.96  # two-sided 95 %


def selection_words(selection: Mapping[str, str], words: Words, cohorts: Sequence[str] = ()) -> str:
    """Say in words what a selection of the filters holds; ``cohorts`` are all of the release, named if none is chosen.

    Examples
    --------
    >>> chosen = {"cohort": "2018", "school": "*", "sex": "boy", "newly_arrived": "*"}
    >>> selection_words(chosen, Words("sv"))
    'avgångsår 2018, alla skolor, pojkar'
    """
    parts = []
    cohort = selection.get("cohort", "*")
    if cohort != "*":
        parts.append(words.say("selection.cohort", value=cohort))
    elif len(cohorts) > 1:
        parts.append(words.say("selection.cohorts", first=cohorts[0], last=cohorts[-1]))
    elif cohorts:
        parts.append(words.say("selection.cohort", value=cohorts[0]))
    school = selection.get("school", "*")
    name = words.label("school", school)
    parts.append(name.lower() if school == "*" else name)
    for dimension in ("sex", "newly_arrived"):
        value = selection.get(dimension, "*")
        if value != "*":
            parts.append(words.label(dimension, value).lower())
    return ", ".join(parts)


def _lost(drops: Cells) -> list[Cell]:
    return [drops.cell("lost", term=term) for term in drops.codes("term")]


def answer(cells: Mapping[str, Cells], words: Words) -> str:
    """Answer "when do we lose them?" in one or two sentences, from the tables ``eligibility`` and ``droppoints``.

    The answer says so where the numbers may not be shown.
    """
    flow, drops = cells["eligibility"], cells["droppoints"]
    start, lost = flow.cell(start="eligible"), flow.cell(start="eligible", end="not_eligible")
    total, end = flow.value(), flow.value(end="eligible")
    known = [cell.ok or cell.span is not None for cell in (start, lost)]
    if story := _story(flow, drops, words):
        first = story
    elif all(known):
        who = words.students(start.value) if start.value is not None else words.students_within(*start.span or (0, 0))
        first = words.say("answer.groups", start=who, lost=words.cell(lost))
    elif start.value is not None and total is not None and end is not None:
        ends = {"start": words.number(start.value), "end": words.number(end)}
        first = words.say("answer.both", students=words.students(total), **ends)
    else:
        first = words.say("answer.groups_hidden")
    said = _most_in(drops, words)
    return f"{first} {said}" if said else first


def _story(flow: Cells, drops: Cells, words: Words) -> str:
    """Join the numbers: who lost it at some time, and who lacked it in the end; empty unless all are shown as they are.

    Those who lacked it in the end are among those who lost it. The others regained it or have no grades in the end, and
    the tables do not say how many did which.
    """
    lost, terms = [cell.value for cell in _lost(drops)], drops.codes("term")
    known = [value for value in lost if value is not None]
    whole = drops.value("at_risk", term=terms[0]) if terms else None
    lacking = flow.value(start="eligible", end="not_eligible")
    if drops.ordered is False or len(known) < len(lost) or whole is None or lacking is None or sum(known) < lacking:
        return ""
    blanks = {"start": words.students(whole), "ever": words.number(sum(known)), "lacking": words.number(lacking)}
    others = sum(known) - lacking
    more = [words.say("answer.others", others=words.students(others))] if others else []
    return " ".join([words.say("answer.story", **blanks), *more])


def headline(section: str, cells: Mapping[str, Cells], words: Words) -> str:
    """Say what a chart shows, from its table; empty where this is not known from what may be shown."""
    if section == "groups":
        lost, gained = (cells["groups"].value(group=group) for group in (6, 5))
        if lost is None:
            return ""
        if gained is None:
            return words.say("groups.says_lost", lost=words.students(lost))
        return words.say("groups.says", lost=words.students(lost), gained=words.number(gained))
    if section == "terms":
        worst = cells["droppoints"].largest(_lost(cells["droppoints"])) or []
        names = [words.label("term_long", cell.place["term"]) for cell in worst]
    elif section == "subjects":
        table = cells["lost_subjects"]
        worst = table.largest(table.cell(subject=code, term="*") for code in table.codes("subject")) or []
        names = [_subject_name(cell.place["subject"], words) for cell in worst]
    else:
        return ""
    return words.say(f"{section}.says", name=names[0]) if len(names) == 1 else ""


def _subject_name(code: str, words: Words) -> str:
    name = words.label("subject", code)
    return name[0].lower() + name[1:] if words.lang == "sv" else name


def _most_in(drops: Cells, words: Words) -> str:
    """Say in which term most lost it, or that this is not known from what may be shown."""
    lost = _lost(drops)
    worst = drops.largest(lost)
    if worst is None:
        return words.say("answer.term_hidden" if all(not cell.ok for cell in lost) else "answer.term_open")
    if not worst:
        return ""
    names, most = [words.label("term_long", cell.place["term"]) for cell in worst], words.students(worst[0].value or 0)
    if len(names) == 1:
        return words.say("answer.term", term=names[0], lost=most)
    together = words.say("and").join([", ".join(names[:-1]), names[-1]])
    return words.say("answer.term_tied", terms=together, lost=most)


def _shares(flow: Cells, words: Words) -> list[str]:
    total, start, end = flow.value(), flow.value(start="eligible"), flow.value(end="eligible")
    said = []
    if total and start is not None and end is not None:
        said.append(
            words.say(
                "reading.shares",
                start=words.number(start),
                start_share=words.percent(start / total),
                end=words.number(end),
                end_share=words.percent(end / total),
            )
        )
    lost = flow.value(start="eligible", end="not_eligible")
    gained = flow.value(start="not_eligible", end="eligible")
    if lost is not None and gained is not None:
        said.append(words.say("reading.both_ways", lost=words.students(lost), gained=words.students(gained)))
    return said


def _when(drops: Cells, words: Words) -> list[str]:
    lost, said = _lost(drops), []
    worst = drops.largest(lost) or []
    risk = drops.value("at_risk", term=worst[0].place["term"]) if len(worst) == 1 else None
    if risk:
        most, term = worst[0].value or 0.0, words.label("term_long", worst[0].place["term"])
        blanks = {"term": term, "lost": words.students(most), "share": words.percent(most / risk, 1)}
        said.append(words.say("reading.when", **blanks))
    said.extend(_transition(drops, words))
    if any(cell.status == "suppressed" for cell in lost):
        said.append(words.say("reading.when_hidden"))
    return said


def _transition(drops: Cells, words: Words) -> list[str]:
    """Compare the first term after the start with the others, where every number is shown as it is."""
    terms = drops.codes("term")
    if drops.ordered is False:
        return []
    lost = [drops.value("lost", term=term) for term in terms]
    risk = [drops.value("at_risk", term=term) for term in terms]
    known_lost = [value for value in lost if value is not None]
    known_risk = [value for value in risk if value is not None]
    if len(terms) < 2 or terms[0] != "7HT" or len(known_lost) + len(known_risk) < 2 * len(terms):
        return []
    n_first, n_rest = known_risk[0], sum(known_risk[1:])
    if not n_first or not n_rest:
        return []
    first, rest = known_lost[0] / n_first, sum(known_lost[1:]) / n_rest
    pooled = sum(known_lost) / (n_first + n_rest)
    error = sqrt(pooled * (1 - pooled) * (1 / n_first + 1 / n_rest))
    if abs(first - rest) <= _Z * error:
        key = "reading.transition_same"
    else:
        key = "reading.transition_higher" if first > rest else "reading.transition_lower"
    return [words.say(key, first=words.percent(first, 1), rest=words.percent(rest, 1))]


def _subject(subjects: Cells, words: Words) -> list[str]:
    worst = subjects.largest(subjects.cell(subject=code, term="*") for code in subjects.codes("subject"))
    if worst is None:
        return [words.say("reading.subject_open")]
    if len(worst) != 1:
        return []
    name = _subject_name(worst[0].place["subject"], words)
    return [words.say("reading.subject", subject=name, students=words.students(worst[0].value or 0))]


def hidden_words(hidden: int, words: Words) -> str:
    """Say how many figures of a page are hidden."""
    return words.say("reading.hidden" if hidden != 1 else "reading.hidden.one", hidden=str(hidden))


def reading(cells: Mapping[str, Cells], where: str, words: Words, hidden: int = 0) -> list[str]:
    """Say how the result can be read, in paragraphs, from the cells shown and nothing else.

    ``cells`` has the tables ``eligibility``, ``droppoints`` and ``lost_subjects``; ``where`` is the selection in words
    and ``hidden`` the number of suppressed cells on the page. The transition from year 6 to 7 is compared with the
    later terms by the normal approximation for two proportions at 5 %, unless a number of it is hidden.
    """
    total = cells["eligibility"].value()
    if total is None:
        paragraphs = [words.say("reading.who_hidden", selection=where)]
    else:
        who = words.say("reading.who", students=words.students(total), selection=where)
        paragraphs = [" ".join([who, *_shares(cells["eligibility"], words)])]
    paragraphs.append(" ".join(_when(cells["droppoints"], words)))
    paragraphs.append(" ".join(_subject(cells["lost_subjects"], words)))
    care = [words.say("reading.care")]
    if hidden:
        care.insert(0, hidden_words(hidden, words))
    return [text for text in [*paragraphs, " ".join(care)] if text]
