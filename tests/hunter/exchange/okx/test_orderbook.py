from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.orderbook import BUFFERED_UPDATES_MAX, Applied, OrderBook
from hunter.exchange.okx.rows import BookAction, BookLevel, BookTexts, BookUpdate

Levels = list[tuple[str, str]]


def make(action: BookAction, bids: Levels, asks: Levels, **fields: Any) -> BookUpdate:
    checksum = fields.get("checksum", 0)
    texts = BookTexts([list(level) for level in bids], [list(level) for level in asks])
    return BookUpdate(
        action,
        [BookLevel(float(price), float(size)) for price, size in bids],
        [BookLevel(float(price), float(size)) for price, size in asks],
        fields.get("seq", -1),
        fields.get("prev", -1),
        checksum,
        fields.get("ts", 1),
        texts if checksum else None,
    )


def snapshot(seq: int = 10, **fields: Any) -> BookUpdate:
    bids = fields.pop("bids", [("100", "1"), ("99", "2")])
    asks = fields.pop("asks", [("101", "3"), ("102", "4")])
    return make(BookAction.SNAPSHOT, bids, asks, seq=seq, **fields)


def update(
    prev: int, seq: int, bids: Levels | None = None, asks: Levels | None = None, **fields: Any
) -> BookUpdate:
    return make(BookAction.UPDATE, bids or [], asks or [], prev=prev, seq=seq, **fields)


def crc(text: str) -> int:
    value = zlib.crc32(text.encode())
    return value - (1 << 32) if value >= 1 << 31 else value


@pytest.fixture
def book() -> OrderBook:
    fresh = OrderBook()
    assert fresh.apply(snapshot()) is Applied.APPLIED
    return fresh


def test_new_book_is_empty_invalid_and_ignores_updates() -> None:
    book = OrderBook()
    assert not book.valid
    assert book.apply(update(1, 2, [("1", "1")])) is Applied.IGNORED
    assert book.top(5) == ([], [])
    assert (book.best_bid, book.best_ask, book.crossed) == (None, None, False)
    assert book.statistics().ignored_count == 1


def test_snapshot_makes_the_book_valid_best_first(book: OrderBook) -> None:
    assert book.valid
    assert (book.seq_id, book.exchange_ts_ns) == (10, 1)
    assert book.top(5) == ([100.0, 1.0, 99.0, 2.0], [101.0, 3.0, 102.0, 4.0])
    assert book.top(1) == ([100.0, 1.0], [101.0, 3.0])
    assert (book.best_bid, book.best_ask) == (100.0, 101.0)
    assert book.level_counts == (2, 2)


def test_snapshot_replaces_both_sides(book: OrderBook) -> None:
    book.apply(snapshot(20, bids=[("50", "1")], asks=[]))
    assert book.top(5) == ([50.0, 1.0], [])
    assert book.seq_id == 20


def test_update_sets_absolute_sizes_inserts_and_deletes(book: OrderBook) -> None:
    bids = [("100", "7"), ("99.5", "5"), ("99", "0")]
    assert book.apply(update(10, 13, bids, [("101", "0")], ts=9)) is Applied.APPLIED
    assert book.top(5) == ([100.0, 7.0, 99.5, 5.0], [102.0, 4.0])
    assert (book.seq_id, book.exchange_ts_ns) == (13, 9)


def test_delete_of_an_unknown_price_is_counted_and_nothing_else(book: OrderBook) -> None:
    before = book.top(5)
    assert book.apply(update(10, 11, [("42", "0")])) is Applied.APPLIED
    assert book.top(5) == before
    assert book.statistics().orphan_delete_count == 1


def test_book_beyond_400_levels_is_not_trimmed(book: OrderBook) -> None:
    book.apply(update(10, 11, [(str(50 + index / 100), "1") for index in range(450)]))
    assert book.level_counts[0] == 452


def test_gap_empties_the_book_until_the_next_snapshot(book: OrderBook) -> None:
    assert book.apply(update(11, 12, [("100", "9")])) is Applied.GAP
    assert not book.valid
    assert book.top(5) == ([], [])
    assert book.apply(update(12, 13, [("100", "9")])) is Applied.IGNORED
    assert book.apply(snapshot(30)) is Applied.APPLIED
    assert book.valid
    assert book.apply(update(30, 31)) is Applied.APPLIED
    counts = book.statistics()
    assert (counts.gap_count, counts.ignored_count, counts.snapshot_count) == (1, 1, 2)


def test_repeated_update_is_a_gap(book: OrderBook) -> None:
    book.apply(update(10, 12))
    assert book.apply(update(10, 12)) is Applied.GAP


def test_keepalive_changes_nothing_but_the_time(book: OrderBook) -> None:
    before = book.top(5)
    assert book.apply(update(10, 10, ts=77)) is Applied.KEEPALIVE
    assert (book.top(5), book.valid, book.seq_id, book.exchange_ts_ns) == (before, True, 10, 77)
    assert book.apply(update(10, 12, [("100", "2")])) is Applied.APPLIED


