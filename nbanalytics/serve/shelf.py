"""The release that is served: read once, watched, and replaced as a whole when its publisher replaces it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock, Thread

from nbanalytics.errors import NbanalyticsError
from nbanalytics.export import Dashboard, Site, open_verified
from nbanalytics.export.assets import Asset
from nbanalytics.release import Release
from nbanalytics.serve.gate import has_files_to_spare

_LOOK, _GRACE = 1.0, 3.0  # seconds between looks; and that a release may be gone while another takes its place

Stamp = tuple[tuple[str, int, int], ...]


class Shelf:
    """Keep the site of the release in a folder. Pages are answered from one release, whole: the old one or the new.

    Parameters
    ----------
    folder
        Folder of the release.
    release
        What was read from it.
    dashboards
        What to show.
    on_change
        Called when another release has taken its place.
    """

    def __init__(
        self,
        folder: Path,
        release: Release,
        dashboards: Sequence[Dashboard],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder, self._dashboards, self._on_change = folder, dashboards, on_change
        self._stamp: Stamp = ()
        self._stamp = self._look()
        self._looked, self._missed = time.monotonic(), 0.0
        self._busy = Lock()
        self._site: Site | None = Site(release, dashboards, suffix="")
        self._style = self._site.names["nbanalytics.css"]
        self._former: dict[str, Asset] = {}
        self.titles: Mapping[str, str] = {}  # text pages show nothing of the release

    @property
    def site(self) -> Site | None:
        """The site of the release as it is now; None if the release is missing or was altered."""
        now = time.monotonic()
        if now - self._looked >= _LOOK and not self._busy.locked():
            self._looked = now
            if (seen := self._look()) == self._stamp and self._site is not None:
                self._missed = 0.0
            else:  # nobody waits until another release is read
                Thread(target=self._follow, args=(seen, now), daemon=True).start()
        return self._site

    def look(self, root: str) -> dict[str, str]:
        """Return what a page of words needs to look like the others."""
        return {"root": root, "style": self._style}

    def lasting(self, address: str) -> Asset | None:
        """Return a file whose name stands for its content, also of the release before this one."""
        found = self._site.lasting.get(address) if self._site is not None else None
        return found or self._former.get(address)

    def prepare(self) -> None:
        """Make and compress every file in the background, so that nobody waits for it."""
        site = self._site

        def make() -> None:
            for _, asset in [] if site is None else site.files():
                if site is not self._site:
                    return
                _ = asset.packed
                time.sleep(0.05)  # visitors come first

        Thread(target=make, daemon=True).start()

    def _look(self) -> Stamp:
        if not has_files_to_spare(4):  # if no file can be opened at the moment, that says nothing of the release
            return self._stamp
        try:
            files = sorted(path for path in self._folder.rglob("*") if path.is_file())
            stats = [(str(path), path.stat()) for path in files]
        except OSError:
            return ()
        return tuple((name, found.st_mtime_ns, found.st_size) for name, found in stats)

    def _follow(self, seen: Stamp, now: float) -> None:
        with self._busy:
            try:
                release = open_verified(self._folder)
                if seen != self._look():
                    return  # it changed while it was read; the next check will find it
                site = Site(release, self._dashboards, suffix="")
            except NbanalyticsError:
                if self._look() == self._stamp:
                    return  # it could not be read for a moment, as when no file can be opened
                self._missed = self._missed or now
                if now - self._missed >= _GRACE:
                    self._put(None)
                return
            self._stamp, self._missed = seen, 0.0
            self._put(site)
            self._on_change()
        self.prepare()

    def _put(self, site: Site | None) -> None:
        if self._site is not None:
            self._former = dict(self._site.lasting)
        self._site = site
