"""What the exchange knows: initial pushes, snapshots that chain, keep-alives."""

from __future__ import annotations

import json
import zlib
from typing import Any

from hunter.simulator.frames import (
    BookChange,
    PublishedTrade,
    Push,
    bbo_push,
    book_push,
    trade_push,
)
from hunter.simulator.state import InstrumentState, legacy_checksum

NAME = "BTC-USDT-SWAP"


def snapshot(seq_id: int = 5) -> Push:
    bids = [["9", "1", "0", "1"], ["10", "2", "0", "1"]]
    asks = [["12", "3", "0", "1"], ["11", "4", "0", "1"]]
    return book_push(NAME, BookChange(True, bids, asks, 100, seq_id, -1))


def first(text: bytes | None) -> Any:
    assert text is not None
    return json.loads(text)["data"][0]


def test_nothing_is_known_before_the_first_push() -> None:
    state = InstrumentState(NAME)
    assert [state.initial(channel) for channel in ("books", "trades", "tickers")] == [None] * 3
    assert state.ticker() is None
    assert state.keep_alives(10**12, 1) == []


def test_update_before_any_snapshot_makes_no_snapshot() -> None:
    state = InstrumentState(NAME)
    state.apply(book_push(NAME, BookChange(False, [], [["1", "1", "0", "1"]], 1, 2, 1)), 0)
    assert state.initial("books") is None
    assert state.keep_alives(10**12, 1) == []


def test_snapshot_is_best_first_and_chains_with_the_next_update() -> None:
    state = InstrumentState(NAME)
    state.apply(snapshot(), 0)
    changes = [["10", "0", "0", "0"], ["8", "7", "0", "2"], ["777", "0", "0", "0"]]
    state.apply(book_push(NAME, BookChange(False, changes, [], 200, 8, 5)), 0)
    row = first(state.initial("books"))
    assert row["bids"] == [["9", "1", "0", "1"], ["8", "7", "0", "2"]]
    assert row["asks"] == [["11", "4", "0", "1"], ["12", "3", "0", "1"]]
    assert (row["seqId"], row["prevSeqId"], row["ts"], row["checksum"]) == (8, -1, "200", 0)
    assert state.initial("books") is state.initial("books")
    state.apply(snapshot(9), 0)
    assert first(state.initial("books"))["seqId"] == 9


def test_last_push_of_a_channel_is_the_initial_one() -> None:
    state = InstrumentState(NAME)
    push = trade_push(NAME, PublishedTrade(7, 1, "10", "1", "buy", 100, 6))
    state.apply(push, 0)
    assert state.initial("trades") == push.text


def test_quiet_book_is_kept_alive_with_an_empty_update_and_best_prices_are_resent() -> None:
    state = InstrumentState(NAME)
    state.apply(snapshot(), 0)
    best = bbo_push(NAME, [["10", "2", "0", "1"]], [["11", "4", "0", "1"]], 100, 5)
    state.apply(best, 40)
    state.apply(trade_push(NAME, PublishedTrade(7, 1, "10", "1", "buy", 100, 5)), 0)
    assert state.keep_alives(59, 60) == []
    (alone,) = state.keep_alives(60, 60)
    row = first(alone.text)
    assert (row["asks"], row["bids"], row["seqId"], row["prevSeqId"]) == ([], [], 5, 5)
    state.apply(alone, 60)
    assert state.keep_alives(100, 60) == [best]


def test_book_without_sequence_gets_the_old_checksum_and_no_keep_alive() -> None:
    state = InstrumentState(NAME)
    state.apply(snapshot(-1), 0)
    row = first(state.initial("books"))
    crc = zlib.crc32(b"10:2:11:4:9:1:12:3")
    assert row["checksum"] == (crc - (1 << 32) if crc >= 1 << 31 else crc)
    assert "seqId" not in row
    assert state.keep_alives(10**12, 1) == []


def test_checksum_is_signed_and_skips_missing_levels() -> None:
    crc = zlib.crc32(b"1:2:3:4")
    expected = crc - (1 << 32) if crc >= 1 << 31 else crc
    assert legacy_checksum([["1", "2"], ["3", "4"]], []) == expected
    values = {legacy_checksum([[str(price), "1"]], []) < 0 for price in range(64)}
    assert values == {True, False}
