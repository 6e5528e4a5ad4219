"""The documented definitions in plain Python: dicts and loops, written from docs/methods.md and the docstrings.

Nothing here is the library's. Records are a dict of lists of dicts, one for each row, with None for what is missing.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

TERMS = ("6HT", "6VT", "7HT", "7VT", "8HT", "8VT", "9HT", "9VT")
START, END = "6VT", "9VT"
STAGES = ("6VT", "7VT", "8VT", "9VT")
FOLLOWED = TERMS[TERMS.index(START) :]
DEMANDS = (("SV", "SVA"), ("EN",), ("MA",))
INCOMPARABLE = ("M1", "M2", "ML")
BLOCKS = {"NO": ("BI", "FY", "KE"), "SO": ("GE", "HI", "RE", "SH")}
PASSES = 8
KINDS = ("preparatory", "vocational", "introductory", "none", "moved")
CHOSEN = ("selective", "indicated")


def scale(cohort):
    """Points by grade, lowest first, and the passing grades; 1-10 has no pass line."""
    if cohort <= 2012:
        return {"IG": 0, "G": 10, "VG": 15, "MVG": 20}, {"G", "VG", "MVG"}
    if cohort <= 2031:
        return {"F": 0, "E": 10, "D": 12.5, "C": 15, "B": 17.5, "A": 20}, set("ABCDE")
    return {str(n): n for n in range(1, 11)}, set()


def mean(values):
    return sum(values) / len(values) if values else None


def people(records):
    return {row["student_id"]: row for row in records["students"]}


def held(records):
    """``{student: {term: {subject: grade}}}`` of the students in the table of students."""
    found = {student: {} for student in people(records)}
    for row in records["grades"]:
        if row["student_id"] in found:
            found[row["student_id"]].setdefault(row["term"], {})[row["subject"]] = row["grade"]
    return found


# ---------------------------------------------------------------- one term


def term_result(grades, cohort):
    """What a term's rows amount to; a term with marks only has a result without a grade."""
    points, passing = scale(cohort)
    graded = {subject: points[grade] for subject, grade in grades.items() if grade in points}
    compared = [value for subject, value in graded.items() if subject not in INCOMPARABLE]
    units = passed_units(grades, cohort)
    found = {
        "n_grades": len(compared),
        "n_streck": list(grades.values()).count("-"),
        "mean_points": mean(compared),
        "n_passed": len(units),
    }
    if not passing:
        average = mean(list(graded.values()))
        return {**found, "eligible": average is not None and average >= 4, "missing": "", "missing_further": 0}
    lacking = ["/".join(demand) for demand in DEMANDS if "/".join(demand) not in units]
    further = max(0, PASSES - len(units) - len(lacking))
    eligible = not lacking and len(units) >= PASSES
    return {**found, "eligible": eligible, "missing": ", ".join(lacking), "missing_further": further}


def passed_units(grades, cohort):
    """Passed subjects; SV and SVA are one."""
    passing = scale(cohort)[1]
    return {"SV/SVA" if subject in DEMANDS[0] else subject for subject, grade in grades.items() if grade in passing}


def merit_value(grades, cohort):
    """The 16 best grades, SV and SVA both if both are graded, and M2 as a 17th in every cohort."""
    points = scale(cohort)[0]
    graded = {subject: points[grade] for subject, grade in grades.items() if grade in points}
    language = graded.pop("M2", 0)
    return sum(sorted(graded.values(), reverse=True)[:16]) + language


def results(records):
    """``{student: {term: result}}``."""
    who = people(records)
    return {
        student: {term: term_result(grades, who[student]["cohort"]) for term, grades in terms.items()}
        for student, terms in held(records).items()
    }


# ---------------------------------------------------------------- six groups


def groups(records):
    """``{student: (group, direction, reason)}``."""
    found = {}
    for student, terms in results(records).items():
        first, last = terms.get(START), terms.get(END)
        direction = group = None
        if first and last and None not in (first["mean_points"], last["mean_points"]):
            change = last["mean_points"] - first["mean_points"]
            direction = "unchanged" if abs(change) < 1e-9 else "raised" if change > 0 else "lowered"
        if first and last:
            positive = direction in ("raised", "unchanged")
            if first["eligible"] != last["eligible"]:
                group = 6 if first["eligible"] else 5
            elif direction:
                group = (1 if positive else 2) if first["eligible"] else (4 if positive else 3)
        found[student] = (group, direction, None if group else _reason(people(records)[student], first, last))
    return found


