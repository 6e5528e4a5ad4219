"""The words: complete in both languages, numbers as they are written, and a reading that follows from the cells."""

import re
from string import Formatter

import pandas as pd
import pytest

from nbanalytics import classify, losses
from nbanalytics.text import LANGUAGES, Cell, Cells, Words, answer, reading, selection_words
from nbanalytics.text.words import labels, messages

SWEDISH, ENGLISH = Words("sv"), Words("en")
NBSP = "\u00a0"


def blanks(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_message_is_there_in_both_languages_with_the_same_blanks():
    def whole(entry):
        there = set(entry) == set(LANGUAGES) and all(text.strip() for text in entry.values())
        return there and blanks(entry["sv"]) == blanks(entry["en"])

    assert len(messages()) > 400
    assert [key for key, entry in messages().items() if not whole(entry)] == []


def test_every_label_is_there_in_both_languages():
    missing = [
        (kind, code) for kind, codes in labels().items() for code, words in codes.items() if set(words) != {"sv", "en"}
    ]
    assert missing == []


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="no words in the language 'fi'"):
        Words("fi")


def test_a_code_that_nobody_named_is_its_own_label():
    assert SWEDISH.label("school", "S9") == "S9"
    assert Words("sv", names={"school": {"S9": "Nya skolan"}}).label("school", "S9") == "Nya skolan"


def test_a_publishers_words_replace_those_of_the_catalogue_unless_they_have_a_blank_too_many():
    own = Words("en", own={"state.eligible": "On track", "groups.title": "Groups", "groups.lead": "{nothing}"})
    assert (own.label("state", "eligible"), own.say("groups.title")) == ("On track", "Groups")
    assert own.say("groups.lead") == ENGLISH.say("groups.lead")


def test_numbers_are_written_as_in_swedish():
    assert SWEDISH.number(12345.6, 1) == f"12{NBSP}345,6"
    assert SWEDISH.percent(0.84) == f"84{NBSP}%"
    assert SWEDISH.percent(0.0712, 1) == f"7,1{NBSP}%"
    assert SWEDISH.students(1) == f"1{NBSP}elev"
    assert SWEDISH.students(1234) == f"1{NBSP}234{NBSP}elever"
    assert ENGLISH.number(12345.6, 1) == "12,345.6"


def test_a_negative_number_has_the_minus_sign_and_a_rounded_zero_no_sign():
    assert SWEDISH.number(-1234.5, 1) == f"\u22121{NBSP}234,5"
    assert ENGLISH.number(-2.6, 1) == "\u22122.6"
    assert SWEDISH.percent(-0.05) == f"\u22125{NBSP}%"
    assert [ENGLISH.number(value, 1) for value in (-0.04, -0.06, 0.04)] == ["0.0", "\u22120.1", "0.0"]
    assert ENGLISH.percent(-0.001) == "0%"
    signed = [ENGLISH.signed(value, 1) for value in (0.04, 0.06, 0, -0.04, -0.06)]
    assert signed == ["0.0", "+0.1", "0.0", "0.0", "\u22120.1"]


def test_a_cell_that_may_not_be_shown_has_its_mark():
    cells = {status: Cell({}, "students", 3, status) for status in ("suppressed", "not_applicable")}
    assert [SWEDISH.cell(cell) for cell in cells.values()] == ["..", "."]
    assert SWEDISH.cell(Cell({}, "share", 0.05, "ok"), "share") == f"5,0{NBSP}%"


def test_cells_hold_no_value_that_is_suppressed():
    cells = Cells(pd.DataFrame({"group": ["6"], "measure": ["students"], "value": [3], "status": ["suppressed"]}))
    assert cells.value(group=6) is None
    assert cells.hidden == 1


def test_the_bounds_of_an_interval_are_no_place():
    table = pd.DataFrame({"term": ["7HT"], "lost": [20], "hazard": [0.08], "hazard_low": [0.05], "low": [0.9]})
    cells = Cells(table)
    assert cells.dimensions == ["term"]
    assert (cells.value("lost", term="7HT"), cells.value("hazard_low", term="7HT")) == (20, 0.05)


