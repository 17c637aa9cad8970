"""The header of a WebSocket frame, byte by byte (RFC 6455, 5.2)."""

from __future__ import annotations

import pytest
from fakes.twins import needs_kernel

from hunter.native import kernel

pytestmark = needs_kernel
PLAIN, INCOMPLETE, OTHER = range(3)
LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000]


def framed(length: int) -> bytes:
    if length < 126:
        head = bytes((0x81, length))
    elif length < 65_536:
        head = b"\x81\x7e" + length.to_bytes(2, "big")
    else:
        head = b"\x81\x7f" + length.to_bytes(8, "big")
    return head + b"x" * length


@pytest.mark.parametrize("length", LENGTHS)
def test_frame_is_taken_and_the_next_one_found(length: int) -> None:
    assert kernel is not None
    frame = framed(length)
    found = kernel.frame(b"--" + frame + b"\x81", 2, 100_000)
    assert found == (PLAIN, b"x" * length, 2 + len(frame))


@pytest.mark.parametrize("length", LENGTHS)
def test_every_part_of_a_frame_is_incomplete(length: int) -> None:
    assert kernel is not None
    frame = framed(length)
    for cut in {*range(min(len(frame), 12)), len(frame) - 1}:
        assert kernel.frame(frame[:cut], 0, 100_000) == (INCOMPLETE, None, None)


@pytest.mark.parametrize(
    "first", [0x01, 0x80, 0x82, 0x88, 0x89, 0x8A, 0x8B, 0xC1, 0xA1, 0x91, 0x00, 0xFF]
)
def test_what_is_no_final_text_frame_is_other_at_its_first_byte(first: int) -> None:
    assert kernel is not None
    assert kernel.frame(bytes((first,)), 0, 100) == (OTHER, None, None)
    assert kernel.frame(bytes((first, 2)) + b"hi", 0, 100) == (OTHER, None, None)


@pytest.mark.parametrize(
    "head",
    [
        b"\x81\x82",  # masked
        b"\x81\xfe",
        b"\x81\x7e\x00\x7d",  # not the shortest form of the length
        b"\x81\x7f" + (65_535).to_bytes(8, "big"),
        b"\x81\x7f" + (1 << 63).to_bytes(8, "big"),
        b"\x81\x7f" + b"\xff" * 8,
    ],
)
def test_header_that_no_server_may_send_is_other(head: bytes) -> None:
    assert kernel is not None
    assert kernel.frame(head + b"x" * 200, 0, 1 << 40)[0] == OTHER


def test_frame_beyond_the_longest_is_other_before_it_has_come() -> None:
    assert kernel is not None
    assert kernel.frame(framed(300)[:4], 0, 299)[0] == OTHER
    assert kernel.frame(framed(300), 0, 300)[0] == PLAIN
    assert kernel.frame(framed(126)[:4], 0, 125)[0] == OTHER


def test_offset_out_of_range_is_an_error() -> None:
    assert kernel is not None
    for offset in (-1, 3):
        with pytest.raises(ValueError, match="out of range"):
            kernel.frame(b"\x81\x00", offset, 10)