def _reason(person, first, last):
    if not first and person.get("moved_in") in TERMS[TERMS.index(START) + 1 :]:
        return f"moved in after {START}"
    if not last and person.get("moved_out") in TERMS[: TERMS.index(END)]:
        return f"moved out before {END}"
    if not first and not last:
        return f"no grades in {START} and {END}"
    if not first or not last:
        return f"no grades in {END if first else START}"
    return f"no grade points in {START if first['mean_points'] is None else END}"


# ---------------------------------------------------------------- flows


def state(person, term, result):
    if result:
        return "eligible" if result["eligible"] else "not_eligible"
    came, left = (
        TERMS.index(person[name]) if person.get(name) is not None else None for name in ("moved_in", "moved_out")
    )
    away = (came is not None and came > TERMS.index(term)) or (left is not None and left < TERMS.index(term))
    return "moved" if away else "unknown"


def states(records):
    """``{student: {stage: state}}``, after year 9 by the kind of programme."""
    found = {}
    kinds = {row["student_id"]: row["programme_kind"] for row in records.get("outcomes") or ()}
    for student, terms in results(records).items():
        person = people(records)[student]
        found[student] = {term: state(person, term, terms.get(term)) for term in STAGES}
        if records.get("outcomes") is not None:
            after = "moved" if person.get("moved_out") is not None else "unknown"
            kind = kinds.get(student)
            found[student]["upper_secondary"] = kind if kind in KINDS else after
    return found


def transitions(records):
    counted = Counter()
    for stages in states(records).values():
        names = list(stages)
        for before, after in pairwise(names):
            counted[before, stages[before], after, stages[after]] += 1
    return counted


def in_denominator(records, term):
    """Students with grades, or who should have had them, of cohorts in which somebody has a grade or mark."""
    found, who = results(records), people(records)
    reached = {who[student]["cohort"] for student, terms in found.items() if term in terms}
    return {
        student
        for student, terms in found.items()
        if who[student]["cohort"] in reached and state(who[student], term, terms.get(term)) != "moved"
    }


def share_eligible(records, term):
    """Eligible, and those in the denominator."""
    chosen = in_denominator(records, term)
    found = results(records)
    return sum(found[one].get(term, {}).get("eligible", False) for one in chosen), len(chosen)


# ---------------------------------------------------------------- drop points


def losses(records):
    """``{student: row}`` of those eligible at the start."""
    found = {}
    for student, terms in results(records).items():
        seen = [(step, terms[term]["eligible"]) for step, term in enumerate(FOLLOWED) if term in terms]
        if not seen or seen[0] != (0, True):
            continue
        lost = next((step for step, eligible in seen if not eligible), None)
        last = seen[-1][0]
        later = [step for step, eligible in seen if lost is not None and step > lost and eligible]
        before = [step for step, _ in seen if lost is not None and step < lost]
        found[student] = {
            "duration": last if lost is None else lost,
            "event": int(lost is not None),
            "lost_term": None if lost is None else FOLLOWED[lost],
            "before_term": FOLLOWED[before[-1]] if before else None,
            "last_term": FOLLOWED[last],
            "recovered_term": FOLLOWED[later[0]] if later else None,
            "end_observed": END in terms,
            "regained_at_end": bool(later) and terms.get(END, {}).get("eligible", False),
        }
    return found


def life_table(records):
    """``[(t, at_risk, events, censored, hazard, survival)]``."""
    rows, survival = [], 1.0
    lasting = [(row["duration"], row["event"]) for row in losses(records).values() if row["duration"]]
    for t in range(1, max((duration for duration, _ in lasting), default=0) + 1):
        at_risk = sum(duration >= t for duration, _ in lasting)
        events = lasting.count((t, 1))
        survival *= 1 - events / at_risk
        rows.append((t, at_risk, events, lasting.count((t, 0)), events / at_risk, survival))
    return rows


