"""One REST request, blocking; called on a worker thread only."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Final, NamedTuple

TIMEOUT_S: Final = 4.0
BODY_BYTES_MAX: Final = 8 << 20


class HttpAnswer(NamedTuple):
    """HTTP status and body; a status that is not 200 is an answer too."""

    status: int
    body: bytes


def get(base_url: str, path: str) -> HttpAnswer:
    """Fetch `base_url + path`. Raises OSError when no whole answer comes in time."""
    request = urllib.request.Request(
        base_url.rstrip("/") + path, headers={"User-Agent": "okx-hunter"}
    )
    try:
        return _fetch(request)
    except http.client.HTTPException as error:
        raise OSError(f"broken HTTP answer: {error!r}") from error


def _fetch(request: urllib.request.Request) -> HttpAnswer:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return HttpAnswer(response.status, response.read(BODY_BYTES_MAX))
    except urllib.error.HTTPError as error:
        with error:
            return HttpAnswer(error.code, error.read(BODY_BYTES_MAX))
