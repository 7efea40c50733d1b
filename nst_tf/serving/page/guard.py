"""Which requests the server answers: those of its own page, and those of programs; never those of other sites.

A page elsewhere can make a browser send requests to a server on the visitor's own machine. The browser says so in the
header Origin or Sec-Fetch-Site. By DNS rebinding such a page gives the server's address a name of its own, which is
then in the header Host. So both headers are checked. Nothing else identifies a visitor by itself: there are no cookies,
and a visit's address holds a secret.
"""

import ipaddress
import socket
import urllib.parse
from collections.abc import Mapping
from typing import Any

from nst_tf import configs

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_LOCAL_NAMES = ("localhost",)


def refusal(method: str, headers: Mapping[str, str], config: configs.AppConfig) -> str | None:
    """Why a request is refused, or None where it is answered.

    Args:
        method: of HTTP.
        headers: with names in small letters.
        config: host and allowed_origins.
    """
    host = headers.get("host", "")
    if not _is_own_host(host, config):
        return (
            f"the header Host must name this server. Received: {host[:100]!r}. Start it with --allowed_origins and the "
            "address of the page, such as https://art.example.org."
        )
    origin = headers.get("origin")
    if origin is not None and not _is_own_origin(origin, host, config):
        return f"requests must come from the server's own page. Received: one of a page at {origin[:100]!r}."
    site = headers.get("sec-fetch-site", "none")
    is_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    if origin is None and site not in ("same-origin", "none") and not is_link:
        return f"requests must come from the server's own page. Received: one of another page ({site[:20]})."
    return None


def _is_own_host(host: str, config: configs.AppConfig) -> bool:
    """Whether a Host is this server: by a name that no stranger can point at it."""
    name = _host_name(host)
    if not name:
        return False
    if name in _LOCAL_NAMES or name in {_host_name(origin.partition("://")[2]) for origin in config.allowed_origins}:
        return True
    address = _address(name)
    if _is_loopback(config.host):
        return address is not None and address.is_loopback
    return address is not None or name in {config.host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}


def _is_own_origin(origin: str, host: str, config: configs.AppConfig) -> bool:
    if origin in config.allowed_origins:
        return True
    scheme, _, rest = origin.partition("://")
    return scheme in ("http", "https") and rest.lower() == host.lower()


def _host_name(host: str) -> str:
    """The name in a Host, without its port; "" where it is none."""
    try:
        return urllib.parse.urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host in _LOCAL_NAMES or (address is not None and address.is_loopback)


def exposes(config: configs.AppConfig) -> bool:
    """Whether the server can be reached from other machines."""
    return not _is_loopback(config.host)


class Guard:
    """ASGI middleware: refuses, takes the root path off, and adds the headers that keep other sites out."""

    def __init__(self, app: Any, config: configs.AppConfig) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request, as ASGI calls it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in own if pair[0] not in given)]
            await send(message)

        reason = refusal(scope["method"], headers, self._config)
        if reason:
            await _plain(send_with_headers, 403, reason)
            return
        root = self._config.root_path
        path = scope["path"]
        if root and path == root:
            await _redirect(send_with_headers, f"{root}/")
            return
        if root and path.startswith(f"{root}/"):  # a proxy may take it off or not
            scope = dict(scope, path=path.removeprefix(root), raw_path=None)
        await self._app(scope, receive, send_with_headers)


async def _plain(send: Any, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode("utf-8", "replace")})


async def _redirect(send: Any, target: str) -> None:
    await send({"type": "http.response.start", "status": 307, "headers": [(b"location", target.encode())]})
    await send({"type": "http.response.body", "body": b""})
