"""How far a pass for measurement gets, whatever the bytes are."""

from __future__ import annotations

import pytest
from fakes.twins import needs_kernel

from hunter.bench.traffic import Traffic, TrafficPlan
from hunter.native import kernel
from hunter.simulator.frames import wire_text

pytestmark = needs_kernel
NAMES = ("TO_FRAME", "TO_DECODE", "TO_BOOK")


def passed(data: bytes) -> list[int]:
    assert kernel is not None
    return [kernel.pass_to(data, getattr(kernel, name), kernel.BookState()) for name in NAMES]


@pytest.mark.parametrize("mix", ["trades", "mix", "top5", "capture"])
def test_all_ordinary_frames_get_to_every_stage(mix: str) -> None:
    data = bytes(Traffic(TrafficPlan(mix, 200)).stream_of([0], 1_790_000_000_000).data)
    assert passed(data) == [200, 200, 200]


def test_frame_that_is_no_data_gets_no_further_than_its_frame() -> None:
    data = wire_text(b'{"event":"subscribe"}') + wire_text(b"pong")
    assert passed(data) == [2, 0, 0]


def test_pass_ends_at_what_is_not_a_whole_plain_frame() -> None:
    data = bytes(Traffic(TrafficPlan("trades", 3)).stream_of([0], 1_790_000_000_000).data)
    assert passed(data[:-1]) == [2, 2, 2]
    assert passed(b"\x89\x00" + data) == [0, 0, 0]
    assert passed(b"") == [0, 0, 0]


def test_update_that_would_cross_the_book_is_not_merged() -> None:
    assert kernel is not None
    levels = b'[["2","1","0","1"]]', b'[["1","1","0","1"]]'
    crossed = wire_text(
        b'{"arg":{"channel":"books","instId":"A"},"action":"update","data":[{"bids":%s,"asks":%s,'
        b'"ts":"1790000000000","checksum":0,"seqId":2,"prevSeqId":1}]}' % levels
    )
    book = kernel.BookState()
    assert passed(crossed) == [1, 1, 0]
    assert kernel.pass_to(crossed, kernel.TO_BOOK, book) == 0
    assert book.level_counts == (0, 0)


def test_stage_that_does_not_exist_is_refused() -> None:
    assert kernel is not None
    for stage in (-1, 3):
        with pytest.raises(ValueError, match="no stage"):
            kernel.pass_to(b"", stage, kernel.BookState())
    with pytest.raises(TypeError):
        kernel.pass_to(b"", 0, None)  # type: ignore[arg-type]
