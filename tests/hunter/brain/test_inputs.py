from __future__ import annotations

import struct

from hunter.brain.inputs import BookRow, TickerRow, TradeRow, book_row, ticker_row
from hunter.ring.rows import BOOK_LEVELS, STRUCTS, Kind


def test_trade_row_has_the_fields_of_the_ring_in_order() -> None:
    values = (1, 2, 3, 4, 5, 6.0, 7.0, 8, -1, 1, 9)
    packed = STRUCTS[Kind.TRADE].pack(*values)
    row = TradeRow._make(STRUCTS[Kind.TRADE].unpack(packed))
    assert (row.trade_id, row.count, row.side, row.check) == (3, 8, -1, 9)


def test_ticker_row_drops_the_statistics_of_the_day() -> None:
    raw = STRUCTS[Kind.TICKER].unpack(
        STRUCTS[Kind.TICKER].pack(1, 2, 3, 4, *map(float, range(11)), 5, 6)
    )
    row = ticker_row(raw)
    assert row == TickerRow(1, 2, 3, 4, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5, 6)


def test_book_row_parts_bids_from_asks() -> None:
    sides = [float(i) for i in range(4 * BOOK_LEVELS)]
    packed: struct.Struct = STRUCTS[Kind.BOOK]
    row = book_row(packed.unpack(packed.pack(1, 2, 3, 4, 5, 1, 2, 1, 0, *sides, 77)))
    assert row[:8] == (1, 2, 3, 4, 5, 1, 2, 1)
    assert row.check == 77
    assert row.bids == tuple(sides[:40])
    assert row.asks == tuple(sides[40:])
    assert isinstance(row, BookRow)
    assert row.bid_levels() == [(0.0, 1.0), (2.0, 3.0)]
    assert row.ask_levels() == [(40.0, 41.0)]
