from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.crosscheck import (
    KEPT,
    STRIKES_FORGOTTEN,
    STRIKES_MAX,
    TRUST_REGAINED,
    Agreement,
    CrossCheck,
    Mismatch,
)
from hunter.exchange.okx.orderbook import OrderBook
from hunter.exchange.okx.rows import BookAction, BookLevel, BookUpdate

Levels = list[tuple[float, float]]
BIDS: Levels = [(100.0, 1.0), (99.0, 2.0), (98.0, 3.0), (97.0, 4.0), (96.0, 5.0), (95.0, 6.0)]
ASKS: Levels = [(101.0, 1.0), (102.0, 2.0), (103.0, 3.0), (104.0, 4.0), (105.0, 5.0), (106.0, 6.0)]


def levels(side: Levels) -> list[BookLevel]:
    return [BookLevel(price, size) for price, size in side]


def flat(side: Levels) -> list[float]:
    return [value for level in side for value in level]


class Stage:
    """A book, its check, and a market that says what both should show."""

    def __init__(self) -> None:
        self.book = OrderBook()
        self.check = CrossCheck()
        self.seq_id = 0

    def snapshot(self, bids: Levels = BIDS, asks: Levels = ASKS) -> Agreement | Mismatch | None:
        self.seq_id += 10
        return self._apply(BookAction.SNAPSHOT, bids, asks, -1)

    def update(self, bids: Levels, asks: Levels | None = None) -> Agreement | Mismatch | None:
        before, self.seq_id = self.seq_id, self.seq_id + 10
        return self._apply(BookAction.UPDATE, bids, asks or [], before)

    def _apply(
        self, action: BookAction, bids: Levels, asks: Levels, prev_seq_id: int
    ) -> Agreement | Mismatch | None:
        self.book.apply(
            BookUpdate(action, levels(bids), levels(asks), self.seq_id, prev_seq_id, 0, 1)
        )
        return self.check.on_book(self.book)

    def quote(
        self, bid: tuple[float, float], ask: tuple[float, float] = ASKS[0], ahead: int = 0
    ) -> Agreement | Mismatch | None:
        return self.check.on_quote(self.seq_id + ahead, *bid, *ask)


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.snapshot()
    return made


def test_quote_after_its_book_agrees(stage: Stage) -> None:
    assert stage.quote(BIDS[0]) == Agreement(10)
    assert (stage.check.compared_count, stage.check.mismatch_count) == (1, 0)


def test_quote_before_its_book_waits_for_it(stage: Stage) -> None:
    assert stage.quote((100.5, 7.0), ahead=10) is None
    assert stage.check.compared_count == 0
    assert stage.update([(100.5, 7.0)]) == Agreement(20)


def test_quote_of_an_id_without_a_book_proves_nothing(stage: Stage) -> None:
    assert stage.quote((1.0, 1.0), ahead=3) is None
    assert stage.update([(100.5, 7.0)]) is None
    assert stage.check.compared_count == 0


def test_quote_without_an_id_is_ignored(stage: Stage) -> None:
    assert stage.check.on_quote(-1, 1.0, 1.0, 2.0, 1.0) is None


def test_single_disagreement_is_counted_and_breaks_nothing(stage: Stage) -> None:
    found = stage.quote((100.0, 9.0))
    assert found == Mismatch(10, "bbo-tbt 10 contradicts the book at bid 100 (the book has size 1)")
    assert (stage.check.mismatch_count, stage.check.broken) == (1, False)


def test_two_disagreements_about_one_level_break_the_book(stage: Stage) -> None:
    stage.quote((100.0, 9.0))
    stage.update([(90.0, 1.0)])
    stage.quote((100.0, 8.0))
    assert stage.check.broken


def test_repeated_quote_is_no_second_proof(stage: Stage) -> None:
    stage.quote((100.0, 9.0))
    assert stage.quote((100.0, 9.0)) is None
    assert (stage.check.mismatch_count, stage.check.broken) == (1, False)


def test_agreement_about_the_level_clears_it(stage: Stage) -> None:
    stage.quote((100.0, 9.0))
    stage.update([(90.0, 1.0)])
    assert isinstance(stage.quote(BIDS[0]), Agreement)
    stage.update([(90.0, 2.0)])
    stage.quote((100.0, 9.0))
    assert not stage.check.broken


def test_level_that_the_feed_changed_since_is_judged_anew(stage: Stage) -> None:
    # Quotes of another stream, once ahead and once behind: the book is right.
    stage.quote((100.0, 9.0))
    stage.update([(100.0, 9.5)])
    stage.quote((100.0, 9.0))
    assert (stage.check.mismatch_count, stage.check.broken) == (2, False)


