"""Recordings of every form come out in time order, byte for byte."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hunter.simulator.frames import BookChange, PublishedTrade
from hunter.simulator.lines import Counts
from hunter.simulator.recording import Recording, parse_frame

TRADE = (
    b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"9",'
    b'"px":"1.5","sz":"2","side":"buy","ts":"7","count":"3","source":"0","seqId":5}]}'
)
OLD_TRADE = TRADE.replace(b',"count":"3","source":"0","seqId":5', b"")
BOOK = (
    b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[],'
    b'"bids":[["1","2","0","1"]],"ts":"7","checksum":-5}]}'
)
TICKER = b'{"arg":{"channel":"tickers","instId":"ETH-USDT"},"data":[{"last":"1"}]}'
ACK = b'{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"}}'


def read(counts: Counts, *paths: Path) -> list[tuple[int, bytes]]:
    return [(item.received_ns, item.push.text) for item in Recording(paths).pushes(counts)]


def test_frames_are_decoded_as_far_as_needed() -> None:
    counts = Counts()
    trade, old, book = (parse_frame(text, counts) for text in (TRADE, OLD_TRADE, BOOK))
    assert trade is not None
    assert trade.body == PublishedTrade(9, 3, "1.5", "2", "buy", 7, 5)
    assert old is not None
    assert old.body == PublishedTrade(9, 1, "1.5", "2", "buy", 7, -1)
    assert book is not None
    assert book.body == BookChange(True, [["1", "2", "0", "1"]], [], 7, -1, -1)
    ticker = parse_frame(TICKER, counts)
    assert ticker is not None
    assert (ticker.channel, ticker.inst_id, ticker.text, ticker.body) == (
        "tickers",
        "ETH-USDT",
        TICKER,
        None,
    )


@pytest.mark.parametrize(
    ("arg", "key"),
    [
        (b'{"channel":"status"}', ("status", "")),
        (b'{"channel":"instruments","instType":"SWAP"}', ("instruments", "SWAP")),
        (b'{"channel":"index-tickers","instId":"BTC-USDT"}', ("index-tickers", "BTC-USDT")),
        (b'{"channel":"books50-l2-tbt","instId":"A-B"}', ("books50-l2-tbt", "A-B")),
    ],
)
def test_frame_is_for_the_subject_of_its_channel(arg: bytes, key: tuple[str, str]) -> None:
    push = parse_frame(b'{"arg":%s,"data":[{}]}' % arg, Counts())
    assert push is not None
    assert (push.channel, push.inst_id, push.body) == (*key, None)


@pytest.mark.parametrize(
    ("frame", "skipped", "malformed"),
    [
        (ACK, 1, 0),
        (b"{}", 1, 0),
        (b'{"arg":{"channel":"trades","instType":"SWAP"},"data":[{}]}', 1, 0),
        (b'{"arg":{"channel":"unheard-of","instType":"SWAP"},"data":[{}]}', 1, 0),
        (b'{"arg":{"channel":"index-tickers","instId":"btc"},"data":[{}]}', 1, 0),
        (b'{"arg":{"channel":"instruments"},"data":[{}]}', 1, 0),
        (b"pong", 0, 1),
        (TRADE[:-4], 0, 1),
        (TRADE.replace(b'"9"', b'"x"'), 0, 1),
        (BOOK.replace(b'[{"asks"', b'[],"x":[{"asks"'), 0, 1),
    ],
)
def test_everything_else_is_counted(frame: bytes, skipped: int, malformed: int) -> None:
    counts = Counts()
    assert parse_frame(frame, counts) is None
    assert (counts.skipped, counts.malformed) == (skipped, malformed)


def test_files_are_merged_by_time_whatever_their_form(tmp_path: Path) -> None:
    plain, packed, foreign = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz", tmp_path / "c.ws"
    plain.write_bytes(b"1000000000 %s\n4000000000 %s\n" % (TRADE, BOOK))
    packed.write_bytes(gzip.compress(b"3000000000 %s\r\nrubbish\n" % TICKER))
    foreign.write_bytes(
        b"wss://x/ws <-> 1.0\nwss://x/ws <- 1.1: {}\n1.5: %s\n2.5: %s\n" % (ACK, OLD_TRADE)
    )
    counts = Counts()
    assert read(counts, plain, packed, foreign) == [
        (1_000_000_000, TRADE),
        (2_500_000_000, OLD_TRADE),
        (3_000_000_000, TICKER),
        (4_000_000_000, BOOK),
    ]
    assert (counts.frames, counts.skipped, counts.malformed) == (4, 3, 1)
    assert Recording([plain, packed]).instruments() == ["BTC-USDT", "ETH-USDT"]


def test_list_of_instruments_stops_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hunter.simulator.recording.LISTED_LINES_MAX", 1)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1 %s\n2 %s\n" % (TRADE, TICKER))
    assert Recording([path]).instruments() == ["BTC-USDT"]


def test_capture_of_2022_is_read_whole(captures: Path) -> None:
    counts = Counts()
    path = captures / "okx-2022-cryptofeed" / "OKX.ws.1.0.gz"
    frames = read(counts, path)
    assert len(frames) == counts.frames > 350
    assert counts.malformed == 0
    assert sorted(Recording([path]).instruments()) == ["BTC-USD-220527", "BTC-USDT", "UNI-USD-SWAP"]
    assert frames == sorted(frames, key=lambda frame: frame[0])
