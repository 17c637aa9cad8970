"""Bars of the ring's trades, as users' Python has them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.actor_stage import SWAP, Stage

from hunter.access import Instance, bar_trades
from hunter.errors import NotFound
from hunter.market.bars import BarTrade, TradeBar
from hunter.market.contract import Contract, SizeUnit
from hunter.ring.rows import Kind, TradeFlag
from hunter.ring.writer import RingWriter

S = 1_000_000_000
NOW = 1_790_000_000 * S - 1_790_000_000 * S % (60 * S)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    made.make_rings()
    yield made
    made.close()


def put_trades(writer: RingWriter, seconds: int) -> None:
    for number in range(1, seconds + 1):
        at_ns = NOW + number * S
        writer.put_trade(0, at_ns, (number, at_ns, 100.0 + number, 0.5, 1, -1), 0)
    writer.publish()


def test_bars_are_a_private_array_with_named_fields(instance: Instance, writer: RingWriter) -> None:
    put_trades(writer, 130)
    bars = instance.bars(SWAP, "1m")
    assert bars.dtype.names == (*TradeBar._fields, "complete")
    assert bars["open_ts_ns"].tolist() == [NOW, NOW + 60 * S, NOW + 120 * S]
    assert bars["complete"].tolist() == [False, True, False]
    assert bars["matches"].tolist() == [59, 60, 11]
    assert bars["cvd"].tolist() == [-29.5, -30.0, -5.5]
    assert str(bars["volume_quote"][0]) == "nan"
    bars["close"] = 0.0
    assert instance.bars(SWAP, "1m")["close"].tolist() == [159.0, 219.0, 230.0]
    assert instance.bars(SWAP, "1h").shape == (1,)


def test_contract_is_what_the_newest_row_says(instance: Instance, writer: RingWriter) -> None:
    assert instance.contract(SWAP) == Contract(SizeUnit.LINEAR, None)
    for value in (0.1, 0.01):
        facts = (0.1, 0.01, 0.01, value, 1.0, 5, 0, 1, 1, b"BTC")
        writer.put(0, Kind.INSTRUMENT, NOW, 0, facts)
    writer.publish()
    assert instance.contract(SWAP) == Contract(SizeUnit.LINEAR, 0.01)
    put_trades(writer, 2)
    (bar,) = instance.trade_bars(SWAP, "5m")
    assert bar.volume_base == 0.01
    assert bar.volume_quote == pytest.approx(1.015)


def test_no_such_bar_or_no_such_instrument(instance: Instance) -> None:
    with pytest.raises(NotFound, match='no bar "2m"; there are 1s, 1m, 5m, 15m, 1h'):
        instance.bars(SWAP, "2m")
    with pytest.raises(NotFound, match="XRP-USDT"):
        instance.bars("XRP-USDT", "1m")
    assert instance.bars(SWAP, "1m").shape == (0,)


def test_row_of_the_lane_says_whether_matches_before_it_are_lost() -> None:
    row = (7, 8, 30, 11, 12, 100.0, 2.5, 3, -1, int(TradeFlag.AFTER_LOSS | TradeFlag.BACKFILL), 9)
    assert list(bar_trades([row])) == [BarTrade(30, 3, 11, 12, 100.0, 2.5, -1, after_loss=True)]
    (plain,) = bar_trades([(*row[:9], int(TradeFlag.BACKFILL), 9)])
    assert not plain.after_loss
