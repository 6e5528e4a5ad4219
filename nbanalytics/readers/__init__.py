"""Readers: they convert files to student records and report every row that is left out."""

from __future__ import annotations

from nbanalytics.readers.check import check_records, open_records
from nbanalytics.readers.read import read_records, read_with_report, records_from_frames
from nbanalytics.readers.report import CheckReport, FileReport
from nbanalytics.readers.scan import scan_records
from nbanalytics.readers.write import write_records

__all__ = [
    "CheckReport",
    "FileReport",
    "check_records",
    "open_records",
    "read_records",
    "read_with_report",
    "records_from_frames",
    "scan_records",
    "write_records",
]
