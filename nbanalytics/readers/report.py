"""What a check of records found, file by file: as text, as JSON, and as a file of rejected rows."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbanalytics.declaration import Declaration
from nbanalytics.errors import DataError
from nbanalytics.files import OWNER_FILE, replacing_file
from nbanalytics.readers.findings import Finding, sentences_by_file
from nbanalytics.readers.tables import Tables

#: What is missing without an optional table.
_USES = {
    "absence": "the absence panel will be empty",
    "tests": "grades cannot be compared with national tests",
    "outcomes": "flows end with the last term",
    "support": "coverage of support and hand-over cannot be shown",
    "followups": "what became of those in the activity responsibility cannot be shown",
    "schools": "schools are shown by their identifiers",
    "screening": "the screening of engagement will be empty",
}
_STUDENT_USES = {
    "sex": "nothing can be shown by sex",
    "school_id": "nothing can be shown by school",
    "newly_arrived": "nothing can be shown for newly arrived students",
}


@dataclass(frozen=True)
class FileReport:
    """One file or sheet: how it was read and what happened to its ``rows``.

    ``rejected`` has row numbers and reasons; it is empty for a file too large for memory, and ``n_rejected`` counts
    even then. ``assumed`` is what was inferred from content; ``missing`` is what is not there, and the analysis that
    suffers; ``unread`` are the columns that are not kept.
    """

    file: str
    format: str
    rows: int
    n_rejected: int
    rejected: tuple[tuple[int, str], ...] = ()
    assumed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    unread: tuple[str, ...] = ()

    @classmethod
    def of_rows(
        cls,
        file: str,
        format: str,
        rows: int,
        findings: Sequence[Finding],
        assumed: Iterable[str] = (),
        missing: Iterable[str] = (),
        besides: Iterable[tuple[int, str]] = (),
        unread: Iterable[str] = (),
    ) -> FileReport:
        """Return the report on a file whose findings name every row that they reject; ``besides`` are not faults."""
        rejected = tuple(sorted((*reasons_by_row(findings), *besides)))
        texts = {"assumed": tuple(assumed), "missing": tuple(missing), "unread": tuple(unread)}
        return cls(file, format, rows, len(rejected), rejected, findings=tuple(findings), **texts)

    @property
    def read(self) -> int:
        """Usable rows."""
        return self.rows - self.n_rejected

    def rejected_lines(self) -> list[tuple[str, int, str, str]]:
        """Return place, row, column and reason of every fault of every rejected row, and of rows that are not data."""
        faults = [finding for finding in self.findings if finding.weight == "row"]
        lines = [(f.file, row, f.column, f.what) for f in faults for row in f.rows.tolist()]
        places = dict.fromkeys(finding.file for finding in faults)
        told = {told for place in places for told in reasons_by_row([f for f in faults if f.file == place])}
        # Row numbers repeat across sheets, so the reason names the sheet.
        others = [(row, why) for row, why in self.rejected if (row, re.sub(r"^sheet \d+: ", "", why)) not in told]
        return sorted([*lines, *((self.file, row, "", why) for row, why in others)])

    def as_dict(self) -> dict[str, Any]:
        """Return the content as plain values for programs."""
        return {
            "file": self.file,
            "format": self.format,
            "rows": self.rows,
            "read": self.read,
            "rejected": [{"row": row, "reason": reason} for row, reason in self.rejected],
            "assumed": list(self.assumed),
            "missing": list(self.missing),
            "unread": list(self.unread),
            "faults": [finding.sentence() for finding in self.findings if finding.is_fault],
            "remarks": [finding.sentence() for finding in self.findings if not finding.is_fault],
            "findings": [finding.as_dict() for finding in self.findings],
        }


@dataclass(frozen=True)
class CheckReport:
    """What was found in a folder of records.

    Attributes
    ----------
    path : str
        The folder as it was named.
    files : tuple of FileReport
        One for each file that holds a table, in the order of the schema.
    findings : tuple of Finding
        All of them, those that are about no file included.
    """

    path: str
    files: tuple[FileReport, ...]
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """Findings that prevent the use of the records."""
        return tuple(finding for finding in self.findings if finding.is_fault)

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """Findings that do not prevent the use of the records."""
        return tuple(finding for finding in self.findings if not finding.is_fault)

    @property
    def usable(self) -> bool:
        """Whether the records can be read, if necessary without the rejected rows."""
        return not any(finding.weight == "fatal" for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0 clean, 1 usable with remarks or without some rows, 2 unusable."""
        if not self.usable:
            return 2
        return 1 if self.findings else 0

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return one dict for each file; faults of the folder itself are under its own name."""
        own = tuple(finding for finding in self.findings if finding.file not in {file.file for file in self.files})
        folder = [FileReport(self.path, "folder", 0, 0, findings=own).as_dict()] if own else []
        return [*(file.as_dict() for file in self.files), *folder]

    def as_json(self) -> str:
        """Return :meth:`as_dicts` as JSON text."""
        return json.dumps(self.as_dicts(), ensure_ascii=False, indent=2)

    def text(self) -> str:
        """Return the report as text."""
        rejected = sum(file.n_rejected for file in self.files)
        rows = sum(file.rows for file in self.files)
        verdict = {0: "clean", 1: "usable, with remarks", 2: "cannot be used"}[self.exit_code]
        lines = [f"{self.path}: {verdict}. {rows:,} rows, {rejected:,} of them rejected."]
        named = {file.file for file in self.files}
        lines += [f"  {_mark(finding)} {_told(finding)}" for finding in self.findings if finding.file not in named]
        for file in self.files:
            lines += [
                "",
                f"{file.file} ({file.format}): {file.rows:,} rows, {file.read:,} read, {file.n_rejected:,} rejected",
            ]
            lines += [f"  {_mark(finding)} {finding.sentence()}" for finding in file.findings]
            lines += [f"  assumed: {text}" for text in file.assumed]
            lines += [f"  not read: {', '.join(file.unread)}"] if file.unread else []
            lines += [f"  missing: {text}" for text in file.missing]
        return "\n".join(lines)

    def fault_message(self, without: str = "read_records(path, on_fault='reject')") -> str:
        """Return the error message that lists every fault; ``without`` is the call that rejects faulty rows."""
        faults = [finding for finding in self.faults if not finding.follows]
        number = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        advice = ""
        if self.usable:
            advice = f"\nTo continue without the faulty rows: {without}."
        return f"The records in {self.path} cannot be used: {number}.\n{sentences_by_file(faults)}{advice}"

    def write_rejected(self, path: str | Path) -> None:
        """Write the rejected rows to a CSV file: file, row, column and reason, and nothing of their content.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        target = Path(path)
        try:
            with replacing_file(target, OWNER_FILE) as fresh, fresh.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream)
                writer.writerow(["file", "row", "column", "reason"])
                for file in self.files:
                    writer.writerows(file.rejected_lines())
        except OSError as error:
            raise DataError(f"{target} cannot be written ({error.strerror})", "Choose another place.") from None


