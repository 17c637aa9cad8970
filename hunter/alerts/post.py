"""One HTTP POST of JSON, for who has a secret in the address: nothing here tells the address.

Certificates are verified; redirects are not followed, for they would carry the message, and perhaps
the secret, elsewhere; proxies come from the environment. Every wait has a limit. Errors are words
that name what went wrong and never what was asked for. Blocks: for the sender's thread and the
command line.
"""

from __future__ import annotations

import base64
import ssl
from http.client import HTTPException, HTTPMessage
from typing import Final, NamedTuple
from urllib.error import URLError
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from hunter.errors import ConfigError, HunterError

TIMEOUT_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 16_384


class PostError(HunterError):
    """It could not be delivered, nobody knows whether it arrived."""


class PostAnswer(NamedTuple):
    status: int
    body: bytes
    retry_after_s: float


def check_address(url: str, what: str) -> str:
    """The address itself; ConfigError, without it, when it is none for a POST."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"{what}: the secret is no address that begins with https:// or http://")
    return url


def post_json(url: str, body: bytes, timeout_s: float = TIMEOUT_S) -> PostAnswer:
    """Send `body`; whatever status comes back is an answer. Raises PostError."""
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json", "User-Agent": "hunter"}
    if parts.username is not None:
        headers["Authorization"] = _basic(parts)
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    opener = OpenerDirector()
    # No handler of errors or redirects: each answer is looked at by who asked.
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(context=ssl.create_default_context()),
        UnknownHandler(),
    ):
        opener.add_handler(handler)
    request = Request(urlunsplit(parts), data=body, headers=headers, method="POST")
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            raw = answer.read(ANSWER_BYTES_MAX)
            return PostAnswer(answer.status, raw, _retry_after_s(answer.headers))
    except (OSError, HTTPException, ValueError) as error:
        raise PostError(_why(error, timeout_s)) from None  # the cause may name the address


def _basic(parts: SplitResult) -> str:
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _retry_after_s(headers: HTTPMessage) -> float:
    text = headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _why(error: Exception, timeout_s: float) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {reason.verify_message}"
    if isinstance(reason, TimeoutError):
        return f"no answer within {timeout_s:.0f} s"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return f"no HTTP answer ({type(reason).__name__})"
