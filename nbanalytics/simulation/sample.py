"""Writing a simulated municipality as a records folder, the same bytes for the same seed."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from nbanalytics.declaration import DECLARATION_FILE
from nbanalytics.errors import DataError
from nbanalytics.files import OWNER_FOLDER, open_owned, replacing_folder
from nbanalytics.schema import TABLES
from nbanalytics.simulation.municipality import DEFAULT_SEED, Simulation, simulate
from nbanalytics.simulation.parameters import TERMS

SUBJECT_ORDER = (
    *("SV", "SVA", "EN", "MA", "BL", "HKK", "IDH", "MU", "SL", "TK", "NO", "BI", "FY", "KE"),
    *("SO", "GE", "HI", "RE", "SH", "M1", "M2", "ML"),
)


def write_sample(folder: str | Path, seed: int = DEFAULT_SEED, **settings: Any) -> Simulation:
    """Simulate a municipality and write it as a records folder.

    Parameters
    ----------
    folder : path
        Created if missing, or replaced if it has only a sample. As with all records, only the owner may read a new
        folder and its files.
    seed : int
        The same seed gives the same bytes.
    **settings
        Other arguments of :func:`nbanalytics.simulation.simulate`.

    Returns
    -------
    Simulation
        What was written: ``records.toml``, ``students.csv``, ``schools.csv``, ``grades.csv`` (wide: one row per
        student and term, one column per subject), ``absence.csv``, ``tests.csv``, ``outcomes.csv``,
        ``support.csv``, ``followups.csv``, ``truth/truth.csv``, ``truth/hazards.csv`` and ``README.md``.

    Raises
    ------
    DataError
        If ``folder`` is a file, or holds other files, or the settings cannot be simulated; nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "records"
    >>> made = write_sample(folder, seed=1, cohorts=[2018], students_per_cohort=5)
    >>> len(made.records.students), (folder / "students.csv").exists()
    (5, True)
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise DataError(f"{target.name} is a file, but a folder is needed. Name another folder.")
    _refuse_foreign(target)
    simulation = simulate(seed=seed, **settings)
    with replacing_folder(target, OWNER_FOLDER) as fresh:
        (fresh / "truth").mkdir(OWNER_FOLDER)
        for name, table in simulation.records.tables().items():
            _write(wide_grades(table) if name == "grades" else table, fresh / f"{name}.csv")
        _write(simulation.truth, fresh / "truth" / "truth.csv")
        _write(simulation.hazards.round(6), fresh / "truth" / "hazards.csv")
        _write_text(_declaration(simulation), fresh / "records.toml")
        _write_text(_readme(simulation), fresh / "README.md")
    return simulation


def _refuse_foreign(target: Path) -> None:
    """Only replace what this module writes."""
    own = {*(f"{name}.csv" for name in TABLES), DECLARATION_FILE, "README.md", "truth", "truth.csv", "hazards.csv"}
    # Hidden files are receipts of checks and files of the operating system.
    foreign = sum(path.name not in own and not path.name.startswith(".") for path in target.rglob("*"))
    if foreign:
        raise DataError(f"{target} has {foreign} other files, and the whole folder would be replaced. Name another.")


def wide_grades(grades: pd.DataFrame) -> pd.DataFrame:
    """Reshape long grades to one row per student and term, one column per subject, empty without a grade."""
    subjects = [name for name in SUBJECT_ORDER if name in set(grades["subject"])]
    wide = grades.pivot(index=["student_id", "term"], columns="subject", values="grade")[subjects].reset_index()
    wide.columns.name = None
    order = wide["term"].map({term: place for place, term in enumerate(TERMS)})
    return wide.assign(_order=order).sort_values(["student_id", "_order"]).drop(columns="_order")


def _write(table: pd.DataFrame, path: Path) -> None:
    written = table.copy()
    for name in table.columns[[str(kind) in ("bool", "boolean") for kind in table.dtypes]]:
        written[name] = table[name].astype("object").map({True: "yes", False: "no"})
    _write_text(written.to_csv(index=False, lineterminator="\n"), path)


def _write_text(text: str, path: Path) -> None:
    with open_owned(path) as stream:
        stream.write(text.encode())


def _declaration(simulation: Simulation) -> str:
    declared = simulation.records.declaration
    terms = ", ".join(f'"{term}"' for term in declared.terms)
    stages = ", ".join(f'"{term}"' for term in declared.stages)
    return (
        "# What these records are; see the README beside this file.\n"
        f'[records]\nname = "{declared.name}"\nsynthetic = true\nnewly_arrived = "{declared.newly_arrived}"\n'
        f'note = "{declared.note}"\n\n'
        f'[terms]\norder = [{terms}]\nstart = "{declared.start}"\nend = "{declared.end}"\nstages = [{stages}]\n\n'
        f'[grading]\nrule = "{declared.rule}"\n'
    )


def _readme(simulation: Simulation) -> str:
    records, settings = simulation.records, simulation.settings
    template = files("nbanalytics.simulation").joinpath("sample_readme.md").read_text(encoding="utf-8")
    command = f"nbanalytics simulate --out DIR --seed {settings['seed']}"
    cohorts = settings["cohorts"]
    return template.format(
        name=records.declaration.name,
        command=command,
        seed=settings["seed"],
        cohorts=f"{cohorts[0]}-{cohorts[-1]}" if len(cohorts) > 1 else str(cohorts[0]),
        students=f"{len(records.students):,}",
        grades=f"{len(records.grades):,}",
    )
