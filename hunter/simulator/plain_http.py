"""The little of HTTP/1.1 that REST needs: one request head in, one answer out. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

BODY_BYTES_MAX = 65_536


class PlainRequest(NamedTuple):
    """`is_last`: the client wants the connection closed after the answer."""

    method: str
    target: str
    body_bytes: int
    is_last: bool


def parse_request(head: bytes) -> PlainRequest | None:
    """A request head without its empty line; None when it is none, or its body is too long."""
    lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines[1:])
    }
    length = headers.get("content-length", "0")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or "transfer-encoding" in headers:
        return None
    if not length.isdigit() or int(length) > BODY_BYTES_MAX:
        return None
    is_last = headers.get("connection", "").lower() == "close" or parts[2] == "HTTP/1.0"
    return PlainRequest(parts[0], parts[1], int(length), is_last)


def answer(status: int, body: bytes, is_last: bool) -> bytes:
    """A whole response with a JSON body."""
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Connection: {'close' if is_last else 'keep-alive'}\r\n\r\n"
    )
    return head.encode() + body