def test_cells_need_a_measure():
    with pytest.raises(ValueError, match="neither 'measure' and 'value'"):
        Cells(pd.DataFrame({"group": ["6"], "n": [3]}))


def eligibility(start=259, end=251, lost=23, gained=15, total=313):
    places = {("eligible", "*"): start, ("*", "eligible"): end, ("*", "*"): total}
    places |= {("eligible", "not_eligible"): lost, ("not_eligible", "eligible"): gained}
    return table(["start", "end"], places)


def table(dimensions, values, measure="students"):
    rows = [
        dict(zip(dimensions, place if isinstance(place, tuple) else (place,), strict=True))
        | {"measure": measure, "value": value, "status": "ok" if value is not None else "suppressed"}
        for place, value in values.items()
    ]
    return pd.DataFrame(rows)


def droppoints(lost, risk):
    return pd.concat([table(["term"], lost, "lost"), table(["term"], risk, "at_risk")])


LOST = {"7HT": 20, "7VT": 5, "8HT": 6, "8VT": 5, "9HT": 7, "9VT": 5}
RISK = {"7HT": 259, "7VT": 236, "8HT": 230, "8VT": 222, "9HT": 215, "9VT": 206}


def page(flow=None, drops=None, subjects=None):
    return {
        "eligibility": Cells(eligibility() if flow is None else flow),
        "droppoints": Cells(droppoints(LOST, RISK) if drops is None else drops),
        "lost_subjects": Cells(
            table(["term", "subject"], {("*", "MA"): 18, ("*", "EN"): 9}) if subjects is None else subjects
        ),
    }


def test_the_answer_says_how_many_and_when():
    words = answer(page(), SWEDISH).replace(NBSP, " ")
    assert words == (
        "Av 259 elever som var behöriga i årskurs 6 tappade 48 behörigheten någon gång; "
        "23 av dem saknade den i årskurs 9. "
        "De andra, 25 elever, hade fått tillbaka den eller fick inga betyg här i årskurs 9. "
        "Flest tappade behörigheten höstterminen i årskurs 7: 20 elever. "
        "Här räknas även de som senare fick den tillbaka."
    )


def test_the_numbers_are_joined_only_where_all_of_them_are_shown_as_they_are():
    single = "hade 23 tappat behörigheten i årskurs"
    for drops in (droppoints(LOST | {"9VT": None}, RISK), droppoints(LOST, RISK | {"7HT": None})):
        assert single in answer(page(drops=drops), SWEDISH).replace(NBSP, " ")
    rounded = page() | {"droppoints": Cells(droppoints(LOST, RISK), ordered=False)}
    assert single in answer(rounded, SWEDISH).replace(NBSP, " ")
    assert "någon gång" not in answer(page(eligibility(lost=None)), SWEDISH)
    everybody = droppoints({"7HT": 20, "9VT": 3}, {"7HT": 259, "9VT": 239})
    assert "De andra" not in answer(page(drops=everybody), SWEDISH)


def test_of_the_synthetic_pupils_who_lost_it_the_others_regained_it_or_have_no_grades(sample):
    """The sentence says no more than it may: some who lost it left, so that not all of the others regained it."""
    lost = losses(sample).table.query("event == 1").merge(classify(sample).table, on="student_id")
    ends = lost["end_eligible"].map({True: "regained", False: "lacking"}).fillna("no grades").value_counts()
    assert (ends["lacking"], ends["regained"] + ends["no grades"]) == (86, 170)
    assert ends["no grades"] > 0


def test_the_answer_does_not_pretend_where_terms_are_hidden():
    words = answer(page(drops=droppoints(LOST | {"8HT": None}, RISK)), SWEDISH)
    assert "flest tappade den går inte att säga" in words
    assert "höstterminen" not in words
    nothing = answer(page(eligibility(lost=None), droppoints(dict.fromkeys(LOST), RISK)), SWEDISH)
    assert "259 behöriga i årskurs 6 och 251 i årskurs 9. Antalen per termin är dolda." in nothing
    nothing = answer(page(eligibility(None, None, None, None, None), droppoints(dict.fromkeys(LOST), RISK)), SWEDISH)
    assert "visas inte" in nothing
    assert not re.search(r"\d+\s+elever", nothing)


