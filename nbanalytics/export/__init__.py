"""Ways out: a release's dashboards as plain files, and a notebook with its figures as one file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbanalytics.errors import NbanalyticsError, ReleaseError
from nbanalytics.export.dashboards import Dashboard, dashboards_folder, find_dashboards
from nbanalytics.export.site import Site, write_site
from nbanalytics.figures.chart import PICTURE, PLOTLY
from nbanalytics.files import OWNER_FILE, replacing_file
from nbanalytics.pages.widgets import plotly_script
from nbanalytics.schema import IDENTITY_NUMBER

if TYPE_CHECKING:
    from nbanalytics.release import Release

__all__ = [
    "Dashboard",
    "Site",
    "dashboards_folder",
    "export",
    "find_dashboards",
    "open_verified",
    "report_notebook",
    "write_site",
]


def open_verified(folder: Path) -> Release:
    """Read a release; raise a ReleaseError if it is not a release, is altered, or cannot be read for another reason."""
    from nbanalytics.release import read_release

    try:
        return read_release(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ReleaseError(
            f"the release in {folder} cannot be read ({fault}); build it anew with 'nbanalytics release'"
        ) from fault


def _refuse_identity_numbers(release: Release) -> None:
    """Raise a ReleaseError if a value of a published table may be a personal identity number."""
    words = {
        word
        for table in release.tables.values()
        for name in table.columns.difference(["value", "status"])
        for word in table[name].astype(str).unique()
    }
    if any(re.search(IDENTITY_NUMBER, word) for word in words):
        raise ReleaseError(
            "the release holds what looks like a personal identity number, and nothing was written",
            "Replace it by a pseudonym in the records, and make the release anew.",
        )


def export(
    release: str | Path, out: str | Path, lang: str = "sv", progress: Callable[[str], None] | None = None
) -> Path:
    """Write the static edition of a release.

    Parameters
    ----------
    release
        Folder of the release; it is read only if its checksums are right.
    out
        Folder to write: new, empty, or an older site.
    lang
        Language that the site opens in, ``"sv"`` or ``"en"``; each page has a switch to the other one.
    progress
        Called with a message at each step.

    Returns
    -------
    Path
        The folder, with ``index.html``, a page for each dashboard that needs no kernel, ``assets/`` and ``data/``.

    Raises
    ------
    ReleaseError
        If the release is missing, altered or of a newer version.
    NbanalyticsError
        If the folder holds something else, or the files cannot be written; nothing is changed then.
    """
    from nbanalytics.export.frame import FILE_POLICY

    opened = open_verified(Path(release))
    _refuse_identity_numbers(opened)
    site = Site(opened, find_dashboards(), lang, policy=FILE_POLICY)
    return write_site(site, out, progress)


#: What stands for a figure in a report: the picture, and what plotly draws of it when it is touched.
_FIGURE = '<div class="nba-still">{picture}<script type="application/json">{figure}</script></div>'
_WIDGET = "application/vnd.jupyter.widget-{}+json"
#: Plotly waits as text, so that a report is read at once; the first touch of a figure starts it.
_TOUCH = """<script type="text/plain" id="nba-plotly">{plotly}</script><script>
document.querySelectorAll(".nba-still").forEach((box) => box.addEventListener("pointerenter", () => {{
  if (!window.Plotly) {{
    const script = document.createElement("script");
    script.textContent = document.getElementById("nba-plotly").textContent;
    document.head.append(script);
  }}
  const {{ data, layout }} = JSON.parse(box.querySelector("script").textContent);
  const place = document.createElement("div");
  box.querySelector("svg").replaceWith(place);
  Plotly.newPlot(place, data, layout, {{ displayModeBar: false, responsive: true }});
}}, {{ once: true }}));
</script></body>"""


def report_notebook(notebook: str | Path, out: str | Path, code: bool = True, run: bool = True) -> Path:
    """Write a notebook with its figures and tables as one HTML file, which needs nothing from the internet.

    Parameters
    ----------
    notebook
        A notebook. It may show single students, so only the owner can read the file that is written.
    out
        File to write.
    code
        Whether the report shows the notebook's code.
    run
        Whether to run the notebook first; otherwise the report has the outputs that the notebook holds.

    Returns
    -------
    Path
        The file. Figures are pictures; one that is pointed at becomes interactive, and none needs JavaScript. Of
        widgets it has what they show or, of controls, the sentence that says what is chosen.

    Raises
    ------
    NbanalyticsError
        If the file is not a notebook, or a cell fails.
    """
    import nbformat
    from nbconvert import HTMLExporter
    from nbconvert.preprocessors import CellExecutionError, ExecutePreprocessor

    source, target = Path(notebook), Path(out)
    try:
        node = nbformat.read(source, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, nbformat.reader.NotJSONError) as fault:
        raise NbanalyticsError(
            f"{source.name} cannot be read as a notebook", "Give a file that ends in .ipynb."
        ) from fault
    if run:
        try:
            runner = ExecutePreprocessor(timeout=None)  # type: ignore[no-untyped-call]
            runner.preprocess(node, {"metadata": {"path": str(source.absolute().parent)}})
        except CellExecutionError as fault:
            cell = next((rank for rank, one in enumerate(node.cells, 1) for output in one.get("outputs", ())
                         if output.output_type == "error"), 0)  # fmt: skip
            remedy = "Run it in JupyterLab to see the error, then make the report again."
            raise NbanalyticsError(f"cell {cell} of {source.name} failed with {fault.ename}", remedy) from None
    _without_widgets(node)
    figures = sum(map(_still, (output for cell in node.cells for output in cell.get("outputs", ()))))
    names = [name for name in HTMLExporter.class_trait_names() if name.endswith("_url")]
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        exclude_input=not code, exclude_input_prompt=True, exclude_output_prompt=True, **dict.fromkeys(names, "")
    )
    page = exporter.from_notebook_node(node, {"metadata": {"name": source.stem}})[0]
    page = re.sub(r'<script src="">\s*</script>', "", page)
    if figures:
        before, _, after = page.rpartition("</body>")
        page = before + _TOUCH.format(plotly=plotly_script().decode().replace("</script", "<\\/script")) + after
    with replacing_file(target, OWNER_FILE) as fresh:
        fresh.write_text(page, encoding="utf-8")
    return target


def _without_widgets(node: Any) -> None:
    """Put in the place of widgets what they captured, or their sentence: without a kernel they do nothing."""
    states = node.metadata.pop("widgets", {}).get(_WIDGET.format("state"), {}).get("state", {})
    for cell in (cell for cell in node.cells if "outputs" in cell):
        shown = []
        for output in cell.outputs:
            view = output.get("data", {}).pop(_WIDGET.format("view"), {})
            shown += states.get(view.get("model_id"), {}).get("state", {}).get("outputs", [output])
        cell.outputs = shown


def _still(output: Any) -> bool:
    """Turn a figure among a notebook's outputs into a picture that can become interactive; say if it was one."""
    data = output.get("data", {})
    if PICTURE not in data or PLOTLY not in data:
        return False
    figure = json.dumps({name: data[PLOTLY][name] for name in ("data", "layout")}).replace("<", "\\u003c")
    output["data"] = {"text/html": _FIGURE.format(picture=data[PICTURE], figure=figure)}
    return True
