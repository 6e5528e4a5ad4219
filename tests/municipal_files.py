"""Files as a municipality has them, made of the project's own simulated pupils: every number and name is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nbanalytics.municipal.pseudonyms import Key
from nbanalytics.municipal.scb_layouts import layouts

#: For tests alone: whoever has a key can find the number behind a pseudonym.
KEY = Key(b"9c41d7e2b85f03a66e1fd0947ab8352c")
#: Names that stand in the files and nowhere else, so that a search finds each leak.
FIRST_NAMES = ("Åsalill", "Örjanne", "Zäta", "Qvintus")
LAST_NAMES = ("Hemlighetsson", "Sekretzén", "Dolberg", "Tystmark")
CODES = {"not_graded": "2", "adapted": "3", "-": "9", "no_grades": "Y", "not_taught": "Z"}


def layout_of(year):
    """The layout of a year's file."""
    return next(layout for layout in layouts()[0] if layout.year == year)


def check_digit(nine):
    """The tenth digit, by the Luhn rule spelled out."""
    total = 0
    for place, digit in enumerate(nine):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value // 10 + value % 10
    return str(-total % 10)


def identity_number(serial, sex, year=2002):
    """A number of 12 digits whose check digit fits; another for each serial."""
    day, birth = divmod(serial, 400)
    nine = f"{year % 100:02d}{day // 28 % 12 + 1:02d}{day % 28 + 1:02d}{2 * birth + (1 if sex == 'boy' else 2):03d}"
    return f"{year // 100}{nine}{check_digit(nine)}"


def identity_numbers(students):
    """A number for each student of a table, by student_id."""
    rows = students[["student_id", "sex", "birth_year"]].itertuples(index=False)
    return {student: identity_number(place, sex, int(year)) for place, (student, sex, year) in enumerate(rows)}


def pupil(year=9, number="200203122384", grades=None, **cells):
    """The cells of one row by column: grades by subject, other cells by the layout's names."""
    layout = layout_of(year)
    row = dict.fromkeys(layout.columns, "")
    date = "20180615" if year == 9 else "20150612"
    row |= {"System": "B", "Datum": date, "Version": "1", "PersonNr": number, "Skolenhetskod": "12345678"}
    row |= {"Klass": f"{year}A", "Fornamn": FIRST_NAMES[0], "Efternamn": LAST_NAMES[0]}
    optional = set(layout.language_column.values())
    row |= {column: "2" for column, subject in layout.grade_column.items() if subject not in optional}
    given = {"BL": "C", "EN": "B", "HKK": "E", "IDH": "D", "MA": "A", "MU": "C", "SL": "C", "SV": "D", "TK": "E"}
    given |= dict.fromkeys(("BI", "FY", "KE", "GE", "HI", "RE", "SH"), "C")
    if grades is not None:
        given = grades
    row |= {column: given[subject] for column, subject in layout.grade_column.items() if subject in given}
    languages = {subject: column for column, subject in layout.language_column.items()}
    row |= {languages[subject]: "FR" for subject in given if subject in languages}
    return row | cells


def as_text(rows, year=9, header=False, delimiter=";", end="\n"):
    """The text of a file."""
    columns = layout_of(year).columns
    lines = [delimiter.join(row[column] for column in columns) for row in rows]
    if header:
        lines.insert(0, delimiter.join(columns))
    return end.join(lines) + end


