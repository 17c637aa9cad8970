"""Whole recordings: every frame of a decoded channel parses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from hunter.exchange.okx.endpoints import RowKind, channel_traits
from hunter.exchange.okx.messages import NO_DATA, Envelope
from hunter.exchange.okx.parse import parse_bbo, parse_books, parse_tickers, parse_trades
from hunter.exchange.okx.parse_public import parse_candles, parse_funding_rates, parse_open_interest
from hunter.exchange.okx.rest import answer_data
from hunter.exchange.okx.rows import OpenInterest

Frames = Callable[[str], list[bytes]]


def parse_all(frames: list[bytes]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for frame in frames:
        envelope = msgspec.json.decode(frame, type=Envelope)
        if envelope.arg is None or envelope.data is NO_DATA:
            counts["other"] += 1
            continue
        kind = channel_traits(envelope.arg.channel).row
        rows: list[object] = []
        if kind is RowKind.TRADE:
            rows += parse_trades(envelope.data)
        elif kind is RowKind.TICKER:
            rows += parse_tickers(envelope.data)
        elif kind is RowKind.BBO:
            rows += parse_bbo(envelope.data)
        elif kind is RowKind.BOOK:
            rows += parse_books(envelope.data, envelope.action)
        elif kind is RowKind.CANDLE:
            rows += parse_candles(envelope.data)
        elif kind is RowKind.FUNDING:
            rows += parse_funding_rates(envelope.data)
        else:
            counts["undecoded"] += 1
            continue
        assert len(rows) == 1, frame
        counts[envelope.arg.channel] += 1
    return counts


def test_2022_recording_parses(captured_frames: Frames) -> None:
    counts = parse_all(captured_frames("okx-2022-cryptofeed/OKX.ws.1.0.gz"))
    assert counts["books"] == 290
    assert counts["trades"] + counts["tickers"] + counts["other"] == counts.total() - 290
    assert counts["undecoded"] == 0


def test_okcoin_recording_parses(captured_frames: Frames) -> None:
    counts = parse_all(captured_frames("okx-2022-cryptofeed/OKCOIN.ws.1.0.gz"))
    assert counts["books"] > 0


@pytest.mark.parametrize("name", ["BTC-USDT-SWAP", "BTC-USDT"])
def test_framed_recordings_parse(captured_frames: Frames, name: str) -> None:
    counts = parse_all(captured_frames(f"okx-framed-binance/{name}.jsonl.gz"))
    assert counts.keys() == {"books", "bbo-tbt", "trades", "tickers"}


@pytest.mark.parametrize(
    "name", ["books-btc-usdt.jsonl", "ccxt-frames.jsonl", "okx-v5-frames-2022.jsonl"]
)
def test_single_frames_parse(captured_frames: Frames, name: str) -> None:
    counts = parse_all(captured_frames(f"okx-2026-frames/{name}"))
    assert counts.total() >= 8
    assert counts["undecoded"] == 0


def test_open_interest_of_rest_answers_parses(captured_frames: Frames) -> None:
    frames = captured_frames("okx-2026-frames/okx-v5-frames-2022.jsonl")
    answers = [parse_rest(frame) for frame in frames if b'"oiCcy"' in frame]
    assert [len(answer) for answer in answers] == [2, 1, 2, 2, 2, 2]


def parse_rest(frame: bytes) -> list[OpenInterest]:
    return parse_open_interest(answer_data(200, frame))


def test_option_ticker_of_an_empty_side_is_nan(captured_frames: Frames) -> None:
    frames = captured_frames("okx-2026-frames/okx-v5-frames-2022.jsonl")
    (frame,) = [frame for frame in frames if b'"bidPx":""' in frame]
    (ticker,) = parse_tickers(msgspec.json.decode(frame, type=Envelope).data)
    assert math.isnan(ticker.bid)
    assert (ticker.ask, ticker.ask_size) == (0.0015, 330.0)
