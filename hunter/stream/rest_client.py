"""One REST request, blocking; called on a worker thread only."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Final, NamedTuple

from hunter.clock import SystemClock
from hunter.stream.proxy import find_proxy
from hunter.stream.tls import client_context

TIMEOUT_S: Final = 4.0
WHOLE_TIMEOUT_S: Final = 8.0
READ_BYTES: Final = 64 << 10
BODY_BYTES_MAX: Final = 8 << 20
# overview-demo-trading-services: says that the demo market is meant.
SIMULATED_HEADER: Final = {"x-simulated-trading": "1"}


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A redirect is the answer, and no reason to ask another host: OKX's REST has none, but who
    stands between may."""

    def redirect_request(self, *_: object) -> None:
        return None


class HttpAnswer(NamedTuple):
    """HTTP status and body; a status that is not 200 is an answer too."""

    status: int
    body: bytes


def get(base_url: str, path: str, proxy: str = "", simulated: bool = False) -> HttpAnswer:
    """Fetch `base_url + path`. Raises OSError when no whole answer comes in time.

    `proxy` as in `okx.proxy`; `simulated`: ask for the demo market.
    """
    headers = {"User-Agent": "okx-hunter"} | (SIMULATED_HEADER if simulated else {})
    request = urllib.request.Request(base_url.rstrip("/") + path, headers=headers)
    try:
        return _fetch(request, proxy)
    except http.client.HTTPException as error:
        raise OSError(f"broken HTTP answer: {error!r}") from error


def _fetch(request: urllib.request.Request, proxy: str) -> HttpAnswer:
    try:
        with _opener(request.full_url, proxy).open(request, timeout=TIMEOUT_S) as response:
            return HttpAnswer(response.status, _read(response))
    except urllib.error.HTTPError as error:
        with error:
            return HttpAnswer(error.code, _read(error))


def _read(answer: http.client.HTTPResponse | urllib.error.HTTPError) -> bytes:
    """The whole body; the socket's time-out is per read, and an answer may come by the drop."""
    end_ns = SystemClock().monotonic_ns() + int(WHOLE_TIMEOUT_S * 1e9)
    parts: list[bytes] = []
    size_bytes = 0
    while part := answer.read1(READ_BYTES):
        parts.append(part)
        size_bytes += len(part)
        if size_bytes > BODY_BYTES_MAX:
            raise OSError(f"the answer is longer than {BODY_BYTES_MAX} bytes")
        if SystemClock().monotonic_ns() > end_ns:
            raise OSError(f"no whole answer within {WHOLE_TIMEOUT_S:g} s")
    return b"".join(parts)


def _opener(url: str, proxy: str) -> urllib.request.OpenerDirector:
    """The same way as the WebSocket's; urllib must not look at the environment by itself."""
    found = find_proxy(url, proxy)
    proxies = {} if found is None else {"http": found.address, "https": found.address}
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies),
        urllib.request.HTTPSHandler(context=client_context()),
        _StayHere(),
    )