def recovery(records):
    """``{term or *: (lost, regained, regained_at_end, not_observed_at_end)}``."""
    counted = {term: [0, 0, 0, 0] for term in (*FOLLOWED[1:], "*")}
    for row in losses(records).values():
        for term in (row["lost_term"], "*") if row["event"] else ():
            flags = (True, row["recovered_term"] is not None, row["regained_at_end"], not row["end_observed"])
            counted[term] = [number + flag for number, flag in zip(counted[term], flags, strict=True)]
    return {term: tuple(numbers) for term, numbers in counted.items()}


def steps(records):
    """``{(t, way): (at risk, changed, unseen)}`` between neighbouring terms of all that are declared."""
    counted = {(t, way): [0, 0, 0] for t in range(1, len(TERMS)) for way in ("lost", "regained")}
    for terms in results(records).values():
        for t in range(1, len(TERMS)):
            before, after = terms.get(TERMS[t - 1]), terms.get(TERMS[t])
            if before:
                cell = counted[t, "lost" if before["eligible"] else "regained"]
                cell[0] += after is not None
                cell[1] += after is not None and after["eligible"] != before["eligible"]
                cell[2] += after is None
    return {place: tuple(numbers) for place, numbers in counted.items()}


def lost_subjects(records):
    """``{(student, subject)}`` of the causes of first losses."""
    found, grades, who = set(), held(records), people(records)
    for student, row in losses(records).items():
        if not row["event"]:
            continue
        cohort = who[student]["cohort"]
        before, after = (grades[student][row[name]] for name in ("before_term", "lost_term"))
        if not scale(cohort)[1]:
            found |= {(student, subject) for subject in _causes_of_points(before, after, cohort)}
            continue
        was, now = passed_units(before, cohort), passed_units(after, cohort)
        demands = ["/".join(demand) for demand in DEMANDS]
        short = len(now | set(demands)) < PASSES
        found |= {(student, unit) for unit in was - now if short or unit in demands}
    return found


def _causes_of_points(before, after, cohort):
    """Subjects whose points fell, and those above the mean of 4 that are gone; of SV and SVA the better one."""
    points = scale(cohort)[0]
    sides = []
    for grades in (before, after):
        side = {}
        for subject, grade in grades.items():
            unit = "SV/SVA" if subject in DEMANDS[0] else subject
            if grade in points:
                side[unit] = max(points[grade], side.get(unit, 0))
        sides.append(side)
    was, now = sides
    return {unit for unit, value in was.items() if (now[unit] < value if unit in now else value > 4)}


# ---------------------------------------------------------------- progression


def pairs(records):
    """``{(student, subject): (start step, end step, start passed, end passed)}``."""
    found, who = {}, people(records)
    for student, terms in held(records).items():
        points, passing = scale(who[student]["cohort"])
        order = list(points)
        first, last = terms.get(START, {}), terms.get(END, {})
        for subject in set(first) & set(last) - set(INCOMPARABLE):
            if first[subject] in points and last[subject] in points:
                a, b = first[subject], last[subject]
                found[student, subject] = (order.index(a), order.index(b), int(a in passing), int(b in passing))
    return found


def course(records, student):
    """The course in Swedish at the end; a grade or streck tells that a subject is read, another mark does not."""
    terms, cohort = held(records)[student], people(records)[student]["cohort"]
    first, last = (
        {one for one in DEMANDS[0] if terms.get(term, {}).get(one) in (*scale(cohort)[0], "-")} for term in (START, END)
    )
    if not last:
        return "none"
    if len(last) == 2:
        return "both"
    return "switched" if first and not first & last else last.pop()


def match_rate(records):
    """``{(counted, status): n}``, of what occurs."""
    counted, paired = Counter(), pairs(records)
    for student, terms in held(records).items():
        person = people(records)[student]
        points = scale(person["cohort"])[0]
        first, last = terms.get(START, {}), terms.get(END, {})
        graded = {subject for subject, grade in first.items() if grade in points}
        late = person.get("moved_in") in TERMS[TERMS.index(START) + 1 :]
        here = "moved_in" if late else "no_grades_at_start"
        for subject, grade in last.items():
            if grade not in points:
                counted["marks", "streck_at_end" if grade == "-" else "mark_at_end"] += 1
            else:
                status = _grade_status(student, subject, paired, graded, first, here)
                counted["grades", status] += 1
        if last:
            common = "no_common_subject" if any(grade in points for grade in last.values()) else "no_grades_at_end"
            matched = any(one == student for one, _ in paired)
            counted["students", "matched" if matched else common if graded else here] += 1
    return counted


