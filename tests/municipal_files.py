"""Files as a municipality has them, made of the project's own simulated pupils: every number and name is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nbanalytics.readers.scb_layouts import layouts

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