def test_two_disagreements_about_different_levels_break_nothing(stage: Stage) -> None:
    stage.quote((100.0, 9.0))
    stage.update([(90.0, 1.0)])
    stage.quote(BIDS[0], (101.0, 9.0))
    assert (stage.check.mismatch_count, stage.check.broken) == (2, False)


def test_level_out_of_sight_stays_suspected(stage: Stage) -> None:
    stage.quote((100.0, 9.0))
    stage.update([(100.5, 7.0)])
    assert isinstance(stage.quote((100.5, 7.0)), Agreement)
    stage.update([(100.5, 0.0)])
    stage.quote((100.0, 9.0))
    assert stage.check.broken


def test_ghost_level_above_the_quote_breaks_the_book(stage: Stage) -> None:
    for _ in range(2):
        stage.update([(90.0, stage.seq_id + 1.0)])
        found = stage.quote(BIDS[1])
    assert isinstance(found, Mismatch)
    assert "bid 100 (the book has size 1)" in found.text
    assert stage.check.broken


def test_level_the_book_lacks_breaks_it(stage: Stage) -> None:
    for _ in range(2):
        stage.update([(90.0, stage.seq_id + 1.0)])
        found = stage.quote(BIDS[0], (100.5, 4.0))
    assert isinstance(found, Mismatch)
    assert "ask 100.5 (the book has size 0)" in found.text
    assert stage.check.broken


def test_empty_side_is_compared_too(stage: Stage) -> None:
    stage.snapshot(BIDS, [])
    assert isinstance(stage.quote(BIDS[0], (math.nan, 0.0)), Agreement)
    stage.snapshot(BIDS, ASKS)
    found = stage.quote(BIDS[0], (math.nan, 0.0))
    assert isinstance(found, Mismatch)
    stage.snapshot([], [])
    assert isinstance(stage.quote((math.nan, 0.0), (math.nan, 0.0)), Agreement)


def test_new_snapshot_makes_a_broken_book_whole(stage: Stage) -> None:
    stage.quote((100.0, 9.0))
    stage.update([(90.0, 1.0)])
    stage.quote((100.0, 9.0))
    stage.snapshot()
    assert not stage.check.broken
    stage.quote((100.0, 9.0))
    assert not stage.check.broken


def test_book_of_a_new_connection_is_judged_anew(stage: Stage) -> None:
    stage.quote((100.0, 9.0))
    stage.book = OrderBook()
    stage.snapshot()
    stage.quote((100.0, 9.0))
    assert not stage.check.broken


def test_invalid_book_is_not_compared(stage: Stage) -> None:
    stage.book.apply(BookUpdate(BookAction.UPDATE, [], [], 50, 40, 0, 1))
    assert not stage.book.valid
    assert stage.check.on_book(stage.book) is None
    assert stage.quote(BIDS[0]) is None


def test_book_without_ids_is_not_compared() -> None:
    check, book = CrossCheck(), OrderBook()
    book.apply(BookUpdate(BookAction.SNAPSHOT, levels(BIDS), levels(ASKS), -1, -1, 0, 1))
    assert check.on_book(book) is None
    assert check.on_quote(-1, 1.0, 1.0, 2.0, 1.0) is None


def test_ids_that_go_back_forget_what_waited(stage: Stage) -> None:
    stage.seq_id = 1_000
    stage.snapshot()
    assert stage.quote((50.0, 5.0), ahead=-995) is None
    # The reset of a maintenance: one update from 1010 to 5.
    stage.book.apply(BookUpdate(BookAction.UPDATE, [], [], 5, stage.book.seq_id, 0, 1))
    assert stage.check.on_book(stage.book) is None
    stage.seq_id = 5
    assert stage.quote(BIDS[0]) == Agreement(5)


def test_five_levels_are_compared_in_depth(stage: Stage) -> None:
    check = stage.check
    assert check.on_top5(10, flat(BIDS[:5]), flat(ASKS[:5])) == Agreement(10)
    wrong = [*BIDS[:2], (98.0, 7.0), *BIDS[3:5]]
    for size in (1.0, 2.0):
        stage.update([(90.0, size)])
        # The best level agrees each time and clears nothing of what lies deeper.
        assert isinstance(stage.quote(BIDS[0]), Agreement)
        found = check.on_top5(stage.seq_id, flat(wrong), flat(ASKS[:5]))
        assert found == Mismatch(
            stage.seq_id,
            f"books5 {stage.seq_id} contradicts the book at bid 98 (the book has size 3)",
        )
    assert check.broken


