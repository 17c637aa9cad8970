from __future__ import annotations

import msgspec
import pytest

from hunter.exchange.okx.rows import BookLevel, Trade, TradeSource
from hunter.market.side import Side


def test_trade_is_frozen_and_from_the_feed_by_default() -> None:
    trade = Trade(5, 2, 1.0, 3.0, Side.SELL, 7)
    assert (trade.source, trade.seq_id, trade.order_source) == (TradeSource.FEED, -1, 0)
    with pytest.raises(AttributeError):
        trade.price = 2.0  # type: ignore[misc]


def test_signed_volume_is_side_times_size() -> None:
    trade = Trade(5, 2, 1.0, 3.0, Side.SELL, 7)
    assert trade.side * trade.size == -3.0


@pytest.mark.parametrize(
    "level", [b'["1"]', b'["0","1"]', b'["1","-1"]', b'{"price":"1"}', b'["nan","1"]']
)
def test_level_refuses_what_is_no_level(level: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(level, type=BookLevel, strict=False)
