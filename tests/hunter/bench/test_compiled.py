from __future__ import annotations

from pathlib import Path

import pytest
from fakes.twins import needs_kernel

from hunter.bench import compiled, stages
from hunter.bench.compiled import PASSES, CompiledPass
from hunter.bench.traffic import Traffic, TrafficPlan
from hunter.errors import HunterError
from hunter.simulator.frames import wire_text

pytestmark = needs_kernel
NAME = "BTC-USDT-SWAP"


def sent(count: int) -> stages.Bytes:
    traffic = Traffic(TrafficPlan("mix", count))
    data = bytes(traffic.stream_of([0], 1_790_000_000_000).data)
    hello = traffic.hello(NAME, "books", 1_790_000_000_000)
    return stages.Bytes(data, stages._payloads(hello)[0], count)


def test_every_pass_brings_all_messages_to_its_stage(tmp_path: Path) -> None:
    given = sent(300)
    rows, _ = stages._decoding(given, 1)
    with stages._ring(tmp_path, 300) as (writer, reader):
        for stage in PASSES:
            one = CompiledPass(given.data, rows.books[0], writer, NAME)
            assert one.go(stage, 4 << 10) == 300
        read = reader.poll()
    assert len(read) == 300
    # the book is what the twin makes of the same updates
    last = next(row for kind, row in reversed(read) if kind is stages.Kind.BOOK)
    bids, asks = rows.tops[-1]
    assert list(last[9 : 9 + len(bids)]) == bids
    assert list(last[49 : 49 + len(asks)]) == asks


def test_message_that_the_fast_path_declines_is_an_error(tmp_path: Path) -> None:
    given = sent(50)
    rows, _ = stages._decoding(given, 1)
    odd = wire_text(b'{"event":"error"}')
    with stages._ring(tmp_path, 300) as (writer, _):
        one = CompiledPass(odd + given.data, rows.books[0], writer, NAME)
        assert one.go("frame", 4 << 10) == 51
        with pytest.raises(HunterError, match="declined"):
            one.go("ring write", 4 << 10)


def test_passes_are_in_the_order_of_the_data_path() -> None:
    assert compiled.PASSES == ("frame", "decode", "book upkeep", "ring write")
