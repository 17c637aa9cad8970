"""Cutting plain frames, against the library's own frames, whole and in any pieces; both halves."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.websocket_peer import frame
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from hunter.stream import frames
from hunter.stream.frames import READ_BYTES, Inflow, is_plain, length_of

HALVES = [frames._split] if frames.split is frames._split else [frames._split, frames.split]
MAX = 100_000


@pytest.fixture(params=HALVES)
def split(request: pytest.FixtureRequest) -> Any:
    return request.param


def cut(split: Any, data: bytes, length_max: int = MAX) -> tuple[int, list[bytes]]:
    payloads: list[bytes] = []
    buffer = bytearray(
        b"\x81\x01" + data + b"\x81\x00\x81\x00"
    )  # what lies around is not looked at
    return split(buffer, 2, 2 + len(data), length_max, payloads) - 2, payloads


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, MAX])
def test_plain_frame_of_any_length_is_cut(split: Any, length: int) -> None:
    payload = b"x" * length
    wire = frame(payload)
    assert cut(split, wire * 2) == (2 * len(wire), [payload, payload])
    assert cut(split, wire[:-1]) == (0, [])
    assert length_of(bytearray(wire), 0, len(wire)) == len(wire)
    assert is_plain(bytearray(wire), 0, MAX, len(wire))


@pytest.mark.parametrize(
    "wire",
    [
        frame(b"x", Opcode.BINARY),
        frame(b"x", Opcode.PING),
        frame(b"x", Opcode.CONT),
        frame(b"x", fin=False),
        frame(b"x" * (MAX + 1)),
        b"\x91\x01x",
        b"\xc1\x01x",
        b"\x81\x81\0\0\0\0x",
        b"\x81\x7e\x00\x01x",
        b"\x81\x7f\0\0\0\0\0\0\0\x01x",
        b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
)
def test_anything_else_is_left_where_it_is(split: Any, wire: bytes) -> None:
    before = frame(b"before")
    assert cut(split, before + wire + before) == (len(before), [b"before"])
    length = length_of(bytearray(wire), 0, len(wire))
    assert length is not None
    assert not is_plain(bytearray(wire), 0, MAX, length)


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=6), odd=st.binary(max_size=30),
    end=st.integers(0, 2_000),
)  # fmt: skip
def test_both_halves_cut_alike(payloads: list[bytes], odd: bytes, end: int) -> None:
    wire = b"".join(frame(payload) for payload in payloads) + odd
    wire = wire[: min(end, len(wire))]
    results = [cut(half, wire, 200) for half in HALVES]
    assert results[0] == results[-1]
    at, found = results[0]
    assert found == payloads[: len(found)] or at > len(wire) - len(odd)


def test_length_is_unknown_while_the_header_is_not_whole() -> None:
    for wire in (frame(b"x" * 200), frame(b"x" * 70_000)):
        header = 4 if len(wire) < 65_536 else 10
        for end in range(header):
            assert length_of(bytearray(wire), 0, end) is None
        assert length_of(bytearray(wire), 0, header) == len(wire)


def test_inflow_keeps_the_beginning_of_a_frame_and_grows_for_a_long_one() -> None:
    inflow = Inflow()
    room_bytes = len(inflow.data)
    came = bytearray()
    for number in range(20):
        room = inflow.room()
        assert len(room) == READ_BYTES
        chunk = bytes([number]) * READ_BYTES
        room[:] = chunk
        inflow.end += READ_BYTES
        came += chunk
        if number == 0:
            assert inflow.take(10) == chunk[:10]
            del came[:10]
        assert inflow.data[inflow.start : inflow.end] == came
    assert inflow.take(inflow.end) == came
    inflow.room()
    assert (inflow.start, inflow.end, len(inflow.data)) == (0, 0, room_bytes)
