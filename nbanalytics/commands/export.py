"""``nbanalytics export`` and ``nbanalytics report``: dashboards as plain files, and a notebook as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import Language, tell, waiting


def export(
    release: Annotated[Path, typer.Argument(metavar="RELEASE", help="Folder of a release.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write; an older site there is replaced.")],
    lang: Annotated[Language, typer.Option(help="Language of the pages.")] = Language.SV,
) -> None:
    """Write the dashboards as plain files, for any web server, a folder or an e-mail: no kernel, the same filters.

    Example: nbanalytics export my-release --out site
    """
    from nbanalytics.export import export as write

    with waiting("writing the site") as step:
        folder = write(release, out, lang.value, progress=step)
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    tell(f"{len(files)} files, {size:.1f} MB; open {out / 'index.html'}")


def report(
    notebook: Annotated[Path, typer.Argument(metavar="NOTEBOOK.ipynb", help="Notebook to run.")],
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="File to write; only you can read it.")],
    code: Annotated[bool, typer.Option(help="Show the notebook's code.")] = True,
    run: Annotated[bool, typer.Option(help="Run the notebook first, in its own folder.")] = True,
) -> None:
    """Write a notebook with its figures and tables as one HTML file that opens anywhere, without a network.

    Example: nbanalytics report my-analysis.ipynb --out report.html --no-code
    """
    from nbanalytics.export import report_notebook

    with waiting("running the notebook" if run else "writing the report"):
        report_notebook(notebook, out, code, run)
    tell(f"{out}: {out.stat().st_size / 1e6:.1f} MB; it may show single students, so only you can read it")
