"""Who may ask the page for what. Pure; `hunter.web.gate` does what is decided here.

A browser on this very host is made to ask us by any page that it has open. So the name it asks for
has to be ours (a foreign name that resolves to 127.0.0.1 is not), and the page that makes it ask
has to be ours too. Who comes from elsewhere, or through a proxy, has to know the token: nothing
about the network says who that is. A token is never taken from an address, which gets into logs.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Final, NamedTuple

LOGIN_PATH: Final = "/login"
_FREE_PATHS: Final = frozenset(("/healthz", LOGIN_PATH))
_LOCAL_NAMES: Final = frozenset(("localhost", "127.0.0.1", "[::1]"))
_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
_ORIGIN: Final = re.compile(r"(https?)://(.+)")
_SCHEME_PORTS: Final = {"http": 80, "https": 443}
# Says that somebody else asked whoever asks us.
_FORWARDED: Final = re.compile(r"forwarded|via|x-real-ip|x-client-ip|x-forwarded-.+")
# How an address of version 4 is written on a socket that takes both versions.
_MAPPED: Final = "::ffff:"
_LOCAL_ADDRESS: Final = re.compile(r"127\.[0-9.]+|localhost|\[::1\]")


class Asked(NamedTuple):
    """A request as the guard sees it. `headers`: lower-case names, all values of each."""

    path: str
    method: str
    headers: Mapping[str, list[str]]
    local_host: str = ""
    """The address of this host that the connection came to."""
    is_websocket: bool = False


class Refusal(NamedTuple):
    """`status` is that of HTTP; 303 sends a browser to the login."""

    status: int
    text: str


class Authority(NamedTuple):
    """A name or address (in brackets if of version 6), lower case, and the port behind it."""

    host: str
    port: int


class Guard:
    """`host` and `port` are where we listen."""

    def __init__(self, host: str, port: int, allowed_hosts: Iterable[str], token: str) -> None:
        self.port = port
        self._token = token.encode()
        # Not the token itself: what it may be made of would have to be quoted in a cookie, and
        # whoever reads a browser's jar has no more than that browser's access.
        self.cookie_value = hmac.digest(self._token, b"hunter page cookie", "sha256").hex()
        own = bracketed(host)
        self.always_asks = _LOCAL_ADDRESS.fullmatch(own) is None
        """Whether the token is asked of everybody: who comes may be from anywhere."""
        self._own = _LOCAL_NAMES if is_wildcard(host) else _LOCAL_NAMES | {own}
        self._allowed = frozenset(map(bracketed, allowed_hosts))

    @property
    def cookie_name(self) -> str:
        """With the port: browsers keep one jar for all ports of a host."""
        return f"hunter-{self.port}"

    def refusal(self, asked: Asked) -> Refusal | None:
        """Why this is not answered; None if it is."""
        hosts, origins = asked.headers.get("host", []), asked.headers.get("origin", [])
        host = authority(hosts[0], 80) if len(hosts) == 1 else None
        if host is None or not self._is_ours(host, asked.local_host):
            return Refusal(421, "not a host name of this page; see [web] allowed_hosts\n")
        is_ours = not origins or (len(origins) == 1 and self._is_our_page(origins[0], host, asked))
        if not is_ours or _is_embedded_elsewhere(asked):
            return Refusal(403, "another site's page may not ask\n")
        methods = ("GET", "HEAD", "POST") if asked.path == LOGIN_PATH else ("GET", "HEAD")
        if not asked.is_websocket and asked.method not in methods:
            return Refusal(405, "this page is only to be looked at\n")
        if asked.path in _FREE_PATHS or not self._asks_for_token(asked, host):
            return None
        if self.knows_token(asked):
            return None
        if asked.path == "/" and not asked.is_websocket and "text/html" in _first(asked, "accept"):
            return Refusal(303, "")
        return Refusal(401, "needs the token: Authorization: Bearer TOKEN\n")

    def knows_token(self, asked: Asked) -> bool:
        """Whether the token comes with the request."""
        scheme, _, bearer = _first(asked, "authorization").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(bearer.strip()):
            return True
        wanted = self.cookie_value.encode()
        return any(hmac.compare_digest(each.encode(), wanted) for each in self._cookies(asked))

    def is_token(self, text: str) -> bool:
        """Takes as long for a wrong one that is nearly right."""
        return hmac.compare_digest(text.encode(), self._token)

    def _cookies(self, asked: Asked) -> Iterable[str]:
        for header in asked.headers.get("cookie", []):
            for part in header.split(";"):
                name, _, value = part.strip().partition("=")
                if name == self.cookie_name:
                    yield value

    def _asks_for_token(self, asked: Asked, host: Authority) -> bool:
        if self.always_asks or any(map(_FORWARDED.fullmatch, asked.headers)):
            return True
        return not self._is_own(host, asked.local_host)

    def _is_ours(self, host: Authority, local_host: str) -> bool:
        return self._is_own(host, local_host) or host.host in self._allowed

    def _is_own(self, host: Authority, local_host: str) -> bool:
        """Own address, own port. An address cannot be made to mean us by a foreign name server."""
        own = self._own | {bracketed(local_host.removeprefix(_MAPPED))}
        return host.port == self.port and host.host in own

    def _is_our_page(self, origin: str, host: Authority, asked: Asked) -> bool:
        found = _ORIGIN.fullmatch(origin.lower())
        page = authority(found[2], _SCHEME_PORTS[found[1]]) if found else None
        if found is None or page is None:
            return False
        if self._is_own(page, asked.local_host):
            return True
        # Another service on another port of an allowed name is another site.
        return page.host in self._allowed and page.port in (_SCHEME_PORTS[found[1]], host.port)


def _is_embedded_elsewhere(asked: Asked) -> bool:
    """Whether another site's page loads this as a picture, a script or the like: then a browser
    tells no origin. Who follows a link from there, or types the address, goes somewhere.
    """
    is_foreign = _first(asked, "sec-fetch-site") in ("cross-site", "same-site")
    return is_foreign and _first(asked, "sec-fetch-mode") == "no-cors"


def authority(text: str, default_port: int) -> Authority | None:
    """`host:port` taken apart; None if it is none."""
    found = _AUTHORITY.fullmatch(text.lower())
    if found is None:
        return None
    return Authority(found[1], int(found[2]) if found[2] else default_port)


def bracketed(host: str) -> str:
    """A host as it stands in an address of the web."""
    host = host.lower()
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def is_wildcard(host: str) -> bool:
    """Whether it stands for all addresses of this host, and is none that one can ask for."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _first(asked: Asked, name: str) -> str:
    return next(iter(asked.headers.get(name, [])), "")