def test_an_order_that_the_release_decided_is_said_although_a_term_is_hidden():
    drops = droppoints(LOST | {"8HT": None}, RISK)
    words = " ".join(
        [answer(held := page() | {"droppoints": Cells(drops, ordered=True)}, SWEDISH), *reading(held, "x", SWEDISH)]
    )
    assert "Flest tappade behörigheten höstterminen i årskurs 7: 20" in words.replace(NBSP, " ")
    assert "för första gången höstterminen i årskurs 7" in words


def test_rounded_numbers_are_put_in_no_order():
    drops, subjects = (
        Cells(rows, ordered=False) for rows in (droppoints(LOST, RISK), table(["term", "subject"], {("*", "MA"): 20}))
    )
    held = page() | {"droppoints": drops, "lost_subjects": subjects}
    words = " ".join([answer(held, SWEDISH), *reading(held, "x", SWEDISH)])
    assert words.count("går inte att säga") == 2
    assert "flest behörigheten" not in words
    assert "övergången" not in words


def test_terms_that_share_the_first_place_are_both_named():
    words = answer(page(drops=droppoints({"7HT": 6, "7VT": 6, "8HT": 0}, {"7HT": 90, "7VT": 84, "8HT": 78})), SWEDISH)
    assert "höstterminen i årskurs 7 och vårterminen i årskurs 7" in words


def test_the_reading_counts_students_and_names_the_shares():
    words = " ".join(reading(page(), "avgångsår 2018, alla skolor", SWEDISH)).replace(NBSP, " ")
    assert "313 elever (avgångsår 2018, alla skolor)" in words
    assert "Siffrorna avser elever, inte betyg." in words
    assert "259 av dem behöriga (83 %)" in words
    assert "23 elever tappade behörigheten och 15 elever blev behöriga" in words
    assert "oftast godkänt betyg i matematik: 18 elever" in words
    assert "inte vad det berodde på" in words


@pytest.mark.parametrize(
    ("first", "expected"), [(40, "större än vad slumpen"), (6, "kan bero på slumpen"), (0, "en lägre andel")]
)
def test_the_transition_is_compared_with_the_later_terms(first, expected):
    lost = dict.fromkeys(LOST, 8) | {"7HT": first}
    assert expected in " ".join(reading(page(drops=droppoints(lost, RISK)), "x", SWEDISH))


def test_no_comparison_is_made_with_hidden_terms():
    words = " ".join(reading(page(drops=droppoints(LOST | {"9VT": None}, RISK)), "x", SWEDISH, hidden=1))
    assert "övergången" not in words.lower()
    assert "är dolda och kan inte jämföras" in words
    assert (
        "1 uppgift i diagrammen och nyckeltalen är dold (..) för att skydda enskilda elever; den är inte noll" in words
    )
    assert "2 uppgifter i diagrammen och nyckeltalen är dolda" in " ".join(reading(page(), "x", SWEDISH, hidden=2))


def test_a_selection_with_too_few_students_is_told():
    words = " ".join(reading(page(eligibility(*[None] * 5)), "avgångsår 2018, nyanlända", SWEDISH))
    assert "Hur många elever urvalet har (avgångsår 2018, nyanlända) visas inte" in words
    assert "så få" not in words
    assert "None" not in words


def test_a_selection_in_words():
    chosen = {"cohort": "*", "school": "S1", "sex": "girl", "newly_arrived": "no"}
    names = {"school": {"S1": "Bergsskolan"}}
    assert (
        selection_words(chosen, Words("sv", names=names), ["2016", "2019"])
        == "avgångsår 2016–2019, Bergsskolan, flickor, ej nyanlända"
    )
