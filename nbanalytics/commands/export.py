"""``nbanalytics export``: the dashboards of a release as plain files."""

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
