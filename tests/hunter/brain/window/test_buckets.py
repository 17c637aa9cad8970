from __future__ import annotations

from math import isnan, nan

import pytest
from fakes.brain_rows import MS, START_NS

from hunter.brain.window.buckets import BUCKETS, BUCKETS_LEAST, VolumeBuckets

SECOND = 1_000 * MS


def traded(seconds: int, *, buys: int = 1, sells: int = 0) -> VolumeBuckets:
    """So many matches of size 1 in each second."""
    buckets = VolumeBuckets()
    for i in range(seconds):
        for side, count in ((1, buys), (-1, sells)):
            for _ in range(count):
                buckets.add(START_NS + i * SECOND, 1.0, side)
    return buckets


def full(buckets: VolumeBuckets) -> int:
    return buckets.state()[4]  # type: ignore[return-value]


def test_one_sided_volume_is_all_imbalance_and_a_balanced_one_none() -> None:
    assert traded(200).read() == 1.0
    assert traded(200, buys=0, sells=3).read() == 1.0
    assert traded(400, buys=5, sells=5).read() < 0.1
    assert traded(400, buys=3, sells=1).read() == pytest.approx(0.5, abs=0.1)


def test_bucket_holds_five_seconds_of_volume() -> None:
    assert full(traded(10)) == 0
    assert full(traded(300)) == pytest.approx((300 - 10) / 5, abs=3)
    # four times the volume makes four times the bucket
    assert full(traded(300, buys=4)) == full(traded(300))


def test_few_buckets_say_nothing() -> None:
    buckets = traded(10)
    second = 10
    while full(buckets) < BUCKETS_LEAST:
        assert isnan(buckets.read())
        buckets.add(START_NS + second * SECOND, 1.0, 1)
        second += 1
    assert buckets.read() == 1.0


def test_match_that_fills_a_bucket_goes_on_in_the_next() -> None:
    buckets = traded(200)
    before, room = full(buckets), buckets.state()[0] - buckets.state()[1]
    buckets.add(START_NS + 200 * SECOND, room + 1.0, -1)
    assert full(buckets) == before + 1
    assert buckets.state()[1:3] == (1.0, -1.0)
    assert buckets.read() < 1.0


def test_enormous_match_counts_in_the_rate_first_and_so_fills_few_buckets() -> None:
    buckets = traded(200, buys=1, sells=1)
    before = full(buckets)
    buckets.add(START_NS + 200 * SECOND, 1e12, 1)
    assert before + 10 < full(buckets) < before + 20 < before + BUCKETS
    assert buckets.read() == pytest.approx(1.0)
    buckets.add(START_NS + 201 * SECOND, 1.0, 1)
    assert 0.0 <= buckets.read() <= 1.0


def test_state_continues_and_a_place_outside_the_ring_is_refused() -> None:
    first, straight, other = traded(150), traded(150), VolumeBuckets()
    for part, same in zip(other.parts(), first.parts(), strict=True):
        assert len(same.state()) == len(same.FORMAT)
        part.load(same.state())
    for i in range(150, 400):
        for each in (other, straight):
            each.add(START_NS + i * SECOND, 1.5, -1 if i % 3 else 1)
    assert other.state() == straight.state()
    assert other.read() == straight.read() != nan
    state = list(straight.state())
    for place, wrong in ((3, BUCKETS), (3, -1), (4, -1)):
        with pytest.raises(ValueError, match="in a ring of 50"):
            VolumeBuckets().load((*state[:place], wrong, *state[place + 1 :]))
