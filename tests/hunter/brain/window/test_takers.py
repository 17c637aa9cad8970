from __future__ import annotations

from math import exp, log

import pytest
from fakes.brain_rows import MS, START_NS

from hunter.brain.window.takers import TakerFlow


def test_volume_is_signed_by_the_takers_side() -> None:
    takers = TakerFlow()
    takers.add(START_NS, 3.0, 1, 1)
    takers.add(START_NS, 1.0, -1, 2)
    for signed, volume in (
        (takers.signed_volume_1s, takers.volume_1s),
        (takers.signed_volume_4s, takers.volume_4s),
        (takers.signed_volume_16s, takers.volume_16s),
    ):
        assert (signed.read(START_NS), volume.read(START_NS)) == (2.0, 4.0)
    assert takers.volume_4s.read(START_NS + 4_000 * MS) == 2.0


def test_rates_count_matches_and_intensities_orders() -> None:
    takers = TakerFlow()
    for i in range(100):
        takers.add(START_NS + i * 100 * MS, 1.0, 1 if i % 4 else -1, 3)
    now_ns = START_NS + 9_900 * MS
    assert takers.trades_5s.read(now_ns) == pytest.approx(30.0, rel=0.1)
    assert takers.trades_60s.read(now_ns) == pytest.approx(30.0, rel=0.1)
    decay = log(2.0) / 0.5
    buys, sells = (
        sum(exp(-decay * (99 - i) / 10) for i in range(100) if bool(i % 4) == bought)
        for bought in (True, False)
    )
    assert takers.buys.read(now_ns) == pytest.approx(buys)
    assert takers.sells.read(now_ns) == pytest.approx(sells)


def test_match_that_comes_late_weighs_by_its_own_age() -> None:
    takers = TakerFlow()
    takers.add(START_NS, 1.0, 1, 1)
    takers.add(START_NS - 1_000 * MS, 8.0, -1, 1)
    assert takers.signed_volume_1s.read(START_NS) == 1.0 - 4.0


def test_forgotten_flow_leaves_rates_and_buckets() -> None:
    takers = TakerFlow()
    for i in range(300):
        takers.add(START_NS + i * 1_000 * MS, 1.0, 1, 1)
    now_ns = START_NS + 299_000 * MS
    vpin, rate = takers.buckets.read(), takers.trades_5s.read(now_ns)
    takers.forget()
    sums = (takers.signed_volume_16s, takers.volume_16s, takers.buys, takers.sells)
    assert [each.read(now_ns) for each in sums] == [0.0] * 4
    assert (takers.buckets.read(), takers.trades_5s.read(now_ns)) == (vpin, rate)


def test_parts_fit_their_formats() -> None:
    for part in TakerFlow().parts():
        assert len(part.state()) == len(part.FORMAT)
