"""Both twins hold the same book, and a second hand that merges what follows is not noticed."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from fakes.twins import fields, needs_kernel, twins
from hypothesis import example, given
from hypothesis import strategies as st

from hunter.exchange.okx.bookstate import BookState, new_book_state
from hunter.exchange.okx.orderbook import Applied, OrderBook
from hunter.exchange.okx.rows import BookAction, BookLevel, BookTexts, BookUpdate
from hunter.native import kernel

Level = tuple[int, int]
both = pytest.mark.parametrize("record", twins(BookState))
level_lists = st.lists(st.tuples(st.integers(1, 40), st.sampled_from((0, 0, 1, 2))), max_size=30)
messages = st.lists(st.tuples(level_lists, level_lists, st.booleans()), max_size=12)


def levels(pairs: list[Level]) -> list[BookLevel]:
    return [BookLevel(float(price), float(size)) for price, size in pairs]


def in_order(pairs: list[Level], ascending: bool) -> list[Level]:
    """As the exchange sends them: each price once, from the best on."""
    return sorted(dict(pairs).items(), reverse=not ascending)


def test_the_compiled_one_is_used_where_there_is_one() -> None:
    expected = BookState if kernel is None else kernel.BookState
    assert type(new_book_state()) is expected


@both
def test_empty_book(record: Any) -> None:
    book = record()
    assert fields(book, BookState) == {
        "seq_id": -1, "exchange_ts_ns": 0, "snapshot_count": 0, "update_count": 0,
        "orphan_delete_count": 0,
    }  # fmt: skip
    assert (book.best_bid, book.best_ask, book.level_counts) == (None, None, (0, 0))
    assert book.top(5) == ([], [])


@both
def test_snapshot_is_taken_in_any_order_and_without_empty_levels(record: Any) -> None:
    book = record()
    book.replace(levels([(3, 1), (9, 2), (5, 0), (9, 4)]), levels([(12, 1), (11, 0), (10, 7)]))
    assert book.top(5) == ([9.0, 4.0, 3.0, 1.0], [10.0, 7.0, 12.0, 1.0])
    assert (book.best_bid, book.best_ask, book.level_counts) == (9.0, 10.0, (2, 2))
    assert book.top(1) == ([9.0, 4.0], [10.0, 7.0])
    assert book.top(0) == ([], [])
    book.clear()
    assert book.top(5) == ([], [])


@both
def test_deletes_that_meet_no_level_are_counted(record: Any) -> None:
    book = record()
    book.replace(levels([(9, 2), (8, 1)]), [])
    assert book.merge_bids(levels([(9, 0), (7, 0), (6, 1)])) == 1
    assert book.merge_asks(levels([(9, 0), (10, 1)])) == 1
    assert book.top(5) == ([8.0, 1.0, 6.0, 1.0], [10.0, 1.0])


@both
def test_deep_book_keeps_every_level(record: Any) -> None:
    book = record()
    prices = range(1, 3_001)
    book.replace(levels([(price, 1) for price in reversed(prices)]), [])
    book.merge_asks(levels([(price, 1) for price in prices]))
    book.merge_bids(levels([(1, 0), (3_000, 0), (5_000, 3)]))
    assert book.level_counts == (2_999, 3_000)
    assert book.top(2) == ([5_000.0, 3.0, 2_999.0, 1.0], [1.0, 1.0, 2.0, 1.0])


@needs_kernel
def test_what_is_no_list_of_levels_changes_nothing() -> None:
    book = new_book_state()
    book.replace(levels([(9, 2)]), levels([(10, 1)]))
    wrong: Any
    for wrong in ((), None, [1], [BookLevel(1.0, 2.0), None]):
        with pytest.raises((TypeError, AttributeError)):
            book.replace(wrong, [])
        with pytest.raises((TypeError, AttributeError)):
            book.replace([], wrong)
        with pytest.raises((TypeError, AttributeError)):
            book.merge_bids(wrong)
    with pytest.raises(ValueError, match="negative"):
        book.top(-1)
    assert book.top(5) == ([9.0, 2.0], [10.0, 1.0])


@needs_kernel
@given(messages)
@example([([(price, 1) for price in range(1, 41)], [], True)])
def test_both_hold_the_same_book(messages: list[tuple[list[Level], list[Level], bool]]) -> None:
    plain, compiled = BookState(), new_book_state()
    for number, (bids, asks, sorts) in enumerate(messages):
        told_bids = levels(in_order(bids, False) if sorts else bids)
        told_asks = levels(in_order(asks, True) if sorts else asks)
        if number == 0:
            plain.replace(told_bids, told_asks)
            compiled.replace(told_bids, told_asks)
        else:
            assert plain.merge_bids(told_bids) == compiled.merge_bids(told_bids)
            assert plain.merge_asks(told_asks) == compiled.merge_asks(told_asks)
        for count in (1, 5, 50):
            assert plain.top(count) == compiled.top(count)
        assert plain.level_counts == compiled.level_counts
        assert (plain.best_bid, plain.best_ask) == (compiled.best_bid, compiled.best_ask)


@needs_kernel
@given(level_lists, level_lists, level_lists, level_lists)
def test_whether_it_would_cross_is_known_before(
    bids: list[Level], asks: list[Level], new_bids: list[Level], new_asks: list[Level]
) -> None:
    assert kernel is not None
    book = kernel.BookState()
    book.replace(levels(bids), levels(asks))
    item = {
        "bids": [[str(price), str(size)] for price, size in new_bids],
        "asks": [[str(price), str(size)] for price, size in new_asks],
        "ts": "1",
    }
    foreseen = kernel.book_would_cross(book, json.dumps([item]).encode())
    book.merge_bids(levels(new_bids))
    book.merge_asks(levels(new_asks))
    bid, ask = book.best_bid, book.best_ask
    assert foreseen == (bid is not None and ask is not None and bid >= ask)


def checksum_of(pairs: list[Level]) -> int:
    """Of a snapshot that has bids only."""
    shown = in_order([pair for pair in pairs if pair[1]], False)[:25]
    texts = [f"{price}:{size}" for price, size in shown]
    return zlib.crc32(":".join(texts).encode())


def take(book: OrderBook, update: BookUpdate) -> Applied:
    """As compiled code would: by the state alone, else by the book."""
    state = book.state
    follows = state.seq_id >= 0 and update.prev_seq_id == state.seq_id < update.seq_id
    if update.action is not BookAction.UPDATE or not follows or update.checksum:
        return book.apply(update)
    state.orphan_delete_count += state.merge_bids(update.bids) + state.merge_asks(update.asks)
    state.seq_id = update.seq_id
    state.exchange_ts_ns = update.exchange_ts_ns
    state.update_count += 1
    return Applied.APPLIED


book_steps = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("next", "next", "next", "next", "keepalive", "reset", "gap", "snapshot"),
                *("rest", "sound", "unsound"),
            )
        ),
        level_lists,
        st.booleans(),
    ),
    max_size=40,
)


PAIRS = [(5, 1), (6, 1)]


@given(book_steps)
@example([("next", PAIRS, True), ("next", PAIRS, False), ("next", [(5, 0)], True)])
@example([("rest", PAIRS, False), ("next", [(7, 1)], True), ("gap", PAIRS, False)])
@example([("sound", PAIRS, False), ("next", [(7, 1)], True), ("unsound", [(7, 2)], False)])
def test_two_hands_are_as_good_as_one(steps: list[tuple[str, list[Level], bool]]) -> None:
    alone, shared = OrderBook(), OrderBook()
    for now, (kind, pairs, second_hand) in enumerate([("snapshot", PAIRS, False), *steps]):
        before = alone.seq_id
        if kind == "rest":
            snapshot = BookUpdate(BookAction.SNAPSHOT, levels(pairs), [], 500 + now, -1, 0, now)
            for book in (alone, shared):
                book.begin_bootstrap()
            assert alone.bootstrap(snapshot) is shared.bootstrap(snapshot)
            continue
        after, prev = before + 5, before
        if kind == "keepalive":
            after, pairs = before, []
        elif kind == "reset":
            after = max(before - 3, 0)
        elif kind == "gap":
            prev = before - 1
        action = BookAction.SNAPSHOT if kind in ("snapshot", "sound") else BookAction.UPDATE
        texts, checksum = None, 0
        if kind in ("sound", "unsound"):
            texts = BookTexts([[str(price), str(size)] for price, size in pairs], [])
            checksum = checksum_of(pairs) if kind == "sound" else 7
        update = BookUpdate(action, levels(pairs), [], after, prev, checksum, now, texts)
        found = take(shared, update) if second_hand else shared.apply(update)
        assert found is alone.apply(update)
        assert shared.statistics() == alone.statistics()
        assert (shared.valid, shared.seq_id, shared.exchange_ts_ns) == (
            alone.valid, alone.seq_id, alone.exchange_ts_ns,
        )  # fmt: skip
        assert shared.top(50) == alone.top(50)
        assert (shared.state.seq_id >= 0) == (shared.is_plain and shared.seq_id >= 0)
