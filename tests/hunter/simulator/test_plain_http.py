"""The little of HTTP that REST needs."""

from __future__ import annotations

import pytest

from hunter.simulator.plain_http import PlainRequest, answer, parse_request


def test_request_line_and_headers_are_understood() -> None:
    head = b"POST /sim/fault?name=mute HTTP/1.1\r\nHost: x\r\nContent-Length: 12"
    assert parse_request(head) == PlainRequest("POST", "/sim/fault?name=mute", 12, False)


@pytest.mark.parametrize(
    ("head", "is_last"),
    [
        (b"GET / HTTP/1.1", False),
        (b"GET / HTTP/1.1\r\nConnection: Close", True),
        (b"GET / HTTP/1.0", True),
    ],
)
def test_connection_is_kept_unless_the_client_wants_otherwise(head: bytes, is_last: bool) -> None:
    request = parse_request(head)
    assert request is not None
    assert request.is_last is is_last


@pytest.mark.parametrize(
    "head",
    [
        b"hello",
        b"GET / SPDY/3",
        b"POST / HTTP/1.1\r\nContent-Length: 70000",
        b"POST / HTTP/1.1\r\nContent-Length: many",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked",
    ],
)
def test_what_is_not_a_small_plain_request_is_none(head: bytes) -> None:
    assert parse_request(head) is None


def test_answer_says_its_length_and_whether_it_is_the_last() -> None:
    assert answer(429, b"{}", is_last=True) == (
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
    )
    assert b"Connection: keep-alive" in answer(200, b"", is_last=False)