def _mark(finding: Finding) -> str:
    return "FAULT" if finding.is_fault else "remark:"


def _told(finding: Finding) -> str:
    return f"{finding.file}: {finding.sentence()}" if finding.file else finding.sentence()


def reasons_by_row(findings: Sequence[Finding]) -> tuple[tuple[int, str], ...]:
    """Return each rejected row with its reasons, in order."""
    reasons: dict[int, list[str]] = {}
    for finding in findings:
        if finding.weight == "row":
            reason = f"{finding.column}: {finding.what}" if finding.column else finding.what
            for row in finding.rows.tolist():
                reasons.setdefault(row, []).append(reason)
    return tuple((row, "; ".join(reasons[row])) for row in sorted(reasons))


def missing_by_table(tables: Tables) -> dict[str, tuple[str, ...]]:
    """List what is missing for which analysis; missing tables are listed with students."""
    declaration: Declaration = tables.declaration
    missing: dict[str, list[str]] = {name: [] for name in tables.files}
    students = missing.setdefault("students", [])
    for column, consequence in _STUDENT_USES.items():
        if tables.has("students") and not tables.has("students", column):
            students.append(f"no column {column}: {consequence}")
    students += [f"no table {name}: {consequence}" for name, consequence in _USES.items() if not tables.has(name)]
    for name, consequence in (("grades", "losses cannot be dated to it"), ("absence", _USES["absence"])):
        if tables.has(name, "term"):
            found = {term for (term,) in tables.numbers(f"SELECT DISTINCT term FROM {name}")}
            absent = [term for term in declaration.followed_terms if term not in found]
            if absent:
                missing[name].append(f"no {name} for {', '.join(absent)}: {consequence} there")
    return {name: tuple(texts) for name, texts in missing.items()}
