"""Recordings: a right book is never called broken, one with a ghost level is within seconds.

The quotes and books of these files come from two streams of another exchange under ids of our own,
so that a few per cent of the pairs differ though both are right: what the rule must bear.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from hunter.exchange.okx.crosscheck import CrossCheck
from hunter.exchange.okx.messages import Envelope
from hunter.exchange.okx.orderbook import OrderBook
from hunter.exchange.okx.parse import parse_bbo, parse_books
from hunter.exchange.okx.rows import Bbo, BookAction, BookUpdate

Frames = Callable[[str], list[bytes]]


def quotes_and_books(frames: list[bytes]) -> list[Bbo | BookUpdate]:
    found: list[Bbo | BookUpdate] = []
    for frame in frames:
        envelope = msgspec.json.decode(frame, type=Envelope)
        assert envelope.arg is not None
        if envelope.arg.channel == "bbo-tbt":
            found += parse_bbo(envelope.data)
        elif envelope.arg.channel == "books":
            found += parse_books(envelope.data, envelope.action)
    return found


def feed(check: CrossCheck, book: OrderBook, row: Bbo | BookUpdate) -> None:
    if isinstance(row, Bbo):
        check.on_quote(row.seq_id, row.bid, row.bid_size, row.ask, row.ask_size)
    else:
        book.apply(row)
        check.on_book(book)


@pytest.mark.parametrize(
    ("name", "compared", "mismatches"),
    [
        ("okx-framed-binance/BTC-USDT-SWAP", 1_231, 49),
        ("okx-framed-binance/BTC-USDT", 637, 0),
        ("okx-framed-binance-dev/BTC-USDT-SWAP-20240719", 1_334, 16),
    ],
)
def test_right_book_is_never_broken(
    captured_frames: Frames, name: str, compared: int, mismatches: int
) -> None:
    check, book = CrossCheck(), OrderBook()
    for row in quotes_and_books(captured_frames(f"{name}.jsonl.gz")):
        feed(check, book, row)
        assert not check.broken
    assert (check.compared_count, check.mismatch_count) == (compared, mismatches)


def test_deletion_that_never_came_is_found(captured_frames: Frames) -> None:
    check, book = CrossCheck(), OrderBook()
    rows = quotes_and_books(captured_frames("okx-framed-binance/BTC-USDT-SWAP.jsonl.gz"))
    lost_ns = 0
    for row in rows:
        if not lost_ns and isinstance(row, BookUpdate) and row.action is BookAction.UPDATE:
            kept = [level for level in row.bids if level.size or level.price != book.best_bid]
            if len(kept) < len(row.bids) and book.seq_id > 1_010_000:
                lost_ns = row.exchange_ts_ns
                row = msgspec.structs.replace(row, bids=kept)
        feed(check, book, row)
        if check.broken:
            assert lost_ns
            assert row.exchange_ts_ns - lost_ns < 3_000_000_000
            return
    raise AssertionError("the ghost level was not found")
