"""The way through an HTTP proxy: which one, and how to ask it for a tunnel (CONNECT). Pure.

Invariant: the password is in no representation, log or error text; only `authorization` and
`address` give it away, to the wire.
"""

from __future__ import annotations

import base64
import urllib.request
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from hunter.stream.resolver import is_loopback

ANSWER_BYTES_MAX: Final = 16 << 10
_END: Final = b"\r\n\r\n"


class ProxyError(OSError):
    """The proxy cannot be used, or does not want to."""


class Proxy:
    """An HTTP proxy."""

    def __init__(self, host: str, port: int, user: str = "", password: str = "") -> None:
        self.host = host
        self.port = port
        self.user = user
        self._password = password

    def __repr__(self) -> str:
        return f"http://{_authority(self.host, self.port)}"

    @property
    def address(self) -> str:
        """With the password, for urllib."""
        place = _authority(self.host, self.port)
        if not self.user and not self._password:
            return f"http://{place}"
        return f"http://{quote(self.user, safe='')}:{quote(self._password, safe='')}@{place}"

    @property
    def authorization(self) -> str:
        """The header's value; "" when nobody is named."""
        if not self.user and not self._password:
            return ""
        return "Basic " + base64.b64encode(f"{self.user}:{self._password}".encode()).decode()

    def request(self, host: str, port: int) -> bytes:
        """Ask for a tunnel to `host:port`."""
        place = _authority(host, port)
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", "User-Agent: okx-hunter"]
        if self.authorization:
            lines.append(f"Proxy-Authorization: {self.authorization}")
        return "\r\n".join(lines).encode() + _END


def parse_proxy(text: str) -> Proxy:
    """`http://[user:password@]host:port`; raises ProxyError, which does not repeat the text."""
    try:
        parts = urlsplit(text if "://" in text else "http://" + text)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        host, port, parts = "", 0, urlsplit("")
    if parts.scheme != "http" or not host or not port:
        raise ProxyError("the proxy is not of the form http://[user:password@]host:port")
    return Proxy(host, port, unquote(parts.username or ""), unquote(parts.password or ""))


def find_proxy(url: str, configured: str) -> Proxy | None:
    """The proxy for `url`: the configured one, else the environment's; none for a server on this
    very host, whatever they say. Raises ProxyError.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host):
        return None
    if configured:
        return parse_proxy(configured)
    if urllib.request.proxy_bypass(host):
        return None
    scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
    named = urllib.request.getproxies()
    text = named.get(scheme) or named.get("all") or ""
    return parse_proxy(text) if text else None


def tunnel_opened(answer: bytes) -> bool:
    """Whether the answer so far is complete and agrees; raises ProxyError if it does not agree."""
    head, end, rest = answer.partition(_END)
    if not end:
        if len(answer) > ANSWER_BYTES_MAX:
            raise ProxyError("the proxy's answer does not end")
        return False
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ProxyError("the proxy does not speak HTTP")
    if not words[1].startswith(b"2"):
        raise ProxyError(f"the proxy refused: HTTP {words[1].decode()}")
    if rest:
        raise ProxyError("the proxy sent more than its answer")
    return True


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