def _grade_status(student, subject, paired, graded, first, here):
    if subject in INCOMPARABLE:
        return "not_comparable"
    if (student, subject) in paired:
        return "matched"
    if not graded:
        return here
    if any(block in graded and subject in parts for block, parts in BLOCKS.items()):
        return "block_at_start"
    if set(BLOCKS.get(subject, ())) & graded:
        return "block_at_end"
    if subject in DEMANDS[0] and (set(DEMANDS[0]) - {subject}) & graded:
        return "course_switched"
    if subject in first:
        return "streck_at_start" if first[subject] == "-" else "mark_at_start"
    return "not_read_at_start"


# ---------------------------------------------------------------- absence, baseline and indicators


def absence(records):
    """``{student: {term: (total, invalid)}}``; no total where a kind is missing."""
    found = {student: {} for student in people(records)}
    for row in records.get("absence") or ():
        valid, invalid = row.get("valid"), row.get("invalid")
        total = None if valid is None or invalid is None else valid + invalid
        found[row["student_id"]][row["term"]] = (total, invalid)
    return found


GROUPS = {"girls": ("sex", "girl"), "boys": ("sex", "boy"), "newly_arrived": ("newly_arrived", True)}


def baseline(records, term):
    """``{(school, group, measure): (students, missing, n, count or mean)}`` of everybody who was here.

    School ``*`` are all. In terms up to the start the school is that of year 6. The core subjects and five more are
    what the rule asks for where a scale has passes; without passes there is no such measure.
    """
    found, who, shares = results(records), people(records), in_denominator(records, term)
    days = {student: terms.get(term, (None, None))[0] for student, terms in absence(records).items()}
    cohorts = {who[one]["cohort"] for one in shares} | {
        who[one]["cohort"] for one, day in days.items() if day is not None
    }
    here = [
        one for one in who if who[one]["cohort"] in cohorts and state(who[one], term, found[one].get(term)) != "moved"
    ]
    school = "school_id_y6" if TERMS.index(term) <= TERMS.index(START) else "school_id"
    cells = {}
    for place in {"*"} | {who[one][school] for one in here}:
        for group, (column, value) in {"all": (None, None), **GROUPS}.items():
            chosen = [
                one
                for one in here
                if place in ("*", who[one][school]) and (column is None or who[one].get(column) == value)
            ]
            graded = [one for one in chosen if one in shares]
            known = [days[one] for one in chosen if days[one] is not None]
            count = sum(found[one].get(term, {}).get("eligible", False) for one in graded)
            share = (len(graded), sum(term not in found[one] for one in graded), len(graded), count)
            cells[place, group, "eligible"] = share
            if all(scale(person["cohort"])[1] for person in who.values()):
                cells[place, group, "core"] = share
            cells[place, group, "absence"] = (len(chosen), len(chosen) - len(known), len(known), mean(known))
    return cells


def absence_around_loss(records, window=3):
    """``{(relative, measure, group): (n, mean)}`` of those who lost eligibility, and of those who never did.

    No mean from a single student, nor if a term compared has fewer than two who never lost.
    """
    found, who, days = losses(records), people(records), absence(records)
    never = [one for one, row in found.items() if row["duration"] and not row["event"]]
    measures = {"total": 0, "invalid": 1} if any("valid" in row for row in records["absence"]) else {"invalid": 1}
    cells = {}
    for relative in range(-window, window + 1):
        for measure, which in measures.items():
            lost, beside = [], []
            for student, row in found.items():
                place = TERMS.index(row["lost_term"]) + relative if row["event"] else -1
                value = days[student].get(TERMS[place], (None, None))[which] if 0 <= place < len(TERMS) else None
                if value is not None:
                    lost.append(value)
                    beside.append((who[student]["cohort"], TERMS[place]))
            others = {
                (cohort, term): [
                    days[one][term][which]
                    for one in never
                    if who[one]["cohort"] == cohort and days[one].get(term, (None, None))[which] is not None
                ]
                for cohort, term in set(beside)
            }
            compared = len(lost) > 1 and all(len(values) > 1 for values in others.values())
            behind = sum(map(len, others.values()))
            cells[relative, measure, "lost"] = (len(lost), mean(lost) if len(lost) > 1 else None)
            cells[relative, measure, "never_lost"] = (
                behind,
                mean([mean(others[place]) for place in beside]) if compared else None,
            )
    return cells


