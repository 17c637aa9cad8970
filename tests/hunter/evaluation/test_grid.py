"""The market on a grid: what is in force at a point, by receive time."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pytest
from fakes.brain_rows import MS, START_NS, bbo, book, ticker, trade

from hunter.evaluation.grid import MarketGrid
from hunter.evaluation.rows import RecordedRow
from hunter.ring.rows import Kind, TradeFlag

KINDS = {"TradeRow": Kind.TRADE, "BboRow": Kind.BBO, "TickerRow": Kind.TICKER, "BookRow": Kind.BOOK}


def grid(*rows: Any) -> MarketGrid:
    made = MarketGrid(2_000)
    for row in rows:
        made.take(RecordedRow("BTC-USDT", KINDS[type(row).__name__], row))
    return made


def at(ms: int) -> int:
    """Receive time: the fake rows come 3 ms after their stamps."""
    return START_NS + ms * MS


def point(made: MarketGrid, ms: int) -> Any:
    made.add_point(at(ms))
    return made.market()


def test_point_shows_the_best_bid_and_offer() -> None:
    made = grid(book(at(0)), bbo(at(10), (100.0, 3.0), (101.0, 1.0)))
    market = point(made, 100)
    assert market.mid.tolist() == [100.5]
    assert market.queue_imbalance.tolist() == [0.5]
    assert market.spread_bp[0] == pytest.approx(1 / 100.5 * 1e4)
    assert market.times_ns.tolist() == [at(100)]
    assert made.first_ns == at(3)
    assert made.last_ns == at(13)


def test_book_is_the_quote_where_there_is_no_other_or_it_is_old() -> None:
    made = grid(book(at(0), ((99.0, 1.0),), ((100.0, 1.0),)))
    assert point(made, 50).mid[-1] == 99.5
    made.take(RecordedRow("BTC-USDT", Kind.BBO, bbo(at(60), (100.0, 1.0), (101.0, 1.0))))
    assert point(made, 100).mid[-1] == 100.5
    later = book(at(1_000), ((98.0, 1.0),), ((99.0, 1.0),))
    made.take(RecordedRow("BTC-USDT", Kind.BOOK, later))
    assert point(made, 1_100).mid[-1] == 100.5  # the better source is alive
    later = book(at(2_100), ((98.0, 1.0),), ((99.0, 1.0),))
    made.take(RecordedRow("BTC-USDT", Kind.BOOK, later))
    assert point(made, 2_200).mid[-1] == 98.5


@pytest.mark.parametrize(
    "row",
    [
        bbo(at(10), (101.0, 1.0), (100.0, 1.0)),
        bbo(at(10), (nan, 0.0), (100.0, 1.0)),
        bbo(at(10), (100.0, 1.0), (nan, 0.0)),
        book(at(10), valid=0),
        ticker(at(10)),
        trade(at(10)),
    ],
)
def test_unusable_quote_is_no_mid(row: Any) -> None:
    market = point(grid(row), 100)
    assert np.isnan([market.mid[0], market.queue_imbalance[0], market.spread_bp[0]]).all()


def test_quote_grows_stale_by_receive_time() -> None:
    """Its exchange stamp is of another clock."""
    row = bbo(at(0))._replace(exchange_ts_ns=at(-60_000))
    made = grid(row)
    assert made.is_quoted(at(2_003))
    assert not made.is_quoted(at(2_004))
    assert np.isfinite(point(made, 2_003).mid[-1])
    assert np.isnan(point(made, 2_004).mid[-1])


def test_invalid_book_takes_its_own_quote_away_and_is_a_gap() -> None:
    made = grid(book(at(0)), book(at(10), valid=0), book(at(20), valid=0))
    market = point(made, 50)
    assert np.isnan(market.mid[0])
    assert market.gaps.tolist() == [1]
    beside = grid(bbo(at(0)), book(at(5)), book(at(10), valid=0))
    assert np.isfinite(point(beside, 50).mid[0])


def test_loss_of_trades_is_a_gap_and_matches_are_counted() -> None:
    lost = trade(at(5), count=4, flags=int(TradeFlag.AFTER_LOSS))
    market = point(grid(trade(at(0), count=3), lost), 100)
    assert market.gaps.tolist() == [1]
    assert market.trades.tolist() == [7]


def test_last_move_is_of_one_source() -> None:
    made = grid(bbo(at(0)))
    assert point(made, 10).last_move[-1] == 0.0
    up, down = bbo(at(20), (100.5, 2.0), (101.0, 2.0)), bbo(at(40), (100.0, 2.0), (100.5, 2.0))
    for row, expected in ((up, 1.0), (down, -1.0), (down, -1.0)):
        made.take(RecordedRow("BTC-USDT", Kind.BBO, row))
        assert point(made, 50).last_move[-1] == expected
    other = book(at(5_000), ((110.0, 1.0),), ((111.0, 1.0),))
    made.take(RecordedRow("BTC-USDT", Kind.BOOK, other))
    assert point(made, 5_100).last_move[-1] == -1.0


def test_empty_side_of_a_valid_book_is_no_quote() -> None:
    assert np.isnan(point(grid(book(at(0), bids=())), 10).mid[0])


def test_columns_have_one_shape() -> None:
    made = grid(bbo(at(0)))
    for ms in range(0, 500, 100):
        made.add_point(at(ms))
    assert {column.shape for column in made.market()} == {(5,)}