def test_same_id_with_levels_is_applied(book: OrderBook) -> None:
    assert book.apply(update(10, 10, [("100", "2")])) is Applied.APPLIED
    assert book.top(1)[0] == [100.0, 2.0]


def test_maintenance_reset_is_legal_and_the_chain_goes_on_below(book: OrderBook) -> None:
    assert book.apply(update(10, 3, [("100", "2")])) is Applied.RESET
    assert book.apply(update(3, 5, [("100", "4")])) is Applied.APPLIED
    assert book.top(1)[0] == [100.0, 4.0]
    assert book.statistics().reset_count == 1


def test_reset_that_does_not_chain_is_a_gap(book: OrderBook) -> None:
    assert book.apply(update(9, 3)) is Applied.GAP


def test_crossed_book_is_seen(book: OrderBook) -> None:
    assert not book.crossed
    book.apply(update(10, 11, [("101", "1")]))
    assert book.crossed


def test_snapshot_only_channel_needs_no_chain() -> None:
    book = OrderBook()
    for seq in (5, 9, 9, 2):
        assert book.apply(snapshot(seq)) is Applied.APPLIED
    assert book.seq_id == 2


BASE = {"bids": [("100.0", "1"), ("99", "2")], "asks": [("101", "3")]}
BASE_CRC = crc("100.0:1:101:3:99:2")


def test_checksum_is_over_the_strings_alternating_best_first() -> None:
    book = OrderBook()
    assert book.apply(snapshot(-1, checksum=BASE_CRC, **BASE)) is Applied.APPLIED
    changed = update(-1, -1, [("99", "2.50")], checksum=crc("100.0:1:101:3:99:2.50"))
    assert book.apply(changed) is Applied.APPLIED
    deleted = update(-1, -1, [("100.0", "0")], checksum=crc("99:2.50:101:3"))
    assert book.apply(deleted) is Applied.APPLIED
    assert book.statistics().checksum_verified_count == 3


def test_unsigned_checksum_is_taken_as_well() -> None:
    levels = {"bids": [("100", "1")], "asks": []}
    signed = crc("100:1")
    assert signed < 0
    for checksum in (signed, signed + (1 << 32)):
        assert OrderBook().apply(snapshot(-1, checksum=checksum, **levels)) is Applied.APPLIED


def test_checksum_takes_25_levels_a_side() -> None:
    bids = [(str(100 - index), "1") for index in range(30)]
    text = ":".join(f"{price}:{size}" for price, size in bids[:25])
    book = OrderBook()
    assert book.apply(snapshot(-1, bids=bids, asks=[], checksum=crc(text))) is Applied.APPLIED


def test_wrong_checksum_empties_a_book_without_ids_every_time() -> None:
    book = OrderBook()
    for _ in range(3):
        assert book.apply(snapshot(-1, checksum=1, **BASE)) is Applied.CHECKSUM_MISMATCH
        assert not book.valid


def test_wrong_checksum_of_a_chained_book_resynchronises_once_only() -> None:
    book = OrderBook()
    assert book.apply(snapshot(5, checksum=1, **BASE)) is Applied.CHECKSUM_MISMATCH
    assert not book.valid
    assert book.apply(snapshot(6, checksum=1, **BASE)) is Applied.APPLIED
    assert book.apply(update(6, 7, [("99", "9")], checksum=1)) is Applied.APPLIED
    assert book.valid
    assert book.statistics().checksum_mismatch_count == 2


def test_checksum_0_is_no_checksum(book: OrderBook) -> None:
    assert book.apply(update(10, 11, [("99", "9")], checksum=0)) is Applied.APPLIED
    assert book.statistics().checksum_verified_count == 0


def test_checksum_after_one_without_is_not_verified_until_a_snapshot() -> None:
    book = OrderBook()
    book.apply(snapshot(5, checksum=BASE_CRC, **BASE))
    assert book.apply(update(5, 6, [("98", "1")])) is Applied.APPLIED
    assert book.apply(update(6, 7, [("97", "1")], checksum=1)) is Applied.APPLIED
    assert book.statistics().checksum_verified_count == 1


def test_bootstrap_drops_what_rest_contains_and_straddles_the_first_kept() -> None:
    book = OrderBook()
    book.begin_bootstrap()
    assert book.bootstrapping
    for prev, seq, size in ((8, 9, "90"), (9, 12, "91"), (12, 15, "92")):
        assert book.apply(update(prev, seq, [("100", size)])) is Applied.BUFFERED
    assert book.bootstrap(snapshot(10)) is Applied.APPLIED
    assert not book.bootstrapping
    assert (book.seq_id, book.top(1)[0]) == (15, [100.0, 92.0])
    assert book.apply(update(15, 16)) is Applied.APPLIED


