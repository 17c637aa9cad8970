from __future__ import annotations

import json
from typing import Any

import pytest

from hunter.bench import frames
from hunter.bench.frames import STAMP, InstrumentFrames, Texts, trade_id, trade_number
from hunter.exchange.okx.orderbook import Applied, OrderBook
from hunter.exchange.okx.parse import parse_bbo, parse_books, parse_tickers, parse_trades
from hunter.simulator.frames import wire_text

NAME = "BTC-USDT-SWAP"


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts()


def payload(frame: bytes) -> bytes:
    at = {126: 4, 127: 10}.get(frame[1], 2)
    body = frame[at:]
    length = frame[1] if at == 2 else int.from_bytes(frame[2:at], "big")
    assert frame[0] == 0x81
    assert len(body) == length
    return body.replace(STAMP, b"1790000000000")


def data(frame: bytes) -> tuple[dict[str, Any], bytes]:
    message = json.loads(payload(frame))
    return message, json.dumps(message["data"]).encode()


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_header_has_the_shortest_length_that_fits(length: int) -> None:
    frame = wire_text(b"x" * length)
    assert frame.endswith(b"x" * length)
    assert len(frame) - length == (2 if length < 126 else 4 if length < 65_536 else 10)


def test_trades_follow_on_each_other_without_a_hole(texts: Texts) -> None:
    maker = InstrumentFrames(NAME, texts)
    (first,) = parse_trades(data(maker.hello("trades"))[1])
    last = first.trade_id
    for number in range(50):
        (trade,) = parse_trades(data(maker.next("trades"))[1])
        assert trade.trade_id - trade.count == last
        assert trade.trade_id == trade_id(number)
        last = trade.trade_id


def test_trade_number_is_the_reverse_of_trade_id() -> None:
    assert [trade_number(trade_id(number)) for number in range(100)] == list(range(100))
    inside = trade_id(3) - 1  # the fourth message covers two matches
    assert trade_number(inside) == -1
    assert trade_number(trade_id(-1)) == -1


def test_book_goes_round_its_pool_valid_full_and_never_crossed(texts: Texts) -> None:
    maker, book = InstrumentFrames(NAME, texts), OrderBook()
    message, raw = data(maker.hello("books"))
    assert book.apply(parse_books(raw, message["action"])[0]) is Applied.APPLIED
    deleted = 0
    for _ in range(len(texts.books) + 5):
        message, raw = data(maker.next("books"))
        (update,) = parse_books(raw, message["action"])
        assert max(len(update.bids), len(update.asks)) <= frames.UPDATE_LEVELS_MAX
        assert book.apply(update) is Applied.APPLIED
        deleted += sum(not level.size for level in (*update.bids, *update.asks))
        assert not book.crossed
        assert min(book.level_counts) >= frames.BOOK_DEPTH - 1
    assert deleted > 500
    assert book.statistics().orphan_delete_count == 0


@pytest.mark.parametrize("steps", [0, 7])
def test_quotes_show_the_book_at_its_own_id(texts: Texts, steps: int) -> None:
    maker, book = InstrumentFrames(NAME, texts), OrderBook()
    frames_sent = [maker.hello("books"), *(maker.next("books") for _ in range(steps))]
    for frame in frames_sent:
        message, raw = data(frame)
        book.apply(parse_books(raw, message["action"])[0])
    (quote,) = parse_bbo(data(maker.next("bbo-tbt"))[1])
    bids, asks = book.top(1)
    assert quote.seq_id == book.seq_id
    assert [quote.bid, quote.bid_size, quote.ask, quote.ask_size] == [*bids, *asks]


def test_five_levels_come_with_rising_ids(texts: Texts) -> None:
    maker = InstrumentFrames(NAME, texts)
    ids = []
    for frame in (maker.hello("books5"), maker.next("books5"), maker.next("books5")):
        message, raw = data(frame)
        (top,) = parse_books(raw, message.get("action", ""))
        assert len(top.bids) == len(top.asks) == 5
        ids.append(top.seq_id)
    assert ids == sorted(set(ids))


def test_tickers_parse_with_all_their_numbers(texts: Texts) -> None:
    (ticker,) = parse_tickers(data(InstrumentFrames("BTC-USDT", texts).next("tickers"))[1])
    assert ticker.bid < ticker.ask
    assert ticker.volume_24h > 0
