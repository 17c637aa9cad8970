from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from hunter.bench import traffic
from hunter.bench.traffic import Traffic, TrafficPlan, instrument_names
from hunter.market.instrument import instrument_type

NAMES = instrument_names(12)


def cut(data: memoryview) -> list[bytes]:
    found, at, raw = [], 0, bytes(data)
    while at < len(raw):
        start = at + (4 if raw[at + 1] == 126 else 2)
        length = int.from_bytes(raw[at + 2 : at + 4], "big") if start - at == 4 else raw[at + 1]
        found.append(raw[start : start + length])
        at = start + length
    return found


def test_names_are_different_swaps_and_btc_comes_first() -> None:
    names = instrument_names(300)
    assert len(set(names)) == 300
    assert names[0] == "BTC-USDT-SWAP"
    assert {instrument_type(name).value for name in names} == {"SWAP"}
    assert instrument_names(2) == names[:2]


def test_busiest_instruments_have_ten_times_the_traffic_evenly_spread() -> None:
    order = traffic.instrument_order(12)
    assert sorted(Counter(order).values()) == [1, 1, *[10] * 10]
    places = [place for place, whose in enumerate(order) if whose == 0]
    gaps = [after - before for before, after in pairwise(places)]
    assert max(gaps) <= 20


@pytest.mark.parametrize("mix", traffic.MIXES)
def test_mix_has_its_parts_of_a_thousand(mix: str) -> None:
    assert Counter(traffic.channel_order(mix)) == traffic.MIXES[mix]


def test_messages_of_a_batch_are_due_with_its_last() -> None:
    plan = TrafficPlan("trades", 10, rate_per_s=1000, batch=4)
    assert [plan.due_ns(number) / 1e6 for number in (0, 3, 4, 8, 9)] == [3, 3, 7, 9, 9]


def test_same_plan_makes_the_same_bytes() -> None:
    plan = TrafficPlan("mix", 200, NAMES)
    streams = [Traffic(plan).stream_of(range(12), 1_790_000_000_000) for _ in range(2)]
    assert bytes(streams[0].data) == bytes(streams[1].data)


def test_streams_of_connections_hold_each_message_once_with_its_due_time() -> None:
    plan = TrafficPlan("trades", 600, NAMES, rate_per_s=1000)
    made = Traffic(plan)
    streams = [made.stream_of(mine, 1_790_000_000_000) for mine in ([0, 1], list(range(2, 12)))]
    numbers = sorted(number for stream in streams for number in stream.numbers.tolist())
    assert numbers == list(range(600))
    for stream in streams:
        payloads = cut(stream.data)
        assert len(payloads) == len(stream.numbers)
        for number, payload in zip(stream.numbers.tolist(), payloads, strict=True):
            assert b'"ts":"%d"' % (1_790_000_000_000 + number) in payload


@pytest.mark.parametrize("batch", [1, 7])
def test_slices_are_all_bytes_in_order_of_their_batches(batch: int) -> None:
    plan = TrafficPlan("mix", 100, NAMES, rate_per_s=1000, batch=batch)
    stream = Traffic(plan).stream_of([0, 3], 1_790_000_000_000)
    slices = stream.slices(batch)
    assert b"".join(data for _, data in slices) == bytes(stream.data)
    batches = [number for number, _ in slices]
    assert batches == sorted({number // batch for number in stream.numbers.tolist()})


def test_connection_without_instruments_has_nothing_to_send() -> None:
    assert Traffic(TrafficPlan("trades", 10)).stream_of([], 0).slices(1) == []


def test_hello_of_an_instrument_that_is_not_ours_is_empty() -> None:
    made = Traffic(TrafficPlan("trades", 1))
    assert made.hello("BTC-USDT", "trades", 1) == b""
    assert b'"ts":"0001790000000"' not in made.hello("BTC-USDT-SWAP", "trades", 1_790_000_000_000)


def test_one_connection_for_all_gets_what_several_get() -> None:
    plan = TrafficPlan("mix", 300, NAMES, rate_per_s=1000)
    made = Traffic(plan)
    parts = [cut(made.stream_of([place], 1_790_000_000_000).data) for place in range(12)]
    whole = cut(made.stream_of(range(12), 1_790_000_000_000).data)
    assert sorted(payload for part in parts for payload in part) == sorted(whole)
    again = made.stream_of(range(12), 1_790_000_005_000)
    assert b'"ts":"1790000005000"' in cut(again.data)[0]
