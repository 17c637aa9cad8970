"""Frames of an imported market come out as the exchange would have sent them, in time order."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from hunter.exchange.okx.rows import BookLevel
from hunter.recorder.imports.market import ImportedMarket, Match, number_text

MS = 1_000_000
NAME = "BTC-USDT-SWAP"


class Sent:
    """A market and what came out of it."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, dict[str, Any]]] = []
        self.market = ImportedMarket(self._sink)

    def _sink(self, received_ns: int, frame: bytes) -> None:
        assert not self.lines or self.lines[-1][0] <= received_ns // MS
        self.lines.append((received_ns // MS, msgspec.json.decode(frame)))

    def trade(self, ms: int, match: Match, name: str = NAME) -> None:
        received_ns = self.market.advance(ms * MS)
        self.market.instrument(name).trade(received_ns, match)

    def book(self, ms: int, bid: float, size: float, name: str = NAME) -> None:
        received_ns = self.market.advance(ms * MS)
        one = self.market.instrument(name)
        one.book.replace([BookLevel(bid, size)], [BookLevel(bid + 1, 2.0)])
        one.book_changed(received_ns, ms)
        one.quote_changed(received_ns, ms, one.book.quote(), is_of_book=True)

    def rows(self, channel: str) -> list[tuple[int, dict[str, Any]]]:
        self.market.finish()
        return [(ms, f["data"][0]) for ms, f in self.lines if f["arg"]["channel"] == channel]


def match(number: int, ms: int, price: float = 10.0, side: str = "buy", size: float = 0.1) -> Match:
    return Match(number, 1, ms, price, size, side)


@pytest.mark.parametrize(
    "value", [1.0, 0.1, 61800.3, 1e-9, 123456789.123, 5e17, 1.5e-7, 240.0, 0.30000000000000004]
)
def test_numbers_are_written_plainly_and_read_back_the_same(value: float) -> None:
    text = number_text(value)
    assert float(text) == value
    assert text == text.rstrip(".")
    assert not text.endswith(".0")
    assert text.replace(".", "").isdigit()


def test_matches_of_one_taker_at_one_price_come_in_one_frame() -> None:
    sent = Sent()
    sent.trade(5, match(1, 5))
    sent.trade(5, match(2, 5, size=0.2))
    sent.trade(5, match(3, 5, price=11.0))
    sent.trade(5, match(4, 5, price=11.0, side="sell"))
    sent.trade(6, match(5, 6, price=11.0, side="sell"))
    rows = sent.rows("trades")
    told = [(ms, r["tradeId"], r["count"], r["px"], r["sz"], r["side"], r["ts"]) for ms, r in rows]
    assert told == [
        (5, "2", "2", "10", "0.3", "buy", "5"),
        (5, "3", "1", "11", "0.1", "buy", "5"),
        (5, "4", "1", "11", "0.1", "sell", "5"),
        (6, "5", "1", "11", "0.1", "sell", "6"),
    ]
    assert sent.market.instruments[NAME].matches == 5


def test_ids_after_a_hole_are_closed_up_and_counted() -> None:
    sent = Sent()
    for number in (100, 101, 105, 110):
        sent.trade(number, match(number, number))
    assert [row["tradeId"] for _, row in sent.rows("trades")] == ["100", "101", "102", "103"]
    one = sent.market.instruments[NAME]
    assert one.matches_missing == 3 + 4
    assert not one.is_next(110)
    assert one.is_next(111)


def test_paced_channels_send_the_last_state_when_its_turn_comes() -> None:
    sent = Sent()
    sent.trade(1, match(1, 1))
    for ms, bid in ((1, 100.0), (3, 101.0), (8, 102.0), (9, 103.0), (500, 104.0)):
        sent.book(ms, bid, 1.0)
    quotes = [(ms, row["bids"][0][0], row["ts"]) for ms, row in sent.rows("bbo-tbt")]
    assert quotes == [(1, "100", "1"), (11, "103", "9"), (500, "104", "500")]
    books = [(ms, row["bids"], row["ts"]) for ms, row in sent.rows("books")]
    assert books == [
        (1, [["100", "1", "0", "1"]], "1"),
        (101, [["103", "1", "0", "1"], ["100", "0", "0", "0"]], "9"),
        (500, [["104", "1", "0", "1"], ["103", "0", "0", "0"]], "500"),
    ]
    tickers = [(ms, row["bidPx"], row["last"], row["askSz"]) for ms, row in sent.rows("tickers")]
    assert tickers == [(1, "100", "10", "2"), (101, "103", "10", "2"), (500, "104", "10", "2")]


def test_sequence_ids_chain_and_quote_and_book_of_one_event_share_one() -> None:
    sent = Sent()
    dice = random.Random(1)
    for ms in range(0, 3_000, 7):
        if dice.random() < 0.5:
            sent.trade(ms, match(ms, ms))
        sent.book(ms, 100.0 + dice.randrange(3), float(dice.randrange(1, 4)))
    books = [row for _, row in sent.rows("books")]
    assert [row["prevSeqId"] for row in books] == [-1, *(row["seqId"] for row in books[:-1])]
    state: dict[str, str] = {}
    best = {}
    for row in books:
        for price, size, *_ in row["bids"]:
            state[price] = size
        state = {price: size for price, size in state.items() if size != "0"}
        best[row["seqId"]] = next(iter(state.items()))
    quotes = {r["seqId"]: tuple(r["bids"][0][:2]) for _, r in sent.rows("bbo-tbt")}
    shared = best.keys() & quotes.keys()
    assert len(shared) > 10
    assert {number: best[number] for number in shared} == {n: quotes[n] for n in shared}


def test_book_that_was_forgotten_comes_back_as_a_snapshot() -> None:
    sent = Sent()
    sent.book(0, 100.0, 1.0)
    sent.market.advance(200 * MS)
    sent.market.instrument(NAME).forget_book()
    sent.book(300, 101.0, 1.0)
    sent.market.finish()
    actions = [f.get("action") for _, f in sent.lines if f["arg"]["channel"] == "books"]
    assert actions == ["snapshot", "snapshot"]
    assert [row["prevSeqId"] for _, row in sent.rows("books")] == [-1, -1]


def test_empty_side_and_empty_book_have_no_level() -> None:
    sent = Sent()
    received_ns = sent.market.advance(MS)
    one = sent.market.instrument(NAME)
    one.quote_changed(received_ns, 1, (100.0, 1.0, 0.0, 0.0))
    ((_, row),) = sent.rows("bbo-tbt")
    assert (row["bids"], row["asks"]) == ([["100", "1", "0", "1"]], [])


def test_instruments_are_interleaved_in_time_order_and_late_events_count_as_now() -> None:
    sent, other = Sent(), "ETH-USDT"
    sent.book(10, 1.0, 1.0)
    sent.book(12, 2.0, 1.0, other)
    sent.book(14, 3.0, 1.0)
    sent.book(13, 4.0, 1.0, other)
    sent.trade(30, match(1, 30), other)
    sent.trade(31, match(7, 31))
    told = [(ms, f["arg"]["instId"]) for ms, f in sent.lines if f["arg"]["channel"] == "bbo-tbt"]
    assert told == [(10, NAME), (12, other), (20, NAME), (22, other)]
    assert sent.rows("trades")[0][0] == 30
