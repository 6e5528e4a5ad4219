"""What ``nbanalytics check`` and ``nbanalytics import`` do with municipal files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from nbanalytics.declaration import DECLARATION_FILE
from nbanalytics.errors import DataError
from nbanalytics.municipal.merge import merge_with_findings, report_on
from nbanalytics.municipal.pseudonyms import create_key, new_key, read_key
from nbanalytics.municipal.recognise import FileRead, format_of, read_files
from nbanalytics.readers import CheckReport, check_records, write_records
from nbanalytics.readers.folder import EXCEL, RECEIPT_FILE, WORKBOOK, open_folder
from nbanalytics.readers.workbook import sheet_names
from nbanalytics.schema import TABLES


def check_paths(paths: Sequence[Path], key: Path | None = None, mapping: Path | None = None) -> list[CheckReport]:
    """Check folders of records one by one, and all other files together."""
    records = [path for path in paths if holds_records(path)]
    files = files_of([path for path in paths if path not in records])
    reports = [check_records(path) for path in records]
    if files:
        name = str(files[0]) if len(files) == 1 else f"{len(files)} files"
        chosen = read_key(key) if key is not None else new_key()
        reports.append(report_on(name, read_files(files, chosen, mapping)))
    return reports


def as_json(reports: Sequence[CheckReport]) -> str:
    """Return all reports as one JSON list, with an entry for each file."""
    return json.dumps([entry for report in reports for entry in report.as_dicts()], ensure_ascii=False, indent=2)


def suggested(paths: Sequence[Path]) -> str:
    """Return a draft of the mapping of the one absence list among the files."""
    from nbanalytics.municipal.absence_suggest import suggest_mapping

    if len(paths) != 1 or not paths[0].is_file():
        raise DataError("--suggest drafts the mapping of one absence list", "Name that file alone.")
    return str(suggest_mapping(paths[0]))


def write_rejected(reports: Sequence[CheckReport], path: Path) -> None:
    """Write the rejected rows of all reports to one file."""
    files = tuple(file for report in reports for file in report.files)
    CheckReport("", files, ()).write_rejected(path)


def import_files(paths: Sequence[Path], key: Path, out: Path, mapping: Path | None) -> list[str]:
    """Convert files to one folder of records, completely or not at all; returns lines to show to the user.

    Raises
    ------
    DataError
        If a file cannot be used, or none holds grades.
    """
    _refuse_records(paths)
    files = files_of(paths)
    fresh = not key.exists()
    secret = new_key() if fresh else read_key(key)
    reads = read_files(files, secret, mapping)
    _refuse_unusable(reads)
    records, findings = merge_with_findings(reads)
    if fresh:
        create_key(key, secret)
    try:
        write_records(records, out, format="parquet")
        # The receipt contains the time of writing; without it the same files give the same bytes.
        (out / RECEIPT_FILE).unlink(missing_ok=True)
    except BaseException:
        if fresh:
            with suppress(OSError):
                key.unlink()
        raise
    told = [f"A new key is in {key}. Keep it: with another key the same pupils get other pseudonyms."] if fresh else []
    for read in reads:
        report = read.report
        told.append(f"{report.file} ({report.format}): {report.read:,} of {report.rows:,} rows read")
        told += [f"  remark: {finding.sentence()}" for finding in report.findings]
        told += [f"  not read: {', '.join(report.unread)}"] if report.unread else []
    told += [f"remark: {finding.sentence()}" for finding in findings]
    cohorts = records.cohorts()
    span = f"cohort {cohorts[0]}" if len(cohorts) == 1 else f"cohorts {cohorts[0]}-{cohorts[-1]}"
    return [*told, f"{len(records.students):,} students of {span} in {out}"]


def _refuse_records(paths: Sequence[Path]) -> None:
    """Stop at folders of records and at releases, whose files are not municipal ones."""
    for path in paths:
        if (path / "manifest.json").is_file():
            open_folder(path)  # which says what it is
        if path.is_dir() and (path / DECLARATION_FILE).is_file():
            raise DataError(f"{path} is a folder of records already", "Name municipal files instead.")


def _refuse_unusable(reads: Sequence[FileRead]) -> None:
    lines = [
        f"{finding.file}: {finding.sentence()}"
        for read in reads
        for finding in read.report.findings
        if finding.weight == "fatal"
    ]
    if lines:
        raise DataError("Nothing was imported, since some files cannot be used.\n" + "\n".join(lines))


def holds_records(path: Path) -> bool:
    """Whether a path is a folder or a workbook of records, and not municipal files."""
    if path.is_file():
        if path.suffix.lower() not in EXCEL:
            return False
        with suppress(DataError, OSError):
            return "students" in {name.strip().lower() for name in sheet_names(path)}
        return False
    if not path.is_dir():
        # The folder reader reports that it does not exist.
        return True
    entries = [entry for entry in path.iterdir() if entry.is_file()]
    own = {*TABLES, WORKBOOK}
    if not entries or any(entry.stem.lower() in own or entry.name == DECLARATION_FILE for entry in entries):
        return True
    return not any(format_of(entry) for entry in files_of([path]))


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Return the named files and those in the named folders, without mappings and hidden files."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"There is no file or folder {path}", "Check the path.")
        inside = [path]
        if path.is_dir():
            entries = (entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith((".", "~$")))
            inside = sorted(entry for entry in entries if entry.suffix.lower() != ".toml")
        if not inside:
            raise DataError(f"The folder {path} is empty", "Name the files to read.")
        files += [file for file in inside if file not in files]
    return files
