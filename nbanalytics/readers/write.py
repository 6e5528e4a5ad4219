"""Writing records to a folder: completely or not at all; reading the folder returns the same records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import narwhals as nw
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from tqdm import tqdm

from nbanalytics.declaration import DECLARATION_FILE, Declaration
from nbanalytics.errors import DataError
from nbanalytics.files import OWNER_FOLDER, open_owned, replacing_folder
from nbanalytics.frames import NativeFrame, open_frame
from nbanalytics.grading import Rule, Scale, default_catalogue
from nbanalytics.readers.folder import RECEIPT_FILE, SUFFIXES
from nbanalytics.readers.scan import check_scanned
from nbanalytics.readers.tidy import values_of
from nbanalytics.records import StudentRecords
from nbanalytics.schema import TABLES

_WIDE_TABLES = ("grades", "tests")


def write_records(
    records: StudentRecords,
    folder: str | Path,
    format: Literal["csv", "parquet"] = "csv",
    wide: bool = False,
) -> None:
    """Write records to a folder, one file for each table, with their declaration.

    Parameters
    ----------
    records : StudentRecords
        Of any dataframe; tables are loaded into memory one at a time.
    folder : str or Path
        Created, or replaced if it has only records. If anything fails, it stays unchanged. Only the owner may read new
        folders and files (modes 0700 and 0600); those that are replaced keep their group and mode.
    format : {"csv", "parquet"}
        CSV is UTF-8 with commas.
    wide : bool
        Whether grades and tests have one row for each student and term, with a column for each subject.

    Raises
    ------
    DataError
        If the folder holds other files, cannot be written, or a table lacks a column or repeats a key.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> students = pd.DataFrame({"student_id": ["P1"], "cohort": [2018]})
    >>> grades = pd.DataFrame({"student_id": ["P1"], "term": ["6VT"], "subject": ["MA"], "grade": ["E"]})
    >>> folder = Path(tempfile.mkdtemp()) / "records"
    >>> write_records(StudentRecords(students, grades), folder, wide=True)
    >>> print((folder / "grades.csv").read_text().strip())
    student_id,term,MA
    P1,6VT,E
    """
    if format not in ("csv", "parquet"):
        raise DataError(f"There is no format {format!r} to write", "Choose 'csv' or 'parquet'.")
    target = Path(folder)
    _refuse_foreign(target)
    tables = records.tables()
    try:
        with replacing_folder(target, OWNER_FOLDER) as fresh:
            for name in tqdm(tables, desc="writing", unit="table", delay=2, leave=False, disable=None):
                _write_table(_arrow(name, tables[name], records.declaration, wide), fresh / f"{name}.{format}")
            with open_owned(fresh / DECLARATION_FILE) as stream:
                stream.write(declaration_toml(records.declaration).encode())
            if format == "parquet" and not wide:
                check_scanned(fresh)
    except OSError as error:
        raise DataError(f"{target} cannot be written ({error.strerror})", "Choose another place.") from None


def _refuse_foreign(target: Path) -> None:
    """Only replace a folder of records."""
    if not target.exists():
        return
    if not target.is_dir():
        raise DataError(f"{target} is a file", "Name a folder to write the records to.")
    known = {DECLARATION_FILE, RECEIPT_FILE, *(f"{name}{suffix}" for name in TABLES for suffix in SUFFIXES)}
    foreign = sum(entry.name not in known for entry in target.iterdir())
    if foreign:
        raise DataError(
            f"{target} has {foreign} other files, and writing would replace the whole folder", "Choose an empty one."
        )


def _arrow(name: str, table: NativeFrame, declaration: Declaration, wide: bool) -> pa.Table:
    frame = open_frame(table)
    schema = TABLES[name]
    present = frame.collect_schema().names()
    lacking = [column.name for column in schema.columns if column.required and column.name not in present]
    if lacking:
        raise DataError(f"The table {name} lacks the column {', '.join(lacking)}", "Add it before writing the records.")
    ordered = [column.name for column in schema.columns if column.name in present]
    frame = frame.select(*ordered, *(other for other in present if other not in ordered))
    eager = frame.collect(backend="pyarrow") if isinstance(frame, nw.LazyFrame) else frame
    data = eager.to_arrow()
    data = data.cast(pa.schema([pa.field(f.name, _plain(f.type)) for f in data.schema])).replace_schema_metadata(None)
    for place, field in enumerate(data.schema):
        column = schema.column(field.name)
        if column is not None and not pa.types.is_string(field.type):
            # Write identifiers, dates and whole numbers in the canonical form, whatever their type.
            values = values_of(data.column(place), column, declaration)
            if not values.bad.any():
                cells = values.array
                cells = cells.cast(cells.type.value_type) if pa.types.is_dictionary(cells.type) else cells
                data = data.set_column(place, field.name, cells)
    return _widened(data, name, declaration) if wide and name in _WIDE_TABLES else data


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    text = pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind)
    return pa.string() if text else kind


def _widened(data: pa.Table, name: str, declaration: Declaration) -> pa.Table:
    frame = data.to_pandas()
    try:
        wide = frame.pivot(index=["student_id", "term"], columns="subject", values="grade")
    except ValueError:
        raise DataError(
            f"The table {name} has the same student, term and subject more than once, which a wide table cannot show",
            "Keep one of the rows.",
        ) from None
    order = [code for code in declaration.catalogue.subjects if code in wide.columns]
    wide = wide[[*order, *(code for code in wide.columns if code not in order)]]
    return pa.Table.from_pandas(wide.reset_index(), preserve_index=False).replace_schema_metadata(None)


def _write_table(data: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        with open_owned(path) as stream:
            pq.write_table(data, stream, compression="zstd")
        return
    try:
        _write_csv(data, path, "none")
    except pa.ArrowInvalid:
        # If a cell has a comma, a quotation mark or a line end, Arrow quotes every text.
        path.unlink()
        _write_csv(data, path, "needed")


def _write_csv(data: pa.Table, path: Path, quoting: str) -> None:
    with open_owned(path) as stream:
        # Arrow would quote every column name.
        stream.write((",".join(_quoted(name) for name in data.column_names) + "\n").encode())
        pa_csv.write_csv(data, stream, pa_csv.WriteOptions(include_header=False, quoting_style=quoting))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n\r') else name


# ------------------------------------------------------------------ the declaration as TOML


def declaration_toml(declaration: Declaration) -> str:
    """Write a declaration as the text of ``records.toml``.

    Examples
    --------
    >>> print(declaration_toml(Declaration(name="Bergstad")).splitlines()[1])
    name = "Bergstad"
    """
    parts = [
        _section("records", {k: getattr(declaration, k) for k in ("name", "synthetic", "newly_arrived", "note")}),
        _section(
            "terms", {"order": declaration.terms} | {k: getattr(declaration, k) for k in ("start", "end", "stages")}
        ),
        _section("grading", {"rule": declaration.rule, "scale": declaration.scale}),
    ]
    own, base = declaration.catalogue, default_catalogue()
    if own.scales != base.scales:
        parts += [_section("[scale]", _scale_data(scale)) for scale in own.scales]
    if own.rules != base.rules:
        parts += [_rule_text(rule) for rule in own.rules]
    if (own.alternates, own.language) != (base.alternates, base.language):
        parts.append(_section("subjects", {"alternates": own.alternates, "language": own.language}))
    for code, subject in own.subjects.items():
        if base.subjects.get(code) != subject:
            data = {"sv": subject.sv, "en": subject.en, "comparable": subject.comparable, "block": subject.block}
            parts.append(_section(f"subject.{_value(code)}", data))
    return "\n\n".join(parts) + "\n"


def _scale_data(scale: Scale) -> dict[str, object]:
    return {
        "name": scale.name,
        **_validity(scale),
        "points": scale.points,
        "passing": [grade for grade in scale.order if grade in scale.passing],
        "marks": scale.marks,
        "aliases": scale.aliases,
        "source": scale.source,
    }


def _rule_text(rule: Rule) -> str:
    head = {"name": rule.name, **_validity(rule), "mean_at_least": rule.mean_at_least, "source": rule.source}
    ways = [_section("[rule.way]", {"required": way.required, "passes": way.passes}) for way in rule.ways]
    return "\n".join([_section("[rule]", head), *ways])


def _validity(item: Scale | Rule) -> dict[str, object]:
    return {"version": item.version, "first_cohort": item.first_cohort, "last_cohort": item.last_cohort}


def _section(name: str, data: Mapping[str, object]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {_value(value)}" for key, value in data.items() if value is not None)])


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_value(str(key))} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    # JSON's text, numbers and booleans are valid TOML, except for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
