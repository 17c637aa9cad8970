"""The backlog keeps what it has room for, drops the rest with a count, and never waits."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from hunter.recorder.backlog import Backlog

NOW = 1_790_000_000_000_000_000


def drain(backlog: Backlog) -> bytes:
    found = b""
    while block := backlog.take(0):
        found += block
    return found


def test_frames_of_one_read_become_lines_byte_for_byte() -> None:
    backlog = Backlog()
    backlog.put(NOW, [b'{"a": 1}', b'{"b":"\xc3\xa4"}'])
    backlog.put(NOW + 1, [b"{}"])
    assert drain(backlog) == (
        b'1790000000000000000 {"a": 1}\n1790000000000000000 {"b":"\xc3\xa4"}\n'
        b"1790000000000000001 {}\n"
    )
    assert (backlog.frames, backlog.dropped, backlog.waiting_bytes) == (3, 0, 0)


def test_pongs_are_left_out_and_do_not_count() -> None:
    backlog = Backlog()
    backlog.put(NOW, [b"pong"])
    assert backlog.take(0) == b""
    assert (backlog.frames, backlog.dropped) == (0, 0)


def test_frame_that_is_no_line_is_dropped_alone() -> None:
    backlog = Backlog()
    backlog.put(NOW, [b"{}", b"{\n}", b"[]"])
    assert drain(backlog).count(b"\n") == 2
    assert (backlog.frames, backlog.dropped) == (2, 1)


def test_full_backlog_drops_what_comes_and_takes_again_when_there_is_room() -> None:
    backlog = Backlog(waiting_bytes_max=60)
    for _ in range(4):
        backlog.put(NOW, [b"12345", b"1"])  # 26 + 22 bytes
    assert (backlog.frames, backlog.dropped) == (2, 6)
    drain(backlog)
    backlog.put(NOW, [b"12345"])
    assert (backlog.frames, backlog.dropped) == (3, 6)


def test_end_comes_after_everything_put_before_it() -> None:
    backlog = Backlog()
    backlog.put(NOW, [b"{}"])
    backlog.close()
    assert backlog.take(0)
    assert backlog.take(0) is None


@given(st.lists(st.lists(st.binary(max_size=30), max_size=5), max_size=30))
def test_frames_written_and_dropped_are_those_put(reads: list[list[bytes]]) -> None:
    backlog = Backlog(waiting_bytes_max=200)
    found: list[bytes] = []

    def take_all() -> None:
        while (block := backlog.take(10)) is not None:
            found.extend(line for line in block.split(b"\n") if line)

    taker = threading.Thread(target=take_all)
    taker.start()
    for frames in reads:
        backlog.put(NOW, frames)
    backlog.close()
    taker.join(10)
    assert len(found) == backlog.frames
    assert backlog.frames + backlog.dropped == sum(
        frame != b"pong" for frames in reads for frame in frames
    )
    assert backlog.waiting_bytes == 0