def test_bootstrap_older_than_the_first_update_is_asked_again() -> None:
    book = OrderBook()
    book.begin_bootstrap()
    book.apply(update(8, 9))
    assert book.bootstrap(snapshot(7)) is Applied.SNAPSHOT_TOO_OLD
    assert not book.valid
    assert book.bootstrapping
    assert book.apply(update(9, 10, [("100", "5")])) is Applied.BUFFERED
    assert book.bootstrap(snapshot(8)) is Applied.APPLIED
    assert (book.seq_id, book.top(1)[0]) == (10, [100.0, 5.0])


def test_bootstrap_ahead_of_the_feed_waits_for_it_to_catch_up() -> None:
    book = OrderBook()
    book.begin_bootstrap()
    assert book.bootstrap(snapshot(20)) is Applied.APPLIED
    assert book.valid
    assert book.apply(update(14, 16, [("100", "8")])) is Applied.IGNORED
    assert book.apply(update(16, 23, [("100", "9")])) is Applied.APPLIED
    assert book.top(1)[0] == [100.0, 9.0]
    assert book.apply(update(18, 25)) is Applied.GAP


def test_bootstrap_with_a_hole_to_the_next_update_is_a_gap() -> None:
    book = OrderBook()
    book.begin_bootstrap()
    book.bootstrap(snapshot(20))
    assert book.apply(update(21, 22)) is Applied.GAP


def test_bootstrap_with_a_broken_buffer_waits_for_another_rest_book() -> None:
    book = OrderBook()
    book.begin_bootstrap()
    book.apply(update(9, 12))
    book.apply(update(13, 14))
    assert book.bootstrap(snapshot(10)) is Applied.GAP
    assert not book.valid
    assert book.apply(update(14, 15)) is Applied.BUFFERED
    assert book.bootstrap(snapshot(14)) is Applied.APPLIED
    assert book.seq_id == 15


def test_bootstrap_forgets_what_was_kept_before_a_reset() -> None:
    book = OrderBook()
    book.begin_bootstrap()
    book.apply(update(90, 95))
    assert book.apply(update(95, 3)) is Applied.BUFFERED
    book.apply(update(3, 5, [("100", "6")]))
    assert book.bootstrap(snapshot(4)) is Applied.APPLIED
    assert book.top(1)[0] == [100.0, 6.0]


def test_bootstrap_by_ids_of_before_a_reset_is_found_out() -> None:
    book = OrderBook()
    book.begin_bootstrap()
    assert book.bootstrap(snapshot(100_000)) is Applied.APPLIED
    results = [book.apply(update(seq, seq + 1)) for seq in range(60)]
    assert results[:50] == [Applied.IGNORED] * 50
    assert results[50] is Applied.GAP
    assert not book.valid


def test_bootstrap_buffer_is_bounded() -> None:
    book = OrderBook()
    book.begin_bootstrap()
    for seq in range(BUFFERED_UPDATES_MAX + 5):
        book.apply(update(seq, seq + 1))
    assert book.bootstrap(snapshot(4)) is Applied.SNAPSHOT_TOO_OLD
    assert book.bootstrap(snapshot(5)) is Applied.APPLIED


def test_snapshot_of_the_feed_ends_a_bootstrap() -> None:
    book = OrderBook()
    book.begin_bootstrap()
    book.apply(update(1, 2))
    assert book.apply(snapshot(50)) is Applied.APPLIED
    assert not book.bootstrapping
    assert book.apply(update(50, 51)) is Applied.APPLIED


def test_bootstrap_without_begin_is_a_programmer_error() -> None:
    with pytest.raises(AssertionError):
        OrderBook().bootstrap(snapshot())


_SIDE = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3)), max_size=12)


@given(st.lists(st.tuples(_SIDE, _SIDE), max_size=15), st.integers(1, 40))
def test_book_equals_a_plain_dictionary(changes: list[Any], depth: int) -> None:
    book = OrderBook()
    book.apply(snapshot(0, bids=[], asks=[]))
    truth: tuple[dict[float, float], dict[float, float]] = ({}, {})
    orphan_count = 0
    for seq, sides in enumerate(changes):
        texts = [[(str(price), str(size)) for price, size in side] for side in sides]
        assert book.apply(update(seq, seq + 1, *texts)) is Applied.APPLIED
        for levels, side in zip(sides, truth, strict=True):
            for price, size in levels:
                orphan_count += size == 0 and price not in side
                side.pop(price, None)
                if size:
                    side[price] = size
    bids = [(price, truth[0][price]) for price in sorted(truth[0], reverse=True)]
    asks = [(price, truth[1][price]) for price in sorted(truth[1])]
    expected = tuple([x for level in side[:depth] for x in level] for side in (bids, asks))
    assert book.top(depth) == expected
    assert book.level_counts == (len(bids), len(asks))
    assert book.statistics().orphan_delete_count == orphan_count
