"""A choice of students as it is written: in the page's address, and as a line of Python for a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Patterns of what may stand in the address.
BOX = r"\*|\d+(\.\d+)?(,\d+(\.\d+)?){3}"
THRESHOLD = r"\*|[0-4](\.\d)?|5(\.0)?"
PASSES = r"\*|\d|1[0-7]"


def threshold_of(chosen: Mapping[str, str]) -> float:
    """Return the size of change that counts as none."""
    return 0.0 if chosen["threshold"] == "*" else float(chosen["threshold"])


def passes_of(chosen: Mapping[str, str]) -> int | None:
    """Return the passes that eligibility asks for; None if it is as many as the rule says."""
    return None if chosen["passes"] == "*" else int(chosen["passes"])


def required_of(chosen: Mapping[str, str], demands: Sequence[str]) -> tuple[str, ...] | None:
    """Return which of a rule's demands count, told by a 1 each; None if it is all of them.

    Examples
    --------
    >>> required_of({"required": "101"}, ["SV/SVA", "EN", "MA"])
    ('SV/SVA', 'MA')
    """
    if "0" not in chosen["required"]:
        return None
    return tuple(demand for demand, kept in zip(demands, chosen["required"], strict=True) if kept == "1")


def box_of(text: str) -> tuple[float, ...] | None:
    """Return the bounds of year 6 and of year 9, the lower one first; None if all points are meant.

    Examples
    --------
    >>> box_of("12.5,10,0,20")
    (10.0, 12.5, 0.0, 20.0)
    """
    if text == "*":
        return None
    x0, x1, y0, y1 = (float(part) for part in text.split(","))
    return min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)


def code_line(source: str, chosen: Mapping[str, str], demands: Sequence[str] = ()) -> str:
    """Write the line of Python that gives the students of a choice.

    Parameters
    ----------
    source
        Python that gives the records.
    chosen
        Value of each filter; ``"*"`` where there is none. Only values that the filters have.
    demands
        What the eligibility rule requires.

    Returns
    -------
    str
        One line; it defines ``students``.

    Examples
    --------
    >>> names = ["cohort", "school", "sex", "group", "box", "threshold", "no_change", "passes", "required"]
    >>> code_line("records", dict.fromkeys(names, "*") | {"group": "6", "passes": "9"})
    'import nbanalytics as nb; students = nb.choose_students(records, group=6, rule=nb.GroupRule(passes=9))'
    """
    parts = [source]
    if chosen["cohort"] != "*":
        parts.append(f"cohort={int(chosen['cohort'])}")
    parts += [f"{name}={chosen[name]!r}" for name in ("school", "sex") if chosen.get(name, "*") != "*"]
    if chosen["group"] != "*":
        parts.append(f"group={int(chosen['group'])}")
    if (box := box_of(chosen["box"])) is not None:
        parts += [f"start=({box[0]!r}, {box[1]!r})", f"end=({box[2]!r}, {box[3]!r})"]
    threshold, negative = threshold_of(chosen), chosen["no_change"] == "negative"
    rule = [f"threshold={threshold!r}"] * (threshold > 0) + ["no_change='negative'"] * negative
    if (passes := passes_of(chosen)) is not None:
        rule.append(f"passes={passes}")
    if (required := required_of(chosen, demands)) is not None:
        rule.append(f"required={required!r}")
    if rule:
        parts.append(f"rule=nb.GroupRule({', '.join(rule)})")
    return f"import nbanalytics as nb; students = nb.choose_students({', '.join(parts)})"
