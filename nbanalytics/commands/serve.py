"""``nbanalytics serve``: the dashboards of a release, from a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbanalytics.commands.terminal import tell

LOOPBACK = "127.0.0.1"


def serve(
    folder: Annotated[
        Path | None, typer.Argument(metavar="RELEASE", help="Folder of a release; by default the sample's.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="PORT", help="Port; by default a free one from 8866.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the gallery in the browser.")] = False,
    address: Annotated[
        str, typer.Option(metavar="IP", help="IP address to listen on; other addresses than 127.0.0.1 need a token.")
    ] = LOOPBACK,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Host name that the proxy answers to, such as skola.example."),
    ] = None,
    base_url: Annotated[str, typer.Option(metavar="PATH", help="Path under which a proxy passes requests on.")] = "/",
    public: Annotated[bool, typer.Option("--public", help="No token; only if an attack on the release fails.")] = False,
) -> None:
    """Serve the dashboards of a release on this machine or behind a proxy; other machines need a token.

    Runs until interrupted (Ctrl+C). docs/serving.md describes how to put it behind a proxy.

    Example: nbanalytics serve my-release --open
    """
    if folder is None or folder.exists():
        tell(f"Loading the release {folder or 'of the sample'} …")
    from nbanalytics.serve import serve as run

    run(
        folder,
        port=port,
        open_browser=open_browser,
        announce=tell,
        address=address,
        names=name or (),
        base_url=base_url,
        public=public,
    )
