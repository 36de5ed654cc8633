"""Prefect's server behind a check of who sends a request: other web pages and names are refused.

Prefect 3.8 checks neither. Any page that is open in a browser on this machine could otherwise
create deployments, which are commands to run: by a request that needs no permission (CSRF), over a
websocket, or under a name of its own that it lets resolve to 127.0.0.1 (DNS rebinding).
"""

import os
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
# Addresses of the server's own pages, as its proxy serves them.
PAGES = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"
UI_ADDRESSES = ("PREFECT_SERVER_UI_API_URL", "PREFECT_UI_API_URL")
POLICY_VIOLATION = 1008  # RFC 6455, 7.4.1

# The interface of ASGI applications.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """An ASGI application that passes on only requests to a known host, from no page or its own.

    `pages` are addresses of pages that may send requests, besides those that the server itself
    serves; their hosts are known too.
    """

    def __init__(self, application: Application, pages: Iterable[str] = ()) -> None:
        self._application = application
        origins = [origin for origin in map(origin_of, pages) if origin]
        self._origins = frozenset(origins)
        self._hosts = frozenset([*LOCAL_HOSTS, *map(host_of, origins)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] in ("http", "websocket")
        reason = self.find_fault(scope["headers"]) if asked else ""
        if reason:
            await REFUSE[scope["type"]](reason, receive, send)
        else:
            await self._application(scope, receive, send)

    def find_fault(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Why a request with these headers is refused; "" if it is not."""
        pairs = [(name.lower(), value.decode("latin-1").lower()) for name, value in headers]
        hosts = [value for name, value in pairs if name == b"host"]
        if len(hosts) != 1 or host_of(f"//{hosts[0]}") not in self._hosts:
            return "unknown host: set PREFECT_SERVER_UI_API_URL to the address of the server"
        for origin in (value for name, value in pairs if name == b"origin"):
            if origin not in self._origins and origin.partition("://")[2] != hosts[0]:
                return "requests from other web pages are refused"
        return ""


async def _refuse_http(reason: str, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})


async def _refuse_websocket(reason: str, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})


REFUSE = {"http": _refuse_http, "websocket": _refuse_websocket}


def host_of(address: str) -> str:
    """The host in an address, lower case and without its port; "" if there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def origin_of(address: str) -> str:
    """The scheme, host and port of an address, as in the header Origin; "" if it has no host."""
    address = address.strip().lower()
    return "://".join(urlsplit(address)[:2]) if host_of(address) else ""


def make_app() -> Application:
    """Prefect's server as an ASGI application, behind the guard."""
    from prefect.server.api.server import create_app  # takes seconds

    pages = [os.environ.get(name, "") for name in UI_ADDRESSES]
    return Guard(create_app(final=True), [*pages, *os.environ.get(PAGES, "").split(",")])