def national_tests(records):
    """``{(cohort, subject): (n, above, same, below)}``: the end term's grade against its test, by steps."""
    found, grades, who = {}, held(records), people(records)
    for row in records["tests"]:
        place = who[row["student_id"]]["cohort"], row["subject"]
        order = list(scale(place[0])[0])
        grade = grades[row["student_id"]].get(END, {}).get(row["subject"])
        if row["term"] == END and grade in order and row["grade"] in order:
            step = order.index(grade) - order.index(row["grade"])
            old = found.get(place, (0, 0, 0, 0))
            flags = (1, step > 0, step == 0, step < 0)
            found[place] = tuple(n + flag for n, flag in zip(old, flags, strict=True))
    return found


# ---------------------------------------------------------------- screening

#: Questions by dimension, those that are prioritised, and those to which no is the sign of risk.
DIMENSIONS = {
    "behaviour": ("B1", "B2", "B3", "B4", "B5"),
    "academic": ("A1", "A2", "A3"),
    "cognitive": ("C1", "C2", "C3", "C4", "C5"),
    "psychological": ("P1", "P2", "P3", "P4"),
}
QUESTIONS = tuple(question for questions in DIMENSIONS.values() for question in questions)
PRIORITISED = ("B1", "B2", "B3", "A1", "C1", "C4", "P1", "P2", "P4")
NO_IS_A_SIGN = ("B5", "C1", "C2")
SCALES = {**DIMENSIONS, "prioritised": PRIORITISED, "all": QUESTIONS}


def screening_profile(records, term):
    """``{(student, scale): (questions, answered, unknown, signs)}``; a question without an answer is unknown, too."""
    answers = {}
    for row in records["screening"]:
        if row["term"] == term:
            answers.setdefault(row["student_id"], {})[row["question"]] = row["answer"]
    found = {}
    for student, own in answers.items():
        for name, questions in SCALES.items():
            answered = sum(own.get(question) in ("yes", "no") for question in questions)
            signs = sum(own.get(one) == ("no" if one in NO_IS_A_SIGN else "yes") for one in questions)
            found[student, name] = (len(questions), answered, len(questions) - answered, signs)
    return found


def screening_groups(records, term, at_least=2, min_group=1, min_cell=1):
    """``{(school, scale): (students with an answer, with signs)}``, nothing where it is withheld.

    Withheld are groups that are too small, counts below the least cell with or without signs, and groups in which all
    have signs; if that is one group of a scale, the smallest of the others too.
    """
    counted, who = {}, people(records)
    for (student, name), (_, answered, _, signs) in screening_profile(records, term).items():
        if answered:
            n, reached = counted.get((who[student]["school_id"], name), (0, 0))
            counted[who[student]["school_id"], name] = (n + 1, reached + (signs >= at_least))
    withheld = {
        place
        for place, (n, reached) in counted.items()
        if n < min_group or 0 < reached < min_cell or n - reached < (min_cell if reached < n else 1)
    }
    for name in SCALES:
        here = [place for place in withheld if place[1] == name]
        others = [(n, *place) for place, (n, _) in counted.items() if place[1] == name and place not in withheld]
        withheld |= {min(others)[1:]} if len(here) == 1 and others else set()
    return {place: (None, None) if place in withheld else numbers for place, numbers in counted.items()}


def screening_and_loss(records, term, at_least=2):
    """``{scale: (followed, losses, with signs, lost with, without, lost without)}`` of those eligible at the start."""
    cells = {name: [0] * 6 for name in SCALES}
    followed = {student: row["event"] for student, row in losses(records).items() if row["duration"]}
    for (student, name), (_, answered, _, signs) in screening_profile(records, term).items():
        if student in followed and answered:
            lost, has = followed[student], signs >= at_least
            added = (1, lost, has, lost and has, not has, lost and not has)
            cells[name] = [number + flag for number, flag in zip(cells[name], added, strict=True)]
    return {name: tuple(numbers) for name, numbers in cells.items()}


