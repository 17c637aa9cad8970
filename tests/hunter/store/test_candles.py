from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.ring_rows import make_ring, ring_layout
from fakes.store_stage import NOON_NS

from hunter.market.bars import BarTrade, bars_of
from hunter.market.contract import Contract, SizeUnit, contract_of
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.reader import LaneReader
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.store.candles import CandleMaker
from hunter.store.parts import Place
from hunter.store.resume import CandleStart

SWAP = "BTC-USDT-SWAP"
MINUTE_NS = 60_000_000_000
PLACE = Place(1, "0" * 16, 0)


class Facts:
    """A ring whose instrument lane can be written."""

    def __init__(self, path: Path) -> None:
        self.layout: RingLayout = ring_layout(instruments=(SWAP, "BTC-USD-SWAP"))
        make_ring(path, self.layout)
        self.writer = RingWriter(path, 1)
        self.shared = segment.attach(path)

    def reader(self, index: int = 0) -> LaneReader:
        return LaneReader(self.shared, self.layout, index, Kind.INSTRUMENT)

    def say(self, contract_type: int, value: float, index: int = 0) -> None:
        row = (0.1, 1.0, 1.0, value, 1.0, 0, 0, contract_type, 1, b"BTC")
        self.writer.put(index, Kind.INSTRUMENT, 1, 0, row)
        self.writer.publish()


@pytest.fixture
def facts(tmp_path: Path) -> Any:
    made = Facts(tmp_path / "ring")
    yield made
    made.shared.close()
    made.writer.close()


def at_ns(n: int) -> int:
    return NOON_NS + n * MINUTE_NS // 6


def trades(first: int, last: int) -> list[BarTrade]:
    """Six a minute."""
    return [
        BarTrade(n, 1, at_ns(n), at_ns(n), 100.0 + n, 2.0, 1 - n % 2 * 2)
        for n in range(first, last + 1)
    ]


def test_bars_are_those_of_the_market_rules(facts: Facts) -> None:
    facts.say(1, 0.01)
    maker = CandleMaker(SWAP, facts.reader(), CandleStart(PLACE))
    expected = list(bars_of(trades(1, 30), 60, Contract(SizeUnit.LINEAR, 0.01)))[:-1]
    found = maker.take(trades(1, 30))
    assert len(found) == len(expected) == 5
    for one, other in zip(found, expected, strict=True):
        assert one.volume_base == pytest.approx(other.volume_base)
        assert one.volume_quote == pytest.approx(other.volume_quote)
        assert one._replace(volume_base=0, volume_quote=0) == other._replace(
            volume_base=0, volume_quote=0
        )


def test_what_nobody_has_said_is_null_until_it_is_said(facts: Facts) -> None:
    maker = CandleMaker(SWAP, facts.reader(), CandleStart(PLACE))
    (first,) = maker.take(trades(1, 6))
    assert (first.volume_base, first.volume_quote) == (None, None)
    facts.say(1, 0.01)
    (second,) = maker.take(trades(7, 12))
    assert second.volume_base == pytest.approx(0.12)
    assert first.volume == 10.0


def test_an_inverse_contract_is_worth_dollars(facts: Facts) -> None:
    facts.say(2, 100.0, index=1)
    maker = CandleMaker("BTC-USD-SWAP", facts.reader(1), CandleStart(PLACE))
    (bar,) = maker.take(trades(1, 6))
    assert bar.volume_quote == pytest.approx(1_000.0)
    assert bar.volume_base == pytest.approx(sum(200.0 / (100.0 + n) for n in range(1, 6)))


def test_an_exchange_that_contradicts_the_name_is_not_believed(facts: Facts) -> None:
    facts.say(2, 100.0)
    maker = CandleMaker(SWAP, facts.reader(), CandleStart(PLACE))
    (bar,) = maker.take(trades(1, 6))
    assert bar.volume_quote is None


@pytest.mark.parametrize("cut", [6, 8, 11, 12, 17, 18])
def test_a_store_that_goes_on_makes_the_bars_of_one_that_never_stopped(
    facts: Facts, cut: int
) -> None:
    whole = CandleMaker(SWAP, facts.reader(), CandleStart(PLACE)).take(trades(1, 30))
    before = CandleMaker(SWAP, facts.reader(), CandleStart(PLACE)).take(trades(1, cut))
    last = before[-1]
    seed = BarTrade(last.last_trade_id, 1, last.open_ts_ns, last.open_ts_ns, last.close, 0.0, 1)
    stored = tuple(trades(last.last_trade_id + 1, cut))
    after = CandleMaker(SWAP, facts.reader(), CandleStart(PLACE, seed, stored))
    found = after.take(stored) + after.take(trades(cut + 1, 30))
    running = {"cvd_running": 0.0}
    assert [bar._replace(**running) for bar in before + found] == [
        bar._replace(**running) for bar in whole
    ]
    assert all(bar.complete for bar in found)


def test_a_hole_behind_the_last_bar_is_told(facts: Facts) -> None:
    seed = BarTrade(5, 1, NOON_NS, NOON_NS, 1.0, 0.0, 1)
    maker = CandleMaker(SWAP, facts.reader(), CandleStart(PLACE, seed))
    found = maker.take(trades(8, 20))
    assert [bar.why_not for bar in found] == ["matches are missing", ""]
    assert contract_of(SWAP).value is None