def test_level_beyond_the_shorter_reach_is_not_compared(stage: Stage) -> None:
    # A ghost at 99.5 pushes 96 out of the book's five: only the ghost is a contradiction.
    stage.update([(99.5, 1.0)])
    found = stage.check.on_top5(stage.seq_id, flat(BIDS[:5]), flat(ASKS[:5]))
    assert isinstance(found, Mismatch)
    assert "bid 99.5" in found.text


def test_both_channels_waiting_for_one_book_report_the_mismatch(stage: Stage) -> None:
    stage.quote(BIDS[0], ahead=10)
    stage.check.on_top5(stage.seq_id + 10, flat([(100.0, 2.0), *BIDS[1:5]]), flat(ASKS[:5]))
    found = stage.update([(90.0, 1.0)])
    assert isinstance(found, Mismatch)
    assert stage.check.compared_count == 2


def test_no_more_than_the_newest_are_kept(stage: Stage) -> None:
    for ahead in range(1, KEPT + 11):
        stage.quote(BIDS[0], ahead=10 * ahead)
    assert len(stage.check._quotes.waiting) == KEPT
    assert stage.update([(90.0, 1.0)]) is None
    for size in range(2, KEPT + 20):
        stage.update([(90.0, float(size))])
    assert len(stage.check._books) == KEPT
    assert len(stage.check._quotes.waiting) == 0


def test_suspicions_are_bounded(stage: Stage) -> None:
    for index in range(3 * KEPT):
        stage.update([(200.0 + index, 1.0)])
        stage.quote((1_000.0 + index, 1.0))
    assert len(stage.check._quotes.suspected) <= KEPT + 4


def break_book(stage: Stage) -> None:
    stage.snapshot()
    for size in (1.0, 2.0):
        stage.update([(90.0, size)])
        stage.quote((100.0, 9.0))


def agree(stage: Stage, count: int) -> None:
    for index in range(count):
        stage.update([(90.0, index + 3.0)])
        assert isinstance(stage.quote(BIDS[0]), Agreement)


def test_quotes_that_contradict_every_snapshot_are_distrusted(stage: Stage) -> None:
    for _ in range(STRIKES_MAX):
        break_book(stage)
        assert stage.check.broken
        assert not stage.check.distrusted
    for _ in range(5):
        break_book(stage)
        assert not stage.check.broken
        assert stage.check.distrusted
    stage.snapshot()
    agree(stage, TRUST_REGAINED - 1)
    assert stage.check.distrusted
    agree(stage, 1)
    assert not stage.check.distrusted
    break_book(stage)
    assert stage.check.broken


def test_books_that_break_once_in_a_while_are_always_told(stage: Stage) -> None:
    for _ in range(3 * STRIKES_MAX):
        break_book(stage)
        assert stage.check.broken
        stage.snapshot()
        agree(stage, STRIKES_FORGOTTEN)


PRICES = st.integers(min_value=90, max_value=110).map(float)
SIZES = st.integers(min_value=0, max_value=3).map(float)


@given(
    changes=st.lists(
        st.tuples(st.booleans(), st.lists(st.tuples(PRICES, SIZES), min_size=1, max_size=4)),
        min_size=1,
        max_size=60,
    ),
    order=st.randoms(use_true_random=False),
)
def test_right_book_never_disagrees_with_quotes_of_its_ids(
    changes: list[tuple[bool, Levels]], order: object
) -> None:
    stage, truth = Stage(), OrderBook()
    stage.snapshot()
    truth.apply(BookUpdate(BookAction.SNAPSHOT, levels(BIDS), levels(ASKS), 10, -1, 0, 1))
    for quote_first, change in changes:
        before = truth.seq_id
        truth.apply(BookUpdate(BookAction.UPDATE, levels(change), [], before + 10, before, 0, 1))
        bids, asks = truth.top(5)
        bid = (bids[0], bids[1]) if bids else (math.nan, 0.0)
        if quote_first:
            stage.quote(bid, (asks[0], asks[1]), ahead=10)
            stage.check.on_top5(truth.seq_id, bids, asks)
        found = stage.update(change)
        if not quote_first:
            assert stage.check.on_top5(truth.seq_id, bids, asks) == Agreement(truth.seq_id)
            found = stage.quote(bid, (asks[0], asks[1]))
        assert found == Agreement(truth.seq_id)
    assert (stage.check.mismatch_count, stage.check.broken) == (0, False)
