"""Which callers are answered: no page of another site in the browser of somebody who can reach the
service, be it by a link to its address or by a name of that site's that leads here.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from utils.text import quoted


class Callers:
    """The app, which other sites do not get to. hosts: the names that this service may be called
    by, besides addresses and localhost; None: any.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str] | None) -> None:
        self.app, self.hosts = app, hosts and [host.lower() for host in hosts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; 403 where it is another site's."""
        if scope["type"] == "http" and (
            why := self._why_not(scope["method"], Headers(scope=scope))
        ):
            await JSONResponse({"detail": why}, 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _why_not(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")  # a browser always says one
        name = host_name(host)
        if self.hosts is not None and not (is_local(name) or name in self.hosts):
            return f"{quoted(name)} is no name of this service: start it with --allow_host NAME"
        if method in (
            "GET",
            "HEAD",
        ):  # change nothing, and are kept from other sites by the browser
            return None
        site = headers.get("sec-fetch-site")
        if site is None:  # an old browser, or a page without TLS, which says less
            origin = headers.get("origin")
            same = origin is None or urlsplit(origin).netloc.lower() == host.lower()
        else:
            same = site in ("same-origin", "none")
        return None if same else "a page of another site asks: only this service's own page may"


def host_name(host: str) -> str:
    """Of the header Host, without a port and the brackets of IPv6."""
    name, _, port = host.rpartition(":")
    name = name if port.isdecimal() and name else host
    return name.strip("[]").rstrip(".").lower()


def is_local(name: str) -> bool:
    """Whether a name leads to no server of a stranger's choice: an address, localhost, or none."""
    if name in ("", "localhost") or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return is_local(host) and host != ""
