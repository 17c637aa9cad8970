"""Whole recordings: every checksum, every chain, the exchange's own depth."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from hunter.exchange.okx.messages import Envelope
from hunter.exchange.okx.orderbook import Applied, OrderBook
from hunter.exchange.okx.parse import parse_books

Frames = Callable[[str], list[bytes]]


def books_of(frames: list[bytes]) -> list[tuple[str, bytes, str]]:
    found = []
    for frame in frames:
        envelope = msgspec.json.decode(frame, type=Envelope)
        if envelope.arg is not None and envelope.arg.channel == "books" and not envelope.event:
            found.append((envelope.arg.inst_id, bytes(envelope.data), envelope.action))
    return found


def test_every_checksum_of_2022_verifies(captured_frames: Frames) -> None:
    books: dict[str, OrderBook] = {}
    for inst_id, payload, action in books_of(captured_frames("okx-2022-cryptofeed/OKX.ws.1.0.gz")):
        for update in parse_books(payload, action):
            assert books.setdefault(inst_id, OrderBook()).apply(update) is Applied.APPLIED
            assert books[inst_id].level_counts == (400, 400) or inst_id != "BTC-USDT"
            assert not books[inst_id].crossed
    counts = [book.statistics() for book in books.values()]
    assert len(counts) == 3
    assert sum(count.checksum_verified_count for count in counts) == 290
    assert sum(count.checksum_mismatch_count for count in counts) == 0


def test_altered_level_of_2022_breaks_the_checksum(captured_frames: Frames) -> None:
    found = books_of(captured_frames("okx-2022-cryptofeed/OKX.ws.1.0.gz"))
    _, payload, action = found[0]
    (update,) = parse_books(payload, action)
    assert update.texts is not None
    update.texts.bids[24][1] += "1"
    assert OrderBook().apply(update) is Applied.CHECKSUM_MISMATCH


@pytest.mark.parametrize(
    ("name", "inst_id"),
    [
        ("okx-framed-binance/BTC-USDT-SWAP.jsonl.gz", "BTC-USDT-SWAP"),
        ("okx-framed-binance/BTC-USDT.jsonl.gz", "BTC-USDT"),
        ("okx-2026-frames/books-btc-usdt.jsonl", "BTC-USDT"),
    ],
)
def test_chain_is_whole_400_deep_and_never_crossed(
    captured_frames: Frames, name: str, inst_id: str
) -> None:
    book = OrderBook()
    found = books_of(captured_frames(name))
    assert len(found) >= 7
    for found_id, payload, action in found:
        assert found_id == inst_id
        for update in parse_books(payload, action):
            assert book.apply(update) is Applied.APPLIED
            assert book.level_counts == (400, 400)
            assert not book.crossed
    counts = book.statistics()
    assert (counts.snapshot_count, counts.update_count) == (1, len(found) - 1)
    assert (counts.gap_count, counts.checksum_verified_count) == (0, 0)


def test_missing_update_in_a_recording_is_a_gap(captured_frames: Frames) -> None:
    found = books_of(captured_frames("okx-2026-frames/books-btc-usdt.jsonl"))
    book = OrderBook()
    del found[3]
    results = [book.apply(parse_books(payload, action)[0]) for _, payload, action in found]
    assert results == [Applied.APPLIED] * 3 + [Applied.GAP] + [Applied.IGNORED] * (len(found) - 4)
