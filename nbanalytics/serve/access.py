"""Who may reach the server: the address it listens on, the names it answers to, and whether a token is asked for."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from nbanalytics.errors import NbanalyticsError

LOOPBACK = "127.0.0.1"
TOKEN_VARIABLE = "NBANALYTICS_TOKEN"
_SHORTEST = 16  # characters of a token that somebody chose
_BASE = re.compile(r"/([A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Access:
    """How the server is reached.

    Attributes
    ----------
    address
        IP address to listen on.
    names
        Hosts that requests may name; any other is refused, so that no page elsewhere can point a browser here.
    base_url
        Path that all addresses begin with; begins and ends with ``/``.
    token
        What a visitor has to show; empty if nothing.
    """

    address: str
    names: frozenset[str]
    base_url: str
    token: str

    @property
    def cookie(self) -> str:
        """What a browser that has shown the token keeps: it opens this server and does not tell the token."""
        return hashlib.sha256(f"nbanalytics {self.token}".encode()).hexdigest() if self.token else ""

    def knows(self, host: str) -> bool:
        """Whether a request's ``Host`` is one of the server's names, whatever the port."""
        name = host.rpartition(":")[0] if re.search(r":\d*$", host) and not host.endswith("]") else host
        return name.strip("[]").lower() in self.names

    def admits(self, shown: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(shown.encode(), self.token.encode())

    def remembers(self, kept: str) -> bool:
        """Whether this is what a browser keeps that has shown the token."""
        return hmac.compare_digest(kept.encode(), self.cookie.encode())


def access(
    address: str = LOOPBACK,
    names: Sequence[str] = (),
    base_url: str = "/",
    public: bool = False,
    closed: bool = False,
) -> Access:
    """Decide who may reach the server.

    Parameters
    ----------
    address
        IP address to listen on.
    names
        Further hosts that it is reached by, such as the name that a proxy answers to.
    base_url
        Path under which a proxy passes requests on.
    public
        Whether everybody may read; no token is asked for then.
    closed
        Whether a token is asked for even on this machine.

    Returns
    -------
    Access
        With a token, unless it is reached from this machine alone or is public. The token is that of the environment
        variable ``NBANALYTICS_TOKEN``, or drawn at random.

    Raises
    ------
    NbanalyticsError
        If the address, a name, the path or the token cannot be used.

    Examples
    --------
    >>> access().token, len(access(names=["skola.example"]).token) > 20
    ('', True)
    """
    try:
        here = ip_address(address)
    except ValueError:
        raise NbanalyticsError(f"{address!r} is no IP address to listen on; give one, such as {LOOPBACK}") from None
    unfit = next((name for name in names if not _NAME.fullmatch(name)), None)
    if unfit is not None:
        raise NbanalyticsError(f"{unfit!r} is no host's name; give it without scheme and port, such as skola.example")
    if here.is_unspecified and not names:
        raise NbanalyticsError(f"on {address} the server answers to names only; say which with --name")
    base = f"/{base_url.strip('/')}/".replace("//", "/")
    if not _BASE.fullmatch(base):
        raise NbanalyticsError(
            f"{base_url!r} cannot be the base URL; give a path of letters and digits, such as /skola/"
        )
    own = {LOOPBACK, "localhost", "::1"} if here.is_loopback else set()
    if not here.is_unspecified:
        own.add(str(here))
    local = here.is_loopback and not names
    asks = closed or not (local or public)
    return Access(address, frozenset(own | {name.lower() for name in names}), base, _token() if asks else "")


def _token() -> str:
    chosen = os.environ.pop(TOKEN_VARIABLE, "")  # kernels do not inherit it
    if chosen and (len(chosen) < _SHORTEST or not re.fullmatch(r"[A-Za-z0-9_-]+", chosen)):
        raise NbanalyticsError(
            f"the token in {TOKEN_VARIABLE} is too short or holds other signs than letters, digits, - and _; "
            f"give at least {_SHORTEST}, or unset it and one is drawn"
        )
    return chosen or secrets.token_urlsafe(24)
