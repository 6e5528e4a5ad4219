"""The sentences that are computed from the cells shown: the answer, and how to read the result.

They count students, claim no cause, speak of nobody in particular and say what is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

from nbanalytics.text.catalogue import label, say
from nbanalytics.text.cells import Cells
from nbanalytics.text.numbers import number, percent, students

_Z = 1.96  # two-sided 95 %


def selection_words(
    selection: Mapping[str, str],
    lang: str = "sv",
    names: Mapping[str, Mapping[str, str]] | None = None,
    cohorts: Sequence[str] = (),
) -> str:
    """Say in words what a selection of the filters holds.

    Parameters
    ----------
    selection
        Filter to value, ``"*"`` for all.
    lang
        ``"sv"`` or ``"en"``.
    names
        Labels by dimension, as in a release's manifest.
    cohorts
        All cohorts of the release, to name the years when none is chosen.

    Returns
    -------
    str
        Such as ``"avgångsår 2018, alla skolor, pojkar"``.

    Examples
    --------
    >>> selection_words({"cohort": "2018", "school": "*", "sex": "boy", "newly_arrived": "*"})
    'avgångsår 2018, alla skolor, pojkar'
    """
    words = []
    cohort = selection.get("cohort", "*")
    if cohort != "*":
        words.append(say("selection.cohort", lang, value=cohort))
    elif len(cohorts) > 1:
        words.append(say("selection.cohorts", lang, first=cohorts[0], last=cohorts[-1]))
    elif cohorts:
        words.append(say("selection.cohort", lang, value=cohorts[0]))
    school = selection.get("school", "*")
    name = label("school", school, lang, (names or {}).get("school"))
    words.append(name.lower() if school == "*" else name)
    for dimension in ("sex", "newly_arrived"):
        value = selection.get(dimension, "*")
        if value != "*":
            words.append(label(dimension, value, lang, (names or {}).get(dimension)).lower())
    return ", ".join(words)


def _worst_terms(drops: Cells) -> tuple[list[str], float | None]:
    """Terms with the most losses among those shown, and how many were lost in each."""
    lost = {term: drops.value("lost", term=term) for term in drops.codes("term")}
    shown = {term: value for term, value in lost.items() if value}
    if not shown:
        return [], None
    most = max(shown.values())
    return [term for term, value in shown.items() if value == most], most


def _some_terms_hidden(drops: Cells) -> bool:
    return any(cell.measure == "lost" and cell.status == "suppressed" for cell in drops)


def answer(cells: Mapping[str, Cells], lang: str = "sv") -> str:
    """Answer "when do we lose them?" in one or two sentences.

    Parameters
    ----------
    cells
        The tables ``eligibility`` and ``droppoints`` of one selection.
    lang
        ``"sv"`` or ``"en"``.

    Returns
    -------
    str
        The answer; it says so where the numbers may not be shown.
    """
    flow, drops = cells["eligibility"], cells["droppoints"]
    start, lost = flow.value(start="eligible"), flow.value(start="eligible", end="not_eligible")
    total, end = flow.value(), flow.value(end="eligible")
    if lost is None and total is not None and start is not None and end is not None:
        words = {"start": number(start, lang), "end": number(end, lang)}
        first = say("answer.both", lang, students=students(total, lang), **words)
    elif start is None or lost is None:
        first = say("answer.groups_hidden", lang)
    else:
        first = say("answer.groups", lang, start=students(start, lang), lost=number(lost, lang))
    terms, most = _worst_terms(drops)
    hidden = _some_terms_hidden(drops)
    if most is None:
        return f"{first} {say('answer.term_hidden', lang)}" if hidden else first
    names = [label("term_long", term, lang) for term in terms]
    if len(names) > 1:
        together = say("and", lang).join([", ".join(names[:-1]), names[-1]])
        return f"{first} {say('answer.term_tied', lang, terms=together, lost=students(most, lang))}"
    key = "answer.term_partly" if hidden else "answer.term"
    return f"{first} {say(key, lang, term=names[0], lost=students(most, lang))}"


def _shares(flow: Cells, lang: str) -> list[str]:
    total, start, end = flow.value(), flow.value(start="eligible"), flow.value(end="eligible")
    said = []
    if total and start is not None and end is not None:
        said.append(
            say(
                "reading.shares",
                lang,
                start=number(start, lang),
                start_share=percent(start / total, lang),
                end=number(end, lang),
                end_share=percent(end / total, lang),
            )
        )
    lost = flow.value(start="eligible", end="not_eligible")
    gained = flow.value(start="not_eligible", end="eligible")
    if lost is not None and gained is not None:
        said.append(say("reading.both_ways", lang, lost=students(lost, lang), gained=students(gained, lang)))
    return said


def _when(drops: Cells, lang: str) -> list[str]:
    terms, most = _worst_terms(drops)
    said = []
    risk = drops.value("at_risk", term=terms[0]) if len(terms) == 1 else None
    if most is not None and risk:
        said.append(
            say(
                "reading.when_partly" if _some_terms_hidden(drops) else "reading.when",
                lang,
                term=label("term_long", terms[0], lang),
                lost=students(most, lang),
                share=percent(most / risk, lang, 1),
            )
        )
    said.extend(_transition(drops, lang))
    if _some_terms_hidden(drops):
        said.append(say("reading.when_hidden", lang))
    return said


def _transition(drops: Cells, lang: str) -> list[str]:
    """Compare the first term after the start with the others, where every number is shown."""
    terms = drops.codes("term")
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
    return [say(key, lang, first=percent(first, lang, 1), rest=percent(rest, lang, 1))]


def _subject(subjects: Cells, lang: str, names: Mapping[str, str] | None) -> list[str]:
    totals = {code: subjects.value(subject=code, term="*") for code in subjects.codes("subject")}
    shown = {code: value for code, value in totals.items() if value}
    if not shown:
        return []
    worst = max(shown, key=lambda code: shown[code])
    if list(shown.values()).count(shown[worst]) > 1:
        return []
    name = label("subject", worst, lang, names)
    name = name[0].lower() + name[1:] if lang == "sv" else name
    return [say("reading.subject", lang, subject=name, students=students(shown[worst], lang))]


def told_hidden(hidden: int, lang: str) -> str:
    """Say how many figures of a page are hidden."""
    return say("reading.hidden" if hidden != 1 else "reading.hidden.one", lang, hidden=str(hidden))


def reading(
    cells: Mapping[str, Cells],
    where: str,
    lang: str = "sv",
    hidden: int = 0,
    subjects: Mapping[str, str] | None = None,
) -> list[str]:
    """Say in plain words how the result can be read, from the cells shown and nothing else.

    Parameters
    ----------
    cells
        The tables ``eligibility``, ``droppoints`` and ``lost_subjects`` of one selection.
    where
        The selection in words (see :func:`selection_words`).
    lang
        ``"sv"`` or ``"en"``.
    hidden
        Number of suppressed cells on the page.
    subjects
        Labels of subjects that the catalogue does not know.

    Returns
    -------
    list of str
        Paragraphs. The comparison of the transition 6→7 with the later terms uses the normal approximation for
        two proportions at 5 %, and is left out where a number of it is hidden.
    """
    total = cells["eligibility"].value()
    if total is None:
        paragraphs = [say("reading.who_hidden", lang, selection=where)]
    else:
        who = say("reading.who", lang, students=students(total, lang), selection=where)
        paragraphs = [" ".join([who, *_shares(cells["eligibility"], lang)])]
    paragraphs.append(" ".join(_when(cells["droppoints"], lang)))
    paragraphs.append(" ".join(_subject(cells["lost_subjects"], lang, subjects)))
    care = [say("reading.care", lang)]
    if hidden:
        care.insert(0, told_hidden(hidden, lang))
    return [text for text in [*paragraphs, " ".join(care)] if text]