def is_here(person, term):
    """From the term of moving in to that of moving out."""
    place = TERMS.index(term)
    came, left = person.get("moved_in"), person.get("moved_out")
    return (came is None or TERMS.index(came) <= place) and (left is None or TERMS.index(left) >= place)


def term_dates(cohort, term):
    year = cohort - 9 + int(term[0])
    return (date(year, 1, 1), date(year, 6, 30)) if term[1:] == "VT" else (date(year - 1, 7, 1), date(year - 1, 12, 31))


def support_between(records, student, first, last):
    """Kinds of support of a chosen level whose period touches the days."""
    return {
        row["kind"]
        for row in records["support"]
        if row["student_id"] == student
        and row["level"] in CHOSEN
        and row["start"] <= last.isoformat()
        and (row["end"] is None or row["end"] >= first.isoformat())
    }


def indicators(records):
    """``{(student, term, indicator): signal}``."""
    found, res, days = {}, results(records), absence(records)
    for student, person in people(records).items():
        for place, term in enumerate(TERMS):
            if not is_here(person, term):
                continue
            own = res[student].get(term)
            earlier = res[student].get(TERMS[place - 1]) if place else None
            both = own and earlier and None not in (own["mean_points"], earlier["mean_points"])
            change = own["mean_points"] - earlier["mean_points"] if both else None
            core = own["missing"].count("M") + own["missing"].count("EN") + own["missing"].count("SV/") if own else None
            if not scale(person["cohort"])[1]:
                core = None
            asked = {
                "core_missing": _signal(core, 1, "risk"),
                "streck": _signal(own["n_streck"] if own else None, 1, "risk"),
                "core_passed": _signal(core, 0, "protective", below=True),
            }
            if place:
                asked["grade_fall"] = _signal(change, -1.25, "risk", below=True)
                asked["grade_rise"] = _signal(change, 0.625, "protective")
            if records.get("absence") is not None:
                total, invalid = days[student].get(term, (None, None))
                asked["absence"] = _signal(total, 10, "risk")
                asked["invalid_absence"] = _signal(invalid, 5, "risk")
                asked["low_absence"] = _signal(total, 5, "protective", below=True)
                if place:
                    before = days[student].get(TERMS[place - 1], (None, None))[0]
                    rise = None if None in (total, before) else total - before
                    asked["absence_rise"] = _signal(rise, 5, "risk")
            if records.get("tests") is not None and term in (START, END):
                asked["test_failed"] = _signal(_tests_failed(records, person, term), 1, "risk")
            if records.get("support") is not None:
                kinds = support_between(records, student, *term_dates(person["cohort"], term))
                asked["support_in_place"] = _signal(len(kinds), 1, "protective")
            found |= {(student, term, name): signal for name, signal in asked.items()}
    return found


def _tests_failed(records, person, term):
    """National tests of the term without a pass; None without a graded test, or where the scale has no pass."""
    points, passing = scale(person["cohort"])
    own = [
        row["grade"]
        for row in records["tests"]
        if row["student_id"] == person["student_id"] and row["term"] == term and row["grade"] in points
    ]
    return sum(grade not in passing for grade in own) if own and passing else None


RISKS = ("absence", "invalid_absence", "absence_rise", "core_missing", "grade_fall", "streck", "test_failed")


def _signal(value, limit, kind, below=False):
    if value is None:
        return "unknown"
    return kind if (value <= limit + 1e-9 if below else value >= limit - 1e-9) else "none"


# ---------------------------------------------------------------- support


def needs(records):
    """``{(student, term): (risks, risk indicators that are known, kinds of support)}``."""
    found = {}
    for (student, term, name), signal in indicators(records).items():
        risks, known, _ = found.get((student, term), (0, 0, None))
        cohort = people(records)[student]["cohort"]
        kinds = support_between(records, student, *term_dates(cohort, term))
        asked = name in RISKS
        found[student, term] = (risks + (signal == "risk"), known + (asked and signal != "unknown"), kinds)
    return found


def coverage(records):
    """``{term: (students, unknown, with signal, without support)}``."""
    counted = {}
    for (_, term), (risks, known, kinds) in needs(records).items():
        row = counted.get(term, (0, 0, 0, 0))
        flags = (1, known == 0, risks > 0, risks > 0 and not kinds)
        counted[term] = tuple(number + flag for number, flag in zip(row, flags, strict=True))
    return counted