def grade_file(records, numbers, year):
    """The rows of a grade file of simulated pupils, and which students they are."""
    grades = records.grades[records.grades["term"] == f"{year}VT"]
    students = records.students.set_index("student_id")
    rows = []
    for place, (student, own) in enumerate(grades.groupby("student_id")):
        given = {s: CODES.get(grade, grade) for s, grade in zip(own["subject"], own["grade"], strict=True)}
        cohort = int(students.at[student, "cohort"])
        school = students.at[student, "school_id" if year == 9 else "school_id_y6"]
        code = "" if pd.isna(school) else f"{10_000_000 + int(school[1:]) + (100 if year == 6 else 0)}"
        names = {"Fornamn": FIRST_NAMES[place % 4], "Efternamn": LAST_NAMES[place // 4 % 4]}
        date = f"{cohort - 9 + year}0612"
        rows.append(pupil(year, numbers[student], given, Datum=date, Skolenhetskod=code, **names))
    return rows


def absence_file(records, numbers, term):
    """The text of an absence list of one term, with sections and percentages as text."""
    own = records.absence[records.absence["term"] == term].dropna(subset=["valid", "invalid"])
    lines = [f"Frånvaro {term[1:]} {2018 - 9 + int(term[0]) - (term[1:] == 'HT')}", f"Klass: {term[0]}A"]
    lines.append("Personnummer;Namn;Giltig frånvaro;Ogiltig frånvaro")
    rng = np.random.default_rng(1)
    for student, valid, invalid in zip(own["student_id"], own["valid"], own["invalid"], strict=True):
        number = numbers[student]
        name = f"{FIRST_NAMES[rng.integers(4)]} {LAST_NAMES[rng.integers(4)]}"
        shares = (f"{value:.1f} %".replace(".", ",") for value in (valid, invalid))
        lines.append(";".join([f"{number[:8]}-{number[8:]}", name, *shares]))
    return "\r\n".join(lines) + "\r\n"


def absence_rows(absences, period, shown="text"):
    """The cells of an absence list, class by class, and which of them a workbook shows as per cent.

    ``absences`` are identity number, class, valid and invalid absence in per cent; ``shown`` says how: as ``"text"``
    (12,5 %), as ``"share"`` (0.125 in a cell of per cent) or as ``"number"``.
    """
    rows, percent = [["Frånvarorapport", None, None, None], [f"Period: {period}", None, None, None]], set()
    for school_class in dict.fromkeys(absence[1] for absence in absences):
        rows += [[None] * 4, [f"Klass: {school_class}", None, None, None]]
        rows.append(["Personnummer", "Namn", "Giltig frånvaro", "Ogiltig frånvaro"])
        for place, (number, own, *values) in enumerate(absences):
            if own == school_class:
                percent |= {(len(rows), column) for column in (2, 3) if shown == "share"}
                name = f"{FIRST_NAMES[place % 4]} {LAST_NAMES[place % 4]}"
                rows.append([f"{number[:8]}-{number[8:]}", name, *(shown_absence(value, shown) for value in values)])
        rows.append(["Summa", None, None, None])
    return rows, percent


def shown_absence(value, shown):
    """One cell of an absence list."""
    if value is None or shown == "number":
        return value
    return value / 100 if shown == "share" else f"{value} %".replace(".", ",")


SIGNS = {"suppressed": "..", "not_applicable": ".", "approx_100": "~100"}
GROUPS = {"all": "Totalt", "girls": "Flickor", "boys": "Pojkar"}
MEASURE_NAMES = {
    "eligible_vocational": "Andel (%) behöriga till yrkesprogram",
    "merit_value_17": "Genomsnittligt meritvärde (17)",
    "passed_all": "Andel (%) som uppnått kunskapskraven i alla ämnen",
}


def statistics_rows(values, space=" ", above=2, two_rows=True):
    """The cells of an export of official statistics per school.

    ``values`` are school, municipality, school year, group, measure, and a number or a status; ``space`` stands
    between thousands, ``above`` is how many rows stand above the header, which has two rows or one.
    """
    columns = list(dict.fromkeys((measure, group) for _, _, _, group, measure, _ in values))
    keys, width = ["Skola", "Skol-enhetskod", "Skolkommun", "Kommun-kod"], len(columns) + 5
    rows = [["Grundskolan - Slutbetyg årskurs 9"], [f"Valt läsår: {values[0][2]}"], *[["Samtliga"]] * above, []]
    if two_rows:
        rows.append([*[None] * 4, *(MEASURE_NAMES[measure] for measure, _ in columns)])
        rows.append([*keys, *(GROUPS[group] for _, group in columns)])
    else:
        rows.append([*keys, *(f"{MEASURE_NAMES[measure]}, {GROUPS[group].lower()}" for measure, group in columns)])
    for school, place in dict.fromkeys(value[:2] for value in values):
        said = {(measure, group): value for own, _, _, group, measure, value in values if own == school}
        cells = [swedish(said[column], space) for column in columns]
        rows.append([f"Skola {school}", school, f"Kommun {place}", place, *cells])
    rows += [[], ["Källa: Skolverket"], [".. = uppgiften bygger på färre än 10 elever"]]
    return [[*row, *[None] * (width - len(row))] for row in rows]


def swedish(value, space):
    """A number as an export has it, or the sign of a status."""
    if isinstance(value, str):
        return SIGNS[value]
    whole, _, tenths = f"{value:,.1f}".partition(".")
    return f"{whole.replace(',', space)},{tenths}"


def ss12000_entities(records, numbers, terms):
    """Pages of persons, grades and attendance of simulated pupils in some terms, by kind."""
    spring = {term: 9 - int(term[0]) for term in terms}
    cohort = records.students.set_index("student_id")["cohort"]

    def day(student, term):
        return (
            f"{cohort[student] - spring[term]}-06-01"
            if term[1:] == "VT"
            else f"{cohort[student] - spring[term] - 1}-12-01"
        )

    persons = [
        {
            "id": f"id-{student}",
            "givenName": FIRST_NAMES[0],
            "familyName": LAST_NAMES[0],
            "civicNo": {"value": numbers[student], "nationality": "SE"},
            "enrolments": [{"schoolType": "GR", "schoolYear": 9, "startDate": f"{year - 1}-08-18"}],
        }
        for student, year in cohort.items()
    ]
    own = records.grades[records.grades["term"].isin(terms) & records.grades["grade"].isin([*"ABCDEF", "-"])]
    grades = [
        {
            "student": {"id": f"id-{student}"},
            "gradeValue": grade,
            "subjectCode": subject,
            "schoolYear": int(term[0]),
            "semester": term[1:],
            "registeredDate": day(student, term),
        }
        for student, term, subject, grade in own[["student_id", "term", "subject", "grade"]].itertuples(index=False)
    ]
    absent = records.absence[records.absence["term"].isin(terms)].dropna(subset=["valid", "invalid"])
    attendance = [
        {
            "student": {"id": f"id-{student}"},
            "isReported": True,
            "plannedMinutes": 1000,
            "attendanceMinutes": 1000 - round(10 * valid) - round(10 * invalid),
            "validAbsenceMinutes": round(10 * valid),
            "invalidAbsenceMinutes": round(10 * invalid),
            "_embedded": {"calendarEvent": {"id": "e", "startTime": f"{day(student, term)}T08:00:00+01:00"}},
        }
        for student, term, valid, invalid in absent[["student_id", "term", "valid", "invalid"]].itertuples(index=False)
    ]
    parts = {"persons": persons, "grades": grades, "attendances": attendance}
    return {kind: {"data": entities, "pageToken": None} for kind, entities in parts.items()}