def time_to_support(records):
    """Already supported, not followed, and ``{days: (at risk, events, censored, share still waiting)}``.

    From the last day of the term with the first signal to the first support after it. A student is seen until the last
    day of the last term here, or of the last term in which an indicator is known of anybody in the cohort.
    """
    known, need = {}, needs(records)
    for (student, term, _), signal in indicators(records).items():
        cohort = people(records)[student]["cohort"]
        if signal != "unknown":
            known[cohort] = max(known.get(cohort, 0), TERMS.index(term))
    already, not_followed, waits = 0, 0, []
    for student, person in people(records).items():
        here = [term for term in TERMS if is_here(person, term)]
        first = next((term for term in here if need[student, term][0]), None)
        if first is None:
            continue
        begin = term_dates(person["cohort"], first)[1]
        until = term_dates(person["cohort"], TERMS[min(TERMS.index(here[-1]), known[person["cohort"]])])[1]
        starts = [
            date.fromisoformat(row["start"])
            for row in records["support"]
            if row["student_id"] == student and row["level"] in CHOSEN
        ]
        if need[student, first][2]:
            already += 1
        elif until <= begin:
            not_followed += 1
        else:
            after = min((day for day in starts if begin < day <= until), default=None)
            waits.append(((after or until) - begin, after is not None))
    rows, waiting = {}, 1.0
    for days in sorted({days for days, _ in waits}):
        at_risk, events = sum(one >= days for one, _ in waits), waits.count((days, True))
        waiting *= 1 - events / at_risk
        rows[days.days] = (at_risk, events, waits.count((days, False)), waiting)
    return already, not_followed, rows


def handover(records, term):
    """``{student: status}`` of those here in the last term of a stage."""
    found = {}
    following = TERMS[TERMS.index(term) + 1] if term != TERMS[-1] else None
    gone = {row["student_id"] for row in records.get("outcomes") or () if row["programme_kind"] == "moved"}
    for student, person in people(records).items():
        if not is_here(person, term):
            continue
        risks, known, before = needs(records)[student, term]
        opens = term_dates(person["cohort"], term)[1] + timedelta(days=1)
        after = support_between(records, student, opens, date(opens.year, 12, 31))
        if not (is_here(person, following) if following else student not in gone):
            found[student] = "moved"
        elif before or after:
            found[student] = "carried" if before and after else "lost" if before else "begun"
        else:
            found[student] = "known_to_nobody" if risks else "no_need" if known else "unknown"
    return found


def caseload(records):
    """``{(month, kind, intensity): students}``: a month counts whom a period touches on any of its days."""
    found = {}
    until = max(day for row in records["support"] for day in (row["start"], row["end"]) if day is not None)
    for row in records["support"]:
        year, month = map(int, row["start"].split("-")[:2])
        while f"{year}-{month:02d}" <= (row["end"] or until)[:7]:
            for intensity in (row["intensity"] or "now_and_then", "*"):
                found.setdefault((f"{year}-{month:02d}-01", row["kind"], intensity), set()).add(row["student_id"])
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return {place: len(students) for place, students in found.items()}


def kaa_outcomes(records, months=(0, 3, 6, 9, 12, 18, 24), within=45):
    """``{(month, status): (students, followed)}``; of two follow-ups as near, the earlier one counts."""
    rows = [(row["student_id"], date.fromisoformat(row["date"]), row["status"]) for row in records["followups"]]
    until, found = max(day for _, day, _ in rows), {}
    for month in months:
        counted = Counter()
        for student in {one for one, _, _ in rows}:
            own = [(day, status) for one, day, status in rows if one == student]
            due = _months_later(min(own)[0], month)
            if due <= until:
                near = [(abs((day - due).days), day, status) for day, status in own if abs((day - due).days) <= within]
                counted[min(near)[2] if near else "unknown"] += 1
        numbers = {status: counted[status] for status in ("work", "study", "activity", "unknown")}
        numbers["work_or_study"] = numbers["work"] + numbers["study"]
        found |= {(month, status): (number, counted.total()) for status, number in numbers.items()}
    return found


def _months_later(day, months):
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = (date(year + month // 11, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))
